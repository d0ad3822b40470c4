/**
 * Captures: generated once, then kept in `.cache/bench/` under a name that says how they were made.
 *
 *   node bench/captures.ts KIND [MEGABYTES [SEED]]      makes one and prints the paths of capture and truth
 */
import fs from 'node:fs';
import path from 'node:path';
import { writeIdleFlows } from '../test/support/idle-flows.ts';
import { GENERATOR_VERSION, writeTraffic } from '../test/support/traffic.ts';
import { type TrafficKind, trafficKinds, trafficOptions } from '../test/support/traffic-options.ts';

const DIRECTORY = path.join(import.meta.dirname, '..', '.cache', 'bench');
const SUFFIX = `-v${GENERATOR_VERSION}`;

export interface Capture {
  readonly capture: string;
  readonly truth: string;
}

/** The capture of that kind, made when it is not there yet. */
export function trafficCapture(kind: TrafficKind, megabytes: number, seed = 1): Capture {
  const name = `${kind}-${megabytes}mb-seed${seed}${SUFFIX}`;
  const made = { capture: path.join(DIRECTORY, `${name}.pcap`), truth: path.join(DIRECTORY, `${name}.truth.jsonl`) };
  make(made.capture, (to) => {
    writeTraffic(trafficOptions({ kind, megabytes, seed }), to, made.truth);
  });
  return made;
}

/** A capture of that many open and idle connections, made when it is not there yet. */
export function idleCapture(count: number): string {
  const capture = path.join(DIRECTORY, `idle-${count}${SUFFIX}.pcap`);
  make(capture, (to) => {
    writeIdleFlows(count, to);
  });
  return capture;
}

/** A file is written under another name first, so that one that was left half done is never taken for whole. */
function make(file: string, write: (to: string) => void): void {
  if (fs.existsSync(file)) return;
  fs.mkdirSync(DIRECTORY, { recursive: true });
  for (const old of fs.readdirSync(DIRECTORY)) if (!old.includes(`${SUFFIX}.`)) fs.rmSync(path.join(DIRECTORY, old));
  const unfinished = `${file}${SUFFIX}.part`;
  write(unfinished);
  fs.renameSync(unfinished, file);
}

if (import.meta.main) {
  const [kind, megabytes, seed] = process.argv.slice(2);
  if (!trafficKinds.includes(kind as TrafficKind)) {
    process.stderr.write(`usage: node bench/captures.ts ${trafficKinds.join('|')} [MEGABYTES [SEED]]\n`);
    process.exit(2);
  }
  const made = trafficCapture(kind as TrafficKind, Number(megabytes ?? 40), Number(seed ?? 1));
  process.stdout.write(`${made.capture}\n${made.truth}\n`);
}
