import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ethernet, ipv4, ipv6, ipv6Fragment, placePacket } from '../../test/support/packets.ts';
import { bytes } from '../base/arena.ts';
import { blockBytesUsed, resetBlocks } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countOf, resetCounters } from '../base/counters.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { Packet } from '../capture/packet.ts';
import { decode, resetDecode } from '../decode/decode.ts';
import { FRAGMENT, Segment } from '../decode/segment.ts';
import { defragment, fragmentedPacketsUnderway, joined, resetDefragmentation } from './defragment.ts';
import { flowSettings, raised, START_US } from './flow-testing.ts';

const packet = new Packet();
const segment = new Segment();

function reset(flow: Partial<Settings['flow']> = {}, blockBytesMax = defaultSettings.memory.blockBytesMax): void {
  resetBlocks(blockBytesMax);
  resetCounters();
  resetWeirds();
  resetDecode(defaultSettings);
  resetDefragmentation(flowSettings(flow));
  packetTimeUs[0] = START_US;
}

function take(data: Buffer): string | null {
  placePacket(packet, data);
  assert.equal(decode(packet, segment), FRAGMENT);
  return defragment(segment) ? bytes.toString('latin1', joined.at, joined.end) : null;
}

/** An IPv4 fragment of `text`, which begins at byte `offset` (a multiple of eight). */
function piece(text: string, offset: number, more: boolean, o: { id?: number; protocol?: number; source?: string } = {}): string | null {
  return take(
    ethernet(
      ipv4(Buffer.from(text, 'latin1'), {
        protocol: o.protocol ?? 253,
        id: o.id ?? 7,
        fragmentOffset: offset,
        moreFragments: more,
        ...(o.source === undefined ? {} : { source: o.source }),
      }),
    ),
  );
}

const A = 'a'.repeat(16);
const B = 'b'.repeat(16);
const C = 'c'.repeat(5);

test('three fragments, in every order', () => {
  const parts: [string, number, boolean][] = [
    [A, 0, true],
    [B, 16, true],
    [C, 32, false],
  ];
  for (const order of ['012', '021', '102', '120', '201', '210']) {
    reset();
    const out = [...order].map((i) => piece(...parts[Number(i)]));
    assert.deepEqual(out, [null, null, A + B + C], order);
    assert.equal(fragmentedPacketsUnderway(), 0);
    assert.equal(countOf('fragments.joined'), 1);
    assert.deepEqual(raised(), []);
  }
});

test('IPv6 fragments', () => {
  reset();
  const part = (text: string, offset: number, more: boolean): string | null =>
    take(ethernet(ipv6(ipv6Fragment(Buffer.from(text), { offset, more, id: 0x89abcdef, nextHeader: 253 }))));
  assert.equal(part(C, 16, false), null);
  assert.equal(part(A, 0, true), A + C);
});

test('a fragment that comes twice is no matter, and equal overlaps are told', () => {
  reset();
  piece(A, 0, true);
  assert.equal(piece(A, 0, true), null);
  assert.equal(piece(`${'a'.repeat(8)}${B}`, 8, true), null);
  assert.equal(piece(C, 32, false), A + B + C);
  assert.deepEqual(raised(), ['flow.fragment.overlap']);
});

test('overlaps that differ: the first copy of each byte wins', () => {
  reset();
  piece(B, 16, true);
  piece('x'.repeat(40), 0, true);
  assert.equal(piece(C, 40, false), `${'x'.repeat(16)}${B}${'x'.repeat(8)}${C}`);
  assert.deepEqual(raised(), ['flow.fragment.overlap', 'flow.fragment.inconsistent']);
});

test('two ends: the first one counts', () => {
  reset();
  piece(C, 32, false);
  piece(C, 40, false);
  piece(A, 0, true);
  assert.equal(piece(B, 16, true), A + B + C);
  assert.equal(weirdCount('flow.fragment.inconsistent'), 1);
});

test('bytes behind the end are cut off', () => {
  reset();
  piece(C, 16, false);
  piece('z'.repeat(24), 24, true);
  assert.equal(piece(A, 0, true), A + C);
  assert.deepEqual(raised(), ['flow.fragment.inconsistent']);
});

test('packets are told apart by identification, protocol and addresses', () => {
  reset();
  piece(A, 0, true, { id: 1 });
  assert.equal(piece(C, 16, false, { id: 2 }), null);
  assert.equal(piece(C, 16, false, { id: 1, protocol: 254 }), null);
  assert.equal(piece(C, 16, false, { id: 1, source: '10.9.9.9' }), null);
  assert.equal(piece(C, 16, false, { id: 1 }), A + C);
  assert.equal(fragmentedPacketsUnderway(), 3);
});

test('a packet whose parts come too late is given up', () => {
  reset({ fragmentTimeoutMs: 1000 });
  piece(A, 0, true);
  packetTimeUs[0] += 1_000_001;
  assert.equal(piece(C, 16, false), null);
  assert.equal(weirdCount('flow.fragment.timeout'), 1);
  assert.equal(piece(A, 0, true), A + C);
});

test('others that wait too long go when room is made', () => {
  reset({ fragmentTimeoutMs: 1000 });
  piece(A, 0, true, { id: 1 });
  piece(A, 0, true, { id: 2 });
  packetTimeUs[0] += 2_000_000;
  piece(A, 0, true, { id: 3 });
  assert.equal(fragmentedPacketsUnderway(), 1);
  assert.equal(weirdCount('flow.fragment.timeout'), 2);
});

test('too many packets under way: the oldest goes', () => {
  reset({ fragmentedPacketsMax: 2 });
  for (const id of [1, 2, 3]) piece(A, 0, true, { id });
  assert.equal(fragmentedPacketsUnderway(), 2);
  assert.equal(weirdCount('limit.flow.fragments'), 1);
  assert.equal(piece(C, 16, false, { id: 1 }), null);
  assert.equal(piece(C, 16, false, { id: 3 }), A + C);
});

test('more than an IP packet can hold', () => {
  reset();
  assert.equal(piece('x'.repeat(64), 65_528 - 8, false), null);
  assert.deepEqual(raised(), ['flow.fragment.too_large']);
  assert.equal(fragmentedPacketsUnderway(), 0);
});

test('a packet of 64 KiB in pieces grows its block; nothing is left behind', () => {
  reset();
  const text = Array.from({ length: 64_000 }, (_, i) => String.fromCharCode(97 + ((i * 7) % 26))).join('');
  let whole: string | null = null;
  for (let at = 0; at < text.length; at += 1480) whole = piece(text.slice(at, at + 1480), at, at + 1480 < text.length);
  assert.equal(whole, text);
  assert.equal(piece(C, 16, false), null);
  assert.equal(blockBytesUsed(), 2048);
});

test('no memory: the fragment is left out', () => {
  reset({}, 1024);
  assert.equal(piece(A, 0, true), null);
  assert.equal(fragmentedPacketsUnderway(), 0);
});

test('any cut, order and repetition gives the packet', () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 24 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(cuts, fc.array(fc.nat(100), { minLength: 30, maxLength: 30 }), (at, draws) => {
      reset();
      const text = Array.from({ length: 200 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
      const edges = [0, ...at.map((n) => n * 8).sort((a, b) => a - b), 200];
      const parts = edges
        .slice(0, -1)
        .map((from, i): [string, number, boolean] => [text.slice(from, edges[i + 1]), from, i + 2 < edges.length]);
      const order = [...parts.keys()].sort((a, b) => draws[a] - draws[b]);
      const twice = order.flatMap((i, n) => (draws[20 + (n % 10)] > 50 ? [i, i] : [i]));
      // The copy of a packet's last missing fragment would begin another packet.
      if (twice.length > 1 && twice.at(-1) === twice.at(-2)) twice.pop();
      const out = twice.map((i) => piece(...parts[i]));
      const full = out.filter((o) => o !== null);
      assert.deepEqual(full, [text]);
    }),
    { numRuns: 100 },
  );
});
