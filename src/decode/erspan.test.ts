import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { erspan, ethernet, ipv4, ipv6, tcp, vlan } from '../../test/support/packets.ts';

const inner = ipv4(tcp(Buffer.from('hello')));
const mirrored = (payload: Buffer): Buffer => ethernet(ipv4(payload, { source: '192.0.2.1', destination: '192.0.2.2' }));

test('type I has no header', () => {
  const { payload, layers } = decoded(mirrored(erspan(ethernet(inner), { type: 1 })));
  assert.equal(payload, 'hello');
  assert.deepEqual(layers, [{ type: 'erspan', source: '192.0.2.1', destination: '192.0.2.2' }]);
});

test('types II and III have session and VLAN; a VLAN of 0 is none', () => {
  for (const type of [2, 3] as const) {
    for (const platform of type === 3 ? [false, true] : [false]) {
      const { payload, layers } = decoded(mirrored(erspan(ethernet(inner), { type, session: 1023, vlan: 77, platform })));
      assert.equal(payload, 'hello');
      assert.equal(brief(layers), 'erspan 77 1023');
      assert.equal(brief(decoded(mirrored(erspan(ethernet(vlan(inner)), { type, platform }))).layers), 'erspan 1, vlan 100');
    }
  }
});

test('type III may carry a bare IP packet', () => {
  for (const packet of [inner, ipv6(tcp(Buffer.from('hello')))]) {
    assert.equal(decoded(mirrored(erspan(packet, { type: 3, frameType: 2 }))).payload, 'hello');
  }
});

test('cut headers are truncated, unknown versions counted', () => {
  for (const [type, bytes] of [
    [2, 8 + 7],
    [3, 8 + 11],
    [3, 8 + 19],
  ] as const) {
    const { verdict, weirds } = decoded(ethernet(ipv4Payload(erspan(ethernet(inner), { type, platform: true }), bytes)));
    assert.deepEqual([verdict, weirds], ['truncated', ['decode.erspan.truncated']]);
  }
  const odd = erspan(ethernet(inner));
  odd[8] = 0x70;
  assert.deepEqual(decoded(mirrored(odd)).weirds, ['decode.gre.unknown']);
});

/** The first bytes of a GRE packet, still labelled as one for the IPv4 header. */
function ipv4Payload(packet: Buffer, bytes: number): Buffer {
  return ipv4(packet.subarray(0, bytes), { protocol: 47 });
}
