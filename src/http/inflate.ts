/**
 * Inflate: DEFLATE data (RFC 1951), alone or in its gzip (RFC 1952) and zlib (RFC 1950) wrappers, decoded from
 * one place of the arena to another. It stops at the end of the room it was given, so a bomb costs what was asked
 * for and no more, and of data that is cut or corrupt it gives everything that came before the fault.
 *
 *   gzip member, little endian (RFC 1952, 2.3)
 *   +----+----+----+----+----+----+----+----+----+----+ =========== +=========+----+----+----+----+----+----+----+----+
 *   | 1f | 8b | 08 | FLG|       MTIME       | XFL| OS | by FLG ...  | deflate |       CRC32       |       ISIZE       |
 *   +----+----+----+----+----+----+----+----+----+----+ =========== +=========+----+----+----+----+----+----+----+----+
 *   FLG: 04 extra (two-byte length, bytes), 08 name (to NUL), 10 comment (to NUL), 02 header CRC (two bytes); in that order.
 *   Members follow each other; what follows the last one and is no member is ignored, as gunzip does.
 *
 *   zlib stream (RFC 1950, 2.2)                deflate block, bits from the least significant (RFC 1951, 3.2.3)
 *   +----+----+=========+----+----+----+----+  bit 0 last block, bits 1-2 type: 0 stored (to the next byte, then LEN,
 *   | CMF| FLG| deflate |  ADLER32, big end |  ~LEN, 16 bits each, LEN bytes), 1 fixed codes, 2 codes of its own
 *   +----+----+=========+----+----+----+----+  (HLIT 5, HDIST 5, HCLEN 4 bits, code lengths), 3 is an error.
 *
 * Decoding is by tables of int32: the next bits of the input, first bit lowest, are the index.
 *
 *   bit 31: a literal (in bits 16-23)          bits 0-4: bits of the code (of the whole code in a second table)
 *   bits 8-11: extra bits                      bit 5: go on in the second table at bits 16-30, by the 0-15 bits in bits 8-11
 *   bits 16-30: base of length or distance     bit 6: end of block      bit 7: no such code
 *
 * Bounds: reads [at, end), writes [to, toEnd), nothing else; the two must not overlap. No allocation.
 * Raises nothing: `inflateStatus[0]` says how it ended.
 * Left out: checksums and ISIZE are not compared (TCP has its own checksum, and the kept part of a body rarely
 * reaches them); preset dictionaries (RFC 1950 FDICT) are corrupt; so is any reserved flag.
 */
import { bytes, view } from '../base/arena.ts';

const B = bytes;
const V = view;

/** Wrappers. `DEFLATE` is what HTTP calls "deflate": zlib, or raw as some servers send it, or gzip mislabelled. */
export const RAW = 0;
export const ZLIB = 1;
export const GZIP = 2;
export const DEFLATE = 3;

/** The data ended as it should. */
export const DONE = 0;
/** There is more output than room. */
export const OUTPUT_FULL = 1;
/** The input ends early. */
export const INPUT_CUT = 2;
/** The input is no such data, or not from some point on. */
export const CORRUPT = 3;

/** Of `inflateOnto`: the input ends behind a block that is not the last one, at the end of a byte. */
export const BETWEEN_BLOCKS = 4;

/** How the last call ended: DONE, OUTPUT_FULL, INPUT_CUT or CORRUPT. */
export const inflateStatus: Int32Array = new Int32Array(1);
const status = inflateStatus;

/** Never leave this file: the block ended; the margins of the fast loop are used up. */
const BLOCK_END = -1;
const MARGIN = -2;

/** One round of the fast loop reads at most 13 bytes and writes at most two literals, a match of 258 and 7 bytes beyond. */
const MARGIN_IN = 16;
const MARGIN_OUT = 272;

/** Bits that index the first table: lengths and literals, distances, code lengths. */
const LITERAL_ROOT = 10;
const DISTANCE_ROOT = 8;
const PRECODE_ROOT = 7;

const POINTER = 0x20;
const END_OF_BLOCK = 0x40;
const INVALID = 0x80;
const SPECIAL = POINTER | END_OF_BLOCK | INVALID;
/** In the table of code lengths bits 5 and 6 say what is repeated; bits 16-30 then hold the least number of times. */
const REPEAT_LAST = POINTER;
const REPEAT_ZERO = END_OF_BLOCK;

/**
 * Where the tables lie in `T`. A complete code of 286 symbols with up to 15 bits and a first table of 10 bits
 * needs at most 1332 entries; one of 30 symbols and 8 bits at most 400.
 */
const FIXED_LITERALS = 0;
const FIXED_DISTANCES = FIXED_LITERALS + 512;
const LITERALS = FIXED_DISTANCES + 32;
const DISTANCES = LITERALS + 1408;
const PRECODE = DISTANCES + 512;
const T = new Int32Array(PRECODE + 128);

/** Entries without their code length, by symbol: literals and lengths (288), distances (32), code lengths (19). */
const DISTANCE_SYMBOLS = 288;
const PRECODE_SYMBOLS = 320;
const symbolEntry = new Int32Array(340);
for (let s = 0; s < 256; s++) symbolEntry[s] = (1 << 31) | (s << 16);
symbolEntry[256] = END_OF_BLOCK;
for (let s = 257, base = 3; s < 285; s++) {
  const extra = s < 265 ? 0 : (s - 261) >> 2;
  symbolEntry[s] = (base << 16) | (extra << 8);
  base += 1 << extra;
}
symbolEntry[285] = 258 << 16;
symbolEntry[286] = symbolEntry[287] = INVALID;
for (let s = 0, base = 1; s < 30; s++) {
  const extra = s < 4 ? 0 : (s - 2) >> 1;
  symbolEntry[DISTANCE_SYMBOLS + s] = (base << 16) | (extra << 8);
  base += 1 << extra;
}
symbolEntry[DISTANCE_SYMBOLS + 30] = symbolEntry[DISTANCE_SYMBOLS + 31] = INVALID;
for (let s = 0; s < 16; s++) symbolEntry[PRECODE_SYMBOLS + s] = s << 16;
symbolEntry[PRECODE_SYMBOLS + 16] = REPEAT_LAST | (3 << 16) | (2 << 8);
symbolEntry[PRECODE_SYMBOLS + 17] = REPEAT_ZERO | (3 << 16) | (3 << 8);
symbolEntry[PRECODE_SYMBOLS + 18] = REPEAT_ZERO | (11 << 16) | (7 << 8);

/** Order in which the lengths of the code length code come (RFC 1951, 3.2.7). */
const precodeOrder = new Uint8Array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);
/** Code lengths of the block at hand: literals and lengths, then distances; the code lengths' own in `precodeLengths`. */
const codeLengths = new Uint8Array(288 + 32 + 138);
const precodeLengths = new Uint8Array(19);

const lengthCount = new Int32Array(16);
const nextPlace = new Int32Array(16);
const sorted = new Int32Array(288);

/**
 * Builds the table at `table` for the `count` code lengths at `L[from]`. Gives the number of bits that index its
 * first part (at most `rootMax`), or -1 when the lengths make no code. A code of one symbol and a code of none
 * are allowed, as in every implementation; what they leave out is INVALID.
 */
function buildTable(L: Uint8Array, from: number, count: number, symbols: number, table: number, rootMax: number): number {
  for (let k = 0; k < 16; k++) lengthCount[k] = 0;
  for (let s = 0; s < count; s++) lengthCount[L[from + s]]++;
  let max = 15;
  while (max > 0 && lengthCount[max] === 0) max--;
  if (max === 0) {
    // An empty code length code reads as lengths of 0, and those then lack an end of block.
    T[table] = T[table + 1] = symbols === PRECODE_SYMBOLS ? 1 : INVALID | 1;
    return 1;
  }
  let left = 1;
  let place = 0;
  for (let k = 1; k <= max; k++) {
    left = (left << 1) - lengthCount[k];
    if (left < 0) return -1;
    nextPlace[k] = place;
    place += lengthCount[k];
  }
  if (left > 0) {
    if (max !== 1 || symbols === PRECODE_SYMBOLS) return -1;
    T[table + 1] = INVALID | 1;
  }
  for (let s = 0; s < count; s++) {
    const k = L[from + s];
    if (k !== 0) sorted[nextPlace[k]++] = s;
  }

  const root = max < rootMax ? max : rootMax;
  let code = 0;
  let i = 0;
  let k = 1;
  while (lengthCount[k] === 0) k++;
  let size = 1 << k;
  // Codes that fit in the first table: filled for their own length, and the table doubled for each bit more.
  for (;;) {
    for (let n = lengthCount[k]; n > 0; n--) {
      T[table + code] = symbolEntry[symbols + sorted[i++]] | k;
      // The next code, its bits being reversed: add one at the highest bit and carry downwards.
      const ones = code ^ (size - 1);
      if (ones === 0) {
        while (k < root) {
          T.copyWithin(table + size, table, table + size);
          size <<= 1;
          k++;
        }
        return root;
      }
      const bit = 1 << (31 - Math.clz32(ones));
      code = (code & (bit - 1)) | bit;
    }
    if (i === place) return root; // one symbol alone: the other half is INVALID already
    if (k === root) break;
    do {
      k++;
      if (k <= root) {
        T.copyWithin(table + size, table, table + size);
        size <<= 1;
      }
    } while (lengthCount[k] === 0 && k < root);
    if (k === root && lengthCount[k] === 0) break;
  }

  // Longer codes: second tables behind the first.
  const mask = (1 << root) - 1;
  let next = table + (1 << root);
  let prefix = -1;
  let sub = 0;
  let subBits = 0;
  while (i < place) {
    do k++;
    while (lengthCount[k] === 0);
    size = 1 << k;
    for (let n = lengthCount[k]; n > 0; n--) {
      if ((code & mask) !== prefix) {
        prefix = code & mask;
        sub = next;
        subBits = k - root;
        let room = (1 << subBits) - n;
        while (room > 0 && subBits + root < max) {
          subBits++;
          room = (room << 1) - lengthCount[subBits + root];
        }
        next += 1 << subBits;
        T[table + prefix] = POINTER | (sub << 16) | (subBits << 8) | root;
      }
      const entry = symbolEntry[symbols + sorted[i++]] | k;
      const step = 1 << (k - root);
      for (let j = sub + (code >> root), stop = sub + (1 << subBits); j < stop; j += step) T[j] = entry;
      const ones = code ^ (size - 1);
      if (ones === 0) return root;
      const bit = 1 << (31 - Math.clz32(ones));
      code = (code & (bit - 1)) | bit;
    }
  }
  return root;
}

codeLengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288);
buildTable(codeLengths, 0, 288, 0, FIXED_LITERALS, 9);
codeLengths.fill(5, 0, 32);
buildTable(codeLengths, 0, 32, DISTANCE_SYMBOLS, FIXED_DISTANCES, 5);

/**
 * The state between blocks: next input byte, bits taken but not used, how many of them count, next output byte.
 * Bits above the counted ones are either 0 or what the next bytes hold, so OR-ing those in again is harmless.
 */
const state = new Int32Array(4);
const AT = 0;
const HOLD = 1;
const BITS = 2;
const TO = 3;

let literalRoot = 0;
let distanceRoot = 0;

/** Reads the codes of a dynamic block (RFC 1951, 3.2.7) and builds their tables. BLOCK_END when they are there. */
function readCodes(end: number): number {
  let at = state[AT];
  let hold = state[HOLD];
  let n = state[BITS];
  while (n < 14) {
    if (at === end) return INPUT_CUT;
    hold |= B[at++] << n;
    n += 8;
  }
  const literals = (hold & 31) + 257;
  const distances = ((hold >>> 5) & 31) + 1;
  const precodes = ((hold >>> 10) & 15) + 4;
  hold >>>= 14;
  n -= 14;
  if (literals > 286 || distances > 30) return CORRUPT;
  for (let i = 0; i < 19; i++) {
    let length = 0;
    if (i < precodes) {
      if (n < 3) {
        if (at === end) return INPUT_CUT;
        hold |= B[at++] << n;
        n += 8;
      }
      length = hold & 7;
      hold >>>= 3;
      n -= 3;
    }
    precodeLengths[precodeOrder[i]] = length;
  }
  const root = buildTable(precodeLengths, 0, 19, PRECODE_SYMBOLS, PRECODE, PRECODE_ROOT);
  if (root < 0) return CORRUPT;
  const mask = (1 << root) - 1;
  const total = literals + distances;
  const safeAt = end - 4;
  let i = 0;
  // Runs of zeros, which are most of it, are only stepped over.
  codeLengths.fill(0);
  while (i < total) {
    if (at <= safeAt) {
      hold |= V.getInt32(at, true) << n;
      at += (31 - n) >> 3;
      n |= 24;
    } else {
      while (n < 14 && at < end) {
        hold |= B[at++] << n;
        n += 8;
      }
    }
    const e = T[PRECODE + (hold & mask)];
    const used = e & 31;
    if ((e & (REPEAT_LAST | REPEAT_ZERO)) === 0) {
      if (used > n) return INPUT_CUT;
      hold >>>= used;
      n -= used;
      codeLengths[i++] = e >> 16;
      continue;
    }
    const extra = (e >> 8) & 15;
    if (used + extra > n) return INPUT_CUT;
    hold >>>= used;
    const stop = i + (e >> 16) + (hold & ((1 << extra) - 1));
    hold >>>= extra;
    n -= used + extra;
    if (e & REPEAT_LAST) {
      if (i === 0) return CORRUPT;
      const value = codeLengths[i - 1];
      if (stop > total) return CORRUPT;
      while (i < stop) codeLengths[i++] = value;
    }
    i = stop;
  }
  if (i > total) return CORRUPT;
  if (codeLengths[256] === 0) return CORRUPT;
  literalRoot = buildTable(codeLengths, 0, literals, 0, LITERALS, LITERAL_ROOT);
  if (literalRoot < 0) return CORRUPT;
  distanceRoot = buildTable(codeLengths, literals, distances, DISTANCE_SYMBOLS, DISTANCES, DISTANCE_ROOT);
  if (distanceRoot < 0) return CORRUPT;
  state[AT] = at;
  state[HOLD] = hold;
  state[BITS] = n;
  return BLOCK_END;
}

/** Copies a stored block (RFC 1951, 3.2.4). */
function copyStored(end: number, toEnd: number): number {
  // Whole bytes that were taken into the bit buffer go back.
  let at = state[AT] - (state[BITS] >> 3);
  const to = state[TO];
  state[HOLD] = 0;
  state[BITS] = 0;
  state[AT] = at;
  if (end - at < 4) return INPUT_CUT;
  const length = B[at] | (B[at + 1] << 8);
  if ((length ^ 0xffff) !== (B[at + 2] | (B[at + 3] << 8))) return CORRUPT;
  at += 4;
  const have = end - at < length ? end - at : length;
  const copied = toEnd - to < have ? toEnd - to : have;
  B.copyWithin(to, at, at + copied);
  state[AT] = at + copied;
  state[TO] = to + copied;
  if (copied < have) return OUTPUT_FULL;
  return have < length ? (copied === toEnd - to ? OUTPUT_FULL : INPUT_CUT) : BLOCK_END;
}

/**
 * Decodes symbols of a block while none can reach past the input or the room, without counting bytes.
 * `window` is the first byte that a distance may reach back to.
 */
function decodeFast(
  end: number,
  toEnd: number,
  window: number,
  literals: number,
  literalBits: number,
  distances: number,
  distanceBits: number,
): number {
  let at = state[AT];
  let hold = state[HOLD];
  let n = state[BITS];
  let to = state[TO];
  const literalMask = (1 << literalBits) - 1;
  const distanceMask = (1 << distanceBits) - 1;
  const safeAt = end - MARGIN_IN;
  const safeTo = toEnd - MARGIN_OUT;
  let result = MARGIN;

  while (at <= safeAt && to <= safeTo) {
    hold |= V.getInt32(at, true) << n;
    at += (31 - n) >> 3;
    n |= 24;
    let e = T[literals + (hold & literalMask)];
    if (e < 0) {
      B[to++] = e >> 16;
      hold >>>= e & 31;
      n -= e & 31;
      e = T[literals + (hold & literalMask)];
      if (e < 0) {
        B[to++] = e >> 16;
        hold >>>= e & 31;
        n -= e & 31;
        if (n < LITERAL_ROOT) continue;
        e = T[literals + (hold & literalMask)];
        if (e < 0) {
          B[to++] = e >> 16;
          hold >>>= e & 31;
          n -= e & 31;
          continue;
        }
      }
      hold |= V.getInt32(at, true) << n;
      at += (31 - n) >> 3;
      n |= 24;
    }
    if (e & SPECIAL) {
      if (e & POINTER) {
        e = T[((e >> 16) & 0x7fff) + ((hold >>> literalBits) & ((1 << ((e >> 8) & 15)) - 1))];
        if (e < 0) {
          B[to++] = e >> 16;
          hold >>>= e & 31;
          n -= e & 31;
          continue;
        }
      }
      if (e & END_OF_BLOCK) {
        hold >>>= e & 31;
        n -= e & 31;
        result = BLOCK_END;
        break;
      }
      if (e & INVALID) {
        result = CORRUPT;
        break;
      }
    }
    hold >>>= e & 31;
    let extra = (e >> 8) & 15;
    let length = (e >> 16) + (hold & ((1 << extra) - 1));
    hold >>>= extra;
    n -= (e & 31) + extra;

    hold |= V.getInt32(at, true) << n;
    at += (31 - n) >> 3;
    n |= 24;
    e = T[distances + (hold & distanceMask)];
    if (e & POINTER) e = T[((e >> 16) & 0x7fff) + ((hold >>> distanceBits) & ((1 << ((e >> 8) & 15)) - 1))];
    if (e & INVALID) {
      result = CORRUPT;
      break;
    }
    hold >>>= e & 31;
    n -= e & 31;
    extra = (e >> 8) & 15;
    if (n < extra) {
      hold |= V.getInt32(at, true) << n;
      at += (31 - n) >> 3;
      n |= 24;
    }
    const distance = (e >> 16) + (hold & ((1 << extra) - 1));
    hold >>>= extra;
    n -= extra;
    let from = to - distance;
    if (from < window) {
      result = CORRUPT;
      break;
    }
    const stop = to + length;
    // By words, up to 7 bytes too far; the BigInt never leaves its register.
    if (distance >= 8) {
      do {
        V.setBigInt64(to, V.getBigInt64(from, true), true);
        to += 8;
        from += 8;
      } while (to < stop);
      to = stop;
    } else if (distance >= 4) {
      do {
        V.setInt32(to, V.getInt32(from, true), true);
        to += 4;
        from += 4;
      } while (to < stop);
      to = stop;
    } else if (distance === 1) {
      const run = B[from] * 0x01010101;
      do {
        V.setInt32(to, run, true);
        to += 4;
      } while (to < stop);
      to = stop;
    } else {
      do B[to++] = B[from++];
      while (--length > 0);
    }
  }
  state[AT] = at;
  state[HOLD] = hold;
  state[BITS] = n;
  state[TO] = to;
  return result;
}

/** Decodes symbols up to the end of the block, of the input or of the room, counting every bit and byte. */
function decodeCareful(
  end: number,
  toEnd: number,
  window: number,
  literals: number,
  literalBits: number,
  distances: number,
  distanceBits: number,
): number {
  let at = state[AT];
  let hold = state[HOLD];
  let n = state[BITS];
  let to = state[TO];
  let result = BLOCK_END;
  for (;;) {
    while (n < 20 && at < end) {
      hold |= B[at++] << n;
      n += 8;
    }
    let e = T[literals + (hold & ((1 << literalBits) - 1))];
    if (e >= 0 && e & POINTER) e = T[((e >> 16) & 0x7fff) + ((hold >>> literalBits) & ((1 << ((e >> 8) & 15)) - 1))];
    let used = e & 31;
    if (used > n) {
      result = INPUT_CUT;
      break;
    }
    if (e < 0) {
      if (to === toEnd) {
        result = OUTPUT_FULL;
        break;
      }
      B[to++] = e >> 16;
      hold >>>= used;
      n -= used;
      continue;
    }
    if (e & END_OF_BLOCK) {
      hold >>>= used;
      n -= used;
      break;
    }
    if (e & INVALID) {
      result = CORRUPT;
      break;
    }
    let extra = (e >> 8) & 15;
    if (used + extra > n) {
      result = INPUT_CUT;
      break;
    }
    hold >>>= used;
    let length = (e >> 16) + (hold & ((1 << extra) - 1));
    hold >>>= extra;
    n -= used + extra;

    while (n < 15 && at < end) {
      hold |= B[at++] << n;
      n += 8;
    }
    e = T[distances + (hold & ((1 << distanceBits) - 1))];
    if (e & POINTER) e = T[((e >> 16) & 0x7fff) + ((hold >>> distanceBits) & ((1 << ((e >> 8) & 15)) - 1))];
    used = e & 31;
    if (used > n) {
      result = INPUT_CUT;
      break;
    }
    if (e & INVALID) {
      result = CORRUPT;
      break;
    }
    hold >>>= used;
    n -= used;
    extra = (e >> 8) & 15;
    while (n < extra && at < end) {
      hold |= B[at++] << n;
      n += 8;
    }
    if (extra > n) {
      result = INPUT_CUT;
      break;
    }
    const distance = (e >> 16) + (hold & ((1 << extra) - 1));
    hold >>>= extra;
    n -= extra;
    let from = to - distance;
    if (from < window) {
      result = CORRUPT;
      break;
    }
    if (length > toEnd - to) {
      length = toEnd - to;
      result = OUTPUT_FULL;
    }
    for (const stop = to + length; to < stop; ) B[to++] = B[from++];
    if (result === OUTPUT_FULL) break;
  }
  state[AT] = at;
  state[HOLD] = hold;
  state[BITS] = n;
  state[TO] = to;
  return result;
}

/**
 * Decodes the blocks of one DEFLATE stream that starts at `state`; leaves `state[AT]` behind it. Its distances may reach back to
 * `window`.
 */
function inflateBlocks(end: number, toEnd: number, window: number = state[TO]): number {
  state[HOLD] = 0;
  state[BITS] = 0;
  for (;;) {
    let hold = state[HOLD];
    let n = state[BITS];
    if (n < 3) {
      const at = state[AT];
      if (at >= end) return n === 0 ? BETWEEN_BLOCKS : INPUT_CUT;
      hold |= B[at] << n;
      n += 8;
      state[AT] = at + 1;
    }
    const last = hold & 1;
    const type = (hold >>> 1) & 3;
    state[HOLD] = hold >>> 3;
    state[BITS] = n - 3;
    let result = BLOCK_END;
    if (type === 0) result = copyStored(end, toEnd);
    else if (type === 1) {
      result = decodeFast(end, toEnd, window, FIXED_LITERALS, 9, FIXED_DISTANCES, 5);
      if (result === MARGIN) result = decodeCareful(end, toEnd, window, FIXED_LITERALS, 9, FIXED_DISTANCES, 5);
    } else if (type === 2) {
      result = readCodes(end);
      if (result === BLOCK_END) result = decodeFast(end, toEnd, window, LITERALS, literalRoot, DISTANCES, distanceRoot);
      if (result === MARGIN) result = decodeCareful(end, toEnd, window, LITERALS, literalRoot, DISTANCES, distanceRoot);
    } else result = CORRUPT;
    if (result !== BLOCK_END) return result;
    if (last === 1) {
      state[AT] -= state[BITS] >> 3;
      return DONE;
    }
  }
}

/** Whether `[at, end)` starts as a gzip member does; two bytes are enough. */
export function looksGzip(at: number, end: number): boolean {
  return end - at >= 2 && B[at] === 0x1f && B[at + 1] === 0x8b;
}

/** Whether `[at, end)` starts with a zlib header (RFC 1950, 2.2). No raw stream does: its first block would be stored with bits set that are 0. */
export function looksZlib(at: number, end: number): boolean {
  return end - at >= 2 && (B[at] & 15) === 8 && B[at] >> 4 <= 7 && ((B[at] << 8) | B[at + 1]) % 31 === 0;
}

/** Steps over the header of a gzip member at `state[AT]`. */
function readGzipHeader(end: number): number {
  let at = state[AT];
  if ((at < end && B[at] !== 0x1f) || (at + 1 < end && B[at + 1] !== 0x8b) || (at + 2 < end && B[at + 2] !== 8)) return CORRUPT;
  if (at + 3 < end && B[at + 3] & 0xe0) return CORRUPT;
  if (end - at < 10) return INPUT_CUT;
  const flags = B[at + 3];
  at += 10;
  if (flags & 4) {
    if (end - at < 2) return INPUT_CUT;
    at += 2 + (B[at] | (B[at + 1] << 8));
  }
  for (let text = flags & 0x18; text !== 0; text &= text - 1) {
    while (at < end && B[at] !== 0) at++;
    at++;
  }
  if (flags & 2) at += 2;
  if (at > end) return INPUT_CUT;
  state[AT] = at;
  return DONE;
}

/** Decodes gzip members until something else follows. */
function inflateGzip(end: number, toEnd: number): number {
  for (;;) {
    let result = readGzipHeader(end);
    if (result === DONE) result = inflateBlocks(end, toEnd);
    if (result !== DONE) return result;
    if (end - state[AT] < 8) return INPUT_CUT;
    state[AT] += 8;
    if (!looksGzip(state[AT], end)) return DONE;
  }
}

/**
 * Decodes `[at, end)` into `[to, toEnd)` and gives the number of bytes written. `wrapper` is RAW, ZLIB, GZIP or
 * DEFLATE. How it ended is in `inflateStatus[0]`; the bytes written are good whatever it says.
 */
export function inflate(at: number, end: number, to: number, toEnd: number, wrapper: number): number {
  state[AT] = at;
  state[TO] = to;
  let kind = wrapper;
  if (kind === DEFLATE) kind = looksZlib(at, end) ? ZLIB : looksGzip(at, end) ? GZIP : RAW;
  let result = DONE;
  if (kind === GZIP) result = inflateGzip(end, toEnd);
  else if (kind === ZLIB) {
    if (end - at < 2) result = INPUT_CUT;
    else if (!looksZlib(at, end) || B[at + 1] & 0x20) result = CORRUPT;
    else {
      state[AT] = at + 2;
      result = inflateBlocks(end, toEnd);
      if (result === DONE && end - state[AT] < 4) result = INPUT_CUT;
    }
  } else result = inflateBlocks(end, toEnd);
  status[0] = result === BETWEEN_BLOCKS ? INPUT_CUT : result;
  return state[TO] - to;
}

/**
 * Decodes `[at, end)`, blocks without a wrapper, into `[to, toEnd)`, as what follows on `[window, to)`, and gives the number of
 * bytes written. What stands behind a last block goes on as another one. `inflateStatus[0]` may be BETWEEN_BLOCKS.
 */
export function inflateOnto(at: number, end: number, window: number, to: number, toEnd: number): number {
  state[AT] = at;
  state[TO] = to;
  let result: number;
  do result = inflateBlocks(end, toEnd, window);
  while (result === DONE && state[AT] < end);
  status[0] = result;
  return state[TO] - to;
}
