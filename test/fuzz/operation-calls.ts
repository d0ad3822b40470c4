/**
 * Calls for the fuzzing of operations: bodies and queries of GraphQL, JSON-RPC and SOAP, put together from right and wrong pieces,
 * nested deeply, cut, with bytes changed, under any media type. What must hold beside what holds for any traffic: masking changes
 * names of operations and nothing else about them.
 */
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import type { Settings } from '../../src/base/settings.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { partsOf, type Turn, wires } from '../support/conversation.ts';
import type { Random } from '../support/random.ts';
import { runPipeline, type Wire } from '../support/run-pipeline.ts';
import { runMasked, shippedPolicy } from './masked-calls.ts';

const words = [
  'Find',
  'a',
  'Pay_1',
  'é',
  '4111111111111111',
  'ada@mail.example',
  '',
  'x'.repeat(600),
  '\\u0041',
  '\\ud83d',
  '"',
  '\0',
  'eth.call',
  '%7B',
];
const types = [
  ...['application/json', 'application/json; charset=utf-8', 'application/graphql', 'application/x-www-form-urlencoded', 'text/xml', ''],
  ...[
    'application/soap+xml; action="urn:a"',
    'application/soap+xml;action=',
    'multipart/form-data; boundary=cut',
    'multipart/related',
    'image/png',
  ],
];
const documents = [
  ...[
    'query ',
    'mutation ',
    'subscription ',
    'fragment ',
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    '@d',
    ' on T ',
    '...',
    ':',
    '$v',
    ',',
    '!',
    '#x\n',
    '\n',
  ],
  ...['"', '"}"', '"""', '"""}"""', '\\"""', '\ufeff', '{ a }', 'query Q { a }', '&', 'é'],
];
const tokens = ['{', '}', '[', ']', ',', ':', '"', 'null', '1', '\\', ' ', '{"a":1}', '"a":'];

function document(random: Random): string {
  if (random.chance(0.05)) return random.pick(['{', '(', '[', '{a', '"""']).repeat(random.integer(1, 20_000));
  return Array.from({ length: random.integer(1, 12) }, () => (random.chance(0.2) ? random.pick(words) : random.pick(documents))).join('');
}

function value(random: Random): string {
  const kind = random.integer(0, 6);
  if (kind === 0) return random.pick(['null', '1', 'true', '[]', '{}', '"2.0"', '[1,{"a":"}"}]']);
  if (kind === 1) return random.pick(['[', '{"a":']).repeat(random.integer(1, 200));
  if (kind === 2)
    return `{"persistedQuery":{"version":1,"sha256Hash":${JSON.stringify(random.pick(['ab12', 'x', 'f'.repeat(200), '4111111111111111']))}}}`;
  return JSON.stringify(random.chance(0.5) ? document(random) : random.pick(words));
}

function object(random: Random): string {
  const names = ['query', 'operationName', 'variables', 'extensions', 'jsonrpc', 'method', 'params', 'id', 'other'];
  const members = Array.from({ length: random.integer(0, 6) }, () => `"${random.pick(names)}"${random.pick([':', ' : '])}${value(random)}`);
  return `{${members.join(random.pick([',', ', ', ' ']))}}`;
}

function json(random: Random): string {
  if (random.chance(0.1)) return Array.from({ length: random.integer(1, 20) }, () => random.pick(tokens)).join('');
  if (random.chance(0.7)) return object(random);
  return `[${Array.from({ length: random.integer(0, 12) }, () => (random.chance(0.8) ? object(random) : value(random))).join(',')}]`;
}

function form(random: Random): string {
  const names = ['query', 'operationName', 'extensions', 'variables', 'q', ''];
  const code = random.chance(0.7) ? encodeURIComponent : (text: string): string => text;
  const coded = (text: string): string => code(text.toWellFormed());
  return Array.from(
    { length: random.integer(0, 4) },
    () => `${random.pick(names)}=${coded(random.chance(0.5) ? document(random) : random.pick(words))}`,
  ).join('&');
}

function soap(random: Random): string {
  const pieces = [
    '<s:Envelope>',
    '<Envelope a=">">',
    '<s:Body>',
    '<Body/>',
    '<s:Header>',
    '</s:Header>',
    '<o:Pay/>',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    '<!DOCTYPE [',
    '>',
    '<',
    '"',
    "'",
  ];
  return Array.from({ length: random.integer(1, 10) }, () => (random.chance(0.1) ? random.pick(words) : random.pick(pieces))).join(
    random.pick(['', '\n']),
  );
}

function multipart(random: Random): string {
  const name = random.pick(['name="operations"', 'name=operations', 'name="map"', 'filename="operations"']);
  return `--cut\r\nContent-Disposition: form-data; ${name}\r\n\r\n${json(random)}\r\n--cut${random.pick(['--', ''])}\r\n`;
}

function body(random: Random): Buffer {
  let out: Buffer = Buffer.from(random.pick([json, json, document, form, soap, multipart])(random));
  if (random.chance(0.3)) out = out.subarray(0, random.integer(0, out.length));
  for (let n = random.chance(0.2) ? random.integer(1, 4) : 0; n > 0 && out.length > 0; n--)
    out[random.integer(0, out.length - 1)] = random.integer(0, 255);
  return out;
}

function request(random: Random): Buffer {
  const query = random.chance(0.4) ? `?${form(random).replaceAll(/[^!-~]/g, '+')}` : '';
  const content = random.chance(0.85) ? body(random) : Buffer.alloc(0);
  const coded = random.chance(0.1) ? zlib.gzipSync(content) : content;
  const fields = [
    `Content-Type: ${random.pick(types)}`,
    ...(random.chance(0.2) ? [`SOAPAction: ${random.pick(['""', '"urn:a"', 'urn:a', '"', random.pick(words).replaceAll('\0', '')])}`] : []),
    ...(coded === content ? [] : ['Content-Encoding: gzip']),
  ];
  const head = `${random.pick(['POST', 'GET'])} ${random.pick(['/graphql', '/rpc', '/', '/api'])}${query} HTTP/1.1\r\nHost: a\r\n${fields.map((field) => `${field}\r\n`).join('')}`;
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${coded.length}\r\n\r\n`), coded]);
}

/** A connection of a few calls, now and then with a hole. */
export function operationPackets(random: Random): Wire[] {
  const turns: Turn[] = [];
  for (let n = random.integer(1, 4); n > 0; n--) {
    turns.push({ fromServer: false, bytes: request(random) });
    if (random.chance(0.9)) turns.push({ fromServer: true, bytes: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') });
  }
  const loss = random.pick([0, 0, 0, 0.05]);
  return wires(partsOf({ turns, calls: [], end: 'client-fin' })).filter(() => !random.chance(loss));
}

/** All of an operation but the names and hashes in it. */
function shapeOf({ operation }: ApiCall): unknown {
  if (operation === undefined) return undefined;
  const { protocol, type, batch, others = [] } = operation;
  return { protocol, type, batch, others: others.map((other) => other.type) };
}

export function runOperations(packets: readonly Wire[], settings: Settings): void {
  runMasked(packets, settings);
  const options = { settings, policy: shippedPolicy() };
  const masked = runPipeline(packets, options).records;
  const plain = runPipeline(packets, { ...options, unmasked: true }).records;
  assert.deepEqual(masked.map(shapeOf), plain.map(shapeOf), 'masking changed what kind of operation it is');
}
