import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ethernet, ipv4, placePacket, tcp, udp, vlan, vxlan } from '../../test/support/packets.ts';
import { Random } from '../../test/support/random.ts';
import { parseAddress, parsedAddress } from '../base/cidr.ts';
import { countOf, resetCounters } from '../base/counters.ts';
import { defaultSettings } from '../base/settings.ts';
import { Packet } from '../capture/packet.ts';
import { decode, resetDecode } from '../decode/decode.ts';
import { Segment, TCP } from '../decode/segment.ts';
import { guarding, type OwnSocket, refuses, resetGuard, SHARES, setFilter, setOwnSockets, setShedding } from './guard.ts';

beforeEach(() => {
  resetGuard();
  resetCounters();
});

type Words = readonly [number, number, number, number];

function words(text: string): Words {
  assert.ok(parseAddress(text), text);
  const [a, b, c, d] = parsedAddress;
  return a === 0 && b === 0 && c === 0xffff ? [d, 0, 0, 0] : [a, b, c, d];
}

/** A segment from one end to the other. */
function segment(source: string, sourcePort: number, destination: string, destinationPort: number): Segment {
  const s = new Segment();
  s.ipVersion = source.includes(':') ? 6 : 4;
  [s.src0, s.src1, s.src2, s.src3] = words(source);
  [s.dst0, s.dst1, s.dst2, s.dst3] = words(destination);
  s.ports = (sourcePort << 16) | destinationPort;
  return s;
}

const socket = (address: string, port: number): OwnSocket => ({ address: words(address), port });

test('nothing to guard: the word that the pipeline looks at says so', () => {
  assert.equal(guarding[0], 0);
  setShedding(1);
  assert.equal(guarding[0], 1);
  setShedding(0);
  assert.equal(guarding[0], 0);
  setOwnSockets([socket('10.0.0.9', 9100)]);
  assert.equal(guarding[0], 1);
  setShedding(9);
  setShedding(0);
  assert.equal(guarding[0], 1, 'the end of shedding does not end the rest');
  setOwnSockets([]);
  assert.equal(guarding[0], 0);
  setFilter({ ports: [], networks: [] }, { ports: [1], networks: [] });
  assert.equal(guarding[0], 1);
  setFilter({ ports: [], networks: [] }, { ports: [], networks: [] });
  assert.equal(guarding[0], 0);
});

for (const [mine, other, near] of [
  ['10.0.0.9', '10.0.0.1', '10.0.0.8'],
  ['2001:db8::9', '2001:db8::1', '2001:db8:1::9'],
]) {
  test(`the connections of an own socket, both directions: ${mine}`, () => {
    setOwnSockets([socket(mine, 9100), socket(mine, 9200)]);
    assert.equal(refuses(segment(other, 40_000, mine, 9100)), true);
    assert.equal(refuses(segment(mine, 9100, other, 40_000)), true);
    assert.equal(refuses(segment(mine, 9200, other, 40_000)), true);
    assert.equal(refuses(segment(mine, 9300, other, 40_000)), false, 'another port of ours');
    assert.equal(refuses(segment(near, 9100, other, 40_000)), false, 'that port of another machine');
    assert.equal(refuses(segment(other, 9100, mine, 40_000)), false, 'that port at the other end');
    assert.equal(countOf('packets.dropped{own}'), 3);
  });
}

test('an own socket behind a VLAN tag is the same, in a tunnel it is of another network', () => {
  resetDecode(defaultSettings);
  setOwnSockets([socket('10.0.0.9', 9100)]);
  const inner = ipv4(tcp(Buffer.from('x'), { sourcePort: 40_000, destinationPort: 9100 }), { source: '10.0.0.1', destination: '10.0.0.9' });
  const refused = (frame: Buffer): boolean => {
    const packet = new Packet();
    const s = new Segment();
    placePacket(packet, frame);
    assert.equal(decode(packet, s), TCP);
    return refuses(s);
  };
  assert.equal(refused(ethernet(inner)), true);
  assert.equal(refused(ethernet(vlan(inner, { id: 7 }))), true);
  assert.equal(refused(ethernet(ipv4(udp(vxlan(ethernet(inner), { vni: 5 }))))), false);
});

test('ports beyond 32767, where the sign bit is', () => {
  setOwnSockets([socket('10.0.0.9', 65_535)]);
  assert.equal(refuses(segment('10.0.0.9', 65_535, '10.0.0.1', 80)), true);
  assert.equal(refuses(segment('10.0.0.1', 60_000, '10.0.0.9', 65_535)), true);
});

test('two addresses with one port; the list of before is forgotten', () => {
  setOwnSockets([socket('10.0.0.9', 9100), socket('127.0.0.1', 9100)]);
  assert.equal(refuses(segment('10.0.0.9', 9100, '10.0.0.1', 80)), true);
  assert.equal(refuses(segment('127.0.0.1', 40_000, '127.0.0.1', 9100)), true);
  setOwnSockets([socket('127.0.0.1', 9200)]);
  assert.equal(refuses(segment('10.0.0.9', 9100, '10.0.0.1', 80)), false);
  assert.equal(refuses(segment('127.0.0.1', 40_000, '127.0.0.1', 9200)), true);
});

test('a filter of ports and networks, either end', () => {
  setFilter({ ports: [8080], networks: ['10.1.0.0/16', '2001:db8::/32'] }, { ports: [], networks: ['10.1.2.0/24'] });
  assert.equal(refuses(segment('10.1.0.5', 40_000, '192.0.2.1', 8080)), false);
  assert.equal(refuses(segment('192.0.2.1', 8080, '10.1.0.5', 40_000)), false, 'the answer');
  assert.equal(refuses(segment('2001:db8::1', 40_000, '2001:db9::1', 8080)), false);
  assert.equal(refuses(segment('10.1.0.5', 40_000, '192.0.2.1', 80)), true, 'the port is not wanted');
  assert.equal(refuses(segment('10.2.0.5', 40_000, '192.0.2.1', 8080)), true, 'neither end is wanted');
  assert.equal(refuses(segment('10.1.2.5', 40_000, '10.1.0.1', 8080)), true, 'one end is not wanted');
  assert.equal(countOf('packets.dropped{filter}'), 3);
  setFilter(null, { ports: [22], networks: [] });
  assert.equal(refuses(segment('10.2.0.5', 40_000, '192.0.2.1', 80)), false);
  assert.equal(refuses(segment('192.0.2.1', 22, '10.2.0.5', 40_000)), true);
});

test('what is own counts as own, though it would be shed too', () => {
  setOwnSockets([socket('10.0.0.9', 9100)]);
  setShedding(SHARES);
  assert.equal(refuses(segment('10.0.0.9', 9100, '10.0.0.1', 80)), true);
  assert.deepEqual([countOf('packets.dropped{own}'), countOf('packets.dropped{shed}')], [1, 0]);
});

/** Both directions of many connections, as they look behind a load balancer: few addresses, near each other. */
function* connections(count: number): Generator<[Segment, Segment]> {
  const random = new Random(7);
  for (let i = 0; i < count; i++) {
    const [a, b] =
      i % 3 === 0
        ? [`2001:db8::${random.integer(1, 99)}`, `2001:db8:1::${random.integer(1, 9)}`]
        : [`10.0.${i % 4}.${random.integer(1, 254)}`, `10.0.${i % 4}.${random.integer(1, 9)}`];
    const port = random.integer(1024, 65_535);
    const server = [80, 443, 8080][i % 3];
    const back = segment(b, server, a, port);
    back.pathId = 1;
    yield [segment(a, port, b, server), back];
  }
}

test('shedding drops whole flows: both directions, whatever tunnels they come through', () => {
  for (const share of [1, 64, 128, 200, SHARES - 8]) {
    setShedding(share);
    for (const [there, back] of connections(500)) assert.equal(refuses(there), refuses(back));
  }
});

test('the larger the share, the more flows: those of the smaller share stay dropped', () => {
  const dropped = new Set<number>();
  for (let share = 0; share <= SHARES; share += 16) {
    setShedding(share);
    let i = 0;
    for (const [there] of connections(600)) {
      if (refuses(there)) dropped.add(i);
      else assert.ok(!dropped.has(i), `connection ${i} came back at share ${share}`);
      i++;
    }
  }
  assert.equal(dropped.size, 600, 'a share of all is all');
});

test('the share is about that of the flows, among neighbours too', () => {
  const total = 6_000;
  for (const share of [32, 128, 224]) {
    resetCounters();
    setShedding(share);
    for (const [there] of connections(total)) refuses(there);
    const part = countOf('packets.dropped{shed}') / total;
    assert.ok(Math.abs(part - share / SHARES) < 0.05, `${part} of the flows with a share of ${share / SHARES}`);
  }
});

test('one client, one server, ports one behind the other: still the share', () => {
  setShedding(SHARES / 2);
  for (let port = 32_768; port < 60_768; port += 1) refuses(segment('10.0.0.1', port, '10.0.0.2', 80));
  const part = countOf('packets.dropped{shed}') / 28_000;
  assert.ok(Math.abs(part - 0.5) < 0.05, `${part}`);
});
