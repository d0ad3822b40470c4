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
import { isSpool, lettersDirectory } from '../ship/spool/backlog.ts';
import { Spool } from '../ship/spool/spool.ts';
import { ask } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { writeText } from './output.ts';
import { pipelinesOf } from './pipelines.ts';
import { safeJson } from './safe-json.ts';
import { readerNamed, readersOf, type SpoolOptions, type SpoolPlace, spoolPlace } from './spool-place.ts';
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
  const running = await throughSensor(options, async (path) => (await ask(path, { command: 'dead-letters', filter })).deadLetters);
  const letters = running ?? (await listOffline(await spoolPlace(options), filter));
  if (options.json) {
    writeText(1, letters.map((letter) => `${safeJson(letter)}\n`).join(''));
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
  if (letters.length === LETTERS_SHOWN_MAX)
    writeText(1, `These are the oldest ${count(LETTERS_SHOWN_MAX)}; --sink, --code and --since choose.\n`);
}

export async function replayDeadLetters(options: DeadLetterOptions): Promise<void> {
  const filter = filterOf(options);
  const running = await throughSensor(options, async (path) => (await ask(path, { command: 'replay', filter })).replayed);
  const replayed = running ?? (await replayOffline(await spoolPlace(options), filter));
  const how = running === null ? 'the next start of the sensor delivers them' : 'the sensor delivers them';
  writeText(1, replayed === 0 ? 'No dead letter was put back.\n' : `${count(replayed)} records were put back into the spool; ${how}.\n`);
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
  if (!(await isSpool(lettersDirectory(directory)))) return [];
  const letters = await Spool.open({ ...letterSpool(directory, onDisk(settings.spool)), keys });
  try {
    return await new DeadLetters(letters, letters.reader(LETTERS), letters).list(filter, LETTERS_SHOWN_MAX);
  } finally {
    await letters.close(Date.now() + CLOSE_MS);
  }
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
