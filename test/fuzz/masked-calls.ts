/**
 * Calls for the fuzzing of masking: heads and bodies in every structure that masking reads, with things in them that it
 * looks for, and most of them damaged: cut, with bytes changed, labelled as something else, in a wrong coding. What must
 * hold beside what holds for any traffic: the same bytes give the same masked records again, and JSON stays JSON.
 */
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import type { Settings } from '../../src/base/settings.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { defaultAdvancedFilters, defaultSimpleFilters } from '../../src/policy/default-filters.ts';
import { defaultMasking } from '../../src/policy/default-masking.ts';
import { Policy } from '../../src/policy/policy.ts';
import { partsOf, type Turn, wires } from '../support/conversation.ts';
import type { Random } from '../support/random.ts';
import { type RunOptions, runPipeline, type Wire } from '../support/run-pipeline.ts';

const names = ['password', 'cardNumber', 'token', 'session', 'email', 'note', 'id', 'x', 'a.b', 'Überweisung', '', '__proto__', 'items'];
const values = [
  ...['4111111111111111', '4539 5787 6362 1486', 'DE89370400440532013000', 'ada@mail.example', '+49 30 1234567', '078-05-1120'],
  ...['Bearer vF9dft4qmTcNw0Zr1bXk7yGh', 'Basic dXNlcjpwYXNz', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEiLCJleHAiOjF9.c2lnbmF0dXJl'],
  ...[
    'eyJhbGciOiJub25lIn0.e30.',
    'password: hunter2',
    'AKIAIOSFODNN7EXAMPLE',
    'https://u:p@h/x?token=abc#f',
    '-----BEGIN PRIVATE KEY-----',
  ],
  ...[
    '',
    '0',
    '17',
    'plain words',
    '%',
    '%4',
    '%34%31%31%31',
    '&',
    '=',
    '"',
    '\\',
    '\\u00',
    '\n',
    '\0',
    'é',
    '茶',
    '\ud83d\ude00',
    '<!--',
    ']]>',
  ],
];
const types = [
  ...['application/json', 'application/problem+json; charset=utf-8', 'application/x-ndjson', 'application/x-www-form-urlencoded'],
  ...['multipart/form-data; boundary=cut', 'multipart/mixed; boundary="a b"', 'multipart/form-data', 'application/xml', 'text/xml'],
  ...[
    'application/graphql',
    'text/csv',
    'text/event-stream',
    'text/plain; charset=utf-16',
    'application/grpc-web-text',
    'image/png',
    ';',
    '',
  ],
];

function json(random: Random, depth: number): string {
  const kind = random.integer(0, depth <= 0 ? 3 : 6);
  if (kind === 0) return random.pick(['null', 'true', '4111111111111111', '1e400', '-0.5', '17']);
  if (kind <= 3) return JSON.stringify(random.pick(values));
  const several = Array.from({ length: random.integer(0, 4) }, () => json(random, depth - 1));
  if (kind === 4) return `[${several.join(random.pick([',', ' , ', ',\n']))}]`;
  return `{${several.map((value) => `${JSON.stringify(random.pick(names))}:${value}`).join(',')}}`;
}

function form(random: Random): string {
  const code = random.pick([encodeURIComponent, (text: string): string => text]);
  return Array.from({ length: random.integer(0, 5) }, () => `${code(random.pick(names))}=${code(random.pick(values))}`).join('&');
}

function xml(random: Random, depth: number): string {
  const name = random.pick(['password', 'card', 'soap:Body', 'a', 'b']);
  const inside = depth <= 0 ? random.pick(values) : Array.from({ length: random.integer(0, 3) }, () => xml(random, depth - 1)).join('');
  return `<${name} token="${random.pick(values)}">${inside}${random.pick(['', `<![CDATA[${random.pick(values)}]]>`, '<!-- x -->', '&#52;&amp;'])}</${name}>`;
}

function multipart(random: Random): string {
  const parts = Array.from({ length: random.integer(0, 3) }, () => {
    const type = random.chance(0.5) ? `Content-Type: ${random.pick(types)}\r\n` : '';
    return `--cut\r\nContent-Disposition: form-data; name="${random.pick(names)}"\r\n${type}\r\n${document(random, 1)}\r\n`;
  });
  return `${parts.join('')}--cut--\r\n`;
}

function graphql(random: Random): string {
  const query = `mutation M($card: String = "${random.pick(values)}") { pay(password: "${random.pick(values)}", card: $card) { id } } # x`;
  return random.chance(0.5) ? query : JSON.stringify({ query, variables: { card: random.pick(values), password: random.pick(values) } });
}

function document(random: Random, depth: number): string {
  switch (random.integer(0, depth > 1 ? 8 : 7)) {
    case 0:
    case 1:
      return json(random, depth + 2);
    case 2:
      return form(random);
    case 3:
      return xml(random, depth);
    case 4:
      return graphql(random);
    case 5:
      return Array.from({ length: random.integer(1, 4) }, () => json(random, 1)).join('\n');
    case 6:
      return `data: ${json(random, 1)}\n\nid: ${random.pick(values)}\n\n`;
    case 7:
      return `password,card,note\r\n"${random.pick(values)}",${random.pick(values)}\r\n`;
    default:
      return multipart(random);
  }
}

function damaged(random: Random, text: string): Buffer {
  let out: Buffer = Buffer.from(text);
  if (random.chance(0.05)) out = Buffer.from(`${'['.repeat(random.integer(1, 3000))}${text}`);
  if (random.chance(0.05)) out = Buffer.from(text.repeat(random.integer(1, 200)).slice(0, 40_000));
  if (random.chance(0.3)) out = out.subarray(0, random.integer(0, out.length));
  for (let n = random.chance(0.3) ? random.integer(1, 4) : 0; n > 0 && out.length > 0; n--) {
    out[random.integer(0, out.length - 1)] = random.integer(0, 255);
  }
  return out;
}

/** A value for a head: it has no line ends. */
function fieldValue(random: Random): string {
  return random.pick(values).replaceAll(/[\r\n\0]/g, ' ');
}

function body(random: Random): Buffer {
  if (random.chance(0.3)) return Buffer.from('\r\n');
  const type = random.pick(types);
  // Mostly what it is said to be.
  const plain = type.includes('json') && random.chance(0.7) ? json(random, 4) : document(random, 2);
  const content = damaged(random, plain);
  const [coding, coded] = random.chance(0.15)
    ? (['Content-Encoding: gzip\r\n', zlib.gzipSync(content)] as const)
    : (['', content] as const);
  const head = `Content-Type: ${type}\r\n${coding}`;
  if (!random.chance(0.2)) return Buffer.concat([Buffer.from(`${head}Content-Length: ${coded.length}\r\n\r\n`), coded]);
  const half = coded.length >> 1;
  const chunks = [coded.subarray(0, half), coded.subarray(half)].filter(({ length }) => length > 0);
  return Buffer.concat([
    Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`),
    ...chunks.flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
    Buffer.from(`0\r\nX-Token: ${fieldValue(random)}\r\n\r\n`),
  ]);
}

function request(random: Random): Buffer {
  const path = random.pick([
    '/v1/orders/17',
    '/login',
    `/reset/${encodeURIComponent(random.pick(values))}`,
    '//',
    '/a;token=x/b',
    '/logo.png',
    '*',
  ]);
  const query = random.chance(0.5) ? `?${form(random).replaceAll(/[\s\0]/g, '+')}` : '';
  const fields = [
    `Authorization: ${fieldValue(random)}`,
    `Cookie: ${random.pick(names)}=${fieldValue(random)}; session=${fieldValue(random)};`,
    `X-Api-Key: ${fieldValue(random)}`,
    `Referer: https://h/${query}`,
    `User-Agent: ${random.pick(['kube-probe/1.33', 'curl/8', fieldValue(random)])}`,
  ].filter(() => random.chance(0.4));
  const line = `${random.pick(['GET', 'POST', 'PUT', 'ada@mail.example'])} ${path}${query} HTTP/1.1\r\nHost: ${random.pick(['shop.example', fieldValue(random)])}\r\n`;
  return Buffer.concat([Buffer.from(`${line}${fields.map((field) => `${field}\r\n`).join('')}`), body(random)]);
}

function response(random: Random): Buffer {
  const fields = [
    `Set-Cookie: session=${fieldValue(random)}; Path=/`,
    `Location: /x?${form(random).replaceAll(/[\s\0]/g, '+')}`,
    `WWW-Authenticate: ${fieldValue(random)}`,
  ].filter(() => random.chance(0.3));
  const line = `HTTP/1.1 ${random.pick([200, 201, 302, 400, 500])} ${fieldValue(random)}\r\n`;
  return Buffer.concat([Buffer.from(`${line}${fields.map((field) => `${field}\r\n`).join('')}`), body(random)]);
}

/** Connections of a few calls each, now and then with a hole. */
export function maskedPackets(random: Random): Wire[] {
  const packets: Wire[] = [];
  for (let connection = random.integer(1, 2); connection > 0; connection--) {
    const turns: Turn[] = [];
    for (let n = random.integer(1, 4); n > 0; n--) {
      turns.push({ fromServer: false, bytes: request(random) });
      if (random.chance(0.9)) turns.push({ fromServer: true, bytes: response(random) });
    }
    const loss = random.pick([0, 0, 0, 0.05]);
    const all = wires(partsOf({ turns, calls: [], end: 'client-fin' }), { clientPort: 40_000 + connection });
    packets.push(...all.filter(() => !random.chance(loss)));
  }
  return packets;
}

let policy: Policy | undefined;

/** Filters and masking as they are shipped. */
export function shippedPolicy(): Policy {
  const sampling = { share: 1, key: 'call' } as const;
  policy ??= new Policy({
    pipelines: [{ name: 'default', simple: defaultSimpleFilters, advanced: defaultAdvancedFilters, sampling }],
    masking: defaultMasking,
    maskingKey: Buffer.alloc(32, 7),
  });
  return policy;
}

/** The packets through filters and masking, twice, and once through filters alone. */
export function runMasked(packets: readonly Wire[], settings: Settings): void {
  const options: RunOptions = { settings, policy: shippedPolicy() };
  const { records } = runPipeline(packets, options);
  for (const { masked, filters } of records) {
    assert.ok(masked !== undefined, 'a record without a report');
    assert.equal(filters?.length, 1);
  }
  assert.deepEqual(runPipeline(packets, options).records, records, 'the same bytes gave other records');
  const plain = runPipeline(packets, { ...options, unmasked: true }).records;
  assert.equal(plain.length, records.length);
  plain.forEach((record, i) => {
    assert.equal(records[i].id, record.id);
    staysJson(record.request, records[i].request);
    staysJson(record.response, records[i].response);
  });
}

type Side = ApiCall['request'] | ApiCall['response'];

/** What is said to be JSON and is: after masking too, unless it was given up as a whole. */
function staysJson(before: Side, after: Side): void {
  const { contentType = '', text = '' } = before?.body ?? {};
  if (!/^application\/(problem\+)?json/.test(contentType) || !isJson(text)) return;
  const masked = after?.body.text ?? '';
  assert.ok(isJson(masked) || masked === '*unreadable*', `JSON became something else: ${text} -> ${masked}`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
