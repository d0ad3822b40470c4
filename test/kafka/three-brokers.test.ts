/**
 * Three brokers of Apache Kafka: leaders are killed under load (kill -9) and come back, and replicas are missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaCluster } from '../support/kafka.ts';
import { KafkaAdmin } from '../support/kafka-admin.ts';
import { checkStored, kafkaSettings, kafkaSink, makeBatch, never, sendUntil, shortly } from '../support/kafka-sinks.ts';

const LANES = 4;
const BATCH_RECORDS = 50;
/** The others notice within seconds that a broker is dead, and leaders move. */
const MOVED_LIMIT_MS = 60_000;

test('three brokers', async (t) => {
  const cluster = await KafkaCluster.start({ nodes: 3, heapMiB: 384 });
  const admin = new KafkaAdmin(cluster);
  t.after(async () => {
    await admin.close();
    await cluster.stop();
  });

  await t.test('each is killed under load and comes back, the last at once', async () => {
    await admin.createTopic('turns', { partitions: 5, replicas: 3, settings: { 'min.insync.replicas': '2' } });
    const sink = kafkaSink(kafkaSettings(cluster.brokers(), 'turns', { requestTimeoutMs: 5000 }));
    let isDone = false;
    let delivered = 0;
    const sending = sendUntil(sink, LANES, BATCH_RECORDS, (sent) => {
      delivered = sent.delivered.size;
      return isDone;
    });
    for (const id of cluster.nodes) {
      await sleep(1000);
      assert.ok((await admin.leaders('turns')).includes(id), `broker ${id} leads nothing`);
      await cluster.kill(id);
      // Each batch has records for every partition: beyond those that were under way, none gets through before leaders have moved.
      const moved = delivered + (LANES + 1) * BATCH_RECORDS;
      if (id < 3) for (const endMs = Date.now() + MOVED_LIMIT_MS; delivered < moved && Date.now() < endMs; ) await sleep(100);
      assert.ok(id === 3 || delivered >= moved, `nothing is delivered while broker ${id} is dead`);
      cluster.restart(id);
      await cluster.ready();
    }
    await sleep(500);
    isDone = true;
    const sent = await sending;
    await sink.close();
    const { records, twice } = checkStored(sent, await admin.read('turns'));
    t.diagnostic(`three brokers, kill -9 of each: ${records} delivered, 0 lost, ${twice} twice; ${JSON.stringify([...sent.failures])}`);
  });

  await t.test('too few replicas in sync: it waits, and goes on when they are back', async () => {
    await admin.createTopic('strict', { partitions: 1, replicas: 3, settings: { 'min.insync.replicas': '3' } });
    const sink = kafkaSink(kafkaSettings(cluster.brokers(), 'strict', { requestTimeoutMs: 3000 }));
    assert.equal(shortly(await sink.send(makeBatch(10), never)), 'delivered');
    await cluster.kill(3);
    const batch = makeBatch(10);
    const seen = new Set<string>();
    for (let i = 0; i < 40 && !seen.has('retry replicas-missing'); i++) {
      seen.add(shortly(await sink.send(batch, never)));
      await sleep(250);
    }
    assert.ok(seen.has('retry replicas-missing'), [...seen].join(', '));
    cluster.restart(3);
    await cluster.ready();
    let outcome = await sink.send(batch, never);
    for (let i = 0; i < 60 && outcome.type !== 'delivered'; i++) {
      await sleep(250);
      outcome = await sink.send(batch, never);
    }
    assert.equal(shortly(outcome), 'delivered');
    await sink.close();
    const ids = (await admin.read('strict')).map(({ headers }) => headers['earshot-id']);
    assert.equal(new Set(ids).size, 20);
  });
});
