import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeAuthority, makeCertificate } from '../../test/support/certificates.ts';
import type { TlsSettings } from '../base/settings.ts';
import { plainTls } from './sinks/http-testing.ts';
import { TlsFiles } from './tls-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const authority = makeAuthority('Test CA');
const one = makeCertificate({ commonName: 'one', validTo: new Date(Date.UTC(2040, 0, 1)) }, authority);
const two = makeCertificate({ commonName: 'two' }, authority);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();

function problemCode(settings: Partial<TlsSettings>): string | undefined {
  const files = new TlsFiles({ ...plainTls, ...settings });
  assert.equal(files.material === null, files.problem !== null);
  return files.problem?.code;
}

test('files that cannot be used are named, each by its fault', () => {
  const certificateFile = file('one.pem', one.certificate);
  const keyFile = file('one.key', one.key);
  const cases: readonly (readonly [Partial<TlsSettings>, string | undefined])[] = [
    [{ systemCa: true }, undefined],
    [{ systemCa: false }, 'ca-missing'],
    [{ caFile: join(folder, 'nowhere.pem') }, 'ca-file-unreadable'],
    [{ caFile: folder }, 'ca-file-unreadable'],
    [{ caFile: file('empty', '') }, 'ca-file-empty'],
    [{ caFile: file('key-only', one.key) }, 'ca-file-empty'],
    [{ caFile: file('torn', authority.certificate.slice(0, 100) + authority.certificate.slice(200)) }, 'ca-file-invalid'],
    [{ systemCa: true, certificateFile }, 'client-key-missing'],
    [{ systemCa: true, keyFile }, 'client-key-missing'],
    [{ systemCa: true, certificateFile, keyFile: file('two.key', two.key) }, 'client-key-foreign'],
    [{ systemCa: true, certificateFile, keyFile: file('no.key', 'nothing') }, 'client-key-invalid'],
    [{ systemCa: true, certificateFile, keyFile: file('enc.key', encrypted) }, 'client-key-encrypted'],
    [{ systemCa: true, certificateFile: file('no.pem', one.key), keyFile }, 'client-certificate-invalid'],
    [{ systemCa: true, certificateFile, keyFile }, undefined],
  ];
  for (const [settings, expected] of cases) assert.equal(problemCode(settings), expected, JSON.stringify(settings));
});

test('a reload takes good files, keeps what was there when they are bad, and notices when they change', () => {
  const certificateFile = file('own.pem', one.certificate);
  const keyFile = file('own.key', one.key);
  const files = new TlsFiles({ ...plainTls, caFile: file('ca.pem', authority.certificate), certificateFile, keyFile });
  const first = files.material;
  assert.equal(first?.clientExpiryMs, Date.UTC(2040, 0, 1));
  assert.equal(files.hasChanged(), false);
  file('own.pem', `${two.certificate}\n`);
  assert.equal(files.hasChanged(), true);
  assert.equal(files.reload()?.code, 'client-key-foreign');
  assert.equal(files.material, first);
  assert.equal(files.hasChanged(), false);
  file('own.key', `${two.key}\n`);
  assert.equal(files.reload(), null);
  assert.notEqual(files.material, first);
  assert.equal(files.problem, null);
  rmSync(certificateFile);
  assert.equal(files.hasChanged(), true);
  assert.match(files.reload()?.what ?? '', /own\.pem: it does not exist/);
  assert.notEqual(files.material, null);
});
