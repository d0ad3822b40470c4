/**
 * The standstill between two runs: what passed the interfaces while no sensor listened. Beside its control socket a
 * sensor writes down what the kernel has counted on each of its interfaces: when it stops, and every ten seconds in case
 * it is killed. The next one to start there says how much came since. The file lies where sockets lie: it ends with the
 * machine's run, as the counters do.
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
  readonly notedAtMs: number;
  /** Written when it stopped; else the sensor went on afterwards, nobody knows for how long. */
  readonly isStop: boolean;
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
export function noteCounters(controlPath: string, indexes: readonly number[], isStop: boolean): void {
  const interfaces = listInterfaces()
    .filter(({ index }) => indexes.includes(index))
    .map(({ index, name, rxPackets, rxBytes }): Counted => ({ index, name, packets: rxPackets, bytes: rxBytes }));
  if (interfaces.length === 0) return;
  try {
    writeFileSync(fileOf(controlPath), JSON.stringify({ notedAtMs: Date.now(), isStop, interfaces } satisfies Stop), { mode: 0o600 });
  } catch {
    // Then the next one cannot say.
  }
}

export interface Standstill {
  readonly sinceMs: number;
  /** False: the sensor before was killed, and may have seen a part of it. */
  readonly isExact: boolean;
  readonly unseen: readonly Unseen[];
}

/** What passed since the last note, by interface; null when nobody knows. */
export function sinceNoted(controlPath: string, list: readonly InterfaceState[]): Standstill | null {
  let stop: Stop;
  try {
    stop = JSON.parse(readFileSync(fileOf(controlPath), 'utf8')) as Stop;
    rmSync(fileOf(controlPath));
    if (!Array.isArray(stop.interfaces) || typeof stop.notedAtMs !== 'number') return null;
  } catch {
    return null;
  }
  const unseen: Unseen[] = [];
  for (const before of stop.interfaces) {
    const now = list.find(({ index, name }) => index === before?.index && name === before.name);
    if (now === undefined || !(now.rxPackets >= before.packets && now.rxBytes >= before.bytes)) continue;
    unseen.push({ name: now.name, packets: now.rxPackets - before.packets, bytes: now.rxBytes - before.bytes });
  }
  // The clock may have been set back.
  return { sinceMs: Math.max(0, Date.now() - stop.notedAtMs), isExact: stop.isStop === true, unseen };
}
