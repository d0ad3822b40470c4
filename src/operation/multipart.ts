/**
 * GraphQL with files: the first part of a multipart form is named `operations`, and is what would be the body without files.
 *
 *   --boundary CRLF
 *   Content-Disposition: form-data; name="operations" CRLF
 *   CRLF
 *   {"query":"mutation Upload($file: Upload!) { ... }","variables":{"file":null}}  CRLF --boundary CRLF ...
 *
 * The form orders it so, so that servers may stream the files. Bounds: FIELDS_BYTES_MAX for boundary and fields of the part, linear
 * beyond. Left out: forms in which another part is first.
 */
import { bytes } from '../base/arena.ts';
import { startsWith } from '../http/head.ts';

const B = bytes;
const LF = 10;
const CR = 13;
const FIELDS_BYTES_MAX = 1024;
const BOUNDARY_BYTES_MAX = 74;

const text = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));
const F_DISPOSITION = text('content-disposition:');
const P_OPERATIONS = text('name="operations"');
const P_BARE = text('name=operations');

/** The content of the part that was found last. */
export const operationsPart = { at: 0, end: 0 };

/** Finds the part in the body whose first boundary begins at `at`; without an end of its own it goes to `end`. */
export function findOperationsPart(at: number, end: number): boolean {
  const fieldsEnd = Math.min(end, at + FIELDS_BYTES_MAX);
  let p = lineEnd(at, fieldsEnd);
  const boundaryEnd = p > at && B[p - 1] === CR ? p - 1 : p;
  if (p >= fieldsEnd || boundaryEnd - at > BOUNDARY_BYTES_MAX || B[at + 1] !== 45) return false;
  let isOurs = false;
  for (;;) {
    const line = p + 1;
    p = lineEnd(line, fieldsEnd);
    if (p >= fieldsEnd) return false;
    if (p === line || (p === line + 1 && B[line] === CR)) break;
    if (startsWith(line, p, F_DISPOSITION)) isOurs = isOperations(line, p);
  }
  if (!isOurs) return false;
  operationsPart.at = p + 1;
  operationsPart.end = partEnd(p + 1, end, at, boundaryEnd);
  return true;
}

function lineEnd(at: number, end: number): number {
  let p = at;
  while (p < end && B[p] !== LF) p++;
  return p;
}

function isOperations(at: number, end: number): boolean {
  for (let p = at + F_DISPOSITION.length; p < end; p++) {
    if ((B[p] | 0x20) !== 110 || B[p - 1] > 59) continue;
    if (startsWith(p, end, P_OPERATIONS)) return true;
    if (startsWith(p, end, P_BARE)) {
      const next = p + P_BARE.length;
      return next >= end || B[next] <= 32 || B[next] === 59;
    }
  }
  return false;
}

/** Where the next boundary begins, at the begin of a line. */
function partEnd(at: number, end: number, boundaryAt: number, boundaryEnd: number): number {
  const length = boundaryEnd - boundaryAt;
  for (let p = at; p + length <= end; p++) {
    if (B[p] !== 45 || B[p - 1] !== LF) continue;
    let i = 1;
    while (i < length && B[p + i] === B[boundaryAt + i]) i++;
    if (i === length) return p;
  }
  return end;
}
