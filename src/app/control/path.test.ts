import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { controlPath, controlPathOf } from './path.ts';

test('the default is that of the system for root, else in the folder for sockets of the user, else in /tmp', (t) => {
  const before = process.env.XDG_RUNTIME_DIR;
  t.after(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = before;
  });
  // Nobody has that number.
  const user = 3_999_000_000 + process.pid;
  const temporary = `/tmp/earshot-${user}`;
  t.after(() => rmSync(temporary, { recursive: true, force: true }));
  const getuid = t.mock.method(process as { getuid: () => number }, 'getuid', () => user);
  process.env.XDG_RUNTIME_DIR = '/run/user/1000';
  assert.equal(controlPath(''), '/run/user/1000/earshot/control.sock');
  assert.equal(controlPath('/x/y.sock'), '/x/y.sock');
  process.env.XDG_RUNTIME_DIR = 'relative';
  assert.equal(controlPath(''), `${temporary}/control.sock`);
  delete process.env.XDG_RUNTIME_DIR;
  assert.equal(controlPath(''), `${temporary}/control.sock`);
  // A folder of that name that belongs to another user.
  mkdirSync(temporary, { mode: 0o700 });
  assert.equal(controlPath(''), '/run/earshot/control.sock');
  process.env.XDG_RUNTIME_DIR = '/run/user/0';
  getuid.mock.mockImplementation(() => 0);
  assert.equal(controlPath(''), '/run/earshot/control.sock');
});

test('--socket is stronger than --config, which is stronger than the default', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-path-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'a.yaml');
  writeFileSync(config, 'control: {socket: /srv/earshot.sock}\n');
  assert.equal(await controlPathOf({ config }), '/srv/earshot.sock');
  assert.equal(await controlPathOf({ config, socket: './other.sock' }), './other.sock');
  assert.equal(await controlPathOf({}), controlPath(''));
  writeFileSync(config, 'log: {level: debug}\n');
  assert.equal(await controlPathOf({ config }), controlPath(''));
});

test('a configuration that is broken elsewhere names the socket all the same', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-path-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'a.yaml');
  const named = async (text: string): Promise<string> => {
    writeFileSync(config, text);
    return await controlPathOf({ config });
  };
  assert.equal(await named('control: {socket: /srv/earshot.sock}\ncapture: { interfcaes: [eth0], ringBytes: 1 }\n'), '/srv/earshot.sock');
  assert.equal(await named('control:\n  socket: /srv/earshot.sock\nlog: { level: debug\n'), '/srv/earshot.sock');
  assert.equal(await named('log: { level: loud }\n'), controlPath(''));
  assert.equal(await named('log: { level: debug\n'), controlPath(''));
  assert.equal(await named('control: {}\n'), controlPath(''));
  for (const text of ['control: { socket: 7 }\n', 'control: { socket: [a] }\n', 'x: "\ncontrol:\n  socket: /srv/earshot.sock\n']) {
    await assert.rejects(named(text), { code: 'config-invalid', next: 'Name the control socket of the sensor with --socket PATH.' }, text);
  }
  await assert.rejects(controlPathOf({ config: join(folder, 'none.yaml') }), { code: 'file-missing', next: /--socket PATH/ });
});
