/**
 * Replay: tcpreplay as the sender of the live bench and of the soak: a capture, over and over, at a steady rate.
 *
 * Each time round tcpreplay gives the connections other addresses (`--unique-ip`): otherwise the second time would be
 * retransmissions of the first, and whoever drops those quickly would look fast. Whole rounds are sent, so the number
 * of calls is known.
 */
import type { Namespace } from '../test/support/netns.ts';

/** tcpreplay loads the capture before it begins to send. */
const LOAD_MS = 30_000;

export interface ReplayOptions {
  /** Megabits of frames a second; as fast as it goes when not said. */
  readonly mbps?: number;
  readonly rounds: number;
  /** About how long it takes, to know when it hangs. */
  readonly seconds: number;
  /** Processor to run on. */
  readonly processor: number;
}

export interface Sent {
  readonly packets: number;
  readonly bytes: number;
  readonly seconds: number;
  /** What it came to; less than wanted when the sender could not. */
  readonly mbps: number;
}

/** Sends the rounds out of the device `wire` of the namespace. */
export async function replay(from: Namespace, capture: string, { mbps, rounds, seconds, processor }: ReplayOptions): Promise<Sent> {
  const rate = mbps === undefined ? ['--topspeed'] : ['--mbps', mbps.toFixed(1)];
  const rest = ['--loop', String(rounds), '--unique-ip', '--preload-pcap', '--no-flow-stats', '-i', 'wire', capture];
  const output = await from.start('taskset', ['-c', String(processor), 'tcpreplay', ...rate, ...rest], seconds * 2000 + LOAD_MS);
  const [, bytes, duration] = /Actual: \d+ packets \((\d+) bytes\) sent in ([\d.]+) seconds/.exec(output) ?? [];
  const packets = /Successful packets:\s+(\d+)/.exec(output)?.[1];
  if (duration === undefined || packets === undefined) throw new Error(`tcpreplay said something else than expected:\n${output}`);
  return {
    packets: Number(packets),
    bytes: Number(bytes),
    seconds: Number(duration),
    mbps: (Number(bytes) * 8) / Number(duration) / 1e6,
  };
}
