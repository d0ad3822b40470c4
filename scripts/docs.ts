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

/** Settings that bound something without a weird of their own: what happens there, and what counts it. */
const boundsWithoutWeird: Readonly<Record<string, readonly [happens: string, counted: string]>> = {
  'flow.idleTimeoutMs': ['The connection is closed; calls under way are reported with cause `idle-timeout`.', 'calls by cause'],
  'flow.halfOpenTimeoutMs': ['The connection is forgotten. It carried no data, so nothing is lost.', ''],
  'flow.closedLingerMs': ['The row is free again; what still comes starts a connection of its own.', '`flow.tcp.midstream`'],
  'flow.holeWaitMs': ['The hole becomes a gap, and what waits behind it is handed on.', '`flow.tcp.gap`'],
  'flow.ackedHoleWaitMs': ['The same.', '`flow.tcp.gap`'],
  'flow.fragmentTimeoutMs': ['The fragments are dropped.', '`flow.fragment.timeout`'],
  'http.bodyBytes': ['The rest of the body is counted and not kept: `bytes` is the true length, `cut` is set. [cut-body]', 'each record'],
  'normalise.duplicateWindowMs': ['A copy that comes later is a call of its own.', ''],
};

/** Bounds that are constants of the code: what, how much, what happens there. */
const fixedBounds: readonly (readonly [what: string, bound: string, happens: string])[] = [
  ['a packet or block of a capture file', '256 MiB', 'reading the file stops: `capture.pcap.bad_length`, `capture.pcapng.bad_block`'],
  [
    'a packet that is looked at',
    '16 MiB, divided by the files that are read at the same time',
    'it is skipped: `capture.packet.too_long` [drop]',
  ],
  ['interfaces of all captures', '65,536', '`limit.capture.interfaces` [refuse-new]'],
  ['an IP packet in fragments', '65,535 bytes', 'the fragment beyond that is dropped: `flow.fragment.too_large` [drop]'],
  ['disjoint parts of one such packet', '4,096', 'the packet is given up: `limit.flow.fragments` [drop]'],
  ['fragments inside fragments', '8', 'the rest is dropped, counted as `packets.dropped{fragment}`'],
  ['held pieces of all connections', '262,143', 'the piece is dropped: `payload.discarded{no-room}` [drop]'],
  ['a sequence number beside its stream', '1 GiB', 'the segment is ignored: `flow.tcp.outside_window`'],
  ['an acknowledgement beyond the data', '64 MiB', 'it is ignored: `flow.tcp.ack_impossible`'],
  ['a reset beyond the data', '1 MiB', 'it is ignored: `flow.tcp.bad_rst`'],
  ['one block of the arena', '1 MiB', '`limit.memory.block_bytes`'],
  ['trailers of one message', '16 KiB', 'the call gets the cause `cut-at-limit`'],
  ['content-codings over each other', '4', 'the body is kept as it is: `http.coding.too_deep`'],
  [
    'output of one decoding step',
    'the bytes to be kept',
    'decoding stops there; what br and zstd need more is bounded: `http.coding.bomb`',
  ],
  ['a ClientHello', 'one TLS record', 'what stands in a second record (server name, ALPN) is not read'],
  ['names of TLS servers', '4,096', 'later ones are not listed in the summary'],
  ['hosts, methods, statuses, ports and tunnels in a summary', '20,000 each', 'later ones are added up as `(more)`'],
];

/** Every setting by its whole name. */
function settingsByName(prefix: string, node: SchemaNode): [string, SchemaNode][] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]): [string, SchemaNode][] =>
    child.properties === undefined ? [[`${prefix}${name}`, child]] : settingsByName(`${prefix}${name}.`, child),
  );
}

/** "65536 bytes" */
function amountOf(name: string, node: SchemaNode): string {
  const unit = unitOf(name, node);
  return `${Number(node.default).toLocaleString('en')}${unit === 'count' ? '' : ` ${unit}`}`;
}

function limitsPage(): string {
  const settings = settingsByName('', settingsJsonSchema as SchemaNode);
  const named = new Set<string>();
  const limits = weirds.filter((w) => w.name.startsWith('limit.'));
  const rows = limits.map((w) => {
    const own = settings.filter(([name]) => w.meaning.includes(name));
    for (const [name] of own) named.add(name);
    const [, what, behaviour] = /^(.*) \[([a-z-]+)\]$/.exec(w.meaning) ?? ['', w.meaning, ''];
    return [
      own.map(([name]) => code(name)).join(', ') || 'fixed',
      own.map(([name, node]) => amountOf(name, node)).join(', '),
      code(w.name),
      what,
      code(behaviour),
    ];
  });
  const others = settings.filter(([name, node]) => node.type === 'integer' && !named.has(name));
  const missing = others.filter(([name]) => boundsWithoutWeird[name] === undefined).map(([name]) => name);
  const extra = Object.keys(boundsWithoutWeird).filter((name) => !others.some(([other]) => other === name));
  if (missing.length + extra.length > 0) throw new Error(`boundsWithoutWeird: missing ${missing.join(', ')}; too many ${extra.join(', ')}`);
  let text = page(
    'Limits',
    'scripts/docs.ts, src/base/weird.ts and src/base/settings.ts',
    'Everything has a limit, so that no traffic can make Earshot grow without end. Reaching one is counted and never stops\n' +
      'the sensor. The summary of `earshot read` shows the counters; [settings.md](settings.md) says what a setting may be.',
  );
  text += '\n## Limits that are counted by name\n\n';
  text += table(['setting', 'default', 'counter (weird)', 'when', 'behaviour'], rows);
  text += '\n| behaviour | what happens |\n| --- | --- |\n';
  for (const [name, happens] of behaviours) text += row(code(name), happens);
  text += '\n## Other settings that bound something\n\n';
  text += table(
    ['setting', 'default', 'what it bounds', 'what happens there', 'seen in'],
    others.map(([name, node]) => [code(name), amountOf(name, node), node.description ?? '', ...boundsWithoutWeird[name]]),
  );
  text += '\n## Bounds that cannot be set\n\n';
  text += table(
    ['what', 'bound', 'what happens there'],
    fixedBounds.map((bound) => [...bound]),
  );
  return text;
}

const behaviours: readonly (readonly [string, string])[] = [
  ['drop', 'The packet is left out, and counted with its reason.'],
  ['drop-oldest', 'What is oldest makes room, and is reported as it stands.'],
  ['refuse-new', 'What is known goes on; what is new is left out or named "other".'],
  ['declare-gap', 'The hole is given up and becomes a gap; the stream goes on behind it.'],
  ['cut-body', 'Less of a body is kept; its length is counted all the same.'],
  ['cut-head', 'The first part of the head is reported, and the call names the limit among its weirds.'],
  ['stop-flow', 'The connection is left alone from there on; its bytes are counted.'],
];

function schemaFile(title: string, schema: object): string {
  const { $schema, ...rest } = schema as { $schema?: string };
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`;
}

const files: Readonly<Record<string, () => string>> = {
  'docs/weirds.md': weirdsPage,
  'docs/errors.md': errorsPage,
  'docs/settings.md': settingsPage,
  'docs/limits.md': limitsPage,
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
