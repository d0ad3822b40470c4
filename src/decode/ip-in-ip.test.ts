import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { etherIp, ethernet, ipv4, ipv6, mpls, tcp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('all four combinations, with the outer addresses in the path', () => {
  for (const [outer, source] of [
    [ipv4, '198.51.100.1'],
    [ipv6, '2001:db8:aaaa::1'],
  ] as const) {
    for (const inner of [ipv4(hello), ipv6(hello)]) {
      const { payload, layers } = decoded(ethernet(outer(inner, { source })));
      assert.equal(payload, 'hello');
      assert.deepEqual(layers, [{ type: 'ipip', source, destination: outer === ipv4 ? '10.0.0.2' : '2001:db8::2' }]);
    }
  }
});

test('MPLS, Ethernet and EtherIP ride on IP too', () => {
  assert.equal(brief(decoded(ethernet(ipv4(mpls(ipv6(hello), { labels: [77] })))).layers), 'ipip, mpls 77');
  assert.equal(brief(decoded(ethernet(ipv6(ethernet(ipv4(hello))))).layers), 'ipip');
  assert.equal(brief(decoded(ethernet(ipv4(etherIp(ethernet(ipv4(hello)))))).layers), 'other');
  const wrong = etherIp(ethernet(ipv4(hello)));
  wrong[0] = 0x20;
  assert.equal(decoded(ethernet(ipv4(wrong))).verdict, 'other-ip');
  assert.equal(decoded(ethernet(ipv4(Buffer.from([0x30]), { protocol: 97 }))).verdict, 'truncated');
});

test('the addresses of the segment are the innermost ones', () => {
  const nested = ipv4(ipv6(ipv4(hello, { source: '192.0.2.3' })));
  const { ends, layers } = decoded(ethernet(nested));
  assert.deepEqual([ends, layers.length], ['192.0.2.3:40000 > 10.0.0.2:80', 2]);
});
