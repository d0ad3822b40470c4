import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, outputRegion } from '../base/arena.ts';
import { FLAGS, IS_IPV6, KEY_A, KEY_B, PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import { CAUSE_GAP, CAUSE_RESET, NO_RESPONSE } from '../http/transaction.ts';
import { closingRecordSchema } from './closing-record.ts';
import { CLOSING_BYTES_MAX, type Closing, encodeClosing, idPrefix } from './encode-closing.ts';

const FLOW = 5;
const prefix = idPrefix('eu-1', 'hgn9njzqsw', 3);

/** A connection from 10.0.0.1:40000 to 10.0.0.2:8080, or the same in IPv6. */
function connection(isIpv6: boolean): void {
  const f = FLOW << ROW_SHIFT;
  rows[f + FLAGS] = isIpv6 ? IS_IPV6 : 0;
  for (let i = 0; i < 4; i++) rows[f + KEY_A + i] = rows[f + KEY_B + i] = isIpv6 ? -1 : 0;
  rows[f + KEY_A] = 0x0a000001;
  rows[f + KEY_B] = 0x0a000002;
  rows[f + PORTS] = (40_000 << 16) | 8080;
}

function lineOf(closing: Closing, n: number): string {
  const end = encodeClosing(outputRegion.at, prefix, n, closing);
  assert.ok(end - outputRegion.at <= CLOSING_BYTES_MAX);
  return bytes.toString('utf8', outputRegion.at, end);
}

const MOST = 2 ** 53 - 1;
const side = { firstByteUs: 10, lastByteUs: 20, bytes: 30, gapBytes: 0 };
const closing: Closing = {
  call: 7,
  flow: FLOW,
  client: 0,
  causes: 0,
  timeUs: 1_700_000_000_000_001,
  durationUs: 90_000_000,
  request: side,
  response: { ...side, gapBytes: 5, status: 200 },
};

test('a closing record is one line of canonical JSON, as the schema says', () => {
  connection(false);
  const line = lineOf(closing, 1);
  const wanted = {
    schema: 'earshot.closing/1',
    id: 'eu-1.hgn9njzqsw.3.c1',
    call: 'eu-1.hgn9njzqsw.3.7',
    complete: true,
    client: { address: '10.0.0.1', port: 40_000 },
    server: { address: '10.0.0.2', port: 8080 },
    timeUs: 1_700_000_000_000_001,
    durationUs: 90_000_000,
    request: { firstByteUs: 10, lastByteUs: 20, bytes: 30 },
    response: { firstByteUs: 10, lastByteUs: 20, bytes: 30, gapBytes: 5, status: 200 },
  };
  assert.equal(line, `${JSON.stringify(wanted)}\n`);
  assert.deepEqual(closingRecordSchema.parse(JSON.parse(line)), wanted);
});

test('sides that were not seen, causes, the other end as client, and a WebSocket', () => {
  connection(true);
  const counts = { text: 1, binary: 2, controls: 3, bytes: MOST };
  const websocket = { code: 1000, client: counts, server: counts };
  const parse = (part: Partial<Closing>): object => {
    const line = lineOf({ ...closing, ...part }, MOST);
    const value: unknown = JSON.parse(line);
    assert.equal(`${JSON.stringify(value)}\n`, line);
    const parsed = closingRecordSchema.parse(value);
    assert.equal(JSON.stringify(parsed), JSON.stringify(value), 'keys in the order of the schema');
    return parsed;
  };
  const causes = NO_RESPONSE | CAUSE_GAP | CAUSE_RESET;
  const alone = parse({ client: 1, call: MOST, causes, response: null });
  assert.partialDeepStrictEqual(alone, { id: `eu-1.hgn9njzqsw.3.c${MOST}`, call: `eu-1.hgn9njzqsw.3.${MOST}`, response: null });
  assert.partialDeepStrictEqual(alone, { complete: false, causes: ['no-response', 'gap', 'reset'] });
  assert.partialDeepStrictEqual(alone, { client: { port: 8080 }, server: { port: 40_000 } });
  assert.partialDeepStrictEqual(parse({ request: null, response: { ...side, status: null } }), {
    request: null,
    response: { status: null },
  });
  assert.partialDeepStrictEqual(parse({ request: { ...side, bytes: MOST, gapBytes: MOST }, websocket }), { websocket });
});
