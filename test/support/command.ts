/** The program as an operator starts it: a child process in a folder of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const program = [process.execPath, '--disable-warning=ExperimentalWarning', join(root, 'src/main.ts')] as const;
const LIMIT_MS = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs to its end; beside it the test goes on, so that a server of the test can answer it. */
export async function earshot(args: readonly string[], stdio: 'pipe' | number = 'pipe'): Promise<Ended> {
  const child = spawn(program[0], [...program.slice(1), ...args], {
    stdio: ['ignore', stdio, 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const said = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

/** It failed with that code, said one line that fits, and printed nothing else. */
export function refuses({ code, out, err }: Ended, expected: number, line: RegExp): void {
  assert.match(err, line);
  assert.match(err, /^earshot: [^\n]+\n$/);
  assert.equal(out, '');
  assert.equal(code, expected);
}
