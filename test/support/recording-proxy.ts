/** A TCP proxy on loopback that writes down what both sides send, in the order in which it passed. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Turn } from './conversation.ts';

export class RecordingProxy {
  readonly port: number;
  /** What passed, of all connections. */
  readonly turns: Turn[] = [];
  /** The same, of each connection by itself. */
  readonly connections: Turn[][] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #opened = 0;
  #waiting: (() => void)[] = [];

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client: Socket) => {
      this.#opened++;
      const upstream = connect(target, '127.0.0.1');
      const turns: Turn[] = [];
      this.connections.push(turns);
      this.#join(client, upstream, false, turns);
      this.#join(upstream, client, true, turns);
    });
  }

  static async open(target: number): Promise<RecordingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new RecordingProxy(server, target);
  }

  /** Resolves when at least one connection came and none is open. */
  async idle(): Promise<void> {
    while (this.#opened === 0 || this.#sockets.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(from: Socket, to: Socket, fromServer: boolean, turns: Turn[]): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (bytes: Buffer) => {
      const turn = { fromServer, bytes: Buffer.from(bytes) };
      this.turns.push(turn);
      turns.push(turn);
      to.write(bytes);
    });
    from.on('end', () => to.end());
    from.on('error', () => undefined);
    from.on('close', () => {
      to.destroy();
      this.#sockets.delete(from);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }
}
