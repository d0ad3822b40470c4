/** Laws of the walkers, over random documents with secrets planted in them, by the shipped rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { beside, masked, setRules } from '../../../test/support/masking.ts';
import { Random } from '../../../test/support/random.ts';
import { defaultMasking } from '../default-masking.ts';
import { maskDocument } from './document.ts';
import { maskQuery } from './form.ts';
import { maskPath } from './path.ts';
import { PATH, QUERY } from './place.ts';

setRules(defaultMasking.rules);

/** What a detector knows wherever it stands, and what only its name tells. */
const byContent = ['4111111111111111', 'ann.lee@example.com', 'DE02120300000000202051', 'AKIAIOSFODNN7EXAMPLE'] as const;
const byName = [
  ['password', 'correcthorsebattery'],
  ['clientSecret', 'zyxwvutsrq'],
  ['card_number', 'fourfourfour'],
  ['user-token', 'tokentoken'],
] as const;
const innocent = [
  'tea',
  'cup',
  'blue',
  'order',
  '',
  'two words',
  'a-b_c',
  '12',
  '2024-05-17',
  '550e8400-e29b-41d4-a716-446655440000',
  'Grüße',
  'a&b',
  'x < y',
  '100 %',
];
const names = ['id', 'items', 'title', 'size', 'colour', 'note', 'n2', 'ünï'];

interface Planted {
  readonly text: string;
  readonly secrets: readonly string[];
}

/** A secret with the name that it stands under. */
function plant(r: Random): { name: string; value: string; secret: string } {
  if (r.chance(0.5)) {
    const [name, value] = r.pick(byName);
    return { name, value, secret: value };
  }
  const secret = r.pick(byContent);
  return { name: r.pick(names), value: r.chance(0.5) ? secret : `see ${secret} there`, secret };
}

const type = (t: string) => (at: number, end: number, isCut: boolean) => maskDocument(at, end, isCut, ...beside(t));

function assertGone(text: string, secrets: readonly string[], why: string): void {
  for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} in ${text}\n${why}`);
}

const runs = { numRuns: 300 };

// JSON

function jsonEscape(r: Random, text: string, share: number): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const hex = c.toString(16).padStart(4, '0');
    if (r.chance(share) || c < 32) out += `\\u${r.chance(0.5) ? hex : hex.toUpperCase()}`;
    else if (c === 34 || c === 92) out += `\\${text[i]}`;
    else out += c === 47 && r.chance(0.5) ? '\\/' : text[i];
  }
  return `"${out}"`;
}

function jsonLeaf(r: Random): string {
  switch (r.integer(0, 4)) {
    case 0:
      return String(r.integer(-9999, 9999));
    case 1:
      return r.pick(['true', 'false', 'null', '0.5', '-1e3']);
    default:
      return jsonEscape(r, r.pick(innocent), 0.1);
  }
}

function jsonPlanted(seed: number, depthMax: number, count: number): Planted {
  const r = new Random(seed);
  const secrets: string[] = [];
  const share = r.pick([0, 0, 0.3, 1]);
  let left = count;
  const value = (depth: number): string => {
    if (left > 0 && r.chance(0.2)) {
      left--;
      const secret = r.pick(byContent);
      secrets.push(secret);
      if (secret.startsWith('4') && r.chance(0.5)) return secret;
      const inner = r.chance(0.3)
        ? JSON.stringify({ x: [secret] })
        : r.chance(0.3)
          ? `q=${encodeURIComponent(`at ${secret}`)}&z=1`
          : secret;
      return jsonEscape(r, inner, share);
    }
    if (depth >= depthMax || (depth > 2 && r.chance(0.4))) return jsonLeaf(r);
    const n = r.integer(0, 3) + (left > 0 ? 1 : 0);
    const gap = r.pick(['', ' ', '\n\t']);
    const isObject = r.chance(0.6);
    const items = Array.from({ length: n }, () => (isObject ? member(depth, r.chance(0.5)) : value(depth + 1)));
    const inside = `${gap}${items.join(`,${gap}`)}${gap}`;
    return isObject ? `{${inside}}` : `[${inside}]`;
  };
  const member = (depth: number, isPlant: boolean): string => {
    if (isPlant && left > 0) {
      left--;
      const { name, value: text, secret } = plant(r);
      secrets.push(secret);
      return `${jsonEscape(r, name, share)}:${jsonEscape(r, text, share)}`;
    }
    return `${jsonEscape(r, r.pick(names), share)}: ${value(depth + 1)}`;
  };
  let text = value(0);
  for (let d = r.integer(0, depthMax); d > 0; d--) text = r.chance(0.5) ? `[${text}]` : `{${jsonEscape(r, r.pick(names), 0)}:${text}}`;
  if (secrets.length === 0) {
    const { name, value: last, secret } = plant(r);
    secrets.push(secret);
    text = `{${jsonEscape(r, name, share)}:${jsonEscape(r, last, share)},"x":${text}}`;
  }
  return { text, secrets };
}

/** Everything that a reader of the parsed document could see, with what is coded in it undone. */
function seen(value: unknown): string {
  if (Array.isArray(value)) return value.map(seen).join('\n');
  if (typeof value === 'object' && value !== null)
    return Object.entries(value)
      .map(([k, v]) => `${k}\n${seen(v)}`)
      .join('\n');
  let text = String(value);
  try {
    text += decodeURIComponent(text);
  } catch {
    // No percent-coding.
  }
  return text;
}

/** Names and kinds of containers. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shape(v)]));
  return 0;
}

test('JSON: no planted secret survives, and the document keeps its shape', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1 << 30 }), fc.integer({ min: 0, max: 50 }), (seed, depth) => {
      const { text, secrets } = jsonPlanted(seed, depth, 4);
      const before = JSON.parse(text);
      const result = masked(text, type('application/json'));
      const after = JSON.parse(result.text);
      assert.deepEqual(shape(after), shape(before));
      assertGone(seen(after) + unescaped(result.text), secrets, text);
      assert.equal(masked(result.text, type('application/json')).text, result.text, 'masking again changes nothing');
    }),
    { numRuns: 1000 },
  );
});

test('JSON: a clean document is left alone', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1 << 30 }), fc.integer({ min: 0, max: 50 }), (seed, depth) => {
      const r = new Random(seed);
      const build = (d: number): string => {
        if (d >= depth || r.chance(0.3)) return jsonLeaf(r);
        if (r.chance(0.5)) return `[${Array.from({ length: r.integer(0, 3) }, () => build(d + 1)).join(',')}]`;
        return `{${Array.from({ length: r.integer(0, 3) }, () => `${jsonEscape(r, r.pick(names), 0.1)}:${build(d + 1)}`).join(',')}}`;
      };
      const text = build(0);
      assert.deepEqual(masked(text, type('application/json')).found, [], text);
    }),
    runs,
  );
});

const LONGEST_LEFT = 8;

/** A cut secret shows less than LONGEST_LEFT bytes of its beginning. */
function assertCut(text: string, secrets: readonly string[], why: string): void {
  assertGone(
    text,
    secrets.map((secret) => secret.slice(0, LONGEST_LEFT)),
    why,
  );
}

test('JSON: cut anywhere, no secret and no beginning of one is left', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1 << 30 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (seed, at, isCut) => {
      const { text, secrets } = jsonPlanted(seed, 8, 4);
      const cut = text.slice(0, Math.floor(text.length * at));
      // The first digits of a number alone are a whole document, when nobody says that something is missing.
      if (!isCut && /^\d*$/.test(cut)) return;
      assertCut(unescaped(masked(cut, type('application/json'), isCut).text), secrets, cut);
    }),
    { numRuns: 2000 },
  );
});

function unescaped(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))).replaceAll('\\/', '/');
}

test('any bytes at all are walked without a fault, whatever they are labelled', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', 'u', '1', 'a', ' ', '\\"', '"password"', 'null', '\n', 'é')),
      fc.boolean(),
      (pieces, isCut) => {
        const text = pieces.join('');
        for (const t of ['application/json', 'text/plain', '', 'application/graphql', 'text/xml', 'text/event-stream', 'text/csv'])
          assert.ok(masked(text, type(t), isCut).bytes.length >= 0);
      },
    ),
    { numRuns: 2000 },
  );
});

// Forms, queries, paths

function percent(r: Random, text: string, share: number, isForm: boolean): string {
  return [...Buffer.from(text)]
    .map((b) => {
      const hex = b.toString(16).padStart(2, '0');
      const c = String.fromCharCode(b);
      if (b === 32 && isForm && r.chance(0.5)) return '+';
      if (/[A-Za-z0-9._~-]/.test(c) && !r.chance(share)) return c;
      return `%${r.chance(0.5) ? hex : hex.toUpperCase()}`;
    })
    .join('');
}

const unpercent = (text: string): string => {
  let out = text.replaceAll('+', ' ');
  for (let i = 0; i < 2; i++)
    out = Buffer.from(
      out.replace(/%([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    ).toString('latin1');
  return out;
};

test('forms and queries: no planted secret survives', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1 << 30 }), fc.integer({ min: 1, max: 8 }), (seed, n) => {
      const r = new Random(seed);
      const share = r.pick([0, 0.3, 1]);
      const secrets: string[] = [];
      const pairs = Array.from({ length: n }, () => {
        const { name, value, secret } = r.chance(0.5) ? plant(r) : { name: r.pick(names), value: r.pick(innocent), secret: '' };
        if (secret !== '') secrets.push(secret);
        const nested = r.pick([name, `user[${name}]`, `a.${name}`, `${name}[]`]);
        const doc = r.chance(0.2) ? JSON.stringify({ [name]: value }) : value;
        return `${percent(r, nested, share, true)}=${percent(r, doc, share, true)}`;
      });
      const text = pairs.join(r.pick(['&', '&', ';']));
      assertGone(unpercent(masked(text, type('application/x-www-form-urlencoded')).text), secrets, text);
      const query = masked(text, maskQuery, false, QUERY).text;
      assertGone(unpercent(query), secrets, text);
      assert.equal(query.split('=').length, text.split('=').length, 'as many pairs as before');
      const cut = text.slice(0, r.integer(0, text.length));
      assertCut(unpercent(masked(cut, type('application/x-www-form-urlencoded'), true).text), secrets, cut);
    }),
    runs,
  );
});

test('paths: no planted secret survives', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1 << 30 }), (seed) => {
      const r = new Random(seed);
      const { name, value, secret } = plant(r);
      const share = r.pick([0, 0.3, 1]);
      const segments = Array.from({ length: r.integer(0, 4) }, () => percent(r, r.pick(innocent.filter((s) => s !== '')), share, false));
      const coded = percent(r, value, share, false);
      segments.push(r.chance(0.5) ? `${percent(r, name, share, false)}/${coded}` : `x;${percent(r, name, share, false)}=${coded}`, 'after');
      const text = `/${segments.join('/')}`;
      assertGone(unpercent(masked(text, maskPath, false, PATH).text), [secret], text);
    }),
    runs,
  );
});

// XML

function entity(r: Random, text: string, share: number): string {
  return [...text]
    .map((c) => {
      const code = c.codePointAt(0) ?? 0;
      if (c === '&') return '&amp;';
      if (c === '<') return '&lt;';
      if (c === '"') return '&quot;';
      if (!r.chance(share)) return c;
      return r.pick([`&#${code};`, `&#x${code.toString(16)};`, `&#0${code};`, `&#X${code.toString(16).toUpperCase()};`]);
    })
    .join('');
}

const unentity = (text: string): string =>
  text.replace(/&#[xX]([0-9a-fA-F]+);|&#([0-9]+);/g, (_, hex, dec) =>
    String.fromCodePoint(hex === undefined ? Number(dec) : Number.parseInt(hex, 16)),
  );

test('XML and HTML: no planted secret survives, and tags stay', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1 << 30 }), fc.integer({ min: 0, max: 50 }), (seed, depth) => {
      const r = new Random(seed);
      const share = r.pick([0, 0.3, 1]);
      const { name, value, secret } = plant(r);
      const coded = entity(r, value, share);
      let text = r.pick([
        `<${name}>${coded}</${name}>`,
        `<p:${name} a="1"><b/>${coded}</p:${name}>`,
        `<a ${name}="${coded}"/>`,
        `<a value='${coded}' name="${name}">x</a>`,
        `<${name}><![CDATA[${value}]]></${name}>`,
        `<${name}><inner><x>1</x>${coded}</inner></${name}>`,
      ]);
      for (let d = 0; d < depth; d++) text = `<w${d % 3}>${r.pick(['', 'tea ', '<x/>', '<!-- c -->'])}${text}</w${d % 3}>`;
      for (const t of ['text/xml', '']) {
        const result = masked(text, type(t)).text;
        assertGone(unentity(result), [secret], text);
        const tags = (s: string): string[] => s.match(/<\/?[\w:]+/g) ?? [];
        assert.deepEqual(tags(result), tags(text));
      }
      const cut = text.slice(0, r.integer(0, text.length));
      assertCut(unentity(masked(cut, type('application/xml'), true).text), [secret], cut);
    }),
    { numRuns: 1000 },
  );
});

// Multipart

test('multipart: no planted secret survives, and boundaries stay', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1 << 30 }), fc.integer({ min: 1, max: 5 }), (seed, n) => {
      const r = new Random(seed);
      const secrets: string[] = [];
      const eol = r.pick(['\r\n', '\n']);
      const parts = Array.from({ length: n }, () => {
        const { name, value, secret } = plant(r);
        secrets.push(secret);
        switch (r.integer(0, 3)) {
          case 0:
            return `Content-Disposition: form-data; name="x"${eol}Content-Type: application/json${eol}${eol}${JSON.stringify({ [name]: value })}`;
          case 1:
            return `content-disposition: form-data; filename="a ${byContent.includes(secret as never) ? value : 'b'}"; name=${name}${eol}${eol}${value}`;
          case 2:
            return `Content-Disposition: form-data; name="${name}"${eol}Content-Transfer-Encoding: base64${eol}${eol}${Buffer.from(value).toString('base64')}`;
          default:
            return `Content-Disposition: form-data; name="user[${name}]"${eol}${eol}${value}`;
        }
      });
      const text = `${parts.map((part) => `--b0${eol}${part}${eol}`).join('')}--b0--`;
      const coded = secrets.map((secret) => Buffer.from(secret).toString('base64').slice(0, 12));
      const result = masked(text, type('multipart/form-data; boundary=b0')).text;
      assertGone(result, [...secrets, ...coded], text);
      assert.equal(result.split('--b0').length, n + 2);
      const cut = text.slice(0, r.integer(0, text.length));
      assertCut(masked(cut, type('multipart/form-data; boundary=b0'), true).text, [...secrets, ...coded], cut);
    }),
    runs,
  );
});
