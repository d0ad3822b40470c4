/**
 * Masking a message of WebSocket: its content is walked as a body without a media type, so JSON is walked as JSON, other text
 * as text, and what is no text is removed as binary bodies are. Rules that are for bodies apply: of the client's messages as
 * of requests, of the server's as of responses.
 *
 * Where nothing can be masked (a fault, no room) the record is not written, or its content is one `*unreadable*`.
 */
import { counter, counts } from '../../base/counters.ts';
import { endMessageRecord, writeContent, writeMessage } from '../../normalise/encode-message.ts';
import { type Literal, literal, writeLiteral } from '../../normalise/json.ts';
import { finishedMessage } from '../../websocket/finished-messages.ts';
import { openedMessage, openMessage, passMessage } from '../../websocket/open-message.ts';
import { maskDocument } from './document.ts';
import { addEdit, applyEdits, beginEdits, cutPlaces, hasEdits, notesOf, resetEdits } from './edits.ts';
import { resetField } from './field.ts';
import { maskedPart } from './layout.ts';
import { SHED_BODIES, SHED_NOTHING, writeReport } from './mask-call.ts';
import { BODY, OF_RESPONSE, place } from './place.ts';
import { UNREADABLE_TEXT } from './stack.ts';
import { UNREADABLE } from './unreadable.ts';

const C = counts;
const F = finishedMessage;
const O = openedMessage;
const P = place;
const T_MASKED = counter('messages.masked');
const T_SHED = counter('messages.shed{bodies}');
/** What was opened lies in the upper half. */
const HALF: number = maskedPart.at + ((maskedPart.end - maskedPart.at) >> 1);
const L_SHED = literal(',"shed":["bodies"]');

/** As encodeMessage, masked; `shed` as for calls: gives `to` when the whole record is left out. */
export function encodeMaskedMessage(to: number, prefix: Literal, n: number, context: Literal, shed: number): number {
  if (shed !== SHED_NOTHING) {
    passMessage();
    if (shed !== SHED_BODIES) return to;
    const o = writeMessage(to, prefix, n, context, false);
    if (!F.withBody) return endMessageRecord(o);
    C[T_SHED]++;
    return endMessageRecord(writeLiteral(o, L_SHED));
  }
  if (!F.withBody) return endMessageRecord(writeMessage(to, prefix, n, context, false));
  resetEdits();
  openMessage(HALF);
  let o = writeMessage(to, prefix, n, context, true);
  const masked = maskContent(O.at, O.end);
  o = masked < 0 ? writeContent(o, O.at, O.end) : writeContent(o, maskedPart.at, masked);
  if (notesOf().found > 0) C[T_MASKED]++;
  return endMessageRecord(writeReport(o));
}

/** Where the masked copy ends, which begins with `maskedPart`; -1 when nothing is to be masked. */
function maskContent(at: number, end: number): number {
  if (end === at) return -1;
  beginEdits();
  resetField();
  P[0] = F.side?.isServer ? BODY + OF_RESPONSE : BODY;
  maskDocument(at, end, O.isCut, 0, 0);
  if (!hasEdits()) return -1;
  const masked = applyEdits(at, end, maskedPart.at, HALF);
  if (masked >= 0) return masked;
  cutPlaces(0, 0);
  beginEdits();
  addEdit(at, end, UNREADABLE, UNREADABLE_TEXT.at + 1, UNREADABLE_TEXT.end - 1);
  return applyEdits(at, end, maskedPart.at, HALF);
}
