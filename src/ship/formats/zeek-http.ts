/**
 * zeek-http and zeek-json: Zeek's http.log, as tab-separated values and as JSON, with the columns of a default Zeek 8.
 *
 *   #separator \x09                 the only line whose separator is a space
 *   #set_separator	,               then, tab-separated: #empty_field (empty), #unset_field -, #path http, #open, #fields, #types
 *   1700000000.123456	CHh...	10.0.0.1	...   a record a line
 *   #close	2023-11-14-22-13-21
 *
 * Values as Zeek's ASCII writer has them: unset is "-", an empty string or set "(empty)", a string that reads like
 * one of these has its first byte escaped; control bytes and bytes that are no UTF-8 become \xNN, a backslash two, and
 * inside a set or vector a comma \x2c. JSON leaves unset columns out.
 *
 * As in Zeek: `uri` is percent-decoded, `version` is the response's, `username` comes from Basic credentials and
 * `password` is not logged, `proxied` holds "NAME -> value" of the usual proxy headers, lengths are those of the body
 * after content-decoding where that is known.
 *
 * Other than in Zeek: `uid` is made of the connection's addresses, ports and tunnels, so two connections of one run
 * that follow each other on the same ports share it; MIME types are those of Content-Type, not found in the content;
 * credentials that cannot be decoded give no username, where Zeek would log them; control characters in JSON are
 * escaped as JSON has it (Zeek writes the text \xNN).
 * Left out: info_code and info_msg (the record has no 1xx responses), file ids and names.
 */
import { hash } from 'node:crypto';
import type { ApiCall } from '../../normalise/api-call.ts';
import { epochSeconds, headerOf, rfc3339, timeOf } from './call-parts.ts';
import type { Format, FormatContext } from './encoder.ts';

type Value = string | number | Buffer | readonly string[] | undefined;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly of: (call: ApiCall) => Value;
}

const proxyHeaders: ReadonlySet<string> = new Set([
  'FORWARDED',
  'X-FORWARDED-FOR',
  'X-FORWARDED-FROM',
  'CLIENT-IP',
  'VIA',
  'XROXY-CONNECTION',
  'PROXY-CONNECTION',
]);

const uidAlphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function uidOf(call: ApiCall): string {
  const run = call.id.slice(0, call.id.lastIndexOf('.'));
  const { client, server, encapsulation } = call;
  const digest = hash('sha1', JSON.stringify([run, client.address, client.port, server.address, server.port, encapsulation]), 'buffer');
  let uid = 'C';
  for (let i = 0; i < 17; i++) uid += uidAlphabet[digest[i] % 62];
  return uid;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Percent-decoded bytes; a percent sign without two hexadecimal digits stays. */
function unescapeUri(uri: string): string | Buffer {
  if (!uri.includes('%')) return uri;
  const bytes = Buffer.from(uri);
  let to = 0;
  for (let i = 0; i < bytes.length; i++) {
    let c = bytes[i];
    if (c === 0x25 && i + 2 < bytes.length) {
      const high = hexDigit(bytes[i + 1]);
      const low = hexDigit(bytes[i + 2]);
      if (high >= 0 && low >= 0) {
        c = (high << 4) | low;
        i += 2;
      }
    }
    bytes[to++] = c;
  }
  return bytes.subarray(0, to);
}

function usernameOf(call: ApiCall): Buffer | undefined {
  const headers = call.request?.headers ?? [];
  const value = headerOf(headers, 'authorization') ?? headerOf(headers, 'proxy-authorization');
  const match = value === undefined ? null : /^basic[ \t]+([A-Za-z0-9+/]+={0,2})[ \t]*$/i.exec(value);
  if (match === null) return undefined;
  const pair = Buffer.from(match[1], 'base64');
  const colon = pair.indexOf(0x3a);
  return colon < 0 ? undefined : pair.subarray(0, colon);
}

function proxiedOf(call: ApiCall): string[] | undefined {
  const found = new Set<string>();
  for (const [name, value] of call.request?.headers ?? []) {
    const upper = name.toUpperCase();
    if (proxyHeaders.has(upper)) found.add(`${upper} -> ${value}`);
  }
  return found.size === 0 ? undefined : [...found];
}

function lengthOf(side: ApiCall['request'] | ApiCall['response']): number {
  const body = side?.body;
  if (body === undefined) return 0;
  return body.decoded === true && body.rendered === undefined && body.cut !== true && body.gapBytes === undefined ? body.kept : body.bytes;
}

function mimeTypesOf(side: ApiCall['request'] | ApiCall['response']): string[] | undefined {
  const body = side?.body;
  const type = body === undefined || body.bytes === 0 ? undefined : body.contentType?.split(';')[0].trim().toLowerCase();
  return type === undefined || type === '' ? undefined : [type];
}

const unset = (): undefined => undefined;

function requestHeader(name: string): (call: ApiCall) => Value {
  return (call) => (call.request === null ? undefined : headerOf(call.request.headers, name));
}

const columns: readonly Column[] = [
  { name: 'ts', type: 'time', of: timeOf },
  { name: 'uid', type: 'string', of: uidOf },
  { name: 'id.orig_h', type: 'addr', of: (call) => call.client.address },
  { name: 'id.orig_p', type: 'port', of: (call) => call.client.port },
  { name: 'id.resp_h', type: 'addr', of: (call) => call.server.address },
  { name: 'id.resp_p', type: 'port', of: (call) => call.server.port },
  { name: 'trans_depth', type: 'count', of: (call) => call.connection.depth },
  { name: 'method', type: 'string', of: (call) => call.request?.method },
  {
    name: 'host',
    type: 'string',
    of: (call) => (call.request === null ? undefined : (headerOf(call.request.headers, 'host') ?? call.host ?? undefined)),
  },
  { name: 'uri', type: 'string', of: (call) => (call.request === null ? undefined : unescapeUri(call.request.target)) },
  { name: 'referrer', type: 'string', of: requestHeader('referer') },
  { name: 'version', type: 'string', of: (call) => call.response?.version },
  { name: 'user_agent', type: 'string', of: requestHeader('user-agent') },
  { name: 'origin', type: 'string', of: requestHeader('origin') },
  { name: 'request_body_len', type: 'count', of: (call) => lengthOf(call.request) },
  { name: 'response_body_len', type: 'count', of: (call) => lengthOf(call.response) },
  { name: 'status_code', type: 'count', of: (call) => call.response?.status ?? undefined },
  { name: 'status_msg', type: 'string', of: (call) => call.response?.reason },
  { name: 'info_code', type: 'count', of: unset },
  { name: 'info_msg', type: 'string', of: unset },
  { name: 'tags', type: 'set[enum]', of: () => [] },
  { name: 'username', type: 'string', of: usernameOf },
  { name: 'password', type: 'string', of: unset },
  { name: 'proxied', type: 'set[string]', of: proxiedOf },
  { name: 'orig_fuids', type: 'vector[string]', of: unset },
  { name: 'orig_filenames', type: 'vector[string]', of: unset },
  { name: 'orig_mime_types', type: 'vector[string]', of: (call) => mimeTypesOf(call.request) },
  { name: 'resp_fuids', type: 'vector[string]', of: unset },
  { name: 'resp_filenames', type: 'vector[string]', of: unset },
  { name: 'resp_mime_types', type: 'vector[string]', of: (call) => mimeTypesOf(call.response) },
];

const UNSET = '-';
const EMPTY = '(empty)';

function hexByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** Bytes as text: valid UTF-8 as it is, each other byte as \xNN. `quote` is applied to the valid parts. */
function bytesAsText(bytes: Buffer, quote: (text: string) => string): string {
  let text = '';
  let from = 0;
  let at = 0;
  const flush = (): void => {
    text += quote(bytes.toString('utf8', from, at));
  };
  while (at < bytes.length) {
    const c = bytes[at];
    const length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    let isValid = length > 0 && at + length <= bytes.length;
    for (let i = 1; isValid && i < length; i++) isValid = (bytes[at + i] & 0xc0) === 0x80;
    if (isValid && length > 2) {
      // RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
      const second = bytes[at + 1];
      isValid = !(
        (c === 0xe0 && second < 0xa0) ||
        (c === 0xed && second > 0x9f) ||
        (c === 0xf0 && second < 0x90) ||
        (c === 0xf4 && second > 0x8f)
      );
    }
    if (isValid) at += length;
    else {
      flush();
      text += hexByte(c);
      from = ++at;
    }
  }
  flush();
  return text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not stay
const unsafe = /[\x00-\x1f\\\x7f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not stay
const unsafeInSet = /[\x00-\x1f\\\x7f,]/g;

function escapeChar(char: string): string {
  return char === '\\' ? '\\\\' : hexByte(char.charCodeAt(0));
}

function tsvString(value: string | Buffer, isElement: boolean): string {
  const quote = (text: string): string => text.replace(isElement ? unsafeInSet : unsafe, escapeChar);
  const text = typeof value === 'string' ? quote(value) : bytesAsText(value, quote);
  if (text === '') return EMPTY;
  if (text === UNSET || text === EMPTY) return hexByte(text.charCodeAt(0)) + text.slice(1);
  return text;
}

function tsvValue(value: Value, type: string): string {
  if (value === undefined) return UNSET;
  if (typeof value === 'number') return type === 'time' ? epochSeconds(value) : String(value);
  if (typeof value === 'string' || Buffer.isBuffer(value)) return tsvString(value, false);
  if (value.length === 0) return EMPTY;
  return value.map((element) => tsvString(element, true)).join(',');
}

/** Time of the wall clock as in #open and #close: UTC. */
function fileTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace(/[T:]/g, '-');
}

export function zeekHttp(): Format {
  let now: () => number = Date.now;
  return {
    name: 'zeek-http',
    mediaType: 'text/tab-separated-values',
    begin(context: FormatContext): string {
      now = context.now;
      return [
        '#separator \\x09',
        '#set_separator\t,',
        `#empty_field\t${EMPTY}`,
        `#unset_field\t${UNSET}`,
        '#path\thttp',
        `#open\t${fileTime(now())}`,
        `#fields\t${columns.map(({ name }) => name).join('\t')}`,
        `#types\t${columns.map(({ type }) => type).join('\t')}`,
        '',
      ].join('\n');
    },
    record: (call: ApiCall) => `${columns.map(({ type, of }) => tsvValue(of(call), type)).join('\t')}\n`,
    end: () => `#close\t${fileTime(now())}\n`,
  };
}

/** How zeek-json writes `ts`: a number of seconds, as Zeek does by default, or ISO 8601. */
export type ZeekTime = 'epoch' | 'iso';

export function zeekJson(time: ZeekTime = 'epoch'): Format {
  return {
    name: 'zeek-json',
    mediaType: 'application/x-ndjson',
    begin: () => '',
    record(call: ApiCall): string {
      const entries: [string, unknown][] = [];
      for (const { name, type, of } of columns) {
        const value = of(call);
        if (value === undefined) continue;
        if (type === 'time') entries.push([name, time === 'iso' ? rfc3339(value as number) : (value as number) / 1_000_000]);
        else entries.push([name, Buffer.isBuffer(value) ? bytesAsText(value, (text) => text) : value]);
      }
      return `${JSON.stringify(Object.fromEntries(entries))}\n`;
    },
    end: () => '',
  };
}
