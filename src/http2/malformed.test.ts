/** What RFC 9113 forbids is reported with its name, and what it allows without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { continuation, dataFrame, frame, headers, PREFACE, reset, settingsFrame } from '../../test/support/http2-frames.ts';
import { type Run, runPipeline } from '../../test/support/run-pipeline.ts';

type Field = [string, string];
const get = (path: string, method = 'GET'): Field[] => [
  [':method', method],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'shop.example'],
];
const ok: Field[] = [[':status', '200']];
const client = (...frames: Buffer[]): Turn => ({ fromServer: false, bytes: Buffer.concat(frames) });
const server = (...frames: Buffer[]): Turn => ({ fromServer: true, bytes: Buffer.concat(frames) });
const opening = [client(PREFACE, settingsFrame()), server(settingsFrame(), settingsFrame([], true)), client(settingsFrame([], true))];

function replay(...turns: Turn[]): Run {
  return runPipeline(wires(partsOf({ turns: [...opening, ...turns], calls: [], end: 'client-fin' })), { everyPacket: true });
}
const asked = (fields: readonly Field[]): Run => replay(client(headers(1, fields, { end: true })), server(headers(1, ok, { end: true })));
const answered = (fields: readonly Field[]): Run => replay(client(headers(1, get('/'))), server(headers(1, fields, { end: true })));
const without = (name: string, fields = get('/')): Field[] => fields.filter(([n]) => n !== name);
const withValue = (name: string, value: string): Field[] => get('/').map(([n, v]) => [n, n === name ? value : v]);
const connect: Field[] = [
  [':method', 'CONNECT'],
  [':authority', 'db.example:5432'],
];

/** The weirds of the first call, which is counted as often as it is told. */
function weirdsOf(run: Run, calls = 1): readonly string[] {
  assert.equal(run.records.length, calls);
  const names = run.records[0].weirds ?? [];
  for (const name of names) assert.equal(run.weirds[name], 1, name);
  return names.map((name) => name.replace('http.http2.', ''));
}

const requests: readonly (readonly [what: string, fields: Field[], ...weirds: string[]])[] = [
  ['two :path', [...get('/first'), [':path', '/second']], 'repeated_pseudo'],
  ['a pseudo-header field behind a field', [...without(':path'), ['x-a', 'b'], [':path', '/']], 'misplaced_pseudo'],
  ['one that is not defined', [...get('/'), [':schema', 'x']], 'unknown_pseudo'],
  ['one that is not defined, as long as :scheme', [[':scheem', 'http'], ...get('/')], 'unknown_pseudo'],
  ['one of responses', [...get('/'), [':status', '200']], 'misplaced_pseudo'],
  ['no :path', without(':path'), 'missing_pseudo'],
  ['no :method', without(':method'), 'missing_pseudo'],
  ['no :scheme', without(':scheme'), 'missing_pseudo'],
  ['no pseudo-header field', [['x-a', 'b']], 'missing_pseudo'],
  ['CONNECT without :authority', [[':method', 'CONNECT']], 'missing_pseudo'],
  ['CONNECT with a path', [...connect, [':path', '/']], 'misplaced_pseudo'],
  ['an empty path', withValue(':path', ''), 'bad_pseudo'],
  ['a path that is a request line', withValue(':path', '/ HTTP/1.1\r\nhost: evil.example\r\n\r\n'), 'bad_pseudo'],
  ['a path without a slash', withValue(':path', 'http://evil.example/'), 'bad_pseudo'],
  ['a method that is a request line', withValue(':method', 'GET /admin HTTP/1.1'), 'bad_pseudo'],
  ['a scheme with a path', withValue(':scheme', 'http://evil.example/?'), 'bad_pseudo'],
  ['an authority with a path', withValue(':authority', 'shop.example/admin'), 'bad_pseudo'],
  ['an authority with a user', withValue(':authority', 'shop.example@evil.example'), 'bad_pseudo'],
  ['GET with :protocol', [...get('/'), [':protocol', 'websocket']], 'misplaced_pseudo'],
  ['transfer-encoding', [...get('/'), ['transfer-encoding', 'chunked']], 'connection_field'],
  ['connection', [...get('/'), ['connection', 'close']], 'connection_field'],
  ['keep-alive', [...get('/'), ['keep-alive', 'timeout=5']], 'connection_field'],
  ['proxy-connection', [...get('/'), ['proxy-connection', 'close']], 'connection_field'],
  ['upgrade', [...get('/'), ['upgrade', 'h2c']], 'connection_field'],
  ['te', [...get('/'), ['te', 'gzip']], 'connection_field'],
  ['a capital letter', [...get('/'), ['X-A', 'b']], 'bad_field_name'],
  ['an empty name', [...get('/'), ['', 'b']], 'bad_field_name'],
  ['a line break in a name', [...get('/'), ['x-a: b\r\ntransfer-encoding', 'chunked']], 'bad_field_name'],
  ['a colon in a name', [...get('/'), ['x-a:b', 'c']], 'bad_field_name'],
  ['a long name with a capital letter', [...get('/'), [`x-${'a'.repeat(40)}Z`, 'c']], 'bad_field_name'],
  ['CR and LF in a value', [...get('/'), ['x-a', 'b\r\nx: y']], 'bad_field_value'],
  ['CR in a value', [...get('/'), ['x-a', 'b\ry']], 'bad_field_value'],
  ['NUL in a long value', [...get('/'), ['x-a', `${'b'.repeat(90)}\0`]], 'bad_field_value'],
  ['LF in a long value', [...get('/'), ['x-a', `${'b'.repeat(31)}\n${'b'.repeat(31)}`]], 'bad_field_value'],
  ['host that differs', [...get('/'), ['host', 'evil.example']], 'conflicting_host'],
  ['two hosts that differ', [...without(':authority'), ['host', 'shop.example'], ['host', 'evil.example']], 'conflicting_host'],
  ['several things', [...get('/', 'G T'), ['X-a', 'b\n']], 'bad_field_name', 'bad_field_value', 'bad_pseudo'],
  // What is well formed.
  ['te: trailers', [...get('/'), ['te', 'trailers']]],
  ['the same host', [...get('/'), ['host', 'Shop.example:80']]],
  ['no authority', without(':authority')],
  ['OPTIONS of the server', get('*', 'OPTIONS')],
  ['names and values of all lengths', [...get('/'), ...[1, 23, 24, 25, 200].map((n): Field => ['x'.repeat(n), '\t~ é'.repeat(n)])]],
  ['names as long as forbidden ones', [...get('/'), ['ta', 'x'], ['user-agent', 'x'], ['xpoxy-connection', 'x'], ['x-grade', 'x']]],
  ['a path with all that paths have', get('/%20;a=b/é?x=[1]{2}|"<>^`\\')],
];
for (const [what, fields, ...weirds] of requests) {
  test(`request: ${what}`, () => {
    const run = asked(fields);
    const found = weirdsOf(run).filter((name) => name !== 'http.head.odd_transfer_coding');
    assert.deepEqual(found, weirds);
    assert.equal(run.records[0].request?.headersIncomplete, undefined, 'nothing is unknown');
    assert.equal(run.records[0].complete, true);
  });
}

test('an authority and another host: the authority is the host, and both are shown', () => {
  const [{ host, request }] = asked([...get('/'), ['host', 'evil.example'], ['x-a', 'b']]).records;
  assert.equal(host, 'shop.example');
  assert.deepEqual(request?.headers, [
    ['host', 'shop.example'],
    ['host', 'evil.example'],
    ['x-a', 'b'],
  ]);
  const [same] = asked([...get('/'), ['host', 'Shop.example:80']]).records;
  assert.deepEqual([same.host, same.request?.headers], ['shop.example:80', [['host', 'Shop.example:80']]]);
});

test('trailers that do not all fit are told of', () => {
  const trailers = (count: number, bytes: number): Field[] => Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'.repeat(bytes)]);
  for (const [fields, name] of [
    [trailers(600, 200), 'limit.http.head_bytes'],
    [trailers(1100, 1), 'limit.http.headers'],
  ] as const) {
    const run = replay(client(headers(1, get('/'))), server(headers(1, ok, { end: false }), continuation(1, fields, 16_000, true)));
    const [{ weirds, causes, response }] = run.records;
    assert.ok((response?.trailers?.length ?? 0) < fields.length);
    assert.deepEqual([weirds, causes], [[name], name === 'limit.http.head_bytes' ? ['cut-at-limit'] : undefined]);
  }
});

const responses: readonly (readonly [what: string, fields: Field[], ...weirds: string[]])[] = [
  ['no :status', [['x-a', 'b']], 'missing_pseudo'],
  ['no field', [], 'missing_pseudo'],
  ['a status that is none', [[':status', '2OO']], 'bad_pseudo'],
  ['two of them', [...ok, [':status', '404']], 'repeated_pseudo'],
  ['one of requests', [...ok, [':path', '/']], 'misplaced_pseudo'],
  ['a capital letter', [...ok, ['X-A', 'b']], 'bad_field_name'],
  ['a cookie with a line break', [...ok, ['set-cookie', 'a=b\r\nx: y']], 'bad_field_value'],
  ['connection', [...ok, ['connection', 'keep-alive']], 'connection_field'],
  ['well formed', [...ok, ['server', 'x']]],
];
for (const [what, fields, ...weirds] of responses) {
  test(`response: ${what}`, () => {
    const run = answered(fields);
    assert.deepEqual(weirdsOf(run), weirds);
    assert.equal(run.records[0].response?.headersIncomplete, undefined, 'nothing is unknown');
    assert.equal(run.records[0].complete, true);
  });
}

test('of two pseudo-header fields the first counts', () => {
  assert.equal(asked([...get('/first'), [':path', '/second']]).records[0].request?.target, '/first');
  assert.equal(answered([...ok, [':status', '404']]).records[0].response?.status, 200);
});

test('GET with :protocol is no WebSocket: its body is read', () => {
  const run = replay(
    client(headers(1, [...get('/'), [':protocol', 'websocket']], { end: false }), dataFrame(1, 'question', true)),
    server(headers(1, ok, { end: false }), dataFrame(1, 'answer', true)),
  );
  assert.deepEqual(weirdsOf(run), ['misplaced_pseudo']);
  assert.deepEqual([run.records[0].request?.body.text, run.records[0].response?.body.text], ['question', 'answer']);
});

test('a response without :status, and a body: the body is read', () => {
  const run = replay(client(headers(1, get('/'))), server(headers(1, [['x-a', 'b']], { end: false }), dataFrame(1, 'body', true)));
  assert.deepEqual(weirdsOf(run), ['missing_pseudo']);
  const { response, complete } = run.records[0];
  assert.deepEqual([response?.status, response?.headers, response?.body.text, complete], [null, [['x-a', 'b']], 'body', true]);
});

test('trailers and interim answers', () => {
  const body = [headers(1, get('/', 'POST'), { end: false }), dataFrame(1, 'x')];
  const trailers = (fields: Field[]): readonly string[] =>
    weirdsOf(replay(client(...body, headers(1, fields, { end: true })), server(headers(1, ok, { end: true }))));
  assert.deepEqual(trailers([['x-sum', '1']]), []);
  assert.deepEqual(trailers([[':path', '/admin']]), ['misplaced_pseudo']);
  assert.deepEqual(trailers([['x-sum', 'a\r\nb']]), ['bad_field_value']);
  const interim: Field[] = [
    [':status', '103'],
    [':path', '/'],
  ];
  const run = replay(client(headers(1, get('/'))), server(headers(1, interim, { end: false }), headers(1, ok, { end: true })));
  assert.deepEqual(weirdsOf(run), ['misplaced_pseudo']);
});

const post = (length: string, ...data: Buffer[]): Run =>
  replay(
    client(headers(1, [...get('/', 'POST'), ['content-length', length]], { end: data.length === 0 }), ...data),
    server(headers(1, ok, { end: true })),
  );
const sent = (length: string, fields: Field[], method = 'GET', data: Buffer[] = []): Run =>
  replay(
    client(headers(1, get('/', method))),
    server(headers(1, [...fields, ['content-length', length]], { end: data.length === 0 }), ...data),
  );
const lengths: readonly (readonly [what: string, run: () => Run, ...weirds: string[]])[] = [
  ['less than said', () => post('10', dataFrame(1, 'four', true)), 'length_mismatch'],
  ['more than said', () => post('0', dataFrame(1, 'GET /admin HTTP/1.1\r\n\r\n', true)), 'length_mismatch'],
  ['none', () => post('5'), 'length_mismatch'],
  ['trailers end it', () => post('5', dataFrame(1, 'four'), headers(1, [['x-a', 'b']], { end: true })), 'length_mismatch'],
  ['as said', () => post('8', dataFrame(1, 'four'), dataFrame(1, 'four', true, 20))],
  ['as said, with trailers', () => post('4', dataFrame(1, 'four'), headers(1, [['x-a', 'b']], { end: true }))],
  ['nothing, as said', () => post('0')],
  ['not over', () => replay(client(headers(1, [...get('/'), ['content-length', '9']], { end: false }), reset(1, 8)))],
  ['a response', () => sent('5', ok, 'GET', [dataFrame(1, 'six...', true)]), 'length_mismatch'],
  ['a response without a body', () => sent('5', ok), 'length_mismatch'],
  ['the answer to HEAD', () => sent('5', ok, 'HEAD')],
  ['not modified', () => sent('5', [[':status', '304']])],
];
for (const [what, run, ...weirds] of lengths) {
  test(`content-length: ${what}`, () => assert.deepEqual(weirdsOf(run()), weirds));
}

test('content-length that is no number, or two of them, are told as in HTTP/1', () => {
  assert.deepEqual(weirdsOf(post('4x', dataFrame(1, 'four', true))), ['http.head.bad_length']);
  const twice = replay(
    client(headers(1, [...get('/', 'POST'), ['content-length', '4'], ['content-length', '5']], { end: false }), dataFrame(1, 'four', true)),
    server(headers(1, ok, { end: true })),
  );
  assert.deepEqual(weirdsOf(twice), ['http.head.conflicting_lengths']);
});

test('a body with a hole is not said to differ from its length', () => {
  const body = `${'a'.repeat(3000)}#lost#${'b'.repeat(3000)}`;
  const turns = [
    ...opening,
    client(headers(1, get('/'))),
    server(headers(1, [...ok, ['content-length', `${body.length}`]], { end: false }), dataFrame(1, body, true)),
  ];
  const all = wires(partsOf({ turns, calls: [], end: 'client-fin' }));
  const run = runPipeline(all.filter(({ data }) => !data.includes('#lost#')));
  assert.equal(run.weirds['http.http2.length_mismatch'], undefined);
  assert.deepEqual(run.records[0].causes, ['gap']);
});

test('what was not read is not said to be missing', () => {
  const broken = Buffer.concat([frame(1, 5, 1, Buffer.from([0x82, 0x86, 0xff, 0xff])), headers(3, get('/next'))]);
  const run = replay(client(broken), server(headers(1, ok, { end: true }), headers(3, ok, { end: true })));
  assert.deepEqual(weirdsOf(run, 2), []);
  assert.deepEqual([run.records[0].request?.headersIncomplete, run.records[0].causes], [true, ['headers-unknown']]);
});

test('a block in CONTINUATION frames is looked at as a whole', () => {
  const run = replay(client(continuation(1, [...get('/'), ['x-a', 'b\r\nc']], 5, true)), server(headers(1, ok, { end: true })));
  assert.deepEqual(weirdsOf(run), ['bad_field_value']);
});
