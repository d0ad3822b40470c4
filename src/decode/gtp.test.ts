import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, gtp, ipv4, ipv6, tcp, udp } from '../../test/support/packets.ts';

const inner = ipv4(tcp(Buffer.from('hello')));
const over = (payload: Buffer, ports: { sourcePort?: number; destinationPort?: number } = {}): Buffer =>
  ethernet(ipv4(udp(payload, ports)));
const extension = (words: number): { type: number; content: Buffer } => ({ type: 0x85, content: Buffer.alloc(words * 4 - 2) });

test('user packets are found behind sequence numbers and extension headers', () => {
  for (const payload of [inner, ipv6(tcp(Buffer.from('hello')))]) {
    for (const options of [
      {},
      { sequence: 7 },
      { extensions: [extension(1)] },
      { sequence: 1, extensions: [extension(2), extension(1)] },
    ]) {
      const { payload: text, layers } = decoded(over(gtp(payload, { teid: 0x8c63b5b6, ...options })));
      assert.deepEqual([text, brief(layers)], ['hello', `gtp ${0x8c63b5b6}`]);
    }
  }
  assert.equal(decoded(over(gtp(inner), { sourcePort: 2152, destinationPort: 50000 })).payload, 'hello');
});

test('what is no user packet is UDP', () => {
  assert.equal(decoded(over(gtp(inner, { messageType: 1 }))).verdict, 'udp');
  assert.equal(decoded(over(gtp(Buffer.alloc(40, 0x77)))).verdict, 'udp');
  assert.equal(decoded(over(Buffer.alloc(40, 0xff), { destinationPort: 2152 })).verdict, 'udp');
  const endless = gtp(inner, { extensions: Array.from({ length: 20 }, () => extension(1)) });
  assert.equal(decoded(over(endless)).verdict, 'udp');
  const zero = gtp(inner, { extensions: [extension(1)] });
  zero[12] = 0;
  assert.equal(decoded(over(zero)).verdict, 'udp');
});

test('a cut header or extension is truncated', () => {
  const data = over(gtp(inner, { extensions: [extension(4)] }));
  for (const bytes of [45, 53, 54, 60, 70]) {
    const cut = decoded(data.subarray(0, bytes), { wireBytes: data.length });
    assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.ipv4.cut', 'decode.gtp.truncated']], `${bytes}`);
  }
});
