/** What an operator does to a sensor that runs, and how it answers: a second one beside it, a configuration that is wrong. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/app/control/client.ts';
import { earshot, refuses } from '../support/command.ts';
import * as hellos from '../support/hellos.ts';
import { vxlan } from '../support/packets.ts';
import { crypto, initial } from '../support/quic.ts';
import { connection, datagram } from '../support/tls-connections.ts';

const root = join(import.meta.dirname, '../..');
const LOOKS_MAX = 600;
const LOOK_MS = 50;

interface Started {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly port: number;
  readonly socket: string;
  readonly config: string;
  readonly settings: object;
  /** The lines of its log. */
  log(): { readonly message: string; readonly code?: string; readonly level: string }[];
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; !(await holds()); look++) {
    assert.ok(look < LOOKS_MAX, `never: ${what}`);
    await sleep(LOOK_MS);
  }
}

async function startSensor(t: TestContext, more: (folder: string) => object = () => ({})): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-running-'));
  const port = await freePort();
  const socket = join(folder, 'control.sock');
  const config = join(folder, 'earshot.yaml');
  const capture = { endpoints: [`udp://127.0.0.1:${port}?encap=vxlan`] };
  const settings = { capture, run: { workers: 1 }, control: { socket }, ...more(folder) };
  writeFileSync(config, JSON.stringify(settings));
  const child = spawn(join(root, 'earshot'), ['run', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  t.after(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });
  const answers = async (): Promise<boolean> =>
    await ask(socket, { command: 'report' }).then(
      ({ report }) => report.health.ready,
      () => false,
    );
  await until('the sensor is ready', () => child.exitCode === null && answers());
  const log = (): ReturnType<Started['log']> =>
    said
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as ReturnType<Started['log']>[number]);
  return { child, folder, port, socket, config, settings, log };
}

test('a second sensor, with the same configuration or the same port', { timeout: 120_000 }, async (t) => {
  const { child, folder, port, config } = await startSensor(t);
  refuses(await earshot(['run', '--config', config]), 2, new RegExp(`the sensor of process ${child.pid} has it[.] Stop that sensor first`));
  const beside = await earshot(['run', '--config', config, '--socket', join(folder, 'other.sock')]);
  refuses(beside, 2, new RegExp(`port ${port} is held by the process earshot run [(]pid ${child.pid}[)]`));
});

test('a configuration that is wrong: each refusal is logged once, and is over when one is right', { timeout: 120_000 }, async (t) => {
  const { config, socket, settings, log } = await startSensor(t);
  const told = (): string[] => log().flatMap(({ code, message }) => (code === 'config-rejected' ? [message] : []));
  const faults = async (): Promise<string[]> => (await ask(socket, { command: 'report' })).report.health.faults.map(({ what }) => what);
  for (const [n, wrong] of ['interfcaes', 'ringBites'].entries()) {
    writeFileSync(config, `capture: { ${wrong}: 1 }\n`);
    // The commands still find the sensor: of a file that is wrong they need no more than the socket, which it names.
    assert.equal((await earshot(['reload', '--socket', socket])).code, 2);
    await until('a fault', async () => (await faults()).some((what) => what.includes(wrong)));
    assert.equal(told().length, n + 1, told().join('\n'));
    assert.match(told()[n], new RegExp(`^not reloaded, nothing was changed: .*${wrong}`));
  }
  writeFileSync(config, JSON.stringify({ ...settings, capture: { ...Object(settings).capture, interfcaes: 1 } }));
  assert.equal((await earshot(['status', '-c', config])).code, 1);
  writeFileSync(config, JSON.stringify(settings));
  assert.equal((await earshot(['reload', '-c', config])).code, 0);
  await until('no fault', async () => (await faults()).length === 0);
  await until('it is said', () => told().length === 3);
  assert.equal(told()[2], 'no longer so');
});

test('a sink that got nothing yet, and would get it in the clear', { timeout: 120_000 }, async (t) => {
  const { config, log } = await startSensor(t, (folder) => {
    const file = join(folder, 'token');
    writeFileSync(file, 'hunter2', { mode: 0o600 });
    const siem = { type: 'http', url: 'http://siem.invalid/in', auth: { type: 'token', token: { file } } };
    return { sinks: { siem }, spool: { directory: join(folder, 'spool'), freeBytesMin: 0 } };
  });
  await until('the sink is shown', async () => (await earshot(['stats', '-c', config])).out.includes('sink siem'));
  assert.match((await earshot(['stats', '-c', config])).out, /^sink siem [(]http[)] {3}valid: - [(]not tried yet[)]$/m);
  assert.match((await earshot(['status', '-c', config])).out, /^siem +http +- /m);
  const warnings = log().filter(({ level }) => level === 'warn');
  assert.deepEqual(
    warnings.map(({ message }) => message),
    ['sinks.siem: credentials and calls go unencrypted to siem.invalid:80'],
  );
});

test('what is encrypted is named in stats: servers, fingerprints, QUIC', { timeout: 120_000 }, async (t) => {
  const { port, config, socket } = await startSensor(t);
  const stream = hellos.records(hellos.message(hellos.described.hello));
  const quic = initial(crypto(0, hellos.message({ extensions: [hellos.serverName('video.example'), hellos.alpn('h3')] })));
  const wires = [0, 1, 2].flatMap((i) => connection([stream.subarray(0, 100), stream.subarray(100)], { clientPort: 40_000 + i }));
  const sender = createSocket('udp4');
  t.after(() => sender.close());
  for (const frame of [...wires.map(({ data }) => data), datagram(quic)]) {
    await new Promise((resolve) => sender.send(vxlan(frame, { vni: 7 }), port, '127.0.0.1', resolve));
  }
  await until('all are told', async () => (await ask(socket, { command: 'report' })).report.tls.names.total === 4);
  const { out } = await earshot(['stats', '-c', config]);
  assert.match(out, /^encrypted, cannot be read$/m);
  assert.match(out, /^ {2}TLS {2}4 hellos, www[.]example[.]com 3, video[.]example 1$/m);
  assert.match(out, new RegExp(`^ {2}JA4 {2}${hellos.described.ja4} 3, q12d`, 'm'));
  assert.match(out, /^ {2}QUIC 1 packet, 1 connection, HTTP\/3 1$/m);
});
