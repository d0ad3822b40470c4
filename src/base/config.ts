/**
 * The configuration file: YAML (JSON is YAML) by the schema of base/settings-schema.ts. All errors come at once, each
 * with file:line:column, what was given and what is wanted. What stands where a reference to a secret belongs is never
 * repeated: it could be the secret.
 */
import { isAlias, isScalar } from 'yaml';
import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { settingsSchema } from './settings-schema.ts';
import { memberSettings, namesWantedAt, secretAt, settingsTable, wantedAt } from './settings-table.ts';
import {
  type FileKind,
  keyOffsets,
  type Mistake,
  nodeAt,
  offsetOf,
  type Path,
  parseYaml,
  readText,
  shown,
  shownValue,
  valueAt,
  wrongFile,
  type YamlFile,
} from './yaml-file.ts';

const configuration: FileKind = {
  code: 'config-invalid',
  noun: 'configuration',
  bytesMax: 256 * 1024,
  next: 'See docs/settings.md for every setting with its limits.',
  nextUnread: 'Name a YAML file with --config, or leave the option out for the defaults.',
};

/** The settings in the file at `path`. Throws a SensorError that lists every mistake; nothing else is changed. */
export function loadSettings(path: string): Settings {
  return parseSettings(readText(path, configuration), path);
}

/**
 * The text of one setting, whatever else is wrong in the file; "" when it does not stand there, null when that cannot be
 * told. Throws a SensorError when the file cannot be read.
 */
export function loadText(path: string, at: Path): string | null {
  const { document, mistakes, text } = parseYaml(readText(path, configuration));
  const node = nodeAt(document, at);
  const scalar = isAlias(node) ? node.resolve(document) : node;
  if (isScalar(scalar)) return typeof scalar.value === 'string' ? scalar.value : scalar.value === null ? '' : null;
  // What the parser made of a broken text may lack it.
  return node !== null || (mistakes.length > 0 && text.includes(String(at.at(-1)))) ? null : '';
}

/** The settings in a text; `path` is what errors call it. */
export function parseSettings(text: string, path: string): Settings {
  const file = parseYaml(text);
  if (file.mistakes.length === 0) {
    const given = withoutEmptySections(file.given);
    const result = settingsSchema.safeParse(given);
    if (result.success) return result.data;
    for (const issue of result.error.issues) file.mistakes.push(...mistakesOfIssue(file, given, issue));
  }
  throw wrongFile(file, path, configuration);
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

function mistakesOfIssue({ document }: YamlFile, given: unknown, issue: z.core.$ZodIssue): Mistake[] {
  const path = issue.path as (string | number)[];
  const secret = secretAt(path, given);
  const name = path.join('.') || 'the file';
  if (issue.code === 'unrecognized_keys') {
    if (secret.is) return [{ offset: offsetOf(document, path), text: `${name}: wanted: { file: PATH } or { environment: NAME }` }];
    const offsets = keyOffsets(document, path);
    return issue.keys.map((key) => ({
      offset: offsets.get(key) ?? offsetOf(document, path),
      text: () => `${shown([...path, key].join('.'))}: there is no such setting${suggestion(path, key, given)}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    const at = path.slice(0, -1);
    return [
      {
        offset: keyOffsets(document, at).get(String(path.at(-1))) ?? offsetOf(document, at),
        text: `${at.join('.')}: wanted: ${namesWantedAt(at, given)} before the colon`,
      },
    ];
  }
  const value = valueAt(given, path);
  const isMissing = value === undefined && path.length > 0;
  const what = `${shown(name)}: ${isMissing ? 'it is missing; ' : ''}${messageOf(issue, path, given, secret.is)}`;
  // Of a map that is too large nobody wants to see the beginning.
  const isShown = !secret.holds && !isMissing && !isHeader(path) && path.join() !== 'pipelines';
  return [{ offset: offsetOf(document, path), text: isShown ? `${what} (given: ${givenText(value, path)})` : what }];
}

/** Some put keys into the header fields of a sink. */
function isHeader(path: Path): boolean {
  return path[0] === 'sinks' && path[2] === 'headers';
}

function messageOf(issue: z.core.$ZodIssue, path: Path, given: unknown, isSecret: boolean): string {
  if (issue.code === 'invalid_union' && 'options' in issue) return `wanted: ${listed(issue.options as readonly unknown[])}`;
  if (issue.code === 'custom' || issue.code === 'invalid_union') return issue.message;
  if (issue.code === 'too_big' && issue.origin === 'array') return `wanted: at most ${issue.maximum} values`;
  if (issue.code === 'too_small' && issue.origin === 'array')
    return `wanted: at least ${issue.minimum} value${issue.minimum === 1 ? '' : 's'}`;
  if (issue.code === 'too_big' && issue.origin === 'string') return `wanted: at most ${issue.maximum} characters`;
  if (isSecret && (path.at(-1) === 'file' || path.at(-1) === 'environment')) {
    return 'wanted: a path after file, a name of a variable after environment';
  }
  return `wanted: ${wantedAt(path, given)}`;
}

/** "a, b or c" */
function listed(values: readonly unknown[]): string {
  return values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

/** ". Did you mean ...?", or nothing when no setting is near. */
function suggestion(path: Path, key: string, given: unknown): string {
  const prefix = path.map((name) => `${name}.`).join('');
  const names = namesBeside(path, given);
  const own = new Set(names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).split('.')[0]));
  const near = nearest(key, [...own]);
  if (near !== null) return `. Did you mean ${prefix}${near}?`;
  // The right name in the wrong section.
  const last = nearest(key, [...new Set(names.map((name) => name.split('.').at(-1) ?? ''))]);
  const elsewhere = names.find((name) => name.endsWith(`.${last}`));
  return elsewhere === undefined ? '' : `. Did you mean ${elsewhere}?`;
}

/** Names of settings that somebody may have meant there: inside a map, those of the pipeline or sink that it stands in. */
function namesBeside(path: Path, given: unknown): string[] {
  const members = memberSettings().filter(({ name }) => path.length >= 2 && name === `${path[0]}.NAME`);
  if (members.length === 0) return settingsTable().map(({ name }) => name);
  const type = (valueAt(given, path.slice(0, 2)) as { readonly type?: unknown } | null)?.type;
  const own = members.find((member) => member.type === '' || member.type === type);
  return (own?.settings ?? []).map(({ name }) => name.replace('.NAME.', () => `.${path[1]}.`));
}

const urls: readonly unknown[] = ['otlp', 'url', 'tokenUrl', 'proxy'];

function givenText(value: unknown, path: Path): string {
  const isUrl = urls.includes(path.at(-1)) || path.at(-2) === 'brokers';
  // A URL with a password or a key in it: only what stands between them.
  return shownValue(typeof value === 'string' && isUrl ? value.replace(/^.*@/s, '...@').replace(/[?#].*$/s, '?...') : value);
}
