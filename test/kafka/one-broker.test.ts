/**
 * A single broker of Apache Kafka is killed under load (kill -9) and comes back: nothing that was delivered is lost, and what
 * is stored twice bears the same id. A proxy in between loses answers and withholds ids for producers.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaCluster } from '../support/kafka.ts';
import { KafkaAdmin } from '../support/kafka-admin.ts';
import { KafkaProxy } from '../support/kafka-proxy.ts';
import {
  checkStored,
  kafkaSettings,
  kafkaSink,
  type Logged,
  makeBatch,
  never,
  saslListener,
  sendUntil,
  shortly,
} from '../support/kafka-sinks.ts';

const LANES = 4;
const password = 'correct horse';

test('a single broker', async (t) => {
  const proxy = await KafkaProxy.listen();
  const cluster = await KafkaCluster.start({
    users: { app: password },
    files: { app: password },
    listeners: {
      SASL: saslListener('SASL_PLAINTEXT', { app: password }),
      BEHIND: { protocol: 'PLAINTEXT', advertised: () => proxy.address },
    },
  });
  const admin = new KafkaAdmin(cluster);
  t.after(async () => {
    await admin.close();
    await proxy.close();
    await cluster.stop();
  });
  proxy.leadTo(cluster.brokers('BEHIND')[0]);

  await t.test('killed three times under load, over SASL', async () => {
    await admin.createTopic('killed', { partitions: 3 });
    const settings = {
      requestTimeoutMs: 3000,
      sasl: { mechanism: 'scram-sha-512', user: 'app', password: { file: cluster.path('app') } },
    } as const;
    const sink = kafkaSink(kafkaSettings(cluster.brokers('SASL'), 'killed', settings));
    let isDone = false;
    const sending = sendUntil(sink, LANES, 50, () => isDone);
    for (let i = 0; i < 3; i++) {
      await sleep(800);
      await cluster.kill(1);
      await sleep(200);
      cluster.restart(1);
      await cluster.ready();
    }
    await sleep(500);
    isDone = true;
    const sent = await sending;
    await sink.close();
    assert.ok(sent.failures.size > 0, 'the broker was never missed');
    const { records, twice } = checkStored(sent, await admin.read('killed'));
    t.diagnostic(`single broker, 3 x kill -9: ${records} delivered, 0 lost, ${twice} twice`);
    for (const failure of sent.failures.keys()) assert.match(failure, /^retry |^in-part$/);
  });

  await t.test('an answer is lost: the broker writes the batch once', async () => {
    await admin.createTopic('unanswered', { partitions: 2 });
    // One lane: the batches behind have to take that of the one that failed.
    const sink = kafkaSink(kafkaSettings([proxy.address], 'unanswered', { requestTimeoutMs: 3000, concurrencyMax: 1 }));
    assert.equal(shortly(await sink.send(makeBatch(10), never)), 'delivered');
    const batch = makeBatch(30);
    proxy.produced = 0;
    // More than one call of `send` tries, so that the batch comes again from outside.
    proxy.losesAnswers = 5;
    let outcome = await sink.send(batch, never);
    assert.equal(shortly(outcome), 'retry broken-off');
    for (let i = 0; i < 5 && outcome.type !== 'delivered'; i++) outcome = await sink.send(batch, never);
    assert.equal(shortly(outcome), 'delivered');
    assert.ok(proxy.produced >= 6, `${proxy.produced}`);
    const stored = (await admin.read('unanswered')).filter(({ headers }) => headers['earshot-batch'] === batch.id);
    assert.deepEqual(stored.map(({ headers }) => headers['earshot-id']).sort(), batch.records.map(({ id }) => id).sort());
    // The next batch does not bear the numbers of the one before.
    const next = makeBatch(30);
    proxy.losesAnswers = 5;
    assert.equal(shortly(await sink.send(next, never)), 'retry broken-off');
    proxy.losesAnswers = 0;
    const others = [makeBatch(30), makeBatch(30)];
    for (const other of others) assert.equal(shortly(await sink.send(other, never)), 'delivered');
    const ids = new Set((await admin.read('unanswered')).map(({ headers }) => headers['earshot-id']));
    for (const { id } of others.flatMap(({ records }) => records)) assert.ok(ids.has(id), `${id} was delivered and is not stored`);
    await sink.close();
  });

  await t.test('without the right to be idempotent it goes on, says so once, and may write twice', async () => {
    await admin.createTopic('plain', { partitions: 2 });
    proxy.refusesProducerIds = true;
    const logged: Logged[] = [];
    const sink = kafkaSink(kafkaSettings([proxy.address], 'plain', { requestTimeoutMs: 3000 }), logged);
    const batches = [makeBatch(20), makeBatch(20), makeBatch(20)];
    proxy.losesAnswers = 1;
    for (const batch of batches) assert.equal(shortly(await sink.send(batch, never)), 'delivered');
    assert.equal(logged.length, 1);
    assert.match(logged[0].message, /idempotent/);
    const stored = await admin.read('plain');
    const ids = stored.map(({ headers }) => headers['earshot-id']);
    assert.equal(new Set(ids).size, 60);
    assert.ok(ids.length > 60, 'an answer was lost, and nothing is there twice: was it idempotent?');
    await sink.close();

    const strict = kafkaSink(kafkaSettings([proxy.address], 'plain', { idempotent: 'yes' }));
    assert.equal(shortly(await strict.send(makeBatch(5), never)), 'blocked idempotent-acl-missing');
    proxy.refusesProducerIds = false;
    assert.equal(await strict.reload(), null);
    assert.equal(shortly(await strict.send(makeBatch(5), never)), 'delivered');
    await strict.close();
  });
});
