/**
 * The network interfaces of the current network namespace, as the kernel lists them over rtnetlink. /sys and /proc/net
 * may belong to another namespace; a netlink socket always belongs to the one that it was made in. Needs no privilege.
 *
 * One RTM_GETLINK dump (rtnetlink(7)); all numbers in host byte order, every part aligned to four bytes:
 *
 *   request    nlmsghdr 16 B | ifinfomsg 16 B
 *   answer     one message an interface, several in a datagram, the last is NLMSG_DONE
 *
 *   nlmsghdr   | length 4 | type 2 | flags 2 | sequence 4 | port 4 |
 *   ifinfomsg  | family 1 | - 1 | type 2 | index 4 | flags 4 | change 4 |
 *   rtattr     | length 2 | type 2 | value, "length" minus 4 bytes |
 *   tunnels    IFLA_LINKINFO { IFLA_INFO_KIND "vxlan", IFLA_INFO_DATA { ..._PORT 2 B in network order } }
 *
 * Bounds: 64 KiB a datagram, 4,096 datagrams, eight dumps when interfaces change meanwhile. Raises nothing: where the
 * kernel refuses, the list is empty. Leaves out addresses, which interface belongs to which bridge, and the state of
 * the driver.
 */
import { systemCalls } from './syscalls.ts';

export interface InterfaceState {
  /** Number within the namespace; a re-created interface gets another one. */
  readonly index: number;
  readonly name: string;
  /** Switched on (IFF_UP). */
  readonly up: boolean;
  /** Has a link below it (IFF_LOWER_UP); false while it is down. */
  readonly carrier: boolean;
  readonly loopback: boolean;
  readonly mtu: number;
  /** Hardware type, ARPHRD_ of if_arp.h: 1 Ethernet, 772 loopback, 65534 none (a tunnel of IP packets). */
  readonly type: number;
  /** "veth", "bridge", "vxlan" ...; "" for one that belongs to hardware, and for loopback. */
  readonly kind: string;
  /** UDP port on which the kernel takes the packets of a vxlan or geneve device; 0 of others. */
  readonly tunnelPort: number;
  /** Packets and bytes received since it was made, and packets that the kernel or the card dropped. */
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly rxDropped: number;
}

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
/** The list changed while it was read: it has to be read again. */
const NLM_F_DUMP_INTR = 0x10;

const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_STATS64 = 23;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
/** Attributes of IFLA_INFO_DATA, by kind: the port in network order. */
const portAttributes: ReadonlyMap<string, number> = new Map([
  ['vxlan', 15],
  ['geneve', 5],
]);
/** Of struct rtnl_link_stats64, which is all u64. */
const RX_PACKETS_AT = 0;
const RX_BYTES_AT = 16;
const RX_DROPPED_AT = 48;
const RX_MISSED_AT = 120;

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_LOWER_UP = 0x10000;

const HEADER_BYTES = 16;
const DATAGRAM_BYTES = 1 << 16;
const DATAGRAMS_MAX = 4096;
const DUMPS_MAX = 8;

/** All interfaces of this network namespace, by index; empty where the kernel does not say. */
export function listInterfaces(): InterfaceState[] {
  for (let i = 0; i < DUMPS_MAX; i++) {
    const list = dump();
    if (list !== 'changed') return list;
  }
  return [];
}

function dump(): InterfaceState[] | 'changed' {
  const calls = systemCalls();
  if (calls === null) return [];
  const fd = calls.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return [];
  try {
    const request = Buffer.alloc(2 * HEADER_BYTES);
    request.writeUInt32LE(request.length, 0);
    request.writeUInt16LE(RTM_GETLINK, 4);
    request.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
    if (calls.send(fd, request, 0) < 0) return [];
    const datagram = Buffer.alloc(DATAGRAM_BYTES);
    const list: InterfaceState[] = [];
    for (let i = 0; i < DATAGRAMS_MAX; i++) {
      // A dump is written while it is asked for: there is never a reason to wait.
      const length = calls.recv(fd, datagram, MSG_DONTWAIT | MSG_TRUNC);
      if (length <= 0 || length > datagram.length) return list;
      const end = readMessages(datagram.subarray(0, length), list);
      if (end === 'changed') return 'changed';
      if (end) return list;
    }
    return list;
  } finally {
    calls.close(fd);
  }
}

/** Reads the messages of one datagram into `list`; true after the last of the dump. */
export function readMessages(datagram: Buffer, list: InterfaceState[]): boolean | 'changed' {
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    const end = at + length;
    if (length < HEADER_BYTES || end > datagram.length) return true;
    if ((datagram.readUInt16LE(at + 6) & NLM_F_DUMP_INTR) !== 0) return 'changed';
    const type = datagram.readUInt16LE(at + 4);
    if (type === NLMSG_DONE || type === NLMSG_ERROR) return true;
    if (type === RTM_NEWLINK && length >= 2 * HEADER_BYTES) list.push(interfaceOf(datagram, at + HEADER_BYTES, end));
    at += aligned(length);
  }
  return false;
}

function interfaceOf(message: Buffer, at: number, end: number): InterfaceState {
  const flags = message.readUInt32LE(at + 8);
  let name = '';
  let mtu = 0;
  let kind = '';
  let tunnelPort = 0;
  let rxPackets = 0;
  let rxBytes = 0;
  let rxDropped = 0;
  eachAttribute(message, at + HEADER_BYTES, end, (type, value, valueEnd) => {
    const length = valueEnd - value;
    if (type === IFLA_IFNAME) name = text(message, value, valueEnd);
    else if (type === IFLA_MTU && length >= 4) mtu = message.readUInt32LE(value);
    else if (type === IFLA_LINKINFO) {
      // The kernel writes the kind before its data.
      eachAttribute(message, value, valueEnd, (info, infoAt, infoEnd) => {
        if (info === IFLA_INFO_KIND) kind = text(message, infoAt, infoEnd);
        else if (info === IFLA_INFO_DATA) tunnelPort = portOf(kind, message, infoAt, infoEnd);
      });
    } else if (type === IFLA_STATS64 && length >= RX_MISSED_AT + 8) {
      rxPackets = Number(message.readBigUInt64LE(value + RX_PACKETS_AT));
      rxBytes = Number(message.readBigUInt64LE(value + RX_BYTES_AT));
      rxDropped = Number(message.readBigUInt64LE(value + RX_DROPPED_AT) + message.readBigUInt64LE(value + RX_MISSED_AT));
    }
  });
  return {
    index: message.readInt32LE(at + 4),
    name,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    mtu,
    type: message.readUInt16LE(at + 2),
    kind,
    tunnelPort,
    rxPackets,
    rxBytes,
    rxDropped,
  };
}

function portOf(kind: string, message: Buffer, at: number, end: number): number {
  const wanted = portAttributes.get(kind);
  let port = 0;
  eachAttribute(message, at, end, (type, value, valueEnd) => {
    if (type === wanted && valueEnd - value >= 2) port = message.readUInt16BE(value);
  });
  return port;
}

function eachAttribute(message: Buffer, from: number, end: number, take: (type: number, at: number, end: number) => void): void {
  for (let at = from; at + 4 <= end; ) {
    const length = message.readUInt16LE(at);
    if (length < 4 || at + length > end) return;
    // The upper two bits say "nested" and "network order".
    take(message.readUInt16LE(at + 2) & 0x3fff, at + 4, at + length);
    at += aligned(length);
  }
}

/** A C string. */
function text(bytes: Buffer, at: number, end: number): string {
  const nul = bytes.indexOf(0, at);
  return bytes.toString('utf8', at, nul >= 0 && nul < end ? nul : end);
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

export interface MatchedInterface {
  readonly interface: InterfaceState;
  /** The first name or pattern that it fits. */
  readonly pattern: string;
}

export interface InterfaceMatch {
  readonly matched: readonly MatchedInterface[];
  /** Names, patterns left out, of interfaces that do not exist. */
  readonly missing: readonly string[];
}

/** Which interfaces names and patterns (`*` any text, `?` any character) mean; each interface once. */
export function matchInterfaces(patterns: readonly string[], list: readonly InterfaceState[]): InterfaceMatch {
  const matched: MatchedInterface[] = [];
  for (const one of list) {
    const pattern = patterns.find((p) => fits(p, one.name));
    if (pattern !== undefined) matched.push({ interface: one, pattern });
  }
  const missing = patterns.filter((p, i) => !isPattern(p) && patterns.indexOf(p) === i && !list.some(({ name }) => name === p));
  return { matched, missing };
}

/** Whether it stands for any number of interfaces, none included. */
export function isPattern(name: string): boolean {
  return /[*?]/.test(name);
}

/**
 * Whether `name` fits the pattern. After a mismatch only the last `*` takes one character more, so this is at most
 * pattern times name, not exponential.
 */
function fits(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let from = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      from = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++from;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
