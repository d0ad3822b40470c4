/**
 * Private keys in PEM (RFC 7468), of OpenSSH, PGP and PuTTY: from the first line to the last, or to the end of the value.
 *
 *   -----BEGIN RSA PRIVATE KEY-----  ...  -----END RSA PRIVATE KEY-----
 */
import { bytes } from '../../../base/arena.ts';
import { looked } from './classes.ts';

const B = bytes;
const L = looked;
const HYPHEN = 45;
const BEGIN = Buffer.from('-----BEGIN ', 'latin1');
const END = Buffer.from('-----END ', 'latin1');
const KEY = Buffer.from('PRIVATE KEY', 'latin1');
/** Of what stands between BEGIN and PRIVATE KEY. */
const LABEL_BYTES_MAX = 40;

function isAt(at: number, end: number, text: Uint8Array): boolean {
  if (at + text.length > end) return false;
  for (let i = 0; i < text.length; i++) if (B[at + i] !== text[i]) return false;
  return true;
}

/** Whether a label that names a private key begins at `at`; the place behind it, or 0. */
function labelEnd(at: number, end: number): number {
  const stop = end < at + LABEL_BYTES_MAX ? end : at + LABEL_BYTES_MAX;
  for (let q = at; q < stop && B[q] !== HYPHEN && B[q] !== 10; q++) if (B[q] === 80 && isAt(q, end, KEY)) return q + KEY.length;
  return 0;
}

/** Five hyphens may begin at p: the end of the key, or 0. */
export function privateKey(p: number, end: number): number {
  if (!isAt(p, end, BEGIN)) return 0;
  const label = labelEnd(p + BEGIN.length, end);
  if (label === 0) return 0;
  for (let q = label; q < end; q++) {
    if (B[q] !== HYPHEN || !isAt(q, end, END)) continue;
    const last = labelEnd(q + END.length, end);
    if (last === 0) continue;
    let o = last;
    while (o < end && o - last < 16 && B[o] !== HYPHEN && B[o] >= 32) o++;
    while (o < end && B[o] === HYPHEN) o++;
    L[0] += o - p;
    return o;
  }
  L[0] += end - p;
  return end;
}
