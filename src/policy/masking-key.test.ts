import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SensorError } from '../base/errors.ts';
import { MASKING_KEY_BYTES, maskingKey } from './masking-key.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-key-'));
after(() => rmSync(folder, { recursive: true }));

function secretWith(text: string): { file: string } {
  const file = join(folder, 'secret');
  writeFileSync(file, text);
  return { file };
}

test('a key from the settings, in hexadecimal or base64', () => {
  const key = Buffer.from(Array.from({ length: MASKING_KEY_BYTES }, (_, i) => 255 - i));
  for (const text of [
    key.toString('hex'),
    `${key.toString('hex').toUpperCase()}\n`,
    ` ${key.toString('base64')}\r\n`,
    key.toString('base64url'),
  ])
    assert.deepEqual(Buffer.from(maskingKey(secretWith(text), null)), key, text);
});

test('what is no key is told without being shown', () => {
  const key = Buffer.alloc(MASKING_KEY_BYTES, 0x5a).toString('hex');
  for (const text of ['hunter2', key.slice(2), `${key}00`, `${key.slice(1)}x`, Buffer.alloc(31, 1).toString('base64')])
    assert.throws(
      () => maskingKey(secretWith(text), folder),
      (error) => error instanceof SensorError && error.code === 'masking-key-invalid' && !`${error.message}${error.details}`.includes(text),
    );
  assert.throws(() => maskingKey({ file: join(folder, 'none') }, folder), { code: 'secret-missing' });
});

test('without one it is made and kept: the same after a restart, for its owner only', () => {
  const directory = join(folder, 'state', 'spool');
  const key = maskingKey(null, directory);
  assert.equal(key.length, MASKING_KEY_BYTES);
  assert.deepEqual(maskingKey(null, directory), key);
  assert.deepEqual(readdirSync(directory), ['masking.key']);
  assert.equal(statSync(join(directory, 'masking.key')).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(directory, 'masking.key'), 'latin1'), `${Buffer.from(key).toString('hex')}\n`);
});

test('one that root makes in the directory of a service belongs to the service', (t) => {
  if (process.getuid?.() !== 0) {
    t.skip('it gives files to another user, for which it has to be root');
    return;
  }
  const service = join(folder, 'service');
  mkdirSync(service);
  chownSync(service, 65_534, 65_534);
  maskingKey(null, join(service, 'state', 'spool'));
  for (const name of ['state', 'state/spool', 'state/spool/masking.key']) {
    const { uid, gid } = statSync(join(service, name));
    assert.deepEqual([uid, gid], [65_534, 65_534], name);
  }
});

test('a kept key that was damaged is not quietly replaced', () => {
  const directory = join(folder, 'damaged');
  mkdirSync(directory);
  for (const text of ['', '12345', 'x'.repeat(1000)]) {
    writeFileSync(join(directory, 'masking.key'), text);
    assert.throws(() => maskingKey(null, directory), { code: 'masking-key-invalid' });
    assert.equal(readFileSync(join(directory, 'masking.key'), 'latin1'), text);
  }
});

test('a place where it cannot be kept', () => {
  writeFileSync(join(folder, 'file'), 'x');
  mkdirSync(join(folder, 'taken', 'masking.key'), { recursive: true });
  for (const directory of [join(folder, 'file', 'spool'), join(folder, 'taken')])
    assert.throws(
      () => maskingKey(null, directory),
      (error) => error instanceof SensorError && error.code === 'masking-key-failed' && error.what.includes(directory),
    );
});

test('without a directory: one for this process', () => {
  const [one, two] = [maskingKey(null, null), maskingKey(null, null)];
  assert.equal(one.length, MASKING_KEY_BYTES);
  assert.notDeepEqual(one, two);
});
