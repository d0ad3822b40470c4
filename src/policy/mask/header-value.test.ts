import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beside, type Masked, masked, setRules } from '../../../test/support/masking.ts';
import { bytes } from '../../base/arena.ts';
import { defaultMasking } from '../default-masking.ts';
import { maskHeaderValue } from './document.ts';
import { notesOf, PLACE_ROW } from './edits.ts';
import { COOKIE, HEADER, OF_RESPONSE, place } from './place.ts';

setRules(defaultMasking.rules);

function mask(name: string, value: string, where = HEADER): Masked {
  const [nameAt, nameEnd] = beside(name);
  return masked(value, (at, end) => maskHeaderValue(nameAt, nameEnd, at, end), false, where);
}

const textOf = (name: string, value: string): string => mask(name, value).text;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('credentials are masked, a scheme that is known stays', () => {
  assert.equal(textOf('Authorization', 'Bearer 8f14e45fceea167a'), 'Bearer *authorization*');
  assert.equal(textOf('proxy-authorization', `Basic ${base64('ann:hunter2')}`), 'Basic *authorization*');
  assert.equal(textOf('Authorization', 'Digest username="ann", response="6629fae49393a05397450978507c4ef1"'), 'Digest *authorization*');
  assert.equal(textOf('Authorization', 'hunter2 hunter3'), '*authorization*');
  assert.equal(textOf('X-Api-Key', 'abc'), '*api-key*');
});

test('cookies are masked by their names and by what they hold, in a place of their own', () => {
  const { text } = mask('Cookie', 'sid=31d4d96e; theme=dark; u=%7B%22email%22%3A%22ann%40example.com%22%7D; mail="bob@example.com"; x');
  assert.equal(text, 'sid=*session-id*; theme=dark; u=*email*; mail="*email*"; x');
  const { rows, count } = notesOf();
  for (let i = 0; i < count; i++) assert.equal(rows[PLACE_ROW * i + 1], COOKIE);
  assert.equal(place[0], HEADER);
});

test('a semicolon in quotes belongs to the value for some servers: it is masked with it', () => {
  assert.equal(
    textOf('cookie', 'sid="a;b;c"; theme="x; sid=1'),
    'sid="*session-id*;*session-id*;*session-id*"; theme="x; sid=*session-id*',
  );
});

test('of Set-Cookie the first pair is the cookie', () => {
  const value = 'sid=31d4d96e; Path=/u/ann@example.com; Domain=shop.example; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly; Token=abc';
  const { text } = mask('Set-Cookie', value, HEADER + OF_RESPONSE);
  assert.equal(
    text,
    'sid=*session-id*; Path=/u/*email*; Domain=shop.example; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly; Token=*token*',
  );
  assert.equal(notesOf().rows[1], COOKIE + OF_RESPONSE);
  assert.equal(
    textOf('set-cookie', 'theme=dark; Max-Age=3600; Path=/; SameSite=Lax; Secure'),
    'theme=dark; Max-Age=3600; Path=/; SameSite=Lax; Secure',
  );
});

test('fields that hold URLs are walked as URLs', () => {
  assert.equal(
    textOf('Referer', 'https://shop.example/reset/9f86d081884c7d659a2f?a=ann%40example.com'),
    'https://shop.example/reset/*token*?a=*email*',
  );
  assert.equal(textOf('location', '/login?token=x'), '/login?token=*token*');
  assert.equal(
    textOf('Link', '<https://shop.example/?token=x>; rel="next", </?page=2>; title="ann@example.com"'),
    '<https://shop.example/?token=*token*>; rel="next", </?page=2>; title="*email*"',
  );
  assert.equal(textOf('refresh', '5; url=/?token=x'), '5; url=/?token=*token*');
});

test('user and password before a host are masked, wherever the host is', () => {
  for (const name of ['Host', 'x-forwarded-host', 'X-Original-Host'])
    for (const host of ['10.0.0.1', 'localhost:8080', 'shop.example']) {
      assert.equal(textOf(name, `ann:hunter2@${host}`), `*basic-credentials*@${host}`);
      assert.equal(textOf(name, `hunter2@${host}`), host === 'shop.example' ? '*email*' : `*basic-credentials*@${host}`);
      assert.equal(textOf(name, host), host);
    }
});

test('other values are looked at as text, or as the documents that they are', () => {
  assert.equal(textOf('X-User', '{"email":"ann"}'), '*email*');
  assert.equal(textOf('X-Context', base64('{"email":"ann"}')), '*email*');
  assert.equal(textOf('From', 'Ann <ann@example.com>'), 'Ann <*email*>');
  for (const [name, value] of [
    ['Accept', 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8'],
    ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'],
    ['Content-Type', 'multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW'],
    ['Date', 'Wed, 21 Oct 2026 07:28:00 GMT'],
    ['ETag', '"33a64df551425fcc55e4d42a148795d9f25f89d4"'],
    ['Host', 'shop.example:8443'],
    ['Cache-Control', 'max-age=31536000, immutable'],
    ['X-Request-Id', '550e8400-e29b-41d4-a716-446655440000'],
    ['', ''],
  ])
    assert.equal(textOf(name, value), value);
});

test('the name is read where it stands, in any case', () => {
  const [at, end] = beside('COOKIE');
  assert.equal(bytes.toString('latin1', at, end), 'COOKIE');
  assert.equal(textOf('COOKIE', 'sid=a'), 'sid=*session-id*');
});
