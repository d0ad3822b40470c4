/**
 * HTTP/2 between peers that are not ours, recorded and read again: every call with all that its client logged. Those peers are
 * node:http2, nghttp2 (nghttp, nghttpd, nghttpx, h2load), curl, grpc-js and graphql-http.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { judge, Segments } from '../support/http2-judge.ts';
import { recordGraphql, recordGrpc } from '../support/http2-library-peers.ts';
import { type ClientLog, type Recording, recordNodeShapes } from '../support/http2-node-peers.ts';
import { recordLoad, recordPrograms, withoutPrograms } from '../support/http2-recordings.ts';
import { truthOf } from '../support/http2-truth.ts';
import { lawSeed, type Run, runPipeline } from '../support/run-pipeline.ts';

const SWITCHING_PROTOCOLS = 101;

/** A record in the form of a client's log; `like` says what that has. */
function asLog({ request, response }: ApiCall, like: ClientLog): object {
  const isOld = request?.version !== '2';
  return {
    method: request?.method,
    target: request?.target,
    // A reset may come before the client saw the answer, or in the middle of it.
    ...(!like.wasReset && { requestBytes: request?.body.bytes, responseBytes: response?.body.bytes }),
    requestHeaders: isOld ? request?.headers : request.headers.filter(([name], i) => i > 0 || name !== 'host'),
    ...(!isOld && like.authority !== '' && { authority: request.headers.find(([name]) => name === 'host')?.[1] }),
    requestTrailers: request?.trailers ?? [],
    ...((!like.wasReset || like.status !== null) && { status: response?.status ?? null, responseHeaders: response?.headers ?? [] }),
    ...(!like.wasReset && like.responseTrailers !== undefined && { responseTrailers: response?.trailers ?? [] }),
  };
}

function wantedOf(log: ClientLog): object {
  const { wasReset, responseTrailers, authority, requestBytes, responseBytes, status, responseHeaders, requestHeaders, ...rest } = log;
  return {
    ...rest,
    requestHeaders,
    ...(authority !== '' && { authority }),
    ...(!wasReset && { requestBytes, responseBytes }),
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
    if (!log.wasReset) assert.equal(found.complete, true, `${recording.name}: ${log.target}: ${found.causes}`);
  }
  return records;
}

test('node:http2, client and server', async () => {
  for (const recording of await recordNodeShapes(lawSeed())) {
    for (const segmentBytes of [1400, 61]) sameAsLogged(recording, segmentBytes);
  }
});

test('nghttp, nghttpd, nghttpx, curl', { skip: withoutPrograms }, async () => {
  for (const recording of await recordPrograms()) sameAsLogged(recording);
});

test('h2load: the counts', { skip: withoutPrograms }, async () => {
  for (const recording of await recordLoad()) {
    const records = replay(recording, 1400).flatMap((run) => run.records);
    const { load, name } = recording;
    for (const digit of ['2', '4']) {
      const ours = records.filter(({ response }) => String(response?.status).startsWith(digit));
      assert.equal(ours.length, load.statuses[digit] ?? 0, `${name}: ${digit}xx`);
    }
    const bytes = records.reduce((n, { response }) => n + (response?.body.bytes ?? 0), 0);
    assert.equal(bytes, load.dataBytes, name);
  }
});

test('grpc-js, client and server: unary calls, streams of either direction, errors, a deadline, a cancelled call', async () => {
  const recording = await recordGrpc();
  const records = sameAsLogged(recording);
  assert.equal(records.length, recording.said.length);
  const codes = (ofMethod: string): number[] => recording.said.filter(({ method }) => method === ofMethod).map(({ code }) => code);
  for (const method of new Set(recording.said.map((said) => said.method))) {
    const ours = records
      .filter(({ request }) => request?.target === method)
      .map(({ response, causes }) => {
        if (causes?.includes('reset')) return 'reset';
        const field = [...(response?.trailers ?? []), ...(response?.headers ?? [])].find(([name]) => name === 'grpc-status');
        return Number(field?.[1]);
      });
    // 1: cancelled, 4: deadline exceeded. Both are resets by the client.
    const theirs = codes(method).map((code) => (code === 1 || code === 4 ? 'reset' : code));
    assert.deepEqual(ours.sort(), theirs.sort(), method);
  }
});

test('graphql-http with a client of Node: calls and operations', async () => {
  const recording = await recordGraphql();
  const records = sameAsLogged(recording);
  for (const { target, type, name } of recording.operations) {
    const { operation } = records.find(({ request }) => request?.target === target) ?? {};
    assert.equal(operation?.protocol, 'graphql', target);
    assert.equal(operation.type, type);
    assert.equal(operation.name, name);
  }
});
