/** What operators are told when no answer comes: against real sockets and real TLS. */
import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { makeAuthority, type ServerKind } from '../../test/support/certificates.ts';
import { Edge, type EdgeOptions } from '../../test/support/edge.ts';
import type { TlsSettings } from '../base/settings.ts';
import type { Failure } from './failure.ts';
import { Clocks, HttpClient, type HttpReply } from './http-client.ts';
import { whomOf } from './problem-words.ts';
import { connectionFailure } from './problems.ts';
import { NO_PROXY } from './proxy.ts';
import { never, plainTls } from './sinks/http-testing.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function openEdge(options: EdgeOptions): Promise<Edge> {
  const edge = await Edge.open({ authorization: 'none', ...options });
  open.push(edge);
  return edge;
}

async function ask(
  address: string,
  tls: Partial<TlsSettings> = {},
  clocks: Clocks = new Clocks(),
  timeoutMs = 2000,
): Promise<HttpReply | Failure> {
  const url = new URL(address);
  const http = new HttpClient({
    url,
    role: '',
    tls: { ...plainTls, systemCa: true, ...tls },
    proxy: NO_PROXY,
    http2: true,
    connectionsMax: 1,
    requestTimeoutMs: timeoutMs,
    clocks,
  });
  open.push(http);
  return await http.request({ method: 'POST', url, headers: {}, body: Buffer.from('{"id":1}\n'), signal: never });
}

async function failureOf(
  ...request: Parameters<typeof ask>
): Promise<{ readonly short: string; readonly what: string; readonly next: string }> {
  const answer = await ask(...request);
  assert.notEqual(answer.type, 'reply');
  if (answer.type === 'reply') throw new Error('an answer');
  return { short: `${answer.type} ${answer.problem.code}`, what: answer.problem.what, next: answer.problem.next };
}

/** A server that does this with each connection; its URL with the given scheme. */
async function serve(scheme: string, onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  const address = server.address();
  return `${scheme}://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
}

const certificates: readonly (readonly [ServerKind, string, RegExp])[] = [
  [
    'expired',
    'blocked certificate-expired',
    /CN=localhost is good until \d{4}-\d\d-\d\d \d\d:\d\d UTC, and this machine's clock says \d{4}-/,
  ],
  ['not-yet-valid', 'blocked certificate-not-yet-valid', /good from .* only, and this machine's clock says/],
  ['wrong-host', 'blocked certificate-name', /not for localhost; the names in it: edge\.example, \*\.edge\.example/],
  ['unknown-ca', 'blocked certificate-untrusted', /signed by CN=Example Inspection CA, which is not trusted/],
  ['self-signed', 'blocked certificate-untrusted', /signed by itself/],
];

for (const [certificate, short, what] of certificates) {
  test(`a certificate that is ${certificate} blocks, and nothing is sent`, async () => {
    const edge = await openEdge({ certificate });
    const failure = await failureOf(edge.url, { caFile: edge.caFile });
    assert.equal(failure.short, short);
    assert.match(failure.what, what);
    assert.equal(edge.deliveries.length, 0);
  });
}

test('an untrusted certificate: interception is thought of', async () => {
  const edge = await openEdge({ certificate: 'unknown-ca' });
  assert.match((await failureOf(edge.url, { caFile: edge.caFile })).next, /intercepted.*tls\.caFile/);
});

test("the CAs of the system do not vouch for a CA of one's own, and without them only one's own counts", async () => {
  const edge = await openEdge({});
  assert.equal((await failureOf(edge.url)).short, 'blocked certificate-untrusted');
  assert.equal((await ask(edge.url, { caFile: edge.caFile, systemCa: true })).type, 'reply');
  assert.equal((await ask(edge.url, { caFile: edge.caFile, systemCa: false })).type, 'reply');
  const other = edge.file('other.pem', makeAuthority('Another CA').certificate);
  assert.equal((await failureOf(edge.url, { caFile: other, systemCa: false })).short, 'blocked certificate-untrusted');
});

test('tls.serverName is the name that is asked for and judged', async () => {
  const edge = await openEdge({ certificate: 'wrong-host' });
  assert.equal((await ask(edge.url, { caFile: edge.caFile, serverName: 'a.edge.example' })).type, 'reply');
  assert.match((await failureOf(edge.url, { caFile: edge.caFile, serverName: 'other.example' })).what, /not for other\.example/);
});

test('an expired certificate and a clock that is known to be off: the clock is named', async () => {
  const edge = await openEdge({ certificate: 'expired' });
  const clocks = new Clocks();
  clocks.note(new Date(Date.now() - 5 * 3_600_000).toUTCString(), 'auth.example:443');
  const { what, next } = await failureOf(edge.url, { caFile: edge.caFile }, clocks);
  assert.match(what, /the clock of this machine is (5 h 0 min|4 h 60 min) ahead of that of auth\.example:443/);
  assert.match(next, /Set the clock/);
});

for (const tlsVersionMax of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`mutual TLS over ${tlsVersionMax}: a client certificate that is missing or not trusted is named, each time`, async () => {
    const edge = await openEdge({ clientCertificate: true, tlsVersionMax });
    const foreign = edge.makeClient('stranger', makeAuthority('Another CA'));
    const own = { certificateFile: edge.file('x.pem', foreign.certificate), keyFile: edge.file('x.key', foreign.key) };
    for (let i = 0; i < 3; i++) {
      const missing = await failureOf(edge.url, { caFile: edge.caFile });
      assert.match(missing.short, /^blocked (client-certificate-required|tls-handshake-refused)$/);
      assert.match(missing.next, /tls\.certificateFile/);
    }
    const refused = await ask(edge.url, { caFile: edge.caFile, ...own });
    assert.notEqual(refused.type, 'reply');
    const good = { certificateFile: edge.clientCertificateFile, keyFile: edge.clientKeyFile };
    assert.equal((await ask(edge.url, { caFile: edge.caFile, ...good })).type, 'reply');
  });
}

test('TLS where none is spoken, and a server that breaks it off', async () => {
  const plain = await openEdge({ certificate: 'none' });
  assert.equal((await failureOf(plain.url.replace('http:', 'https:'))).short, 'blocked tls-not-spoken');
  const ending = await serve('https', (socket) => socket.once('data', () => socket.destroy()));
  assert.match((await failureOf(ending)).short, /^retry (tls-broken-off|broken-off)$/);
});

test('a server that takes connections and says nothing: the time limit says at what', async () => {
  const url = await serve('https', () => undefined);
  assert.equal((await failureOf(url, {}, new Clocks(), 300)).short, 'retry tls-timeout');
  const plain = await serve('http', () => undefined);
  assert.equal((await failureOf(plain, {}, new Clocks(), 300)).short, 'retry answer-timeout');
  const slow = await serve('http', (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'));
  const { short, what } = await failureOf(slow, {}, new Clocks(), 300);
  assert.equal(short, 'retry answer-timeout');
  assert.match(what, /does not come to its end within 0\.3 s/);
});

test('something else than HTTP is said to be so', async () => {
  const ssh = await serve('http', (socket) => socket.write('SSH-2.0-OpenSSH_9.2p1\r\n'));
  assert.equal((await failureOf(ssh)).short, 'retry not-http');
});

test('http:// towards what speaks TLS: asked whether it does', async () => {
  const edge = await openEdge({});
  const alert = await serve('http', (socket) => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 70])));
  for (const url of [edge.url.replace('https:', 'http:'), alert]) {
    const { short, next } = await failureOf(url);
    assert.match(short, /^retry (broken-off|not-http)$/);
    assert.match(next, /^Does it speak https[?] Then the URL begins with https:/);
  }
  const other = await serve('https', (socket) => socket.destroy());
  assert.doesNotMatch((await failureOf(other)).next, /Does it speak https/);
});

test('a port where nobody listens, a name that nobody knows', async () => {
  const edge = await openEdge({ certificate: 'none' });
  await edge.stop();
  assert.equal((await failureOf(edge.url)).short, 'retry connection-refused');
  // Reserved never to exist (RFC 6761, section 6.4); without a name server at all it is the other answer.
  const { short, what } = await failureOf('https://edge.invalid/x');
  assert.match(short, /^retry (name-unknown|name-server-silent)$/);
  assert.match(what, /edge\.invalid/);
});

test('what the system can say of a connection has a code and words, and an unknown error too', () => {
  const whom = whomOf('edge.example:443');
  const cases = [
    ['EAI_AGAIN', 'name-server-silent'],
    ['EHOSTUNREACH', 'no-route'],
    ['ENETUNREACH', 'no-route'],
    ['ETIMEDOUT', 'connect-timeout'],
    ['EPIPE', 'broken-off'],
    ['EPERM', 'not-permitted'],
    ['EMFILE', 'too-many-files'],
    ['ESOMETHING', 'connection-failed'],
    ['', 'connection-failed'],
  ] as const;
  for (const [code, expected] of cases) {
    const error = Object.assign(new Error('secret detail'), { code });
    for (const shape of [error, new Error('outer', { cause: error }), new AggregateError([error], 'all')]) {
      const { type, problem } = connectionFailure(shape, whom);
      assert.equal(`${type} ${problem.code}`, `retry ${expected}`);
      assert.doesNotMatch(problem.what + problem.next, /secret detail/);
    }
  }
  assert.equal(connectionFailure('not even an error', whom).problem.code, 'connection-failed');
});

test('only the first part of an answer is read', async () => {
  const url = await serve('http', (socket) => {
    socket.write('HTTP/1.1 500 No\r\nConnection: close\r\n\r\n');
    for (let i = 0; i < 40; i++) socket.write(Buffer.alloc(10_000, 0x78));
  });
  const answer = await ask(url);
  assert.ok(answer.type === 'reply' && answer.isCut);
  if (answer.type === 'reply') assert.equal(answer.body.length, 64 << 10);
});
