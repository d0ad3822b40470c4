/**
 * Frames of HTTP/2, made by hand (RFC 9113, 4.1 and 6). Header blocks are written without Huffman and without the static
 * table but for `:` names, so that a test finds its own text in the bytes.
 */

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

type Field = readonly [string, string];

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([header, payload]);
}

function number(first: number, bits: number, value: number): Buffer {
  const most = (1 << bits) - 1;
  if (value < most) return Buffer.from([first | value]);
  const out = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest & 127) | 128);
  return Buffer.from([...out, rest]);
}

const text = (s: string): Buffer => Buffer.concat([number(0, 7, Buffer.byteLength(s, 'latin1')), Buffer.from(s, 'latin1')]);

/** A header block of literals; with `insert` the last one goes into the dynamic table. */
export function headerBlock(fields: readonly Field[], insert = false): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value], i) => [Buffer.from([insert && i === fields.length - 1 ? 0x40 : 0]), text(name), text(value)]),
  );
}

export interface HeadersOptions {
  readonly end?: boolean;
  readonly pad?: number;
  readonly priority?: boolean;
  readonly insert?: boolean;
  /** One more field by its index. */
  readonly refer?: number;
  readonly plain?: boolean;
}

/** A HEADERS frame that ends the stream unless `end` is false. */
export function headers(stream: number, fields: readonly Field[], o: HeadersOptions = {}): Buffer {
  const block = Buffer.concat([headerBlock(fields, o.insert), ...(o.refer === undefined ? [] : [number(0x80, 7, o.refer)])]);
  const parts = [
    ...(o.pad === undefined ? [] : [Buffer.from([o.pad])]),
    ...(o.priority ? [Buffer.from([0, 0, 0, 0, 15])] : []),
    block,
    Buffer.alloc(o.pad ?? 0),
  ];
  const isEnd = o.end ?? !fields.some(([name]) => name === ':status');
  return frame(1, (isEnd ? 1 : 0) | 4 | (o.pad === undefined ? 0 : 8) | (o.priority ? 32 : 0), stream, Buffer.concat(parts));
}

/** HEADERS and CONTINUATION frames of `bytes` bytes each. */
export function continuation(stream: number, fields: readonly Field[], bytes: number, end: boolean): Buffer {
  const block = headerBlock(fields);
  const frames: Buffer[] = [];
  for (let at = 0; at < block.length; at += bytes) {
    const last = at + bytes >= block.length ? 4 : 0;
    frames.push(frame(at === 0 ? 1 : 9, at === 0 ? (end ? 1 : 0) | last : last, stream, block.subarray(at, at + bytes)));
  }
  return Buffer.concat(frames);
}

export function dataFrame(stream: number, data: string, end = false, pad?: number): Buffer {
  const body = Buffer.from(data);
  if (pad === undefined) return frame(0, end ? 1 : 0, stream, body);
  return frame(0, (end ? 1 : 0) | 8, stream, Buffer.concat([Buffer.from([pad]), body, Buffer.alloc(pad)]));
}

export function settingsFrame(settings: readonly (readonly [number, number])[] = [], ack = false): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  settings.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(4, ack ? 1 : 0, 0, payload);
}

function words(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  for (const [i, v] of values.entries()) out.writeUInt32BE(v, i * 4);
  return out;
}

export const reset = (stream: number, code: number): Buffer => frame(3, 0, stream, words(code));
export const goaway = (last: number, code: number): Buffer => frame(7, 0, 0, words(last, code));
export const pushPromise = (stream: number, promised: number, fields: readonly Field[]): Buffer =>
  frame(5, 4, stream, Buffer.concat([words(promised), headerBlock(fields)]));
