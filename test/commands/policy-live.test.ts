/** `earshot policy test --live` as an operator meets it: real packets in VXLAN at an end-point on loopback, which needs no right. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/capture/endpoint-testing.ts';
import { findPortHolder } from '../../src/capture/port-holder.ts';
import { type Ended, earshot, refuses } from '../support/command.ts';
import { readPcap } from '../support/read-pcap.ts';
import { makeShop } from '../support/shop.ts';

const launcher = join(import.meta.dirname, '../../earshot');
const folder = mkdtempSync(join(tmpdir(), 'earshot-policy-live-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const POLL_MS = 50;
const LIMIT_MS = 60_000;
const BURST = 40;
const PAUSE_MS = 5;
/** Ethernet, IPv4 and UDP of the mirror. */
const OUTER_BYTES = 14 + 20 + 8;

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const shop = makeShop();
const datagrams = readPcap(shop.pcap).map(({ data }) => data.subarray(OUTER_BYTES));
const of = (test: (call: (typeof shop.calls)[number]) => boolean): number => shop.calls.filter(test).length;
const total = shop.calls.length;
const payments = of(({ target }) => target.startsWith('/payments'));
const logins = of(({ target }) => target === '/v1/login');

const noPayments = file('no-payments.yaml', 'rules:\n  - { name: no-payments, action: exclude, hosts: payments.internal }\n');
const onlyLogins = file('only-logins.yaml', 'otherwise: exclude\nrules:\n  - { name: logins, action: include, paths: /v1/login }\n');

interface Listener {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Sends all calls of the shop, once it listens. */
  send(): Promise<void>;
}

/** Starts the command with an end-point on loopback. */
function listen(t: TestContext, seconds: string, ...args: string[]): Listener {
  const port = freePort();
  const endpoint = `udp://127.0.0.1:${port}?encap=vxlan`;
  const child = spawn(launcher, ['policy', 'test', '--live', seconds, '-e', endpoint, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  t.after(() => child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...said }));
  const isHeld = (): boolean => findPortHolder({ address: '127.0.0.1', port })?.kind === 'process';
  return {
    child,
    ended,
    send: async () => {
      // The first socket only tries whether the port is free.
      for (let times = 0; times < 2; times = isHeld() ? times + 1 : 0) {
        assert.equal(child.exitCode, null, said.err);
        await sleep(POLL_MS);
      }
      const socket = createSocket('udp4');
      for (let i = 0; i < datagrams.length; i += BURST) {
        for (const datagram of datagrams.slice(i, i + BURST)) socket.send(datagram, port, '127.0.0.1');
        await sleep(PAUSE_MS);
      }
      socket.close();
    },
  };
}

interface Result {
  readonly calls: number;
  readonly letThrough: number;
  readonly rules: readonly { readonly rule: string; readonly calls: number; readonly examples: readonly string[] }[];
  readonly masking: readonly { readonly rule: string; readonly calls: number; readonly examples: readonly string[] }[];
  readonly changes: readonly { readonly now: string; readonly calls: number }[] | null;
  readonly live: { readonly seconds: number; readonly packets: number; readonly dropped: number };
}

test('live calls: what each rule does to them, what is masked, and what another file would do', async (t) => {
  const listener = listen(t, '4s', '--json', '-f', noPayments, '--diff', onlyLogins);
  await listener.send();
  const { code, out, err } = await listener.ended;
  assert.deepEqual([code, err], [0, '']);
  const result = JSON.parse(out) as Result;
  assert.deepEqual([result.calls, result.letThrough], [total, total - payments]);
  assert.equal(result.rules.find(({ rule }) => rule === 'no-payments')?.calls, payments);
  const password = result.masking.find(({ rule }) => rule === 'password');
  assert.equal(password?.calls, logins);
  assert.match(password?.examples[0] ?? '', /^POST api[.]shop[.]example \/v1\/login \d+ {2}request[.]body password$/);
  assert.deepEqual(
    result.changes?.map(({ now, calls }) => [now, calls]),
    [['left out', total - payments - logins]],
  );
  assert.deepEqual([result.live.packets, result.live.dropped], [datagrams.length, 0]);
  assert.ok(result.live.seconds >= 4);
});

test('Ctrl-C ends it earlier, and what came until then is shown', async (t) => {
  const listener = listen(t, '10m', '-f', noPayments);
  await listener.send();
  // What was sent lies in the receive buffer at the latest.
  listener.child.kill('SIGINT');
  const { code, out, err } = await listener.ended;
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, new RegExp(`^Listened for \\d+[.]\\d s: ${datagrams.length} packets[.]$`, 'm'));
  assert.match(out, new RegExp(`^${total} calls: ${total - payments} let through, ${payments} left out[.]$`, 'm'));
});

test('no traffic: it says so, and where to look', async (t) => {
  refuses(await listen(t, '300ms').ended, 2, /no calls were seen: no packet came from udp:.*earshot doctor --live 10s -e udp:/);
});

test('traffic without calls is told from no traffic', async (t) => {
  const port = freePort();
  const ended = earshot(['policy', 'test', '--live', '2s', '-e', `udp://127.0.0.1:${port}?encap=vxlan`]);
  const socket = createSocket('udp4');
  // The beginnings of connections, again and again: nothing is ever asked.
  const timer = setInterval(() => socket.send(datagrams[0], port, '127.0.0.1'), PAUSE_MS);
  t.after(() => {
    clearInterval(timer);
    socket.close();
  });
  refuses(await ended, 2, /no calls were seen: [\d,]+ packets came from udp:.*and no call of HTTP was in them/);
});

test('sources come from the configuration too, and the command line goes over it', async (t) => {
  const port = freePort();
  const config = file('earshot.yaml', JSON.stringify({ capture: { endpoints: [`udp://127.0.0.1:${port}?encap=vxlan`] } }));
  refuses(await earshot(['policy', 'test', '--live', '200ms', '-c', config]), 2, new RegExp(`no packet came from udp://127.0.0.1:${port}`));
  const other = listen(t, '200ms', '-c', config);
  const { err } = await other.ended;
  assert.ok(!err.includes(String(port)), err);
});

test('wrong command lines are told as such', async () => {
  const held = createSocket('udp4').bind(0, '127.0.0.1');
  await once(held, 'listening');
  const { port } = held.address();
  try {
    refuses(await earshot(['policy', 'test', '--live', '1s', '-e', `udp://127.0.0.1:${port}?encap=vxlan`]), 2, /port \d+ is held by/);
  } finally {
    held.close();
  }
  for (const wrong of ['1x', '0', '2h', '-5s', ''])
    refuses(await earshot(['policy', 'test', '--live', wrong]), 2, /Wanted: a time from 100ms to 60m/);
  refuses(await earshot(['policy', 'test', '--live', '1s']), 2, /Cannot listen: .*Name one: --live 60s -i eth0/);
  const many = [1, 2, 3, 4].flatMap((n) => ['-e', `udp://127.0.0.${n}:4789?encap=vxlan`]);
  refuses(await earshot(['policy', 'test', '--live', '1s', ...many]), 2, /Cannot listen to 4 tunnel end-points at once/);
  refuses(await earshot(['policy', 'test', '--live', '1s', noPayments]), 2, /a capture and --live were both given/);
  refuses(await earshot(['policy', 'test', '-i', 'lo', noPayments]), 2, /-i and -e are for --live/);
  refuses(await earshot(['policy', 'test']), 2, /neither a capture nor --live was given/);
});
