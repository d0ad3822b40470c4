/**
 * HPACK, ns a field: requests and responses of a JSON API and of gRPC, on a connection that has gone on for a while
 * (warm: most fields are indexes; indexed: all), as literals in the Huffman code, and as such that are inserted and turn the table over;
 * the Huffman code alone, ns a byte of the string; and making its tables. Prints `name value unit` lines.
 *
 *   node src/http2/hpack.bench.ts
 */
import { bytes, outputRegion, packetRegion } from '../base/arena.ts';
import { resetBlocks } from '../base/blocks.ts';
import { defaultSettings } from '../base/settings.ts';
import { HeaderTable } from './header-table.ts';
import { decodeFields } from './hpack.ts';
import { type Known, pack, writeNumber, writeString } from './hpack-testing.ts';
import { decodeHuffman, prepareHuffman } from './huffman.ts';

const BLOCKS = 256;
const ROUNDS = 100;
const AT = packetRegion.at;
const at = new Int32Array(BLOCKS + 2);

const started = process.hrtime.bigint();
prepareHuffman();
console.log(`hpack.huffman_tables ${(Number(process.hrtime.bigint() - started) / 1e6).toFixed(1)} ms`);

const grpc = (i: number): Known[] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/shop.v1.Orders/GetOrder'],
  [':authority', 'orders.internal:50051'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
  ['user-agent', 'grpc-node-js/1.12.0'],
  ['grpc-timeout', `${900 + (i % 90)}m`],
  ['x-request-id', `4f1c${(i * 2654435761).toString(16)}-9a0b`],
];
const json = (i: number): Known[] => [
  [':status', '200'],
  ['content-type', 'application/json; charset=utf-8'],
  ['content-length', String(200 + i)],
  ['date', 'Mon, 23 Nov 2026 08:00:00 GMT'],
  ['etag', `W/"${(i * 48271).toString(36)}"`],
  ['cache-control', 'private, max-age=0'],
  ['server', 'envoy'],
  ['x-envoy-upstream-service-time', String(i % 40)],
];

const WARM = 0;
const LITERAL = 1;
const INSERTED = 2;

/**
 * One block. WARM: what stands in `known` (newest first) is an index, the rest a literal; else all are literals, which
 * INSERTED puts into the table.
 */
function encode(fields: readonly Known[], form: number, known: readonly Known[]): number[] {
  return fields.flatMap(([name, value]) => {
    const place = form === WARM ? known.findIndex((entry) => entry[0] === name && entry[1] === value) : -1;
    if (place >= 0) return writeNumber(0x80, 7, 62 + place);
    return [form === INSERTED ? 0x40 : 0, ...writeString(name, true), ...writeString(value, true)];
  });
}

/** Best of the rounds; the second number is the mean length of a field in the block. */
function measure(fieldsOf: (i: number) => Known[], form: number): readonly [ns: number, fieldBytes: number] {
  resetBlocks(defaultSettings.memory.blockBytesMax);
  const first = fieldsOf(0);
  const blocks = [encode(first, INSERTED, [])];
  for (let i = 1; i <= BLOCKS; i++) blocks.push(encode(fieldsOf(i), form, first.toReversed()));
  let top = AT;
  for (const [i, block] of blocks.entries()) {
    bytes.set(block, top);
    at[i] = top;
    top += block.length;
  }
  at[BLOCKS + 1] = top;
  const table = new HeaderTable(false);
  decodeFields(table, at[0], at[1]);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 1; i <= BLOCKS; i++) if (decodeFields(table, at[i], at[i + 1]) !== first.length) throw new Error(`block ${i}`);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / BLOCKS / first.length);
  }
  return [best, (top - at[1]) / BLOCKS / first.length];
}

const cases: readonly (readonly [name: string, fieldsOf: (i: number) => Known[], form: number])[] = [
  ['indexed', () => grpc(0), WARM],
  ['grpc_warm', grpc, WARM],
  ['grpc_literal', grpc, LITERAL],
  ['grpc_inserted', grpc, INSERTED],
  ['json_warm', json, WARM],
  ['json_literal', json, LITERAL],
  ['json_inserted', json, INSERTED],
];
// Once for the compiler, which must have seen them all.
for (const [, fieldsOf, form] of cases) measure(fieldsOf, form);
for (const [name, fieldsOf, form] of cases) {
  const [ns, fieldBytes] = measure(fieldsOf, form);
  console.log(`hpack.${name} ${ns.toFixed(1)} ns/field (${fieldBytes.toFixed(1)} bytes a field)`);
}

const text = pack(JSON.stringify(json(7)).repeat(8));
bytes.set(text, AT);
let best = Number.POSITIVE_INFINITY;
let length = 0;
for (let round = 0; round < 300; round++) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < 8; i++) length = decodeHuffman(AT, AT + text.length, outputRegion.at, outputRegion.end) - outputRegion.at;
  best = Math.min(best, Number(process.hrtime.bigint() - start) / 8 / length);
}
console.log(`hpack.huffman ${best.toFixed(2)} ns/byte`);
