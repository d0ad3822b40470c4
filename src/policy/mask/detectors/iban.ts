/**
 * IBAN (ISO 13616): country, two check digits, account. The length and the kinds of characters come from the registry of
 * SWIFT; the check is the remainder of 97 (ISO/IEC 7064). Together, fewer than one in a million random words passes.
 *
 *   DE89370400440532013000     DE89 3704 0044 0532 0130 00     de89-3704-...
 */
import { bytes } from '../../../base/arena.ts';
import { classes, DIGIT, looked, WORD } from './classes.ts';

const B = bytes;
const K = classes;
const L = looked;
const BLANK = 32;
const HYPHEN = 45;

// Behind the check digits: n digits, a letters, c either.
const registry =
  'AD8n12c AE19n AL8n16c AT16n AZ4a20c BA16n BE12n BG4a6n8c BH4a14c BI23n BR23n1a1c BY4c4n16c CH5n12c CR18n CY8n16c CZ20n DE18n ' +
  'DJ23n DK14n DO4c20n EE16n EG25n ES20n FI14n FK2a12n FO14n FR10n11c2n GB4a14n GE2a16n GI4a15c GL14n GR7n16c GT24c HN4a20n HR17n HU24n ' +
  'IE4a14n IL19n IQ4a15n IS22n IT1a10n12c JO4a4n18c KW4a22c KZ3n13c LB4n20c LC4a24c LI5n12c LT16n LU3n13c LV4a13c LY21n MC10n11c2n ' +
  'MD20c ME18n MK3n10c2n MN16n MR23n MT4a5n18c MU4a19n3a NI4a20n NL4a10n NO11n OM3n16c PK4a16c PL24n PS4a21c PT21n QA4a21c RO4a16c ' +
  'RS18n RU14n15c SA2n18c SC4a20n3a SD14n SE20n SI15n SK20n SM1a10n12c SO19n ST21n SV4a20n TL19n TN20n TR6n16c UA6n19c VA18n VG4a16n ' +
  'XK16n YE4a4n18c';

/** By (first letter * 26 + second letter): the length of the whole, and where its kinds begin in `kinds`. */
export const ibanLengths: Uint8Array = new Uint8Array(26 * 26);
const starts = new Int32Array(26 * 26);
const list: number[] = [];
for (const entry of registry.split(' ')) {
  const country = (entry.charCodeAt(0) - 65) * 26 + entry.charCodeAt(1) - 65;
  starts[country] = list.length;
  for (const [, n, kind] of entry.slice(2).matchAll(/(\d+)([nac])/g))
    for (let i = 0; i < Number(n); i++) list.push(kind === 'n' ? DIGIT : kind === 'a' ? WORD & ~DIGIT : WORD);
  ibanLengths[country] = 4 + list.length - starts[country];
}
const kinds = Uint8Array.from(list);
const T = ibanLengths;
const A = starts;
const C = kinds;

/** A word [s, p) that begins with two letters and two digits: the end of the IBAN, or 0. */
export function iban(s: number, p: number, end: number): number {
  const country = ((B[s] & 0xdf) - 65) * 26 + (B[s + 1] & 0xdf) - 65;
  const n = T[country];
  if (n === 0 || (K[B[s + 2]] & K[B[s + 3]] & DIGIT) === 0) return 0;
  const separator = p - s === n ? 0 : p - s === 4 && p < end ? B[p] : -1;
  if (separator !== 0 && separator !== BLANK && separator !== HYPHEN) return 0;
  const kindsAt = A[country];
  let q = s + 4;
  let rest = 0;
  for (let i = 4; i < n; i++) {
    if (separator !== 0 && (i & 3) === 0 && q < end) {
      if (B[q] !== separator) break;
      q++;
    }
    const c = q < end ? B[q] : 0;
    if ((K[c] & C[kindsAt + i - 4]) === 0) {
      L[0] += q - s;
      return 0;
    }
    rest = add(rest, c);
    q++;
  }
  L[0] += q - s;
  if (q - s < n || (q < end && (K[B[q]] & WORD) !== 0)) return 0;
  for (let i = s; i < s + 4; i++) rest = add(rest, B[i]);
  return rest === 1 ? q : 0;
}

/** The remainder of 97 with one more character: a letter is two digits, A = 10. */
function add(rest: number, c: number): number {
  return (K[c] & DIGIT) !== 0 ? (rest * 10 + c - 48) % 97 : (rest * 100 + ((c & 0xdf) - 55)) % 97;
}
