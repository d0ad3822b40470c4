/**
 * An encoder of HPACK (RFC 7541) as real ones work, quick enough for captures of hundreds of megabytes: a field that a table
 * has goes by its index, else it is a literal, in Huffman where that is shorter, and inserted as its style says:
 *
 *   every      all fields that fit, as Go does
 *   careful    not those that rarely come twice (paths, lengths, entity tags), credentials never, as nghttp2 does
 */
import { huffmanCodes, huffmanLengths, prepareHuffman } from '../../src/http2/huffman.ts';

export type Field = readonly [name: string, value: string];
export type HpackStyle = 'every' | 'careful';

/** RFC 7541, appendix A. */
const STATIC: readonly Field[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((status): Field => [':status', status]),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control content-disposition content-encoding content-language content-length content-location content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate'
    .split(' ')
    .map((name): Field => [name, '']),
];
const TABLE_BYTES = 4096;
const ENTRY_OVERHEAD_BYTES = 32;
const RARELY_TWICE: ReadonlySet<string> = new Set(
  ':path age content-length etag if-modified-since if-none-match location set-cookie'.split(' '),
);
/** A cookie that is shorter can be guessed by whoever sees how long the coded field is. */
const COOKIE_BYTES_MIN = 20;

const key = ([name, value]: Field): string => `${name}\0${value}`;
const staticFields = new Map<string, number>();
const staticNames = new Map<string, number>();
for (const [i, field] of STATIC.entries()) {
  if (!staticFields.has(key(field))) staticFields.set(key(field), i + 1);
  if (!staticNames.has(field[0])) staticNames.set(field[0], i + 1);
}

/** One direction of one connection. */
export class HpackEncoder {
  readonly #style: HpackStyle;
  /** Entries oldest first, from `#first` on; the number of an entry is its place in it. */
  readonly #entries: Field[] = [];
  #first = 0;
  #bytes = 0;
  /** Number of the newest entry of that field, and of that name. */
  readonly #fields = new Map<string, number>();
  readonly #names = new Map<string, number>();

  constructor(style: HpackStyle) {
    prepareHuffman();
    this.#style = style;
  }

  /** The header block of these fields, as a view that the next call writes over. Values are text in UTF-8. */
  encode(fields: readonly Field[]): Buffer {
    at = 0;
    for (const field of fields) this.#field(field);
    return out.subarray(0, at);
  }

  #field(field: Field): void {
    const text = key(field);
    const index = staticFields.get(text) ?? this.#index(this.#fields.get(text));
    if (index > 0) {
      writeNumber(0x80, 7, index);
      return;
    }
    const [name, value] = field;
    const bytes = name.length + Buffer.byteLength(value) + ENTRY_OVERHEAD_BYTES;
    const isCareful = this.#style === 'careful';
    const isSecret = isCareful && (name === 'authorization' || (name === 'cookie' && value.length < COOKIE_BYTES_MIN));
    const isInserted = !isSecret && bytes <= TABLE_BYTES && !(isCareful && RARELY_TWICE.has(name));
    const named = staticNames.get(name) ?? this.#index(this.#names.get(name));
    if (isInserted) writeNumber(0x40, 6, named);
    else writeNumber(isSecret ? 0x10 : 0, 4, named);
    if (named === 0) writeString(name);
    writeString(value);
    if (isInserted) this.#insert(field, text, bytes);
  }

  /** The index of an entry; 0 when it is not in the table any more. */
  #index(number: number | undefined): number {
    return number === undefined || number < this.#first ? 0 : STATIC.length + this.#entries.length - number;
  }

  #insert(field: Field, text: string, bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > TABLE_BYTES) {
      const oldest = this.#entries[this.#first];
      this.#bytes -= oldest[0].length + Buffer.byteLength(oldest[1]) + ENTRY_OVERHEAD_BYTES;
      if (this.#fields.get(key(oldest)) === this.#first) this.#fields.delete(key(oldest));
      if (this.#names.get(oldest[0]) === this.#first) this.#names.delete(oldest[0]);
      this.#first++;
    }
    this.#fields.set(text, this.#entries.length);
    this.#names.set(field[0], this.#entries.length);
    this.#entries.push(field);
  }
}

const out = Buffer.alloc(256 << 10);
let at = 0;

function writeNumber(first: number, bits: number, value: number): void {
  const most = (1 << bits) - 1;
  if (value < most) {
    out[at++] = first | value;
    return;
  }
  out[at++] = first | most;
  let rest = value - most;
  for (; rest >= 128; rest >>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
}

const text = Buffer.alloc(64 << 10);

function writeString(value: string): void {
  const length = text.write(value, 0, 'utf8');
  let bits = 0;
  for (let i = 0; i < length; i++) bits += huffmanLengths[text[i]];
  const packed = (bits + 7) >> 3;
  if (packed >= length) {
    writeNumber(0, 7, length);
    text.copy(out, at, 0, length);
    at += length;
    return;
  }
  writeNumber(0x80, 7, packed);
  // At most 7 bits wait when a code of at most 30 comes: more than an int32 has.
  let waiting = 0;
  let count = 0;
  for (let i = 0; i < length; i++) {
    let left = huffmanLengths[text[i]];
    const code = huffmanCodes[text[i]];
    while (left > 0) {
      const take = left < 8 - count ? left : 8 - count;
      left -= take;
      waiting = (waiting << take) | ((code >> left) & ((1 << take) - 1));
      count += take;
      if (count === 8) {
        out[at++] = waiting;
        waiting = count = 0;
      }
    }
  }
  // The beginning of the end-of-string symbol.
  if (count > 0) out[at++] = (waiting << (8 - count)) | ((1 << (8 - count)) - 1);
}
