/**
 * Ways in which a secret could get past the rules that are shipped: each is one call, and all of them go through `earshot read`
 * as an operator starts it. Nothing of what they hide may be in what it prints, in any form.
 *
 * Most hide what only a name tells (a password), because that needs the name to be read; some hide what the content tells.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { ALNUM, charsOf, DIGITS, random } from '../../src/policy/mask/detect-testing.ts';
import { assertNoLeaks, type LeakWay } from '../support/leak-run.ts';
import { field, framed, proto, trailerFrame, zipped } from '../support/protobuf.ts';

/** What a call hides: a password of letters and digits, a card, an address of mail, a token of the form of a JWT. */
interface Hidden {
  readonly pw: string;
  readonly card: string;
  readonly mail: string;
  readonly jwt: string;
  /** A value that nothing tells apart, and that is not to be found all the same. */
  readonly also: string;
}

interface Message {
  readonly request?: string | Buffer;
  readonly response?: string | Buffer;
}

type Way = (h: Hidden) => Message;

const b64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');
const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
const escaped = (text: string): string => [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
const percent = (text: string): string => [...Buffer.from(text)].map((c) => `%${c.toString(16).padStart(2, '0')}`).join('');
const entities = (text: string): string => [...text].map((c) => `&#${c.charCodeAt(0)};`).join('');
const utf16 = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le');
const groups = (text: string, separator: string): string => text.replace(/(.{4})(?=.)/g, `$1${separator}`);

const ask = (target: string, headers = ''): Message => ({ request: `GET ${target} HTTP/1.1\r\nHost: a.example\r\n${headers}\r\n` });
const answer = (headers: string, body: string | Buffer = ''): Message => ({
  response: Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`, 'latin1'),
    Buffer.from(body),
  ]),
});
const send = (type: string, body: string | Buffer, headers = ''): Message => ({
  request: Buffer.concat([
    Buffer.from(
      `POST /x HTTP/1.1\r\nHost: a.example\r\n${type === '' ? '' : `Content-Type: ${type}\r\n`}${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
      'latin1',
    ),
    Buffer.from(body),
  ]),
});
const json = (body: string | Buffer, headers = ''): Message => send('application/json', body, headers);
const form = (body: string): Message => send('application/x-www-form-urlencoded', body);
const xml = (body: string): Message => send('application/xml', `<?xml version="1.0"?>${body}`);
const text = (body: string): Message => send('text/plain', body);
const multipart = (body: string, boundary = 'XyZ', type = 'multipart/form-data'): Message => send(`${type}; boundary=${boundary}`, body);
const part = (headers: string, body: string): string => `--XyZ\r\n${headers}\r\n\r\n${body}\r\n--XyZ--\r\n`;
const nested = (depth: number, inner: string): string => `${'{"a":['.repeat(depth)}${inner}${']}'.repeat(depth)}`;

const ways: Readonly<Record<string, Way>> = {
  // JSON.
  'escapes in the value': (h) => json(`{"password":"${escaped(h.pw)}"}`),
  'escapes in the name': (h) => json(`{"${escaped('password')}":"${h.pw}"}`),
  'escapes in a value that its content tells': (h) => json(`{"a":"${escaped(h.card)}"}`),
  'capitals in the name': (h) => json(`{"PassWord":"${h.pw}"}`),
  'all capitals with underscores': (h) => json(`{"USER_PASSWORD":"${h.pw}"}`),
  'digits in the name': (h) => json(`{"my2faCode":"${h.pw}"}`),
  'digits between the words of the name': (h) => json(`{"card2Number":"${h.pw}"}`),
  'a dotted name': (h) => json(`{"user.password":"${h.pw}"}`),
  'blanks around the name': (h) => json(`{" password ":"${h.pw}"}`),
  'JSON in a string': (h) => json(JSON.stringify({ a: JSON.stringify({ password: h.pw }) })),
  'JSON in a string in a string': (h) => json(JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ password: h.pw }) }) })),
  'JSON in strings, deeper than is looked': (h) => {
    let inner = JSON.stringify({ password: h.pw });
    for (let i = 0; i < 7; i++) inner = JSON.stringify({ a: inner });
    return json(inner);
  },
  'JSON in base64 in JSON': (h) => json(JSON.stringify({ a: b64(JSON.stringify({ password: h.pw })) })),
  'JSON in base64url in JSON': (h) => json(JSON.stringify({ a: Buffer.from(JSON.stringify({ password: h.pw })).toString('base64url') })),
  'a form in JSON': (h) => json(JSON.stringify({ a: `x=1&password=${h.pw}` })),
  'a URL in JSON': (h) => json(JSON.stringify({ a: `https://b.example/?token=${h.pw}` })),
  'XML in JSON': (h) => json(JSON.stringify({ a: `<u><password>${h.pw}</password></u>` })),
  'two members of one name': (h) => json(`{"password":"","password":"${h.pw}"}`),
  'two members of one name, the second empty': (h) => json(`{"password":"${h.pw}","password":""}`),
  'depth 60': (h) => json(nested(60, `{"password":"${h.pw}"}`)),
  'depth 1000': (h) => json(nested(1000, `{"password":"${h.pw}"}`)),
  'an object under the name': (h) => json(`{"password":{"old":{"text":"${h.pw}"}}}`),
  'an array under the name': (h) => json(`{"password":[["${h.pw}"]]}`),
  'a number under the name': (h) => json(`{"password":${h.card}}`),
  'a number with an exponent': (h) => json(`{"a":${h.card[0]}.${h.card.slice(1)}E15}`),
  'name and value': (h) => json(`[{"name":"password","value":"${h.pw}"}]`),
  'value and name': (h) => json(`[{"value":"${h.pw}","name":"password"}]`),
  'v and k': (h) => json(`[{"v":["${h.pw}"],"k":"password"}]`),
  'content and field': (h) => json(`[{"content":{"a":"${h.pw}"},"field":"password"}]`),
  'a byte order mark': (h) => json(`\ufeff{"password":"${h.pw}"}`),
  'a prefix against inclusion': (h) => json(`)]}',\n{"password":"${h.pw}"}`),
  JSONP: (h) => answer('Content-Type: application/javascript\r\n', `/**/cb({"password":"${h.pw}"});`),
  NDJSON: (h) => send('application/x-ndjson', `{"a":1}\n{"password":"${h.pw}"}\n`),
  'NDJSON with a broken line': (h) => send('application/x-ndjson', `{"a":1}\n{"a":\n{"password":"${h.pw}"}\n`),
  'a JSON text sequence': (h) => send('application/json-seq', `\x1e{"a":1}\n\x1e{"password":"${h.pw}"}\n`),
  'single quotes': (h) => json(`{'password':'${h.pw}'}`),
  'names without quotes': (h) => json(`{password:"${h.pw}"}`),
  comments: (h) => json(`{/* a */"password"/* b */:"${h.pw}"}`),
  'commas too many': (h) => json(`{,"a":1,,"password":"${h.pw}",}`),
  'control bytes in strings': (h) => json(Buffer.from(`{"a":"\x01\n","password":"\x02${h.pw}"}`)),
  'a NUL behind the name': (h) => json(`{"password\\u0000":"${h.pw}"}`),
  'JSON cut in the middle of the value': (h) => json(`{"password":"${h.pw}`),
  'JSON labelled as a form': (h) => form(`{"password":"${h.pw}"}`),
  'JSON labelled as text': (h) => text(`{"password":"${h.pw}"}`),
  'JSON labelled as an image': (h) => send('image/png', `{"password":"${h.pw}"}`),
  'JSON without a label': (h) => send('', `{"password":"${h.pw}"}`),
  'JSON labelled as XML': (h) => send('text/xml', `{"password":"${h.pw}"}`),
  'JSON behind a word': (h) => text(`result: {"password":"${h.pw}"}`),
  'JSON with broken UTF-8': (h) => json(Buffer.concat([latin('{"a":"\xff\xfe\xc3","password":"'), Buffer.from(`${h.pw}"}`)])),
  'JSON in UTF-16': (h) => json(utf16(`{"password":"${h.pw}"}`)),
  'JSON in UTF-16 without a mark': (h) => json(Buffer.from(`{"password":"${h.pw}"}`, 'utf16le')),
  'JSON in UTF-16, big-endian': (h) => json(utf16(`{"password":"${h.pw}"}`).swap16()),
  'JSON in UTF-16, labelled as text': (h) =>
    text('').request === undefined ? {} : send('text/plain; charset=utf-16', utf16(`{"password":"${h.pw}"}`)),
  'JSON in UTF-32': (h) => json(Buffer.concat([...`{"password":"${h.pw}"}`].map((c) => Buffer.from([c.charCodeAt(0), 0, 0, 0])))),
  'a card with digits of full width': (h) =>
    json(`{"cardNumber":"${[...h.card].map((c) => String.fromCharCode(0xff10 + Number(c))).join('')}${h.also}"}`),
  'a header list of pairs': (h) => json(JSON.stringify({ headers: [['Authorization', `Bearer ${h.jwt}`]] })),
  'a patch': (h) => send('application/json-patch+json', `[{"op":"replace","path":"/password","value":"${h.pw}"}]`),
  'a patch, value first': (h) => send('application/json-patch+json', `[{"value":"${h.pw}","path":"/user/password","op":"add"}]`),

  // Query and form.
  'percent-coded names': (h) => ask(`/?${percent('password')}=${h.pw}`),
  'percent-coded values': (h) => ask(`/?password=${percent(h.pw)}`),
  'a card coded twice': (h) => ask(`/?a=${percent(percent(h.card))}`),
  'a name coded twice': (h) => ask(`/?${percent(percent('password'))}=${h.pw}`),
  'a plus in the name': (h) => form(`user+password=${h.pw}`),
  'brackets in the name': (h) => form(`user%5Bpassword%5D=${h.pw}`),
  'an array of names': (h) => form(`password[]=${h.pw}&password[0]=${h.pw}`),
  'semicolons between pairs': (h) => form(`a=1;password=${h.pw};b=2`),
  'a semicolon at the start': (h) => form(`;password=${h.pw}`),
  'a NUL in the name': (h) => form(`password%00=${h.pw}`),
  'a NUL before the name': (h) => form(`%00password=${h.pw}`),
  'line breaks between pairs': (h) => form(`a=1\r\npassword=${h.pw}\r\nb=2`),
  'two equals signs': (h) => form(`password==${h.pw}`),
  '%u escapes': (h) => ask(`/?a=${[...h.card].map((c) => `%u00${c.charCodeAt(0).toString(16)}`).join('')}`),
  'an ampersand as an entity': (h) => ask(`/?a=1&amp;password=${h.pw}`),
  'JSON in the query': (h) => ask(`/?filter=${encodeURIComponent(JSON.stringify({ password: h.pw }))}`),
  'JSON in the query, bare': (h) => ask(`/?{"password":"${h.pw}"}`),
  'JSON in base64 in the query': (h) => ask(`/?state=${encodeURIComponent(b64(JSON.stringify({ password: h.pw })))}`),
  'JSON in a form': (h) => form(`payload=${encodeURIComponent(JSON.stringify({ password: h.pw }))}`),
  'a form in the query': (h) => ask(`/?next=${encodeURIComponent(`/a?x=1&password=${h.pw}`)}`),
  'a URL with a token in the query': (h) => ask(`/?next=${encodeURIComponent(`https://b.example/?token=${h.pw}`)}`),
  'two question marks': (h) => ask(`/?a=1?password=${h.pw}`),
  'a form cut in the value': (h) => form(`a=1&password=${h.pw.slice(0, 12)}`),
  'a form without a label': (h) => send('', `a=1&password=${h.pw}`),
  'a form labelled as JSON': (h) => json(`a=1&password=${h.pw}`),

  // Path and target.
  'a JWT in the path': (h) => ask(`/verify/${h.jwt}/x`),
  'a token behind its name': (h) => ask(`/v1/token/${h.pw}`),
  'matrix parameters': (h) => ask(`/cart;jsessionid=${h.pw};a=1`),
  'matrix parameters, coded': (h) => ask(`/cart;${percent('jsessionid')}=${h.pw}`),
  'a card in the path': (h) => ask(`/cards/${groups(h.card, '%20')}`),
  'a fragment in the target': (h) => ask(`/a#access_token=${h.pw}`),
  'user and password in the target': (h) => ask(`http://ann:${h.pw}@a.example/`),
  'an address in CONNECT': (h) => ({ request: `CONNECT ${h.pw}:${h.pw}@localhost:443 HTTP/1.1\r\nHost: a.example\r\n\r\n` }),

  // Heads.
  'folded headers': (h) => ask('/', `X-Password: a\r\n ${h.pw}\r\n`),
  'a folded card': (h) =>
    ask('/', `X-Note: ${h.card.slice(0, 4)} ${h.card.slice(4, 8)}\r\n ${h.card.slice(8, 12)} ${h.card.slice(12)}\r\n`),
  'a blank before the colon': (h) => ask('/', `X-Password : ${h.pw}\r\n`),
  'a cookie in quotes': (h) => ask('/', `Cookie: a=1; session="${h.pw}"\r\n`),
  'a cookie in quotes with a semicolon': (h) => ask('/', `Cookie: session="a;${h.pw}"; b=1\r\n`),
  'a cookie with JSON': (h) => ask('/', `Cookie: a=${encodeURIComponent(JSON.stringify({ password: h.pw }))}\r\n`),
  'cookies with a comma': (h) => ask('/', `Cookie: a=1, session=${h.pw}\r\n`),
  'cookies by $Version': (h) => ask('/', `Cookie: $Version=1; session=${h.pw}; $Path=/\r\n`),
  'a coded name of a cookie': (h) => ask('/', `Cookie: ${percent('session')}=${h.pw}\r\n`),
  'Set-Cookie': (h) => answer(`Set-Cookie: SESSIONID=${h.pw}; Path=/; HttpOnly\r\n`),
  'Set-Cookie with attributes first': (h) => answer(`Set-Cookie: Path=/; session=${h.pw}\r\n`),
  'several cookies in one Set-Cookie': (h) => answer(`Set-Cookie: a=1; Path=/, session=${h.pw}; Path=/\r\n`),
  'Set-Cookie2': (h) => answer(`Set-Cookie2: session="${h.pw}"; Version=1\r\n`),
  'WWW-Authenticate with a token': (h) => answer(`WWW-Authenticate: Bearer realm="a", access_token="${h.pw}"\r\n`),
  'Authentication-Info': (h) => answer(`Authentication-Info: nextnonce="${h.pw}"\r\n`),
  Link: (h) => answer(`Link: <https://a.example/?token=${h.pw}>; rel=next\r\n`),
  'Location with a fragment': (h) => answer(`Location: https://a.example/cb#access_token=${h.pw}&state=1\r\n`),
  'Location with a code': (h) => answer(`Location: /cb?authorization_code=${h.pw}\r\n`),
  Refresh: (h) => answer(`Refresh: 0; url=/a?token=${h.pw}\r\n`),
  Referer: (h) => ask('/', `Referer: https://a.example/reset?token=${h.pw}\r\n`),
  'a scheme in capitals': (h) => ask('/', `X-Forwarded-Auth: BEARER ${h.pw}${h.pw}\r\n`),
  'Authorization without a scheme': (h) => ask('/', `Authorization: ${h.pw}\r\n`),
  'Authorization: Digest': (h) => ask('/', `Authorization: Digest username="u", response="${h.pw}"\r\n`),
  'Basic in another header': (h) => ask('/', `X-Upstream: Basic ${b64(`ann:${h.pw}`)}\r\n`),
  'a name as a header, the value in JSON': (h) => ask('/', `X-Context: {"password":"${h.pw}"}\r\n`),
  'JSON in base64 in a header': (h) => ask('/', `X-Context: ${b64(JSON.stringify({ password: h.pw }))}\r\n`),
  'a parameter of a media type': (h) => json('{}', `X-Type: a/b; password=${h.pw}\r\n`),
  'Sec-WebSocket-Protocol': (h) => ask('/', `Sec-WebSocket-Protocol: v1, access_token, ${h.jwt}\r\n`),
  'mail as the name of a header': (h) =>
    ask('/', `${h.mail.replace('@', '_at_')}: x\r\nX-A: ${h.mail}\r\n`).request === undefined ? {} : ask('/', `X-A: ${h.mail}\r\n`),
  'the reason': (h) => ({ response: `HTTP/1.1 404 No ${h.mail}\r\nContent-Length: 0\r\n\r\n` }),
  'the host': (h) => ({ request: `GET / HTTP/1.1\r\nHost: ${h.mail}\r\n\r\n` }),

  // Framing and codings.
  trailers: (h) => ({
    request: `POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Password: ${h.pw}\r\n\r\n`,
  }),
  'chunk extensions': (h) => ({
    request: `POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2;password=${h.pw}\r\n{}\r\n0\r\n\r\n`,
  }),
  'chunks of one byte': (h) => ({
    request: `POST / HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${[...`{"password":"${h.pw}"}`].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`,
  }),
  gzip: (h) => json(zlib.gzipSync(`{"password":"${h.pw}"}`), 'Content-Encoding: gzip\r\n'),
  'gzip twice': (h) => json(zlib.gzipSync(zlib.gzipSync(`{"password":"${h.pw}"}`)), 'Content-Encoding: gzip, gzip\r\n'),
  'gzip twice, said once': (h) => json(zlib.gzipSync(zlib.gzipSync(`{"password":"${h.pw}"}`)), 'Content-Encoding: gzip\r\n'),
  'gzip without saying so': (h) => json(zlib.gzipSync(`{"password":"${h.pw}"}`)),
  'said, and not done': (h) => json(`{"password":"${h.pw}"}`, 'Content-Encoding: gzip\r\n'),
  'gzip with junk behind it': (h) =>
    json(Buffer.concat([zlib.gzipSync('{"a":1}'), Buffer.from(`{"password":"${h.pw}"}`)]), 'Content-Encoding: gzip\r\n'),
  'gzip in two members': (h) =>
    json(Buffer.concat([zlib.gzipSync('{"password":'), zlib.gzipSync(`"${h.pw}"}`)]), 'Content-Encoding: gzip\r\n'),
  'gzip cut': (h) => json(zlib.gzipSync(`{"password":"${h.pw}","b":"${h.also.repeat(9)}"}`).subarray(0, -12), 'Content-Encoding: gzip\r\n'),
  'gzip stored, corrupt behind': (h) => {
    const data = zlib.gzipSync(`{"password":"${h.pw}"}`, { level: 0 });
    data[data.length - 9] ^= 0xff;
    return json(data, 'Content-Encoding: gzip\r\n');
  },
  'deflate, raw': (h) => json(zlib.deflateRawSync(`{"password":"${h.pw}"}`), 'Content-Encoding: deflate\r\n'),
  'deflate with its head': (h) => json(zlib.deflateSync(`{"password":"${h.pw}"}`), 'Content-Encoding: deflate\r\n'),
  brotli: (h) => json(zlib.brotliCompressSync(`{"password":"${h.pw}"}`), 'Content-Encoding: br\r\n'),
  zstd: (h) => json(zlib.zstdCompressSync(`{"password":"${h.pw}"}`), 'Content-Encoding: zstd\r\n'),
  'a coding that nobody knows': (h) => json(`{"password":"${h.pw}"}`, 'Content-Encoding: rot13\r\n'),
  'x-gzip in capitals': (h) => json(zlib.gzipSync(`{"password":"${h.pw}"}`), 'Content-Encoding: X-GZIP\r\n'),
  'two fields of codings': (h) =>
    json(zlib.gzipSync(zlib.deflateSync(`{"password":"${h.pw}"}`)), 'Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n'),
  'latin-1': (h) =>
    send('application/json; charset=iso-8859-1', Buffer.concat([latin('{"stra\xdfe":"Stra\xdfe","password":"'), Buffer.from(`${h.pw}"}`)])),
  'two media types': (h) => ({
    request: `POST / HTTP/1.1\r\nHost: a.example\r\nContent-Type: text/plain\r\nContent-Type: application/json\r\nContent-Length: ${17 + h.pw.length - 1}\r\n\r\n{"password":"${h.pw}"}`,
  }),
  'HTTP/1.0 without a length': (h) => ({ response: `HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"password":"${h.pw}"}` }),

  // Multipart.
  'multipart: a field': (h) => multipart(part('Content-Disposition: form-data; name="password"', h.pw)),
  'multipart: no quotes': (h) => multipart(part('Content-Disposition: form-data; name=password', h.pw)),
  'multipart: name*': (h) => multipart(part("Content-Disposition: form-data; name*=UTF-8''pass%77ord", h.pw)),
  'multipart: filename*': (h) => multipart(part(`Content-Disposition: form-data; name="f"; filename*=UTF-8''${percent(h.mail)}`, 'x')),
  'multipart: a name in capitals': (h) => multipart(part('CONTENT-DISPOSITION: FORM-DATA; NAME="PASSWORD"', h.pw)),
  'multipart: a folded head': (h) => multipart(part('Content-Disposition: form-data;\r\n name="password"', h.pw)),
  'multipart: JSON': (h) =>
    multipart(part('Content-Disposition: form-data; name="f"\r\nContent-Type: application/json', `{"password":"${h.pw}"}`)),
  'multipart: base64': (h) =>
    multipart(part('Content-Disposition: form-data; name="f"\r\nContent-Transfer-Encoding: base64', b64(`{"password":"${h.pw}"}`))),
  'multipart: quoted-printable': (h) =>
    multipart(
      part(
        'Content-Disposition: form-data; name="f"\r\nContent-Transfer-Encoding: quoted-printable',
        `password=3D${h.pw.slice(0, 5)}=\r\n${h.pw.slice(5)}`,
      ),
    ),
  'multipart: a boundary in quotes': (h) =>
    multipart(
      `--a b'()+_,-./:=?\r\nContent-Disposition: form-data; name="password"\r\n\r\n${h.pw}\r\n--a b'()+_,-./:=?--\r\n`,
      '"a b\'()+_,-./:=?"',
    ),
  'multipart: another boundary': (h) => multipart(part('Content-Disposition: form-data; name="password"', h.pw), 'other'),
  'multipart: without an end': (h) => multipart(`--XyZ\r\nContent-Disposition: form-data; name="password"\r\n\r\n${h.pw}`),
  'multipart: line feeds only': (h) => multipart(`--XyZ\nContent-Disposition: form-data; name="password"\n\n${h.pw}\n--XyZ--\n`),
  'multipart: before the first': (h) => multipart(`password: ${h.pw}\r\n${part('Content-Disposition: form-data; name="a"', '1')}`),
  'multipart: behind the last': (h) => multipart(`${part('Content-Disposition: form-data; name="a"', '1')}password: ${h.pw}\r\n`),
  'multipart in multipart': (h) =>
    multipart(
      part(
        'Content-Type: multipart/mixed; boundary=In',
        `--In\r\nContent-Disposition: form-data; name="password"\r\n\r\n${h.pw}\r\n--In--`,
      ),
    ),
  'multipart/related': (h) =>
    multipart(
      `--XyZ\r\nContent-Type: application/xop+xml\r\n\r\n<a><password>${h.pw}</password></a>\r\n--XyZ--`,
      'XyZ',
      'multipart/related',
    ),
  'multipart/mixed with requests in it': (h) =>
    multipart(
      part(
        'Content-Type: application/http',
        `POST /x?token=${h.pw} HTTP/1.1\r\nAuthorization: Bearer ${h.jwt}\r\n\r\n{"password":"${h.pw}"}`,
      ),
      'XyZ',
      'multipart/mixed',
    ),
  'multipart: the name behind the file name': (h) =>
    multipart(part('Content-Disposition: form-data; filename="a; name=b"; name="password"', h.pw)),

  // XML and HTML.
  'XML: an element': (h) => xml(`<u><password>${h.pw}</password></u>`),
  'XML: a prefix': (h) => xml(`<w:u xmlns:w="x"><w:Password>${h.pw}</w:Password></w:u>`),
  'XML: an attribute': (h) => xml(`<u password="${h.pw}"/>`),
  'XML: an attribute in single quotes': (h) => xml(`<u password='${h.pw}'/>`),
  'XML: CDATA': (h) => xml(`<password><![CDATA[${h.pw}]]></password>`),
  'XML: CDATA in pieces': (h) => xml(`<password><![CDATA[${h.pw.slice(0, 8)}]]><![CDATA[${h.pw.slice(8)}]]></password>`),
  'XML: references': (h) => xml(`<a>${entities(h.card)}</a>`),
  'XML: references in an attribute': (h) => xml(`<a b="${entities(h.mail)}"/>`),
  'XML: a comment': (h) => xml(`<!-- <password>${h.pw}</password> --><a/>`),
  'XML: an entity of a DTD': (h) => xml(`<!DOCTYPE a [<!ENTITY password "${h.pw}">]><a>&password;</a>`),
  'XML: key and string': (h) => xml(`<dict><key>password</key><string>${h.pw}</string></dict>`),
  'XML: name and value': (h) => xml(`<p><name>password</name><value>${h.pw}</value></p>`),
  'XML: value and name': (h) => xml(`<p><value>${h.pw}</value><name>password</name></p>`),
  'XML: attributes name and value': (h) => xml(`<param name="password" value="${h.pw}"/>`),
  'XML: attributes value and name': (h) => xml(`<param value="${h.pw}" name="password"/>`),
  'XML: a comment in the text': (h) => xml(`<password>${h.pw.slice(0, 9)}<!-- x -->${h.pw.slice(9)}</password>`),
  'XML: JSON in it': (h) => xml(`<a>{&quot;password&quot;:&quot;${h.pw}&quot;}</a>`),
  'XML: XML in it': (h) => xml(`<a>&lt;password&gt;${h.pw}&lt;/password&gt;</a>`),
  'XML in UTF-16': (h) => send('text/xml', utf16(`<?xml version="1.0" encoding="UTF-16"?><password>${h.pw}</password>`)),
  'XML: cut in the value': (h) => xml(`<u><password>${h.pw}`),
  'HTML: an input': (h) => answer('Content-Type: text/html\r\n', `<!doctype html><input type=password name=password value=${h.pw}>`),
  'HTML: an input, value first': (h) => answer('Content-Type: text/html\r\n', `<html><input value="${h.pw}" name="csrf_token"></html>`),
  'HTML: a meta': (h) => answer('Content-Type: text/html\r\n', `<html><meta name="csrf-token" content="${h.pw}"></html>`),
  'HTML: a meta, content first': (h) => answer('Content-Type: text/html\r\n', `<html><meta content="${h.pw}" name="csrf-token"></html>`),
  'HTML: a script': (h) => answer('Content-Type: text/html\r\n', `<html><script>window.x = {password: '${h.pw}'};</script></html>`),
  'HTML: a link': (h) => answer('Content-Type: text/html\r\n', `<html><a href="/reset?token=${h.pw}">x</a></html>`),
  'HTML: a data attribute': (h) => answer('Content-Type: text/html\r\n', `<html><div data-access-token="${h.pw}"></div></html>`),

  // GraphQL, gRPC-Web, events.
  'GraphQL: variables': (h) => json(JSON.stringify({ query: 'mutation($p: String) { a(p: $p) }', variables: { password: h.pw } })),
  'GraphQL: an argument': (h) => json(JSON.stringify({ query: `mutation { login(password: "${h.pw}") { id } }` })),
  'GraphQL: an object': (h) => json(JSON.stringify({ query: `mutation { login(in: {user: "a", password: "${h.pw}"}) { id } }` })),
  'GraphQL: a block string': (h) => send('application/graphql', `mutation { login(password: """${h.pw}""") { id } }`),
  'GraphQL: in the query': (h) => ask(`/graphql?query=${encodeURIComponent(`{ a(token: "${h.pw}") { id } }`)}`),
  'GraphQL: a list': (h) => json(JSON.stringify([{ query: '{a}' }, { query: `{ a(apiKey: "${h.pw}") }` }])),
  'GraphQL: a default': (h) => json(JSON.stringify({ query: `query($password: String = "${h.pw}") { a(p: $password) }` })),
  'events: one line': (h) => answer('Content-Type: text/event-stream\r\n', `event: a\ndata: {"password":"${h.pw}"}\n\n`),
  'events: several lines': (h) => answer('Content-Type: text/event-stream\r\n', `data: {"password":\ndata: "${h.pw}"}\n\n`),
  'events: no blank': (h) => answer('Content-Type: text/event-stream\r\n', `data:{"password":"${h.pw}"}\r\n\r\n`),
  'events: a card over two lines': (h) =>
    answer(
      'Content-Type: text/event-stream\r\n',
      `data: ${h.card.slice(0, 4)} ${h.card.slice(4, 8)}\ndata: ${h.card.slice(8, 12)} ${h.card.slice(12)}\n\n`,
    ),
  gRPC: (h) => send('application/grpc', framed(proto(field(1, 'ann'), field(2, h.pw), field(3, h.card)))),
  'gRPC, nested 99 deep': (h) => {
    let inner = field(2, h.pw);
    for (let i = 0; i < 99; i++) inner = field(3, inner);
    return send('application/grpc+proto', framed(inner));
  },
  'gRPC, nested deeper than is read': (h) => {
    let inner = field(2, h.pw);
    for (let i = 0; i < 300; i++) inner = field(3, inner);
    return send('application/grpc+proto', framed(inner));
  },
  'gRPC, a number': (h) => send('application/grpc', framed(proto(field(1, BigInt(h.card)), field(1, BigInt(h.card))))),
  'gRPC, compressed': (h) => send('application/grpc', zipped(field(2, h.pw)), 'grpc-encoding: gzip\r\n'),
  'gRPC, compressed in an unknown way': (h) => send('application/grpc', framed(field(2, h.pw), 1), 'grpc-encoding: snappy\r\n'),
  'gRPC, compressed, and nobody says how': (h) => send('application/grpc', framed(field(2, h.pw), 1)),
  'gRPC with flags that there are not': (h) => send('application/grpc', framed(field(2, h.pw), 4)),
  'gRPC that is no message': (h) => send('application/grpc', framed(latin(`\x07${h.pw}`))),
  'gRPC of another codec': (h) => send('application/grpc+thrift', framed(latin(h.pw))),
  'gRPC of JSON': (h) => send('application/grpc+json', framed(latin(`{"password":"${h.pw}"}`))),
  'gRPC of JSON that is none': (h) => send('application/grpc+json', framed(latin(`${h.pw}`))),
  'gRPC without a prefix': (h) => send('application/grpc', h.pw),
  'gRPC that is longer than said': (h) => send('application/grpc', Buffer.concat([framed(field(1, 'a')), latin(h.pw)])),
  'a group': (h) => send('application/grpc', framed(latin(`\x0b\x12\x14${h.pw}\x0c`))),
  'Protocol Buffers': (h) => send('application/x-protobuf', proto(field(1, 'ann'), field(2, h.pw))),
  'Protocol Buffers, nothing but text': (h) => send('application/x-protobuf', field(1, `${h.pw}${h.pw}`)),
  'JSON labelled as Protocol Buffers': (h) => send('application/x-protobuf', `{"password":"${h.pw}"}`),
  'a password labelled as Protocol Buffers': (h) => send('application/x-protobuf', h.pw),
  'Protocol Buffers in another coding': (h) => send('application/x-protobuf', field(2, h.pw), 'Content-Encoding: snappy\r\n'),
  'the status message of gRPC': (h) =>
    answer(`Content-Type: application/grpc\r\ngrpc-status: 5\r\ngrpc-message: no ${percent(h.mail)}\r\n`),
  'metadata of gRPC in base64': (h) =>
    answer(`Content-Type: application/grpc\r\ngrpc-status-details-bin: ${b64(field(2, h.pw))}\r\nown-bin: ${h.pw}\r\n`),
  'the trailers of gRPC-Web': (h) =>
    answer(
      'Content-Type: application/grpc-web+proto\r\n',
      Buffer.concat([
        framed(field(2, h.pw)),
        trailerFrame('grpc-status: 5', `grpc-message: ${percent(h.card)}`, `password: ${h.pw}`, `own-bin: ${h.pw}`),
      ]),
    ),
  'events without a label': (h) => answer('', `event: a\ndata: {"a":"{\\"\\u0070assword\\":\\"${h.pw}\\"}"}\n\n`),
  'events labelled as text': (h) => answer('Content-Type: text/plain\r\n', `: a\r\n\r\ndata: {"${escaped('password')}":"${h.pw}"}\r\n\r\n`),
  'a name in lower case that had capitals': (h) => ask('/', `oldccnum: ${h.pw}\r\nbillingtrack2: ${h.pw}\r\n`),
  'gRPC-Web text': (h) => {
    const message = Buffer.concat([Buffer.from([0x0a, h.mail.length]), Buffer.from(h.mail)]);
    return send('application/grpc-web-text', b64(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])));
  },

  // Text of all kinds.
  'CSV without a label': (h) => send('', `id,password\r\n1,${h.pw}\r\n`),
  'CSV labelled as text': (h) => text(`id;password\n1;"${h.pw}"\n`),
  TSV: (h) => text(`id\tpassword\n1\t${h.pw}\n`),
  'CSV with a mark': (h) => send('text/csv', `\ufeffpassword,a\n${h.pw},1\n`),
  YAML: (h) => send('application/yaml', `user: a\npassword: ${h.pw}\n`),
  'YAML: a list': (h) => send('application/yaml', `password:\n  - ${h.pw}\n`),
  'YAML: a block': (h) => send('application/yaml', `password: |\n  ${h.pw}\nnext: 1\n`),
  'YAML: quotes': (h) => send('application/yaml', `"password" : '${h.pw}'\n`),
  'YAML: a flow': (h) => send('application/yaml', `{user: a, password: ${h.pw}}\n`),
  'YAML: an object under the name': (h) => send('application/yaml', `password:\n    value: ${h.pw}\n`),
  TOML: (h) => send('application/toml', `[db]\npassword = "${h.pw}"\n`),
  'TOML: three quotes': (h) => send('application/toml', `password = """\n${h.pw}"""\n`),
  'TOML: a list': (h) => send('application/toml', `password = ["${h.pw}"]\n`),
  'a properties file': (h) => text(`db.password=${h.pw}\n`),
  'an env file': (h) => text(`export DB_PASSWORD='${h.pw}'\n`),
  'a line of a log': (h) => text(`2025-01-01 INFO login user=a password=${h.pw} ok\n`),
  'a command line': (h) => text(`curl -H 'Authorization: Bearer ${h.pw}' https://a.example/\n`),
  'an option': (h) => text(`mysql --password ${h.pw} -u root\n`),
  'a query of SQL': (h) => text(`UPDATE users SET password = '${h.pw}' WHERE id = 1`),
  'code of PHP': (h) => text(`$a = ['password' => '${h.pw}'];`),
  'a dictionary of Python': (h) => text(`{'user': 'a', 'password': '${h.pw}'}`),
  'Python bytes': (h) => text(`{'password': b'${h.pw}'}`),
  'a form in text': (h) => text(`see https://a.example/reset?token=${h.pw} now`),
  'a URL with a password in text': (h) => text(`postgres://app:${h.pw}@db/x`),
  'a key in PEM': (h) => text(`-----BEGIN PRIVATE KEY-----\n${h.pw}${h.pw}\n-----END PRIVATE KEY-----\n`),
  'a key in PEM in JSON': (h) => json(JSON.stringify({ a: `-----BEGIN RSA PRIVATE KEY-----\n${h.pw}\n-----END RSA PRIVATE KEY-----\n` })),
  'a card with no-break blanks': (h) => json(JSON.stringify({ a: groups(h.card, '\u00a0') })),
  'a card with dashes': (h) => json(JSON.stringify({ a: groups(h.card, '\u2013') })),
  'a card with tabs': (h) => json(JSON.stringify({ a: groups(h.card, '\t') })),
  'a card over two lines': (h) =>
    text(`card ${h.card.slice(0, 4)} ${h.card.slice(4, 8)}\n${h.card.slice(8, 12)} ${h.card.slice(12)} is mine`),
  'a card with two blanks': (h) => text(`card ${groups(h.card, '  ')} is mine`),
  'binary with a secret in it': (h) =>
    send('application/octet-stream', Buffer.concat([Buffer.from([0, 1, 2]), Buffer.from(`password=${h.pw}`)])),
  MessagePack: (h) =>
    send(
      'application/msgpack',
      Buffer.concat([Buffer.from([0x81, 0xa8]), Buffer.from('password'), Buffer.from([0xa0 | h.pw.length]), Buffer.from(h.pw)]),
    ),
  'a token with its claims': (h) => json(JSON.stringify({ a: h.jwt })),
};

// Known, and not closed: JSON in UTF-7, and what PHP serialises.
const SEED = 20_260_101;

function luhn(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) {
    const d = Number(body[body.length - 1 - i]) * (i % 2 === 0 ? 2 : 1);
    sum += d > 9 ? d - 9 : d;
  }
  return body + String((10 - (sum % 10)) % 10);
}

function hidden(next: ReturnType<typeof random>): Hidden {
  const pw = charsOf(next, ALNUM, 20);
  const name = charsOf(next, ALNUM, 12).toLowerCase();
  const head = b64('{"alg":"HS256","typ":"JWT"}').replaceAll('=', '');
  const claims = Buffer.from(JSON.stringify({ sub: pw, name: pw, iat: 1_700_000_000 })).toString('base64url');
  return {
    pw,
    card: luhn(`4${charsOf(next, DIGITS, 14)}`),
    mail: `${name}@${name}.test`,
    jwt: `${head}.${claims}.${Buffer.from(charsOf(next, ALNUM, 32)).toString('base64url')}`,
    also: charsOf(next, ALNUM, 16),
  };
}

test('no way past the shipped rules', async (t) => {
  const next = random(SEED);
  const given = Object.entries(ways).map(([name, way]): LeakWay => {
    const h = hidden(next);
    const { request = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n', response = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' } = way(h);
    const turns = [
      { fromServer: false, bytes: Buffer.from(request) },
      { fromServer: true, bytes: Buffer.from(response) },
    ];
    return { name, turns, needles: [h.pw, h.card, h.mail, h.jwt.split('.')[2]] };
  });
  const calls = await assertNoLeaks(t, given);
  assert.equal(calls.flat().length, given.length, 'a call for each way');
});
