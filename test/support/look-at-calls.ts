/** Calls as policy/ gets them: text of requests and responses through the whole hot path, and a look at each finished call. */
import assert from 'node:assert/strict';
import { finishPipeline, lastBug, processPacket, resetPipeline } from '../../src/app/pipeline.ts';
import { bytes, outputRegion } from '../../src/base/arena.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { weirdCount } from '../../src/base/weird.ts';
import { Packet } from '../../src/capture/packet.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { encodeCall, resetEncoder } from '../../src/normalise/encode.ts';
import { ipPacket, type Place, partsOf, type Turn } from './conversation.ts';
import { ethernet, ipv4, placePacket, udp, vlan, vxlan } from './packets.ts';
import { START_US, type Wire } from './run-pipeline.ts';

/** Lines of a head, or a whole message. A response may be missing. */
export interface Exchange {
  readonly request: string | Buffer;
  readonly response?: string | Buffer;
}

export interface LookOptions {
  readonly place?: Place;
  readonly settings?: Settings;
  /** The connection comes in VXLAN with this identifier, inside of it with this VLAN tag. */
  readonly vni?: number;
  readonly vlan?: number;
}

/** "GET / HTTP/1.1|Host: a" as a head: each | ends a line. With a body, its length is stated. */
export function message(head: string, body: string | Buffer = ''): Buffer {
  const content = Buffer.from(body);
  const length = content.length > 0 || head.startsWith('HTTP/') ? `Content-Length: ${content.length}\r\n` : '';
  return Buffer.concat([Buffer.from(`${head.replaceAll('|', '\r\n')}\r\n${length}\r\n`), content]);
}

/** Every call of these packets, in order of its end; `look` gets its row number while it lives. */
export function lookAtPackets(packets: Iterable<Wire>, look: (call: number) => void, settings: Settings = defaultSettings): void {
  resetEncoder(settings, 'test', 0);
  resetPipeline(settings, look);
  const packet = new Packet();
  for (const wire of packets) {
    placePacket(packet, wire.data);
    packetTimeUs[0] = wire.timeUs;
    processPacket(packet);
  }
  finishPipeline();
  // What a look throws is taken for a fault of the pipeline.
  if (weirdCount('sensor.bug') > 0) throw lastBug;
}

/** The same for one connection, made of what its ends say. */
export function lookAtCalls(exchanges: readonly Exchange[], look: (call: number) => void, o: LookOptions = {}): void {
  const turns = exchanges.flatMap(({ request, response }): Turn[] => [
    { fromServer: false, bytes: Buffer.from(request) },
    ...(response === undefined ? [] : [{ fromServer: true, bytes: Buffer.from(response) }]),
  ]);
  const packets = partsOf({ turns, calls: [], end: 'client-fin' }).map((part, i): Wire => {
    const inner = ipPacket(part, o.place);
    const frame = ethernet(o.vlan === undefined ? inner : vlan(inner, { id: o.vlan }));
    return { data: o.vni === undefined ? frame : ethernet(ipv4(udp(vxlan(frame, { vni: o.vni })))), timeUs: START_US + 1000 * i };
  });
  let calls = 0;
  const counted = (call: number): void => {
    calls++;
    look(call);
  };
  lookAtPackets(packets, counted, o.settings);
  assert.equal(calls, exchanges.length, 'a call for each exchange');
}

/** What `look` says of the only call. */
export function lookAtCall<T>(exchange: Exchange, look: (call: number) => T, o: LookOptions = {}): T {
  const seen: T[] = [];
  lookAtCalls([exchange], (call) => seen.push(look(call)), o);
  return seen[0];
}

/** The record of a call. */
export function recordOf(call: number): ApiCall {
  return JSON.parse(bytes.toString('utf8', outputRegion.at, encodeCall(call, outputRegion.at))) as ApiCall;
}
