/**
 * Encoding for the screen: a finished transaction becomes one line of JSON that says who asked whom for what, the
 * outcome, sizes and times (app/call-line.ts is its type). It holds no header value, no body and no query, so it may be
 * shown where nothing masks. Keys come in the order of the type.
 */
import { bytes } from '../base/arena.ts';
import { writeAddress } from '../base/write-address.ts';
import { describePath, type Layer } from '../decode/encapsulation.ts';
import { FLAGS, IS_IPV6, KEY_A, KEY_B, PATH, PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import * as t from '../http/transaction.ts';
import { SCRATCH, writeId } from './encode.ts';
import { type Literal, literal, writeAny, writeLiteral, writeNumber } from './json.ts';
import { writePathTemplate } from './path-template.ts';
import { locateTarget, target, writeHost } from './target.ts';

const B = bytes;
const R = rows;
const K = t.calls;
const D = t.doubles;
const { CALL_SHIFT, REQUEST, RESPONSE, D_REQUEST, D_RESPONSE, D_FIRST, D_LAST, D_BODY, C_FLAGS, C_CAUSES, C_FLOW, C_CLIENT } = t;
const { HAS_REQUEST, HAS_RESPONSE, S_HEAD, S_FIRST, S_TEXT, S_VERSION } = t;

const QUOTE = 34;
const SLASH = 47;
const COLON = 58;
const OPENING = 91;
const CLOSING = 93;
const PATH_TEXTS_MAX = 65536;

const L_ID = literal('{"id":"');
const L_TIME = literal('","time":"');
const L_CLIENT = literal('","client":"');
const L_CLIENT_PORT = literal('","clientPort":');
const L_SERVER = literal(',"server":"');
const L_SERVER_PORT = literal('","serverPort":');
const L_METHOD = literal(',"method":"');
const L_HOST = literal('","host":');
const L_PATH = literal(',"path":"');
const L_TEMPLATE = literal('","template":"');
const L_STATUS = literal('","status":');
const L_NO_REQUEST = literal(',"method":null,"host":null,"path":null,"status":');
const L_REQUEST_BYTES = literal(',"requestBytes":');
const L_RESPONSE_BYTES = literal(',"responseBytes":');
const L_LATENCY = literal(',"latencyUs":');
const L_COMPLETE = literal(',"complete":true}\n');
const L_INCOMPLETE = literal(',"complete":false}\n');
const L_NULL = literal('null');

let tunnels: Literal[] = [];
let secondUs = -1;
let secondText: Literal = literal('');

/** Forgets the paths of the run before. `resetEncoder` must have been called: record ids are the encoder's. */
export function resetLineEncoder(): void {
  tunnels = [];
}

/** Writes the line of a call, line feed included; returns the offset after it. At least RECORD_BYTES_MAX bytes must be free at `to`. */
export function encodeLine(call: number, to: number): number {
  const k = call << CALL_SHIFT;
  const d = call << 5;
  const flags = K[k + C_FLAGS];
  const f = K[k + C_FLOW] << ROW_SHIFT;
  const client = K[k + C_CLIENT] === 1 ? 1 : 0;
  const ipVersion = R[f + FLAGS] & IS_IPV6 ? 6 : 4;
  const c = f + (client === 0 ? KEY_A : KEY_B);
  const s = f + (client === 0 ? KEY_B : KEY_A);
  const ports = R[f + PORTS];
  const hasRequest = (flags & HAS_REQUEST) !== 0;
  const hasResponse = (flags & HAS_RESPONSE) !== 0;
  let o = writeId(writeLiteral(to, L_ID));
  o = writeIsoTime(writeLiteral(o, L_TIME), D[d + (hasRequest ? D_REQUEST : D_RESPONSE) + D_FIRST]);
  o = writeAddress(writeLiteral(o, L_CLIENT), ipVersion, R[c], R[c + 1], R[c + 2], R[c + 3]);
  o = writeNumber(writeLiteral(o, L_CLIENT_PORT), client === 0 ? ports >>> 16 : ports & 0xffff);
  o = writeAddress(writeLiteral(o, L_SERVER), ipVersion, R[s], R[s + 1], R[s + 2], R[s + 3]);
  o = writeNumber(writeLiteral(o, L_SERVER_PORT), client === 0 ? ports & 0xffff : ports >>> 16);
  const path = R[f + PATH + client];
  if (path !== 0) o = writeLiteral(o, tunnelText(path));
  o = hasRequest ? writeRequest(o, k) : writeLiteral(o, L_NO_REQUEST);
  if (hasResponse && K[k + RESPONSE + S_VERSION] !== 9) o = writeNumber(o, K[k + RESPONSE + S_FIRST]);
  else o = writeLiteral(o, L_NULL);
  o = writeLiteral(o, L_REQUEST_BYTES);
  o = hasRequest ? writeNumber(o, D[d + D_REQUEST + D_BODY]) : writeLiteral(o, L_NULL);
  o = writeLiteral(o, L_RESPONSE_BYTES);
  o = hasResponse ? writeNumber(o, D[d + D_RESPONSE + D_BODY]) : writeLiteral(o, L_NULL);
  if (hasRequest && hasResponse) {
    const waited = D[d + D_RESPONSE + D_FIRST] - D[d + D_REQUEST + D_LAST];
    if (waited >= 0) o = writeNumber(writeLiteral(o, L_LATENCY), waited);
  }
  return writeLiteral(o, K[k + C_CAUSES] === 0 ? L_COMPLETE : L_INCOMPLETE);
}

/** From the method to the key of the status. */
function writeRequest(to: number, k: number): number {
  locateTarget(k);
  target.hostEnd = hostTextEnd(target.hostAt, target.hostEnd);
  const { hostAt, hostEnd, pathAt, pathEnd } = target;
  const block = K[k + REQUEST + S_HEAD];
  let o = writeAny(writeLiteral(to, L_METHOD), block, block + K[k + REQUEST + S_FIRST]);
  o = writeLiteral(o, L_HOST);
  if (hostEnd > hostAt) {
    B[o++] = QUOTE;
    o = writeHost(o);
    B[o++] = QUOTE;
  } else o = writeLiteral(o, L_NULL);
  o = writeLiteral(o, L_PATH);
  if (pathEnd > pathAt) {
    const from = o;
    o = writeAny(o, pathAt, pathEnd);
    const pathBytes = o - from;
    const templateAt = writeLiteral(o, L_TEMPLATE);
    const end = writeAny(templateAt, SCRATCH, writePathTemplate(pathAt, pathEnd, SCRATCH));
    if (end - templateAt !== pathBytes || B.compare(B, from, o, templateAt, end) !== 0) o = end;
  } else if (pathAt !== block + K[k + REQUEST + S_TEXT] && (K[k + C_FLAGS] & t.IS_CONNECT) === 0) {
    B[o++] = SLASH;
  }
  return writeLiteral(o, L_STATUS);
}

/**
 * Where a host with its port ends (RFC 3986, section 3.2). A peer may send anything in its place; what stands behind the
 * first byte that no host name has, or for a port that is no number, could be a secret and is left out.
 */
function hostTextEnd(at: number, end: number): number {
  const bracketed = at < end && B[at] === OPENING;
  let p = bracketed ? at + 1 : at;
  while (p < end && (isNameByte(B[p]) || (bracketed && B[p] === COLON))) p++;
  // An address that is not closed is none.
  if (bracketed && (p === end || B[p++] !== CLOSING)) return at;
  if (p === end || B[p] !== COLON) return p;
  let q = p + 1;
  while (q < end && B[q] >= 48 && B[q] <= 57) q++;
  return q === end ? end : p;
}

/** Letters, digits, what names have besides (- . _ ~ %), and everything beyond ASCII. */
function isNameByte(c: number): boolean {
  const letter = c | 0x20;
  return (letter >= 97 && letter <= 122) || (c >= 48 && c <= 57) || c === 45 || c === 46 || c === 95 || c === 126 || c === 37 || c >= 128;
}

/** ISO 8601 in UTC with microseconds: 2025-06-15T15:06:40.000123Z. */
function writeIsoTime(to: number, timeUs: number): number {
  const us = Math.floor(timeUs);
  const second = Math.floor(us / 1e6);
  if (second !== secondUs) {
    secondUs = second;
    secondText = literal(new Date(second * 1000).toISOString().slice(0, 19));
  }
  let o = writeLiteral(to, secondText);
  B[o++] = 46;
  let rest = us - second * 1e6;
  for (let i = o + 5; i >= o; i--) {
    B[i] = 48 + (rest % 10);
    rest = (rest / 10) | 0;
  }
  o += 6;
  B[o++] = 90;
  return o;
}

/** `,"tunnel":"geneve 7 > vxlan 5"`, made once for each encapsulation path. */
function tunnelText(path: number): Literal {
  let text = tunnels[path];
  if (text === undefined) {
    text = literal(`,"tunnel":${JSON.stringify(describePath(path).map(layerText).join(' > '))}`);
    if (path < PATH_TEXTS_MAX) tunnels[path] = text;
  }
  return text;
}

function layerText(layer: Layer): string {
  const id = layer.vni ?? layer.session ?? layer.key ?? layer.vlan ?? layer.label ?? layer.teid;
  return id === undefined ? layer.type : `${layer.type} ${id}`;
}
