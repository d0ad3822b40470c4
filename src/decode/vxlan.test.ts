import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { brief, decoded, decodeSettings } from '../../test/support/decoded.ts';
import { ethernet, ipv4, ipv6, mpls, nsh, tcp, udp, vlan, vxlan, vxlanGpe } from '../../test/support/packets.ts';
import { defaultSettings } from '../base/settings.ts';
import { resetDecode } from './decode.ts';

const inner = ipv4(tcp(Buffer.from('hello')), { source: '192.168.0.1' });
const frame = ethernet(inner);
after(() => resetDecode(defaultSettings));

test('VXLAN over IPv4 and IPv6, with outer addresses and VNI in the path', () => {
  assert.deepEqual(decoded(ethernet(ipv4(udp(vxlan(frame, { vni: 0xffffff }), { checksum: 0 })))).layers, [
    { type: 'vxlan', source: '10.0.0.1', destination: '10.0.0.2', vni: 0xffffff },
  ]);
  const { ends, layers } = decoded(ethernet(ipv6(udp(vxlan(ethernet(vlan(inner, { id: 3 })), { vni: 0 })))));
  assert.deepEqual([ends, brief(layers)], ['192.168.0.1:40000 > 10.0.0.2:80', 'vxlan 0, vlan 3']);
});

test('reserved bits are ignored; a header without the VNI flag needs a frame behind it', () => {
  assert.equal(decoded(ethernet(ipv4(udp(vxlan(frame, { flags: 0xff, reserved: 0xffffff }))))).payload, 'hello');
  assert.equal(decoded(ethernet(ipv4(udp(vxlan(frame, { flags: 0 }))))).payload, 'hello');
  assert.equal(decoded(ethernet(ipv4(udp(vxlan(Buffer.alloc(40, 0x77), { flags: 0 }))))).verdict, 'udp');
});

test('ports are a setting; a source port needs a frame behind the header', () => {
  const to = (sourcePort: number, destinationPort: number, body = vxlan(frame)): string =>
    decoded(ethernet(ipv4(udp(body, { sourcePort, destinationPort })))).verdict;
  assert.deepEqual([to(50000, 4789), to(50000, 8472), to(50000, 14789), to(4789, 50000)], ['tcp', 'tcp', 'udp', 'tcp']);
  assert.equal(to(4789, 50000, vxlan(Buffer.alloc(60, 0x77))), 'udp');
  resetDecode(decodeSettings({ vxlanPorts: [14789] }));
  assert.deepEqual([to(50000, 4789), to(50000, 14789)], ['udp', 'tcp']);
  resetDecode(defaultSettings);
});

test('GPE names what it carries', () => {
  for (const payload of [inner, ipv6(tcp(Buffer.from('hello'))), frame, nsh(inner), mpls(inner)]) {
    const { payload: text, layers } = decoded(ethernet(ipv4(udp(vxlanGpe(payload, { vni: 5 })))));
    assert.equal(text, 'hello');
    assert.equal(layers[0]?.vni, 5);
  }
  assert.equal(decoded(ethernet(ipv4(udp(vxlanGpe(inner, { nextProtocol: 9 }))))).verdict, 'not-ip');
  assert.equal(decoded(ethernet(ipv4(udp(vxlan(frame), { destinationPort: 4790 })))).payload, 'hello');
});

test('a cut header is truncated, a short datagram is just UDP', () => {
  const data = ethernet(ipv4(udp(vxlan(frame))));
  const cut = decoded(data.subarray(0, 49), { wireBytes: data.length });
  assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.ipv4.cut', 'decode.vxlan.truncated']]);
  assert.equal(decoded(ethernet(ipv4(udp(Buffer.alloc(7), { destinationPort: 4789 })))).verdict, 'udp');
});
