import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHostPort, parseListenAddress, parsePeerAddress } from './listen-address.ts';

test('addresses to listen on', () => {
  for (const [text, host, port] of [
    [':8080', '', 8080],
    ['127.0.0.1:80', '127.0.0.1', 80],
    ['[::1]:8080', '::1', 8080],
    ['[2001:db8::7]:1', '2001:db8::7', 1],
    ['localhost:65535', 'localhost', 65535],
    ['a-b.example.com:0', 'a-b.example.com', 0],
  ] as const) {
    assert.deepEqual(parseListenAddress(text), { host, port }, text);
    assert.equal(formatHostPort({ host, port }), text);
  }
});

test('what is no address to listen on', () => {
  const wrong = ['', '8080', ':', ':65536', ':-1', ':8o8o', '::1:8080', '[::1]', '[::1]8080', '[127.0.0.1]:80', '[]:80', '[:::]:80'];
  for (const text of [
    ...wrong,
    '256.0.0.1:80',
    '1.2.3:80',
    'a b:80',
    '-a:80',
    'a..b:80',
    'http://a:80',
    'a:80/',
    ' :80',
    ':80 ',
    `${'a'.repeat(254)}:80`,
  ]) {
    assert.equal(parseListenAddress(text), null, text);
  }
});

test('whom to send to needs a host and a port', () => {
  assert.deepEqual(parsePeerAddress('graphite.example.com:2003'), { host: 'graphite.example.com', port: 2003 });
  assert.deepEqual(parsePeerAddress('[::1]:8125'), { host: '::1', port: 8125 });
  for (const text of [':2003', 'graphite:0', 'graphite', '']) assert.equal(parsePeerAddress(text), null, text);
});
