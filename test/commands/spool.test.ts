/** `earshot spool` as an operator meets it: real spools in real folders, the program as a child process beside them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { TestSensor } from '../../src/app/control/control-testing.ts';
import { startControl } from '../../src/app/control/server.ts';
import { DeadLetters, LETTERS, type LetterHead, letterSpool } from '../../src/ship/dead-letters.ts';
import { spoolKeys } from '../../src/ship/spool/keys.ts';
import { type Spool as OpenSpool, Spool } from '../../src/ship/spool/spool.ts';
import { earshot, refuses } from '../support/command.ts';
import { batchOf, spoolSettings } from '../support/spool-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-spool-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const CLOSE_MS = 10_000;
const A = 1;
const B = 2;
const sinks = { edge: ['a'], archive: ['a', 'b'] } as const;
const readers = Object.entries(sinks).map(([name, pipelines]) => ({ name, pipelines }));

let spools = 0;

interface Place {
  readonly directory: string;
  readonly config: string;
  readonly socket: string;
  /** Options that name it. */
  readonly named: readonly string[];
}

function place(more: object = {}): Place {
  const base = join(folder, String(++spools));
  const directory = `${base}.spool`;
  const config = `${base}.yaml`;
  const socket = `${base}.sock`;
  const settings = {
    spool: { directory, freeBytesMin: 0, ...more },
    sinks: Object.fromEntries(Object.keys(sinks).map((name) => [name, { type: 'file', path: `${base}.${name}` }])),
    pipelines: { a: { sinks: ['edge', 'archive'] }, b: { sinks: ['archive'] } },
    control: { socket },
  };
  writeFileSync(config, JSON.stringify(settings));
  return { directory, config, socket, named: ['-c', config] };
}

async function open({ directory }: Place): Promise<OpenSpool> {
  const settings = spoolSettings({ compression: 'none' });
  return await Spool.open({ directory, settings, pipelines: ['a', 'b'], readers });
}

const record = (n: number): string => JSON.stringify({ schema: 1, id: `sensor.test.0.${n}`, note: `record-${n}` });

async function append(spool: OpenSpool, lines: readonly string[], routes: readonly number[]): Promise<void> {
  spool.append(batchOf(lines, routes));
  await spool.durable(spool.state().lastSequence);
}

/** Records 1 to 5: 1, 2 and 5 to both sinks, 3 and 4 to the archive only; edge has acked the first. */
async function filled(more: object = {}): Promise<Place> {
  const at = place(more);
  const spool = await open(at);
  await append(spool, [record(1), record(2), record(3)], [A, A, B]);
  await append(spool, [record(4)], [B]);
  await append(spool, [record(5)], [A | B]);
  const edge = spool.reader('edge');
  const frame = await edge.next();
  edge.ack(frame?.firstSequence ?? 0);
  await spool.close(Date.now() + CLOSE_MS);
  return at;
}

function ids(out: string): number[] {
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => Number((JSON.parse(line) as { id: string }).id.split('.').at(-1)));
}

async function exported(at: Place, ...args: string[]): Promise<number[]> {
  const { code, out, err } = await earshot(['spool', 'export', ...at.named, ...args]);
  assert.equal(code, 0, err);
  return ids(out);
}

/** The file of the spool that holds some text, and where it stands there. */
function find({ directory }: Place, text: string): { path: string; at: number } {
  for (const name of readdirSync(directory).filter((one) => one.endsWith('.segment'))) {
    const at = readFileSync(join(directory, name)).indexOf(text);
    if (at >= 0) return { path: join(directory, name), at };
  }
  assert.fail(`no segment holds ${text}`);
}

function damage(at: Place, text: string): string {
  const found = find(at, text);
  const bytes = readFileSync(found.path);
  bytes[found.at] ^= 0xff;
  writeFileSync(found.path, bytes);
  return found.path;
}

test('status says what lies there and what waits for whom', async () => {
  const at = await filled();
  const { code, out, err } = await earshot(['spool', 'status', ...at.named]);
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^used by +nobody$/m);
  assert.match(out, /^level +disk$/m);
  assert.match(out, /^segments +1 with 5 records$/m);
  assert.match(out, /^encrypted +no$/m);
  assert.match(out, /^edge +\d+ +2 +\d+ B +\d/m);
  assert.match(out, /^archive +0 +5 +/m);
  const json = JSON.parse((await earshot(['spool', 'status', '--json', ...at.named])).out);
  assert.deepEqual(
    json.readers.map(({ name, queued }: { name: string; queued: number }) => [name, queued]),
    [
      ['edge', 2],
      ['archive', 5],
    ],
  );
  assert.deepEqual([json.records, json.deadLetters, json.version, json.problems], [5, 0, 1, []]);
});

test('without a configuration status does not guess what waits for whom', async () => {
  const { directory } = await filled();
  const { code, out } = await earshot(['spool', 'status', '--directory', directory]);
  assert.equal(code, 0);
  assert.match(out, /^edge +\d+ +[?] +[?]/m);
  assert.match(out, /--config FILE/);
});

test('verify and status go beside a running sensor; what changes the spool names its process and the next step', async () => {
  const at = await filled();
  const spool = await open(at);
  await append(spool, [record(6)], [A]);
  const status = await earshot(['spool', 'status', ...at.named]);
  assert.match(status.out, new RegExp(`^used by +process ${process.pid}$`, 'm'));
  assert.match(status.out, /^segments +2 with 6 records$/m);
  const verify = await earshot(['spool', 'verify', ...at.named]);
  assert.deepEqual([verify.code, verify.err], [0, '']);
  assert.match(verify.out, /2 segments, 4 frames, 6 records; all is whole/);
  for (const args of [['repair', '--yes'], ['export'], ['purge', '--yes'], ['purge', '--sink', 'edge', '--yes']]) {
    const line = new RegExp(`Cannot use the spool .*: process ${process.pid} uses it[.] Stop that one`);
    refuses(await earshot(['spool', ...args, ...at.named]), 2, line);
  }
  await spool.close(Date.now() + CLOSE_MS);
  assert.deepEqual(await exported(at), [1, 2, 3, 4, 5, 6]);
});

test('verify names the damaged frame with file and offset and ends with 1; repair sets it aside', async () => {
  const at = await filled();
  const path = damage(at, 'record-4');
  const verify = await earshot(['spool', 'verify', ...at.named]);
  assert.equal(verify.code, 1);
  assert.match(verify.out, new RegExp(`^${path}: the frame of 1 records at [0-9]+ is damaged$`, 'm'));
  assert.match(verify.out, /1 damaged or missing/);
  assert.match(verify.err, /^earshot: the spool is damaged[.] .*repair --yes[.]\n$/);
  const partly = await earshot(['spool', 'export', ...at.named]);
  assert.deepEqual([partly.code, ids(partly.out)], [1, [1, 2, 3, 5]]);
  assert.match(partly.err, /1 damaged frames were left out/);

  const before = readFileSync(path);
  refuses(await earshot(['spool', 'repair', ...at.named]), 2, /Will not repair .*Add --yes/);
  assert.deepEqual(readFileSync(path), before, 'nothing was done');
  const repair = await earshot(['spool', 'repair', '--yes', ...at.named]);
  assert.equal(repair.code, 0, repair.err);
  assert.match(repair.out, new RegExp(`^${path}: written anew`, 'm'));
  assert.match(repair.out, new RegExp(`1 damaged parts set aside in ${at.directory}/quarantine`));
  assert.equal(readdirSync(join(at.directory, 'quarantine')).length, 1);
  assert.deepEqual(await exported(at), [1, 2, 3, 5]);
  assert.match((await earshot(['spool', 'repair', '--yes', ...at.named])).out, /nothing to repair/);
  const again = await earshot(['spool', 'verify', ...at.named]);
  assert.deepEqual([again.code, again.err], [0, '']);
  assert.match(again.out, /all is whole\n.*: 1 records are missing in 1 known holes, as a repair found them\n$/);
  const status = await earshot(['spool', 'status', ...at.named]);
  assert.equal(status.code, 0);
  assert.match(status.out, /^known holes +1 records are missing in 1/m);
  assert.doesNotMatch(status.out, /Not all is well/);
});

test('status ends with 1 when not all is well; repair brings the state back', async () => {
  const at = await filled();
  rmSync(join(at.directory, 'state'));
  const { code, out } = await earshot(['spool', 'status', ...at.named]);
  assert.equal(code, 1);
  assert.match(out, /^Not all is well:\n {2}the file "state" is missing or damaged$/m);
  const repair = await earshot(['spool', 'repair', '--yes', ...at.named]);
  assert.equal(repair.code, 0, repair.err);
  assert.match(repair.out, /^.*[/]state: written anew$/m);
  assert.equal((await earshot(['spool', 'verify', ...at.named])).code, 0);
});

test('numbers that went on far ahead after a crash are said to be no fault', async () => {
  const at = await filled();
  assert.doesNotMatch((await earshot(['spool', 'status', ...at.named])).out, /^numbers/m);
  const state = join(at.directory, 'state');
  const { decodeNote, encodeNote } = await import('../../src/ship/spool/note.ts');
  // As a killed sensor leaves it.
  writeFileSync(state, encodeNote('state', { ...decodeNote(readFileSync(state), 0)?.fields, reservedSequence: 2 ** 30 + 5 }));
  const spool = await open(at);
  await append(spool, [record(6)], [A]);
  await spool.close(Date.now() + CLOSE_MS);
  const { code, out } = await earshot(['spool', 'status', ...at.named]);
  assert.equal(code, 0);
  assert.match(out, /^numbers +went on at a round one far ahead, as after a crash: nothing is missing for that$/m);
});

test('a directory that holds no spool is refused by every command, and nothing in it changes', async () => {
  const foreign = join(folder, 'foreign');
  mkdirSync(foreign);
  const files = { lock: 'mine\n', state: 'mine too\n', 'notes.new': 'a draft' };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(foreign, name), text);
  const config = place().config;
  for (const command of [
    ['status'],
    ['verify'],
    ['repair', '--yes'],
    ['export'],
    ['export', '-o', join(foreign, 'out')],
    ['purge', '--yes'],
    ['purge', '--yes', '--sink', 'edge'],
    ['deliver'],
    ['dead-letters', 'list'],
    ['dead-letters', 'replay'],
  ]) {
    const ended = await earshot(['spool', ...command, '-c', config, '--directory', foreign]);
    refuses(ended, 2, /Cannot read a spool in .*foreign: it holds no file of a spool[.] Name the directory that spool[.]directory/);
  }
  assert.deepEqual(readdirSync(foreign).sort(), Object.keys(files).sort());
  for (const [name, text] of Object.entries(files)) assert.equal(readFileSync(join(foreign, name), 'utf8'), text);
});

test('a spool that a killed process left, cut in its last frame: only that frame is damaged', async () => {
  const at = await filled();
  const { path, at: offset } = find(at, 'record-5');
  writeFileSync(path, readFileSync(path).subarray(0, offset + 3));
  const verify = await earshot(['spool', 'verify', ...at.named]);
  assert.equal(verify.code, 1);
  assert.match(verify.out, /bytes at [0-9]+ are damaged/);
  const { out } = await earshot(['spool', 'export', ...at.named]);
  assert.deepEqual(ids(out), [1, 2, 3, 4]);
});

test('export: all, a range, what waits for a sink, into a file', async () => {
  const at = await filled();
  assert.deepEqual(await exported(at), [1, 2, 3, 4, 5]);
  const first = Number(
    readdirSync(at.directory)
      .find((name) => name.endsWith('.segment'))
      ?.slice(0, 16),
  );
  assert.deepEqual(await exported(at, '--from', String(first + 1), '--to', String(first + 3)), [2, 3, 4]);
  assert.deepEqual(await exported(at, '--sink', 'edge'), [2, 5]);
  assert.deepEqual(await exported(at, '--sink', 'archive', '--from', String(first + 4)), [5]);
  const file = join(folder, 'exported.jsonl');
  const { code, out, err } = await earshot(['spool', 'export', ...at.named, '-o', file]);
  assert.deepEqual([code, out, err], [0, '', 'earshot: 5 records were exported.\n']);
  assert.deepEqual(ids(readFileSync(file, 'utf8')), [1, 2, 3, 4, 5]);
  assert.deepEqual(await exported(at, '-o', '-'), [1, 2, 3, 4, 5]);
  assert.equal(existsSync('-'), false);
});

test('export onto a file in a spool is refused, and empties nothing', async () => {
  const at = await filled();
  await bury(at, [{ sink: 'edge', n: 21 }]);
  const { path } = find(at, 'record-1');
  const link = join(folder, 'link');
  symlinkSync(path, link);
  const again = join(folder, 'hard');
  linkSync(path, again);
  const letters = join(at.directory, 'dead-letters');
  const all = (): string[] =>
    readdirSync(at.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'lock')
      .map(({ parentPath, name }) => `${name} ${readFileSync(join(parentPath, name)).length}`)
      .sort();
  const before = all();
  for (const output of [path, link, again, join(at.directory, 'state'), join(at.directory, 'new'), join(letters, 'state')]) {
    const ended = await earshot(['spool', 'export', ...at.named, '-o', output]);
    refuses(ended, 2, /Cannot write .*: it lies in the spool that is read[.] Name a file elsewhere with --output/);
  }
  assert.deepEqual(all(), before);
});

test('what waits for a sink is also what a pipeline had for it that is gone by now', async () => {
  const at = await filled();
  const settings = JSON.parse(readFileSync(at.config, 'utf8')) as object;
  writeFileSync(at.config, JSON.stringify({ ...settings, pipelines: { other: { sinks: ['edge', 'archive'] } } }));
  const { out } = await earshot(['spool', 'status', ...at.named]);
  assert.match(out, /^edge +\d+ +2 /m);
  assert.deepEqual(await exported(at, '--sink', 'edge'), [2, 5]);
  assert.deepEqual(await exported(at, '--sink', 'archive'), [1, 2, 3, 4, 5]);
});

test('export to a full disk, or where nobody may write, ends with 3 and a reason', async () => {
  const at = await filled();
  const full = openSync('/dev/full', 'w');
  const { code, err } = await earshot(['spool', 'export', ...at.named], full);
  closeSync(full);
  assert.equal(code, 3);
  assert.match(err, /^earshot: Cannot write to standard output: no space is left on the device[.]/);
  refuses(await earshot(['spool', 'export', ...at.named, '-o', '/no/such/folder/x']), 3, /Cannot write .*does not exist/);
});

test('purge takes everything, or what waits for one sink, and says how much', async () => {
  const at = await filled();
  refuses(await earshot(['spool', 'purge', ...at.named]), 2, /Will not purge .*: it holds 5 records[.] Add --yes/);
  refuses(await earshot(['spool', 'purge', '--sink', 'edge', ...at.named]), 2, /never be delivered to it[.] Add --yes/);
  const one = await earshot(['spool', 'purge', '--sink', 'edge', '--yes', ...at.named]);
  assert.equal(one.code, 0, one.err);
  assert.match(one.out, /2 records [(]\d+ B[)] will not be delivered to edge/);
  assert.deepEqual(await exported(at, '--sink', 'edge'), []);
  assert.deepEqual(await exported(at, '--sink', 'archive'), [1, 2, 3, 4, 5], 'the other sink keeps its own');
  const spool = await open(at);
  const queued = spool.state().readers.map((reader) => [reader.name, reader.queued]);
  await append(spool, [record(7)], [A]);
  await spool.close(Date.now() + CLOSE_MS);
  assert.deepEqual(queued, [
    ['edge', 0],
    ['archive', 5],
  ]);
  assert.deepEqual(await exported(at, '--sink', 'edge'), [7], 'what comes later is delivered');

  const all = await earshot(['spool', 'purge', '--yes', ...at.named]);
  assert.match(all.out, /6 records in 2 segments [(][^)]+[)] are gone/);
  assert.match(all.out, /^edge: 1 of them had not been delivered to it$/m);
  assert.match(all.out, /^archive: 6 of them/m);
  assert.deepEqual(await exported(at), []);
});

test('deliver names what was damaged or is missing, and ends with 1', async () => {
  const at = await filled();
  damage(at, 'record-4');
  const { code, out, err } = await earshot(['spool', 'deliver', ...at.named]);
  assert.deepEqual([code, out], [1, ''], err);
  assert.match(err, /^earshot: 2 calls were delivered to edge[.]$/m);
  assert.match(err, /^earshot: 4 calls were delivered to archive, 1 were damaged or missing in the spool[.]$/m);
});

/** Puts something that is no file in the place of one. */
const noFiles: Readonly<Record<string, (path: string) => void>> = {
  'a folder': (path) => mkdirSync(path),
  'a pipe': (path) => void execFileSync('mkfifo', [path]),
  'a link to itself': (path) => symlinkSync(path, path),
};

for (const [what, make] of Object.entries(noFiles)) {
  test(`${what} in the place of a file of the spool is damage like any other: named, and set aside by a repair`, async () => {
    for (const name of ['state', 'cursor-edge', 'segment']) {
      const at = await filled();
      const path = name === 'segment' ? find(at, 'record-1').path : join(at.directory, name);
      rmSync(path);
      make(path);
      const told = await Promise.all(
        [['status'], ['verify'], ['export'], ['dead-letters', 'list']].map((args) => earshot(['spool', ...args, ...at.named])),
      );
      const codes = told.map(({ code }) => code);
      assert.deepEqual(codes, { state: [1, 1, 0, 0], 'cursor-edge': [0, 0, 0, 0], segment: [1, 1, 1, 0] }[name], `${name}: ${told[0].err}`);
      if (name === 'segment') assert.match(told[1].out, /segment: it cannot be read: (it is a directory|it is no regular file)$/m);
      const repaired = await earshot(['spool', 'repair', '--yes', ...at.named]);
      assert.equal(repaired.code, 0, repaired.err);
      assert.equal((await earshot(['spool', 'verify', ...at.named])).code, 0, name);
      assert.equal((await earshot(['spool', 'purge', '--yes', ...at.named])).code, 0, name);
    }
  });
}

test('wrong arguments are one line each', async () => {
  const at = await filled();
  refuses(
    await earshot(['spool', 'export', ...at.named, '--sink', 'nobody']),
    2,
    /There is no sink nobody: the configuration has edge, archive/,
  );
  refuses(await earshot(['spool', 'export', '--directory', at.directory, '--sink', 'edge']), 2, /Name the configuration .*--config/);
  refuses(await earshot(['spool', 'export', ...at.named, '--from', 'x']), 2, /Wanted: the sequence of a record/);
  refuses(await earshot(['spool', 'export', ...at.named, '--from', '9', '--to', '3']), 2, /--from 9 is behind --to 3/);
  refuses(await earshot(['spool', 'dead-letters', 'list', ...at.named, '--since', 'soon']), 2, /Wanted: a date/);
  for (const command of ['list', 'replay']) {
    const ended = await earshot(['spool', 'dead-letters', command, ...at.named, '--sink', 'nobody']);
    refuses(ended, 2, /There is no sink nobody: the configuration has edge, archive/);
  }
  refuses(await earshot(['spool', 'deliver', '--directory', at.directory]), 2, /Cannot deliver: no configuration says where to/);
  for (const command of [['status'], ['verify'], ['repair', '--yes'], ['export'], ['purge', '--yes'], ['dead-letters', 'list']]) {
    const nowhere = join(folder, 'nowhere');
    refuses(await earshot(['spool', ...command, '--directory', nowhere]), 2, /Cannot read a spool in .*nowhere: it does not exist/);
    assert.equal(existsSync(nowhere), false);
  }
});

test('a spool of a later version is left alone', async () => {
  const at = await filled();
  const state = join(at.directory, 'state');
  const { encodeNote } = await import('../../src/ship/spool/note.ts');
  const { crc32 } = await import('node:zlib');
  const json = encodeNote('state', { reservedSequence: 1 }).toString().split(' ').slice(4).join(' ').trim();
  const sum = crc32(`state 9 ${json}`).toString(16).padStart(8, '0');
  writeFileSync(state, `earshot-spool state 9 ${sum} ${json}\n`);
  for (const command of [['status'], ['verify'], ['purge', '--yes']]) {
    refuses(await earshot(['spool', ...command, ...at.named]), 2, /version 9 of the format: this version of Earshot knows it up to 1/);
  }
});

// Dead letters.

const refused = { code: 'record-refused', what: 'The edge refused it: status 422', next: 'Look at the record.' };

async function bury(at: Place, letters: readonly { sink: string; n: number; code?: string; atMs?: number }[]): Promise<void> {
  const settings = spoolSettings({ compression: 'none' });
  const spool = await Spool.open(letterSpool(at.directory, settings));
  await new DeadLetters(spool, spool.reader(LETTERS), spool).add(
    letters.map(({ sink, n, code = refused.code, atMs = Date.now() - 7_200_000 }) => ({
      sink,
      atMs,
      problem: { ...refused, code },
      sequence: n,
      line: Buffer.from(`${record(n)}\n`),
    })),
  );
  await spool.close(Date.now() + CLOSE_MS);
}

test('dead letters are listed and replayed from the files when no sensor runs', async () => {
  const at = await filled();
  await bury(at, [
    { sink: 'edge', n: 21 },
    { sink: 'archive', n: 22, code: 'record-too-large' },
    { sink: 'gone', n: 23, atMs: Date.now() - 60_000 },
  ]);
  const list = await earshot(['spool', 'dead-letters', 'list', ...at.named]);
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, /^ +age +sink +code +what +id$/m);
  assert.match(list.out, /^ +2 h(?: \d+ min)? +edge +record-refused +The edge refused it: status 422 +sensor[.]test[.]0[.]21$/m);
  const json = await earshot(['spool', 'dead-letters', 'list', '--json', '--since', '1h', ...at.named]);
  assert.deepEqual(ids(json.out), [23]);
  assert.match((await earshot(['spool', 'status', ...at.named])).out, /^dead letters +3$/m);

  refuses(await earshot(['spool', 'dead-letters', 'replay', '--directory', at.directory]), 2, /Name the configuration of the sensor/);
  const one = await earshot(['spool', 'dead-letters', 'replay', '--code', 'record-too-large', ...at.named]);
  assert.equal(one.out, '1 records were put back into the spool; the next start of the sensor delivers them.\n', one.err);
  const rest = await earshot(['spool', 'dead-letters', 'replay', ...at.named]);
  assert.match(rest.out, /^1 records were put back/, 'one of a sink that there is not stays');
  assert.deepEqual(await exported(at, '--sink', 'edge'), [2, 5, 21]);
  assert.deepEqual(await exported(at, '--sink', 'archive'), [1, 2, 3, 4, 5, 22]);
  assert.deepEqual(ids((await earshot(['spool', 'dead-letters', 'list', '--json', ...at.named])).out), [23]);
  assert.match((await earshot(['spool', 'dead-letters', 'replay', ...at.named])).out, /^No dead letter was put back/);
});

test('a key that is lost: the start names the command that gives up what it encrypted, and that one helps', async () => {
  const at = place();
  const keys = spoolKeys(Buffer.alloc(32, 7));
  const spool = await Spool.open({ ...letterSpool(at.directory, spoolSettings({ compression: 'none' })), keys });
  await new DeadLetters(spool, spool.reader(LETTERS), spool).add([
    { sink: 'edge', atMs: Date.now(), problem: refused, sequence: 21, line: Buffer.from(`${record(21)}\n`) },
  ]);
  await spool.close(Date.now() + CLOSE_MS);
  const main = await open(at);
  await main.close(Date.now() + CLOSE_MS);
  const lost = await earshot(['spool', 'dead-letters', 'list', ...at.named]);
  refuses(lost, 2, /dead-letters[/][0-9]+[.]segment is encrypted with the key [0-9a-f]+: no key is configured[.]/);
  const [, command] = /give up what is in there with earshot (spool purge .* --yes)[.] /.exec(lost.err) ?? [];
  assert.equal(command, `spool purge --directory ${at.directory}/dead-letters --yes`);
  assert.equal((await earshot(command.split(' '))).code, 0);
  assert.equal((await earshot(['spool', 'dead-letters', 'list', ...at.named])).out, 'No dead letters.\n');
});

test('with a sensor at work they are asked of it, over the control socket', async (t: TestContext) => {
  const at = place();
  const sensor = new TestSensor();
  const head = (n: number, sink: string): LetterHead => ({
    sink,
    atMs: Date.now(),
    problem: refused,
    sequence: n,
    id: `sensor.test.0.${n}`,
    bytes: 9,
  });
  sensor.letters = [head(31, 'edge'), head(32, 'archive')];
  const server = await startControl(at.socket, sensor);
  t.after(() => server.close());
  assert.deepEqual(ids((await earshot(['spool', 'dead-letters', 'list', '--json', ...at.named])).out), [31, 32]);
  const replay = await earshot(['spool', 'dead-letters', 'replay', '--sink', 'edge', ...at.named]);
  assert.equal(replay.out, '1 records were put back into the spool; the sensor delivers them.\n', replay.err);
  assert.deepEqual(ids((await earshot(['spool', 'dead-letters', 'list', '--json', ...at.named])).out), [32]);
  for (const command of ['list', 'replay']) {
    const ended = await earshot(['spool', 'dead-letters', command, '--sink', 'nobody', ...at.named]);
    refuses(ended, 2, /There is no sink nobody: the sensor has \w+/);
  }
  assert.equal(existsSync(at.directory), false, 'the files were not touched');
});

test('what a letter says cannot steer a terminal', async () => {
  const at = await filled();
  await bury(at, [{ sink: 'edge\u001b[2J', n: 41 }]);
  for (const more of [[], ['--json']]) {
    const { code, out } = await earshot(['spool', 'dead-letters', 'list', ...more, ...at.named]);
    assert.equal(code, 0);
    assert.equal(out.includes('\u001b'), false);
  }
});
