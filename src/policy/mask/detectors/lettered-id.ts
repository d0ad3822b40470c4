/**
 * Numbers that states give to people, with letters in them.
 *
 *   UK  NINO             QQ123456C, QQ 12 34 56 C      SG  NRIC, FIN         S1234567D
 *   ES  DNI, NIE         12345678Z, X-1234567-L        FI  henkilötunnus     131052-308T, 010180A123X
 *   IT  codice fiscale   RSSMRA85T10A562S              FR  NIR of Corsica    2840976 2A... (15, bare)
 *   IN  PAN              ABCPE1234F                    CN  resident id       11010519491231002X
 *   MX  CURP             BOXW310820HNERXN09
 *
 * Letters are upper case, but for the long ones (codice fiscale, CURP, resident id), which are also found in lower case.
 */
import { bytes } from '../../../base/arena.ts';
import { classes, DIGIT, LOWER, UPPER, WORD } from './classes.ts';
import { collectOne, digits } from './digits.ts';
import { finnishRest, isNir, isResidentId } from './national-id.ts';

const B = bytes;
const K = classes;
const D = digits;
const BLANK = 32;
const PLUS = 43;
const HYPHEN = 45;
const DNI_LETTERS = Buffer.from('TRWAGMYFPDXBNJZSQVHLCKE', 'latin1');
const FINNISH_LETTERS = Buffer.from('0123456789ABCDEFHJKLMNPRSTUVWXY', 'latin1');
const NRIC_ST = Buffer.from('JZIHGFEDCBA', 'latin1');
const NRIC_FG = Buffer.from('XWUTRQPNMLK', 'latin1');
const NRIC_M = Buffer.from('XWUTRQPNJLK', 'latin1');
const NRIC_WEIGHTS = [2, 7, 6, 5, 4, 3, 2];

function areDigits(s: number, n: number): boolean {
  for (let i = s; i < s + n; i++) if ((K[B[i]] & DIGIT) === 0) return false;
  return true;
}

function areUpper(s: number, n: number): boolean {
  for (let i = s; i < s + n; i++) if ((K[B[i]] & UPPER) === 0) return false;
  return true;
}

function numberAt(s: number, n: number): number {
  let x = 0;
  for (let i = s; i < s + n; i++) x = x * 10 + B[i] - 48;
  return x;
}

/** A word of letters and digits, [s, p): its end if it is such a number, else 0. */
export function letteredId(s: number, p: number, end: number): number {
  switch (p - s) {
    case 8:
      // X1234567-L
      return isNie(s) && p + 1 < end && B[p] === HYPHEN && isAlone(p + 1, end) && isDniLetter(s, B[p + 1]) ? p + 2 : 0;
    case 9:
      return isNino(s) || isDni(s) || (isNie(s) && isDniLetter(s, B[s + 8])) || isNric(s) ? p : 0;
    case 10:
      return areUpper(s, 5) && areDigits(s + 5, 4) && areUpper(s + 9, 1) && isPanKind(B[s + 3]) ? p : 0;
    case 11:
      return isFinnish(s) ? p : 0;
    case 15:
      return isCorsican(s) ? p : 0;
    case 16:
      return isCodiceFiscale(s) ? p : 0;
    case 18:
      return isChinese(s) || isCurp(s) ? p : 0;
    default:
      return 0;
  }
}

/** Digits [s, p) that go on with a sign and letters: "12345678-Z", "131052-308T"; the end, or 0. */
export function signedId(s: number, p: number, end: number): number {
  const n = p - s;
  if (n === 8 && p + 1 < end && B[p] === HYPHEN && isAlone(p + 1, end)) return B[p + 1] === DNI_LETTERS[numberAt(s, 8) % 23] ? p + 2 : 0;
  if (n !== 6 || p + 4 >= end || (B[p] !== HYPHEN && B[p] !== PLUS) || (p + 5 < end && (K[B[p + 5]] & WORD) !== 0)) return 0;
  collectOne(s, p);
  const rest = finnishRest(s);
  return rest >= 0 && B[p + 4] === FINNISH_LETTERS[rest] ? p + 5 : 0;
}

/** "QQ 12 34 56 C" and "X 1234567 L" with hyphens: letters [s, p) and then groups; the end, or 0. */
export function spacedId(s: number, p: number, end: number): number {
  if (p - s === 2 && p + 11 <= end && B[p] === BLANK && B[p + 3] === BLANK && B[p + 6] === BLANK && B[p + 9] === BLANK) {
    if (!areDigits(p + 1, 2) || !areDigits(p + 4, 2) || !areDigits(p + 7, 2) || !isAlone(p + 10, end)) return 0;
    return isNinoPrefix(B[s], B[s + 1]) && isNinoSuffix(B[p + 10]) ? p + 11 : 0;
  }
  if (p - s !== 1 || p + 10 > end || B[p] !== HYPHEN || B[p + 8] !== HYPHEN || !areDigits(p + 1, 7) || !isAlone(p + 9, end)) return 0;
  const first = B[s] - 88;
  return first >= 0 && first <= 2 && B[p + 9] === DNI_LETTERS[(first * 10_000_000 + numberAt(p + 1, 7)) % 23] ? p + 10 : 0;
}

/** One upper-case letter at p, and no more. */
function isAlone(p: number, end: number): boolean {
  return (K[B[p]] & UPPER) !== 0 && (p + 1 >= end || (K[B[p + 1]] & WORD) === 0);
}

function isNino(s: number): boolean {
  return areUpper(s, 2) && areDigits(s + 2, 6) && isNinoSuffix(B[s + 8]) && isNinoPrefix(B[s], B[s + 1]);
}

function isNinoSuffix(c: number): boolean {
  return c >= 65 && c <= 68;
}

/** Neither letter is D, F, I, U or V (nor Q, but examples have QQ), the second not O; and not BG, GB, KN, NK, NT, TN, ZZ. */
function isNinoPrefix(a: number, b: number): boolean {
  if ((K[a] & K[b] & UPPER) === 0 || isNinoOut(a) || isNinoOut(b) || b === 79) return false;
  switch ((a << 8) | b) {
    case 0x4247:
    case 0x4742:
    case 0x4b4e:
    case 0x4e4b:
    case 0x4e54:
    case 0x544e:
    case 0x5a5a:
      return false;
    default:
      return true;
  }
}

function isNinoOut(c: number): boolean {
  return c === 68 || c === 70 || c === 73 || c === 85 || c === 86;
}

function isDni(s: number): boolean {
  return areDigits(s, 8) && B[s + 8] === DNI_LETTERS[numberAt(s, 8) % 23];
}

function isNie(s: number): boolean {
  return B[s] >= 88 && B[s] <= 90 && areDigits(s + 1, 7);
}

function isDniLetter(s: number, c: number): boolean {
  return c === DNI_LETTERS[((B[s] - 88) * 10_000_000 + numberAt(s + 1, 7)) % 23];
}

function isNric(s: number): boolean {
  const c = B[s];
  if ((c !== 83 && c !== 84 && c !== 70 && c !== 71 && c !== 77) || !areDigits(s + 1, 7)) return false;
  let sum = c === 84 || c === 71 ? 4 : c === 77 ? 3 : 0;
  for (let i = 0; i < 7; i++) sum += (B[s + 1 + i] - 48) * NRIC_WEIGHTS[i];
  const letters = c === 77 ? NRIC_M : c === 83 || c === 84 ? NRIC_ST : NRIC_FG;
  return B[s + 8] === letters[sum % 11];
}

/** The fourth letter of a PAN is the kind of person: P for a human. */
function isPanKind(c: number): boolean {
  switch (c) {
    case 65:
    case 66:
    case 67:
    case 70:
    case 71:
    case 72:
    case 74:
    case 76:
    case 80:
    case 84:
      return true;
    default:
      return false;
  }
}

function isFinnish(s: number): boolean {
  const sign = B[s + 6];
  if (!areDigits(s, 6) || !((sign >= 65 && sign <= 70) || (sign >= 85 && sign <= 89))) return false;
  collectOne(s, s + 6);
  const rest = finnishRest(s);
  return rest >= 0 && B[s + 10] === FINNISH_LETTERS[rest];
}

function isCorsican(s: number): boolean {
  const letter = B[s + 6] & 0xdf;
  if ((letter !== 65 && letter !== 66) || B[s + 5] !== 50 || !areDigits(s, 6) || !areDigits(s + 7, 8)) return false;
  collectOne(s, s + 15);
  D[5] = 1;
  D[6] = letter === 65 ? 9 : 8;
  return isNir();
}

// Decree of 23 December 1976: values of a character in odd and in even places.
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
const MONTHS = Buffer.from('ABCDEHLMPRST', 'latin1');
const OMOCODIA = Buffer.from('LMNPQRSTUV', 'latin1');
/** Letters are at these places, digits (or the letters that stand in for them) at all others. */
const LETTER_PLACES = 0b1000_1001_0011_1111;

function isCodiceFiscale(s: number): boolean {
  let sum = 0;
  for (let i = 0; i < 16; i++) {
    const c = B[s + i];
    if ((K[c] & WORD) === 0) return false;
    const isDigit = (K[c] & DIGIT) !== 0;
    const letter = (c & 0xdf) - 65;
    if (((LETTER_PLACES >> i) & 1) !== 0) {
      if (isDigit) return false;
    } else if (!isDigit && OMOCODIA.indexOf(c & 0xdf) < 0) return false;
    if (i === 15) return letter === sum % 26 && MONTHS.indexOf(B[s + 8] & 0xdf) >= 0;
    const value = isDigit ? c - 48 : letter;
    sum += (i & 1) === 0 ? ODD[value] : value;
  }
  return false;
}

function isChinese(s: number): boolean {
  if ((B[s + 17] & 0xdf) !== 88 || !areDigits(s, 17)) return false;
  collectOne(s, s + 17);
  return isResidentId(10);
}

/** Four letters, date, sex, five letters, a letter or digit, a digit: BOXW310820HNERXN09. */
function isCurp(s: number): boolean {
  for (let i = 0; i < 16; i++) {
    const k = K[B[s + i]];
    if (i >= 4 && i < 10 ? (k & DIGIT) === 0 : (k & (UPPER | LOWER)) === 0) return false;
  }
  const sex = B[s + 10] & 0xdf;
  const month = numberAt(s + 6, 2);
  const day = numberAt(s + 8, 2);
  return (sex === 72 || sex === 77 || sex === 88) && month >= 1 && month <= 12 && day >= 1 && day <= 31 && (K[B[s + 17]] & DIGIT) !== 0;
}
