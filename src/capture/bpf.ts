/**
 * Classic BPF: an assembler, and the socket options that give a program to the kernel.
 *
 * The machine (Linux, Documentation/networking/filter.rst) has an accumulator A, an index X, sixteen scratch words M[], and
 * the packet, all of 32 bits, unsigned. Jumps go forward only. A load behind the end of the packet ends the program with 0.
 * One instruction is a `struct sock_filter`, in host order:
 *
 *   0      2          3           4          8
 *   | code | if true  | if false  | k        |        jumps are counted from the next instruction
 *
 * Conditional jumps reach 255 instructions far. The assembler takes any distance: it puts an unconditional jump, which
 * reaches everywhere, behind one that does not get there. It leaves out what can never be reached, so that a builder may
 * write more than a program needs.
 *
 * Limit: 4096 instructions, which is the kernel's; beyond it `assemble` throws filter-invalid.
 */
import { constants, endianness } from 'node:os';
import { SensorError } from '../base/errors.ts';
import { type SystemCalls, systemCalls } from './syscalls.ts';

export const INSTRUCTIONS_MAX = 4096;
export const INSTRUCTION_BYTES = 8;
export const SCRATCH_WORDS = 16;

// Classes.
export const LD = 0x00;
export const LDX = 0x01;
export const ST = 0x02;
export const STX = 0x03;
export const ALU = 0x04;
export const JMP = 0x05;
export const RET = 0x06;
export const MISC = 0x07;
// Sizes of loads.
export const WORD = 0x00;
export const HALF = 0x08;
export const BYTE = 0x10;
// Where loads take it from.
export const IMM = 0x00;
export const ABS = 0x20;
export const IND = 0x40;
export const MEM = 0x60;
export const LEN = 0x80;
export const MSH = 0xa0;
// Arithmetic.
export const ADD = 0x00;
export const SUB = 0x10;
export const MUL = 0x20;
export const DIV = 0x30;
export const OR = 0x40;
export const AND = 0x50;
export const LSH = 0x60;
export const RSH = 0x70;
export const NEG = 0x80;
export const MOD = 0x90;
export const XOR = 0xa0;
// Jumps.
export const JA = 0x00;
export const JEQ = 0x10;
export const JGT = 0x20;
export const JGE = 0x30;
export const JSET = 0x40;
/** The operand is X, not k. */
export const FROM_X = 0x08;
/** What is returned is A, not k. */
export const FROM_A = 0x10;
export const TAX = 0x00;
export const TXA = 0x80;

/** What the kernel knows of a packet beside its bytes: loads from here on (SKF_AD_OFF). */
export const ANCILLARY = 0xfffff000;
/** EtherType in host order; 0004 for 802.3 with LLC. */
export const ANCILLARY_PROTOCOL = 0;
/** PACKET_HOST 0, PACKET_BROADCAST 1, PACKET_MULTICAST 2, PACKET_OTHERHOST 3, PACKET_OUTGOING 4. */
export const ANCILLARY_PACKET_TYPE = 4;
export const ANCILLARY_INTERFACE = 8;
/** ARPHRD_ value of the device: 1 Ethernet, 772 loopback, 65534 none. */
export const ANCILLARY_HARDWARE = 28;
export const ANCILLARY_VLAN_TAG = 44;
export const ANCILLARY_VLAN_PRESENT = 48;

export const PACKET_OUTGOING = 4;

/** A place in a program, which may be named before it is reached. */
export type Label = number;

/** From where a load takes its value: the bits of its code, and k. */
export interface Source {
  readonly mode: number;
  readonly k: number;
}

/** Byte `k` of the packet. */
export const packetAt = (k: number): Source => ({ mode: ABS, k });
/** Byte X + `k` of the packet. */
export const fromX = (k: number): Source => ({ mode: IND, k });
export const immediate = (k: number): Source => ({ mode: IMM, k });
export const scratch = (k: number): Source => ({ mode: MEM, k });
export const ancillary = (k: number): Source => ({ mode: ABS, k: ANCILLARY + k });
/** Length of the packet in bytes, from where its data begins. */
export const packetLength: Source = { mode: LEN, k: 0 };

/** The operand X, where a number would be k. */
export const X = 'x';
export type Operand = number | typeof X;

interface Instruction {
  readonly code: number;
  readonly k: number;
  /** Labels of a jump; NEXT for the instruction behind it. */
  readonly then: Label;
  readonly otherwise: Label;
}

const LITTLE = endianness() === 'LE';
const NEXT: Label = -1;
const UNPLACED = -1;
const JUMP_MAX = 255;

/** Writes a program instruction by instruction, by the kernel's mnemonics. */
export class Assembler {
  private readonly instructions: Instruction[] = [];
  /** Instruction at which each label stands. */
  private readonly places: number[] = [];

  /** A new label, still without a place. */
  label(): Label {
    return this.places.push(UNPLACED) - 1;
  }

  /** The label stands here: at the next instruction. */
  place(label: Label): void {
    if (this.places[label] !== UNPLACED) throw new Error(`label ${label} has two places`);
    this.places[label] = this.instructions.length;
  }

  private emit(code: number, k: number, then: Label = NEXT, otherwise: Label = NEXT): void {
    this.instructions.push({ code, k: k >>> 0, then, otherwise });
  }

  /** A = four bytes, network order; or of `immediate`, `scratch`, `packetLength`, `ancillary`. */
  ld(from: Source): void {
    this.emit(LD | WORD | from.mode, from.k);
  }

  /** A = two bytes of the packet, network order. */
  ldh(from: Source): void {
    this.emit(LD | HALF | from.mode, from.k);
  }

  /** A = one byte of the packet. */
  ldb(from: Source): void {
    this.emit(LD | BYTE | from.mode, from.k);
  }

  /** X = an immediate, a scratch word or the length. */
  ldx(from: Source): void {
    this.emit(LDX | WORD | from.mode, from.k);
  }

  /** M[at] = A. */
  st(at: number): void {
    this.emit(ST, at);
  }

  /** M[at] = X. */
  stx(at: number): void {
    this.emit(STX, at);
  }

  /** X = A. */
  tax(): void {
    this.emit(MISC | TAX, 0);
  }

  /** A = X. */
  txa(): void {
    this.emit(MISC | TXA, 0);
  }

  private alu(operation: number, by: Operand): void {
    if (by === X) this.emit(ALU | operation | FROM_X, 0);
    else this.emit(ALU | operation, by);
  }

  add(by: Operand): void {
    this.alu(ADD, by);
  }

  sub(by: Operand): void {
    this.alu(SUB, by);
  }

  mul(by: Operand): void {
    this.alu(MUL, by);
  }

  div(by: Operand): void {
    this.alu(DIV, by);
  }

  mod(by: Operand): void {
    this.alu(MOD, by);
  }

  and(by: Operand): void {
    this.alu(AND, by);
  }

  or(by: Operand): void {
    this.alu(OR, by);
  }

  xor(by: Operand): void {
    this.alu(XOR, by);
  }

  lsh(by: Operand): void {
    this.alu(LSH, by);
  }

  rsh(by: Operand): void {
    this.alu(RSH, by);
  }

  neg(): void {
    this.emit(ALU | NEG, 0);
  }

  ja(to: Label): void {
    this.emit(JMP | JA, 0, to);
  }

  private jump(condition: number, by: Operand, then: Label, otherwise: Label): void {
    if (by === X) this.emit(JMP | condition | FROM_X, 0, then, otherwise);
    else this.emit(JMP | condition, by, then, otherwise);
  }

  /** Goes to `then` when A equals, to `otherwise` (or on) when not; and so on for the other conditions. */
  jeq(by: Operand, then: Label, otherwise: Label = NEXT): void {
    this.jump(JEQ, by, then, otherwise);
  }

  /** The other way round: goes to `otherwise` when A differs. */
  jne(by: Operand, otherwise: Label): void {
    this.jump(JEQ, by, NEXT, otherwise);
  }

  jgt(by: Operand, then: Label, otherwise: Label = NEXT): void {
    this.jump(JGT, by, then, otherwise);
  }

  jge(by: Operand, then: Label, otherwise: Label = NEXT): void {
    this.jump(JGE, by, then, otherwise);
  }

  /** Goes to `otherwise` when A is less. */
  jlt(by: Operand, otherwise: Label): void {
    this.jump(JGE, by, NEXT, otherwise);
  }

  /** Goes to `then` when any of the bits is set in A. */
  jset(bits: Operand, then: Label, otherwise: Label = NEXT): void {
    this.jump(JSET, bits, then, otherwise);
  }

  /** Ends with the number. */
  ret(k: number): void {
    this.emit(RET, k);
  }

  /** Ends with A. */
  retA(): void {
    this.emit(RET | FROM_A, 0);
  }

  /** A whole program, made elsewhere, as it is: its ends end this one. */
  append(program: Buffer): void {
    const count = program.length / INSTRUCTION_BYTES;
    const labels = Array.from({ length: count }, () => this.label());
    const target = (i: number, distance: number): Label => {
      const to = labels[i + 1 + distance];
      if (to === undefined) throw new Error(`instruction ${i} jumps out of its program`);
      return to;
    };
    for (let i = 0; i < count; i++) {
      const { code, ifTrue, ifFalse, k } = readInstruction(program, i);
      this.place(labels[i]);
      if ((code & 7) !== JMP) this.emit(code, k);
      else if ((code & 0xf0) === JA) this.emit(code, 0, target(i, k));
      else this.emit(code, k, target(i, ifTrue), target(i, ifFalse));
    }
  }

  /** The program as an array of `struct sock_filter`. */
  assemble(): Buffer {
    const targets = this.targets();
    const reached = this.reached(targets);
    this.checkScratch(targets, reached);
    const layout = this.layOut(targets, reached);
    if (layout.count > INSTRUCTIONS_MAX) throw tooLong(layout.count);
    const out = Buffer.alloc(layout.count * INSTRUCTION_BYTES);
    const view = viewOf(out);
    const write = (at: number, code: number, then: number, otherwise: number, k: number): void => {
      const byte = at * INSTRUCTION_BYTES;
      view.setUint16(byte, code, LITTLE);
      view.setUint8(byte + 2, then);
      view.setUint8(byte + 3, otherwise);
      view.setUint32(byte + 4, k, LITTLE);
    };
    this.instructions.forEach(({ code, k }, i) => {
      const size = layout.sizes[i];
      if (size === 0) return;
      const at = layout.at[i];
      if ((code & 7) !== JMP) {
        write(at, code, 0, 0, k);
        return;
      }
      const then = layout.at[targets[i].ifTrue];
      if ((code & 0xf0) === JA) {
        write(at, code, 0, 0, then - at - 1);
        return;
      }
      const otherwise = layout.at[targets[i].ifFalse];
      // Behind the jump stand the far jumps: first where it goes when true, then where it goes when false.
      const thenIsFar = then - at - 1 > JUMP_MAX;
      const otherwiseIsFar = otherwise - at - 1 > JUMP_MAX;
      let next = at + 1;
      const thenBy = thenIsFar ? next++ : then;
      const otherwiseBy = otherwiseIsFar ? next++ : otherwise;
      write(at, code, thenBy - at - 1, otherwiseBy - at - 1, k);
      if (thenIsFar) write(thenBy, JMP | JA, 0, 0, then - thenBy - 1);
      if (otherwiseIsFar) write(otherwiseBy, JMP | JA, 0, 0, otherwise - otherwiseBy - 1);
    });
    return out;
  }

  /** Where each instruction goes, as numbers of instructions. */
  private targets(): { ifTrue: number; ifFalse: number }[] {
    const find = (label: Label, i: number): number => {
      const at = label === NEXT ? i + 1 : this.places[label];
      if (at <= i) throw new Error(at === UNPLACED ? `label ${label} has no place` : `label ${label} lies behind a jump to it`);
      return at;
    };
    return this.instructions.map(({ code, then, otherwise }, i) => {
      if ((code & 7) !== JMP) return { ifTrue: i + 1, ifFalse: i + 1 };
      const to = find(then, i);
      return { ifTrue: to, ifFalse: (code & 0xf0) === JA ? to : find(otherwise, i) };
    });
  }

  private reached(targets: readonly { ifTrue: number; ifFalse: number }[]): boolean[] {
    const reached: boolean[] = [true];
    this.instructions.forEach(({ code }, i) => {
      if (!reached[i] || (code & 7) === RET) return;
      reached[targets[i].ifTrue] = true;
      reached[targets[i].ifFalse] = true;
    });
    if (reached[this.instructions.length]) throw new Error('the program has an open end');
    return reached;
  }

  /** As the kernel does: a scratch word is written on every way on which it is read. */
  private checkScratch(targets: readonly { ifTrue: number; ifFalse: number }[], reached: readonly boolean[]): void {
    const all = (1 << SCRATCH_WORDS) - 1;
    /** One bit for each word that is surely written before the instruction. */
    const written = new Array<number>(this.instructions.length + 1).fill(all);
    written[0] = 0;
    this.instructions.forEach(({ code, k }, i) => {
      if (!reached[i]) return;
      const kind = code & 7;
      const reads = (kind === LD || kind === LDX) && (code & 0xe0) === MEM;
      if (reads && (written[i] & (1 << k)) === 0) throw new Error(`instruction ${i} reads M[${k}], which may not have been written`);
      const after = kind === ST || kind === STX ? written[i] | (1 << k) : written[i];
      if (kind === RET) return;
      written[targets[i].ifTrue] &= after;
      written[targets[i].ifFalse] &= after;
    });
  }

  /** Place and size of each instruction: 0 when it is left out, 2 or 3 for a conditional jump that goes far. */
  private layOut(
    targets: readonly { ifTrue: number; ifFalse: number }[],
    reached: readonly boolean[],
  ): { at: number[]; sizes: number[]; count: number } {
    const n = this.instructions.length;
    const sizes = this.instructions.map(({ code }, i): number => {
      if (!reached[i]) return 0;
      if (code !== (JMP | JA)) return 1;
      // A jump over nothing but what is left out.
      for (let j = i + 1; j < targets[i].ifTrue; j++) if (reached[j]) return 1;
      return 0;
    });
    const at = new Array<number>(n + 1).fill(0);
    // Far jumps make the program longer, which makes other jumps far: until nothing changes. Sizes only grow.
    for (let changed = true; changed; ) {
      changed = false;
      for (let i = 0; i < n; i++) at[i + 1] = at[i] + sizes[i];
      for (let i = 0; i < n; i++) {
        const { code } = this.instructions[i];
        if (sizes[i] === 0 || (code & 7) !== JMP || (code & 0xf0) === JA) continue;
        const { ifTrue, ifFalse } = targets[i];
        const size = 1 + (at[ifTrue] - at[i] - 1 > JUMP_MAX ? 1 : 0) + (at[ifFalse] - at[i] - 1 > JUMP_MAX ? 1 : 0);
        if (size > sizes[i]) {
          sizes[i] = size;
          changed = true;
        }
      }
    }
    return { at, sizes, count: at[n] };
  }
}

function tooLong(count: number): SensorError {
  return new SensorError(
    'filter-invalid',
    'Cannot use the capture filter',
    `it takes ${count} instructions, and the kernel runs at most ${INSTRUCTIONS_MAX}`,
    'List fewer ports, or join networks into larger blocks.',
  );
}

/** Instruction number `i` of a program. */
export function readInstruction(program: Buffer, i: number): { code: number; ifTrue: number; ifFalse: number; k: number } {
  const at = i * INSTRUCTION_BYTES;
  const view = viewOf(program);
  return {
    code: view.getUint16(at, LITTLE),
    ifTrue: view.getUint8(at + 2),
    ifFalse: view.getUint8(at + 3),
    k: view.getUint32(at + 4, LITTLE),
  };
}

function viewOf(program: Buffer): DataView {
  return new DataView(program.buffer, program.byteOffset, program.length);
}

const SOL_SOCKET = 1;
const SOL_PACKET = 263;
const SO_ATTACH_FILTER = 26;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const PACKET_FANOUT_DATA = 22;
const FPROG_BYTES = 16;

/**
 * Which packets the socket takes: those for which the program is not 0. A filter that is there is replaced at once, without
 * a moment in which the socket has none. 0, or a negated errno.
 */
export function attachFilter(fd: number, program: Buffer): number {
  return give(fd, SOL_SOCKET, SO_ATTACH_FILTER, program);
}

/** Which of the sockets that share a UDP port takes a datagram: the number that the program ends with. 0, or a negated errno. */
export function attachReuseport(fd: number, program: Buffer): number {
  return give(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program);
}

/**
 * Which of the sockets of a PACKET_FANOUT_CBPF group takes a packet: what the program ends with, modulo their number, in
 * the order in which they joined. Any member sets it for all. 0, or a negated errno.
 */
export function setFanoutProgram(fd: number, program: Buffer): number {
  return give(fd, SOL_PACKET, PACKET_FANOUT_DATA, program);
}

/** Hands over a `struct sock_fprog`: number of instructions 2, padding 6, pointer 8, in host order. */
function give(fd: number, level: number, option: number, program: Buffer): number {
  const calls: SystemCalls | null = systemCalls();
  if (calls === null) return -constants.errno.ENOSYS;
  const fprog = Buffer.alloc(FPROG_BYTES);
  const view = viewOf(fprog);
  view.setUint16(0, program.length / INSTRUCTION_BYTES, LITTLE);
  view.setBigUint64(8, calls.addressOf(program), LITTLE);
  return calls.setsockopt(fd, level, option, fprog);
}
