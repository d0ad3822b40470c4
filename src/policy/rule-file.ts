/**
 * Files of rules (filters, masking): YAML or JSON by a schema of zod. All mistakes come at once, each as
 * `file:line:column: what (given: ...)`. A mistake inside a text, as in an expression, points at the column in it, also
 * where the text stands in quotes or over several lines: see `mistakeAt`.
 *
 * Bounds: 1 MiB; as many mistakes and aliases as base/yaml-file.ts lets through.
 */
import { z } from 'zod';
import type { ErrorCode } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { type SchemaNode, schemaAt, wantedIn } from '../base/settings-table.ts';
import {
  type FileKind,
  keyOffsets,
  type Mistake,
  offsetInside,
  offsetOf,
  type Path,
  parseYaml,
  readText,
  shown,
  shownValue,
  valueAt,
  wrongFile,
  type YamlFile,
} from '../base/yaml-file.ts';

const RULE_FILE_BYTES_MAX = 1 << 20;

export interface RuleFileKind {
  /** Of a file with mistakes. */
  readonly code: ErrorCode;
  /** "masking file" */
  readonly noun: string;
  /** What to do about mistakes in it. */
  readonly next: string;
  /** Names that another file has, and what to say of each of them. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

/** What the file at `path` says; with `shipped`, that where `path` is "". Throws a SensorError that lists every mistake. */
export function readRuleFile<T>(path: string, schema: z.ZodType<T, unknown>, kind: RuleFileKind, shipped?: T): T {
  if (path === '' && shipped !== undefined) return shipped;
  return parseRuleFile(readText(path, fileKind(kind)), path, schema, kind);
}

/** The same for a text; `path` is what errors call it. */
export function parseRuleFile<T>(text: string, path: string, schema: z.ZodType<T, unknown>, kind: RuleFileKind): T {
  const file = parseYaml(text);
  if (file.mistakes.length === 0) {
    const given = withoutEmptySections(file.given);
    const result = schema.safeParse(given);
    if (result.success) return result.data;
    const wanted = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode;
    for (const issue of result.error.issues) file.mistakes.push(...mistakesOf(file, given, wanted, issue, kind));
  }
  throw wrongFile(file, path, fileKind(kind));
}

/**
 * For a check of a schema (superRefine) that looks at a text: a mistake at character `at` of it. With `path` the text is
 * not what is checked itself, but stands there in it.
 */
export function mistakeAt(context: z.core.$RefinementCtx, message: string, at: number, path: Path = []): void {
  context.addIssue({ code: 'custom', message, path: [...path], params: { at } });
}

function fileKind(kind: RuleFileKind): FileKind {
  return {
    ...kind,
    bytesMax: RULE_FILE_BYTES_MAX,
    nextUnread: 'Name a YAML or JSON file that the sensor may read, or leave it out for the rules that are shipped.',
  };
}

/** A list of which only comments are left says nothing, so it is left out. */
function withoutEmptySections(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

function mistakesOf(
  file: YamlFile,
  given: unknown,
  schema: SchemaNode,
  issue: z.core.$ZodIssue,
  { elsewhere = {} }: RuleFileKind,
): Mistake[] {
  const { document } = file;
  const path = asWritten(given, issue.path as (string | number)[]);
  const name = path.join('.') || 'the file';
  if (issue.code === 'unrecognized_keys') {
    const offsets = keyOffsets(document, path);
    const known = Object.keys(schemaAt(schema, path).properties ?? {});
    return issue.keys.map((key) => ({
      offset: offsets.get(key) ?? offsetOf(document, path),
      text: () =>
        `${shown([...path, key].join('.'))}: there is no such name here${Object.hasOwn(elsewhere, key) ? `: ${elsewhere[key]}` : suggestion(key, known)}`,
    }));
  }
  const value = valueAt(given, path);
  const text = (): string =>
    `${name}: ${messageOf(issue, schema, issue.path as Path)} (given: ${shownValue(value)})${suggestionFor(issue, value)}`;
  return [{ offset: offsetOfIssue(file, path, issue), text }];
}

/** A schema may take a single value for a list of one: then it is not in a list in the file. */
function asWritten(given: unknown, path: Path): Path {
  const list = path.slice(0, -1);
  return typeof path.at(-1) === 'number' && !Array.isArray(valueAt(given, list)) ? list : path;
}

function offsetOfIssue(file: YamlFile, path: Path, issue: z.core.$ZodIssue): number {
  const at: unknown = issue.code === 'custom' ? issue.params?.at : undefined;
  return typeof at === 'number' ? offsetInside(file, path, at) : offsetOf(file.document, path);
}

function messageOf(issue: z.core.$ZodIssue, schema: SchemaNode, path: Path): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'too_big' && issue.origin === 'array') return `wanted: at most ${issue.maximum} values`;
  if (issue.code === 'too_big' && issue.origin === 'string') return `wanted: at most ${issue.maximum} characters`;
  if (issue.code === 'too_small' && issue.origin === 'array') return `wanted: at least ${issue.minimum} values`;
  return `wanted: ${wantedIn(schema, path)}`;
}

/** Of a word out of a list, the one that was meant. */
function suggestionFor(issue: z.core.$ZodIssue, value: unknown): string {
  return issue.code === 'invalid_value' && typeof value === 'string' ? suggestion(value, issue.values.map(String)) : '';
}

function suggestion(given: string, names: readonly string[]): string {
  const near = nearest(given, names);
  return near === null ? '' : `. Did you mean ${near}?`;
}
