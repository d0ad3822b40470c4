/**
 * Edits: what a walker found, from left to right, as pieces of the source that give way to other bytes. Nothing is copied
 * while looking; when something was found, `applyEdits` writes the masked copy and notes each place for the report.
 *
 *   source   GET /users/ann@example.com HTTP/1.1
 *                       ^ at           ^ end      one edit: rule 7, replacement [from, to) in the region of replacements
 *   masked   GET /users/*email* HTTP/1.1
 *
 * Row of 8 words: at, end, rule, replacement at, replacement end, field at, field end, place.
 *
 * Bounds: EDITS_MAX edits of one source; when more is found, or the region of replacements is full, everything from there
 * to the end of the source is one edit, `*unreadable*` (`limit.policy.edits`): closed, never open.
 */
import { bytes } from '../../base/arena.ts';
import { raise, weird } from '../../base/weird.ts';
import { FIELD_BYTES_MAX, writeField } from './field.ts';
import { copyBytes } from './kernels/kernels.ts';
import { textsPart } from './layout.ts';
import { place } from './place.ts';
import { UNREADABLE_TEXT } from './stack.ts';
import { UNREADABLE } from './unreadable.ts';

const B = bytes;
const P = place;
export const EDITS_MAX = 4096;
const ROW = 8;
const rows = new Int32Array(ROW * (EDITS_MAX + 1));
const E = rows;
const TOO_MANY = weird('limit.policy.edits');
const TEXTS_AT = textsPart.at;
const TEXTS_END = textsPart.end;
/** Room that the replacement of one value may take. */
export const REPLACEMENT_BYTES_MAX = 64 << 10;

let count = 0;
let textsTop = TEXTS_AT;
/** From here on everything is masked; 0 while there was room. */
let closedAt = 0;
let closedPlace = 0;
const CLOSED_AT = UNREADABLE_TEXT.at + 1;
const CLOSED_BYTES = UNREADABLE_TEXT.end - 1 - CLOSED_AT;

/** Forgets the edits and the texts of the call before. */
export function resetEdits(): void {
  count = 0;
  textsTop = TEXTS_AT;
  closedAt = 0;
  placesCount = 0;
  foundCount = 0;
}

/** A new source; the texts of those before stay for the report. */
export function beginEdits(): void {
  count = 0;
  closedAt = 0;
}

export function editCount(): number {
  return count;
}

let asked = 0;

/** How often something was to be edited, whether there was room or not: the same before and after, nothing was found in between. */
export function editsAsked(): number {
  return asked;
}

/** Takes back all but the first `n`: what follows them is walked again. What was closed stays closed. */
export function cutEdits(n: number): void {
  if (n < count) count = n;
}

/** Where a replacement may be written: at most REPLACEMENT_BYTES_MAX bytes; 0 when the region is full. */
export function replacementRoom(): number {
  return textsTop + REPLACEMENT_BYTES_MAX + FIELD_BYTES_MAX > TEXTS_END ? 0 : textsTop;
}

/**
 * [at, end) of the source gives way to [textAt, textEnd): bytes written at `replacementRoom()`, or elsewhere where they stay
 * until the call is over. Must not lie before an edit that is already there.
 */
export function addEdit(at: number, end: number, rule: number, textAt: number, textEnd: number): void {
  asked++;
  if (closedAt !== 0) {
    // After `cutEdits` the walk may have come back to a place before.
    if (at < closedAt) closedAt = at;
    return;
  }
  if (count >= EDITS_MAX || replacementRoom() === 0) {
    raise(TOO_MANY);
    closedAt = at;
    closedPlace = P[0];
    return;
  }
  if (textAt === textsTop) textsTop = textEnd;
  const r = ROW * count++;
  E[r] = at;
  E[r + 1] = end;
  E[r + 2] = rule;
  E[r + 3] = textAt;
  E[r + 4] = textEnd;
  E[r + 5] = textsTop;
  textsTop = writeField(textsTop);
  E[r + 6] = textsTop;
  E[r + 7] = P[0];
}

/** Whether something of the source has to change. */
export function hasEdits(): boolean {
  return count > 0 || closedAt !== 0;
}

const PLACES_MAX = 256;
export const PLACE_ROW = 6;
/** Rows for the report: rule, place, field at, field end, at and end in the masked text (from its first byte). */
const places = new Int32Array(PLACE_ROW * PLACES_MAX);
let placesCount = 0;
let foundCount = 0;

/**
 * Writes [at, end) with all edits applied at `to`; returns the end, or -1 when there is no room before `toEnd`. Places in
 * the report count from `from`, the first byte of the text that the record will hold.
 */
export function applyEdits(at: number, end: number, to: number, toEnd: number, from = to): number {
  let o = to;
  let p = at;
  for (let i = 0; i < count; i++) {
    const r = ROW * i;
    const n = E[r] - p;
    const text = E[r + 4] - E[r + 3];
    if (o + n + text > toEnd) return -1;
    copyBytes(p, E[r], o);
    o += n;
    copyBytes(E[r + 3], E[r + 4], o);
    notePlace(E[r + 2], E[r + 7], E[r + 5], E[r + 6], o - from, o - from + text);
    o += text;
    p = E[r + 1];
  }
  const rest = (closedAt === 0 ? end : Math.max(p, closedAt)) - p;
  if (o + rest > toEnd) return -1;
  copyBytes(p, p + rest, o);
  o += rest;
  if (closedAt === 0) return o;
  if (o + CLOSED_BYTES > toEnd) return -1;
  B.copyWithin(o, CLOSED_AT, CLOSED_AT + CLOSED_BYTES);
  notePlace(UNREADABLE, closedPlace, 0, 0, o - from, o - from + CLOSED_BYTES);
  return o + CLOSED_BYTES;
}

/** Where the part that is masked as a whole begins; beyond all sources when there is none. */
export function closedFrom(): number {
  return closedAt === 0 ? 0x7fffffff : closedAt;
}

/** A place for the report; beyond PLACES_MAX they are only counted. */
export function notePlace(rule: number, where: number, fieldAt: number, fieldEnd: number, at: number, end: number): void {
  foundCount++;
  if (placesCount >= PLACES_MAX) return;
  const r = PLACE_ROW * placesCount++;
  places[r] = rule;
  places[r + 1] = where;
  places[r + 2] = fieldAt;
  places[r + 3] = fieldEnd;
  places[r + 4] = at;
  places[r + 5] = end;
}

/** Where `at` of the source lies in the masked copy that begins at `to`. Asked for ascending places, it is a walk along the edits. */
export function shiftOf(at: number, cursor: Int32Array): number {
  // cursor: [next edit, shift so far]
  while (cursor[0] < count && E[ROW * cursor[0] + 1] <= at) {
    const r = ROW * cursor[0]++;
    cursor[1] += E[r + 4] - E[r + 3] - (E[r + 1] - E[r]);
  }
  return cursor[1];
}

/** Where the first edit begins that `cursor` has not passed; beyond all sources when there is none. */
export function nextEditAt(cursor: Int32Array): number {
  return cursor[0] < count ? E[ROW * cursor[0]] : 0x7fffffff;
}

/** Places that are in the report so far. */
export function placesNoted(): number {
  return placesCount;
}

/** Takes back all places but the first `n`: the copy that they lie in is not used. */
export function cutPlaces(n: number, found: number): void {
  placesCount = n;
  foundCount = found;
}

/** Where place number `i` begins in the masked text. */
export function placeAt(i: number): number {
  return places[PLACE_ROW * i + 4];
}

/** Place number `i` counts from `start` on. */
export function movePlace(i: number, start: number): void {
  const r = PLACE_ROW * i;
  places[r + 4] -= start;
  places[r + 5] -= start;
}

/** What is known for the report: rows of PLACE_ROW words, how many, and how much was found in all. */
export const notes: { readonly rows: Int32Array; count: number; found: number } = { rows: places, count: 0, found: 0 };

export function notesOf(): typeof notes {
  notes.count = placesCount;
  notes.found = foundCount;
  return notes;
}
