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

test('a sink that nothing can be called does not vanish without a word', () => {
  assert.deepEqual(mistakesIn('sinks:\n  __proto__: { type: file, path: /tmp/x }\n'), ['2:3: nothing can have this name']);
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
    ['http: { streamsMax: 0 }', 'http.streamsMax: wanted: a whole number, 1 to 65536 (given: 0)'],
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
  assert.match(
    mistakesIn("output: { file: '-' }\nsinks: { pipe: { type: stdout } }\n")[0],
    /^2:24: sinks\.pipe\.type: wanted: one who writes to standard output; output\.file does so already/,
  );
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
  assert.match(mistakesIn('__proto__: { polluted: 1 }\n')[0], /^1:1: nothing can have this name/);
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

/** The first mistake, without its place. */
const mistakeIn = (text: string): string => mistakesIn(text)[0].replace(/^\d+:\d+: /, '');

test('a sink: its type, what it must have, and where', () => {
  assert.equal(mistakeIn('sinks: { e: { type: htpp } }\n'), 'sinks.e.type: wanted: uap-edge, http, kafka, file or stdout (given: "htpp")');
  assert.equal(mistakeIn('sinks: { e: {} }\n'), 'sinks.e.type: it is missing; wanted: uap-edge, http, kafka, file or stdout');
  assert.match(mistakesIn('sinks:\n  e:\n    type: http\n    http2: false\n')[0], /^3:5: sinks\.e\.url: it is missing; wanted: an http:/);
  const kafka = mistakesIn('sinks:\n  a: { type: stdout }\n  k:\n    type: kafka\n    brokers: []\n');
  assert.deepEqual(
    kafka.map((line) => line.replace(/wanted: (\S+).*/, '$1')),
    ['4:5: sinks.k.topic: it is missing; 1', '5:14: sinks.k.brokers: at'],
  );
  const auth = 'sinks:\n  e:\n    type: uap-edge\n    url: https://edge.example.com/\n    auth:\n      type: ';
  assert.match(
    mistakesIn(`${auth}oauth2\n      clientId: a\n      tokenUrl: https://a/\n`)[0],
    /^6:7: sinks\.e\.auth\.clientSecret: it is missing; wanted: /,
  );
  assert.match(mistakeIn(`${auth}jwt\n`), /^sinks\.e\.auth\.type: wanted: none, token, basic or oauth2/);
  assert.match(
    mistakeIn('sinks: { k: { type: kafka, brokers: ["b:1"], topic: t, sasl: { mechanism: gssapi } } }\n'),
    /wanted: none, plain, scram-sha-256, .* or aws-msk-iam/,
  );
  assert.match(
    mistakeIn('sinks: { "a b": { type: stdout } }\n'),
    /^sinks: wanted: a name of 1 to 64 letters, .*, before the colon$|^sinks: wanted: a name of 1 to 64 .* before the colon$/,
  );
});

test('what is wanted of a sink is what its type wants', () => {
  assert.match(
    mistakeIn('sinks: { k: { type: kafka, brokers: ["b:1"], topic: t, format: text } }\n'),
    /^sinks\.k\.format: wanted: jsonl or uap-edge or zeek-http/,
  );
  assert.match(
    mistakeIn('sinks: { k: { type: kafka, brokers: ["b:1"], topic: t, concurrencyMax: 65 } }\n'),
    /a whole number, 1 to 64 \(given: 65\)/,
  );
  assert.match(mistakeIn('sinks: { f: { type: file, path: /x, batch: 5 } }\n'), /^sinks\.f\.batch: wanted: a section/);
});

test('a misspelt name inside a map: what was meant of that type', () => {
  for (const [text, wanted] of [
    [
      'sinks: { f: { type: file, path: /x, rotatebytes: 5 } }',
      'sinks.f.rotatebytes: there is no such setting. Did you mean sinks.f.rotateBytes?',
    ],
    [
      'sinks: { f: { type: file, path: /x, recordsMax: 5 } }',
      'sinks.f.recordsMax: there is no such setting. Did you mean sinks.f.batch.recordsMax?',
    ],
    [
      'sinks: { f: { type: file, path: /x, batch: { agemsmax: 5 } } }',
      'sinks.f.batch.agemsmax: there is no such setting. Did you mean sinks.f.batch.ageMsMax?',
    ],
    ['sinks: { f: { type: file, path: /x, topic: t } }', 'sinks.f.topic: there is no such setting'],
    [
      'sinks: { a: { type: stdout } }\npipelines: { p: { sinks: [a], samplin: { share: 1 } } }',
      'pipelines.p.samplin: there is no such setting. Did you mean pipelines.p.sampling?',
    ],
  ]) {
    assert.equal(mistakeIn(`${text}\n`), wanted);
  }
});

test('pipelines name sinks that are there, each once; there are at most 31', () => {
  const sinks = 'sinks: { a: { type: stdout }, b: { type: file, path: /x } }\n';
  assert.equal(
    mistakeIn(`${sinks}pipelines: { p: { sinks: [a, c] } }\n`),
    'pipelines.p.sinks.1: wanted: the name of one of the sinks: a, b (given: "c")',
  );
  assert.match(mistakeIn('pipelines: { p: { sinks: [c] } }\n'), /there is none \(given: "c"\)/);
  assert.match(mistakeIn(`${sinks}pipelines: { p: { sinks: [a, a] } }\n`), /sinks\.1: wanted: every sink once/);
  const many = (n: number): string => `${sinks}pipelines:\n${Array.from({ length: n }, (_, i) => `  p${i}: { sinks: [a] }\n`).join('')}`;
  writeFileSync(file, many(31));
  assert.equal(Object.keys(loadSettings(file).pipelines).length, 31);
  assert.equal(mistakeIn(many(32)), 'pipelines: wanted: at most 31 pipelines');
});

test('a secret in the place of a reference is not repeated, wherever one belongs', () => {
  const http = (rest: string): string => `sinks: { e: { type: http, url: https://e/, ${rest} } }\n`;
  const kafka = (rest: string): string => `sinks: { k: { type: kafka, brokers: ["b:1"], topic: t, ${rest} } }\n`;
  for (const value of [
    'hunter2',
    '{ value: hunter2 }',
    '{ hunter2: x }',
    '[hunter2]',
    '{ file: [hunter2] }',
    '{ environment: "hunter2-" }',
    '"a hunter2"',
  ]) {
    for (const text of [
      http(`auth: { type: token, token: ${value} }`),
      http(`auth: { type: basic, user: u, password: ${value} }`),
      http(`auth: { type: oauth2, tokenUrl: https://t/, clientId: c, clientSecret: ${value} }`),
      http(`proxyPassword: ${value}`),
      kafka(`sasl: { mechanism: plain, user: u, password: ${value} }`),
      kafka(`sasl: { mechanism: oauthbearer, auth: { type: oauth2, tokenUrl: https://t/, clientId: c, clientSecret: ${value} } }`),
      `spool: { encryptionKey: ${value} }\n`,
      `spool: { oldEncryptionKeys: [{ file: /a }, ${value}] }\n`,
      `spool: { oldEncryptionKeys: ${value === '[hunter2]' ? 'hunter2' : value} }\n`,
      `policy: { maskingKey: ${value} }\n`,
    ]) {
      for (const line of mistakesIn(text)) assert.doesNotMatch(line, /hunter2/, text);
    }
  }
  // In the place of a section, under a wrong type, in a URL, in a header field.
  for (const text of [
    http('auth: Bearer hunter2'),
    http('auth: [{ type: token, token: hunter2 }]'),
    http('auth: { type: tokne, token: hunter2 }'),
    'sinks: { e: { type: http, url: "https://u:hunter2@e/", proxy: "https://u:hunter2@p/?hunter2" } }\n',
    http('headers: { X-Key: "hunter2\\n" }'),
    http('headers: { X-Key: [hunter2] }'),
    'sinks: { e: hunter2 }\n',
    'sinks: [hunter2]\n',
    'policy: hunter2\n',
  ]) {
    for (const line of mistakesIn(text)) assert.doesNotMatch(line, /hunter2/, text);
  }
});
