/** A broker of the 3.x releases: the versions of the protocol that are spoken are known there too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KafkaCluster } from '../support/kafka.ts';
import { KafkaAdmin } from '../support/kafka-admin.ts';
import { kafka3 } from '../support/kafka-jars.ts';
import { kafkaSettings, kafkaSink, makeBatch, never, saslListener, shortly } from '../support/kafka-sinks.ts';

test('Kafka 3.9 takes and gives back what is sent, over SASL', async (t) => {
  const users = { app: 'correct horse' };
  const cluster = await KafkaCluster.start({
    release: kafka3,
    users,
    files: users,
    listeners: { SASL: saslListener('SASL_PLAINTEXT', users) },
  });
  const admin = new KafkaAdmin(cluster);
  t.after(async () => {
    await admin.close();
    await cluster.stop();
  });
  await admin.createTopic('calls', { partitions: 3 });
  const sasl = { mechanism: 'scram-sha-256', user: 'app', password: { file: cluster.path('app') } } as const;
  const sink = kafkaSink(kafkaSettings(cluster.brokers('SASL'), 'calls', { compression: 'zstd', sasl }));
  const batch = makeBatch(100);
  assert.equal(shortly(await sink.send(batch, never)), 'delivered');
  await sink.close();
  const stored = new Map((await admin.read('calls')).map(({ headers, value }) => [headers['earshot-id'], value]));
  assert.deepEqual(stored, new Map(batch.records.map(({ id, bytes }) => [id, Buffer.from(bytes).toString('utf8')])));
});
