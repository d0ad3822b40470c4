import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { encodeFrame, type FrameContent, isPayloadWhole, linkFrame, openPayload, readHead, tallyOf } from './frame.ts';
import { noKeys, type SpoolKeys, spoolKeys } from './keys.ts';

const keys = spoolKeys(Buffer.alloc(32, 7));

function contentOf(lines: readonly string[], routes: readonly number[]): FrameContent {
  const records = lines.map((line) => Buffer.from(line));
  return { bytes: Buffer.concat(records), index: Int32Array.from(records.flatMap(({ length }, i) => [length, routes[i]])) };
}

const content = contentOf(['{"a":1}\n', '{"b":"a word, a word, a word, a word, a word, a word"}\n', '{}\n'], [1, 3, -2_000_000_000]);

function frameOf(compression: 'none' | 'zstd', spool: SpoolKeys, first = 5000): Buffer {
  const { head, payload } = encodeFrame(content, tallyOf(content.index), first, 1_700_000_000_123, {
    compression,
    keys: spool,
    pipelinesId: 99,
  });
  linkFrame(head, first - 7, 42);
  return Buffer.concat([head, payload]);
}

/** What a reader makes of these bytes. */
function read(bytes: Buffer, spool: SpoolKeys): FrameContent | null {
  const head = readHead(bytes, 0, bytes.length);
  if (head === null) return null;
  const headBytes = bytes.subarray(0, head.headBytes);
  const payload = bytes.subarray(head.headBytes, head.headBytes + head.payloadBytes);
  return isPayloadWhole(head, payload) ? openPayload(head, headBytes, payload, spool) : null;
}

const kinds = [
  { name: 'plain', compression: 'none', spool: noKeys },
  { name: 'compressed', compression: 'zstd', spool: noKeys },
  { name: 'compressed and encrypted', compression: 'zstd', spool: keys },
] as const;

for (const { name, compression, spool } of kinds) {
  test(`a ${name} frame gives back what was put in`, () => {
    const bytes = frameOf(compression, spool);
    const head = readHead(bytes, 0, bytes.length);
    assert.ok(head !== null);
    const { firstSequence, lastSequence, count, acceptedAtMs, previousSequence, recordsBefore, pipelinesId } = head;
    assert.deepEqual(
      { firstSequence, lastSequence, count, acceptedAtMs, previousSequence, recordsBefore, pipelinesId },
      {
        firstSequence: 5000,
        lastSequence: 5002,
        count: 3,
        acceptedAtMs: 1_700_000_000_123,
        previousSequence: 4993,
        recordsBefore: 42,
        pipelinesId: 99,
      },
    );
    assert.deepEqual([...head.tallies], [1, 1, 8, 3, 1, 55, -2_000_000_000, 1, 3]);
    const back = read(bytes, spool);
    assert.deepEqual(Buffer.from(back?.bytes ?? []), content.bytes);
    assert.deepEqual(back?.index, content.index);
  });

  test(`every truncation of a ${name} frame is noticed`, () => {
    const bytes = frameOf(compression, spool);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(read(Buffer.from(bytes.subarray(0, length)), spool), null, `cut at ${length}`);
    }
  });

  test(`every flipped bit of a ${name} frame is noticed`, () => {
    const bytes = frameOf(compression, spool);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(read(flipped, spool), null, `bit ${bit & 7} of byte ${bit >> 3}`);
    }
  });
}

test('an encrypted frame shows nothing of its records, and no two frames look the same', () => {
  const bytes = frameOf('none', keys);
  assert.ok(frameOf('none', noKeys).includes('a word'));
  assert.ok(!bytes.includes('a word'));
  assert.notDeepEqual(frameOf('none', keys), bytes);
  assert.equal(read(bytes, spoolKeys(Buffer.alloc(32, 8))), null, 'with another key it does not open');
  assert.ok(read(bytes, spoolKeys(Buffer.alloc(32, 8), [Buffer.alloc(32, 7)])) !== null, 'with that key among the old ones it does');
});

test('the head of an encrypted frame cannot be changed by somebody without the key', () => {
  const bytes = frameOf('none', keys);
  const head = readHead(bytes, 0, bytes.length);
  assert.ok(head !== null);
  // Another first sequence, and a checksum that fits.
  bytes.writeBigUInt64LE(1n, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, head.headBytes - 4)), head.headBytes - 4);
  assert.equal(readHead(bytes, 0, bytes.length)?.firstSequence, 1);
  assert.equal(read(bytes, keys), null);
});

test('a head that claims more than there may be is refused', () => {
  const bytes = frameOf('zstd', noKeys);
  const head = readHead(bytes, 0, bytes.length);
  assert.ok(head !== null);
  const refused = (change: (copy: Buffer) => void): void => {
    const copy = Buffer.from(bytes);
    change(copy);
    copy.writeUInt32LE(crc32(copy.subarray(0, head.headBytes - 4)), head.headBytes - 4);
    assert.equal(read(copy, noKeys), null);
  };
  refused((copy) => copy.writeUInt32LE(0xffffffff, 12));
  refused((copy) => copy.writeUInt32LE(0, 16));
  refused((copy) => copy.writeUInt32LE(1_000_000, 16));
  refused((copy) => copy.writeUInt8(0x80, 5));
  refused((copy) => copy.writeBigUInt64LE(2n ** 60n, 24));
  // Content that is longer than it says: nothing is unpacked beyond that.
  refused((copy) => copy.writeUInt32LE(head.contentBytes - 8, 12));
});
