/** `earshot doctor` and a real broker of Apache Kafka: what is wrong with topic, rights, user or address is named first. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { earshot } from '../support/command.ts';
import { KafkaCluster } from '../support/kafka.ts';
import { KafkaAdmin } from '../support/kafka-admin.ts';
import { saslListener } from '../support/kafka-sinks.ts';

const passwords = { app: 'correct horse', looker: 'battery', guest: 'staple' };

interface Told {
  readonly first: string | null;
  readonly steps: readonly { readonly step: string; readonly verdict: string; readonly evidence: string }[];
  readonly findings: readonly { readonly code: string; readonly what: string; readonly next: string }[];
}

test('the doctor and a broker', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-doctor-kafka-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const cluster = await KafkaCluster.start({
    users: passwords,
    files: { ...passwords, wrong: 'something else' },
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
    listeners: {
      OPEN: saslListener('SASL_PLAINTEXT', passwords),
      LOST: { protocol: 'PLAINTEXT', advertised: () => 'broker.invalid:9092' },
    },
  });
  t.after(() => cluster.stop());
  const admin = new KafkaAdmin(cluster);
  t.after(() => admin.close());
  await admin.createTopic('calls', { partitions: 3 });
  await admin.allow('app', 'WRITE', 'DESCRIBE');
  await admin.allow('looker', 'DESCRIBE');

  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));

  let configs = 0;
  const ask = async (sink: object): Promise<{ readonly code: number | null; readonly told: Told }> => {
    const config = join(folder, `${++configs}.yaml`);
    const settings = {
      capture: { endpoints: [`udp://127.0.0.1:${port}?encap=vxlan`], receiveBufferBytes: 65_536 },
      spool: { directory: join(folder, 'spool'), freeBytesMin: 0 },
      sinks: { bus: { type: 'kafka', topic: 'calls', useTls: false, ...sink } },
      control: { socket: join(folder, 'control.sock') },
    };
    writeFileSync(config, JSON.stringify(settings));
    const { code, out, err } = await earshot(['doctor', '--json', '-c', config]);
    assert.equal(err, '');
    return { code, told: JSON.parse(out) as Told };
  };
  const names = async (sink: object, code: string, words: RegExp, steps: readonly string[]): Promise<void> => {
    const { code: exit, told } = await ask(sink);
    assert.equal(told.first, code, JSON.stringify(told.findings, null, 1));
    assert.match(`${told.findings[0].what} ${told.findings[0].next}`, words);
    assert.deepEqual(stepsOf(told), steps);
    assert.equal(exit, 1);
  };
  const stepsOf = (told: Told): string[] =>
    told.steps.filter(({ step }) => step.startsWith('bus: ')).map(({ step, verdict }) => `${step.slice(5)} ${verdict}`);
  const as = (user: keyof typeof passwords, password: string = user): object => ({
    brokers: cluster.brokers('OPEN'),
    sasl: { mechanism: 'scram-sha-512', user, password: { file: cluster.path(password) } },
  });

  await t.test('all is well, and no record is written', async () => {
    for (const idempotent of ['auto', 'yes']) {
      const { code, told } = await ask({ ...as('app'), idempotent });
      assert.equal(code, 0, JSON.stringify(told.findings));
      assert.deepEqual(stepsOf(told), ['brokers ok', 'credentials ok', 'topic ok', 'rights ok']);
      const seen = (step: string): string => told.steps.find((one) => one.step === `bus: ${step}`)?.evidence ?? '';
      assert.match(seen('topic'), /calls has 3 partitions/);
      assert.match(seen('rights'), /this user may write; no record was written/);
    }
    assert.deepEqual(await admin.read('calls'), []);
  });

  await t.test('no right to write: to one who sees the topic, and to one who does not', async () => {
    const acl = /does not let this user write to the topic calls.*--producer --topic calls/;
    await names(as('looker'), 'sink-acl', acl, ['brokers ok', 'credentials ok', 'topic ok', 'rights broken']);
    await names(as('guest'), 'sink-acl', acl, ['brokers ok', 'credentials ok', 'topic broken']);
  });

  await t.test('a topic that there is not', async () => {
    const sink = { brokers: cluster.brokers(), topic: 'no-such-topic' };
    await names(sink, 'sink-topic', /There is no topic no-such-topic.*--create --topic no-such-topic/, ['brokers ok', 'topic broken']);
  });

  await t.test('a wrong password, and none', async () => {
    await names(as('app', 'wrong'), 'sink-credentials', /does not accept/, ['brokers ok', 'credentials broken']);
    await names({ brokers: cluster.brokers('OPEN') }, 'sink-credentials', /wants to know who asks/, ['brokers ok', 'credentials broken']);
  });

  await t.test('a leader at an address that nobody knows', async () => {
    const words = /says that a leader of the topic calls is at broker[.]invalid:9092/;
    await names({ brokers: cluster.brokers('LOST') }, 'sink-unreachable', words, ['brokers ok', 'topic ok', 'leaders broken']);
  });

  await t.test('nobody listens; TLS where there is none', async () => {
    await names({ brokers: ['127.0.0.1:9'] }, 'sink-unreachable', /Nobody listens at/, ['name ok', 'TCP broken']);
    await names({ brokers: cluster.brokers(), useTls: true }, 'sink-tls', /while TLS is being agreed upon.*useTls: false/, [
      'name ok',
      'TCP ok',
      'TLS broken',
    ]);
  });
});
