/** `earshot policy test` as an operator meets it: real captures, real files of rules. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { earshot, refuses } from '../support/command.ts';
import { makeShop } from '../support/shop.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-policy-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const shop = makeShop();
const capture = file('shop.pcap', shop.pcap);
const of = (test: (call: (typeof shop.calls)[number]) => boolean): number => shop.calls.filter(test).length;
const total = shop.calls.length;
const payments = of(({ target }) => target.startsWith('/payments'));
const logins = of(({ target }) => target === '/v1/login');
const probes = of(({ target }) => target === '/healthz');

const noPayments = file('no-payments.yaml', 'rules:\n  - { name: no-payments, action: exclude, hosts: payments.internal }\n');
const onlyLogins = file('only-logins.yaml', 'otherwise: exclude\nrules:\n  - { name: logins, action: include, paths: /v1/login }\n');

interface Counted {
  readonly rule: string;
  readonly calls: number;
  readonly values: number;
  readonly examples: readonly string[];
}

interface Result {
  readonly calls: number;
  readonly letThrough: number;
  readonly rules: readonly (Counted & { readonly file: string })[];
  readonly masking: readonly Counted[];
  readonly changes: readonly { readonly from: string; readonly to: string; readonly now: string; readonly calls: number }[] | null;
}

async function tried(...args: string[]): Promise<Result> {
  const { code, out, err } = await earshot(['policy', 'test', '--json', ...args]);
  assert.deepEqual([code, err], [0, '']);
  return JSON.parse(out) as Result;
}

function callsOf(result: Result, rule: string, file = 'simple'): number | undefined {
  return result.rules.find((one) => one.rule === rule && one.file === file)?.calls;
}

test('the shop has what is counted here', () => {
  assert.ok(payments > 0 && logins > 0 && probes > 0 && total > payments + logins + probes);
});

test('how many calls each rule lets through or leaves out', async () => {
  const result = await tried('-f', noPayments, capture);
  assert.deepEqual([result.calls, result.letThrough, result.changes], [total, total - payments, null]);
  assert.equal(callsOf(result, 'no-payments'), payments);
  assert.equal(callsOf(result, 'otherwise'), total - payments);
  const shipped = await tried(capture);
  assert.deepEqual([callsOf(shipped, 'health-checks'), shipped.letThrough], [probes, total - probes]);
});

test('it says the same as read does', async () => {
  const config = file('no-payments-config.yaml', `pipelines:\n  all: { filtersSimpleFile: ${noPayments}, sinks: [] }\n`);
  const read = await earshot(['read', '-c', config, capture]);
  const result = await tried('-f', noPayments, capture);
  assert.equal(read.out.split('\n').length - 1, result.letThrough, read.err);
});

test('advanced filters are tried on what the simple ones let through', async () => {
  const advanced = file('advanced.yaml', 'rules:\n  - { name: failed, action: exclude, when: response.status >= 400 }\n');
  const result = await tried('-f', noPayments, '--advanced', advanced, capture);
  const failed = of(({ target, status }) => !target.startsWith('/payments') && status >= 400);
  assert.equal(callsOf(result, 'failed', 'advanced'), failed);
  assert.equal(result.letThrough, total - payments - failed);
});

test('how many values masking finds in how many calls, with masked examples only', async () => {
  const shipped = await tried(capture);
  const password = shipped.masking.find(({ rule }) => rule === 'password');
  assert.deepEqual([password?.values, password?.calls], [logins, logins]);
  assert.match(password?.examples[0] ?? '', /^POST api[.]shop[.]example \/v1\/login \d+ {2}request[.]body password$/);
  const own = file('masking.yaml', 'rules:\n  - { name: own-product, fields: [name], action: replace }\n');
  const result = await tried('--masking', own, capture);
  assert.ok((result.masking.find(({ rule }) => rule === 'own-product')?.values ?? 0) > 0);
  assert.equal(
    shipped.masking.some(({ rule }) => rule === 'own-product'),
    false,
  );
});

test('nothing that is masked stands in the answer, in words or as JSON', async () => {
  const secrets = new Set<string>();
  const { out } = await earshot(['read', '--unmasked', capture]);
  for (const [, value] of out.matchAll(/(?:\\"(?:number|password|email)\\":\\"|Bearer |sid=)([^\\";]+)/g)) secrets.add(value);
  assert.ok(secrets.size > 3, 'the capture has secrets');
  for (const more of [[], ['--json']]) {
    const said = await earshot(['policy', 'test', '--examples', '100', ...more, capture]);
    for (const secret of secrets) assert.equal(said.out.includes(secret), false, secret);
  }
});

test('as a table: counts, shares, and as many examples as wanted', async () => {
  const { code, out } = await earshot(['policy', 'test', '-f', noPayments, '--examples', '1', capture]);
  assert.equal(code, 0);
  assert.match(out, new RegExp(`^${total} calls: ${total - payments} let through, ${payments} left out[.]$`, 'm'));
  assert.match(
    out,
    new RegExp(`^no-payments +simple +exclude +${payments} +\\d+ %\\n {2}POST payments[.]internal \\/payments \\d+\\notherwise`, 'm'),
  );
});

test('diff: which calls another set of filters would decide otherwise', async () => {
  const result = await tried('-f', noPayments, '--diff', onlyLogins, capture);
  assert.deepEqual(
    result.changes?.map(({ from, to, now, calls }) => [from, to, now, calls]),
    [['simple/otherwise', 'simple/otherwise', 'left out', total - payments - logins]],
  );
  const back = await tried('-f', onlyLogins, '--diff', noPayments, capture);
  assert.deepEqual(
    back.changes?.map(({ now, calls }) => [now, calls]),
    [['let through', total - payments - logins]],
  );
  const same = await earshot(['policy', 'test', '-f', noPayments, '--diff', noPayments, capture]);
  assert.match(same.out, /^The other filters decide the same for every call[.]$/m);
});

test('a capture that is cut is tried as far as it goes', async () => {
  const cut = file('cut.pcap', shop.pcap.subarray(0, Math.floor(shop.pcap.length / 2)));
  const result = await tried('-f', noPayments, cut);
  assert.ok(result.calls > 0 && result.calls < total);
});

test('wrong files and arguments: every mistake is said, and nothing is tried', async () => {
  const wrong = file('wrong.yaml', 'otherwise: perhaps\nrules:\n  - { name: x, action: exclude, paths: no-slash }\n');
  const { code, out, err } = await earshot(['policy', 'test', '-f', wrong, capture]);
  assert.deepEqual([code, out], [2, '']);
  assert.match(err, /wrong[.]yaml:1:12/);
  assert.match(err, /wrong[.]yaml:3:/);
  refuses(await earshot(['policy', 'test']), 2, /neither a capture nor --live was given/);
  refuses(await earshot(['policy', 'test', '--examples', 'x', capture]), 2, /Wanted: a number of examples/);
  refuses(await earshot(['policy', 'test', '-f', join(folder, 'nowhere'), capture]), 2, /nowhere/);
  refuses(await earshot(['policy', 'test', join(folder, 'nowhere.pcap')]), 2, /nowhere[.]pcap/);
});
