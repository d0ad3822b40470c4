import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { type InterfaceState, listInterfaces, matchInterfaces, readMessages } from './interfaces.ts';

function state(name: string): InterfaceState {
  const rest = { kind: '', tunnelPort: 0, rxPackets: 0, rxBytes: 0, rxDropped: 0 };
  return { index: 1, name, up: true, carrier: true, loopback: false, mtu: 1500, type: 1, ...rest };
}

test('the kernel lists loopback, and every interface that has an address', () => {
  const list = listInterfaces();
  const loopback = list.filter((i) => i.loopback);
  assert.equal(loopback.length, 1);
  assert.equal(loopback[0].name, 'lo');
  assert.equal(loopback[0].type, 772);
  assert.ok(loopback[0].mtu > 0);
  const names = list.map((i) => i.name);
  for (const name of Object.keys(networkInterfaces())) assert.ok(names.includes(name), `${name} in ${names}`);
  assert.equal(new Set(list.map((i) => i.index)).size, list.length);
});

test('an interface is read from its message, whatever is around it', () => {
  // RTM_NEWLINK of a veth "eni7", index 4, down, MTU 9001; then NLMSG_DONE.
  const name = attribute(3, Buffer.from('eni7\0'));
  const mtu = attribute(4, Buffer.from([0x29, 0x23, 0, 0]));
  const kind = attribute(18, attribute(1, Buffer.from('veth\0')));
  const numbers = Buffer.alloc(192);
  numbers.writeBigUInt64LE(5n, 0);
  numbers.writeBigUInt64LE(700n, 16);
  numbers.writeBigUInt64LE(1n, 48);
  numbers.writeBigUInt64LE(2n, 120);
  const body = Buffer.concat([link(1, 4, 0x1002), name, attribute(99, Buffer.alloc(3)), mtu, kind, attribute(23, numbers)]);
  const datagram = Buffer.concat([message(16, 0, body), message(3, 0, Buffer.alloc(4))]);
  const list: InterfaceState[] = [];
  assert.equal(readMessages(datagram, list), true);
  const rest = { kind: 'veth', tunnelPort: 0, rxPackets: 5, rxBytes: 700, rxDropped: 3 };
  assert.deepEqual(list, [{ index: 4, name: 'eni7', up: false, carrier: false, loopback: false, mtu: 9001, type: 1, ...rest }]);
});

test('the port of a tunnel device is read, of other devices the same attribute means something else', () => {
  const port = (kind: string, type: number, value: Buffer): number | undefined => {
    const info = Buffer.concat([attribute(1, Buffer.from(`${kind}\0`)), attribute(2, attribute(type, value))]);
    const list: InterfaceState[] = [];
    readMessages(message(16, 0, Buffer.concat([link(1, 4, 0x1002), attribute(18, info)])), list);
    return list[0]?.tunnelPort;
  };
  assert.equal(port('vxlan', 15, Buffer.from([0x12, 0xb5])), 4789);
  assert.equal(port('geneve', 5, Buffer.from([0x17, 0xc1])), 6081);
  assert.equal(port('geneve', 15, Buffer.from([0x17, 0xc1])), 0);
  assert.equal(port('bridge', 15, Buffer.from([0x12, 0xb5])), 0);
  assert.equal(port('vxlan', 15, Buffer.from([0x12])), 0);
});

test('a dump that was disturbed, an error, and a cut datagram are told apart', () => {
  const one = message(16, 0, Buffer.concat([link(772, 1, 0x10049), attribute(3, Buffer.from('lo\0'))]));
  assert.equal(readMessages(one, []), false);
  assert.equal(readMessages(message(16, 0x10, link(1, 1, 0)), []), 'changed');
  assert.equal(readMessages(message(2, 0, Buffer.alloc(4)), []), true);
  for (let cut = 0; cut < one.length; cut++) {
    const list: InterfaceState[] = [];
    readMessages(one.subarray(0, cut), list);
    assert.deepEqual(list, [], `cut at ${cut}`);
  }
});

test('patterns mean what a shell means; names that do not exist are missing', () => {
  const list = ['lo', 'eth0', 'eni1', 'eni22', 'veth-eni1'].map(state);
  const names = (...patterns: string[]): string[] => matchInterfaces(patterns, list).matched.map((m) => m.interface.name);
  assert.deepEqual(names('eni*'), ['eni1', 'eni22']);
  assert.deepEqual(names('eni?'), ['eni1']);
  assert.deepEqual(names('*'), ['lo', 'eth0', 'eni1', 'eni22', 'veth-eni1']);
  assert.deepEqual(names('*eni*1'), ['eni1', 'veth-eni1']);
  assert.deepEqual(names('*n*2*2'), ['eni22']);
  assert.deepEqual(names('e?*?*0'), ['eth0']);
  assert.deepEqual(names(''), []);
  assert.deepEqual(names('eth'), []);
  assert.deepEqual(matchInterfaces(['eth0', 'eth*'], list).matched, [{ interface: list[1], pattern: 'eth0' }]);
  assert.deepEqual(matchInterfaces(['eth1', 'eth1', 'ens*', 'lo'], list).missing, ['eth1']);
});

test('a pattern of many stars against a long name is quick', () => {
  const long = state('a'.repeat(2000));
  assert.deepEqual(matchInterfaces([`${'*a'.repeat(500)}*b`], [long]).matched, []);
});

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

function link(type: number, index: number, flags: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(type, 2);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags, 8);
  return bytes;
}

function message(type: number, flags: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(16 + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  body.copy(bytes, 16);
  return bytes;
}
