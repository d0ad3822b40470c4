import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked, setRules } from '../../../test/support/masking.ts';
import { defaultMasking } from '../default-masking.ts';
import './document.ts';
import { maskText } from './text.ts';
import { walkXml } from './xml.ts';

const CARD = '4111111111111111';
setRules(defaultMasking.rules);
const cut = (source: string): string => masked(source, maskText, true).text;

test('text that is cut: what may be the beginning of a number is masked, whatever separates its groups', () => {
  for (const separator of ['', ' ', '-', '\t', '\n', '\r\n', '  ', ' - ', '\u00a0', '\u00a0 ', ' \u2013 ', '\u2009'])
    for (const groups of [1, 2, 3, 4]) {
      const whole = `${CARD.match(/.{4}/g)?.slice(0, groups).join(separator)}${separator}`;
      for (const n of [whole.length, whole.length - 1, whole.length - separator.length - 1])
        assert.match(
          cut(`your card ${whole.slice(0, n)}`),
          /^your card (?:\*unreadable\*|\*payment-card\*\s*)$/,
          JSON.stringify([separator, n]),
        );
    }
});

test('text that is cut: an IBAN in groups is masked from its beginning, whatever letters are in it', () => {
  for (const iban of ['BR72 0865 6915 0788 1923 1199 333U J', 'GB82 WEST 1234 5698 7654 32', 'FR14 2004 1010 0505 0001 3M02 606'])
    for (let n = 6; n <= iban.length; n++) {
      const text = cut(`pay to ${iban.slice(0, n)}`);
      assert.match(text, /^pay to (?:\*unreadable\*|\*iban\*.*)$/, `${iban.slice(0, n)} -> ${text}`);
    }
  assert.equal(cut('AB12 is the name of a long road'), 'AB12 is the name of a long *unreadable*');
  const coded = masked('<item>&#x42;R72 0865 6915 0788 1923 1199 333U J', walkXml, true).text;
  assert.doesNotMatch(coded, /R72|0865|333U/);
  assert.doesNotMatch(masked('<item>see ann.lee@exampl&#x65;&#x2E;com ther', walkXml, true).text, /ann/);
});

test('text that is cut: of columns of numbers no more is masked than a number may have digits', () => {
  const column = '1\t22\t333\n'.repeat(200);
  const text = cut(column);
  assert.ok(text.startsWith(column.slice(0, -100)) && text.endsWith('*unreadable*'), text.slice(-200));
  assert.equal(cut('two words'), 'two *unreadable*');
  assert.equal(cut('v2 in words'), 'v2 in *unreadable*');
});
