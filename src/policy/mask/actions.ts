/**
 * Actions: what stands in place of a sensitive value. Each makes one edit; the replacement is written so that the document
 * around it stays one.
 *
 *   replace            *email*
 *   remove             nothing; null in place of a bare token of JSON
 *   hash               *email:0f343b0931126a20*      HMAC-SHA-256 of name, colon and value, its first 8 bytes
 *   keep-last-4        ************1234              partial.ts
 *   format-preserving  7204 1938-5521 0467           partial.ts, ff1.ts
 *   jwt-claims         eyJhbGciOi....eyJpc3MiOi....  jwt-claims.ts
 *   report             the value itself: an edit too, so that its place is reported as that of others is
 *
 * Where an action cannot be done (a value that is too short, too long, no token), the value is replaced: closed, never open.
 *
 * Bounds: replacements of `replace` are made once, in the literals. Results of actions that compute are kept for equal
 * values of at most KEPT_VALUE_BYTES_MAX, KEPT_BYTES_MAX together; then all are forgotten.
 */
import { createHmac } from 'node:crypto';
import { bytes } from '../../base/arena.ts';
import type { ActionName, MaskingSpec } from '../spec.ts';
import { addEdit, REPLACEMENT_BYTES_MAX, replacementRoom } from './edits.ts';
import { ESCAPED_BYTES_MAX, isJsonNumber, writeEscaped } from './escape.ts';
import { createFf1, type Ff1 } from './ff1.ts';
import { isOpaque, JWT_BYTES_MAX, maskClaims } from './jwt-claims.ts';
import { type KeyedHash, keyedHash } from './keyed-hash.ts';
import { literalsPart } from './layout.ts';
import { keepLastFour, PARTIAL_BYTES_MAX, preserveFormat } from './partial.ts';
import { RULES_MAX } from './unreadable.ts';
import { JSON_BARE } from './value.ts';

const B = bytes;
const REPLACE = 0;
const REMOVE = 1;
const HASH = 2;
const KEEP_LAST_4 = 3;
const FORMAT_PRESERVING = 4;
const JWT_CLAIMS = 5;
const REPORT = 6;
const numbers: Readonly<Record<ActionName, number>> = {
  replace: REPLACE,
  remove: REMOVE,
  hash: HASH,
  'keep-last-4': KEEP_LAST_4,
  'format-preserving': FORMAT_PRESERVING,
  'jwt-claims': JWT_CLAIMS,
  report: REPORT,
};

const RULES = 256;
const action = new Uint8Array(RULES);
const A = action;
/** Where the replacement of each rule lies, without and with quotes (or without, where it is a number of JSON). */
const texts = new Int32Array(4 * RULES);
const T = texts;

const KEPT_VALUE_BYTES_MAX = 4096;
const KEPT_BYTES_MAX = 4 << 20;
/** What the table itself takes for each. */
const KEPT_ROW_BYTES = 128;
/** Results by rule, form and value; null: it is replaced. */
const kept = new Map<string, Buffer | null>();
let keptBytes = 0;

/** What is computed is written here, above the room for it with its escapes. */
const RAW_AT = REPLACEMENT_BYTES_MAX - JWT_BYTES_MAX - 64;
const RAW_BYTES_MAX = JWT_BYTES_MAX;
if (PARTIAL_BYTES_MAX * ESCAPED_BYTES_MAX + 32 > RAW_AT) throw new RangeError('no room for a value with its escapes');

let names: string[] = [];
let marks: string[] = [];
let tweaks: Buffer[] = [];
let isCard: boolean[] = [];
let prefixes: Buffer[] = [];
let hashOf: KeyedHash = keyedHash(new Uint8Array(32));
let ff1: Ff1 = createFf1(new Uint8Array(32));

let top = literalsPart.at;

function addText(text: string): number {
  if (top + text.length + 8 > literalsPart.end) throw new RangeError('the replacements of the masking rules are too long');
  const at = top;
  top += B.write(text, at, 'latin1');
  return at;
}

const NULL_AT = addText('null');
const NULL_END = top;
const LITERALS_AT = top;

/** New rules, numbered from 1 in their order, and the key of 32 bytes for those that compute. */
export function resetActions(spec: MaskingSpec, key: Uint8Array): void {
  if (spec.rules.length > RULES_MAX) throw new RangeError(`more than ${RULES_MAX} masking rules`);
  top = LITERALS_AT;
  kept.clear();
  keptBytes = 0;
  action.fill(REPLACE);
  names = ['masked', ...spec.rules.map(({ name }) => name)];
  marks = ['*masked*', ...spec.rules.map(({ name, replacement }) => replacement || `*${name}*`)];
  tweaks = names.map((name) => Buffer.from(name));
  isCard = [false, ...spec.rules.map(({ detector, validator }) => detector === 'payment-card' || validator === 'luhn')];
  prefixes = names.map((name) => Buffer.from(`${name}:`));
  hashOf = keyedHash(Uint8Array.from(key));
  // Names of rules have no zero byte, so no hash of a value is that of the other key.
  ff1 = createFf1(createHmac('sha256', key).update('\0format-preserving').digest());
  // A number without a rule masks all the same.
  setText(0, marks[0]);
  for (let rule = 1; rule < RULES; rule++) T.copyWithin(4 * rule, 0, 4);
  spec.rules.forEach((rule, i) => {
    A[i + 1] = numbers[rule.action];
    setText(i + 1, marks[i + 1]);
  });
}

function setText(rule: number, text: string): void {
  const at = addText(`"${text}"`);
  T[4 * rule] = at + 1;
  T[4 * rule + 1] = top - 1;
  const isNumber = isJsonNumber(at + 1, top - 1);
  T[4 * rule + 2] = isNumber ? at + 1 : at;
  T[4 * rule + 3] = isNumber ? top - 1 : top;
}

/**
 * [at, end) of the source, where it stands in that form, gives way to what the rule says; [valueAt, valueEnd) is the same
 * value with its escapes undone. Must not lie before an edit that is already there.
 */
export function mask(at: number, end: number, rule: number, valueAt: number, valueEnd: number, form: number): void {
  switch (A[rule]) {
    case REPLACE:
      replace(at, end, rule, form);
      return;
    case REMOVE:
      if (form === JSON_BARE) addEdit(at, end, rule, NULL_AT, NULL_END);
      else addEdit(at, end, rule, NULL_AT, NULL_AT);
      return;
    case REPORT:
      addEdit(at, end, rule, at, end);
      return;
    default:
      compute(at, end, rule, valueAt, valueEnd, form);
  }
}

function replace(at: number, end: number, rule: number, form: number): void {
  const t = 4 * rule + (form === JSON_BARE ? 2 : 0);
  addEdit(at, end, rule, T[t], T[t + 1]);
}

function compute(at: number, end: number, rule: number, valueAt: number, valueEnd: number, form: number): void {
  if (A[rule] === JWT_CLAIMS && isOpaque(valueAt, valueEnd)) {
    replace(at, end, rule, form);
    return;
  }
  const room = replacementRoom();
  if (room === 0) {
    addEdit(at, end, rule, NULL_AT, NULL_AT);
    return;
  }
  const length = valueEnd - valueAt;
  let name = '';
  if (length <= KEPT_VALUE_BYTES_MAX && A[rule] !== KEEP_LAST_4) {
    name = String.fromCharCode(rule, form) + B.toString('latin1', valueAt, valueEnd);
    const result = kept.get(name);
    if (result !== undefined) {
      if (result === null) replace(at, end, rule, form);
      else addEdit(at, end, rule, room, room + result.copy(B, room));
      return;
    }
  }
  const raw = room + RAW_AT;
  const rawEnd = writeRaw(rule, valueAt, valueEnd, form, raw);
  const textEnd = rawEnd < 0 ? -1 : writeEscaped(raw, rawEnd, form, room);
  if (name !== '') {
    const result = textEnd < 0 ? null : Buffer.from(B.subarray(room, textEnd));
    const size = name.length + (result?.length ?? 0) + KEPT_ROW_BYTES;
    if (keptBytes + size > KEPT_BYTES_MAX) {
      kept.clear();
      keptBytes = 0;
    }
    kept.set(name, result);
    keptBytes += size;
  }
  if (textEnd < 0) replace(at, end, rule, form);
  else addEdit(at, end, rule, room, textEnd);
}

/** What the value becomes, as the receiver would read it; returns its end, or -1 when the value is better replaced. */
function writeRaw(rule: number, valueAt: number, valueEnd: number, form: number, to: number): number {
  switch (A[rule]) {
    case HASH: {
      const digits = hashOf(prefixes[rule], valueAt, valueEnd);
      return to + B.write(`*${names[rule]}:${digits}*`, to, 'latin1');
    }
    case KEEP_LAST_4:
      return keepLastFour(valueAt, valueEnd, to);
    case FORMAT_PRESERVING:
      return preserveFormat(valueAt, valueEnd, to, ff1, tweaks[rule], isCard[rule], form === JSON_BARE);
    case JWT_CLAIMS: {
      if (valueEnd - valueAt > JWT_BYTES_MAX) return -1;
      const masked = maskClaims(B.toString('latin1', valueAt, valueEnd), marks[rule]);
      return masked === null || masked.length > RAW_BYTES_MAX ? -1 : to + B.write(masked, to, 'latin1');
    }
    default:
      return -1;
  }
}
