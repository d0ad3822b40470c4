import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { z } from 'zod';
import { SensorError } from '../base/errors.ts';
import { mistakeAt, parseRuleFile, readRuleFile } from './rule-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-rules-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'rules.yaml');

/** A language in which `!` is a mistake. */
const when = z.string().superRefine((given, context) => {
  const at = given.indexOf('!');
  if (at >= 0) mistakeAt(context, 'an exclamation mark', at);
});
const schema = z.strictObject({
  otherwise: z.enum(['include', 'exclude']).default('include'),
  rules: z
    .array(z.strictObject({ name: z.string().max(8).meta({ title: 'a short name' }), when: when.optional() }))
    .max(60)
    .default([]),
});
type Rules = z.infer<typeof schema>;
const kind = { code: 'config-invalid', noun: 'rule file', next: 'See the manual.' } as const;

function rulesIn(text: string | Uint8Array): Rules {
  writeFileSync(file, text);
  return readRuleFile(file, schema, kind);
}

function errorIn(text: string | Uint8Array): SensorError {
  try {
    rulesIn(text);
  } catch (error) {
    assert.ok(error instanceof SensorError);
    assert.equal(error.code, 'config-invalid');
    assert.equal(error.next, 'See the manual.');
    return error;
  }
  assert.fail('it was accepted');
}

const mistakesIn = (text: string): string[] => errorIn(text).details.map((line) => line.replace(`${file}:`, ''));
const placesIn = (text: string): string[] => mistakesIn(text).map((line) => /^\d+:\d+/.exec(line)?.[0] ?? line);

test('YAML and JSON are read, and what is left out is the default', () => {
  assert.deepEqual(rulesIn('rules:\n  - name: a\n    when: b c\n'), { otherwise: 'include', rules: [{ name: 'a', when: 'b c' }] });
  assert.deepEqual(rulesIn('{\n\t"otherwise": "exclude",\n\t"rules": [{ "name": "a" }]\n}\n'), {
    otherwise: 'exclude',
    rules: [{ name: 'a' }],
  });
  for (const text of ['', '# nothing\n', 'rules:\n  # - name: a\n']) assert.deepEqual(rulesIn(text), { otherwise: 'include', rules: [] });
});

test('without a path: what is shipped', () => {
  const shipped: Rules = { otherwise: 'exclude', rules: [] };
  assert.equal(readRuleFile('', schema, kind, shipped), shipped);
  assert.throws(() => readRuleFile('', schema, kind), SensorError);
});

test('every mistake at once, in their order, with what was given and what was meant', () => {
  const text = 'otherwize: include\nrules:\n  - nmae: a\n  - name: much too long\n    when: a ! b\notherwise: inclde\n';
  assert.deepEqual(mistakesIn(text), [
    '1:1: otherwize: there is no such name here. Did you mean otherwise?',
    '3:5: rules.0.name: wanted: a short name (given: nothing)',
    '3:5: rules.0.nmae: there is no such name here. Did you mean name?',
    '4:11: rules.1.name: wanted: at most 8 characters (given: "much too long")',
    '5:13: rules.1.when: an exclamation mark (given: "a ! b")',
    '6:12: otherwise: wanted: include or exclude (given: "inclde"). Did you mean include?',
  ]);
  assert.equal(errorIn(text).why, 'it has 6 mistakes');
  assert.match(mistakesIn('rules:\n  - name: a\n    name: b\n')[0], /^3:5: this name stands twice/);
});

test('a mistake inside a text points at its column, however the text is written', () => {
  for (const [written, place] of [
    ['a == b !', '3:18'],
    ['"a == b !"', '3:19'],
    ['"a == \\"b\\" !"', '3:23'],
    ['"\\u0061\\x62\\U0001F600 !"', '3:33'],
    ["'a == ''b'' !'", '3:23'],
    ['a ==\n      b !', '4:9'],
    ['a ==\n\n\n      b !', '6:9'],
    ['"a ==\n      b !"', '4:9'],
    ['"a \\\n      == b !"', '4:12'],
    ['"a ==\n\n      !"', '5:7'],
    ['|\n      a ==\n      b !', '5:9'],
    ['|\n      a\n\n        b !', '6:11'],
    ['|2-\n      a !', '4:9'],
    ['|\n\n\n      a !', '6:9'],
    ['>\n      a ==\n      b !', '5:9'],
    ['>\n      a ==\n\n      b !', '6:9'],
    ['>-\n      a ==\n        b\n      !', '6:7'],
    ['&x a !', '3:16'],
  ]) {
    assert.deepEqual(placesIn(`rules:\n  - name: a\n    when: ${written}\n`), [place], written);
    assert.deepEqual(placesIn(`rules:\n  - name: a\n    when: ${written}\n`.replaceAll('\n', '\r\n')), [place], `${written}, CR LF`);
  }
  assert.deepEqual(placesIn('rules:\n  - { name: a, when: &w "b !" }\n  - { name: c, when: *w }\n'), ['2:28', '2:28']);
  assert.deepEqual(placesIn('{"rules": [{"name": "a", "when": "\\t\\"!"}]}'), ['1:39']);
});

test('a single value where a list may stand', () => {
  const list = z.preprocess((given) => (Array.isArray(given) ? given : [given]), z.array(when.max(6)));
  const mistake = (text: string): string => {
    try {
      parseRuleFile(text, 'f', z.strictObject({ when: list }), kind);
    } catch (error) {
      return (error as SensorError).details.join();
    }
    assert.fail('it was accepted');
  };
  assert.equal(mistake('when: "ab !"\n'), 'f:1:11: when: an exclamation mark (given: "ab !")');
  assert.equal(mistake('when: much too long\n'), 'f:1:7: when: wanted: at most 6 characters (given: "much too long")');
  assert.equal(mistake('when: [a, "ab !"]\n'), 'f:1:15: when.1: an exclamation mark (given: "ab !")');
});

test('bad files', () => {
  assert.match(errorIn(Buffer.alloc((1 << 20) + 1, 0x20)).why, /larger than 1048576 bytes/);
  assert.match(errorIn(Buffer.from([0xff, 0xfe, 0xfa])).why, /UTF-8/);
  assert.match(mistakesIn('- a\n')[0], /^1:1: the file: wanted: a section/);
  assert.match(mistakesIn(`${'['.repeat(100_000)}\n`)[0], /nested too deeply/);
  assert.match(mistakesIn('rules: *none\n')[0], /no such anchor/);
  assert.match(mistakesIn('rules: [1, 2\n')[0], /^2:1/);
  assert.match(mistakesIn(`rules:\n${'  - name: a\n'.repeat(61)}`)[0], /^2:3: rules: wanted: at most 60 values/);
  let bomb = 'a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n';
  for (let i = 1; i < 10; i++) bomb += `a${i}: &a${i} [${Array(9).fill(`*a${i - 1}`)}]\n`;
  assert.match(mistakesIn(bomb)[0], /aliases stand for too many values/);
  for (const [path, code] of [
    [join(folder, 'none.yaml'), 'file-missing'],
    [folder, 'file-unreadable'],
  ])
    assert.throws(() => readRuleFile(path, schema, kind), { code });
});
