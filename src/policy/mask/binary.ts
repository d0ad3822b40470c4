/**
 * What is no text: images, archives, Protocol Buffers and the like. By `binaryBodies` it is removed as a whole, or passed.
 *
 *   \x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR...
 *
 * Of messages in Protocol Buffers, MessagePack and CBOR, which are made of fields, the texts are looked at before they pass:
 * something found removes the whole. A NUL, more than SHARE of control bytes, or much that is not UTF-8, in the first
 * LOOK_BYTES makes a body binary.
 */
import { bytes } from '../../base/arena.ts';
import { undoBase64 } from '../../base/base64.ts';
import { sequenceBytes } from '../../normalise/json.ts';
import type { MaskingSpec } from '../spec.ts';
import { inspectValue, noName } from './inspect.ts';
import { enterValue, leaveValue, put, putUnreadable } from './put.ts';
import { hasRoom, setStackTop, stackTop } from './stack.ts';
import { BINARY } from './unreadable.ts';
import { JSON_STRING, PLAIN } from './value.ts';

const B = bytes;
const LOOK_BYTES = 4096;
/** One control byte in so many, and one byte outside of UTF-8 in so many. */
const CONTROL_SHARE = 32;
const BROKEN_SHARE = 3;
const TEXT_BYTES_MIN = 6;

/** 1: control bytes that no text has. */
const controls = new Uint8Array(256);
controls.fill(1, 0, 32);
for (const c of [8, 9, 10, 12, 13, 27, 30]) controls[c] = 0;
controls[127] = 1;
const C = controls;

const EQUALS = 61;
const LF = 10;
const CR = 13;
/** What a character of base64 stands for; -1: none of it. */
const base64Digits = new Int8Array(256).fill(-1);
for (const [i, c] of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries()) base64Digits[c] = i;

let removes = true;

export function resetBinary(spec: MaskingSpec): void {
  removes = spec.binaryBodies === 'remove';
}

export function isBinary(at: number, end: number): boolean {
  const stop = Math.min(end, at + LOOK_BYTES);
  let controlBytes = 0;
  let broken = 0;
  let p = at;
  while (p < stop) {
    const c = B[p];
    if (c < 0x80) {
      if (c === 0) return true;
      controlBytes += C[c];
      p++;
      continue;
    }
    const n = sequenceBytes(p, end);
    // A character that the end of the kept bytes cuts is none of another kind.
    if (n === 0 && end - p >= 4) broken++;
    p += n === 0 ? 1 : n;
  }
  const length = stop - at;
  return controlBytes * CONTROL_SHARE > length || broken * BROKEN_SHARE > length;
}

/** A body that is binary. */
export function maskBinary(at: number, end: number): void {
  if (removes && at < end) put(at, end, BINARY, at, end, PLAIN);
}

/** A body that is binary and made of fields, some of which are texts. */
export function maskMessages(at: number, end: number): void {
  if (at >= end) return;
  if (removes || textRule(at, end) !== 0) put(at, end, BINARY, at, end, PLAIN);
}

/** Bytes of CODED_HEAD_CHARS characters: a flag, and a length of four bytes. */
const CODED_HEAD_CHARS = 8;
const MESSAGE_HEAD_BYTES = 5;

/** Whether [at, end) begins as messages of gRPC-Web text do, which are all of it. */
export function looksCodedMessages(at: number, end: number, isCut: boolean): boolean {
  if (end - at < CODED_HEAD_CHARS) return false;
  let head = 0;
  for (let i = 0; i < 7; i++) {
    const digit = base64Digits[B[at + i]];
    if (digit < 0) return false;
    head = head * 64 + digit;
  }
  // 42 bits: the flag's eight, the length's 32, and two more. A flag is 0, 1 (compressed) or 128 (trailers).
  const flag = Math.floor(head / 2 ** 34);
  const length = Math.floor(head / 4) % 2 ** 32;
  if ((flag & 0x7e) !== 0 || (!isCut && length > ((end - at) >> 2) * 3 - MESSAGE_HEAD_BYTES)) return false;
  const stop = Math.min(end, at + LOOK_BYTES);
  for (let p = at; p < stop; p++) if (base64Digits[B[p]] < 0 && B[p] !== EQUALS && B[p] !== LF && B[p] !== CR) return false;
  return true;
}

/** The same in base64 (gRPC-Web text). */
export function maskCodedMessages(at: number, end: number): void {
  if (at >= end) return;
  const bottom = stackTop();
  const to = hasRoom(end - at) ? undoBase64(at, end, bottom) : -1;
  if (to < 0) {
    putUnreadable(at, end, PLAIN);
    return;
  }
  setStackTop(to);
  const rule = removes ? BINARY : textRule(bottom, to);
  setStackTop(bottom);
  if (rule !== 0) put(at, end, rule, at, end, PLAIN);
}

/** Bytes in base64 that are the value of a field; [at, end) is the inside of a JSON string. */
export function maskCodedBytes(at: number, end: number): void {
  const bottom = stackTop();
  const to = removes || !hasRoom(end - at) ? -1 : undoBase64(at, end, bottom);
  let rule = BINARY;
  if (to >= 0) {
    setStackTop(to);
    rule = textRule(bottom, to);
    setStackTop(bottom);
  }
  if (rule !== 0) put(at, end, rule, at, end, JSON_STRING);
}

/** The first rule that a run of text in [at, end) falls under. */
function textRule(at: number, end: number): number {
  const outer = enterValue();
  let rule = 0;
  try {
    noName();
    for (let p = at; p < end; ) {
      let q = p;
      while (q < end && C[B[q]] === 0) q++;
      if (q - p >= TEXT_BYTES_MIN) inspectValue(p, q, PLAIN, 0);
      p = q + 1;
    }
  } finally {
    rule = leaveValue(outer);
  }
  return rule;
}
