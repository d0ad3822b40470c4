import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatedProblem } from './delivery-state.ts';
import { Gate } from './gate.ts';

function problem(code: string): DatedProblem {
  return { code, what: '', next: '', atMs: 0 };
}

function open(): Gate {
  return new Gate(() => 0.5);
}

test('what was sent before the failure and gets through later opens nothing', () => {
  const gate = open();
  gate.failed(problem('server-error'), 1, 0, 100, 200);
  const { holdUntilMs } = gate;
  assert.ok(holdUntilMs > 200);
  gate.gotThrough(150);
  gate.delivered(200);
  assert.equal(gate.holdUntilMs, holdUntilMs);
  assert.equal(gate.isProbing, true);
  gate.delivered(201);
  assert.equal(gate.isProbing, false);
  gate.block(problem('token-refused'), false, 300, 400);
  assert.equal(gate.delivered(350), false);
  assert.equal(gate.blocked?.code, 'token-refused');
  assert.equal(gate.delivered(450), true);
  assert.equal(gate.blocked, null);
});

test('the time that the receiver asked for ends by itself, or when somebody says so; never because something got through', () => {
  const gate = open();
  assert.equal(gate.failed(problem('too-many-requests'), 1, 60_000, 0, 100), 60_350);
  gate.delivered(200);
  assert.equal(gate.isProbing, false);
  assert.equal(gate.holdUntilMs, 60_350);
  gate.putOff(1, 90_000, 300);
  assert.equal(gate.isProbing, false);
  assert.equal(gate.holdUntilMs, 90_550);
  gate.unblock();
  assert.equal(gate.holdUntilMs, Number.NEGATIVE_INFINITY);
});

test('a sink that is blocked, and then cannot be reached: that is what is shown', () => {
  const gate = open();
  gate.block(problem('token-refused'), false, 0, 100);
  gate.failed(problem('connection-refused'), 2, 0, 30_100, 30_200);
  assert.equal(gate.blocked?.code, 'connection-refused');
  gate.failed(null, 3, 0, 31_000, 31_100);
  assert.equal(gate.blocked?.code, 'connection-refused');
});
