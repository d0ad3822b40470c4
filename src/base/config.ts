/**
 * The configuration file: YAML (JSON is YAML) by the schema of base/settings-schema.ts. All errors come at once, each
 * with file:line:column, what was given and what is wanted. What stands where a reference to a secret belongs is never
 * repeated: it could be the secret.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { type Document, isAlias, isMap, isNode, isScalar, LineCounter, type ParsedNode, parseDocument, visit, type YAMLMap } from 'yaml';
import type { z } from 'zod';
import { codeOf, reasonOf, SensorError } from './errors.ts';
import { nearest } from './nearest.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { secretSettings, settingsSchema } from './settings-schema.ts';
import { settingsTable, wantedAt } from './settings-table.ts';

const FILE_BYTES_MAX = 256 * 1024;
const ERRORS_MAX = 50;
const GIVEN_CHARACTERS_MAX = 60;

type Path = readonly (string | number)[];

interface Mistake {
  /** Place in the text, in UTF-16 units. */
  readonly offset: number;
  /** Asked for only when it is shown. */
  readonly text: string | (() => string);
}

/** The settings in the file at `path`. Throws a SensorError that lists every mistake; nothing else is changed. */
export function loadSettings(path: string): Settings {
  return parseSettings(readText(path), path);
}

/** The settings in a text; `path` is what errors call it. */
export function parseSettings(text: string, path: string): Settings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false, logLevel: 'error' });
  const mistakes = mistakesOfYaml(document);
  if (mistakes.length === 0) {
    const given = withoutEmptySections(plainValueOf(document, mistakes));
    if (mistakes.length === 0) {
      const result = settingsSchema.safeParse(given);
      if (result.success) return result.data;
      for (const issue of result.error.issues) mistakes.push(...mistakesOfIssue(document, given, issue));
    }
  }
  mistakes.sort((a, b) => a.offset - b.offset);
  const details = mistakes.slice(0, ERRORS_MAX).map(({ offset, text: what }) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}: ${typeof what === 'string' ? what : what()}`;
  });
  if (mistakes.length > ERRORS_MAX) details.push(`${path}: and ${mistakes.length - ERRORS_MAX} more`);
  throw invalid(path, mistakes.length === 1 ? 'it has a mistake' : `it has ${mistakes.length} mistakes`, details);
}

function invalid(path: string, why: string, details: readonly string[] = []): SensorError {
  const next = 'See docs/settings.md for every setting with its limits.';
  return new SensorError('config-invalid', `Cannot use the configuration ${path}`, why, next, undefined, details);
}

function readText(path: string): string {
  // One byte more than it may have, so that a device without an end is told from a long file.
  const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
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
      `Cannot read the configuration ${path}`,
      codeOf(error) === 'ENOENT' ? 'there is no such file' : reasonOf(error),
      'Name a YAML file with --config, or leave the option out for the defaults.',
      error,
    );
  }
  if (length > FILE_BYTES_MAX) throw invalid(path, `it is larger than ${FILE_BYTES_MAX} bytes`);
  const bytes = buffer.subarray(0, length);
  if (bytes.includes(0)) throw invalid(path, 'it is no text: it holds zero bytes');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid(path, 'it is no text in UTF-8');
  }
}

/** What the parser of YAML says, in words that repeat nothing of the file. */
function mistakesOfYaml(document: Document.Parsed): Mistake[] {
  const tooDeep = document.errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
  if (tooDeep !== undefined) return [{ offset: tooDeep.pos[0], text: 'it is nested too deeply' }];
  return document.errors.map(({ pos, code, message }) => {
    if (code === 'NON_STRING_KEY') return { offset: pos[0], text: 'the name of a setting must be text' };
    if (code === 'MULTIPLE_DOCS') return { offset: pos[0], text: 'a second document begins here; a configuration is one' };
    return { offset: pos[0], text: message.replace(code === 'BAD_DQ_ESCAPE' ? / \\.*$/s : /: .*$/s, '') };
  });
}

/** The document as plain values. Names that stand twice, and aliases that lead nowhere or to too much, become mistakes. */
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
        if (isMap(node)) mistakes.push(...repeatedNames(node));
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
function repeatedNames(map: YAMLMap): Mistake[] {
  const names = new Set<string>();
  return map.items.flatMap(({ key }) => {
    const name = keyOf(key);
    const isRepeated = names.has(name);
    names.add(name);
    return isRepeated ? [{ offset: offsetOfNode(key), text: 'this name stands twice in its section' }] : [];
  });
}

/** A section of which only comments are left says nothing, so it is left out. */
function withoutEmptySections(given: unknown, defaults: object = defaultSettings): unknown {
  if (!isTree(given)) return given;
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]): [string, unknown][] => {
      const own: unknown = Object.hasOwn(defaults, name) ? (defaults as Readonly<Record<string, unknown>>)[name] : undefined;
      if (!isTree(own)) return [[name, value]];
      return value === null ? [] : [[name, withoutEmptySections(value, own)]];
    }),
  );
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mistakesOfIssue(document: Document.Parsed, given: unknown, issue: z.core.$ZodIssue): Mistake[] {
  const path = issue.path as (string | number)[];
  const secret = secretSettings.find((name) => path.join('.').startsWith(name));
  const name = path.join('.') || 'the file';
  if (issue.code === 'unrecognized_keys') {
    if (secret !== undefined)
      return [{ offset: offsetOf(document, path), text: `${name}: wanted: { file: PATH } or { environment: NAME }` }];
    const offsets = keyOffsets(document, path);
    return issue.keys.map((key) => ({
      offset: offsets.get(key) ?? offsetOf(document, path),
      text: () => `${shown([...path, key].join('.'))}: there is no such setting${suggestion(path, key)}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    const at = path.slice(0, -1);
    return [
      {
        offset: keyOffsets(document, at).get(String(path.at(-1))) ?? offsetOf(document, at),
        text: `${at.join('.')}: wanted: the name of a header field before the colon`,
      },
    ];
  }
  const what = `${name}: ${messageOf(issue, path, secret !== undefined)}`;
  return [
    {
      offset: offsetOf(document, path),
      text: secret === undefined ? `${what} (given: ${givenText(valueAt(given, path), name === 'metrics.otlp')})` : what,
    },
  ];
}

function messageOf(issue: z.core.$ZodIssue, path: Path, secret: boolean): string {
  if (issue.code === 'custom' || issue.code === 'invalid_union') return issue.message;
  if (issue.code === 'too_big' && issue.origin === 'array') return `wanted: at most ${issue.maximum} values`;
  if (issue.code === 'too_big' && issue.origin === 'string') return `wanted: at most ${issue.maximum} characters`;
  if (secret && path.length > 2) return 'wanted: a path after file, a name of a variable after environment';
  return `wanted: ${wantedAt(path)}`;
}

/** ". Did you mean ...?", or nothing when no setting is near. */
function suggestion(path: Path, key: string): string {
  const prefix = path.map((name) => `${name}.`).join('');
  const names = settingsTable().map(({ name }) => name);
  const own = new Set(names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).split('.')[0]));
  const near = nearest(key, [...own]);
  if (near !== null) return `. Did you mean ${prefix}${near}?`;
  // The right name in the wrong section.
  const last = nearest(key, [...new Set(names.map((name) => name.split('.').at(-1) ?? ''))]);
  const elsewhere = names.find((name) => name.endsWith(`.${last}`));
  return elsewhere === undefined ? '' : `. Did you mean ${elsewhere}?`;
}

function shown(text: string): string {
  const clean = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > GIVEN_CHARACTERS_MAX ? `${clean.slice(0, GIVEN_CHARACTERS_MAX)}...` : clean;
}

function givenText(value: unknown, isUrl: boolean): string {
  // A URL with a password or a key in it: only what stands between them.
  const text = typeof value === 'string' && isUrl ? value.replace(/^.*@/s, '...@').replace(/[?#].*$/s, '?...') : value;
  try {
    return shown(JSON.stringify(text) ?? 'nothing');
  } catch {
    return 'a value that cannot be shown';
  }
}

function valueAt(given: unknown, path: Path): unknown {
  let value = given;
  for (const name of path) value = (value as Record<string | number, unknown> | undefined)?.[name];
  return value;
}

/** What stands at the end of the path, through aliases. */
function nodeAt(document: Document.Parsed, path: Path): ParsedNode | null {
  let node: unknown = document.contents;
  for (const name of path) {
    if (isAlias(node)) node = node.resolve(document);
    node = isNode(node) && 'get' in node ? node.get(name, true) : undefined;
  }
  return isNode(node) ? (node as ParsedNode) : null;
}

/** Offset of the innermost node that the path leads to. */
function offsetOf(document: Document.Parsed, path: Path): number {
  for (let n = path.length; n >= 0; n--) {
    const node = nodeAt(document, path.slice(0, n));
    if (node?.range) return node.range[0];
  }
  return 0;
}

/** Offsets of the keys of the map that the path leads to. */
function keyOffsets(document: Document.Parsed, path: Path): ReadonlyMap<string, number> {
  const map = nodeAt(document, path);
  return new Map(isMap(map) ? map.items.map(({ key }): [string, number] => [keyOf(key), offsetOfNode(key)]) : []);
}

function keyOf(node: unknown): string {
  return isScalar(node) ? String(node.value) : '';
}

function offsetOfNode(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}
