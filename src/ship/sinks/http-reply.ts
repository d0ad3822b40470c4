/**
 * What a 2xx means: delivered, unless the reply says how it went with each record, or that something failed. These shapes
 * are understood; their items stand in the order of the batch, and there are as many:
 *
 *   { "items": [ { "status": 200 }, { "status": 400 } ] }                  "status" or "code" of HTTP
 *   { "errors": true, "items": [ { "index": { "status": 201 } } ] }        Elasticsearch's bulk reply
 *   { "results": [ ... ] }  [ ... ]                                        the same items
 *
 * An item is delivered when its status is 2xx, or, without one, when it says neither "error" nor success: false. The
 * others mean what that status would mean for a batch (status-problems.ts): the content is refused, or sent again; where it
 * is a matter of set-up and no record was taken, all is blocked.
 *
 * errors: false is delivered, whatever else there is. errors: true or success: false without a list that fits, a reply that
 * is cut and would have said more, and 207 without a list that fits, cannot be judged. The batch is then sent again in
 * halves, whose replies are shorter, or again as it is: received twice, which ids show, but not lost.
 */
import { retry } from '../failure.ts';
import type { HttpReply } from '../http-client.ts';
import type { Whom } from '../problem-words.ts';
import type { Outcome } from '../sink.ts';
import { type Answer, isWebPage, itemProblem, type NotDelivered, namedStatus, notAnApi, retryAfterMs } from '../status-problems.ts';

type Failed = Extract<Outcome, { readonly type: 'in-part' }>['failed'][number];

/** Whom it comes from, and what statuses mean there. */
export interface ReplyContext {
  readonly url: URL;
  readonly whom: Whom;
  readonly nowMs: number;
  readonly judge: (answer: Answer) => NotDelivered;
}

const DELIVERED: Outcome = { type: 'delivered' };
const MULTI_STATUS = 207;
const SAYS_NO_ERRORS = /^\s*\{[^[{]{0,200}"errors"\s*:\s*false/;
const SAYS_MORE = /^\s*(\[|\{[^[]{0,200}("errors"\s*:\s*true|"success"\s*:\s*false|"(items|results)"\s*:\s*\[))/;

/** Outcome of an answer whose status is 2xx. */
export function successOutcome(reply: HttpReply, records: number, context: ReplyContext): Outcome {
  if (isWebPage(reply)) return notAnApi(reply, context.url);
  const isMulti = reply.status === MULTI_STATUS;
  const isJson = /json/i.test(reply.header('content-type'));
  if (!isMulti && !isJson) return DELIVERED;
  if (reply.isCut) {
    const text = reply.text();
    if (SAYS_NO_ERRORS.test(text)) return DELIVERED;
    return isMulti || SAYS_MORE.test(text) ? tooLong(context.whom) : DELIVERED;
  }
  const said = parsed(reply.body);
  if (isObject(said) && said.errors === false) return DELIVERED;
  const items = itemsOf(said);
  if (items !== null && items.length === records) return itemsOutcome(reply, items, context);
  const isFailure = isObject(said) && (said.errors === true || said.success === false);
  return isMulti || isFailure ? unclear(reply, context) : DELIVERED;
}

function itemsOutcome(reply: HttpReply, items: readonly unknown[], { whom, nowMs, judge }: ReplyContext): Outcome {
  const failed: Failed[] = [];
  let blocking: NotDelivered | null = null;
  for (const [index, item] of items.entries()) {
    const status = statusOf(item);
    if (status >= 200 && status < 300) continue;
    const outcome = judge({ status, header: (name) => reply.header(name), text: () => '' });
    if (outcome.type === 'blocked') blocking ??= outcome;
    const isRefused = outcome.type === 'refused' || outcome.type === 'too-large';
    failed.push({
      index,
      outcome: isRefused ? 'refused' : 'retry',
      problem: outcome.type === 'retry' ? outcome.problem : itemProblem(status, isRefused, whom),
    });
  }
  if (failed.length === 0) return DELIVERED;
  if (blocking !== null && failed.length === items.length) return blocking;
  return { type: 'in-part', failed, afterMs: retryAfterMs(reply, nowMs) };
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    return null;
  }
}

/** The list of results; null: the reply has none. */
function itemsOf(reply: unknown): readonly unknown[] | null {
  if (Array.isArray(reply)) return reply.every(isObject) ? reply : null;
  if (!isObject(reply)) return null;
  const items = Array.isArray(reply.items) ? reply.items : reply.results;
  return Array.isArray(items) && items.every(isObject) ? items : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** HTTP status of one item; where it has none, 200 or 400 by what else it says. */
function statusOf(item: unknown): number {
  if (!isObject(item)) return 200;
  const keys = Object.keys(item);
  const inner = keys.length === 1 ? item[keys[0]] : undefined;
  // Elasticsearch puts the action around it: index, create, update, delete.
  const one = isObject(inner) && 'status' in inner ? inner : item;
  for (const status of [one.status, one.code, one.statusCode]) {
    const number = typeof status === 'string' && /^\d{3}$/.test(status) ? Number(status) : status;
    if (typeof number === 'number' && number >= 100 && number < 600) return number;
  }
  const isBad = one.success === false || one.ok === false || one.status === 'error' || one.status === 'failed';
  return isBad || (one.error !== undefined && one.error !== null && one.error !== false && one.error !== '') ? 400 : 200;
}

function tooLong(whom: Whom): Outcome {
  const problem = {
    code: 'reply-too-long',
    what: `${whom.Name} says for each record how it went, in a reply that is longer than is read`,
    next: 'It is sent again in halves by itself; lower batch.recordsMax, so that this is not needed.',
  };
  return { type: 'retry', problem, afterMs: 0, inHalves: true };
}

function unclear(reply: HttpReply, { whom, nowMs }: ReplyContext): Outcome {
  return retry(
    'reply-unclear',
    `${whom.Name} answers that something failed (${namedStatus(reply.status)}), but not for each record how it went`,
    'Its reply has to be JSON with "items" or "results", one for each record, each with "status". It is tried again by itself.',
    retryAfterMs(reply, nowMs),
  );
}
