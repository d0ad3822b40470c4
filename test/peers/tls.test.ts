/**
 * Second opinions on hellos: Suricata makes the same JA4 fingerprints, tshark reads the same names, of real clients and of made
 * ones, in TCP and in QUIC.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tlsSince } from '../../src/http/tls-facts.ts';
import * as h from '../support/hellos.ts';
import { PcapWriter } from '../support/pcap-writer.ts';
import * as q from '../support/quic.ts';
import { Random } from '../support/random.ts';
import { runPipeline, START_US, type Wire } from '../support/run-pipeline.ts';
import { connection, datagram, SERVER_HELLO } from '../support/tls-connections.ts';
import { absent } from './peers.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-peers-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const LIMIT_MS = 120_000;
const MADE = 60;
const FIRST_PORT = 20_000;
const APPLICATION_DATA = Buffer.concat([Buffer.from('1403030001011703030040', 'hex'), Buffer.alloc(64, 0xa5)]);

/** A hello of any suites, extensions and names, GREASE among them; one for QUIC always says its versions. */
function someHello(random: Random, isQuic = false): Buffer {
  const many = (max: number): number[] => Array.from({ length: random.integer(1, max) }, () => random.integer(0x1000, 0xd000));
  const grease = (): number[] => (random.chance(0.5) ? [0x0a0a + 0x1010 * random.integer(0, 15)] : []);
  const others = [...new Set(many(20))].filter((n) => n !== 0x3374).map((type) => h.extension(type, Buffer.alloc(random.integer(0, 30))));
  const extensions = [
    ...grease().map((n) => h.extension(n)),
    h.serverName(`s${random.integer(0, 999)}.example`),
    ...(random.chance(0.7) ? [h.alpn(random.pick(['h2', 'http/1.1', 'h3', 'x']), 'other')] : []),
    h.signatures(...grease(), 0x0403, 0x0804, ...many(5)),
    ...(isQuic || random.chance(0.8) ? [h.versions(...grease(), 0x0304, 0x0303)] : []),
    ...others,
  ];
  return h.message({ suites: [...grease(), 0x1301, ...many(30), 0xc02f], extensions });
}

async function capture(): Promise<Wire[]> {
  const random = new Random(11);
  const real = [
    await h.ofNode({ servername: 'node.example', ALPNProtocols: ['h2', 'http/1.1'] }),
    await h.ofNode({ servername: 'old.example', maxVersion: 'TLSv1.2' }),
  ];
  if (h.withoutProgram('openssl', 'version') === false)
    real.push(await h.ofProgram('openssl', ['s_client', '-connect', '127.0.0.1:PORT', '-servername', 'openssl.example']));
  if (h.withoutProgram('curl', '-V') === false)
    real.push(await h.ofProgram('curl', ['-s', '--connect-to', 'curl.example:443:127.0.0.1:PORT', 'https://curl.example/']));
  const made = [h.message(h.described.hello), ...Array.from({ length: MADE }, () => someHello(random))].map((message) =>
    h.records(message),
  );
  const streams = [...real, ...made];
  const answer = Buffer.concat([SERVER_HELLO, APPLICATION_DATA]);
  const wires = streams.flatMap((stream, i) => {
    const middle = stream.length >> 1;
    return connection([stream.subarray(0, middle), stream.subarray(middle)], { answer, clientPort: FIRST_PORT + i });
  });
  for (let i = 0; i < 10; i++) {
    const id = Buffer.alloc(8, i + 1);
    const clientPort = FIRST_PORT + 10_000 + i;
    const packet = q.initial(q.crypto(0, someHello(random, true)), { destinationId: id, version: 1 });
    wires.push({ data: datagram(packet, { clientPort }), timeUs: 0 });
  }
  return wires.map(({ data }, i) => ({ data, timeUs: START_US + i * 100 }));
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: LIMIT_MS, maxBuffer: 64 << 20 });
  if (error !== undefined) throw error;
  assert.equal(status, 0, stderr);
  return stdout;
}

const wires = await capture();
const writer = new PcapWriter();
for (const { data, timeUs } of wires) {
  writer.bytes.set(data, writer.reserve(data.length));
  writer.commit(data.length, timeUs);
}
const pcap = join(folder, 'hellos.pcap');
writeFileSync(pcap, writer.close());
runPipeline(wires);
const ours = new Map(tlsSince(0).connections.map((one) => [one.clientPort, one]));

test('Suricata makes the same fingerprints', { skip: absent('suricata', '-V') }, () => {
  const config = join(folder, 'suricata.yaml');
  writeFileSync(
    config,
    `%YAML 1.1
---
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types:
        - tls: { extended: yes, ja4: on }
        - quic: { ja4: on }
app-layer:
  protocols:
    tls: { enabled: yes, ja4-fingerprints: yes, detection-ports: { dp: 443 } }
    quic: { enabled: yes, ja4-fingerprints: yes }
`,
  );
  run('suricata', ['-c', config, '-S', '/dev/null', '-r', pcap, '-l', folder, '--runmode', 'single', '-k', 'none']);
  let compared = 0;
  for (const line of readFileSync(join(folder, 'eve.json'), 'utf8').split('\n').slice(0, -1)) {
    const event = JSON.parse(line) as {
      event_type: string;
      src_port: number;
      tls?: { ja4?: string; sni?: string };
      quic?: { ja4?: string; sni?: string };
    };
    const theirs = event.tls ?? event.quic;
    if (theirs?.ja4 === undefined) continue;
    const { ja4, serverName } = ours.get(event.src_port) ?? { ja4: 'none', serverName: '' };
    assert.equal(`${serverName} ${ja4}`, `${theirs.sni} ${theirs.ja4}`);
    compared++;
  }
  assert.ok(compared > MADE, `${compared} were compared`);
});

test('tshark reads the same names and protocols, in QUIC too', { skip: absent('tshark', '--version') }, () => {
  const fields = ['tcp.srcport', 'udp.srcport', 'tls.handshake.extensions_server_name', 'tls.handshake.extensions_alpn_str'];
  const out = run('tshark', ['-r', pcap, '-Y', 'tls.handshake.type == 1', '-T', 'fields', ...fields.flatMap((field) => ['-e', field])]);
  const lines = out.split('\n').slice(0, -1);
  assert.equal(lines.length, ours.size);
  for (const line of lines) {
    const [tcp, udp, name, protocols] = line.split('\t');
    const facts = ours.get(Number(tcp || udp));
    assert.deepEqual([facts?.serverName, facts?.alpn.join()], [name, protocols]);
    assert.equal(facts?.transport, tcp === '' ? 'quic' : 'tcp');
  }
});
