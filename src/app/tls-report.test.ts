import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlsCounts, TlsSeen } from '../http/tls-facts.ts';
import { countItems, noTls, quicWords, servers, sumTls, TLS_TOLD_MAX, tlsBetween } from './tls-report.ts';

const seen = (names: TlsCounts): TlsSeen => ({ ...noTls, names });

test('workers are summed by name, the most frequent first; totals count those that are not listed', () => {
  const sum = sumTls([
    seen({
      total: 10,
      top: [
        ['a', 6],
        ['b', 4],
      ],
    }),
    seen({ total: 9, top: [['b', 5]] }),
    noTls,
  ]);
  assert.deepEqual(sum.names, {
    total: 19,
    top: [
      ['b', 9],
      ['a', 6],
    ],
  });
  assert.deepEqual(sum.addresses, { total: 0, top: [] });
});

test('a sum names no more than one worker does', () => {
  const many = (from: number): TlsCounts => ({
    total: TLS_TOLD_MAX,
    top: Array.from({ length: TLS_TOLD_MAX }, (_, i): [string, number] => [`s${from + i}`, 1]),
  });
  const { names } = sumTls([seen(many(0)), seen(many(100))]);
  assert.deepEqual([names.total, names.top.length], [2 * TLS_TOLD_MAX, TLS_TOLD_MAX]);
});

test('between two reports: what grew, never less than nothing', () => {
  const first = seen({
    total: 10,
    top: [
      ['a', 6],
      ['b', 4],
    ],
  });
  const second = seen({
    total: 17,
    top: [
      ['a', 6],
      ['c', 5],
      ['b', 6],
    ],
  });
  assert.deepEqual(tlsBetween(first, second).names, {
    total: 7,
    top: [
      ['c', 5],
      ['b', 2],
    ],
  });
  assert.deepEqual(tlsBetween(second, noTls).names, { total: 0, top: [] });
});

test('in words: no name, others, and names that are too long', () => {
  const top: [string, number][] = [
    ['shop.example', 1200],
    ['', 3],
    ['x'.repeat(100), 2],
  ];
  assert.deepEqual(countItems({ total: 1210, top }, 2), ['shop.example 1,200', '(none) 3', 'others 7']);
  const [, , long] = countItems({ total: 1205, top }, 5);
  assert.ok(long.length <= 62, long);
  assert.deepEqual(countItems(noTls.names, 5), []);
});

test('servers have names, and addresses where no client sends one', () => {
  const addresses = { total: 3, top: [['10.0.0.9:443', 3]] as const };
  assert.equal(servers({ ...noTls, addresses, names: { total: 3, top: [['', 3]] } }), addresses);
  const names = {
    total: 3,
    top: [
      ['a', 1],
      ['', 2],
    ] as const,
  };
  assert.equal(servers({ ...noTls, addresses, names }), names);
});

test('QUIC in words', () => {
  const of = (counters: Record<string, number>): string => quicWords((name) => counters[name] ?? 0);
  assert.equal(of({}), '');
  assert.equal(of({ 'packets.dropped{quic}': 1, 'quic.connections': 1 }), '1 packet of QUIC in 1 connection');
  assert.equal(
    of({ 'packets.dropped{quic}': 1200, 'quic.connections': 30, 'quic.http3': 28 }),
    '1,200 packets of QUIC in 30 connections, 28 of them HTTP/3',
  );
});
