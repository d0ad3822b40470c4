/**
 * What `earshot read` lets through and what it masks: by default, with rules of a configuration, and with everything
 * switched off. The program as a child process, with real files.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ApiCall, apiCallSchema } from '../../src/normalise/api-call.ts';
import { formatNames } from '../../src/ship/formats/format.ts';
import { type Conversation, partsOf, type Turn, wires } from '../support/conversation.ts';
import { PcapWriter } from '../support/pcap-writer.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'earshot-read-policy-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const LIMIT_MS = 60_000;
const UNMASKED = 'earshot: what follows is unmasked: headers and bodies as they were on the wire.\n';

const PASSWORD = 'tr0ub4dor-and-three';
const TOKEN = 'vF9dft4qmTcNw0Zr1bXk7yGh';
const CARD = '4539578763621486';
const SESSION = '8c1f0a77b2d94e6f';
const secrets = [PASSWORD, TOKEN, CARD, SESSION];

interface Exchange {
  readonly request: string;
  readonly response?: string;
}

const json = (text: string): string => `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
const ok = `HTTP/1.1 200 OK\r\n${json('{"state":"ok"}')}`;

const login: Exchange = {
  request:
    `POST /v1/login?password=${PASSWORD}&card_number=${CARD}&page=7 HTTP/1.1\r\nHost: shop.example\r\n` +
    `Authorization: Bearer ${TOKEN}\r\nCookie: theme=dark; session=${SESSION}\r\n` +
    json(`{"user":"ada","password":"${PASSWORD}","payment":{"card":${CARD}},"token":"${TOKEN}"}`),
  response: `HTTP/1.1 200 OK\r\nSet-Cookie: session=${SESSION}; Path=/; HttpOnly\r\n${json(`{"token":"${TOKEN}","card":"${CARD}","id":17}`)}`,
};
const order: Exchange = { request: 'GET /v1/orders/17 HTTP/1.1\r\nHost: shop.example\r\n\r\n', response: ok };
const health: Exchange = { request: 'GET /healthz HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: kube-probe/1.33\r\n\r\n', response: ok };
const picture: Exchange = {
  request: 'GET /logo.png HTTP/1.1\r\nHost: shop.example\r\n\r\n',
  response: 'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 8\r\n\r\n\x89PNG\r\n\x1a\n',
};

/** A capture of one connection with these calls. */
function captureOf(name: string, exchanges: readonly Exchange[]): string {
  const turns = exchanges.flatMap(({ request, response }): Turn[] => [
    { fromServer: false, bytes: Buffer.from(request, 'latin1') },
    ...(response === undefined ? [] : [{ fromServer: true, bytes: Buffer.from(response, 'latin1') }]),
  ]);
  const conversation: Conversation = { turns, calls: [], end: 'client-fin' };
  const writer = new PcapWriter();
  for (const { data, timeUs } of wires(partsOf(conversation))) {
    writer.bytes.set(data, writer.reserve(data.length));
    writer.commit(data.length, timeUs);
  }
  return file(name, writer.close());
}

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const capture = captureOf('calls.pcap', [login, order, health, picture]);
const nothingMuch = captureOf('left-out.pcap', [health, picture, health]);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function read(...args: readonly string[]): Ended {
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, 'src/main.ts'), 'read', ...args],
    { cwd: folder, timeout: LIMIT_MS, encoding: 'utf8' },
  );
  if (error !== undefined) throw error;
  return { code: status, out: stdout, err: stderr };
}

/** What it printed, each record as the schema wants it. */
function callsOf({ code, out, err }: Ended): ApiCall[] {
  assert.equal(code, 0, err);
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => apiCallSchema.parse(JSON.parse(line)));
}

function pathsOf(ended: Ended): (string | undefined)[] {
  return callsOf(ended).map(({ request }) => request?.path);
}

// Masking.

test('masked by default: no secret in any format, and standard error is silent', () => {
  for (const format of formatNames) {
    const { code, out, err } = read(capture, '--format', format);
    assert.deepEqual([code, err], [0, ''], format);
    assert.ok(out.includes('/v1/login'), format);
    for (const secret of secrets) assert.ok(!out.includes(secret), `${format} shows ${secret}`);
  }
});

test('the record says what was masked and where; all else stays as it was', () => {
  const [{ request, response, masked }] = callsOf(read(capture));
  const places = (masked?.places ?? []).map((place) => `${place.in} ${place.field}: ${place.rule}`);
  for (const wanted of [
    /^request[.]query password: password$/,
    /^request[.]query card_number: payment-card|card-number$/,
    /^request[.]header Authorization: /,
    /^request[.]cookie Cookie[.]session: /,
    /^request[.]body password: password$/,
    /^request[.]body payment[.]card: /,
    /^request[.]body token: token$/,
    /^response[.]cookie Set-Cookie[.]session: /,
    /^response[.]body token: token$/,
    /^response[.]body card: /,
  ]) {
    assert.ok(
      places.some((place) => wanted.test(place)),
      `${wanted} is not in:\n${places.join('\n')}`,
    );
  }
  assert.equal(masked?.found, places.length);
  assert.equal(request?.query, 'password=*password*&card_number=*payment-card*&page=7');
  const body = JSON.parse(request?.body.text ?? '');
  assert.equal(body.user, 'ada');
  assert.equal(body.password, '*password*');
  assert.equal(JSON.parse(response?.body.text ?? '').id, 17);
  assert.ok(request?.headers.some(([name, value]) => name === 'Cookie' && value.startsWith('theme=dark; session=*')));
});

test('a place of the report is where the replacement stands in the record', () => {
  const [{ request, masked }] = callsOf(read(capture));
  const inBody = (masked?.places ?? []).filter((place) => place.in === 'request.body');
  assert.ok(inBody.length >= 3);
  for (const { at, end, rule } of inBody) assert.match(request?.body.text?.slice(at, end) ?? '', /^"?[*].*[*]"?$/, rule);
  const [password] = (masked?.places ?? []).filter((place) => place.in === 'request.query' && place.field === 'password');
  assert.equal(request?.target.slice(password.at, password.end), '*password*', 'of the target');
});

test('--unmasked: everything as it was on the wire, with a line of warning on standard error', () => {
  const ended = read(capture, '--unmasked');
  assert.equal(ended.err, UNMASKED);
  for (const secret of secrets) assert.ok(ended.out.includes(secret), secret);
  const [call] = callsOf(ended);
  assert.equal(call.masked, undefined);
  assert.deepEqual(pathsOf(ended), ['/v1/login', '/v1/orders/17'], 'the filters hold all the same');
  assert.equal(read(capture, '--unmasked', '--summary').err, '', 'nothing is shown that could be masked');
});

test('--unmasked into a file that others may read: a warning, as its mode stays', () => {
  const path = join(folder, 'unmasked.jsonl');
  writeFileSync(path, '', { mode: 0o600 });
  chmodSync(path, 0o644);
  assert.equal(
    read(capture, '--unmasked', '-o', path).err,
    `earshot: warning: others may read ${path}, which was there before: chmod 600 ${path}.\n${UNMASKED}`,
  );
  assert.doesNotMatch(read(capture, '-o', path).err, /warning/, 'what is masked may be read');
  chmodSync(path, 0o600);
  assert.equal(read(capture, '--unmasked', '-o', path).err, UNMASKED);
});

test('--summary counts hosts and methods as masking left them, with --unmasked too', () => {
  const hidden: Exchange = {
    request: `GET-${CARD} / HTTP/1.1\r\nHost: ada.lovelace@shop.example\r\n\r\n`,
    response: ok,
  };
  const path = captureOf('hidden-in-start.pcap', [order, hidden, hidden]);
  for (const args of [[], ['--unmasked'], ['--unmasked', '--unfiltered'], ['--format', 'jsonl']]) {
    const { code, out, err } = read(path, '--summary', ...args);
    assert.equal(code, 0, err);
    const report = args.includes('--format') ? err : out;
    for (const secret of ['ada.lovelace', CARD]) assert.ok(!report.includes(secret), `${secret} in ${report}`);
    assert.match(report, /^ {2}hosts +[*]email[*] 2, shop[.]example 1$/m);
    assert.match(report, /^ {2}methods +.*GET 1/m);
  }
});

test('a masking file of the configuration: its rules beside those that are shipped', () => {
  const masking = file('masking.yaml', 'rules:\n  - name: order-number\n    fields: [id]\n    replacement: "0"\n');
  const config = file('with-masking.yaml', `policy: { maskingFile: ${masking} }\n`);
  const ended = read(capture, '--config', config);
  const [{ response, masked }] = callsOf(ended);
  assert.match(JSON.stringify(masked?.places), /"rule":"order-number","kind":"field","in":"response[.]body","field":"id"/);
  assert.doesNotMatch(response?.body.text ?? '', /17/);
  for (const secret of secrets) assert.ok(!ended.out.includes(secret), secret);
});

// Filters.

test('the shipped filters leave out static assets and health checks; the record names the rule that let it through', () => {
  const ended = read(capture);
  assert.deepEqual(pathsOf(ended), ['/v1/login', '/v1/orders/17']);
  for (const { filters } of callsOf(ended)) assert.deepEqual(filters, [{ pipeline: 'default', rule: 'otherwise' }]);
  assert.match(read(capture, '--summary').out, /calls seen 4 = written 2 [+] filtered 2$/m);
});

test('--unfiltered: all calls, masked all the same', () => {
  const ended = read(capture, '--unfiltered');
  assert.equal(ended.err, '');
  assert.deepEqual(pathsOf(ended), ['/v1/login', '/v1/orders/17', '/healthz', '/logo.png']);
  for (const secret of secrets) assert.ok(!ended.out.includes(secret), secret);
  assert.deepEqual(pathsOf(read(capture, '--unfiltered', '--unmasked')).length, 4);
});

test('filters that left everything out are named with how many calls, so that it does not look like an empty capture', () => {
  const line =
    'earshot: no call was written: the filters left out 3 (by pipeline/rule: default/static-assets 1, default/health-checks 2); --unfiltered shows them.\n';
  assert.deepEqual(read(nothingMuch), { code: 0, out: '', err: line });
  const { err } = read(nothingMuch, '--summary', '--output', join(folder, 'none.jsonl'));
  assert.ok(err.endsWith(line), err);
  assert.equal(read(nothingMuch, '--summary').err, '');
  assert.deepEqual(read(nothingMuch, '--unfiltered').err, '');
});

test('filters of the configuration, one set a pipeline', () => {
  const orders = file('orders.yaml', 'otherwise: exclude\nrules:\n  - name: only-orders\n    action: include\n    paths: [/v1/orders/*]\n');
  const one = file('one.yaml', `pipelines: { shop: { filtersSimpleFile: ${orders} } }\n`);
  const [call, ...others] = callsOf(read(capture, '-c', one));
  assert.deepEqual([call.request?.path, others.length], ['/v1/orders/17', 0]);
  assert.deepEqual(call.filters, [{ pipeline: 'shop', rule: 'only-orders' }]);
  const advanced = file(
    'advanced.yaml',
    'otherwise: exclude\nrules:\n  - { name: logins, action: include, when: request.path == "/v1/login" }\n',
  );
  const two = file('two.yaml', `pipelines:\n  shop: { filtersSimpleFile: ${orders} }\n  doors: { filtersAdvancedFile: ${advanced} }\n`);
  assert.deepEqual(
    callsOf(read(capture, '-c', two)).map(({ request, filters }) => [request?.path, filters]),
    [
      ['/v1/login', [{ pipeline: 'doors', rule: 'logins' }]],
      ['/v1/orders/17', [{ pipeline: 'shop', rule: 'only-orders' }]],
    ],
  );
  assert.equal(
    read(nothingMuch, '-c', one).err,
    'earshot: no call was written: the filters left out 3 (by pipeline/rule: shop/otherwise 3); --unfiltered shows them.\n',
  );
});

// Wrong ones.

test('mistakes in a rule file: each with its line and column; nothing is read', () => {
  const filters = file(
    'bad-filters.yaml',
    'otherwise: include\nrules:\n  - name: a\n    action: exlude\n    paths: /a\n  - name: b\n    action: exclude\n    hosts: b\n    pathes: [/x]\n',
  );
  const config = file('bad-filters-config.yaml', `pipelines: { shop: { filtersSimpleFile: ${filters} } }\n`);
  const { code, out, err } = read(capture, '-c', config);
  assert.deepEqual({ code, out }, { code: 2, out: '' });
  const [first, ...mistakes] = err.trimEnd().split('\n');
  assert.match(first, /^earshot: Cannot use the filter file .*bad-filters[.]yaml: it has 2 mistakes[.] /);
  assert.equal(mistakes.length, 2, err);
  assert.ok(mistakes[0].startsWith(`  ${filters}:4:13: rules.0.action: `), err);
  assert.ok(mistakes[1].startsWith(`  ${filters}:9:5: rules.1.pathes: `), err);
});

test('mistakes in several rule files come all at once', () => {
  const filters = file('wrong-1.yaml', 'otherwise: maybe\n');
  const advanced = file('wrong-2.yaml', 'rules:\n  - name: x\n    action: exclude\n    when: request.pth == "/"\n');
  const masking = file('wrong-3.yaml', 'rules:\n  - name: y\n    pattern: "(unclosed"\n');
  const config = file(
    'all-wrong.yaml',
    `policy: { maskingFile: ${masking} }\npipelines: { shop: { filtersSimpleFile: ${filters}, filtersAdvancedFile: ${advanced} } }\n`,
  );
  const { code, out, err } = read(capture, '-c', config);
  assert.deepEqual({ code, out }, { code: 2, out: '' });
  assert.match(err, /^earshot: Cannot use the rules: 3 of their files cannot be used[.] /);
  for (const place of [`${filters}:1:12: otherwise: `, `${advanced}:4:19: rules.0.when: `, `${masking}:3:15: rules.0.pattern: `]) {
    assert.ok(err.includes(`\n  ${place}`), `${place} is not in:\n${err}`);
  }
});

test('a rule file that is not there', () => {
  const config = file('no-file.yaml', 'policy: { maskingFile: /nowhere/masking.yaml }\n');
  const { code, out, err } = read(capture, '-c', config);
  assert.deepEqual({ code, out }, { code: 2, out: '' });
  assert.match(err, /^earshot: Cannot read the masking file \/nowhere\/masking[.]yaml: there is no such file[.] Name a YAML or JSON file/);
  assert.equal(read(capture, '-c', config, '--unmasked', '--unfiltered').code, 0, 'what is not used need not be there');
});
