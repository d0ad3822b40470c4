/**
 * A naive sensor: the most obvious program that makes records of a generated capture. It reads all packets, puts
 * each stream together by sequence number, and parses it from the start. It knows only what the generator makes and
 * fails at the first thing that it does not expect, lost packets among them. It shares no code with the
 * generator or with Earshot, so that what two of them agree on is likely right.
 */
import zlib from 'node:zlib';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { KEPT_BYTES_MAX } from './truth.ts';

type Layer = ApiCall['encapsulation'][number];
type Endpoint = ApiCall['client'];
type Side = NonNullable<ApiCall['request']>;

interface Piece {
  /** Distance from the first byte of the stream. */
  readonly at: number;
  readonly data: Buffer;
  readonly timeUs: number;
}

interface Flow {
  client: Endpoint;
  server: Endpoint;
  encapsulation: Layer[];
  /** Of client and server: first sequence number, if known, and (sequence number, data, time) of every segment. */
  starts: [number | undefined, number | undefined];
  segments: [[number, Buffer, number][], [number, Buffer, number][]];
}

/** The records of a capture in Ethernet pcap, little-endian, microseconds. */
export function naiveRecords(pcap: Buffer): ApiCall[] {
  const flows = new Map<string, Flow>();
  for (let at = 24; at < pcap.length; ) {
    const timeUs = pcap.readUInt32LE(at) * 1e6 + pcap.readUInt32LE(at + 4);
    const end = at + 16 + pcap.readUInt32LE(at + 8);
    takeFrame(pcap.subarray(at + 16, end), timeUs, [], flows);
    at = end;
  }
  return [...flows.values()].flatMap(flowRecords);
}

function takeFrame(frame: Buffer, timeUs: number, encapsulation: Layer[], flows: Map<string, Flow>): void {
  const ipv4 = frame.readUInt16BE(12) === 0x0800;
  const ip = frame.subarray(14);
  const source = ipv4 ? [...ip.subarray(12, 16)].join('.') : ipv6Text(ip.subarray(8, 24));
  const destination = ipv4 ? [...ip.subarray(16, 20)].join('.') : ipv6Text(ip.subarray(24, 40));
  const payload = ipv4 ? ip.subarray((ip[0] & 15) * 4, ip.readUInt16BE(2)) : ip.subarray(40, 40 + ip.readUInt16BE(4));
  if ((ipv4 ? ip[9] : ip[6]) === 17) {
    const layer: Layer = { type: 'vxlan', source, destination, vni: payload.readUIntBE(12, 3) };
    takeFrame(payload.subarray(16), timeUs, [...encapsulation, layer], flows);
    return;
  }
  const from = { address: source, port: payload.readUInt16BE(0) };
  const to = { address: destination, port: payload.readUInt16BE(2) };
  const ends = [from, to].map((e) => `${e.address} ${e.port}`).sort();
  const key = [...ends, ...encapsulation.map((l) => l.vni)].join(' ');
  // Servers of generated traffic have the lower ports.
  const fromServer = from.port < to.port ? 1 : 0;
  let flow = flows.get(key);
  if (flow === undefined) {
    const [client, server] = fromServer === 1 ? [to, from] : [from, to];
    flow = { client, server, encapsulation, starts: [undefined, undefined], segments: [[], []] };
    flows.set(key, flow);
  }
  const sequence = payload.readUInt32BE(4);
  if (payload[13] & 2) flow.starts[fromServer] = (sequence + 1) >>> 0;
  const data = payload.subarray((payload[12] >> 4) * 4);
  if (data.length > 0) flow.segments[fromServer].push([sequence, data, timeUs]);
}

/** RFC 5952 of an address whose longest run of zero words is its fourth to sixth. */
function ipv6Text(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return `${words.slice(0, 3).join(':')}::${words.slice(6).join(':')}`;
}

/** One direction of a flow: its bytes and when each came. */
class Stream {
  readonly bytes: Buffer;
  at = 0;
  private readonly pieces: Piece[] = [];

  constructor(start: number | undefined, segments: readonly [number, Buffer, number][]) {
    if (start === undefined) throw new Error('naive sensor: a connection without SYN');
    const sorted = segments
      .map(([sequence, data, timeUs]): Piece => ({ at: (sequence - start) >>> 0, data, timeUs }))
      .sort((a, b) => a.at - b.at);
    let end = 0;
    for (const piece of sorted) {
      if (piece.at < end) continue; // a copy
      if (piece.at > end) throw new Error('naive sensor: a hole');
      this.pieces.push(piece);
      end += piece.data.length;
    }
    this.bytes = Buffer.concat(this.pieces.map((p) => p.data));
  }

  get ended(): boolean {
    return this.at >= this.bytes.length;
  }

  timeAt(offset: number): number {
    const piece = this.pieces.findLast((p) => p.at <= offset);
    if (piece === undefined) throw new Error('naive sensor: no such byte');
    return piece.timeUs;
  }

  /** Everything up to and including the next `mark`. */
  through(mark: string): string {
    const end = this.bytes.indexOf(mark, this.at);
    if (end < 0) throw new Error(`naive sensor: a stream ends before ${JSON.stringify(mark)}`);
    return this.take(end + mark.length - this.at).toString('utf8');
  }

  take(length: number): Buffer {
    const taken = this.bytes.subarray(this.at, this.at + length);
    if (taken.length < length) throw new Error('naive sensor: a stream ends too early');
    this.at += length;
    return taken;
  }
}

type Message = Omit<Side, 'method' | 'target' | 'path' | 'query' | 'version'> & { startLine: string };

function takeMessage(stream: Stream, bodiless: (startLine: string) => boolean, untilClose: boolean): Message {
  const start = stream.at;
  const [startLine, ...lines] = stream.through('\r\n\r\n').slice(0, -4).split('\r\n');
  const headers = lines.map(field);
  const get = (name: string): string | undefined => headers.find(([n]) => n.toLowerCase() === name)?.[1];
  const length = get('content-length');
  const trailers: [string, string][] = [];
  let body: Buffer = Buffer.alloc(0);
  if (!bodiless(startLine)) {
    if (get('transfer-encoding') === 'chunked') body = takeChunks(stream, trailers);
    else if (length !== undefined) body = stream.take(Number(length));
    else if (untilClose) body = stream.take(stream.bytes.length - stream.at);
  }
  return {
    startLine,
    headers,
    ...(trailers.length > 0 ? { trailers } : undefined),
    body: keptBody(body, get('content-encoding')),
    firstByteUs: stream.timeAt(start),
    lastByteUs: stream.timeAt(stream.at - 1),
  };
}

function field(line: string): [string, string] {
  const colon = line.indexOf(': ');
  return [line.slice(0, colon), line.slice(colon + 2)];
}

function takeChunks(stream: Stream, trailers: [string, string][]): Buffer {
  const chunks: Buffer[] = [];
  for (;;) {
    const size = Number.parseInt(stream.through('\r\n'), 16);
    if (size === 0) break;
    chunks.push(stream.take(size));
    stream.through('\r\n');
  }
  for (let line = stream.through('\r\n'); line !== '\r\n'; line = stream.through('\r\n')) trailers.push(field(line.slice(0, -2)));
  return Buffer.concat(chunks);
}

function keptBody(body: Buffer, coding: string | undefined): Side['body'] {
  const whole = coding === 'gzip' && body.length > 0 ? zlib.gunzipSync(body) : body;
  const kept = whole.subarray(0, KEPT_BYTES_MAX);
  const text = kept.toString('utf8');
  const content = Buffer.from(text, 'utf8').equals(kept) ? { text } : { base64: kept.toString('base64') };
  return {
    bytes: body.length,
    kept: kept.length,
    ...(kept.length > 0 ? content : undefined),
    ...(kept.length < whole.length ? { cut: true as const } : undefined),
  };
}

function flowRecords(flow: Flow): ApiCall[] {
  const requests = new Stream(flow.starts[0], flow.segments[0]);
  const responses = new Stream(flow.starts[1], flow.segments[1]);
  const records: ApiCall[] = [];
  while (!requests.ended) {
    const { startLine, ...request } = takeMessage(requests, () => false, false);
    const [method, target, version] = startLine.split(' ');
    const takeResponse = (): Message => takeMessage(responses, (line) => method === 'HEAD' || /^\S+ (1..|204|304) /.test(line), true);
    let answer = takeResponse();
    while (answer.startLine.startsWith('HTTP/1.1 1')) answer = takeResponse();
    const { startLine: statusLine, ...response } = answer;
    const [path, query] = target.split('?');
    const depth = records.length + 1;
    records.push({
      schema: 'earshot.api-call/1',
      id: `naive.${flow.client.address}-${flow.client.port}.${depth}`,
      complete: true,
      client: { ...flow.client },
      server: { ...flow.server },
      clientIp: { address: flow.client.address, source: 'connection' },
      scheme: 'http',
      host: request.headers.find(([name]) => name.toLowerCase() === 'host')?.[1].toLowerCase() ?? null,
      pathTemplate: null,
      request: { ...request, method, target, path, ...(query === undefined ? undefined : { query }), version: version.slice(5) },
      response: { ...response, status: Number(statusLine.slice(9, 12)), reason: statusLine.slice(13), version: statusLine.slice(5, 8) },
      latencyUs: response.firstByteUs - request.lastByteUs,
      durationUs: response.lastByteUs - request.firstByteUs,
      connection: { depth, interface: 0 },
      encapsulation: structuredClone(flow.encapsulation),
    });
  }
  return records;
}
