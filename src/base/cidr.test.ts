import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { isInAny, normaliseAddress, parseAddress, parseCidr } from './cidr.ts';

test('addresses in their one spelling', () => {
  const cases: [string, string | null][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::0:1', '2001:db8::1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::ffff:0a01:0203', '10.1.2.3'],
    ['64:ff9b::10.1.2.3', '64:ff9b::a01:203'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['', null],
    [' 10.0.0.1', null],
    ['10.0.0.1 ', null],
    ['10.0.0', null],
    ['10.0.0.1.2', null],
    ['10.0.0.256', null],
    ['10.0.0.01', null],
    ['10.0.0.0001', null],
    ['10..0.1', null],
    ['10.0.0.1:80', null],
    [':', null],
    [':::', null],
    ['1:2:3:4:5:6:7', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['1:2:3:4:5:6:7:8::', null],
    ['1::2::3', null],
    ['1:', null],
    [':1', null],
    ['12345::', null],
    ['g::', null],
    ['fe80::1%eth0', null],
    ['[::1]', null],
    ['::1.2.3', null],
    ['1:2:3:4:5:6:7:1.2.3.4', null],
    ['unknown', null],
  ];
  for (const [text, want] of cases) assert.equal(normaliseAddress(text), want, text);
});

test('accepts what node:net accepts, zones aside', () => {
  const any = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'F', ':', '::', '.', '25'), maxLength: 20 }),
  );
  fc.assert(
    fc.property(any, (text) => {
      assert.equal(parseAddress(text), isIP(text) !== 0, text);
    }),
    { numRuns: 3000 },
  );
});

test('membership agrees with node:net', () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.ipV4(),
      fc.integer({ min: 0, max: 32 }),
      fc.ipV6(),
      fc.integer({ min: 0, max: 128 }),
      fc.ipV4(),
      fc.ipV6(),
      (six, net4, bits4, net6, bits6, one4, one6) => {
        const list = new BlockList();
        if (six) list.addSubnet(net6, bits6, 'ipv6');
        else list.addSubnet(net4, bits4, 'ipv4');
        const block = parseCidr(six ? `${net6}/${bits6}` : `${net4}/${bits4}`);
        assert.ok(block);
        const family = six ? 'ipv6' : 'ipv4';
        for (const text of six ? [one6, net6] : [one4, net4]) {
          parseAddress(text);
          assert.equal(isInAny([block]), list.check(text, family), text);
        }
      },
    ),
  );
});

test('blocks: addresses alone, host bits, both families, and what is no block', () => {
  const inside = (block: string, text: string): boolean => {
    const cidr = parseCidr(block);
    assert.ok(cidr, block);
    assert.ok(parseAddress(text));
    return isInAny([cidr]);
  };
  assert.equal(inside('10.1.2.3/8', '10.255.0.1'), true);
  assert.equal(inside('10.1.2.3/8', '11.0.0.1'), false);
  assert.equal(inside('10.1.2.3', '10.1.2.3'), true);
  assert.equal(inside('10.1.2.3', '10.1.2.4'), false);
  assert.equal(inside('0.0.0.0/0', '203.0.113.9'), true);
  assert.equal(inside('0.0.0.0/0', '2001:db8::1'), false);
  assert.equal(inside('::/0', '203.0.113.9'), true);
  assert.equal(inside('10.0.0.0/8', '::ffff:10.0.0.1'), true);
  assert.equal(inside('::ffff:10.0.0.0/104', '10.0.0.1'), true);
  assert.equal(inside('2001:db8::/33', '2001:db8:8000::'), false);
  for (const text of ['', '/', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/8/8', 'x/8', '10.0.0/8'])
    assert.equal(parseCidr(text), null, text);
  assert.equal(isInAny([]), false);
});
