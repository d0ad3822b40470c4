/** gRPC over HTTP/2 by made frames: messages of each side are counted over frames, streams and holes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cutter, everyBytes, partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { frame, headers, PREFACE, reset, settingsFrame } from '../../test/support/http2-frames.ts';
import { field, framed, proto } from '../../test/support/protobuf.ts';
import { type Run, runPipeline, settingsWith, type Wire } from '../../test/support/run-pipeline.ts';

const call = (path: string, more: [string, string][] = []): [string, string][] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'shop.example'],
  ['content-type', 'application/grpc+proto'],
  ['te', 'trailers'],
  ...more,
];
const ok: [string, string][] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
];
const client = (...frames: Buffer[]): Turn => ({ fromServer: false, bytes: Buffer.concat(frames) });
const server = (...frames: Buffer[]): Turn => ({ fromServer: true, bytes: Buffer.concat(frames) });
const trailers = (stream: number, status: string, message = ''): Buffer =>
  headers(stream, [['grpc-status', status], ...(message === '' ? [] : [['grpc-message', message] as [string, string]])], { end: true });
const opening: readonly Turn[] = [
  client(PREFACE, settingsFrame()),
  server(settingsFrame(), settingsFrame([], true)),
  client(settingsFrame([], true)),
];

function packets(turns: readonly Turn[], cut: Cutter = everyBytes(1400)): Wire[] {
  return wires(partsOf({ turns: [...opening, ...turns], calls: [], end: 'client-fin' }, cut));
}
const replay = (turns: readonly Turn[], cut?: Cutter): Run =>
  runPipeline(packets(turns, cut), { everyPacket: true, settings: settingsWith({ http: { bodyBytes: 1000 } }) });

/** So many frames with the bytes of a body. */
function dataFrames(stream: number, body: Buffer, size: number, end = false): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    frames.push(frame(0, end && at + size >= body.length ? 1 : 0, stream, body.subarray(at, at + size)));
  }
  return frames;
}

test('a stream of messages in both directions, on several streams at once, in frames and segments of every size', () => {
  const item = framed(proto(field(1, 'item'), field(2, 300)));
  const many = Buffer.concat(Array.from({ length: 500 }, () => item));
  for (const size of [1, 7, item.length, 1000]) {
    const mixed = [1, 3].map((stream) => dataFrames(stream, many, size, true));
    const asked = mixed[0].flatMap((frame, i) => [frame, mixed[1][i]]);
    const run = replay(
      [
        client(
          headers(1, call('/shop.Cart/Watch', [['grpc-timeout', '30S']]), { end: false }),
          headers(3, call('/shop.Cart/Put'), { end: false }),
          ...asked,
        ),
        server(
          headers(1, ok),
          headers(3, ok),
          ...dataFrames(3, many, size),
          ...dataFrames(1, item, 3),
          trailers(3, '0'),
          trailers(1, '13', 'out%20of%20stock'),
        ),
      ],
      everyBytes(size === 1 ? 1400 : 200),
    );
    const bytes = item.length - 5;
    assert.deepEqual(
      run.records.map(({ grpc }) => grpc),
      [
        {
          flavour: 'grpc',
          service: 'shop.Cart',
          method: 'Put',
          status: 0,
          request: { messages: 500, bytes: 500 * bytes },
          response: { messages: 500, bytes: 500 * bytes },
        },
        {
          flavour: 'grpc',
          service: 'shop.Cart',
          method: 'Watch',
          status: 13,
          message: 'out of stock',
          deadlineMs: 30_000,
          request: { messages: 500, bytes: 500 * bytes },
          response: { messages: 1, bytes },
        },
      ],
    );
    const [put] = run.records;
    assert.equal(put.request?.body.bytes, many.length);
    assert.equal(put.request?.body.cut, true);
    assert.ok(put.request?.body.text?.startsWith('{"1":"item","2":300}\n{"1":"item","2":300}\n'));
  }
});

test('each lost segment: counts are right, or said to be incomplete', () => {
  const large = framed(field(1, 'x'.repeat(3000)));
  const turns = [
    client(
      headers(1, call('/a.B/C'), { end: false }),
      ...dataFrames(1, Buffer.concat([large, large, framed(field(1, 'end'))]), 4000, true),
    ),
    server(headers(1, ok), ...dataFrames(1, large, 1000), trailers(1, '0')),
  ];
  const all = packets(turns, everyBytes(500));
  let exact = 0;
  let incomplete = 0;
  for (let lost = 6; lost < all.length - 3; lost++) {
    const { records } = runPipeline(
      all.filter((_, i) => i !== lost),
      { settings: settingsWith({ http: { bodyBytes: 1000 } }) },
    );
    for (const { grpc } of records) {
      for (const [side, messages] of [
        [grpc?.request, 3],
        [grpc?.response, 1],
      ] as const) {
        if (side === undefined) continue;
        assert.ok(side.messages <= messages, `${lost}: ${JSON.stringify(grpc)}`);
        if (side.incomplete) incomplete++;
        else if (side.messages === messages) exact++;
      }
    }
  }
  assert.ok(exact > 10 && incomplete > 2, `${exact} exact, ${incomplete} incomplete`);
});

test('a call that the client takes back, and one whose response is nothing but trailers', () => {
  const run = replay([
    client(headers(1, call('/a.B/C'), { end: false }), ...dataFrames(1, framed(field(1, 'a')), 100), reset(1, 8)),
    client(headers(3, call('/a.B/D'), { end: false }), ...dataFrames(3, framed(Buffer.alloc(0)), 100, true)),
    server(headers(3, [...ok, ['grpc-status', '12'], ['grpc-message', 'not here']], { end: true })),
  ]);
  const found = run.records.map(({ grpc }) => [grpc?.method, grpc?.status, grpc?.message, grpc?.request?.messages]);
  assert.deepEqual(found.sort(), [
    ['C', undefined, undefined, 1],
    ['D', 12, 'not here', 1],
  ]);
});
