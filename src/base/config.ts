/**
 * The configuration file: YAML (JSON is YAML) by the schema of base/settings.ts. All errors come at once, each
 * with file:line:column, what was given and what is wanted.
 */
import { readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { codeOf, reasonOf, SensorError } from './errors.ts';
import type { Settings } from './settings.ts';
import { settingsSchema } from './settings-schema.ts';

const ERRORS_MAX = 50;
const GIVEN_CHARACTERS_MAX = 60;

/** The settings in the file at `path`. Throws a SensorError that lists every mistake. */
export function loadSettings(path: string): Settings {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new SensorError(
      codeOf(error) === 'ENOENT' ? 'file-missing' : 'file-unreadable',
      `Cannot read the configuration ${path}`,
      codeOf(error) === 'ENOENT' ? 'there is no such file' : reasonOf(error),
      'Name a YAML file with --config, or leave the option out for the defaults.',
      error,
    );
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const mistakes: { readonly offset: number; readonly text: string }[] = [];
  for (const { pos, message } of document.errors) mistakes.push({ offset: pos[0], text: message });
  if (mistakes.length === 0) {
    const given: unknown = document.toJS() ?? {};
    const result = settingsSchema.safeParse(given);
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      const names = issue.path as (string | number)[];
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys) {
          mistakes.push({ offset: offsetOfKey(document, names, key), text: `${[...names, key].join('.')}: there is no such setting` });
        }
      } else {
        const value = JSON.stringify(valueAt(given, names)) ?? 'nothing';
        const text = `${names.join('.') || 'the file'}: ${issue.message} (given: ${value.slice(0, GIVEN_CHARACTERS_MAX)})`;
        mistakes.push({ offset: offsetOf(document, names), text });
      }
    }
  }
  mistakes.sort((a, b) => a.offset - b.offset);
  const details = mistakes.slice(0, ERRORS_MAX).map(({ offset, text: what }) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}: ${what}`;
  });
  throw new SensorError(
    'config-invalid',
    `Cannot use the configuration ${path}`,
    mistakes.length === 1 ? 'it has a mistake' : `it has ${mistakes.length} mistakes`,
    'See docs/settings.md for every setting with its limits.',
    undefined,
    details,
  );
}

type Path = readonly (string | number)[];
type Document = ReturnType<typeof parseDocument>;

function valueAt(given: unknown, path: Path): unknown {
  let value = given;
  for (const name of path) value = (value as Record<string | number, unknown> | undefined)?.[name];
  return value;
}

/** Offset of the innermost node that the path leads to. */
function offsetOf(document: Document, path: Path): number {
  for (let n = path.length; n >= 0; n--) {
    const node = document.getIn(path.slice(0, n), true) as { range?: [number, number, number] } | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}

/** Offset of a key in the map that the path leads to. */
function offsetOfKey(document: Document, path: Path, key: string): number {
  const map = path.length === 0 ? document.contents : document.getIn(path, true);
  if (isMap(map)) {
    for (const { key: node } of map.items) if (isScalar(node) && String(node.value) === key && node.range) return node.range[0];
  }
  return offsetOf(document, path);
}
