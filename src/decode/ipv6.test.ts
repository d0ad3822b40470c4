import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoded, segment } from '../../test/support/decoded.ts';
import {
  authentication,
  destinationOptions,
  ethernet,
  hopByHop,
  ipv6,
  ipv6Bytes,
  ipv6Fragment,
  jumbo,
  mobility,
  routing,
  tcp,
} from '../../test/support/packets.ts';
import { formatIpv6 } from '../base/address.ts';
import { weirdCount } from '../base/weird.ts';

const hello = tcp(Buffer.from('hello'));

test('the extension headers are skipped, alone and together', () => {
  const wraps = [
    hopByHop,
    destinationOptions,
    mobility,
    authentication,
    (p: Buffer): Buffer => routing(p, { segmentsLeft: 0, addresses: ['::1'] }),
  ];
  for (const wrap of wraps) assert.equal(decoded(ethernet(ipv6(wrap(hello)))).payload, 'hello');
  const all = wraps.reduce((payload, wrap) => wrap(payload), hello);
  assert.equal(decoded(ethernet(ipv6(all))).payload, 'hello');
});

test('ICMPv6, no next header and others are told apart', () => {
  assert.equal(decoded(ethernet(ipv6(hello, { nextHeader: 58 }))).verdict, 'icmp');
  for (const nextHeader of [59, 50, 132]) assert.equal(decoded(ethernet(ipv6(hello, { nextHeader }))).verdict, 'other-ip');
});

test('padding goes, a cut is a hole of known size', () => {
  const data = ethernet(ipv6(tcp(Buffer.alloc(500, 'x'))));
  assert.equal(decoded(Buffer.concat([data, Buffer.alloc(9)])).payload.length, 500);
  const cut = decoded(data.subarray(0, 100), { wireBytes: data.length });
  assert.deepEqual([cut.payload.length, cut.wireBytes, cut.weirds], [26, 500, ['decode.ipv6.cut']]);
});

test('a jumbogram states its length in an option', () => {
  const data = ethernet(ipv6(jumbo(tcp(Buffer.alloc(70_000, 'x'))), { payloadLength: 0 }));
  assert.equal(decoded(data).wireBytes, 70_000);
  assert.equal(decoded(Buffer.concat([data, Buffer.alloc(10)])).wireBytes, 70_000);
  const cut = decoded(data.subarray(0, 1000), { wireBytes: data.length });
  assert.deepEqual([cut.wireBytes, cut.weirds], [70_000, ['decode.ipv6.cut']]);
  const absurd = decoded(ethernet(ipv6(jumbo(hello, 0xffffffff), { payloadLength: 0 })));
  assert.equal(absurd.verdict, 'tcp');
  assert.ok(absurd.wireBytes < 2 ** 28);
});

test('payload length 0 without that option stands for what was on the wire', () => {
  assert.equal(decoded(ethernet(ipv6(hello, { payloadLength: 0 }))).payload, 'hello');
});

test('a jumbo option in a packet that states a length is ignored', () => {
  assert.equal(decoded(ethernet(ipv6(jumbo(hello, 100_000)))).wireBytes, 5);
});

test('a routing header names the final destination, a home address option the source', () => {
  const final = '2001:db8:ffff::9';
  const type0 = routing(hello, { type: 0, addresses: ['2001:db8::77', final] });
  assert.match(decoded(ethernet(ipv6(type0))).ends, /> 2001:db8:ffff::9:80$/);
  const type4 = routing(hello, { type: 4, addresses: [final, '2001:db8::77'] });
  assert.match(decoded(ethernet(ipv6(type4))).ends, /> 2001:db8:ffff::9:80$/);
  const type2 = routing(hello, { type: 2, addresses: [final] });
  assert.match(decoded(ethernet(ipv6(type2))).ends, /> 2001:db8:ffff::9:80$/);
  const done = routing(hello, { type: 0, segmentsLeft: 0, addresses: [final] });
  assert.match(decoded(ethernet(ipv6(done))).ends, /> 2001:db8::2:80$/);
  const home = destinationOptions(hello, Buffer.concat([Buffer.from([1, 2, 0, 0, 0xc9, 16]), ipv6Bytes('2001:db8::40:e')]));
  assert.match(decoded(ethernet(ipv6(home))).ends, /^2001:db8::40:e:40000 >/);
});

test('a fragment is handed on, an atomic one is none', () => {
  const piece = decoded(ethernet(ipv6(hopByHop(ipv6Fragment(hello, { offset: 1448, more: true, id: 0xdeadbeef })))));
  assert.deepEqual([piece.verdict, piece.payload.length], ['fragment', 25]);
  assert.deepEqual(
    [segment.fragmentOffset, segment.fragmentMore, segment.fragmentId, segment.fragmentProtocol],
    [1448, 1, 0xdeadbeef | 0, 6],
  );
  assert.equal(formatIpv6(segment.dst0, segment.dst1, segment.dst2, segment.dst3), '2001:db8::2');
  assert.equal(decoded(ethernet(ipv6(ipv6Fragment(hello, {})))).payload, 'hello');
  assert.equal(decoded(ethernet(ipv6(ipv6Fragment(hello, { offset: 8 })))).verdict, 'fragment');
});

test('a chain of extension headers without end is given up by depth', () => {
  let chain = hello;
  for (let i = 0; i < 200; i++) chain = destinationOptions(chain);
  assert.equal(decoded(ethernet(ipv6(chain))).verdict, 'too-deep');
  assert.equal(weirdCount('limit.decode.depth'), 1);
});

test('wrong versions are malformed, cut headers truncated', () => {
  const data = ethernet(ipv6(hopByHop(hello)));
  for (const bytes of [53, 55, 61]) assert.equal(decoded(data.subarray(0, bytes), { wireBytes: data.length }).verdict, 'truncated');
  data[14] = 0x45;
  assert.deepEqual([decoded(data).verdict, decoded(data).weirds], ['malformed', ['decode.ipv6.bad_header']]);
});
