/**
 * How policy/ divides its region of the arena. Everything here is of the call at hand and is written anew for the next,
 * but for the literals, which stay as long as the rules do.
 *
 *   literals  replacements that are the same for every value of a rule
 *   texts     replacements and field paths of the edits
 *   values    values with their escapes undone, documents inside of values: a stack
 *   opened    bodies of request and response with their content-coding undone
 *   masked    heads, trailers and bodies after masking
 *   operation names of the operation, and what they were found in with its escapes undone
 *   grpc      message of a gRPC status, as it came and masked
 *   tables    what the kernels of quick.ts read; stays as long as the rules do
 */
import { policyRegion, type Region } from '../../base/arena.ts';

const MIB = 1 << 20;
let top = policyRegion.at;

function part(name: string, length: number): Region {
  const region = { name, at: top, end: top + length };
  top += length;
  if (top > policyRegion.end) throw new Error(`policy region: no room for ${name}`);
  return region;
}

export const literalsPart: Region = part('literals', 64 << 10);
export const textsPart: Region = part('texts', 2 * MIB);
export const valuesPart: Region = part('values', 4 * MIB);
export const openedParts: readonly [Region, Region] = [part('opened request', MIB), part('opened response', MIB)];
export const maskedPart: Region = part('masked', 16 * MIB);
export const operationPart: Region = part('operation', 512 << 10);
export const grpcPart: Region = part('grpc', 192 << 10);
export const tablesPart: Region = part('tables', MIB);
