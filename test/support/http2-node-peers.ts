/** Connections of node:http2, client and server, over a proxy that writes down the bytes, with what the client logged. */

import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Turn } from './conversation.ts';
import type { Field } from './http2-truth.ts';
import { Random } from './random.ts';
import { RecordingProxy } from './recording-proxy.ts';

/** A call as its client has it. Pseudo-header fields stand in the members only. */
export interface ClientLog {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly requestHeaders: readonly Field[];
  readonly requestTrailers: readonly Field[];
  readonly requestBytes: number;
  /** What the client sent. Not there when it is messages of gRPC. */
  readonly requestContent?: Buffer;
  /** null: there was no answer. */
  status: number | null;
  responseHeaders: readonly Field[];
  /** Not there when the client does not say them. */
  responseTrailers?: readonly Field[];
  responseBytes: number;
  /** What the client made of the body: without a content-coding. Not there when it is messages of gRPC. */
  responseContent?: Buffer;
  wasReset: boolean;
}

export interface Recording {
  readonly name: string;
  readonly connections: readonly (readonly Turn[])[];
  readonly calls: readonly ClientLog[];
}

/** Names and values one after the other, without pseudo-header fields. */
export function pairs2(raw: readonly string[]): Field[] {
  const all: Field[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) if (!raw[i].startsWith(':')) all.push([raw[i], raw[i + 1]]);
  return all;
}

/** The same of an object whose members may be lists. */
export function fieldsOfObject(headers: http2.OutgoingHttpHeaders): Field[] {
  return Object.entries(headers)
    .filter(([name]) => !name.startsWith(':'))
    .flatMap(([name, value]) => [value].flat().map((one): Field => [name.toLowerCase(), String(one)]));
}

/** Content that is different at every place. */
export function numbered(bytes: number, name: string): Buffer {
  const lines: string[] = [];
  for (let length = 0; length < bytes; length += lines[lines.length - 1].length) lines.push(`${name} ${lines.length}\n`);
  return Buffer.from(lines.join('')).subarray(0, bytes);
}

const NOTHING = Buffer.alloc(0);

/** Follows a stream of a client to its end. */
export function follow(
  stream: http2.ClientHttp2Stream,
  requestContent: Buffer = NOTHING,
  requestTrailers: readonly Field[] = [],
): Promise<ClientLog> {
  const sent = stream.sentHeaders ?? {};
  const parts: Buffer[] = [];
  const log: ClientLog = {
    method: String(sent[':method']),
    target: String(sent[':path']),
    authority: String(sent[':authority']),
    requestHeaders: fieldsOfObject(sent),
    requestTrailers,
    requestBytes: requestContent.length,
    requestContent,
    status: null,
    responseHeaders: [],
    responseTrailers: [],
    responseBytes: 0,
    wasReset: false,
  };
  const onResponse = (headers: http2.IncomingHttpHeaders, _flags: number, raw?: readonly string[]): void => {
    log.status = Number(headers[':status']);
    log.responseHeaders = pairs2(raw ?? []);
  };
  stream.on('response', onResponse);
  stream.on('push', onResponse);
  stream.on('trailers', (_headers, _flags, raw?: readonly string[]) => {
    log.responseTrailers = pairs2(raw ?? []);
  });
  stream.on('data', (data: Buffer) => {
    log.responseBytes += data.length;
    parts.push(data);
  });
  stream.on('error', () => undefined);
  return new Promise((resolve) =>
    stream.on('close', () => {
      log.wasReset = stream.rstCode !== 0;
      log.responseContent = Buffer.concat(parts);
      resolve(log);
    }),
  );
}

export interface Ask {
  readonly headers: http2.OutgoingHttpHeaders;
  readonly body?: Buffer;
  readonly trailers?: Record<string, string>;
  /** Taken back: at once, or with the first bytes of the answer. */
  readonly cancel?: 'at once' | 'in the answer';
}

/** One call, to its end. */
export function call(client: http2.ClientHttp2Session, { headers, body, trailers, cancel }: Ask): Promise<ClientLog> {
  const hasBody = body !== undefined || trailers !== undefined;
  const stream = client.request(headers, { endStream: !hasBody, waitForTrailers: trailers !== undefined });
  const done = follow(stream, body, Object.entries(trailers ?? {}));
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  if (hasBody) stream.end(body);
  if (cancel === 'at once') stream.once('ready', () => setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL)));
  if (cancel === 'in the answer') stream.once('data', () => stream.close(http2.constants.NGHTTP2_CANCEL));
  return done;
}

/** Answers by path; `/echo` gives back what it gets. */
export function serve(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  const path = String(headers[':path']);
  const parts: Buffer[] = [];
  stream.on('error', () => undefined);
  stream.on('data', (data: Buffer) => parts.push(data));
  stream.on('end', () => {
    if (stream.destroyed) return;
    const [, kind, amount] = path.split(/[/?]/);
    const own: http2.OutgoingHttpHeaders = { ':status': 200, 'x-call': path, 'content-type': 'text/plain' };
    if (kind === 'status') stream.respond({ ...own, ':status': Number(amount) }, { endStream: true });
    else if (kind === 'bytes') {
      stream.respond({ ...own, 'content-length': amount });
      stream.end(numbered(Number(amount), path));
    } else if (kind === 'hints') {
      stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' });
      stream.additionalHeaders({ ':status': 103, link: '</more.css>; rel=preload' });
      stream.respond(own);
      stream.end('hinted');
    } else if (kind === 'trailers') {
      stream.respond({ ...own, trailer: 'x-sum' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': amount, 'x-same': 'always the same' }));
      stream.end('with trailers');
    } else if (kind === 'wide')
      stream.respond({ ...own, 'x-wide': 'w'.repeat(Number(amount)), 'set-cookie': ['a=1', 'b=2'] }, { endStream: true });
    else if (kind === 'reset') {
      stream.respond(own);
      stream.write('the first half', () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    } else if (kind === 'page') {
      for (const name of ['style', 'script']) {
        stream.pushStream({ ':path': `/pushed/${name}/${amount}`, 'x-pushed-by': path }, (error, pushed) => {
          if (error !== null) return;
          pushed.on('error', () => undefined);
          pushed.respond({ ':status': 200, 'content-type': 'text/css', 'x-call': name });
          pushed.end(numbered(500 * name.length, name));
        });
      }
      stream.respond(own);
      stream.end('<html>');
    } else {
      stream.respond(own);
      stream.end(Buffer.concat(parts));
    }
  });
}

interface NodeOptions {
  readonly server?: http2.ServerOptions;
  readonly client?: http2.ClientSessionOptions;
  readonly onSession?: (session: http2.ServerHttp2Session) => void;
}

/** One connection. `talk` gives what the client logged. */
export async function recordNode(
  name: string,
  talk: (client: http2.ClientHttp2Session) => Promise<ClientLog[]>,
  { server: serverOptions = {}, client: clientOptions = {}, onSession }: NodeOptions = {},
): Promise<Recording> {
  const server = http2.createServer(serverOptions);
  server.on('stream', serve);
  if (onSession !== undefined) server.on('session', onSession);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await RecordingProxy.open((server.address() as AddressInfo).port);
  const client = http2.connect(`http://127.0.0.1:${proxy.port}`, clientOptions);
  client.on('error', () => undefined);
  const pushed: Promise<ClientLog>[] = [];
  client.on('stream', (stream, headers, _flags, raw?: readonly string[]) => {
    const log = follow(stream).then((seen) => ({
      ...seen,
      method: String(headers[':method']),
      target: String(headers[':path']),
      authority: String(headers[':authority']),
      requestHeaders: pairs2(raw ?? []),
    }));
    pushed.push(log);
  });
  try {
    const calls = await talk(client);
    await new Promise<void>((resolve) => (client.closed ? resolve() : client.close(resolve)));
    const all = [...calls, ...(await Promise.all(pushed))];
    await proxy.idle();
    return { name, connections: proxy.connections, calls: all };
  } finally {
    client.destroy();
    await proxy.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

const words = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];

/** A call as an API has it, with fields that come again and some that do not. */
export function someAsk(random: Random, id: string, bodyBytesMax = 3000): Ask {
  const isPost = random.chance(0.4);
  const bytes = random.pick([0, 1, 20, 700, bodyBytesMax]);
  const kind = random.pick([
    'echo',
    'echo',
    `bytes/${random.pick([0, 1, 100, 5000, bodyBytesMax * 4])}`,
    'hints',
    `trailers/${random.integer(1, 9)}`,
  ]);
  return {
    headers: {
      ':method': isPost ? random.pick(['POST', 'PUT', 'PATCH']) : random.pick(['GET', 'GET', 'DELETE']),
      ':path': `/${kind}?id=${id}`,
      accept: random.pick(['*/*', 'application/json']),
      'user-agent': 'node',
      'x-request-id': `${id}-${random.integer(0, 1 << 24).toString(36)}`,
      ...(random.chance(0.5) && { authorization: `Bearer ${random.pick(words).repeat(random.integer(1, 12))}` }),
      ...(random.chance(0.4) && { cookie: ['session=abc', `theme=${random.pick(words)}`, `n=${random.integer(0, 99)}`] }),
      ...(random.chance(0.3) && { [`x-${random.pick(words)}`]: random.pick(words) }),
    },
    ...(isPost && { body: numbered(bytes, id) }),
    ...(isPost && random.chance(0.2) && { trailers: { 'x-digest': random.pick(words), 'x-id': id } }),
  };
}

/** In groups that share the connection at the same moment. */
async function inGroups(client: http2.ClientHttp2Session, asks: readonly Ask[], size: number): Promise<ClientLog[]> {
  const logs: ClientLog[] = [];
  for (let at = 0; at < asks.length; at += size)
    logs.push(...(await Promise.all(asks.slice(at, at + size).map((ask) => call(client, ask)))));
  return logs;
}

const asksOf = (random: Random, count: number, bodyBytesMax?: number): Ask[] =>
  Array.from({ length: count }, (_, i) => someAsk(random, String(i), bodyBytesMax));

/** Not among Node's types. */
const PADDING_STRATEGY_ALIGNED = 1;

/** Every shape that node:http2 makes, each as a connection. */
export async function recordNodeShapes(seed: number): Promise<Recording[]> {
  const random = new Random(seed);
  const recordings = [
    await recordNode('node: one after the other', (client) => inGroups(client, asksOf(random, 60), 1)),
    await recordNode('node: 100 streams at once', (client) => inGroups(client, asksOf(random, 110), 100)),
    await recordNode('node: large bodies under flow control', (client) =>
      inGroups(
        client,
        [
          { headers: { ':path': '/bytes/250000?id=1', 'x-first': 'one' } },
          { headers: { ':path': '/echo?id=2', ':method': 'POST' }, body: numbered(200_000, 'abc') },
          { headers: { ':path': '/bytes/90000?id=3' } },
          ...asksOf(random, 10),
        ],
        7,
      ),
    ),
    await recordNode('node: interim answers, trailers, pushes, statuses, long headers', (client) =>
      inGroups(
        client,
        [
          ...[1, 2, 3].map((n): Ask => ({ headers: { ':path': `/page/${n}`, 'x-page': String(n) } })),
          ...[204, 304, 404, 500].map((n): Ask => ({ headers: { ':path': `/status/${n}?id=s`, ':method': n === 304 ? 'HEAD' : 'GET' } })),
          ...[1, 2].map((n): Ask => ({ headers: { ':path': `/hints/${n}` } })),
          { headers: { ':path': '/trailers/1?id=t', ':method': 'POST' }, body: Buffer.from('asked'), trailers: { 'x-digest': 'one' } },
          { headers: { ':path': '/echo?id=e', ':method': 'POST' }, trailers: { 'x-only': 'trailers' } },
          { headers: { ':path': '/wide/40000?id=w', 'x-wide': 'q'.repeat(30_000) } },
          { headers: { ':path': '/wide/20?id=x', 'x-wide': 'q'.repeat(30_000), cookie: ['a=1', 'b=2', 'c=3'] } },
          ...asksOf(random, 10),
        ],
        5,
      ),
    ),
    await recordNode('node: resets of both sides', (client) =>
      inGroups(
        client,
        Array.from({ length: 30 }, (_, i): Ask => {
          if (i % 5 === 1) return { headers: { ':path': `/bytes/200000?id=${i}` }, cancel: 'in the answer' };
          if (i % 5 === 2) return { headers: { ':path': `/echo/${i}` }, cancel: 'at once' };
          if (i % 5 === 3) return { headers: { ':path': `/reset/${i}` } };
          return someAsk(random, String(i), 500);
        }),
        6,
      ),
    ),
    await recordNode('node: GOAWAY', (client) => inGroups(client, asksOf(random, 24, 100), 12), { onSession: goAwayInTheMiddle }),
  ];
  for (const headerTableSize of [0, 200, 1000, 65_536]) {
    const settings = { headerTableSize, maxFrameSize: headerTableSize > 1000 ? 60_000 : 16_384 };
    recordings.push(
      await recordNode(`node: header table of ${headerTableSize} bytes`, (client) => inGroups(client, asksOf(random, 50, 400), 4), {
        server: { settings },
        client: { settings },
      }),
    );
  }
  recordings.push(
    await recordNode('node: header table that changes', async (client) => {
      const logs: ClientLog[] = [];
      for (const headerTableSize of [4096, 300, 0, 2000, 65_536, 100]) {
        await new Promise<void>((resolve) => client.settings({ headerTableSize }, () => resolve()));
        logs.push(
          ...(await inGroups(
            client,
            asksOf(random, 12, 100).map((ask, i) => renamed(ask, `${headerTableSize}-${i}`)),
            3,
          )),
        );
      }
      return logs;
    }),
  );
  for (const paddingStrategy of [PADDING_STRATEGY_ALIGNED, http2.constants.PADDING_STRATEGY_MAX]) {
    recordings.push(
      await recordNode(`node: padding, strategy ${paddingStrategy}`, (client) => inGroups(client, asksOf(random, 40), 8), {
        server: { paddingStrategy },
        client: { paddingStrategy },
      }),
    );
  }
  return recordings;
}

/** With the second group of requests, the server says that it has not looked at some of them. */
function goAwayInTheMiddle(session: http2.ServerHttp2Session): void {
  session.on('stream', (stream) => {
    if (stream.id === 35) session.goaway(http2.constants.NGHTTP2_NO_ERROR, 39);
  });
}

function renamed(ask: Ask, id: string): Ask {
  return { ...ask, headers: { ...ask.headers, ':path': `${ask.headers[':path']}-${id}` } };
}
