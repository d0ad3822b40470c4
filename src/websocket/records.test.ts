/** Records of messages: of hand-made frames, with what is lost, too large, refused or odd. Content is compared with what was sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Turn } from '../../test/support/conversation.ts';
import { Deflater } from '../../test/support/deflater.ts';
import { contentOf, type MessageRunOptions, runMessages } from '../../test/support/message-run.ts';
import { ethernet, ipv4, udp, vxlan } from '../../test/support/packets.ts';
import { settingsWith, type Wire } from '../../test/support/run-pipeline.ts';
import {
  BINARY,
  CLOSE,
  closePayload,
  type FramePlan,
  fromClient,
  fromServer,
  handshake,
  PING,
  packetsOf,
} from '../../test/support/web-socket.ts';
import { setRecorder } from './recorder.ts';

const bye: readonly Turn[] = [
  fromServer({ opcode: CLOSE, payload: closePayload(1000) }),
  fromClient({ opcode: CLOSE, payload: closePayload(1000) }),
];

/** A compressed frame. */
function packed(deflater: Deflater, content: string | Buffer, opcode = 1): FramePlan {
  return { opcode, reserved: 4, payload: deflater.message(content) };
}

/** Bytes that do not compress. */
function noise(length: number): Buffer {
  let state = 1;
  return Buffer.from(Array.from({ length }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0) >>> 24));
}

/** Text that is long enough to be worth a reference, and different for each `i`. */
const said = (i: number): string =>
  JSON.stringify({ event: 'position', number: i, text: 'the quick brown fox jumps over the lazy dog'.slice(i % 7) });

function bodies(packets: Iterable<Wire>, options: MessageRunOptions = {}): (string | undefined)[] {
  return runMessages(packets, options).messages.map(({ body }) => body?.unknown ?? body?.text ?? body?.base64);
}

/** The packets without those that hold one of `texts`. */
function without(packets: readonly Wire[], ...texts: readonly (string | Buffer)[]): Wire[] {
  const kept = packets.filter(({ data }) => !texts.some((text) => data.includes(text)));
  assert.equal(kept.length, packets.length - texts.length);
  return kept;
}

test('a record for each message: direction, opcode, size, times, fragments; control frames make none', () => {
  const turns = [
    ...handshake(),
    fromClient({ payload: 'hello' }),
    fromServer(
      { payload: 'wor', fin: false },
      { opcode: PING },
      { opcode: 0, payload: 'ld' },
      { opcode: BINARY, payload: Buffer.from([0, 1, 255]) },
    ),
    ...bye,
  ];
  const { calls, messages, closings, counters } = runMessages(packetsOf(turns));
  assert.deepEqual(
    messages.map(({ sender, sequence, opcode, bytes, fragments, body }) => [sender, sequence, opcode, bytes, fragments, body]),
    [
      ['client', 1, 'text', 5, undefined, { kept: 5, text: 'hello' }],
      ['server', 1, 'text', 5, 2, { kept: 5, text: 'world' }],
      ['server', 2, 'binary', 3, undefined, { kept: 3, base64: 'AAH/' }],
    ],
  );
  const [call] = calls;
  for (const message of messages) {
    assert.deepEqual(
      [message.call, message.client, message.server, message.host, message.path],
      [call.id, call.client, call.server, 'a', '/live'],
    );
    assert.equal(message.complete, true);
  }
  assert.deepEqual(
    messages.map(({ id }) => id.slice(id.lastIndexOf('.') + 1)),
    ['m1', 'm2', 'm3'],
  );
  assert.equal(counters['messages.seen'], 3);
  assert.deepEqual(closings[0].websocket, {
    code: 1000,
    client: { text: 1, binary: 0, controls: 1, bytes: 5 },
    server: { text: 1, binary: 1, controls: 2, bytes: 8 },
  });
  assert.deepEqual([closings[0].call, closings[0].complete], [call.id, true]);
});

test('the times of a message are those of its first and its last byte, also when a segment cuts its header', () => {
  const turns = [...handshake(), fromServer({ payload: 'x'.repeat(300) }), ...bye];
  const whole = packetsOf(turns, 1400).length;
  const packets = packetsOf(turns, 1);
  const run = runMessages(packets);
  assert.ok(packets.length > whole + 300);
  const times = packets.filter(({ data }) => data.length > 0).map(({ timeUs }) => timeUs);
  const [{ firstByteUs, lastByteUs }] = run.messages;
  const first = times.indexOf(firstByteUs);
  // A header of four bytes and the payload, a byte a segment; acknowledgements may stand between.
  assert.ok(times.indexOf(lastByteUs) - first >= 303, `${times.indexOf(lastByteUs) - first} packets`);
});

test('count makes no records of messages, and the closing record all the same; meta makes them without content', () => {
  const turns = [...handshake(), fromClient({ payload: 'hello' }), ...bye];
  const counted = runMessages(packetsOf(turns), { websocket: { messages: 'count' } });
  assert.deepEqual([counted.messages.length, counted.counters['messages.seen'] ?? 0], [0, 0]);
  assert.equal(counted.closings[0].websocket?.client.bytes, 5);
  const meta = runMessages(packetsOf(turns), { websocket: { messages: 'meta' } });
  assert.equal(meta.messages.length, 1);
  assert.equal(meta.messages[0].body, undefined);
  assert.equal(meta.lines.join('').includes('hello'), false);
});

test('in segments of every size, and handed on at any moment: the same', () => {
  const deflater = new Deflater();
  const turns = [
    ...handshake('permessage-deflate'),
    fromClient({ payload: 'plain' }, packed(deflater, said(1)), { ...packed(deflater, said(2)) }),
    fromServer({ payload: 'é'.repeat(300) }, { opcode: BINARY, payload: Buffer.alloc(700, 200) }),
    fromClient(packed(deflater, said(3))),
    ...bye,
  ];
  const strip = (options: MessageRunOptions, bytes: number): unknown =>
    runMessages(packetsOf(turns, bytes), options).messages.map(({ firstByteUs: _f, lastByteUs: _l, ...rest }) => rest);
  const expected = strip({}, 1400);
  for (const bytes of [1, 2, 3, 7, 50, 131]) {
    assert.deepEqual(strip({}, bytes), expected, `${bytes} bytes`);
    assert.deepEqual(strip({ everyPacket: true }, bytes), expected, `${bytes} bytes, each packet`);
  }
});

test('content beyond messageBytes is cut; the length is told', () => {
  const deflater = new Deflater();
  const long = said(1).repeat(20);
  const { messages } = runMessages(
    packetsOf([
      ...handshake('permessage-deflate'),
      fromClient({ payload: 'éééé' }, packed(deflater, long), packed(deflater, 'end')),
      ...bye,
    ]),
    { websocket: { messageBytes: 5 } },
  );
  assert.deepEqual(messages[0].body, { kept: 4, text: 'éé', cut: true });
  assert.deepEqual(messages[1].body, { kept: 5, text: long.slice(0, 5), cut: true });
  assert.equal(messages[1].inflatedBytes, long.length);
  assert.deepEqual(messages[2].body, { kept: 3, text: 'end' });
});

test('context takeover over 80 messages of both sides, beyond the window', () => {
  const sides = [new Deflater(), new Deflater()];
  const sent: string[] = [];
  const turns: Turn[] = [...handshake('permessage-deflate; client_max_window_bits=15')];
  for (let i = 0; i < 80; i++) {
    const content = i % 9 === 0 ? said(i).repeat(60) : said(i);
    sent.push(content.slice(0, 4096));
    turns.push((i % 2 === 0 ? fromClient : fromServer)(packed(sides[i % 2], content)));
  }
  const { messages, weirds } = runMessages(packetsOf([...turns, ...bye]));
  assert.deepEqual(weirds, {});
  assert.deepEqual(
    messages.map((message) => contentOf(message).toString()),
    sent,
  );
});

test('a hole in a compressed message: what follows has no content, and says so; the other side has', () => {
  const client = new Deflater();
  const server = new Deflater();
  const lost = `${said(2)} ${noise(200).toString('hex')}`;
  const turns = [
    ...handshake('permessage-deflate'),
    fromClient(packed(client, said(1))),
    fromClient({ payload: 'first part of it|', fin: false }, { opcode: 0, payload: '#lost#' }, { payload: 'plain' }),
    fromClient(packed(client, lost)),
    fromServer(packed(server, said(3))),
    fromClient(packed(client, said(4)), { payload: 'not compressed' }),
    fromServer(packed(server, said(5))),
    ...bye,
  ];
  // The segment with the frame of `lost` gets a hole in its payload: a part of the packet is not captured.
  const packets = packetsOf(turns);
  const frame = Buffer.from(turns[4].bytes);
  const i = packets.findIndex(({ data }) => data.includes(frame));
  const packet = packets[i];
  packets[i] = { ...packet, data: packet.data.subarray(0, packet.data.length - 20), wireBytes: packet.data.length };
  const { messages } = runMessages(packets);
  const told = messages.filter(({ sender }) => sender === 'client').map(({ complete, body }) => [complete, body?.unknown ?? body?.text]);
  assert.deepEqual(told.slice(0, 3), [
    [true, said(1)],
    [true, 'first part of it|#lost#'],
    [true, 'plain'],
  ]);
  assert.equal(told[3][0], false);
  assert.ok(lost.startsWith(String(told[3][1])), 'what came before the hole');
  assert.deepEqual(told.slice(4), [
    [true, 'gap'],
    [true, 'not compressed'],
  ]);
  const answers = messages.filter(({ sender }) => sender === 'server').map(({ body }) => body?.text);
  assert.deepEqual(answers, [said(3), said(5)]);
});

test('without context takeover a hole costs one message', () => {
  const client = new Deflater(false);
  const turns = [...handshake('permessage-deflate; client_no_context_takeover; server_no_context_takeover')];
  for (let i = 0; i < 4; i++) turns.push(fromClient(packed(client, said(i))));
  const packets = packetsOf([...turns, ...bye]);
  const i = packets.findIndex(({ data }) => data.includes(turns[3].bytes));
  packets[i] = { ...packets[i], data: packets[i].data.subarray(0, packets[i].data.length - 30), wireBytes: packets[i].data.length };
  const { messages } = runMessages(packets);
  assert.deepEqual(
    messages.map(({ complete }) => complete),
    [true, false, true, true],
  );
  assert.deepEqual([messages[0].body?.text, messages[2].body?.text, messages[3].body?.text], [said(0), said(2), said(3)]);
});

test('a hole in plain payload: what came before it is kept, and its masking goes on', () => {
  const long = 'abcdefghij'.repeat(200);
  const turns = [...handshake(), fromClient({ payload: long }), fromClient({ payload: 'after' }), ...bye];
  const packets = packetsOf(turns, 500);
  const at = packets.findIndex(({ data }, n) => n > 6 && data.length > 500);
  const { messages } = runMessages(packets.filter((_, n) => n !== at + 2));
  assert.equal(messages[0].complete, false);
  assert.equal(messages[0].body?.cut, true);
  const kept = messages[0].body?.text ?? '';
  assert.ok(kept.length > 0 && long.startsWith(kept), kept);
  assert.deepEqual([messages[1].complete, messages[1].body?.text], [true, 'after']);
});

test('bombs: a message that inflates to more than a mebibyte keeps its first bytes; memory stays small', () => {
  for (const takeover of [true, false]) {
    const client = new Deflater(takeover);
    const bomb = packed(client, Buffer.alloc(40 << 20, 97));
    const { messages, weirds, blockBytesPeak } = runMessages(
      packetsOf([
        ...handshake(`permessage-deflate${takeover ? '' : '; client_no_context_takeover'}`),
        fromClient(bomb, packed(client, said(1))),
        ...bye,
      ]),
    );
    assert.deepEqual([messages[0].body?.kept, messages[0].body?.cut, messages[0].inflatedBytes], [4096, true, undefined]);
    assert.equal(weirds['limit.http.websocket_inflated'], takeover ? 1 : undefined);
    assert.equal(messages[1].body?.unknown ?? messages[1].body?.text, takeover ? 'limit' : said(1));
    assert.ok(blockBytesPeak < 1 << 20, `${blockBytesPeak} bytes`);
  }
});

test('bombs below the limit of a message: work stays in proportion to what was sent', () => {
  const client = new Deflater();
  const bombs = Array.from({ length: 40 }, () => packed(client, Buffer.alloc(1_000_000, 97)));
  const { messages, weirds } = runMessages(packetsOf([...handshake('permessage-deflate'), fromClient(...bombs), ...bye]));
  const opened = messages.filter(({ inflatedBytes }) => inflatedBytes === 1_000_000).length;
  assert.ok(opened > 0 && opened < 10, `${opened} were inflated`);
  assert.equal(messages[39].body?.unknown, 'limit');
  assert.equal(weirds['limit.http.websocket_inflated'], 1);
});

test('small messages that say nearly the same compress a hundred times, and are read on', () => {
  const client = new Deflater();
  const tick = said(3).repeat(50).slice(0, 3000);
  const ticks = Array.from({ length: 4000 }, () => packed(client, tick));
  const { messages, weirds } = runMessages(packetsOf([...handshake('permessage-deflate'), fromClient(...ticks), ...bye]));
  assert.equal(messages.length, 4000);
  assert.equal(contentOf(messages[3999]).toString(), tick);
  assert.deepEqual(weirds, {});
});

test('a compressed message that is too long keeps what fits; what cannot be inflated has a name', () => {
  const large = noise(600_000);
  const client = new Deflater();
  const long = runMessages(
    packetsOf([...handshake('permessage-deflate'), fromClient(packed(client, large, BINARY), packed(client, said(1))), ...bye], 60_000),
  );
  assert.ok(large.subarray(0, 4096).equals(contentOf(long.messages[0])));
  assert.equal(long.weirds['limit.http.websocket_compressed'], 1);
  assert.equal(long.messages[1].body?.unknown, 'limit');
  const bad = runMessages(
    packetsOf([
      ...handshake('permessage-deflate'),
      fromClient({ reserved: 4, payload: 'this is not deflate' }, packed(new Deflater(), said(1))),
      ...bye,
    ]),
  );
  assert.equal(bad.weirds['http.websocket.inflate_corrupt'], 1);
  assert.equal(bad.messages[0].body?.cut, true);
  assert.equal(bad.messages[1].body?.unknown, 'limit');
});

test('more windows than allowed: messages of the others have no content from the second one on', () => {
  const packets = [0, 1, 2].flatMap((i) => {
    const client = new Deflater();
    const turns = [...handshake('permessage-deflate'), fromClient(packed(client, said(1))), fromClient(packed(client, said(2))), ...bye];
    return packetsOf(turns, 1400, 'client-fin', 40_000 + i);
  });
  packets.sort((a, b) => a.timeUs - b.timeUs);
  const { messages, weirds } = runMessages(packets, { websocket: { windowsMax: 2 } });
  const byPort = (port: number): (string | undefined)[] =>
    messages.filter(({ client }) => client.port === 40_000 + port).map(({ body }) => body?.unknown ?? body?.text);
  assert.deepEqual(
    [byPort(0), byPort(1), byPort(2)],
    [
      [said(1), said(2)],
      [said(1), said(2)],
      [said(1), 'limit'],
    ],
  );
  assert.equal(weirds['limit.http.websocket_windows'], 1);
});

test('windows are given back when connections end', () => {
  const packets = Array.from({ length: 6 }, (_, i) => {
    const client = new Deflater();
    return packetsOf(
      [...handshake('permessage-deflate'), fromClient(packed(client, said(1))), fromClient(packed(client, said(2))), ...bye],
      1400,
      'client-fin',
      41_000 + i,
    ).map((packet) => ({ ...packet, timeUs: packet.timeUs + i * 1_000_000 }));
  }).flat();
  const { messages, weirds } = runMessages(packets, { websocket: { windowsMax: 1 }, everyPacket: true });
  assert.deepEqual(weirds, {});
  assert.equal(messages.filter(({ body }) => body?.text === said(2)).length, 6);
});

test('a block that says it is the last one: what follows it is read (RFC 7692, 7.2.3.4)', () => {
  const payload = Buffer.from('f348cdc9c9070000', 'hex');
  assert.deepEqual(bodies(packetsOf([...handshake('permessage-deflate'), fromServer({ reserved: 4, payload }), ...bye])), ['Hello']);
});

test('an empty message is a message, compressed or not', () => {
  const { messages } = runMessages(
    packetsOf([...handshake('permessage-deflate'), fromServer({}, { reserved: 4, payload: Buffer.from([0]) }, { reserved: 4 }), ...bye]),
  );
  assert.deepEqual(
    messages.map(({ bytes, body }) => [bytes, body]),
    [
      [0, { kept: 0 }],
      [1, { kept: 0 }],
      [0, { kept: 0 }],
    ],
  );
});

test('messages beyond the rate make no records; those behind keep their numbers', () => {
  const plans = Array.from({ length: 30 }, (_, i) => ({ payload: `message ${i}` }));
  const packets = [...packetsOf([...handshake(), fromClient(...plans)], 1400, 'open')];
  const { messages, counters, weirds } = runMessages(packets, { websocket: { messagesPerSecondMax: 10 } });
  assert.equal(messages.length, 10);
  assert.deepEqual([counters['messages.seen'], counters['messages.lost{rate}']], [30, 20]);
  assert.equal(weirds['limit.http.websocket_rate'], 1);
});

test('a burst of more messages than the queue holds: the rest is counted', () => {
  const one = Buffer.from([0x81, 0]);
  const turns = [...handshake(), { fromServer: true, bytes: Buffer.concat(Array.from({ length: 20_000 }, () => one)) }, ...bye];
  const { messages, counters, weirds } = runMessages(packetsOf(turns, 60_000), { websocket: { messagesPerSecondMax: 1e6 } });
  assert.equal(counters['messages.seen'], 20_000);
  assert.equal(messages.length + (counters['messages.lost{queue}'] ?? 0), 20_000);
  assert.ok(counters['messages.lost{queue}'] > 0);
  assert.ok(weirds['limit.http.websocket_queue'] > 0);
});

test('memory that is spent: messages lose their content, and nothing else', () => {
  const turns = [...handshake()];
  for (let i = 0; i < 40; i++) turns.push(fromClient({ payload: Buffer.alloc(4000, 97) }));
  const settings = settingsWith({ websocket: { messages: 'body' }, memory: { blockBytesMax: 64 << 10 } });
  const { messages } = runMessages(packetsOf([...turns, ...bye]), { settings });
  assert.equal(messages.length, 40);
  assert.equal(new Set(messages.map(({ bytes }) => bytes)).size, 1);
});

test('a frame that claims more than comes has the bytes that came', () => {
  const turns = [...handshake(), fromClient({ payload: 'four', claims: 1n << 40n })];
  const { messages } = runMessages(packetsOf(turns));
  assert.deepEqual(
    messages.map(({ bytes, complete, body }) => [bytes, complete, body?.text]),
    [[4, false, 'four']],
  );
});

test('connections that are cut off: the message under way is incomplete, the closing record says why', () => {
  const turns = [...handshake(), fromServer({ payload: 'whole' }, { payload: 'not whole', fin: false })];
  const { messages, closings } = runMessages(packetsOf(turns, 1400, 'reset'));
  assert.deepEqual(
    messages.map(({ complete, body }) => [complete, body?.text, body?.cut]),
    [
      [true, 'whole', undefined],
      [false, 'not whole', true],
    ],
  );
  assert.deepEqual([closings[0].complete, closings[0].causes, closings[0].websocket?.code], [false, ['reset'], null]);
});

test('a handshake that was not seen has no records, and the books say so', () => {
  const packets = without(packetsOf([...handshake(), fromServer({ payload: 'one' }), ...bye]), 'GET /live', '101 Switching');
  const { messages, calls } = runMessages(packets);
  assert.deepEqual([messages.length, calls.length], [0, 0]);
});

test('an extension that is not known: opcodes of its own make no records, messages that it may have changed have no content', () => {
  const { messages, weirds } = runMessages(
    packetsOf([
      ...handshake('x-other'),
      fromClient({ opcode: 3, payload: 'of its own' }, { reserved: 4, payload: 'coded' }, { payload: 'plain' }),
      ...bye,
    ]),
  );
  assert.deepEqual(
    messages.map(({ body }) => body),
    [
      { kept: 0, cut: true, unknown: 'extension' },
      { kept: 5, text: 'plain' },
    ],
  );
  assert.deepEqual(weirds, {});
});

test('changed while connections are open: to count, nothing more is kept at once; to body, for the next connections', () => {
  const client = new Deflater();
  const turns = [
    ...handshake('permessage-deflate'),
    fromClient(packed(client, said(1))),
    fromClient({ payload: 'begun', fin: false }),
    fromServer({ payload: 'heard' }),
    fromClient({ opcode: 0, payload: ' before' }, packed(client, said(2)), { payload: 'after' }),
    ...bye,
  ];
  const packets = packetsOf(turns);
  const at = packets.findIndex(({ data }) => data.includes('heard'));
  const settings = settingsWith({ websocket: { messages: 'body' } });
  for (const [messages, expected] of [
    ['count', [said(1)]],
    ['meta', [said(1), undefined, 'begun before', undefined, undefined]],
  ] as const) {
    const before = (i: number): void => {
      if (i === at) setRecorder(settingsWith({ websocket: { messages } }));
    };
    const run = runMessages(packets, { settings, before, everyPacket: true });
    assert.deepEqual(new Set(run.messages.map(({ body }) => body?.text)), new Set(expected), messages);
    assert.equal(run.closings.length, 1);
  }
  const later = (i: number): void => {
    if (i === at) setRecorder(settings);
  };
  assert.deepEqual(runMessages(packets, { websocket: { messages: 'count' }, before: later }).messages, []);
});

test('a handshake that is not whole, mirrored twice: its record does not wait for a better copy, because its messages follow', () => {
  const [request, response] = handshake();
  const long = request.bytes.toString().replace('\r\n\r\n', `\r\nx: ${'y'.repeat(300)}\r\n\r\n`);
  const turns = [
    { ...request, bytes: Buffer.from(long) },
    response,
    fromClient({ payload: 'hello' }),
    fromServer({ payload: 'world' }),
    ...bye,
  ];
  const mirrored = (vni: number, port: number): Wire[] =>
    packetsOf(turns, 1400, 'client-fin', port).map(({ data, timeUs }) => ({
      data: ethernet(ipv4(udp(vxlan(data, { vni })))),
      timeUs: timeUs + vni,
    }));
  const packets = [...mirrored(3, 40_003), ...mirrored(1, 40_000), ...mirrored(2, 40_000)].sort((a, b) => a.timeUs - b.timeUs);
  const run = runMessages(packets, { settings: settingsWith({ http: { headBytesMax: 256 }, websocket: { messages: 'body' } }) });
  const records = run.lines.map((line) => JSON.parse(line) as { id: string; call?: string });
  for (const [i, { call }] of records.entries()) {
    if (call !== undefined)
      assert.ok(
        records.slice(0, i).some(({ id }) => id === call),
        `${call} has no record before this one`,
      );
  }
  assert.deepEqual([run.calls.length, run.messages.length, run.closings.length], [2, 2, 2]);
});
