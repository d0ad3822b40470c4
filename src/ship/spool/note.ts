/**
 * A note: one line of text with a checksum. Everything of the spool but its frames is written so, and a person can read
 * it: the first line of a segment, its last one, the cursors, the state, known holes.
 *
 *   earshot-spool cursor 1 5f0c12ab {"name":"platform","ackedSequence":4711}\n
 *                 |      | |        +-- JSON
 *                 |      | +-- CRC-32 of kind, version and JSON with the blanks between them, hexadecimal
 *                 |      +-- version of the format
 *                 +-- kind
 *
 * Behind the last note of a segment stands how long it is, so that it can be found from the end: `#0000000123\n`.
 */
import { crc32 } from 'node:zlib';

/** Of everything in the directory. What is written by a later version is left alone. */
export const SPOOL_VERSION = 1;
export const NOTE_BYTES_MAX: number = 1 << 20;
/** `#`, ten digits, line feed. */
export const NOTE_LENGTH_BYTES = 12;
const MARK = 'earshot-spool ';
const END_MARK = `${MARK}segment-end `;
const LINE_FEED = 0x0a;

export type NoteKind = 'segment' | 'segment-end' | 'cursor' | 'state' | 'holes';
export type NoteFields = Readonly<Record<string, unknown>>;

export interface Note {
  readonly kind: string;
  readonly version: number;
  readonly fields: NoteFields;
  /** Offset behind its line feed. */
  readonly end: number;
}

export function encodeNote(kind: NoteKind, fields: NoteFields): Buffer {
  const json = JSON.stringify(fields);
  return Buffer.from(`${MARK}${kind} ${SPOOL_VERSION} ${checksum(kind, String(SPOOL_VERSION), json)} ${json}\n`);
}

/** A note with its length behind it. */
export function encodeLastNote(kind: NoteKind, fields: NoteFields): Buffer {
  const note = encodeNote(kind, fields);
  return Buffer.concat([note, Buffer.from(`#${String(note.length).padStart(10, '0')}\n`)]);
}

/** Where the last note of a file begins, from the last twelve bytes of it; -1 when they do not say so. */
export function lastNoteAt(lastBytes: Buffer, fileBytes: number): number {
  const text = lastBytes.toString('latin1');
  if (!/^#[0-9]{10}\n$/.test(text)) return -1;
  const length = Number(text.slice(1, -1));
  return length <= NOTE_BYTES_MAX && length + NOTE_LENGTH_BYTES <= fileBytes ? fileBytes - NOTE_LENGTH_BYTES - length : -1;
}

/** The note at that offset; null when there is none, or a damaged one. Its version may be later than ours. */
export function decodeNote(bytes: Buffer, at: number): Note | null {
  const lineEnd = bytes.indexOf(LINE_FEED, at);
  if (lineEnd < 0 || !beginsNote(bytes, at)) return null;
  const line = bytes.toString('utf8', at + MARK.length, lineEnd);
  const [kind, version, crc] = line.split(' ', 3);
  if (crc === undefined) return null;
  const json = line.slice(kind.length + version.length + crc.length + 3);
  if (crc !== checksum(kind, version, json) || !/^[1-9][0-9]*$/.test(version)) return null;
  try {
    const fields: unknown = JSON.parse(json);
    if (typeof fields !== 'object' || fields === null) return null;
    return { kind, version: Number(version), fields: fields as NoteFields, end: lineEnd + 1 };
  } catch {
    return null;
  }
}

function beginsNote(bytes: Buffer, at: number): boolean {
  return bytes.length - at >= MARK.length && bytes.toString('latin1', at, at + MARK.length) === MARK;
}

/** Whether the last note of a segment seems to begin there. */
export function beginsEnd(bytes: Buffer, at: number): boolean {
  return bytes.length - at >= END_MARK.length && bytes.toString('latin1', at, at + END_MARK.length) === END_MARK;
}

function checksum(kind: string, version: string, json: string): string {
  return crc32(`${kind} ${version} ${json}`).toString(16).padStart(8, '0');
}

/** A field that has to be a whole number; the other value when it is none. */
export function wholeNumber(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : otherwise;
}
