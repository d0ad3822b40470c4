/** Runs a program of the gate to its end, within a time, and hands back what it printed. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Ended {
  /** Exit code; null when a signal or the time limit ended it. */
  readonly code: number | null;
  /** What it printed on both streams, in the order in which it came. */
  readonly output: string;
  readonly timedOut: boolean;
}

export interface ChildOptions {
  /** Milliseconds until the program and all that it started are killed. */
  readonly limitMs: number;
  /** Hands its output through while it comes, instead of collecting it. */
  readonly live?: boolean;
}

const running = new Set<ChildProcess>();

/** A program gets a process group of its own, so that its children can be ended with it. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended by itself in between.
  }
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    for (const child of running) killGroup(child);
    process.exit(code);
  });
}

export function runChild(command: string, args: readonly string[], { limitMs, live = false }: ChildOptions): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { detached: true, stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'] });
    running.add(child);
    let output = '';
    let timedOut = false;
    const collect = (text: string): void => {
      output += text;
    };
    child.stdout?.setEncoding('utf8').on('data', collect);
    child.stderr?.setEncoding('utf8').on('data', collect);
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, limitMs);
    const end = (code: number | null): void => {
      clearTimeout(timer);
      running.delete(child);
      if (timedOut) output += `\nended after ${limitMs / 1000} s, its time limit\n`;
      resolve({ code: timedOut ? null : code, output, timedOut });
    };
    child.once('error', (error) => {
      output += `${command} does not start: ${error.message}\n`;
      end(null);
    });
    child.once('close', (code) => end(code));
  });
}
