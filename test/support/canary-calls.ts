/**
 * Calls with secrets in them: each place of a call writes a secret in its own syntax, so that a reader of that place gets
 * exactly the secret.
 */
import zlib from 'node:zlib';
import type { Random } from '../../src/policy/mask/detect-testing.ts';
import { pick } from '../../src/policy/mask/secrets-testing.ts';
import { CANARY_PATH, grpcBody } from './canary-grpc.ts';
import { nameOf, type Secret } from './canary-secrets.ts';

/** A message in the making. */
interface Draft {
  host: string;
  target: string;
  readonly headers: [string, string][];
  readonly trailers: [string, string][];
  reason: string;
  type: string;
  body: Buffer;
  isJson: boolean;
}

export interface PlantedCall {
  readonly request: Buffer;
  readonly response: Buffer;
  readonly secrets: readonly Secret[];
  /** "query", "json" ...: of each secret. */
  readonly places: readonly string[];
  /** Bodies that are one JSON document when they are kept whole. */
  readonly isJson: readonly [boolean, boolean];
}

type Place = (d: Draft, s: Secret, next: Random) => void;

/** In a field: no line breaks. */
const isLine = (s: Secret): boolean => !s.text.includes('\n');
const isToken = (name: string): boolean => /^[a-zA-Z_][\w]*$/.test(name);
const percent = (text: string, next: Random): string =>
  next(5) === 0
    ? [...Buffer.from(text)].map((c) => `%${c.toString(16).padStart(2, '0')}`).join('')
    : next(3) === 0
      ? encodeURIComponent(text).replaceAll('%20', '+')
      : encodeURIComponent(text);
const inPath = (text: string): string => encodeURIComponent(text);

function jsonString(text: string, next: Random): string {
  if (next(6) === 0)
    return `"${[...text].map((c) => [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')).join('')}"`;
  const plain = JSON.stringify(text);
  return next(4) === 0 ? plain.replaceAll('/', '\\/').replace(/[a-z@]/, (c) => `\\u00${c.charCodeAt(0).toString(16)}`) : plain;
}

function jsonMember(s: Secret, next: Random): string {
  const name = JSON.stringify(nameOf(s, next));
  if (/^[1-9]\d{6,18}$/.test(s.text) && next(2) === 0) return `${name}:${s.text}`;
  switch (next(8)) {
    case 0:
      return `${name}:"","a":1,${name}:${jsonString(s.text, next)}`;
    case 1:
      return `"inner":${jsonString(`{${name}:${jsonString(s.text, next)}}`, next)}`;
    case 2:
      return s.name === '' && isLine(s) ? `${jsonString(s.text, next)}:1` : `${name}:[${jsonString(s.text, next)}]`;
    default:
      return `${name}:${jsonString(s.text, next)}`;
  }
}

function jsonDocument(s: Secret, next: Random): string {
  const depth = next(3) === 0 ? next(50) : next(4);
  let text = `{"id":${next(1e6)},${jsonMember(s, next)},"ok":true}`;
  for (let i = 0; i < depth; i++) text = next(2) === 0 ? `{"data":${text},"n":null}` : `[${text},1.5,"x"]`;
  return next(4) === 0 ? text.replace('{', '{\n  ') : text;
}

function xmlText(text: string, next: Random): string {
  const plain = text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);
  return next(4) === 0 ? plain.replace(/[a-zA-Z0-9@](?![^&]*;)/, (c) => `&#x${c.charCodeAt(0).toString(16)};`) : plain;
}

function setBody(d: Draft, type: string, body: string | Buffer, isJson = false): void {
  d.type = type;
  d.body = Buffer.from(body);
  d.isJson = isJson;
}

const csvField = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const heads: Readonly<Record<string, Place>> = {
  header: (d, s, next) => {
    const name = nameOf(s, next);
    d.headers.push([s.name === '' || s.isWhole ? name : pick(next, ['X-', '']) + name, s.text]);
  },
  cookie: (d, s, next) =>
    void d.headers.push([
      'Cookie',
      `theme=dark; ${nameOf(s, next)}=${pick(next, [percent(s.text, () => 1), `"${inPath(s.text)}"`])}; lang=en`,
    ]),
  query: (d, s, next) => {
    d.target += `${d.target.includes('?') ? '&' : '?'}page=2&${nameOf(s, next)}=${percent(s.text, next)}&size=20`;
  },
  path: (d, s, next) => {
    const part = s.name === '' ? inPath(s.text) : `list;${nameOf(s, next)}=${inPath(s.text)}`;
    if (!d.target.includes('?') && !d.target.includes('#')) d.target += `/${part}/detail`;
    else heads.query(d, s, next);
  },
  fragment: (d, s, next) => {
    if (!d.target.includes('#')) d.target += `#${nameOf(s, next)}=${percent(s.text, next)}`;
    else heads.header(d, s, next);
  },
  referer: (d, s, next) => void d.headers.push(['Referer', `https://shop.example/cart?${nameOf(s, next)}=${percent(s.text, next)}`]),
  'json in a header': (d, s, next) => void d.headers.push(['X-Context', JSON.stringify({ [nameOf(s, next)]: s.text })]),
  'base64 in a cookie': (d, s, next) =>
    void d.headers.push(['Cookie', `state=${Buffer.from(JSON.stringify({ [nameOf(s, next)]: s.text })).toString('base64url')}`]),
  'absolute target': (d, s, next) => {
    if (d.target.startsWith('/') && s.kind !== 'innocent') d.target = `http://worker:${inPath(s.text)}@shop.example${d.target}`;
    else heads.header(d, s, next);
  },
  host: (d, s, next) => {
    if (s.name === '' && /^[\w.@+-]+$/.test(s.text)) d.host = s.text;
    else heads.header(d, s, next);
  },
  'folded header': (d, s, next) => void d.headers.push([nameOf(s, next), `\r\n  ${s.text}`]),
  trailer: (d, s, next) => void d.trailers.push([nameOf(s, next), s.text]),
};

const responses: Readonly<Record<string, Place>> = {
  'set-cookie': (d, s, next) =>
    void d.headers.push(['Set-Cookie', `${nameOf(s, next)}=${inPath(s.text)}; Path=/; Domain=shop.example; HttpOnly`]),
  location: (d, s, next) => void d.headers.push(['Location', `/login?next=%2Fhome&${nameOf(s, next)}=${percent(s.text, next)}#top`]),
  reason: (d, s) => {
    if (s.name === '') d.reason = `No ${s.text}`;
    else d.headers.push([s.name, s.text]);
  },
};

const bodies: Readonly<Record<string, Place>> = {
  json: (d, s, next) =>
    setBody(d, pick(next, ['application/json', 'application/problem+json; charset=utf-8', 'text/plain', '']), jsonDocument(s, next), true),
  ndjson: (d, s, next) => setBody(d, 'application/x-ndjson', `{"row":1}\n{${jsonMember(s, next)}}\n{"row":3}\n`),
  form: (d, s, next) =>
    setBody(
      d,
      pick(next, ['application/x-www-form-urlencoded', 'application/x-www-form-urlencoded', '']),
      `page=2&${nameOf(s, next)}=${percent(s.text, next)}&size=20`,
    ),
  multipart: (d, s, next) => {
    const part =
      next(2) === 0
        ? `Content-Disposition: form-data; name="${nameOf(s, next)}"\r\n\r\n${s.text}`
        : `Content-Disposition: form-data; name="file"; filename="a.json"\r\nContent-Type: application/json\r\n\r\n${jsonDocument(s, next)}`;
    setBody(
      d,
      'multipart/form-data; boundary=XyZ',
      `--XyZ\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--XyZ\r\n${part}\r\n--XyZ--\r\n`,
    );
  },
  xml: (d, s, next) => {
    const given = nameOf(s, next);
    const name = /^[a-zA-Z]/.test(given) ? given : `_${given}`;
    const text = xmlText(s.text, next);
    const inner = [
      `<${name}>${text}</${name}>`,
      `<${name} id="1"><![CDATA[${s.text}]]></${name}>`,
      isLine(s) ? `<item n="1" ${name}="${text}"/>` : `<${name}>${text}</${name}>`,
      `<ns:${name}>${text}</ns:${name}>`,
    ];
    setBody(
      d,
      pick(next, ['application/xml', 'text/xml', 'application/soap+xml']),
      `<?xml version="1.0"?>\n<order><id>17</id>${pick(next, inner)}</order>`,
    );
  },
  graphql: (d, s, next) => {
    const given = nameOf(s, next).replaceAll('-', '_');
    const name = isToken(given) ? given : `_${given}`;
    const inline = `mutation { create(input: {${name}: ${JSON.stringify(s.text)}}) { id } }`;
    if (next(3) === 0) setBody(d, 'application/graphql', inline);
    else if (next(2) === 0) setBody(d, 'application/json', JSON.stringify({ query: inline }), true);
    else
      setBody(
        d,
        'application/json',
        JSON.stringify({ query: 'mutation($i: In) { create(input: $i) { id } }', variables: { i: { [name]: s.text } } }),
        true,
      );
  },
  'event stream': (d, s, next) =>
    setBody(d, 'text/event-stream', `event: a\ndata: {"n":1}\n\ndata: {${jsonMember(s, next).replaceAll('\n', '')}}\n\n`),
  csv: (d, s, next) => setBody(d, 'text/csv', `id,${nameOf(s, next)},town\r\n1,${csvField(s.text)},Ulm\r\n2,,Bonn\r\n`),
  grpc: (d, s, next) => {
    // A text of which nobody says what it is is masked, however innocent.
    if (s.kind === 'innocent') {
      bodies.json(d, s, next);
      return;
    }
    const { type, body, headers: own } = grpcBody(s, next);
    setBody(d, type, body);
    d.headers.push(...own.map(([name, value]): [string, string] => [name, value]));
    if (next(2) === 0) d.target = CANARY_PATH;
  },
  text: (d, s, next) =>
    s.name === '' ? setBody(d, pick(next, ['text/plain', '']), `Dear all, this is it: ${s.text} and so on.\n`) : bodies.json(d, s, next),
};

function codeBody(body: Buffer<ArrayBufferLike>, next: Random): readonly [string, Buffer<ArrayBufferLike>] {
  switch (next(10)) {
    case 0:
      return ['gzip', zlib.gzipSync(body)];
    case 1:
      return ['deflate', zlib.deflateSync(body)];
    case 2:
      return ['br', zlib.brotliCompressSync(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } })];
    case 3:
      return ['zstd', zlib.zstdCompressSync(body)];
    default:
      return ['', body];
  }
}

function write(start: string, d: Draft, next: Random): Buffer {
  const headers = [...d.headers];
  const [coding, content] = codeBody(d.body, next);
  // First, so that it is there when the head is cut: without it nobody can tell CSV from text.
  if (d.type !== '' && content.length > 0) headers.unshift(['Content-Type', d.type]);
  if (coding !== '') headers.push(['Content-Encoding', coding]);
  const isChunked = d.trailers.length > 0 || (content.length > 0 && next(3) === 0);
  if (isChunked) headers.push(['Transfer-Encoding', 'chunked']);
  else if (content.length > 0 || start.startsWith('HTTP/')) headers.push(['Content-Length', String(content.length)]);
  const lines = (fields: readonly (readonly [string, string])[]): string => fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const parts: Uint8Array[] = [Buffer.from(`${start}\r\n${lines(headers)}\r\n`)];
  if (isChunked) {
    const most = pick(next, [1, 7, 30, 500]);
    for (let at = 0; at < content.length; ) {
      const chunk = content.subarray(at, at + 1 + next(most));
      parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
      at += chunk.length;
    }
    parts.push(Buffer.from(`0\r\n${lines(d.trailers)}\r\n`));
  } else parts.push(content);
  return Buffer.concat(parts);
}

const draft = (): Draft => ({
  host: 'shop.example',
  target: '/v1/orders',
  headers: [],
  trailers: [],
  reason: 'OK',
  type: '',
  body: Buffer.alloc(0),
  isJson: false,
});

const inRequest = Object.keys(heads);
const inResponse = ['header', 'trailer', ...Object.keys(responses)];
const inBody = Object.keys(bodies);
export const placesOfSecrets: number = inRequest.length + Object.keys(responses).length + inBody.length;

/** A call with one to three secrets, in places that `next` draws. */
export function plantedCall(n: number, secrets: readonly Secret[], next: Random): PlantedCall {
  const request = draft();
  const response = draft();
  const places: string[] = [];
  const planted: Secret[] = [];
  for (const s of secrets) {
    const isResponse = next(2) === 0;
    const d = isResponse ? response : request;
    const wantsBody = !isLine(s) || next(2) === 0;
    let place: string;
    if (s.isCookie) place = isResponse ? 'set-cookie' : 'cookie';
    else if (wantsBody && d.body.length === 0) place = pick(next, inBody);
    else if (!isLine(s)) {
      if (request.body.length > 0) continue;
      bodies.text(request, s, next);
      places.push('request text');
      planted.push(s);
      continue;
    } else place = pick(next, isResponse ? inResponse : inRequest);
    (bodies[place] ?? responses[place] ?? heads[place])(d, s, next);
    planted.push(s);
    places.push(`${isResponse ? 'response' : 'request'} ${place}`);
  }
  if (response.target === CANARY_PATH && request.target === '/v1/orders') request.target = CANARY_PATH;
  const method = request.body.length > 0 || request.trailers.length > 0 ? 'POST' : 'GET';
  request.headers.unshift(['Host', request.host], ['X-Call', String(n)]);
  return {
    request: write(`${method} ${request.target} HTTP/1.1`, request, next),
    response: write(`HTTP/1.1 ${pick(next, [200, 201, 404])} ${response.reason}`, response, next),
    secrets: planted,
    places,
    isJson: [request.isJson, response.isJson],
  };
}

/** What a WebSocket message says that holds the secret: a document that nothing labels. */
export function plantedMessage(s: Secret, next: Random): string {
  const d = draft();
  const place = s.name === '' && next(4) === 0 ? 'text' : pick(next, ['json', 'json', 'json', 'form', 'xml']);
  bodies[place](d, s, next);
  return d.body.toString();
}
