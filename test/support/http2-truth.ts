/**
 * HTTP/2 once more, as plainly as it can be written: both directions of a connection that was recorded whole, with no limits and
 * nothing unknown. What tests compare with where packets are missing. It is itself compared with what the peers logged.
 */
import { ModelDecoder } from '../../src/http2/hpack-testing.ts';
import type { Turn } from './conversation.ts';
import { PREFACE } from './http2-frames.ts';

export type Field = readonly [name: string, value: string];

/** A frame, or the preface; offsets in its direction. */
export interface FrameTruth {
  readonly type: number;
  readonly stream: number;
  readonly at: number;
  readonly end: number;
}

export interface SideTruth2 {
  /** Where its head begins in its direction, and where the head ends. */
  readonly at: number;
  readonly headEnd: number;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  /** As a record has them: no pseudo-header fields, and `host` where only `:authority` says it. */
  readonly headers: readonly Field[];
  readonly trailers: Field[];
  body: Buffer;
  isOver: boolean;
}

export interface StreamTruth {
  /** Its number; 0 is the request of an upgrade with its 101. */
  readonly stream: number;
  request: SideTruth2 | null;
  response: SideTruth2 | null;
  /** The direction, 1 of the server, in which the request's head came: a promised one comes from the server. */
  isPromised: boolean;
  wasReset: boolean;
}

export interface Http2Truth {
  /** Of the client and of the server. */
  readonly frames: readonly [readonly FrameTruth[], readonly FrameTruth[]];
  readonly streams: readonly StreamTruth[];
  readonly informational: number;
}

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const PUSH_PROMISE = 5;
const CONTINUATION = 9;
export const PREFACE_TYPE = -1;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes, each as a character, as a record has them: UTF-8 where they are that. */
function asRecorded(latin1: string): string {
  try {
    return utf8.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return latin1;
  }
}

const joined = (turns: readonly Turn[], fromServer: boolean): Buffer =>
  Buffer.concat(turns.filter((turn) => turn.fromServer === fromServer).map(({ bytes }) => bytes));

class Reading {
  readonly streams: Map<number, StreamTruth> = new Map<number, StreamTruth>();
  informational = 0;

  of(number: number): StreamTruth {
    const known = this.streams.get(number);
    if (known !== undefined) return known;
    const fresh = { stream: number, request: null, response: null, isPromised: false, wasReset: false };
    this.streams.set(number, fresh);
    return fresh;
  }
}

function valueIn(fields: readonly Field[], name: string): string | undefined {
  return fields.find(([n]) => n === name)?.[1];
}

function sideOf(fields: readonly Field[], at: number, headEnd: number, isOver: boolean): SideTruth2 {
  const plain = fields.filter(([name]) => !name.startsWith(':'));
  const authority = valueIn(fields, ':authority');
  const method = valueIn(fields, ':method') ?? '';
  const hasHost = plain.some(([name]) => name === 'host');
  return {
    at,
    headEnd,
    method,
    target: valueIn(fields, ':path') ?? (method === 'CONNECT' ? (authority ?? '') : ''),
    status: Number(valueIn(fields, ':status') ?? 0),
    headers: authority !== undefined && !hasHost ? [['host', authority], ...plain] : plain,
    trailers: [],
    body: Buffer.alloc(0),
    isOver,
  };
}

/** The frames of one direction, from `from` on. */
function readFrames(reading: Reading, all: Buffer, from: number, fromServer: boolean): FrameTruth[] {
  const frames: FrameTruth[] = [];
  const decoder = new ModelDecoder();
  decoder.sizeMax = 2 ** 31;
  let block: Buffer[] = [];
  let open = { stream: 0, promised: 0, at: 0, ends: false };
  let at = from;
  if (!fromServer) {
    if (!all.subarray(at, at + PREFACE.length).equals(PREFACE)) throw new Error('no preface');
    frames.push({ type: PREFACE_TYPE, stream: 0, at, end: at + PREFACE.length });
    at += PREFACE.length;
  }
  while (at + 9 <= all.length) {
    const end = at + 9 + all.readUIntBE(at, 3);
    if (end > all.length) break;
    const [type, flags] = [all[at + 3], all[at + 4]];
    const stream = all.readUInt32BE(at + 5) & 0x7fffffff;
    frames.push({ type, stream, at, end });
    const isPadded = type === DATA || type === HEADERS || type === PUSH_PROMISE ? (flags & 8) !== 0 : false;
    let payload = all.subarray(at + 9, end);
    if (isPadded) payload = payload.subarray(1, payload.length - payload[0]);
    if (type === DATA) {
      const s = reading.of(stream);
      const side = fromServer ? s.response : s.request;
      if (side !== null) {
        side.body = Buffer.concat([side.body, payload]);
        if (flags & 1) side.isOver = true;
      }
    } else if (type === RST_STREAM) reading.of(stream).wasReset = true;
    else if (type === HEADERS || type === PUSH_PROMISE) {
      const promised = type === PUSH_PROMISE ? payload.readUInt32BE(0) & 0x7fffffff : 0;
      block = [payload.subarray(type === PUSH_PROMISE ? 4 : flags & 32 ? 5 : 0)];
      open = { stream, promised, at, ends: type === HEADERS && (flags & 1) !== 0 };
    } else if (type === CONTINUATION) block.push(payload);
    if ((type === HEADERS || type === PUSH_PROMISE || type === CONTINUATION) && flags & 4) {
      const { fields, error } = decoder.decode(Buffer.concat(block));
      if (error !== 0) throw new Error(`header block at ${open.at}: ${error}`);
      const texts = fields.map(([name, value]): Field => [asRecorded(name), asRecorded(value)]);
      head(reading, texts, open, end, fromServer);
    }
    at = end;
  }
  return frames;
}

interface OpenBlock {
  readonly stream: number;
  readonly promised: number;
  readonly at: number;
  readonly ends: boolean;
}

function head(
  reading: Reading,
  fields: readonly Field[],
  { stream, promised, at, ends }: OpenBlock,
  end: number,
  fromServer: boolean,
): void {
  if (promised !== 0) {
    const s = reading.of(promised);
    s.request = sideOf(fields, at, end, true);
    s.isPromised = true;
    return;
  }
  const s = reading.of(stream);
  const side = fromServer ? s.response : s.request;
  if (side !== null) {
    side.trailers.push(...fields);
    if (ends) side.isOver = true;
    return;
  }
  const status = Number(valueIn(fields, ':status') ?? 0);
  if (fromServer && status >= 100 && status < 200 && !ends) {
    reading.informational++;
    return;
  }
  const fresh = sideOf(fields, at, end, ends);
  if (fromServer) s.response = fresh;
  else s.request = fresh;
}

/** Start line and fields of an HTTP/1 head; its fields as they are. */
function oldHead(text: string): { readonly line: readonly string[]; readonly headers: readonly Field[] } {
  const [first, ...lines] = text.trimEnd().split('\r\n');
  const headers = lines.map((line): Field => [line.slice(0, line.indexOf(':')), asRecorded(line.slice(line.indexOf(':') + 1).trim())]);
  return { line: first.split(' '), headers };
}

/** A request that asks for an upgrade, and its 101: the number of bytes that they take, or 0. */
function readUpgrade(reading: Reading, client: Buffer, server: Buffer): readonly [number, number] {
  if (!server.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) return [0, 0];
  const asked = client.indexOf(PREFACE);
  const answered = server.indexOf('\r\n\r\n') + 4;
  const headEnd = client.indexOf('\r\n\r\n') + 4;
  const request = oldHead(client.toString('latin1', 0, headEnd));
  const response = oldHead(server.toString('latin1', 0, answered));
  const side = (of: ReturnType<typeof oldHead>, end: number, body: Buffer): SideTruth2 => ({
    at: 0,
    headEnd: end,
    method: of.line[0],
    target: of.line[1],
    status: Number(of.line[1]),
    headers: of.headers,
    trailers: [],
    body,
    isOver: true,
  });
  for (const stream of [0, 1]) reading.of(stream).request = side(request, headEnd, client.subarray(headEnd, asked));
  reading.of(0).response = side(response, answered, Buffer.alloc(0));
  return [asked, answered];
}

export function truthOf(turns: readonly Turn[]): Http2Truth {
  const [client, server] = [joined(turns, false), joined(turns, true)];
  const reading = new Reading();
  const [clientFrom, serverFrom] = readUpgrade(reading, client, server);
  const frames = [readFrames(reading, client, clientFrom, false), readFrames(reading, server, serverFrom, true)] as const;
  const streams = [...reading.streams.values()].filter(({ request, response }) => request !== null || response !== null);
  return { frames, streams, informational: reading.informational };
}
