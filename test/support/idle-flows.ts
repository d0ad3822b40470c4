/**
 * Idle flows: a capture of connections that are opened (SYN, SYN+ACK, ACK) and then say nothing more. 48 bytes of
 * IP and TCP headers at most, so that a million of them take little room.
 */
import { ACK, FlowFrames, FRAME_BYTES_MAX, SYN } from './frames.ts';
import { PcapWriter } from './pcap-writer.ts';

const START_US = 1_750_000_000_000_000;
const CLIENTS_PER_SERVER = 60_000;

/** Writes `count` connections of different addresses and ports, 10 microseconds apart, to a pcap file. */
export function writeIdleFlows(count: number, path: string): void {
  const pcap = new PcapWriter(path);
  let timeUs = START_US;
  for (let i = 0; i < count; i++) {
    const client = { address: Uint8Array.of(10, (i >> 16) & 0xff, (i >> 8) & 0xff, i & 0xff), port: 1024 + (i % CLIENTS_PER_SERVER) };
    const server = { address: Uint8Array.of(192, 168, 7, 1 + (i % 200)), port: 80 };
    const frames = new FlowFrames(client, server, i & 0xffff);
    const timestamp = Math.floor(timeUs / 1000) >>> 0;
    for (const step of [0, 1, 2]) {
      const at = pcap.reserve(FRAME_BYTES_MAX);
      const end = frames.write(pcap.bytes, at, {
        fromServer: step === 1,
        flags: step === 0 ? SYN : step === 1 ? SYN | ACK : ACK,
        sequence: step === 1 ? 2000 : 1000 + (step >> 1),
        acknowledgement: step === 1 ? 1001 : 2001,
        timestamp,
      });
      pcap.commit(end - at, timeUs + step);
    }
    timeUs += 10;
  }
  pcap.close();
}
