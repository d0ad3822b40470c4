/** Topics, rights and contents of a Kafka cluster of the tests. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { AclOperations, AclPermissionTypes, Admin, ResourcePatternTypes, ResourceTypes } from '@platformatic/kafka';
import type { KafkaCluster } from './kafka.ts';

export interface TopicOptions {
  readonly partitions?: number;
  readonly replicas?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

/** A record as kcat reads it. */
export interface StoredRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export class KafkaAdmin {
  readonly #cluster: KafkaCluster;
  readonly #admin: Admin;

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster;
    this.#admin = new Admin({ clientId: 'test', bootstrapBrokers: cluster.brokers(), retries: 5, retryDelay: 200 });
  }

  async createTopic(name: string, { partitions = 1, replicas = 1, settings = {} }: TopicOptions = {}): Promise<void> {
    const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
    await this.#admin.createTopics({ topics: [name], partitions, replicas, configs });
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [name] });
  }

  /** Lets a user do something with every topic. */
  async allow(user: string, ...operations: readonly ('WRITE' | 'DESCRIBE' | 'READ')[]): Promise<void> {
    await this.#admin.createAcls({
      creations: operations.map((operation) => ({
        resourceType: ResourceTypes.TOPIC,
        resourceName: '*',
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: `User:${user}`,
        host: '*',
        operation: AclOperations[operation],
        permissionType: AclPermissionTypes.ALLOW,
      })),
    });
  }

  /** Number of the broker that leads each partition, by partition; -1 where none does. */
  async leaders(topic: string): Promise<number[]> {
    const { topics } = JSON.parse(await this.#kcat(['-L', '-J', '-t', topic])) as {
      topics: { topic: string; partitions: { partition: number; leader: number }[] }[];
    };
    const partitions = topics.find((one) => one.topic === topic)?.partitions ?? [];
    return partitions.toSorted((a, b) => a.partition - b.partition).map(({ leader }) => leader);
  }

  /** All records of a topic, read by kcat. */
  async read(topic: string): Promise<StoredRecord[]> {
    const text = await this.#kcat(['-C', '-q', '-J', '-e', '-u', '-o', 'beginning', '-t', topic]);
    const lines = text.split('\n');
    return lines.filter((line) => line !== '').map((line) => fromKcat(line));
  }

  async close(): Promise<void> {
    await this.#admin.close();
  }

  /** What it prints. */
  async #kcat(words: readonly string[]): Promise<string> {
    const args = [...words, '-m', '20', '-b', this.#cluster.brokers().join(',')];
    const child = spawn('kcat', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
    const chunks: Buffer[] = [];
    let complaints = '';
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      complaints = (complaints + chunk.toString('utf8')).slice(-2000);
    });
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, `kcat: ${complaints}`);
    return Buffer.concat(chunks).toString('utf8');
  }
}

function fromKcat(line: string): StoredRecord {
  const { partition, offset, key, payload, headers } = JSON.parse(line) as {
    partition: number;
    offset: number;
    key: string | null;
    payload: string;
    headers?: string[];
  };
  const pairs = headers ?? [];
  const named: Record<string, string> = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) named[pairs[i]] = pairs[i + 1];
  return { partition, offset, key: key ?? '', value: payload, headers: named };
}
