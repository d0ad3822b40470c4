/**
 * SOAP 1.1 and 1.2: the action that a message asks for, else the first element of its body.
 *
 *   SOAPAction: "urn:orders#Cancel"                                     1.1 (6.1.1)
 *   Content-Type: application/soap+xml; action="urn:orders#Cancel"      1.2 (part 2, 6.5.3; RFC 3902)
 *
 *   <?xml version="1.0"?> <s:Envelope xmlns:s="..."> <s:Header>...</s:Header> <s:Body> <o:Cancel> ...
 *                           depth 1                    depth 2                 depth 2  name: Cancel
 *
 * Bounds: linear; levels are counted, not kept. Left out: namespaces (local names count), UTF-16.
 */
import { bytes } from '../base/arena.ts';
import { isText } from './json-scan.ts';

const B = bytes;
const EXCLAMATION = 33;
const QUOTE = 34;
const APOSTROPHE = 39;
const HYPHEN = 45;
const SLASH = 47;
const COLON = 58;
const LESS = 60;
const EQUALS = 61;
const GREATER = 62;
const QUESTION = 63;
const BRACKET = 91;
const CLOSE_BRACKET = 93;
const SEMICOLON = 59;

const text = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));
const N_ENVELOPE = text('Envelope');
const N_BODY = text('Body');

/** What was found last: an empty range is nothing. */
export const action = { at: 0, end: 0 };

/** The value of a SOAPAction field or of a parameter, without its quotes. Returns whether it says something. */
export function readAction(at: number, end: number): boolean {
  let from = at;
  let to = end;
  if (to - from >= 2 && B[from] === QUOTE && B[to - 1] === QUOTE) {
    from++;
    to--;
  }
  action.at = from;
  action.end = to;
  return to > from;
}

/** The parameter `action` of a media type. */
export function readActionParameter(at: number, end: number): boolean {
  let p = at;
  while (p < end) {
    while (p < end && B[p] !== SEMICOLON) p = B[p] === QUOTE ? behindQuoted(p, end) : p + 1;
    p++;
    while (p < end && (B[p] === 32 || B[p] === 9)) p++;
    if (p + 7 > end || B[p + 6] !== EQUALS || !isAction(p)) continue;
    p += 7;
    let to = p;
    if (p < end && B[p] === QUOTE) to = behindQuoted(p, end);
    else while (to < end && B[to] !== SEMICOLON && B[to] > 32) to++;
    return readAction(p, to);
  }
  return false;
}

function isAction(at: number): boolean {
  const letters = 'action';
  for (let i = 0; i < 6; i++) if ((B[at + i] | 0x20) !== letters.charCodeAt(i)) return false;
  return true;
}

function behindQuoted(at: number, end: number): number {
  let p = at + 1;
  while (p < end && B[p] !== QUOTE) p += B[p] === 92 ? 2 : 1;
  return p < end ? p + 1 : end;
}

/** Finds the first element of the body; returns whether [at, end) is an envelope. Its name is in `action`, empty when it is not known. */
export function readEnvelope(at: number, end: number): boolean {
  action.at = action.end = 0;
  let depth = 0;
  let isBody = false;
  let p = at;
  for (;;) {
    while (p < end && B[p] !== LESS) p++;
    if (p + 1 >= end) return isBody;
    const c = B[p + 1];
    if (c === QUESTION || c === EXCLAMATION) {
      p = behindMarkup(p, end);
      continue;
    }
    if (c === SLASH) {
      depth--;
      if (depth < 1 || isBody) return isBody;
      while (p < end && B[p] !== GREATER) p++;
      continue;
    }
    const nameEnd = behindElementName(p + 1, end);
    if (nameEnd >= end) return isBody;
    let local = p + 1;
    for (let q = p + 1; q < nameEnd; q++) if (B[q] === COLON) local = q + 1;
    if (isBody) {
      action.at = local;
      action.end = nameEnd;
      return true;
    }
    if (depth === 0 && !isText(local, nameEnd, N_ENVELOPE)) return false;
    if (depth === 1 && isText(local, nameEnd, N_BODY)) isBody = true;
    p = behindTag(nameEnd, end);
    if (p > end) return isBody;
    if (B[p - 2] !== SLASH) depth++;
    else if (isBody || depth === 0) return isBody;
  }
}

function behindElementName(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] > 32 && B[p] !== GREATER && B[p] !== SLASH && B[p] !== LESS) p++;
  return p;
}

/** Behind the bracket of a tag, whose attributes may hold others; beyond `end` when it does not end. */
function behindTag(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== GREATER) {
    const c = B[p];
    if (c === QUOTE || c === APOSTROPHE) {
      p++;
      while (p < end && B[p] !== c) p++;
    }
    p++;
  }
  return p + 1;
}

/** Behind a declaration, processing instruction, comment, document type or CDATA section. */
function behindMarkup(at: number, end: number): number {
  if (B[at + 1] === QUESTION) return behind(at + 2, end, QUESTION);
  if (at + 3 < end && B[at + 2] === HYPHEN && B[at + 3] === HYPHEN) return behind(at + 4, end, HYPHEN);
  if (at + 2 < end && B[at + 2] === BRACKET) return behind(at + 3, end, CLOSE_BRACKET);
  let p = at;
  let brackets = 0;
  while (p < end && (B[p] !== GREATER || brackets > 0)) {
    if (B[p] === BRACKET) brackets++;
    else if (B[p] === CLOSE_BRACKET) brackets--;
    p++;
  }
  return p < end ? p + 1 : end;
}

/** Behind the next ">" with `c` before it; of a comment and a section, twice. */
function behind(at: number, end: number, c: number): number {
  const times = c === QUESTION ? 1 : 2;
  for (let p = at + times; p < end; p++) {
    if (B[p] === GREATER && B[p - 1] === c && (times === 1 || B[p - 2] === c)) return p + 1;
  }
  return end;
}
