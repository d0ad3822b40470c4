/**
 * Listening as `run` does, with the same sockets and filters, on this thread, for some seconds.
 *
 * The doctor's own thread has one ring; a sensor has one a worker. Beside a running sensor it hears the same interfaces, but
 * never opens a tunnel end-point that the sensor holds: it would take packets away from it.
 */
import { packetRegion, ringRegion } from '../../base/arena.ts';
import type { Settings } from '../../base/settings.ts';
import { EndpointReader, REGION_BYTES } from '../../capture/endpoint-reader.ts';
import { type InterfaceState, listInterfaces, matchInterfaces } from '../../capture/interfaces.ts';
import { Packet } from '../../capture/packet.ts';
import { mapRing, RingReader, unmapRing } from '../../capture/ring.ts';
import { systemCalls } from '../../capture/syscalls.ts';
import { parseEndpoint } from '../../capture/tunnel-endpoint.ts';
import { setFilter } from '../guard.ts';
import { Listening } from '../listening.ts';
import { passTime } from '../pipeline.ts';
import type { Amount, InterfaceCounters, Traffic, Unfiltered } from './evidence.ts';
import { Observer } from './observe.ts';
import { UNFILTERED_RING_BYTES, UnfilteredLook } from './unfiltered.ts';

const BURST_PACKETS = 1024;
const SLEEP_MS = 50;
const FOLLOW_MS = 1000;
const POLLIN = 1;
const POLLFD_BYTES = 8;
const ENDPOINTS_MAX = Math.floor((packetRegion.end - packetRegion.at) / REGION_BYTES);

/** What arrives within `seconds`. `looksBeside`: the wire without the filter is of interest. Throws SensorError. */
export function listen(settings: Settings, seconds: number, looksBeside: boolean): Traffic {
  const ringBytes = Math.min(settings.capture.ringBytes, ringRegion.end - ringRegion.at - UNFILTERED_RING_BYTES);
  const listening = new Listening({ ...settings, capture: { ...settings.capture, ringBytes } }, 1);
  listening.open();
  try {
    return hear(settings, seconds, listening, looksBeside);
  } finally {
    listening.close();
  }
}

function hear(settings: Settings, seconds: number, listening: Listening, looksBeside: boolean): Traffic {
  const observer = new Observer(settings);
  const socket = listening.packetSockets[0];
  if (socket !== undefined) mapRing(socket.fd, ringRegion.at, socket.ringBytes);
  const ring = socket === undefined ? null : new RingReader(ringRegion.at, socket.ringBytes, new Int32Array(1));
  const endpoints = listening.endpoints.slice(0, ENDPOINTS_MAX).map(({ fds, url }, i) => {
    const at = packetRegion.at + i * REGION_BYTES;
    return new EndpointReader(fds[0], parseEndpoint(url), { at, end: at + REGION_BYTES }, i);
  });
  const beside = looksBeside ? openBeside(settings) : null;
  const fds = pollList([
    ...(socket === undefined ? [] : [socket.fd]),
    ...endpoints.map(({ fd }) => fd),
    ...(beside === null ? [] : [beside.fd]),
  ]);
  const before = listInterfaces();
  const packet = new Packet();
  const readBurst = (): number => {
    let n = 0;
    while (ring !== null && n < BURST_PACKETS && ring.next(packet)) {
      observer.take(packet, Date.now());
      n++;
    }
    for (const endpoint of endpoints) {
      for (let i = 0; i < BURST_PACKETS && endpoint.next(packet); i++) {
        observer.take(packet, Date.now());
        n++;
      }
    }
    return n;
  };
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let followDueMs = 0;
  if (endpoints.length > 0) setFilter(settings.capture.only, settings.capture.not);
  const droppedBefore = datagramsDropped(listening);
  for (let nowMs = startMs; nowMs < endMs; nowMs = performance.now()) {
    if (nowMs >= followDueMs) {
      followDueMs = nowMs + FOLLOW_MS;
      listening.follow();
      listening.count();
    }
    beside?.read();
    if (readBurst() > 0) continue;
    passTime((Date.now() - settings.capture.ringBlockTimeoutMs - SLEEP_MS) * 1000);
    systemCalls()?.poll(fds, fds.length / POLLFD_BYTES, Math.max(1, Math.min(SLEEP_MS, endMs - nowMs)));
  }
  const heardMs = performance.now() - startMs;
  // What a socket refuses because it is deaf counts among its drops too.
  const dropped = datagramsDropped(listening) - droppedBefore;
  listening.deafen();
  // A block that is not full comes when its time is over.
  systemCalls()?.poll(fds, 0, settings.capture.ringBlockTimeoutMs + SLEEP_MS);
  while (readBurst() > 0);
  listening.count();
  const after = listInterfaces();
  const observed = observer.finish();
  const unfiltered: Unfiltered | null = beside?.finish() ?? null;
  const names = new Map(listening.heard.flatMap(({ name, indexes }) => indexes.map((index): [number, string] => [index, name])));
  const sources: Amount[] = [
    ...(ring?.interfaces ?? []).map(({ index, packets }) => ({ name: names.get(index) ?? `interface ${index}`, packets })),
    ...endpoints.map(({ packets }, i) => ({ name: listening.endpoints[i].url, packets })),
  ];
  if (socket !== undefined) unmapRing(ringRegion.at, socket.ringBytes);
  return {
    heardBy: 'doctor',
    seconds: heardMs / 1000,
    sources,
    interfaceCounters: countersBetween(settings, before, after),
    kernelDropped: dropped + (listening.kernel[0]?.dropped ?? 0),
    sensorMeanwhile: null,
    observed,
    unfiltered,
  };
}

/** Datagrams that found a receive buffer full, as the kernel counts them. */
function datagramsDropped(listening: Listening): number {
  return listening.endpoints.flatMap((endpoint) => listening.endpointDropsOf(endpoint)).reduce((sum, n) => sum + n, 0);
}

/** null where the rights do not allow it: with end-points alone none were needed so far. */
function openBeside(settings: Settings): UnfilteredLook | null {
  try {
    return new UnfilteredLook(settings, ringRegion.end - UNFILTERED_RING_BYTES);
  } catch {
    return null;
  }
}

function pollList(fds: readonly number[]): Buffer {
  const list = Buffer.alloc(POLLFD_BYTES * fds.length);
  fds.forEach((fd, i) => {
    list.writeInt32LE(fd, i * POLLFD_BYTES);
    list.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4);
  });
  return list;
}

function countersBetween(settings: Settings, before: readonly InterfaceState[], after: readonly InterfaceState[]): InterfaceCounters[] {
  return matchInterfaces(settings.capture.interfaces, after).matched.map(({ interface: now }) => {
    const old = before.find(({ index }) => index === now.index);
    return { name: now.name, packets: now.rxPackets - (old?.rxPackets ?? 0), dropped: now.rxDropped - (old?.rxDropped ?? 0) };
  });
}
