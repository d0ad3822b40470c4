/** Bodies of unary calls of gRPC, with what a record keeps of them. */
import { fingerprint } from './fingerprint.ts';
import type { Body } from './messages.ts';
import type { Random, TextPool } from './random.ts';

const MESSAGE_BYTES = [10, 300] as const;

/**
 * A message of protobuf behind the five bytes that gRPC puts before it: a number, texts, numbers of fixed width. What a record
 * keeps of it is its rendering without names.
 */
export function grpcBody(r: Random, texts: TextPool): Body {
  const most = r.integer(...MESSAGE_BYTES);
  const first = Buffer.from([8, 0x80 | r.integer(0, 127), r.integer(1, 127)]);
  const parts: Buffer[] = [first];
  const values: [tag: number, value: string][] = [[8, String((first[1] & 0x7f) | (first[2] << 7))]];
  for (let length = first.length; length < most; ) {
    const field = r.integer(2, 15) << 3;
    const isText = r.chance(0.7) || length > most - 9;
    const content = isText ? Buffer.from(texts.take(r.integer(4, 60))) : Buffer.from(Array.from({ length: 8 }, () => r.integer(0, 255)));
    const tag = field | (isText ? 2 : 1);
    const part = Buffer.concat([Buffer.from(isText ? [tag, content.length] : [tag]), content]);
    parts.push(part);
    values.push([tag, isText ? JSON.stringify(content.toString()) : wholeNumber(content.readBigUInt64LE())]);
    length += part.length;
  }
  const message = Buffer.concat(parts);
  const bytes = Buffer.alloc(message.length + 5);
  bytes.writeUInt32BE(message.length, 1);
  message.copy(bytes, 5);
  const rendering = Buffer.from(rendered(values));
  return { bytes, type: 'application/grpc', coding: '', kept: rendering.length, keptPrint: fingerprint(rendering), cut: false };
}

/** Beyond what a number of JSON holds exactly, its digits. */
function wholeNumber(n: bigint): string {
  return n > Number.MAX_SAFE_INTEGER ? `"${n}"` : String(n);
}

/** JSON of fields without names; values of one field and wire type that follow each other are a list. `tag` has both. */
function rendered(values: readonly (readonly [tag: number, value: string])[]): string {
  const members: string[] = [];
  for (let i = 0; i < values.length; ) {
    const [tag] = values[i];
    let end = i + 1;
    while (end < values.length && values[end][0] === tag) end++;
    const list = values
      .slice(i, end)
      .map(([, value]) => value)
      .join(',');
    members.push(`"${tag >> 3}":${end - i > 1 ? `[${list}]` : list}`);
    i = end;
  }
  return `{${members.join(',')}}`;
}
