/** Where a capture of HTTP/2 may begin in the middle, and which calls must be found then. */
import type { Joint, Segments } from './http2-judge.ts';
import type { Http2Truth, StreamTruth } from './http2-truth.ts';

/** Of a head that the first segment behind the joint cuts, fewer bytes than this do not tell what they are. */
const TELLING_BYTES = 40;

/** Every frame boundary of both directions. */
export function frameBoundaries(truth: Http2Truth): Joint[] {
  return [false, true].flatMap((fromServer) => truth.frames[fromServer ? 1 : 0].map(({ at }): Joint => ({ fromServer, offset: at })));
}

/** Places inside of frames: in the header, in the first bytes behind it, in the middle. */
export function insideFrames(truth: Http2Truth): Joint[] {
  return [false, true].flatMap((fromServer) =>
    truth.frames[fromServer ? 1 : 0].flatMap(({ at, end }): Joint[] =>
      [at + 4, at + 11, (at + end) >> 1].filter((offset) => offset < end).map((offset) => ({ fromServer, offset })),
    ),
  );
}

/** Calls whose request begins behind the joint; those that the first segment cuts too early to be told stand apart. */
export function begunAfter(
  { streams }: Http2Truth,
  segments: Segments,
  { fromServer, offset }: Joint,
): { readonly must: readonly StreamTruth[]; readonly cut: readonly StreamTruth[] } {
  const joint = segments.placeOf(fromServer, offset);
  const must: StreamTruth[] = [];
  const cut: StreamTruth[] = [];
  for (const s of streams) {
    if (s.request === null) continue;
    const { at } = s.request;
    const place = segments.placeOf(s.isPromised, at);
    if (place > joint) must.push(s);
    else if (s.isPromised === fromServer && at >= offset) {
      const isCut = segments.placeOf(fromServer, Math.min(at + TELLING_BYTES, s.request.headEnd - 1)) !== joint;
      (isCut ? cut : must).push(s);
    }
  }
  return { must, cut };
}
