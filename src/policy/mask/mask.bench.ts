/**
 * Walkers on ordinary documents in which nothing is found, by the shipped rules: nanoseconds a byte, beside one pass of
 * JSON.parse over the same bytes as text. Best of a hundred short rounds each, the runs of a round one after the other, so
 * that noise meets all. Sixty-four different documents take turns, so that no branch predictor knows them.
 *
 *   node src/policy/mask/mask.bench.ts
 */
import { blockRegion, bytes } from '../../base/arena.ts';
import { defaultMasking } from '../default-masking.ts';
import { resetActions } from './actions.ts';
import { maskDocument, maskHeaderValue, resetDocuments } from './document.ts';
import { beginEdits, editCount, resetEdits } from './edits.ts';
import { resetField } from './field.ts';
import { maskQuery } from './form.ts';
import { BODY, HEADER, place, QUERY } from './place.ts';
import { resetRules } from './rules.ts';

const BODIES = 64;

resetRules(defaultMasking);
resetActions(defaultMasking, Buffer.alloc(32));
resetDocuments(defaultMasking);

let x = 1;
function next(n: number): number {
  x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return (x >>> 8) % n;
}

const words = 'a fine cup for tea with two handles in blue and white made by hand of good clay'.split(' ');
const phrase = (n: number): string => Array.from({ length: n }, () => words[next(words.length)]).join(' ');

function order(): unknown {
  return {
    orderId: next(1e7),
    status: ['open', 'paid', 'shipped'][next(3)],
    customer: { id: `c_${next(5000)}`, segment: 'retail', active: next(3) > 0 },
    items: Array.from({ length: 1 + next(4) }, () => ({
      sku: next(2 ** 24).toString(36),
      title: phrase(4),
      quantity: next(9),
      price: next(99999) / 100,
    })),
    note: phrase(8),
    createdAt: new Date(1.7e12 + next(1e9)).toISOString(),
  };
}

function orders(length: number): string {
  const list: unknown[] = [];
  while (JSON.stringify(list).length < length) list.push(order());
  return JSON.stringify({ page: 1, total: list.length, orders: list });
}

/** Nanoseconds a byte of each, best of the rounds. */
function best(rounds: number, calls: number, size: number, runs: readonly ((i: number) => void)[]): number[] {
  const ns = runs.map(() => Number.POSITIVE_INFINITY);
  for (let r = 0; r < rounds; r++) {
    for (const [k, run] of runs.entries()) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < calls; i++) run(i & (BODIES - 1));
      ns[k] = Math.min(ns[k], Number(process.hrtime.bigint() - start) / calls / size);
    }
  }
  return ns;
}

interface Placed {
  readonly at: number[];
  readonly end: number[];
  readonly texts: string[];
  readonly size: number;
}

let top = blockRegion.at;
function put(text: string): number {
  const at = top;
  top += bytes.write(text, at);
  return at;
}

function placed(make: () => string): Placed {
  const texts = Array.from({ length: BODIES }, make);
  const at = texts.map(put);
  const end = at.map((a, i) => a + Buffer.byteLength(texts[i]));
  return { at, end, texts, size: (end[BODIES - 1] - at[0]) / BODIES };
}

function measure(name: string, docs: Placed, where: number, walk: (at: number, end: number) => void): void {
  place[0] = where;
  resetEdits();
  resetField();
  for (let i = 0; i < BODIES; i++) {
    beginEdits();
    walk(docs.at[i], docs.end[i]);
    if (editCount() > 0) throw new Error(`${name}: something was found in ${docs.texts[i]}`);
  }
  const calls = Math.max(BODIES, Math.round((1 << 18) / docs.size));
  const isJson = docs.texts[0].startsWith('{');
  const runs = [(i: number) => walk(docs.at[i], docs.end[i]), ...(isJson ? [(i: number) => void JSON.parse(docs.texts[i])] : [])];
  const [ours, theirs] = best(100, calls, docs.size, runs);
  const beside = theirs === undefined ? '' : `  JSON.parse ${theirs.toFixed(2)} (${(ours / theirs).toFixed(2)})`;
  console.log(`${name.padEnd(22)} ${Math.round(docs.size).toString().padStart(6)} B  ${ours.toFixed(2)} ns a byte${beside}`);
}

const types = {
  json: 'application/json',
  form: 'application/x-www-form-urlencoded',
  xml: 'text/xml',
  text: 'text/plain',
};
const typeAt = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, [put(type), top] as const]));
const documentOf = (name: keyof typeof types): ((at: number, end: number) => void) => {
  const [from, to] = typeAt[name];
  return (at, end) => maskDocument(at, end, false, from, to);
};

for (const length of [300, 2048, 16384])
  measure(
    'JSON',
    placed(() => orders(length)),
    BODY,
    documentOf('json'),
  );
measure(
  'JSON, indented',
  placed(() => JSON.stringify(JSON.parse(orders(4096)), null, 2)),
  BODY,
  documentOf('json'),
);
measure(
  'form',
  placed(() => Array.from({ length: 12 }, () => `${words[next(words.length)]}=${phrase(2).replaceAll(' ', '+')}`).join('&')),
  BODY,
  documentOf('form'),
);
measure(
  'XML',
  placed(
    () => `<orders>${Array.from({ length: 20 }, () => `<item sku="${next(1e6)}"><title>${phrase(4)}</title></item>`).join('')}</orders>`,
  ),
  BODY,
  documentOf('xml'),
);
measure(
  'text',
  placed(() => phrase(400)),
  BODY,
  documentOf('text'),
);
measure(
  'query',
  placed(() => `page=${next(100)}&sort=${words[next(words.length)]}&q=${phrase(2).replaceAll(' ', '+')}`),
  QUERY,
  maskQuery,
);
const acceptAt = put('accept-encoding');
const acceptEnd = top;
measure(
  'header value',
  placed(() => 'gzip, deflate, br, zstd'),
  HEADER,
  (at, end) => maskHeaderValue(acceptAt, acceptEnd, at, end),
);
