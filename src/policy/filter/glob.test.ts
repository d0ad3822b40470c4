import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lawSeed } from '../../../test/support/run-pipeline.ts';
import { Glob, type GlobKind } from './glob.ts';

const fits = (pattern: string, text: string, kind: GlobKind = 'path'): boolean => {
  // Not at the start of its buffer, and with bytes behind it that do not count.
  const data = Buffer.from(`/${text}/x`);
  return new Glob(pattern, kind).fits(data, 1, data.length - 2);
};

test('paths: within a segment, over segments, and where segments may be missing', () => {
  const cases: [pattern: string, yes: readonly string[], no: readonly string[]][] = [
    ['/orders', ['/orders'], ['/orders/', '/order', '/Orders', '']],
    ['/orders/*', ['/orders/17', '/orders/'], ['/orders', '/orders/17/items', '/order/17']],
    ['/orders/*/items', ['/orders/17/items', '/orders//items'], ['/orders/17/x/items', '/orders/items', '/orders/17/items/']],
    ['/api/**', ['/api', '/api/', '/api/x', '/api/x/y/z'], ['/apix', '/ap', '/x/api']],
    ['/api**', ['/api', '/apix', '/api/x'], ['/ap']],
    ['/a/**/b', ['/a/b', '/a/x/b', '/a/x/y/b'], ['/a/xb', '/ab', '/a/b/', '/a']],
    ['**/health', ['/health', '/a/health', 'health'], ['/ahealth', '/health/x']],
    ['/**/v*/**/items', ['/v1/items', '/a/v2/b/items', '/v/v/items'], ['/items', '/x1/items', '/v1/item']],
    ['**.json', ['/a.json', '/a/b.json', '.json'], ['/a.jsonx']],
    ['/*.json', ['/a.json', '/.json'], ['/a/b.json']],
    ['**', ['', '/', '/a/b'], []],
    ['/**', ['', '/', '/a/b'], ['a']],
    ['*', ['', '*', 'a'], ['/']],
    ['/a?', ['/a?'], ['/ab']],
    ['/caf%C3%A9/é', ['/caf%C3%A9/é'], ['/café/é']],
    ['/**/**/x', ['/x', '/a/x'], ['/ax']],
  ];
  for (const [pattern, yes, no] of cases) {
    for (const text of yes) assert.ok(fits(pattern, text), `${pattern} ${text}`);
    for (const text of no) assert.ok(!fits(pattern, text), `${pattern} ${text}`);
  }
});

test('names: an asterisk goes over dots and slashes, and case does not count', () => {
  for (const text of ['api.shop.example', 'API.Shop.Example', '.example']) assert.ok(fits('*.Example', text, 'name'), text);
  for (const text of ['api.shop.example.', 'example', 'api.example2']) assert.ok(!fits('*.example', text, 'name'), text);
  assert.ok(fits('*/2.*', 'Probe/x/2.1', 'name') && fits('**', '', 'name') && fits('a*b*c', 'A-B-C', 'name'));
  assert.ok(!fits('a*b*c', 'a-c-b', 'name'));
});

/** The meaning again, as a regular expression. */
function model(pattern: string, kind: GlobKind): RegExp {
  let rest = pattern;
  let source = '';
  const take = (wanted: RegExp): boolean => {
    const found = wanted.exec(rest);
    if (found !== null) rest = rest.slice(found[0].length);
    return found !== null;
  };
  while (rest !== '') {
    const atSegment = source === '' || source.endsWith('/') || source.endsWith('/)?');
    if (kind === 'name') {
      source += take(/^\*/) ? '.*' : rest[0];
      if (!source.endsWith('.*')) rest = rest.slice(1);
    } else if (source !== '' && take(/^(?:\/\*{2,})+$/)) source += '(?:/.*)?';
    else if (atSegment && take(/^(?:\*{2,}\/)+/)) source += '(?:.*/)?';
    else if (take(/^\*{2,}/)) source += '.*';
    else if (take(/^\*/)) source += '[^/]*';
    else {
      source += rest[0];
      rest = rest.slice(1);
    }
  }
  if (kind === 'path' && /^(?:\/\*{2,})+$/.test(pattern)) source = '(?:/.*)?';
  return new RegExp(`^${source}$`, 's');
}

test('a glob agrees with the regular expression of the same meaning', () => {
  const pieces = fc.constantFrom('a', 'b', '/', '/', '*', '**', '/**/', '/*/', '/**', '**/', 'aab');
  // Few pieces and short texts: the regular expression is not linear.
  const pattern = fc.array(pieces, { maxLength: 5 }).map((all) => all.join(''));
  // Long ones need more than one word of states.
  const long = fc.tuple(pattern, fc.nat(40), fc.constantFrom('', '*', '/**', '/*/b')).map(([a, n, b]) => `${a}${'ab'.repeat(n)}${b}`);
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', 'a', 'b', 'abab', 'ab/'), maxLength: 8 });
  fc.assert(
    fc.property(fc.oneof(pattern, long), text, fc.constantFrom('path', 'name'), (given, candidate, kind: GlobKind) => {
      for (const one of [candidate, given.replaceAll('*', candidate.slice(0, 2)), given.replaceAll(/\*+\/?/g, '')]) {
        assert.equal(fits(given, one, kind), model(given, kind).test(one), `${kind} ${given} ${one}`);
      }
    }),
    { numRuns: 5_000, seed: lawSeed() },
  );
});

test('hostile patterns and paths cost one step for each byte', () => {
  const length = 20_000;
  const plain = Buffer.from(`/${'a'.repeat(length)}c`);
  let reads = 0;
  const counted = new Proxy(plain, {
    get: (target, name) => {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads++;
      return Reflect.get(target, name, target) as unknown;
    },
  });
  for (const pattern of [`/**${'a*'.repeat(60)}b`, `/**/${'*a'.repeat(100)}b*`, `/*${'a'.repeat(120)}b*${'a'.repeat(100)}b**`]) {
    reads = 0;
    assert.equal(new Glob(pattern, 'path').fits(counted, 0, plain.length), false);
    assert.ok(reads >= length && reads <= length + pattern.length + 4, `${pattern}: ${reads} reads`);
  }
});
