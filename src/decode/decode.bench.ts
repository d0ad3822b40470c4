/**
 * Micro-bench of decode: prints `name value unit` lines, nanoseconds a packet, best of several rounds.
 *
 *   node src/decode/decode.bench.ts
 */
import { ACK, ethernet, geneve, gre, ipv4, ipv6, placePacket, tcp, udp, vlan, vxlan } from '../../test/support/packets.ts';
import { bytes, packetRegion } from '../base/arena.ts';
import { defaultSettings } from '../base/settings.ts';
import { Packet } from '../capture/packet.ts';
import { decode, resetDecode } from './decode.ts';
import { Segment, TCP } from './segment.ts';

const PACKETS = 256;
const LOOPS = 4096;
const ROUNDS = 7;

const payload = Buffer.alloc(512, 'x');
const options = Buffer.from('0101080a0000000100000002', 'hex');
const segmentBytes = (i: number): Buffer =>
  tcp(payload, { sourcePort: 1024 + i, destinationPort: 8080, sequence: i * 512, flags: ACK, options, checksum: 0 });
const inner = (i: number): Buffer =>
  ipv4(segmentBytes(i), { source: `10.${i & 1}.${(i >> 4) & 255}.${i & 15}`, destination: `10.1.${i & 15}.9` });
const tunnelled = (i: number, vnis: number): Buffer => vxlan(ethernet(inner(i)), { vni: 1 + (i % vnis) });
const outer = (payloadOfUdp: Buffer, i: number): Buffer =>
  ipv4(udp(payloadOfUdp, { sourcePort: 49152 + (i & 1023), checksum: 0 }), {
    source: `172.16.0.${1 + (i & 1)}`,
    destination: '172.16.9.9',
  });

const cases: [string, (i: number) => Buffer][] = [
  ['ipv4', (i) => ethernet(inner(i))],
  ['ipv6', (i) => ethernet(ipv6(segmentBytes(i), { source: `2001:db8::${i.toString(16)}` }))],
  ['vlan', (i) => ethernet(vlan(inner(i), { id: 1 + (i & 7) }))],
  ['vxlan_one_path', (i) => ethernet(outer(tunnelled(i, 1), 0))],
  ['vxlan_32_paths', (i) => ethernet(outer(tunnelled(i, 16), i))],
  ['gre', (i) => ethernet(ipv4(gre(inner(i), { key: 1 + (i & 7) })))],
  ['geneve_vxlan', (i) => ethernet(outer(geneve(outer(tunnelled(i, 16), i), { options: Buffer.alloc(32) }), 0))],
];

const takePacket = decode;
const TCP_VERDICT = TCP;
const packet = new Packet();
const segment = new Segment();
const starts = new Int32Array(PACKETS);
const ends = new Int32Array(PACKETS);

function run(): number {
  let found = 0;
  for (let loop = 0; loop < LOOPS; loop++) {
    for (let i = 0; i < PACKETS; i++) {
      packet.at = starts[i];
      packet.end = ends[i];
      packet.wireBytes = ends[i] - starts[i];
      if (takePacket(packet, segment) === TCP_VERDICT) found += segment.payloadWireBytes;
    }
  }
  return found;
}

resetDecode(defaultSettings);
// All kinds once, so that no case profits from a decoder that has seen nothing else.
for (const [, build] of cases) {
  for (let i = 0; i < 64; i++) {
    placePacket(packet, build(i));
    if (decode(packet, segment) !== TCP) throw new Error('a bench packet is not TCP');
  }
}
for (const [name, build] of cases) {
  let at = packetRegion.at;
  for (let i = 0; i < PACKETS; i++) {
    const data = build(i);
    bytes.set(data, at);
    starts[i] = at;
    at += data.length;
    ends[i] = at;
  }
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.hrtime.bigint();
    if (run() !== LOOPS * PACKETS * payload.length) throw new Error(`${name}: wrong payload`);
    best = Math.min(best, Number(process.hrtime.bigint() - before) / (LOOPS * PACKETS));
  }
  console.log(`decode.${name} ${best.toFixed(1)} ns/packet`);
}
