/** Random loss of segments, and what is left of each stream. */
import type { Segments } from './http2-judge.ts';
import type { FrameTruth, Http2Truth, StreamTruth } from './http2-truth.ts';
import type { Random } from './random.ts';

const HANDSHAKE_PACKETS = 3;
const DATA = 0;
const HEADERS = 1;
const PUSH_PROMISE = 5;

export interface Left {
  /** By packet. */
  readonly keep: readonly boolean[];
  /**
   * Streams of which a whole frame of head or body was captured. The first DATA frame behind a hole does not count: where it begins,
   * nothing may tell.
   */
  readonly framed: ReadonlySet<StreamTruth>;
  /** Those, and behind them the streams of which any byte was. */
  readonly streams: readonly StreamTruth[];
}

/** Drops packets behind the handshake with that probability. */
export function loseSegments(truth: Http2Truth, segments: Segments, rate: number, random: Random): Left {
  const keep = segments.packets.map((_, i) => i < HANDSHAKE_PACKETS || !random.chance(rate));
  const framed = new Set<StreamTruth>();
  const touched = new Set<StreamTruth>();
  const byNumber = new Map(truth.streams.map((s) => [s.stream, s]));
  /** Whether the frame was captured whole. */
  const note = (frame: FrameTruth, fromServer: boolean, behindWhole: boolean): boolean => {
    const s = byNumber.get(frame.stream);
    const counts = frame.type === DATA || frame.type === HEADERS || frame.type === PUSH_PROMISE;
    let whole = true;
    for (let i = segments.placeOf(fromServer, frame.at); i <= segments.placeOf(fromServer, frame.end - 1); i++) {
      const { fromServer: isServers, payload } = segments.parts[i];
      if (isServers !== fromServer || payload.length === 0) continue;
      if (!keep[i]) whole = false;
      else if (s !== undefined && counts) touched.add(s);
    }
    if (whole && s !== undefined && counts && (behindWhole || frame.type !== DATA)) framed.add(s);
    return whole;
  };
  for (const fromServer of [false, true]) {
    let behindWhole = true;
    for (const frame of truth.frames[fromServer ? 1 : 0]) behindWhole = note(frame, fromServer, behindWhole);
  }
  // Promised streams have a head on another one, an upgraded one in HTTP/1.
  for (const s of truth.streams) if (s.isPromised || s.stream < 2) touched.add(s);
  return { keep, framed, streams: [...framed, ...[...touched].filter((s) => !framed.has(s))] };
}
