/** fast-check arbitraries of records: anything that the schema of ApiCall allows, hostile strings before all. */
import fc from 'fast-check';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { causes, SCHEMA } from '../../src/normalise/causes.ts';

/** What is special to JSON, TSV, Zeek, URLs, or a terminal. */
const special = [
  '\0',
  '\t',
  '\n',
  '\r',
  '\u001b',
  '\u007f',
  '\u0085',
  '\u2028',
  '"',
  '\\',
  '\\x09',
  ',',
  '-',
  '(empty)',
  '#',
  '%',
  '%0a',
  '%ff',
  '%25',
  '&',
  '=',
  ';',
  ' ',
  'é',
  '\u{1f600}',
  '<',
  "'",
  '__proto__',
];

/** A string as it comes from the wire: text, any code points, or special ones. */
export const wireString: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom(...special), maxLength: 8 }),
  fc.constantFrom('', '-', '(empty)', '/', 'constructor'),
);

const timeUs = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
const port = fc.integer({ min: 0, max: 65535 });
const address = fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', 'fe80::8a2e:370:7334'));

const headerName = fc.oneof(
  wireString,
  fc.constantFrom(
    'Host',
    'Referer',
    'User-Agent',
    'Origin',
    'Authorization',
    'Via',
    'X-Forwarded-For',
    'Cookie',
    'Set-Cookie',
    'Location',
    'Content-Type',
    '__proto__',
  ),
);
const headerValue = fc.oneof(
  wireString,
  wireString.map((text) => `Basic ${Buffer.from(text).toString('base64')}`),
);
const headers: fc.Arbitrary<[string, string][]> = fc.array(fc.tuple(headerName, headerValue), { maxLength: 5 });

const content = fc.oneof(
  fc.constant({ kept: 0 }),
  wireString.map((text) => (text === '' ? { kept: 0 } : { kept: Buffer.byteLength(text), text })),
  fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => ({ kept: bytes.length, base64: Buffer.from(bytes).toString('base64') })),
);
const body = fc
  .tuple(
    content,
    fc.integer({ min: 0, max: 1_000_000_000_000 }),
    fc.record(
      {
        coding: wireString,
        decoded: fc.constant(true as const),
        cut: fc.constant(true as const),
        gapBytes: fc.integer({ min: 1, max: 9999 }),
        contentType: wireString,
      },
      { requiredKeys: [] },
    ),
  )
  .map(([kept, more, rest]) => ({ bytes: kept.kept + more, ...kept, ...rest }));

const request = fc.record(
  {
    firstByteUs: timeUs,
    lastByteUs: timeUs,
    method: wireString,
    target: wireString,
    path: wireString,
    query: wireString,
    version: wireString,
    headers,
    trailers: headers,
    body,
  },
  { requiredKeys: ['firstByteUs', 'lastByteUs', 'method', 'target', 'path', 'version', 'headers', 'body'] },
);
const response = fc.record(
  {
    firstByteUs: timeUs,
    lastByteUs: timeUs,
    status: fc.option(fc.integer({ min: 0, max: 999 })),
    reason: wireString,
    version: wireString,
    headers,
    trailers: headers,
    body,
  },
  { requiredKeys: ['firstByteUs', 'lastByteUs', 'status', 'reason', 'version', 'headers', 'body'] },
);

const layer = fc.record(
  {
    type: fc.constantFrom('vlan', 'mpls', 'pppoe', 'gre', 'erspan', 'ipip', 'vxlan', 'geneve', 'teredo', 'gtp', 'l2tp', 'nsh', 'other'),
    source: address,
    destination: address,
    vni: fc.integer({ min: 0, max: 0xffffff }),
    vlan: fc.integer({ min: 0, max: 4095 }),
    key: fc.integer({ min: 0, max: 0xffffffff }),
  },
  { requiredKeys: ['type'] },
);

const endpoint = fc.record({ address, port });

/** Any record. */
const oneOperation = {
  type: fc.constantFrom('query', 'mutation', 'subscription', 'notification'),
  name: wireString,
  hash: fc.constantFrom('ab12', '0'),
};
const operation = fc.record(
  {
    protocol: fc.constantFrom('graphql', 'json-rpc', 'soap'),
    ...oneOperation,
    batch: fc.integer({ min: 1, max: 1000 }),
    others: fc.array(fc.record(oneOperation, { requiredKeys: [] }), { maxLength: 3 }),
  },
  { requiredKeys: ['protocol'] },
);

const messages = fc.record(
  { messages: fc.nat(), bytes: fc.nat(), compressed: fc.integer({ min: 1, max: 9 }), encoding: fc.constantFrom('gzip', 'other') },
  { requiredKeys: ['messages', 'bytes'] },
);
const grpc = fc.record(
  {
    flavour: fc.constantFrom('grpc', 'grpc-web', 'grpc-web-text'),
    service: wireString,
    method: wireString,
    status: fc.nat(99),
    message: wireString,
    deadlineMs: fc.nat(),
    request: messages,
    response: messages,
  },
  { requiredKeys: ['flavour'] },
);

export const apiCall: fc.Arbitrary<ApiCall> = fc.record(
  {
    schema: fc.constant(SCHEMA),
    id: fc.tuple(fc.nat(), fc.nat(63), fc.nat()).map(([epoch, worker, sequence]) => `earshot.${epoch}.${worker}.${sequence}`),
    complete: fc.boolean(),
    causes: fc.subarray([...causes]),
    client: endpoint,
    server: endpoint,
    clientIp: fc.record({ address, source: fc.constantFrom('connection', 'proxy-protocol', 'forwarded', 'x-forwarded-for', 'x-real-ip') }),
    scheme: fc.constantFrom('http', 'https'),
    host: fc.option(wireString),
    pathTemplate: fc.option(wireString),
    operation,
    grpc,
    request: fc.option(request),
    response: fc.option(response),
    latencyUs: fc.integer({ min: -1_000_000, max: 1_000_000_000 }),
    durationUs: fc.integer({ min: -1_000_000, max: 1_000_000_000 }),
    connection: fc.record(
      {
        depth: fc.integer({ min: 1, max: 100_000 }),
        midstream: fc.constant(true as const),
        interface: fc.nat(9),
        tunnelled: fc.constantFrom('connect', 'socks'),
      },
      { requiredKeys: ['depth', 'interface'] },
    ),
    encapsulation: fc.array(layer, { maxLength: 3 }),
    weirds: fc.array(fc.constantFrom('http.http1.lf_only', 'http.http1.gap_in_body'), { maxLength: 2 }),
  },
  {
    requiredKeys: [
      'schema',
      'id',
      'complete',
      'client',
      'server',
      'clientIp',
      'scheme',
      'host',
      'pathTemplate',
      'request',
      'response',
      'connection',
      'encapsulation',
    ],
  },
);
