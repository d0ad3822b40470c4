/**
 * Where a record goes, as the word beside it in a frame (policy/masked-call.ts).
 *
 *   0ppppppp pppppppp pppppppp pppppppp   a bit for each pipeline: to every sink of these pipelines
 *   1hhhhhhh hhhhhhhh hhhhhhhh hhhhhhhh   to one sink only, by a hash of its name: a dead letter that is sent again
 *
 * A hash of the name, not a number: the order of the sinks may change between two runs, and what is in the spool stays.
 */
const ONE_SINK = 1 << 31;
/** The word of a record that is for every sink that has a pipeline. */
export const ALL_PIPELINES = 0x7fffffff;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** What a sink takes. */
export interface Routes {
  /** Bits of its pipelines. */
  readonly pipelines: number;
  /** Word of the records that are for it alone: `routesToSink` of its name. */
  readonly toSink: number;
}

/** The word of a record that is for that sink only: FNV-1a of its name. Two names of one configuration must differ in it. */
export function routesToSink(name: string): number {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash | ONE_SINK;
}

export function routesOf(name: string, pipelines: number): Routes {
  return { pipelines, toSink: routesToSink(name) };
}

export function goesTo(routes: number, to: Routes): boolean {
  return routes < 0 ? routes === to.toSink : (routes & to.pipelines) !== 0;
}
