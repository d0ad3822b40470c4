/**
 * XML 1.0 and HTML as found: elements, attributes, texts, CDATA, comments, processing instructions.
 *
 *   <wsse:Password Type="...">hunter2</wsse:Password>   <input name="password" value="hunter2">   <param key="iban"><![CDATA[DE..]]>
 *         name     attribute  text                             gives "value" its name                    gives the text its name
 *
 * Names are looked up without their prefix. A rule that an element stands under masks all texts in it and all its attributes
 * but those that name and type it. An attribute name=, key= or id= with a rule gives it to the element, when the element has
 * none of its own; in HTML only to its value and the text right behind it. <key>iban</key><string>, <name>iban</name><value>
 * give the second its name, in either order (parameters.ts): the element right behind a name stands under it, unless it only
 * types, and all values do up to the next element of that name. Entities are undone by undo.ts; what a DTD defines is never
 * applied, and masked whole.
 *
 * Nothing is refused: what is no markup is text. In XML a tag, comment or section that does not end is masked whole; in HTML it
 * is text, unless the kept bytes end early; a value whose name had not come yet is then masked as well. Scripts and styles of HTML are text, or JSON where they hold it.
 *
 * Bounds: linear, with ELEMENTS_KEPT names of open elements; below them only their number is known, and a text there stands
 * under no name of its own.
 */
import { bytes } from '../../base/arena.ts';
import { cutEdits, editCount } from './edits.ts';
import { cutField, fieldDepth, popField, pushName } from './field.ts';
import { inspectName, inspectValue, nameAtHand, nameRule, nameRuleIn, noName, setNameAtHand } from './inspect.ts';
import { jsonBrokenAt, jsonBrokenUnderRule, walkJson } from './json.ts';
import { walked } from './kinds.ts';
import { isKeyName, isValueName, parameterRule } from './parameters.ts';
import { NESTING_MAX, nestingNow, onlyReports, putUnreadable } from './put.ts';
import { HIDDEN_NAME } from './stack.ts';
import { maskText, tailAt } from './text.ts';
import { PLAIN, XML_TEXT } from './value.ts';

const B = bytes;
const ELEMENTS_KEPT = 64;

const BLANK = 1;
/** A name begins with it. */
const START = 2;
/** Ends a name. */
const END_OF_NAME = 4;
/** Ends a value without quotes. */
const END_OF_VALUE = 8;
const classOf = new Uint8Array(256);
for (const c of [9, 10, 12, 13, 32]) classOf[c] = BLANK | END_OF_NAME | END_OF_VALUE;
for (let c = 65; c <= 90; c++) classOf[c] = classOf[c | 32] = START;
for (const c of Buffer.from('_:')) classOf[c] = START;
classOf.fill(START, 128);
for (const c of Buffer.from('=/<')) classOf[c] = END_OF_NAME;
for (const c of Buffer.from('>')) classOf[c] = END_OF_NAME | END_OF_VALUE;
const C = classOf;

const LESS = 60;
const GREATER = 62;
const SLASH = 47;
const EQUALS = 61;
const EXCLAMATION = 33;
const QUESTION_MARK = 63;
const QUOTE = 34;
const APOSTROPHE = 39;
const COLON = 58;
const BRACKET = 91;
const CLOSE_BRACKET = 93;

const text = (s: string): Buffer => Buffer.from(s);
const CDATA = text('[cdata[');
const SCRIPT = text('script');
const STYLE = text('style');
/** Attributes whose value is a name for the element, the strongest first. */
const naming: readonly Buffer[] = ['name', 'key', 'id', 'itemprop', 'property', 'k', 'field', 'friendlyname'].map(text);
/** Attributes that only name or type an element: they stay when the element is masked. */
const typing: readonly Buffer[] = [
  ...naming,
  ...['type', 'class', 'lang', 'nil', 'encoding', 'encodingtype', 'for', 'xmlns', 'version', 'autocomplete', 'placeholder'].map(text),
];
/** Attributes of an element of HTML that a name= on it gives its rule to. */
const valued: readonly Buffer[] = ['value', 'content', 'data-value'].map(text);
/** Elements of HTML that have no end. */
const empty: readonly Buffer[] = 'area base br col embed hr img input link meta param source track wbr'.split(' ').map(text);
const XMLNS = text('xmlns:');
const COMMENT_END = text('-->');
const CDATA_END = text(']]>');
const INSTRUCTION_END = text('?>');

/** Names of open elements: start, end, and what counts of them, by depth. Those of a walk inside of a value lie above those of the walk around it. */
const elements = new Int32Array(3 * ELEMENTS_KEPT * (NESTING_MAX + 1));
const L = elements;

/** How a text that is not well-formed is read. */
const XML = 0;
const HTML = 1;
/** Inside of a value: XML, but what does not end was no markup. */
const INNER = 2;

export function maskXml(at: number, end: number, isCut: boolean): void {
  walk(at, end, isCut, XML);
}

export function maskHtml(at: number, end: number, isCut: boolean): void {
  walk(at, end, isCut, HTML);
}

/** Returns whether it began with markup, and whether that ended. */
export function walkXml(at: number, end: number, isCut: boolean): boolean {
  return at < end && beginsMarkup(at, end) && walk(at, end, isCut, INNER);
}

/** The rule that all texts are masked by, the name of the element that it is of, and how many of that name are open. */
let forced = 0;
let forcedAt = 0;
let forcedEnd = 0;
let forcedOpen = 0;
/** HTML: the rule of the text right behind a tag. */
let directRule = 0;
/**
 * Row by nesting and depth, of parameters among the elements there: rule of the last name that has one; name of its element;
 * whether the next element stands under it. First value whose name did not come before it: its tag, its name, and the edits
 * before it; what is known of its name.
 */
const PAIR_ROW = 8;
const pairs = new Int32Array(PAIR_ROW * ELEMENTS_KEPT * (NESTING_MAX + 1));
const V = pairs;
const RULE = 0;
const KEY_AT = 1;
const KEY_END = 2;
const IS_NEXT = 3;
const VALUE_TAG = 4;
const VALUE_NAME = 5;
const EDITS = 6;
const NAMED = 7;
// What NAMED says: it has not come, came behind the value, came before it.
const NOT_YET = 0;
const BEHIND = 1;
const BEFORE = 2;
/** An element with a value that is longer, and has not ended where the kept bytes end, is none of a parameter. */
const OPEN_VALUE_BYTES_MAX = 1024;

function walk(at: number, end: number, isCut: boolean, mode: number): boolean {
  const outerForced = forced;
  const outerAt = forcedAt;
  const outerEnd = forcedEnd;
  const outerOpen = forcedOpen;
  const fieldBase = fieldDepth();
  forced = forcedOpen = directRule = 0;
  noName();
  const isWhole = walkMarkup(at, end, isCut, mode, 3 * ELEMENTS_KEPT * nestingNow(), fieldBase);
  cutField(fieldBase);
  forced = outerForced;
  forcedAt = outerAt;
  forcedEnd = outerEnd;
  forcedOpen = outerOpen;
  directRule = 0;
  return isWhole;
}

function walkMarkup(at: number, end: number, isCut: boolean, mode: number, rows: number, fieldBase: number): boolean {
  let depth = 0;
  let p = at;
  let goneBack = 0;
  const rowsOfPairs = PAIR_ROW * ELEMENTS_KEPT * nestingNow();
  clearPair(rowsOfPairs);
  while (p < end) {
    const isMarkup = B[p] === LESS && beginsMarkup(p, end);
    if (!isMarkup || B[p + 1] === EXCLAMATION || B[p + 1] === QUESTION_MARK) {
      setNameAtHand(depth > 0 && depth <= ELEMENTS_KEPT ? L[rows + 3 * depth - 1] : 0);
      let q = p + 1;
      let form = XML_TEXT;
      if (isMarkup) {
        q = maskDeclaration(p, end, isCut, mode);
        if (q < 0) return false;
        form = PLAIN;
      } else {
        while (q < end && (B[q] !== LESS || !beginsMarkup(q, end))) q++;
        walked[0] += q - p;
        maskPiece(p, q, isCut && q === end, XML_TEXT);
        sectionAt = p;
        // Where the kept bytes end the name may go on.
        sectionEnd = isCut && q === end ? p : q;
      }
      p = q;
      if (forced !== 0 || depth === 0 || depth > ELEMENTS_KEPT || !isKeyName(L[rows + 3 * depth - 3], L[rows + 3 * depth - 2])) continue;
      const r = rowsOfPairs + PAIR_ROW * (depth - 1);
      notePair(form, L[rows + 3 * depth - 3], L[rows + 3 * depth - 2], r);
      if (V[r + RULE] === 0 || V[r + VALUE_TAG] === 0) continue;
      // <value>x</value><name>password</name>: once more, from the value on.
      const valueTagAt = V[r + VALUE_TAG];
      goneBack += q - valueTagAt;
      cutEdits(V[r + EDITS]);
      V[r + VALUE_TAG] = V[r + IS_NEXT] = 0;
      if (goneBack > end - at) {
        putUnreadable(valueTagAt, end, PLAIN);
        return true;
      }
      p = valueTagAt;
      depth--;
      continue;
    }
    directRule = 0;
    const isClosing = B[p + 1] === SLASH;
    const tagAt = isClosing ? p + 2 : p + 1;
    const close = tagEnd(tagAt, end);
    walked[0] += close < 0 ? end - p : 3 * (close - p);
    if (close < 0) {
      if (!unfinished(p, end, isCut, mode)) return false;
      break;
    }
    const nameEnd = nameEndOf(tagAt, close);
    const nameAt = localName(tagAt, nameEnd);
    if (isClosing) {
      inspectName(nameAt, nameEnd, PLAIN);
      if (forced !== 0 && isSame(nameAt, nameEnd, forcedAt, forcedEnd) && --forcedOpen === 0) forced = 0;
      depth = depthAfter(nameAt, nameEnd, rows, depth);
      if (depth < ELEMENTS_KEPT) cutField(fieldBase + depth);
      p = close + 1;
      continue;
    }
    const isHtml = mode === HTML;
    const isEmpty = B[close - 1] === SLASH || (isHtml && isOneOf(empty, nameAt, nameEnd));
    if (depth < ELEMENTS_KEPT) cutField(fieldBase + depth);
    const editsBefore = editCount();
    const isHidden = inspectName(nameAt, nameEnd, PLAIN);
    if (depth < ELEMENTS_KEPT) {
      if (isHidden) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
      else pushName(nameAt, nameEnd);
      L[rows + 3 * depth] = nameAt;
      L[rows + 3 * depth + 1] = nameEnd;
    }
    let rule = forced === 0 ? nameRule(nameAt, nameEnd) : 0;
    if (depth < ELEMENTS_KEPT) L[rows + 3 * depth + 2] = nameAtHand();
    if (rule === 0 && forced === 0 && depth < ELEMENTS_KEPT)
      rule = pairRule(p, nameAt, nameEnd, rowsOfPairs + PAIR_ROW * depth, editsBefore);
    const isOwn = rule !== 0;
    rule = maskAttributes(nameEnd, B[close - 1] === SLASH ? close - 1 : close, rule, isHtml);
    if (isEmpty) {
      if (depth < ELEMENTS_KEPT) cutField(fieldBase + depth);
    } else {
      depth++;
      if (depth < ELEMENTS_KEPT) clearPair(rowsOfPairs + PAIR_ROW * depth);
      if (forced !== 0) {
        if (isSame(nameAt, nameEnd, forcedAt, forcedEnd)) forcedOpen++;
      } else if (isHtml && !isOwn) directRule = rule;
      else if (rule !== 0 && !onlyReports(rule)) {
        forced = rule;
        forcedAt = nameAt;
        forcedEnd = nameEnd;
        forcedOpen = 1;
      }
    }
    p = close + 1;
    if (isHtml && !isEmpty && (isWord(SCRIPT, nameAt, nameEnd) || isWord(STYLE, nameAt, nameEnd)))
      p = maskRaw(p, end, isCut, nameAt, nameEnd);
  }
  if (isCut) maskUnnamed(end, rows, rowsOfPairs, depth);
  return true;
}

/** `<` and what a name, an end tag, a declaration or an instruction begins with. */
function beginsMarkup(p: number, end: number): boolean {
  if (p + 1 >= end) return false;
  const next = B[p + 1];
  if ((C[next] & START) !== 0 || next === EXCLAMATION || next === QUESTION_MARK) return true;
  return next === SLASH && p + 2 < end && (C[B[p + 2]] & START) !== 0;
}

/** What begins at `p` does not end. */
function unfinished(p: number, end: number, isCut: boolean, mode: number): boolean {
  if (mode === INNER && !isCut) return false;
  if (isCut || mode === XML) putUnreadable(p + 1, end, PLAIN);
  else maskText(p, end, false);
  return true;
}

/** The text between two tags, or a section of CDATA. */
function maskPiece(at: number, end: number, isCut: boolean, form: number): void {
  let from = at;
  let to = end;
  while (from < to && (C[B[from]] & BLANK) !== 0) from++;
  while (to > from && (C[B[to - 1]] & BLANK) !== 0) to--;
  const rule = forced !== 0 ? forced : directRule;
  directRule = 0;
  if (rule !== 0 || !isCut) inspectValue(from, to, form, rule);
  else {
    const tail = tailAt(from, to, form === XML_TEXT);
    inspectValue(from, tail, form, 0);
    putUnreadable(tail, to, form);
  }
}

/** `<key>iban</key>`, `<name>iban</name>`: the element behind it stands under that name. `r` is the row of the elements beside it. */
function notePair(form: number, nameAt: number, nameEnd: number, r: number): void {
  let from = sectionAt;
  while (from < sectionEnd && (C[B[from]] & BLANK) !== 0) from++;
  if (from >= sectionEnd) return;
  const rule = parameterRule(from, sectionEnd, form);
  V[r + NAMED] = BEHIND;
  if (rule !== 0) {
    V[r + RULE] = rule;
    V[r + KEY_AT] = nameAt;
    V[r + KEY_END] = nameEnd;
    V[r + IS_NEXT] = 1;
  } else if (V[r + RULE] !== 0 && isSame(nameAt, nameEnd, V[r + KEY_AT], V[r + KEY_END])) V[r + RULE] = 0;
}

/** New elements beside each other. */
function clearPair(r: number): void {
  V[r + RULE] = V[r + IS_NEXT] = V[r + VALUE_TAG] = V[r + NAMED] = 0;
}

/** The rule that a parameter's name beside the element gives it; notes a value whose name may still come. */
function pairRule(tagAt: number, nameAt: number, nameEnd: number, r: number, editsBefore: number): number {
  const isValue = isValueName(nameAt, nameEnd);
  if (V[r + RULE] !== 0) {
    if (isValue) return V[r + RULE];
    if (V[r + IS_NEXT] === 0 || isOneOf(typing, nameAt, nameEnd) || isKeyName(nameAt, nameEnd)) return 0;
    V[r + IS_NEXT] = 0;
    return V[r + RULE];
  }
  if (!isValue || (V[r + VALUE_TAG] !== 0 && V[r + NAMED] !== BEHIND)) return 0;
  V[r + NAMED] = V[r + NAMED] === BEHIND ? BEFORE : NOT_YET;
  V[r + VALUE_TAG] = tagAt;
  V[r + VALUE_NAME] = nameAt;
  V[r + EDITS] = editsBefore;
  return 0;
}

/** Where the kept bytes end: a value whose name has not come is masked, with all behind it. */
function maskUnnamed(end: number, rows: number, rowsOfPairs: number, depth: number): void {
  for (let d = 0; d <= depth && d < ELEMENTS_KEPT; d++) {
    const r = rowsOfPairs + PAIR_ROW * d;
    const tagAt = V[r + VALUE_TAG];
    if (tagAt === 0 || V[r + NAMED] !== NOT_YET) continue;
    const isOpen = depth > d && L[rows + 3 * d] === V[r + VALUE_NAME];
    if (isOpen && (d === 0 || end - tagAt > OPEN_VALUE_BYTES_MAX)) continue;
    cutEdits(V[r + EDITS]);
    putUnreadable(tagAt + 1, end, PLAIN);
    return;
  }
}

/** The section of CDATA that `maskDeclaration` found, or the text at hand; empty for all else. */
let sectionAt = 0;
let sectionEnd = 0;

/** Comment, section of CDATA, document type, instruction; returns what lies behind it, or -1 when it was none. */
function maskDeclaration(p: number, end: number, isCut: boolean, mode: number): number {
  let from = p + 2;
  let to = -1;
  let after = 1;
  let form = PLAIN;
  if (B[p + 1] === QUESTION_MARK) {
    to = indexOf(INSTRUCTION_END, from, end);
    after = 2;
  } else if (from + 1 < end && B[from] === 45 && B[from + 1] === 45) {
    from += 2;
    to = indexOf(COMMENT_END, from, end);
    after = 3;
  } else if (from + CDATA.length <= end && isWord(CDATA, from, from + CDATA.length)) {
    from += CDATA.length;
    to = indexOf(CDATA_END, from, end);
    after = 3;
    form = -1;
  } else to = doctypeEnd(from, end);
  walked[0] += (to < 0 ? end : to) - p;
  sectionEnd = sectionAt = p;
  if (to < 0) return unfinished(p, end, isCut, mode) ? end : -1;
  const isSection = form < 0;
  if (isSection) maskPiece(from, to, false, PLAIN);
  else if (after === 1 && forced === 0) maskDoctype(from, to);
  else inspectValue(from, to, PLAIN, forced);
  sectionAt = from;
  sectionEnd = isSection ? to : from;
  return to + after;
}

/** What a document type declares itself may give a text any name, or be put together to one: it is masked whole. */
function maskDoctype(from: number, to: number): void {
  let open = from;
  while (open < to && B[open] !== BRACKET) open++;
  inspectValue(from, open, PLAIN, 0);
  if (open >= to) return;
  let close = to;
  while (close > open && B[close - 1] !== CLOSE_BRACKET) close--;
  putUnreadable(open + 1, close > open + 1 ? close - 1 : to, PLAIN);
}

/** The `>` behind a document type, whose own declarations stand in brackets and whose literals stand in quotes. */
function doctypeEnd(from: number, end: number): number {
  let brackets = 0;
  for (let p = from; p < end; p++) {
    const c = B[p];
    if (c === GREATER && brackets <= 0) return p;
    if (c === BRACKET) brackets++;
    else if (c === CLOSE_BRACKET) brackets--;
    else if (c === QUOTE || c === APOSTROPHE) {
      let q = p + 1;
      while (q < end && B[q] !== c) q++;
      if (q >= end) return -1;
      p = q;
    }
  }
  return -1;
}

function indexOf(mark: Buffer, from: number, end: number): number {
  const first = mark[0];
  const last = end - mark.length;
  for (let p = from; p <= last; p++) {
    if (B[p] !== first) continue;
    let i = 1;
    while (i < mark.length && B[p + i] === mark[i]) i++;
    if (i === mark.length) return p;
  }
  return -1;
}

/** The `>` of the tag; one in the quotes of a value is none. -1 when the tag does not end. */
function tagEnd(from: number, end: number): number {
  for (let p = from; p < end; p++) {
    const c = B[p];
    if (c === GREATER) return p;
    if (c !== EQUALS) continue;
    let q = p + 1;
    while (q < end && (C[B[q]] & BLANK) !== 0) q++;
    if (q >= end) return -1;
    const quote = B[q];
    if (quote !== QUOTE && quote !== APOSTROPHE) {
      p = q - 1;
      continue;
    }
    q++;
    while (q < end && B[q] !== quote) q++;
    if (q >= end) return -1;
    p = q;
  }
  return -1;
}

function nameEndOf(at: number, end: number): number {
  let p = at;
  while (p < end && (C[B[p]] & END_OF_NAME) === 0) p++;
  return p;
}

/** Behind the prefix: `wsse:Password`. */
function localName(at: number, end: number): number {
  let p = end;
  while (p > at && B[p - 1] !== COLON) p--;
  return p === end ? at : p;
}

// An attribute, as `nextAttribute` found it.
let attributeAt = 0;
let attributeEnd = 0;
let valueAt = 0;
let valueEnd = 0;

/** Reads the attribute at `p` or behind it; returns where the next one may begin, or -1 when there is none. */
function nextAttribute(at: number, end: number): number {
  let p = at;
  while (p < end && ((C[B[p]] & BLANK) !== 0 || B[p] === SLASH)) p++;
  if (p >= end) return -1;
  attributeAt = p;
  p = nameEndOf(p, end);
  if (p === attributeAt) p++;
  attributeEnd = p;
  valueAt = valueEnd = 0;
  let q = p;
  while (q < end && (C[B[q]] & BLANK) !== 0) q++;
  if (q >= end || B[q] !== EQUALS) return p;
  q++;
  while (q < end && (C[B[q]] & BLANK) !== 0) q++;
  if (q >= end) return q;
  const quote = B[q];
  if (quote === QUOTE || quote === APOSTROPHE) {
    valueAt = ++q;
    while (q < end && B[q] !== quote) q++;
    valueEnd = q;
    return q + 1;
  }
  valueAt = q;
  while (q < end && (C[B[q]] & END_OF_VALUE) === 0) q++;
  valueEnd = q;
  return q;
}

/** Looks at the attributes of a tag whose element has this rule; returns the rule that they give it, or its own. */
function maskAttributes(at: number, end: number, elementRule: number, isHtml: boolean): number {
  let rule = forced !== 0 ? forced : elementRule;
  let isNamed = false;
  if (rule === 0) {
    let rank = naming.length;
    for (let p = nextAttribute(at, end); p >= 0; p = nextAttribute(p, end)) {
      if (valueEnd <= valueAt) continue;
      const from = localName(attributeAt, attributeEnd);
      for (let i = 0; i < rank; i++) {
        if (!isWord(naming[i], from, attributeEnd)) continue;
        const given = nameRuleIn(valueAt, valueEnd, XML_TEXT);
        if (given === 0) continue;
        rule = given;
        rank = i;
        isNamed = true;
      }
    }
  }
  for (let p = nextAttribute(at, end); p >= 0; p = nextAttribute(p, end)) {
    // Looking inside of a value reads the attributes of others.
    const nameAt = localName(attributeAt, attributeEnd);
    const nameEnd = attributeEnd;
    const from = valueAt;
    const to = valueEnd;
    const isPrefixed = attributeEnd - attributeAt > 6 && isWord(XMLNS, attributeAt, attributeAt + 6);
    let own = forced === 0 ? nameRule(nameAt, nameEnd) : 0;
    const isHidden = inspectName(nameAt, nameEnd, PLAIN);
    if (from === 0) continue;
    if (rule !== 0) {
      const takes = isNamed && isHtml ? isOneOf(valued, nameAt, nameEnd) : !isPrefixed && !isOneOf(typing, nameAt, nameEnd);
      if (takes) own = rule;
    }
    if (isHidden) pushName(HIDDEN_NAME.at, HIDDEN_NAME.end);
    else pushName(nameAt, nameEnd);
    inspectValue(from, to, XML_TEXT, own);
    popField();
  }
  return rule;
}

/** How many elements that were never closed an end tag may close with its own. */
const UNCLOSED_MAX = 16;

/** The depth behind an end tag: that of the element of its name. */
function depthAfter(nameAt: number, nameEnd: number, rows: number, depth: number): number {
  if (depth > ELEMENTS_KEPT) return depth - 1;
  const stop = Math.max(0, depth - UNCLOSED_MAX);
  for (let d = depth - 1; d >= stop; d--) if (isSame(nameAt, nameEnd, L[rows + 3 * d], L[rows + 3 * d + 1])) return d;
  return depth;
}

/** Script or style: up to its end tag. Returns where that begins. */
function maskRaw(at: number, end: number, isCut: boolean, nameAt: number, nameEnd: number): number {
  let q = at;
  for (; q < end; q++) {
    if (B[q] !== LESS || B[q + 1] !== SLASH) continue;
    let i = 0;
    while (i < nameEnd - nameAt && (B[q + 2 + i] | 32) === (B[nameAt + i] | 32)) i++;
    if (i === nameEnd - nameAt) break;
  }
  let p = at;
  while (p < q && (C[B[p]] & BLANK) !== 0) p++;
  const inCut = isCut && q === end;
  if (p < q && (B[p] === 123 || B[p] === BRACKET)) {
    if (walkJson(p, q, inCut)) return q;
    p = jsonBrokenAt();
    if (jsonBrokenUnderRule()) {
      putUnreadable(p, q, PLAIN);
      return q;
    }
  }
  maskText(p, q, inCut);
  return q;
}

function isSame(at: number, end: number, otherAt: number, otherEnd: number): boolean {
  if (end - at !== otherEnd - otherAt) return false;
  let i = 0;
  while (at + i < end && B[at + i] === B[otherAt + i]) i++;
  walked[0] += i;
  return at + i === end;
}

/** Whether [at, end) is that word, in any case. */
function isWord(word: Buffer, at: number, end: number): boolean {
  if (word.length !== end - at) return false;
  let i = 0;
  while (i < word.length && word[i] === (B[at + i] >= 65 && B[at + i] <= 90 ? B[at + i] | 32 : B[at + i])) i++;
  return i === word.length;
}

function isOneOf(list: readonly Buffer[], at: number, end: number): boolean {
  for (const word of list) if (isWord(word, at, end)) return true;
  return false;
}
