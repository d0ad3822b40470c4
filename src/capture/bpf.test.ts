import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SensorError } from '../base/errors.ts';
import { Assembler, attachFilter, fromX, immediate, packetAt, packetLength, readInstruction, scratch, X } from './bpf.ts';
import { runProgram } from './bpf-interpreter.ts';
import { systemCalls } from './syscalls.ts';

const packet = Buffer.from('0102030405060708', 'hex');

test('the bytes are struct sock_filter', () => {
  // tcpdump -ddd 'ip' says: 4; 40 0 0 12; 21 0 1 2048; 6 0 0 262144; 6 0 0 0.
  const p = new Assembler();
  const no = p.label();
  p.ldh(packetAt(12));
  p.jne(0x0800, no);
  p.ret(262144);
  p.place(no);
  p.ret(0);
  assert.equal(p.assemble().toString('hex'), '280000000c000000' + '1500000100080000' + '0600000000000400' + '0600000000000000');
});

test('every mnemonic does what it says', () => {
  const result = (write: (p: Assembler) => void): number => {
    const p = new Assembler();
    write(p);
    p.retA();
    return runProgram(p.assemble(), packet);
  };
  const of = (a: number, write: (p: Assembler) => void): number =>
    result((p) => {
      p.ldx(immediate(5));
      p.ld(immediate(a));
      write(p);
    });
  assert.equal(
    result((p) => p.ld(packetAt(1))),
    0x02030405,
  );
  assert.equal(
    result((p) => p.ldh(packetAt(1))),
    0x0203,
  );
  assert.equal(
    result((p) => p.ldb(packetAt(1))),
    0x02,
  );
  assert.equal(
    result((p) => p.ld(packetLength)),
    8,
  );
  assert.equal(
    of(0, (p) => p.ldb(fromX(2))),
    0x08,
  );
  assert.equal(
    of(0, (p) => p.txa()),
    5,
  );
  assert.equal(
    of(9, (p) => {
      p.tax();
      p.ld(immediate(1));
      p.add(X);
    }),
    10,
  );
  assert.equal(
    of(9, (p) => {
      p.st(3);
      p.ld(immediate(1));
      p.ld(scratch(3));
    }),
    9,
  );
  assert.equal(
    of(9, (p) => {
      p.stx(15);
      p.ld(scratch(15));
    }),
    5,
  );
  assert.equal(
    of(9, (p) => {
      p.st(3);
      p.ldx(scratch(3));
      p.txa();
    }),
    9,
  );
  assert.equal(
    of(7, (p) => p.add(0xffffffff)),
    6,
  );
  assert.equal(
    of(7, (p) => p.sub(8)),
    0xffffffff,
  );
  assert.equal(
    of(7, (p) => p.sub(X)),
    2,
  );
  assert.equal(
    of(0x10001, (p) => p.mul(0x10001)),
    0x20001,
  );
  assert.equal(
    of(0xffffffff, (p) => p.div(2)),
    0x7fffffff,
  );
  assert.equal(
    of(0xffffffff, (p) => p.mod(X)),
    0,
  );
  assert.equal(
    of(0xfffffffe, (p) => p.mod(10)),
    4,
  );
  assert.equal(
    of(0xf0f0f0f0, (p) => p.and(0xff00ff00)),
    0xf000f000,
  );
  assert.equal(
    of(0xf0000000, (p) => p.or(0x0f)),
    0xf000000f,
  );
  assert.equal(
    of(0xf0000000, (p) => p.xor(0xffffffff)),
    0x0fffffff,
  );
  assert.equal(
    of(0xf, (p) => p.lsh(28)),
    0xf0000000,
  );
  assert.equal(
    of(0xf0000000, (p) => p.rsh(28)),
    0xf,
  );
  assert.equal(
    of(1, (p) => p.neg()),
    0xffffffff,
  );
});

test('a division by an X of 0, and a load outside, end with 0', () => {
  for (const write of [
    (p: Assembler) => p.div(X),
    (p: Assembler) => p.mod(X),
    (p: Assembler) => p.ld(packetAt(5)),
    (p: Assembler) => p.ldh(packetAt(7)),
    (p: Assembler) => p.ldb(packetAt(8)),
    (p: Assembler) => p.ldb(fromX(0xffffffff)),
  ]) {
    const p = new Assembler();
    write(p);
    p.ret(1);
    assert.equal(runProgram(p.assemble(), packet), 0);
  }
});

/** A program that tells by its result which way its conditional jump went, over `near` and `far` instructions between. */
function jumpOver(near: number, far: number, swapped: boolean): Buffer {
  const p = new Assembler();
  const yes = p.label();
  const no = p.label();
  p.ldb(packetAt(0));
  p.jeq(7, swapped ? no : yes, swapped ? yes : no);
  const fill = (count: number): void => {
    // Reached from nowhere else, yet needed.
    for (let i = 0; i < count; i++) p.st(0);
  };
  const behind = p.label();
  p.place(no);
  fill(near);
  p.ja(behind);
  p.place(yes);
  fill(far);
  p.ret(2);
  p.place(behind);
  p.ret(1);
  return p.assemble();
}

test('jumps of any distance go where they should', () => {
  for (const near of [0, 1, 253, 254, 255, 256, 300]) {
    for (const far of [0, 1, 300]) {
      for (const swapped of [false, true]) {
        const program = jumpOver(near, far, swapped);
        assert.equal(runProgram(program, Buffer.from([7])), swapped ? 1 : 2, `${near} ${far} ${swapped}`);
        assert.equal(runProgram(program, Buffer.from([8])), swapped ? 2 : 1, `${near} ${far} ${swapped}`);
      }
    }
  }
});

test('both ways of a jump may be far', () => {
  const p = new Assembler();
  const yes = p.label();
  const no = p.label();
  const middle = p.label();
  p.ldb(packetAt(0));
  p.jeq(1, middle);
  p.jeq(7, yes, no);
  p.place(middle);
  for (let i = 0; i < 600; i++) p.st(0);
  p.ret(3);
  p.place(yes);
  p.ret(1);
  p.place(no);
  p.ret(2);
  const program = p.assemble();
  assert.deepEqual(
    [1, 7, 8].map((first) => runProgram(program, Buffer.from([first]))),
    [3, 1, 2],
  );
});

/** Random programs: each instruction a comparison that jumps somewhere ahead, or an end. */
const steps = fc.array(
  fc.record({ k: fc.nat(7), ifTrue: fc.integer({ min: 1, max: 400 }), ifFalse: fc.integer({ min: 1, max: 400 }), ends: fc.boolean() }),
  { minLength: 1, maxLength: 700 },
);

test('a program gives what its jumps say, however far they go, also inside another', () => {
  fc.assert(
    fc.property(steps, fc.nat(7), (all, first) => {
      const write = (p: Assembler): void => {
        const labels = all.map(() => p.label());
        const end = p.label();
        p.ldb(packetAt(0));
        all.forEach(({ k, ifTrue, ifFalse, ends }, i) => {
          p.place(labels[i]);
          if (ends && i % 5 === 0) p.ret(i + 1);
          else p.jeq(k, labels[i + ifTrue] ?? end, labels[i + ifFalse] ?? end);
        });
        p.place(end);
        p.ret(0xffff);
      };
      let i = 0;
      while (i < all.length && !(all[i].ends && i % 5 === 0)) i += all[i].k === first ? all[i].ifTrue : all[i].ifFalse;
      const wanted = i < all.length ? i + 1 : 0xffff;
      const p = new Assembler();
      write(p);
      const program = p.assemble();
      assert.equal(runProgram(program, Buffer.from([first])), wanted);

      const around = new Assembler();
      const reject = around.label();
      around.ldb(packetAt(1));
      around.jeq(1, reject);
      around.append(program);
      around.place(reject);
      around.ret(0xeeee);
      const both = around.assemble();
      assert.equal(runProgram(both, Buffer.from([first, 0])), wanted);
      assert.equal(runProgram(both, Buffer.from([first, 1])), 0xeeee);
    }),
    { numRuns: 60 },
  );
});

test('what cannot be reached is left out', () => {
  const p = new Assembler();
  const end = p.label();
  p.ja(end);
  p.ld(packetAt(0));
  p.jeq(1, end);
  p.ret(5);
  p.place(end);
  p.ret(1);
  const program = p.assemble();
  assert.equal(program.length, 8);
  assert.equal(readInstruction(program, 0).k, 1);
});

test('a mistake of a builder is an error', () => {
  const open = new Assembler();
  open.ld(immediate(0));
  assert.throws(() => open.assemble(), /open end/);
  const back = new Assembler();
  const start = back.label();
  back.place(start);
  back.ld(immediate(0));
  back.ja(start);
  assert.throws(() => back.assemble(), /behind a jump/);
  const nowhere = new Assembler();
  nowhere.ja(nowhere.label());
  assert.throws(() => nowhere.assemble(), /has no place/);
  const twice = new Assembler();
  const label = twice.label();
  twice.place(label);
  assert.throws(() => twice.place(label), /two places/);
  const unwritten = new Assembler();
  const read = unwritten.label();
  unwritten.ldb(packetAt(0));
  unwritten.jeq(1, read);
  unwritten.st(3);
  unwritten.place(read);
  unwritten.ld(scratch(3));
  unwritten.retA();
  assert.throws(() => unwritten.assemble(), /reads M\[3\]/);
  assert.throws(() => new Assembler().append(Buffer.from('0500000005000000', 'hex')), /jumps out/);
});

test('more than 4096 instructions are refused', () => {
  const made = (count: number): Buffer => {
    const p = new Assembler();
    for (let i = 1; i < count; i++) p.st(0);
    p.ret(0);
    return p.assemble();
  };
  assert.equal(made(4096).length, 4096 * 8);
  assert.throws(
    () => made(4097),
    (error) => error instanceof SensorError && error.code === 'filter-invalid' && error.why.includes('4097'),
  );
});

test('the kernel refuses what is no program, and a descriptor that is none', { skip: systemCalls() === null }, () => {
  const EBADF = -9;
  assert.equal(attachFilter(-1, Buffer.from('0600000000000000', 'hex')), EBADF);
});
