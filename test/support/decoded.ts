/**
 * What decode says about one packet, as plain data for assertions.
 */
import { formatAddress } from '../../src/base/address.ts';
import { bytes } from '../../src/base/arena.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { settingsSchema } from '../../src/base/settings-schema.ts';
import { resetWeirds, weirdCounts, weirds } from '../../src/base/weird.ts';
import { Packet } from '../../src/capture/packet.ts';
import { decode, resetDecode } from '../../src/decode/decode.ts';
import { describePath, type Layer } from '../../src/decode/encapsulation.ts';
import { FRAGMENT, Segment, TCP, verdictNames } from '../../src/decode/segment.ts';
import { type PlaceOptions, placePacket } from './packets.ts';

/** The packet and the segment that `decoded` works on; the segment keeps what the last packet left in it. */
export const packet: Packet = new Packet();
export const segment: Segment = new Segment();

resetDecode(defaultSettings);

export interface Decoded {
  /** Name of the verdict. */
  verdict: string;
  /** Names of the weirds that were raised, in the order of the table. */
  weirds: string[];
  /** TCP: "source:port > destination:port". Fragment: "source > destination". Otherwise empty. */
  ends: string;
  /** TCP: the captured payload as Latin-1. Fragment: its payload. */
  payload: string;
  /** TCP: payload bytes on the wire. */
  wireBytes: number;
  layers: Layer[];
}

/** The types and ids of layers in one line: "vlan 5, vxlan 77". */
export function brief(layers: readonly Layer[]): string {
  return layers.map((l) => [l.type, l.vni, l.vlan, l.key, l.session, l.label, l.teid].filter((x) => x !== undefined).join(' ')).join(', ');
}

/** Decodes one packet and says what came out. */
export function decoded(data: Buffer, options: PlaceOptions = {}): Decoded {
  placePacket(packet, data, options);
  resetWeirds();
  return said(decode(packet, segment));
}

/** A verdict with what stands in the segment, as plain data. */
export function said(verdict: number): Decoded {
  const s = segment;
  const source = formatAddress(s.ipVersion, s.src0, s.src1, s.src2, s.src3);
  const destination = formatAddress(s.ipVersion, s.dst0, s.dst1, s.dst2, s.dst3);
  const tcp = verdict === TCP;
  const known = tcp || verdict === FRAGMENT;
  const [sourcePort, destinationPort] = [s.ports >>> 16, s.ports & 0xffff];
  return {
    verdict: verdictNames[verdict],
    weirds: weirds.filter((_, i) => weirdCounts[i] > 0).map((w) => w.name),
    ends: tcp ? `${source}:${sourcePort} > ${destination}:${destinationPort}` : known ? `${source} > ${destination}` : '',
    payload: tcp ? bytes.toString('latin1', s.payloadAt, s.payloadEnd) : known ? bytes.toString('latin1', s.fragmentAt, s.fragmentEnd) : '',
    wireBytes: tcp ? s.payloadWireBytes : 0,
    layers: known ? describePath(s.pathId) : [],
  };
}

/** Settings with some of the decode part changed; `resetDecode(decodeSettings({...}))`. */
export function decodeSettings(changes: Partial<Settings['decode']>): Settings {
  return settingsSchema.parse({ decode: changes });
}
