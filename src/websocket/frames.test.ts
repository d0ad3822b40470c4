/** Frames of WebSocket through the whole path: made by hand, cut everywhere, with holes, and against the rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { End, Turn } from '../../test/support/conversation.ts';
import { type Run, runPipeline } from '../../test/support/run-pipeline.ts';
import * as w from '../../test/support/web-socket.ts';

const { BINARY, CLOSE, PING, PONG, fromClient, fromServer, handshake, packetsOf } = w;
const CLOSE_1000: w.FramePlan = { opcode: CLOSE, payload: w.closePayload(1000, 'bye') };

/** The counters of WebSocket without their common start. */
function counted({ counters }: Run): Record<string, number> {
  const ours = Object.entries(counters).filter(([name]) => name.startsWith('websocket.'));
  return Object.fromEntries(ours.map(([name, n]) => [name.slice('websocket.'.length), n]));
}

function read(turns: readonly Turn[], { segmentBytes = 1400, end = 'client-fin' as End } = {}): Run {
  const run = runPipeline(packetsOf(turns, segmentBytes, end));
  assert.equal(run.records.length, 1, 'the handshake is the call');
  assert.equal(run.records[0].response?.status, 101);
  return run;
}

/** A connection with these frames of the client behind its handshake, and nothing of the server. */
function hostile(plan: readonly w.FramePlan[], extensions?: string): Run {
  return read([...handshake(extensions), fromClient(...plan)]);
}

const talk: readonly Turn[] = [
  ...handshake(),
  fromServer({ payload: 'hello' }, { opcode: PING, payload: 'p' }),
  fromClient(
    { opcode: PONG, payload: 'p' },
    { opcode: BINARY, payload: 'ab', fin: false },
    { opcode: PING },
    { opcode: 0, payload: 'x'.repeat(126), fin: false },
    { opcode: 0, payload: '' },
  ),
  fromServer({ payload: 'y'.repeat(300) }, { payload: 'z'.repeat(70_000) }, { opcode: PONG }),
  fromClient({ payload: '' }, CLOSE_1000),
  fromServer({ opcode: CLOSE, payload: w.closePayload(1001) }),
];
const talked = {
  connections: 1,
  'messages{client-text}': 1,
  'messages{client-binary}': 1,
  'messages{server-text}': 3,
  'bytes{client-binary}': 128,
  'bytes{server-text}': 70_305,
  'control{client-close}': 1,
  'control{client-ping}': 1,
  'control{client-pong}': 1,
  'control{server-close}': 1,
  'control{server-ping}': 1,
  'control{server-pong}': 1,
  'frames{client}': 7,
  'frames{server}': 6,
  'closes{1000}': 1,
};

/** The same without the large message. */
const shortTalk: readonly Turn[] = talk.map((turn, i) => (i === 4 ? fromServer({ payload: 'y'.repeat(300) }) : turn));
const shortTalked = { ...talked, 'messages{server-text}': 2, 'bytes{server-text}': 305, 'frames{server}': 4 };
delete (shortTalked as Partial<typeof talked>)['control{server-pong}'];

test('messages, fragments, control frames and the code of the first Close', () => {
  const run = read(talk);
  assert.deepEqual(counted(run), talked);
  assert.deepEqual(run.weirds, {});
});

test('in segments of every size: the same', () => {
  for (const segmentBytes of [1, 2, 3, 5, 7, 13, 14, 15, 127]) {
    const run = read(shortTalk, { segmentBytes });
    assert.deepEqual(counted(run), shortTalked, `segments of ${segmentBytes}`);
    assert.deepEqual(run.weirds, {});
  }
  assert.deepEqual(counted(read(talk, { segmentBytes: 60_000 })), talked);
});

test('cut at every byte: the same', () => {
  for (const [turn, { fromServer: server, bytes }] of shortTalk.entries()) {
    if (turn === 0) continue;
    for (let at = 1; at < bytes.length; at++) {
      const halves = [bytes.subarray(0, at), bytes.subarray(at)].map((part) => ({ fromServer: server, bytes: part }));
      const run = read([...shortTalk.slice(0, turn), ...halves, ...shortTalk.slice(turn + 1)]);
      assert.deepEqual(counted(run), shortTalked, `turn ${turn} cut at ${at}`);
    }
  }
});

test('the first frames of the server behind its 101 in one segment', () => {
  const [request, response] = handshake();
  const run = read([request, { fromServer: true, bytes: Buffer.concat([response.bytes, fromServer({ payload: 'at once' }).bytes]) }]);
  assert.equal(counted(run)['messages{server-text}'], 1);
});

test('what breaks the rules has a name, and ends the reading of its direction', () => {
  const second: w.FramePlan = { payload: 'not read' };
  const cases: readonly (readonly [string, readonly w.FramePlan[], string?])[] = [
    ['reserved_bits', [{ reserved: 4, payload: 'a' }]],
    ['reserved_bits', [{ reserved: 1, payload: 'a' }], 'permessage-deflate'],
    ['reserved_bits', [{ opcode: PING, reserved: 4 }], 'permessage-deflate'],
    ['reserved_opcode', [{ opcode: 3 }]],
    ['reserved_opcode', [{ opcode: 11 }]],
    ['control_too_long', [{ opcode: PING, payload: 'x'.repeat(126) }]],
    ['control_too_long', [{ opcode: CLOSE, payload: w.closePayload(1000, 'x'.repeat(124)) }]],
    ['control_fragmented', [{ opcode: PING, fin: false }]],
    ['unmasked_client', [{ payload: 'a', wrongMask: true }]],
    ['stray_continuation', [{ opcode: 0, payload: 'a' }]],
    ['length_too_large', [{ opcode: BINARY, claims: 1n << 63n }]],
    ['length_too_large', [{ opcode: BINARY, claims: 1n << 53n }]],
    ['bad_close', [{ opcode: CLOSE, payload: 'x' }]],
  ];
  for (const [name, plan, extensions] of cases) {
    const run = hostile([...plan, second], extensions);
    assert.deepEqual(Object.keys(run.weirds), [`http.websocket.${name}`], name);
    assert.equal(counted(run)['messages{client-text}'], undefined, name);
    const sent = fromClient(...plan, second).bytes.length;
    assert.equal(counted(run).unread_bytes, sent, `${name}: every byte is counted`);
    assert.equal(counted(run)['closes{unknown}'], 1, name);
  }
  const masked = read([...handshake(), fromServer({ payload: 'a', wrongMask: true })]);
  assert.deepEqual(Object.keys(masked.weirds), ['http.websocket.masked_server']);
});

test('a message inside a message: what was begun is incomplete', () => {
  const run = hostile([{ payload: 'a', fin: false }, { payload: 'b' }]);
  assert.deepEqual(Object.keys(run.weirds), ['http.websocket.message_inside_message']);
  assert.equal(counted(run)['incomplete{client}'], 1);
});

test('the other direction is read on when one is left alone', () => {
  const run = read([...handshake(), fromClient({ opcode: 3 }), fromServer({ payload: 'still' }), fromClient({ payload: 'x' })]);
  assert.equal(counted(run)['messages{server-text}'], 1);
  assert.equal(counted(run)['messages{client-text}'], undefined);
});

test('lengths in more bytes than needed are read, as receivers do', () => {
  const run = hostile([{ payload: 'abc', lengthBytes: 3 }, { payload: 'abc', lengthBytes: 9 }, { payload: 'd' }]);
  assert.deepEqual(run.weirds, { 'http.websocket.length_not_minimal': 2 });
  assert.equal(counted(run)['messages{client-text}'], 3);
  assert.equal(counted(run)['bytes{client-text}'], 7);
});

test('a frame that claims terabytes costs nothing, and the rest is its payload', () => {
  const run = hostile([{ opcode: BINARY, claims: 1n << 42n, payload: 'x' }, { payload: 'y' }]);
  assert.equal(run.blockBytesPeak < 65_536, true);
  assert.deepEqual(run.weirds, {});
  assert.deepEqual(counted(run), { connections: 1, 'frames{client}': 1, 'incomplete{client}': 1, 'closes{1006}': 1 });
});

test('close codes', () => {
  const cases: readonly (readonly [string, readonly w.FramePlan[], number?])[] = [
    ['1000', [CLOSE_1000]],
    ['1005', [{ opcode: CLOSE }]],
    ['1006', []],
    ['1011', [{ opcode: CLOSE, payload: w.closePayload(1011, 'oops') }]],
    ['3000-3999', [{ opcode: CLOSE, payload: w.closePayload(3001) }]],
    ['4000-4999', [{ opcode: CLOSE, payload: w.closePayload(4999) }]],
    ['invalid', [{ opcode: CLOSE, payload: w.closePayload(1006) }], 1],
    ['invalid', [{ opcode: CLOSE, payload: w.closePayload(999) }], 1],
    ['invalid', [{ opcode: CLOSE, payload: w.closePayload(5000) }], 1],
  ];
  for (const [code, plan, bad] of cases) {
    const run = hostile(plan);
    assert.equal(counted(run)[`closes{${code}}`], 1, `${code} of ${JSON.stringify(run.counters)}`);
    assert.equal(run.weirds['http.websocket.bad_close'], bad);
  }
  assert.equal(counted(read([...handshake(), fromClient({ payload: 'x' })], { end: 'open' }))['closes{still-open}'], 1);
  assert.equal(counted(read([...handshake(), fromClient({ payload: 'x' })], { end: 'reset' }))['closes{1006}'], 1);
});

test('bytes behind a Close frame', () => {
  const run = hostile([CLOSE_1000, { payload: 'more' }]);
  assert.deepEqual(run.weirds, { 'http.websocket.after_close': 1 });
  assert.equal(counted(run).unread_bytes, fromClient({ payload: 'more' }).bytes.length);
  assert.equal(counted(run)['closes{1000}'], 1);
});

test('RSV1 where permessage-deflate was agreed on, on the first frame of a message', () => {
  const run = hostile(
    [{ reserved: 4, payload: 'zip', fin: false }, { opcode: 0, payload: 'ped' }, { payload: 'plain' }],
    'permessage-deflate; server_no_context_takeover',
  );
  assert.deepEqual(run.weirds, {});
  assert.equal(counted(run)['messages{client-text}'], 2);
  assert.equal(counted(run)['compressed{client}'], 1);
  const continued = hostile(
    [
      { payload: 'a', fin: false },
      { opcode: 0, reserved: 4, payload: 'b' },
    ],
    'permessage-deflate',
  );
  assert.deepEqual(Object.keys(continued.weirds), ['http.websocket.reserved_bits']);
});

test('an extension that is not known may use reserved bits and opcodes', () => {
  for (const extensions of ['x-other', 'permessage-deflate, x-other', 'permessage-deflated', 'x-other, permessage-deflate']) {
    const run = hostile([{ reserved: 7, payload: 'a' }, { opcode: 5, payload: 'b' }, { payload: 'c' }], extensions);
    assert.deepEqual(run.weirds, {}, extensions);
    assert.equal(counted(run)['messages{client-text}'], 2, extensions);
    assert.equal(counted(run)['frames{client}'], 3, extensions);
  }
});

/** The packets without the segments whose payload is one of `lost`. */
function without(turns: readonly Turn[], lost: readonly Buffer[]): Run {
  const packets = packetsOf(turns).filter(
    ({ data }) => !lost.some((bytes) => bytes.length > 0 && data.subarray(-bytes.length).equals(bytes)),
  );
  return runPipeline(packets);
}

test('a hole inside a payload: the size is known, the reading goes on', () => {
  const { bytes } = fromClient(
    { opcode: BINARY, payload: Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7) & 0xff)) },
    { payload: 'after' },
  );
  const run = without([...handshake(), { fromServer: false, bytes }], [bytes.subarray(1400, 2800)]);
  assert.deepEqual(counted(run), {
    connections: 1,
    'messages{client-text}': 1,
    'messages{client-binary}': 1,
    'bytes{client-text}': 5,
    'bytes{client-binary}': 4000,
    'frames{client}': 2,
    'incomplete{client}': 1,
    'closes{1006}': 1,
  });
  assert.equal(run.weirds['http.websocket.lost_place'], undefined);
});

test('a hole over the end of a payload: the direction is counted only', () => {
  const lost = fromClient({ payload: 'lost in full' }).bytes;
  const turns = [...handshake(), fromClient({ payload: 'before' }), { fromServer: false, bytes: lost }, fromClient({ payload: 'after' })];
  const run = without([...turns, fromServer({ payload: 'server' })], [lost]);
  assert.equal(run.weirds['http.websocket.lost_place'], 1);
  const got = counted(run);
  assert.equal(got['messages{client-text}'], 1);
  assert.equal(got['messages{server-text}'], 1);
  assert.equal(got.unread_bytes, fromClient({ payload: 'after' }).bytes.length);
  assert.equal(got['closes{unknown}'], 1);
});

test('a handshake whose request was not seen: the client is counted only, the server read', () => {
  const [request, response] = handshake();
  const turns = [request, response, fromServer({ payload: 'hi' }), fromClient({ payload: 'frames' })];
  const run = without(turns, [request.bytes]);
  assert.equal(counted(run)['messages{server-text}'], 1);
  assert.equal(counted(run)['messages{client-text}'], undefined);
  assert.equal(run.weirds['http.websocket.lost_place'], 1);
});

test('a capture that begins with a packet of the server: the same', () => {
  const earlier: Turn = { fromServer: true, bytes: Buffer.from('HTTP/1.1 204 No Content\r\n\r\n') };
  const [request, ...more] = talk;
  const SYNS = 3;
  const run = runPipeline(packetsOf([earlier, request, ...more]).slice(SYNS));
  assert.equal(run.records.length, 2);
  assert.deepEqual(counted(run), talked);
});

test('inside a tunnel of CONNECT', () => {
  const tunnel: readonly Turn[] = [
    { fromServer: false, bytes: Buffer.from('CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n') },
    { fromServer: true, bytes: Buffer.from('HTTP/1.1 200 OK\r\n\r\n') },
  ];
  const run = runPipeline(packetsOf([...tunnel, ...talk]));
  assert.equal(run.records.length, 2);
  assert.deepEqual(counted(run), talked);
});

test('two connections at the same time, one in pieces, are not mixed up', () => {
  const one = packetsOf(shortTalk, 60_000);
  const other = packetsOf(shortTalk, 5, 'reset', 40_001);
  const packets = [...one, ...other].sort((a, b) => a.timeUs - b.timeUs);
  const twice = Object.fromEntries(Object.entries(shortTalked).map(([name, n]) => [name, 2 * n]));
  assert.deepEqual(counted(runPipeline(packets)), twice);
});

test('an answer to the handshake of which a part was lost, or that is too long: the server is not followed, the client is', () => {
  const [request, { bytes }] = handshake('permessage-deflate');
  const cutAt = bytes.indexOf('Sec-');
  const halves = [bytes.subarray(0, cutAt), bytes.subarray(cutAt)].map((half) => ({ fromServer: true, bytes: half }));
  const more = [fromServer({ payload: 'GET / HTTP/1.1\r\n\r\n' }), fromClient({ payload: 'read', reserved: 4 }), fromServer(CLOSE_1000)];
  const lost = without([request, ...halves, ...more], [halves[1].bytes]);
  const long = { fromServer: true, bytes: Buffer.concat([bytes.subarray(0, cutAt), Buffer.from(`X-Long: ${'x'.repeat(70_000)}\r\n\r\n`)]) };
  for (const run of [lost, runPipeline(packetsOf([request, long, ...more]))]) {
    assert.equal(run.records.length, 1);
    assert.equal(run.records[0].response?.status, 101);
    assert.equal(run.weirds['http.websocket.lost_place'], 1);
    assert.deepEqual(counted(run), {
      connections: 1,
      'messages{client-text}': 1,
      'bytes{client-text}': 4,
      'frames{client}': 1,
      'closes{unknown}': 1,
    });
  }
});

test('a Close frame with a hole: the code is known when its bytes came', () => {
  const { bytes } = fromClient({ opcode: CLOSE, payload: w.closePayload(1001, 'going away for good') });
  const CODE_END = 8;
  for (const [from, to, code] of [
    [6, 7, 'unknown'],
    [7, CODE_END, 'unknown'],
    [CODE_END, 20, '1001'],
  ] as const) {
    const parts = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)];
    const turns = parts.map((part) => ({ fromServer: false, bytes: part }));
    const packets = packetsOf([...handshake(), ...turns]);
    const SYNS = 3;
    const BEFORE = SYNS + 2 * 3;
    assert.equal(packets[BEFORE].data.subarray(-parts[1].length).equals(parts[1]), true);
    packets.splice(BEFORE, 1);
    const run = runPipeline(packets);
    assert.equal(counted(run)[`closes{${code}}`], 1, JSON.stringify(counted(run)));
    assert.equal(counted(run)['control{client-close}'], 1);
  }
});
