/**
 * Fuzz targets: each makes an input from a seed alone, and runs it. An input is a list of packets, or the bytes of a
 * capture file, with the settings to run it under. What must hold is in ../support/run-pipeline.ts: nothing thrown, no
 * `sensor.bug`, books that balance, records that fit their schema, memory within its budget and given back.
 */
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { SensorError } from '../../src/base/errors.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { settingsSchema } from '../../src/base/settings-schema.ts';
import { openCapture } from '../../src/capture/capture.ts';
import { Packet } from '../../src/capture/packet.ts';
import { captured } from '../support/captured.ts';
import { ipPacket, type Part } from '../support/conversation.ts';
import { someFrames } from '../support/http2-random.ts';
import * as p from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { readPcap } from '../support/read-pcap.ts';
import { PipelineRun, type Run, runPipeline, START_US, type Wire } from '../support/run-pipeline.ts';
import { trafficKinds } from '../support/traffic-options.ts';
import { grpcPackets, runGrpc } from './grpc-calls.ts';
import { checkHellos, helloPackets } from './hellos.ts';
import { maskedPackets, runMasked } from './masked-calls.ts';
import { operationPackets, runOperations } from './operation-calls.ts';
import { runWebSockets, webSocketPackets } from './web-sockets.ts';

export interface Input {
  readonly settings: Settings;
  readonly packets?: readonly Wire[];
  readonly file?: Buffer;
}

export interface Target {
  readonly what: string;
  /** Milliseconds that one input may take. */
  readonly limitMs: number;
  readonly make: (seed: number) => Input;
  readonly run: (input: Input) => void;
  /** Of a canary: what is said of its planted bug. */
  readonly says?: string;
}

const LIMIT_MS = 10_000;
const CORPUS = join(import.meta.dirname, '../../../shared/corpus/pcaps');
const CORPUS_BYTES_MAX = 60_000;
const PACKETS_MAX = 400;

// ---------------------------------------------------------------- settings

const small: Settings = settingsSchema.parse({
  flow: {
    flowsMax: 3,
    holeWaitMs: 5,
    ackedHoleWaitMs: 1,
    heldBytesMax: 2000,
    heldBytesTotalMax: 4000,
    fragmentedPacketsMax: 2,
    idleTimeoutMs: 100,
  },
  http: { bodyBytes: 64, headBytesMax: 256, headersMax: 8, callsInFlightMax: 4, pipelineMax: 2 },
  normalise: { duplicatesMax: 4 },
  memory: { blockBytesMax: 20_000 },
});

function someSettings(random: Random): Settings {
  return random.chance(0.2) ? small : defaultSettings;
}

/** Every number of every section at one of its ends, or anywhere. */
function extremeSettings(random: Random): Settings {
  const end = (low: number, usual: number, high: number): number =>
    random.pick([low, low, low + 1, usual, high, random.integer(low, high)]);
  return settingsSchema.parse({
    decode: {
      vni: random.pick(['isolate', 'merge']),
      depthMax: end(0, 16, 64),
      pathsMax: end(0, 10, 1 << 20),
      vxlanPorts: random.pick([[], [80], [4789, 8472]]),
      genevePorts: random.pick([[], [4789], [6081]]),
      checksums: random.chance(0.5),
    },
    flow: {
      flowsMax: end(0, 100, 1 << 21),
      idleTimeoutMs: end(0, 300_000, 1e9),
      halfOpenTimeoutMs: end(0, 30_000, 1e9),
      closedLingerMs: end(0, 5000, 1e9),
      holeWaitMs: end(0, 5000, 1e9),
      ackedHoleWaitMs: end(0, 200, 1e9),
      heldBytesMax: end(0, 1 << 20, 1e9),
      heldBytesTotalMax: end(0, 1 << 20, 1e9),
      fragmentedPacketsMax: end(0, 10, 65536),
      fragmentTimeoutMs: end(0, 15_000, 1e9),
    },
    http: {
      bodyBytes: end(0, 16384, 512 << 10),
      headBytesMax: end(256, 4096, 65_000),
      headersMax: end(8, 100, 4096),
      callsInFlightMax: end(0, 100, 1 << 20),
      pipelineMax: end(0, 10, 65536),
    },
    normalise: { duplicateWindowMs: end(0, 2000, 1e9), duplicatesMax: end(0, 100, 1 << 20) },
    memory: { blockBytesMax: end(0, 100_000, 768 << 20) },
  });
}

// ---------------------------------------------------------------- packets

const LINK_TYPES = [0, 1, 1, 1, 1, 9, 12, 50, 51, 101, 113, 228, 229, 276, 127];

function randomBytes(random: Random, length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let i = 0; i < length; i++) out[i] = random.bits() >>> 24;
  return out;
}

/** One packet in random wrappers; now and then in some that make no sense. */
function wrapAnyhow(random: Random, inner: Buffer): Buffer {
  let packet = inner;
  for (let n = random.integer(0, 4); n > 0; n--) {
    const wrap = random.pick<(b: Buffer) => Buffer>([
      (b) => p.ethernet(b),
      (b) => p.ethernet(p.vlan(b, { id: random.integer(0, 4095) })),
      (b) => p.ethernet(p.mpls(b, { labels: [1, 2], controlWord: random.chance(0.3) })),
      (b) => p.ethernet(p.pppoe(b)),
      (b) => p.ipv4(p.gre(b, { checksum: random.chance(0.3), key: random.bits() >>> 0 })),
      (b) => p.ipv4(p.pptp(b)),
      (b) => p.ipv6(p.erspan(p.ethernet(b), { type: random.pick([1, 2, 3]), platform: random.chance(0.5) })),
      (b) => p.ipv4(p.udp(p.vxlan(p.ethernet(b), { vni: random.integer(0, 5) }))),
      (b) => p.ipv4(p.udp(p.vxlanGpe(b))),
      (b) => p.ipv4(p.udp(p.geneve(p.ethernet(b), { options: Buffer.alloc(random.integer(0, 60)) }))),
      (b) => p.ipv4(p.udp(p.teredo(b, { authentication: random.chance(0.5), origin: random.chance(0.5) }))),
      (b) => p.ipv4(p.udp(p.gtp(b, { teid: 7, sequence: 1 }))),
      (b) => p.ipv4(p.udp(p.l2tp(b))),
      (b) => p.ipv4(p.udp(p.ayiya(b))),
      (b) => p.ipv4(p.etherIp(p.ethernet(b))),
      (b) => p.ipv4(b),
      (b) => p.ipv6(p.hopByHop(p.destinationOptions(b))),
      (b) => p.ipv6(p.routing(b, { type: random.pick([0, 2, 4]), addresses: ['2001:db8::1', '2001:db8::2'] })),
      (b) => p.ipv6(p.ipv6Fragment(b, { offset: 8 * random.integer(0, 3), more: random.chance(0.5) })),
      (b) => p.ipv4(b, { fragmentOffset: 8 * random.integer(0, 40), moreFragments: random.chance(0.5) }),
      (b) => p.ethernet(p.nsh(b)),
    ]);
    packet = wrap(packet);
  }
  return packet;
}

function randomPackets(random: Random): Wire[] {
  const packets: Wire[] = [];
  let timeUs = START_US;
  for (let n = random.integer(1, 60); n > 0; n--) {
    let data: Buffer;
    if (random.chance(0.3)) data = randomBytes(random, random.integer(0, 200));
    else {
      const payload = random.chance(0.5) ? randomBytes(random, random.integer(0, 60)) : Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      const segment = p.tcp(payload, {
        sequence: random.integer(0, 300),
        acknowledgement: random.integer(0, 300),
        flags: random.integer(0, 63),
      });
      data = Buffer.from(wrapAnyhow(random, random.chance(0.5) ? p.ipv4(segment) : p.ipv6(segment)));
      for (let flips = random.integer(0, 4); flips > 0 && data.length > 0; flips--)
        data[random.integer(0, data.length - 1)] ^= 1 << random.integer(0, 7);
    }
    timeUs += random.integer(-1000, 300_000);
    const wireBytes = random.chance(0.1) ? random.pick([0, data.length + 10, 2 ** 31 - 1, 2 ** 32 - 1]) : data.length;
    packets.push({
      data,
      timeUs,
      wireBytes: Math.max(wireBytes, data.length),
      linkType: random.pick(LINK_TYPES),
      interfaceId: random.integer(0, 3),
    });
  }
  return packets;
}

// ---------------------------------------------------------------- captures

let seeds: (readonly Wire[])[] | undefined;

/** What captures are mutated from: generated ones, and small ones of the corpus when it is there. */
function seedCaptures(): (readonly Wire[])[] {
  if (seeds !== undefined) return seeds;
  seeds = trafficKinds.map(
    (kind) => captured({ kind, megabytes: 0.05, seed: 3, pipelineShare: 0.2, mirroredTwice: kind === 'lossy' }).packets,
  );
  if (existsSync(CORPUS)) {
    const files = globSync('**/*.{pcap,pcapng,cap}', { cwd: CORPUS }).sort();
    for (const file of files) {
      const path = join(CORPUS, file);
      if (statSync(path).size > CORPUS_BYTES_MAX) continue;
      try {
        const packets = readPcap(readFileSync(path));
        if (packets.length > 0) seeds.push(packets.map((packet, i) => ({ ...packet, timeUs: START_US + i * 1000 })));
      } catch {
        // Some files of the corpus are broken on purpose; the target "files" is for those.
      }
    }
  }
  return seeds;
}

const ABSURD = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

function mutate(random: Random, bytes: Buffer): Buffer {
  let out = Buffer.from(bytes);
  for (let n = random.integer(1, 4); n > 0 && out.length > 4; n--) {
    const at = random.integer(0, out.length - 4);
    switch (random.integer(0, 6)) {
      case 0:
        out[at] ^= 1 << random.integer(0, 7);
        break;
      case 1:
        out[at] = random.bits() >>> 24;
        break;
      case 2:
        out.writeUInt16BE(random.pick(ABSURD) & 0xffff, at);
        break;
      case 3:
        out.writeUInt32BE(random.pick(ABSURD), at);
        break;
      case 4:
        out = out.subarray(0, at);
        break;
      case 5:
        out = Buffer.concat([out.subarray(0, at), out.subarray(random.integer(0, out.length - 1))]);
        break;
      default:
        out = Buffer.concat([out.subarray(0, at), randomBytes(random, random.integer(1, 8)), out.subarray(at)]);
    }
  }
  return out.subarray(0, 65_535);
}

function mutatedCapture(random: Random): Wire[] {
  const all = seedCaptures();
  const from = random.pick(all);
  const start = random.integer(0, Math.max(0, from.length - PACKETS_MAX));
  const packets: Wire[] = [];
  const share = random.pick([0.005, 0.05, 0.5]);
  for (const packet of from.slice(start, start + PACKETS_MAX)) {
    if (random.chance(share)) {
      switch (random.integer(0, 4)) {
        case 0:
          continue;
        case 1:
          packets.push(packet);
          break;
        case 2: {
          const other = random.pick(random.pick(all));
          packets.push({ ...other, timeUs: packet.timeUs });
          break;
        }
        default:
          packets.push({ ...packet, data: mutate(random, packet.data), wireBytes: packet.wireBytes ?? packet.data.length });
          continue;
      }
    }
    packets.push(packet);
  }
  for (let swaps = random.integer(0, 5); swaps > 0 && packets.length > 1; swaps--) {
    const i = random.integer(0, packets.length - 2);
    [packets[i], packets[i + 1]] = [packets[i + 1], packets[i]];
  }
  return packets.map((packet) => ({ ...packet, wireBytes: Math.max(packet.wireBytes ?? 0, packet.data.length) }));
}

// ---------------------------------------------------------------- streams

const requestPieces = [
  'GET / HTTP/1.1\r\n',
  'POST /a?b=c#d HTTP/1.1\r\n',
  'HEAD /x HTTP/1.0\r\n',
  'CONNECT a:443 HTTP/1.1\r\n',
  'GET http://u@h/p HTTP/1.1\r\n',
  'GET /\r\n',
  'get  /  x HTTP/1.1 \n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
  'PROXY TCP6 ::1 ::ffff:1.2.3.4 99999 -1\r\n',
  '\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24',
  '\x05\x01\x00',
  '\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50',
  '\x04\x01\x00\x50\x01\x02\x03\x04me\0',
  '\x16\x03\x01\x00\x20\x01\x00\x00\x1c\x03\x03',
];
const responsePieces = [
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
  'HTTP/1.0 404\r\n',
  'HTTP/1.1 204 No Content\r\n',
  'HTTP/1.1 304 \r\n',
  'http/1.1  999  x\n',
  'HTTP/1.1 2000 x\r\n',
  '\x05\x00',
  '\x05\x02',
  '\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00',
  '\x00\x5a\x00\x00\x00\x00\x00\x00',
];
const commonPieces = [
  'Host: a\r\n',
  'Host:\tb \n',
  'Content-Length: 5\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 4294967296\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Expect: 100-continue\r\n',
  'Content-Type: application/json\r\n',
  'X-Forwarded-For: 1.2.3.4, ::1\r\n',
  'Forwarded: for="[2001:db8::1]:80";proto=https\r\n',
  'X-Real-IP: nonsense\r\n',
  ' folded\r\n',
  'no colon\r\n',
  'bad name : x\r\n',
  ': empty\r\n',
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  'hello',
  '5\r\nhello\r\n',
  '0\r\n\r\n',
  '0\r\nTrailer: x\r\n\r\n',
  'fffffffffffff\r\n',
  '1;ext="\r\n',
  'g\r\n',
  '\0',
  '\xff\xfe\xc3\xa9',
  '"\\\b',
];

function someText(random: Random, pieces: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (let n = random.integer(1, 12); n > 0; n--) {
    if (random.chance(0.03)) parts.push(randomBytes(random, random.integer(1, 300)));
    else if (random.chance(0.02)) parts.push(Buffer.from('a'.repeat(random.integer(1, 3000))));
    else if (random.chance(0.06)) parts.push(codedBody(random));
    else parts.push(Buffer.from(random.pick(random.chance(0.35) ? pieces : commonPieces), 'latin1'));
  }
  return Buffer.concat(parts);
}

/** The rest of a response whose body is compressed, most of them damaged. */
function codedBody(random: Random): Buffer {
  const plain = Buffer.from(random.pick(['{"a":"é"}', '', 'x'.repeat(5000), '\0\xff']).repeat(random.integer(1, 20)));
  const [name, coded] = random.pick<readonly [string, () => Buffer]>([
    ['gzip', () => zlib.gzipSync(plain)],
    ['deflate', () => zlib.deflateSync(plain)],
    ['deflate', () => zlib.deflateRawSync(plain)],
    ['br', () => zlib.brotliCompressSync(plain, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['zstd', () => zlib.zstdCompressSync(plain)],
    ['x-gzip', () => plain],
    ['gzip, br', () => zlib.gzipSync(plain)],
  ]);
  const body = random.chance(0.6) ? mutate(random, coded()) : coded();
  return Buffer.concat([Buffer.from(`Content-Encoding: ${name}\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
}

/** What one side sends in one go; `isFirst`: the first of that side. */
type Say = (random: Random, fromServer: boolean, isFirst: boolean) => Buffer;
const sayHttp1: Say = (random, fromServer) => someText(random, fromServer ? responsePieces : requestPieces);

function streamPackets(random: Random, say: Say = sayHttp1): Wire[] {
  const parts: Part[] = [];
  for (let connection = random.integer(1, 3); connection > 0; connection--) {
    const next = [random.bits() >>> 0, random.bits() >>> 0];
    const port = 40000 + connection;
    const spoke = [false, false];
    const add = (fromServer: boolean, flags: number, payload: Buffer): void => {
      const me = fromServer ? 1 : 0;
      places.push(port);
      parts.push({ fromServer, flags, sequence: next[me], acknowledgement: next[1 - me], payload });
      next[me] = (next[me] + payload.length + (flags & (p.SYN | p.FIN) ? 1 : 0)) >>> 0;
    };
    const nothing = Buffer.alloc(0);
    if (random.chance(0.8)) {
      add(false, p.SYN, nothing);
      add(true, p.SYN | p.ACK, nothing);
      add(false, p.ACK, nothing);
    }
    for (let turns = random.integer(1, 8); turns > 0; turns--) {
      const fromServer = random.chance(0.5);
      const text = say(random, fromServer, !spoke[fromServer ? 1 : 0]);
      spoke[fromServer ? 1 : 0] = true;
      const most = random.pick([1, 5, 50, 1400]);
      for (let at = 0; at < text.length && parts.length < PACKETS_MAX; ) {
        const end = at + random.integer(1, most);
        add(fromServer, p.ACK, text.subarray(at, end));
        at = end;
      }
    }
    if (random.chance(0.6)) {
      const first = random.chance(0.5);
      add(first, random.pick([p.FIN, p.RST]) | p.ACK, nothing);
      if (random.chance(0.7)) add(!first, p.FIN | p.ACK, nothing);
    }
  }
  const order = parts.map((_, i) => ({ i, at: random.chance(0.1) ? i + random.integer(0, 10) : i }));
  order.sort((a, b) => a.at - b.at || a.i - b.i);
  const loss = random.pick([0, 0, 0.02, 0.2]);
  const stepUs = random.pick([10, 1000, 150_000, 3_000_000]);
  const packets: Wire[] = [];
  order.forEach(({ i }, n) => {
    if (random.chance(loss)) return;
    let data = p.ethernet(ipPacket(parts[i], { clientPort: places[i] }));
    const wireBytes = data.length;
    if (random.chance(0.02)) data = data.subarray(0, random.integer(54, data.length));
    packets.push({ data, wireBytes, timeUs: START_US + n * stepUs });
    if (random.chance(0.03)) packets.push({ data, wireBytes, timeUs: START_US + n * stepUs, interfaceId: 1 });
  });
  places.length = 0;
  return packets;
}
const places: number[] = [];

// ---------------------------------------------------------------- files

let files: Buffer[] | undefined;

function seedFiles(): Buffer[] {
  if (files !== undefined) return files;
  files = [captured({ kind: 'small', megabytes: 0.01, seed: 3, connections: 2 }).pcap];
  files.push(pcapng(files[0]));
  if (existsSync(CORPUS)) {
    const paths = globSync('**/*.{pcap,pcapng,cap}', { cwd: CORPUS }).sort();
    for (const path of paths) if (statSync(join(CORPUS, path)).size <= 8000) files.push(readFileSync(join(CORPUS, path)));
  }
  return files;
}

/** A pcap as pcapng with enhanced packet blocks. */
function pcapng(pcap: Buffer): Buffer {
  const block = (type: number, ...body: Buffer[]): Buffer => {
    const content = Buffer.concat(body);
    const padded = Buffer.concat([content, Buffer.alloc(-content.length & 3)]);
    return Buffer.concat([u32(type, padded.length + 12), padded, u32(padded.length + 12)]);
  };
  const u32 = (...values: number[]): Buffer => {
    const out = Buffer.alloc(values.length * 4);
    for (const [i, v] of values.entries()) out.writeUInt32LE(v >>> 0, i * 4);
    return out;
  };
  const blocks = [block(0x0a0d0d0a, u32(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff)), block(1, u32(1, 0), u32(0x00010009, 6, 0))];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    blocks.push(block(6, u32(0, 0, at, length, length), pcap.subarray(at + 16, at + 16 + length)));
    at += 16 + length;
  }
  return Buffer.concat(blocks);
}

function mutatedFile(random: Random): Buffer {
  let file = random.pick(seedFiles());
  for (let n = random.integer(1, 4); n > 0; n--) {
    // Headers are more worth a change than bytes of packets.
    if (random.chance(0.5) && file.length > 100) file = Buffer.concat([mutate(random, file.subarray(0, 100)), file.subarray(100)]);
    else if (random.chance(0.3)) file = Buffer.concat([file, random.pick(seedFiles())]);
    else if (random.chance(0.1)) file = Buffer.concat([file.subarray(0, 24), randomBytes(random, 100)]);
    else file = mutate(random, file);
  }
  if (random.chance(0.01)) file = random.chance(0.5) ? zlib.gzipSync(file) : zlib.zstdCompressSync(file);
  return file;
}

let folder = '';

function runFile(input: Input): void {
  if (folder === '') {
    folder = mkdtempSync(join(tmpdir(), 'earshot-fuzz-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  const path = join(folder, 'input');
  writeFileSync(path, input.file ?? Buffer.alloc(0));
  const run = new PipelineRun({ settings: input.settings });
  let capture: ReturnType<typeof openCapture>;
  try {
    capture = openCapture([path], input.settings);
  } catch (error) {
    // A file that is no capture is told so; anything else is a bug.
    if (!(error instanceof SensorError)) throw error;
    run.finish();
    return;
  }
  try {
    const packet = new Packet();
    while (capture.next(packet)) run.processCounted(packet);
    run.finish();
  } finally {
    capture.close();
  }
}

// ---------------------------------------------------------------- the targets

function runPackets(input: Input): Run {
  return runPipeline(input.packets ?? [], { settings: input.settings, everyPacket: (input.packets?.length ?? 0) <= 50 });
}

function fromSeed(make: (random: Random) => Input): (seed: number) => Input {
  return (seed) => make(new Random(seed));
}

const streams = fromSeed((random) => ({ settings: someSettings(random), packets: streamPackets(random) }));

export const targets: Readonly<Record<string, Target>> = {
  packets: {
    what: 'random packets in random tunnels',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), packets: randomPackets(random) })),
    run: runPackets,
  },
  captures: {
    what: 'mutated captures',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), packets: mutatedCapture(random) })),
    run: runPackets,
  },
  streams: { what: 'HTTP streams made of odd pieces', limitMs: LIMIT_MS, make: streams, run: runPackets },
  http2: {
    what: 'HTTP/2 of frames that mean something, and some that do not',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), packets: streamPackets(random, someFrames) })),
    run: runPackets,
  },
  hellos: {
    what: 'hellos of TLS and QUIC, most of them damaged',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), packets: helloPackets(random) })),
    run: (input) => {
      runPackets(input);
      checkHellos();
    },
  },
  websocket: {
    what: 'frames of WebSocket, some of them damaged, with holes',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), packets: webSocketPackets(random) })),
    run: ({ packets = [], settings }) => runWebSockets(packets, settings),
  },
  files: {
    what: 'mutated capture files',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), file: mutatedFile(random) })),
    run: runFile,
  },
  masking: {
    what: 'calls to be masked, most of them damaged',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({
      settings: someSettings(random),
      packets: random.chance(0.8) ? maskedPackets(random) : random.pick<(r: Random) => Wire[]>([streamPackets, mutatedCapture])(random),
    })),
    run: ({ packets = [], settings }) => runMasked(packets, settings),
  },
  grpc: {
    what: 'messages of gRPC, gRPC-Web and Protocol Buffers, most of them damaged',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), packets: grpcPackets(random) })),
    run: ({ packets = [], settings }) => runGrpc(packets, settings),
  },
  operations: {
    what: 'operations of GraphQL, JSON-RPC and SOAP, most of them damaged',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({ settings: someSettings(random), packets: operationPackets(random) })),
    run: ({ packets = [], settings }) => runOperations(packets, settings),
  },
  settings: {
    what: 'settings at their ends',
    limitMs: LIMIT_MS,
    make: fromSeed((random) => ({
      settings: extremeSettings(random),
      packets: random.pick<(r: Random) => Wire[]>([streamPackets, mutatedCapture, randomPackets])(random),
    })),
    run: runPackets,
  },
};

/** Targets with a planted bug, which must be found: otherwise finding nothing means nothing. */
export const canaries: Readonly<Record<string, Target>> = {
  'canary-crash': {
    what: 'a planted crash',
    says: 'the planted bug',
    limitMs: LIMIT_MS,
    make: streams,
    run: (input) => {
      for (const { response } of runPackets(input).records) {
        if (response?.body.decoded && response.body.cut) throw new Error('the planted bug');
      }
    },
  },
  'canary-hang': {
    what: 'a planted hang',
    says: 'a hang',
    limitMs: 1000,
    make: streams,
    run: (input) => {
      const planted = runPackets(input).records.some(({ request }) => request?.headers.length === 3);
      while (planted) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    },
  },
};
