/**
 * UDP (RFC 768): only its tunnels matter here.
 *
 *   0             2                  4        6          8
 *   | source port | destination port | length | checksum | payload ...
 *
 * A tunnel is found by its destination port, or by its source port when the header behind it looks right beyond doubt.
 * Teredo is also found on other ports, by its addresses.
 * A length of 0 (jumbogram, offload) leaves the IP length in force.
 *
 * Bounds: 8 bytes; the length trims what follows. Raises: decode.udp.truncated, decode.udp.bad_length.
 * Left out: the checksum (tunnels send 0), QUIC beyond its recognition (RFC 9000, 17.2; http/quic.ts goes on).
 */
import { bytes, view } from '../base/arena.ts';
import { GENEVE_PORT, parseEndpointUrl, VXLAN_PORT } from '../base/endpoint-url.ts';
import type { Settings } from '../base/settings.ts';
import { weird } from '../base/weird.ts';
import {
  AYIYA_HEADER,
  type Cursor,
  GENEVE_HEADER,
  GRE_HEADER,
  GTP_HEADER,
  L2TP_HEADER,
  stop,
  TEREDO_HEADER,
  trim,
  VXLAN_GPE_HEADER,
  VXLAN_HEADER,
} from './header.ts';
import { MALFORMED, QUIC, type Segment, TRUNCATED, UDP } from './segment.ts';

const B = bytes;
const V = view;
const TRUNCATED_UDP = weird('decode.udp.truncated');
const BAD_LENGTH = weird('decode.udp.bad_length');
const trimTo = trim;
const QUIC_PORT = 443;
const QUIC_ID_BYTES_MAX = 20;
const TEREDO_PREFIX = 0x20010000;

/** Kind of tunnel by port, 0 for none. */
const kinds = new Uint8Array(65536);

export function resetUdp(settings: Settings): void {
  kinds.fill(0);
  kinds[1701] = L2TP_HEADER;
  kinds[2152] = GTP_HEADER;
  kinds[3544] = TEREDO_HEADER;
  kinds[4790] = VXLAN_GPE_HEADER;
  kinds[4754] = GRE_HEADER;
  kinds[5072] = AYIYA_HEADER;
  for (const port of settings.decode.genevePorts) kinds[port] = GENEVE_HEADER;
  for (const port of settings.decode.vxlanPorts) kinds[port] = VXLAN_HEADER;
  // What comes in at an end-point has the standard port of its encapsulation (capture/endpoint-reader.ts).
  for (const url of settings.capture.endpoints) {
    const endpoint = parseEndpointUrl(url);
    // Whoever opens it says what is wrong.
    if (typeof endpoint === 'string') continue;
    if (endpoint.encapsulation !== 'geneve') kinds[VXLAN_PORT] = VXLAN_HEADER;
    if (endpoint.encapsulation !== 'vxlan') kinds[GENEVE_PORT] = GENEVE_HEADER;
  }
}

export function udp(c: Cursor, s: Segment): number {
  const at = c.at;
  if (c.end - at < 8) return stop(TRUNCATED_UDP, TRUNCATED);
  const length = V.getUint16(at + 4);
  if (length < 8 && length !== 0) return stop(BAD_LENGTH, MALFORMED);
  if (length !== 0) trimTo(c, at + length);
  c.at = at + 8;
  c.guess = 0;
  s.payloadAt = at + 8;
  s.payloadEnd = c.end;
  const tunnel = kinds[V.getUint16(at + 2)];
  return tunnel !== 0 ? tunnel : noTunnelTo(c, s, at);
}

/** A datagram whose destination port announces no tunnel. */
function noTunnelTo(c: Cursor, s: Segment, at: number): number {
  const source = V.getUint16(at);
  const destination = V.getUint16(at + 2);
  s.ports = (source << 16) | destination;
  // GRE in UDP (RFC 8086) has its port at the destination only; the source port is entropy.
  if (kinds[source] !== 0 && kinds[source] !== GRE_HEADER) {
    c.guess = 1;
    return kinds[source];
  }
  if (isTeredo(at + 8, c.end)) {
    c.guess = 1;
    return TEREDO_HEADER;
  }
  return source === QUIC_PORT || destination === QUIC_PORT ? quic(at + 8, c.end) : quicElsewhere(at + 8, c.end);
}

/** Teredo between clients and relays, whose ports are anything: IPv6 of exactly this length, from or to 2001:0::/32. */
function isTeredo(at: number, end: number): boolean {
  if (end - at < 40 || B[at] >> 4 !== 6 || V.getUint16(at + 4) !== end - at - 40) return false;
  return V.getInt32(at + 8) === TEREDO_PREFIX || V.getInt32(at + 24) === TEREDO_PREFIX;
}

/** A long header (RFC 9000, 17.2) with a version that is known: negotiation, 1, 2, the drafts, Google's, Meta's, greased. */
function quic(at: number, end: number): number {
  if (end - at < 6 || (B[at] & 0x80) === 0) return UDP;
  const version = V.getInt32(at + 1);
  if (version === 0) return QUIC;
  if ((B[at] & 0x40) === 0) return UDP;
  if (version === 1 || version === 0x6b3343cf) return QUIC;
  const head = version >>> 24;
  if (head === 0xff && ((version >>> 8) & 0xffff) === 0) return QUIC;
  if ((head === 0x51 || head === 0x54) && ((version >>> 16) & 0xff) === 0x30) return QUIC;
  if (version >>> 8 === 0xfaceb0) return QUIC;
  return (version & 0x0f0f0f0f) === 0x0a0a0a0a ? QUIC : UDP;
}

/** On other ports only versions 1 and 2, with ids of a length that they allow. */
function quicElsewhere(at: number, end: number): number {
  if (end - at < 7 || B[at] >> 6 !== 3) return UDP;
  const version = V.getInt32(at + 1);
  if (version !== 1 && version !== 0x6b3343cf) return UDP;
  const idEnd = at + 6 + B[at + 5];
  return B[at + 5] <= QUIC_ID_BYTES_MAX && idEnd < end && B[idEnd] <= QUIC_ID_BYTES_MAX ? QUIC : UDP;
}
