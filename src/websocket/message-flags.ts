/** Flags of a message, beside its opcode. */
export const COMPRESSED = 0x10;
/** A part of it was not seen. */
export const INCOMPLETE = 0x20;
/** Sent with an extension that is not known: what it says is not known. */
export const OPAQUE = 0x40;
