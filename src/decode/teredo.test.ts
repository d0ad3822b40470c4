import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoded } from '../../test/support/decoded.ts';
import { ethernet, ipv4, ipv6, tcp, teredo, udp } from '../../test/support/packets.ts';

const inner = ipv6(tcp(Buffer.from('hello')), { source: '2001::1' });
const over = (payload: Buffer, ports: { sourcePort?: number; destinationPort?: number } = {}): Buffer =>
  ethernet(ipv4(udp(payload, ports)));

test('IPv6 is found behind every mix of indications, to and from the port', () => {
  for (const authentication of [false, true]) {
    for (const origin of [false, true]) {
      const body = teredo(inner, { authentication, origin });
      for (const data of [over(body), over(body, { sourcePort: 3544, destinationPort: 50000 })]) {
        const { ends, layers } = decoded(data);
        assert.equal(ends, '2001::1:40000 > 2001:db8::2:80');
        assert.deepEqual(layers, [{ type: 'teredo', source: '10.0.0.1', destination: '10.0.0.2' }]);
      }
    }
  }
});

test('anything else on the port is UDP', () => {
  assert.equal(decoded(over(Buffer.alloc(60, 0x77), { destinationPort: 3544 })).verdict, 'udp');
  assert.equal(decoded(over(Buffer.alloc(0), { destinationPort: 3544 })).verdict, 'udp');
});

test('indications or a packet that end too early are counted', () => {
  const data = over(teredo(inner, { authentication: true }));
  const cut = decoded(data.subarray(0, 55), { wireBytes: data.length });
  assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.ipv4.cut', 'decode.teredo.malformed']]);
  const short = decoded(over(Buffer.from('0001ffff', 'hex'), { destinationPort: 3544 }));
  assert.deepEqual([short.verdict, short.weirds], ['udp', ['decode.teredo.malformed']]);
});
