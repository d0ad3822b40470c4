import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, packetRegion } from '../base/arena.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { readClientHello, recordBytes, resetTls, tlsServers } from './tls.ts';

const AT = packetRegion.at + 2;

const sized = (width: 1 | 2 | 3, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(width);
  size.writeUIntBE(body.length, 0, width);
  return Buffer.concat([size, body]);
};
const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), sized(2, body)]);
const sni = (name: string): Buffer => extension(0, sized(2, Buffer.from([0]), sized(2, Buffer.from(name, 'latin1'))));
const alpn = (...names: string[]): Buffer => extension(16, sized(2, ...names.map((n) => sized(1, Buffer.from(n)))));

function clientHello(extensions: Buffer | null, o: { session?: number; suites?: number } = {}): Buffer {
  const hello = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    sized(1, Buffer.alloc(o.session ?? 32, 9)),
    sized(2, Buffer.alloc(2 * (o.suites ?? 3), 0x13)),
    sized(1, Buffer.from([0])),
    extensions === null ? Buffer.alloc(0) : sized(2, extensions),
  ]);
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(2, Buffer.from([1]), sized(3, hello))]);
}

/** Server and ALPN that were counted. */
function read(record: Buffer): string[] {
  resetTls();
  resetWeirds();
  bytes.fill(0xff, AT, AT + 20_000);
  record.copy(bytes, AT);
  readClientHello(AT, AT + record.length);
  return [...tlsServers].map(([name, n]) => `${name} = ${n}`);
}

test('server name and first ALPN', () => {
  assert.deepEqual(read(clientHello(Buffer.concat([extension(43, Buffer.from([2, 3, 4])), alpn('h2', 'http/1.1'), sni('shop.example')]))), [
    'shop.example h2 = 1',
  ]);
  assert.deepEqual(read(clientHello(sni('shop.example'), { session: 0, suites: 40 })), ['shop.example = 1']);
  assert.deepEqual(read(clientHello(alpn('http/1.1'))), [' http/1.1 = 1']);
  assert.equal(weirdCount('http.tls.malformed'), 0);
});

test('none at all, and no extensions', () => {
  assert.deepEqual(read(clientHello(Buffer.alloc(0))), [' = 1']);
  assert.deepEqual(read(clientHello(null)), [' = 1']);
});

test('names that are no names are shown without harm', () => {
  assert.deepEqual(read(clientHello(sni('a b\n\xe9'))), ['a?b?? = 1']);
});

test('connections of one server are counted together', () => {
  resetTls();
  const record = clientHello(sni('a.example'));
  record.copy(bytes, AT);
  for (let i = 0; i < 3; i++) readClientHello(AT, AT + record.length);
  assert.deepEqual([...tlsServers], [['a.example', 3]]);
});

test('only so many servers are told apart', () => {
  resetTls();
  for (let i = 0; i < 5000; i++) {
    const record = clientHello(sni(`s${i}.example`));
    record.copy(bytes, AT);
    readClientHello(AT, AT + record.length);
  }
  assert.equal(tlsServers.size, 4096);
});

test('other records are left alone', () => {
  assert.deepEqual(read(Buffer.from('160303000402000000', 'hex')), []);
  assert.deepEqual(read(Buffer.from('170303000401020304', 'hex')), []);
});

test('cut anywhere: a weird or a shorter answer, never bytes from behind', () => {
  const whole = clientHello(Buffer.concat([sni('shop.example'), alpn('h2')]));
  let told = 0;
  for (let n = 6; n < whole.length; n++) {
    const names = read(whole.subarray(0, n));
    assert.ok(names.length === 0 || [' = 1', 'shop.example = 1'].includes(names[0]), names[0]);
    told += weirdCount('http.tls.malformed');
  }
  assert.ok(told > 0);
});

test('the length of a record', () => {
  const record = clientHello(sni('shop.example'));
  record.copy(bytes, AT);
  assert.equal(recordBytes(AT), record.length);
});
