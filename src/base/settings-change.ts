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
  'websocket.messages',
  'websocket.messageBytes',
  'websocket.messagesPerSecondMax',
  'websocket.windowsMax',
  'metrics.graphite',
  'metrics.statsd',
  'metrics.otlp',
  'metrics.otlpHeaders',
  'metrics.prefix',
  'metrics.intervalMs',
  'log.level',
  'policy.maskingFile',
  'policy.descriptorFiles',
  'policy.maskingKey',
]);
/** Which pipelines and sinks there are, and everything about them. */
const LIVE_MAPS = /^(pipelines|sinks)(\.|$)/;

export function isLiveSetting(name: string): boolean {
  return live.has(name) || LIVE_MAPS.test(name);
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

/** Maps by name whose members are compared each by itself. */
const maps: readonly string[] = ['pipelines', 'sinks'];

/** The settings that differ, in the order of base/settings.ts. */
export function changesBetween(before: Settings, after: Settings): SettingChanges {
  const values = new Map(settingValues(after));
  const changes = settingValues(before).flatMap(([name, value]) => {
    const other = values.get(name);
    return maps.includes(name) && isTree(value) && isTree(other) ? mapChanges(name, value, other) : change(name, value, other);
  });
  return { live: changes.filter(({ name }) => isLiveSetting(name)), restart: changes.filter(({ name }) => !isLiveSetting(name)) };
}

function change(name: string, before: unknown, after: unknown): SettingChange[] {
  return canonical(before) === canonical(after) ? [] : [{ name, before, after }];
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What came or went as a whole, and of what stayed each setting. */
function mapChanges(name: string, before: Tree, after: Tree): SettingChange[] {
  const kept = Object.keys(before).filter((member) => Object.hasOwn(after, member));
  const keptAfter = Object.keys(after).filter((member) => Object.hasOwn(before, member));
  const changes = Object.keys({ ...before, ...after }).flatMap((member) =>
    kept.includes(member)
      ? treeChanges(`${name}.${member}`, before[member], after[member])
      : change(`${name}.${member}`, before[member], after[member]),
  );
  // The place of a pipeline is its bit in the routes of a record.
  if (name === 'pipelines') changes.push(...change(name, kept, keptAfter));
  return changes;
}

function treeChanges(name: string, before: unknown, after: unknown): SettingChange[] {
  if (!isTree(before) || !isTree(after) || isReference(before) || isReference(after)) return change(name, before, after);
  return Object.keys({ ...before, ...after }).flatMap((key) => treeChanges(`${name}.${key}`, before[key], after[key]));
}

function isReference(value: Tree): boolean {
  return typeof value.file === 'string' || typeof value.environment === 'string';
}

const HEADER = /^sinks\.[^.]+\.headers\./;
const VALUE_CHARACTERS_MAX = 200;

function plain(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(', ')}]`;
  if (isSection(value)) {
    if (isReference(value)) return secretReference(value as Secret);
    return `{${Object.entries(value)
      // Some put keys into the header fields of a sink.
      .map(([name, part]) => `${name}: ${name === 'headers' && isTree(part) ? plain(Object.keys(part)) : plain(part)}`)
      .join(', ')}}`;
  }
  // Bare where nobody can misread it.
  return typeof value === 'string' && /^[^\s"'[\]{},>\p{C}]+$/u.test(value) ? value : JSON.stringify(value);
}

/** A value as a person reads it: `[eth0, eth1]`, `info`, `""`. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = plain(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}...` : text;
}

/** One line: `log.level info -> debug, capture.interfaces [eth0] -> [eth0, eth1]`; "nothing" for none. */
export function describeChanges(changes: readonly SettingChange[]): string {
  if (changes.length === 0) return 'nothing';
  return changes
    .map(({ name, before, after }) =>
      HEADER.test(name) ? `${name} (not shown)` : `${name} ${describeValue(before)} -> ${describeValue(after)}`,
    )
    .join(', ');
}
