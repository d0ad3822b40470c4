/**
 * Calls that stay open for long: server-sent events, long polls, streams of gRPC, tunnels of CONNECT over HTTP/2. One that is
 * older than `http.stillOpenMs` is reported as far as it is known; its row lives on, and its end is a closing record.
 *
 *   first byte                 limit                             end
 *   |--------------------------|---------------------------------|
 *                              record, cause still-open           closing record
 *
 * All rows are looked at now and then, at a sixteenth of the limit but not more often than the sweep of the flow table,
 * by which it is driven: nothing is done for a packet. Time is packet time.
 */
import { release } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import * as t from './transaction.ts';

const C = counts;
const K = t.calls;
const D = t.doubles;
const NOW = packetTimeUs;
const { CALL_SHIFT, C_FLAGS, C_CAUSES, D_REQUEST, D_RESPONSE, D_FIRST, REQUEST, RESPONSE, S_BODY, S_KEPT } = t;
const { HAS_REQUEST, HAS_RESPONSE, REPORTED, REQUEST_STOPPED, RESPONSE_STOPPED, STILL_OPEN } = t;

const T_SEEN = counter('calls.seen');
const T_STILL_OPEN = counter('calls.incomplete{still-open}');
const LOOKS = 16;

/** 0: calls are reported when they are over, however long that takes. */
let limitUs = 0;
let nextLookUs = 0;
let row = 0;

export function resetLongCalls(stillOpenMs: number): void {
  limitUs = stillOpenMs * 1000;
  nextLookUs = 0;
  row = 0;
}

/** Whether it is time to look at the open calls; then `nextLong` gives them. */
export function longCallsAreDue(): boolean {
  const now = NOW[0];
  if (limitUs === 0 || (now < nextLookUs && now > nextLookUs - 2 * limitUs)) return false;
  nextLookUs = now + limitUs / LOOKS;
  row = 0;
  return true;
}

/** The next call that has become too old, or 0. Calls that are finished must have been taken before; `noteReported` follows. */
export function nextLong(): number {
  const end = t.callRowsEnd();
  const oldest = NOW[0] - limitUs;
  while (++row < end) {
    const flags = K[(row << CALL_SHIFT) + C_FLAGS];
    if ((flags & (HAS_REQUEST | HAS_RESPONSE)) === 0 || flags & REPORTED) continue;
    if (D[(row << 5) + (flags & HAS_REQUEST ? D_REQUEST : D_RESPONSE) + D_FIRST] > oldest) continue;
    C[T_SEEN]++;
    C[T_STILL_OPEN]++;
    K[(row << CALL_SHIFT) + C_CAUSES] |= STILL_OPEN;
    return row;
  }
  return 0;
}

/** The record of an open call was made: it is not made again, and what was kept of the bodies is not wanted any more. */
export function noteReported(call: number): void {
  const k = call << CALL_SHIFT;
  K[k + C_FLAGS] |= REPORTED | REQUEST_STOPPED | RESPONSE_STOPPED;
  for (let s = k + REQUEST; s <= k + RESPONSE; s += RESPONSE - REQUEST) {
    release(K[s + S_BODY]);
    K[s + S_BODY] = 0;
    K[s + S_KEPT] = 0;
  }
}
