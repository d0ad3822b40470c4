/** The reader over blocks as the kernel writes them, and as it never would. The real ring is in test/netns/ring.test.ts. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { ethernet, ipv4, tcp, udp, vlan } from '../../test/support/packets.ts';
import { bytes, ringRegion, view } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countOf, resetCounters } from '../base/counters.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { Packet } from './packet.ts';
import { BLOCK_BYTES } from './packet-socket.ts';
import { RingReader } from './ring.ts';

const AT = ringRegion.at;
const BLOCKS = 4;
const RING_BYTES = BLOCKS * BLOCK_BYTES;
const END = AT + RING_BYTES;
/** Offsets of link-layer and network header, with an Ethernet header and the room for a tag, as the kernel aligns them. */
const NET = 112;
const MAC = NET - 14;
const VLAN_VALID = 0x10;
const TPID_VALID = 0x40;
const ETHERNET = 1;

interface Written {
  readonly data: Buffer;
  readonly wireBytes?: number;
  readonly timeUs?: number;
  readonly tci?: number;
  readonly tpid?: number;
  readonly device?: number;
  readonly index?: number;
  readonly mac?: number;
}

beforeEach(() => {
  bytes.fill(0, AT, END);
  resetCounters();
  resetWeirds();
});

const newReader = (state: Int32Array = new Int32Array(2)): RingReader => new RingReader(AT, RING_BYTES, state);

/** Writes a block as the kernel does, and hands it over. */
function writeBlock(i: number, packets: readonly Written[]): void {
  const block = AT + i * BLOCK_BYTES;
  let at = block + 48;
  for (const [
    n,
    { data, wireBytes = data.length, timeUs = 1_750_000_000_000_000, tci, tpid, device = ETHERNET, index = 2, mac = MAC },
  ] of packets.entries()) {
    const step = (NET + data.length + 15) & ~15;
    assert.ok(at + step <= block + BLOCK_BYTES, 'the packets fit into the block');
    view.setInt32(at, n === packets.length - 1 ? 0 : step, true);
    view.setInt32(at + 4, Math.floor(timeUs / 1e6), true);
    view.setInt32(at + 8, Math.round((timeUs % 1e6) * 1000), true);
    view.setInt32(at + 12, data.length, true);
    view.setInt32(at + 16, wireBytes, true);
    view.setInt32(at + 20, 1 | (tci === undefined ? 0 : VLAN_VALID) | (tpid === undefined ? 0 : TPID_VALID), true);
    view.setUint16(at + 24, mac, true);
    view.setUint16(at + 26, NET, true);
    view.setInt32(at + 32, tci ?? 0, true);
    view.setUint16(at + 36, tpid ?? 0, true);
    view.setInt32(at + 52, index, true);
    view.setUint16(at + 56, device, true);
    data.copy(bytes, at + mac);
    at += step;
  }
  view.setInt32(block + 12, packets.length, true);
  view.setInt32(block + 16, 48, true);
  view.setInt32(block + 8, 1, true);
}

/** The kernel is at work in the block: packets are counted and not handed over. */
function fillPartly(i: number, packets: number): void {
  view.setInt32(AT + i * BLOCK_BYTES + 12, packets, true);
}

interface Read {
  readonly data: Buffer;
  readonly wireBytes: number;
  readonly linkType: number;
  readonly interfaceId: number;
  readonly timeUs: number;
}

function readAll(reader: RingReader, most = Number.POSITIVE_INFINITY): Read[] {
  const packet = new Packet();
  const read: Read[] = [];
  while (read.length < most && reader.next(packet)) {
    const { at, end, wireBytes, linkType, interfaceId } = packet;
    assert.ok(at >= AT && at <= end && end <= END, `[${at}, ${end}) in [${AT}, ${END})`);
    read.push({ data: Buffer.from(bytes.subarray(at, end)), wireBytes, linkType, interfaceId, timeUs: packetTimeUs[0] });
  }
  return read;
}

const frame = (i: number, length = 20): Buffer => ethernet(ipv4(tcp(Buffer.alloc(length, i), { sourcePort: 1000 + i })));
const frames = (n: number, from = 0): Written[] => Array.from({ length: n }, (_, i) => ({ data: frame(from + i) }));
const status = (i: number): number => view.getInt32(AT + i * BLOCK_BYTES + 8, true);

test('packets in order, over several blocks, each once; a block is given back before the next one is read', () => {
  writeBlock(0, frames(3));
  writeBlock(1, frames(2, 3));
  const reader = newReader();
  const packet = new Packet();
  for (let i = 0; i < 3; i++) assert.ok(reader.next(packet));
  assert.equal(status(0), 1, 'its last packet is still being used');
  assert.ok(reader.next(packet));
  assert.equal(status(0), 0);
  assert.ok(reader.next(packet));
  assert.equal(reader.next(packet), false);
  assert.equal(status(1), 0);
  assert.equal(reader.next(packet), false);
  writeBlock(2, frames(1, 5));
  const [last] = readAll(reader);
  assert.deepEqual(last.data, frame(5));
  assert.equal(countOf('packets.received'), 6);
  assert.equal(countOf('packets.bytes'), 6 * frame(0).length);
});

test('round and round', () => {
  const reader = newReader();
  const sent: Buffer[] = [];
  const read: Buffer[] = [];
  for (let i = 0; i < 3 * BLOCKS; i++) {
    const written = frames(5, 5 * i);
    writeBlock(i % BLOCKS, written);
    sent.push(...written.map(({ data }) => data));
    if (i % 3 === 2) read.push(...readAll(reader).map(({ data }) => data));
  }
  assert.deepEqual(read, sent);
});

test('times to the nanosecond, lengths, interfaces', () => {
  const cut = frame(7, 1000).subarray(0, 200);
  writeBlock(0, [
    { data: frame(0), timeUs: 1_750_000_000_123_456.5, index: 4 },
    { data: cut, wireBytes: 1054, index: 9 },
    { data: frame(2), index: 4 },
    { data: frame(3), timeUs: 4_000_000_000_000_000, index: 4 },
  ]);
  const reader = newReader();
  const read = readAll(reader);
  assert.deepEqual(
    read.map(({ timeUs }) => timeUs),
    [1_750_000_000_123_456.5, 1_750_000_000_000_000, 1_750_000_000_000_000, 4_000_000_000_000_000],
  );
  assert.deepEqual([read[1].data, read[1].wireBytes], [cut, 1054]);
  assert.deepEqual(
    read.map(({ interfaceId, linkType }) => [interfaceId, linkType]),
    [
      [0, 1],
      [1, 1],
      [0, 1],
      [0, 1],
    ],
  );
  const length = frame(0).length;
  assert.deepEqual(reader.interfaces, [
    { index: 4, packets: 3, bytes: 3 * length },
    { index: 9, packets: 1, bytes: 1054 },
  ]);
});

test('a VLAN tag that the kernel took off is put back', () => {
  const inner = ipv4(tcp(Buffer.from('tagged')));
  const plain = ethernet(inner);
  const tagged = ethernet(vlan(inner, { id: 0x123, priority: 5 }));
  const service = Buffer.from(tagged);
  service.writeUInt16BE(0x88a8, 12);
  const tci = tagged.readUInt16BE(14);
  const short = plain.subarray(0, 11);
  writeBlock(0, [
    { data: plain, tci },
    { data: plain, tci, tpid: 0x8100 },
    { data: plain, tci, tpid: 0x88a8 },
    { data: plain, tpid: 0x88a8 },
    { data: plain.subarray(0, 40), wireBytes: plain.length, tci },
    { data: short, wireBytes: plain.length, tci },
  ]);
  const read = readAll(newReader());
  assert.deepEqual(
    read.map(({ data }) => data),
    [tagged, tagged, service, plain, tagged.subarray(0, 44), short],
  );
  assert.deepEqual(
    read.map(({ wireBytes }) => wireBytes),
    [tagged.length, tagged.length, tagged.length, plain.length, tagged.length, plain.length],
  );
});

test('devices without Ethernet: IP begins at the network header; an unknown kind is said', () => {
  const packet = ipv4(udp(Buffer.from('x')));
  const behind = Buffer.concat([Buffer.alloc(4), packet]);
  writeBlock(0, [
    { data: packet, device: 65_534, mac: NET },
    { data: behind, device: 778, mac: NET - 4 },
    { data: frame(0), device: 772 },
    { data: frame(1), device: 801 },
    { data: packet, device: 65_534, mac: NET, tci: 5 },
  ]);
  const read = readAll(newReader());
  assert.deepEqual(
    read.map(({ linkType }) => linkType),
    [101, 101, 1, -1, 101],
  );
  assert.deepEqual(
    [0, 1, 4].map((i) => [read[i].data, read[i].wireBytes]),
    Array(3).fill([packet, packet.length]),
  );
  assert.equal(weirdCount('capture.link.unsupported'), 1);
});

test('how full it is, and how many packets wait', () => {
  const reader = newReader();
  assert.deepEqual([reader.fill(), reader.waiting()], [0, 0]);
  for (let i = 0; i < BLOCKS; i++) {
    writeBlock(i, frames(i + 1));
    assert.equal(reader.fill(), (i + 1) / BLOCKS);
  }
  assert.equal(reader.waiting(), 10);
  readAll(reader, 2);
  assert.deepEqual([reader.fill(), reader.waiting()], [3 / BLOCKS, 8]);
  readAll(reader, 2);
  assert.deepEqual([reader.fill(), reader.waiting()], [2 / BLOCKS, 6]);
  writeBlock(0, frames(4));
  fillPartly(1, 3);
  assert.deepEqual([reader.fill(), reader.waiting()], [3 / BLOCKS, 13], 'round the end, and what the kernel is writing');
  assert.equal(readAll(reader).length, 10);
  assert.deepEqual([reader.fill(), reader.waiting()], [0, 3]);
});

test('another reader goes on at the packet where the first one ended', () => {
  for (let i = 0; i < 3; i++) writeBlock(i, frames(6, 6 * i));
  for (let first = 0; first <= 18; first++) {
    for (let i = 0; i < 3; i++) writeBlock(i, frames(6, 6 * i));
    const state = new Int32Array(new SharedArrayBuffer(64));
    const before = readAll(newReader(state), first);
    const second = newReader(state);
    assert.equal(second.waiting(), 18 - first, `${first} packets read`);
    const after = readAll(second);
    assert.deepEqual(
      [...before, ...after].map(({ data }) => data),
      frames(18).map(({ data }) => data),
    );
    assert.equal(second.waiting(), 0);
  }
});

test('more interfaces than there are places: the packets still count, under a number that no interface has', () => {
  const reader = newReader();
  const read: Read[] = [];
  for (let round = 0; round < 2; round++) {
    for (let block = 0; block < 3; block++) {
      writeBlock(
        (3 * round + block) % BLOCKS,
        Array.from({ length: 500 }, (_, i) => ({ data: frame(0), index: 1 + 500 * block + i })),
      );
      read.push(...readAll(reader));
    }
  }
  const { interfaces } = reader;
  assert.equal(interfaces.length, 1024);
  assert.equal(Math.max(...read.map(({ interfaceId }) => interfaceId)), 1023);
  assert.deepEqual(
    interfaces.slice(0, 1023).map(({ index, packets }) => [index, packets]),
    Array.from({ length: 1023 }, (_, i) => [i + 1, 2]),
  );
  assert.deepEqual([interfaces[1023].index, interfaces[1023].packets], [0, 3000 - 2046]);
});

test('whatever stands in the headers, nothing is read or written outside the ring, and it comes to an end', () => {
  const sentinel = Buffer.alloc(70_000, 0x5a);
  const words = fc.oneof(
    fc.constantFrom(
      0,
      1,
      -1,
      47,
      48,
      68,
      96,
      BLOCK_BYTES - 68,
      BLOCK_BYTES - 67,
      BLOCK_BYTES,
      0x7fffffff,
      -0x80000000,
      0x0062_0070,
      -0x10000,
    ),
    fc.integer({ min: 0, max: BLOCK_BYTES }),
    fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  );
  const change = fc.record({
    block: fc.integer({ min: 0, max: BLOCKS - 1 }),
    // Of the header of the block (-1), or of one of its packets.
    packet: fc.integer({ min: -1, max: 3 }),
    word: fc.constantFrom(0, 3, 4, 5, 6, 8, 9, 13, 14),
    value: words,
  });
  let received = 0;
  const before = Buffer.from(bytes.subarray(AT - 70_000, AT));
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 6 }),
      fc.constantFrom(1, 65_534, 999),
      (changes, taken, device) => {
        sentinel.copy(bytes, END);
        // The last packet ends where its block, and with the last block the ring, ends.
        const long = Buffer.alloc(BLOCK_BYTES - 48 - 3 * 176 - NET, 0x77);
        for (let i = 0; i < BLOCKS; i++)
          writeBlock(i, [...[0, 1, 2].map((n) => ({ data: frame(n, 10), tci: 7, device })), { data: long, tci: 7, device }]);
        for (const { block, packet, word, value } of changes) {
          if (packet < 0 && word === 8) continue;
          const at = AT + block * BLOCK_BYTES + (packet < 0 ? 0 : 48 + packet * 176);
          view.setInt32(at + 4 * word, value, true);
        }
        // The state is ours, but a reader that died may have counted packets that are no longer believed.
        const reader = newReader(Int32Array.of(0, taken));
        const packet = new Packet();
        const most = changes.some(({ packet: p, word }) => p < 0 && word === 3) ? BLOCKS * BLOCK_BYTES : 4 * BLOCKS;
        let n = 0;
        while (reader.next(packet)) {
          assert.ok(packet.at >= AT && packet.at <= packet.end && packet.end <= END, `[${packet.at}, ${packet.end})`);
          assert.ok(packet.wireBytes >= packet.end - packet.at);
          assert.ok(++n <= most);
        }
        assert.ok(bytes.subarray(END, END + sentinel.length).equals(sentinel), 'written behind the ring');
        assert.ok(bytes.subarray(AT - before.length, AT).equals(before), 'written before the ring');
        assert.equal(countOf('packets.received'), reader.interfaces.reduce((sum, { packets }) => sum + packets, 0) + received);
        received = countOf('packets.received');
      },
    ),
    { numRuns: 400 },
  );
});
