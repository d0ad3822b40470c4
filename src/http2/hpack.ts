/**
 * HPACK (RFC 7541): a header block becomes a list of fields.
 *
 *   1iiiiiii                                 field i of the tables
 *   01iiiiii [name] value                    literal, inserted into the table; i names its name, 0: the name follows
 *   001sssss                                 size of the table, only before the first field
 *   000niiii [name] value                    literal, not inserted (n: nor by anyone who passes it on)
 *
 *   number   the low bits of the first byte; all ones: then 7 bits a byte, the lowest first, while its top bit is set
 *   string   hlllllll bytes                  h: they are in the Huffman code
 *
 * Index 1 to 61 is the static table, 62 and on the dynamic one. What an index beyond the known entries means is unknown
 * when the table was joined late; else it is an error.
 *
 * Bounds: DECODED_BYTES_MAX and FIELDS_MAX (field-list.ts), numbers of 32 bits. Time is linear in the bytes of the block and
 * of what it stands for. After an error the table is poisoned: what follows is unknown until it is inserted again.
 * Deliberately left out: the n bit, the characters of names, the order of pseudo-header fields. Those are HTTP/2's own.
 */
import { bytes } from '../base/arena.ts';
import { DECODED_BYTES_MAX, FIELDS_MAX, fieldCount, fieldList, SCRATCH_END, scratchTop, startFields } from './field-list.ts';
import type { HeaderTable } from './header-table.ts';
import { BAD_INDEX, BAD_INTEGER, BAD_TABLE_SIZE, TOO_MANY_BYTES, TOO_MANY_FIELDS, TRUNCATED } from './hpack-error.ts';
import { decodeHuffman } from './huffman.ts';
import { STATIC_LAST, staticFields } from './static-table.ts';

const B = bytes;
const F = fieldList;
const S = staticFields;
const TOP = scratchTop;
const LAST = STATIC_LAST;
const BYTES_MAX = DECODED_BYTES_MAX;
const FIELD_WORDS = FIELDS_MAX << 2;
const TO_END = SCRATCH_END;
const INT_MAX = 0x7fffffff;

/** Where the number that was read last ends. */
let after = 0;
/** The string that was read last. */
let stringAt = 0;
let stringEnd = 0;

/**
 * Decodes the header block in `[at, end)`. Returns the number of fields, which stand in `fieldList` until the next
 * call, or an error (hpack-error.ts); the fields before the error stand there, too (`fieldCount`).
 */
export function decodeFields(table: HeaderTable, at: number, end: number): number {
  startFields();
  const result = decode(table, at, end);
  if (result < 0) table.poison();
  return result;
}

function decode(table: HeaderTable, at: number, end: number): number {
  let p = at;
  let f = 0;
  let left = BYTES_MAX;
  fieldCount[0] = 0;
  while (p < end) {
    const first = B[p++];
    const isInserted = (first & 0xc0) === 0x40;
    if (first >= 0x80) {
      let index = first & 0x7f;
      if (index === 0x7f) {
        index = readNumber(p, end, 0x7f);
        if (index < 0) return index;
        p = after;
      }
      if (f === FIELD_WORDS) return TOO_MANY_FIELDS;
      if (index <= LAST) {
        if (index === 0) return BAD_INDEX;
        const s = index << 2;
        F[f] = S[s];
        F[f + 1] = S[s + 1];
        F[f + 2] = S[s + 2];
        F[f + 3] = S[s + 3];
      } else {
        const entry = table.entry(index - LAST - 1);
        if (entry === 0) {
          if (!table.isLate) return BAD_INDEX;
          F[f] = -1;
          F[f + 1] = -1;
          F[f + 2] = -1;
          F[f + 3] = -1;
        } else {
          const start = table.start(entry);
          const nameBytes = table.nameBytes(entry);
          const valueAt = nameBytes < 0 ? start : start + nameBytes;
          F[f] = nameBytes < 0 ? -1 : start;
          F[f + 1] = nameBytes < 0 ? -1 : valueAt;
          F[f + 2] = valueAt;
          F[f + 3] = valueAt + table.valueBytes(entry);
        }
      }
    } else if (first >= 0x20 && first < 0x40) {
      const size = (first & 0x1f) === 0x1f ? readNumber(p, end, 0x1f) : first & 0x1f;
      if (size < 0) return size;
      if ((first & 0x1f) === 0x1f) p = after;
      if (f > 0 || !table.setSize(size)) return BAD_TABLE_SIZE;
      continue;
    } else {
      const most = isInserted ? 0x3f : 0x0f;
      let index = first & most;
      if (index === most) {
        index = readNumber(p, end, most);
        if (index < 0) return index;
        p = after;
      }
      if (f === FIELD_WORDS) return TOO_MANY_FIELDS;
      if (index === 0) {
        p = readString(p, end);
        if (p < 0) return p;
        F[f] = stringAt;
        F[f + 1] = stringEnd;
      } else if (index <= LAST) {
        F[f] = S[index << 2];
        F[f + 1] = S[(index << 2) + 1];
      } else {
        const entry = table.entry(index - LAST - 1);
        if (entry === 0 && !table.isLate) return BAD_INDEX;
        const nameBytes = entry === 0 ? -1 : table.nameBytes(entry);
        const start = nameBytes < 0 ? -1 : table.start(entry);
        F[f] = start;
        F[f + 1] = nameBytes < 0 ? -1 : start + nameBytes;
      }
      p = readString(p, end);
      if (p < 0) return p;
      F[f + 2] = stringAt;
      F[f + 3] = stringEnd;
    }
    left -= F[f + 1] - F[f] + F[f + 3] - F[f + 2];
    if (left < 0) return TOO_MANY_BYTES;
    if (isInserted) table.insert(f >> 2);
    f += 4;
    fieldCount[0] = f >> 2;
  }
  return f >> 2;
}

/** The rest of a number whose first byte was all ones (`most`), at `at` (5.1). Beyond 31 bits it is INT_MAX, beyond 32 an error. */
function readNumber(at: number, end: number, most: number): number {
  let number = most;
  for (let p = at, scale = 1; ; p++, scale *= 128) {
    if (p >= end) return TRUNCATED;
    const byte = B[p];
    // The fifth byte has the last four of 32 bits.
    if (p === at + 4 && byte > 0x0f) return BAD_INTEGER;
    number += (byte & 0x7f) * scale;
    if (byte >= 0x80) continue;
    after = p + 1;
    return number > INT_MAX ? INT_MAX : number;
  }
}

/** Reads the string at `at` (5.2); returns the offset after it, or an error. */
function readString(at: number, end: number): number {
  if (at >= end) return TRUNCATED;
  const first = B[at];
  let p = at + 1;
  let length = first & 0x7f;
  if (length === 0x7f) {
    length = readNumber(p, end, 0x7f);
    if (length < 0) return length;
    p = after;
  }
  if (length > end - p) return TRUNCATED;
  if (first < 0x80) {
    stringAt = p;
    stringEnd = p + length;
  } else {
    const to = TOP[0];
    const toEnd = decodeHuffman(p, p + length, to, TO_END);
    if (toEnd < 0) return toEnd;
    stringAt = to;
    stringEnd = toEnd;
    TOP[0] = toEnd;
  }
  return p + length;
}
