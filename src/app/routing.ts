/**
 * Which pipelines a route bit means, and the change from one such table to the next.
 *
 *   worker:  record, routes by the table that it was routed under       [a, b]     0b11
 *   here:    the same record, routes by the table that holds now        [b, c]     0b01, and what a meant
 *
 * Batches that are on their way, and records that waited for a better copy, come after the tables were exchanged. Pipelines
 * are found again by their names. A record that a pipeline had routed to a sink, and that none of the new bits takes there,
 * still goes to that sink as long as there is one: by the word for one sink (ship/routes.ts), in a copy of its own where the record
 * goes to others too.
 */
import { INDEX_WORDS, type MaskedBatch, maskedBatch } from '../policy/masked-call.ts';
import { ALL_PIPELINES, routesToSink } from '../ship/routes.ts';

export interface RoutedPipeline {
  readonly name: string;
  readonly sinks: readonly string[];
}

export interface Routing {
  /** Counts the tables of one life of the sensor. */
  readonly number: number;
  /** By route bit. */
  readonly pipelines: readonly RoutedPipeline[];
  /** The sinks that there are. */
  readonly sinks: readonly string[];
}

/** What becomes of one word. */
interface Mapped {
  readonly routes: number;
  /** Words of the copies. */
  readonly copies: readonly number[];
}

/** Sinks that pipelines take records to, by the bits of a word. */
function sinksOf(pipelines: readonly RoutedPipeline[], routes: number): Set<string> {
  return new Set(pipelines.flatMap(({ sinks }, bit) => ((routes & (1 << bit)) === 0 ? [] : sinks)));
}

function mappedWord(word: number, from: Routing, to: Routing): Mapped {
  // For one sink by its name, or for everybody: these mean the same in every table.
  if (word < 0 || word === ALL_PIPELINES) return { routes: word, copies: [] };
  let routes = 0;
  for (const [bit, { name }] of to.pipelines.entries()) {
    const before = from.pipelines.findIndex((pipeline) => pipeline.name === name);
    if (before >= 0 && (word & (1 << before)) !== 0) routes |= 1 << bit;
  }
  const reached = sinksOf(to.pipelines, routes);
  const left = [...sinksOf(from.pipelines, word)].filter((sink) => to.sinks.includes(sink) && !reached.has(sink)).map(routesToSink);
  return routes === 0 && left.length > 0 ? { routes: left[0], copies: left.slice(1) } : { routes, copies: left };
}

export interface Rerouted {
  readonly batch: MaskedBatch;
  /** Records that are in it once more. */
  readonly copies: number;
}

/** The batch as the table `to` has it. */
export function reroute({ bytes, index }: MaskedBatch, from: Routing, to: Routing): Rerouted {
  const known = new Map<number, Mapped>();
  const words = Int32Array.from(index);
  const lines: Uint8Array[] = [bytes];
  const more: number[] = [];
  for (let i = 0, at = 0; i < index.length; i += INDEX_WORDS) {
    const length = index[i];
    const word = index[i + 1];
    let mapped = known.get(word);
    if (mapped === undefined) {
      mapped = mappedWord(word, from, to);
      known.set(word, mapped);
    }
    words[i + 1] = mapped.routes;
    for (const copy of mapped.copies) {
      lines.push(bytes.subarray(at, at + length));
      more.push(length, copy);
    }
    at += length;
  }
  if (more.length === 0) return { batch: maskedBatch(bytes, words), copies: 0 };
  const all = new Uint8Array(lines.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const line of lines) {
    all.set(line, at);
    at += line.length;
  }
  return { batch: maskedBatch(all, Int32Array.from([...words, ...more])), copies: more.length / INDEX_WORDS };
}

/** Sinks in both tables that a pipeline fed before and does not feed now, by its name. */
export function sinksThatLosePipelines(from: Routing, to: Routing): string[] {
  return to.sinks.filter((sink) => {
    const feeds = (pipelines: readonly RoutedPipeline[]): string[] =>
      pipelines.filter(({ sinks }) => sinks.includes(sink)).map(({ name }) => name);
    const now = feeds(to.pipelines);
    return from.sinks.includes(sink) && feeds(from.pipelines).some((name) => !now.includes(name));
  });
}
