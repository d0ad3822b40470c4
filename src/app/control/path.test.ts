import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { controlPath, controlPathOf } from './path.ts';

test('the default is that of the system for root, and where this user has no folder for sockets', (t) => {
  const before = process.env.XDG_RUNTIME_DIR;
  t.after(() => {
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = before;
  });
  const getuid = t.mock.method(process as { getuid: () => number }, 'getuid', () => 1000);
  process.env.XDG_RUNTIME_DIR = '/run/user/1000';
  assert.equal(controlPath(''), '/run/user/1000/earshot/control.sock');
  assert.equal(controlPath('/x/y.sock'), '/x/y.sock');
  process.env.XDG_RUNTIME_DIR = 'relative';
  assert.equal(controlPath(''), '/run/earshot/control.sock');
  delete process.env.XDG_RUNTIME_DIR;
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
