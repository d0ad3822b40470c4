/** Records that were routed by one table of pipelines and come when another one holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INDEX_WORDS, maskedBatch } from '../policy/masked-call.ts';
import { ALL_PIPELINES, goesTo, routesOf, routesToSink } from '../ship/routes.ts';
import { type Routing, reroute, sinksThatLosePipelines } from './routing.ts';

function routing(pipelines: Readonly<Record<string, readonly string[]>>, sinks: readonly string[] = ['x', 'y', 'z']): Routing {
  return { number: 0, pipelines: Object.entries(pipelines).map(([name, own]) => ({ name, sinks: own })), sinks };
}

/** Lines of the batch that each sink gets, by the table that holds now. */
function delivered(words: readonly number[], from: Routing, to: Routing): Record<string, string[]> {
  const lines = words.map((_, i) => `{"n":${i}}\n`);
  const index = Int32Array.from(words.flatMap((word, i) => [lines[i].length, word]));
  const { batch, copies } = reroute(maskedBatch(Buffer.from(lines.join('')), index), from, to);
  assert.equal(batch.index.length / INDEX_WORDS, words.length + copies);
  const got: Record<string, string[]> = Object.fromEntries(to.sinks.map((sink) => [sink, []]));
  let at = 0;
  for (let i = 0; i < batch.index.length; i += INDEX_WORDS) {
    const end = at + batch.index[i];
    const line = Buffer.from(batch.bytes.subarray(at, end)).toString().trim();
    at = end;
    for (const sink of to.sinks) {
      const bits = to.pipelines.reduce((all, pipeline, bit) => (pipeline.sinks.includes(sink) ? all | (1 << bit) : all), 0);
      if (goesTo(batch.index[i + 1], routesOf(sink, bits))) got[sink].push(line);
    }
  }
  assert.equal(at, batch.bytes.length, 'lengths and lines agree');
  for (const own of Object.values(got)) own.sort();
  return got;
}

test('pipelines that change places are found again by their names', () => {
  const got = delivered([0b01, 0b10, 0b11], routing({ a: ['x'], b: ['y'] }), routing({ n: ['z'], b: ['y'], a: ['x'] }));
  assert.deepEqual(got, { x: ['{"n":0}', '{"n":2}'], y: ['{"n":1}', '{"n":2}'], z: [] });
});

test('what a pipeline that is gone had routed still goes to its sinks, once to each, and to no other', () => {
  const got = delivered([0b01, 0b10, 0b11], routing({ a: ['x', 'y'], b: ['y'] }), routing({ c: ['x', 'y', 'z'], b: ['y'] }));
  assert.deepEqual(got, { x: ['{"n":0}', '{"n":2}'], y: ['{"n":0}', '{"n":1}', '{"n":2}'], z: [] });
});

test('sinks that are gone get nothing, and a pipeline that reaches another sink now takes its records there', () => {
  const got = delivered([0b1], routing({ a: ['x', 'y'] }), routing({ a: ['y', 'z'] }, ['y', 'z']));
  assert.deepEqual(got, { y: ['{"n":0}'], z: ['{"n":0}'] });
  assert.deepEqual(delivered([0b1], routing({ a: ['x'] }), routing({ b: ['y'] }, ['y'])), { y: [] });
});

test('gap records go to everybody, and dead letters that are sent again to their sink, in every table', () => {
  const got = delivered([ALL_PIPELINES, routesToSink('y')], routing({ a: ['x'] }), routing({ b: ['x', 'y'], c: ['z'] }));
  assert.deepEqual(got, { x: ['{"n":0}'], y: ['{"n":0}', '{"n":1}'], z: ['{"n":0}'] });
});

test('the same table changes nothing, and its bytes are not copied', () => {
  const same = routing({ a: ['x'], b: ['y'] });
  const batch = maskedBatch(Buffer.from('ab'), Int32Array.from([1, 0b01, 1, 0b11]));
  const { batch: after, copies } = reroute(batch, same, { ...same, number: 1 });
  assert.deepEqual([after.bytes, [...after.index], copies], [batch.bytes, [...batch.index], 0]);
});

test('which sinks lose a pipeline: only those that stay', () => {
  const from = routing({ a: ['x', 'y'], b: ['y'] });
  const lose = (to: Routing): string[] => sinksThatLosePipelines(from, to);
  assert.deepEqual(lose(from), []);
  assert.deepEqual(lose(routing({ b: ['y'], a: ['x', 'y', 'z'], c: ['x'] })), []);
  assert.deepEqual(lose(routing({ a: ['y'], b: ['y'] })), ['x']);
  assert.deepEqual(lose(routing({ renamed: ['x', 'y'], b: ['y'] })), ['x', 'y']);
  assert.deepEqual(lose(routing({ a: ['y'], b: ['y'] }, ['y'])), []);
});
