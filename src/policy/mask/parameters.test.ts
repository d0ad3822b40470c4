import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { masked, rule, setRules } from '../../../test/support/masking.ts';
import './document.ts';
import { maskCsv } from './csv.ts';
import { maskGraphql } from './graphql.ts';
import { maskJson } from './json.ts';
import { quickKernels } from './kernels/kernels.ts';
import { walked } from './kinds.ts';
import { setQuick } from './quick.ts';
import { looksTable } from './table.ts';
import { maskXml } from './xml.ts';

setRules([
  rule({ name: 'card', detector: 'payment-card' }),
  rule({ name: 'password', fields: ['password'] }),
  rule({ name: 'number', fields: ['card-number', 'credit-card'] }),
]);

const ruleOf = (name: string): string | undefined => masked(JSON.stringify({ name, value: 'x' }), maskJson).found[0]?.split(' ')[0];

test('names with blanks: the end counts', () => {
  for (const name of ['password', ' password ', 'My Password', 'Password (old)', 'PASSWORD:', 'Enter the new password *'])
    assert.equal(ruleOf(name), 'password', name);
  for (const name of ['Card Number', 'Credit Card Number', 'Your card number (16)', 'Credit Card'])
    assert.equal(ruleOf(name), 'number', name);
  for (const name of ['Password manager', 'Credit card reader', 'Card of many numbers', 'Ann Lee', '', ' ', '()', '* *'])
    assert.equal(ruleOf(name), undefined, name);
  assert.equal(ruleOf(`/${'a/'.repeat(200)}password`), 'password');
});

const name = fc.constantFrom('name', 'Key', 'k', 'field', 'path', 'value', 'v', 'content', 'id', 'a');
const leaf = fc.constantFrom('password', 'User Password', 'Password manager', 'size', 'two cups of tea', '', 17, true, null, ['x'], {
  name: 'x',
});
const list = fc.array(fc.array(fc.tuple(name, leaf), { maxLength: 5 }), { maxLength: 4 });
const written = (objects: readonly (readonly (readonly [string, unknown])[])[]): string =>
  `[${objects.map((members) => `{${members.map(([key, value]) => `"${key}":${JSON.stringify(value)}`).join()}}`).join()}]`;

test('JSON: the same edits with the quick way as without it', { skip: quickKernels === null }, () => {
  fc.assert(
    fc.property(list, fc.boolean(), (objects, isCut) => {
      const whole = written(objects);
      const source = isCut ? whole.slice(0, whole.length >> 1) : whole;
      setQuick(false);
      const slow = masked(source, maskJson, isCut);
      setQuick(true);
      for (let i = 0; i < 3; i++) assert.deepEqual(masked(source, maskJson, isCut), slow);
    }),
    { numRuns: 3000 },
  );
});

test('parameters and tables: hostile ones are passed a bounded number of times', () => {
  const size = 200_000;
  const fill = (s: string): string => s.repeat(Math.ceil(size / s.length)).slice(0, size);
  const looks = (at: number, end: number): void => {
    looksTable(at, end, false);
  };
  for (const [source, walk] of [
    [fill('<p><value>x</value>'), maskXml],
    [`${fill('<value>x</value><name>a</name>')}<name>password</name>`, maskXml],
    [fill('<value>x</value><name>password</name>'), maskXml],
    [fill('<value><name>password</name>'), maskXml],
    [`{a(${fill('v:{')}`, maskGraphql],
    [`{a(${fill('v:{v:"x",k:password}')}`, maskGraphql],
    [`{a(${'v:{'.repeat(60)}${'k:password}'.repeat(60)})}`, maskGraphql],
    [`{"name":"${fill('password ')}","value":1}`, maskJson],
    [fill('#a,password"\n'), looks],
    [fill('#a,password\n'), looks],
    [`#a,password\n"${fill('\n')}`, looks],
    [fill('#a,password\n'), maskCsv],
    [fill('"a\\",'), maskCsv],
    [fill(' "'), maskCsv],
    [fill('a\n "'), maskCsv],
  ] as const) {
    walked[0] = 0;
    masked(source, walk);
    assert.ok(walked[0] <= 48 * source.length, `${source.slice(0, 20)}: ${walked[0] / source.length} times`);
  }
});
