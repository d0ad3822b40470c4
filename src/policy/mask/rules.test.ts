import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detectors, findings, rule, useRules } from './detect-testing.ts';
import { BODY, COOKIE, OF_RESPONSE, QUERY } from './place.ts';
import { resetRules, ruleAction, ruleAppliesAt, ruleKind, ruleName, ruleReplacement } from './rules.ts';
import { RULES_MAX } from './unreadable.ts';

test('what others ask about a rule', () => {
  useRules([
    ...detectors('email'),
    rule({ name: 'staff', pattern: 'S-[0-9]+', action: 'hash', places: ['query', 'cookie'] }),
    rule({ name: 'pin', fields: ['=pin'], replacement: '****' }),
  ]);
  assert.deepEqual([1, 2, 3].map(ruleName), ['email', 'staff', 'pin']);
  assert.equal(ruleName(0), '');
  assert.deepEqual([1, 2, 3].map(ruleKind), ['email', 'pattern', 'field']);
  assert.deepEqual([1, 2, 3].map(ruleAction), ['replace', 'hash', 'replace']);
  assert.equal(ruleReplacement(3), '****');
  assert.deepEqual(
    [QUERY, QUERY + OF_RESPONSE, COOKIE, BODY].map((place) => [ruleAppliesAt(1, place), ruleAppliesAt(2, place)]),
    [
      [true, true],
      [true, true],
      [true, true],
      [true, false],
    ],
  );
  assert.equal(ruleAppliesAt(0, BODY), false);
});

test('as many rules as have numbers, and no more', () => {
  const many = Array.from({ length: RULES_MAX - 1 }, (_, i) => rule({ name: `r${i}`, fields: [`field-${i}`] }));
  useRules([...many, ...detectors('email')]);
  assert.deepEqual(findings('ann@example.com'), ['email:ann@example.com']);
  assert.throws(() => resetRules({ rules: [...many, ...detectors('email', 'phone')], binaryBodies: 'remove' }), /251 masking rules/);
  assert.deepEqual(findings('ann@example.com'), ['email:ann@example.com']);
});
