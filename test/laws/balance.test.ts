/**
 * Law: all packets of a connection come to one worker, whatever is around them and in whichever direction they go, and the
 * programs in the kernel take off the same headers as decode/ does.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '../../src/base/address.ts';
import { defaultSettings } from '../../src/base/settings.ts';
import { balanceProgram } from '../../src/capture/balance-program.ts';
import { runProgram } from '../../src/capture/bpf-interpreter.ts';
import { Packet } from '../../src/capture/packet.ts';
import { socketFilter } from '../../src/capture/socket-filter.ts';
import { decode, resetDecode } from '../../src/decode/decode.ts';
import { Segment, TCP } from '../../src/decode/segment.ts';
import * as p from '../support/packets.ts';
import { lawSeed } from '../support/run-pipeline.ts';

const { vxlanPorts, genevePorts } = defaultSettings.decode;
const WORKERS = 4;
const fine = balanceProgram({ start: 'packet', workers: 1 << 30, vxlanPorts, genevePorts });
const coarse = balanceProgram({ start: 'packet', workers: WORKERS, vxlanPorts, genevePorts });
const OUTGOING = 4;

/** The hash, as of a frame that comes in; the one on the way out must be the same. */
function hashOf(frame: Buffer, program = fine): number {
  const incoming = runProgram(program, frame.subarray(14), { protocol: frame.readUInt16BE(12) });
  assert.equal(runProgram(program, frame, { packetType: OUTGOING }), incoming);
  return incoming;
}

interface Flow {
  readonly family: 4 | 6;
  readonly client: number;
  readonly server: number;
  readonly clientPort: number;
  readonly serverPort: number;
}

const flows: fc.Arbitrary<Flow> = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  client: fc.integer({ min: 0, max: 0xffffffff }),
  server: fc.integer({ min: 0, max: 0xffffffff }),
  clientPort: fc.integer({ min: 1024, max: 65535 }),
  serverPort: fc.constantFrom(80, 443, 8080, 3000),
});

/** An IP packet of the flow. */
function packetOf(flow: Flow, fromServer: boolean): Buffer {
  const { family, clientPort, serverPort } = flow;
  const [source, destination] = fromServer ? [flow.server, flow.client] : [flow.client, flow.server];
  const [sourcePort, destinationPort] = fromServer ? [serverPort, clientPort] : [clientPort, serverPort];
  const tcp = p.tcp(Buffer.from(fromServer ? 'HTTP/1.1 200 OK\r\n\r\n' : 'GET / HTTP/1.1\r\n\r\n'), { sourcePort, destinationPort });
  const text = (n: number): string => (family === 4 ? formatAddress(4, n | 0, 0, 0, 0) : formatAddress(6, 0x20010db8, n | 0, 0, n & 0xff));
  const addresses = { source: text(source), destination: text(destination) };
  return family === 4 ? p.ipv4(tcp, addresses) : p.ipv6(tcp, addresses);
}

/** Puts an IP packet into a frame or IP packet with whatever is around; `id` is that of the tunnel. */
interface Wrapper {
  readonly name: string;
  /** An IP packet in, an IP packet out: it can go into another one. */
  readonly wrap: (ip: Buffer, id: number) => Buffer;
}

const outers = (id: number): p.Ipv4Options => ({
  source: `192.0.2.${id & 255}`,
  destination: `198.51.100.${(id >> 8) & 255}`,
  ttl: 1 + (id & 31),
});
const over = (payload: Buffer, id: number): Buffer =>
  id % 3 === 0
    ? p.ipv6(payload, { source: `2001:db8:ffff::${(id & 0xffff).toString(16)}` })
    : p.ipv4(payload, { ...outers(id), options: Buffer.alloc(id % 3 === 1 ? 8 : 0, 1) });
const frame = (ip: Buffer, id: number): Buffer => {
  if (id % 5 === 1) return p.ethernet(p.vlan(ip, { id: id & 0xfff }));
  if (id % 5 === 2) return p.ethernet(p.vlan(p.vlan(ip, { id: id & 0xfff })), { type: 0x88a8 });
  return p.ethernet(ip);
};
const datagram = (tunnel: Buffer, id: number): Buffer => over(p.udp(tunnel, { sourcePort: 49152 + (id & 0x3fff), checksum: 0 }), id);

const wrappers: readonly Wrapper[] = [
  { name: 'nothing', wrap: (ip) => ip },
  { name: 'VXLAN', wrap: (ip, id) => datagram(p.vxlan(frame(ip, id), { vni: id & 0xffffff }), id) },
  { name: 'VXLAN-GPE', wrap: (ip, id) => datagram(p.vxlanGpe(id & 1 ? ip : frame(ip, id), { vni: id & 0xffffff }), id) },
  {
    name: 'GENEVE',
    wrap: (ip, id) => datagram(p.geneve(id & 1 ? ip : frame(ip, id), { vni: id & 0xffffff, options: Buffer.alloc(4 * (id & 15)) }), id),
  },
  {
    name: 'GRE',
    wrap: (ip, id) =>
      over(
        p.gre(id & 8 ? frame(ip, id) : ip, {
          ...(id & 1 ? { key: id } : undefined),
          ...(id & 2 ? { sequence: id } : undefined),
          checksum: (id & 4) !== 0,
        }),
        id,
      ),
  },
  { name: 'GRE in UDP', wrap: (ip, id) => over(p.udp(p.gre(ip), { sourcePort: 50000 + (id & 0xfff), destinationPort: 4754 }), id) },
  {
    name: 'ERSPAN',
    wrap: (ip, id) =>
      over(p.erspan(frame(ip, id), { type: ((id % 3) + 1) as 1 | 2 | 3, session: id & 0x3ff, platform: (id & 1) !== 0 }), id),
  },
  { name: 'IP-in-IP', wrap: (ip, id) => over(ip, id) },
  { name: 'EtherIP', wrap: (ip, id) => over(p.etherIp(frame(ip, id)), id) },
  { name: 'AH', wrap: (ip, id) => over(p.authentication(ip), id) },
  { name: 'IPv6 with extension headers', wrap: (ip) => p.ipv6(p.hopByHop(p.destinationOptions(p.mobility(ip)))) },
];

const nests = fc.array(fc.record({ wrapper: fc.constantFrom(...wrappers), id: fc.nat(0xffffff) }), { maxLength: 3 });
type Nest = readonly { readonly wrapper: Wrapper; readonly id: number }[];

/** The frame on the wire: the packet in the tunnels, the first one innermost, and a link header. */
function wrapped(ip: Buffer, nest: Nest, link: number): Buffer {
  const all = nest.reduce((inner, { wrapper, id }) => wrapper.wrap(inner, id), ip);
  if (link % 7 === 3) return p.ethernet(p.mpls(all, { labels: [100, 200] }));
  if (link % 7 === 4) return p.ethernet(p.pppoe(all));
  if (link % 7 === 5) return p.ethernet(p.mpls(p.ethernet(all), { controlWord: true }));
  return frame(all, link);
}

test('both directions, in any tunnels, under any ids, and plain', () => {
  fc.assert(
    fc.property(flows, nests, nests, fc.nat(99), fc.nat(99), (flow, one, other, oneLink, otherLink) => {
      const wanted = hashOf(p.ethernet(packetOf(flow, false)));
      assert.notEqual(wanted, 0);
      // A pseudowire is a tunnel too.
      const limit = (nest: Nest, link: number): Nest => (link % 7 === 5 ? nest.slice(0, 2) : nest);
      assert.equal(hashOf(wrapped(packetOf(flow, false), limit(one, oneLink), oneLink)), wanted);
      assert.equal(hashOf(wrapped(packetOf(flow, true), limit(other, otherLink), otherLink)), wanted);
    }),
    { seed: lawSeed(), numRuns: 400 },
  );
});

const packet = new Packet();
const segment = new Segment();

test('what decode/ finds is what the programs find', () => {
  resetDecode({ ...defaultSettings, decode: { ...defaultSettings.decode, depthMax: 64 } });
  fc.assert(
    fc.property(flows, nests, fc.nat(99), (flow, nest, link) => {
      fc.pre(nest.length < 3 || link % 7 !== 5);
      const data = wrapped(packetOf(flow, false), nest, link);
      p.placePacket(packet, data);
      assert.equal(decode(packet, segment), TCP);
      const { ipVersion, src0, src1, src2, src3, dst0, dst1, dst2, dst3, ports } = segment;
      const source = formatAddress(ipVersion, src0, src1, src2, src3);
      const destination = formatAddress(ipVersion, dst0, dst1, dst2, dst3);
      const nothing = { ports: [], networks: [] };
      const filter = (only: { ports: number[]; networks: string[] }): boolean =>
        runProgram(
          socketFilter({ start: 'frame', interfaces: null, loopback: null, only, not: nothing, expression: null, vxlanPorts, genevePorts }),
          data,
        ) !== 0;
      for (const port of [ports >>> 16, ports & 0xffff]) {
        for (const network of [source, destination]) assert.ok(filter({ ports: [port], networks: [network] }));
      }
      assert.ok(!filter({ ports: [1], networks: [] }));
      assert.ok(!filter({ ports: [], networks: ['203.0.113.1', '2001:db8:eeee::1'] }));
    }),
    { seed: lawSeed(), numRuns: 100 },
  );
});

test('flows spread evenly, also when they differ in little', () => {
  const families: readonly (4 | 6)[] = [4, 6];
  for (const family of families) {
    const sets: Record<string, (i: number) => Flow> = {
      'client ports': (i) => ({ family, client: 0x0a000001, server: 0x0a000002, clientPort: 32768 + i, serverPort: 80 }),
      'even client ports': (i) => ({ family, client: 0x0a000001, server: 0x0a000002, clientPort: 32768 + 2 * i, serverPort: 80 }),
      clients: (i) => ({ family, client: 0x0a000100 + i, server: 0x0a000002, clientPort: 40000, serverPort: 80 }),
      'clients and servers': (i) => ({ family, client: 0x0a000100 + i, server: 0x0a100100 + i, clientPort: 40000, serverPort: 80 }),
      networks: (i) => ({ family, client: 0x0a000001 + (i << 16), server: 0x0a000002, clientPort: 40000, serverPort: 443 }),
    };
    for (const [name, flowOf] of Object.entries(sets)) {
      for (const count of [64, 1000]) {
        const load = new Array<number>(WORKERS).fill(0);
        for (let i = 0; i < count; i++) load[hashOf(p.ethernet(packetOf(flowOf(i), false)), coarse)]++;
        const mean = count / WORKERS;
        // Five standard deviations of a fair choice.
        const slack = 5 * Math.sqrt(mean * (1 - 1 / WORKERS));
        for (const n of load) assert.ok(Math.abs(n - mean) <= slack, `${name}, IPv${family}, ${count} flows: ${load.join(' ')}`);
      }
    }
  }
});

test('a packet cut anywhere has some worker, and the right one as soon as its ports are there', () => {
  fc.assert(
    fc.property(flows, nests, (flow, nest) => {
      const whole = wrapped(packetOf(flow, false), nest, 0);
      const wanted = hashOf(whole);
      const payload = 'GET / HTTP/1.1\r\n\r\n'.length;
      for (let end = 14; end <= whole.length; end++) {
        const got = hashOf(whole.subarray(0, end));
        if (end >= whole.length - payload) assert.equal(got, wanted);
      }
    }),
    { seed: lawSeed(), numRuns: 40 },
  );
});

test('any bytes give some number, and neither program trips over them', () => {
  const filter = socketFilter({
    start: 'frame',
    interfaces: [2],
    loopback: 1,
    only: { ports: [80], networks: ['10.0.0.0/8', '2001:db8::/32'] },
    not: { ports: [22], networks: [] },
    expression: null,
    vxlanPorts,
    genevePorts,
  });
  const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(flows, nests, changes, fc.nat(300), (flow, nest, bytes, end) => {
      const data = Buffer.from(wrapped(packetOf(flow, false), nest, 0)).subarray(0, Math.max(14, end));
      for (const [at, value] of bytes) if (at < data.length) data[at] = value;
      const worker = hashOf(data, coarse);
      assert.ok(worker >= 0 && worker < WORKERS);
      assert.ok([0, 0x40000].includes(runProgram(filter, data, { interfaceIndex: 2 })));
    }),
    { seed: lawSeed(), numRuns: 500 },
  );
});
