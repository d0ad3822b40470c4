import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked, rule, setRules } from '../../../test/support/masking.ts';
import { defaultMasking } from '../default-masking.ts';
import './document.ts';
import { maskPath } from './path.ts';
import { PATH } from './place.ts';
import { maskUrl } from './url.ts';

setRules(defaultMasking.rules);

const textOf = (source: string): string => masked(source, maskPath, false, PATH).text;

test('segments are looked at with their escapes undone', () => {
  assert.equal(textOf('/users/ann@example.com/orders'), '/users/*email*/orders');
  assert.equal(textOf('/users/ann%40example.com/orders'), '/users/*email*/orders');
  assert.equal(textOf('/cards/4111-1111-1111-1111'), '/cards/*payment-card*');
});

test('a segment behind the name of a secret is masked, but for ordinary words', () => {
  assert.equal(textOf('/password/hunter2'), '/password/*password*');
  assert.equal(textOf('/v1/token/abc/info'), '/v1/token/*token*/info');
  for (const clean of [
    '/account/password/reset',
    '/oauth/token/introspect',
    '/email/verify',
    '/api/token/refresh',
    '/token',
    '/password/',
    '//token//',
  ])
    assert.equal(textOf(clean), clean);
});

test('a random segment behind a word that leads to one is a token', () => {
  assert.equal(textOf('/reset/9f86d081884c7d659a2f/x'), '/reset/*token*/x');
  assert.equal(textOf('/invitations/550e8400-e29b-41d4-a716-446655440000'), '/invitations/*token*');
  for (const clean of ['/orders/550e8400-e29b-41d4-a716-446655440000', '/reset/every-setting-of-the-profile', '/verify/2024'])
    assert.equal(textOf(clean), clean);
});

test('matrix parameters are pairs', () => {
  const { text, found } = masked('/cart;jsessionid=0BF63C;a=1/x;ann@example.com', maskPath, false, PATH);
  assert.equal(text, '/cart;jsessionid=*session-id*;a=1/x;*email*');
  assert.deepEqual(found, ['session-id jsessionid', 'email']);
});

test('of a URL the password, the path, the query and the fragment are masked', () => {
  const url = (source: string): string => masked(source, maskUrl).text;
  assert.equal(
    url('https://bob:hunter2@shop.example:8443/u/ann@example.com?page=1&token=x#access_token=y'),
    'https://*basic-credentials*@shop.example:8443/u/*email*?page=1&token=*token*#access_token=*token*',
  );
  assert.equal(url('/u?token=x'), '/u?token=*token*');
  assert.equal(url('//shop.example/password/hunter2'), '//shop.example/password/*password*');
  assert.equal(url('?token=x'), '?token=*token*');
  assert.equal(url('mailto:ann@example.com'), 'mailto:*email*');
  for (const clean of ['https://shop.example', '*', '', '/', 'https://shop.example/?', 'http://[::1]:80/a?b#c'])
    assert.equal(url(clean), clean);
});

test('user and password of a URL: the rule of basic credentials masks both, without a rule for names too', () => {
  const url = (source: string): string => masked(source, maskUrl).text;
  const credentials = rule({ name: 'credentials', detector: 'basic-credentials' });
  const named = rule({ name: 'named', fields: ['password'] });
  const report = { ...credentials, action: 'report' as const };
  const source = 'https://bob:hunter2@shop.example/x';
  for (const [some, wanted] of [
    [[credentials], 'https://*credentials*@shop.example/x'],
    [[credentials, named], 'https://*credentials*@shop.example/x'],
    [[named, credentials], 'https://bob:*named*@shop.example/x'],
    [[named], 'https://bob:*named*@shop.example/x'],
    [[report, named], 'https://bob:*named*@shop.example/x'],
    [[report], source],
    [[], source],
  ] as const) {
    setRules(some);
    assert.equal(url(source), wanted);
  }
  setRules([credentials]);
  assert.equal(url('https://9f86d081884c@git.example/'), 'https://*credentials*@git.example/');
  assert.equal(url('//9f86d081884c@git.example/'), '//*credentials*@git.example/');
  assert.equal(url('amqp://a:p%40ss@b@mq.example:5672/'), 'amqp://*credentials*@mq.example:5672/');
  assert.equal(url('ssh://git@git.example/'), 'ssh://git@git.example/');
  setRules(defaultMasking.rules);
});
