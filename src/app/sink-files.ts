/**
 * Files that sinks need: secrets, certificates, keys. What is wrong with them is seen without the network, so it is said
 * where somebody looks: by `earshot config check`, at a start and by a reload, and not when the first batch fails.
 *
 * While the sensor runs it is otherwise: a file that goes bad then is a matter of its sink, which keeps the good one.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SensorError } from '../base/errors.ts';
import { readSecret } from '../base/secret.ts';
import type { Secret, Settings, SinkSettings } from '../base/settings.ts';
import { tlsFilesProblem } from '../ship/tls-options.ts';

/** Behind the name of a file that was rotated. */
const ARCHIVE = /\.[1-9][0-9]*$/;

/** Every reference to a secret below a setting, with the name of the setting that it stands in. */
export function secretsIn(name: string, value: unknown): [name: string, secret: Secret][] {
  if (typeof value !== 'object' || value === null) return [];
  const [key, ...others] = Object.keys(value);
  if (others.length === 0 && (key === 'file' || key === 'environment')) return [[name, value as Secret]];
  return Object.entries(value).flatMap(([part, below]) => secretsIn(`${name}.${part}`, below));
}

/** The same of a sink. */
export function sinkSecrets(name: string, sink: SinkSettings): [name: string, secret: Secret][] {
  // What stands in header fields is text, whatever their names.
  const { headers: _, ...others } = { headers: {}, ...sink };
  return secretsIn(`sinks.${name}`, others);
}

/** What is wrong with the certificates and keys of a sink; null: nothing, or it uses none. */
export function certificateFault(name: string, sink: SinkSettings): SensorError | null {
  if (sink.type === 'file' || sink.type === 'stdout' || (sink.type === 'kafka' && !sink.useTls)) return null;
  const problem = tlsFilesProblem(sink.tls);
  return problem === null ? null : new SensorError('config-invalid', `Cannot use sinks.${name}.tls`, problem.what, problem.next);
}

/** Throws a SensorError (config-invalid) when two write to one file, or one of them would rotate over the other's. */
export function refuseSharedFiles({ sinks, output, log }: Pick<Settings, 'sinks' | 'output' | 'log'>): void {
  const writers: [name: string, path: string][] = [
    ['output.file', output.file],
    ['log.file', log.file],
    ...Object.entries(sinks).map(([name, sink]): [string, string] => [`sinks.${name}.path`, sink.type === 'file' ? sink.path : '']),
  ];
  const used = new Map<string, string>();
  /** By the name that it would be an archive of. */
  const archives = new Map<string, string>();
  for (const [name, path] of writers) {
    if (path === '' || path === '-') continue;
    const place = placeOf(path);
    const other = used.get(place) ?? used.get(place.replace(ARCHIVE, '')) ?? archives.get(place);
    if (other !== undefined) {
      throw new SensorError(
        'config-invalid',
        `Cannot use ${other} and ${name} together`,
        used.has(place) ? `both name the file ${place}` : 'one of them is a name under which the other keeps files that are full',
        'Give each of them a file of its own.',
      );
    }
    used.set(place, name);
    if (ARCHIVE.test(place)) archives.set(place.replace(ARCHIVE, ''), name);
  }
}

/** Where a file lies, or will lie, by the links of its folder. */
export function placeOf(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    // It is not there yet; its folder may be.
  }
  try {
    return join(realpathSync(dirname(whole)), basename(whole));
  } catch {
    return whole;
  }
}

/** Throws a SensorError (config-invalid, secret-missing) with all that is wrong with the files of the sinks. */
export function refuseSinkFiles({ sinks }: Pick<Settings, 'sinks'>): void {
  const faults = Object.entries(sinks).flatMap(([name, sink]) => [
    ...sinkSecrets(name, sink).flatMap(([setting, secret]) => secretFault(setting, secret) ?? []),
    ...[certificateFault(name, sink)].filter((fault) => fault !== null),
  ]);
  const [first, ...others] = faults;
  if (first === undefined) return;
  if (others.length === 0) throw first;
  const { code } = first;
  const next = faults.every((fault) => fault.next === first.next)
    ? first.next
    : 'Mend each of them; earshot config check says what is left.';
  const lines = faults.map(({ what, why }) => `${what}: ${why}`);
  throw new SensorError(code, 'Cannot use the sinks', `${faults.length} things are wrong with their files`, next, undefined, lines);
}

function secretFault(setting: string, secret: Secret): SensorError | null {
  try {
    readSecret(secret);
    return null;
  } catch (error) {
    if (!(error instanceof SensorError)) throw error;
    return new SensorError(error.code, `Cannot use ${setting}`, `${error.what}: ${error.why}`, error.next, error.cause);
  }
}
