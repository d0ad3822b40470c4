/**
 * Encoding of a closing record: one line of canonical JSON in the arena, keys in the order of the schema (closing-record.ts).
 *
 *   {"schema":"earshot.closing/1","id":"sensor.epoch.0.c1","call":"sensor.epoch.0.7","complete":true,"client":{..},"server":{..},
 *    "timeUs":..,"durationUs":..,"request":{..},"response":{..}}\n
 *
 * Client and server stand where a call has them: a sink that keeps calls of a client together keeps their closing records
 * with them.
 */
import { bytes } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { writeAddress } from '../base/write-address.ts';
import { FLAGS, IS_IPV6, KEY_A, KEY_B, PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import { M_MESSAGES, messageCount } from '../grpc/messages.ts';
import * as t from '../http/transaction.ts';
import { grpcStatusOf } from './call-grpc.ts';
import { CLOSING_SCHEMA, causes } from './causes.ts';
import type { ClosingRecord } from './closing-record.ts';
import { type Literal, literal, writeLiteral, writeNumber, writeTimeUs } from './json.ts';

const B = bytes;
const R = rows;
const K = t.calls;
const D = t.doubles;

const L_SCHEMA = literal(`{"schema":"${CLOSING_SCHEMA}","id":"`);
const L_NUMBER = literal('c');
const L_CALL = literal('","call":"');
const L_COMPLETE = literal('","complete":true');
const L_INCOMPLETE = literal('","complete":false,"causes":');
const L_CLIENT = literal(',"client":{"address":"');
const L_PORT = literal('","port":');
const L_SERVER = literal('},"server":{"address":"');
const L_TIME = literal('},"timeUs":');
const L_DURATION = literal(',"durationUs":');
const L_REQUEST = literal(',"request":');
const L_RESPONSE = literal(',"response":');
const L_NULL = literal('null');
const L_FIRST = literal('{"firstByteUs":');
const L_LAST = literal(',"lastByteUs":');
const L_BYTES = literal(',"bytes":');
const L_GAP = literal(',"gapBytes":');
const L_STATUS = literal(',"status":');
const L_GRPC = literal(',"grpc":');
const L_SOCKET = literal(',"websocket":');
const L_END = literal('}\n');
const BRACE = 125;
const VERSION_09 = 9;

/** A closing record is not longer. */
export const CLOSING_BYTES_MAX = 4096;

interface ClosingSide {
  readonly firstByteUs: number;
  readonly lastByteUs: number;
  readonly bytes: number;
  readonly gapBytes: number;
}

/** What is over: numbers only. */
export interface Closing {
  /** Number of the call's record (`lastSequence` in encode.ts when it was written). */
  readonly call: number;
  /** Row of the connection, and which of its ends is the client. */
  readonly flow: number;
  readonly client: 0 | 1;
  /** Bits, as in the row of a call; 0: complete. */
  readonly causes: number;
  readonly timeUs: number;
  readonly durationUs: number;
  readonly request: ClosingSide | null;
  readonly response: (ClosingSide & { readonly status: number | null }) | null;
  readonly grpc?: ClosingRecord['grpc'];
  readonly websocket?: ClosingRecord['websocket'];
}

/** What stands before the last part of all ids of a worker. */
export function idPrefix(sensor: string, epoch: string, worker: number): Literal {
  return literal(`${sensor}.${epoch}.${worker}.`);
}

function sideOf(call: number, side: number): ClosingSide {
  const d = (call << 5) + (side === t.REQUEST ? t.D_REQUEST : t.D_RESPONSE);
  return { firstByteUs: D[d + t.D_FIRST], lastByteUs: D[d + t.D_LAST], bytes: D[d + t.D_BODY], gapBytes: D[d + t.D_GAP] };
}

/** The closing of a finished call whose record had the number `sequence`. */
export function closingOf(call: number, sequence: number): Closing {
  const k = call << t.CALL_SHIFT;
  const flags = K[k + t.C_FLAGS];
  const request = flags & t.HAS_REQUEST ? sideOf(call, t.REQUEST) : null;
  const response = flags & t.HAS_RESPONSE ? sideOf(call, t.RESPONSE) : null;
  const code = K[k + t.RESPONSE + t.S_FIRST];
  const status = K[k + t.RESPONSE + t.S_VERSION] === VERSION_09 || code === 0 ? null : code;
  const first = (request ?? response)?.firstByteUs ?? 0;
  const last = Math.max(request?.lastByteUs ?? 0, response?.lastByteUs ?? 0);
  return {
    call: sequence,
    flow: K[k + t.C_FLOW],
    client: K[k + t.C_CLIENT] === 1 ? 1 : 0,
    causes: K[k + t.C_CAUSES] & ~t.STILL_OPEN,
    timeUs: packetTimeUs[0],
    durationUs: Math.max(0, last - first),
    request,
    response: response === null ? null : { ...response, status },
    grpc: grpcOf(call),
  };
}

/** Numbers only: the text beside a status may say anything. */
function grpcOf(call: number): ClosingRecord['grpc'] {
  const row = K[(call << t.CALL_SHIFT) + t.C_GRPC];
  if (row === 0) return undefined;
  const status = grpcStatusOf(call);
  return {
    status: status < 0 ? null : status,
    requestMessages: messageCount(row, 0, M_MESSAGES),
    responseMessages: messageCount(row, 1, M_MESSAGES),
  };
}

/** Writes closing record number `n`; returns the offset after its line feed. At least CLOSING_BYTES_MAX bytes must be free at `to`. */
export function encodeClosing(to: number, prefix: Literal, n: number, closing: Closing): number {
  let o = writeNumber(writeLiteral(writeLiteral(writeLiteral(to, L_SCHEMA), prefix), L_NUMBER), n);
  o = writeNumber(writeLiteral(writeLiteral(o, L_CALL), prefix), closing.call);
  if (closing.causes === 0) o = writeLiteral(o, L_COMPLETE);
  else o = writeJson(writeLiteral(o, L_INCOMPLETE), causesOf(closing.causes));
  o = writeEndpoints(o, closing.flow, closing.client);
  o = writeTimeUs(writeLiteral(o, L_TIME), closing.timeUs);
  o = writeNumber(writeLiteral(o, L_DURATION), closing.durationUs);
  const { request, response, websocket } = closing;
  o = writeSide(writeLiteral(o, L_REQUEST), request);
  if (request !== null) B[o++] = BRACE;
  o = writeSide(writeLiteral(o, L_RESPONSE), response);
  if (response !== null) {
    o = writeLiteral(o, L_STATUS);
    o = response.status === null ? writeLiteral(o, L_NULL) : writeNumber(o, response.status);
    B[o++] = BRACE;
  }
  if (closing.grpc !== undefined) o = writeJson(writeLiteral(o, L_GRPC), closing.grpc);
  if (websocket !== undefined) o = writeJson(writeLiteral(o, L_SOCKET), websocket);
  return writeLiteral(o, L_END);
}

function causesOf(bits: number): string[] {
  return causes.filter((_, i) => (bits & (1 << i)) !== 0);
}

function writeJson(to: number, value: object): number {
  return to + B.write(JSON.stringify(value), to, 'latin1');
}

function writeEndpoints(to: number, flow: number, client: number): number {
  const f = flow << ROW_SHIFT;
  const ipVersion = R[f + FLAGS] & IS_IPV6 ? 6 : 4;
  const c = f + (client === 0 ? KEY_A : KEY_B);
  const s = f + (client === 0 ? KEY_B : KEY_A);
  const ports = R[f + PORTS];
  let o = writeAddress(writeLiteral(to, L_CLIENT), ipVersion, R[c], R[c + 1], R[c + 2], R[c + 3]);
  o = writeNumber(writeLiteral(o, L_PORT), client === 0 ? ports >>> 16 : ports & 0xffff);
  o = writeAddress(writeLiteral(o, L_SERVER), ipVersion, R[s], R[s + 1], R[s + 2], R[s + 3]);
  return writeNumber(writeLiteral(o, L_PORT), client === 0 ? ports & 0xffff : ports >>> 16);
}

/** Without the brace at its end: more may follow. */
function writeSide(to: number, side: ClosingSide | null): number {
  if (side === null) return writeLiteral(to, L_NULL);
  let o = writeTimeUs(writeLiteral(to, L_FIRST), side.firstByteUs);
  o = writeTimeUs(writeLiteral(o, L_LAST), side.lastByteUs);
  o = writeNumber(writeLiteral(o, L_BYTES), side.bytes);
  return side.gapBytes > 0 ? writeNumber(writeLiteral(o, L_GAP), side.gapBytes) : o;
}
