import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes } from '../../base/arena.ts';
import { defaultMasking } from '../default-masking.ts';
import { AT, charsOf, detectors, findings, HEX, random, rule, underName, useRules } from './detect-testing.ts';
import { countRule, DENIED_SETS_MAX, denied, lookUpName, namesWorkedOut, ruleOfName, splitName } from './names.ts';
import { BODY, COOKIE, HEADER, OF_RESPONSE, PATH, place, QUERY } from './place.ts';

test('words of a name', () => {
  for (const [name, words] of [
    ['userPassword', 'user password'],
    ['user_password', 'user password'],
    ['USER-PASSWORD', 'user password'],
    ['APIKey', 'api key'],
    ['userID', 'user id'],
    ['OAuthToken', 'o auth token'],
    ['user.address[0]', 'user address 0'],
    ['password2New', 'password2 new'],
    ['x509Cert', 'x509 cert'],
    ['$ref', 'ref'],
    ['__', ''],
    ['contraseñaNueva', 'contraseña nueva'],
    ['a b', 'a b'],
    ['\ufeffpassword', 'password'],
    ['password\u00a0', 'password'],
    ['“password”', 'password'],
    ['my\u200bpassword', 'my password'],
    ['pass\u00adword', 'pass word'],
    ['a\u3000b', 'a b'],
    ['\u{1f511}\ufe0fpin\u{1f511}', 'pin'],
    ['größeÉtéＰｉｎ', 'größeétéｐｉｎ'],
    ['密码', '密码'],
    ['cafe\u0301Pin', 'cafe\u0301 pin'],
  ])
    assert.equal(splitName(name).join(' '), words, name);
});

const fields = rule({ name: 'f', fields: ['password', 'token', '=pin', 'card-number', 'api-key', 'e-mail', 'otp'] });

test('which names a field fits', () => {
  useRules([fields]);
  for (const name of [
    ...[
      'password',
      'Password',
      'PASSWORD',
      'userPassword',
      'user_password',
      'USER-PASSWORD',
      'userpassword',
      'PassWord',
      'password2',
      'newpassword',
    ],
    ...['passwordconfirmation', 'password_hash', 'user.password', 'user[password]', 'new_password_1'],
    ...['token', 'accessToken', 'accesstoken', 'X-Auth-Token', 'csrf_token', 'OAuthToken', 'token1'],
    ...['pin', 'PIN', 'Pin'],
    ...[
      'card-number',
      'cardNumber',
      'card_number',
      'CARD-NUMBER',
      'cardnumber',
      'billingCardNumber',
      'billingcardnumber',
      'cardnumber2',
      'cardNumber1',
    ],
    ...[
      'cardnumbermasked',
      'api-key',
      'APIKey',
      'apikey',
      'X-Api-Key',
      'googleapikey',
      'apikeys',
      'email',
      'eMail',
      'e_mail',
      'userEmail',
      'otp',
      'smsotp',
      'useremail',
    ],
  ])
    assert.equal(underName(name), 'f', name);
  for (const name of [
    ...['', '-', 'pass', 'passwordless', 'pins', 'passwordss', 'shipping', 'pinterest', 'userPin', 'pin2', 'spin'],
    ...['tokenizer', 'detokenized', 'tokensUsed', 'card', 'number', 'cardType', 'numberCard', 'scorecardnumbers'.slice(0, 9)],
    ...['voicemail', 'apiVersion', 'keyApi', 'option', 'otpion'],
    ...['tokenType', 'token_expires', 'passwordChangedAt', 'password_policy', 'cardNumberLength', 'emailVerified'],
  ])
    assert.equal(underName(name), '', name);
});

test('plurals', () => {
  useRules([
    rule({ name: 'f', fields: ['password', 'token', '=pin', 'card-number', 'street-address', '2fa-code'], notFields: ['page-token'] }),
  ]);
  for (const name of [
    ...['passwords', 'userPasswords', 'passwords2', 'passwords[0]', 'userpasswords', 'tokens', 'maxTokens', 'card_numbers', 'cardNumbers'],
    ...['cardnumbers', 'billingCardNumbers', 'card2Numbers', 'streetAddresses', 'my2faCodes', 'USER_PASSWORDS'],
  ])
    assert.equal(underName(name), 'f', name);
  for (const name of ['pins', 'pageTokens', 'passwordTypes', 'tokenExpires', 'cardNumbersCount', 'ss', 's', '2s'])
    assert.equal(underName(name), '', name);
});

test('a plural in a path is a collection: the ids in it are no secrets', () => {
  useRules([rule({ name: 'f', fields: ['phone', 'api-tokens'] })]);
  place[0] = PATH;
  for (const [name, expected] of [
    ['phone', 'f'],
    ['phones', ''],
    ['api-tokens', 'f'],
  ] as const)
    assert.equal(underName(name), expected, name);
  place[0] = QUERY;
  assert.equal(underName('phones'), 'f');
});

test('under the plural of token a number may stand for how many there are', () => {
  const countOf = (name: string): number => countRule(AT, AT + bytes.write(name, AT));
  useRules([rule({ name: 'f', fields: ['password', 'token'] }), rule({ name: 'g', fields: ['card-token', 'api-tokens'] })]);
  for (const name of ['tokens', 'max_tokens', 'totalTokens', 'prompt_tokens']) assert.equal(countOf(name), 1, name);
  for (const name of ['token', 'passwords', 'user_password_tokens', 'access_token', 'x']) assert.equal(countOf(name), 0, name);
  useRules([rule({ name: 'f', fields: ['tokens', 'token'] })]);
  assert.equal(underName('tokens'), 'f');
  assert.equal(countOf('tokens'), 0);
});

test('digits between and beside words', () => {
  useRules([rule({ name: 'f', fields: ['password', 'card-number', '2fa-code', 'cvv2', '=pin', 'track1', 'otp'] })]);
  for (const name of [
    ...['my2faCode', 'x2fa_code', '2FACode', 'MY_2FA_CODE', 'user.2fa.code', 'login2faCode1', 'my-2fa-code', '2facode'],
    ...['card2Number', 'card2number', 'card_2_number', 'card2_number3', 'billing1CardNumber', 'address2cardNumber'],
    ...[
      'password2',
      'password2New',
      'old1password',
      'x1password2y',
      'otp2',
      'otp2value',
      'new2otp',
      'cvv2',
      'cardCvv2',
      'track1',
      'track1data',
    ],
  ])
    assert.equal(underName(name), 'f', name);
  for (const name of [
    'fa2code',
    '2fa',
    'code2',
    'card2',
    '2number',
    'pin2',
    'track2',
    'a1b2c3',
    'x509Cert',
    'password2Type',
    'cardNumber1Length2',
  ])
    assert.equal(underName(name), '', name);
});

test('every shipped name, in every way that programs write names', () => {
  useRules(defaultMasking.rules, COOKIE);
  const capital = (w: string): string => w[0].toUpperCase() + w.slice(1);
  for (const { name, fields: shipped } of defaultMasking.rules)
    for (const field of shipped) {
      const words = field.replace('=', '').split('-');
      const ways = [
        words.join('_'),
        words.join('-'),
        words.join('.'),
        words.join(''),
        words.join('_').toUpperCase(),
        words.map(capital).join('-'),
        words.map(capital).join(''),
        words.map((w, i) => (i === 0 ? w : capital(w))).join(''),
      ];
      if (!field.startsWith('='))
        ways.push(
          ...(/[0-9]$/.test(field) ? [] : ways.map((way) => `${way}2`)),
          ...ways.map((way) => `my1_${way}`),
          // As HTTP/2 writes oldCcNum: all in lower case.
          ...(/^[0-9]/.test(field) ? [] : [`old${words.join('')}`, `x-billing${words.join('')}`]),
          ...(/[0-9]/.test(field) ? [] : [`my1${words.map(capital).join('')}`, `my1${words.join('_')}`]),
          ...(words.length > 1 && !/[0-9]/.test(field)
            ? [words.map((w, i) => (i === 0 ? `${w}1` : capital(w))).join(''), words.join('_1_')]
            : []),
        );
      for (const way of ways) assert.notEqual(underName(way), '', `${name}: ${way}`);
    }
});

test('the first rule whose field fits decides, where it applies', () => {
  useRules([
    rule({ name: 'cookie', fields: ['session'], places: ['cookie'] }),
    rule({ name: 'any', fields: ['session-token', 'token'] }),
    rule({ name: 'late', fields: ['session'], places: ['cookie', 'header'] }),
  ]);
  for (const [where, name, expected] of [
    [COOKIE, 'session', 'cookie'],
    [COOKIE + OF_RESPONSE, 'sessionToken', 'cookie'],
    [HEADER, 'X-Session', 'late'],
    [HEADER, 'X-Session-Token', 'any'],
    [BODY, 'session', ''],
    [BODY, 'sessionToken', 'any'],
    [COOKIE, 'session', 'cookie'],
  ] as const) {
    place[0] = where;
    assert.equal(underName(name), expected, `${where} ${name}`);
  }
});

test('notFields: the rule masks nothing under such a name, neither by it nor by content', () => {
  useRules([
    rule({ name: 'a', detector: 'email', fields: ['token'], notFields: ['page-token', '=sender'] }),
    rule({ name: 'b', detector: 'phone', notFields: ['page', 'token-type'] }),
  ]);
  const value = 'ann@example.com 555-123-4567';
  for (const [name, expected, found] of [
    ['token', 'a', ['a:ann@example.com', 'b:555-123-4567']],
    ['nextPageToken', '', []],
    ['page_token', '', []],
    ['sender', '', ['b:555-123-4567']],
    ['senderName', '', ['a:ann@example.com', 'b:555-123-4567']],
    ['tokenType', '', ['a:ann@example.com']],
    ['homepage', '', ['a:ann@example.com']],
    ['', '', ['a:ann@example.com', 'b:555-123-4567']],
  ] as const) {
    assert.equal(underName(name), expected, name);
    assert.deepEqual(findings(value), found, name);
  }
});

test('the rule alone: what keeps off stays as it was', () => {
  useRules([rule({ name: 'a', fields: ['token'], notFields: ['page'] })]);
  underName('page');
  const before = denied[0];
  assert.notEqual(before, 0);
  const end = AT + bytes.write('token', AT);
  assert.equal(ruleOfName(AT, end), 1);
  assert.equal(denied[0], before);
});

test('names with the same start, end or length are told apart, again and again', () => {
  useRules([fields]);
  const names = ['password', 'passwore', 'qassword', 'passw0rd', 'drowssap', 'pas\0word', 'passwor', 'passwordd'];
  for (let round = 0; round < 3; round++) for (const name of names) assert.equal(underName(name), name === 'password' ? 'f' : '', name);
});

test('endless new names: each is right, those in use are remembered again, and what is long is found by its end', () => {
  useRules([fields]);
  const next = random(3);
  for (let i = 0; i < 20_000; i++) {
    const name = `${charsOf(next, HEX, 12)}_${i}`;
    assert.equal(underName(name), '', name);
    assert.equal(underName(`${name}_password`), 'f', name);
    assert.equal(underName('password'), 'f');
  }
  const before = namesWorkedOut();
  for (let i = 0; i < 1000; i++) underName('password');
  assert.ok(namesWorkedOut() - before <= 1);
  assert.equal(underName(`${'x'.repeat(1500)}_password`), 'f');
  assert.equal(underName(`${'x_'.repeat(700)}password`), 'f');
  assert.equal(underName('p'.repeat(1900)), '');
});

test('names of any bytes', () => {
  useRules([fields]);
  const next = random(4);
  for (let i = 0; i < 5000; i++) {
    const n = next(200);
    for (let j = 0; j < n; j++) bytes[AT + j] = next(256);
    const first = lookUpName(AT, AT + n);
    bytes.fill(0x61, AT + n, AT + n + 16);
    assert.equal(lookUpName(AT, AT + n), first);
  }
});

test('more combinations of rules that keep off than there is room for: the others keep nothing off', () => {
  const words = 'alpha beta gamma delta epsilon zeta eta theta'.split(' ');
  useRules([...words.map((word) => rule({ name: word, detector: 'email', notFields: [word] })), ...detectors('phone')]);
  let closed = 0;
  for (let set = 1; set < 256; set++) {
    underName(words.filter((_, i) => (set & (1 << i)) !== 0).join('_'));
    if (denied[0] === 0) closed++;
    assert.ok(denied[0] < DENIED_SETS_MAX);
  }
  assert.equal(closed, 255 - (DENIED_SETS_MAX - 1));
});

test('the shipped rules: common names', () => {
  useRules(defaultMasking.rules);
  for (const [name, expected] of [
    ['Authorization', 'authorization'],
    ['Proxy-Authorization', 'authorization'],
    ['X-Api-Key', 'access-key'],
    ['client_secret', 'secret'],
    ['refresh_token', 'token'],
    ['JSESSIONID', 'session-id'],
    ['cvv', 'card-security-code'],
    ['dateOfBirth', 'date-of-birth'],
    ['zip', 'postal-address'],
    ...[
      ...['phonenumber', 'phoneno', 'telephonenumber', 'phones', 'tels'].map((name) => [name, 'phone-number']),
      ...['ibannumber', 'ibans', 'accountNumbers'].map((name) => [name, 'bank-account']),
      ...['ssnnumber', 'ssns', 'passports'].map((name) => [name, 'identity-number']),
      ...['otpcode', 'passwordagain', 'new-pin', 'currentPin', 'old_pin', 'userPin', 'pins', 'otps'].map((name) => [name, 'password']),
      ...['DB_PASS', 'smtpPass', 'user_pass', 'pass1', 'db-pw', 'backupCodes', 'recovery_codes'].map((name) => [name, 'password']),
      ...['cvvcode', 'cvvs'].map((name) => [name, 'card-security-code']),
      ...['consumersecret', 'privateKeys'].map((name) => [name, 'secret']),
      ['x-rapidapi-key', 'access-key'],
      ['sessionIds', 'session-id'],
      ['cardNumbers', 'card-number'],
      ['dobs', 'date-of-birth'],
      ['x-ratelimit-reset-tokens', ''],
      ['nextPageTokens', ''],
      ['nopassword', ''],
    ],
    ['id', ''],
    ['createdAt', ''],
    ['shippingMethod', ''],
    ['X-Request-Id', ''],
    ['Content-Type', ''],
    ['hostname', ''],
    ['token_type', ''],
    ['nextPageToken', ''],
    ['key', ''],
    ['name', ''],
    ['microphone', ''],
  ])
    assert.equal(underName(name), expected, name);
});
