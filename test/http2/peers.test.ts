/**
 * HTTP/2 between peers that are not ours, recorded and read again: every call with all that its client logged. Those peers are
 * node:http2, nghttp2 (nghttp, nghttpd, nghttpx, h2load), curl, grpc-js, graphql-http and ws.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { defaultSettings } from '../../src/base/settings.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { judge, Segments } from '../support/http2-judge.ts';
import { type GrpcLog, meaningOf, recordGraphql, recordGrpc } from '../support/http2-library-peers.ts';
import { type ClientLog, numbered, type Recording, recordNodeShapes } from '../support/http2-node-peers.ts';
import { servedFiles } from '../support/http2-program-peers.ts';
import { recordLoad, recordPrograms, withoutPrograms } from '../support/http2-recordings.ts';
import { truthOf } from '../support/http2-truth.ts';
import { recordWebSockets } from '../support/http2-web-socket-peers.ts';
import { contentOf, runMessages } from '../support/message-run.ts';
import { lawSeed, type Run, runPipeline } from '../support/run-pipeline.ts';
import { packetsOf } from '../support/web-socket.ts';

const SWITCHING_PROTOCOLS = 101;
const KEPT_BYTES = defaultSettings.http.bodyBytes;
const PREFIX_BYTES = 5;
/** More than tags, lengths and what was cut in the middle take in a message of these tests. */
const TAGS_BYTES = 64;
// Statuses of gRPC.
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;

const NOTHING = Buffer.alloc(0);

type Body = NonNullable<ApiCall['request']>['body'];

const keptOf = ({ text, base64 = '' }: Body): Buffer => (text !== undefined ? Buffer.from(text) : Buffer.from(base64, 'base64'));

/** A short text for content that is kept, other for other content. */
function markOf(kept: Buffer, isCut: boolean): string {
  const hash = createHash('sha256').update(kept).digest('hex').slice(0, 16);
  return `${isCut ? 'more than ' : ''}${kept.length} bytes, ${hash}: ${kept.toString('latin1', 0, 60)}`;
}

/** The mark that a record must have for content of which its client says this. */
const wantedMark = (content: Buffer): string => markOf(content.subarray(0, KEPT_BYTES), content.length > KEPT_BYTES);

const marks = new WeakMap<Body, string>();
function markOfRecord(body: Body | undefined): string | undefined {
  if (body === undefined) return undefined;
  const known = marks.get(body) ?? markOf(keptOf(body), body.cut === true);
  marks.set(body, known);
  return known;
}

/** The bytes and content of a call, as far as a client knows them: after a reset, each side saw something else of it. */
function bodiesOf({ wasReset, requestBytes, responseBytes, requestContent, responseContent }: ClientLog): object {
  if (wasReset) return {};
  return {
    requestBytes,
    responseBytes,
    ...(requestContent !== undefined && { requestContent: wantedMark(requestContent) }),
    ...(responseContent !== undefined && { responseContent: wantedMark(responseContent) }),
  };
}

/** A record in the form of a client's log; `like` says what that has. */
function asLog({ request, response }: ApiCall, like: ClientLog): object {
  const isOld = request?.version !== '2';
  return {
    method: request?.method,
    target: request?.target,
    // A reset may come before the client saw the answer, or in the middle of it.
    ...(!like.wasReset && { requestBytes: request?.body.bytes, responseBytes: response?.body.bytes }),
    ...(!like.wasReset && like.requestContent !== undefined && { requestContent: markOfRecord(request?.body) }),
    ...(!like.wasReset && like.responseContent !== undefined && { responseContent: markOfRecord(response?.body) }),
    requestHeaders: isOld ? request?.headers : request.headers.filter(([name], i) => i > 0 || name !== 'host'),
    ...(!isOld && like.authority !== '' && { authority: request.headers.find(([name]) => name === 'host')?.[1] }),
    requestTrailers: request?.trailers ?? [],
    ...((!like.wasReset || like.status !== null) && { status: response?.status ?? null, responseHeaders: response?.headers ?? [] }),
    ...(!like.wasReset && like.responseTrailers !== undefined && { responseTrailers: response?.trailers ?? [] }),
  };
}

function wantedOf(log: ClientLog): object {
  const { method, target, wasReset, responseTrailers, authority, status, responseHeaders, requestHeaders, requestTrailers } = log;
  return {
    method,
    target,
    requestHeaders,
    requestTrailers,
    ...(authority !== '' && { authority }),
    ...bodiesOf(log),
    ...((!wasReset || status !== null) && { status, responseHeaders }),
    ...(!wasReset && responseTrailers !== undefined && { responseTrailers }),
  };
}

/** One text for equal things, whatever the order of members. */
const text = (thing: object): string => JSON.stringify(Object.entries(thing).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The records of all connections of a recording, each checked by itself. */
function replay(recording: Recording, segmentBytes: number): Run[] {
  return recording.connections.map((turns) => {
    const truth = truthOf(turns);
    const segments = new Segments(turns, segmentBytes, 'client-fin');
    const run = runPipeline(segments.packets);
    assert.deepEqual(judge(run.records, truth, segments).faults, []);
    assert.equal(run.records.length, truth.streams.length);
    assert.equal(run.counters['calls.informational'] ?? 0, truth.informational);
    assert.equal(run.counters['payload.other'] ?? 0, 0, 'all bytes were read');
    assert.deepEqual(
      Object.keys(run.weirds).filter((name) => !QUIET.has(name)),
      [],
    );
    return run;
  });
}

/** Not oddities of the bytes: a reset before the answer. */
const QUIET: ReadonlySet<string> = new Set(['http.pairing.request_without_response']);

/** Of a call that was reset: some of what the client sent, and at least what it got. */
function sameBeginnings({ request, response }: ApiCall, { target, requestContent, responseContent }: ClientLog, name: string): void {
  const asked = request === null ? NOTHING : keptOf(request.body);
  if (requestContent !== undefined)
    assert.equal(markOf(asked, false), markOf(requestContent.subarray(0, asked.length), false), `${name}: ${target}`);
  if (responseContent === undefined) return;
  const got = responseContent.subarray(0, KEPT_BYTES);
  const answered = response === null ? NOTHING : keptOf(response.body);
  assert.equal(markOf(answered.subarray(0, got.length), false), markOf(got, false), `${name}: ${target}`);
}

/** Every call that a client logged is a record and the other way round, and they say the same; gives the records. */
function sameAsLogged(recording: Recording, segmentBytes = 1400): ApiCall[] {
  const all = replay(recording, segmentBytes).flatMap(({ records }) => records);
  const records = all.filter(({ response }) => response?.status !== SWITCHING_PROTOCOLS);
  assert.equal(records.length, recording.calls.length, recording.name);
  const left = new Set(records);
  for (const log of recording.calls) {
    const wanted = text(wantedOf(log));
    const found = [...left].find((record) => text(asLog(record, log)) === wanted);
    if (found === undefined) {
      const near = [...left].filter(({ request }) => request?.target === log.target).map((record) => asLog(record, log));
      assert.deepEqual(near, [wantedOf(log)], recording.name);
      throw new Error(`${recording.name}: ${wanted}`);
    }
    left.delete(found);
    if (log.wasReset) sameBeginnings(found, log, recording.name);
    else assert.equal(found.complete, true, `${recording.name}: ${log.target}: ${found.causes}`);
  }
  return records;
}

/** What the server of node:http2 says to h2load. */
const answers = new Map([
  ['/echo/1', NOTHING],
  ['/bytes/700', numbered(700, '/bytes/700')],
  ['/trailers/3', Buffer.from('with trailers')],
]);

const bytesOf = (messages: readonly Buffer[]): number => messages.reduce((n, { length }) => n + length, 0);

/** The messages of one side: all of them when `isWhole`, else those that both sides know of. */
function sameMessages(body: Body, messages: readonly Buffer[], isWhole: boolean, name: string): void {
  const lines = body.text === undefined ? [] : body.text.split('\n').map((line): unknown => JSON.parse(line));
  // Where messages end in the body; some lie in the part of it that is kept.
  const ends = messages.map((_, i) => bytesOf(messages.slice(0, i + 1)) + (i + 1) * PREFIX_BYTES);
  const whole = ends.filter((end) => end <= KEPT_BYTES).length;
  const isCut = whole < messages.length;
  const count = isWhole ? whole : Math.min(lines.length, messages.length);
  assert.deepEqual(lines.slice(0, count), messages.slice(0, count).map(meaningOf), name);
  if (!isWhole) return;
  assert.equal(body.cut, isCut || undefined, name);
  // The beginning of the next one, without its last few bytes or with them.
  const room = KEPT_BYTES - (ends[whole - 1] ?? 0);
  const rest = lines.slice(whole);
  if (!isCut || room <= TAGS_BYTES) assert.ok(rest.length <= (isCut ? 1 : 0), `${name}: ${lines.length} lines of ${whole} messages`);
  else {
    assert.deepEqual(rest, [beginningAs(rest[0], meaningOf(messages[whole]), true)], name);
    assert.ok(JSON.stringify(rest[0]).length > room - TAGS_BYTES, `${name}: all that is kept of message ${whole}`);
  }
}

/** What is left of something when it is cut where `cut` is; a text by itself is bytes in base64. */
function beginningAs(cut: unknown, all: unknown, isAlone = false): unknown {
  if (typeof cut === 'string' && typeof all === 'string') {
    if (!isAlone) return all.slice(0, cut.length);
    return Buffer.from(all, 'base64').subarray(0, Buffer.from(cut, 'base64').length).toString('base64');
  }
  if (typeof cut !== 'object' || typeof all !== 'object' || cut === null || all === null) return all;
  const members = Object.entries(all).slice(0, Object.keys(cut).length);
  return Object.fromEntries(members.map(([name, value]) => [name, beginningAs((cut as Record<string, unknown>)[name], value)]));
}

/** Messages and bytes of both sides. */
function countsOf(grpc: ApiCall['grpc']): unknown[] {
  return [grpc?.request?.messages, grpc?.request?.bytes, grpc?.response?.messages, grpc?.response?.bytes];
}
const countsSaid = ({ sent, received }: GrpcLog): unknown[] => [sent.length, bytesOf(sent), received.length, bytesOf(received)];

test('node:http2, client and server', async () => {
  for (const recording of await recordNodeShapes(lawSeed())) {
    for (const segmentBytes of [1400, 61]) sameAsLogged(recording, segmentBytes);
  }
});

test('nghttp, nghttpd, nghttpx, curl', { skip: withoutPrograms }, async () => {
  for (const recording of await recordPrograms()) sameAsLogged(recording);
});

test('h2load: the counts, and what the servers have', { skip: withoutPrograms }, async () => {
  for (const recording of await recordLoad()) {
    const records = replay(recording, 1400).flatMap((run) => run.records);
    const { load, name } = recording;
    for (const digit of ['2', '4']) {
      const ours = records.filter(({ response }) => String(response?.status).startsWith(digit));
      assert.equal(ours.length, load.statuses[digit] ?? 0, `${name}: ${digit}xx`);
    }
    const bytes = records.reduce((n, { response }) => n + (response?.body.bytes ?? 0), 0);
    assert.equal(bytes, load.dataBytes, name);
    // It does not say what it got, but what the servers have for it is known.
    for (const { request, response } of records) {
      const { path = '' } = request ?? {};
      const wanted = servedFiles.get(path.slice(1)) ?? answers.get(path);
      if (response?.status === 200) assert.equal(markOfRecord(response.body), wantedMark(wanted ?? assert.fail(path)), name);
      else assert.equal(response?.status, 404);
    }
  }
});

test('grpc-js, client and server: unary calls, streams of either direction, errors, a deadline, a cancelled call', async () => {
  const recording = await recordGrpc();
  const records = sameAsLogged(recording);
  assert.equal(records.length, recording.said.length);
  for (const said of recording.said) {
    const { id, method, code, sent, received } = said;
    const name = `${method}, call ${id}`;
    const ours = records.filter(({ request }) => request?.headers.some(([n, value]) => n === 'x-call' && value === id));
    assert.deepEqual(
      ours.map(({ request }) => request?.target),
      [method],
      name,
    );
    const [{ request, response, grpc, causes = [] }] = ours;
    // A client takes back what it cancels, and what is late unless the server is the first to say so.
    const isWhole = !causes.includes('reset');
    if (isWhole) assert.notEqual(code, CANCELLED, name);
    else assert.ok(code === CANCELLED || code === DEADLINE_EXCEEDED, `${name}: ${code}`);
    assert.ok((grpc?.response?.messages ?? 0) >= received.length, `${name}: all that the client got`);
    if (isWhole) assert.deepEqual([grpc?.status, countsOf(grpc)], [code, countsSaid(said)], name);
    if (request !== null) sameMessages(request.body, sent, isWhole, name);
    if (response !== null) sameMessages(response.body, received, isWhole, name);
  }
});

test('graphql-http with a client of Node: calls and operations', async () => {
  const recording = await recordGraphql();
  const records = sameAsLogged(recording);
  assert.equal(records.length, recording.operations.length);
  for (const { target, type, name, answer } of recording.operations) {
    const { operation, response } = records.find(({ request }) => request?.target === target) ?? {};
    const said = JSON.parse(response?.body.text ?? '') as { data?: unknown; errors?: unknown[] };
    if (answer === undefined) assert.equal(said.errors?.length, 1);
    else assert.deepEqual(said, answer);
    assert.equal(operation?.protocol, 'graphql', target);
    assert.equal(operation.type, type);
    assert.equal(operation.name, name);
  }
});

test('ws over node:http2: hand-shakes and messages, plain and with permessage-deflate', async () => {
  const { connections, sockets } = await recordWebSockets();
  for (const segmentBytes of [1400, 211]) {
    const { calls, messages, closings, weirds } = runMessages(packetsOf(connections[0], segmentBytes), {
      websocket: { messageBytes: 64 << 10 },
    });
    assert.deepEqual(weirds, {});
    assert.equal(calls.length, sockets.length);
    for (const { call, sent, received, code } of sockets) {
      const ours = calls.find(({ request }) => request?.target === call.target) ?? assert.fail(call.target);
      // What follows is messages, and no body.
      const { requestContent: _q, responseContent: _s, ...log } = { ...call, requestBytes: 0, responseBytes: 0 };
      assert.deepEqual(asLog(ours, log), wantedOf(log));
      assert.equal(ours.complete, true);
      const isDeflated = call.responseHeaders.some(([name]) => name === 'sec-websocket-extensions');
      for (const [sender, theirs] of [
        ['client', sent],
        ['server', received],
      ] as const) {
        assert.deepEqual(
          messages
            .filter((message) => message.call === ours.id && message.sender === sender)
            .map((message) => ({
              content: contentOf(message),
              isBinary: message.opcode === 'binary',
              isDeflated: message.compressed === true,
            })),
          theirs.map((message) => ({ ...message, isDeflated })),
        );
      }
      const end = closings.find((closing) => closing.call === ours.id);
      assert.deepEqual([end?.complete, end?.websocket?.code], [true, code]);
    }
  }
});
