/**
 * Which bodies are gRPC, gRPC-Web or Protocol Buffers, by their media type.
 *
 *   application/grpc-web-text+proto; charset=utf-8
 *               ^ these four bytes tell almost every other type
 *
 * The codec behind + says what a message is: proto, also where there is none; json; else something that is not read.
 */
import { bytes, view } from '../base/arena.ts';

const B = bytes;
const V = view;

export const NO_KIND = 0;
export const GRPC = 1;
export const GRPC_WEB = 2;
/** gRPC-Web in base64. */
export const GRPC_WEB_TEXT = 3;
/** One message, and nothing around it. */
export const PROTOBUF = 4;
export const KIND_MASK = 7;
/** Bits beside the kind: the codec is json, or one that is not read. */
export const JSON_CODEC = 8;
export const OTHER_CODEC = 16;

const WORD_AT = 12;
const SHORTEST = 16;
const LOWER_CASE = 0x20202020;
const text = (s: string): Uint8Array => Buffer.from(s, 'latin1');
const wordOf = (s: string): number => Buffer.from(s, 'latin1').readInt32LE(0);
const W_GRPC = wordOf('grpc') | LOWER_CASE;
const W_PROT = wordOf('prot') | LOWER_CASE;
const W_X_PR = wordOf('x-pr') | LOWER_CASE;
const W_VND = wordOf('vnd.') | LOWER_CASE;
const T_GRPC = text('application/grpc');
const T_WEB = text('-web');
const T_TEXT = text('-text');
const T_PROTO = text('proto');
const T_JSON = text('json');
const PROTOBUF_TYPES = ['application/protobuf', 'application/x-protobuf', 'application/vnd.google.protobuf'].map(text);
const PLUS = 43;
const SEMICOLON = 59;

/** The kind of the media type [at, end), which may have parameters, with the bits of its codec. */
export function bodyKind(at: number, end: number): number {
  if (end - at < SHORTEST) return NO_KIND;
  const word = V.getInt32(at + WORD_AT, true) | LOWER_CASE;
  if (word === W_GRPC) return kindOfGrpc(at, end);
  if (word === W_PROT || word === W_X_PR || word === W_VND) return kindOfProtobuf(at, end);
  return NO_KIND;
}

function kindOfGrpc(at: number, end: number): number {
  if (!begins(at, end, T_GRPC)) return NO_KIND;
  let p = at + T_GRPC.length;
  let kind = GRPC;
  if (begins(p, end, T_WEB)) {
    p += T_WEB.length;
    kind = GRPC_WEB;
    if (begins(p, end, T_TEXT)) {
      p += T_TEXT.length;
      kind = GRPC_WEB_TEXT;
    }
  }
  if (isOver(p, end)) return kind;
  if (B[p] !== PLUS) return NO_KIND;
  p++;
  if (begins(p, end, T_PROTO) && isOver(p + T_PROTO.length, end)) return kind;
  return kind | (begins(p, end, T_JSON) && isOver(p + T_JSON.length, end) ? JSON_CODEC : OTHER_CODEC);
}

function kindOfProtobuf(at: number, end: number): number {
  for (const type of PROTOBUF_TYPES) if (begins(at, end, type) && isOver(at + type.length, end)) return PROTOBUF;
  return NO_KIND;
}

/** Whether the type ends here: what follows are parameters. */
function isOver(p: number, end: number): boolean {
  return p >= end || B[p] === SEMICOLON || B[p] <= 32;
}

/** Whether [at, end) begins with `lower`, whatever its case. */
export function begins(at: number, end: number, lower: Uint8Array): boolean {
  if (end - at < lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const c = B[at + i];
    if ((c >= 65 && c <= 90 ? c | 32 : c) !== lower[i]) return false;
  }
  return true;
}
