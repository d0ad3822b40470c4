/**
 * Messages: HTTP/1.1 requests and responses as API clients and servers write them (RFC 9112), each with its
 * truth. Heads have 10 to 15 fields with cookies and bearer tokens; bodies are JSON with characters beyond
 * ASCII, some chunked (a few with extensions or trailers), some compressed, a few binary, some ended by close.
 */
import zlib from 'node:zlib';
import { fingerprint, fingerprintLines } from './fingerprint.ts';
import { type Random, TextPool } from './random.ts';
import { KEPT_BYTES_MAX, type SideTruth, TX_DIGITS } from './truth.ts';

/** The bytes of one message: a head of `headBytes` bytes, then the body as it goes over the wire. */
export interface Message {
  readonly bytes: Buffer;
  readonly headBytes: number;
  readonly truth: SideTruth;
}

export interface Request extends Message {
  readonly method: string;
  readonly target: string;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

export interface Response extends Message {
  readonly status: number;
}

/** Who speaks on a connection; the same for all its calls. */
export interface Session {
  readonly host: string;
  readonly userAgent: string;
  readonly token: string;
  readonly cookie: string;
  readonly forwardedFor: string;
  /** Field names in lower case, as some libraries write them. */
  readonly lowerCase: boolean;
}

export interface MessageOptions {
  /** Bytes of a JSON body of a response before any coding, about. */
  readonly responseBytes: readonly [number, number];
  /** Share of bodies that are compressed with gzip. */
  readonly gzipShare: number;
  /** Each connection carries one call and the server closes it. */
  readonly oneCall: boolean;
}

/** The interim response that answers `Expect: 100-continue`. */
export const CONTINUE: Buffer = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

const REQUEST_BODY_BYTES = [200, 2000] as const;
const CHUNKED_SHARE = 0.15;
const GZIP_POOL = 300;
const FRAGMENTS = 1500;

const METHODS: readonly (readonly [string, number])[] = [
  ['GET', 0.56],
  ['POST', 0.2],
  ['PUT', 0.08],
  ['DELETE', 0.06],
  ['PATCH', 0.04],
  ['HEAD', 0.04],
  ['OPTIONS', 0.02],
];
const OUTCOMES: readonly (readonly [number, string, number])[] = [
  [200, 'OK', 0.84],
  [201, 'Created', 0.05],
  [404, 'Not Found', 0.03],
  [304, 'Not Modified', 0.025],
  [204, 'No Content', 0.02],
  [401, 'Unauthorized', 0.015],
  [422, 'Unprocessable Content', 0.01],
  [500, 'Internal Server Error', 0.01],
];
const COLLECTIONS = ['orders', 'customers', 'products', 'carts', 'payments', 'shipments', 'reviews'] as const;
const SUBRESOURCES = ['items', 'history', 'address', 'status'] as const;
const USER_AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'ShopApp/7.14.2 (Android 15; okhttp/5.0.0)',
  'python-requests/2.32.4',
  'Go-http-client/1.1',
] as const;
const SERVERS = ['nginx', 'envoy', 'Apache', 'Kestrel'] as const;
const NAMES = ['Zoë Ångström', 'José Muñoz', '山田 太郎', 'Anna Müller', 'Иван Петров', 'Mary O’Brien', 'Li Wei', 'Tom Smith'] as const;
const GOODS = ['Crêpe pan', 'Desk lamp 💡', 'Garden hose', 'Tea — 茶', 'Walking boots', 'Café table', 'Keyboard', 'Wool scarf'] as const;
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export interface Body {
  /** As it goes over the wire, without transfer-coding. */
  readonly bytes: Buffer;
  readonly type: string;
  readonly coding: string;
  readonly kept: number;
  readonly keptPrint: number;
  readonly cut: boolean;
}

export const NO_BODY: Body = { bytes: Buffer.alloc(0), type: '', coding: '', kept: 0, cut: false, keptPrint: fingerprint(Buffer.alloc(0)) };

/** Makes messages; the same seed and the same calls give the same bytes. */
export class MessageMaker {
  private readonly random: Random;
  private readonly options: MessageOptions;
  readonly tokens: TextPool;
  readonly hex: TextPool;
  private readonly digits: TextPool;
  private readonly fragments: readonly Buffer[];
  private readonly compressed: readonly Body[];

  constructor(random: Random, options: MessageOptions) {
    this.random = random;
    this.options = options;
    this.tokens = new TextPool(random, BASE64URL);
    this.hex = new TextPool(random, '0123456789abcdef');
    this.digits = new TextPool(random, '0123456789');
    this.fragments = Array.from({ length: FRAGMENTS }, () => this.fragment());
    this.compressed = options.gzipShare > 0 ? Array.from({ length: GZIP_POOL }, () => this.compress()) : [];
  }

  session(): Session {
    const r = this.random;
    return {
      host: `${r.pick(['api', 'shop', 'gateway', 'Backend'])}-${r.integer(1, 30)}.example.${r.pick(['com', 'net', 'org'])}${r.chance(0.3) ? ':8080' : ''}`,
      userAgent: r.pick(USER_AGENTS),
      token: `eyJ${this.tokens.take(33)}.${this.tokens.take(r.integer(160, 400))}.${this.tokens.take(86)}`,
      cookie: `session=${this.hex.take(32)}; basket=${this.tokens.take(22)}; _ga=GA1.2.${this.digits.take(9)}.${this.digits.take(10)}; lang=en-GB; consent=1`,
      forwardedFor: `198.51.100.${r.integer(1, 254)}`,
      lowerCase: r.chance(0.2),
    };
  }

  request(tx: number, session: Session): Request {
    const r = this.random;
    const method = byWeight(METHODS, r.unit())[0];
    const target = this.target(tx);
    const withBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
    const body = withBody && !r.chance(0.02) ? this.body(...REQUEST_BODY_BYTES) : NO_BODY;
    const chunked = body.bytes.length > 0 && r.chance(0.03);
    const expectsContinue = body.bytes.length > 0 && r.chance(0.03);
    let lines = `Host: ${session.host}\r\nUser-Agent: ${session.userAgent}\r\nAccept: application/json\r\n`;
    lines += `Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.8,de;q=0.5\r\n`;
    lines += `Authorization: Bearer ${session.token}\r\nX-Request-Id: ${this.requestId(tx)}\r\nX-Forwarded-For: ${session.forwardedFor}\r\n`;
    lines += `Connection: ${this.options.oneCall ? 'close' : 'keep-alive'}\r\n`;
    if (r.chance(0.7)) lines += `Cookie: ${session.cookie}\r\n`;
    if (r.chance(0.6)) lines += `traceparent: 00-${this.hex.take(32)}-${this.hex.take(16)}-01\r\n`;
    if (r.chance(0.5)) lines += `Origin: https://www.example.com\r\nReferer: https://www.example.com/app/${this.tokens.take(9)}\r\n`;
    if (r.chance(0.3)) lines += `Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-site\r\n`;
    if (r.chance(0.01)) lines += `X-Display-Name: ${r.pick(NAMES)}\r\n`;
    if (expectsContinue) lines += 'Expect: 100-continue\r\n';
    if (body.bytes.length > 0) lines += bodyFields(body, chunked);
    else if (withBody) lines += 'Content-Length: 0\r\n';
    return { ...this.message(`${method} ${target} HTTP/1.1\r\n`, lines, session, body, chunked), method, target, expectsContinue };
  }

  /** `timeUs` is what the Date field says, microseconds since 1970. */
  response(tx: number, session: Session, request: Request, timeUs: number): Response {
    const r = this.random;
    const [status, reason] = byWeight(OUTCOMES, r.unit(), 2);
    const noBody = status === 204 || status === 304;
    const made = noBody ? NO_BODY : status < 400 ? this.body(...this.options.responseBytes) : this.problem(status, reason);
    const head = request.method === 'HEAD';
    const chunked = !noBody && r.chance(CHUNKED_SHARE);
    const untilClose = !noBody && !chunked && this.options.oneCall && r.chance(0.1);
    let lines = `Date: ${new Date(timeUs / 1000).toUTCString()}\r\nServer: ${r.pick(SERVERS)}\r\n`;
    lines += `X-Request-Id: ${this.requestId(tx)}\r\nCache-Control: private, no-cache, max-age=0\r\nVary: Accept-Encoding, Origin\r\n`;
    lines += `Strict-Transport-Security: max-age=31536000; includeSubDomains\r\nX-Content-Type-Options: nosniff\r\n`;
    lines += `ETag: W/"${this.hex.take(10)}-${this.tokens.take(24)}"\r\n`;
    lines += this.options.oneCall ? 'Connection: close\r\n' : 'Connection: keep-alive\r\nKeep-Alive: timeout=60\r\n';
    if (r.chance(0.1)) lines += `Set-Cookie: session=${this.hex.take(32)}; Path=/; HttpOnly; Secure\r\nSet-Cookie: lang=en-GB; Path=/\r\n`;
    if (!noBody) lines += bodyFields(made, chunked, untilClose);
    // A 304 may state the length of what it does not send (RFC 9110, 15.4.5).
    else if (status === 304 && r.chance(0.2)) lines += `Content-Length: ${r.integer(200, 2000)}\r\n`;
    const trailers = chunked && !head && r.chance(0.1) ? `Server-Timing: app;dur=${r.integer(1, 900)}\r\n` : '';
    if (trailers !== '') lines += 'Trailer: Server-Timing\r\n';
    return {
      ...this.message(`HTTP/1.1 ${status} ${reason}\r\n`, lines, session, head ? NO_BODY : made, chunked && !head, trailers),
      status,
    };
  }

  target(tx: number): string {
    const r = this.random;
    let path = `/api/v${r.integer(1, 3)}/${r.pick(COLLECTIONS)}/${r.chance(0.8) ? r.integer(1, 999999) : this.uuid(this.hex.take(12))}`;
    if (r.chance(0.3)) path += `/${r.pick(SUBRESOURCES)}`;
    if (r.chance(0.05)) path += '/caf%C3%A9%20au%20lait';
    const query = r.chance(0.5) ? `page=${r.integer(1, 40)}&limit=${r.integer(10, 100)}&q=${this.tokens.take(r.integer(3, 14))}&` : '';
    return `${path}?${query}tx=${String(tx).padStart(TX_DIGITS, '0')}`;
  }

  /** A random UUID whose last part is the number of the call in hexadecimal. */
  requestId(tx: number): string {
    return this.uuid(tx.toString(16).padStart(12, '0'));
  }

  private uuid(last: string): string {
    const hex = this.hex.take(18);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-a${hex.slice(15, 18)}-${last}`;
  }

  private fragment(): Buffer {
    const r = this.random;
    const text = r.chance(0.1) ? 'said "leave it at the door"\n\tthen left \\o/' : null;
    return Buffer.from(
      JSON.stringify({
        id: r.integer(1, 1e8),
        sku: this.tokens.take(9),
        title: r.chance(0.2) ? r.pick(GOODS) : `Article ${this.tokens.take(r.integer(4, 18))}`,
        buyer: r.chance(0.2) ? { name: r.pick(NAMES), email: `u${this.digits.take(5)}@example.com` } : null,
        price: r.integer(1, 999999) / 100,
        quantity: r.integer(1, 12),
        available: r.chance(0.5),
        tags: [this.tokens.take(6), this.tokens.take(8)],
        note: text,
      }),
    );
  }

  /** A JSON document of at least `bytesMin` bytes. */
  private json(bytesMin: number): Buffer {
    const parts: Buffer[] = [Buffer.from('{"items":[')];
    let length = parts[0].length;
    for (;;) {
      const part = this.random.pick(this.fragments);
      parts.push(part);
      length += part.length;
      if (length + 2 >= bytesMin) break;
      parts.push(COMMA);
      length++;
    }
    parts.push(ENDING);
    return Buffer.concat(parts);
  }

  body(low: number, high: number): Body {
    const r = this.random;
    if (r.chance(this.options.gzipShare)) return r.pick(this.compressed);
    if (r.chance(0.01)) {
      const bytes = Buffer.allocUnsafe(r.integer(low, high));
      for (let i = 0; i < bytes.length; i++) bytes[i] = r.bits() >>> 24;
      bytes[0] = 0xff; // no UTF-8 text begins so
      return plain(bytes, 'application/octet-stream', false);
    }
    return plain(this.json(r.integer(low, high)), 'application/json; charset=utf-8', true);
  }

  problem(status: number, title: string): Body {
    const bytes = Buffer.from(JSON.stringify({ type: 'about:blank', title, status, instance: `urn:uuid:${this.uuid(this.hex.take(12))}` }));
    return plain(bytes, 'application/problem+json', true);
  }

  private compress(): Body {
    const r = this.random;
    // One in ten is longer than what is kept of a body.
    const whole = plain(this.json(r.chance(0.1) ? r.integer(4000, 20000) : r.integer(200, 2000)), 'application/json', true);
    return { ...whole, bytes: zlib.gzipSync(whole.bytes), coding: 'gzip' };
  }

  private message(startLine: string, lines: string, session: Session, body: Body, chunked: boolean, trailers = ''): Message {
    const fields = session.lowerCase ? lowerCaseNames(lines) : lines;
    const head = Buffer.from(`${startLine}${fields}\r\n`);
    const wire = chunked ? this.chunk(body.bytes, trailers) : body.bytes;
    const trailerBytes = Buffer.from(trailers);
    return {
      bytes: wire.length === 0 ? head : Buffer.concat([head, wire], head.length + wire.length),
      headBytes: head.length,
      truth: {
        headers: fingerprintLines(head, startLine.length, head.length - 2),
        trailers: trailers === '' ? 0 : fingerprintLines(trailerBytes, 0, trailerBytes.length),
        bodyBytes: body.bytes.length,
        kept: body.kept,
        keptPrint: body.keptPrint,
        cut: body.cut,
      },
    };
  }

  /** The chunked transfer-coding (RFC 9112, 7.1). */
  private chunk(body: Buffer, trailers: string): Buffer {
    const r = this.random;
    const extension = r.chance(0.02) ? ';part=1' : '';
    const parts: Buffer[] = [];
    for (let at = 0; at < body.length; ) {
      const end = Math.min(body.length, at + r.integer(100, 8192));
      parts.push(Buffer.from(`${(end - at).toString(16)}${extension}\r\n`), body.subarray(at, end), LINE_END);
      at = end;
    }
    parts.push(Buffer.from(`0\r\n${trailers}\r\n`));
    return Buffer.concat(parts);
  }
}

const COMMA = Buffer.from(',');
const ENDING = Buffer.from(']}');
const LINE_END = Buffer.from('\r\n');

function plain(bytes: Buffer, type: string, text: boolean): Body {
  let kept = bytes.length;
  if (kept > KEPT_BYTES_MAX) {
    kept = KEPT_BYTES_MAX;
    // A continuation byte right after the cut belongs to a character that began before it.
    if (text && (bytes[kept] & 0xc0) === 0x80)
      do kept--;
      while ((bytes[kept] & 0xc0) === 0x80);
  }
  return { bytes, type, coding: '', kept, keptPrint: fingerprint(bytes, 0, kept), cut: kept < bytes.length };
}

function bodyFields(body: Body, chunked: boolean, untilClose = false): string {
  const type = `Content-Type: ${body.type}\r\n${body.coding === '' ? '' : `Content-Encoding: ${body.coding}\r\n`}`;
  if (untilClose) return type;
  return type + (chunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${body.bytes.length}\r\n`);
}

function lowerCaseNames(lines: string): string {
  return lines.replace(/^[^:\r\n]+:/gm, (name) => name.toLowerCase());
}

/** The row whose share of [0, 1) holds `unit`; the share is at `column`. The last row takes what is left. */
export function byWeight<T extends readonly unknown[]>(rows: readonly T[], unit: number, column = 1): T {
  let rest = unit;
  for (const row of rows) {
    rest -= row[column] as number;
    if (rest < 0) return row;
  }
  return rows[rows.length - 1];
}
