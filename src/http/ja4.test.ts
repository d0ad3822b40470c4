/** JA4 against what its public description says, part by part. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as h from '../../test/support/hellos.ts';
import { bytes, packetRegion } from '../base/arena.ts';
import { readClientHello } from './client-hello.ts';
import { ja4 } from './ja4.ts';

const AT = packetRegion.at + 2;

function fingerprint(hello: h.Hello, transport: 't' | 'q' = 't'): string {
  const message = h.message(hello);
  message.copy(bytes, AT);
  assert.ok(readClientHello(AT, AT + message.length));
  return ja4(transport);
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

test('the client of the description', () => {
  assert.equal(fingerprint(h.described.hello), h.described.ja4);
  assert.equal(fingerprint(h.described.hello, 'q'), h.described.ja4.replace('t', 'q'));
});

test('suites and extensions in any order give the same, signature algorithms do not', () => {
  const { suites, extensions } = h.described.hello;
  assert.equal(fingerprint({ suites: suites.toReversed(), extensions: extensions.toReversed() }), h.described.ja4);
  assert.notEqual(
    fingerprint({ suites, extensions: [...extensions.slice(0, 8), h.signatures(0x0804, 0x0403), ...extensions.slice(9)] }),
    h.described.ja4,
  );
});

test('GREASE counts nowhere', () => {
  const plain = { suites: [0x1301], extensions: [h.versions(0x0304), h.signatures(0x0403)] };
  const grease = {
    suites: [0xfafa, 0x1301, 0x0a0a],
    extensions: [h.extension(0x3a3a), h.versions(0xeaea, 0x0304), h.signatures(0x0403), h.extension(0xdada)],
  };
  assert.equal(fingerprint(grease), fingerprint(plain));
});

test('ALPN: first and last character, of odd names their hex digits', () => {
  const of = (...names: (string | Buffer)[]): string => fingerprint({ extensions: [h.alpn(...names)] }).slice(8, 10);
  assert.deepEqual(
    [of('http/1.1'), of('h2', 'x'), of('h'), of(''), of(Buffer.from([0xab])), of(Buffer.from([0xab, 0xcd]))],
    ['h1', 'h2', 'hh', '00', 'ab', 'ad'],
  );
  assert.equal(of(Buffer.from([0x30, 0xab])), '3b');
  assert.equal(fingerprint({ extensions: [] }).slice(8, 10), '00');
});

test('server name, counts and versions', () => {
  assert.match(fingerprint({ extensions: [h.serverName('a.example')] }), /^t12d020100_/);
  const many = Array.from({ length: 120 }, (_, i) => i + 1);
  assert.match(fingerprint({ suites: many, extensions: many.map((n) => h.extension(0x5000 + n)) }), /^t12i999900_/);
  assert.match(fingerprint({ extensions: [h.versions(0x0302, 0x0304, 0x0303)] }), /^t13/);
  assert.match(fingerprint({ version: 0x0300, extensions: null }), /^ts3/);
  assert.match(fingerprint({ version: 0x7f7f, extensions: null }), /^t00/);
});

test('lists that are empty', () => {
  assert.equal(fingerprint({ suites: [], extensions: null }), 't12i000000_000000000000_000000000000');
  const unsigned = fingerprint({ suites: [0x1301], extensions: [h.extension(0x0017), h.extension(0x0005)] });
  assert.equal(unsigned, `t12i010200_${digest('1301')}_${digest('0005,0017')}`);
});

test('lists without end give no fingerprint', () => {
  const many = Array.from({ length: 1000 }, (_, i) => i + 1);
  assert.equal(fingerprint({ suites: many }), '');
  assert.equal(fingerprint({ extensions: many.map((n) => h.extension(0x5000 + n)) }), '');
});
