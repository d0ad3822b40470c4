/** `earshot config` as an operator meets it: the program as a child process, with real files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { loadSettings, parseSettings } from '../../src/base/config.ts';
import { defaultSettings } from '../../src/base/settings.ts';
import { settingsTable } from '../../src/base/settings-table.ts';
import { makeShop } from '../support/shop.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'earshot-config-command-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const LIMIT_MS = 60_000;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function earshot(args: readonly string[], environment: NodeJS.ProcessEnv = {}): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, 'src/main.ts'), ...args],
    { cwd: folder, timeout: LIMIT_MS, encoding: 'utf8', env: { ...process.env, ...environment } },
  );
  if (error !== undefined) throw error;
  return { code: status, out: stdout, err: stderr };
}

test('check: a good one is one line on standard output, with what differs', () => {
  const path = file('good.yaml', 'log: { level: debug }\ncapture: { interfaces: [lo] }\n');
  assert.deepEqual(earshot(['config', 'check', path]), {
    code: 0,
    out: `valid: ${path}; differs from the defaults in: capture.interfaces [lo], log.level debug\n`,
    err: '',
  });
});

test('check: the defaults themselves, and the warning that they listen to nothing', () => {
  const path = file('empty.yaml', '');
  const { code, out, err } = earshot(['config', 'check', path]);
  assert.equal(code, 0);
  assert.equal(out, `valid: ${path}; nothing differs from the defaults\n`);
  assert.match(err, /^earshot: warning: capture\.interfaces and capture\.endpoints are both empty/);
});

test('check: JSON is YAML', () => {
  const path = file(
    'good.json',
    '{\n\t"run": {\n\t\t"workers": 3\n\t},\n\t"capture": { "endpoints": ["udp://0.0.0.0:4789?encap=vxlan"] }\n}\n',
  );
  const { code, out, err } = earshot(['config', 'check', path]);
  assert.equal(code, 0, err);
  assert.match(out, /differs from the defaults in: capture\.endpoints \[udp:\/\/0\.0\.0\.0:4789\?encap=vxlan\], run\.workers 3\n$/);
});

test('check: all mistakes at once, with places and what was meant; exit 2, and nothing on standard output', () => {
  const path = file('bad.yaml', 'capture:\n  interfcaes: [eth0]\n  ringBytes: 1\nhealth: { listen: "80" }\n');
  const { code, out, err } = earshot(['config', 'check', path]);
  assert.equal(code, 2);
  assert.equal(out, '');
  const [head, ...lines] = err.trimEnd().split('\n');
  assert.equal(
    head,
    `earshot: Cannot use the configuration ${path}: it has 3 mistakes. See docs/settings.md for every setting with its limits.`,
  );
  assert.deepEqual(lines, [
    `  ${path}:2:3: capture.interfcaes: there is no such setting. Did you mean capture.interfaces?`,
    `  ${path}:3:14: capture.ringBytes: wanted: a whole number (bytes), 1048576 to 251658240 (given: 1)`,
    `  ${path}:4:19: health.listen: wanted: ADDRESS:PORT, as 127.0.0.1:8080, [::1]:8080 or :8080 (every address), or empty (given: "80")`,
  ]);
});

test('check: secrets that cannot be read are mistakes, all at once; the others are not shown', () => {
  const secret = file('token', 'hunter2\n');
  chmodSync(secret, 0o600);
  const text = (other: string): string =>
    `capture: { interfaces: [lo] }\nmetrics:\n  otlpHeaders:\n    Authorization: { file: ${secret} }\n    X-Key: { environment: EARSHOT_TEST_KEY }\n${other}`;
  const good = earshot(['config', 'check', file('secrets.yaml', text(''))], { EARSHOT_TEST_KEY: 'hunter3' });
  assert.equal(good.code, 0, good.err);
  assert.equal(good.err, '');
  assert.match(good.out, /metrics\.otlpHeaders \{Authorization: file .*token, X-Key: environment EARSHOT_TEST_KEY\}/);
  assert.doesNotMatch(good.out, /hunter/);
  const bad = earshot(['config', 'check', file('secrets.yaml', text('    X-More: { file: /nowhere/at/all }\n'))]);
  assert.equal(bad.code, 2);
  assert.match(bad.err, /: 2 of its settings cannot be used\./);
  assert.match(bad.err, /\n {2}metrics\.otlpHeaders\.X-Key: .*environment EARSHOT_TEST_KEY: the variable is not set\n/);
  assert.match(bad.err, /\n {2}metrics\.otlpHeaders\.X-More: .*file \/nowhere\/at\/all: there is no such file\n/);
  assert.doesNotMatch(bad.err, /hunter/);
});

test('check: a filter that the kernel would not take', () => {
  const networks = Array.from({ length: 128 }, (_, i) => `2001:db8:${i.toString(16)}:${(7 * i).toString(16)}::/64`);
  const ports = Array.from({ length: 128 }, (_, i) => 3 * i + 1);
  const long = JSON.stringify({ capture: { interfaces: ['lo'], only: { ports, networks }, not: { ports, networks } } });
  const { code, out, err } = earshot(['config', 'check', file('filter.json', long)]);
  assert.equal(code, 2);
  assert.equal(out, '');
  assert.match(err, /capture: Cannot use the capture filter: it takes \d+ instructions/);
});

test('check: an expression of tcpdump', (t) => {
  const check = (filter: string): ReturnType<typeof earshot> =>
    earshot(['config', 'check', file('expression.json', JSON.stringify({ capture: { interfaces: ['lo'], filter } }))]);
  const good = check('udp port 4789 or udp port 6081 or tcp');
  assert.equal(good.code, 0, good.err);
  if (/libpcap is not installed/.test(good.err)) {
    if (process.env.EARSHOT_TEST_REQUIRE === 'all') assert.fail('libpcap is not installed');
    t.skip('libpcap is not installed');
    return;
  }
  const blind = check('tcp port 80');
  assert.equal(blind.code, 0, blind.err);
  assert.match(blind.err, /^earshot: warning: capture\.filter lets nothing pass that comes in VXLAN/);
  const bad = check('udp prot 4789');
  assert.equal(bad.code, 2);
  assert.match(bad.err, /\n {2}capture\.filter: Cannot use the filter "udp prot 4789": libpcap says: /);
});

test('check: what may be right later is a warning', () => {
  const secret = file('open-token', 'hunter2\n');
  chmodSync(secret, 0o644);
  const path = file(
    'warnings.yaml',
    `capture: { interfaces: [lo, none0, 'none*'] }\nrun: { affinity: [1023] }\nlog: { file: /nowhere/earshot.log }\nmetrics: { otlpHeaders: { A: { file: ${secret} } } }\n`,
  );
  const { code, out, err } = earshot(['config', 'check', path]);
  assert.equal(code, 0, err);
  assert.match(out, /^valid: /);
  const warnings = err.trimEnd().split('\n');
  assert.equal(warnings.length, 4, err);
  for (const line of warnings) assert.match(line, /^earshot: warning: /);
  assert.match(err, /may read the secret in file .*open-token/);
  assert.match(err, /there is no interface none0 now/);
  assert.match(err, /run\.affinity: .*1023/);
  assert.match(err, /log\.file: there is no folder \/nowhere now/);
});

test('check: a file that is not there, a folder, and no file at all', () => {
  assert.match(earshot(['config', 'check', '/nowhere.yaml']).err, /there is no such file/);
  assert.match(earshot(['config', 'check', folder]).err, /it is a directory/);
  for (const args of [
    ['config', 'check', '/nowhere.yaml'],
    ['config', 'check', folder],
    ['config', 'check'],
    ['config'],
    ['config', 'chekc'],
  ]) {
    const { code, out } = earshot(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(out, '');
  }
});

test('print-default: every setting, each with a comment; it parses back to exactly the defaults', () => {
  const { code, out, err } = earshot(['config', 'print-default']);
  assert.equal(code, 0);
  assert.equal(err, '');
  const path = file('default.yaml', out);
  assert.deepEqual(loadSettings(path), defaultSettings);
  // Said, not left out.
  assert.deepEqual(parse(out), defaultSettings);
  const words = out.replaceAll(/\s+#\s/g, ' ').replaceAll(/\s+/g, ' ');
  for (const { name, meaning } of settingsTable()) {
    assert.ok(meaning.length > 10, name);
    assert.ok(words.includes(meaning), name);
  }
  assert.equal(out.match(/Default: /g)?.length, settingsTable().length);
  for (const line of out.split('\n')) assert.ok(line.length <= 120, line);
  assert.equal(earshot(['config', 'check', path]).out, `valid: ${path}; nothing differs from the defaults\n`);
});

test('schema: the one that is shipped, and it agrees with the check', () => {
  const { code, out } = earshot(['config', 'schema']);
  assert.equal(code, 0);
  const { $schema, ...schema } = JSON.parse(out);
  assert.match($schema, /2020-12/);
  const { title, $schema: _, ...shipped } = JSON.parse(readFileSync(join(root, 'schemas/settings.schema.json'), 'utf8'));
  assert.equal(title, 'Settings of Earshot');
  assert.deepEqual(schema, shipped);
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);
  for (const good of [
    {},
    defaultSettings,
    { capture: { interfaces: ['eni*'], only: { ports: [80] } } },
    { metrics: { otlpHeaders: { Authorization: { file: '/a' }, X: { environment: 'X' } } } },
  ]) {
    assert.ok(validate(good), JSON.stringify(validate.errors));
  }
  for (const bad of [
    { captrue: {} },
    { capture: { ringBytes: 1 } },
    { capture: { only: { ports: [0] } } },
    { log: { level: 'loud' } },
    { metrics: { otlpHeaders: { Authorization: 'Bearer x' } } },
    { metrics: { otlpHeaders: { 'a b': { file: '/a' } } } },
  ]) {
    assert.equal(validate(bad), false, JSON.stringify(bad));
  }
});

test('read takes a whole configuration', () => {
  const shop = makeShop();
  const capture = join(folder, 'shop.pcap');
  writeFileSync(capture, shop.pcap);
  const path = file('whole.yaml', earshot(['config', 'print-default']).out.replace('id: "earshot"', 'id: "whole-1"'));
  const { code, out, err } = earshot(['read', capture, '--format', 'jsonl', '--config', path]);
  assert.equal(code, 0, err);
  const ids = out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: string }).id);
  assert.equal(ids.length, shop.calls.length);
  for (const id of ids) assert.match(id, /^whole-1\b/);
});

test('the examples of the documentation can be used', () => {
  const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
  const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text]) => text);
  assert.ok(examples.length >= 5);
  for (const text of examples) assert.notDeepEqual(parseSettings(text, 'docs/configuration.md'), defaultSettings, text);
});
