/** True secrets of every kind that has a form: for the tests that plant them. */
import type { DetectorName } from '../spec.ts';
import { ALNUM, BASE64URL, CAPITALS, charsOf, DIGITS, HEX, type Random } from './detect-testing.ts';

export function pick<T>(next: Random, list: readonly T[]): T {
  return list[next(list.length)];
}

function luhnDigit(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    const d = Number(body[body.length - 1 - i]) * (i % 2 === 0 ? 2 : 1);
    sum += d > 9 ? d - 9 : d;
  }
  return String((10 - (sum % 10)) % 10);
}

const cards: readonly (readonly [prefixes: string, lengths: readonly number[]])[] = [
  ['4', [16, 19]],
  ['51 52 53 54 55 2221 2300 2500 2699 2720', [16]],
  ['34 37', [15]],
  ['6011 644 645 646 647 648 649 65', [16, 19]],
  ['3528 3540 3560 3589', [16, 17, 18, 19]],
  ['300 301 302 303 304 305 36 38 39', [14]],
  ['62', [16, 17, 18, 19]],
  ['5018 5020 5038 5893 6304 6759 6761 6762 6763', [12, 14, 15, 16, 17, 18, 19]],
  ['2200 2204', [16]],
];
const cardLayouts: Readonly<Record<number, readonly number[]>> = { 14: [4, 6, 4], 15: [4, 6, 5], 16: [4, 4, 4, 4], 19: [4, 4, 4, 4, 3] };

function inGroups(text: string, sizes: readonly number[], separator: string): string {
  let at = 0;
  return sizes.map((size) => text.slice(at, (at += size))).join(separator);
}

function card(next: Random): string {
  const [prefixes, lengths] = pick(next, cards);
  const n = pick(next, lengths);
  const prefix = pick(next, prefixes.split(' '));
  const body = prefix + charsOf(next, DIGITS, n - 1 - prefix.length);
  const number = body + luhnDigit(body);
  const layout = cardLayouts[n];
  return layout === undefined || next(2) === 0 ? number : inGroups(number, layout, pick(next, [' ', '-']));
}

const ibans = [
  'AD8n12c AT16n BE12n BG4a6n8c BR23n1a1c CH5n12c CY8n16c CZ20n DE18n DK14n EE16n ES20n FI14n FR10n11c2n GB4a14n GE2a16n GR7n16c HR17n HU24n',
  'IE4a14n IL19n IT1a10n12c KW4a22c LT16n LU3n13c LV4a13c MT4a5n18c MU4a19n3a NL4a10n NO11n PL24n PT21n RO4a16c SA2n18c SE20n SK20n TR6n16c UA6n19c',
]
  .join(' ')
  .split(' ');

function iban(next: Random): string {
  const entry = pick(next, ibans);
  let body = '';
  for (const [, n, kind] of entry.slice(2).matchAll(/(\d+)([nac])/g))
    body += charsOf(next, kind === 'n' ? DIGITS : kind === 'a' ? CAPITALS : CAPITALS + DIGITS, Number(n));
  const country = entry.slice(0, 2);
  const value = BigInt([...`${body}${country}00`].map((c) => Number.parseInt(c, 36)).join(''));
  const whole = country + String(98n - (value % 97n)).padStart(2, '0') + body;
  return pick(next, [whole, whole, whole.toLowerCase(), whole.replace(/(.{4})(?=.)/g, '$1 ')]);
}

function jwt(next: Random): string {
  const header = { alg: pick(next, ['HS256', 'RS256', 'ES384', 'none']), typ: 'JWT', kid: charsOf(next, ALNUM, next(40)) };
  const claims = { sub: charsOf(next, DIGITS, 10), exp: 1_700_000_000 + next(1e6), name: charsOf(next, ALNUM, next(60)) };
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = `${part(header)}.${part(claims)}`;
  return header.alg === 'none' ? token : `${token}.${charsOf(next, BASE64URL, 43 + next(300))}`;
}

const mailLetters = CAPITALS.toLowerCase() + DIGITS;

function mail(next: Random): string {
  const local = Array.from({ length: 1 + next(3) }, () => charsOf(next, mailLetters + CAPITALS, 1 + next(10))).join(
    pick(next, ['.', '_', '-', '+', "'"]),
  );
  // The first label is not a number: 1.2.dev is a version.
  const label = (): string => charsOf(next, mailLetters.slice(0, 26), 1) + charsOf(next, mailLetters, 1 + next(10));
  const labels = Array.from({ length: 1 + next(3) }, label);
  return `${local}@${labels.join('.')}.${pick(next, ['com', 'org', 'de', 'co.uk', 'museum', 'xn--p1ai', 'рф', 'io'])}`;
}

const keys: readonly ((next: Random) => string)[] = [
  (next) => `${pick(next, ['AKIA', 'ASIA'])}${charsOf(next, `${CAPITALS}234567`, 16)}`,
  (next) => `AIza${charsOf(next, BASE64URL, 34)}${charsOf(next, ALNUM, 1)}`,
  (next) => `${pick(next, ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'])}${charsOf(next, ALNUM, 36)}`,
  (next) => `github_pat_${charsOf(next, ALNUM, 22)}_${charsOf(next, ALNUM, 59)}`,
  (next) => `glpat-${charsOf(next, ALNUM, 20)}`,
  (next) => `xox${pick(next, ['b', 'p', 'a', 's'])}-${charsOf(next, DIGITS, 12)}-${charsOf(next, DIGITS, 12)}-${charsOf(next, ALNUM, 24)}`,
  (next) => `${pick(next, ['sk_live_', 'rk_live_', 'sk_test_'])}${charsOf(next, ALNUM, 24 + next(75))}`,
  (next) => `whsec_${charsOf(next, ALNUM, 32)}`,
  (next) => `sk-${charsOf(next, ALNUM, 20)}T3BlbkFJ${charsOf(next, ALNUM, 20)}`,
  (next) => `sk-proj-${charsOf(next, ALNUM, 100)}`,
  (next) => `sk-ant-api03-${charsOf(next, BASE64URL, 92)}AA`,
  (next) => `npm_${charsOf(next, ALNUM, 36)}`,
  (next) => `pypi-AgEIcHlwaS5vcmc${charsOf(next, ALNUM, 150)}`,
  (next) => `SG.${charsOf(next, ALNUM, 22)}.${charsOf(next, ALNUM, 43)}`,
  (next) => `${pick(next, ['SK', 'AC'])}${charsOf(next, HEX, 32)}`,
  (next) => `${charsOf(next, '123456789', 9)}:AA${charsOf(next, ALNUM, 33)}`,
  (next) => `${Buffer.from(charsOf(next, '123456789', 18)).toString('base64url')}.${charsOf(next, ALNUM, 6)}.${charsOf(next, ALNUM, 38)}`,
  (next) => `dop_v1_${charsOf(next, HEX, 64)}`,
  (next) => `${pick(next, ['shpat_', 'shpss_'])}${charsOf(next, HEX, 32)}`,
  (next) => `hvs.${charsOf(next, ALNUM, 24 + next(70))}`,
  (next) => `sq0atp-${charsOf(next, ALNUM, 22)}`,
  (next) => `key-${charsOf(next, HEX, 32)}`,
  (next) => `AKCp8${charsOf(next, ALNUM, 68)}`,
  (next) => `ATATT3xFfGF0${charsOf(next, ALNUM, 172)}=${charsOf(next, HEX.toUpperCase(), 8)}`,
  (next) => `hf_${charsOf(next, ALNUM, 34)}`,
  (next) => `GOCSPX-${charsOf(next, ALNUM, 28)}`,
  (next) => `dapi${charsOf(next, HEX, 32)}`,
];

const phones: readonly ((next: Random) => string)[] = [
  (next) => `+${pick(next, ['49 30 ', '49 171 ', '43 1 '])}${charsOf(next, DIGITS, 7)}`,
  (next) =>
    `+1${pick(next, [' ', '-', ' ('])}`.replace(/\($/, '') +
    `${2 + next(8)}${charsOf(next, DIGITS, 2)}-${2 + next(8)}${charsOf(next, DIGITS, 2)}-${charsOf(next, DIGITS, 4)}`,
  (next) => `+44 20 ${charsOf(next, DIGITS, 4)} ${charsOf(next, DIGITS, 4)}`,
  (next) => `+33 6 ${[1, 2, 3, 4].map(() => charsOf(next, DIGITS, 2)).join(' ')}`,
  (next) => `+1${2 + next(8)}${charsOf(next, DIGITS, 9)}`,
  (next) => `+49${pick(next, ['151', '160', '171'])}${charsOf(next, DIGITS, 7 + next(2))}`,
  (next) => `0044 20 ${charsOf(next, DIGITS, 4)} ${charsOf(next, DIGITS, 4)}`,
  (next) => `(${2 + next(8)}${charsOf(next, DIGITS, 2)}) ${charsOf(next, DIGITS, 3)}-${charsOf(next, DIGITS, 4)}`,
  (next) => `${2 + next(8)}${charsOf(next, DIGITS, 2)}-${charsOf(next, DIGITS, 3)}-${charsOf(next, DIGITS, 4)}`,
  (next) => `0${1 + next(9)} ${[1, 2, 3, 4].map(() => charsOf(next, DIGITS, 2)).join(' ')}`,
  (next) => `020 ${charsOf(next, DIGITS, 4)} ${charsOf(next, DIGITS, 4)}`,
  (next) => `07${charsOf(next, DIGITS, 3)} ${charsOf(next, DIGITS, 6)}`,
  (next) => `0${1 + next(9)}${charsOf(next, DIGITS, 2)}/${charsOf(next, DIGITS, 7)}`,
];

const two = (n: number): string => String(n).padStart(2, '0');
const weighed = (text: string, weights: readonly number[]): number => weights.reduce((sum, w, i) => sum + w * Number(text[i]), 0);

/** Tries until the rest of a check digit is one digit. */
function until(make: () => string | null): string {
  for (;;) {
    const made = make();
    if (made !== null) return made;
  }
}

const ids: Readonly<Record<string, (next: Random) => string>> = {
  'US SSN': (next) => `${String(1 + next(665)).padStart(3, '0')}-${two(1 + next(99))}-${String(1 + next(9999)).padStart(4, '0')}`,
  'UK NINO': (next) => {
    const number = `${charsOf(next, 'ABCEHJLMPRSW', 2)}${charsOf(next, DIGITS, 6)}${charsOf(next, 'ABCD', 1)}`;
    return pick(next, [number, inGroups(number, [2, 2, 2, 2, 1], ' ')]);
  },
  'ES DNI': (next) => {
    const n = next(100_000_000);
    return String(n).padStart(8, '0') + 'TRWAGMYFPDXBNJZSQVHLCKE'[n % 23];
  },
  'FR NIR': (next) => {
    const body = `${1 + next(2)}${two(next(100))}${two(1 + next(12))}${two(1 + next(95))}${charsOf(next, DIGITS, 6)}`;
    const number = body + two(97 - Number(BigInt(body) % 97n));
    return pick(next, [number, inGroups(number, [1, 2, 2, 2, 3, 3, 2], ' ')]);
  },
  'DE Steuer-ID': (next) => {
    const rest = [...DIGITS].sort(() => next(2) - 0.5);
    const first = 1 + next(9);
    const others = rest.filter((d) => d !== String(first)).slice(0, 8);
    // One of the nine stands twice.
    const body = first + [...others, pick(next, others)].sort(() => next(2) - 0.5).join('');
    let product = 10;
    for (const d of body) product = (((Number(d) + product) % 10 || 10) * 2) % 11;
    const number = body + ((11 - product) % 10);
    return pick(next, [number, inGroups(number, [2, 3, 3, 3], ' ')]);
  },
  'PL PESEL': (next) => {
    const body = `${two(30 + next(70))}${two(1 + next(12))}${two(1 + next(28))}${charsOf(next, DIGITS, 4)}`;
    return body + ((10 - (weighed(body, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10);
  },
  'BE Rijksregister': (next) => {
    const body = `${two(30 + next(70))}${two(1 + next(12))}${two(1 + next(28))}${String(1 + next(997)).padStart(3, '0')}`;
    const number = body + two(97 - (Number(body) % 97));
    return pick(next, [number, number.replace(/(..)(..)(..)(...)(..)/, '$1.$2.$3-$4.$5')]);
  },
  'NO fødselsnummer': (next) =>
    until(() => {
      const body = `${two(1 + next(28))}${two(1 + next(12))}${two(next(100))}${charsOf(next, DIGITS, 3)}`;
      const first = (11 - (weighed(body, [3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11)) % 11;
      if (first === 10) return null;
      const second = (11 - (weighed(body + first, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
      return second === 10 ? null : `${body}${first}${second}`;
    }),
  'SE personnummer': (next) => {
    const body = `${two(30 + next(70))}${two(1 + next(12))}${two(1 + next(28))}${charsOf(next, DIGITS, 3)}`;
    const number = body + luhnDigit(body);
    return pick(next, [inGroups(number, [6, 4], '-'), `19${number}`, `19${inGroups(number, [6, 4], '-')}`]);
  },
  'FI henkilötunnus': (next) => {
    const birth = `${two(1 + next(28))}${two(1 + next(12))}${two(next(100))}`;
    const rest = String(2 + next(897)).padStart(3, '0');
    return `${birth}${pick(next, ['-', 'A', 'B', 'Y'])}${rest}${'0123456789ABCDEFHJKLMNPRSTUVWXY'[Number(birth + rest) % 31]}`;
  },
  'BR CPF': (next) =>
    until(() => {
      const body = charsOf(next, DIGITS, 9);
      if (/^(.)\1*$/.test(body)) return null;
      const first = ((weighed(body, [10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10) % 11) % 10;
      const second = ((weighed(body + first, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10) % 11) % 10;
      return `${inGroups(body, [3, 3, 3], '.')}-${first}${second}`;
    }),
  'CN resident id': (next) => {
    const body = `110105${1930 + next(90)}${two(1 + next(12))}${two(1 + next(28))}${charsOf(next, DIGITS, 3)}`;
    return body + '10X98765432'[weighed(body, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11];
  },
  'IN PAN': (next) => `${charsOf(next, CAPITALS, 3)}P${charsOf(next, CAPITALS, 1)}${charsOf(next, DIGITS, 4)}${charsOf(next, CAPITALS, 1)}`,
  'CA SIN': (next) => {
    const body = `${1 + next(7)}${charsOf(next, DIGITS, 7)}`;
    return inGroups(body + luhnDigit(body), [3, 3, 3], pick(next, [' ', '-']));
  },
  'SG NRIC': (next) => {
    const letter = pick(next, ['S', 'T', 'F', 'G']);
    const body = charsOf(next, DIGITS, 7);
    const sum = weighed(body, [2, 7, 6, 5, 4, 3, 2]) + (letter === 'T' || letter === 'G' ? 4 : 0);
    return letter + body + (letter === 'S' || letter === 'T' ? 'JZIHGFEDCBA' : 'XWUTRQPNMLK')[sum % 11];
  },
  'ZA id': (next) => {
    const body = `${two(next(100))}${two(1 + next(12))}${two(1 + next(28))}${charsOf(next, DIGITS, 4)}${next(2)}8`;
    return body + luhnDigit(body);
  },
};

/** What detectors find by its content alone, with the detector that must. */
export const makers: readonly (readonly [DetectorName, string, (next: Random) => string])[] = [
  ['payment-card', 'payment cards', card],
  ['iban', 'IBAN', iban],
  ['jwt', 'JWT', jwt],
  ['email', 'mail', mail],
  ['api-key', 'keys', (next) => pick(next, keys)(next)],
  ['phone', 'phones', (next) => pick(next, phones)(next)],
  ...Object.entries(ids).map(([kind, make]) => ['national-id', kind, make] as const),
];
