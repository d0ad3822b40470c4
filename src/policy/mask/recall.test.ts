import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultMasking } from '../default-masking.ts';
import { detectors, findAll, random, useRules, valueDetectors } from './detect-testing.ts';
import { makers } from './secrets-testing.ts';

const each = 2000;

/** As it stands in calls. */
const contexts: readonly ((value: string) => string)[] = [
  (value) => value,
  (value) => `{"note":"${value}","n":1}`,
  (value) => `["a","${value}"]`,
  (value) => `Paid with ${value} on Monday`,
  (value) => `ref=${value}&x=1`,
  (value) => `a;${value};b`,
  (value) => `${value}\n`,
  (value) => `<note>${value}</note>`,
  (value) => `备注：${value}。`,
  (value) => `(${value})`,
  (value) => `/v1/items/${value}/x`,
  (value) => `${value}, ${value}`,
];

test('true secrets: all are found whole, by their own detector alone and by all together', (t) => {
  for (const together of [false, true]) {
    let n = 0;
    for (const [name, kind, make] of makers) {
      useRules(together ? detectors(...valueDetectors) : detectors(name));
      const next = random(42);
      for (let i = 0; i < each; i++) {
        const value = make(next);
        const text = inContext(value, i);
        const found = findAll(text);
        const isHidden = found.some(({ text: part }) => part.includes(value)) || (together && !rest(text, found).includes(value.slice(-6)));
        assert.ok(isHidden, `${kind}: ${text} gave ${JSON.stringify(found)}`);
        n++;
      }
    }
    t.diagnostic(`${n} secrets, all found${together ? ' by all detectors together' : ''}`);
  }
});

/** A number with slashes is not told from segments of a path. */
function inContext(value: string, i: number): string {
  const text = contexts[i % contexts.length](value);
  return text.startsWith('/') && value.includes('/') ? value : text;
}

/** What is left of a text when its findings are taken out. */
function rest(text: string, found: readonly { readonly text: string }[]): string {
  return found.reduce((left, { text: part }) => left.replace(part, '*'), text);
}

test('the shipped rules find them too', () => {
  useRules(defaultMasking.rules);
  const next = random(43);
  for (const [, kind, make] of makers)
    for (let i = 0; i < 300; i++) {
      const value = make(next);
      const text = inContext(value, i);
      assert.ok(!rest(text, findAll(text)).includes(value), `${kind}: ${text}`);
    }
});
