/**
 * `earshot spool verify | repair | export | purge`: what is done with a spool while no sensor uses it. Verify only reads,
 * beside a running sensor too; the others are refused then.
 */
import { closeSync, openSync } from 'node:fs';
import { SensorError } from '../base/errors.ts';
import { goesTo } from '../ship/routes.ts';
import { backlogOf, dropBacklog, lettersDirectory } from '../ship/spool/backlog.ts';
import { exportRecords, purgeSpool, type RecordChoice, repairSpool, spoolStatus, verifySpool } from '../ship/spool/offline.ts';
import { routesIn } from '../ship/spool/segment.ts';
import { outputFailed, say, writeBytes, writeText } from './output.ts';
import { readerNamed, readersOf, type SpoolOptions, type SpoolPlace, spoolPlace, withLetters } from './spool-place.ts';
import { problemsOf } from './spool-status.ts';
import { shown } from './terminal.ts';
import { byteAmount, count } from './units.ts';

const EXIT_DAMAGED = 1;
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
  }
  if (wrong === 0) return 0;
  say('earshot: the spool is damaged. Stop the sensor, and set the damaged parts aside with earshot spool repair --yes.\n');
  return EXIT_DAMAGED;
}

export async function repair(options: SpoolOptions & { readonly yes?: boolean }): Promise<void> {
  const { directory } = await spoolPlace(options);
  const places = await withLetters(directory);
  if (options.yes !== true) throw unconfirmed(`repair ${directory}`, 'it writes damaged segments anew, without what cannot be read');
  for (const place of places) {
    const before = (await spoolStatus(place)).quarantinedFiles;
    const { mended } = await repairSpool(place);
    const after = (await spoolStatus(place)).quarantinedFiles;
    for (const name of mended) writeText(1, `${place}/${name}: written anew with the frames that are whole\n`);
    const aside = after - before;
    writeText(
      1,
      mended.length === 0
        ? `${place}: nothing to repair\n`
        : `${place}: ${count(mended.length)} segments repaired; ${
            aside === 0 ? 'nothing had to be set aside' : `${count(aside)} damaged parts set aside in ${place}/quarantine`
          }\n`,
    );
  }
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
  const fd = options.output === undefined ? 1 : openNew(options.output);
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

async function choiceOf(place: SpoolPlace, { sink, from = 0, to = Number.POSITIVE_INFINITY }: ExportOptions): Promise<RecordChoice | null> {
  if (from > to) throw new SensorError('usage', 'There is nothing to export', `--from ${from} is behind --to ${to}`, 'Turn them round.');
  if (sink === undefined) return from === 0 && to === Number.POSITIVE_INFINITY ? null : (_, sequence) => sequence >= from && sequence <= to;
  const reader = readerNamed(sink, place);
  const [{ ackedSequence }] = await backlogOf(place.directory, [reader], { keys: place.keys });
  const first = Math.max(from, ackedSequence + 1);
  let table: readonly string[] = [];
  let routes = routesIn(table, reader);
  return (names, sequence, word) => {
    if (names !== table) {
      table = names;
      routes = routesIn(names, reader);
    }
    return sequence >= first && sequence <= to && goesTo(word, routes);
  };
}

function openNew(path: string): number {
  try {
    return openSync(path, 'w', 0o600);
  } catch (error) {
    throw outputFailed(path, error);
  }
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

function unconfirmed(act: string, why: string): SensorError {
  return new SensorError('usage', `Will not ${act} without being told so twice`, why, 'Add --yes.');
}
