/**
 * Graphite, plain text over TCP: one line a value, `path value seconds`.
 *
 *   earshot.edge-7.weird_total.weird.flow_tcp_gap 3 1772359200
 *
 * The connection stays open; when it is broken, the next interval connects anew. What Graphite sends back is not read.
 */
import { connect, type Socket } from 'node:net';
import type { HostPort } from '../../base/listen-address.ts';
import { formatHostPort } from '../../base/listen-address.ts';
import type { OwnAddress, OwnSockets } from '../listener.ts';
import { dottedName, type Snapshot, type Target, tooSlow } from './push.ts';

export function graphiteText(snapshot: Snapshot): string {
  const seconds = Math.floor(snapshot.atMs / 1000);
  let text = '';
  for (const family of snapshot.families) {
    for (const [value, ...labels] of family.samples) {
      if (Number.isFinite(value)) text += `${dottedName(snapshot, family, labels)} ${value} ${seconds}\n`;
    }
  }
  return text;
}

export class Graphite implements Target {
  readonly name = 'graphite';
  readonly place: string;
  readonly #peer: HostPort;
  readonly #sockets: OwnSockets;
  #socket: Socket | undefined;

  constructor(peer: HostPort, sockets: OwnSockets) {
    this.#peer = peer;
    this.#sockets = sockets;
    this.place = formatHostPort(peer);
  }

  send(snapshot: Snapshot, timeoutMs: number): Promise<void> {
    return new Promise((done, fail) => {
      const socket = this.#socket ?? this.#connect();
      const finish = (error?: Error | null): void => {
        clearTimeout(timer);
        socket.off('error', finish);
        socket.off('close', broken);
        if (error) {
          socket.destroy();
          fail(error);
        } else done();
      };
      const broken = (): void => finish(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
      const timer = setTimeout(() => finish(tooSlow()), timeoutMs);
      socket.once('error', finish);
      socket.once('close', broken);
      socket.write(graphiteText(snapshot), finish);
    });
  }

  close(): void {
    this.#socket?.end();
    // A peer that does not take what is left is not waited for.
    this.#socket?.setTimeout(1000, () => this.#socket?.destroy());
    this.#socket?.unref();
  }

  #connect(): Socket {
    const socket = connect({ host: this.#peer.host, port: this.#peer.port, keepAlive: true, noDelay: true });
    let own: OwnAddress | undefined;
    socket.on('connect', () => {
      own = { host: socket.localAddress ?? '', port: socket.localPort ?? 0, protocol: 'tcp' };
      this.#sockets.own(own);
    });
    // An error outside of a send: "close" follows, and the next interval connects anew.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
      if (own !== undefined) this.#sockets.ownClosed(own);
    });
    socket.resume();
    this.#socket = socket;
    return socket;
  }
}
