/**
 * Who is trusted and who we are, for TLS: certificates and keys from files, checked when they are read, so that a wrong
 * file is named when it is put there and not when a connection fails. A reload that goes wrong keeps what was there.
 *
 * Trusted are the CAs of the system and those of tls.caFile; with tls.systemCa false only the latter. TLS 1.2 is the
 * least that is spoken.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { codeOf, reasonOf } from '../base/errors.ts';
import type { TlsSettings } from '../base/settings.ts';
import { day } from './problem-words.ts';
import type { Problem } from './sink.ts';

/** Where systems keep their CAs in one file: Debian and Alpine, RHEL, older RHEL, SUSE. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
];
const FILE_BYTES_MAX = 16 << 20;
const PEM_CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

/** What a connection is made with. */
export interface TlsMaterial {
  readonly context: SecureContext;
  /** "" for the host of the URL. */
  readonly serverName: string;
  /** End of the client certificate, milliseconds since 1970; null when there is none. */
  readonly clientExpiryMs: number | null;
}

/** Thrown inside this file only. */
class TlsFault extends Error {
  readonly problem: Problem;
  constructor(code: string, what: string, next: string) {
    super(what);
    this.problem = { code, what, next };
  }
}

export class TlsFiles {
  readonly #settings: TlsSettings;
  #material: TlsMaterial | null = null;
  #problem: Problem | null = null;
  #signature = '';

  constructor(settings: TlsSettings) {
    this.#settings = settings;
    this.reload();
  }

  /** null: the files were never good; `problem` says why. */
  get material(): TlsMaterial | null {
    return this.#material;
  }

  /** Why the files as they are cannot be used; null when they are. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Reads the files again. When they are no good, what was there stays, and the problem says why. */
  reload(): Problem | null {
    this.#signature = this.#look();
    try {
      this.#material = read(this.#settings);
      this.#problem = null;
    } catch (error) {
      this.#problem = problemOf(error);
    }
    return this.#problem;
  }

  /** Whether the files are others than those that were read last. Only looks at them: cheap. */
  hasChanged(): boolean {
    return this.#look() !== this.#signature;
  }

  #look(): string {
    const { caFile, certificateFile, keyFile } = this.#settings;
    return [caFile, certificateFile, keyFile].map(fileSignature).join(' ');
  }
}

/** Why these files cannot be used; null when they can. The CAs of the system, of which there are hundreds, are not read. */
export function tlsFilesProblem(settings: TlsSettings): Problem | null {
  try {
    read(settings, false);
    return null;
  } catch (error) {
    return problemOf(error);
  }
}

function problemOf(error: unknown): Problem {
  if (error instanceof TlsFault) return error.problem;
  return {
    code: 'tls-files-invalid',
    what: `The certificates of the sink cannot be used (${codeOf(error) || 'no reason given'})`,
    next: 'Look at them: openssl x509 -noout -text -in FILE.',
  };
}

/** Changes when the content of a file may have changed: a rename in its place, a write, a symbolic link set anew. */
export function fileSignature(path: string): string {
  if (path === '') return '-';
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch (error) {
    return codeOf(error);
  }
}

function read({ caFile, systemCa, certificateFile, keyFile, serverName }: TlsSettings, withSystem = systemCa): TlsMaterial {
  const own = caFile === '' ? [] : authorities(caFile);
  if (!systemCa && own.length === 0) {
    throw new TlsFault(
      'ca-missing',
      'No CA is trusted: tls.systemCa is false and tls.caFile is empty',
      'Set tls.caFile, or tls.systemCa: true.',
    );
  }
  if ((certificateFile === '') !== (keyFile === '')) {
    const [there, missing] = certificateFile === '' ? ['keyFile', 'certificateFile'] : ['certificateFile', 'keyFile'];
    throw new TlsFault('client-key-missing', `tls.${there} is set and tls.${missing} is not`, `Set tls.${missing} too, or neither.`);
  }
  const client = certificateFile === '' ? null : clientPair(certificateFile, keyFile);
  const context = createSecureContext({
    ca: withSystem ? [...systemAuthorities(), ...own] : own,
    minVersion: 'TLSv1.2',
    ...(client === null ? {} : { cert: client.certificate, key: client.key }),
  });
  return { context, serverName, clientExpiryMs: client?.expiryMs ?? null };
}

/** The certificates of a file, each checked. */
function authorities(path: string): string[] {
  const found = text(path, 'ca').match(PEM_CERTIFICATE) ?? [];
  if (found.length === 0) {
    throw new TlsFault(
      'ca-file-empty',
      `There is no certificate in ${path}`,
      'Put the certificates of your CA into it, in PEM: -----BEGIN CERTIFICATE----- ...; DER becomes PEM with openssl x509 -inform der.',
    );
  }
  found.forEach((pem, i) => {
    try {
      new X509Certificate(pem);
    } catch {
      throw new TlsFault(
        'ca-file-invalid',
        `Certificate ${i + 1} of ${found.length} in ${path} is damaged`,
        'Copy it again, whole and unchanged.',
      );
    }
  });
  return found;
}

function clientPair(certificateFile: string, keyFile: string): { certificate: string; key: string; expiryMs: number } {
  const certificate = text(certificateFile, 'certificate');
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate.match(PEM_CERTIFICATE)?.[0] ?? '');
  } catch {
    throw new TlsFault(
      'client-certificate-invalid',
      `There is no whole certificate in ${certificateFile}`,
      'Put the client certificate into it in PEM, and behind it the intermediate ones.',
    );
  }
  const key = text(keyFile, 'key');
  try {
    if (parsed.checkPrivateKey(createPrivateKey(key))) return { certificate, key, expiryMs: Date.parse(parsed.validTo) };
  } catch (error) {
    const encrypted = key.includes('ENCRYPTED') || codeOf(error) === 'ERR_MISSING_PASSPHRASE';
    throw encrypted
      ? new TlsFault(
          'client-key-encrypted',
          `The key in ${keyFile} is protected by a password`,
          'Give the sensor one without, readable by its user only: openssl pkey -in OLD -out NEW; chmod 600 NEW.',
        )
      : new TlsFault(
          'client-key-invalid',
          `There is no private key in ${keyFile} that can be read`,
          'Put the key of the client certificate into it, in PEM.',
        );
  }
  throw new TlsFault(
    'client-key-foreign',
    `The key in ${keyFile} does not belong to the certificate in ${certificateFile}, which is good until ${day(Date.parse(parsed.validTo))}`,
    'Put the pair there that was made together; while they are being replaced, replace both.',
  );
}

function text(path: string, what: 'ca' | 'certificate' | 'key'): string {
  try {
    const stat = statSync(path);
    // A pipe would be waited for, a device never ends.
    if (!stat.isFile() || stat.size > FILE_BYTES_MAX) {
      throw new TlsFault(`${what}-file-unreadable`, `${path} is no ordinary file of PEM`, 'Name the file itself.');
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof TlsFault) throw error;
    throw new TlsFault(
      `${what}-file-unreadable`,
      `Cannot read ${path}: ${reasonOf(error)}`,
      'Name a file that is there and that the user of the sensor may read.',
    );
  }
}

let system: string[] | undefined;

/** Read once: hundreds of certificates, and they change with updates of the system only. */
function systemAuthorities(): string[] {
  if (system !== undefined) return system;
  system = getCACertificates('system');
  for (const path of bundles) {
    if (system.length > 0) break;
    try {
      system = readFileSync(path, 'utf8').match(PEM_CERTIFICATE) ?? [];
    } catch {
      // Another system keeps them elsewhere.
    }
  }
  // A minimal container has none: then those that come with Node, which are Mozilla's.
  if (system.length === 0) system = getCACertificates('bundled');
  return system;
}
