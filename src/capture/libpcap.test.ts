import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import * as p from '../../test/support/packets.ts';
import { SensorError } from '../base/errors.ts';
import { runProgram } from './bpf-interpreter.ts';
import { compileExpression, tunnelsHiddenBy } from './libpcap.ts';

const ETHERNET = 1;
const RAW_IP = 101;

function absent(): string | false {
  try {
    compileExpression('ip', ETHERNET);
    return false;
  } catch (error) {
    if (error instanceof SensorError && error.code === 'libpcap-missing') return error.why;
    throw error;
  }
}

const skip = absent();
const all = ['VXLAN', 'GENEVE', 'GRE', 'ERSPAN', 'IP-in-IP'];
const request = p.ipv4(p.tcp(Buffer.from('GET / HTTP/1.1\r\n')));

test('an expression is compiled for its link type', { skip }, () => {
  const frames = compileExpression('tcp port 80', ETHERNET);
  assert.notEqual(runProgram(frames, p.ethernet(request)), 0);
  assert.equal(runProgram(frames, p.ethernet(p.ipv4(p.udp(Buffer.alloc(8))))), 0);
  const packets = compileExpression('tcp port 80', RAW_IP);
  assert.notEqual(runProgram(packets, request), 0);
  assert.equal(runProgram(packets, p.ethernet(request)), 0);
});

test('it is what tcpdump compiles', {
  skip: skip || (spawnSync('tcpdump', ['--version']).error !== undefined && 'tcpdump is not installed'),
}, () => {
  for (const text of [
    'ip',
    'tcp port 80 or udp port 4789',
    'not net 10.0.0.0/8 and ip6',
    'tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420',
  ]) {
    const { stdout } = spawnSync('tcpdump', ['-ddd', '-y', 'EN10MB', text], { encoding: 'utf8' });
    const program = compileExpression(text, ETHERNET);
    const rows = Array.from({ length: program.length / 8 }, (_, i) =>
      [program.readUInt16LE(i * 8), program[i * 8 + 2], program[i * 8 + 3], program.readUInt32LE(i * 8 + 4)].join(' '),
    );
    assert.deepEqual(rows, stdout.trim().split('\n').slice(1));
  }
});

test('a mistake is told in the words of libpcap', { skip }, () => {
  for (const [text, why] of [
    ['tcp prt 80', /syntax error/],
    ['port 99999', /illegal port/],
    ['ip\0 or arp', /NUL/],
  ] as const) {
    assert.throws(
      () => compileExpression(text, ETHERNET),
      (error) => error instanceof SensorError && error.code === 'filter-invalid' && why.test(error.why) && error.what.includes(text),
    );
  }
});

for (const [text, hidden] of [
  ['tcp port 80', all],
  ['tcp', all],
  ['arp', all],
  ['not port 22', []],
  ['ip', []],
  ['', []],
  ['udp port 4789', ['GENEVE', 'GRE', 'ERSPAN', 'IP-in-IP']],
  ['udp port 6081 or tcp port 8443', ['VXLAN', 'GRE', 'ERSPAN', 'IP-in-IP']],
  ['tcp or ip proto 47', ['VXLAN', 'GENEVE', 'IP-in-IP']],
  ['tcp or ip proto 4', ['VXLAN', 'GENEVE', 'GRE', 'ERSPAN']],
  ['net 10.0.0.0/8 and tcp port 9000', all],
  ['tcp dst portrange 9000-9100', all],
  // Names an end of the tunnel, perhaps.
  ['host 10.1.2.3', []],
  ['ip6 host 2001:db8::7', []],
  ['host 10.1.2.3 and udp', ['GRE', 'ERSPAN', 'IP-in-IP']],
  ['tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420', all],
  ['vlan and tcp', all],
] as const) {
  test(`tunnels hidden by "${text}"`, { skip }, () => {
    assert.deepEqual(tunnelsHiddenBy(compileExpression(text, ETHERNET)), hidden);
  });
}
