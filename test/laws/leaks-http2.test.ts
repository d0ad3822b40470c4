/**
 * Ways in which a secret could get past the rules that are shipped when it comes over HTTP/2: each is one connection whose frames are
 * written by hand, and all of them go through `earshot read` as an operator starts it.
 *
 * The first of them are joined late: their header tables hold entries that the sensor never saw.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { writeNumber, writeString } from '../../src/http2/hpack-testing.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { shippedRules } from '../../src/policy/default-masking.ts';
import { ALNUM, charsOf, random } from '../../src/policy/mask/detect-testing.ts';
import { Policy } from '../../src/policy/policy.ts';
import { policySpec } from '../support/canary-run.ts';
import { Watcher } from '../support/canary-secrets.ts';
import { partsOf, type Turn, wires } from '../support/conversation.ts';
import { frame, PREFACE, settingsFrame } from '../support/http2-frames.ts';
import { assertNoLeaks, type LeakWay } from '../support/leak-run.ts';
import { runMasked } from '../support/masked-run.ts';
import { settingsWith } from '../support/run-pipeline.ts';

const DATA = 0;
const HEADERS = 1;
const PUSH_PROMISE = 5;
const PING = 6;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;

/** What one connection sends behind the settings: frames of the client, then frames of the server. */
interface Sent {
  readonly client?: readonly Buffer[];
  readonly server?: readonly Buffer[];
}
/** `pw` must not come out. */
type Way = (pw: string) => Sent;

// Fields of a header block, in all forms.
const literal = (name: string, value: string): number[] => [0x00, ...writeString(name, false), ...writeString(value, false)];
const never = (name: string, value: string): number[] => [0x10, ...writeString(name, true), ...writeString(value, true)];
const insert = (name: string, value: string): number[] => [0x40, ...writeString(name, true), ...writeString(value, false)];
const indexed = (index: number): number[] => writeNumber(0x80, 7, index);
const namedBy = (index: number, value: string): number[] => [...writeNumber(0x00, 4, index), ...writeString(value, false)];
const insertNamedBy = (index: number, value: string): number[] => [...writeNumber(0x40, 6, index), ...writeString(value, true)];

const GET = 2;
const POST = 3;
const ROOT = 4;
const SCHEME = 6;
const OK = 8;
/** The newest entry of the dynamic table, and one that was inserted long ago. */
const NEWEST = 62;
const LONG_AGO = 70;

const start = (method = GET): number[] => [...indexed(method), ...indexed(SCHEME), ...indexed(ROOT), ...literal(':authority', 'a.example')];
const block = (fields: readonly number[], flags = END_STREAM | END_HEADERS, stream = 1): Buffer =>
  frame(HEADERS, flags, stream, Buffer.from(fields));
const data = (body: string | Buffer, flags = END_STREAM, stream = 1): Buffer => frame(DATA, flags, stream, Buffer.from(body));

const ask = (...fields: number[][]): Sent => ({ client: [block([...start(), ...fields.flat()])] });
const answer = (...fields: number[][]): Sent => ({ server: [block([...indexed(OK), ...fields.flat()])] });
const send = (body: string | Buffer, ...fields: number[][]): Sent => ({
  client: [block([...start(POST), ...fields.flat()], END_HEADERS), data(body)],
});
const reply = (body: string | Buffer, ...fields: number[][]): Sent => ({
  server: [block([...indexed(OK), ...fields.flat()], END_HEADERS), data(body)],
});
const b64 = (text: string): string => Buffer.from(text).toString('base64');

/** The connection was joined late: of the table nothing is known. */
const late: Readonly<Record<string, Way>> = {
  'an unknown name': (pw) => ask(namedBy(LONG_AGO, pw)),
  'an unknown name, inserted': (pw) => ask(insertNamedBy(LONG_AGO, pw)),
  'an unknown name, inserted and asked for again': (pw) => ask(insertNamedBy(LONG_AGO, pw), indexed(NEWEST), indexed(NEWEST)),
  'an unknown name that names another': (pw) => ask(insertNamedBy(LONG_AGO, 'x'), insertNamedBy(NEWEST, pw), indexed(NEWEST)),
  'an unknown name in the answer': (pw) => answer(insertNamedBy(LONG_AGO, pw), indexed(NEWEST)),
  'an unknown name in trailers': (pw) => ({
    server: [block(indexed(OK), END_HEADERS), data('{}', 0), block([...insertNamedBy(LONG_AGO, pw), ...indexed(NEWEST)])],
  }),
  'an unknown field, then a name that is told': (pw) => ask(indexed(LONG_AGO), insert('x-password', pw), indexed(NEWEST)),
  'a body of which the type is unknown: CSV': (pw) => reply(`id,password\r\n1,${pw}\r\n`, indexed(LONG_AGO)),
  'a body of which the type is unknown: a form': (pw) => send(`a=1&password=${pw}`, indexed(LONG_AGO)),
  'a body of which the type is unknown: events': (pw) => reply(`data: {"\\u0070assword":"${pw}"}\n\n`, indexed(LONG_AGO)),
  'a body of which the type is unknown: multipart': (pw) =>
    send(`--XyZ\r\nContent-Disposition: form-data; name="password"\r\n\r\n${pw}\r\n--XyZ--\r\n`, indexed(LONG_AGO)),
  'a body of which the type is unknown: XML': (pw) => reply(`<u><password>${pw}</password></u>`, indexed(LONG_AGO)),
  'a body of which the type is unknown: NDJSON': (pw) => reply(`{"a":1}\n{"password":"${pw}"}\n`, indexed(LONG_AGO)),
  'a body of which the type is unknown: GraphQL': (pw) => send(`mutation { login(password: """${pw}""") { id } }`, indexed(LONG_AGO)),
  'a body of which the type is unknown: base64 of messages': (pw) =>
    send(b64(`\0\0\0\0${String.fromCharCode(pw.length + 2)}\n${String.fromCharCode(pw.length)}${pw}`), indexed(LONG_AGO)),
  'a body of which the type is unknown: UTF-16': (pw) => reply(Buffer.from(`{"password":"${pw}"}`, 'utf16le'), indexed(LONG_AGO)),
  'a body of which the coding is unknown: gzip': (pw) => send(zlib.gzipSync(`{"password":"${pw}"}`, { level: 0 }), indexed(LONG_AGO)),
  'a body of which the coding is unknown: deflate': (pw) =>
    send(zlib.deflateRawSync(`{"password":"${pw}"}`, { level: 0 }), indexed(LONG_AGO)),
  'a body of which the coding is unknown: br': (pw) => send(zlib.brotliCompressSync(`{"password":"${pw}"}`), indexed(LONG_AGO)),
};

const whole: Readonly<Record<string, Way>> = {
  'a literal': (pw) => ask(literal('x-password', pw)),
  'a literal that is never indexed': (pw) => ask(never('x-password', pw)),
  'an entry, asked for again and again': (pw) => ask(insert('password', pw), indexed(NEWEST), indexed(NEWEST)),
  'a name from the table of the connection': (pw) => ask(insert('x-password', 'old'), namedBy(NEWEST, pw)),
  'a name from the static table': (pw) => ask(namedBy(23, `Bearer ${pw}`)),
  'capitals in the name': (pw) => ask(literal('X-PassWord', pw)),
  'a name of several words, run together': (pw) => ask(literal('billingccnum', pw)),
  'a blank in the name': (pw) => ask(literal('x-password ', pw)),
  'a NUL in the name': (pw) => ask(literal('x-password\0', pw)),
  'a colon in the name': (pw) => ask(literal('x-password:', pw)),
  'a line break in the name': (pw) => ask(literal('a: b\r\nx-password', pw)),
  'no name': (pw) => ask(literal('', `password=${pw}`)),
  'a line break in the value': (pw) => ask(literal('x-a', `b\r\nx-password: ${pw}`)),
  'a NUL in the value': (pw) => ask(literal('x-a', `b\0password=${pw}`)),
  'an unknown pseudo-header field': (pw) => ask(literal(':password', pw)),
  'a pseudo-header field behind others': (pw) => ask(literal('x-a', 'b'), literal(':path', `/?password=${pw}`)),
  'the path': (pw) => ({
    client: [block([...indexed(GET), ...indexed(SCHEME), ...namedBy(ROOT, `/v1/token/${pw}?password=${pw}#token=${pw}`)])],
  }),
  'the scheme': (pw) => ({ client: [block([...indexed(GET), ...literal(':scheme', `password=${pw}`), ...indexed(ROOT)])] }),
  'the method': (pw) => ({ client: [block([...literal(':method', `password=${pw}`), ...indexed(SCHEME), ...indexed(ROOT)])] }),
  'the authority': (pw) => ({
    client: [block([...indexed(GET), ...indexed(SCHEME), ...indexed(ROOT), ...namedBy(1, `ann:${pw}@a.example`)])],
  }),
  'the authority of CONNECT': (pw) => ({ client: [block([...literal(':method', 'CONNECT'), ...namedBy(1, `ann:${pw}@a.example:443`)])] }),
  'the protocol of an extended CONNECT': (pw) => ({
    client: [
      block([
        ...literal(':method', 'CONNECT'),
        ...indexed(SCHEME),
        ...namedBy(ROOT, `/ws?token=${pw}`),
        ...literal(':protocol', `token=${pw}`),
      ]),
    ],
  }),
  'the status': (pw) => ({ server: [block([...namedBy(OK, `200 password=${pw}`)])] }),
  'cookie crumbs': (pw) => ask(literal('cookie', 'theme=dark'), literal('cookie', `session=${pw}`), literal('cookie', 'a=1')),
  'cookie crumbs, cut in a quoted value': (pw) =>
    ask(literal('cookie', 'session="a'), literal('cookie', `${pw}"`), literal('cookie', 'a=1')),
  'cookie crumbs, cut in a quoted value, far apart': (pw) =>
    ask(literal('cookie', 'session="a'), literal('x-a', 'b'), literal('cookie', 'c'), literal('cookie', `${pw}"`)),
  'a cookie by the index of its name': (pw) => ask(namedBy(32, `session=${pw}`)),
  'a cookie that is set': (pw) => answer(namedBy(55, `session=${pw}; Path=/`)),
  'CONTINUATION in the middle of the value': (pw) => {
    const all = Buffer.from([...start(), ...literal('x-password', pw)]);
    const cut = all.length - 9;
    return { client: [frame(HEADERS, END_STREAM, 1, all.subarray(0, cut)), frame(CONTINUATION, END_HEADERS, 1, all.subarray(cut))] };
  },
  'CONTINUATION that never comes': (pw) => ({
    client: [
      frame(HEADERS, END_STREAM, 1, Buffer.from([...start(), ...literal('x-password', pw), ...literal('x-token', pw).slice(0, -4)])),
    ],
  }),
  'a block that breaks behind the secret': (pw) => ask(literal('x-password', pw), [0x80]),
  'a block that breaks in the secret': (pw) => ask([0x00, ...writeString('x-password', false), 0x7f, 0x40, ...Buffer.from(pw)]),
  'padding of a head': (pw) => ({
    client: [frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, Buffer.from([pw.length, ...start(), ...Buffer.from(pw)]))],
  }),
  'padding of data': (pw) => ({
    client: [
      block(start(POST), END_HEADERS),
      frame(DATA, END_STREAM | PADDED, 1, Buffer.from([pw.length, ...Buffer.from('{"a":1}'), ...Buffer.from(pw)])),
    ],
  }),
  'data cut in the name and in the value': (pw) => ({
    client: [
      block(start(POST), END_HEADERS),
      ...['{"pass', `word":"${pw.slice(0, 7)}`, `${pw.slice(7)}"}`].map((part, i) => data(part, i === 2 ? END_STREAM : 0)),
    ],
  }),
  'data of two streams, mixed': (pw) => ({
    client: [
      block(start(POST), END_HEADERS),
      data('{"password":"', 0),
      block(start(POST), END_HEADERS, 3),
      data('{"password":"x', 0, 3),
      data(`${pw.slice(0, 9)}`, 0),
      data('y"}', END_STREAM, 3),
      data(`${pw.slice(9)}"}`),
    ],
  }),
  trailers: (pw) => ({ client: [block(start(POST), END_HEADERS), data('{}', 0), block(literal('x-password', pw))] }),
  'trailers with pseudo-header fields': (pw) => ({
    client: [block(start(POST), END_HEADERS), data('{}', 0), block([...literal(':path', `/?token=${pw}`), ...literal('x-token', pw)])],
  }),
  'an informational answer': (pw) => ({
    server: [
      block([...literal(':status', '103'), ...literal('link', `</a?token=${pw}>`)], END_HEADERS),
      block([...indexed(OK), ...indexed(5)]),
    ],
  }),
  'a promised request': (pw) => ({
    server: [
      frame(
        PUSH_PROMISE,
        END_HEADERS,
        1,
        Buffer.from([0, 0, 0, 2, ...indexed(GET), ...indexed(SCHEME), ...namedBy(ROOT, `/?token=${pw}`), ...literal('x-password', pw)]),
      ),
      block(indexed(OK)),
      block([...indexed(OK), ...literal('x-password', pw)], END_STREAM | END_HEADERS, 2),
    ],
  }),
  'an opaque ping': (pw) => ({ client: [frame(PING, 0, 0, Buffer.from(pw.slice(0, 8)))] }),
  'debug data of GOAWAY': (pw) => ({ server: [block(indexed(OK)), frame(7, 0, 0, Buffer.from(`\0\0\0\x01\0\0\0\0password=${pw}`))] }),
  'a frame of an unknown type': (pw) => ({ client: [frame(0x2a, 0, 1, Buffer.from(`password=${pw}`))] }),
  'a setting': (pw) => ({ client: [frame(4, 0, 0, Buffer.from(pw.slice(0, 18)))] }),
};

const SEED = 20_260_102;

/** Turns of a connection: what is not given is an ordinary request and answer. */
function turnsOf({ client, server }: Sent, isLate: boolean): Turn[] {
  const asked = Buffer.concat(client?.some((f) => f[3] === HEADERS) ? client : [...(client ?? []), block(start())]);
  const answered = Buffer.concat(server ?? [block(indexed(OK))]);
  // Frames enough that a connection without its beginning is known for one.
  const pings = Buffer.concat([1, 2, 3].map((n) => frame(PING, 0, 0, Buffer.alloc(8, n))));
  return [
    { fromServer: false, bytes: Buffer.concat([...(isLate ? [pings] : [PREFACE, settingsFrame()]), asked]) },
    { fromServer: true, bytes: Buffer.concat([...(isLate ? [pings] : [settingsFrame(), settingsFrame([], true)]), answered]) },
  ];
}

test('no way past the shipped rules over HTTP/2', async (t) => {
  const next = random(SEED);
  const ways = [...Object.entries(late), ...Object.entries(whole)].map(([name, way]): LeakWay => {
    const pw = charsOf(next, ALNUM, 20);
    const isLate = name in late;
    return { name, turns: turnsOf(way(pw), isLate), needles: [pw], isLate };
  });
  const calls = await assertNoLeaks(t, ways);
  for (const [i, { name, isLate }] of ways.entries()) {
    assert.ok(calls[i].length > 0, `no call: ${name}`);
    if (!isLate) continue;
    const call = calls[i][0];
    assert.ok(call.request?.headersIncomplete || call.response?.headersIncomplete, name);
  }
});

test('a target over HTTP/2 that is cut at the limit of a head shows no beginning of a secret', () => {
  const policy = new Policy(policySpec(shippedRules.map(({ rule }) => rule)));
  const token = `ghp_${charsOf(random(SEED), ALNUM, 36)}`;
  const watcher = new Watcher();
  watcher.watch(token, 'the token');
  const turns = turnsOf(
    {
      client: [block([...indexed(GET), ...indexed(SCHEME), ...namedBy(ROOT, `/v1/orders?label=${token}`), ...literal(':authority', 'a')])],
    },
    false,
  );
  const packets = wires(partsOf({ turns, calls: [], end: 'client-fin' }));
  for (let headBytesMax = 24; headBytesMax < 100; headBytesMax++) {
    const { lines } = runMasked(packets, policy, settingsWith({ http: { headBytesMax } }));
    assert.equal(lines.length, 1);
    assert.deepEqual(watcher.search(lines[0], `cut at ${headBytesMax}`), []);
    const { request, causes } = JSON.parse(lines[0].toString()) as ApiCall;
    const isWhole = request?.target.includes('*') && causes === undefined;
    assert.ok(isWhole || causes?.includes('cut-at-limit'), `${headBytesMax}: ${lines[0]}`);
  }
});
