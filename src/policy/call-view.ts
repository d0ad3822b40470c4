/**
 * CallView: a finished call as filters and sampling see it. `set` takes its row number; what is asked for is found in the
 * bytes then, and remembered until the next `set`. Bytes are named by `[at, end)` in the arena. Texts are made only when an
 * expression asks for one; what is no UTF-8 in them becomes U+FFFD.
 *
 * Bodies are what the record would have: the kept part, content-codings undone (normalise/open-body.ts).
 */
import { formatAddress } from '../base/address.ts';
import { bytes, words } from '../base/arena.ts';
import { parseAddress, parsedAddress } from '../base/cidr.ts';
import { describePath } from '../decode/encapsulation.ts';
import { FLAGS, INTERFACE, IS_IPV6, KEY_A, KEY_B, PATH, PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import * as t from '../http/transaction.ts';
import { clientIpOfCall } from '../normalise/call-client-ip.ts';
import { forgetGrpc, G_STATUS, grpc, grpcOnce, serviceAndMethod, splitPath } from '../normalise/call-grpc.ts';
import { forgetOperation, operationOnce } from '../normalise/call-operation.ts';
import { forgetOpened, O_AT, O_END, O_REQUEST, O_RESPONSE, opened, openOnce } from '../normalise/open-body.ts';
import { writePathTemplate } from '../normalise/path-template.ts';
import { locateTarget, target } from '../normalise/target.ts';
import {
  O_FIRST,
  O_KEPT,
  O_PROTOCOL,
  OPERATION_WORDS,
  operation,
  P_NAME,
  P_NAME_END,
  P_TYPE,
  protocolNames,
  typeNames,
} from '../operation/operation.ts';
import { bytesAre, textBytes } from './filter/byte-text.ts';
import { grpcPart, maskedPart, openedParts, operationPart } from './mask/layout.ts';

const B = bytes;
const R = rows;
const K = t.calls;
const D = t.doubles;
const W = words;
const A = parsedAddress;
const O = opened;
const N = operation;
const { REQUEST, RESPONSE, S_HEAD, S_HEAD_BYTES, S_FIELDS, S_FIRST, S_TEXT, S_TEXT_END, S_VERSION, S_TYPE, C_FLAGS } = t;

const SLASH = 47;
const COLON = 58;
const SEMICOLON = 59;
const QUESTION_MARK = 63;
const HASH = 35;
const CLOSING = 93;
const PATHS_MAX = 65536;
const NO_NUMBERS: readonly number[] = [];

/** Which message of a call. */
export type Side = typeof REQUEST | typeof RESPONSE;

/** The name of a header field, ready to be looked for. */
export interface FieldName {
  /** In small letters. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

export function fieldName(text: string): FieldName {
  return { text: text.toLowerCase(), bytes: textBytes(text.toLowerCase()) };
}

// What is known of the call at hand, as bits.
const TARGET = 1;
const CLIENT_IP = 2;

export class CallView {
  call = 0;
  /** Word of its row, of its flow, and its first double. */
  k = 0;
  f = 0;
  d = 0;
  /** Bytes that were asked for last: `findHost` and the others fill them. */
  at = 0;
  end = 0;

  #known = 0;
  #hostAt = 0;
  #hostEnd = 0;
  #pathAt = 0;
  #pathEnd = 0;
  /** Where the path ends in the target, and the target. */
  #pathStop = 0;
  #targetEnd = 0;
  #secure = false;
  #clientIp = '';
  readonly #bodies: [string | null, string | null] = [null, null];
  /** By number of the encapsulation path. */
  #vnis: (readonly number[] | undefined)[] = [];
  #vlans: (readonly number[] | undefined)[] = [];

  /** From here on it is this call. */
  set(call: number): void {
    this.call = call;
    this.k = call << t.CALL_SHIFT;
    this.d = call << 5;
    this.f = K[this.k + t.C_FLOW] << ROW_SHIFT;
    this.#known = 0;
    this.#bodies[0] = null;
    this.#bodies[1] = null;
    forgetOpened();
    forgetOperation();
    forgetGrpc();
  }

  /** The numbers of encapsulation paths have a new meaning. */
  forgetPaths(): void {
    this.#vnis = [];
    this.#vlans = [];
  }

  hasRequest(): boolean {
    return (K[this.k + C_FLAGS] & t.HAS_REQUEST) !== 0;
  }

  hasResponse(): boolean {
    return (K[this.k + C_FLAGS] & t.HAS_RESPONSE) !== 0;
  }

  isComplete(): boolean {
    return K[this.k + t.C_CAUSES] === 0;
  }

  /** 0: there was no response, or one without a status. */
  status(): number {
    const s = this.k + RESPONSE;
    return this.hasResponse() && K[s + S_VERSION] !== 9 ? K[s + S_FIRST] : 0;
  }

  /** "1.1"; of the request, or of the response where there is no request. */
  version(): string {
    const v = K[this.k + (this.hasRequest() ? REQUEST : RESPONSE) + S_VERSION];
    if (v === 120) return '2';
    return v === 9 ? '0.9' : v < 100 ? `1.${v - 10}` : `${Math.floor((v - 100) / 10)}.${(v - 100) % 10}`;
  }

  /** "http" or "https"; "" without a request. */
  scheme(): string {
    if (!this.hasRequest()) return '';
    this.#locate();
    return this.#secure ? 'https' : 'http';
  }

  findMethod(): void {
    const s = this.k + REQUEST;
    this.at = K[s + S_HEAD];
    this.end = this.hasRequest() ? this.at + K[s + S_FIRST] : this.at;
  }

  /** Without port, as on the wire: its case means nothing. */
  findHost(): void {
    this.#locate();
    this.at = this.#hostAt;
    this.end = this.#hostEnd;
  }

  findPath(): void {
    this.#locate();
    this.at = this.#pathAt;
    this.end = this.#pathEnd;
  }

  /** Behind the question mark. */
  findQuery(): void {
    this.#locate();
    const at = this.#pathStop;
    const targetEnd = this.#targetEnd;
    this.at = at;
    this.end = at;
    if (at === targetEnd || B[at] !== QUESTION_MARK) return;
    let end = at + 1;
    while (end < targetEnd && B[end] !== HASH) end++;
    this.at = at + 1;
    this.end = end;
  }

  /** The media type without parameters; its case means nothing. */
  findContentType(side: Side): void {
    const s = this.k + side;
    this.at = 0;
    this.end = 0;
    if (K[s + S_TYPE] === 0) return;
    const block = K[s + S_HEAD];
    const table = t.fieldTable(block, K[s + S_HEAD_BYTES]);
    const at = t.valueAt(block, table, K[s + S_TYPE] - 1);
    let end = t.valueEnd(block, table, K[s + S_TYPE] - 1);
    for (let p = at; p < end; p++) if (B[p] === SEMICOLON) end = p;
    while (end > at && (B[end - 1] === 32 || B[end - 1] === 9)) end--;
    this.at = at;
    this.end = end;
  }

  /**
   * Finds the value of a field of that name, from field number `from` on; gives its number, or -1 when there is none.
   */
  findField(side: Side, name: FieldName, from = 0): number {
    const s = this.k + side;
    const block = K[s + S_HEAD];
    const fields = K[s + S_FIELDS];
    const wanted = name.bytes;
    const length = wanted.length;
    let w = t.fieldTable(block, K[s + S_HEAD_BYTES]) + 2 * from;
    for (let i = from; i < fields; i++, w += 2) {
      const range = W[w];
      const at = range >>> 16;
      if ((range & 0xffff) - at !== length || (B[block + at] | 0x20) !== (wanted[0] | 0x20)) continue;
      if (!bytesAre(block + at, block + at + length, wanted, true)) continue;
      this.at = block + (W[w + 1] >>> 16);
      this.end = block + (W[w + 1] & 0xffff);
      return i;
    }
    this.at = 0;
    this.end = 0;
    return -1;
  }

  /** What was found last, as text. */
  text(): string {
    return this.end > this.at ? B.toString('utf8', this.at, this.end) : '';
  }

  method(): string {
    this.findMethod();
    return this.text();
  }

  host(): string {
    this.findHost();
    return this.text().toLowerCase();
  }

  path(): string {
    this.findPath();
    return this.text();
  }

  query(): string {
    this.findQuery();
    return this.text();
  }

  contentType(side: Side): string {
    this.findContentType(side);
    return this.text().toLowerCase();
  }

  /** Fields of one name are one list (RFC 9110, 5.3); "" when there is none. */
  header(side: Side, name: FieldName): string {
    let i = this.findField(side, name);
    if (i < 0) return '';
    let text = this.text();
    while ((i = this.findField(side, name, i + 1)) >= 0) text += `, ${this.text()}`;
    return text;
  }

  headers(side: Side, name: FieldName): string[] {
    const all: string[] = [];
    for (let i = this.findField(side, name); i >= 0; i = this.findField(side, name, i + 1)) all.push(this.text());
    return all;
  }

  /** All of it, not only what is kept; without transfer-coding. */
  bodyBytes(side: Side): number {
    return D[this.d + (side === REQUEST ? t.D_REQUEST : t.D_RESPONSE) + t.D_BODY];
  }

  body(side: Side): string {
    const i = side === REQUEST ? 0 : 1;
    let text = this.#bodies[i];
    if (text === null) {
      openOnce(this.call, side, openedParts[i].at);
      const o = i === 0 ? O_REQUEST : O_RESPONSE;
      text = O[o + O_END] > O[o + O_AT] ? B.toString('utf8', O[o + O_AT], O[o + O_END]) : '';
      this.#bodies[i] = text;
    }
    return text;
  }

  /** From the end of the request to the begin of the response; NaN when one of them is missing. */
  latencyUs(): number {
    const both = t.HAS_REQUEST | t.HAS_RESPONSE;
    if ((K[this.k + C_FLAGS] & both) !== both) return Number.NaN;
    const us = D[this.d + t.D_RESPONSE + t.D_FIRST] - D[this.d + t.D_REQUEST + t.D_LAST];
    return us >= 0 ? us : Number.NaN;
  }

  /** The template of the path; "" where there is no path. */
  template(): string {
    this.findPath();
    if (this.end === this.at) return '';
    // Opened bodies stay for masking; what it writes comes later.
    const to = maskedPart.at;
    return B.toString('utf8', to, writePathTemplate(this.at, this.end, to));
  }

  /** Fills `operation` (operation/operation.ts). */
  locateOperation(): void {
    openOnce(this.call, REQUEST, openedParts[0].at);
    operationOnce(this.call, operationPart.at);
  }

  /** "graphql", "json-rpc", "soap"; "" when there is none. */
  operationProtocol(): string {
    this.locateOperation();
    return protocolNames[N[O_PROTOCOL]];
  }

  /** Of the first operation; "" when it is not known. */
  operationType(): string {
    this.locateOperation();
    return N[O_KEPT] === 0 ? '' : typeNames[N[O_FIRST + P_TYPE]];
  }

  /** Name of operation number `i` of a batch; nothing when it has none. */
  findOperationName(i = 0): void {
    this.locateOperation();
    const w = O_FIRST + i * OPERATION_WORDS;
    this.at = i < N[O_KEPT] ? N[w + P_NAME] : 0;
    this.end = i < N[O_KEPT] ? N[w + P_NAME_END] : 0;
  }

  operationName(): string {
    this.findOperationName();
    return this.text();
  }

  /** How many operations have a name or could have one. */
  operations(): number {
    this.locateOperation();
    return N[O_KEPT];
  }

  isGrpc(): boolean {
    return K[this.k + t.C_GRPC] !== 0;
  }

  /** "shop.Cart", the last but one segment of the path of a gRPC call; nothing for other calls. */
  findGrpcService(): void {
    this.#splitPath(0);
  }

  findGrpcMethod(): void {
    this.#splitPath(2);
  }

  #splitPath(part: number): void {
    this.findPath();
    if (this.isGrpc()) splitPath(this.at, this.end);
    else serviceAndMethod.fill(0);
    this.at = serviceAndMethod[part];
    this.end = serviceAndMethod[part + 1];
  }

  grpcService(): string {
    this.findGrpcService();
    return this.text();
  }

  grpcMethod(): string {
    this.findGrpcMethod();
    return this.text();
  }

  /** -1: not gRPC, or not known. */
  grpcStatus(): number {
    if (!this.isGrpc()) return -1;
    grpcOnce(this.call, grpcPart.at);
    return grpc[G_STATUS];
  }

  /** Puts the client's address, or the server's, where base/cidr.ts compares it. */
  loadAddress(isClient: boolean): void {
    const a = this.f + (isClient === this.#clientIsOriginator() ? KEY_A : KEY_B);
    if ((R[this.f + FLAGS] & IS_IPV6) !== 0) {
      A[0] = R[a];
      A[1] = R[a + 1];
      A[2] = R[a + 2];
      A[3] = R[a + 3];
    } else {
      A[0] = 0;
      A[1] = 0;
      A[2] = 0xffff;
      A[3] = R[a];
    }
  }

  address(isClient: boolean): string {
    const a = this.f + (isClient === this.#clientIsOriginator() ? KEY_A : KEY_B);
    return formatAddress(R[this.f + FLAGS] & IS_IPV6 ? 6 : 4, R[a], R[a + 1], R[a + 2], R[a + 3]);
  }

  port(isClient: boolean): number {
    const ports = R[this.f + PORTS];
    return isClient === this.#clientIsOriginator() ? ports >>> 16 : ports & 0xffff;
  }

  /** Who asked, behind proxies, as the record has it. */
  clientIp(): string {
    if ((this.#known & CLIENT_IP) === 0) {
      this.#known |= CLIENT_IP;
      const connection = this.address(true);
      this.#clientIp = this.#isForwarded() ? clientIpOfCall(this.k, connection).address : connection;
    }
    return this.#clientIp;
  }

  /** The same, where base/cidr.ts compares it. */
  loadClientIp(): void {
    if (!this.#isForwarded() || !parseAddress(this.clientIp())) this.loadAddress(true);
  }

  interfaceId(): number {
    return R[this.f + INTERFACE];
  }

  /** Of VXLAN and GENEVE, outermost first. */
  vnis(): readonly number[] {
    const path = this.#encapsulation();
    if (path === 0) return NO_NUMBERS;
    let list = this.#vnis[path];
    if (list === undefined) {
      list = describePath(path).flatMap(({ vni }) => vni ?? []);
      if (path < PATHS_MAX) this.#vnis[path] = list;
    }
    return list;
  }

  vlans(): readonly number[] {
    const path = this.#encapsulation();
    if (path === 0) return NO_NUMBERS;
    let list = this.#vlans[path];
    if (list === undefined) {
      list = describePath(path).flatMap(({ vlan }) => vlan ?? []);
      if (path < PATHS_MAX) this.#vlans[path] = list;
    }
    return list;
  }

  #encapsulation(): number {
    return R[this.f + PATH + (K[this.k + t.C_CLIENT] & 1)];
  }

  #clientIsOriginator(): boolean {
    return K[this.k + t.C_CLIENT] !== 1;
  }

  #isForwarded(): boolean {
    return (K[this.k + C_FLAGS] & t.HAS_CLIENT_IP) !== 0 || K[this.k + t.C_PROXY] !== 0;
  }

  #locate(): void {
    if ((this.#known & TARGET) !== 0) return;
    this.#known |= TARGET;
    if (!this.hasRequest()) {
      this.#hostAt = this.#hostEnd = this.#pathAt = this.#pathEnd = this.#pathStop = this.#targetEnd = 0;
      this.#secure = false;
      return;
    }
    locateTarget(this.k);
    const s = this.k + REQUEST;
    const targetAt = K[s + S_HEAD] + K[s + S_TEXT];
    const { hostAt, hostEnd, pathAt, pathEnd } = target;
    this.#secure = target.secure;
    this.#hostAt = hostAt;
    this.#hostEnd = portAt(hostAt, hostEnd);
    this.#pathAt = pathAt;
    this.#pathEnd = pathEnd;
    this.#pathStop = pathEnd;
    this.#targetEnd = K[s + S_HEAD] + K[s + S_TEXT_END];
    if (pathAt === pathEnd && pathAt !== targetAt && (K[this.k + C_FLAGS] & t.IS_CONNECT) === 0) {
      // http://host: the path is "/", and one stands behind the scheme.
      let p = targetAt;
      while (B[p] !== SLASH) p++;
      this.#pathAt = p;
      this.#pathEnd = p + 1;
    }
  }
}

/** Where the host ends: before a colon with digits or nothing behind it, which is not one within brackets. */
function portAt(at: number, end: number): number {
  let p = end;
  while (p > at && B[p - 1] >= 48 && B[p - 1] <= 57) p--;
  if (p - 1 <= at || B[p - 1] !== COLON) return end;
  // An address without brackets has colons of its own, and no port.
  if (B[p - 2] !== CLOSING) for (let q = at; q < p - 1; q++) if (B[q] === COLON) return end;
  return p - 1;
}
