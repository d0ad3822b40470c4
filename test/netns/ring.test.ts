/** The packet ring of the kernel: what is sent into one end of a cable is read at the other, byte for byte, once, in order. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { cannotUseNamespaces, type Namespace, Network } from '../support/netns.ts';
import * as p from '../support/packets.ts';
import { send } from '../support/sender.ts';
import type { Looked, ReadAnswer, ReaderOptions } from './ring-reader.ts';

const skip = cannotUseNamespaces();
const MIB = 1 << 20;
const ALL = 1e9;

class Reader {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  /** Starts a reader in the namespace; it listens when this is done. */
  static async start(at: Namespace, options: ReaderOptions): Promise<Reader> {
    const reader = new Reader(at, options);
    const { waiting, kernel } = await reader.#answer<Looked>();
    assert.deepEqual([waiting, kernel], [0, { packets: 0, dropped: 0 }], 'deaf until its filter lets packets pass');
    return reader;
  }

  private constructor(at: Namespace, options: ReaderOptions) {
    this.#child = at.spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'ring-reader.ts'), JSON.stringify(options)],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    const { stdout, stderr } = this.#child;
    assert.ok(stdout !== null);
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async #answer<Answer>(): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    assert.ok(done !== true, `the reader ended: ${this.#errors}`);
    return JSON.parse(value as string) as Answer;
  }

  async ask(word: 'look' | 'again'): Promise<Looked> {
    this.#child.stdin?.write(`${word}\n`);
    return await this.#answer();
  }

  async read(most = ALL): Promise<ReadAnswer> {
    this.#child.stdin?.write(`read ${most}\n`);
    return await this.#answer();
  }
}

function newNetwork(t: TestContext): Network {
  const network = new Network();
  t.after(() => network.remove());
  return network;
}

const framesOf = ({ packets }: ReadAnswer): Buffer[] => packets.map(({ base64 }) => Buffer.from(base64, 'base64'));

/** A frame that says which it is. */
function frame(i: number, length = 30): Buffer {
  const payload = Buffer.alloc(length, i);
  payload.writeUInt32BE(i, 0);
  return p.ethernet(p.ipv4(p.tcp(payload, { sourcePort: 1024 + (i % 50_000), sequence: i })));
}
const frames = (n: number, from = 0, length?: number): Buffer[] => Array.from({ length: n }, (_, i) => frame(from + i, length));

function assertSame(read: readonly Buffer[], sent: readonly Buffer[]): void {
  assert.equal(read.length, sent.length);
  for (const [i, one] of sent.entries())
    assert.ok(one.equals(read[i]), `frame ${i}: ${read[i].toString('hex')}, sent ${one.toString('hex')}`);
}

test('every frame once and in order, several times round the ring, with its time and its length', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const reader = await Reader.start(sensor, { interfaces: ['eni0'], ringBytes: 4 * MIB });
  let packets = 0;
  for (let round = 0; round < 3; round++) {
    const sent = [...frames(2_000, packets), ...frames(300, packets + 2_000, 8_000)];
    const fromUs = Date.now() * 1000;
    const [answer] = await Promise.all([reader.read(), send(wire, network.folder, sent, { device: 'wire' })]);
    assertSame(framesOf(answer), sent);
    const untilUs = Date.now() * 1000;
    for (const { wireBytes, base64, linkType, timeUs } of answer.packets) {
      assert.deepEqual([wireBytes, linkType], [Buffer.byteLength(base64, 'base64'), 1]);
      assert.ok(timeUs >= fromUs && timeUs <= untilUs + 1000, `${timeUs} between ${fromUs} and ${untilUs}`);
    }
    packets += sent.length;
    const { fill, waiting, kernel } = await reader.ask('look');
    assert.deepEqual({ fill, waiting, kernel }, { fill: 0, waiting: 0, kernel: { packets, dropped: 0 } });
    assert.deepEqual(
      answer.interfaces.map((one) => one.packets),
      [packets],
    );
  }
});

test('packets that wait are counted before they are handed over; a block that is not full comes after its time', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const reader = await Reader.start(sensor, { interfaces: ['eni0'], ringBytes: 32 * MIB });
  for (let i = 0; i < 3; i++) {
    await send(wire, network.folder, frames(7, i * 7), { device: 'wire' });
    assert.equal((await reader.ask('look')).waiting, 7 * (i + 1));
  }
  assertSame(framesOf(await reader.read()), frames(21));
  assert.equal((await reader.ask('look')).waiting, 0);
});

test('a ring that nobody reads fills up: what did not fit is what the kernel counts as dropped', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const reader = await Reader.start(sensor, { interfaces: ['eni0'], ringBytes: 4 * MIB });
  const sent = frames(1_000, 0, 8_000);
  await send(wire, network.folder, sent, { device: 'wire' });
  const full = await reader.ask('look');
  assert.equal(full.fill, 1);
  assert.equal(full.kernel.packets, sent.length);
  assert.ok(full.kernel.dropped > 0 && full.kernel.dropped < sent.length);
  assert.equal(full.waiting, sent.length - full.kernel.dropped);
  assertSame(framesOf(await reader.read()), sent.slice(0, full.waiting));
  const after = frames(500, 5_000);
  await send(wire, network.folder, after, { device: 'wire' });
  assertSame(framesOf(await reader.read()), after);
  const empty = await reader.ask('look');
  assert.deepEqual([empty.fill, empty.waiting, empty.kernel.dropped], [0, 0, full.kernel.dropped]);
});

test('another reader goes on where the first one ended, in the middle of a block', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const reader = await Reader.start(sensor, { interfaces: ['eni0'], ringBytes: 32 * MIB });
  const sent = frames(6_000, 0, 300);
  await send(wire, network.folder, sent, { device: 'wire' });
  const read: Buffer[] = [];
  for (const most of [1, 2_500, 0, 777, ALL]) {
    read.push(...framesOf(await reader.read(most)));
    assert.equal((await reader.ask('again')).waiting, sent.length - read.length);
  }
  assertSame(read, sent);
});

test('VLAN tags, which the kernel takes off on the way, are there again', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const reader = await Reader.start(sensor, { interfaces: ['eni0'], ringBytes: 32 * MIB });
  const inner = (i: number): Buffer => p.ipv4(p.tcp(Buffer.alloc(40, i), { sourcePort: 1024 + i }));
  const sent = Array.from({ length: 60 }, (_, i) => {
    if (i % 3 === 0) return p.ethernet(inner(i));
    const tagged = p.ethernet(
      p.vlan(i % 3 === 1 ? inner(i) : p.vlan(inner(i), { id: 7 }), {
        id: 1 + 60 * i,
        priority: i % 8,
        type: i % 3 === 1 ? 0x0800 : 0x8100,
      }),
    );
    if (i % 3 === 2) tagged.writeUInt16BE(0x88a8, 12);
    return tagged;
  });
  await send(wire, network.folder, sent, { device: 'wire' });
  const answer = await reader.read();
  assertSame(framesOf(answer), sent);
  assert.deepEqual(
    answer.packets.map(({ wireBytes }) => wireBytes),
    sent.map(({ length }) => length),
  );
});

test('two interfaces, each packet with its own; a third one is not heard', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener('eni0');
  network.veth({ in: wire, name: 'wire1' }, { in: sensor, name: 'eni1' });
  network.veth({ in: wire, name: 'wire2' }, { in: sensor, name: 'other' });
  const reader = await Reader.start(sensor, { interfaces: ['eni0', 'eni1'], ringBytes: 32 * MIB });
  await Promise.all([
    send(wire, network.folder, frames(400, 0), { device: 'wire' }),
    send(wire, network.folder, frames(300, 1_000), { device: 'wire1' }),
    send(wire, network.folder, frames(200, 2_000), { device: 'wire2' }),
  ]);
  const answer = await reader.read();
  const of = (device: string): Buffer[] => framesOf({ ...answer, packets: answer.packets.filter((one) => one.device === device) });
  assertSame(of('eni0'), frames(400, 0));
  assertSame(of('eni1'), frames(300, 1_000));
  assert.equal(answer.packets.length, 700);
  assert.equal((await reader.ask('look')).kernel.packets, 700, 'what the filter refuses is not counted');
});

test('lo shows every packet twice, going out and coming in: it is read once', { skip }, async (t) => {
  const network = newNetwork(t);
  const host = network.namespace('host');
  const reader = await Reader.start(host, { interfaces: ['lo'], ringBytes: 32 * MIB });
  const sent = Array.from({ length: 200 }, (_, i) => Buffer.from(`datagram ${i}`.padEnd(40)));
  await send(host, network.folder, sent, { datagramsTo: '127.0.0.1:9999' });
  const udp = framesOf(await reader.read()).filter((one) => one[23] === 17);
  assertSame(
    udp.map((one) => one.subarray(42)),
    sent,
  );
});

/** Sends a megabyte over TCP to whoever connects. */
const SERVER = `
const { createServer } = require('node:net');
const data = Buffer.alloc(1 << 20);
for (let i = 0; i < data.length; i += 4) data.writeUInt32BE(i, i);
createServer((socket) => socket.end(data)).listen(8080, '10.66.0.1', () => console.log('listening'));
`;
const CLIENT = `
let n = 0;
require('node:net').connect(8080, '10.66.0.1').on('data', (part) => { n += part.length; }).on('close', () => console.log(n));
`;

test('packets that offload makes larger than the MTU come whole', { skip }, async (t) => {
  const network = newNetwork(t);
  const server = network.namespace('server');
  const client = network.namespace('client');
  network.veth({ in: server, name: 'eth0', address: '10.66.0.1/24' }, { in: client, name: 'eth0', address: '10.66.0.2/24' });
  const reader = await Reader.start(client, { interfaces: ['eth0'], ringBytes: 16 * MIB });
  const serving = server.spawn(process.execPath, ['-e', SERVER]);
  await new Promise((resolve) => serving.stdout?.once('data', resolve));
  assert.equal((await client.start(process.execPath, ['-e', CLIENT])).trim(), String(MIB));
  const answer = await reader.read();
  const data = Buffer.alloc(MIB);
  let first = -1;
  let longest = 0;
  for (const { base64, wireBytes } of answer.packets) {
    const packet = Buffer.from(base64, 'base64');
    assert.equal(wireBytes, packet.length);
    if (packet.readUInt16BE(12) !== 0x0800 || packet[23] !== 6 || packet.readUInt16BE(34) !== 8080) continue;
    longest = Math.max(longest, packet.length);
    const sequence = packet.readUInt32BE(38);
    if ((packet[47] & p.SYN) !== 0) {
      first = (sequence + 1) >>> 0;
      continue;
    }
    packet.copy(data, (sequence - first) >>> 0, 34 + 4 * (packet[46] >> 4));
  }
  assert.ok(longest > 9_014, `the longest packet had ${longest} bytes: no offload here`);
  for (let i = 0; i < MIB; i += 4) if (data.readUInt32BE(i) !== i) assert.fail(`byte ${i} of what the server sent`);
  const { kernel, waiting } = await reader.ask('look');
  assert.deepEqual([kernel.packets, kernel.dropped, waiting], [answer.packets.length, 0, 0]);
});
