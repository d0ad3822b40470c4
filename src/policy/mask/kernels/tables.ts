/**
 * What the kernels read and write beside the bytes of the call, in `tablesPart`:
 *
 *   cells    where a walk stopped and why; types of its levels
 *   names    slots of 64 bytes: hash (its lower half: row of the value that stood there last), length, place and the slot
 *            that came next, what is known of it, the name
 *   values   rows of 16 bytes: hash, length, place and form; and 256 bytes of the value for each
 *   lasts    for each slot of a name, 64 bytes: length of the value of a field of that name that was clean the last time, the value
 */
import { tablesPart } from '../layout.ts';

/** `copy` may write a little beyond the part before. */
const T = (tablesPart.at + 79) & ~15;
// Cells.
export const AT: number = T;
export const FROM: number = T + 4;
export const TO: number = T + 8;
export const LEVEL: number = T + 12;
export const STATE: number = T + 16;
export const HASH: number = T + 20;
/** Of the name before the next value: 1 when it has a rule, 2 when it is "name" or "key". */
export const FORCED: number = T + 24;
/** 1: rules look for IP addresses. */
export const FINDS_IP: number = T + 28;
/** 1: a number may be a name that has a rule. */
export const NUMBERS_ARE_NAMES: number = T + 56;
/** Rule of the name before the next value. */
export const RULE: number = T + 48;
/** Slot of the name of the field that `head` stopped at; 0: it is not known. */
export const SLOT: number = T + 52;
/** Slots of the names of the field and of the pair that were looked at last, so that the order of names goes on over stops and heads. */
export const FIELD_SLOT: number = T + 60;
export const PAIR_SLOT: number = T + 128;
/** The hash of a value, sixteen bytes, before it becomes one word. */
export const LANES: number = T + 32;
/** Sixteen zero bytes. */
export const NONE: number = T + 240;
/** One byte a level: 1 is an object. */
export const TYPES: number = T + 64;
export const LEVELS_MAX = 56;
/** Eight bytes a level: name at and end, or index and -1 (field.ts). */
export const PATH: number = T + 256;
/** Of detectors/numbers.ts: sizes of the first two groups of digits. */
export const GROUPS: number = T + 1024;
/** Of detectors/iban.ts: lengths by country. */
export const COUNTRIES: number = T + 2048;
/** Of detectors/numbers.ts: with which digits long numbers begin. */
export const FIRSTS: number = T + 2880;
/** Of detectors/api-key.ts: how keys begin. */
export const PAIRS: number = T + 4096;
export const NAMES: number = T + (32 << 10);
export const NAME_SLOTS = 2048;
export const NAME_BYTES_MAX = 48;
export const VALUES: number = NAMES + NAME_SLOTS * 64;
export const VALUE_SLOTS = 2048;
export const VALUE_BYTES_MAX = 256;
export const VALUE_TEXTS: number = VALUES + VALUE_SLOTS * 16;
export const LASTS: number = VALUE_TEXTS + VALUE_SLOTS * VALUE_BYTES_MAX;
export const LASTS_END: number = LASTS + NAME_SLOTS * 64;
export const LAST_BYTES_MAX = 48;
if (LASTS_END + 64 > tablesPart.end) throw new RangeError('no room for the tables of the kernels');

// What `walk` gives back.
export const DONE = 0;
/** It is not plain JSON: json.ts has to walk it from its start. */
export const GIVEN_UP = 1;
export const STRING = 2;
export const NAME = 3;
export const BARE = 4;
/** Beside the place, in the key of values: in JSON strings; in that and in the place of names: in pairs of a form, in cookies, in a path. */
export const IN_JSON = 256;
export const IN_FORM = 512;
export const IN_COOKIES = 1024;
export const IN_PATH = 2048;
/** Segments of a path from this length on may be tokens. */
export const TOKEN_BYTES_MIN = 16;
// What is known of a name: flags, then kind of field (header-value.ts), rule, and what counts for values (names.ts).
/** It has a rule, or its values are not looked at as they stand. */
export const IS_SPECIAL = 2;
/** Always set. */
export const IS_KNOWN = 4;
export const KIND_SHIFT = 8;
export const RULE_SHIFT = 16;
export const DENIED_SHIFT = 24;
/** Where the kind stands in the key of a value. */
export const KIND_OF_KEY_SHIFT = 10;

// Numbers of the kernels that others call, in the order of kernels.ts.
export const CLEAN = 0;
export const KNOWN = 1;
export const NAMED = 2;
