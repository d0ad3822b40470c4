/**
 * The programs in the kernel: whatever the interpreter says of a packet, the kernel does. Real sockets on a veth pair and on
 * loopback, in a network namespace that this process has for itself and that ends with it.
 *
 * Frames longer than a page are there too: the kernel keeps all but their first 14 bytes in fragments, so a program that
 * only reached the linear part of a packet would see nothing of them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import koffi from 'koffi';
import { SensorError } from '../../src/base/errors.ts';
import { balanceProgram } from '../../src/capture/balance-program.ts';
import { attachFilter, attachReuseport, setFanoutProgram } from '../../src/capture/bpf.ts';
import { type Around, runProgram } from '../../src/capture/bpf-interpreter.ts';
import { compileExpression } from '../../src/capture/libpcap.ts';
import { writeSockaddr } from '../../src/capture/sockaddr.ts';
import { type SocketFilterOptions, socketFilter } from '../../src/capture/socket-filter.ts';
import { errnoName, int32, type SystemCalls, systemCalls } from '../../src/capture/syscalls.ts';
import * as p from '../support/packets.ts';

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const SOL_PACKET = 263;
const PACKET_FANOUT = 18;
const FANOUT_CBPF = 6;
const FANOUT_FLAG_DEFRAG = 0x8000;
const ETH_P_ALL = 3;
const OUTGOING = 4;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const CLONE_NEWNET = 0x40000000;
const WORKERS = 4;
const MTU = 9000;
const TUNSETIFF = 0x400454ca;
const IFF_TUN_NO_PI = 0x1001;
/** How long a packet may take to come; one that is there is not waited for. */
const PATIENCE_MS = 5000;

const skip = enter();
const opened: number[] = [];
after(() => {
  for (const fd of opened) systemCalls()?.close(fd);
});

/** Takes this process into a namespace of its own; why it cannot, or false. */
function enter(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  if (systemCalls() === null) return 'there are no system calls here';
  if (spawnSync('ip', ['-V']).error !== undefined) return 'ip (iproute2) is not installed';
  const unshare = koffi.load('libc.so.6').func('int unshare(int)');
  if (unshare(CLONE_NEWNET) !== 0) return 'no network namespace can be made here';
  const made = ip(`link add v0 mtu ${MTU} type veth peer name v1 mtu ${MTU}`);
  if (made !== '') return `no veth pair can be made here: ${made}`;
  for (const device of ['lo', 'v0', 'v1']) {
    // Neighbour discovery would send packets of its own.
    if (existsSync(`/proc/sys/net/ipv6/conf/${device}`)) spawnSync('sysctl', ['-q', '-w', `net.ipv6.conf.${device}.disable_ipv6=1`]);
    ip(`link set ${device} up`);
  }
  return false;
}

/** What `ip` complains about; "" when it does not. */
function ip(words: string): string {
  return spawnSync('ip', words.split(' '), { encoding: 'utf8' }).stderr.trim();
}

function libpcapIsMissing(): string | false {
  try {
    compileExpression('ip', 1);
    return false;
  } catch (error) {
    return error instanceof SensorError && error.code === 'libpcap-missing' ? error.why : false;
  }
}

function calls(): SystemCalls {
  const found = systemCalls();
  assert.ok(found !== null);
  return found;
}

function done(result: number, what: string): number {
  assert.ok(result >= 0, `${what}: ${errnoName(result)}`);
  return result;
}

/** A packet socket on an interface; without `protocol` it only sends. */
function packetSocket(device: string, protocol = ETH_P_ALL): number {
  const fd = done(calls().socket(AF_PACKET, SOCK_RAW, 0), 'socket');
  opened.push(fd);
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(protocol, 2);
  address.writeInt32LE(indexOf(device), 4);
  done(calls().bind(fd, address), 'bind');
  return fd;
}

function indexOf(device: string): number {
  return done(calls().interfaceIndex(device), device);
}

interface Received {
  readonly data: Buffer;
  /** PACKET_HOST and so on. */
  readonly packetType: number;
}

const message = Buffer.alloc(64);
const vector = Buffer.alloc(16);
const sender = Buffer.alloc(32);
const room = Buffer.alloc(65536);

/** The next packet that waits at the socket. */
function receive(fd: number): Received | null {
  vector.writeBigUInt64LE(calls().addressOf(room), 0);
  vector.writeBigUInt64LE(BigInt(room.length), 8);
  message.fill(0);
  message.writeBigUInt64LE(calls().addressOf(sender), 0);
  message.writeUInt32LE(sender.length, 8);
  message.writeBigUInt64LE(calls().addressOf(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  if (calls().recvmmsg(fd, message, 1, MSG_DONTWAIT) !== 1) return null;
  return { data: Buffer.from(room.subarray(0, message.readUInt32LE(56))), packetType: sender[10] };
}

/** Waits until one of the sockets has something. */
function wait(fds: readonly number[]): boolean {
  const polls = Buffer.alloc(8 * fds.length);
  fds.forEach((fd, i) => {
    polls.writeInt32LE(fd, 8 * i);
    polls.writeInt16LE(POLLIN, 8 * i + 4);
  });
  return calls().poll(polls, fds.length, PATIENCE_MS) > 0;
}

/** Takes packets until those with all marks have come: by mark, the number of the socket and the packet. */
function collect(
  fds: readonly number[],
  marks: number,
  wanted: (received: Received) => boolean,
): Map<number, { socket: number; received: Received }> {
  const found = new Map<number, { socket: number; received: Received }>();
  while (found.size < marks && wait(fds)) {
    fds.forEach((fd, socket) => {
      for (let received = receive(fd); received !== null; received = receive(fd)) {
        const mark = markOf(received.data);
        if (mark !== null && wanted(received)) found.set(mark, { socket, received });
      }
    });
  }
  return found;
}

const MARK = Buffer.from('mark');

/** The number behind the mark, which stands at the end of each packet that the tests send. */
function markOf(data: Buffer): number | null {
  const at = data.lastIndexOf(MARK);
  return at < 0 || at + 6 > data.length ? null : data.readUInt16BE(at + 4);
}

function marked(mark: number, bytes = 0): Buffer {
  return Buffer.concat([Buffer.alloc(bytes, '.'), MARK, Buffer.from([mark >> 8, mark & 255])]);
}

const outer = { source: '192.0.2.1', destination: '192.0.2.2' };
const LONG = 5000;

/** Every kind of packet that the programs look into, in both directions, short and long: each with a mark of its own. */
function frames(): Buffer[] {
  const all: Buffer[] = [];
  for (let flow = 0; flow < 12; flow++) {
    for (const fromServer of [false, true]) {
      const packet = (bytes = 0): Buffer => {
        const payload = marked(all.length, bytes);
        const [sourcePort, destinationPort] = fromServer ? [80, 40000 + flow] : [40000 + flow, 80];
        const [source, destination] = fromServer ? [2, 1] : [1, 2];
        const transport =
          flow % 4 === 3 ? p.udp(payload, { sourcePort, destinationPort }) : p.tcp(payload, { sourcePort, destinationPort });
        return flow % 3 === 2
          ? p.ipv6(transport, { source: `2001:db8::${source}`, destination: `2001:db8::${destination}` })
          : p.ipv4(transport, { source: `10.0.${flow}.${source}`, destination: `10.0.${flow}.${destination}` });
      };
      const add = (frame: Buffer): void => {
        all.push(frame);
      };
      add(p.ethernet(packet()));
      add(p.ethernet(packet(LONG)));
      add(p.ethernet(p.vlan(packet(), { id: 5 })));
      add(p.ethernet(p.vlan(p.vlan(packet(), { id: 6 }), { id: 7 }), { type: 0x88a8 }));
      add(p.ethernetSnap(packet()));
      add(p.ethernet(p.mpls(packet())));
      add(p.ethernet(p.pppoe(packet())));
      for (const bytes of [0, LONG]) {
        const frame = (): Buffer => p.ethernet(packet(bytes));
        add(p.ethernet(p.ipv4(p.udp(p.vxlan(frame(), { vni: flow }), { sourcePort: 50000 + all.length }), outer)));
        add(p.ethernet(p.ipv6(p.udp(p.vxlan(frame(), { vni: flow }), { sourcePort: 50000 + all.length }))));
        add(p.ethernet(p.ipv4(p.udp(p.geneve(packet(bytes), { options: Buffer.alloc(16) })), outer)));
        add(p.ethernet(p.ipv4(p.gre(packet(bytes), { key: flow, sequence: 1 }), outer)));
        add(p.ethernet(p.ipv4(p.erspan(frame()), outer)));
        add(p.ethernet(p.ipv4(packet(bytes), outer)));
        add(p.ethernet(p.ipv4(p.udp(p.geneve(p.ipv4(p.udp(p.vxlan(frame())), outer))), outer)));
      }
      add(p.ethernet(p.ipv4(p.icmp(marked(all.length)))));
      // In a tunnel: outside of one, the fanout group waits for the rest of it.
      add(p.ethernet(p.ipv4(p.gre(p.ipv4(marked(all.length), { protocol: 6, fragmentOffset: 64 })), outer)));
      add(p.ethernet(p.ipv6(p.ipv6Fragment(marked(all.length), { offset: 64, nextHeader: 6 }))));
      add(p.ethernet(Buffer.concat([Buffer.alloc(40), marked(all.length)]), { type: 0x88b5 }));
      add(p.ethernet(p.ipv4(p.udp(p.gtp(packet())), outer)));
    }
  }
  return all;
}

/** A frame as it lies behind the receiving device: the outermost tag is taken off, LLC has a number of its own. */
function seen(frame: Buffer): { readonly frame: Buffer; readonly around: Around } {
  const type = frame.readUInt16BE(12);
  if (type === 0x8100 || type === 0x88a8) {
    const rest = Buffer.concat([frame.subarray(0, 12), frame.subarray(16)]);
    return { frame: rest, around: { protocol: rest.readUInt16BE(12), vlanTag: frame.readUInt16BE(14) } };
  }
  return { frame, around: { protocol: type < 1536 ? 4 : type } };
}

const { vxlanPorts, genevePorts } = { vxlanPorts: [4789, 8472], genevePorts: [6081] };

function fanout(device: string, group: number, program: Buffer): number[] {
  const fds = Array.from({ length: WORKERS }, () => packetSocket(device));
  for (const fd of fds) {
    done(calls().setsockopt(fd, SOL_PACKET, PACKET_FANOUT, int32(group | ((FANOUT_CBPF | FANOUT_FLAG_DEFRAG) << 16))), 'PACKET_FANOUT');
  }
  done(setFanoutProgram(fds[0], program), 'PACKET_FANOUT_DATA');
  return fds;
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) calls().close(opened.splice(opened.indexOf(fd), 1)[0]);
}

/** Sends them a few at a time, so that no receive buffer overflows, and says what `take` found. */
function sendAll(fd: number, all: readonly Buffer[], take: (from: number, to: number) => void): void {
  const AT_ONCE = 16;
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const some = all.slice(from, from + AT_ONCE);
    for (const frame of some) assert.equal(calls().send(fd, frame, 0), frame.length);
    take(from, from + some.length);
  }
}

describe('in the kernel', { skip, timeout: 60_000 }, () => {
  test('fanout steers every packet to the worker that the interpreter names, coming in and going out', () => {
    const program = balanceProgram({ start: 'packet', workers: WORKERS, vxlanPorts, genevePorts });
    const incoming = fanout('v1', 1, program);
    const outgoing = fanout('v0', 2, program);
    const all = frames();
    const load = new Array<number>(WORKERS).fill(0);
    sendAll(packetSocket('v0', 0), all, (from, to) => {
      const came = collect(incoming, to - from, ({ packetType }) => packetType !== OUTGOING);
      const went = collect(outgoing, to - from, ({ packetType }) => packetType === OUTGOING);
      for (let i = from; i < to; i++) {
        const { frame, around } = seen(all[i]);
        const expected = runProgram(program, frame.subarray(14), around);
        assert.equal(came.get(i)?.socket, expected, `coming in: ${all[i].toString('hex', 0, 80)}`);
        assert.equal(
          went.get(i)?.socket,
          runProgram(program, all[i], { packetType: OUTGOING }),
          `going out: ${all[i].toString('hex', 0, 80)}`,
        );
        load[expected]++;
      }
    });
    assert.ok(
      load.every((n) => n > 0),
      load.join(' '),
    );
    // Joined from fragments first, an outer packet is steered by what it holds. The kernel joins the pieces of both groups in
    // one place, so the other one has to be gone.
    closeAll(outgoing);
    const inner = p.ethernet(p.ipv4(p.tcp(marked(1, LONG), { sourcePort: 41234 }), { source: '10.7.0.1' }));
    const whole = p.ipv4(p.udp(p.vxlan(inner)), outer);
    const content = whole.subarray(20);
    const pieces = [0, 1480, 2960, 4440].map((fragmentOffset) =>
      p.ethernet(
        p.ipv4(content.subarray(fragmentOffset, fragmentOffset + 1480), {
          ...outer,
          protocol: 17,
          id: 77,
          fragmentOffset,
          moreFragments: fragmentOffset + 1480 < content.length,
        }),
      ),
    );
    const sending = packetSocket('v0', 0);
    for (const piece of pieces) assert.equal(calls().send(sending, piece, 0), piece.length);
    const [joined] = [...collect(incoming, 1, ({ data }) => data.length > LONG).values()];
    assert.equal(joined?.socket, runProgram(program, whole, { protocol: 0x0800 }));
    closeAll(incoming);
  });

  test('datagrams go to the socket that the interpreter names', () => {
    for (const encapsulation of ['vxlan', 'geneve', 'geneve+vxlan'] as const) {
      const program = balanceProgram({ start: 'datagram', encapsulation, workers: WORKERS, vxlanPorts, genevePorts });
      const port = 20000 + encapsulation.length;
      const address = writeSockaddr({ address: '127.0.0.1', port }) ?? Buffer.alloc(0);
      const fds = Array.from({ length: WORKERS }, () => {
        const fd = done(calls().socket(AF_INET, SOCK_DGRAM, 0), 'socket');
        opened.push(fd);
        done(calls().setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, int32(1)), 'SO_REUSEPORT');
        done(calls().bind(fd, address), 'bind');
        return fd;
      });
      done(attachReuseport(fds[0], program), 'SO_ATTACH_REUSEPORT_CBPF');
      const sending = done(calls().socket(AF_INET, SOCK_DGRAM, 0), 'socket');
      opened.push(sending);
      const load = new Array<number>(WORKERS).fill(0);
      for (let i = 0; i < 64; i++) {
        const tcp = p.tcp(
          marked(i, i % 2 === 0 ? 0 : LONG),
          i % 4 < 2 ? { sourcePort: 40000 + i } : { sourcePort: 80, destinationPort: 39998 + i },
        );
        const frame = p.ethernet(i % 3 === 0 ? p.ipv6(tcp) : p.ipv4(tcp));
        const vxlan = p.vxlan(frame, { vni: i });
        const datagram =
          encapsulation === 'vxlan' ? vxlan : p.geneve(encapsulation === 'geneve' ? frame : p.ipv4(p.udp(vxlan)), { vni: i });
        assert.equal(calls().sendto(sending, datagram, 0, address), datagram.length);
        const expected = runProgram(program, datagram);
        assert.equal(collect(fds, 1, () => true).get(i)?.socket, expected, `${encapsulation} ${i}`);
        load[expected]++;
      }
      assert.ok(
        load.every((n) => n > 0),
        load.join(' '),
      );
    }
  });

  /** Sends all and asks which of them the filter let pass; a last packet, which every filter must take, tells when all came. */
  function passed(receiving: number, filter: Buffer, all: readonly Buffer[], wanted: (received: Received) => boolean): Set<number> {
    done(attachFilter(receiving, filter), 'SO_ATTACH_FILTER');
    while (receive(receiving) !== null);
    const sending = packetSocket('v0', 0);
    const marks = new Set<number>();
    sendAll(sending, all, (from, to) => {
      for (const mark of collectUntil(receiving, from, to, filter, sending, wanted)) marks.add(mark);
    });
    return marks;
  }

  /** The marks among [from, to) that came; a frame that passes any filter, sent behind them, ends the wait. */
  function collectUntil(
    fd: number,
    from: number,
    to: number,
    filter: Buffer,
    sending: number,
    wanted: (received: Received) => boolean,
  ): number[] {
    const END = 0xffff;
    const accept = Buffer.from('0600000000000400', 'hex');
    // The filter is replaced while packets wait: these were judged by the one before.
    const marks: number[] = [];
    const last = p.ethernet(Buffer.concat([Buffer.alloc(46), marked(END)]), { type: 0x88b6 });
    done(attachFilter(fd, accept), 'SO_ATTACH_FILTER');
    assert.equal(calls().send(sending, last, 0), last.length);
    for (let ended = false; !ended; ) {
      assert.ok(wait([fd]), 'the last frame did not come');
      for (let received = receive(fd); received !== null; received = receive(fd)) {
        const mark = markOf(received.data);
        if (mark === END) ended = true;
        else if (mark !== null && mark >= from && mark < to && wanted(received)) marks.push(mark);
      }
    }
    done(attachFilter(fd, filter), 'SO_ATTACH_FILTER');
    return marks;
  }

  const nothing = { ports: [], networks: [] };
  const filters: readonly [string, Partial<SocketFilterOptions>, string?][] = [
    ['only a port', { only: { ports: [40003, 40007], networks: [] } }],
    ['only networks', { only: { ports: [], networks: ['10.0.4.0/24', '2001:db8::2/127'] } }],
    ['not', { not: { ports: [40001], networks: ['10.0.6.0/23'] } }],
    ['all of it', { only: { ports: [80], networks: ['10.0.0.0/16'] }, not: { ports: [40004], networks: [] } }],
    ['an expression', {}, 'udp port 4789 or ip proto 47 or vlan'],
    ['an expression behind "only"', { only: { ports: [40003], networks: [] } }, 'ip6 or udp'],
    ['another interface', { interfaces: [4711] }],
    ['nothing', {}],
  ];
  for (const [name, options, text] of filters) {
    const without = text !== undefined && libpcapIsMissing();
    test(`a socket filter lets pass what the interpreter does: ${name}`, { skip: without }, () => {
      const all = frames();
      for (const [device, outgoing] of [
        ['v1', false],
        ['v0', true],
      ] as const) {
        const interfaceIndex = indexOf(device);
        const filter = socketFilter({
          start: 'frame',
          interfaces: [interfaceIndex],
          loopback: null,
          only: nothing,
          not: nothing,
          expression: text === undefined ? null : compileExpression(text, 1),
          vxlanPorts,
          genevePorts,
          ...options,
        });
        const expected = all.flatMap((frame, i) => {
          const data = outgoing ? frame : seen(frame).frame;
          return runProgram(filter, data, { interfaceIndex, packetType: outgoing ? OUTGOING : 0 }) !== 0 ? [i] : [];
        });
        const marks = passed(packetSocket(device), filter, all, ({ packetType }) => (packetType === OUTGOING) === outgoing);
        assert.deepEqual(
          [...marks].sort((a, b) => a - b),
          expected,
          `${name} on ${device}`,
        );
      }
    });
  }

  test('on loopback a packet is seen once', () => {
    const loopback = indexOf('lo');
    const listening = packetSocket('lo');
    const options = {
      start: 'frame',
      interfaces: [loopback],
      only: nothing,
      not: nothing,
      expression: null,
      vxlanPorts,
      genevePorts,
    } as const;
    const address = writeSockaddr({ address: '127.0.0.1', port: 9 }) ?? Buffer.alloc(0);
    const sending = done(calls().socket(AF_INET, SOCK_DGRAM, 0), 'socket');
    opened.push(sending);
    const copies = (filter: Buffer): number => {
      done(attachFilter(listening, filter), 'SO_ATTACH_FILTER');
      while (receive(listening) !== null);
      for (const mark of [1, 2]) calls().sendto(sending, marked(mark), 0, address);
      let ones = 0;
      for (let ended = false; !ended; ) {
        assert.ok(wait([listening]));
        for (let received = receive(listening); received !== null; received = receive(listening)) {
          // ICMP answers that nobody listens there, and quotes the packet.
          if (received.data[23] !== 17) continue;
          if (markOf(received.data) === 1) ones++;
          else if (markOf(received.data) === 2 && received.packetType !== OUTGOING) ended = true;
        }
      }
      return ones;
    };
    assert.equal(copies(socketFilter({ ...options, loopback: null })), 2);
    assert.equal(copies(socketFilter({ ...options, loopback })), 1);
  });

  test('a UDP socket takes the datagrams that the interpreter lets pass', () => {
    const receiving = done(calls().socket(AF_INET, SOCK_DGRAM, 0), 'socket');
    const sending = done(calls().socket(AF_INET, SOCK_DGRAM, 0), 'socket');
    opened.push(receiving, sending);
    const address = writeSockaddr({ address: '127.0.0.1', port: 14789 }) ?? Buffer.alloc(0);
    done(calls().bind(receiving, address), 'bind');
    const filter = socketFilter({
      start: 'udp',
      encapsulation: 'vxlan',
      interfaces: null,
      loopback: null,
      only: { ports: [], networks: ['10.0.3.0/24'] },
      not: { ports: [40003], networks: [] },
      expression: null,
      vxlanPorts,
      genevePorts,
    });
    done(attachFilter(receiving, filter), 'SO_ATTACH_FILTER');
    const datagrams = Array.from({ length: 40 }, (_, i) => {
      const tcp = p.tcp(marked(i, i % 2 === 0 ? 0 : LONG), { sourcePort: 40000 + (i % 5) });
      return p.vxlan(p.ethernet(p.ipv4(tcp, { source: `10.0.${i % 4}.1`, destination: '10.9.0.1' })));
    });
    const expected = datagrams.flatMap((datagram, i) => (runProgram(filter, p.udp(datagram, { destinationPort: 14789 })) !== 0 ? [i] : []));
    assert.ok(expected.length > 5 && expected.length < 35);
    for (const datagram of datagrams) assert.equal(calls().sendto(sending, datagram, 0, address), datagram.length);
    const came = collect([receiving], expected.length, () => true);
    assert.deepEqual([...came.keys()], expected);
    for (const [mark, { received }] of came) assert.deepEqual(received.data, datagrams[mark]);
  });

  test('a tun device, whose packets have no link header', (t) => {
    const tun = existsSync('/dev/net/tun') ? openSync('/dev/net/tun', 'r+') : -1;
    if (tun < 0) {
      t.skip('/dev/net/tun is not there');
      return;
    }
    try {
      const request = Buffer.alloc(40);
      request.write('t0', 'latin1');
      request.writeUInt16LE(IFF_TUN_NO_PI, 16);
      done(calls().ioctl(tun, TUNSETIFF, request), 'TUNSETIFF');
      ip('link set t0 up');
      const program = balanceProgram({ start: 'packet', workers: WORKERS, vxlanPorts, genevePorts });
      const options = {
        start: 'frame',
        interfaces: null,
        loopback: null,
        not: nothing,
        expression: null,
        vxlanPorts,
        genevePorts,
      } as const;
      const filter = socketFilter({ ...options, only: { ports: [40001, 40004], networks: [] } });
      const balanced = fanout('t0', 3, program);
      const filtered = packetSocket('t0');
      done(attachFilter(filtered, filter), 'SO_ATTACH_FILTER');
      const hardwareType = 65534;
      const packets = Array.from({ length: 12 }, (_, i) => {
        const tcp = p.tcp(marked(i), { sourcePort: 40000 + (i % 6) });
        const inner = i % 2 === 0 ? p.ipv4(tcp) : p.ipv6(tcp);
        return i < 6 ? inner : p.ipv4(p.udp(p.vxlan(p.ethernet(inner))), outer);
      });
      const sending = packetSocket('t0', 0);
      for (const outgoing of [false, true]) {
        for (const packet of packets) assert.equal(outgoing ? calls().send(sending, packet, 0) : writeSync(tun, packet), packet.length);
        const wanted = (received: Received): boolean => (received.packetType === OUTGOING) === outgoing;
        const found = collect(balanced, packets.length, wanted);
        packets.forEach((packet, i) => {
          const around = { hardwareType, protocol: packet[0] >> 4 === 4 ? 0x0800 : 0x86dd, packetType: outgoing ? OUTGOING : 0 };
          assert.equal(found.get(i)?.socket, runProgram(program, packet, around), `packet ${i}, ${outgoing ? 'going out' : 'coming in'}`);
        });
        const expected = packets.flatMap((packet, i) => (runProgram(filter, packet, { hardwareType }) !== 0 ? [i] : []));
        assert.deepEqual([...collect([filtered], expected.length, wanted).keys()], expected);
      }
    } finally {
      closeSync(tun);
    }
  });
});
