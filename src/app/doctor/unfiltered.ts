/**
 * A second look at the wire: a packet socket without the capture filter, from which some packets are taken aside. Beside a
 * tunnel end-point it hears all interfaces, to see what comes to other ports or is kept from the socket.
 */
import { bytes } from '../../base/arena.ts';
import type { Settings } from '../../base/settings.ts';
import { attachFilter } from '../../capture/bpf.ts';
import { listInterfaces, matchInterfaces } from '../../capture/interfaces.ts';
import { Packet } from '../../capture/packet.ts';
import { openPacketSocket, type PacketSocket, takeKernelCounts } from '../../capture/packet-socket.ts';
import { mapRing, RingReader, unmapRing } from '../../capture/ring.ts';
import { socketFilter } from '../../capture/socket-filter.ts';
import { systemCalls } from '../../capture/syscalls.ts';
import type { Unfiltered } from './evidence.ts';
import { lookUnfiltered, type Sample } from './observe.ts';

/** Bytes of the ring region that this takes. */
export const UNFILTERED_RING_BYTES: number = 4 << 20;
const SAMPLES_MAX = 4_000;
const SAMPLE_BYTES = 512;

export class UnfilteredLook {
  readonly #settings: Settings;
  readonly #at: number;
  readonly #socket: PacketSocket;
  readonly #reader: RingReader;
  readonly #samples: Sample[] = [];
  readonly #packet = new Packet();

  /** `at`: UNFILTERED_RING_BYTES of the ring region. Throws SensorError. */
  constructor(settings: Settings, at: number) {
    this.#settings = settings;
    this.#at = at;
    this.#socket = openPacketSocket(UNFILTERED_RING_BYTES, settings.capture.ringBlockTimeoutMs);
    const { fd, ringBytes } = this.#socket;
    mapRing(fd, at, ringBytes);
    this.#reader = new RingReader(at, ringBytes, new Int32Array(1));
    const list = listInterfaces();
    const matched = this.#byEndpoints ? list : matchInterfaces(settings.capture.interfaces, list).matched.map((m) => m.interface);
    const none = { ports: [], networks: [] };
    const program = socketFilter({
      start: 'frame',
      interfaces: matched.map(({ index }) => index),
      loopback: matched.find((one) => one.loopback)?.index ?? null,
      only: none,
      not: none,
      expression: null,
      vxlanPorts: [],
      genevePorts: [],
    });
    attachFilter(fd, program);
  }

  get #byEndpoints(): boolean {
    return this.#settings.capture.interfaces.length === 0;
  }

  get fd(): number {
    return this.#socket.fd;
  }

  /** Takes packets aside, until there are enough; more are only counted. */
  read(): void {
    const packet = this.#packet;
    while (this.#samples.length < SAMPLES_MAX && this.#reader.next(packet)) {
      const { at, end, wireBytes, linkType } = packet;
      this.#samples.push({ data: Buffer.from(bytes.subarray(at, Math.min(end, at + SAMPLE_BYTES))), wireBytes, linkType });
    }
  }

  /** Closes it and says what was there. Call it when the hot path is done: it uses the same memory. */
  finish(): Unfiltered {
    this.read();
    const { packets } = takeKernelCounts(this.#socket.fd);
    this.close();
    return lookUnfiltered(this.#settings, packets, this.#samples, !this.#byEndpoints);
  }

  close(): void {
    unmapRing(this.#at, this.#socket.ringBytes);
    systemCalls()?.close(this.#socket.fd);
  }
}
