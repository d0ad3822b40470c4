import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { parseAddress, parsedAddress } from '../base/cidr.ts';
import { ipv4Of, ipv6Of, localAddresses } from './local-addresses.ts';

test('local addresses of IPv4 are told from broadcasts and networks', () => {
  const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.79.0.0/24 2 0 2
        +-- 10.79.0.0/28 2 0 2
           |-- 10.79.0.0
              /24 link UNICAST
           |-- 10.79.0.2
              /32 host LOCAL
        |-- 10.79.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
`;
  assert.deepEqual(ipv4Of(trie), ['10.79.0.2', '127.0.0.1']);
  assert.deepEqual(ipv4Of(''), []);
});

test('addresses of IPv6', () => {
  const list = '00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000009 02 40 00 80     eth0\n';
  assert.deepEqual(ipv6Of(list), ['0000:0000:0000:0000:0000:0000:0000:0001', '2001:0db8:0000:0000:0000:0000:0000:0009']);
  assert.deepEqual(ipv6Of('no such line\n'), []);
});

test('all that Node knows of this machine are among them, each an address that can be read', () => {
  const text = (address: string): string => {
    assert.ok(parseAddress(address), address);
    return parsedAddress.join();
  };
  const mine = new Set(localAddresses().map(text));
  for (const list of Object.values(networkInterfaces())) {
    for (const { address } of list ?? []) assert.ok(mine.has(text(address.replace(/%.*/, ''))), address);
  }
});
