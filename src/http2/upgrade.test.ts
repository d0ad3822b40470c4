/** Upgrades to HTTP/2 whose 101 is not to be had whole: a hole in its head, or a head beyond the limit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyBytes, partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { dataFrame, headers, PREFACE, settingsFrame } from '../../test/support/http2-frames.ts';
import { PipelineRun, type Run, settingsWith } from '../../test/support/run-pipeline.ts';

const ok: [string, string][] = [
  [':status', '200'],
  ['content-type', 'text/plain'],
];
const get = (path: string): [string, string][] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'shop.example'],
];
const ask =
  'GET /up HTTP/1.1\r\nHost: old.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAAAA\r\n\r\n';
const switching = (padding: number): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nX-Pad: ${'p'.repeat(padding)}\r\n\r\n`;

/** The client upgrades and asks once more; `isReversed`: it is the side that accepted the connection. */
function talk(padding: number, isReversed = false): Turn[] {
  const turn = (fromServer: boolean, ...all: (Buffer | string)[]): Turn => ({
    fromServer: fromServer !== isReversed,
    bytes: Buffer.concat(all.map((part) => Buffer.from(part as string))),
  });
  return [
    turn(false, ask),
    turn(true, switching(padding), settingsFrame()),
    turn(false, PREFACE, settingsFrame(), settingsFrame([], true)),
    turn(true, settingsFrame([], true), headers(1, ok, { end: false }), dataFrame(1, 'first', true)),
    turn(false, headers(3, get('/two'))),
    turn(true, headers(3, ok, { end: false }), dataFrame(3, 'second', true)),
  ];
}

const brief = ({ records }: Run): unknown[] =>
  records.map((r) => [r.request?.target ?? null, r.response?.status ?? null, r.response?.version ?? null, r.response?.body.text ?? '']);
const wanted = [
  ['/up', 101, '1.1', ''],
  ['/up', 200, '2', 'first'],
  ['/two', 200, '2', 'second'],
];

test('a hole in the head of the 101: the frames behind it are found', () => {
  for (const isReversed of [false, true]) {
    const run = new PipelineRun({ everyPacket: true });
    const all = wires(partsOf({ turns: talk(400, isReversed), calls: [], end: 'client-fin' }, everyBytes(200)), {}, 100_000);
    const lost = all.findIndex(({ data }) => data.includes('p'.repeat(150)) && !data.includes('101'));
    assert.ok(lost > 0);
    for (const wire of all.toSpliced(lost, 1)) run.push(wire);
    const got = run.finish();
    assert.deepEqual(brief(got), wanted);
    assert.deepEqual(got.records[0].causes, ['gap']);
  }
});

test('frames as long as HTTP2-Settings allowed, before the preface says so', () => {
  const run = new PipelineRun({ everyPacket: true });
  const turns = talk(0);
  const long = dataFrame(1, 'x'.repeat(30_000), true);
  turns[1] = { ...turns[1], bytes: Buffer.concat([turns[1].bytes, headers(1, ok, { end: false }), long]) };
  turns.splice(3, 1);
  for (const wire of wires(partsOf({ turns, calls: [], end: 'client-fin' }, everyBytes(1400)))) run.push(wire);
  const got = run.finish();
  assert.deepEqual(
    got.records.map(({ response, causes }) => [response?.status, response?.body.bytes, causes]),
    [
      [101, 0, undefined],
      [200, 30_000, undefined],
      [200, 6, undefined],
    ],
  );
  assert.deepEqual(got.weirds, {});
});

test('a head of the 101 that is longer than the limit: the frames behind it are read', () => {
  for (const isReversed of [false, true]) {
    for (const bytes of [64, 1400]) {
      const run = new PipelineRun({ settings: settingsWith({ http: { headBytesMax: 256 } }), everyPacket: true });
      for (const wire of wires(partsOf({ turns: talk(400, isReversed), calls: [], end: 'client-fin' }, everyBytes(bytes)))) run.push(wire);
      const got = run.finish();
      assert.deepEqual(brief(got), wanted, `${bytes} ${isReversed}`);
      assert.deepEqual(got.records[0].causes, ['cut-at-limit']);
    }
  }
});
