/**
 * `earshot spool verify | repair | export | purge | deliver`: what is done with a spool while no sensor uses it. Verify only
 * reads, beside a running sensor too; the others are refused then.
 */
import { closeSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SensorError } from '../base/errors.ts';
import { LETTERS } from '../ship/dead-letters.ts';
import { goesTo } from '../ship/routes.ts';
import { backlogOf, dropBacklog, lettersDirectory } from '../ship/spool/backlog.ts';
import { exportRecords, purgeSpool, type RecordChoice, spoolStatus, verifySpool } from '../ship/spool/offline.ts';
import { type Repaired, repairSpool } from '../ship/spool/repair.ts';
import { routesIn, type Segment } from '../ship/spool/segment.ts';
import { openOutput, say, writeBytes, writeText } from './output.ts';
import { pipelinesOf } from './pipelines.ts';
import { placeOf } from './sink-files.ts';
import { readerNamed, readersOf, type SpoolOptions, type SpoolPlace, spoolPlace, withLetters } from './spool-place.ts';
import { knownText, problemsOf } from './spool-status.ts';
import { shown } from './terminal.ts';
import { byteAmount, count } from './units.ts';

const EXIT_DAMAGED = 1;
const EXIT_UNDELIVERED = 1;
const TEXT_MAX = 2000;

/** Reads and checks every frame; gives 1 when something is damaged or missing, else 0. */
export async function verify(options: SpoolOptions): Promise<number> {
  const { directory, keys } = await spoolPlace(options);
  let wrong = 0;
  for (const place of await withLetters(directory)) {
    const report = await verifySpool(place, { keys });
    const problems = problemsOf(report);
    wrong += problems.length;
    for (const problem of problems) writeText(1, `${shown(`${place}/${problem}`, TEXT_MAX)}\n`);
    const frames = report.segments.reduce((sum, segment) => sum + segment.frames, 0);
    const unread = report.segments.filter(({ keyId }) => keyId !== '' && !keys.byId.has(keyId)).length;
    if (unread > 0) writeText(1, `${place}: ${count(unread)} segments are encrypted with keys that are not given: checksums only\n`);
    writeText(
      1,
      `${place}: ${count(report.segments.length)} segments, ${count(frames)} frames, ${count(report.records)} records; ${
        problems.length === 0 ? 'all is whole' : `${count(problems.length)} damaged or missing`
      }\n`,
    );
    if (report.knownHoles > 0) writeText(1, `${place}: ${knownText(report)}\n`);
  }
  if (wrong === 0) return 0;
  say('earshot: the spool is damaged. Stop the sensor, and set the damaged parts aside with earshot spool repair --yes.\n');
  return EXIT_DAMAGED;
}

/** Gives 1 when a part is left that only the configuration could tell about. */
export async function repair(options: SpoolOptions & { readonly yes?: boolean }): Promise<number> {
  const { directory, settings, isConfigured, keys } = await spoolPlace(options);
  const places = await withLetters(directory);
  await spoolStatus(directory);
  if (options.yes !== true) throw unconfirmed(`repair ${directory}`, 'it writes damaged segments anew, without what cannot be read');
  let left = 0;
  for (const place of places) {
    const configured = isConfigured ? pipelinesOf(settings).map(({ name }) => name) : null;
    const before = (await spoolStatus(place)).quarantinedFiles;
    const repaired = await repairSpool(place, { keys, pipelines: place === directory ? configured : [LETTERS] });
    const aside = (await spoolStatus(place)).quarantinedFiles - before;
    left += repaired.left.length;
    sayRepaired(place, repaired, aside);
  }
  if (left === 0) return 0;
  say('earshot: name the configuration of the sensor with --config: it may say which pipelines these segments are of.\n');
  return EXIT_DAMAGED;
}

function sayRepaired(place: string, { mended, setAside, left, isStateNew, newHoles }: Repaired, aside: number): void {
  for (const name of mended) writeText(1, `${place}/${name}: written anew with the frames that are whole\n`);
  for (const name of setAside) writeText(1, `${place}/${name}: it has no frame that can be read, and is set aside\n`);
  for (const name of left) writeText(1, `${place}/${name}: left as it is, the names of its pipelines are damaged\n`);
  if (isStateNew) writeText(1, `${place}/state: written anew\n`);
  const missing = newHoles.reduce((sum, { records }) => sum + records, 0);
  if (missing > 0) writeText(1, `${place}: ${count(missing)} records are missing; that is noted, and verify calls it known\n`);
  const done = mended.length + setAside.length;
  const nothing = done === 0 && left.length === 0 && missing === 0 && !isStateNew;
  writeText(
    1,
    nothing
      ? `${place}: nothing to repair\n`
      : `${place}: ${count(done)} segments repaired; ${
          aside === 0 ? 'nothing had to be set aside' : `${count(aside)} damaged parts set aside in ${place}/quarantine`
        }\n`,
  );
}

export interface ExportOptions extends SpoolOptions {
  readonly output?: string;
  readonly sink?: string;
  readonly from?: number;
  readonly to?: number;
}

/** The masked records as JSON lines. */
export async function exportSpool(options: ExportOptions): Promise<number> {
  const place = await spoolPlace(options);
  const choose = await choiceOf(place, options);
  // What is wrong with the spool is said before a file is emptied.
  await spoolStatus(place.directory);
  const fd = options.output === undefined ? 1 : openOutside(options.output, place.directory);
  try {
    const out = (lines: Uint8Array): Promise<void> => {
      const buffer = Buffer.from(lines.buffer, lines.byteOffset, lines.length);
      writeBytes(fd, buffer, 0, buffer.length);
      return Promise.resolve();
    };
    const { records, corruptFrames } = await exportRecords(place.directory, out, { keys: place.keys, choose });
    say(`earshot: ${count(records)} records were exported.\n`);
    if (corruptFrames === 0) return 0;
    say(`earshot: ${count(corruptFrames)} damaged frames were left out; earshot spool verify says where they are.\n`);
    return EXIT_DAMAGED;
  } finally {
    if (fd > 2) closeSync(fd);
  }
}

/** Opens the output anew, unless it lies in the spool: opening would empty a file of it. */
function openOutside(path: string, directory: string): number {
  if (path !== '-' && (isWithin(path, directory) || isLinkInto(path, directory))) {
    throw new SensorError('usage', `Cannot write ${path}`, 'it lies in the spool that is read', 'Name a file elsewhere with --output.');
  }
  return openOutput(path);
}

function isWithin(path: string, directory: string): boolean {
  const way = relative(realpathSync(directory), placeOf(path));
  return way !== '..' && !way.startsWith('../');
}

/** Whether it is another name of a file there. */
function isLinkInto(path: string, directory: string): boolean {
  const output = statOf(path);
  if (output === null || !output.isFile() || output.nlink === 1) return false;
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).some((name) => {
    const found = statOf(join(directory, name));
    return found?.ino === output.ino && found.dev === output.dev;
  });
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

async function choiceOf(place: SpoolPlace, { sink, from = 0, to = Number.POSITIVE_INFINITY }: ExportOptions): Promise<RecordChoice | null> {
  if (from > to) throw new SensorError('usage', 'There is nothing to export', `--from ${from} is behind --to ${to}`, 'Turn them round.');
  if (sink === undefined) return from === 0 && to === Number.POSITIVE_INFINITY ? null : (_, sequence) => sequence >= from && sequence <= to;
  const reader = readerNamed(sink, place);
  const [{ ackedSequence }] = await backlogOf(place.directory, [reader], { keys: place.keys });
  const first = Math.max(from, ackedSequence + 1);
  let at: Segment | null = null;
  let routes = routesIn([], reader);
  return (segment, sequence, word) => {
    if (segment !== at) {
      at = segment;
      routes = routesIn(segment.pipelines ?? [], reader, segment.sinks);
    }
    return sequence >= first && sequence <= to && goesTo(word, routes);
  };
}

/** Throws away all records, or what waits for one sink. */
export async function purge(options: SpoolOptions & { readonly yes?: boolean; readonly sink?: string }): Promise<void> {
  const place = await spoolPlace(options);
  const { directory, keys } = place;
  if (options.sink !== undefined) {
    const reader = readerNamed(options.sink, place);
    // Makes no spool where there is none.
    await spoolStatus(directory);
    if (options.yes !== true) throw unconfirmed(`drop what waits for ${reader.name}`, 'it will never be delivered to it');
    const { queued, queuedBytes } = await dropBacklog(directory, reader, { keys });
    writeText(1, `${directory}: ${count(queued)} records (${byteAmount(queuedBytes)}) will not be delivered to ${reader.name}\n`);
    return;
  }
  const report = await spoolStatus(directory, { keys });
  if (options.yes !== true) throw unconfirmed(`purge ${directory}`, `it holds ${count(report.records)} records`);
  const waiting = await backlogOf(directory, readersOf(place.settings), { keys });
  const { segments, bytes } = await purgeSpool(directory);
  writeText(1, `${directory}: ${count(report.records)} records in ${count(segments)} segments (${byteAmount(bytes)}) are gone\n`);
  for (const { name, queued } of waiting) writeText(1, `${name}: ${count(queued)} of them had not been delivered to it\n`);
  const places = await withLetters(directory);
  if (places.length > 1) writeText(1, `the dead letters in ${lettersDirectory(directory)} are still there\n`);
}

/** Delivers what waits, and reads no capture; gives 1 when not all of it was delivered in time. */
export async function deliver(options: SpoolOptions & { readonly deliverTimeout?: number }): Promise<number> {
  const { directory, settings } = await spoolPlace(options);
  if (Object.keys(settings.sinks).length === 0) {
    const why = options.config === undefined ? 'no configuration says where to' : `${options.config} has no sinks`;
    throw new SensorError('usage', 'Cannot deliver', why, 'Name the configuration of the sensor with --config, one that has sinks.');
  }
  if (settings.spool.level === 'memory') {
    const next = 'Set spool.level to disk or os.';
    throw new SensorError('usage', 'Cannot deliver', 'spool.level is memory: what lies on the disk is left alone', next);
  }
  await spoolStatus(directory);
  const { DELIVER_S, ReadDelivery } = await import('./read-delivery.ts');
  const placed = { ...settings, spool: { ...settings.spool, directory } };
  const delivery = await ReadDelivery.start(placed, (options.deliverTimeout ?? DELIVER_S) * 1000);
  await delivery.finish(false);
  return delivery.isComplete ? 0 : EXIT_UNDELIVERED;
}

function unconfirmed(act: string, why: string): SensorError {
  return new SensorError('usage', `Will not ${act} without being told so twice`, why, 'Add --yes.');
}
