/** Hellos through the whole path: real ones and made ones, cut in every way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as h from '../../test/support/hellos.ts';
import { type Run, runPipeline, START_US, settingsWith, type Wire } from '../../test/support/run-pipeline.ts';
import { connection, SERVER_HELLO, type Shape } from '../../test/support/tls-connections.ts';
import { kindNames } from './connection.ts';
import { connectionsByKind } from './ending.ts';
import { HELLO_BYTES_MAX, HELLO_RECORDS_MAX } from './handshake.ts';
import { TLS_KEYS_MAX, TLS_RECENT_MAX, type TlsConnection, tlsSeen, tlsSince } from './tls-facts.ts';

const ECH = 0xfe0d;
function pieces(bytes: Buffer, each: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / each) }, (_, i) => bytes.subarray(i * each, (i + 1) * each));
}

/** What was noted of the connections in these packets, and the run. */
function read(wires: readonly Wire[]): { run: Run; noted: TlsConnection[] } {
  const run = runPipeline(wires);
  return { run, noted: tlsSince(0).connections };
}

function only(segments: readonly Buffer[], shape: Shape = {}): TlsConnection {
  const { run, noted } = read(connection(segments, shape));
  assert.equal(noted.length, 1);
  assert.deepEqual(run.weirds, {});
  return noted[0];
}

const chrome = h.records(h.message(h.described.hello));

test('all facts of a hello', () => {
  const { timeUs, ...facts } = only([chrome]);
  assert.deepEqual(facts, {
    transport: 'tcp',
    clientAddress: '10.0.0.1',
    clientPort: 40_000,
    serverAddress: '10.0.0.2',
    serverPort: 443,
    serverName: 'www.example.com',
    alpn: ['h2', 'http/1.1'],
    version: '1.3',
    ja4: h.described.ja4,
    hasEch: false,
  });
  assert.equal(timeUs, START_US + 3000);
  assert.equal(only([chrome], { ipv6: true }).serverAddress, '2001:db8::2');
});

test('cut at every byte, byte by byte, in records of any size: the same facts', () => {
  const whole = only([chrome]);
  for (let at = 1; at < chrome.length; at++) {
    const got = only([chrome.subarray(0, at), chrome.subarray(at)]);
    assert.deepEqual(got, whole, `cut at ${at}`);
  }
  assert.deepEqual(only(pieces(chrome, 1)), whole);
  const handshake = h.message(h.described.hello);
  for (const each of [10, 11, 50, 100, handshake.length - 1]) {
    const stream = h.records(handshake, each);
    assert.deepEqual(only([stream]), whole, `records of ${each}`);
    assert.deepEqual(only(pieces(stream, 7)), whole, `records of ${each}, in pieces`);
  }
  // Even the type and the length of the message may be spread over records.
  const split = Buffer.concat([h.records(handshake.subarray(0, 2)), h.records(handshake.subarray(2))]);
  assert.deepEqual(only([split]), whole);
});

test('real clients: the server that they ask for, ALPN and version, however it is cut', async (t) => {
  const node = await h.ofNode({ servername: 'node.example', ALPNProtocols: ['h2', 'http/1.1'] });
  for (const each of [node.length, 1, 100]) {
    const { serverName, alpn, version, ja4 } = only(pieces(node, each));
    assert.deepEqual([serverName, alpn, version], ['node.example', ['h2', 'http/1.1'], '1.3']);
    assert.match(ja4, /^t13d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}$/);
  }
  const old = only([await h.ofNode({ maxVersion: 'TLSv1.2', servername: '' })]);
  assert.deepEqual([old.serverName, old.alpn, old.version], ['', [], '1.2']);
  assert.match(old.ja4, /^t12i\d{4}00_/);
  const programs = [
    ['openssl', 'version', ['s_client', '-connect', '127.0.0.1:PORT', '-servername', 'openssl.example', '-alpn', 'http/1.1'], 'http/1.1'],
    ['curl', '-V', ['-s', '--connect-to', 'curl.example:443:127.0.0.1:PORT', 'https://curl.example/'], 'h2'],
  ] as const;
  for (const [name, versionOption, args, protocol] of programs) {
    const skip = h.withoutProgram(name, versionOption);
    if (skip !== false) {
      t.diagnostic(skip);
      continue;
    }
    const facts = only(pieces(await h.ofProgram(name, args), 90));
    assert.equal(facts.serverName, `${name}.example`);
    assert.equal(facts.alpn[0], protocol);
  }
});

test('names that are none are shown without harm, upper case is the same server', () => {
  const named = (name: string): string => only([h.records(h.message({ extensions: [h.serverName(name)] }))]).serverName;
  assert.equal(named('a b\n\xe9'), 'a?b??');
  assert.equal(named('Shop.EXAMPLE'), 'shop.example');
  assert.equal(named('x'.repeat(4000)), 'x'.repeat(255));
});

test('an encrypted name (ECH) is noted and counted', () => {
  const { run, noted } = read(
    connection([h.records(h.message({ extensions: [h.extension(ECH, Buffer.alloc(9)), h.serverName('front.example')] }))]),
  );
  assert.equal(noted[0].hasEch, true);
  assert.equal(run.counters['tls.ech'], 1);
});

test('no extensions at all, and old versions', () => {
  const bare = only([h.records(h.message({ extensions: null, version: 0x0301 }))]);
  assert.deepEqual([bare.serverName, bare.version], ['', '1.0']);
  assert.match(bare.ja4, /^t10i020000_[0-9a-f]{12}_000000000000$/);
});

test('the version that the server chooses is counted', () => {
  const { run } = read(connection([chrome], { answer: SERVER_HELLO }));
  assert.equal(run.counters['tls.spoken{1.3}'], 1);
  assert.equal(run.counters['payload.tls'], chrome.length + SERVER_HELLO.length);
});

test('joined late or accepted by the client: who says hello is the client', () => {
  for (const shape of [{ late: true }, { reversed: true }]) {
    const { noted } = read(connection([chrome], { ...shape, answer: SERVER_HELLO }));
    assert.equal(`${noted[0].clientAddress} ${noted[0].serverAddress}:${noted[0].serverPort}`, '10.0.0.1 10.0.0.2:443');
  }
});

test('joined late, behind the hello: the lower port is the server, whoever sends first', () => {
  const data = Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32, 0xaa)]);
  const wires = connection([data], { late: true, answer: data });
  for (const seen of [wires, wires.slice(1)]) {
    runPipeline(seen);
    assert.deepEqual(
      [...connectionsByKind].map(([key, n]) => [kindNames[key >> 16], key & 0xffff, n]),
      [['tls', 443, 1]],
    );
  }
});

test('the rest of a hello is lost: what stood before is told, without fingerprint', () => {
  const { run, noted } = read(connection(pieces(chrome, 150), { lost: 1, answer: SERVER_HELLO }));
  assert.deepEqual(
    noted.map(({ serverName, ja4 }) => [serverName, ja4]),
    [['www.example.com', '']],
  );
  assert.equal(run.weirds['http.tls.hello_cut'], 1);
  for (let n = 6; n < chrome.length; n++) {
    const { run: short, noted: some } = read(connection([chrome.subarray(0, n)]));
    assert.ok(some.length <= 1);
    for (const { serverName, ja4 } of some) assert.ok(ja4 === '' && ['', 'www.example.com'].includes(serverName), serverName);
    assert.equal(short.counters['payload.tls'], n);
  }
});

test('lengths that lie: told as malformed, what stood before the lie is kept, nothing behind it is read', () => {
  const handshake = h.message({ extensions: [h.serverName('first.example'), h.alpn('h2'), h.signatures(0x0403)] });
  const whole = h.records(handshake);
  let malformed = 0;
  for (let at = 9; at < handshake.length; at++) {
    for (const value of [0, 1, 255]) {
      const lying = Buffer.from(handshake);
      lying[at] = value;
      const { run, noted } = read(connection([h.records(lying), Buffer.from('170303000401020304', 'hex')]));
      assert.ok(noted.length <= 1);
      assert.equal(run.counters['payload.tls'], whole.length + 9);
      malformed += run.weirds['http.tls.malformed'] ?? 0;
    }
  }
  assert.ok(malformed > 30, String(malformed));
});

test('too long, or in too many records: not waited for, counted, and the first record is told', () => {
  const suites = Array<number>(5000).fill(0x1301);
  const long = h.message({ suites, extensions: Array<Buffer>(4).fill(h.extension(99, Buffer.alloc(15_000))) });
  assert.ok(long.length > HELLO_BYTES_MAX);
  const many = h.records(h.message(h.described.hello), 4);
  assert.ok(many.length / 9 > HELLO_RECORDS_MAX);
  for (const stream of [h.records(long), many]) {
    const { run, noted } = read(connection(pieces(stream, 1400)));
    assert.equal(run.weirds['limit.http.client_hello'], 1);
    assert.equal(noted.length, 1);
    assert.equal(noted[0].ja4, '');
    assert.ok(run.blockBytesPeak < 2 * HELLO_BYTES_MAX);
  }
  const nearly = h.message({ extensions: [h.serverName('big.example'), ...Array<Buffer>(4).fill(h.extension(99, Buffer.alloc(15_000)))] });
  assert.equal(only(pieces(h.records(nearly), 1400)).serverName, 'big.example');
});

test('no memory for hellos: the streams are still TLS, and nothing breaks', () => {
  const settings = settingsWith({ memory: { blockBytesMax: 0 } });
  const run = runPipeline(connection(pieces(chrome, 100)), { settings });
  assert.equal(run.weirds['sensor.bug'], undefined);
});

test('encrypted records that look like the start of a hello are none', () => {
  const finished = Buffer.from('160303002801000000', 'hex');
  const { noted } = read(connection([Buffer.concat([finished, Buffer.alloc(36, 0xaa)])], { late: true }));
  assert.deepEqual(noted, []);
});

test('only so many servers are told apart, and only so many connections kept; all are counted', () => {
  const count = TLS_KEYS_MAX + 10;
  const wires = Array.from({ length: count }, (_, i) =>
    connection([h.records(h.message({ extensions: [h.serverName(`s${i}.example`)] }))], { clientPort: 1024 + i }),
  ).flat();
  const { run, noted } = read(wires);
  const { names, addresses, fingerprints } = tlsSeen(TLS_KEYS_MAX + 100);
  assert.deepEqual([names.total, names.top.length], [count, TLS_KEYS_MAX]);
  assert.deepEqual(addresses.top, [['10.0.0.2:443', count]]);
  assert.equal(fingerprints.top.length, 1);
  assert.equal(run.weirds['limit.http.tls_servers'], 10);
  assert.equal(run.counters['tls.hellos{tcp}'], count);
  assert.equal(noted.length, TLS_RECENT_MAX);
  assert.equal(noted[0].serverName, `s${count - TLS_RECENT_MAX}.example`);
  const later = tlsSince(count - 2);
  assert.deepEqual(
    [later.connections.map(({ serverName }) => serverName), later.seen],
    [[`s${count - 2}.example`, `s${count - 1}.example`], count],
  );
});
