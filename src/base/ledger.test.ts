import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counter, counts, resetCounters } from './counters.ts';
import { balances } from './ledger.ts';

function set(values: Readonly<Record<string, number>>): void {
  resetCounters();
  for (const [name, n] of Object.entries(values)) counts[counter(name)] = n;
}

test('nothing is balanced', () => {
  resetCounters();
  for (const { name, total, balances: isBalanced } of balances(0, 0)) assert.deepEqual([total, isBalanced], [0, true], name);
});

test('packets: received = decoded + dropped{reason}', () => {
  set({ 'packets.received': 10, 'packets.decoded': 7, 'packets.dropped{udp}': 2, 'packets.dropped{arp}': 1 });
  const [packets] = balances(0, 0);
  assert.deepEqual(packets, {
    name: 'packets received',
    total: 10,
    parts: [
      ['decoded', 7],
      ['dropped', 3],
    ],
    balances: true,
  });
  counts[counter('packets.dropped{arp}')]++;
  assert.equal(balances(0, 0)[0].balances, false);
});

test('payload: every byte seen is somewhere, what waits too', () => {
  set({
    'payload.seen': 1111,
    'payload.http': 1000,
    'payload.tls': 50,
    'payload.other': 40,
    'payload.retransmitted': 10,
    'payload.discarded{urgent}': 1,
    'payload.discarded{after-fin}': 3,
  });
  assert.equal(balances(0, 0)[1].balances, false);
  const payload = balances(7, 0)[1];
  assert.equal(payload.balances, true);
  assert.deepEqual(payload.parts.at(-1), ['held', 7]);
});

test('calls: seen = written + duplicate + filtered + waiting', () => {
  set({ 'calls.seen': 10, 'calls.written': 5, 'calls.duplicate': 2, 'calls.filtered{port}': 2 });
  assert.equal(balances(0, 0)[2].balances, false);
  assert.equal(balances(0, 1)[2].balances, true);
  assert.equal(balances(0, 2)[2].balances, false);
});

test('closings: seen = written + dropped{reason}', () => {
  const closings = (): boolean | undefined => balances(0, 0).find(({ name }) => name === 'closings seen')?.balances;
  set({ 'closings.seen': 5, 'records.closing': 2, 'closings.dropped{no-record}': 2 });
  assert.equal(closings(), false);
  set({ 'closings.seen': 5, 'records.closing': 2, 'closings.dropped{no-record}': 2, 'closings.dropped{format}': 1 });
  assert.equal(closings(), true);
});
