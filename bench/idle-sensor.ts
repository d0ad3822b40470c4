/**
 * The idle sensor: `earshot run` on a cable on which nothing moves. Processor time, and memory without the ring and the
 * arena, which are as large as they are configured to be and hold what the traffic brings.
 *
 * Of /proc/PID/smaps: the ring is the mapping of a socket; the arena is what stands directly before and behind it, since
 * the ring is laid over its end. Everything else that is resident counts: heaps, stacks, compiled code, and the pages of
 * the program itself, although it shares those with every other process of that program.
 */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveSensor } from '../test/support/live-sensor.ts';
import { cannotUseNamespaces, Network } from '../test/support/netns.ts';
import { cpuSeconds } from './other-load.ts';

const CPU_MAX = 0.01;
const MEMORY_MIB_MAX = 120;
const SETTLE_MS = 5000;
const DEVICE = 'eni0';

/** Why it cannot run here; false when it can. */
export function cannotIdle(): string | false {
  return cannotUseNamespaces();
}

export interface IdleSensorResult {
  readonly seconds: number;
  /** Share of one processor. */
  readonly cpu: number;
  readonly memory: Memory;
}

/** Resident, MiB. */
interface Memory {
  readonly all: number;
  readonly rings: number;
  readonly arenas: number;
  /** Without rings and arenas. */
  readonly rest: number;
}

/** Starts a sensor with one worker, leaves it alone, and prints what it took. */
export async function runIdleSensor(quick: boolean): Promise<IdleSensorResult> {
  const seconds = quick ? 20 : 60;
  const network = new Network();
  try {
    const { sensor: namespace } = network.listener(DEVICE);
    const settings = { capture: { interfaces: [DEVICE] }, run: { workers: 1 } };
    // The first start fills the cache of compiled code, as the first start of a service does.
    const first = await LiveSensor.start(namespace, network.folder, { settings });
    await first.stop();
    const sensor = await LiveSensor.start(namespace, network.folder, { settings });
    const pid = sensor.child.pid ?? 0;
    await sleep(SETTLE_MS);
    const before = cpuSeconds(pid);
    await sleep(seconds * 1000);
    const cpu = (cpuSeconds(pid) - before) / seconds;
    const memory = memoryOf(pid);
    const { code } = await sensor.stop();
    if (code !== 0) throw new Error(`the sensor ended with ${code}`);
    process.stdout.write(
      `\nidle-sensor (${seconds} s)\n` +
        `  processor, %: ${bar(cpu * 100, CPU_MAX * 100, 2)}\n` +
        `  memory without ring and arena, MiB: ${bar(memory.rest, MEMORY_MIB_MAX, 0)} (ring ${memory.rings.toFixed(0)}, arena ${memory.arenas.toFixed(1)})\n`,
    );
    return { seconds, cpu, memory };
  } finally {
    await network.remove();
  }
}

function bar(value: number, most: number, digits: number): string {
  return `${value.toFixed(digits)} of at most ${most}: ${value <= most ? 'held' : 'MISSED'}`;
}

interface Mapping {
  readonly from: string;
  readonly to: string;
  readonly name: string;
  readonly residentKiB: number;
}

/** What is resident of a process. */
function memoryOf(pid: number): Memory {
  const mappings: Mapping[] = [];
  for (const text of fs.readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [, from, to, name] = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)/.exec(text) ?? [];
    const residentKiB = Number(/^Rss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
    mappings.push({ from, to, name, residentKiB });
  }
  const sum = (some: readonly Mapping[]): number => some.reduce((n, { residentKiB }) => n + residentKiB, 0) / 1024;
  const rings = mappings.filter(({ name }) => name.startsWith('socket:'));
  const edges = new Set(rings.flatMap(({ from, to }) => [from, to]));
  const arenas = mappings.filter(({ from, to, name }) => name === '' && (edges.has(from) || edges.has(to)));
  const all = sum(mappings);
  return { all, rings: sum(rings), arenas: sum(arenas), rest: all - sum(rings) - sum(arenas) };
}
