/**
 * Observing: packets through the hot path, and what the doctor notes about them on the way. This is the pipeline of `run`
 * and nothing else, with two differences: closed connections stay in the flow table until the end, so that their
 * directions can be counted, and no body is kept.
 *
 * Each packet is decoded once more for the notes; the weirds that this raises are taken back.
 */
import { bytes, packetRegion } from '../../base/arena.ts';
import { packetTimeUs } from '../../base/clock.ts';
import { countOf } from '../../base/counters.ts';
import type { Settings } from '../../base/settings.ts';
import { weirdCount, weirdCounts } from '../../base/weird.ts';
import { Packet } from '../../capture/packet.ts';
import { decode, resetDecode } from '../../decode/decode.ts';
import { describePath, type Layer } from '../../decode/encapsulation.ts';
import { QUIC, Segment, TCP, UDP, verdictNames } from '../../decode/segment.ts';
import * as table from '../../flow/flow-table.ts';
import { kindNames } from '../../http/connection.ts';
import { connectionsByKind } from '../../http/ending.ts';
import { tlsSeen } from '../../http/tls-facts.ts';
import { finishPipeline, processPacket, resetPipeline } from '../pipeline.ts';
import { TLS_TOLD_MAX } from '../tls-report.ts';
import type { Amount, ConnectionsSeen, FlowsSeen, Observed, StrayTunnel, Unfiltered } from './evidence.ts';
import { GENEVE_LIKE, strayTunnel } from './stray-tunnels.ts';

const KEEP_MS = 86_400_000;
/** Connections that are told apart by direction; what comes later is not judged. */
const ROWS_MAX = table.rows.length >> table.ROW_SHIFT;
const PACKETS_MASK = 0x3f;
const FROM_ORIGINATOR = 0x40;
const FROM_RESPONDER = 0x80;
const CARRIED_DATA = 0x100;
/** A connection with fewer packets says nothing about directions: it may have just begun. */
const PACKETS_MIN = 3;

/** The settings of `run`, changed as said above. */
export function observingSettings(settings: Settings): Settings {
  const flow = { ...settings.flow, closedLingerMs: KEEP_MS, idleTimeoutMs: KEEP_MS, halfOpenTimeoutMs: KEEP_MS };
  return { ...settings, flow, http: { ...settings.http, bodyBytes: 0 } };
}

export class Observer {
  readonly #segment = new Segment();
  readonly #weirdsBefore = new Float64Array(weirdCounts.length);
  readonly #verdicts = new Float64Array(verdictNames.length);
  readonly #paths = new Map<number, number>();
  readonly #strays = new Map<number, number>();
  /** By row of the flow table: packets, directions seen, data. */
  readonly #rows = new Uint16Array(ROWS_MAX);
  #packets = 0;
  #bytes = 0;
  #longest = 0;
  #cutSegments = 0;
  #cutBytes = 0;
  #offsetMs = Number.POSITIVE_INFINITY;

  constructor(settings: Settings) {
    resetPipeline(observingSettings(settings), () => {});
  }

  get packets(): number {
    return this.#packets;
  }

  /** Takes one packet, with its time in `packetTimeUs`; `wallMs` is the clock of this machine at that moment. */
  take(packet: Packet, wallMs: number): void {
    this.#packets++;
    this.#bytes += packet.end - packet.at;
    if (packet.end - packet.at > this.#longest) this.#longest = packet.end - packet.at;
    const offsetMs = wallMs - packetTimeUs[0] / 1000;
    if (offsetMs < this.#offsetMs) this.#offsetMs = offsetMs;
    const segment = this.#segment;
    this.#weirdsBefore.set(weirdCounts);
    const verdict = decode(packet, segment);
    weirdCounts.set(this.#weirdsBefore);
    this.#verdicts[verdict]++;
    if (verdict === UDP) this.#noteStray(packet);
    processPacket(packet);
    if (verdict === TCP) this.#noteSegment(segment);
  }

  #noteStray(packet: Packet): void {
    const stray = strayTunnel(packet.at, packet.end, packet.linkType);
    if (stray !== 0) this.#strays.set(stray, (this.#strays.get(stray) ?? 0) + 1);
  }

  #noteSegment(s: Segment): void {
    this.#paths.set(s.pathId, (this.#paths.get(s.pathId) ?? 0) + 1);
    const missing = s.payloadWireBytes - (s.payloadEnd - s.payloadAt);
    if (missing > 0) {
      this.#cutSegments++;
      this.#cutBytes += missing;
    }
    const found = table.findFlow(s);
    if (found < 0) return;
    const row = found >> 1;
    let note = this.#rows[row] | (found & 1 ? FROM_RESPONDER : FROM_ORIGINATOR) | (s.payloadWireBytes > 0 ? CARRIED_DATA : 0);
    if ((note & PACKETS_MASK) < PACKETS_MASK) note++;
    this.#rows[row] = note;
  }

  /** Ends the capture and says what was seen. */
  finish(): Observed {
    const flows = this.#flows();
    const tunnels = new Map<string, number>();
    for (const [path, packets] of this.#paths) {
      const name = tunnelName(describePath(path));
      tunnels.set(name, (tunnels.get(name) ?? 0) + packets);
    }
    finishPipeline();
    // Which datagrams are QUIC shows in those before.
    this.#verdicts[UDP] = countOf('packets.dropped{udp}');
    this.#verdicts[QUIC] = countOf('packets.dropped{quic}');
    const others = verdictNames.map((name, i): [string, number] => [name, this.#verdicts[i]]).filter(([, n], i) => i > TCP && n > 0);
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      tcp: countOf('packets.decoded'),
      refused: countOf('packets.dropped{filter}'),
      others: Object.fromEntries(others),
      longestBytes: this.#packets > 0 ? this.#longest : null,
      tunnels: amounts(tunnels),
      strayTunnels: strays(this.#strays),
      cut: { segments: this.#cutSegments, bytes: this.#cutBytes },
      flows,
      connections: connectionsSeen(),
      payload: {
        seen: countOf('payload.seen'),
        http: countOf('payload.http'),
        tls: countOf('payload.tls'),
        other: countOf('payload.other'),
      },
      tls: tlsSeen(TLS_TOLD_MAX),
      quic: { packets: countOf('packets.dropped{quic}'), connections: countOf('quic.connections'), http3: countOf('quic.http3') },
      calls: {
        seen: countOf('calls.seen'),
        complete: countOf('calls.complete'),
        withoutResponse: countOf('calls.incomplete{no-response}'),
        withoutRequest: countOf('calls.incomplete{no-request}'),
      },
      gaps: { count: countOf('gaps.count'), bytes: countOf('gaps.bytes') },
      clockOffsetMs: this.#packets > 0 ? this.#offsetMs : null,
      bugs: weirdCount('sensor.bug'),
    };
  }

  #flows(): FlowsSeen {
    const rows = table.rows;
    let withData = 0;
    let oneWay = 0;
    let apart = 0;
    /** Of one-way connections: which end was seen, by the pair of ends. */
    const ends = new Map<string, number>();
    for (let row = 1; row < table.rowsEnd(); row++) {
      const note = this.#rows[row];
      const f = row << table.ROW_SHIFT;
      if ((note & CARRIED_DATA) === 0 || (note & PACKETS_MASK) < PACKETS_MIN || (rows[f + table.FLAGS] & table.IN_USE) === 0) continue;
      withData++;
      const directions = note & (FROM_ORIGINATOR | FROM_RESPONDER);
      if (directions === (FROM_ORIGINATOR | FROM_RESPONDER)) continue;
      oneWay++;
      const ports = rows[f + table.PORTS];
      const a = `${rows.subarray(f + table.KEY_A, f + table.KEY_A + 4).join()}:${ports >>> 16}`;
      const b = `${rows.subarray(f + table.KEY_B, f + table.KEY_B + 4).join()}:${ports & 0xffff}`;
      const fromA = directions === FROM_ORIGINATOR;
      const bit = fromA === a < b ? 1 : 2;
      const pair = a < b ? `${a} ${b}` : `${b} ${a}`;
      const known = ends.get(pair) ?? 0;
      if ((known | bit) === 3 && known !== 3) apart += 2;
      ends.set(pair, known | bit);
    }
    return { withData, oneWay, apart };
  }
}

function connectionsSeen(): ConnectionsSeen[] {
  const all = [...connectionsByKind].map(([key, connections]) => ({ kind: kindNames[key >> 16], port: key & 0xffff, connections }));
  return all.sort((a, b) => b.connections - a.connections || a.port - b.port);
}

function strays(map: ReadonlyMap<number, number>): StrayTunnel[] {
  const all = [...map].map(
    ([stray, packets]): StrayTunnel => ({ protocol: stray >> 16 === GENEVE_LIKE ? 'geneve' : 'vxlan', port: stray & 0xffff, packets }),
  );
  return all.sort((a, b) => b.packets - a.packets);
}

function amounts(map: ReadonlyMap<string, number>): Amount[] {
  return [...map].map(([name, packets]) => ({ name, packets })).sort((a, b) => b.packets - a.packets);
}

const typeNames: Readonly<Partial<Record<Layer['type'], string>>> = {
  ipip: 'IP-in-IP',
  other: 'other tunnels',
  teredo: 'Teredo',
  pppoe: 'PPPoE',
};

/** "VLAN 5 > VXLAN VNI 7"; "" for no layers. */
export function tunnelName(layers: readonly Layer[]): string {
  return layers
    .map((layer) => {
      const words = [typeNames[layer.type] ?? layer.type.toUpperCase()];
      if (layer.vni !== undefined) words.push(`VNI ${layer.vni}`);
      if (layer.key !== undefined) words.push(`key ${layer.key}`);
      if (layer.session !== undefined) words.push(`session ${layer.session}`);
      if (layer.teid !== undefined) words.push(`TEID ${layer.teid}`);
      if (layer.label !== undefined) words.push(`label ${layer.label}`);
      if (layer.vlan !== undefined) words.push(layer.type === 'vlan' ? String(layer.vlan) : `VLAN ${layer.vlan}`);
      return words.join(' ');
    })
    .join(' > ');
}

/** A packet that was taken aside: its first bytes, and what they belong to. */
export interface Sample {
  readonly data: Buffer;
  readonly wireBytes: number;
  readonly linkType: number;
}

/**
 * What packets are that did not have to pass the filter. With `ports` false no port is known as one of a tunnel, so that
 * all tunnels show their port. Call it after `Observer.finish`: it uses the same memory.
 */
export function lookUnfiltered(settings: Settings, packets: number, samples: readonly Sample[], ports: boolean): Unfiltered {
  const { decode: known, capture } = settings;
  const without = { ...settings, capture: { ...capture, endpoints: [] }, decode: { ...known, vxlanPorts: [], genevePorts: [] } };
  resetDecode(ports ? settings : without);
  const packet = new Packet();
  const segment = new Segment();
  const tunnels = new Map<string, number>();
  const stray = new Map<number, number>();
  let tcp = 0;
  const weirdsBefore = weirdCounts.slice();
  for (const { data, wireBytes, linkType } of samples) {
    packet.at = packetRegion.at;
    packet.end = packetRegion.at + data.length;
    packet.wireBytes = wireBytes;
    packet.linkType = linkType;
    bytes.set(data, packet.at);
    const verdict = decode(packet, segment);
    if (verdict === TCP) {
      tcp++;
      const name = tunnelName(describePath(segment.pathId));
      tunnels.set(name, (tunnels.get(name) ?? 0) + 1);
    } else if (verdict === UDP) {
      const like = strayTunnel(packet.at, packet.end, linkType);
      if (like !== 0) stray.set(like, (stray.get(like) ?? 0) + 1);
    }
  }
  weirdCounts.set(weirdsBefore);
  return { packets, looked: samples.length, tcp, tunnels: amounts(tunnels), strayTunnels: strays(stray) };
}
