/**
 * Stuck: a batch that fails each time while others get through, as one does that a bug of the receiver meets. It would be
 * sent for ever, and what can be done with behind it is bounded, so in the end it would stop all.
 *
 *   failed 8 times, others taken between    halves, one of them under way at a time
 *   a record alone, 32 times                a dead letter ("never-taken"): about a quarter of an hour of tries
 *
 * Only failures that may be the batch's own count, and only when others were taken since the last of them: a receiver that
 * is down, or says that it is busy, makes none of its batches stuck.
 */
import type { Piece } from './pieces.ts';
import type { Problem } from './sink.ts';

const BATCH_FAILURES_MAX = 8;
const RECORD_FAILURES_MAX = 32;

/** The receiver had the batch in its hands when it failed, and said neither that it is busy nor when to come again. */
const mayBeItsOwn = new Set([
  'server-error',
  'behind-it-silent',
  'busy-with-it',
  'broken-off',
  'answer-timeout',
  'reply-unclear',
  'reply-too-long',
  'record-not-taken',
  'record-refused',
  'broker-error',
  'sink-fault',
]);

/** Notes that a batch failed. `written`: records that the receiver has taken so far; `isInTheWay`: no more can be taken before it ends. */
export function isStuck(piece: Piece, problems: readonly Problem[], written: number, isInTheWay: boolean): boolean {
  const isApart = written > piece.writtenBefore || isInTheWay;
  piece.writtenBefore = written;
  if (isApart && problems.every(({ code }) => mayBeItsOwn.has(code))) piece.failuresApart++;
  return piece.failuresApart >= (piece.records.length > 1 ? BATCH_FAILURES_MAX : RECORD_FAILURES_MAX);
}

export function neverTaken({ what }: Problem): Problem {
  return {
    code: 'never-taken',
    what: `A record failed each of ${RECORD_FAILURES_MAX} times while others were taken (${what})`,
    next: 'Look for it in the log of the receiver; when that is mended, put it back: earshot spool dead-letters replay.',
  };
}
