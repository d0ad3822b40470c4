/**
 * Calls for the fuzzing of gRPC and Protocol Buffers: messages put together from right and wrong pieces, nested, compressed, in
 * base64, cut, with bytes changed, under any media type and against descriptors that do not fit. What must hold beside what holds for any
 * traffic: a rendering is JSON line by line, and a text that no descriptor names is in no masked record.
 */
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import type { Settings } from '../../src/base/settings.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { defaultMasking } from '../../src/policy/default-masking.ts';
import { Policy } from '../../src/policy/policy.ts';
import { partsOf, type Turn, wires } from '../support/conversation.ts';
import { descriptorSet, double, field, fixed32, fixed64, float, framed, trailerFrame, types, varint, zipped } from '../support/protobuf.ts';
import type { Random } from '../support/random.ts';
import { runPipeline, type Wire } from '../support/run-pipeline.ts';

/** Stands in texts and bytes; nothing but a name could tell that it is a secret. */
const SECRET = 'zQ7secretXw';
const mediaTypes = [
  ...['application/grpc', 'application/grpc+proto', 'application/grpc-web+proto', 'application/grpc-web-text', 'application/x-protobuf'],
  ...['application/grpc+json', 'application/grpc+thrift', 'application/protobuf', 'application/grpc-web'],
];

function leaf(random: Random, number: number): Buffer {
  switch (random.integer(0, 7)) {
    case 0:
      return field(number, random.integer(0, 1_000_000));
    case 1:
      return field(number, -1n);
    case 2:
      return fixed32(number, float(random.integer(0, 1000) / 7));
    case 3:
      return fixed64(number, double(random.integer(0, 1000) / 7));
    case 4:
      return field(number, Buffer.concat([varint(random.integer(0, 300)), varint(5)]));
    case 5:
      return field(number, Buffer.concat([Buffer.from([random.integer(0, 255)]), Buffer.from(SECRET)]));
    default:
      return field(number, random.pick([SECRET, `a ${SECRET}\n`, `"${SECRET}\\`, `é${SECRET}`, `\n${SECRET}`, '']));
  }
}

function message(random: Random, depth: number): Buffer {
  const parts = Array.from({ length: random.integer(0, 4) }, () => {
    const number = random.chance(0.9) ? random.integer(1, 20) : random.pick([0, 2047, 2048, 19_500, 536_870_911]);
    const part = depth > 0 && random.chance(0.4) ? field(number, message(random, depth - 1)) : leaf(random, number);
    return Buffer.concat(Array<Buffer>(random.integer(1, 3)).fill(part));
  });
  return Buffer.concat(parts);
}

function damaged(random: Random, given: Buffer): Buffer {
  let out: Buffer = Buffer.from(given);
  if (random.chance(0.2)) out = out.subarray(0, random.integer(0, out.length));
  // Bytes of texts stay as they are, or nobody could look for them.
  for (let n = random.chance(0.2) ? random.integer(1, 3) : 0; n > 0 && out.length > 0; n--) {
    const at = random.integer(0, out.length - 1);
    if (out[at] < 32 && out[at] !== 10 && out[at] !== 13) out[at] = random.integer(0, 9);
  }
  return out;
}

function body(random: Random, type: string): Buffer {
  if (type.endsWith('protobuf')) return damaged(random, message(random, random.integer(0, 4)));
  const frames = Array.from({ length: random.integer(0, 4) }, () => {
    if (type.endsWith('json')) return framed(Buffer.from(JSON.stringify({ password: SECRET, n: 1 })));
    let own = message(random, random.integer(0, 4));
    for (let depth = random.chance(0.05) ? random.integer(50, 150) : 0; depth > 0; depth--) own = field(3, own);
    if (random.chance(0.2)) return zipped(own);
    return framed(damaged(random, own), random.chance(0.05) ? random.integer(0, 255) : 0);
  });
  if (random.chance(0.3)) frames.push(trailerFrame('grpc-status: 5', `password: ${SECRET}`, `x-bin: ${SECRET}`));
  if (!type.includes('text')) return damaged(random, Buffer.concat(frames));
  return Buffer.from(random.chance(0.5) ? frames.map((f) => f.toString('base64')).join('') : Buffer.concat(frames).toString('base64'));
}

function side(random: Random, start: string): Buffer {
  const type = random.pick(mediaTypes);
  const content = body(random, type);
  const isCoded = random.chance(0.1);
  const coded = isCoded ? zlib.gzipSync(content) : content;
  const fields = [
    `Content-Type: ${type}`,
    ...(random.chance(0.6) ? [`grpc-encoding: ${random.pick(['gzip', 'gzip', 'deflate', 'snappy'])}`] : []),
    ...(isCoded ? ['Content-Encoding: gzip'] : []),
    ...(random.chance(0.3) ? [`grpc-status: ${random.pick(['0', '5', 'x', '99999', ''])}`, `own-bin: ${SECRET}`] : []),
    ...(random.chance(0.2) ? [`grpc-timeout: ${random.pick(['1S', '99999999H', '5', 'S', '1n'])}`] : []),
  ];
  return Buffer.concat([
    Buffer.from(`${start}\r\n${fields.map((own) => `${own}\r\n`).join('')}Content-Length: ${coded.length}\r\n\r\n`),
    coded,
  ]);
}

/** A connection of a few calls, now and then with a hole. */
export function grpcPackets(random: Random): Wire[] {
  const turns: Turn[] = [];
  for (let n = random.integer(1, 4); n > 0; n--) {
    const path = random.pick(['/a.B/C', '/a.B/D', '/a.B/Bytes', '/', '/C', '/x/a.B/C?d']);
    turns.push({ fromServer: false, bytes: side(random, `POST ${path} HTTP/1.1\r\nHost: a`) });
    if (random.chance(0.9)) turns.push({ fromServer: true, bytes: side(random, 'HTTP/1.1 200 OK') });
  }
  const loss = random.pick([0, 0, 0, 0.05]);
  return wires(partsOf({ turns, calls: [], end: 'client-fin' })).filter(() => !random.chance(loss));
}

const allTypes = Object.keys(types) as (keyof typeof types)[];
const typeNameOf = (type: keyof typeof types): object =>
  type === 'message' ? { typeName: '.a.Any' } : type === 'enum' ? { typeName: '.a.E' } : {};
/** Nothing in it is called as a secret is, and no text has a name: strings are numbers, messages or bytes. */
const descriptors = descriptorSet({
  package: 'a',
  messages: {
    Any: allTypes
      .filter((type) => type !== 'string')
      .map((type, i) => ({ name: `f_${type}`, number: i + 1, type, repeated: i % 2 === 0, ...typeNameOf(type) })),
    Bytes: [{ name: 'raw', number: 1, type: 'bytes' }],
  },
  enums: { E: { NONE: 0, 'a "name"': 5 } },
  services: { B: { C: ['.a.Any', '.a.Any'], Bytes: ['.a.Bytes', '.a.Bytes'] } },
});

let policy: Policy | undefined;

function grpcPolicy(): Policy {
  policy ??= new Policy({
    pipelines: [
      {
        name: 'all',
        simple: { otherwise: 'include', rules: [] },
        advanced: { otherwise: 'include', rules: [] },
        sampling: { share: 1, key: 'call' },
      },
    ],
    masking: defaultMasking,
    maskingKey: Buffer.alloc(32, 7),
    descriptors: [descriptors],
  });
  return policy;
}

function checkRendering(part: ApiCall['request'] | ApiCall['response']): void {
  const { rendered, text = '', cut } = part?.body ?? {};
  if (rendered === undefined || rendered === 'json' || text === '') return;
  for (const line of text.split('\n')) assert.doesNotThrow(() => JSON.parse(line), `no JSON${cut ? ', cut' : ''}: ${text}`);
}

export function runGrpc(packets: readonly Wire[], settings: Settings): void {
  // Another target may have set its own since.
  policy = undefined;
  const options = { settings, policy: grpcPolicy() };
  const masked = runPipeline(packets, options).records;
  const plain = runPipeline(packets, { ...options, unmasked: true }).records;
  for (const record of [...masked, ...plain]) {
    checkRendering(record.request);
    checkRendering(record.response);
  }
  assert.deepEqual(
    masked.map(({ grpc }) => ({ ...grpc, message: undefined })),
    plain.map(({ grpc }) => ({ ...grpc, message: undefined })),
    'masking changed what gRPC says',
  );
  for (const record of masked) assert.ok(!JSON.stringify(record).includes('secret'), `a secret: ${JSON.stringify(record)}`);
}
