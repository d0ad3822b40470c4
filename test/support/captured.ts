/** Generated traffic as packets for `runPipeline`, and its truth. */

import type { Wire } from './run-pipeline.ts';
import { makeTraffic } from './traffic.ts';
import { type TrafficOptions, trafficOptions } from './traffic-options.ts';
import type { CallTruth } from './truth.ts';

export interface Captured {
  readonly pcap: Buffer;
  readonly packets: readonly Wire[];
  readonly calls: readonly CallTruth[];
  readonly options: TrafficOptions;
}

/** Packets of a little-endian Ethernet pcap with microseconds. */
export function packetsOf(pcap: Buffer): Wire[] {
  const packets: Wire[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const end = at + 16 + pcap.readUInt32LE(at + 8);
    const timeUs = pcap.readUInt32LE(at) * 1e6 + pcap.readUInt32LE(at + 4);
    packets.push({ data: pcap.subarray(at + 16, end), timeUs, wireBytes: pcap.readUInt32LE(at + 12) });
    at = end;
  }
  return packets;
}

export function captured(given: Parameters<typeof trafficOptions>[0]): Captured {
  const { pcap, calls, summary } = makeTraffic(trafficOptions(given));
  return { pcap, packets: packetsOf(pcap), calls, options: summary.options };
}
