/**
 * Parsing and encoding, us a call: a GET with fourteen headers and a JSON answer of 1.2 kB, over and over on one
 * connection, so that everything is in the processor's caches. Prints `name value unit` lines.
 */
import { bytes, outputRegion, packetRegion } from '../base/arena.ts';
import { resetBlocks } from '../base/blocks.ts';
import { defaultSettings as settings } from '../base/settings.ts';
import { Chunk, DATA } from '../flow/chunk.ts';
import { scanHead } from '../http/head.ts';
import { nextFinished } from '../http/pairing.ts';
import { parse, resetHttp } from '../http/parse.ts';
import { releaseCall } from '../http/transaction.ts';
import { encodeCall, resetEncoder } from './encode.ts';

const CALLS = 200_000;
const request = Buffer.from(
  [
    'GET /api/v2/users/123456?page=3&limit=50&q=abcdef HTTP/1.1',
    'Host: api-12.prod.example.com',
    'Connection: keep-alive',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
    'Accept: application/json, text/plain, */*',
    'Accept-Encoding: gzip, deflate, br',
    'Accept-Language: en-US,en;q=0.9,de;q=0.8',
    `Authorization: Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.${'a'.repeat(300)}.${'b'.repeat(86)}`,
    'X-Request-Id: 12345678-1234-4234-8234-123456789012',
    `Cookie: sid=${'c'.repeat(32)}; theme=dark; csrftoken=${'d'.repeat(40)}; locale=en-US`,
    'Origin: https://shop.example.com',
    'Referer: https://shop.example.com/app/dashboard',
    `traceparent: 00-${'e'.repeat(32)}-${'f'.repeat(16)}-01`,
    'Sec-Fetch-Mode: cors',
    'X-Forwarded-For: 10.1.2.3',
    '',
    '',
  ].join('\r\n'),
);
const items = Array.from({ length: 10 }, (_, i) => ({
  id: i * 991,
  sku: 'abcdefgh',
  name: 'Product xyz',
  price: 12.5,
  active: true,
  tags: ['abcde', 'fghij'],
}));
const content = Buffer.from(JSON.stringify({ data: items }));
const response = Buffer.concat([
  Buffer.from(
    [
      'HTTP/1.1 200 OK',
      'Date: Tue, 04 Jun 2024 10:22:11 GMT',
      'Server: nginx/1.25.5',
      'Connection: keep-alive',
      'Cache-Control: no-cache, no-store, max-age=0',
      'Vary: Accept-Encoding, Origin',
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${content.length}`,
      '',
      '',
    ].join('\r\n'),
  ),
  content,
]);
const requestAt = packetRegion.at;
const responseAt = packetRegion.at + 16384;
bytes.set(request, requestAt);
bytes.set(response, responseAt);

const chunk = new Chunk();
chunk.kind = DATA;
chunk.flow = 1;
let asked = 1;
let answered = 1;

function send(direction: number, at: number, length: number): void {
  chunk.direction = direction;
  chunk.at = at;
  chunk.end = at + length;
  chunk.sequence = direction === 0 ? asked : answered;
  chunk.acknowledgement = direction === 0 ? answered : asked;
  if (direction === 0) asked = (asked + length) | 0;
  else answered = (answered + length) | 0;
  parse(chunk);
}

function run(calls: number, encodes: boolean): void {
  for (let i = 0; i < calls; i++) {
    send(0, requestAt, request.length);
    send(1, responseAt, response.length);
    for (let call = nextFinished(); call !== 0; call = nextFinished()) {
      if (encodes) encodeCall(call, outputRegion.at);
      releaseCall(call);
    }
  }
}

function measure(name: string, work: (n: number) => void): number {
  work(CALLS / 4);
  const started = process.hrtime.bigint();
  work(CALLS);
  const us = Number(process.hrtime.bigint() - started) / 1000 / CALLS;
  console.log(`${name} ${us.toFixed(2)} us/call`);
  return us;
}

resetHttp(settings);
resetBlocks(settings.memory.blockBytesMax);
resetEncoder(settings, 'bench', 0);
measure('http.scan_heads', (n) => {
  for (let i = 0; i < n; i++) {
    scanHead(requestAt, requestAt + request.length, false, false);
    scanHead(responseAt, responseAt + response.length, true, false);
  }
});
const parsed = measure('http.parse', (n) => run(n, false));
const both = measure('http.parse_and_encode', (n) => run(n, true));
console.log(`normalise.encode ${(both - parsed).toFixed(2)} us/call`);
