/**
 * What can be wrong with a header block: a negative result of `decodeFields`, and the weird that the caller raises for it
 * (in the call, too). RFC 7541 has each of these as a decoding error, which ends the connection (RFC 9113, 4.3); the two
 * limits are ours.
 */
import { type WeirdName, weird } from '../base/weird.ts';

/** Index 0, or one beyond a table of which everything is known (RFC 7541, 2.3.3 and 6.1). */
export const BAD_INDEX = -1;
/** A number of more than 32 bits (5.1). */
export const BAD_INTEGER = -2;
/** The block ends inside a number or a string. */
export const TRUNCATED = -3;
/** Padding of more than 7 bits or other than ones, or the end-of-string symbol (5.2). */
export const BAD_HUFFMAN = -4;
/** A size beyond the maximum, or a size behind a field (4.2 and 6.3). */
export const BAD_TABLE_SIZE = -5;
/** More decoded bytes in one block than DECODED_BYTES_MAX. */
export const TOO_MANY_BYTES = -6;
/** More fields in one block than FIELDS_MAX. */
export const TOO_MANY_FIELDS = -7;

const names: readonly WeirdName[] = [
  'http.http2.hpack_index',
  'http.http2.hpack_integer',
  'http.http2.hpack_truncated',
  'http.http2.hpack_huffman',
  'http.http2.hpack_table_size',
  'limit.http.header_list_bytes',
  'limit.http.header_list_fields',
];
const weirds: readonly number[] = names.map((name) => weird(name));

/** The weird of a negative result. */
export function hpackWeird(error: number): number {
  return weirds[-1 - error];
}
