import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled } from '../../../test/support/simulated-timers.ts';
import { batchOf, LATE_MS, linesOf, Rig } from '../../../test/support/spool-rig.ts';
import { SensorError } from '../../base/errors.ts';
import { routesToSink } from '../routes.ts';
import { noKeys, spoolKeys } from './keys.ts';
import { encodeNote } from './note.ts';
import type { Spool } from './spool.ts';

const KB = 'x'.repeat(1000);

function refusal(code: string, why: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SensorError, String(error));
    assert.equal(error.code, code);
    assert.match(`${error.what} ${error.why}`, why);
    assert.ok(error.next.length > 10);
    return true;
  };
}

test('nothing is given before it is durable; then it comes in order', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  spool.append(batchOf(['a', 'b']));
  spool.append(batchOf(['c']));
  let isDurable = false;
  void spool.durable(3).then(() => {
    isDurable = true;
  });
  assert.deepEqual(await linesOf(spool), []);
  assert.deepEqual([isDurable, spool.state().accepted, spool.state().durableSequence, spool.state().lastSequence], [false, 0, 0, 3]);
  await rig.timers.pass(60);
  assert.deepEqual([isDurable, spool.state().accepted, spool.state().durableSequence], [true, 3, 3]);
  await rig.close(spool);
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a', 'b', 'c']);
  await rig.close(again);
});

test('what waits for a frame gets it when it comes, and null when the spool is closed', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  const reader = spool.reader('sink');
  const first = reader.next();
  const second = reader.next();
  await rig.store(spool, ['a']);
  assert.equal((await first)?.firstSequence, 1);
  await rig.close(spool);
  assert.equal(await second, null);
  assert.equal(await reader.next(), null);
  spool.append(batchOf(['late']));
  assert.equal(spool.state().lost, 1, 'what comes behind the end is lost, and counted');
});

test('each reader gets the frames with records of its pipelines, and of those that are for it alone', async () => {
  const rig = new Rig();
  const pipelines = ['all', 'api'];
  const readers = [
    { name: 'kafka', pipelines: ['all'] },
    { name: 'platform', pipelines: ['api'] },
  ];
  const spool = await rig.open({}, { pipelines, readers });
  for (const [line, routes] of [
    ['both', 3],
    ['all', 1],
    ['api', 2],
    ['none', 0],
    ['again', routesToSink('platform')],
  ] as const) {
    spool.append(batchOf([line], routes));
  }
  await rig.timers.pass(60);
  const queued = spool.state().readers.map((reader) => reader.queued);
  assert.deepEqual(queued, [2, 3]);
  assert.deepEqual(await linesOf(spool, 'kafka'), ['both', 'all']);
  assert.deepEqual(await linesOf(spool, 'platform'), ['both', 'api', 'again']);
  await rig.close(spool);
});

test('routes are by name: pipelines may come in another order at the next start', async () => {
  const rig = new Rig();
  const readers = [{ name: 'platform', pipelines: ['api'] }];
  let spool = await rig.open({}, { pipelines: ['all', 'api', 'gone'], readers });
  spool.append(batchOf(['1', '2', '3'], [1, 2 | 4, routesToSink('platform')]));
  await rig.timers.pass(60);
  await rig.close(spool);
  spool = await rig.open({}, { pipelines: ['api', 'new', 'all'], readers });
  const frame = await spool.reader('platform').next();
  assert.deepEqual([...(frame?.index ?? [])], [2, 4, 2, 1, 2, routesToSink('platform')]);
  assert.equal(spool.state().readers[0].queued, 2);
  await rig.close(spool);
});

test('seek gives again what is not acked', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  await rig.store(spool, ['a'], ['b'], ['c']);
  assert.deepEqual(await linesOf(spool, 'sink', false), ['a', 'b', 'c']);
  const reader = spool.reader('sink');
  reader.ack(1);
  reader.seek(1);
  assert.deepEqual(await linesOf(spool, 'sink', false), ['b', 'c'], 'not what is acked');
  reader.seek(3);
  assert.deepEqual(await linesOf(spool), ['c']);
  assert.equal(reader.state().queued, 0);
  await rig.close(spool);
});

test('an ack goes no further than what was given', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  await rig.store(spool, ['a'], ['b']);
  const reader = spool.reader('sink');
  await reader.next();
  reader.ack(1000);
  assert.deepEqual([reader.state().ackedSequence, reader.state().queued], [1, 1]);
  assert.deepEqual(await linesOf(spool), ['b']);
  await rig.close(spool);
});

test('a full disk: the level falls, calls go on from memory, and are written by themselves when there is room', async () => {
  const rig = new Rig();
  const seen: string[] = [];
  const spool = await rig.open({ compression: 'none' }, { onState: ({ level, fault }) => seen.push(`${level} ${fault}`) });
  await rig.store(spool, ['a']);
  rig.disk.capacityBytes = rig.disk.usedBytes + 100;
  await rig.store(spool, [KB], ['b']);
  const { level, wantedLevel, fault, accepted, durableSequence, lastSequence } = spool.state();
  assert.deepEqual([level, wantedLevel, accepted, durableSequence, lastSequence], ['memory', 'disk', 3, 1, 3]);
  assert.match(fault, /no space is left on the device.*wait in memory; free some space/);
  let isDurable = false;
  void spool.durable(3).then(() => {
    isDurable = true;
  });
  assert.deepEqual(await linesOf(spool, 'sink', false), ['a', KB, 'b']);
  await rig.timers.pass(5000);
  assert.equal(isDurable, false, 'in memory is not on the disk');
  rig.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await rig.timers.pass(1200);
  assert.deepEqual([spool.state().level, spool.state().fault, isDurable], ['disk', '', true]);
  assert.deepEqual([seen.length, seen[0].startsWith('memory '), seen[1]], [2, true, 'disk ']);
  rig.kill();
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a', KB, 'b'], 'in order');
  await rig.close(again);
});

for (const [why, changes] of [
  ['the disk is full', {}],
  ['little is free', { freeBytesMin: 20_000 }],
] as const) {
  test(`${why} of calls that every sink has: they go, and the next ones are written`, async () => {
    const rig = new Rig();
    const spool = await rig.open({ compression: 'none', ...changes });
    await rig.store(spool, [KB.repeat(100)]);
    assert.deepEqual((await linesOf(spool)).length, 1);
    rig.disk.capacityBytes = rig.disk.usedBytes + 500;
    await rig.timers.pass(3000);
    await rig.store(spool, ...Array.from({ length: 5 }, (_, i) => [`${i}${KB}`]));
    await rig.timers.pass(3000);
    const { level, fault, durableSequence, lost } = spool.state();
    assert.deepEqual([level, fault, durableSequence, lost], ['disk', '', 6, 0]);
    assert.ok(rig.disk.usedBytes < 10_000, `${rig.disk.usedBytes}`);
    rig.kill();
    const again = await rig.open();
    assert.equal((await linesOf(again)).length, 5);
    assert.equal(again.state().corruptRecords, 0);
    await rig.close(again);
  });
}

test('on a full disk what one sink has not acked stays', async () => {
  const rig = new Rig();
  const readers = ['fast', 'dead'].map((name) => ({ name, pipelines: ['all'] }));
  const spool = await rig.open({ compression: 'none' }, { readers });
  await rig.store(spool, [KB.repeat(100)]);
  await linesOf(spool, 'fast');
  rig.disk.capacityBytes = rig.disk.usedBytes + 500;
  await rig.store(spool, [KB]);
  await rig.timers.pass(5000);
  assert.equal(spool.state().level, 'memory');
  assert.equal((await linesOf(spool, 'dead')).length, 2);
  await rig.timers.pass(3000);
  assert.equal(spool.state().level, 'disk', 'now it may go');
  await rig.close(spool);
});

test('a part of a write that a full disk took is cut off, and written again whole', async () => {
  for (let room = 0; room < 1200; room += 97) {
    const rig = new Rig();
    const spool = await rig.open({ compression: 'none' });
    await rig.store(spool, ['a']);
    rig.disk.capacityBytes = rig.disk.usedBytes + room;
    await rig.store(spool, [KB]);
    const [path] = rig.segments();
    const length = rig.disk.bytesOf(path)?.length;
    rig.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await rig.timers.pass(1200);
    assert.ok((rig.disk.bytesOf(path)?.length ?? 0) >= (length ?? 0) + (room < 1100 ? 1000 : 0));
    rig.kill();
    const again = await rig.open();
    assert.deepEqual(await linesOf(again), ['a', KB], `room for ${room}`);
    assert.equal(again.state().corruptFrames, 0);
    await rig.close(again);
  }
});

test('room that is to be left free is left free', async () => {
  const rig = new Rig();
  rig.disk.capacityBytes = 1 << 20;
  const spool = await rig.open({ compression: 'none', freeBytesMin: 1000 * 1024 });
  await rig.store(spool, ['a']);
  assert.equal(spool.state().level, 'disk');
  await rig.store(spool, [KB.repeat(30)]);
  await rig.timers.pass(1100);
  await rig.store(spool, ['b']);
  assert.equal(spool.state().level, 'memory');
  assert.match(spool.state().fault, /Less than 1 MiB are free.*spool.freeBytesMin/);
  const used = rig.disk.usedBytes;
  await rig.timers.pass(3000);
  assert.ok(rig.disk.usedBytes - used < 100, 'nothing more is written');
  rig.disk.capacityBytes = 1 << 30;
  await rig.timers.pass(1200);
  assert.deepEqual([spool.state().level, spool.state().durableSequence], ['disk', 3]);
  await rig.close(spool);
});

test('a stop writes what waits in memory also where too little is free: else it would be lost', async () => {
  const rig = new Rig();
  rig.disk.capacityBytes = 1 << 20;
  let spool = await rig.open({ freeBytesMin: 2 << 20 });
  await rig.store(spool, ['a']);
  assert.deepEqual([spool.state().level, rig.segments()], ['memory', []]);
  await rig.close(spool);
  assert.equal(rig.segments().length, 1);
  spool = await rig.open();
  assert.deepEqual(await linesOf(spool), ['a']);
  await rig.close(spool);
});

test('what was written before a sync that failed is written again, into a new segment', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  await rig.store(spool, ['a']);
  rig.disk.faults.sync = 1;
  await rig.store(spool, ['b'], ['c']);
  assert.deepEqual([spool.state().level, spool.state().durableSequence], ['memory', 1]);
  rig.disk.faults.sync = 0;
  await rig.timers.pass(1200);
  assert.deepEqual([spool.state().level, spool.state().durableSequence], ['disk', 3]);
  assert.equal(rig.segments().length, 2);
  rig.timers.forget();
  rig.disk.cut();
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a', 'b', 'c']);
  await rig.close(again);
});

test('the end writes what waits, at most until its time is over', async () => {
  const rig = new Rig();
  let spool = await rig.open({ syncIntervalMs: 10_000 });
  spool.append(batchOf(['a']));
  await rig.close(spool);
  spool = await rig.open();
  assert.deepEqual(await linesOf(spool, 'sink', false), ['a']);
  rig.disk.capacityBytes = rig.disk.usedBytes;
  await rig.store(spool, ['b']);
  let isClosed = false;
  void spool.close(rig.timers.dateMs() + 3000).then(() => {
    isClosed = true;
  });
  await rig.timers.pass(1500);
  assert.equal(isClosed, false);
  await rig.timers.pass(1500);
  assert.equal(isClosed, true);
  assert.ok(rig.said.includes('the spool ends with calls that the disk did not take'));
});

test('an end whose time is over while the disk writes keeps the lock until that is done', async () => {
  const rig = new Rig();
  const files = rig.disk.files();
  const slow = {
    ...files,
    open: async (path: string, create: boolean): ReturnType<typeof files.open> => {
      const file = await files.open(path, create);
      const sync = async (): Promise<void> => {
        await new Promise<void>((resolve) => rig.timers.after(100, resolve));
        await file.sync();
      };
      return { ...file, sync };
    },
  };
  const opening = rig.open({ syncIntervalMs: 1 }, { files: slow });
  await rig.timers.pass(5000);
  const spool = await opening;
  spool.append(batchOf(['a', 'b']));
  let isClosed = false;
  void spool.close(rig.timers.dateMs()).then(() => {
    isClosed = true;
  });
  await rig.timers.pass(1);
  assert.ok(isClosed, 'it waits no longer than it may');
  assert.equal(spool.state().accepted, 0, 'but it is not done');
  let second: Spool | null = null;
  void rig.open().then((opened) => {
    assert.equal(spool.state().accepted, 2, 'who gets the lock comes after the last write');
    second = opened;
  });
  await rig.timers.pass(5000);
  assert.ok(second !== null);
  assert.deepEqual(await linesOf(second), ['a', 'b']);
  await rig.close(second);
});

test('an end that comes while the first batch is on its way closes its segment in order', async () => {
  for (let steps = 0; steps < 12; steps++) {
    const rig = new Rig();
    const spool = await rig.open();
    spool.append(batchOf(['a']));
    for (let step = 0; step < steps; step++) await null;
    await rig.close(spool);
    const [path] = rig.segments();
    assert.match(rig.disk.bytesOf(path)?.toString('latin1') ?? '', /earshot-spool segment-end .*\n#[0-9]{10}\n$/, `after ${steps} steps`);
    assert.equal(rig.disk.openFiles, 0);
  }
});

test('who waits for a record that does not become durable before the end is told', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  rig.disk.faults.write = 1;
  spool.append(batchOf(['a']));
  const refused = assert.rejects(spool.durable(1), /closed/);
  await Promise.all([spool.close(rig.timers.dateMs() + 100), rig.timers.pass(500)]);
  await refused;
});

test('level os accepts what is written, level memory what it has', async () => {
  const rig = new Rig();
  const spool = await rig.open({ level: 'os' });
  spool.append(batchOf(['a']));
  await settled();
  assert.deepEqual([spool.state().accepted, spool.state().durableSequence], [1, 1]);
  rig.kill();
  const again = await rig.open({ level: 'os' });
  assert.deepEqual(await linesOf(again), ['a'], 'the system has it, whatever becomes of the process');
  await rig.close(again);
  const memory = await rig.open({ level: 'memory' });
  memory.append(batchOf(['b']));
  assert.deepEqual([memory.state().accepted, memory.state().level], [1, 'memory']);
  await memory.durable(memory.state().lastSequence);
  assert.deepEqual(await linesOf(memory), ['b']);
  await Promise.all([memory.close(LATE_MS), rig.timers.pass(100)]);
});

test('what readers will ask for next is not read from the disk', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  for (let i = 0; i < 20; i++) await rig.store(spool, [`${i}`]);
  const steps = rig.disk.steps;
  assert.equal((await linesOf(spool)).length, 20);
  assert.equal(rig.disk.steps, steps);
  await rig.close(spool);
});

test('a segment whose file somebody removes while it is written costs what was in it only', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  await rig.store(spool, ['a']);
  rig.disk.delete(rig.segments()[0]);
  await rig.timers.pass(1100);
  await rig.store(spool, ['b']);
  assert.ok(rig.said.some((line) => line.includes('is gone')));
  assert.match(spool.state().fault, /[0-9]+[.]segment was removed while the sensor ran/);
  await rig.timers.pass(65_000);
  assert.deepEqual([spool.state().level, spool.state().fault], ['disk', ''], 'after a minute it is not told any more');
  rig.kill();
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a', 'b'], 'it was still in memory, and is written again');
  await rig.close(again);
});

test('a folder that is removed at work is a fault of the disk; what memory has is written again into a new one', async () => {
  const rig = new Rig();
  const seen: string[] = [];
  const onState = ({ level, fault }: { level: string; fault: string }): void => void seen.push(`${level}: ${fault}`);
  const spool = await rig.open({}, { onState });
  await rig.store(spool, ['a'], ['b']);
  rig.disk.deleteDirectory('/spool');
  await rig.store(spool, ['c']);
  assert.deepEqual(rig.segments(), [], 'it went into the file that is gone');
  await rig.timers.pass(1200);
  assert.match(seen[0], /^memory: [/]spool was removed or moved away. Calls wait in memory/);
  assert.equal(spool.state().level, 'memory', 'so long that somebody sees it');
  assert.match(spool.state().fault, /[/]spool was removed .*calls that lay only there are lost[.] .*earshot spool purge/);
  await rig.store(spool, ['d']);
  assert.equal(spool.state().durableSequence, 4, 'it is written to the disk at once');
  await rig.timers.pass(65_000);
  assert.deepEqual([spool.state().level, spool.state().fault], ['disk', '']);
  rig.kill();
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a', 'b', 'c', 'd'], 'a crash takes nothing of it back');
  const { corruptRecords, readers } = again.state();
  assert.deepEqual([corruptRecords, readers[0].corrupt], [0, 0]);
  await rig.close(again);
});

test('what was removed with a folder and is not in memory counts as corrupt, once', async () => {
  const rig = new Rig();
  const readers = ['one', 'two'].map((name) => ({ name, pipelines: ['all'] }));
  let spool = await rig.open({}, { readers });
  await rig.store(spool, ['a'], ['b']);
  await rig.close(spool);
  spool = await rig.open({}, { readers });
  await rig.store(spool, ['c']);
  assert.deepEqual(await linesOf(spool, 'one'), ['a', 'b', 'c']);
  rig.disk.deleteDirectory('/spool');
  await rig.timers.pass(1200);
  const asked = linesOf(spool, 'two');
  await rig.timers.pass(5000);
  assert.deepEqual([...(await asked), ...(await linesOf(spool, 'two'))], ['c']);
  for (const [name, acked, corrupt] of [
    ['one', 3, 0],
    ['two', 1, 2],
  ] as const) {
    const state = spool.state().readers.find((reader) => reader.name === name);
    assert.deepEqual([state?.acked, state?.corrupt, state?.queued], [acked, corrupt, 0], name);
  }
  await rig.close(spool);
  spool = await rig.open({}, { readers });
  assert.deepEqual([spool.state().corruptRecords, spool.state().readers.map(({ corrupt }) => corrupt)], [0, [0, 0]]);
  await rig.close(spool);
});

test('while a folder that is gone cannot be made again calls wait in memory, and nothing is said to be durable', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  await rig.store(spool, ['a']);
  rig.disk.deleteDirectory('/spool');
  rig.disk.faults.makeDirectory = 'EROFS';
  await rig.timers.pass(1200);
  await rig.store(spool, ['b']);
  const { level, fault, accepted, durableSequence, lost } = spool.state();
  assert.deepEqual([level, accepted, durableSequence, lost], ['memory', 2, 0, 0]);
  assert.match(
    fault,
    /[/]spool was removed or moved away, and cannot be used again: the file system is read-only[.] .*give that directory/,
  );
  await rig.timers.pass(10_000);
  assert.equal(rig.said.filter((line) => line.includes('directory of the spool is gone')).length, 1);
  rig.disk.faults.makeDirectory = '';
  await rig.timers.pass(1200);
  assert.equal(spool.state().durableSequence, 2);
  await rig.timers.pass(65_000);
  assert.deepEqual([spool.state().level, spool.state().fault], ['disk', '']);
  await rig.close(spool);
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a', 'b']);
  await rig.close(again);
});

test('a folder that is removed just before the end: what memory has is written into a new one', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  await rig.store(spool, ['a']);
  rig.disk.deleteDirectory('/spool');
  await rig.close(spool);
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a']);
  await rig.close(again);
});

test('a large batch becomes several frames; a record that fits none is lost, and what is behind it', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  await rig.store(
    spool,
    Array.from({ length: 9 }, (_, i) => `${i}${KB.repeat(1000)}`),
  );
  const reader = spool.reader('sink');
  const counts: number[] = [];
  for (let read = 0; read < 9; ) {
    const frame = await reader.next();
    counts.push(frame?.count ?? 0);
    read += frame?.count ?? 9;
  }
  assert.deepEqual(counts, [4, 4, 1]);
  const routes = Array.from({ length: 10_000 }, (_, i) => i);
  spool.append(batchOf(routes.map(String), routes));
  await rig.timers.pass(100);
  assert.deepEqual([spool.state().accepted, spool.state().lost], [10_009, 0]);
  await rig.close(spool);
});

test('a spool of a later version, or with a key that is not known, is refused and left alone', async () => {
  const rig = new Rig();
  const key = spoolKeys(Buffer.alloc(32, 1));
  let spool = await rig.open({}, { keys: key });
  await rig.store(spool, ['secret'.repeat(9)]);
  await rig.close(spool);
  assert.ok(rig.disk.names().every((name) => rig.disk.bytesOf(name)?.includes('secret') === false));
  await assert.rejects(rig.open({}, { keys: noKeys }), refusal('spool-key', /encrypted with the key [0-9a-f]{16} no key is configured/));
  await assert.rejects(rig.open({}, { keys: spoolKeys(Buffer.alloc(32, 2)) }), refusal('spool-key', /the configured ones are/));
  spool = await rig.open({}, { keys: spoolKeys(Buffer.alloc(32, 2), [Buffer.alloc(32, 1)]) });
  assert.deepEqual(await linesOf(spool, 'sink', false), ['secret'.repeat(9)], 'an old key still reads');
  await rig.close(spool);

  const later = encodeNote('cursor', { name: 'sink', ackedSequence: 1 }).toString().replace(' 1 ', ' 2 ');
  const { crc32 } = await import('node:zlib');
  const [, , , , json] = later.trim().split(' ', 5);
  const text = `cursor 2 ${json}`;
  rig.disk.put('/spool/cursor-sink', Buffer.from(`earshot-spool cursor 2 ${crc32(text).toString(16).padStart(8, '0')} ${json}\n`));
  const before = rig.disk.names();
  await assert.rejects(rig.open({}, { keys: key }), refusal('spool-newer', /version 2.*knows it up to 1/));
  assert.deepEqual(rig.disk.names(), before);
});

test('a second process is refused, with the number of the first', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  const second = assert.rejects(rig.open(), refusal('spool-locked', /process 1000 uses it/));
  await rig.timers.pass(1000);
  await second;
  await rig.close(spool);
});
