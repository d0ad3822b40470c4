/**
 * Delivery as an operator meets it on the command line: `earshot read --deliver` to real sinks, and what `earshot run` and
 * `read --deliver` say at their start when sinks or spool cannot be used.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { Spool } from '../../src/ship/spool/spool.ts';
import { earshot, refuses } from '../support/command.ts';
import { Edge } from '../support/edge.ts';
import { makeShop } from '../support/shop.ts';
import { spoolSettings } from '../support/spool-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-delivery-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const CLOSE_MS = 10_000;
const PIPELINE = 'default';

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const shop = makeShop();
const capture = file('shop.pcap', shop.pcap);
/** The shipped filters leave the probes out. */
const delivered = shop.calls.filter(({ target }) => target !== '/healthz').length;

const payments = shop.calls.filter(({ target }) => target.startsWith('/payments')).length;

let places = 0;

interface Place {
  readonly directory: string;
  readonly config: string;
  readonly out: string;
}

/** A configuration with a spool of its own, and one file sink where no others are given. */
function place(more: { readonly sinks?: object; readonly spool?: object; readonly pipelines?: object } = {}): Place {
  const base = join(folder, String(++places));
  mkdirSync(base);
  const directory = join(base, 'spool');
  const out = join(base, 'calls.jsonl');
  const settings = {
    spool: { directory, freeBytesMin: 0, ...more.spool },
    sinks: more.sinks ?? { calls: { type: 'file', path: out } },
    ...(more.pipelines !== undefined && { pipelines: more.pipelines }),
    control: { socket: join(base, 'control.sock') },
  };
  const config = join(base, 'earshot.yaml');
  writeFileSync(config, JSON.stringify(settings));
  return { directory, config, out };
}

function edgeSink(edge: Edge, more: object = {}): object {
  return {
    edge: {
      type: 'uap-edge',
      url: edge.url,
      auth: {
        type: 'oauth2',
        tokenUrl: edge.tokenUrl,
        clientId: edge.clientId,
        clientSecret: { file: edge.secretFile },
      },
      tls: { caFile: edge.caFile },
      batch: { ageMsMax: 20 },
      ...more,
    },
  };
}

async function edgeFor(t: TestContext): Promise<Edge> {
  const edge = await Edge.open();
  t.after(() => edge.close());
  return edge;
}

const read = (config: string, ...more: string[]): ReturnType<typeof earshot> =>
  earshot(['read', '--deliver', '-c', config, ...more, capture]);

function ids(text: string): string[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { id: string }).id);
}

// read --deliver

test('what is read is delivered, filtered and masked, and a second read gives the same ids', async () => {
  const at = place();
  const first = await read(at.config);
  assert.deepEqual([first.code, first.out, first.err], [0, '', `earshot: ${delivered} calls were delivered to calls.\n`]);
  const text = readFileSync(at.out, 'utf8');
  assert.equal(ids(text).length, delivered);
  assert.ok(JSON.parse(text.slice(0, text.indexOf('\n'))).masked !== undefined);
  assert.equal((await read(at.config)).code, 0);
  const twice = ids(readFileSync(at.out, 'utf8'));
  assert.equal(twice.length, 2 * delivered);
  assert.equal(new Set(twice).size, delivered);
});

test('to an edge over TLS with a token', async (t) => {
  const edge = await edgeFor(t);
  const at = place({ sinks: edgeSink(edge) });
  const { code, err } = await read(at.config);
  assert.deepEqual([code, err], [0, `earshot: ${delivered} calls were delivered to edge.\n`]);
  assert.equal(new Set(edge.received()).size, delivered);
});

test('a sink that takes nothing: what is left is said, with the reason; the next run delivers it', async (t) => {
  const edge = await edgeFor(t);
  edge.script(...Array.from({ length: 200 }, () => 503));
  const at = place({ sinks: { ...edgeSink(edge), calls: { type: 'file', path: join(folder, 'beside.jsonl') } } });
  const { code, err } = await read(at.config, '--deliver-timeout', '2s');
  assert.equal(code, 1);
  assert.match(err, new RegExp(`^earshot: 0 calls were delivered to edge, ${delivered} are left[.] .*503`, 'm'));
  assert.match(err, new RegExp(`^earshot: ${delivered} calls were delivered to calls[.]$`, 'm'), 'the other sink is not held up');
  assert.match(err, new RegExp(`what is left is in the spool ${at.directory}`));
  assert.match((await earshot(['spool', 'status', '-c', at.config])).out, new RegExp(`^edge +\\d+ +${delivered} `, 'm'));
  const empty = file('empty.pcap', shop.pcap.subarray(0, 24));
  const other = await edgeFor(t);
  writeFileSync(at.config, JSON.stringify({ ...JSON.parse(readFileSync(at.config, 'utf8')), sinks: edgeSink(other) }));
  const rest = await earshot(['read', '--deliver', '-c', at.config, empty]);
  assert.equal(rest.code, 0, rest.err);
  assert.equal(new Set(other.received()).size, delivered);
});

test('what the edge refuses goes to the dead letters, and the exit code says that not all was delivered', async (t) => {
  const edge = await edgeFor(t);
  edge.script(...Array.from({ length: 100 }, () => 422));
  const at = place({ sinks: edgeSink(edge) });
  const { code, err } = await read(at.config, '--filter-port', '9000');
  assert.equal(code, 1, err);
  assert.match(err, new RegExp(`${payments} it refused [(]earshot spool dead-letters list[)]`));
  const list = await earshot(['spool', 'dead-letters', 'list', '--json', '-c', at.config]);
  assert.equal(ids(list.out).length, payments, list.err);
  const replay = await earshot(['spool', 'dead-letters', 'replay', '--sink', 'edge', '-c', at.config]);
  assert.match(replay.out, new RegExp(`^${payments} records were put back`));
});

test('a spool with little room makes reading wait, and nothing is lost', async () => {
  const large = file('large.pcap', Buffer.concat([shop.pcap, ...Array.from({ length: 60 }, () => shop.pcap.subarray(24))]));
  const at = place({ spool: { segmentBytes: 1 << 20, memoryBytesMax: 1 << 20 } });
  const { code, err } = await earshot(['read', '--deliver', '-c', at.config, large]);
  assert.equal(code, 0, err);
  const [, said] = /^earshot: ([\d,]+) calls were delivered to calls[.]$/m.exec(err) ?? [];
  const plain = await earshot(['read', large]);
  assert.equal(Number(said?.replaceAll(',', '')), plain.out.split('\n').length - 1);
  assert.deepEqual(ids(readFileSync(at.out, 'utf8')), ids(plain.out));
});

test('read --deliver refuses what does not go with it, before it touches anything', async () => {
  const at = place();
  refuses(await read(at.config, '--unmasked'), 2, /only what is masked may leave.* Leave out --unmasked/);
  refuses(await read(at.config, '--unfiltered'), 2, /Leave out --unfiltered/);
  refuses(await read(at.config, '-f', 'har'), 2, /Leave out --format/);
  refuses(await earshot(['read', '--deliver', capture]), 2, /no configuration says where to.*--config/);
  refuses(await read(place({ sinks: {} }).config), 2, /has no sinks/);
  refuses(await read(at.config, '--deliver-timeout', 'soon'), 2, /Wanted: a time from 100ms/);
  assert.equal(existsSync(at.directory), false);
});

// What is wrong at the start.

/** A port of the system's choice, for an end-point. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Neither command starts: one line that fits, and the exit code 2. */
async function startsNot({ config }: Place, line: RegExp): Promise<void> {
  const endpoint = `udp://127.0.0.1:${await freePort()}?encap=vxlan`;
  for (const args of [
    ['run', '-w', '1', '-e', endpoint, '-c', config, '--log-level', 'error'],
    ['read', '--deliver', '-c', config, capture],
  ]) {
    const ended = await earshot(args);
    refuses(ended, 2, line);
    assert.doesNotMatch(ended.err, /\bat .*[.]ts:\d+/, 'no stack');
  }
}

/** A sink that cannot work holds its records: they stay in the spool, and what is wrong is said. */
async function holds(sinks: object, line: RegExp): Promise<void> {
  const at = place({ sinks });
  const { code, out, err } = await read(at.config, '--deliver-timeout', '2s');
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, new RegExp(`^earshot: 0 calls were delivered to edge, ${delivered} are left[.] `, 'm'));
  assert.match(err, line);
  assert.match((await earshot(['spool', 'status', '-c', at.config])).out, new RegExp(`^edge +\\d+ +${delivered} `, 'm'));
}

test('a CA file that is missing, empty or no certificate blocks the sink, and nothing is lost', async (t) => {
  const edge = await edgeFor(t);
  await holds(edgeSink(edge, { tls: { caFile: join(folder, 'no-such-ca.pem') } }), /no-such-ca[.]pem/);
  await holds(edgeSink(edge, { tls: { caFile: file('empty-ca.pem', '') } }), /empty-ca[.]pem/);
  await holds(edgeSink(edge, { tls: { caFile: file('wrong-ca.pem', 'this is no certificate\n') } }), /wrong-ca[.]pem/);
});

test('a key that does not belong to its certificate does too', async (t) => {
  const edge = await edgeFor(t);
  const keyFile = file('other.key', edge.makeClient('other').key);
  const tls = { caFile: edge.caFile, certificateFile: edge.clientCertificateFile, keyFile };
  await holds(edgeSink(edge, { tls }), /other[.]key|client[.]pem/);
});

test('and a secret file that is missing', async (t) => {
  const edge = await edgeFor(t);
  const auth = { type: 'token', token: { file: join(folder, 'no-such-token') } };
  await holds(edgeSink(edge, { auth }), /no-such-token/);
});

test('settings of a sink that can never work', async (t) => {
  const edge = await edgeFor(t);
  const headers = { host: 'elsewhere' };
  await startsNot(place({ sinks: edgeSink(edge, { headers }) }), /Cannot use the sink edge: the header field "host" cannot be set/);
});

test('a key of the spool that is missing, or no key', async () => {
  await startsNot(place({ spool: { encryptionKey: { file: join(folder, 'no-such-key') } } }), /no-such-key/);
  const short = file('short.key', 'abc\n');
  await startsNot(place({ spool: { encryptionKey: { file: short } } }), /short[.]key.*not 32 bytes.*openssl rand/);
});

test('a spool that another sensor uses', async () => {
  const at = place();
  const spool = await Spool.open({ directory: at.directory, settings: spoolSettings(), pipelines: [PIPELINE], readers: [] });
  await startsNot(at, new RegExp(`Cannot use the spool .*: process ${process.pid} uses it[.] Stop that one`));
  await spool.close(Date.now() + CLOSE_MS);
});

test('a spool of a later version', async () => {
  const at = place();
  mkdirSync(at.directory);
  const sum = crc32('state 9 {}').toString(16).padStart(8, '0');
  writeFileSync(join(at.directory, 'state'), `earshot-spool state 9 ${sum} {}\n`);
  await startsNot(at, /version 9 of the format: this version of Earshot knows it up to 1[.] Run the version that wrote it/);
});

test('a directory that cannot be written', async () => {
  const blocked = file('no-folder', '');
  await startsNot(place({ spool: { directory: join(blocked, 'spool') } }), /no-folder.*no directory/);
  if (process.getuid?.() === 0) {
    await startsNot(place({ spool: { directory: '/proc/earshot/spool' } }), /\/proc\/earshot/);
    return;
  }
  const closed = join(folder, 'closed');
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  await startsNot(place({ spool: { directory: join(closed, 'spool') } }), /permission denied/);
});

test('a pipeline that names a sink which there is not', async () => {
  const at = place({ pipelines: { all: { sinks: ['nobody'] } } });
  const endpoint = `udp://127.0.0.1:${await freePort()}?encap=vxlan`;
  for (const args of [
    ['run', '-e', endpoint, '-c', at.config],
    ['read', '--deliver', '-c', at.config, capture],
  ]) {
    const { code, out, err } = await earshot(args);
    assert.deepEqual([code, out], [2, '']);
    assert.match(err, /wanted: the name of one of the sinks/);
  }
});
