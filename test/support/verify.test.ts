import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { type Verdict, Verifier, verdictText, verifyStream } from '../../bench/verify.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { naiveRecords } from './naive-sensor.ts';
import { makeTraffic } from './traffic.ts';
import { type TrafficOptions, trafficOptions } from './traffic-options.ts';
import type { CallTruth, LostBytes } from './truth.ts';

const small = makeTraffic(trafficOptions({ kind: 'small', megabytes: 1, seed: 5 }));
const smallRecords = naiveRecords(small.pcap);
const whole: LostBytes = { requestHead: 0, requestBody: 0, responseHead: 0, responseBody: 0 };

function verdictOf(calls: readonly CallTruth[], options: TrafficOptions, records: readonly unknown[]): Verdict {
  const verifier = new Verifier(calls, options);
  for (const record of records) verifier.line(typeof record === 'string' ? record : JSON.stringify(record));
  return verifier.result();
}

const right: Partial<TrafficOptions>[] = [
  { pipelineShare: 0.3 },
  { kind: 'short' },
  { kind: 'large', megabytes: 3 },
  { kind: 'gzip' },
  { kind: 'vxlan' },
  { kind: 'vxlan', overlappingAddresses: true },
  { kind: 'reordered' },
];
for (const extra of right) {
  test(`a right reading is ok: ${JSON.stringify(extra)}`, () => {
    const { pcap, calls, summary } = makeTraffic(trafficOptions({ kind: 'small', megabytes: 1, seed: 5, ...extra }));
    const verdict = verdictOf(calls, summary.options, naiveRecords(pcap));
    assert.ok(verdict.ok, verdictText(verdict));
    assert.equal(verdict.found, calls.length);
  });
}

/** Changes to one record with a whole body on both sides, and what they must be called. */
const tampers: readonly [string, (record: ApiCall & { request: object; response: object }) => void][] = [
  ['client', (r) => (r.client.port ^= 1)],
  ['server', (r) => (r.server.address = '192.0.2.1')],
  ['scheme', (r) => (r.scheme = 'https')],
  ['depth', (r) => r.connection.depth++],
  ['method', (r) => (r.request.method = 'TRACE')],
  ['target', (r) => (r.request.target = r.request.target.replace('/api', '/apj'))],
  ['path', (r) => (r.request.path += 'x')],
  ['host', (r) => (r.host = 'example.invalid')],
  ['request headers', (r) => r.request.headers.reverse()],
  ['request body', (r) => (r.request.body.text = r.request.body.text?.replace('{', '['))],
  ['request body length', (r) => r.request.body.bytes++],
  ['status', (r) => (r.response.status = 299)],
  ['response headers', (r) => r.response.headers.pop()],
  ['response headers', (r) => (r.response.headers[0][1] += ' ')],
  ['response body', (r) => (r.response.body.text = r.response.body.text?.slice(1))],
  ['response body cut', (r) => (r.response.body.cut = true)],
  ['response body gap', (r) => (r.response.body.gapBytes = 7)],
  ['response trailers', (r) => (r.response.trailers = [['A', 'b']])],
  ['request time', (r) => r.request.lastByteUs--],
  ['response time', (r) => r.response.firstByteUs++],
  ['latency', (r) => (r.latencyUs = 0)],
  ['encapsulation', (r) => r.encapsulation.push({ type: 'vxlan', vni: 1 })],
  ['completeness', (r) => (r.causes = ['gap'])],
  ['no cause', (r) => (r.complete = false)],
];
const chosen = smallRecords.findIndex(
  (r) => (r.request?.body.kept ?? 0) > 0 && (r.response?.body.kept ?? 0) > 0 && r.response?.trailers === undefined,
);
for (const [fault, tamper] of tampers) {
  test(`one changed record is found: ${fault}`, () => {
    const records = structuredClone(smallRecords);
    tamper(records[chosen] as ApiCall & { request: object; response: object });
    const verdict = verdictOf(small.calls, small.summary.options, records);
    assert.ok((verdict.faults[fault] ?? 0) >= 1, verdictText(verdict));
    assert.equal(verdict.wrong, 1);
    assert.equal(verdict.found, small.calls.length - 1);
    assert.equal(verdict.ok, false);
  });
}

test('a response of another call is noticed', () => {
  const records = structuredClone(smallRecords);
  [records[3].response, records[4].response] = [records[4].response, records[3].response];
  const verdict = verdictOf(small.calls, small.summary.options, records);
  assert.equal(verdict.faults.pairing, 2);
  assert.equal(verdict.ok, false);
});

test('a missing, a repeated, an invented and an unreadable record are each a failure', () => {
  const { calls, summary } = small;
  const missing = verdictOf(calls, summary.options, smallRecords.slice(1));
  assert.deepEqual([missing.ok, missing.found, missing.unaccounted], [false, calls.length - 1, 1]);
  const repeated = verdictOf(calls, summary.options, [...smallRecords, smallRecords[0]]);
  assert.deepEqual([repeated.ok, repeated.found, repeated.repeated], [false, calls.length, 1]);
  const stranger = structuredClone(smallRecords[0]);
  if (stranger.request !== null) stranger.request.target = '/api?tx=999999999';
  const invented = verdictOf(calls, summary.options, [...smallRecords, stranger]);
  assert.deepEqual([invented.ok, invented.invented], [false, 1]);
  const unreadable = verdictOf(calls, summary.options, [...smallRecords, '{"schema":']);
  assert.deepEqual([unreadable.ok, unreadable.faults['no JSON']], [false, 1]);
});

/** The small capture as if bytes of its first `calls.length` had been lost, and records that say so. */
function withLoss(lost: LostBytes, change: (record: ApiCall) => void, share = 0.01): Verdict {
  const count = Math.ceil(small.calls.length * share);
  const hit = new Set(small.calls.slice(0, count).map((c) => c.target));
  const calls = small.calls.map((c, i) => (i < count ? { ...c, lost: [lost] } : c));
  const records = structuredClone(smallRecords);
  for (const record of records) if (hit.has(record.request?.target ?? '')) change(record);
  return verdictOf(calls, { ...small.summary.options, lossRate: 0.01 }, records);
}

const flag = (record: ApiCall): void => {
  record.complete = false;
  record.causes = ['gap'];
};

test('a hole in a body must be flagged, either way', () => {
  const lost = { ...whole, responseBody: 100 };
  assert.equal(withLoss(lost, () => {}).ok, false);
  assert.ok(withLoss(lost, () => {}).holesUnflagged > 0);
  assert.equal(withLoss(lost, flag).ok, true);
  assert.equal(withLoss(lost, (r) => (r.response !== null ? (r.response.body.gapBytes = 100) : 0)).ok, true);
  assert.equal(withLoss(lost, (r) => (r.request !== null ? (r.request.body.gapBytes = 100) : 0)).ok, false);
  assert.equal(withLoss(lost, (r) => (r.complete = false)).ok, false, 'incomplete without a cause');
});

test('a lost head excuses what cannot be known, but neither silence about it nor a wrong answer', () => {
  const lost = { ...whole, responseHead: 100 };
  const noResponse = (record: ApiCall): void => {
    record.complete = false;
    record.causes = ['no-response'];
    record.response = null;
  };
  assert.equal(withLoss(lost, noResponse).ok, true);
  assert.equal(withLoss(lost, () => {}).ok, false);
  const other = smallRecords[smallRecords.length - 1].response;
  const wrong = withLoss(lost, (r) => {
    flag(r);
    r.response = other;
  });
  assert.ok(wrong.wrong > 0);
  assert.equal(wrong.ok, false);
});

test('of the calls with whole heads 99.5 % must be found', () => {
  const lose = (n: number): Verdict => verdictOf(small.calls, { ...small.summary.options, lossRate: 0.01 }, smallRecords.slice(n));
  const allowed = Math.floor(small.calls.length * 0.005);
  assert.ok(allowed >= 1);
  assert.equal(lose(allowed).ok, true);
  assert.equal(lose(allowed + 1).ok, false);
});

test('a record whose call cannot be told is no invention when it says that it is incomplete', () => {
  const lost = { ...whole, requestHead: 100 };
  const cut = (record: ApiCall): void => {
    flag(record);
    if (record.request !== null) record.request.target = '/api/v1/ord';
  };
  const verdict = withLoss(lost, cut, 0.004);
  assert.ok(verdict.unattributed > 0);
  assert.equal(verdict.invented, 0);
  const claimed = withLoss(lost, (r) => (r.request !== null ? (r.request.target = '/api/v1/ord') : 0), 0.004);
  assert.ok(claimed.invented > 0);
  assert.equal(claimed.ok, false);
});

test('lines that are cut anywhere by the stream are put together again', async () => {
  const bytes = Buffer.from(
    smallRecords
      .slice(0, 20)
      .map((r) => `${JSON.stringify(r)}\n`)
      .join(''),
  );
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 997) chunks.push(bytes.subarray(at, at + 997));
  const verifier = new Verifier(small.calls, small.summary.options);
  await verifyStream(Readable.from(chunks), verifier);
  const { records, found, wrong } = verifier.result();
  assert.deepEqual({ records, found, wrong }, { records: 20, found: 20, wrong: 0 });
});
