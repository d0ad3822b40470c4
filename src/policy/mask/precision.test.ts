import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultMasking } from '../default-masking.ts';
import { findAll, random, useRules } from './detect-testing.ts';
import { digits, innocentKinds } from './innocent-testing.ts';

test('innocent values: fewer than 1 % are masked by the shipped detectors, and of no kind more than 4 %', (t) => {
  const next = random(20_240_229);
  // By their content: names are another matter, and addresses of IP are not masked as shipped.
  useRules(defaultMasking.rules.filter(({ detector }) => detector !== '' && detector !== 'ip-address'));
  const each = 400;
  let masked = 0;
  const lines: string[] = [];
  for (const [kind, make] of Object.entries(innocentKinds)) {
    let n = 0;
    let example = '';
    for (let i = 0; i < each; i++) {
      const value = make(next);
      const found = findAll(value);
      if (found.length === 0) continue;
      n++;
      example = `${found[0].rule}: ${value}`;
    }
    masked += n;
    if (n > 0) lines.push(`${kind}: ${((n / each) * 100).toFixed(2)} %, as ${example}`);
    assert.ok(n / each <= 0.04, `${kind}: ${n} of ${each}, as ${example}`);
  }
  const total = each * Object.keys(innocentKinds).length;
  for (const line of lines) t.diagnostic(line);
  t.diagnostic(`${masked} of ${total} innocent values masked: ${((masked / total) * 100).toFixed(3)} %`);
  assert.ok(total >= 20_000);
  assert.ok(masked / total < 0.01);
});

test('bare numbers: by length, of 20,000 each', (t) => {
  const next = random(7);
  useRules(defaultMasking.rules.filter(({ detector }) => detector !== '' && detector !== 'ip-address'));
  const shares: string[] = [];
  for (let n = 6; n <= 20; n++) {
    let masked = 0;
    for (let i = 0; i < 20_000; i++) if (findAll(digits(next, n)).length > 0) masked++;
    shares.push(`${n} digits: ${(masked / 200).toFixed(2)} %`);
    // Cards of 16 and 19 digits are one in ten of a quarter of all numbers; the rest must be rare.
    assert.ok(masked / 20_000 < (n >= 16 && n <= 19 ? 0.035 : 0.0075), shares.at(-1));
  }
  t.diagnostic(shares.join(', '));
});
