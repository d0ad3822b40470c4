/**
 * The configuration file: YAML (JSON is YAML) by the schema of base/settings-schema.ts. All errors come at once, each
 * with file:line:column, what was given and what is wanted. What stands where a reference to a secret belongs is never
 * repeated: it could be the secret.
 */
import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { secretSettings, settingsSchema } from './settings-schema.ts';
import { settingsTable, wantedAt } from './settings-table.ts';
import {
  type FileKind,
  keyOffsets,
  type Mistake,
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

function givenText(value: unknown, isUrl: boolean): string {
  // A URL with a password or a key in it: only what stands between them.
  return shownValue(typeof value === 'string' && isUrl ? value.replace(/^.*@/s, '...@').replace(/[?#].*$/s, '?...') : value);
}
