import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decoded, decodeSettings, segment } from '../../test/support/decoded.ts';
import { ACK, ethernet, FIN, ipv4, ipv6, PSH, routing, SYN, tcp, URG } from '../../test/support/packets.ts';
import { defaultSettings } from '../base/settings.ts';
import { resetDecode } from './decode.ts';

after(() => resetDecode(defaultSettings));

test('all fields are there, as int32', () => {
  const data = tcp(Buffer.from('payload'), {
    sourcePort: 65535,
    destinationPort: 443,
    sequence: 0xfffffff0,
    acknowledgement: 0x80000001,
    flags: FIN | SYN | PSH | ACK | URG,
    window: 0xfffe,
    urgentPointer: 7,
    options: Buffer.alloc(40, 1),
  });
  assert.equal(decoded(ethernet(ipv4(data))).payload, 'payload');
  const { ports, sequence, acknowledgement, flags, window, urgentPointer } = segment;
  assert.deepEqual([ports, sequence, acknowledgement], [(65535 << 16) | 443, -16, 0x80000001 | 0]);
  assert.deepEqual([flags, window, urgentPointer], [0x3b, 0xfffe, 7]);
});

test('an impossible offset is malformed', () => {
  for (const offset of [0, 4, 15]) {
    const bad = decoded(ethernet(ipv4(tcp(Buffer.from('hello'), { offset }))));
    assert.deepEqual([bad.verdict, bad.weirds], ['malformed', ['decode.tcp.bad_offset']]);
  }
});

test('a capture that ends in the header or in its options is truncated', () => {
  const data = ethernet(ipv4(tcp(Buffer.from('hello'), { options: Buffer.alloc(12, 1) })));
  for (let bytes = 34; bytes < 66; bytes++) {
    const cut = decoded(data.subarray(0, bytes), { wireBytes: data.length });
    assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.ipv4.cut', 'decode.tcp.truncated']], `${bytes}`);
  }
  const bare = decoded(data.subarray(0, 66), { wireBytes: data.length });
  assert.deepEqual([bare.verdict, bare.payload, bare.wireBytes], ['tcp', '', 5]);
});

test('wrong checksums are counted when asked and the segment is whole', () => {
  resetDecode(decodeSettings({ checksums: true }));
  for (const payload of ['', 'odd', 'even']) {
    const body = tcp(Buffer.from(payload));
    assert.deepEqual(decoded(ethernet(ipv4(body))).weirds, []);
    assert.deepEqual(decoded(ethernet(ipv6(body))).weirds, []);
    const routed = ipv6(routing(body, { addresses: ['2001:db8::5'] }), { finalDestination: '2001:db8::5' });
    assert.deepEqual(decoded(ethernet(routed)).weirds, []);
  }
  const bad = ethernet(ipv6(tcp(Buffer.from('hello'), { checksum: 0xbad })));
  assert.deepEqual([decoded(bad).verdict, decoded(bad).weirds], ['tcp', ['decode.tcp.bad_checksum']]);
  const cut = decoded(bad.subarray(0, bad.length - 1), { wireBytes: bad.length });
  assert.deepEqual(cut.weirds, ['decode.ipv6.cut']);
  resetDecode(defaultSettings);
  assert.deepEqual(decoded(bad).weirds, []);
});
