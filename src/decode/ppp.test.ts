import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoded } from '../../test/support/decoded.ts';
import { ipv4, ipv6, mpls, ppp, tcp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('PPP is read with and without address, control and compressed protocol', () => {
  for (const inner of [ipv4(hello), ipv6(hello), mpls(ipv4(hello))]) {
    for (const addressAndControl of [false, true]) {
      for (const compressed of [false, true]) {
        for (const linkType of [9, 50]) assert.equal(decoded(ppp(inner, { addressAndControl, compressed }), { linkType }).payload, 'hello');
      }
    }
  }
});

test('Cisco HDLC on the same link types names an EtherType', () => {
  assert.equal(decoded(Buffer.concat([Buffer.from('0f000800', 'hex'), ipv4(hello)]), { linkType: 50 }).payload, 'hello');
});

test('control protocols are not IP; one byte is truncated', () => {
  assert.equal(decoded(ppp(Buffer.alloc(20), { protocol: 0xc021 }), { linkType: 9 }).verdict, 'not-ip');
  assert.equal(decoded(Buffer.from([0]), { linkType: 9 }).verdict, 'truncated');
});
