/**
 * What the two ends of a WebSocket connection have agreed on, as the response to the handshake says it (RFC 6455, 9.1;
 * RFC 7692, 7.1):
 *
 *   Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_max_window_bits=10, x
 */
import { bytes } from '../base/arena.ts';
import { DEFLATE, PLAIN, UNKNOWN_EXTENSION } from './sockets.ts';

const B = bytes;
const EXTENSIONS = Buffer.from('sec-websocket-extensions', 'latin1');
const PERMESSAGE_DEFLATE = Buffer.from('permessage-deflate', 'latin1');
const CLIENT = Buffer.from('client_no_context_takeover', 'latin1');
const SERVER = Buffer.from('server_no_context_takeover', 'latin1');
const COMMA = 44;
const SEMICOLON = 59;

/** Added to the extension: each message of this side is compressed by itself. */
export const CLIENT_NO_TAKEOVER = 4;
export const SERVER_NO_TAKEOVER = 8;
/** The extension without that. */
export const EXTENSION = 3;

/**
 * PLAIN, DEFLATE or UNKNOWN_EXTENSION, and what was added, from `count` fields of four words each in `F`: places of name and value
 * (-1: not known).
 */
export function agreedExtensions(F: Int32Array, count: number): number {
  let found = PLAIN;
  let added = 0;
  for (let i = 0, v = 0; i < count; i++, v += 4) {
    if (F[v] < 0) return UNKNOWN_EXTENSION;
    if (!isText(F[v], F[v + 1], EXTENSIONS)) continue;
    if (F[v + 2] < 0) return UNKNOWN_EXTENSION;
    for (let p = F[v + 2]; p < F[v + 3]; ) {
      p = passBlanks(p, F[v + 3]);
      const end = itemEnd(p, F[v + 3], COMMA);
      if (end > p) {
        const isDeflate = isText(p, itemEnd(p, end, SEMICOLON), PERMESSAGE_DEFLATE);
        found = isDeflate && found !== UNKNOWN_EXTENSION ? DEFLATE : UNKNOWN_EXTENSION;
        added |= takeoverOf(p, end);
      }
      p = end + 1;
    }
  }
  return found === DEFLATE ? found | added : found;
}

/** What the parameters of an item say. */
function takeoverOf(at: number, end: number): number {
  let added = 0;
  for (let p = itemEnd(at, end, SEMICOLON) + 1; p < end; ) {
    p = passBlanks(p, end);
    const stop = itemEnd(p, end, SEMICOLON);
    if (isText(p, stop, CLIENT)) added |= CLIENT_NO_TAKEOVER;
    else if (isText(p, stop, SERVER)) added |= SERVER_NO_TAKEOVER;
    p = stop + 1;
  }
  return added;
}

function passBlanks(at: number, end: number): number {
  let p = at;
  while (p < end && isBlank(B[p])) p++;
  return p;
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9;
}

function itemEnd(at: number, end: number, separator: number): number {
  let p = at;
  while (p < end && B[p] !== separator) p++;
  return p;
}

/** Whether `[at, end)`, without blanks at its end, is `text`, which is in lower case. */
function isText(at: number, end: number, text: Buffer): boolean {
  let stop = end;
  while (stop > at && isBlank(B[stop - 1])) stop--;
  if (stop - at !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    const c = B[at + i];
    if ((c >= 65 && c <= 90 ? c | 32 : c) !== text[i]) return false;
  }
  return true;
}
