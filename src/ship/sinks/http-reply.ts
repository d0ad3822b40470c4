/**
 * What a 2xx means: delivered, unless the reply says how it went with each record, or that something failed. These shapes
 * are understood; their items stand in the order of the batch, and there are as many:
 *
 *   { "items": [ { "status": 200 }, { "status": 400 } ] }                  "status" or "code" of HTTP
 *   { "errors": true, "items": [ { "index": { "status": 201 } } ] }        Elasticsearch's bulk reply
 *   { "results": [ ... ] }  [ ... ]                                        the same items
 *
 * They are looked for in every body that begins like JSON, whatever Content-Type calls it.
 *
 * An item is delivered when its status is 2xx, or, without one, when it says neither "error" nor success: false. The
 * others mean what that status would mean for a batch (status-problems.ts): the content is refused, or sent again; where it
 * is a matter of set-up and no record was taken, all is blocked. In a 207, and where something failed, a status that is none
 * of HTTP counts as delivered only when it is a word like "ok"; otherwise the record is sent again.
 *
 * errors: false is delivered, whatever else there is. errors: true or success: false without a list that fits, a reply that
 * is cut or breaks off and would have said more, one in a content coding that cannot be taken off, and 207 without a list
 * that fits, cannot be judged. The batch is then sent again in halves, whose replies are shorter, or again as it is: received
 * twice, which ids show, but not lost.
 */
import { retry } from '../failure.ts';
import type { HttpReply } from '../http-client.ts';
import type { Whom } from '../problem-words.ts';
import type { Outcome, Problem } from '../sink.ts';
import { type Answer, isWebPage, itemProblem, type NotDelivered, namedStatus, notAnApi, retryAfterMs } from '../status-problems.ts';

type Item = Readonly<Record<string, unknown>>;
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
/** Of a reply that is not whole: the first letter of true and false is enough. */
const SAYS_MORE = /^\s*(\[\s*(\{|$)|\{[^[]{0,200}("errors"\s*:\s*t|"success"\s*:\s*f|"(items|results)"\s*:\s*\[))/;
/** "200", "400 Bad Request", "HTTP/1.1 201 Created" */
const STATUS_TEXT = /^(?:HTTP\/\d(?:\.\d)? )?([1-5]\d\d)(?: |$)/;
const GOOD_WORD = /^(ok|success|successful|succeeded|accepted|created|updated|stored|delivered|processed|completed?|done)$/i;

/** Outcome of an answer whose status is 2xx. */
export function successOutcome(reply: HttpReply, records: number, context: ReplyContext): Outcome {
  if (isWebPage(reply)) return notAnApi(reply, context.url);
  const text = new TextDecoder().decode(reply.body);
  const said = reply.isCut ? undefined : parsed(text);
  if (said === undefined) return unparsedOutcome(reply, text, context);
  if (isObject(said) && said.errors === false) return DELIVERED;
  const items = itemsOf(said);
  const isFailing = reply.status === MULTI_STATUS || (isObject(said) && (said.errors === true || said.success === false));
  if (items !== null && items.length === records) return itemsOutcome(reply, items, isFailing, context);
  return isFailing ? unclear(reply, context, saysFailed(reply, context)) : DELIVERED;
}

/** Of a reply that is no JSON, or not whole. */
function unparsedOutcome(reply: HttpReply, text: string, context: ReplyContext): Outcome {
  const { whom } = context;
  const status = namedStatus(reply.status);
  if (reply.isCoded) {
    if (reply.isCut) return tooLong(whom);
    return unclear(
      reply,
      context,
      `The reply of ${whom.name} (${status}) cannot be decoded: its Content-Encoding is not known, or not true`,
    );
  }
  if (SAYS_NO_ERRORS.test(text)) return DELIVERED;
  const saysMore = SAYS_MORE.test(text);
  if (!saysMore && reply.status !== MULTI_STATUS) return DELIVERED;
  if (reply.isCut) return tooLong(whom);
  return unclear(reply, context, saysMore ? `The reply of ${whom.name} (${status}) breaks off` : saysFailed(reply, context));
}

/** `isFailing`: it says that something failed. */
function itemsOutcome(reply: HttpReply, items: readonly Item[], isFailing: boolean, { whom, nowMs, judge }: ReplyContext): Outcome {
  const failed: Failed[] = [];
  let blocking: NotDelivered | null = null;
  for (const [index, item] of items.entries()) {
    const status = statusOf(item, isFailing);
    if (status === null) {
      failed.push({ index, outcome: 'retry', problem: unclearItem(whom) });
      continue;
    }
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

/** undefined: it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The list of results; null: the reply has none. */
function itemsOf(reply: unknown): readonly Item[] | null {
  if (Array.isArray(reply)) return reply.every(isObject) ? reply : null;
  if (!isObject(reply)) return null;
  const items = Array.isArray(reply.items) ? reply.items : reply.results;
  return Array.isArray(items) && items.every(isObject) ? items : null;
}

function isObject(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** HTTP status of one item; where it has none, 200 or 400 by what else it says. null: it cannot be told. */
function statusOf(item: Item, isFailing: boolean): number | null {
  const values = Object.values(item);
  const inner = values.length === 1 ? values[0] : undefined;
  // Elasticsearch puts the action around it: index, create, update, delete.
  const one = isObject(inner) && ('status' in inner || 'error' in inner) ? inner : item;
  const said = [one.status, one.code, one.statusCode].filter((value) => value !== undefined && value !== null);
  const status = said.map(httpStatus).find((value) => value !== null);
  if (status !== undefined) return status;
  if (saysError(one)) return one === item ? 400 : null;
  return isFailing && !said.every(isGood) ? null : 200;
}

function httpStatus(value: unknown): number | null {
  const number = typeof value === 'string' ? Number(STATUS_TEXT.exec(value)?.[1]) : value;
  return typeof number === 'number' && number >= 100 && number < 600 ? number : null;
}

function saysError({ success, ok, status, error }: Item): boolean {
  if (success === false || ok === false || status === 'error' || status === 'failed') return true;
  return error !== undefined && error !== null && error !== false && error !== '';
}

function isGood(value: unknown): boolean {
  return value === true || (typeof value === 'string' && GOOD_WORD.test(value));
}

function unclearItem(whom: Whom): Problem {
  return {
    code: 'record-not-taken',
    what: `${whom.Name} does not say clearly how it went with a record`,
    next: 'Its reply has to have a "status" of HTTP for each. It is tried again by itself.',
  };
}

function tooLong(whom: Whom): Outcome {
  const problem = {
    code: 'reply-too-long',
    what: `${whom.Name} says for each record how it went, in a reply that is longer than is read`,
    next: 'It is sent again in halves by itself; lower batch.recordsMax, so that this is not needed.',
  };
  return { type: 'retry', problem, afterMs: 0, inHalves: true };
}

function saysFailed({ status }: HttpReply, { whom }: ReplyContext): string {
  return `${whom.Name} answers that something failed (${namedStatus(status)}), but not for each record how it went`;
}

function unclear(reply: HttpReply, { nowMs }: ReplyContext, what: string): Outcome {
  return retry(
    'reply-unclear',
    what,
    'Its reply has to be JSON with "items" or "results", one for each record, each with "status". It is tried again by itself.',
    retryAfterMs(reply, nowMs),
  );
}
