import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernet, ipv4, placePacket, tcp, udp, vlan, vxlan } from '../../test/support/packets.ts';
import { resetBlocks } from '../base/blocks.ts';
import { countOf, resetCounters } from '../base/counters.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { Packet } from '../capture/packet.ts';
import { decode, resetDecode } from '../decode/decode.ts';
import { Segment, TCP } from '../decode/segment.ts';
import { addFlow, INTERFACE, ROW_SHIFT, resetFlowTable, rows } from '../flow/flow-table.ts';
import * as t from '../http/transaction.ts';
import { callsParked, DUPLICATE, judge, nextDue, PASS, park, resetDuplicates, WAIT } from './duplicates.ts';

const packet = new Packet();
const segment = new Segment();

function reset(normalise: Partial<Settings['normalise']> = {}): void {
  resetCounters();
  resetBlocks(1 << 20);
  resetDecode(defaultSettings);
  resetFlowTable(defaultSettings);
  t.resetCalls(10_000);
  resetDuplicates({ ...defaultSettings, normalise: { ...defaultSettings.normalise, ...normalise } });
}

interface Place {
  readonly vni?: number;
  readonly vlanId?: number;
  readonly interfaceId?: number;
  readonly source?: string;
  readonly port?: number;
}

/** A row of the flow table for a connection that is seen at this place. */
function flow(o: Place = {}): number {
  const inner = ipv4(tcp(Buffer.from('x'), { sourcePort: o.port ?? 40_000 }), { source: o.source ?? '10.0.0.1' });
  const frame = ethernet(o.vlanId === undefined ? inner : vlan(inner, { id: o.vlanId }));
  placePacket(packet, o.vni === undefined ? frame : ethernet(ipv4(udp(vxlan(frame, { vni: o.vni })))), { interfaceId: o.interfaceId ?? 0 });
  assert.equal(decode(packet, segment), TCP);
  const row = addFlow(segment);
  rows[(row << ROW_SHIFT) + INTERFACE] = o.interfaceId ?? 0;
  return row;
}

interface Made {
  readonly sequence?: number;
  readonly bytes?: number;
  readonly ms?: number;
  readonly causes?: number;
  readonly gap?: number;
  readonly answered?: boolean;
  readonly asked?: boolean;
  /** Sequence number of the response. */
  readonly reply?: number;
}

const START_MS = 1_700_000_000_000;

function call(row: number, o: Made = {}): number {
  const c = t.newCall();
  const k = c << t.CALL_SHIFT;
  const calls = t.calls;
  calls[k + t.C_FLOW] = row;
  calls[k + t.C_FLAGS] = ((o.asked ?? true) ? t.HAS_REQUEST : 0) | ((o.answered ?? true) ? t.HAS_RESPONSE : 0);
  calls[k + t.C_CAUSES] = o.causes ?? 0;
  calls[k + t.REQUEST + t.S_SEQUENCE] = o.sequence ?? 1000;
  calls[k + t.REQUEST + t.S_HEAD_BYTES] = o.bytes ?? 50;
  t.doubles[(c << 5) + t.D_REQUEST + t.D_FIRST] = (START_MS + (o.ms ?? 0)) * 1000;
  calls[k + t.RESPONSE + t.S_SEQUENCE] = o.reply ?? (o.sequence ?? 1000) + 50_000;
  calls[k + t.RESPONSE + t.S_HEAD_BYTES] = 80;
  t.doubles[(c << 5) + t.D_RESPONSE + t.D_FIRST] = (START_MS + (o.ms ?? 0)) * 1000;
  t.doubles[(c << 5) + t.D_RESPONSE + t.D_GAP] = o.gap ?? 0;
  return c;
}

const nowMs = (ms: number): number => (START_MS + ms) | 0;
const due = (ms: number, all = false): string[] => {
  const out: string[] = [];
  for (let due = nextDue(nowMs(ms), all); due !== undefined; due = nextDue(nowMs(ms), all)) out.push(due.record.toString());
  return out;
};
/** Makes more than one place known, so that calls that are not whole wait. */
function twoPlaces(): [number, number] {
  const rowsOf: [number, number] = [flow({ vni: 1 }), flow({ vni: 2 })];
  judge(call(rowsOf[0], { sequence: -1 }));
  judge(call(rowsOf[1], { sequence: -2 }));
  return rowsOf;
}

test('the copy under another VNI is refused, whatever comes first', () => {
  reset();
  const [a, b] = [flow({ vni: 1 }), flow({ vni: 2 })];
  assert.equal(judge(call(a)), PASS);
  assert.equal(judge(call(b, { ms: 3 })), DUPLICATE);
  assert.equal(judge(call(b, { sequence: 2000 })), PASS);
  assert.equal(judge(call(a, { sequence: 2000, ms: -3 })), DUPLICATE);
  assert.equal(countOf('calls.duplicate'), 2);
});

test('equal requests with answers of other sequence numbers are two calls: two machines that chose alike', () => {
  reset();
  const [a, b] = [flow({ vni: 1 }), flow({ vni: 2 })];
  assert.equal(judge(call(a, { reply: 7000 })), PASS);
  assert.equal(judge(call(b, { reply: 7025 })), PASS);
  assert.equal(judge(call(b, { reply: 7000, ms: 1 })), DUPLICATE);
});

test('the copy on another interface is refused', () => {
  reset();
  const [a, b] = [flow({ interfaceId: 0 }), flow({ interfaceId: 1 })];
  assert.deepEqual([judge(call(a)), judge(call(b))], [PASS, DUPLICATE]);
});

test('the same call at the same place is another one', () => {
  reset();
  const [a] = twoPlaces();
  assert.deepEqual([judge(call(a)), judge(call(a))], [PASS, PASS]);
});

test('a VLAN tag is no other place', () => {
  reset();
  const [a, b] = [flow({ vlanId: 1 }), flow({ vlanId: 2 })];
  assert.deepEqual([judge(call(a)), judge(call(b))], [PASS, PASS]);
});

test('other sequence number, length, address or port: another call', () => {
  reset();
  const [a, b] = twoPlaces();
  assert.equal(judge(call(a)), PASS);
  assert.equal(judge(call(b, { sequence: 1001 })), PASS);
  assert.equal(judge(call(b, { bytes: 51, reply: 7 })), PASS);
  assert.equal(judge(call(flow({ vni: 2, source: '10.0.0.9' }))), PASS);
  assert.equal(judge(call(flow({ vni: 2, port: 40_001 }))), PASS);
  assert.equal(countOf('calls.duplicate'), 0);
});

test('only within the window, and not at all when it is 0', () => {
  reset({ duplicateWindowMs: 2000 });
  const [a, b] = twoPlaces();
  assert.deepEqual([judge(call(a)), judge(call(b, { ms: 2001 }))], [PASS, PASS]);
  assert.deepEqual([judge(call(a, { sequence: 5 })), judge(call(b, { sequence: 5, ms: 2000 }))], [PASS, DUPLICATE]);
  reset({ duplicateWindowMs: 0 });
  assert.deepEqual([judge(call(flow({ vni: 1 }))), judge(call(flow({ vni: 2 })))], [PASS, PASS]);
});

test('a call that is not whole waits for the whole one', () => {
  reset();
  const [a, b] = twoPlaces();
  const half = call(a, { causes: t.CAUSE_GAP });
  assert.equal(judge(half), WAIT);
  park(half, Buffer.from('half'), 1);
  assert.equal(callsParked(), 1);
  assert.deepEqual(due(1000), []);
  assert.equal(judge(call(b, { ms: 5 })), PASS);
  assert.equal(callsParked(), 0);
  assert.deepEqual(due(10_000), []);
  assert.equal(countOf('calls.duplicate'), 1);
});

test('a call that is not whole goes out alone when its window is over', () => {
  reset({ duplicateWindowMs: 2000 });
  const [a] = twoPlaces();
  const half = call(a, { causes: t.CAUSE_GAP });
  assert.equal(judge(half), WAIT);
  park(half, Buffer.from('half'), 1);
  assert.deepEqual(due(2000), []);
  assert.deepEqual(due(2001), ['half']);
  assert.equal(callsParked(), 0);
});

test('of two that are not whole the better one goes, in either order', () => {
  for (const better of [0, 1]) {
    reset();
    const places = twoPlaces();
    const [first, second] = [0, 1].map((i) => call(places[i], { causes: t.CAUSE_GAP, gap: i === better ? 10 : 500, ms: i }));
    assert.equal(judge(first), WAIT);
    park(first, Buffer.from('first'), 1);
    if (better === 0) assert.equal(judge(second), DUPLICATE);
    else {
      assert.equal(judge(second), WAIT);
      park(second, Buffer.from('second'), 1);
    }
    assert.deepEqual(due(0, true), [better === 0 ? 'first' : 'second']);
    assert.equal(countOf('calls.duplicate'), 1);
  }
});

test('a response counts for more than bytes', () => {
  reset();
  const [a, b] = twoPlaces();
  const bare = call(a, { causes: t.NO_RESPONSE, answered: false });
  judge(bare);
  park(bare, Buffer.from('bare'), 1);
  const gapped = call(b, { causes: t.CAUSE_GAP, gap: 1e9 });
  assert.equal(judge(gapped), WAIT);
  park(gapped, Buffer.from('gapped'), 1);
  assert.deepEqual(due(0, true), ['gapped']);
});

test('a copy that is not whole is refused when the whole one has gone', () => {
  reset();
  const [a, b] = twoPlaces();
  judge(call(a));
  assert.equal(judge(call(b, { causes: t.NO_RESPONSE, answered: false, bytes: 20 })), DUPLICATE);
});

test('a response whose request was lost is the copy of a call with the same response', () => {
  reset();
  const [a, b] = twoPlaces();
  assert.equal(judge(call(a)), PASS);
  assert.equal(judge(call(b, { asked: false, causes: t.NO_REQUEST, reply: 51_000 })), DUPLICATE);
  assert.equal(judge(call(b, { asked: false, causes: t.NO_REQUEST, reply: 52_000 })), WAIT);
});

test('nothing waits while only one place is known', () => {
  reset();
  assert.equal(judge(call(flow({ vni: 1 }), { causes: t.CAUSE_GAP })), PASS);
});

test('only so many calls are remembered, and every one is handed on', () => {
  reset({ duplicatesMax: 1024 });
  const [a, b] = twoPlaces();
  let refused = 0;
  for (let i = 0; i < 8000; i++) assert.equal(judge(call(a, { sequence: i * 7 + 1 })), PASS);
  for (let i = 0; i < 8000; i++) if (judge(call(b, { sequence: i * 7 + 1 })) === DUPLICATE) refused++;
  assert.ok(refused > 0 && refused <= 1100, `${refused} refused`);
});

test('only so many bytes wait; a call that is not whole is handed on at once beyond them, and waits again later', () => {
  reset({ parkedBytesMax: 100 });
  const [a] = twoPlaces();
  const first = call(a, { causes: t.CAUSE_GAP });
  assert.equal(judge(first), WAIT);
  park(first, Buffer.alloc(120), 1);
  assert.equal(judge(call(a, { sequence: 5000, causes: t.CAUSE_GAP })), PASS);
  assert.equal(nextDue(0, true)?.record.length, 120);
  assert.equal(judge(call(a, { sequence: 9000, causes: t.CAUSE_GAP })), WAIT);
});
