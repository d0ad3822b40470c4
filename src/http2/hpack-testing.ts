/** For tests: header blocks as bytes in the arena, and HPACK once more as plainly as it can be written, with strings and arrays. */
import { bytes, packetRegion } from '../base/arena.ts';
import { fieldCount, fieldList } from './field-list.ts';
import type { HeaderTable } from './header-table.ts';
import { decodeFields } from './hpack.ts';
import { BAD_HUFFMAN, BAD_INDEX, BAD_INTEGER, BAD_TABLE_SIZE, TRUNCATED } from './hpack-error.ts';
import { huffmanCodes, huffmanLengths, prepareHuffman } from './huffman.ts';
import { STATIC_LAST, staticFields } from './static-table.ts';

/** Name and value; null is unknown. */
export type Field = readonly [name: string | null, value: string | null];
/** A field whose name and value are known. */
export type Known = readonly [name: string, value: string];

const BLOCK_AT = packetRegion.at + 64;

function text(at: number, end: number): string | null {
  return at < 0 ? null : bytes.toString('latin1', at, end);
}

export interface Decoded {
  /** What `decodeFields` returned. */
  readonly result: number;
  readonly fields: readonly Field[];
}

/** Decodes a block; `around` is what stands before and behind it. */
export function decodeBlock(table: HeaderTable, block: Uint8Array, around = 0xa5): Decoded {
  bytes.fill(around, BLOCK_AT - 64, BLOCK_AT);
  bytes.set(block, BLOCK_AT);
  bytes.fill(around, BLOCK_AT + block.length, BLOCK_AT + block.length + 64);
  const result = decodeFields(table, BLOCK_AT, BLOCK_AT + block.length);
  const fields: Field[] = [];
  for (let f = 0; f < fieldCount[0] << 2; f += 4) {
    fields.push([text(fieldList[f], fieldList[f + 1]), text(fieldList[f + 2], fieldList[f + 3])]);
  }
  return { result, fields };
}

/** The fields of a block that has no error. */
export function fieldsOf(table: HeaderTable, block: Uint8Array): readonly Field[] {
  const { result, fields } = decodeBlock(table, block);
  if (result !== fields.length) throw new Error(`result ${result}, ${fields.length} fields: ${Buffer.from(block).toString('hex')}`);
  return fields;
}

/** The known entries of a table, newest first. */
export function entriesOf(table: HeaderTable): Field[] {
  return Array.from({ length: table.count }, (_, i): Field => {
    const entry = table.entry(i);
    const start = table.start(entry);
    const nameBytes = table.nameBytes(entry);
    const valueAt = start + Math.max(nameBytes, 0);
    return [nameBytes < 0 ? null : text(start, valueAt), text(valueAt, valueAt + table.valueBytes(entry))];
  });
}

export const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex');

/** Numbers that look random, the same for the same seed. */
export function numbers(seed: number): (below: number) => number {
  let x = seed | 0;
  return (below) => {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    return (x >>> 8) % below;
  };
}

export function writeNumber(first: number, bits: number, value: number): number[] {
  const most = (1 << bits) - 1;
  if (value < most) return [first | value];
  const out = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  return [...out, rest];
}

/** What stands for the text in the Huffman code. */
export function pack(value: string): number[] {
  prepareHuffman();
  let bits = '';
  for (const c of Buffer.from(value, 'latin1')) bits += huffmanCodes[c].toString(2).padStart(huffmanLengths[c], '0');
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Array.from({ length: bits.length / 8 }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2));
}

export function writeString(value: string, isHuffman: boolean): number[] {
  const content = isHuffman ? pack(value) : [...Buffer.from(value, 'latin1')];
  return [...writeNumber(isHuffman ? 0x80 : 0, 7, content.length), ...content];
}

const staticTable = Array.from({ length: STATIC_LAST }, (_, i): Known => {
  const f = (i + 1) << 2;
  return [
    bytes.toString('latin1', staticFields[f], staticFields[f + 1]),
    bytes.toString('latin1', staticFields[f + 2], staticFields[f + 3]),
  ];
});

/** The table of one end, which knows everything. */
class ModelTable {
  /** Newest first. */
  entries: Known[] = [];
  size = 4096;

  bytes = 0;

  setSize(size: number): void {
    this.size = size;
    this.#evict();
  }

  insert(field: Known): void {
    this.entries.unshift(field);
    this.bytes += sizeOf(field);
    this.#evict();
  }

  /** The field of an index from 1 on. */
  field(index: number): Known | undefined {
    return index <= STATIC_LAST ? staticTable[index - 1] : this.entries[index - STATIC_LAST - 1];
  }

  #evict(): void {
    while (this.bytes > this.size) this.bytes -= sizeOf(this.entries.pop() ?? ['', '']);
  }
}

const sizeOf = ([name, value]: Known): number => name.length + value.length + 32;

/** An encoder that uses each form that fits, by chance. */
export class ModelEncoder extends ModelTable {
  readonly #below: (below: number) => number;

  constructor(below: (below: number) => number) {
    super();
    this.#below = below;
  }

  /** The bytes of a size update, to be put in front of the next block. */
  update(size: number): number[] {
    this.setSize(size);
    return writeNumber(0x20, 5, size);
  }

  encode(fields: readonly Known[]): number[] {
    return fields.flatMap((field) => this.#encodeField(field));
  }

  #encodeField([name, value]: Known): number[] {
    const last = STATIC_LAST + this.entries.length;
    // The first that fits, from a place taken by chance; 0: none.
    const pick = (fits: (entry: Known) => boolean): number => {
      const first = this.#below(last);
      for (let i = 0; i < last; i++) {
        const index = ((first + i) % last) + 1;
        if (fits(this.field(index) ?? ['', ''])) return index;
      }
      return 0;
    };
    const same = this.#below(8) === 0 ? 0 : pick((entry) => entry[0] === name && entry[1] === value);
    if (same > 0) return writeNumber(0x80, 7, same);
    const named = this.#below(4) === 0 ? 0 : pick((entry) => entry[0] === name);
    const strings = [...(named > 0 ? [] : writeString(name, this.#below(2) === 0)), ...writeString(value, this.#below(2) === 0)];
    const form = this.#below(5);
    if (form < 3) this.insert([name, value]);
    const first = form < 3 ? writeNumber(0x40, 6, named) : writeNumber(form === 3 ? 0x10 : 0, 4, named);
    return [...first, ...strings];
  }
}

/** A decoder that saw everything. */
export class ModelDecoder extends ModelTable {
  sizeMax = 4096;
  #block: readonly number[] = [];
  #at = 0;

  /** The fields up to the first error, and the error or 0. */
  decode(block: Uint8Array): { fields: Known[]; error: number } {
    this.#block = [...block];
    this.#at = 0;
    const fields: Known[] = [];
    try {
      while (this.#at < this.#block.length) this.#field(fields);
      return { fields, error: 0 };
    } catch (error) {
      if (typeof error !== 'number') throw error;
      return { fields, error };
    }
  }

  #field(fields: Known[]): void {
    const first = this.#block[this.#at];
    if (first >= 0x80) {
      fields.push(this.#lookUp(this.#number(7)));
    } else if (first >= 0x20 && first < 0x40) {
      const size = this.#number(5);
      if (fields.length > 0 || size > this.sizeMax) throw BAD_TABLE_SIZE;
      this.setSize(size);
    } else {
      const index = this.#number(first >= 0x40 ? 6 : 4);
      const name = index === 0 ? this.#string() : this.#lookUp(index)[0];
      const field: Known = [name, this.#string()];
      if (first >= 0x40) this.insert(field);
      fields.push(field);
    }
  }

  #lookUp(index: number): Known {
    const field = this.field(index);
    if (field === undefined) throw BAD_INDEX;
    return field;
  }

  #byte(): number {
    if (this.#at >= this.#block.length) throw TRUNCATED;
    return this.#block[this.#at++];
  }

  #number(bits: number): number {
    const most = 2 ** bits - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte();
      if (shift === 28 && byte > 15) throw BAD_INTEGER;
      value += (byte % 128) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  #string(): string {
    const isHuffman = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#number(7);
    if (length > this.#block.length - this.#at) throw TRUNCATED;
    const raw = this.#block.slice(this.#at, this.#at + length);
    this.#at += length;
    return isHuffman ? unpack(raw) : Buffer.from(raw).toString('latin1');
  }
}

const symbolOfCode = new Map<string, number>();

function unpack(coded: readonly number[]): string {
  prepareHuffman();
  if (symbolOfCode.size === 0) {
    huffmanCodes.forEach((code, symbol) => {
      symbolOfCode.set(code.toString(2).padStart(huffmanLengths[symbol], '0'), symbol);
    });
  }
  const out: number[] = [];
  let code = '';
  for (const bit of coded.map((byte) => byte.toString(2).padStart(8, '0')).join('')) {
    code += bit;
    const symbol = symbolOfCode.get(code);
    if (symbol === undefined) continue;
    if (symbol === 256) throw BAD_HUFFMAN;
    out.push(symbol);
    code = '';
  }
  if (code.length > 7 || code.includes('0')) throw BAD_HUFFMAN;
  return Buffer.from(out).toString('latin1');
}

const names = [
  ':method :path :status :authority content-type content-length user-agent cookie set-cookie accept date etag via server',
  'x-request-id x-b3-traceid x-forwarded-for grpc-status grpc-message te authorization cache-control traceparent',
].flatMap((line) => line.split(' '));
const values = ['GET', 'POST', '/', '200', '404', 'gzip', 'application/json', 'application/grpc', 'api.example.com', '0', 'trailers', ''];

/** Fields as they come, with repeats: some from a small stock, some new each time, a few of odd bytes. */
export function someFields(below: (below: number) => number, count: number): Known[] {
  return Array.from({ length: count }, (): Known => {
    const name = below(8) === 0 ? `x-${below(40).toString(36)}` : names[below(names.length)];
    const kind = below(10);
    if (kind < 4) return [name, values[below(values.length)]];
    if (kind < 8) return [name, `/orders/${below(30)}?sort=${below(4)}`];
    if (kind < 9) return [name, `${below(2 ** 24).toString(36)}-${'token'.repeat(below(12))}`];
    return [name, String.fromCharCode(...Array.from({ length: below(60) }, () => below(256)))];
  });
}
