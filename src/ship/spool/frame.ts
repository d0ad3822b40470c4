/**
 * A frame: records that were accepted together, with all that is needed to find, check and count them.
 *
 *    0  magic          4  89 45 53 46, "\x89ESF"
 *    4  version        1  1
 *    5  codec          1  bit 0: zstd (RFC 8878); bit 1: AES-256-GCM
 *    6  head bytes     2  from the magic to the end of the head's CRC
 *    8  payload bytes  4
 *   12  content bytes  4  of the payload before compression and encryption
 *   16  count          4  records, at least 1
 *   20  pipelines      4  CRC-32 of the table of names that the routes mean (segment.ts)
 *   24  first          8  sequence of the first record; the others follow it without a hole
 *   32  accepted at    8  milliseconds since 1970
 *   40  tallies     12*n  for each word of routes in it: routes 4, records 4, bytes of records 4
 *       key id         8  first bytes of the SHA-256 of the key   (only when encrypted)
 *       nonce         12  random                                   (only when encrypted)
 *       -- to here it is the additional data of the encryption --
 *       previous       8  last sequence of the frame before it: when that is another one, something was lost between them
 *       records before 8  how many were stored before it, ever: so many were lost (sequences have holes of their own)
 *       payload CRC    4  CRC-32
 *       head CRC       4  of all before it
 *       payload           index (count * 8: length and routes of each record), then the records; compressed; encrypted,
 *                         with its tag of 16 bytes at the end
 *
 * Little-endian. Damage is never thrown: the answer is null, and scanner.ts looks for the next magic. Left out:
 * padding, and anything that would have to be mended in place.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomFillSync } from 'node:crypto';
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { INDEX_WORDS } from '../../policy/masked-call.ts';
import { KEY_ID_BYTES, type SpoolKeys } from './keys.ts';

export const MAGIC: Buffer = Buffer.from([0x89, 0x45, 0x53, 0x46]);
const VERSION = 1;
const ZSTD = 1;
const ENCRYPTED = 2;
const FIXED_BYTES = 40;
const TALLY_BYTES = 12;
const LINK_BYTES = 24;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const INDEX_BYTES = INDEX_WORDS * 4;
const SCRATCH_BYTES_MIN = 1 << 20;
/** `head bytes` has 16 bits. */
export const HEAD_BYTES_MAX = 0xffff;
/** More different words of routes than this do not go into one frame. */
export const TALLIES_MAX = 4096;
/** A frame is begun anew when its records reach this; a single larger record still makes a frame of its own. */
export const FRAME_BYTES_AIM: number = 4 << 20;
/** What no frame is larger than, before compression. */
export const CONTENT_BYTES_MAX: number = 64 << 20;
/** What a reader of heads needs to see at once to know how long the head is. */
export const HEAD_LENGTH_BYTES = 8;

export interface FrameHead {
  readonly version: number;
  readonly codec: number;
  readonly headBytes: number;
  readonly payloadBytes: number;
  readonly contentBytes: number;
  readonly count: number;
  readonly pipelinesId: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly acceptedAtMs: number;
  /** Three words each: routes, records, bytes. */
  readonly tallies: Int32Array;
  /** "" when it is not encrypted. */
  readonly keyId: string;
  readonly previousSequence: number;
  readonly recordsBefore: number;
  readonly payloadCrc: number;
}

export interface FrameContent {
  readonly bytes: Uint8Array;
  readonly index: Int32Array;
}

export interface EncodedFrame {
  /** Not valid before `linkFrame`. */
  readonly head: Buffer;
  readonly payload: Buffer;
}

export interface FrameOptions {
  readonly compression: 'none' | 'zstd';
  readonly keys: SpoolKeys;
  readonly pipelinesId: number;
}

/**
 * Level 1 and quicker: where nothing repeats it steps over more bytes (target length), and what is left is not coded further.
 * What that costs and gives: docs/decisions/0013-spool.md. Readers need not know it.
 */
const zstdParams = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_windowLog]: 18,
  [constants.ZSTD_c_hashLog]: 13,
  [constants.ZSTD_c_minMatch]: 7,
  [constants.ZSTD_c_targetLength]: 4,
};
/** Of the memory that a packed frame is given at a time: a quarter of its content, which is enough for most. */
const PACKED_BYTES_MIN = 1024;
/** Where index and records are put together before they are packed: fresh memory for each frame costs more than that. */
let scratch: Buffer = Buffer.alloc(0);

/** Routes, records and bytes of each word of routes among records. */
export function tallyOf(index: Int32Array): Int32Array {
  const places = new Map<number, number>();
  const tallies: number[] = [];
  let routes = 0;
  let place = -1;
  for (let i = 0; i < index.length; i += INDEX_WORDS) {
    if (place < 0 || index[i + 1] !== routes) {
      routes = index[i + 1];
      place = places.get(routes) ?? -1;
      if (place < 0) {
        place = tallies.length;
        places.set(routes, place);
        tallies.push(routes, 0, 0);
      }
    }
    tallies[place + 1]++;
    tallies[place + 2] += index[i];
  }
  return Int32Array.from(tallies);
}

/** Makes the frame of these records. `tallies` is what `tallyOf` says of them. */
export function encodeFrame(
  content: FrameContent,
  tallies: Int32Array,
  firstSequence: number,
  acceptedAtMs: number,
  options: FrameOptions,
): EncodedFrame {
  const { index, bytes } = content;
  const contentBytes = index.byteLength + bytes.length;
  if (scratch.length < contentBytes) scratch = Buffer.allocUnsafeSlow(Math.max(contentBytes, SCRATCH_BYTES_MIN));
  const plain = scratch.subarray(0, contentBytes);
  plain.set(new Uint8Array(index.buffer, index.byteOffset, index.byteLength), 0);
  plain.set(bytes, index.byteLength);
  let payload: Buffer | null = null;
  let codec = 0;
  if (options.compression === 'zstd') {
    const packed = zstdCompressSync(plain, { chunkSize: Math.max(PACKED_BYTES_MIN, contentBytes >> 2), params: zstdParams });
    if (packed.length < plain.length) {
      payload = packed;
      codec = ZSTD;
    }
  }
  payload ??= Buffer.from(plain);
  const key = options.keys.byId.get(options.keys.currentId);
  if (key !== undefined) codec |= ENCRYPTED;
  const tallyBytes = (tallies.length / 3) * TALLY_BYTES;
  const ownBytes = FIXED_BYTES + tallyBytes + (key === undefined ? 0 : KEY_ID_BYTES + NONCE_BYTES);
  const head = Buffer.alloc(ownBytes + LINK_BYTES);
  MAGIC.copy(head);
  head[4] = VERSION;
  head[5] = codec;
  head.writeUInt16LE(head.length, 6);
  head.writeUInt32LE(payload.length + (key === undefined ? 0 : TAG_BYTES), 8);
  head.writeUInt32LE(contentBytes, 12);
  head.writeUInt32LE(index.length / INDEX_WORDS, 16);
  head.writeUInt32LE(options.pipelinesId, 20);
  head.writeBigUInt64LE(BigInt(firstSequence), 24);
  head.writeBigUInt64LE(BigInt(acceptedAtMs), 32);
  for (let i = 0; i < tallies.length; i++) head.writeInt32LE(tallies[i], FIXED_BYTES + i * 4);
  if (key !== undefined) {
    head.write(options.keys.currentId, FIXED_BYTES + tallyBytes, 'hex');
    payload = encrypt(payload, key, head, ownBytes);
  }
  head.writeUInt32LE(crc32(payload), ownBytes + LINK_BYTES - 8);
  return { head, payload };
}

function encrypt(payload: Buffer, key: KeyObject, head: Buffer, ownBytes: number): Buffer {
  const nonce = head.subarray(ownBytes - NONCE_BYTES, ownBytes);
  randomFillSync(nonce);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(head.subarray(0, ownBytes));
  return Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
}

/** Says what stands before it, which is known only when it is written. */
export function linkFrame(head: Buffer, previousSequence: number, recordsBefore: number): void {
  head.writeBigUInt64LE(BigInt(previousSequence), head.length - LINK_BYTES);
  head.writeBigUInt64LE(BigInt(recordsBefore), head.length - LINK_BYTES + 8);
  head.writeUInt32LE(crc32(head.subarray(0, head.length - 4)), head.length - 4);
}

interface FrameDecoder {
  readHead(bytes: Buffer, at: number, end: number): FrameHead | null;
  openPayload(head: FrameHead, headBytes: Buffer, payload: Buffer, keys: SpoolKeys): FrameContent | null;
}

/** By version. What an older version wrote stays readable: a new one is added here, none is taken away. */
const decoders: Readonly<Record<number, FrameDecoder>> = { 1: { readHead: readHead1, openPayload: openPayload1 } };

/** Length of the head that seems to begin there, at least HEAD_LENGTH_BYTES of it given; 0 when none does. */
export function headBytesAt(bytes: Buffer, at: number): number {
  if (bytes[at] !== MAGIC[0] || bytes[at + 1] !== MAGIC[1] || bytes[at + 2] !== MAGIC[2] || bytes[at + 3] !== MAGIC[3]) return 0;
  const length = bytes.readUInt16LE(at + 6);
  return decoders[bytes[at + 4]] === undefined || length < FIXED_BYTES + TALLY_BYTES + LINK_BYTES ? 0 : length;
}

/** The head at that offset, when it is whole and right; null otherwise. */
export function readHead(bytes: Buffer, at: number, end: number): FrameHead | null {
  if (end - at < HEAD_LENGTH_BYTES || headBytesAt(bytes, at) === 0) return null;
  return decoders[bytes[at + 4]].readHead(bytes, at, end);
}

export function isPayloadWhole(head: FrameHead, payload: Buffer): boolean {
  return payload.length === head.payloadBytes && crc32(payload) === head.payloadCrc;
}

/** The records of a frame, in memory of their own; null when they cannot be had. */
export function openPayload(head: FrameHead, headBytes: Buffer, payload: Buffer, keys: SpoolKeys): FrameContent | null {
  return decoders[head.version].openPayload(head, headBytes, payload, keys);
}

function readHead1(bytes: Buffer, at: number, end: number): FrameHead | null {
  const headBytes = bytes.readUInt16LE(at + 6);
  if (end - at < headBytes) return null;
  if (crc32(bytes.subarray(at, at + headBytes - 4)) !== bytes.readUInt32LE(at + headBytes - 4)) return null;
  const codec = bytes[at + 5];
  const isEncrypted = (codec & ENCRYPTED) !== 0;
  const tallyBytes = headBytes - FIXED_BYTES - LINK_BYTES - (isEncrypted ? KEY_ID_BYTES + NONCE_BYTES : 0);
  const count = bytes.readUInt32LE(at + 16);
  const contentBytes = bytes.readUInt32LE(at + 12);
  const firstSequence = Number(bytes.readBigUInt64LE(at + 24));
  if (tallyBytes < TALLY_BYTES || tallyBytes % TALLY_BYTES !== 0 || codec > (ZSTD | ENCRYPTED)) return null;
  if (count === 0 || contentBytes > CONTENT_BYTES_MAX || contentBytes < count * INDEX_BYTES) return null;
  if (!Number.isSafeInteger(firstSequence + count)) return null;
  const tallies = new Int32Array(tallyBytes / 4);
  for (let i = 0; i < tallies.length; i++) tallies[i] = bytes.readInt32LE(at + FIXED_BYTES + i * 4);
  const keyAt = at + FIXED_BYTES + tallyBytes;
  const linkAt = at + headBytes - LINK_BYTES;
  return {
    version: 1,
    codec,
    headBytes,
    payloadBytes: bytes.readUInt32LE(at + 8),
    contentBytes,
    count,
    pipelinesId: bytes.readUInt32LE(at + 20),
    firstSequence,
    lastSequence: firstSequence + count - 1,
    acceptedAtMs: Number(bytes.readBigUInt64LE(at + 32)),
    tallies,
    keyId: isEncrypted ? bytes.toString('hex', keyAt, keyAt + KEY_ID_BYTES) : '',
    previousSequence: Number(bytes.readBigUInt64LE(linkAt)),
    recordsBefore: Number(bytes.readBigUInt64LE(linkAt + 8)),
    payloadCrc: bytes.readUInt32LE(linkAt + 16),
  };
}

function openPayload1(head: FrameHead, headBytes: Buffer, payload: Buffer, keys: SpoolKeys): FrameContent | null {
  let content = payload;
  if ((head.codec & ENCRYPTED) !== 0) {
    const opened = decrypt(head, headBytes, payload, keys);
    if (opened === null) return null;
    content = opened;
  }
  if ((head.codec & ZSTD) !== 0) {
    try {
      content = zstdDecompressSync(content, { chunkSize: Math.max(64, head.contentBytes), maxOutputLength: head.contentBytes });
    } catch {
      return null;
    }
  }
  if (content.length !== head.contentBytes) return null;
  const index = new Int32Array(head.count * INDEX_WORDS);
  const indexBytes = index.byteLength;
  new Uint8Array(index.buffer).set(content.subarray(0, indexBytes));
  let length = 0;
  for (let i = 0; i < index.length; i += INDEX_WORDS) {
    if (index[i] < 0) return null;
    length += index[i];
  }
  if (length !== content.length - indexBytes) return null;
  // What was not unpacked still lies in the window that the file was read into.
  const bytes = content === payload ? Buffer.from(content.subarray(indexBytes)) : content.subarray(indexBytes);
  return { bytes, index };
}

function decrypt(head: FrameHead, headBytes: Buffer, payload: Buffer, keys: SpoolKeys): Buffer | null {
  const key = keys.byId.get(head.keyId);
  if (key === undefined || payload.length < TAG_BYTES) return null;
  const ownBytes = head.headBytes - LINK_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, headBytes.subarray(ownBytes - NONCE_BYTES, ownBytes));
  decipher.setAAD(headBytes.subarray(0, ownBytes));
  decipher.setAuthTag(payload.subarray(payload.length - TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(payload.subarray(0, payload.length - TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}
