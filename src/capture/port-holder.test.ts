import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSocketLine } from './port-holder.ts';

test('lines of /proc/net/udp and udp6', () => {
  const four =
    ' 6754: 0100007F:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 587022 2 00000000af396d3d 0        ';
  assert.deepEqual(readSocketLine(four), { address: '127.0.0.1', port: 4789, userId: 1000, inode: 587022 });
  const six =
    '  17: B80D0120000000000000000001000000:17C1 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 0 0';
  assert.deepEqual(readSocketLine(six), { address: '2001:db8::1', port: 6081, userId: 0, inode: 42 });
});

test('other lines are none', () => {
  for (const line of [
    '',
    '  sl  local_address rem_address   st tx_queue rx_queue',
    ' 1: 0100007F:12B5 00000000:0000 07',
    ' 1: 0100:12B5 a b c d e f g h',
  ]) {
    assert.equal(readSocketLine(line), null, line);
  }
});
