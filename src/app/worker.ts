/**
 * A worker: one thread, one ring, the whole path from packet to record.
 *
 *   ring, end-points -> processPacket -> policy -> RecordWriter -> batch -> main thread
 *
 * It never goes back to its event loop: it takes messages between bursts of packets, and sleeps in poll(2) while there
 * are none. Packets never cross threads; batches do.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { bytes, packetRegion, ringRegion } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countsByName } from '../base/counters.ts';
import { errnoReason, SensorError } from '../base/errors.ts';
import { weirdCounts, weirds } from '../base/weird.ts';
import { EndpointReader, REGION_BYTES } from '../capture/endpoint-reader.ts';
import { Packet } from '../capture/packet.ts';
import { type KernelCounts, takeKernelCounts } from '../capture/packet-socket.ts';
import { INTERFACES_MAX, mapRing, RingReader, unmapRing } from '../capture/ring.ts';
import { errnoName, systemCalls } from '../capture/syscalls.ts';
import { parseEndpoint } from '../capture/tunnel-endpoint.ts';
import { flowsInUse } from '../flow/flow-table.ts';
import { payloadBytesHeld } from '../flow/reassemble.ts';
import { payloadBytesUnidentified } from '../http/ending.ts';
import { tlsNoted, tlsSeen } from '../http/tls-facts.ts';
import { callsInFlight } from '../http/transaction.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { callsParked } from '../normalise/duplicates.ts';
import { INDEX_WORDS } from '../policy/masked-call.ts';
import { Policy } from '../policy/policy.ts';
import { setRecorder } from '../websocket/recorder.ts';
import { withRecord } from './call-line.ts';
import { Gaps } from './gaps.ts';
import { giveBackMemory } from './give-back.ts';
import { type PacketList, SHARES, setFilter, setOwnSockets, setShedding } from './guard.ts';
import { finishPipeline, handOn, lastBug, onBug, passTime, processPacket, resetPipeline } from './pipeline.ts';
import { RecordWriter } from './record-writer.ts';
import { Shedding } from './shedding.ts';
import { TLS_TOLD_MAX } from './tls-report.ts';
import { UnderWay } from './under-way.ts';
import { Watches } from './watches.ts';
import type { FromWorker, Pulse, ToWorker, WorkerStart } from './worker-link.ts';

const BURST_PACKETS = 1024;
const TICK_MS = 20;
const HAND_OVER_MS = 50;
const SECOND_MS = 1000;
const BEAT_MS_MIN = 40;
const SLEEP_MS = 100;
const START_TRIES = 1000;
const POLLIN = 1;
const POLLFD_BYTES = 8;
const ALIGN_BYTES = 64;

const start = workerData as WorkerStart;
const { settings } = start;
const port = parentPort;
if (port === null) throw new Error('worker.ts runs as a worker thread');
const say = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
const calls = systemCalls();

if (start.processor >= 0) {
  const mask = Buffer.alloc(128);
  mask[start.processor >> 3] = 1 << (start.processor & 7);
  const result = calls?.setAffinity(mask) ?? 0;
  if (result < 0) say({ type: 'unbound', processor: start.processor, reason: errnoReason(errnoName(result)) });
}

/** Numbers for Packet.interfaceId: those of the ring's interfaces, behind them those of the end-points. */
const firstEndpointId = start.ring === null ? 0 : INTERFACES_MAX;
const ringState = new Int32Array(start.ringState);
try {
  if (start.ring !== null) mapRing(start.ring.fd, ringRegion.at, start.ring.ringBytes);
} catch (error) {
  // Of an error that is thrown only the message crosses threads.
  if (error instanceof SensorError) say({ type: 'failed', code: error.code, what: error.what, why: error.why, next: error.next });
  throw error;
}
const ring = start.ring === null ? null : new RingReader(ringRegion.at, start.ring.ringBytes, ringState);
// Many end-points have smaller slots: still enough for jumbo frames.
const regionBytes = Math.min(REGION_BYTES, Math.floor((packetRegion.end - packetRegion.at) / Math.max(1, start.endpoints.length)));
const endpoints = start.endpoints.map(({ fd, url }, i) => {
  const at = packetRegion.at + i * (regionBytes - (regionBytes % ALIGN_BYTES));
  return new EndpointReader(fd, parseEndpoint(url), { at, end: at + regionBytes - (regionBytes % ALIGN_BYTES) }, firstEndpointId + i);
});
const fds = Buffer.alloc(POLLFD_BYTES * (endpoints.length + 1));
const polled = [...(start.ring === null ? [] : [start.ring.fd]), ...start.endpoints.map(({ fd }) => fd)];
polled.forEach((fd, i) => {
  fds.writeInt32LE(fd, i * POLLFD_BYTES);
  fds.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4);
});

const watches = new Watches(settings.run.watchCallsPerSecondMax);
watches.set(start.watches);
let shedding = settings.run.shedding;
let stopAtMs = Number.POSITIVE_INFINITY;
let stopping = false;

const shedder = new Shedding();

function watch(at: number, end: number): void {
  if (watches.areThere) watches.see(() => withRecord(JSON.parse(bytes.toString('utf8', at, end)) as ApiCall));
}

/** Since the last pulse. */
let hasHandedOver = false;
const underWay = new UnderWay(start.underWay, settings.output.queueBytesMax);
/** Records that the main thread has not been told of. */
let lostRecords = 0;
let isDiscarding = start.discard;

function write(at: number, end: number, records: number, index: Int32Array, routing: number): void {
  if (isDiscarding) return;
  hasHandedOver = true;
  if (!underWay.send(end - at)) {
    lostRecords += records;
    return;
  }
  const copy = bytes.buffer.slice(at, end) as ArrayBuffer;
  const itsIndex = index.slice(0, INDEX_WORDS * records);
  say({ type: 'batch', bytes: copy, index: itsIndex, routing }, [copy, itsIndex.buffer]);
}

const policy = new Policy(start.policy);
const writer = new RecordWriter({
  settings,
  epoch: start.epoch,
  worker: start.worker,
  write,
  routing: start.routing,
  route: (call) => policy.route(call),
  encode: (call, to) => policy.encode(call, to),
  encodeMessage: (to, prefix, n, context) => policy.encodeMessage(to, prefix, n, context),
  onRecord: watch,
});
const gaps = new Gaps((gap) => writer.gap(gap));
const longCalls = { open: (call: number) => writer.takeOpen(call), close: (call: number) => writer.takeClosing(call) };
resetPipeline(
  settings,
  (call) => writer.take(call),
  false,
  longCalls,
  () => writer.takeMessage(),
);
setOwnSockets(start.ownSockets);

/** The kernel filters what comes by interfaces. */
function filterEndpoints(only: PacketList, not: PacketList): void {
  if (endpoints.length > 0) setFilter(only, not);
}
filterEndpoints(settings.capture.only, settings.capture.not);

/** A fault of ours in it leaves the old policy, and the table that its routes are by. */
function takePolicy({ policy: spec, routing, discard }: Extract<ToWorker, { type: 'policy' }>): void {
  try {
    policy.replace(spec);
    writer.reroute(routing);
  } catch (error) {
    onBug(error);
  }
  isDiscarding = discard;
}

function take(message: ToWorker): void {
  switch (message.type) {
    case 'settings':
      shedding = message.shedding;
      watches.callsPerSecondMax = message.watchCallsPerSecondMax;
      setRecorder(message);
      writer.setMessages(message);
      filterEndpoints(message.only, message.not);
      break;
    case 'policy':
      takePolicy(message);
      break;
    case 'own':
      setOwnSockets(message.sockets);
      break;
    case 'watch':
      watches.set(message.watches);
      break;
    case 'confirm':
      say({ type: 'confirmed', id: message.id });
      break;
    case 'stop':
      stopping = true;
      stopAtMs = message.untilAtMs;
  }
}

function pulse(): Pulse {
  return {
    atMs: Date.now(),
    counters: countsByName(),
    weirds: weirds.map(({ name }, i): [string, number] => [name, weirdCounts[i]]).filter(([, n]) => n > 0),
    interfaces: ring?.interfaces ?? [],
    endpoints: endpoints.map(({ packets, bytes: endpointBytes }) => ({ packets, bytes: endpointBytes })),
    waitingPackets: ring?.waiting() ?? 0,
    heldBytes: payloadBytesHeld() + payloadBytesUnidentified(),
    waitingCalls: callsParked(),
    flows: flowsInUse(),
    callsInFlight: callsInFlight(),
    ringFill: fill(),
    shedding: shedder.share / SHARES,
    cpuMs: cpuMs(),
    lagMs,
    bug: lastBug === undefined ? '' : lastBug instanceof Error ? (lastBug.stack ?? lastBug.message) : String(lastBug),
  };
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Wall-clock time minus the time of the last packet; 0 while none come. */
let lagMs = 0;
let handOverDueMs = 0;
let secondDueMs = 0;
let beatMs = 0;

/** Says how it is. */
function beat(nowMs: number): void {
  beatMs = nowMs;
  hasHandedOver = false;
  say({ type: 'pulse', pulse: pulse() });
}

function handOver(): void {
  writer.flush();
  if (lostRecords > 0) {
    say({ type: 'lost', records: lostRecords });
    lostRecords = 0;
  }
  for (const watched of watches.take()) say({ type: 'watched', watched });
  // What was handed over shall stand in the counters too when somebody asks.
  const nowMs = performance.now();
  if (hasHandedOver && nowMs - beatMs >= BEAT_MS_MIN) beat(nowMs);
}

let tlsTold = 0;

/** Which servers and clients speak TLS. */
function tellTls(): void {
  if (tlsNoted() === tlsTold) return;
  tlsTold = tlsNoted();
  say({ type: 'tls', seen: tlsSeen(TLS_TOLD_MAX) });
}

/** Filled part of the fullest ring or receive buffer, 0 to 1. */
function fill(): number {
  let most = ring === null ? 0 : ring.fill();
  for (const endpoint of endpoints) most = Math.max(most, endpoint.fill());
  return most;
}

/** What is due between bursts. */
function tick(nowMs: number): void {
  for (let received = receiveMessageOnPort(port as NonNullable<typeof port>); received !== undefined; ) {
    take(received.message as ToWorker);
    received = receiveMessageOnPort(port as NonNullable<typeof port>);
  }
  setShedding(shedding ? shedder.next(fill(), nowMs) : shedder.off());
  policy.shed = shedder.level;
  gaps.look(nowMs);
  if (nowMs >= handOverDueMs) {
    handOverDueMs = nowMs + HAND_OVER_MS;
    handOver();
  }
  if (nowMs >= secondDueMs) {
    secondDueMs = nowMs + SECOND_MS;
    watches.tick();
    tellTls();
    beat(nowMs);
  }
}

const packet = new Packet();

/** Up to a burst of packets from each source; how many there were. */
function readBurst(): number {
  let n = 0;
  if (ring !== null)
    while (n < BURST_PACKETS && ring.next(packet)) {
      processPacket(packet);
      n++;
    }
  for (const endpoint of endpoints) {
    for (let i = 0; i < BURST_PACKETS && endpoint.next(packet); i++) {
      processPacket(packet);
      n++;
    }
  }
  if (n > 0) handOn();
  return n;
}

/**
 * All packets that came before this many milliseconds ago have been read, once there are none. The kernel looks every
 * ringBlockTimeoutMs whether to hand over a block that is not full, and does so at the second look.
 */
const quietMs = 2 * settings.capture.ringBlockTimeoutMs + TICK_MS;

function run(): void {
  let tickDueMs = 0;
  let quietSinceMs = 0;
  for (;;) {
    const n = readBurst();
    const nowMs = performance.now();
    if (nowMs >= tickDueMs) {
      tickDueMs = nowMs + TICK_MS;
      lagMs = n > 0 ? Date.now() - packetTimeUs[0] / 1000 : 0;
      tick(nowMs);
    }
    if (n > 0) quietSinceMs = nowMs;
    if (stopping && (Date.now() >= stopAtMs || (nowMs - quietSinceMs > quietMs && (ring?.waiting() ?? 0) === 0))) return;
    if (n > 0) continue;
    passTime((Date.now() - quietMs) * 1000);
    writer.releaseDue();
    handOver();
    calls?.poll(fds, polled.length, stopping ? TICK_MS : SLEEP_MS);
    tickDueMs = 0;
  }
}

/** What the kernel has counted and what of it is in the ring, at one moment: no packet may come between. */
function ringAtStart(): { waitingPackets: number; kernel: KernelCounts } {
  const kernel = { packets: 0, dropped: 0, freezes: 0 };
  let waitingPackets = 0;
  if (start.ring === null || ring === null) return { waitingPackets, kernel };
  for (let i = 0; i < START_TRIES; i++) {
    waitingPackets = ring.waiting();
    const { packets, dropped } = takeKernelCounts(start.ring.fd);
    kernel.packets += packets;
    kernel.dropped += dropped;
    if (ring.waiting() === waitingPackets) break;
  }
  return { waitingPackets, kernel };
}

giveBackMemory();
say({ type: 'running', ...ringAtStart() });
run();
const flowsOpen = flowsInUse();
finishPipeline();
gaps.end();
writer.end('');
handOver();
tellTls();
say({ type: 'stopped', pulse: pulse(), flowsOpen });
if (start.ring !== null) unmapRing(ringRegion.at, start.ring.ringBytes);
