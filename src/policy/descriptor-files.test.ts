/** Descriptor files of a configuration: read, and refused with what is wrong and what to do. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { descriptorSet } from '../../test/support/protobuf.ts';
import { SensorError } from '../base/errors.ts';
import { readDescriptors } from './descriptor-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-descriptors-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function refused(path: string): SensorError {
  try {
    readDescriptors([path]);
  } catch (error) {
    assert.ok(error instanceof SensorError, String(error));
    assert.ok(error.message.includes(path) && error.next !== '');
    return error;
  }
  assert.fail(`${path} was taken`);
}

const set = descriptorSet({
  package: 'a',
  messages: { M: [{ name: 'x', number: 1, type: 'string' }] },
  services: { S: { Get: ['.a.M', '.a.M'] } },
});

test('files are given as they are', () => {
  assert.deepEqual(readDescriptors([]), []);
  assert.deepEqual(
    readDescriptors([file('a.pb', set), file('b.pb', set)]).map((own) => Buffer.from(own)),
    [set, set],
  );
});

test('what is none, or cannot be read, says what and why and what to do', () => {
  const source = refused(file('a.proto', 'syntax = "proto3";\n'));
  assert.equal(source.code, 'descriptor-invalid');
  assert.match(source.next, /protoc .*--descriptor_set_out/);
  assert.equal(refused(file('empty.pb', '')).code, 'descriptor-invalid');
  assert.equal(refused(file('cut.pb', set.subarray(0, -1))).code, 'descriptor-invalid');
  assert.equal(refused(join(folder, 'none.pb')).code, 'file-missing');
  assert.equal(refused(folder).code, 'file-unreadable');
});
