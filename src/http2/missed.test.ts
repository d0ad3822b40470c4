/** What is made of frames where others were missed: joined in the middle, or behind a hole. Made frames; recordings are in test/http2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyBytes, partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { dataFrame, frame, headers, PREFACE, pushPromise, settingsFrame } from '../../test/support/http2-frames.ts';
import { type Run, runPipeline } from '../../test/support/run-pipeline.ts';

const get = (path: string): [string, string][] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', path],
];
const ok: [string, string][] = [
  [':status', '200'],
  ['content-type', 'text/plain'],
];
const client = (...frames: Buffer[]): Turn => ({ fromServer: false, bytes: Buffer.concat(frames) });
const server = (...frames: Buffer[]): Turn => ({ fromServer: true, bytes: Buffer.concat(frames) });
const opening = [client(PREFACE, settingsFrame()), server(settingsFrame())];

/** A request as encoders write it: GET, http, and the path as a literal, by their numbers in the static table. */
function plainGet(stream: number, path: string): Buffer {
  const name = Buffer.from([0x82, 0x86, 0x04, path.length]);
  return frame(1, 5, stream, Buffer.concat([name, Buffer.from(path)]));
}

/** A block of entries of the dynamic table only. */
const unknown = (stream: number, flags: number): Buffer => frame(1, flags, stream, Buffer.from([0xbe, 0xbf]));
const END = 5;
const OPEN = 4;

const lost = new WeakSet<Buffer>();
/** The same turn, of which the packet is not captured. */
function lose(turn: Turn): Turn {
  lost.add(turn.bytes);
  return turn;
}

/** Each turn is one packet. */
function replay(turns: readonly Turn[]): Run {
  const parts = partsOf({ turns, calls: [], end: 'client-fin' }, everyBytes(100_000));
  const isCaptured = (_: unknown, i: number): boolean => !turns.some(({ bytes }) => bytes.equals(parts[i].payload) && lost.has(bytes));
  return runPipeline(wires(parts, {}, 20_000).filter(isCaptured), { everyPacket: true });
}

/** All packets behind the handshake. */
function joined(turns: readonly Turn[]): Run {
  const all = wires(partsOf({ turns, calls: [], end: 'client-fin' }), {}, 20_000);
  return runPipeline(all.slice(3), { everyPacket: true });
}
const said = (run: Run): unknown[] =>
  run.records.map(({ request, response }) => [request?.target ?? null, response?.status ?? null, response?.body.text ?? '']);

test('a block of which nothing is known does not tell who the client is', () => {
  const run = joined([
    server(unknown(1, END), dataFrame(3, 'x', true), settingsFrame([[3, 100]])),
    client(plainGet(5, '/five'), plainGet(7, '/seven')),
    server(headers(5, ok, { end: true }), headers(7, ok, { end: true })),
  ]);
  assert.deepEqual(said(run).slice(-2), [
    ['/five', 200, ''],
    ['/seven', 200, ''],
  ]);
  for (const record of run.records) assert.equal(record.client.address, '10.1.1.1');
});

test('an answer of unknown status was an interim one when another follows', () => {
  const run = joined([
    client(plainGet(5, '/five'), plainGet(7, '/seven')),
    server(unknown(5, OPEN), unknown(7, OPEN), unknown(5, OPEN), headers(5, ok, { end: false }), dataFrame(5, 'five', true)),
    server(headers(7, ok, { end: true })),
  ]);
  assert.deepEqual(said(run), [
    ['/five', 200, 'five'],
    ['/seven', 200, ''],
  ]);
  for (const record of run.records) assert.equal(record.complete, true, String(record.causes));
  assert.equal(run.counters['calls.informational'], 3);
});

test('an answer of unknown status before an interim one, its request before the joint, and a reset: a call that has an answer', () => {
  const early: [string, string][] = [[':status', '103']];
  const run = joined([
    client(plainGet(5, '/five')),
    server(unknown(3, OPEN), headers(3, early, { end: false }), frame(3, 0, 3, Buffer.from([0, 0, 0, 2]))),
    server(headers(5, ok, { end: true })),
  ]);
  const [first, second] = run.records;
  assert.deepEqual([first.request, first.response?.status, first.response?.headersIncomplete], [null, null, true]);
  assert.deepEqual([second.request?.target, second.response?.status], ['/five', 200]);
});

/** Two turns: the first `at` bytes, and the rest. */
function split({ fromServer, bytes }: Turn, at: number): [Turn, Turn] {
  return [
    { fromServer, bytes: Buffer.from(bytes.subarray(0, at)) },
    { fromServer, bytes: Buffer.from(bytes.subarray(at)) },
  ];
}

test('padding of a head that a hole cuts is not read as fields', () => {
  const [begun, rest] = split(server(headers(1, ok, { end: true, pad: 200 })), 200);
  const run = replay([
    ...opening,
    client(headers(1, get('/a'))),
    begun,
    lose(rest),
    client(headers(3, get('/b'))),
    server(headers(3, ok, { end: true })),
  ]);
  assert.deepEqual(said(run), [
    ['/a', 200, ''],
    ['/b', 200, ''],
  ]);
  assert.deepEqual(run.records[0].response?.headers, ok.slice(1));
});

test('padding of a length that a hole took is not counted as body', () => {
  const [begun, rest] = split(server(dataFrame(1, 'd'.repeat(600), true, 255)), 9);
  const [gone, seen] = split(rest, 100);
  const run = replay([...opening, client(headers(1, get('/a'))), server(headers(1, ok, { end: false })), begun, lose(gone), seen]);
  const [{ response, causes }] = run.records;
  assert.equal(response?.body.bytes, 600);
  assert.equal(response.body.gapBytes, 99);
  assert.deepEqual(causes, ['gap']);
});

test('a preface that was not captured', () => {
  const run = replay([
    server(settingsFrame([[3, 100]])),
    lose(client(PREFACE, settingsFrame(), headers(1, get('/lost')))),
    client(settingsFrame([], true), plainGet(3, '/three')),
    server(headers(1, ok, { end: true }), headers(3, ok, { end: true })),
  ]);
  assert.deepEqual(said(run), [
    [null, 200, ''],
    ['/three', 200, ''],
  ]);
});

test('an upgrade of which the request was not captured', () => {
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
  const run = replay([
    lose(
      client(
        Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAAAA\r\n\r\n'),
      ),
    ),
    server(Buffer.from(switching), settingsFrame(), headers(1, ok, { end: true })),
    client(PREFACE, settingsFrame(), headers(3, get('/three'))),
    server(headers(3, ok, { end: true })),
  ]);
  for (const { request, complete } of run.records) assert.ok(request !== null || !complete);
  assert.deepEqual(said(run), [
    [null, 101, ''],
    [null, 200, ''],
    ['/three', 200, ''],
  ]);
});

test('streams of which only data were captured are calls, each by itself', () => {
  const run = replay([
    ...opening,
    client(headers(1, get('/page'))),
    lose(server(pushPromise(1, 2, get('/a')), pushPromise(1, 4, get('/b')), headers(1, ok, { end: false }))),
    server(dataFrame(1, 'page', true), dataFrame(2, 'aaaa', true), dataFrame(4, 'bbbb', true)),
  ]);
  assert.deepEqual(said(run), [
    ['/page', null, ''],
    [null, null, ''],
    [null, null, ''],
  ]);
  for (const { response, causes } of run.records) {
    assert.equal(response?.headersIncomplete, true);
    assert.equal(response.body.bytes, 4);
    assert.ok(causes?.includes('gap') && causes.includes('headers-unknown'));
  }
});

test('what is late of a stream that is over is no new call, though frames were lost', () => {
  const run = replay([
    ...opening,
    client(headers(1, get('/one'))),
    server(headers(1, ok, { end: true })),
    client(headers(3, get('/three'))),
    lose(server(headers(3, ok, { end: true }))),
    client(headers(5, get('/five'))),
    server(headers(5, ok, { end: true }), dataFrame(1, 'late', true), headers(5, ok, { end: true })),
  ]);
  assert.deepEqual(said(run), [
    ['/one', 200, ''],
    ['/five', 200, ''],
    ['/three', null, ''],
  ]);
});
