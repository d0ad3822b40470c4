/**
 * Sampling: of the calls that a pipeline's filters let through, a share is taken. What decides is a keyed hash of the
 * call's key, compared with the share: nothing is remembered, so every worker, every run with the same masking key and both
 * copies of a mirrored call decide alike, and calls with one key are taken or left together.
 *
 *   key         hashed
 *   call        both ends of the connection, and the sequence number of the request (else of the response)
 *   client      the client's address behind proxies: clientIp of the record
 *   connection  both ends: addresses and ports
 *   session     the cookie of a session by its usual names, else the Authorization field, else as client
 *
 * Samples are nested: what a share of 0.1 takes, one of 0.5 takes too, also in another pipeline with the same key. The
 * hash is keyed so that a client cannot choose a session that is never taken.
 */
import { bytes } from '../base/arena.ts';
import { parsedAddress } from '../base/cidr.ts';
import { counter, counts } from '../base/counters.ts';
import * as t from '../http/transaction.ts';
import { type CallView, fieldName } from './call-view.ts';
import { bytesAre, textBytes } from './filter/byte-text.ts';
import type { PipelineSpec } from './spec.ts';

const B = bytes;
const K = t.calls;
const A = parsedAddress;
const C = counts;
const WORD = 2 ** 32;
const BLANK = 32;
const TAB = 9;
const EQUALS = 61;
const SEMICOLON = 59;
const COOKIE = fieldName('cookie');
const AUTHORIZATION = fieldName('authorization');

/** Names of session cookies; of several, the one that stands first here. */
export const sessionCookies: readonly string[] = [
  ...['session', 'sessionid', 'session_id', 'session-id', '_session', '_session_id', 'sid', 'connect.sid', 'sess', 'sessid'],
  ...['JSESSIONID', 'PHPSESSID', 'ASP.NET_SessionId', 'ASPSESSIONID', 'laravel_session', 'ci_session', 'rack.session', 'koa.sess'],
  ...[
    '__session',
    '__Host-session',
    '__Secure-session',
    '__Secure-next-auth.session-token',
    'next-auth.session-token',
    'authjs.session-token',
  ],
  ...['.AspNetCore.Session', '.AspNetCore.Cookies', 'SESSION_TOKEN', 'auth_token', 'access_token', 'token', 'jwt'],
];
const cookieNames = sessionCookies.map((name) => textBytes(name.toLowerCase()));
const COOKIE_NAME_BYTES_MAX = 40;
/** Their numbers by their length. */
const ofLength: readonly (readonly number[])[] = Array.from({ length: COOKIE_NAME_BYTES_MAX + 1 }, (_, length) =>
  cookieNames.flatMap((name, i) => (name.length === length ? i : [])),
);

/** Whether a call is taken, counted when not. The first four bytes of `key` are used. */
export function compileSampling({ name, sampling }: PipelineSpec, key: Uint8Array): (view: CallView) => boolean {
  const { share } = sampling;
  if (share >= 1) return () => true;
  const seed = key[0] | (key[1] << 8) | (key[2] << 16) | (key[3] << 24);
  const limit = Math.max(0, share) * WORD;
  const hashOf = hashes[sampling.key];
  const cell = counter(`calls.sampledOut{${name}}`);
  return (view) => {
    if (mixed(hashOf(view, seed)) < limit) return true;
    C[cell]++;
    return false;
  };
}

type Hash = (view: CallView, seed: number) => number;

const hashes: Readonly<Record<PipelineSpec['sampling']['key'], Hash>> = {
  call: (view, seed) => {
    const side = view.hasRequest() ? t.REQUEST : t.RESPONSE;
    return withWord(hashOfConnection(view, seed), K[view.k + side + t.S_SEQUENCE]);
  },
  client: hashOfClient,
  connection: hashOfConnection,
  session: (view, seed) => {
    if (findSession(view) || view.findField(t.REQUEST, AUTHORIZATION) >= 0) return hashOfBytes(view.at, view.end, seed);
    return hashOfClient(view, seed);
  },
};

function hashOfClient(view: CallView, seed: number): number {
  view.loadClientIp();
  return hashOfAddress(seed);
}

function hashOfConnection(view: CallView, seed: number): number {
  view.loadAddress(true);
  const client = hashOfAddress(seed);
  view.loadAddress(false);
  return withWord(hashOfAddress(client), (view.port(true) << 16) | view.port(false));
}

function hashOfAddress(seed: number): number {
  return withWord(withWord(withWord(withWord(seed, A[0]), A[1]), A[2]), A[3]);
}

/** One round of MurmurHash3 (32 bit). */
function withWord(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function hashOfBytes(at: number, end: number, seed: number): number {
  let h = seed;
  let p = at;
  for (; p + 4 <= end; p += 4) h = withWord(h, B[p] | (B[p + 1] << 8) | (B[p + 2] << 16) | (B[p + 3] << 24));
  let rest = 0;
  for (; p < end; p++) rest = (rest << 8) | B[p];
  return withWord(withWord(h, rest), end - at);
}

/** Its last round: every bit depends on every other. From 0 to 2^32 - 1. */
function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Finds the value of the session cookie (RFC 6265, 4.2.1): name=value; name=value. */
function findSession(view: CallView): boolean {
  let best = cookieNames.length;
  let bestAt = 0;
  let bestEnd = 0;
  for (let field = view.findField(t.REQUEST, COOKIE); field >= 0; field = view.findField(t.REQUEST, COOKIE, field + 1)) {
    const { end } = view;
    for (let p = view.at; p < end; ) {
      while (p < end && (B[p] === BLANK || B[p] === TAB || B[p] === SEMICOLON)) p++;
      const nameFrom = p;
      while (p < end && B[p] !== EQUALS && B[p] !== SEMICOLON) p++;
      const nameStop = p;
      while (p < end && B[p] !== SEMICOLON) p++;
      if (p <= nameStop + 1) continue;
      if (nameStop - nameFrom > COOKIE_NAME_BYTES_MAX) continue;
      const own = ofLength[nameStop - nameFrom];
      for (let i = 0; i < own.length && own[i] < best; i++) {
        if (!bytesAre(nameFrom, nameStop, cookieNames[own[i]], true)) continue;
        best = own[i];
        bestAt = nameStop + 1;
        bestEnd = p;
      }
    }
  }
  view.at = bestAt;
  view.end = bestEnd;
  return bestEnd > bestAt;
}
