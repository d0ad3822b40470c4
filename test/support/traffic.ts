/**
 * Traffic: a deterministic generator of captures of API traffic, with the truth about every call: HTTP/1.1 (messages.ts) or
 * HTTP/2 in clear text (http2-calls.ts).
 *
 *   MessageMaker -> conversation (a generator, one step a packet) -> Mirror -> PcapWriter
 *                   thousands at once, steps in random order         tunnel, loss, disorder
 *
 * Loss here is what happens between the mirror and the sensor: a lost packet is left out of the file while both
 * peers carry on, so acknowledgements and later data of what was lost are in the capture. Disorder happens there
 * too: a packet is overtaken by up to three later ones of its connection, in either direction, or comes twice.
 *
 * Left out on purpose: retransmissions by the peers, window probes, IP fragments, options beyond the usual ones.
 * The same options give the same bytes; with compressed bodies only where zlib compresses alike.
 */
import { ACK, FIN, FlowFrames, PSH, RST, SYN } from './frames.ts';
import { type Http2Call, Http2Maker } from './http2-calls.ts';
import { CONTINUE, type Message, MessageMaker, type Request, type Response } from './messages.ts';
import { Mirror, type Tap } from './mirror.ts';
import { PcapWriter } from './pcap-writer.ts';
import { Random } from './random.ts';
import { isHttp2, type TrafficKind, type TrafficOptions } from './traffic-options.ts';
import { type CallTruth, type LostBytes, TruthWriter } from './truth.ts';

/** Changes whenever the same options give other bytes, so that kept captures are made again. */
export const GENERATOR_VERSION = 1;

export interface TrafficSummary {
  readonly options: TrafficOptions;
  readonly packets: number;
  readonly fileBytes: number;
  readonly connections: number;
  readonly calls: number;
  /** Packets that were left out. */
  readonly lost: number;
  readonly overtaken: number;
  readonly duplicated: number;
}

/** What a kind fixes of its conversations. */
interface Shape {
  readonly calls: readonly [number, number];
  readonly responseBytes: readonly [number, number];
  readonly gzipShare: number;
  /** Packets of one connection that follow each other directly, at most. */
  readonly trainMax: number;
}

const SMALL: Shape = { calls: [10, 50], responseBytes: [200, 2000], gzipShare: 0, trainMax: 1 };
const shapes: Readonly<Record<TrafficKind, Shape>> = {
  small: SMALL,
  large: { calls: [3, 12], responseBytes: [20_000, 200_000], gzipShare: 0, trainMax: 8 },
  short: { ...SMALL, calls: [1, 1] },
  vxlan: SMALL,
  gzip: { ...SMALL, gzipShare: 0.6 },
  reordered: SMALL,
  lossy: SMALL,
  'http2-json': SMALL,
  'http2-grpc': SMALL,
};

const SERVER_PORTS = [80, 8080, 3000, 8000] as const;
const SERVERS = 200;
const VNIS = 7;
const RESET_SHARE = 0.02;

/** Writes a capture to `capturePath` and its truth to `truthPath`. */
export function writeTraffic(options: TrafficOptions, capturePath: string, truthPath: string): TrafficSummary {
  const pcap = new PcapWriter(capturePath);
  const truth = new TruthWriter(options, truthPath);
  const summary = generate(options, pcap, truth);
  pcap.close();
  truth.close();
  return summary;
}

/** A capture and its truth in memory, for tests. */
export function makeTraffic(options: TrafficOptions): { pcap: Buffer; calls: CallTruth[]; summary: TrafficSummary } {
  const writer = new PcapWriter();
  const truth = new TruthWriter(options);
  const summary = generate(options, writer, truth);
  return { pcap: writer.close(), calls: truth.calls, summary };
}

function generate(options: TrafficOptions, pcap: PcapWriter, truth: TruthWriter): TrafficSummary {
  const random = new Random(options.seed);
  const mirror = new Mirror(options, random, pcap);
  const network = new Network(options, random, mirror, pcap, truth);
  const { trainMax } = shapes[options.kind];
  const open: Generator<undefined>[] = [];
  for (let i = 0; i < options.connections; i++) open.push(network.conversation());
  while (open.length > 0) {
    const i = random.integer(0, open.length - 1);
    let ended = false;
    for (let left = random.integer(1, trainMax); left > 0 && !ended; left--) ended = open[i].next().done === true;
    if (!ended) continue;
    const last = open.pop() as Generator<undefined>;
    if (i < open.length) open[i] = last;
    if (!network.full) open.push(network.conversation());
  }
  const { lost, overtaken, duplicated } = mirror;
  const { connections, calls } = network;
  return { options, packets: pcap.packets, fileBytes: pcap.fileBytes, connections, calls, lost, overtaken, duplicated };
}

/** The truth about a call while it is under way. */
type Draft = { -readonly [K in keyof CallTruth]: CallTruth[K] } & { timesUs: [number, number, number, number]; lost: LostBytes[] };

/** The ends of a connection. */
type Ends = Pick<CallTruth, 'client' | 'clientPort' | 'server' | 'serverPort'> & { tap: Tap };

function draft({ client, clientPort, server, serverPort, tap }: Ends, depth: number, call: Http2Call): Draft {
  return { client, clientPort, server, serverPort, vnis: tap.vnis, depth, ...call, timesUs: [0, 0, 0, 0], lost: [] };
}

/** A message, or a piece of one, within the bytes that one side sends in one go. */
interface Part {
  readonly call: Draft;
  readonly at: number;
  readonly headEnd: number;
  readonly end: number;
}

/** One TCP connection under way. Sequence numbers are unsigned 32 bit. */
interface Connection {
  readonly tap: Tap;
  clientSequence: number;
  serverSequence: number;
}

/** Makes conversations. */
class Network {
  connections = 0;
  calls = 0;
  private readonly options: TrafficOptions;
  private readonly shape: Shape;
  private readonly random: Random;
  private readonly mirror: Mirror;
  private readonly pcap: PcapWriter;
  private readonly truth: TruthWriter;
  private readonly messages: MessageMaker;
  private readonly http2?: Http2Maker;

  constructor(options: TrafficOptions, random: Random, mirror: Mirror, pcap: PcapWriter, truth: TruthWriter) {
    this.options = options;
    this.shape = shapes[options.kind];
    this.random = random;
    this.mirror = mirror;
    this.pcap = pcap;
    this.truth = truth;
    const { responseBytes, gzipShare, calls } = this.shape;
    this.messages = new MessageMaker(random, { responseBytes, gzipShare, oneCall: calls[1] === 1 });
    if (isHttp2(options.kind)) this.http2 = new Http2Maker(random, options.kind === 'http2-grpc');
  }

  /** The capture has the size that was asked for. */
  get full(): boolean {
    return this.pcap.fileBytes >= this.options.megabytes * 1e6;
  }

  /** One connection from its SYN to its end; each step passes one packet. */
  *conversation(): Generator<undefined> {
    const { random, mirror } = this;
    const ends = this.ends(this.connections++);
    const connection: Connection = { tap: ends.tap, clientSequence: random.bits() >>> 0, serverSequence: random.bits() >>> 0 };
    this.control(connection, false, SYN);
    yield;
    this.control(connection, true, SYN | ACK);
    yield;
    this.control(connection, false, ACK);
    yield;
    if (this.http2 === undefined) yield* this.messagesOf(connection, ends);
    else yield* this.streamsOf(connection, ends, this.http2);
    if (this.shape.calls[1] > 1 && random.chance(RESET_SHARE)) {
      mirror.release(ends.tap);
      this.control(connection, false, RST | ACK);
      yield;
      return;
    }
    const serverCloses = this.shape.calls[1] === 1;
    this.control(connection, serverCloses, FIN | ACK);
    yield;
    this.control(connection, !serverCloses, FIN | ACK);
    yield;
    this.control(connection, serverCloses, ACK);
    mirror.release(ends.tap);
    yield;
  }

  /** All messages of a connection of HTTP/1. */
  private *messagesOf(connection: Connection, ends: Ends): Generator<undefined> {
    const { random, mirror } = this;
    const session = this.messages.session();
    const calls = random.integer(...this.shape.calls);
    for (let depth = 1; depth <= calls && (depth === 1 || !this.full); ) {
      const burst = random.chance(this.options.pipelineShare) ? random.integer(2, 5) : 1;
      const requests: Request[] = [];
      const responses: Response[] = [];
      const drafts: Draft[] = [];
      for (let i = 0; i < burst; i++, depth++) {
        const tx = ++this.calls;
        const request = this.messages.request(tx, session);
        const response = this.messages.response(tx, session, request, mirror.nowUs);
        requests.push(request);
        responses.push(response);
        const { method, target } = request;
        drafts.push(draft(ends, depth, { tx, method, target, status: response.status, request: request.truth, response: response.truth }));
      }
      if (burst === 1 && requests[0].expectsContinue) yield* this.sendAfterContinue(connection, requests[0], drafts[0]);
      else yield* this.sendMessages(connection, false, requests, drafts);
      yield* this.sendMessages(connection, true, responses, drafts);
      for (const call of drafts) this.truth.add(call);
    }
  }

  /** All streams of a connection of HTTP/2. */
  private *streamsOf(connection: Connection, ends: Ends, maker: Http2Maker): Generator<undefined> {
    const drafts = new Map<Http2Call, Draft>();
    let depth = 0;
    const writes = maker.connection(
      () => ++this.calls,
      () => this.full,
      () => this.mirror.nowUs,
    );
    for (const { fromServer, bytes, parts, begun, over } of writes) {
      for (const call of begun) drafts.set(call, draft(ends, ++depth, call));
      const sent: Part[] = parts.map(({ call, at, end }) => ({ call: drafts.get(call) as Draft, at, headEnd: at, end }));
      yield* this.send(connection, fromServer, bytes, sent);
      for (const call of over) {
        this.truth.add(drafts.get(call) as Draft);
        drafts.delete(call);
      }
    }
  }

  /** Addresses, ports and tap of the connection of that number, counted from 0. Concurrent ones never have the same. */
  private ends(number: number): Ends {
    const { options, random } = this;
    const place = options.overlappingAddresses ? Math.floor(number / VNIS) : number;
    const ipv6 = random.chance(options.ipv6Share);
    // An odd factor makes every 16-bit index come once; the port tells those apart that come again.
    const host = Math.imul(place, 40503) & 0xffff;
    const clientPort = 32768 + (((place >>> 16) * 7919 + host * 31) % 28000);
    const service = place % SERVERS;
    const serverPort = SERVER_PORTS[service % SERVER_PORTS.length];
    const vnis = options.mirroredTwice ? [1000 + (number % 5), 2000 + (number % 3)] : options.vxlan ? [1000 + (number % VNIS)] : [];
    const client = ipv6 ? ipv6Bytes(0xc11e, 1 + (host >> 8), host & 0xff) : Uint8Array.of(10, 20, host >> 8, host & 0xff);
    const server = ipv6 ? ipv6Bytes(0x5e12, 1, service) : Uint8Array.of(192, 168, 7, 1 + service);
    const frames = new FlowFrames({ address: client, port: clientPort }, { address: server, port: serverPort }, number & 0xffff);
    return {
      tap: { frames, vnis, tunnelPort: 49152 + (host & 0x3fff), late: [] },
      client: addressText(client),
      clientPort,
      server: addressText(server),
      serverPort,
    };
  }

  /** Passes a packet without payload. SYN and FIN take one sequence number. */
  private control(connection: Connection, fromServer: boolean, flags: number): void {
    this.pass(connection, fromServer, flags);
    if ((flags & (SYN | FIN)) !== 0) advance(connection, fromServer, 1);
  }

  private pass(connection: Connection, fromServer: boolean, flags: number, payload?: Buffer, payloadAt = 0, payloadEnd = 0): number {
    return this.mirror.pass(connection.tap, {
      fromServer,
      flags,
      sequence: fromServer ? connection.serverSequence : connection.clientSequence,
      acknowledgement: fromServer ? connection.clientSequence : connection.serverSequence,
      timestamp: Math.floor(this.mirror.nowUs / 1000) >>> 0,
      ...(payload === undefined ? undefined : { payload, payloadAt, payloadEnd }),
    });
  }

  private *sendAfterContinue(connection: Connection, request: Request, call: Draft): Generator<undefined> {
    const { bytes, headBytes } = request;
    yield* this.send(connection, false, bytes.subarray(0, headBytes), [{ call, at: 0, headEnd: headBytes, end: headBytes }]);
    yield* this.send(connection, true, CONTINUE, []);
    yield* this.send(connection, false, bytes.subarray(headBytes), [{ call, at: 0, headEnd: 0, end: bytes.length - headBytes }]);
  }

  private *sendMessages(
    connection: Connection,
    fromServer: boolean,
    messages: readonly Message[],
    calls: readonly Draft[],
  ): Generator<undefined> {
    const parts: Part[] = [];
    let end = 0;
    for (let i = 0; i < messages.length; i++) {
      const at = end;
      end += messages[i].bytes.length;
      parts.push({ call: calls[i], at, headEnd: at + messages[i].headBytes, end });
    }
    const bytes = messages.length === 1 ? messages[0].bytes : Buffer.concat(messages.map((m) => m.bytes));
    yield* this.send(connection, fromServer, bytes, parts);
  }

  /** Sends `bytes` in full segments, with an acknowledgement after every second one. */
  private *send(connection: Connection, fromServer: boolean, bytes: Buffer, parts: readonly Part[]): Generator<undefined> {
    const segmentBytesMax = connection.tap.frames.payloadBytesMax;
    const everyMirror = (1 << Math.max(1, connection.tap.vnis.length)) - 1;
    let unacknowledged = 0;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + segmentBytesMax);
      const delivered = this.pass(connection, fromServer, end === bytes.length ? PSH | ACK : ACK, bytes, at, end);
      for (const part of parts) {
        if (part.at >= end || part.end <= at) continue;
        const first = fromServer ? 2 : 0;
        if (part.call.timesUs[first] === 0) part.call.timesUs[first] = this.mirror.nowUs;
        part.call.timesUs[first + 1] = this.mirror.nowUs;
        if (delivered !== everyMirror) countLost(part, fromServer, at, end, everyMirror, delivered);
      }
      advance(connection, fromServer, end - at);
      at = end;
      yield;
      if (++unacknowledged === 2 && at < bytes.length) {
        unacknowledged = 0;
        this.control(connection, !fromServer, ACK);
        yield;
      }
    }
    // A request is often acknowledged by its response alone.
    if (fromServer || this.random.chance(0.5)) {
      this.control(connection, !fromServer, ACK);
      yield;
    }
  }
}

function advance(connection: Connection, fromServer: boolean, bytes: number): void {
  if (fromServer) connection.serverSequence = (connection.serverSequence + bytes) >>> 0;
  else connection.clientSequence = (connection.clientSequence + bytes) >>> 0;
}

/** The bytes from `at` to `end` were not delivered by every mirror: adds those of `part` to what its call lost. */
function countLost(part: Part, fromServer: boolean, at: number, end: number, everyMirror: number, delivered: number): void {
  const head = Math.max(0, Math.min(end, part.headEnd) - Math.max(at, part.at));
  const body = Math.max(0, Math.min(end, part.end) - Math.max(at, part.headEnd));
  const { lost } = part.call;
  for (let i = 0; everyMirror >> i !== 0; i++) {
    lost[i] ??= { requestHead: 0, requestBody: 0, responseHead: 0, responseBody: 0 };
    if ((delivered >> i) & 1) continue;
    lost[i][fromServer ? 'responseHead' : 'requestHead'] += head;
    lost[i][fromServer ? 'responseBody' : 'requestBody'] += body;
  }
}

/** 2001:db8:`net`::`high`:`low` */
function ipv6Bytes(net: number, high: number, low: number): Uint8Array {
  return Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, net >> 8, net & 0xff, 0, 0, 0, 0, 0, 0, high >> 8, high & 0xff, low >> 8, low & 0xff);
}

/** IPv4 dotted; of IPv6 the form of `ipv6Bytes` as RFC 5952 wants it (`high` is never 0). */
function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const word = (at: number): string => ((address[at] << 8) | address[at + 1]).toString(16);
  return `2001:db8:${word(4)}::${word(12)}:${word(14)}`;
}
