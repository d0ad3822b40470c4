/** What every format is: the shape that format.ts lists by name and that the encoders beside it have. */
import type { Settings } from '../../base/settings.ts';
import type { ApiCall } from '../../normalise/api-call.ts';

export const formatNames = ['jsonl', 'uap-edge', 'zeek-http', 'zeek-json', 'har', 'ecs'] as const;
export type FormatName = (typeof formatNames)[number];

/** What an output is opened with. */
export interface FormatContext {
  readonly settings: Settings;
  /** Version of Earshot. */
  readonly version: string;
  /** Wall clock, milliseconds since the epoch: for formats that note when an output was opened and closed. */
  readonly now: () => number;
  /** Pipelines whose calls it holds; left out where there are none. */
  readonly pipelines?: readonly string[];
}

export interface Format {
  readonly name: FormatName;
  /** Media type of the whole output (RFC 6838). */
  readonly mediaType: string;
  /** What stands before the first record. */
  begin(context: FormatContext): string;
  /** One record; `index` counts the records of this output from 0. */
  record(call: ApiCall, index: number): string;
  /** What stands behind the last record. */
  end(): string;
}
