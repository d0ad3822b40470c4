import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { bytes } from '../../base/arena.ts';
import { defaultMasking } from '../default-masking.ts';
import { detectorNames } from '../spec.ts';
import { detect, found } from './detect.ts';
import { AT, detectors, findAll, findIn, findings, isFound, rule, underName, useRules } from './detect-testing.ts';
import { looked } from './detectors/classes.ts';
import { denied, namesWorkedOut } from './names.ts';
import { BODY, COOKIE, OF_RESPONSE, place, QUERY } from './place.ts';

const secrets = rule({ name: 'secrets', fields: ['password', 'api-key', 'token', 'authorization', 'set-cookie', '=pin'] });
const everything = [...detectors(...detectorNames), secrets];

beforeEach(() => useRules(everything));

test('payment cards: numbers that issuers publish for tests, bare and in groups', () => {
  for (const [number, groups] of [
    ['4111111111111111', '4111 1111 1111 1111'],
    ['4012888888881881', '4012-8888-8888-1881'],
    ['4000000000000000006', '4000 0000 0000 0000 006'],
    ['5555555555554444', '5555 5555 5555 4444'],
    ['5105105105105100', '5105-1051-0510-5100'],
    ['2223003122003222', '2223 0031 2200 3222'],
    ['2720992593319364', '2720 9925 9331 9364'],
    ['378282246310005', '3782 822463 10005'],
    ['371449635398431', '3714-496353-98431'],
    ['6011111111111117', '6011 1111 1111 1117'],
    ['6445644564456445', '6445 6445 6445 6445'],
    ['30569309025904', '3056 930902 5904'],
    ['36227206271667', '3622 720627 1667'],
    ['3530111333300000', '3530 1113 3330 0000'],
    ['6200000000000005', '6200 0000 0000 0005'],
    ['6759649826438453', '6759 6498 2643 8453'],
    ['2200000000000004', '2200 0000 0000 0004'],
  ])
    for (const value of [number, groups]) assert.ok(isFound('payment-card', value), value);
});

test('payment cards: what stands beside one', () => {
  assert.deepEqual(findings('4111 1111 1111 1111 12/25 123'), ['payment-card:4111 1111 1111 1111']);
  assert.deepEqual(findings('2 x 4111111111111111,5555555555554444.'), ['payment-card:4111111111111111', 'payment-card:5555555555554444']);
  assert.deepEqual(findings('/cards/4111111111111111/limits'), ['payment-card:4111111111111111']);
  assert.deepEqual(findings('card_4111111111111111'), ['payment-card:4111111111111111']);
});

test('no payment cards', () => {
  for (const value of [
    '4111111111111112',
    '4222222222222',
    '9111111111111111',
    '0.4111111111111111',
    '4111111111111111.5',
    'x4111111111111111',
    '4111111111111111a',
    '41111111111111111111',
    '4111-1111-1111-1111-1111',
    '12-4111-1111-1111-1111',
    '4111 1111-1111 1111',
    '411 1111 1111 1111 11',
    '1700000000000000006',
    '5901234123457',
  ])
    assert.deepEqual(findings(value), [], value);
});

test('IBAN: examples of the registry, in groups of four, in lower case', () => {
  for (const iban of [
    'DE89370400440532013000',
    'GB82WEST12345698765432',
    'FR1420041010050500013M02606',
    'NL91ABNA0417164300',
    'CH9300762011623852957',
    'NO9386011117947',
    'MT84MALT011000012345MTLCAST001S',
    'BR1800360305000010009795493C1',
    'SA0380000000608010167519',
    'LC55HEMM000100010012001200023015',
    'RU0304452522540817810538091310419',
    'BE68539007547034',
  ])
    for (const value of [iban, iban.replace(/(.{4})(?=.)/g, '$1 '), iban.toLowerCase(), iban.replace(/(.{4})(?=.)/g, '$1-')])
      assert.ok(isFound('iban', value), value);
  for (const value of [
    'DE89370400440532013001',
    'DE8937040044053201300',
    'XX89370400440532013000',
    'DE89 3704 0044 0532 013000',
    'ADE89370400440532013000',
    'DE89370400440532013000A',
  ])
    assert.deepEqual(
      findings(value).filter((text) => text.startsWith('iban')),
      [],
      value,
    );
});

const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');
const CLAIMS = Buffer.from('{"sub":"1234567890","name":"Ann"}').toString('base64url');

test('JWT: signed, unsigned, encrypted, detached; not everything with dots', () => {
  const signature = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
  for (const token of [
    `${HEADER}.${CLAIMS}.${signature}`,
    `${Buffer.from('{"alg":"none"}').toString('base64url')}.${CLAIMS}.`,
    `${HEADER}.${CLAIMS}`,
    `${HEADER}..${signature}`,
    `${Buffer.from('{ "typ": "JWT",\n  "alg" : "RS256" }').toString('base64url')}.${CLAIMS}.${signature}`,
    `${Buffer.from('{"alg":"RSA-OAEP","enc":"A256GCM"}').toString('base64url')}.OKOawDo13gRp.48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvT`,
  ])
    assert.ok(isFound('jwt', token), token);
  assert.deepEqual(findings(`session_${HEADER}.${CLAIMS}.${signature}`), [`jwt:${HEADER}.${CLAIMS}.${signature}`]);
  // A claim more about the token than that it is a bearer token.
  assert.deepEqual(findings(`Bearer ${HEADER}.${CLAIMS}.${signature}`), [`jwt:${HEADER}.${CLAIMS}.${signature}`]);
  for (const value of [
    HEADER,
    `${HEADER}.`,
    `${Buffer.from('{"typ":"JWT"}').toString('base64url')}.${CLAIMS}.${signature}`,
    'eyJhbGciOiJI.not.json',
    'www.example.com',
  ])
    assert.deepEqual(findings(value), [], value);
});

test('bearer tokens: of a header whatever it is, in text what looks like one', () => {
  assert.deepEqual(findings('Bearer mF_9.B5f-4.1JqM'), ['bearer-token:mF_9.B5f-4.1JqM']);
  assert.deepEqual(findings('bearer abcdefgh'), ['bearer-token:abcdefgh']);
  assert.deepEqual(findings('sent with BEARER  vF9dft4qmT0AAA== to it'), ['bearer-token:vF9dft4qmT0AAA==']);
  assert.deepEqual(findings('got bearer 2YotnFZFEjr1zCsicMWpAA.'), ['bearer-token:2YotnFZFEjr1zCsicMWpAA']);
  for (const value of [
    'the bearer of bad news',
    'Bearer authentication is needed',
    'Bearer realm="example", error="invalid"',
    'Bearer',
    'Bearer ',
  ])
    assert.deepEqual(findings(value), [], value);
});

test('basic credentials, and those in URLs', () => {
  assert.deepEqual(findings('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='), ['basic-credentials:QWxhZGRpbjpvcGVuIHNlc2FtZQ==']);
  assert.deepEqual(findings('basic dXNlcjpwYXNz'), ['basic-credentials:dXNlcjpwYXNz']);
  assert.deepEqual(findings('sent: basic dXNlcjpwYXNz, ok'), ['basic-credentials:dXNlcjpwYXNz']);
  assert.deepEqual(findings('to https://ann:s3cret@example.com/x'), ['basic-credentials:ann:s3cret']);
  assert.deepEqual(findings('postgres://app:p%40ss@db.internal:5432/shop'), ['basic-credentials:app:p%40ss']);
  assert.deepEqual(findings('mongodb+srv://u:a:b@c@host/?w=1'), ['basic-credentials:u:a:b@c']);
  assert.deepEqual(findings('https://0123abcd@example.com/'), ['basic-credentials:0123abcd']);
  for (const value of ['basic plan', 'Basic subscription', 'Basic training', 'https://example.com/a@b', 'http://localhost:8080/x?y=@'])
    assert.deepEqual(findings(value), [], value);
});

test('private keys: to the last line, or to the end', () => {
  const pem = (label: string): string => `-----BEGIN ${label}-----\nMIIBVQ/+=\n-----END ${label}-----`;
  for (const label of ['PRIVATE KEY', 'RSA PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'OPENSSH PRIVATE KEY', 'PGP PRIVATE KEY BLOCK'])
    assert.ok(isFound('private-key', pem(label)), label);
  assert.deepEqual(findings('key: -----BEGIN EC PRIVATE KEY-----\\nMHcCAQ'), ['private-key:-----BEGIN EC PRIVATE KEY-----\\nMHcCAQ']);
  for (const value of [pem('CERTIFICATE'), pem('PUBLIC KEY'), '-----BEGIN', '--------------------', '---BEGIN PRIVATE KEY---'])
    assert.deepEqual(findings(value), [], value);
});

test('mail', () => {
  for (const address of [
    'ann@example.com',
    'ann.lee+news@mail.example.co.uk',
    "conor.o'brien@example.ie",
    'user%host@example.org',
    '_x-1@sub.123.de',
    '12345@qq.com',
    'user@163.com',
    'josé@example.es',
    '李@例子.公司',
    'a@b.xn--p1ai',
    '"ann lee"@example.com',
    'x@[192.0.2.1]',
  ])
    assert.ok(findings(`(${address})`).includes(`email:${address}`), address);
  assert.deepEqual(findings('to=ann@example.com&cc=bob@example.com'), ['email:ann@example.com', 'email:bob@example.com']);
  assert.deepEqual(findings("'ann@example.com', bob@example.com."), ['email:ann@example.com', 'email:bob@example.com']);
  assert.deepEqual(findings('Ann <ann@example.com>'), ['email:ann@example.com']);
  assert.deepEqual(findings('bounce+ann=example.com@lists.example.org'), ['email:bounce+ann=example.com@lists.example.org']);
  for (const value of [
    'ann@localhost',
    '@example.com',
    'a@b',
    'lodash@4.17.21',
    'pkg@1.2.3-beta.rc',
    'icon@2x.png',
    'ann@.com',
    'x @y.de',
    'a@b..de',
  ])
    assert.deepEqual(findings(value), [], value);
});

test('phones: international, North American, national', () => {
  for (const value of [
    '+49 30 1234567',
    '+49 (0)30 1234567',
    '+4915112345678',
    '+1 (555) 123-4567',
    '+1-202-555-0143',
    '+12025550143',
    '+44 20 7946 0958',
    '+33 6 12 34 56 78',
    '+86 138 1234 5678',
    '+91 98765 43210',
    '+55 11 91234-5678',
    '+353 1 234 5678',
    '0044 20 7946 0958',
    '0049 30 1234567',
    '(555) 123-4567',
    '(555)123-4567',
    '555-123-4567',
    '555.223.4567',
    '1-800-555-0199',
    '06 12 34 56 78',
    '06.12.34.56.78',
    '020 7946 0958',
    '07700 900123',
    '0121 496 0000',
    '(020) 7946 0958',
    '0171/1234567',
    '030 12345678',
    '0412 345 678',
    '(02) 9876 5432',
    '03-1234-5678',
    '090-1234-5678',
    '044 668 18 00',
    '(11) 91234-5678',
    '138 1234 5678',
  ])
    assert.ok(isFound('phone', value), value);
  assert.deepEqual(findings('call +49 30 1234567 12'), ['phone:+49 30 1234567 12']);
  assert.deepEqual(findings('+1 202 555 0143 99'), ['phone:+1 202 555 0143']);
});

test('no phones', () => {
  for (const value of [
    '5551234567',
    '004930123456789',
    '+1000000',
    '+02:00',
    '1.0.0+20130313144700',
    '+999 123456789',
    '2024-01-15',
    '01-02-2024',
    '155-123-4567',
    '555-123-45678',
    '9-555-123-4567',
    '06 12 34 56 78 90',
    '1 000 000',
    '(2024)',
    '(12) 34',
    'f(555)123-4567',
    '978-0-306-40615-7',
  ])
    assert.deepEqual(findings(value), [], value);
});

test('national ids: published examples', () => {
  for (const value of [
    '078-05-1120',
    '912-70-1234',
    'QQ123456C',
    'AB 12 34 56 C',
    '86095742719',
    '86 095 742 719',
    '184127645108946',
    '1 84 12 76 451 089 46',
    '12345678Z',
    'X1234567L',
    'Z-1234567-R',
    '12345678-Z',
    'RSSMRA85T10A562S',
    'mrtmtt91d08f205j',
    '1112.22.333',
    '85.07.30-033.28',
    '85073003328',
    '44051401359',
    '811228-9874',
    '19811228-9874',
    '198112289874',
    '070761-4285',
    '01129955151',
    '011299 55151',
    '131052-308T',
    '131052A308T',
    '123.456.789-09',
    '11.222.333/0001-81',
    '11222333000181',
    '2341 2341 2346',
    'ABCPE1234F',
    '11010519491231002X',
    '53010219200508011X',
    '123 456 782',
    '046-454-286',
    'S1234567D',
    '8001015009087',
    '756.1234.5678.97',
    '800101-1234567',
    'BOXW310820HNERXN09',
  ])
    assert.ok(isFound('national-id', value), value);
});

test('no national ids: a digit beside, wrong dates, wrong check digits', () => {
  for (const value of [
    '000-12-3456',
    '666-12-3456',
    '123-00-4567',
    '123-45-0000',
    '123-45-67890',
    '1-123-45-6789',
    'DQ123456C',
    'QQ123456E',
    'qq123456c',
    '12345678A',
    'X1234567A',
    'RSSMRA85T10A562T',
    '85.07.30-033.29',
    '44051401358',
    '811228-9875',
    '811328-9874',
    '070761-4286',
    '131052-308U',
    '123.456.789-10',
    '111.111.111-11',
    '11.222.333/0001-82',
    '2341 2341 2347',
    'ABCXE1234F',
    '110105194912310020',
    'S1234567E',
    '8001015009088',
    '756.1234.5678.98',
    '0.12345678Z',
    '2024-01-15T10:20:30.12345678Z',
    'a44051401359',
    '44051401359-1',
  ])
    assert.deepEqual(
      findings(value).filter((text) => text.startsWith('national-id')),
      [],
      value,
    );
});

test('addresses of IP', () => {
  for (const value of [
    '192.0.2.1',
    '10.0.0.255',
    '2001:db8::1',
    'fe80::1ff:fe23:4567:890a',
    '::1',
    '::ffff:192.0.2.128',
    '2001:0db8:85a3:0000:0000:8a2e:0370:7334',
    '64:ff9b::192.0.2.33',
    'abcd:ef::',
  ])
    assert.ok(isFound('ip-address', value), value);
  assert.deepEqual(findings('192.0.2.1:8080, [2001:db8::1]:443 10.1.2.3/24'), [
    'ip-address:192.0.2.1',
    'ip-address:2001:db8::1',
    'ip-address:10.1.2.3',
  ]);
  for (const value of [
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3',
    '01.02.03.04',
    '10:20:30',
    '::',
    'a::b::c',
    '1:2:3:4:5:6:7:8:9',
    'std::string',
    '00:1b:44:11:3a:b7',
  ])
    assert.deepEqual(findings(value), [], value);
});

test('secrets in text: the value of a name that a rule masks, under that rule', () => {
  for (const [text, secret] of [
    ['password=hunter2', 'hunter2'],
    ['login ok, userPassword = hunter2, next', 'hunter2'],
    ['{"password": "hunter2", "a": 1}', 'hunter2'],
    ["{'api_key':'ab cd'}", 'ab cd'],
    ['{\\"password\\":\\"hun\\",', 'hun'],
    ['user[password]=hunter2&x=1', 'hunter2'],
    [':api_key=>"abc"', 'abc'],
    ['token := abc;', 'abc'],
    ['?a=1&token=abc%20d&b=2', 'abc%20d'],
    ['Authorization: Bearer x', 'Bearer x'],
    ['Authorization: Digest username="u", uri="/"\nHost: x', 'Digest username="u", uri="/"'],
    ['Set-Cookie: a=b; Path=/\r\nDate: x', 'a=b; Path=/'],
    ['the token: Bearer abc def', 'Bearer abc'],
    ['<password>hunter2</password>', 'hunter2'],
    ['<s:Password Type="text">hunter2</s:Password>', 'hunter2'],
    ['"token": ["a", "b"], "c"', '["a", "b"]'],
    ['password="never closed, to the end', 'never closed, to the end'],
    ['pin: 1234.', '1234.'],
  ])
    assert.deepEqual(findings(text), [`secrets:${secret}`], text);
  for (const text of [
    'password=',
    'password: ""',
    'hasPassword: true',
    '"token":null',
    'shipping: 12',
    'tokenizer=bpe',
    'token://x',
    'passwords are bad',
    '<password/>',
    '<b>password</b>',
    'at 10:20:30',
  ])
    assert.deepEqual(findings(text), [], text);
});

test('secrets in text: where the name begins its line, the value is all of it', () => {
  useRules(everything);
  for (const c of ',;&)]}<>|"\'`')
    for (const value of [`Xk9${c}hunter2`, `${'>`"\''.includes(c) ? 'X' : ''}${c}hunter2`])
      for (const before of ['', 'a\n', 'a\r\n  ', '- ', 'export ', '\texport ', '# ', 'ENV ', '> '])
        assert.deepEqual(findings(`${before}DB_PASSWORD=${value}\nx`), [`secrets:${value}`], before + value);
  for (const [text, secret] of [
    ['user: a\npassword: correct horse staple\nb: 1', 'correct horse staple'],
    ['- "DB_PASSWORD=a,b c"\n- x', 'a,b c'],
    ["  - 'password=a,b \\'c' d", "a,b \\'c"],
    ['  password: abc,', 'abc'],
    ['  "password": 1234, "a": 2', '1234'],
    ['password=true blue', 'true blue'],
    ['\u2022 password: a b', 'a b'],
    ['the "password=a,b c" is', 'a,b c'],
    ['{\\"a\\":1,\\"b\\":\\"password=a,b c\\",\\"d\\":2}', 'a,b c'],
    ['pin: [1] hunter2', '[1] hunter2'],
  ])
    assert.deepEqual(findings(text), [`secrets:${secret}`], text);
  for (const text of ['password: true', 'password: null, # none', '  token: null,', 'token=;', 'password: false // yet', 'password:\nx'])
    assert.deepEqual(findings(text), [], text);
});

test('secrets in text: signs in a value, and before it', () => {
  useRules(everything);
  for (const c of ',;&)]}<>|"\'`') assert.deepEqual(findings(`failed for a password=Xk9${c}hunter2 end`), [`secrets:Xk9${c}hunter2`], c);
  for (const c of ',;&)]}<|') assert.deepEqual(findings(`failed for a password=${c}hunter2 end`), [`secrets:${c}hunter2`], c);
  for (const [text, secret] of [
    ['a password=hunter2, next', 'hunter2'],
    ['a (password=hunter2)', 'hunter2'],
    ['a {"n":"x password=hunter2","m":1}', 'hunter2'],
    ['a {"n":"x password=hunter2"},{"m":1}', 'hunter2'],
    ['/?token=abc&b=2', 'abc'],
    ['/?token=abc&def=', 'abc&def='],
    ['a password=hunter2<br>b', 'hunter2'],
    ["SET password = 'it''s hunter2', b = 'c'", "it''s hunter2"],
    ["a password = ''hunter2 b", "'hunter2"],
    ['a password="ab"hunter2 b', 'ab"hunter2'],
    ['{\\\\\\"password\\\\\\":\\\\\\"a\\\\\\\\\\"hunter2\\\\\\",', 'a\\\\\\\\\\"hunter2'],
    ['the “password”: “hunter2 three” ok', 'hunter2 three'],
    ['<b>Password:</b> hunter2', 'hunter2'],
    ['<td>Password:</td><td>hunter2</td>', 'hunter2'],
  ])
    assert.deepEqual(findings(text), [`secrets:${secret}`], text);
  for (const text of ['f(password=, x)', '{"a":password=}', '<td>Password:</td></tr>', '"password":}'])
    assert.deepEqual(findings(text), [], text);
});

test('secrets in text: tags, anchors and comments of YAML', () => {
  useRules(everything);
  for (const [text, secret] of [
    ['password: !!str hunter2\nb: 1', '!!str hunter2'],
    ['password: &pw hunter2\nb: 1', '&pw hunter2'],
    ['a: {password: !!str hunter2, b: 1}', '!!str hunter2'],
    ['password: &pw |\n  hunter2\n  b\nc: 1', '&pw |\n  hunter2\n  b'],
    ['password: > # folded\n  hunter2\nx: 1', '> # folded\n  hunter2'],
    ['password: # note\n  hunter2\nx: 1', '# note\n  hunter2'],
    ['a:\n  token: # note\n  - hunter2\nx: 1', '# note\n  - hunter2'],
    ['password: #hunter2\nx: 1', '#hunter2'],
    ['password: !hunter2 ', '!hunter2'],
  ])
    assert.deepEqual(findings(text), [`secrets:${secret}`], text);
});

test('secrets in text: what is glued to a name beyond ASCII, and blanks of any kind', () => {
  useRules(everything);
  for (const [text, secret] of [
    ['\ufeffpassword: hunter2\n', 'hunter2'],
    ['Your password\u00a0: hunter2 ok', 'hunter2'],
    ['Your password \u00a0: hunter2 ok', 'hunter2'],
    ['Your password:\u00a0 hunter2 ok', 'hunter2'],
    ['\u2022password: hunter2', 'hunter2'],
    ['\u2013password=hunter2', 'hunter2'],
    ['\u{1f511}password: hunter2', 'hunter2'],
    ['a   password\u200b=hunter2 b', 'hunter2'],
    [`UserName${' '.repeat(40)}: ann\nPassword${' '.repeat(40)}: hunter2\n`, 'hunter2'],
    [`a password:${' '.repeat(200)}hunter2 b`, 'hunter2'],
    ['**Password:** hunter2\n', 'hunter2'],
    ['**Password**: hunter2\n', 'hunter2'],
    ['__Password:__ hunter2\n', 'hunter2'],
    ['see `password`: hunter2 b', 'hunter2'],
  ])
    assert.deepEqual(findings(text), [`secrets:${secret}`], text);
});

test('secrets in text: command lines', () => {
  useRules(everything);
  for (const [text, secret] of [
    ['mysql --password  hunter2 -u root', 'hunter2'],
    ['mysql --password\thunter2 -u root', 'hunter2'],
    ['mysql --password \\\n  hunter2 -u root', 'hunter2'],
    ['mysql --password\u00a0hunter2 -u root', 'hunter2'],
    ['mysql --password Xk9,hunter2 -u root', 'Xk9,hunter2'],
    ['mysql --password ;hunter2 -u root', ';hunter2'],
    ['mysql --password=hunter2 -u root', 'hunter2'],
    ['--password=hunter2 -u root', 'hunter2'],
    ['sh -c "mysql --password hunter2"', 'hunter2'],
  ])
    assert.deepEqual(findings(text), [`secrets:${secret}`], text);
  for (const text of ['a --password -u root', 'a --password | b', 'a --password > b', 'a --password', 'a --password   '])
    assert.deepEqual(findings(text), [], text);
});

test('secrets in text: quotes end an authorization only when they began before it', () => {
  useRules(everything);
  const digest = 'Digest username="u", response="hunter2"';
  for (const [text, secret] of [
    [`x\nAuthorization: ${digest}\nHost: x`, digest],
    [`at 10 Authorization: ${digest}\r\nHost: x`, digest],
    ["don't Authorization: Signature keyId='k',signature='hunter2'", "Signature keyId='k',signature='hunter2'"],
    ['curl -H "Authorization: Bearer hunter2" https://a', 'Bearer hunter2'],
    [`curl -H 'Authorization: ${digest}' https://a`, digest],
    ['{"a":"x Authorization: Bearer hunter2","b":1}', 'Bearer hunter2'],
    ['{\\"a\\":\\"x Authorization: Bearer hunter2\\",\\"b\\":1}', 'Bearer hunter2'],
  ])
    assert.deepEqual(findings(text), [`secrets:${secret}`], text);
});

test('numbers of things in text', () => {
  useRules(defaultMasking.rules);
  for (const text of ['used prompt_tokens=12 total_tokens=345 ok', 'max_tokens: 100', '"completion_tokens":7,', 'x tokens: 12, a'])
    assert.deepEqual(findings(text), [], text);
  assert.deepEqual(findings('the tokens=abc12 b'), ['token:abc12']);
  assert.deepEqual(findings('the pins=1234 b'), ['password:1234']);
});

test('a rule applies at its places only, and to both sides', () => {
  useRules([rule({ name: 'here', detector: 'email', places: ['query', 'cookie'] }), rule({ name: 'card', detector: 'payment-card' })]);
  const value = 'ann@example.com 4111111111111111';
  for (const where of [QUERY, COOKIE, COOKIE + OF_RESPONSE]) {
    place[0] = where;
    assert.deepEqual(findings(value), ['here:ann@example.com', 'card:4111111111111111']);
  }
  place[0] = BODY;
  assert.deepEqual(findings(value), ['card:4111111111111111']);
});

test('the first rule that applies has the finding', () => {
  useRules([
    rule({ name: 'a', detector: 'email', places: ['query'] }),
    rule({ name: 'b', detector: 'email', notFields: ['contact'] }),
    rule({ name: 'c', detector: 'email' }),
  ]);
  assert.deepEqual(findings('ann@example.com'), ['b:ann@example.com']);
  underName('contactMail');
  assert.deepEqual(findings('ann@example.com'), ['c:ann@example.com']);
  place[0] = QUERY;
  assert.deepEqual(findings('ann@example.com'), ['a:ann@example.com']);
});

test('under a name of notFields a rule keeps off, until the next name', () => {
  useRules([rule({ name: 'phone', detector: 'phone', notFields: ['version', '=id'] }), ...detectors('email')]);
  const value = '555-123-4567 ann@example.com';
  underName('appVersion');
  assert.deepEqual(findings(value), ['email:ann@example.com']);
  const kept = denied[0];
  underName('id');
  assert.deepEqual(findings(value), ['email:ann@example.com']);
  underName('userId');
  assert.deepEqual(findings(value), ['phone:555-123-4567', 'email:ann@example.com']);
  denied[0] = kept;
  assert.deepEqual(findings(value), ['email:ann@example.com']);
});

test('no rules find nothing', () => {
  useRules([]);
  assert.deepEqual(findings('ann@example.com password=hunter2'), []);
});

test('a value that came before is looked at anew by other rules, at other places, under other names', () => {
  const value = 'call ann@example.com or S-1234 please';
  const again = (expected: readonly string[]): void => {
    for (let i = 0; i < 4; i++) assert.deepEqual(findings(value), expected);
  };
  useRules([...detectors('phone'), rule({ name: 'mail', detector: 'email', places: ['query'], notFields: ['contact'] })]);
  again([]);
  place[0] = QUERY;
  again(['mail:ann@example.com']);
  underName('contact');
  again([]);
  underName('other');
  again(['mail:ann@example.com']);
  useRules([rule({ name: 'staff', pattern: 'S-[0-9]+' })]);
  again(['staff:S-1234']);
  useRules(detectors('phone'));
  again([]);
});

test('values that are alike, and came before or not', () => {
  useRules(detectors('payment-card'));
  for (let round = 0; round < 4; round++)
    for (let i = 0; i < 3000; i++) {
      const value = `order 41111111${String(i).padStart(4, '0')}1111 is on its way`;
      const digits = value.slice(6, 22);
      const sum = [...digits].reduce(
        (all, c, at) => all + (at % 2 === 0 ? Math.floor(Number(c) / 5) + ((Number(c) * 2) % 10) : Number(c)),
        0,
      );
      assert.deepEqual(findings(value), sum % 10 === 0 ? [`payment-card:${digits}`] : [], value);
    }
});

// Pieces that detectors begin at, whole and broken.
const pieces = fc.constantFrom(
  ...[
    '4111 1111 1111 1111',
    '4111',
    ' ',
    '-',
    '.',
    '/',
    '@',
    ':',
    '=',
    '+',
    '(',
    ')',
    '<',
    '>',
    '"',
    "'",
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    '00',
    '+49 30 1234567',
  ],
  ...[
    'DE89370400440532013000',
    'DE89 3704',
    'eyJhbGciOiJIUzI1NiJ9',
    'eyJ',
    'Bearer ',
    'basic ',
    'dXNlcjpwYXNz',
    'ann@example.com',
    'password',
    'token=',
    '://',
    '::1',
  ],
  ...[
    'AKIAIOSFODNN7EXAMPLE',
    'ghp_',
    'sk-',
    '-----BEGIN PRIVATE KEY-----',
    '-----END PRIVATE KEY-----',
    '078-05-1120',
    '12345678Z',
    '192.0.2.1',
    'X',
    'é',
    '\u{1f600}',
  ],
);
const hostile = fc.oneof(
  fc.array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 40 }).map((parts) => Buffer.from(parts.join(''))),
  fc.uint8Array({ maxLength: 300 }).map((data) => Buffer.from(data)),
  fc.string({ maxLength: 200 }).map((text) => Buffer.from(text, 'latin1')),
);

test('bytes outside of a value change nothing; findings are in order and inside', () => {
  useRules([...everything, rule({ name: 'staff', pattern: '[A-Z]{2}[0-9]{2,}|é+', validator: '' })]);
  fc.assert(
    fc.property(hostile, (data) => {
      const first = findAll(data, 0x39);
      for (const beside of [0x00, 0x20, 0x40, 0x61, 0x2d, 0xff]) assert.deepEqual(findAll(data, beside), first);
    }),
    { numRuns: 1500 },
  );
});

test('rules found exist', () => {
  fc.assert(
    fc.property(hostile, (data) => {
      bytes.set(data, AT);
      const end = AT + data.length;
      for (let p = AT; p < end && detect(p, end, AT); p = found[1]) assert.ok(found[2] >= 1 && found[2] <= everything.length);
    }),
    { numRuns: 500 },
  );
});

const repeated: Readonly<Record<string, string>> = {
  digits: '4',
  'groups of one': '1 ',
  'groups of four': '4111 ',
  'groups with hyphens': '4111-',
  'dotted digits': '1.',
  'IBAN begun': 'DE89 ',
  'IBAN begun bare': 'DE89370400',
  'at signs': '@',
  'mail begun': 'a@',
  'mail with dots': 'a@b.',
  'local parts with equals': 'a+b=c',
  'one local part': 'a.b-c_d',
  'labels of a domain': 'x@a-b-',
  'JWT begun': 'eyJ-',
  'JWT with dots': 'eyJ.',
  'headers of JWT': `${HEADER}.`,
  'header of JWT without an end': 'eyJhbGciOiJhYWFhYWFhYWFhYWFhYWFh',
  bearer: 'Bearer ',
  'bearer with dots': 'Bearer a.',
  basic: 'Basic YWFh',
  'URLs begun': 'a://',
  'URLs with users': 'a://b:c',
  'keys begun': 'sk-',
  'keys of AWS': 'AKIAIOSFODNN7EXAMPLE ',
  'keys of Slack': 'xoxb-a.',
  PEM: '-----BEGIN ',
  'PEM without an end': '-----BEGIN X PRIVATE KEY',
  hyphens: '-',
  plus: '+',
  'phones begun': '+1 ',
  brackets: '(',
  'brackets with digits': '(0123)',
  equals: '=',
  'names without values': 'password',
  'names and signs': 'a=',
  'names and colons': 'ab: ',
  'names in quotes': '"a":"',
  secrets: 'password=x ',
  'secrets in quotes': 'password="',
  elements: '<a ',
  'elements with names': '<password>',
  colons: ':',
  'hex and colons': 'a:',
  'hex and double colons': '1::',
  blanks: ' ',
  words: 'word ',
  capitals: 'A',
  backslashes: 'password="\\',
  'values with signs': 'a password=a,b;c',
  'values of signs': 'a password=;',
  'values with equals signs': 'x pin=a&b&c=',
  'nothing, with signs': 'x pin=null,',
  'nothing, on lines': 'pin: true,\n',
  'tags of YAML': 'a pin: !a ',
  'comments of YAML': 'a pin: # ',
  'comments on lines': 'pin: # \n',
  'typographic quotes': 'a pin=\xe2\x80\x98a ',
  'typographic quotes alone': 'a pin=\xe2\x80\x98\xe2\x80\x98 ',
  'authorization in quotes': '"a cookie: b',
  'authorization on a line': 'don\'t cookie: "',
  'options and blanks': ' --password   ',
  'names and blanks': `a pin${' '.repeat(63)}:${' '.repeat(100)}`,
  'names and blanks beyond ASCII': 'a pin\xc2\xa0:\xc2\xa0',
  'ends of elements': 'a pin:</b></b></b></b></b>',
  'open brackets': 'a pin:[',
  'indented names': `${' '.repeat(120)}pin:,\n`,
};

test('time is linear: bytes looked at a hundred times more stay at most a hundred times more', () => {
  useRules([...everything, rule({ name: 'evil', pattern: '(a+)+$|(x+x+)+y' })]);
  for (const [name, piece] of Object.entries(repeated)) {
    const cost = (n: number): number => {
      const data = Buffer.from(piece.repeat(Math.ceil(n / piece.length)).slice(0, n), 'latin1');
      bytes.set(data, AT);
      looked[0] = 0;
      findIn(AT, AT + n);
      return looked[0];
    };
    const small = cost(10_000);
    const large = cost(1_000_000);
    assert.ok(large <= 110 * small + 1_000_000, `${name}: ${small} and ${large}`);
    assert.ok(small <= 200 * 10_000, `${name}: ${small} bytes looked at`);
  }
});

test('names in text are looked up by their bytes, not worked out each time', () => {
  const value = 'password=a alpha=b beta: c '.repeat(50);
  findings(value);
  const before = namesWorkedOut();
  findings(value);
  assert.equal(namesWorkedOut(), before);
});

test('separators that no keyboard has, several in a row, or not all the same', () => {
  const blanks = ['\u00a0', '\u202f', '\u2009', '\u200b', '\t', '\n', '\r\n', '  ', '\n    ', ' \u00a0'];
  const dashes = ['\u2013', '\u2011', '\u2212', '\u2012', ' - ', ' \u2013 '];
  const join = (groups: string, separator: string): string => groups.replaceAll(' ', separator);
  useRules(detectors('payment-card'));
  for (const separator of [...blanks, ...dashes])
    for (const card of ['4111 1111 1111 1111', '3782 822463 10005', '4111111111111111'.replace(/(.{8})/, '$1 ')])
      assert.ok(isFound('payment-card', join(card, separator)), JSON.stringify(join(card, separator)));
  for (const card of ['4111 1111-1111\u20131111', '4111\u00a01111 1111-1111']) assert.ok(isFound('payment-card', card), card);
  useRules(detectors('iban'));
  for (const separator of [...blanks, ...dashes])
    assert.ok(isFound('iban', join('DE89 3704 0044 0532 0130 00', separator)), JSON.stringify(separator));
  useRules(detectors('phone'));
  for (const separator of blanks)
    for (const phone of ['+49 30 1234567', '+1 555 123 4567', '020 7946 0958', '0044 20 7946 0958', '(555) 123-4567'])
      assert.ok(isFound('phone', join(phone, separator)), JSON.stringify(join(phone, separator)));
  for (const separator of dashes)
    for (const phone of ['555 123 4567', '+1 555 123 4567'])
      assert.ok(isFound('phone', join(phone, separator)), JSON.stringify(join(phone, separator)));
  useRules(detectors('national-id'));
  assert.ok(isFound('national-id', '536\u201322\u20138726'));
});

test('columns of numbers are no cards; sixteen digits without a check digit are none either', () => {
  useRules(detectors(...detectorNames));
  for (const separator of ['\t', '\n', '\r\n'])
    for (const table of ['17 4111 1111 1111 1111', '4111 1111 1111 1111 17', '1 2 3 4 5 6 7 8', '2024 2025 2026'])
      assert.deepEqual(findings(table.replaceAll(' ', separator)), [], JSON.stringify(table.replaceAll(' ', separator)));
  for (const text of [
    '4111\u00a01111\u00a01111\u00a01112',
    '2024\u20132025',
    '12\u00a0000\u00a0000',
    '10\u201312 May',
    '1\u00a0234\u00a0567,89',
  ])
    assert.deepEqual(findings(text), [], text);
});
