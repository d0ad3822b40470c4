import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createColors } from 'picocolors';
import { placePacket } from '../../../test/support/packets.ts';
import { evidence, observe, trafficOf } from './doctor-testing.ts';
import { renderDiagnosis } from './render.ts';
import { diagnose } from './steps.ts';

const plain = createColors(false);

test('the walk, line by line, and then what to do about the first fault and the others', () => {
  const interfaces = { ...evidence(null).interfaces, missing: ['eth9'] };
  const text = renderDiagnosis(diagnose(evidence(trafficOf(observe([], placePacket)), { interfaces })), plain, 100);
  assert.match(text, /^configuration {2,}ok {2,}earshot\.yaml: eth0$/m);
  assert.match(text, /^interfaces {2,}BROKEN {2,}eth0 up, MTU 9001$/m);
  assert.match(text, /^packets arrive {2,}BROKEN {2,}0 in 10 s$/m);
  assert.match(text, /^tunnels to clock {2,}- {2,}see above$/m);
  const [, first = '', others = ''] = /The first thing that is broken:\n(.*?)\n\nAlso:\n(.*)/s.exec(text) ?? [];
  assert.match(first, /^ {2}broken: interface-missing\n {4}The interface eth9 does not exist\. Did you mean eth0\?/);
  assert.match(first, /\n {4}-> Correct the name.*\n {7}\S/);
  assert.match(others, /^ {2}broken: no-packets\n {4}[^\n]*[^.?]: [^\n]*/);
});

test('nothing is wrong: it says so, and no line is wider than the terminal', () => {
  const text = renderDiagnosis(diagnose(evidence(null)), plain, 60);
  assert.match(text, /\nNothing is wrong with what was looked at\.\n$/);
  for (const line of text.split('\n')) assert.ok(line.length <= 60, line);
});

test('a warning is not called broken; names cannot move the cursor', () => {
  const own = evidence(null).configuration;
  const memory = { ringBytesWanted: 64 << 20, ringBytes: 32 << 20, refused: null };
  const text = renderDiagnosis(diagnose(evidence(null, { memory, configuration: { ...own, interfaces: ['\u001b[2J'] } })), plain, 100);
  assert.match(text, /Nothing is broken\. To look at first:\n {2}warning: ring-reduced\n/);
  assert.ok(!text.includes('\u001b'));
});
