/**
 * har: one HTTP Archive document, version 1.2, written as a stream: an entry a line between `begin` and `end`. It is
 * JSON only when `end` has been written.
 *
 *   {"log":{"version":"1.2","creator":{...},"entries":[
 *   {entry},
 *   {entry}
 *   ]}}
 *
 * HAR requires a request and a response in every entry. Where one was not captured, its strings are empty, its
 * status is 0, its sizes are -1, and `_causes` says why. Keys of our own begin with an underscore, as HAR asks: `_id`,
 * `_complete`, `_causes`, `_pathTemplate`, `_operation`, `_grpc`, `_clientIp`, `_encapsulation`; `_encoding` where a request body is base64.
 *
 * Times of an entry are milliseconds: send is the duration of the request, wait from its end to the first byte of the
 * response, receive the duration of the response; their sum is `time`. What is not known is 0.
 * Left out: header sizes (-1: unknown), pages, the cache, parameters of posted forms.
 */
import type { ApiCall } from '../../normalise/api-call.ts';
import { type Headers, headerOf, rfc3339, timeOf, urlOf } from './call-parts.ts';
import type { Format, FormatContext } from './encoder.ts';

interface NameValue {
  readonly name: string;
  readonly value: string;
}

function decodeComponent(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

/** Name and value around the first equals sign. */
function splitPair(text: string): NameValue {
  const equals = text.indexOf('=');
  return equals < 0 ? { name: text, value: '' } : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

function queryString(query: string | undefined): NameValue[] {
  if (query === undefined || query === '') return [];
  return query.split('&').map((part) => {
    const { name, value } = splitPair(part);
    return { name: decodeComponent(name), value: decodeComponent(value) };
  });
}

function requestCookies(headers: Headers): NameValue[] {
  return headers
    .filter(([name]) => name.toLowerCase() === 'cookie')
    .flatMap(([, value]) => value.split(';'))
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(splitPair);
}

/** Cookies of Set-Cookie headers with their attributes (RFC 6265, 5.2). */
function responseCookies(headers: Headers): Record<string, string | boolean>[] {
  const cookies: Record<string, string | boolean>[] = [];
  for (const [header, value] of headers) {
    if (header.toLowerCase() !== 'set-cookie') continue;
    const [pair, ...attributes] = value.split(';').map((part) => part.trim());
    const cookie: Record<string, string | boolean> = { ...splitPair(pair) };
    for (const attribute of attributes) {
      const { name, value: text } = splitPair(attribute);
      switch (name.toLowerCase()) {
        case 'path':
          cookie.path = text;
          break;
        case 'domain':
          cookie.domain = text;
          break;
        case 'expires': {
          const ms = Date.parse(text);
          if (!Number.isNaN(ms)) cookie.expires = new Date(ms).toISOString();
          break;
        }
        case 'httponly':
          cookie.httpOnly = true;
          break;
        case 'secure':
          cookie.secure = true;
          break;
      }
    }
    cookies.push(cookie);
  }
  return cookies;
}

function nameValues(headers: Headers): NameValue[] {
  return headers.map(([name, value]) => ({ name, value }));
}

function httpVersion(version: string | undefined): string {
  return version === undefined ? '' : /^[0-9]/.test(version) ? `HTTP/${version}` : version;
}

function requestOf(call: ApiCall): unknown {
  const { request } = call;
  if (request === null)
    return { method: '', url: '', httpVersion: '', cookies: [], headers: [], queryString: [], headersSize: -1, bodySize: -1 };
  const { body } = request;
  const postData =
    body.bytes === 0
      ? undefined
      : {
          mimeType: body.contentType ?? '',
          params: [],
          text: body.text ?? body.base64 ?? '',
          _encoding: body.base64 === undefined ? undefined : 'base64',
        };
  return {
    method: request.method,
    url: urlOf(call),
    httpVersion: httpVersion(request.version),
    cookies: requestCookies(request.headers),
    headers: nameValues(request.headers),
    queryString: queryString(request.query),
    postData,
    headersSize: -1,
    bodySize: body.bytes,
  };
}

function responseOf(call: ApiCall): unknown {
  const { response } = call;
  if (response === null) {
    const content = { size: 0, mimeType: '' };
    return {
      status: 0,
      statusText: '',
      httpVersion: '',
      cookies: [],
      headers: [],
      content,
      redirectURL: '',
      headersSize: -1,
      bodySize: -1,
    };
  }
  const { body } = response;
  const isWhole = body.decoded === true && body.cut !== true && body.gapBytes === undefined;
  const size = body.decoded === true && body.rendered === undefined ? body.kept : body.bytes;
  return {
    status: response.status ?? 0,
    statusText: response.reason,
    httpVersion: httpVersion(response.version),
    cookies: responseCookies(response.headers),
    headers: nameValues(response.headers),
    content: {
      size,
      compression: isWhole ? size - body.bytes : undefined,
      mimeType: body.contentType ?? '',
      text: body.text ?? body.base64,
      encoding: body.base64 === undefined ? undefined : 'base64',
      comment: body.cut === true ? 'The body is longer than what was kept.' : undefined,
    },
    redirectURL: headerOf(response.headers, 'location') ?? '',
    headersSize: -1,
    bodySize: body.bytes,
  };
}

function entryOf(call: ApiCall): unknown {
  const { request, response } = call;
  const send = request === null ? 0 : Math.max(0, request.lastByteUs - request.firstByteUs);
  const wait = request === null || response === null ? 0 : Math.max(0, response.firstByteUs - request.lastByteUs);
  const receive = response === null ? 0 : Math.max(0, response.lastByteUs - response.firstByteUs);
  return {
    startedDateTime: rfc3339(timeOf(call)),
    time: (send + wait + receive) / 1000,
    request: requestOf(call),
    response: responseOf(call),
    cache: {},
    timings: { send: send / 1000, wait: wait / 1000, receive: receive / 1000 },
    serverIPAddress: call.server.address,
    connection: String(call.client.port),
    _id: call.id,
    _complete: call.complete,
    _causes: call.causes,
    _pathTemplate: call.pathTemplate ?? undefined,
    _operation: call.operation,
    _grpc: call.grpc,
    _clientIp: call.clientIp.address,
    _encapsulation: call.encapsulation.length === 0 ? undefined : call.encapsulation,
  };
}

export function har(): Format {
  return {
    name: 'har',
    mediaType: 'application/json',
    begin: (context: FormatContext) =>
      `{"log":{"version":"1.2","creator":${JSON.stringify({ name: 'Earshot', version: context.version })},"entries":[`,
    record: (call: ApiCall, index: number) => `${index === 0 ? '\n' : ',\n'}${JSON.stringify(entryOf(call))}`,
    end: () => '\n]}}\n',
  };
}
