/** Bench: nanoseconds a packet for reading captures, medians of several runs over one generated file. */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { openCapture } from './capture.ts';
import { Packet } from './packet.ts';

const PACKETS = 400_000;
const RUNS = 7;

/** Lengths as in small calls on keep-alive connections: half of them bare acknowledgements. */
function lengthOf(i: number): number {
  return i % 2 === 0 ? 66 : 300 + ((i * 7919) % 1150);
}

function pcapBytes(packets: number): Buffer {
  let total = 24;
  for (let i = 0; i < packets; i++) total += 16 + lengthOf(i);
  const out = Buffer.alloc(total, 0x61);
  out.writeUInt32LE(0xa1b2c3d4, 0);
  out.writeUInt16LE(2, 4);
  out.writeUInt16LE(4, 6);
  out.writeUInt32LE(1, 20);
  let at = 24;
  for (let i = 0; i < packets; i++) {
    const length = lengthOf(i);
    out.writeUInt32LE(1_700_000_000 + Math.floor(i / 1e6), at);
    out.writeUInt32LE(i % 1e6, at + 4);
    out.writeUInt32LE(length, at + 8);
    out.writeUInt32LE(length, at + 12);
    at += 16 + length;
  }
  return out;
}

function pcapngBytes(packets: number): Buffer {
  const padded = (n: number): number => (n + 3) & ~3;
  let total = 28 + 20;
  for (let i = 0; i < packets; i++) total += 32 + padded(lengthOf(i));
  const out = Buffer.alloc(total);
  let at = 0;
  const block = (type: number, length: number): number => {
    out.writeUInt32LE(type, at);
    out.writeUInt32LE(length, at + 4);
    out.writeUInt32LE(length, at + length - 4);
    at += length;
    return at - length + 8;
  };
  let body = block(0x0a0d0d0a, 28);
  out.writeUInt32LE(0x1a2b3c4d, body);
  out.writeUInt16LE(1, body + 4);
  body = block(1, 20);
  out.writeUInt16LE(1, body);
  for (let i = 0; i < packets; i++) {
    const length = lengthOf(i);
    body = block(6, 32 + padded(length));
    out.writeUInt32LE(0x60000, body + 4);
    out.writeUInt32LE(i, body + 8);
    out.writeUInt32LE(length, body + 12);
    out.writeUInt32LE(length, body + 16);
  }
  return out;
}

const folder = mkdtempSync(join(tmpdir(), 'earshot-bench-'));

function write(name: string, content: Buffer): string {
  const path = join(folder, name);
  const fd = openSync(path, 'w');
  for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
  closeSync(fd);
  return path;
}

function measure(name: string, paths: readonly string[], packets: number): void {
  const packet = new Packet();
  const costs: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const capture = openCapture(paths);
    const from = process.hrtime.bigint();
    let n = 0;
    while (capture.next(packet)) n++;
    costs.push(Number(process.hrtime.bigint() - from) / n);
    capture.close();
    if (n !== packets) throw new Error(`${name}: ${n} packets, not ${packets}`);
  }
  costs.sort((a, b) => a - b);
  console.log(`capture.${name} ${costs[RUNS >> 1].toFixed(1)} ns/packet`);
}

try {
  const plain = pcapBytes(PACKETS);
  const pcap = write('a.pcap', plain);
  measure('pcap', [pcap], PACKETS);
  measure('pcapng', [write('a.pcapng', pcapngBytes(PACKETS))], PACKETS);
  measure('zstd', [write('a.pcap.zst', zstdCompressSync(plain))], PACKETS);
  measure('two-merged', [pcap, pcap], 2 * PACKETS);
} finally {
  rmSync(folder, { recursive: true });
}
