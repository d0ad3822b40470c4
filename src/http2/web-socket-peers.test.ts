/** WebSocket over HTTP/2 between a client and a server of node:http2, with the frames of ws: what is recorded is what they sent. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { contentOf, runMessages } from '../../test/support/message-run.ts';
import { RecordingProxy } from '../../test/support/recording-proxy.ts';
import { packetsOf } from '../../test/support/web-socket.ts';
import { ws } from '../../test/support/ws-library.ts';

async function sendAll(stream: object, contents: readonly Buffer[], mask: boolean): Promise<void> {
  const sender = new ws.Sender(stream, {});
  for (const content of contents) {
    const binary = content.includes(0);
    const half = content.length >> 1;
    const send = (data: Buffer, fin: boolean): Promise<void> =>
      new Promise((resolve) => sender.send(data, { binary, mask, fin, compress: false }, resolve));
    if (content.length % 2 === 0) await send(content, true);
    else {
      await send(content.subarray(0, half), false);
      await send(content.subarray(half), true);
    }
  }
  await new Promise<void>((resolve) => sender.close(1001, Buffer.from('bye'), mask, resolve));
}

test('three WebSockets on one connection of node:http2, beside a call', async () => {
  const asked = [0, 1, 2].map((n) => [`{"n":${n}}`, 'x'.repeat(40_001), '', 'last'].map((text) => Buffer.from(`${text}${n}`)));
  const answered = [0, 1, 2].map((n) => [Buffer.from([0, n, 255]), Buffer.from('é'.repeat(3000 + n))]);
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  const done: Promise<unknown>[] = [];
  server.on('stream', (stream, headers) => {
    if (headers[':method'] !== 'CONNECT') {
      stream.respond({ ':status': 200 });
      stream.end('plain');
      return;
    }
    stream.respond({ ':status': 200 });
    stream.resume();
    done.push(sendAll(stream, answered[Number(headers['x-n'])], false).then(() => once(stream.end(), 'close')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await RecordingProxy.open((server.address() as AddressInfo).port);
  const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
  try {
    await once(session, 'remoteSettings');
    const plain = session.request({ ':path': '/plain' });
    plain.resume();
    const sockets = asked.map((contents, n) => {
      const stream = session.request(
        {
          ':method': 'CONNECT',
          ':protocol': 'websocket',
          ':scheme': 'http',
          ':path': `/live/${n}`,
          ':authority': 'shop.example',
          'x-n': String(n),
        },
        { endStream: false },
      );
      stream.resume();
      return once(stream, 'response').then(async () => {
        await sendAll(stream, contents, true);
        await once(stream.end(), 'close');
      });
    });
    await Promise.all([once(plain, 'close'), ...sockets]);
    await Promise.all(done);
    session.close();
    await once(session, 'close');
    await proxy.idle();
  } finally {
    session.destroy();
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  }
  for (const segmentBytes of [1400, 211]) {
    const { calls, messages, closings, weirds } = runMessages(packetsOf(proxy.turns, segmentBytes), {
      websocket: { messageBytes: 64 << 10 },
    });
    assert.deepEqual(weirds, {});
    assert.equal(calls.length, 4);
    assert.equal(calls.filter(({ complete }) => complete).length, 4);
    for (const n of [0, 1, 2]) {
      const of = (sender: string): Buffer[] =>
        messages.filter(({ path, sender: side }) => path === `/live/${n}` && side === sender).map((message) => contentOf(message));
      assert.deepEqual(of('client'), asked[n]);
      assert.deepEqual(of('server'), answered[n]);
    }
    assert.deepEqual(
      closings.map(({ complete, websocket }) => [complete, websocket?.code, websocket?.client.text, websocket?.server.binary]),
      [0, 1, 2].map(() => [true, 1001, 4, 1]),
    );
  }
});
