/**
 * FF1 (NIST SP 800-38G): encrypts a string of numerals to one of the same length, so that a masked card number is again
 * digits and equal numbers stay equal. Ten rounds of a Feistel network, its function being the CBC-MAC of AES.
 *
 *   P  01 02 01 | radix, 3 B | 0a | u mod 256 | n, 4 B | t, 4 B                        one block, the same in every round
 *   Q  tweak, t B | zeros | round, 1 B | half as number, b B                           whole blocks
 *   y  the first d bytes of  R = CBC-MAC(P Q), AES(R xor 1), AES(R xor 2) ...
 *
 * Halves below 2^44 (26 digits, 18 letters together) are numbers, longer ones BigInt. The caller sees to it that there are
 * at least 1,000,000 strings of that length (SP 800-38G, revision 1 draft).
 *
 * Bounds: 2 to FF1_NUMERALS_MAX numerals, tweaks of at most FF1_TWEAK_BYTES_MAX.
 */
import { type Cipheriv, createCipheriv } from 'node:crypto';

export const FF1_NUMERALS_MAX = 256;
export const FF1_TWEAK_BYTES_MAX = 256;
const ROUNDS = 10;
const BLOCK = 16;
/** A remainder below this, times 256, is still exact. */
const NUMBER_MAX = 2 ** 44;

const P = Buffer.alloc(BLOCK);
const Q = Buffer.alloc(FF1_TWEAK_BYTES_MAX + 2 * FF1_NUMERALS_MAX);
const X = Buffer.alloc(BLOCK);
const S = Buffer.alloc(2 * FF1_NUMERALS_MAX);

export interface Ff1 {
  /** The first n numerals, each below `radix`, in place. */
  encrypt(numerals: Uint8Array, n: number, radix: number, tweak: Uint8Array): void;
  decrypt(numerals: Uint8Array, n: number, radix: number, tweak: Uint8Array): void;
}

/** With a key of 16, 24 or 32 bytes. */
export function createFf1(key: Uint8Array): Ff1 {
  const cipher = createCipheriv(`aes-${8 * key.length}-ecb`, key, null);
  cipher.setAutoPadding(false);
  return {
    encrypt: (numerals, n, radix, tweak) => run(cipher, numerals, n, radix, tweak, 1),
    decrypt: (numerals, n, radix, tweak) => run(cipher, numerals, n, radix, tweak, -1),
  };
}

/** Of the string at hand: bytes of a half, of y, and where in Q the round and the half stand. */
let halfBytes = 0;
let yBytes = 0;
let roundAt = 0;
/** CBC-MAC of P and the blocks of Q before that of the round. */
let constant: Buffer = X;
let constantEnd = 0;

function run(cipher: Cipheriv, numerals: Uint8Array, n: number, radix: number, tweak: Uint8Array, sign: 1 | -1): void {
  const u = n >> 1;
  const v = n - u;
  prepare(cipher, n, u, v, radix, tweak);
  if (radix ** v <= NUMBER_MAX) runNumbers(cipher, numerals, n, u, radix, sign);
  else runBig(cipher, numerals, n, u, radix, sign);
}

function prepare(cipher: Cipheriv, n: number, u: number, v: number, radix: number, tweak: Uint8Array): void {
  halfBytes = bytesOf(radix, v);
  yBytes = 4 * Math.ceil(halfBytes / 4) + 4;
  P[0] = 1;
  P[1] = 2;
  P[2] = 1;
  P.writeUIntBE(radix, 3, 3);
  P[6] = ROUNDS;
  P[7] = u & 255;
  P.writeUInt32BE(n, 8);
  P.writeUInt32BE(tweak.length, 12);
  roundAt = tweak.length + ((BLOCK - ((tweak.length + halfBytes + 1) % BLOCK)) % BLOCK);
  Q.set(tweak, 0);
  Q.fill(0, tweak.length, roundAt);
  constant = cipher.update(P);
  constantEnd = roundAt - (roundAt % BLOCK);
  for (let at = 0; at < constantEnd; at += BLOCK) constant = chained(cipher, constant, at);
}

/** The CBC-MAC `before` with one more block of Q. */
function chained(cipher: Cipheriv, before: Buffer, at: number): Buffer {
  for (let i = 0; i < BLOCK; i++) X[i] = before[i] ^ Q[at + i];
  return cipher.update(X);
}

/** y of the half that stands in Q, as bytes of S. */
function roundFunction(cipher: Cipheriv, round: number): void {
  Q[roundAt] = round;
  let mac = constant;
  for (let at = constantEnd, end = roundAt + 1 + halfBytes; at < end; at += BLOCK) mac = chained(cipher, mac, at);
  const first = yBytes < BLOCK ? yBytes : BLOCK;
  for (let i = 0; i < first; i++) S[i] = mac[i];
  for (let j = 1; j * BLOCK < yBytes; j++) {
    X.set(mac);
    X.writeUInt32BE((X.readUInt32BE(12) ^ j) >>> 0, 12);
    S.set(cipher.update(X), j * BLOCK);
  }
}

function runNumbers(cipher: Cipheriv, numerals: Uint8Array, n: number, u: number, radix: number, sign: 1 | -1): void {
  const mod0 = radix ** u;
  const mod1 = radix ** (n - u);
  let a = 0;
  let b = 0;
  for (let i = 0; i < u; i++) a = a * radix + numerals[i];
  for (let i = u; i < n; i++) b = b * radix + numerals[i];
  for (let i = 0; i < ROUNDS; i++) {
    const round = sign > 0 ? i : ROUNDS - 1 - i;
    const mod = (round & 1) === 0 ? mod0 : mod1;
    let half = sign > 0 ? b : a;
    for (let at = roundAt + halfBytes; at > roundAt; at--) {
      const high = Math.floor(half / 256);
      Q[at] = half - 256 * high;
      half = high;
    }
    roundFunction(cipher, round);
    let y = 0;
    for (let k = 0; k < yBytes; k++) y = (y * 256 + S[k]) % mod;
    if (sign > 0) {
      const c = (a + y) % mod;
      a = b;
      b = c;
    } else {
      const c = (b - y + mod) % mod;
      b = a;
      a = c;
    }
  }
  for (let i = u - 1; i >= 0; i--) {
    const high = Math.floor(a / radix);
    numerals[i] = a - radix * high;
    a = high;
  }
  for (let i = n - 1; i >= u; i--) {
    const high = Math.floor(b / radix);
    numerals[i] = b - radix * high;
    b = high;
  }
}

function runBig(cipher: Cipheriv, numerals: Uint8Array, n: number, u: number, radix: number, sign: 1 | -1): void {
  const base = BigInt(radix);
  const mod0 = base ** BigInt(u);
  const mod1 = base ** BigInt(n - u);
  let a = 0n;
  let b = 0n;
  for (let i = 0; i < u; i++) a = a * base + BigInt(numerals[i]);
  for (let i = u; i < n; i++) b = b * base + BigInt(numerals[i]);
  for (let i = 0; i < ROUNDS; i++) {
    const round = sign > 0 ? i : ROUNDS - 1 - i;
    const mod = (round & 1) === 0 ? mod0 : mod1;
    Q.write((sign > 0 ? b : a).toString(16).padStart(2 * halfBytes, '0'), roundAt + 1, 'hex');
    roundFunction(cipher, round);
    const y = BigInt(`0x${S.toString('hex', 0, yBytes)}`) % mod;
    if (sign > 0) {
      const c = (a + y) % mod;
      a = b;
      b = c;
    } else {
      const c = (b - y + mod) % mod;
      b = a;
      a = c;
    }
  }
  for (let i = u - 1; i >= 0; i--) {
    numerals[i] = Number(a % base);
    a /= base;
  }
  for (let i = n - 1; i >= u; i--) {
    numerals[i] = Number(b % base);
    b /= base;
  }
}

const sizes = new Map<number, number>();

/** Bytes that hold every string of `v` numerals as a number. */
function bytesOf(radix: number, v: number): number {
  const name = radix * (FF1_NUMERALS_MAX + 1) + v;
  let size = sizes.get(name);
  if (size === undefined) {
    size = Math.ceil((BigInt(radix) ** BigInt(v) - 1n).toString(16).length / 2);
    sizes.set(name, size);
  }
  return size;
}
