import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { ethernet, ipv4, ipv6, placePacket, tcp, udp, vlan, vxlan } from '../../test/support/packets.ts';
import { bytes, outputRegion, packetRegion } from '../base/arena.ts';
import { blockBytesUsed, resetBlocks } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { Packet } from '../capture/packet.ts';
import { decode, resetDecode } from '../decode/decode.ts';
import { Segment, TCP } from '../decode/segment.ts';
import { CAPTURE_END, Chunk, CLOSE, DATA, GAP } from '../flow/chunk.ts';
import { addFlow, resetFlowTable } from '../flow/flow-table.ts';
import { callWeirds } from '../http/head.ts';
import { http2CallWeirds } from '../http/http2-weirds.ts';
import { nextFinished } from '../http/pairing.ts';
import { parse, resetHttp } from '../http/parse.ts';
import { C_CAUSES, C_HTTP2_WEIRDS, C_WEIRDS, CALL_SHIFT, calls, releaseCall } from '../http/transaction.ts';
import { type ApiCall, apiCallSchema } from './api-call.ts';
import { causes } from './causes.ts';
import { encodeCall, resetEncoder } from './encode.ts';

const published = JSON.parse(readFileSync(new URL('../../schemas/api-call.schema.json', import.meta.url), 'utf8')) as object;
const validate = new Ajv2020({ strict: false }).compile(published);

/** "> text" or "< text" of the connection, or "< gap 10". */
type Said = readonly ['>' | '<', string | Buffer | number];

const PLAIN = ethernet(ipv4(tcp(Buffer.from('x'), { sourcePort: 40_000, destinationPort: 80 })));
const START_US = 1_700_000_000_123_456;

function reset(settings: Settings = defaultSettings): void {
  resetHttp(settings);
  resetBlocks(settings.memory.blockBytesMax);
  resetDecode(settings);
  resetFlowTable(settings);
  resetEncoder(settings, 'ep', 3);
}

/** The lines that the conversation gives, on the connection of the packet. */
function linesOf(said: readonly Said[], o: { packet?: Buffer; settings?: Settings; change?: (call: number) => void } = {}): string[] {
  reset(o.settings);
  const packet = new Packet();
  const segment = new Segment();
  placePacket(packet, o.packet ?? PLAIN);
  assert.equal(decode(packet, segment), TCP);
  const chunk = new Chunk();
  chunk.flow = addFlow(segment);
  const lines: string[] = [];
  const next = [1000, 5000];
  packetTimeUs[0] = START_US;
  const take = (): void => {
    parse(chunk);
    for (let call = nextFinished(); call !== 0; call = nextFinished()) {
      o.change?.(call);
      const end = encodeCall(call, outputRegion.at);
      lines.push(bytes.toString('utf8', outputRegion.at, end));
      releaseCall(call);
    }
  };
  for (const [side, what] of said) {
    chunk.direction = side === '>' ? 0 : 1;
    chunk.sequence = next[chunk.direction];
    chunk.acknowledgement = next[1 - chunk.direction];
    packetTimeUs[0] += 1000;
    if (typeof what === 'number') {
      chunk.kind = GAP;
      chunk.gapBytes = what;
      next[chunk.direction] += what;
    } else {
      const data = typeof what === 'string' ? Buffer.from(what, 'latin1') : what;
      chunk.kind = DATA;
      chunk.at = packetRegion.at + 100;
      chunk.end = chunk.at + data.length;
      bytes.set(data, chunk.at);
      next[chunk.direction] += data.length;
    }
    take();
  }
  chunk.kind = CLOSE;
  chunk.cause = CAPTURE_END;
  take();
  return lines;
}

/** The record of a line, after every check that a line has to stand. */
function checked(line: string): ApiCall {
  assert.ok(line.endsWith('}\n'));
  const value: unknown = JSON.parse(line);
  assert.equal(`${JSON.stringify(value)}\n`, line, 'canonical: no spaces, the shortest escapes, no key twice');
  const parsed = apiCallSchema.safeParse(value);
  assert.ok(parsed.success, parsed.success ? '' : parsed.error.message);
  // A strict object parses its keys in the order of the schema.
  assert.equal(JSON.stringify(parsed.data), JSON.stringify(value), 'keys in the order of the schema');
  assert.ok(validate(value), JSON.stringify(validate.errors));
  return parsed.data;
}

const get = (target: string, fields = ''): Said => ['>', `GET ${target} HTTP/1.1\r\nHost: Shop.example\r\n${fields}\r\n`];
const ok = (body: string | Buffer, fields = ''): Said => [
  '<',
  Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n`, 'latin1'), Buffer.from(body as string)]),
];

test('a whole call', () => {
  const [line] = linesOf([
    ['>', 'POST /carts/17?x=1#f HTTP/1.1\r\nHost: Shop.Example:8080\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nhi'],
    ['<', 'HTTP/1.1 201 Created\r\nX: "q"\\\r\nContent-Length: 4\r\n\r\n'],
    ['<', 'done'],
  ]);
  assert.deepEqual(checked(line), {
    schema: 'earshot.api-call/1',
    id: 'earshot.ep.3.1',
    complete: true,
    client: { address: '10.0.0.1', port: 40_000 },
    server: { address: '10.0.0.2', port: 80 },
    clientIp: { address: '10.0.0.1', source: 'connection' },
    scheme: 'http',
    host: 'shop.example:8080',
    pathTemplate: '/carts/{int}',
    request: {
      firstByteUs: START_US + 1000,
      lastByteUs: START_US + 1000,
      method: 'POST',
      target: '/carts/17?x=1#f',
      path: '/carts/17',
      query: 'x=1',
      version: '1.1',
      headers: [
        ['Host', 'Shop.Example:8080'],
        ['Content-Type', 'a/b'],
        ['Content-Length', '2'],
      ],
      body: { bytes: 2, kept: 2, text: 'hi', contentType: 'a/b' },
    },
    response: {
      firstByteUs: START_US + 2000,
      lastByteUs: START_US + 3000,
      status: 201,
      reason: 'Created',
      version: '1.1',
      headers: [
        ['X', '"q"\\'],
        ['Content-Length', '4'],
      ],
      body: { bytes: 4, kept: 4, text: 'done' },
    },
    latencyUs: 1000,
    durationUs: 2000,
    connection: { depth: 1, interface: 0 },
    encapsulation: [],
  });
  assert.equal(blockBytesUsed(), 0);
});

test('ids count up and name sensor, epoch and worker', () => {
  const lines = linesOf([get('/a'), ok(''), get('/b'), ok('')], {
    settings: { ...defaultSettings, sensor: { ...defaultSettings.sensor, id: 'edge' } },
  });
  assert.deepEqual(
    lines.map((line) => checked(line).id),
    ['edge.ep.3.1', 'edge.ep.3.2'],
  );
});

test('no response, no request', () => {
  const unanswered = checked(linesOf([get('/a')])[0]);
  assert.deepEqual([unanswered.response, unanswered.causes, unanswered.latencyUs], [null, ['no-response', 'capture-end'], undefined]);
  const unasked = checked(linesOf([ok('x')])[0]);
  assert.deepEqual([unasked.request, unasked.host, unasked.pathTemplate, unasked.causes], [null, null, null, ['no-request']]);
});

test('every cause and every weird has its own name', () => {
  for (let bit = 0; bit < causes.length; bit++) {
    const call = checked(linesOf([get('/'), ok('')], { change: (c) => void (calls[(c << CALL_SHIFT) + C_CAUSES] = 1 << bit) })[0]);
    assert.deepEqual([call.complete, call.causes], [false, [causes[bit]]]);
  }
  for (let bit = 0; bit < callWeirds.length; bit++) {
    const call = checked(linesOf([get('/'), ok('')], { change: (c) => void (calls[(c << CALL_SHIFT) + C_WEIRDS] = 1 << bit) })[0]);
    assert.deepEqual(call.weirds, [callWeirds[bit]]);
  }
  const all = checked(linesOf([get('/'), ok('')], { change: (c) => void (calls[(c << CALL_SHIFT) + C_WEIRDS] = -1) })[0]);
  assert.deepEqual(all.weirds, callWeirds);
  const both = checked(
    linesOf([get('/'), ok('')], {
      change: (c) => {
        calls[(c << CALL_SHIFT) + C_WEIRDS] = 1;
        calls[(c << CALL_SHIFT) + C_HTTP2_WEIRDS] = -1 >>> (32 - http2CallWeirds.length);
      },
    })[0],
  );
  assert.deepEqual(both.weirds, [callWeirds[0], ...http2CallWeirds]);
});

test('IPv6, and layers around', () => {
  const v6 = checked(linesOf([get('/'), ok('')], { packet: ethernet(ipv6(tcp(Buffer.from('x')), { source: '2001:db8::5' })) })[0]);
  assert.equal(v6.client.address, '2001:db8::5');
  const inner = ethernet(vlan(ipv4(tcp(Buffer.from('x'))), { id: 7 }));
  const packet = ethernet(ipv4(udp(vxlan(inner, { vni: 77 })), { source: '172.16.0.1', destination: '172.16.0.2' }));
  assert.deepEqual(checked(linesOf([get('/'), ok('')], { packet })[0]).encapsulation, [
    { type: 'vxlan', source: '172.16.0.1', destination: '172.16.0.2', vni: 77 },
    { type: 'vlan', vlan: 7 },
  ]);
});

test('targets in every form', () => {
  const of = (line: string): unknown[] => {
    const call = checked(linesOf([['>', `${line} HTTP/1.1\r\nHost: h\r\n\r\n`], ok('')])[0]);
    return [call.scheme, call.host, call.request?.path, call.request?.query, call.pathTemplate];
  };
  assert.deepEqual(of('GET /a/1'), ['http', 'h', '/a/1', undefined, '/a/{int}']);
  assert.deepEqual(of('GET /a?'), ['http', 'h', '/a', '', '/a']);
  assert.deepEqual(of('GET /a?b?c#d?e'), ['http', 'h', '/a', 'b?c', '/a']);
  assert.deepEqual(of('GET /a#d?e'), ['http', 'h', '/a', undefined, '/a']);
  assert.deepEqual(of('GET http://U:P@Host:81'), ['http', 'host:81', '/', undefined, '/']);
  assert.deepEqual(of('GET HTTPS://Host?q'), ['https', 'host', '/', 'q', '/']);
  assert.deepEqual(of('OPTIONS *'), ['http', 'h', '*', undefined, '*']);
  assert.deepEqual(of('CONNECT Host:443'), ['http', 'host:443', '', undefined, null]);
});

test('holes in a body', () => {
  const call = checked(
    linesOf([get('/'), ['<', 'HTTP/1.1 200 OK\r\nContent-Length: 5000000020\r\n\r\nabc'], ['<', 5_000_000_007], ['<', 'defghijklm']])[0],
  );
  assert.deepEqual(call.response?.body, { bytes: 5_000_000_020, kept: 3, text: 'abc', cut: true, gapBytes: 5_000_000_007 });
  assert.deepEqual(call.causes, ['gap']);
});

test('bodies: text, binary, coded, cut', () => {
  const settings = { ...defaultSettings, http: { ...defaultSettings.http, bodyBytes: 8 } };
  const body = (data: string | Buffer, fields = ''): unknown =>
    checked(linesOf([get('/'), ok(data, fields)], { settings })[0]).response?.body;
  assert.deepEqual(body(''), { bytes: 0, kept: 0 });
  assert.deepEqual(body('12345678'), { bytes: 8, kept: 8, text: '12345678' });
  assert.deepEqual(body('123456789'), { bytes: 9, kept: 8, text: '12345678', cut: true });
  assert.deepEqual(body(Buffer.from('1234567é')), { bytes: 9, kept: 7, text: '1234567', cut: true });
  assert.deepEqual(body(Buffer.from([1, 255])), { bytes: 2, kept: 2, base64: 'Af8=' });
  const coded = gzipSync('abc');
  const wide = { ...defaultSettings, http: { ...defaultSettings.http, bodyBytes: 64 } };
  assert.deepEqual(checked(linesOf([get('/'), ok(coded, 'Content-Encoding: gzip\r\n')], { settings: wide })[0]).response?.body, {
    bytes: coded.length,
    kept: 3,
    text: 'abc',
    coding: 'gzip',
    decoded: true,
  });
});

test('a coding in two fields is one list', () => {
  const twice = gzipSync(gzipSync('deep'));
  const call = checked(linesOf([get('/'), ok(twice, 'Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n')])[0]);
  assert.equal(call.response?.body.text, 'deep');
});

test('whatever a peer sends, the line is a record', () => {
  const unit = fc.constantFrom(
    'a',
    'Z',
    '"',
    '\\',
    '/',
    '?',
    '#',
    '%',
    ':',
    '@',
    '\0',
    '\x1b',
    '\x7f',
    '\xe9',
    '\xc3\xa9',
    '\xf0\x9f\x98\x80',
    '\xed\xa0\x80',
    '.',
    '1',
  );
  const wild = fc.string({ unit, maxLength: 30 });
  fc.assert(
    fc.property(wild, wild, wild, wild, fc.boolean(), (target, name, value, body, absolute) => {
      const start = `GET ${absolute ? 'http://' : '/'}${target} HTTP/1.1\r\n`;
      for (const line of linesOf([
        ['>', `${start}Host: ${value}\r\nX-${name}: ${value}\r\nCookie: ${body}\r\n\r\n`],
        ok(Buffer.from(body, 'latin1'), `Y: ${value}\r\n`),
      ])) {
        const call = checked(line);
        const cookie = call.request?.headers.find(([n]) => n === 'Cookie')?.[1];
        const raw = Buffer.from(body, 'latin1');
        const text = raw.toString('utf8').includes('\ufffd') ? raw.toString('latin1') : raw.toString('utf8');
        if (cookie !== undefined) assert.equal(cookie, text);
      }
    }),
    { numRuns: 500 },
  );
});
