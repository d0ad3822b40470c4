/** An HTTP proxy on loopback: CONNECT and absolute URLs, with or without user and password. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ConnectProxyOptions {
  readonly user?: string;
  readonly password?: string;
  /** Answers CONNECT with this status in place of doing it. */
  readonly refuse?: number;
}

export class ConnectProxy {
  readonly url: string;
  /** What it was asked for: "CONNECT localhost:443", "POST http://localhost/in". */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #options: ConnectProxyOptions;

  private constructor(server: Server, options: ConnectProxyOptions) {
    this.#server = server;
    this.#options = options;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket: Socket) => this.#keep(socket));
    server.on('connect', (message: IncomingMessage, socket: Socket, head: Buffer) => this.#tunnel(message, socket, head));
    server.on('request', (message: IncomingMessage, response: ServerResponse) => this.#forward(message, response));
  }

  static async open(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ConnectProxy(server, options);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
  }

  #mayPass(message: IncomingMessage): boolean {
    const { user, password = '' } = this.#options;
    if (user === undefined) return true;
    return message.headers['proxy-authorization'] === `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }

  #tunnel(message: IncomingMessage, socket: Socket, head: Buffer): void {
    this.asked.push(`CONNECT ${message.url}`);
    const status = this.#mayPass(message) ? (this.#options.refuse ?? 200) : 407;
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${message.url}`);
    const out = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      out.write(head);
      out.pipe(socket).pipe(out);
    });
    this.#keep(out);
    out.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
    socket.on('error', () => out.destroy());
  }

  #forward(message: IncomingMessage, response: ServerResponse): void {
    this.asked.push(`${message.method} ${message.url}`);
    if (!this.#mayPass(message)) {
      response.writeHead(407).end();
      return;
    }
    const { 'proxy-authorization': _ours, ...headers } = message.headers;
    const out = request(message.url ?? '', { method: message.method ?? 'GET', headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    out.on('error', () => response.writeHead(502).end());
    message.pipe(out);
  }
}
