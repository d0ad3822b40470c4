/**
 * gRPC between a client and a server of grpc-js that compress their messages, recorded and read again: what the record says of messages,
 * bytes, status and content, against what client and server know.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { defaultMasking } from '../../src/policy/default-masking.ts';
import { Policy } from '../../src/policy/policy.ts';
import { Segments } from '../support/http2-judge.ts';
import { descriptorSet, field, proto } from '../support/protobuf.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { runPipeline } from '../support/run-pipeline.ts';

const GZIP = 2;
const same = (bytes: Buffer): Buffer => bytes;
const method = (path: string, isStream: boolean): MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const definition = { find: method('/shop.Users/Find', false), talk: method('/shop.Users/Talk', true) };
const descriptors = descriptorSet({
  package: 'shop',
  messages: {
    User: [
      { name: 'name', number: 1, type: 'string' },
      { name: 'password', number: 2, type: 'string' },
      { name: 'town', number: 3, type: 'string' },
    ],
  },
  services: { Users: { Find: ['.shop.User', '.shop.User'], Talk: ['.shop.User', '.shop.User'] } },
});

const user = (name: string): Buffer => proto(field(1, name), field(2, `secret of ${name}`), field(3, 'Ulm'.repeat(50)));

test('compressed and plain messages, unary and in streams, with and without an error', { timeout: 60_000 }, async () => {
  const server = new Server();
  server.addService(definition, {
    find: ({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
      if (request.length === 0) answer({ code: status.NOT_FOUND, details: 'nobody is called Zoë %' });
      else answer(null, request);
    },
    talk: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const proxies: RecordingProxy[] = [];
  try {
    for (const compression of [0, GZIP]) {
      const proxy = await RecordingProxy.open(port);
      proxies.push(proxy);
      const client = new Client(`127.0.0.1:${proxy.port}`, credentials.createInsecure(), {
        'grpc.default_compression_algorithm': compression,
      });
      const find = (message: Buffer): Promise<void> =>
        new Promise((resolve) => {
          client
            .makeUnaryRequest(definition.find.path, same, same, message, { deadline: Date.now() + 30_000 }, () => undefined)
            .on('status', () => setImmediate(resolve));
        });
      const talk = (count: number): Promise<void> =>
        new Promise((resolve) => {
          const call = client.makeBidiStreamRequest(definition.talk.path, same, same);
          call.on('data', () => undefined);
          call.on('status', () => resolve());
          for (let i = 0; i < count; i++) call.write(user(`ann ${i}`));
          call.end();
        });
      await find(user('ann'));
      await find(Buffer.alloc(0));
      await talk(40);
      client.close();
      await proxy.idle();
    }
  } finally {
    for (const proxy of proxies) await proxy.close();
    server.forceShutdown();
  }
  const policy = new Policy({
    pipelines: [
      {
        name: 'all',
        simple: { otherwise: 'include', rules: [] },
        advanced: { otherwise: 'include', rules: [] },
        sampling: { share: 1, key: 'call' },
      },
    ],
    masking: defaultMasking,
    maskingKey: Buffer.alloc(32),
    descriptors: [descriptors],
  });
  for (const [i, proxy] of proxies.entries()) {
    const isCompressed = i === 1;
    for (const unmasked of [true, false]) {
      const records = proxy.connections.flatMap(
        (turns) => runPipeline(new Segments(turns, 700, 'client-fin').packets, { policy, unmasked }).records,
      );
      assert.equal(records.length, 3);
      const [found, missing, talked] = records.map(({ grpc }) => grpc);
      assert.deepEqual([found?.service, found?.method, found?.status, found?.response?.messages], ['shop.Users', 'Find', 0, 1]);
      assert.ok((found?.deadlineMs ?? 0) > 20_000 && (found?.deadlineMs ?? 0) <= 30_000, String(found?.deadlineMs));
      assert.deepEqual([missing?.status, missing?.message, missing?.response?.messages], [5, 'nobody is called Zoë %', 0]);
      assert.deepEqual([talked?.method, talked?.request?.messages, talked?.response?.messages], ['Talk', 40, 40]);
      const size = Array.from({ length: 40 }, (_, n) => user(`ann ${n}`).length).reduce((a, b) => a + b);
      if (isCompressed) {
        assert.equal(talked?.request?.encoding, 'gzip');
        assert.ok((talked?.request?.compressed ?? 0) > 0 && (talked?.request?.bytes ?? 0) < size);
      } else assert.equal(talked?.request?.bytes, size);
      for (const side of [records[2].request, records[2].response]) {
        const lines = (side?.body.text ?? '').split('\n').map((line) => JSON.parse(line) as unknown);
        lines.slice(0, 10).forEach((line, n) => {
          const password = unmasked ? `secret of ann ${n}` : '*password*';
          assert.deepEqual(line, { name: `ann ${n}`, password, town: 'Ulm'.repeat(50) });
        });
      }
      assert.equal(JSON.stringify(records).includes('secret of'), unmasked);
    }
  }
});
