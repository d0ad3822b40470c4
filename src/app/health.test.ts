import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Readiness, startHealth } from './health.ts';
import type { Listener, OwnAddress } from './listener.ts';

const well: Readiness = { ready: true, faults: [] };
const down: Readiness = {
  ready: false,
  faults: [
    { code: 'interface-down', what: 'The interface eth1 is down.', next: 'Bring it up: ip link set eth1 up.' },
    { code: 'other', what: 'Another thing.', next: '' },
  ],
};

async function start(t: TestContext, ready: () => Readiness = () => well, listen = '127.0.0.1:0'): Promise<Listener> {
  const health = await startHealth(listen, ready);
  t.after(() => health.close());
  return health;
}

/** Sends the text and reads until the other side closes. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(text);
  let reply = '';
  for await (const part of socket.setEncoding('latin1')) reply += part;
  return reply;
}

test('200 while packets can be taken, 503 with the first fault in words otherwise', async (t) => {
  let now = well;
  const { address } = await start(t, () => now);
  for (const path of ['/', '/health', '/healthz', '/ready', '/healthz?from=lb']) {
    const reply = await fetch(`http://${address}${path}`);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.equal(reply.headers.get('cache-control'), 'no-store');
    assert.equal(await reply.text(), 'ok\n');
  }
  now = down;
  const reply = await fetch(`http://${address}/ready`);
  assert.equal(reply.status, 503);
  assert.equal(await reply.text(), 'The interface eth1 is down. Bring it up: ip link set eth1 up.\n');
  now = { ready: false, faults: [] };
  assert.equal(await (await fetch(`http://${address}/`)).text(), 'No packets can be taken; see earshot status.\n');
  now = { ready: true, faults: down.faults };
  assert.equal((await fetch(`http://${address}/`)).status, 200);
});

test('HEAD has the status and no body; other paths are 404, other methods 405', async (t) => {
  const { address, port } = await start(t, () => down);
  const head = await exchange(port, 'HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.match(head, /^HTTP\/1.1 503 .*\r\nContent-Length: 62\r\n.*\r\n\r\n$/s);
  assert.equal((await fetch(`http://${address}/other`)).status, 404);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const reply = await fetch(`http://${address}/health`, { method, ...(method === 'POST' ? { body: 'x'.repeat(1000) } : {}) });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.get('allow'), 'GET, HEAD');
    await reply.text();
  }
});

test('what is no HTTP, or too much of it, is closed and harms nobody', async (t) => {
  const { address, port } = await start(t);
  assert.equal(await exchange(port, '\x16\x03\x01\x02\x00 this is TLS\r\n\r\n'), '');
  assert.equal(await exchange(port, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`), '');
  assert.equal(await exchange(port, 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'), '');
  // A health check by TCP connects and goes.
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.resetAndDestroy();
  assert.equal((await fetch(`http://${address}/`)).status, 200);
});

test('a question that fails is answered with 500', async (t) => {
  const { address } = await start(t, () => {
    throw new Error('a bug');
  });
  assert.equal((await fetch(`http://${address}/`)).status, 500);
});

test('more than 256 connections are refused, and there is room again afterwards', async (t) => {
  const { address, port } = await start(t);
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let i = 0; i < 256; i++) {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket.on('error', () => undefined));
    await once(socket, 'connect');
  }
  assert.equal(await exchange(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), '');
  for (const socket of sockets) {
    socket.destroy();
    await once(socket, 'close');
  }
  let status = 0;
  for (let i = 0; i < 100 && status !== 200; i++) {
    status = await fetch(`http://${address}/`, { headers: { connection: 'close' } }).then(
      (reply) => reply.status,
      () => new Promise((done) => setTimeout(() => done(0), 20)),
    );
  }
  assert.equal(status, 200);
});

test('a port that is taken is an error that names the address and who holds it', async (t) => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  await assert.rejects(
    startHealth(`127.0.0.1:${port}`, () => well),
    (error: Error & { code: string; why: string }) => {
      assert.equal(error.code, 'listen-failed');
      assert.match(error.message, new RegExp(`Cannot open the health port on 127.0.0.1:${port}: `));
      assert.match(error.why, new RegExp(` by .+ \\(pid ${process.pid}\\)$`));
      return true;
    },
  );
  await assert.rejects(
    startHealth('192.0.2.1:8080', () => well),
    /listen|address/,
  );
  await assert.rejects(
    startHealth('no port', () => well),
    { code: 'listen-failed' },
  );
});

test('the port is told as own and as closed; close ends open connections', async () => {
  const seen: [string, OwnAddress][] = [];
  const health = await startHealth(':0', () => well, {
    own: (address) => seen.push(['own', address]),
    ownClosed: (address) => seen.push(['closed', address]),
  });
  const socket = connect(health.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.resume();
  const closed = once(socket, 'close');
  await health.close();
  await health.close();
  await closed;
  const own = { ...seen[0][1] };
  assert.match(own.host, /^(::|0\.0\.0\.0)$/);
  assert.deepEqual(seen, [
    ['own', { host: own.host, port: health.port, protocol: 'tcp' }],
    ['closed', { host: own.host, port: health.port, protocol: 'tcp' }],
  ]);
});
