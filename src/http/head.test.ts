import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytes, packetRegion } from '../base/arena.ts';
import {
  callWeirds,
  contentLength,
  fields,
  head,
  isOtherProtocol,
  looksLikeRequest,
  looksLikeResponse,
  MAYBE,
  NO,
  resetHead,
  scanHead,
  YES,
} from './head.ts';

resetHead(1024);
const AT = packetRegion.at + 5;

function put(text: string): number {
  return AT + bytes.write(text, AT, 'latin1');
}

interface Scanned {
  readonly after: number;
  readonly fields: [string, string][];
  readonly weirds: string[];
}

function scan(text: string, isResponse = false, cut = false): Scanned {
  const end = put(text);
  const after = scanHead(AT, end, isResponse, cut);
  return {
    after: after < 0 ? after : after - AT,
    fields: Array.from({ length: head.fields }, (_, i): [string, string] => {
      const [n, ne, v, ve] = fields.subarray(i * 4, i * 4 + 4);
      return [bytes.toString('latin1', n, ne), bytes.toString('latin1', v, ve)];
    }),
    weirds: callWeirds.filter((_, i) => head.weirds & (1 << i)).map((name) => name.replace(/^http[.](http1|head)[.]/, '')),
  };
}

const target = (): string => bytes.toString('latin1', head.textAt, head.textEnd);

test('a request', () => {
  const text = 'POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\ncontent-type: a/b\r\n\r\nrest';
  const s = scan(text);
  assert.equal(s.after, text.length - 4);
  assert.deepEqual(s.fields, [
    ['Host', 'x'],
    ['Content-Length', '12'],
    ['content-type', 'a/b'],
  ]);
  assert.deepEqual(s.weirds, []);
  assert.equal(bytes.toString('latin1', AT, head.methodEnd), 'POST');
  assert.equal(target(), '/a?b');
  assert.deepEqual(
    [head.version, head.hasLength, contentLength[0], head.host, head.contentType, head.transfer, head.valid],
    [11, 1, 12, 1, 3, 0, 1],
  );
});

test('a response', () => {
  const s = scan('HTTP/1.0 404 Not  Found\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\nUpgrade: h2c\r\n\r\n', true);
  assert.equal(target(), 'Not  Found');
  assert.deepEqual([head.version, head.status, head.transfer, head.contentEncoding, head.upgrade], [10, 404, 1, 2, 3]);
  assert.deepEqual(s.weirds, ['chunked_in_http10']);
});

test('a head is complete at its blank line and not before, at every length', () => {
  for (const text of [
    'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n',
    'GET / HTTP/1.1\nHost: x\n\n',
    'GET / HTTP/1.1\r\nno colon\r\nA : b\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
  ]) {
    for (let n = 1; n < text.length; n++) assert.equal(scan(text.slice(0, n)).after, -1, JSON.stringify(text.slice(0, n)));
    assert.equal(scan(text).after, text.length);
  }
});

test('cut: every whole line counts, and the start line even when it is not whole', () => {
  assert.deepEqual(scan('GET /abc HTTP/1.1\r\nHost: x\r\nPart: ha', false, true).fields, [['Host', 'x']]);
  assert.equal(scan('HTTP/1.1 200 O', true, true).after >= 0, true);
  assert.equal(head.status, 200);
});

test('lengths (RFC 9110, 8.6)', () => {
  const of = (value: string): [number, number, string[]] => {
    const s = scan(`POST / HTTP/1.1\r\nHost: x\r\n${value}\r\n\r\n`);
    return [head.hasLength, contentLength[0], s.weirds];
  };
  assert.deepEqual(of('Content-Length: 0'), [1, 0, []]);
  assert.deepEqual(of('Content-Length:007'), [1, 7, []]);
  assert.deepEqual(of('CONTENT-LENGTH: 4294967296'), [1, 2 ** 32, []]);
  assert.deepEqual(of('Content-Length: 9007199254740991'), [1, Number.MAX_SAFE_INTEGER, []]);
  assert.deepEqual(of('Content-Length: 9007199254740993'), [0, 0, ['bad_length']]);
  assert.deepEqual(of('Content-Length: 18446744073709551621'), [0, 0, ['bad_length']]);
  assert.deepEqual(of('Content-Length: +5'), [0, 0, ['bad_length']]);
  assert.deepEqual(of('Content-Length: 0x10'), [1, 0, ['bad_length']]);
  assert.deepEqual(of('Content-Length:'), [0, 0, ['bad_length']]);
  assert.deepEqual(of('Content-Length: 5, 5'), [1, 5, ['repeated_length']]);
  assert.deepEqual(of('Content-Length: 5\r\nContent-Length: 6'), [1, 5, ['conflicting_lengths']]);
  assert.deepEqual(of('Content-Length:\r\n 5'), [1, 5, ['folded_header']]);
});

test('two different lengths in one field are a conflict', () => {
  const s = scan('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\n');
  assert.deepEqual([head.hasLength, contentLength[0], s.weirds], [1, 5, ['conflicting_lengths']]);
});

test('transfer codings (RFC 9112, 6.1)', () => {
  const of = (...lines: string[]): [number, string[]] => {
    const s = scan(`POST / HTTP/1.1\r\nHost: x\r\n${lines.map((l) => `Transfer-Encoding:${l}\r\n`).join('')}\r\n`);
    return [head.transfer, s.weirds];
  };
  assert.deepEqual(of(' chunked'), [1, []]);
  assert.deepEqual(of(' ChUnKeD\t'), [1, []]);
  assert.deepEqual(of(' gzip, chunked'), [1, ['odd_transfer_coding']]);
  assert.deepEqual(of(' chunked, gzip'), [2, ['odd_transfer_coding']]);
  assert.deepEqual(of(' identity'), [0, ['odd_transfer_coding']]);
  assert.deepEqual(of(' chunked', ' chunked'), [1, ['odd_transfer_coding']]);
  assert.deepEqual(of(' gzip', ' chunked'), [1, ['odd_transfer_coding']]);
  assert.deepEqual(of(' xchunked'), [2, ['odd_transfer_coding']]);
  assert.deepEqual(of('\r\n chunked'), [1, ['folded_header']]);
  assert.deepEqual(of(' chunked\r\n , gzip'), [2, ['folded_header', 'odd_transfer_coding']]);
});

test('a name of the same length is another field', () => {
  scan('POST / HTTP/1.1\r\nHOst: x\r\nC0ntent-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n');
  assert.deepEqual([head.host, head.hasLength, head.transfer], [1, 0, 0]);
});

test('more fields than are kept', () => {
  resetHead(8);
  const s = scan(`GET / HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 20 }, (_, i) => `H${i}: ${i}\r\n`).join('')} folded\r\n\r\n`);
  resetHead(1024);
  assert.equal(s.fields.length, 8);
  assert.deepEqual(s.fields.at(-1), ['H6', '6']);
  assert.deepEqual(s.weirds, ['folded_header', 'limit.http.headers']);
});

test('a request line in parts', () => {
  const of = (line: string): [string, string, number, string[]] => {
    const s = scan(`${line}\r\nHost: x\r\n\r\n`);
    return [bytes.toString('latin1', AT, head.methodEnd), target(), head.version, s.weirds];
  };
  assert.deepEqual(of('GET / HTTP/1.1'), ['GET', '/', 11, []]);
  assert.deepEqual(of('GET  / HTTP/1.1'), ['GET', '/', 11, ['odd_request_line']]);
  assert.deepEqual(of('GET / HTTP/1.1 '), ['GET', '/', 11, ['odd_request_line']]);
  assert.deepEqual(of('GET /a b HTTP/1.1'), ['GET', '/a', 11, ['space_in_target']]);
  assert.deepEqual(of('GET /a HTTP/2.0'), ['GET', '/a', 120, ['unknown_version']]);
  assert.deepEqual(of('GET /a HTTP/1'), ['GET', '/a', 10, ['unknown_version']]);
  assert.deepEqual(of('GET /a http/1.1'), ['GET', '/a', 11, ['odd_request_line']]);
  assert.deepEqual(of('GET http://h/a HTTP/1.1'), ['GET', 'http://h/a', 11, ['absolute_form']]);
});

test('what looks like a request', () => {
  const looks = (text: string, bare = false): number => looksLikeRequest(AT, put(text), bare);
  for (const text of ['GET / HTTP/1.1\r\n', 'x y HTTP/9.9\n', 'GET  /  HTTP/1.0 \r\n', 'M-SEARCH * HTTP/1.1\r\n'])
    assert.equal(looks(text), YES, text);
  for (const text of ['G', 'GET', 'GET ', 'GET /a', 'GET /a HTTP/1.1', 'GET /a HTTP/1.1\r']) assert.equal(looks(text), MAYBE, text);
  for (const text of [
    '',
    ' GET / HTTP/1.1\r\n',
    'GET /\r\n',
    'GET / RTSP/1.0\r\n',
    '{"a":1} HTTP/1.1\r\n',
    `${'A'.repeat(65)} / HTTP/1.1\r\n`,
    'A \x01\x02',
  ])
    assert.equal(looks(text), NO, text);
  assert.equal(looks('GET /a\r\n', true), YES);
  assert.equal(looks('PUT /a\r\n', true), NO);
  assert.equal(looks('PUT /a\r\nHost: x\r\n', true), YES);
  assert.equal(looks('HELO there\r\n', true), NO);
  assert.equal(looks('GET key\r\n', true), NO);
});

test('what looks like a response', () => {
  const looks = (text: string, lenient = false): number => looksLikeResponse(AT, put(text), lenient);
  for (const text of ['HTTP/1.1 200 OK\r\n', 'HTTP/1.0 404', 'http/1.1  500\n', 'HTTP/1 200 OK']) assert.equal(looks(text), YES, text);
  for (const text of ['H', 'HTT', 'HTTP/', 'HTTP/1.1 ', 'HTTP/1.1 20']) assert.equal(looks(text), MAYBE, text);
  for (const text of ['X', 'HTTQ', 'HTTP-1.1 200', 'HTTP/x.1 200', 'HTTP/1.1 2x0', 'HTTP/1.1 2000', 'ICAP/1.0 200 OK', 'HTTP/1.1200 OK'])
    assert.equal(looks(text), NO, text);
  assert.equal(looks('HTTP/x.1 200 OK', true), YES);
});

test('a shorter text never says NO where a longer one says YES', () => {
  for (const text of ['GET /a?b=c HTTP/1.1\r\n', 'OPTIONS * HTTP/1.0\n', 'GET /\x00a HTTP/1.1\r\n', 'GET http://a/ HTTP/1.1\r\n']) {
    for (let n = 1; n < text.length; n++)
      assert.notEqual(looksLikeRequest(AT, put(text.slice(0, n)), false), NO, JSON.stringify(text.slice(0, n)));
    assert.equal(looksLikeRequest(AT, put(text), false), YES);
  }
  for (const text of ['HTTP/1.1 200 OK\r\n', 'HTTP/1.1   200', 'HTTP/1.1\t200']) {
    for (let n = 1; n < text.length; n++)
      assert.notEqual(looksLikeResponse(AT, put(text.slice(0, n)), false), NO, JSON.stringify(text.slice(0, n)));
  }
});

test('other protocols by the version in their first line', () => {
  const other = (text: string): boolean => isOtherProtocol(AT, put(text));
  for (const text of ['REQMOD icap://x ICAP/1.0\r\n', 'SIP/2.0 200 OK\r\n', 'DESCRIBE rtsp://x RTSP/1.0\n', 'NATS/1.0\r\n'])
    assert.equal(other(text), true, text);
  for (const text of ['GET / HTTP/1.1\r\n', 'HTTP/1.1 200 OK\r\n', 'GET /a/1.0\r\n', 'USER x\r\n', 'SIP/2.0 200', 'GET http/1.1\r\n'])
    assert.equal(other(text), false, text);
});

test('any bytes: a head lies inside its bounds, and fields too', () => {
  const unit = fc.constantFrom(
    'a',
    'B',
    ':',
    ' ',
    '\t',
    '\r',
    '\n',
    '\r\n',
    '\0',
    '\xe9',
    'GET / HTTP/1.1\r\n',
    'Content-Length: 5\r\n',
    '\r\n\r\n',
  );
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60 }), fc.boolean(), fc.boolean(), (text, isResponse, cut) => {
      const end = put(text);
      bytes.fill(0x41, end, end + 64);
      const after = scanHead(AT, end, isResponse, cut);
      if (after < 0) {
        assert.equal(cut, false);
        return;
      }
      assert.ok(after <= end);
      for (let i = 0; i < head.fields * 4; i++) assert.ok(fields[i] >= AT && fields[i] <= end);
      for (let i = 0; i < head.fields; i++) assert.ok(fields[i * 4] <= fields[i * 4 + 1] && fields[i * 4 + 2] <= fields[i * 4 + 3]);
      assert.ok(head.textAt <= head.textEnd && head.textEnd <= end);
    }),
    { numRuns: 2000 },
  );
});
