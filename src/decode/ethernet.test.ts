import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoded } from '../../test/support/decoded.ts';
import { ethernet, ethernetSnap, icmp, ipv4, ipv6, tcp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('Ethernet II hands on IPv4 and IPv6', () => {
  assert.equal(decoded(ethernet(ipv4(hello))).ends, '10.0.0.1:40000 > 10.0.0.2:80');
  assert.equal(decoded(ethernet(ipv6(hello))).ends, '2001:db8::1:40000 > 2001:db8::2:80');
  assert.equal(decoded(ethernet(ipv4(hello))).payload, 'hello');
});

test('802.3 with SNAP hands on IP; with OUI 0000f8 too; others are not IP', () => {
  const frame = ethernetSnap(ipv4(hello));
  assert.equal(decoded(frame).payload, 'hello');
  frame[19] = 0xf8;
  assert.equal(decoded(frame).payload, 'hello');
  frame[18] = 1;
  assert.deepEqual([decoded(frame).verdict, decoded(frame).weirds], ['not-ip', ['decode.link.unknown_type']]);
});

test('802.3 with LLC 06 06 is IPv4, spanning tree is not IP', () => {
  const llc = (head: string, inner: Buffer): Buffer => ethernet(Buffer.concat([Buffer.from(head, 'hex'), inner]), { type: 60 });
  assert.equal(decoded(llc('060603', ipv4(hello))).payload, 'hello');
  assert.equal(decoded(llc('424203', Buffer.alloc(35))).verdict, 'not-ip');
});

test('ARP, ICMP and unknown types are told apart', () => {
  assert.equal(decoded(ethernet(Buffer.alloc(28), { type: 0x0806 })).verdict, 'arp');
  assert.equal(decoded(ethernet(ipv4(icmp()))).verdict, 'icmp');
  const lldp = decoded(ethernet(Buffer.alloc(46), { type: 0x88cc }));
  assert.deepEqual([lldp.verdict, lldp.weirds], ['not-ip', ['decode.link.unknown_type']]);
});

test('a frame that ends inside its header is truncated', () => {
  for (const data of [
    ethernet(ipv4(hello)).subarray(0, 13),
    ethernetSnap(ipv4(hello)).subarray(0, 16),
    ethernetSnap(ipv4(hello)).subarray(0, 21),
  ]) {
    assert.deepEqual([decoded(data).verdict, decoded(data).weirds], ['truncated', ['decode.link.truncated']]);
  }
});

test('an unknown link type is not IP', () => {
  assert.equal(decoded(ethernet(ipv4(hello)), { linkType: 105 }).verdict, 'not-ip');
});
