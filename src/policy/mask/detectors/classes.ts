/**
 * What a byte can be part of, for the pass over a value (detect.ts) and for the detectors: one table of bits, and what a
 * detector found when that does not begin where it was asked to look.
 *
 * A word is a longest run of ASCII letters and digits. Bytes beyond ASCII belong to no word, so a number that stands
 * between letters of another script is still found.
 */
export const DIGIT = 1;
export const LOWER = 2;
export const UPPER = 4;
/** Letters and digits. */
export const WORD: number = DIGIT | LOWER | UPPER;
/** Not a word, but something may end or begin at it: @ : = + ( - < */
export const SPECIAL = 8;
/** Joins the parts of keys: _ - . */
export const JOIN = 16;
/** Where the pass halts: all but small letters, blanks and what separates words. */
export const ANCHOR = 256;
/** base64url (RFC 4648, 5), without padding. */
export const BASE64URL = 32;
/** May stand in the local part of an address of mail; not those that separate names and values in text. */
export const MAIL = 64;
/** Ends a bare value in text. */
export const STOP = 128;

export const classes: Uint16Array = new Uint16Array(256);
const K = classes;
for (let c = 48; c < 58; c++) K[c] = DIGIT | BASE64URL | MAIL;
for (let c = 65; c < 91; c++) K[c] = UPPER | BASE64URL | MAIL;
for (let c = 97; c < 123; c++) K[c] = LOWER | BASE64URL | MAIL;
for (let c = 128; c < 256; c++) K[c] = MAIL;
for (const c of '@:=+(-<') K[c.charCodeAt(0)] |= SPECIAL;
for (const c of '_-.') K[c.charCodeAt(0)] |= JOIN;
for (let c = 0; c < 128; c++) if ((K[c] & (DIGIT | UPPER | SPECIAL | JOIN)) !== 0) K[c] |= ANCHOR;
for (const c of '-_') K[c.charCodeAt(0)] |= BASE64URL;
for (const c of ".!#$%'*+-^_`~") K[c.charCodeAt(0)] |= MAIL;
for (const c of ' \t\r\n,;&"\'`)]}<>|') K[c.charCodeAt(0)] |= STOP;

/** Detectors as bits, in the order of `detectorNames`. */
export const CARD = 0;
export const IBAN = 1;
export const JWT = 2;
export const BEARER = 3;
export const BASIC = 4;
export const API_KEY = 5;
export const PRIVATE_KEY = 6;
export const EMAIL = 7;
export const PHONE = 8;
export const NATIONAL_ID = 9;
export const IP = 10;
export const SECRET = 11;
/** Rules with a pattern. */
export const PATTERN = 12;

/** What a detector found: its start, and which it is; for SECRET also the rule. The end is what the function returns. */
export const hit: Int32Array = new Int32Array(3);

/** Bytes that detectors looked at beside the one pass over the value: tests see by it that time stays linear. */
export const looked: Float64Array = new Float64Array(1);
