import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoded } from '../../test/support/decoded.ts';
import { ayiya, ethernet, ipv4, ipv6, tcp, udp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));
const over = (payload: Buffer, ports: { sourcePort?: number; destinationPort?: number } = {}): Buffer =>
  ethernet(ipv4(udp(payload, ports)));

test('IPv6 and IPv4 are found behind identity and signature', () => {
  for (const inner of [ipv6(hello), ipv4(hello)]) {
    for (const data of [over(ayiya(inner)), over(ayiya(inner), { sourcePort: 5072, destinationPort: 50000 })]) {
      const { payload, layers } = decoded(data);
      assert.equal(payload, 'hello');
      assert.deepEqual(layers, [{ type: 'other', source: '10.0.0.1', destination: '10.0.0.2' }]);
    }
  }
});

test('anything else on the port is UDP, a cut header is truncated', () => {
  const other = ayiya(ipv6(hello));
  other[2] = 0x10;
  assert.equal(decoded(over(other, { destinationPort: 5072 })).verdict, 'udp');
  assert.equal(decoded(over(Buffer.alloc(60, 0x11), { destinationPort: 5072 })).verdict, 'udp');
  const data = over(ayiya(ipv6(hello)));
  for (const bytes of [45, 60, 90]) {
    const cut = decoded(data.subarray(0, bytes), { wireBytes: data.length });
    assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.ipv4.cut', 'decode.ayiya.truncated']], `${bytes}`);
  }
});
