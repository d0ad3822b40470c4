/** Floods of frames that say nothing, and limits of a connection that are settings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { continuation, dataFrame, frame, headers, PREFACE, pushPromise, reset, settingsFrame } from '../../test/support/http2-frames.ts';
import { ACK, ethernet, ipv4, PSH, RST, SYN, tcp } from '../../test/support/packets.ts';
import { PipelineRun, type Run, runPipeline, START_US, settingsWith } from '../../test/support/run-pipeline.ts';

const get = (path: string): [string, string][] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'shop.example'],
];
const ok: [string, string][] = [[':status', '200']];
const client = (...frames: Buffer[]): Turn => ({ fromServer: false, bytes: Buffer.concat(frames) });
const server = (...frames: Buffer[]): Turn => ({ fromServer: true, bytes: Buffer.concat(frames) });
const opening = [client(PREFACE, settingsFrame()), server(settingsFrame(), settingsFrame([], true)), client(settingsFrame([], true))];
const lastCall = [client(headers(9, get('/last'))), server(headers(9, ok), dataFrame(9, 'fine', true))];

/** The turns, and a call behind them; `stepUs` from packet to packet. */
function replay(turns: readonly Turn[], stepUs = 10, settings = settingsWith({})): Run {
  const all = wires(partsOf({ turns: [...opening, ...turns, ...lastCall], calls: [], end: 'client-fin' }), {}, stepUs);
  return runPipeline(all, { settings, everyPacket: true });
}

const ping = frame(6, 0, 0, Buffer.alloc(8));
const floods: readonly (readonly [name: string, one: Buffer, most: number])[] = [
  ['http.http2.settings_flood', settingsFrame([[3, 100]]), 98],
  ['http.http2.ping_flood', ping, 1000],
  ['http.http2.empty_frames_flood', dataFrame(1, ''), 100],
  ['http.http2.empty_frames_flood', dataFrame(1, '', false, 20), 100],
  ['http.http2.priority_flood', frame(2, 0, 1, Buffer.alloc(5)), 1000],
  ['http.http2.window_update_flood', frame(8, 0, 1, Buffer.from([0, 0, 0, 1])), 1000],
];

for (const [name, one, most] of floods) {
  test(`${name} of ${one.length} bytes: one frame too many a second raises it once, and all goes on`, () => {
    const first = client(headers(1, get('/a'), { end: false }));
    const repeat = (n: number): Turn => client(...Array<Buffer>(n).fill(one));
    assert.equal(replay([first, repeat(most)]).weirds[name], undefined, 'so many are no flood');
    const flood = replay([first, repeat(most + 1), repeat(3 * most)]);
    assert.equal(flood.weirds[name], 1);
    assert.equal(flood.records.find(({ request }) => request?.target === '/last')?.complete, true);
    // The same number over a longer time.
    const slowly = Array.from({ length: 40 }, () => repeat(Math.ceil(most / 10)));
    assert.equal(replay([first, ...slowly], 100_000).weirds[name], undefined, 'at that rate they are no flood');
  });
}

test('empty HEADERS and CONTINUATION frames count as empty frames, those that end something do not', () => {
  const empty = (type: number, flags: number): Buffer => frame(type, flags, 1, Buffer.alloc(0));
  const many = Array<Buffer>(150).fill(empty(9, 0));
  assert.equal(replay([client(empty(1, 0), ...many)]).weirds['http.http2.empty_frames_flood'], 1);
  const ended = Array.from({ length: 150 }, (_, i) => dataFrame(2 * i + 1, '', true));
  assert.equal(replay([client(...ended)]).weirds['http.http2.empty_frames_flood'], undefined);
});

test('WINDOW_UPDATE frames that answer DATA are no flood', () => {
  const update = (stream: number): Buffer => frame(8, 0, stream, Buffer.from([0, 0, 64, 0]));
  const bytes = dataFrame(1, 'x'.repeat(100));
  const download = [client(headers(1, get('/big'))), server(headers(1, ok, { end: false }))];
  for (let i = 0; i < 100; i++) {
    download.push(server(...Array<Buffer>(20).fill(bytes)), client(...Array.from({ length: 40 }, (_, j) => update(j & 1))));
  }
  assert.equal(replay(download).weirds['http.http2.window_update_flood'], undefined);
});

test('http.http2.reset_flood: a server that a client makes reset its streams', () => {
  const streams = Array.from({ length: 101 }, (_, i) => 2 * i + 11);
  const asked = client(...streams.map((n) => headers(n, get(`/${n}`))));
  const flood = (code: number, n = streams.length): Run => replay([asked, server(...streams.slice(0, n).map((s) => reset(s, code)))]);
  assert.equal(flood(1).weirds['http.http2.reset_flood'], 1);
  assert.equal(flood(1, 100).weirds['http.http2.reset_flood'], undefined);
  assert.equal(flood(0).weirds['http.http2.reset_flood'], undefined, 'NO_ERROR');
  const byClient = replay([asked, client(...streams.map((s) => reset(s, 8)))]);
  assert.equal(byClient.weirds['http.http2.reset_flood'], undefined);
  assert.equal(byClient.weirds['http.http2.rapid_reset'], 1);
});

test('http.streamsMax: the oldest stream is reported as it stands', () => {
  const turns = [client(headers(1, get('/a')), headers(3, get('/b')), headers(5, get('/c'))), server(headers(3, ok, { end: true }))];
  const got = replay(turns, 10, settingsWith({ http: { streamsMax: 2 } }));
  assert.equal(got.weirds['limit.http.streams'], 1);
  assert.deepEqual(got.records[0].causes, ['no-response', 'cut-at-limit']);
  assert.equal(got.records[0].request?.target, '/a');
});

test('http.headerBlockBytesMax: of a longer header block the first fields are reported', () => {
  const fields = [...get('/long'), ...Array.from({ length: 30 }, (_, i): [string, string] => [`x-${i}`, 'v'.repeat(1000)])];
  const turns = [client(continuation(1, fields, 4000, true)), server(headers(1, ok, { end: true }))];
  const cut = replay(turns, 10, settingsWith({ http: { headerBlockBytesMax: 16_384 } }));
  assert.equal(cut.weirds['limit.http.header_block'], 1);
  assert.equal(cut.records[0].request?.target, '/long');
  assert.equal(cut.records[0].request?.headersIncomplete, true);
  const whole = replay(turns);
  assert.equal(whole.weirds['limit.http.header_block'], undefined);
  assert.equal(whole.records[0].request?.headers.length, 31);
});

test('a call that the server pushed says so', () => {
  const got = replay([
    client(headers(1, get('/'))),
    server(pushPromise(1, 2, get('/style.css')), headers(1, ok, { end: true }), headers(2, ok, { end: true })),
  ]);
  assert.deepEqual(
    got.records.map(({ request, connection }) => [request?.target, connection.pushed]),
    [
      ['/', undefined],
      ['/style.css', true],
      ['/last', undefined],
    ],
  );
});

test('more connections than are followed are given up, and told of; one that ends makes room', () => {
  const run = new PipelineRun({});
  let timeUs = START_US;
  const packet = (i: number, flags: number, sequence: number, payload: Buffer): void => {
    const ports = { sourcePort: 1024 + (i % 50_000), destinationPort: 8080 };
    const segment = tcp(payload, { ...ports, sequence, acknowledgement: 1, flags });
    run.push({ data: ethernet(ipv4(segment, { source: `10.0.${Math.floor(i / 50_000)}.1`, destination: '10.9.9.9' })), timeUs: timeUs++ });
  };
  const open = (i: number): void => {
    packet(i, SYN, 1000, Buffer.alloc(0));
    packet(i, ACK | PSH, 1001, Buffer.concat([PREFACE, settingsFrame()]));
  };
  const ask = (i: number): void => packet(i, ACK | PSH, 1001 + PREFACE.length + 9, headers(1, get(`/${i}`)));
  for (let i = 0; i <= 65_536; i++) open(i);
  ask(65_535);
  ask(65_536);
  packet(0, RST, 1001 + PREFACE.length + 9, Buffer.alloc(0));
  open(65_537);
  ask(65_537);
  const { records, weirds } = run.finish();
  assert.deepEqual(
    records.map(({ request }) => request?.target),
    ['/65535', '/65537'],
  );
  assert.equal(weirds['limit.http.http2_connections'], 1);
});
