/**
 * The project's own sender: puts frames on an interface of a namespace as they are, so that tests can send what the
 * kernel has no device for (802.1Q, GENEVE, GRE, ERSPAN ...), and send it late, twice, fast, or cut. It runs in a process
 * of its own, through the same system calls as the sensor.
 *
 *   test -> pcap file -> sender (AF_PACKET, or UDP) -> interface
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { errnoName, systemCalls } from '../../src/capture/syscalls.ts';
import type { Namespace } from './netns.ts';
import { PcapWriter } from './pcap-writer.ts';
import { Random } from './random.ts';
import { readPcap } from './read-pcap.ts';

export interface SendOptions {
  /** Interface to send on. */
  readonly device?: string;
  /** In place of an interface: the frames are datagrams for this address, as 127.0.0.1:4789. */
  readonly datagramsTo?: string;
  /** Packets a second; as fast as possible when not said. */
  readonly rate?: number;
  /** How often all is sent; 0 is until it is stopped. */
  readonly times?: number;
  /** Share of the frames that are overtaken by later ones. */
  readonly late?: number;
  /** How many later ones overtake it at most; 3 when not said. */
  readonly lateBy?: number;
  /** Share of the frames that come twice. */
  readonly twice?: number;
  readonly seed?: number;
}

export interface Sent {
  readonly packets: number;
  readonly ms: number;
}

export interface Sending {
  /** Ends it after the next frames. */
  readonly stop: () => void;
  readonly done: Promise<Sent>;
}

let files = 0;

/** The frames as a capture file in `folder`; packet times are a microsecond apart. */
export function writeFrames(folder: string, frames: readonly Buffer[]): string {
  const path = join(folder, `frames-${++files}.pcap`);
  const writer = new PcapWriter(path);
  frames.forEach((frame, i) => {
    frame.copy(writer.bytes, writer.reserve(frame.length));
    writer.commit(frame.length, 1_750_000_000_000_000 + i);
  });
  writer.close();
  return path;
}

/** Starts to send the frames of a capture file in the namespace. */
export function startSending(from: Namespace, capture: string, options: SendOptions): Sending {
  const child = from.spawn(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    import.meta.filename,
    capture,
    JSON.stringify(options),
  ]);
  let output = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const done = once(child, 'close').then(([code]): Sent => {
    if (code !== 0) throw new Error(`the sender ended with ${code ?? child.signalCode}: ${errors}`);
    return JSON.parse(output) as Sent;
  });
  return { stop: () => child.kill('SIGTERM'), done };
}

/** Sends frames from the namespace; done when the last one is with the kernel. */
export async function send(from: Namespace, folder: string, frames: readonly Buffer[], options: SendOptions): Promise<Sent> {
  return await startSending(from, writeFrames(folder, frames), options).done;
}

/** The order in which frames go out: numbers of frames, some later than their place, some twice. */
export function disorder(count: number, { late = 0, lateBy = 3, twice = 0, seed = 1 }: SendOptions): number[] {
  const random = new Random(seed);
  const order: number[] = [];
  const waiting: { readonly frame: number; overtakers: number }[] = [];
  for (let frame = 0; frame < count; frame++) {
    if (random.chance(late)) {
      waiting.push({ frame, overtakers: random.integer(1, lateBy) });
      continue;
    }
    order.push(frame);
    if (random.chance(twice)) order.push(frame);
    for (let i = 0; i < waiting.length; i++) {
      if (--waiting[i].overtakers > 0) continue;
      order.push(waiting[i].frame);
      waiting.splice(i--, 1);
    }
  }
  return [...order, ...waiting.map(({ frame }) => frame)];
}

// ---------------------------------------------------------------- in the process of its own

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
/** Frames between two looks at the clock and at signals. */
const BURST = 64;

function openSocket({ device, datagramsTo }: SendOptions): {
  readonly fd: number;
  readonly calls: NonNullable<ReturnType<typeof systemCalls>>;
} {
  const calls = systemCalls();
  if (calls === null) throw new Error('no system calls on this machine');
  const checked = (what: string, result: number): number => {
    if (result < 0) throw new Error(`${what}: ${errnoName(result)}`);
    return result;
  };
  if (device !== undefined) {
    // Protocol 0: it receives nothing.
    const fd = checked('socket', calls.socket(AF_PACKET, SOCK_RAW, 0));
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeInt32LE(checked(device, calls.interfaceIndex(device) || -19), 4);
    checked('bind', calls.bind(fd, address));
    return { fd, calls };
  }
  const [host, port] = (datagramsTo ?? '').split(':');
  const fd = checked('socket', calls.socket(AF_INET, SOCK_DGRAM, 0));
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(Number(port), 2);
  Buffer.from(host.split('.').map(Number)).copy(address, 4);
  checked('connect', calls.connect(fd, address));
  return { fd, calls };
}

async function main(capture: string, options: SendOptions): Promise<void> {
  const frames = readPcap(readFileSync(capture)).map(({ data }) => data);
  const order = disorder(frames.length, options);
  const { fd, calls } = openSocket(options);
  const { rate = 0, times = 1 } = options;
  let running = true;
  process.once('SIGTERM', () => {
    running = false;
  });
  const startedMs = performance.now();
  let packets = 0;
  for (let time = 0; running && (times === 0 || time < times); time++) {
    for (let i = 0; running && i < order.length; i++) {
      const frame = frames[order[i]];
      for (let result = calls.send(fd, frame, 0); result < 0; result = calls.send(fd, frame, 0)) {
        const name = errnoName(result);
        // Nobody listens on that UDP port (yet), which the kernel says on the next call.
        if (name === 'ECONNREFUSED') continue;
        if (name !== 'ENOBUFS' && name !== 'EAGAIN') throw new Error(`frame ${order[i]} of ${frame.length} bytes: ${name}`);
        await sleep(1);
      }
      packets++;
      if (packets % BURST === 0) {
        await setImmediate();
        const aheadMs = rate === 0 ? 0 : (packets / rate) * 1000 - (performance.now() - startedMs);
        if (aheadMs >= 1) await sleep(aheadMs);
      }
    }
  }
  calls.close(fd);
  writeFileSync(1, JSON.stringify({ packets, ms: performance.now() - startedMs } satisfies Sent));
}

if (import.meta.main) await main(process.argv[2], JSON.parse(process.argv[3]) as SendOptions);
