import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytes, outputRegion, packetRegion } from '../base/arena.ts';
import {
  literal,
  sequenceBytes,
  wholeTextEnd,
  writeAny,
  writeBase64,
  writeLatin1,
  writeLiteral,
  writeNumber,
  writePlain,
  writeText,
  writeTextPlain,
  writeTimeUs,
} from './json.ts';

const AT = packetRegion.at + 64;
const TO = outputRegion.at;

type Writer = (to: number, at: number, end: number) => number;

/** What the writer writes for these bytes at every alignment; null when it refuses them. */
function written(write: Writer, data: Uint8Array): string | null {
  let all: string | null | undefined;
  for (let shift = 0; shift < 4; shift++) {
    const at = AT + shift;
    bytes.fill(0x22, at - 16, at + data.length + 32);
    bytes.set(data, at);
    const o = write(TO + shift, at, at + data.length);
    const text = o < 0 ? null : bytes.toString('utf8', TO + shift, o);
    if (all !== undefined) assert.equal(text, all, 'alignment changes nothing');
    all = text;
  }
  return all ?? null;
}

const isUtf8 = (data: Uint8Array): boolean => Buffer.from(Buffer.from(data).toString('utf8')).equals(Buffer.from(data));
const inside = (text: string): string => JSON.stringify(text).slice(1, -1);

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\0', '\x1f', '\x7f', 'a', 'é', '日', '😀', '\u2028'), maxLength: 60 }),
);
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  hostile.map((text) => Uint8Array.from(Buffer.from(text))),
  fc.tuple(hostile, fc.nat(60), fc.nat(255)).map(([text, at, value]) => {
    const data = Uint8Array.from(Buffer.from(`${text}x`));
    data[at % data.length] = value;
    return data;
  }),
);

for (const [name, write] of [
  ['with SIMD', writeText],
  ['without', writeTextPlain],
] as const) {
  test(`UTF-8 text is written as JSON.stringify writes it, ${name}`, () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const data = Buffer.from(text);
        assert.equal(written(write, data), inside(data.toString()));
      }),
      { numRuns: 1000 },
    );
  });

  test(`bytes that are no UTF-8 are refused, and only those, ${name}`, () => {
    fc.assert(
      fc.property(anyBytes, (data) => {
        assert.equal(written(write, data), isUtf8(data) ? inside(Buffer.from(data).toString()) : null);
      }),
      { numRuns: 2000 },
    );
  });

  test(`every byte at every place of a long text, ${name}`, () => {
    for (let value = 0; value < 256; value++) {
      for (const length of [1, 3, 4, 5, 15, 16, 17, 33]) {
        for (let place = 0; place < length; place++) {
          const data = new Uint8Array(length).fill(0x61);
          data[place] = value;
          bytes.set(data, AT);
          bytes.fill(0xff, AT + length, AT + length + 32);
          const o = write(TO, AT, AT + length);
          const got = o < 0 ? null : bytes.toString('utf8', TO, o);
          assert.equal(got, value < 128 ? inside(Buffer.from(data).toString('latin1')) : null, `${value} at ${place} of ${length}`);
        }
      }
    }
  });
}

test('Latin-1: each byte is one character', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (data) =>
      assert.equal(written(writeLatin1, data), inside(Buffer.from(data).toString('latin1'))),
    ),
  );
});

test('any bytes: UTF-8 when all of them are, else Latin-1', () => {
  fc.assert(
    fc.property(anyBytes, (data) => {
      assert.equal(written(writeAny, data), inside(Buffer.from(data).toString(isUtf8(data) ? 'utf8' : 'latin1')));
    }),
  );
});

test('the borders of well-formed UTF-8 (RFC 3629, 4)', () => {
  const length = (...data: number[]): number => {
    bytes.fill(0x80, AT, AT + 8);
    bytes.set(data, AT);
    return sequenceBytes(AT, AT + data.length);
  };
  for (const [data, n] of [
    [[0x7f], 1],
    [[0x80], 0],
    [[0xc1, 0xbf], 0],
    [[0xc2, 0x80], 2],
    [[0xdf, 0xbf], 2],
    [[0xdf], 0],
    [[0xdf, 0x7f], 0],
    [[0xe0, 0x9f, 0xbf], 0],
    [[0xe0, 0xa0, 0x80], 3],
    [[0xed, 0x9f, 0xbf], 3],
    [[0xed, 0xa0, 0x80], 0],
    [[0xef, 0xbf, 0xbf], 3],
    [[0xef, 0xbf], 0],
    [[0xf0, 0x8f, 0xbf, 0xbf], 0],
    [[0xf0, 0x90, 0x80, 0x80], 4],
    [[0xf4, 0x8f, 0xbf, 0xbf], 4],
    [[0xf4, 0x90, 0x80, 0x80], 0],
    [[0xf0, 0x90, 0x80], 0],
    [[0xf5, 0x80, 0x80, 0x80], 0],
  ] as const)
    assert.equal(length(...data), n, data.map((b) => b.toString(16)).join(' '));
});

test('a text that is cut anywhere ends before the character that is cut', () => {
  const whole = Buffer.from('aé日😀z');
  bytes.set(whole, AT);
  for (let n = 0; n <= whole.length; n++) {
    const end = wholeTextEnd(AT, AT + n);
    const text = whole.subarray(0, n).toString();
    assert.equal(bytes.toString('utf8', AT, end), text.replace(/\ufffd+$/, ''), `${n} bytes`);
  }
});

test('base64 is as Buffer writes it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (data) => assert.equal(written(writeBase64, data), Buffer.from(data).toString('base64'))),
  );
});

test('whole numbers', () => {
  const number = (n: number): string => bytes.toString('latin1', TO, writeNumber(TO, n));
  for (let n = 0; n < 20_000; n++) assert.equal(number(n), String(n));
  for (let p = 1; p <= 2 ** 53; p *= 2) for (const n of [p - 1, p, Math.min(p + 1, 2 ** 53)]) assert.equal(number(n), String(n));
  for (let p = 10; p <= 1e15; p *= 10) for (const n of [p - 1, p, p + 1]) assert.equal(number(n), String(n));
  fc.assert(fc.property(fc.maxSafeNat(), (n) => assert.equal(number(n), String(n))));
});

test('times, whose seconds are remembered', () => {
  const time = (us: number): string => bytes.toString('latin1', TO, writeTimeUs(TO, us));
  for (const us of [
    0, 1, 999_999, 1_000_000, 1_000_001, 1_700_000_000_000_000, 1_700_000_000_999_999, 1_700_000_001_000_000, 1_700_000_000_000_007, 42,
  ])
    assert.equal(time(us), String(us));
  fc.assert(fc.property(fc.integer({ min: 0, max: 4_000_000_000_000_000 }), (us) => assert.equal(time(us), String(us))));
});

test('literals and plain bytes', () => {
  for (const text of ['', 'a', 'abcd', 'abcde', '","é":"日']) {
    assert.equal(bytes.toString('utf8', TO, writeLiteral(TO, literal(text))), text);
    const data = Buffer.from(text);
    assert.equal(written(writePlain, data), text);
  }
});
