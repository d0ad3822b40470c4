/**
 * Live packets on this thread, for a command that looks on for some seconds: the same sockets and filters as in `run`, with
 * one ring instead of one a worker. Beside a running sensor it hears the same interfaces; a tunnel end-point that the
 * sensor holds is refused, because it would take packets away from it.
 *
 *   new LivePackets -> begin -> turn, turn, turn ... until it says false -> end -> close
 *
 * A turn waits SLEEP_MS at most. Who has to hear Ctrl-C goes back to the event loop between them (`hearPackets`).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { packetRegion, ringRegion } from '../base/arena.ts';
import { SensorError } from '../base/errors.ts';
import type { Settings } from '../base/settings.ts';
import { EndpointReader, REGION_BYTES } from '../capture/endpoint-reader.ts';
import { Packet } from '../capture/packet.ts';
import { INTERFACES_MAX, mapRing, RingReader, unmapRing } from '../capture/ring.ts';
import { systemCalls } from '../capture/syscalls.ts';
import { parseEndpoint } from '../capture/tunnel-endpoint.ts';
import { setFilter } from './guard.ts';
import { Listening } from './listening.ts';
import { handOn, passTime, processPacket } from './pipeline.ts';

const BURST_PACKETS = 1024;
const SLEEP_MS = 50;
const FOLLOW_MS = 1000;
const POLLIN = 1;
const POLLFD_BYTES = 8;
const ENDPOINTS_MAX = Math.floor((packetRegion.end - packetRegion.at) / REGION_BYTES);
const RING_BYTES_MAX = ringRegion.end - ringRegion.at;

/** What came. */
export interface LiveAmount {
  readonly seconds: number;
  readonly packets: number;
  /** Packets that found ring or receive buffer full. */
  readonly dropped: number;
  /** Interfaces that are not there or not up, as "eth9 (missing)". */
  readonly silent: readonly string[];
}

/** Another socket that wakes a turn, and is read in each. */
export interface Beside {
  readonly fd: number;
  read(): void;
}

export class LivePackets {
  readonly #settings: Settings['capture'];
  readonly #onPacket: (packet: Packet) => void;
  readonly #listening: Listening;
  readonly #ring: RingReader | null;
  readonly #endpoints: readonly EndpointReader[];
  readonly #packet = new Packet();
  #beside: Beside | null = null;
  #fds = pollList([]);
  #packets = 0;
  #droppedBefore = 0;
  #startMs = 0;
  #endMs = 0;
  #followDueMs = 0;

  /**
   * Opens the settings' sources; of their end-points it reads the first ENDPOINTS_MAX. The ring takes the front of its region,
   * `ringBytesMax` at most. `onPacket` gives each packet to the pipeline. Throws SensorError: nothing-to-listen-to, no-rights,
   * port-held and what else listening may meet; nothing stays open then.
   */
  constructor(settings: Settings, onPacket: (packet: Packet) => void, ringBytesMax: number = RING_BYTES_MAX) {
    const capture = { ...settings.capture, ringBytes: Math.min(settings.capture.ringBytes, ringBytesMax) };
    const listening = new Listening({ ...settings, capture }, 1);
    listening.open();
    try {
      const socket = listening.packetSockets[0];
      const firstId = socket === undefined ? 0 : INTERFACES_MAX;
      this.#endpoints = listening.endpoints.slice(0, ENDPOINTS_MAX).map(({ fds, url }, i) => {
        const at = packetRegion.at + i * REGION_BYTES;
        return new EndpointReader(fds[0], parseEndpoint(url), { at, end: at + REGION_BYTES }, firstId + i);
      });
      if (socket !== undefined) mapRing(socket.fd, ringRegion.at, socket.ringBytes);
      this.#ring = socket === undefined ? null : new RingReader(ringRegion.at, socket.ringBytes, new Int32Array(1));
    } catch (error) {
      listening.close();
      throw error;
    }
    this.#settings = capture;
    this.#onPacket = onPacket;
    this.#listening = listening;
  }

  /** The seconds run from here. The pipeline has been reset before. */
  begin(seconds: number, beside: Beside | null = null): void {
    const listening = this.#listening;
    this.#beside = beside;
    this.#fds = pollList([...listening.packetSockets, ...this.#endpoints, ...(beside === null ? [] : [beside])].map(({ fd }) => fd));
    if (this.#endpoints.length > 0) setFilter(this.#settings.only, this.#settings.not);
    this.#droppedBefore = endpointDrops(listening);
    this.#startMs = performance.now();
    this.#endMs = this.#startMs + seconds * 1000;
  }

  /** Takes what is there, or waits a moment for it; the calls that it finished are handed on. False when the time is over. */
  turn(): boolean {
    const nowMs = performance.now();
    if (nowMs >= this.#endMs) return false;
    if (nowMs >= this.#followDueMs) {
      this.#followDueMs = nowMs + FOLLOW_MS;
      this.#listening.follow();
      this.#listening.count();
    }
    this.#beside?.read();
    if (this.#readBurst() > 0) {
      handOn();
      return true;
    }
    passTime((Date.now() - this.#blockMs()) * 1000);
    systemCalls()?.poll(this.#fds, this.#fds.length / POLLFD_BYTES, Math.max(1, Math.min(SLEEP_MS, this.#endMs - nowMs)));
    return true;
  }

  /** Nothing more comes in; takes what did, and says how much it was. */
  end(): LiveAmount {
    const listening = this.#listening;
    const heardMs = performance.now() - this.#startMs;
    // What a socket refuses because it is deaf counts among its drops too.
    const dropped = endpointDrops(listening) - this.#droppedBefore;
    listening.deafen();
    // A block that is not full comes when its time is over.
    if (this.#ring !== null || this.#beside !== null) systemCalls()?.poll(this.#fds, 0, this.#blockMs());
    while (this.#readBurst() > 0);
    listening.count();
    return {
      seconds: heardMs / 1000,
      packets: this.#packets,
      dropped: dropped + (listening.kernel[0]?.dropped ?? 0),
      silent: listening.heard.filter(({ state }) => state !== 'up').map(({ name, state }) => `${name} (${state})`),
    };
  }

  /** Packets by source: interfaces, then end-points. */
  sources(): { name: string; packets: number }[] {
    const { heard, endpoints } = this.#listening;
    const names = new Map(heard.flatMap(({ name, indexes }) => indexes.map((index): [number, string] => [index, name])));
    return [
      ...(this.#ring?.interfaces ?? []).map(({ index, packets }) => ({ name: names.get(index) ?? `interface ${index}`, packets })),
      ...this.#endpoints.map(({ packets }, i) => ({ name: endpoints[i].url, packets })),
    ];
  }

  /** Packets must not be looked at any more: the ring is gone. */
  close(): void {
    const socket = this.#listening.packetSockets[0];
    if (socket !== undefined) unmapRing(ringRegion.at, socket.ringBytes);
    this.#listening.close();
  }

  #readBurst(): number {
    const ring = this.#ring;
    const packet = this.#packet;
    const onPacket = this.#onPacket;
    let n = 0;
    for (; ring !== null && n < BURST_PACKETS && ring.next(packet); n++) onPacket(packet);
    for (const endpoint of this.#endpoints) {
      for (let i = 0; i < BURST_PACKETS && endpoint.next(packet); i++, n++) onPacket(packet);
    }
    this.#packets += n;
    return n;
  }

  /** A packet in a ring has been handed over after so long. */
  #blockMs(): number {
    return 2 * this.#settings.ringBlockTimeoutMs + SLEEP_MS;
  }
}

/**
 * Packets of the settings' sources go through the pipeline for so many seconds, or until the signal is aborted. `onTurn` is
 * called after each turn. Throws SensorError as LivePackets does, and usage for too many end-points.
 */
export async function hearPackets(settings: Settings, seconds: number, signal: AbortSignal, onTurn: () => void): Promise<LiveAmount> {
  const { endpoints } = settings.capture;
  if (endpoints.length > ENDPOINTS_MAX) {
    throw new SensorError(
      'usage',
      `Cannot listen to ${endpoints.length} tunnel end-points at once`,
      `one thread has room for ${ENDPOINTS_MAX}`,
      'Name some of them with -e.',
    );
  }
  const live = new LivePackets(settings, processPacket);
  try {
    live.begin(seconds);
    while (!signal.aborted && live.turn()) {
      onTurn();
      await nextTurn();
    }
    return live.end();
  } finally {
    live.close();
  }
}

/** Datagrams that found a receive buffer full, as the kernel counts them. */
function endpointDrops(listening: Listening): number {
  return listening.endpoints.flatMap((endpoint) => listening.endpointDropsOf(endpoint)).reduce((sum, n) => sum + n, 0);
}

function pollList(fds: readonly number[]): Buffer {
  const list = Buffer.alloc(POLLFD_BYTES * fds.length);
  fds.forEach((fd, i) => {
    list.writeInt32LE(fd, i * POLLFD_BYTES);
    list.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4);
  });
  return list;
}
