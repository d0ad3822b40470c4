/**
 * Gaps: what a worker left out because of overload is said in the stream of records too, so that whoever reads the calls
 * knows that there were more. Looked at between bursts of packets:
 *
 *   nothing left out        left out ...            ... for a second: a record
 *   --------------------|------------------------|-->
 *                     fromUs                   toUs
 *
 * At most one record a second, and one at the end. Together they tell all that the counters do.
 */
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Gap } from '../normalise/encode-gap.ts';

const C = counts;
const T_BODIES = counter('calls.shed{bodies}');
const T_HEADERS = counter('calls.shed{headers}');
const T_PACKETS = counter('packets.dropped{shed}');
const EVERY_MS = 1000;

export class Gaps {
  readonly #write: (gap: Gap) => void;
  /** The counters as the last record left them. */
  #bodies = C[T_BODIES];
  #headers = C[T_HEADERS];
  #packets = C[T_PACKETS];
  #fromUs = packetTimeUs[0];
  #writtenMs = Number.NEGATIVE_INFINITY;

  constructor(write: (gap: Gap) => void) {
    this.#write = write;
  }

  /** Writes a record when something was left out and the last one is a second old; `nowMs` only ever grows. */
  look(nowMs: number): void {
    if (C[T_BODIES] === this.#bodies && C[T_HEADERS] === this.#headers && C[T_PACKETS] === this.#packets) {
      this.#fromUs = packetTimeUs[0];
      return;
    }
    if (nowMs - this.#writtenMs < EVERY_MS) return;
    this.#writtenMs = nowMs;
    this.#tell();
  }

  /** Writes what is left to say. */
  end(): void {
    this.look(Number.POSITIVE_INFINITY);
  }

  #tell(): void {
    const toUs = packetTimeUs[0];
    const [bodies, headers, packets] = [C[T_BODIES] - this.#bodies, C[T_HEADERS] - this.#headers, C[T_PACKETS] - this.#packets];
    this.#write({ fromUs: this.#fromUs, toUs, bodies, headers, packets });
    this.#bodies += bodies;
    this.#headers += headers;
    this.#packets += packets;
    this.#fromUs = toUs;
  }
}
