/**
 * Processor time from the kernel's books: of one process, and what share of the machine went to others while something
 * was measured. Children count as ours once they have ended, so measure around them.
 */
import fs from 'node:fs';
import { availableParallelism } from 'node:os';

/** Of /proc: the same on all of Linux. */
const TICKS_PER_SECOND = 100;

interface Books {
  readonly wallMs: number;
  /** Processor seconds of the whole machine, time that its host took away among them. */
  readonly machineSeconds: number;
  /** Of this process and of its children that have ended. */
  readonly ownSeconds: number;
}

function look(): Books {
  const [user, nice, system, , , interrupts, soft, stolen] = fs
    .readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  // The name of the process, in brackets, may hold blanks.
  const own = fs
    .readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 15)
    .map(Number);
  return {
    wallMs: performance.now(),
    machineSeconds: (user + nice + system + interrupts + soft + stolen) / TICKS_PER_SECOND,
    ownSeconds: own.reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND,
  };
}

/** From now on; the function returned gives the share of others until then, 0 to 1. */
export function watchOthers(): () => number {
  const before = look();
  return () => {
    const after = look();
    const others = after.machineSeconds - before.machineSeconds - (after.ownSeconds - before.ownSeconds);
    const capacity = ((after.wallMs - before.wallMs) / 1000) * availableParallelism();
    return Math.min(1, Math.max(0, others / capacity));
  };
}

/** Of all threads of a process, also those that have ended. */
export function cpuSeconds(pid: number): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the process, in brackets, may hold blanks.
  const [user, system] = stat
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) / TICKS_PER_SECOND;
}
