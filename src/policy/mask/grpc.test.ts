/** Messages of gRPC in masked records: names of descriptors count, what has no name is masked whole, and nothing gets past that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCall, message } from '../../../test/support/look-at-calls.ts';
import { descriptorSet, field, framed, proto, trailerFrame, varint, zipped } from '../../../test/support/protobuf.ts';
import { settingsWith } from '../../../test/support/run-pipeline.ts';
import { bytes, outputRegion } from '../../base/arena.ts';
import { type ApiCall, apiCallSchema } from '../../normalise/api-call.ts';
import { defaultMasking, maskingRule } from '../default-masking.ts';
import { Policy } from '../policy.ts';
import type { MaskingSpec } from '../spec.ts';
import { SHED_HEADERS } from './mask-call.ts';

const CARD = '4111111111111111';
const EMAIL = 'ann.smith@mail.example';
const PASSWORD = 'hunter2';

const descriptors = descriptorSet({
  package: 'shop',
  messages: {
    Login: [
      { name: 'user', number: 1, type: 'string' },
      { name: 'password', number: 2, type: 'string' },
      { name: 'note', number: 3, type: 'string' },
      { name: 'key_bytes', number: 4, type: 'bytes' },
      { name: 'card_number', number: 5, type: 'uint64' },
      { name: 'pin', number: 6, type: 'int32', repeated: true },
      { name: 'next', number: 7, type: 'message', typeName: '.shop.Login' },
      { name: 'labels', number: 8, type: 'message', typeName: '.shop.Label', repeated: true },
    ],
    Label: [
      { name: 'key', number: 1, type: 'string' },
      { name: 'value', number: 2, type: 'string' },
    ],
  },
  services: { Users: { Login: ['.shop.Login', '.shop.Login'] } },
});

interface Options {
  readonly masking?: Partial<MaskingSpec>;
  readonly isNamed?: boolean;
  readonly type?: string;
  readonly headers?: string;
  readonly bodyBytes?: number;
  readonly headBytesMax?: number;
  readonly shed?: number;
}

function policyOf({ masking = {}, isNamed = true, shed = 0 }: Options): Policy {
  const policy = new Policy({
    pipelines: [
      {
        name: 'all',
        simple: { otherwise: 'include', rules: [] },
        advanced: { otherwise: 'include', rules: [] },
        sampling: { share: 1, key: 'call' },
      },
    ],
    masking: { ...defaultMasking, ...masking },
    maskingKey: Buffer.alloc(32),
    descriptors: isNamed ? [descriptors] : [],
  });
  policy.shed = shed;
  return policy;
}

function masked(body: Buffer, o: Options = {}, response?: Buffer): ApiCall {
  const policy = policyOf(o);
  const look = (call: number): ApiCall => {
    policy.route(call);
    return JSON.parse(bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at))) as ApiCall;
  };
  const { type = 'application/grpc', headers = '', bodyBytes = 16_384, headBytesMax = 65_000 } = o;
  const request = message(`POST /shop.Users/Login HTTP/1.1|Host: a|Content-Type: ${type}${headers}`, body);
  const record = lookAtCall({ request, response: response ?? message('HTTP/1.1 200 OK') }, look, {
    settings: settingsWith({ http: { bodyBytes, headBytesMax } }),
  });
  assert.ok(apiCallSchema.safeParse(record).success, JSON.stringify(record));
  return record;
}

const lines = (record: ApiCall): unknown[] => (record.request?.body.text ?? '').split('\n').map((line) => JSON.parse(line) as unknown);

test('with names, rules of names and detectors reach into messages; what nothing finds stays', () => {
  const body = framed(
    proto(
      field(1, 'ann'),
      field(2, PASSWORD),
      field(3, `write to ${EMAIL}`),
      field(4, 'raw key'),
      field(5, BigInt(CARD)),
      field(6, proto(varint(1234), varint(5678))),
      field(7, proto(field(3, 'all is well'), field(2, PASSWORD))),
      field(8, proto(field(1, 'password'), field(2, PASSWORD))),
      field(8, proto(field(2, PASSWORD), field(1, 'password'))),
      field(8, proto(field(1, 'town'), field(2, 'Ulm'))),
    ),
  );
  const record = masked(Buffer.concat([body, zipped(field(2, PASSWORD))]), { headers: '|grpc-encoding: gzip' });
  assert.deepEqual(lines(record), [
    {
      user: 'ann',
      password: '*password*',
      note: 'write to *email*',
      key_bytes: '',
      card_number: '*payment-card*',
      pin: ['*password*', '*password*'],
      next: { note: 'all is well', password: '*password*' },
      labels: [
        { key: 'password', value: '*password*' },
        { value: '*password*', key: 'password' },
        { key: 'town', value: 'Ulm' },
      ],
    },
    { password: '*password*' },
  ]);
  const text = record.request?.body.text ?? '';
  for (const { at, end, rule } of record.masked?.places ?? []) {
    if (rule === 'password') assert.equal(text.slice(at, end).replaceAll('"', ''), '*password*');
  }
  assert.ok(record.masked?.places?.some(({ field: path, rule }) => path === 'key_bytes' && rule === 'binary'));
});

test('without names, texts and bytes are masked whole, and numbers are looked at', () => {
  const body = framed(
    proto(field(1, 'ann'), field(2, PASSWORD), field(4, Buffer.from([0, 1])), field(5, BigInt(CARD)), field(6, 7), field(7, field(1, 'x'))),
  );
  const record = masked(body, { isNamed: false });
  assert.deepEqual(lines(record), [{ 1: '*unnamed*', 2: '*unnamed*', 4: '', 5: '*payment-card*', 6: 7, 7: { 1: '*unnamed*' } }]);
  assert.deepEqual(record.masked?.places?.[0], { rule: 'unnamed', kind: 'unnamed', in: 'request.body', field: '1', at: 6, end: 15 });
  assert.equal(record.masked?.reported, undefined);
});

test('who asks for it has texts without names looked at like free text', () => {
  const body = framed(proto(field(1, `write to ${EMAIL}`), field(4, Buffer.from([0, 1]))));
  assert.deepEqual(lines(masked(body, { isNamed: false, masking: { unnamedTexts: 'inspect' } })), [{ 1: 'write to *email*', 4: '' }]);
});

test('bytes pass only where binary bodies do, and only when no text in them is found', () => {
  const body = framed(proto(field(4, Buffer.from([0, 1, 2])), field(4, Buffer.concat([Buffer.from([0]), Buffer.from(EMAIL)]))));
  assert.deepEqual(lines(masked(body, { masking: { binaryBodies: 'pass' } })), [{ key_bytes: ['AAEC', '*email*'] }]);
});

test('a rule that only reports leaves bytes and texts without names masked', () => {
  const rules = [maskingRule({ name: 'look', fields: ['key-bytes', '=1'], action: 'report' })];
  const record = masked(framed(proto(field(4, 'raw'), field(99, 'x'))), { masking: { rules, binaryBodies: 'remove' } });
  assert.deepEqual(lines(record), [{ key_bytes: '', 99: '*unnamed*' }]);
});

test('messages that cannot be opened, cut texts and other codecs are masked whole', () => {
  const own = field(2, PASSWORD);
  const whole = (body: Buffer, o: Options = {}): unknown => lines(masked(body, o))[0];
  assert.equal(whole(framed(own, 1)), '*unreadable*');
  assert.equal(whole(framed(own, 1), { headers: '|grpc-encoding: snappy' }), '*unreadable*');
  assert.equal(whole(framed(Buffer.from('\x07nothing'))), '');
  assert.equal(whole(framed(Buffer.from(PASSWORD)), { type: 'application/grpc+thrift' }), '');
  assert.equal(masked(framed(Buffer.from(PASSWORD)), { type: 'application/grpc+json' }).request?.body.text, '"*unreadable*"');
  assert.deepEqual(whole(framed(field(3, `write to ${EMAIL}`)), { bodyBytes: 16 }), { note: '*unreadable*' });
});

test('the message of a status is masked in the trailers and in the member alike', () => {
  const coded = [...Buffer.from(`no ${EMAIL}`)].map((c) => `%${c.toString(16)}`).join('');
  for (const text of [`no ${EMAIL}`, `no%20${EMAIL}`, coded]) {
    const head = message(`HTTP/1.1 200 OK|Content-Type: application/grpc|grpc-status: 5|grpc-message: ${text}|own-bin: ${PASSWORD}`);
    const record = masked(framed(proto()), {}, head);
    assert.deepEqual([record.grpc?.status, record.grpc?.message], [5, 'no *email*']);
    assert.ok(!JSON.stringify(record).includes('ann'), JSON.stringify(record));
    assert.ok(!JSON.stringify(record).includes(PASSWORD));
    const web = message(
      'HTTP/1.1 200 OK|Content-Type: application/grpc-web',
      Buffer.concat([framed(proto()), trailerFrame('grpc-status: 5', `grpc-message: ${text}`, `password: ${PASSWORD}`)]),
    );
    const other = masked(framed(proto()), { type: 'application/grpc-web' }, web);
    assert.deepEqual([other.grpc?.status, other.grpc?.message], [5, 'no *email*']);
    assert.equal(other.response?.body.text, '{}\n{"grpc-status":"5","grpc-message":"no *email*","password":"*password*"}');
  }
});

test('a message of a status that is cut is no message: nothing of it is shown', () => {
  const note = `card ${CARD} of ${EMAIL}`;
  const web = (frame: Buffer): ApiCall =>
    masked(framed(proto()), { type: 'application/grpc-web' }, message('HTTP/1.1 200 OK|Content-Type: application/grpc-web', frame));
  for (let n = 8100; n < 8192; n++) {
    const record = web(trailerFrame('grpc-status: 13', `x: ${'y'.repeat(n)}`, `grpc-message: ${note}`));
    assert.ok(['card *payment-card* of *email*', undefined].includes(record.grpc?.message), record.grpc?.message);
  }
  const whole = trailerFrame('grpc-status: 13', `grpc-message: ${note}`);
  for (let length = 5; length < whole.length; length++) {
    const record = web(whole.subarray(0, length));
    assert.equal(record.grpc?.message, undefined, `cut at ${length}`);
    assert.equal(record.grpc?.status, length < 5 + 'grpc-status: 13\r\n'.length ? undefined : 13, `cut at ${length}`);
  }
  const open = framed(Buffer.from(`grpc-status: 13\r\ngrpc-message: ${note}`), 0x80);
  assert.equal(web(open).grpc?.message, 'card *payment-card* of *email*', 'the last line of a whole frame may have no end');
});

test('and so it is in a head that is cut', () => {
  const head = message(`HTTP/1.1 200 OK|Content-Type: application/grpc|grpc-status: 13|grpc-message: card ${CARD} of ${EMAIL}`);
  const shown = new Set<string | undefined>();
  for (let headBytesMax = 256; headBytesMax < 256 + head.length; headBytesMax++) {
    const padded = Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(200)}\r\n`),
      head.subarray('HTTP/1.1 200 OK\r\n'.length),
    ]);
    const { grpc } = masked(framed(proto()), { headBytesMax }, padded);
    shown.add(grpc?.message);
    assert.ok(grpc?.status === undefined || grpc.status === 13, `${grpc?.status}`);
  }
  assert.deepEqual([...shown].sort(), ['card *payment-card* of *email*', undefined]);
});

test('where bodies and headers are left out because of overload, the counts stay', () => {
  const record = masked(
    framed(field(2, PASSWORD)),
    { shed: SHED_HEADERS },
    message(`HTTP/1.1 200 OK|Content-Type: application/grpc|grpc-status: 5|grpc-message: ${EMAIL}`),
  );
  assert.deepEqual(record.grpc, {
    flavour: 'grpc',
    service: 'shop.Users',
    method: 'Login',
    status: 5,
    message: '*email*',
    request: { messages: 1, bytes: 9 },
    response: { messages: 0, bytes: 0 },
  });
});

test('what masking notes of one call does not reach the next', () => {
  const policy = policyOf({});
  const records: ApiCall[] = [];
  for (const [type, body] of [
    ['application/grpc', framed(proto(field(99, 'abc'), field(4, 'raw')))],
    ['application/json', Buffer.from('{"a":"abc","b":["x"]}')],
    ['application/grpc', framed(field(3, 'abc'))],
  ] as const) {
    const request = message(`POST /shop.Users/Login HTTP/1.1|Host: a|Content-Type: ${type}`, body);
    lookAtCall({ request, response: message('HTTP/1.1 200 OK') }, (call) => {
      policy.route(call);
      records.push(JSON.parse(bytes.toString('utf8', outputRegion.at, policy.encode(call, outputRegion.at))) as ApiCall);
    });
  }
  assert.deepEqual(
    records.map(({ request }) => request?.body.text),
    ['{"99":"*unnamed*","key_bytes":""}', '{"a":"abc","b":["x"]}', '{"note":"abc"}'],
  );
  assert.deepEqual(
    records.map(({ grpc }) => grpc?.method),
    ['Login', undefined, 'Login'],
  );
});
