/** The line of a call beside its record: they say the same, and the line says nothing that would have to be masked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BothEncodings, encodeBoth } from '../../test/support/both-encodings.ts';
import { arbitraryPlan, makeConversation, partsOf, wires } from '../../test/support/conversation.ts';
import { ACK, ethernet, FIN, geneve, ipv4, ipv6, PSH, SYN, tcp, udp, vlan, vxlan } from '../../test/support/packets.ts';
import { readPcap } from '../../test/support/read-pcap.ts';
import { lawSeed, START_US, settingsWith, type Wire } from '../../test/support/run-pipeline.ts';
import { makeTraffic } from '../../test/support/traffic.ts';
import { trafficKinds, trafficOptions } from '../../test/support/traffic-options.ts';
import type { ApiCall } from './api-call.ts';

const isoOf = (us: number): string =>
  `${new Date(Math.floor(us / 1e6) * 1000).toISOString().slice(0, 19)}.${String(us % 1e6).padStart(6, '0')}Z`;

type Layer = ApiCall['encapsulation'][number];
const layerText = (layer: Layer): string => {
  const { type, source: _s, destination: _d, ...ids } = layer as Layer & { source?: string; destination?: string };
  const id = ['vni', 'vlan', 'key', 'session', 'label', 'teid']
    .map((name) => (ids as Record<string, unknown>)[name])
    .find((n) => n !== undefined);
  return id === undefined ? type : `${type} ${id}`;
};

const BEYOND_ASCII = /[\u{80}-\u{10ffff}]+/gu;

/** A host as the line has it: up to what no host name has, and without a port that is no number. */
function hostOf(host: string | null): string | null {
  const [, name = '', port] = /^(\[[-\w.~%:\u{80}-\u{10ffff}]*\]|[-\w.~%\u{80}-\u{10ffff}]*)(:\d*$)?/u.exec(host ?? '') ?? [];
  return `${name}${port ?? ''}` || null;
}

/** What the line must be, made from the record, with its keys in their order. */
function wanted({ record: r, line }: BothEncodings): BothEncodings['line'] {
  const first = r.request ?? r.response;
  assert.ok(first !== null);
  return {
    id: line.id,
    time: isoOf(first.firstByteUs),
    client: r.client.address,
    clientPort: r.client.port,
    server: r.server.address,
    serverPort: r.server.port,
    ...(r.encapsulation.length === 0 ? {} : { tunnel: r.encapsulation.map(layerText).join(' > ') }),
    method: r.request === null ? null : r.request.method,
    host: hostOf(r.host),
    path: r.request === null ? null : r.request.path,
    ...(r.pathTemplate === null || r.pathTemplate === r.request?.path ? {} : { template: r.pathTemplate }),
    status: r.response?.status ?? null,
    requestBytes: r.request?.body.bytes ?? null,
    responseBytes: r.response?.body.bytes ?? null,
    ...(r.latencyUs === undefined ? {} : { latencyUs: r.latencyUs }),
    complete: r.complete,
  };
}

function check(one: BothEncodings): void {
  const text = `${JSON.stringify(wanted(one))}\n`;
  const { host } = one.record;
  if (hostOf(host) === host) assert.equal(one.text, text);
  // Whether bytes are UTF-8 or Latin-1 is told from the whole of a text; of its first part it may look otherwise.
  else assert.equal(one.text.replace(BEYOND_ASCII, '?'), text.replace(BEYOND_ASCII, '?'));
}

/** One connection that says these things, in packets a millisecond apart. */
function talk(said: readonly (readonly ['>' | '<', string | Buffer])[], wrap: (packet: Buffer) => Buffer = ethernet): Wire[] {
  const next = [1000, 5000];
  const packets: Wire[] = [];
  const put = (side: number, flags: number, payload: Buffer): void => {
    const ports = [40_000, 8080];
    const segment = tcp(payload, {
      sourcePort: ports[side],
      destinationPort: ports[1 - side],
      sequence: next[side],
      acknowledgement: next[1 - side],
      flags,
    });
    const [source, destination] = side === 0 ? ['10.0.0.1', '10.0.0.2'] : ['10.0.0.2', '10.0.0.1'];
    packets.push({ data: wrap(ipv4(segment, { source, destination })), timeUs: START_US + packets.length * 1000 });
    next[side] += payload.length + (flags & (SYN | FIN) ? 1 : 0);
  };
  const none = Buffer.alloc(0);
  put(0, SYN, none);
  put(1, SYN | ACK, none);
  put(0, ACK, none);
  for (const [side, what] of said) put(side === '>' ? 0 : 1, ACK | PSH, typeof what === 'string' ? Buffer.from(what, 'latin1') : what);
  put(0, FIN | ACK, none);
  put(1, FIN | ACK, none);
  put(0, ACK, none);
  return packets;
}

const ok = ['<', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'] as const;

test('a whole call', () => {
  const [one, ...others] = encodeBoth(
    talk([
      ['>', 'POST /carts/17?x=1#f HTTP/1.1\r\nHost: Shop.Example:8080\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nhi'],
      ['<', 'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\ndone'],
    ]),
  );
  assert.deepEqual(others, []);
  assert.deepEqual(one.line, {
    id: 'earshot.ep.3.1',
    time: '2025-06-15T15:06:40.003000Z',
    client: '10.0.0.1',
    clientPort: 40_000,
    server: '10.0.0.2',
    serverPort: 8080,
    method: 'POST',
    host: 'shop.example:8080',
    path: '/carts/17',
    template: '/carts/{int}',
    status: 201,
    requestBytes: 2,
    responseBytes: 4,
    latencyUs: 1000,
    complete: true,
  });
  check(one);
});

test('one half of a call', () => {
  const [unanswered] = encodeBoth(talk([['>', 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n']]));
  assert.deepEqual([unanswered.line.status, unanswered.line.responseBytes, unanswered.line.complete], [null, null, false]);
  check(unanswered);
  const [unasked] = encodeBoth(talk([['<', 'HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx']]));
  const { method, host, path, requestBytes, status, latencyUs } = unasked.line;
  assert.deepEqual([method, host, path, requestBytes, status, latencyUs], [null, null, null, null, 404, undefined]);
  check(unasked);
});

test('targets in every form', () => {
  const of = (target: string, host = 'Host: H\r\n'): unknown[] => {
    const [one] = encodeBoth(talk([['>', `${target} HTTP/1.1\r\n${host}\r\n`], ok]));
    check(one);
    return [one.line.host, one.line.path, one.line.template];
  };
  assert.deepEqual(of('GET /a'), ['h', '/a', undefined]);
  assert.deepEqual(of('GET /a/2025-01-31/7?b'), ['h', '/a/2025-01-31/7', '/a/{date}/{int}']);
  assert.deepEqual(of('GET http://Shop.example'), ['shop.example', '/', undefined]);
  assert.deepEqual(of('GET http://Shop.example?a=b'), ['shop.example', '/', undefined]);
  assert.deepEqual(of('GET http://shop.example/7#x', ''), ['shop.example', '/7', '/{int}']);
  assert.deepEqual(of('OPTIONS *'), ['h', '*', undefined]);
  assert.deepEqual(of('CONNECT Shop.example:443'), ['shop.example:443', '', undefined]);
  assert.deepEqual(of('GET /a', ''), [null, '/a', undefined]);
  assert.deepEqual(of('GET /a', 'Host: [2001:DB8::1]:8080\r\n'), ['[2001:db8::1]:8080', '/a', undefined]);
  assert.deepEqual(of('GET /a', 'Host: [2001:db8::1\r\n'), [null, '/a', undefined]);
  assert.deepEqual(of('GET /a', 'Host: a_b.xn--7-x.example:\r\n'), ['a_b.xn--7-x.example:', '/a', undefined]);
  assert.deepEqual(of('GET /a', 'Host: h:80x\r\n'), ['h', '/a', undefined]);
  assert.deepEqual(of('GET /a', 'Host: =\r\n'), [null, '/a', undefined]);
});

test('tunnels in words, IPv6', () => {
  const conversation = talk([['>', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'], ok]);
  const tunnelOf = (wrap: (frame: Buffer) => Buffer): string | undefined => {
    const [one] = encodeBoth(conversation.map((wire) => ({ ...wire, data: wrap(wire.data) })));
    check(one);
    return one.line.tunnel;
  };
  const outer = (datagram: Buffer): Buffer => ethernet(ipv4(datagram, { source: '172.16.0.1', destination: '172.16.0.2' }));
  assert.equal(
    tunnelOf((frame) => frame),
    undefined,
  );
  assert.equal(
    tunnelOf((frame) => outer(udp(vxlan(frame, { vni: 5 })))),
    'vxlan 5',
  );
  assert.equal(
    tunnelOf((frame) => outer(udp(geneve(outer(udp(vxlan(frame, { vni: 0 }))), { vni: 7 }), { destinationPort: 6081 }))),
    'geneve 7 > vxlan 0',
  );
  assert.equal(
    tunnelOf((frame) => ethernet(vlan(frame.subarray(14), { id: 12 }))),
    'vlan 12',
  );
  const segment = tcp(Buffer.from('GET /six HTTP/1.1\r\nHost: h\r\n\r\n'), { sourcePort: 40_000, destinationPort: 80 });
  const [six] = encodeBoth([{ data: ethernet(ipv6(segment, { source: '2001:db8::5', destination: '2001:db8::6' })), timeUs: START_US }]);
  assert.deepEqual([six.line.client, six.line.server], ['2001:db8::5', '2001:db8::6']);
  check(six);
});

test('times: fractions of a microsecond, and a second that changes to and fro', () => {
  const times = [0.25, 999_999.75, 1_000_000.5, 5, 2_000_000];
  const packets = times.map((us, i) => ({
    data: ethernet(
      ipv4(tcp(Buffer.from(`GET /${i} HTTP/1.1\r\nHost: h\r\n\r\n`), { sourcePort: 40_000 + i, destinationPort: 80 }), {
        source: '10.0.0.1',
        destination: '10.0.0.2',
      }),
    ),
    timeUs: START_US + us,
  }));
  const found = encodeBoth(packets);
  assert.deepEqual(found.map(({ line }) => line.time).sort(), [
    '2025-06-15T15:06:40.000000Z',
    '2025-06-15T15:06:40.000005Z',
    '2025-06-15T15:06:40.999999Z',
    '2025-06-15T15:06:41.000000Z',
    '2025-06-15T15:06:42.000000Z',
  ]);
  for (const one of found) check(one);
});

for (const kind of trafficKinds) {
  test(`traffic, ${kind}: every line is the record in short`, () => {
    const { pcap } = makeTraffic(trafficOptions({ kind, megabytes: 0.5, seed: 3, ipv6Share: 0.3, pipelineShare: 0.2 }));
    const found = encodeBoth(readPcap(pcap).map((one, i) => ({ ...one, timeUs: START_US + 37.5 * i })));
    assert.ok(found.length > 5);
    for (const one of found) check(one);
  });
}

test('conversations with anything before and behind them', () => {
  fc.assert(
    fc.property(arbitraryPlan({ traps: true }), (plan) => {
      for (const one of encodeBoth(wires(partsOf(makeConversation(plan))))) check(one);
    }),
    { numRuns: 150, seed: lawSeed() },
  );
});

test('a secret is nowhere in the line, wherever it stood', () => {
  const secret = 'S3cr3t';
  const requests: Record<string, string> = {
    query: `GET /a?token=${secret} HTTP/1.1\r\nHost: h\r\n\r\n`,
    'second question mark': `GET /a?b?${secret} HTTP/1.1\r\nHost: h\r\n\r\n`,
    fragment: `GET /a#${secret} HTTP/1.1\r\nHost: h\r\n\r\n`,
    'empty path': `GET http://h?${secret} HTTP/1.1\r\nHost: h\r\n\r\n`,
    'user information': `GET http://me:${secret}@h/a HTTP/1.1\r\nHost: h\r\n\r\n`,
    'user information with an at sign': `GET http://me@x:${secret}@h/a HTTP/1.1\r\nHost: h\r\n\r\n`,
    'user information, capital scheme': `GET HTTPS://${secret}@h HTTP/1.1\r\nHost: h\r\n\r\n`,
    'user information, another scheme': `GET coap+tcp.1-x://me:${secret}@h/a HTTP/1.1\r\nHost: h\r\n\r\n`,
    'user information and no host': `GET http://me:${secret}@/a HTTP/1.1\r\nHost: h\r\n\r\n`,
    'user information of CONNECT': `CONNECT me:${secret}@h:443 HTTP/1.1\r\nHost: h\r\n\r\n`,
    'query of CONNECT': `CONNECT h:443?${secret} HTTP/1.1\r\nHost: h\r\n\r\n`,
    'query in Host': `GET /a HTTP/1.1\r\nHost: h?${secret}\r\n\r\n`,
    'path in Host': `GET /a HTTP/1.1\r\nHost: h/${secret}\r\n\r\n`,
    'fragment in Host': `GET /a HTTP/1.1\r\nHost: h#${secret}\r\n\r\n`,
    'blank in Host': `GET /a HTTP/1.1\r\nHost: h x=${secret}\r\n\r\n`,
    'no port in Host': `GET /a HTTP/1.1\r\nHost: h:${secret}\r\n\r\n`,
    'behind an address in Host': `GET /a HTTP/1.1\r\nHost: [::1]:80 ${secret}\r\n\r\n`,
    'password with a slash': `GET http://me:${secret}/x@h/a HTTP/1.1\r\nHost: h\r\n\r\n`,
    'user information in Host': `GET /a HTTP/1.1\r\nHost: me:${secret}@h\r\n\r\n`,
    cookie: `GET /a HTTP/1.1\r\nHost: h\r\nCookie: sid=${secret}\r\n\r\n`,
    authorization: `GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${secret}\r\n\r\n`,
    'forwarded for': `GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: ${secret}\r\nForwarded: for=${secret}\r\n\r\n`,
    'name of a field': `GET /a HTTP/1.1\r\nHost: h\r\nX-${secret}: 1\r\n\r\n`,
    'content type': `POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: ${secret}\r\nContent-Length: 1\r\n\r\nx`,
    body: `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${secret.length}\r\n\r\n${secret}`,
    trailer: `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ${secret}\r\n\r\n`,
    'chunk extension': `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=${secret}\r\nx\r\n0\r\n\r\n`,
  };
  const answer = `HTTP/1.1 200 ${secret}\r\nSet-Cookie: sid=${secret}\r\nLocation: /b?${secret}\r\nContent-Length: ${secret.length}\r\n\r\n${secret}`;
  for (const [where, request] of Object.entries(requests)) {
    const found = encodeBoth(
      talk([
        ['>', request],
        ['<', answer],
      ]),
    );
    assert.ok(found.length > 0, where);
    for (const one of found) {
      check(one);
      assert.ok(JSON.stringify(one.record).includes(secret), `${where}: the record has it`);
      assert.ok(!one.text.toLowerCase().includes(secret.toLowerCase()), `${where}: ${one.text}`);
    }
  }
});

test('whatever a peer sends, the line is one line of JSON', () => {
  const unit = fc.constantFrom(
    ...[
      'a',
      'Z',
      '7',
      '"',
      '\\',
      '/',
      '?',
      '#',
      '%',
      ':',
      '@',
      '.',
      '[',
      ']',
      '\0',
      '\t',
      '\x1b',
      '\x7f',
      '\xe9',
      '\xc3\xa9',
      '\xf0\x9f\x98\x80',
      '\xed\xa0\x80',
      '\xc3',
    ],
  );
  const wild = fc.string({ unit, maxLength: 40 });
  const method = fc.constantFrom('GET', 'CONNECT', 'OPTIONS', 'M-SEARCH', "!#$%&'*+-.^_`|~9");
  const form = fc.constantFrom('/', 'http://', 'HttpS://', 'x+y://', '');
  fc.assert(
    fc.property(method, form, wild, wild, (verb, begin, target, host) => {
      for (const one of encodeBoth(talk([['>', `${verb} ${begin}${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`], ok]))) {
        assert.equal(one.text.indexOf('\n'), one.text.length - 1);
        check(one);
      }
    }),
    { numRuns: 600, seed: lawSeed() },
  );
});

test('ids go on over lines and records; another run begins anew', () => {
  const packets = talk([['>', 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n'], ok, ['>', 'GET /b HTTP/1.1\r\nHost: h\r\n\r\n'], ok]);
  const settings = settingsWith({ sensor: { id: 'edge-7' } });
  for (let run = 0; run < 2; run++) {
    const ids = encodeBoth(packets, settings).flatMap(({ line, record }) => [line.id, record.id]);
    assert.deepEqual(ids, ['edge-7.ep.3.1', 'edge-7.ep.3.2', 'edge-7.ep.3.3', 'edge-7.ep.3.4']);
  }
});
