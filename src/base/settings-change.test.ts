import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from './config.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { changesBetween, describeChanges, describeValue, isLiveSetting, settingValues } from './settings-change.ts';
import { settingsTable } from './settings-table.ts';

const settings = (text: string): Settings => parseSettings(text, 'test.yaml');

test('nothing changed', () => {
  assert.deepEqual(changesBetween(defaultSettings, settings('')), { live: [], restart: [] });
  const a = settings('metrics: { otlpHeaders: { A: { file: /a }, B: { file: /b } } }');
  const b = settings('metrics: { otlpHeaders: { B: { file: /b }, A: { file: /a } } }');
  assert.deepEqual(changesBetween(a, b), { live: [], restart: [] });
  assert.equal(describeChanges([]), 'nothing');
});

test('what takes effect at once and what needs a restart, in the order of the settings', () => {
  const after = settings(
    'log: { level: debug, file: /var/log/a.log }\nrun: { workers: 2 }\ncapture: { interfaces: [eth0, eth1], only: { ports: [80] } }',
  );
  const { live, restart } = changesBetween(settings('capture: { interfaces: [eth0] }'), after);
  assert.equal(describeChanges(live), 'capture.interfaces [eth0] -> [eth0, eth1], capture.only.ports [] -> [80], log.level info -> debug');
  assert.equal(describeChanges(restart), 'run.workers 0 -> 2, log.file "" -> /var/log/a.log');
});

test('the order of a list is a change', () => {
  const { restart } = changesBetween(settings('run: { affinity: [1, 2] }'), settings('run: { affinity: [2, 1] }'));
  assert.equal(describeChanges(restart), 'run.affinity [1, 2] -> [2, 1]');
});

test('every single setting is seen when it changes', () => {
  for (const [name] of settingValues(defaultSettings)) {
    const after = structuredClone(defaultSettings);
    const path = name.split('.');
    let tree = after as unknown as Record<string, Record<string, unknown>>;
    for (const part of path.slice(0, -1)) tree = tree[part] as Record<string, Record<string, unknown>>;
    (tree as Record<string, unknown>)[path.at(-1) ?? ''] = 'other';
    const { live, restart } = changesBetween(defaultSettings, after);
    assert.deepEqual(
      [...live, ...restart].map((change) => change.name),
      [name],
    );
    assert.equal(live.length, isLiveSetting(name) ? 1 : 0);
  }
});

test('the names are those of the schema', () => {
  const names = settingsTable().map((setting) => setting.name);
  assert.deepEqual(
    settingValues(defaultSettings)
      .map(([name]) => name)
      .sort(),
    [...names].sort(),
  );
});

test('what a running sensor takes over', () => {
  assert.deepEqual(
    settingsTable()
      .filter(({ isLive }) => isLive)
      .map(({ name }) => name)
      .filter(
        (name) =>
          !/^(capture[.](interfaces|filter|only|not)|metrics[.]|log[.]level|run[.]|policy[.]|pipelines|sinks|websocket[.])/.test(name),
      ),
    [],
  );
  for (const name of ['capture.not.networks', 'log.level', 'metrics.otlpHeaders', 'run.shedding']) assert.ok(isLiveSetting(name), name);
  for (const name of [
    'metrics.listen',
    'run.workers',
    'run.affinity',
    'sensor.id',
    'log.file',
    'capture.ringBytes',
    'spool.directory',
    'spool.bytesMax',
  ]) {
    assert.ok(!isLiveSetting(name), name);
  }
});

test('secrets are shown as references', () => {
  const { live } = changesBetween(
    defaultSettings,
    settings('metrics: { otlpHeaders: { Authorization: { file: /run/secrets/t }, X-Key: { environment: KEY } } }'),
  );
  assert.equal(describeChanges(live), 'metrics.otlpHeaders {} -> {Authorization: file /run/secrets/t, X-Key: environment KEY}');
});

test('a value that could be misread is quoted, a long one cut', () => {
  assert.equal(describeValue(''), '""');
  assert.equal(describeValue('udp port 4789'), '"udp port 4789"');
  assert.equal(describeValue(['a,b', 'c']), '["a,b", c]');
  assert.equal(describeValue('a\u001bb'), '"a\\u001bb"');
  assert.ok(describeValue(Array.from({ length: 128 }, (_, i) => i + 1000)).length < 210);
});

const sinks = 'sinks: { a: { type: stdout }, b: { type: file, path: /x }, e: { type: http, url: https://e/, headers: { X-Key: k } } }\n';
const changes = (before: string, after: string): [live: string, restart: string] => {
  const { live, restart } = changesBetween(settings(before), settings(after));
  return [describeChanges(live), describeChanges(restart)];
};

test('of a pipeline its filter files and its sampling change at once', () => {
  const before = `${sinks}pipelines: { all: { sinks: [a] } }`;
  assert.deepEqual(changes(before, `${sinks}pipelines: { all: { sinks: [a], sampling: { share: 0.5 }, filtersSimpleFile: /f } }`), [
    'pipelines.all.filtersSimpleFile "" -> /f, pipelines.all.sampling.share 1 -> 0.5',
    'nothing',
  ]);
  assert.deepEqual(changes(before, `${sinks}pipelines: { all: { sinks: [a, b], sampling: { key: client } } }`), [
    'pipelines.all.sampling.key call -> client, pipelines.all.sinks [a] -> [a, b]',
    'nothing',
  ]);
});

test('pipelines that come, go or change places are seen as such', () => {
  const one = `${sinks}pipelines: { p: { sinks: [a] } }`;
  const [live, restart] = changes(one, `${sinks}pipelines: { q: { sinks: [b] } }`);
  assert.equal(restart, 'nothing');
  assert.match(live, /^pipelines\.p \{.*sinks: \[a\]\} -> nothing, pipelines\.q nothing -> \{.*sinks: \[b\]\}$/);
  const two = (names: string[]): string => `${sinks}pipelines:\n${names.map((name) => `  ${name}: { sinks: [a] }\n`).join('')}`;
  assert.deepEqual(changes(two(['p', 'q']), two(['q', 'p'])), ['pipelines [p, q] -> [q, p]', 'nothing']);
  assert.match(changes(two(['p']), two(['r', 'p']))[0], /^pipelines\.r nothing -> /);
});

test('of a sink it says what changed, and no header field', () => {
  const [live, restart] = changes(sinks, sinks.replace('path: /x', 'path: /y, rotateHours: 1').replace('k }', 'hunter2 }'));
  assert.equal(restart, 'nothing');
  assert.equal(live, 'sinks.b.path /x -> /y, sinks.b.rotateHours 24 -> 1, sinks.e.headers.X-Key (not shown)');
  const secrets = 'sinks: { e: { type: http, url: https://e/, auth: { type: token, token: { file: /a } }, headers: { X-Key: hunter2 } } }';
  assert.deepEqual(changes(secrets, secrets.replace('/a', '/b')), ['sinks.e.auth.token file /a -> file /b', 'nothing']);
  assert.doesNotMatch(changes('', secrets)[0], /hunter2/);
  assert.match(changes(secrets, '')[0], /^sinks\.e \{type: http, .*\} -> nothing$|^sinks\.e \{.*\.\.\. -> nothing$/);
});

test('masking rules and their key change at once', () => {
  assert.deepEqual(changes('', 'policy: { maskingFile: /m.yaml, maskingKey: { file: /k } }'), [
    'policy.maskingFile "" -> /m.yaml, policy.maskingKey null -> file /k',
    'nothing',
  ]);
});
