/**
 * Encoding of a gap record: one line of canonical JSON in the arena, keys in the order of the schema (gap-record.ts).
 *
 *   {"schema":"earshot.gap/1","id":"sensor.epoch.0.g1","fromUs":..,"toUs":..,"shed":{"bodies":0,"headers":0,"packets":9}}\n
 */
import { GAP_SCHEMA } from './causes.ts';
import { type Literal, literal, writeLiteral, writeNumber, writeTimeUs } from './json.ts';

const L_SCHEMA = literal(`{"schema":"${GAP_SCHEMA}","id":"`);
const L_FROM = literal('","fromUs":');
const L_TO = literal(',"toUs":');
const L_BODIES = literal(',"shed":{"bodies":');
const L_HEADERS = literal(',"headers":');
const L_PACKETS = literal(',"packets":');
const L_END = literal('}}\n');

/** What was left out, and when: microseconds of packet time. */
export interface Gap {
  readonly fromUs: number;
  readonly toUs: number;
  /** Calls. */
  readonly bodies: number;
  readonly headers: number;
  readonly packets: number;
}

/** What stands before the number in the ids of a worker's gap records. */
export function gapPrefix(sensor: string, epoch: string, worker: number): Literal {
  return literal(`${sensor}.${epoch}.${worker}.g`);
}

/** Writes gap number `n`; returns the offset after its line feed. */
export function encodeGap(to: number, prefix: Literal, n: number, { fromUs, toUs, bodies, headers, packets }: Gap): number {
  let o = writeNumber(writeLiteral(writeLiteral(to, L_SCHEMA), prefix), n);
  o = writeTimeUs(writeLiteral(o, L_FROM), fromUs);
  o = writeTimeUs(writeLiteral(o, L_TO), toUs);
  o = writeNumber(writeLiteral(o, L_BODIES), bodies);
  o = writeNumber(writeLiteral(o, L_HEADERS), headers);
  o = writeNumber(writeLiteral(o, L_PACKETS), packets);
  return writeLiteral(o, L_END);
}
