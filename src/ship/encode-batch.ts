/**
 * Records of the spool become records of a sink, and these a Batch.
 *
 *   frame:  {"schema":"...","id":"A",...}\n{"schema":"...","id":"B",...}\n ...     index: [length, routes] of each
 *              |                              |
 *              +-- routes fit this sink? -----+--> EncodedRecord --> EncodedBatch
 *
 * Format jsonl takes the bytes as they are, and nothing is parsed: id and key are read out of the beginning of the line,
 * and only when somebody asks. Other formats parse the line and encode it; they have no place for gap records,
 * closing records and message records, which are then done with unsent (`isSkipped`).
 *
 * A record keeps the frame in memory that its line lies in. Where a sink takes only a small part of a frame, that part is
 * copied, and so is a record that stays behind when the others of its batch are done with: the memory in use follows the
 * records.
 */
import { hash } from 'node:crypto';
import type { ApiCall } from '../normalise/api-call.ts';
import { CLOSING_SCHEMA, GAP_SCHEMA, MESSAGE_SCHEMA, SCHEMA } from '../normalise/causes.ts';
import { INDEX_WORDS } from '../policy/masked-call.ts';
import type { Batch, BatchRecord } from './batch.ts';
import type { Framing } from './framing.ts';
import type { Frame } from './record-source.ts';
import { goesTo, type Routes } from './routes.ts';
import type { Problem } from './sink.ts';

export type RecordKey = 'client' | 'connection' | 'none';

export interface RecordEncoderOptions {
  /** Name of the sink. */
  readonly sink: string;
  readonly framing: Framing;
  readonly routes: Routes;
  readonly key: RecordKey;
}

const QUOTE = 0x22;
const ID = Buffer.from('"id":"');
/** Where the id begins in the records of this version. */
const ID_AT = `{"schema":"${SCHEMA}","id":"`.length;
const GAP = Buffer.from(`{"schema":"${GAP_SCHEMA}"`);
const CLOSING = Buffer.from(`{"schema":"${CLOSING_SCHEMA}"`);
const MESSAGE = Buffer.from(`{"schema":"${MESSAGE_SCHEMA}"`);
const WHOLE_CLIENT = Buffer.from('","complete":true,"client":{"address":"');
const CLIENT = Buffer.from('"client":{"address":"');
const PORT = Buffer.from('","port":');
const SERVER = Buffer.from('},"server":{"address":"');
/** Id, completeness and causes stand before the client; nothing from the wire does. */
const BEFORE_CLIENT_BYTES_MAX = 1024;
const NONE = Buffer.alloc(0);

function startsWith(line: Buffer, at: number, text: Buffer): boolean {
  if (at + text.length > line.length) return false;
  for (let i = 0; i < text.length; i++) if (line[at + i] !== text[i]) return false;
  return true;
}

/** A record that only JSON lines have a place for. */
function isNoCall(line: Buffer): boolean {
  return startsWith(line, 0, GAP) || startsWith(line, 0, CLOSING) || startsWith(line, 0, MESSAGE);
}

function endOf(line: Buffer, at: number): number {
  let end = at;
  while (end < line.length && line[end] !== QUOTE) end++;
  return end;
}

function startOfId(line: Buffer): number {
  if (startsWith(line, ID_AT - ID.length, ID)) return ID_AT;
  const at = line.indexOf(ID);
  return at < 0 ? -1 : at + ID.length;
}

/** Id of the record, read from its line; "" when the line is none of ours. */
export function idOf(line: Buffer): string {
  const at = startOfId(line);
  return at < 0 ? '' : line.toString('latin1', at, endOf(line, at));
}

/** "address" or "address:port-address:port", read from the line; "" when it is not where it should be, or in a gap record. */
export function keyOf(line: Buffer, key: RecordKey): string {
  if (key === 'none') return '';
  const client = startOfClient(line);
  if (client < 0) return '';
  const clientEnd = endOf(line, client);
  if (key === 'client') return line.toString('latin1', client, clientEnd);
  if (!startsWith(line, clientEnd, PORT)) return '';
  const clientPort = clientEnd + PORT.length;
  const clientPortEnd = endOfNumber(line, clientPort);
  if (!startsWith(line, clientPortEnd, SERVER)) return '';
  const server = clientPortEnd + SERVER.length;
  const serverEnd = endOf(line, server);
  if (!startsWith(line, serverEnd, PORT)) return '';
  const serverPort = serverEnd + PORT.length;
  const text = (at: number, end: number): string => line.toString('latin1', at, end);
  return `${text(client, clientEnd)}:${text(clientPort, clientPortEnd)}-${text(server, serverEnd)}:${text(serverPort, endOfNumber(line, serverPort))}`;
}

function startOfClient(line: Buffer): number {
  const id = Math.max(0, startOfId(line));
  const idEnd = endOf(line, id);
  if (startsWith(line, idEnd, WHOLE_CLIENT)) return idEnd + WHOLE_CLIENT.length;
  const at = line.subarray(0, id + BEFORE_CLIENT_BYTES_MAX).indexOf(CLIENT, id);
  return at < 0 ? -1 : at + CLIENT.length;
}

function endOfNumber(line: Buffer, at: number): number {
  let end = at;
  while (end < line.length && line[end] >= 0x30 && line[end] <= 0x39) end++;
  return end;
}

export class EncodedRecord implements BatchRecord {
  readonly sequence: number;
  /** As it is in the spool, with its line feed. */
  readonly line: Buffer;
  readonly bytes: Buffer;
  readonly acceptedAtMs: number;
  /** It cannot be encoded, and why. */
  readonly problem: Problem | null;
  /** The format has no place for it: it is done with and not sent. */
  readonly isSkipped: boolean;
  /** Delivery's: its number among the records that were taken and are not acked. */
  place = 0;
  readonly #key: RecordKey;

  constructor(
    sequence: number,
    line: Buffer,
    bytes: Buffer,
    acceptedAtMs: number,
    key: RecordKey,
    problem: Problem | null,
    isSkipped = false,
  ) {
    this.sequence = sequence;
    this.line = line;
    this.bytes = bytes;
    this.acceptedAtMs = acceptedAtMs;
    this.#key = key;
    this.problem = problem;
    this.isSkipped = isSkipped;
  }

  get id(): string {
    return idOf(this.line);
  }

  get key(): string {
    return keyOf(this.line, this.#key);
  }

  /** The same in memory of its own, which lets go of the frame. */
  apart(): EncodedRecord {
    const line = Buffer.from(this.line);
    const bytes = this.bytes === this.line ? line : Buffer.from(this.bytes);
    const copy = new EncodedRecord(this.sequence, line, bytes, this.acceptedAtMs, this.#key, this.problem, this.isSkipped);
    copy.place = this.place;
    return copy;
  }

  /** Bytes that it keeps in memory. */
  get heldBytes(): number {
    return this.bytes === this.line ? this.line.length : this.line.length + this.bytes.length;
  }
}

/** Records of one frame that are for one sink, one after the other. */
export interface FrameCursor {
  /** Null: no more in this frame. */
  next(): EncodedRecord | null;
  /** Of the frame. */
  readonly lastSequence: number;
}

export class RecordEncoder {
  readonly sink: string;
  readonly #framing: Framing;
  readonly #routes: Routes;
  readonly #key: RecordKey;
  readonly #isLine: boolean;

  constructor({ sink, framing, routes, key }: RecordEncoderOptions) {
    this.sink = sink;
    this.#framing = framing;
    this.#routes = routes;
    this.#key = key;
    this.#isLine = framing.format.name === 'jsonl';
  }

  /** `after`: records up to that sequence are left out: they are done with. */
  open(frame: Frame, after: number): FrameCursor {
    const { index, count, firstSequence, acceptedAtMs } = frame;
    const routes = this.#routes;
    let bytes = Buffer.from(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.length);
    let wantedBytes = 0;
    for (let i = 0; i < count; i++) {
      if (goesTo(index[i * INDEX_WORDS + 1], routes) && firstSequence + i > after) wantedBytes += index[i * INDEX_WORDS];
    }
    const isSparse = wantedBytes * 2 < bytes.length;
    const wanted = isSparse ? Buffer.allocUnsafeSlow(wantedBytes) : NONE;
    let to = 0;
    let i = 0;
    let at = 0;
    return {
      lastSequence: firstSequence + count - 1,
      next: () => {
        for (; i < count; i++) {
          const length = index[i * INDEX_WORDS];
          const sequence = firstSequence + i;
          const start = at;
          at += length;
          if (sequence <= after || !goesTo(index[i * INDEX_WORDS + 1], routes)) continue;
          i++;
          if (!isSparse) return this.#encode(bytes.subarray(start, at), sequence, acceptedAtMs);
          bytes.copy(wanted, to, start, at);
          to += length;
          return this.#encode(wanted.subarray(to - length, to), sequence, acceptedAtMs);
        }
        bytes = NONE;
        return null;
      },
    };
  }

  #encode(line: Buffer, sequence: number, acceptedAtMs: number): EncodedRecord {
    if (this.#isLine) return new EncodedRecord(sequence, line, line, acceptedAtMs, this.#key, null);
    if (isNoCall(line)) return new EncodedRecord(sequence, line, NONE, acceptedAtMs, this.#key, null, true);
    try {
      const call = JSON.parse(line.toString('utf8')) as ApiCall;
      return new EncodedRecord(sequence, line, this.#framing.record(call), acceptedAtMs, this.#key, null);
    } catch {
      // The error may quote the record: it is left out.
      return new EncodedRecord(sequence, line, NONE, acceptedAtMs, this.#key, {
        code: 'record-unreadable',
        what: `A record of the spool cannot be written as ${this.#framing.format.name}`,
        next: 'Look whether another version of Earshot wrote the spool; `earshot spool verify` looks for damage.',
      });
    }
  }

  batch(records: readonly EncodedRecord[]): EncodedBatch {
    return new EncodedBatch(this.sink, this.#framing, records);
  }
}

export class EncodedBatch implements Batch {
  readonly id: string;
  readonly records: readonly EncodedRecord[];
  readonly mediaType: string;
  readonly bytes: number;
  readonly acceptedAtMs: number;
  readonly #framing: Framing;
  #body: Buffer | null = null;

  constructor(sink: string, framing: Framing, records: readonly EncodedRecord[]) {
    this.#framing = framing;
    this.records = records;
    this.mediaType = framing.mediaType;
    let bytes = 0;
    let oldest = Number.POSITIVE_INFINITY;
    for (const record of records) {
      bytes += record.bytes.length;
      if (record.acceptedAtMs < oldest) oldest = record.acceptedAtMs;
    }
    this.bytes = bytes;
    this.acceptedAtMs = oldest;
    this.id = batchId(sink, framing.format.name, records);
  }

  body(): Uint8Array {
    this.#body ??= this.#join();
    return this.#body;
  }

  #join(): Buffer {
    const { records } = this;
    const framing = this.#framing;
    const begin = framing.begin();
    const end = framing.end();
    const { separator } = framing;
    const length = begin.length + this.bytes + separator.length * Math.max(0, records.length - 1) + end.length;
    const isPlain = separator.length === 0;
    if (isPlain && length === this.bytes && runEnd(records, 0) === records.length) return run(records, 0, records.length);
    const body = Buffer.allocUnsafeSlow(length);
    let to = begin.copy(body);
    for (let i = 0; i < records.length; ) {
      if (i > 0) to += separator.copy(body, to);
      const next = isPlain ? runEnd(records, i) : i + 1;
      to += run(records, i, next).copy(body, to);
      i = next;
    }
    end.copy(body, to);
    return body;
  }
}

/** Index behind the records that lie one behind the other in memory, from `i` on. */
function runEnd(records: readonly EncodedRecord[], i: number): number {
  let next = i + 1;
  for (let before = records[i]?.bytes; next < records.length; next++) {
    const { bytes } = records[next];
    if (bytes.buffer !== before.buffer || bytes.byteOffset !== before.byteOffset + before.length) break;
    before = bytes;
  }
  return next;
}

function run(records: readonly EncodedRecord[], from: number, end: number): Buffer {
  const first = records[from].bytes;
  const last = records[end - 1].bytes;
  return end === from + 1 ? first : Buffer.from(first.buffer, first.byteOffset, last.byteOffset + last.length - first.byteOffset);
}

/**
 * First and last sequence, and a hash over all sequences and the ids of the two: sequences begin anew when somebody
 * deletes the spool, ids never repeat.
 */
function batchId(sink: string, format: string, records: readonly EncodedRecord[]): string {
  const first = records[0];
  const last = records[records.length - 1];
  const words = new Float64Array(records.length);
  for (let i = 0; i < records.length; i++) words[i] = records[i].sequence;
  const names = Buffer.from(`${sink}\n${format}\n${first.id}\n${last.id}\n`);
  const digest = hash('sha1', Buffer.concat([names, Buffer.from(words.buffer)]), 'hex');
  return `${first.sequence}-${last.sequence}-${digest.slice(0, 16)}`;
}
