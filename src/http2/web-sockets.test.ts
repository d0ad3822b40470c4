/** WebSocket over streams of HTTP/2, by made frames: the same counts and records as over HTTP/1.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyBytes, partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { Deflater } from '../../test/support/deflater.ts';
import { frame as frame2, headers, PREFACE, reset, settingsFrame } from '../../test/support/http2-frames.ts';
import { type MessageRun, type MessageRunOptions, runMessages } from '../../test/support/message-run.ts';
import { settingsWith, type Wire } from '../../test/support/run-pipeline.ts';
import { CLOSE, closePayload, type FramePlan, frame, PING } from '../../test/support/web-socket.ts';

const client = (...frames: Buffer[]): Turn => ({ fromServer: false, bytes: Buffer.concat(frames) });
const server = (...frames: Buffer[]): Turn => ({ fromServer: true, bytes: Buffer.concat(frames) });
const opening: readonly Turn[] = [client(PREFACE, settingsFrame()), server(settingsFrame([[8, 1]]))];

const END = 1;
/** DATA of a stream with these frames of WebSocket. */
function data(fromServer: boolean, stream: number, plans: readonly FramePlan[], flags = 0): Buffer {
  return frame2(0, flags, stream, Buffer.concat(plans.map((plan) => frame(fromServer, plan))));
}
const ask = (stream: number, path = '/chat', protocol = 'websocket'): Buffer =>
  headers(
    stream,
    [
      [':method', 'CONNECT'],
      [':protocol', protocol],
      [':scheme', 'http'],
      [':path', path],
      [':authority', 'shop.example'],
      ['sec-websocket-version', '13'],
    ],
    { end: false },
  );
const answer = (stream: number, extensions = '', status = '200'): Buffer =>
  headers(stream, [[':status', status], ...(extensions === '' ? [] : ([['sec-websocket-extensions', extensions]] as [string, string][]))], {
    end: false,
  });
const close: FramePlan = { opcode: CLOSE, payload: closePayload(1000, 'over') };

type End = 'client-fin' | 'open' | 'reset';
function packets(turns: readonly Turn[], bytes = 1400, end: End = 'client-fin'): Wire[] {
  return wires(partsOf({ turns: [...opening, ...turns], calls: [], end }, everyBytes(bytes)));
}
function replay(turns: readonly Turn[], bytes = 1400, options: MessageRunOptions = {}, end: End = 'client-fin'): MessageRun {
  return runMessages(packets(turns, bytes, end), options);
}
const brief = (run: MessageRun): unknown[] =>
  run.messages.map(({ path, sender, sequence, body }) => [path, sender, sequence, body?.unknown ?? body?.text]);

const talk = (deflate: Deflater): readonly Turn[] => [
  client(ask(1)),
  server(answer(1, 'permessage-deflate')),
  client(data(false, 1, [{ payload: 'hello' }, { opcode: PING }]), ask(3, '/other')),
  server(
    answer(3),
    data(true, 3, [{ payload: 'first of other' }]),
    data(true, 1, [{ reserved: 4, payload: deflate.message('packed one') }]),
  ),
  server(
    data(true, 1, [{ reserved: 4, payload: deflate.message('packed one, packed two') }]),
    data(true, 3, [{ payload: 'wor', fin: false }]),
  ),
  client(data(false, 3, [{ payload: 'from the client' }])),
  server(data(true, 3, [{ opcode: 0, payload: 'ld' }])),
  server(data(true, 1, [close], END)),
  client(data(false, 1, [close], END)),
];

test('two streams of one connection, in segments of every size: the handshake is a call, messages and ends are theirs', () => {
  for (const bytes of [1, 5, 9, 100, 1400]) {
    const run = replay(talk(new Deflater()), bytes);
    assert.deepEqual(
      run.calls.map(({ request, response, complete, host }) => [request?.method, request?.path, response?.status, complete, host]),
      [
        ['CONNECT', '/chat', 200, true, 'shop.example'],
        ['CONNECT', '/other', 200, true, 'shop.example'],
      ],
    );
    assert.deepEqual(
      new Set(brief(run)),
      new Set([
        ['/chat', 'client', 1, 'hello'],
        ['/other', 'server', 1, 'first of other'],
        ['/chat', 'server', 1, 'packed one'],
        ['/chat', 'server', 2, 'packed one, packed two'],
        ['/other', 'client', 1, 'from the client'],
        ['/other', 'server', 2, 'world'],
      ]),
      `${bytes} bytes`,
    );
    const ids = new Map(run.calls.map(({ id, request }) => [request?.path, id]));
    for (const message of run.messages) assert.equal(message.call, ids.get(message.path ?? ''));
    assert.deepEqual(
      run.closings.map(({ call, complete, causes, websocket }) => [call, complete, causes, websocket?.code, websocket?.server.text]),
      [
        [ids.get('/chat'), true, undefined, 1000, 2],
        [ids.get('/other'), false, ['closed'], null, 2],
      ],
    );
    assert.equal(run.counters['websocket.connections'], 2);
    assert.equal(run.counters['websocket.closes{1000}'], 1);
    assert.deepEqual(run.weirds, {});
  }
});

test('counted only: no messages, the same counters', () => {
  const counted = replay(talk(new Deflater()), 1400, { websocket: { messages: 'count' } });
  const recorded = replay(talk(new Deflater()));
  const ours = (run: MessageRun): unknown => Object.entries(run.counters).filter(([name]) => name.startsWith('websocket.'));
  assert.deepEqual(ours(counted), ours(recorded));
  assert.equal(counted.messages.length, 0);
  assert.equal(counted.closings.length, 2);
});

test('a refused handshake, another protocol and one that ends at once stay calls with bodies', () => {
  const run = replay([
    client(ask(1), ask(3, '/udp', 'connect-udp'), ask(5)),
    server(answer(1, '', '403'), frame2(0, END, 1, Buffer.from('no'))),
    server(answer(3), frame2(0, END, 3, Buffer.from('datagram'))),
    client(frame2(0, END, 3, Buffer.from('datagrams')), frame2(0, END, 1, Buffer.alloc(0))),
    server(headers(5, [[':status', '200']], { end: true })),
    client(frame2(0, END, 5, Buffer.alloc(0))),
  ]);
  assert.deepEqual(
    run.calls.map(({ request, response }) => [response?.status, request?.body.bytes, response?.body.bytes]),
    [
      [200, 9, 8],
      [403, 0, 2],
      [200, 0, 0],
    ],
  );
  assert.deepEqual([run.messages.length, run.closings.length, run.counters['websocket.connections'] ?? 0], [0, 0, 0]);
});

test('a stream that is reset is over: its closing record says so, late frames change nothing', () => {
  const run = replay([
    client(ask(1)),
    server(answer(1), data(true, 1, [{ payload: 'one' }, { payload: 'half', fin: false }])),
    client(reset(1, 8)),
    server(data(true, 1, [{ payload: 'too late' }])),
  ]);
  assert.deepEqual(
    run.messages.map(({ complete, body }) => [complete, body?.text]),
    [
      [true, 'one'],
      [false, 'half'],
    ],
  );
  assert.deepEqual([run.closings[0].complete, run.closings[0].causes], [false, ['reset']]);
});

test('a hole inside DATA is a hole in its message; one that hides frames ends the reading of that side', () => {
  const long = 'x'.repeat(3000);
  const turns = [
    client(ask(1)),
    server(answer(1), data(true, 1, [{ payload: long }])),
    server(data(true, 1, [{ payload: 'after' }])),
    client(data(false, 1, [{ payload: 'asked' }])),
  ];
  const all = packets(turns, 1000);
  const inside = all.findIndex(({ data: bytes }) => bytes.includes('x'.repeat(900)) && !bytes.includes('shop'));
  const holed = runMessages(all.filter((_, i) => i !== inside + 2));
  const told = holed.messages.map(({ sender, complete, bytes, body }) => [sender, complete, bytes, body?.cut]);
  assert.deepEqual(told, [
    ['server', false, 3000, true],
    ['server', true, 5, undefined],
    ['client', true, 5, undefined],
  ]);
  // Whole frames are missing.
  const some = packets([
    ...turns.slice(0, 1),
    server(answer(1)),
    server(data(true, 1, [{ payload: 'lost' }])),
    server(data(true, 1, [{ payload: 'b'.repeat(50) }]), settingsFrame([], true)),
    turns[3],
  ]);
  const lost = runMessages(some.filter(({ data: bytes }) => !bytes.includes('lost')));
  assert.deepEqual(
    lost.messages.map(({ sender, body }) => [sender, body?.text]),
    [['client', 'asked']],
  );
  assert.equal(lost.weirds['http.websocket.lost_place'], 1);
  assert.ok(lost.closings[0].causes?.includes('gap'));
});

test('http.streamsMax: of more streams than that on one connection the oldest is over', () => {
  const turns = [1, 3, 5].flatMap((n) => [client(ask(n, `/${n}`)), server(answer(n), data(true, n, [{ payload: `of ${n}` }]))]);
  const later = [server(data(true, 1, [{ payload: 'late' }]), data(true, 3, [{ payload: 'more' }]))];
  const settings = settingsWith({ http: { streamsMax: 2 }, websocket: { messages: 'body' } });
  const run = replay([...turns, ...later], 1400, { settings });
  assert.equal(run.weirds['limit.http.streams'], 1);
  assert.deepEqual(
    run.messages.map(({ body }) => body?.text),
    ['of 1', 'of 3', 'of 5', 'more'],
  );
  assert.deepEqual([run.closings.length, run.closings[0].complete, run.closings[0].causes], [3, false, ['cut-at-limit']]);
});

test('a connection that is cut off: streams end with it, everything is given back', () => {
  const run = replay(
    [client(ask(1)), server(answer(1), data(true, 1, [{ payload: 'one' }])), client(data(false, 1, [{ payload: 'half', fin: false }]))],
    1400,
    {},
    'reset',
  );
  assert.deepEqual([run.messages.length, run.closings.length], [2, 1]);
  assert.deepEqual(run.closings[0].causes, ['reset']);
});
