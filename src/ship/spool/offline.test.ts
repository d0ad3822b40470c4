import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filled, linesOf, Rig } from '../../../test/support/spool-rig.ts';
import type { Files } from '../files.ts';
import { backlogOf, isSpool } from './backlog.ts';
import { spoolKeys } from './keys.ts';
import { exportRecords, purgeSpool, spoolStatus, verifySpool } from './offline.ts';
import { repairSpool } from './repair.ts';

const DIRECTORY = '/spool';

async function exported(rig: Rig): Promise<{ text: string; records: number; corruptFrames: number }> {
  let text = '';
  const sums = await exportRecords(
    DIRECTORY,
    (lines) => {
      text += Buffer.from(lines).toString().replaceAll('\n', ' ');
      return Promise.resolve();
    },
    { files: rig.disk.files() },
  );
  return { text, ...sums };
}

function flip(rig: Rig, what: string): void {
  const path = rig.segments().find((name) => rig.disk.bytesOf(name)?.includes(what)) ?? '';
  rig.disk.flip(path, rig.disk.bytesOf(path)?.indexOf(what) ?? 0, 0);
}

test('status and verify say what is there, also beside a running sensor', async () => {
  const rig = await filled();
  const files = rig.disk.files();
  const status = await spoolStatus(DIRECTORY, { files });
  assert.deepEqual([status.usedBy, status.records, status.segments.length], [-1, 5, 2]);
  assert.deepEqual(status.segments[0].recordsByPipeline, { all: 4 });
  assert.deepEqual(
    status.cursors.map(({ name, ackedSequence }) => [name, ackedSequence]),
    [['sink', 0]],
  );
  assert.deepEqual(status.problems, [`${status.segments[1].name}: it was not closed`]);
  const spool = await rig.open();
  await rig.store(spool, ['e1']);
  const beside = await verifySpool(DIRECTORY, { files: rig.disk.files() });
  assert.deepEqual([beside.usedBy, beside.records, beside.problems], [1002, 6, []]);
  await rig.close(spool);
});

test('segments that come and go while a running sensor is looked at are not missing; what is missing stays so', async () => {
  const rig = new Rig();
  const spool = await rig.open({ segmentBytes: 1, compression: 'none' });
  const KB = 'x'.repeat(1000);
  const more = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) await rig.store(spool, [KB, KB, KB, KB, KB]);
  };
  await more();
  for (const look of [spoolStatus, verifySpool]) {
    const files = rig.disk.files();
    // requireSpool lists first: what comes behind it comes between names and marks.
    let lists = 0;
    const moving: Files = {
      ...files,
      list: async (directory) => {
        const names = await files.list(directory);
        if (directory === DIRECTORY && ++lists === 2) {
          await linesOf(spool);
          await more();
          await rig.timers.pass(2500);
        }
        return names;
      },
    };
    assert.deepEqual((await look(DIRECTORY, { files: moving })).problems, []);
    assert.ok(lists >= 2);
  }
  const [, path] = rig.segments();
  rig.disk.delete(path);
  const { problems } = await spoolStatus(DIRECTORY, { files: rig.disk.files() });
  assert.deepEqual(problems.filter((problem) => problem.includes('5 records are missing before')).length, 1, problems.join());
  await rig.close(spool);
});

test('verify finds damage that the notes alone do not show', async () => {
  const rig = await filled();
  flip(rig, 'b1');
  flip(rig, 'd1');
  const files = rig.disk.files();
  const { problems } = await verifySpool(DIRECTORY, { files });
  assert.equal(problems.filter((problem) => /the frame of 1 records at [0-9]+ is damaged/.test(problem)).length, 2, problems.join('\n'));
  assert.deepEqual((await spoolStatus(DIRECTORY, { files })).problems.length, 2);
});

test('export gives all records that can be read, with the keys that it needs', async () => {
  const rig = await filled();
  assert.deepEqual(await exported(rig), { text: 'a1 a2 b1 c1 d1 ', records: 5, corruptFrames: 0 });
  const keys = spoolKeys(Buffer.alloc(32, 1));
  const spool = await rig.open({}, { keys });
  await rig.store(spool, ['secret']);
  await rig.close(spool);
  await assert.rejects(exported(rig), { code: 'spool-key' });
  const { records } = await exportRecords(DIRECTORY, () => Promise.resolve(), { files: rig.disk.files(), keys });
  assert.equal(records, 6);
});

test('purge removes everything but the memory of the numbers', async () => {
  const rig = await filled();
  flip(rig, 'b1');
  const before = await rig.open().then(async (spool) => {
    await linesOf(spool);
    const { lastSequence } = spool.state();
    await rig.close(spool);
    return lastSequence;
  });
  assert.ok(rig.disk.names().some((name) => name.includes('/quarantine/')));
  const { segments } = await purgeSpool(DIRECTORY, { files: rig.disk.files() });
  assert.equal(segments, 0, 'what is acked by all was removed at the end');
  const again = await filled();
  await purgeSpool(DIRECTORY, { files: again.disk.files() });
  assert.deepEqual(again.disk.names(), ['/spool/lock', '/spool/state']);
  const spool = await again.open();
  assert.deepEqual([spool.state().corruptRecords, spool.state().readers[0].queued], [0, 0]);
  await again.store(spool, ['new']);
  assert.ok(spool.state().lastSequence > 5);
  assert.deepEqual(await linesOf(spool), ['new']);
  await again.close(spool);
  assert.ok(before > 0);
});

test('what changes the spool is refused beside a running sensor, and where there is none', async () => {
  const rig = new Rig();
  const spool = await rig.open();
  const files = rig.disk.files();
  for (const command of [repairSpool, purgeSpool]) await assert.rejects(command(DIRECTORY, { files }), { code: 'spool-locked' });
  await assert.rejects(
    exportRecords(DIRECTORY, () => Promise.resolve(), { files }),
    { code: 'spool-locked' },
  );
  await rig.close(spool);
  for (const command of [spoolStatus, verifySpool, repairSpool, purgeSpool]) {
    await assert.rejects(command('/no/such/directory'), { code: 'spool-missing', why: 'it does not exist' });
  }
});

test('a file that this user may not read is said to be that, and nothing in it to be missing', async () => {
  const rig = await filled();
  const [path] = rig.segments();
  for (const [denied, code] of [
    [path, 'EACCES'],
    ['/spool/cursor-sink', 'EPERM'],
    ['/spool/holes', 'EACCES'],
  ]) {
    const files = rig.disk.files();
    const deny = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      if (name === denied) throw Object.assign(new Error(code), { code, path: name });
      return await work();
    };
    const denying: Files = {
      ...files,
      open: (name, create) => deny(name, () => files.open(name, create)),
      readAll: (name) => deny(name, () => files.readAll(name)),
    };
    const refusal = { code: 'spool-unreadable', why: `permission denied (${denied})`, next: /as the user of the sensor/ };
    for (const command of [spoolStatus, verifySpool]) await assert.rejects(command(DIRECTORY, { files: denying }), refusal);
    const readers = [{ name: 'sink', pipelines: ['all'] }];
    if (!denied.endsWith('holes')) await assert.rejects(backlogOf(DIRECTORY, readers, { files: denying }), refusal);
  }
  const closed = (): Promise<never> => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }));
  await assert.rejects(isSpool('/spool/dead-letters', { ...rig.disk.files(), list: closed }), { code: 'spool-unreadable' });
});

test('a directory that holds no spool is refused, and nothing in it is touched', async () => {
  const rig = new Rig();
  const foreign = { lock: 'held by apt\n', state: 'on\n', 'cursor-x': 'arrow', '0000000000000001.segment': 'a film', 'notes.new': 'draft' };
  for (const [name, text] of Object.entries(foreign)) rig.disk.put(`${DIRECTORY}/${name}`, Buffer.from(text));
  const files = rig.disk.files();
  const exporting = (directory: string): Promise<unknown> => exportRecords(directory, () => Promise.resolve(), { files });
  for (const command of [spoolStatus, verifySpool, repairSpool, purgeSpool, exporting]) {
    await assert.rejects(command(DIRECTORY, { files }), { code: 'spool-missing', why: 'it holds no file of a spool' });
  }
  assert.deepEqual(
    Object.fromEntries(rig.disk.names().map((path) => [path.slice(DIRECTORY.length + 1), String(rig.disk.bytesOf(path))])),
    foreign,
  );
});
