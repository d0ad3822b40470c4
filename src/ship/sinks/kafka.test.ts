/** The Kafka sink against what is no Kafka, or a bad one: it neither crashes nor hangs, and says what is there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import { makeAuthority, makeServerCertificate } from '../../../test/support/certificates.ts';
import { freePorts } from '../../../test/support/free-ports.ts';
import {
  type KafkaChanges,
  kafkaSettings,
  kafkaSink,
  type Logged,
  makeBatch,
  never,
  problemOf,
  shortly,
} from '../../../test/support/kafka-sinks.ts';
import { SensorError } from '../../base/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-kafka-sink-'));
writeFileSync(join(folder, 'password'), 'correct horse\n');
after(() => rmSync(folder, { recursive: true }));

const scram: KafkaChanges = { sasl: { mechanism: 'scram-sha-512', user: 'app', password: { file: join(folder, 'password') } } };
const plain: KafkaChanges = { sasl: { mechanism: 'plain', user: 'app', password: { file: join(folder, 'password') } } };

async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function send(brokers: readonly string[], changes: KafkaChanges = {}): Promise<string> {
  const sink = kafkaSink(kafkaSettings(brokers, 'calls', { requestTimeoutMs: 700, ...changes }));
  const outcome = await sink.send(makeBatch(3), never);
  await sink.close();
  return shortly(outcome);
}

/** An answer: length, correlation, body. */
function answer(request: Buffer, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length, 0);
  request.copy(head, 4, 8, 12);
  return Buffer.concat([head, body]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value, 0);
  return bytes;
}

/** Takes requests until SASL is under way, and gives these bytes for what the user sent. */
function beginsSasl(reply: (nonce: string) => string): (socket: Socket) => void {
  const versions = [0, 3, 17, 18, 22, 36].map((key) => Buffer.concat([int16(key), int16(0), int16(8)]));
  const count = Buffer.alloc(4);
  count.writeInt32BE(versions.length, 0);
  const noThrottle = Buffer.alloc(4);
  return (socket) => {
    socket.on('data', (request: Buffer) => {
      const api = request.readInt16BE(4);
      if (api === 18) socket.write(answer(request, Buffer.concat([int16(0), count, ...versions, noThrottle])));
      else if (api === 17) socket.write(answer(request, Buffer.concat([int16(0), Buffer.alloc(4)])));
      else {
        const nonce = /r=([^,]+)/.exec(request.toString('latin1'))?.[1] ?? '';
        const text = Buffer.from(reply(nonce));
        const length = Buffer.alloc(4);
        length.writeInt32BE(text.length, 0);
        // error code 0, no message, bytes, life of the session
        socket.end(answer(request, Buffer.concat([int16(0), int16(-1), length, text, Buffer.alloc(8)])));
      }
    });
  };
}

test('nobody listens, at one address and at several', async (t) => {
  const closed = await listen(t, () => undefined);
  const [port] = await freePorts(1);
  const gone = `127.0.0.1:${port}`;
  assert.equal(await send([gone]), 'retry connection-refused');
  assert.equal(await send(['broker.invalid:9092']), 'retry name-unknown');
  assert.equal(await send([gone, 'broker.invalid:9092']), 'retry brokers-unreachable');
  // It takes the connection and never says a word.
  assert.match(await send([closed]), /^retry (connect|answer)-timeout$/);
});

test('another service answers', async (t) => {
  const bytes: readonly (readonly [string, string | Buffer])[] = [
    ['blocked not-kafka', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    ['blocked not-kafka', '-ERR unknown command\r\n'],
    ['blocked tls-expected', Buffer.from([0x15, 3, 3, 0, 2, 2, 80])],
  ];
  for (const [wanted, said] of bytes) {
    const place = await listen(t, (socket) => socket.on('data', () => socket.write(said)));
    for (const changes of [{}, plain, scram]) assert.equal(await send([place], changes), wanted, String(said));
  }
});

test('the name of a broker is told by TLS, so that a router can choose by it; that of an address is not', async (t) => {
  const authority = makeAuthority('Example CA');
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, authority.certificate);
  const { certificate: cert, key } = makeServerCertificate('good', authority);
  const warnings: string[] = [];
  const onWarning = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const names: string[] = [];
  // Without a name it has no certificate to show, but at the second.
  const listenTls = async (own: { cert?: string; key?: string }): Promise<number> => {
    const server = createTlsServer({ ...own, SNICallback: (_name, done) => done(null, createSecureContext({ cert, key })) }, (socket) => {
      names.push(socket.servername || 'none');
      socket.on('error', () => undefined);
      socket.on('data', () => socket.destroy());
    }).listen(0, '127.0.0.1');
    server.on('tlsClientError', () => undefined);
    await once(server, 'listening');
    t.after(() => server.close());
    return (server.address() as AddressInfo).port;
  };
  const tls = { caFile };
  const routed = await listenTls({});
  await send([`localhost:${routed}`], { useTls: true, tls });
  assert.deepEqual([...new Set(names.splice(0))], ['localhost']);
  const plain = await listenTls({ cert, key });
  const address = `127.0.0.1:${plain}`;
  await send([address], { useTls: true, tls });
  assert.deepEqual([...new Set(names.splice(0))], ['none']);
  // The name that is configured goes before all others; an address as such is only compared with the certificate.
  await send([address], { useTls: true, tls: { ...tls, serverName: 'localhost' } });
  assert.deepEqual([...new Set(names.splice(0))], ['localhost']);
  await send([address], { useTls: true, tls: { ...tls, serverName: '::1' } });
  assert.deepEqual([...new Set(names.splice(0))], ['none']);
  assert.equal(await send([address], { useTls: true, tls: { ...tls, serverName: '192.0.2.1' } }), 'blocked certificate-name');
  assert.deepEqual(warnings, []);
});

test('nonsense in frames of the right length neither ends the process nor counts as delivered', async (t) => {
  const nonsense = [Buffer.alloc(0), Buffer.alloc(12), Buffer.alloc(40, 0xff), Buffer.alloc(300, 0x01)];
  for (const body of nonsense) {
    for (const isCorrelated of [true, false]) {
      const place = await listen(t, (socket) => {
        socket.on('data', (request: Buffer) => {
          const frame = answer(request, body);
          if (!isCorrelated) frame.writeInt32BE(-1, 4);
          socket.write(frame);
        });
      });
      for (const changes of [{}, plain, scram]) assert.match(await send([place], changes), /^(retry|blocked) /);
    }
  }
});

test('a broker that breaks off, or talks nonsense, while it authenticates', async (t) => {
  const replies: readonly ((nonce: string) => string)[] = [
    () => '',
    () => 'x',
    () => 'r=,s=,i=',
    () => 'v=wrong',
    () => '='.repeat(100),
    () => 'r=nonce,s=c2FsdA==,i=4096',
    (nonce) => `r=${nonce}1,s=c2FsdA==,i=1`,
    // A proof of hours.
    (nonce) => `r=${nonce}1,s=c2FsdA==,i=2000000000`,
  ];
  for (const reply of replies) {
    const place = await listen(t, beginsSasl(reply));
    assert.match(await send([place], scram), /^(retry|blocked) /, reply('NONCE'));
  }
  const broken = await listen(t, (socket) => socket.on('data', () => socket.resetAndDestroy()));
  for (const changes of [plain, scram]) assert.match(await send([broken], changes), /^retry /);
});

test('ends at once when it is told to, also while a broker is silent', async (t) => {
  const place = await listen(t, () => undefined);
  const sink = kafkaSink(kafkaSettings([place], 'calls', { requestTimeoutMs: 60_000 }));
  const abort = new AbortController();
  const sending = sink.send(makeBatch(3), abort.signal);
  setImmediate(() => abort.abort());
  assert.equal(shortly(await sending), 'retry aborted');
  assert.equal(shortly(await sink.send(makeBatch(3), abort.signal)), 'retry aborted');
  await sink.close();
});

test('a record that is too large is not sent', async () => {
  const sink = kafkaSink(kafkaSettings(['127.0.0.1:9'], 'calls', { messageBytesMax: 1024 }));
  const batch = makeBatch([
    { key: '', value: 'small' },
    { key: '', value: 'x'.repeat(1025) },
  ]);
  const outcome = await sink.send(batch, never);
  assert.equal(shortly(outcome), 'too-large too-large');
  assert.match(problemOf(outcome).what, /1025 .* 1024/);
  await sink.close();
});

test('the CA of a token end-point that changes on disk is taken over, also without TLS to the brokers', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const caFile = join(folder, 'token-ca.pem');
  writeFileSync(caFile, makeAuthority('First CA').certificate);
  const auth = {
    type: 'oauth2',
    tokenUrl: 'https://auth.invalid/token',
    clientId: 'app',
    clientSecret: { file: join(folder, 'password') },
    scope: '',
    audience: '',
    clientAuthentication: 'basic',
  } as const;
  const logged: Logged[] = [];
  const changes: KafkaChanges = { tls: { caFile }, sasl: { mechanism: 'oauthbearer', auth } };
  const sink = kafkaSink(kafkaSettings(['127.0.0.1:9'], 'calls', changes), logged);
  const look = async (): Promise<string[]> => {
    t.mock.timers.tick(5000);
    await new Promise((resolve) => setImmediate(resolve));
    return logged.splice(0).map(({ message }) => message);
  };
  assert.deepEqual(await look(), []);
  writeFileSync(caFile, `${makeAuthority('Second CA').certificate}\n`);
  assert.deepEqual(await look(), ['certificates were read anew']);
  writeFileSync(caFile, 'torn');
  assert.deepEqual(await look(), ['new certificates cannot be used; those of before stay']);
  await sink.close();
});

test('an address that is none is a mistake of the configuration', () => {
  assert.throws(
    () => kafkaSink(kafkaSettings(['kafka'], 'calls')),
    (error) => error instanceof SensorError && error.code === 'config-invalid',
  );
});
