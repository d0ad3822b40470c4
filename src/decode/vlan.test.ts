import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, ethernetSnap, ipv4, ipv6, tcp, vlan } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('a VLAN tag is taken off and kept in the path, without its priority', () => {
  const { payload, layers } = decoded(ethernet(vlan(ipv4(hello), { id: 4093, priority: 7 })));
  assert.equal(payload, 'hello');
  assert.deepEqual(layers, [{ type: 'vlan', vlan: 4093 }]);
});

test('every QinQ type is known, and tags nest', () => {
  for (const type of [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300]) {
    const { payload, layers } = decoded(ethernet(vlan(vlan(ipv6(hello), { id: 2 }), { id: 1 }), { type }));
    assert.equal(payload, 'hello');
    assert.equal(brief(layers), 'vlan 1, vlan 2');
  }
  let deep = ipv4(hello);
  for (let id = 12; id > 0; id--) deep = vlan(deep, { id });
  assert.equal(decoded(ethernet(deep)).layers.length, 12);
});

test('LLC stands behind a tag too', () => {
  const snap = ethernetSnap(ipv4(hello)).subarray(12);
  const data = Buffer.concat([ethernet(Buffer.alloc(0), { type: 0x8100 }), Buffer.from([0, 9]), snap]);
  assert.equal(decoded(data).payload, 'hello');
});

test('VN-Tag, E-Tag, Cisco metadata and the backbone tag are skipped', () => {
  const tagged = (type: number, bytes: number, inner: Buffer): Buffer =>
    ethernet(Buffer.concat([Buffer.alloc(bytes - 2), Buffer.from([0x08, 0]), inner]), { type });
  assert.equal(decoded(tagged(0x8926, 6, ipv4(hello))).payload, 'hello');
  assert.equal(decoded(tagged(0x893f, 8, ipv4(hello))).payload, 'hello');
  assert.equal(decoded(tagged(0x8909, 8, ipv4(hello))).payload, 'hello');
  assert.equal(decoded(ethernet(Buffer.concat([Buffer.alloc(4), ethernet(ipv4(hello))]), { type: 0x88e7 })).payload, 'hello');
  assert.deepEqual(decoded(tagged(0x893f, 8, ipv4(hello)).subarray(0, 20)).weirds, ['decode.vlan.truncated']);
});

test('a packet that ends inside a tag is truncated', () => {
  const { verdict, weirds } = decoded(ethernet(vlan(ipv4(hello))).subarray(0, 17));
  assert.deepEqual([verdict, weirds], ['truncated', ['decode.vlan.truncated']]);
});
