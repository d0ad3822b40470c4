/**
 * The standstill between two runs: what passed the interfaces while no sensor listened. When a sensor stops it writes
 * down, beside its control socket, what the kernel had counted on each of its interfaces; the next one to start there
 * says how much came since. The file lies where sockets lie: it ends with the machine's run, as the counters do.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type InterfaceState, listInterfaces } from '../capture/interfaces.ts';

interface Counted {
  readonly index: number;
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
}

interface Stop {
  readonly stoppedAtMs: number;
  readonly interfaces: readonly Counted[];
}

/** What one interface received while nobody listened. */
export interface Unseen {
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
}

function fileOf(controlPath: string): string {
  return `${controlPath}.stopped`;
}

/** Writes down the counters of the interfaces with these numbers. What fails is no reason not to stop. */
export function noteStop(controlPath: string, indexes: readonly number[]): void {
  const interfaces = listInterfaces()
    .filter(({ index }) => indexes.includes(index))
    .map(({ index, name, rxPackets, rxBytes }): Counted => ({ index, name, packets: rxPackets, bytes: rxBytes }));
  if (interfaces.length === 0) return;
  try {
    writeFileSync(fileOf(controlPath), JSON.stringify({ stoppedAtMs: Date.now(), interfaces } satisfies Stop), { mode: 0o600 });
  } catch {
    // Then the next one cannot say.
  }
}

/** What passed since the last stop, by interface, and for how long; null when nobody knows. */
export function sinceStop(controlPath: string, list: readonly InterfaceState[]): { standstillMs: number; unseen: Unseen[] } | null {
  let stop: Stop;
  try {
    stop = JSON.parse(readFileSync(fileOf(controlPath), 'utf8')) as Stop;
    rmSync(fileOf(controlPath));
    if (!Array.isArray(stop.interfaces) || typeof stop.stoppedAtMs !== 'number') return null;
  } catch {
    return null;
  }
  const unseen: Unseen[] = [];
  for (const before of stop.interfaces) {
    const now = list.find(({ index, name }) => index === before.index && name === before.name);
    if (now === undefined || !(now.rxPackets >= before.packets)) continue;
    unseen.push({ name: now.name, packets: now.rxPackets - before.packets, bytes: now.rxBytes - before.bytes });
  }
  return { standstillMs: Date.now() - stop.stoppedAtMs, unseen };
}
