/**
 * Secrets to plant: of each detector, of each named field that is shipped, of a pattern of a user; and the Watcher that looks
 * for parts of them in what comes out.
 */
import { shippedRules } from '../../src/policy/default-masking.ts';
import { ALNUM, charsOf, DIGITS, type Random } from '../../src/policy/mask/detect-testing.ts';
import { makers, pick } from '../../src/policy/mask/secrets-testing.ts';

export interface Secret {
  /** Detector, rule of a name, or "pattern". */
  readonly kind: string;
  /** What is planted. */
  readonly text: string;
  /** What of it must not come out, whole or in parts. */
  readonly needles: readonly string[];
  /** Words of the name that it must stand under; "" when it is found by its content. */
  readonly name: string;
  /** The name is found as a whole only, without other words. */
  readonly isWhole: boolean;
  /** Only in cookies. */
  readonly isCookie: boolean;
}

const innocentNames = ['note', 'ref', 'info', 'item', 'label', 'value', 'remark', 'title'];

export const PATTERN = 'EMP-[A-Z]{3}[0-9]{6}';

function byContent(kind: string, text: string, needles: readonly string[] = [text]): Secret {
  return { kind, text, needles, name: '', isWhole: false, isCookie: false };
}

function jwtNeedles(token: string): string[] {
  const [, payload, signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string; name: string };
  return [claims.sub, claims.name, signature];
}

const password = (next: Random): string => `${charsOf(next, ALNUM, 7)}${1 + next(9)}!${charsOf(next, ALNUM, 6)}`;

/** Kinds that are found by their content. */
const contents: readonly (readonly [string, (next: Random) => Secret])[] = [
  ...makers.map(([kind, , make]): readonly [string, (next: Random) => Secret] => [
    kind,
    (next) => {
      const text = make(next);
      return byContent(kind, text, kind === 'jwt' ? jwtNeedles(text) : [text]);
    },
  ]),
  [
    'bearer-token',
    (next) => {
      const token = charsOf(next, ALNUM, 24 + next(20));
      return byContent('bearer-token', `Bearer ${token}`, [token]);
    },
  ],
  [
    'basic-credentials',
    (next) => {
      const pair = Buffer.from(`${charsOf(next, ALNUM, 8)}:${password(next)}`).toString('base64');
      return byContent('basic-credentials', `Basic ${pair}`, [pair]);
    },
  ],
  [
    'basic-credentials',
    (next) => {
      const secret = charsOf(next, ALNUM, 14);
      return byContent('basic-credentials', `https://worker:${secret}@shop.example/feed`, [secret]);
    },
  ],
  [
    'private-key',
    (next) => {
      const lines = Array.from({ length: 4 }, () => charsOf(next, ALNUM, 64));
      const kind = pick(next, ['', 'RSA ', 'EC ', 'OPENSSH ']);
      return byContent('private-key', `-----BEGIN ${kind}PRIVATE KEY-----\n${lines.join('\n')}\n-----END ${kind}PRIVATE KEY-----\n`, lines);
    },
  ],
  [
    'secret-in-text',
    (next) => {
      const secret = charsOf(next, ALNUM, 14);
      const before = pick(next, ['password: ', 'password=', 'your password is: ', 'client_secret=', 'api_key: ', 'pwd=']);
      return byContent('secret-in-text', before.includes(' is') ? `password: ${secret}` : `${before}${secret}`, [secret]);
    },
  ],
  [
    'ip-address',
    (next) => {
      const text = Array.from({ length: 4 }, () => 100 + next(120)).join('.');
      return byContent('ip-address', text);
    },
  ],
  [
    'pattern',
    (next) => {
      const text = `EMP-${charsOf(next, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 3)}${charsOf(next, DIGITS, 6)}`;
      return byContent('pattern', text);
    },
  ],
];

/** Fields of shipped rules: rule, name, only in cookies. */
const names = shippedRules.flatMap(({ rule }) => rule.fields.map((field) => ({ rule, field })));

export const kindsOfSecrets: number = new Set([...contents.map(([kind]) => kind), ...names.map(({ rule }) => rule.name)]).size;

/** The secret number `i`: all kinds in turn. */
export function secret(i: number, next: Random): Secret {
  if (i % 2 === 0) {
    const [, make] = contents[(i >> 1) % contents.length];
    return make(next);
  }
  const { rule, field } = names[(i >> 1) % names.length];
  const text = charsOf(next, next(4) === 0 ? '123456789' : ALNUM, 12 + next(10));
  const isCookie = rule.places.includes('cookie');
  return { kind: rule.name, text, needles: [text], name: field.replace('=', ''), isWhole: field.startsWith('='), isCookie };
}

/** The name that a secret stands under, as somebody may write it. */
export function nameOf(s: Secret, next: Random): string {
  if (s.name === '') return pick(next, innocentNames);
  const words = s.name.split('-');
  if (!s.isWhole && next(4) === 0 && !/^\d/.test(s.name)) words.unshift(pick(next, ['billing', 'my', 'new', 'old']));
  const capital = (w: string): string => w[0].toUpperCase() + w.slice(1);
  switch (next(5)) {
    case 0:
      return words.join('_');
    case 1:
      return words.map((w, i) => (i === 0 ? w : capital(w))).join('');
    case 2:
      return words.map(capital).join('-');
    case 3:
      return words.join('_').toUpperCase();
    default:
      return words.join('-');
  }
}

const GRAM = 8;
const BITS = 22;

/** A form of a secret. */
interface Form {
  readonly bytes: Buffer;
  readonly what: string;
  readonly isBase64: boolean;
  /** In base64: of so many bytes there are some that are no accident. */
  readonly bytesMin: number;
}

/** Looks for parts of secrets of GRAM bytes, in all forms that they may take, in one pass over what is searched. */
export class Watcher {
  readonly #bits = new Uint8Array(1 << (BITS - 3));
  readonly #grams = new Map<string, [Form, number][]>();

  /** Parts of the needle count from now on; `what` is told when one is found. */
  watch(needle: string, what: string): void {
    if (needle.length < GRAM) return;
    const raw = Buffer.from(needle);
    const isNumber = (needle.match(/[0-9]/g)?.length ?? 0) * 2 > needle.length;
    this.#add(needle, what, false);
    this.#add(JSON.stringify(needle).slice(1, -1), what, false);
    this.#add(
      needle.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`),
      what,
      false,
    );
    this.#add(encodeURIComponent(needle), what, false);
    // Wherever it begins in what is coded, the middle of it has one of three forms.
    for (const from of [0, 1, 2]) this.#add(raw.subarray(from).toString('base64').slice(0, -4), what, true, isNumber);
    this.#add(raw.toString('base64url'), what, true, isNumber);
  }

  #add(text: string, what: string, isBase64: boolean, isNumber = false): void {
    const bytes = Buffer.from(text);
    const bytesMin = isNumber ? 14 : 11;
    if (isBase64 && bytes.length < bytesMin) return;
    const form: Form = { bytes, what, isBase64, bytesMin };
    for (let at = 0; at + GRAM <= bytes.length; at++) {
      const gram = bytes.toString('latin1', at, at + GRAM);
      // Such as zeros: they stand in many places.
      if (new Set(gram).size < 4) continue;
      const h = hash(bytes, at);
      this.#bits[h >> 3] |= 1 << (h & 7);
      const known = this.#grams.get(gram);
      if (known === undefined) this.#grams.set(gram, [[form, at]]);
      else known.push([form, at]);
    }
  }

  /** What was found, as many as `max`: the secret, and what stands around it. */
  search(text: Uint8Array | string, where: string, max = 10): string[] {
    const b = typeof text === 'string' ? Buffer.from(text) : Buffer.from(text.buffer, text.byteOffset, text.length);
    const found: string[] = [];
    for (let at = 0; at + GRAM <= b.length && found.length < max; at++) {
      const h = hash(b, at);
      if ((this.#bits[h >> 3] & (1 << (h & 7))) === 0) continue;
      const fit = this.#grams.get(b.toString('latin1', at, at + GRAM))?.find(([form, from]) => isLong(b, at, form, from));
      if (fit === undefined) continue;
      found.push(`${where}: ${fit[0].what} in ...${b.toString('utf8', Math.max(0, at - 60), at + 80)}...`);
      at += 80;
    }
    return found;
  }
}

/** Of digits there are many in a record, times among them: fewer than so many are an accident. */
const DIGITS_MIN = 11;

/** Whether the form, which `b` has at `at` from its byte `from` on, goes on there for long enough to be no accident. */
function isLong(b: Buffer, at: number, { bytes, isBase64, bytesMin }: Form, from: number): boolean {
  let n = 0;
  while (from + n < bytes.length && b[at + n] === bytes[from + n]) n++;
  if (isBase64) return n >= bytesMin;
  const read = bytes.toString('latin1', from, from + n).replace(/%[0-9A-F]{2}/g, ' ');
  return read.length >= Math.min(/^[0-9 .+()/-]*$/.test(read) ? DIGITS_MIN : GRAM, bytes.length);
}

function hash(b: Buffer, at: number): number {
  const low = b[at] | (b[at + 1] << 8) | (b[at + 2] << 16) | (b[at + 3] << 24);
  const high = b[at + 4] | (b[at + 5] << 8) | (b[at + 6] << 16) | (b[at + 7] << 24);
  return (Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)) >>> (32 - BITS);
}
