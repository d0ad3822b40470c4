/**
 * Descriptors: what messages are made of, from a FileDescriptorSet as `protoc --descriptor_set_out` and `buf build` write it
 * (google/protobuf/descriptor.proto). Read once, into maps that protobuf.ts asks.
 *
 *   FileDescriptorSet    1 file
 *   FileDescriptorProto  2 package   4 message   5 enum   6 service   7 extension
 *   DescriptorProto      1 name      2 field     3 nested message     4 enum   6 extension
 *   FieldDescriptorProto 1 name      2 extended type   3 number       4 label (3: repeated)   5 type   6 name of its type
 *   EnumDescriptorProto  1 name      2 value { 1 name  2 number }
 *   ServiceDescriptorProto  1 name   2 method { 1 name  2 input  3 output }
 *
 * Names of types are absolute, with a dot before them, as compilers write them; others are looked for from the innermost scope
 * outwards. A type that no file has is read as if nothing was known of it. Of two files with one type the last one counts. Bound: NESTING_MAX messages inside of each other.
 */

export const DOUBLE = 1;
export const FLOAT = 2;
export const INT64 = 3;
const UINT64 = 4;
export const INT32 = 5;
const FIXED64 = 6;
const FIXED32 = 7;
export const BOOL = 8;
export const STRING = 9;
export const MESSAGE = 11;
const BYTES = 12;
export const UINT32 = 13;
export const ENUM = 14;
export const SFIXED32 = 15;
export const SFIXED64 = 16;
export const SINT32 = 17;
export const SINT64 = 18;

const wires = new Int8Array(32).fill(-1);
for (const type of [INT64, UINT64, INT32, BOOL, UINT32, ENUM, SINT32, SINT64]) wires[type] = 0;
for (const type of [DOUBLE, FIXED64, SFIXED64]) wires[type] = 1;
for (const type of [STRING, MESSAGE, BYTES]) wires[type] = 2;
for (const type of [FLOAT, FIXED32, SFIXED32]) wires[type] = 5;

/** The wire type of a type; -1 for a group. */
export function wireOf(type: number): number {
  return wires[type];
}

export interface FieldType {
  /** `"name":` as JSON. */
  readonly key: Uint8Array;
  readonly type: number;
  readonly isRepeated: boolean;
  /** Of a message: null when nothing is known of it. */
  message: MessageType | null;
  /** Of an enum: names by number, in quotes. */
  names: ReadonlyMap<number, Uint8Array> | null;
}

export interface MessageType {
  readonly name: string;
  /** By number. */
  readonly fields: Map<number, FieldType>;
}

export interface MethodType {
  readonly input: MessageType | null;
  readonly output: MessageType | null;
}

/** What is no FileDescriptorSet, and where it breaks. */
export class WrongDescriptor extends Error {}

const NESTING_MAX = 100;

/** The fields of one message of a descriptor. */
class Reader {
  readonly #data: Buffer;
  readonly #end: number;
  #p: number;
  field = 0;
  /** Of a varint. */
  value = 0;
  /** Of bytes. */
  at = 0;
  end = 0;
  constructor(data: Buffer, at: number, end: number) {
    this.#data = data;
    this.#p = at;
    this.#end = end;
  }

  next(): boolean {
    if (this.#p >= this.#end) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.value = 0;
    this.at = this.end = this.#p;
    const wire = tag % 8;
    if (wire === 0) this.value = this.#varint();
    else if (wire === 1 || wire === 5) this.#skip(wire === 1 ? 8 : 4);
    else if (wire === 2) {
      const length = this.#varint();
      this.at = this.#p;
      this.#skip(length);
      this.end = this.#p;
    } else throw new WrongDescriptor(`at byte ${this.#p} stands no field`);
    if (this.field === 0) throw new WrongDescriptor(`at byte ${this.#p} stands no field`);
    return true;
  }

  #skip(length: number): void {
    if (length > this.#end - this.#p) throw new WrongDescriptor(`the field at byte ${this.#p} goes beyond its message`);
    this.#p += length;
  }

  #varint(): number {
    let n = 0;
    for (let i = 0; i < 10; i++) {
      if (this.#p >= this.#end) break;
      const b = this.#data[this.#p++];
      n += (b & 0x7f) * 2 ** (7 * i);
      if (b < 0x80) return n;
    }
    throw new WrongDescriptor(`at byte ${this.#p} stands no number`);
  }

  text(): string {
    return this.#data.toString('utf8', this.at, this.end);
  }

  /** The message that the field at hand is. */
  inner(): Reader {
    return new Reader(this.#data, this.at, this.end);
  }
}

interface Pending {
  readonly field: FieldType;
  readonly typeName: string;
  /** Where the name stands: "pkg.Outer." */
  readonly scope: string;
}

/** What a name means in a scope ("pkg.Outer."); null when there is no such thing. */
function find<T>(all: ReadonlyMap<string, T>, name: string, scope: string): T | null {
  if (name.startsWith('.')) return all.get(name.slice(1)) ?? null;
  for (let prefix = scope; ; prefix = prefix.slice(0, prefix.lastIndexOf('.', prefix.length - 2) + 1)) {
    const found = all.get(prefix + name);
    if (found !== undefined || prefix === '') return found ?? null;
  }
}

/** All types and methods of some files. */
export class Descriptors {
  /** By full name, without a dot before it. */
  readonly messages: Map<string, MessageType> = new Map();
  /** By `pkg.Service/Method`. */
  readonly methods: Map<string, MethodType> = new Map();
  readonly #enums = new Map<string, Map<number, Uint8Array>>();
  readonly #pending: Pending[] = [];
  readonly #extensions: (readonly [extended: string, number: number, field: FieldType, scope: string])[] = [];
  readonly #calls: (readonly [name: string, input: string, output: string, scope: string])[] = [];

  /** Throws WrongDescriptor. */
  constructor(files: readonly Uint8Array[]) {
    for (const file of files) {
      const data = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
      const set = new Reader(data, 0, data.length);
      let count = 0;
      while (set.next()) {
        if (set.field !== 1 || set.end === set.at) throw new WrongDescriptor(`it holds field ${set.field}, which no descriptor set has`);
        count++;
        this.#file(set.inner());
      }
      if (count === 0) throw new WrongDescriptor('it describes no file');
    }
    for (const [extended, number, field, scope] of this.#extensions) find(this.messages, extended, scope)?.fields.set(number, field);
    for (const { field, typeName, scope } of this.#pending) {
      if (field.type === MESSAGE) field.message = find(this.messages, typeName, scope);
      else field.names = find(this.#enums, typeName, scope);
    }
    for (const [name, input, output, scope] of this.#calls) {
      this.methods.set(name, { input: find(this.messages, input, scope), output: find(this.messages, output, scope) });
    }
  }

  #file(reader: Reader): void {
    const inner: Reader[] = [];
    const kinds: number[] = [];
    let prefix = '';
    let name = '';
    while (reader.next()) {
      if (reader.field === 1) name = reader.text();
      else if (reader.field === 2) prefix = `${reader.text()}.`;
      else if (reader.field >= 4 && reader.field <= 7) {
        kinds.push(reader.field);
        inner.push(reader.inner());
      }
    }
    if (name === '') throw new WrongDescriptor('a file in it has no name');
    inner.forEach((part, i) => {
      if (kinds[i] === 4) this.#message(part, prefix, 0);
      else if (kinds[i] === 5) this.#enum(part, prefix);
      else if (kinds[i] === 6) this.#service(part, prefix);
      else this.#field(part, null, prefix);
    });
  }

  #message(reader: Reader, prefix: string, depth: number): void {
    if (depth >= NESTING_MAX) throw new WrongDescriptor(`messages are nested more than ${NESTING_MAX} deep`);
    const inner: Reader[] = [];
    const kinds: number[] = [];
    let name = '';
    while (reader.next()) {
      if (reader.field === 1) name = reader.text();
      else if (reader.field === 2 || reader.field === 3 || reader.field === 4 || reader.field === 6) {
        kinds.push(reader.field);
        inner.push(reader.inner());
      }
    }
    const message: MessageType = { name: prefix + name, fields: new Map() };
    this.messages.set(message.name, message);
    const within = `${message.name}.`;
    inner.forEach((part, i) => {
      if (kinds[i] === 2) this.#field(part, message, within);
      else if (kinds[i] === 3) this.#message(part, within, depth + 1);
      else if (kinds[i] === 4) this.#enum(part, within);
      else this.#field(part, null, within);
    });
  }

  /** Of a message, or an extension, which is named in brackets. */
  #field(reader: Reader, message: MessageType | null, within: string): void {
    let name = '';
    let number = 0;
    let type = 0;
    let label = 0;
    let typeName = '';
    let extended = '';
    while (reader.next()) {
      if (reader.field === 1) name = reader.text();
      else if (reader.field === 2) extended = reader.text();
      else if (reader.field === 3) number = reader.value;
      else if (reader.field === 4) label = reader.value;
      else if (reader.field === 5) type = reader.value;
      else if (reader.field === 6) typeName = reader.text();
    }
    if (name === '' || number === 0 || (wires[type] ?? -1) < 0) return;
    const shown = message === null ? `[${within}${name}]` : name;
    const field: FieldType = {
      key: Buffer.from(`${JSON.stringify(shown)}:`),
      type,
      isRepeated: label === 3,
      message: null,
      names: null,
    };
    if (message === null) this.#extensions.push([extended, number, field, within]);
    else message.fields.set(number, field);
    if (type === MESSAGE || type === ENUM) this.#pending.push({ field, typeName, scope: within });
  }

  #enum(reader: Reader, prefix: string): void {
    let name = '';
    const names = new Map<number, Uint8Array>();
    while (reader.next()) {
      if (reader.field === 1) name = reader.text();
      else if (reader.field === 2) {
        const value = reader.inner();
        let text = '';
        let number = 0;
        while (value.next()) {
          if (value.field === 1) text = value.text();
          else if (value.field === 2) number = value.value >= 2 ** 63 ? value.value - 2 ** 64 : value.value;
        }
        // Of several names for one number the first counts. A negative one loses its last digits in a double: it stays a number.
        if (text !== '' && number >= 0 && !names.has(number)) names.set(number, Buffer.from(JSON.stringify(text)));
      }
    }
    this.#enums.set(prefix + name, names);
  }

  #service(reader: Reader, prefix: string): void {
    let name = '';
    const calls: [string, string, string][] = [];
    while (reader.next()) {
      if (reader.field === 1) name = reader.text();
      else if (reader.field === 2) {
        const method = reader.inner();
        const call: [string, string, string] = ['', '', ''];
        while (method.next()) if (method.field >= 1 && method.field <= 3) call[method.field - 1] = method.text();
        calls.push(call);
      }
    }
    for (const [method, input, output] of calls) this.#calls.push([`${prefix}${name}/${method}`, input, output, prefix]);
  }
}
