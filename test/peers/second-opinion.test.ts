/**
 * Second opinions: tshark and Suricata read the captures that the project generates. Earshot finds exactly the calls of
 * the truth; tshark finds the same with the same headers; Suricata finds the same requests.
 *
 * Suricata 7.0 now and then loses step with the responses of a keep-alive connection after a chunked one and reports
 * later statuses late or not at all, so a share of its statuses may differ. Where packets come late or twice, both peers
 * miss or mispair some calls; there most of what they find must be the truth.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ethernet, gre, ipv4, vlan } from '../support/packets.ts';
import { PcapWriter } from '../support/pcap-writer.ts';
import { readPcap } from '../support/read-pcap.ts';
import { makeTraffic } from '../support/traffic.ts';
import { trafficOptions } from '../support/traffic-options.ts';
import type { CallTruth } from '../support/truth.ts';
import { absent, askEarshot, askSuricata, askTshark, asTsharkPrints, describeCall, type Findings, requestOf } from './peers.ts';

const MEGABYTES = 0.6;
const CALLS_MIN = 100;
const DISORDERED_SHARE_MIN = 0.8;
const folder = mkdtempSync(join(tmpdir(), 'earshot-peers-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const peers = [
  { name: 'tshark', ask: askTshark, skip: absent('tshark', '--version'), statusShareMin: 1 },
  { name: 'suricata', ask: askSuricata, skip: absent('suricata', '-V'), statusShareMin: 0.85 },
] as const;

interface Case {
  readonly name: string;
  readonly pcap: Buffer;
  readonly calls: readonly CallTruth[];
  /** A peer that does not look into these packets. */
  readonly without?: string;
}

/** The packets of a capture again, each with something around its IP packet. */
function wrap(
  name: string,
  { pcap, calls }: { pcap: Buffer; calls: readonly CallTruth[] },
  around: (ip: Buffer, type: number) => Buffer,
): Case {
  const writer = new PcapWriter();
  readPcap(pcap).forEach(({ data }, i) => {
    const frame = around(data.subarray(14), data.readUInt16BE(12));
    const at = writer.reserve(frame.length);
    writer.bytes.set(frame, at);
    writer.commit(frame.length, 1_750_000_000_000_000 + i * 10);
  });
  return { name, pcap: writer.close(), calls };
}

const kinds = ['small', 'vxlan', 'short', 'reordered', 'gzip'] as const;
const generated: Case[] = kinds.map((kind) => ({ name: kind, ...makeTraffic(trafficOptions({ kind, megabytes: MEGABYTES, seed: 2 })) }));
const plain = makeTraffic(trafficOptions({ kind: 'small', megabytes: MEGABYTES, seed: 1 }));
const IPV4 = 0x0800;
const outer = { source: '172.16.9.1', destination: '172.16.9.2' };
const wrapped: Case[] = [
  wrap('in GRE', plain, (ip, type) => ethernet(ipv4(gre(ip, { type }), outer))),
  wrap('in GRE with key and sequence number', plain, (ip, type) => ethernet(ipv4(gre(ip, { type, key: 77, sequence: 5 }), outer))),
  { ...wrap('in IP-in-IP', plain, (ip, type) => ethernet(ipv4(ip, { ...outer, protocol: type === IPV4 ? 4 : 41 }))), without: 'suricata' },
  wrap('in a VLAN', plain, (ip, type) => ethernet(vlan(ip, { id: 7, type }))),
  wrap('in two VLANs', plain, (ip, type) => ethernet(vlan(vlan(ip, { id: 8, type }), { id: 9 }), { type: 0x88a8 })),
];

for (const { name, pcap, calls, without } of [...generated, ...wrapped]) {
  describe(name, () => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.pcap`);
    writeFileSync(path, pcap);
    const truth = calls.map((call) => describeCall(call, call.method, call.target, call.status)).sort();
    let earshot: Findings;

    test('earshot and the truth', () => {
      assert.ok(truth.length >= CALLS_MIN);
      earshot = askEarshot(path);
      assert.deepEqual([...earshot.calls].sort(), truth);
    });

    for (const peer of peers) {
      if (peer.name === without) continue;
      test(peer.name, { skip: peer.skip }, () => {
        const found = peer.ask(path);
        const known = new Set(truth);
        const right = found.calls.filter((call) => known.has(call)).length;
        if (name === 'reordered') {
          assert.ok(right >= DISORDERED_SHARE_MIN * truth.length, `${right} of ${truth.length}`);
          return;
        }
        assert.deepEqual(found.calls.map(requestOf).sort(), truth.map(requestOf).sort());
        assert.ok(right >= peer.statusShareMin * truth.length, `${right} of ${truth.length}`);
        for (const [target, { request, response }] of found.headers) {
          const own = earshot.headers.get(target);
          assert.deepEqual(asTsharkPrints(own?.request ?? []), request, target);
          assert.deepEqual(asTsharkPrints(own?.response ?? []), response, target);
        }
        if (peer.name === 'tshark') assert.equal(found.headers.size, truth.length);
      });
    }
  });
}
