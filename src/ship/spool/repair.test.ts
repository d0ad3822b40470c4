import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filled, linesOf, Rig } from '../../../test/support/spool-rig.ts';
import { purgeSpool, verifySpool } from './offline.ts';
import { type Repaired, repairSpool } from './repair.ts';

const DIRECTORY = '/spool';
const STATE = `${DIRECTORY}/state`;

function copyOf(rig: Rig): Rig {
  const copy = new Rig();
  for (const name of rig.disk.names()) copy.disk.put(name, rig.disk.bytesOf(name) ?? Buffer.alloc(0));
  return copy;
}

async function repair(rig: Rig, pipelines: readonly string[] | null = ['all']): Promise<Repaired> {
  return await repairSpool(DIRECTORY, { files: rig.disk.files(), pipelines });
}

async function problems(rig: Rig): Promise<readonly string[]> {
  return (await verifySpool(DIRECTORY, { files: rig.disk.files() })).problems;
}

function quarantined(rig: Rig): string[] {
  return rig.disk.names().filter((name) => name.includes('/quarantine/'));
}

function flip(rig: Rig, what: string): void {
  const path = rig.segments().find((name) => rig.disk.bytesOf(name)?.includes(what)) ?? '';
  rig.disk.flip(path, rig.disk.bytesOf(path)?.indexOf(what) ?? 0, 0);
}

const nothing: Repaired = { mended: [], setAside: [], left: [], isStateNew: false, newHoles: [] };

test('what was damaged is set aside once, and verify calls the spool well from then on', async () => {
  const rig = await filled();
  flip(rig, 'b1');
  flip(rig, 'd1');
  const [first, last] = rig.segments();
  const noteOf = (path: string): string => String(rig.disk.bytesOf(path)).split('\n', 1)[0];
  const note = noteOf(first);
  const repaired = await repair(rig);
  assert.deepEqual(
    [repaired.mended, repaired.setAside].flat().map((name) => `${DIRECTORY}/${name}`),
    [first, last],
  );
  assert.deepEqual(
    repaired.newHoles.map(({ records }) => records),
    [1, 1],
  );
  assert.equal(quarantined(rig).length, 2);
  assert.equal(noteOf(first), note, 'pipelines, sinks and all');
  assert.ok(quarantined(rig).includes(last.replace('/spool/', '/spool/quarantine/')), 'nothing could be read of it: the whole file');
  const { problems: wrong, knownHoles, knownMissing } = await verifySpool(DIRECTORY, { files: rig.disk.files() });
  assert.deepEqual([wrong, knownHoles, knownMissing], [[], 2, 2]);
  assert.deepEqual(await repair(rig), nothing);

  // A start counts what is missing, goes on behind it, and leaves holes that are known.
  const spool = await rig.open();
  assert.deepEqual(await linesOf(spool, 'sink', false), ['a1', 'a2', 'c1']);
  assert.equal(spool.state().corruptRecords, 2);
  await rig.store(spool, ['e1']);
  await rig.close(spool);
  assert.deepEqual(await problems(rig), []);
});

test('what goes missing after a repair is a problem again', async () => {
  const rig = await filled();
  flip(rig, 'b1');
  await repair(rig);
  flip(rig, 'c1');
  assert.match((await problems(rig)).join(), /is damaged/);
  rig.disk.delete(rig.segments()[0]);
  assert.match((await problems(rig)).join(), /4 records are missing before/);
  await purgeSpool(DIRECTORY, { files: rig.disk.files() });
  assert.deepEqual([await problems(rig), rig.disk.names()], [[], ['/spool/lock', STATE]]);
});

test('a state that is gone is written anew: no number is given twice', async () => {
  for (const isAcked of [false, true]) {
    const rig = await filled();
    let spool = await rig.open();
    if (isAcked) await linesOf(spool);
    await rig.store(spool, ['e1']);
    const { lastSequence } = spool.state();
    await rig.timers.pass(1100);
    rig.kill();
    rig.disk.delete(STATE);
    assert.match((await problems(rig)).join(), /"state" is missing/);
    const repaired = await repair(rig);
    assert.equal(repaired.isStateNew, true);
    assert.deepEqual(repaired.newHoles, []);
    assert.deepEqual(await problems(rig), []);
    assert.deepEqual(await repair(rig), nothing);
    spool = await rig.open();
    assert.equal(spool.state().corruptRecords, 0);
    await rig.store(spool, ['f1']);
    assert.ok(spool.state().lastSequence > lastSequence);
    assert.deepEqual(await linesOf(spool), isAcked ? ['e1', 'f1'] : ['a1', 'a2', 'b1', 'c1', 'd1', 'e1', 'f1']);
    await rig.close(spool);
  }
});

test('a segment whose pipelines nobody names is left for a start or a configuration that does', async () => {
  const rig = new Rig();
  const spool = await rig.open({ compression: 'none' });
  await rig.store(spool, ['a1']);
  await rig.timers.pass(1100);
  rig.kill();
  const [path] = rig.segments();
  rig.disk.flip(path, 20, 0);
  const other = copyOf(rig);
  assert.deepEqual((await repair(rig, null)).left, [path.slice(DIRECTORY.length + 1)]);
  assert.notDeepEqual(await problems(rig), []);
  assert.equal((await repair(rig)).mended.length, 1);
  assert.deepEqual(await problems(rig), []);
  const again = await rig.open();
  assert.deepEqual(await linesOf(again), ['a1']);
  await rig.close(again);

  assert.equal((await repair(other, ['another'])).setAside.length, 1);
  assert.deepEqual([(await problems(other)).length, quarantined(other).length], [0, 1]);
});

test('whichever byte is flipped, and wherever a file ends: after a repair verify finds nothing, and a start goes on', async () => {
  const spool = await filled();
  for (const path of [...spool.segments(), STATE]) {
    const bytes = spool.disk.bytesOf(path) ?? Buffer.alloc(0);
    for (let at = 0; at < bytes.length; at++) {
      for (const isCut of at % 3 === 0 ? [false, true] : [false]) {
        const rig = copyOf(spool);
        if (isCut) rig.disk.put(path, bytes.subarray(0, at));
        else rig.disk.flip(path, at, 4);
        const what = `${path} ${isCut ? 'cut' : 'flipped'} at ${at}`;
        await repair(rig);
        assert.deepEqual(await problems(rig), [], what);
        assert.deepEqual(await repair(rig), nothing, what);
        if (at % 24 !== 0) continue;
        const started = await rig.open();
        const { readers } = started.state();
        assert.deepEqual((await linesOf(started)).length, readers[0].queued, what);
        await rig.close(started);
        assert.deepEqual(await problems(rig), [], `${what}, after a start`);
      }
    }
  }
});
