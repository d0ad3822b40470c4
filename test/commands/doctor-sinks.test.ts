/**
 * `earshot doctor` and the way behind the calls: disk, spool and sinks. One fault at a time is put into a real edge, its
 * certificates, its tokens, the network in front of it, or the disk: the doctor names each first.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { ask as control } from '../../src/app/control/client.ts';
import type { SensorReport } from '../../src/app/report.ts';
import { spoolKeys } from '../../src/ship/spool/keys.ts';
import { Spool } from '../../src/ship/spool/spool.ts';
import { makeCertificate } from '../support/certificates.ts';
import { earshot } from '../support/command.ts';
import { ConnectProxy } from '../support/connect-proxy.ts';
import { Edge, type EdgeOptions } from '../support/edge.ts';
import { batchOf, spoolSettings } from '../support/spool-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-doctor-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const CLOSE_MS = 10_000;
const LIMIT_MS = 20_000;
const HOUR_MS = 3_600_000;
let places = 0;

interface Told {
  readonly ok: boolean;
  readonly first: string | null;
  readonly steps: readonly { readonly step: string; readonly verdict: string; readonly evidence: string }[];
  readonly findings: readonly {
    readonly code: string;
    readonly severity: string;
    readonly what: string;
    readonly next: string;
    readonly evidence: string;
  }[];
}

interface Place {
  readonly config: string;
  readonly base: string;
  readonly directory: string;
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function place(sinks: object, spool: object = {}): Promise<Place> {
  const base = join(folder, String(++places));
  mkdirSync(base);
  const directory = join(base, 'spool');
  const config = join(base, 'earshot.yaml');
  const settings = {
    capture: { endpoints: [`udp://127.0.0.1:${await freePort()}?encap=vxlan`], receiveBufferBytes: 65_536 },
    spool: { directory, freeBytesMin: 0, ...spool },
    sinks,
    control: { socket: join(base, 'control.sock') },
  };
  writeFileSync(config, JSON.stringify(settings));
  return { config, base, directory };
}

async function edgeFor(t: TestContext, options: EdgeOptions = {}): Promise<Edge> {
  const edge = await Edge.open(options);
  t.after(() => edge.close());
  return edge;
}

function sinkTo(edge: Edge, more: object = {}): object {
  const { tokenUrl, clientId, secretFile, caFile, url } = edge;
  return {
    type: 'uap-edge',
    url,
    auth: { type: 'oauth2', tokenUrl, clientId, clientSecret: { file: secretFile } },
    tls: { caFile },
    ...more,
  };
}

async function ask({ config }: Place): Promise<{ readonly code: number | null; readonly told: Told }> {
  const { code, out, err } = await earshot(['doctor', '--json', '-c', config]);
  assert.equal(err, '');
  return { code, told: JSON.parse(out) as Told };
}

/** That is broken, is named first, in these words; and nothing is a fault of ours. */
async function names(at: Place, code: string, words: RegExp, severity = 'broken'): Promise<Told> {
  const { code: exit, told } = await ask(at);
  assert.equal(told.first, code, JSON.stringify(told.findings, null, 1));
  assert.match(`${told.findings[0].what} ${told.findings[0].evidence} ${told.findings[0].next}`, words);
  assert.equal(told.findings[0].severity, severity);
  assert.equal(exit, severity === 'broken' ? 1 : 0);
  return told;
}

function stepNames(told: Told, sink: string): string[] {
  return told.steps
    .filter(({ step }) => step.startsWith(`${sink}: `))
    .map(({ step, verdict }) => `${step.slice(sink.length + 2)} ${verdict}`);
}

test('all is well: every step is shown, no record is sent, and nothing is made', async (t) => {
  const edge = await edgeFor(t);
  const out = join(folder, 'well.jsonl');
  const at = await place({ edge: sinkTo(edge), calls: { type: 'file', path: out }, pipe: { type: 'stdout' } });
  const { code, told } = await ask(at);
  assert.deepEqual([code, told.ok, told.first, told.findings], [0, true, null, []]);
  assert.deepEqual(stepNames(told, 'edge'), ['name ok', 'TCP ok', 'TLS ok', 'token ok', 'test delivery ok']);
  assert.deepEqual(stepNames(told, 'calls'), ['file ok', 'space ok']);
  assert.deepEqual(stepNames(told, 'pipe'), ['output ok']);
  const seen = (step: string): string => told.steps.find((one) => one.step === step)?.evidence ?? '';
  assert.match(seen('edge: name'), /^localhost is .*(127[.]0[.]0[.]1|::1)/);
  assert.match(seen('edge: TLS'), /TLSv1[.]3.* CN=localhost is signed by CN=Earshot Test CA .*no public CA.*good until \d{4}-/);
  assert.match(seen('edge: token'), /^localhost:\d+ gave one for 5 min$/);
  assert.match(seen('edge: test delivery'), /200/);
  assert.match(seen('disk'), /free/);
  assert.match(seen('spool'), /level disk, 0 records/);
  assert.equal(edge.deliveries.length, 1);
  assert.deepEqual(edge.received(), []);
  assert.equal(existsSync(at.directory), false);
  assert.equal(existsSync(out), false);
  const text = (await earshot(['doctor', '-c', at.config])).out;
  assert.match(text, /^edge: TLS +ok +TLSv1[.]3/m);
  assert.match(text, /Nothing is wrong with what was looked at/);
});

test('what listens is no broker: one line for each step', async (t) => {
  const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const at = await place({ bus: { type: 'kafka', brokers: [`127.0.0.1:${port}`], topic: 'calls', useTls: false } });
  const { told } = await ask(at);
  assert.deepEqual(stepNames(told, 'bus'), ['brokers ok', 'Kafka broken']);
});

test('an edge that only minds that the batch is empty is well', async (t) => {
  const edge = await edgeFor(t);
  for (const status of [400, 411, 415, 422]) {
    edge.script(status);
    const { code, told } = await ask(await place({ edge: sinkTo(edge) }));
    assert.equal(code, 0, JSON.stringify(told.findings));
    assert.match(told.steps.find(({ step }) => step === 'edge: test delivery')?.evidence ?? '', new RegExp(`${status}[ ,].*let in`));
  }
});

test('down', async (t) => {
  const edge = await edgeFor(t);
  const at = await place({ edge: sinkTo(edge) });
  await edge.stop();
  const told = await names(at, 'sink-unreachable', /Sink edge: Nobody listens at localhost:\d+/);
  assert.deepEqual(stepNames(told, 'edge'), ['name ok', 'TCP broken']);
  await edge.start();
});

test('a name that nobody knows', async (t) => {
  const edge = await edgeFor(t);
  const at = await place({ edge: sinkTo(edge, { url: 'https://edge.invalid/api-transactions' }) });
  const told = await names(at, 'sink-name-unknown', /edge[.]invalid/);
  assert.deepEqual(stepNames(told, 'edge'), ['name broken']);
});

test('certificates: unknown CA, expired, not yet valid, of another host', async (t) => {
  for (const [certificate, code, words] of [
    ['unknown-ca', 'sink-certificate-untrusted', /signed by CN=Example Inspection CA, which is not trusted here.*intercepted/],
    ['self-signed', 'sink-certificate-untrusted', /signed by itself/],
    ['expired', 'sink-certificate-expired', /expired: that of CN=localhost is good until \d{4}-/],
    ['not-yet-valid', 'sink-certificate-expired', /good from \d{4}-/],
    ['wrong-host', 'sink-certificate-name', /not for localhost; the names in it: edge[.]example/],
  ] as const) {
    const edge = await edgeFor(t, { certificate });
    const told = await names(await place({ edge: sinkTo(edge) }), code, words);
    assert.deepEqual(stepNames(told, 'edge'), ['name ok', 'TCP ok', 'TLS broken'], certificate);
  }
});

test('certificates: of this sensor, missing, and soon at their end', async (t) => {
  const edge = await edgeFor(t, { clientCertificate: true });
  await names(await place({ edge: sinkTo(edge) }), 'sink-token', /client certificate/);
  const none = { auth: { type: 'none' } };
  const open = await edgeFor(t, { clientCertificate: true, authorization: 'none' });
  await names(await place({ edge: sinkTo(open, none) }), 'sink-client-certificate', /client certificate/);
  const soon = makeCertificate({ commonName: 'sensor', validTo: new Date(Date.now() + 50 * HOUR_MS) }, edge.authority);
  const pair = { certificateFile: edge.file('soon.pem', soon.certificate), keyFile: edge.file('soon.key', soon.key) };
  const at = await place({ edge: sinkTo(edge, { tls: { caFile: edge.caFile, ...pair } }) });
  await names(at, 'sink-certificate-ends', /client certificate of this sensor ends in 2 days/, 'warning');
  const missing = await place({ edge: sinkTo(edge, { tls: { caFile: join(folder, 'no-such-ca.pem') } }) });
  await names(missing, 'sink-tls', /no-such-ca[.]pem/);
});

test('tokens: refused, end-point down, secret missing, refused by the sink', async (t) => {
  const edge = await edgeFor(t);
  edge.rotateSecret(false);
  const told = await names(await place({ edge: sinkTo(edge) }), 'sink-token', /the token end-point localhost:\d+ .*invalid_client/i);
  assert.deepEqual(stepNames(told, 'edge'), ['name ok', 'TCP ok', 'TLS ok', 'token broken']);
  assert.doesNotMatch(JSON.stringify(told), /s3cret/);
  edge.publishSecret();
  const other = await edgeFor(t);
  await other.stop();
  const auth = { type: 'oauth2', tokenUrl: other.tokenUrl, clientId: 'sensor', clientSecret: { file: edge.secretFile } };
  await names(await place({ edge: sinkTo(edge, { auth }) }), 'sink-token', /Nobody listens at the token end-point localhost/);
  await other.start();
  const gone = { ...auth, tokenUrl: edge.tokenUrl, clientSecret: { file: join(folder, 'no-such-secret') } };
  await names(await place({ edge: sinkTo(edge, { auth: gone }) }), 'sink-credentials', /no-such-secret/);
  edge.script(401, 401);
  await names(await place({ edge: sinkTo(edge) }), 'sink-token', /refuses the token [(]401/);
});

test('a clock that is wrong: the reason of a refusal, and a warning without one', async (t) => {
  const edge = await edgeFor(t);
  edge.clockAheadMs = 2 * HOUR_MS;
  edge.scriptTokens({ status: 401, headers: { 'content-type': 'application/json' }, body: '{"error":"invalid_client"}' });
  const at = await place({ edge: sinkTo(edge) });
  await names(at, 'clock-skew', /the clock of this machine is 2 h 0 min behind that of localhost:\d+/i);
  const told = await names(at, 'clock-skew', /2 h 0 min behind/, 'warning');
  assert.equal(told.findings.length, 1, 'it is said once');
});

test('answers: 403, 404, a redirect, a web page, 503, and none', async (t) => {
  const edge = await edgeFor(t);
  const at = await place({ edge: sinkTo(edge) });
  edge.script(403);
  const told = await names(at, 'sink-forbidden', /does not allow this delivery [(]403 Forbidden[)]/);
  assert.deepEqual(stepNames(told, 'edge').at(-1), 'test delivery broken');
  edge.script({ status: 302, headers: { location: 'https://login.example/' } });
  await names(at, 'sink-url', /redirects to https:\/\/login[.]example/);
  edge.script('page');
  await names(at, 'sink-url', /web page [(]"Sign in"[)] in place of an API/);
  edge.script(503);
  await names(at, 'sink-unavailable', /503/);
  edge.script('silent');
  await names(at, 'sink-slow', /does not answer the request within/);
  const elsewhere = await place({ edge: sinkTo(edge, { url: new URL('/no-such-path', edge.url).href }) });
  await names(elsewhere, 'sink-url', /There is nothing at https:\/\/localhost:\d+\/no-such-path [(]404/);
});

test('not the service that was meant: no TLS there, and plain HTTP to TLS', async (t) => {
  const plain = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  t.after(() => plain.close());
  const { port } = plain.address() as AddressInfo;
  const sink = { type: 'http', url: `https://127.0.0.1:${port}/in` };
  await names(await place({ api: sink }), 'sink-tls', /does not speak TLS/);
  const { code } = await ask(await place({ api: { ...sink, url: `http://127.0.0.1:${port}/in` } }));
  assert.equal(code, 0);
});

test('the proxy: wants a password, forbids, is down; and lets through', async (t) => {
  const edge = await edgeFor(t);
  const strict = await ConnectProxy.open({ user: 'sensor', password: 'open sesame' });
  t.after(() => strict.close());
  await names(await place({ edge: sinkTo(edge, { proxy: strict.url }) }), 'sink-proxy', /wants a user and a password.*407/);
  const password = join(folder, 'proxy-password');
  writeFileSync(password, 'open sesame\n');
  const through = await place({ edge: sinkTo(edge, { proxy: strict.url, proxyUser: 'sensor', proxyPassword: { file: password } }) });
  const { code, told } = await ask(through);
  assert.equal(code, 0, JSON.stringify(told.findings));
  assert.deepEqual(stepNames(told, 'edge'), ['name ok', 'proxy ok', 'TLS ok', 'token ok', 'test delivery ok']);
  const forbidding = await ConnectProxy.open({ refuse: 403 });
  t.after(() => forbidding.close());
  await names(await place({ edge: sinkTo(edge, { proxy: forbidding.url }) }), 'sink-proxy', /does not let the sensor connect to localhost/);
  const away = await ConnectProxy.open();
  await away.close();
  await names(await place({ edge: sinkTo(edge, { proxy: away.url }) }), 'sink-proxy', /Nobody listens at the proxy 127[.]0[.]0[.]1/);
});

test('of two sinks the one that is broken is named, and the other is shown as well', async (t) => {
  const [good, bad] = [await edgeFor(t), await edgeFor(t)];
  bad.script(403);
  const told = await names(await place({ bad: sinkTo(bad), good: sinkTo(good) }), 'sink-forbidden', /^Sink bad: /);
  assert.equal(stepNames(told, 'good').at(-1), 'test delivery ok');
  assert.equal(told.findings.length, 1);
});

// Files and disk.

test('a file sink: folder missing, no regular file', async () => {
  const to = (path: string): Promise<Place> => place({ calls: { type: 'file', path } });
  await names(await to(join(folder, 'no-such-folder/calls.jsonl')), 'sink-file', /no-such-folder\/calls[.]jsonl does not exist/);
  await names(await to(folder), 'sink-file', /no regular file/);
});

test('less free than spool.freeBytesMin', async (t) => {
  const freeBytesMin = 2 ** 40;
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize > freeBytesMin) {
    t.skip('more is free here than can be asked for');
    return;
  }
  const at = await place({ calls: { type: 'file', path: join(folder, 'c.jsonl') } }, { freeBytesMin });
  await names(at, 'disk-full', /Less than spool[.]freeBytesMin is free.*calls wait in memory/);
});

test('a disk that is full', { skip: process.getuid?.() === 0 ? false : 'only root may mount' }, async (t) => {
  const mount = join(folder, 'small');
  mkdirSync(mount);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,nr_inodes=200', 'none', mount]);
  if (mounted.status !== 0) {
    t.skip('no tmpfs can be mounted here');
    return;
  }
  t.after(() => spawnSync('umount', [mount]));
  const calls = { calls: { type: 'file', path: join(folder, 'd.jsonl') } };
  const spool = { directory: join(mount, 'spool'), freeBytesMin: 1 << 20 };
  assert.equal((await ask(await place(calls, spool))).code, 0);
  writeFileSync(join(mount, 'fill'), Buffer.alloc(1_900_000));
  await names(await place(calls, spool), 'disk-full', /Less than spool[.]freeBytesMin/);
  await names(await place({ calls: { type: 'file', path: join(mount, 'e.jsonl') } }), 'disk-full', /e[.]jsonl cannot be written: no space/);
  rmSync(join(mount, 'fill'));
  for (let i = 0; i < 150; i++) writeFileSync(join(mount, `file-${i}`), '');
  await names(await place(calls, spool), 'disk-full', /inodes/);
});

test('a spool whose directory is a file', async () => {
  const path = join(folder, 'no-folder');
  writeFileSync(path, '');
  const at = await place({ calls: { type: 'file', path: join(folder, 'f.jsonl') } }, { directory: join(path, 'spool') });
  await names(at, 'spool-unwritable', /no-folder/);
});

// The spool.

const calls = { calls: { type: 'file', path: join(folder, 'g.jsonl') } };

test('a spool that another process uses, and then not', async () => {
  const at = await place(calls);
  const spool = await Spool.open({ directory: at.directory, settings: spoolSettings(), pipelines: ['default'], readers: [] });
  await names(at, 'spool-locked', new RegExp(`Process ${process.pid} uses the spool .*no sensor answers`));
  await spool.close(Date.now() + CLOSE_MS);
  assert.equal((await ask(at)).code, 0);
});

test('a spool of a later version', async () => {
  const at = await place(calls);
  mkdirSync(at.directory);
  const sum = crc32('state 9 {}').toString(16).padStart(8, '0');
  writeFileSync(join(at.directory, 'state'), `earshot-spool state 9 ${sum} {}\n`);
  await names(at, 'spool-newer', /version 9/);
});

test('a key that is missing or no key', async () => {
  await names(await place(calls, { encryptionKey: { file: join(folder, 'no-such-key') } }), 'spool-key', /no-such-key/);
  const short = join(folder, 'short.key');
  writeFileSync(short, 'abc\n');
  await names(await place(calls, { encryptionKey: { file: short } }), 'spool-key', /not 32 bytes/);
});

/** A spool with so many records in it, that nobody has taken yet. */
async function fill(directory: string, records: number, key: Uint8Array | null = null): Promise<void> {
  const settings = spoolSettings();
  const readers = [{ name: 'calls', pipelines: ['default'] }];
  const spool = await Spool.open({ directory, settings, pipelines: ['default'], readers, keys: spoolKeys(key) });
  spool.append(batchOf(Array.from({ length: records }, (_none, i) => `{"id":"s.1.0.${i}"}`)));
  await spool.close(Date.now() + CLOSE_MS);
}

test('what waits in the spool, and for how long', async () => {
  const at = await place(calls);
  await fill(at.directory, 12);
  const { code, told } = await ask(at);
  assert.deepEqual([code, told.findings], [0, []]);
  assert.match(told.steps.find(({ step }) => step === 'spool')?.evidence ?? '', /12 records, .*12 wait for calls, the oldest for /);
});

test('a part of the spool is encrypted with a key that is not given', async () => {
  const at = await place(calls);
  await fill(at.directory, 3, randomBytes(32));
  await names(at, 'spool-key', /encrypted with a key that is not given: [0-9a-f]{16}[.]/);
});

test('a spool that is damaged', async () => {
  const at = await place(calls);
  await fill(at.directory, 200);
  const segment = readdirSync(at.directory).find((name) => name.endsWith('.segment')) ?? '';
  truncateSync(join(at.directory, segment), statSync(join(at.directory, segment)).size >> 1);
  await names(at, 'spool-corrupt', /damaged|missing/, 'warning');
});

// Beside a running sensor.

test('a running sensor that is refused: both say so, it is said once, and its spool is its own', async (t) => {
  const edge = await edgeFor(t, { authorization: 'none' });
  edge.script(...Array.from({ length: 50 }, () => 403));
  const sink = { type: 'http', url: edge.url, tls: { caFile: edge.caFile } };
  const at = await place({ calls: sink });
  await fill(at.directory, 5);
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/main.ts'), 'run', '-w', '1', '-c', at.config], {
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  await untilReport(at, (report) => report.ship?.sinks[0].blocked !== null && report.ship !== null);
  const told = await names(at, 'sink-forbidden', /^Sink calls: .*403.*says the running sensor too/);
  assert.deepEqual(
    told.findings.map(({ code }) => code),
    ['sink-forbidden'],
  );
  assert.match(told.steps.find(({ step }) => step === 'spool')?.evidence ?? '', /5 wait for calls/);
  assert.match(told.steps.find(({ step }) => step === 'calls: sensor')?.evidence ?? '', /^0 delivered by the running sensor, 5 wait/);
});

async function untilReport(at: Place, isSo: (report: SensorReport) => boolean): Promise<void> {
  const path = join(at.base, 'control.sock');
  for (const endMs = Date.now() + LIMIT_MS; ; await sleep(50)) {
    const answer = await control(path, { command: 'report' }).catch(() => null);
    if (answer !== null && isSo(answer.report)) return;
    assert.ok(Date.now() < endMs, 'the sensor does not come so far');
  }
}
