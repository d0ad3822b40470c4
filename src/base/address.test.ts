import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import { formatAddress, formatIpv4, formatIpv6 } from './address.ts';
import { bytes, outputRegion } from './arena.ts';
import { ADDRESS_BYTES_MAX, writeAddress } from './write-address.ts';

function written(ipVersion: number, w0: number, w1: number, w2: number, w3: number): string {
  const at = outputRegion.at;
  return bytes.toString('latin1', at, writeAddress(at, ipVersion, w0, w1, w2, w3));
}

test('IPv4 addresses are dotted decimals, whatever the sign of the word', () => {
  for (const [word, text] of [
    [0, '0.0.0.0'],
    [0x0a000001, '10.0.0.1'],
    [0xc0a864c8 | 0, '192.168.100.200'],
    [-1, '255.255.255.255'],
    [0x09636401, '9.99.100.1'],
  ] as const) {
    assert.equal(formatIpv4(word), text);
    assert.equal(formatAddress(4, word, 0, 0, 0), text);
    assert.equal(written(4, word, 0, 0, 0), text);
  }
});

test('every byte value is written in decimal as JavaScript would', () => {
  for (let n = 0; n < 256; n++) assert.equal(written(4, (n << 24) | n, 0, 0, 0), `${n}.0.0.${n}`);
});

test('IPv6 addresses are as RFC 5952 wants them', () => {
  for (const [w0, w1, w2, w3, text] of [
    [0, 0, 0, 0, '::'],
    [0, 0, 0, 1, '::1'],
    [0x20010db8, 0, 0, 1, '2001:db8::1'],
    [0x20010db8, 0, 0x00010000, 1, '2001:db8::1:0:0:1'],
    [0x20010db8, 0x00000001, 0x00010001, 0x00010001, '2001:db8:0:1:1:1:1:1'],
    [0x20010000, 0x00000001, 0, 1, '2001:0:0:1::1'],
    [0xfe800000 | 0, 0, 0, 0, 'fe80::'],
    [0, 0, 0xffff, 0xc0a80001 | 0, '::ffff:192.168.0.1'],
    [1, 0x00020003, 0x00040005, 0x00060007, '0:1:2:3:4:5:6:7'],
    [-1, -1, -1, -1, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    [0, 0, 1, 0xabcd0123 | 0, '::1:abcd:123'],
  ] as const) {
    assert.equal(formatIpv6(w0, w1, w2, w3), text);
    assert.equal(formatAddress(6, w0, w1, w2, w3), text);
    assert.equal(written(6, w0, w1, w2, w3), text);
    assert.ok(isIPv6(text));
  }
});

test('the URL parser agrees on many addresses', () => {
  let seed = 7;
  const word = (): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0;
    const mask = (seed >> 8) & 3;
    return mask === 0 ? 0 : mask === 1 ? seed & 0xffff : mask === 2 ? seed & ~0xffff : seed;
  };
  for (let i = 0; i < 5000; i++) {
    const [a, b, c, d] = [word(), word(), word(), word()];
    if ((a | b) === 0 && c === 0xffff) continue;
    const full = [a, b, c, d].map((w) => `${(w >>> 16).toString(16)}:${(w & 0xffff).toString(16)}`).join(':');
    const expected = new URL(`http://[${full}]/`).hostname.slice(1, -1);
    assert.equal(formatIpv6(a, b, c, d), expected);
    assert.equal(written(6, a, b, c, d), expected);
    assert.ok(expected.length <= ADDRESS_BYTES_MAX);
  }
});
