/**
 * Runs a classic BPF program over the bytes of a packet, as the kernel does: to find out what a filter lets pass without
 * sending anything, and as the model that the programs of the project are tested with.
 *
 * All words are unsigned, of 32 bits. A load that does not lie wholly in the packet ends the program with 0, as does a
 * division by an X of 0. Shifts count modulo 32.
 *
 * Left out: the loads relative to the headers (SKF_NET_OFF, SKF_LL_OFF) and the ancillary loads not in `Around`; a program
 * that has them, or anything else that the kernel would refuse, throws a RangeError.
 */
import * as bpf from './bpf.ts';

/** What the kernel knows of a packet beside its bytes. */
export interface Around {
  /** EtherType, in host order. */
  readonly protocol?: number;
  /** 0 for this host ... 4 for outgoing. */
  readonly packetType?: number;
  readonly interfaceIndex?: number;
  /** ARPHRD_ value; 1 for Ethernet when not said. */
  readonly hardwareType?: number;
  /** The VLAN tag that the kernel took off the packet; none when not said. */
  readonly vlanTag?: number;
}

/** What the program ends with, unsigned: for a filter 0 to reject, for a choice of workers the hash or number. */
export function runProgram(program: Buffer, packet: Uint8Array, around: Around = {}): number {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const count = program.length / bpf.INSTRUCTION_BYTES;
  const scratch = new Uint32Array(bpf.SCRATCH_WORDS);
  let a = 0;
  let x = 0;
  for (let i = 0; i < count; i++) {
    const { code, ifTrue, ifFalse, k } = bpf.readInstruction(program, i);
    switch (code & 7) {
      case bpf.LD: {
        const value = load(view, code, k, x, scratch, around);
        if (value === undefined) return 0;
        a = value;
        break;
      }
      case bpf.LDX: {
        const value = loadX(view, code, k, scratch);
        if (value === undefined) return 0;
        x = value;
        break;
      }
      case bpf.ST:
        scratch[k] = a;
        break;
      case bpf.STX:
        scratch[k] = x;
        break;
      case bpf.ALU: {
        const by = code & bpf.FROM_X ? x : k;
        const operation = code & 0xf0;
        if (by === 0 && (operation === bpf.DIV || operation === bpf.MOD)) return 0;
        a = compute(operation, a, by);
        break;
      }
      case bpf.JMP:
        if ((code & 0xf0) === bpf.JA) i += k;
        else i += holds(code & 0xf0, a, code & bpf.FROM_X ? x : k) ? ifTrue : ifFalse;
        break;
      case bpf.RET:
        return (code & 0x18) === bpf.FROM_A ? a : k;
      default:
        if ((code & 0xf8) === bpf.TXA) a = x;
        else x = a;
    }
  }
  throw new RangeError('the program has an open end');
}

/** A load into A; undefined when it does not lie in the packet. */
function load(view: DataView, code: number, k: number, x: number, scratch: Uint32Array, around: Around): number | undefined {
  switch (code & 0xe0) {
    case bpf.IMM:
      return k;
    case bpf.MEM:
      return scratch[k];
    case bpf.LEN:
      return view.byteLength;
    case bpf.ABS:
      if (k >= bpf.ANCILLARY) return beside(k - bpf.ANCILLARY, around);
      return read(view, code & 0x18, k);
    case bpf.IND:
      return read(view, code & 0x18, (x + k) >>> 0);
  }
  throw unknown(code);
}

function loadX(view: DataView, code: number, k: number, scratch: Uint32Array): number | undefined {
  switch (code & 0xe0) {
    case bpf.IMM:
      return k;
    case bpf.MEM:
      return scratch[k];
    case bpf.LEN:
      return view.byteLength;
    case bpf.MSH: {
      const byte = read(view, bpf.BYTE, k);
      return byte === undefined ? undefined : (byte & 15) << 2;
    }
  }
  throw unknown(code);
}

function read(view: DataView, size: number, at: number): number | undefined {
  const left = view.byteLength - at;
  if (size === bpf.BYTE) return left >= 1 ? view.getUint8(at) : undefined;
  if (size === bpf.HALF) return left >= 2 ? view.getUint16(at) : undefined;
  return left >= 4 ? view.getUint32(at) : undefined;
}

function beside(what: number, around: Around): number {
  switch (what) {
    case bpf.ANCILLARY_PROTOCOL:
      return around.protocol ?? 0;
    case bpf.ANCILLARY_PACKET_TYPE:
      return around.packetType ?? 0;
    case bpf.ANCILLARY_INTERFACE:
      return around.interfaceIndex ?? 0;
    case bpf.ANCILLARY_HARDWARE:
      return around.hardwareType ?? 1;
    case bpf.ANCILLARY_VLAN_TAG:
      return around.vlanTag ?? 0;
    case bpf.ANCILLARY_VLAN_PRESENT:
      return around.vlanTag === undefined ? 0 : 1;
  }
  throw new RangeError(`ancillary load ${what} is not known`);
}

function compute(operation: number, a: number, by: number): number {
  switch (operation) {
    case bpf.ADD:
      return (a + by) >>> 0;
    case bpf.SUB:
      return (a - by) >>> 0;
    case bpf.MUL:
      return Math.imul(a, by) >>> 0;
    case bpf.DIV:
      return Math.floor(a / by);
    case bpf.MOD:
      return a % by;
    case bpf.AND:
      return (a & by) >>> 0;
    case bpf.OR:
      return (a | by) >>> 0;
    case bpf.XOR:
      return (a ^ by) >>> 0;
    case bpf.LSH:
      return (a << by) >>> 0;
    case bpf.RSH:
      return a >>> by;
    case bpf.NEG:
      return -a >>> 0;
  }
  throw unknown(operation | bpf.ALU);
}

function holds(condition: number, a: number, by: number): boolean {
  switch (condition) {
    case bpf.JEQ:
      return a === by;
    case bpf.JGT:
      return a > by;
    case bpf.JGE:
      return a >= by;
    case bpf.JSET:
      return (a & by) !== 0;
  }
  throw unknown(condition | bpf.JMP);
}

function unknown(code: number): RangeError {
  return new RangeError(`instruction ${code.toString(16)} is not known`);
}
