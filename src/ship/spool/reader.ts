/**
 * A reader of the spool: frames in their order, from memory where they still are there, else from the disk. It waits for
 * the next frame that is accepted; nothing is given before it is.
 */
import { codeOf } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import type { Frame, RecordSource } from '../record-source.ts';
import type { Timers } from '../timers.ts';
import { ownShare, ownShareBetween, type ReaderBooks } from './books.ts';
import type { Contents } from './contents.ts';
import { type FrameContent, openPayload } from './frame.ts';
import type { SpoolLogger } from './logger.ts';
import type { Quarantine } from './quarantine.ts';
import type { FoundFrame } from './scanner.ts';
import type { Segment } from './segment.ts';
import type { ReaderLedger } from './state.ts';
import { type Found, SegmentWalk } from './walk.ts';

/** How often, and how long apart, a segment that cannot be read is tried again before it is given up. */
const READ_TIMES = 3;
const READ_AGAIN_MS = 1000;

export interface ReaderContext {
  readonly files: Files;
  readonly contents: Contents;
  readonly quarantine: Quarantine | null;
  readonly timers: Timers;
  readonly log: SpoolLogger;
  /** Something is wrong with a segment: nothing more is to be written into it. */
  readonly onDamage: (segment: Segment) => void;
}

interface OpenSegment {
  readonly segment: Segment;
  readonly file: OpenFile;
  readonly walk: SegmentWalk;
  /** Seeks before it was opened: a walk only goes on. */
  readonly seeks: number;
}

export class SpoolReader implements RecordSource {
  readonly #books: ReaderBooks;
  readonly #context: ReaderContext;
  #open: OpenSegment | null = null;
  /** Counts seeks: what was being read is not what is asked for any more. */
  #seeks = 0;
  #isClosed = false;
  #failures = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(books: ReaderBooks, context: ReaderContext) {
    this.#books = books;
    this.#context = context;
  }

  /**
   * The next frame that holds at least one record for this reader; waits until there is one. Null when the spool is
   * closed. A frame of which a part is acked comes without that part.
   */
  next(): Promise<Frame | null> {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(() => {});
    return next;
  }

  /** All records up to that one are done with; no further than frames were given. */
  ack(sequence: number): void {
    this.#books.ack(sequence);
  }

  /** Goes back: the next frame is the one that holds that record, or the first that is not acked. */
  seek(sequence: number): void {
    const books = this.#books;
    const position = Math.max(books.ackedSequence, Math.min(sequence - 1, books.position));
    if (position === books.position) return;
    this.#seeks++;
    const from = books.given.findIndex(({ lastOwnSequence, frame }) => Math.max(lastOwnSequence, lastOf(frame)) > position);
    if (from >= 0) books.given.splice(from);
    books.position = position;
    this.#context.contents.wake();
  }

  state(): ReaderLedger {
    const books = this.#books;
    const { name, ackedSequence, expiredByQuota, expiredByAge, corrupt, queued, queuedBytes, queuedAtStart, accepted, acked } = books;
    const oldestAtMs = queued === 0 ? 0 : this.#oldestAtMs();
    return { name, ackedSequence, expiredByQuota, expiredByAge, corrupt, queued, queuedBytes, oldestAtMs, queuedAtStart, accepted, acked };
  }

  /** Of what is queued: exact for what it was given and for what is in memory, else by segment. */
  #oldestAtMs(): number {
    const { given, place, position } = this.#books;
    if (given.length > 0) return given[0].frame.acceptedAtMs;
    const { contents } = this.#context;
    const segment = contents.segments.find(({ queued }) => queued[place] > 0);
    if (segment !== undefined && position < contents.held.evictedSequence) return segment.oldestAtMs;
    return contents.held.after(position)?.acceptedAtMs ?? segment?.oldestAtMs ?? 0;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#context.contents.wake();
    await this.#last;
    await this.#closeSegment();
  }

  async #next(): Promise<Frame | null> {
    const { contents } = this.#context;
    while (!this.#isClosed) {
      const isInMemory = this.#books.position >= contents.held.evictedSequence;
      const frame = isInMemory ? this.#fromMemory() : await this.#fromDisk();
      if (frame !== null) return frame;
      // In memory there was none; from the disk there may be more, or the rest is in memory.
      if (isInMemory && !this.#isClosed) {
        await this.#closeSegment();
        if (this.#fromMemoryIsEmpty()) await contents.wait();
      }
    }
    return null;
  }

  #fromMemoryIsEmpty(): boolean {
    const { held, acceptedSequence } = this.#context.contents;
    if (this.#books.position < held.evictedSequence || this.#isClosed) return false;
    const frame = held.after(this.#books.position);
    return frame === null || frame.lastSequence > acceptedSequence;
  }

  #fromMemory(): Frame | null {
    const { contents } = this.#context;
    const books = this.#books;
    for (;;) {
      const held = contents.held.after(books.position);
      if (held === null || held.lastSequence > contents.acceptedSequence) return null;
      const content = ownShare(held.tallies, books.routes).records > 0 ? contents.contentOf(held) : null;
      const frame = content === null ? null : this.#give(content, held, held);
      books.position = Math.max(books.position, held.lastSequence);
      if (frame !== null) return frame;
      books.moveCursor();
    }
  }

  /** Null: none in what was read; the position has moved on, or there is another place to look. */
  async #fromDisk(): Promise<Frame | null> {
    const { contents } = this.#context;
    const books = this.#books;
    const segment = contents.segmentAfter(books.position);
    if (segment === null) {
      books.position = Math.max(books.position, contents.held.evictedSequence);
      books.moveCursor();
      return null;
    }
    const seeks = this.#seeks;
    try {
      const open = await this.#openSegment(segment);
      const found = await open.walk.next();
      this.#failures = 0;
      if (seeks !== this.#seeks || segment.isRemoved || this.#isClosed) {
        await this.#closeSegment();
        return null;
      }
      return await this.#take(open, found);
    } catch (error) {
      await this.#closeSegment();
      await this.#failed(segment, error);
      return null;
    }
  }

  async #openSegment(segment: Segment): Promise<OpenSegment> {
    const seeks = this.#seeks;
    if (this.#open?.segment === segment && this.#open.seeks === seeks) return this.#open;
    await this.#closeSegment();
    const file = await this.#context.files.open(segment.path, false);
    this.#open = { segment, file, walk: new SegmentWalk(file, segment), seeks };
    return this.#open;
  }

  async #closeSegment(): Promise<void> {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    this.#context.contents.finishDamaged();
    try {
      await open.file.close();
    } catch {
      // It was only read.
    }
  }

  async #take(open: OpenSegment, found: Found | null): Promise<Frame | null> {
    const { contents, onDamage } = this.#context;
    if (found === null) await this.#atEnd(open);
    else if (found.kind === 'frame') return await this.#takeFrame(open, found);
    else if (found.kind === 'damage') await this.#damaged(open, found.at, found.end, 0);
    else {
      this.#hold();
      contents.noteGap(open.segment, found);
      onDamage(open.segment);
    }
    return null;
  }

  async #takeFrame(open: OpenSegment, found: FoundFrame): Promise<Frame | null> {
    const { contents } = this.#context;
    const books = this.#books;
    const { segment } = open;
    const { head, isWhole, headBytes, payload } = found;
    if (head.lastSequence <= books.position) return null;
    const isWanted = ownShare(head.tallies, segment.routes[books.place]).records > 0;
    const content = isWhole && isWanted ? openPayload(head, headBytes, payload, contents.keys) : null;
    if (content !== null) {
      const frame = this.#give(mapped(content, segment, contents.pipelines), head, { segment });
      books.position = head.lastSequence;
      books.moveCursor();
      return frame;
    }
    const seeks = this.#seeks;
    if (!isWhole || isWanted) await this.#damaged(open, found.at, found.end, head.count);
    if (segment.isRemoved || seeks !== this.#seeks) return null;
    books.position = Math.max(books.position, head.lastSequence);
    books.moveCursor();
    return null;
  }

  /** Gives what is not acked of a frame; null when nothing of that is for this reader. */
  #give(
    content: FrameContent,
    about: { readonly firstSequence: number; readonly lastSequence: number; readonly acceptedAtMs: number },
    home: { readonly segment: Segment | null },
  ): Frame | null {
    const books = this.#books;
    const { routes } = books;
    const { firstSequence, lastSequence, acceptedAtMs } = about;
    const acked = Math.max(firstSequence - 1, books.ackedSequence);
    const share = ownShareBetween(content.index, firstSequence, acked, lastSequence, routes);
    if (share.records === 0) return null;
    const frame = withoutFirst(content, firstSequence, acked + 1 - firstSequence, acceptedAtMs);
    books.given.push({
      frame,
      routes,
      home,
      lastOwnSequence: share.lastSequence,
      ackedSequence: acked,
      records: share.records,
      bytes: share.bytes,
    });
    return frame;
  }

  async #atEnd(open: OpenSegment): Promise<void> {
    const { contents, onDamage } = this.#context;
    const { segment, walk } = open;
    const rest = walk.rest();
    if (rest !== null) {
      this.#hold();
      contents.noteGap(segment, rest);
      onDamage(segment);
    }
    // More was stored since.
    if (walk.endSequence < segment.lastSequence) return;
    if (segment.isSealed) {
      contents.finish(segment, this.#books);
      await this.#closeSegment();
      return;
    }
    this.#books.position = Math.max(this.#books.position, segment.lastSequence);
    this.#books.moveCursor();
  }

  #hold(): void {
    const books = this.#books;
    books.holdSequence = Math.min(books.holdSequence, books.position);
  }

  async #damaged(open: OpenSegment, at: number, end: number, records: number): Promise<void> {
    const { contents, quarantine, onDamage, log } = this.#context;
    const { segment, file } = open;
    this.#hold();
    if (!contents.noteDamage(segment, at, records)) return;
    log.error('a part of the spool is damaged, and is left out', { segment: segment.name, at, bytes: end - at });
    onDamage(segment);
    await quarantine?.keep(file, segment, at, end);
  }

  async #failed(segment: Segment, error: unknown): Promise<void> {
    const { contents, log, onDamage } = this.#context;
    if (segment.isRemoved || this.#isClosed) return;
    if (codeOf(error) === 'ENOENT') {
      onDamage(segment);
      if (segment.isSealed) contents.finishMissing(segment, this.#books);
      else await this.#pause();
      return;
    }
    log.error('a file of the spool cannot be read', { segment: segment.name, error });
    if (++this.#failures < READ_TIMES) {
      await this.#pause();
      return;
    }
    this.#failures = 0;
    onDamage(segment);
    if (segment.isSealed) contents.finish(segment, this.#books);
    else this.#books.position = Math.max(this.#books.position, segment.lastSequence);
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#context.timers.after(READ_AGAIN_MS, resolve);
      void this.#context.contents.wait().then(() => {
        if (!this.#isClosed) return;
        cancel();
        resolve();
      });
    });
  }
}

function lastOf(frame: Frame): number {
  return frame.firstSequence + frame.count - 1;
}

/** The same records with the routes as the pipelines are numbered now; those of pipelines that are gone have none. */
function mapped(content: FrameContent, segment: Segment, pipelines: readonly string[]): FrameContent {
  const table = segment.pipelines ?? [];
  if (table.length === pipelines.length && table.every((name, i) => name === pipelines[i])) return content;
  const bits = table.map((name) => (pipelines.includes(name) ? 1 << pipelines.indexOf(name) : 0));
  const index = Int32Array.from(content.index);
  for (let i = 1; i < index.length; i += 2) {
    // A word below 0 means one sink, by its name.
    if (index[i] < 0) continue;
    let routes = 0;
    for (let bit = 0; bit < bits.length; bit++) if ((index[i] & (1 << bit)) !== 0) routes |= bits[bit];
    index[i] = routes;
  }
  return { bytes: content.bytes, index };
}

function withoutFirst({ bytes, index }: FrameContent, firstSequence: number, records: number, acceptedAtMs: number): Frame {
  let at = 0;
  for (let i = 0; i < records; i++) at += index[2 * i];
  return {
    firstSequence: firstSequence + records,
    count: index.length / 2 - records,
    acceptedAtMs,
    bytes: at === 0 ? bytes : bytes.subarray(at),
    index: records === 0 ? index : index.subarray(2 * records),
  };
}
