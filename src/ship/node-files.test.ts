import assert from 'node:assert/strict';
import { chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { batchOf, spoolSettings } from '../../test/support/spool-rig.ts';
import { nodeFiles } from './node-files.ts';
import { purgeSpool } from './spool/offline.ts';
import { repairSpool } from './spool/repair.ts';
import { Spool } from './spool/spool.ts';

const SERVICE = 65_534;
const CLOSE_MS = 10_000;

/** A directory that belongs to the user of a service; null unless this is root. */
function ofService(t: TestContext): string | null {
  if (process.getuid?.() !== 0) {
    t.skip('it gives files to another user, for which it has to be root');
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), 'earshot-owner-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chownSync(folder, SERVICE, SERVICE);
  return folder;
}

function strangers(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const { uid, gid } = lstatSync(join(directory, name));
    return uid !== SERVICE || gid !== SERVICE;
  });
}

test('what root makes in the spool of a service belongs to the service', async (t) => {
  const folder = ofService(t);
  if (folder === null) return;
  const directory = join(folder, 'state', 'spool');
  const open = async (): Promise<Spool> =>
    await Spool.open({
      directory,
      settings: spoolSettings({ compression: 'none' }),
      pipelines: ['all'],
      readers: [{ name: 'edge', pipelines: ['all'] }],
    });
  const spool = await open();
  spool.append(batchOf(['one']));
  spool.append(batchOf(['two']));
  await spool.durable(spool.state().lastSequence);
  await spool.close(Date.now() + CLOSE_MS);
  const [segment] = readdirSync(directory).filter((name) => name.endsWith('.segment'));
  assert.ok(readdirSync(directory).includes('cursor-edge'));
  assert.deepEqual(strangers(folder), []);
  const bytes = readFileSync(join(directory, segment));
  bytes[bytes.indexOf('two')] ^= 1;
  writeFileSync(join(directory, segment), bytes);
  assert.notDeepEqual((await repairSpool(directory)).newHoles, []);
  assert.ok(readdirSync(join(directory, 'quarantine')).length > 0);
  assert.deepEqual(strangers(folder), []);
  await purgeSpool(directory);
  assert.deepEqual(strangers(folder), []);
});

test('what is there already keeps its owner, and links in the directory of another user are not followed', async (t) => {
  const folder = ofService(t);
  if (folder === null) return;
  const secret = join(tmpdir(), `${folder.split('/').at(-1)}.secret`);
  t.after(() => rmSync(secret, { force: true }));
  writeFileSync(secret, 'of root');
  for (const name of ['lock', 'state.new']) {
    symlinkSync(secret, join(folder, name));
    await assert.rejects(nodeFiles.open(join(folder, name), true), { code: 'ELOOP' });
  }
  await assert.rejects(nodeFiles.lock(join(folder, 'lock')), { code: 'ELOOP' });
  assert.deepEqual([readFileSync(secret, 'utf8'), lstatSync(secret).uid], ['of root', 0]);
  writeFileSync(join(folder, 'mine'), 'x');
  await (await nodeFiles.open(join(folder, 'mine'), true)).close();
  assert.equal(lstatSync(join(folder, 'mine')).uid, 0);
});

test('a file that cannot be opened is named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-owner-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'lock'));
  const opening = Spool.open({ directory: folder, settings: spoolSettings(), pipelines: ['all'], readers: [] });
  await assert.rejects(opening, { code: 'spool-unwritable', why: `it is a directory (${join(folder, 'lock')})` });
});
