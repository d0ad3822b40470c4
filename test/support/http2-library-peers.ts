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
import { type ClientLog, call, follow, type Recording } from './http2-node-peers.ts';
import { RecordingProxy } from './recording-proxy.ts';

/** What the client of gRPC says of a call. */
export interface GrpcLog {
  readonly method: string;
  readonly code: number;
  readonly sent: number;
  readonly received: number;
}

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
      for (let i = 0; i < 30; i++) asked.write(Buffer.concat([asked.request, Buffer.alloc(i * 40, i)]));
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
      logs.push(follow(stream, 0).then((log) => ({ ...log, requestBytes: bytes })));
      return stream;
    };
    return session;
  };
  module.connect = followed as typeof connect;
  return () => {
    module.connect = connect;
  };
}

const message = (n: number): Buffer => Buffer.alloc(n, `message ${n} `);

/** Calls of each kind; each resolves when the client has its status. */
function grpcCalls(client: Client): Promise<GrpcLog>[] {
  const metadata = (kind: string): Metadata => {
    const all = new Metadata();
    all.set('x-kind', kind);
    all.set('authorization', 'Bearer secret');
    all.set('x-trace-bin', Buffer.from(kind));
    return all;
  };
  const unary = (kind: string, size: number, deadlineMs?: number): Promise<GrpcLog> =>
    new Promise((resolve) => {
      let received = 0;
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      client
        .makeUnaryRequest(definition.get.path, same, same, message(size), metadata(kind), options, (_error, answer) => {
          received = answer === undefined ? 0 : 1;
        })
        .on('status', ({ code }) => setImmediate(() => resolve({ method: definition.get.path, code, sent: 1, received })));
    });
  const list = (): Promise<GrpcLog> =>
    new Promise((resolve) => {
      const call = client.makeServerStreamRequest(definition.list.path, same, same, message(20), metadata('list'));
      let received = 0;
      call.on('data', () => received++);
      call.on('error', () => undefined);
      call.on('status', ({ code }) => resolve({ method: definition.list.path, code, sent: 1, received }));
    });
  const put = (count: number): Promise<GrpcLog> =>
    new Promise((resolve) => {
      let received = 0;
      const call = client.makeClientStreamRequest(definition.put.path, same, same, metadata('put'), (_error, answer) => {
        received = answer === undefined ? 0 : 1;
      });
      call.on('status', ({ code }) => setImmediate(() => resolve({ method: definition.put.path, code, sent: count, received })));
      for (let i = 0; i < count; i++) call.write(message(i * 30));
      call.end();
    });
  const talk = (count: number, cancels: boolean): Promise<GrpcLog> =>
    new Promise((resolve) => {
      const call = client.makeBidiStreamRequest(definition.talk.path, same, same, metadata('talk'));
      let received = 0;
      call.on('data', () => {
        received++;
        if (cancels && received === 3) call.cancel();
        else if (received < count) call.write(message(received * 10));
        else call.end();
      });
      call.on('error', () => undefined);
      call.on('status', ({ code }) => resolve({ method: definition.talk.path, code, sent: received, received }));
      call.write(message(5));
    });
  return [
    ...Array.from({ length: 20 }, (_, i) => unary(i % 3 === 0 ? 'headed' : 'plain', i * 50)),
    unary('missing', 10),
    unary('slow', 10, 100),
    unary('plain', 100_000),
    list(),
    list(),
    put(25),
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
  const post = (place: number, type: string, name: string | undefined, query: string, variables: object): Promise<ClientLog> => {
    const target = `/graphql?call=${place}`;
    operations.push({ target, type, ...(name !== undefined && { name }) });
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
    operations.push({ target: get, type: 'query', name: 'Look' });
    const calls = await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => post(i, 'query', 'Item', item, { id: String(i) })),
      post(10, 'mutation', 'Pay', pay, { card: '4111111111111111' }),
      post(11, 'mutation', 'Pay', `${item} ${pay}`, { card: '1' }),
      post(12, 'query', undefined, '{ item(id: 1) }', {}),
      post(13, 'query', 'Wrong', 'query Wrong { nothing }', {}),
      call(client, { headers: { ':path': get, accept: 'application/json' } }),
    ]);
    await new Promise<void>((resolve) => client.close(resolve));
    await proxy.idle();
    return { name: 'graphql-http', connections: proxy.connections, calls, operations };
  } finally {
    client.destroy();
    await proxy.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
