/**
 * KafkaCluster: real Apache Kafka for tests, started with `java`: one node or three, KRaft, loopback, ports that were
 * free, files in a folder of its own. Brokers die with the process that started them, also when that is killed.
 *
 * Each node has the listener PLAIN, over which the brokers speak with each other, and those that the test asks for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from './free-ports.ts';
import { type KafkaRelease, kafka4, kafkaClassPath } from './kafka-jars.ts';

const READY_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 30_000;
const COMMAND_LIMIT_MS = 60_000;
const POLL_MS = 100;
const HOST = '127.0.0.1';

export interface ListenerOptions {
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** What the brokers tell their clients in place of where they listen: host:port, for each node. */
  readonly advertised?: (node: number, port: number) => string;
  /** Properties of this listener, without "listener.name.<name>.". */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface KafkaOptions {
  readonly release?: KafkaRelease;
  readonly nodes?: 1 | 3;
  /** By name, in capitals. */
  readonly listeners?: Readonly<Record<string, ListenerOptions>>;
  /** Users of SCRAM, with their passwords. */
  readonly users?: Readonly<Record<string, string>>;
  /** Written into the folder, which is where the brokers run: their properties may name these files as they stand here. */
  readonly files?: Readonly<Record<string, string>>;
  /** Further properties of the brokers. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly heapMiB?: number;
  /** For benches: with the second compiler of Java, and its larger collector. They make starting slower. */
  readonly isFast?: boolean;
}

interface Node {
  readonly id: number;
  readonly ports: Readonly<Record<string, number>>;
  readonly properties: string;
  child: ChildProcess | undefined;
}

/** As `KafkaCluster` makes them. */
const FOLDER = /^earshot-kafka-(\d+)-/;

const clusters = new Set<KafkaCluster>();
process.once('exit', () => {
  for (const cluster of clusters) cluster.removeNow();
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code));
}

export class KafkaCluster {
  readonly folder: string = mkdtempSync(join(tmpdir(), `earshot-kafka-${process.pid}-`));
  readonly #classPath: string;
  readonly #options: KafkaOptions;
  #nodes: Node[] = [];

  static async start(options: KafkaOptions = {}): Promise<KafkaCluster> {
    const cluster = new KafkaCluster(await kafkaClassPath(options.release ?? kafka4), options);
    try {
      await cluster.#prepare();
      await Promise.all(cluster.#nodes.map((node) => cluster.restart(node.id)));
      await cluster.ready();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private constructor(classPath: string, options: KafkaOptions) {
    this.#classPath = classPath;
    this.#options = options;
    clusters.add(this);
    removeLeftovers();
  }

  get nodes(): readonly number[] {
    return this.#nodes.map(({ id }) => id);
  }

  get classPath(): string {
    return this.#classPath;
  }

  /** host:port of a listener, of every node. */
  brokers(listener = 'PLAIN'): string[] {
    return this.#nodes.map(({ ports }) => `${HOST}:${ports[listener]}`);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A file of the test, in the folder of the cluster. */
  file(name: string, text: string): string {
    const path = this.path(name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  async #prepare(): Promise<void> {
    const { nodes = 1, listeners = {}, users = {}, files = {} } = this.#options;
    for (const [name, text] of Object.entries(files)) this.file(name, text);
    const all: Record<string, ListenerOptions> = { PLAIN: { protocol: 'PLAINTEXT' }, CONTROLLER: { protocol: 'PLAINTEXT' }, ...listeners };
    const names = Object.keys(all);
    const ports = await freePorts(nodes * names.length);
    const portsOf = (index: number): Record<string, number> =>
      Object.fromEntries(names.map((name, i) => [name, ports[index * names.length + i]]));
    const voters = Array.from({ length: nodes }, (_, i) => `${i + 1}@${HOST}:${portsOf(i).CONTROLLER}`).join(',');
    // As StorageTool random-uuid makes them.
    const clusterId = `x${randomBytes(16).toString('base64url').slice(1)}`;
    for (let i = 0; i < nodes; i++) {
      const own = portsOf(i);
      const at = ([name, { advertised }]: [string, ListenerOptions]): string =>
        `${name}://${advertised === undefined ? `${HOST}:${own[name]}` : advertised(i + 1, own[name])}`;
      const properties: Record<string, string> = {
        'process.roles': 'broker,controller',
        'node.id': String(i + 1),
        'controller.quorum.voters': voters,
        listeners: names.map((name) => `${name}://${HOST}:${own[name]}`).join(','),
        'advertised.listeners': Object.entries(all)
          .filter(([name]) => name !== 'CONTROLLER')
          .map(at)
          .join(','),
        'listener.security.protocol.map': Object.entries(all)
          .map(([name, { protocol }]) => `${name}:${protocol}`)
          .join(','),
        'controller.listener.names': 'CONTROLLER',
        'inter.broker.listener.name': 'PLAIN',
        'log.dirs': join(this.folder, `node-${i + 1}`),
        'auto.create.topics.enable': 'false',
        'offsets.topic.replication.factor': '1',
        'offsets.topic.num.partitions': '1',
        'transaction.state.log.replication.factor': '1',
        'transaction.state.log.min.isr': '1',
        'group.initial.rebalance.delay.ms': '0',
        // A dead broker is noticed in three seconds, not in nine.
        'broker.session.timeout.ms': '3000',
        'broker.heartbeat.interval.ms': '500',
        'replica.lag.time.max.ms': '5000',
        ...this.#options.properties,
      };
      for (const [name, { properties: own = {} }] of Object.entries(all)) {
        for (const [key, value] of Object.entries(own)) properties[`listener.name.${name.toLowerCase()}.${key}`] = value;
      }
      const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}`);
      this.#nodes.push({
        id: i + 1,
        ports: own,
        properties: this.file(`node-${i + 1}.properties`, `${lines.join('\n')}\n`),
        child: undefined,
      });
    }
    this.file('log4j2.properties', LOGGING);
    const scram = Object.entries(users).flatMap(([name, password]) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${name},password=${password}]`]),
    );
    await Promise.all(
      this.#nodes.map(({ properties }) => this.java(['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties, ...scram])),
    );
  }

  /** Runs a class of Kafka's to its end; what it printed. */
  async java(args: readonly string[], limitMs: number = COMMAND_LIMIT_MS): Promise<string> {
    const options = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', this.#classPath];
    const child = spawn('java', [...options, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs });
    return await outputOf(child, args[0]);
  }

  /** Starts a node that was killed, or was never started, on the ports that it had. */
  restart(id: number): void {
    const node = this.#node(id);
    const heap = this.#options.heapMiB ?? 512;
    const log = openSync(join(this.folder, `node-${id}.log`), 'a');
    const jvm = [
      `-Xmx${heap}m`,
      `-Xms${heap >> 1}m`,
      ...(this.#options.isFast ? ['-XX:+UseG1GC'] : ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']),
      `-Dlog4j2.configurationFile=${join(this.folder, 'log4j2.properties')}`,
    ];
    // The kernel ends the broker when the process of the test ends, however that happens.
    const program = ['setpriv', '--pdeathsig', 'KILL', 'java', ...jvm, '-cp', this.#classPath, 'kafka.Kafka', node.properties];
    node.child = spawn(program[0], program.slice(1), { stdio: ['ignore', log, log], cwd: this.folder });
    closeSync(log);
    node.child.on('error', () => {});
  }

  /** Until every node that runs answers and knows all others that run. */
  async ready(): Promise<void> {
    const running = this.#nodes.filter(({ child }) => child !== undefined);
    for (const endMs = Date.now() + READY_LIMIT_MS; ; await sleep(POLL_MS)) {
      for (const { id, child } of running) {
        if (child?.exitCode !== null) throw new Error(`Kafka, node ${id}, ended with exit code ${child?.exitCode}:\n${this.log(id)}`);
      }
      const seen = await Promise.all(running.map(({ ports }) => brokersSeenBy(`${HOST}:${ports.PLAIN}`)));
      if (seen.every((count) => count === running.length)) return;
      if (Date.now() > endMs)
        throw new Error(`Kafka is not ready after ${READY_LIMIT_MS} ms:\n${running.map(({ id }) => this.log(id)).join('\n')}`);
    }
  }

  /** The end of what a node wrote into its log. */
  log(id: number): string {
    return readFileSync(join(this.folder, `node-${id}.log`), 'utf8').slice(-4000);
  }

  /** kill -9, or a signal that lets it close its files; waits until it is gone. */
  async kill(id: number, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const node = this.#node(id);
    const child = node.child;
    node.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await closed;
    clearTimeout(late);
  }

  /** Ends all nodes and removes their files. */
  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map(({ id }) => this.kill(id)));
    this.removeNow();
  }

  removeNow(): void {
    for (const { child } of this.#nodes) child?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    clusters.delete(this);
  }

  #node(id: number): Node {
    const node = this.#nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }
}

/** Folders of processes that were killed; their brokers died with them. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(FOLDER.exec(name)?.[1] ?? process.pid);
    try {
      process.kill(pid, 0);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ESRCH')
        rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

const LOGGING = `status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss,SSS} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
`;

/** How many brokers the one at this address knows; 0 when it does not answer. */
async function brokersSeenBy(address: string): Promise<number> {
  const child = spawn('kcat', ['-L', '-J', '-m', '2', '-b', address], { stdio: ['ignore', 'pipe', 'ignore'], timeout: 5_000 });
  try {
    return (JSON.parse(await outputOf(child, 'kcat')) as { brokers: unknown[] }).brokers.length;
  } catch {
    return 0;
  }
}

async function outputOf(child: ChildProcess, name: string): Promise<string> {
  let output = '';
  let complaints = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-4000);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0) throw new Error(`${name}: ${signal ?? `exit code ${code}`}\n${output}\n${complaints}`);
  return output;
}
