import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, gre, ipv4, tcp, udp, vxlan } from '../../test/support/packets.ts';

const datagram = (payload: Buffer, destinationPort: number, sourcePort = 50000): Buffer =>
  ethernet(ipv4(udp(payload, { sourcePort, destinationPort })));

test('UDP without a tunnel is UDP', () => {
  assert.equal(decoded(datagram(Buffer.from('query'), 53)).verdict, 'udp');
});

test('QUIC is known by port and version', () => {
  for (const head of ['c000000001', 'c36b3343cf', 'cff000001d', 'd3ff00001d', 'c351303530', 'c3faceb002', 'c31a2a3a4a', '8000000000']) {
    const expected = head === 'cff000001d' ? 'udp' : 'quic';
    const body = Buffer.concat([Buffer.from(head, 'hex'), Buffer.alloc(20)]);
    assert.equal(decoded(datagram(body, 443)).verdict, expected, head);
    assert.equal(decoded(datagram(body, 40000, 443)).verdict, expected, head);
    // Elsewhere the version has to be one of the standards.
    assert.equal(decoded(datagram(body, 444)).verdict, /^c[03](00000001|6b3343cf)/.test(head) ? 'quic' : 'udp', head);
  }
  assert.equal(decoded(datagram(Buffer.from('4000000001aabb', 'hex'), 443)).verdict, 'udp');
  assert.equal(decoded(datagram(Buffer.from('c0', 'hex'), 443)).verdict, 'udp');
  for (const lying of ['c00000000115', 'c0000000010015', 'c00000000108aabb']) {
    assert.equal(decoded(datagram(Buffer.from(lying, 'hex'), 444)).verdict, 'udp', lying);
  }
});

test('the length trims; 0 leaves the IP length in force; less than a header is malformed', () => {
  const inner = vxlan(ethernet(ipv4(tcp(Buffer.from('hello')), { totalLength: 0 })));
  const outer = (length: number | undefined, tail: Buffer): Buffer => {
    const body = Buffer.concat([inner, tail]);
    return ethernet(ipv4(udp(body, { destinationPort: 4789, ...(length === undefined ? {} : { length }) })));
  };
  assert.equal(decoded(outer(8 + inner.length, Buffer.from('junk'))).payload, 'hello');
  assert.equal(decoded(outer(0, Buffer.from('more'))).payload, 'hellomore');
  const bad = decoded(outer(7, Buffer.alloc(0)));
  assert.deepEqual([bad.verdict, bad.weirds], ['malformed', ['decode.udp.bad_length']]);
});

test('a cut header is truncated', () => {
  const data = datagram(Buffer.from('query'), 53).subarray(0, 41);
  assert.deepEqual([decoded(data).verdict, decoded(data).weirds], ['truncated', ['decode.ipv4.cut', 'decode.udp.truncated']]);
});

test('GRE in UDP is taken by its destination port only', () => {
  const body = gre(ipv4(tcp(Buffer.from('hello'))), { key: 5 });
  const { payload, layers } = decoded(datagram(body, 4754));
  assert.deepEqual([payload, brief(layers)], ['hello', 'gre 5']);
  assert.equal(decoded(datagram(body, 9999, 4754)).verdict, 'udp');
});
