import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as p from '../../test/support/packets.ts';
import { balanceProgram } from './balance-program.ts';
import { type Around, runProgram } from './bpf-interpreter.ts';

const ports = { vxlanPorts: [4789, 8472], genevePorts: [6081] };
const WORKERS = 1 << 16;
const program = balanceProgram({ start: 'packet', workers: WORKERS, ...ports });
const OUTGOING = 4;

/** As it comes in: the data begins behind the frame's header, whose type stands beside it. */
function incoming(frame: Buffer, around: Around = {}): number {
  return runProgram(program, frame.subarray(14), { protocol: frame.readUInt16BE(12), ...around });
}

const request = p.ipv4(p.tcp(Buffer.from('GET /'), { sourcePort: 40000, destinationPort: 80 }), {
  source: '10.0.0.1',
  destination: '10.0.0.2',
});
const response = p.ipv4(p.tcp(Buffer.from('HTTP/'), { sourcePort: 80, destinationPort: 40000 }), {
  source: '10.0.0.2',
  destination: '10.0.0.1',
});
const worker = incoming(p.ethernet(request));

test('both directions, coming in and going out', () => {
  assert.notEqual(worker, 0);
  assert.equal(incoming(p.ethernet(response)), worker);
  assert.equal(runProgram(program, p.ethernet(request), { packetType: OUTGOING, protocol: 0x0800 }), worker);
  assert.equal(runProgram(program, p.ethernet(response), { packetType: OUTGOING, hardwareType: 772 }), worker);
});

test('a device without link headers', () => {
  const NONE = 65534;
  assert.equal(runProgram(program, request, { packetType: OUTGOING, hardwareType: NONE }), worker);
  assert.equal(runProgram(program, request, { protocol: 0x0800, hardwareType: NONE }), worker);
});

test('802.3 with LLC, as the kernel shows it', () => {
  const ETH_P_802_2 = 4;
  const frame = p.ethernetSnap(request);
  assert.equal(runProgram(program, frame.subarray(14), { protocol: ETH_P_802_2 }), worker);
  assert.equal(runProgram(program, frame, { packetType: OUTGOING }), worker);
});

test('a second VLAN tag, when the kernel took the first', () => {
  const tagged = p.ethernet(p.vlan(p.vlan(request, { id: 5 }), { id: 6 }));
  assert.equal(runProgram(program, tagged.subarray(18), { protocol: 0x8100, vlanTag: 6 }), worker);
});

test('other ports and other addresses go elsewhere', () => {
  const others = new Set([worker]);
  for (let i = 1; i <= 20; i++) {
    others.add(
      incoming(p.ethernet(p.ipv4(p.tcp(Buffer.alloc(0), { sourcePort: 40000 + i }), { source: '10.0.0.1', destination: '10.0.0.2' }))),
    );
    others.add(incoming(p.ethernet(p.ipv4(p.tcp(Buffer.alloc(0)), { source: `10.0.1.${i}`, destination: '10.0.0.2' }))));
  }
  assert.equal(others.size, 41);
});

test('SCTP has ports, ICMP has none', () => {
  const of = (protocol: number, first: number): number => {
    const head = Buffer.alloc(12);
    head.writeUInt32BE(first);
    return incoming(p.ethernet(p.ipv4(head, { protocol })));
  };
  assert.notEqual(of(132, 1), of(132, 2));
  assert.equal(of(1, 1), of(1, 2));
});

test('all pieces of a fragmented packet come to one worker', () => {
  const piece = (fragmentOffset: number, moreFragments: boolean): number =>
    incoming(
      p.ethernet(p.ipv4(Buffer.alloc(16, fragmentOffset), { protocol: 6, fragmentOffset, moreFragments, ...{ source: '10.0.0.1' } })),
    );
  assert.equal(piece(0, true), piece(16, true));
  assert.equal(piece(16, true), piece(32, false));
  const piece6 = (offset: number, more: boolean): number =>
    incoming(p.ethernet(p.ipv6(p.ipv6Fragment(Buffer.alloc(16, offset), { offset, more, nextHeader: 6 }))));
  assert.equal(piece6(0, true), piece6(16, false));
  // An atomic fragment (RFC 6946) is none.
  const tcp = p.tcp(Buffer.alloc(0));
  assert.equal(incoming(p.ethernet(p.ipv6(p.ipv6Fragment(tcp)))), incoming(p.ethernet(p.ipv6(tcp))));
});

test('segment routing: the final destination counts', () => {
  const tcp = p.tcp(Buffer.alloc(0));
  const wanted = incoming(p.ethernet(p.ipv6(tcp, { destination: '2001:db8::9' })));
  for (const [type, addresses] of [
    [4, ['2001:db8::9', '2001:db8::8']],
    [0, ['2001:db8::8', '2001:db8::9']],
  ] as const) {
    const routed = p.ipv6(p.routing(tcp, { type, addresses: [...addresses] }), { destination: '2001:db8::7' });
    assert.equal(incoming(p.ethernet(routed)), wanted, `type ${type}`);
  }
  const arrived = p.ipv6(p.routing(tcp, { type: 4, segmentsLeft: 0, addresses: ['2001:db8::5'] }), { destination: '2001:db8::9' });
  assert.equal(incoming(p.ethernet(arrived)), wanted);
});

test('a tunnel that is not looked into is kept together by its addresses', () => {
  const gtp = (inner: Buffer, teid: number): Buffer => p.ethernet(p.ipv4(p.udp(p.gtp(inner, { teid }), { sourcePort: 2152 + teid })));
  assert.equal(incoming(gtp(request, 1)), incoming(gtp(response, 2)));
  const back = p.ethernet(p.ipv4(p.udp(p.vxlan(p.ethernet(request)), { sourcePort: 4789, destinationPort: 33333 })));
  assert.equal(incoming(back), incoming(gtp(request, 1)));
});

test('what is no IP packet is 0', () => {
  assert.equal(incoming(p.ethernet(Buffer.alloc(46), { type: 0x0806 })), 0);
  assert.equal(incoming(p.ethernet(Buffer.alloc(46), { type: 0x88cc })), 0);
  assert.equal(incoming(p.ethernet(Buffer.alloc(0), { type: 0x0800 })), 0);
});

test('datagrams of an end-point', () => {
  const vxlan = balanceProgram({ start: 'datagram', encapsulation: 'vxlan', workers: WORKERS, ...ports });
  const geneve = balanceProgram({ start: 'datagram', encapsulation: 'geneve', workers: WORKERS, ...ports });
  const both = balanceProgram({ start: 'datagram', encapsulation: 'geneve+vxlan', workers: WORKERS, ...ports });
  for (const inner of [request, response]) {
    assert.equal(runProgram(vxlan, p.vxlan(p.ethernet(inner), { vni: 7 })), worker);
    assert.equal(runProgram(geneve, p.geneve(p.ethernet(inner))), worker);
    const options = { options: Buffer.alloc(32) };
    assert.equal(runProgram(geneve, p.geneve(inner, options)), worker);
    assert.equal(runProgram(both, p.geneve(p.ipv4(p.udp(p.vxlan(p.ethernet(inner)))), options)), worker);
  }
});

test('the number is below that of the workers', () => {
  for (const workers of [1, 2, 3, 7]) {
    const few = balanceProgram({ start: 'datagram', encapsulation: 'vxlan', workers, ...ports });
    for (let i = 0; i < 50; i++) {
      const inner = p.ethernet(p.ipv4(p.tcp(Buffer.alloc(0), { sourcePort: 1000 + i })));
      assert.ok(runProgram(few, p.vxlan(inner)) < workers);
    }
  }
});
