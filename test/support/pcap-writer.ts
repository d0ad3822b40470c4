/**
 * PcapWriter: packets into a classic pcap file (or into memory) through one large buffer.
 *
 *   file header, 24 B, little-endian        record header, 16 B, before each packet
 *   +--------+-----+-----+------+------+---------+------+   +-----+------+----------+--------+
 *   | magic  | 2   | 4   | zone | sigs | snaplen | link |   | s   | us   | captured | length |
 *   | 4      | 2   | 2   | 4    | 4    | 4       | 4    |   | 4   | 4    | 4        | 4      |
 *   +--------+-----+-----+------+------+---------+------+   +-----+------+----------+--------+
 *
 * A packet is written in place: `reserve` says where its bytes go in `bytes`, `commit` makes it part of the
 * file. What was reserved and not committed is overwritten by the next packet.
 */
import fs from 'node:fs';

const BUFFER_BYTES = 8 << 20;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const SNAPLEN = 262144;

/** Link type of Ethernet. */
export const LINK_ETHERNET = 1;

export class PcapWriter {
  /** Where packets are written; the offsets are those of `reserve`. */
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Packets committed. */
  packets = 0;
  /** Bytes committed, headers of the file included. */
  fileBytes: number = FILE_HEADER_BYTES;
  private at: number = FILE_HEADER_BYTES;
  private readonly file: number;
  private readonly chunks: Buffer[] = [];

  /** Writes to the file at `path`, which is made anew, or to memory when there is no path. */
  constructor(path?: string, linkType: number = LINK_ETHERNET) {
    this.file = path === undefined ? -1 : fs.openSync(path, 'w');
    const head = this.bytes;
    head.writeUInt32LE(MAGIC_MICROSECONDS, 0);
    head.writeUInt16LE(2, 4);
    head.writeUInt16LE(4, 6);
    head.writeUInt32LE(0, 8);
    head.writeUInt32LE(0, 12);
    head.writeUInt32LE(SNAPLEN, 16);
    head.writeUInt32LE(linkType, 20);
  }

  /** Offset in `bytes` for a packet of at most `lengthMax` bytes. */
  reserve(lengthMax: number): number {
    if (this.at + RECORD_HEADER_BYTES + lengthMax > BUFFER_BYTES) this.flush();
    return this.at + RECORD_HEADER_BYTES;
  }

  /** The `length` bytes that were written at the reserved offset are a packet of that time (microseconds since 1970). */
  commit(length: number, timeUs: number): void {
    const bytes = this.bytes;
    const at = this.at;
    const seconds = Math.floor(timeUs / 1e6);
    bytes.writeUInt32LE(seconds, at);
    bytes.writeUInt32LE(timeUs - seconds * 1e6, at + 4);
    bytes.writeUInt32LE(length, at + 8);
    bytes.writeUInt32LE(length, at + 12);
    this.at = at + RECORD_HEADER_BYTES + length;
    this.packets++;
    this.fileBytes += RECORD_HEADER_BYTES + length;
  }

  /** Ends the file. The bytes of the whole capture when it was written to memory, else an empty buffer. */
  close(): Buffer {
    this.flush();
    if (this.file >= 0) fs.closeSync(this.file);
    return Buffer.concat(this.chunks);
  }

  private flush(): void {
    if (this.file < 0) {
      this.chunks.push(Buffer.from(this.bytes.subarray(0, this.at)));
    } else {
      for (let done = 0; done < this.at; ) done += fs.writeSync(this.file, this.bytes, done, this.at - done);
    }
    this.at = 0;
  }
}
