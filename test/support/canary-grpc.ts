/**
 * Bodies of gRPC and Protocol Buffers with a secret in them: as name and value, so that a descriptor tells which is which, nested,
 * repeated, as bytes, compressed, in base64, in the trailers of gRPC-Web.
 */
import { deflateSync } from 'node:zlib';
import type { Random } from '../../src/policy/mask/detect-testing.ts';
import { pick } from '../../src/policy/mask/secrets-testing.ts';
import { nameOf, type Secret } from './canary-secrets.ts';
import { descriptorSet, field, framed, proto, trailerFrame, varint, zipped } from './protobuf.ts';

/** Messages of calls to this path have names; those of others have not. */
export const CANARY_PATH = '/canary.Store/Put';
export const canaryDescriptors: Buffer = descriptorSet({
  package: 'canary',
  messages: {
    Pair: [
      { name: 'key', number: 1, type: 'string' },
      { name: 'value', number: 2, type: 'string' },
      { name: 'inner', number: 3, type: 'message', typeName: '.canary.Pair', repeated: true },
      { name: 'raw', number: 4, type: 'bytes' },
      { name: 'number', number: 5, type: 'uint64' },
      { name: 'packed', number: 6, type: 'int32', repeated: true },
    ],
  },
  services: { Store: { Put: ['.canary.Pair', '.canary.Pair'] } },
});

export interface GrpcBody {
  readonly type: string;
  readonly body: Buffer;
  readonly headers: readonly (readonly [string, string])[];
}

const isLine = (s: Secret): boolean => !/[\r\n]/.test(s.text);
const percent = (text: string): string => [...Buffer.from(text)].map((c) => `%${c.toString(16).padStart(2, '0')}`).join('');

function message(s: Secret, next: Random): Buffer {
  const key = field(1, nameOf(s, next));
  const value = field(2, s.text);
  let inner = pick(next, [proto(key, value), proto(value, key), proto(field(6, proto(varint(1), varint(300))), key, value)]);
  if (s.name === '' && /^[1-9]\d{6,18}$/.test(s.text) && next(2) === 0) inner = field(5, BigInt(s.text));
  else if (next(5) === 0) inner = field(4, Buffer.concat([Buffer.from([0, 255]), Buffer.from(s.text)]));
  else if (next(8) === 0) inner = proto(inner, field(3, proto(field(5, 4))), field(3, inner));
  // An unknown field, and one whose type is another than the descriptor says.
  if (next(6) === 0) inner = proto(inner, field(77, s.text), field(4, 12));
  for (let depth = next(3) === 0 ? next(51) : next(4); depth > 0; depth--) inner = proto(field(5, depth), field(3, inner));
  return proto(inner);
}

/** One to three messages, and perhaps the trailers. */
export function grpcBody(s: Secret, next: Random): GrpcBody {
  const own = message(s, next);
  const kind = next(10);
  if (kind === 0) return { type: pick(next, ['application/x-protobuf', 'application/protobuf']), body: own, headers: [] };
  if (kind === 1) return { type: 'application/grpc+thrift', body: framed(own), headers: [] };
  if (kind === 2) {
    const json = JSON.stringify({ a: [{ [nameOf(s, next)]: s.text }] });
    return { type: 'application/grpc+json', body: Buffer.concat([framed(Buffer.from('{}')), framed(Buffer.from(json))]), headers: [] };
  }
  if (kind === 3) return { type: 'application/grpc', body: zipped(own), headers: [['grpc-encoding', 'gzip']] };
  if (kind === 4) {
    const encoding = pick(next, ['deflate', 'snappy', 'gzip', '']);
    const headers: [string, string][] = encoding === '' ? [] : [['grpc-encoding', encoding]];
    return { type: 'application/grpc', body: framed(encoding === 'deflate' ? deflateSync(own) : own, 1), headers };
  }
  const messages = [framed(field(1, 'key')), framed(own), framed(own)].slice(0, 1 + next(3));
  messages.push(framed(own));
  if (kind < 7) return { type: pick(next, ['application/grpc', 'application/grpc+proto']), body: Buffer.concat(messages), headers: [] };
  if (isLine(s)) {
    const line = s.name === '' ? `grpc-message: not ${next(2) === 0 ? percent(s.text) : s.text}` : `${nameOf(s, next)}: ${s.text}`;
    messages.push(trailerFrame('grpc-status: 13', line, `own-bin: ${Buffer.from(s.text).toString('base64')}`));
  }
  const body = Buffer.concat(messages);
  if (kind < 9) return { type: 'application/grpc-web+proto', body, headers: [] };
  // Each message is coded by itself.
  return { type: 'application/grpc-web-text', body: Buffer.from(messages.map((own) => own.toString('base64')).join('')), headers: [] };
}
