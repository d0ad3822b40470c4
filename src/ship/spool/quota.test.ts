import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, linesOf, Rig } from '../../../test/support/spool-rig.ts';
import type { Spool } from './spool.ts';

const KB = 'x'.repeat(1000);
const HOUR_MS = 3_600_000;
const readers = ['fast', 'dead'].map((name) => ({ name, pipelines: ['all'] }));

function books(spool: Spool, name: string): number[] {
  const [reader] = spool.state().readers.filter((state) => state.name === name);
  const { queuedAtStart, accepted, acked, expiredByQuota, expiredByAge, corrupt, queued } = reader;
  assert.equal(queuedAtStart + accepted, acked + expiredByQuota + expiredByAge + corrupt + queued);
  return [accepted, acked, expiredByQuota, expiredByAge, queued];
}

test('beyond the quota the oldest go for the laggard only, counted exactly', async () => {
  const rig = new Rig();
  const spool = await rig.open({ bytesMax: 40_000, segmentBytes: 5000, compression: 'none' }, { readers });
  for (let i = 0; i < 100; i++) {
    await rig.store(spool, [`${i} ${KB}`]);
    assert.equal((await linesOf(spool, 'fast')).length, 1);
    assert.ok(spool.state().bytes <= 40_000, `${spool.state().bytes}`);
  }
  assert.deepEqual(books(spool, 'fast'), [100, 100, 0, 0, 0]);
  const left = await linesOf(spool, 'dead', false);
  assert.ok(left.length >= 30 && left.length <= 40, `${left.length}`);
  assert.deepEqual(books(spool, 'dead'), [100, 0, 100 - left.length, 0, left.length]);
  assert.equal(Number.parseInt(left[0], 10), 100 - left.length, 'the newest are there');
  await rig.timers.pass(1100);
  assert.match(spool.state().fault, /expire unsent: the quota \(spool.bytesMax\)/);
  await rig.timers.pass(65_000);
  assert.equal(spool.state().fault, '', 'when it is over it is not told any more');
  await rig.close(spool);
});

test('a quota smaller than one frame holds the newest frame', async () => {
  const rig = new Rig();
  let spool = await rig.open({ bytesMax: 1, compression: 'none' });
  for (const line of ['a', 'b', 'c']) await rig.store(spool, [line.repeat(5000)]);
  assert.deepEqual(books(spool, 'sink'), [3, 0, 2, 0, 1]);
  await rig.close(spool);
  spool = await rig.open({ bytesMax: 1e6 });
  assert.deepEqual(await linesOf(spool), ['c'.repeat(5000)]);
  await rig.close(spool);
});

test('what is acked by all goes, without being counted; what one has not acked stays', async () => {
  const rig = new Rig();
  const spool = await rig.open({ segmentBytes: 1, compression: 'none' }, { readers });
  for (let i = 0; i < 5; i++) await rig.store(spool, [KB, KB, KB, KB, KB]);
  await linesOf(spool, 'fast');
  await rig.timers.pass(1100);
  assert.equal(rig.segments().length, 5);
  await linesOf(spool, 'dead');
  await rig.timers.pass(1100);
  assert.equal(rig.segments().length, 1, 'the one that is being written');
  assert.deepEqual(books(spool, 'dead'), [25, 25, 0, 0, 0]);
  await rig.close(spool);
});

test('what is too old goes by whole segments, which are not longer than an hour', async () => {
  const rig = new Rig();
  const spool = await rig.open({ ageHoursMax: 3 });
  await rig.store(spool, ['old']);
  rig.timers.jump(2 * HOUR_MS);
  await rig.timers.pass(2000);
  await rig.store(spool, ['young']);
  rig.timers.jump(2 * HOUR_MS);
  await rig.timers.pass(70_000);
  assert.deepEqual(await linesOf(spool), ['young']);
  assert.deepEqual(books(spool, 'sink'), [2, 1, 0, 1, 0]);
  await rig.close(spool);
});

test('a clock that jumps ahead and is put right lets nothing go', async () => {
  const rig = new Rig();
  const spool = await rig.open({ ageHoursMax: 3 });
  await rig.store(spool, ['a']);
  rig.timers.jump(1000 * HOUR_MS);
  await rig.timers.pass(30_000);
  rig.timers.jump(-1000 * HOUR_MS);
  await rig.timers.pass(70_000);
  assert.deepEqual(await linesOf(spool), ['a']);
  await rig.close(spool);
});

test('a cursor is on the disk before what it has passed is removed', async () => {
  const rig = new Rig();
  const spool = await rig.open({ segmentBytes: 1, compression: 'none' });
  for (let i = 0; i < 4; i++) await rig.store(spool, [KB, KB, KB, KB, KB]);
  await linesOf(spool);
  const before = rig.segments().length;
  // Cuts off at every step of the second in which cursors are written and segments removed.
  for (let steps = 1; ; steps++) {
    const copy = new Rig();
    for (const name of rig.disk.names()) copy.disk.put(name, rig.disk.bytesOf(name) ?? Buffer.alloc(0));
    const again = await copy.open({ segmentBytes: 1 });
    await linesOf(again);
    let isCut = false;
    copy.disk.onStop = (): void => {
      isCut = true;
      copy.timers.forget();
      copy.disk.cut();
    };
    copy.disk.stepsLeft = steps;
    await copy.timers.pass(1500);
    if (!isCut) {
      assert.ok(copy.segments().length < before);
      break;
    }
    const after = await copy.open();
    assert.equal(after.state().corruptRecords, 0, `cut at step ${steps}`);
  }
  await rig.close(spool);
});

test('the cursor of a sink that is not configured holds nothing, and waits a day for it', async () => {
  const rig = new Rig();
  const both = { readers };
  let spool = await rig.open({}, both);
  await rig.store(spool, ['a'], ['b']);
  spool.reader('dead').ack((await spool.reader('dead').next())?.firstSequence ?? 0);
  await linesOf(spool, 'fast');
  await rig.close(spool);
  // Without it for an hour.
  spool = await rig.open({}, { readers: [readers[0]] });
  rig.timers.jump(HOUR_MS);
  await rig.store(spool, ['c']);
  await rig.close(spool);
  spool = await rig.open({}, both);
  assert.equal(spool.state().corruptRecords, 0);
  assert.deepEqual(await linesOf(spool, 'fast'), ['c']);
  assert.deepEqual(await linesOf(spool, 'dead'), ['c'], 'what went meanwhile is not waited for');
  await rig.close(spool);
  spool = await rig.open({}, { readers: [readers[0]] });
  await rig.close(spool);
  rig.timers.jump(25 * HOUR_MS);
  spool = await rig.open({}, { readers: [readers[0]] });
  await rig.close(spool);
  assert.ok(!rig.disk.names().includes('/spool/cursor-dead'));
});

test('at level memory a sink that stands still does not stop the others', async () => {
  const rig = new Rig();
  const spool = await rig.open({ level: 'memory', memoryBytesMax: 20_000, compression: 'none' }, { readers });
  for (let i = 0; i < 100; i++) {
    spool.append(batchOf([`${i} ${KB}`]));
    assert.equal((await linesOf(spool, 'fast')).length, 1, `${i}`);
  }
  assert.deepEqual(books(spool, 'fast'), [100, 100, 0, 0, 0]);
  const [accepted, acked, expired, , queued] = books(spool, 'dead');
  assert.deepEqual([accepted, acked, expired + queued], [100, 0, 100]);
  assert.ok(queued >= 15 && queued <= 20, `${queued}`);
  assert.equal(spool.state().lost, 0);
  assert.deepEqual(rig.disk.names(), [], 'nothing is on the disk');
  await rig.close(spool);
});

test('what nobody has acked is not let go for new records: these are lost, and counted', async () => {
  const rig = new Rig();
  const spool = await rig.open({ level: 'memory', memoryBytesMax: 20_000, compression: 'none' }, { readers });
  for (let i = 0; i < 100; i++) spool.append(batchOf([`${i} ${KB}`]));
  const { offered, accepted, lost, fault } = spool.state();
  assert.equal(offered, 100);
  assert.equal(accepted + lost, 100);
  assert.ok(lost > 70 && lost < 90, `${lost}`);
  assert.match(fault, /calls are lost/);
  const lines = await linesOf(spool, 'fast');
  assert.deepEqual(
    lines.map((line) => Number.parseInt(line, 10)),
    lines.map((_, i) => i),
  );
  await rig.close(spool);
});
