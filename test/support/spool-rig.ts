/** What tests of the spool share: batches, a spool on a simulated disk, and what its readers get. */
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { type MaskedBatch, maskedBatch } from '../../src/policy/masked-call.ts';
import type { Frame } from '../../src/ship/record-source.ts';
import type { SpoolReader } from '../../src/ship/spool/reader.ts';
import { Spool, type SpoolOptions } from '../../src/ship/spool/spool.ts';
import { Random } from './random.ts';
import { SimulatedDisk } from './simulated-files.ts';
import { SimulatedTimers, settled } from './simulated-timers.ts';

const DIRECTORY = '/spool';
/** Beyond all that tests let pass. */
export const LATE_MS = 100_000_000_000_000;

/** Records of one pipeline, or of those that `routes` says. */
export function batchOf(lines: readonly string[], routes: number | readonly number[] = 1): MaskedBatch {
  const records = lines.map((line) => Buffer.from(`${line}\n`));
  const index = records.flatMap(({ length }, i) => [length, typeof routes === 'number' ? routes : routes[i]]);
  return maskedBatch(Buffer.concat(records), Int32Array.from(index));
}

export function spoolSettings(changes: Partial<Settings['spool']> = {}): Settings['spool'] {
  return { ...defaultSettings.spool, freeBytesMin: 0, ...changes };
}

/** A disk and a clock that outlive the spools on them. */
export class Rig {
  readonly disk: SimulatedDisk = new SimulatedDisk(new Random(1));
  readonly timers: SimulatedTimers = new SimulatedTimers();
  readonly said: string[] = [];

  async open(changes: Partial<Settings['spool']> = {}, options: Partial<SpoolOptions> = {}): Promise<Spool> {
    const say = (message: string): void => {
      this.said.push(message);
    };
    return await Spool.open({
      directory: DIRECTORY,
      settings: spoolSettings(changes),
      pipelines: ['all'],
      readers: [{ name: 'sink', pipelines: ['all'] }],
      files: this.disk.files(),
      timers: this.timers,
      log: { info: say, warn: say, error: say },
      ...options,
    });
  }

  /** Appends a batch for each list of lines, and waits until they are durable. */
  async store(spool: Spool, ...batches: readonly (readonly string[])[]): Promise<void> {
    for (const lines of batches) spool.append(batchOf(lines));
    await this.timers.pass(100);
  }

  async close(spool: Spool): Promise<void> {
    await Promise.all([spool.close(LATE_MS), this.timers.pass(5000)]);
    this.timers.forget();
    this.disk.kill();
  }

  /** The process dies; the system goes on. */
  kill(): void {
    this.timers.forget();
    this.disk.kill();
  }

  segments(): string[] {
    return this.disk.names().filter((name) => name.endsWith('.segment'));
  }
}

/** Two segments: one with three frames, closed; one with a frame, as a killed process leaves it. */
export async function filled(): Promise<Rig> {
  const rig = new Rig();
  let spool = await rig.open({ compression: 'none' });
  await rig.store(spool, ['a1', 'a2'], ['b1'], ['c1']);
  await rig.close(spool);
  spool = await rig.open({ compression: 'none' });
  await rig.store(spool, ['d1']);
  await rig.timers.pass(1100);
  rig.kill();
  return rig;
}

interface Asked {
  readonly frame: Promise<Frame | null>;
  isThere: boolean;
}
/** A reader that had nothing is still being asked. */
const asked = new WeakMap<SpoolReader, Asked>();

/** All lines that a reader gets now, acked or not. */
export async function linesOf(spool: Spool, name = 'sink', acks = true): Promise<string[]> {
  const reader = spool.reader(name);
  const lines: string[] = [];
  for (;;) {
    const next = asked.get(reader) ?? ask(reader);
    await settled();
    if (!next.isThere) return lines;
    asked.delete(reader);
    const frame = await next.frame;
    if (frame === null) return lines;
    lines.push(...Buffer.from(frame.bytes).toString().split('\n').slice(0, -1));
    if (acks) reader.ack(frame.firstSequence + frame.count - 1);
  }
}

function ask(reader: SpoolReader): Asked {
  const next: Asked = {
    isThere: false,
    frame: reader.next().then((frame) => {
      next.isThere = true;
      return frame;
    }),
  };
  asked.set(reader, next);
  return next;
}
