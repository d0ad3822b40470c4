/** Messages of gRPC are counted, however their bytes are cut into pieces, and whatever is missing of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { framed, trailerFrame } from '../../test/support/protobuf.ts';
import { bytes, outputRegion } from '../base/arena.ts';
import { resetBlocks } from '../base/blocks.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { GRPC, GRPC_WEB, GRPC_WEB_TEXT } from './media-type.ts';
import {
  beginMessages,
  countMessages,
  crossMessages,
  isLost,
  losePlace,
  M_BYTES,
  M_COMPRESSED,
  M_MESSAGES,
  M_TRAILER,
  M_TRAILER_BYTES,
  messageCount,
  messageWord,
  openMessages,
  releaseMessages,
  resetMessages,
} from './messages.ts';

const AT = outputRegion.at;

interface Counts {
  readonly messages: number;
  readonly bytes: number;
  readonly compressed: number;
  readonly trailers: string;
  readonly isLost: boolean;
}

function fresh(): void {
  resetBlocks(64 << 20);
  resetMessages();
  resetWeirds();
}

function counts(row: number, side: number): Counts {
  const at = messageWord(row, side, M_TRAILER);
  return {
    messages: messageCount(row, side, M_MESSAGES),
    bytes: messageCount(row, side, M_BYTES),
    compressed: messageWord(row, side, M_COMPRESSED),
    trailers: at === 0 ? '' : bytes.toString('latin1', at, at + messageWord(row, side, M_TRAILER_BYTES)),
    isLost: isLost(row, side),
  };
}

/** Counts a body in pieces that end at these places. */
function counted(kind: number, body: Uint8Array, ends: readonly number[], side = 1): Counts {
  fresh();
  const row = openMessages();
  beginMessages(row, side, kind, false);
  let at = 0;
  for (const end of [...ends, body.length]) {
    bytes.set(body.subarray(at, end), AT);
    countMessages(row, side, AT, AT + end - at);
    at = end;
  }
  const found = counts(row, side);
  releaseMessages(row);
  return found;
}

const message = fc.oneof(
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  fc.integer({ min: 0, max: 9000 }).map((n) => new Uint8Array(n).fill(128)),
);
const sent = fc.array(fc.tuple(message, fc.boolean()), { maxLength: 6 });
const cuts = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.nat(length), { maxLength: 8 }).map((ends) => ends.sort((a, b) => a - b));

test('messages and their bytes, however the body is cut into pieces', () => {
  fc.assert(
    fc.property(
      sent.chain((all) => {
        const body = Buffer.concat(all.map(([own, isCompressed]) => framed(own, isCompressed ? 1 : 0)));
        return fc.tuple(fc.constant(all), fc.constant(body), cuts(body.length));
      }),
      ([all, body, ends]) => {
        const expected = {
          messages: all.length,
          bytes: all.reduce((sum, [own]) => sum + own.length, 0),
          compressed: all.filter(([, isCompressed]) => isCompressed).length,
          isLost: false,
        };
        assert.deepEqual(counted(GRPC, body, ends), { ...expected, trailers: '' });
        const trailers = 'grpc-status: 0\r\ngrpc-message: \r\n';
        const web = Buffer.concat([body, framed(Buffer.from(trailers), 0x80)]);
        assert.deepEqual(counted(GRPC_WEB, web, ends), { ...expected, trailers });
        // Pieces of base64, each padded by itself.
        const text = Buffer.from([0, ...ends].map((at, i) => web.subarray(at, ends[i] ?? web.length).toString('base64')).join(''));
        const textEnds = ends.map((end) => Math.floor((end * text.length) / (web.length + 1)));
        assert.deepEqual(counted(GRPC_WEB_TEXT, text, textEnds, 0), { ...expected, trailers });
      },
    ),
    { numRuns: 400 },
  );
});

test('a hole inside of a message is passed over; after any other the counts are incomplete', () => {
  fresh();
  const row = openMessages();
  beginMessages(row, 0, GRPC, false);
  beginMessages(row, 1, GRPC, false);
  bytes.set(framed(Buffer.alloc(100)), AT);
  countMessages(row, 0, AT, AT + 15);
  crossMessages(row, 0, 90);
  countMessages(row, 0, AT, AT + 105);
  assert.deepEqual(counts(row, 0), { messages: 2, bytes: 200, compressed: 0, trailers: '', isLost: false });
  countMessages(row, 1, AT, AT + 15);
  crossMessages(row, 1, 91);
  countMessages(row, 1, AT, AT + 105);
  assert.deepEqual(counts(row, 1), { messages: 1, bytes: 100, compressed: 0, trailers: '', isLost: true });
  losePlace(row, 0);
  assert.ok(counts(row, 0).isLost);
});

test('four gigabytes in one message, and none at all', () => {
  const huge = Buffer.from([0, 255, 255, 255, 255, 1, 2, 3]);
  assert.deepEqual(counted(GRPC, huge, []), { messages: 1, bytes: 3, compressed: 0, trailers: '', isLost: false });
  assert.deepEqual(counted(GRPC, Buffer.alloc(5000), [7]), { messages: 1000, bytes: 0, compressed: 0, trailers: '', isLost: false });
});

test('flags that there are not: messages before count, those behind are said to be missing', () => {
  for (const flags of [2, 4, 0x40, 0x80]) {
    const found = counted(GRPC, Buffer.concat([framed(Buffer.alloc(3)), framed(Buffer.alloc(4), flags)]), []);
    assert.deepEqual([found.messages, found.bytes, found.isLost], [1, 3, true], String(flags));
    assert.equal(weirdCount('grpc.messages.bad_flags'), 1);
  }
});

test('trailers longer than their limit, and a second frame of them, write nowhere else', () => {
  const line = `grpc-message: ${'x'.repeat(20_000)}`;
  const found = counted(
    GRPC_WEB,
    Buffer.concat([trailerFrame('grpc-status: 5', line), trailerFrame('grpc-status: 6', line)]),
    [100, 9000, 20_000],
  );
  assert.equal(found.trailers, `grpc-status: 5\r\n${line}`.slice(0, 8192));
  assert.equal(weirdCount('limit.grpc.trailer_bytes'), 1);
});
