/** Calls that stay open for long, from a file, through a pipe, and live: a real stream of events, reported while it runs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createRelay, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/app/control/client.ts';
import type { SensorReport } from '../../src/app/report.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import type { ClosingRecord } from '../../src/normalise/closing-record.ts';
import { type Ended, earshot } from '../support/command.ts';
import { ipPacket, partsOf } from '../support/conversation.ts';
import { message } from '../support/look-at-calls.ts';
import { ACK, ethernet, FIN, PSH, SYN, vxlan } from '../support/packets.ts';
import { PcapWriter } from '../support/pcap-writer.ts';
import { START_US } from '../support/run-pipeline.ts';

const root = join(import.meta.dirname, '../..');
const LOOKS_MAX = 600;
const LOOK_MS = 50;
const EMAIL = 'ann.smith@mail.example';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-long-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A stream of events that ends after 150 s, and a quick call on another connection that gives the time. */
function captureOf(folder: string): string {
  const writer = new PcapWriter();
  const put = (data: Buffer, atS: number): void => {
    writer.bytes.set(data, writer.reserve(data.length));
    writer.commit(data.length, START_US + atS * 1e6);
  };
  const events = partsOf({
    turns: [
      { fromServer: false, bytes: message('GET /events HTTP/1.1|Host: a.example') },
      { fromServer: true, bytes: Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ${EMAIL}\n\n`) },
      { fromServer: true, bytes: Buffer.from('data: 2\n\n') },
    ],
    calls: [],
    end: 'server-fin',
  });
  const quick = partsOf({
    turns: [
      { fromServer: false, bytes: message('GET /quick HTTP/1.1|Host: a.example') },
      { fromServer: true, bytes: message('HTTP/1.1 200 OK', 'done') },
    ],
    calls: [],
    end: 'client-fin',
  });
  const late = events.findIndex(({ payload }) => payload.includes('data: 2'));
  for (const [i, part] of events.slice(0, late).entries()) put(ethernet(ipPacket(part)), i / 100);
  for (const [i, part] of quick.entries()) put(ethernet(ipPacket(part, { clientPort: 50_000 })), 100 + i / 100);
  for (const [i, part] of events.slice(late).entries()) put(ethernet(ipPacket(part)), 150 + i / 100);
  const path = join(folder, 'events.pcap');
  writeFileSync(path, writer.close());
  return path;
}

/** `earshot read -` with a capture on its standard input. */
async function piped(capture: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(join(root, 'earshot'), ['read', '-', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  createReadStream(capture).pipe(child.stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

const linesOf = (text: string): (ApiCall | ClosingRecord)[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

test('from a file: whole calls, however long; through a pipe: reported open, and closed', async (t) => {
  const capture = captureOf(folderOf(t));
  const file = await earshot(['read', capture]);
  assert.deepEqual(
    linesOf(file.out).map((one) => [
      'request' in one && one.request !== null && 'target' in one.request && one.request.target,
      one.complete,
    ]),
    [
      ['/quick', true],
      ['/events', true],
    ],
  );
  const { code, out, err } = await piped(capture, []);
  assert.deepEqual([code, err], [0, '']);
  const [call, quick, closing, ...more] = linesOf(out) as [ApiCall, ApiCall, ClosingRecord];
  assert.equal(more.length, 0);
  assert.deepEqual([call.request?.target, call.causes], ['/events', ['still-open']]);
  assert.equal(quick.request?.target, '/quick');
  assert.partialDeepStrictEqual(closing, { schema: 'earshot.closing/1', call: call.id, complete: true, response: { status: 200 } });
  assert.equal(closing.response?.bytes, `data: ${EMAIL}\n\ndata: 2\n\n`.length);
  for (const text of [file.out, out]) assert.ok(!text.includes(EMAIL), 'masked');
});

test('other formats have the call alone, and the summary counts both', async (t) => {
  const capture = captureOf(folderOf(t));
  for (const format of ['uap-edge', 'zeek-json', 'ecs']) {
    const { code, out } = await piped(capture, ['--format', format]);
    assert.equal(code, 0);
    assert.equal(out.split('\n').length - 1, 2, `${format}: a line a call`);
    assert.doesNotMatch(out, /closing/);
  }
  const { out } = await piped(capture, ['--summary']);
  assert.match(out, /still open when they were reported 1/);
  assert.match(out, /^ +closings +1 /m);
  assert.match(out, /closings seen 1 = written 1$/m);
  assert.doesNotMatch(out, /DOES NOT BALANCE/);
});

async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < LOOKS_MAX; i++) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(LOOK_MS);
  }
  return assert.fail(`never: ${what}`);
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** A relay to `port` that mirrors what passes, as segments of a connection in VXLAN, to the end-point at `to`. */
async function mirroringRelay(t: TestContext, port: number, to: number): Promise<number> {
  const udp = createSocket('udp4');
  const next = [1000, 5000];
  const mirror = (side: number, flags: number, payload: Buffer): void => {
    const part = { fromServer: side === 1, flags, sequence: next[side], acknowledgement: next[1 - side], payload };
    next[side] += payload.length + (flags & (SYN | FIN) ? 1 : 0);
    udp.send(vxlan(ethernet(ipPacket(part)), { vni: 7 }), to, '127.0.0.1');
  };
  const none = Buffer.alloc(0);
  const sockets: Socket[] = [];
  const relay = createRelay((client) => {
    mirror(0, SYN, none);
    mirror(1, SYN | ACK, none);
    mirror(0, ACK, none);
    const server = connect(port, '127.0.0.1');
    [client, server].forEach((from, side) => {
      const other = side === 0 ? server : client;
      sockets.push(from);
      from.on('error', () => {});
      from.on('data', (data) => {
        mirror(side, ACK | PSH, data);
        mirror(1 - side, ACK, none);
        other.write(data);
      });
      from.on('end', () => {
        mirror(side, FIN | ACK, none);
        other.end();
      });
    });
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
    udp.close();
  });
  return (relay.address() as AddressInfo).port;
}

test('live: a stream of events is reported while it runs, and its end when it comes', async (t) => {
  const folder = folderOf(t);
  const port = await freePort();
  const socket = join(folder, 'control.sock');
  const file = join(folder, 'calls');
  const config = join(folder, 'earshot.yaml');
  const capture = { endpoints: [`udp://127.0.0.1:${port}?encap=vxlan`] };
  const settings = { capture, run: { workers: 1 }, control: { socket }, output: { file }, http: { stillOpenMs: 500 } };
  writeFileSync(config, JSON.stringify(settings));
  const sensor = spawn(join(root, 'earshot'), ['run', '--config', config], { stdio: 'ignore' });
  t.after(async () => {
    sensor.kill();
    if (sensor.exitCode === null) await once(sensor, 'exit');
  });
  const report = async (): Promise<SensorReport | undefined> =>
    await ask(socket, { command: 'report' }).then(
      (answer) => answer.report,
      () => undefined,
    );
  await until('the sensor is ready', async () => ((await report())?.health.ready ? true : undefined));
  let events: ServerResponse | undefined;
  const server = createServer((_request, response) => {
    events = response;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: first\n\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const relay = await mirroringRelay(t, (server.address() as AddressInfo).port, port);
  const answer = await fetch(`http://127.0.0.1:${relay}/events`);
  const records = (): (ApiCall | ClosingRecord)[] => (existsSync(file) ? linesOf(readFileSync(file, 'utf8')) : []);
  const call = await until('the call is reported', () => records()[0]);
  assert.partialDeepStrictEqual(call, { schema: 'earshot.api-call/1', causes: ['still-open'], response: { status: 200 } });
  assert.equal((await report())?.counters['closings.seen'] ?? 0, 0, 'it is open');
  events?.end('data: last\n\n');
  const text = await answer.text();
  const closing = await until('the end is reported', () => records()[1]);
  assert.partialDeepStrictEqual(closing, { schema: 'earshot.closing/1', call: call.id, complete: true });
  assert.equal(text, 'data: first\n\ndata: last\n\n');
  assert.equal((closing as ClosingRecord).response?.bytes, text.length);
  const last = await until('the sensor counts it', async () => {
    const now = await report();
    return now?.counters['closings.seen'] === 1 ? now : undefined;
  });
  for (const { name, balances } of last.ledger) assert.ok(balances, name);
  assert.equal(records().length, 2);
});
