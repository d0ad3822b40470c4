/**
 * The bench: Earshot beside its peers on generated captures, as ratios of processor time within one run, because
 * machines differ and are shared.
 *
 *   npm run bench [-- [KIND...] [--runs N] [--quick] [--json FILE]]
 *
 * KIND: small, vxlan, short, large, gzip, http2-json, http2-grpc, reordered, lossy, masked, idle, micro, workers, kafka,
 * idle-sensor, live; all of them when none is named, but kafka only where Java, Maven and kcat are installed, and the last
 * two only as root, where network namespaces can be made and tcpreplay is installed.
 * Earshot writes full JSON lines (all headers, bodies to 4096 bytes) to /dev/null. The peers are Suricata 7 (one
 * thread, no rules, HTTP log with all headers: bench/suricata.yaml) and tcpdump (which only copies), each when
 * installed. All of them run in turn, and medians count. A run apart compares every record with the truth.
 * Filters and masking are off, but in `masked`: small calls with the default ones, beside the same without and Suricata.
 *
 * Bars that are missed are printed; the exit code is 1 only when calls are wrong.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isHttp2, type TrafficKind } from '../test/support/traffic-options.ts';
import { KEPT_BYTES_MAX, readTruth } from '../test/support/truth.ts';
import { idleCapture, trafficCapture } from './captures.ts';
import { cannotIdle, runIdleSensor } from './idle-sensor.ts';
import { cannotRunKafka, runKafka } from './kafka.ts';
import { cannotReplay, runLive } from './live.ts';
import { measure, median, type Usage } from './measure.ts';
import { type Verdict, Verifier, verdictText, verifyStream } from './verify.ts';
import { runWorkers } from './workers.ts';

interface Scenario {
  readonly kind: TrafficKind;
  /** Large enough that Suricata needs PEER_SECONDS_MIN where it takes part. */
  readonly megabytes: number;
  readonly peers: boolean;
  /** The most processor time that Earshot may need, as a share of Suricata's. */
  readonly bar?: number;
}

const scenarios: readonly Scenario[] = [
  { kind: 'small', megabytes: 600, peers: true, bar: 0.18 },
  { kind: 'vxlan', megabytes: 600, peers: true, bar: 0.18 },
  { kind: 'short', megabytes: 400, peers: true, bar: 0.18 },
  { kind: 'large', megabytes: 2400, peers: true, bar: 0.5 },
  { kind: 'gzip', megabytes: 400, peers: true },
  { kind: 'http2-json', megabytes: 400, peers: true, bar: 0.3 },
  { kind: 'http2-grpc', megabytes: 400, peers: true, bar: 0.3 },
  { kind: 'reordered', megabytes: 400, peers: false },
  { kind: 'lossy', megabytes: 400, peers: false },
];
/** With the default filters and masking, small calls: as a share of the same without, and of Suricata's. */
const MASKED_MEGABYTES = 600;
const MASKED_BAR = 1.6;
const MASKED_OVER_SURICATA_BAR = 0.3;
/** A ratio from a shorter run says more about starting up than about traffic. */
const PEER_SECONDS_MIN = 5;
const PEAK_MIB_MAX = 200;
const IDLE_FLOWS = 1_000_000;
const IDLE_PEAK_MIB_MAX = 400;
const QUICK_DIVISOR = 10;
const RUNS = 5;
/** At most so many searches of the live bench, of which the best counts, and runs of the workers bench. */
const LIVE_RUNS = 3;

const ROOT = path.join(import.meta.dirname, '..');
const EARSHOT = path.join(ROOT, 'earshot');
const SURICATA_CONFIG = path.join(import.meta.dirname, 'suricata.yaml');

/** One program over one capture, of HTTP/2 or not; gives what it used and, where that can be told, how many calls it logged. */
type Runner = (capture: string, isHttp2?: boolean) => Promise<Usage & { readonly calls?: number }>;

function earshotCommand(capture: string): string[] {
  return [EARSHOT, 'read', capture, '--format', 'jsonl', '--unmasked', '--unfiltered', '--body-bytes', String(KEPT_BYTES_MAX)];
}

const earshot: Runner = (capture) => measure([...earshotCommand(capture), '--output', '/dev/null']);

const earshotMasked: Runner = (capture) =>
  measure([EARSHOT, 'read', capture, '--format', 'jsonl', '--body-bytes', String(KEPT_BYTES_MAX), '--output', '/dev/null']);

const tcpdump: Runner = (capture) => measure(['tcpdump', '-r', capture, '-w', '/dev/null']);

/** It finds HTTP/2 by the preface, on any port. Beside its calls it logs exchanges of SETTINGS as HTTP; those have no status. */
const HTTP2_ON = ['--set', 'app-layer.protocols.http2.enabled=yes'];
const HTTP2_CALL = Buffer.from('"status":');
const LINE_END = Buffer.from('\n');

const suricata: Runner = async (capture, ofHttp2 = false) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'earshot-bench-'));
  try {
    const command = [
      'suricata',
      '--runmode',
      'single',
      '-k',
      'none',
      '-c',
      SURICATA_CONFIG,
      ...(ofHttp2 ? HTTP2_ON : []),
      '-S',
      '/dev/null',
      '-l',
      directory,
      '-r',
      capture,
    ];
    const usage = await measure(command);
    return { ...usage, calls: await countLines(path.join(directory, 'eve.json'), ofHttp2 ? HTTP2_CALL : LINE_END) };
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
};

/** Lines of a file; with `text`, those in which it stands (once in each). */
async function countLines(file: string, text: Buffer): Promise<number> {
  let lines = 0;
  let last = Buffer.alloc(0);
  for await (const chunk of fs.createReadStream(file) as AsyncIterable<Buffer>) {
    const piece = Buffer.concat([last, chunk]);
    for (let at = piece.indexOf(text); at >= 0; at = piece.indexOf(text, at + 1)) lines++;
    last = piece.subarray(piece.length - text.length + 1);
  }
  return lines;
}

/** Why a peer is left out; undefined when it is there. */
function absent(command: string, versionArgument: string, wanted: RegExp): string | undefined {
  const { status, stdout, stderr } = spawnSync(command, [versionArgument], { encoding: 'utf8' });
  if (status !== 0) return 'not installed';
  return wanted.test(`${stdout}${stderr}`) ? undefined : 'another version';
}

function findPeers(): Map<string, Runner> {
  const peers = new Map<string, Runner>();
  const noSuricata = absent('suricata', '-V', /version 7\./);
  const noTcpdump = absent('tcpdump', '--version', /./);
  if (noSuricata === undefined) peers.set('suricata', suricata);
  else print(`suricata 7 is left out: ${noSuricata}`);
  if (noTcpdump === undefined) peers.set('tcpdump', tcpdump);
  else print(`tcpdump is left out: ${noTcpdump}`);
  return peers;
}

/** Earshot's records of a capture against its truth. */
async function verify(capture: string, truth: string): Promise<Verdict> {
  const { options, calls } = readTruth(truth);
  const verifier = new Verifier(calls, options);
  const [command, ...rest] = earshotCommand(capture);
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (text: Buffer) => {
    complaints = (complaints + text.toString('utf8')).slice(-2000);
  });
  const closed = once(child, 'close');
  await verifyStream(child.stdout, verifier);
  const [exitCode] = (await closed) as [number | null];
  if (exitCode !== 0) throw new Error(`${command} ${rest.join(' ')}: exit code ${exitCode}\n${complaints}`);
  return verifier.result();
}

interface ProgramResult {
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly runs: readonly Usage[];
  readonly calls?: number;
}

interface ScenarioResult {
  readonly kind: TrafficKind;
  readonly fileBytes: number;
  readonly verdict: Verdict;
  readonly programs: Readonly<Record<string, ProgramResult>>;
  /** Earshot's processor time over each peer's. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly bar?: number;
}

async function runScenario(scenario: Scenario, peers: ReadonlyMap<string, Runner>, runs: number, divisor: number): Promise<ScenarioResult> {
  const { kind, bar } = scenario;
  const { capture, truth } = trafficCapture(kind, scenario.megabytes / divisor);
  const fileBytes = fs.statSync(capture).size;
  print(`\n${kind} (${(fileBytes / 1e6).toFixed(0)} MB)`);
  // First, so that caches are as warm for the first measured run as for the last.
  const verdict = await verify(capture, truth);
  const runners = new Map<string, Runner>([['earshot', earshot], ...(scenario.peers ? peers : [])]);
  const usages = new Map<string, (Usage & { readonly calls?: number })[]>([...runners.keys()].map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const [name, runner] of runners) usages.get(name)?.push(await runner(capture, isHttp2(kind)));
  }
  const programs: Record<string, ProgramResult> = {};
  for (const [name, list] of usages) {
    const calls = name === 'earshot' ? verdict.records : list[0].calls;
    programs[name] = {
      cpuSeconds: median(list.map((u) => u.cpuSeconds)),
      peakMiB: Math.max(...list.map((u) => u.peakMiB)),
      runs: list,
      ...(calls === undefined ? undefined : { calls }),
    };
  }
  const ratios: Record<string, number> = {};
  for (const name of runners.keys()) if (name !== 'earshot') ratios[name] = programs.earshot.cpuSeconds / programs[name].cpuSeconds;
  const result = { kind, fileBytes, verdict, programs, ratios, ...(bar === undefined ? undefined : { bar }) };
  printScenario(result);
  return result;
}

function printScenario({ verdict, programs, ratios, bar, fileBytes }: ScenarioResult): void {
  print('  program     CPU s   ratio   peak MiB   calls logged');
  for (const [name, p] of Object.entries(programs)) {
    const ratio = name === 'earshot' ? '' : ratios[name].toFixed(3);
    print(
      `  ${name.padEnd(10)} ${p.cpuSeconds.toFixed(2).padStart(6)} ${ratio.padStart(7)} ${p.peakMiB.toFixed(0).padStart(10)} ${String(p.calls ?? '').padStart(14)}`,
    );
  }
  const { cpuSeconds, peakMiB } = programs.earshot;
  print(
    `  throughput: ${((fileBytes * 8) / cpuSeconds / 1e9).toFixed(2)} Gbit and ${(verdict.records / cpuSeconds / 1000).toFixed(0)} thousand calls a CPU second`,
  );
  if (bar !== undefined && ratios.suricata !== undefined) {
    if (programs.suricata.cpuSeconds >= PEER_SECONDS_MIN) print(`  ${barText('CPU over suricata', ratios.suricata, bar, 3)}`);
    else print(`  CPU over suricata: not judged, because suricata needed less than ${PEER_SECONDS_MIN} s`);
  }
  print(`  ${barText('peak memory, MiB', peakMiB, PEAK_MIB_MAX, 0)}`);
  const { generated, found, headsWhole, headsWholeFound, invented, wrong } = verdict;
  if (headsWhole < generated) print(`  heads wholly captured ${headsWhole}, found of those ${headsWholeFound}`);
  print(`  calls generated ${generated}, found ${found}, invented ${invented}, wrong ${wrong}: ${verdict.ok ? 'ok' : 'FAILED'}`);
  if (!verdict.ok) print(verdictText(verdict).replace(/^/gm, '    '));
}

function barText(what: string, value: number, bar: number, digits: number): string {
  return `${what}: ${value.toFixed(digits)} of at most ${bar}: ${value <= bar ? 'held' : 'MISSED'}`;
}

interface MaskedResult {
  readonly cpuSeconds: number;
  readonly plainCpuSeconds: number;
  readonly peakMiB: number;
  /** Median of the ratios of runs that followed each other. */
  readonly overPlain: number;
  readonly overSuricata?: number;
}

/** What the default filters and masking cost. */
async function runMasked(peers: ReadonlyMap<string, Runner>, runs: number, divisor: number): Promise<MaskedResult> {
  const { capture } = trafficCapture('small', MASKED_MEGABYTES / divisor);
  print(`\nmasked (small calls, ${(fs.statSync(capture).size / 1e6).toFixed(0)} MB)`);
  const masked: Usage[] = [];
  const plain: Usage[] = [];
  const theirs: Usage[] = [];
  const peer = peers.get('suricata');
  for (let run = 0; run < runs; run++) {
    masked.push(await earshotMasked(capture));
    plain.push(await earshot(capture));
    if (peer !== undefined) theirs.push(await peer(capture));
  }
  const seconds = (list: readonly Usage[]): number => median(list.map((u) => u.cpuSeconds));
  const cpuSeconds = seconds(masked);
  const overPlain = median(masked.map((u, i) => u.cpuSeconds / plain[i].cpuSeconds));
  const peakMiB = Math.max(...masked.map((u) => u.peakMiB));
  print(`  ${cpuSeconds.toFixed(2)} CPU s, without filters and masking ${seconds(plain).toFixed(2)}`);
  print(`  ${barText('CPU over the same without', overPlain, MASKED_BAR, 2)}`);
  print(`  ${barText('peak memory, MiB', peakMiB, PEAK_MIB_MAX, 0)}`);
  const result = { cpuSeconds, plainCpuSeconds: seconds(plain), peakMiB, overPlain };
  if (theirs.length === 0) return result;
  const overSuricata = cpuSeconds / seconds(theirs);
  if (seconds(theirs) >= PEER_SECONDS_MIN) print(`  ${barText('CPU over suricata', overSuricata, MASKED_OVER_SURICATA_BAR, 3)}`);
  else print(`  CPU over suricata: not judged, because suricata needed less than ${PEER_SECONDS_MIN} s`);
  return { ...result, overSuricata };
}

async function runIdle(divisor: number): Promise<{ flows: number; peakMiB: number; cpuSeconds: number }> {
  const flows = IDLE_FLOWS / divisor;
  const { peakMiB, cpuSeconds } = await earshot(idleCapture(flows));
  print(
    `\nidle (${flows} open connections)\n  ${cpuSeconds.toFixed(2)} CPU s, ${barText('peak memory, MiB', peakMiB, IDLE_PEAK_MIB_MAX, 0)}`,
  );
  return { flows, peakMiB, cpuSeconds };
}

/** One line of a micro-bench: `name value unit`. */
interface Micro {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

function runMicro(): Micro[] {
  print('\nmicro-benches');
  const all: Micro[] = [];
  for (const file of fs.globSync('src/**/*.bench.ts', { cwd: ROOT }).sort()) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${file}: exit code ${status}\n${stderr}`);
    for (const line of stdout.split('\n').filter((text) => text !== '')) {
      const figure = /^(\S.*?)\s+([\d.]+)\s+(\S+)$/.exec(line);
      if (figure === null) {
        print(`  ${line}`);
        continue;
      }
      const [, name, value, unit] = figure;
      all.push({ name, value: Number(value), unit });
      print(`  ${name.padEnd(44)} ${value.padStart(10)} ${unit}`);
    }
  }
  return all;
}

/** Says why a kind is left out; true when it is not. */
function canRun(kind: string, reason: string | false): boolean {
  if (reason !== false) print(`\n${kind} is left out: ${reason}`);
  return reason === false;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: String(RUNS) }, quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});
const known: readonly string[] = [...scenarios.map((s) => s.kind), 'masked', 'idle', 'micro', 'workers', 'kafka', 'idle-sensor', 'live'];
const unknown = positionals.filter((kind) => !known.includes(kind));
const runs = Number(values.runs);
if (unknown.length > 0 || !(runs >= 1)) {
  process.stderr.write(`usage: npm run bench [-- [${known.join('|')}...] [--runs N] [--quick] [--json FILE]]\n`);
  process.exit(2);
}
const wanted = (kind: string): boolean => positionals.length === 0 || positionals.includes(kind);
const divisor = values.quick ? QUICK_DIVISOR : 1;
const chosen = scenarios.filter((s) => wanted(s.kind));
const peers: ReadonlyMap<string, Runner> = chosen.some((s) => s.peers) || wanted('masked') || wanted('live') ? findPeers() : new Map();
if (values.quick) print('Quick: a tenth of the traffic. Calls are checked as usual; processor times are mostly those of starting up.');
const results: ScenarioResult[] = [];
for (const scenario of chosen) results.push(await runScenario(scenario, peers, runs, divisor));
const masked = wanted('masked') ? await runMasked(peers, runs, divisor) : undefined;
const idle = wanted('idle') ? await runIdle(divisor) : undefined;
const micro = wanted('micro') ? runMicro() : undefined;
const liveRuns = values.quick ? 1 : Math.min(runs, LIVE_RUNS);
const workers = wanted('workers') ? await runWorkers(divisor, liveRuns) : undefined;
const kafka = wanted('kafka') && canRun('kafka', cannotRunKafka()) ? await runKafka(divisor, liveRuns) : undefined;
const idleSensor = wanted('idle-sensor') && canRun('idle-sensor', cannotIdle()) ? await runIdleSensor(values.quick) : undefined;
const live =
  wanted('live') && canRun('live', cannotReplay())
    ? await runLive({ quick: values.quick, rounds: liveRuns, withSuricata: peers.has('suricata') })
    : undefined;
if (values.json !== undefined) {
  const machine = { node: process.version, cpu: os.cpus()[0]?.model, cpus: os.cpus().length };
  fs.writeFileSync(
    values.json,
    `${JSON.stringify({ machine, quick: values.quick, runs, results, masked, idle, micro, workers, kafka, idleSensor, live }, undefined, 2)}\n`,
  );
}
if (results.some((r) => !r.verdict.ok)) process.exitCode = 1;
