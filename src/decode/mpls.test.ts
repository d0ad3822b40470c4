import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, ipv4, ipv6, mpls, tcp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('a label stack is taken off, each label a layer', () => {
  const { payload, layers } = decoded(ethernet(mpls(ipv4(hello), { labels: [1048575, 29] })));
  assert.equal(payload, 'hello');
  assert.deepEqual(layers, [
    { type: 'mpls', label: 1048575 },
    { type: 'mpls', label: 29 },
  ]);
  assert.equal(decoded(ethernet(mpls(ipv6(hello)))).payload, 'hello');
  assert.equal(decoded(ethernet(mpls(ipv4(hello)), { type: 0x8848 })).payload, 'hello');
});

test('explicit null labels name IPv4 and IPv6', () => {
  assert.equal(decoded(ethernet(mpls(ipv4(hello), { labels: [0] }))).payload, 'hello');
  assert.equal(decoded(ethernet(mpls(ipv6(hello), { labels: [2] }))).payload, 'hello');
});

test('a pseudowire carries Ethernet with and without a control word, whatever its address begins with', () => {
  for (const destination of ['02:00:00:00:00:02', '00:11:22:33:44:55', '45:00:00:00:00:01', '60:00:00:00:00:01']) {
    for (const controlWord of [false, true]) {
      const { payload, layers } = decoded(ethernet(mpls(ethernet(ipv4(hello), { destination }), { controlWord })));
      assert.equal(payload, 'hello', `${destination} ${controlWord}`);
      assert.equal(brief(layers), 'mpls 16');
    }
  }
});

test('an IP packet that was cut is still taken for IP', () => {
  const data = ethernet(mpls(ipv4(tcp(Buffer.alloc(500)))));
  assert.equal(decoded(data.subarray(0, 80), { wireBytes: data.length }).wireBytes, 500);
});

test('OAM is left alone; a stack that ends too early is truncated', () => {
  assert.equal(decoded(ethernet(mpls(Buffer.alloc(40, 0x10), { labels: [13] }))).verdict, 'not-ip');
  for (const bytes of [16, 17, 18]) {
    const { verdict, weirds } = decoded(ethernet(mpls(ipv4(hello))).subarray(0, bytes));
    assert.deepEqual([verdict, weirds], ['truncated', ['decode.mpls.truncated']]);
  }
});
