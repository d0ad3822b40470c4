import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { brief, decoded, decodeSettings, packet, said, segment } from '../../test/support/decoded.ts';
import {
  authentication,
  ayiya,
  destinationOptions,
  erspan,
  etherIp,
  ethernet,
  ethernetSnap,
  geneve,
  gre,
  gtp,
  hopByHop,
  ipv4,
  ipv6,
  ipv6Fragment,
  jumbo,
  l2tp,
  l2tpV3,
  mpls,
  nsh,
  placePacket,
  pppoe,
  pptp,
  routing,
  tcp,
  teredo,
  udp,
  vlan,
  vxlan,
  vxlanGpe,
} from '../../test/support/packets.ts';
import { bytes, packetRegion } from '../base/arena.ts';
import { defaultSettings } from '../base/settings.ts';
import { resetWeirds, weirdCounts } from '../base/weird.ts';
import { decode, decodeReassembled, resetDecode } from './decode.ts';
import { FRAGMENT, MALFORMED, TCP, TRUNCATED, verdictNames } from './segment.ts';

const hello = tcp(Buffer.from('hello, this is the payload'), { options: Buffer.alloc(12, 1) });
const four = ipv4(hello);
const six = ipv6(hello);
after(() => resetDecode(defaultSettings));

/** A packet of every kind, all with the same TCP segment innermost. */
const every: Record<string, Buffer> = {
  ipv4: ethernet(four),
  ipv6: ethernet(six),
  snap: ethernetSnap(four),
  qinq: ethernet(vlan(vlan(four)), { type: 0x88a8 }),
  mpls: ethernet(mpls(six, { labels: [1000, 2000, 3000] })),
  pseudowire: ethernet(mpls(ethernet(four), { controlWord: true })),
  pppoe: ethernet(pppoe(four)),
  'ipv4-options': ethernet(ipv4(hello, { options: Buffer.alloc(8, 1) })),
  'ipv6-extensions': ethernet(ipv6(hopByHop(routing(destinationOptions(authentication(hello)), { addresses: ['::1', '::2'] })))),
  jumbogram: ethernet(ipv6(jumbo(hello), { payloadLength: 0 })),
  'ip-in-ip': ethernet(ipv4(ipv6(ipv4(hello)))),
  etherip: ethernet(ipv4(etherIp(ethernet(four)))),
  gre: ethernet(ipv4(gre(four, { key: 1, sequence: 2, checksum: true, routing: Buffer.from([8, 0, 0, 4, 1, 2, 3, 4]) }))),
  'gre-ethernet': ethernet(ipv6(gre(ethernet(six)))),
  pptp: ethernet(ipv4(pptp(four, { acknowledgement: 3 }))),
  'erspan-1': ethernet(ipv4(erspan(ethernet(four), { type: 1 }))),
  'erspan-2': ethernet(ipv4(erspan(ethernet(vlan(four))))),
  'erspan-3': ethernet(ipv4(erspan(ethernet(four), { type: 3, platform: true }))),
  vxlan: ethernet(ipv4(udp(vxlan(ethernet(four))))),
  'vxlan-gpe': ethernet(ipv4(udp(vxlanGpe(nsh(six))))),
  'geneve-vxlan': ethernet(ipv4(udp(geneve(ipv4(udp(vxlan(ethernet(four)))), { options: Buffer.alloc(32, 1) })))),
  teredo: ethernet(ipv4(udp(teredo(six, { authentication: true, origin: true })))),
  gtp: ethernet(ipv4(udp(gtp(four, { extensions: [{ type: 0x85, content: Buffer.alloc(2) }] })))),
  l2tp: ethernet(ipv4(udp(l2tp(four, { length: true, sequence: true, offset: 2 })))),
  'l2tp-3': ethernet(ipv4(l2tpV3(ethernet(four), { cookie: Buffer.alloc(4, 0xcc) }))),
  nsh: ethernet(nsh(four, { metadata: Buffer.alloc(16) })),
  ayiya: ethernet(ipv4(udp(ayiya(six)))),
};

test('every kind of packet shows the same segment', () => {
  for (const [name, data] of Object.entries(every)) {
    const { verdict, payload, wireBytes, weirds } = decoded(data);
    assert.deepEqual([verdict, payload, wireBytes, weirds], ['tcp', 'hello, this is the payload', 26, []], name);
  }
});

test('every packet cut at every byte: no throw, a sensible verdict, and nothing beyond the cut', () => {
  for (const [name, data] of Object.entries(every)) {
    const headers = data.length - 26;
    for (let length = 0; length < data.length; length++) {
      for (const wireBytes of [data.length, length]) {
        // What lies behind the cut in memory must not matter.
        bytes.fill(0xa5, packetRegion.at, packetRegion.at + data.length + 64);
        const { verdict, payload, wireBytes: onWire } = decoded(data.subarray(0, length), { wireBytes });
        const where = `${name} ${length} ${wireBytes}`;
        if (verdict === 'tcp') {
          assert.equal(payload, 'hello, this is the payload'.slice(0, length - headers), where);
          assert.ok(onWire >= payload.length && onWire <= 26, where);
          if (wireBytes === data.length) assert.equal(onWire, 26, where);
        } else {
          assert.ok(length < headers, where);
          assert.ok(['truncated', 'udp', 'other-ip', 'not-ip', 'malformed', 'fragment'].includes(verdict), `${where} ${verdict}`);
        }
      }
    }
  }
});

/** A small generator (xorshift) with a fixed seed. */
function randomFrom(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

test('random mutations never throw and never point outside the packet', () => {
  resetDecode(decodeSettings({ checksums: true, pathsMax: 50 }));
  const random = randomFrom(12345);
  const originals = Object.values(every);
  const verdicts = new Set<number>();
  for (let i = 0; i < 60_000; i++) {
    const data = Buffer.from(originals[random(originals.length)]);
    for (let k = 1 + random(4); k > 0; k--) {
      const at = random(data.length);
      data[at] = random(3) === 0 ? data[at] ^ (1 << random(8)) : random(256);
    }
    const length = random(4) === 0 ? random(data.length + 1) : data.length;
    placePacket(packet, data.subarray(0, length), {
      wireBytes: random(2) === 0 ? length : data.length,
      linkType: [0, 1, 1, 1, 9, 101, 113, 276][random(8)],
    });
    const verdict = decode(packet, segment);
    verdicts.add(verdict);
    assert.ok(verdict >= TCP && verdict < verdictNames.length);
    if (verdict === TCP) {
      assert.ok(segment.payloadAt > packet.at && segment.payloadAt <= segment.payloadEnd && segment.payloadEnd <= packet.end);
      assert.ok(segment.payloadWireBytes >= segment.payloadEnd - segment.payloadAt && segment.payloadWireBytes < 2 ** 29);
    } else if (verdict === FRAGMENT) {
      assert.ok(segment.fragmentAt > packet.at && segment.fragmentAt <= segment.fragmentEnd && segment.fragmentEnd <= packet.end);
      assert.ok(segment.fragmentOffset >= 0 && segment.fragmentOffset <= 65528);
    }
    if (verdict === TCP || verdict === FRAGMENT) assert.ok(Number.isInteger(segment.pathId) && segment.pathId <= 51);
  }
  for (const expected of [TCP, FRAGMENT, TRUNCATED, MALFORMED]) assert.ok(verdicts.has(expected), verdictNames[expected]);
  resetDecode(defaultSettings);
});

test('every verdict that drops for a fault has raised a weird', () => {
  const random = randomFrom(99);
  for (const data of Object.values(every)) {
    for (let i = 0; i < 200; i++) {
      const copy = Buffer.from(data);
      copy[random(copy.length)] = random(256);
      placePacket(packet, copy.subarray(0, random(copy.length + 1)));
      resetWeirds();
      const verdict = decode(packet, segment);
      if (verdict === TRUNCATED || verdict === MALFORMED)
        assert.ok(
          weirdCounts.some((n) => n > 0),
          verdictNames[verdict],
        );
    }
  }
});

test('headers are counted against the depth, the last transport header is not', () => {
  for (const [depthMax, verdict] of [
    [1, 'too-deep'],
    [2, 'tcp'],
  ] as const) {
    resetDecode(decodeSettings({ depthMax }));
    assert.equal(decoded(ethernet(four)).verdict, verdict);
  }
  resetDecode(decodeSettings({ depthMax: 64 }));
  let nested = four;
  for (let i = 0; i < 62; i++) nested = ipv6(nested);
  assert.deepEqual([decoded(ethernet(nested)).verdict, decoded(ethernet(nested)).layers.length], ['tcp', 62]);
  const deeper = decoded(ethernet(ipv4(nested)));
  assert.deepEqual([deeper.verdict, deeper.weirds], ['too-deep', ['limit.decode.depth']]);
  resetDecode(defaultSettings);
});

/** Puts bytes behind the packet, as a defragmenter would into a block, and goes on with them. */
function reassembled(protocol: number, payload: Buffer): ReturnType<typeof said> {
  const at = packetRegion.at + 100_000;
  bytes.set(payload, at);
  resetWeirds();
  return said(decodeReassembled(protocol, at, at + payload.length, segment));
}

test('a reassembled packet goes on with addresses, path and depth of its last fragment', () => {
  decoded(ethernet(vlan(ipv4(Buffer.alloc(8), { protocol: 6, moreFragments: true, source: '192.0.2.9' }))));
  const plain = reassembled(6, hello);
  assert.deepEqual(
    [plain.ends, plain.payload, brief(plain.layers)],
    ['192.0.2.9:40000 > 10.0.0.2:80', 'hello, this is the payload', 'vlan 100'],
  );

  decoded(ethernet(ipv6(ipv6Fragment(Buffer.alloc(8), { more: true, nextHeader: 60 }))));
  assert.equal(reassembled(60, destinationOptions(hello)).payload, 'hello, this is the payload');

  decoded(ethernet(ipv4(Buffer.alloc(8), { protocol: 17, fragmentOffset: 1480, source: '172.16.0.1' })));
  const tunnel = reassembled(17, udp(vxlan(ethernet(four), { vni: 8 })));
  assert.deepEqual(
    [tunnel.payload, tunnel.layers],
    ['hello, this is the payload', [{ type: 'vxlan', source: '172.16.0.1', destination: '10.0.0.2', vni: 8 }]],
  );
  assert.equal(reassembled(17, udp(Buffer.alloc(30))).verdict, 'udp');
});

test('a fragment inside a reassembled tunnel is a fragment again', () => {
  decoded(ethernet(ipv4(Buffer.alloc(8), { protocol: 47, fragmentOffset: 8 })));
  const inner = reassembled(47, gre(ipv4(Buffer.from('piece'), { protocol: 6, fragmentOffset: 16, source: '192.0.2.1' }), { key: 3 }));
  assert.deepEqual([inner.verdict, inner.payload, inner.ends, brief(inner.layers)], ['fragment', 'piece', '192.0.2.1 > 10.0.0.2', 'gre 3']);
  assert.equal(brief(reassembled(6, hello).layers), 'gre 3');
});

test('reassembly in turns cannot go around the depth', () => {
  decoded(ethernet(ipv4(Buffer.alloc(8), { protocol: 4, moreFragments: true })));
  let verdict = 'fragment';
  let turns = 0;
  for (; verdict === 'fragment' && turns < 100; turns++)
    verdict = reassembled(4, ipv4(Buffer.alloc(8), { protocol: 4, moreFragments: true })).verdict;
  assert.deepEqual([verdict, turns], ['too-deep', 15]);
});
