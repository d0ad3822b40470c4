/**
 * Every packet of the captures in the shared corpus, where that is there: none throws, none is left without a verdict,
 * and what is TCP lies inside its packet.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packet, segment } from '../../test/support/decoded.ts';
import { placePacket } from '../../test/support/packets.ts';
import { readPcap } from '../../test/support/read-pcap.ts';
import { defaultSettings } from '../base/settings.ts';
import { decode, resetDecode } from './decode.ts';
import { describePath } from './encapsulation.ts';
import { NOT_IP, TCP, TRUNCATED, verdictNames } from './segment.ts';

const root = join(import.meta.dirname, '../../../shared/corpus/pcaps');
const skip = existsSync(root) ? false : 'the shared corpus is not beside the project';
/** Link types that Earshot does not read. */
const foreign = [105, 127, 129, 239];

test('all captures of the corpus decode', { skip }, () => {
  const counts = new Map<string, number>();
  const layers = new Set<string>();
  const files = readdirSync(root, { recursive: true })
    .map(String)
    .filter((name) => /\.(pcap|pcapng|cap)$/.test(name));
  for (const file of files) {
    resetDecode(defaultSettings);
    for (const { data, wireBytes, linkType } of readPcap(readFileSync(join(root, file)))) {
      placePacket(packet, data, { wireBytes: Math.max(wireBytes, data.length), linkType });
      const verdict = decode(packet, segment);
      if (foreign.includes(linkType)) {
        assert.equal(verdict, NOT_IP, file);
        continue;
      }
      assert.ok(verdict >= TCP && verdict < verdictNames.length, file);
      counts.set(verdictNames[verdict], (counts.get(verdictNames[verdict]) ?? 0) + 1);
      if (verdict !== TCP) continue;
      assert.ok(segment.payloadAt <= segment.payloadEnd && segment.payloadEnd <= packet.end, file);
      for (const layer of describePath(segment.pathId)) layers.add(layer.type);
    }
  }
  const of = (verdict: number): number => counts.get(verdictNames[verdict]) ?? 0;
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  assert.ok(files.length > 100 && of(TCP) > 0.8 * total, `${of(TCP)} of ${total} packets are TCP`);
  assert.ok(of(TRUNCATED) < 0.001 * total, `${of(TRUNCATED)} truncated`);
  for (const type of ['vlan', 'mpls', 'pppoe', 'gre', 'erspan', 'ipip', 'vxlan', 'geneve', 'gtp']) assert.ok(layers.has(type), type);
});
