import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, ipv4, ipv6, l2tp, l2tpV3, tcp, udp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));
const over = (payload: Buffer, ports: { sourcePort?: number; destinationPort?: number } = {}): Buffer =>
  ethernet(ipv4(udp(payload, ports)));

test('version 2 carries PPP, with every optional field', () => {
  for (const inner of [ipv4(hello), ipv6(hello)]) {
    for (const length of [false, true]) {
      for (const sequence of [false, true]) {
        for (const offset of [{}, { offset: 0 }, { offset: 6 }]) {
          const { payload, layers } = decoded(over(l2tp(inner, { tunnelId: 3, session: 4, length, sequence, ...offset })));
          assert.deepEqual([payload, brief(layers)], ['hello', 'l2tp 4']);
        }
      }
    }
  }
});

test('version 3 is read over IP and UDP, whatever its cookie', () => {
  for (const inner of [ethernet(ipv4(hello)), ipv4(hello), ipv6(hello)]) {
    for (const bytes of [0, 4, 8]) {
      for (const sublayer of [false, true]) {
        const options = { session: 0xff000001, cookie: Buffer.alloc(bytes, 0xcc), sublayer };
        for (const data of [ethernet(ipv4(l2tpV3(inner, options))), over(l2tpV3(inner, { ...options, inUdp: true }))]) {
          const { payload, layers } = decoded(data);
          assert.deepEqual([payload, brief(layers)], ['hello', `l2tp ${0xff000001}`]);
        }
      }
    }
  }
});

test('control messages and unknown payloads are left alone', () => {
  const control = l2tp(ipv4(hello), { length: true });
  control[0] = 0xc8;
  assert.equal(decoded(over(control, { destinationPort: 1701 })).verdict, 'udp');
  assert.equal(decoded(ethernet(ipv4(l2tpV3(ipv4(hello), { session: 0 })))).verdict, 'other-ip');
  assert.equal(decoded(ethernet(ipv4(l2tpV3(Buffer.alloc(80, 0x11))))).verdict, 'other-ip');
});

test('a cut header is truncated', () => {
  const data = over(l2tp(ipv4(hello), { length: true, sequence: true, offset: 4 }));
  for (const bytes of [43, 47, 55, 59]) {
    const cut = decoded(data.subarray(0, bytes), { wireBytes: data.length });
    assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.ipv4.cut', 'decode.l2tp.truncated']], `${bytes}`);
  }
});
