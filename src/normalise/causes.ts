/**
 * The versions of the public records, and the words by which a call says why it is not complete. Kept apart from
 * normalise/api-call.ts, gap-record.ts and closing-record.ts because the hot path needs them and not the schemas.
 */
export const SCHEMA = 'earshot.api-call/1';
export const GAP_SCHEMA = 'earshot.gap/1';
export const CLOSING_SCHEMA = 'earshot.closing/1';
export const MESSAGE_SCHEMA = 'earshot.websocket/1';

/** Why a call is not complete. */
export const causes = [
  'no-response',
  'no-request',
  'gap',
  'cut-at-limit',
  'closed',
  'reset',
  'idle-timeout',
  'evicted',
  'capture-end',
  'midstream',
  'malformed',
  'headers-unknown',
  'still-open',
] as const;
