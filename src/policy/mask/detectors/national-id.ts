/**
 * Numbers that states give to people, where they are digits alone. What stands bare, without separators, must have a date
 * or check digits so strong that fewer than 1 in 300 numbers of that length pass; the others count only as they are written.
 *
 *   US  SSN, ITIN          078-05-1120            BE  Rijksregister        85.07.30-033.28, bare
 *   DE  Steuer-ID          12 345 678 901, bare   BR  CPF                  123.456.789-09
 *   FR  NIR                1 84 12 76 451 089 46  BR  CNPJ                 11.222.333/0001-81, bare with branch 0001
 *   PL  PESEL              bare                   IN  Aadhaar              2345 6789 0124
 *   SE  personnummer       811228-9874, 12 bare   CN  resident id          bare
 *   DK  CPR                010180-1234            AU  TFN                  123 456 782
 *   NO  fødselsnummer      010180 12345, bare     CA  SIN                  046 454 286
 *   NL  BSN                1112.22.333            CH  AHV                  756.1234.5678.97
 *   KR  RRN                800101-1234567         ZA  id                   bare
 *
 * Left out: numbers whose bare form is any number of that length (SSN, BSN, CPF, Aadhaar, TFN, SIN); those are found by
 * the names that they stand under. PESEL, and the Swedish number with 12 digits, are found bare for births up to 2012; a
 * Steuer-ID in which a digit stands three times (given out since 2016), and a Belgian number without a date, only in groups.
 */
import { bytes } from '../../../base/arena.ts';
import { classes, DIGIT } from './classes.ts';
import { digits, luhn, numberOf, separators, verhoeff, weighed } from './digits.ts';

const D = digits;
const S = separators;
const B = bytes;
const K = classes;
const BLANK = 32;
const HYPHEN = 45;
const DOT = 46;
const SLASH = 47;
/** Nobody in use of an API was born before, or after (as far as bare numbers go). */
const BIRTH_YEAR_MIN = 1925;
const BIRTH_YEAR_MAX = 2012;

function isDay(day: number, month: number): boolean {
  return (
    month >= 1 && month <= 12 && day >= 1 && day <= (month === 2 ? 29 : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31)
  );
}

/** Whether the first n digits, which stand alone, are a number of a person. */
export function isBareId(n: number): boolean {
  switch (n) {
    case 11:
      return isSteuerId(2) || isPesel() || (isBirth() && isRijksregister()) || isFodselsnummer();
    case 12:
      return isPersonnummer(2) && numberOf(0, 4) >= BIRTH_YEAR_MIN && numberOf(0, 4) <= BIRTH_YEAR_MAX;
    case 13:
      return isZaId();
    case 14:
      return numberOf(8, 4) === 1 && isCnpj();
    case 15:
      return isNir();
    case 18:
      return isResidentId(D[17]);
    default:
      return false;
  }
}

/** Whether groups 0 to i, with the sizes in `layout`, are such a number as people write it. */
export function isGroupedId(i: number, layout: number): boolean {
  const a = S[0];
  const b = i > 1 ? S[1] : 0;
  // It must not go on in the same way.
  if (S[i] !== 0 && S[i] === S[i - 1]) return false;
  switch (layout) {
    case 0x324:
      return a === HYPHEN && b === HYPHEN && isSsn();
    case 0x64:
      return a === HYPHEN && (isPersonnummer(0) || isCpr());
    case 0x84:
      return a === HYPHEN && isPersonnummer(2);
    case 0x65:
      return (a === BLANK || a === HYPHEN) && isFodselsnummer();
    case 0x67:
      return a === HYPHEN && isRrn();
    case 0x423:
      return a === DOT && b === DOT && isBsn();
    case 0x333:
      return a === b && ((a === BLANK && isTfn()) || ((a === BLANK || a === HYPHEN) && isSin()));
    case 0x444:
      return a === b && (a === BLANK || a === HYPHEN) && D[0] >= 2 && verhoeff(0, 12);
    case 0x3332:
      return a === DOT && b === DOT && S[2] === HYPHEN && isCpf();
    case 0x23342:
      return a === DOT && b === DOT && S[2] === SLASH && S[3] === HYPHEN && isCnpj();
    case 0x2333:
      return a === BLANK && b === BLANK && S[2] === BLANK && isSteuerId(3);
    case 0x22232:
      return a === DOT && b === DOT && S[2] === HYPHEN && S[3] === DOT && isRijksregister();
    case 0x3442:
      return a === DOT && b === DOT && S[2] === DOT && isAhv();
    case 0x1222332:
      return a === BLANK && b === BLANK && S[2] === BLANK && S[3] === BLANK && S[4] === BLANK && S[5] === BLANK && isNir();
    case 0xd2:
      return a === BLANK && isNir();
    default:
      return false;
  }
}

function isSsn(): boolean {
  const area = numberOf(0, 3);
  const group = numberOf(3, 2);
  if (area === 0 || area === 666 || group === 0 || numberOf(5, 4) === 0) return false;
  return area < 900 || (group >= 50 && group <= 99 && group !== 66 && group !== 89 && group !== 93);
}

function isSteuerId(timesMax: number): boolean {
  if (D[0] === 0) return false;
  // Of the first ten digits one stands there twice or three times, all others at most once.
  let once = 0;
  let repeated = -1;
  let times = 1;
  let product = 10;
  for (let i = 0; i < 10; i++) {
    const bit = 1 << D[i];
    if ((once & bit) !== 0) {
      if (repeated !== -1 && repeated !== D[i]) return false;
      repeated = D[i];
      times++;
    }
    once |= bit;
    const sum = (D[i] + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return repeated !== -1 && times <= timesMax && (11 - product) % 10 === D[10];
}

const PESEL = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1];

function isPesel(): boolean {
  const month = numberOf(2, 2);
  const year = numberOf(0, 2) + (month > 20 ? 2000 : 1900);
  if (year < BIRTH_YEAR_MIN || year > BIRTH_YEAR_MAX) return false;
  return isDay(numberOf(4, 2), month > 20 ? month - 20 : month) && weighed(0, PESEL) % 10 === 0;
}

/** Year, month and day of somebody who may be alive, the century left open. */
function isBirth(): boolean {
  return isDay(numberOf(4, 2), numberOf(2, 2));
}

function isRijksregister(): boolean {
  const month = numberOf(2, 2);
  if (month > 52 || month % 20 > 12 || numberOf(4, 2) > 31 || numberOf(6, 3) === 0) return false;
  const key = numberOf(9, 2);
  const nine = numberOf(0, 9);
  return 97 - (nine % 97) === key || 97 - ((2_000_000_000 + nine) % 97) === key;
}

const NORWAY_1 = [3, 7, 6, 1, 8, 9, 4, 5, 2, 1];
const NORWAY_2 = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1];

function isFodselsnummer(): boolean {
  const day = numberOf(0, 2);
  const month = numberOf(2, 2);
  // A D-number adds 40 to the day, a test number 40 or 80 to the month.
  return isDay(day > 40 ? day - 40 : day, month % 40) && weighed(0, NORWAY_1) % 11 === 0 && weighed(0, NORWAY_2) % 11 === 0;
}

/** Ten digits from the i-th; a coordination number adds 60 to the day. */
function isPersonnummer(i: number): boolean {
  const day = numberOf(i + 4, 2);
  if (i === 2 && (numberOf(0, 4) < 1880 || numberOf(0, 4) > 2100)) return false;
  return isDay(day > 60 ? day - 60 : day, numberOf(i + 2, 2)) && luhn(i, 10);
}

const CPR = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1];

function isCpr(): boolean {
  const day = numberOf(0, 2);
  const month = numberOf(2, 2);
  // Births on 1 January are so many that numbers without a valid check digit were given out.
  return isDay(day, month) && (weighed(0, CPR) % 11 === 0 || (day === 1 && month === 1));
}

function isRrn(): boolean {
  return isDay(numberOf(4, 2), numberOf(2, 2)) && D[6] >= 1 && D[6] <= 8;
}

function isBsn(): boolean {
  return numberOf(0, 9) !== 0 && (weighed(0, [9, 8, 7, 6, 5, 4, 3, 2]) - D[8]) % 11 === 0;
}

const TFN = [1, 4, 3, 7, 5, 8, 6, 9, 10];

function isTfn(): boolean {
  return numberOf(0, 9) !== 0 && weighed(0, TFN) % 11 === 0;
}

function isSin(): boolean {
  return D[0] !== 8 && numberOf(0, 9) !== 0 && luhn(0, 9);
}

const CPF_1 = [10, 9, 8, 7, 6, 5, 4, 3, 2];
const CPF_2 = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2];

function isCpf(): boolean {
  if (numberOf(0, 9) === D[0] * 111_111_111) return false;
  return ((weighed(0, CPF_1) * 10) % 11) % 10 === D[9] && ((weighed(0, CPF_2) * 10) % 11) % 10 === D[10];
}

const CNPJ_1 = [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
const CNPJ_2 = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];

function isCnpj(): boolean {
  if (numberOf(0, 8) === 0) return false;
  return ((weighed(0, CNPJ_1) * 10) % 11) % 10 === D[12] && ((weighed(0, CNPJ_2) * 10) % 11) % 10 === D[13];
}

const AHV = [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1];

function isAhv(): boolean {
  return numberOf(0, 3) === 756 && weighed(0, AHV) % 10 === 0;
}

/** INSEE: thirteen digits and the key. The collected digits of a Corsican hold 19 for 2A and 18 for 2B. */
export function isNir(): boolean {
  const month = numberOf(3, 2);
  if ((D[0] !== 1 && D[0] !== 2 && D[0] !== 7 && D[0] !== 8) || month === 0 || (month > 12 && month < 20) || month > 42) return false;
  return 97 - (numberOf(0, 13) % 97) === numberOf(13, 2);
}

function isZaId(): boolean {
  return isDay(numberOf(4, 2), numberOf(2, 2)) && D[10] <= 2 && (D[11] === 8 || D[11] === 9) && luhn(0, 13);
}

const CHINA = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** GB 11643: seventeen digits and a check digit, where 10 is X. */
export function isResidentId(check: number): boolean {
  const year = numberOf(6, 4);
  if (D[0] === 0 || D[0] === 9 || year < 1900 || year > 2100 || !isDay(numberOf(12, 2), numberOf(10, 2))) return false;
  return (12 - (weighed(0, CHINA) % 11)) % 11 === check;
}

/** Six digits, the sign of the century, three digits: FI, of which the check letter remains. */
export function finnishRest(s: number): number {
  for (let i = 0; i < 3; i++) if ((K[B[s + 7 + i]] & DIGIT) === 0) return -1;
  const day = numberOf(0, 2);
  if (!isDay(day, numberOf(2, 2))) return -1;
  return (numberOf(0, 6) * 1000 + (B[s + 7] - 48) * 100 + (B[s + 8] - 48) * 10 + B[s + 9] - 48) % 31;
}
