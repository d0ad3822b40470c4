/**
 * WebSocket connections for the fuzzer: frames that mean something, some that do not, and what always holds of the counters and of
 * the records of messages.
 */
import assert from 'node:assert/strict';
import { counter, counts, sumOf } from '../../src/base/counters.ts';
import type { Settings } from '../../src/base/settings.ts';
import { weirdCount } from '../../src/base/weird.ts';
import { defaultMasking } from '../../src/policy/default-masking.ts';
import { Policy } from '../../src/policy/policy.ts';
import type { Turn } from '../support/conversation.ts';
import { ends } from '../support/conversation.ts';
import { Deflater } from '../support/deflater.ts';
import { runMessages } from '../support/message-run.ts';
import type { Random } from '../support/random.ts';
import { runPipeline, type Wire } from '../support/run-pipeline.ts';
import { closePayload, type FramePlan, frame, handshake, packetsOf } from '../support/web-socket.ts';

const UNREAD = counter('websocket.unread_bytes');
const OTHER = counter('payload.other');
const CONNECTIONS = counter('websocket.connections');
const EXTENSIONS = [
  ...[undefined, undefined, 'permessage-deflate', 'permessage-deflate; client_max_window_bits=15', 'x-other', ',,;='],
  ...['permessage-deflate; client_no_context_takeover ; server_no_context_takeover', 'Permessage-Deflate;server_no_context_takeover'],
];
const TEXTS = ['{"password":"hunter2","n":1}', 'card=4111111111111111 ', '<a>ada@mail.example</a>', 'plain words ', '\0\x01\xff', ''];

function somePayload(random: Random): Buffer {
  const length = random.pick([0, 1, 2, 125, 126, 127, 1000, 65_535, 65_536]);
  return Buffer.alloc(random.chance(0.9) ? Math.min(length, 1000) : length, random.bits());
}

/** A compressed message, which may be a bomb, or not what it says. */
function packedPlan(random: Random, deflater: Deflater): FramePlan {
  const text = random.chance(0.02) ? Buffer.alloc(2 << 20, 97) : random.pick(TEXTS).repeat(random.pick([1, 3, 100, 3000]));
  const payload = Buffer.from(deflater.message(text));
  if (random.chance(0.1) && payload.length > 0) payload[random.integer(0, payload.length - 1)] ^= 1 << random.integer(0, 7);
  return { opcode: random.pick([1, 1, 2]), reserved: 4, fin: random.chance(0.9), payload };
}

function somePlan(random: Random, deflater: Deflater): FramePlan {
  if (random.chance(0.3)) return packedPlan(random, deflater);
  const isOdd = random.chance(0.03);
  const payload = random.chance(0.5) ? Buffer.from(random.pick(TEXTS)) : somePayload(random);
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
  const takesOver = random.chance(0.5);
  const deflaters = [new Deflater(takesOver), new Deflater(takesOver)];
  for (let n = random.integer(1, 10); n > 0; n--) {
    const fromServer = random.chance(0.5);
    const frames = Array.from({ length: random.integer(1, 5) }, () => frame(fromServer, somePlan(random, deflaters[fromServer ? 1 : 0])));
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

const POLICY = new Policy({
  pipelines: [
    {
      name: 'all',
      simple: { otherwise: 'include', rules: [] },
      advanced: { otherwise: 'include', rules: [] },
      sampling: { share: 1, key: 'call' },
    },
  ],
  masking: defaultMasking,
  maskingKey: Buffer.alloc(32, 7),
});

/** Counted, and with records of messages: the counters are the same, and no text that masking knows is in a record. */
export function runWebSockets(packets: readonly Wire[], settings: Settings): void {
  const everyPacket = packets.length <= 50;
  const ours = (counters: Readonly<Record<string, number>>): unknown =>
    Object.entries(counters).filter(([name]) => name.startsWith('websocket.'));
  const counted = ours(runPipeline(packets, { settings, everyPacket }).counters);
  checkWebSockets();
  const odd = packets.length & 7;
  const websocket: Settings['websocket'] = {
    messages: odd === 0 ? 'meta' : 'body',
    messageBytes: [4096, 1, 20, 300, 65_536][packets.length % 5],
    messagesPerSecondMax: odd === 1 ? 3 : 5000,
    windowsMax: odd === 2 ? 1 : odd === 3 ? 0 : 100,
  };
  // What is short of memory or room ends connections at other moments.
  const isEqual = settings.memory.blockBytesMax >= 64 << 20;
  const run = runMessages(packets, { settings: { ...settings, websocket }, policy: POLICY, everyPacket });
  if (isEqual) assert.deepEqual(ours(run.counters), counted, 'the counters are those of counting');
  checkWebSockets();
  for (const { body } of run.messages) {
    if (body?.text !== undefined)
      assert.ok(
        !/(?<!\w)4111111111111111(?!\w)|(?<!\w)ada@mail\.example(?![\w.-])/.test(body.text),
        `not masked: ${body.text.slice(0, 200)}`,
      );
  }
}

/** After a run: each connection ended in one way, no byte is counted twice, no message came without a frame. */
export function checkWebSockets(): void {
  const refused = weirdCount('limit.http.websockets');
  assert.equal(sumOf('websocket.closes') + refused, counts[CONNECTIONS], 'one end for each connection');
  assert.ok(counts[UNREAD] <= counts[OTHER], 'more bytes unread than there were');
  assert.ok(sumOf('websocket.messages') + sumOf('websocket.control') <= sumOf('websocket.frames'), 'more messages than frames');
  assert.ok(sumOf('websocket.compressed') <= sumOf('websocket.messages'), 'more compressed messages than messages');
}
