/**
 * Calls that stay open for long: each is reported once, while it is open, and its end once, by a closing record with the same
 * id; whatever is shorter comes as ever. The books balance after every packet.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finishPipeline, lastBug, processPacket, resetPipeline } from '../../src/app/pipeline.ts';
import { RecordWriter } from '../../src/app/record-writer.ts';
import { bytes } from '../../src/base/arena.ts';
import { blockBytesUsed } from '../../src/base/blocks.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { counter, countOf, counts } from '../../src/base/counters.ts';
import { balances } from '../../src/base/ledger.ts';
import { weirdCount } from '../../src/base/weird.ts';
import { Packet } from '../../src/capture/packet.ts';
import { payloadBytesHeld } from '../../src/flow/reassemble.ts';
import { payloadBytesUnidentified } from '../../src/http/ending.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { callsParked } from '../../src/normalise/duplicates.ts';
import { INDEX_WORDS } from '../../src/policy/masked-call.ts';
import { ipPacket, partsOf, type Turn } from '../support/conversation.ts';
import { dataFrame, frame, headers, PREFACE, reset, settingsFrame } from '../support/http2-frames.ts';
import { message } from '../support/look-at-calls.ts';
import { ethernet, ipv4, placePacket, udp, vxlan } from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { lawSeed, PipelineRun, type Run, START_US, settingsWith, type Wire } from '../support/run-pipeline.ts';

const RECEIVED = counter('packets.received');
const FILTERED = counter('calls.filtered{filters}');
const LIMIT_MS = 16_000;
/** Rows are looked at so often. */
const LOOK_MS = 1_000;
const settings = settingsWith({ http: { stillOpenMs: LIMIT_MS } });

interface Timed extends Turn {
  readonly atMs: number;
}
const client = (atMs: number, ...all: Buffer[]): Timed => ({ atMs, fromServer: false, bytes: Buffer.concat(all) });
const server = (atMs: number, ...all: Buffer[]): Timed => ({ atMs, fromServer: true, bytes: Buffer.concat(all) });
/** Time passes: a WINDOW_UPDATE of HTTP/2. */
const tick = (atMs: number): Timed => client(atMs, frame(8, 0, 0, Buffer.from([0, 0, 1, 0])));
const ticks = (untilMs: number): Timed[] => Array.from({ length: Math.floor(untilMs / 500) }, (_, i) => tick(500 * (i + 1)));
const opening = [
  client(0, PREFACE, settingsFrame()),
  server(0, settingsFrame(), settingsFrame([], true)),
  client(0, settingsFrame([], true)),
];

/** Packets of one connection: a turn is one segment, and its acknowledgement. */
function packets(turns: readonly Timed[], end: 'open' | 'client-fin' = 'client-fin'): Wire[] {
  const ordered = turns.map((turn, i) => ({ turn, i })).sort((a, b) => a.turn.atMs - b.turn.atMs || a.i - b.i);
  const all = ordered.map(({ turn }) => turn);
  const lastMs = all[all.length - 1].atMs;
  return partsOf({ turns: all, calls: [], end }, () => []).map((part, i): Wire => {
    const turn = Math.floor((i - 3) / 2);
    const atMs = turn < 0 ? 0 : (all[turn]?.atMs ?? lastMs + 10);
    return { data: ethernet(ipPacket(part)), timeUs: START_US + atMs * 1000 + i };
  });
}

function run(wires: readonly Wire[], limits = settings): Run {
  const one = new PipelineRun({ settings: limits, longCalls: true, everyPacket: true });
  for (const wire of wires) one.push(wire);
  return one.finish();
}

const get = (path: string): [string, string][] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'shop.example'],
];
const ok: [string, string][] = [
  [':status', '200'],
  ['content-type', 'text/event-stream'],
];
const isOpen = ({ causes }: ApiCall): boolean => causes?.includes('still-open') === true;
const targetOf = ({ records }: Run, id: string): string => records.find((r) => r.id === id)?.request?.target ?? '';

test('HTTP/2: a stream of events, a long poll, a tunnel and a quick call on one connection', () => {
  const connect: [string, string][] = [
    [':method', 'CONNECT'],
    [':authority', 'db.example:5432'],
  ];
  const got = run(
    packets([
      ...opening,
      ...ticks(60_000),
      client(100, headers(1, get('/events')), headers(3, get('/poll')), headers(5, connect, { end: false })),
      server(200, headers(1, ok, { end: false }), dataFrame(1, 'data: 1\n\n'), headers(5, [[':status', '200']], { end: false })),
      client(10_200, headers(7, get('/quick'))),
      server(10_300, headers(7, ok), dataFrame(7, 'done', true), dataFrame(5, 'secret of the tunnel')),
      server(30_200, dataFrame(1, 'data: 22\n\n'), headers(3, ok, { end: false }), dataFrame(3, 'news', true)),
      client(30_300, dataFrame(5, 'more', true)),
      server(40_200, dataFrame(1, 'data: 333\n\n'), dataFrame(5, '', true), reset(1, 2)),
    ]),
  );
  const brief = got.records.map((r) => [r.request?.target, r.response?.status ?? null, r.response?.body.text ?? '', ...(r.causes ?? [])]);
  assert.deepEqual(brief, [
    ['/quick', 200, 'done'],
    ['/events', 200, 'data: 1\n\n', 'still-open'],
    ['/poll', null, '', 'still-open'],
    ['db.example:5432', 200, '', 'still-open'],
  ]);
  assert.deepEqual(
    got.closings.map((c) => [targetOf(got, c.call), c.response?.status, c.request?.bytes, c.response?.bytes, ...(c.causes ?? [])]),
    [
      ['/poll', 200, 0, 4],
      ['db.example:5432', 200, 4, 20],
      ['/events', 200, 0, 30, 'reset'],
    ],
  );
  const poll = got.closings.find((c) => targetOf(got, c.call) === '/poll');
  assert.equal(Math.round((poll?.durationUs ?? 0) / 1e5), 301);
  assert.equal(got.counters['calls.seen'], 4);
  assert.equal(got.counters['calls.incomplete{still-open}'], 3);
  assert.equal(got.counters['closings.seen'], 3);
});

test('a stream of gRPC: messages and the status that came in the trailers', () => {
  const grpc: [string, string] = ['content-type', 'application/grpc'];
  const framed = (text: string): string => `\0\0\0\0${String.fromCharCode(text.length)}${text}`;
  const trailers: [string, string][] = [
    ['grpc-status', '14'],
    ['grpc-message', 'ann.smith@mail.example'],
  ];
  const got = run(
    packets([
      ...opening,
      ...ticks(60_000),
      client(100, headers(1, [...get('/shop.Cart/Watch'), grpc], { end: false }), dataFrame(1, framed('ask'), true)),
      server(200, headers(1, [[':status', '200'], grpc], { end: false }), dataFrame(1, framed('one'))),
      server(50_000, dataFrame(1, framed('two') + framed('three')), headers(1, trailers, { end: true })),
    ]),
  );
  assert.deepEqual(
    got.records.map((r) => [r.causes, r.grpc?.status, r.grpc?.response?.messages]),
    [[['still-open'], undefined, 1]],
  );
  assert.deepEqual(got.closings[0].grpc, { status: 14, requestMessages: 1, responseMessages: 3 });
  const counted = Object.entries(got.counters).filter(([name]) => name.startsWith('grpc.calls'));
  assert.deepEqual(counted, [['grpc.calls{14}', 1]], 'once, when it is over');
  assert.ok(!JSON.stringify(got.closings).includes('mail.example'), 'numbers only');
});

test('over random lives of streams: each call once, each long one closed once, with its last figures', () => {
  const random = new Random(lawSeed());
  for (let round = 0; round < 8; round++) {
    const turns: Timed[] = [];
    const truth = new Map<string, { lifeMs: number; bytes: number; ends: boolean }>();
    const END_MS = 90_000;
    for (let i = 0; i < 40; i++) {
      const stream = 2 * i + 1;
      // The client opens streams in order.
      const atMs = 100 + i * 900 + random.integer(0, 799);
      const lifeMs = random.chance(0.5) ? random.integer(0, LIMIT_MS - LOOK_MS) : LIMIT_MS + 2 * LOOK_MS + random.integer(0, 2 * LIMIT_MS);
      const ends = atMs + lifeMs < END_MS;
      const headMs = Math.floor(lifeMs * (random.integer(0, 3) / 4));
      turns.push(client(atMs, headers(stream, get(`/${i}`))));
      const pieces = 1 + random.integer(0, 4);
      let total = 0;
      if (atMs + headMs < END_MS) turns.push(server(atMs + headMs, headers(stream, ok, { end: false })));
      for (let p = 1; p <= pieces; p++) {
        const pieceMs = atMs + headMs + Math.floor(((lifeMs - headMs) * p) / pieces);
        if (pieceMs >= END_MS) continue;
        const text = 'x'.repeat(random.integer(0, 1300));
        total += text.length;
        turns.push(server(pieceMs, dataFrame(stream, text, p === pieces)));
      }
      truth.set(`/${i}`, { lifeMs: Math.min(lifeMs, END_MS - atMs), bytes: total, ends });
    }
    const got = run(packets([...opening, ...ticks(END_MS - 1), ...turns], 'open'));
    assert.equal(got.records.length, truth.size, 'one record a call');
    assert.equal(new Set(got.records.map(({ id }) => id)).size, truth.size);
    for (const record of got.records) {
      const target = record.request?.target ?? '';
      const { lifeMs, bytes: total, ends } = truth.get(target) ?? assert.fail(target);
      const closings = got.closings.filter(({ call }) => call === record.id);
      const what = `round ${round} ${target} of ${lifeMs} ms`;
      if (lifeMs <= LIMIT_MS) assert.ok(!isOpen(record), what);
      if (lifeMs > LIMIT_MS + 2 * LOOK_MS) assert.ok(isOpen(record), what);
      assert.equal(closings.length, isOpen(record) ? 1 : 0, what);
      if (isOpen(record)) {
        assert.ok((record.response?.body.bytes ?? 0) <= total, what);
        assert.equal(closings[0].response?.bytes ?? 0, total, what);
        assert.equal(closings[0].complete, ends, what);
      } else assert.equal(record.response?.body.bytes ?? 0, total, what);
    }
  }
});

test('both ends mirrored: one record and one closing record, and the copies are counted', () => {
  const one = packets([
    ...opening,
    ...ticks(60_000),
    // One copy is older than the limit at the look at 17 s, the other one is not, and both are over at the next one.
    client(700, headers(1, get('/events'))),
    server(17_200, headers(1, ok, { end: false }), dataFrame(1, 'data', true)),
    client(20_000, headers(3, get('/poll'))),
    server(55_000, headers(3, ok, { end: false }), dataFrame(3, 'news', true)),
  ]);
  const copies = one.flatMap(({ data, timeUs }): Wire[] =>
    [7, 8].map((vni, i) => ({ data: ethernet(ipv4(udp(vxlan(data, { vni })))), timeUs: timeUs + 400_000 * i })),
  );
  const got = run(copies.sort((a, b) => a.timeUs - b.timeUs));
  assert.deepEqual(got.records.map((r) => r.request?.target).sort(), ['/events', '/poll']);
  assert.deepEqual(
    got.closings.map((c) => targetOf(got, c.call)),
    ['/events', '/poll'],
  );
  assert.equal(got.counters['calls.duplicate'], 2);
  assert.equal(got.counters['calls.seen'], 4);
});

test('switched off, or handed to nobody, a call is reported when it is over', () => {
  const wires = packets([
    ...opening,
    ...ticks(60_000),
    client(100, headers(1, get('/events'))),
    server(50_000, headers(1, ok, { end: false }), dataFrame(1, 'data', true)),
  ]);
  for (const off of [run(wires, settingsWith({ http: { stillOpenMs: 0 } })), runPlain(wires)]) {
    assert.deepEqual(
      off.records.map((r) => [r.request?.target, r.complete]),
      [['/events', true]],
    );
    assert.equal(off.closings.length, 0);
  }
});

function runPlain(wires: readonly Wire[]): Run {
  const one = new PipelineRun({ settings });
  for (const wire of wires) one.push(wire);
  return one.finish();
}

test('what was kept of the bodies is given back when the record is made', () => {
  const one = new PipelineRun({ settings, longCalls: true });
  const used: number[] = [];
  const wires = packets([
    ...opening,
    ...ticks(40_000),
    client(100, headers(1, get('/events'))),
    ...Array.from({ length: 12 }, (_, i) =>
      server(200 + i, ...(i === 0 ? [headers(1, ok, { end: false })] : []), dataFrame(1, 'x'.repeat(1000))),
    ),
    server(30_000, dataFrame(1, 'y'.repeat(1000))),
  ]);
  for (const wire of wires) {
    one.push(wire);
    used.push(blockBytesUsed());
  }
  const most = Math.max(...used);
  assert.ok(most > 12_000, `${most}`);
  assert.ok(used[used.length - 6] < most - 12_000, 'given back, and nothing is kept of what comes later');
  const { records, closings } = one.finish();
  assert.equal(records[0].response?.body.kept, 12_000);
  assert.equal(closings[0].response?.bytes, 13_000);
});

interface Written {
  readonly schema: string;
  readonly call?: string;
  readonly id: string;
  readonly routes: number;
  readonly routing: number;
}

/** What a writer hands over, with where it goes; `at` is called before each packet. */
function written(wires: readonly Wire[], route: (n: number) => number, at: (writer: RecordWriter, packet: number) => void): Written[] {
  const all: Written[] = [];
  let n = 0;
  const writer = new RecordWriter({
    settings,
    epoch: 'test',
    routing: 1,
    route: () => {
      const routes = route(n++);
      if (routes === 0) counts[FILTERED]++;
      return routes;
    },
    write: (from, _end, records, index, routing) => {
      for (let i = 0, p = from; i < records; p += index[INDEX_WORDS * i++]) {
        const { schema, call, id } = JSON.parse(bytes.toString('utf8', p, p + index[INDEX_WORDS * i]));
        all.push({ schema, call, id, routing, routes: index[INDEX_WORDS * i + 1] });
      }
    },
  });
  resetPipeline(settings, (call) => writer.take(call), false, {
    open: (call) => writer.takeOpen(call),
    close: (call) => writer.takeClosing(call),
  });
  const packet = new Packet();
  for (const [i, wire] of wires.entries()) {
    at(writer, i);
    placePacket(packet, wire.data, wire);
    packetTimeUs[0] = wire.timeUs;
    counts[RECEIVED]++;
    processPacket(packet);
  }
  finishPipeline();
  writer.end('');
  if (weirdCount('sensor.bug') > 0) throw lastBug;
  for (const b of balances(payloadBytesHeld() + payloadBytesUnidentified(), callsParked())) assert.ok(b.balances, b.name);
  return all;
}

const twoLong = (): Wire[] => [
  ...packets([
    client(0, message('GET /a HTTP/1.1|Host: a')),
    server(30_000, Buffer.from('HTTP/1.1 200 OK\r\n\r\nno length')),
    client(60_000, Buffer.from('\r\n')),
  ]),
  ...packets([
    client(61_000, message('GET /b HTTP/1.1|Host: a')),
    server(62_000, Buffer.from('HTTP/1.1 200 OK\r\n\r\nno length')),
    server(90_000, Buffer.from('more')),
  ]).map((wire) => ({ ...wire, timeUs: wire.timeUs + 70_000_000, data: swapPort(wire.data) })),
];

/** Another connection. */
function swapPort(data: Buffer): Buffer {
  const copy = Buffer.from(data);
  const at = copy.indexOf(Buffer.from([0x9c, 0x40]), 34);
  copy[at + 1] = 0x41;
  return copy;
}

test('a closing record goes where its call went, by the table of that time, and nowhere when that went nowhere', () => {
  const wires = twoLong();
  // Routed by another table from some moment on, in which the call is open.
  const moved = written(
    wires,
    (n) => (n === 0 ? 0b10 : 0b01),
    (writer, i) => {
      if (wires[i].timeUs > START_US + 35e6) writer.reroute(2);
    },
  );
  const calls = moved.filter(({ schema }) => schema === 'earshot.api-call/1');
  const closings = moved.filter(({ schema }) => schema === 'earshot.closing/1');
  assert.equal(calls.length, 2);
  assert.deepEqual(
    closings.map(({ call, routes, routing }) => ({ call, routes, routing })),
    calls.map(({ id, routes, routing }) => ({ call: id, routes, routing })),
  );
  assert.deepEqual(
    calls.map(({ routes, routing }) => [routes, routing]),
    [
      [0b10, 1],
      [0b01, 2],
    ],
  );
  assert.deepEqual(
    written(
      wires,
      (n) => (n === 0 ? 0 : 1),
      () => {},
    ).map(({ schema }) => schema),
    ['earshot.api-call/1', 'earshot.closing/1'],
  );
  assert.equal(countOf('closings.dropped{no-record}'), 1);
});
