/** Values that are common in APIs and harm nobody: for the tests of what must stay. */
import { ALNUM, BASE64URL, CAPITALS, charsOf, DIGITS, HEX, type Random } from './detect-testing.ts';

export const digits = (next: Random, n: number): string => String(1 + next(9)) + charsOf(next, DIGITS, n - 1);
const date = (next: Random): Date => new Date(1_500_000_000_000 + next(400_000_000) * 1000 + next(1000));
const words =
  'the order was shipped today and will arrive in three days please contact support if anything is missing we bring our best to you'.split(
    ' ',
  );
const word = (next: Random): string => words[next(words.length)];
const luhnless = (next: Random, n: number, weights: readonly number[]): string => {
  // EAN and ISBN-13: weights 1 and 3.
  const body = charsOf(next, DIGITS, n - 1);
  let sum = 0;
  for (let i = 0; i < n - 1; i++) sum += Number(body[i]) * weights[i % 2];
  return body + String((10 - (sum % 10)) % 10);
};

/** By what they are. */
export const innocentKinds: Readonly<Record<string, (next: Random) => string>> = {
  'order number': (next) => digits(next, 6 + next(15)),
  'order number with prefix': (next) => `${charsOf(next, CAPITALS, 2)}-${digits(next, 6 + next(10))}`,
  'order number in groups': (next) => `${digits(next, 3)}-${digits(next, 7)}-${digits(next, 7)}`,
  uuid: (next) => [8, 4, 4, 4, 12].map((n) => charsOf(next, HEX, n)).join('-'),
  'uuid without hyphens': (next) => charsOf(next, HEX, 32),
  ulid: (next) => `01${charsOf(next, '0123456789ABCDEFGHJKMNPQRSTVWXYZ', 24)}`,
  'object id': (next) => charsOf(next, HEX, 24),
  'short id': (next) => charsOf(next, BASE64URL, 8 + next(14)),
  seconds: (next) => String(Math.floor(date(next).getTime() / 1000)),
  milliseconds: (next) => String(date(next).getTime()),
  microseconds: (next) => String(date(next).getTime()) + charsOf(next, DIGITS, 3),
  nanoseconds: (next) => String(date(next).getTime()) + charsOf(next, DIGITS, 6),
  'seconds with fraction': (next) => `${Math.floor(date(next).getTime() / 1000)}.${charsOf(next, DIGITS, 3 + next(7))}`,
  'ISO date and time': (next) => date(next).toISOString(),
  'ISO date': (next) => date(next).toISOString().slice(0, 10),
  'ISO time with zone': (next) =>
    date(next)
      .toISOString()
      .replace('Z', `+0${next(10)}:00`),
  'compact date and time': (next) => date(next).toISOString().replace(/[-:T]/g, '').slice(0, 14),
  'date of HTTP': (next) => date(next).toUTCString(),
  'semantic version': (next) => `${next(20)}.${next(40)}.${next(1000)}${next(2) ? `-beta.${next(20)}+build.${digits(next, 8)}` : ''}`,
  'version of four': (next) => `${next(20)}.${next(40)}.${next(255)}.${next(255)}`,
  'package and version': (next) => `${word(next)}@${next(20)}.${next(40)}.${next(90)}`,
  ETag: (next) => `W/"${charsOf(next, HEX, 4 + next(20))}-${charsOf(next, BASE64URL, 27)}"`,
  'hex digest': (next) => charsOf(next, HEX, [32, 40, 64, 128][next(4)]),
  'hex digest in capitals': (next) => charsOf(next, HEX, [32, 40, 64][next(3)]).toUpperCase(),
  'base64 digest': (next) => `sha256-${Buffer.from(charsOf(next, ALNUM, 32)).toString('base64')}`,
  'git commit': (next) => charsOf(next, HEX, 7 + next(5)),
  SKU: (next) => `${charsOf(next, CAPITALS, 2 + next(3))}-${charsOf(next, DIGITS, 3 + next(4))}-${charsOf(next, CAPITALS, 1 + next(3))}`,
  'SKU of digits': (next) => `${digits(next, 3 + next(3))}-${digits(next, 2 + next(4))}`,
  'part number': (next) => charsOf(next, CAPITALS + DIGITS, 6 + next(8)),
  price: (next) => `${next(2) ? '$' : ''}${digits(next, 1 + next(4))}.${charsOf(next, DIGITS, 2)}`,
  'amount in groups': (next) => `${1 + next(999)} ${charsOf(next, DIGITS, 3)}${next(2) ? ',00' : ''}`,
  'amount with commas': (next) => `${1 + next(999)},${charsOf(next, DIGITS, 3)},${charsOf(next, DIGITS, 3)}.00`,
  coordinates: (next) => `${next(90)}.${charsOf(next, DIGITS, 4 + next(12))},-${next(180)}.${charsOf(next, DIGITS, 4 + next(12))}`,
  float: (next) => `0.${charsOf(next, DIGITS, 10 + next(8))}`,
  EAN: (next) => luhnless(next, 13, [1, 3]),
  'ISBN-13': (next) => `978-${next(10)}-${charsOf(next, DIGITS, 3)}-${charsOf(next, DIGITS, 5)}-${next(10)}`,
  'ISBN-10': (next) => `${next(10)}-${charsOf(next, DIGITS, 3)}-${charsOf(next, DIGITS, 5)}-${charsOf(next, '0123456789X', 1)}`,
  'UPC-A': (next) => luhnless(next, 12, [3, 1]),
  name: (next) => ['Ann Lee', 'José Álvarez', "Conor O'Brien", 'Jean-Luc Picard', '王小明', 'Müller & Söhne GmbH'][next(6)],
  slug: (next) => Array.from({ length: 2 + next(6) }, () => word(next)).join('-'),
  'slug with number': (next) => `${word(next)}-${word(next)}-${digits(next, 1 + next(8))}`,
  sentence: (next) => `${Array.from({ length: 5 + next(20) }, () => word(next)).join(' ')}.`,
  'sentence with numbers': (next) =>
    `Row ${next(1000)}: ${word(next)} ${next(100)} of ${next(100)}, page ${next(50)} (${next(2000)} items).`,
  'user agent': (next) =>
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${100 + next(50)}.0.${next(9999)}.${next(255)} Safari/537.36`,
  accept: () => 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'accept language': () => 'en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7',
  'content type': () => 'multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW',
  'cache control': (next) => `max-age=${next(100000)}, stale-while-revalidate=${next(1000)}, must-revalidate`,
  traceparent: (next) => `00-${charsOf(next, HEX, 32)}-${charsOf(next, HEX, 16)}-01`,
  'trace id of AWS': (next) => `Root=1-${charsOf(next, HEX, 8)}-${charsOf(next, HEX, 24)}`,
  'ray id': (next) => `${charsOf(next, HEX, 16)}-FRA`,
  path: (next) => `/api/v${next(4)}/${word(next)}/${digits(next, 1 + next(10))}/${word(next)}.json`,
  url: (next) => `https://cdn.example.com/${word(next)}/${charsOf(next, HEX, 20)}.png?v=${next(1000)}&w=${next(2000)}`,
  picture: (next) => `${word(next)}@${1 + next(3)}x.png`,
  'MAC address': (next) => Array.from({ length: 6 }, () => charsOf(next, HEX, 2)).join(next(2) ? ':' : '-'),
  colour: (next) => `#${charsOf(next, HEX, 6)}`,
  size: (next) => `${next(4000)}x${next(4000)}`,
  duration: (next) => `PT${next(24)}H${next(60)}M${next(60)}.${charsOf(next, DIGITS, 3)}S`,
  ratio: (next) => `${next(100)}/${next(100)}`,
  'base64 of bytes': (next) => Buffer.from(charsOf(next, ALNUM, 20 + next(60))).toString('base64'),
  cron: (next) => `${next(60)} ${next(24)} * * ${next(7)}`,
  'log line': (next) => `${date(next).toISOString()} INFO [worker-${next(9)}] ${word(next)}.service: ${word(next)} took ${next(9999)} ms`,
};
