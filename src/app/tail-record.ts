/**
 * What `earshot tail --full` shows under the line of a call: heads and bodies of both sides as they are in the masked
 * record, and what was masked by which rule. All of it comes off the wire: nothing of it can steer a terminal, and of
 * everything only so much is shown.
 *
 *   > POST /login HTTP/1.1
 *   > Host: shop.example
 *   > {"user":"anna","password":"***"}
 *   < HTTP/1.1 204 No Content
 *   masked: password (request.body password)
 */
import type { ApiCall } from '../normalise/api-call.ts';
import { type Colours, shown, wrapped } from './terminal.ts';
import { count } from './units.ts';

export const BODY_LINES_DEFAULT = 8;
/** Of the fields of one head, and of the places of one call. */
const FIELDS_MAX = 100;
const PLACES_MAX = 40;
/** Of a line where no terminal says how wide it is. */
const WIDTH_MAX = 4096;
const NAMES_WIDTH = 120;

type Request = NonNullable<ApiCall['request']>;
type Response = NonNullable<ApiCall['response']>;
type Body = Request['body'];

export interface RecordStyle {
  /** Infinity: no terminal. */
  readonly columns: number;
  readonly colours: Colours;
  /** Of each body. */
  readonly bodyLines: number;
}

/** The lines of a record, each of at most `columns`. */
export function recordLines(record: ApiCall, style: RecordStyle): string[] {
  const { request, response } = record;
  const lines = [
    ...(request === null ? [] : side('  > ', `${request.method} ${request.target}${httpVersion(request.version)}`, request, style)),
    ...(response === null
      ? []
      : side('  < ', `${httpVersion(response.version).trimStart()} ${response.status ?? ''} ${response.reason}`, response, style)),
    ...notes(record, style),
  ];
  return lines;
}

function httpVersion(version: string): string {
  return version === '0.9' ? '' : ` HTTP/${version}`;
}

function side(mark: string, start: string, { headers, trailers = [], body }: Request | Response, style: RecordStyle): string[] {
  const room = roomOf(style, mark.length);
  const fields = [...headers, ...trailers];
  const texts = [start.trim(), ...fields.slice(0, FIELDS_MAX).map(([name, value]) => `${name}: ${value}`)].map((text) => shown(text, room));
  if (fields.length > FIELDS_MAX) texts.push(`… and ${fields.length - FIELDS_MAX} more fields`);
  const [first, ...rest] = texts;
  const content = bodyLines(body, room, style);
  return [style.colours.bold(mark + first), ...rest.map((text) => mark + text), ...content.map((text) => style.colours.dim(mark) + text)];
}

function roomOf({ columns }: RecordStyle, taken: number): number {
  return Math.max(16, Math.min(WIDTH_MAX, columns - taken));
}

/** The first lines of a body; those that are too long go on in the next one. */
function bodyLines({ bytes, kept, text, base64, cut, gapBytes }: Body, room: number, { bodyLines: max, colours }: RecordStyle): string[] {
  if (bytes === 0 && kept === 0) return [];
  if (base64 !== undefined) return [colours.dim(shown(`(${count(kept)} bytes that are no text)`, room))];
  if (text === undefined || kept === 0) return [colours.dim(shown(`(${count(bytes)} bytes, none kept)`, room))];
  // What can be shown at most; the rest of a large body is not even looked at.
  const lines: string[] = [];
  let at = 0;
  while (at < text.length && lines.length < max) {
    const feed = text.indexOf('\n', at);
    const end = feed < 0 ? text.length : feed;
    const stop = Math.min(end, at + room);
    lines.push(shown(text.slice(at, stop).replace(/\r$/, ''), room));
    at = stop === end ? end + 1 : stop;
  }
  const gap = gapBytes === undefined ? '' : `, ${count(gapBytes)} never captured`;
  if (at < text.length) lines.push(colours.dim(shown(`… (${count(bytes)} bytes in all${gap})`, room)));
  else if (cut === true || gap !== '') lines.push(colours.dim(shown(`… (${count(bytes)} bytes in all, ${count(kept)} kept${gap})`, room)));
  return lines;
}

/** What is missing of the call, and what was masked: rule, place and field, equal ones once. */
function notes({ causes = [], shed = [], masked }: ApiCall, style: RecordStyle): string[] {
  const room = roomOf(style, 4);
  const lines: string[] = [];
  if (causes.length > 0) lines.push(style.colours.yellow(shown(`  incomplete: ${causes.join(', ')}`, room)));
  if (shed.length > 0) lines.push(style.colours.yellow(shown(`  left out because the sensor was overloaded: ${shed.join(', ')}`, room)));
  if (masked === undefined || masked.found === 0) return lines;
  const times = new Map<string, number>();
  for (const { rule, in: place, field } of masked.places ?? []) {
    const text = `${rule} (${place}${field === undefined ? '' : ` ${field}`})`;
    times.set(text, (times.get(text) ?? 0) + 1);
  }
  const reported = masked.reported === undefined ? '' : ` (${count(masked.reported)} only reported)`;
  const start = `masked${reported}: `;
  const itemMax = Math.min(room - start.length, NAMES_WIDTH);
  const items = [...times].slice(0, PLACES_MAX).map(([text, n]) => shown(n === 1 ? text : `${text} x${n}`, itemMax));
  const listed = [...times.values()].slice(0, PLACES_MAX).reduce((sum, n) => sum + n, 0);
  if (listed < masked.found) items.push(`${count(masked.found - listed)} more`);
  const [first, ...rest] = wrapped([`${start}${items[0]}`, ...items.slice(1)], room);
  return [...lines, ...[first, ...rest.map((line) => `  ${line}`)].map((line) => style.colours.dim(`  ${line}`))];
}
