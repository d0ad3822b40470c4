import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSettings } from './config.ts';
import { SensorError } from './errors.ts';
import { defaultSettings } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-config-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'earshot.yaml');

/** The places and texts of the mistakes, without the name of the file. */
function mistakesIn(text: string): string[] {
  writeFileSync(file, text);
  try {
    loadSettings(file);
  } catch (error) {
    assert.ok(error instanceof SensorError);
    assert.equal(error.code, 'config-invalid');
    assert.match(error.next, /docs\/settings\.md/);
    return error.details.map((line) => {
      assert.ok(line.startsWith(`${file}:`), line);
      return line.slice(file.length + 1);
    });
  }
  assert.fail('it was accepted');
}

const placesIn = (text: string): string[] => mistakesIn(text).map((line) => /^\d+:\d+/.exec(line)?.[0] ?? line);

test('an empty file is the defaults', () => {
  for (const text of ['', '# nothing\n', '{}', 'http: {}\n']) {
    writeFileSync(file, text);
    assert.deepEqual(loadSettings(file), defaultSettings);
  }
});

test('what is said is taken, the rest stays', () => {
  writeFileSync(file, 'sensor:\n  id: edge-1\nhttp:\n  bodyBytes: 100\n');
  const settings = loadSettings(file);
  assert.equal(settings.sensor.id, 'edge-1');
  assert.deepEqual(settings.http, { ...defaultSettings.http, bodyBytes: 100 });
  assert.deepEqual(settings.flow, defaultSettings.flow);
});

test('JSON is YAML', () => {
  writeFileSync(file, '{"decode": {"vni": "merge", "vxlanPorts": [4789]}}');
  assert.deepEqual(loadSettings(file).decode, { ...defaultSettings.decode, vni: 'merge', vxlanPorts: [4789] });
});

test('every mistake at once, each with its line and column, in their order', () => {
  const text = ['sensor:', '  id: "not a name"', 'flow:', '  flowsMax: -1', '  idleTimeoutMs: soon', 'decode: { vni: both }', ''].join(
    '\n',
  );
  assert.deepEqual(placesIn(text), ['2:7', '4:13', '5:18', '6:16']);
});

test('a mistake says what was given', () => {
  const [line] = mistakesIn('flow:\n  flowsMax: lots\n');
  assert.match(line, /flow\.flowsMax/);
  assert.match(line, /"lots"/);
});

test('an unknown setting is named where it stands', () => {
  const lines = mistakesIn('flow:\n  idleTimeoutMs: 5\n  idelTimeoutMs: 5\nhtpp: {}\n');
  assert.deepEqual(
    lines.map((line) => line.split(': ').slice(0, 2).join(' ')),
    ['3:3 flow.idelTimeoutMs', '4:1 htpp'],
  );
});

test('an element of a list', () => {
  assert.deepEqual(placesIn('http:\n  trustedProxies:\n    - 10.0.0.0/8\n    - 10.0.0.0/99\n'), ['4:7']);
  assert.deepEqual(placesIn('decode:\n  vxlanPorts: [4789, 0, 70000]\n'), ['2:22', '2:25']);
});

test('a section that is no map, and a file that is no map', () => {
  assert.deepEqual(placesIn('http: 5\n'), ['1:7']);
  assert.deepEqual(placesIn('- a\n- b\n'), ['1:1']);
  assert.deepEqual(placesIn('just text\n'), ['1:1']);
});

test('YAML that is none, and a key that stands twice', () => {
  assert.ok(mistakesIn('http: [1, 2\n')[0].startsWith('2:1'));
  assert.equal(placesIn('http: {}\nhttp: {}\n')[0], '2:1');
});

test('a file that is not there, and one that cannot be read', () => {
  for (const [path, code] of [
    [join(folder, 'none.yaml'), 'file-missing'],
    [folder, 'file-unreadable'],
  ]) {
    assert.throws(
      () => loadSettings(path),
      (error) => error instanceof SensorError && error.code === code && error.what.includes(path),
    );
  }
});

test('a section with nothing but comments says nothing', () => {
  writeFileSync(file, 'http:\n  # bodyBytes: 5\ncapture:\n  only:\n  # ports: [80]\n  interfaces: [eth0]\n');
  assert.deepEqual(loadSettings(file), { ...defaultSettings, capture: { ...defaultSettings.capture, interfaces: ['eth0'] } });
  assert.deepEqual(placesIn('http:\n  bodyBytes:\n'), ['2:13']);
});

test('a misspelt name: which one was meant', () => {
  for (const [text, wanted] of [
    ['captrue: {}\n', 'captrue: there is no such setting. Did you mean capture?'],
    ['capture: { ring_bytes: 1 }\n', 'capture.ring_bytes: there is no such setting. Did you mean capture.ringBytes?'],
    ['capture: { only: { port: [1] } }\n', 'capture.only.port: there is no such setting. Did you mean capture.only.ports?'],
    ['interfaces: [eth0]\n', 'interfaces: there is no such setting. Did you mean capture.interfaces?'],
    ['http: { workers: 2 }\n', 'http.workers: there is no such setting. Did you mean run.workers?'],
    ['xyzzy: 1\n', 'xyzzy: there is no such setting'],
  ]) {
    assert.equal(mistakesIn(text)[0].replace(/^\d+:\d+: /, ''), wanted);
  }
});

test('what is wanted is said with its unit and limits', () => {
  for (const [text, wanted] of [
    ['capture: { ringBytes: 64MiB }', 'capture.ringBytes: wanted: a whole number (bytes), 1048576 to 251658240 (given: "64MiB")'],
    ['capture: { ringBytes: 1 }', 'capture.ringBytes: wanted: a whole number (bytes), 1048576 to 251658240 (given: 1)'],
    ['capture: { promiscuous: yes }', 'capture.promiscuous: wanted: true or false (given: "yes")'],
    ['log: { level: loud }', 'log.level: wanted: trace or debug or info or warn or error (given: "loud")'],
    ['run: { workers: 1.5 }', 'run.workers: wanted: a whole number, 0 to 64 (given: 1.5)'],
    ['run: 5', 'run: wanted: a section: names of settings, each with a colon and its value (given: 5)'],
    ['run: { statsIntervalMs: 5 }', 'run.statsIntervalMs: wanted: 0 (never), or at least 100 (given: 5)'],
    ['capture: { only: { ports: 80 } }', 'capture.only.ports: wanted: list, at most 128, each 1 to 65535 (given: 80)'],
    [
      'metrics: { otlp: "http://u:hunter2@collector/v1/metrics?key=hunter2" }',
      /^metrics\.otlp: wanted: .*\(given: "\.\.\.@collector\/v1\/metrics\?\.\.\."\)$/,
    ],
  ] as const) {
    const [mistake] = mistakesIn(text).map((line) => line.replace(/^\d+:\d+: /, ''));
    if (typeof wanted === 'string') assert.equal(mistake, wanted);
    else assert.match(mistake, wanted);
  }
});

test('interfaces, end-points, networks and addresses that are right', () => {
  writeFileSync(
    file,
    `capture:
  interfaces: [eth0, 'eni*', '*', 'a234567890.23-5', 'veth??????????*']
  endpoints: ['udp://0.0.0.0:4789?encap=vxlan', 'udp://[::]:6081?encap=geneve+vxlan']
  only: { ports: [80, 8080], networks: [10.0.0.0/8, '2001:db8::/32', 192.0.2.1] }
run: { workers: 2, affinity: [1, 3] }
control: { socket: /tmp/e.sock }
health: { listen: ':8080' }
metrics: { listen: '[::1]:9090', graphite: 'graphite:2003', statsd: '127.0.0.1:8125', otlp: 'https://c:4318/v1/metrics' }
output: { file: '-' }
`,
  );
  const settings = loadSettings(file);
  assert.equal(settings.capture.interfaces.length, 5);
  assert.deepEqual(settings.run.affinity, [1, 3]);
  assert.equal(settings.metrics.listen, '[::1]:9090');
});

test('and those that are not, each where it stands', () => {
  const text = `capture:
  interfaces:
    - a234567890123456
    - "with space"
    - ''
    - ..
    - a/b
    - eth0
    - eth0
  endpoints: ['udp://0.0.0.0:70000']
  not: { networks: [10.0.0.0/33, example.com] }
control: { socket: relative.sock }
health: { listen: '8080' }
metrics:
  statsd: ':8125'
  otlp: ftp://collector/
  prefix: a.b
`;
  const wanted = ['3:7', '4:7', '5:7', '6:7', '7:7', '9:7', '10:15', '11:21', '11:34', '12:20', '13:19', '15:11', '16:9', '17:11'];
  assert.deepEqual(placesIn(text), wanted);
});

test('settings that do not fit each other', () => {
  assert.match(
    mistakesIn('run:\n  workers: 3\n  affinity: [1, 2]\n')[0],
    /^3:13: run\.affinity: wanted: one processor for each of the 3 workers/,
  );
  assert.deepEqual(placesIn('run: { affinity: [1, 2, 1] }\n'), ['1:25']);
  assert.match(mistakesIn('output: { file: /tmp/x }\nlog: { file: /tmp/x }\n')[0], /^2:14: log\.file: wanted: another file/);
  assert.deepEqual(placesIn('metrics: { otlpHeaders: { A: { file: /a }, a: { file: /b } } }\n'), ['1:47']);
});

test('a secret is only referred to, and what stands in its place is never repeated', () => {
  writeFileSync(file, 'metrics: { otlpHeaders: { Authorization: { file: /run/secrets/t }, X-Key: { environment: KEY } } }');
  assert.deepEqual(loadSettings(file).metrics.otlpHeaders, { Authorization: { file: '/run/secrets/t' }, 'X-Key': { environment: 'KEY' } });
  const [plain] = mistakesIn('metrics:\n  otlpHeaders:\n    Authorization: Bearer hunter2\n');
  assert.match(plain, /^3:20: metrics\.otlpHeaders\.Authorization: wanted: .*\{ file: .* \{ environment: /);
  for (const value of [
    'hunter2',
    '{ value: hunter2 }',
    '{ hunter2: x }',
    '{ file: [hunter2] }',
    '{ environment: "hunter2-" }',
    '[hunter2]',
    '"Bearer \\hunter2"',
    '|hunter2\n',
    '*hunter2',
    '@hunter2',
    '}hunter2',
    '&hunter2 &hunter2 x',
    'hunter2: hunter2',
  ]) {
    for (const line of mistakesIn(`metrics:\n  otlpHeaders:\n    Authorization: ${value}\n`)) assert.doesNotMatch(line, /hunter2/, value);
    // There the name before a colon is that of a header field.
    const inPlaceOfAll = value.replace('hunter2: ', 'X-Key: ');
    for (const line of mistakesIn(`metrics:\n  otlpHeaders: ${inPlaceOfAll}\n`)) assert.doesNotMatch(line, /hunter2/, value);
  }
  const [key] = mistakesIn('metrics: { otlpHeaders: { "Authorization: Bearer hunter2": { file: x } } }\n');
  assert.match(key, /^1:27: metrics\.otlpHeaders: wanted: the name of a header field/);
  assert.doesNotMatch(key, /hunter2/);
});

test('aliases may be used', () => {
  writeFileSync(file, 'decode:\n  vxlanPorts: &ports [1, 2]\n  genevePorts: *ports\n');
  assert.deepEqual(loadSettings(file).decode.genevePorts, [1, 2]);
  assert.deepEqual(placesIn('decode:\n  vxlanPorts: &ports [1, 0]\n  genevePorts: *ports\n'), ['2:26', '2:26']);
});

test('aliases that lead nowhere, to themselves, or to a billion values', () => {
  assert.match(mistakesIn('decode:\n  vxlanPorts: *none\n')[0], /^2:15: there is no such anchor/);
  assert.ok(mistakesIn('decode: &a\n  vxlanPorts: *a\n').length > 0);
  assert.ok(mistakesIn('decode:\n  vxlanPorts: &a [1, *a]\n').length > 0);
  let bomb = 'a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n';
  for (let i = 1; i < 10; i++)
    bomb += `a${i}: &a${i} [${Array(9)
      .fill(`*a${i - 1}`)
      .join(', ')}]\n`;
  assert.match(mistakesIn(bomb)[0], /^2:10: its aliases stand for too many values/);
});

test('hostile files', () => {
  assert.match(mistakesIn(`${'['.repeat(100_000)}\n`)[0], /nested too deeply/);
  assert.ok(mistakesIn(`${'{a: '.repeat(50_000)}\n`).length > 0);
  assert.match(mistakesIn('? [a]\n: 5\n')[0], /must be text/);
  assert.ok(mistakesIn('a: 1\n---\nb: 2\n')[0].includes('second document'));
  assert.match(mistakesIn('__proto__: { polluted: 1 }\n')[0], /__proto__: there is no such setting/);
  assert.match(mistakesIn('http: { constructor: 5, toString: 5 }\n').join(' '), /constructor: there .* http\.toString: there/);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  assert.equal(mistakesIn('"a\\u001b[31m": 1\n')[0], '1:1: a?[31m: there is no such setting');
  const many = mistakesIn(Array.from({ length: 80 }, (_, i) => `x${i}: 1\n`).join(''));
  assert.equal(many.length, 51);
  assert.equal(many[50], ' and 30 more');
});

test('what is no text, or too long', () => {
  for (const [bytes, why] of [
    [Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 1]), /zero bytes/],
    [Buffer.from([0xff, 0xfe, 0xfa]), /UTF-8/],
    [Buffer.alloc(10 << 20, 0x20), /larger than 262144 bytes/],
  ] as const) {
    writeFileSync(file, bytes);
    assert.throws(
      () => loadSettings(file),
      (error) => error instanceof SensorError && error.code === 'config-invalid' && why.test(error.why),
    );
  }
  assert.throws(
    () => loadSettings('/dev/zero'),
    (error) => error instanceof SensorError && /larger/.test(error.why),
  );
  writeFileSync(file, '\ufeffsensor: { id: bom }\n');
  assert.equal(loadSettings(file).sensor.id, 'bom');
});

test('settings are fresh each time: nobody changes the defaults', () => {
  writeFileSync(file, '');
  const before = structuredClone(defaultSettings);
  const settings = loadSettings(file);
  settings.capture.interfaces.push('eth0');
  settings.metrics.otlpHeaders.A = { file: '/a' };
  assert.deepEqual(defaultSettings, before);
  assert.deepEqual(loadSettings(file), before);
});
