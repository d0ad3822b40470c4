/**
 * Truth: what a generated capture holds, as JSON lines beside it: first its options, then one line a call, in no
 * order.
 */
import fs from 'node:fs';
import type { TrafficOptions } from './traffic-options.ts';

/** Decoded bytes of each body that the truth has a fingerprint of. */
export const KEPT_BYTES_MAX = 4096;
/** Decimal digits of the number of a call in its target. Fixed, so that a cut target names no other call. */
export const TX_DIGITS = 9;

/** One side of a call. Fingerprints are those of fingerprint.ts. */
export interface SideTruth {
  /** Of all header fields in order (`fingerprintHeaders`). */
  readonly headers: number;
  /** Of the trailer fields; 0 when there are none. */
  readonly trailers: number;
  /** Bytes of the body without its transfer-coding (but with its content-coding). */
  readonly bodyBytes: number;
  /** Decoded bytes that `keptPrint` covers: all up to KEPT_BYTES_MAX, less when that would cut a UTF-8 character. */
  readonly kept: number;
  readonly keptPrint: number;
  /** The decoded body is longer than KEPT_BYTES_MAX. */
  readonly cut: boolean;
}

/** Bytes of a call on the wire that are in no packet of the capture. */
export interface LostBytes {
  requestHead: number;
  requestBody: number;
  responseHead: number;
  responseBody: number;
}

export interface CallTruth {
  /** Number of the call, from 1; it stands in the target as `tx=` and ends both sides' X-Request-Id. */
  readonly tx: number;
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  /** VNIs under which its packets are seen, one a mirror; empty without VXLAN. */
  readonly vnis: readonly number[];
  /** Place on its connection, from 1. */
  readonly depth: number;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly request: SideTruth;
  readonly response: SideTruth;
  /** Packet time of the first and last byte of the request, then of the response, microseconds; as sent, not as reordered. */
  readonly timesUs: readonly [number, number, number, number];
  /** One entry a mirror, in the order of `vnis`; empty when nothing of the call was lost. */
  readonly lost: readonly LostBytes[];
}

const LINES_HELD = 4096;

/** Writes truth files; without a path it keeps the calls in `calls`. */
export class TruthWriter {
  readonly calls: CallTruth[] = [];
  private readonly file: number;
  private lines: string[] = [];

  constructor(options: TrafficOptions, path?: string) {
    this.file = path === undefined ? -1 : fs.openSync(path, 'w');
    this.lines.push(JSON.stringify(options));
  }

  add(call: CallTruth): void {
    if (this.file < 0) {
      this.calls.push(call);
      return;
    }
    this.lines.push(JSON.stringify(call));
    if (this.lines.length >= LINES_HELD) this.flush();
  }

  close(): void {
    if (this.file < 0) return;
    this.flush();
    fs.closeSync(this.file);
  }

  private flush(): void {
    if (this.lines.length > 0) fs.writeFileSync(this.file, `${this.lines.join('\n')}\n`);
    this.lines = [];
  }
}

/** The options and the calls of a truth file. */
export function readTruth(path: string): { options: TrafficOptions; calls: CallTruth[] } {
  const [options, ...calls] = jsonLines(path);
  return { options: options as TrafficOptions, calls: calls as CallTruth[] };
}

/** The values of a file of JSON lines, read in pieces. */
function* jsonLines(path: string): Generator<unknown> {
  const file = fs.openSync(path, 'r');
  try {
    const piece = Buffer.allocUnsafe(1 << 20);
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      const got = fs.readSync(file, piece, 0, piece.length, null);
      if (got === 0) break;
      const bytes = Buffer.concat([rest, piece.subarray(0, got)]);
      let at = 0;
      for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
        yield JSON.parse(bytes.toString('utf8', at, end));
        at = end + 1;
      }
      rest = bytes.subarray(at);
    }
  } finally {
    fs.closeSync(file);
  }
}
