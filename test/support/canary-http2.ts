/**
 * Calls of HTTP/1 over HTTP/2, in every form that the same fields and bodies may take there: fields by index, literal, inserted or
 * not, in Huffman or not; cookies in crumbs; heads in CONTINUATION frames; padding and priorities; DATA cut anywhere; trailers;
 * 103s before the answer; requests that the server makes up; streams that are open together and end in any order.
 */
import { type Known, ModelEncoder } from '../../src/http2/hpack-testing.ts';
import type { Random } from '../../src/policy/mask/detect-testing.ts';
import type { PlantedCall } from './canary-calls.ts';
import type { Turn } from './conversation.ts';
import { frame, PREFACE, settingsFrame } from './http2-frames.ts';

const DATA = 0;
const HEADERS = 1;
const PUSH_PROMISE = 5;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;
const HAS_PRIORITY = 32;
/** With room for padding. */
const FRAME_BYTES_MAX = 16_000;
/** Streams of one round, all of them open together. */
const TOGETHER_MAX = 5;

interface Message {
  readonly start: string;
  readonly fields: readonly Known[];
  readonly body: Buffer;
  readonly trailers: readonly Known[];
}

function fieldsOf(lines: string): Known[] {
  // A line that begins with a blank goes on with the one before.
  return lines
    .split(/\r\n(?! )/)
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
}

/** A message of HTTP/1 that is whole and well formed. */
function read(message: Buffer): Message {
  const headEnd = message.indexOf('\r\n\r\n');
  const [start, ...rest] = message.toString('latin1', 0, headEnd).split('\r\n');
  const fields = fieldsOf(rest.join('\r\n'));
  let at = headEnd + 4;
  if (!fields.some(([name]) => name === 'Transfer-Encoding')) return { start, fields, body: message.subarray(at), trailers: [] };
  const parts: Buffer[] = [];
  for (;;) {
    const lineEnd = message.indexOf('\r\n', at);
    const length = Number.parseInt(message.toString('latin1', at, lineEnd), 16);
    at = lineEnd + 2;
    if (length === 0) break;
    parts.push(message.subarray(at, at + length));
    at += length + 2;
  }
  return { start, fields, body: Buffer.concat(parts), trailers: fieldsOf(message.toString('latin1', at)) };
}

/** Fields that HTTP/2 has no use for (RFC 9113, 8.2.2). */
const OF_HTTP1: ReadonlySet<string> = new Set(['transfer-encoding', 'connection']);

function ofHttp2(fields: readonly Known[], next: Random): Known[] {
  return fields.flatMap(([given, value]): Known[] => {
    // Against the rules (8.2.1), and seen all the same.
    const name = next(12) === 0 ? given : given.toLowerCase();
    if (OF_HTTP1.has(given.toLowerCase())) return [];
    // A quoted cookie may hold what separates them.
    if (name === 'cookie' && !value.includes('"') && next(2) === 0) return value.split('; ').map((crumb): Known => ['cookie', crumb]);
    return [[name, next(6) === 0 ? value : value.replace(/\r\n\s*/g, '')]];
  });
}

/** The request line as pseudo-header fields, in any order. */
function pseudo(start: string, host: string, next: Random): Known[] {
  const [method, target] = start.split(' ');
  const absolute = /^http:\/\/([^/]*)(\/.*)$/.exec(target);
  const isSplit = absolute !== null && next(2) === 0;
  const fields: Known[] = [
    [':method', method],
    [':scheme', 'http'],
    [':path', isSplit ? absolute[2] : target],
    [':authority', isSplit ? absolute[1] : host],
  ];
  for (let i = fields.length - 1; i > 0; i--) {
    const j = next(i + 1);
    [fields[i], fields[j]] = [fields[j], fields[i]];
  }
  return fields;
}

/** Cut at up to three places, and where a frame can have no more (RFC 9113, 6.5.2). */
function pieces(bytes: Buffer, next: Random): Buffer[] {
  const cuts = Array.from({ length: next(4) }, () => next(bytes.length + 1));
  for (let at = FRAME_BYTES_MAX; at < bytes.length; at += FRAME_BYTES_MAX) cuts.push(at);
  cuts.sort((one, other) => one - other);
  return [...cuts, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : cuts[i - 1], end));
}

/** One side of a connection. */
class Side {
  readonly #next: Random;
  readonly #encoder: ModelEncoder;

  constructor(next: Random) {
    this.#next = next;
    this.#encoder = new ModelEncoder(next);
  }

  /** A head: HEADERS (or PUSH_PROMISE of stream `promised`), and CONTINUATION frames by chance; nothing may come between them. */
  head(stream: number, fields: readonly Known[], isEnd: boolean, promised = 0): Buffer {
    const next = this.#next;
    const block = Buffer.from(this.#encoder.encode(fields));
    const [first, ...rest] = next(3) === 0 || block.length > FRAME_BYTES_MAX ? pieces(block, next) : [block];
    const padding = next(4) === 0 ? next(40) : -1;
    const priority = promised === 0 && next(5) === 0 ? Buffer.from([0, 0, 0, 0, 15]) : Buffer.alloc(0);
    const promise = Buffer.alloc(promised === 0 ? 0 : 4);
    if (promised !== 0) promise.writeUInt32BE(promised);
    const flags =
      (isEnd ? END_STREAM : 0) |
      (rest.length === 0 ? END_HEADERS : 0) |
      (padding < 0 ? 0 : PADDED) |
      (priority.length > 0 ? HAS_PRIORITY : 0);
    const payload = Buffer.concat([
      Buffer.from(padding < 0 ? [] : [padding]),
      priority,
      promise,
      first,
      Buffer.alloc(padding < 0 ? 0 : padding, 'p'),
    ]);
    return Buffer.concat([
      frame(promised === 0 ? HEADERS : PUSH_PROMISE, flags, stream, payload),
      ...rest.map((piece, i) => frame(CONTINUATION, i === rest.length - 1 ? END_HEADERS : 0, stream, piece)),
    ]);
  }

  /** Makes the frames of a message one by one: a head is encoded when it is sent, for its place among others counts. */
  message(stream: number, fields: readonly Known[], { body, trailers }: Message): (() => Buffer)[] {
    const next = this.#next;
    const hasMore = body.length > 0 || trailers.length > 0;
    const frames = [() => this.head(stream, fields, !hasMore)];
    if (!hasMore) return frames;
    const parts = pieces(body, next);
    parts.forEach((part, i) => {
      const padding = next(5) === 0 ? next(30) : -1;
      const isEnd = i === parts.length - 1 && trailers.length === 0;
      const around = padding < 0 ? [part] : [Buffer.from([padding]), part, Buffer.alloc(padding, 'p')];
      frames.push(() => frame(DATA, (isEnd ? END_STREAM : 0) | (padding < 0 ? 0 : PADDED), stream, Buffer.concat(around)));
    });
    if (trailers.length > 0) frames.push(() => this.head(stream, ofHttp2(trailers, next), true));
    return frames;
  }
}

/** The frames of a message that are still to be sent. */
interface Outgoing {
  readonly frames: (() => Buffer)[];
  /** It opens a stream: these open in the order of their numbers (RFC 9113, 5.1.1). */
  opens: boolean;
}

/** The frames of some messages, of each in its order, those of different ones mixed. */
function mix(messages: readonly Outgoing[], next: Random): Buffer {
  const left = [...messages];
  const out: Buffer[] = [];
  while (left.length > 0) {
    const drawn = next(left.length);
    const i = left[drawn].opens ? left.findIndex(({ opens }) => opens) : drawn;
    const make = left[i].frames.shift();
    if (make !== undefined) out.push(make());
    left[i].opens = false;
    if (left[i].frames.length === 0) left.splice(i, 1);
  }
  return Buffer.concat(out);
}

/** The turns of one connection that carries these calls. */
export function overHttp2(calls: readonly PlantedCall[], next: Random): Turn[] {
  const client = new Side(next);
  const server = new Side(next);
  const turns: Turn[] = [
    { fromServer: false, bytes: Buffer.concat([PREFACE, settingsFrame()]) },
    { fromServer: true, bytes: Buffer.concat([settingsFrame(), settingsFrame([], true)]) },
  ];
  let stream = 1;
  let promised = 2;
  for (let at = 0; at < calls.length; ) {
    const some = calls.slice(at, at + 1 + next(TOGETHER_MAX));
    at += some.length;
    const asked: Outgoing[] = [];
    const answered: Outgoing[] = [];
    let first = 0;
    for (const call of some) {
      const request = read(call.request);
      const response = read(call.response);
      const host = request.fields.find(([name]) => name === 'Host')?.[1] ?? '';
      const isAuthority = next(3) > 0;
      const fields = [
        ...pseudo(request.start, host, next).filter(([name]) => isAuthority || name !== ':authority'),
        ...ofHttp2(
          request.fields.filter(([name]) => !isAuthority || name !== 'Host'),
          next,
        ),
      ];
      const answer: Known[] = [[':status', response.start.split(' ')[1]], ...ofHttp2(response.fields, next)];
      const isPushed = first > 0 && request.body.length === 0 && request.trailers.length === 0 && next(6) === 0;
      const number = isPushed ? promised : stream;
      if (isPushed) promised += 2;
      else stream += 2;
      const parent = first;
      if (!isPushed) {
        if (first === 0) first = number;
        asked.push({ frames: client.message(number, fields, request), opens: true });
      }
      const frames = server.message(number, answer, response);
      if (isPushed) frames.unshift(() => server.head(parent, fields, false, number));
      else if (next(8) === 0) frames.unshift(() => server.head(number, [[':status', '103'], ...answer.slice(1)], false));
      answered.push({ frames, opens: isPushed });
    }
    turns.push({ fromServer: false, bytes: mix(asked, next) }, { fromServer: true, bytes: mix(answered, next) });
  }
  return turns;
}
