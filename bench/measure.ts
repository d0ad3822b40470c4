/**
 * Measure: processor time and peak memory of one child process, from the kernel's own books (wait4). Node does
 * not give those of a child, so a few lines of Python 3 start it and wait for it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What a child used. */
export interface Usage {
  /** User and system time, seconds. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** Largest resident set, MiB. */
  readonly peakMiB: number;
}

/** Standard output and standard error of the child are one; its figures come by descriptor 3, which it does not inherit. */
const WAITER = `
import json, os, sys, time
os.set_inheritable(3, False)
start = time.monotonic()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
wall = time.monotonic() - start
os.write(3, json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024]).encode())
`;

const OUTPUT_CHARACTERS_MAX = 4000;

/** Runs a command to its end. Fails when it cannot be started or does not exit with 0. */
export async function measure(command: readonly string[]): Promise<Usage> {
  const child = spawn('python3', ['-c', WAITER, ...command], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  let output = '';
  let figures = '';
  const keep = (text: Buffer): void => {
    output = (output + text.toString('utf8')).slice(-OUTPUT_CHARACTERS_MAX);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.stdio[3]?.on('data', (text: Buffer) => {
    figures += text.toString('utf8');
  });
  await once(child, 'close').catch((cause: unknown) => {
    throw new Error('the bench needs python3 to measure its children', { cause });
  });
  const [exitCode, cpuSeconds, wallSeconds, peakMiB] = (figures === '' ? [-1] : JSON.parse(figures)) as number[];
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: exit code ${exitCode}\n${output}`);
  return { cpuSeconds, wallSeconds, peakMiB };
}

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
