/**
 * Law 4: lost packets. Nothing wrong is reported: every field is that of a call that was made, no call is reported
 * twice, what was lost is flagged, and all is accounted for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Verifier, verdictText } from '../../bench/verify.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { captured } from '../support/captured.ts';
import {
  arbitraryPlan,
  type CallTruth,
  everyBytes,
  makeConversation,
  type Part,
  partsOf,
  type SideTruth,
  wires,
} from '../support/conversation.ts';
import { Random } from '../support/random.ts';
import { lawSeed, runPipeline, settingsWith } from '../support/run-pipeline.ts';

function shown(parts: readonly Part[], kept: (place: number) => boolean, records: readonly ApiCall[]): string {
  const line = ({ fromServer, sequence, acknowledgement, payload }: Part, i: number): string =>
    `${kept(i) ? ' ' : 'x'} ${fromServer ? '<' : '>'} ${sequence} ${acknowledgement} ${JSON.stringify(payload.toString('latin1'))}`;
  return `${parts.map(line).join('\n')}\n${records.map((r) => JSON.stringify(r)).join('\n')}`;
}

type Side = NonNullable<ApiCall['request']> | NonNullable<ApiCall['response']>;

/** Whether `fields` are `wanted`, or, of a head that was cut, the first of them, the last one perhaps in part. */
function areFields(fields: SideTruth['headers'], wanted: SideTruth['headers'], cut: boolean): boolean {
  if (!cut && fields.length !== wanted.length) return false;
  return fields.every(([name, value], i) => {
    const [n, v] = wanted[i] ?? ['', ''];
    return name === n && (value === v || (cut && i === fields.length - 1 && v.startsWith(value)));
  });
}

function sideFaults(name: string, side: Side, truth: SideTruth, cutHead: boolean): string[] {
  const faults: string[] = [];
  if (!areFields(side.headers, truth.headers, cutHead)) faults.push(`${name} headers: ${JSON.stringify(side.headers)}`);
  const { body } = side;
  const sent = Buffer.from(truth.content);
  if (body.gapBytes === undefined && body.bytes > sent.length) faults.push(`${name} body of ${body.bytes} bytes, not ${sent.length}`);
  const kept = body.text !== undefined ? Buffer.from(body.text) : Buffer.from(body.base64 ?? '', 'base64');
  if (body.gapBytes === undefined && !sent.subarray(0, kept.length).equals(kept)) faults.push(`${name} body ${kept} is not ${sent}`);
  return faults;
}

/** What is wrong with the records of one conversation of which packets were lost. */
function faultsWithLoss(records: readonly ApiCall[], calls: readonly CallTruth[], pairs: boolean): string[] {
  const faults: string[] = [];
  const asked = new Set<CallTruth>();
  const answered = new Set<CallTruth>();
  const once = (seen: Set<CallTruth>, call: CallTruth, what: string): void => {
    if (seen.has(call)) faults.push(`${what} of ${call.target} twice`);
    seen.add(call);
  };
  for (const record of records) {
    const { request, response } = record;
    const cut = !record.complete;
    const responseCall = response?.headers.find(([name]) => name === 'X-Call')?.[1];
    let byRequest: CallTruth | undefined;
    if (request !== null) {
      byRequest =
        calls.find((c) => c.target === request.target) ?? (cut ? calls.find((c) => c.target.startsWith(request.target)) : undefined);
      if (byRequest === undefined) {
        faults.push(`no call has the target ${request.target}`);
        continue;
      }
      if (byRequest.target === request.target) once(asked, byRequest, 'request');
      if (request.method !== byRequest.method) faults.push(`method ${request.method} of ${request.target}`);
      faults.push(...sideFaults('request', request, byRequest.request, cut));
      if (record.complete && request.body.gapBytes === undefined && request.body.bytes !== Buffer.byteLength(byRequest.request.content))
        faults.push('request body length');
    }
    if (response === null) continue;
    const byResponse = calls.find(
      (c) => responseCall !== undefined && c.response.headers.some(([n, v]) => n === 'X-Call' && v === responseCall),
    );
    if (byRequest !== undefined && byResponse !== undefined && byRequest !== byResponse) {
      if (pairs) faults.push(`the request ${byRequest.target} has the response of ${byResponse.target}`);
      continue;
    }
    const call = byResponse ?? (pairs ? byRequest : undefined);
    if (call === undefined) continue;
    if (byResponse !== undefined) once(answered, byResponse, 'response');
    // Without its request nobody can tell that it answers HEAD and has no body.
    if (request === null && call.method === 'HEAD') continue;
    if (response.status !== call.status) faults.push(`status ${response.status} of ${call.target}, not ${call.status}`);
    faults.push(...sideFaults('response', response, call.response, cut));
    if (record.complete && response.body.gapBytes === undefined && response.body.bytes !== Buffer.byteLength(call.response.content))
      faults.push('response body length');
  }
  return faults;
}

const plans = arbitraryPlan({
  exchangesMax: 6,
  ends: ['client-fin', 'server-fin', 'open', 'reset'],
  preludes: ['none', 'none', 'proxy1'],
}).map((plan) => ({
  ...plan,
  // Nobody pipelines behind a request that waits for 100 Continue.
  exchanges: plan.exchanges.map((x, i) => ({ ...x, pipelined: x.pipelined && plan.exchanges[i - 1]?.expectsContinue !== true })),
}));

test('a run of packets of a conversation is lost: nothing wrong is reported', () => {
  fc.assert(
    fc.property(plans, fc.integer({ min: 40, max: 500 }), fc.nat(999), fc.integer({ min: 1, max: 4 }), (plan, bytesEach, share, run) => {
      const conversation = makeConversation(plan);
      const parts = partsOf(conversation, everyBytes(bytesEach));
      // Behind the handshake: on a connection that is joined late a burst may have begun before.
      const from = 3 + Math.floor((share * (parts.length - 3)) / 1000);
      const { records } = runPipeline(wires(parts, {}, 2000).toSpliced(from, run), { everyPacket: true });
      const isKept = (place: number): boolean => place < from || place >= from + run;
      assert.deepEqual(faultsWithLoss(records, conversation.calls, true), [], shown(parts, isKept, records));
    }),
    { seed: lawSeed(), numRuns: 500 },
  );
});

test('random packets of a conversation are lost: no request and no response is wrong', () => {
  fc.assert(
    fc.property(
      plans,
      fc.integer({ min: 40, max: 500 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer(),
      (plan, bytesEach, percent, seed) => {
        const conversation = makeConversation(plan);
        const random = new Random(seed);
        const parts = partsOf(conversation, everyBytes(bytesEach));
        const keep = parts.map(() => !random.chance(percent / 100));
        const packets = wires(parts, {}, 2000).filter((_, place) => keep[place]);
        const { records } = runPipeline(packets, { everyPacket: true });
        assert.deepEqual(
          faultsWithLoss(records, conversation.calls, false),
          [],
          shown(parts, (place) => keep[place], records),
        );
      },
    ),
    { seed: lawSeed(), numRuns: 300 },
  );
});

const settings = settingsWith({ http: { bodyBytes: 4096 } });
for (const pipelineShare of [0, 0.1]) {
  // With more lost, several losses meet in one burst, and no record of the bytes can tell them apart.
  for (const lossRate of pipelineShare === 0 ? [0.002, 0.01, 0.05] : [0.002, 0.01]) {
    test(`${lossRate * 100} % of the packets of an API are lost, ${pipelineShare * 100} % pipelining: nothing wrong is reported`, () => {
      const seed = (lawSeed() & 0xffff) + 1;
      const { packets, calls, options } = captured({ kind: 'lossy', megabytes: 1.5, seed, lossRate, pipelineShare });
      const { records } = runPipeline(packets, { settings });
      const verifier = new Verifier(calls, options);
      for (const record of records) verifier.line(JSON.stringify(record));
      const verdict = verifier.result();
      const { wrong, invented, repeated, holesUnflagged } = verdict;
      assert.deepEqual(
        { wrong, invented, repeated, holesUnflagged },
        { wrong: 0, invented: 0, repeated: 0, holesUnflagged: 0 },
        verdictText(verdict),
      );
      // Around a hole in a burst of requests nobody can tell whose a response is.
      const share = lossRate <= 0.01 ? 0.995 : 0.98;
      if (pipelineShare === 0) assert.ok(verdict.headsWholeFound >= share * verdict.headsWhole, verdictText(verdict));
    });
  }
}
