/** `earshot config` as an operator meets it: the program as a child process, with real files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { exampleDelivery } from '../../src/app/default-configuration.ts';
import { loadSettings, parseSettings } from '../../src/base/config.ts';
import { defaultSettings } from '../../src/base/settings.ts';
import { memberSettings, settingsTable } from '../../src/base/settings-table.ts';
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
    `earshot: Cannot use the configuration ${path}: it has 3 mistakes. See docs/settings.md for every setting with its limits. [config-invalid]`,
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
  assert.match(bad.err, /: 2 of its settings cannot be used\. Mend each of them; docs\/configuration\.md says how\./);
  assert.match(bad.err, /\n {2}metrics\.otlpHeaders\.X-Key: .*environment EARSHOT_TEST_KEY: the variable is not set\n/);
  assert.match(bad.err, /\n {2}metrics\.otlpHeaders\.X-More: .*file \/nowhere\/at\/all: there is no such file\n/);
  assert.doesNotMatch(bad.err, /hunter/);
});

test('check: a pipeline that names no sinks goes to all of them', () => {
  const filters = file('filters.yaml', 'otherwise: exclude\n');
  const path = file('pipeline.yaml', `capture: { interfaces: [lo] }\npipelines: { shop: { filtersSimpleFile: ${filters} } }\n`);
  const { code, out, err } = earshot(['config', 'check', path]);
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /, pipelines\.shop to all sinks\n$/);
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

test('check: credentials that would go unencrypted are a warning', () => {
  const secret = file('bus-password', 'hunter2\n');
  chmodSync(secret, 0o600);
  const bus = (broker: string): string =>
    `capture: { interfaces: [lo] }\nsinks: { bus: { type: kafka, brokers: ['${broker}'], topic: t, useTls: false, sasl: { mechanism: plain, user: u, password: { file: ${secret} } } } }\n`;
  const away = earshot(['config', 'check', file('open.yaml', bus('b.example.com:9092'))]);
  assert.equal(away.code, 0, away.err);
  assert.equal(away.err, 'earshot: warning: sinks.bus: credentials and calls go unencrypted to b.example.com:9092.\n');
  const here = earshot(['config', 'check', file('open.yaml', bus('127.0.0.1:9092'))]);
  assert.deepEqual([here.code, here.err], [0, '']);
});

test('check: a file that is not there, a folder, and no file at all', () => {
  assert.match(
    earshot(['config', 'check', '/nowhere.yaml']).err,
    /there is no such file[.] Name a file in YAML or JSON: earshot config check FILE[.] [[]file-missing\]/,
  );
  assert.match(earshot(['config', 'check']).err, /missing required argument 'file'[.] See earshot config check --help[.]/);
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
  for (const { name: map, type, settings } of memberSettings()) {
    const from = words.indexOf(type === '' ? 'Each has:' : `With type: ${type} `);
    assert.ok(from > 0, type);
    for (const { name, meaning } of settings) {
      assert.ok(meaning.length > 10, name);
      if (name !== `${map}.type`) assert.ok(words.indexOf(` ${name.slice(map.length + 1)}: `, from) > 0, name);
    }
  }
  for (const line of out.split('\n')) assert.ok(line.length <= 120, line);
  assert.equal(earshot(['config', 'check', path]).out, `valid: ${path}; nothing differs from the defaults\n`);
});

test('print-default: its example of pipelines and sinks can be used', () => {
  const { out } = earshot(['config', 'print-default']);
  const lines = out.split('\n');
  const from = lines.indexOf('# pipelines:');
  const to = lines.findIndex((line, i) => i > from && !line.startsWith('# '));
  const text = lines.slice(from, to).map((line) => `${line.slice(2)}\n`);
  assert.equal(text.join(''), exampleDelivery);
  const { pipelines, sinks } = parseSettings(exampleDelivery, 'example');
  assert.deepEqual(Object.keys(pipelines), ['everything', 'api']);
  assert.deepEqual(
    Object.values(sinks).map(({ type }) => type),
    ['uap-edge', 'kafka'],
  );
});

test('check: what sinks, pipelines, masking and spool name is read, and every fault is told', () => {
  const secret = file('edge-secret', 'hunter2\n');
  chmodSync(secret, 0o600);
  const text = `capture: { interfaces: [lo] }
policy: { maskingFile: ${file('masking.yaml', 'rules: [{ name: x, pattern: "(" }]\n')}, maskingKey: { environment: EARSHOT_TEST_NONE } }
pipelines:
  all: { sinks: [edge] }
  some: { filtersSimpleFile: ${file('filters.yaml', 'rules: [{ name: x, action: exclude, metod: GET }]\n')}, sinks: [edge] }
  more: { filtersAdvancedFile: /nowhere/filters.yaml, sinks: [edge] }
sinks:
  edge:
    type: uap-edge
    url: https://edge.example.com/calls
    auth: { type: oauth2, tokenUrl: https://auth.example.com/, clientId: a, clientSecret: { file: /nowhere/secret } }
    tls: { caFile: ${file('empty.pem', '')} }
  bus: { type: kafka, brokers: ['b:9093'], topic: t, sasl: { mechanism: plain, user: u, password: { file: ${secret} } } }
spool: { encryptionKey: { file: ${secret} } }
`;
  const { code, out, err } = earshot(['config', 'check', file('faulty.yaml', text)]);
  assert.equal(code, 2);
  assert.equal(out, '');
  for (const wanted of [
    /: 4 of its settings cannot be used\./,
    /\n {2}sinks\.edge\.auth\.clientSecret: .*file \/nowhere\/secret: there is no such file\n/,
    /\n {2}sinks\.edge\.tls: .*empty\.pem/,
    /\n {2}spool: Cannot use the key of spool\.encryptionKey .*it is not 32 bytes/,
    /\n {2}policy: Cannot use the rules: 4 of their files cannot be used\n/,
    /filters\.yaml:1:\d+: .*metod/,
    /masking\.yaml:1:\d+: /,
    /\/nowhere\/filters\.yaml.*there is no such file/,
    /environment EARSHOT_TEST_NONE.*the variable is not set/,
  ]) {
    assert.match(err, wanted);
  }
  assert.doesNotMatch(err, /hunter/);
});

test('check: what is right is said in short, and a sink that gets nothing is a warning', () => {
  const calls = join(folder, 'calls.jsonl');
  const text = `capture: { interfaces: [lo] }
pipelines: { all: { sinks: [out], sampling: { share: 0.5 } } }
sinks: { out: { type: file, path: ${calls} }, other: { type: file, path: /nowhere/calls.jsonl } }
spool: { directory: /var/spool/earshot }
`;
  const path = file('delivery.yaml', text);
  const { code, out, err } = earshot(['config', 'check', path]);
  assert.equal(code, 0, err);
  assert.equal(
    out,
    `valid: ${path}; differs from the defaults in: capture.interfaces [lo], pipelines.all to [out], sinks.out file, sinks.other file, spool.directory /var/spool/earshot\n`,
  );
  assert.deepEqual(err.trimEnd().split('\n'), [
    'earshot: warning: sinks.other: no pipeline names it, so it gets nothing.',
    'earshot: warning: sinks.other.path: there is no folder /nowhere now.',
  ]);
});

test('check: a header field that a sink sets itself, and a URL without a path', () => {
  const text = `capture: { interfaces: [lo] }
sinks:
  a: { type: http, url: https://a.example.com/, headers: { Content-Length: '5' } }
  b: { type: uap-edge, url: https://b.example.com/ }
`;
  const { code, err } = earshot(['config', 'check', file('fields.yaml', text)]);
  assert.equal(code, 2);
  assert.match(err, /: 2 of its settings cannot be used\./);
  assert.match(err, /\n {2}sinks\.a: .*"Content-Length" cannot be set/);
  assert.match(err, /\n {2}sinks\.b: .*no path/);
});

test('two sinks whose names have the same hash are refused by check and by run', () => {
  const text = `capture: { endpoints: ['udp://127.0.0.1:4789?encap=vxlan'] }
sinks: { file-test-1m75eoa: { type: file, path: ${join(folder, 'a')} }, file-edge-wn87b6: { type: file, path: ${join(folder, 'b')} } }
spool: { directory: ${join(folder, 'spool')} }
`;
  const path = file('equal.yaml', text);
  for (const args of [
    ['config', 'check', path],
    ['run', '--config', path],
  ]) {
    const { code, err } = earshot(args);
    assert.equal(code, 2, err);
    assert.match(err, /Cannot use the sinks file-test-1m75eoa and file-edge-wn87b6 together/);
  }
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
    parse(exampleDelivery),
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
    { sinks: { e: { type: 'htpp' } } },
    { sinks: { e: { type: 'http' } } },
    { sinks: { f: { type: 'file', path: '/x', topic: 't' } } },
    { pipelines: { p: { sampling: { share: 2 } } } },
  ]) {
    assert.equal(validate(bad), false, JSON.stringify(bad));
  }
});

test('read takes a whole configuration', () => {
  const shop = makeShop();
  const capture = join(folder, 'shop.pcap');
  writeFileSync(capture, shop.pcap);
  const path = file('whole.yaml', earshot(['config', 'print-default']).out.replace('id: "earshot"', 'id: "whole-1"'));
  const { code, out, err } = earshot(['read', capture, '--format', 'jsonl', '--unfiltered', '--config', path]);
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
