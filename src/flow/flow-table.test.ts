import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACK, ethernet, ipv4, ipv6, placePacket, SYN, tcp, udp, vlan, vxlan } from '../../test/support/packets.ts';
import { defaultSettings } from '../base/settings.ts';
import { weirdCount } from '../base/weird.ts';
import { Packet } from '../capture/packet.ts';
import { decode, resetDecode } from '../decode/decode.ts';
import { Segment, TCP } from '../decode/segment.ts';
import {
  addFlow,
  FLAGS,
  findFlow,
  flowsInUse,
  KEY_A,
  KEY_B,
  LAST_SEEN,
  ROW_SHIFT,
  removeFlow,
  resetFlowTable,
  reuseRows,
  rows,
  victim,
} from './flow-table.ts';
import { ACK as A, flowSettings, Run, raised, SYN as S } from './flow-testing.ts';

const segment = new Segment();
const packet = new Packet();

/** The segment of one packet, decoded. */
function decoded(data: Buffer): Segment {
  placePacket(packet, data);
  assert.equal(decode(packet, segment), TCP);
  return segment;
}

function segmentOf(source: number, destination: number, sourcePort: number, destinationPort: number, group = 0): Segment {
  const s = segment;
  s.ipVersion = 4;
  s.src0 = source;
  s.dst0 = destination;
  s.src1 = s.src2 = s.src3 = s.dst1 = s.dst2 = s.dst3 = 0;
  s.ports = (sourcePort << 16) | destinationPort;
  s.scopeId = group;
  s.scopeGroup = group;
  return s;
}

test('both directions of a connection meet in one row', () => {
  resetFlowTable(defaultSettings);
  const row = addFlow(segmentOf(0x0a000001, 0xc0a80001 | 0, 50_000, 65_535));
  assert.equal(findFlow(segmentOf(0x0a000001, 0xc0a80001 | 0, 50_000, 65_535)), row << 1);
  assert.equal(findFlow(segmentOf(0xc0a80001 | 0, 0x0a000001, 65_535, 50_000)), (row << 1) | 1);
  assert.equal(findFlow(segmentOf(0x0a000001, 0xc0a80001 | 0, 65_535, 50_000)), -1);
  assert.equal(findFlow(segmentOf(0x0a000001, 0xc0a80002 | 0, 50_000, 65_535)), -1);
});

test('one address and port talking to itself is found', () => {
  resetFlowTable(defaultSettings);
  const row = addFlow(segmentOf(0x7f000001, 0x7f000001, 80, 80));
  assert.equal(findFlow(segmentOf(0x7f000001, 0x7f000001, 80, 80)), row << 1);
});

test('IPv4 and IPv6 with the same words are two connections', () => {
  resetFlowTable(defaultSettings);
  addFlow(segmentOf(1, 2, 3, 4));
  const s = segmentOf(1, 2, 3, 4);
  s.ipVersion = 6;
  assert.equal(findFlow(s), -1);
});

test('adding, finding and removing agree with a map', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(40), fc.boolean(), fc.boolean()), { maxLength: 300 }), (steps) => {
      resetFlowTable(defaultSettings);
      const model = new Map<number, number>();
      for (const [n, add, back] of steps) {
        // Few hash bits differ: long probe runs.
        const s = back ? segmentOf(2, 1, 80, 1000 + n * 8192) : segmentOf(1, 2, 1000 + n * 8192, 80);
        s.ports = back ? (80 << 16) | (n * 1024) : (n << 26) | 80;
        const found = findFlow(s);
        const wanted = model.get(n);
        assert.equal(found === -1 ? undefined : found >> 1, wanted);
        if (add && wanted === undefined) {
          const row = addFlow(s);
          model.set(n, row);
        } else if (!add && wanted !== undefined) {
          removeFlow(wanted);
          model.delete(n);
        }
        assert.equal(flowsInUse(), model.size);
      }
    }),
    { numRuns: 100 },
  );
});

test('the index grows with the table and loses nothing', () => {
  resetFlowTable(defaultSettings);
  const rowOf: number[] = [];
  for (let n = 0; n < 20_000; n++) rowOf.push(addFlow(segmentOf(0x0a000000 + n, 0x0a800001, 1024 + (n % 60_000), 443)));
  assert.equal(new Set(rowOf).size, 20_000);
  for (let n = 0; n < 20_000; n++)
    assert.equal(findFlow(segmentOf(0x0a800001, 0x0a000000 + n, 443, 1024 + (n % 60_000))), (rowOf[n] << 1) | 1);
  for (let n = 0; n < 20_000; n += 2) removeFlow(rowOf[n]);
  for (let n = 0; n < 20_000; n++) {
    assert.equal(findFlow(segmentOf(0x0a000000 + n, 0x0a800001, 1024 + (n % 60_000), 443)), n % 2 === 0 ? -1 : rowOf[n] << 1);
  }
});

test('a removed row is used again, and cleared, when nobody refers to it any more', () => {
  resetFlowTable(defaultSettings);
  const row = addFlow(segmentOf(1, 2, 3, 4));
  rows[(row << ROW_SHIFT) + 20] = 99;
  removeFlow(row);
  const other = addFlow(segmentOf(7, 7, 7, 7));
  assert.notEqual(other, row);
  assert.equal(rows[(row << ROW_SHIFT) + KEY_A], 1);
  assert.equal(rows[(row << ROW_SHIFT) + KEY_B], 2);
  removeFlow(other);
  reuseRows();
  const again = [addFlow(segmentOf(8, 8, 8, 8)), addFlow(segmentOf(5, 6, 7, 8))];
  assert.deepEqual(new Set(again), new Set([row, other]));
  assert.equal(rows[(row << ROW_SHIFT) + 20], 0);
});

test('a full table: the longest idle connection goes, and the new one comes in', () => {
  const r = new Run({ flowsMax: 3 });
  for (const port of [1, 2, 3]) {
    r.handshake({ ports: [port, 80] });
    r.put(0, A, 101, 501, `hi ${port}`, { ports: [port, 80] });
    r.wait(1000);
  }
  r.put(1, A, 501, 105, 'yes', { ports: [1, 80] });
  assert.deepEqual(r.put(0, S, 100, 0, '', { ports: [4, 80] }), ['close evicted']);
  assert.equal(flowsInUse(), 3);
  assert.equal(weirdCount('limit.flow.flows'), 1);
  assert.deepEqual(r.put(1, A, 501, 105, 'x', { ports: [3, 80] }), ['< x']);
  assert.deepEqual(raised(), ['limit.flow.flows']);
});

test('the victim is the longest idle of those that are not being closed', () => {
  resetFlowTable(flowSettings({ flowsMax: 3 }));
  const made = [30, 10, 20].map((seen, i) => {
    const row = addFlow(segmentOf(1, 2, i + 1, 80));
    rows[(row << ROW_SHIFT) + LAST_SEEN] = seen;
    return row;
  });
  assert.equal(victim(), made[1]);
  rows[(made[1] << ROW_SHIFT) + FLAGS] |= 64;
  assert.equal(victim(), made[2]);
});

const request = (o: { vni?: number; vlanId?: number } = {}): Buffer => wrapped(ipv4(tcp(Buffer.from('x'), { flags: SYN })), o);
const response = (o: { vni?: number; vlanId?: number } = {}): Buffer =>
  wrapped(
    ipv4(tcp(Buffer.from('y'), { sourcePort: 80, destinationPort: 40000, flags: ACK }), { source: '10.0.0.2', destination: '10.0.0.1' }),
    o,
  );
function wrapped(packetBytes: Buffer, { vni, vlanId }: { vni?: number; vlanId?: number }): Buffer {
  const frame = ethernet(vlanId === undefined ? packetBytes : vlan(packetBytes, { id: vlanId }));
  return vni === undefined ? frame : ethernet(ipv4(udp(vxlan(frame, { vni }))));
}

test('equal addresses under two VNIs are two connections, or one with decode.vni merge', () => {
  for (const vni of ['isolate', 'merge'] as const) {
    resetDecode({ ...defaultSettings, decode: { ...defaultSettings.decode, vni } });
    resetFlowTable(defaultSettings);
    const row = addFlow(decoded(request({ vni: 7 })));
    assert.equal(findFlow(decoded(response({ vni: 7 }))), (row << 1) | 1);
    assert.equal(findFlow(decoded(request({ vni: 8 }))), vni === 'merge' ? row << 1 : -1);
  }
  resetDecode(defaultSettings);
});

test('a direction with another VLAN tag is adopted, and told; a third tag is another connection', () => {
  const before = weirdCount('flow.vlan.asymmetric');
  resetFlowTable(defaultSettings);
  const row = addFlow(decoded(request({ vlanId: 100 })));
  assert.equal(findFlow(decoded(response({ vlanId: 200 }))), (row << 1) | 1);
  assert.equal(weirdCount('flow.vlan.asymmetric'), before + 1);
  assert.equal(findFlow(decoded(response({ vlanId: 200 }))), (row << 1) | 1);
  assert.equal(weirdCount('flow.vlan.asymmetric'), before + 1);
  assert.equal(findFlow(decoded(response({ vlanId: 300 }))), -1);
  assert.equal(findFlow(decoded(request({ vlanId: 101 }))), -1);
});

test('one tagged and one untagged direction meet', () => {
  resetFlowTable(defaultSettings);
  const row = addFlow(decoded(request()));
  assert.equal(findFlow(decoded(response({ vlanId: 5 }))), (row << 1) | 1);
});

test('two connections that differ by VLAN only: each response finds its own', () => {
  resetFlowTable(defaultSettings);
  const one = addFlow(decoded(request({ vlanId: 1 })));
  const two = addFlow(decoded(request({ vlanId: 2 })));
  assert.equal(findFlow(decoded(response({ vlanId: 2 }))), (two << 1) | 1);
  assert.equal(findFlow(decoded(response({ vlanId: 1 }))), (one << 1) | 1);
});

test('IPv6 addresses that differ in any word are told apart', () => {
  resetFlowTable(defaultSettings);
  const to = (destination: string): Buffer => ethernet(ipv6(tcp(Buffer.from('x')), { destination }));
  const row = addFlow(decoded(to('2001:db8::2')));
  assert.equal(findFlow(decoded(to('2001:db8::2'))), row << 1);
  for (const other of ['2001:db9::2', '2001:db8:1::2', '2001:db8::1:0:0:2', '2001:db8::3'])
    assert.equal(findFlow(decoded(to(other))), -1, other);
});
