/**
 * Records of a connection of HTTP/2 of which packets are missing, beside the truth: each record must be of one stream, by the
 * times of its heads, and what it says must be so. Unknown is allowed where the record says so; wrong is not.
 */
import { http2CallWeirds } from '../../src/http/http2-weirds.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { type End, everyBytes, type Part, partsOf, type Turn, wires } from './conversation.ts';
import type { Field, Http2Truth, SideTruth2, StreamTruth } from './http2-truth.ts';
import { START_US, type Wire } from './run-pipeline.ts';

const STEP_US = 100;
const STARTS = [1000, 5000] as const;

/** The segments of a connection, and when each byte of it comes. */
export class Segments {
  readonly parts: readonly Part[];
  readonly packets: readonly Wire[];
  /** By direction: offsets at which segments begin, and their places. */
  readonly #starts: readonly [number[], number[]] = [[], []];
  readonly #places: readonly [number[], number[]] = [[], []];

  constructor(turns: readonly Turn[], segmentBytes: number, end: End) {
    this.parts = partsOf({ turns, calls: [], end }, everyBytes(segmentBytes), ...STARTS);
    this.packets = wires(this.parts, {}, STEP_US);
    for (const [i, { fromServer, sequence, payload }] of this.parts.entries()) {
      const me = fromServer ? 1 : 0;
      if (payload.length === 0) continue;
      this.#starts[me].push(sequence - STARTS[me] - 1);
      this.#places[me].push(i);
    }
  }

  /** Place of the segment that holds a byte. */
  placeOf(fromServer: boolean, offset: number): number {
    const starts = this.#starts[fromServer ? 1 : 0];
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= offset) low = middle;
      else high = middle;
    }
    return this.#places[fromServer ? 1 : 0][low];
  }

  timeOf(fromServer: boolean, offset: number): number {
    return START_US + this.placeOf(fromServer, offset) * STEP_US;
  }

  /** What is left when the capture begins with that byte. */
  from(fromServer: boolean, offset: number): Wire[] {
    const place = this.placeOf(fromServer, offset);
    const part = this.parts[place];
    const skipped = offset - (part.sequence - STARTS[fromServer ? 1 : 0] - 1);
    const first = { ...part, sequence: part.sequence + skipped, payload: part.payload.subarray(skipped) };
    const [packet] = wires([first]);
    return [{ ...packet, timeUs: this.packets[place].timeUs }, ...this.packets.slice(place + 1)];
  }
}

export interface Verdict {
  readonly faults: readonly string[];
  readonly reported: ReadonlyMap<StreamTruth, ApiCall>;
  /** Header fields of both sides of some streams, with method, target and status, and how many of them the records have. */
  readonly fieldsKnownOf: (some: readonly StreamTruth[]) => { readonly fields: number; readonly known: number };
  /** Whether everything of a stream is known. */
  readonly isWhole: (s: StreamTruth) => boolean;
}

type Side = NonNullable<ApiCall['request']> | NonNullable<ApiCall['response']>;

/** Whether `fields` are some of `wanted`, in that order. */
function areSome(fields: readonly Field[], wanted: readonly Field[]): boolean {
  let next = 0;
  for (const [name, value] of fields) {
    while (next < wanted.length && (wanted[next][0] !== name || wanted[next][1] !== value)) next++;
    if (next++ === wanted.length) return false;
  }
  return true;
}

const areSame = (fields: readonly Field[], wanted: readonly Field[]): boolean => fields.length === wanted.length && areSome(fields, wanted);

const shown = (fields: readonly Field[]): string => JSON.stringify(fields).slice(0, 2000);

/** `isTold`: the body is kept as it was sent. */
function sideFaults(name: string, side: Side, truth: SideTruth2, isComplete: boolean, isTold: boolean): string[] {
  const faults: string[] = [];
  const incomplete = side.headersIncomplete === true;
  const fits = incomplete ? areSome : areSame;
  if (!fits(side.headers, truth.headers)) faults.push(`${name} headers ${shown(side.headers)} of ${shown(truth.headers)}`);
  const trailers = side.trailers ?? [];
  const trailersFit = incomplete || !isComplete ? areSome : areSame;
  if (!trailersFit(trailers, truth.trailers)) faults.push(`${name} trailers ${shown(trailers)} of ${shown(truth.trailers)}`);
  const { body } = side;
  if (body.bytes > truth.body.length) faults.push(`${name} body of ${body.bytes} bytes, not ${truth.body.length}`);
  if (isComplete && body.bytes !== truth.body.length) faults.push(`complete, and ${name} body of ${body.bytes}, not ${truth.body.length}`);
  const kept = body.text !== undefined ? Buffer.from(body.text) : Buffer.from(body.base64 ?? '', 'base64');
  if (isTold && body.decoded === undefined && !truth.body.subarray(0, kept.length).equals(kept))
    faults.push(`${name} body does not begin so`);
  return faults;
}

/** What is wrong with a record, should it be of that stream. */
function faultsOf(record: ApiCall, truth: StreamTruth): string[] {
  const faults: string[] = [];
  const { request, response, complete } = record;
  // Messages of gRPC are shown as JSON.
  const isTold = !('grpc' in record);
  if (request !== null) {
    if (truth.request === null) return ['there was no such request'];
    const known = request.headersIncomplete !== true;
    for (const [is, wanted] of [
      [request.method, truth.request.method],
      [request.target, truth.request.target],
    ])
      if (is !== wanted && (known || is !== '')) faults.push(`${is} is not ${wanted}`);
    faults.push(...sideFaults('request', request, truth.request, complete, isTold));
  }
  if (response !== null) {
    if (truth.response === null) return ['there was no such response'];
    const known = response.headersIncomplete !== true;
    if (response.status !== truth.response.status && (known || response.status !== null))
      faults.push(`status ${response.status} is not ${truth.response.status}`);
    faults.push(...sideFaults('response', response, truth.response, complete, isTold));
  }
  if (complete && (request === null || response === null)) faults.push('complete, with one side only');
  if (complete && truth.wasReset && !truth.response?.isOver) faults.push('complete, and it was reset');
  // Peers that are not ours send nothing malformed, whatever is lost of it.
  for (const name of http2CallWeirds) if (record.weirds?.includes(name)) faults.push(`said to be ${name}`);
  return faults;
}

const fieldsIn = (side: SideTruth2 | null, own: number): number => (side === null ? 0 : side.headers.length + side.trailers.length + own);

const wantedOf = ({ request, response }: StreamTruth): number => fieldsIn(request, 2) + fieldsIn(response, 1);

function knownOf(record: ApiCall | undefined): number {
  if (record === undefined) return 0;
  const { request, response } = record;
  let known = 0;
  if (request !== null) {
    known += request.headers.length + (request.trailers?.length ?? 0);
    known += (request.method === '' ? 0 : 1) + (request.target === '' ? 0 : 1);
  }
  if (response !== null) known += response.headers.length + (response.trailers?.length ?? 0) + (response.status === null ? 0 : 1);
  return known;
}

/** A side of which the head was missed. */
function isHeadless(side: Side): boolean {
  const isBlank = 'status' in side ? side.status === null : side.method === '' && side.target === '';
  return side.headersIncomplete === true && side.headers.length === 0 && isBlank;
}

/** Where a capture begins in the middle. */
export interface Joint {
  readonly fromServer: boolean;
  readonly offset: number;
}

export interface JudgeOptions {
  /** Only what is behind it was replayed. */
  readonly joint?: Joint;
  /** What is behind a hole is read late. */
  readonly isDelayed?: boolean;
  /** Streams that a record is rather of than of others. */
  readonly first?: ReadonlySet<StreamTruth>;
}

/** The records of `truth`. */
export function judge(
  records: readonly ApiCall[],
  truth: Http2Truth,
  segments: Segments,
  { joint, isDelayed = false, first }: JudgeOptions = {},
): Verdict {
  const { streams } = truth;
  const seen = (fromServer: boolean, offset: number): number =>
    joint !== undefined && fromServer === joint.fromServer && offset < joint.offset ? Number.NaN : segments.timeOf(fromServer, offset);
  /** When frames of a stream begin, by direction. */
  const frames = [new Map<number, Set<number>>(), new Map<number, Set<number>>()];
  for (const fromServer of [false, true]) {
    const own = frames[fromServer ? 1 : 0];
    for (const { stream, at } of truth.frames[fromServer ? 1 : 0]) {
      const times = own.get(stream) ?? new Set();
      own.set(stream, times.add(seen(fromServer, at)));
    }
  }
  const faults: string[] = [];
  const reported = new Map<StreamTruth, ApiCall>();
  const times = streams.map((s) => ({
    s,
    asked: s.request === null ? Number.NaN : seen(s.isPromised, s.request.at),
    answered: s.response === null ? Number.NaN : seen(true, s.response.at),
  }));
  const fitsTime = (side: Side | null, head: number, stream: number, fromServer: boolean): boolean =>
    side === null ||
    side.firstByteUs === head ||
    (isDelayed && side.firstByteUs > head) ||
    (isHeadless(side) && frames[fromServer ? 1 : 0].get(stream)?.has(side.firstByteUs) === true);
  // Records that fit several streams make room for those that fit one (augmenting paths).
  const fits = new Map<ApiCall, readonly StreamTruth[]>();
  const taken = new Set<ApiCall>();
  const take = (record: ApiCall, among: (s: StreamTruth) => boolean, tried = new Set<StreamTruth>()): boolean => {
    for (const s of fits.get(record) ?? []) {
      if (tried.has(s) || !among(s)) continue;
      tried.add(s);
      const other = reported.get(s);
      if (other !== undefined && !take(other, among, tried)) continue;
      reported.set(s, record);
      taken.add(record);
      return true;
    }
    return false;
  };
  for (const record of records) {
    const { request, response } = record;
    const may = times.filter(
      ({ s, asked, answered }) => fitsTime(request, asked, s.stream, false) && fitsTime(response, answered, s.stream, true),
    );
    const text = (): string => JSON.stringify(record).slice(0, 1500);
    if (may.length === 0) {
      faults.push(`no stream has heads at these times: ${text()}`);
      continue;
    }
    const judged = may.map(({ s }) => ({ s, wrong: faultsOf(record, s) })).sort((a, b) => a.wrong.length - b.wrong.length);
    if (judged[0].wrong.length > 0) faults.push(`stream ${judged[0].s.stream}: ${judged[0].wrong.join('; ')}\n  ${text()}`);
    else {
      fits.set(
        record,
        judged.filter(({ wrong }) => wrong.length === 0).map(({ s }) => s),
      );
    }
  }
  if (first !== undefined) for (const record of fits.keys()) take(record, (s) => first.has(s));
  for (const [record, right] of fits) {
    if (taken.has(record) || take(record, () => true)) continue;
    faults.push(`stream ${right[0].stream} twice: ${JSON.stringify(record).slice(0, 1500)}`);
  }
  const isWhole = (s: StreamTruth): boolean => {
    const record = reported.get(s);
    if (record === undefined || knownOf(record) !== wantedOf(s)) return false;
    return record.complete || (s.wasReset && record.causes?.join() === 'reset');
  };
  const fieldsKnownOf = (some: readonly StreamTruth[]): { fields: number; known: number } => ({
    fields: some.reduce((n, s) => n + wantedOf(s), 0),
    known: some.reduce((n, s) => n + knownOf(reported.get(s)), 0),
  });
  return { faults, reported, fieldsKnownOf, isWhole };
}
