/** Each fault alone, in evidence gathered from packets that went through the hot path, is the first finding. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inVxlan, makeCalls, type Wrap, wrapAll, wraps } from '../../../test/netns/calls.ts';
import { type Conversation, ipPacket, partsOf } from '../../../test/support/conversation.ts';
import { alpn, message, records, serverName } from '../../../test/support/hellos.ts';
import * as p from '../../../test/support/packets.ts';
import { crypto, initial } from '../../../test/support/quic.ts';
import { datagram } from '../../../test/support/tls-connections.ts';
import { defaultSettings } from '../../base/settings.ts';
import { sampleReport } from '../report-testing.ts';
import { evidence, observe, type SomePacket, trafficOf } from './doctor-testing.ts';
import type { Evidence, Observed, Refusal, Traffic } from './evidence.ts';
import { type FindingCode, findingKinds } from './findings.ts';
import type { Step } from './judgement.ts';
import { lookUnfiltered } from './observe.ts';
import { trafficBetween } from './sensor-traffic.ts';
import { diagnose, stepsOf } from './steps.ts';

const calls = makeCalls({ connections: 12, callsEach: 4 });
const vxlan = wrapAll(calls, inVxlan(7));

function seen(frames: readonly Buffer[], aheadMs = 5): Observed {
  const packets: SomePacket[] = frames.map((data) => ({ data }));
  return observe(packets, p.placePacket, { aheadMs });
}

function first(traffic: Traffic | null, changes: Partial<Evidence> = {}): FindingCode | undefined {
  return diagnose(evidence(traffic, changes)).first?.code;
}

function refusal(code: string): Refusal {
  return { code, what: 'Cannot do it', why: 'the system refuses', next: 'Do something else.', details: [] };
}

/** Connections that carry these bytes, first the client's and then the server's. */
function connections(count: number, client: Buffer, server: Buffer, wrap: Wrap = wraps.plain.wrap): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const turns = [
      { fromServer: false, bytes: client },
      { fromServer: true, bytes: server },
    ];
    const conversation: Conversation = { turns, calls: [], end: 'client-fin' };
    return partsOf(conversation).map((part) => wrap(ipPacket(part, { clientPort: 40000 + i, serverPort: 8443 }), i));
  }).flat();
}

const hello = Buffer.concat([Buffer.from('16030100290100002503030000', 'hex'), Buffer.alloc(33), Buffer.from('00', 'hex')]);
const secret = Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32, 7)]);

test('healthy traffic: nothing is broken, and the walk says what is there', () => {
  for (const [name, { wrap }] of Object.entries(wraps)) {
    const diagnosis = diagnose(evidence(trafficOf(seen(wrapAll(calls, wrap)))));
    assert.deepEqual(diagnosis.findings, [], name);
    assert.ok(diagnosis.ok);
    const told = (step: string): string => diagnosis.steps.find((s) => s.step === step)?.evidence ?? '';
    assert.equal(told('directions'), 'both of 12 of 12 connections with data');
    assert.equal(told('HTTP'), '48 calls, 48 whole, port 8080');
    assert.equal(told('packets whole').split(',')[0], 'all');
  }
  const { steps: results } = diagnose(evidence(trafficOf(seen(vxlan))));
  const arrives = results.find(({ step }) => step === 'packets arrive');
  assert.equal(arrives?.evidence, `${vxlan.length} in 10 s on eth0 (VXLAN VNI 7: ${vxlan.length})`);
});

test('nobody listened: the steps of what arrives are skipped, and that is no fault', () => {
  const { ok, first: worst, steps: results } = diagnose(evidence(null));
  assert.ok(ok);
  assert.equal(worst, null);
  assert.equal(results.find(({ step }) => step === 'HTTP')?.verdict, 'skipped');
});

test('no packets, and nothing but chatter', () => {
  assert.equal(first(trafficOf(seen([]))), 'no-packets');
  const arp = p.ethernet(Buffer.alloc(46), { type: 0x0806 });
  assert.equal(first(trafficOf(seen(Array<Buffer>(20).fill(arp)))), 'no-packets');
});

test('no TCP among many packets', () => {
  const dns = p.ethernet(p.ipv4(p.udp(Buffer.alloc(40), { destinationPort: 53 })));
  const found = diagnose(evidence(trafficOf(seen(Array<Buffer>(500).fill(dns)))));
  assert.equal(found.first?.code, 'no-tcp');
  assert.match(found.first?.evidence ?? '', /udp 500/);
});

test('one direction only, of either side, bare and in a tunnel', () => {
  for (const wrap of [wraps.plain.wrap, inVxlan(7)]) {
    for (const side of ['10.1.', '10.101.']) {
      const source = Buffer.from(side.split('.').slice(0, 2).map(Number));
      const half = calls.packets.filter(({ ip }) => ip.subarray(12, 14).equals(source));
      assert.ok(half.length > 50);
      const frames = half.map(({ ip, connection }) => wrap(ip, connection));
      assert.equal(first(trafficOf(seen(frames))), 'one-direction', side);
    }
  }
});

test('directions in two tunnels are told apart from a direction that is missing', () => {
  const frames = calls.packets.map(({ ip, connection }) => inVxlan(ip[13] === 1 ? 7 : 8)(ip, connection));
  const found = diagnose(evidence(trafficOf(seen(frames))));
  assert.equal(found.first?.code, 'directions-apart');
  assert.match(found.first?.next ?? '', /decode\.vni/);
});

test('a few connections in one direction are a warning', () => {
  const oneWay = calls.packets.filter(({ ip, connection }) => connection > 2 || ip[13] === 1);
  const found = diagnose(evidence(trafficOf(seen(oneWay.map(({ ip }) => p.ethernet(ip))))));
  assert.ok(found.ok);
  assert.equal(found.first?.code, 'one-direction');
  assert.equal(found.first?.severity, 'warning');
});

test('TLS only; TLS beside HTTP is a note', () => {
  const tls = connections(5, hello, secret);
  const found = diagnose(evidence(trafficOf(seen(tls))));
  assert.equal(found.first?.code, 'tls-only');
  assert.match(found.first?.evidence ?? '', /5 of 5 connections TLS \(100 %\), port 8443/);
  const both = diagnose(evidence(trafficOf(seen([...tls, ...wrapAll(calls, wraps.plain.wrap)]))));
  assert.ok(both.ok);
  assert.equal(both.first?.code, 'tls-some');
  assert.equal(both.first?.severity, 'note');
});

test('servers of TLS are named, and those that send no name by their address', () => {
  const named = (extensions: Buffer[]): string => {
    const stream = records(message({ extensions }));
    return diagnose(evidence(trafficOf(seen(connections(5, stream, secret))))).first?.evidence ?? '';
  };
  assert.match(named([serverName('login.example')]), /TLS \(100 %\), port 8443; to login[.]example 5$/);
  assert.match(named([]), /; to [0-9.]+:8443 5$/);
});

test('QUIC is a note with its amount, beside HTTP and alone', () => {
  const hello3 = message({ extensions: [serverName('video.example'), alpn('h3')] });
  const short = Buffer.concat([Buffer.from([0x41]), Buffer.alloc(50)]);
  const quic = [datagram(initial(crypto(0, hello3))), ...Array<Buffer>(9).fill(datagram(short))];
  const found = diagnose(evidence(trafficOf(seen([...quic, ...wrapAll(calls, wraps.plain.wrap)]))));
  assert.ok(found.ok);
  assert.equal(found.first?.code, 'quic-unread');
  assert.equal(found.first?.evidence, '10 packets of QUIC in 1 connection, 1 of them HTTP/3');
  const alone = seen(quic);
  assert.deepEqual(alone.others, { quic: 10 });
  assert.equal(alone.tls.names.top[0][0], 'video.example');
});

test('what a running sensor says of TLS and QUIC is what came between its two reports', () => {
  const before = sampleReport();
  const after = {
    ...before,
    counters: {
      ...before.counters,
      'packets.dropped{quic}': before.counters['packets.dropped{quic}'] + 7,
      'payload.tls': before.counters['payload.tls'] + 5000,
    },
    tls: { ...before.tls, names: { total: before.tls.names.total + 4, top: [['new.example', 4] as const, ...before.tls.names.top] } },
  };
  const { observed } = trafficBetween(before, after);
  assert.deepEqual(observed.tls.names, { total: 4, top: [['new.example', 4]] });
  assert.equal(observed.quic.packets, 7);
});

test('data that is no HTTP, and no data at all', () => {
  const other = connections(5, Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'));
  const found = diagnose(evidence(trafficOf(seen(other))));
  assert.equal(found.first?.code, 'no-http');
  assert.match(found.first?.evidence ?? '', /port 8443/);
  assert.equal(first(trafficOf(seen(connections(5, Buffer.alloc(0), Buffer.alloc(0))))), 'no-data');
});

test('VXLAN and GENEVE on a port that nobody named', () => {
  const inner = calls.packets.map(({ ip }) => ip);
  const onPort = (port: number, tunnel: (ip: Buffer) => Buffer): Buffer[] =>
    inner.map((ip) => p.ethernet(p.ipv4(p.udp(tunnel(ip), { destinationPort: port, checksum: 0 }))));
  const strange = seen(onPort(4788, (ip) => p.vxlan(p.ethernet(ip), { vni: 9 })));
  assert.equal(strange.tcp, 0);
  const found = diagnose(evidence(trafficOf(strange)));
  assert.equal(found.first?.code, 'tunnel-port-unknown');
  assert.match(found.first?.next ?? '', /decode\.vxlanPorts: \[4789, 8472, 4788\]/);
  const geneve = diagnose(evidence(trafficOf(seen(onPort(6082, (ip) => p.geneve(p.ethernet(ip), { vni: 9, options: Buffer.alloc(8) }))))));
  assert.equal(geneve.first?.code, 'tunnel-port-unknown');
  assert.match(geneve.first?.next ?? '', /decode\.genevePorts: \[6081, 6082\]/);
  const v6 = seen(inner.map((ip) => p.ethernet(p.vlan(p.ipv6(p.udp(p.vxlan(p.ethernet(ip)), { destinationPort: 4788 }))))));
  assert.deepEqual(v6.strayTunnels, [{ protocol: 'vxlan', port: 4788, packets: inner.length }]);
  const random = seen(inner.map((_, i) => p.ethernet(p.ipv4(p.udp(Buffer.alloc(64, i), { destinationPort: 4788 })))));
  assert.deepEqual(random.strayTunnels, []);
});

test('cut packets: by the mirror inside the tunnel, and by a snap length', () => {
  const long = makeCalls({ connections: 6, callsEach: 4, bodyBytes: [4000, 9000] });
  const mirrored = wrapAll(long, (ip, connection) => {
    const inner = p.ethernet(ip);
    const cut = Buffer.from(inner.subarray(0, Math.min(inner.length, 1414)));
    return p.ethernet(p.ipv4(p.udp(p.vxlan(cut, { vni: 7 }), { sourcePort: 50000 + connection, checksum: 0 })));
  });
  const found = diagnose(evidence(trafficOf(seen(mirrored))));
  assert.equal(found.first?.code, 'packets-cut');
  assert.match(found.first?.next ?? '', /MTU/);
  const snapped = wrapAll(long, wraps.plain.wrap).map((data) => ({ data: data.subarray(0, 256), wireBytes: data.length }));
  const short = diagnose(evidence(trafficOf(observe(snapped, p.placePacket))));
  assert.equal(short.first?.code, 'packets-cut');
  assert.match(short.first?.next ?? '', /snap length/);
});

test('the filter hides all: TCP without it, none with it', () => {
  const none = seen([]);
  const samples = vxlan.map((data) => ({ data, wireBytes: data.length, linkType: 1 }));
  const unfiltered = lookUnfiltered(defaultSettings, samples.length, samples, true);
  assert.equal(unfiltered.tcp, samples.length);
  const filter = { expression: 'tcp port 8080', lists: false, refused: null, hidesTunnels: ['VXLAN'] };
  const found = diagnose(evidence(trafficOf(none, { unfiltered }), { filter }));
  assert.equal(found.first?.code, 'filter-hides-all');
  assert.match(found.first?.evidence ?? '', /VXLAN VNI 7/);
  assert.equal(found.findings[1].code, 'filter-blind');
  assert.equal(first(trafficOf(none, { unfiltered }), { filter: { ...filter, expression: '', lists: true } }), 'filter-hides-all');
});

test('beside an end-point: what comes to another port, and what is kept from its socket', () => {
  const samples = vxlan.map((data) => ({ data, wireBytes: data.length, linkType: 1 }));
  const unfiltered = lookUnfiltered(defaultSettings, samples.length, samples, false);
  assert.deepEqual(unfiltered.strayTunnels, [{ protocol: 'vxlan', port: 4789, packets: samples.length }]);
  const at = (port: number): Partial<Evidence> => {
    const url = `udp://0.0.0.0:${port}`;
    const own = { refused: null, heldBySensor: false, receiveBufferBytes: 32 << 20, receiveBufferBytesWanted: 32 << 20 };
    const configuration = { ...evidence(null).configuration, interfaces: [], endpoints: [url] };
    return { configuration, endpoints: [{ url, port, ...own }] };
  };
  const traffic = trafficOf(seen([]), { unfiltered, interfaceCounters: [] });
  const other = diagnose(evidence(traffic, at(5000)));
  assert.equal(other.first?.code, 'tunnel-port-unknown');
  assert.match(other.first?.next ?? '', /port 5000, or listen on port 4789/);
  assert.equal(first(traffic, at(4789)), 'endpoint-blocked');
});

test('kernel drops: of the doctor alone, or of the sensor beside it', () => {
  const observed = seen(vxlan);
  assert.equal(first(trafficOf(observed, { kernelDropped: 500 })), 'kernel-drops');
  assert.equal(first(trafficOf(observed, { sensorMeanwhile: { packets: 1000, kernelDropped: 20 } })), 'kernel-drops');
  assert.equal(first(trafficOf(observed, { kernelDropped: 500, sensorMeanwhile: { packets: 1000, kernelDropped: 0 } })), undefined);
});

test('loss before the sensor', () => {
  const long = makeCalls({ connections: 10, callsEach: 6, bodyBytes: [4000, 9000] });
  const lossy = wrapAll(long, wraps.plain.wrap).filter((_, i) => i % 23 !== 5);
  const found = diagnose(evidence(trafficOf(seen(lossy))));
  assert.equal(found.first?.code, 'loss-before-sensor');
  assert.equal(first(trafficOf(seen(lossy), { kernelDropped: 40 })), 'kernel-drops');
});

test('clocks that differ, either way', () => {
  assert.equal(first(trafficOf(seen(vxlan, 60_000))), 'clock-skew');
  assert.equal(first(trafficOf(seen(vxlan, -60_000))), 'clock-skew');
});

test('before the first packet: configuration, rights, interfaces, ports, filter, memory', () => {
  const good = evidence(null);
  const configuration = good.configuration;
  assert.equal(first(null, { configuration: { ...configuration, refused: refusal('config-invalid') } }), 'config-invalid');
  assert.equal(first(null, { configuration: { ...configuration, refused: refusal('file-missing') } }), 'config-invalid');
  assert.equal(first(null, { configuration: { ...configuration, interfaces: [] } }), 'nothing-to-listen-to');
  assert.equal(first(null, { rights: { needed: true, netRaw: false, refused: refusal('no-rights') } }), 'no-rights');
  const { interfaces } = good;
  const missing = diagnose(evidence(null, { interfaces: { ...interfaces, matched: [], missing: ['eth9'] } }));
  assert.equal(missing.first?.code, 'interface-missing');
  assert.match(missing.first?.what ?? '', /Did you mean eth0\?/);
  const only = (changes: object): Evidence['interfaces'] => ({ ...interfaces, matched: [{ ...interfaces.matched[0], ...changes }] });
  assert.equal(first(null, { interfaces: only({ up: false, carrier: false }) }), 'interface-down');
  assert.equal(first(null, { interfaces: only({ carrier: false }) }), 'interface-no-carrier');
  assert.equal(diagnose(evidence(null, { interfaces: { ...interfaces, matched: [], unmatched: ['eni*'] } })).ok, false);
  assert.equal(diagnose(evidence(null, { interfaces: { ...interfaces, unmatched: ['eni*'] } })).ok, true);
  const point = { url: 'udp://0.0.0.0:4789', port: 4789, heldBySensor: false, receiveBufferBytes: 0, receiveBufferBytesWanted: 1 << 20 };
  assert.equal(first(null, { endpoints: [{ ...point, refused: refusal('port-held') }] }), 'port-held');
  assert.equal(first(null, { endpoints: [{ ...point, refused: refusal('endpoint-refused') }] }), 'endpoint-refused');
  assert.equal(first(null, { endpoints: [{ ...point, refused: null, receiveBufferBytes: 1 << 18 }] }), 'receive-buffer-small');
  const filter = { expression: 'tcp prot 80', lists: false, hidesTunnels: [] };
  assert.equal(first(null, { filter: { ...filter, refused: refusal('filter-invalid') } }), 'filter-invalid');
  assert.equal(first(null, { filter: { ...filter, refused: refusal('libpcap-missing') } }), 'libpcap-missing');
  const memory = { ringBytesWanted: 64 << 20, ringBytes: 32 << 20, refused: null };
  assert.equal(first(null, { memory }), 'ring-reduced');
  assert.equal(first(null, { memory: { ...memory, refused: refusal('ring-failed') } }), 'ring-failed');
});

test('the running sensor: its workers, its faults, and what it heard', () => {
  const report = sampleReport();
  const sick = {
    ...report,
    workers: [
      { ...report.workers[0], state: 'dead' as const },
      { ...report.workers[0], shedding: 0.5 },
    ],
  };
  const found = diagnose(evidence(null, { sensor: { ...sick, health: { ready: true, faults: [] } } }));
  assert.deepEqual(
    found.findings.filter((f) => f.severity === 'broken').map((f) => f.code),
    ['worker-dead', 'shedding'],
  );
  const told = diagnose(evidence(null, { sensor: report }));
  for (const { code } of report.health.faults)
    assert.ok(
      told.findings.some((f) => f.code === code),
      code,
    );
  // What a step found by itself is not told again by the sensor.
  const interfaces = { ...evidence(null).interfaces, matched: [{ name: 'eth2', up: false, carrier: false, mtu: 1500, kind: '' }] };
  const twice = diagnose(evidence(null, { sensor: report, interfaces })).findings.filter((f) => f.code === 'interface-down');
  assert.equal(twice.length, 1);
});

test('nobody listened: because nobody was to, because nothing could be heard, or because the sensor ended', () => {
  const why = (changes: object): string | undefined =>
    diagnose(evidence(null, changes)).steps.find(({ step }) => step === 'packets arrive')?.evidence;
  assert.equal(why({}), 'not looked at; --live 10s listens');
  assert.equal(why({ isLive: true }), 'not looked at: something before it is broken');
  assert.equal(why({ isLive: true, sensorEnded: true }), 'not looked at: the sensor ended meanwhile');
});

test('a sensor that ends while the doctor listens', () => {
  const { ok, first, steps } = diagnose(evidence(null, { sensor: null, sensorSilent: 'it ended', sensorEnded: true }));
  assert.deepEqual([ok, first?.code], [true, 'not-running']);
  assert.match(first?.next ?? '', /Look into its log/);
  assert.equal(steps.find(({ step }) => step === 'sensor')?.evidence, 'none answers: it ended');
});

test('the counters of a running sensor are evidence too', () => {
  const before = { ...sampleReport(), counters: {}, weirds: {} };
  const after = (counters: Record<string, number>, read = 1000): typeof before => {
    const { stages, sensor } = before;
    const reader = { ...stages.reader, read: stages.reader.read + read };
    return { ...before, sensor: { ...sensor, nowAtMs: sensor.nowAtMs + 10_000 }, stages: { ...stages, reader }, counters };
  };
  const code = (counters: Record<string, number>, read?: number): string | undefined =>
    diagnose(evidence(trafficBetween(before, after(counters, read)))).first?.code;
  assert.equal(code({}, 0), 'no-packets');
  assert.equal(code({ 'packets.decoded': 1000, 'payload.seen': 9000, 'payload.tls': 9000 }), 'tls-only');
  assert.equal(code({ 'packets.dropped{udp}': 1000 }), 'no-tcp');
  const well = { 'packets.decoded': 1000, 'payload.seen': 9000, 'payload.http': 9000, 'calls.seen': 10, 'calls.complete': 10 };
  assert.equal(code(well), undefined);
  assert.equal(code({ ...well, 'calls.complete': 0, 'calls.incomplete{no-response}': 10 }), 'one-direction');
});

test('a later stage adds a step of its own', () => {
  const spool: Step = { name: 'spool', judge: () => ({ verdict: 'ok', evidence: 'room for two days', findings: [] }) };
  assert.equal(diagnose(evidence(null), [...stepsOf(evidence(null)), spool]).steps.at(-1)?.evidence, 'room for two days');
});

test('every code has a meaning and says what to do', () => {
  for (const [code, { meaning, next }] of Object.entries(findingKinds)) {
    assert.match(code, /^[a-z][a-z0-9-]+$/);
    assert.match(meaning, /^[A-Z].*\.$/, code);
    assert.match(next, /^[A-Z].*[.?]$/, code);
  }
});
