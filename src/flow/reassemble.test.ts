import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockBytesUsed } from '../base/blocks.ts';
import { countOf } from '../base/counters.ts';
import { weirdCount } from '../base/weird.ts';
import { flowsInUse } from './flow-table.ts';
import { ACK, FIN, RST, Run, raised, SYN, URG } from './flow-testing.ts';
import { payloadBytesHeld } from './reassemble.ts';

test('a connection from SYN to both FINs', () => {
  const r = new Run();
  assert.deepEqual(r.put(0, SYN, 100, 0), []);
  assert.deepEqual(r.put(1, SYN | ACK, 500, 101), []);
  assert.deepEqual(r.put(0, ACK, 101, 501), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'ask'), ['> ask']);
  assert.deepEqual(r.put(1, ACK, 501, 104, 'answer'), ['< answer']);
  assert.deepEqual(r.put(0, FIN | ACK, 104, 507), ['> end']);
  assert.deepEqual(r.put(1, FIN | ACK, 507, 105), ['< end', 'close closed']);
  assert.deepEqual(r.put(0, ACK, 105, 508), []);
  assert.deepEqual(r.finish(), []);
  assert.equal(flowsInUse(), 0);
  assert.deepEqual(raised(), []);
});

test('a FIN with data, and the other side first', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(1, FIN | ACK, 501, 101, 'bye'), ['< bye', '< end']);
  assert.deepEqual(r.put(0, ACK, 101, 505, 'still'), ['> still']);
  assert.deepEqual(r.put(0, FIN | ACK, 106, 505, 'here'), ['> here', '> end', 'close closed']);
  assert.deepEqual(raised(), []);
});

test('a FIN sent twice, and a FIN before the data that it follows', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(0, FIN | ACK, 104, 501), []);
  assert.deepEqual(r.put(0, FIN | ACK, 104, 501), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'ask'), ['> ask', '> end']);
  assert.deepEqual(r.put(0, FIN | ACK, 101, 501, 'ask'), []);
  assert.deepEqual(r.put(1, FIN | ACK, 501, 105), ['< end', 'close closed']);
});

test('joined in the middle, from either side', () => {
  const r = new Run();
  assert.deepEqual(r.put(1, ACK, 9000, 77, 'tail'), ['> tail']);
  assert.deepEqual(r.put(0, ACK, 77, 9004, 'ask'), ['< ask']);
  assert.deepEqual(raised(), ['flow.tcp.midstream']);
});

test('a stray ACK is no data, and the first byte of data sets the sequence', () => {
  const r = new Run();
  assert.deepEqual(r.put(0, ACK, 300, 800), []);
  assert.deepEqual(r.put(0, ACK, 301, 800, 'x'), ['> x']);
  assert.deepEqual(r.put(1, ACK, 800, 302, 'y'), ['< y']);
});

test('out of order, in every order of four segments', () => {
  const parts: [number, string][] = [
    [101, 'aa'],
    [103, 'b'],
    [104, 'cccc'],
    [108, 'dd'],
  ];
  const orders = (list: number[]): number[][] =>
    list.length === 0 ? [[]] : list.flatMap((x) => orders(list.filter((y) => y !== x)).map((rest) => [x, ...rest]));
  for (const order of orders([0, 1, 2, 3])) {
    const r = new Run();
    r.handshake();
    const out = order.flatMap((i) => r.put(0, ACK, parts[i][0], 501, parts[i][1]));
    assert.equal(out.map((line) => line.slice(2)).join(''), 'aabccccdd', order.join());
    assert.equal(payloadBytesHeld(), 0);
    assert.equal(raised().includes('flow.tcp.out_of_order'), order.join() !== '0,1,2,3');
    assert.equal(raised().includes('flow.tcp.gap'), false);
    r.finish();
    assert.equal(blockBytesUsed(), 0);
  }
});

test('retransmissions: exact, longer, and around what is held', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(0, ACK, 101, 501, 'abc'), ['> abc']);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'abc'), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'abcde'), ['> de']);
  assert.deepEqual(r.put(0, ACK, 110, 501, 'jk'), []);
  assert.deepEqual(r.put(0, ACK, 108, 501, 'hijklm'), []);
  assert.deepEqual(r.put(0, ACK, 106, 501, 'fghijk').join(' '), '> fg > hi > jk > lm');
  assert.deepEqual(raised(), ['flow.tcp.out_of_order', 'flow.tcp.retransmission']);
  assert.equal(countOf('payload.seen'), 3 + 3 + 5 + 2 + 6 + 6);
  assert.equal(countOf('payload.retransmitted'), 3 + 3 + 2 + 4);
  assert.equal(payloadBytesHeld(), 0);
});

test('an overlap that differs: the first copy wins, and it is told', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(0, ACK, 103, 501, 'CDE'), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'abxyz').join(' '), '> ab > CDE');
  assert.equal(weirdCount('flow.tcp.overlap_differs'), 1);
});

test('sequence numbers wrap', () => {
  const r = new Run();
  r.put(0, SYN, 0xfffffffc, 0);
  r.put(1, SYN | ACK, 0xffffffff, 0xfffffffd);
  r.put(0, ACK, 0xfffffffd, 0);
  assert.deepEqual(r.put(0, ACK, 0xfffffffd, 0, 'abcdef'), ['> abcdef']);
  assert.deepEqual(r.put(0, ACK, 5, 0, 'ij'), []);
  assert.deepEqual(r.put(0, ACK, 3, 0, 'gh'), ['> gh', '> ij']);
  assert.deepEqual(r.put(1, ACK, 0, 7, 'ok'), ['< ok']);
  assert.deepEqual(raised(), ['flow.tcp.out_of_order']);
});

test('a hole across the wrap becomes a gap of the right size', () => {
  const r = new Run();
  r.put(0, SYN, 0xfffffff0, 0);
  r.put(1, SYN | ACK, 500, 0xfffffff1);
  r.put(0, ACK, 0xfffffff1, 501);
  assert.deepEqual(r.put(0, ACK, 1, 501, 'late'), []);
  assert.deepEqual(r.wait(6000), ['> gap 16', '> late']);
});

test('simultaneous open', () => {
  const r = new Run();
  r.put(0, SYN, 100, 0);
  r.put(1, SYN, 500, 0);
  r.put(0, SYN | ACK, 100, 501);
  r.put(1, SYN | ACK, 500, 101);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'hi'), ['> hi']);
  assert.deepEqual(r.put(1, ACK, 501, 103, 'ho'), ['< ho']);
  assert.deepEqual(raised(), ['flow.tcp.split_handshake']);
});

test('split handshake: the server answers a SYN with a SYN', () => {
  const r = new Run();
  r.put(0, SYN, 100, 0);
  r.put(1, ACK, 500, 101);
  r.put(1, SYN, 700, 0);
  r.put(0, SYN | ACK, 100, 701);
  r.put(1, ACK, 701, 101);
  assert.deepEqual(r.put(0, ACK, 101, 701, 'hi'), ['> hi']);
  assert.deepEqual(r.put(1, ACK, 701, 103, 'ho'), ['< ho']);
  assert.deepEqual(raised(), ['flow.tcp.split_handshake']);
});

test('the SYN-ACK before the SYN', () => {
  const r = new Run();
  r.put(1, SYN | ACK, 500, 101);
  r.put(0, SYN, 100, 0);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'hi'), ['< hi']);
  assert.deepEqual(r.put(1, ACK, 501, 103, 'ho'), ['> ho']);
  assert.deepEqual(
    raised().filter((name) => name !== 'flow.tcp.split_handshake'),
    [],
  );
});

test('fast open accepted: data of the SYN counts once it is acknowledged', () => {
  const r = new Run();
  assert.deepEqual(r.put(0, SYN, 100, 0, 'GET'), []);
  assert.deepEqual(r.put(1, SYN | ACK, 500, 104), ['> GET']);
  assert.deepEqual(r.put(0, ACK, 104, 501, ' /'), ['> /'.replace('/', ' /')]);
  assert.deepEqual(raised(), ['flow.tcp.syn_data']);
});

test('fast open refused: the data is sent again', () => {
  const r = new Run();
  r.put(0, SYN, 100, 0, 'GET');
  assert.deepEqual(r.put(1, SYN | ACK, 500, 101), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'GET /'), ['> GET /']);
  assert.deepEqual(raised(), ['flow.tcp.syn_data', 'flow.tcp.syn_data_refused']);
  assert.equal(countOf('payload.discarded{syn-data-refused}'), 3);
});

test('fast open with the SYN-ACK lost: the client going on behind its data says that it was taken', () => {
  const r = new Run();
  r.put(0, SYN, 100, 0, 'GET');
  assert.deepEqual(r.put(0, ACK, 104, 501, ' /').join('|'), '> GET|>  /');
});

test('fast open: data in the SYN-ACK', () => {
  const r = new Run();
  r.put(0, SYN, 100, 0, 'ask');
  assert.deepEqual(r.put(1, SYN | ACK, 500, 104, 'answer'), ['> ask']);
  assert.deepEqual(r.put(0, ACK, 104, 507), ['< answer']);
});

test('a reset ends the connection at once; both sides, with and without ACK', () => {
  for (const side of [0, 1]) {
    for (const flags of [RST, RST | ACK]) {
      const r = new Run();
      r.handshake();
      r.put(0, ACK, 101, 501, 'ask');
      assert.deepEqual(r.put(side, flags, side === 0 ? 104 : 501, side === 0 ? 501 : 104), ['close reset']);
      assert.deepEqual(r.finish(), []);
    }
  }
});

test('resets and FINs in every order', () => {
  const cases: [string, [number, number, number, number][], string[]][] = [
    [
      'FIN, RST',
      [
        [0, FIN | ACK, 101, 501],
        [1, RST, 501, 0],
      ],
      ['> end', 'close reset'],
    ],
    [
      'FIN, FIN, RST',
      [
        [0, FIN | ACK, 101, 501],
        [1, FIN | ACK, 501, 102],
        [0, RST, 102, 0],
      ],
      ['> end', '< end', 'close closed'],
    ],
    [
      'RST, FIN',
      [
        [1, RST | ACK, 501, 101],
        [0, FIN | ACK, 101, 501],
      ],
      ['close reset'],
    ],
    [
      'RST, RST',
      [
        [0, RST, 101, 0],
        [1, RST, 501, 0],
      ],
      ['close reset'],
    ],
    ['FIN and RST in one', [[0, FIN | RST | ACK, 101, 501]], ['> end', 'close reset']],
  ];
  for (const [name, segments, wanted] of cases) {
    const r = new Run();
    r.handshake();
    const out = segments.flatMap(([side, flags, sequence, ack]) => r.put(side, flags, sequence, ack));
    assert.deepEqual(out, wanted, name);
    assert.deepEqual(r.finish(), [], name);
    assert.equal(flowsInUse(), 0, name);
  }
});

test('a reset releases what waited behind a hole', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(0, ACK, 111, 501, 'late'), []);
  assert.deepEqual(r.put(1, RST, 501, 0), ['> gap 10', '> late', 'close reset']);
  assert.equal(payloadBytesHeld(), 0);
});

test('a reset out of the window is ignored', () => {
  const r = new Run();
  r.handshake();
  r.put(1, ACK, 501, 101, 'x'.repeat(100));
  assert.deepEqual(r.put(1, RST, 40_000_000, 0), []);
  assert.deepEqual(r.put(1, ACK, 601, 101, 'goes on'), ['< goes on']);
  assert.deepEqual(raised(), ['flow.tcp.bad_rst']);
});

test('data after a reset goes on where it was', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 101, 501, 'ask');
  r.put(0, RST, 104, 0);
  assert.deepEqual(r.put(0, ACK, 104, 501, 'more'), ['> more']);
  assert.deepEqual(raised(), ['flow.tcp.data_after_reset']);
  assert.deepEqual(r.finish(), ['close capture-end']);
});

test('data behind a FIN is left out', () => {
  const r = new Run();
  r.handshake();
  r.put(0, FIN | ACK, 101, 501, 'end');
  assert.deepEqual(r.put(0, ACK, 104, 501, 'more'), []);
  assert.deepEqual(raised(), ['flow.tcp.data_after_fin']);
  assert.equal(countOf('payload.discarded{after-fin}'), 4);
});

test('a new SYN on a live connection takes over when it is answered', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 101, 501, 'old');
  assert.deepEqual(r.put(0, SYN, 90_000, 0), []);
  assert.deepEqual(r.put(1, SYN | ACK, 70_000, 90_001), ['close reused']);
  assert.deepEqual(r.put(0, ACK, 90_001, 70_001, 'new'), ['> new']);
  assert.deepEqual(r.put(1, ACK, 70_001, 90_004, 'yes'), ['< yes']);
  assert.deepEqual(raised(), ['flow.tcp.syn_reused']);
  assert.deepEqual(r.finish(), ['close capture-end']);
});

test('a new SYN that nobody answers changes nothing', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 101, 501, 'old');
  r.put(0, SYN, 90_000, 0);
  assert.deepEqual(r.put(1, ACK, 501, 104, 'goes on'), ['< goes on']);
  assert.deepEqual(r.put(0, ACK, 104, 508, 'too'), ['> too']);
  assert.deepEqual(raised(), []);
});

test('a new SYN with data on a live connection, and the data follows', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 101, 501, 'old');
  r.put(0, SYN, 90_000, 0);
  assert.deepEqual(r.put(0, ACK, 90_001, 70_001, 'new'), ['close reused', '> new']);
});

test('the same 4-tuple again after a close, without a word', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 101, 501, 'one');
  r.put(0, FIN | ACK, 104, 501);
  r.put(1, FIN | ACK, 501, 105);
  r.put(0, SYN, 3_000, 0);
  r.put(1, SYN | ACK, 8_000, 3_001);
  assert.deepEqual(r.put(0, ACK, 3_001, 8_001, 'two'), ['> two']);
  assert.deepEqual(r.finish(), ['close capture-end']);
  assert.equal(countOf('flows.seen'), 2);
});

test('a SYN with another number before the connection stands: the acknowledged one counts', () => {
  for (const [ack, data, wanted] of [
    [101, 101, 'first'],
    [201, 201, 'second'],
  ] as const) {
    const r = new Run();
    r.put(0, SYN, 100, 0);
    r.put(0, SYN, 200, 0);
    r.put(1, SYN | ACK, 500, ack);
    r.put(0, ACK, data, 501);
    assert.deepEqual(r.put(0, ACK, data, 501, wanted), [`> ${wanted}`], wanted);
    assert.deepEqual(raised(), [], wanted);
  }
});

test('two SYN-ACKs: the one that the client acknowledges counts', () => {
  const r = new Run();
  r.put(0, SYN, 100, 0);
  r.put(1, SYN | ACK, 500, 101);
  r.put(1, SYN | ACK, 900, 101);
  r.put(0, ACK, 101, 901);
  assert.deepEqual(r.put(0, ACK, 101, 901, 'ask'), ['> ask']);
  assert.deepEqual(r.put(1, ACK, 901, 104, 'answer'), ['< answer']);
});

test('a repeated SYN and SYN-ACK change nothing', () => {
  const r = new Run();
  r.handshake();
  r.put(0, SYN, 100, 0);
  r.put(1, SYN | ACK, 500, 101);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'ask'), ['> ask']);
  assert.deepEqual(raised(), []);
});

test('keep-alive probes, with a byte and without', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 101, 501, 'ask');
  assert.deepEqual(r.put(0, ACK, 103, 501, '\0'), []);
  assert.deepEqual(r.put(0, ACK, 103, 501), []);
  assert.deepEqual(r.put(1, ACK, 501, 104), []);
  assert.deepEqual(r.put(0, ACK, 104, 501, 'more'), ['> more']);
  assert.deepEqual(raised(), ['flow.tcp.keep_alive']);
});

test('a keep-alive probe before any data is no data', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(0, ACK, 100, 501, '\0'), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'ask'), ['> ask']);
});

test('zero-window probes carry the next byte', () => {
  const r = new Run();
  r.handshake();
  r.put(1, ACK, 501, 101, 'abc');
  assert.deepEqual(r.put(1, ACK, 504, 101, 'd'), ['< d']);
  assert.deepEqual(r.put(1, ACK, 504, 101, 'd'), []);
  assert.deepEqual(r.put(1, ACK, 504, 101, 'defg'), ['< efg']);
  assert.equal(raised().includes('flow.tcp.gap'), false);
});

test('the urgent byte is no part of the stream', () => {
  for (const [pointer, wanted] of [
    [1, '> bcd'],
    [3, '> ab|> d'],
    [4, '> abc'],
  ] as const) {
    const r = new Run();
    r.handshake();
    assert.equal(r.put(0, ACK | URG, 101, 501, 'abcd', { urgentPointer: pointer }).join('|'), wanted);
    assert.deepEqual(r.put(0, ACK, 105, 501, 'next'), ['> next']);
    assert.deepEqual(raised(), ['flow.tcp.urgent_byte']);
    assert.equal(countOf('payload.discarded{urgent}'), 1);
    assert.equal(payloadBytesHeld(), 0);
  }
});

test('an urgent pointer beyond the segment takes nothing out', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(0, ACK | URG, 101, 501, 'abcd', { urgentPointer: 9 }), ['> abcd']);
  assert.deepEqual(r.put(0, ACK | URG, 105, 501, 'efgh', { urgentPointer: 0 }), ['> efgh']);
  assert.deepEqual(raised(), []);
});

test('ACK before data: the answer waits for the request that comes late', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(1, ACK, 501, 104, 'answer'), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'ask'), ['> ask', '< answer']);
  assert.deepEqual(raised(), ['flow.tcp.ack_before_data']);
});

test('ACK before data that never comes: a gap after the wait', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(1, ACK, 501, 104, 'answer'), []);
  assert.deepEqual(r.wait(150), []);
  assert.deepEqual(r.wait(100), ['> gap 3', '< answer']);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'ask'), []);
  assert.deepEqual(raised(), ['flow.tcp.retransmission', 'flow.tcp.gap', 'flow.tcp.ack_before_data']);
  assert.equal(countOf('gaps.count'), 1);
  assert.equal(countOf('gaps.bytes'), 3);
});

test('a hole that nobody acknowledged waits longer than one that was', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 104, 501, 'late');
  assert.deepEqual(r.wait(1000), []);
  assert.deepEqual(r.put(1, ACK, 501, 108), ['> gap 3', '> late']);
  assert.deepEqual(r.put(0, ACK, 111, 501, 'later'), []);
  assert.deepEqual(r.wait(4900), []);
  assert.deepEqual(r.wait(200), ['> gap 3', '> later']);
});

test('an acknowledgement absurdly far ahead is ignored', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(1, ACK, 501, 101 + (1 << 27), 'answer'), ['< answer']);
  assert.deepEqual(r.put(0, ACK, 101, 507, 'ask'), ['> ask']);
  assert.deepEqual(raised(), ['flow.tcp.ack_impossible']);
});

test('a segment absurdly far from the stream is left out', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(0, ACK, 101 + 0x50000000, 501, 'far'), []);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'near'), ['> near']);
  assert.deepEqual(raised(), ['flow.tcp.outside_window']);
  assert.equal(countOf('payload.discarded{outside-window}'), 3);
});

test('a segment captured in part is a hole of known size', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(1, ACK, 501, 101, 'abc', { wire: 10 }), ['< abc', '< gap 7']);
  assert.deepEqual(r.put(1, ACK, 511, 101, 'next'), ['< next']);
  assert.deepEqual(raised(), ['flow.tcp.gap', 'flow.tcp.cut_segment']);
});

test('a segment captured in part and out of order', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(1, ACK, 504, 101, 'def', { wire: 10 }), []);
  assert.deepEqual(r.put(1, ACK, 501, 101, 'abc'), ['< abc', '< def', '< gap 7']);
});

test('nothing captured of a segment but its headers', () => {
  const r = new Run();
  r.handshake();
  assert.deepEqual(r.put(1, ACK, 501, 101, '', { wire: 1000 }), ['< gap 1000']);
  assert.deepEqual(r.put(1, ACK, 1501, 101, 'next'), ['< next']);
});

test('a hole of known size is final: a retransmission does not fill it', () => {
  const r = new Run();
  r.handshake();
  r.put(1, ACK, 504, 101, 'd', { wire: 3 });
  assert.deepEqual(r.put(1, ACK, 501, 101, 'abcdef'), ['< abc', '< d', '< gap 2']);
  assert.equal(countOf('payload.retransmitted'), 3);
});

test('in order behind nothing, with something held further on: handed on without a copy', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 107, 501, 'ghi');
  assert.deepEqual(r.put(0, ACK, 101, 501, 'abc'), ['> abc']);
  assert.deepEqual(r.put(0, ACK, 104, 501, 'def'), ['> def', '> ghi']);
});

test('timers run on packet time', () => {
  const r = new Run({ idleTimeoutMs: 10_000 });
  r.handshake();
  r.put(0, ACK, 101, 501, 'ask');
  assert.deepEqual(r.wait(9_000), []);
  assert.deepEqual(r.put(1, ACK, 501, 104, 'answer'), ['< answer']);
  assert.deepEqual(r.wait(9_000), []);
  assert.deepEqual(r.wait(3_000), ['close idle']);
  assert.equal(flowsInUse(), 0);
});

test('a pool that idled longer than the timeout comes back on the same 4-tuple', () => {
  const r = new Run({ idleTimeoutMs: 10_000 });
  r.handshake();
  r.put(0, ACK, 101, 501, 'ask');
  r.put(1, ACK, 501, 104, 'answer');
  assert.deepEqual(r.wait(20_000), ['close idle']);
  assert.deepEqual(r.put(0, ACK, 104, 507, 'again'), ['> again']);
  assert.deepEqual(r.put(1, ACK, 507, 109, 'yes'), ['< yes']);
  assert.deepEqual(raised(), ['flow.tcp.midstream']);
});

test('a connection that never carried data is forgotten sooner, a closed one sooner still', () => {
  const r = new Run({ halfOpenTimeoutMs: 2_000, closedLingerMs: 1_000, idleTimeoutMs: 60_000 });
  r.put(0, SYN, 100, 0);
  r.put(0, SYN, 100, 0, '', { ports: [40_001, 80] });
  r.put(1, RST | ACK, 0, 101, '', { ports: [40_001, 80] });
  assert.equal(flowsInUse(), 2);
  assert.deepEqual(r.wait(1_500), []);
  assert.equal(flowsInUse(), 1);
  assert.deepEqual(r.wait(2_000), ['close idle']);
  assert.equal(flowsInUse(), 0);
});

test('time that goes back fires nothing', () => {
  const r = new Run({ idleTimeoutMs: 10_000 });
  r.handshake();
  r.put(0, ACK, 101, 501, 'ask');
  assert.deepEqual(r.wait(-60_000), []);
  assert.deepEqual(r.put(1, ACK, 501, 104, 'answer'), ['< answer']);
});

test('more bytes behind a hole than a connection may hold: the hole becomes a gap', () => {
  const r = new Run({ heldBytesMax: 1000 });
  r.handshake();
  assert.deepEqual(r.put(0, ACK, 201, 501, 'a'.repeat(200)), []);
  assert.deepEqual(r.put(0, ACK, 401, 501, 'b'.repeat(200)), []);
  assert.deepEqual(r.put(0, ACK, 601, 501, 'c'.repeat(200)), []);
  const out = r.put(0, ACK, 801, 501, 'd'.repeat(200));
  assert.deepEqual([out[0], out.length], ['> gap 100', 5]);
  assert.deepEqual(raised(), ['limit.flow.held_bytes', 'flow.tcp.out_of_order', 'flow.tcp.gap']);
  assert.equal(payloadBytesHeld(), 0);
});

test('more bytes behind holes than all connections may hold', () => {
  const r = new Run({ heldBytesTotalMax: 1000 });
  const ports = [1, 2, 3, 4, 5].map((n): readonly [number, number] => [40_000 + n, 80]);
  for (const p of ports) r.handshake({ ports: p });
  const out = ports.map((p) => r.put(0, ACK, 201, 501, 'x'.repeat(200), { ports: p }));
  assert.deepEqual(
    out.map((o) => o[0]),
    [undefined, undefined, undefined, '> gap 100', '> gap 100'],
  );
  assert.ok(raised().includes('limit.flow.held_bytes_total'));
});

test('no memory for what waits: it is left out and becomes part of the hole', () => {
  const r = new Run({}, 512);
  r.handshake();
  for (let i = 0; i < 5; i++) r.put(0, ACK, 111 + 10 * i, 501, '0123456789');
  assert.equal(countOf('payload.discarded{no-room}'), 30);
  assert.deepEqual(r.put(0, ACK, 101, 501, '..........'), ['> ..........', '> 0123456789', '> 0123456789']);
  assert.ok(raised().includes('limit.memory.block_bytes'));
});

test('the end of the capture closes what is open, with what waits', () => {
  const r = new Run();
  r.handshake();
  r.put(0, ACK, 104, 501, 'late');
  assert.deepEqual(r.finish(), ['> gap 3', '> late', 'close capture-end']);
  assert.equal(flowsInUse(), 0);
  assert.equal(blockBytesUsed(), 0);
});

test('a row that is closed in the middle of a drain is not used again before its CLOSE was read', () => {
  const r = new Run({ flowsMax: 2, idleTimeoutMs: 1_000_000 });
  r.handshake({ ports: [1, 80] });
  r.put(0, ACK, 101, 501, 'one', { ports: [1, 80] });
  r.handshake({ ports: [2, 80] });
  r.put(0, ACK, 101, 501, 'two', { ports: [2, 80] });
  r.wait(1000);
  r.put(1, ACK, 501, 104, 'yes', { ports: [2, 80] });
  const out = r.put(0, SYN, 100, 0, '', { ports: [3, 80] });
  assert.deepEqual(out, ['close evicted']);
  assert.deepEqual(r.put(0, ACK, 101, 501, 'three', { ports: [3, 80] }), ['> three']);
  assert.deepEqual(raised(), ['limit.flow.flows']);
  assert.equal(flowsInUse(), 2);
});

test('segments of unknown connections that could not start one are strays', () => {
  const r = new Run();
  assert.deepEqual(r.put(0, RST, 5, 0), []);
  assert.deepEqual(r.put(0, FIN | ACK, 5, 9), []);
  assert.equal(countOf('segments.stray'), 2);
  assert.equal(flowsInUse(), 0);
});
