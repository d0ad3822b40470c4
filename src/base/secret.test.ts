import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SensorError } from './errors.ts';
import { readSecret, secretReference, secretWarning } from './secret.ts';
import type { Secret } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-secret-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'token');
const VARIABLE = 'EARSHOT_TEST_SECRET';

function assertMissing(secret: Secret, why: RegExp): void {
  assert.throws(
    () => readSecret(secret),
    (error) =>
      error instanceof SensorError &&
      error.code === 'secret-missing' &&
      why.test(error.why) &&
      error.what.includes(secretReference(secret)),
  );
}

test('from a file, without the line end', () => {
  for (const [text, secret] of [
    ['s3cret', 's3cret'],
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    ['two\nlines\n\n', 'two\nlines'],
    ['Bearer  x \n', 'Bearer  x '],
  ]) {
    writeFileSync(file, text);
    assert.equal(readSecret({ file }), secret);
  }
  const link = join(folder, 'link');
  symlinkSync(file, link);
  assert.equal(readSecret({ file: link }), 'Bearer  x ');
});

test('from an environment variable', () => {
  process.env[VARIABLE] = 's3cret\n';
  assert.equal(readSecret({ environment: VARIABLE }), 's3cret');
  process.env[VARIABLE] = '';
  assertMissing({ environment: VARIABLE }, /empty/);
  delete process.env[VARIABLE];
  assertMissing({ environment: VARIABLE }, /not set/);
});

test('a file that holds none', () => {
  assertMissing({ file: join(folder, 'none') }, /no such file/);
  assertMissing({ file: folder }, /directory/);
  for (const text of ['', '\n']) {
    writeFileSync(file, text);
    assertMissing({ file }, /empty/);
  }
  writeFileSync(file, 'x'.repeat(65_537));
  assertMissing({ file }, /larger/);
  assertMissing({ file: '/dev/zero' }, /no ordinary file/);
});

test('a pipe is not waited for', () => {
  const pipe = join(folder, 'pipe');
  assert.equal(spawnSync('sh', ['-c', 'mkfifo "$0"', pipe]).status, 0);
  assertMissing({ file: pipe }, /no ordinary file/);
});

test('a file that everybody may read is worth a warning', () => {
  writeFileSync(file, 's3cret');
  chmodSync(file, 0o600);
  assert.equal(secretWarning({ file }), null);
  chmodSync(file, 0o644);
  assert.match(secretWarning({ file }) ?? '', /chmod 600/);
  assert.doesNotMatch(secretWarning({ file }) ?? '', /s3cret/);
  assert.equal(secretWarning({ file: join(folder, 'none') }), null);
  assert.equal(secretWarning({ environment: VARIABLE }), null);
});
