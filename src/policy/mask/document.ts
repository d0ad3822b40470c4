/**
 * Masks a body, or a part of one, by its media type; but believes the bytes more than the label.
 *
 *   label says   bytes begin   walked as
 *   JSON         { [ " 1 ...   JSON; what breaks its grammar is unreadable from there
 *   JSON         <             XML; a=1&b=2 as a form
 *   form         { [           JSON when it is a whole document, else a form
 *   text, none   { [           JSON as far as it is, then text
 *   text, none   <             XML or HTML
 *   text, none   a=1&b=2       form
 *   text, none   id;password   CSV, when table.ts says that it is one
 *   text, none   data: {       events, when all lines are
 *   none         AAAAABYKFG    messages of gRPC-Web text, when their length fits
 *   any          NUL ...       binary, unless the label is JSON or multipart
 *   binary       text          as if there was no label
 *
 * Everything begins here: `walkers` is filled here.
 */
import { bytes } from '../../base/arena.ts';
import type { MaskingSpec } from '../spec.ts';
import { isBinary, looksCodedMessages, maskBinary, maskCodedMessages, maskMessages, resetBinary } from './binary.ts';
import { maskCsv } from './csv.ts';
import { cutEdits, editCount } from './edits.ts';
import { looksEvents, maskEvents } from './events.ts';
import { maskForm, walkForm } from './form.ts';
import { maskGraphql, walkGraphql } from './graphql.ts';
import { resetInspect } from './inspect.ts';
import { jsonBrokenAt, jsonBrokenUnderRule, walkJson } from './json.ts';
import {
  CODED_MESSAGES,
  CSV,
  EVENTS,
  FORM,
  GRAPHQL,
  HTML,
  JSON_DOCUMENT,
  kindOfType,
  MESSAGES,
  MULTIPART,
  TEXT,
  UNKNOWN,
  XML,
} from './media-type.ts';
import { maskMultipart, resetMultipart } from './multipart.ts';
import { resetOpaque, setOpaque } from './opaque.ts';
import { foundInside, nestingNow, putUnreadable } from './put.ts';
import { resetQuick } from './quick.ts';
import { clearStack } from './stack.ts';
import { looksTable } from './table.ts';
import { maskText, walkText } from './text.ts';
import { walkUrl } from './url.ts';
import { JSON_BARE } from './value.ts';
import { walkers } from './walkers.ts';
import { maskHtml, maskXml, walkXml } from './xml.ts';

export { maskHeaderValue } from './header-value.ts';

const B = bytes;
const LESS = 60;
const BRACE = 123;
const BRACKET = 91;
const EQUALS = 61;
const HYPHEN = 45;

walkers.json = walkJson;
walkers.graphql = walkGraphql;
walkers.xml = walkXml;
walkers.form = walkForm;
walkers.url = walkUrl;
walkers.text = walkText;
walkers.document = walkDocument;

/** New rules. */
export function resetDocuments(spec: MaskingSpec): void {
  resetBinary(spec);
  resetOpaque(spec);
  resetInspect(spec);
  resetQuick(spec);
}

/** Masks [at, end), a body with this media type (typeAt = typeEnd: none). Adds edits from left to right. */
export function maskDocument(at: number, end: number, isCut: boolean, typeAt: number, typeEnd: number): void {
  // A fault in the call before may have left them inside of a value.
  clearStack();
  resetMultipart();
  walkDocument(at, end, isCut, typeAt, typeEnd);
}

/** Masks [at, end), JSON that was made of messages, with `words` words that say which of its strings must not be seen. */
export function maskRendering(at: number, end: number, isCut: boolean, opaque: Int32Array, words: number): void {
  clearStack();
  resetMultipart();
  try {
    setOpaque(opaque, words);
    if (!walkJson(at, end, isCut)) putUnreadable(jsonBrokenAt(), end, JSON_BARE);
  } finally {
    setOpaque(opaque, 0);
  }
}

function walkDocument(at: number, end: number, isCut: boolean, typeAt: number, typeEnd: number): void {
  const kind = typeEnd > typeAt ? kindOfType(typeAt, typeEnd) : UNKNOWN;
  let p = behindMark(at, end);
  while (p < end && B[p] <= 32 && B[p] > 0) p++;
  if (p >= end) return;
  if (kind === MULTIPART) {
    maskMultipart(at, end, isCut, typeAt, typeEnd);
    return;
  }
  const first = B[p];
  if (kind === JSON_DOCUMENT) {
    maskAsJson(at, end, isCut, p);
    return;
  }
  if (kind === CODED_MESSAGES) {
    maskCodedMessages(at, end);
    return;
  }
  if (kind === MESSAGES && first !== BRACE && first !== BRACKET && first !== LESS) {
    maskMessages(at, end);
    return;
  }
  if (isBinary(at, end)) {
    if (kind === MESSAGES) maskMessages(at, end);
    else maskBinary(at, end);
    return;
  }
  switch (kind) {
    case FORM:
      if (first === LESS) maskMarkup(p, end, isCut);
      else if ((first !== BRACE && first !== BRACKET) || !isWholeJson(at, end, isCut)) maskForm(behindMark(at, end), end, isCut);
      return;
    case XML:
    case HTML:
      if ((first === BRACE || first === BRACKET) && isWholeJson(at, end, isCut)) return;
      if (kind === HTML) maskHtml(at, end, isCut);
      else maskXml(at, end, isCut);
      return;
    case CSV:
      maskCsv(at, end, isCut);
      return;
    case GRAPHQL:
      if ((first !== BRACE && first !== BRACKET) || !isWholeJson(at, end, isCut)) maskGraphql(at, end, isCut);
      return;
    case EVENTS:
      maskEvents(at, end, isCut);
      return;
    default:
      maskUnlabelled(at, end, isCut, p, kind === TEXT);
  }
}

/** Behind a byte order mark. */
function behindMark(at: number, end: number): number {
  return at + 3 <= end && B[at] === 0xef && B[at + 1] === 0xbb && B[at + 2] === 0xbf ? at + 3 : at;
}

/** Text, or what turns out to be a document of a kind. */
function maskUnlabelled(at: number, end: number, isCut: boolean, p: number, isText: boolean): void {
  const first = B[p];
  if (first === BRACE || first === BRACKET) {
    if (walkJson(at, end, isCut)) return;
    const broken = jsonBrokenAt();
    if (jsonBrokenUnderRule()) putUnreadable(broken, end, JSON_BARE);
    else maskText(broken, end, isCut);
  } else if (first === LESS) maskMarkup(p, end, isCut);
  // Before forms: its padding looks like the equals sign of a pair.
  else if (!isText && looksCodedMessages(p, end, isCut)) maskCodedMessages(p, end);
  else if (looksForm(p, end)) maskForm(p, end, isCut);
  else if (!isText && first === HYPHEN && p + 2 < end && B[p + 1] === HYPHEN && B[p + 2] > 32 && !isPem(p, end))
    maskMultipart(p, end, isCut, 0, 0);
  else if (looksEvents(p, end)) maskEvents(p, end, isCut);
  else if (looksTable(at, end, isCut)) maskCsv(at, end, isCut);
  else maskText(at, end, isCut);
}

/** `-----BEGIN `: RFC 7468, and no boundary. */
function isPem(at: number, end: number): boolean {
  return at + 11 <= end && B.toString('latin1', at, at + 11) === '-----BEGIN ';
}

/** Labelled as JSON. */
function maskAsJson(at: number, end: number, isCut: boolean, p: number): void {
  if (B[p] === LESS) {
    maskMarkup(p, end, isCut);
    return;
  }
  if (walkJson(at, end, isCut)) return;
  if (jsonBrokenAt() <= p && looksForm(p, end)) maskForm(p, end, isCut);
  else putUnreadable(jsonBrokenAt(), end, JSON_BARE);
}

/** Walks it as JSON; when it breaks, everything is as before. */
function isWholeJson(at: number, end: number, isCut: boolean): boolean {
  const before = editCount();
  if (walkJson(at, end, isCut)) return true;
  if (nestingNow() > 0 && foundInside()) return true;
  cutEdits(before);
  return false;
}

function maskMarkup(at: number, end: number, isCut: boolean): void {
  if (looksHtml(at, end)) maskHtml(at, end, isCut);
  else maskXml(at, end, isCut);
}

const LOOK_BYTES = 512;

/** `<!doctype html` or `<html` near the beginning. */
function looksHtml(at: number, end: number): boolean {
  const stop = Math.min(end - 5, at + LOOK_BYTES);
  for (let p = at; p < stop; p++) {
    if ((B[p + 1] | 32) !== 104 || (B[p] !== LESS && B[p] !== 32)) continue;
    if ((B[p + 2] | 32) === 116 && (B[p + 3] | 32) === 109 && (B[p + 4] | 32) === 108) return true;
  }
  return false;
}

/** Pairs without a blank in all that is looked at, the first with a name of letters, digits and what nested names are made of. */
function looksForm(at: number, end: number): boolean {
  let p = at;
  while (p < end && isNameByte(B[p])) p++;
  if (p === at || p >= end || B[p] !== EQUALS) return false;
  const stop = Math.min(end, p + LOOK_BYTES);
  while (p < stop && B[p] > 32 && B[p] < 127 && B[p] !== 34 && B[p] !== LESS) p++;
  while (p < stop && (B[p] === 13 || B[p] === 10)) p++;
  return p === stop;
}

function isNameByte(c: number): boolean {
  const lower = c | 32;
  return (lower >= 97 && lower <= 122) || (c >= 48 && c <= 57) || c === 95 || c === 45 || c === 46 || c === 91 || c === 93 || c === 37;
}
