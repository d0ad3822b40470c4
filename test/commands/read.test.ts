/**
 * `earshot read` as an operator meets it: the program as a child process, with real files, pipes and terminals; what it
 * prints where, in which words, and how it ends.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnSyncOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { formatNames } from '../../src/ship/formats/format.ts';
import * as hellos from '../support/hellos.ts';
import { PcapWriter } from '../support/pcap-writer.ts';
import { crypto, initial } from '../support/quic.ts';
import { Random } from '../support/random.ts';
import { makeShop } from '../support/shop.ts';
import { connection, datagram, SERVER_HELLO } from '../support/tls-connections.ts';

const root = join(import.meta.dirname, '../..');
const program = [process.execPath, '--disable-warning=ExperimentalWarning', join(root, 'src/main.ts')] as const;
const folder = mkdtempSync(join(tmpdir(), 'earshot-read-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const UNMASKED = 'earshot: what follows is unmasked: headers and bodies as they were on the wire.\n';
/** Runs a command on a terminal of its own (util-linux). */
const SCRIPT = '/usr/bin/script';
const LIMIT_MS = 60_000;
const FILE_HEADER_BYTES = 24;

const shop = makeShop();
const capture = file('shop.pcap', shop.pcap);
/** What the default filters let through. */
const letThrough = shop.calls.filter(({ target }) => target !== '/healthz');
/** Method, target and status of these calls, sorted; and of all. */
const wanted = letThrough.map((c) => `${c.method} ${c.target} ${c.status}`).sort();
const all = shop.calls.map((c) => `${c.method} ${c.target} ${c.status}`).sort();

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function earshot(args: readonly string[], options: SpawnSyncOptions = {}): Ended {
  const { status, stdout, stderr, error } = spawnSync(program[0], [...program.slice(1), ...args], {
    cwd: folder,
    timeout: LIMIT_MS,
    maxBuffer: 256 << 20,
    ...options,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { code: status, out: stdout ?? '', err: stderr ?? '' };
}

/** The same through a shell, where EARSHOT stands for the program. */
function shell(command: string, given: string = capture): Ended {
  const quoted = program.map((part) => `'${part}'`).join(' ');
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command.replaceAll('EARSHOT', quoted), 'bash', given], {
    cwd: folder,
    timeout: LIMIT_MS,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

interface Call {
  readonly id: string;
  readonly server: { readonly port: number };
  readonly request: { readonly method: string; readonly target: string; readonly body: { readonly bytes: number; readonly kept: number } };
  readonly response: { readonly status: number; readonly body: { readonly bytes: number; readonly kept: number; readonly cut?: boolean } };
}

function callsOf(out: string): Call[] {
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Call);
}

function found(out: string): string[] {
  return callsOf(out)
    .map(({ request, response }) => `${request.method} ${request.target} ${response.status}`)
    .sort();
}

/** It failed with that code, said one line that fits, and printed nothing else. */
function refuses({ code, out, err }: Ended, expected: number, line: RegExp): void {
  assert.equal(err.trimEnd().split('\n').length, 1, err);
  assert.match(err, line);
  assert.match(err, /^earshot: [^\n]+\n$/);
  assert.equal(out, '');
  assert.equal(code, expected);
}

// What it prints.

test('every call is a line of JSON on standard output, and standard error is silent', () => {
  const { code, out, err } = earshot(['read', capture]);
  assert.equal(err, '');
  assert.deepEqual(found(out), wanted);
  assert.equal(code, 0);
});

test('reading again gives the same bytes, record ids too', () => {
  assert.equal(earshot(['read', capture]).out, earshot(['read', capture]).out);
});

/** Method and status of every record of an output, in each format. */
const readers: Readonly<Record<(typeof formatNames)[number], (out: string) => string[]>> = {
  jsonl: (out) => callsOf(out).map((c) => `${c.request.method} ${c.response.status}`),
  'uap-edge': (out) =>
    lines(out).map((r) => {
      const { request, response } = r as { request: { 'http-method': string }; response: { status: number | string } };
      return `${request['http-method']} ${response.status}`;
    }),
  'zeek-http': (out) => {
    const all = out.trimEnd().split('\n');
    const fields = (all.find((line) => line.startsWith('#fields')) ?? '').split('\t').slice(1);
    const rows = all.filter((line) => !line.startsWith('#')).map((line) => line.split('\t'));
    return rows.map((row) => `${row[fields.indexOf('method')]} ${row[fields.indexOf('status_code')]}`);
  },
  'zeek-json': (out) => lines(out).map((r) => `${(r as { method: string }).method} ${(r as { status_code: number }).status_code}`),
  har: (out) => {
    const { log } = JSON.parse(out) as { log: { entries: { request: { method: string }; response: { status: number } }[] } };
    return log.entries.map((entry) => `${entry.request.method} ${entry.response.status}`);
  },
  ecs: (out) =>
    lines(out).map((r) => {
      const { http } = r as { http: { request: { method: string }; response: { status_code: number } } };
      return `${http.request.method} ${http.response.status_code}`;
    }),
};

function lines(out: string): unknown[] {
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);
}

for (const format of formatNames) {
  test(`--format ${format}, to standard output and to --output`, () => {
    const printed = earshot(['read', capture, '--format', format]);
    assert.equal(printed.code, 0, printed.err);
    const expected = letThrough.map((c) => `${c.method} ${c.status}`).sort();
    assert.deepEqual(readers[format](printed.out).sort(), expected);
    const path = join(folder, `calls.${format}`);
    const written = earshot(['read', capture, '-f', format, '-o', path]);
    assert.deepEqual(written, { code: 0, out: '', err: '' });
    assert.deepEqual(readers[format](readFileSync(path, 'utf8')).sort(), expected);
    assert.equal(statSync(path).mode & 0o077, 0, 'for its owner alone');
  });
}

test('--output - is standard output', () => {
  const printed = earshot(['read', capture, '-o', '-']);
  assert.deepEqual(printed, earshot(['read', capture]));
  assert.ok(printed.out.length > 0);
  assert.equal(existsSync('-'), false);
});

test('--filter-port lets only calls of those ports through, also several and repeated', () => {
  const ports = (...args: string[]): number[] =>
    [...new Set(callsOf(earshot(['read', capture, ...args]).out).map((c) => c.server.port))].sort();
  assert.deepEqual(ports('--filter-port', '9000'), [9000]);
  assert.deepEqual(ports('--filter-port', '8080,9000'), [8080, 9000]);
  assert.deepEqual(ports('--filter-port', '8080', '--filter-port', '9000'), [8080, 9000]);
  assert.deepEqual(ports('--filter-port', '1'), []);
});

test('--body-bytes limits what is kept of a body, not its length', () => {
  const bodies = callsOf(earshot(['read', capture, '--unmasked', '--body-bytes', '5']).out).map((c) => c.response.body);
  assert.ok(bodies.some((body) => body.cut === true));
  for (const body of bodies) assert.ok(body.kept <= 5 && body.kept <= Math.max(body.bytes, 5));
  const none = callsOf(earshot(['read', capture, '--body-bytes', '0']).out);
  assert.ok(none.every((c) => c.request.body.kept + c.response.body.kept === 0));
  assert.ok(none.some((c) => c.response.body.bytes > 0));
});

test('--summary alone prints the report instead of calls, and nothing on standard error', () => {
  const { code, out, err } = earshot(['read', capture, '--summary']);
  assert.equal(err, '');
  assert.equal(code, 0);
  assert.match(out, new RegExp(`^calls +${all.length}: complete ${all.length}, incomplete 0`, 'm'));
  assert.match(out, /^tunnels +vxlan VNI 4101 \(82 calls\), 4102 \(10\), 4103 \(0\)$/m);
  assert.match(out, /^ {2}http +23 +port 8080 \(13\), 9000 \(10\)$/m);
  assert.match(out, /^ {2}names +login[.]shop[.]example 3$/m);
  assert.match(out, /^ {2}addresses +10[.]0[.]3[.]40:443 3$/m);
  assert.match(out, /^note +3 of 26 connections .* TLS/m);
  assert.ok(!out.includes('\x1b'), 'no colours in a pipe');
  for (const line of out.split('\n').slice(1)) assert.ok(line.length <= 100, line);
});

test('--summary says what is encrypted: servers, addresses, protocols and clients of TLS, and QUIC', () => {
  const packet = initial(
    crypto(0, hellos.message({ extensions: [hellos.serverName('video.example'), hellos.alpn('h3'), hellos.versions(0x0304)] })),
  );
  const stream = hellos.records(hellos.message(hellos.described.hello));
  const wires = [...connection([stream], { answer: SERVER_HELLO }), { data: datagram(packet), timeUs: 0 }];
  const writer = new PcapWriter();
  wires.forEach(({ data }, i) => {
    writer.bytes.set(data, writer.reserve(data.length));
    writer.commit(data.length, 1_750_000_000_000_000 + i * 100);
  });
  const { code, out, err } = earshot(['read', '--summary', file('encrypted.pcap', writer.close())]);
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^quic +1 packet of QUIC in 1 connection, 1 of them HTTP\/3$/m);
  assert.match(out, /^tls +2 hellos, TLS 1[.]3 1$/m);
  assert.match(out, /^ {2}names +video[.]example 1, www[.]example[.]com 1$/m);
  assert.match(out, /^ {2}addresses +10[.]0[.]0[.]2:443 2$/m);
  assert.match(out, /^ {2}protocols +h2 1, h3 1$/m);
  assert.match(out, new RegExp(`^ {2}clients +.*${hellos.described.ja4} 1`, 'm'));
  assert.match(out, /^note +1 packet of QUIC in 1 connection, 1 of them HTTP\/3: it cannot be read[.]/m);
});

test('the ledger of the summary balances, with a port filter and a damaged capture too', () => {
  const cut = file('cut.pcap', shop.pcap.subarray(0, 60_001));
  for (const args of [[capture], [capture, '--filter-port', '9000'], [cut]]) {
    const { out } = earshot(['read', '--summary', ...args]);
    const books = [...out.matchAll(/^(?:ledger)? +(packets received|payload bytes seen|calls seen) ([\d,]+) = (.*)$/gm)];
    assert.equal(books.length, 3, out);
    for (const [row, , total, parts] of books) {
      const values = parts.split(' + ').map((part) => Number((part.split(' ').at(-1) ?? '').replaceAll(',', '')));
      assert.equal(
        values.reduce((a, b) => a + b, 0),
        Number(total.replaceAll(',', '')),
        row,
      );
    }
    assert.ok(!out.includes('DOES NOT BALANCE'));
  }
});

test('--summary with --format or --output prints the calls there and the report on standard error', () => {
  const both = earshot(['read', capture, '--summary', '--format', 'jsonl', '--unmasked', '--unfiltered']);
  assert.deepEqual(found(both.out), all);
  assert.ok(both.err.startsWith(UNMASKED));
  assert.match(both.err, /^calls +92: /m);
  assert.match(both.err, /calls seen 92 = written 92$/m);
  const path = join(folder, 'with-summary.jsonl');
  const apart = earshot(['read', capture, '-s', '-o', path]);
  assert.equal(apart.out, '');
  assert.match(apart.err, /^file .*\n(?:.*\n)*calls +92: /);
  assert.match(apart.err, /calls seen 92 = written 88 [+] filtered 4$/m);
  assert.deepEqual(found(readFileSync(path, 'utf8')), wanted);
});

// What it reads.

test('several files are merged by time: the parts of a capture, named in the wrong order, give the whole', () => {
  const whole = earshot(['read', capture]).out;
  const parts = [0, 1, 2].map((part) =>
    file(
      `part${part}.pcap`,
      every(shop.pcap, (i) => i % 3 === part),
    ),
  );
  const merged = earshot(['read', ...parts.reverse()]);
  assert.deepEqual(found(merged.out), found(whole));
  assert.equal(merged.code, 0);
});

/** Places of the packets in a pcap file: start of their record and its end. */
function records(pcap: Buffer): [number, number][] {
  const places: [number, number][] = [];
  for (let at = FILE_HEADER_BYTES; at < pcap.length; ) {
    const end = at + 16 + pcap.readUInt32LE(at + 8);
    places.push([at, end]);
    at = end;
  }
  return places;
}

/** The pcap file with only those packets whose number passes. */
function every(pcap: Buffer, passes: (i: number) => boolean): Buffer {
  const kept = records(pcap).filter((_, i) => passes(i));
  return Buffer.concat([pcap.subarray(0, FILE_HEADER_BYTES), ...kept.map(([at, end]) => pcap.subarray(at, end))]);
}

test('gzip and zstd captures are read as they are, from a file and from a pipe', () => {
  for (const [name, packed] of [
    ['shop.pcap.gz', gzipSync(shop.pcap)],
    ['shop.pcap.zst', zstdCompressSync(shop.pcap)],
  ] as const) {
    assert.deepEqual(found(earshot(['read', file(name, packed)]).out), wanted, name);
    assert.deepEqual(found(earshot(['read', '-'], { input: packed }).out), wanted, `${name} from a pipe`);
  }
});

/** Starts it with a pipe for its input, and collects what it prints. */
function start(args: readonly string[]): { child: ChildProcess; ended: Promise<unknown[]>; said: { out: string } } {
  const child = spawn(program[0], [...program.slice(1), ...args], { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] });
  const said = { out: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stdin?.on('error', () => {});
  return { child, ended: once(child, 'close'), said };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 20) {
    if (waited > 20_000) assert.fail(`waited in vain: ${what}`);
    await sleep(20);
  }
}

test('calls of a slow producer come out while it is still thinking', async () => {
  const { child, ended, said } = start(['read', '-']);
  const places = records(shop.pcap);
  const half = places[places.length >> 1][1];
  // Cut records: the pieces end anywhere.
  child.stdin?.write(shop.pcap.subarray(0, 11));
  await sleep(50);
  child.stdin?.write(shop.pcap.subarray(11, half + 7));
  await until('the calls of the first half', () => said.out.split('\n').length > wanted.length / 3);
  const early = found(said.out.slice(0, said.out.lastIndexOf('\n') + 1)).length;
  assert.ok(early < wanted.length);
  child.stdin?.end(shop.pcap.subarray(half + 7));
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual(found(said.out), wanted);
});

// Damage.

test('a capture cut anywhere gives what lies before the cut, and says that it is cut', () => {
  const cuts = [4, 23, 24, 25, 40, 41, 1000, ...Array.from({ length: 9 }, (_, i) => 7001 + i * 10_007)];
  const ends = new Set([FILE_HEADER_BYTES, ...records(shop.pcap).map(([, end]) => end)]);
  for (const at of cuts) {
    const { code, out, err } = earshot(['read', file('cut.pcap', shop.pcap.subarray(0, at))]);
    assert.equal(code, 0, `cut at ${at}: ${err}`);
    for (const line of out.split('\n').slice(0, -1)) {
      const { complete, request, response } = JSON.parse(line) as Call & { complete: boolean };
      if (complete) assert.ok(wanted.includes(`${request.method} ${request.target} ${response.status}`), `cut at ${at}: ${line}`);
    }
    assert.equal(/^earshot: capture[.]file[.]cut: The file ends in the middle/m.test(err), !ends.has(at), `cut at ${at}: ${err}`);
    assert.doesNotMatch(err, /sensor[.]bug|fault of Earshot/);
  }
});

test('a compressed capture that is cut gives what lies before the cut', () => {
  const packed = gzipSync(shop.pcap);
  const { code, out, err } = earshot(['read', file('cut.pcap.gz', packed.subarray(0, packed.length >> 1))]);
  assert.equal(code, 0);
  assert.ok(out.split('\n').length > 10);
  assert.match(err, /^earshot: capture[.]file[.]compressed_cut: /m);
});

test('random bytes are no capture, as a file and from a pipe', () => {
  const random = new Random(7);
  const bytes = Buffer.from(Array.from({ length: 65_536 }, () => random.bits() & 255));
  refuses(
    earshot(['read', file('random', bytes)]),
    2,
    /Cannot read .*random: it is neither pcap nor pcapng [(]it begins with [0-9a-f]{16}[)]/,
  );
  refuses(shell('head -c 100000 /dev/urandom | EARSHOT read -'), 2, /Cannot read standard input: it is neither pcap nor pcapng/);
});

test('random bytes behind the header of a capture end in peace', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = new Random(seed);
    const bytes = Buffer.from(Array.from({ length: 65_536 }, () => random.bits() & 255));
    const { code, err } = earshot(['read', '-', '-s'], { input: Buffer.concat([shop.pcap.subarray(0, FILE_HEADER_BYTES), bytes]) });
    assert.equal(code, 0, err);
    assert.equal(err, '');
  }
});

test('a capture without a call says so', () => {
  const { code, out, err } = earshot(['read', '-'], { input: new PcapWriter().close() });
  assert.deepEqual({ code, out }, { code: 0, out: '' });
  assert.match(err, /^earshot: no API call was found; --summary says what is there instead[.]$/m);
  assert.match(
    earshot(['read', '-', '-s'], { input: new PcapWriter().close() }).out,
    /^note +No HTTP call was found: the capture holds no packet[.]$/m,
  );
});

// What cannot be read.

test('an empty file, a directory, a missing file', () => {
  refuses(earshot(['read', file('empty', '')]), 2, /Cannot read .*empty: it is empty[.] Check the program that wrote it/);
  refuses(earshot(['read', '-'], { input: '' }), 2, /Cannot read standard input: it is empty/);
  refuses(earshot(['read', folder]), 2, /Cannot read .*: it is a directory[.] Name the files in it, as .*[*][.]pcap/);
  refuses(earshot(['read', join(folder, 'nowhere.pcap')]), 2, /Cannot read .*nowhere[.]pcap: the file does not exist[.] Check the path/);
  refuses(earshot(['read', capture, join(folder, 'nowhere.pcap')]), 2, /nowhere[.]pcap: the file does not exist/);
});

test('an unreadable file', (t) => {
  chmodSync(folder, 0o755);
  const path = file('secret.pcap', shop.pcap);
  chmodSync(path, 0);
  const unprivileged = withoutPrivileges().find((run) => run(['--version']).code === 0);
  if (unprivileged === undefined) {
    t.skip('only root can read the project here, and there is no setpriv');
    return;
  }
  refuses(unprivileged(['read', path]), 2, /Cannot read .*secret[.]pcap: permission denied[.] Allow this user to read it/);
});

/** Ways to run it so that file modes count, which they do not for root. */
function withoutPrivileges(): ((args: readonly string[]) => Ended)[] {
  if (process.getuid?.() !== 0) return [earshot];
  const drop = '-dac_override,-dac_read_search';
  return [
    (args) => earshot(args, { uid: 65_534, gid: 65_534 }),
    (args) => shell(`setpriv --bounding-set=${drop} --inh-caps=${drop} EARSHOT ${args.map((arg) => `'${arg}'`).join(' ')}`),
  ];
}

test('a file of another type, and what to do with it', () => {
  refuses(earshot(['read', program[2]]), 2, /Cannot read .*main[.]ts: it is neither pcap nor pcapng .*editcap/);
  refuses(
    earshot(['read', file('shop.pcap.xz', Buffer.from('fd377a585a000004', 'hex'))]),
    2,
    /it is compressed with xz[.] Decompress it first: xz -dc/,
  );
  refuses(earshot(['read', file('text.gz', gzipSync('no capture'))]), 2, /it is neither pcap nor pcapng/);
});

test('a link type that is not supported is named', () => {
  refuses(
    earshot(['read', file('wifi.pcap', new PcapWriter(undefined, 105).close())]),
    2,
    /its link type 105 [(]IEEE 802[.]11[)] is not supported[.] Capture on/,
  );
});

test('standard input twice, or from a terminal', (t) => {
  refuses(earshot(['read', '-', '-']), 2, /Cannot read standard input: it is named twice[.] Name - once/);
  if (!existsSync(SCRIPT)) {
    t.skip('the program script is not installed');
    return;
  }
  const { code, out } = onTerminal('EARSHOT read -');
  assert.match(out, /^earshot: Cannot read standard input: it is a terminal[.] Pipe a capture into it: tcpdump/);
  assert.equal(code, 2);
});

// The configuration.

test('--config: a good one counts', () => {
  const config = file('good.yaml', 'http:\n  bodyBytes: 3\nsensor: {id: lab-7}\n');
  const calls = callsOf(earshot(['read', capture, '--unmasked', '--config', config]).out);
  assert.ok(calls.every((c) => c.response.body.kept <= 3 && c.id.startsWith('lab-7.')));
  assert.deepEqual(found(earshot(['read', capture, '-c', file('empty.yaml', '')]).out), wanted);
});

test('--config: all mistakes at once, each with its place and what was given', () => {
  const config = file(
    'bad.yaml',
    'http:\n  bodyBytes: many\n  frob: 1\nflow:\n  flowsMax: -3\ncolour: red\ndecode:\n  vxlanPorts: [4789, 70000]\n',
  );
  const { code, out, err } = earshot(['read', capture, '-c', config]);
  assert.deepEqual({ code, out }, { code: 2, out: '' });
  const [first, ...mistakes] = err.trimEnd().split('\n');
  assert.equal(
    first,
    `earshot: Cannot use the configuration ${config}: it has 5 mistakes. See docs/settings.md for every setting with its limits. [config-invalid]`,
  );
  const places = [
    [':2:14: http.bodyBytes: ', 'number', '"many"'],
    [':3:3: http.frob: ', 'there is no such setting'],
    [':5:13: flow.flowsMax: ', '0 to', '-3'],
    [':6:1: colour: ', 'there is no such setting'],
    [':8:22: decode.vxlanPorts.1: ', '65535', '70000'],
  ];
  assert.equal(mistakes.length, places.length, err);
  places.forEach(([place, ...parts], i) => {
    assert.ok(mistakes[i].startsWith(`  ${config}${place}`), mistakes[i]);
    for (const part of parts) assert.ok(mistakes[i].includes(part), mistakes[i]);
  });
});

test('--config: no YAML, and no file', () => {
  const { code, err } = earshot(['read', capture, '-c', file('torn.yaml', 'http: [\n')]);
  assert.match(err, /^earshot: Cannot use the configuration .*: it has a mistake[.].*\n {2}.*torn[.]yaml:2:1: .*\n$/);
  assert.equal(code, 2);
  refuses(
    earshot(['read', capture, '-c', join(folder, 'nowhere.yaml')]),
    2,
    /Cannot read the configuration .*: there is no such file[.] Name a YAML file/,
  );
  refuses(earshot(['read', capture, '-c', folder]), 2, /Cannot read the configuration .*: it is a directory[.]/);
});

// The command line.

test('wrong options are one line that says what is wanted', () => {
  refuses(earshot(['read', capture, '--frobnicate']), 2, /unknown option '--frobnicate'[.] See earshot read --help/);
  refuses(earshot(['read', capture, '--sumary']), 2, /unknown option '--sumary' [(]Did you mean --summary[?][)] See earshot read --help/);
  refuses(
    earshot(['read', capture, '-f', 'xml']),
    2,
    /'xml' is invalid[.] Allowed choices are jsonl, uap-edge, zeek-http, zeek-json, har, ecs[.]/,
  );
  for (const port of ['0', '65536', 'http', '80,,81', '-1', '1e3', ' ']) {
    refuses(
      earshot(['read', capture, `--filter-port=${port}`]),
      2,
      /is invalid[.] Wanted: a number from 1 to 65535, or several with commas[.]/,
    );
  }
  for (const bytes of ['-1', '524289', '1k', '9'.repeat(20)]) {
    refuses(earshot(['read', capture, `--body-bytes=${bytes}`]), 2, /is invalid[.] Wanted: a number of bytes from 0 to 524288[.]/);
  }
  refuses(earshot(['read']), 2, /missing required argument 'file'[.] See earshot read --help/);
  refuses(earshot(['raed', capture]), 2, /unknown command 'raed' .*read.* See earshot --help/);
});

test('--help and --version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  assert.deepEqual(earshot(['--version']), { code: 0, out: `${version}\n`, err: '' });
  for (const args of [['--help'], ['read', '--help'], ['help', 'read']]) {
    const { code, out, err } = earshot(args);
    assert.deepEqual({ code, err }, { code: 0, err: '' });
    for (const exit of [0, 2, 3, 69, 70, 130]) assert.match(out, new RegExp(`^ {2}${exit} +[a-zA-Z]`, 'm'));
  }
  const { out } = earshot(['read', '--help']);
  for (const option of ['--format', '--output', '--filter-port', '--body-bytes', '--config', '--summary', '--unmasked', '--unfiltered']) {
    assert.ok(out.includes(option));
  }
  for (const format of formatNames) assert.ok(out.includes(`"${format}"`));
  assert.equal(earshot([]).code, 2);
});

// Where it writes.

test('a full disk is one clear line, exit code 3', (t) => {
  if (!existsSync('/dev/full')) {
    t.skip('there is no /dev/full here');
    return;
  }
  const line =
    'earshot: Cannot write the output: no space is left on the device. Free some space, or write to another place. [output-failed]\n';
  assert.deepEqual(earshot(['read', capture, '-o', '/dev/full']), { code: 3, out: '', err: line });
  const full = openSync('/dev/full', 'w');
  try {
    for (const args of [['read', capture], ['read', capture, '--format', 'har'], ['read', capture, '-s'], ['--help'], ['--version']]) {
      const { code, err } = earshot(args, { stdio: ['ignore', full, 'pipe'] });
      assert.match(
        err,
        /^earshot: Cannot write to standard output: no space is left on the device[.] Free some space.*\n$/,
        args.join(' '),
      );
      assert.equal(code, 3, args.join(' '));
    }
  } finally {
    closeSync(full);
  }
});

test('an output that cannot be opened', () => {
  refuses(
    earshot(['read', capture, '-o', join(folder, 'nowhere/calls')]),
    3,
    /Cannot write .*calls: its folder does not exist[.] Name a file in a folder that exists/,
  );
  refuses(earshot(['read', capture, '-o', folder]), 3, /Cannot write .*: it is a directory[.] Name a file/);
});

test('a capture is never overwritten by its own output', () => {
  const path = join(folder, 'precious.pcap');
  copyFileSync(capture, path);
  refuses(
    earshot(['read', capture, path, '-o', path]),
    2,
    /Cannot write .*precious[.]pcap: it is one of the captures to read[.] Name another file/,
  );
  refuses(shell('EARSHOT read - -o "$1" < "$1"', path), 2, /it is one of the captures to read/);
  assert.deepEqual(readFileSync(path), shop.pcap);
});

test('a reader that goes away early ends it, silently and with success', () => {
  for (const args of ['read "$1"', 'read "$1" --format har', 'read "$1" "$1" "$1" -s', '--help']) {
    const { code, err, out } = shell(`EARSHOT ${args} | true; echo "$PIPESTATUS"`);
    assert.equal(out, '0\n', args);
    assert.equal(err, '', args);
    assert.equal(code, 0);
  }
  // Far more than a pipe holds.
  const several = shell('EARSHOT read "$1" "$1" "$1" "$1" | head -n 1 | wc -l; echo "$PIPESTATUS"');
  assert.deepEqual(several, { code: 0, out: '1\n0\n', err: '' });
});

test('nobody listening on standard error disturbs nothing', () => {
  const { out } = shell('{ EARSHOT read "$1" | wc -l; echo "$PIPESTATUS"; } 2> >(true)');
  assert.equal(out.replaceAll(' ', ''), `${wanted.length}\n0\n`);
});

// How it is interrupted.

async function interrupted(child: ChildProcess, ended: Promise<unknown[]>): Promise<void> {
  const startedMs = performance.now();
  child.kill('SIGINT');
  const [code, signal] = await ended;
  // Ended by the signal: a shell shows that as 130.
  assert.ok(signal === 'SIGINT' || code === 130, `code ${code}, signal ${signal}`);
  assert.ok(performance.now() - startedMs < 5_000);
}

test('SIGINT ends it while it waits for a pipe; what was found is out', async () => {
  const { child, ended, said } = start(['read', '-']);
  child.stdin?.write(shop.pcap);
  await until('all calls that were answered', () => said.out.split('\n').length > wanted.length - 10);
  await interrupted(child, ended);
  assert.ok(found(said.out).length > wanted.length - 10);
});

test('SIGINT ends it while it is busy, with a compressed capture too', async () => {
  const body = shop.pcap.subarray(FILE_HEADER_BYTES);
  for (const pack of [(b: Buffer): Buffer => b, (b: Buffer): Buffer => gzipSync(b)]) {
    const { child, ended } = start(['read', '-', '-o', '/dev/null']);
    const packed = pack(body);
    let flowing = true;
    child.stdin?.write(pack(shop.pcap.subarray(0, FILE_HEADER_BYTES)));
    const feed = (): void => {
      while (flowing && child.stdin?.writable && child.stdin.write(packed));
    };
    child.stdin?.on('drain', feed);
    feed();
    await sleep(1_000);
    await interrupted(child, ended);
    flowing = false;
  }
});

test('a shell sees 130 after SIGINT', () => {
  const { out, err } = shell('set -m; EARSHOT read - -o /dev/null < <(cat "$1"; sleep 2) & sleep 0.7; kill -INT $!; wait $!; echo "$?"');
  assert.equal(out, '130\n', err);
});

// On a terminal.

/** Runs the command on a terminal of 100 columns; both streams come as one, escape characters as ESC. */
function onTerminal(command: string): Ended {
  const quoted = program.map((part) => `'${part}'`).join(' ');
  const { status, stdout } = spawnSync(SCRIPT, ['-qec', `stty cols 100; ${command.replaceAll('EARSHOT', quoted)}`, '/dev/null'], {
    cwd: folder,
    timeout: LIMIT_MS,
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '' },
  });
  return { code: status, out: stdout.replaceAll('\x1b', 'ESC'), err: '' };
}

test('on a terminal there is a progress bar, taken away at the end, and the summary has colours', (t) => {
  if (!existsSync(SCRIPT)) {
    t.skip('the program script is not installed');
    return;
  }
  const many = file('many.pcap', Buffer.concat([shop.pcap, ...Array.from({ length: 200 }, () => shop.pcap.subarray(FILE_HEADER_BYTES))]));
  const bar = onTerminal(`EARSHOT read '${many}' -o /dev/null`);
  assert.equal(bar.code, 0);
  assert.match(bar.out, /\rESC\[2KESC\[32m█*ESC\[39mESC\[2m░*ESC\[22m +\d+ % +\d+ k packets\/s +\d+ s left/);
  assert.doesNotMatch(bar.out.split('\rESC[2K').at(-1) ?? '', /[█░]/);
  const piped = onTerminal(`cat '${many}' | EARSHOT read - -o /dev/null`);
  assert.match(piped.out, /\rESC\[2K\d+ packets +\d+ k packets\/s/);
  assert.match(onTerminal(`EARSHOT read '${capture}' -s`).out, /ESC\[1mpackets +ESC\[22m444/);
  assert.doesNotMatch(onTerminal(`NO_COLOR=1 EARSHOT read '${capture}' -s`).out, /ESC\[\d/);
});
