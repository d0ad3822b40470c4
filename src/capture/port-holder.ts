/**
 * Who holds a UDP port: the process that has it open, or the tunnel device for which the kernel itself does.
 *
 * /proc/net/udp and udp6 list the sockets of this network namespace, and /proc/PID/fd says which process has one:
 *
 *   sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
 *   6754: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 587022 2 ...
 *
 * Addresses there are words of 32 bits in host order, as hexadecimal digits. A socket that the kernel made for a device
 * has an inode like any other, but no process has it open. The ports of vxlan and geneve devices come from a dump of
 * RTM_GETLINK (rtnetlink(7)), which needs no privilege:
 *
 *   nlmsghdr 16 B | ifinfomsg 16 B | IFLA_IFNAME | IFLA_LINKINFO { IFLA_INFO_KIND, IFLA_INFO_DATA { ..._PORT, network order } }
 *
 * Bounds: 64 KiB a datagram, 4,096 datagrams. Raises nothing. Left out: processes of other PID namespaces, which are
 * not to be seen from here; other devices that hold UDP ports (bareudp, fou), which are told as the kernel's.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { codeOf } from '../base/errors.ts';
import { addressText, type SocketAddress } from './sockaddr.ts';
import { systemCalls } from './syscalls.ts';

export type PortHolder =
  | { readonly kind: 'process'; readonly pid: number; readonly name: string }
  | { readonly kind: 'device'; readonly name: string; readonly type: TunnelType }
  /** No process that is to be seen here, and all were. */
  | { readonly kind: 'kernel' }
  /** Some processes may not be looked at: one of them, or the kernel. */
  | { readonly kind: 'hidden'; readonly userId: number };

export type TunnelType = 'vxlan' | 'geneve';

interface OpenSocket {
  readonly address: string;
  readonly port: number;
  readonly userId: number;
  readonly inode: number;
}

/** Who has the port open so that nobody else can bind that address; null when nobody does. */
export function findPortHolder(wanted: SocketAddress): PortHolder | null {
  const found = openSockets(wanted).filter((socket) => socket.port === wanted.port);
  if (found.length === 0) return null;
  const processes = processesOf(new Set(found.map(({ inode }) => `socket:[${inode}]`)));
  if (processes.holder !== null) return processes.holder;
  const device = tunnelDevices().find(({ port }) => port === wanted.port);
  if (device !== undefined) return { kind: 'device', name: device.name, type: device.type };
  return processes.all ? { kind: 'kernel' } : { kind: 'hidden', userId: found[0].userId };
}

/** The sockets that stand in the way of that address, whatever their port. */
function openSockets({ address }: SocketAddress): OpenSocket[] {
  const v6 = address.includes(':');
  const any = v6 ? '::' : '0.0.0.0';
  const own = listed(v6 ? 'udp6' : 'udp').filter((s) => address === any || s.address === any || s.address === address);
  if (v6) return own;
  // Sockets of IPv6 that take IPv4 too; the list does not say of "::" whether it does, so they come last.
  const mapped = (s: OpenSocket): boolean =>
    s.address === '::' || s.address === `::ffff:${address}` || (address === any && s.address.startsWith('::ffff:'));
  return [...own, ...listed('udp6').filter(mapped)];
}

function listed(table: 'udp' | 'udp6'): OpenSocket[] {
  let text: string;
  try {
    text = readFileSync(`/proc/net/${table}`, 'latin1');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => readSocketLine(line) ?? []);
}

/** A line of /proc/net/udp or udp6; null when it is none. */
export function readSocketLine(line: string): OpenSocket | null {
  const fields = line.trim().split(/\s+/);
  const [, hex, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(fields[1] ?? '') ?? [];
  if (hex === undefined || port === undefined || fields.length < 10) return null;
  const bytes = Buffer.from(hex, 'hex').swap32();
  return { address: addressText(bytes), port: Number.parseInt(port, 16), userId: Number(fields[7]), inode: Number(fields[9]) };
}

/** The first process that has one of these open, and whether all processes could be looked at. */
function processesOf(links: ReadonlySet<string>): { readonly holder: PortHolder | null; readonly all: boolean } {
  let all = true;
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    try {
      for (const fd of readdirSync(`/proc/${entry}/fd`)) {
        if (links.has(linkOf(`/proc/${entry}/fd/${fd}`))) {
          const name = readFileSync(`/proc/${entry}/comm`, 'utf8').trim();
          return { holder: { kind: 'process', pid: Number(entry), name }, all };
        }
      }
    } catch (error) {
      // Other errors say that it has ended.
      if (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') all = false;
    }
  }
  return { holder: null, all };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

export interface TunnelDevice {
  readonly name: string;
  readonly type: TunnelType;
  /** The UDP port on which the kernel takes its packets. */
  readonly port: number;
}

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;
const HEADER_BYTES = 16;
const DATAGRAM_BYTES = 1 << 16;
const DATAGRAMS_MAX = 4096;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST_DUMP = 0x301;
const IFF_UP = 1;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
/** Attribute that holds the port. */
const portAttributes: Readonly<Record<TunnelType, number>> = { vxlan: 15, geneve: 5 };

/** The vxlan and geneve devices of this network namespace that are up: those that are down hold no port. */
export function tunnelDevices(): TunnelDevice[] {
  const calls = systemCalls();
  const fd = calls?.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE) ?? -1;
  if (calls === null || fd < 0) return [];
  const devices: TunnelDevice[] = [];
  try {
    const request = Buffer.alloc(2 * HEADER_BYTES);
    request.writeUInt32LE(request.length, 0);
    request.writeUInt16LE(RTM_GETLINK, 4);
    request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
    if (calls.send(fd, request, 0) < 0) return [];
    const datagram = Buffer.alloc(DATAGRAM_BYTES);
    let more = true;
    for (let i = 0; more && i < DATAGRAMS_MAX; i++) {
      // A dump is written while it is asked for: there is never a reason to wait.
      const length = calls.recv(fd, datagram, MSG_DONTWAIT);
      more = length > 0 && readLinks(datagram.subarray(0, length), devices);
    }
  } finally {
    calls.close(fd);
  }
  return devices;
}

/** Adds the tunnel devices of one datagram to `devices`; false after the last message of the dump. */
function readLinks(datagram: Buffer, devices: TunnelDevice[]): boolean {
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > datagram.length || datagram.readUInt16LE(at + 4) !== RTM_NEWLINK) return false;
    const message = datagram.subarray(at + HEADER_BYTES, at + length);
    if (message.length >= HEADER_BYTES && (message.readUInt32LE(8) & IFF_UP) !== 0) {
      const device = deviceOf(attributesOf(message.subarray(HEADER_BYTES)));
      if (device !== null) devices.push(device);
    }
    at += aligned(length);
  }
  return true;
}

function deviceOf(link: ReadonlyMap<number, Buffer>): TunnelDevice | null {
  const info = attributesOf(link.get(IFLA_LINKINFO));
  const type = textOf(info.get(IFLA_INFO_KIND));
  if (type !== 'vxlan' && type !== 'geneve') return null;
  const port = attributesOf(info.get(IFLA_INFO_DATA)).get(portAttributes[type]);
  if (port === undefined || port.length < 2) return null;
  return { name: textOf(link.get(IFLA_IFNAME)), type, port: port.readUInt16BE(0) };
}

/** Attributes by type: | length 2 | type 2 | value ... |, aligned to four bytes. */
function attributesOf(bytes: Buffer = Buffer.alloc(0)): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    // The upper two bits say "nested" and "network order".
    attributes.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return attributes;
}

/** A C string. */
function textOf(bytes: Buffer = Buffer.alloc(0)): string {
  const nul = bytes.indexOf(0);
  return bytes.toString('utf8', 0, nul < 0 ? bytes.length : nul);
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
