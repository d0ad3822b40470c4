/**
 * `earshot config`: says whether a configuration can be used, writes one with every default, or the JSON Schema.
 * A check also reads what the configuration names: secrets, certificates, files of rules. What it finds beyond that (an
 * interface that is not there now) is a warning: it may come later.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { loadSettings } from '../base/config.ts';
import { type ErrorCode, SensorError } from '../base/errors.ts';
import { readSecret, secretWarning } from '../base/secret.ts';
import { defaultSettings, type Secret, type Settings } from '../base/settings.ts';
import { changesBetween, describeValue } from '../base/settings-change.ts';
import { settingsJsonSchema } from '../base/settings-schema.ts';
import { settingsTable } from '../base/settings-table.ts';
import { compileExpression, tunnelsHiddenBy } from '../capture/libpcap.ts';
import { socketFilter } from '../capture/socket-filter.ts';
import { systemCalls } from '../capture/syscalls.ts';
import { createSink, formatOf } from '../ship/create-sink.ts';
import { formats } from '../ship/formats/format.ts';
import { openFraming } from '../ship/framing.ts';
import { readSpoolKeys } from '../ship/spool/keys.ts';
import { defaultConfiguration } from './default-configuration.ts';
import { say, writeText } from './output.ts';
import { pipelinesOf } from './pipelines.ts';
import { loadPolicy } from './policy-files.ts';
import { certificateFault, refuseSharedFiles, secretsIn, sinkSecrets } from './sink-files.ts';
import { refuseEqualRoutes } from './sink-names.ts';
import { unencrypted } from './unencrypted.ts';
import { version } from './version.ts';

const LINKTYPE_ETHERNET = 1;

/** `earshot config check FILE`. Throws a SensorError with all that is wrong. */
export async function checkConfig(file: string): Promise<void> {
  const settings = settingsIn(file);
  const warnings = warningsOf(settings);
  throwTogether(file, [
    ...filterFaults(settings, warnings),
    ...secretFaults(settings),
    ...certificateFaults(settings),
    ...(await sinkFaults(settings)),
    ...faultsOf('sinks', () => refuseEqualRoutes(settings)),
    ...faultsOf('sinks', () => refuseSharedFiles(settings)),
    ...(await policyFaults(settings)),
  ]);
  for (const warning of warnings) say(`earshot: warning: ${warning}\n`);
  const differences = differencesOf(settings);
  const outcome =
    differences.length === 0 ? 'nothing differs from the defaults' : `differs from the defaults in: ${differences.join(', ')}`;
  writeText(1, `valid: ${file}; ${outcome}\n`);
}

/** The settings of a file that the operator named as an argument, not by an option. */
function settingsIn(file: string): Settings {
  try {
    return loadSettings(file);
  } catch (error) {
    if (!(error instanceof SensorError) || error.code === 'config-invalid') throw error;
    const { code, what, why, cause } = error;
    throw new SensorError(code, what, why, 'Name a file in YAML or JSON: earshot config check FILE.', cause);
  }
}

/** In the order of the table; of pipelines and sinks no more than which they are. */
function differencesOf(settings: Settings): string[] {
  const { live, restart } = changesBetween(defaultSettings, settings);
  const changes = [...live, ...restart];
  return settingsTable().flatMap(({ name: setting }) =>
    changes.flatMap(({ name, after }) => {
      if (name === setting) return [`${name} ${describeValue(after)}`];
      if (!name.startsWith(`${setting}.`)) return [];
      const { type, sinks } = after as { readonly type?: string; readonly sinks?: readonly string[] };
      return [type === undefined ? `${name} to ${sinks?.length === 0 ? 'all sinks' : describeValue(sinks)}` : `${name} ${type}`];
    }),
  );
}

interface SettingFault {
  readonly name: string;
  readonly code: ErrorCode;
  readonly text: string;
  readonly next: string;
  readonly details: readonly string[];
}

function throwTogether(file: string, faults: readonly SettingFault[]): void {
  if (faults.length === 0) return;
  const [first] = faults;
  throw new SensorError(
    first.code,
    `Cannot use the configuration ${file}`,
    faults.length === 1 ? 'one of its settings cannot be used' : `${faults.length} of its settings cannot be used`,
    faults.every(({ next }) => next === first.next) ? first.next : 'Mend each of them; docs/configuration.md says how.',
    undefined,
    faults.flatMap(({ name, text, details }) => [`${name}: ${text}`, ...details.map((line) => `  ${line}`)]),
  );
}

function faultOf(name: string, error: unknown): SettingFault {
  if (!(error instanceof SensorError)) throw error;
  const { code, what, why, next, details } = error;
  return { name, code, text: `${what}: ${why}`, next, details };
}

/** What `act` throws as a fault of that setting; none when it does not. */
function faultsOf(name: string, act: () => void): SettingFault[] {
  try {
    act();
    return [];
  } catch (error) {
    return [faultOf(name, error)];
  }
}

/** Every reference to a secret, with the setting that it stands in. */
function secretsOf({ metrics, policy, sinks, spool }: Settings): [name: string, secret: Secret][] {
  const found: [string, Secret][] = Object.entries(metrics.otlpHeaders).map(([field, secret]) => [`metrics.otlpHeaders.${field}`, secret]);
  found.push(...secretsIn('policy', policy));
  for (const [name, sink] of Object.entries(sinks)) found.push(...sinkSecrets(name, sink));
  found.push(...secretsIn('spool', spool));
  return found;
}

function secretFaults(settings: Settings): SettingFault[] {
  // The key of the masking is read with its rules.
  const secrets = secretsOf(settings).filter(([name]) => name !== 'policy.maskingKey');
  const faults = secrets.flatMap(([name, secret]) => faultsOf(name, () => readSecret(secret)));
  if (!faults.some(({ name }) => name.startsWith('spool.'))) faults.push(...faultsOf('spool', () => readSpoolKeys(settings.spool)));
  return faults;
}

function certificateFaults({ sinks }: Settings): SettingFault[] {
  return Object.entries(sinks).flatMap(([name, sink]): SettingFault[] => {
    const fault = certificateFault(name, sink);
    return fault === null ? [] : [{ name: `sinks.${name}.tls`, code: fault.code, text: fault.why, next: fault.next, details: [] }];
  });
}

/** Makes each sink that has an address, without connecting it. */
async function sinkFaults(settings: Settings): Promise<SettingFault[]> {
  const faults: SettingFault[] = [];
  for (const [name, sink] of Object.entries(settings.sinks)) {
    if (sink.type === 'file' || sink.type === 'stdout') continue;
    const framing = openFraming(formats[formatOf(sink)](), { settings, version: version(), now: Date.now, pipelines: [] });
    const silent = { info: () => {}, warn: () => {} };
    try {
      await (await createSink(name, sink, framing, { sensorId: settings.sensor.id, version: version(), log: silent })).close();
    } catch (error) {
      faults.push(faultOf(`sinks.${name}`, error));
    }
  }
  return faults;
}

/** Reads the filters, the masking rules and their key, and compiles them as a worker would. */
async function policyFaults(settings: Settings): Promise<SettingFault[]> {
  try {
    const spec = await loadPolicy(settings, '');
    const { Policy } = await import('../policy/policy.ts');
    new Policy(spec);
    return [];
  } catch (error) {
    return [faultOf('policy', error)];
  }
}

/** Compiles the filters as a start would. What only this machine lacks becomes a warning. */
function filterFaults({ capture, decode }: Settings, warnings: string[]): SettingFault[] {
  const { filter, only, not } = capture;
  const { vxlanPorts, genevePorts } = decode;
  let expression: Buffer | null = null;
  const faults = faultsOf('capture.filter', () => {
    if (filter !== '') expression = compileExpression(filter, LINKTYPE_ETHERNET);
  });
  if (faults[0]?.code === 'libpcap-missing') {
    const [{ text, next }] = faults.splice(0);
    warnings.push(`capture.filter: ${text}. ${next}`);
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
  const { capture, run, output, log, sinks } = settings;
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
  const used = new Set(pipelinesOf(settings).flatMap((pipeline) => pipeline.sinks));
  for (const name of Object.keys(sinks)) {
    if (used.has(name)) continue;
    warnings.push(`sinks.${name}: no pipeline names it, so it gets nothing.`);
  }
  for (const [name, path] of [
    ['output.file', output.file],
    ['log.file', log.file],
    ...Object.entries(sinks).map(([name, sink]) => [`sinks.${name}.path`, sink.type === 'file' ? sink.path : '']),
  ]) {
    if (path === '' || path === '-' || existsSync(dirname(path))) continue;
    warnings.push(`${name}: there is no folder ${dirname(path)} now.`);
  }
  for (const text of unencrypted(settings)) warnings.push(`${text}.`);
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
