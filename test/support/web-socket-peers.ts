/** Client and server of ws, over a proxy that writes down the bytes, and what each of them sent. */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import type { Turn } from './conversation.ts';
import { RecordingProxy } from './recording-proxy.ts';

/** What is used of ws, which has no types. */
export interface SendOptions {
  readonly binary?: boolean;
  readonly compress?: boolean;
  readonly fin?: boolean;
}
export interface Peer extends EventEmitter {
  readonly _socket: Socket;
  send(data: string | Buffer, options?: SendOptions, done?: (error?: Error) => void): void;
  ping(data?: string): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
}
interface Listener extends EventEmitter {
  address(): AddressInfo;
  close(done: () => void): void;
}
interface Library {
  readonly WebSocket: new (url: string, options: object) => Peer;
  readonly WebSocketServer: new (options: object) => Listener;
}
const require = createRequire(import.meta.url);
const { WebSocket, WebSocketServer } = require('ws') as Library;

/** Messages and control frames as one side sent them. */
export class Sent {
  readonly counts: Record<string, number> = {};
  readonly contents: Buffer[] = [];
  readonly #side: string;

  constructor(side: string) {
    this.#side = side;
  }

  message(content: Buffer, binary: boolean): void {
    const kind = `${this.#side}-${binary ? 'binary' : 'text'}`;
    this.add(`messages{${kind}}`);
    if (content.length > 0) this.add(`bytes{${kind}}`, content.length);
    this.contents.push(content);
  }

  control(kind: string): void {
    this.add(`control{${this.#side}-${kind}}`);
  }

  add(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by;
  }
}

export interface Exchanged {
  readonly turns: readonly Turn[];
  readonly client: Sent;
  readonly server: Sent;
  /** As the client was told. */
  readonly code: number;
}

export interface Scenario {
  readonly deflate: boolean | object;
  /** What the client does, once open; it ends the connection. */
  readonly script: (client: Peer, sent: Sent) => Promise<void>;
  /** What the server does when the client has sent `done`. */
  readonly atEnd: (server: Peer, sent: Sent) => void;
}

/** Sends a message, in `parts` fragments. */
export async function send(peer: Peer, sent: Sent, content: Buffer | string, { parts = 1, compress = true } = {}): Promise<void> {
  const binary = typeof content !== 'string';
  const bytes = Buffer.from(content);
  const each = Math.ceil(bytes.length / parts);
  for (let i = 0; i < parts; i++) {
    const piece = bytes.subarray(i * each, (i + 1) * each);
    await new Promise<void>((resolve, reject) =>
      peer.send(piece, { binary, compress, fin: i === parts - 1 }, (error) => (error ? reject(error) : resolve())),
    );
  }
  sent.message(bytes, binary);
}

/** Runs a scenario; the server echoes every message but `done`, and its library answers pings. */
export async function exchange({ deflate, script, atEnd }: Scenario): Promise<Exchanged> {
  const client = new Sent('client');
  const server = new Sent('server');
  const listener = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: deflate });
  await new Promise((resolve) => listener.once('listening', resolve));
  const proxy = await RecordingProxy.open(listener.address().port);
  try {
    listener.on('connection', (peer: Peer) => {
      peer.on('error', () => undefined);
      peer.on('ping', () => server.control('pong'));
      peer.on('message', (data: Buffer, binary: boolean) => {
        if (!binary && data.toString() === 'done') atEnd(peer, server);
        else void send(peer, server, binary ? data : data.toString());
      });
    });
    const peer = new WebSocket(`ws://127.0.0.1:${proxy.port}/live`, { perMessageDeflate: deflate });
    peer.on('error', () => undefined);
    peer.on('ping', () => client.control('pong'));
    const closed = new Promise<number>((resolve) => peer.once('close', resolve));
    await new Promise((resolve) => peer.once('open', resolve));
    await script(peer, client);
    const code = await closed;
    await proxy.idle();
    return { turns: proxy.turns, client, server, code };
  } finally {
    await proxy.close();
    await new Promise<void>((resolve) => listener.close(resolve));
  }
}
