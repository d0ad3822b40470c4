/**
 * Flow table and reassembly, ns a packet: a small and a large number of interleaved connections, in order, and with
 * neighbours swapped. Prints `name value unit` lines.
 */

import { packetRegion } from '../base/arena.ts';
import { resetBlocks } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { defaultSettings } from '../base/settings.ts';
import { Segment } from '../decode/segment.ts';
import { Chunk } from './chunk.ts';
import { accept, expire, MORE, nextChunk, resetReassembly } from './reassemble.ts';

const PACKETS = 2_000_000;
const PAYLOAD_BYTES = 1000;
const ACK = 16;
const SYN = 2;
const segment = new Segment();
const chunk = new Chunk();

function send(connection: number, flags: number, sequence: number, length: number): void {
  segment.ipVersion = 4;
  segment.src0 = 0x0a000000 + (connection >>> 12);
  segment.dst0 = 0x0b000001;
  segment.ports = ((1024 + (connection & 0xfff)) << 16) | 80;
  segment.sequence = sequence | 0;
  segment.acknowledgement = 1;
  segment.flags = flags;
  segment.payloadAt = packetRegion.at;
  segment.payloadEnd = packetRegion.at + length;
  segment.payloadWireBytes = length;
  packetTimeUs[0] += 1;
  if (expire()) while (nextChunk(chunk));
  if (accept(segment, chunk) === MORE) while (nextChunk(chunk));
}

/** Sends PACKETS packets round robin over the connections; every `swapEvery`th pair of one connection is swapped. */
function measure(name: string, connections: number, swapEvery: number): void {
  resetBlocks(defaultSettings.memory.blockBytesMax);
  resetReassembly(defaultSettings);
  packetTimeUs[0] = 1.7e15;
  for (let i = 0; i < connections; i++) send(i, SYN, 0, 0);
  const rounds = Math.floor(PACKETS / connections);
  const started = process.hrtime.bigint();
  for (let round = 0; round < rounds; round++) {
    const swapped = swapEvery > 0 && round % swapEvery < 2 ? (round % swapEvery === 0 ? round + 1 : round - 1) : round;
    for (let i = 0; i < connections; i++) send(i, ACK, 1 + swapped * PAYLOAD_BYTES, PAYLOAD_BYTES);
  }
  const ns = Number(process.hrtime.bigint() - started) / (rounds * connections);
  console.log(`${name} ${ns.toFixed(0)} ns/packet`);
}

measure('flow.warm_up', 100, 10);
measure('flow.in_order_100_connections', 100, 0);
measure('flow.in_order_100000_connections', 100_000, 0);
measure('flow.one_pair_of_ten_swapped', 100, 10);
