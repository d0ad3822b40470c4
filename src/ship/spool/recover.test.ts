import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, linesOf, Rig } from '../../../test/support/spool-rig.ts';
import { routesToSink } from '../routes.ts';
import { decodeNote, encodeNote } from './note.ts';
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

/** A spool that was closed, with three frames in one segment, each in a block of the disk of its own. */
async function threeBlocks(): Promise<{ rig: Rig; path: string; lines: string[] }> {
  const rig = new Rig();
  const lines = ['a', 'b', 'c'].map((letter) => letter.repeat(9000));
  const spool = await rig.open({ compression: 'none' });
  await rig.store(spool, ...lines.map((line) => [line]));
  await rig.close(spool);
  const [path] = rig.segments();
  return { rig, path, lines };
}

for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'ESTALE', 'EIO']) {
  test(`a start waits until reading works again: ${code}`, async () => {
    const { rig, lines } = await threeBlocks();
    Object.assign(rig.disk.faults, { read: 1, readCodes: [code] });
    const opening = rig.open();
    await rig.timers.pass(4000);
    rig.disk.faults.read = 0;
    await rig.timers.pass(2000);
    const spool = await opening;
    assert.deepEqual(await linesOf(spool), lines);
    assert.equal(spool.state().corruptFrames, 0);
    assert.ok(!rig.disk.names().some((name) => name.includes('/quarantine/')));
    await rig.close(spool);
  });
}

test('a start that cannot read a segment for long is refused, and leaves everything as it is', async () => {
  const { rig, path, lines } = await threeBlocks();
  const before = rig.disk.bytesOf(path);
  const files = rig.disk.files();
  const noFiles = {
    ...files,
    open: (name: string, create: boolean): ReturnType<typeof files.open> =>
      name === path ? Promise.reject(Object.assign(new Error('EMFILE'), { code: 'EMFILE' })) : files.open(name, create),
  };
  const refused = assert.rejects(rig.open({}, { files: noFiles }), { code: 'spool-unreadable', what: /0001\.segment/ });
  await rig.timers.pass(30_000);
  await refused;
  assert.deepEqual(rig.segments(), [path]);
  assert.equal(rig.disk.bytesOf(path), before);
  const spool = await rig.open();
  assert.deepEqual(await linesOf(spool), lines);
  await rig.close(spool);
});

test('a block that the disk does not read any more costs a start its frame, which is counted', async () => {
  for (const isClosed of [true, false]) {
    const { rig, path, lines } = await threeBlocks();
    const bytes = rig.disk.bytesOf(path) ?? Buffer.alloc(0);
    // Without its last note it is read whole.
    if (!isClosed) rig.disk.put(path, bytes.subarray(0, bytes.lastIndexOf('earshot-spool segment-end')));
    const size = rig.disk.bytesOf(path)?.length;
    rig.disk.badBlocks.set(path, new Set([Math.floor(bytes.indexOf('bbbb') / 4096) + 1]));
    const opening = rig.open();
    await rig.timers.pass(60_000);
    const spool = await opening;
    assert.equal(rig.disk.bytesOf(path)?.length, size, 'nothing is cut off');
    const asked = linesOf(spool);
    await rig.timers.pass(120_000);
    assert.deepEqual([...(await asked), ...(await linesOf(spool))], [lines[0], lines[2]], `closed: ${isClosed}`);
    const { corruptFrames, corruptRecords, readers } = spool.state();
    assert.deepEqual([corruptFrames, corruptRecords, readers[0].corrupt, readers[0].acked, readers[0].queued], [1, 1, 1, 2, 0]);
    await rig.close(spool);
  }
});

for (const code of ['EMFILE', 'ENOMEM', 'EACCES', 'ESTALE', 'EIO']) {
  test(`a reader waits until reading works again, and says so: ${code}`, async () => {
    const { rig, lines } = await threeBlocks();
    const spool = await rig.open();
    Object.assign(rig.disk.faults, { read: 1, readCodes: [code] });
    const asked = linesOf(spool);
    await rig.timers.pass(code === 'EIO' ? 40_000 : 3_600_000);
    assert.match(spool.state().fault, /0001\.segment cannot be read/);
    assert.equal(spool.state().readers[0].queued, 3);
    rig.disk.faults.read = 0;
    await rig.timers.pass(31_000);
    assert.deepEqual([...(await asked), ...(await linesOf(spool))], lines);
    const { fault, corruptFrames, readers } = spool.state();
    assert.deepEqual([fault, corruptFrames, readers[0].corrupt], ['', 0, 0]);
    await rig.close(spool);
  });
}

test('a block that a reader does not get for a minute costs its frame only, for every reader, counted once', async () => {
  const { rig, path, lines } = await threeBlocks();
  const readers = ['one', 'two'].map((name) => ({ name, pipelines: ['all'] }));
  const spool = await rig.open({}, { readers });
  const bad = Math.floor((rig.disk.bytesOf(path) ?? Buffer.alloc(0)).indexOf('bbbb') / 4096) + 1;
  rig.disk.badBlocks.set(path, new Set([bad]));
  for (const { name } of readers) {
    const asked = linesOf(spool, name);
    await rig.timers.pass(200_000);
    assert.deepEqual([...(await asked), ...(await linesOf(spool, name))], [lines[0], lines[2]]);
    rig.disk.badBlocks.clear();
  }
  const { corruptFrames, corruptRecords, fault, readers: states } = spool.state();
  assert.deepEqual([corruptFrames, corruptRecords, fault], [1, 1, '']);
  for (const { acked, corrupt, queued } of states) assert.deepEqual([acked, corrupt, queued], [2, 1, 0]);
  await rig.close(spool);
});

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

test('a pipeline that has another name at the next start, or another sink: what it had sent still gets there, once', async () => {
  const readers = (one: readonly string[], two: readonly string[]): { name: string; pipelines: readonly string[] }[] => [
    { name: 'one', pipelines: one },
    { name: 'two', pipelines: two },
  ];
  const changes = [
    { pipelines: ['web', 'new'], readers: readers(['new'], ['web']) },
    { pipelines: ['first', 'second', 'third'], readers: readers(['first', 'second'], ['third']) },
    { pipelines: ['all', 'web'], readers: readers([], ['all', 'web']) },
  ];
  for (const [i, change] of changes.entries()) {
    const rig = new Rig();
    let spool = await rig.open({}, { pipelines: ['all', 'web'], readers: readers(['all'], ['web']) });
    spool.append(batchOf(['all', 'web', 'both', 'one only'], [1, 2, 3, routesToSink('one')]));
    await rig.timers.pass(100);
    // Once more closed, so that both notes of the segment have been read and written.
    await rig.close(spool);
    spool = await rig.open({}, change);
    const [one, two] = spool.state().readers;
    const toTwo = i === 2 ? 3 : 2;
    assert.deepEqual([one.queuedAtStart, two.queuedAtStart], [3, toTwo], `change ${i}`);
    for (const [name, routes, own] of [
      ['one', routesToSink('one'), ['all', 'both', 'one only']],
      ['two', routesToSink('two'), i === 2 ? ['all', 'web', 'both'] : ['web', 'both']],
    ] as const) {
      const frame = await spool.reader(name).next();
      const pipelines = change.readers.find((reader) => reader.name === name)?.pipelines ?? [];
      const bits = change.pipelines.reduce((sum, pipeline, bit) => (pipelines.includes(pipeline) ? sum | (1 << bit) : sum), 0);
      const lines = Buffer.from(frame?.bytes ?? [])
        .toString()
        .split('\n');
      const words = [...(frame?.index ?? [])].filter((_, at) => at % 2 === 1);
      const wanted = lines.filter((_, at) => (words[at] < 0 ? words[at] === routes : (words[at] & bits) !== 0));
      assert.deepEqual(wanted, own, `change ${i}, ${name}`);
      spool.reader(name).ack(4);
    }
    for (const { acked, queued, corrupt, queuedAtStart } of spool.state().readers)
      assert.deepEqual([acked, queued, corrupt], [queuedAtStart, 0, 0]);
    await rig.timers.pass(2500);
    assert.equal(rig.segments().length, 0);
    await rig.close(spool);
  }
});

test('a segment that does not say the sinks of a pipeline which is gone is told of, and kept for a day', async () => {
  const rig = new Rig();
  let spool = await rig.open({ compression: 'none' });
  await rig.store(spool, ['a', 'b', 'c']);
  await rig.close(spool);
  const [path] = rig.segments();
  const bytes = rig.disk.bytesOf(path) ?? Buffer.alloc(0);
  const note = decodeNote(bytes, 0);
  const { sinks, ...fields } = note?.fields ?? {};
  assert.deepEqual(sinks, [['sink']]);
  const end = bytes.lastIndexOf('earshot-spool segment-end');
  rig.disk.put(path, Buffer.concat([encodeNote('segment', fields), bytes.subarray(note?.end, end)]));
  const told: object[] = [];
  const warn = (message: string, about: object = {}): void => {
    if (message.includes('no longer configured')) told.push(about);
  };
  const renamed = { pipelines: ['new'], readers: [{ name: 'sink', pipelines: ['new'] }], log: { info: () => {}, error: () => {}, warn } };
  spool = await rig.open({}, renamed);
  assert.deepEqual(
    JSON.parse(JSON.stringify(told)).map(({ pipelines, records }: never) => [pipelines, records]),
    [[['all'], 3]],
  );
  await rig.timers.pass(5000);
  assert.deepEqual(rig.segments(), [path]);
  rig.timers.jump(25 * 3_600_000);
  await rig.timers.pass(2000);
  assert.deepEqual(rig.segments(), []);
  await rig.close(spool);
});
