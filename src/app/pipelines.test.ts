import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../base/config.ts';
import { defaultSettings } from '../base/settings.ts';
import { pipelinesOf } from './pipelines.ts';

const sinks = 'sinks:\n  disk: { type: file, path: /calls.jsonl }\n  screen: { type: stdout }\n';

function routes(text: string): string[] {
  return pipelinesOf(parseSettings(text, 'a.yaml')).map(({ name, sinks: to }) => `${name} -> ${to.join(' ')}`);
}

test('without pipelines everything goes to all sinks', () => {
  assert.deepEqual(routes(sinks), ['default -> disk screen']);
  assert.deepEqual(
    pipelinesOf(defaultSettings).map(({ name, sinks: to }) => [name, to]),
    [['default', []]],
  );
});

test('pipelines in the order of the file; one that names no sinks feeds all of them', () => {
  assert.deepEqual(routes(`${sinks}pipelines:\n  all: {}\n  some: { sinks: [screen] }\n`), ['all -> disk screen', 'some -> screen']);
});

test('a pipeline without any sink, for the direct output and for read', () => {
  assert.deepEqual(routes('pipelines: { shop: { filtersSimpleFile: /etc/filters.yaml } }\n'), ['shop -> ']);
});
