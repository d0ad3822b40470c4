import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, packetRegion } from '../base/arena.ts';
import * as id from './identify.ts';

const AT = packetRegion.at + 3;
const names = ['unknown', 'open', 'request', 'response', 'tls', 'http2', 'proxy1', 'proxy2', 'socks4', 'socks5'];

function found(text: string, bare = true): string {
  const end = AT + bytes.write(text, AT, 'latin1');
  bytes.fill(0, end, end + 32);
  return names[id.identify(AT, end, bare)];
}

/** Stays open until `length` bytes are there, then is `wanted` with everything. */
function opensUntil(text: string, length: number, wanted: string): void {
  for (let n = 1; n < length; n++) assert.equal(found(text.slice(0, n)), 'open', `${n} bytes of ${JSON.stringify(text)}`);
  for (let n = length; n <= text.length; n++) assert.equal(found(text.slice(0, n)), wanted, `${n} bytes of ${JSON.stringify(text)}`);
}

test('TLS: handshake, and records of a stream joined late', () => {
  opensUntil('\x16\x03\x01\x00\xf0\x01\x00\x00', 6, 'tls');
  opensUntil('\x17\x03\x03\x04\x00\xaa\xbb', 6, 'tls');
  opensUntil('\x15\x03\x03\x00\x02\x01\x00', 6, 'tls');
});

test('what begins like TLS and is not', () => {
  for (const text of ['\x16\x02\x01', '\x16\x03\x09', '\x16\x03\x01\x00\x00\x01', '\x16\x03\x01\xff\xff\x01', '\x18\x03\x01\x00\x10\x01'])
    assert.equal(found(text), 'unknown', JSON.stringify(text));
});

test('HTTP/2 preface and PROXY version 1 part at their third byte', () => {
  opensUntil('PRI * HTTP/2.0\r\n', 16, 'http2');
  opensUntil('PROXY TCP4 ', 6, 'proxy1');
  opensUntil('PUT /a HTTP/1.1\r\n', 17, 'request');
  opensUntil('PRIVATE /a HTTP/1.1\r\n', 21, 'request');
});

test('PROXY version 2, and empty lines that begin like it', () => {
  opensUntil('\r\n\r\n\0\r\nQUIT\n\x21', 12, 'proxy2');
  opensUntil('\r\n\r\nGET / HTTP/1.1\r\n', 20, 'request');
});

test('SOCKS only at the true start of a connection', () => {
  opensUntil('\x05\x01\x00', 2, 'socks5');
  opensUntil('\x04\x01\x00\x50', 2, 'socks4');
  assert.equal(found('\x05\x01\x00', false), 'unknown');
  assert.equal(found('\x04\x01\x00\x50', false), 'unknown');
  assert.equal(found('\x05\x00'), 'unknown');
  assert.equal(found('\x05\x01\x00\x99\x99'), 'unknown');
  assert.equal(found('\x04\x03'), 'unknown');
});

test('HTTP/1, and HTTP/0.9 only at the true start', () => {
  opensUntil('GET / HTTP/1.1\r\n', 16, 'request');
  opensUntil('HTTP/1.1 200 OK\r\n', 12, 'response');
  assert.equal(found('GET /a\r\n', true), 'request');
  assert.equal(found('GET /a\r\n', false), 'unknown');
});

test('other things', () => {
  for (const text of [
    'SSH-2.0-OpenSSH\r\n',
    '220 mail ESMTP\r\n',
    '{"a":1}\n',
    '\x00\x00\x00\x01',
    '\xff\xfb\x01',
    'REGISTER sip:x SIP/2.0\r\n',
  ])
    assert.equal(found(text), 'unknown', JSON.stringify(text));
});
