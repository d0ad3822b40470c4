/**
 * QUIC's Initial packets (RFC 9000, 17.2.2), whose keys anybody can make out of what stands in them (RFC 9001, 5.2): they
 * carry the ClientHello.
 *
 *   1Lttrrpp | version(4) | n destination id | n source id | token length | token | length | packet number(1-4) | frames | tag(16)
 *        ^^^^ and the packet number are masked: by AES-ECB of 16 bytes behind it (RFC 9001, 5.4)
 *
 *   secret  = HKDF-Extract(salt of the version, destination id of the client's first packet)
 *   client  = HKDF-Expand-Label(secret, "client in"), from which key, iv and mask key
 *
 * Frames in it: PADDING 0, PING 1, ACK 2 and 3, CRYPTO 6 | offset | length | bytes, CONNECTION_CLOSE 1c.
 * Versions: 1, 2 (RFC 9369), draft 29. Left out: all other packets, which nobody can read.
 */
import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import { bytes, view } from '../base/arena.ts';

const B = bytes;
const V = view;
const TAG_BYTES = 16;
const SAMPLE_BYTES = 16;
const SHA256_BYTES = 32;
const SHA256_BLOCK_BYTES = 64;
const ID_BYTES_MAX = 20;
const VERSION_1 = 1;
const VERSION_2 = 0x6b3343cf;
const DRAFT_29 = 0xff00001d | 0;

interface Version {
  readonly salt: Buffer;
  /** Of the labels: "quic key", "quicv2 key". */
  readonly label: string;
  /** Long packet type of Initial, in place. */
  readonly initial: number;
}

const versions: ReadonlyMap<number, Version> = new Map([
  [VERSION_1, { salt: Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex'), label: 'quic', initial: 0x00 }],
  [VERSION_2, { salt: Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex'), label: 'quicv2', initial: 0x10 }],
  [DRAFT_29, { salt: Buffer.from('afbfec289993d24c9e9786f19c6111e04390a899', 'hex'), label: 'quic', initial: 0x00 }],
]);

export interface InitialKeys {
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly mask: Buffer;
}

/** The long header read last. */
class LongHeader {
  version = 0;
  isInitial = false;
  idAt = 0;
  idEnd = 0;
  /** Packet number, still masked. */
  numberAt = 0;
  /** One past the packet; in the same datagram another may follow. */
  end = 0;
}
export const header: LongHeader = new LongHeader();
const H = header;
let varintEnd = 0;

/** A number of 1, 2, 4 or 8 bytes (RFC 9000, 16); -1 when it does not end before `end`. */
function varint(from: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  const length = 1 << (from[at] >> 6);
  if (at + length > end) return -1;
  let value = from[at] & 0x3f;
  for (let p = at + 1; p < at + length; p++) value = value * 256 + from[p];
  varintEnd = at + length;
  return value;
}

/** Reads the long header of a packet at `at` into `header`, as far as its length; false when it is none, or cannot be read. */
export function readLongHeader(at: number, end: number): boolean {
  if (end - at < 7 || B[at] >> 6 !== 3) return false;
  H.version = V.getInt32(at + 1);
  const version = versions.get(H.version);
  if (version === undefined) return false;
  H.idAt = at + 6;
  H.idEnd = at + 6 + B[at + 5];
  if (B[at + 5] > ID_BYTES_MAX || H.idEnd >= end || B[H.idEnd] > ID_BYTES_MAX) return false;
  let p = H.idEnd + 1 + B[H.idEnd];
  H.isInitial = (B[at] & 0x30) === version.initial;
  if (H.isInitial) {
    const token = varint(B, p, end);
    if (token < 0 || token > end - varintEnd) return false;
    p = varintEnd + token;
  }
  const length = varint(B, p, end);
  if (length < 0 || length > end - varintEnd) return false;
  H.numberAt = varintEnd;
  H.end = varintEnd + length;
  return true;
}

/** Keys of the client's Initial packets; they depend on the header read last. */
export function initialKeys(): InitialKeys {
  const { salt, label } = versions.get(H.version) ?? { salt: Buffer.alloc(0), label: '' };
  const secret = hmac(salt, B.subarray(H.idAt, H.idEnd));
  const client = expand(secret, 'client in', 32);
  return { key: expand(client, `${label} key`, 16), iv: expand(client, `${label} iv`, 12), mask: expand(client, `${label} hp`, 16) };
}

/** HKDF-Expand-Label (RFC 8446, 7.1) of at most 32 bytes without context. */
function expand(secret: Buffer, name: string, length: number): Buffer {
  const label = Buffer.from(`tls13 ${name}`, 'latin1');
  const info = Buffer.concat([Buffer.from([0, length, label.length]), label, Buffer.from([0, 1])]);
  return hmac(secret, info).subarray(0, length);
}

/** HMAC-SHA256 (RFC 2104) of a short text by two plain hashes: a tenth of what an object of node:crypto costs. */
function hmac(key: Buffer, text: Buffer): Buffer {
  const inner = Buffer.alloc(SHA256_BLOCK_BYTES + text.length, 0x36);
  const outer = Buffer.alloc(SHA256_BLOCK_BYTES + SHA256_BYTES, 0x5c);
  for (let i = 0; i < key.length; i++) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  text.copy(inner, SHA256_BLOCK_BYTES);
  hash('sha256', inner, 'buffer').copy(outer, SHA256_BLOCK_BYTES);
  return hash('sha256', outer, 'buffer');
}

/** The frames of the Initial packet at `at`, whose header was read last; null when these are not its keys. */
export function openInitial(at: number, keys: InitialKeys): Buffer | null {
  const sampleAt = H.numberAt + 4;
  if (sampleAt + SAMPLE_BYTES > H.end) return null;
  const cipher = createCipheriv('aes-128-ecb', keys.mask, null);
  const mask = cipher.update(B.subarray(sampleAt, sampleAt + SAMPLE_BYTES));
  const first = B[at] ^ (mask[0] & 0x0f);
  const numberBytes = 1 + (first & 3);
  const framesAt = H.numberAt + numberBytes;
  // The header as it was before the mask authenticates the packet.
  const head = Buffer.from(B.subarray(at, framesAt));
  head[0] = first;
  const nonce = Buffer.from(keys.iv);
  for (let i = 0; i < numberBytes; i++) {
    const place = head.length - numberBytes + i;
    head[place] ^= mask[1 + i];
    nonce[nonce.length - numberBytes + i] ^= head[place];
  }
  const tagAt = H.end - TAG_BYTES;
  if (tagAt < framesAt) return null;
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce);
  decipher.setAAD(head);
  decipher.setAuthTag(B.subarray(tagAt, H.end));
  const frames = decipher.update(B.subarray(framesAt, tagAt));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return frames;
}

/** Gives each CRYPTO frame to `take`: where its bytes stand in the stream, and in `frames`. Stops at what it does not know. */
export function cryptoFrames(frames: Buffer, take: (offset: number, at: number, end: number) => void): void {
  let p = 0;
  const next = (): number => {
    const value = varint(frames, p, frames.length);
    if (value >= 0) p = varintEnd;
    return value;
  };
  while (p < frames.length) {
    const type = frames[p++];
    if (type === 6) {
      const offset = next();
      const length = offset < 0 ? -1 : next();
      if (length < 0 || length > frames.length - p) return;
      take(offset, p, p + length);
      p += length;
    } else if (type === 2 || type === 3) {
      next();
      next();
      const ranges = next();
      if (ranges < 0 || next() < 0) return;
      for (let i = 0; i < 2 * ranges; i++) if (next() < 0) return;
      for (let i = 0; type === 3 && i < 3; i++) next();
    } else if (type > 1) return;
  }
}
