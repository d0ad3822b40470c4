import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiCall, wireString } from '../../../test/support/api-call-arbitrary.ts';
import { fullCall, sampleContext, unansweredCall, unaskedCall } from '../../../test/support/sample-calls.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import { zeekHttp, zeekJson } from './zeek-http.ts';

function encode(calls: readonly ApiCall[]): string {
  const format = zeekHttp();
  return format.begin(sampleContext) + calls.map((call, index) => format.record(call, index)).join('') + format.end();
}

const expected = [
  '#separator \\x09',
  '#set_separator\t,',
  '#empty_field\t(empty)',
  '#unset_field\t-',
  '#path\thttp',
  '#open\t2023-11-14-22-13-20',
  '#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\ttrans_depth\tmethod\thost\turi\treferrer\tversion\tuser_agent\torigin\trequest_body_len\tresponse_body_len\tstatus_code\tstatus_msg\tinfo_code\tinfo_msg\ttags\tusername\tpassword\tproxied\torig_fuids\torig_filenames\torig_mime_types\tresp_fuids\tresp_filenames\tresp_mime_types',
  '#types\ttime\tstring\taddr\tport\taddr\tport\tcount\tstring\tstring\tstring\tstring\tstring\tstring\tstring\tcount\tcount\tcount\tstring\tcount\tstring\tset[enum]\tstring\tstring\tset[string]\tvector[string]\tvector[string]\tvector[string]\tvector[string]\tvector[string]\tvector[string]',
  '1700000000.000001\tCgmw7PKTbgQK7e1k4q\t10.0.0.5\t51234\t10.0.1.9\t8080\t2\tPOST\tShop.example:8080\t/carts/17/items?note=a b&dry&x=1+2\thttp://shop.example/\t1.1\tcurl/8.1\thttp://shop.example\t13\t5\t201\tCreated\t-\t-\t(empty)\tann\t-\tX-FORWARDED-FOR -> 203.0.113.9\\x2c 10.0.0.5,VIA -> 1.1 proxy\t-\t-\tapplication/json\t-\t-\tapplication/octet-stream',
  '1700000001.000000\tCCH18mcSZDbRcE7XXY\t2001:db8::5\t40000\t2001:db8::9\t80\t1\tGET\t-\t/a\\\\b\\x0a\\xff,c\t-\t-\t\\x2d\t-\t0\t0\t-\t-\t-\t-\t(empty)\t-\t-\tVIA -> a\\x2cb\\x09c,VIA -> \t-\t-\t-\t-\t-\t-',
  '1700000002.500000\tC9d2vQKKxsG06CStVB\t10.0.0.6\t50000\t10.0.1.9\t80\t1\t-\t-\t-\t-\t1.1\t-\t-\t0\t5000\t404\t(empty)\t-\t-\t(empty)\t-\t-\t-\t-\t-\t-\t-\t-\ttext/plain',
  '#close\t2023-11-14-22-13-20',
  '',
].join('\n');

test('the whole TSV output', () => {
  assert.equal(encode([fullCall, unansweredCall, unaskedCall]), expected);
});

/** Reads a log as its header describes it: rows of column name to bytes, null for unset, a list for sets and vectors. */
function readLog(text: string): Map<string, Buffer | Buffer[] | null>[] {
  const lines = text.split('\n');
  assert.equal(lines.pop(), '');
  const meta = new Map<string, string[]>();
  const rows: Map<string, Buffer | Buffer[] | null>[] = [];
  const separator = JSON.parse(`"${lines[0].replace('#separator ', '').replace('\\x', '\\u00')}"`);
  for (const line of lines.slice(1)) {
    const parts = line.split(separator);
    if (line.startsWith('#')) {
      meta.set(parts[0], parts.slice(1));
      continue;
    }
    const names = meta.get('#fields') ?? [];
    const types = meta.get('#types') ?? [];
    const unset = meta.get('#unset_field')?.[0];
    const empty = meta.get('#empty_field')?.[0];
    assert.equal(parts.length, names.length);
    assert.equal(types.length, names.length);
    const value = (part: string): Buffer =>
      part === empty
        ? Buffer.alloc(0)
        : Buffer.concat(
            (part.match(/\\x[0-9a-f]{2}|\\\\|[^\\]+/g) ?? []).map((p) =>
              p === '\\\\' ? Buffer.from('\\') : p.startsWith('\\x') ? Buffer.from(p.slice(2), 'hex') : Buffer.from(p),
            ),
          );
    rows.push(
      new Map(
        names.map((name, i): [string, Buffer | Buffer[] | null] => {
          if (parts[i] === unset) return [name, null];
          if (!/^(set|vector)/.test(types[i])) return [name, value(parts[i])];
          return [name, parts[i] === empty ? [] : parts[i].split(meta.get('#set_separator')?.[0] ?? '').map(value)];
        }),
      ),
    );
  }
  assert.equal(lines.at(-1)?.startsWith('#close'), true);
  return rows;
}

function last(call: ApiCall, name: string): string | undefined {
  return call.request?.headers.findLast(([key]) => key.toLowerCase() === name)?.[1];
}

test('any record can be read back', () => {
  fc.assert(
    fc.property(fc.array(apiCall, { maxLength: 3 }), (calls) => {
      const rows = readLog(encode(calls));
      assert.equal(rows.length, calls.length);
      for (const [i, row] of rows.entries()) {
        const call = calls[i];
        const same = (column: string, want: string | undefined): void => {
          const got = row.get(column);
          if (want === undefined) assert.equal(got, null, column);
          else assert.deepEqual(got, Buffer.from(want), column);
        };
        same('method', call.request?.method);
        same('referrer', last(call, 'referer'));
        same('user_agent', last(call, 'user-agent'));
        same('origin', last(call, 'origin'));
        same('version', call.response?.version);
        same('status_msg', call.response?.reason);
        same('id.orig_h', call.client.address);
        same('status_code', call.response?.status?.toString());
        same('password', undefined);
        if (call.request !== null && !call.request.target.includes('%')) same('uri', call.request.target);
        const proxied = row.get('proxied') as Buffer[] | null;
        const names = ['FORWARDED', 'X-FORWARDED-FOR', 'X-FORWARDED-FROM', 'CLIENT-IP', 'VIA', 'XROXY-CONNECTION', 'PROXY-CONNECTION'];
        const want = (call.request?.headers ?? [])
          .filter(([name]) => names.includes(name.toUpperCase()))
          .map(([name, value]) => `${name.toUpperCase()} -> ${value}`);
        assert.deepEqual((proxied ?? []).map(String), [...new Set(want)]);
      }
    }),
    { numRuns: 300 },
  );
});

test('percent-decoding: any bytes come back, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
      const target = [...bytes].map((b) => `%${b.toString(16).padStart(2, '0')}`).join('');
      const request = { ...(fullCall.request as NonNullable<ApiCall['request']>), target };
      assert.deepEqual(readLog(encode([{ ...fullCall, request }]))[0].get('uri'), Buffer.from(bytes));
    }),
    { numRuns: 1000 },
  );
  const uri = (target: string): string => {
    const request = { ...(fullCall.request as NonNullable<ApiCall['request']>), target };
    return encode([{ ...fullCall, request }])
      .split('\n')[8]
      .split('\t')[9];
  };
  assert.equal(uri('/100%'), '/100%');
  assert.equal(uri('/%4'), '/%4');
  assert.equal(uri('/%zz%41'), '/%zzA');
  assert.equal(uri('/%%41'), '/%A');
  assert.equal(uri('/%c3%a9%c3'), '/é\\xc3');
  assert.equal(uri('/%ed%a0%80%f0%9f%98%80'), '/\\xed\\xa0\\x80\u{1f600}');
  assert.equal(uri('-'), '\\x2d');
  assert.equal(uri('(empty)'), '\\x28empty)');
  assert.equal(uri(''), '(empty)');
});

test('user name of Basic credentials, never the password', () => {
  const row = (value: string) => {
    const request = { ...(fullCall.request as NonNullable<ApiCall['request']>), headers: [['Authorization', value]] as [string, string][] };
    const text = encode([{ ...fullCall, request }]);
    return { username: readLog(text)[0].get('username'), text };
  };
  fc.assert(
    fc.property(wireString, (name) => {
      const user = name.replaceAll(':', '');
      const { username, text } = row(`bAsIc  ${Buffer.from(`${user}:hunter2:x`).toString('base64')}`);
      assert.deepEqual(username, Buffer.from(user));
      assert.ok(!text.includes('hunter2'));
    }),
  );
  for (const value of ['Bearer YTpi', 'Basic', 'Basic !!!', 'Basic YWI=', 'Basic YTpi YTpi'])
    assert.equal(row(value).username, null, value);
});

test('uid: the same for calls of a connection, another for another connection or tunnel', () => {
  const uid = (call: ApiCall): string => encode([call]).split('\n')[8].split('\t')[1];
  assert.match(uid(fullCall), /^C[0-9A-Za-z]{17}$/);
  assert.equal(uid({ ...fullCall, id: 'earshot.7.0.99', connection: { depth: 9, interface: 0 } }), uid(fullCall));
  assert.notEqual(uid({ ...fullCall, id: 'earshot.8.0.42' }), uid(fullCall));
  assert.notEqual(uid({ ...fullCall, client: { ...fullCall.client, port: 1 } }), uid(fullCall));
  assert.notEqual(uid({ ...fullCall, encapsulation: [] }), uid(fullCall));
});

const expectedJson = [
  {
    ts: 1700000000.000001,
    uid: 'Cgmw7PKTbgQK7e1k4q',
    'id.orig_h': '10.0.0.5',
    'id.orig_p': 51234,
    'id.resp_h': '10.0.1.9',
    'id.resp_p': 8080,
    trans_depth: 2,
    method: 'POST',
    host: 'Shop.example:8080',
    uri: '/carts/17/items?note=a b&dry&x=1+2',
    referrer: 'http://shop.example/',
    version: '1.1',
    user_agent: 'curl/8.1',
    origin: 'http://shop.example',
    request_body_len: 13,
    response_body_len: 5,
    status_code: 201,
    status_msg: 'Created',
    tags: [],
    username: 'ann',
    proxied: ['X-FORWARDED-FOR -> 203.0.113.9, 10.0.0.5', 'VIA -> 1.1 proxy'],
    orig_mime_types: ['application/json'],
    resp_mime_types: ['application/octet-stream'],
  },
  {
    ts: 1700000001,
    uid: 'CCH18mcSZDbRcE7XXY',
    'id.orig_h': '2001:db8::5',
    'id.orig_p': 40000,
    'id.resp_h': '2001:db8::9',
    'id.resp_p': 80,
    trans_depth: 1,
    method: 'GET',
    uri: '/a\\b\n\\xff,c',
    user_agent: '-',
    request_body_len: 0,
    response_body_len: 0,
    tags: [],
    proxied: ['VIA -> a,b\tc', 'VIA -> '],
  },
  {
    ts: 1700000002.5,
    uid: 'C9d2vQKKxsG06CStVB',
    'id.orig_h': '10.0.0.6',
    'id.orig_p': 50000,
    'id.resp_h': '10.0.1.9',
    'id.resp_p': 80,
    trans_depth: 1,
    version: '1.1',
    request_body_len: 0,
    response_body_len: 5000,
    status_code: 404,
    status_msg: '',
    tags: [],
    resp_mime_types: ['text/plain'],
  },
];

test('the whole JSON output', () => {
  const format = zeekJson();
  assert.equal(format.begin(sampleContext), '');
  assert.equal(format.end(), '');
  assert.deepEqual(
    [fullCall, unansweredCall, unaskedCall].map((call, index) => JSON.parse(format.record(call, index))),
    expectedJson,
  );
  assert.equal(JSON.parse(zeekJson('iso').record(fullCall, 0)).ts, '2023-11-14T22:13:20.000001Z');
});

test('JSON and TSV say the same', () => {
  const format = zeekJson();
  fc.assert(
    fc.property(apiCall, (call) => {
      const [row] = readLog(encode([call]));
      const json = JSON.parse(format.record(call, 0));
      for (const [column, value] of row) {
        if (value === null) assert.ok(!Object.hasOwn(json, column), column);
        else if (column === 'ts') assert.equal(Number(String(value)), json.ts);
        else if (Array.isArray(value)) assert.deepEqual(json[column], value.map(String), column);
        else if (column !== 'uri') assert.equal(String(json[column]), String(value), column);
      }
    }),
  );
});
