/**
 * The part `values` of the region as a stack: a value whose escapes are undone lies here while it is looked at, and above it
 * the values that are found inside of it. Below everything lie a few texts that never change.
 *
 *   valuesPart   | fixed texts | value, undone | value inside of it, undone | ...      | scratch |
 *                              ^ bottom                                     ^ top
 *
 * Bound: the size of the part. `room` says whether so much can be written at the top; what does not fit is masked whole.
 */
import { bytes } from '../../base/arena.ts';
import { valuesPart } from './layout.ts';

const B = bytes;
const SCRATCH_BYTES = 256;
const END = valuesPart.end - SCRATCH_BYTES;
/** The kernels behind detectors may read a little beyond what they are given. */
const SLACK_BYTES = 16;

let fixedEnd = valuesPart.at;

/** Room for a few bytes in another form, while one detector looks at them. */
export const SCRATCH: FixedText = { at: END, end: valuesPart.end };

/** A text of ASCII that stays: [at, end) of the arena. */
export interface FixedText {
  readonly at: number;
  readonly end: number;
}

function fixed(text: string): FixedText {
  const at = fixedEnd;
  fixedEnd += B.write(text, at, 'latin1');
  return { at, end: fixedEnd };
}

/** With its quotes, for a bare token of JSON; without them for all other forms. */
export const UNREADABLE_TEXT: FixedText = fixed('"*unreadable*"');
/** In place of a text of which nobody says what it is. */
export const UNNAMED_TEXT: FixedText = fixed('*unnamed*');
/** Stands in a field path for a name that is itself sensitive. */
export const HIDDEN_NAME: FixedText = fixed('*');
/** Names that a place has without saying so: the password in a URL, the token in `/reset/9f86d081884c7d65`. */
export const PASSWORD_NAME: FixedText = fixed('password');
export const TOKEN_NAME: FixedText = fixed('token');
/** What names of operations stand under. */
export const OPERATION_NAME: FixedText = fixed('operationName');
export const METHOD_NAME: FixedText = fixed('method');
export const SOAP_ACTION_NAME: FixedText = fixed('SOAPAction');
export const HASH_NAME: FixedText = fixed('sha256Hash');
/** What the message of a gRPC status stands under. */
export const GRPC_MESSAGE_NAME: FixedText = fixed('grpc-message');

const BOTTOM = fixedEnd;
let top = BOTTOM;

/** Where the next bytes are written. */
export function stackTop(): number {
  return top;
}

/** Whether `length` bytes fit on top. */
export function hasRoom(length: number): boolean {
  return top + length + SLACK_BYTES <= END;
}

/** Keeps what was written up to `end`, or gives back everything from there on. */
export function setStackTop(end: number): void {
  top = end;
}

/** Gives back everything but the fixed texts. */
export function clearStack(): void {
  top = BOTTOM;
}
