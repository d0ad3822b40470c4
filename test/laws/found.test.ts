/**
 * What laws and fuzzers found, as small as it could be made: each of these once hung, leaked or lost the balance.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipPacket, type Part } from '../support/conversation.ts';
import { ACK, ethernet, FIN, SYN } from '../support/packets.ts';
import { type Run, runPipeline, START_US, settingsWith } from '../support/run-pipeline.ts';

type Said = readonly [side: '>' | '<', flags: number, sequence: number, acknowledgement: number, text: string];

/** Segments of one connection, `stepUs` apart; the ledger is checked after each. */
function run(said: readonly Said[], stepUs = 1000, settings = settingsWith({})): Run {
  const packets = said.map(([side, flags, sequence, acknowledgement, text], i) => {
    const part: Part = { fromServer: side === '<', flags, sequence, acknowledgement, payload: Buffer.from(text, 'latin1') };
    return { data: ethernet(ipPacket(part)), timeUs: START_US + i * stepUs };
  });
  return runPipeline(packets, { settings, everyPacket: true });
}

test('data of a SYN that nobody acknowledged, beside a hole of the other side, is no endless wait', { timeout: 10_000 }, () => {
  const { weirds } = run(
    [
      ['>', SYN, 100, 0, 'GET'],
      ['<', 0, 900, 0, 'a'],
      ['<', 0, 950, 0, 'b'],
      ['>', ACK, 104, 960, ''],
      ['>', ACK, 104, 960, ''],
      ['>', ACK, 104, 960, ''],
    ],
    600_000,
  );
  assert.ok(weirds['flow.tcp.gap'] > 0);
});

test('data that waits behind a FIN does not outlive the connection', () => {
  const { counters } = run([
    ['>', SYN, 100, 0, ''],
    ['<', SYN | ACK, 900, 101, ''],
    ['>', ACK, 121, 901, 'beyond'],
    ['>', FIN | ACK, 111, 901, ''],
    ['>', ACK, 101, 901, '0123456789'],
    ['<', FIN | ACK, 901, 112, ''],
  ]);
  assert.equal(counters['payload.discarded{after-fin}'], 6);
});

test('a response without a request that is under way when the connection is handed over is not lost', () => {
  const { records } = run([
    ['<', ACK, 900, 100, 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['>', ACK, 100, 942, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['>', ACK, 127, 942, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ]);
  assert.equal(records.length, 2, JSON.stringify(records));
  assert.deepEqual(records.find((r) => r.request === null)?.response?.body.bytes, 3);
});

test('a head that ends in a hole is not called complete', () => {
  const { records } = run(
    [
      ['>', SYN, 100, 0, ''],
      ['<', SYN | ACK, 900, 101, ''],
      ['>', ACK, 101, 901, 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['<', ACK, 901, 128, 'HTTP/1.1 200 OK\r\nServer: x\r\n'],
      ['<', ACK, 950, 128, 'X: y\r\n\r\n'],
      ['>', ACK, 128, 958, ''],
    ],
    300_000,
  );
  assert.equal(records.length, 1);
  assert.equal(records[0].response?.status, 200);
  assert.ok(records[0].causes?.includes('gap'));
});

test('a head just longer than http.headBytesMax ends where it ends', () => {
  for (let over = 0; over < 6; over++) {
    const head = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: `;
    const text = `${head}${'x'.repeat(256 - head.length - 4 + over)}\r\n\r\n`;
    const { records } = run(
      [
        ['>', ACK, 100, 900, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
        ['<', ACK, 900, 127, `${text}5\r\nhello\r\n0\r\n\r\n`],
      ],
      1000,
      settingsWith({ http: { headBytesMax: 256 } }),
    );
    assert.equal(records[0].response?.body.text, 'hello', `${over} bytes over`);
  }
});

test('after a hole a body is not taken for a request line', () => {
  const { records } = run(
    [
      ['>', ACK, 100, 900, 'Article "} POST'],
      ['>', ACK, 115, 900, ' /b HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['<', ACK, 900, 141, 'HTTP/1.1 204 No Content\r\n\r\n'],
    ],
    1000,
  );
  assert.deepEqual(
    records.map((r) => r.request?.target),
    [undefined],
  );
});
