/**
 * Connections of HTTP/2 as busy clients and servers have them: as many streams open as the server allows, answers in any order,
 * frames of several streams in one write, header tables that turn over.
 *
 *   client   preface SETTINGS WINDOW_UPDATE | HEADERS DATA, HEADERS, HEADERS DATA ...     | PING WINDOW_UPDATE | GOAWAY
 *   server   SETTINGS, SETTINGS ack         | HEADERS, HEADERS, DATA, DATA, [trailers] ...| PING ack
 *
 * Calls are small ones of JSON, or unary ones of gRPC, each with its truth.
 */
import { fingerprintHeaders } from './fingerprint.ts';
import { grpcBody } from './grpc-body.ts';
import { type Field, HpackEncoder } from './hpack-encoder.ts';
import { frame, goaway, PREFACE, settingsFrame } from './http2-frames.ts';
import { type Body, byWeight, MessageMaker, NO_BODY, type Session } from './messages.ts';
import type { Random } from './random.ts';
import type { SideTruth } from './truth.ts';

/** Streams that are open at the same time. */
export const STREAMS_OPEN = 100;
const CALLS = [300, 900] as const;
const REQUEST_BYTES = [100, 800] as const;
const RESPONSE_BYTES = [200, 1200] as const;
/** Answers that a server writes in one go, at most. */
const ANSWERS_MAX = 12;

const DATA = 0;
const HEADERS = 1;
const PING = 6;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const END_HEADERS = 4;
const SETTINGS_ENABLE_PUSH = 2;
const SETTINGS_MAX_CONCURRENT_STREAMS = 3;
const SETTINGS_INITIAL_WINDOW_SIZE = 4;
const CLIENT_SETTINGS = [
  [SETTINGS_ENABLE_PUSH, 0],
  [SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20],
] as const;
const SERVER_SETTINGS = [[SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_OPEN]] as const;

export interface Http2Call {
  readonly tx: number;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly request: SideTruth;
  readonly response: SideTruth;
}

/** Bytes of a call in a write. */
export interface Http2Part {
  readonly call: Http2Call;
  readonly at: number;
  readonly end: number;
}

/** What one side writes in one go. */
export interface Http2Write {
  readonly fromServer: boolean;
  readonly bytes: Buffer;
  readonly parts: readonly Http2Part[];
  /** Calls that begin in it, in order, and calls that are over after it. */
  readonly begun: readonly Http2Call[];
  readonly over: readonly Http2Call[];
}

/** One side of a call as it is sent. */
interface Side {
  readonly fields: readonly Field[];
  readonly body: Body;
  readonly trailers: readonly Field[];
}

interface OpenCall {
  readonly stream: number;
  readonly call: Http2Call;
  readonly request: Side;
  readonly response: Side;
}

const OUTCOMES = [
  [200, 0.9],
  [201, 0.04],
  [404, 0.03],
  [401, 0.02],
  [500, 0.01],
] as const;
const SERVICES = ['shop.cart.v1.CartService', 'shop.orders.v1.OrderService', 'shop.catalog.v1.Catalog', 'grpc.health.v1.Health'] as const;
const METHODS = ['GetItem', 'AddItem', 'ListItems', 'UpdateQuantity', 'Check', 'PlaceOrder', 'GetStatus'] as const;
const AGENTS = [
  'grpc-go/1.73.0',
  'grpc-java-netty/1.73.0',
  'grpc-node-js/1.13.4',
  'grpc-python/1.73.0 grpc-c/48.0.0 (linux; chttp2)',
] as const;
const STATUS_TEXTS = ['item%20not%20found', 'deadline%20exceeded', 'quota%20of%20caf%C3%A9%20spent'] as const;

/** What a record lists of a side: without pseudo-header fields, and the authority as `host`. */
function listed(fields: readonly Field[]): Field[] {
  const authority = fields.find(([name]) => name === ':authority');
  return [...(authority === undefined ? [] : [['host', authority[1]] as const]), ...fields.filter(([name]) => !name.startsWith(':'))];
}

function truthOf({ fields, body, trailers }: Side): SideTruth {
  return {
    headers: fingerprintHeaders(listed(fields)),
    trailers: trailers.length === 0 ? 0 : fingerprintHeaders(trailers),
    bodyBytes: body.bytes.length,
    kept: body.kept,
    keptPrint: body.keptPrint,
    cut: body.cut,
  };
}

/** Makes the calls of one kind. */
export class Http2Maker {
  readonly #random: Random;
  readonly #isGrpc: boolean;
  readonly #messages: MessageMaker;

  constructor(random: Random, isGrpc: boolean) {
    this.#random = random;
    this.#isGrpc = isGrpc;
    this.#messages = new MessageMaker(random, { responseBytes: RESPONSE_BYTES, gzipShare: 0, oneCall: false });
  }

  /** The writes of one connection. `nextTx` numbers its calls; once `isFull` says so, no more begin. */
  *connection(nextTx: () => number, isFull: () => boolean, nowUs: () => number): Generator<Http2Write> {
    const random = this.#random;
    const session = this.#messages.session();
    const style = random.chance(0.5) ? 'every' : 'careful';
    const client = new Writer(false, new HpackEncoder(style));
    const server = new Writer(true, new HpackEncoder(random.chance(0.5) ? 'every' : 'careful'));
    client.add(PREFACE, settingsFrame(CLIENT_SETTINGS), windowUpdate(0, 1 << 24));
    yield client.write();
    server.add(settingsFrame(SERVER_SETTINGS), settingsFrame([], true));
    yield server.write();
    client.add(settingsFrame([], true));
    const open: OpenCall[] = [];
    let left = random.integer(...CALLS);
    let stream = 1;
    while (left > 0 || open.length > 0) {
      for (; left > 0 && open.length < STREAMS_OPEN; left--, stream += 2) {
        const made = this.#call(nextTx(), stream, session, nowUs());
        open.push(made);
        client.ask(made, random);
      }
      if (random.chance(0.1)) client.add(frame(PING, 0, 0, Buffer.alloc(8, stream)), windowUpdate(0, 1 << 16));
      if (!client.isEmpty) yield client.write();
      const answered: OpenCall[] = [];
      for (let n = random.integer(1, Math.min(ANSWERS_MAX, open.length)); n > 0; n--) {
        answered.push(...open.splice(random.integer(0, open.length - 1), 1));
      }
      server.answer(answered, random);
      yield server.write();
      if (isFull()) left = 0;
    }
    client.add(goaway(0, 0));
    yield client.write();
  }

  #call(tx: number, stream: number, session: Session, timeUs: number): OpenCall {
    const [method, target] = this.#isGrpc
      ? ['POST', `/${this.#random.pick(SERVICES)}/${this.#random.pick(METHODS)}`]
      : [this.#random.chance(0.6) ? 'GET' : this.#random.pick(['POST', 'PUT', 'PATCH']), this.#messages.target(tx)];
    const status = this.#isGrpc ? 200 : byWeight(OUTCOMES, this.#random.unit())[0];
    const start: Field[] = [
      [':method', method],
      [':scheme', 'http'],
      [':authority', session.host],
      [':path', target],
    ];
    const request = this.#isGrpc ? this.#grpcRequest(tx, start, session) : this.#jsonRequest(tx, start, session, method !== 'GET');
    const response = this.#isGrpc ? this.#grpcResponse() : this.#jsonResponse(tx, status, timeUs);
    return { stream, call: { tx, method, target, status, request: truthOf(request), response: truthOf(response) }, request, response };
  }

  #jsonRequest(tx: number, start: readonly Field[], session: Session, hasBody: boolean): Side {
    const r = this.#random;
    const messages = this.#messages;
    const body = hasBody ? messages.body(...REQUEST_BYTES) : NO_BODY;
    const fields: Field[] = [...start, ['user-agent', session.userAgent], ['accept', 'application/json'], ['accept-encoding', 'gzip, br']];
    fields.push(['authorization', `Bearer ${session.token}`], ['x-request-id', messages.requestId(tx)]);
    fields.push(['x-forwarded-for', session.forwardedFor]);
    if (r.chance(0.7)) for (const crumb of session.cookie.split('; ')) fields.push(['cookie', crumb]);
    if (r.chance(0.6)) fields.push(['traceparent', `00-${messages.hex.take(32)}-${messages.hex.take(16)}-01`]);
    if (hasBody) fields.push(['content-type', body.type], ['content-length', String(body.bytes.length)]);
    return { fields, body, trailers: [] };
  }

  #jsonResponse(tx: number, status: number, timeUs: number): Side {
    const r = this.#random;
    const messages = this.#messages;
    const body = status < 400 ? messages.body(...RESPONSE_BYTES) : messages.problem(status, 'That did not work');
    const fields: Field[] = [
      [':status', String(status)],
      ['date', new Date(timeUs / 1000).toUTCString()],
      ['server', 'envoy'],
      ['content-type', body.type],
      ['x-request-id', messages.requestId(tx)],
      ['cache-control', 'private, no-cache, max-age=0'],
      ['vary', 'accept-encoding, origin'],
      ['x-envoy-upstream-service-time', String(r.integer(1, 80))],
      ['etag', `W/"${messages.hex.take(10)}-${messages.tokens.take(24)}"`],
    ];
    if (r.chance(0.8)) fields.push(['content-length', String(body.bytes.length)]);
    if (r.chance(0.05)) fields.push(['set-cookie', `session=${messages.hex.take(32)}; Path=/; HttpOnly; Secure`]);
    return { fields, body, trailers: [] };
  }

  #grpcRequest(tx: number, start: readonly Field[], session: Session): Side {
    const r = this.#random;
    const fields: Field[] = [...start, ['content-type', 'application/grpc'], ['user-agent', AGENTS[session.host.length % AGENTS.length]]];
    fields.push(['te', 'trailers']);
    if (r.chance(0.5)) fields.push(['grpc-timeout', `${r.integer(100, 5000)}m`]);
    if (r.chance(0.5)) fields.push(['grpc-accept-encoding', 'gzip']);
    fields.push(['authorization', `Bearer ${session.token}`], ['x-request-id', this.#messages.requestId(tx)]);
    if (r.chance(0.6)) fields.push(['traceparent', `00-${this.#messages.hex.take(32)}-${this.#messages.hex.take(16)}-01`]);
    return { fields, body: grpcBody(r, this.#messages.tokens), trailers: [] };
  }

  #grpcResponse(): Side {
    const fields: Field[] = [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ];
    if (this.#random.chance(0.05)) {
      const trailers: Field[] = [
        ['grpc-status', this.#random.pick(['5', '4', '8'])],
        ['grpc-message', this.#random.pick(STATUS_TEXTS)],
      ];
      return { fields, body: NO_BODY, trailers };
    }
    return { fields, body: grpcBody(this.#random, this.#messages.tokens), trailers: [['grpc-status', '0']] };
  }
}

const windowUpdate = (stream: number, bytes: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(WINDOW_UPDATE, 0, stream, payload);
};

/** Gathers what one side writes. */
class Writer {
  readonly #fromServer: boolean;
  readonly #encoder: HpackEncoder;
  #frames: Buffer[] = [];
  #bytes = 0;
  #parts: Http2Part[] = [];
  #begun: Http2Call[] = [];
  #over: Http2Call[] = [];

  constructor(fromServer: boolean, encoder: HpackEncoder) {
    this.#fromServer = fromServer;
    this.#encoder = encoder;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  add(...frames: Buffer[]): void {
    for (const one of frames) {
      this.#frames.push(one);
      this.#bytes += one.length;
    }
  }

  write(): Http2Write {
    const made = {
      fromServer: this.#fromServer,
      bytes: Buffer.concat(this.#frames, this.#bytes),
      parts: this.#parts,
      begun: this.#begun,
      over: this.#over,
    };
    this.#frames = [];
    this.#bytes = 0;
    this.#parts = [];
    this.#begun = [];
    this.#over = [];
    return made;
  }

  ask({ stream, call, request }: OpenCall, random: Random): void {
    this.#begun.push(call);
    this.#head(stream, call, request);
    this.#body(stream, call, request, random);
  }

  /** Heads, then bodies, then trailers of a few at a time: a server that has several answers ready. */
  answer(calls: readonly OpenCall[], random: Random): void {
    for (let at = 0; at < calls.length; ) {
      const some = calls.slice(at, at + random.integer(1, 3));
      for (const { stream, call, response } of some) this.#head(stream, call, response);
      for (const { stream, call, response } of some) this.#body(stream, call, response, random);
      for (const { stream, call, response } of some) {
        if (response.trailers.length > 0) this.#block(stream, call, response.trailers, END_STREAM);
        this.#over.push(call);
      }
      at += some.length;
    }
  }

  #head(stream: number, call: Http2Call, { fields, body, trailers }: Side): void {
    this.#block(stream, call, fields, body.bytes.length === 0 && trailers.length === 0 ? END_STREAM : 0);
  }

  #block(stream: number, call: Http2Call, fields: readonly Field[], flags: number): void {
    this.#part(call, frame(HEADERS, END_HEADERS | flags, stream, this.#encoder.encode(fields)));
  }

  #body(stream: number, call: Http2Call, { body, trailers }: Side, random: Random): void {
    const { bytes } = body;
    if (bytes.length === 0) return;
    const isLast = trailers.length === 0;
    // Some say that it is over in a frame of its own, as who does not know the end beforehand.
    const isApart = isLast && random.chance(0.2);
    this.#part(call, frame(DATA, isLast && !isApart ? END_STREAM : 0, stream, bytes));
    if (isApart) this.#part(call, frame(DATA, END_STREAM, stream, Buffer.alloc(0)));
  }

  #part(call: Http2Call, bytes: Buffer): void {
    this.#parts.push({ call, at: this.#bytes, end: this.#bytes + bytes.length });
    this.add(bytes);
  }
}
