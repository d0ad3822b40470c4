/** Descriptors: what they say of names and methods, and what is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { descriptorSet, field, proto } from '../../test/support/protobuf.ts';
import { Descriptors, WrongDescriptor } from './descriptor.ts';

const shop = descriptorSet({
  package: 'shop.v1',
  messages: { Item: [{ name: 'sku', number: 1, type: 'string' }], Empty: [] },
  services: { Cart: { Add: ['.shop.v1.Item', '.shop.v1.Empty'], Find: ['.elsewhere.Query', '.shop.v1.Item'] } },
});

test('methods by path, with their types; null for one that no file has', () => {
  const { methods, messages } = new Descriptors([shop]);
  assert.deepEqual([...messages.keys()], ['shop.v1.Item', 'shop.v1.Empty']);
  assert.equal(methods.get('shop.v1.Cart/Add')?.input?.name, 'shop.v1.Item');
  assert.equal(methods.get('shop.v1.Cart/Find')?.input, null);
  assert.equal(methods.get('shop.v1.Cart/Find')?.output?.name, 'shop.v1.Item');
  assert.equal(methods.get('shop.v1.Cart/Gone'), undefined);
});

test('types nested in types, extensions, and types of another file', () => {
  const inner = field(3, proto(field(1, 'Inner'), field(2, proto(field(1, 'deep'), field(3, 4), field(4, 1), field(5, 9)))));
  const user = proto(field(1, 'use'), field(3, 1), field(4, 1), field(5, 11), field(6, '.a.Outer.Inner'));
  const outer = field(4, proto(field(1, 'Outer'), inner));
  const first = field(1, proto(field(1, 'a.proto'), field(2, 'a'), outer));
  const extension = field(7, proto(field(1, 'more'), field(2, '.a.Outer'), field(3, 100), field(4, 1), field(5, 9)));
  const second = field(1, proto(field(1, 'b.proto'), field(2, 'b'), field(4, proto(field(1, 'User'), field(2, user))), extension));
  for (const files of [[first, second], [second, first], [Buffer.concat([second, first])]]) {
    const { messages } = new Descriptors(files);
    const found = messages.get('b.User')?.fields.get(1);
    assert.equal(found?.message?.name, 'a.Outer.Inner');
    assert.equal(Buffer.from(found?.message?.fields.get(4)?.key ?? []).toString(), '"deep":');
    assert.equal(Buffer.from(messages.get('a.Outer')?.fields.get(100)?.key ?? []).toString(), '"[b.more]":');
  }
});

test('names of types without a dot before them are looked for from the inside out', () => {
  const own = (number: number, typeName: string): Buffer =>
    field(2, proto(field(1, `f${number}`), field(3, number), field(4, 1), field(5, 11), field(6, typeName)));
  const inner = field(3, proto(field(1, 'Inner'), own(1, 'Inner'), own(2, 'Top'), own(3, 'b.Top'), own(4, 'a.b.Top'), own(5, 'Gone')));
  const messages = proto(field(4, proto(field(1, 'Outer'), inner)), field(4, proto(field(1, 'Top'))));
  const service = field(6, proto(field(1, 'S'), field(2, proto(field(1, 'M'), field(2, 'Top'), field(3, 'Outer.Inner')))));
  const found = new Descriptors([field(1, proto(field(1, 'c.proto'), field(2, 'a.b'), messages, service))]);
  const names = [1, 2, 3, 4, 5].map((n) => found.messages.get('a.b.Outer.Inner')?.fields.get(n)?.message?.name);
  assert.deepEqual(names, ['a.b.Outer.Inner', 'a.b.Top', 'a.b.Top', 'a.b.Top', undefined]);
  assert.equal(found.methods.get('a.b.S/M')?.output?.name, 'a.b.Outer.Inner');
});

test('what is no descriptor set says so, whatever it is', () => {
  const wrong = (bytes: Uint8Array): void => assert.throws(() => new Descriptors([bytes]), WrongDescriptor);
  wrong(Buffer.alloc(0));
  wrong(Buffer.from('syntax = "proto3";\nmessage A {}\n'));
  wrong(Buffer.from('{"file":[]}'));
  wrong(Buffer.from('\x89PNG\r\n\x1a\n'));
  // One file of a set, without the set.
  wrong(shop.subarray(3));
  let nested = proto(field(1, 'A'));
  for (let i = 0; i < 200; i++) nested = proto(field(1, 'A'), field(3, nested));
  wrong(field(1, proto(field(1, 'deep.proto'), field(4, nested))));
  for (let n = 0; n < shop.length; n++) wrong(shop.subarray(0, n));
});

test('damaged descriptors are read or refused, and nothing else', () => {
  fc.assert(
    fc.property(fc.nat(shop.length - 1), fc.nat(255), fc.nat(shop.length - 1), fc.nat(255), (at, byte, other, second) => {
      const damaged = Buffer.from(shop);
      damaged[at] = byte;
      damaged[other] = second;
      try {
        new Descriptors([damaged]);
      } catch (error) {
        assert.ok(error instanceof WrongDescriptor, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
