/**
 * Law 3: order, duplicates and overlaps agree with a naive reassembler, as long as everything comes within the time
 * that a hole waits. The streams that leave flow/ are the naive ones, and so are the records.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { resetPipeline } from '../../src/app/pipeline.ts';
import { bytes, packetRegion } from '../../src/base/arena.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { defaultSettings } from '../../src/base/settings.ts';
import { Segment } from '../../src/decode/segment.ts';
import { CAPTURE_END, Chunk, CLOSE, DATA, END, GAP } from '../../src/flow/chunk.ts';
import { accept, expire, finish, MORE, nextChunk, ONE } from '../../src/flow/reassemble.ts';
import { arbitraryPlan, everyBytes, faultsOf, makeConversation, type Part, partsOf, wires } from '../support/conversation.ts';
import { naiveStream, type Piece } from '../support/naive-reassembler.ts';
import { ACK, FIN, SYN } from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { essence, lawSeed, runPipeline, START_US } from '../support/run-pipeline.ts';

interface Streams {
  readonly data: [Buffer, Buffer];
  readonly gaps: number;
  readonly ended: [boolean, boolean];
  readonly closes: number[];
}

/** What flow/ hands on for these segments of one connection, whose first segment is the client's. */
function reassembled(parts: readonly Part[], stepUs: number): Streams {
  resetPipeline(defaultSettings, () => {});
  const segment = new Segment();
  const chunk = new Chunk();
  const data: [Buffer[], Buffer[]] = [[], []];
  const ended: [boolean, boolean] = [false, false];
  const closes: number[] = [];
  let gaps = 0;
  const take = (): void => {
    assert.equal(closes.length, 0, 'something behind the CLOSE');
    if (chunk.kind === DATA) {
      assert.equal(ended[chunk.direction], false, 'data behind END');
      data[chunk.direction].push(Buffer.from(bytes.subarray(chunk.at, chunk.end)));
    } else if (chunk.kind === GAP) gaps += chunk.gapBytes;
    else if (chunk.kind === END) ended[chunk.direction] = true;
    else if (chunk.kind === CLOSE) closes.push(chunk.cause);
  };
  const drain = (): void => {
    while (nextChunk(chunk)) take();
  };
  parts.forEach((part, i) => {
    packetTimeUs[0] = START_US + i * stepUs;
    if (expire()) drain();
    segment.ipVersion = 4;
    segment.src0 = part.fromServer ? 2 : 1;
    segment.dst0 = part.fromServer ? 1 : 2;
    segment.ports = part.fromServer ? (80 << 16) | 40000 : (40000 << 16) | 80;
    segment.sequence = part.sequence | 0;
    segment.acknowledgement = part.acknowledgement | 0;
    segment.flags = part.flags;
    segment.payloadAt = packetRegion.at;
    segment.payloadEnd = packetRegion.at + part.payload.length;
    segment.payloadWireBytes = part.payload.length;
    bytes.set(part.payload, packetRegion.at);
    const answer = accept(segment, chunk);
    if (answer === ONE) take();
    else if (answer === MORE) drain();
  });
  finish();
  drain();
  return { data: [Buffer.concat(data[0]), Buffer.concat(data[1])], gaps, ended, closes };
}

interface Disorder {
  readonly seed: number;
  /** Segments are at most so many places late. */
  readonly late: number;
  /** Shares in per cent. */
  readonly reorder: number;
  readonly duplicate: number;
  readonly overlap: number;
  /** Overlaps carry other bytes than the first copy. */
  readonly differs: boolean;
}

const disorders: fc.Arbitrary<Disorder> = fc.record({
  seed: fc.integer(),
  late: fc.integer({ min: 1, max: 12 }),
  reorder: fc.integer({ min: 0, max: 60 }),
  duplicate: fc.integer({ min: 0, max: 40 }),
  overlap: fc.integer({ min: 0, max: 40 }),
  differs: fc.boolean(),
});

/** The segments with copies, overlapping retransmissions, and out of order; the handshake stays in front. */
function disturbed(parts: readonly Part[], d: Disorder): Part[] {
  const random = new Random(d.seed);
  const sent: { part: Part; place: number }[] = [];
  const streams: [Part[], Part[]] = [[], []];
  parts.forEach((part, i) => {
    if (i < 3) {
      sent.push({ part, place: -1 });
      return;
    }
    const place = random.chance(d.reorder / 100) ? i + random.integer(1, d.late) : i;
    sent.push({ part, place });
    const own = streams[part.fromServer ? 1 : 0];
    if (part.payload.length > 0) {
      own.push(part);
      // Nobody sends again what the other side has answered.
      streams[part.fromServer ? 0 : 1].length = 0;
    }
    if (random.chance(d.duplicate / 100)) sent.push({ part, place: i + random.integer(0, d.late) });
    if (own.length > 0 && random.chance(d.overlap / 100)) {
      // A retransmission of the last few segments in other pieces.
      const from = own.slice(-random.integer(1, 3));
      const all = Buffer.concat(from.map((p) => p.payload));
      const skip = random.integer(0, Math.max(0, all.length - 1));
      const payload = Buffer.from(all.subarray(skip, random.integer(skip + 1, all.length)));
      if (d.differs) for (let k = 0; k < payload.length; k += 3) payload[k] ^= 0x20;
      const copy = { ...part, flags: ACK, sequence: (from[0].sequence + skip) >>> 0, payload };
      sent.push({ part: copy, place: i + random.integer(0, d.late) });
    }
  });
  return sent
    .map((s, i) => ({ ...s, i }))
    .sort((a, b) => a.place - b.place || a.i - b.i)
    .map((s) => s.part);
}

/** Random bytes back and forth, with sequence numbers that wrap in the middle when they are near 2^32. */
const exchangesOfBytes = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 }),
  segment: fc.integer({ min: 1, max: 120 }),
  clientStart: fc.oneof(fc.integer({ min: 2 ** 32 - 600, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  serverStart: fc.oneof(fc.integer({ min: 2 ** 31 - 600, max: 2 ** 31 }), fc.integer({ min: 2 ** 32 - 600, max: 2 ** 32 - 1 })),
  ends: fc.boolean(),
});

test('the streams are those of the naive reassembler', () => {
  fc.assert(
    fc.property(exchangesOfBytes, disorders, (o, disorder) => {
      const random = new Random(disorder.seed + 1);
      const turns = o.lengths.map((length, i) => ({
        fromServer: i % 2 === 1,
        bytes: Buffer.from(Array.from({ length }, () => random.integer(0, 255))),
      }));
      const parts = partsOf({ turns, calls: [], end: o.ends ? 'server-fin' : 'open' }, everyBytes(o.segment), o.clientStart, o.serverStart);
      const arrived = disturbed(parts, disorder);
      const got = reassembled(arrived, 50);
      const starts = [o.clientStart + 1, o.serverStart + 1];
      for (const side of [0, 1]) {
        const pieces = arrived
          .filter((p) => p.fromServer === (side === 1) && (p.flags & SYN) === 0 && p.payload.length > 0)
          .map((p): Piece => ({ at: (p.sequence - starts[side]) >>> 0, bytes: p.payload }));
        assert.deepEqual(got.data[side], naiveStream(pieces), `stream ${side}`);
      }
      assert.equal(got.gaps, 0);
      if (o.ends) assert.deepEqual(got.ended, [true, true]);
      else assert.deepEqual(got.closes, [CAPTURE_END]);
      assert.equal(got.closes.length, 1);
    }),
    { seed: lawSeed(), numRuns: 600 },
  );
});

test('a FIN in front of data that came before it, and data beyond a FIN, end the stream where the FIN says', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 0, max: 60 }),
      fc.boolean(),
      (before, hole, beyond, late) => {
        const start = { fromServer: false, flags: SYN, sequence: 100, acknowledgement: 0, payload: Buffer.alloc(0) };
        const answer = { fromServer: true, flags: SYN | ACK, sequence: 900, acknowledgement: 101, payload: Buffer.alloc(0) };
        const data = (at: number, length: number): Part => ({
          fromServer: false,
          flags: ACK,
          sequence: 101 + at,
          acknowledgement: 901,
          payload: Buffer.alloc(length, 97 + (at % 26)),
        });
        const fin = { ...data(before, 0), flags: FIN | ACK, payload: Buffer.alloc(0) };
        const far = data(before + hole, beyond + 1);
        const order = late ? [start, answer, far, fin, data(0, before)] : [start, answer, fin, far, data(0, before)];
        const got = reassembled([...order, { ...answer, flags: FIN | ACK, sequence: 901, acknowledgement: 102 + before }], 50);
        assert.equal(got.data[0].length, before);
        assert.deepEqual(got.ended, [true, true]);
        assert.equal(got.closes.length, 1);
      },
    ),
    { seed: lawSeed(), numRuns: 100 },
  );
});

test('records do not depend on order, copies and overlaps', () => {
  fc.assert(
    fc.property(
      arbitraryPlan({ ends: ['client-fin', 'server-fin', 'open'] }),
      fc.integer({ min: 20, max: 600 }),
      disorders,
      (plan, bytesEach, disorder) => {
        const conversation = makeConversation(plan);
        const parts = partsOf(conversation, everyBytes(bytesEach), 2 ** 32 - 300, 2 ** 32 - 200);
        const inOrder = runPipeline(wires(parts)).records.map(essence);
        const { records } = runPipeline(wires(disturbed(parts, { ...disorder, differs: false }), {}, 50), { everyPacket: true });
        const faults = records.flatMap((r, i) => (i < conversation.calls.length ? faultsOf(r, conversation.calls[i]) : []));
        assert.deepEqual(faults, []);
        assert.deepEqual(records.map(essence), inOrder);
      },
    ),
    { seed: lawSeed(), numRuns: 200 },
  );
});
