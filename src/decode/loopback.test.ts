import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoded } from '../../test/support/decoded.ts';
import { ipv4, ipv6, loopback, tcp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('every address family is known in either byte order', () => {
  for (const linkType of [0, 108]) {
    for (const littleEndian of [false, true]) {
      assert.equal(decoded(loopback(ipv4(hello), { littleEndian }), { linkType }).payload, 'hello');
      for (const family of [10, 23, 24, 28, 30]) {
        assert.equal(decoded(loopback(ipv6(hello), { family, littleEndian }), { linkType }).payload, 'hello');
      }
      assert.equal(decoded(loopback(ipv4(hello), { family: 7, littleEndian }), { linkType }).verdict, 'not-ip');
    }
  }
  assert.equal(decoded(Buffer.alloc(3), { linkType: 0 }).verdict, 'truncated');
});

test('raw IP tells its version by itself or by its link type', () => {
  for (const linkType of [12, 14, 101]) {
    assert.equal(decoded(ipv4(hello), { linkType }).payload, 'hello');
    assert.equal(decoded(ipv6(hello), { linkType }).payload, 'hello');
    assert.equal(decoded(Buffer.alloc(40), { linkType }).verdict, 'not-ip');
    assert.equal(decoded(Buffer.alloc(0), { linkType }).verdict, 'truncated');
  }
  assert.equal(decoded(ipv4(hello), { linkType: 228 }).payload, 'hello');
  assert.equal(decoded(ipv6(hello), { linkType: 229 }).payload, 'hello');
  assert.equal(decoded(ipv4(hello), { linkType: 229 }).verdict, 'malformed');
});
