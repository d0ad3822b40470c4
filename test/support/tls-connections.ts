/** Connections that begin with a ClientHello, in TCP, and datagrams of QUIC: from 10.0.0.1 to 10.0.0.2, port 443. */
import * as p from './packets.ts';
import { START_US, type Wire } from './run-pipeline.ts';

/** In one record, with supported_versions 1.3. */
export const SERVER_HELLO: Buffer = Buffer.concat([
  Buffer.from('16030300520200004e0303', 'hex'),
  Buffer.alloc(32, 1),
  Buffer.from([32]),
  Buffer.alloc(32, 2),
  Buffer.from('1301000006002b00020304', 'hex'),
]);

export interface Shape {
  /** What the server sends behind it. */
  readonly answer?: Buffer;
  /** Index of a segment that is lost. */
  readonly lost?: number;
  readonly clientPort?: number;
  readonly ipv6?: boolean;
  /** The connection was there before the capture. */
  readonly late?: boolean;
  /** The end that accepted the connection is the client. */
  readonly reversed?: boolean;
}

/** One connection whose client sends these segments. */
export function connection(segments: readonly Buffer[], shape: Shape = {}): Wire[] {
  const { answer, lost = -1, clientPort = 40_000, ipv6 = false, late = false, reversed = false } = shape;
  const next = [1000, 5000];
  const wires: Wire[] = [];
  const put = (side: 0 | 1, flags: number, payload: Buffer, isLost = false): void => {
    const ports = side === 0 ? [clientPort, 443] : [443, clientPort];
    const segment = p.tcp(payload, {
      sourcePort: ports[0],
      destinationPort: ports[1],
      sequence: next[side],
      acknowledgement: flags === p.SYN ? 0 : next[1 - side],
      flags,
    });
    const ends = ipv6 ? ['2001:db8::1', '2001:db8::2'] : ['10.0.0.1', '10.0.0.2'];
    const o = { source: ends[side], destination: ends[1 - side] };
    const data = p.ethernet(ipv6 ? p.ipv6(segment, o) : p.ipv4(segment, o));
    if (!isLost) wires.push({ data, timeUs: START_US + wires.length * 1000 });
    next[side] += payload.length + (flags & (p.SYN | p.FIN) ? 1 : 0);
  };
  const none = Buffer.alloc(0);
  if (!late) {
    put(reversed ? 1 : 0, p.SYN, none);
    put(reversed ? 0 : 1, p.SYN | p.ACK, none);
    put(reversed ? 1 : 0, p.ACK, none);
  }
  segments.forEach((bytes, i) => {
    put(0, p.PSH | p.ACK, bytes, i === lost);
  });
  if (answer !== undefined) put(1, p.PSH | p.ACK, answer);
  put(0, p.FIN | p.ACK, none);
  put(1, p.FIN | p.ACK, none);
  put(0, p.ACK, none);
  return wires;
}

export interface Ends {
  readonly clientPort?: number;
  readonly serverPort?: number;
  readonly fromServer?: boolean;
  readonly ipv6?: boolean;
}

/** One datagram in its frame. */
export function datagram(payload: Buffer, { clientPort = 50_000, serverPort = 443, fromServer = false, ipv6 = false }: Ends = {}): Buffer {
  const ports = { sourcePort: fromServer ? serverPort : clientPort, destinationPort: fromServer ? clientPort : serverPort };
  const ends = ipv6 ? ['2001:db8::1', '2001:db8::2'] : ['10.0.0.1', '10.0.0.2'];
  const addresses = { source: ends[fromServer ? 1 : 0], destination: ends[fromServer ? 0 : 1] };
  return p.ethernet((ipv6 ? p.ipv6 : p.ipv4)(p.udp(payload, ports), addresses));
}
