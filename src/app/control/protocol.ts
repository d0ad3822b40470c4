/**
 * What is said over the control socket: one line of JSON asks, lines of JSON answer, UTF-8, each ended by a line feed.
 * A connection carries one request.
 *
 *   {"command":"who"}                            {"who":{"pid":4242,"version":"0.1.0"}}
 *   {"command":"report"}                         {"report":{...}}                        app/report.ts
 *   {"command":"reload"}                         {"reload":{"ok":true,"text":"..."}}
 *   {"command":"log-level","level":"debug"}      {"logLevel":"debug"}
 *   {"command":"watch","filter":{...}}           {"watching":true}
 *     with "whole":true the records too          {"calls":[...],"skipped":0}             app/call-line.ts
 *                                                ... until either side closes
 *   {"command":"dead-letters","filter":{...}}    {"deadLetters":[...]}                   ship/dead-letters.ts
 *   {"command":"replay","filter":{...}}          {"replayed":17}
 *   anything else                                {"error":{"code":"request-invalid","what":"...","next":"..."}}
 */
import type { LogLevel } from '../../base/settings.ts';
import type { LetterFilter, LetterHead } from '../../ship/dead-letters.ts';
import type { CallFilter } from '../call-filter.ts';
import type { CallLine } from '../call-line.ts';
import type { SensorReport } from '../report.ts';

/** The sensor, as far as the control socket needs it. */
export interface SensorControl {
  report(): SensorReport;
  /** Reads the configuration again; `text` says in a line what changed, or why all stays as it is. */
  reload(): Promise<{ readonly ok: boolean; readonly text: string }>;
  setLogLevel(level: LogLevel): void;
  /**
   * Hands on finished calls that fit from now on; `skipped` are those before them that were not looked at or not handed
   * on. Returns what stops it. Throws a SensorError (usage) when the filter is none.
   */
  watch(filter: CallFilter, onCalls: OnCalls, whole: boolean): () => void;
  /** Dead letters that fit, the oldest first. Throws a SensorError when no sink is configured, or the ship thread is away. */
  deadLetters(filter: LetterFilter): Promise<readonly LetterHead[]>;
  /** Puts their records back into the spool, for the sinks that refused them; says how many. Throws the same. */
  replay(filter: LetterFilter): Promise<number>;
}

export type OnCalls = (calls: readonly CallLine[], skipped: number) => void;

export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error'];

/** Bytes of a request line. */
export const REQUEST_BYTES_MAX = 65_536;
/**
 * Bytes of an answer line that a client takes. A report is less than half of that with 31 pipelines of RULES_SHOWN_MAX
 * rules (those beyond it are summed), all counters that there can be, 64 workers, 1,000 interfaces and 500 sinks, every
 * one of them blocked with 1,000 characters to say so. So is a list of LETTERS_SHOWN_MAX dead letters (answer-size.test.ts).
 */
export const ANSWER_BYTES_MAX: number = 16 << 20;

export type ControlRequest =
  | { readonly command: 'who' }
  | { readonly command: 'report' }
  | { readonly command: 'reload' }
  | { readonly command: 'log-level'; readonly level: LogLevel }
  | { readonly command: 'dead-letters'; readonly filter?: LetterFilter }
  | { readonly command: 'replay'; readonly filter?: LetterFilter }
  | { readonly command: 'watch'; readonly filter?: CallFilter; readonly whole?: boolean };

export type ControlErrorCode =
  /** Longer than REQUEST_BYTES_MAX. */
  | 'request-too-long'
  /** No JSON, no known command, or a wrong argument. */
  | 'request-invalid'
  /** The sensor could not do it. */
  | 'failed'
  /** As many connections as there may be. */
  | 'busy';

export interface ControlError {
  readonly code: ControlErrorCode;
  /** What is wrong, as a clause. */
  readonly what: string;
  /** What to do, as a sentence. */
  readonly next: string;
}

export interface Who {
  readonly pid: number;
  readonly version: string;
}

export type ControlAnswer =
  | { readonly who: Who }
  | { readonly report: SensorReport }
  | { readonly reload: { readonly ok: boolean; readonly text: string } }
  | { readonly logLevel: LogLevel }
  | { readonly deadLetters: readonly LetterHead[] }
  | { readonly replayed: number }
  | { readonly watching: true }
  | { readonly calls: readonly CallLine[]; readonly skipped: number }
  | { readonly error: ControlError };
