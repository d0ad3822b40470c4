/**
 * Law 2: any split of the stream gives the same result. One conversation, whole and cut into segments anywhere, gives
 * equal records but for ids and times.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  arbitraryPlan,
  type Conversation,
  type Cutter,
  everyBytes,
  faultsOf,
  makeConversation,
  partsOf,
  wires,
} from '../support/conversation.ts';
import { essence, lawSeed, runPipeline, settingsWith } from '../support/run-pipeline.ts';

function shown(conversation: Conversation): string {
  return conversation.turns.map((t) => `${t.fromServer ? '<' : '>'} ${JSON.stringify(t.bytes.toString('latin1'))}`).join('\n');
}

/** Cuts at these shares of a turn's length, in tenths of a per mille. */
function atShares(shares: readonly number[]): Cutter {
  return (length) =>
    [...new Set(shares.map((share) => Math.floor((share * length) / 10_000)))].filter((at) => at > 0).sort((a, b) => a - b);
}

test('whole turns give the truth', () => {
  fc.assert(
    fc.property(arbitraryPlan({ traps: true }), (plan) => {
      const conversation = makeConversation(plan);
      const { records } = runPipeline(wires(partsOf(conversation)), { everyPacket: true });
      const faults = records.flatMap((record, i) => (i < conversation.calls.length ? faultsOf(record, conversation.calls[i]) : []));
      if (records.length !== conversation.calls.length) faults.push(`${records.length} calls of ${conversation.calls.length}`);
      assert.deepEqual(faults, [], shown(conversation));
    }),
    { seed: lawSeed(), numRuns: 300 },
  );
});

for (const bytes of [1, 2, 3, 7]) {
  test(`segments of ${bytes} bytes give the same records`, () => {
    fc.assert(
      fc.property(arbitraryPlan({ traps: true, exchangesMax: 3 }), (plan) => {
        const conversation = makeConversation(plan);
        const whole = runPipeline(wires(partsOf(conversation))).records.map(essence);
        const cut = runPipeline(wires(partsOf(conversation, everyBytes(bytes)), {}, 10)).records.map(essence);
        assert.deepEqual(cut, whole, shown(conversation));
      }),
      { seed: lawSeed() + bytes, numRuns: 25 },
    );
  });
}

test('segments cut anywhere give the same records', () => {
  fc.assert(
    fc.property(arbitraryPlan({ traps: true }), fc.array(fc.nat(9999), { minLength: 1, maxLength: 12 }), (plan, shares) => {
      const conversation = makeConversation(plan);
      const whole = runPipeline(wires(partsOf(conversation))).records.map(essence);
      const cut = runPipeline(wires(partsOf(conversation, atShares(shares)))).records.map(essence);
      assert.deepEqual(cut, whole, shown(conversation));
    }),
    { seed: lawSeed(), numRuns: 250 },
  );
});

test('a request that http.pipelineMax pushes out takes its response with it', () => {
  const settings = settingsWith({ http: { pipelineMax: 2 } });
  const gets = (n: number): string => Array.from({ length: n }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
  const answers = (n: number): string =>
    Array.from({ length: n }, (_, i) => `HTTP/1.1 ${200 + i} OK\r\nContent-Length: 0\r\n\r\n`).join('');
  const turns = [
    { fromServer: false, bytes: Buffer.from(gets(5)) },
    { fromServer: true, bytes: Buffer.from(answers(5)) },
  ];
  const { records } = runPipeline(wires(partsOf({ turns, calls: [], end: 'open' })), { settings });
  const pairs = records.map((r) => `${r.request?.target ?? '-'} ${r.response?.status ?? '-'}`);
  assert.deepEqual(pairs, ['/0 -', '/1 -', '/2 -', '- 200', '- 201', '- 202', '/3 203', '/4 204']);
});

test('the cut does not matter either where limits are reached', () => {
  const settings = settingsWith({ http: { headBytesMax: 256, headersMax: 8, bodyBytes: 50 } });
  fc.assert(
    fc.property(arbitraryPlan(), fc.array(fc.nat(9999), { minLength: 1, maxLength: 12 }), (plan, shares) => {
      const conversation = makeConversation(plan);
      const whole = runPipeline(wires(partsOf(conversation)), { settings }).records.map(essence);
      const cut = runPipeline(wires(partsOf(conversation, atShares(shares))), { settings }).records.map(essence);
      assert.deepEqual(cut, whole, shown(conversation));
    }),
    { seed: lawSeed(), numRuns: 150 },
  );
});
