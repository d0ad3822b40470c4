/**
 * Records as Kafka stores them: one record batch, format 2 (Kafka 0.11 and later).
 *
 *   int64 base offset (0)   int32 length of what follows   int32 leader epoch (-1)   int8 magic (2)
 *   uint32 CRC-32C of what follows
 *   int16 attributes: compression   int32 offset of the last record   int64 first, int64 largest timestamp
 *   int64 producer id   int16 producer epoch   int32 sequence of the first record   int32 count
 *   records, compressed as a whole
 *
 *   record: varint length of what follows, int8 0, varint timestamp and varint offset from the first one,
 *           varint length and key (-1: none), varint length and value, varint count of headers
 *   header: varint length and name, varint length and value         varints are zigzag
 *
 * All records of a batch bear the time of sending: with that of the call, what waited long in the spool would be removed
 * by the topic's retention as soon as it arrives.
 */
import type { BatchRecord } from '../batch.ts';

/** In front of the records. */
export const BATCH_HEAD_BYTES = 61;
const CRC_AT = 17;
const CRC_OF = 21;
const MAGIC = 2;
/** Lengths and counts around the parts of a record, at most. */
const FRAME_BYTES_MAX = 64;

export const compressionBits = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

export interface Producer {
  readonly id: bigint;
  readonly epoch: number;
}

/** Not idempotent. */
export const NO_PRODUCER: Producer = { id: -1n, epoch: -1 };
export const NO_SEQUENCE = -1;

/** Headers that all records of a batch share, encoded once. */
export interface SharedHeaders {
  readonly bytes: Uint8Array;
  readonly count: number;
}

export function sharedHeaders(headers: Iterable<readonly [name: string, value: string]>): SharedHeaders {
  const parts: Uint8Array[] = [];
  let count = 0;
  for (const [name, value] of headers) {
    parts.push(header(name, Buffer.from(value)));
    count++;
  }
  return { bytes: Buffer.concat(parts), count };
}

function header(name: string, value: Uint8Array): Buffer {
  const key = Buffer.from(name);
  const buffer = Buffer.allocUnsafe(key.length + value.length + 10);
  let at = writeVarint(buffer, 0, key.length);
  buffer.set(key, at);
  at = writeVarint(buffer, at + key.length, value.length);
  buffer.set(value, at);
  return buffer.subarray(0, at + value.length);
}

const ID = nameOnly('earshot-id');
const SEQUENCE = nameOnly('earshot-sequence');

function nameOnly(name: string): Buffer {
  return header(name, Buffer.alloc(0)).subarray(0, -1);
}

/** Those records of `all` that `chosen` names, one behind the other, not compressed. `keys`: bytes of each key. */
export function encodeRecords(
  all: readonly BatchRecord[],
  chosen: readonly number[],
  keys: ReadonlyMap<string, Uint8Array>,
  shared: SharedHeaders,
): Buffer {
  let bytesMax = 0;
  for (const index of chosen) {
    const { bytes, key, id } = all[index];
    bytesMax += bytes.length + key.length * 3 + id.length * 3 + shared.bytes.length + ID.length + SEQUENCE.length + FRAME_BYTES_MAX;
  }
  const buffer = Buffer.allocUnsafe(bytesMax);
  let at = 0;
  for (let i = 0; i < chosen.length; i++) {
    const { bytes, key, id, sequence } = all[chosen[i]];
    const keyBytes = key === '' ? undefined : keys.get(key);
    const number = String(sequence);
    const idLength = Buffer.byteLength(id);
    const keyLength = keyBytes === undefined ? -1 : keyBytes.length;
    const length =
      2 +
      varintBytes(i) +
      varintBytes(keyLength) +
      (keyLength > 0 ? keyLength : 0) +
      varintBytes(bytes.length) +
      bytes.length +
      varintBytes(shared.count + 2) +
      shared.bytes.length +
      ID.length +
      varintBytes(idLength) +
      idLength +
      SEQUENCE.length +
      1 +
      number.length;
    at = writeVarint(buffer, at, length);
    buffer[at++] = 0;
    buffer[at++] = 0;
    at = writeVarint(buffer, at, i);
    at = writeVarint(buffer, at, keyLength);
    if (keyBytes !== undefined) {
      buffer.set(keyBytes, at);
      at += keyLength;
    }
    at = writeVarint(buffer, at, bytes.length);
    buffer.set(bytes, at);
    at = writeVarint(buffer, at + bytes.length, shared.count + 2);
    buffer.set(ID, at);
    at = writeVarint(buffer, at + ID.length, idLength);
    at += buffer.write(id, at, 'utf8');
    buffer.set(SEQUENCE, at);
    at = writeVarint(buffer, at + SEQUENCE.length, number.length);
    at += buffer.write(number, at, 'latin1');
    buffer.set(shared.bytes, at);
    at += shared.bytes.length;
  }
  return buffer.subarray(0, at);
}

export interface RecordBatch {
  readonly records: Uint8Array;
  readonly count: number;
  readonly compression: keyof typeof compressionBits;
  readonly timeMs: number;
  readonly producer: Producer;
  /** Of the first record, among those of this producer and partition. */
  readonly sequence: number;
}

/** `crc32c` is given, because it is not JavaScript's. */
export function encodeRecordBatch(batch: RecordBatch, crc32c: (bytes: Buffer) => number): Buffer {
  const { records, count, compression, timeMs, producer, sequence } = batch;
  const buffer = Buffer.allocUnsafe(BATCH_HEAD_BYTES + records.length);
  buffer.writeBigInt64BE(0n, 0);
  buffer.writeInt32BE(buffer.length - 12, 8);
  buffer.writeInt32BE(-1, 12);
  buffer[16] = MAGIC;
  buffer.writeInt16BE(compressionBits[compression], 21);
  buffer.writeInt32BE(count - 1, 23);
  buffer.writeBigInt64BE(BigInt(timeMs), 27);
  buffer.writeBigInt64BE(BigInt(timeMs), 35);
  buffer.writeBigInt64BE(producer.id, 43);
  buffer.writeInt16BE(producer.epoch, 51);
  buffer.writeInt32BE(sequence, 53);
  buffer.writeInt32BE(count, 57);
  buffer.set(records, BATCH_HEAD_BYTES);
  buffer.writeUInt32BE(crc32c(buffer.subarray(CRC_OF)) >>> 0, CRC_AT);
  return buffer;
}

/** Of an int32 of small magnitude: lengths, counts, -1. */
function varintBytes(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let bytes = 1;
  while (rest > 0x7f) {
    rest >>>= 7;
    bytes++;
  }
  return bytes;
}

function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let end = at;
  while (rest > 0x7f) {
    buffer[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[end++] = rest;
  return end;
}
