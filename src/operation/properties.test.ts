/** Laws of finding operations: it agrees with a naive reader of whole bodies, and no bytes, however they are cut, are too much for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inBody, type Operation, operationIn } from '../../test/support/operations.ts';
import { lawSeed } from '../../test/support/run-pipeline.ts';

const JSON_TYPE = 'application/json';
const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

// ---------------------------------------------------------------- documents

interface Definition {
  readonly type: 'query' | 'mutation' | 'subscription' | 'fragment';
  readonly name: string;
  readonly text: string;
}

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/).filter((word) => word !== 'on');
const ignored = fc.constantFrom(' ', '\n', '\t', ' , ', '\r\n# query No { a } "\n', '\ufeff ');
const text = fc.constantFrom('"}"', '"\\"}"', '""', '"""query X { a }"""', '"""a \\""" } "" """', '"# no"', '"\u00e9{"');
const field = fc
  .tuple(name, text, ignored)
  .map(([word, value, blank]) => `${word}(x: ${value}, y: {z: [1, $v]})${blank}{ ${word} ...on T @d { a } }`);
const definition: fc.Arbitrary<Definition> = fc
  .record({
    type: fc.constantFrom('query', 'mutation', 'subscription', 'fragment'),
    word: name,
    isNamed: fc.boolean(),
    variables: fc.boolean(),
    body: field,
    blank: ignored,
    value: text,
  })
  .map(({ type, word, isNamed, variables, body, blank, value }): Definition => {
    if (type === 'fragment') return { type, name: word, text: `fragment ${blank}${word} on T @d(a: ${value})${blank}{ ${body} }` };
    const own = isNamed ? word : '';
    const head = variables ? `($v: In = {a: ${value}, b: [{}]}${blank}) @live(if: ${value})` : '';
    return { type, name: own, text: `${type}${blank}${own}${blank}${head}${blank}{${blank}${body} }` };
  });
const definitions = fc.array(definition, { minLength: 1, maxLength: 4 });

function textOf(list: readonly Definition[]): string {
  return list.map((one) => one.text).join('\n');
}

/** What a server would run: by the list that the document was made of. */
function chosenOf(list: readonly Definition[], wanted: string): Partial<Operation> {
  const operations = list.filter(({ type }) => type !== 'fragment');
  const one = wanted === '' ? (operations.length === 1 ? operations[0] : undefined) : operations.find((own) => own.name === wanted);
  const called = wanted !== '' ? wanted : (one?.name ?? '');
  return { ...(one !== undefined && { type: one.type as Operation['type'] }), ...(called !== '' && { name: called }) };
}

test('documents: the operation that a server would run, whatever stands in strings and comments', () => {
  fc.assert(
    fc.property(definitions, fc.nat(5), (list, pick) => {
      const wanted = list[pick]?.name ?? '';
      const query = textOf(list);
      const expected = { protocol: 'graphql', ...chosenOf(list, wanted) };
      const body = JSON.stringify(wanted === '' ? { query } : { query, operationName: wanted });
      assert.deepEqual(inBody(JSON_TYPE, body), expected);
      const parameters = new URLSearchParams(wanted === '' ? { query } : { operationName: wanted, query });
      assert.deepEqual(operationIn({ target: `/g?${parameters.toString()}` }), expected);
      if (wanted === '') assert.deepEqual(inBody('application/graphql', query), expected);
    }),
    { numRuns: 300, seed: lawSeed() },
  );
});

test('a document that is cut anywhere: what is known of its first operation is right', () => {
  fc.assert(
    fc.property(
      definition.filter(({ type, name: own }) => type !== 'fragment' && own !== ''),
      ({ type, name: own, text: whole }) => {
        const document = Buffer.from(whole);
        for (let end = 0; end < document.length; end++) {
          const found = inBody('application/graphql', document.subarray(0, end), { isCut: true });
          if (found === undefined) continue;
          assert.equal(found.type, type);
          if (found.name !== undefined) assert.equal(found.name, own);
        }
        const body = Buffer.from(JSON.stringify({ query: whole }));
        for (let end = 0; end < body.length; end++) {
          const found = inBody(JSON_TYPE, body.subarray(0, end), { isCut: true });
          if (found?.name !== undefined) assert.equal(found.name, own);
        }
      },
    ),
    { numRuns: 40, seed: lawSeed() },
  );
});

// ---------------------------------------------------------------- JSON

const method = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom('a', '"', '\\', '\u0000', '\u{1f600}'));
const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('{a}', 'query A{a}', 'mutation B { b }', '2.0', [], null, 'ab12'));
const hash = fc.stringMatching(/^[0-9a-f]{1,64}$/);
const extensions = fc.oneof(
  value,
  fc.record(
    { persistedQuery: fc.record({ version: fc.constant(1), sha256Hash: fc.oneof(hash, value) }, { requiredKeys: [] }) },
    { requiredKeys: [] },
  ),
);
const members: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  query: fc.oneof(value, definitions.map(textOf)),
  operationName: fc.oneof(value, name),
  extensions,
  variables: value,
  jsonrpc: fc.constantFrom('2.0', 2),
  method: fc.oneof(method, value),
  params: value,
  id: value,
  other: value,
};
const object = fc
  .uniqueArray(fc.constantFrom(...Object.keys(members)), { minLength: 1, maxLength: 6 })
  .chain((keys) => fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), members[key]))))
  .map((pairs) => Object.fromEntries(pairs) as Record<string, unknown>);

/** Whether the first members say that it may be an operation. */
function isPlausible(given: Record<string, unknown>): boolean {
  for (const [key, own] of Object.entries(given)) {
    if (key === 'id' || key === 'params') continue;
    if (key === 'jsonrpc' || key === 'method') return typeof own === 'string';
    if (key === 'query' || key === 'operationName') return own === null || typeof own === 'string';
    if (key === 'extensions' || key === 'variables') return own === null || (typeof own === 'object' && !Array.isArray(own));
    return false;
  }
  return true;
}

function isObject(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

/** By JSON.parse; the type and name of documents are left to the law above. Null: no operation. */
function naive(given: unknown, protocol?: string): { protocol: string; name?: string; hash?: string; type?: string } | null {
  if (!isObject(given)) return null;
  if (protocol === undefined && !isPlausible(given)) return null;
  const { jsonrpc, id, params } = given;
  const has = (key: string): boolean => Object.hasOwn(given, key);
  if (protocol !== 'graphql' && typeof given.method === 'string') {
    const isNew = typeof jsonrpc === 'string';
    if (isNew || (has('id') && Array.isArray(params))) {
      const isNotification = isNew ? !has('id') : id === null;
      return {
        protocol: 'json-rpc',
        ...(isNotification && { type: 'notification' }),
        ...(given.method !== '' && { name: latin1(given.method) }),
      };
    }
  }
  if (protocol === 'json-rpc') return null;
  const own = typeof given.operationName === 'string' && /^[A-Za-z_]\w*$/.test(given.operationName) ? given.operationName : '';
  const persisted =
    isObject(given.extensions) && isObject(given.extensions.persistedQuery) ? given.extensions.persistedQuery.sha256Hash : undefined;
  const isDocument = typeof given.query === 'string' && inBody('application/graphql', `# as a document\n${given.query}`) !== undefined;
  const isStored = own !== '' && (has('query') || has('variables') || has('extensions'));
  if (!isStored && !isDocument && typeof persisted !== 'string') return null;
  return {
    protocol: 'graphql',
    ...(own !== '' && { name: own }),
    ...(typeof persisted === 'string' && /^[0-9a-f]{1,128}$/i.test(persisted) && { hash: persisted }),
  };
}

/** Whether what was found says the same, but for what only the document can say. */
function agrees(found: Partial<Operation> | undefined, expected: ReturnType<typeof naive>): void {
  if (expected === null) {
    assert.deepEqual(found ?? {}, {});
    return;
  }
  assert.equal(found?.hash, expected.hash);
  if (expected.name !== undefined || expected.protocol === 'json-rpc') assert.equal(found?.name, expected.name);
  if (expected.protocol === 'json-rpc') assert.equal(found?.type, expected.type);
}

test('JSON: as a naive reader of the parsed body has it, with blanks anywhere', () => {
  fc.assert(
    fc.property(object, fc.constantFrom(0, 1, '\t'), (given, indent) => {
      const found = inBody(JSON_TYPE, JSON.stringify(given, null, indent));
      const expected = naive(given);
      assert.equal(found?.protocol, expected?.protocol);
      agrees(found, expected);
    }),
    { numRuns: 1500, seed: lawSeed() },
  );
});

test('batches: each of the first eight as it would be alone, and how many there are', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: object }, value), { minLength: 1, maxLength: 12 }), (list) => {
      const found = inBody(JSON_TYPE, JSON.stringify(list));
      const first = naive(list[0]);
      assert.equal(found?.protocol, first?.protocol);
      if (found === undefined || first === null) return;
      assert.equal(found.batch, list.length);
      agrees(found, first);
      assert.equal(found.others?.length ?? 0, Math.min(list.length, 8) - 1);
      for (const [i, other] of (found.others ?? []).entries()) agrees(other, naive(list[i + 1], first.protocol));
    }),
    { numRuns: 700, seed: lawSeed() },
  );
});

test('JSON that is cut anywhere says nothing that the whole body does not say', () => {
  fc.assert(
    fc.property(object, (given) => {
      const body = Buffer.from(JSON.stringify(given));
      const whole = inBody(JSON_TYPE, body);
      for (let end = 1; end < body.length; end++) {
        const found = inBody(JSON_TYPE, body.subarray(0, end), { isCut: true });
        if (found?.protocol !== 'json-rpc' || whole?.protocol !== 'json-rpc') continue;
        assert.equal(found.name, whole.name);
        if (found.type !== undefined) assert.equal(found.type, whole.type);
      }
    }),
    { numRuns: 150, seed: lawSeed() },
  );
});

// ---------------------------------------------------------------- hostile bytes

test('deep nesting, endless strings and names take no longer than their length and no stack', () => {
  const n = 500_000;
  for (const body of [
    `{"query":"{${'{a'.repeat(n / 2)}"}`,
    `{"query":"query A(${'['.repeat(n)}"}`,
    `{"variables":${'['.repeat(n)}`,
    `{"variables":${'{"a":'.repeat(n / 5)}`,
    `{"jsonrpc":"2.0","params":${'[{'.repeat(n / 2)}`,
    `[${'{"query":"{a}"},'.repeat(n / 16)}`,
    `[{"query":"{a}"}${',['.repeat(n / 2)}`,
    `{"query":"${'\\"'.repeat(n / 2)}`,
    `{"query":"${'#'.repeat(n)}"}`,
    `{"query":"query A ${'\\"\\"\\"'.repeat(n / 6)}"}`,
    `{${'"query":"{a}",'.repeat(n / 14)}`,
    `{"extensions":{${'"persistedQuery":{"a":'.repeat(n / 22)}`,
    `<Envelope><Header>${'<a>'.repeat(n / 3)}`,
    `<Envelope>${'<!--'.repeat(n / 4)}`,
    `<Envelope ${'a="'.repeat(n / 3)}`,
    `<!DOCTYPE ${'['.repeat(n)}`,
    `<${':'.repeat(n)}`,
    `--${'-\r\n'.repeat(n / 3)}`,
    `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{${'\r\n--'.repeat(n / 4)}`,
  ]) {
    for (const type of [JSON_TYPE, 'application/graphql', 'text/xml', 'multipart/form-data']) inBody(type, body, { isCut: true });
  }
  const found = inBody(JSON_TYPE, `[${'{"query":"{a}"},'.repeat(n / 16)}`);
  assert.deepEqual([found?.batch, found?.others?.length], [n / 16, 7]);
});

test('any bytes at all: something or nothing is found, never more than fits', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        ...['{', '}', '[', ']', '"', ':', ',', '\\', '\\u', '\\ud83d', '<', '>', '/', '&', '%', '%7B', '\xff', '\xed\xa0\x80', '\n'],
      )
      .map((token) => Buffer.from(token, 'latin1')),
    fc
      .constantFrom(
        '"query":"',
        'query A{a}',
        '"method":"m"',
        '"jsonrpc":"2.0"',
        '<Envelope>',
        '<Body>',
        'query=',
        'name="operations"\r\n\r\n',
        '--x\r\n',
      )
      .map((token) => Buffer.from(token)),
    fc
      .constantFrom('"extensions":{"persistedQuery":{"sha256Hash":"', 'operationName', 'fragment F on T', '"""', '#')
      .map((token) => Buffer.from(token)),
  );
  const types = ['', JSON_TYPE, 'application/graphql', 'application/x-www-form-urlencoded', 'text/xml', 'multipart/form-data; boundary=x'];
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.constantFrom(...types), fc.boolean(), (pieces, type, isCut) => {
      const body = Buffer.concat(pieces);
      const found = inBody(type, body, { isCut, target: `/g?${body.toString('latin1').replaceAll(/[^!-~]/g, '')}` });
      assert.deepEqual(inBody(type, body, { isCut, target: `/g?${body.toString('latin1').replaceAll(/[^!-~]/g, '')}` }), found);
      assert.ok(
        !JSON.stringify(found ?? '')
          .toLowerCase()
          .includes('fence'),
        'read beyond its bytes',
      );
    }),
    { numRuns: 1500, seed: lawSeed() },
  );
});

test('a name that is no UTF-8 stays what it is, byte for byte', () => {
  const body = Buffer.concat([Buffer.from('{"jsonrpc":"2.0","method":"'), Buffer.from([0x61, 0xff, 0xfe, 0xc3]), Buffer.from('","id":1}')]);
  assert.deepEqual(inBody(JSON_TYPE, body), { protocol: 'json-rpc', name: 'a\xff\xfe\xc3' });
});
