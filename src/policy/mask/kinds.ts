/**
 * Kinds of bytes: a walker adds up those of a value while it looks for its end, and the sum says what need not be looked
 * for in it. Letters, hyphen and underscore are of no kind: a name is made of them.
 */
export const DIGIT = 1;
export const AT_SIGN = 2;
export const PERCENT = 4;
export const EQUALS = 8;
export const AMPERSAND = 16;
export const PLUS = 32;
export const COLON = 64;
/** Where documents begin: { [ < */
export const OPENING = 128;
export const BACKSLASH = 256;
/** Any other byte. */
export const OTHER = 512;
/** Ends the run of a JSON string: quote and backslash. */
export const STOP = 1024;

/** Bytes that walkers have passed, however often: tests see by it that time stays linear. */
export const walked: Float64Array = new Float64Array(1);

/** The kind of each byte. */
export const kindOf: Uint16Array = new Uint16Array(256).fill(OTHER);
for (let c = 48; c <= 57; c++) kindOf[c] = DIGIT;
for (let c = 65; c <= 90; c++) kindOf[c] = kindOf[c | 32] = 0;
for (const [text, kind] of [
  ['-_', 0],
  ['@', AT_SIGN],
  ['%', PERCENT],
  ['=', EQUALS],
  ['&', AMPERSAND],
  ['+', PLUS],
  [':', COLON],
  ['{[<', OPENING],
  ['"', OTHER | STOP],
  ['\\', BACKSLASH | STOP],
] as const)
  for (const c of Buffer.from(text)) kindOf[c] = kind;
