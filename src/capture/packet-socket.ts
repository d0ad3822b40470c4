/**
 * Packet sockets: opening what capture/ring.ts reads. No memory of the arena is touched here: the thread that opens
 * and watches the sockets is not the one that reads them.
 *
 * A socket is opened deaf (its filter refuses everything), so that the members of a fanout group can be put together
 * before the first packet; `attachFilter` (capture/bpf.ts) opens its ears.
 */
import { errnoReason, SensorError } from '../base/errors.ts';
import { attachFilter, setFanoutProgram } from './bpf.ts';
import { errnoName, int32, type SystemCalls, systemCalls } from './syscalls.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const ETH_P_ALL_NETWORK_ORDER = 0x0300;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const PACKET_RESERVE = 12;
const PACKET_FANOUT = 18;
const TPACKET_V3 = 2;
const FANOUT_CBPF = 6;
const FANOUT_FLAG_UNIQUE_ID = 0x2000;
const FANOUT_FLAG_DEFRAG = 0x8000;
const MR_PROMISC = 1;

/** Small enough that a ring has many, large enough for packets that the network card put together. */
export const BLOCK_BYTES: number = 256 << 10;
const FRAME_BYTES = 2048;
/** Room before each packet for the VLAN tag that the kernel took off. */
const RESERVE_BYTES = 16;
const BLOCKS_MIN = 4;

/** BPF: refuse everything. */
export const DEAF: Buffer = Buffer.from([0x06, 0, 0, 0, 0, 0, 0, 0]);

export interface PacketSocket {
  readonly fd: number;
  /** As granted; smaller than wanted when memory was short. */
  readonly ringBytes: number;
}

/** The system calls; throws SensorError (system-unsupported) where there are none. */
export function needSystemCalls(): SystemCalls {
  const calls = systemCalls();
  if (calls === null) {
    throw new SensorError(
      'system-unsupported',
      'Cannot listen on an interface',
      'this system has no packet sockets that Earshot can use',
      'Run it on 64-bit Linux, or read a capture: earshot read FILE.',
    );
  }
  return calls;
}

/**
 * Opens a packet socket with a ring, deaf. Where memory is short the ring is halved until it fits. Throws
 * SensorError: no-rights, ring-failed, system-unsupported.
 */
export function openPacketSocket(ringBytes: number, blockTimeoutMs: number): PacketSocket {
  const calls = needSystemCalls();
  const fd = calls.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) throw cannotOpen(fd);
  const failed = (what: string, result: number): SensorError => {
    calls.close(fd);
    return new SensorError(
      'ring-failed',
      'Cannot set up the packet ring',
      `${what}: ${errnoReason(errnoName(result))}`,
      'Choose a smaller capture.ringBytes or fewer run.workers, or give the machine more memory.',
    );
  };
  let result = calls.setsockopt(fd, SOL_PACKET, PACKET_VERSION, int32(TPACKET_V3));
  if (result < 0) throw failed('TPACKET_V3', result);
  calls.setsockopt(fd, SOL_PACKET, PACKET_RESERVE, int32(RESERVE_BYTES));
  let blocks = Math.max(BLOCKS_MIN, Math.floor(ringBytes / BLOCK_BYTES));
  do {
    const frames = (BLOCK_BYTES / FRAME_BYTES) * blocks;
    result = calls.setsockopt(fd, SOL_PACKET, PACKET_RX_RING, int32(BLOCK_BYTES, blocks, FRAME_BYTES, frames, blockTimeoutMs, 0, 0));
    if (result < 0) blocks >>= 1;
  } while (result < 0 && errnoName(result) === 'ENOMEM' && blocks >= BLOCKS_MIN);
  if (result < 0) throw failed(`${(Math.max(blocks, BLOCKS_MIN) * BLOCK_BYTES) >> 20} MiB`, result);
  result = attachFilter(fd, DEAF);
  if (result < 0) throw failed('the filter', result);
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16LE(ETH_P_ALL_NETWORK_ORDER, 2);
  result = calls.bind(fd, address);
  if (result < 0) throw failed('bind', result);
  return { fd, ringBytes: blocks * BLOCK_BYTES };
}

function cannotOpen(result: number): SensorError {
  const name = errnoName(result);
  if (name === 'EPERM' || name === 'EACCES') {
    return new SensorError(
      'no-rights',
      'Cannot listen on an interface',
      'the process lacks CAP_NET_RAW',
      'Run it as root, as a service with AmbientCapabilities=CAP_NET_RAW, or in a container with --cap-add=NET_RAW; a UDP end-point (capture.endpoints) needs no rights.',
    );
  }
  return new SensorError(
    'system-unsupported',
    'Cannot open a packet socket',
    errnoReason(name),
    'Run it on a Linux kernel with packet sockets, or use a UDP end-point (capture.endpoints).',
  );
}

/**
 * Puts the sockets into one group: `program` (capture/balance-program.ts) says which of them gets a packet.
 * Fragments of outer IPv4 packets are put together first. Throws SensorError (ring-failed).
 */
export function joinFanout(fds: readonly number[], program: Buffer): void {
  const calls = needSystemCalls();
  let id = 0;
  fds.forEach((fd, i) => {
    const flags = FANOUT_FLAG_DEFRAG | (i === 0 ? FANOUT_FLAG_UNIQUE_ID : 0);
    let result = calls.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, int32(id | ((FANOUT_CBPF | flags) << 16)));
    if (i === 0 && result >= 0) {
      const value = Buffer.alloc(4);
      result = calls.getsockopt(fd, SOL_PACKET, PACKET_FANOUT, value);
      id = value.readUInt16LE(0);
      if (result >= 0) result = setFanoutProgram(fd, program);
    }
    if (result < 0) {
      throw new SensorError(
        'ring-failed',
        'Cannot spread packets over workers',
        errnoReason(errnoName(result)),
        'Set run.workers to 1; Linux 4.18 and later can do more.',
      );
    }
  });
}

/** Makes the interface hand over frames for other stations too, as long as `fd` is open. Returns a negated errno or 0. */
export function listenPromiscuously(fd: number, interfaceIndex: number): number {
  const request = Buffer.alloc(16);
  request.writeInt32LE(interfaceIndex, 0);
  request.writeUInt16LE(MR_PROMISC, 4);
  return needSystemCalls().setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request);
}

/** What the kernel counted on the socket since it was last asked. */
export interface KernelCounts {
  /** Packets that passed the filter, dropped ones included. */
  readonly packets: number;
  readonly dropped: number;
  /** Times that the ring was full. */
  readonly freezes: number;
}

export function takeKernelCounts(fd: number): KernelCounts {
  const value = Buffer.alloc(12);
  if (needSystemCalls().getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, value) < 12) return { packets: 0, dropped: 0, freezes: 0 };
  return { packets: value.readUInt32LE(0), dropped: value.readUInt32LE(4), freezes: value.readUInt32LE(8) };
}
