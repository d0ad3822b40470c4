/**
 * What a media type (RFC 6838; RFC 9110, 8.3.1) says about how a document is to be walked.
 *
 *   Application/Problem+JSON; charset=utf-8
 *   type        subtype suffix  parameters: not looked at
 */
import { bytes } from '../../base/arena.ts';

const B = bytes;
export const UNKNOWN = 0;
export const TEXT = 1;
export const JSON_DOCUMENT = 2;
export const FORM = 3;
export const MULTIPART = 4;
export const XML = 5;
export const HTML = 6;
export const CSV = 7;
export const GRAPHQL = 8;
export const EVENTS = 9;
/** Binary, and nothing else. */
export const BINARY_DATA = 10;
/** Binary, made of fields. */
export const MESSAGES = 11;
export const CODED_MESSAGES = 12;

const SEMICOLON = 59;
const SLASH = 47;
const PLUS = 43;
const FNV = 0x811c9dc5 | 0;
const PRIME = 0x01000193;

/** FNV-1a of [at, end), letters in lower case. */
function hashOf(at: number, end: number): number {
  let h = FNV;
  for (let p = at; p < end; p++) {
    const c = B[p];
    h = Math.imul(h ^ (c >= 65 && c <= 90 ? c | 32 : c), PRIME);
  }
  return h;
}

/** By hash: two types with one hash would be walked alike, and no walker leaves a document alone. */
const kinds = new Map<number, number>();
for (const [names, kind] of [
  [
    'application/json text/json application/x-json text/x-json application/ndjson application/x-ndjson application/jsonl application/x-jsonlines application/jsonlines ' +
      'application/json-seq application/stream+json application/x-json-stream application/json5 application/csp-report application/har application/json-rpc application/jsonrequest',
    JSON_DOCUMENT,
  ],
  ['application/x-www-form-urlencoded', FORM],
  ['application/xml text/xml application/soap application/xml-dtd application/rss application/wsdl', XML],
  ['text/html', HTML],
  ['text/csv application/csv text/x-csv application/x-csv text/tab-separated-values text/comma-separated-values', CSV],
  ['application/graphql', GRAPHQL],
  ['text/event-stream', EVENTS],
  [
    'application/javascript application/x-javascript application/ecmascript application/yaml application/x-yaml application/toml application/sql application/rtf application/x-sh',
    TEXT,
  ],
  [
    'application/pdf application/zip application/gzip application/x-gzip application/zstd application/x-tar application/x-7z-compressed application/wasm application/java-archive',
    BINARY_DATA,
  ],
  [
    'application/grpc application/grpc-web application/msgpack application/x-msgpack application/vnd.msgpack application/cbor application/protobuf application/x-protobuf ' +
      'application/vnd.google.protobuf application/avro application/x-thrift application/vnd.apache.thrift.binary application/bson application/ubjson application/flatbuffers',
    MESSAGES,
  ],
  ['application/grpc-web-text', CODED_MESSAGES],
] as const)
  for (const name of names.split(' ')) kinds.set(kindKey(name), kind);
/** Suffixes (RFC 6839 and others). */
for (const [name, kind] of [
  ['+json', JSON_DOCUMENT],
  ['+json-seq', JSON_DOCUMENT],
  ['+ndjson', JSON_DOCUMENT],
  ['+xml', XML],
  ['+proto', MESSAGES],
  ['+protobuf', MESSAGES],
  ['+cbor', MESSAGES],
  ['+msgpack', MESSAGES],
  ['+thrift', MESSAGES],
  ['+zip', BINARY_DATA],
] as const)
  kinds.set(kindKey(name), kind);
for (const [name, kind] of [
  ['multipart', MULTIPART],
  ['text', TEXT],
  ['image', BINARY_DATA],
  ['audio', BINARY_DATA],
  ['video', BINARY_DATA],
  ['font', BINARY_DATA],
] as const)
  kinds.set(kindKey(name), kind);

function kindKey(name: string): number {
  return [...Buffer.from(name)].reduce((h, c) => Math.imul(h ^ c, PRIME), FNV);
}

/** The kind of the media type [at, end), which may have parameters. */
export function kindOfType(at: number, end: number): number {
  let from = at;
  while (from < end && B[from] <= 32) from++;
  let to = from;
  let slash = -1;
  let plus = -1;
  while (to < end && B[to] > 32 && B[to] !== SEMICOLON && B[to] !== 44) {
    if (B[to] === SLASH) slash = to;
    else if (B[to] === PLUS) plus = to;
    to++;
  }
  const whole = kinds.get(hashOf(from, to));
  if (slash < 0) return UNKNOWN;
  if (whole !== undefined) return whole;
  if (plus > slash) {
    const suffix = kinds.get(hashOf(plus, to));
    // application/grpc-web-text+proto
    const before = kinds.get(hashOf(from, plus));
    if (before === CODED_MESSAGES) return before;
    if (suffix !== undefined) return suffix;
    if (before !== undefined) return before;
  }
  return kinds.get(hashOf(from, slash)) ?? UNKNOWN;
}
