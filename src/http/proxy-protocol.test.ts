import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress } from '../base/address.ts';
import { bytes, packetRegion, words } from '../base/arena.ts';
import { blockBytesUsed, release, resetBlocks } from '../base/blocks.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { PROXY_SOURCE, PROXY_VERSION, proxyBlock, readProxy1, readProxy2 } from './proxy-protocol.ts';

const AT = packetRegion.at + 1;
resetBlocks(1 << 20);

/** How many bytes the header takes (or -1, -2), and the source it names. */
function read(data: Buffer, version: 1 | 2): [number, string | null] {
  resetWeirds();
  data.copy(bytes, AT);
  const after = version === 1 ? readProxy1(AT, AT + data.length) : readProxy2(AT, AT + data.length);
  const block = proxyBlock();
  if (block === 0) return [after < 0 ? after : after - AT, null];
  const w = (block >> 2) + PROXY_SOURCE;
  const source = `${formatAddress(words[(block >> 2) + PROXY_VERSION], words[w], words[w + 1], words[w + 2], words[w + 3])} ${words[(block >> 2) + 1]}`;
  release(block);
  assert.equal(blockBytesUsed(), 0);
  return [after - AT, source];
}
const v1 = (text: string): [number, string | null] => read(Buffer.from(text, 'latin1'), 1);
const v2 = (hex: string): [number, string | null] => read(Buffer.from(`0d0a0d0a000d0a515549540a${hex}`.replaceAll(' ', ''), 'hex'), 2);

test('version 1', () => {
  assert.deepEqual(v1('PROXY TCP4 203.0.113.9 192.0.2.7 51234 443\r\nGET'), [44, '203.0.113.9 51234']);
  assert.deepEqual(v1('PROXY TCP6 2001:db8::9 ::1 1 2\r\n'), [32, '2001:db8::9 1']);
  assert.deepEqual(v1('PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n')[1], '::ffff:203.0.113.9 1');
  assert.deepEqual(v1('PROXY UNKNOWN\r\n'), [15, null]);
  assert.deepEqual(v1('PROXY UNKNOWN what ever\r\n'), [25, null]);
  assert.equal(weirdCount('http.proxy.malformed'), 0);
});

test('version 1, not whole and not right', () => {
  const line = 'PROXY TCP4 203.0.113.9 192.0.2.7 51234 443\r\n';
  for (let n = 6; n < line.length; n++) assert.deepEqual(v1(line.slice(0, n)), [-1, null]);
  assert.deepEqual(v1(`PROXY TCP4 ${'9'.repeat(120)}`), [-2, null]);
  assert.equal(weirdCount('http.proxy.malformed'), 1);
  assert.deepEqual(v1('PROXY TCP4 203.0.113.999 192.0.2.7 1 2\r\n'), [40, null]);
  assert.equal(weirdCount('http.proxy.malformed'), 1);
  assert.deepEqual(v1('PROXY TCP4 2001:db8::9 ::1 1 2\r\n')[1], null);
  assert.deepEqual(v1('PROXY TCP4 203.0.113.9\r\n')[1], null);
});

test('version 2', () => {
  assert.deepEqual(v2('2111 000c cb007109 c0000207 c822 01bb'), [28, '203.0.113.9 51234']);
  assert.deepEqual(v2('2121 0024 20010db8000000000000000000000009 00000000000000000000000000000001 0001 0002'), [52, '2001:db8::9 1']);
  assert.deepEqual(v2('2111 0011 cb007109 c0000207 c822 01bb 04 0002 0000 4745'), [33, '203.0.113.9 51234']);
  assert.deepEqual(v2('2000 0000'), [16, null]);
  assert.deepEqual(v2('2131 0004 00000000'), [20, null]);
  assert.deepEqual(v2('2111 0004 00000000'), [20, null]);
  assert.equal(weirdCount('http.proxy.malformed'), 0);
});

test('version 2, not whole and not right', () => {
  assert.deepEqual(v2('2111'), [-1, null]);
  assert.deepEqual(v2('2111 000c cb007109'), [-1, null]);
  assert.deepEqual(v2('1111 0000'), [-2, null]);
  assert.equal(weirdCount('http.proxy.malformed'), 1);
});
