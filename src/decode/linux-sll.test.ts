import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernetSnap, ipv4, ipv6, sll, sll2, tcp, vlan } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

for (const [name, wrap, linkType, bytes] of [
  ['SLL', sll, 113, 16],
  ['SLL2', sll2, 276, 20],
] as const) {
  test(`${name} hands on IP, tags and LLC`, () => {
    assert.equal(decoded(wrap(ipv4(hello)), { linkType }).payload, 'hello');
    assert.equal(decoded(wrap(ipv6(hello)), { linkType }).payload, 'hello');
    assert.equal(brief(decoded(wrap(vlan(ipv4(hello), { id: 5 })), { linkType }).layers), 'vlan 5');
    assert.equal(decoded(wrap(ethernetSnap(ipv4(hello)).subarray(14), { type: 4 }), { linkType }).payload, 'hello');
  });

  test(`${name} of netlink and of unknown protocols is not IP, and a cut one is truncated`, () => {
    assert.equal(decoded(wrap(ipv4(hello), { device: 824 }), { linkType }).verdict, 'not-ip');
    assert.equal(decoded(wrap(ipv4(hello), { type: 1 }), { linkType }).verdict, 'not-ip');
    const cut = decoded(wrap(ipv4(hello)).subarray(0, bytes - 1), { linkType });
    assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.link.truncated']]);
  });
}
