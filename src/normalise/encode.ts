/**
 * Encoding: a finished transaction becomes an ApiCall as canonical JSON in the arena, without an object on the way.
 * `normalise/api-call.ts` is the schema; a test holds the two together. Keys come in the schema's order.
 */
import { bytes, outputRegion, words } from '../base/arena.ts';
import type { Settings } from '../base/settings.ts';
import { kernels } from '../base/simd.ts';
import { writeAddress } from '../base/write-address.ts';
import { describePath } from '../decode/encapsulation.ts';
import { FLAGS, INTERFACE, IS_IPV6, KEY_A, KEY_B, PATH, PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import { renderedNames } from '../grpc/rendering.ts';
import { callWeirds } from '../http/head.ts';
import { http2CallWeirds } from '../http/http2-weirds.ts';
import * as t from '../http/transaction.ts';
import { clientIpOfCall } from './call-client-ip.ts';
import { forgetGrpc, grpcOnce, writeGrpc } from './call-grpc.ts';
import { forgetOperation, operationOnce, writeOperation } from './call-operation.ts';
import { causes, SCHEMA } from './causes.ts';
import { resetClientIp } from './client-ip.ts';
import {
  type Literal,
  literal,
  wholeTextEnd,
  writeAny,
  writeBase64,
  writeLiteral,
  writeNumber,
  writePlain,
  writeText,
  writeTimeUs,
} from './json.ts';
import { O_AT, O_CUT, O_DECODED, O_END, O_RENDERED, O_REQUEST, O_RESPONSE, openBody, opened, resetOpening } from './open-body.ts';
import { writePathTemplate } from './path-template.ts';
import { locateTarget, target, writeHost } from './target.ts';

const B = bytes;
const W = words;
const R = rows;
const K = t.calls;
const D = t.doubles;
const O = opened;
const { CALL_SHIFT, REQUEST, RESPONSE, D_REQUEST, D_RESPONSE, D_FIRST, D_LAST, D_BODY, D_GAP, C_FLAGS, C_CAUSES, C_FLOW, C_CLIENT } = t;
const {
  S_HEAD,
  S_HEAD_BYTES,
  S_FIELDS,
  S_FIRST,
  S_TEXT,
  S_TEXT_END,
  S_VERSION,
  S_CODING,
  S_TYPE,
  S_TRAILER,
  S_TRAILER_FIELDS,
  S_TRAILER_BYTES,
} = t;
const { HAS_REQUEST, HAS_RESPONSE } = t;

/** Room that one record may need at most: every byte of heads, trailers and bodies escaped to six. */
export const RECORD_BYTES_MAX: number = 12 << 20;
const SCRATCH_BYTES = 1 << 20;
/** Opened bodies of both sides, and path templates. */
const SCRATCH: number = outputRegion.end - 3 * SCRATCH_BYTES;
const TEMPLATE: number = SCRATCH + 2 * SCRATCH_BYTES;
/** Names of operations; a template is shorter than a head. */
const OPERATION: number = TEMPLATE + (512 << 10);
/** The message of a gRPC status. */
const GRPC: number = OPERATION + (256 << 10);

const COMMA = 44;
const QUOTE = 34;
const OPEN = 91;
const CLOSE_BRACKET = 93;

const L_SCHEMA = literal(`{"schema":"${SCHEMA}","id":"`);
const L_COMPLETE = literal('","complete":true');
const L_INCOMPLETE = literal('","complete":false,"causes":[');
const L_CLIENT = literal(',"client":{"address":"');
const L_PORT = literal('","port":');
const L_SERVER = literal('},"server":{"address":"');
const L_CLIENT_IP = literal('},"clientIp":{"address":"');
const L_FROM_CONNECTION = literal('","source":"connection"},"scheme":"');
const L_FROM_FORWARDED_FOR = literal('","source":"x-forwarded-for"},"scheme":"');
const L_SOURCE = literal('","source":"');
const L_SCHEME = literal('"},"scheme":"');
const L_HTTP_HOST = literal('http","host":');
const L_HTTPS_HOST = literal('https","host":');
const L_TEMPLATE = literal(',"pathTemplate":');
const L_NULL = literal('null');
const L_REQUEST = literal(',"request":');
const L_RESPONSE = literal(',"response":');
const L_FIRST = literal('{"firstByteUs":');
const L_LAST = literal(',"lastByteUs":');
const L_METHOD = literal(',"method":"');
const L_TARGET = literal('","target":"');
const L_PATH = literal('","path":"');
const L_QUERY = literal('","query":"');
const L_VERSION = literal('","version":"');
const L_HEADERS = literal('","headers":[');
const L_TRAILERS = literal('],"trailers":[');
const L_STATUS = literal(',"status":');
const L_REASON = literal(',"reason":"');
const L_INCOMPLETE_HEADERS = literal(',"headersIncomplete":true');
const L_END_FIELDS = literal(']');
const L_BODY = literal(',"body":{"bytes":');
const L_NO_BODY = literal(',"body":{"bytes":0,"kept":0}}');
const L_KEPT = literal(',"kept":');
const L_TEXT = literal(',"text":"');
const L_BASE64 = literal(',"base64":"');
const L_CODING = literal(',"coding":"');
const L_DECODED = literal(',"decoded":true');
const L_RENDERED: readonly Literal[] = renderedNames.map((name) => literal(`,"rendered":"${name}"`));
const L_CUT = literal(',"cut":true');
const L_GAP = literal(',"gapBytes":');
const L_TYPE = literal(',"contentType":"');
const L_END_SIDE = literal('}}');
const L_LATENCY = literal(',"latencyUs":');
const L_DURATION = literal(',"durationUs":');
const L_CONNECTION = literal(',"connection":{"depth":');
const L_MIDSTREAM = literal(',"midstream":true');
const L_PUSHED = literal(',"pushed":true');
const L_INTERFACE = literal(',"interface":');
const L_CONNECT = literal(',"tunnelled":"connect"');
const L_SOCKS = literal(',"tunnelled":"socks"');
const L_NO_ENCAPSULATION = literal('},"encapsulation":[]');
const L_ENCAPSULATION = literal('},"encapsulation":');
const L_WEIRDS = literal(',"weirds":[');
const L_END_LIST = literal(']');
const L_END = literal('}\n');
const L_10 = literal('1.0');
const L_11 = literal('1.1');
const L_2 = literal('2');
const L_09 = literal('0.9');
const L_CAUSES: readonly Literal[] = causes.map((name) => literal(`"${name}"`));
const L_WEIRD: readonly Literal[] = callWeirds.map((name) => literal(`"${name}"`));
const L_HTTP2_WEIRD: readonly Literal[] = http2CallWeirds.map((name) => literal(`"${name}"`));

let prefix: Literal = literal('');
let sequence = 0;
let pathTexts: Literal[] = [];
let believesAll = true;

/** `epoch` and `worker` are the middle parts of every record id. */
export function resetEncoder(settings: Settings, epoch: string, worker: number): void {
  prefix = literal(`${settings.sensor.id}.${epoch}.${worker}.`);
  sequence = 0;
  resetOpening(settings);
  pathTexts = [];
  believesAll = settings.http.trustedProxies.length === 0;
  resetClientIp(settings.http.trustedProxies);
}

/** The number of the record that was written last, which is the last part of its id. */
export function lastSequence(): number {
  return sequence;
}

/** The next record id. */
export function writeId(to: number): number {
  return writeNumber(writeLiteral(to, prefix), ++sequence);
}

/** Writes the record of a call as one line, as it was on the wire; returns the offset after its line feed. At least RECORD_BYTES_MAX bytes must be free at `to`. */
export function encodeCall(call: number, to: number): number {
  openBody(call, REQUEST, SCRATCH);
  openBody(call, RESPONSE, SCRATCH + SCRATCH_BYTES);
  forgetOperation();
  operationOnce(call, OPERATION);
  forgetGrpc();
  if (K[(call << CALL_SHIFT) + t.C_GRPC] !== 0) grpcOnce(call, GRPC);
  return endRecord(encodeMembers(call, to));
}

/** What stands behind the last member of a record. */
export function endRecord(to: number): number {
  return writeLiteral(to, L_END);
}

/** Writes all members of the record but the end of the object: others may follow. The bodies of the call have been opened, its operation and what gRPC says have been found. */
export function encodeMembers(call: number, to: number): number {
  const k = call << CALL_SHIFT;
  const flags = K[k + C_FLAGS];
  const f = K[k + C_FLOW] << ROW_SHIFT;
  const client = K[k + C_CLIENT] === 1 ? 1 : 0;
  const ipVersion = R[f + FLAGS] & IS_IPV6 ? 6 : 4;
  const c = f + (client === 0 ? KEY_A : KEY_B);
  const s = f + (client === 0 ? KEY_B : KEY_A);
  const ports = R[f + PORTS];
  const d = call << 5;
  let o = writeLiteral(to, L_SCHEMA);
  o = writeId(o);
  const reasons = K[k + C_CAUSES];
  if (reasons === 0) o = writeLiteral(o, L_COMPLETE);
  else o = writeList(writeLiteral(o, L_INCOMPLETE), reasons, L_CAUSES);
  o = writeLiteral(o, L_CLIENT);
  const addressAt = o;
  o = writeAddress(o, ipVersion, R[c], R[c + 1], R[c + 2], R[c + 3]);
  const addressEnd = o;
  o = writeLiteral(o, L_PORT);
  o = writeNumber(o, client === 0 ? ports >>> 16 : ports & 0xffff);
  o = writeLiteral(o, L_SERVER);
  o = writeAddress(o, ipVersion, R[s], R[s + 1], R[s + 2], R[s + 3]);
  o = writeLiteral(o, L_PORT);
  o = writeNumber(o, client === 0 ? ports & 0xffff : ports >>> 16);
  o = writeLiteral(o, L_CLIENT_IP);
  if ((flags & t.HAS_CLIENT_IP) === 0 && K[k + t.C_PROXY] === 0) {
    o = writePlain(o, addressAt, addressEnd);
    o = writeLiteral(o, L_FROM_CONNECTION);
  } else o = writeClientIp(o, k, addressAt, addressEnd);
  if (flags & HAS_REQUEST) o = writeRequest(o, k, d);
  else {
    o = writeLiteral(o, L_HTTP_HOST);
    o = writeLiteral(o, L_NULL);
    o = writeLiteral(o, L_TEMPLATE);
    o = writeLiteral(o, L_NULL);
    if (K[k + t.C_GRPC] !== 0) o = writeGrpc(o, k, 0, 0);
    o = writeLiteral(o, L_REQUEST);
    o = writeLiteral(o, L_NULL);
  }
  o = writeLiteral(o, L_RESPONSE);
  if (flags & HAS_RESPONSE) o = writeResponse(o, k, d);
  else o = writeLiteral(o, L_NULL);
  if ((flags & (HAS_REQUEST | HAS_RESPONSE)) === (HAS_REQUEST | HAS_RESPONSE)) {
    const waited = D[d + D_RESPONSE + D_FIRST] - D[d + D_REQUEST + D_LAST];
    if (waited >= 0) o = writeNumber(writeLiteral(o, L_LATENCY), waited);
    const took = D[d + D_RESPONSE + D_LAST] - D[d + D_REQUEST + D_FIRST];
    if (took >= 0) o = writeNumber(writeLiteral(o, L_DURATION), took);
  }
  o = writeLiteral(o, L_CONNECTION);
  o = writeNumber(o, K[k + t.C_DEPTH]);
  const connection = K[k + t.C_CONNECTION];
  if (connection & t.FROM_MIDSTREAM) o = writeLiteral(o, L_MIDSTREAM);
  if (connection & t.PUSHED) o = writeLiteral(o, L_PUSHED);
  o = writeLiteral(o, L_INTERFACE);
  o = writeNumber(o, R[f + INTERFACE]);
  if (connection & t.VIA_CONNECT) o = writeLiteral(o, L_CONNECT);
  else if (connection & t.VIA_SOCKS) o = writeLiteral(o, L_SOCKS);
  const path = R[f + PATH + client];
  o = path === 0 ? writeLiteral(o, L_NO_ENCAPSULATION) : writeLiteral(writeLiteral(o, L_ENCAPSULATION), pathText(path));
  const weirds = K[k + t.C_WEIRDS];
  const http2 = K[k + t.C_HTTP2_WEIRDS];
  if ((weirds | http2) !== 0) {
    const first = writeLiteral(o, L_WEIRDS);
    o = writeNames(writeNames(first, first, weirds, L_WEIRD), first, http2, L_HTTP2_WEIRD);
    o = writeLiteral(o, L_END_LIST);
  }
  return o;
}

/** The names of the set bits, and the list's closing bracket. */
function writeList(to: number, bits: number, names: readonly Literal[]): number {
  return writeLiteral(writeNames(to, to, bits, names), L_END_LIST);
}

/** The names of the set bits, in a list whose first name stands at `first`. */
function writeNames(to: number, first: number, bits: number, names: readonly Literal[]): number {
  let o = to;
  for (let rest = bits; rest !== 0; rest &= rest - 1) {
    if (o !== first) B[o++] = COMMA;
    o = writeLiteral(o, names[31 - Math.clz32(rest & -rest)]);
  }
  return o;
}

const PATH_TEXTS_MAX = 65536;

/** The JSON of an encapsulation path, made once for each. */
function pathText(path: number): Literal {
  let text = pathTexts[path];
  if (text === undefined) {
    text = literal(JSON.stringify(describePath(path)));
    if (path < PATH_TEXTS_MAX) pathTexts[path] = text;
  }
  return text;
}

function writeRequest(to: number, k: number, d: number): number {
  const s = k + REQUEST;
  locateTarget(k);
  const { hostAt, hostEnd, pathAt, pathEnd } = target;
  const block = K[s + S_HEAD];
  const targetAt = block + K[s + S_TEXT];
  const targetEnd = block + K[s + S_TEXT_END];
  const isConnect = (K[k + C_FLAGS] & t.IS_CONNECT) !== 0;
  let o = writeLiteral(to, target.secure ? L_HTTPS_HOST : L_HTTP_HOST);
  if (hostEnd > hostAt) {
    B[o++] = QUOTE;
    o = writeHost(o);
    B[o++] = QUOTE;
  } else o = writeLiteral(o, L_NULL);
  o = writeLiteral(o, L_TEMPLATE);
  if (isConnect) o = writeLiteral(o, L_NULL);
  else {
    B[o++] = QUOTE;
    if (pathEnd > pathAt) o = writeAny(o, TEMPLATE, writePathTemplate(pathAt, pathEnd, TEMPLATE));
    else if (pathAt !== targetAt) B[o++] = 47;
    B[o++] = QUOTE;
  }
  o = writeOperation(o);
  if (K[k + t.C_GRPC] !== 0) o = writeGrpc(o, k, pathAt, pathEnd);
  o = writeLiteral(o, L_REQUEST);
  o = writeTimeUs(writeLiteral(o, L_FIRST), D[d + D_REQUEST + D_FIRST]);
  o = writeTimeUs(writeLiteral(o, L_LAST), D[d + D_REQUEST + D_LAST]);
  o = writeLiteral(o, L_METHOD);
  o = writeAny(o, block, block + K[s + S_FIRST]);
  o = writeLiteral(o, L_TARGET);
  o = writeAny(o, targetAt, targetEnd);
  o = writeLiteral(o, L_PATH);
  if (pathEnd > pathAt || isConnect || pathAt === targetAt) o = writeAny(o, pathAt, pathEnd);
  else B[o++] = 47;
  if (pathEnd < targetEnd && B[pathEnd] === 63) {
    let queryEnd = pathEnd + 1;
    while (queryEnd < targetEnd && B[queryEnd] !== 35) queryEnd++;
    o = writeAny(writeLiteral(o, L_QUERY), pathEnd + 1, queryEnd);
  }
  o = writeVersion(writeLiteral(o, L_VERSION), K[s + S_VERSION]);
  return writeFieldsAndBody(o, k, s, d + D_REQUEST);
}

function writeResponse(to: number, k: number, d: number): number {
  const s = k + RESPONSE;
  const block = K[s + S_HEAD];
  let o = writeTimeUs(writeLiteral(to, L_FIRST), D[d + D_RESPONSE + D_FIRST]);
  o = writeTimeUs(writeLiteral(o, L_LAST), D[d + D_RESPONSE + D_LAST]);
  o = writeLiteral(o, L_STATUS);
  o =
    K[s + S_VERSION] === 9 || (K[s + S_FIRST] === 0 && K[s + S_VERSION] === VERSION_2)
      ? writeLiteral(o, L_NULL)
      : writeNumber(o, K[s + S_FIRST]);
  o = writeLiteral(o, L_REASON);
  if (block !== 0) o = writeAny(o, block + K[s + S_TEXT], block + K[s + S_TEXT_END]);
  o = writeVersion(writeLiteral(o, L_VERSION), K[s + S_VERSION]);
  return writeFieldsAndBody(o, k, s, d + D_RESPONSE);
}

const VERSION_2 = 120;

function writeVersion(to: number, version: number): number {
  if (version === 11) return writeLiteral(to, L_11);
  if (version === 10) return writeLiteral(to, L_10);
  if (version === 9) return writeLiteral(to, L_09);
  if (version === VERSION_2) return writeLiteral(to, L_2);
  let o = writeNumber(to, Math.floor((version - 100) / 10));
  B[o++] = 46;
  o = writeNumber(o, (version - 100) % 10);
  return o;
}

/** From `","headers":[` to the end of the side's object. */
function writeFieldsAndBody(to: number, k: number, s: number, d: number): number {
  const block = K[s + S_HEAD];
  let o = writeLiteral(to, L_HEADERS);
  o = writeFields(o, block, t.fieldTable(block, K[s + S_HEAD_BYTES]), K[s + S_FIELDS]);
  if (K[s + S_TRAILER] !== 0) {
    o = writeLiteral(o, L_TRAILERS);
    o = writeFields(o, K[s + S_TRAILER], t.fieldTable(K[s + S_TRAILER], K[s + S_TRAILER_BYTES]), K[s + S_TRAILER_FIELDS]);
  }
  o = writeLiteral(o, L_END_FIELDS);
  const unknown = s === k + REQUEST ? t.REQUEST_HEADERS_UNKNOWN : t.RESPONSE_HEADERS_UNKNOWN;
  if (K[k + C_FLAGS] & unknown) o = writeLiteral(o, L_INCOMPLETE_HEADERS);
  const total = D[d + D_BODY];
  if (total === 0) return writeLiteral(o, L_NO_BODY);
  o = writeNumber(writeLiteral(o, L_BODY), total);
  return writeLiteral(writeBody(o, k, s, d), L_END_SIDE);
}

const fieldsKernel = kernels === null ? null : kernels.writeFields;

function writeFields(to: number, block: number, table: number, n: number): number {
  if (fieldsKernel !== null) {
    const end = fieldsKernel(block, table << 2, n, to);
    if (end >= 0) return end;
  }
  let o = to;
  for (let i = 0, w = table; i < n; i++, w += 2) {
    if (i > 0) B[o++] = COMMA;
    B[o] = OPEN;
    B[o + 1] = QUOTE;
    const name = W[w];
    const value = W[w + 1];
    o = writeAny(o + 2, block + (name >>> 16), block + (name & 0xffff));
    B[o] = QUOTE;
    B[o + 1] = COMMA;
    B[o + 2] = QUOTE;
    o = writeAny(o + 3, block + (value >>> 16), block + (value & 0xffff));
    B[o] = QUOTE;
    B[o + 1] = CLOSE_BRACKET;
    o += 2;
  }
  return o;
}

/** From `,"kept":` on; the body has been opened. */
function writeBody(to: number, k: number, s: number, d: number): number {
  const block = K[s + S_HEAD];
  const table = t.fieldTable(block, K[s + S_HEAD_BYTES]);
  const i = s === k + REQUEST ? O_REQUEST : O_RESPONSE;
  const at = O[i + O_AT];
  const end = O[i + O_END];
  const cut = O[i + O_CUT] !== 0;
  let o = to;
  if (end > at) {
    const textEnd = cut ? wholeTextEnd(at, end) : end;
    const keptAt = writeLiteral(o, L_KEPT);
    o = writeNumber(keptAt, textEnd - at);
    const text = writeText(writeLiteral(o, L_TEXT), at, textEnd);
    if (text >= 0) {
      B[text] = QUOTE;
      o = text + 1;
    } else {
      o = writeNumber(keptAt, end - at);
      o = writeBase64(writeLiteral(o, L_BASE64), at, end);
      B[o++] = QUOTE;
    }
  } else o = writeNumber(writeLiteral(o, L_KEPT), 0);
  const coding = K[s + S_CODING];
  if (coding !== 0) {
    o = writeAny(writeLiteral(o, L_CODING), t.valueAt(block, table, coding - 1), t.valueEnd(block, table, coding - 1));
    B[o++] = QUOTE;
  }
  if (O[i + O_DECODED] !== 0) o = writeLiteral(o, L_DECODED);
  if (O[i + O_RENDERED] !== 0) o = writeLiteral(o, L_RENDERED[O[i + O_RENDERED]]);
  if (cut) o = writeLiteral(o, L_CUT);
  if (D[d + D_GAP] > 0) o = writeNumber(writeLiteral(o, L_GAP), D[d + D_GAP]);
  if (K[s + S_TYPE] !== 0) {
    o = writeAny(writeLiteral(o, L_TYPE), t.valueAt(block, table, K[s + S_TYPE] - 1), t.valueEnd(block, table, K[s + S_TYPE] - 1));
    B[o++] = QUOTE;
  }
  return o;
}

/** The client's address by the headers that proxies write. But for the plain case it makes strings. */
function writeClientIp(to: number, k: number, addressAt: number, addressEnd: number): number {
  const s = k + REQUEST;
  const block = K[s + S_HEAD];
  const table = t.fieldTable(block, K[s + S_HEAD_BYTES]);
  const plain = K[k + t.C_FORWARDED_FOR];
  if (plain !== 0 && believesAll && K[k + t.C_PROXY] === 0) {
    // One X-Forwarded-For that is one IPv4 address, and everybody is believed.
    const at = t.valueAt(block, table, plain - 1);
    const end = t.valueEnd(block, table, plain - 1);
    if (isIpv4(at, end)) return writeLiteral(writePlain(to, at, end), L_FROM_FORWARDED_FOR);
  }
  const found = clientIpOfCall(k, B.toString('latin1', addressAt, addressEnd));
  let o = to + B.write(found.address, to, 'latin1');
  o = writeLiteral(o, L_SOURCE);
  o += B.write(found.source, o, 'latin1');
  return writeLiteral(o, L_SCHEME);
}

/** Four decimal numbers up to 255 without leading zeros, as common proxies write them. */
function isIpv4(at: number, end: number): boolean {
  let dots = 0;
  let n = -1;
  for (let p = at; p < end; p++) {
    const c = B[p];
    if (c === 46) {
      if (n < 0) return false;
      dots++;
      n = -1;
    } else {
      if (c < 48 || c > 57 || n === 0) return false;
      n = (n < 0 ? 0 : n * 10) + c - 48;
      if (n > 255) return false;
    }
  }
  return dots === 3 && n >= 0;
}
