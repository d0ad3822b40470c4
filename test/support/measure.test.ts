import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { measure, median } from '../../bench/measure.ts';

const skip = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed';

test('processor time and peak memory are those of the child', { skip }, async () => {
  const idle = await measure(['sleep', '0.2']);
  assert.ok(idle.cpuSeconds < 0.1 && idle.wallSeconds >= 0.2 && idle.peakMiB < 50, JSON.stringify(idle));
  const work = `const b = Buffer.alloc(300 << 20, 1); const until = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < until) b[0]++;`;
  const busy = await measure([process.execPath, '-e', work]);
  assert.ok(busy.cpuSeconds >= 0.3 && busy.peakMiB >= 300, JSON.stringify(busy));
});

test('a child that fails is an error with what it said', { skip }, async () => {
  await assert.rejects(measure(['sh', '-c', 'echo no such capture >&2; exit 3']), /exit code 3\nno such capture/);
  await assert.rejects(measure(['earshot-no-such-program']), /exit code -1/);
});

test('the median is the middle one, or between the middle two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 100]), 3.5);
});
