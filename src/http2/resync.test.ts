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
