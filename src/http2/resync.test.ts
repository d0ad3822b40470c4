/** Where frames are found, and that they are not found in what is something else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataFrame, frame, headers, settingsFrame } from '../../test/support/http2-frames.ts';
import { Random } from '../../test/support/random.ts';
import { lawSeed } from '../../test/support/run-pipeline.ts';
import { bytes, packetRegion } from '../base/arena.ts';
import { DEFAULT_FRAME_BYTES } from './frames.ts';
import { findFrame, findFrames } from './resync.ts';

const AT = packetRegion.at;

/** Offsets in `data` that the two searches find, or -1. */
function found(data: Buffer): { known: number; unknown: number } {
  bytes.set(data, AT);
  const at = (p: number): number => (p < 0 ? -1 : p - AT);
  const end = AT + data.length;
  return { known: at(findFrame(AT, end, DEFAULT_FRAME_BYTES, new Map([[1, 1]]))), unknown: at(findFrames(AT, end, DEFAULT_FRAME_BYTES)) };
}

const get = headers(7, [[':method', 'GET']]);
const ping = frame(6, 0, 0, Buffer.alloc(8));

test('frames are found behind the rest of a lost one', () => {
  const rest = Buffer.from('the rest of a body, up to here');
  assert.deepEqual(found(Buffer.concat([rest, get, ping, settingsFrame()])), { known: 30, unknown: 30 });
  assert.deepEqual(found(Buffer.concat([rest, get, dataFrame(7, 'x', true)])), { known: 30, unknown: 30 });
  assert.deepEqual(found(get), { known: 0, unknown: 0 });
  // One frame that goes on beyond the segment is enough where HTTP/2 is known, and only where the segment begins.
  const long = dataFrame(1, 'y'.repeat(5000)).subarray(0, 1400);
  assert.deepEqual(found(long), { known: 0, unknown: -1 });
  assert.deepEqual(found(Buffer.concat([rest, long])), { known: -1, unknown: -1 });
});

test('the head of a request is known by its first fields, whatever goes on beyond the bytes at hand', () => {
  const rest = Buffer.from('the rest of a body, up to here');
  // GET, http, and a path, by their numbers in the static table.
  const block = Buffer.concat([Buffer.from([0x82, 0x86, 0x04, 5]), Buffer.from('/path'), Buffer.alloc(300, 0xbe)]);
  const cut = frame(1, 1, 7, block).subarray(0, 60);
  const priority = frame(2, 0, 5, Buffer.from([0, 0, 0, 3, 16]));
  for (const head of [cut, frame(1, 0x29, 7, Buffer.concat([Buffer.from([9, 0, 0, 0, 0, 5]), block, Buffer.alloc(9)])).subarray(0, 60)]) {
    assert.deepEqual(found(head), { known: 0, unknown: 0 });
    assert.deepEqual(found(Buffer.concat([priority, head])), { known: 0, unknown: 0 });
    assert.deepEqual(found(Buffer.concat([rest, head])), { known: 30, unknown: 30 });
  }
  assert.deepEqual(found(cut.subarray(0, 10)).unknown, -1, 'too little of it');
  const promise = frame(5, 4, 1, Buffer.concat([Buffer.from([0, 0, 0, 2]), block]));
  assert.deepEqual(found(promise.subarray(0, 50)), { known: 0, unknown: 0 });
  // An answer is not, but with data of its stream behind it.
  const answer = frame(1, 4, 7, Buffer.from([0x88, 0xbe]));
  const long = dataFrame(7, 'y'.repeat(5000)).subarray(0, 1300);
  assert.deepEqual(found(Buffer.concat([rest, answer, long])), { known: 30, unknown: 30 });
  assert.deepEqual(found(Buffer.concat([rest, answer, dataFrame(9, 'y'.repeat(5000)).subarray(0, 1300)])).unknown, -1);
});

test('data of streams that are not known are frames where HTTP/2 is known, when several end with the segment', () => {
  const rest = Buffer.from('the rest of a body, up to here');
  const data = Buffer.concat([dataFrame(21, 'a'), dataFrame(23, 'b'), dataFrame(25, 'c', true)]);
  assert.deepEqual(found(Buffer.concat([rest, data])), { known: 30, unknown: -1 });
  assert.deepEqual(found(Buffer.concat([rest, data.subarray(0, -11)])), { known: -1, unknown: -1 });
});

test('headers that no frame can have are not believed', () => {
  const wrong = [
    frame(0, 0, 0, Buffer.from('data on stream 0')),
    frame(4, 0, 3, Buffer.alloc(6)),
    frame(6, 0, 0, Buffer.alloc(7)),
    frame(8, 0, 1, Buffer.alloc(5)),
    frame(3, 1, 1, Buffer.alloc(4)),
    frame(1, 2, 1, Buffer.alloc(4)),
    frame(10, 0, 1, Buffer.alloc(4)),
    frame(0, 0, 0x80000001, Buffer.alloc(4)),
    frame(0, 0, 1, Buffer.alloc(DEFAULT_FRAME_BYTES + 1)),
  ];
  for (const data of wrong) assert.deepEqual(found(data), { known: -1, unknown: -1 }, data.subarray(0, 9).toString('hex'));
});

test('nothing is found in zeros, text and noise', () => {
  const random = new Random(lawSeed());
  assert.equal(found(Buffer.alloc(1400)).unknown, -1);
  assert.equal(found(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(40))).unknown, -1);
  for (let i = 0; i < 300; i++) {
    const noise = Buffer.alloc(1400);
    for (let p = 0; p < noise.length; p++) noise[p] = random.bits() >>> 24;
    assert.equal(found(noise).unknown, -1);
    // Little numbers, as binary protocols have them.
    for (let p = 0; p < noise.length; p++) noise[p] = random.chance(0.6) ? 0 : random.integer(0, 255);
    assert.equal(found(noise).unknown, -1, noise.toString('hex'));
  }
});
