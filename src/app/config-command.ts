/**
 * `earshot config`: says whether a configuration can be used, writes one with every default, or the JSON Schema.
 * What a check finds beyond the file itself (an interface that is not there now) is a warning: it may come later.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { loadSettings } from '../base/config.ts';
import { SensorError } from '../base/errors.ts';
import { readSecret, secretWarning } from '../base/secret.ts';
import { defaultSettings, type Secret, type Settings } from '../base/settings.ts';
import { changesBetween, describeValue } from '../base/settings-change.ts';
import { settingsJsonSchema } from '../base/settings-schema.ts';
import { type Setting, settingsTable } from '../base/settings-table.ts';
import { compileExpression, tunnelsHiddenBy } from '../capture/libpcap.ts';
import { socketFilter } from '../capture/socket-filter.ts';
import { systemCalls } from '../capture/syscalls.ts';
import { say, writeText } from './output.ts';

const COLUMNS = 118;
const LINKTYPE_ETHERNET = 1;

/** `earshot config check FILE`. Throws a SensorError with all that is wrong. */
export function checkConfig(file: string): void {
  const settings = loadSettings(file);
  const warnings = warningsOf(settings);
  throwTogether(file, [...secretFaults(settings), ...filterFaults(settings, warnings)]);
  for (const warning of warnings) say(`earshot: warning: ${warning}\n`);
  const { live, restart } = changesBetween(defaultSettings, settings);
  const values = new Map([...live, ...restart].map(({ name, after }) => [name, after]));
  const differences = settingsTable()
    .filter(({ name }) => values.has(name))
    .map(({ name }) => `${name} ${describeValue(values.get(name))}`);
  const outcome =
    differences.length === 0 ? 'nothing differs from the defaults' : `differs from the defaults in: ${differences.join(', ')}`;
  writeText(1, `valid: ${file}; ${outcome}\n`);
}

interface SettingFault {
  readonly name: string;
  readonly error: SensorError;
}

function throwTogether(file: string, faults: readonly SettingFault[]): void {
  if (faults.length === 0) return;
  const [{ error: first }] = faults;
  throw new SensorError(
    first.code,
    `Cannot use the configuration ${file}`,
    faults.length === 1 ? 'one of its settings cannot be used' : `${faults.length} of its settings cannot be used`,
    first.next,
    undefined,
    faults.map(({ name, error }) => `${name}: ${error.what}: ${error.why}`),
  );
}

/** What `act` throws as a fault of that setting; none when it does not. */
function faultsOf(name: string, act: () => void): SettingFault[] {
  try {
    act();
    return [];
  } catch (error) {
    if (error instanceof SensorError) return [{ name, error }];
    throw error;
  }
}

/** Every reference to a secret, with the setting that it stands in. */
function secretsOf({ metrics }: Settings): [name: string, secret: Secret][] {
  return Object.entries(metrics.otlpHeaders).map(([field, secret]) => [`metrics.otlpHeaders.${field}`, secret]);
}

function secretFaults(settings: Settings): SettingFault[] {
  return secretsOf(settings).flatMap(([name, secret]) => faultsOf(name, () => readSecret(secret)));
}

/** Compiles the filters as a start would. What only this machine lacks becomes a warning. */
function filterFaults({ capture, decode }: Settings, warnings: string[]): SettingFault[] {
  const { filter, only, not } = capture;
  const { vxlanPorts, genevePorts } = decode;
  let expression: Buffer | null = null;
  const faults = faultsOf('capture.filter', () => {
    if (filter !== '') expression = compileExpression(filter, LINKTYPE_ETHERNET);
  });
  if (faults[0]?.error.code === 'libpcap-missing') {
    const [{ error }] = faults.splice(0);
    warnings.push(`capture.filter: ${error.why} on this machine. ${error.next}`);
  }
  if (expression !== null) {
    const hidden = tunnelsHiddenBy(expression);
    if (hidden.length > 0) {
      warnings.push(
        `capture.filter lets nothing pass that comes in ${hidden.join(', ')}: it looks at the outer packet only. capture.only and capture.not look inside.`,
      );
    }
  }
  const options = { start: 'frame', interfaces: [1], loopback: 1, only, not, vxlanPorts, genevePorts } as const;
  if (faults.length === 0) faults.push(...faultsOf('capture', () => socketFilter({ ...options, expression })));
  return faults;
}

function warningsOf(settings: Settings): string[] {
  const { capture, run, output, log } = settings;
  const warnings = secretsOf(settings).flatMap(([, secret]) => secretWarning(secret) ?? []);
  if (capture.interfaces.length === 0 && capture.endpoints.length === 0) {
    warnings.push('capture.interfaces and capture.endpoints are both empty: `earshot run` has nothing to listen to.');
  }
  const calls = systemCalls();
  for (const name of capture.interfaces) {
    if (calls === null || /[*?]/.test(name) || calls.interfaceIndex(name) !== 0) continue;
    warnings.push(`capture.interfaces: there is no interface ${name} now. The sensor waits for it to come.`);
  }
  const processors = availableParallelism();
  for (const processor of run.affinity) {
    if (processor >= processors)
      warnings.push(`run.affinity: this process may use ${processors} processors now, which count from 0; ${processor} may not be one.`);
  }
  for (const [name, path] of [
    ['output.file', output.file],
    ['log.file', log.file],
  ]) {
    if (path === '' || path === '-' || existsSync(dirname(path))) continue;
    warnings.push(`${name}: there is no folder ${dirname(path)} now.`);
  }
  return warnings;
}

/** `earshot config schema` */
export function printSchema(): void {
  writeText(1, `${JSON.stringify(settingsJsonSchema(), null, 2)}\n`);
}

/** `earshot config print-default` */
export function printDefault(): void {
  writeText(1, defaultConfiguration());
}

const HEAD = `# The configuration of Earshot: every setting with its default. Keep what differs; what is left out is the default.
# Check it with: earshot config check FILE
# For help in an editor with a YAML language server: earshot config schema > earshot.schema.json, and begin the file
# with this line, with one # only:
## yaml-language-server: $schema=earshot.schema.json
`;

/** A configuration that says every default, each with its meaning. */
export function defaultConfiguration(): string {
  let text = HEAD;
  let sections: readonly string[] = [];
  for (const setting of settingsTable()) {
    const path = setting.name.split('.');
    const own = path.slice(0, -1);
    own.forEach((name, depth) => {
      if (own.slice(0, depth + 1).join('.') === sections.slice(0, depth + 1).join('.')) return;
      text += `\n${'  '.repeat(depth)}${name}:\n`;
    });
    if (own.length < sections.length) text += '\n';
    sections = own;
    const indent = '  '.repeat(own.length);
    for (const line of commentOf(setting).flatMap((sentence) => wordsInLines(sentence, COLUMNS - indent.length - 2)))
      text += `${indent}# ${line}\n`;
    text += `${indent}${path.at(-1)}: ${JSON.stringify(setting.default)}\n`;
  }
  return text;
}

function commentOf({ meaning, unit, default: value, allowed, examples, isLive }: Setting): string[] {
  const of = unit === '' || unit === 'count' ? '' : ` (${unit})`;
  return [
    meaning,
    `Default: ${JSON.stringify(value)}. Allowed: ${allowed}${of}. A change ${isLive ? 'takes effect at once' : 'needs a restart'}.`,
    ...(examples.length === 0 ? [] : [`For example: ${examples.map((example) => JSON.stringify(example)).join(' or ')}`]),
  ];
}

/** The words of a text in lines of at most `width` characters, but for a word that is longer alone. */
function wordsInLines(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
