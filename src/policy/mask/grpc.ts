/**
 * The message of a gRPC status. It is found where it is on the wire, and stands in the record without its percent-coding, so it is
 * looked at by itself, as the value of a field that is called so. The report has no place for it: its trailer, or the body, is in it.
 */
import { G_MESSAGE, G_MESSAGE_END, grpc } from '../../normalise/call-grpc.ts';
import { applyEdits, beginEdits, cutPlaces, hasEdits, notesOf, placesNoted } from './edits.ts';
import { resetField } from './field.ts';
import { inspectValue, nameRule } from './inspect.ts';
import { OF_RESPONSE, place, TRAILER } from './place.ts';
import { GRPC_MESSAGE_NAME, HIDDEN_NAME } from './stack.ts';
import { PLAIN } from './value.ts';

const G = grpc;
const P = place;

/** Masks the message that was found; the masked one is written at `to`, up to `toEnd`. */
export function maskGrpc(to: number, toEnd: number): void {
  const at = G[G_MESSAGE];
  const end = G[G_MESSAGE_END];
  if (end === at) return;
  beginEdits();
  resetField();
  P[0] = TRAILER + OF_RESPONSE;
  inspectValue(at, end, PLAIN, nameRule(GRPC_MESSAGE_NAME.at, GRPC_MESSAGE_NAME.end));
  if (!hasEdits()) return;
  const noted = placesNoted();
  const found = notesOf().found;
  const newEnd = applyEdits(at, end, to, toEnd);
  cutPlaces(noted, found);
  G[G_MESSAGE] = newEnd < 0 ? HIDDEN_NAME.at : to;
  G[G_MESSAGE_END] = newEnd < 0 ? HIDDEN_NAME.end : newEnd;
}
