import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { type Conversation, faultsOf, ipPacket, makeConversation, type Part, partsOf } from '../../test/support/conversation.ts';
import { ethernet, geneve, internetChecksum, ipv4, ipv4Bytes, ipv6Bytes, tcp, udp, vxlan } from '../../test/support/packets.ts';
import { PipelineRun, type Run, settingsWith } from '../../test/support/run-pipeline.ts';
import { bytes, packetRegion } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countOf, resetCounters } from '../base/counters.ts';
import { resetWeirds, weirdCount } from '../base/weird.ts';
import { EndpointReader, REGION_BYTES } from './endpoint-reader.ts';
import { calls, freePort, hasIpv6, OpenedEndpoint, Sender } from './endpoint-testing.ts';
import { Packet } from './packet.ts';
import { writeSockaddr } from './sockaddr.ts';
import { parseEndpoint } from './tunnel-endpoint.ts';

beforeEach(() => {
  resetCounters();
  resetWeirds();
});

const message = {
  content: '{"a":"é"}',
  framing: 'length',
  chunkBytes: 5,
  extensions: false,
  trailers: false,
  lfOnly: false,
  folded: false,
  padding: 900,
} as const;
const none = { ...message, content: '', padding: 0 } as const;

/** Four calls on one connection, some of them longer than a segment. */
const conversation: Conversation = makeConversation({
  exchanges: [0, 1, 2, 3].map((n) => ({
    method: n % 2 === 0 ? 'GET' : 'POST',
    status: 200,
    expectsContinue: false,
    pipelined: false,
    request: n % 2 === 0 ? none : message,
    response: { ...message, content: `{"items":"${'0123456789'.repeat(100 * n)}"}` },
  })),
  prelude: 'none',
  end: 'client-fin',
});
const parts: readonly Part[] = partsOf(conversation);

/** Everything of the conversation through an open end-point and the pipeline, a datagram a packet. */
function sendAll(opened: OpenedEndpoint, from: string, to: string, wrap: (ip: Buffer) => Buffer): Run {
  const run = new PipelineRun({ settings: settingsWith({ decode: { checksums: true } }), everyPacket: true });
  const sender = new Sender(from);
  try {
    for (const part of parts) sender.send(wrap(ipPacket(part)), to, opened.endpoint.port);
    opened.drain((packet) => run.processCounted(packet), parts.length);
    return run.finish();
  } finally {
    sender.close();
  }
}

const inVxlan = (ip: Buffer): Buffer => vxlan(ethernet(ip), { vni: 17 });
const inGeneve = (ip: Buffer): Buffer => geneve(ip, { vni: 18, options: Buffer.from('0108000000000000', 'hex') });
const inBoth = (ip: Buffer): Buffer =>
  geneve(ipv4(udp(inVxlan(ip), { checksum: 0 }), { source: '10.9.9.1', destination: '10.9.9.2' }), { vni: 0 });

interface Family {
  readonly name: string;
  readonly loopback: string;
  readonly skip: string | false;
}

const families: readonly Family[] = [
  { name: 'IPv4', loopback: '127.0.0.1', skip: false },
  { name: 'IPv6', loopback: '::1', skip: hasIpv6() ? false : 'this machine has no IPv6 on loopback' },
];

const vxlanLayer = { type: 'vxlan', vni: 17 };
const geneveLayer = { type: 'geneve', vni: 18 };
const innerVxlanLayer = { ...vxlanLayer, source: '10.9.9.1', destination: '10.9.9.2' };
const mirrors: readonly { name: string; url: string; from: string; to: string; wrap: (ip: Buffer) => Buffer; layers: object[] }[] = [
  { name: 'VXLAN', url: 'udp://0.0.0.0:PORT?encap=vxlan', from: '127.0.0.5', to: '127.0.0.1', wrap: inVxlan, layers: [vxlanLayer] },
  { name: 'GENEVE', url: 'udp://127.0.0.3:PORT?encap=geneve', from: '127.0.0.4', to: '127.0.0.3', wrap: inGeneve, layers: [geneveLayer] },
  {
    name: 'VXLAN in GENEVE',
    url: 'udp://0.0.0.0:PORT?encap=geneve+vxlan',
    from: '127.0.0.4',
    to: '127.0.0.9',
    wrap: inBoth,
    layers: [{ type: 'geneve', vni: 0 }, innerVxlanLayer],
  },
  { name: 'VXLAN', url: 'udp://[::]:PORT?encap=vxlan', from: '::1', to: '::1', wrap: inVxlan, layers: [vxlanLayer] },
  { name: 'GENEVE', url: 'udp://[::1]:PORT?encap=geneve', from: '::1', to: '::1', wrap: inGeneve, layers: [geneveLayer] },
];

for (const { name, url, from, to, wrap, layers } of mirrors) {
  const family = families[from.includes(':') ? 1 : 0];
  test(`the calls of a mirror in ${name} over ${family.name}, on any port, with the outer addresses`, { skip: family.skip }, () => {
    const opened = new OpenedEndpoint(url.replace('PORT', String(freePort(from))));
    try {
      const run = sendAll(opened, from, to, wrap);
      assert.equal(run.records.length, conversation.calls.length);
      const encapsulation = layers.map((layer, i) => (i === 0 ? { ...layer, source: from, destination: to } : layer));
      run.records.forEach((record, i) => {
        assert.deepEqual(faultsOf(record, conversation.calls[i]), []);
        assert.deepEqual(record.encapsulation, encapsulation);
      });
      assert.deepEqual(run.weirds, {});
      assert.equal(run.counters['packets.received'], parts.length);
      assert.equal(opened.readers[0].packets, parts.length);
      assert.equal(opened.readers[0].bytes, run.counters['packets.bytes']);
    } finally {
      opened.close();
    }
  });
}

for (const { name, loopback, skip } of families) {
  test(`${name}: the headers are as the sender had them, with lengths and the standard port`, { skip }, () => {
    const payload = vxlan(ethernet(ipv4(tcp(Buffer.from('x')))));
    const v6 = loopback.includes(':');
    const source = v6 ? loopback : '127.0.0.8';
    const opened = new OpenedEndpoint(`udp://${v6 ? `[${loopback}]` : loopback}:${freePort(source)}?encap=vxlan`);
    const sender = new Sender(source);
    const before = Date.now();
    sender.send(payload, loopback, opened.endpoint.port);
    opened.drain((packet) => {
      const all = bytes.subarray(packet.at, packet.end);
      const headerBytes = v6 ? 40 : 20;
      const ip = all.subarray(0, headerBytes);
      const addresses = v6 ? [ipv6Bytes(source), ipv6Bytes(loopback)] : [ipv4Bytes(source), ipv4Bytes(loopback)];
      assert.deepEqual(ip.subarray(v6 ? 8 : 12), Buffer.concat(addresses));
      assert.equal(ip[0], v6 ? 0x60 : 0x45);
      assert.equal(ip[v6 ? 6 : 9], 17);
      assert.equal(ip.readUInt16BE(v6 ? 4 : 2), payload.length + 8 + (v6 ? 0 : 20));
      if (!v6) assert.equal(internetChecksum(ip), 0, 'the checksum of the header');
      const udpHeader = all.subarray(headerBytes, headerBytes + 8);
      assert.deepEqual(
        [0, 2, 4, 6].map((at) => udpHeader.readUInt16BE(at)),
        [sender.port, 4789, payload.length + 8, 0],
      );
      assert.deepEqual(all.subarray(headerBytes + 8), payload);
      assert.deepEqual([packet.linkType, packet.interfaceId, packet.wireBytes], [101, 7, all.length]);
      assert.ok(packetTimeUs[0] >= before * 1000 && packetTimeUs[0] <= (Date.now() + 1) * 1000, 'the time of arrival');
    });
    sender.close();
    opened.close();
  });
}

test('several batches: the order is kept, and no datagram is mixed with another', () => {
  const opened = new OpenedEndpoint(`udp://127.0.0.1:${freePort()}`);
  const sender = new Sender('127.0.0.1');
  const lengthOf = (i: number): number => (i * 53) % 1400;
  let sent = 0;
  let got = 0;
  for (const burst of [1, 63, 64, 65, 130, 2]) {
    for (let i = 0; i < burst; i++, sent++) sender.send(Buffer.alloc(lengthOf(sent), sent), '127.0.0.1', opened.endpoint.port);
    opened.drain((packet) => {
      assert.equal(packet.end - packet.at, 28 + lengthOf(got));
      assert.ok(bytes.subarray(packet.at + 28, packet.end).equals(Buffer.alloc(lengthOf(got), got)), `datagram ${got}`);
      got++;
    }, burst);
  }
  assert.equal(opened.readers[0].next(new Packet()), false);
  assert.equal(countOf('packets.received'), sent);
  assert.deepEqual([weirdCount('capture.endpoint.no_time'), weirdCount('capture.endpoint.read_failed')], [0, 0]);
  sender.close();
  opened.close();
});

test('the longest datagrams are taken whole; where the region is smaller they are cut, and their length is known', () => {
  const most = 65_507;
  for (const [regionBytes, kept] of [
    [REGION_BYTES, most],
    [64 + 128 * 1024, 1744],
  ]) {
    const opened = new OpenedEndpoint(`udp://127.0.0.1:${freePort()}`, { regionBytes });
    const sender = new Sender('127.0.0.1');
    for (let i = 0; i < 3; i++) sender.send(Buffer.alloc(most, 0x61 + i), '127.0.0.1', opened.endpoint.port);
    sender.send(Buffer.from('short'), '127.0.0.1', opened.endpoint.port);
    const seen: number[][] = [];
    opened.drain((packet) => {
      assert.ok(packet.at >= packetRegion.at && packet.end <= packetRegion.at + regionBytes);
      const payload = bytes.subarray(packet.at + 28, packet.end);
      assert.ok(payload.every((b) => b === payload[0] || payload.length === 5));
      seen.push([packet.end - packet.at - 28, packet.wireBytes - 28]);
    }, 4);
    assert.deepEqual(seen, [...Array.from({ length: 3 }, () => [kept, most]), [5, 5]]);
    sender.close();
    opened.close();
  }
});

test('a datagram that is cut gives what it holds: a hole of known size', () => {
  const opened = new OpenedEndpoint(`udp://127.0.0.1:${freePort()}`, { regionBytes: 96 * 1024 });
  const run = new PipelineRun({ everyPacket: true });
  const sender = new Sender('127.0.0.1');
  for (const part of parts) sender.send(inVxlan(ipPacket(part)), '127.0.0.1', opened.endpoint.port);
  opened.drain((packet) => run.processCounted(packet), parts.length);
  const { records, weirds } = run.finish();
  assert.ok((weirds['decode.ipv4.cut'] ?? 0) > 0);
  assert.deepEqual(
    records.map((record) => [record.request?.target, record.response?.status]),
    conversation.calls.map(({ target, status }) => [target, status]),
  );
  assert.deepEqual(records.at(-1)?.causes, ['gap']);
  sender.close();
  opened.close();
});

test('four sockets share a port: each datagram comes once, and a flow at one socket', () => {
  const opened = new OpenedEndpoint(`udp://127.0.0.1:${freePort()}?encap=vxlan`, { workers: 4 });
  const senders = Array.from({ length: 40 }, () => new Sender('127.0.0.1'));
  for (let i = 0; i < 10; i++) for (const [n, sender] of senders.entries()) sender.send(Buffer.of(n, i), '127.0.0.1', opened.endpoint.port);
  const seen = new Map<string, number>();
  const readerOf = new Map<number, number>();
  opened.drain((packet, reader) => {
    const [n, i] = bytes.subarray(packet.at + 28, packet.end);
    assert.equal(seen.has(`${n} ${i}`), false);
    seen.set(`${n} ${i}`, 1);
    assert.equal(readerOf.get(n) ?? reader.fd, reader.fd);
    readerOf.set(n, reader.fd);
  }, 400);
  assert.equal(seen.size, 400);
  assert.ok(new Set(readerOf.values()).size > 1, 'all at one socket');
  assert.equal(
    opened.readers.reduce((sum, reader) => sum + reader.packets, 0),
    400,
  );
  for (const sender of senders) sender.close();
  opened.close();
});

test('what finds the receive buffer full is counted', () => {
  const opened = new OpenedEndpoint(`udp://127.0.0.1:${freePort()}`, { receiveBufferBytes: 4096 });
  const sender = new Sender('127.0.0.1');
  const sent = 200;
  for (let i = 0; i < sent; i++) sender.send(Buffer.alloc(1400), '127.0.0.1', opened.endpoint.port);
  const [reader] = opened.readers;
  const packet = new Packet();
  let got = 0;
  while (reader.next(packet)) got++;
  assert.ok(got > 0 && got < sent, `${got} of ${sent}`);
  assert.equal(got + reader.kernelDropped(), sent);
  sender.close();
  opened.close();
});

test('a socket that tells neither time nor destination: the clock, and the address of the end-point', () => {
  const port = freePort('127.0.0.1');
  const fd = calls().socket(2, 2, 0);
  assert.ok(calls().bind(fd, writeSockaddr({ address: '127.0.0.1', port }) as Buffer) >= 0);
  const reader = new EndpointReader(fd, parseEndpoint(`udp://127.0.0.1:${port}`), packetRegion, 0);
  const sender = new Sender('127.0.0.1');
  const before = Date.now();
  sender.send(Buffer.from('x'), '127.0.0.1', port);
  const packet = new Packet();
  assert.ok(reader.next(packet));
  assert.deepEqual(bytes.subarray(packet.at + 16, packet.at + 20), ipv4Bytes('127.0.0.1'));
  assert.ok(packetTimeUs[0] >= before * 1000);
  assert.equal(weirdCount('capture.endpoint.no_time'), 1);
  sender.close();
  calls().close(fd);
});

test('a socket that is gone is counted, and nothing is thrown', () => {
  const opened = new OpenedEndpoint(`udp://127.0.0.1:${freePort()}`);
  opened.close();
  assert.equal(opened.readers[0].next(new Packet()), false);
  assert.equal(weirdCount('capture.endpoint.read_failed'), 1);
});

test('a region that is too small is refused', () => {
  const endpoint = parseEndpoint('udp://127.0.0.1:4789');
  assert.throws(() => new EndpointReader(0, endpoint, { at: packetRegion.at, end: packetRegion.at + 1000 }, 0), /region/);
});
