import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { blockRegion, bytes, outputRegion } from '../base/arena.ts';
import { CORRUPT, DEFLATE, DONE, GZIP, INPUT_CUT, inflate, inflateStatus, OUTPUT_FULL, RAW, ZLIB } from './inflate.ts';

const AT = blockRegion.at;
const TO = outputRegion.at + 64;
const ROOM = 1 << 20;

/** Inflates `input` into `room` bytes and fails when one byte beside the room was touched. */
function run(input: Buffer, wrapper: number, room = ROOM): Buffer {
  bytes.set(input, AT);
  bytes.fill(0xa5, TO - 8, TO);
  bytes.fill(0xa5, TO + room, TO + room + 300);
  // What follows the input must not be read: both fillings must give the same.
  bytes.fill(0x00, AT + input.length, AT + input.length + 32);
  const length = inflate(AT, AT + input.length, TO, TO + room, wrapper);
  const status = inflateStatus[0];
  const out = Buffer.from(bytes.subarray(TO, TO + length));
  for (let i = TO - 8; i < TO; i++) assert.equal(bytes[i], 0xa5, 'wrote before its room');
  for (let i = TO + room; i < TO + room + 300; i++) assert.equal(bytes[i], 0xa5, 'wrote beyond its room');
  assert.ok(length <= room);
  bytes.fill(0xff, AT + input.length, AT + input.length + 32);
  assert.equal(inflate(AT, AT + input.length, TO, TO + room, wrapper), length, 'read beyond its input');
  assert.equal(inflateStatus[0], status, 'read beyond its input');
  assert.ok(out.equals(bytes.subarray(TO, TO + length)));
  return out;
}

function json(seed: number, length: number): Buffer {
  let x = seed | 1;
  const next = (n: number): number => {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    return (x >>> 8) % n;
  };
  let text = '[';
  while (text.length < length) {
    text += JSON.stringify({
      id: next(1e6),
      name: `item ${next(500)}`,
      price: next(9999) / 100,
      on: next(2) === 1,
      sku: next(2 ** 24).toString(36),
    });
  }
  return Buffer.from(text.slice(0, length));
}

const bodyArbitrary = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }).map((a) => Buffer.from(a)),
  fc.record({ seed: fc.nat(), length: fc.integer({ min: 0, max: 6000 }) }).map(({ seed, length }) => json(seed, length)),
  // Few symbols and long runs: codes of one symbol, distance 1, 2 and 3.
  fc
    .array(fc.record({ piece: fc.uint8Array({ minLength: 1, maxLength: 5 }), times: fc.integer({ min: 1, max: 700 }) }), { maxLength: 6 })
    .map((parts) => Buffer.concat(parts.map(({ piece, times }) => Buffer.concat(Array.from({ length: times }, () => piece))))),
);
const optionsArbitrary = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  memLevel: fc.integer({ min: 1, max: 9 }),
  windowBits: fc.integer({ min: 9, max: 15 }),
  strategy: fc.constantFrom(
    zlib.constants.Z_DEFAULT_STRATEGY,
    zlib.constants.Z_FILTERED,
    zlib.constants.Z_HUFFMAN_ONLY,
    zlib.constants.Z_RLE,
    zlib.constants.Z_FIXED,
  ),
});
const wrappers: readonly {
  wrapper: number;
  pack: (data: Buffer, options: zlib.ZlibOptions) => Buffer;
  unpack: (data: Buffer, options: zlib.ZlibOptions) => Buffer;
}[] = [
  { wrapper: RAW, pack: zlib.deflateRawSync, unpack: zlib.inflateRawSync },
  { wrapper: ZLIB, pack: zlib.deflateSync, unpack: zlib.inflateSync },
  { wrapper: GZIP, pack: zlib.gzipSync, unpack: zlib.gunzipSync },
];

test('gives what went into zlib, for every wrapper, level, strategy, window and memory level', () => {
  fc.assert(
    fc.property(bodyArbitrary, optionsArbitrary, fc.constantFrom(...wrappers), (body, options, { wrapper, pack }) => {
      const packed = pack(body, options);
      assert.ok(run(packed, wrapper).equals(body));
      assert.equal(inflateStatus[0], DONE);
      assert.ok(run(packed, DEFLATE).equals(body));
      assert.equal(inflateStatus[0], DONE);
    }),
    { numRuns: 300 },
  );
});

test('stored, fixed and dynamic blocks in one stream, and empty ones', () => {
  const parts: Buffer[] = [];
  const body = json(3, 5000);
  let packed = Buffer.alloc(0);
  for (const [i, options] of [{ level: 0 }, { strategy: zlib.constants.Z_FIXED }, { level: 9 }, {}, { level: 0 }].entries()) {
    const piece = i === 3 ? Buffer.alloc(0) : body.subarray(i * 1000, i * 1000 + 1000);
    parts.push(piece);
    // Z_FULL_FLUSH ends at a byte without a last block, so that the streams can be joined.
    packed = Buffer.concat([packed, zlib.deflateRawSync(piece, { ...options, finishFlush: zlib.constants.Z_FULL_FLUSH })]);
  }
  packed = Buffer.concat([packed, Buffer.from([3, 0])]);
  assert.ok(run(packed, RAW).equals(Buffer.concat(parts)));
  assert.equal(inflateStatus[0], DONE);
});

test('a window of 32 KiB is reached back to, and no byte more', () => {
  const noise = Buffer.from(Array.from({ length: 32768 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24));
  const body = Buffer.concat([noise, noise.subarray(0, 300)]);
  assert.ok(run(zlib.deflateRawSync(body, { level: 9 }), RAW).equals(body));
  // Fixed block: literal 'a' (8 bits), length 3 (code 257, 7 bits), distance 2 (code 1): one byte further than there is.
  // bits: 1 | 10 | 10010001 | 0000001 | 00001 -> low bit first in bytes
  const bits = ['1', '10', '10010001', '0000001', '00001', '0000000'].join('');
  const bad = Buffer.alloc(Math.ceil(bits.length / 8));
  for (let i = 0; i < bits.length; i++) if (bits[i] === '1') bad[i >> 3] |= 1 << (i & 7);
  assert.throws(() => zlib.inflateRawSync(bad), /too far back/);
  assert.equal(run(bad, RAW).toString('latin1'), 'a');
  assert.equal(inflateStatus[0], CORRUPT);
});

test('every truncation gives what zlib gives of it', () => {
  for (const { wrapper, pack, unpack } of wrappers) {
    for (const options of [{ level: 9 }, { level: 0 }, { strategy: zlib.constants.Z_FIXED }, { strategy: zlib.constants.Z_HUFFMAN_ONLY }]) {
      const body = json(11, 700);
      const packed = pack(body, options);
      for (let cut = 0; cut < packed.length; cut++) {
        const got = run(packed.subarray(0, cut), wrapper, 2048);
        assert.equal(inflateStatus[0], INPUT_CUT, `cut at ${cut} of ${packed.length}`);
        const want = cut === 0 ? Buffer.alloc(0) : unpack(packed.subarray(0, cut), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
        assert.ok(got.equals(want), `cut at ${cut} of ${packed.length}: ${got.length} instead of ${want.length}`);
      }
    }
  }
});

test('stops at every end of its room', () => {
  const body = Buffer.concat([json(5, 500), Buffer.alloc(700, 0x41), json(6, 300)]);
  for (const options of [{ level: 9 }, { level: 0 }, { strategy: zlib.constants.Z_FIXED }]) {
    const packed = zlib.gzipSync(body, options);
    for (let room = 0; room <= body.length; room++) {
      assert.ok(run(packed, GZIP, room).equals(body.subarray(0, room)), `room ${room}`);
      assert.equal(inflateStatus[0], room < body.length ? OUTPUT_FULL : DONE, `room ${room}`);
    }
  }
});

test('corrupted data: no throw, no write outside, and agreement with zlib on what is an error', () => {
  const accepted = { both: 0, neither: 0 };
  fc.assert(
    fc.property(
      bodyArbitrary,
      optionsArbitrary,
      fc.array(fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }), { minLength: 1, maxLength: 3 }),
      (body, options, faults) => {
        const packed = zlib.deflateRawSync(body, options);
        for (const { at, value } of faults) packed[at % packed.length] = value;
        const got = run(packed, RAW);
        const status = inflateStatus[0];
        let want: Buffer | null = null;
        try {
          want = zlib.inflateRawSync(packed, { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength: ROOM });
        } catch (error) {
          if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
            assert.equal(status, OUTPUT_FULL);
            return;
          }
        }
        if (want === null) {
          accepted.neither++;
          assert.equal(status, CORRUPT);
        } else {
          accepted.both++;
          assert.ok(status === DONE || status === INPUT_CUT);
          assert.ok(got.equals(want));
        }
      },
    ),
    { numRuns: 1500 },
  );
  assert.ok(accepted.both > 50 && accepted.neither > 50, JSON.stringify(accepted));
});

test('noise is decoded or refused, as zlib does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.constantFrom(1, 3, 5, 4), (noise, head) => {
      const data = Buffer.from(noise);
      data[0] = (data[0] & ~7) | head; // last block or not, of each type
      const got = run(data, RAW);
      const status = inflateStatus[0];
      let want: Buffer | null = null;
      try {
        want = zlib.inflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength: ROOM });
      } catch {
        want = null;
      }
      if (want === null) assert.ok(status === CORRUPT || status === OUTPUT_FULL);
      else assert.ok(status !== CORRUPT && got.equals(want));
    }),
    { numRuns: 1500 },
  );
});

test('what came before a fault is kept', () => {
  const body = json(9, 4000);
  const packed = zlib.deflateRawSync(body, { level: 9 });
  // The first block ends in the middle; behind it comes a block of the type that does not exist.
  const front = zlib.deflateRawSync(body.subarray(0, 2000), { finishFlush: zlib.constants.Z_FULL_FLUSH });
  assert.ok(run(Buffer.concat([front, Buffer.from([6, 0]), packed]), RAW).equals(body.subarray(0, 2000)));
  assert.equal(inflateStatus[0], CORRUPT);
});

test('gzip: several members, header fields, trailing bytes', () => {
  const a = json(1, 900);
  const b = json(2, 900);
  const both = Buffer.concat([zlib.gzipSync(a), zlib.gzipSync(Buffer.alloc(0)), zlib.gzipSync(b)]);
  assert.ok(run(both, GZIP).equals(Buffer.concat([a, b])));
  assert.equal(inflateStatus[0], DONE);
  assert.ok(run(Buffer.concat([both, Buffer.from('\0\0garbage')]), GZIP).equals(Buffer.concat([a, b])));
  assert.equal(inflateStatus[0], DONE);
  // A member must not reach back into the one before it.
  const reach = zlib.deflateRawSync(a, { dictionary: a });
  assert.equal(run(Buffer.concat([zlib.gzipSync(a), zlib.gzipSync(b).subarray(0, 10), reach]), GZIP).length >= a.length, true);
  assert.equal(inflateStatus[0], CORRUPT);

  const plain = zlib.gzipSync(a);
  for (let flags = 0; flags < 32; flags++) {
    const head = Buffer.from(plain.subarray(0, 10));
    head[3] = flags;
    const fields = [head];
    if (flags & 4) fields.push(Buffer.from([3, 0, 0x1f, 0, 0x8b]));
    if (flags & 8) fields.push(Buffer.from('name.json\0'));
    if (flags & 16) fields.push(Buffer.from('a comment\0'));
    if (flags & 2) fields.push(Buffer.from([0xaa, 0xbb]));
    const packed = Buffer.concat([...fields, plain.subarray(10)]);
    assert.ok(run(packed, GZIP).equals(a), `flags ${flags}`);
    assert.equal(inflateStatus[0], DONE);
    for (let cut = 0; cut < Buffer.concat(fields).length; cut++) {
      assert.equal(run(packed.subarray(0, cut), GZIP, 1024).length, 0);
      assert.equal(inflateStatus[0], INPUT_CUT);
    }
  }
  for (const [at, value] of [
    [0, 0x1e],
    [1, 0x8c],
    [2, 7],
    [3, 0x20],
  ]) {
    const bad = Buffer.from(plain);
    bad[at] = value;
    assert.equal(run(bad, GZIP).length, 0);
    assert.equal(inflateStatus[0], CORRUPT);
  }
  const long = Buffer.from(plain.subarray(0, 12));
  long[3] = 4;
  long.writeUInt16LE(0xffff, 10);
  run(long, GZIP);
  assert.equal(inflateStatus[0], INPUT_CUT);
});

test('"deflate" is told apart: zlib, raw, gzip', () => {
  const body = json(4, 1500);
  for (const packed of [
    zlib.deflateSync(body),
    zlib.deflateRawSync(body),
    zlib.gzipSync(body),
    zlib.deflateSync(body, { windowBits: 9 }),
    zlib.deflateRawSync(body, { level: 0 }),
  ]) {
    assert.ok(run(packed, DEFLATE).equals(body));
    assert.equal(inflateStatus[0], DONE);
  }
  const dictionary = zlib.deflateSync(body, { dictionary: body });
  assert.equal(run(dictionary, ZLIB).length, 0);
  assert.equal(inflateStatus[0], CORRUPT);
});

test('a bomb costs its room and no more', () => {
  const bomb = zlib.gzipSync(Buffer.alloc(10 << 20));
  assert.ok(bomb.length < 11000);
  const start = process.hrtime.bigint();
  assert.ok(run(bomb, GZIP, 16384).equals(Buffer.alloc(16384)));
  assert.equal(inflateStatus[0], OUTPUT_FULL);
  assert.ok(process.hrtime.bigint() - start < 100_000_000n);
});
