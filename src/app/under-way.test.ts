import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnderWay } from './under-way.ts';

test('what is sent and not taken is bounded; both ends see the same', () => {
  const shared = new SharedArrayBuffer(4);
  const worker = new UnderWay(shared, 100);
  const main = new UnderWay(shared, 100);
  assert.equal(worker.send(60), true);
  assert.equal(worker.send(41), false);
  assert.equal(worker.send(40), true, 'what was refused takes no room');
  assert.equal(worker.send(1), false);
  main.take(60);
  assert.equal(worker.send(60), true);
  main.take(40);
  main.take(60);
  assert.equal(worker.send(100), true, 'nothing is left over');
});
