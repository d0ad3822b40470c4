/**
 * A sensor that delivers: `./earshot run` with a UDP end-point on loopback, a spool in a folder of its own, and an edge to
 * deliver to. No rights are needed. Calls are sent to it in VXLAN, as fast as a mirror with a few thousand a second.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/app/control/client.ts';
import type { SensorReport } from '../../src/app/report.ts';
import { freePort } from '../../src/capture/endpoint-testing.ts';
import { makeCalls } from '../netns/calls.ts';
import { Edge } from '../support/edge.ts';
import * as p from '../support/packets.ts';

const launcher = join(import.meta.dirname, '../../earshot');
const LIMIT_MS = 20_000;
const POLL_MS = 10;
const STDERR_CHARACTERS = 4000;

export interface DeliveringOptions {
  readonly spool?: object;
  readonly sink?: object;
}

export class DeliveringSensor {
  readonly folder: string;
  readonly port: number;
  readonly socketPath: string;
  readonly spoolPath: string;
  #child: ChildProcess | null = null;
  #closed: Promise<unknown[]> = Promise.resolve([]);
  #stderr = '';

  constructor(edge: Edge, { spool = {}, sink = {} }: DeliveringOptions = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'earshot-delivering-'));
    this.port = freePort();
    this.socketPath = join(this.folder, 'control.sock');
    this.spoolPath = join(this.folder, 'spool');
    const configuration = {
      capture: { endpoints: [`udp://127.0.0.1:${this.port}?encap=vxlan`] },
      run: { workers: 1, stopTimeoutMs: 5000 },
      control: { socket: this.socketPath },
      spool: { directory: this.spoolPath, freeBytesMin: 0, ...spool },
      sinks: {
        edge: {
          type: 'uap-edge',
          url: edge.url,
          auth: { type: 'oauth2', tokenUrl: edge.tokenUrl, clientId: edge.clientId, clientSecret: { file: edge.secretFile } },
          tls: { caFile: edge.caFile, systemCa: false },
          batch: { ageMsMax: 50 },
          ...sink,
        },
      },
    };
    writeFileSync(join(this.folder, 'earshot.yaml'), JSON.stringify(configuration));
  }

  /** Starts it, and waits until it takes packets. */
  async start(): Promise<SensorReport> {
    const child = spawn(launcher, ['run', '--config', join(this.folder, 'earshot.yaml')], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    this.#closed = once(child, 'close');
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARACTERS);
    });
    return await this.until('ready', ({ health }) => health.ready);
  }

  get stderr(): string {
    return this.#stderr;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async report(): Promise<SensorReport> {
    return (await ask(this.socketPath, { command: 'report' })).report;
  }

  async until(what: string, test: (report: SensorReport) => boolean, limitMs: number = LIMIT_MS): Promise<SensorReport> {
    for (const endMs = Date.now() + limitMs; ; await sleep(POLL_MS)) {
      if (!this.isRunning) throw new Error(`the sensor ended before it was ${what}:\n${this.#stderr}`);
      const report = await this.report().catch(() => null);
      if (report !== null && test(report)) return report;
      if (Date.now() > endMs) throw new Error(`not yet ${what}:\n${JSON.stringify(report?.ship)}\n${this.#stderr}`);
    }
  }

  /** Ends it by a signal; its exit code, or the name of the signal. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child === null) return null;
    child.kill(signal);
    const [code, by] = (await this.#closed) as [number | null, NodeJS.Signals | null];
    return code ?? by;
  }

  async remove(): Promise<void> {
    if (this.isRunning) await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One that takes packets, and its edge; both end with the test. */
export async function startDelivering(t: TestContext): Promise<{ edge: Edge; sensor: DeliveringSensor }> {
  const edge = await Edge.open();
  const sensor = new DeliveringSensor(edge);
  t.after(async () => {
    await sensor.remove();
    await edge.close();
  });
  await sensor.start();
  return { edge, sensor };
}

/** Sends so many calls, each on a connection of its own, without waiting for the sensor. */
export async function sendCalls(port: number, connections: number, net = 1): Promise<void> {
  const socket = createSocket('udp4');
  const send = (packet: Buffer): Promise<void> =>
    new Promise((resolve, reject) => socket.send(packet, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error))));
  const { packets } = makeCalls({ connections, callsEach: 1, net, bodyBytes: [20, 200] });
  for (const { ip } of packets) await send(p.vxlan(p.ethernet(ip), { vni: 7 }));
  socket.close();
}

const BURST = 40;
const PAUSE_MS = 5;
const CONNECTIONS = 60;
const CALLS_EACH = 5;

/** Sends calls until it is told to stop: new connections all the time, a few thousand calls a second. */
export class CallSource {
  readonly #socket: Socket = createSocket('udp4');
  readonly #port: number;
  #isStopped = false;
  #net = 0;
  readonly #done: Promise<void>;

  constructor(port: number) {
    this.#port = port;
    // Nobody listens while the sensor is dead.
    this.#socket.on('error', () => {});
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#net = (this.#net % 100) + 1;
      const { packets } = makeCalls({
        connections: CONNECTIONS,
        callsEach: CALLS_EACH,
        net: this.#net,
        bodyBytes: [20, 600],
        seed: Date.now() % 1e6,
      });
      for (let i = 0; i < packets.length && !this.#isStopped; i += BURST) {
        for (const { ip } of packets.slice(i, i + BURST)) this.#socket.send(p.vxlan(p.ethernet(ip), { vni: 7 }), this.#port, '127.0.0.1');
        await sleep(PAUSE_MS);
      }
    }
  }

  async stop(): Promise<void> {
    const isFirst = !this.#isStopped;
    this.#isStopped = true;
    await this.#done;
    if (isFirst) this.#socket.close();
  }
}
