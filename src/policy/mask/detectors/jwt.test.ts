import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultMasking } from '../../default-masking.ts';
import { findings, useRules } from '../detect-testing.ts';

useRules(defaultMasking.rules);

const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');
const CLAIMS = Buffer.from('{"sub":"1234567890","name":"Ann"}').toString('base64url');

test('JWT: of base64 as well, with padding, or with escapes in the header', () => {
  const coded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
  const padded = coded({ alg: 'HS256', t: 11 });
  const odd = coded({ password: 'hunter2', x: '???>>>~~~' });
  assert.match(padded, /=$/);
  assert.match(odd, /\//);
  for (const token of [
    `${HEADER}.${coded({ s: 12 })}.hunter2`,
    `${HEADER}.${odd}.hunter2`,
    `${HEADER}.${odd}.hun/ter+2==`,
    `${padded}.${odd}.hunter2`,
    `${coded({ typ: '??>>~~', alg: 'HS256' })}.${odd}.hunter2`,
    `${Buffer.from('{"al\\u0067":"HS256"}').toString('base64url')}.${CLAIMS}.hunter2`,
  ])
    for (const before of ['', 'see ', 'eyes/ewes/', 'a='])
      assert.ok(findings(`${before}${token} there`).includes(`jwt:${token}`), `${before}${token}`);
  // Asked again, behind a finding of another rule.
  assert.ok(findings(`ann@example.com ${padded}.${odd}.hunter2`).some((text) => text.startsWith(`jwt:${padded}`)));
});
