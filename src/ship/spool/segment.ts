/**
 * A segment: one file of the spool.
 *
 *   0000000000004711.segment       named by the sequence of its first record
 *
 *   note "segment"                 names of the pipelines by route bit and the sinks of each, id of the key, when it was begun
 *   frame frame frame ...          frame.ts
 *   note "segment-end", its length what the frames hold; only when it is full or was closed in order
 *
 * Without its last note it is read whole at the next start; that also tells one that a crash cut off. Routes are bits,
 * and which pipeline a bit means may change with the configuration: therefore the names, and a new segment each start. What a
 * pipeline has sent to a sink stays its own, also when the pipeline has another name at the next start or another sink:
 * therefore the names of the sinks. Segments of before they were written have none.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SensorError } from '../../base/errors.ts';
import { PIPELINES_MAX } from '../../base/settings.ts';
import type { OpenFile } from '../files.ts';
import { type Routes, routesOf } from '../routes.ts';
import type { FrameHead } from './frame.ts';
import {
  decodeNote,
  encodeLastNote,
  encodeNote,
  lastNoteAt,
  NOTE_BYTES_MAX,
  NOTE_LENGTH_BYTES,
  type Note,
  SPOOL_VERSION,
  wholeNumber,
} from './note.ts';
import { Unreadable } from './unreadable.ts';

const SUFFIX = '.segment';
const DIGITS = 16;
const START_READ_BYTES = 4096;

export interface Tally {
  records: number;
  bytes: number;
}

/** The number that frames have of a table of names. */
export function pipelinesIdOf(pipelines: readonly string[]): number {
  return crc32(JSON.stringify(pipelines));
}

export function segmentName(firstSequence: number): string {
  return `${String(firstSequence).padStart(DIGITS, '0')}${SUFFIX}`;
}

/** First sequence of a segment by its name; -1 for the name of something else. */
export function segmentSequence(name: string): number {
  return /^[0-9]{16}\.segment$/.test(name) ? Number(name.slice(0, DIGITS)) : -1;
}

export class Segment {
  readonly path: string;
  readonly name: string;
  readonly firstSequence: number;
  /** Names by route bit; null when the note at its start is damaged and no other has the same table. */
  pipelines: readonly string[] | null = null;
  /** Names of the sinks of each; null when that is not known. */
  sinks: readonly (readonly string[])[] | null = null;
  keyId = '';
  /** When it was begun, wall clock. */
  begunAtMs = 0;
  /** Where frames begin and end. */
  dataAt = 0;
  dataEnd = 0;
  /** Of the file. */
  bytes = 0;
  records = 0;
  frames = 0;
  lastSequence: number;
  /** What stood before its first frame; -1 while it has none. */
  previousSequence = -1;
  /** Records that were stored before its first frame, and up to its last one, ever. */
  recordsBefore = 0;
  recordsUpTo = 0;
  oldestAtMs = 0;
  newestAtMs = 0;
  readonly tallies: Map<number, Tally> = new Map();
  /** Nothing is added to it any more. */
  isSealed = true;
  /** Its last note is there and right. */
  hasEnd = false;
  isRemoved = false;
  /** Somebody has removed its file. */
  isMissing = false;
  /** For each reader: routes that mean it here, and what is not done with. */
  readonly routes: Routes[] = [];
  readonly queued: number[] = [];
  readonly queuedBytes: number[] = [];
  /** Where damage was found, so that it is counted once however many readers meet it. */
  readonly damagedAt: Set<number> = new Set();
  /** The same for what is missing between two frames: the sequence before it. */
  readonly missingAfter: Set<number> = new Set();
  /** What the disk does not give back of it. */
  readonly unreadable: Unreadable = new Unreadable();
  /** Records for nobody, of pipelines that are gone, and until when they are kept all the same. */
  unclaimed = 0;
  keptUntilMs = 0;
  /** How many times in a row it was found too old. */
  timesTooOld = 0;

  constructor(directory: string, firstSequence: number) {
    this.name = segmentName(firstSequence);
    this.path = join(directory, this.name);
    this.firstSequence = firstSequence;
    this.lastSequence = firstSequence - 1;
  }

  /** Takes a frame into its sums. */
  add(head: Pick<FrameHead, 'count' | 'lastSequence' | 'acceptedAtMs' | 'tallies'>, previousSequence: number, recordsBefore: number): void {
    if (this.frames === 0) {
      this.previousSequence = previousSequence;
      this.recordsBefore = recordsBefore;
      this.oldestAtMs = head.acceptedAtMs;
      this.newestAtMs = head.acceptedAtMs;
    }
    this.frames++;
    this.records += head.count;
    this.lastSequence = head.lastSequence;
    this.recordsUpTo = recordsBefore + head.count;
    // A clock may jump back.
    this.oldestAtMs = Math.min(this.oldestAtMs, head.acceptedAtMs);
    this.newestAtMs = Math.max(this.newestAtMs, head.acceptedAtMs);
    for (let i = 0; i < head.tallies.length; i += 3) {
      const tally = this.tallies.get(head.tallies[i]);
      if (tally === undefined) this.tallies.set(head.tallies[i], { records: head.tallies[i + 1], bytes: head.tallies[i + 2] });
      else {
        tally.records += head.tallies[i + 1];
        tally.bytes += head.tallies[i + 2];
      }
    }
  }

  /** Finds out which routes mean these readers here. */
  setReaders(readers: readonly { readonly name: string; readonly pipelines: readonly string[] }[]): void {
    readers.forEach((reader, i) => {
      this.routes[i] = routesIn(this.pipelines ?? [], reader, this.sinks);
      this.queued[i] = 0;
      this.queuedBytes[i] = 0;
    });
  }

  /** Whether no reader waits for anything in it, and nobody may come back for it. */
  get isDone(): boolean {
    return this.unclaimed === 0 && this.queued.every((records) => records === 0);
  }
}

/** Routes that mean a reader in a table of names: its pipelines of now, and those that were its own then. */
export function routesIn(
  table: readonly string[],
  reader: { readonly name: string; readonly pipelines: readonly string[] },
  sinks: readonly (readonly string[])[] | null = null,
): Routes {
  let bits = 0;
  for (let i = 0; i < table.length && i < PIPELINES_MAX; i++) {
    if (reader.pipelines.includes(table[i]) || sinks?.[i]?.includes(reader.name) === true) bits |= 1 << i;
  }
  return routesOf(reader.name, bits);
}

export function startNote(
  pipelines: readonly string[],
  keyId: string,
  begunAtMs: number,
  reservedSequence: number,
  sinks: Segment['sinks'] = null,
): Buffer {
  return encodeNote('segment', { pipelines, ...(sinks !== null && { sinks }), keyId, begunAtMs, reservedSequence });
}

export function endNote(segment: Segment): Buffer {
  return encodeLastNote('segment-end', {
    pipelines: segment.pipelines,
    ...(segment.sinks !== null && { sinks: segment.sinks }),
    keyId: segment.keyId,
    begunAtMs: segment.begunAtMs,
    previousSequence: segment.previousSequence,
    lastSequence: segment.lastSequence,
    recordsBefore: segment.recordsBefore,
    recordsUpTo: segment.recordsUpTo,
    frames: segment.frames,
    records: segment.records,
    oldestAtMs: segment.oldestAtMs,
    newestAtMs: segment.newestAtMs,
    tallies: [...segment.tallies].map(([routes, { records, bytes }]) => [routes, records, bytes]),
  });
}

/** What the two notes of a segment say; a sequence of the state that its start remembers, 0 for none. */
export async function readNotes(segment: Segment, file: OpenFile): Promise<{ readonly reservedSequence: number }> {
  segment.bytes = await file.size();
  segment.dataEnd = segment.bytes;
  const start = await readStart(file, segment.bytes);
  const end = await readEnd(file, segment.bytes);
  for (const note of [start, end?.note]) if (note !== null && note !== undefined) refuseNewer(note, segment.path);
  let reservedSequence = 0;
  if (start !== null) {
    takeTable(segment, start);
    segment.dataAt = start.end;
    reservedSequence = wholeNumber(start.fields.reservedSequence, 0);
  }
  if (end !== null) {
    if (start === null) takeTable(segment, end.note);
    takeSums(segment, end.note);
    segment.dataEnd = end.at;
    segment.hasEnd = true;
  }
  return { reservedSequence };
}

async function readStart(file: OpenFile, fileBytes: number): Promise<Note | null> {
  for (let length = START_READ_BYTES; ; length = NOTE_BYTES_MAX) {
    const bytes = Buffer.allocUnsafe(Math.min(length, fileBytes));
    const note = decodeNote(bytes.subarray(0, await file.read(bytes, 0)), 0);
    if (note !== null) return note.kind === 'segment' ? note : null;
    if (length === NOTE_BYTES_MAX || bytes.includes(0x0a) || fileBytes <= length) return null;
  }
}

async function readEnd(file: OpenFile, fileBytes: number): Promise<{ readonly note: Note; readonly at: number } | null> {
  if (fileBytes < NOTE_LENGTH_BYTES) return null;
  const last = Buffer.alloc(NOTE_LENGTH_BYTES);
  await file.read(last, fileBytes - NOTE_LENGTH_BYTES);
  const at = lastNoteAt(last, fileBytes);
  if (at < 0) return null;
  const bytes = Buffer.allocUnsafe(fileBytes - NOTE_LENGTH_BYTES - at);
  const note = decodeNote(bytes.subarray(0, await file.read(bytes, at)), 0);
  return note === null || note.kind !== 'segment-end' || note.end !== bytes.length ? null : { note, at };
}

function takeTable(segment: Segment, { fields }: Note): void {
  const { pipelines, sinks, keyId, begunAtMs } = fields;
  if (Array.isArray(pipelines)) segment.pipelines = pipelines.map(String);
  if (Array.isArray(sinks)) segment.sinks = sinks.map((names: unknown) => (Array.isArray(names) ? names.map(String) : []));
  segment.keyId = typeof keyId === 'string' ? keyId : '';
  segment.begunAtMs = wholeNumber(begunAtMs, 0);
}

function takeSums(segment: Segment, { fields }: Note): void {
  segment.previousSequence = wholeNumber(fields.previousSequence, -1);
  segment.lastSequence = wholeNumber(fields.lastSequence, segment.lastSequence);
  segment.recordsBefore = wholeNumber(fields.recordsBefore, 0);
  segment.recordsUpTo = wholeNumber(fields.recordsUpTo, 0);
  segment.frames = wholeNumber(fields.frames, 0);
  segment.records = wholeNumber(fields.records, 0);
  segment.oldestAtMs = wholeNumber(fields.oldestAtMs, 0);
  segment.newestAtMs = wholeNumber(fields.newestAtMs, 0);
  if (!Array.isArray(fields.tallies)) return;
  for (const tally of fields.tallies as unknown[]) {
    if (Array.isArray(tally)) segment.tallies.set(Number(tally[0]), { records: Number(tally[1]), bytes: Number(tally[2]) });
  }
}

export function refuseNewer(note: Note, path: string): void {
  if (note.version <= SPOOL_VERSION) return;
  throw new SensorError(
    'spool-newer',
    `Cannot read the spool: ${path} has version ${note.version} of the format`,
    `this version of Earshot knows it up to ${SPOOL_VERSION}`,
    'Run the version that wrote it until the spool is empty, or name another directory in spool.directory.',
  );
}
