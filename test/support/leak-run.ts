/** For laws about ways past the shipped rules: each way is one connection; all go through `earshot read` as an operator starts it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { Watcher } from './canary-secrets.ts';
import { earshot } from './command.ts';
import { partsOf, type Turn, wires } from './conversation.ts';
import { PcapWriter } from './pcap-writer.ts';

export interface LeakWay {
  readonly name: string;
  readonly turns: readonly Turn[];
  /** What must not come out, in no form. */
  readonly needles: readonly string[];
  /** The capture begins behind the handshake. */
  readonly isLate?: boolean;
}

const FIRST_PORT = 2000;
const HANDSHAKE_PACKETS = 3;

/** Fails when anything of what the ways hide is in records, summary or messages; gives the calls of each way. */
export async function assertNoLeaks(t: TestContext, ways: readonly LeakWay[]): Promise<readonly (readonly ApiCall[])[]> {
  const writer = new PcapWriter();
  const watchers = ways.map(({ name, needles }) => {
    const watcher = new Watcher();
    for (const needle of needles) watcher.watch(needle, name);
    return watcher;
  });
  ways.forEach(({ turns, isLate = false }, i) => {
    const packets = wires(partsOf({ turns, calls: [], end: 'client-fin' }), { clientPort: FIRST_PORT + i });
    for (const { data, timeUs } of isLate ? packets.slice(HANDSHAKE_PACKETS) : packets) {
      writer.bytes.set(data, writer.reserve(data.length));
      writer.commit(data.length, timeUs);
    }
  });
  const folder = mkdtempSync(join(tmpdir(), 'earshot-leaks-'));
  try {
    const capture = join(folder, 'leaks.pcap');
    writeFileSync(capture, writer.close());
    const { code, out, err } = await earshot(['read', '--unfiltered', '--summary', '--format', 'jsonl', capture]);
    assert.equal(code, 0, err);
    const text = out + err;
    const leaks = watchers.flatMap((watcher, i) => watcher.search(text, ways[i].name, 1));
    t.diagnostic(`${ways.length} ways, ${leaks.length} leaks`);
    assert.deepEqual(leaks, [], `${leaks.length}:\n${leaks.join('\n')}`);
    const calls = out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as ApiCall);
    return ways.map((_, i) => calls.filter(({ client }) => client.port === FIRST_PORT + i));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
