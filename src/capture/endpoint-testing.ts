/** Senders and readers of tunnel end-points on loopback, for tests. */
import assert from 'node:assert/strict';
import { packetRegion } from '../base/arena.ts';
import { EndpointReader, REGION_BYTES } from './endpoint-reader.ts';
import { Packet } from './packet.ts';
import { AF_INET, AF_INET6, readSockaddr, writeSockaddr } from './sockaddr.ts';
import { int32, type SystemCalls, systemCalls } from './syscalls.ts';
import { closeEndpoint, type Endpoint, openEndpoint, parseEndpoint } from './tunnel-endpoint.ts';

const SOCK_DGRAM = 2;
const SOL_UDP = 17;
const UDP_NO_CHECK6_TX = 101;
const POLLIN = 1;
const PATIENCE_MS = 5000;

export function calls(): SystemCalls {
  const all = systemCalls();
  assert.ok(all !== null, 'no system calls');
  return all;
}

export function hasIpv6(): boolean {
  const fd = calls().socket(AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0) return false;
  const result = calls().bind(fd, writeSockaddr({ address: '::1', port: 0 }) as Buffer);
  calls().close(fd);
  return result >= 0;
}

/** A UDP socket that sends from an address of its own. */
export class Sender {
  readonly fd: number;
  readonly port: number;

  constructor(address: string) {
    const v6 = address.includes(':');
    this.fd = calls().socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    // As tunnels do over IPv6; over IPv4 it changes nothing here.
    if (v6) assert.ok(calls().setsockopt(this.fd, SOL_UDP, UDP_NO_CHECK6_TX, int32(1)) >= 0);
    assert.ok(calls().bind(this.fd, writeSockaddr({ address, port: 0 }) as Buffer) >= 0, `no address ${address}`);
    const own = Buffer.alloc(28);
    calls().getsockname(this.fd, own);
    this.port = readSockaddr(own)?.port ?? 0;
  }

  send(datagram: Buffer, address: string, port: number): void {
    assert.equal(calls().sendto(this.fd, datagram, 0, writeSockaddr({ address, port }) as Buffer), datagram.length);
  }

  close(): void {
    calls().close(this.fd);
  }
}

/** A port of UDP that was free a moment ago. */
export function freePort(address = '127.0.0.1'): number {
  const sender = new Sender(address);
  sender.close();
  return sender.port;
}

/** An end-point that is open, and a reader for each of its sockets. */
export class OpenedEndpoint {
  readonly endpoint: Endpoint;
  readonly fds: readonly number[];
  readonly receiveBufferBytes: number;
  readonly readers: readonly EndpointReader[];
  readonly #packet: Packet = new Packet();

  constructor(url: string, { workers = 1, receiveBufferBytes = 1 << 20, regionBytes = REGION_BYTES } = {}) {
    this.endpoint = parseEndpoint(url);
    const opened = openEndpoint(this.endpoint, workers, receiveBufferBytes);
    this.fds = opened.fds;
    this.receiveBufferBytes = opened.receiveBufferBytes;
    // Readers of several sockets lie one behind the other, as small as that demands.
    const share = Math.min(regionBytes, Math.floor((packetRegion.end - packetRegion.at) / workers));
    this.readers = this.fds.map((fd, i) => {
      const at = packetRegion.at + i * share;
      return new EndpointReader(fd, this.endpoint, { at, end: at + share }, 7 + i);
    });
  }

  /** Gives all packets that are there, in the order of the sockets; waits for the first of `expected`. */
  drain(take: (packet: Packet, reader: EndpointReader) => void, expected = 1): void {
    let got = 0;
    do {
      if (expected > 0) this.#wait();
      for (const reader of this.readers) {
        while (reader.next(this.#packet)) {
          got++;
          take(this.#packet, reader);
        }
      }
    } while (got < expected);
    assert.equal(got, expected);
  }

  #wait(): void {
    const polled = Buffer.alloc(8 * this.fds.length);
    for (const [i, fd] of this.fds.entries()) {
      polled.writeInt32LE(fd, 8 * i);
      polled.writeInt16LE(POLLIN, 8 * i + 4);
    }
    assert.ok(calls().poll(polled, this.fds.length, PATIENCE_MS) > 0, 'no datagram came');
  }

  close(): void {
    closeEndpoint(this.fds);
  }
}
