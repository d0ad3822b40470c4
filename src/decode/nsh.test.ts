import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brief, decoded } from '../../test/support/decoded.ts';
import { ethernet, ipv4, ipv6, mpls, nsh, tcp } from '../../test/support/packets.ts';

const hello = tcp(Buffer.from('hello'));

test('every next protocol is known, metadata is skipped', () => {
  for (const inner of [ipv4(hello), ipv6(hello), ethernet(ipv4(hello)), mpls(ipv4(hello)), nsh(ipv4(hello))]) {
    for (const bytes of [0, 16, 200]) {
      const { payload, layers } = decoded(ethernet(nsh(inner, { metadata: Buffer.alloc(bytes) })));
      assert.equal(payload, 'hello');
      assert.match(brief(layers), /^nsh/);
    }
  }
});

test('unknown, impossible and cut headers', () => {
  assert.equal(decoded(ethernet(nsh(ipv4(hello), { nextProtocol: 6 }))).verdict, 'not-ip');
  const tiny = nsh(ipv4(hello));
  tiny[1] = 0xc1;
  const short = decoded(ethernet(tiny, { type: 0x894f }));
  assert.deepEqual([short.verdict, short.weirds], ['malformed', ['decode.nsh.bad_length']]);
  for (const bytes of [21, 30]) {
    const cut = decoded(ethernet(nsh(ipv4(hello), { metadata: Buffer.alloc(16) })).subarray(0, bytes));
    assert.deepEqual([cut.verdict, cut.weirds], ['truncated', ['decode.nsh.truncated']]);
  }
});
