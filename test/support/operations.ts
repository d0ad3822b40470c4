/** Requests for what finds operations: their bytes and their row are put into the arena, and what was found is read from there. */
import { blockRegion, bytes, outputRegion, words } from '../../src/base/arena.ts';
import * as t from '../../src/http/transaction.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { findOperation } from '../../src/operation/find-operation.ts';
import * as n from '../../src/operation/operation.ts';

export type Operation = NonNullable<ApiCall['operation']>;

export interface Asked {
  readonly target?: string;
  readonly fields?: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
  /** More of the body followed than is there. */
  readonly isCut?: boolean;
}

export interface Prepared {
  readonly k: number;
  readonly bodyAt: number;
  readonly bodyEnd: number;
}

/** Bytes beside the body that nobody may read as if they were of it. */
const FENCE = '{"jsonrpc":"2.0","method":"fence"}<Fence>query Fence{a}"fence';
const K = t.calls;

/** Puts a request into the arena, at `at`, and into the row `row`. */
export function prepare({ target = '/', fields = [], body = '' }: Asked, row = 1, at = blockRegion.at + 4096): Prepared {
  const k = row << t.CALL_SHIFT;
  const s = k + t.REQUEST;
  const line = `POST ${target} HTTP/1.1\r\n`;
  const head = `${line}${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  K.fill(0, k, k + 64);
  bytes.write(head, at, 'latin1');
  const length = Buffer.byteLength(head, 'latin1');
  const table = t.fieldTable(at, length);
  let place = line.length;
  for (const [i, [name, value]] of fields.entries()) {
    const valueAt = place + name.length + 2;
    words[table + 2 * i] = (place << 16) | (place + name.length);
    words[table + 2 * i + 1] = (valueAt << 16) | (valueAt + value.length);
    if (name.toLowerCase() === 'content-type') K[s + t.S_TYPE] = i + 1;
    place = valueAt + value.length + 2;
  }
  K[k + t.C_FLAGS] = t.HAS_REQUEST;
  K[s + t.S_HEAD] = at;
  K[s + t.S_HEAD_BYTES] = length;
  K[s + t.S_FIELDS] = fields.length;
  K[s + t.S_FIRST] = 4;
  K[s + t.S_TEXT] = 5;
  K[s + t.S_TEXT_END] = 5 + target.length;
  const data = Buffer.from(body);
  const bodyAt = 4 * (table + 2 * fields.length) + FENCE.length;
  bytes.write(FENCE, bodyAt - FENCE.length);
  bytes.set(data, bodyAt);
  bytes.write(FENCE, bodyAt + data.length);
  return { k, bodyAt, bodyEnd: bodyAt + data.length };
}

/** What was found last, as the record has it; its texts as Latin-1. */
export function foundOperation(): Operation | undefined {
  const O = n.operation;
  if (O[n.O_PROTOCOL] === n.NO_PROTOCOL) return undefined;
  const text = (at: number, end: number): string => bytes.toString('latin1', at, end);
  const [first, ...others] = Array.from({ length: O[n.O_KEPT] }, (_, i) => {
    const w = n.O_FIRST + i * n.OPERATION_WORDS;
    const name = text(O[w + n.P_NAME], O[w + n.P_NAME_END]);
    const hash = text(O[w + n.P_HASH], O[w + n.P_HASH_END]);
    return {
      ...(O[w] !== n.NO_TYPE && { type: n.typeNames[O[w]] as Operation['type'] }),
      ...(name !== '' && { name }),
      ...(hash !== '' && { hash }),
    };
  });
  return {
    protocol: n.protocolNames[O[n.O_PROTOCOL]] as Operation['protocol'],
    ...first,
    ...(O[n.O_BATCH] > 0 && { batch: O[n.O_BATCH] }),
    ...(others.length > 0 && { others }),
  };
}

/** The operation of a request. */
export function operationIn(asked: Asked): Operation | undefined {
  const { k, bodyAt, bodyEnd } = prepare(asked);
  findOperation(k, bodyAt, bodyEnd, asked.isCut ?? false, outputRegion.at);
  return foundOperation();
}

/** The same of a body with its media type. */
export function inBody(type: string, body: string | Uint8Array, o: Omit<Asked, 'body'> = {}): Operation | undefined {
  return operationIn({ ...o, fields: [...(type === '' ? [] : [['Content-Type', type] as const]), ...(o.fields ?? [])], body });
}
