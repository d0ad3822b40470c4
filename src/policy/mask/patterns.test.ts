import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { resetWeirds, weirdCount } from '../../base/weird.ts';
import { detectors, findAll, findings, rule, underName, useRules } from './detect-testing.ts';
import { looked } from './detectors/classes.ts';
import { resetRules } from './rules.ts';

beforeEach(() => resetWeirds());

test('a pattern finds all its matches, among those of the detectors, in order', () => {
  useRules([rule({ name: 'staff', pattern: 'S-[0-9]{4}' }), ...detectors('email', 'payment-card')]);
  assert.deepEqual(findings('S-1234, ann@example.com S-5678 4111111111111111 S-9'), [
    'staff:S-1234',
    'email:ann@example.com',
    'staff:S-5678',
    'payment-card:4111111111111111',
  ]);
});

test('where a match and a finding overlap, the first byte decides, and the rest of the other is masked too', () => {
  useRules([rule({ name: 'p', pattern: 'x ann|com [a-z]+' }), ...detectors('email')]);
  assert.deepEqual(findings('x ann@example.com next'), ['p:x ann', 'p:com next']);
  useRules([rule({ name: 'p', pattern: 'com [a-z]+' }), ...detectors('email')]);
  assert.deepEqual(findings('ann@example.com next'), ['email:ann@example.com', 'p: next']);
});

test('characters beyond ASCII, and bytes that are no text', () => {
  useRules([rule({ name: 'p', pattern: 'Straße [0-9]+|\\p{Han}+' })]);
  assert.deepEqual(findings('in der Straße 12, 北京!'), ['p:Straße 12', 'p:北京']);
  assert.deepEqual(
    findAll(Buffer.from([0xff, 0xfe, 0xe5, 0x8c, 0x97, 0xc3])).map(({ text }) => text),
    ['北'],
  );
});

test('validators', () => {
  useRules([rule({ name: 'p', pattern: '[0-9 ]{6,}', validator: 'luhn' })]);
  assert.deepEqual(findings('7992 7398 713,79927398714'), ['p:7992 7398 713']);
  useRules([rule({ name: 'p', pattern: '[A-Z]{2}[0-9]{2}[0-9A-Z]+', validator: 'mod97' })]);
  assert.deepEqual(findings('GB82WEST12345698765432 GB83WEST12345698765432'), ['p:GB82WEST12345698765432']);
});

test('a pattern that is none is refused by the name of its rule, and the rules before stay', () => {
  useRules([rule({ name: 'good', pattern: 'abc' })]);
  for (const pattern of ['a(b', '(?=a)', '(a)\\1'])
    assert.throws(
      () => resetRules({ rules: [...detectors('email'), rule({ name: 'my-rule', pattern })], binaryBodies: 'remove' }),
      /masking rule my-rule: /,
      pattern,
    );
  assert.deepEqual(findings('abc ann@example.com'), ['good:abc']);
});

test('rules with a pattern apply at their places and keep off from their notFields', () => {
  useRules([rule({ name: 'a', pattern: 'abc', places: ['query'] }), rule({ name: 'b', pattern: 'abcd', notFields: ['note'] })]);
  assert.deepEqual(findings('abcd'), ['b:abcd']);
  underName('note');
  assert.deepEqual(findings('abcd'), []);
});

test('a long value is looked at in windows: nothing is lost at their edges, and ^ and $ mean the value', () => {
  useRules([rule({ name: 'p', pattern: 'S-[0-9]{4}' })]);
  const value = Array.from({ length: 600 }, (_, i) => `${'.'.repeat(90 + (i % 7))}S-${1000 + i}`).join('');
  assert.deepEqual(
    findings(value),
    Array.from({ length: 600 }, (_, i) => `p:S-${1000 + i}`),
  );
  for (const pattern of ['^a', 'a$', '\\Aa', 'a\\z']) {
    useRules([rule({ name: 'p', pattern })]);
    assert.equal(findings('a'.repeat(50_000)).length, 1, pattern);
  }
  useRules([rule({ name: 'p', pattern: '^b|b$|\\bc\\b' })]);
  assert.deepEqual(findings('a'.repeat(50_000)), []);
});

test('a match longer than a window is masked from end to end', () => {
  useRules([rule({ name: 'p', pattern: 'x+' })]);
  const found = findAll(`a${'x'.repeat(40_000)}b`);
  assert.ok(found.map(({ text }) => text).join('') === 'x'.repeat(40_000));
});

test('patterns that would take quadratic time: the rest is masked whole, and counted', () => {
  useRules([rule({ name: 'evil', pattern: 'x.*y|a' })]);
  const cost = (n: number): number => {
    looked[0] = 0;
    const found = findAll('xa'.repeat(n / 2));
    assert.equal(found.at(-1)?.text.endsWith('a'), true);
    return looked[0];
  };
  const small = cost(10_000);
  const large = cost(1_000_000);
  assert.ok(large <= 110 * small, `${small} and ${large}`);
  assert.ok(weirdCount('limit.policy.pattern_work') >= 2);
});

test('evil patterns of other engines take one pass', () => {
  for (const pattern of ['(a+)+$', '(a|a)*b', '(a*)*c', '(x+x+)+y', '([a-z]+)*[0-9]']) {
    useRules([rule({ name: 'evil', pattern })]);
    looked[0] = 0;
    findAll(`${'a'.repeat(100_000)}!`);
    assert.ok(looked[0] < 3_000_000, pattern);
  }
});
