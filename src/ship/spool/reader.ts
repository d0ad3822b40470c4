/**
 * A reader of the spool: frames in their order, from memory where they still are there, else from the disk. It waits for
 * the next frame that is accepted; nothing is given before it is.
 */
import { codeOf, reasonOf } from '../../base/errors.ts';
import type { Files, OpenFile } from '../files.ts';
import type { Frame, RecordSource } from '../record-source.ts';
import type { Timers } from '../timers.ts';
import { ownShare, ownShareBetween, type ReaderBooks } from './books.ts';
import type { Contents } from './contents.ts';
import { type FrameContent, openPayload } from './frame.ts';
import { mapped, withoutFirst } from './frame-for-reader.ts';
import type { SpoolLogger } from './logger.ts';
import type { Quarantine } from './quarantine.ts';
import type { FoundFrame } from './scanner.ts';
import type { Segment } from './segment.ts';
import type { ReaderLedger } from './state.ts';
import { withUnreadable } from './unreadable.ts';
import { type Found, SegmentWalk } from './walk.ts';

/** How long after a read that failed the next one is tried: twice as long each time. It is tried without end (unreadable.ts). */
const READ_AGAIN_MS_MIN = 1000;
const READ_AGAIN_MS_MAX = 30_000;

export interface ReaderContext {
  readonly files: Files;
  readonly contents: Contents;
  readonly quarantine: Quarantine | null;
  readonly timers: Timers;
  readonly log: SpoolLogger;
  /** Something is wrong with a segment: nothing more is to be written into it. */
  readonly onDamage: (segment: Segment) => void;
  readonly onAck: () => void;
  /** The fault of a reader has changed. */
  readonly onFault: () => void;
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
  #againMs = READ_AGAIN_MS_MIN;
  #fault = '';
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
    this.#context.onAck();
  }

  /** Goes back: the next frame is the one that holds that record, or the first that is not acked. */
  seek(sequence: number): void {
    const books = this.#books;
    const position = Math.max(books.ackedSequence, Math.min(sequence - 1, books.position));
    if (position === books.position) return;
    this.#seeks++;
    const from = books.given.findIndex(({ lastSequence }) => lastSequence > position);
    if (from >= 0) books.given.splice(from);
    books.position = position;
    this.#context.contents.wake();
  }

  /** Why it does not go on; "" when it does. */
  get fault(): string {
    return this.#fault;
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
    if (given.length > 0) return given[0].acceptedAtMs;
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
      this.#works();
      if (seeks !== this.#seeks || segment.isRemoved || segment.isMissing || this.#isClosed) {
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
    // Also when something has come back under its name: it was counted.
    if (segment.isMissing) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    const { files, timers } = this.#context;
    const file = withUnreadable(await files.open(segment.path, false), segment.unreadable, timers);
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
      const frame = this.#give(mapped(content, segment, contents.pipelines, books), head, { segment });
      books.position = head.lastSequence;
      books.moveCursor();
      return frame;
    }
    const seeks = this.#seeks;
    if (!isWhole || isWanted) await this.#damaged(open, found.at, found.end, head.count);
    if (segment.isRemoved || segment.isMissing || seeks !== this.#seeks) return null;
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
      firstSequence: frame.firstSequence,
      lastSequence,
      acceptedAtMs,
      index: frame.index,
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

  /** Only that the file is gone says something of what was in it; for all else it is asked again. */
  async #failed(segment: Segment, error: unknown): Promise<void> {
    const { contents, log, onDamage } = this.#context;
    if (segment.isRemoved) this.#setFault('');
    if (segment.isRemoved || this.#isClosed) return;
    if (codeOf(error) === 'ENOENT') {
      onDamage(segment);
      // Before it is known to be missing, memory may still have a part of it.
      if (segment.isSealed && segment.isMissing) contents.finishMissing(segment, this.#books);
      else await this.#pause(segment);
      return;
    }
    if (this.#fault === '') log.error('a file of the spool cannot be read now, and is tried again', { segment: segment.name, error });
    this.#setFault(`${segment.path} cannot be read: ${reasonOf(error)}. What ${this.#books.name} gets waits until it can.`);
    await this.#pause(segment);
  }

  #works(): void {
    this.#againMs = READ_AGAIN_MS_MIN;
    if (this.#fault === '') return;
    this.#context.log.info('a file of the spool can be read again', { reader: this.#books.name });
    this.#setFault('');
  }

  #setFault(fault: string): void {
    if (fault === this.#fault) return;
    this.#fault = fault;
    this.#context.onFault();
  }

  /** Until the next try, unless there is nothing to try any more. */
  async #pause(segment: Segment): Promise<void> {
    const { timers, contents } = this.#context;
    const seeks = this.#seeks;
    let isOver = false;
    const late = new Promise<void>((resolve) => {
      const cancel = timers.after(this.#againMs, () => {
        isOver = true;
        resolve();
      });
      const look = async (): Promise<void> => {
        while (!isOver) {
          await contents.wait();
          if (!this.#isClosed && !segment.isRemoved && seeks === this.#seeks) continue;
          isOver = true;
          cancel();
          resolve();
        }
      };
      void look();
    });
    this.#againMs = Math.min(READ_AGAIN_MS_MAX, this.#againMs * 2);
    await late;
    if (segment.isRemoved) this.#setFault('');
  }
}
