/** Runs packets through the whole hot path with a policy at its end, as a worker does, and gives what leaves it. */
import assert from 'node:assert/strict';
import { finishPipeline, lastBug, processPacket, resetPipeline } from '../../src/app/pipeline.ts';
import { RecordWriter } from '../../src/app/record-writer.ts';
import { bytes } from '../../src/base/arena.ts';
import { blockBytesUsed } from '../../src/base/blocks.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { counter, counts, countsByName } from '../../src/base/counters.ts';
import { balances } from '../../src/base/ledger.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { weirdCount, weirdCounts, weirds } from '../../src/base/weird.ts';
import { Packet } from '../../src/capture/packet.ts';
import { payloadBytesHeld } from '../../src/flow/reassemble.ts';
import { payloadBytesUnidentified } from '../../src/http/ending.ts';
import { callsInFlight } from '../../src/http/transaction.ts';
import { callsParked } from '../../src/normalise/duplicates.ts';
import { INDEX_WORDS, type MaskedBatch, maskedBatch } from '../../src/policy/masked-call.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { placePacket } from './packets.ts';
import type { Wire } from './run-pipeline.ts';

const RECEIVED = counter('packets.received');

export interface MaskedRun {
  readonly batches: readonly MaskedBatch[];
  /** Each record as its line. */
  readonly lines: readonly Buffer[];
  readonly counters: Readonly<Record<string, number>>;
  readonly weirds: Readonly<Record<string, number>>;
}

/** The books must balance at the end, everything be given back, and nothing be thrown unless `bugs` says so often. `look` sees each call first. */
export function runMasked(
  packets: Iterable<Wire>,
  policy: Policy,
  settings: Settings = defaultSettings,
  bugs = 0,
  look?: (call: number) => void,
): MaskedRun {
  const batches: MaskedBatch[] = [];
  const lines: Buffer[] = [];
  const writer = new RecordWriter({
    settings,
    epoch: 'test',
    route: (call) => policy.route(call),
    encode: (call, to) => policy.encode(call, to),
    encodeMessage: (to, prefix, n, context) => policy.encodeMessage(to, prefix, n, context),
    write: (at, end, records, index) => {
      const copy = Buffer.from(bytes.subarray(at, end));
      batches.push(maskedBatch(copy, index.slice(0, INDEX_WORDS * records)));
      let from = 0;
      for (let i = 0; i < records; i++) {
        lines.push(copy.subarray(from, from + index[INDEX_WORDS * i]));
        from += index[INDEX_WORDS * i];
      }
      assert.equal(from, copy.length, 'the index tells all bytes');
    },
  });
  const seen =
    (take: (call: number) => void) =>
    (call: number): void => {
      look?.(call);
      take(call);
    };
  resetPipeline(
    settings,
    seen((call) => writer.take(call)),
    false,
    { open: seen((call) => writer.takeOpen(call)), close: (call) => writer.takeClosing(call) },
    () => writer.takeMessage(),
  );
  const packet = new Packet();
  for (const wire of packets) {
    placePacket(packet, wire.data, wire);
    packetTimeUs[0] = wire.timeUs;
    counts[RECEIVED]++;
    processPacket(packet);
  }
  finishPipeline();
  writer.end('');
  if (weirdCount('sensor.bug') > bugs) throw lastBug;
  assert.equal(weirdCount('sensor.bug'), bugs, 'sensor.bug');
  for (const b of balances(payloadBytesHeld() + payloadBytesUnidentified(), callsParked()))
    assert.ok(b.balances, `${b.name} does not balance: ${b.total} is not ${JSON.stringify(b.parts)}`);
  assert.deepEqual([callsInFlight(), blockBytesUsed()], [0, 0], 'everything is given back');
  return {
    batches,
    lines,
    counters: Object.fromEntries(countsByName()),
    weirds: Object.fromEntries(weirds.map(({ name }, i): [string, number] => [name, weirdCounts[i]]).filter(([, n]) => n > 0)),
  };
}
