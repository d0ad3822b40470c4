/**
 * Fingerprints: a 53-bit hash of bytes, exact as a JSON number. Two FNV-1a lanes with different multipliers;
 * good enough to notice any change, and quick enough to take of every head and body of a capture.
 */
const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;
const OTHER_OFFSET = 0x2f0b4a27;
const OTHER_PRIME = 0x85ebca6b | 0;
const CR = 13;

/** The fingerprint of `bytes` from `at` to `end`. */
export function fingerprint(bytes: Uint8Array, at = 0, end: number = bytes.length): number {
  let a = FNV_OFFSET;
  let b = OTHER_OFFSET;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    a = Math.imul(a ^ byte, FNV_PRIME);
    b = Math.imul(b ^ byte, OTHER_PRIME);
  }
  return join(a, b);
}

/**
 * The fingerprint of header lines as they stand on the wire (`Name: value CR LF`, without the empty line at the
 * end). It is taken without the CRs, so it equals `fingerprintHeaders` of the same fields.
 */
export function fingerprintLines(bytes: Uint8Array, at: number, end: number): number {
  let a = FNV_OFFSET;
  let b = OTHER_OFFSET;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    if (byte === CR) continue;
    a = Math.imul(a ^ byte, FNV_PRIME);
    b = Math.imul(b ^ byte, OTHER_PRIME);
  }
  return join(a, b);
}

let scratch = Buffer.alloc(64 * 1024);

/** The fingerprint of the text `Name: value LF` of every field in order, in UTF-8. */
export function fingerprintHeaders(headers: readonly (readonly [string, string])[]): number {
  let text = '';
  for (const [name, value] of headers) text += `${name}: ${value}\n`;
  if (text.length * 3 > scratch.length) scratch = Buffer.alloc(text.length * 3);
  return fingerprint(scratch, 0, scratch.write(text, 'utf8'));
}

function join(a: number, b: number): number {
  // A last stir, so that every byte reaches the bits that are kept of the second lane.
  const stirred = Math.imul(b ^ (b >>> 15), 0x2c1b3c6d);
  return ((stirred >>> 11) & 0x1fffff) * 4294967296 + (a >>> 0);
}
