/**
 * Reads a real ring in a process of its own, inside a network namespace, as a worker does:
 *
 *   node ring-reader.ts '{"interfaces": ["eni0"], "ringBytes": 4194304}'
 *
 * One word a line on standard input, one line of JSON for each on standard output:
 *
 *   look        what waits in the ring, and what the kernel has counted
 *   read N      reads up to N packets, fewer when no more come
 *   again       another reader in the place of the first one, as after the death of a worker
 */
import { createInterface } from 'node:readline';
import { bytes, ringRegion } from '../../src/base/arena.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { attachFilter } from '../../src/capture/bpf.ts';
import { listInterfaces } from '../../src/capture/interfaces.ts';
import { Packet } from '../../src/capture/packet.ts';
import { openPacketSocket, takeKernelCounts } from '../../src/capture/packet-socket.ts';
import { type InterfaceCounts, mapRing, RingReader, unmapRing } from '../../src/capture/ring.ts';
import { socketFilter } from '../../src/capture/socket-filter.ts';
import { systemCalls } from '../../src/capture/syscalls.ts';

export interface ReaderOptions {
  readonly interfaces: readonly string[];
  readonly ringBytes: number;
}

export interface Looked {
  readonly fill: number;
  readonly waiting: number;
  /** Since the start. */
  readonly kernel: { readonly packets: number; readonly dropped: number };
}

export interface ReadPacket {
  readonly base64: string;
  readonly wireBytes: number;
  readonly linkType: number;
  readonly timeUs: number;
  /** Name of its interface. */
  readonly device: string;
}

export interface ReadAnswer {
  readonly packets: readonly ReadPacket[];
  readonly interfaces: readonly InterfaceCounts[];
}

const BLOCK_TIMEOUT_MS = 20;
/** For how long nothing more must have come; longer for the first packet, whose sender has to start. */
const QUIET_MS = 250;
const FIRST_MS = 10_000;

async function main({ interfaces, ringBytes }: ReaderOptions): Promise<void> {
  const list = listInterfaces().filter(({ name }) => interfaces.includes(name));
  const nothing = { ports: [], networks: [] };
  const program = socketFilter({
    start: 'frame',
    interfaces: list.map(({ index }) => index),
    loopback: list.find(({ loopback }) => loopback)?.index ?? null,
    only: nothing,
    not: nothing,
    expression: null,
    vxlanPorts: [4789],
    genevePorts: [6081],
  });
  const socket = openPacketSocket(ringBytes, BLOCK_TIMEOUT_MS);
  mapRing(socket.fd, ringRegion.at, socket.ringBytes);
  const state = new Int32Array(new SharedArrayBuffer(64));
  let reader = new RingReader(ringRegion.at, socket.ringBytes, state);
  const kernel = { packets: 0, dropped: 0 };
  const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  const look = (): Looked => {
    const { packets, dropped } = takeKernelCounts(socket.fd);
    kernel.packets += packets;
    kernel.dropped += dropped;
    return { fill: reader.fill(), waiting: reader.waiting(), kernel };
  };
  const packet = new Packet();
  const read = (most: number): ReadAnswer => {
    const packets: ReadPacket[] = [];
    const fds = Buffer.alloc(8);
    fds.writeInt32LE(socket.fd, 0);
    fds.writeInt16LE(1, 4);
    let untilMs = performance.now() + FIRST_MS;
    while (packets.length < most && performance.now() < untilMs) {
      if (!reader.next(packet)) {
        systemCalls()?.poll(fds, 1, BLOCK_TIMEOUT_MS);
        continue;
      }
      untilMs = performance.now() + QUIET_MS;
      const { index } = reader.interfaces[packet.interfaceId];
      packets.push({
        base64: bytes.toString('base64', packet.at, packet.end),
        wireBytes: packet.wireBytes,
        linkType: packet.linkType,
        timeUs: packetTimeUs[0],
        device: list.find((one) => one.index === index)?.name ?? `${index}`,
      });
    }
    return { packets, interfaces: reader.interfaces };
  };
  if (attachFilter(socket.fd, program) < 0) throw new Error('the filter');
  say(look());
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, count] = line.split(' ');
    if (word === 'again') reader = new RingReader(ringRegion.at, socket.ringBytes, state);
    say(word === 'read' ? read(Number(count)) : look());
  }
  unmapRing(ringRegion.at, socket.ringBytes);
  systemCalls()?.close(socket.fd);
}

if (import.meta.main) await main(JSON.parse(process.argv[2]) as ReaderOptions);
