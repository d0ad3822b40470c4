/**
 * Records out: finished calls become records in the output region of the arena and leave it in large writes.
 *
 *   call -> port filter -> duplicates -> encode -> (format) -> file descriptor
 */
import { bytes, outputRegion } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import { C_FLOW, CALL_SHIFT, calls } from '../http/transaction.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { DUPLICATE, judge, nextDue, park, resetDuplicates, WAIT } from '../normalise/duplicates.ts';
import { encodeCall, RECORD_BYTES_MAX, resetEncoder } from '../normalise/encode.ts';
import type { Format } from '../ship/formats/format.ts';
import { writeBytes } from './output.ts';

const B = bytes;
const C = counts;
const K = calls;
const R = rows;
const T_WRITTEN = counter('calls.written');
const T_FILTERED = counter('calls.filtered{port}');
const OUT_BYTES = counter('output.bytes');
const FLUSH_BYTES = 256 << 10;

const START = outputRegion.at;

export class RecordWriter {
  readonly #fd: number;
  readonly #format: Format | null;
  readonly #ports: Uint8Array | null;
  #at = START;
  #records = 0;

  /** `format` null writes the canonical record as it is; `ports` empty lets every call pass; `fd` -1 writes nothing. */
  constructor(settings: Settings, epoch: string, fd: number, format: Format | null, ports: readonly number[]) {
    this.#fd = fd;
    this.#format = format;
    this.#ports = null;
    if (ports.length > 0) {
      this.#ports = new Uint8Array(65536);
      for (const port of ports) this.#ports[port] = 1;
    }
    resetEncoder(settings, epoch, 0);
    resetDuplicates(settings);
    if (outputRegion.end - START < FLUSH_BYTES + RECORD_BYTES_MAX) throw new Error('output region too small');
  }

  /** Writes what stands before the first record. */
  begin(text: string): void {
    this.#text(text);
  }

  /** Takes a finished call; its row is the caller's again afterwards. */
  take(call: number): void {
    if (this.#ports !== null) {
      const ports = R[(K[(call << CALL_SHIFT) + C_FLOW] << ROW_SHIFT) + PORTS];
      if (this.#ports[ports >>> 16] === 0 && this.#ports[ports & 0xffff] === 0) {
        C[T_FILTERED]++;
        return;
      }
    }
    this.#due(false);
    const verdict = judge(call);
    if (verdict === DUPLICATE) return;
    const end = encodeCall(call, this.#at);
    if (verdict === WAIT) {
      park(call, Buffer.from(B.subarray(this.#at, end)));
      return;
    }
    this.#record(this.#at, end);
  }

  /** Lets go of calls that waited for a better copy: those whose time is over, or all. */
  #due(all: boolean): void {
    for (
      let record = nextDue((packetTimeUs[0] / 1000) | 0, all);
      record !== undefined;
      record = nextDue((packetTimeUs[0] / 1000) | 0, all)
    ) {
      record.copy(B, this.#at);
      this.#record(this.#at, this.#at + record.length);
    }
  }

  #record(at: number, end: number): void {
    C[T_WRITTEN]++;
    if (this.#format === null) {
      this.#at = end;
      if (end - START >= FLUSH_BYTES) this.flush();
      return;
    }
    const call = JSON.parse(B.toString('utf8', at, end)) as ApiCall;
    this.#text(this.#format.record(call, this.#records++));
  }

  #text(text: string): void {
    this.#at += B.write(text, this.#at, 'utf8');
    if (this.#at - START >= FLUSH_BYTES) this.flush();
  }

  /** Writes what is left: waiting calls, then what stands after the last record. */
  end(text: string): void {
    this.#due(true);
    this.#text(text);
    this.flush();
  }

  /** Writes what there is. */
  flush(): void {
    const end = this.#at;
    C[OUT_BYTES] += end - START;
    this.#at = START;
    if (this.#fd >= 0) writeBytes(this.#fd, B, START, end);
  }
}
