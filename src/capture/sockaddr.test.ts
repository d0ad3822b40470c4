import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressBytes, addressText, readSockaddr, writeSockaddr } from './sockaddr.ts';

test('addresses become bytes, and bytes the one text of each address', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['10.0.0.1', '0a000001', '10.0.0.1'],
    ['255.255.255.255', 'ffffffff', '255.255.255.255'],
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['2001:0DB8::0001', '20010db8000000000000000000000001', '2001:db8::1'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['1:0:0:2:0:0:0:3', '00010000000000020000000000000003', '1:0:0:2::3'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221', '64:ff9b::c000:221'],
  ];
  for (const [text, hex, back] of cases) {
    const bytes = addressBytes(text);
    assert.equal(bytes?.toString('hex'), hex, text);
    assert.equal(addressText(Buffer.from(hex, 'hex')), back, text);
  }
});

test('what is no address is none', () => {
  for (const text of ['', 'localhost', '10.0.0', '10.0.0.256', '010.0.0.1', '1::2::3', '[::1]', 'fe80::1%eth0', '10.0.0.1:80']) {
    assert.equal(addressBytes(text), null, text);
    assert.equal(writeSockaddr({ address: text, port: 1 }), null, text);
  }
});

test('sockaddr_in and sockaddr_in6, byte for byte and back', () => {
  const four = { address: '192.0.2.7', port: 4789 };
  const six = { address: '2001:db8::7', port: 65535 };
  assert.equal(writeSockaddr(four)?.toString('hex'), '020012b5c00002070000000000000000');
  assert.equal(writeSockaddr(six)?.toString('hex'), '0a00ffff0000000020010db800000000000000000000000700000000');
  for (const one of [four, six]) assert.deepEqual(readSockaddr(writeSockaddr(one) as Buffer), one);
  const longer = Buffer.concat([writeSockaddr(four) as Buffer, Buffer.alloc(12)]);
  assert.deepEqual(readSockaddr(longer), four);
});

test('another family, and one cut short, are null', () => {
  const six = writeSockaddr({ address: '::1', port: 1 }) as Buffer;
  assert.equal(readSockaddr(six.subarray(0, 27)), null);
  assert.equal(readSockaddr(six.subarray(0, 2)), null);
  assert.equal(readSockaddr(Buffer.alloc(28, 1)), null);
});
