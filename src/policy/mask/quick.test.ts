/** The quick way finds what the walkers find, and nothing else: both are run over the same bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { beside, masked, setRules } from '../../../test/support/masking.ts';
import { bytes, outputRegion, packetRegion } from '../../base/arena.ts';
import { defaultMasking, shippedRules } from '../default-masking.ts';
import { Policy } from '../policy.ts';
import type { MaskingRule } from '../spec.ts';
import { maskCookies, maskSetCookie, startCookies } from './cookies.ts';
import { random } from './detect-testing.ts';
import { maskDocument } from './document.ts';
import { maskForm } from './form.ts';
import { innocentKinds } from './innocent-testing.ts';
import { inspectValue, noName } from './inspect.ts';
import { quickKernels } from './kernels/kernels.ts';
import { maskPath } from './path.ts';
import { PATH } from './place.ts';
import { isQuicklyClean, setQuick } from './quick.ts';
import { makers } from './secrets-testing.ts';
import { PLAIN } from './value.ts';

const skip = quickKernels === null && 'no SIMD here';
const AT = packetRegion.at + 64;
// Addresses too, which are off by default.
const allRules = shippedRules.map(({ rule }) => rule);

/** A secret of any kind, an innocent value, or pieces from which both are made. */
const value: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(fc.integer({ min: 1 }), fc.nat(makers.length - 1)).map(([seed, i]) => makers[i][2](random(seed))),
  fc
    .tuple(fc.integer({ min: 1 }), fc.nat(makers.length - 1), fc.constantFrom('\u00a0', '\u2013', '  ', ' - ', ' \u2009', '\t'))
    .map(([seed, i, separator]) => makers[i][2](random(seed)).replaceAll(/[ -]/g, separator)),
  fc.tuple(fc.integer({ min: 1 }), fc.constantFrom(...Object.keys(innocentKinds))).map(([seed, kind]) => innocentKinds[kind](random(seed))),
  fc
    .array(
      fc.oneof(
        fc.stringMatching(/^[0-9]{1,20}$/),
        fc.stringMatching(/^[a-zA-Z0-9]{1,20}$/),
        fc.stringMatching(/^[A-Z]{0,6}[0-9]{1,8}[A-Z]{0,3}$/),
        fc.stringMatching(/^[0-9a-f]{4,12}$/),
        fc.constantFrom(' ', ' ', '-', '--', '.', '/', '_', ',', '00', '+', '(', 'Bearer', 'basic', 'sk-', 'eyJ', 'DE89', 'ann@a.example'),
        fc.constantFrom(
          'password=',
          '\n- pin: ',
          '--token  ',
          '“',
          ';',
          'é',
          '"',
          'W',
          '{',
          '%40',
          '://',
          'xoxb-1',
          'AKIA',
          'MTA',
          '茶',
          '\t',
          '<pin>',
        ),
      ),
      { maxLength: 7 },
    )
    .map((pieces) => pieces.join('')),
);
const text = fc
  .tuple(fc.constantFrom('', '', 'see ', 'a-', '1 '), value, fc.constantFrom('', '', ' there', '.', '-9'))
  .map((parts) => parts.join(''));

function findings(source: string): readonly string[] {
  setQuick(false);
  return masked(source, (at, end) => {
    noName();
    inspectValue(at, end, PLAIN, 0);
  }).found;
}

test('in what is quickly clean nothing is found', { skip }, () => {
  setRules(allRules);
  let clean = 0;
  fc.assert(
    fc.property(text, fc.constantFrom(...'0aZ -'), (source, behind) => {
      // Whatever stands behind the value must not matter to the finding.
      const data = Buffer.from(source);
      bytes.fill(behind, AT, AT + data.length + 64);
      bytes.set(data, AT);
      setQuick(true);
      if (!isQuicklyClean(AT, AT + data.length)) return;
      clean++;
      assert.deepEqual(findings(source), [], source);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(clean > 2000, `${clean} of 20000 were clean`);
});

test('ordinary values are quickly clean', { skip }, () => {
  setRules(defaultMasking.rules);
  for (const ordinary of [
    'gzip, deflate, br',
    'nosniff',
    'two words',
    'CVOS5uqoh',
    'cf151566-777d-407c-a410-000000000001',
    'W/"6156c23abb-YrvKSIFF9fxTH6v2wA9DroYD"',
    '00-105f1aca56dde699b21b5124d6ab6982-35f8488f536cd95e-01',
    'Crêpe — 茶',
    '2025-06-15',
  ]) {
    const end = AT + bytes.write(ordinary, AT);
    assert.ok(isQuicklyClean(AT, end), ordinary);
  }
});

const json = beside('application/json');

/** What `mask` gives is the same with the quick way as without it. */
function sameBothWays(mask: () => unknown): void {
  setQuick(false);
  const slow = mask();
  setQuick(true);
  // Once more when names and values are known.
  for (let i = 0; i < 3; i++) assert.deepEqual(mask(), slow);
}

const maskJson = (at: number, end: number, isCut: boolean): void => maskDocument(at, end, isCut, ...json);

const name = fc.oneof(
  fc.constantFrom(
    'id',
    'name',
    'Key',
    'value',
    'token',
    'email',
    'cardNumber',
    'cardNumbers',
    'max_tokens',
    '\ufeffpin',
    'tokenType',
    'items',
    'a',
    '',
    'x'.repeat(60),
    'ünï',
    'n\\u0061me',
  ),
  fc.stringMatching(/^[a-z]{1,12}$/),
  text,
);
const document = fc.letrec((tie) => ({
  leaf: fc.oneof(
    text,
    fc.string({ maxLength: 40 }),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.constantFrom(true, false, null, 4111111111111111, 7517.56, -74876407, 'about:blank', 'said "leave it"\n\\o/'),
  ),
  node: fc.oneof(
    { maxDepth: 5 },
    tie('leaf'),
    fc.array(tie('node'), { maxLength: 5 }),
    fc.array(fc.tuple(name, tie('node')), { maxLength: 6 }).map((members) => Object.fromEntries(members)),
  ),
})).node;

test('JSON: the same edits, places and fields as without it', { skip }, () => {
  setRules(defaultMasking.rules);
  fc.assert(
    fc.property(document, fc.constantFrom(undefined, 2), fc.boolean(), fc.integer({ min: 0, max: 9 }), (value_, indent, isCut, cut) => {
      const whole = JSON.stringify([value_], undefined, indent);
      const source = cut > 5 ? whole.slice(0, Math.floor((whole.length * cut) / 10)) : whole;
      sameBothWays(() => masked(source, maskJson, isCut));
    }),
    { numRuns: 5000 },
  );
});

test('JSON: odd grammar, repeats and empty ones', { skip }, () => {
  setRules(defaultMasking.rules);
  for (const source of [
    '{}',
    '[]',
    '[[],{},[{}]]',
    '{"a":1,}',
    '[1,,2]',
    '{"a" : "ann@a.example" , "a":"ann@a.example"}',
    '{"email":["ann@a.example","x"],"y":"tea"}',
    '[{"token":"abc"},"abc"]',
    '{"name":"password","value":"hunter2"}',
    '{"name":"Mary Smith","value":"hunter2"}',
    '{"token":{"a":"b"},"c":"d"}',
    '{"token":null,"b":"c"}',
    '{"a":1}{"token":"x"}',
    '{"a":tru}',
    '{"a":1e21,"b":4.111111111111111E15}',
    '{"a":"\\u0061nn@a.example"}',
    '{"a":"x"',
    '{"a"}',
    '{"a":"b"]',
    `${'['.repeat(80)}"ann@a.example"${']'.repeat(80)}`,
    `{"a":${'['.repeat(50)}"ann@a.example"${']'.repeat(50)},"token":"x"}`,
  ])
    for (const isCut of [false, true]) sameBothWays(() => masked(source, maskJson, isCut));
});

const pairName = fc.oneof(
  fc.constantFrom(
    'page',
    'q',
    'session',
    'user[passwords]',
    'tokens',
    'user[password]',
    'user[id]',
    'a.token',
    'tokenType',
    '_ga',
    'to%6ben',
    '',
    'x'.repeat(60),
  ),
  fc.stringMatching(/^[a-z]{1,6}$/),
  text,
);
const pair = fc
  .tuple(
    pairName,
    fc.constantFrom('=', '=', '=', '', '==', ' = ', '="'),
    fc.oneof(text, fc.constantFrom('', '17', 'tea+cup')),
    fc.constantFrom('', '', ' ', '"'),
  )
  .map((parts) => parts.join(''));
const pairs = fc
  .array(fc.tuple(fc.oneof(pair, pair.map(encodeURI)), fc.constantFrom('&', '&', ';', '; ')), { maxLength: 8 })
  .map((pieces) => pieces.map((piece) => piece.join('')).join(''));

test('pairs of forms, queries and cookies: the same edits, places and fields as without it', { skip }, () => {
  setRules(defaultMasking.rules);
  const walks = [
    maskForm,
    (at: number, end: number): void => {
      startCookies();
      maskCookies(at, end);
    },
    (at: number, end: number): void => maskSetCookie(at, end),
  ];
  fc.assert(
    fc.property(pairs, fc.constantFrom(...walks), fc.boolean(), (source, walk, isCut) => {
      sameBothWays(() => masked(source, walk, isCut));
    }),
    { numRuns: 5000 },
  );
});

const segment = fc.oneof(
  fc.constantFrom(
    'api',
    'v2',
    'users',
    'reset',
    'token',
    'tokens',
    'password',
    '410326',
    '',
    'cart;jsessionid=0BF63C',
    'verify',
    '9f86d081884c7d659a2f',
  ),
  text.map(encodeURI),
);

test('paths: the same edits, places and fields as without it', { skip }, () => {
  const floor: MaskingRule = { ...defaultMasking.rules[0], name: 'floor', detector: '', fields: ['410326'] };
  for (const rules of [defaultMasking.rules, [...allRules, floor]]) {
    setRules(rules);
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 8 }), (segments) => {
        const source = `/${segments.join('/')}`;
        sameBothWays(() => masked(source, maskPath, false, PATH));
      }),
      { numRuns: 3000 },
    );
  }
});

/** Gives the records of calls as these rules mask them. */
function recordsBy(rules: readonly MaskingRule[]): (call: number) => string {
  const policy = new Policy({
    pipelines: [
      {
        name: 'all',
        simple: { otherwise: 'include', rules: [] },
        advanced: { otherwise: 'include', rules: [] },
        sampling: { share: 1, key: 'call' },
      },
    ],
    masking: { ...defaultMasking, rules },
    maskingKey: Buffer.alloc(32),
  });
  return (call) => {
    policy.route(call);
    const record = bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at));
    return record.replace(/"id":"[^"]*"/, '');
  };
}

test('heads: the same record, however often they come', { skip }, () => {
  const look = recordsBy(defaultMasking.rules);
  const field = fc.constantFrom('X-Note', 'Cookie', 'Referer', 'Origin', 'Authorization', 'Link', 'x-api-key', 'Token-Type', 'User-Agent');
  const headers = fc.array(
    fc.tuple(
      field,
      text.filter((t) => !/[\t\r\n]/.test(t)),
    ),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(headers, (list) => {
      const head = list.map(([n, v]) => `|${n}: ${v.replaceAll('|', '')}`).join('');
      const exchange = {
        request: message(`GET / HTTP/1.1${head}`),
        response: message(`HTTP/1.1 200 OK${head.replace('Cookie', 'Set-Cookie')}`),
      };
      sameBothWays(() => lookAtCall(exchange, look));
    }),
    { numRuns: 500 },
  );
});

test('new rules: nothing of what was known before counts', { skip }, () => {
  const source = '{"nickname":"tea and a long walk"}';
  setRules(defaultMasking.rules);
  for (let i = 0; i < 3; i++) assert.deepEqual(masked(source, maskJson).found, []);
  setRules([{ ...defaultMasking.rules[0], name: 'nick', detector: '', fields: ['nickname'] }]);
  assert.deepEqual(masked(source, maskJson).found, ['nick nickname']);
  setRules([{ ...defaultMasking.rules[0], name: 'tea', detector: '', pattern: 'tea' }]);
  assert.deepEqual(masked(source, maskJson).found, ['tea nickname']);
});

test('new rules: the value that a field had the last time is looked at again', { skip }, () => {
  const exchange = { request: message('GET / HTTP/1.1|X-Note: 198.51.100.9'), response: message('HTTP/1.1 200 OK') };
  const withoutAddresses = recordsBy(defaultMasking.rules);
  for (let i = 0; i < 3; i++) assert.match(lookAtCall(exchange, withoutAddresses), /198\.51\.100\.9/);
  const withAddresses = recordsBy(allRules);
  // At first the name is not known. With another value, in which nothing is found, it is.
  const other = { ...exchange, request: message('GET / HTTP/1.1|X-Note: a=b') };
  for (let i = 0; i < 3; i++) lookAtCall(other, withAddresses);
  assert.doesNotMatch(lookAtCall(exchange, withAddresses), /198\.51\.100\.9/);
});
