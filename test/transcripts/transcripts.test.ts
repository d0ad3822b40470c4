import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { type Cut, type Outcome, play, WHOLE } from './play.ts';
import { parseTranscripts, type Transcript, type WantedCall } from './transcript.ts';

/** Fails where `part` is not in `whole`; lists have to be equal. */
function contains(whole: unknown, part: unknown, where: string): void {
  if (part === null || typeof part !== 'object' || Array.isArray(part)) {
    assert.deepEqual(whole, part, where);
    return;
  }
  assert.ok(typeof whole === 'object' && whole !== null, `${where}: there is none`);
  for (const [key, value] of Object.entries(part)) contains((whole as Record<string, unknown>)[key], value, `${where}.${key}`);
}

function checkBody(side: ApiCall['request'] | ApiCall['response'], text: string | undefined, declared: unknown, where: string): void {
  if (declared !== undefined) return;
  assert.equal(side?.body.text ?? '', text ?? '', `${where} text`);
  assert.equal(side?.body.base64, undefined, `${where} base64`);
}

function checkCall(call: ApiCall, wanted: WantedCall, where: string): void {
  const { method, target, status, requestBody, responseBody, causes, weirds, ...parts } = wanted;
  assert.equal(call.request?.method ?? 'none', method, `${where} method`);
  if (target !== undefined) assert.equal(call.request?.target, target, `${where} target`);
  assert.equal(call.response === null ? 'none' : call.response.status, status, `${where} status`);
  assert.deepEqual(call.causes ?? [], causes ?? [], `${where} causes`);
  assert.equal(call.complete, causes === undefined, `${where} complete`);
  assert.deepEqual(call.weirds ?? [], weirds ?? [], `${where} weirds`);
  checkBody(call.request, requestBody, (parts.request as { body?: unknown } | undefined)?.body, `${where} request body`);
  checkBody(call.response, responseBody, (parts.response as { body?: unknown } | undefined)?.body, `${where} response body`);
  contains(call, parts, where);
}

/** Weirds that are raised because of what a call's record says anyway. */
function impliedBy(wanted: WantedCall): readonly string[] {
  const causes = wanted.causes ?? [];
  return [
    ...(wanted.weirds ?? []),
    ...(causes.includes('no-response') ? ['http.pairing.request_without_response'] : []),
    ...(causes.includes('no-request') ? ['http.pairing.response_without_request'] : []),
  ];
}

function check(t: Transcript, cut: Cut, got: Outcome): void {
  assert.equal(
    got.calls.map((c) => `${c.request?.method ?? 'none'} ${c.request?.target ?? ''}`).join('; '),
    t.wanted.calls.map((c) => `${c.method} ${c.target ?? ''}`).join('; '),
  );
  for (const [i, wanted] of t.wanted.calls.entries()) checkCall(got.calls[i], wanted, `call ${i + 1}`);
  const closings = t.wanted.closings ?? [];
  assert.equal(got.closings.length, closings.length, 'closing records');
  for (const [i, { of, causes, ...parts }] of closings.entries()) {
    assert.equal(got.closings[i].call, got.calls[of - 1].id, `closing ${i + 1} of`);
    assert.deepEqual(got.closings[i].causes ?? [], causes ?? [], `closing ${i + 1} causes`);
    contains(got.closings[i], parts, `closing ${i + 1}`);
  }
  const connections = typeof t.wanted.connection === 'string' ? [t.wanted.connection] : [...t.wanted.connection];
  assert.deepEqual(got.connections, connections.sort(), 'connections');
  // Order and repetition of segments are told of segments, so that they may change with the cut.
  const compared = (name: string): boolean => cut === WHOLE || !name.startsWith('flow.tcp.');
  const weirds = new Set([...t.wanted.calls.flatMap(impliedBy), ...(t.wanted.weirds ?? [])].filter(compared));
  assert.deepEqual(got.weirds.filter(compared).sort(), [...weirds].sort(), 'weirds');
  assert.deepEqual(got.tls, [...(t.wanted.tls ?? [])].sort(), 'tls');
}

function checkCut(t: Transcript, cut: Cut, what: string): void {
  try {
    check(t, cut, play(t.steps, t.settings, cut));
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

const folder = import.meta.dirname;
for (const file of readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md')) {
  for (const t of parseTranscripts(readFileSync(`${folder}/${file}`, 'utf8'))) {
    test(`${file.slice(0, -3)}: ${t.title}`, () => {
      checkCut(t, WHOLE, 'whole');
      checkCut(t, { send: -1, at: 0, each: true }, 'byte by byte');
      const sends = t.steps.filter((s) => s.kind === 'send');
      for (const [send, step] of sends.entries()) {
        for (let at = 1; at < step.bytes.length; at++) checkCut(t, { send, at, each: false }, `send ${send + 1} cut at byte ${at}`);
      }
    });
  }
}
