import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf, Rig } from '../../../test/support/spool-rig.ts';
import { FrameScanner } from './scanner.ts';

/** A segment as a killed process leaves it: four frames of two records, not closed. */
async function killed(): Promise<{ rig: Rig; path: string; bytes: Buffer; ends: number[]; starts: number[] }> {
  const rig = new Rig();
  const spool = await rig.open({ compression: 'none' });
  await rig.store(spool, ['a1', 'a2'], ['b1', 'b2'], ['c1', 'c2'], ['d1', 'd2']);
  await rig.timers.pass(1100);
  const [path] = rig.segments();
  const bytes = Buffer.from(rig.disk.bytesOf(path) ?? []);
  rig.kill();
  const ends: number[] = [];
  const starts: number[] = [];
  const scanner = new FrameScanner(await rig.disk.files().open(path, false), bytes.indexOf('\n') + 1, bytes.length);
  for (let found = await scanner.next(); found !== null; found = await scanner.next()) {
    starts.push(found.at);
    ends.push(found.end);
  }
  assert.equal(ends.at(-1), bytes.length);
  return { rig, path, bytes, ends, starts };
}

test('a file that is cut off at any byte gives back its whole frames, and goes on behind them', async () => {
  const { path, bytes, ends } = await killed();
  const all = ['a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'd1', 'd2'];
  for (let length = 0; length <= bytes.length; length++) {
    const rig = new Rig();
    rig.disk.put(path, bytes.subarray(0, length));
    const spool = await rig.open();
    const whole = ends.filter((end) => end <= length).length;
    assert.equal(spool.state().readers[0].queued, whole * 2, `cut at ${length}`);
    assert.equal(spool.state().corruptRecords, 0, `cut at ${length}: it was not accepted`);
    await rig.store(spool, ['new']);
    assert.deepEqual(await linesOf(spool), [...all.slice(0, whole * 2), 'new'], `cut at ${length}`);
    await rig.close(spool);
  }
});

test('a flipped byte anywhere costs one frame, which is counted and put aside', async () => {
  const { rig: before, path, bytes, starts, ends } = await killed();
  const others = before.disk
    .names()
    .flatMap((name) => (name === path ? [] : [[name, before.disk.bytesOf(name) ?? Buffer.alloc(0)] as const]));
  const frames = ['a1', 'b1', 'c1', 'd1'].map((first) => [first, `${first[0]}2`]);
  for (let at = 0; at < bytes.length; at++) {
    const rig = new Rig();
    for (const [name, content] of others) rig.disk.put(name, content);
    const flipped = Buffer.from(bytes);
    flipped[at] ^= 0x10;
    rig.disk.put(path, flipped);
    const spool = await rig.open();
    const hit = starts.findIndex((start, i) => at >= start && at < ends[i]);
    const left = frames.filter((_, i) => i !== hit).flat();
    assert.deepEqual(await linesOf(spool), left, `byte ${at}`);
    const { corruptFrames, corruptRecords, readers } = spool.state();
    assert.equal(corruptFrames, 1, `byte ${at}`);
    assert.equal(corruptRecords, hit < 0 ? 0 : 2, `byte ${at}`);
    assert.equal(readers[0].corrupt, hit < 0 ? 0 : 2, `byte ${at}`);
    assert.equal(rig.disk.names().filter((name) => name.includes('/quarantine/')).length, 1);
    await rig.close(spool);
  }
});

test('damage that comes while the sensor runs is met by the reader, counted once, and the rest goes on', async () => {
  const rig = new Rig();
  const readers = ['one', 'two'].map((name) => ({ name, pipelines: ['all'] }));
  let spool = await rig.open({ compression: 'none' }, { readers });
  await rig.store(spool, ['a1'], ['b1'], ['c1']);
  await rig.close(spool);
  spool = await rig.open({}, { readers });
  const [path] = rig.segments();
  rig.disk.flip(path, (rig.disk.bytesOf(path) ?? Buffer.alloc(0)).indexOf('b1'), 0);
  assert.deepEqual(await linesOf(spool, 'one'), ['a1', 'c1']);
  assert.deepEqual(await linesOf(spool, 'two'), ['a1', 'c1']);
  const { corruptFrames, corruptRecords, readers: states } = spool.state();
  assert.deepEqual([corruptFrames, corruptRecords], [1, 1]);
  for (const { queuedAtStart, acked, corrupt, queued } of states) {
    assert.deepEqual({ queuedAtStart, acked, corrupt, queued }, { queuedAtStart: 3, acked: 2, corrupt: 1, queued: 0 });
  }
  assert.ok(rig.said.includes('a part of the spool is damaged, and is left out'));
  await rig.close(spool);
});

/** Three segments with one record each. */
async function threeSegments(): Promise<Rig> {
  const rig = new Rig();
  for (const line of ['a', 'b', 'c']) {
    const spool = await rig.open();
    await rig.store(spool, [line]);
    await rig.close(spool);
  }
  assert.equal(rig.segments().length, 3);
  return rig;
}

test('a segment that is missing in the middle is counted, and the others come', async () => {
  const rig = await threeSegments();
  rig.disk.delete(rig.segments()[1]);
  const spool = await rig.open();
  assert.deepEqual(await linesOf(spool), ['a', 'c']);
  const { corruptRecords, readers } = spool.state();
  assert.deepEqual([corruptRecords, readers[0].queuedAtStart, readers[0].corrupt, readers[0].acked], [1, 3, 1, 2]);
  await rig.close(spool);
});

test('when the oldest or the newest segment is missing that is counted too', async () => {
  for (const which of [0, 2]) {
    const rig = await threeSegments();
    rig.disk.delete(rig.segments()[which]);
    const spool = await rig.open();
    assert.deepEqual(await linesOf(spool), which === 0 ? ['b', 'c'] : ['a', 'b']);
    assert.equal(spool.state().readers[0].corrupt, 1);
    await rig.close(spool);
  }
});

test('numbers are not given again when the newest segment, or the state, is lost', async () => {
  for (const lost of ['newest', 'state', 'all segments']) {
    const rig = await threeSegments();
    const spool = await rig.open();
    const used = spool.state().lastSequence;
    await rig.store(spool, ['d']);
    const last = spool.state().lastSequence;
    assert.ok(last > used);
    rig.kill();
    if (lost === 'newest') rig.disk.delete(rig.segments().at(-1) ?? '');
    if (lost === 'state') rig.disk.delete('/spool/state');
    if (lost === 'all segments') for (const path of rig.segments()) rig.disk.delete(path);
    const again = await rig.open();
    await rig.store(again, ['e']);
    assert.ok(again.state().lastSequence > last, lost);
    await rig.close(again);
  }
});

test('numbers go on without a hole after an end in order', async () => {
  const rig = new Rig();
  let spool = await rig.open();
  await rig.store(spool, ['a', 'b']);
  await rig.close(spool);
  spool = await rig.open();
  await rig.store(spool, ['c']);
  assert.equal(spool.state().lastSequence, 3);
  await rig.close(spool);
});

test('a damaged cursor costs no record: its reader begins at the oldest', async () => {
  const rig = new Rig();
  let spool = await rig.open();
  await rig.store(spool, ['a'], ['b']);
  const reader = spool.reader('sink');
  reader.ack((await reader.next())?.firstSequence ?? 0);
  await rig.close(spool);
  spool = await rig.open();
  assert.deepEqual(await linesOf(spool, 'sink', false), ['b'], 'with the cursor it goes on');
  await rig.close(spool);
  rig.disk.flip('/spool/cursor-sink', 40, 3);
  spool = await rig.open();
  assert.deepEqual(await linesOf(spool), ['a', 'b']);
  await rig.close(spool);
});

test('a cursor in the middle of a frame gives the rest of the frame', async () => {
  const rig = new Rig();
  let spool = await rig.open();
  await rig.store(spool, ['a', 'b', 'c', 'd']);
  await spool.reader('sink').next();
  spool.reader('sink').ack(2);
  assert.equal(spool.state().readers[0].queued, 2);
  await rig.close(spool);
  spool = await rig.open();
  const { queued, queuedBytes } = spool.state().readers[0];
  assert.deepEqual([queued, queuedBytes], [2, 4]);
  const frame = await spool.reader('sink').next();
  assert.deepEqual([frame?.firstSequence, frame?.count, Buffer.from(frame?.bytes ?? []).toString()], [3, 2, 'c\nd\n']);
  await rig.close(spool);
});
