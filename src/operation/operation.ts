/**
 * Operation: what a call does where one URL serves many operations. It is a row of numbers that is filled for one call at a
 * time; names and hashes lie in the room that the caller gave, and stay until the next call.
 *
 *   0 protocol   1 operations of the batch, 0: no batch   2 operations kept   3 where it stands
 *   then for each operation kept: type, name at, name end, hash at, hash end; an empty range is "not known"
 */
import { bytes } from '../base/arena.ts';
import { raise, weird } from '../base/weird.ts';

const B = bytes;

export const O_PROTOCOL = 0;
export const O_BATCH = 1;
export const O_KEPT = 2;
export const O_PLACE = 3;
/** First word of the first operation. */
export const O_FIRST = 4;
export const OPERATION_WORDS = 5;
export const P_TYPE = 0;
export const P_NAME = 1;
export const P_NAME_END = 2;
export const P_HASH = 3;
export const P_HASH_END = 4;

export const NO_PROTOCOL = 0;
export const GRAPHQL = 1;
export const JSON_RPC = 2;
export const SOAP = 3;
/** By number; the names that the record and filters have. */
export const protocolNames = ['', 'graphql', 'json-rpc', 'soap'] as const;

// Where an operation stands.
export const IN_BODY = 0;
export const IN_QUERY = 1;
export const IN_HEADER = 2;

export const NO_TYPE = 0;
export const QUERY = 1;
export const MUTATION = 2;
export const SUBSCRIPTION = 3;
export const NOTIFICATION = 4;
export const typeNames = ['', 'query', 'mutation', 'subscription', 'notification'] as const;

/** Operations of a batch of which more is kept than their number. */
export const OPERATIONS_MAX = 8;
/** Longer names and hashes are left out. */
export const NAME_BYTES_MAX = 512;
const HASH_BYTES_MAX = 128;
/** So much of a GraphQL document is looked at where its escapes have to be undone. */
export const DOCUMENT_BYTES_MAX: number = 128 << 10;
const NAME_TOO_LONG = weird('limit.operation.name_bytes');
const DOCUMENT_TOO_LONG = weird('limit.operation.document_bytes');

/** Reading four bytes at a time may go a little beyond a name. */
const SLACK_BYTES = 16;
const SLOT_BYTES = NAME_BYTES_MAX + HASH_BYTES_MAX + SLACK_BYTES;
/** Room that `findOperation` needs. */
export const OPERATION_ROOM_BYTES: number = DOCUMENT_BYTES_MAX + OPERATIONS_MAX * SLOT_BYTES;

export const operation: Int32Array = new Int32Array(O_FIRST + OPERATIONS_MAX * OPERATION_WORDS);
const O = operation;

let roomAt = 0;

/** Nothing is known; names go into `room` from now on. */
export function clearOperation(room: number): void {
  O[O_PROTOCOL] = NO_PROTOCOL;
  O[O_BATCH] = 0;
  O[O_KEPT] = 0;
  O[O_PLACE] = IN_BODY;
  roomAt = room;
}

/** Where a document is written with its escapes undone, DOCUMENT_BYTES_MAX bytes. */
export function documentRoom(): number {
  return roomAt;
}

/** One more operation is kept, of which nothing is known yet; its first word. The caller has seen that fewer than OPERATIONS_MAX are kept. */
export function addOperation(): number {
  const w = O_FIRST + O[O_KEPT]++ * OPERATION_WORDS;
  O.fill(0, w, w + OPERATION_WORDS);
  return w;
}

/** The operation added last is none. */
export function dropOperation(): void {
  O[O_KEPT]--;
}

/** Where the name of the operation that begins at word `w` is written, NAME_BYTES_MAX bytes; its hash stands behind it. */
function slotOf(w: number): number {
  return roomAt + DOCUMENT_BYTES_MAX + ((w - O_FIRST) / OPERATION_WORDS) * SLOT_BYTES;
}

/** Where a name may be written with its escapes undone before `keepWritten` is called. */
export function nameRoom(w: number): number {
  return slotOf(w);
}

/** What was written into `nameRoom` up to `end` is the name. */
export function keepWritten(w: number, end: number): void {
  O[w + P_NAME] = slotOf(w);
  O[w + P_NAME_END] = end;
}

/** Copies a name. */
export function keepName(w: number, at: number, end: number): void {
  if (end - at > NAME_BYTES_MAX) {
    nameTooLong();
    return;
  }
  const to = slotOf(w);
  B.copyWithin(to, at, end);
  keepWritten(w, to + end - at);
}

export function nameTooLong(): void {
  raise(NAME_TOO_LONG);
}

export function documentTooLong(): void {
  raise(DOCUMENT_TOO_LONG);
}

/** Copies the hash of a persisted query when it is hexadecimal digits. */
export function keepHash(w: number, at: number, end: number): void {
  if (end === at || end - at > HASH_BYTES_MAX) return;
  for (let p = at; p < end; p++) {
    const c = B[p];
    const letter = c | 0x20;
    if ((c < 48 || c > 57) && (letter < 97 || letter > 102)) return;
  }
  const to = slotOf(w) + NAME_BYTES_MAX;
  B.copyWithin(to, at, end);
  O[w + P_HASH] = to;
  O[w + P_HASH_END] = to + end - at;
}
