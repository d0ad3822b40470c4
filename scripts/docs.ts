/**
 * Writes the pages and schemas that are made from tables of the code: `npm run docs`. With --check it writes
 * nothing and fails when a file on disk is not what the code says.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { errorCodes } from '../src/base/errors.ts';
import { settingsSchema } from '../src/base/settings-schema.ts';
import { weirds } from '../src/base/weird.ts';
import { apiCallSchema } from '../src/normalise/api-call.ts';
import { SCHEMA } from '../src/normalise/causes.ts';

/** The part of a JSON Schema that the settings page shows. */
interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

const settingsJsonSchema = z.toJSONSchema(settingsSchema, { io: 'input' });

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`;
}

function table(head: string[], rows: string[][]): string {
  return row(...head) + row(...head.map(() => '---')) + rows.map((cells) => row(...cells)).join('');
}

function page(title: string, source: string, introduction: string): string {
  return `# ${title}\n\n<!-- Made by \`npm run docs\` from ${source}. Edit that file, not this one. -->\n\n${introduction}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** A limit stands with the stage that it limits. */
function stageOf(name: string): string {
  return name.replace(/^limit[.]/, '').replace(/[.].*/, '');
}

function weirdsPage(): string {
  let text = page(
    'Weirds',
    'src/base/weird.ts',
    'Odd traffic is data, not an exception: each oddity has a name, is counted, and never stops the sensor. A name is\n' +
      '`<stage>.<protocol>.<condition>`. A name that begins with `limit.` says that a configured limit was reached, and its\n' +
      'meaning ends with what happens then, in brackets. The summary of `earshot read` lists those that were raised; a call\n' +
      'names its own in `weirds`. The last column has the name of the same thing in Zeek.',
  );
  for (const [stage, own] of Map.groupBy(weirds, (w) => stageOf(w.name))) {
    text += `\n## ${stage}\n\n`;
    text += table(
      ['name', 'meaning', 'what to do', 'Zeek'],
      own.map((w) => [code(w.name), w.meaning, w.next, w.zeek === undefined ? '' : code(w.zeek)]),
    );
  }
  return text;
}

function errorsPage(): string {
  return (
    page(
      'Errors',
      'src/base/errors.ts',
      'A command that cannot do what it was asked says in one line what happened, why, and what to do next. Each such error\nhas one of these codes.',
    ) +
    '\n' +
    table(
      ['code', 'meaning'],
      Object.entries(errorCodes).map(([name, meaning]) => [code(name), meaning]),
    )
  );
}

/** The unit that the name of a setting ends with. */
function unitOf(name: string, node: SchemaNode): string {
  if (name.endsWith('Ms')) return 'ms';
  if (/Bytes(Total)?(Max|Min)?$/.test(name)) return 'bytes';
  if (node.type === 'integer' || node.type === 'number') return 'count';
  return '';
}

function limitsOf(node: SchemaNode): string {
  if (node.enum !== undefined) return node.enum.map((value) => code(String(value))).join(', ');
  if (node.type === 'boolean') return '`true`, `false`';
  if (node.type === 'array')
    return `list of ${node.items?.type ?? 'values'}${node.items === undefined ? '' : `, each ${limitsOf(node.items)}`}`;
  if (node.pattern !== undefined) return code(node.pattern);
  if (node.maxLength !== undefined) return `${node.minLength ?? 0} to ${node.maxLength} characters`;
  if (node.minimum !== undefined && node.maximum !== undefined) return `${node.minimum} to ${node.maximum}`;
  if (node.minimum !== undefined) return `at least ${node.minimum}`;
  return node.type === 'string' ? 'text' : '';
}

function settingsRows(prefix: string, node: SchemaNode): string[][] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    child.properties === undefined
      ? [[code(`${prefix}${name}`), code(JSON.stringify(child.default)), unitOf(name, child), limitsOf(child), child.description ?? '']]
      : settingsRows(`${prefix}${name}.`, child),
  );
}

function settingsPage(): string {
  let text = page(
    'Settings',
    'src/base/settings.ts',
    'Every setting has a default, so a configuration names only what differs. The configuration file is YAML with these\n' +
      'names (`--config FILE`); an unknown name or a value outside its limits is an error that says where it stands.',
  );
  for (const [section, node] of Object.entries((settingsJsonSchema as SchemaNode).properties ?? {})) {
    text += `\n## ${section}\n\n`;
    text += table(['setting', 'default', 'unit', 'allowed', 'meaning'], settingsRows(`${section}.`, node));
  }
  return text;
}

function schemaFile(title: string, schema: object): string {
  const { $schema, ...rest } = schema as { $schema?: string };
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`;
}

const files: Readonly<Record<string, () => string>> = {
  'docs/weirds.md': weirdsPage,
  'docs/errors.md': errorsPage,
  'docs/settings.md': settingsPage,
  'schemas/api-call.schema.json': () => schemaFile(SCHEMA, z.toJSONSchema(apiCallSchema)),
  'schemas/settings.schema.json': () => schemaFile('Settings of Earshot', settingsJsonSchema),
};

const check = process.argv.includes('--check');
const stale: string[] = [];
for (const [file, make] of Object.entries(files)) {
  const wanted = make();
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) continue;
  stale.push(file);
  if (check) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
  console.log(`written: ${file}`);
}
if (check && stale.length > 0) {
  console.error(`Not what the code says: ${stale.join(', ')}. Run npm run docs and commit the result.`);
  process.exitCode = 1;
}
