import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernet, ipv4, tcp } from '../../test/support/packets.ts';
import {
  ANCILLARY_HARDWARE,
  ANCILLARY_INTERFACE,
  ANCILLARY_PACKET_TYPE,
  ANCILLARY_PROTOCOL,
  ANCILLARY_VLAN_PRESENT,
  ANCILLARY_VLAN_TAG,
  Assembler,
  ancillary,
  X,
} from './bpf.ts';
import { runProgram } from './bpf-interpreter.ts';

/** Programs as `tcpdump -ddd` prints them: code, jump if true, jump if false, k. */
function fromTcpdump(text: string): Buffer {
  const rows = text.trim().split('\n').slice(1);
  const program = Buffer.alloc(rows.length * 8);
  rows.forEach((row, i) => {
    const [code, ifTrue, ifFalse, k] = row.trim().split(' ').map(Number);
    program.writeUInt16LE(code, i * 8);
    program[i * 8 + 2] = ifTrue;
    program[i * 8 + 3] = ifFalse;
    program.writeUInt32LE(k, i * 8 + 4);
  });
  return program;
}

/** tcpdump -ddd -y EN10MB 'ip and tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420', which uses MSH, IND and arithmetic. */
const GET_REQUESTS = fromTcpdump(`
16
40 0 0 12
21 0 13 2048
48 0 0 23
21 0 11 6
40 0 0 20
69 9 0 8191
177 0 0 14
80 0 0 26
84 0 0 240
116 0 0 2
12 0 0 0
7 0 0 0
64 0 0 14
21 0 1 1195725856
6 0 0 262144
6 0 0 0
`);

test('a program of libpcap with header lengths finds the start of the payload', () => {
  const run = (text: string, ipOptions: number, tcpOptions: number): number =>
    runProgram(
      GET_REQUESTS,
      ethernet(ipv4(tcp(Buffer.from(text), { options: Buffer.alloc(tcpOptions, 1) }), { options: Buffer.alloc(ipOptions, 1) })),
    );
  assert.equal(run('GET / HTTP/1.1', 0, 0), 262144);
  assert.equal(run('PUT / HTTP/1.1', 0, 0), 0);
  assert.equal(run('GET / HTTP/1.1', 0, 12), 262144);
  assert.equal(run('GET / HTTP/1.1', 8, 12), 262144);
  // The last byte of the four is missing.
  assert.equal(run('GET', 0, 0), 0);
});

test('what the kernel knows beside the bytes', () => {
  const value = (what: number, around?: object): number => {
    const p = new Assembler();
    p.ld(ancillary(what));
    p.retA();
    return runProgram(p.assemble(), Buffer.alloc(0), around);
  };
  assert.equal(value(ANCILLARY_PROTOCOL, { protocol: 0x86dd }), 0x86dd);
  assert.equal(value(ANCILLARY_PACKET_TYPE, { packetType: 4 }), 4);
  assert.equal(value(ANCILLARY_INTERFACE, { interfaceIndex: 7 }), 7);
  assert.equal(value(ANCILLARY_HARDWARE), 1);
  assert.equal(value(ANCILLARY_VLAN_TAG, { vlanTag: 100 }), 100);
  assert.equal(value(ANCILLARY_VLAN_PRESENT, { vlanTag: 0 }), 1);
  assert.equal(value(ANCILLARY_VLAN_PRESENT), 0);
  assert.throws(() => value(36), /ancillary load 36/);
});

test('shifts count modulo 32, and comparisons are unsigned', () => {
  const p = new Assembler();
  const big = p.label();
  p.ld({ mode: 0, k: 1 });
  p.ldx({ mode: 0, k: 33 });
  p.lsh(X);
  p.lsh(30);
  p.jgt(0x7fffffff, big);
  p.ret(1);
  p.place(big);
  p.retA();
  assert.equal(runProgram(p.assemble(), Buffer.alloc(0)), 0x80000000);
});

test('what the kernel would refuse throws', () => {
  assert.throws(() => runProgram(Buffer.alloc(0), Buffer.alloc(4)), /open end/);
  assert.throws(() => runProgram(Buffer.from('f400000000000000', 'hex'), Buffer.alloc(4)), /not known/);
});
