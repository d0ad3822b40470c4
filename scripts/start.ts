/**
 * `npm start`: the sensor at work, live, with nothing but this machine. A small shop API and its customers talk on
 * loopback inside a network namespace of their own, and the sensor listens there. Without the rights for that, the
 * project's own mirror sends the shop's packets in VXLAN to the sensor's UDP end-point, which needs no rights. What it
 * hears it delivers, masked, to a TLS edge with OAuth2 that runs here too.
 *
 *   npm start [-- --seconds N] [--edge-down N]     20 seconds; on a terminal until Ctrl-C
 *
 * With --edge-down the edge is stopped for so many seconds, after a quarter of the time (10 seconds on a terminal): calls wait
 * in the spool, and none is lost. The time of --seconds begins anew when the edge is back.
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
import type { SensorReport } from '../src/app/report.ts';
import { TailLines } from '../src/app/tail.ts';
import { coloursOf, widthOf } from '../src/app/terminal.ts';
import { count, longTime } from '../src/app/units.ts';
import type { ApiCall } from '../src/normalise/api-call.ts';
import { SCHEMA } from '../src/normalise/causes.ts';
import type { ClosingRecord } from '../src/normalise/closing-record.ts';
import type { GapRecord } from '../src/normalise/gap-record.ts';
import { makeShop } from '../test/support/shop.ts';

const SECONDS_IN_A_PIPE = 20;
const COLUMNS_IN_A_PIPE = 110;
const READY_MS = 30_000;
const STOP_MS = 15_000;
const MIRROR_PORT_FROM = 24_789;
/** After an outage the sink tries again within a minute. */
const DELIVERED_MS = 70_000;
const POLL_MS = 500;
const EDGE_DOWN_AFTER_S = 10;

const CAPTURE = '.cache/start/shop.pcap';

const root = join(import.meta.dirname, '..');
const launcher = join(root, 'earshot');
const namespace = `earshot-demo-${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'earshot-demo-'));
const socket = join(folder, 'control.sock');
const colours = coloursOf(process.stdout);
const children: ChildProcess[] = [];

const { values } = parseArgs({ options: { seconds: { type: 'string' }, 'edge-down': { type: 'string' } } });
const seconds = Number(values.seconds ?? (process.stdout.isTTY ? Number.POSITIVE_INFINITY : SECONDS_IN_A_PIPE));
const edgeDownSeconds = Number(values['edge-down'] ?? 0);
if (!(seconds > 0) || !(edgeDownSeconds >= 0)) {
  console.error('Wanted: --seconds with a number above 0, --edge-down with a number of seconds.');
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

function say(text: string): void {
  console.log(colours.yellow(`-- ${text}`));
}

function reportNow(): Partial<SensorReport> {
  return JSON.parse(ask('status', '--json') || '{}') as Partial<SensorReport>;
}

/** "991 calls wait, the oldest for 1 min; connection refused" */
function waitingText({ ship, sensor }: Partial<SensorReport>): string {
  const sink = ship?.sinks[0];
  if (sink === undefined || sensor === undefined) return 'the sensor does not answer';
  const { queued, inFlight, oldestWaitingAtMs, blocked, lastProblem, valid } = sink;
  if (oldestWaitingAtMs === 0) return 'no call waits';
  const why = valid ? null : (blocked ?? lastProblem);
  const oldest = longTime(Math.max(0, sensor.nowAtMs - oldestWaitingAtMs));
  return `${count(queued + inFlight)} calls wait, the oldest for ${oldest}${why === null ? '' : `; ${why.code.replaceAll('-', ' ')}`}`;
}

let stopping = false;
let finishing = false;
/** The shop and its customers, or the mirror. */
let traffic: ChildProcess | null = null;
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
interface EdgeAnswer {
  readonly records: number;
  readonly tokens: number;
}

const edge = start(process.execPath, ['scripts/demo-edge.ts'], live);
const edgeLines = createInterface({ input: edge.stdout as NonNullable<typeof edge.stdout> })[Symbol.asyncIterator]();

/** The next line that the edge says. */
async function edgeSays<T>(): Promise<T> {
  const { value } = await edgeLines.next();
  return JSON.parse(value ?? '{}') as T;
}

async function tellEdge(line: 'stop' | 'start' | 'count'): Promise<EdgeAnswer> {
  edge.stdin?.write(`${line}\n`);
  return await edgeSays<EdgeAnswer>();
}

const { url, tokenUrl, caFile, clientId, secretFile } = await edgeSays<Record<string, string>>();
// A little shop needs little memory.
const configuration = join(folder, 'earshot.yaml');
const settings = {
  capture: { ringBytes: 8 << 20, receiveBufferBytes: 128 << 10 },
  spool: { directory: join(folder, 'spool'), freeBytesMin: 0 },
  sinks: {
    edge: {
      type: 'uap-edge',
      url,
      auth: { type: 'oauth2', tokenUrl, clientId, clientSecret: { file: secretFile } },
      tls: { caFile, systemCa: false },
    },
  },
};
// JSON is YAML.
writeFileSync(configuration, `${JSON.stringify(settings, null, 2)}\n`);
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
  const record = JSON.parse(line) as ApiCall | GapRecord | ClosingRecord;
  if (record.schema !== SCHEMA) return;
  if (calls++ === 0) process.stdout.write(lines.titles());
  console.log(lines.line(lineOf(record)));
});

/** Waits until the edge has what the sensor accepted, for a while. */
async function untilDelivered(): Promise<void> {
  for (const endMs = Date.now() + DELIVERED_MS; Date.now() < endMs; await sleep(POLL_MS)) {
    if (reportNow().ship?.sinks.every(({ queued, inFlight }) => queued + inFlight === 0)) return;
  }
}

async function finish(): Promise<void> {
  if (finishing) return;
  finishing = true;
  // Nothing new comes: what is under way can end.
  if (traffic !== null) await end(traffic);
  await untilDelivered();
  const block = ask('stats');
  console.log(`\n${calls} calls. ${colours.cyan('earshot stats')} says:\n\n${block}`);
  const { records, tokens } = await tellEdge('count');
  console.log(`The edge ${url} has ${records} of them, masked, over TLS (OAuth2 tokens given: ${tokens}).\n`);
  console.log(
    `Your own traffic:   ${colours.cyan('sudo ./earshot run -i eth0 -o -')}   or, mirrored to UDP port 4789:   ${colours.cyan("./earshot run -e 'udp://0.0.0.0:4789?encap=vxlan' -o -")}`,
  );
  console.log(`Nothing comes?      ${colours.cyan('sudo ./earshot doctor --live 10s -i eth0')}`);
  console.log(`A capture:          ${colours.cyan(`./earshot read ${CAPTURE} --summary`)}`);
  await stop(calls > 0 && records > 0 ? 0 : 1);
}

const readyBy = Date.now() + READY_MS;
while (!ask('status', '--json').includes('"ready":true') && Date.now() < readyBy && !stopping) await sleep(200);
traffic = start(process.execPath, live ? ['scripts/demo-shop.ts'] : ['scripts/demo-mirror.ts', String(port)], live);
if (edgeDownSeconds > 0) {
  await sleep((Number.isFinite(seconds) ? seconds / 4 : EDGE_DOWN_AFTER_S) * 1000);
  await tellEdge('stop');
  say(`the edge is stopped for ${edgeDownSeconds} s; calls wait in the spool`);
  await sleep(edgeDownSeconds * 1000);
  say(`the edge comes back; until now: ${waitingText(reportNow())}`);
  await tellEdge('start');
}
if (Number.isFinite(seconds)) {
  await sleep(seconds * 1000);
  await finish();
}
