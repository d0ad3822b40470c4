/**
 * StatsD over UDP: gauges as they are, counters as what was added since the last time.
 *
 *   earshot.edge-7.reader_packets_total:51000|c
 *   earshot.edge-7.flows:24300|g
 *
 * Lines are joined by line feeds into datagrams of at most 1,400 bytes, which pass every network whole. A gauge below
 * zero would mean "subtract", so it is set to zero first. What a counter held when the pushing began is not sent: it
 * was counted before. A datagram that the system refuses leaves its counters as they were, so that the next interval
 * carries them; one that is lost on the way nobody notices, which is how StatsD works.
 */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { HostPort } from '../../base/listen-address.ts';
import { formatHostPort } from '../../base/listen-address.ts';
import type { OwnAddress, OwnSockets } from '../listener.ts';
import { dottedName, type Snapshot, type Target, tooSlow } from './push.ts';

export const DATAGRAM_BYTES_MAX = 1400;

/** Lines of one datagram, and the counters that they bring up to date. */
interface Datagram {
  text: string;
  readonly counters: [name: string, total: number][];
}

export class StatsD implements Target {
  readonly name = 'statsd';
  readonly place: string;
  readonly #peer: HostPort;
  readonly #sockets: OwnSockets;
  /** What of each counter has been sent, and before that what it began with. */
  readonly #totals = new Map<string, number>();
  #socket: Socket | undefined;
  #own: OwnAddress | undefined;
  #connecting: Promise<Socket> | undefined;
  #refused: Error | undefined;
  #closed = false;

  constructor(peer: HostPort, sockets: OwnSockets, first: Snapshot | null) {
    this.#peer = peer;
    this.#sockets = sockets;
    this.place = formatHostPort(peer);
    for (const family of first?.families ?? []) {
      if (family.metric.kind !== 'counter') continue;
      for (const [value, ...labels] of family.samples) this.#totals.set(dottedName(first as Snapshot, family, labels), value);
    }
  }

  async send(snapshot: Snapshot, timeoutMs: number): Promise<void> {
    const refused = this.#refused;
    if (refused !== undefined) {
      this.#disconnect();
      throw refused;
    }
    const socket = this.#socket ?? (await within(this.#connectOnce(), timeoutMs));
    for (const { text, counters } of this.#datagrams(snapshot)) {
      try {
        await new Promise<void>((done, fail) => socket.send(text, (error) => (error ? fail(error) : done())));
      } catch (error) {
        this.#disconnect();
        throw error;
      }
      for (const [name, total] of counters) this.#totals.set(name, total);
    }
  }

  close(): void {
    this.#closed = true;
    this.#disconnect();
  }

  #disconnect(): void {
    this.#refused = undefined;
    this.#socket?.close();
    this.#socket = undefined;
    if (this.#own !== undefined) this.#sockets.ownClosed(this.#own);
    this.#own = undefined;
  }

  #datagrams(snapshot: Snapshot): Datagram[] {
    const datagrams: Datagram[] = [];
    let last: Datagram = { text: '', counters: [] };
    for (const family of snapshot.families) {
      for (const [value, ...labels] of family.samples) {
        if (!Number.isFinite(value)) continue;
        const name = dottedName(snapshot, family, labels);
        let line = `${name}:${value}|g`;
        if (value < 0) line = `${name}:0|g\n${line}`;
        if (family.metric.kind === 'counter') {
          const before = this.#totals.get(name) ?? 0;
          // A worker that was started again counts from zero.
          const added = value < before ? value : value - before;
          if (added === 0) {
            this.#totals.set(name, value);
            continue;
          }
          line = `${name}:${added}|c`;
        }
        // All of it is ASCII: characters are bytes.
        if (last.text !== '' && last.text.length + 1 + line.length > DATAGRAM_BYTES_MAX) {
          datagrams.push(last);
          last = { text: '', counters: [] };
        }
        last.text += last.text === '' ? line : `\n${line}`;
        if (family.metric.kind === 'counter') last.counters.push([name, value]);
      }
    }
    if (last.text !== '') datagrams.push(last);
    return datagrams;
  }

  #connectOnce(): Promise<Socket> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Socket> {
    const { address, family } = await lookup(this.#peer.host);
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    await new Promise<void>((done, fail) => {
      socket.once('error', fail);
      socket.connect(this.#peer.port, address, () => {
        socket.off('error', fail);
        done();
      });
    });
    // Nobody listens there: the network says so (ICMP) some time after a send that looked well.
    socket.on('error', (error) => {
      if (this.#socket === socket) this.#refused = error;
    });
    socket.unref();
    if (this.#closed) {
      socket.close();
      throw new Error('it is closed');
    }
    const local = socket.address();
    this.#own = { host: local.address, port: local.port, protocol: 'udp' };
    this.#sockets.own(this.#own);
    this.#socket = socket;
    return socket;
  }
}

function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(tooSlow()), timeoutMs);
    work.then(done, fail).finally(() => clearTimeout(timer));
  });
}
