/**
 * Strings of a rendering (grpc/rendering.ts) that must not be seen as they stand, whatever detectors say:
 *
 *   {"1":"aGVsbG8A","2":"hunter2","3":"cut in the mid"}
 *         bytes      no name       a part
 *
 * Bytes are removed like a binary body (`binaryBodies`). Texts whose field has no name are masked whole, because nobody can say
 * whether a password stands there (`unnamedTexts`; `inspect`: looked at like free text). Parts are `unreadable`. A rule
 * of the field's name comes first. The walk over the JSON asks at each string: the next one is at `opaqueNext[0]`.
 */

import { IS_BYTES, IS_UNNAMED } from '../../grpc/json-out.ts';
import type { MaskingSpec } from '../spec.ts';
import { maskCodedBytes } from './binary.ts';
import { put, putUnreadable } from './put.ts';
import { UNNAMED } from './unreadable.ts';
import { JSON_STRING } from './value.ts';

export const NO_OPAQUE = 0x7fffffff;
/** Where the next such string begins. */
export const opaqueNext: Int32Array = new Int32Array([NO_OPAQUE]);
const N = opaqueNext;

let list: Int32Array = new Int32Array(0);
let words = 0;
let i = 0;
let inspectsUnnamed = false;

/** New rules. */
export function resetOpaque(spec: MaskingSpec): void {
  inspectsUnnamed = spec.unnamedTexts === 'inspect';
}

/** The document that is walked next has these; none: `count` is 0. */
export function setOpaque(strings: Int32Array, count: number): void {
  list = strings;
  words = count;
  i = 0;
  N[0] = words > 0 ? list[0] : NO_OPAQUE;
}

/** The walk goes on at `p`, which may lie before what it has seen. */
export function seekOpaque(p: number): void {
  while (i > 0 && list[i - 2] >= p) i -= 2;
  while (i < words && list[i] < p) i += 2;
  N[0] = i < words ? list[i] : NO_OPAQUE;
}

/** The string [at, end) comes at or behind the next one. Masks it when it is one; false: it is looked at like any other. */
export function maskOpaque(at: number, end: number, hasRule: boolean): boolean {
  if (N[0] < at) seekOpaque(at);
  if (N[0] !== at) return false;
  const why = list[i + 1];
  seekOpaque(at + 1);
  if (hasRule || at >= end) return !hasRule;
  if (why === IS_BYTES) maskCodedBytes(at, end);
  else if (why === IS_UNNAMED) {
    if (inspectsUnnamed) return false;
    put(at, end, UNNAMED, at, end, JSON_STRING);
  } else putUnreadable(at, end, JSON_STRING);
  return true;
}
