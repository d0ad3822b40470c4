import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decoded, decodeSettings, segment } from '../../test/support/decoded.ts';
import { authentication, ethernet, ipv4, tcp, udp, vxlan } from '../../test/support/packets.ts';
import { defaultSettings } from '../base/settings.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { resetDecode } from './decode.ts';

const hello = tcp(Buffer.from('hello'));
after(() => resetDecode(defaultSettings));

test('options are skipped, addresses keep their sign bits', () => {
  const data = ethernet(ipv4(hello, { source: '203.0.113.7', destination: '255.1.2.3', options: Buffer.alloc(37, 1) }));
  assert.deepEqual([decoded(data).ends, decoded(data).payload], ['203.0.113.7:40000 > 255.1.2.3:80', 'hello']);
  assert.equal(segment.dst0, 0xff010203 | 0);
});

test('padding behind the total length goes', () => {
  const data = Buffer.concat([ethernet(ipv4(tcp(Buffer.from('ab')))), Buffer.alloc(18, 'p')]);
  assert.deepEqual([decoded(data).payload, decoded(data).wireBytes, decoded(data).weirds], ['ab', 2, []]);
});

test('fewer bytes than the total length are a hole of known size', () => {
  const data = ethernet(ipv4(tcp(Buffer.alloc(1000, 'x'))));
  for (const wireBytes of [data.length, 200]) {
    const cut = decoded(data.subarray(0, 200), { wireBytes });
    assert.deepEqual([cut.verdict, cut.payload.length, cut.wireBytes, cut.weirds], ['tcp', 146, 1000, ['decode.ipv4.cut']]);
  }
});

test('a cut is counted once for outer and inner header', () => {
  const data = ethernet(ipv4(udp(vxlan(ethernet(ipv4(tcp(Buffer.alloc(1000))))))));
  const cut = decoded(data.subarray(0, 300), { wireBytes: data.length });
  assert.equal(cut.wireBytes, 1000);
  assert.equal(weirdCount('decode.ipv4.cut'), 1);
  // Cut by the mirror: the outer lengths fit what was sent, the inner ones do not.
  const mirrored = decoded(ethernet(ipv4(udp(vxlan(ethernet(ipv4(tcp(Buffer.alloc(1000)))).subarray(0, 400))))));
  assert.deepEqual([mirrored.wireBytes, mirrored.payload.length, mirrored.weirds], [1000, 346, ['decode.ipv4.cut']]);
});

test('total length 0 stands for what was on the wire', () => {
  const data = ethernet(ipv4(tcp(Buffer.alloc(3000, 'x')), { totalLength: 0 }));
  assert.deepEqual([decoded(data).payload.length, decoded(data).wireBytes], [3000, 3000]);
  const cut = decoded(data.subarray(0, 100), { wireBytes: data.length });
  assert.deepEqual([cut.payload.length, cut.wireBytes], [46, 3000]);
});

test('impossible headers are malformed', () => {
  const data = ethernet(ipv4(hello));
  for (const [first, weird] of [
    [0x44, 'decode.ipv4.bad_header'],
    [0x65, 'decode.ipv4.bad_header'],
  ] as const) {
    data[14] = first;
    assert.deepEqual([decoded(data).verdict, decoded(data).weirds], ['malformed', [weird]]);
  }
  const short = decoded(ethernet(ipv4(hello, { totalLength: 19 })));
  assert.deepEqual([short.verdict, short.weirds], ['malformed', ['decode.ipv4.bad_length']]);
});

test('a header that is not all there is truncated', () => {
  const data = ethernet(ipv4(hello, { options: Buffer.alloc(8, 1) }));
  for (const bytes of [14, 33, 41]) {
    assert.deepEqual(
      [decoded(data.subarray(0, bytes)).verdict, decoded(data.subarray(0, bytes)).weirds],
      ['truncated', ['decode.ipv4.truncated']],
    );
  }
});

test('fragments are handed on with their place', () => {
  const first = decoded(ethernet(ipv4(hello, { moreFragments: true, id: 0xbeef })));
  assert.deepEqual([first.verdict, first.ends, first.payload.length], ['fragment', '10.0.0.1 > 10.0.0.2', 25]);
  assert.deepEqual([segment.fragmentOffset, segment.fragmentMore, segment.fragmentId, segment.fragmentProtocol], [0, 1, 0xbeef, 6]);
  const last = decoded(ethernet(ipv4(Buffer.from('tail'), { fragmentOffset: 65528, protocol: 17, id: 3 })));
  assert.deepEqual([last.verdict, last.payload], ['fragment', 'tail']);
  assert.deepEqual([segment.fragmentOffset, segment.fragmentMore, segment.fragmentProtocol], [65528, 0, 17]);
});

test('a cut fragment ends where the capture does; its layers are known', () => {
  const inner = ipv4(Buffer.alloc(100, 'f'), { moreFragments: true, protocol: 6 });
  const data = ethernet(ipv4(udp(vxlan(ethernet(inner), { vni: 9 }))));
  const cut = decoded(data.subarray(0, data.length - 40), { wireBytes: data.length });
  assert.deepEqual([cut.verdict, cut.payload.length, cut.layers[0]?.vni], ['fragment', 60, 9]);
});

test('an authentication header hides nothing; other protocols are counted', () => {
  assert.equal(decoded(ethernet(ipv4(authentication(hello)))).payload, 'hello');
  for (const protocol of [0, 43, 50, 60, 132, 255]) assert.equal(decoded(ethernet(ipv4(hello, { protocol }))).verdict, 'other-ip');
});

test('wrong header checksums are counted when asked, and never drop', () => {
  resetDecode(decodeSettings({ checksums: true }));
  assert.deepEqual(decoded(ethernet(ipv4(hello, { options: Buffer.alloc(4, 1) }))).weirds, []);
  const bad = decoded(ethernet(ipv4(hello, { checksum: 0x1234 })));
  assert.deepEqual([bad.verdict, bad.weirds], ['tcp', ['decode.ipv4.bad_checksum']]);
  resetDecode(defaultSettings);
  assert.deepEqual(decoded(ethernet(ipv4(hello, { checksum: 0x1234 }))).weirds, []);
  resetWeirds();
});
