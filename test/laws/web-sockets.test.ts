/**
 * The canary law for WebSocket: a secret that is planted in a message is found nowhere behind the policy with `websocket.messages:
 * body`, over however many frames and segments it came, compressed or not, cut or with holes; and a message of a call that the
 * filters leave out leaves nothing at all.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Settings } from '../../src/base/settings.ts';
import { MESSAGE_SCHEMA } from '../../src/normalise/causes.ts';
import { type MessageRecord, messageRecordSchema } from '../../src/normalise/message-record.ts';
import { type Random, random } from '../../src/policy/mask/detect-testing.ts';
import type { MaskedBatch } from '../../src/policy/masked-call.ts';
import { Policy } from '../../src/policy/policy.ts';
import type { MaskingRule, PolicySpec } from '../../src/policy/spec.ts';
import { plantedMessage } from '../support/canary-calls.ts';
import { everything, onDisk, shown } from '../support/canary-run.ts';
import { type Secret, Watcher } from '../support/canary-secrets.ts';
import { cutAnywhere, evenly, secretsFrom } from '../support/canary-traffic.ts';
import type { Turn } from '../support/conversation.ts';
import { Deflater } from '../support/deflater.ts';
import { runMasked } from '../support/masked-run.ts';
import { lawSeed, settingsWith, type Wire } from '../support/run-pipeline.ts';
import { BINARY, type FramePlan, frame, handshake, PING, TEXT } from '../support/web-socket.ts';

function specOf(rules: readonly MaskingRule[], advanced: PolicySpec['pipelines'][number]['advanced']): PolicySpec {
  const simple = { otherwise: 'include', rules: [] } as const;
  return {
    pipelines: [{ name: 'all', simple, advanced, sampling: { share: 1, key: 'call' } }],
    masking: { rules, binaryBodies: 'remove' },
    maskingKey: Buffer.alloc(32, 7),
  };
}
const all = { otherwise: 'include', rules: [] } as const;

/** The frames of one message: in fragments, and with control frames between them, as `next` draws. */
function framesOf(payload: Buffer, opcode: number, reserved: number, next: Random): FramePlan[] {
  const cuts = Array.from({ length: next(3) === 0 ? 1 + next(3) : 0 }, () => next(payload.length + 1)).sort((a, b) => a - b);
  const plans: FramePlan[] = [];
  let from = 0;
  for (const [i, to] of [...cuts, payload.length].entries()) {
    plans.push({ opcode: i === 0 ? opcode : 0, fin: i === cuts.length, payload: payload.subarray(from, to), ...(i === 0 && { reserved }) });
    if (i < cuts.length && next(3) === 0) plans.push({ opcode: PING, payload: 'still there' });
    from = to;
  }
  return plans;
}

interface SocketTraffic {
  readonly packets: readonly Wire[];
  readonly planted: readonly Secret[];
}

/** Connections of up to twelve messages with a secret each; of each hundred `lossy` lose a packet. */
function makeTraffic(count: number, seed: number, lossy = 0, wanted: (s: Secret) => boolean = () => true): SocketTraffic {
  const next = random(seed);
  const planted: Secret[] = [];
  const packets: Wire[] = [];
  const nextSecret = secretsFrom(next, (s) => !s.isCookie && wanted(s));
  for (let connection = 0; planted.length < count; connection++) {
    const compression = next(3);
    const sides = [new Deflater(compression === 1), new Deflater(compression === 1)];
    const agreed = ['client_no_context_takeover', 'server_no_context_takeover'].map((name) => (compression === 2 ? `; ${name}` : ''));
    const turns: Turn[] = [...handshake(compression === 0 ? undefined : `permessage-deflate${agreed.join('')}`)];
    for (let i = 1 + next(12); i > 0; i--) {
      const s = nextSecret();
      planted.push(s);
      const fromServer = next(2) === 0;
      const content = Buffer.from(plantedMessage(s, next));
      const isPacked = compression > 0 && next(5) > 0;
      const payload = isPacked ? sides[fromServer ? 1 : 0].message(content) : content;
      const plans = framesOf(payload, next(4) === 0 ? BINARY : TEXT, isPacked ? 4 : 0, next);
      turns.push({ fromServer, bytes: Buffer.concat(plans.map((plan) => frame(fromServer, plan))) });
    }
    const these = cutAnywhere(turns, connection, 3, next);
    if (next(100) < lossy) these.splice(7 + next(Math.max(1, these.length - 8)), 1);
    packets.push(...these);
  }
  return { planted, packets: evenly(packets, 1000) };
}

interface SocketOutcome {
  readonly found: string[];
  readonly messages: readonly MessageRecord[];
  readonly batches: readonly MaskedBatch[];
  readonly watcher: Watcher;
  readonly counters: Readonly<Record<string, number>>;
}

function run(
  { packets, planted }: SocketTraffic,
  rules: readonly MaskingRule[] = everything,
  websocket: Partial<Settings['websocket']> = {},
  advanced: PolicySpec['pipelines'][number]['advanced'] = all,
): SocketOutcome {
  const watcher = new Watcher();
  for (const s of planted) for (const needle of s.needles) watcher.watch(needle, `${s.kind} ${JSON.stringify(s.text.slice(0, 60))}`);
  const settings = settingsWith({ websocket: { messages: 'body', messageBytes: 16 << 10, ...websocket } });
  const { lines, batches, counters } = runMasked(packets, new Policy(specOf(rules, advanced)), settings);
  const found = lines.flatMap((line) => watcher.search(line, 'record'));
  const messages = lines
    .map((line) => JSON.parse(line.toString()) as MessageRecord)
    .filter(({ schema }) => schema === MESSAGE_SCHEMA)
    .map((record) => messageRecordSchema.parse(record));
  return { found, messages, batches, watcher, counters };
}

test('no secret of a message leaves: records, spool, dead letters', async (t) => {
  const traffic = makeTraffic(2500, lawSeed() + 20);
  const outcome = run(traffic);
  t.diagnostic(`${outcome.messages.length} messages, ${traffic.planted.length} secrets, found: ${outcome.found.length}`);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
  assert.equal(outcome.messages.length, traffic.planted.length, 'a record for each');
  assert.ok(outcome.messages.every(({ body, complete }) => complete && body !== undefined && body.unknown === undefined));
  const masked = outcome.messages.filter(({ masked: report }) => (report?.found ?? 0) > 0).length;
  assert.ok(masked > traffic.planted.length * 0.99, `${masked} of ${traffic.planted.length} masked`);
  const disk = await onDisk(outcome.batches, outcome.watcher);
  assert.ok(disk.bytes > 500_000);
  assert.deepEqual(disk.found, [], shown(disk.found));
});

for (const messageBytes of [1, 40, 90, 170]) {
  test(`messages that are cut after ${messageBytes} bytes keep no part of a secret`, () => {
    const outcome = run(makeTraffic(400, lawSeed() + 21 + messageBytes), everything, { messageBytes });
    assert.ok(outcome.messages.filter(({ body }) => body?.cut).length > 20);
    assert.deepEqual(outcome.found, [], shown(outcome.found));
  });
}

test('lost packets leave no part of a secret', (t) => {
  const outcome = run(makeTraffic(1500, lawSeed() + 22, 90));
  const partial = outcome.messages.filter(({ complete, body }) => !complete || body?.unknown !== undefined).length;
  t.diagnostic(`${outcome.messages.length} messages, ${partial} of them not whole, found: ${outcome.found.length}`);
  assert.ok(partial > 50);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
});

test('a rule that is off is noticed: its secrets are found', async () => {
  for (const [kind, off] of [
    ['email', ['email', 'email-address']],
    ['pattern', ['employee']],
    ['payment-card', ['payment-card']],
  ] as const) {
    const traffic = makeTraffic(40, lawSeed() + 23, 0, (s) => s.kind === kind);
    const outcome = run(
      traffic,
      everything.filter(({ name }) => !(off as readonly string[]).includes(name)),
    );
    assert.ok(outcome.found.length > 0, `${kind} is found in records`);
    assert.ok((await onDisk(outcome.batches, outcome.watcher)).found.length > 0, `${kind} is found in the spool`);
  }
});

test('messages of a call that the filters leave out make no record, and meta makes them without content', () => {
  const traffic = makeTraffic(60, lawSeed() + 24);
  const none = run(traffic, [], {}, { otherwise: 'exclude', rules: [] });
  assert.deepEqual([none.messages.length, none.batches.length], [0, 0]);
  assert.equal(none.counters['messages.filtered{call}'], traffic.planted.length);
  const meta = run(traffic, [], { messages: 'meta' });
  assert.deepEqual(meta.found, [], shown(meta.found));
  assert.equal(meta.messages.length, traffic.planted.length);
});
