/**
 * Law 5: wrapping changes nothing inside. A conversation in any tunnel gives the records that it gives without, but for
 * `encapsulation`, which says what was wrapped.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { arbitraryPlan, everyBytes, ipPacket, makeConversation, type Part, partsOf } from '../support/conversation.ts';
import * as p from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { essence, lawSeed, runPipeline, START_US, settingsWith, type Wire } from '../support/run-pipeline.ts';

type Layer = ApiCall['encapsulation'][number];

/** What is around a packet: whether it takes frames or IP packets, and what it makes of them. */
interface Wrapper {
  readonly name: string;
  readonly takes: 'frame' | 'ip';
  readonly gives: 'frame' | 'ip';
  readonly wrap: (inner: Buffer) => Buffer;
  readonly layers: readonly Layer[];
}

const four = { source: '192.0.2.1', destination: '192.0.2.2' };
const six = { source: '2001:db8:ffff::1', destination: '2001:db8:ffff::2' };
const frame = (inner: Buffer): Buffer => p.ethernet(inner);

/** IP packet in IP packet, by GRE with every set of flags. */
const greFlags = Array.from({ length: 16 }, (_, bits): Wrapper => {
  const options: p.GreOptions = {
    checksum: (bits & 1) !== 0,
    ...(bits & 2 ? { key: 0xfffffff0 } : undefined),
    ...(bits & 4 ? { sequence: 7 } : undefined),
    ...(bits & 8 ? { routing: Buffer.from('0800000401020304', 'hex') } : undefined),
  };
  const layer: Layer = { type: 'gre', ...four, ...(bits & 2 ? { key: 0xfffffff0 } : undefined) };
  return {
    name: `GRE ${bits.toString(2)}`,
    takes: 'ip',
    gives: 'ip',
    wrap: (inner) => p.ipv4(p.gre(inner, options), four),
    layers: [layer],
  };
});

const overIp = (name: string, takes: Wrapper['takes'], make: (inner: Buffer) => Buffer, layer: Layer): Wrapper[] => [
  { name: `${name} over IPv4`, takes, gives: 'ip', wrap: (inner) => p.ipv4(make(inner), four), layers: [{ ...layer, ...four }] },
  { name: `${name} over IPv6`, takes, gives: 'ip', wrap: (inner) => p.ipv6(make(inner), six), layers: [{ ...layer, ...six }] },
];

const wrappers: readonly Wrapper[] = [
  { name: 'VLAN', takes: 'ip', gives: 'frame', wrap: (inner) => frame(p.vlan(inner, { id: 12 })), layers: [{ type: 'vlan', vlan: 12 }] },
  {
    name: 'QinQ',
    takes: 'ip',
    gives: 'frame',
    wrap: (inner) => p.ethernet(p.vlan(p.vlan(inner, { id: 34 }), { id: 12 }), { type: 0x88a8 }),
    layers: [
      { type: 'vlan', vlan: 12 },
      { type: 'vlan', vlan: 34 },
    ],
  },
  {
    name: 'MPLS',
    takes: 'ip',
    gives: 'frame',
    wrap: (inner) => frame(p.mpls(inner, { labels: [100, 200] })),
    layers: [
      { type: 'mpls', label: 100 },
      { type: 'mpls', label: 200 },
    ],
  },
  {
    name: 'PPPoE',
    takes: 'ip',
    gives: 'frame',
    wrap: (inner) => frame(p.pppoe(inner, { session: 9 })),
    layers: [{ type: 'pppoe', session: 9 }],
  },
  ...overIp('VXLAN', 'frame', (inner) => p.udp(p.vxlan(inner, { vni: 0xabcdef })), { type: 'vxlan', vni: 0xabcdef }),
  ...overIp('GENEVE', 'frame', (inner) => p.udp(p.geneve(inner, { vni: 77 })), { type: 'geneve', vni: 77 }),
  ...overIp('GENEVE with options', 'ip', (inner) => p.udp(p.geneve(inner, { vni: 78, options: Buffer.alloc(20) })), {
    type: 'geneve',
    vni: 78,
  }),
  {
    name: 'GENEVE with VXLAN inside',
    takes: 'frame',
    gives: 'ip',
    wrap: (inner) =>
      p.ipv4(p.udp(p.geneve(p.ipv4(p.udp(p.vxlan(inner, { vni: 5 })), four), { vni: 0 })), {
        source: '198.51.100.1',
        destination: '198.51.100.2',
      }),
    layers: [
      { type: 'geneve', source: '198.51.100.1', destination: '198.51.100.2', vni: 0 },
      { type: 'vxlan', ...four, vni: 5 },
    ],
  },
  ...greFlags,
  {
    name: 'GRE around Ethernet',
    takes: 'frame',
    gives: 'ip',
    wrap: (inner) => p.ipv4(p.gre(inner), four),
    layers: [{ type: 'gre', ...four }],
  },
  ...overIp('ERSPAN I', 'frame', (inner) => p.erspan(inner, { type: 1 }), { type: 'erspan' }),
  ...overIp('ERSPAN II', 'frame', (inner) => p.erspan(inner, { type: 2, session: 3, vlan: 8 }), { type: 'erspan', session: 3, vlan: 8 }),
  ...overIp('ERSPAN III', 'frame', (inner) => p.erspan(inner, { type: 3, session: 4 }), { type: 'erspan', session: 4 }),
  ...overIp('ERSPAN III with subheader', 'frame', (inner) => p.erspan(inner, { type: 3, session: 4, platform: true }), {
    type: 'erspan',
    session: 4,
  }),
  ...overIp('IP in IP', 'ip', (inner) => inner, { type: 'ipip' }),
  ...overIp('GTP-U', 'ip', (inner) => p.udp(p.gtp(inner, { teid: 0xfedcba98 })), { type: 'gtp', teid: 0xfedcba98 }),
];

interface Fragmenting {
  readonly bytes: number;
  readonly seed: number;
}

/** An IP packet as fragments of at most so many bytes, in any order. */
function fragments(packet: Buffer, { bytes, seed }: Fragmenting, id: number): Buffer[] {
  const random = new Random(seed);
  const version = packet[0] >> 4;
  const headerBytes = version === 4 ? 20 : 40;
  const payload = packet.subarray(headerBytes);
  const size = Math.max(8, bytes & ~7);
  const pieces: Buffer[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const piece = payload.subarray(at, at + size);
    const more = at + size < payload.length;
    if (version === 4) {
      const whole = {
        source: [...packet.subarray(12, 16)].join('.'),
        destination: [...packet.subarray(16, 20)].join('.'),
        protocol: packet[9],
      };
      pieces.push(p.ipv4(piece, { ...whole, id: id & 0xffff, fragmentOffset: at, moreFragments: more }));
    } else {
      const fragment = p.ipv6Fragment(piece, { offset: at, more, id, nextHeader: packet[6] });
      const header = Buffer.from(packet.subarray(0, 40));
      header[6] = 44;
      header.writeUInt16BE(fragment.length, 4);
      pieces.push(Buffer.concat([header, fragment]));
    }
  }
  for (let i = pieces.length - 1; i > 0; i--) {
    const j = random.integer(0, i);
    [pieces[i], pieces[j]] = [pieces[j], pieces[i]];
  }
  return pieces;
}

const raw = (packet: Buffer): Buffer => p.ethernet(packet, { type: packet[0] >> 4 === 6 ? 0x86dd : 0x0800 });

/** Puts the packet into all wrappers, the first one innermost. */
function wrapped(ip: Buffer, all: readonly Wrapper[]): { packet: Buffer; kind: 'frame' | 'ip' } {
  let packet = ip;
  let kind: 'frame' | 'ip' = 'ip';
  for (const w of all) {
    if (w.takes === 'frame' && kind === 'ip') packet = frame(packet);
    packet = w.wrap(packet);
    kind = w.gives;
  }
  return { packet, kind };
}

const addresses = fc.constantFrom({ client: '10.1.1.1', server: '10.2.2.2' }, { client: '2001:db8::1:1', server: '2001:db8::2:2' });

function bare(parts: readonly Part[], place: { client: string; server: string }): Wire[] {
  return parts.map((part, i) => ({ data: frame(ipPacket(part, place)), timeUs: START_US + i * 1000 }));
}

function withoutLayers(record: ApiCall): unknown {
  return essence({ ...record, encapsulation: [] });
}

for (const w of wrappers) {
  test(`wrapped in ${w.name}`, () => {
    fc.assert(
      fc.property(arbitraryPlan({ exchangesMax: 3 }), addresses, (plan, place) => {
        const parts = partsOf(makeConversation(plan), everyBytes(300));
        const wanted = runPipeline(bare(parts, place)).records.map(essence);
        const packets = parts.map((part, i): Wire => {
          const { packet, kind } = wrapped(ipPacket(part, place), [w]);
          return { data: kind === 'frame' ? packet : frame(packet), timeUs: START_US + i * 1000 };
        });
        const { records } = runPipeline(packets, { everyPacket: true });
        for (const record of records) assert.deepEqual(record.encapsulation, w.layers);
        assert.deepEqual(records.map(withoutLayers), wanted);
      }),
      { seed: lawSeed(), numRuns: 6 },
    );
  });
}

const deep = settingsWith({ decode: { depthMax: 64 } });
const nests = fc
  .array(fc.constantFrom(...wrappers), { minLength: 1, maxLength: 4 })
  // A frame that is no tunnel of its own cannot stand in an IP packet.
  .filter((all) => all.every((w, i) => i === 0 || all[i - 1].gives === 'ip' || w.takes === 'frame'));

test('wrapped several times, and fragmented at any depth', () => {
  fc.assert(
    fc.property(
      arbitraryPlan({ exchangesMax: 2 }),
      addresses,
      nests,
      fc.nat(3),
      fc.record({ bytes: fc.integer({ min: 8, max: 700 }), seed: fc.integer() }),
      (plan, place, nest, depth, fragmenting) => {
        const parts = partsOf(makeConversation(plan), everyBytes(300));
        const wanted = runPipeline(bare(parts, place)).records.map(essence);
        const packets = parts.flatMap((part, i): Wire[] => {
          // The packet inside `inner` is fragmented, and each piece goes on into `outer`.
          const inner = nest.slice(0, depth);
          const outer = nest.slice(inner.length);
          const { packet, kind } = wrapped(ipPacket(part, place), inner);
          const pieces = kind === 'ip' ? fragments(packet, { ...fragmenting, seed: fragmenting.seed + i }, i + 1) : [packet];
          return pieces.map((piece): Wire => {
            let around = piece;
            let is: 'frame' | 'ip' = kind;
            for (const w of outer) {
              if (w.takes === 'frame' && is === 'ip') around = raw(around);
              else if (w.takes === 'ip' && around[0] >> 4 === 6 && is === 'ip') around = p.ipv6(around.subarray(40), sixOf(around));
              around = w.wrap(around);
              is = w.gives;
            }
            return { data: is === 'frame' ? around : raw(around), timeUs: START_US + i * 1000 };
          });
        });
        const { records } = runPipeline(packets, { everyPacket: true, settings: deep });
        const layers = nest.toReversed().flatMap((w) => w.layers);
        for (const record of records) assert.deepEqual(record.encapsulation, layers);
        assert.deepEqual(records.map(withoutLayers), wanted);
      },
    ),
    { seed: lawSeed(), numRuns: 150 },
  );
});

/** The header of an IPv6 packet as options of the builder, so that the packet is known to be IPv6 by what wraps it. */
function sixOf(packet: Buffer): p.Ipv6Options {
  const text = (at: number): string => Array.from({ length: 8 }, (_, i) => packet.readUInt16BE(at + 2 * i).toString(16)).join(':');
  return { source: text(8), destination: text(24), nextHeader: packet[6] };
}

test('a fragmented packet in a fragmented packet', () => {
  fc.assert(
    fc.property(
      arbitraryPlan({ exchangesMax: 2 }),
      fc.integer({ min: 8, max: 400 }),
      fc.integer({ min: 8, max: 200 }),
      fc.integer(),
      (plan, innerBytes, outerBytes, seed) => {
        const place = { client: '10.1.1.1', server: '10.2.2.2' };
        const parts = partsOf(makeConversation(plan), everyBytes(1200));
        const wanted = runPipeline(bare(parts, place)).records.map(essence);
        let id = 1;
        const packets = parts.flatMap((part, i): Wire[] =>
          fragments(ipPacket(part, place), { bytes: innerBytes, seed: seed + i }, i + 1).flatMap((piece) =>
            fragments(p.ipv4(piece, { ...four, protocol: 4 }), { bytes: outerBytes, seed: seed - i }, id++).map((last) => ({
              data: raw(last),
              timeUs: START_US + i * 1000,
            })),
          ),
        );
        const { records } = runPipeline(packets, { everyPacket: true });
        assert.deepEqual(records.map(withoutLayers), wanted);
      },
    ),
    { seed: lawSeed(), numRuns: 25 },
  );
});
