/** What the tests of detectors share: rules from a few words, values in the arena, and all that is found in one. */
import { bytes, packetRegion } from '../../base/arena.ts';
import { type DetectorName, detectorNames, type MaskingRule } from '../spec.ts';
import { detect, found } from './detect.ts';
import { lookUpName } from './names.ts';
import { place } from './place.ts';
import { resetRules, ruleName } from './rules.ts';

export const AT: number = packetRegion.at + 4096;

export function rule(given: Partial<MaskingRule>): MaskingRule {
  return {
    name: 'rule',
    detector: '',
    pattern: '',
    validator: '',
    fields: [],
    notFields: [],
    places: [],
    action: 'replace',
    replacement: '',
    ...given,
  };
}

/** One rule for each detector, named as it. */
export function detectors(...names: readonly DetectorName[]): MaskingRule[] {
  return names.map((name) => rule({ name, detector: name }));
}

export const valueDetectors: readonly DetectorName[] = detectorNames.filter((name) => name !== 'ip-address');

export function useRules(rules: readonly MaskingRule[], where = 6): void {
  resetRules({ rules, binaryBodies: 'remove' });
  place[0] = where;
  underName('');
}

/** What follows stands under this name; returns the name of the rule that masks it, or "". */
export function underName(name: string): string {
  const at = AT - 2048;
  return ruleName(lookUpName(at, at + bytes.write(name, at)));
}

export interface Finding {
  readonly rule: string;
  readonly text: string;
}

/** All findings in a value, with bytes beside it that would matter if they were read. */
export function findAll(value: string | Uint8Array, beside = 0x39): Finding[] {
  const data = typeof value === 'string' ? Buffer.from(value) : value;
  bytes.fill(beside, AT - 64, AT + data.length + 64);
  bytes.set(data, AT);
  return findIn(AT, AT + data.length).map(([at, end, n]) => ({ rule: ruleName(n), text: bytes.toString('utf8', at, end) }));
}

/** The findings in [at, end): start, end, rule. Throws when they are not in order and inside. */
export function findIn(at: number, end: number): [number, number, number][] {
  const out: [number, number, number][] = [];
  for (let p = at; p < end && detect(p, end, at); p = found[1]) {
    if (found[0] < p || found[1] <= found[0] || found[1] > end) throw new Error(`found [${found[0]}, ${found[1]}) in [${p}, ${end})`);
    out.push([found[0], found[1], found[2]]);
  }
  return out;
}

/** "rule:text" of each finding. */
export function findings(value: string): string[] {
  return findAll(value).map(({ rule: name, text }) => `${name}:${text}`);
}

/** Whether the whole value is one finding of the rule, alone and among other text. */
export function isFound(name: string, value: string): boolean {
  for (const [before, after] of [
    ['', ''],
    ['see ', ' there'],
    ['"', '"'],
    ['>', '<'],
    ['号', '。'],
    ['x, ', ', y'],
  ])
    if (!findings(before + value + after).includes(`${name}:${value}`)) return false;
  return true;
}

/** Random numbers that a seed repeats. */
export function random(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export type Random = ReturnType<typeof random>;

export function charsOf(next: Random, alphabet: string, n: number): string {
  let out = '';
  for (let i = 0; i < n; i++) out += alphabet[next(alphabet.length)];
  return out;
}

export const DIGITS = '0123456789';
export const HEX = '0123456789abcdef';
export const CAPITALS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
export const ALNUM: string = CAPITALS + CAPITALS.toLowerCase() + DIGITS;
export const BASE64URL = `${ALNUM}-_`;
