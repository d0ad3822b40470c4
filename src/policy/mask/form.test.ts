import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked, rule, setRules } from '../../../test/support/masking.ts';
import './document.ts';
import { maskForm, maskQuery } from './form.ts';
import { QUERY } from './place.ts';

setRules([
  rule({ name: 'card', detector: 'payment-card' }),
  rule({ name: 'email', detector: 'email' }),
  rule({ name: 'password', fields: ['=password', 'secret'] }),
  rule({ name: 'body-only', fields: ['nickname'], places: ['body'] }),
]);

const textOf = (source: string, isCut = false): string => masked(source, maskForm, isCut).text;

test('values are masked by their names and by what they are, escapes undone', () => {
  const { text, found } = masked('a=1&password=hunter%202+x&mail=ann%40example.com&b=&=x', maskForm);
  assert.equal(text, 'a=1&password=*password*&mail=*email*&b=&=x');
  assert.deepEqual(found, ['password password', 'email mail']);
  assert.equal(textOf('c=%34%31%31%31+1111+1111+1111'), 'c=*card*');
  assert.equal(textOf('c=ann%u0040example.com'), 'c=*email*');
  assert.equal(textOf('p%61ssword=x'), 'p%61ssword=*password*');
  assert.equal(textOf('a=100%&b=%zz&c=%4'), 'a=100%&b=%zz&c=%4');
});

test('parts of nested names are looked up', () => {
  assert.equal(
    textOf('user[password]=x&user.password=y&a[0][secret][]=z'),
    'user[password]=*password*&user.password=*password*&a[0][secret][]=*password*',
  );
  assert.equal(textOf('user%5Bpassword%5D=x'), 'user%5Bpassword%5D=*password*');
});

test('a semicolon ends a pair where another one follows, and belongs to the value elsewhere', () => {
  assert.equal(textOf('a=1;password=x;y&b=2;c'), 'a=1;password=*password*&b=2;c');
  assert.equal(textOf('password=x;a=1'), 'password=*password*;a=1');
});

test('a bare piece and a sensitive name are masked in their places', () => {
  assert.equal(textOf('ann@example.com&x'), '*email*&x');
  const { text, found } = masked('bob%40example.com=1&ann@example.com=ann@example.com', maskForm);
  assert.equal(text, '*email*=1&*email*=*email*');
  assert.deepEqual(found, ['email', 'email', 'email *']);
});

test('documents in values are walked', () => {
  assert.equal(textOf(`json=${encodeURIComponent('{"user":{"password":"x"}}')}&a=1`), 'json=*password*&a=1');
  assert.equal(textOf(`next=${encodeURIComponent('https://a.example/?password=x')}`), 'next=*password*');
  assert.equal(textOf(`a=${encodeURIComponent(encodeURIComponent('ann@example.com'))}`), 'a=*email*');
});

test('rules of other places do not apply', () => {
  assert.equal(textOf('nickname=x'), 'nickname=*body-only*');
  assert.equal(masked('nickname=x', maskQuery, false, QUERY).text, 'nickname=x');
});

test('a form cut anywhere shows nothing of what is sensitive', () => {
  const source = 'a=1&password=hunter2hunter2&mail=ann%40example.com&bob@example.com&c=4111111111111111&d=2';
  for (let n = 0; n < source.length; n++) assert.doesNotMatch(textOf(source.slice(0, n), true), /hunter|ann|bob|41111/);
});
