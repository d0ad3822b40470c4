/**
 * One broker of Apache Kafka with a listener of every kind: the sink delivers over each, kcat reads back what was sent, and
 * each mistake in the configuration, here or in the cluster, is told as what it is.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TlsSettings } from '../../src/base/settings.ts';
import type { Batch } from '../../src/ship/batch.ts';
import type { Outcome } from '../../src/ship/sink.ts';
import { partitionOfKey } from '../../src/ship/sinks/kafka-partition.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { KafkaCluster } from '../support/kafka.ts';
import { KafkaAdmin, type StoredRecord } from '../support/kafka-admin.ts';
import {
  checkStored,
  type KafkaChanges,
  kafkaSettings,
  kafkaSink,
  makeBatch,
  never,
  problemOf,
  saslListener,
  sendUntil,
  shortly,
  tokenListener,
  unsignedToken,
} from '../support/kafka-sinks.ts';

const passwords = { app: 'correct horse', looker: 'battery', guest: 'staple' };
const SESSION_MS = 1500;

let cluster: KafkaCluster;
let admin: KafkaAdmin;

before(async () => {
  const authority = makeAuthority('Test CA');
  const server = makeCertificate({ commonName: 'localhost', hosts: ['localhost', '127.0.0.1'] }, authority);
  const own = makeCertificate({ commonName: 'sensor' }, authority);
  const otherAuthority = makeAuthority('Another CA');
  const stranger = makeCertificate({ commonName: 'stranger' }, otherAuthority);
  const tls = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': 'server.pem',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': 'ca.pem',
  };
  const overTls = (listener: ReturnType<typeof saslListener>): ReturnType<typeof saslListener> => ({
    ...listener,
    properties: { ...listener.properties, ...tls },
  });
  cluster = await KafkaCluster.start({
    users: passwords,
    files: {
      ...passwords,
      wrong: 'something else',
      token: unsignedToken('app', 600),
      'old-token': unsignedToken('app', -60),
      'ca.pem': authority.certificate,
      'other-ca.pem': otherAuthority.certificate,
      'server.pem': server.key + server.certificate,
      'own.crt': own.certificate,
      'own.key': own.key,
      'stranger.crt': stranger.certificate,
      'stranger.key': stranger.key,
    },
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
    listeners: {
      TLS: { protocol: 'SSL', properties: tls },
      MUTUAL: {
        protocol: 'SSL',
        properties: { ...tls, 'ssl.client.auth': 'required', 'ssl.principal.mapping.rules': 'RULE:^CN=(.*)$/$1/' },
      },
      SASL: overTls(saslListener('SASL_SSL', passwords)),
      TOKEN: overTls(tokenListener('SASL_SSL')),
      OPEN: saslListener('SASL_PLAINTEXT', passwords),
      SHORT: saslListener('SASL_PLAINTEXT', passwords, SESSION_MS),
      LOST: { protocol: 'PLAINTEXT', advertised: () => 'broker.invalid:9092' },
      SHUT: { protocol: 'PLAINTEXT', advertised: () => '127.0.0.1:9' },
    },
  });
  admin = new KafkaAdmin(cluster);
  await admin.createTopic('calls', { partitions: 3 });
  await admin.allow('app', 'WRITE', 'DESCRIBE');
  await admin.allow('sensor', 'WRITE', 'DESCRIBE');
  await admin.allow('looker', 'DESCRIBE');
});

after(async () => {
  await admin?.close();
  await cluster?.stop();
});

function trusting(changes: Partial<TlsSettings> = {}): KafkaChanges {
  return { useTls: true, tls: { caFile: cluster.path('ca.pem'), ...changes } };
}

function as(mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', user: string, password: string = user): KafkaChanges {
  return { sasl: { mechanism, user, password: { file: cluster.path(password) } } };
}

function byToken(file: string): KafkaChanges {
  return { sasl: { mechanism: 'oauthbearer', auth: { type: 'token', token: { file: cluster.path(file) } } } };
}

async function send(listener: string, changes: KafkaChanges = {}, topic = 'calls', batch: Batch = makeBatch(40)): Promise<Outcome> {
  const sink = kafkaSink(kafkaSettings(cluster.brokers(listener), topic, { requestTimeoutMs: 5000, ...changes }));
  try {
    return await sink.send(batch, never);
  } finally {
    await sink.close();
  }
}

/** The records of a batch as they should be stored, by id. */
function expected(batch: Batch): Map<string, { key: string; value: string; headers: Record<string, string> }> {
  return new Map(
    batch.records.map(({ id, key, sequence, bytes }) => [
      id,
      {
        key,
        value: Buffer.from(bytes).toString('utf8'),
        headers: { 'earshot-id': id, 'earshot-sequence': String(sequence), 'earshot-batch': batch.id },
      },
    ]),
  );
}

function stored(records: readonly StoredRecord[]): Map<string, { key: string; value: string; headers: Readonly<Record<string, string>> }> {
  return new Map(records.map(({ key, value, headers }) => [headers['earshot-id'], { key, value, headers }]));
}

test('what is sent is read back equal, in every compression, to the partition of its key', async () => {
  for (const compression of ['none', 'gzip', 'lz4', 'zstd', 'snappy'] as const) {
    const topic = `calls-${compression}`;
    await admin.createTopic(topic, { partitions: 5 });
    const batch = makeBatch([
      ...Array.from({ length: 300 }, (_none, i) => ({ key: `10.1.${i % 7}.${i % 50}`, value: `{"path":"/ü/${i}"}` })),
      { key: '2001:db8::1', value: '' },
      { key: 'größe', value: 'x'.repeat(100_000) },
    ]);
    assert.equal(shortly(await send('PLAIN', { compression }, topic, batch)), 'delivered', compression);
    const records = await admin.read(topic);
    assert.equal(records.length, batch.records.length, compression);
    assert.deepEqual(stored(records), expected(batch), compression);
    for (const { key, partition } of records) assert.equal(partition, partitionOfKey(Buffer.from(key), 5), key);
  }
});

test('records without a key stay together, batch by batch in another partition', async () => {
  await admin.createTopic('keyless', { partitions: 3 });
  const sink = kafkaSink(kafkaSettings(cluster.brokers(), 'keyless', { headers: { source: '{sensor}/{sink}', count: '{records}' } }));
  for (let i = 0; i < 3; i++) {
    const batch = makeBatch(Array.from({ length: 5 }, (_none, n) => ({ key: '', value: `${i}.${n}` })));
    assert.equal(shortly(await sink.send(batch, never)), 'delivered');
  }
  await sink.close();
  const records = await admin.read('keyless');
  assert.deepEqual(new Set(records.map(({ partition }) => partition)), new Set([0, 1, 2]));
  const partitionOf = new Map(records.map(({ headers, partition }) => [headers['earshot-batch'], partition]));
  for (const { headers, partition, key } of records) {
    assert.equal(partitionOf.get(headers['earshot-batch']), partition);
    assert.equal(key, '');
    assert.equal(headers.source, 'sensor-7/calls');
    assert.equal(headers.count, '5');
  }
});

test('every listener and mechanism delivers', async () => {
  const ways: readonly (readonly [string, KafkaChanges])[] = [
    ['TLS', trusting()],
    ['MUTUAL', trusting({ certificateFile: cluster.path('own.crt'), keyFile: cluster.path('own.key') })],
    ['SASL', { ...trusting(), ...as('plain', 'app') }],
    ['SASL', { ...trusting(), ...as('scram-sha-256', 'app') }],
    ['SASL', { ...trusting(), ...as('scram-sha-512', 'app') }],
    ['OPEN', as('scram-sha-512', 'app')],
    ['TOKEN', { ...trusting(), ...byToken('token') }],
  ];
  await admin.createTopic('ways', { partitions: 2 });
  const sent = new Map<string, unknown>();
  for (const [listener, changes] of ways) {
    const batch = makeBatch(20);
    assert.equal(shortly(await send(listener, changes, 'ways', batch)), 'delivered', `${listener} ${JSON.stringify(changes.sasl)}`);
    for (const [id, record] of expected(batch)) sent.set(id, record);
  }
  assert.deepEqual(stored(await admin.read('ways')), sent);
});

test('a listener that wants the proof again and again gets it, under load', async () => {
  await admin.createTopic('sessions');
  const sink = kafkaSink(kafkaSettings(cluster.brokers('SHORT'), 'sessions', as('scram-sha-512', 'app')));
  let isDone = false;
  const sending = sendUntil(sink, 3, 20, () => isDone);
  await sleep(3 * SESSION_MS);
  isDone = true;
  const sent = await sending;
  await sink.close();
  assert.deepEqual([...sent.failures], []);
  assert.equal(checkStored(sent, await admin.read('sessions')).twice, 0);
});

test('mistakes of TLS are told apart', async () => {
  const cases: readonly (readonly [string, string, KafkaChanges])[] = [
    ['blocked tls-expected', 'TLS', {}],
    ['blocked tls-expected', 'SASL', as('plain', 'app')],
    ['blocked tls-not-spoken', 'PLAIN', trusting()],
    ['blocked certificate-untrusted', 'TLS', trusting({ caFile: cluster.path('other-ca.pem') })],
    ['blocked certificate-name', 'TLS', trusting({ serverName: 'kafka.example' })],
    ['blocked client-certificate-required', 'MUTUAL', trusting()],
    [
      'blocked client-certificate-refused',
      'MUTUAL',
      trusting({ certificateFile: cluster.path('stranger.crt'), keyFile: cluster.path('stranger.key') }),
    ],
    ['blocked ca-file-unreadable', 'TLS', trusting({ caFile: cluster.path('none.pem') })],
  ];
  for (const [wanted, listener, changes] of cases) {
    const outcome = await send(listener, changes);
    assert.equal(shortly(outcome), wanted, `${listener}: ${problemOf(outcome).what}`);
  }
});

test('mistakes of authentication are told apart, and no secret is in the words', async () => {
  const cases: readonly (readonly [string, string, KafkaChanges])[] = [
    ['blocked authentication-wanted', 'OPEN', {}],
    ['blocked authentication-unwanted', 'PLAIN', as('plain', 'app')],
    ['blocked authentication-refused', 'OPEN', as('plain', 'app', 'wrong')],
    ['blocked authentication-refused', 'OPEN', as('scram-sha-512', 'app', 'wrong')],
    ['blocked authentication-refused', 'OPEN', as('scram-sha-256', 'wrong')],
    ['blocked authentication-refused', 'TOKEN', { ...trusting(), ...byToken('old-token') }],
    ['blocked mechanism-unsupported', 'TOKEN', { ...trusting(), ...as('plain', 'app') }],
    ['blocked secret-missing', 'OPEN', as('plain', 'app', 'nothing')],
  ];
  for (const [wanted, listener, changes] of cases) {
    const outcome = await send(listener, changes);
    const { what, next } = problemOf(outcome);
    assert.equal(shortly(outcome), wanted, `${listener}: ${what}`);
    for (const secret of [...Object.values(passwords), 'something else']) assert.ok(!`${what} ${next}`.includes(secret), what);
  }
});

test('rights that are missing are named', async () => {
  for (const [user, idempotent, wanted] of [
    ['guest', 'auto', 'blocked topic-acl-missing'],
    ['looker', 'auto', 'blocked topic-acl-missing'],
    ['looker', 'no', 'blocked topic-acl-missing'],
    ['looker', 'yes', 'blocked idempotent-acl-missing'],
  ] as const) {
    assert.equal(shortly(await send('OPEN', { ...as('scram-sha-512', user), idempotent })), wanted, `${user} ${idempotent}`);
  }
});

test('an advertised address that is out of reach is told with both names', async () => {
  for (const [listener, place] of [
    ['LOST', 'broker.invalid:9092'],
    ['SHUT', '127.0.0.1:9'],
  ]) {
    const outcome = await send(listener);
    assert.equal(shortly(outcome), 'retry advertised-unreachable');
    const { what } = problemOf(outcome);
    assert.ok(what.includes(place) && what.includes(cluster.brokers(listener)[0]), what);
  }
});

test('a topic that is missing, small, compacted or made anew', async () => {
  assert.equal(shortly(await send('PLAIN', {}, 'nothing')), 'blocked topic-missing');

  await admin.createTopic('small', { settings: { 'max.message.bytes': '4000' } });
  assert.equal(shortly(await send('PLAIN', { compression: 'none' }, 'small')), 'too-large too-large');
  assert.equal(shortly(await send('PLAIN', { compression: 'none' }, 'small', makeBatch(5))), 'delivered');

  await admin.createTopic('compacted', { settings: { 'cleanup.policy': 'compact' } });
  const outcome = await send(
    'PLAIN',
    {},
    'compacted',
    makeBatch([
      { key: 'a', value: '1' },
      { key: '', value: '2' },
      { key: 'b', value: '3' },
    ]),
  );
  assert.equal(outcome.type, 'in-part');
  const failed = outcome.type === 'in-part' ? outcome.failed.map(({ index, outcome: how, problem }) => [index, how, problem.code]) : [];
  assert.deepEqual(
    failed.sort(([a], [b]) => Number(a) - Number(b)),
    [
      [0, 'retry', 'record-refused'],
      [1, 'refused', 'record-refused'],
      [2, 'retry', 'record-refused'],
    ],
  );
});

test('a topic that is made anew with fewer partitions is gone on with', async () => {
  await admin.createTopic('shrinks', { partitions: 6 });
  const sink = kafkaSink(kafkaSettings(cluster.brokers(), 'shrinks'));
  assert.equal(shortly(await sink.send(makeBatch(60), never)), 'delivered');
  await admin.deleteTopic('shrinks');
  const [between] = await Promise.all([
    sink.send(makeBatch(60), never),
    admin.createTopic('shrinks', { partitions: 2 }).catch(() => undefined),
  ]);
  assert.ok(['delivered', 'retry', 'blocked'].includes(between.type), shortly(between));
  let outcome = between;
  for (let i = 0; i < 20 && outcome.type !== 'delivered'; i++) {
    await admin.createTopic('shrinks', { partitions: 2 }).catch(() => undefined);
    outcome = await sink.send(makeBatch(60), never);
  }
  assert.equal(shortly(outcome), 'delivered');
  await sink.close();
});
