/**
 * Keys of services, by the shapes that their makers publish: a prefix at the start of a word, and so many characters of an
 * alphabet behind it, after which the key must be over.
 *
 *   AKIAIOSFODNN7EXAMPLE        ghp_0123456789abcdefghijABCDEFGHIJ012345
 *   prefix + 16 of [A-Z0-9]     prefix + 36 of [A-Za-z0-9]
 *
 * Without a prefix of their own: tokens of Discord and Telegram (their first part is a number), secrets of AWS beside their
 * key id, and signatures and keys of Azure by the name before the equals sign.
 */
import { bytes } from '../../../base/arena.ts';
import { base64End, decode, decoded } from './base64.ts';
import { BASE64URL, classes, DIGIT, hit, LOWER, looked, UPPER, WORD } from './classes.ts';

const B = bytes;
const K = classes;
const H = hit;
const L = looked;
const X = decoded;
const DOT = 46;

const ALNUM = 1;
const HEX = 2;
const CAPITALS = 4;
const URL = 8;
const DOTTED = 16;
const SLASHED = 32;
const BASE64 = 64;
/** By byte: in which alphabets it is. */
const alphabets = new Uint8Array(256);
for (let c = 0; c < 128; c++) {
  const text = String.fromCharCode(c);
  if (/[A-Za-z0-9]/.test(text)) alphabets[c] |= ALNUM | URL | DOTTED | SLASHED | BASE64;
  if (/[0-9a-f]/.test(text)) alphabets[c] |= HEX;
  if (/[A-Z0-9]/.test(text)) alphabets[c] |= CAPITALS;
  if (/[_-]/.test(text)) alphabets[c] |= URL | DOTTED;
  if (text === '.') alphabets[c] |= DOTTED;
  if (/[/]/.test(text)) alphabets[c] |= SLASHED;
  if (/[+/=_-]/.test(text)) alphabets[c] |= BASE64;
}
const A = alphabets;

/** `mixed`: the key must have a digit and a capital, because its prefix also begins words. */
type Shape = readonly [prefixes: string, alphabet: number, least: number, most: number, mixed?: 'mixed'];
const ANY = 1 << 20;

const shapes: readonly Shape[] = [
  ['AKIA ASIA ABIA ACCA', CAPITALS, 16, 16], // AWS
  ['AIza', URL, 35, 35], // Google
  ['GOCSPX-', URL, 28, 28],
  ['ya29.', DOTTED, 20, ANY],
  ['ghp_ gho_ ghu_ ghs_ ghr_', ALNUM, 36, 255], // GitHub
  ['github_pat_', URL, 36, 255],
  ['glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glimt- glagent- gloas-', DOTTED, 20, ANY], // GitLab
  ['xoxa- xoxb- xoxc- xoxd- xoxe- xoxo- xoxp- xoxr- xoxs- xapp- xoxe.xoxp- xoxe.xoxb-', DOTTED, 10, ANY], // Slack
  ['hooks.slack.com/services/', SLASHED, 30, ANY],
  ['sk_live_ sk_test_ rk_live_ rk_test_', ALNUM, 16, 255], // Stripe
  ['whsec_', BASE64, 24, 255],
  ['sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or-v1-', URL, 20, ANY], // Anthropic, OpenAI, OpenRouter
  ['sk-', URL, 20, ANY, 'mixed'],
  ['npm_', ALNUM, 36, 36],
  ['pypi-', URL, 50, ANY],
  ['rubygems_', HEX, 48, 48],
  ['SG.', DOTTED, 50, 80], // SendGrid
  ['SK AC', HEX, 32, 32], // Twilio
  ['dop_v1_ doo_v1_ dor_v1_', HEX, 64, 64], // DigitalOcean
  ['shpat_ shpca_ shppa_ shpss_', HEX, 32, 32], // Shopify
  ['hvs. hvb. hvr.', URL, 20, ANY], // HashiCorp
  ['sq0atp- sq0csp- sq0idp-', URL, 22, 43], // Square
  ['key-', HEX, 32, 32], // Mailgun
  ['AKC', ALNUM, 61, 80], // JFrog
  ['ATATT ATCTT', BASE64, 50, ANY], // Atlassian
  ['ATBB', ALNUM, 28, 40],
  ['hf_', ALNUM, 30, 60], // Hugging Face
  ['glsa_ glc_ eyJrIjoi', BASE64, 32, ANY], // Grafana
  ['NRAK-', CAPITALS, 27, 27], // New Relic
  ['dapi', HEX, 32, 32], // Databricks
  ['lin_api_', ALNUM, 32, 64], // Linear
  ['ntn_ secret_', ALNUM, 40, 60], // Notion
  ['dp.pt. dp.st.', DOTTED, 40, 80], // Doppler
  ['PMAK-', URL, 50, 80], // Postman
  ['sntrys_ sntryu_', BASE64, 50, ANY], // Sentry
  ['figd_', URL, 36, 60], // Figma
  ['gsk_', ALNUM, 40, 64], // Groq
  ['xai-', ALNUM, 60, 100],
  ['sbp_', HEX, 40, 40], // Supabase
  ['sb_secret_', URL, 24, 60],
  ['pscale_tkn_ pscale_pw_ pscale_oauth_', DOTTED, 32, 64], // PlanetScale
  ['tfp_', URL, 40, 80], // Typeform
  ['EAAC EAAG', ALNUM, 60, ANY], // Facebook
  ['pplx-', ALNUM, 40, 64], // Perplexity
  ['r8_', ALNUM, 36, 40], // Replicate
  ['CFPAT-', URL, 40, 50], // Contentful
  ['AGE-SECRET-KEY-1', CAPITALS, 50, 60],
];

interface Prefix {
  readonly text: Buffer;
  readonly alphabet: number;
  readonly least: number;
  readonly most: number;
  readonly isMixed: boolean;
}

/** By the first two bytes of a word, 128 * first + second: its candidates, the longest prefix first; 0 is none. */
export const keyPairs: Uint8Array = new Uint8Array(1 << 14);
const candidates: Prefix[][] = [[]];
const indexes = new Map<number, number>();
for (const [prefixes, alphabet, least, most, mixed] of shapes)
  for (const prefix of prefixes.split(' ')) {
    const pair = (prefix.charCodeAt(0) << 7) | prefix.charCodeAt(1);
    let i = indexes.get(pair);
    if (i === undefined) {
      i = candidates.push([]) - 1;
      indexes.set(pair, i);
      keyPairs[pair] = i;
    }
    candidates[i].push({ text: Buffer.from(prefix, 'latin1'), alphabet, least, most, isMixed: mixed === 'mixed' });
  }
for (const list of candidates) list.sort((a, b) => b.text.length - a.text.length);
const P = keyPairs;

const MIXED_CHARS_MAX = 48;
const AWS_SECRET_CHARS = 40;
const AWS_DISTANCE_MAX = 160;
/** Where the last key id of AWS in this value ends, or 0: its secret may follow. */
export const awsId: Int32Array = new Int32Array(1);
const W = awsId;

/** A new value. */
export function resetApiKeys(): void {
  W[0] = 0;
}

/** The key that begins with the word at s: its end, or 0. */
export function apiKey(s: number, p: number, end: number): number {
  if (p - s < 2) return 0;
  const i = P[((B[s] << 7) | B[s + 1]) & 0x3fff];
  if (i !== 0) {
    const list = candidates[i];
    for (let j = 0; j < list.length; j++) {
      const found = keyEnd(s, end, list[j]);
      if (found !== 0) {
        if (B[s] === 65 && found - s === 20) W[0] = found;
        return found;
      }
    }
  }
  return W[0] === 0 ? 0 : awsSecret(s, end);
}

function keyEnd(s: number, end: number, prefix: Prefix): number {
  const text = prefix.text;
  const n = text.length;
  if (end - s < n + prefix.least) return 0;
  for (let i = 1; i < n; i++) if (B[s + i] !== text[i]) return 0;
  const alphabet = prefix.alphabet;
  const stop = end - s - n > prefix.most ? s + n + prefix.most : end;
  let q = s + n;
  if (prefix.isMixed && !isMixed(q, end)) return 0;
  while (q < stop && (A[B[q]] & alphabet) !== 0) q++;
  L[0] += q - s;
  // A full stop or hyphen at the end is of the sentence.
  while (q > s + n && (B[q - 1] === DOT || B[q - 1] === 45) && (q === end || q < stop)) q--;
  if (q - s - n < prefix.least || (q < end && (K[B[q]] & WORD) !== 0)) return 0;
  return q;
}

/** Whether there is a digit and a capital among the first characters. */
function isMixed(at: number, end: number): boolean {
  const stop = end < at + MIXED_CHARS_MAX ? end : at + MIXED_CHARS_MAX;
  let seen = 0;
  let q = at;
  while (q < stop && (K[B[q]] & BASE64URL) !== 0) seen |= K[B[q++]];
  L[0] += q - at;
  return (seen & DIGIT) !== 0 && (seen & UPPER) !== 0;
}

/** Beside a key id of AWS, forty digits of base64 are its secret. */
function awsSecret(s: number, end: number): number {
  if (s - W[0] > AWS_DISTANCE_MAX) {
    W[0] = 0;
    return 0;
  }
  const stop = end < s + AWS_SECRET_CHARS + 1 ? end : s + AWS_SECRET_CHARS + 1;
  return base64End(s, stop) - s === AWS_SECRET_CHARS ? s + AWS_SECRET_CHARS : 0;
}

/** A token of Discord, whose first part is the base64 of a number: the word [s, p) and what follows; its end, or 0. */
export function discordToken(s: number, p: number, end: number): number {
  const n = p - s;
  if (n < 23 || n > 28 || p >= end || B[p] !== DOT) return 0;
  const length = decode(s, p);
  for (let i = 0; i < length; i++) if (X[i] < 48 || X[i] > 57) return 0;
  const second = run(p + 1, end, 8);
  if (second - p - 1 < 5 || second >= end || B[second] !== DOT) return 0;
  const third = run(second + 1, end, 60);
  return third - second > 26 ? third : 0;
}

/** A token of a Telegram bot: the digits [s, p), a colon and 35 characters; its end, or 0. */
export function telegramToken(s: number, p: number, end: number): number {
  if (p - s < 8 || p - s > 10 || p + 36 > end) return 0;
  const q = run(p + 1, end, 36);
  return q - p - 1 === 35 && B[p + 1] === 65 ? q : 0;
}

function run(at: number, end: number, most: number): number {
  let q = at;
  while (q < end && q - at < most && (K[B[q]] & BASE64URL) !== 0) q++;
  L[0] += q - at;
  return q;
}

/**
 * The name [at, nameEnd), an = or : and a value from `valueAt`: sig of a shared access signature, the keys of Azure's
 * connection strings, and the secret of AWS. Start in hit[0]; the end, or 0.
 */
export function namedKey(at: number, nameEnd: number, valueAt: number, end: number): number {
  const n = nameEnd - at;
  if (n < 3 || n > 40) return 0;
  const isSignature = n === 3 && (B[at] | 32) === 115 && (B[at + 1] | 32) === 105 && (B[at + 2] | 32) === 103;
  if (!isSignature && !endsWithKey(at, nameEnd)) return 0;
  let q = valueAt;
  let seen = 0;
  for (; q < end && q - valueAt < 130; q++) {
    const c = B[q];
    if ((A[c] & BASE64) === 0 && c !== 37) break;
    seen |= K[c];
  }
  L[0] += q - valueAt;
  H[0] = valueAt;
  const length = q - valueAt;
  if ((seen & DIGIT) === 0 || (seen & UPPER) === 0 || (seen & LOWER) === 0) return 0;
  if (isSignature) return length >= 43 && length <= 60 ? q : 0;
  return length === 40 || length === 44 || length === 88 ? q : 0;
}

/** AccountKey, SharedAccessKey, aws_secret_access_key. */
function endsWithKey(at: number, end: number): boolean {
  return end - at >= 8 && (B[end - 3] | 32) === 107 && (B[end - 2] | 32) === 101 && (B[end - 1] | 32) === 121;
}
