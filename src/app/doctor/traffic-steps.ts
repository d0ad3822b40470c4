/** The steps of what arrives, from the first packet to the calls in it. */
import { countItems, quicText, servers } from '../tls-report.ts';
import { byteAmount, count, longTime, share, shortTime } from '../units.ts';
import type { Amount, Evidence, Observed, StrayTunnel, Traffic } from './evidence.ts';
import { type Finding, finding } from './findings.ts';
import { type Judgement, judged, named, type Step, several, skipped } from './judgement.ts';

/** So few packets a second, none of them of use, are the chatter of any network. */
const CHATTER_PER_S = 10;
/** Share of the segments that may be cut, and of the packets that the kernel may drop, without being called broken. */
const CUT_SHARE = 0.001;
const DROPS_SHARE = 1e-4;
/** Share of the payload that is missing. */
const LOSS_WARN = 0.001;
const LOSS_BROKEN = 0.01;
/** Share of the connections of which only one direction was seen. */
const ONE_WAY_WARN = 0.1;
const ONE_WAY_BROKEN = 0.5;
/** The clock is read in milliseconds. */
const CLOCKS_AGREE_MS = 10;
const CLOCK_BEHIND_MS = 2_000;
const CLOCK_AHEAD_MS = 500;
const NOBODY_LISTENED = 'not looked at; --live 10s listens';
const COULD_NOT = 'not looked at: something before it is broken';
const ENDED = 'not looked at: the sensor ended meanwhile';
const EXPLAINED = 'see above';
const SERVERS_NAMED_MAX = 5;

export const trafficSteps: readonly Step[] = [
  { name: 'packets arrive', judge: whenHeard(packetsArrive) },
  { name: 'filter passes', judge: whenHeard(filterPasses) },
  { name: 'tunnels', judge: whenHeard(tunnels) },
  { name: 'packets whole', judge: whenHeard(packetsWhole) },
  { name: 'TCP inside', judge: whenHeard(tcpInside) },
  { name: 'directions', judge: whenHeard(directions) },
  { name: 'readable', judge: whenHeard(readable) },
  { name: 'HTTP', judge: whenHeard(http) },
  { name: 'kernel drops', judge: whenHeard(kernelDrops) },
  { name: 'loss on the way', judge: whenHeard(lossOnTheWay) },
  { name: 'clock', judge: whenHeard(clock) },
];

function whenHeard(judge: (traffic: Traffic, seen: Observed, e: Evidence) => Judgement): (e: Evidence) => Judgement {
  return (e) => {
    if (e.traffic !== null) return judge(e.traffic, e.traffic.observed, e);
    if (e.isLive !== true) return skipped(NOBODY_LISTENED);
    return skipped(e.sensorEnded === true ? ENDED : COULD_NOT);
  };
}

// ---------------------------------------------------------------- arriving

function packetsArrive(traffic: Traffic, seen: Observed, e: Evidence): Judgement {
  const { unfiltered, seconds, interfaceCounters } = traffic;
  const where = traffic.sources
    .filter((s) => s.packets > 0)
    .map((s) => (traffic.sources.length > 1 ? `${s.name} ${count(s.packets)}` : s.name));
  const on = where.length === 0 ? '' : ` on ${named(where)}`;
  const by = traffic.heardBy === 'sensor' ? ', says the running sensor' : '';
  const evidence = `${count(seen.packets)} in ${longTime(seconds * 1000)}${on}${tunnelText(seen.tunnels)}${by}`;
  if (isOfUse(traffic, e)) {
    const lossy = interfaceCounters.filter((i) => i.dropped > 0);
    const dropped = lossy.map((i) =>
      finding('interface-drops', `The interface ${i.name} dropped packets.`, `${count(i.dropped)} dropped, ${count(i.packets)} received`),
    );
    return judged(evidence, ...dropped);
  }
  const ports = e.endpoints.map((p) => p.port);
  const blocked = (unfiltered?.strayTunnels ?? []).find((s) => ports.includes(s.port));
  if (blocked !== undefined) {
    const what = `Packets for UDP port ${blocked.port} come to an interface, but do not reach the end-point.`;
    return judged(
      evidence,
      finding('endpoint-blocked', what, `${count(blocked.packets)} packets that look like ${blocked.protocol.toUpperCase()}`),
    );
  }
  const counted = interfaceCounters.filter((i) => i.packets > 0).map((i) => `${i.name} counted ${count(i.packets)}`);
  const chatter = seen.packets === 0 ? '' : `, nothing but chatter (${amountsOf(seen.others)})`;
  const still = interfaceCounters.length === 0 ? '' : '; the counters of the interfaces stand still';
  return judged(
    evidence,
    finding(
      'no-packets',
      `${seen.packets === 0 ? 'Nothing' : 'Nothing of use'} arrived within ${longTime(seconds * 1000)}.`,
      `${count(seen.packets)} packets${chatter}${counted.length > 0 ? `; ${named(counted)}` : still}`,
    ),
  );
}

/** More than the chatter that is on every network. */
function isOfUse(traffic: Traffic, e: Evidence): boolean {
  const { observed: seen, unfiltered, seconds } = traffic;
  if (seen.tcp > 0 || straysOf(traffic, e).length > 0) return true;
  if (unfiltered === null) return seen.packets > CHATTER_PER_S * seconds;
  if (e.configuration.interfaces.length === 0) return seen.packets > CHATTER_PER_S * seconds;
  return unfiltered.tcp > 0 || Math.max(seen.packets, unfiltered.packets) > CHATTER_PER_S * seconds;
}

function filterPasses(traffic: Traffic, seen: Observed, e: Evidence): Judgement {
  const { unfiltered } = traffic;
  if (e.filter.expression === '' && !e.filter.lists) return skipped('there is no filter');
  const lists = { next: 'Correct the ports and networks of capture.only and capture.not.' };
  if (seen.refused > 0) {
    const evidence = `${count(seen.tcp)} of ${count(seen.tcp + seen.refused)} packets of TCP`;
    if (seen.tcp > 0) return judged(evidence);
    return judged(
      evidence,
      finding('filter-hides-all', 'The capture filter lets no TCP pass.', `it refused ${count(seen.refused)}`, lists),
    );
  }
  if (unfiltered === null) return skipped('the wire without the filter cannot be seen');
  const evidence = `${count(seen.packets)} of ${count(Math.max(seen.packets, unfiltered.packets))} packets`;
  if (seen.tcp > 0 || unfiltered.tcp === 0) return judged(evidence);
  const without = `without it ${count(unfiltered.tcp)} of ${several(unfiltered.looked, 'packet')} are TCP${tunnelText(unfiltered.tunnels)}`;
  const own = e.filter.expression === '' ? lists : {};
  return judged(evidence, finding('filter-hides-all', 'The capture filter lets no TCP pass.', without, own));
}

function tunnels(traffic: Traffic, seen: Observed, e: Evidence): Judgement {
  const findings = straysOf(traffic, e).map((stray) => strayFinding(stray, seen, e));
  const known = seen.tunnels ?? [];
  const evidence = named(known.map(({ name, packets }) => `${name === '' ? 'no tunnel' : name}: ${count(packets)}`));
  if (known.length > 0 || findings.length > 0) return judged(evidence || 'none that is known', ...findings);
  return skipped(seen.tunnels === null ? 'the running sensor does not tell' : EXPLAINED);
}

/** Tunnels that nobody listens to. */
function straysOf({ observed: seen, unfiltered }: Traffic, e: Evidence): readonly StrayTunnel[] {
  if (seen.strayTunnels.length > 0) return seen.strayTunnels;
  const open = e.endpoints.map((p) => p.port);
  // What else there is on the wire matters only to those who hear nothing.
  return seen.tcp > 0 ? [] : (unfiltered?.strayTunnels ?? []).filter(({ port }) => !open.includes(port));
}

function strayFinding({ protocol, port, packets }: StrayTunnel, seen: Observed, e: Evidence): Finding {
  const name = protocol.toUpperCase();
  const setting = protocol === 'vxlan' ? 'decode.vxlanPorts' : 'decode.genevePorts';
  const known = protocol === 'vxlan' ? e.configuration.vxlanPorts : e.configuration.genevePorts;
  const open = e.endpoints.map((p) => p.port);
  const what =
    open.length > 0
      ? `Packets that look like ${name} come to UDP port ${port}, where no end-point listens.`
      : `Packets that look like ${name} come to UDP port ${port}, which Earshot does not take for one of its ports.`;
  const next =
    open.length > 0
      ? `Send the mirror to port ${open[0]}, or listen on port ${port} with capture.endpoints.`
      : `Add the port: ${setting}: [${[...known, port].join(', ')}]. Or send the mirror to port ${known[0] ?? 4789}.`;
  const besides = seen.calls.seen > 0 && seen.tcp > packets;
  return finding('tunnel-port-unknown', what, several(packets, 'packet'), { next, severity: besides ? 'warning' : 'broken' });
}

function packetsWhole(_traffic: Traffic, seen: Observed, e: Evidence): Judgement {
  if (seen.tcp === 0) return skipped(EXPLAINED);
  const longest = seen.longestBytes === null ? '' : `, the longest packet has ${several(seen.longestBytes, 'byte')}`;
  const mtus = [...new Set(e.interfaces.matched.map((i) => i.mtu))].sort((a, b) => a - b);
  const mtu = mtus.length === 0 ? '' : `, MTU ${mtus.join(', ')}`;
  const { segments, bytes } = seen.cut;
  if (segments === 0) return judged(`all${longest}${mtu}`);
  const evidence = `${count(segments)} of ${several(seen.tcp, 'segment')} cut${longest}${mtu}`;
  return judged(
    evidence,
    finding(
      'packets-cut',
      'Packets arrive shorter than they were.',
      `${evidence}${bytes === null ? '' : `; ${byteAmount(bytes)} missing`}`,
      {
        next: cutAdvice(seen.longestBytes ?? 0),
        severity: segments > seen.tcp * CUT_SHARE ? 'broken' : 'warning',
      },
    ),
  );
}

/** Less than any Ethernet carries: a snap length. */
const SNAPPED_BYTES = 1_400;
/** A frame of the usual 1500 bytes with two VLAN tags. */
const USUAL_FRAME_BYTES = 1_522;
/** AWS: what a mirror session sends to a load balancer unless told otherwise, and the largest frame of its networks. */
const MIRROR_PACKET_BYTES = 8_500;
const JUMBO_FRAME_BYTES = 9_023;
const HEADERS_BYTES_MAX = 100;

/** Where packets are cut shows in the length of the longest one. */
function cutAdvice(longest: number): string {
  if (longest < SNAPPED_BYTES)
    return 'Capture whole packets: look for a snap length (tcpdump -s) or a packet length of the mirror session, and raise it.';
  if (longest <= USUAL_FRAME_BYTES)
    return 'The way to the sensor carries 1,500 bytes: raise the MTU of the mirror target, and of all before it, to 9001; or lower the MTU of the mirrored machines by 50 bytes (VXLAN) or more.';
  if (Math.abs(longest - MIRROR_PACKET_BYTES) <= HEADERS_BYTES_MAX)
    return 'The mirror session cuts at its packet length (8500 for a load balancer): raise it, or lower the MTU of the mirrored machines to 8400.';
  if (longest <= JUMBO_FRAME_BYTES)
    return 'A full packet does not fit into the MTU of 9001 with its tunnel around it: lower the MTU of the mirrored machines to 8900.';
  return 'Look for a snap length, or a packet length of the mirror session, and raise it.';
}

function tcpInside(traffic: Traffic, seen: Observed, e: Evidence): Judgement {
  if (seen.tcp > 0) {
    const others = Object.keys(seen.others).length === 0 ? '' : `; besides ${amountsOf(seen.others)}`;
    return judged(`${count(seen.tcp)} of ${several(seen.packets, 'packet')}${others}`);
  }
  if (!isOfUse(traffic, e) || straysOf(traffic, e).length > 0 || (traffic.unfiltered?.tcp ?? 0) > 0) return skipped(EXPLAINED);
  return judged('none', finding('no-tcp', 'No packet carries TCP.', amountsOf(seen.others)));
}

function directions(_traffic: Traffic, seen: Observed): Judgement {
  if (seen.flows === null) return directionsByCalls(seen);
  const { withData, oneWay, apart } = seen.flows;
  if (withData === 0) return skipped(seen.tcp === 0 ? EXPLAINED : 'no connection with data');
  const evidence = `both of ${count(withData - oneWay)} of ${several(withData, 'connection')} with data`;
  if (oneWay > withData * ONE_WAY_BROKEN && apart * 2 > oneWay) {
    const names = named((seen.tunnels ?? []).map((t) => (t.name === '' ? 'no tunnel' : t.name)));
    const what = 'The two directions of connections come in different tunnels.';
    return judged(evidence, finding('directions-apart', what, `${several(apart, 'one-way connection')} in ${names}`));
  }
  if (oneWay <= withData * ONE_WAY_WARN) return judged(evidence);
  const most = oneWay > withData * ONE_WAY_BROKEN;
  return judged(
    evidence,
    finding(
      'one-direction',
      most ? 'Only one direction of the connections is seen.' : 'Of some connections only one direction is seen.',
      `${count(oneWay)} of ${several(withData, 'connection')} with data`,
      { severity: most ? 'broken' : 'warning' },
    ),
  );
}

/** Where connections are not known one by one: by the calls that lack a half. */
function directionsByCalls({ calls, tcp }: Observed): Judgement {
  if (calls.seen === 0) return skipped(tcp === 0 ? EXPLAINED : 'the running sensor does not tell');
  const { withoutResponse, withoutRequest, seen } = calls;
  const evidence = `of ${several(seen, 'call')} ${count(withoutResponse)} without response, ${count(withoutRequest)} without request`;
  const halves = Math.max(withoutResponse, withoutRequest);
  return judged(
    evidence,
    halves * 2 <= seen ? null : finding('one-direction', 'Most calls lack their request or their response.', evidence),
  );
}

// ---------------------------------------------------------------- what it carries

function readable(_traffic: Traffic, seen: Observed): Judgement {
  const { http: read, tls, other, all } = carried(seen);
  const { packets, connections, http3 } = seen.quic;
  const quic = quicText(packets, connections, http3);
  const note = packets === 0 ? null : finding('quic-unread', 'There is QUIC, which cannot be read.', quic);
  if (all === 0 && packets === 0) return skipped(seen.tcp === 0 ? EXPLAINED : 'no connection with data');
  if (tls === 0) return judged(packets === 0 ? 'no TLS' : quic, note);
  const evidence = `${seen.connections === null ? byteAmount(tls) : count(tls)} of ${unit(seen, all)} TLS (${share(tls / all)})${portsText(seen, 'tls')}${serversText(seen)}`;
  const only = read === 0 && tls >= other;
  return judged(
    packets === 0 ? evidence : `${evidence}; ${quic}`,
    only
      ? finding('tls-only', 'TLS is all that there is to read.', evidence)
      : finding('tls-some', 'A part is TLS, which cannot be read.', evidence),
    note,
  );
}

function http(_traffic: Traffic, seen: Observed): Judgement {
  const { http: read, tls, other, all } = carried(seen);
  if (seen.tcp === 0) return skipped(EXPLAINED);
  if (read > 0) return judged(`${several(seen.calls.seen, 'call')}, ${count(seen.calls.complete)} whole${portsText(seen, 'http')}`);
  if (tls > 0 && tls >= other) return skipped(EXPLAINED);
  if (all === 0) return judged('none', finding('no-data', 'The connections carry no data.', `${several(seen.tcp, 'packet')} of TCP`));
  const kinds = (seen.connections ?? []).filter((c) => c.kind !== 'empty');
  const names = kinds.map(
    (c) => `${c.kind === 'other' ? 'something unknown' : c.kind.toUpperCase()} on port ${c.port} (${count(c.connections)})`,
  );
  return judged(
    'none',
    finding('no-http', 'No HTTP was found.', `${unit(seen, all)} with data${names.length > 0 ? `: ${named(names)}` : ''}`),
  );
}

/** Connections by what they carry; bytes where connections are not known. */
function carried(seen: Observed): { http: number; tls: number; other: number; all: number } {
  const { connections, payload } = seen;
  if (connections === null)
    return { http: payload.http, tls: payload.tls, other: payload.other, all: payload.http + payload.tls + payload.other };
  const tls = connectionsOf(seen, 'tls');
  const read =
    connectionsOf(seen, 'http') + connectionsOf(seen, 'http2') + connectionsOf(seen, 'websocket') + connectionsOf(seen, 'upgraded');
  const all = connections.reduce((sum, c) => sum + c.connections, 0) - connectionsOf(seen, 'empty');
  return { http: read, tls, other: all - tls - read, all };
}

function connectionsOf({ connections }: Observed, kind: string): number {
  return (connections ?? []).filter((c) => c.kind === kind).reduce((sum, c) => sum + c.connections, 0);
}

function unit(seen: Observed, n: number): string {
  return seen.connections === null ? byteAmount(n) : several(n, 'connection');
}

/** "; to login.example 12, others 3": by name, or by address where clients send none. */
function serversText({ tls }: Observed): string {
  const items = countItems(servers(tls), SERVERS_NAMED_MAX);
  return items.length === 0 ? '' : `; to ${items.join(', ')}`;
}

function portsText({ connections }: Observed, kind: string): string {
  const ports = (connections ?? []).filter((c) => c.kind === kind).map((c) => String(c.port));
  return ports.length === 0 ? '' : `, port ${named(ports)}`;
}

// ---------------------------------------------------------------- how it comes

function kernelDrops(traffic: Traffic, seen: Observed): Judgement {
  const sensor = traffic.sensorMeanwhile;
  // Where a sensor listens too, its drops count: the doctor has but one thread.
  const { packets, kernelDropped: dropped } = sensor ?? { packets: seen.packets, kernelDropped: traffic.kernelDropped };
  if (packets + dropped === 0) return skipped(EXPLAINED);
  if (dropped === 0) return judged('none');
  const all = packets + dropped;
  const evidence = `${count(dropped)} of ${several(all, 'packet')} (${share(dropped / all)})`;
  const what = `The kernel dropped packets ${sensor === null ? 'while the doctor listened, with its one thread' : 'of the running sensor'}.`;
  return judged(evidence, finding('kernel-drops', what, evidence, { severity: dropped > all * DROPS_SHARE ? 'broken' : 'warning' }));
}

function lossOnTheWay(traffic: Traffic, seen: Observed): Judgement {
  if (seen.payload.seen === 0) return skipped(seen.tcp === 0 ? EXPLAINED : 'no connection with data');
  if (seen.cut.bytes === null && seen.cut.segments > 0) return skipped('packets are cut: see above');
  const missing = Math.max(0, seen.gaps.bytes - (seen.cut.bytes ?? 0));
  const part = missing / (seen.payload.seen + missing);
  if (missing === 0) return judged('none');
  const evidence = `${byteAmount(missing)} (${share(part)} of the data) in ${several(seen.gaps.count, 'hole')}`;
  if (part < LOSS_WARN) return judged(evidence);
  if (traffic.kernelDropped > 0) return judged(`${evidence}, where the kernel dropped packets`);
  const what = 'Data is missing that its receiver acknowledged, or that later data followed.';
  return judged(evidence, finding('loss-before-sensor', what, evidence, { severity: part >= LOSS_BROKEN ? 'broken' : 'warning' }));
}

function clock(_traffic: Traffic, seen: Observed): Judgement {
  const offsetMs = seen.clockOffsetMs;
  if (offsetMs === null) return skipped(seen.packets === 0 ? EXPLAINED : 'the running sensor does not tell');
  if (Math.abs(offsetMs) < CLOCKS_AGREE_MS) return judged('packet time and clock agree');
  const amount = `${shortTime(Math.abs(offsetMs) * 1000)} ${offsetMs < 0 ? 'ahead of' : 'behind'} the clock`;
  if (offsetMs <= CLOCK_BEHIND_MS && offsetMs >= -CLOCK_AHEAD_MS) return judged(`packets ${amount}`);
  return judged(`packets ${amount}`, finding('clock-skew', 'Packet time and the clock of this machine differ.', `packets are ${amount}`));
}

// ---------------------------------------------------------------- words

/** " (VXLAN VNI 7: 12,001)"; "" without tunnels. */
function tunnelText(list: readonly Amount[] | null): string {
  const tunnelled = (list ?? []).filter((t) => t.name !== '');
  return tunnelled.length === 0 ? '' : ` (${named(tunnelled.map((t) => `${t.name}: ${count(t.packets)}`))})`;
}

/** "udp 12, arp 3" */
function amountsOf(map: Readonly<Record<string, number>>): string {
  const all = Object.entries(map).sort((a, b) => b[1] - a[1]);
  return all.length === 0 ? 'nothing' : named(all.map(([name, n]) => `${name} ${count(n)}`));
}
