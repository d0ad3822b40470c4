/**
 * `earshot spool dead-letters list | replay`: through the running sensor, which has them open; from the files when none
 * runs.
 */
import { SensorError } from '../base/errors.ts';
import type { Settings } from '../base/settings.ts';
import {
  DeadLetters,
  LETTERS,
  LETTERS_SHOWN_MAX,
  type LetterFilter,
  type LetterHead,
  letterSpool,
  replayToSinks,
} from '../ship/dead-letters.ts';
import { nodeFiles } from '../ship/node-files.ts';
import { isSpool, lettersDirectory } from '../ship/spool/backlog.ts';
import { requireSpool } from '../ship/spool/find-spool.ts';
import { Spool } from '../ship/spool/spool.ts';
import { ask } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { say, writeText } from './output.ts';
import { pipelinesOf } from './pipelines.ts';
import { safeJson } from './safe-json.ts';
import { noSink, readerNamed, readersOf, type SpoolOptions, type SpoolPlace, spoolPlace } from './spool-place.ts';
import { type Column, table } from './table.ts';
import { coloursOf, widthOf } from './terminal.ts';
import { count, longTime } from './units.ts';

const CLOSE_MS = 10_000;

export interface DeadLetterOptions extends SpoolOptions, ControlOptions {
  readonly sink?: string;
  readonly code?: string;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly json?: boolean;
}

export async function listDeadLetters(options: DeadLetterOptions): Promise<void> {
  const filter = filterOf(options);
  const running = await throughSensor(options, async (path) => {
    const { deadLetters } = await ask(path, { command: 'dead-letters', filter });
    if (deadLetters.length === 0) await checkSink(path, filter);
    return deadLetters;
  });
  const letters = running ?? (await listOffline(await spoolPlace(options), filter));
  const isCut = letters.length === LETTERS_SHOWN_MAX;
  const oldest = `These are the oldest ${count(LETTERS_SHOWN_MAX)}; --sink, --code and --since choose.\n`;
  if (options.json) {
    writeText(1, letters.map((letter) => `${safeJson(letter)}\n`).join(''));
    if (isCut) say(`earshot: ${oldest}`);
    return;
  }
  if (letters.length === 0) {
    writeText(1, 'No dead letters.\n');
    return;
  }
  const nowMs = Date.now();
  const columns: Column<LetterHead>[] = [
    { title: 'age', cell: ({ atMs }) => longTime(nowMs - atMs), right: true },
    { title: 'sink', cell: ({ sink }) => sink },
    { title: 'code', cell: ({ problem }) => problem.code },
    { title: 'what', cell: ({ problem }) => problem.what, elasticMin: 20 },
    { title: 'id', cell: ({ id }) => id },
  ];
  writeText(1, `${table(columns, letters, widthOf(process.stdout), coloursOf(process.stdout).bold).join('\n')}\n`);
  if (isCut) writeText(1, oldest);
}

export async function replayDeadLetters(options: DeadLetterOptions): Promise<void> {
  const filter = filterOf(options);
  const running = await throughSensor(options, async (path) => {
    const { replayed } = await ask(path, { command: 'replay', filter });
    if (replayed === 0) await checkSink(path, filter);
    return replayed;
  });
  const replayed = running ?? (await replayOffline(await spoolPlace(options), filter));
  const how = running === null ? 'the next start of the sensor delivers them' : 'the sensor delivers them';
  writeText(1, replayed === 0 ? 'No dead letter was put back.\n' : `${count(replayed)} records were put back into the spool; ${how}.\n`);
}

/** Nothing was found: throws a SensorError (usage) when the sensor has no such sink. */
async function checkSink(path: string, { sink }: LetterFilter): Promise<void> {
  if (sink === undefined) return;
  const { ship } = (await ask(path, { command: 'report' })).report;
  if (ship === null || ship.sinks.some(({ name }) => name === sink)) return;
  throw noSink(
    sink,
    'the sensor',
    ship.sinks.map(({ name }) => name),
  );
}

function filterOf({ sink, code, since }: DeadLetterOptions): LetterFilter {
  return { ...(sink !== undefined && { sink }), ...(code !== undefined && { code }), ...(since !== undefined && { sinceMs: since }) };
}

/** What the sensor says; null when none runs, or a directory was named. */
async function throughSensor<T>(options: DeadLetterOptions, act: (path: string) => Promise<T>): Promise<T | null> {
  if (options.directory !== undefined) return null;
  try {
    return await act(await controlPathOf(options));
  } catch (error) {
    if (error instanceof SensorError && error.code === 'not-running' && options.socket === undefined) return null;
    throw error;
  }
}

async function listOffline(place: SpoolPlace, filter: LetterFilter): Promise<LetterHead[]> {
  const { directory, settings, keys } = place;
  await requireSpool(nodeFiles, directory);
  if (!(await isSpool(lettersDirectory(directory)))) return none(place, filter);
  const letters = await Spool.open({ ...letterSpool(directory, onDisk(settings.spool)), keys });
  try {
    const found = await new DeadLetters(letters, letters.reader(LETTERS), letters).list(filter, LETTERS_SHOWN_MAX);
    return found.length === 0 ? none(place, filter) : found;
  } finally {
    await letters.close(Date.now() + CLOSE_MS);
  }
}

/** A sink that is gone may have left letters; one that has none and is not configured is a mistake. */
function none(place: SpoolPlace, { sink }: LetterFilter): LetterHead[] {
  if (sink !== undefined && place.isConfigured) readerNamed(sink, place);
  return [];
}

/** What a command leaves in memory is gone with it. */
function onDisk(settings: Settings['spool']): Settings['spool'] {
  return { ...settings, level: 'disk' };
}

async function replayOffline(place: SpoolPlace, filter: LetterFilter): Promise<number> {
  const { directory, settings, isConfigured, keys } = place;
  if (filter.sink !== undefined) readerNamed(filter.sink, place);
  // A spool that is opened without its sinks takes what waits for them as done.
  if (!isConfigured) {
    throw new SensorError(
      'usage',
      'Cannot replay dead letters',
      'no sensor runs, and no configuration says which sinks there are',
      'Name the configuration of the sensor with --config, or start it.',
    );
  }
  if (settings.spool.level === 'memory') {
    throw new SensorError(
      'usage',
      'Cannot replay dead letters',
      'spool.level is memory: the sensor would not read them from the disk',
      'Set spool.level to disk or os, or replay them while the sensor runs.',
    );
  }
  await requireSpool(nodeFiles, directory);
  if (!(await isSpool(lettersDirectory(directory)))) return 0;
  const pipelines = pipelinesOf(settings).map(({ name }) => name);
  const main = await Spool.open({ directory, settings: onDisk(settings.spool), pipelines, readers: readersOf(settings), keys });
  try {
    const letters = await Spool.open({ ...letterSpool(directory, onDisk(settings.spool)), keys });
    try {
      const dead = new DeadLetters(letters, letters.reader(LETTERS), main);
      return await replayToSinks(dead, Object.keys(settings.sinks), filter);
    } finally {
      await letters.close(Date.now() + CLOSE_MS);
    }
  } finally {
    await main.close(Date.now() + CLOSE_MS);
  }
}
