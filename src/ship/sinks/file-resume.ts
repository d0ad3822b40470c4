/**
 * Where a file that an earlier run wrote can be continued: behind its last whole record.
 *
 *   begin record record rec                 the sensor was killed: cut back to the last whole record
 *   begin record record end                 closed properly: the end is taken off, and written again later
 *   record record                           the last one whole, without its line feed: that is put in first
 *   something else                          another format, or nothing of ours: it is left alone
 *
 * `begin` and `end` may name a time or a version: where one has a digit, any digit will do. A record is one line in all
 * formats. Where records are joined by a separator no line feed stands behind the last one; whether it is whole is seen
 * by reading it as JSON. A format without `begin` is known by the first line: a JSON object, or the beginning of a record.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Framing } from '../framing.ts';

const BLOCK_BYTES = 64 << 10;
/** A longer first or last line is not looked at to its end. */
const LINE_BYTES_MAX = 64 << 20;
const LINE_FEED = 0x0a;
const BRACE = 0x7b;
const ZERO = 0x30;
const NINE = 0x39;

export interface Resume {
  /** Offset behind the last whole record. */
  readonly at: number;
  /** It has no line feed: one goes before the next record. */
  readonly lacksLineFeed: boolean;
}

/** null: the file is not in this format. */
export async function resumeAt(file: FileHandle, size: number, framing: Framing): Promise<Resume | null> {
  const begin = framing.begin();
  if (begin.length === 0 && framing.start.length > 0 && !(await beginsWithRecord(file, size, framing.start))) return null;
  const at = await endOfRecords(file, size, framing, begin);
  if (at === null || framing.separator.length > 0 || at === size) return at === null ? null : { at, lacksLineFeed: false };
  const isWhole = isObject(await readAt(file, at, Math.min(size - at, LINE_BYTES_MAX + 1)));
  return isWhole ? { at: size, lacksLineFeed: true } : { at, lacksLineFeed: false };
}

async function endOfRecords(file: FileHandle, size: number, framing: Framing, begin: Buffer): Promise<number | null> {
  const head = await readAt(file, 0, Math.min(size, begin.length));
  if (!isAlike(head, begin.subarray(0, head.length))) return null;
  if (size < begin.length) return 0;
  const end = framing.end();
  if (end.length > 0 && size >= begin.length + end.length && isAlike(await readAt(file, size - end.length, end.length), end)) {
    return size - end.length;
  }
  const lineAt = await lastLineAt(file, begin.length, size);
  const { separator } = framing;
  if (separator.length === 0) return lineAt;
  const line = await readAt(file, lineAt, size - lineAt);
  const isSeparated = line.length > separator.length && line.subarray(line.length - separator.length).equals(separator);
  const record = isSeparated ? line.subarray(0, line.length - separator.length) : line;
  if (isJson(record)) return lineAt + record.length;
  // Without the line feed and the separator in front of what is not whole.
  const at = Math.max(begin.length, lineAt - 1);
  const before = at - separator.length;
  return before >= begin.length && (await readAt(file, before, separator.length)).equals(separator) ? before : at;
}

/** Also with one that was cut off, as long as it is alone. */
async function beginsWithRecord(file: FileHandle, size: number, start: Buffer): Promise<boolean> {
  for (let length = BLOCK_BYTES; ; length *= 4) {
    const head = await readAt(file, 0, Math.min(size, length));
    const end = head.indexOf(LINE_FEED);
    if (end >= 0) return isObject(head.subarray(0, end));
    if (head.length < size && length < LINE_BYTES_MAX) continue;
    const known = Math.min(start.length, head.length);
    return isObject(head) || head.subarray(0, known).equals(start.subarray(0, known));
  }
}

function isAlike(found: Buffer, wanted: Buffer): boolean {
  if (found.length !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) {
    const isDigit = wanted[i] >= ZERO && wanted[i] <= NINE && found[i] >= ZERO && found[i] <= NINE;
    if (found[i] !== wanted[i] && !isDigit) return false;
  }
  return true;
}

function isObject(text: Buffer): boolean {
  return text[0] === BRACE && isJson(text);
}

function isJson(text: Buffer): boolean {
  try {
    JSON.parse(text.toString());
    return true;
  } catch {
    return false;
  }
}

/** Offset behind the last line feed in [from, to); `from` when there is none. */
async function lastLineAt(file: FileHandle, from: number, to: number): Promise<number> {
  for (let end = to; end > from; ) {
    const at = Math.max(from, end - BLOCK_BYTES);
    const found = (await readAt(file, at, end - at)).lastIndexOf(LINE_FEED);
    if (found >= 0) return at + found + 1;
    end = at;
  }
  return from;
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
