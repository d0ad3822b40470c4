/**
 * System calls, through koffi: what Node has no word for. Each answers as the kernel does, but with the error in
 * place of -1: a number below 0 is a negated errno (`errnoName` gives its name). Nothing is thrown.
 *
 * Structures are Buffers in host order, laid out as the headers of Linux say; addresses and ports within them are in
 * network order. Only 64-bit Linux: `systemCalls()` answers null elsewhere, or where koffi has no build.
 */
import { constants } from 'node:os';
import koffi from 'koffi';

export interface SystemCalls {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Buffer) => number;
  readonly connect: (fd: number, address: Buffer) => number;
  readonly getsockname: (fd: number, address: Buffer) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Buffer) => number;
  /** Answers the length of the value. */
  readonly getsockopt: (fd: number, level: number, name: number, value: Buffer) => number;
  readonly ioctl: (fd: number, request: number, argument: Buffer) => number;
  /** Blocks this thread for at most `timeoutMs`. `fds` holds `struct pollfd`s of 8 bytes. */
  readonly poll: (fds: Buffer, count: number, timeoutMs: number) => number;
  readonly send: (fd: number, bytes: Buffer, flags: number) => number;
  readonly sendto: (fd: number, bytes: Buffer, flags: number, address: Buffer) => number;
  /** Answers the length of what came, which with MSG_TRUNC (0x20) may be more than `bytes` holds. */
  readonly recv: (fd: number, bytes: Buffer, flags: number) => number;
  readonly recvmmsg: (fd: number, messages: Buffer, count: number, flags: number) => number;
  readonly close: (fd: number) => number;
  readonly flock: (fd: number, operation: number) => number;
  /** Lays the memory of `fd` over `length` bytes that begin at the first byte of `at`, which is page-aligned. */
  readonly mapOver: (at: Uint8Array, length: number, fd: number) => number;
  /** Puts fresh zeroed memory back where mapOver laid something. */
  readonly unmapOver: (at: Uint8Array, length: number) => number;
  /** Address of the first byte, for structures that hold pointers. */
  readonly addressOf: (bytes: Uint8Array) => bigint;
  /** 0 when there is no such interface. */
  readonly interfaceIndex: (name: string) => number;
  /** Binds the calling thread to the processors whose bits are set. */
  readonly setAffinity: (mask: Buffer) => number;
}

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, n]) => [n, name]));

/** "EPERM" for -1 (or 1). */
export function errnoName(result: number): string {
  return names.get(Math.abs(result)) ?? `errno ${Math.abs(result)}`;
}

/** An int of the host, as system calls take it by pointer. */
export function int32(...values: number[]): Buffer {
  return Buffer.from(Int32Array.from(values).buffer);
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 0xffffffffffffffffn;

let calls: SystemCalls | null | undefined;

/** The system calls of this machine; null where there are none to be had. */
export function systemCalls(): SystemCalls | null {
  if (calls === undefined) {
    try {
      calls = load();
    } catch {
      calls = null;
    }
  }
  return calls;
}

function load(): SystemCalls {
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int, int, int)');
  const bind = libc.func('int bind(int, const void *, uint32_t)');
  const connect = libc.func('int connect(int, const void *, uint32_t)');
  const getsockname = libc.func('int getsockname(int, void *, void *)');
  const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)');
  const getsockopt = libc.func('int getsockopt(int, int, int, void *, void *)');
  const ioctl = libc.func('int ioctl(int, unsigned long, void *)');
  const poll = libc.func('int poll(void *, unsigned long, int)');
  const send = libc.func('int64_t send(int, const void *, size_t, int)');
  const sendto = libc.func('int64_t sendto(int, const void *, size_t, int, const void *, uint32_t)');
  const recv = libc.func('int64_t recv(int, void *, size_t, int)');
  const recvmmsg = libc.func('int recvmmsg(int, void *, uint32_t, int, void *)');
  const close = libc.func('int close(int)');
  const flock = libc.func('int flock(int, int)');
  const mmap = libc.func('void *mmap(void *, size_t, int, int, int, int64_t)');
  const memmove = libc.func('void *memmove(void *, const void *, size_t)');
  const interfaceIndex = libc.func('uint32_t if_nametoindex(const char *)');
  const setAffinity = libc.func('int sched_setaffinity(int, size_t, const void *)');
  const result = (n: number): number => (Number(n) < 0 ? -koffi.errno() : Number(n));
  const mapped = (address: unknown): number => (koffi.address(address) === MAP_FAILED ? -koffi.errno() : 0);
  const length = Buffer.alloc(4);
  const withLength = (value: Buffer, call: () => number): number => {
    length.writeUInt32LE(value.length);
    const n = result(call());
    return n < 0 ? n : length.readUInt32LE();
  };
  return {
    socket: (domain, type, protocol) => result(socket(domain, type, protocol)),
    bind: (fd, address) => result(bind(fd, address, address.length)),
    connect: (fd, address) => result(connect(fd, address, address.length)),
    getsockname: (fd, address) => withLength(address, () => getsockname(fd, address, length)),
    setsockopt: (fd, level, name, value) => result(setsockopt(fd, level, name, value, value.length)),
    getsockopt: (fd, level, name, value) => withLength(value, () => getsockopt(fd, level, name, value, length)),
    ioctl: (fd, request, argument) => result(ioctl(fd, request, argument)),
    poll: (fds, count, timeoutMs) => result(poll(fds, count, timeoutMs)),
    send: (fd, bytes, flags) => result(send(fd, bytes, bytes.length, flags)),
    sendto: (fd, bytes, flags, address) => result(sendto(fd, bytes, bytes.length, flags, address, address.length)),
    recv: (fd, bytes, flags) => result(recv(fd, bytes, bytes.length, flags)),
    recvmmsg: (fd, messages, count, flags) => result(recvmmsg(fd, messages, count, flags, null)),
    close: (fd) => result(close(fd)),
    flock: (fd, operation) => result(flock(fd, operation)),
    mapOver: (at, bytes, fd) => mapped(mmap(at, bytes, PROT_READ_WRITE, MAP_SHARED | MAP_FIXED, fd, 0)),
    unmapOver: (at, bytes) => mapped(mmap(at, bytes, PROT_READ_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
    addressOf: (bytes) => koffi.address(memmove(bytes, bytes, 0)),
    interfaceIndex: (name) => interfaceIndex(name),
    setAffinity: (mask) => result(setAffinity(0, mask.length, mask)),
  };
}
