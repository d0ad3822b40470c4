/** Bytes of Protocol Buffers and gRPC as their specifications say, for tests: written plainly, and from nothing of src/. */
import { gzipSync } from 'node:zlib';

export function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

const tag = (number: number, wire: number): Buffer => varint((BigInt(number) << 3n) | BigInt(wire));

/** Numbers and booleans are varints; texts and bytes have a length. */
export function field(number: number, value: number | bigint | boolean | string | Uint8Array): Buffer {
  if (typeof value === 'string' || value instanceof Uint8Array) {
    const bytes = Buffer.from(value as string);
    return Buffer.concat([tag(number, 2), varint(bytes.length), bytes]);
  }
  return Buffer.concat([tag(number, 0), varint(typeof value === 'boolean' ? Number(value) : value)]);
}

export function fixed32(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([tag(number, 5), bytes]);
}

export function fixed64(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([tag(number, 1), bytes]);
}

export function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

export function float(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

export function proto(...fields: Uint8Array[]): Buffer {
  return Buffer.concat(fields);
}

export const zigzag = (value: number | bigint): bigint => (BigInt(value) << 1n) ^ (BigInt(value) >> 63n);

/** A message with the five bytes before it. */
export function framed(bytes: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

export const zipped = (bytes: Uint8Array): Buffer => framed(gzipSync(bytes), 1);

/** Trailers of gRPC-Web as its last frame. */
export const trailerFrame = (...lines: string[]): Buffer => framed(Buffer.from(lines.map((line) => `${line}\r\n`).join('')), 0x80);

// ---------------------------------------------------------------- descriptors

export const types = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
} as const;

export interface FieldSpec {
  readonly name: string;
  readonly number: number;
  readonly type: keyof typeof types;
  readonly repeated?: boolean;
  /** Of a message or an enum, with a dot before it. */
  readonly typeName?: string;
}

export interface FileSpec {
  readonly package: string;
  readonly messages: Readonly<Record<string, readonly FieldSpec[]>>;
  readonly enums?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** By service: method, input and output. */
  readonly services?: Readonly<Record<string, Readonly<Record<string, readonly [string, string]>>>>;
}

/** A FileDescriptorSet with one file. */
export function descriptorSet(spec: FileSpec): Buffer {
  const messages = Object.entries(spec.messages).map(([name, fields]) =>
    field(
      4,
      proto(
        field(1, name),
        ...fields.map((own) =>
          field(
            2,
            proto(
              field(1, own.name),
              field(3, own.number),
              field(4, own.repeated === true ? 3 : 1),
              field(5, types[own.type]),
              ...(own.typeName === undefined ? [] : [field(6, own.typeName)]),
            ),
          ),
        ),
      ),
    ),
  );
  const enums = Object.entries(spec.enums ?? {}).map(([name, values]) =>
    field(5, proto(field(1, name), ...Object.entries(values).map(([text, number]) => field(2, proto(field(1, text), field(2, number)))))),
  );
  const services = Object.entries(spec.services ?? {}).map(([name, methods]) =>
    field(
      6,
      proto(
        field(1, name),
        ...Object.entries(methods).map(([method, [input, output]]) => field(2, proto(field(1, method), field(2, input), field(3, output)))),
      ),
    ),
  );
  return field(1, proto(field(1, 'test.proto'), field(2, spec.package), ...messages, ...enums, ...services));
}
