/** WebSockets of ws, with permessage-deflate, on streams of node:http2 (RFC 8441): what the client sent, and what it got. */
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type ClientLog, follow, numbered, type Recording } from './http2-node-peers.ts';
import { RecordingProxy } from './recording-proxy.ts';
import { type Receiver, type Sender, ws } from './ws-library.ts';

const EXTENSION = 'permessage-deflate';
const GOING_AWAY = 1001;

interface Message {
  readonly content: Buffer;
  readonly isBinary: boolean;
}

/** What the client says of a WebSocket, and of the call that opened it. */
export interface WebSocketLog {
  readonly call: ClientLog;
  readonly sent: readonly Message[];
  readonly received: readonly Message[];
  /** As the server closed it. */
  readonly code: number;
}

/** One end of a WebSocket. */
class End {
  readonly receiver: Receiver;
  readonly #sender: Sender;
  readonly #mask: boolean;
  readonly #isDeflated: boolean;

  constructor(stream: http2.Http2Stream, isServer: boolean, isDeflated: boolean) {
    const deflate = new ws.PerMessageDeflate({ threshold: 0, isServer });
    deflate.accept([{}]);
    const extensions = isDeflated ? { [EXTENSION]: deflate } : {};
    this.#mask = !isServer;
    this.#isDeflated = isDeflated;
    this.#sender = new ws.Sender(stream, extensions);
    this.receiver = new ws.Receiver({ isServer, extensions });
    stream.on('data', (data: Buffer) => this.receiver.write(data));
  }

  /** In two fragments when its length is odd. */
  async send({ content, isBinary }: Message): Promise<void> {
    const half = content.length % 2 === 0 ? 0 : content.length >> 1;
    const parts = half === 0 ? [content] : [content.subarray(0, half), content.subarray(half)];
    for (const [i, part] of parts.entries()) {
      const options = { binary: isBinary, mask: this.#mask, compress: this.#isDeflated, fin: i === parts.length - 1 };
      await new Promise<void>((resolve) => this.#sender.send(part, options, resolve));
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#sender.close(GOING_AWAY, Buffer.from('bye'), this.#mask, resolve));
  }
}

/** Gives every message back, and the close. */
function echo(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  const extension = headers['sec-websocket-extensions'];
  stream.respond({ ':status': 200, 'x-socket': 'echo', ...(extension !== undefined && { 'sec-websocket-extensions': EXTENSION }) });
  const end = new End(stream, true, extension !== undefined);
  let last = Promise.resolve();
  end.receiver.on('message', (content: Buffer, isBinary: boolean) => {
    last = last.then(() => end.send({ content, isBinary }));
  });
  end.receiver.on('conclude', () => void last.then(() => end.close()).then(() => stream.end()));
}

async function talk(session: http2.ClientHttp2Session, n: number): Promise<WebSocketLog> {
  const isDeflated = n % 2 === 1;
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': `/live/${n}`,
      ':authority': 'shop.example',
      'sec-websocket-version': '13',
      ...(isDeflated && { 'sec-websocket-extensions': EXTENSION }),
    },
    { endStream: false },
  );
  const call = follow(stream);
  const end = new End(stream, false, isDeflated);
  const received: Message[] = [];
  end.receiver.on('message', (content: Buffer, isBinary: boolean) => received.push({ content, isBinary }));
  const concluded = once(end.receiver, 'conclude') as Promise<[number, Buffer]>;
  await once(stream, 'response');
  const texts = [`{"socket":${n}}`, '', 'é'.repeat(500 + n), ...Array.from({ length: 20 }, (_, i) => `said by ${n}: ${i}`)];
  const sent: Message[] = [
    ...texts.map((text) => ({ content: Buffer.from(text), isBinary: false })),
    { content: numbered(30_001, `socket ${n}`), isBinary: false },
    { content: Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * i) >> 3)), isBinary: true },
  ];
  for (const message of sent) await end.send(message);
  await end.close();
  const [code] = await concluded;
  stream.end();
  return { call: await call, sent, received, code };
}

/** Some WebSockets at once on one connection. */
export async function recordWebSockets(): Promise<Recording & { readonly sockets: readonly WebSocketLog[] }> {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', echo);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await RecordingProxy.open((server.address() as AddressInfo).port);
  const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
  try {
    await once(session, 'remoteSettings');
    const sockets = await Promise.all([0, 1, 2, 3].map((n) => talk(session, n)));
    await new Promise<void>((resolve) => session.close(resolve));
    await proxy.idle();
    return { name: 'ws', connections: proxy.connections, calls: sockets.map(({ call }) => call), sockets };
  } finally {
    session.destroy();
    await proxy.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
