import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { type ClientIp, clientIpOf, resetClientIp } from './client-ip.ts';

afterEach(() => resetClientIp([]));

interface Case {
  readonly what: string;
  readonly trusted?: readonly string[];
  readonly forwarded?: string;
  readonly xff?: string;
  readonly real?: string;
  readonly proxy?: string;
  readonly want: readonly [string, ClientIp['source']];
}

/** The peer of the connection in every case. */
const PEER = '10.0.0.1';
const TEN = ['10.0.0.0/8', '2001:db8::/32'];

const cases: readonly Case[] = [
  { what: 'no header', want: [PEER, 'connection'] },
  { what: 'PROXY protocol alone', proxy: '198.51.100.7', want: ['198.51.100.7', 'proxy-protocol'] },

  // Every hop believed.
  { what: 'leftmost of X-Forwarded-For', xff: '203.0.113.195, 10.9.9.9, 150.172.238.178', want: ['203.0.113.195', 'x-forwarded-for'] },
  { what: 'port behind IPv4', xff: '203.0.113.195:41237', want: ['203.0.113.195', 'x-forwarded-for'] },
  { what: 'IPv6 bare', xff: '2001:DB8:85a3::8a2e:370:7334', want: ['2001:db8:85a3::8a2e:370:7334', 'x-forwarded-for'] },
  { what: 'IPv6 in brackets with port', xff: '[2001:db8::1]:4711,10.1.1.1', want: ['2001:db8::1', 'x-forwarded-for'] },
  { what: 'mapped IPv4', xff: '::ffff:203.0.113.9', want: ['203.0.113.9', 'x-forwarded-for'] },
  { what: 'hidden hops passed over', xff: 'unknown, _x, 203.0.113.1', want: ['203.0.113.1', 'x-forwarded-for'] },
  { what: 'quoted', xff: '"203.0.113.1"', want: ['203.0.113.1', 'x-forwarded-for'] },
  { what: 'no address at all', xff: 'unknown, , -', want: [PEER, 'connection'] },
  { what: 'nonsense falls through to X-Real-IP', xff: 'x', real: '203.0.113.5', want: ['203.0.113.5', 'x-real-ip'] },
  { what: 'nonsense falls through to PROXY', xff: 'x', real: '', proxy: '198.51.100.7', want: ['198.51.100.7', 'proxy-protocol'] },
  { what: 'X-Real-IP', real: ' 203.0.113.5 ', want: ['203.0.113.5', 'x-real-ip'] },
  { what: 'X-Forwarded-For before X-Real-IP', xff: '203.0.113.6', real: '203.0.113.5', want: ['203.0.113.6', 'x-forwarded-for'] },
  { what: 'Forwarded before X-Forwarded-For', forwarded: 'for=203.0.113.7', xff: '203.0.113.6', want: ['203.0.113.7', 'forwarded'] },
  { what: 'headers before PROXY', real: '203.0.113.5', proxy: '198.51.100.7', want: ['203.0.113.5', 'x-real-ip'] },

  // Forwarded (RFC 7239, 4 and 7).
  { what: 'RFC 7239 example 1', forwarded: 'for="_gazonk"', want: [PEER, 'connection'] },
  { what: 'RFC 7239 example 2', forwarded: 'For="[2001:db8:cafe::17]:4711"', want: ['2001:db8:cafe::17', 'forwarded'] },
  { what: 'RFC 7239 example 3', forwarded: 'for=192.0.2.60;proto=http;by=203.0.113.43', want: ['192.0.2.60', 'forwarded'] },
  { what: 'RFC 7239 example 4', forwarded: 'for=192.0.2.43, for=198.51.100.17', want: ['192.0.2.43', 'forwarded'] },
  { what: 'RFC 7239 example 5', forwarded: 'for=192.0.2.43, for="[2001:db8:cafe::17]"', want: ['192.0.2.43', 'forwarded'] },
  { what: 'for is not the first pair', forwarded: 'by=203.0.113.43; FOR = 192.0.2.60 ;host=a', want: ['192.0.2.60', 'forwarded'] },
  { what: 'quoted port', forwarded: 'for="192.0.2.43:47011"', want: ['192.0.2.43', 'forwarded'] },
  { what: 'obfuscated port', forwarded: 'for="192.0.2.43:_a"', want: ['192.0.2.43', 'forwarded'] },
  { what: 'escapes in quotes', forwarded: 'for="192\\.0.2.4\\3"', want: ['192.0.2.43', 'forwarded'] },
  { what: 'comma and semicolon in quotes', forwarded: 'host="a,b;for=9.9.9.9";for=192.0.2.43', want: ['192.0.2.43', 'forwarded'] },
  { what: 'brackets without quotes', forwarded: 'for=[2001:db8::9]:80', want: ['2001:db8::9', 'forwarded'] },
  { what: 'unknown, then known', forwarded: 'for=unknown, for=192.0.2.1', want: ['192.0.2.1', 'forwarded'] },
  { what: 'empty elements', forwarded: ', ,for=192.0.2.1,', want: ['192.0.2.1', 'forwarded'] },
  { what: 'the first for of an element', forwarded: 'for=192.0.2.1;for=192.0.2.2', want: ['192.0.2.1', 'forwarded'] },
  { what: 'quote never closed', forwarded: 'for="192.0.2.1', want: ['192.0.2.1', 'forwarded'] },
  { what: 'not for', forwarded: 'xfor=192.0.2.1;by=192.0.2.2', want: [PEER, 'connection'] },
  { what: 'bracket never closed', forwarded: 'for="[2001:db8::1"', want: [PEER, 'connection'] },
  { what: 'text behind the bracket', forwarded: 'for="[2001:db8::1]x"', want: [PEER, 'connection'] },

  // Trusted proxies.
  { what: 'rightmost that is not trusted', trusted: TEN, xff: '1.1.1.1, 203.0.113.9, 10.2.2.2', want: ['203.0.113.9', 'x-forwarded-for'] },
  {
    what: 'a forged front does not count',
    trusted: TEN,
    xff: '10.7.7.7, 127.0.0.1, 203.0.113.9',
    want: ['203.0.113.9', 'x-forwarded-for'],
  },
  { what: 'all trusted: the leftmost', trusted: TEN, xff: '10.3.3.3, 2001:db8::5, 10.2.2.2', want: ['10.3.3.3', 'x-forwarded-for'] },
  { what: 'a hidden hop ends the walk', trusted: TEN, xff: '203.0.113.9, unknown, 10.2.2.2', want: ['10.2.2.2', 'x-forwarded-for'] },
  {
    what: 'a hidden nearest hop gives nothing',
    trusted: TEN,
    xff: '203.0.113.9, unknown',
    real: '203.0.113.8',
    want: ['203.0.113.8', 'x-real-ip'],
  },
  {
    what: 'an element without for ends the walk',
    trusted: TEN,
    forwarded: 'for=203.0.113.9, by=10.1.1.1, for=10.2.2.2',
    want: ['10.2.2.2', 'forwarded'],
  },
  {
    what: 'the peer is not trusted',
    trusted: ['192.168.0.0/16'],
    xff: '203.0.113.9',
    forwarded: 'for=1.1.1.1',
    real: '2.2.2.2',
    want: [PEER, 'connection'],
  },
  {
    what: 'the PROXY peer is not trusted',
    trusted: TEN,
    xff: '203.0.113.9',
    proxy: '198.51.100.7',
    want: ['198.51.100.7', 'proxy-protocol'],
  },
  { what: 'the PROXY peer is trusted', trusted: TEN, xff: '203.0.113.9', proxy: '10.5.5.5', want: ['203.0.113.9', 'x-forwarded-for'] },
  { what: 'one address as a block', trusted: ['10.0.0.1'], xff: '203.0.113.9, 10.0.0.2', want: ['10.0.0.2', 'x-forwarded-for'] },
  { what: 'X-Real-IP from a trusted peer', trusted: TEN, real: '203.0.113.5', want: ['203.0.113.5', 'x-real-ip'] },
];

for (const { what, trusted, forwarded, xff, real, proxy, want } of cases) {
  test(`${trusted ? 'trusted proxies: ' : ''}${what}`, () => {
    resetClientIp(trusted ?? []);
    assert.deepEqual(clientIpOf(forwarded ?? '', xff ?? '', real ?? '', proxy ?? '', PEER), { address: want[0], source: want[1] });
  });
}

test('any header text gives an address and ends', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({
      unit: fc.constantFrom('for=', '"', '\\', ',', ';', '[', ']', ':', '10.0.0.9', '2001:db8::7', ' ', 'unknown'),
      maxLength: 30,
    }),
  );
  fc.assert(
    fc.property(text, text, text, fc.boolean(), (forwarded, xff, real, strict) => {
      resetClientIp(strict ? TEN : []);
      assert.match(clientIpOf(forwarded, xff, real, '', PEER).address, /^[0-9a-f.:]+$/);
    }),
    { numRuns: 1000 },
  );
});

test('a header of 64 KiB takes no more than linear time', () => {
  const start = process.hrtime.bigint();
  for (const piece of ['for=_,', 'for="', '\\"', ',,,,', '10.0.0.1,', '[:::,']) {
    const value = piece.repeat(65_536 / piece.length);
    clientIpOf(value, value, value, '', PEER);
  }
  assert.ok(process.hrtime.bigint() - start < 1_000_000_000n);
});
