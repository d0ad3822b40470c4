/**
 * Law 1: every truncation is safe. A capture cut anywhere, and packets cut at any byte, throw nothing, leave the books
 * balanced, and what was complete before the cut is reported as it is without the cut.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { weirdCount } from '../../src/base/weird.ts';
import { openCapture } from '../../src/capture/capture.ts';
import { Packet } from '../../src/capture/packet.ts';
import { captured } from '../support/captured.ts';
import { arbitraryPlan, everyBytes, makeConversation, partsOf, wires } from '../support/conversation.ts';
import { lawSeed, PipelineRun, runPipeline, type Wire } from '../support/run-pipeline.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-truncation-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function cutAt(packet: Wire, bytes: number, told: boolean): Wire {
  return { ...packet, data: packet.data.subarray(0, bytes), wireBytes: told ? packet.data.length : bytes };
}

test('a capture may end behind any packet', () => {
  fc.assert(
    fc.property(arbitraryPlan(), fc.integer({ min: 30, max: 500 }), (plan, bytesEach) => {
      const packets = wires(partsOf(makeConversation(plan), everyBytes(bytesEach)));
      const whole = runPipeline(packets, { everyPacket: true });
      for (let n = 0; n <= packets.length; n++) {
        const before = n === 0 ? 0 : whole.recordsAfter[n - 1];
        const { records } = runPipeline(packets.slice(0, n));
        assert.deepEqual(records.slice(0, before), whole.records.slice(0, before));
        assert.ok(records.slice(before).every((record) => !record.complete || record.response?.body.bytes !== undefined));
      }
    }),
    { seed: lawSeed(), numRuns: 12 },
  );
});

test('any packet may be cut at any byte', () => {
  fc.assert(
    fc.property(arbitraryPlan({ exchangesMax: 2 }), fc.nat(999), fc.boolean(), (plan, share, told) => {
      const packets = wires(partsOf(makeConversation(plan), everyBytes(300)));
      const whole = runPipeline(packets, { everyPacket: true });
      const place = Math.floor((share * packets.length) / 1000);
      const before = place === 0 ? 0 : whole.recordsAfter[place - 1];
      for (let bytes = 0; bytes < packets[place].data.length; bytes += 1 + (bytes % 3)) {
        const cut = packets.with(place, cutAt(packets[place], bytes, told));
        const { records } = runPipeline(cut, { everyPacket: bytes % 16 === 0 });
        assert.deepEqual(records.slice(0, before), whole.records.slice(0, before));
      }
    }),
    { seed: lawSeed(), numRuns: 12 },
  );
});

test('every packet may be cut at any byte', () => {
  const { packets } = captured({ kind: 'vxlan', megabytes: 0.2, seed: lawSeed() & 0xffff, pipelineShare: 0.2 });
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1600 }), { minLength: 1, maxLength: 200 }), fc.boolean(), (cuts, told) => {
      runPipeline(packets.map((p, i) => cutAt(p, cuts[i % cuts.length], told)));
    }),
    { seed: lawSeed(), numRuns: 20 },
  );
});

test('a file may end at any byte', () => {
  const { pcap, packets } = captured({ kind: 'small', megabytes: 0.1, seed: lawSeed() & 0xffff });
  const whole = runPipeline(packets, { everyPacket: true });
  const path = join(folder, 'cut.pcap');
  fc.assert(
    fc.property(fc.integer({ min: 24, max: pcap.length }), (length) => {
      writeFileSync(path, pcap.subarray(0, length));
      const run = new PipelineRun();
      const capture = openCapture([path]);
      const packet = new Packet();
      let n = 0;
      let at = 24;
      while (capture.next(packet)) {
        at += 16 + packets[n].data.length;
        run.processCounted(packet);
        n++;
      }
      capture.close();
      assert.ok(at <= length && (n === packets.length || at + 16 + packets[n].data.length > length), 'packets read');
      assert.equal(weirdCount('capture.file.cut'), at === length ? 0 : 1);
      const before = n === 0 ? 0 : whole.recordsAfter[n - 1];
      assert.deepEqual(run.finish().records.slice(0, before), whole.records.slice(0, before));
    }),
    { seed: lawSeed(), numRuns: 40 },
  );
});
