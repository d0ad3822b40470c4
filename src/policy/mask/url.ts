/**
 * A URL, whole or relative (RFC 3986, 3), as it stands in header fields and in values of documents.
 *
 *   https://ann:hunter2@shop.example:8443/users/ann@example.com?token=9f86d0#access_token=81884c
 *           user password host            path                  query        fragment
 *
 * User and password are masked as one by the rule of basic credentials, or the password alone by that of its name: whichever
 * rule comes first. Bounds: linear. What is masked is percent-coded, so it fits wherever the URL stands.
 */
import { bytes } from '../../base/arena.ts';
import { ruleOfDetector } from './detect.ts';
import { BASIC } from './detectors/classes.ts';
import { maskForm } from './form.ts';
import { inspectValue, nameRule, noName } from './inspect.ts';
import { maskPath } from './path.ts';
import { onlyReports } from './put.ts';
import { PASSWORD_NAME } from './stack.ts';
import { URL_PATH } from './value.ts';

const B = bytes;
const COLON = 58;
const SLASH = 47;
const QUESTION_MARK = 63;
const HASH = 35;
const AT_SIGN = 64;
const SCHEME_BYTES_MAX = 32;

export function walkUrl(at: number, end: number, isCut: boolean): boolean {
  maskUrl(at, end, isCut);
  return true;
}

export function maskUrl(at: number, end: number, isCut: boolean): void {
  let p = at;
  while (p < end && p - at < SCHEME_BYTES_MAX && B[p] !== COLON && B[p] !== SLASH && B[p] !== QUESTION_MARK) p++;
  p = p < end && B[p] === COLON ? p + 1 : at;
  if (p + 1 < end && B[p] === SLASH && B[p + 1] === SLASH) {
    const authorityAt = p + 2;
    p = authorityAt;
    while (p < end && B[p] !== SLASH && B[p] !== QUESTION_MARK && B[p] !== HASH) p++;
    maskAuthority(authorityAt, p, isWeb(at, authorityAt));
  } else p = at;
  const pathAt = p;
  while (p < end && B[p] !== QUESTION_MARK && B[p] !== HASH) p++;
  maskPath(pathAt, p);
  if (p >= end) return;
  const queryAt = p;
  if (B[p] === QUESTION_MARK) {
    while (p < end && B[p] !== HASH) p++;
    maskForm(queryAt + 1, p, isCut && p === end);
  }
  if (p < end) maskForm(p + 1, end, isCut);
}

/** http, https, or no scheme: a user alone is a token there, and a name in ssh://. */
function isWeb(at: number, end: number): boolean {
  return end - at < 4 || ((B[at] | 32) === 104 && (B[at + 1] | 32) === 116 && (B[at + 2] | 32) === 116 && (B[at + 3] | 32) === 112);
}

/** User, password and host. */
export function maskAuthority(at: number, end: number, isOfWeb: boolean): void {
  let sign = -1;
  for (let p = at; p < end; p++) if (B[p] === AT_SIGN) sign = p;
  noName();
  let hostAt = at;
  if (sign >= 0) {
    let colon = at;
    while (colon < sign && B[colon] !== COLON) colon++;
    const credentials = colon < sign || isOfWeb ? ruleOfDetector(BASIC) : 0;
    const password = colon < sign ? nameRule(PASSWORD_NAME.at, PASSWORD_NAME.end) : 0;
    // Of the two rules the first that masks.
    if (credentials !== 0 && (password === 0 || (credentials < password && !onlyReports(credentials)))) {
      noName();
      inspectValue(at, sign, URL_PATH, credentials);
    } else {
      inspectValue(at, colon, URL_PATH, 0);
      if (colon < sign) inspectValue(colon + 1, sign, URL_PATH, password);
      noName();
    }
    hostAt = sign + 1;
  }
  inspectValue(hostAt, end, URL_PATH, 0);
}
