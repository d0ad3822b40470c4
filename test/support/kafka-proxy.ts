/**
 * KafkaProxy: stands between a sink and a broker, which advertises it, and meddles with what passes:
 *
 *   refuses ids for producers, as clusters do without the right to be idempotent
 *   loses the answer to a produce request: the broker has the records, the sink does not know it
 *
 * It only takes frames apart: int32 length, then int16 API, int16 version, int32 correlation in requests, and int32
 * correlation in answers.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const PRODUCE = 0;
const INIT_PRODUCER_ID = 22;
const CLUSTER_AUTHORIZATION_FAILED = 31;
/** Behind length, correlation and throttle time. */
const ERROR_AT = 12;

export class KafkaProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: { host: string; port: number } | undefined;
  refusesProducerIds = false;
  /** So many answers to produce requests are lost, with their connections. */
  losesAnswers = 0;
  /** Produce requests that passed. */
  produced = 0;

  static async listen(): Promise<KafkaProxy> {
    const proxy = new KafkaProxy();
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  private constructor() {
    this.#server = createServer((client) => this.#pass(client));
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** host:port of the broker. */
  leadTo(address: string): void {
    const [host, port] = address.split(':');
    this.#target = { host, port: Number(port) };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(client: Socket): void {
    if (this.#target === undefined) {
      client.destroy();
      return;
    }
    const broker = connect(this.#target);
    const asked = new Map<number, number>();
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    eachFrame(client, (frame) => {
      const api = frame.readInt16BE(4);
      asked.set(frame.readInt32BE(8), api);
      if (api === PRODUCE) this.produced++;
      broker.write(frame);
    });
    eachFrame(broker, (frame) => {
      const api = asked.get(frame.readInt32BE(4));
      asked.delete(frame.readInt32BE(4));
      if (api === PRODUCE && this.losesAnswers > 0) {
        this.losesAnswers--;
        client.destroy();
        return;
      }
      if (api === INIT_PRODUCER_ID && this.refusesProducerIds) frame.writeInt16BE(CLUSTER_AUTHORIZATION_FAILED, ERROR_AT);
      client.write(frame);
    });
  }
}

function eachFrame(socket: Socket, take: (frame: Buffer) => void): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 4 && held.length >= 4 + held.readInt32BE(0)) {
      const end = 4 + held.readInt32BE(0);
      take(Buffer.from(held.subarray(0, end)));
      held = held.subarray(end);
    }
  });
}
