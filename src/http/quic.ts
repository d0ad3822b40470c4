/**
 * QUIC: recognised and counted, and of its Initial packets the ClientHello is read (http/quic-initial.ts): server name,
 * ALPN, JA4. All else of it, HTTP/3 included, is encrypted.
 *
 * Packets with a long header are known by their header (decode/udp.ts); those with a short one, 01 in the first two bits,
 * by the addresses and ports, which showed a long one before.
 *
 * Bounds: FLOWS_MAX pairs of ends are remembered [drop-oldest], of QUIC_GATHERED_MAX clients the keys and the parts of a
 * hello that comes in several packets [drop-oldest], hellos have at most HELLO_BYTES_MAX, and at most
 * QUIC_READS_PER_SECOND_MAX packets are decrypted in a second of packet time [refuse-new]. Raises limit.http.quic_reads,
 * http.tls.malformed. Left out: Initial packets behind a cut of the capture.
 */
import { formatAddress } from '../base/address.ts';
import { bytes } from '../base/arena.ts';
import { release, reserve } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import { raise, weird } from '../base/weird.ts';
import { QUIC, type Segment, UDP } from '../decode/segment.ts';
import { alpnNames, readClientHello } from './client-hello.ts';
import { CLIENT_HELLO } from './handshake.ts';
import { noteHello } from './hello-facts.ts';
import { cryptoFrames, header, type InitialKeys, initialKeys, openInitial, readLongHeader } from './quic-initial.ts';

const B = bytes;
const C = counts;
const NOW = packetTimeUs;
const MALFORMED = weird('http.tls.malformed');
const TOO_MANY = weird('limit.http.quic_reads');
const CONNECTIONS = counter('quic.connections');
const HTTP3 = counter('quic.http3');
const UNREAD = counter('quic.unread');
export const QUIC_READS_PER_SECOND_MAX = 200;
export const QUIC_GATHERED_MAX = 256;
/** Of a hello in QUIC. */
const HELLO_BYTES_MAX = 16_384;
/** Enough for most. */
const HELLO_BYTES_FIRST = 4096;
/** Client's first packets fill at least that much (RFC 9000, 14.1), so a shorter one is none. */
const DATAGRAM_BYTES_MIN = 1200;
const FLOWS_MAX = 8192;
const QUIC_PORT = 443;
const SECOND_US = 1e6;

/** Direct-mapped: of pairs of ends their hash, and the ports as the client's packets have them. */
const flows = new Int32Array(2 * FLOWS_MAX);

/** A client's hello under way. */
interface Gathering {
  readonly keys: InitialKeys;
  readonly timeUs: number;
  /** The stream of CRYPTO frames; null when the hello has been read. */
  data: Buffer | null;
  /** Bytes of it that have come: 1. */
  have: Uint8Array;
  /** All before this one have. */
  prefix: number;
}
const gatherings = new Map<string, Gathering>();
const second = new Float64Array(1);
let reads = 0;

/** A datagram, by its verdict UDP or QUIC: says which of these it is. */
export function noteDatagram(verdict: number, s: Segment): number {
  const hash = hashOf(s);
  const slot = (hash & (FLOWS_MAX - 1)) << 1;
  if (verdict === UDP) {
    const isKnown = flows[slot] === hash && flows[slot + 1] !== 0;
    return isKnown && s.payloadEnd > s.payloadAt && B[s.payloadAt] >> 6 === 1 ? QUIC : UDP;
  }
  if (flows[slot] !== hash || flows[slot + 1] === 0) {
    flows[slot] = hash;
    flows[slot + 1] = isFromServer(s.ports) ? (s.ports << 16) | (s.ports >>> 16) : s.ports;
    C[CONNECTIONS]++;
  }
  // Only the client's packets have keys that are known from one packet.
  if (flows[slot + 1] === s.ports) readInitials(s);
  return QUIC;
}

/** Who sends first is the client, unless the ports say otherwise: its first packet may be missing. */
function isFromServer(ports: number): boolean {
  return ports >>> 16 === QUIC_PORT && (ports & 0xffff) !== QUIC_PORT;
}

/** The same for both directions. */
function hashOf(s: Segment): number {
  const a = mix(s.src0 ^ Math.imul(s.src1, 31) ^ Math.imul(s.src2, 37) ^ s.src3, s.ports >>> 16);
  const b = mix(s.dst0 ^ Math.imul(s.dst1, 31) ^ Math.imul(s.dst2, 37) ^ s.dst3, s.ports & 0xffff);
  const h = Math.imul((a + b) | 0, 0x2c1b3c6d) ^ (a ^ b);
  return h ^ (h >>> 15);
}

function mix(address: number, port: number): number {
  let h = Math.imul(address ^ Math.imul(port, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 13;
  return Math.imul(h, 0xc2b2ae35);
}

/** A datagram may hold several packets. */
function readInitials(s: Segment): void {
  const end = s.payloadEnd;
  if (end - s.payloadAt < DATAGRAM_BYTES_MIN) return;
  for (let at = s.payloadAt; at < end && readLongHeader(at, end); at = header.end) if (header.isInitial) readInitial(s, at);
}

function readInitial(s: Segment, at: number): void {
  const id = `${s.ports}:${B.toString('latin1', header.idAt, header.idEnd)}`;
  let gathering = gatherings.get(id);
  if (gathering?.data === null) return;
  if (!mayRead()) {
    C[UNREAD]++;
    return;
  }
  const keys = gathering?.keys ?? initialKeys();
  const frames = openInitial(at, keys);
  if (frames === null) {
    C[UNREAD]++;
    return;
  }
  if (gathering === undefined) {
    gathering = { keys, timeUs: NOW[0], data: Buffer.alloc(HELLO_BYTES_FIRST), have: new Uint8Array(HELLO_BYTES_FIRST), prefix: 0 };
    if (gatherings.size === QUIC_GATHERED_MAX) for (const oldest of gatherings.keys()) if (gatherings.delete(oldest)) break;
    gatherings.set(id, gathering);
  }
  add(gathering, frames);
  finish(gathering, s);
}

function mayRead(): boolean {
  if (NOW[0] - second[0] >= SECOND_US || NOW[0] < second[0]) {
    second[0] = NOW[0];
    reads = 0;
  }
  if (reads === QUIC_READS_PER_SECOND_MAX) {
    raise(TOO_MANY);
    return false;
  }
  reads++;
  return true;
}

function add(gathering: Gathering, frames: Buffer): void {
  cryptoFrames(frames, (offset, at, end) => {
    const to = offset + end - at;
    if (to > HELLO_BYTES_MAX || gathering.data === null) return;
    if (to > gathering.data.length) enlarge(gathering, gathering.data);
    frames.copy(gathering.data, offset, at, end);
    gathering.have.fill(1, offset, to);
  });
  const { have } = gathering;
  while (gathering.prefix < have.length && have[gathering.prefix] === 1) gathering.prefix++;
}

function enlarge(gathering: Gathering, before: Buffer): void {
  gathering.data = Buffer.alloc(HELLO_BYTES_MAX);
  before.copy(gathering.data);
  const have = new Uint8Array(HELLO_BYTES_MAX);
  have.set(gathering.have);
  gathering.have = have;
}

/** Reads the hello when it is whole. */
function finish(gathering: Gathering, s: Segment): void {
  const { data, prefix } = gathering;
  if (data === null || prefix < 4) return;
  const length = 4 + data.readUIntBE(1, 3);
  if (length <= HELLO_BYTES_MAX && prefix < length && data[0] === CLIENT_HELLO) return;
  gathering.data = null;
  gathering.have = new Uint8Array(0);
  const block = data[0] === CLIENT_HELLO && length <= HELLO_BYTES_MAX ? reserve(length) : 0;
  if (block === 0) {
    C[UNREAD]++;
    return;
  }
  data.copy(B, block, 0, length);
  if (!readClientHello(block, block + length)) raise(MALFORMED);
  if (alpnNames(1)[0]?.startsWith('h3')) C[HTTP3]++;
  noteHello({
    transport: 'quic',
    timeUs: gathering.timeUs,
    clientAddress: formatAddress(s.ipVersion, s.src0, s.src1, s.src2, s.src3),
    clientPort: s.ports >>> 16,
    serverAddress: formatAddress(s.ipVersion, s.dst0, s.dst1, s.dst2, s.dst3),
    serverPort: s.ports & 0xffff,
  });
  release(block);
}

export function resetQuic(): void {
  flows.fill(0);
  gatherings.clear();
  second[0] = 0;
  reads = 0;
}
