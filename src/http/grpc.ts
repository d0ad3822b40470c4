/** Heads whose media type says that the body is messages of gRPC: from here on these are counted (grpc/messages.ts). */
import { bodyKind, GRPC_WEB_TEXT, KIND_MASK, NO_KIND, PROTOBUF } from '../grpc/media-type.ts';
import { beginMessages, openMessages } from '../grpc/messages.ts';
import * as t from './transaction.ts';

const K = t.calls;
const { C_FLAGS, C_GRPC, HAS_MESSAGES, REQUEST, S_CODING } = t;

/** The head of one side of the call at `k` has the media type [at, end). */
export function noteMediaType(k: number, side: number, at: number, end: number): void {
  const kind = bodyKind(at, end) & KIND_MASK;
  if (kind === NO_KIND) return;
  K[k + C_FLAGS] |= HAS_MESSAGES;
  if (kind === PROTOBUF || kind > GRPC_WEB_TEXT) return;
  if (K[k + C_GRPC] === 0) K[k + C_GRPC] = openMessages();
  beginMessages(K[k + C_GRPC], side === REQUEST ? 0 : 1, kind, K[k + side + S_CODING] !== 0);
}
