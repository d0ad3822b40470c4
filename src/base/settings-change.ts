/** What a new configuration changes, and what of it a running sensor can take over. */
import { secretReference } from './secret.ts';
import { defaultSettings, type Secret, type Settings } from './settings.ts';

export interface SettingChange {
  /** As "log.level" */
  readonly name: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface SettingChanges {
  /** A running sensor takes them over. */
  readonly live: readonly SettingChange[];
  /** Need a restart. */
  readonly restart: readonly SettingChange[];
}

/** Settings that can be changed while the sensor runs. All others need a restart. */
const live: ReadonlySet<string> = new Set([
  'capture.interfaces',
  'capture.filter',
  'capture.only.ports',
  'capture.only.networks',
  'capture.not.ports',
  'capture.not.networks',
  'run.stopTimeoutMs',
  'run.statsIntervalMs',
  'run.shedding',
  'run.watchCallsPerSecondMax',
  'metrics.graphite',
  'metrics.statsd',
  'metrics.otlp',
  'metrics.otlpHeaders',
  'metrics.prefix',
  'metrics.intervalMs',
  'log.level',
]);

export function isLiveSetting(name: string): boolean {
  return live.has(name);
}

type Tree = Readonly<Record<string, unknown>>;

/** A section, not a value: the lists and the empty map of the defaults are values. */
function isSection(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
}

/** Every setting by its whole name, in the order of base/settings.ts, with its value in `settings`. */
export function settingValues(settings: Settings): [name: string, value: unknown][] {
  const found: [string, unknown][] = [];
  const walk = (prefix: string, defaults: Tree, tree: Tree): void => {
    for (const [name, value] of Object.entries(defaults)) {
      if (isSection(value)) walk(`${prefix}${name}.`, value, tree[name] as Tree);
      else found.push([`${prefix}${name}`, tree[name]]);
    }
  };
  walk('', defaultSettings, settings);
  return found;
}

/** The same value gives the same text, in whatever order the names of a map stand. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isSection(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

/** The settings that differ, in the order of base/settings.ts. */
export function changesBetween(before: Settings, after: Settings): SettingChanges {
  const values = new Map(settingValues(after));
  const changes = settingValues(before)
    .map(([name, value]): SettingChange => ({ name, before: value, after: values.get(name) }))
    .filter((change) => canonical(change.before) !== canonical(change.after));
  return { live: changes.filter(({ name }) => live.has(name)), restart: changes.filter(({ name }) => !live.has(name)) };
}

const VALUE_CHARACTERS_MAX = 200;

function plain(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(', ')}]`;
  if (isSection(value)) {
    if (typeof value.file === 'string' || typeof value.environment === 'string') return secretReference(value as Secret);
    return `{${Object.entries(value)
      .map(([name, part]) => `${name}: ${plain(part)}`)
      .join(', ')}}`;
  }
  // Bare where nobody can misread it.
  return typeof value === 'string' && /^[^\s"'[\]{},>\p{C}]+$/u.test(value) ? value : JSON.stringify(value);
}

/** A value as a person reads it: `[eth0, eth1]`, `info`, `""`. */
export function describeValue(value: unknown): string {
  const text = plain(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}...` : text;
}

/** One line: `log.level info -> debug, capture.interfaces [eth0] -> [eth0, eth1]`; "nothing" for none. */
export function describeChanges(changes: readonly SettingChange[]): string {
  if (changes.length === 0) return 'nothing';
  return changes.map(({ name, before, after }) => `${name} ${describeValue(before)} -> ${describeValue(after)}`).join(', ');
}
