/**
 * A small HTTP server, for the health port and for /metrics: short answers to GET and HEAD, bounded in everything.
 *
 *   connections   256 at a time, later ones are closed at once [refuse-new]
 *   a request     8 KiB of head within 5 s; its body is not read, and the connection is closed after the answer
 *   idle          5 s between two requests of a connection, 30 s for an answer that nobody fetches
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { codeOf, reasonOf, SensorError } from '../base/errors.ts';
import { formatHostPort, parseListenAddress } from '../base/listen-address.ts';
import { processWith } from '../capture/port-holder.ts';

/** One end of a connection, or the port of a listener, that is the sensor's own. "::" and "0.0.0.0" are every address. */
export interface OwnAddress {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Hears of every socket that the service opens and closes, so that the sensor can leave its own traffic out. */
export interface OwnSockets {
  own(address: OwnAddress): void;
  ownClosed(address: OwnAddress): void;
}

/** For those who need not know. */
export const nobody: OwnSockets = { own: () => undefined, ownClosed: () => undefined };

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface Listener {
  /** As bound: "127.0.0.1:8080", "[::]:8080". */
  readonly address: string;
  readonly port: number;
  /** Stops listening and breaks off the connections that are open. */
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 256;
const HEAD_BYTES_MAX = 8 << 10;
const HEAD_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 30_000;
const CHECK_MS = 1_000;

export const TEXT = 'text/plain; charset=utf-8';

/**
 * Listens on `listen` ("ADDRESS:PORT"). `answer` gets the path, without the query, of each GET and HEAD; null is "not
 * found". `what` names the service in errors: "the health port". Throws SensorError (listen-failed).
 */
export async function startListener(
  listen: string,
  what: string,
  answer: (path: string) => Answer | null,
  sockets: OwnSockets = nobody,
): Promise<Listener> {
  const wanted = parseListenAddress(listen);
  if (wanted === null) throw refused(what, listen, 'it is no ADDRESS:PORT', 'Write it as 127.0.0.1:8080, [::1]:8080 or :8080.');
  const server = createServer(
    {
      maxHeaderSize: HEAD_BYTES_MAX,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: HEAD_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => respond(request, response, answer),
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = ANSWER_TIMEOUT_MS;
  // A client that writes no HTTP, or checks by connecting only, is no fault of ours.
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('connect', (_request, socket) => socket.destroy());
  server.on('upgrade', (_request, socket: Socket) => socket.destroy());
  try {
    await bound(server, wanted.host, wanted.port);
  } catch (error) {
    const holder = codeOf(error) === 'EADDRINUSE' ? holderOf(wanted.port) : '';
    const next =
      codeOf(error) === 'EACCES'
        ? 'Take a port from 1024 on, or give the service CAP_NET_BIND_SERVICE.'
        : 'Name another address in the configuration, or stop what is there.';
    throw refused(what, listen, `${reasonOf(error)}${holder}`, next, error);
  }
  // What goes wrong while accepting (too many open files) is over when there is room again.
  server.on('error', () => undefined);
  const { address, port } = server.address() as AddressInfo;
  const own: OwnAddress = { host: address, port, protocol: 'tcp' };
  sockets.own(own);
  let closing: Promise<void> | undefined;
  return {
    address: formatHostPort({ host: address, port }),
    port,
    close: () => {
      closing ??= new Promise((done) => {
        server.close(() => {
          sockets.ownClosed(own);
          done();
        });
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

function bound(server: Server, host: string, port: number): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
      server.off('error', fail);
      done();
    });
  });
}

function respond(request: IncomingMessage, response: ServerResponse, answer: (path: string) => Answer | null): void {
  const { method = '', url = '/' } = request;
  const reads = method === 'GET' || method === 'HEAD';
  const { status, type, body } = reads
    ? answered(url.replace(/[?#].*$/s, ''), answer)
    : { status: 405, type: TEXT, body: 'only GET and HEAD\n' };
  response.statusCode = status;
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.setHeader('Cache-Control', 'no-store');
  if (!reads) response.setHeader('Allow', 'GET, HEAD');
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  if (hasBody) response.setHeader('Connection', 'close');
  response.end(method === 'HEAD' ? '' : body);
}

function answered(path: string, answer: (path: string) => Answer | null): Answer {
  try {
    return answer(path) ?? { status: 404, type: TEXT, body: 'not found\n' };
  } catch {
    // A question must not end the service.
    return { status: 500, type: TEXT, body: 'a fault of Earshot itself\n' };
  }
}

function refused(what: string, listen: string, why: string, next: string, cause?: unknown): SensorError {
  return new SensorError('listen-failed', `Cannot open ${what} on ${listen}`, why, next, cause);
}

const LISTENING = '0A';

/** " by nginx (pid 812)": the process that listens on that TCP port; "" when it is not to be seen. */
function holderOf(port: number): string {
  const links = new Set<string>();
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  try {
    for (const table of ['tcp', 'tcp6']) {
      for (const line of readFileSync(`/proc/net/${table}`, 'latin1').split('\n')) {
        const fields = line.trim().split(/\s+/);
        if (fields[1]?.endsWith(suffix) && fields[3] === LISTENING) links.add(`socket:[${fields[9]}]`);
      }
    }
  } catch {
    // Without IPv6 there is no second table.
  }
  if (links.size === 0) return '';
  const { holder } = processWith(links);
  return holder === null ? '' : ` by ${holder.name} (pid ${holder.pid})`;
}
