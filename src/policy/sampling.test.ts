import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCall, lookAtCalls, message } from '../../test/support/look-at-calls.ts';
import { countOf } from '../base/counters.ts';
import { CallView } from './call-view.ts';
import { defaultAdvancedFilters, defaultSimpleFilters } from './default-filters.ts';
import { compileSampling } from './sampling.ts';
import type { PipelineSpec } from './spec.ts';

const KEY = Buffer.alloc(32, 'k');
const view = new CallView();
const OK = message('HTTP/1.1 200 OK');

function sampler(key: PipelineSpec['sampling']['key'], share: number, own: Buffer = KEY): (view: CallView) => boolean {
  return compileSampling({ name: 'p', simple: defaultSimpleFilters, advanced: defaultAdvancedFilters, sampling: { share, key } }, own);
}

/** Whether each of several samplers takes the call. */
function taken(samplers: readonly ((view: CallView) => boolean)[], head: string, client = '10.1.1.1', clientPort = 40000): boolean[] {
  return lookAtCall(
    { request: message(`${head}|Host: a`), response: OK },
    (call) => {
      view.set(call);
      return samplers.map((takes) => takes(view));
    },
    { place: { client, clientPort } },
  );
}

test('the share is kept, and samples are nested', () => {
  const samplers = [0, 0.1, 0.5, 0.9, 1].map((share) => sampler('client', share));
  const counts = samplers.map(() => 0);
  for (let i = 0; i < 2000; i++) {
    const all = taken(samplers, 'GET / HTTP/1.1', `10.7.${i >> 8}.${i & 255}`);
    for (let k = 1; k < all.length; k++) assert.ok(all[k] || !all[k - 1], 'what a smaller share takes, a larger one takes');
    all.forEach((is, k) => {
      counts[k] += is ? 1 : 0;
    });
  }
  const [none, tenth, half, most, every] = counts;
  assert.deepEqual([none, every], [0, 2000]);
  // Five standard deviations.
  assert.ok(Math.abs(tenth - 200) < 67 && Math.abs(half - 1000) < 112 && Math.abs(most - 1800) < 67, String(counts));
});

test('what is not taken is counted', () => {
  const none = sampler('client', 0);
  const counted = lookAtCall({ request: message('GET / HTTP/1.1|Host: a'), response: OK }, (call) => {
    view.set(call);
    none(view);
    none(view);
    sampler('client', 1)(view);
    return countOf('calls.sampledOut{p}');
  });
  assert.equal(counted, 2);
});

/** Whether calls with these heads are decided alike by many samplers, of which each takes half. */
function areTogether(
  key: PipelineSpec['sampling']['key'],
  a: readonly [head: string, client?: string, port?: number],
  b: typeof a,
): boolean {
  const samplers = Array.from({ length: 32 }, (_, i) => sampler(key, 0.5, Buffer.alloc(32, i + 1)));
  return JSON.stringify(taken(samplers, ...a)) === JSON.stringify(taken(samplers, ...b));
}

test('a session stays together, whatever else changes', () => {
  const cookie = (value: string, more = ''): string => `GET /x HTTP/1.1|Cookie: lang=en; ${more}JSESSIONID=${value}; theme=dark`;
  assert.ok(areTogether('session', [cookie('abc')], [cookie('abc', '_ga=1; '), '10.9.9.9', 5]));
  assert.ok(areTogether('session', [cookie('abc')], ['POST /y HTTP/1.1|Cookie: a=1|Cookie: jsessionid=abc|Authorization: Bearer x']));
  assert.ok(!areTogether('session', [cookie('abc')], [cookie('abd')]));
  // Several: the one that stands first in the table, wherever it stands in the request.
  const both = 'GET /x HTTP/1.1|Cookie: token=t1; sid=s1';
  assert.ok(areTogether('session', [both], ['GET /x HTTP/1.1|Cookie: sid=s1; token=t2']));
  const bearer = 'GET /x HTTP/1.1|Authorization: Bearer abc';
  assert.ok(areTogether('session', [bearer], [`${bearer}|Cookie: lang=en; sid=`, '10.9.9.9']));
  assert.ok(!areTogether('session', [bearer], ['GET /x HTTP/1.1|Authorization: Bearer abd']));
  assert.ok(areTogether('session', ['GET /x HTTP/1.1'], ['GET /y HTTP/1.1', '10.1.1.1', 7]), 'else the client');
  assert.ok(!areTogether('session', ['GET /x HTTP/1.1'], ['GET /x HTTP/1.1', '10.1.1.2']));
});

test('a client stays together behind proxies, and a connection with itself', () => {
  const behind = 'GET / HTTP/1.1|X-Forwarded-For: 203.0.113.9';
  assert.ok(areTogether('client', [behind, '10.1.1.1'], [behind, '10.1.1.2', 7]));
  assert.ok(areTogether('client', [behind], ['GET /x HTTP/1.1', '203.0.113.9']), 'seen directly, too');
  assert.ok(!areTogether('client', [behind], ['GET / HTTP/1.1']));
  assert.ok(areTogether('connection', [behind], ['GET /other HTTP/1.1']));
  assert.ok(!areTogether('connection', [behind], [behind, '10.1.1.1', 40001]));
});

test('calls of one connection are taken each by itself, and the same ones every time', () => {
  const half = sampler('call', 0.5);
  const run = (): boolean[] => {
    const all: boolean[] = [];
    const exchanges = Array.from({ length: 200 }, () => ({ request: message('GET / HTTP/1.1|Host: a'), response: OK }));
    lookAtCalls(exchanges, (call) => {
      view.set(call);
      all.push(half(view));
    });
    return all;
  };
  const first = run();
  assert.deepEqual(run(), first);
  const share = first.filter((is) => is).length;
  assert.ok(share > 65 && share < 135, `${share} of 200`);
});
