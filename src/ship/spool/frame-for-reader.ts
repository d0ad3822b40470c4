/** A frame from the disk as a reader gets it: routes as they are now, and without what it has acked. */
import type { Frame } from '../record-source.ts';
import { goesTo } from '../routes.ts';
import type { ReaderBooks } from './books.ts';
import type { FrameContent } from './frame.ts';
import type { Segment } from './segment.ts';

/**
 * The same records with the routes as the pipelines are numbered now. One that a pipeline has sent to this reader, which
 * does not send there any more, is for this reader alone.
 */
export function mapped(
  content: FrameContent,
  segment: Segment,
  pipelines: readonly string[],
  { place, routes }: ReaderBooks,
): FrameContent {
  const table = segment.pipelines ?? [];
  const then = segment.routes[place];
  const isSame = table.length === pipelines.length && table.every((name, i) => name === pipelines[i]);
  if (isSame && then.pipelines === routes.pipelines) return content;
  const bits = table.map((name) => (pipelines.includes(name) ? 1 << pipelines.indexOf(name) : 0));
  const index = Int32Array.from(content.index);
  for (let i = 1; i < index.length; i += 2) {
    const word = index[i];
    // A word below 0 means one sink, by its name.
    if (word < 0) continue;
    let now = 0;
    for (let bit = 0; bit < bits.length; bit++) if ((word & (1 << bit)) !== 0) now |= bits[bit];
    index[i] = goesTo(word, then) && !goesTo(now, routes) ? routes.toSink : now;
  }
  return { bytes: content.bytes, index };
}

/** What is behind the first records, which are acked. */
export function withoutFirst({ bytes, index }: FrameContent, firstSequence: number, records: number, acceptedAtMs: number): Frame {
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
