/**
 * Whatever is lost, nothing is wrong: of connections from which packets are missing, each record is compared with the message that
 * its sender and number name. What is told is what was sent, or the beginning of it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Turn } from '../../test/support/conversation.ts';
import { Deflater } from '../../test/support/deflater.ts';
import { contentOf, runMessages } from '../../test/support/message-run.ts';
import { Random } from '../../test/support/random.ts';
import { lawSeed, type Wire } from '../../test/support/run-pipeline.ts';
import { BINARY, type FramePlan, frame, handshake, PING, packetsOf, TEXT } from '../../test/support/web-socket.ts';

/** A message as it was sent. */
interface Sent {
  readonly content: Buffer;
  readonly opcode: string;
  readonly wireBytes: number;
  readonly frames: number;
  readonly compressed: boolean;
}
interface SentConnection {
  readonly packets: readonly Wire[];
  readonly sent: { readonly client: Sent[]; readonly server: Sent[] };
}

const WORDS = ['position', 'order', 'price', 'the', 'quick', 'brown', 'fox', '"id":', '{"a":1}', 'é', '漢字'];

function someContent(random: Random): { content: Buffer; isText: boolean } {
  const length = random.pick([0, 1, 5, 50, 125, 126, 400, 2000, 9000]);
  if (random.chance(0.3)) return { content: Buffer.from(Array.from({ length }, () => random.bits() & 0xff)), isText: false };
  let text = '';
  while (text.length < length) text += random.pick(WORDS);
  return { content: Buffer.from(text), isText: true };
}

/** A connection of up to thirty messages; `port` is its client's. */
function someConnection(random: Random, port: number): SentConnection {
  const compression = random.integer(0, 3);
  const takesOver = [compression < 3, compression === 1];
  const extensions = `permessage-deflate${takesOver[0] ? '' : '; client_no_context_takeover'}${takesOver[1] ? '' : '; server_no_context_takeover'}`;
  const turns: Turn[] = [...handshake(compression === 0 ? undefined : extensions)];
  const deflaters = [new Deflater(takesOver[0]), new Deflater(takesOver[1])];
  const sent = { client: [] as Sent[], server: [] as Sent[] };
  for (let n = random.integer(1, 30); n > 0; n--) {
    const fromServer = random.chance(0.5);
    const { content, isText } = someContent(random);
    const compressed = compression > 0 && random.chance(0.8);
    const payload = compressed ? deflaters[fromServer ? 1 : 0].message(content) : content;
    const cuts = random.chance(0.3) ? [random.integer(0, payload.length), random.integer(0, payload.length)].sort((a, b) => a - b) : [];
    const plans: FramePlan[] = [];
    [...cuts, payload.length].forEach((to, i) => {
      const part = {
        opcode: i > 0 ? 0 : isText ? TEXT : BINARY,
        fin: i === cuts.length,
        payload: payload.subarray(i === 0 ? 0 : cuts[i - 1], to),
      };
      plans.push(i === 0 && compressed ? { ...part, reserved: 4 } : part);
      if (random.chance(0.1)) plans.push({ opcode: PING, payload: 'ping' });
    });
    turns.push({ fromServer, bytes: Buffer.concat(plans.map((plan) => frame(fromServer, plan))) });
    sent[fromServer ? 'server' : 'client'].push({
      content,
      opcode: isText ? 'text' : 'binary',
      wireBytes: payload.length,
      frames: cuts.length + 1,
      compressed,
    });
  }
  return { packets: packetsOf(turns, random.pick([50, 300, 1400]), 'client-fin', port), sent };
}

for (const loss of [0, 0.01, 0.05, 0.3]) {
  test(`${loss * 100} % of the packets lost`, (t) => {
    const random = new Random(lawSeed() + loss * 1000);
    let messages = 0;
    let whole = 0;
    let sentInAll = 0;
    for (let i = 0; i < 60; i++) {
      const { packets, sent } = someConnection(random, 30_000 + i);
      // Of a connection of which nothing but its messages was seen nothing is told: it begins whole, as a rule.
      const heard = packets.filter((_, n) => n < 9 || !random.chance(loss));
      const run = runMessages(heard, { websocket: { messageBytes: 3000 } });
      sentInAll += sent.client.length + sent.server.length;
      for (const message of run.messages) {
        const truth = sent[message.sender][message.sequence - 1];
        const shown = JSON.stringify({ ...message, truth: { ...truth, content: truth.content.length } });
        messages++;
        assert.equal(message.opcode, truth.opcode, shown);
        // Where the answer to the handshake was not seen whole, nobody knows what was agreed on.
        if (message.body?.unknown !== 'extension') assert.equal(message.compressed ?? false, truth.compressed, shown);
        assert.ok(message.bytes <= truth.wireBytes && (message.fragments ?? 1) <= truth.frames, shown);
        const content = contentOf(message);
        assert.ok(content.equals(truth.content.subarray(0, content.length)), shown);
        if (message.inflatedBytes !== undefined) assert.equal(message.inflatedBytes, truth.content.length, shown);
        if (message.complete) assert.deepEqual([message.bytes, message.fragments ?? 1], [truth.wireBytes, truth.frames], shown);
        if (message.body?.unknown !== undefined) assert.equal(content.length, 0, shown);
        else if (message.complete) {
          const kept = Math.min(3000, truth.content.length);
          // A character that the cut splits is left out.
          assert.ok(content.length <= kept && content.length >= kept - (message.body?.text === undefined ? 0 : 3), shown);
          assert.equal(message.body?.cut ?? false, truth.content.length > 3000, shown);
          whole++;
        }
      }
      if (loss === 0) assert.equal(run.messages.length, sent.client.length + sent.server.length);
    }
    t.diagnostic(`${messages} of ${sentInAll} messages have a record, ${whole} of these with their content`);
    assert.ok(messages > 0);
    if (loss === 0) assert.equal(whole, sentInAll);
  });
}
