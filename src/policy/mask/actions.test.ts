import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { bytes, packetRegion } from '../../base/arena.ts';
import type { ActionName, MaskingRule, MaskingSpec } from '../spec.ts';
import { mask, resetActions } from './actions.ts';
import { applyEdits, EDITS_MAX, hasEdits, resetEdits } from './edits.ts';
import { isJsonNumber, writeEscaped } from './escape.ts';
import { resetField } from './field.ts';
import { undoEscapes } from './undo.ts';
import { JSON_BARE, JSON_STRING, PLAIN, URL_FORM, URL_PATH, XML_TEXT } from './value.ts';

const SOURCE = packetRegion.at;
const VALUE = SOURCE + (1 << 20);
const MASKED = SOURCE + (4 << 20);
const key = Buffer.alloc(32, 7);

const rule = (name: string, action: ActionName, more: Partial<MaskingRule> = {}): MaskingRule => ({
  name,
  detector: '',
  pattern: '',
  validator: '',
  fields: [],
  notFields: [],
  places: [],
  action,
  replacement: '',
  ...more,
});
const rules = [
  rule('email', 'replace'),
  rule('gone', 'remove'),
  rule('id', 'hash'),
  rule('card', 'keep-last-4'),
  rule('shape', 'format-preserving'),
  rule('jwt', 'jwt-claims'),
  rule('seen', 'report'),
  rule('zero', 'replace', { replacement: '0' }),
  rule('pan', 'format-preserving', { detector: 'payment-card' }),
];
const spec: MaskingSpec = { rules, binaryBodies: 'remove' };
const numberOf = (name: string): number => rules.findIndex((own) => own.name === name) + 1;

beforeEach(() => {
  resetActions(spec, key);
  resetField();
});

/** `before`, `value` and `after` as they stand in the source, the value masked. */
function masked(name: string, value: string, form = PLAIN, before = '<', after = '>'): string {
  resetEdits();
  const at = SOURCE + bytes.write(before, SOURCE);
  const end = at + bytes.write(value, at);
  const sourceEnd = end + bytes.write(after, end);
  const valueEnd = undoEscapes(at, end, form, VALUE);
  mask(at, end, numberOf(name), VALUE, valueEnd, form);
  const to = applyEdits(SOURCE, sourceEnd, MASKED, MASKED + (1 << 20));
  const text = bytes.toString('utf8', MASKED, to);
  assert.ok(text.startsWith(before) && text.endsWith(after), text);
  return text.slice(before.length, text.length - after.length);
}

test('replace: the name between asterisks, safe in every form', () => {
  for (const form of [PLAIN, JSON_STRING, URL_FORM, URL_PATH, XML_TEXT]) assert.equal(masked('email', 'x@y.example', form), '*email*');
  assert.equal(masked('email', '12345', JSON_BARE), '"*email*"');
  assert.equal(masked('zero', '12345', JSON_BARE), '0');
  assert.equal(masked('zero', '12345', JSON_STRING), '0');
  assert.equal(masked('nobody knows this one', 'x', JSON_STRING), '*masked*');
});

test('remove: nothing, or null where JSON needs something', () => {
  assert.equal(masked('gone', 'secret'), '');
  assert.equal(masked('gone', 'secret', JSON_STRING, '{"a":"', '"}'), '');
  assert.equal(masked('gone', '12345', JSON_BARE), 'null');
});

test('hash: HMAC-SHA-256 of name, colon and value; equal values stay equal', () => {
  const hash = createHmac('sha256', key).update('id:ann@example.com').digest('hex').slice(0, 16);
  assert.equal(masked('id', 'ann@example.com'), `*id:${hash}*`);
  assert.equal(masked('id', 'ann%40example.com', URL_FORM), `*id:${hash}*`);
  assert.equal(masked('id', 'ann\\u0040example.com', JSON_STRING), `*id:${hash}*`);
  assert.equal(masked('id', 'ann&#64;example.com', XML_TEXT), `*id:${hash}*`);
  assert.notEqual(masked('id', 'bob@example.com'), `*id:${hash}*`);
  assert.match(masked('id', '12345', JSON_BARE), /^"\*id:[0-9a-f]{16}\*"$/);
  for (const length of [0, 1, 8000, 8126, 8127, 500_000]) {
    const wanted = createHmac('sha256', key)
      .update(`id:${'x'.repeat(length)}`)
      .digest('hex')
      .slice(0, 16);
    assert.equal(masked('id', 'x'.repeat(length)), `*id:${wanted}*`);
  }
  resetActions(spec, Buffer.alloc(32, 8));
  assert.notEqual(masked('id', 'ann@example.com'), `*id:${hash}*`);
});

test('keep-last-4: all letters and digits but the last four, separators stay', () => {
  for (const [value, wanted] of [
    ['4111111111111234', '************1234'],
    ['4111 1111-1111 1234', '**** ****-**** 1234'],
    ['AB-123456.', '**-**3456.'],
    ['Zoë Müllerin', '*** ****erin'],
    ['12345678', '****5678'],
    ['1234567', '*card*'],
    ['', '*card*'],
    ['x'.repeat(5000), '*card*'],
  ])
    assert.equal(masked('card', value), wanted, value);
  assert.equal(masked('card', '4111111111111234', JSON_BARE), '"************1234"');
  assert.equal(masked('card', 'a\\"bcde\\\\f1234', JSON_STRING), '*\\"****\\\\*1234');
  assert.equal(masked('card', '4111+1111%2F1234', URL_FORM), '****+****%2F1234');
  assert.equal(masked('card', '4111%201111%2F1234', URL_PATH), '****%20****%2F1234');
  assert.equal(masked('card', '4111&lt;1111&#38;1234', XML_TEXT), '****&lt;****&amp;1234');
});

test('format-preserving: digits stay digits, letters letters with their case, the rest where it is', () => {
  const phone = masked('shape', '+49 (30) 1234-5678');
  assert.match(phone, /^\+\d\d \(\d\d\) \d{4}-\d{4}$/);
  assert.notEqual(phone, '+49 (30) 1234-5678');
  assert.equal(masked('shape', '+49 (30) 1234-5678'), phone);
  const name = masked('shape', 'Ann McLeod');
  assert.match(name, /^[A-Z][a-z]{2} [A-Z][a-z][A-Z][a-z]{3}$/);
  assert.notEqual(name, 'Ann McLeod');
  // Two letters alone could be told from each other.
  assert.match(masked('shape', 'AB-1234567c'), /^XX-\d{7}x$/);
  assert.match(masked('shape', 'abcdefgh12'), /^[a-z]{8}00$/);
  for (const value of ['12345', 'abcd', 'abcd12345', '', 'Müller-Lüdenscheidt', '1'.repeat(257), 'x'.repeat(5000)])
    assert.equal(masked('shape', value), '*shape*', value);
  assert.match(masked('shape', '1'.repeat(256)), /^\d{256}$/);
  assert.match(masked('shape', '%2B49%20123456', URL_FORM), /^%2B\d\d\+\d{6}$/);
});

test('format-preserving: a number of JSON stays one', () => {
  for (let i = 0; i < 200; i++) {
    const value = String(1_000_000_000 + 7919 * i);
    assert.match(masked('shape', value, JSON_BARE), /^[1-9]\d{9}$/);
  }
  assert.match(masked('shape', '-123456.75', JSON_BARE), /^-[1-9]\d{5}\.\d\d$/);
  assert.equal(masked('shape', 'true', JSON_BARE), '"*shape*"');
});

test('format-preserving: different values stay different, and a card stays one by its check digit', () => {
  const seen = new Set<string>();
  for (let i = 0; i < 500; i++) seen.add(masked('shape', String(100_000 + i)));
  assert.equal(seen.size, 500);
  const isLuhn = (text: string): boolean =>
    [...text].reverse().reduce((sum, c, i) => sum + (i % 2 === 0 ? Number(c) : Number(c) * 2 - (Number(c) > 4 ? 9 : 0)), 0) % 10 === 0;
  for (const card of ['4111111111111111', '378282246310005', '5555555555554444']) {
    const other = masked('pan', card);
    assert.ok(isLuhn(other), other);
    assert.notEqual(other, card);
  }
  assert.match(masked('pan', '4111-1111-1111-1112'), /^\d{4}(-\d{4}){3}$/);
});

const token = (...parts: readonly unknown[]): string =>
  `${parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.c2lnbmF0dXJl`;
const claimsOf = (text: string): unknown[] =>
  text
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));

test('jwt-claims: what a token says about somebody goes, what it says about itself stays', () => {
  const header = { alg: 'RS256', typ: 'JWT', kid: 'key-1', x5t: 'thumb' };
  const claims = {
    iss: 'https://idp.example/realms/a',
    aud: ['api', 'web'],
    exp: 1_700_000_000,
    scope: 'read write',
    sub: 'ann',
    uid: 4711,
    admin: true,
    nothing: null,
    address: { street: 'Main St', lines: ['a', 7] },
    'ann@example.com': 1,
    client_id: 'ann@example.com',
    azp: '4111 1111 1111 1111',
  };
  const result = masked('jwt', token(header, claims));
  assert.deepEqual(claimsOf(result), [
    { alg: 'RS256', typ: 'JWT', kid: 'key-1', x5t: '*jwt*' },
    {
      iss: 'https://idp.example/realms/a',
      aud: ['api', 'web'],
      exp: 1_700_000_000,
      scope: 'read write',
      sub: '*jwt*',
      uid: 0,
      admin: true,
      nothing: null,
      address: { street: '*jwt*', lines: ['*jwt*', 0] },
      '*jwt*': 0,
      client_id: '*jwt*',
      azp: '*jwt*',
    },
  ]);
  assert.match(result, /^[\w-]+\.[\w-]+\.$/);
  assert.equal(masked('jwt', `Bearer ${token(header, claims)}`), `Bearer ${result}`);
  assert.equal(masked('jwt', `Bearer%20${token(header, claims)}`, URL_PATH), `Bearer%20${result}`);
});

test('jwt-claims: tokens of base64, with padding', () => {
  const coded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
  const odd = `${coded({ alg: 'HS256', t: 11 })}.${coded({ iss: 'a', sub: '???>>>~~~' })}=.c2ln+/==`;
  assert.deepEqual(claimsOf(masked('jwt', odd)), [
    { alg: 'HS256', t: 0 },
    { iss: 'a', sub: '*jwt*' },
  ]);
});

test('jwt-claims: other credentials keep their scheme', () => {
  for (const [value, wanted] of [
    ['Bearer abc.def', 'Bearer *jwt*'],
    ['Basic  QWxhZGRpbjpvcGVu', 'Basic *jwt*'],
    ['digest username="ann", response="6629"', 'digest *jwt*'],
    ['Bearer ', 'Bearer *jwt*'],
    ['Ann secret', '*jwt*'],
  ])
    assert.equal(masked('jwt', value), wanted);
});

test('results are kept for equal values, and forgotten when they are many', () => {
  const first = masked('id', 'ann@example.com');
  for (let i = 0; i < 3000; i++) masked('id', `${i}${'x'.repeat(3000)}`);
  assert.equal(masked('id', 'ann@example.com'), first);
  // By rule and form as well.
  assert.notEqual(masked('shape', '12345678'), masked('pan', '12345678'));
  assert.notEqual(masked('id', '12345678', JSON_BARE), masked('id', '12345678'));
});

test('jwt-claims: what is no token is replaced', () => {
  let deep: unknown = 'secret';
  for (let i = 0; i < 50; i++) deep = { a: deep };
  assert.ok(!JSON.stringify(claimsOf(masked('jwt', token({ alg: 'none' }, { deep })))).includes('secret'));
  const good = token({ alg: 'none' }, { sub: 'ann' });
  for (const value of [
    'abc',
    `${good}.more.parts`,
    token({ alg: 'none' }, 'text'),
    token([], {}),
    good.replace('.', '.!'),
    good.slice(0, 20),
    `${good.split('.')[0]}.${Buffer.from('{"sub":"ann"').toString('base64url')}.x`,
    token({}, { a: 'x'.repeat(9000) }),
  ])
    assert.equal(masked('jwt', value), '*jwt*', value.slice(0, 80));
});

test('report: the value stays, and is noted', () => {
  assert.equal(masked('seen', 'ann@example.com'), 'ann@example.com');
  assert.ok(hasEdits());
});

test('without room for another replacement the rest is closed', () => {
  resetEdits();
  const text = '4111111111111234 '.repeat(EDITS_MAX + 10);
  const end = SOURCE + bytes.write(text, SOURCE);
  for (let at = SOURCE; at < end; at += 17) mask(at, at + 16, numberOf('card'), at, at + 16, PLAIN);
  const to = applyEdits(SOURCE, end, MASKED, MASKED + (1 << 20));
  const result = bytes.toString('latin1', MASKED, to);
  assert.ok(result.startsWith('************1234 ************1234 '));
  assert.ok(!result.includes('4111111111111234'));
});

test('what is written with escapes reads as the value', () => {
  const forms = [JSON_STRING, URL_FORM, URL_PATH, XML_TEXT];
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), fc.constantFrom(...forms), (value, form) => {
      const end = SOURCE + bytes.write(value, SOURCE);
      const escapedEnd = writeEscaped(SOURCE, end, form, VALUE);
      const undone = undoEscapes(VALUE, escapedEnd, form, MASKED);
      assert.equal(bytes.toString('utf8', MASKED, undone), value.toWellFormed());
      if (form === JSON_STRING) assert.equal(JSON.parse(`"${bytes.toString('utf8', VALUE, escapedEnd)}"`), value.toWellFormed());
      if (form === URL_FORM)
        assert.equal(new URLSearchParams(`a=${bytes.toString('utf8', VALUE, escapedEnd)}`).get('a'), value.toWellFormed());
    }),
    { numRuns: 300 },
  );
});

test('what is a number of JSON', () => {
  for (const text of ['0', '-0', '1', '10.5', '-1.5e+3', '1E9', '0.1', '', '-', '01', '1.', '.5', '1e', '+1', '1 ', '0x1', 'NaN']) {
    let isNumber = false;
    try {
      isNumber = typeof JSON.parse(text) === 'number' && text.trim() === text;
    } catch {}
    assert.equal(isJsonNumber(SOURCE, SOURCE + bytes.write(text, SOURCE)), isNumber, text);
  }
});
