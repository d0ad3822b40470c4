/**
 * The action `jwt-claims`: what a token says about somebody gives way, what it says about itself stays. The signature goes,
 * so the result can not be used.
 *
 *   eyJhbGciOi... . eyJpc3MiOi...                         . 4pcPyMD09o...     RFC 7519, RFC 7515 (7.1)
 *   {"alg":"RS256"}  {"iss":"idp","sub":"ann","uid":7}
 *   {"alg":"RS256"}  {"iss":"idp","sub":"*jwt*","uid":0}    (nothing)
 *
 * Of other claims strings become the mark and numbers 0, at every depth; true, false and null stay. A claim of the list
 * stays only when it looks like what the list is meant for: no address, no long number, not too long.
 *
 * Credentials with a scheme before them keep that, whatever they are: "Basic *authorization*".
 *
 * Bounds: tokens of JWT_BYTES_MAX, DEPTH_MAX levels; what is larger, encrypted (RFC 7516) or no token is replaced whole.
 */
import { bytes } from '../../base/arena.ts';
import { DECODED_BYTES_MAX, decode, decoded } from './detectors/base64.ts';

const B = bytes;
const D = decoded;
const BLANK = 32;
const DOT = 46;
const OPEN = 123;
const CLOSE = 125;
export const JWT_BYTES_MAX = 8192;
const DEPTH_MAX = 16;
/** Also of base64, and with its padding. */
const TOKEN = /^([A-Za-z0-9_+/-]+)={0,2}\.([A-Za-z0-9_+/-]+)={0,2}\.[A-Za-z0-9_+/-]*={0,2}$/;
/** IANA, HTTP authentication schemes, and some that are used without being there. */
const SCHEME =
  /^(AWS4-HMAC-SHA256|ApiKey|Basic|Bearer|Concealed|Digest|DPoP|GNAP|Hawk|HOBA|JWT|Key|Mutual|Negotiate|NTLM|OAuth|PrivateToken|SCRAM-SHA-1|SCRAM-SHA-256|Signature|Token|vapid) +/i;
const NAME = /^[\w.:/-]{1,64}$/;
const HARMLESS_TEXT = /^[\w.:/ ~*-]{0,256}$/;
const LONG_NUMBER = /\d[\d -]{6,}\d/;

const harmless: ReadonlySet<string> = new Set([
  'iss',
  'aud',
  'exp',
  'nbf',
  'iat',
  'alg',
  'typ',
  'cty',
  'enc',
  'scope',
  'azp',
  'client_id',
  'kid',
]);

/**
 * Whether [at, end) is surely neither a token nor credentials with a scheme, without a string being made: most credentials
 * are other random text, and no two are the same. The first part of a token is an object, and JSON has no control bytes.
 */
export function isOpaque(at: number, end: number): boolean {
  let dot = at;
  for (; dot < end && B[dot] !== DOT; dot++) if (B[dot] === BLANK) return false;
  if (dot === end) return true;
  const n = decode(at, dot);
  if (n < 2 || n >= DECODED_BYTES_MAX) return false;
  for (let i = 0; i < n; i++) if (D[i] < BLANK && D[i] !== 9 && D[i] !== 10 && D[i] !== 13) return true;
  let first = 0;
  let last = n - 1;
  while (first < last && D[first] <= BLANK) first++;
  while (last > first && D[last] <= BLANK) last--;
  return D[first] !== OPEN || D[last] !== CLOSE;
}

/** Token or credentials without what is sensitive, `mark` in its place; null for what is neither. */
export function maskClaims(text: string, mark: string): string | null {
  const scheme = SCHEME.exec(text)?.[1];
  const credentials = scheme === undefined ? text : text.slice(scheme.length).trimStart();
  const token = maskedToken(credentials, mark);
  return scheme === undefined ? token : `${scheme} ${token ?? mark}`;
}

function maskedToken(text: string, mark: string): string | null {
  const [, header, payload] = TOKEN.exec(text) ?? [];
  if (header === undefined) return null;
  const parts = [header, payload].map((part) => maskedPart(part, mark));
  return parts.includes(null) ? null : `${parts.join('.')}.`;
}

function maskedPart(part: string, mark: string): string | null {
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return null;
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return null;
  const masked = Object.entries(claims).map(([name, value]) => [
    maskedName(name, mark),
    harmless.has(name) && isHarmless(value) ? value : maskedClaim(value, mark, 1),
  ]);
  return Buffer.from(JSON.stringify(Object.fromEntries(masked))).toString('base64url');
}

function isHarmless(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string' && isHarmless(item));
  if (typeof value === 'string') return HARMLESS_TEXT.test(value) && !LONG_NUMBER.test(value);
  // Times in seconds.
  return typeof value === 'number' && Number.isFinite(value) && Math.abs(value) < 1e11;
}

function maskedClaim(value: unknown, mark: string, depth: number): unknown {
  if (typeof value === 'string') return mark;
  if (typeof value === 'number') return 0;
  if (typeof value !== 'object' || value === null) return value;
  if (depth === DEPTH_MAX) return mark;
  if (Array.isArray(value)) return value.map((item) => maskedClaim(item, mark, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [maskedName(name, mark), maskedClaim(item, mark, depth + 1)]));
}

function maskedName(name: string, mark: string): string {
  return NAME.test(name) && !LONG_NUMBER.test(name) ? name : mark;
}
