/**
 * Calls of pipelines that are gone, in segments that do not say whose they were, as those of earlier versions (segment.ts):
 * no sink gets them. The log says how many there are, and their segments are kept for a day, for whoever wants to take them
 * out by hand; quota and age let them go before.
 */
import { goesTo } from '../routes.ts';
import type { Timers } from '../timers.ts';
import type { Contents } from './contents.ts';
import type { SpoolLogger } from './logger.ts';
import type { Cursor } from './marks.ts';
import type { Segment } from './segment.ts';

/** As long as a cursor without its reader is kept. */
const KEPT_MS = 24 * 3_600_000;

/** At the start, when it is known what all segments hold. */
export function noteUnclaimed(
  contents: Contents,
  cursors: ReadonlyMap<string, Cursor>,
  { timers, log }: { readonly timers: Timers; readonly log: SpoolLogger },
): void {
  // What all have acked, also those that are not configured any more, is nobody's loss.
  const ackedSequence = cursors.size === 0 ? 0 : Math.min(...[...cursors.values()].map((cursor) => cursor.ackedSequence));
  const names = new Set<string>();
  let records = 0;
  for (const segment of contents.segments) {
    if (segment.sinks !== null || segment.lastSequence <= ackedSequence) continue;
    note(segment, contents.pipelines, names);
    records += segment.unclaimed;
    segment.keptUntilMs = timers.dateMs() + KEPT_MS;
  }
  if (records === 0) return;
  const next = 'take them out with earshot spool export within a day, then they go';
  log.warn('calls of pipelines that are no longer configured go to no sink', { pipelines: [...names], records, next });
}

function note(segment: Segment, pipelines: readonly string[], names: Set<string>): void {
  const table = segment.pipelines ?? [];
  for (const [word, { records }] of segment.tallies) {
    const gone = word < 0 ? [] : table.filter((name, bit) => (word & (1 << bit)) !== 0 && !pipelines.includes(name));
    if (gone.length === 0 || segment.routes.some((routes) => goesTo(word, routes))) continue;
    for (const name of gone) names.add(name);
    segment.unclaimed += records;
  }
}

/** Once a second: the day may be over. */
export function giveUpUnclaimed({ segments }: Contents, nowMs: number, log: SpoolLogger): void {
  for (const segment of segments) {
    if (segment.unclaimed === 0 || nowMs < segment.keptUntilMs) continue;
    log.warn('calls that go to no sink are removed', { segment: segment.name, records: segment.unclaimed });
    segment.unclaimed = 0;
  }
}
