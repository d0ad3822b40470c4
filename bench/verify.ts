/**
 * Verify: the records of a run (JSON lines of ApiCall, bodies kept to 4096 bytes) against the truth of a
 * generated capture.
 *
 *   node bench/verify.ts TRUTH [RECORDS]      records from standard input when there is no file; exit code 1 on a failure
 *
 * A capture without loss: every call found once, every field right, nothing else reported.
 * With loss: of the calls whose heads are wholly in the capture, at least 99.5 % found; of those with one whole head
 * at least 99.5 % reported at all; nothing wrong, nothing invented, every hole flagged, every incomplete
 * record with its cause.
 */
import fs from 'node:fs';
import type { Readable } from 'node:stream';
import type { ApiCall } from '../src/normalise/api-call.ts';
import { fingerprint, fingerprintHeaders } from '../test/support/fingerprint.ts';
import { isHttp2, type TrafficOptions } from '../test/support/traffic-options.ts';
import { type CallTruth, KEPT_BYTES_MAX, type LostBytes, readTruth, type SideTruth, TX_DIGITS } from '../test/support/truth.ts';

/** Share of the calls with whole heads that must be found although packets were lost. */
const FOUND_SHARE_MIN = 0.995;
const EXAMPLES_MAX = 8;
const NOTHING_LOST: LostBytes = { requestHead: 0, requestBody: 0, responseHead: 0, responseBody: 0 };
const TARGET_TX = new RegExp(`[?&]tx=(\\d{${TX_DIGITS}})$`);
const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-([0-9a-f]{12})$/;

export interface Verdict {
  /** Calls in the truth. */
  readonly generated: number;
  /** Records read. */
  readonly records: number;
  /** Calls with a record of request and response in which everything that was captured is right. */
  readonly found: number;
  /** Calls whose heads are both wholly in the capture, and how many of those were found. */
  readonly headsWhole: number;
  readonly headsWholeFound: number;
  /** Calls with at least one whole head that no record speaks of. */
  readonly unaccounted: number;
  /** Records that are no call of the truth. */
  readonly invented: number;
  /** Records of a side of a call that an earlier record had already. */
  readonly repeated: number;
  /** Records with something wrong, and what was wrong how often. */
  readonly wrong: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Records of calls of which bytes were lost, and those among them that do not say so. */
  readonly holes: number;
  readonly holesUnflagged: number;
  /** Incomplete records whose call could not be told because its head was lost. */
  readonly unattributed: number;
  /** Records that say they are incomplete although all bytes of their call are in the capture. */
  readonly doubted: number;
  /** The first faults, one line each. */
  readonly examples: readonly string[];
  readonly ok: boolean;
}

/** Takes records one by one. */
export class Verifier {
  private readonly calls: readonly CallTruth[];
  private readonly byTx = new Map<number, CallTruth>();
  /** Packet times are those of sending. */
  private readonly inOrder: boolean;
  private readonly lossless: boolean;
  private readonly version: string;
  private readonly requestSeen = new Set<number>();
  private readonly responseSeen = new Set<number>();
  private readonly foundTx = new Set<number>();
  private readonly faults: Record<string, number> = {};
  private readonly examples: string[] = [];
  private readonly tally = { records: 0, invented: 0, repeated: 0, wrong: 0, holes: 0, holesUnflagged: 0, unattributed: 0, doubted: 0 };

  constructor(calls: readonly CallTruth[], options: TrafficOptions) {
    this.calls = calls;
    for (const call of calls) this.byTx.set(call.tx, call);
    this.lossless = options.lossRate === 0;
    this.version = isHttp2(options.kind) ? '2' : '1.1';
    this.inOrder = this.lossless && options.reorderRate === 0 && options.duplicateRate === 0 && !options.mirroredTwice;
  }

  /** One line of output. */
  line(text: string): void {
    this.tally.records++;
    let record: ApiCall;
    try {
      record = JSON.parse(text) as ApiCall;
    } catch {
      this.blame(['no JSON'], text.slice(0, 100));
      return;
    }
    const tx = txOf(record);
    const truth = tx === undefined ? undefined : this.byTx.get(tx);
    if (truth === undefined) {
      this.unknown(record, tx);
      return;
    }
    const again =
      (record.request !== null && this.requestSeen.has(truth.tx)) || (record.response !== null && this.responseSeen.has(truth.tx));
    if (record.request !== null) this.requestSeen.add(truth.tx);
    if (record.response !== null) this.responseSeen.add(truth.tx);
    if (again) {
      this.tally.repeated++;
      this.example('repeated', record.id);
      return;
    }
    const faults = this.check(record, truth);
    if (faults.length > 0) this.blame(faults, `${record.id} tx=${truth.tx}`);
    else if (record.request !== null && record.response !== null) this.foundTx.add(truth.tx);
  }

  result(): Verdict {
    let headsWhole = 0;
    let headsWholeFound = 0;
    let someHead = 0;
    let unaccounted = 0;
    for (const { tx, lost } of this.calls) {
      const mirrors = lost.length === 0 ? [NOTHING_LOST] : lost;
      if (mirrors.some((l) => l.requestHead === 0 && l.responseHead === 0)) {
        headsWhole++;
        if (this.foundTx.has(tx)) headsWholeFound++;
      }
      if (mirrors.some((l) => l.requestHead === 0 || l.responseHead === 0)) {
        someHead++;
        if (!this.requestSeen.has(tx) && !this.responseSeen.has(tx)) unaccounted++;
      }
    }
    const { tally } = this;
    const generated = this.calls.length;
    const found = this.foundTx.size;
    const nothingWrong = tally.wrong + tally.invented + tally.repeated + tally.holesUnflagged === 0;
    // What cannot be told must at least be no more than what lost a head (request and response may come apart).
    const explained = tally.unattributed <= 2 * (generated - headsWhole);
    const enough = this.lossless
      ? found === generated
      : headsWholeFound >= FOUND_SHARE_MIN * headsWhole && unaccounted <= (1 - FOUND_SHARE_MIN) * someHead && explained;
    const { faults, examples } = this;
    return { generated, found, headsWhole, headsWholeFound, unaccounted, ...tally, faults, examples, ok: nothingWrong && enough };
  }

  /** What is wrong with the record of a call; empty when nothing is. */
  private check(record: ApiCall, truth: CallTruth): string[] {
    const faults: string[] = [];
    const expect = (what: string, right: boolean): void => {
      if (!right) faults.push(what);
    };
    const { request, response } = record;
    const mirror = truth.vnis.length === 0 ? 0 : truth.vnis.indexOf(record.encapsulation.at(-1)?.vni ?? -1);
    expect('encapsulation', mirror >= 0 && record.encapsulation.length === (truth.vnis.length === 0 ? 0 : 1));
    const lost = truth.lost[mirror] ?? NOTHING_LOST;
    expect('client', record.client.address === truth.client && record.client.port === truth.clientPort);
    expect('server', record.server.address === truth.server && record.server.port === truth.serverPort);
    expect('scheme', record.scheme === 'http');
    if (this.lossless) expect('depth', record.connection.depth === truth.depth);
    if (request !== null && lost.requestHead === 0) {
      expect('method', request.method === truth.method);
      expect('target', request.target === truth.target);
      expect('path', request.target === (request.query === undefined ? request.path : `${request.path}?${request.query}`));
      expect('host', record.host === request.headers.find(([name]) => name.toLowerCase() === 'host')?.[1].toLowerCase());
      expect('version', request.version === this.version);
      expect('request headers', fingerprintHeaders(request.headers) === truth.request.headers);
      if (lost.requestBody === 0) checkBody(request, truth.request, 'request', expect);
    }
    if (response !== null) {
      const answered = requestIdTx(response.headers);
      expect('pairing', answered === undefined || answered === truth.tx);
      if (lost.responseHead === 0) {
        expect('status', response.status === truth.status);
        expect('version', response.version === this.version);
        expect('response headers', fingerprintHeaders(response.headers) === truth.response.headers);
        // Without its request nobody can tell that a response has no body because it answers HEAD.
        if (lost.responseBody === 0 && (request !== null || truth.method !== 'HEAD'))
          checkBody(response, truth.response, 'response', expect);
      }
    }
    if (this.inOrder && request !== null && response !== null) {
      const [start, sent, answer, end] = truth.timesUs;
      expect('request time', request.firstByteUs === start && request.lastByteUs === sent);
      expect('response time', response.firstByteUs === answer && response.lastByteUs === end);
      expect('latency', record.latencyUs === answer - sent && record.durationUs === end - start);
    }
    this.checkComplete(record, lost, expect);
    return faults;
  }

  private checkComplete(record: ApiCall, lost: LostBytes, expect: (what: string, right: boolean) => void): void {
    const { tally } = this;
    const { complete, request, response } = record;
    if (!complete) expect('no cause', (record.causes?.length ?? 0) > 0);
    if (lost.requestHead + lost.requestBody + lost.responseHead + lost.responseBody > 0) {
      tally.holes++;
      const inBodies = lost.requestHead + lost.responseHead === 0;
      const requestSaid = lost.requestBody === 0 || request?.body.gapBytes !== undefined;
      const responseSaid = lost.responseBody === 0 || response?.body.gapBytes !== undefined;
      if (!complete || (inBodies && requestSaid && responseSaid)) return;
      tally.holesUnflagged++;
      this.example('hole not flagged', record.id);
      return;
    }
    if (complete) expect('completeness', request !== null && response !== null && record.causes === undefined);
    else if (this.lossless) expect('completeness', false);
    else tally.doubted++;
  }

  /** A record that names no call of the truth. */
  private unknown(record: ApiCall, tx: number | undefined): void {
    const headLost = tx === undefined && !record.complete && !this.lossless;
    if (headLost) {
      this.tally.unattributed++;
      if ((record.causes?.length ?? 0) === 0) this.blame(['no cause'], record.id);
    } else {
      this.tally.invented++;
      this.example('invented', `${record.id} ${record.request?.method} ${record.request?.target} ${record.response?.status}`);
    }
  }

  private blame(faults: readonly string[], where: string): void {
    this.tally.wrong++;
    for (const fault of faults) this.faults[fault] = (this.faults[fault] ?? 0) + 1;
    this.example(`wrong ${faults.join(', ')}`, where);
  }

  private example(what: string, where: string): void {
    if (this.examples.length < EXAMPLES_MAX) this.examples.push(`${what}: ${where}`);
  }
}

type Side = NonNullable<ApiCall['request']> | NonNullable<ApiCall['response']>;

function checkBody(side: Side, truth: SideTruth, name: string, expect: (what: string, right: boolean) => void): void {
  const { body } = side;
  const kept = body.text !== undefined ? Buffer.from(body.text, 'utf8') : Buffer.from(body.base64 ?? '', 'base64');
  expect(`${name} trailers`, (side.trailers === undefined ? 0 : fingerprintHeaders(side.trailers)) === truth.trailers);
  expect(`${name} body length`, body.bytes === truth.bodyBytes);
  // What is kept may end with a character that the cut divided.
  const lengthRight = kept.length === body.kept && body.kept >= truth.kept && body.kept <= (truth.cut ? KEPT_BYTES_MAX : truth.kept);
  expect(`${name} body`, lengthRight && fingerprint(kept, 0, truth.kept) === truth.keptPrint);
  expect(`${name} body cut`, (body.cut === true) === truth.cut);
  expect(`${name} body gap`, body.gapBytes === undefined);
}

/** Number of the call that a record speaks of, as far as it can be told. */
function txOf(record: ApiCall): number | undefined {
  if (record.request !== null) {
    // The path of a call of gRPC has no query.
    if (record.request.version === '2') return requestIdTx(record.request.headers);
    const match = TARGET_TX.exec(record.request.target);
    return match === null ? undefined : Number(match[1]);
  }
  return record.response === null ? undefined : requestIdTx(record.response.headers);
}

function requestIdTx(headers: readonly (readonly [string, string])[]): number | undefined {
  const match = REQUEST_ID.exec(headers.find(([name]) => name.toLowerCase() === 'x-request-id')?.[1] ?? '');
  return match === null ? undefined : Number.parseInt(match[1], 16);
}

/** Feeds every line of a stream to the verifier. */
export async function verifyStream(stream: Readable, verifier: Verifier): Promise<void> {
  let rest: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let at = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
      const tail = chunk.subarray(at, end);
      verifier.line((rest.length === 0 ? tail : Buffer.concat([...rest, tail])).toString('utf8'));
      rest = [];
      at = end + 1;
    }
    if (at < chunk.length) rest.push(chunk.subarray(at));
  }
  if (rest.length > 0) verifier.line(Buffer.concat(rest).toString('utf8'));
}

/** The verdict as lines of text. */
export function verdictText(verdict: Verdict): string {
  const share = (part: number, whole: number): string => (whole === 0 ? '' : ` (${((100 * part) / whole).toFixed(3)} %)`);
  const rows: [string, string][] = [
    ['calls generated', String(verdict.generated)],
    ['records', String(verdict.records)],
    ['found, all right', `${verdict.found}${share(verdict.found, verdict.generated)}`],
    ['heads wholly captured', String(verdict.headsWhole)],
    ['found of those', `${verdict.headsWholeFound}${share(verdict.headsWholeFound, verdict.headsWhole)}`],
    ['not accounted for', String(verdict.unaccounted)],
    ['invented', String(verdict.invented)],
    ['repeated', String(verdict.repeated)],
    ['wrong', String(verdict.wrong)],
    ...Object.entries(verdict.faults).map(([fault, n]): [string, string] => [`  ${fault}`, String(n)]),
    ['with holes', String(verdict.holes)],
    ['holes not flagged', String(verdict.holesUnflagged)],
    ['whole but called incomplete', String(verdict.doubted)],
    ['call not to be told', String(verdict.unattributed)],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(28)} ${value}`);
  return [...lines, ...verdict.examples.map((e) => `  ${e}`), verdict.ok ? 'ok' : 'FAILED'].join('\n');
}

if (import.meta.main) {
  const [truthPath, recordsPath] = process.argv.slice(2);
  if (truthPath === undefined) {
    process.stderr.write('usage: node bench/verify.ts TRUTH [RECORDS]\n');
    process.exit(2);
  }
  const { options, calls } = readTruth(truthPath);
  const verifier = new Verifier(calls, options);
  await verifyStream(recordsPath === undefined ? process.stdin : fs.createReadStream(recordsPath), verifier);
  const verdict = verifier.result();
  process.stdout.write(`${verdictText(verdict)}\n`);
  process.exitCode = verdict.ok ? 0 : 1;
}
