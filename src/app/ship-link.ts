/**
 * What the main thread and the ship thread say to each other. Plain data only; buffers are transferred.
 */
import type { ErrorCode } from '../base/errors.ts';
import type { LogLevel, Settings } from '../base/settings.ts';
import type { LetterFilter, LetterHead } from '../ship/dead-letters.ts';
import type { DeliveryState } from '../ship/delivery-state.ts';
import type { SpoolLedger } from '../ship/spool/state.ts';
import type { RoutedPipeline } from './routing.ts';

/** What the ship thread is started with. */
export interface ShipStart {
  readonly settings: Settings;
  /** By route bit. */
  readonly pipelines: readonly RoutedPipeline[];
  /** Number of the table of these pipelines (routing.ts). */
  readonly routing: number;
  /** Where the spool lies. */
  readonly directory: string;
  readonly version: string;
  /** One word: bytes of batches that are under way to it (app/under-way.ts). */
  readonly underWay: SharedArrayBuffer;
  /** Whoever sends can wait: a batch is under way until the spool has accepted it and has room for more. */
  readonly isPatient?: boolean;
  /** Another thread has the spool still: it makes its sinks, says `ready`, and waits for `open`. */
  readonly isHeld?: boolean;
}

export type ToShip =
  | { readonly type: 'batch'; readonly bytes: ArrayBuffer; readonly index: Int32Array }
  | { readonly type: 'open' }
  /** Certificates, keys and secrets may have changed. */
  | { readonly type: 'reload' }
  /** Answers with `letters` or `replayed`, or with `refused`, of the same id. */
  | { readonly type: 'letters' | 'replay'; readonly id: number; readonly filter: LetterFilter }
  /**
   * Answers with `settled` once all that came is on the disk, and these sinks have all that is for them; or when the time
   * is over.
   */
  | { readonly type: 'settle'; readonly id: number; readonly sinks: readonly string[]; readonly untilAtMs: number }
  /** Answers with a pulse. */
  | { readonly type: 'report' }
  /** Deliver what can be delivered until then, keep the rest, say `stopped`. */
  | { readonly type: 'stop'; readonly untilAtMs: number; readonly drain: boolean };

export type FromShip =
  | { readonly type: 'ready' }
  | { readonly type: 'running'; readonly report: ShipReport }
  | { readonly type: 'pulse'; readonly report: ShipReport }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** A connection of the sensor itself was opened or closed: local address and port. */
  | { readonly type: 'own'; readonly host: string; readonly port: number; readonly open: boolean }
  | { readonly type: 'letters'; readonly id: number; readonly letters: readonly LetterHead[] }
  | { readonly type: 'replayed'; readonly id: number; readonly records: number }
  /** `why`: it is not; "" when it is. */
  | { readonly type: 'settled'; readonly id: number; readonly why: string; readonly next: string }
  | { readonly type: 'refused'; readonly id: number; readonly reason: string }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly what: string; readonly why: string; readonly next: string }
  | { readonly type: 'stopped'; readonly report: ShipReport };

/** State of the spool, the dead letters and the sinks at one moment. */
export interface ShipReport {
  readonly atMs: number;
  readonly spool: SpoolLedger;
  readonly deadLetters: SpoolLedger;
  readonly sinks: readonly DeliveryState[];
  /** Records that were put back into the spool from the dead letters. */
  readonly putBack: number;
  /** Processor time of the thread. */
  readonly cpuMs: number;
}
