/**
 * Certificates for tests: X.509 (RFC 5280) written byte by byte, so that every kind of fault can be made, and without
 * another program. Keys are of the curve P-256, signatures ECDSA with SHA-256.
 *
 *   Certificate    = SEQUENCE { tbsCertificate, signatureAlgorithm, BIT STRING signature }
 *   TBSCertificate = SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject, publicKey, [3] extensions }
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

export interface CertificateRequest {
  readonly commonName: string;
  /** Names and addresses that it is good for. */
  readonly hosts?: readonly string[];
  readonly validFrom?: Date;
  readonly validTo?: Date;
  readonly isAuthority?: boolean;
}

/** A certificate with its key, both in PEM. */
export interface Certificate {
  readonly commonName: string;
  readonly certificate: string;
  readonly key: string;
  readonly privateKey: KeyObject;
}

const DAY_MS = 86_400_000;
const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const BOOLEAN_TRUE = Buffer.from([0x01, 0x01, 0xff]);

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length: number[] = [];
  if (content.length < 0x80) length.push(content.length);
  else {
    for (let rest = content.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
    length.unshift(0x80 | length.length);
  }
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

/** OBJECT IDENTIFIER, as "2.5.4.3". */
function objectId(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let more = part >>> 7; more > 0; more >>>= 7) digits.unshift((more & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}

const ecdsaWithSha256 = der(SEQUENCE, objectId('1.2.840.10045.4.3.2'));

function nameOf(commonName: string): Buffer {
  return der(SEQUENCE, der(SET, der(SEQUENCE, objectId('2.5.4.3'), der(UTF8_STRING, Buffer.from(commonName)))));
}

/** YYMMDDHHMMSSZ: years up to 2049. */
function time(date: Date): Buffer {
  return der(UTC_TIME, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`));
}

function extension(id: string, isCritical: boolean, value: Uint8Array): Buffer {
  return der(SEQUENCE, objectId(id), ...(isCritical ? [BOOLEAN_TRUE] : []), der(OCTET_STRING, value));
}

function hostName(host: string): Buffer {
  if (isIP(host) === 4) return der(0x87, Buffer.from(host.split('.').map(Number)));
  if (host === '::1') return der(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])]));
  return der(0x82, Buffer.from(host));
}

/** A certificate signed by `authority`; by itself when there is none. */
export function makeCertificate(request: CertificateRequest, authority?: Certificate): Certificate {
  const { commonName, hosts = [], isAuthority = false } = request;
  const validFrom = request.validFrom ?? new Date(Date.now() - DAY_MS);
  const validTo = request.validTo ?? new Date(Date.now() + 30 * DAY_MS);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extensions = [extension('2.5.29.19', true, der(SEQUENCE, ...(isAuthority ? [BOOLEAN_TRUE] : [])))];
  if (hosts.length > 0) extensions.push(extension('2.5.29.17', false, der(SEQUENCE, ...hosts.map(hostName))));
  const serial = randomBytes(8);
  serial[0] = (serial[0] & 0x7f) | 0x01;
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    ecdsaWithSha256,
    nameOf(authority?.commonName ?? commonName),
    der(SEQUENCE, time(validFrom), time(validTo)),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...extensions)),
  );
  const signature = sign('sha256', body, authority?.privateKey ?? privateKey);
  const whole = der(SEQUENCE, body, ecdsaWithSha256, der(BIT_STRING, Buffer.from([0]), signature));
  return {
    commonName,
    certificate: `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').replace(/(.{64})(?!$)/g, '$1\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    privateKey,
  };
}

export function makeAuthority(commonName: string): Certificate {
  return makeCertificate({ commonName, isAuthority: true });
}

const HOUR_MS = 3_600_000;

/** Certificates of a server on loopback, with and without faults. */
export const serverKinds = ['good', 'expired', 'not-yet-valid', 'wrong-host', 'unknown-ca', 'self-signed'] as const;
export type ServerKind = (typeof serverKinds)[number];

export function makeServerCertificate(kind: ServerKind, authority: Certificate): Certificate {
  const here = { commonName: 'localhost', hosts: ['localhost', '127.0.0.1', '::1'] };
  const nowMs = Date.now();
  switch (kind) {
    case 'good':
      return makeCertificate(here, authority);
    case 'expired':
      return makeCertificate({ ...here, validFrom: new Date(nowMs - 9 * DAY_MS), validTo: new Date(nowMs - HOUR_MS) }, authority);
    case 'not-yet-valid':
      return makeCertificate({ ...here, validFrom: new Date(nowMs + HOUR_MS), validTo: new Date(nowMs + 9 * DAY_MS) }, authority);
    case 'wrong-host':
      return makeCertificate({ commonName: 'edge.example', hosts: ['edge.example', '*.edge.example'] }, authority);
    case 'unknown-ca':
      return makeCertificate(here, makeAuthority('Example Inspection CA'));
    case 'self-signed':
      return makeCertificate(here);
  }
}
