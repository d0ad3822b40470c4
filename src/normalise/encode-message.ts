/**
 * Encoding of a message record: one line of canonical JSON in the arena, keys in the order of the schema (message-record.ts).
 *
 *   {"schema":"earshot.websocket/1","id":"sensor.epoch.0.m1","call":"sensor.epoch.0.7","client":{..},"server":{..},"host":"a",
 *    "path":"/live","complete":true,"sender":"client","sequence":1,"opcode":"text","firstByteUs":..,"lastByteUs":..,"bytes":5,
 *    "body":{"kept":5,"text":"hello"}}\n
 *
 * What is said of the connection is taken from the record of its handshake, as it was masked there, once (`contextOf`). Client
 * and server stand where a call has them: a sink that keeps calls of a client together keeps their messages with them.
 */
import { bytes, outputRegion } from '../base/arena.ts';
import { finishedMessage } from '../websocket/finished-messages.ts';
import { COMPRESSED, INCOMPLETE } from '../websocket/message-flags.ts';
import { OPENED_MESSAGE_BYTES_MAX, openedMessage, openMessage } from '../websocket/open-message.ts';
import { BY_HOLE, BY_LIMIT } from '../websocket/talk.ts';
import type { ApiCall } from './api-call.ts';
import { MESSAGE_SCHEMA } from './causes.ts';
import { type Literal, literal, wholeTextEnd, writeBase64, writeLiteral, writeNumber, writeText, writeTimeUs } from './json.ts';

const B = bytes;
const F = finishedMessage;
const O = openedMessage;
const ROOM: number = outputRegion.end - 2 * OPENED_MESSAGE_BYTES_MAX;
const OPCODE = 0x0f;
const TEXT = 1;
const QUOTE = 34;
const PATH_BYTES_MAX = 2048;
const HOST_BYTES_MAX = 512;

const L_SCHEMA = literal(`{"schema":"${MESSAGE_SCHEMA}","id":"`);
const L_COMPLETE = literal(',"complete":true');
const L_INCOMPLETE = literal(',"complete":false');
const L_CLIENT = literal(',"sender":"client","sequence":');
const L_SERVER = literal(',"sender":"server","sequence":');
const L_TEXT_FIRST = literal(',"opcode":"text","firstByteUs":');
const L_BINARY_FIRST = literal(',"opcode":"binary","firstByteUs":');
const L_LAST = literal(',"lastByteUs":');
const L_BYTES = literal(',"bytes":');
const L_FRAGMENTS = literal(',"fragments":');
const L_COMPRESSED = literal(',"compressed":true');
const L_INFLATED = literal(',"inflatedBytes":');
const L_BODY = literal(',"body":{"kept":');
const L_TEXT = literal(',"text":"');
const L_BASE64 = literal(',"base64":"');
const L_CUT = literal(',"cut":true');
const L_BY_GAP = literal(',"unknown":"gap"');
const L_BY_LIMIT = literal(',"unknown":"limit"');
const L_BY_EXTENSION = literal(',"unknown":"extension"');
const L_END_BODY = literal('}');
const L_END = literal('}\n');

/** What stands before the number in the ids of a worker's message records. */
export function messagePrefix(sensor: string, epoch: string, worker: number): Literal {
  return literal(`${sensor}.${epoch}.${worker}.m`);
}

/** What the records of all messages of a connection say of it, from the record of its handshake. */
export function contextOf({ id, client, server, host, request }: ApiCall): Literal {
  const isShort = (text: string | null | undefined, max: number): boolean => typeof text === 'string' && Buffer.byteLength(text) <= max;
  const context = {
    call: id,
    client,
    server,
    host: isShort(host, HOST_BYTES_MAX) ? host : null,
    path: isShort(request?.path, PATH_BYTES_MAX) ? request?.path : null,
  };
  return literal(`",${JSON.stringify(context).slice(1, -1)}`);
}

/** Writes all members up to the content of the message at hand; `isOpen`: it has been opened. */
export function writeMessage(to: number, prefix: Literal, n: number, context: Literal, isOpen: boolean): number {
  let o = writeNumber(writeLiteral(writeLiteral(to, L_SCHEMA), prefix), n);
  o = writeLiteral(o, context);
  o = writeLiteral(o, F.kind & INCOMPLETE ? L_INCOMPLETE : L_COMPLETE);
  o = writeNumber(writeLiteral(o, F.side?.isServer ? L_SERVER : L_CLIENT), F.sequence);
  o = writeTimeUs(writeLiteral(o, (F.kind & OPCODE) === TEXT ? L_TEXT_FIRST : L_BINARY_FIRST), F.firstUs);
  o = writeTimeUs(writeLiteral(o, L_LAST), F.lastUs);
  o = writeNumber(writeLiteral(o, L_BYTES), F.wireBytes);
  if (F.frames > 1) o = writeNumber(writeLiteral(o, L_FRAGMENTS), F.frames);
  if ((F.kind & COMPRESSED) === 0) return o;
  o = writeLiteral(o, L_COMPRESSED);
  return isOpen && O.length >= 0 ? writeNumber(writeLiteral(o, L_INFLATED), O.length) : o;
}

/** Writes `[at, end)` as the content of the message that was opened last. */
export function writeContent(to: number, at: number, end: number): number {
  const textEnd = O.isCut ? wholeTextEnd(at, end) : end;
  const keptAt = writeLiteral(to, L_BODY);
  let o = writeNumber(keptAt, textEnd - at);
  if (end > at) {
    const text = writeText(writeLiteral(o, L_TEXT), at, textEnd);
    if (text >= 0) o = text;
    else o = writeBase64(writeLiteral(writeNumber(keptAt, end - at), L_BASE64), at, end);
    B[o++] = QUOTE;
  }
  if (O.isCut) o = writeLiteral(o, L_CUT);
  if (O.unknownBy !== 0) o = writeLiteral(o, O.unknownBy === BY_HOLE ? L_BY_GAP : O.unknownBy === BY_LIMIT ? L_BY_LIMIT : L_BY_EXTENSION);
  return writeLiteral(o, L_END_BODY);
}

export function endMessageRecord(to: number): number {
  return writeLiteral(to, L_END);
}

/** Writes record number `n` of the message at hand as it was on the wire; returns the offset after its line feed. */
export function encodeMessage(to: number, prefix: Literal, n: number, context: Literal): number {
  if (!F.withBody) return endMessageRecord(writeMessage(to, prefix, n, context, false));
  openMessage(ROOM);
  return endMessageRecord(writeContent(writeMessage(to, prefix, n, context, true), O.at, O.end));
}
