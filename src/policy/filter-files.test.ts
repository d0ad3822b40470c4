import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { SensorError } from '../base/errors.ts';
import { defaultAdvancedFilters, defaultSimpleFilters, simpleRule } from './default-filters.ts';
import { compileExpression } from './filter/expression/compile.ts';
import { plainFunctions, textFunctions } from './filter/expression/functions.ts';
import { variables } from './filter/expression/variables.ts';
import { assetExtensions, healthPaths, presetNames, probeAgents } from './filter/presets.ts';
import {
  advancedFiltersJsonSchema,
  parseAdvancedFilters,
  parseSimpleFilters,
  RULES_MAX,
  readAdvancedFilters,
  readSimpleFilters,
  simpleFiltersJsonSchema,
} from './filter-files.ts';
import { sessionCookies } from './sampling.ts';

const fileOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

test('the commented files in config/ are the shipped rules', () => {
  assert.deepEqual(readSimpleFilters(fileOf('config/filters-simple.yaml')), defaultSimpleFilters);
  assert.deepEqual(readAdvancedFilters(fileOf('config/filters-advanced.yaml')), defaultAdvancedFilters);
});

/** Rules that stand there as comments, as they are when the comment signs are taken away. */
function commented(file: string, from: RegExp): string {
  const lines = readFileSync(fileOf(file), 'utf8').split('\n');
  const at = lines.findIndex((line) => from.test(line));
  assert.ok(at >= 0, String(from));
  return lines
    .slice(at + 1)
    .map((line) => line.replace(/^( *)# ?/, '$1'))
    .join('\n');
}

test('what the files in config/ offer to be copied is right', () => {
  const simple = parseSimpleFilters(`rules:\n${commented('config/filters-simple.yaml', /More rules/)}`, 'x');
  assert.deepEqual(
    simple.rules.map(({ name }) => name),
    ['sockets', 'payments', 'internal-scanner', 'reports'],
  );
  const advanced = parseAdvancedFilters(commented('config/filters-advanced.yaml', /Rules to be copied/), 'x');
  assert.deepEqual(
    advanced.rules.map(({ name }) => name),
    ['slow-or-broken', 'own-load-test'],
  );
});

test('every example of the page is right', () => {
  const page = readFileSync(fileOf('docs/filters.md'), 'utf8');
  const files = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text);
  let rules = 0;
  for (const text of files) {
    if (text.includes('pipelines:')) continue;
    rules += (text.includes('when:') ? parseAdvancedFilters(text, 'docs/filters.md') : parseSimpleFilters(text, 'docs/filters.md')).rules
      .length;
  }
  const expressions = [...page.matchAll(/```cel\n(.*?)```/gs)].map(([, text]) => text);
  for (const text of expressions) assert.doesNotThrow(() => compileExpression(text), text);
  assert.ok(rules >= 4 && expressions.length >= 10, `${rules} rules, ${expressions.length} expressions`);
});

test('the page says all that can be said', () => {
  const page = readFileSync(fileOf('docs/filters.md'), 'utf8');
  const conditions = Object.keys(simpleRule({})).filter((name) => name !== 'name' && name !== 'action');
  for (const name of [
    ...conditions,
    ...presetNames,
    ...variables.keys(),
    ...assetExtensions,
    ...healthPaths,
    ...probeAgents,
    ...sessionCookies,
  ]) {
    assert.ok(page.includes(`\`${name}\``), name);
  }
  for (const name of [...textFunctions.keys(), ...plainFunctions.keys()]) assert.ok(page.includes(`.${name}(`), name);
  for (const [name, { typed, meaning }] of variables) {
    assert.ok(page.includes(`| \`${name}\` | ${typed.type === 'headers' ? 'string each' : typed.type} | ${meaning} |`), name);
  }
});

test('a single value stands for a list of one', () => {
  const one = parseSimpleFilters('rules: [{ name: a, action: exclude, paths: /x, ports: 80, statuses: 404, methods: GET }]', 'f');
  assert.deepEqual(one.rules, [simpleRule({ name: 'a', paths: ['/x'], ports: [80], statuses: ['404'], methods: ['GET'] })]);
  assert.deepEqual(parseSimpleFilters('{"otherwise": "exclude"}', 'f'), { otherwise: 'exclude', rules: [] });
  assert.deepEqual(parseAdvancedFilters('', 'f'), defaultAdvancedFilters);
});

/** The mistakes of a file, as "line:column: text". */
function mistakes(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof SensorError && error.code === 'filters-invalid', String(error));
    return error.details.map((line) => line.replace(/^f:/, ''));
  }
  assert.fail('no mistake');
}

test('all mistakes of a file come at once, each with its place and what is wanted', () => {
  const text = `rules:
  - name: a
    action: exlude
    prset: static-assets
    hosts: [a b, c]
    paths: [/ok, nope, '/a?b']
    statuses: 4x
    ports: [80, 99999]
    clients: 10.0.0.0/33
    headers: ['a b', 'x:']
    contentTypes: json
    methods: 7
  - name: a
    action: include
  - name: otherwise
    action: include
    preset: static-asets
    vnis: []
wat: 1
`;
  const wanted: [place: string, text: RegExp][] = [
    ['3:13', /wanted: include or exclude.*Did you mean exclude\?/],
    ['4:5', /no such name here. Did you mean preset\?/],
    ['5:13', /a host without port.*given: "a b"/],
    ['6:18', /a path without query.*given: "nope"/],
    ['6:24', /a path without query.*given: "\/a\?b"/],
    ['7:15', /a status as 404, 5xx, 400-499 or none.*given: "4x"/],
    ['8:17', /a port from 1 to 65535.*given: 99999/],
    ['9:14', /an address or CIDR block/],
    ['10:15', /a request header/],
    ['10:22', /a request header/],
    ['11:19', /a media type/],
    ['12:14', /a method.*given: 7/],
    ['13:5', /at least one condition: preset, hosts/],
    ['13:11', /has this name already/],
    ['15:11', /not "otherwise"/],
    ['17:13', /Did you mean static-assets\?/],
    ['18:11', /at least 1 values/],
    ['19:1', /wat: there is no such name here/],
  ];
  const told = mistakes(() => parseSimpleFilters(text, 'f'));
  assert.equal(told.length, wanted.length, told.join('\n'));
  wanted.forEach(([place, what], i) => {
    assert.ok(told[i].startsWith(`${place}: `), `${place}: ${told[i]}`);
    assert.match(told[i], what);
  });
});

test('what belongs in the other file is sent there', () => {
  const rules = (condition: string): string => `rules:\n  - name: a\n    action: exclude\n    ${condition}\n`;
  const simple = mistakes(() => parseSimpleFilters(rules('when: grpc.status == 5'), 'f'));
  assert.equal(simple.length, 1, simple.join('\n'));
  assert.match(simple[0], /^4:5: rules[.]0[.]when: there is no such name here: expressions .*filtersAdvancedFile.*--advanced/);
  const advanced = mistakes(() => parseAdvancedFilters(rules('grpcStatuses: 5'), 'f'));
  assert.match(advanced.join('\n'), /4:5: rules[.]0[.]grpcStatuses: there is no such name here: .*filtersSimpleFile/);
});

test('a mistake in an expression points into it, also over several lines', () => {
  const text = `rules:
  - name: a
    action: exclude
    when: request.pth == "x"
  - name: b
    action: include
    when: "request.path.matches('a(b')"
  - name: c
    action: include
    when: |
      request.method == "GET" &&
        request.status > 3
  - name: d
    action: include
`;
  const told = mistakes(() => parseAdvancedFilters(text, 'f'));
  assert.equal(told.length, 4, told.join('\n'));
  assert.match(told[0], /^4:19: .*Did you mean request.path\?/);
  assert.match(told[1], /^7:35: .*missing closing \)/);
  assert.match(told[2], /^12:17: .*Did you mean response.status\?/);
  assert.match(told[3], /^13:5: .*wanted: an expression/);
});

test('bounds', () => {
  const rules = Array.from({ length: RULES_MAX + 1 }, (_, i) => ({ name: `r${i}`, action: 'exclude', paths: '/x' }));
  assert.match(mistakes(() => parseSimpleFilters(JSON.stringify({ rules }), 'f'))[0], /at most 200 values/);
  const long = JSON.stringify({ rules: [{ name: 'a', action: 'exclude', when: `request.path == "${'x'.repeat(9000)}"` }] });
  assert.match(mistakes(() => parseAdvancedFilters(long, 'f'))[0], /at most 8192 characters/);
  const glob = JSON.stringify({ rules: [{ name: 'a', action: 'exclude', paths: `/${'x'.repeat(256)}` }] });
  assert.match(mistakes(() => parseSimpleFilters(glob, 'f'))[0], /a path without query/);
});

test('the published schemas take what the sensor takes', () => {
  const ajv = new Ajv2020({ strict: false });
  for (const [schema, file] of [
    [simpleFiltersJsonSchema(), 'config/filters-simple.yaml'],
    [advancedFiltersJsonSchema(), 'config/filters-advanced.yaml'],
  ] as const) {
    const validate = ajv.compile(schema);
    assert.ok(validate(parse(readFileSync(fileOf(file), 'utf8'))), JSON.stringify(validate.errors));
    assert.ok(!validate({ rules: [{ name: 'a', action: 'exlude' }] }));
  }
  const simple = ajv.compile(simpleFiltersJsonSchema());
  assert.ok(simple({ rules: [{ name: 'a', action: 'exclude', paths: '/x', ports: 80 }] }));
  assert.ok(simple({ rules: [{ name: 'a', action: 'exclude', paths: ['/x', '/y'], ports: [80] }] }));
  assert.ok(!simple({ rules: [{ name: 'a', action: 'exclude', paths: [] }] }));
});
