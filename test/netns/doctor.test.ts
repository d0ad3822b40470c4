/**
 * The doctor on a real wire: each fault alone is its first finding, and a wire on which all is well has none. It is
 * started as an operator starts it, and listens for some seconds while the traffic goes on.
 */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveSensor, type SomeSettings } from '../support/live-sensor.ts';
import { cannotUseNamespaces, type Namespace, Network } from '../support/netns.ts';
import * as p from '../support/packets.ts';
import { startSending, writeFrames } from '../support/sender.ts';
import { inVxlan, type Made, makeCalls, wrapAll, wraps } from './calls.ts';

const skip = cannotUseNamespaces('setpriv');
const powerless = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
const program = join(import.meta.dirname, '../../earshot');
const RATE = 4_000;
const calls: Made = makeCalls({ connections: 40, callsEach: 5 });
const onEni: SomeSettings = { capture: { interfaces: ['eni0'] } };

interface Told {
  readonly code: number | null;
  readonly ok: boolean;
  readonly first: string | null;
  readonly steps: readonly { readonly step: string; readonly verdict: string; readonly evidence: string }[];
  readonly findings: readonly { readonly code: string; readonly severity: string; readonly next: string; readonly evidence: string }[];
  readonly text: string;
}

function newNetwork(t: TestContext): Network {
  const network = new Network();
  t.after(() => network.remove());
  chmodSync(network.folder, 0o777);
  return network;
}

interface DoctorOptions {
  readonly as?: readonly string[];
  /** The control socket of a sensor. */
  readonly socket?: string;
  /** What is done once it listens. */
  readonly meanwhile?: (signal: (name: NodeJS.Signals) => void) => Promise<void>;
}

/** Runs `earshot doctor --live 2s --json` with these settings. */
async function doctor(at: Namespace, network: Network, settings: SomeSettings, o: DoctorOptions = {}): Promise<Told> {
  const config = join(network.folder, 'doctor.yaml');
  writeFileSync(config, JSON.stringify(settings));
  const socket = o.socket ?? join(network.folder, 'nobody.sock');
  const [first, ...rest] = [...(o.as ?? []), program, 'doctor', '--json', '--live', '2s', '--config', config, '--socket', socket];
  const child = at.spawn(first, rest);
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  await o.meanwhile?.((name) => child.kill(name));
  const code = await ended;
  assert.ok(text.startsWith('{'), `${text}${errors}`);
  return { ...(JSON.parse(text) as Omit<Told, 'code' | 'text'>), code, text };
}

/** The same while frames are sent from the other end of the cable, again and again. */
async function doctorWhile(
  t: TestContext,
  frames: readonly Buffer[],
  settings: SomeSettings = onEni,
  o: DoctorOptions = {},
): Promise<Told> {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const sending = startSending(wire, writeFrames(network.folder, frames), { device: 'wire', rate: RATE, times: 0 });
  try {
    return await doctor(sensor, network, settings, o);
  } finally {
    sending.stop();
    await sending.done;
  }
}

function assertFirst(told: Told, code: string): void {
  assert.equal(told.first, code, told.text);
  assert.equal(told.findings[0].code, code);
  assert.equal(told.findings[0].severity, 'broken', told.text);
  assert.equal(told.code, 1);
  assert.equal(told.ok, false);
}

test('a wire on which all is well: plain and in VXLAN', { skip }, async (t) => {
  for (const name of ['plain', 'VXLAN'] as const) {
    const told = await doctorWhile(t, wrapAll(calls, wraps[name].wrap));
    assert.deepEqual(told.findings, [], told.text);
    assert.equal(told.first, null);
    assert.equal(told.code, 0);
    const arrives = told.steps.find(({ step }) => step === 'packets arrive');
    assert.match(arrives?.evidence ?? '', name === 'VXLAN' ? /on eni0 \(VXLAN VNI 77: [\d,]+\)$/ : /on eni0$/);
    assert.match(told.steps.find(({ step }) => step === 'HTTP')?.evidence ?? '', /^[\d,]+ calls, [\d,]+ whole, port 8080$/);
  }
});

test('no packets', { skip }, async (t) => {
  const network = newNetwork(t);
  assertFirst(await doctor(network.listener().sensor, network, onEni), 'no-packets');
});

test('interface down', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor } = network.listener();
  sensor.ip('link set eni0 down');
  assertFirst(await doctor(sensor, network, onEni), 'interface-down');
});

test('the other end of the interface is down: no carrier', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  wire.ip('link set wire down');
  assertFirst(await doctor(sensor, network, onEni), 'interface-no-carrier');
});

test('no rights', { skip }, async (t) => {
  const told = await doctorWhile(t, wrapAll(calls, wraps.plain.wrap), onEni, { as: powerless });
  assertFirst(told, 'no-rights');
  assert.match(told.findings[0].next, /CAP_NET_RAW/);
});

test('one direction only', { skip }, async (t) => {
  for (const side of [1, 101]) {
    const half = calls.packets.filter(({ ip }) => ip[13] === side);
    const frames = half.map(({ ip, connection }) => inVxlan(7)(ip, connection));
    assertFirst(await doctorWhile(t, frames), 'one-direction');
  }
});

/** A server and clients of real TLS, with a key that both know in place of certificates. */
const tlsOptions = `const psk = Buffer.alloc(16, 7); const o = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' };`;
const tlsServer = `${tlsOptions} require('node:tls').createServer({ ...o, pskCallback: () => psk }, (s) => s.on('data', () => s.end('HTTP/1.1 200 OK')).on('error', () => {})).listen(8443);`;
const tlsClient = `${tlsOptions} setInterval(() => { const s = require('node:tls').connect({ ...o, host: '10.78.0.2', port: 8443, servername: 'shop.example', checkServerIdentity: () => undefined,
  pskCallback: () => ({ psk, identity: 'me' }) }, () => s.write('GET / HTTP/1.1')); s.on('data', () => {}).on('error', () => {}); }, 50);`;

test('TLS only', { skip }, async (t) => {
  const network = newNetwork(t);
  const client = network.namespace('client');
  const server = network.namespace('server');
  network.veth({ in: client, name: 'eth0', address: '10.78.0.1/24' }, { in: server, name: 'eni0', address: '10.78.0.2/24' });
  server.spawn(process.execPath, ['-e', tlsServer]);
  client.spawn(process.execPath, ['-e', tlsClient]);
  for (const endMs = Date.now() + 10_000; server.run('ss', ['-Htn', 'sport = :8443']) === ''; await sleep(20)) {
    assert.ok(Date.now() < endMs, 'TLS does not start');
  }
  const told = await doctor(server, network, onEni);
  assertFirst(told, 'tls-only');
  assert.match(told.findings[0].evidence, /, port 8443; to shop[.]example [\d,]+$/);
});

test('the filter hides all: of tcpdump, which does not look through the tunnel, and of lists', { skip }, async (t) => {
  for (const capture of [{ filter: 'tcp port 8080' }, { not: { ports: [8080], networks: [] } }]) {
    const told = await doctorWhile(t, wrapAll(calls, inVxlan(7)), { capture: { interfaces: ['eni0'], ...capture } });
    assertFirst(told, 'filter-hides-all');
    assert.match(told.findings[0].evidence, /VXLAN VNI 7/);
  }
});

test('VXLAN on an unexpected port', { skip }, async (t) => {
  const frames = calls.packets.map(({ ip }) =>
    p.ethernet(p.ipv4(p.udp(p.vxlan(p.ethernet(ip), { vni: 7 }), { destinationPort: 4788, checksum: 0 }))),
  );
  const told = await doctorWhile(t, frames);
  assertFirst(told, 'tunnel-port-unknown');
  assert.match(told.findings[0].next, /decode\.vxlanPorts: \[4789, 8472, 4788\]/);
});

test('cut packets', { skip }, async (t) => {
  const long = makeCalls({ connections: 20, callsEach: 5, bodyBytes: [4000, 9000] });
  const frames = wrapAll(long, (ip, connection) => {
    const inner = p.ethernet(ip);
    const sent = Buffer.from(inner.subarray(0, Math.min(inner.length, 1_264)));
    return p.ethernet(p.ipv4(p.udp(p.vxlan(sent, { vni: 7 }), { sourcePort: 50_000 + connection, checksum: 0 })));
  });
  assertFirst(await doctorWhile(t, frames), 'packets-cut');
});

test('kernel drops: the doctor is held up while its ring is small', { skip }, async (t) => {
  const settings = { capture: { interfaces: ['eni0'], ringBytes: 4 << 20 } };
  const network = newNetwork(t);
  const { sensor, wire } = network.listener();
  const sending = startSending(wire, writeFrames(network.folder, wrapAll(calls, wraps.plain.wrap)), {
    device: 'wire',
    rate: 2 * RATE,
    times: 0,
  });
  const meanwhile = async (signal: (name: NodeJS.Signals) => void): Promise<void> => {
    // The header line, and one line for each packet socket.
    for (const endMs = Date.now() + 10_000; sensor.run('cat', ['/proc/net/packet']).trim().split('\n').length < 2; await sleep(10)) {
      assert.ok(Date.now() < endMs, 'the doctor does not listen');
    }
    await sleep(500);
    signal('SIGSTOP');
    await sleep(2_000);
    signal('SIGCONT');
  };
  try {
    const told = await doctor(sensor, network, settings, { meanwhile });
    assertFirst(told, 'kernel-drops');
  } finally {
    sending.stop();
    await sending.done;
  }
});

test('the port is held by another', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor } = network.listener();
  const endpoint: SomeSettings = { capture: { endpoints: ['udp://0.0.0.0:4789?encap=vxlan'] } };
  const holder = sensor.spawn(process.execPath, [
    '-e',
    "require('node:dgram').createSocket('udp4').bind(4789, () => console.log('bound'))",
  ]);
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  const told = await doctor(sensor, network, endpoint);
  assertFirst(told, 'port-held');
  assert.match(told.text, new RegExp(`pid ${holder.pid}`));
});

test('VXLAN that does not reach the end-point: another port, and a firewall', { skip }, async (t) => {
  const network = newNetwork(t);
  const mirror = network.namespace('mirror');
  const sensor = network.namespace('sensor');
  network.veth({ in: mirror, name: 'eth0', address: '10.77.0.1/24' }, { in: sensor, name: 'eni0', address: '10.77.0.2/24' });
  const datagrams = calls.packets.map(({ ip }) => p.vxlan(p.ethernet(ip), { vni: 7 }));
  const capture = writeFrames(network.folder, datagrams);
  const sending = startSending(mirror, capture, { datagramsTo: '10.77.0.2:4789', rate: RATE, times: 0 });
  const at = (port: number): SomeSettings => ({ capture: { endpoints: [`udp://0.0.0.0:${port}?encap=vxlan`] } });
  const elsewhere = await doctor(sensor, network, at(5000));
  assertFirst(elsewhere, 'tunnel-port-unknown');
  assert.match(elsewhere.findings[0].next, /port 4789/);
  const well = await doctor(sensor, network, at(4789));
  assert.ok(well.ok, well.text);
  const wall = 'table ip wall {\nchain at {\ntype filter hook input priority 0\nudp dport 4789 drop\n}\n}\n';
  sensor.run('nft', ['-f', '-'], wall);
  assertFirst(await doctor(sensor, network, at(4789)), 'endpoint-blocked');
  sending.stop();
  await sending.done;
});

test('a running sensor holds the port: its report is the evidence', { skip }, async (t) => {
  const network = newNetwork(t);
  const { sensor } = network.listener();
  const settings: SomeSettings = { capture: { endpoints: ['udp://127.0.0.1:4789?encap=vxlan'] }, run: { workers: 1 } };
  const live = await LiveSensor.start(sensor, network.folder, { settings });
  // So long that nothing comes again while the doctor looks: to the sensor, which remembers connections, those were copies.
  const { packets } = makeCalls({ connections: 40, callsEach: 500 });
  const datagrams = packets.map(({ ip }) => p.vxlan(p.ethernet(ip), { vni: 7 }));
  const capture = writeFrames(network.folder, datagrams);
  const sending = startSending(sensor, capture, { datagramsTo: '127.0.0.1:4789', rate: RATE, times: 0 });
  const told = await doctor(sensor, network, settings, { socket: live.socketPath });
  sending.stop();
  await sending.done;
  assert.ok(told.ok, told.text);
  assert.match(told.steps.find(({ step }) => step === 'packets arrive')?.evidence ?? '', /says the running sensor$/);
  assert.match(told.steps.find(({ step }) => step === 'HTTP')?.evidence ?? '', /^[\d,]+ calls/);
  await live.stop();
});
