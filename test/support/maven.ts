/** Programs of others that tests run against, out of Maven's repository: fetched once, then used from there. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const TEXT_CHARACTERS = 4000;

/**
 * Sees to it that the folder is there. `make` gets a folder to work in, with the project in its pom.xml, and says which
 * folder in it is to be kept. Two that ask at the same moment both make it; the one that is done first wins.
 */
export async function fetchOnce(folder: string, project: string, make: (work: string, pom: string) => Promise<string>): Promise<void> {
  if (existsSync(folder)) return;
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  try {
    const pom = join(work, 'pom.xml');
    writeFileSync(pom, project);
    const made = await make(work, pom);
    try {
      renameSync(made, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error;
    }
  } catch (error) {
    throw new Error(`${folder} cannot be made: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** One goal of the plugin `dependency`, for what is needed at run time, into a folder. */
export async function dependencies(goal: string, pom: string, into: string, limitMs: number): Promise<void> {
  await run('mvn', ['-q', '-B', '-f', pom, `dependency:${goal}`, `-DoutputDirectory=${into}`, '-DincludeScope=runtime'], limitMs);
}

/** Runs a program to its end; throws with the last of what it said when that is not a good one. */
export function run(program: string, args: readonly string[], limitMs: number): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs, killSignal: 'SIGKILL' });
  let said = '';
  const keep = (text: Buffer): void => {
    said = (said + text.toString('utf8')).slice(-TEXT_CHARACTERS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${program} ended with ${code ?? signal}:\n${said}`)),
    );
  });
}
