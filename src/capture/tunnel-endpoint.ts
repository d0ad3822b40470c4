/**
 * Tunnel end-points: ordinary UDP sockets at which mirrored packets arrive in VXLAN or GENEVE, one a worker, that share
 * a port. They need no privilege. This is opening them, on the main thread: no memory of the arena is touched here;
 * capture/endpoint-reader.ts reads them.
 *
 *   udp://0.0.0.0:4789?encap=vxlan     udp://[::]:6081?encap=geneve+vxlan
 *
 * An end-point of IPv6 takes no IPv4 (IPV6_V6ONLY): name both where both are wanted. Datagrams over IPv6 without a UDP
 * checksum are taken (RFC 6935), for tunnels send no other; with a wrong one the kernel drops them, and they count among
 * `endpointDrops`.
 */
import { networkInterfaces } from 'node:os';
import { ENDPOINT_WANTED, type EndpointUrl, parseEndpointUrl, VXLAN_PORT } from '../base/endpoint-url.ts';
import { errnoReason, SensorError } from '../base/errors.ts';
import { findPortHolder, type PortHolder } from './port-holder.ts';
import { AF_INET, AF_INET6, writeSockaddr } from './sockaddr.ts';
import { errnoName, int32, type SystemCalls, systemCalls } from './syscalls.ts';

/** Plain data: it may be handed to a worker. */
export interface Endpoint extends EndpointUrl {
  /** As configured. */
  readonly url: string;
}

export interface OpenEndpoint {
  /** One a worker, in the order in which a program of SO_ATTACH_REUSEPORT_CBPF counts them. */
  readonly fds: readonly number[];
  /** Of each socket, as granted. The kernel reserves twice as much, for its own bookkeeping. */
  readonly receiveBufferBytes: number;
}

/**
 * Reads the URL of an end-point. Without `encap` port 6081 means GENEVE and any other VXLAN. Throws SensorError
 * (endpoint-invalid), which says what is wrong and what is wanted.
 */
export function parseEndpoint(url: string): Endpoint {
  const endpoint = parseEndpointUrl(url);
  if (typeof endpoint === 'string') {
    throw new SensorError('endpoint-invalid', `Cannot use the end-point ${url}`, endpoint, `Write ${ENDPOINT_WANTED}.`);
  }
  return { url, ...endpoint };
}

const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_RCVBUFFORCE = 33;
const SO_TIMESTAMPNS = 35;
const SO_MEMINFO = 55;
const SOL_IP = 0;
const IP_PKTINFO = 8;
const SOL_UDP = 17;
const UDP_NO_CHECK6_RX = 102;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const MEMINFO_WORDS = 9;
const MEMINFO_USED = 0;
const MEMINFO_LIMIT = 1;
const MEMINFO_DROPS = 8;
/** Ports below this one are for the privileged (net.ipv4.ip_unprivileged_port_start may say otherwise). */
const FIRST_FREE_PORT = 1024;

/**
 * Opens `workers` sockets on the port of the end-point. Datagrams arrive from now on. The balance program is still to be
 * attached, to any of them. Throws SensorError: port-held, no-rights, endpoint-refused, system-unsupported; then nothing
 * is left open.
 */
export function openEndpoint(endpoint: Endpoint, workers: number, receiveBufferBytes: number): OpenEndpoint {
  const calls = systemCalls();
  if (calls === null) {
    throw new SensorError(
      'system-unsupported',
      `Cannot open ${endpoint.url}`,
      'Earshot has no system calls for this system',
      'Run it on 64-bit Linux, or read a capture: earshot read FILE.',
    );
  }
  // A socket of the same user could share the port unnoticed, so the first one tries it alone.
  calls.close(bound(calls, endpoint, false));
  const fds: number[] = [];
  try {
    for (let i = 0; i < workers; i++) {
      const fd = bound(calls, endpoint, true, receiveBufferBytes);
      fds.push(fd);
    }
  } catch (error) {
    closeEndpoint(fds);
    throw error;
  }
  const value = int32(0);
  calls.getsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, value);
  return { fds, receiveBufferBytes: value.readInt32LE(0) / 2 };
}

/** Closes the sockets of an end-point. Nobody may be reading them any more. */
export function closeEndpoint(fds: readonly number[]): void {
  for (const fd of fds) systemCalls()?.close(fd);
}

/** A socket that is bound; `shared` is one of several, with all that reading needs. */
function bound(calls: SystemCalls, endpoint: Endpoint, shared: boolean, receiveBufferBytes = 0): number {
  const v6 = endpoint.address.includes(':');
  const fd = calls.socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw refused(endpoint, errnoName(fd));
  const one = int32(1);
  if (v6) calls.setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, one);
  if (shared) {
    calls.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, one);
    const size = int32(receiveBufferBytes);
    if (calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size) < 0) calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size);
    calls.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, one);
    if (v6) calls.setsockopt(fd, SOL_UDP, UDP_NO_CHECK6_RX, one);
    calls.setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, one);
  }
  const result = calls.bind(fd, writeSockaddr(endpoint) ?? Buffer.alloc(0));
  if (result < 0) {
    // Closed before the holder is looked for: this socket is none.
    calls.close(fd);
    throw refused(endpoint, errnoName(result));
  }
  return fd;
}

function refused(endpoint: Endpoint, code: string): SensorError {
  const { url, address, port } = endpoint;
  const what = `Cannot open ${url}`;
  switch (code) {
    case 'EADDRINUSE':
      return portHeld(endpoint);
    case 'EACCES':
    case 'EPERM':
      return port < FIRST_FREE_PORT
        ? new SensorError(
            'no-rights',
            what,
            `ports below ${FIRST_FREE_PORT} need the capability CAP_NET_BIND_SERVICE`,
            `Send the mirror to a port above that, as ${VXLAN_PORT}, or run Earshot as a service with AmbientCapabilities=CAP_NET_BIND_SERVICE.`,
          )
        : new SensorError(
            'no-rights',
            what,
            errnoReason(code),
            'Look for a rule of SELinux, AppArmor or the container that forbids the port.',
          );
    case 'EADDRNOTAVAIL':
      return new SensorError('endpoint-refused', what, `${address} is no address of this machine`, `Take ${choices(address)}.`);
    case 'EAFNOSUPPORT':
      return new SensorError('endpoint-refused', what, 'this machine has no IPv6', 'Take an address of IPv4, as udp://0.0.0.0:4789.');
    default:
      return new SensorError(
        'endpoint-refused',
        what,
        errnoReason(code),
        'Look at the address with `ip address`, and at the limits of the service.',
      );
  }
}

/** "0.0.0.0 (every address), or 10.0.0.5": what can be had in the family of that address. */
function choices(address: string): string {
  const v6 = address.includes(':');
  const family = v6 ? 'IPv6' : 'IPv4';
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  // An address of a link needs a zone, which an end-point cannot name.
  const usable = own.filter((one) => one.family === family && !one.address.startsWith('fe80:')).map((one) => one.address);
  return [`${v6 ? '[::]' : '0.0.0.0'} (every address)`, ...usable.slice(0, 8).map((one) => (v6 ? `[${one}]` : one))].join(', or ');
}

function portHeld(endpoint: Endpoint): SensorError {
  const { why, next } = heldBy(endpoint, findPortHolder(endpoint));
  return new SensorError('port-held', `Cannot open ${endpoint.url}`, `port ${endpoint.port} is held by ${why}`, next);
}

function heldBy({ port }: Endpoint, holder: PortHolder | null): { readonly why: string; readonly next: string } {
  const elsewhere = 'or send the mirror to another port and name that one in capture.endpoints.';
  const look = `\`ss -lunp sport = :${port}\``;
  switch (holder?.kind) {
    case 'process':
      return holder.pid === process.pid
        ? { why: 'this Earshot itself', next: 'Name each port once in capture.endpoints.' }
        : { why: `the process ${holder.name} (pid ${holder.pid})`, next: `Stop it, ${elsewhere}` };
    case 'device':
      return {
        why: `the ${holder.type} device ${holder.name}, that is, by the kernel`,
        next: `Name ${holder.name} in capture.interfaces instead (the kernel takes the tunnel off), or remove it (ip link delete ${holder.name}), ${elsewhere}`,
      };
    case 'kernel':
      return {
        why: 'the kernel (a tunnel device), or by a process of another container',
        next: `Look at \`ip -d link\`, and outside of the container at ${look}, ${elsewhere}`,
      };
    case 'hidden':
      return {
        why: `a process of user ${holder.userId} that may not be looked at, or by the kernel`,
        next: `Look as root with ${look} and \`ip -d link\`, ${elsewhere}`,
      };
    default:
      return { why: 'a socket that has just gone, or that is not to be seen', next: `Try again, look as root with ${look}, ${elsewhere}` };
  }
}

/** What to tell when the kernel gives less than was wanted; null when it does not. */
export function receiveBufferWarning(
  endpoint: Endpoint,
  grantedBytes: number,
  wantedBytes: number,
): { readonly what: string; readonly next: string } | null {
  if (grantedBytes >= wantedBytes) return null;
  return {
    what: `The receive buffer of ${endpoint.url} is ${grantedBytes} bytes instead of ${wantedBytes}: bursts may be lost.`,
    next: `Run sysctl -w net.core.rmem_max=${wantedBytes} (and put it into /etc/sysctl.d/), or give the service CAP_NET_ADMIN, and start Earshot again; or lower capture.receiveBufferBytes.`,
  };
}

/** Datagrams that the kernel dropped at this socket since it was opened: the receive buffer was full, or the checksum wrong. */
export function endpointDrops(fd: number): number {
  return readMemory(fd) ? memory.readUInt32LE(MEMINFO_DROPS * 4) : 0;
}

/** Filled part of the receive buffer, 0 to 1. */
export function endpointFill(fd: number): number {
  if (!readMemory(fd)) return 0;
  return Math.min(1, memory.readUInt32LE(MEMINFO_USED * 4) / Math.max(1, memory.readUInt32LE(MEMINFO_LIMIT * 4)));
}

const memory = int32(...Array<number>(MEMINFO_WORDS).fill(0));

/** What the kernel says of the memory of a socket (SK_MEMINFO_ of linux/sock_diag.h), into `memory`. */
function readMemory(fd: number): boolean {
  return (systemCalls()?.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory) ?? 0) >= memory.length;
}
