import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import * as s from './sockets.ts';

afterEach(() => {
  s.resetSockets();
  resetWeirds();
});

test('rows are apart, keep what they hold while the table grows, and are used again', () => {
  const opened = Array.from({ length: 1000 }, () => s.openSocket(s.DEFLATE));
  for (const [i, client] of opened.entries()) {
    s.sockets[client + s.D_KEY] = i;
    s.sockets[s.serverOf(client) + s.D_KEY] = ~i;
    s.socketDoubles[(client + s.D_REMAINING) >> 1] = i * 2 ** 40;
  }
  const more = Array.from({ length: 1000 }, () => s.openSocket(s.PLAIN));
  assert.equal(new Set([...opened, ...more]).size, 2000);
  for (const [i, client] of opened.entries()) {
    assert.equal(s.sockets[client + s.D_KEY], i);
    assert.equal(s.sockets[s.serverOf(client) + s.D_KEY], ~i);
    assert.equal(s.socketDoubles[(client + s.D_REMAINING) >> 1], i * 2 ** 40);
    assert.equal(s.sockets[s.rowOf(s.serverOf(client)) + s.S_EXTENSIONS], s.DEFLATE);
    assert.equal(s.rowOf(client), s.rowOf(s.serverOf(client)));
  }
  s.releaseSocket(opened[7]);
  s.releaseSocket(opened[9]);
  const again = [s.openSocket(s.PLAIN), s.openSocket(s.PLAIN)];
  assert.deepEqual(new Set(again), new Set([opened[7], opened[9]]));
  for (const client of again) {
    assert.equal(s.sockets[client + s.D_KEY], 0);
    assert.equal(s.sockets[client + s.D_SIDE], 0);
    assert.equal(s.sockets[s.serverOf(client) + s.D_SIDE], 1);
  }
});

test('too many at a time: those beyond are refused, until one is over', () => {
  let last = 0;
  let opened = 0;
  for (let client = s.openSocket(s.PLAIN); client !== 0; client = s.openSocket(s.PLAIN)) {
    last = client;
    opened++;
  }
  assert.equal(opened, 65_535);
  assert.equal(weirdCount('limit.http.websockets'), 1);
  s.releaseSocket(last);
  assert.equal(s.openSocket(s.PLAIN), last);
});
