/** The spool on the filesystem of this machine: its lock, a filesystem that is really full, and files of the first version. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { batchOf, linesOf, spoolSettings } from '../../../test/support/spool-rig.ts';
import { SensorError } from '../../base/errors.ts';
import type { Settings } from '../../base/settings.ts';
import type { Frame } from '../record-source.ts';
import { backlogOf } from './backlog.ts';
import { spoolKeys } from './keys.ts';
import { purgeSpool, verifySpool } from './offline.ts';
import { repairSpool } from './repair.ts';
import { Spool, type SpoolOptions } from './spool.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'earshot-spool-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function open(directory: string, changes: Partial<Settings['spool']> = {}, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const readers = [{ name: 'sink', pipelines: ['all'] }];
  return await Spool.open({ directory, settings: spoolSettings(changes), pipelines: ['all'], readers, ...options });
}

async function close(spool: Spool): Promise<void> {
  await spool.close(Date.now() + 20_000);
}

/** The lines of the next frames, until there are so many. */
async function take(spool: Spool, count: number): Promise<string[]> {
  const lines: string[] = [];
  const reader = spool.reader('sink');
  while (lines.length < count) {
    const frame: Frame | null = await reader.next();
    if (frame === null) break;
    lines.push(...Buffer.from(frame.bytes).toString().split('\n').slice(0, -1));
    reader.ack(frame.firstSequence + frame.count - 1);
  }
  return lines;
}

test('records come back from real files, compressed, encrypted, over several segments', async (t) => {
  const directory = join(folder(t), 'made', 'here');
  const keys = spoolKeys(Buffer.alloc(32, 3));
  const lines = Array.from({ length: 3000 }, (_, i) => `{"n":${i},"word":"${'abcdefgh'.repeat(i % 50)}"}`);
  let spool = await open(directory, { segmentBytes: 10_000 }, { keys });
  for (let i = 0; i < lines.length; i += 100) {
    spool.append(batchOf(lines.slice(i, i + 100)));
    if (i % 500 === 0) await spool.durable(i + 100);
  }
  await spool.durable(lines.length);
  assert.deepEqual(await take(spool, 1000), lines.slice(0, 1000));
  await close(spool);
  assert.ok(readdirSync(directory).filter((name) => name.endsWith('.segment')).length > 1);
  spool = await open(directory, {}, { keys });
  assert.equal(spool.state().readers[0].queued, 2000);
  assert.deepEqual(await take(spool, 2000), lines.slice(1000));
  await close(spool);
});

const locker = `
import { Spool } from ${JSON.stringify(new URL('./spool.ts', import.meta.url).href)};
import { defaultSettings } from ${JSON.stringify(new URL('../../base/settings.ts', import.meta.url).href)};
const directory = process.argv[1];
await Spool.open({ directory, settings: { ...defaultSettings.spool, freeBytesMin: 0 }, pipelines: [], readers: [] });
console.log('open');
`;

test('a directory has one user: the second is told who it is, and a killed one leaves it free', async (t) => {
  const directory = folder(t);
  const first = spawn(process.execPath, ['--input-type=module', '-e', locker, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => first.kill('SIGKILL'));
  await new Promise((resolve) => first.stdout.once('data', resolve));
  await assert.rejects(open(directory), (error) => {
    assert.ok(error instanceof SensorError);
    assert.deepEqual([error.code, error.why], ['spool-locked', `process ${first.pid} uses it`]);
    return true;
  });
  const ended = new Promise((resolve) => first.once('exit', resolve));
  first.kill('SIGKILL');
  await ended;
  const spool = await open(directory);
  await assert.rejects(open(directory), { code: 'spool-locked', why: `process ${process.pid} uses it` }, 'also within one process');
  await close(spool);
  await close(await open(directory));
});

test('a directory that cannot be made or written is refused', async (t) => {
  const directory = folder(t);
  writeFileSync(join(directory, 'file'), '');
  await assert.rejects(open(join(directory, 'file', 'spool')), { code: 'spool-unwritable', why: 'a part of the path is no directory' });
  await assert.rejects(open('/proc/spool'), { code: 'spool-unwritable' });
});

/** A small filesystem of its own, and what of it is free. */
function smallFilesystem(t: TestContext): string | null {
  if (process.getuid?.() !== 0) return null;
  const directory = mkdtempSync(join(tmpdir(), 'earshot-spool-'));
  let isMounted = false;
  t.after(() => {
    if (isMounted) execFileSync('umount', [directory]);
    rmSync(directory, { recursive: true, force: true });
  });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory], { stdio: 'ignore' });
    isMounted = true;
    return directory;
  } catch {
    return null;
  }
}

test('a filesystem that is really full: nothing accepted is lost, and it goes on by itself', { timeout: 60_000 }, async (t) => {
  const directory = smallFilesystem(t);
  if (directory === null) {
    t.skip('it mounts a filesystem, for which it has to be root');
    return;
  }
  const ballast = join(directory, 'ballast');
  writeFileSync(ballast, Buffer.alloc(100_000));
  const spool = await open(directory, { compression: 'none', syncIntervalMs: 1 });
  const lines: string[] = [];
  const append = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) lines.push(`${lines.length} `.padEnd(700, 'x'));
    spool.append(batchOf(lines.slice(-10)));
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  while (spool.state().level === 'disk' && lines.length < 1000) await append();
  assert.equal(spool.state().level, 'memory', `after ${lines.length} records`);
  assert.match(spool.state().fault, /no space is left on the device/);
  assert.ok(statfsSync(directory).bavail < 4);
  for (let i = 0; i < 5; i++) await append();
  const { accepted, lost, durableSequence } = spool.state();
  assert.deepEqual([accepted, lost], [lines.length, 0]);
  assert.ok(durableSequence < lines.length);
  assert.deepEqual(await take(spool, 20), lines.slice(0, 20), 'readers are fed all the same');
  rmSync(ballast);
  await spool.durable(lines.length);
  assert.deepEqual([spool.state().level, spool.state().fault], ['disk', '']);
  await close(spool);
  const again = await open(directory);
  assert.deepEqual(await take(again, lines.length - 20), lines.slice(20));
  await close(again);
});

test('a start puts aside what stands in the place of a file and is none: cursors are kept all the same', async (t) => {
  const directory = folder(t);
  let spool = await open(directory);
  spool.append(batchOf(['a', 'b']));
  await spool.durable(2);
  await close(spool);
  rmSync(join(directory, 'state'));
  mkdirSync(join(directory, 'state'));
  rmSync(join(directory, 'cursor-sink'));
  execFileSync('mkfifo', [join(directory, 'cursor-sink')]);
  spool = await open(directory);
  assert.deepEqual(await take(spool, 2), ['a', 'b']);
  await close(spool);
  spool = await open(directory);
  assert.deepEqual([spool.state().readers[0].queued, spool.state().corruptRecords], [0, 0]);
  await close(spool);
  assert.deepEqual(readdirSync(join(directory, 'quarantine')).sort(), ['cursor-sink', 'state']);
});

test('a spool on a filesystem that is mounted read-only is read whole; what would write there says why not', async (t) => {
  const directory = smallFilesystem(t);
  if (directory === null) {
    t.skip('it mounts a filesystem, for which it has to be root');
    return;
  }
  const spool = await open(directory);
  spool.append(batchOf(['a', 'b']));
  await spool.durable(2);
  await close(spool);
  execFileSync('mount', ['-o', 'remount,ro', directory]);
  const { records, problems } = await verifySpool(directory);
  assert.deepEqual([records, problems], [2, []]);
  assert.equal((await backlogOf(directory, [{ name: 'sink', pipelines: ['all'] }]))[0].queued, 2);
  for (const command of [repairSpool, purgeSpool]) {
    const refusal = {
      code: 'spool-unwritable',
      why: `the file system is read-only (${join(directory, 'lock')})`,
      next: /copy of it with --directory/,
    };
    await assert.rejects(command(directory), refusal);
  }
});

test('a folder that is moved away under a sensor: another one is made and locked, and gets what memory has', {
  timeout: 30_000,
}, async (t) => {
  const directory = join(folder(t), 'spool');
  const spool = await open(directory);
  spool.append(batchOf(['a', 'b']));
  await spool.durable(2);
  renameSync(directory, `${directory}.moved`);
  while (!existsSync(directory)) await new Promise((resolve) => setTimeout(resolve, 50));
  spool.append(batchOf(['c']));
  await spool.durable(3);
  await assert.rejects(open(directory), { code: 'spool-locked' });
  assert.match(spool.state().fault, /spool was removed or moved away while the sensor ran/);
  await close(spool);
  const again = await open(directory);
  assert.deepEqual(await take(again, 3), ['a', 'b', 'c']);
  await close(again);
});

test('a folder that another sensor has taken meanwhile is left to it', { timeout: 30_000 }, async (t) => {
  const directory = join(folder(t), 'spool');
  const spool = await open(directory);
  spool.append(batchOf(['a']));
  await spool.durable(1);
  renameSync(directory, `${directory}.moved`);
  const other = await open(directory);
  while (!spool.state().fault.includes('uses it now')) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([spool.state().level, readdirSync(directory).filter((name) => name.endsWith('.segment'))], ['memory', []]);
  await close(other);
  await spool.durable(1);
  await close(spool);
  const again = await open(directory);
  assert.deepEqual(await take(again, 1), ['a']);
  await close(again);
});

/**
 * A spool as version 1 of the format writes it: two frames not compressed, one compressed, one encrypted. These bytes do
 * not change: whatever comes later has to read them.
 */
const versionOne = {
  name: '0000000000000001.segment',
  base64: [
    'ZWFyc2hvdC1zcG9vbCBzZWdtZW50IDEgMzU2YmY5YWYgeyJwaXBlbGluZXMiOlsiYWxsIiwiYXBpIl0sImtleUlkIjoiZjg0OWQ2NzMyNWZhY2YwNCIsImJl',
    'Z3VuQXRNcyI6MTc1MDAwMDAwMDAwMCwicmVzZXJ2ZWRTZXF1ZW5jZSI6MTA3Mzc0MTgyNH0KiUVTRgEAWAAgAAAAIAAAAAIAAADYo8I2AQAAAAAAAAAA3CB0',
    'lwEAAAEAAAABAAAACAAAAAMAAAABAAAACAAAAAAAAAAAAAAAAAAAAAAAAACAYCzU5waTnQgAAAABAAAACAAAAAMAAAB7Im4iOjF9CnsibiI6Mn0KiUVTRgEA',
    'TAAQAAAAEAAAAAEAAADYo8I2AwAAAAAAAAAC3CB0lwEAAAEAAAABAAAACAAAAAIAAAAAAAAAAgAAAAAAAADhghXn1Af8HwgAAAABAAAAeyJuIjozfQqJRVNG',
    'AQFMACYAAAB4AAAAAQAAANijwjYEAAAAAAAAAAPcIHSXAQAAAQAAAAEAAABwAAAAAwAAAAAAAAADAAAAAAAAANJvIpCQ5/xMKLUv/SB47QAAoHAAAAABAAAA',
    'eyJ3b3JkIjogIn0KAgCMMoLasgSJRVNGAQJgACgAAAAYAAAAAQAAANijwjYFAAAAAAAAAATcIHSXAQAAAQAAAAEAAAAQAAAA+EnWcyX6zwRCh0YeS2hN+Tgz',
    'W7cEAAAAAAAAAAQAAAAAAAAAiEsYgkg9C+vV+90wAHqc/mgFMaNZfxZE6MEPzzuJhmDXRHEDE6HVPWueXKHqiuTlZWFyc2hvdC1zcG9vbCBzZWdtZW50LWVu',
    'ZCAxIDgyNmU5Mzc0IHsicGlwZWxpbmVzIjpbImFsbCIsImFwaSJdLCJrZXlJZCI6ImY4NDlkNjczMjVmYWNmMDQiLCJiZWd1bkF0TXMiOjE3NTAwMDAwMDAw',
    'MDAsInByZXZpb3VzU2VxdWVuY2UiOjAsImxhc3RTZXF1ZW5jZSI6NSwicmVjb3Jkc0JlZm9yZSI6MCwicmVjb3Jkc1VwVG8iOjUsImZyYW1lcyI6NCwicmVj',
    'b3JkcyI6NSwib2xkZXN0QXRNcyI6MTc1MDAwMDAwMDAwMCwibmV3ZXN0QXRNcyI6MTc1MDAwMDAwMDAwNCwidGFsbGllcyI6W1sxLDQsMTQ0XSxbMywxLDhd',
    'XX0KIzAwMDAwMDAyOTcK',
  ].join(''),
};

test('a segment of version 1 of the format is read', async (t) => {
  const directory = folder(t);
  writeFileSync(join(directory, versionOne.name), Buffer.from(versionOne.base64, 'base64'));
  const spool = await open(directory, {}, { keys: spoolKeys(null, [Buffer.alloc(32, 5)]), pipelines: ['api', 'all'] });
  const frame = await spool.reader('sink').next();
  assert.deepEqual(
    [frame?.firstSequence, frame?.count, frame?.acceptedAtMs, ...(frame?.index ?? [])],
    [1, 2, 1_750_000_000_000, 8, 2, 8, 3],
  );
  assert.equal(Buffer.from(frame?.bytes ?? []).toString(), '{"n":1}\n{"n":2}\n');
  spool.reader('sink').ack(2);
  const rest = await linesOf(spool);
  assert.deepEqual(rest, ['{"n":3}', `{"word":"${'word '.repeat(20)}"}`, '{"secret":true}']);
  assert.equal(spool.state().corruptFrames, 0);
  await close(spool);
  assert.ok(readFileSync(join(directory, 'state')).includes('"storedSequence":5'));
});
