/**
 * What a 2xx means: delivered, unless the reply says how it went with each record. These shapes are understood; their
 * items stand in the order of the batch, and there are as many:
 *
 *   { "items": [ { "status": 200 }, { "status": 400 } ] }                  "status" or "code" of HTTP
 *   { "errors": true, "items": [ { "index": { "status": 201 } } ] }        Elasticsearch's bulk reply
 *   { "results": [ ... ] }  [ ... ]                                        the same items
 *
 * An item is delivered when its status is 2xx, or, without one, when it says neither "error" nor success: false. Of
 * the others 408, 429 and 5xx are sent again, the rest is refused.
 *
 * A reply that is cut and would have said so, and 207 without a list that fits, cannot be judged. The batch is then
 * sent again in halves, whose replies are shorter, or again as it is: received twice, which ids show, but not lost.
 */
import { retry } from '../failure.ts';
import type { HttpReply } from '../http-client.ts';
import type { Whom } from '../problem-words.ts';
import type { Outcome, Problem } from '../sink.ts';
import { isWebPage, itemProblem, notAnApi } from '../status-problems.ts';

type Failed = Extract<Outcome, { readonly type: 'in-part' }>['failed'][number];

const DELIVERED: Outcome = { type: 'delivered' };
const MULTI_STATUS = 207;

/** Outcome of an answer whose status is 2xx. */
export function successOutcome(reply: HttpReply, records: number, url: URL, whom: Whom): Outcome {
  if (isWebPage(reply)) return notAnApi(reply, url);
  const isMulti = reply.status === MULTI_STATUS;
  const isJson = /json/i.test(reply.header('content-type'));
  if (!isMulti && !isJson) return DELIVERED;
  if (reply.isCut)
    return isMulti || /^\s*(\[|\{[^[]{0,200}("errors"\s*:\s*true|"(items|results)"\s*:\s*\[))/.test(reply.text())
      ? tooLong(whom)
      : DELIVERED;
  const items = itemsOf(reply.body);
  if (items === null || items.length !== records) return isMulti ? unclear(whom) : DELIVERED;
  const failed: Failed[] = [];
  for (let index = 0; index < items.length; index++) {
    const status = statusOf(items[index]);
    if (status >= 200 && status < 300) continue;
    const again = status === 408 || status === 429 || status >= 500;
    failed.push({ index, outcome: again ? 'retry' : 'refused', problem: itemProblem(status, whom) });
  }
  if (failed.length === 0) return DELIVERED;
  return { type: 'in-part', failed };
}

/** The list of results; null: the reply has none. */
function itemsOf(body: Uint8Array): readonly unknown[] | null {
  let reply: unknown;
  try {
    reply = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    return null;
  }
  if (Array.isArray(reply)) return reply.every(isItem) ? reply : null;
  if (!isObject(reply)) return null;
  if (reply.errors === false) return null;
  const items = Array.isArray(reply.items) ? reply.items : reply.results;
  return Array.isArray(items) && items.every(isItem) ? items : null;
}

function isItem(item: unknown): boolean {
  return isObject(item);
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
  const problem: Problem = {
    code: 'reply-too-long',
    what: `${whom.Name} says for each record how it went, in a reply that is longer than is read`,
    next: 'It is sent again in halves by itself; lower batch.recordsMax, so that this is not needed.',
  };
  return { type: 'too-large', problem };
}

function unclear(whom: Whom): Outcome {
  return retry(
    'reply-unclear',
    `${whom.Name} answers 207, but not for each record how it went`,
    'Its reply has to be JSON with "items" or "results", one for each record, each with "status". It is tried again by itself.',
  );
}
