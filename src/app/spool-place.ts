/** Which spool a command means, and what its configuration says of it. */
import { SensorError } from '../base/errors.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { type BacklogReader, isSpool, lettersDirectory } from '../ship/spool/backlog.ts';
import { readSpoolKeys, type SpoolKeys } from '../ship/spool/keys.ts';
import { pipelinesOf } from './pipelines.ts';
import { spoolDirectory } from './state-directory.ts';

export interface SpoolOptions {
  /** Configuration of the sensor, which says where its spool is and who reads it. */
  readonly config?: string;
  /** The spool, whatever a configuration says. */
  readonly directory?: string;
}

export interface SpoolPlace {
  readonly directory: string;
  readonly settings: Settings;
  /** Whether the settings are those of the sensor. */
  readonly isConfigured: boolean;
  readonly keys: SpoolKeys;
}

/** Throws SensorError for a configuration or a key that cannot be used. */
export async function spoolPlace(options: SpoolOptions): Promise<SpoolPlace> {
  const isConfigured = options.config !== undefined;
  const settings = isConfigured ? (await import('../base/config.ts')).loadSettings(options.config as string) : defaultSettings;
  const directory = options.directory ?? spoolDirectory(settings);
  return { directory, settings, isConfigured, keys: readSpoolKeys(settings.spool) };
}

/** The sinks of the configuration, with the pipelines that feed them. */
export function readersOf(settings: Settings): BacklogReader[] {
  const pipelines = pipelinesOf(settings);
  return Object.keys(settings.sinks).map((name) => ({
    name,
    pipelines: pipelines.filter(({ sinks }) => sinks.includes(name)).map((pipeline) => pipeline.name),
  }));
}

/** The sink of that name. Throws a SensorError (usage) when the configuration has none. */
export function readerNamed(name: string, { settings, isConfigured }: SpoolPlace): BacklogReader {
  const reader = readersOf(settings).find((one) => one.name === name);
  if (reader !== undefined) return reader;
  if (isConfigured) throw noSink(name, 'the configuration', Object.keys(settings.sinks));
  const next = 'Name the configuration of the sensor with --config.';
  throw new SensorError('usage', `There is no sink ${name}`, 'no configuration says which sinks there are', next);
}

/** What is said of a sink that `who` does not have. */
export function noSink(name: string, who: string, known: readonly string[]): SensorError {
  const why = `${who} has ${known.length === 0 ? 'no sinks' : known.join(', ')}`;
  return new SensorError('usage', `There is no sink ${name}`, why, 'Name one of them with --sink.');
}

/** The spool, and that of its dead letters where there is one. */
export async function withLetters(directory: string): Promise<string[]> {
  const letters = lettersDirectory(directory);
  return (await isSpool(letters)) ? [directory, letters] : [directory];
}
