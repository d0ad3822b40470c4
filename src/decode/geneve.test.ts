import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, geneve, gre, ipv4, ipv6, tcp, udp, vxlan } from '../../test/support/packets.ts';

const inner = ipv4(tcp(Buffer.from('hello')));
const over = (payload: Buffer, ports: { sourcePort?: number; destinationPort?: number } = {}): Buffer =>
  ethernet(ipv4(udp(payload, { checksum: 0, ...ports })));

test('GENEVE carries frames and bare packets, with options', () => {
  for (const payload of [ethernet(inner), inner, ipv6(tcp(Buffer.from('hello')))]) {
    for (const bytes of [0, 4, 252]) {
      const { payload: text, layers } = decoded(over(geneve(payload, { vni: 786734, options: Buffer.alloc(bytes, 0xee) })));
      assert.deepEqual([text, brief(layers)], ['hello', 'geneve 786734']);
    }
  }
});

test('a Gateway Load Balancer: mirrored VXLAN inside', () => {
  const mirrored = ipv4(udp(vxlan(ethernet(inner), { vni: 42 })), { source: '172.31.0.9' });
  const { payload, layers } = decoded(over(geneve(mirrored, { vni: 0, options: Buffer.alloc(32, 1) })));
  assert.equal(payload, 'hello');
  assert.deepEqual(layers, [
    { type: 'geneve', source: '10.0.0.1', destination: '10.0.0.2', vni: 0 },
    { type: 'vxlan', source: '172.31.0.9', destination: '10.0.0.2', vni: 42 },
  ]);
  assert.equal(brief(decoded(over(geneve(ipv4(gre(inner)), { vni: 0 }))).layers), 'geneve 0, gre');
});

test('other versions are UDP; a source port needs a packet behind the header', () => {
  assert.equal(decoded(over(geneve(inner, { version: 1 }))).verdict, 'udp');
  for (const payload of [inner, ipv6(tcp(Buffer.alloc(0))), ethernet(inner)]) {
    assert.equal(decoded(over(geneve(payload), { sourcePort: 6081, destinationPort: 50000 })).verdict, 'tcp');
  }
  const junk = geneve(Buffer.alloc(60, 0x77), { type: 0x0800 });
  assert.equal(decoded(over(junk, { sourcePort: 6081, destinationPort: 50000 })).verdict, 'udp');
});

test('a header or options that are cut are truncated', () => {
  const data = over(geneve(inner, { options: Buffer.alloc(16) }));
  for (const bytes of [42, 49, 65]) {
    const cut = decoded(data.subarray(0, bytes), { wireBytes: data.length });
    assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.ipv4.cut', 'decode.geneve.truncated']]);
  }
  assert.equal(decoded(over(Buffer.alloc(5), { destinationPort: 6081 })).verdict, 'udp');
});
