/**
 * What makes a message of HTTP/2 malformed (RFC 9113, 8.1 to 8.3), as weirds of its call: bit i of C_HTTP2_WEIRDS is
 * `http2CallWeirds[i]`. Peers may not pass such a message on, so where one does, somebody tries what the next one makes of it.
 */
import { raise, type WeirdName, weird } from '../base/weird.ts';

export const http2CallWeirds: readonly WeirdName[] = [
  'http.http2.bad_field_name',
  'http.http2.bad_field_value',
  'http.http2.connection_field',
  'http.http2.conflicting_host',
  'http.http2.length_mismatch',
  'http.http2.bad_pseudo',
  'http.http2.missing_pseudo',
  'http.http2.misplaced_pseudo',
  'http.http2.repeated_pseudo',
  'http.http2.unknown_pseudo',
];
const bitOf = (name: WeirdName): number => 1 << http2CallWeirds.indexOf(name);

export const BAD_FIELD_NAME: number = bitOf('http.http2.bad_field_name');
export const BAD_FIELD_VALUE: number = bitOf('http.http2.bad_field_value');
export const CONNECTION_FIELD: number = bitOf('http.http2.connection_field');
export const CONFLICTING_HOST: number = bitOf('http.http2.conflicting_host');
export const LENGTH_MISMATCH: number = bitOf('http.http2.length_mismatch');
export const BAD_PSEUDO: number = bitOf('http.http2.bad_pseudo');
export const MISSING_PSEUDO: number = bitOf('http.http2.missing_pseudo');
export const MISPLACED_PSEUDO: number = bitOf('http.http2.misplaced_pseudo');
export const REPEATED_PSEUDO: number = bitOf('http.http2.repeated_pseudo');
export const UNKNOWN_PSEUDO: number = bitOf('http.http2.unknown_pseudo');

const weirdOfBit = http2CallWeirds.map((name) => weird(name));

/** Counts every weird whose bit is set. */
export function raiseHttp2Bits(bits: number): void {
  for (let rest = bits; rest !== 0; rest &= rest - 1) raise(weirdOfBit[31 - Math.clz32(rest & -rest)]);
}
