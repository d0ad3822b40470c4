/** Peers from npm over a proxy that writes down the bytes: a client and a server of gRPC, and a server of GraphQL. */
import { once } from 'node:events';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { buildSchema } from 'graphql';
import { createHandler } from 'graphql-http/lib/use/http2';
import { type ClientLog, call, follow, numbered, type Recording } from './http2-node-peers.ts';
import { field, proto } from './protobuf.ts';
import { RecordingProxy } from './recording-proxy.ts';

/** What the client of gRPC says of a call, which is the one with this `x-call`. */
export interface GrpcLog {
  readonly id: string;
  readonly method: string;
  readonly code: number;
  readonly sent: readonly Buffer[];
  readonly received: readonly Buffer[];
}

/** What orders are made of, by their bytes in base64. */
const orders = new Map<string, object>();

/** Bytes of a message of Protocol Buffers with a text, a number and a message in it. */
function order(n: number, noteBytes: number): Buffer {
  const [name, note] = [`order é ${n}`, numbered(noteBytes, 'note').toString()];
  const message = proto(field(1, name), field(2, n + 1), field(3, proto(field(1, note), field(2, true))));
  orders.set(message.toString('base64'), { 1: name, 2: n + 1, 3: { 1: note, 2: 1 } });
  return message;
}

/** What a message is to those who know what it was made of; base64 when it is no message of Protocol Buffers. */
export const meaningOf = (message: Buffer): unknown => {
  const text = message.toString('base64');
  return message.length === 0 ? {} : (orders.get(text) ?? text);
};

const SERVICE = '/shop.v1.Orders';
const same = (message: Buffer): Buffer => message;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `${SERVICE}/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const definition = {
  get: method('Get', false, false),
  list: method('List', false, true),
  put: method('Put', true, false),
  talk: method('Talk', true, true),
};

function makeServer(): Server {
  const server = new Server();
  const trailers = (text: string): Metadata => {
    const all = new Metadata();
    all.set('x-served-by', text);
    all.set('x-raw-bin', Buffer.from([0, 1, 254, 255]));
    return all;
  };
  server.addService(definition, {
    get: (asked: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      const [kind] = asked.metadata.get('x-kind');
      const head = new Metadata();
      head.set('x-first', 'of the head');
      if (kind === 'slow') return;
      if (kind === 'missing') answer({ code: status.NOT_FOUND, details: 'no such order: é', metadata: trailers('get') });
      else {
        if (kind === 'headed') asked.sendMetadata(head);
        answer(null, asked.request, trailers('get'));
      }
    },
    list: (asked: ServerWritableStream<Buffer, Buffer>) => {
      // Wire type 7, which there is not: all but the first are no messages of Protocol Buffers.
      for (let i = 0; i < 30; i++) asked.write(Buffer.concat([asked.request, Buffer.alloc(i * 40, 8 * (i % 16) + 7)]));
      asked.end(trailers('list'));
    },
    put: (asked: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      let total = 0;
      asked.on('data', (message: Buffer) => {
        total += message.length;
      });
      asked.on('error', () => undefined);
      asked.on('end', () => answer(null, Buffer.from(String(total)), trailers('put')));
    },
    talk: (asked: ServerDuplexStream<Buffer, Buffer>) => {
      asked.on('data', (message: Buffer) => asked.write(message));
      asked.on('error', () => undefined);
      asked.on('end', () => asked.end(trailers('talk')));
    },
  });
  return server;
}

/** Follows every stream that clients of this process open, by what they hand to node:http2. */
function followStreams(logs: Promise<ClientLog>[]): () => void {
  const module = createRequire(import.meta.url)('node:http2') as { connect: typeof http2.connect };
  const { connect } = module;
  const followed = (...args: Parameters<typeof connect>): http2.ClientHttp2Session => {
    const session = connect(...args);
    const request = session.request.bind(session);
    session.request = (headers, options) => {
      const stream = request(headers, options);
      const write = stream.write.bind(stream);
      let bytes = 0;
      stream.write = ((data: Buffer, ...rest: []) => {
        bytes += data.length;
        return write(data, ...rest);
      }) as typeof stream.write;
      logs.push(follow(stream).then(({ requestContent: _q, responseContent: _s, ...log }) => ({ ...log, requestBytes: bytes })));
      return stream;
    };
    return session;
  };
  module.connect = followed as typeof connect;
  return () => {
    module.connect = connect;
  };
}

/** Not a message of Protocol Buffers. */
const raw = (n: number): Buffer => numbered(n, 'message');

/** Calls of each kind; each resolves when the client has its status. */
function grpcCalls(client: Client): Promise<GrpcLog>[] {
  let calls = 0;
  const metadata = (kind: string, id: string): Metadata => {
    const all = new Metadata();
    all.set('x-kind', kind);
    all.set('x-call', id);
    all.set('authorization', 'Bearer secret');
    all.set('x-trace-bin', Buffer.from(kind));
    return all;
  };
  const logOf = (method: string): { id: string; method: string; code: number; sent: Buffer[]; received: Buffer[] } => ({
    id: String(calls++),
    method,
    code: -1,
    sent: [],
    received: [],
  });
  const unary = (kind: string, message: Buffer, deadlineMs?: number): Promise<GrpcLog> =>
    new Promise((resolve) => {
      const log = logOf(definition.get.path);
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      log.sent.push(message);
      client
        .makeUnaryRequest(log.method, same, same, message, metadata(kind, log.id), options, (_error, answer) => {
          if (answer !== undefined) log.received.push(answer);
        })
        .on('status', ({ code }) => setImmediate(() => resolve({ ...log, code })));
    });
  const list = (): Promise<GrpcLog> =>
    new Promise((resolve) => {
      const log = logOf(definition.list.path);
      log.sent.push(order(calls, 20));
      const call = client.makeServerStreamRequest(log.method, same, same, log.sent[0], metadata('list', log.id));
      call.on('data', (message: Buffer) => log.received.push(message));
      call.on('error', () => undefined);
      call.on('status', ({ code }) => resolve({ ...log, code }));
    });
  const put = (count: number, make: (i: number) => Buffer): Promise<GrpcLog> =>
    new Promise((resolve) => {
      const log = logOf(definition.put.path);
      const call = client.makeClientStreamRequest(log.method, same, same, metadata('put', log.id), (_error, answer) => {
        if (answer !== undefined) log.received.push(answer);
      });
      call.on('status', ({ code }) => setImmediate(() => resolve({ ...log, code })));
      for (let i = 0; i < count; i++) {
        log.sent.push(make(i));
        call.write(log.sent[i]);
      }
      call.end();
    });
  const talk = (count: number, cancels: boolean): Promise<GrpcLog> =>
    new Promise((resolve) => {
      const log = logOf(definition.talk.path);
      const call = client.makeBidiStreamRequest(log.method, same, same, metadata('talk', log.id));
      const say = (): void => {
        const message = order(log.sent.length, log.sent.length * 10);
        log.sent.push(message);
        call.write(message);
      };
      call.on('data', (message: Buffer) => {
        log.received.push(message);
        if (cancels && log.received.length === 3) call.cancel();
        else if (log.received.length < count) say();
        else call.end();
      });
      call.on('error', () => undefined);
      call.on('status', ({ code }) => resolve({ ...log, code }));
      say();
    });
  return [
    ...Array.from({ length: 17 }, (_, i) => unary(i % 3 === 0 ? 'headed' : 'plain', i === 0 ? raw(0) : order(i, i * 50))),
    unary('plain', raw(700)),
    unary('missing', order(20, 10)),
    unary('slow', order(21, 10), 100),
    unary('plain', order(22, 100_000)),
    unary('plain', raw(100_000)),
    list(),
    list(),
    put(25, (i) => raw(i * 30)),
    put(60, (i) => order(i, i * 5)),
    talk(12, false),
    talk(12, true),
  ];
}

/** gRPC of each kind on one connection. */
export async function recordGrpc(): Promise<Recording & { readonly said: readonly GrpcLog[] }> {
  const server = makeServer();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const proxy = await RecordingProxy.open(port);
  const logs: Promise<ClientLog>[] = [];
  const restore = followStreams(logs);
  const client = new Client(`127.0.0.1:${proxy.port}`, credentials.createInsecure());
  try {
    const said = await Promise.all(grpcCalls(client));
    const calls = await Promise.all(logs);
    client.close();
    await proxy.idle();
    return { name: 'grpc-js', connections: proxy.connections, calls, said };
  } finally {
    restore();
    client.close();
    await proxy.close();
    server.forceShutdown();
  }
}

export interface OperationLog {
  readonly target: string;
  readonly type: string;
  readonly name?: string;
  /** Not there when it is an error. */
  readonly answer?: unknown;
}

const schema = buildSchema(`
  type Query { item(id: ID!): String }
  type Mutation { pay(card: String!): Boolean }
`);
const rootValue = { item: ({ id }: { id: string }) => `item ${id}`, pay: () => true };

/** A server of GraphQL over HTTP/2, with a client of Node's. */
export async function recordGraphql(): Promise<Recording & { readonly operations: readonly OperationLog[] }> {
  const server = http2.createServer(createHandler({ schema, rootValue }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await RecordingProxy.open((server.address() as AddressInfo).port);
  const client = http2.connect(`http://127.0.0.1:${proxy.port}`);
  const operations: OperationLog[] = [];
  const post = (type: string, name: string | undefined, query: string, variables: object, answer: unknown): Promise<ClientLog> => {
    const target = `/graphql?call=${operations.length}`;
    operations.push({ target, type, ...(name !== undefined && { name }), answer });
    const body = Buffer.from(JSON.stringify({ query, variables, ...(name !== undefined && { operationName: name }) }));
    return call(client, {
      headers: { ':path': target, ':method': 'POST', 'content-type': 'application/json', accept: 'application/json' },
      body,
    });
  };
  try {
    const item = 'query Item($id: ID!) { item(id: $id) }';
    const pay = 'mutation Pay($card: String!) { pay(card: $card) }';
    const get = `/graphql?query=${encodeURIComponent('query Look { item(id: 5) }')}`;
    const looked = { type: 'query', name: 'Look', answer: { data: { item: 'item 5' } } };
    const calls = await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => post('query', 'Item', item, { id: String(i) }, { data: { item: `item ${i}` } })),
      post('mutation', 'Pay', pay, { card: '4111111111111111' }, { data: { pay: true } }),
      post('mutation', 'Pay', `${item} ${pay}`, { card: '1' }, { data: { pay: true } }),
      post('query', undefined, '{ item(id: 1) }', {}, { data: { item: 'item 1' } }),
      post('query', 'Wrong', 'query Wrong { nothing }', {}, undefined),
      call(client, { headers: { ':path': get, accept: 'application/json' } }),
    ]);
    await new Promise<void>((resolve) => client.close(resolve));
    await proxy.idle();
    return { name: 'graphql-http', connections: proxy.connections, calls, operations: [...operations, { target: get, ...looked }] };
  } finally {
    client.destroy();
    await proxy.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
