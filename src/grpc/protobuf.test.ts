/** Protocol Buffers as JSON: against a model that is written with objects, with every type of a descriptor, damaged, and at its bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { descriptorSet, double, field, fixed32, fixed64, float, proto, varint, zigzag } from '../../test/support/protobuf.ts';
import { bytes, outputRegion } from '../base/arena.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { Descriptors, type MessageType } from './descriptor.ts';
import { beginOut, IS_BYTES, IS_PART, IS_UNNAMED, OPAQUE_MAX, out } from './json-out.ts';
import { CLOSING_BYTES, DEPTH_MAX, putMessageOf, workDone } from './protobuf.ts';

const AT = outputRegion.at;
const TO = AT + (8 << 20);
const opaque = new Int32Array(2 * OPAQUE_MAX);

interface Options {
  readonly type?: MessageType | null;
  readonly isCut?: boolean;
  readonly room?: number;
}

/** The message as JSON; null when it is none. */
function json(message: Uint8Array, { type = null, isCut = false, room = 4 << 20 }: Options = {}): string | null {
  bytes.set(message, AT);
  beginOut(TO, TO + room - CLOSING_BYTES, opaque);
  if (!putMessageOf(AT, AT + message.length, isCut, type)) return null;
  assert.ok(out.at <= TO + room, 'what is written stays in its room');
  return bytes.toString('utf8', TO, out.at);
}

const value = (message: Uint8Array, options: Options = {}): unknown => JSON.parse(json(message, options) ?? 'null');

/** Strings that must not be seen as they stand, with the reason. */
function hidden(): (readonly [string, number])[] {
  return Array.from({ length: out.opaqueCount }, (_, i) => {
    const at = opaque[2 * i];
    assert.equal(bytes[at - 1], 34);
    let end = at;
    while (bytes[end] !== 34) end += bytes[end] === 92 ? 2 : 1;
    return [bytes.toString('utf8', at, end), opaque[2 * i + 1]] as const;
  });
}

// ---------------------------------------------------------------- a model of messages without a type

interface Piece {
  readonly tag: string;
  readonly field: bigint;
  readonly wire: number;
  readonly number: bigint;
  readonly bytes: Buffer;
}

function pieces(data: Buffer, isStrict: boolean): Piece[] | null {
  const found: Piece[] = [];
  let p = 0;
  const next = (): bigint | null => {
    let n = 0n;
    for (let i = 0; i < 10; i++) {
      if (p >= data.length) return null;
      const b = data[p++];
      n |= BigInt(b & 127) << BigInt(7 * i);
      if (b < 128) return isStrict && i > 0 && b === 0 ? null : BigInt.asUintN(64, n);
    }
    return null;
  };
  const relaxed = (): bigint | null => {
    const strict = isStrict;
    isStrict = false;
    const n = next();
    isStrict = strict;
    return n;
  };
  while (p < data.length) {
    const at = p;
    const tag = next();
    if (tag === null || tag >> 32n !== 0n) return null;
    const text = data.toString('hex', at, p);
    const number = tag >> 3n;
    const wire = Number(tag & 7n);
    if (number === 0n || (number >= 19000n && number <= 19999n) || (isStrict && number > 2047n)) return null;
    if (wire === 0) {
      const n = next();
      if (n === null) return null;
      found.push({ tag: text, field: number, wire, number: n, bytes: Buffer.alloc(0) });
    } else if (wire === 1 || wire === 5) {
      const length = wire === 1 ? 8 : 4;
      if (p + length > data.length) return null;
      const own = data.subarray(p, p + length);
      found.push({ tag: text, field: number, wire, number: length === 8 ? own.readBigUInt64LE() : BigInt(own.readUInt32LE()), bytes: own });
      p += length;
    } else if (wire === 2) {
      const length = relaxed();
      if (length === null || length > BigInt(data.length - p)) return null;
      found.push({ tag: text, field: number, wire, number: 0n, bytes: data.subarray(p, p + Number(length)) });
      p += Number(length);
    } else return null;
  }
  return found;
}

function printable(data: Buffer): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

function modelOf(data: Buffer): string {
  const text = printable(data);
  const inner = pieces(data, true);
  const mayBegin = data.length > 0 && [9, 10, 13].includes(data[0]);
  if (text !== null && !(mayBegin && inner !== null)) return JSON.stringify(text);
  return inner === null ? `"${data.toString('base64')}"` : modelOfAll(inner);
}

function modelOfAll(all: readonly Piece[]): string {
  const members: string[] = [];
  for (let i = 0; i < all.length; ) {
    let j = i;
    const elements: string[] = [];
    while (j < all.length && all[j].tag === all[i].tag) {
      const { wire, number, bytes: own } = all[j++];
      elements.push(wire === 2 ? modelOf(own) : number < 2n ** 53n ? String(number) : `"${number}"`);
    }
    members.push(`"${all[i].field}":${j - i > 1 ? `[${elements.join()}]` : elements[0]}`);
    i = j;
  }
  return `{${members.join()}}`;
}

const leaf = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 12 }).map((own) => Buffer.from(own)),
);
const tree = fc.letrec<{ message: Buffer; part: Buffer }>((tie) => ({
  message: fc.array(tie('part'), { maxLength: 5 }).map((parts) => Buffer.concat(parts)),
  part: fc
    .tuple(
      fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 16 }) }, fc.integer({ min: 1, max: 0x1fffffff })),
      fc.oneof(
        { depthSize: 'small' },
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 0, max: 300 }).map(BigInt),
        leaf,
        tie('message'),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
      ),
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
    )
    .map(([number, own, times, isFixed]) => {
      const one =
        isFixed && own instanceof Uint8Array && own.length === 4
          ? fixed32(number, own)
          : isFixed && own instanceof Uint8Array && own.length === 8
            ? fixed64(number, own)
            : field(number, own);
      return Buffer.concat(Array<Buffer>(times).fill(one));
    }),
}));

test('messages without a type are what a model says', () => {
  let objects = 0;
  const check = (data: Buffer): void => {
    const all = pieces(data, false);
    const expected = all === null ? null : modelOfAll(all);
    assert.equal(json(data), expected);
    if (expected !== null && /:\{"/.test(expected)) objects++;
    if (expected !== null) JSON.parse(expected);
  };
  fc.assert(fc.property(tree.message, check), { numRuns: 3000 });
  fc.assert(
    fc.property(tree.message, fc.nat(), fc.nat(255), (data, at, byte) => {
      const changed = Buffer.from(data);
      if (changed.length > 0) changed[at % changed.length] = byte;
      check(changed);
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (data) => check(Buffer.from(data))),
    { numRuns: 3000 },
  );
  assert.ok(objects > 300, `${objects} messages within messages`);
});

test('each string of a message without a type is noted: a text without a name, or bytes', () => {
  assert.deepEqual(value(proto(field(1, 'hunter2'), field(2, Buffer.from([0, 1])), field(3, field(1, 'inner')), field(4, ''))), {
    1: 'hunter2',
    2: 'AAE=',
    3: { 1: 'inner' },
    4: '',
  });
  assert.deepEqual(hidden(), [
    ['hunter2', IS_UNNAMED],
    ['AAE=', IS_BYTES],
    ['inner', IS_UNNAMED],
  ]);
});

test('a message that is printable as a whole is known by the line break that it begins with', () => {
  const text = 'a text of thirty-two characters.';
  assert.equal(field(1, text).toString(), `\n ${text}`);
  assert.deepEqual(value(field(5, field(1, text))), { 5: { 1: text } });
  assert.deepEqual(value(field(5, `\n${text}`)), { 5: `\n${text}` });
});

// ---------------------------------------------------------------- with a type

const file = {
  package: 'test.v1',
  messages: {
    All: [
      ...(
        [
          'double',
          'float',
          'int64',
          'uint64',
          'int32',
          'fixed64',
          'fixed32',
          'bool',
          'string',
          'bytes',
          'uint32',
          'sfixed32',
          'sfixed64',
          'sint32',
          'sint64',
        ] as const
      ).map((type, i) => ({ name: `a_${type}`, number: i + 1, type })),
      { name: 'kind', number: 16, type: 'enum' as const, typeName: '.test.v1.Kind' },
      { name: 'inner', number: 17, type: 'message' as const, typeName: '.test.v1.All' },
      { name: 'list', number: 18, type: 'int32' as const, repeated: true },
      { name: 'labels', number: 19, type: 'message' as const, typeName: '.test.v1.Entry', repeated: true },
      { name: 'names', number: 20, type: 'string' as const, repeated: true },
      { name: 'kinds', number: 21, type: 'enum' as const, typeName: '.test.v1.Kind', repeated: true },
      { name: 'elsewhere', number: 22, type: 'message' as const, typeName: '.other.Unknown' },
    ],
    Entry: [
      { name: 'key', number: 1, type: 'string' as const },
      { name: 'value', number: 2, type: 'string' as const },
    ],
  },
  enums: { Kind: { NONE: 0, LARGE: 1 } },
  services: { Things: { Get: ['.test.v1.All', '.test.v1.Entry'] as const } },
};
const descriptors = new Descriptors([descriptorSet(file)]);
const all = descriptors.messages.get('test.v1.All') ?? null;
const typed = (...fields: Buffer[]): unknown => value(proto(...fields), { type: all });

test('each type of a descriptor, at its ends', () => {
  const cases: readonly (readonly [Buffer, unknown])[] = [
    [fixed64(1, double(-1.5e300)), { a_double: -1.5e300 }],
    [fixed64(1, double(Number.NaN)), { a_double: 'NaN' }],
    [fixed64(1, double(Number.NEGATIVE_INFINITY)), { a_double: '-Infinity' }],
    [fixed32(2, float(3.4)), { a_float: 3.4 }],
    [fixed32(2, float(16777216)), { a_float: 16777216 }],
    [field(3, -1n), { a_int64: -1 }],
    [field(3, -(2n ** 63n)), { a_int64: '-9223372036854775808' }],
    [field(3, 2n ** 63n - 1n), { a_int64: '9223372036854775807' }],
    [field(3, -(2n ** 53n) + 1n), { a_int64: -9007199254740991 }],
    [field(3, -(2n ** 32n)), { a_int64: -4294967296 }],
    [field(4, 2n ** 64n - 1n), { a_uint64: '18446744073709551615' }],
    [field(4, 2n ** 53n - 1n), { a_uint64: 9007199254740991 }],
    [field(4, 2n ** 53n), { a_uint64: '9007199254740992' }],
    [field(5, -1n), { a_int32: -1 }],
    [field(5, 2147483647), { a_int32: 2147483647 }],
    [fixed64(6, Buffer.alloc(8, 255)), { a_fixed64: '18446744073709551615' }],
    [fixed32(7, Buffer.alloc(4, 255)), { a_fixed32: 4294967295 }],
    [field(8, true), { a_bool: true }],
    [field(8, 0), { a_bool: false }],
    [field(9, 'é"\\\n\0'), { a_string: 'é"\\\n\0' }],
    [field(10, 'text'), { a_bytes: 'dGV4dA==' }],
    [field(11, 4294967295), { a_uint32: 4294967295 }],
    [fixed32(12, Buffer.alloc(4, 255)), { a_sfixed32: -1 }],
    [fixed64(13, Buffer.alloc(8, 255)), { a_sfixed64: -1 }],
    [field(14, zigzag(-2147483648)), { a_sint32: -2147483648 }],
    [field(15, zigzag(-(2n ** 63n))), { a_sint64: '-9223372036854775808' }],
    [field(15, zigzag(-3)), { a_sint64: -3 }],
    [field(16, 1), { kind: 'LARGE' }],
    [field(16, 7), { kind: 7 }],
    [field(17, field(17, field(9, 'x'))), { inner: { inner: { a_string: 'x' } } }],
    [field(17, ''), { inner: {} }],
    [field(18, 5), { list: [5] }],
    [proto(field(18, 5), field(18, 6)), { list: [5, 6] }],
    [field(18, proto(varint(1), varint(-2n))), { list: [1, -2] }],
    [proto(field(18, varint(1)), field(18, ''), field(18, varint(3))), { list: [1, 3] }],
    [field(18, ''), { list: [] }],
    [field(21, proto(varint(0), varint(9))), { kinds: ['NONE', 9] }],
    [field(19, proto(field(1, 'a'), field(2, 'b'))), { labels: [{ key: 'a', value: 'b' }] }],
    [proto(field(20, 'a'), field(20, 'b')), { names: ['a', 'b'] }],
  ];
  for (const [message, expected] of cases) assert.deepEqual(value(message, { type: all }), expected, message.toString('hex'));
});

test('what the descriptor does not know, or has another type, is read as if there was none', () => {
  assert.deepEqual(typed(field(99, 'new'), field(9, 5), field(5, 'text')), { 99: 'new', 9: 5, 5: 'text' });
  assert.deepEqual(hidden(), [
    ['new', IS_UNNAMED],
    ['text', IS_UNNAMED],
  ]);
  assert.deepEqual(typed(field(22, field(3, 'a'))), { elsewhere: { 3: 'a' } });
  assert.deepEqual(hidden(), [['a', IS_UNNAMED]]);
  // A string with a name is looked at like any other; one that is no UTF-8, and bytes, are not seen.
  assert.deepEqual(typed(field(9, 'ann'), field(10, 'raw'), field(9, Buffer.from([255])), field(17, Buffer.from([255]))), {
    a_string: '/w==',
    a_bytes: 'cmF3',
    inner: '/w==',
  });
  assert.deepEqual(hidden(), [
    ['cmF3', IS_BYTES],
    ['/w==', IS_BYTES],
    ['/w==', IS_BYTES],
  ]);
});

test('elements with other fields between them, or packed and not: the key comes again', () => {
  assert.equal(json(proto(field(18, varint(1)), field(18, 4)), { type: all }), '{"list":[1],"list":[4]}');
  assert.equal(json(proto(field(1, 1), field(2, 2), field(1, 3))), '{"1":1,"2":2,"1":3}');
  assert.equal(json(proto(field(18, 1), field(16, 0), field(18, 3)), { type: all }), '{"list":[1],"kind":"NONE","list":[3]}');
});

test('a message that is cut at each byte: JSON, what is whole, and parts as parts', () => {
  const whole = proto(
    field(9, 'a first secret'),
    field(18, proto(varint(1), varint(300))),
    field(17, proto(field(5, 7), field(9, 'a second secret'), fixed64(1, double(1)))),
    field(77, field(1, 'a third secret')),
  );
  for (const type of [all, null]) {
    for (let n = 0; n <= whole.length; n++) {
      const text = json(whole.subarray(0, n), { type, isCut: true });
      assert.ok(text !== null);
      JSON.parse(text);
      const parts = hidden().filter(([, why]) => why === IS_PART);
      assert.ok(parts.length <= 1, text);
      for (const [i, secret] of ['a first secret', 'a second secret', 'a third secret'].entries()) {
        const at = whole.indexOf(secret);
        if (n > at && n < at + secret.length) assert.equal(parts.length, 1, `${i}: ${text}`);
        assert.equal(text.includes(secret), n >= at + secret.length, text);
      }
    }
  }
});

test('groups, and what breaks off without being cut, are no messages', () => {
  for (const hex of ['0b0c', '08', '0a05616263', '00', '0e00', '07', 'ffffffffffffffffffff01', '80808080808080808080']) {
    assert.equal(json(Buffer.from(hex, 'hex')), null, hex);
  }
  assert.equal(json(Buffer.alloc(0)), '{}');
});

// ---------------------------------------------------------------- bounds

test('nesting has a limit: what lies deeper is bytes', () => {
  const nest = (depth: number): Buffer => {
    let message = field(1, 5);
    for (let i = 1; i < depth; i++) message = field(3, message);
    return message;
  };
  resetWeirds();
  assert.equal(json(nest(DEPTH_MAX)), `${'{"3":'.repeat(DEPTH_MAX - 1)}{"1":5}${'}'.repeat(DEPTH_MAX - 1)}`);
  assert.equal(weirdCount('limit.grpc.protobuf_depth'), 0);
  const deeper = json(nest(DEPTH_MAX + 1)) ?? '';
  JSON.parse(deeper);
  assert.ok(deeper.includes(`"3":"${nest(1).toString('base64')}"`));
  assert.equal(weirdCount('limit.grpc.protobuf_depth'), 1);
  JSON.parse(json(nest(20_000)) ?? '');
});

test('whatever the room, the text is whole JSON and stays in it', () => {
  const message = proto(
    ...Array.from(
      { length: 40 },
      (_, i) => proto(field(9, 'x'.repeat(i)), field(17, field(18, proto(varint(i), varint(1))))),
      field(20, 'y'),
    ),
  );
  let isFull = 0;
  for (let room = CLOSING_BYTES + 2; room < 6000; room += 7) {
    for (const type of [all, null]) {
      const text = json(message, { type, room });
      if (text === null) continue;
      JSON.parse(text);
      if (out.isFull) isFull++;
    }
  }
  assert.ok(isFull > 500, `${isFull}`);
});

test('no more strings are noted than there is room for', () => {
  const text = json(proto(...Array.from({ length: OPAQUE_MAX + 100 }, () => field(1, 'ab')))) ?? '';
  assert.equal((JSON.parse(text) as { 1: string[] })[1].length, OPAQUE_MAX);
  assert.ok(out.isFull);
});

test('time is linear: bytes that look like text, message and bytes on each level', () => {
  // Each level is printable until its last byte, so each is taken for a text first.
  const hostile = (n: number): Buffer => {
    let message = field(3, 1);
    while (message.length < n) message = proto(field(6, 'a'.repeat(60)), field(4, message), field(2, 1));
    return message;
  };
  resetWeirds();
  for (const make of [
    hostile,
    (n: number) => field(3, Buffer.alloc(n, 0x0a)),
    (n: number) => field(3, Buffer.alloc(n, 0x22)),
    (n: number) => Buffer.alloc(n, 0x08),
  ]) {
    const small = make(20_000);
    json(small);
    const few = workDone();
    assert.ok(few <= 10 * small.length, `${few} steps for ${small.length} bytes`);
    const large = make(200_000);
    json(large);
    assert.ok(workDone() <= 10 * large.length, `${workDone()} steps for ${large.length} bytes`);
  }
});
