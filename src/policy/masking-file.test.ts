import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { SensorError } from '../base/errors.ts';
import { defaultMasking, shippedRules } from './default-masking.ts';
import { RULES_MAX } from './mask/unreadable.ts';
import { loadMasking, MASKING_RULES_MAX, maskingJsonSchema, parseMasking } from './masking-file.ts';
import { defaultMaskingYaml } from './masking-yaml.ts';
import { detectorNames, type MaskingRule } from './spec.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'earshot-masking-'));
after(() => rmSync(folder, { recursive: true }));

const rulesOf = (text: string): readonly MaskingRule[] => parseMasking(text, 'masking.yaml').rules;
const names = (text: string): string[] => rulesOf(text).map(({ name }) => name);

function mistakesIn(text: string): string[] {
  try {
    parseMasking(text, 'f');
  } catch (error) {
    assert.ok(error instanceof SensorError);
    assert.equal(error.code, 'masking-invalid');
    assert.match(error.next, /docs\/masking\.md/);
    return error.details.map((line) => line.replace(/^f:/, ''));
  }
  assert.fail('it was accepted');
}

test('without a file, and with one that says nothing: what is shipped', () => {
  assert.equal(loadMasking(''), defaultMasking);
  for (const text of ['', '# nothing\n', 'extends: default\n', 'rules:\n  # - name: a\n']) {
    const file = join(folder, 'masking.yaml');
    writeFileSync(file, text);
    assert.deepEqual(loadMasking(file), defaultMasking);
  }
});

test('the commented file is what is shipped, and what the code makes', () => {
  const text = readFileSync(join(root, 'config/masking.yaml'), 'utf8');
  assert.equal(text, defaultMaskingYaml());
  assert.deepEqual(parseMasking(text, 'masking.yaml'), defaultMasking);
  for (const { rule, meaning } of shippedRules) assert.ok(text.includes(`# ${meaning}\n  - name: ${rule.name}\n`), rule.name);
});

test('the shipped rules: each name once, every detector in use, room for those of a file', () => {
  assert.equal(new Set(shippedRules.map(({ rule }) => rule.name)).size, shippedRules.length);
  assert.deepEqual(new Set(shippedRules.map(({ rule }) => rule.detector).filter((name) => name !== '')), new Set(detectorNames));
  assert.ok(shippedRules.length + MASKING_RULES_MAX <= RULES_MAX);
  const off = shippedRules.filter(({ enabled }) => !enabled).map(({ rule }) => rule.name);
  assert.deepEqual(off, ['ip-address', 'person-name']);
  assert.ok(!defaultMasking.rules.some(({ name }) => off.includes(name)));
});

test('a rule of a shipped name changes that rule, which stays in its place', () => {
  const rules = rulesOf('rules:\n  - name: payment-card\n    action: keep-last-4\n  - name: email\n    places: [body]\n');
  assert.deepEqual(
    rules,
    defaultMasking.rules.map((rule): MaskingRule => {
      if (rule.name === 'payment-card') return { ...rule, action: 'keep-last-4' };
      return rule.name === 'email' ? { ...rule, places: ['body'] } : rule;
    }),
  );
});

test('a rule is switched off, and one that is off is switched on by its name', () => {
  assert.ok(!names('rules: [{ name: phone, enabled: false }]').includes('phone'));
  const on = names('rules: [{ name: ip-address, action: hash }]');
  assert.equal(on.indexOf('ip-address'), on.indexOf('authorization') - 1);
});

test('new rules stand before the shipped ones; with extends: none they are all', () => {
  const text = `rules:
  - name: Staff-Number
    pattern: 'S-[0-9]{6}'
    fields: [staff-number, '=staff']
    notFields: [staff-number-length]
    places: [header, body]
    action: replace
    replacement: '*staff*'
  - name: loyalty-card
    pattern: '[0-9]{16}'
    validator: luhn
  - { name: later, fields: [later], enabled: false }
`;
  assert.deepEqual(rulesOf(text), [
    {
      name: 'Staff-Number',
      detector: '',
      pattern: 'S-[0-9]{6}',
      validator: '',
      fields: ['staff-number', '=staff'],
      notFields: ['staff-number-length'],
      places: ['header', 'body'],
      action: 'replace',
      replacement: '*staff*',
    },
    {
      name: 'loyalty-card',
      detector: '',
      pattern: '[0-9]{16}',
      validator: 'luhn',
      fields: [],
      notFields: [],
      places: [],
      action: 'replace',
      replacement: '',
    },
    ...defaultMasking.rules,
  ]);
  assert.deepEqual(names(`extends: none\n${text}`), ['Staff-Number', 'loyalty-card']);
  assert.deepEqual(parseMasking('extends: none\nbinaryBodies: pass\n', 'f'), { rules: [], binaryBodies: 'pass' });
  // A shipped name is free then.
  assert.deepEqual(names('extends: none\nrules: [{ name: email, fields: [mail] }]'), ['email']);
});

test('JSON', () => {
  assert.deepEqual(names('{"extends": "none", "rules": [{"name": "a", "fields": ["b"]}]}'), ['a']);
});

test('every mistake at once, where it stands', () => {
  const text = `extends: defaults
binaryBodies: keep
rules:
  - name: email
    acton: hash
  - name: payment-crad
    action: keep-last-five
  - name: two
    detector: iban
    pattern: 'DE\\d+'
    places: [bodies]
  - name: email
  - name: checked
    fields: [cardNumber]
    validator: luhn
    replacement: '<card>'
  - name: not a name
    pattern: 'a(b'
`;
  assert.deepEqual(mistakesIn(text), [
    '1:10: extends: wanted: default or none (given: "defaults"). Did you mean default?',
    '2:15: binaryBodies: wanted: remove or pass (given: "keep")',
    '5:5: rules.0.acton: there is no such name here. Did you mean action?',
    '6:11: rules.1.name: wanted: the name of a shipped rule, or what it finds: detector, pattern or fields. Did you mean payment-card? (given: "payment-crad")',
    '7:13: rules.1.action: wanted: replace or remove or hash or keep-last-4 or format-preserving or jwt-claims or report (given: "keep-last-five"). Did you mean keep-last-4?',
    `10:14: rules.2.pattern: wanted: detector or pattern, not both (given: "DE\\\\d+")`,
    '11:14: rules.2.places.0: wanted: method or host or path or query or header or cookie or body or trailer or reason (given: "bodies")',
    '12:11: rules.3.name: another rule has this name already (given: "email")',
    '14:14: rules.4.fields.0: wanted: a name as words in small letters joined by hyphens, as card-number; with = before it, only as the whole name (given: "cardNumber")',
    '15:16: rules.4.validator: wanted only together with pattern (given: "luhn")',
    '16:18: rules.4.replacement: wanted: 1 to 64 letters, digits and . _ ~ * - (given: "<card>")',
    '17:11: rules.5.name: wanted: up to 48 letters and digits, and hyphens between them (given: "not a name")',
    '18:16: rules.5.pattern: not in the syntax of RE2: missing closing ) (given: "a(b")',
  ]);
});

test('a pattern: the column of what is wrong in it', () => {
  for (const [pattern, at, what] of [
    ['a(b', 1, 'missing closing )'],
    ['(a)[(](b', 6, 'missing closing )'],
    ['a)b', 1, 'unexpected )'],
    ['x[z-a]', 2, 'invalid character class range'],
    ['a**', 1, 'invalid nested repetition operator'],
    ['abc(?=d)', 3, 'invalid or unsupported Perl syntax'],
    ['(a)\\1', 3, 'invalid escape sequence'],
    ['ab{1001}', 2, 'invalid repeat count'],
    ['abc\\', 3, 'trailing backslash'],
    ['[a-z]{1000}[a-z]{1000}[a-z]{1000}[a-z]{1000}[a-z]{1000}', 5, 'it repeats too much'],
    ['a*', 0, 'it fits the empty text'],
    ['a|', 0, 'it fits the empty text'],
    ['a'.repeat(1001), 0, 'at most 1000 characters'],
  ] as const) {
    const [line] = mistakesIn(`rules:\n- name: a\n  pattern: '${pattern}'\n`);
    assert.ok(line.includes(what), line);
    assert.ok(line.startsWith(`3:${13 + at}: `), line);
  }
  for (const pattern of ['(a+)+$', 'E-[0-9]{6}', '(?i)staff\\d+', '\\bA[A-Z]{2}\\b', '[^"]{8,64}'])
    assert.equal(rulesOf(`rules: [{ name: a, pattern: ${JSON.stringify(pattern)} }]`)[0].pattern, pattern);
});

test('too many rules', () => {
  const text = Array.from({ length: MASKING_RULES_MAX + 1 }, (_, i) => `  - { name: r${i}, fields: [f${i}] }\n`).join('');
  assert.match(mistakesIn(`rules:\n${text}`)[0], /at most 200 values/);
});

test('the schema that is shipped agrees with the check', () => {
  const shipped = JSON.parse(readFileSync(join(root, 'schemas/masking.schema.json'), 'utf8')) as { title?: string };
  const { title, ...rest } = shipped;
  assert.equal(title, 'Masking file of Earshot');
  assert.deepEqual(rest, maskingJsonSchema());
  const fits = new Ajv2020({ strict: false }).compile(shipped);
  assert.ok(fits(parse(defaultMaskingYaml())), JSON.stringify(fits.errors));
  for (const text of ['{ rule: [] }', '{ rules: [{ name: a, action: burn }] }', '{ rules: [{ fields: [a] }] }', '{ extends: all }'])
    assert.ok(!fits(parse(text)), text);
});

test('the page names every shipped rule', () => {
  const page = readFileSync(join(root, 'docs/masking.md'), 'utf8');
  for (const { rule } of shippedRules) assert.ok(page.includes(`\`${rule.name}\``), rule.name);
});
