import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Verifier, verdictText } from '../../bench/verify.ts';
import { ModelDecoder, numbers, someFields } from '../../src/http2/hpack-testing.ts';
import { captured } from './captured.ts';
import { HpackEncoder, type HpackStyle } from './hpack-encoder.ts';
import { type Http2Call, Http2Maker, type Http2Write, STREAMS_OPEN } from './http2-calls.ts';
import { Random } from './random.ts';
import { runPipeline } from './run-pipeline.ts';

for (const style of ['every', 'careful'] as const satisfies readonly HpackStyle[]) {
  test(`a decoder that saw everything reads what an encoder of style "${style}" wrote`, () => {
    const below = numbers(11);
    const encoder = new HpackEncoder(style);
    const decoder = new ModelDecoder();
    let evicted = false;
    for (let i = 0; i < 400; i++) {
      const fields = someFields(below, 1 + below(12)).filter(([, value]) => /^[\x20-\x7e]*$/.test(value));
      const { fields: read, error } = decoder.decode(encoder.encode(fields));
      assert.equal(error, 0);
      assert.deepEqual(read, fields);
      evicted ||= decoder.bytes > 3500;
    }
    assert.ok(evicted, 'the table is full at some time');
  });
}

/** Forms of fields in a header block (RFC 7541, 6), without looking at what they say. */
function formsOf(block: Buffer): { indexed: number; dynamic: number; inserted: number; others: number; huffman: number; plain: number } {
  const forms = { indexed: 0, dynamic: 0, inserted: 0, others: 0, huffman: 0, plain: 0 };
  let at = 0;
  const number = (bits: number): number => {
    const most = (1 << bits) - 1;
    let value = block[at++] & most;
    if (value < most) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = block[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const text = (): void => {
    forms[block[at] >= 0x80 ? 'huffman' : 'plain']++;
    const length = number(7);
    at += length;
  };
  while (at < block.length) {
    const first = block[at];
    if (first >= 0x80) {
      forms.indexed++;
      if (number(7) > 61) forms.dynamic++;
      continue;
    }
    forms[first >= 0x40 ? 'inserted' : 'others']++;
    if (number(first >= 0x40 ? 6 : 4) === 0) text();
    text();
  }
  return forms;
}

for (const isGrpc of [false, true]) {
  test(`${isGrpc ? 'gRPC' : 'JSON'}: a hundred streams are open, and fields come in all forms`, () => {
    const maker = new Http2Maker(new Random(3), isGrpc);
    let tx = 0;
    const open = new Set<Http2Call>();
    let most = 0;
    let overtaken = 0;
    const total = { indexed: 0, dynamic: 0, inserted: 0, others: 0, huffman: 0, plain: 0 };
    const connection = (): Generator<Http2Write> =>
      maker.connection(
        () => ++tx,
        () => false,
        () => 1e15,
      );
    // Some of each style of encoder.
    for (const { bytes, parts, begun, over } of [connection, connection, connection, connection].flatMap((make) => [...make()])) {
      for (const call of begun) open.add(call);
      most = Math.max(most, open.size);
      for (const call of over) {
        if (call !== [...open][0]) overtaken++;
        assert.ok(open.delete(call));
      }
      for (const { at, end } of parts) {
        if (bytes[at + 3] !== 1) continue;
        const forms = formsOf(bytes.subarray(at + 9, end));
        for (const form of Object.keys(total) as (keyof typeof total)[]) total[form] += forms[form];
      }
    }
    assert.equal(open.size, 0);
    assert.equal(most, STREAMS_OPEN);
    assert.ok(overtaken > tx / 2, 'answers come in another order');
    for (const [form, count] of Object.entries(total)) assert.ok(count > (form === 'plain' ? 0 : tx / 10), `${form}: ${count}`);
  });
}

for (const kind of ['http2-json', 'http2-grpc'] as const) {
  test(`${kind}: every call is found and right, and one that is changed is noticed`, () => {
    const { packets, calls, options } = captured({ kind, megabytes: 1, seed: 5 });
    const { records } = runPipeline(packets);
    const verdictOf = (): ReturnType<Verifier['result']> => {
      const verifier = new Verifier(calls, options);
      for (const record of records) verifier.line(JSON.stringify(record));
      return verifier.result();
    };
    const right = verdictOf();
    assert.ok(right.ok, verdictText(right));
    assert.equal(right.found, calls.length);
    const { response } = records[40];
    response?.headers.pop();
    const wrong = verdictOf();
    assert.deepEqual([wrong.ok, wrong.wrong, wrong.faults['response headers']], [false, 1, 1]);
  });
}
