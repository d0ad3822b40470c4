/** Connections of ws, client and server, over a proxy that writes down the bytes: what is counted is what they logged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import type { Turn } from '../../test/support/conversation.ts';
import { contentOf, runMessages } from '../../test/support/message-run.ts';
import { type Run, runPipeline } from '../../test/support/run-pipeline.ts';
import { packetsOf } from '../../test/support/web-socket.ts';
import { exchange, type Peer, type Sent, send } from '../../test/support/web-socket-peers.ts';

function counted({ counters }: Run, skip: RegExp): Record<string, number> {
  const ours = Object.entries(counters).filter(([name]) => name.startsWith('websocket.') && !skip.test(name));
  return Object.fromEntries(ours.map(([name, n]) => [name.slice('websocket.'.length), n]));
}

const LARGE = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7));

async function lively(client: Peer, sent: Sent): Promise<void> {
  const echoes = { left: 6 };
  const echoed = new Promise<void>((resolve) =>
    client.on('message', () => {
      echoes.left--;
      if (echoes.left === 0) resolve();
    }),
  );
  const ponged = new Promise((resolve) => client.once('pong', resolve));
  await send(client, sent, 'hello');
  await send(client, sent, Buffer.from('in three parts'), { parts: 3 });
  client.ping('are you there');
  sent.control('ping');
  await send(client, sent, 'é'.repeat(5000), { parts: 2 });
  await send(client, sent, LARGE);
  await send(client, sent, 'plain '.repeat(400), { compress: false });
  await send(client, sent, '');
  await Promise.all([echoed, ponged]);
  await send(client, sent, 'done');
}

function closeBy(code: number): (server: Peer, sent: Sent) => void {
  return (server, sent) => {
    server.ping();
    sent.control('ping');
    server.close(code, 'over');
  };
}

for (const segmentBytes of [1400, 61]) {
  test(`uncompressed, in segments of ${segmentBytes}: every count and every byte`, async () => {
    const { turns, client, server, code } = await exchange({ deflate: false, script: lively, atEnd: closeBy(4321) });
    assert.equal(code, 4321);
    client.control('close');
    server.control('close');
    const run = runPipeline(packetsOf(turns, segmentBytes));
    assert.deepEqual(run.weirds, {});
    assert.deepEqual(counted(run, /frames/), { connections: 1, ...client.counts, ...server.counts, 'closes{4000-4999}': 1 });
    assert.equal(run.records[0].response?.status, 101);
  });
}

/** The messages of one direction, by an inflater that keeps its window: another way to the same. */
function messagesOf(stream: Buffer): { content: Buffer; wireBytes: number }[] {
  const found: { content: Buffer; wireBytes: number }[] = [];
  let past = Buffer.alloc(0);
  let parts: Buffer[] = [];
  let deflated = false;
  for (let at = 0; at < stream.length; ) {
    const opcode = stream[at] & 15;
    const short = stream[at + 1] & 0x7f;
    const length = short === 126 ? stream.readUInt16BE(at + 2) : short === 127 ? Number(stream.readBigUInt64BE(at + 2)) : short;
    const keyAt = at + 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
    const masked = stream[at + 1] > 0x7f;
    const from = keyAt + (masked ? 4 : 0);
    const payload = Buffer.from(stream.subarray(from, from + length).map((b, i) => (masked ? b ^ stream[keyAt + (i & 3)] : b)));
    if (opcode < 8) {
      if (opcode !== 0) deflated = (stream[at] & 0x40) !== 0;
      parts.push(payload);
      if (stream[at] & 0x80) {
        const wire = Buffer.concat(parts);
        const tail = Buffer.from([0, 0, 0xff, 0xff]);
        const content = deflated
          ? zlib.inflateRawSync(Buffer.concat([wire, tail]), {
              finishFlush: zlib.constants.Z_SYNC_FLUSH,
              ...(past.length > 0 && { dictionary: past.subarray(-32_768) }),
            })
          : wire;
        if (deflated) past = Buffer.concat([past, content]);
        found.push({ content, wireBytes: wire.length });
        parts = [];
      }
    }
    at = from + length;
  }
  return found;
}

/** The bytes of one direction behind its head. */
function framesOf(turns: readonly Turn[], fromServer: boolean): Buffer {
  const all = Buffer.concat(turns.filter((turn) => turn.fromServer === fromServer).map(({ bytes }) => bytes));
  return all.subarray(all.indexOf('\r\n\r\n') + 4);
}

test('permessage-deflate: the counts, and the bytes as they were compressed', async () => {
  const deflate = { threshold: 0, serverNoContextTakeover: false };
  const { turns, client, server, code } = await exchange({ deflate, script: lively, atEnd: closeBy(1011) });
  assert.equal(code, 1011);
  client.control('close');
  server.control('close');
  const run = runPipeline(packetsOf(turns));
  assert.deepEqual(run.weirds, {});
  const isBytes = ([name]: [string, number]): boolean => !name.startsWith('bytes');
  const sent = Object.fromEntries(Object.entries({ ...client.counts, ...server.counts }).filter(isBytes));
  assert.deepEqual(counted(run, /frames|bytes|compressed/), { connections: 1, ...sent, 'closes{1011}': 1 });
  for (const [side, { contents }] of [
    ['client', client],
    ['server', server],
  ] as const) {
    const seen = messagesOf(framesOf(turns, side === 'server'));
    assert.deepEqual(
      seen.map(({ content }) => content.length),
      contents.map(({ length }) => length),
    );
    assert.equal(
      seen.reduce((n, { wireBytes }) => n + wireBytes, 0),
      run.counters[`websocket.bytes{${side}-text}`] + run.counters[`websocket.bytes{${side}-binary}`],
    );
    assert.ok(run.counters[`websocket.compressed{${side}}`] >= 5);
  }
});

test('a client that goes without a word: 1006', async () => {
  const script = async (peer: Peer, sent: Sent): Promise<void> => {
    const echoed = new Promise((resolve) => peer.once('message', resolve));
    await send(peer, sent, 'one');
    await echoed;
    peer.terminate();
  };
  const { turns, client, server, code } = await exchange({ deflate: false, script, atEnd: () => undefined });
  assert.equal(code, 1006);
  const run = runPipeline(packetsOf(turns, 1400, 'reset'));
  assert.deepEqual(counted(run, /frames/), { connections: 1, ...client.counts, ...server.counts, 'closes{1006}': 1 });
});

test('a client that closes without a code: 1005', async () => {
  const script = async (peer: Peer): Promise<void> => {
    peer.close();
  };
  const { turns, code } = await exchange({ deflate: true, script, atEnd: () => undefined });
  assert.equal(code, 1005);
  const run = runPipeline(packetsOf(turns));
  assert.deepEqual(counted(run, /frames/), { connections: 1, 'control{client-close}': 1, 'control{server-close}': 1, 'closes{1005}': 1 });
});

for (const deflate of [
  false,
  { threshold: 0 },
  { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  { threshold: 0, serverNoContextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
]) {
  test(`records: every message of both, with its content; perMessageDeflate ${JSON.stringify(deflate)}`, async () => {
    const { turns, client, server } = await exchange({ deflate, script: lively, atEnd: closeBy(1000) });
    for (const segmentBytes of [1400, 97]) {
      const { calls, messages, closings, weirds } = runMessages(packetsOf(turns, segmentBytes), { websocket: { messageBytes: 64 << 10 } });
      for (const [sender, { contents }] of [
        ['client', client],
        ['server', server],
      ] as const) {
        const seen = messages.filter((message) => message.sender === sender);
        assert.equal(seen.length, contents.length);
        seen.forEach((message, i) => {
          const length = message.compressed ? message.inflatedBytes : message.bytes;
          const isLarge = contents[i].length > 64 << 10;
          const shown = `${sender} ${i}: ${JSON.stringify({ ...message, body: null })}`;
          // Compressed to more than is kept of a message, its end is not known.
          if (message.body?.cut !== true || message.inflatedBytes !== undefined) assert.equal(length, contents[i].length, shown);
          assert.equal(message.body?.cut, isLarge || undefined, shown);
          assert.ok(contents[i].subarray(0, 64 << 10).equals(contentOf(message)), shown);
          assert.deepEqual([message.sequence, message.complete, message.call], [i + 1, true, calls[0].id], shown);
        });
        const totals = closings[0].websocket?.[sender];
        assert.equal((totals?.text ?? 0) + (totals?.binary ?? 0), contents.length);
      }
      assert.equal(messages.find(({ sender, sequence }) => sender === 'client' && sequence === 2)?.fragments, 3);
      assert.deepEqual([closings[0].websocket?.code, closings[0].complete], [1000, true]);
      assert.deepEqual(weirds, {});
    }
  });
}
