/** Makes the bytes of capture files for the tests of this folder, and reads captures whole. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytes } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import type { Settings } from '../base/settings.ts';
import { openCapture } from './capture.ts';
import { Packet } from './packet.ts';

export interface Record {
  readonly seconds: number;
  readonly fraction: number;
  readonly data: Buffer;
  readonly wire?: number;
}

/** A record of `length` bytes that all have the low byte of `seconds` as value. */
export function record(seconds: number, length: number, fraction = 0): Record {
  return { seconds, fraction, data: Buffer.alloc(length, seconds) };
}

export interface PcapOptions {
  readonly magic?: number;
  readonly littleEndian?: boolean;
  readonly link?: number;
}

function writer(littleEndian: boolean): { u16: (n: number) => Buffer; u32: (n: number) => Buffer } {
  return {
    u16: (n) => {
      const b = Buffer.alloc(2);
      if (littleEndian) b.writeUInt16LE(n & 0xffff);
      else b.writeUInt16BE(n & 0xffff);
      return b;
    },
    u32: (n) => {
      const b = Buffer.alloc(4);
      if (littleEndian) b.writeUInt32LE(n >>> 0);
      else b.writeUInt32BE(n >>> 0);
      return b;
    },
  };
}

export function pcap(records: readonly Record[], { magic = 0xa1b2c3d4, littleEndian = true, link = 1 }: PcapOptions = {}): Buffer {
  const { u16, u32 } = writer(littleEndian);
  const long = magic === 0xa1b2cd34 ? Buffer.alloc(8, 0xee) : Buffer.alloc(0);
  const parts = [u32(magic), u16(2), u16(4), u32(0), u32(0), u32(0), u32(link)];
  for (const { seconds, fraction, data, wire } of records) {
    parts.push(u32(seconds), u32(fraction), u32(data.length), u32(wire ?? data.length), long, data);
  }
  return Buffer.concat(parts);
}

/** Blocks of a pcapng file in one byte order. */
export class Blocks {
  readonly parts: Buffer[] = [];
  #u16: (n: number) => Buffer;
  #u32: (n: number) => Buffer;
  #littleEndian: boolean;

  constructor(littleEndian = true) {
    this.#littleEndian = littleEndian;
    ({ u16: this.#u16, u32: this.#u32 } = writer(littleEndian));
  }

  block(type: number, ...body: readonly Buffer[]): this {
    const content = Buffer.concat(body);
    const padding = Buffer.alloc(-content.length & 3);
    const length = this.#u32(12 + content.length + padding.length);
    this.parts.push(this.#u32(type), length, content, padding, length);
    return this;
  }

  section(): this {
    const unknown = Buffer.alloc(8, 0xff);
    return this.block(
      0x0a0d0d0a,
      this.#u32(0x1a2b3c4d),
      this.#u16(1),
      this.#u16(0),
      unknown,
      this.option(4, Buffer.from('tests')),
      this.option(0),
    );
  }

  option(code: number, value: Buffer = Buffer.alloc(0)): Buffer {
    return Buffer.concat([this.#u16(code), this.#u16(value.length), value, Buffer.alloc(-value.length & 3)]);
  }

  interface(
    link: number,
    { name, resolution, offset, snap = 0 }: { name?: string; resolution?: number; offset?: bigint; snap?: number } = {},
  ): this {
    const options: Buffer[] = [];
    if (name !== undefined) options.push(this.option(2, Buffer.from(name)));
    if (resolution !== undefined) options.push(this.option(9, Buffer.of(resolution)));
    if (offset !== undefined) {
      const b = Buffer.alloc(8);
      if (this.#littleEndian) b.writeBigInt64LE(offset);
      else b.writeBigInt64BE(offset);
      options.push(this.option(14, b));
    }
    if (options.length > 0) options.push(this.option(0));
    return this.block(1, this.#u16(link), this.#u16(0), this.#u32(snap), ...options);
  }

  enhanced(place: number, time: bigint, data: Buffer, wire: number = data.length): this {
    const padded = Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
    const comment = [this.option(1, Buffer.from('comment')), this.option(0)];
    return this.block(6, this.#u32(place), ...this.#time(time), this.#u32(data.length), this.#u32(wire), padded, ...comment);
  }

  obsolete(place: number, time: bigint, data: Buffer): this {
    return this.block(2, this.#u16(place), this.#u16(7), ...this.#time(time), this.#u32(data.length), this.#u32(data.length), data);
  }

  simple(data: Buffer, wire: number = data.length): this {
    return this.block(3, this.#u32(wire), data);
  }

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }

  #time(time: bigint): Buffer[] {
    return [this.#u32(Number(time >> 32n)), this.#u32(Number(time & 0xffffffffn))];
  }
}

export interface Got {
  readonly us: number;
  readonly hex: string;
  readonly wire: number;
  readonly link: number;
  readonly interface: number;
}

/** Every packet of the captures. */
export function readAll(paths: readonly string[], settings?: Settings): Got[] {
  const capture = openCapture(paths, settings);
  const packet = new Packet();
  const all: Got[] = [];
  try {
    while (capture.next(packet)) {
      all.push({
        us: packetTimeUs[0],
        hex: bytes.toString('hex', packet.at, packet.end),
        wire: packet.wireBytes,
        link: packet.linkType,
        interface: packet.interfaceId,
      });
    }
  } finally {
    capture.close();
  }
  return all;
}

/** A folder for the files of a test, removed at the end of the process. */
export class Folder {
  readonly path: string = mkdtempSync(join(tmpdir(), 'earshot-capture-'));
  constructor() {
    process.on('exit', () => rmSync(this.path, { recursive: true, force: true }));
  }
  file(name: string, content: Buffer): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }
}
