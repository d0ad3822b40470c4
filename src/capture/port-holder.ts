/**
 * Who holds a UDP port: the process that has it open, or the tunnel device for which the kernel itself does.
 *
 * /proc/net/udp and udp6 list the sockets of this network namespace, and /proc/PID/fd says which process has one:
 *
 *   sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
 *   6754: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 587022 2 ...
 *
 * Addresses there are words of 32 bits in host order, as hexadecimal digits. A socket that the kernel made for a device
 * has an inode like any other, but no process has it open; the ports of vxlan and geneve devices are in the list of
 * interfaces (capture/interfaces.ts).
 *
 * Raises nothing. Left out: processes of other PID namespaces, which are not to be seen from here; other devices that
 * hold UDP ports (bareudp, fou), which are told as the kernel's.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf } from '../base/errors.ts';
import { listInterfaces } from './interfaces.ts';
import { addressText, type SocketAddress } from './sockaddr.ts';

const NAME_MAX = 64;

export type PortHolder =
  | PortHolderProcess
  | { readonly kind: 'device'; readonly name: string; readonly type: string }
  /** No process that is to be seen here, and all were. */
  | { readonly kind: 'kernel' }
  /** Some processes may not be looked at: one of them, or the kernel. */
  | { readonly kind: 'hidden'; readonly userId: number };

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
  const processes = processWith(new Set(found.map(({ inode }) => `socket:[${inode}]`)));
  if (processes.holder !== null) return processes.holder;
  // One that is switched off holds no port.
  const device = listInterfaces().find(({ up, tunnelPort }) => up && tunnelPort === wanted.port);
  if (device !== undefined) return { kind: 'device', name: device.name, type: device.kind };
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

interface PortHolderProcess {
  readonly kind: 'process';
  readonly pid: number;
  readonly name: string;
}

/** The first process that has one of these open ("socket:[INODE]"), and whether all processes could be looked at. */
export function processWith(links: ReadonlySet<string>): { readonly holder: PortHolderProcess | null; readonly all: boolean } {
  let all = true;
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    try {
      for (const fd of readdirSync(`/proc/${entry}/fd`)) {
        if (links.has(linkOf(`/proc/${entry}/fd/${fd}`))) {
          return { holder: { kind: 'process', pid: Number(entry), name: nameOf(entry) }, all };
        }
      }
    } catch (error) {
      // Other errors say that it has ended.
      if (codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM') all = false;
    }
  }
  return { holder: null, all };
}

/**
 * What an operator knows a process by. The name that the kernel has of one of Node is that of its main thread, "MainThread";
 * there the script says more: "earshot run", "node server.js".
 */
function nameOf(pid: string): string {
  const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  if (basename(program) !== 'node' && name !== 'MainThread') return name;
  const at = args.findIndex((arg) => arg !== '' && !arg.startsWith('-'));
  // Behind -e or -p stands a program, not its name.
  const script = at < 0 || /^-(e|p|-eval|-print)$/.test(args[at - 1] ?? '') ? '' : args[at];
  const words = script === '' ? ['node'] : isEarshot(pid, script) ? ['earshot', args[at + 1] ?? ''] : ['node', basename(script)];
  return words.join(' ').trim().replace(/\p{C}/gu, '?').slice(0, NAME_MAX);
}

/** Whether the script of that process is Earshot's, of whatever clone: the package beside it says so. */
function isEarshot(pid: string, script: string): boolean {
  try {
    const path = resolve(readlinkSync(`/proc/${pid}/cwd`), script);
    const { name } = JSON.parse(readFileSync(join(dirname(path), '../package.json'), 'utf8')) as { readonly name?: unknown };
    return name === 'earshot' && path.endsWith('/src/main.ts');
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
