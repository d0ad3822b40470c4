/**
 * Telephone numbers as people write them. A bare run of digits is none: it may as well be an order.
 *
 *   +49 30 1234567     +1 (555) 123-4567     0044 20 7946 0958        E.164: + or 00, country code, subscriber
 *   (555) 123-4567     555-123-4567          1-800-555-0199           North America
 *   06 12 34 56 78     020 7946 0958         0171/1234567             national, with the trunk 0
 *   138 1234 5678                                                     China, mobile
 *
 * With 00 the number must be in groups: zeros also fill up numbers. Extensions are left standing.
 * Bound: PHONE_BYTES_MAX bytes.
 */
import { bytes } from '../../../base/arena.ts';
import { classes, DIGIT, looked, WORD } from './classes.ts';
import { digits, digitsUpTo, groupEnds, separators } from './digits.ts';

const B = bytes;
const K = classes;
const L = looked;
const D = digits;
const N = digitsUpTo;
const E = groupEnds;
const S = separators;
const BLANK = 32;
const OPEN = 40;
const CLOSE = 41;
const HYPHEN = 45;
const DOT = 46;
const SLASH = 47;
const PHONE_BYTES_MAX = 32;

/** Fewest and most digits behind a country code, at 2 * code; 0 where a code is not in use (ITU-T E.164, annex). */
const lengths = new Uint8Array(2000);

for (const [codes, least, most] of [
  ['1 7', 10, 10],
  ['20 27 30 31 32 34 36 40 41 45 47 48 51 53 54 55 56 57 58 60 61 62 63 64 65 66', 7, 11],
  ['33 34 48', 9, 9],
  ['45 47', 8, 8],
  ['31 32 41 61', 8, 9],
  ['39 43 49', 5, 12],
  ['44', 9, 10],
  ['46', 7, 10],
  ['52', 10, 11],
  ['81 82 84 86 90 91 92 93 94 95 98', 7, 11],
  ['91', 10, 10],
  ['211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243', 6, 11],
  ['244 245 246 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299', 5, 10],
  ['350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387 389', 6, 11],
  ['420 421 423', 7, 9],
  ['500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599', 5, 11],
  ['670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692', 5, 10],
  ['800 808 850 852 853 855 856 870 878 880 881 882 883 886 888', 6, 12],
  ['960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 995 996 998', 6, 10],
] as const)
  for (const code of codes.split(' ')) {
    lengths[2 * Number(code)] = least;
    lengths[2 * Number(code) + 1] = most;
  }

const ends = new Int32Array(20);

/** A number in international form whose + stands at p, or whose digits behind 00 begin at p; its end, or 0. */
export function internationalPhone(p: number, end: number, isGrouped: boolean): number {
  const stop = end < p + PHONE_BYTES_MAX ? end : p + PHONE_BYTES_MAX;
  let q = B[p] === 43 ? p + 1 : p;
  let n = 0;
  let code = 0;
  let codeDigits = 0;
  let gap = 0;
  let groups = 0;
  for (; q < stop && n < 17; q++) {
    const c = B[q];
    const k = K[c];
    if ((k & DIGIT) !== 0) {
      if (gap > 0 && n > 0) groups++;
      gap = 0;
      ends[n++] = 0;
      if (codeDigits === 0) {
        code = code * 10 + c - 48;
        if (code === 0 || n > 3) break;
        if (lengths[2 * code] !== 0) codeDigits = n;
      }
      if (q + 1 >= end || (K[B[q + 1]] & WORD) === 0) ends[n - 1] = q + 1;
    } else if (c === BLANK || c === HYPHEN || c === DOT || c === OPEN || c === CLOSE || c === SLASH) {
      // At most ") " or " (" between two digits.
      if (++gap > 2 || (n === 0 && c !== OPEN)) break;
    } else break;
  }
  L[0] += q - p;
  if (codeDigits === 0 || (isGrouped && groups === 0)) return 0;
  const least = codeDigits + lengths[2 * code];
  const most = codeDigits + lengths[2 * code + 1];
  // A trunk 0 in brackets, +44 (0)20, makes it one longer.
  for (let i = Math.min(n, most + 1, 16); i >= least; i--) {
    if (ends[i - 1] === 0 || (i > most && !hasTrunk(p, q))) continue;
    return ends[i - 1];
  }
  return 0;
}

function hasTrunk(p: number, q: number): boolean {
  for (let i = p; i + 2 < q; i++) if (B[i] === OPEN && B[i + 1] === 48 && B[i + 2] === CLOSE) return true;
  return false;
}

/** "(555) 123-4567", "(020) 7946 0958": the bracket stands at p; its end, or 0. */
export function bracketedPhone(p: number, end: number): number {
  const stop = end < p + PHONE_BYTES_MAX ? end : p + PHONE_BYTES_MAX;
  let q = p + 1;
  while (q < stop && (K[B[q]] & DIGIT) !== 0) q++;
  const area = q - p - 1;
  if (area < 2 || area > 5 || q >= stop || B[q] !== CLOSE) return 0;
  q++;
  if (q < stop && (B[q] === BLANK || B[q] === HYPHEN)) q++;
  let layout = 0;
  let total = 0;
  let endAt = 0;
  for (let groups = 0; groups < 4; groups++) {
    const from = q;
    while (q < stop && (K[B[q]] & DIGIT) !== 0) q++;
    if (q === from || q - from > 8 || (q < end && (K[B[q]] & WORD) !== 0)) break;
    layout = (layout << 4) | (q - from);
    total += q - from;
    endAt = q;
    if (q + 1 >= stop || (B[q] !== BLANK && B[q] !== HYPHEN && B[q] !== DOT)) break;
    q++;
  }
  L[0] += q - p;
  if (endAt === 0) return 0;
  const first = B[p + 1];
  if (first === 48) return area + total >= 9 && area + total <= 12 ? endAt : 0;
  if (area === 3) return first >= 50 && (layout === 0x34 || layout === 0x7) ? endAt : 0;
  return area === 2 && first >= 49 && (layout === 0x54 || layout === 0x44) ? endAt : 0;
}

/** Whether groups 0 to i, with the sizes in `layout`, are a national number. */
export function isNationalPhone(i: number, layout: number): boolean {
  const separator = S[0];
  for (let j = 1; j < i; j++) if (S[j] !== separator) return false;
  if (S[i] === separator) return false;
  if (D[0] === 0) {
    if (D[1] === 0) return false;
    switch (layout) {
      case 0x22222:
        return separator !== SLASH;
      case 0x344:
      case 0x434:
      case 0x433:
      case 0x244:
      case 0x334:
      case 0x343:
      case 0x533:
      case 0x3322:
      case 0x4322:
      case 0x2332:
      case 0x3222:
        return separator === BLANK || separator === HYPHEN;
      case 0x56:
      case 0x55:
      case 0x65:
      case 0x28:
      case 0x37:
      case 0x38:
      case 0x46:
      case 0x47:
      case 0x48:
        return separator === BLANK || separator === SLASH || (layout === 0x28 && separator === HYPHEN && D[1] === 6);
      case 0x36:
        return separator === SLASH;
      default:
        return false;
    }
  }
  if (layout === 0x334) return D[0] >= 2 && separator !== SLASH && (separator === HYPHEN || D[3] >= 2);
  if (layout === 0x1334) return D[0] === 1 && D[1] >= 2 && separator !== SLASH;
  return layout === 0x344 && D[0] === 1 && D[1] >= 3 && (separator === BLANK || separator === HYPHEN);
}

/** Whether the groups begin with 00 and go on as an international number; its end, or 0. */
export function zeroPhone(s: number, n: number, end: number): number {
  if (n < 2 || D[0] !== 0 || D[1] !== 0 || N[n - 1] < 9 || E[0] - s < 2) return 0;
  const isApart = E[0] - s === 2;
  return internationalPhone(isApart ? s + 3 : s + 2, end, !isApart);
}
