import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, gre, ipv4, ipv6, mpls, nsh, ppp, pptp, tcp, vlan } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));
const inner = ipv4(hello);

test('every combination of flags is skipped', () => {
  const routing = Buffer.concat([Buffer.from([0x08, 0, 0, 4, 1, 2, 3, 4]), Buffer.from([0x08, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])]);
  for (let bits = 0; bits < 16; bits++) {
    const options = {
      ...(bits & 1 ? { key: 0xfedcba98 } : {}),
      ...(bits & 2 ? { sequence: 3 } : {}),
      ...(bits & 4 ? { checksum: true } : {}),
      ...(bits & 8 ? { routing } : {}),
    };
    const { payload, layers } = decoded(ethernet(ipv4(gre(inner, options))));
    assert.equal(payload, 'hello', `${bits}`);
    assert.deepEqual(layers, [{ type: 'gre', source: '10.0.0.1', destination: '10.0.0.2', ...(bits & 1 ? { key: 0xfedcba98 } : {}) }]);
  }
});

test('every payload is known, over IPv4 and IPv6', () => {
  for (const payload of [inner, ipv6(hello), ethernet(inner), vlan(inner), mpls(inner), nsh(inner), ppp(inner)]) {
    assert.equal(decoded(ethernet(ipv4(gre(payload)))).payload, 'hello');
    assert.equal(decoded(ethernet(ipv6(gre(payload)))).payload, 'hello');
  }
});

test('WCCP is known with and without its redirect header', () => {
  assert.equal(decoded(ethernet(ipv4(gre(inner, { type: 0x883e })))).payload, 'hello');
  assert.equal(decoded(ethernet(ipv4(gre(Buffer.concat([Buffer.alloc(4), inner]), { type: 0x883e })))).payload, 'hello');
});

test('version 1 carries PPP; a bare acknowledgement carries nothing', () => {
  const { payload, layers } = decoded(ethernet(ipv4(pptp(inner, { callId: 24, acknowledgement: 9 }))));
  assert.deepEqual([payload, brief(layers)], ['hello', 'gre 24']);
  assert.equal(decoded(ethernet(ipv4(pptp(inner)))).payload, 'hello');
  assert.equal(decoded(ethernet(ipv4(pptp(undefined, { acknowledgement: 1 })))).verdict, 'other-ip');
});

test('unknown versions and types are counted', () => {
  const strange = gre(inner);
  strange[1] = 3;
  for (const payload of [strange, gre(inner, { type: 0x2000 }), gre(inner, { type: 0x0004 })]) {
    const { verdict, weirds } = decoded(ethernet(ipv4(payload, { protocol: 47 })));
    assert.equal(verdict, 'other-ip');
    assert.ok(weirds.includes('decode.gre.unknown'));
  }
});

test('headers that end too early are truncated, routing entries without end too', () => {
  for (const header of [gre(inner).subarray(0, 3), gre(inner, { key: 1, sequence: 1 }).subarray(0, 11), pptp(inner).subarray(0, 9)]) {
    const { verdict, weirds } = decoded(ethernet(ipv4(header, { protocol: 47 })));
    assert.deepEqual([verdict, weirds], ['truncated', ['decode.gre.truncated']]);
  }
  const endless = Buffer.alloc(400, Buffer.from([0x08, 0, 0, 0]));
  assert.equal(decoded(ethernet(ipv4(gre(inner, { routing: endless })))).verdict, 'truncated');
});
