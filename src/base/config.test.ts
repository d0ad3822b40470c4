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
