/**
 * `npm start`: the sensor at work, live, with nothing but this machine. A small shop API and its customers talk on
 * loopback inside a network namespace of their own, and the sensor listens there. Without the rights for that, the
 * project's own mirror sends the shop's packets in VXLAN to the sensor's UDP end-point, which needs no rights.
 *
 *   npm start [-- --seconds N]     20 seconds; on a terminal until Ctrl-C
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { lineOf } from '../src/app/call-line.ts';
import { TailLines } from '../src/app/tail.ts';
import { coloursOf, widthOf } from '../src/app/terminal.ts';
import type { ApiCall } from '../src/normalise/api-call.ts';
import { makeShop } from '../test/support/shop.ts';

const SECONDS_IN_A_PIPE = 20;
const COLUMNS_IN_A_PIPE = 110;
const READY_MS = 30_000;
const STOP_MS = 15_000;
const MIRROR_PORT_FROM = 24_789;

const CAPTURE = '.cache/start/shop.pcap';

const root = join(import.meta.dirname, '..');
const launcher = join(root, 'earshot');
const namespace = `earshot-demo-${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'earshot-demo-'));
const socket = join(folder, 'control.sock');
const colours = coloursOf(process.stdout);
const children: ChildProcess[] = [];

const { values } = parseArgs({ options: { seconds: { type: 'string' } } });
const seconds = Number(values.seconds ?? (process.stdout.isTTY ? Number.POSITIVE_INFINITY : SECONDS_IN_A_PIPE));
if (!(seconds > 0)) {
  console.error('Wanted: --seconds with a number above 0.');
  process.exit(2);
}

/** Makes the namespace; false where that is not allowed. */
function makeNamespace(): boolean {
  if (process.getuid?.() !== 0) return false;
  if (spawnSync('ip', ['netns', 'add', namespace], { stdio: 'ignore' }).status !== 0) return false;
  return spawnSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'], { stdio: 'ignore' }).status === 0;
}

function start(command: string, args: readonly string[], inside: boolean): ChildProcess {
  const [program, ...rest] = inside ? ['ip', 'netns', 'exec', namespace, command, ...args] : [command, ...args];
  const child = spawn(program, rest, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const late = sleep(STOP_MS, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
  await Promise.race([exited, late]);
}

/** What a command of earshot prints, of the sensor that runs here. */
function ask(...args: string[]): string {
  return spawnSync(launcher, [...args, '--socket', socket], { encoding: 'utf8' }).stdout;
}

let stopping = false;
let finishing = false;
async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  finishing = true;
  for (const child of children.reverse()) await end(child);
  if (live) spawnSync('ip', ['netns', 'del', namespace], { stdio: 'ignore' });
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

// The examples of the README read it. Whoever may not write here sees the sensor all the same.
try {
  mkdirSync(join(root, '.cache/start'), { recursive: true });
  writeFileSync(join(root, CAPTURE), makeShop().pcap);
} catch (error) {
  console.error(`${CAPTURE} cannot be written (${error instanceof Error ? error.message : error}); the examples of the README need it.\n`);
}

const live = makeNamespace();
const port = MIRROR_PORT_FROM + (process.pid % 10_000);
const source = live ? ['--interface', 'lo'] : ['--endpoint', `udp://127.0.0.1:${port}?encap=vxlan`];
console.log(
  live
    ? `A shop API and its customers talk on loopback, in a network namespace of their own. ${colours.cyan('earshot run --interface lo')} listens there:\n`
    : `A shop's packets come in VXLAN, as from the mirror of a cloud. ${colours.cyan(`earshot run --endpoint ${source[1]}`)} takes them, without any rights:\n`,
);
// A little shop needs little memory.
const configuration = join(folder, 'earshot.yaml');
writeFileSync(configuration, 'capture: { ringBytes: 8388608, receiveBufferBytes: 131072 }\n');
const sensor = start(
  launcher,
  ['run', '--config', configuration, ...source, '--workers', '1', '--output', '-', '--socket', socket, '--log-level', 'warn'],
  live,
);
sensor.on('exit', (code) => {
  if (!stopping) void stop(code ?? 1);
});
process.on('SIGINT', () => void finish());
process.on('SIGTERM', () => void finish());
process.on('SIGHUP', () => void stop(129));
// Its reader went away, as with `| head`: nothing of this may stay behind.
process.stdout.on('error', () => void stop(0));

const lines = new TailLines(process.stdout.isTTY ? widthOf(process.stdout) : COLUMNS_IN_A_PIPE, colours);
let calls = 0;
createInterface({ input: sensor.stdout as NonNullable<typeof sensor.stdout> }).on('line', (line) => {
  if (finishing) return;
  if (calls++ === 0) process.stdout.write(lines.titles());
  console.log(lines.line(lineOf(JSON.parse(line) as ApiCall)));
});

async function finish(): Promise<void> {
  if (finishing) return;
  finishing = true;
  const block = ask('stats');
  console.log(`\n${calls} calls. ${colours.cyan('earshot stats')} says:\n\n${block}`);
  console.log(
    `Your own traffic:   ${colours.cyan('sudo ./earshot run -i eth0 -o -')}   or, mirrored to UDP port 4789:   ${colours.cyan("./earshot run -e 'udp://0.0.0.0:4789?encap=vxlan' -o -")}`,
  );
  console.log(`Nothing comes?      ${colours.cyan('sudo ./earshot doctor --live 10s -i eth0')}`);
  console.log(`A capture:          ${colours.cyan(`./earshot read ${CAPTURE} --summary`)}`);
  await stop(calls > 0 ? 0 : 1);
}

const readyBy = Date.now() + READY_MS;
while (!ask('status', '--json').includes('"ready":true') && Date.now() < readyBy && !stopping) await sleep(200);
start(process.execPath, live ? ['scripts/demo-shop.ts'] : ['scripts/demo-mirror.ts', String(port)], live);
if (Number.isFinite(seconds)) {
  await sleep(seconds * 1000);
  await finish();
}
