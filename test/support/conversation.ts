/**
 * Conversations: HTTP/1 on one TCP connection, made from a description, with the truth about every call, cut into
 * segments wherever a test likes and put into packets.
 *
 *   Exchange[] + prelude -> Turn[] (what one side sends in one go) -> Part[] (TCP segments) -> Wire[] (packets)
 *
 * `arbitraryConversation` draws descriptions with fast-check.
 */
import fc from 'fast-check';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { ACK, ethernet, FIN, ipv4, ipv6, PSH, RST, SYN, tcp } from './packets.ts';
import { START_US, type Wire } from './run-pipeline.ts';

type Field = [string, string];

export interface MessagePlan {
  readonly content: string;
  readonly framing: 'length' | 'chunked' | 'close';
  /** Bytes of each chunk. */
  readonly chunkBytes: number;
  readonly extensions: boolean;
  readonly trailers: boolean;
  /** Lines end with LF alone. */
  readonly lfOnly: boolean;
  /** One header value goes on in a second line. */
  readonly folded: boolean;
  /** Bytes of one more header value. */
  readonly padding: number;
}

export interface Exchange {
  readonly method: string;
  readonly status: number;
  /** The client waits for 100 Continue before it sends the body. */
  readonly expectsContinue: boolean;
  /** The request is sent before the response to the one before it. */
  readonly pipelined: boolean;
  readonly request: MessagePlan;
  readonly response: MessagePlan;
}

export const preludes = ['none', 'proxy1', 'proxy2', 'socks4', 'socks4a', 'socks5', 'socks5-password', 'connect'] as const;
export type Prelude = (typeof preludes)[number];
/** How the connection ends; `upgrade` is a 101 with bytes of another protocol behind it. */
export const ends = ['client-fin', 'server-fin', 'reset', 'open', 'upgrade'] as const;
export type End = (typeof ends)[number];

export interface Plan {
  readonly exchanges: readonly Exchange[];
  readonly prelude: Prelude;
  readonly end: End;
}

/** One side of a call as the record must have it. */
export interface SideTruth {
  readonly headers: readonly Field[];
  readonly trailers: readonly Field[];
  readonly content: string;
}

export interface CallTruth {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly request: SideTruth;
  readonly response: SideTruth;
}

export interface Turn {
  readonly fromServer: boolean;
  readonly bytes: Buffer;
}

export interface Conversation {
  readonly turns: readonly Turn[];
  readonly calls: readonly CallTruth[];
  readonly end: End;
}

const TRAILERS: readonly Field[] = [
  ['X-Digest', 'sha-256=:abc=:'],
  ['X-Rows', '17'],
];

/** Head and body on the wire, and the truth about them. `hasBody` false: the head alone, as an answer to HEAD. */
function writeMessage(
  startLine: string,
  own: readonly Field[],
  plan: MessagePlan,
  hasBody: boolean,
): { wire: Buffer; head: Buffer; truth: SideTruth } {
  const eol = plan.lfOnly ? '\n' : '\r\n';
  const headers: Field[] = [...own];
  const framed = plan.content.length > 0 || plan.framing === 'chunked';
  if (plan.framing === 'chunked') headers.push(['Transfer-Encoding', 'chunked']);
  else if (plan.framing === 'length') headers.push(['Content-Length', String(Buffer.byteLength(plan.content))]);
  if (plan.padding > 0) headers.push(['X-Padding', 'p'.repeat(plan.padding)]);
  let text = startLine + eol;
  for (const [name, value] of headers) text += `${name}: ${value}${eol}`;
  if (plan.folded) {
    text += `X-Folded: one${eol} two${eol}\tthree${eol}`;
    // A line break and its blanks are one blank for each byte.
    const gap = ' '.repeat(eol.length);
    headers.push(['X-Folded', `one${gap} two${gap}\tthree`]);
  }
  const head = Buffer.from(text + eol, 'utf8');
  const parts: Buffer[] = [head];
  let trailers: readonly Field[] = [];
  if (hasBody && framed) {
    const content = Buffer.from(plan.content, 'utf8');
    if (plan.framing === 'chunked') {
      for (let at = 0, i = 0; at < content.length; i++) {
        const piece = content.subarray(at, at + Math.max(1, plan.chunkBytes));
        const size = i % 2 === 0 ? piece.length.toString(16) : `0${piece.length.toString(16).toUpperCase()}`;
        parts.push(Buffer.from(`${size}${plan.extensions ? ';name=value;q="a b"' : ''}${eol}`), piece, Buffer.from(eol));
        at += piece.length;
      }
      parts.push(Buffer.from(`0${plan.extensions ? ';last' : ''}${eol}`));
      if (plan.trailers) {
        trailers = TRAILERS;
        for (const [name, value] of TRAILERS) parts.push(Buffer.from(`${name}: ${value}${eol}`));
      }
      parts.push(Buffer.from(eol));
    } else {
      parts.push(content);
    }
  }
  return { wire: Buffer.concat(parts), head, truth: { headers, trailers, content: hasBody && framed ? plan.content : '' } };
}

const address = (text: string): number[] => text.split('.').map(Number);

function writePrelude(prelude: Prelude, turns: Turn[], calls: CallTruth[]): void {
  const client = (...bytes: (number | string)[]): void => void turns.push({ fromServer: false, bytes: joined(bytes) });
  const server = (...bytes: (number | string)[]): void => void turns.push({ fromServer: true, bytes: joined(bytes) });
  switch (prelude) {
    case 'proxy1':
      client('PROXY TCP4 203.0.113.9 192.0.2.2 4711 443\r\n');
      break;
    case 'proxy2':
      client(
        '\r\n\r\n\0\r\nQUIT\n',
        0x21,
        0x11,
        0,
        12 + 4,
        ...address('203.0.113.9'),
        ...address('192.0.2.2'),
        0x12,
        0x67,
        1,
        0xbb,
        4,
        0,
        1,
        0,
      );
      break;
    case 'socks4':
      client(4, 1, 0, 80, ...address('192.0.2.2'), 'me\0');
      server(0, 90, 0, 80, 0, 0, 0, 0);
      break;
    case 'socks4a':
      client(4, 1, 0, 80, 0, 0, 0, 1, '\0', 'api.example.com\0');
      server(0, 90, 0, 80, 0, 0, 0, 0);
      break;
    case 'socks5':
      client(5, 1, 0);
      server(5, 0);
      client(5, 1, 0, 3, 15, 'api.example.com', 0, 80);
      server(5, 0, 0, 1, 0, 0, 0, 0, 0, 0);
      break;
    case 'socks5-password':
      client(5, 2, 0, 2);
      server(5, 2);
      client(1, 2, 'me', 6, 'secret');
      server(1, 0);
      client(5, 1, 0, 4, ...Array<number>(16).fill(1), 0, 80);
      server(5, 0, 0, 4, ...Array<number>(16).fill(1), 0, 80);
      break;
    case 'connect': {
      const plan: MessagePlan = {
        content: '',
        framing: 'close',
        chunkBytes: 1,
        extensions: false,
        trailers: false,
        lfOnly: false,
        folded: false,
        padding: 0,
      };
      const request = writeMessage('CONNECT api.example.com:80 HTTP/1.1', [['Host', 'api.example.com:80']], plan, false);
      const response = writeMessage('HTTP/1.1 200 Connection established', [['Via', 'proxy']], plan, false);
      turns.push({ fromServer: false, bytes: request.wire }, { fromServer: true, bytes: response.wire });
      calls.push({ method: 'CONNECT', target: 'api.example.com:80', status: 200, request: request.truth, response: response.truth });
      break;
    }
    default:
  }
}

function joined(bytes: readonly (number | string)[]): Buffer {
  return Buffer.concat(bytes.map((b) => (typeof b === 'string' ? Buffer.from(b, 'latin1') : Buffer.of(b))));
}

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  404: 'Not Found',
  500: '',
};

/** Target of the call at that place: no target begins with another. */
function targetOf(place: number, method: string): string {
  return `/v1/${method.toLowerCase()}/${place}?call=${String(place).padStart(4, '0')}.`;
}

/** Bytes and truth of a plan. */
export function makeConversation(plan: Plan): Conversation {
  const turns: Turn[] = [];
  const calls: CallTruth[] = [];
  writePrelude(plan.prelude, turns, calls);
  let asked: Buffer[] = [];
  let answered: Buffer[] = [];
  const flush = (): void => {
    if (asked.length > 0) turns.push({ fromServer: false, bytes: Buffer.concat(asked) });
    if (answered.length > 0) turns.push({ fromServer: true, bytes: Buffer.concat(answered) });
    asked = [];
    answered = [];
  };
  plan.exchanges.forEach((x, place) => {
    const last = place === plan.exchanges.length - 1;
    const target = targetOf(place, x.method);
    const waits = x.expectsContinue && x.request.content.length > 0;
    const own: Field[] = [['Host', 'api.example.com']];
    if (waits) own.push(['Expect', '100-continue']);
    // A request has no body without a length; only the last response may end with the connection.
    const request = writeMessage(
      `${x.method} ${target} HTTP/1.1`,
      own,
      { ...x.request, ...(x.request.framing === 'close' ? { framing: 'length' } : undefined) },
      true,
    );
    const untilClose = x.response.framing === 'close' && last && plan.end === 'server-fin';
    const framing = x.response.framing === 'close' && !untilClose ? 'length' : x.response.framing;
    const hasBody = x.method !== 'HEAD' && x.status !== 204 && x.status !== 304;
    const response = writeMessage(
      `HTTP/1.1 ${x.status} ${reasons[x.status] ?? ''}`,
      [
        ['Server', 'made'],
        ['X-Call', `call=${String(place).padStart(4, '0')}.`],
      ],
      { ...x.response, framing },
      hasBody,
    );
    calls.push({ method: x.method, target, status: x.status, request: request.truth, response: response.truth });
    if (!x.pipelined || waits) flush();
    if (waits) {
      turns.push({ fromServer: false, bytes: request.head }, { fromServer: true, bytes: Buffer.from('HTTP/1.1 100 Continue\r\n\r\n') });
      asked.push(request.wire.subarray(request.head.length));
    } else asked.push(request.wire);
    answered.push(response.wire);
  });
  flush();
  if (plan.end === 'upgrade') {
    const none: MessagePlan = {
      content: '',
      framing: 'close',
      chunkBytes: 1,
      extensions: false,
      trailers: false,
      lfOnly: false,
      folded: false,
      padding: 0,
    };
    const ask: Field[] = [
      ['Host', 'api.example.com'],
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
    ];
    const request = writeMessage('GET /socket HTTP/1.1', ask, none, false);
    const response = writeMessage('HTTP/1.1 101 Switching Protocols', ask.slice(1), none, false);
    turns.push({ fromServer: false, bytes: request.wire });
    turns.push({ fromServer: true, bytes: Buffer.concat([response.wire, Buffer.from('8103616263', 'hex')]) });
    turns.push({ fromServer: false, bytes: Buffer.from('GET /not/a/call HTTP/1.1\r\n\r\n') });
    calls.push({ method: 'GET', target: '/socket', status: 101, request: request.truth, response: response.truth });
  }
  return { turns, calls, end: plan.end };
}

/** One TCP segment. Numbers are unsigned. */
export interface Part {
  readonly fromServer: boolean;
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly payload: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** Offsets at which the bytes of a turn are cut, ascending, within the turn. */
export type Cutter = (length: number, turn: number) => readonly number[];

/** Every `bytes` bytes. */
export const everyBytes =
  (bytes: number): Cutter =>
  (length) =>
    Array.from({ length: Math.max(0, Math.ceil(length / bytes) - 1) }, (_, i) => (i + 1) * bytes);

/** The connection as segments in order: handshake, turns, end. */
export function partsOf(conversation: Conversation, cut: Cutter = everyBytes(1400), clientStart = 1000, serverStart = 5000): Part[] {
  const parts: Part[] = [];
  const next = [clientStart >>> 0, serverStart >>> 0];
  const send = (fromServer: boolean, flags: number, payload: Buffer = NOTHING): void => {
    const me = fromServer ? 1 : 0;
    parts.push({ fromServer, flags, sequence: next[me], acknowledgement: flags & ACK ? next[1 - me] : 0, payload });
    next[me] = (next[me] + payload.length + (flags & (SYN | FIN) ? 1 : 0)) >>> 0;
  };
  send(false, SYN);
  send(true, SYN | ACK);
  send(false, ACK);
  conversation.turns.forEach(({ fromServer, bytes }, turn) => {
    let at = 0;
    for (const end of [...cut(bytes.length, turn), bytes.length]) {
      if (end <= at) continue;
      send(fromServer, end === bytes.length ? ACK | PSH : ACK, bytes.subarray(at, end));
      at = end;
    }
    send(!fromServer, ACK);
  });
  const { end } = conversation;
  if (end === 'reset') send(false, RST | ACK);
  else if (end !== 'open') {
    const first = end === 'server-fin';
    send(first, FIN | ACK);
    send(!first, FIN | ACK);
    send(first, ACK);
  }
  return parts;
}

export interface Place {
  readonly client?: string;
  readonly server?: string;
  readonly clientPort?: number;
  readonly serverPort?: number;
}

/** The IP packet of a segment; addresses with colons make it IPv6. */
export function ipPacket(part: Part, place: Place = {}): Buffer {
  const client = place.client ?? '10.1.1.1';
  const server = place.server ?? '10.2.2.2';
  const ports = [place.clientPort ?? 40000, place.serverPort ?? 8080];
  const segment = tcp(part.payload, {
    sourcePort: ports[part.fromServer ? 1 : 0],
    destinationPort: ports[part.fromServer ? 0 : 1],
    sequence: part.sequence,
    acknowledgement: part.acknowledgement,
    flags: part.flags,
  });
  const [source, destination] = part.fromServer ? [server, client] : [client, server];
  return client.includes(':') ? ipv6(segment, { source, destination }) : ipv4(segment, { source, destination });
}

/** Ethernet packets of the segments, `stepUs` apart. */
export function wires(parts: readonly Part[], place: Place = {}, stepUs = 100): Wire[] {
  return parts.map((part, i) => ({ data: ethernet(ipPacket(part, place)), timeUs: START_US + i * stepUs }));
}

// ---------------------------------------------------------------- truth against record

/** What is wrong with a record of a call that was captured whole; empty when nothing is. */
export function faultsOf(record: ApiCall, truth: CallTruth): string[] {
  const faults: string[] = [];
  const same = (what: string, is: unknown, wanted: unknown): void => {
    if (JSON.stringify(is) !== JSON.stringify(wanted)) faults.push(`${what}: ${JSON.stringify(is)} is not ${JSON.stringify(wanted)}`);
  };
  const { request, response } = record;
  same('complete', record.complete, true);
  same('method', request?.method, truth.method);
  same('target', request?.target, truth.target);
  same('status', response?.status, truth.status);
  same('request headers', request?.headers, truth.request.headers);
  same('response headers', response?.headers, truth.response.headers);
  same('request trailers', request?.trailers ?? [], truth.request.trailers);
  same('response trailers', response?.trailers ?? [], truth.response.trailers);
  same('request body', request?.body.text ?? '', truth.request.content);
  same('response body', response?.body.text ?? '', truth.response.content);
  same('request body bytes', request?.body.bytes, Buffer.byteLength(truth.request.content));
  same('response body bytes', response?.body.bytes, Buffer.byteLength(truth.response.content));
  return faults;
}

// ---------------------------------------------------------------- arbitraries

/** Body text that looks like anything but a body. */
const traps: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
  'GET /trap HTTP/1.1\r\nHost: trap\r\n\r\n',
  '0\r\n\r\n',
  '\r\n\r\n',
  'ff\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n',
];

const plainContent = fc.oneof(
  fc.constant(''),
  fc.string({ maxLength: 40 }),
  fc.nat(700).map((n) => `{"items":"${'é0123456789'.repeat(n / 10)}"}`),
);
const content = fc.oneof(
  plainContent,
  fc.array(fc.constantFrom(...traps), { minLength: 1, maxLength: 2 }).map((all) => all.join('')),
);

function messagePlan(text: fc.Arbitrary<string>, framings: readonly MessagePlan['framing'][]): fc.Arbitrary<MessagePlan> {
  return fc.record({
    content: text,
    framing: fc.constantFrom(...framings),
    chunkBytes: fc.integer({ min: 1, max: 300 }),
    extensions: fc.boolean(),
    trailers: fc.boolean(),
    lfOnly: fc.nat(5).map((n) => n === 5),
    folded: fc.nat(5).map((n) => n === 5),
    padding: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 })),
  });
}

export interface ConversationOptions {
  /** Bodies may look like messages. */
  readonly traps?: boolean;
  readonly exchangesMax?: number;
  readonly preludes?: readonly Prelude[];
  readonly ends?: readonly End[];
}

/** Plans of conversations. */
export function arbitraryPlan(o: ConversationOptions = {}): fc.Arbitrary<Plan> {
  const text = o.traps ? content : plainContent;
  const exchange: fc.Arbitrary<Exchange> = fc
    .record({
      method: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS'),
      status: fc.constantFrom(200, 200, 200, 201, 204, 304, 404, 500),
      expectsContinue: fc.nat(4).map((n) => n === 4),
      pipelined: fc.nat(3).map((n) => n === 3),
      request: messagePlan(text, ['length', 'chunked', 'close']),
      response: messagePlan(text, ['length', 'chunked', 'close']),
    })
    .map((x) => (x.method === 'POST' || x.method === 'PUT' ? x : { ...x, request: { ...x.request, content: '', framing: 'close' } }));
  return fc.record({
    exchanges: fc.array(exchange, { minLength: 1, maxLength: o.exchangesMax ?? 4 }),
    prelude: fc.constantFrom(...(o.preludes ?? preludes)),
    end: fc.constantFrom(...(o.ends ?? ends)),
  });
}
