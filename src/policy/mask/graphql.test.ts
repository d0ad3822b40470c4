import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked, rule, setRules } from '../../../test/support/masking.ts';
import './document.ts';
import { maskGraphql, walkGraphql } from './graphql.ts';

setRules([
  rule({ name: 'card', detector: 'payment-card' }),
  rule({ name: 'email', detector: 'email' }),
  rule({ name: 'password', fields: ['password'] }),
  rule({ name: 'payment', fields: ['payment'] }),
]);

const textOf = (source: string, isCut = false): string => masked(source, maskGraphql, isCut).text;

test('literals of arguments are masked by the name of the argument, and by what they are', () => {
  const { text, found } = masked(
    'mutation M { a: login(user: "bob", password: "hunter2", pin: 12, mail: "to ann@example.com") { password email } }',
    maskGraphql,
  );
  assert.equal(text, 'mutation M { a: login(user: "bob", password: "*password*", pin: 12, mail: "to *email*") { password email } }');
  assert.deepEqual(found, ['password password', 'email mail']);
  assert.equal(textOf('{ pay(card: 4111111111111111, n: 3) }'), '{ pay(card: "*card*", n: 3) }');
  assert.equal(textOf('{ a(password: HUNTER2, kind: OPEN) }'), '{ a(password: "*password*", kind: OPEN) }');
});

test('objects and lists under a name with a rule are masked leaf by leaf', () => {
  assert.equal(
    textOf('{ a(payment: {number: "1", tags: ["x", 2], ok: true}, after: "x") }'),
    '{ a(payment: {number: "*payment*", tags: ["*payment*", "*payment*"], ok: "*payment*"}, after: "x") }',
  );
  assert.equal(textOf('{ a(in: [{password: "x"}, {b: "y"}]) }'), '{ a(in: [{password: "*password*"}, {b: "y"}]) }');
});

test('variables: types stay, defaults are masked', () => {
  assert.equal(
    textOf('query Q($password: String! = "x", $id: [ID!]) @d(a: 1) { u(password: $password, id: $id) { id } }'),
    'query Q($password: String! = "*password*", $id: [ID!]) @d(a: 1) { u(password: $password, id: $id) { id } }',
  );
});

test('block strings, escapes and comments', () => {
  assert.equal(textOf('{ a(b: """say \\""" to ann@example.com""", c: "x") }'), '{ a(b: """say \\""" to *email*""", c: "x") }');
  assert.equal(textOf('{ a(password: """x""") }'), '{ a(password: """*password*""") }');
  assert.equal(textOf('{ a(b: "ann\\u0040example.com") }'), '{ a(b: "*email*") }');
  assert.equal(textOf('# by ann@example.com\n{ a }'), '# by *email*\n{ a }');
});

test('what is no document, or breaks, is closed', () => {
  assert.equal(textOf('hello there'), '*unreadable*');
  assert.equal(textOf('{ a(b: "hunter2) }'), '{ a(b: *unreadable*');
  assert.equal(textOf('{ a(b: %hunter2) }'), '{ a(b: *unreadable*');
  assert.equal(textOf('{ a } } hunter2'), '{ a } *unreadable*');
});

test('texts that begin with a keyword are no documents', () => {
  const whole = (source: string): boolean => {
    let isWhole = false;
    masked(source, (at, end) => {
      isWhole = walkGraphql(at, end, false);
    });
    return isWhole;
  };
  assert.equal(whole('query the database'), false);
  assert.equal(whole('queryAll { a }'), false);
  assert.equal(whole('query Q { a }'), true);
  assert.equal(whole('subscription { a }'), true);
});

test('a document cut anywhere shows nothing of what is sensitive', () => {
  const source =
    '# ann@example.com\nquery Q($password: String = "hunter2hunter2") { a(payment: {x: "hunter3"}, b: """bob@example.com""", c: 4111111111111111) }';
  for (const isCut of [true, false])
    for (let n = 0; n < source.length; n++) assert.doesNotMatch(textOf(source.slice(0, n), isCut), /hunter|@example|41111/);
});

test('a name in which something is found: of an operation, a field or a fragment, and no other', () => {
  assert.equal(textOf('query Find_4111111111111111 { a }'), 'query Find_*card* { a }');
  assert.equal(textOf('{ a4111111111111111: user { name } }'), '{ a4111111111111111: user { name } }');
  assert.equal(textOf('query FindUserByNumber1234 { userName2: a }'), 'query FindUserByNumber1234 { userName2: a }');
});

test('lists of names and values: the value stands under the name, in either order', () => {
  const hidden = '"*password*"';
  for (const [source, wanted] of [
    ['{ a(in: [{name: "password", value: "x"}]) }', `{ a(in: [{name: "password", value: ${hidden}}]) }`],
    [
      '{ a(in: [{value: "x", id: 1, key: "user-password"}, {v: "y"}]) }',
      `{ a(in: [{value: ${hidden}, id: 1, key: "user-password"}, {v: "y"}]) }`,
    ],
    ['{ a(k: PASSWORD, v: 17) { b(v: 17) } }', `{ a(k: PASSWORD, v: ${hidden}) { b(v: 17) } }`],
    [
      '{ a(in: {values: ["x", {y: 1}], field: """User Password"""}) }',
      `{ a(in: {values: [${hidden}, {y: ${hidden}}], field: """User Password"""}) }`,
    ],
    ['{ a(in: {name: "size", value: "x", meta: {name: "password"}}) }', '{ a(in: {name: "size", value: "x", meta: {name: "password"}}) }'],
  ])
    assert.equal(textOf(source), wanted);
  assert.equal(textOf('{ a(in: [{value: "hunter2", na', true), '{ a(in: [{*unreadable*');
  assert.equal(textOf('{ a(in: [{value: "hunter2", name: "pass', true), '{ a(in: [{*unreadable*');
  for (const n of [2, 20, 80])
    assert.doesNotMatch(textOf(`{ a(in: ${'{v: '.repeat(n)}"hunter2"${', k: "password"}'.repeat(n)}) }`), /hunter2/, `${n}`);
});
