/**
 * Delivery as an operator meets it on the command line: `earshot read --deliver` to real sinks, and what `earshot run` and
 * `read --deliver` say at their start when sinks or spool cannot be used.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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

test('a sink that takes nothing: what is left is said, with the reason; spool deliver goes on with it', async (t) => {
  const edge = await edgeFor(t);
  edge.script(...Array.from({ length: 200 }, () => 503));
  const at = place({ sinks: { ...edgeSink(edge), calls: { type: 'file', path: join(folder, 'beside.jsonl') } } });
  const { code, err } = await read(at.config, '--deliver-timeout', '2s');
  assert.equal(code, 1);
  assert.match(err, new RegExp(`^earshot: 0 calls were delivered to edge, ${delivered} are left[.] .*503`, 'm'));
  assert.match(err, new RegExp(`^earshot: ${delivered} calls were delivered to calls[.]$`, 'm'), 'the other sink is not held up');
  assert.match(err, new RegExp(`what is left waits in the spool ${at.directory}: earshot spool deliver, or earshot run, goes on`));
  assert.match(err, /^earshot: reading the captures again would put their calls there a second time/m);
  const still = await earshot(['spool', 'deliver', '-c', at.config, '--deliver-timeout', '500ms']);
  assert.equal(still.code, 1);
  assert.match(still.err, new RegExp(`^earshot: 0 calls were delivered to edge, ${delivered} are left[.] `, 'm'));
  assert.doesNotMatch(still.err, /reading the captures/);
  assert.match((await earshot(['spool', 'status', '-c', at.config])).out, new RegExp(`^edge +\\d+ +${delivered} `, 'm'));
  const other = await edgeFor(t);
  writeFileSync(at.config, JSON.stringify({ ...JSON.parse(readFileSync(at.config, 'utf8')), sinks: edgeSink(other) }));
  const rest = await earshot(['spool', 'deliver', '-c', at.config]);
  assert.deepEqual([rest.code, rest.out, rest.err], [0, '', `earshot: ${delivered} calls were delivered to edge.\n`]);
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

test('at level memory reading waits for a slow sink, and nothing is lost', async (t) => {
  const large = file('larger.pcap', Buffer.concat([shop.pcap, ...Array.from({ length: 120 }, () => shop.pcap.subarray(24))]));
  let received = 0;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      received += Buffer.concat(parts).toString().split('\n').length - 1;
      setTimeout(() => response.writeHead(204).end(), 20);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const sinks = {
    slow: {
      type: 'http',
      url: `http://127.0.0.1:${port}/`,
      compression: 'none',
      batch: { recordsMax: 200, ageMsMax: 20 },
      concurrencyMax: 1,
    },
  };
  const at = place({ sinks, spool: { level: 'memory', memoryBytesMax: 1 << 20, compression: 'none' } });
  const { code, err } = await earshot(['read', '--deliver', '-c', at.config, large]);
  assert.equal(code, 0, err);
  const plain = await earshot(['read', large]);
  assert.equal(received, plain.out.split('\n').length - 1);
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

test('a CA file that is missing, empty or no certificate', async (t) => {
  const edge = await edgeFor(t);
  const notWith = async (caFile: string, line: RegExp): Promise<void> => {
    const at = place({ sinks: edgeSink(edge, { tls: { caFile } }) });
    await startsNot(at, line);
    assert.equal(existsSync(at.directory), false, 'nothing was touched');
    assert.equal((await earshot(['config', 'check', at.config])).code, 2, 'the check says so before');
  };
  await notWith(
    join(folder, 'no-such-ca.pem'),
    /Cannot use sinks[.]edge[.]tls: Cannot read .*no-such-ca[.]pem: it does not exist[.] Name a file/,
  );
  await notWith(file('empty-ca.pem', ''), /There is no certificate in .*empty-ca[.]pem[.] Put the certificates of your CA/);
  await notWith(file('wrong-ca.pem', 'this is no certificate\n'), /There is no certificate in .*wrong-ca[.]pem/);
});

test('two sinks on one file, and one on a file that another rotates to', async () => {
  const both = (a: string, b: string): Place => place({ sinks: { a: { type: 'file', path: a }, b: { type: 'file', path: b } } });
  const refused = async (at: Place, line: RegExp): Promise<void> => {
    await startsNot(at, line);
    const { code, err } = await earshot(['config', 'check', at.config]);
    assert.equal(code, 2);
    assert.match(err, line);
  };
  const path = join(folder, 'shared.jsonl');
  const folderLink = join(folder, 'link');
  symlinkSync(folder, folderLink);
  await refused(both(path, `${folder}/./shared.jsonl`), /sinks[.]a[.]path and sinks[.]b[.]path together: both name the file/);
  await refused(both(path, join(folderLink, 'shared.jsonl')), /both name the file/);
  await refused(both(path, `${path}.1`), /one of them is a name under which the other keeps files/);
  await refused(both(`${path}.1`, path), /one of them is a name under which the other keeps files/);
  const apart = await earshot(['config', 'check', both(path, `${path}.b`).config]);
  assert.equal(apart.code, 0, apart.err);
});

test('a key that does not belong to its certificate, and one that is none', async (t) => {
  const edge = await edgeFor(t);
  const withKey = (keyFile: string): Place =>
    place({ sinks: edgeSink(edge, { tls: { caFile: edge.caFile, certificateFile: edge.clientCertificateFile, keyFile } }) });
  await startsNot(
    withKey(file('other.key', edge.makeClient('other').key)),
    /other[.]key does not belong to the certificate in .*client[.]pem/,
  );
  await startsNot(withKey(file('no.key', 'no key\n')), /There is no private key in .*no[.]key that can be read/);
});

test('a secret that is missing', async (t) => {
  const edge = await edgeFor(t);
  const withToken = (token: object): Place => place({ sinks: edgeSink(edge, { auth: { type: 'token', token } }) });
  await startsNot(
    withToken({ file: join(folder, 'no-such-token') }),
    /Cannot use sinks[.]edge[.]auth[.]token: Cannot read the secret in file .*no-such-token: there is no such file[.] Put the secret/,
  );
  await startsNot(withToken({ file: file('empty-token', '\n') }), /empty-token: it is empty/);
  await startsNot(withToken({ environment: 'EARSHOT_NO_SUCH_TOKEN' }), /EARSHOT_NO_SUCH_TOKEN: the variable is not set/);
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
