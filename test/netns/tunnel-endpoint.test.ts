/**
 * Tunnel end-points beside the kernel's own, and as an ordinary user: what they see, and what they say when the port is
 * held. This file is also the program that the tests run in the namespaces: with a word behind it, it does that.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SensorError } from '../../src/base/errors.ts';
import { closeEndpoint, openEndpoint, parseEndpoint } from '../../src/capture/tunnel-endpoint.ts';
import { cannotUseNamespaces, type Namespace, Network } from '../support/netns.ts';

const program = fileURLToPath(import.meta.url);
const RECEIVE_BUFFER_BYTES = 1 << 20;
/** Runs what follows as a user without any right. */
const ORDINARY = [
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--inh-caps=-all',
  '--bounding-set=-all',
  '--no-new-privs',
];

interface Answer {
  readonly opened: boolean;
  readonly code?: string;
  readonly why?: string;
  readonly next?: string;
  /** Of the process: user, and the capabilities that it has. */
  readonly uid: number;
  readonly capabilities: string;
  readonly calls?: readonly string[];
  readonly encapsulation?: unknown;
}

/** Opens an end-point of that URL in the namespace, as root or as an ordinary user, and, when told to, listens to calls there. */
function ask(namespace: Namespace, task: 'open' | 'listen', url: string, as: readonly string[] = []): Answer {
  const [first, ...rest] = [...as, process.execPath, program, task, url];
  return JSON.parse(namespace.run(first, rest)) as Answer;
}

if (process.argv[2] === undefined) registerTests();
else console.log(JSON.stringify(await answer(process.argv[2], process.argv[3])));

async function answer(task: string, url: string): Promise<Answer> {
  const capabilities = /CapEff:\s*([0-9a-f]+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const who = { uid: process.getuid?.() ?? -1, capabilities };
  try {
    if (task === 'listen') return { opened: true, ...who, ...(await listen(url)) };
    closeEndpoint(openEndpoint(parseEndpoint(url), 2, RECEIVE_BUFFER_BYTES).fds);
    return { opened: true, ...who };
  } catch (error) {
    if (!(error instanceof SensorError)) throw error;
    return { opened: false, ...who, code: error.code, why: error.why, next: error.next };
  }
}

/** Sends a conversation in VXLAN to an end-point of its own; the calls that the pipeline makes of it. */
async function listen(url: string): Promise<Pick<Answer, 'calls' | 'encapsulation'>> {
  const { OpenedEndpoint, Sender } = await import('../../src/capture/endpoint-testing.ts');
  const { ipPacket, partsOf } = await import('../support/conversation.ts');
  const { ethernet, vxlan } = await import('../support/packets.ts');
  const { PipelineRun } = await import('../support/run-pipeline.ts');
  const opened = new OpenedEndpoint(url, { workers: 2, receiveBufferBytes: RECEIVE_BUFFER_BYTES });
  const sender = new Sender('127.0.0.1');
  const turns = [
    { fromServer: false, bytes: Buffer.from('GET /v1/things?id=7 HTTP/1.1\r\nHost: api.example.com\r\n\r\n') },
    { fromServer: true, bytes: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}') },
  ];
  const parts = partsOf({ turns, calls: [], end: 'client-fin' });
  for (const part of parts) sender.send(vxlan(ethernet(ipPacket(part)), { vni: 42 }), '127.0.0.1', opened.endpoint.port);
  const run = new PipelineRun();
  opened.drain((packet) => run.processCounted(packet), parts.length);
  const { records } = run.finish();
  return {
    calls: records.map(({ request, response }) => `${request?.method} ${request?.target} ${response?.status}`),
    encapsulation: records[0]?.encapsulation,
  };
}

/** Why an ordinary user cannot run this here; false when one can. */
function cannotDropRights(): string | false {
  const cannot = cannotUseNamespaces('setpriv');
  if (cannot !== false) return cannot;
  const [setpriv, ...options] = ORDINARY;
  const { status } = spawnSync(setpriv, [...options, process.execPath, '--check', program]);
  return status === 0 ? false : 'another user may not read the files of Earshot here';
}

function registerTests(): void {
  const skip = cannotUseNamespaces();
  const skipOrdinary = cannotDropRights();
  const url = 'udp://0.0.0.0:4789?encap=vxlan';

  test('an ordinary user without any capability opens an end-point and sees calls', { skip: skipOrdinary }, async () => {
    const network = new Network();
    try {
      const namespace = network.namespace('plain');
      const { calls, encapsulation, ...who } = ask(namespace, 'listen', url, ORDINARY);
      assert.deepEqual(who, { opened: true, uid: 65534, capabilities: '0000000000000000' });
      assert.deepEqual(calls, ['GET /v1/things?id=7 200']);
      assert.deepEqual(encapsulation, [{ type: 'vxlan', source: '127.0.0.1', destination: '127.0.0.1', vni: 42 }]);
    } finally {
      await network.remove();
    }
  });

  test('an ordinary user is told what a port below 1024 needs', { skip: skipOrdinary }, async () => {
    const network = new Network();
    try {
      const namespace = network.namespace('low');
      const { code, why, next } = ask(namespace, 'open', 'udp://0.0.0.0:53', ORDINARY);
      assert.deepEqual([code, why], ['no-rights', 'ports below 1024 need the capability CAP_NET_BIND_SERVICE']);
      assert.match(next ?? '', /4789.*AmbientCapabilities=CAP_NET_BIND_SERVICE/);
      assert.equal(ask(namespace, 'open', 'udp://0.0.0.0:53').opened, true, 'root may');
    } finally {
      await network.remove();
    }
  });

  test('a port that a vxlan device of the kernel holds: the device is named, to root and to others', { skip }, async () => {
    const network = new Network();
    try {
      const namespace = network.namespace('device');
      namespace.vxlan({ name: 'vx7', vni: 7, local: '127.0.0.1', remote: '127.0.0.2' });
      const users = skipOrdinary === false ? [[], ORDINARY] : [[]];
      for (const user of users) {
        const { code, why, next } = ask(namespace, 'open', url, user);
        assert.deepEqual([code, why], ['port-held', 'port 4789 is held by the vxlan device vx7, that is, by the kernel']);
        assert.match(next ?? '', /^Name vx7 in capture\.interfaces instead/);
      }
      assert.equal(ask(namespace, 'open', 'udp://0.0.0.0:4790').opened, true, 'other ports are free');
      namespace.ip('link set vx7 down');
      assert.equal(ask(namespace, 'open', url).opened, true, 'a device that is down holds nothing');
    } finally {
      await network.remove();
    }
  });

  test('a port that the kernel holds for a device in another namespace', { skip }, async () => {
    const network = new Network();
    try {
      const namespace = network.namespace('under');
      namespace.vxlan({ name: 'vx8', vni: 8, local: '127.0.0.1', remote: '127.0.0.2', usedIn: network.namespace('over') });
      const { code, why } = ask(namespace, 'open', url);
      assert.equal(code, 'port-held');
      assert.match(why ?? '', /^port 4789 is held by the kernel \(a tunnel device\)/);
    } finally {
      await network.remove();
    }
  });

  test('a holder that an ordinary user may not look at', { skip: skipOrdinary }, async () => {
    const network = new Network();
    try {
      const namespace = network.namespace('hidden');
      const bind = `require('node:dgram').createSocket('udp4').bind(4789, '0.0.0.0', () => console.log('bound'));`;
      const holder = namespace.spawn(process.execPath, ['-e', bind]);
      await new Promise((resolve) => holder.stdout?.once('data', resolve));
      const { code, why, next } = ask(namespace, 'open', url, ORDINARY);
      assert.deepEqual([code, why], ['port-held', 'port 4789 is held by a process of user 0 that may not be looked at, or by the kernel']);
      assert.match(next ?? '', /Look as root with/);
      assert.match(ask(namespace, 'open', url).why ?? '', new RegExp(`by the process .* \\(pid ${holder.pid}\\)$`));
    } finally {
      await network.remove();
    }
  });
}
