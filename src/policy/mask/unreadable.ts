/**
 * Rules that are in no file: what cannot be read is masked whole, whatever the rules say. Rules of files have the numbers
 * 1 to RULES_MAX; a number has eight bits in the tables.
 */
export const RULES_MAX = 250;
/** A text of Protocol Buffers that no descriptor names, where `unnamedTexts` is `remove`: `*unnamed*`. */
export const UNNAMED = 253;
/** What is neither text nor of a known structure, where `binaryBodies` is `remove`: it goes without a trace but for the report. */
export const BINARY = 254;
/** What breaks its own grammar, is nested too deeply, or is cut in the middle of a value: `*unreadable*`. */
export const UNREADABLE = 255;

export const UNNAMED_NAME = 'unnamed';
export const BINARY_NAME = 'binary';
export const UNREADABLE_NAME = 'unreadable';
