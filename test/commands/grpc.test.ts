/** gRPC through `earshot read`: with and without descriptors, masked and unmasked, in every format, in filters. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ApiCall, apiCallSchema } from '../../src/normalise/api-call.ts';
import { formatNames } from '../../src/ship/formats/format.ts';
import { type Ended, earshot } from '../support/command.ts';
import { type Conversation, partsOf, type Turn, wires } from '../support/conversation.ts';
import { message } from '../support/look-at-calls.ts';
import { PcapWriter } from '../support/pcap-writer.ts';
import { descriptorSet, field, framed, proto } from '../support/protobuf.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-grpc-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const PASSWORD = 'correct-horse-17';
const EMAIL = 'ann.smith@mail.example';

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const login = (method: string): Buffer =>
  message(
    `POST /shop.Users/${method} HTTP/1.1|Host: shop.example|Content-Type: application/grpc-web+proto`,
    framed(proto(field(1, 'ann'), field(2, PASSWORD), field(3, EMAIL))),
  );
const answer = (status: number): Buffer =>
  message(`HTTP/1.1 200 OK|Content-Type: application/grpc-web+proto|grpc-status: ${status}|grpc-message: not ${EMAIL}`);

const turns = [login('Login'), answer(0), login('Join'), answer(7)].map((bytes, i): Turn => ({ fromServer: i % 2 === 1, bytes }));
const writer = new PcapWriter();
for (const { data, timeUs } of wires(partsOf({ turns, calls: [], end: 'client-fin' } satisfies Conversation))) {
  writer.bytes.set(data, writer.reserve(data.length));
  writer.commit(data.length, timeUs);
}
const capture = file('grpc.pcap', writer.close());
const descriptors = file(
  'shop.pb',
  descriptorSet({
    package: 'shop',
    messages: {
      User: [
        { name: 'name', number: 1, type: 'string' },
        { name: 'password', number: 2, type: 'string' },
        { name: 'contact', number: 3, type: 'string' },
      ],
    },
    services: { Users: { Login: ['.shop.User', '.shop.User'] } },
  }),
);
const config = file('config.yaml', `policy: { descriptorFiles: [${descriptors}] }\n`);

function callsOf({ code, out, err }: Ended): ApiCall[] {
  assert.equal(code, 0, err);
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => apiCallSchema.parse(JSON.parse(line)));
}
const bodies = async (...args: string[]): Promise<unknown[]> =>
  callsOf(await earshot(['read', capture, ...args])).map(({ request }) => JSON.parse(request?.body.text ?? 'null') as unknown);

test('masked: names of descriptors count; where there are none texts are masked whole', async () => {
  const unnamed = { 1: '*unnamed*', 2: '*unnamed*', 3: '*unnamed*' };
  assert.deepEqual(await bodies(), [unnamed, unnamed]);
  // No method Join is described.
  assert.deepEqual(await bodies('--config', config), [{ name: 'ann', password: '*password*', contact: '*email*' }, unnamed]);
});

test('unmasked: the same names', async () => {
  const plain = { 1: 'ann', 2: PASSWORD, 3: EMAIL };
  assert.deepEqual(await bodies('--unmasked'), [plain, plain]);
  for (const more of [[], ['--unfiltered']]) {
    assert.deepEqual(await bodies('--config', config, '--unmasked', ...more), [{ name: 'ann', password: PASSWORD, contact: EMAIL }, plain]);
  }
});

test('every format, and none has a secret in it', async () => {
  for (const name of formatNames) {
    const { code, out, err } = await earshot(['read', capture, '--format', name, '--summary', '--config', config]);
    assert.equal(code, 0, err);
    for (const secret of [PASSWORD, EMAIL]) assert.ok(!(out + err).includes(secret), `${secret} in ${name}`);
    if (name === 'ecs')
      assert.match(out, /"grpc":\{"flavour":"grpc-web","service":"shop.Users","method":"Join","status":7,"message":"not \*email\*"/);
    if (name === 'har') assert.match(out, /"_grpc": ?\{/);
  }
});

test('the summary has services, methods and statuses, of what masking leaves', async () => {
  const { code, out, err } = await earshot(['read', capture, '--summary']);
  assert.equal(code, 0, err);
  assert.match(out, /^ {2}grpc {8}shop[.]Users\/Join 1, shop[.]Users\/Login 1$/m);
  assert.match(out, /^ {2}grpc status OK [(]0[)] 1, PERMISSION_DENIED [(]7[)] 1$/m);
  const masking = file('masking.yaml', `rules: [{ name: method, pattern: Login }]\n`);
  const masked = await earshot(['read', capture, '--summary', '--config', file('masked.yaml', `policy: { maskingFile: ${masking} }\n`)]);
  assert.equal(masked.code, 0, masked.err);
  assert.match(masked.out, /^ {2}grpc {8}shop[.]Users\/[*]method[*] 1, shop[.]Users\/Join 1$/m);
  assert.doesNotMatch(masked.out, /Login/);
  const simple = file('none.yaml', 'otherwise: exclude\n');
  const filtered = await earshot([
    'read',
    capture,
    '--summary',
    '--config',
    file('nothing.yaml', `pipelines: { a: { filtersSimpleFile: ${simple} } }\n`),
  ]);
  assert.doesNotMatch(filtered.out, /^ {2}grpc {8}/m, 'no record, no name');
  assert.match(filtered.out, /^ {2}grpc status OK [(]0[)] 1, PERMISSION_DENIED [(]7[)] 1$/m);
});

test('filters by method and by status', async () => {
  const simple = file(
    'simple.yaml',
    'otherwise: exclude\nrules: [{ name: refused, action: include, paths: /shop.Users/*, grpcStatuses: 1-16 }]\n',
  );
  const advanced = file(
    'advanced.yaml',
    'otherwise: include\nrules: [{ name: joins, action: exclude, when: \'grpc.method == "Join" && grpc.status == 7\' }]\n',
  );
  const methods = async (settings: string): Promise<unknown[]> =>
    callsOf(await earshot(['read', capture, '--config', file('filters.yaml', `pipelines: { shop: { ${settings} } }\n`)])).map(
      ({ grpc }) => grpc?.method,
    );
  assert.deepEqual(await methods(`filtersSimpleFile: ${simple}`), ['Join']);
  assert.deepEqual(await methods(`filtersAdvancedFile: ${advanced}`), ['Login']);
});

test('a file that holds no descriptors is refused', async () => {
  const wrong = file('wrong.yaml', `policy: { descriptorFiles: [${file('shop.proto', 'syntax = "proto3";\n')}] }\n`);
  const { code, err, out } = await earshot(['read', capture, '--config', wrong]);
  assert.notEqual(code, 0);
  assert.equal(out, '');
  assert.match(err, /Cannot use the descriptor file .*shop\.proto/);
  assert.match(err, /protoc/);
});
