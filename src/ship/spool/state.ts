/** State of the spool, as status, stats, metrics and the ledger read it. Plain data. */
export interface SpoolState {
  readonly directory: string;
  /** What is promised now: below `wantedLevel` while the disk does not take anything, and for a minute after files were removed. */
  readonly level: 'memory' | 'os' | 'disk';
  readonly wantedLevel: 'memory' | 'os' | 'disk';
  /** Why the level is lower, or data goes; "" when all is well. */
  readonly fault: string;
  /** Records since this start. */
  readonly offered: number;
  readonly accepted: number;
  /** Offered, and not accepted because neither disk nor memory had room. */
  readonly lost: number;
  /** Sequence up to which records are accepted at `level`: what a crash can not take back. Published after the sync. */
  readonly durableSequence: number;
  /** Sequence of the last record that was written or put into memory. */
  readonly lastSequence: number;
  readonly oldestSequence: number;
  readonly oldestAtMs: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly segments: number;
  readonly freeBytes: number;
  /** Frames that were damaged and are set aside, and records in them as far as known. */
  readonly corruptFrames: number;
  readonly corruptRecords: number;
  readonly readers: readonly ReaderState[];
}

export interface ReaderState {
  readonly name: string;
  /** All records up to it are done with: delivered, dead letters, or not for this sink. */
  readonly ackedSequence: number;
  /** Records for this sink that went with the oldest data, unsent. */
  readonly expiredByQuota: number;
  readonly expiredByAge: number;
  /** Records for this sink that were in damaged frames. */
  readonly corrupt: number;
  /** Records for this sink behind its cursor, exact. */
  readonly queued: number;
  readonly queuedBytes: number;
  readonly oldestAtMs: number;
}

/** The books of a reader: queued at start + accepted = acked + expired (quota, age) + corrupt + queued. */
export interface ReaderLedger extends ReaderState {
  /** Records for it that the start found, and those that it found missing or damaged. */
  readonly queuedAtStart: number;
  /** Accepted since then. */
  readonly accepted: number;
  readonly acked: number;
}

export interface SpoolLedger extends SpoolState {
  readonly readers: readonly ReaderLedger[];
}
