import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { listInterfaces } from '../capture/interfaces.ts';
import { noteCounters, sinceNoted } from './standstill.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-standstill-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'control.sock');
const loopback = listInterfaces().find((one) => one.loopback);

/** Some packets on loopback. */
async function talk(): Promise<void> {
  const server = createServer((socket) => socket.end('some bytes'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => connect(port, '127.0.0.1').resume().on('close', resolve));
  await new Promise((resolve) => server.close(resolve));
}

test('what the kernel counted between two runs is told once, by interface', async () => {
  assert.ok(loopback !== undefined);
  noteCounters(path, [loopback.index], true);
  assert.equal(statSync(`${path}.stopped`).mode & 0o777, 0o600);
  await talk();
  const standstill = sinceNoted(path, listInterfaces());
  assert.equal(standstill?.isExact, true);
  assert.equal(standstill.unseen.length, 1);
  assert.equal(standstill.unseen[0].name, loopback.name);
  // A handshake, the bytes, and the end of both sides.
  assert.ok(standstill.unseen[0].packets >= 6, `${standstill.unseen[0].packets} packets`);
  assert.ok(standstill.unseen[0].bytes > 6 * 40);
  assert.equal(sinceNoted(path, listInterfaces()), null, 'the second start knows nothing of the first stop');
});

test('a sensor that was killed has noted its counters while it ran: what is told is the most that may have passed', () => {
  assert.ok(loopback !== undefined);
  noteCounters(path, [loopback.index], false);
  assert.equal(sinceNoted(path, listInterfaces())?.isExact, false);
});

test('an interface that was made anew, and a file that is damaged, tell nothing', () => {
  assert.ok(loopback !== undefined);
  noteCounters(path, [loopback.index], true);
  assert.deepEqual(sinceNoted(path, [{ ...loopback, index: loopback.index + 1000 }])?.unseen, []);
  noteCounters(path, [loopback.index], true);
  assert.deepEqual(sinceNoted(path, [{ ...loopback, rxPackets: 0 }])?.unseen, [], 'counters that went back');
  for (const text of ['', '{', 'null', '{"interfaces":7}', '[]']) {
    writeFileSync(`${path}.stopped`, text);
    assert.equal(sinceNoted(path, listInterfaces()), null, text);
  }
  writeFileSync(`${path}.stopped`, JSON.stringify({ notedAtMs: Date.now() + 3_600_000, interfaces: [null, 7, { index: loopback.index }] }));
  const odd = sinceNoted(path, listInterfaces());
  assert.deepEqual(odd, { sinceMs: 0, isExact: false, unseen: [] }, 'a clock that was set back, and what is no count');
});

test('a folder that cannot be written does not hold up the stop', () => {
  assert.ok(loopback !== undefined);
  noteCounters(join(folder, 'nowhere', 'control.sock'), [loopback.index], true);
  assert.equal(sinceNoted(join(folder, 'nowhere', 'control.sock'), listInterfaces()), null);
});
