import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as p from '../../test/support/packets.ts';
import { SensorError } from '../base/errors.ts';
import { type Around, runProgram } from './bpf-interpreter.ts';
import { type SocketFilterOptions, socketFilter } from './socket-filter.ts';

const nothing = { ports: [], networks: [] };
const defaults: SocketFilterOptions = {
  start: 'frame',
  interfaces: null,
  loopback: null,
  only: nothing,
  not: nothing,
  expression: null,
  vxlanPorts: [4789],
  genevePorts: [6081],
};
const ACCEPT_ALL = Buffer.from('0600000000000400', 'hex');
const REJECT_ALL = Buffer.from('0600000000000000', 'hex');

function filter(options: Partial<SocketFilterOptions>): (packet: Buffer, around?: Around) => boolean {
  const program = socketFilter({ ...defaults, ...options });
  return (packet, around) => runProgram(program, packet, around) !== 0;
}

const four = { source: '10.1.0.1', destination: '10.2.0.2' };
const six = { source: '2001:db8:1::1', destination: '2001:db8:2::2' };
const web = p.tcp(Buffer.from('GET /'), { sourcePort: 40000, destinationPort: 80 });
const shell = p.tcp(Buffer.from('SSH-2.0'), { sourcePort: 22, destinationPort: 40001 });
const outer = { source: '192.0.2.1', destination: '192.0.2.2' };

/** An IP packet as it is, and in every tunnel, and in three at once. */
function everywhere(ip: Buffer): [string, Buffer][] {
  const frame = p.ethernet(ip);
  const inVxlan = p.ipv4(p.udp(p.vxlan(frame)), outer);
  return [
    ['plain', frame],
    ['VLAN', p.ethernet(p.vlan(ip))],
    ['MPLS', p.ethernet(p.mpls(ip))],
    ['pseudowire', p.ethernet(p.mpls(frame, { controlWord: true }))],
    ['PPPoE', p.ethernet(p.pppoe(ip))],
    ['VXLAN', p.ethernet(inVxlan)],
    ['VXLAN-GPE', p.ethernet(p.ipv4(p.udp(p.vxlanGpe(ip)), outer))],
    ['VXLAN without the flag', p.ethernet(p.ipv4(p.udp(p.vxlan(frame, { flags: 0 })), outer))],
    ['VXLAN over IPv6', p.ethernet(p.ipv6(p.udp(p.vxlan(frame))))],
    ['GENEVE', p.ethernet(p.ipv4(p.udp(p.geneve(ip, { options: Buffer.alloc(12) })), outer))],
    ['GRE', p.ethernet(p.ipv4(p.gre(ip, { key: 1, sequence: 2, checksum: true }), outer))],
    ['ERSPAN', p.ethernet(p.ipv4(p.erspan(frame), outer))],
    ['IP-in-IP', p.ethernet(p.ipv4(ip, outer))],
    ['EtherIP', p.ethernet(p.ipv4(p.etherIp(frame), outer))],
    ['three', p.ethernet(p.ipv4(p.udp(p.geneve(p.ipv6(p.gre(inVxlan)))), outer))],
  ];
}

test('nothing asked for: everything passes', () => {
  assert.equal(socketFilter(defaults).length, 8);
  assert.ok(filter({})(Buffer.alloc(0)));
});

test('only the interfaces that are listed', () => {
  const passes = filter({ interfaces: [2, 5] });
  const of = (interfaceIndex: number): boolean => passes(p.ethernet(p.ipv4(web)), { interfaceIndex });
  assert.deepEqual([1, 2, 3, 5, 7].map(of), [false, true, false, true, false]);
  assert.ok(!filter({ interfaces: [] })(Buffer.alloc(60), { interfaceIndex: 2 }));
  const many = Array.from({ length: 600 }, (_, i) => 2 * i);
  assert.ok(filter({ interfaces: many })(Buffer.alloc(60), { interfaceIndex: 1198 }));
  assert.ok(!filter({ interfaces: many })(Buffer.alloc(60), { interfaceIndex: 1199 }));
});

test('the outgoing copy on loopback is left out, elsewhere it is not', () => {
  const passes = filter({ interfaces: [1, 2], loopback: 1 });
  assert.ok(!passes(Buffer.alloc(60), { interfaceIndex: 1, packetType: 4 }));
  assert.ok(passes(Buffer.alloc(60), { interfaceIndex: 1, packetType: 0 }));
  assert.ok(passes(Buffer.alloc(60), { interfaceIndex: 2, packetType: 4 }));
});

for (const [name, ip] of [
  ['IPv4', (transport: Buffer) => p.ipv4(transport, { ...four, options: Buffer.alloc(4, 1) })],
  ['IPv6', (transport: Buffer) => p.ipv6(p.hopByHop(transport), six)],
] as const) {
  test(`only and not, by port and by network: ${name} inside of every tunnel`, () => {
    const networks = ['10.1.0.0/16', '2001:db8:1::/48'];
    const single = ['10.2.0.2', '2001:db8:2::2'];
    const other = ['10.9.0.0/16', '2001:db8:9::/48', '192.0.2.0/24'];
    const cases: [Partial<SocketFilterOptions>, boolean, boolean][] = [
      [{ only: { ports: [443, 80], networks: [] } }, true, false],
      [{ only: { ports: [22], networks: [] } }, false, true],
      [{ not: { ports: [22], networks: [] } }, true, false],
      [{ only: { ports: [80, 22], networks: [] }, not: { ports: [80], networks: [] } }, false, true],
      [{ only: { ports: [], networks } }, true, true],
      [{ only: { ports: [], networks: single } }, true, true],
      [{ only: { ports: [], networks: other } }, false, false],
      [{ only: { ports: [], networks: ['::/0', '0.0.0.0/0'] } }, true, true],
      [{ not: { ports: [], networks } }, false, false],
      [{ not: { ports: [], networks: other } }, true, true],
      [{ only: { ports: [80], networks } }, true, false],
      [{ only: { ports: [80], networks: other } }, false, false],
      [{ only: { ports: [80], networks }, not: { ports: [], networks: single } }, false, false],
    ];
    for (const [options, webPasses, shellPasses] of cases) {
      const passes = filter(options);
      for (const [tunnel, packet] of everywhere(ip(web)))
        assert.equal(passes(packet), webPasses, `web in ${tunnel}: ${JSON.stringify(options)}`);
      for (const [tunnel, packet] of everywhere(ip(shell)))
        assert.equal(passes(packet), shellPasses, `shell in ${tunnel}: ${JSON.stringify(options)}`);
    }
  });
}

test('fragments: the first has ports, those of later ones cannot be known', () => {
  const onlyWeb = filter({ only: { ports: [80], networks: [] } });
  const notShell = filter({ not: { ports: [22], networks: [] } });
  const piece = (content: Buffer, fragmentOffset: number, more = true): Buffer =>
    p.ethernet(p.ipv4(p.udp(p.vxlan(p.ethernet(p.ipv4(content, { ...four, protocol: 6, fragmentOffset, moreFragments: more })))), outer));
  assert.deepEqual([onlyWeb(piece(web, 0)), onlyWeb(piece(shell, 0)), onlyWeb(piece(shell, 64))], [true, false, true]);
  assert.deepEqual([notShell(piece(web, 0)), notShell(piece(shell, 0)), notShell(piece(shell, 64))], [true, false, true]);
  const inNetwork = filter({ only: { ports: [80], networks: ['10.1.0.0/16'] } });
  const elsewhere = filter({ only: { ports: [80], networks: ['10.3.0.0/16'] } });
  assert.deepEqual([inNetwork(piece(web, 64, false)), elsewhere(piece(web, 64, false))], [true, false]);
  // A later piece of a tunnel: neither ports nor addresses of what is inside.
  const ofTunnel = p.ethernet(p.ipv4(Buffer.alloc(64), { ...outer, protocol: 17, fragmentOffset: 64 }));
  assert.ok(elsewhere(ofTunnel));
  const six6 = p.ethernet(p.ipv6(p.ipv6Fragment(Buffer.alloc(64), { offset: 64, nextHeader: 6 }), six));
  assert.deepEqual([onlyWeb(six6), elsewhere(six6)], [true, false]);
});

test('what cannot be known passes; what is no IP does so only when nothing is in "only"', () => {
  const only = filter({ only: { ports: [80], networks: ['10.1.0.0/16'] } });
  const not = filter({ not: { ports: [22], networks: ['10.1.0.0/16'] } });
  const gtp = p.ethernet(p.ipv4(p.udp(p.gtp(p.ipv4(shell, four))), outer));
  const deep = [1, 2, 3, 4].reduce((inner) => p.ipv4(p.gre(inner), outer), p.ipv4(shell, four));
  for (const packet of [gtp, p.ethernet(deep)]) assert.deepEqual([only(packet), not(packet)], [true, true]);
  const arp = p.ethernet(Buffer.alloc(46), { type: 0x0806 });
  assert.deepEqual([only(arp), not(arp)], [false, true]);
  const icmp = p.ethernet(p.ipv4(p.icmp(), { source: '10.3.0.1' }));
  assert.deepEqual([only(icmp), not(icmp)], [false, true]);
});

test('a packet that ends inside its headers passes', () => {
  const only = filter({ only: { ports: [80], networks: ['10.1.0.0/16', '2001:db8::/32'] } });
  const not = filter({ not: { ports: [22], networks: ['10.9.0.0/16'] } });
  for (const ip of [p.ipv4(web, four), p.ipv6(p.hopByHop(web), six)]) {
    for (const [tunnel, packet] of everywhere(ip)) {
      for (let end = 0; end <= packet.length; end++) {
        assert.ok(only(packet.subarray(0, end)), `only: ${tunnel} cut at ${end}`);
        assert.ok(not(packet.subarray(0, end)), `not: ${tunnel} cut at ${end}`);
      }
    }
  }
});

test('devices without link header', () => {
  const passes = filter({ only: { ports: [80], networks: [] } });
  const tun = { hardwareType: 65534 };
  assert.ok(passes(p.ipv4(web, four), tun));
  assert.ok(passes(p.ipv6(web, six), tun));
  assert.ok(!passes(p.ipv4(shell, four), tun));
  assert.ok(passes(p.ethernet(p.ipv4(web, four)), { hardwareType: 772 }));
});

test('the expression comes last, and only where frames have a link header', () => {
  const only = { ports: [80], networks: [] };
  const frame = p.ethernet(p.ipv4(web));
  assert.ok(filter({ only, expression: ACCEPT_ALL })(frame));
  assert.ok(!filter({ only, expression: REJECT_ALL })(frame));
  assert.ok(!filter({ only, expression: ACCEPT_ALL })(p.ethernet(p.ipv4(shell))));
  const tun = { hardwareType: 65534 };
  assert.ok(filter({ expression: REJECT_ALL })(p.ipv4(web), tun));
  assert.ok(!filter({ expression: ACCEPT_ALL, rawExpression: REJECT_ALL })(p.ipv4(web), tun));
  assert.ok(filter({ expression: REJECT_ALL, rawExpression: ACCEPT_ALL })(p.ipv4(web), tun));
});

test('datagrams of an end-point, by their port or by what was said', () => {
  const only = { ports: [80], networks: ['10.1.0.0/16'] };
  const byPort = filter({ start: 'udp', only });
  const asVxlan = filter({ start: 'udp', only, encapsulation: 'vxlan' });
  const asGeneve = filter({ start: 'udp', only, encapsulation: 'geneve+vxlan' });
  const vxlan = (ip: Buffer): Buffer => p.vxlan(p.ethernet(ip));
  const inGeneve = (ip: Buffer): Buffer => p.geneve(p.ipv4(p.udp(vxlan(ip)), outer));
  for (const [ip, wanted] of [
    [p.ipv4(web, four), true],
    [p.ipv4(shell, four), false],
    [p.ipv4(web, { source: '10.5.0.1', destination: '10.5.0.2' }), false],
  ] as const) {
    assert.equal(byPort(p.udp(vxlan(ip))), wanted);
    assert.equal(byPort(p.udp(inGeneve(ip))), wanted);
    assert.equal(asVxlan(p.udp(vxlan(ip), { destinationPort: 14789 })), wanted);
    assert.equal(asGeneve(p.udp(inGeneve(ip), { destinationPort: 4789 })), wanted);
  }
  // No tunnel: there is nothing to compare with.
  assert.ok(byPort(p.udp(Buffer.alloc(20), { destinationPort: 9999 })));
});

test('what cannot be made into a filter is an error', () => {
  const fails = (options: Partial<SocketFilterOptions>, why: RegExp): void =>
    assert.throws(
      () => socketFilter({ ...defaults, ...options }),
      (error) => error instanceof SensorError && error.code === 'filter-invalid' && why.test(error.why),
    );
  fails({ only: { ports: [], networks: ['10.0.0.0/33'] } }, /10[.]0[.]0[.]0\/33/);
  fails({ start: 'udp', expression: ACCEPT_ALL }, /end-point/);
  fails({ only: { ports: Array.from({ length: 2000 }, (_, i) => i), networks: [] } }, /4096/);
});

test('some hundred ports and networks fit', () => {
  const ports = Array.from({ length: 150 }, (_, i) => 1000 + i);
  const networks = Array.from({ length: 100 }, (_, i) => `10.${i}.0.0/16`);
  const passes = filter({ only: { ports, networks } });
  assert.ok(passes(p.ethernet(p.ipv4(p.tcp(Buffer.alloc(0), { destinationPort: 1149 }), { source: '10.99.1.1' }))));
  assert.ok(!passes(p.ethernet(p.ipv4(p.tcp(Buffer.alloc(0), { destinationPort: 1150 }), { source: '10.99.1.1' }))));
});
