import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EncodedRecord } from './encode-batch.ts';
import { idOf, keyOf, RecordEncoder } from './encode-batch.ts';
import { type FormatName, formatNames } from './formats/encoder.ts';
import { formats } from './formats/format.ts';
import { openFraming } from './framing.ts';
import type { Frame } from './record-source.ts';
import { goesTo, routesOf, routesToSink } from './routes.ts';
import { callOf, closingLineOf, context, encoderOf, frameOf, framingOf, gapLineOf, lineOf } from './ship-testing.ts';

function recordsOf(encoder: RecordEncoder, frame: Frame, after = 0): EncodedRecord[] {
  const cursor = encoder.open(frame, after);
  const records: EncodedRecord[] = [];
  for (let record = cursor.next(); record !== null; record = cursor.next()) records.push(record);
  return records;
}

function linesOf(n: number): Buffer[] {
  return Array.from({ length: n }, (_, i) => lineOf(i));
}

test('takes the records of its pipelines and those for it alone, with their place in the spool', () => {
  const routes = [0b01, 0b10, 0b11, 0b100, routesToSink('edge'), routesToSink('other'), 0];
  const frame = frameOf(101, linesOf(7), routes);
  const records = recordsOf(encoderOf('jsonl', 0b10), frame);
  assert.deepEqual(
    records.map(({ sequence, bytes }) => [sequence, bytes.toString()]),
    [102, 103, 105].map((sequence) => [sequence, lineOf(sequence - 101).toString()]),
  );
  assert.deepEqual(
    recordsOf(encoderOf('jsonl', 0b10), frame, 102).map(({ sequence }) => sequence),
    [103, 105],
  );
  assert.equal(encoderOf().open(frame, 0).lastSequence, 107);
});

test('a word of routes means pipelines or one sink, never both', () => {
  const everything = routesOf('edge', 0x7fffffff);
  assert.ok(goesTo(1 << 30, everything));
  assert.ok(!goesTo(0, everything));
  assert.ok(goesTo(routesToSink('edge'), everything));
  assert.ok(!goesTo(routesToSink('edge2'), everything));
});

test('id and key are read from the line as JSON has them', () => {
  const incomplete = Buffer.from(
    `${JSON.stringify({ ...callOf(7), complete: false, causes: ['gap', 'no-response'], client: { address: '2001:db8::1', port: 5 } })}\n`,
  );
  const lines = [lineOf(0), lineOf(1234), incomplete];
  for (const line of lines) {
    const { id, client, server } = JSON.parse(line.toString());
    assert.equal(idOf(line), id);
    assert.equal(keyOf(line, 'client'), client.address);
    assert.equal(keyOf(line, 'connection'), `${client.address}:${client.port}-${server.address}:${server.port}`);
    assert.equal(keyOf(line, 'none'), '');
    for (let end = 0; end < 200; end++) {
      const cut = line.subarray(0, end);
      assert.ok(id.startsWith(idOf(cut)));
      keyOf(cut, 'client');
      keyOf(cut, 'connection');
    }
  }
  const odd = Buffer.from(`{"body":"${'x'.repeat(3000)}","client":{"address":"1.2.3.4"`);
  assert.deepEqual([idOf(odd), keyOf(odd, 'client'), keyOf(odd, 'connection')], ['', '', '']);
});

test('a closing record has an id of its own and the key of its call', () => {
  const [closing, call] = [closingLineOf(7), lineOf(7)];
  assert.equal(idOf(closing), 'sensor.abc.0.c7');
  for (const key of ['client', 'connection', 'none'] as const) assert.equal(keyOf(closing, key), keyOf(call, key), key);
  assert.notEqual(keyOf(closing, 'connection'), '');
});

test('a gap record has an id and no key', () => {
  for (const key of ['client', 'connection', 'none'] as const)
    assert.deepEqual([idOf(gapLineOf(7)), keyOf(gapLineOf(7), key)], ['sensor.abc.0.g7', '']);
});

for (const name of formatNames) {
  test(`${name}: ${name === 'jsonl' ? 'gap and closing records go along as they are' : 'gap and closing records are skipped, and the calls beside them are not'}`, () => {
    const lines = [gapLineOf(1), lineOf(1), closingLineOf(2), lineOf(2)];
    const records = recordsOf(encoderWith(name), frameOf(1, lines, [0x7fffffff, 1, 0x7fffffff, 1]));
    const isSkipped = name !== 'jsonl';
    assert.deepEqual(
      records.map((record) => [record.id, record.isSkipped, record.problem, record.bytes.length > 0]),
      [
        ['sensor.abc.0.g1', isSkipped, null, !isSkipped],
        ['sensor.abc.0.1', false, null, true],
        ['sensor.abc.0.c2', isSkipped, null, !isSkipped],
        ['sensor.abc.0.2', false, null, true],
      ],
    );
    if (!isSkipped) assert.equal(Buffer.from(encoderWith(name).batch(records).body()).toString(), Buffer.concat(lines).toString());
  });
}

test('id of a batch: the same for the same records, another for any others', () => {
  const frame = frameOf(1, linesOf(10), Array(10).fill(1));
  const [a, b] = [encoderOf(), encoderOf()].map((encoder) => recordsOf(encoder, frame));
  const encoder = encoderOf();
  const id = encoder.batch(a).id;
  assert.equal(encoder.batch(b).id, id);
  assert.match(id, /^1-10-[0-9a-f]{16}$/);
  const others = [a.slice(0, 5), a.slice(5), [...a.slice(0, 4), ...a.slice(5)], a.slice(1), a.slice(0, 9)].map(
    (part) => encoder.batch(part).id,
  );
  others.push(encoderOf('jsonl', 1, 'archive').batch(a).id, encoderOf('ecs').batch(a).id);
  // The spool was deleted: the same sequences, other calls.
  const anew = frameOf(
    1,
    linesOf(10).map((_, i) => lineOf(i + 1)),
    Array(10).fill(1),
  );
  others.push(encoder.batch(recordsOf(encoder, anew)).id);
  assert.equal(new Set([id, ...others]).size, others.length + 1);
});

test('jsonl: a whole frame is the body, without a copy; a body is made once', () => {
  const frame = frameOf(1, linesOf(10), Array(10).fill(1));
  const encoder = encoderOf();
  const batch = encoder.batch(recordsOf(encoder, frame));
  const body = batch.body();
  assert.equal(Buffer.from(body).toString(), Buffer.concat(linesOf(10)).toString());
  assert.equal(body.buffer, frame.bytes.buffer);
  assert.equal(batch.body(), body);
  assert.equal(batch.bytes, body.length);
  const apart = encoder.batch(recordsOf(encoder, frame).filter((_, i) => i !== 4));
  assert.equal(Buffer.from(apart.body()).toString(), Buffer.concat(linesOf(10).toSpliced(4, 1)).toString());
});

test('records of a frame that is mostly for others do not keep its memory', () => {
  const routes = Array(10).fill(2);
  routes[3] = 1;
  routes[7] = 1;
  const frame = frameOf(1, linesOf(10), routes);
  const records = recordsOf(encoderOf(), frame);
  assert.deepEqual(
    records.map(({ bytes }) => bytes.toString()),
    [lineOf(3).toString(), lineOf(7).toString()],
  );
  for (const { bytes } of records) assert.ok(bytes.buffer.byteLength < frame.bytes.length);
});

function encoderWith(name: FormatName, format = formats[name]()): RecordEncoder {
  return new RecordEncoder({ sink: 'edge', framing: openFraming(format, context), routes: routesOf('edge', 1), key: 'none' });
}

for (const name of formatNames) {
  test(`${name}: a body, and the body of each half, is what the format writes of these calls`, () => {
    const frame = frameOf(1, linesOf(9), Array(9).fill(1));
    const encoder = encoderWith(name);
    const records = recordsOf(encoder, frame);
    for (const part of [records, records.slice(0, 4), records.slice(4), records.slice(8)]) {
      const format = formats[name]();
      const calls = part.map(({ sequence }) => callOf(sequence - 1));
      const expected = format.begin(context) + calls.map((call, i) => format.record(call, i)).join('') + format.end();
      const batch = encoder.batch(part);
      assert.equal(Buffer.from(batch.body()).toString(), expected);
      assert.equal(batch.mediaType, format.mediaType);
    }
  });
}

test('uap-edge: the rule of the pipeline of this sink', () => {
  const call = {
    ...callOf(1),
    filters: [
      { pipeline: 'all', rule: 'everything' },
      { pipeline: 'api', rule: 'api-paths' },
    ],
  };
  const framing = openFraming(formats['uap-edge'](), { ...context, pipelines: ['api'] });
  const encoder = new RecordEncoder({ sink: 'edge', framing, routes: routesOf('edge', 1), key: 'none' });
  const [record] = recordsOf(encoder, frameOf(1, [Buffer.from(`${JSON.stringify(call)}\n`)], [1]));
  assert.equal(JSON.parse(record.bytes.toString())['txn-meta-data'].filter_info.filter_name, 'api-paths');
});

test('a line that is no record is said so, without its content', () => {
  const frame = frameOf(1, [Buffer.from('{"id":"secret"\n'), lineOf(1)], [1, 1]);
  const [bad, good] = recordsOf(encoderWith('har'), frame);
  assert.equal(bad.problem?.code, 'record-unreadable');
  assert.doesNotMatch(JSON.stringify(bad.problem), /secret/);
  assert.equal(good.problem, null);
});

test('a separator is found for the formats that have one', () => {
  assert.equal(framingOf('har').separator.toString(), ',');
  assert.equal(framingOf('jsonl').separator.length, 0);
});
