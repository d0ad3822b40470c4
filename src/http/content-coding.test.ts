import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { blockRegion, bytes, outputRegion } from '../base/arena.ts';
import { blockBytesUsed, resetBlocks } from '../base/blocks.ts';
import { resetWeirds, type WeirdName, weirdCount } from '../base/weird.ts';
import { contentStatus, decodeContent, resetContentCoding } from './content-coding.ts';
import { CORRUPT, DONE, INPUT_CUT, OUTPUT_FULL } from './inflate.ts';

const ROOM = 16384;
const CODING = outputRegion.at;
const TO = outputRegion.at + 4096;
const AT = outputRegion.at + (2 << 20);

beforeEach(() => {
  resetBlocks(blockRegion.end - blockRegion.at);
  resetWeirds();
  resetContentCoding();
});

/** The decoded bytes, or null for -1. Fails when a byte beside the room or of the input was changed, or a block is left. */
function decode(coding: string, body: Buffer, room = ROOM): Buffer | null {
  const codingEnd = CODING + bytes.write(coding, CODING, 'latin1');
  bytes.set(body, AT);
  bytes.fill(0xa5, TO - 8, TO);
  bytes.fill(0xa5, TO + room, TO + room + 300);
  const length = decodeContent(CODING, codingEnd, AT, AT + body.length, TO, TO + room);
  for (let i = 0; i < 8; i++) assert.equal(bytes[TO - 8 + i], 0xa5);
  for (let i = 0; i < 300; i++) assert.equal(bytes[TO + room + i], 0xa5);
  assert.ok(bytes.subarray(AT, AT + body.length).equals(body), 'the input was changed');
  assert.equal(blockBytesUsed(), 0, 'a block was kept');
  return length < 0 ? null : Buffer.from(bytes.subarray(TO, TO + length));
}

const packers: Readonly<Record<string, (data: Buffer) => Buffer>> = {
  gzip: zlib.gzipSync,
  'x-gzip': zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  zstd: zlib.zstdCompressSync,
  identity: (data) => data,
};
const codings = ['gzip', 'deflate', 'br', 'zstd'];

function json(items: number): Buffer {
  return Buffer.from(JSON.stringify(Array.from({ length: items }, (_, i) => ({ id: i * 7919, name: `item ${i}`, share: Math.sin(i) }))));
}

test('each coding alone, in any case, with identity, parameters, empty elements and white space', () => {
  const body = json(100);
  for (const coding of codings) {
    const packed = packers[coding](body);
    for (const value of [
      coding,
      coding.toUpperCase(),
      ` ${coding}\t`,
      `identity, ${coding}`,
      `${coding},identity`,
      `,${coding},,`,
      `${coding};q=1`,
    ]) {
      assert.deepEqual(decode(value, packed), body, value);
      assert.equal(contentStatus[0], DONE);
    }
  }
  assert.deepEqual(decode('x-gzip', packers.gzip(body)), body);
  assert.deepEqual(decode('deflate', zlib.deflateRawSync(body)), body);
});

test('nothing to decode', () => {
  const body = Buffer.from('plain');
  for (const value of ['identity', '', ' , ', 'Identity,identity']) assert.equal(decode(value, body), null);
  assert.equal(decode('gzip', Buffer.alloc(0)), null);
  assert.equal(weirdCount('http.coding.unknown'), 0);
});

test('several layers, taken off from the last', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('gzip', 'x-gzip', 'deflate', 'br', 'zstd', 'identity'), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 100 }),
      (list, items) => {
        const body = json(items);
        let packed = body;
        for (const coding of list) packed = packers[coding](packed);
        const got = decode(list.join(', '), packed);
        if (list.every((c) => c === 'identity')) assert.equal(got, null);
        else assert.deepEqual(got, body);
      },
    ),
    { numRuns: 200 },
  );
});

test('unknown codings and too many layers leave the bytes alone', () => {
  const cases: [string, WeirdName][] = [
    ['compress', 'http.coding.unknown'],
    ['gzip, aws-chunked', 'http.coding.unknown'],
    ['gzipp', 'http.coding.unknown'],
    ['gzi', 'http.coding.unknown'],
    ['gzip,gzip,gzip,gzip,gzip', 'http.coding.too_deep'],
  ];
  for (const [value, name] of cases) {
    resetWeirds();
    assert.equal(decode(value, zlib.gzipSync('x')), null, value);
    assert.equal(weirdCount(name), 1, value);
  }
});

test('a body that is not in its coding is left as it is', () => {
  for (const coding of codings) {
    for (const text of [
      '{"ok":true,"items":[]}',
      '<!doctype html><title>Hi</title>',
      'OK',
      'hello world, this is a plain text of some length; '.repeat(20),
    ]) {
      resetWeirds();
      assert.equal(decode(coding, Buffer.from(text)), null, `${coding}: ${text}`);
      assert.equal(weirdCount('http.coding.mislabelled'), 1);
      assert.equal(weirdCount('http.coding.corrupt'), 0);
    }
  }
});

test('a coding that is named but was not applied is passed over', () => {
  const body = json(20);
  assert.deepEqual(decode('gzip, gzip', zlib.gzipSync(body)), body);
  assert.deepEqual(decode('br, gzip', zlib.gzipSync(body)), body);
  assert.deepEqual(decode('gzip, br', zlib.gzipSync(body)), body);
  assert.equal(weirdCount('http.coding.mislabelled'), 3);
  assert.equal(decode('gzip, br', body), null);
});

test('a cut body gives its beginning', () => {
  const body = json(400);
  for (const coding of codings) {
    const packed = packers[coding](body);
    let longest = 0;
    for (let cut = 20; cut < packed.length; cut += 37) {
      const got = decode(coding, packed.subarray(0, cut), 65536);
      assert.ok(got !== null, `${coding} at ${cut}`);
      assert.deepEqual(got, body.subarray(0, got.length), `${coding} at ${cut}`);
      longest = Math.max(longest, got.length);
      if (got.length === 0 || coding === 'gzip' || coding === 'deflate') assert.equal(contentStatus[0], INPUT_CUT, `${coding} at ${cut}`);
    }
    // zstd gives whole blocks only, and this body is one.
    if (coding !== 'zstd') assert.ok(longest > body.length * 0.9, `${coding}: ${longest} of ${body.length}`);
  }
});

test('stops at the room, exactly', () => {
  const body = json(2000);
  for (const coding of codings) {
    const packed = packers[coding](body);
    for (const room of [1, 63, 64, 1000, 4096, 16384, body.length - 1, body.length]) {
      assert.deepEqual(decode(coding, packed, room), body.subarray(0, room), `${coding} ${room}`);
      assert.equal(contentStatus[0], room < body.length ? OUTPUT_FULL : DONE, `${coding} ${room}`);
    }
    assert.deepEqual(decode(coding, packed, body.length + 1), body);
  }
});

test('what lies before a fault is kept', () => {
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24));
  for (const coding of codings) {
    resetWeirds();
    const packed = packers[coding](noise);
    // Noise is stored. Behind the first half comes what no decoder takes for a block.
    const broken = Buffer.concat([packed.subarray(0, 200_000), Buffer.alloc(60_000, 0xff)]);
    const got = decode(coding, broken, 400_000);
    assert.ok(got !== null && got.length >= 131_072, `${coding}: ${got?.length}`);
    let same = 0;
    while (same < got.length && got[same] === noise[same]) same++;
    assert.ok(same >= 131_072, `${coding}: ${same}`);
    if (contentStatus[0] === CORRUPT) assert.equal(weirdCount('http.coding.corrupt'), 1);
  }
  // A block of the type that does not exist, behind a good one.
  const body = json(300);
  const good = zlib.deflateRawSync(body.subarray(0, 5000), { finishFlush: zlib.constants.Z_FULL_FLUSH });
  for (const [coding, head] of [
    ['gzip', zlib.gzipSync('').subarray(0, 10)],
    ['deflate', zlib.deflateSync('').subarray(0, 2)],
    ['deflate', Buffer.alloc(0)],
  ] as const) {
    resetWeirds();
    assert.deepEqual(decode(coding, Buffer.concat([head, good, Buffer.from([6, 1, 2, 3])]), 65536), body.subarray(0, 5000));
    assert.equal(contentStatus[0], CORRUPT);
    assert.equal(weirdCount('http.coding.corrupt'), 1);
  }
  assert.equal(
    decode('br', Buffer.concat([zlib.brotliCompressSync(json(300)).subarray(0, 900), Buffer.alloc(300, 0xff)]), 65536)
      ?.subarray(0, 2)
      .toString(),
    '[{',
  );
});

test('bombs stop at the room, in bounded time and memory', () => {
  const zeros = Buffer.alloc(10 << 20);
  for (const coding of codings) {
    const bomb = packers[coding](zeros);
    assert.ok(bomb.length < 11_000);
    const before = process.memoryUsage().rss;
    const start = process.threadCpuUsage();
    assert.deepEqual(decode(coding, bomb), Buffer.alloc(ROOM), coding);
    assert.equal(contentStatus[0], OUTPUT_FULL);
    const { user, system } = process.threadCpuUsage(start);
    assert.ok(user + system < 1_000_000, `${coding} took too long`);
    assert.ok(process.memoryUsage().rss - before < 100 << 20, `${coding} took too much memory`);
  }
  // A bomb in a bomb.
  let nested = zlib.gzipSync(zeros, { level: 9 });
  nested = zlib.gzipSync(nested, { level: 9 });
  assert.deepEqual(decode('gzip, gzip', nested), Buffer.alloc(ROOM));
  const text = Buffer.from('hello '.repeat(3000));
  for (const coding of codings)
    assert.deepEqual(decode(coding, packers[coding](Buffer.concat([text, zeros]))), text.subarray(0, ROOM), coding);
});

test('a sender of many br bombs is not given the work that it asks for', () => {
  const bomb = zlib.brotliCompressSync(Buffer.concat([Buffer.from('first '), Buffer.alloc(10 << 20)]));
  let whole = 0;
  let refused = 0;
  for (let i = 0; i < 40; i++) {
    const got = decode('br', bomb, 1024);
    assert.ok(got !== null);
    assert.equal(contentStatus[0], OUTPUT_FULL);
    assert.deepEqual(got, Buffer.concat([Buffer.from('first '), Buffer.alloc(1024)]).subarray(0, got.length));
    if (got.length === 1024) whole++;
    else refused++;
  }
  assert.equal(whole, 16);
  assert.equal(refused, 24);
  assert.equal(weirdCount('http.coding.bomb'), 24);
});

test('every window of br decodes to the same bytes', () => {
  const noise = Buffer.from(Array.from({ length: 40_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24));
  const body = Buffer.concat([noise, json(3000), noise, noise, Buffer.alloc(300_000, 1), noise]);
  for (let window = 10; window <= 24; window++) {
    const packed = zlib.brotliCompressSync(body, {
      params: { [zlib.constants.BROTLI_PARAM_LGWIN]: window, [zlib.constants.BROTLI_PARAM_QUALITY]: 5 },
    });
    for (const room of [100, 65_000, 200_000, 400_000, 500_000]) {
      assert.deepEqual(decode('br', packed, room), body.subarray(0, room), `window ${window}, room ${room}`);
    }
  }
});

test('any bytes under any coding: no throw, no write outside', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(...codings, 'gzip,br', 'zstd,deflate'),
      fc.integer({ min: 0, max: 500 }),
      (data, coding, room) => {
        const got = decode(coding, Buffer.from(data), room);
        assert.ok(got === null || got.length <= room);
      },
    ),
    { numRuns: 500 },
  );
});

test('faults anywhere in good data: no throw, no write outside', () => {
  fc.assert(
    fc.property(fc.constantFrom(...codings), fc.nat(), fc.integer({ min: 1, max: 255 }), (coding, at, flip) => {
      const packed = packers[coding](json(60));
      packed[at % packed.length] ^= flip;
      decode(coding, packed, 4096);
    }),
    { numRuns: 300 },
  );
});
