/**
 * Rules with a pattern of the operator's own: RE2 (re2js), so no pattern takes more than linear time for one match, over the
 * bytes of the value as UTF-8. All matches of a value are found at its first look, and handed out in order.
 *
 *   value  |--- window 0 ---------------|
 *                               |--- window 1 ---------------|       they overlap by OVERLAP_BYTES
 *
 * Bounds: a value of more than WINDOW_BYTES is matched window by window, so a match longer than OVERLAP_BYTES may be missed
 * there. Finding all matches can take quadratic time even where one does not (`x.*y|a`): when a pattern has read a window
 * WORK_MAX times, the rest of the value is masked whole (`limit.policy.pattern_work`). So is what lies beyond MATCHES_MAX.
 */
import { bytes } from '../../base/arena.ts';
import { raise, weird } from '../../base/weird.ts';
import { type RE2JS, re2 } from '../re2.ts';
import type { MaskingRule } from '../spec.ts';
import { classes, DIGIT, LOWER, looked, UPPER } from './detectors/classes.ts';

const B = bytes;
const K = classes;
const L = looked;
const WINDOW_BYTES = 16 << 10;
const OVERLAP_BYTES = 4 << 10;
const WORK_MAX = 128;
const MATCHES_MAX = 4096;
const TOO_MUCH = weird('limit.policy.pattern_work');

interface Pattern {
  readonly rule: number;
  readonly expression: RE2JS;
  readonly validator: MaskingRule['validator'];
}

let patterns: Pattern[] = [];
// Start, end and rule of each match, in order of their starts.
const matches = new Int32Array(3 * MATCHES_MAX);
const M = matches;
let count = 0;
let next = 0;

/** Throws, and keeps what was, when a pattern is none. */
export function resetPatterns(rules: readonly MaskingRule[]): void {
  const compiled: Pattern[] = [];
  for (const [i, rule] of rules.entries()) {
    if (rule.pattern === '') continue;
    try {
      compiled.push({ rule: i + 1, expression: re2().RE2JS.compile(rule.pattern), validator: rule.validator });
    } catch (error) {
      throw new Error(`masking rule ${rule.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  patterns = compiled;
  count = next = 0;
}

/** Finds all matches in [at, end) of the patterns whose rules `applies`. */
export function findMatches(at: number, end: number, applies: (rule: number) => boolean): void {
  count = next = 0;
  let rules = 0;
  for (const pattern of patterns) {
    if (!applies(pattern.rule)) continue;
    findAll(pattern, at, end);
    rules++;
  }
  if (rules > 1) sort();
}

function findAll(pattern: Pattern, at: number, end: number): void {
  let from = at;
  let done = at;
  for (;;) {
    const stop = end - from > WINDOW_BYTES ? from + WINDOW_BYTES : end;
    const matcher = pattern.expression.matcher(B.subarray(from, stop));
    let work = WORK_MAX * (stop - from) + (WORK_MAX << 10);
    let last = from;
    while (matcher.find()) {
      const s = from + matcher.start();
      const e = from + matcher.end();
      work -= stop - last;
      L[0] += stop - last;
      last = e > last ? e : last + 1;
      if (work < 0 || count >= MATCHES_MAX - 1) {
        raise(TOO_MUCH);
        add(done > s ? done : s, end, pattern.rule);
        return;
      }
      // At the edges of a window ^ and $ fit where they should not; what is short is found by the neighbour as well.
      if (e === s || e <= done || (s === from && from !== at && from !== done) || (e === stop && stop !== end && s > stop - OVERLAP_BYTES))
        continue;
      if (!isValid(pattern.validator, s, e)) continue;
      add(done > s ? done : s, e, pattern.rule);
      done = e;
    }
    L[0] += stop - last;
    if (stop === end) return;
    // A match that fills the window to its end goes on in the next.
    from = done === stop ? stop : stop - OVERLAP_BYTES;
  }
}

function add(s: number, e: number, rule: number): void {
  if (count >= MATCHES_MAX) return;
  const r = 3 * count++;
  M[r] = s;
  M[r + 1] = e;
  M[r + 2] = rule;
}

/** Of matches that begin at the same byte the rule that comes first stays first. */
function sort(): void {
  const rows: [number, number, number][] = [];
  for (let i = 0; i < count; i++) rows.push([M[3 * i], M[3 * i + 1], M[3 * i + 2]]);
  rows.sort((a, b) => a[0] - b[0]);
  for (const [i, row] of rows.entries()) M.set(row, 3 * i);
}

/** The row of the first match that ends behind p, or -1; `matchAt` and so on read it. */
export function nextMatch(p: number): number {
  while (next < count && M[3 * next + 1] <= p) next++;
  return next < count ? next : -1;
}

export function matchAt(i: number): number {
  return M[3 * i];
}

export function matchEnd(i: number): number {
  return M[3 * i + 1];
}

export function matchRule(i: number): number {
  return M[3 * i + 2];
}

function isValid(validator: MaskingRule['validator'], at: number, end: number): boolean {
  if (validator === 'luhn') return isLuhn(at, end);
  return validator === '' || isMod97(at, end);
}

/** Over the digits among the bytes. */
function isLuhn(at: number, end: number): boolean {
  let sum = 0;
  let n = 0;
  for (let q = end - 1; q >= at; q--) {
    if ((K[B[q]] & DIGIT) === 0) continue;
    let d = B[q] - 48;
    if ((n++ & 1) === 1) {
      d *= 2;
      if (d > 9) d -= 9;
    }
    sum += d;
  }
  return n > 1 && sum % 10 === 0;
}

/** ISO/IEC 7064, as for an IBAN: the first four letters and digits count last. */
function isMod97(at: number, end: number): boolean {
  let head = 0;
  let n = 0;
  let rest = 0;
  for (let q = at; q < end && n < 4; q++) {
    head = q + 1;
    if ((K[B[q]] & (DIGIT | LOWER | UPPER)) !== 0) n++;
  }
  if (n < 4) return false;
  for (let q = head; q < end; q++) rest = addTo(rest, B[q]);
  for (let q = at; q < head; q++) rest = addTo(rest, B[q]);
  return rest === 1;
}

function addTo(rest: number, c: number): number {
  if ((K[c] & DIGIT) !== 0) return (rest * 10 + c - 48) % 97;
  return (K[c] & (LOWER | UPPER)) !== 0 ? (rest * 100 + ((c & 0xdf) - 55)) % 97 : rest;
}
