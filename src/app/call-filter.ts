/**
 * Which live calls a watcher wants. Texts become one predicate, once; the sensor runs it for every call that it hands
 * on, so it is linear in the length of what came off the wire, whatever the operator and the traffic say: globs know
 * `*` only and are searched with tables (Knuth, Morris, Pratt), never with a regular expression.
 *
 *   host, path       glob; * is any run of characters, slashes too; of hosts the case is ignored
 *   method           GET, or several with commas
 *   status           404, 5xx, >=400, <300, none (no response seen), or several with commas
 *   client, server   an address, or a block of them: 10.0.0.0/8; of a client behind a proxy its own or that of the proxy
 *   slowerMs         calls whose response began later than that after the request
 */
import { isInAny, parseAddress, parseCidr } from '../base/cidr.ts';
import { SensorError } from '../base/errors.ts';
import type { CallLine } from './call-line.ts';

/** As it travels: all that is given must fit. */
export interface CallFilter {
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly status?: string;
  readonly client?: string;
  readonly server?: string;
  readonly slowerMs?: number;
}

/** Characters of each part of a filter. */
const TEXT_MAX = 256;
const ITEMS_MAX = 32;
const SLOWER_MS_MAX = 3_600_000;

type Predicate = (call: CallLine) => boolean;

/** The predicate of a filter. Throws a SensorError (usage) that says what is wanted. */
export function compileCallFilter(filter: CallFilter): Predicate {
  const { host, path, method, status, client, server, slowerMs } = filter;
  const all: Predicate[] = [];
  if (host !== undefined) {
    const fits = compileGlob(checked('--host', host, 'a host, as api.example.com or *.example.com').toLowerCase());
    all.push((call) => call.host !== null && fits(call.host.toLowerCase()));
  }
  if (path !== undefined) {
    const fits = compileGlob(checked('--path', path, 'a path, as /orders/*'));
    all.push((call) => call.path !== null && fits(call.path));
  }
  if (method !== undefined) {
    const names = new Set(items('--method', method, 'a method, as POST, or several with commas').map((name) => name.toUpperCase()));
    all.push((call) => call.method !== null && names.has(call.method.toUpperCase()));
  }
  if (status !== undefined) {
    const wanted = 'a status as 404, 5xx, >=400 or none, or several with commas';
    const ranges = items('--status', status, wanted).map((item) => statusRange(item, wanted));
    all.push((call) => ranges.some(([from, to]) => (call.status ?? NO_STATUS) >= from && (call.status ?? NO_STATUS) <= to));
  }
  if (client !== undefined) {
    const fits = compileBlock('--client', client);
    all.push((call) => fits(call.client) || (call.clientIp !== undefined && fits(call.clientIp)));
  }
  if (server !== undefined) {
    const fits = compileBlock('--server', server);
    all.push((call) => fits(call.server));
  }
  if (slowerMs !== undefined) {
    if (typeof slowerMs !== 'number' || !(slowerMs >= 0 && slowerMs <= SLOWER_MS_MAX)) {
      throw wrong('--slower', String(slowerMs), `a number of milliseconds from 0 to ${SLOWER_MS_MAX}`);
    }
    all.push((call) => call.latencyUs !== undefined && call.latencyUs > slowerMs * 1000);
  }
  return (call) => all.every((fits) => fits(call));
}

function wrong(option: string, given: string, wanted: string): SensorError {
  const text = JSON.stringify(given.length > TEXT_MAX ? `${given.slice(0, TEXT_MAX)}...` : given);
  return new SensorError('usage', `Cannot filter by ${option} ${text}`, `wanted is ${wanted}`, 'See earshot tail --help.');
}

function checked(option: string, text: unknown, wanted: string): string {
  if (typeof text !== 'string' || text === '' || text.length > TEXT_MAX) throw wrong(option, String(text), wanted);
  return text;
}

function items(option: string, text: unknown, wanted: string): string[] {
  const list = checked(option, text, wanted)
    .split(',')
    .map((item) => item.trim());
  if (list.length > ITEMS_MAX || list.some((item) => item === '')) throw wrong(option, String(text), wanted);
  return list;
}

const NO_STATUS = -1;
const STATUS_MAX = 999;

/** First and last status that an item means. */
function statusRange(item: string, wanted: string): readonly [number, number] {
  if (item === 'none') return [NO_STATUS, NO_STATUS];
  const group = /^([1-9])xx$/i.exec(item);
  if (group !== null) return [Number(group[1]) * 100, Number(group[1]) * 100 + 99];
  const parts = /^(>=|<=|>|<)?(\d{3})$/.exec(item);
  if (parts === null) throw wrong('--status', item, wanted);
  const n = Number(parts[2]);
  switch (parts[1]) {
    case '>=':
      return [n, STATUS_MAX];
    case '>':
      return [n + 1, STATUS_MAX];
    case '<=':
      return [0, n];
    case '<':
      return [0, n - 1];
    default:
      return [n, n];
  }
}

function compileBlock(option: string, given: unknown): (address: string) => boolean {
  const wanted = 'an address or a block of them, as 10.0.0.0/8';
  const block = parseCidr(checked(option, given, wanted));
  if (block === null) throw wrong(option, String(given), wanted);
  const blocks = [block];
  return (address) => parseAddress(address) && isInAny(blocks);
}

/** Whether a text fits a glob: the time is linear in the lengths of both. */
export function compileGlob(glob: string): (text: string) => boolean {
  const [head, ...rest] = glob.split('*');
  if (rest.length === 0) return (text) => text === head;
  const tail = rest.pop() ?? '';
  const inner = rest.filter((part) => part !== '').map((part) => ({ part, table: failures(part) }));
  return (text) => {
    if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
    const end = text.length - tail.length;
    let at = head.length;
    // The first place of each part leaves most for those behind it.
    for (const { part, table } of inner) {
      at = search(text, at, end, part, table);
      if (at < 0) return false;
    }
    return true;
  };
}

/** For each length of a match: the longest proper prefix of the part that the match also ends with. */
function failures(part: string): Uint16Array {
  const table = new Uint16Array(part.length + 1);
  let length = 0;
  for (let i = 1; i < part.length; i++) {
    while (length > 0 && part[i] !== part[length]) length = table[length];
    if (part[i] === part[length]) length++;
    table[i + 1] = length;
  }
  return table;
}

/** One past the first occurrence of `part` in `text[at..end)`; -1 when there is none. */
function search(text: string, at: number, end: number, part: string, table: Uint16Array): number {
  let length = 0;
  for (let i = at; i < end; i++) {
    while (length > 0 && text[i] !== part[length]) length = table[length];
    if (text[i] === part[length] && ++length === part.length) return i + 1;
  }
  return -1;
}
