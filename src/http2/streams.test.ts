/** Streams by made frames: resets, pushes, GOAWAY, holes, floods, and connections joined in the middle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cutter, everyBytes, partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import {
  continuation,
  dataFrame,
  frame,
  goaway,
  headers,
  PREFACE,
  pushPromise,
  reset,
  settingsFrame,
} from '../../test/support/http2-frames.ts';
import { someFrames } from '../../test/support/http2-random.ts';
import { Random } from '../../test/support/random.ts';
import { lawSeed, type Run, runPipeline, type Wire } from '../../test/support/run-pipeline.ts';

const get = (path: string): [string, string][] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'shop.example'],
];
const ok: [string, string][] = [
  [':status', '200'],
  ['content-type', 'text/plain'],
];
const client = (...frames: Buffer[]): Turn => ({ fromServer: false, bytes: Buffer.concat(frames) });
const server = (...frames: Buffer[]): Turn => ({ fromServer: true, bytes: Buffer.concat(frames) });
const opening: readonly Turn[] = [
  client(PREFACE, settingsFrame()),
  server(settingsFrame(), settingsFrame([], true)),
  client(settingsFrame([], true)),
];

type End = 'client-fin' | 'open' | 'reset';
function packets(turns: readonly Turn[], end: End = 'client-fin', cut: Cutter = everyBytes(1400)): Wire[] {
  return wires(partsOf({ turns, calls: [], end }, cut));
}
const replay = (turns: readonly Turn[], end: End = 'client-fin'): Run =>
  runPipeline(packets([...opening, ...turns], end), { everyPacket: true });
const brief = (run: Run): unknown[] =>
  run.records.map((r) => [r.request?.target ?? null, r.response?.status ?? null, r.response?.body.text ?? '', ...(r.causes ?? [])]);

test('a reset before and inside the answer', () => {
  const run = replay([
    client(headers(1, get('/early')), headers(3, get('/late'))),
    client(reset(1, 8)),
    server(headers(3, ok, { end: false }), dataFrame(3, 'half'), reset(3, 2)),
    server(headers(1, ok), dataFrame(1, 'crossed', true)),
    server(dataFrame(1, 'too late', true), headers(3, ok)),
  ]);
  assert.deepEqual(brief(run), [
    ['/late', 200, 'half', 'reset'],
    ['/early', 200, 'crossed', 'reset'],
  ]);
  assert.equal(run.counters['http2.resets'], 2);
});

test('the end of the connection finishes what is under way', () => {
  const turns = [client(headers(1, get('/a')), headers(3, get('/b'))), server(headers(3, ok, { end: false }), dataFrame(3, 'half'))];
  assert.deepEqual(brief(replay(turns, 'reset')), [
    ['/a', null, '', 'no-response', 'reset'],
    ['/b', 200, 'half', 'reset'],
  ]);
  assert.deepEqual(brief(replay(turns, 'open')), [
    ['/a', null, '', 'no-response', 'capture-end'],
    ['/b', 200, 'half', 'capture-end'],
  ]);
});

test('SETTINGS that are not acknowledged yet: the header table may have any of their sizes', () => {
  const resized = Buffer.concat([Buffer.from([0x3f, 0xe1, 0x0f]), headers(1, get('/one')).subarray(9)]);
  const run = runPipeline(
    packets([
      client(PREFACE, settingsFrame()),
      server(settingsFrame([[1, 0]]), settingsFrame([[4, 65_535]])),
      client(frame(1, 5, 1, resized)),
      client(settingsFrame([], true), settingsFrame([], true)),
      server(settingsFrame([], true), headers(1, ok, { end: true })),
    ]),
  );
  assert.deepEqual([brief(run), run.weirds], [[['/one', 200, '']], {}]);
});

/** Processor time that the frames take on a connection with so many streams open, milliseconds. */
function cpuMs(streams: number, isServer: boolean, frames: Buffer): number {
  const opened = Array.from({ length: streams }, (_, i) => headers(2 * i + 1, get('/'), { end: false }));
  const all = packets([...opening, client(...opened), { fromServer: isServer, bytes: frames }], 'open');
  const before = process.threadCpuUsage();
  const run = runPipeline(all);
  const { user, system } = process.threadCpuUsage(before);
  assert.equal(run.records.length, streams);
  return (user + system) / 1000;
}

test('GOAWAY, and a place that is lost again and again, cost no more for many open streams', () => {
  const ping = frame(6, 0, 0, Buffer.alloc(8));
  const lost = Buffer.concat(
    Array.from({ length: 8000 }, () => [frame(200, 255, 7, Buffer.alloc(0)).fill(255, 0, 3), ping, ping, ping]).flat(),
  );
  const goaways = Buffer.concat(Array.from({ length: 20_000 }, (_, i) => goaway(i % 2 === 0 ? 0x7fffffff : 8000, 0)));
  const pings = Buffer.concat(Array.from({ length: 20_000 }, () => ping));
  cpuMs(4000, true, pings);
  const plain = cpuMs(4000, true, pings);
  for (const [isServer, frames] of [
    [true, goaways],
    [false, lost],
  ] as const) {
    const took = cpuMs(4000, isServer, frames);
    assert.ok(took < 4 * plain + 50, `${took} ms against ${plain} ms of as many PING frames`);
  }
});

test('GOAWAY: what the server did not look at has no answer', () => {
  const run = replay([client(headers(1, get('/a')), headers(3, get('/b'))), server(goaway(1, 0)), server(headers(1, ok, { end: true }))]);
  assert.deepEqual(brief(run), [
    ['/b', null, '', 'no-response', 'closed'],
    ['/a', 200, ''],
  ]);
});

test('a promised request is a call of its own', () => {
  const run = replay([
    client(headers(1, get('/page'))),
    server(pushPromise(1, 2, get('/style.css')), headers(1, ok, { end: false }), headers(2, ok, { end: false })),
    server(dataFrame(2, 'css', true), dataFrame(1, 'page', true)),
  ]);
  assert.deepEqual(brief(run), [
    ['/style.css', 200, 'css'],
    ['/page', 200, 'page'],
  ]);
});

test('a promise of stream 0 is none, and its fields are of no other stream', () => {
  const run = replay([
    client(headers(1, get('/page'))),
    server(headers(1, ok, { end: false }), pushPromise(1, 0, [...get('/promised'), ['x-promised', 'yes']]), dataFrame(1, 'page', true)),
  ]);
  assert.deepEqual(brief(run), [['/page', 200, 'page']]);
  assert.equal(run.records[0].response?.trailers, undefined);
  assert.equal(run.weirds['http.http2.bad_stream'], 1);
});

test('padding, priority, interim answers, trailers, frames of unknown type', () => {
  const run = replay([
    client(headers(1, get('/a'), { pad: 7, priority: true, end: false }), frame(0x50, 0xff, 1, Buffer.from('grease'))),
    client(dataFrame(1, 'question', false, 20), headers(1, [['x-sum', '8']], { end: true })),
    server(headers(1, [[':status', '100']], { end: false }), headers(1, [[':status', '103']], { end: false })),
    server(headers(1, ok, { end: false, pad: 255 }), dataFrame(1, 'answer', false, 0), dataFrame(1, '', true, 3)),
  ]);
  const [record] = run.records;
  assert.deepEqual(brief(run), [['/a', 200, 'answer']]);
  assert.equal(record.request?.body.text, 'question');
  assert.deepEqual(record.request?.trailers, [['x-sum', '8']]);
  assert.equal(run.counters['calls.informational'], 2);
});

test('a header block in CONTINUATION frames, with segments cut anywhere', () => {
  const long: [string, string][] = [...get('/long'), ['x-long', 'v'.repeat(3000)]];
  const turns = [...opening, client(continuation(1, long, 700, true)), server(headers(1, ok, { end: true }))];
  for (const bytes of [1, 9, 100, 701, 1400]) {
    const [record] = runPipeline(packets(turns, 'client-fin', everyBytes(bytes))).records;
    assert.deepEqual(record.request?.headers.at(-1), ['x-long', 'v'.repeat(3000)]);
    assert.equal(record.complete, true);
  }
});

test('CONNECT counts what flows and keeps none of it; an extended one has a path', () => {
  const plain: [string, string][] = [
    [':method', 'CONNECT'],
    [':authority', 'db.example:5432'],
  ];
  const run = replay([
    client(headers(1, plain, { end: false })),
    server(headers(1, [[':status', '200']], { end: false })),
    client(dataFrame(1, 'tunnelled', true)),
    server(dataFrame(1, 'back', true)),
    client(
      headers(3, [...get('/chat').map(([n, v]): [string, string] => [n, n === ':method' ? 'CONNECT' : v]), [':protocol', 'websocket']], {
        end: false,
      }),
    ),
    server(headers(3, [[':status', '200']], { end: true }), reset(3, 0)),
  ]);
  const [tunnel, chat] = run.records;
  assert.deepEqual(
    [tunnel.request?.method, tunnel.request?.target, tunnel.host, tunnel.pathTemplate],
    ['CONNECT', 'db.example:5432', 'db.example:5432', null],
  );
  assert.deepEqual([tunnel.request?.body.bytes, tunnel.request?.body.kept, tunnel.response?.body.bytes], [9, 0, 4]);
  assert.deepEqual([chat.request?.method, chat.request?.path], ['CONNECT', '/chat']);
});

test('the server speaks first', () => {
  const turns = [
    server(settingsFrame([[3, 100]]).subarray(0, 4)),
    client(PREFACE),
    server(settingsFrame([[3, 100]]).subarray(4)),
    client(settingsFrame(), headers(1, get('/'))),
  ];
  const parted = runPipeline(packets([...turns, server(headers(1, ok, { end: true }))]), { everyPacket: true });
  assert.deepEqual(brief(parted), [['/', 200, '']]);
  assert.equal(parted.counters['http2.frames{settings}'], 2);
  const run = runPipeline(
    packets(
      [server(settingsFrame()), client(PREFACE, settingsFrame(), headers(1, get('/'))), server(headers(1, ok, { end: true }))],
      'client-fin',
      everyBytes(5),
    ),
    { everyPacket: true },
  );
  assert.deepEqual(brief(run), [['/', 200, '']]);
});

// ---------------------------------------------------------------- holes

/** The packets without the one that holds `text`. */
function without(all: Wire[], text: string): Wire[] {
  const i = all.findIndex(({ data }) => data.includes(text));
  assert.ok(i > 0, text);
  return all.filter((_, j) => j !== i);
}

test('a hole inside DATA: the frames behind it are read', () => {
  const body = `${'a'.repeat(1300)}${'#lost#'.repeat(30)}${'z'.repeat(3000)}`;
  const turns = [
    ...opening,
    client(headers(1, get('/holed'))),
    server(headers(1, ok, { end: false }), dataFrame(1, body, true)),
    client(headers(3, get('/next'))),
    server(headers(3, ok, { end: true })),
  ];
  const run = runPipeline(without(packets(turns, 'client-fin', everyBytes(700)), '#lost#'), { everyPacket: true });
  const [holed, next] = run.records;
  assert.deepEqual(holed.causes, ['gap']);
  assert.equal(holed.response?.body.bytes, body.length);
  assert.equal(holed.response?.body.gapBytes, 700);
  assert.ok(body.startsWith(holed.response?.body.text ?? '-'), 'nothing from behind the hole is kept');
  assert.deepEqual([next.request?.target, next.complete], ['/next', true]);
});

test('a lost header block: what refers to it is said to be unknown, the rest of the connection is read', () => {
  const token: [string, string] = ['x-token', 'abcdef'];
  const turns = [
    ...opening,
    client(headers(1, [...get('/first'), ['x-filler', 'lost']], { plain: true })),
    server(headers(1, ok, { end: true })),
    client(headers(3, [...get('/second'), token], { plain: true, insert: true })),
    server(headers(3, ok, { end: true })),
    client(headers(5, get('/third'), { refer: 62 })),
    server(headers(5, ok, { end: true })),
  ];
  const run = runPipeline(without(packets(turns), '/first'), { everyPacket: true });
  assert.deepEqual(brief(run), [
    [null, 200, '', 'no-request', 'gap'],
    ['/second', 200, ''],
    ['/third', 200, ''],
  ]);
  assert.deepEqual(run.records[2].request?.headers.at(-1), token);
  const lost = runPipeline(without(packets(turns), '/second'), { everyPacket: true });
  const [, , third] = lost.records;
  assert.equal(third.request?.target, '/third');
  assert.equal(third.request?.headersIncomplete, true);
  assert.deepEqual(third.causes, ['headers-unknown']);
  assert.deepEqual(third.request?.headers, [['host', 'shop.example']]);
});

test('a header block of which a part is lost: its first fields are told, the frames behind it are read', () => {
  const turns = [
    ...opening,
    client(headers(1, [...get('/first'), ['x-a', 'a'.repeat(1112)], ['x-b', '#lost#'.repeat(100)]]), headers(3, get('/second'))),
    server(headers(1, ok, { end: true }), headers(3, ok, { end: true })),
  ];
  const run = runPipeline(without(packets(turns, 'client-fin', everyBytes(300)), '#lost#'), { everyPacket: true });
  assert.deepEqual(brief(run), [
    ['/first', 200, '', 'headers-unknown'],
    ['/second', 200, ''],
  ]);
  const [first] = run.records;
  assert.equal(first.request?.headersIncomplete, true);
  assert.deepEqual(
    first.request?.headers.map(([name]) => name),
    ['host', 'x-a'],
  );
});

test('a hole of several frames: found again by the frames themselves', () => {
  const frames = [1, 3, 5].map((stream) => dataFrame(stream, `${stream}`.repeat(900)));
  const turns = [
    ...opening,
    client(headers(1, get('/1')), headers(3, get('/3')), headers(5, get('/5'))),
    server(headers(1, ok, { end: false }), headers(3, ok, { end: false }), headers(5, ok, { end: false })),
    server(...frames, ...[1, 3, 5].map((stream) => dataFrame(stream, `end of ${stream}`, true))),
  ];
  const all = packets(turns, 'client-fin', everyBytes(1100));
  const holed = all.filter(({ data }) => !data.includes('3333333') || data.includes('5555'));
  assert.equal(holed.length, all.length - 1);
  const run = runPipeline(holed, { everyPacket: true });
  assert.deepEqual(run.records.map((r) => [r.request?.target, r.response?.status, ...(r.causes ?? [])]).sort(), [
    ['/1', 200, 'gap'],
    ['/3', 200, 'gap'],
    ['/5', 200, 'gap'],
  ]);
  assert.equal(run.weirds['http.http2.resynchronised'], 1);
});

test('joined in the middle: calls from there on, roles told by the heads', () => {
  const turns = [
    ...opening,
    client(headers(1, get('/before'))),
    server(headers(1, ok, { end: true })),
    client(headers(3, get('/after'))),
    server(headers(3, ok, { end: false }), dataFrame(3, 'yes', true)),
    client(headers(5, get('/again'))),
    server(headers(5, ok, { end: true })),
  ];
  const all = packets(turns);
  const from = all.findIndex(({ data }) => data.includes('/after'));
  const run = runPipeline(all.slice(from), { everyPacket: true });
  assert.deepEqual(brief(run), [
    ['/after', 200, 'yes'],
    ['/again', 200, ''],
  ]);
  assert.equal(run.records[0].connection.midstream, true);
  assert.equal(run.records[0].server.port, 8080);
});

// ---------------------------------------------------------------- limits

test('a call that the client took back waits a second for its answer, then goes', () => {
  const turns = [
    ...opening,
    client(headers(1, get('/back')), reset(1, 8)),
    client(headers(3, get('/next'))),
    server(headers(3, ok, { end: true })),
  ];
  const all = packets(turns, 'open');
  const from = all.findIndex(({ data }) => data.includes('/next'));
  const run = runPipeline(all.map((w, i) => ({ ...w, timeUs: w.timeUs + (i >= from ? 2_000_000 : 0) })));
  assert.deepEqual(brief(run), [
    ['/back', null, '', 'no-response', 'reset'],
    ['/next', 200, ''],
  ]);
});

test('a call that the client took back goes after its second, though its connection is quiet', () => {
  const quiet = packets([...opening, client(headers(1, get('/back')), reset(1, 8))], 'open');
  const asks = Array.from({ length: 5 }, (_, i): Turn => client(Buffer.from(`GET /other/${i} HTTP/1.1\r\nHost: other.example\r\n\r\n`)));
  const answers = asks.map(() => server(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')));
  const turns = asks.flatMap((ask, i) => [ask, answers[i]]);
  const other = wires(partsOf({ turns, calls: [], end: 'open' }, everyBytes(1400)), { clientPort: 50_001 });
  const run = runPipeline([...quiet, ...other.map((w, i) => ({ ...w, timeUs: w.timeUs + i * 1_000_000 }))], { everyPacket: true });
  const place = run.records.findIndex(({ request }) => request?.target === '/back');
  assert.deepEqual(brief(run)[place], ['/back', null, '', 'no-response', 'reset']);
  assert.ok(place < 3, `it came as number ${place}`);
});

test('an upgrade from HTTP/1: the request is stream 1, beside the 101', () => {
  const ask =
    'GET /up?x=1 HTTP/1.1\r\nHost: old.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAAAA\r\n\r\n';
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
  const turns = [
    client(Buffer.from(ask)),
    server(Buffer.from(switching), settingsFrame(), headers(1, ok, { end: false }), dataFrame(1, 'first', true)),
    client(PREFACE, settingsFrame(), headers(3, get('/two'))),
    server(headers(3, ok, { end: true })),
  ];
  for (const bytes of [1, 7, 1400]) {
    const run = runPipeline(packets(turns, 'client-fin', everyBytes(bytes)), { everyPacket: true });
    assert.deepEqual(
      run.records.map((r) => [
        r.request?.target,
        r.request?.version,
        r.response?.status,
        r.response?.version,
        r.response?.body.text,
        r.complete,
      ]),
      [
        ['/up?x=1', '1.1', 101, '1.1', undefined, true],
        ['/up?x=1', '1.1', 200, '2', 'first', true],
        ['/two', '2', 200, '2', undefined, true],
      ],
    );
    assert.deepEqual(run.records[1].request?.headers, run.records[0].request?.headers);
    assert.equal(run.records[1].host, 'old.example');
  }
});

test('random frames: nothing is thrown, books balance, records are as the schema says', () => {
  const random = new Random(lawSeed());
  for (let i = 0; i < 40; i++) {
    const spoke = [false, false];
    const turns = Array.from({ length: random.integer(2, 10) }, () => {
      const fromServer = random.chance(0.5);
      const isFirst = !spoke[fromServer ? 1 : 0];
      spoke[fromServer ? 1 : 0] = true;
      return { fromServer, bytes: someFrames(random, fromServer, isFirst) };
    });
    const all = packets(turns, random.pick<End>(['client-fin', 'open', 'reset']), everyBytes(random.pick([3, 50, 1400])));
    const loss = random.pick([0, 0.05, 0.3]);
    runPipeline(
      all.filter((_, j) => j < 3 || !random.chance(loss)),
      { everyPacket: true },
    );
  }
});

test('rapid resets are reported and named', () => {
  const turns: Turn[] = [];
  for (let stream = 1; stream < 300; stream += 2) turns.push(client(headers(stream, get('/r')), reset(stream, 8)));
  const run = replay(turns);
  assert.equal(run.records.length, 150);
  assert.equal(run.weirds['http.http2.rapid_reset'], 1);
});

test('a header block without end is cut, and costs a bounded memory', () => {
  const begin = frame(1, 0, 1, Buffer.alloc(10, 0));
  const floods = [
    Array.from({ length: 500 }, () => frame(9, 0, 1, Buffer.alloc(0))),
    Array.from({ length: 40 }, () => frame(9, 0, 1, Buffer.alloc(16000, 0))),
  ];
  for (const flood of floods) {
    const run = replay([
      client(begin, ...flood, frame(9, 4, 1, Buffer.alloc(0))),
      client(headers(3, get('/after'))),
      server(headers(3, ok, { end: true })),
    ]);
    assert.equal(run.weirds['limit.http.header_block'], 1);
    assert.deepEqual(brief(run)[0], ['/after', 200, '']);
    assert.ok(run.blockBytesPeak < 3 << 20, String(run.blockBytesPeak));
  }
});

test('more open streams than are followed: the oldest is reported', () => {
  const all: Buffer[] = [];
  for (let stream = 1; stream < 2 * 4100; stream += 2) all.push(headers(stream, get('/s')));
  const run = runPipeline(packets([...opening, client(...all)]));
  assert.equal(run.records.length, 4100);
  assert.equal(run.weirds['limit.http.streams'], 4);
  assert.deepEqual(run.records[0].causes, ['no-response', 'cut-at-limit']);
});

test('floods of frames that say nothing cost nothing but a count', () => {
  const ping = frame(6, 0, 0, Buffer.alloc(8));
  const run = replay([client(...Array.from({ length: 2000 }, () => [ping, settingsFrame(), dataFrame(1, '')]).flat())]);
  assert.equal(run.records.length, 0);
  assert.equal(run.counters['http2.frames{ping}'], 2000);
  assert.equal(run.counters['http2.frames{data}'], 2000);
});
