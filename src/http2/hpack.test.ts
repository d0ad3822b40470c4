import assert from 'node:assert/strict';
import { test } from 'node:test';
import { weirds } from '../base/weird.ts';
import { DECODED_BYTES_MAX, FIELDS_MAX } from './field-list.ts';
import { HeaderTable, SIZE_UNKNOWN } from './header-table.ts';
import {
  BAD_HUFFMAN,
  BAD_INDEX,
  BAD_INTEGER,
  BAD_TABLE_SIZE,
  hpackWeird,
  TOO_MANY_BYTES,
  TOO_MANY_FIELDS,
  TRUNCATED,
} from './hpack-error.ts';
import { decodeBlock, entriesOf, type Field, fieldsOf, hex, pack, writeNumber, writeString } from './hpack-testing.ts';

interface Step {
  readonly block: string;
  readonly fields: readonly Field[];
  readonly entries: readonly Field[];
  readonly bytes: number;
}

function play(table: HeaderTable, steps: readonly Step[]): void {
  for (const { block, fields, entries, bytes } of steps) {
    assert.deepEqual(fieldsOf(table, hex(block)), fields);
    assert.deepEqual(entriesOf(table), entries);
    assert.equal(table.bytes, bytes);
  }
  table.release();
}

test('numbers (RFC 7541, C.1)', () => {
  // 10 and 1337 in five bits, as sizes: allowed at exactly that maximum.
  for (const [block, size] of [
    ['2a', 10],
    ['3f9a0a', 1337],
  ] as const) {
    for (const max of [size - 1, size]) {
      const table = new HeaderTable(false);
      table.resize(max);
      assert.equal(decodeBlock(table, hex(block)).result, max === size ? 0 : BAD_TABLE_SIZE);
    }
  }
  // 42 in a whole byte less one bit, as a length.
  assert.deepEqual(fieldsOf(new HeaderTable(false), hex(`0001 61 2a ${'62'.repeat(42)}`)), [['a', 'b'.repeat(42)]]);
});

test('one field of each form (RFC 7541, C.2)', () => {
  const none = { entries: [], bytes: 0 };
  play(new HeaderTable(false), [
    {
      block: '400a 637573746f6d2d6b6579 0d 637573746f6d2d686561646572',
      fields: [['custom-key', 'custom-header']],
      entries: [['custom-key', 'custom-header']],
      bytes: 55,
    },
  ]);
  play(new HeaderTable(false), [{ block: '040c 2f73616d706c652f70617468', fields: [[':path', '/sample/path']], ...none }]);
  play(new HeaderTable(false), [{ block: '1008 70617373776f7264 06 736563726574', fields: [['password', 'secret']], ...none }]);
  play(new HeaderTable(false), [{ block: '82', fields: [[':method', 'GET']], ...none }]);
});

const requestFields = (scheme: string, path: string, ...more: Field[]): Field[] => [
  [':method', 'GET'],
  [':scheme', scheme],
  [':path', path],
  [':authority', 'www.example.com'],
  ...more,
];
const host: Field = [':authority', 'www.example.com'];
const noCache: Field = ['cache-control', 'no-cache'];
const custom: Field = ['custom-key', 'custom-value'];

/** Three requests on one connection (C.3 and C.4). */
const requests = (...blocks: readonly string[]): Step[] => [
  { block: blocks[0], fields: requestFields('http', '/'), entries: [host], bytes: 57 },
  { block: blocks[1], fields: requestFields('http', '/', noCache), entries: [noCache, host], bytes: 110 },
  { block: blocks[2], fields: requestFields('https', '/index.html', custom), entries: [custom, noCache, host], bytes: 164 },
];

test('requests (RFC 7541, C.3)', () => {
  play(
    new HeaderTable(false),
    requests(
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ),
  );
});

test('requests in the Huffman code (RFC 7541, C.4)', () => {
  play(
    new HeaderTable(false),
    requests('828684418cf1e3c2e5f23a6ba0ab90f4ff', '828684be5886a8eb10649cbf', '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf'),
  );
});

/** Three responses, a table of 256 bytes (C.5 and C.6). */
function responses(...blocks: readonly string[]): Step[] {
  const status302: Field = [':status', '302'];
  const status307: Field = [':status', '307'];
  const cache: Field = ['cache-control', 'private'];
  const date21: Field = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
  const date22: Field = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
  const location: Field = ['location', 'https://www.example.com'];
  const gzip: Field = ['content-encoding', 'gzip'];
  const cookie: Field = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];
  return [
    { block: blocks[0], fields: [status302, cache, date21, location], entries: [location, date21, cache, status302], bytes: 222 },
    { block: blocks[1], fields: [status307, cache, date21, location], entries: [status307, location, date21, cache], bytes: 222 },
    {
      block: blocks[2],
      fields: [[':status', '200'], cache, date22, location, gzip, cookie],
      entries: [cookie, gzip, date22],
      bytes: 215,
    },
  ];
}

function smallTable(): HeaderTable {
  const table = new HeaderTable(false);
  assert.equal(table.setSize(256), true);
  return table;
}

test('responses with eviction (RFC 7541, C.5)', () => {
  play(
    smallTable(),
    responses(
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ),
  );
});

test('responses in the Huffman code with eviction (RFC 7541, C.6)', () => {
  play(
    smallTable(),
    responses(
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ),
  );
});

/** A block that inserts a field. */
const inserting = (name: string, value: string): number[] => [0x40, ...writeString(name, false), ...writeString(value, false)];

test('each error has its name, leaves the fields before it, and makes the table forget', () => {
  const cases: readonly (readonly [block: string, error: number, weird: string])[] = [
    ['80', BAD_INDEX, 'http.http2.hpack_index'],
    ['bf', BAD_INDEX, 'http.http2.hpack_index'],
    ['7f00 0161', BAD_INDEX, 'http.http2.hpack_index'],
    ['0f30 0161', BAD_INDEX, 'http.http2.hpack_index'],
    ['ffffffff7f', BAD_INDEX, 'http.http2.hpack_index'],
    ['ffffffffff10', BAD_INTEGER, 'http.http2.hpack_integer'],
    ['ffffffffff8000', BAD_INTEGER, 'http.http2.hpack_integer'],
    ['0001 61 7fffffffff7f', BAD_INTEGER, 'http.http2.hpack_integer'],
    ['ff', TRUNCATED, 'http.http2.hpack_truncated'],
    ['ff80', TRUNCATED, 'http.http2.hpack_truncated'],
    ['40', TRUNCATED, 'http.http2.hpack_truncated'],
    ['40 0161', TRUNCATED, 'http.http2.hpack_truncated'],
    ['40 0161 02 62', TRUNCATED, 'http.http2.hpack_truncated'],
    ['40 0161 7fffffffff0f 62', TRUNCATED, 'http.http2.hpack_truncated'],
    ['44 82 1f18', BAD_HUFFMAN, 'http.http2.hpack_huffman'],
    ['44 84 ffffffff', BAD_HUFFMAN, 'http.http2.hpack_huffman'],
    ['20', BAD_TABLE_SIZE, 'http.http2.hpack_table_size'],
  ];
  for (const [block, error, weird] of cases) {
    const table = new HeaderTable(false);
    assert.deepEqual(fieldsOf(table, Buffer.from([...inserting('a', '1')])), [['a', '1']]);
    const { result, fields } = decodeBlock(table, hex(`82 be ${block}`));
    assert.equal(result, error, block);
    assert.deepEqual(fields, [
      [':method', 'GET'],
      ['a', '1'],
    ]);
    assert.equal(weirds[hpackWeird(result)].name, weird);
    assert.deepEqual(entriesOf(table), []);
    assert.deepEqual(fieldsOf(table, hex('be')), [[null, null]], block);
    table.release();
  }
});

test('a size update stands at the front and within the maximum', () => {
  const table = new HeaderTable(false);
  assert.deepEqual(fieldsOf(table, hex('20 3fe11f 82')), [[':method', 'GET']], '0, then 4096');
  assert.equal(decodeBlock(table, hex('3fe21f')).result, BAD_TABLE_SIZE, '4097');
  assert.equal(decodeBlock(table, hex('3fe21f')).result, 0, 'a SETTINGS frame was missed: the next is believed');
  table.resize(SIZE_UNKNOWN);
  assert.equal(decodeBlock(table, hex('3fe2ffffff0f 82')).result, 1, 'when the maximum is not known, any');
  table.resize(2 ** 32 - 1);
  assert.equal(decodeBlock(table, hex('3fe2ffffff0f 82')).result, 1);
  const late = new HeaderTable(true);
  assert.equal(decodeBlock(late, hex('3fe2ff03')).result, 0, 'joined late, the maximum is not known');
  late.resize(4096);
  assert.equal(decodeBlock(late, hex('3fe2ff03')).result, BAD_TABLE_SIZE);
});

test('a block that stands for too many bytes is cut, whatever it is made of', () => {
  const table = new HeaderTable(false);
  const value = 'x'.repeat(4000);
  assert.equal(decodeBlock(table, Buffer.from(inserting('a', value))).result, 1);
  const times = Math.floor(DECODED_BYTES_MAX / 4001);
  assert.equal(decodeBlock(table, new Uint8Array(times).fill(0xbe)).result, times);
  const bomb = decodeBlock(table, new Uint8Array(10_000).fill(0xbe));
  assert.equal(bomb.result, TOO_MANY_BYTES);
  assert.equal(bomb.fields.length, times);
  assert.ok(bomb.fields.every(([name, text]) => name === 'a' && text === value));
  assert.equal(weirds[hpackWeird(bomb.result)].name, 'limit.http.header_list_bytes');
  const long = [0, ...writeString('a', false), ...writeNumber(0x80, 7, DECODED_BYTES_MAX)];
  assert.equal(decodeBlock(table, Buffer.concat([Buffer.from(long), new Uint8Array(DECODED_BYTES_MAX)])).result, TOO_MANY_BYTES, 'Huffman');
  const plain = [0, ...writeString('a', false), ...writeNumber(0, 7, DECODED_BYTES_MAX)];
  assert.equal(decodeBlock(table, Buffer.concat([Buffer.from(plain), new Uint8Array(DECODED_BYTES_MAX)])).result, TOO_MANY_BYTES, 'plain');
  table.release();
});

test('a block of too many fields is cut', () => {
  const table = new HeaderTable(false);
  assert.equal(decodeBlock(table, new Uint8Array(FIELDS_MAX).fill(0x82)).result, FIELDS_MAX);
  const { result, fields } = decodeBlock(table, new Uint8Array(FIELDS_MAX + 1).fill(0x82));
  assert.equal(result, TOO_MANY_FIELDS);
  assert.equal(fields.length, FIELDS_MAX);
  assert.equal(weirds[hpackWeird(result)].name, 'limit.http.header_list_fields');
  const literals = new Uint8Array(3 * (FIELDS_MAX + 1));
  assert.equal(decodeBlock(table, literals).result, TOO_MANY_FIELDS, 'empty literals');
});

test('fields of the list stay what they were while their block turns the table over', () => {
  for (const size of [64, 300, 4096, 20_000, 65_536]) {
    const table = new HeaderTable(false);
    table.resize(SIZE_UNKNOWN);
    const block = writeNumber(0x20, 5, size);
    const wanted: Field[] = [];
    for (let i = 0; i < 800; i++) {
      // A new entry, then the newest by its index; every third takes its name from the table.
      const isNamed = i % 3 === 2 && size > 64;
      const name = isNamed ? (wanted.at(-1)?.[0] ?? '') : `n${i}`;
      const value = `${i}${'v'.repeat(i % 50)}`;
      block.push(...(isNamed ? [0x40 | 62] : [0x40, ...writeString(name, i % 2 === 0)]), ...writeString(value, i % 4 === 0));
      wanted.push([name, value]);
      if (name.length + value.length + 32 <= size) {
        block.push(0xbe);
        wanted.push([name, value]);
      }
    }
    assert.deepEqual(fieldsOf(table, Buffer.from(block)), wanted, `size ${size}`);
    assert.ok(table.bytes <= size);
    table.release();
  }
});

test('a block near the limit of bytes whose fields all have to leave the table, beside strings in the Huffman code', () => {
  const table = new HeaderTable(false);
  table.resize(SIZE_UNKNOWN);
  const large = 'L'.repeat(60_000);
  const filled = [...writeNumber(0x20, 5, 65_536), ...inserting('large', large), ...inserting('small', 'S'.repeat(2000))];
  assert.equal(decodeBlock(table, Buffer.from(filled)).result, 2);
  const wanted: Field[] = Array.from({ length: 4 }, () => ['large', large]);
  const block = [0xbf, 0xbf, 0xbf, 0xbf];
  for (let i = 0; i < 20; i++) {
    const value = `${i}`.padStart(1000, 'x');
    block.push(0x40, ...writeString('new', true), ...writeString(value, true));
    wanted.push(['new', value]);
  }
  assert.deepEqual(fieldsOf(table, Buffer.from(block)), wanted);
  assert.ok(entriesOf(table).every(([name]) => name !== 'large'));
  table.release();
});

test('a string in the Huffman code may be an entry', () => {
  const table = new HeaderTable(false);
  const block = [0x40, ...writeString('x-name', true), 0x80 | pack('value').length, ...pack('value'), 0xbe];
  assert.deepEqual(fieldsOf(table, Buffer.from(block)), [
    ['x-name', 'value'],
    ['x-name', 'value'],
  ]);
  table.release();
});
