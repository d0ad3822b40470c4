import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { type FrameFault, guardFrames } from './kafka-frames.ts';

/** What the guard finds in these bytes, cut at `at`. */
function guard(bytes: Buffer, at: number): { fault: FrameFault; destroyed: boolean } {
  const found = { fault: '' as FrameFault, destroyed: false };
  const socket = Object.assign(new EventEmitter(), {
    destroy: () => {
      found.destroyed = true;
    },
  });
  guardFrames(socket as unknown as Socket, (fault) => {
    found.fault = fault;
  });
  for (const part of [bytes.subarray(0, at), bytes.subarray(at)]) if (!found.destroyed) socket.emit('data', part);
  return found;
}

function frame(length: number): Buffer {
  const bytes = Buffer.alloc(4 + length, 0x48);
  bytes.writeInt32BE(length, 0);
  return bytes;
}

const good = Buffer.concat([frame(10), frame(0), frame(1), frame(300), frame(4)]);

test('answers pass, wherever they are cut', () => {
  for (let at = 0; at <= good.length; at++) assert.deepEqual(guard(good, at), { fault: '', destroyed: false });
});

test('what is no answer is cut off, at the start and behind answers, wherever it is cut', () => {
  const cases: readonly (readonly [FrameFault, Buffer])[] = [
    ['foreign', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
    ['foreign', Buffer.from([0xff, 0xff, 0xff, 0xff, 0])],
    ['foreign', Buffer.from([0x01, 0x00, 0x00, 0x01])],
    ['tls', Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46])],
  ];
  for (const [fault, bytes] of cases) {
    for (const before of [Buffer.alloc(0), good]) {
      const whole = Buffer.concat([before, bytes]);
      for (let at = 0; at <= whole.length; at++) assert.deepEqual(guard(whole, at), { fault, destroyed: true });
    }
  }
});

test('16 MiB are an answer still', () => {
  const head = Buffer.alloc(4);
  head.writeInt32BE(16 << 20, 0);
  assert.equal(guard(head, 2).destroyed, false);
});
