/** Places of a call in which something can be masked, by number: side and kind. */
import { placeNames } from '../spec.ts';

export const METHOD = 0;
export const HOST = 1;
export const PATH = 2;
export const QUERY = 3;
export const HEADER = 4;
export const COOKIE = 5;
export const BODY = 6;
export const TRAILER = 7;
export const REASON = 8;
/** Added for the response. */
export const OF_RESPONSE = 16;

/** What is being looked at: `place[0]` is one of the numbers above. Rules for other places do not apply. */
export const place: Int32Array = new Int32Array(1);

/** "request.header", "response.body" */
export const placeTexts: readonly string[] = [
  ...placeNames.map((name) => `request.${name}`),
  ...Array.from({ length: OF_RESPONSE - placeNames.length }, () => ''),
  ...placeNames.map((name) => `response.${name}`),
];
