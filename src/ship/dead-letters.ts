/**
 * Dead letters: records that a receiver refuses for their content, put aside with the reason. They lie in a spool of their
 * own beside the main one, a line each:
 *
 *   {"sink":"edge","atMs":1700000000000,"problem":{"code","what","next"},"sequence":17,"record":{...the masked record...}}
 *
 * Durable: `add` ends when the letters are on disk, and only then their records are acked in the main spool. After a crash
 * between the two a record can be here twice. Bounded: at the quota of this spool the oldest letters go, counted there.
 *
 * Nothing but `replay` takes letters out. Replayed records go back into the main spool, for the sink that refused them
 * and no other (ship/routes.ts). A log can only be shortened at its front, so a replay goes through all letters up to the last
 * that fits: those that fit are appended to the main spool, the others again here, and then the old ones are let go.
 *
 *   | replayed | old | old that fit ... | new | copies of old that stay
 *     gone                                      the log may be two segments beyond its quota meanwhile
 *
 * In a crash in the middle some are here twice, or here and in the main spool. None goes by the replay itself, also when the
 * log is full; letters that come meanwhile let the oldest go as ever, and they are counted.
 */

import type { Settings } from '../base/settings.ts';
import type { MaskedBatch } from '../policy/masked-call.ts';
import { INDEX_WORDS, maskedBatch } from '../policy/masked-call.ts';
import { idOf } from './encode-batch.ts';
import type { Frame, RecordSource } from './record-source.ts';
import { routesToSink } from './routes.ts';
import type { Problem } from './sink.ts';
import { lettersDirectory } from './spool/backlog.ts';
import type { SpoolOptions } from './spool/spool.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface DeadLetter {
  readonly sink: string;
  readonly atMs: number;
  readonly problem: Problem;
  /** Place in the main spool. */
  readonly sequence: number;
  /** The record as it was in the main spool. */
  readonly line: Uint8Array;
}

/** What is shown of one. */
export interface LetterHead {
  readonly sink: string;
  readonly atMs: number;
  readonly problem: Problem;
  readonly sequence: number;
  /** Id of the call. */
  readonly id: string;
  readonly bytes: number;
}

/** Which letters; all that is said must fit. */
export interface LetterFilter {
  readonly sink?: string;
  /** Of the problem. */
  readonly code?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/** A spool as far as it is needed here. */
export interface RecordLog {
  append(batch: MaskedBatch): void;
  durable(sequence: number): Promise<void>;
  state(): { readonly lost: number; readonly lastSequence: number };
}

/** The spool of the letters. */
export interface LetterLog extends RecordLog {
  /** Its quota does not hold for a while: until the answer is called. */
  lendRoom(): () => void;
}

export type LetterSource = RecordSource & { seek(sequence: number): void };

const NEVER_HOURS = 100 * 365 * 24;
/** The oldest go a segment at a time. */
const SEGMENTS = 8;
/** How many are listed at once: the oldest. With the texts as long as they may be, it is an answer of the control socket. */
export const LETTERS_SHOWN_MAX = 2_500;
/** Of what and next in a list; the letter has all of it. */
const TEXT_SHOWN_CHARACTERS_MAX = 500;
/** Name of the one pipeline and of the one reader of its spool. */
export const LETTERS = 'letters';
const ANYBODY = 1;
/** How often it is looked at whether the letters that are waited for are damaged. */
const LOOK_MS = 100;
const LINE_FEED = 0x0a;
const RECORD = Buffer.from(',"record":');
const RAW = Buffer.from(',"raw":"');
const END = Buffer.from('}\n');

function lineOf({ sink, atMs, problem, sequence, line }: DeadLetter): Buffer {
  const { code, what, next } = problem;
  const head = JSON.stringify({ sink, atMs, problem: { code, what, next }, sequence });
  const record = Buffer.from(line.buffer, line.byteOffset, line.length - (line[line.length - 1] === LINE_FEED ? 1 : 0));
  const before = Buffer.from(head.slice(0, -1));
  // One that cannot be parsed would make the letter unreadable too.
  if (code === 'record-unreadable') return Buffer.concat([before, RAW, Buffer.from(`${record.toString('base64')}"`), END]);
  return Buffer.concat([before, RECORD, record, END]);
}

interface Letter {
  readonly head: LetterHead;
  /** Null: it cannot be read. */
  readonly record: Buffer | null;
}

function letterOf(line: Buffer): Letter {
  // The head holds no record, so the first mention is the right one.
  const at = line.indexOf(RECORD);
  const raw = at < 0 ? line.indexOf(RAW) : -1;
  const end = at < 0 ? raw : at;
  const head = headOf(line.toString('utf8', 0, end < 0 ? line.length : end));
  const record =
    at >= 0
      ? line.subarray(at + RECORD.length, line.length - END.length)
      : Buffer.from(line.toString('latin1', raw + RAW.length, line.length - END.length - 1), 'base64');
  return { head: { ...head, id: idOf(record), bytes: record.length }, record: at < 0 || head === unreadable ? null : record };
}

const unreadable = {
  sink: '',
  atMs: 0,
  problem: {
    code: 'letter-unreadable',
    what: 'This dead letter cannot be read',
    next: 'Look whether another version of Earshot wrote it.',
  },
  sequence: 0,
};

function headOf(text: string): Omit<LetterHead, 'id' | 'bytes'> {
  try {
    return JSON.parse(`${text}}`) as Omit<LetterHead, 'id' | 'bytes'>;
  } catch {
    return unreadable;
  }
}

function fits({ sink, atMs, problem }: LetterHead, filter: LetterFilter): boolean {
  return (
    (filter.sink === undefined || filter.sink === sink) &&
    (filter.code === undefined || filter.code === problem.code) &&
    (filter.sinceMs === undefined || atMs >= filter.sinceMs) &&
    (filter.untilMs === undefined || atMs <= filter.untilMs)
  );
}

/** As it is listed. */
function shownHead(head: LetterHead): LetterHead {
  const { code, what, next } = head.problem;
  return { ...head, problem: { code, what: cut(what), next: cut(next) } };
}

function cut(text: string): string {
  return text.length <= TEXT_SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_SHOWN_CHARACTERS_MAX - 3)}...`;
}

/** Lines with their routes as a batch. They were masked when they came: they are taken from frames of a spool. */
function batchOf(lines: readonly Buffer[], routes: readonly number[]): MaskedBatch {
  const index = new Int32Array(lines.length * INDEX_WORDS);
  for (let i = 0; i < lines.length; i++) {
    index[i * INDEX_WORDS] = lines[i].length;
    index[i * INDEX_WORDS + 1] = routes[i];
  }
  return maskedBatch(Buffer.concat(lines), index);
}

/** How the spool of dead letters is opened, beside the main one and with its settings: only its quota lets letters go. */
export function letterSpool(directory: string, settings: Settings['spool']): SpoolOptions {
  const bytesMax = settings.deadLetterBytesMax;
  return {
    directory: lettersDirectory(directory),
    settings: {
      ...settings,
      bytesMax,
      ageHoursMax: NEVER_HOURS,
      segmentBytes: Math.min(settings.segmentBytes, Math.ceil(bytesMax / SEGMENTS)),
    },
    pipelines: [LETTERS],
    readers: [{ name: LETTERS, pipelines: [LETTERS] }],
  };
}

/** Ends when the records are on the disk; throws when there was no room for all of them. */
async function appendDurably(log: RecordLog, batch: MaskedBatch): Promise<void> {
  const { lost } = log.state();
  log.append(batch);
  const after = log.state();
  if (after.lost > lost) throw new Error('the disk takes nothing, and the memory is full');
  await log.durable(after.lastSequence);
}

export class DeadLetters {
  /** Records that were appended to the main spool again. */
  putBack = 0;
  readonly #log: LetterLog;
  readonly #letters: LetterSource;
  readonly #main: RecordLog;
  readonly #timers: Timers;
  #pending: Promise<Frame | null> | null = null;
  /** Listing and replaying share a cursor: one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  /** `log` and `letters`: the spool of dead letters and its one reader; `main`: where replayed records go. */
  constructor(log: LetterLog, letters: LetterSource, main: RecordLog, timers: Timers = systemTimers) {
    this.#log = log;
    this.#letters = letters;
    this.#main = main;
    this.#timers = timers;
  }

  /** Ends when they are durable. */
  async add(letters: readonly DeadLetter[]): Promise<void> {
    const lines = letters.map(lineOf);
    const routes = lines.map(() => ANYBODY);
    await appendDurably(this.#log, batchOf(lines, routes));
  }

  /** The oldest first, at most `max`. */
  list(filter: LetterFilter, max: number): Promise<LetterHead[]> {
    return this.#inTurn(async () => {
      const found: LetterHead[] = [];
      const isLeft = this.#rewind();
      for (let seen = 0; found.length < max; ) {
        const frame = await this.#next(() => isLeft(seen));
        if (frame === null) break;
        seen += frame.count;
        for (const { head } of lettersIn(frame)) if (fits(head, filter) && found.length < max) found.push(shownHead(head));
      }
      return found;
    });
  }

  /**
   * Takes letters out and puts their records back into the main spool, those of these sinks only (all when none are named).
   * Says how many; those that cannot be read stay.
   */
  replay(filter: LetterFilter, sinks: readonly string[] | null = null): Promise<number> {
    const isAgain = ({ head, record }: Letter): boolean =>
      record !== null && fits(head, filter) && (sinks === null || sinks.includes(head.sink));
    return this.#inTurn(async () => {
      const lastSequence = await this.#lastThat(isAgain);
      if (lastSequence === 0) return 0;
      const giveBack = this.#log.lendRoom();
      try {
        return await this.#replayUpTo(lastSequence, isAgain);
      } finally {
        giveBack();
      }
    });
  }

  /** Sequence at the end of the last frame with such a letter; 0 when there is none. */
  async #lastThat(isAgain: (letter: Letter) => boolean): Promise<number> {
    let lastSequence = 0;
    const isLeft = this.#rewind();
    for (let seen = 0; ; ) {
      const frame = await this.#next(() => isLeft(seen));
      if (frame === null) return lastSequence;
      seen += frame.count;
      if ([...lettersIn(frame)].some(isAgain)) lastSequence = frame.firstSequence + frame.count - 1;
    }
  }

  async #replayUpTo(lastSequence: number, isAgain: (letter: Letter) => boolean): Promise<number> {
    let replayed = 0;
    const isLeft = this.#rewind();
    // Those that are kept are appended behind: what was there at the start is seen once.
    for (let seen = 0, at = 0; at < lastSequence; ) {
      const frame = await this.#next(() => isLeft(seen));
      if (frame === null) break;
      seen += frame.count;
      at = frame.firstSequence + frame.count - 1;
      const again = { lines: [] as Buffer[], routes: [] as number[] };
      const kept = { lines: [] as Buffer[], routes: [] as number[] };
      for (const letter of lettersIn(frame)) {
        const { head, record, line } = letter;
        const isTaken = record !== null && isAgain(letter);
        const to = isTaken ? again : kept;
        to.lines.push(isTaken ? Buffer.concat([record, Buffer.from('\n')]) : line);
        to.routes.push(isTaken ? routesToSink(head.sink) : ANYBODY);
      }
      // Counted in the same moment as the spool counts what it is offered.
      this.putBack += again.lines.length;
      if (again.lines.length > 0) await appendDurably(this.#main, batchOf(again.lines, again.routes));
      if (kept.lines.length > 0) await appendDurably(this.#log, batchOf(kept.lines, kept.routes));
      this.#letters.ack(at);
      replayed += again.lines.length;
    }
    return replayed;
  }

  /** Back to the oldest. The answer says whether there are more after that many, of those that are there now. */
  #rewind(): (seen: number) => boolean {
    const letters = this.#letters;
    const { ackedSequence, queued, corrupt, expiredByQuota, expiredByAge } = letters.state();
    letters.seek(ackedSequence + 1);
    const gone = corrupt + expiredByQuota + expiredByAge;
    return (seen) => {
      const now = letters.state();
      return seen + now.corrupt + now.expiredByQuota + now.expiredByAge - gone < queued;
    };
  }

  /** The next frame; null when there is none. The source would wait for one: what was asked for is kept for the next time. */
  async #next(isLeft: () => boolean): Promise<Frame | null> {
    while (isLeft()) {
      this.#pending ??= this.#letters.next();
      let callOff = (): void => {};
      const late = new Promise<'late'>((resolve) => {
        callOff = this.#timers.after(LOOK_MS, () => resolve('late'));
      });
      const frame = await Promise.race([this.#pending, late]);
      callOff();
      if (frame === 'late') continue;
      this.#pending = null;
      return frame;
    }
    return null;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Replays what fits, for sinks that there are: a record for another would go to nobody. */
export async function replayToSinks(letters: DeadLetters, sinks: readonly string[], filter: LetterFilter): Promise<number> {
  return await letters.replay(filter, sinks);
}

function* lettersIn({ bytes, index, count }: Frame): Generator<Letter & { line: Buffer }> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = at + index[i * INDEX_WORDS];
    const line = buffer.subarray(at, end);
    at = end;
    yield { ...letterOf(line), line };
  }
}
