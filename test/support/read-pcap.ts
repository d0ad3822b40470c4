/**
 * A minimal reader of capture files for tests: pcap in both byte orders, and pcapng with simple, enhanced and obsolete
 * packet blocks. It shares no code with src/capture/, so that it can serve as a second opinion.
 */

/** One packet of a capture file. */
export interface ReadPacket {
  data: Buffer;
  wireBytes: number;
  linkType: number;
  /** Interface of its section, counted from 0; always 0 in pcap. */
  interfaceId: number;
}

/** All packets of a capture file's content; what lies behind a cut is left out. Throws on any other content. */
export function readPcap(content: Buffer): ReadPacket[] {
  const magic = content.readUInt32BE(0);
  if (magic === 0x0a0d0d0a) return readPcapng(content);
  const little = magic === 0xd4c3b2a1 || magic === 0x4d3cb2a1;
  if (!little && magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) throw new Error(`not a capture file: ${magic.toString(16)}`);
  const u32 = (at: number): number => (little ? content.readUInt32LE(at) : content.readUInt32BE(at));
  const linkType = u32(20) & 0xffff;
  const packets: ReadPacket[] = [];
  for (let at = 24; at + 16 <= content.length; ) {
    const length = u32(at + 8);
    const end = at + 16 + length;
    if (end > content.length) break;
    packets.push({ data: content.subarray(at + 16, end), wireBytes: u32(at + 12), linkType, interfaceId: 0 });
    at = end;
  }
  return packets;
}

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

function readPcapng(content: Buffer): ReadPacket[] {
  const packets: ReadPacket[] = [];
  let linkTypes: number[] = [];
  let little = false;
  const u16 = (at: number): number => (little ? content.readUInt16LE(at) : content.readUInt16BE(at));
  const u32 = (at: number): number => (little ? content.readUInt32LE(at) : content.readUInt32BE(at));
  for (let at = 0; at + 12 <= content.length; ) {
    if (content.readUInt32BE(at) === SECTION) {
      little = content.readUInt32LE(at + 8) === 0x1a2b3c4d;
      linkTypes = [];
    }
    const type = u32(at);
    const length = u32(at + 4);
    if (length < 12 || at + length > content.length) break;
    if (type === INTERFACE) linkTypes.push(u16(at + 8));
    const add = (interfaceId: number, dataAt: number, captured: number, wireBytes: number): void => {
      const data = content.subarray(dataAt, Math.min(dataAt + captured, at + length - 4));
      packets.push({ data, wireBytes, linkType: linkTypes[interfaceId] ?? 1, interfaceId });
    };
    if (type === ENHANCED_PACKET) add(u32(at + 8), at + 28, u32(at + 20), u32(at + 24));
    else if (type === OBSOLETE_PACKET) add(u16(at + 8), at + 28, u32(at + 20), u32(at + 24));
    else if (type === SIMPLE_PACKET) add(0, at + 12, Math.min(u32(at + 8), length - 16), u32(at + 8));
    at += length;
  }
  return packets;
}
