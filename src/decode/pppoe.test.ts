import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, ipv4, ipv6, pppoe, tcp, vlan } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('a PPPoE session is taken off and kept in the path', () => {
  const { payload, layers } = decoded(ethernet(vlan(vlan(pppoe(ipv4(hello), { session: 383 }), { id: 401 }), { id: 1401 })));
  assert.equal(payload, 'hello');
  assert.equal(brief(layers), 'vlan 1401, vlan 401, pppoe 383');
  assert.equal(decoded(ethernet(pppoe(ipv6(hello)))).payload, 'hello');
});

test('PPPoE is a link type of its own', () => {
  assert.equal(decoded(pppoe(ipv4(hello)), { linkType: 51 }).payload, 'hello');
});

test('codes other than session data are left alone, a cut header is truncated', () => {
  assert.equal(decoded(ethernet(pppoe(ipv4(hello), { code: 0xa7 }))).verdict, 'not-ip');
  for (const bytes of [19, 20, 21]) {
    const { verdict, weirds } = decoded(ethernet(pppoe(ipv4(hello))).subarray(0, bytes));
    assert.deepEqual([verdict, weirds], ['truncated', ['decode.pppoe.truncated']]);
  }
});
