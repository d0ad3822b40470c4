/**
 * The static table of HPACK (RFC 7541, appendix A): 61 fields that need no literal. Their bytes lie at the front of the
 * arena's header region, so that a field from here is four offsets as any other.
 */
import { bytes, headerRegion } from '../base/arena.ts';

const STATIC_BYTES_MAX = 4096;

// In the order of their indexes, from 1 on.
const fields = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`.split('\n');

/** The last index of the static table; 62 is the newest entry of the dynamic one. */
export const STATIC_LAST = 61;
if (fields.length !== STATIC_LAST) throw new Error(`static table: ${fields.length} fields`);

/** Field `index` has the words `index << 2` and the three after it: name at, name end, value at, value end. */
export const staticFields: Int32Array = new Int32Array((STATIC_LAST + 1) << 2);

let top = headerRegion.at;
for (const [i, field] of fields.entries()) {
  const [, name, value] = /^(\S+) ?(.*)$/.exec(field) ?? ['', '', ''];
  const f = (i + 1) << 2;
  staticFields[f] = top;
  top += bytes.write(name, top, 'latin1');
  staticFields[f + 1] = top;
  staticFields[f + 2] = top;
  top += bytes.write(value, top, 'latin1');
  staticFields[f + 3] = top;
}
if (top > headerRegion.at + STATIC_BYTES_MAX) throw new Error('static table: no room');

/** One past the part of the header region that the static table may take. */
export const STATIC_END: number = headerRegion.at + STATIC_BYTES_MAX;
const FROM = headerRegion.at;
const TO = STATIC_END;

/** Whether the string that begins at `at` is one of the static table. */
export function isStatic(at: number): boolean {
  return at >= FROM && at < TO;
}
