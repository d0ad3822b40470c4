/**
 * The version of the public record, and the words by which it says why a call is not complete. Kept apart from
 * normalise/api-call.ts because the hot path needs them and not the schema.
 */
export const SCHEMA = 'earshot.api-call/1';

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
] as const;
