/** WebSocket connections for the fuzzer: frames that mean something, some that do not, and what always holds of the counters. */
import assert from 'node:assert/strict';
import { counter, counts, sumOf } from '../../src/base/counters.ts';
import { weirdCount } from '../../src/base/weird.ts';
import type { Turn } from '../support/conversation.ts';
import { ends } from '../support/conversation.ts';
import type { Random } from '../support/random.ts';
import type { Wire } from '../support/run-pipeline.ts';
import { closePayload, type FramePlan, frame, handshake, packetsOf } from '../support/web-socket.ts';

const UNREAD = counter('websocket.unread_bytes');
const OTHER = counter('payload.other');
const CONNECTIONS = counter('websocket.connections');
const EXTENSIONS = [undefined, undefined, 'permessage-deflate', 'permessage-deflate; client_max_window_bits=15', 'x-other', ',,;='];

function somePayload(random: Random): Buffer {
  const length = random.pick([0, 1, 2, 125, 126, 127, 1000, 65_535, 65_536]);
  return Buffer.alloc(random.chance(0.9) ? Math.min(length, 1000) : length, random.bits());
}

function somePlan(random: Random): FramePlan {
  const isOdd = random.chance(0.03);
  const payload = somePayload(random);
  if (random.chance(0.3)) {
    const opcode = random.pick([8, 9, 9, 10]);
    const close = random.chance(0.8) ? closePayload(random.pick([1000, 1001, 1005, 1014, 2999, 3000, 4999, 65_535]), 'why') : payload;
    return { opcode, payload: opcode === 8 ? close : payload.subarray(0, isOdd ? payload.length : 125) };
  }
  return {
    opcode: isOdd ? random.integer(0, 15) : random.pick([0, 1, 1, 2, 2]),
    fin: random.chance(0.6),
    payload,
    ...(random.chance(0.2) && { reserved: random.pick([4, 4, 4, 1, 7]) }),
    ...(random.chance(0.1) && payload.length < 126 && { lengthBytes: random.pick([3, 9] as const) }),
    ...(isOdd && random.chance(0.5) && { claims: random.pick([1n << 63n, 1n << 53n, 1n << 40n, 70_000n]), lengthBytes: 9 as const }),
    ...(isOdd && random.chance(0.3) && { wrongMask: true }),
  };
}

export function webSocketPackets(random: Random): Wire[] {
  const turns: Turn[] = [...handshake(random.pick(EXTENSIONS))];
  for (let n = random.integer(1, 10); n > 0; n--) {
    const fromServer = random.chance(0.5);
    const frames = Array.from({ length: random.integer(1, 5) }, () => frame(fromServer, somePlan(random)));
    let bytes = Buffer.concat(frames);
    if (random.chance(0.1))
      bytes = Buffer.concat([bytes.subarray(0, random.integer(0, bytes.length)), Buffer.from([random.bits() & 0xff])]);
    if (random.chance(0.1) && bytes.length > 0) bytes[random.integer(0, bytes.length - 1)] ^= 1 << random.integer(0, 7);
    turns.push({ fromServer, bytes });
  }
  const size = turns.reduce((n, { bytes }) => n + bytes.length, 0);
  const packets = packetsOf(turns, size > 3000 ? random.pick([700, 1400, 60_000]) : random.pick([1, 5, 50, 1400]), random.pick(ends));
  const loss = random.pick([0, 0, 0.02, 0.2]);
  return packets.filter(() => !random.chance(loss));
}

/** After a run: each connection ended in one way, no byte is counted twice, no message came without a frame. */
export function checkWebSockets(): void {
  const refused = weirdCount('limit.http.websockets');
  assert.equal(sumOf('websocket.closes') + refused, counts[CONNECTIONS], 'one end for each connection');
  assert.ok(counts[UNREAD] <= counts[OTHER], 'more bytes unread than there were');
  assert.ok(sumOf('websocket.messages') + sumOf('websocket.control') <= sumOf('websocket.frames'), 'more messages than frames');
  assert.ok(sumOf('websocket.compressed') <= sumOf('websocket.messages'), 'more compressed messages than messages');
}
