/**
 * Files in YAML (JSON is YAML) that people write: read within bounds, every mistake kept with its place in the text, so
 * that all of them can be told at once as file:line:column. What a file means is said by those who use this:
 * base/config.ts for the configuration, policy/rule-file.ts for rules.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { type Document, isAlias, isMap, isNode, isScalar, LineCounter, type ParsedNode, parseDocument, visit, type YAMLMap } from 'yaml';
import { codeOf, type ErrorCode, reasonOf, SensorError } from './errors.ts';
import { offsetInScalar } from './yaml-scalar.ts';

const ERRORS_MAX = 50;
const GIVEN_CHARACTERS_MAX = 60;

export type Path = readonly (string | number)[];

/** What errors say about a file. */
export interface FileKind {
  /** Of a file with mistakes. */
  readonly code: ErrorCode;
  /** "configuration" */
  readonly noun: string;
  readonly bytesMax: number;
  /** What to do about mistakes in it. */
  readonly next: string;
  /** What to do when it cannot be read. */
  readonly nextUnread: string;
}

export interface Mistake {
  /** Place in the text, in UTF-16 units. */
  readonly offset: number;
  /** Asked for only when it is shown. */
  readonly text: string | (() => string);
}

export interface YamlFile {
  readonly text: string;
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  /** The document as plain values; means nothing while there are mistakes. */
  readonly given: unknown;
  readonly mistakes: Mistake[];
}

/** The text of a file, without regard to what it says. */
export function readText(path: string, kind: FileKind): string {
  // One byte more than it may have, so that a device without an end is told from a long file.
  const buffer = Buffer.alloc(kind.bytesMax + 1);
  let length = 0;
  try {
    const fd = openSync(path, 'r');
    try {
      for (let n = -1; n !== 0 && length < buffer.length; length += n) n = readSync(fd, buffer, length, buffer.length - length, null);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new SensorError(
      codeOf(error) === 'ENOENT' ? 'file-missing' : 'file-unreadable',
      `Cannot read the ${kind.noun} ${path}`,
      codeOf(error) === 'ENOENT' ? 'there is no such file' : reasonOf(error),
      kind.nextUnread,
      error,
    );
  }
  if (length > kind.bytesMax) throw invalid(path, kind, `it is larger than ${kind.bytesMax} bytes`);
  const bytes = buffer.subarray(0, length);
  if (bytes.includes(0)) throw invalid(path, kind, 'it is no text: it holds zero bytes');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid(path, kind, 'it is no text in UTF-8');
  }
}

function invalid(path: string, kind: FileKind, why: string, details: readonly string[] = []): SensorError {
  return new SensorError(kind.code, `Cannot use the ${kind.noun} ${path}`, why, kind.next, undefined, details);
}

/** The values of a text, or its mistakes. */
export function parseYaml(text: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false, logLevel: 'error' });
  const mistakes = mistakesOfYaml(document);
  return { text, document, lines, given: mistakes.length === 0 ? plainValueOf(document, mistakes) : undefined, mistakes };
}

/** The error that tells all mistakes in their order; `path` is what it calls the file. */
export function wrongFile(file: YamlFile, path: string, kind: FileKind): SensorError {
  const mistakes = file.mistakes.toSorted((a, b) => a.offset - b.offset);
  const details = mistakes.slice(0, ERRORS_MAX).map(({ offset, text: what }) => {
    const { line, col } = file.lines.linePos(offset);
    return `${path}:${line}:${col}: ${typeof what === 'string' ? what : what()}`;
  });
  if (mistakes.length > ERRORS_MAX) details.push(`${path}: and ${mistakes.length - ERRORS_MAX} more`);
  return invalid(path, kind, mistakes.length === 1 ? 'it has a mistake' : `it has ${mistakes.length} mistakes`, details);
}

/** What the parser of YAML says, in words that repeat nothing of the file. */
function mistakesOfYaml(document: Document.Parsed): Mistake[] {
  const tooDeep = document.errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
  if (tooDeep !== undefined) return [{ offset: tooDeep.pos[0], text: 'it is nested too deeply' }];
  return document.errors.map(({ pos, code, message }) => {
    if (code === 'NON_STRING_KEY') return { offset: pos[0], text: 'a name before a colon must be text' };
    if (code === 'MULTIPLE_DOCS') return { offset: pos[0], text: 'a second document begins here; a file holds one' };
    return { offset: pos[0], text: message.replace(code === 'BAD_DQ_ESCAPE' ? / \\.*$/s : /: .*$/s, '') };
  });
}

/** The document as plain values. Names that stand twice or that nothing can have, and aliases that lead nowhere or to too much, become mistakes. */
function plainValueOf(document: Document.Parsed, mistakes: Mistake[]): unknown {
  const anchors = new Set<string>();
  let first = 0;
  try {
    visit(document, {
      Node: (_, node) => {
        const offset = node.range?.[0] ?? 0;
        if (isAlias(node)) {
          first ||= offset;
          if (!anchors.has(node.source)) mistakes.push({ offset, text: 'there is no such anchor before this alias' });
        } else if (node.anchor !== undefined) anchors.add(node.anchor);
        if (isMap(node)) mistakes.push(...wrongNames(node));
      },
    });
    if (mistakes.length === 0) return document.toJS() ?? {};
  } catch (error) {
    const text = error instanceof RangeError ? 'it is nested too deeply' : 'its aliases stand for too many values, or for themselves';
    mistakes.push({ offset: first, text });
  }
  return undefined;
}

/** The parser would compare each name with all others, which takes minutes for a file full of names. */
function wrongNames(map: YAMLMap): Mistake[] {
  const names = new Set<string>();
  return map.items.flatMap(({ key }) => {
    const name = keyOf(key);
    const isRepeated = names.has(name);
    names.add(name);
    // What stands under it would be gone without a word.
    if (name === '__proto__') return [{ offset: offsetOfNode(key), text: 'nothing can have this name' }];
    return isRepeated ? [{ offset: offsetOfNode(key), text: 'this name stands twice in its section' }] : [];
  });
}

/** Text of a file as it may be shown: nothing that moves a cursor, and not too long. */
export function shown(text: string): string {
  const clean = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > GIVEN_CHARACTERS_MAX ? `${clean.slice(0, GIVEN_CHARACTERS_MAX)}...` : clean;
}

/** A value of a file as it may be shown. */
export function shownValue(value: unknown): string {
  try {
    return shown(JSON.stringify(value) ?? 'nothing');
  } catch {
    return 'a value that cannot be shown';
  }
}

export function valueAt(given: unknown, path: Path): unknown {
  let value = given;
  for (const name of path) {
    // A single value may stand for a list of one.
    if (name !== 0 || typeof value === 'object') value = (value as Record<string | number, unknown> | undefined)?.[name];
  }
  return value;
}

/** What stands at the end of the path, through aliases. */
export function nodeAt(document: Document.Parsed, path: Path): ParsedNode | null {
  let node: unknown = document.contents;
  for (const name of path) {
    if (isAlias(node)) node = node.resolve(document);
    node = isNode(node) && 'get' in node ? node.get(name, true) : undefined;
  }
  return isNode(node) ? (node as ParsedNode) : null;
}

/** Offset of the innermost node that the path leads to. */
export function offsetOf(document: Document.Parsed, path: Path): number {
  for (let n = path.length; n >= 0; n--) {
    const node = nodeAt(document, path.slice(0, n));
    if (node?.range) return node.range[0];
  }
  return 0;
}

/** Offset of character `at` of the text that the path leads to; the beginning of what stands there when it is none. */
export function offsetInside({ document, text }: YamlFile, path: Path, at: number): number {
  const node = nodeAt(document, path);
  const scalar = isAlias(node) ? node.resolve(document) : node;
  if (!isScalar(scalar) || typeof scalar.value !== 'string' || !scalar.range) return offsetOf(document, path);
  return offsetInScalar(text, scalar.range[0], scalar.type ?? 'PLAIN', scalar.value, at);
}

/** Offsets of the keys of the map that the path leads to. */
export function keyOffsets(document: Document.Parsed, path: Path): ReadonlyMap<string, number> {
  const map = nodeAt(document, path);
  return new Map(isMap(map) ? map.items.map(({ key }): [string, number] => [keyOf(key), offsetOfNode(key)]) : []);
}

function keyOf(node: unknown): string {
  return isScalar(node) ? String(node.value) : '';
}

function offsetOfNode(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}
