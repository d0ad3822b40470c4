/** Operations of every protocol and in every form in which they come, and what looks like one and is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inBody, type Operation, operationIn } from '../../test/support/operations.ts';
import { weirdCount } from '../base/weird.ts';

const JSON_TYPE = 'application/json';
const HASH = 'ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38';
const json = (value: unknown, target = '/api'): Operation | undefined => inBody(JSON_TYPE, JSON.stringify(value), { target });
const form = (parameters: Record<string, string>): string => new URLSearchParams(parameters).toString();

test('GraphQL in a JSON body', () => {
  const find = { protocol: 'graphql', type: 'query', name: 'Find' };
  assert.deepEqual(json({ query: 'query Find($id: ID!) { user(id: $id) { name } }' }), find);
  assert.deepEqual(json({ operationName: 'Find', variables: { id: 1 }, query: 'query Find { a }' }), find);
  assert.deepEqual(json({ variables: { query: 'mutation No { a }' }, query: 'query Find { a }' }), find);
  assert.deepEqual(json({ query: '{ me { name } }' }), { protocol: 'graphql', type: 'query' });
  assert.deepEqual(json({ query: 'mutation { drop }', operationName: null }), { protocol: 'graphql', type: 'mutation' });
  assert.deepEqual(json({ query: 'subscription OnPaid { paid { id } }' }), { protocol: 'graphql', type: 'subscription', name: 'OnPaid' });
  assert.deepEqual(inBody('text/plain', '\ufeff \r\n{ "query" : "query Find { a }" }'), find);
  assert.deepEqual(inBody('', '{"query":"{a}","query":"query Find{a}"}'), find);
});

test('the operation that operationName chooses, and none where it cannot be known', () => {
  const query = 'fragment F on User { name } query Find { a ...F } mutation Drop { drop(id: "}") }';
  assert.deepEqual(json({ query, operationName: 'Drop' }), { protocol: 'graphql', type: 'mutation', name: 'Drop' });
  assert.deepEqual(json({ operationName: 'Find', query }), { protocol: 'graphql', type: 'query', name: 'Find' });
  assert.deepEqual(json({ query }), { protocol: 'graphql' });
  assert.deepEqual(json({ query, operationName: 'Other' }), { protocol: 'graphql', name: 'Other' });
  assert.deepEqual(json({ query: 'fragment F on User { name }' }), { protocol: 'graphql' });
});

test('stored and persisted queries', () => {
  const extensions = { persistedQuery: { version: 1, sha256Hash: HASH } };
  assert.deepEqual(json({ operationName: 'Find', variables: {}, extensions }), { protocol: 'graphql', name: 'Find', hash: HASH });
  assert.deepEqual(json({ extensions }), { protocol: 'graphql', hash: HASH });
  assert.deepEqual(json({ query: 'query Find { a }', extensions }), { protocol: 'graphql', type: 'query', name: 'Find', hash: HASH });
  assert.deepEqual(json({ operationName: 'Find', variables: {} }), { protocol: 'graphql', name: 'Find' });
  assert.deepEqual(json({ extensions: { persistedQuery: { sha256Hash: 'no hash' } } }), { protocol: 'graphql' });
  assert.equal(json({ extensions: { tracing: true } }), undefined);
});

test('GraphQL in a query', () => {
  const target = (parameters: Record<string, string>): string => `/graphql?${form(parameters)}`;
  assert.deepEqual(operationIn({ target: target({ query: 'query Find {\n a(s: "+%") }' }) }), {
    protocol: 'graphql',
    type: 'query',
    name: 'Find',
  });
  assert.deepEqual(operationIn({ target: `${target({ x: '1', query: '{a}' })}#query=x` }), { protocol: 'graphql', type: 'query' });
  assert.deepEqual(operationIn({ target: '/g?query=query+Find{a}' }), { protocol: 'graphql', type: 'query', name: 'Find' });
  const persisted = { operationName: 'Find', extensions: JSON.stringify({ persistedQuery: { version: 1, sha256Hash: HASH } }) };
  assert.deepEqual(operationIn({ target: target(persisted) }), { protocol: 'graphql', name: 'Find', hash: HASH });
  const several = { query: 'query A{a} query B{a}', operationName: 'B' };
  assert.deepEqual(operationIn({ target: target(several) }), { protocol: 'graphql', type: 'query', name: 'B' });
  assert.deepEqual(inBody('application/x-www-form-urlencoded', form({ query: 'mutation Drop { a }', variables: '{}' })), {
    protocol: 'graphql',
    type: 'mutation',
    name: 'Drop',
  });
});

test('GraphQL as a document, and with files', () => {
  assert.deepEqual(inBody('application/graphql', '# all\nquery Find { a }'), { protocol: 'graphql', type: 'query', name: 'Find' });
  assert.deepEqual(inBody('Application/GraphQL; charset=utf-8', '{ a }'), { protocol: 'graphql', type: 'query' });
  assert.equal(inBody('text/plain', 'query Find { a }'), undefined);
  const upload = '{"query":"mutation Upload($f: Upload!) { upload(f: $f) }","variables":{"f":null}}';
  const parts = (disposition: string, content: string): string =>
    `--cut\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: application/json\r\n\r\n${content}\r\n--cut\r\n` +
    'Content-Disposition: form-data; name="map"\r\n\r\n{"0":["variables.f"]}\r\n--cut--\r\n';
  const multipart = (disposition: string, content = upload): Operation | undefined =>
    inBody('multipart/form-data; boundary=cut', parts(disposition, content));
  assert.deepEqual(multipart('name="operations"'), { protocol: 'graphql', type: 'mutation', name: 'Upload' });
  assert.deepEqual(multipart('name=operations; x=y'), { protocol: 'graphql', type: 'mutation', name: 'Upload' });
  assert.deepEqual(multipart('name="operations"', `[${upload},{"query":"{a}"}]`), {
    protocol: 'graphql',
    type: 'mutation',
    name: 'Upload',
    batch: 2,
    others: [{ type: 'query' }],
  });
  assert.equal(multipart('name="operation"'), undefined);
  assert.equal(multipart('filename="operations"'), undefined);
});

test('JSON-RPC', () => {
  assert.deepEqual(json({ jsonrpc: '2.0', method: 'sum', params: [1, 2], id: 1 }), { protocol: 'json-rpc', name: 'sum' });
  assert.deepEqual(json({ id: 1, params: { a: 1 }, method: 'a.b', jsonrpc: '2.0' }), { protocol: 'json-rpc', name: 'a.b' });
  assert.deepEqual(json({ jsonrpc: '2.0', method: 'tick' }), { protocol: 'json-rpc', type: 'notification', name: 'tick' });
  assert.deepEqual(json({ jsonrpc: '2.0', method: 'tick', id: null }), { protocol: 'json-rpc', name: 'tick' });
  assert.deepEqual(json({ method: 'sum', params: [], id: 7 }), { protocol: 'json-rpc', name: 'sum' });
  assert.deepEqual(json({ method: 'tick', params: [], id: null }), { protocol: 'json-rpc', type: 'notification', name: 'tick' });
  assert.deepEqual(inBody(JSON_TYPE, '{"jsonrpc":"2.0","method":"s\\u0075m\\n\\ud83d\\ude00","id":1}'), {
    protocol: 'json-rpc',
    name: Buffer.from('sum\n\u{1f600}').toString('latin1'),
  });
});

test('batches: how many, and the first eight', () => {
  const calls = Array.from({ length: 20 }, (_, i) => ({ jsonrpc: '2.0', method: `m${i}`, ...(i % 2 === 0 && { id: i }) }));
  const others = calls.slice(1, 8).map(({ method, id }) => ({ ...(id === undefined && { type: 'notification' }), name: method }));
  assert.deepEqual(json(calls), { protocol: 'json-rpc', name: 'm0', batch: 20, others });
  assert.deepEqual(json([{ query: 'query A{a}' }]), { protocol: 'graphql', type: 'query', name: 'A', batch: 1 });
  assert.deepEqual(
    json([{ query: '{a}' }, 5, { x: 1 }, { jsonrpc: '2.0', method: 'm' }, { extensions: { persistedQuery: { sha256Hash: HASH } } }]),
    {
      protocol: 'graphql',
      type: 'query',
      batch: 5,
      others: [{}, {}, {}, { hash: HASH }],
    },
  );
  assert.equal(json([]), undefined);
  assert.equal(json([5, { query: '{a}' }]), undefined);
});

test('SOAP', () => {
  const envelope =
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "<b>">]><!-- <s:Body> --><s:Envelope xmlns:s="urn:s">\n<s:Header><o:Body a="/>"/></s:Header>' +
    '<s:Body>\n<![CDATA[<x>]]><o:Cancel xmlns:o="urn:orders"><id>1</id></o:Cancel></s:Body></s:Envelope>';
  const soap = (type: string, action?: string, body = envelope): Operation | undefined =>
    inBody(type, body, { fields: action === undefined ? [] : [['SOAPAction', action]] });
  assert.deepEqual(soap('text/xml', '"urn:orders#Cancel"'), { protocol: 'soap', name: 'urn:orders#Cancel' });
  assert.deepEqual(soap('text/xml', 'urn:orders#Cancel', '<broken'), { protocol: 'soap', name: 'urn:orders#Cancel' });
  assert.deepEqual(soap('text/xml', '""'), { protocol: 'soap', name: 'Cancel' });
  assert.deepEqual(soap('text/xml'), { protocol: 'soap', name: 'Cancel' });
  assert.deepEqual(soap('application/soap+xml; charset=utf-8; action="urn:orders#Cancel"'), {
    protocol: 'soap',
    name: 'urn:orders#Cancel',
  });
  assert.deepEqual(soap('application/soap+xml;x="; action=no";Action=urn:a'), { protocol: 'soap', name: 'urn:a' });
  assert.deepEqual(soap('application/soap+xml'), { protocol: 'soap', name: 'Cancel' });
  assert.deepEqual(soap('text/xml', undefined, '<Envelope><Body/></Envelope>'), { protocol: 'soap' });
  assert.deepEqual(soap('multipart/related; type="text/xml"', '"urn:a"', '--x\r\n\r\n'), { protocol: 'soap', name: 'urn:a' });
  assert.equal(soap('text/xml', undefined, '<Envelope><Cube/></Envelope>'), undefined);
  assert.equal(soap('text/xml', undefined, '<order><Body><a/></Body></order>'), undefined);
});

test('what looks like an operation and is none', () => {
  for (const body of [
    { query: 'shoes' },
    { query: 'query optimisation in databases' },
    { query: { match: { title: 'query A{a}' } } },
    { query: '{!lucene}title:x' },
    { query: '{"a":1}' },
    { method: 'card', amount: 5 },
    { method: 'card', params: { a: 1 }, id: 5 },
    { id: 1, name: 'x', jsonrpc: '2.0', method: 'm' },
    { jsonrpc: '2.0', id: 1, result: 5 },
    { operationName: 'Export' },
    { name: 'x', query: '{a}' },
    {},
  ]) {
    assert.equal(json(body), undefined, JSON.stringify(body));
  }
  for (const query of ['query=shoes', 'query=query+plans', 'xquery={a}', 'operationName=Find', 'extensions={}', '', 'query', 'query=']) {
    assert.equal(operationIn({ target: `/search?${query}` }), undefined, query);
  }
  for (const body of ['', ' ', '[', '{', '"', '<', '-', '--', '[[]]', 'null', '\0\0\0\0\x05hello', '{"', '[{']) {
    assert.equal(inBody(JSON_TYPE, body), undefined, body);
    assert.equal(inBody('multipart/form-data', body), undefined, body);
  }
});

test('a path that speaks of GraphQL or RPC lets the walk go on behind members that say nothing', () => {
  const graphql = { clientId: 7, key: 'k', query: 'query Find { a }' };
  assert.deepEqual(json(graphql, '/v1/GraphQL'), { protocol: 'graphql', type: 'query', name: 'Find' });
  assert.deepEqual(json(graphql, '/gql'), { protocol: 'graphql', type: 'query', name: 'Find' });
  assert.deepEqual(json({ auth: 'x', jsonrpc: '2.0', method: 'm', id: 1 }, '/api_jsonrpc.php'), { protocol: 'json-rpc', name: 'm' });
  assert.equal(json(graphql, '/api?a=graphql'), undefined);
});

test('names that are too long are left out, and documents that are read only in part', () => {
  const long = 'a'.repeat(513);
  const before = weirdCount('limit.operation.name_bytes');
  assert.deepEqual(json({ jsonrpc: '2.0', method: long, id: 1 }), { protocol: 'json-rpc' });
  assert.deepEqual(json({ query: `query ${long}{a}` }), { protocol: 'graphql', type: 'query' });
  assert.deepEqual(inBody(JSON_TYPE, `{"jsonrpc":"2.0","method":"\\u0061${long}","id":1}`), { protocol: 'json-rpc' });
  assert.deepEqual(inBody('text/xml', '<a/>', { fields: [['SOAPAction', long]] }), { protocol: 'soap' });
  assert.equal(weirdCount('limit.operation.name_bytes') - before, 4);
  assert.deepEqual(json({ jsonrpc: '2.0', method: long.slice(1), id: 1 }), { protocol: 'json-rpc', name: long.slice(1) });
  const documents = weirdCount('limit.operation.document_bytes');
  const filler = '\n'.repeat(140_000);
  assert.deepEqual(json({ query: `query A {a} ${filler} query B {a}` }), { protocol: 'graphql', type: 'query', name: 'A' });
  assert.equal(weirdCount('limit.operation.document_bytes') - documents, 1);
});
