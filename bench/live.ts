/**
 * The live bench: the highest rate at which nothing is lost. Two network namespaces, a cable between them; tcpreplay
 * sends the small-calls mix in at one end, and Earshot or Suricata listens at the other, in turn.
 *
 *   tcpreplay (last processor) -> wire === eni0 -> ring of 64 MiB -> one worker, first processor -> /dev/null
 *
 * A rate is held when at most 0.01 % of the packets sent were not read, whoever lost them. Before each trial other
 * connections are sent at a quarter of the rate, so that compiled code is compiled. Earshot sheds nothing, so nothing
 * is left out on purpose, and the calls that came out are compared with those that went in.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SensorReport } from '../src/app/report.ts';
import { LiveSensor } from '../test/support/live-sensor.ts';
import { cannotUseNamespaces, type Namespace, Network } from '../test/support/netns.ts';
import { KEPT_BYTES_MAX } from '../test/support/truth.ts';
import { trafficCapture } from './captures.ts';
import { cpuSeconds, watchOthers } from './other-load.ts';
import { replay, type Sent } from './replay.ts';

const LOSS_MAX = 0.0001;
const RING_BYTES = 64 << 20;
const RATIO_MIN = 2;
/** A trial that lost packets while others took more than this share of the machine is made again, if that can be why ... */
const OTHERS_MAX = 0.05;
const LOSS_FOR_OTHERS = 2;
/** ... and so is one in which the sender reached less than this part of the rate. */
const REACHED_MIN = 0.95;
const TRIES = 3;
const LISTENER = 0;
export const SENDER: number = availableParallelism() - 1;
const WARM_SECONDS = 3;
const WARM_MEGABYTES = 60;
const READY_MS = 30_000;
/** Whoever is behind has that long to read what waits in the ring: more than Suricata needs for a full one. */
const SETTLE_MS = 3000;
/** The search begins here: the sender's limit over this. */
const LOWEST_DIVISOR = 64;
export const DEVICE = 'eni0';

const SURICATA_CONFIG = path.join(import.meta.dirname, 'suricata-live.yaml');
const SENSOR = fileURLToPath(new URL('./live-sensor.ts', import.meta.url));
const WITNESS = fileURLToPath(new URL('./witness.ts', import.meta.url));

/** Why the bench cannot run here; false when it can. */
export function cannotReplay(): string | false {
  if (availableParallelism() < 2) return 'it needs two processors, one to send and one to listen';
  return cannotUseNamespaces('tcpreplay', 'taskset');
}

/** A capture to send, and what one round of it brings. */
export interface Load {
  readonly capture: string;
  /** Of its frames. */
  readonly bytes: number;
  readonly calls: number;
}

export function loadOf(megabytes: number, seed: number): Load {
  const { capture, truth } = trafficCapture('small', megabytes, seed);
  const { bytes } = framesOf(capture);
  return { capture, bytes, calls: countLines(truth) - 1 };
}

const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

/** Packets of a capture, and their bytes without the file's headers. */
function framesOf(capture: string): { packets: number; bytes: number } {
  const file = fs.readFileSync(capture);
  let packets = 0;
  let at = PCAP_HEADER_BYTES;
  for (; at < file.length; packets++) at += RECORD_HEADER_BYTES + file.readUInt32LE(at + 8);
  return { packets, bytes: file.length - PCAP_HEADER_BYTES - packets * RECORD_HEADER_BYTES };
}

function countLines(file: string): number {
  let lines = 0;
  const bytes = fs.readFileSync(file);
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  return lines;
}

/** What a listener saw, from its start to its end. */
interface Heard {
  /** Packets that it read. */
  readonly packets: number;
  readonly kernelDropped: number;
  readonly calls: number;
}

interface Listener {
  readonly pid: number;
  /** Ends it. */
  readonly stop: () => Promise<Heard>;
}

interface Program {
  readonly name: string;
  readonly listen: (network: Network, sensor: Namespace) => Promise<Listener>;
}

const earshot: Program = {
  name: 'earshot',
  listen: async (network, namespace) => {
    const sensor = await LiveSensor.start(namespace, network.folder, {
      as: ['taskset', '-c', String(LISTENER)],
      program: [process.execPath, '--disable-warning=ExperimentalWarning', SENSOR],
      settings: {
        capture: { interfaces: [DEVICE], ringBytes: RING_BYTES },
        run: { workers: 1, affinity: [LISTENER], shedding: false, statsIntervalMs: 0 },
        output: { file: '/dev/null' },
        http: { bodyBytes: KEPT_BYTES_MAX },
        log: { level: 'warn' },
      },
    });
    const output = gather(sensor.child);
    return {
      pid: sensor.child.pid ?? 0,
      stop: async () => {
        const { code, stderr } = await sensor.stop();
        if (code !== 0) throw new Error(`the sensor ended with ${code}:\n${stderr}`);
        const report = JSON.parse(output.printed()) as SensorReport;
        const { reader, sink } = report.stages;
        const wrong = report.ledger.filter(({ balances }) => !balances).map(({ name }) => name);
        if (wrong.length > 0) throw new Error(`the ledger does not balance: ${wrong.join(', ')}`);
        return { packets: reader.read, kernelDropped: reader.kernelDropped, calls: sink.written };
      },
    };
  },
};

const suricata: Program = {
  name: 'suricata',
  listen: async (network, namespace) => {
    const folder = fs.mkdtempSync(path.join(network.folder, 'suricata-'));
    const command = [
      '-v',
      '--runmode',
      'workers',
      '-k',
      'none',
      '-c',
      SURICATA_CONFIG,
      `--af-packet=${DEVICE}`,
      '-S',
      '/dev/null',
      '-l',
      folder,
    ];
    const child = namespace.spawn('taskset', ['-c', String(LISTENER), 'suricata', ...command]);
    const output = gather(child);
    await until(child, output, /Engine started/);
    return {
      pid: child.pid ?? 0,
      stop: async () => {
        await end(child, output);
        const counters = lastCounters(fs.readFileSync(path.join(folder, 'stats.log'), 'utf8'));
        const [packets, calls] = ['decoder.pkts', 'app_layer.tx.http'].map((name) => counters.get(name));
        if (packets === undefined || calls === undefined) throw new Error(`suricata said something else than expected:\n${output.all()}`);
        return { packets, kernelDropped: counters.get('capture.kernel_drops') ?? 0, calls };
      },
    };
  },
};

/** The last block of Suricata's stats.log: a counter that is 0 is not in it. */
function lastCounters(log: string): Map<string, number> {
  const block = log.slice(log.lastIndexOf('\nDate: '));
  return new Map([...block.matchAll(/^(\S+)\s+\| Total\s+\| (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
}

const witness: Program = {
  name: 'witness',
  listen: async (_network, namespace) => {
    const child = namespace.spawn('taskset', ['-c', String(LISTENER), process.execPath, WITNESS, DEVICE, String(RING_BYTES)]);
    const output = gather(child);
    await until(child, output, /ready/);
    return {
      pid: child.pid ?? 0,
      stop: async () => {
        await end(child, output);
        const { packets, dropped } = JSON.parse(output.printed().split('\n')[1]) as { packets: number; dropped: number };
        return { packets: packets - dropped, kernelDropped: dropped, calls: 0 };
      },
    };
  },
};

/** What a child has written so far. */
interface Output {
  /** To its standard output. */
  readonly printed: () => string;
  readonly all: () => string;
}

function gather(child: ChildProcess): Output {
  let printed = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
    printed += piece;
  });
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    errors += piece;
  });
  return { printed: () => printed, all: () => printed + errors };
}

async function until(child: ChildProcess, output: Output, wanted: RegExp): Promise<void> {
  for (const endMs = Date.now() + READY_MS; !wanted.test(output.all()); await sleep(50)) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > endMs) throw new Error(`it did not start:\n${output.all()}`);
  }
}

async function end(child: ChildProcess, output: Output): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const [code] = (await closed) as [number | null];
  if (code !== 0) throw new Error(`it ended with ${code}:\n${output.all()}`);
}

/** Two namespaces and the cable between them. */
export interface Wire {
  readonly network: Network;
  /** Where the sensor listens on `eni0`. */
  readonly sensor: Namespace;
  /** Whence `wire` leads there. */
  readonly sender: Namespace;
}

export function layWire(): Wire {
  const network = new Network();
  const sensor = network.namespace('sensor');
  const sender = network.namespace('sender');
  network.veth({ in: sender, name: 'wire' }, { in: sensor, name: DEVICE });
  return { network, sensor, sender };
}

/** One program at one rate. */
interface Trial {
  readonly sent: Sent;
  readonly heard: Heard;
  /** Share of the packets sent that were not read. */
  readonly loss: number;
  /** Share of the calls sent that were found. */
  readonly found: number;
  /** Share of its processor that the listener used, all its threads together. */
  readonly cpu: number;
  /** Share of the machine that others took meanwhile. */
  readonly others: number;
  readonly held: boolean;
}

interface TrialOptions {
  readonly wire: Wire;
  readonly load: Load;
  readonly warm: Load;
  readonly seconds: number;
}

async function tryRate(program: Program, mbps: number | undefined, limitMbps: number, options: TrialOptions): Promise<Trial> {
  const { wire, load, warm, seconds } = options;
  const others = watchOthers();
  const listener = await program.listen(wire.network, wire.sensor);
  const expected = mbps ?? limitMbps;
  const warmMbps = expected / 4;
  const warmRounds = roundsFor(warm, warmMbps, WARM_SECONDS);
  const before = await replay(wire.sender, warm.capture, { mbps: warmMbps, rounds: warmRounds, seconds: WARM_SECONDS, processor: SENDER });
  const rounds = roundsFor(load, expected, seconds);
  const cpuBefore = cpuSeconds(listener.pid);
  const rate = mbps === undefined ? undefined : { mbps };
  const sent = await replay(wire.sender, load.capture, { ...rate, rounds, seconds: secondsOf(load, rounds, expected), processor: SENDER });
  await sleep(SETTLE_MS);
  const cpu = (cpuSeconds(listener.pid) - cpuBefore) / sent.seconds;
  const heard = await listener.stop();
  const loss = (before.packets + sent.packets - heard.packets) / sent.packets;
  const found = heard.calls / (warmRounds * warm.calls + rounds * load.calls);
  return { sent, heard, loss, found, cpu, others: others(), held: loss <= LOSS_MAX };
}

/** Whole rounds of the capture that take about that long. */
export function roundsFor(load: Load, mbps: number, seconds: number): number {
  return Math.max(1, Math.round((mbps * 1e6 * seconds) / 8 / load.bytes));
}

function secondsOf(load: Load, rounds: number, mbps: number): number {
  return (rounds * load.bytes * 8) / 1e6 / mbps;
}

interface Limit {
  readonly mbps: number;
  readonly packetsPerS: number;
  readonly loss: number;
}

/** What the sender can do while nothing is done with the packets: the best of some runs. */
export async function measureLimit(options: Pick<TrialOptions, 'wire' | 'load' | 'seconds'>, runs: number): Promise<Limit> {
  let best: Limit = { mbps: 0, packetsPerS: 0, loss: 0 };
  for (let run = 0; run < runs; run++) {
    const listener = await witness.listen(options.wire.network, options.wire.sensor);
    const rounds = roundsFor(options.load, 2000, options.seconds);
    const sent = await replay(options.wire.sender, options.load.capture, { rounds, seconds: options.seconds * 4, processor: SENDER });
    await sleep(SETTLE_MS);
    const { packets } = await listener.stop();
    const loss = 1 - packets / sent.packets;
    if (sent.mbps > best.mbps) best = { mbps: sent.mbps, packetsPerS: sent.packets / sent.seconds, loss };
  }
  return best;
}

/** What a program has shown so far. */
interface Progress {
  readonly program: Program;
  best: Trial | undefined;
  /** It held what the sender can give. */
  atLimit: boolean;
  readonly trials: Trial[];
}

/** Tries a rate until the trial tells something, and keeps it when it is the best that was held. */
async function attempt(progress: Progress, mbps: number | undefined, limit: Limit, options: TrialOptions): Promise<Trial> {
  for (let tries = 1; ; tries++) {
    const trial = await tryRate(progress.program, mbps, limit.mbps, options);
    printTrial(progress.program.name, mbps, trial);
    progress.trials.push(trial);
    if (trial.held && trial.sent.mbps > (progress.best?.sent.mbps ?? 0)) progress.best = trial;
    const disturbed = trial.others > OTHERS_MAX && trial.loss < LOSS_FOR_OTHERS * trial.others;
    const doubtful = trial.held ? trial.sent.mbps < REACHED_MIN * (mbps ?? limit.mbps) : disturbed;
    if (!doubtful || tries === TRIES) return trial;
  }
}

/** Searches upward from the best rate so far; by halves, down to the resolution. */
async function search(progress: Progress, limit: Limit, resolution: number, options: TrialOptions): Promise<void> {
  if (progress.atLimit) return;
  const before = progress.best?.sent.mbps;
  let low = before ?? limit.mbps / LOWEST_DIVISOR;
  let high = limit.mbps;
  // Once a rate is known, another search is worth its time only where the next step holds.
  if (before !== undefined) {
    if (before * resolution >= high) return;
    if (!(await attempt(progress, before * resolution, limit, options)).held) return;
    low = before * resolution;
  }
  const most = await attempt(progress, undefined, limit, options);
  if (most.held) {
    progress.atLimit = true;
    return;
  }
  while (high / low > resolution) {
    const middle = Math.sqrt(low * high);
    if ((await attempt(progress, middle, limit, options)).held) low = middle;
    else high = middle;
  }
}

/** The highest rate that a program held. */
interface Best {
  readonly mbps: number;
  readonly packetsPerS: number;
  readonly callsPerS: number;
  readonly found: number;
  readonly cpu: number;
  readonly atLimit: boolean;
  readonly trials: readonly Trial[];
}

export interface LiveResult {
  readonly limit: Limit;
  readonly programs: Readonly<Record<string, Best>>;
  /** Earshot's rate over Suricata's. */
  readonly ratio?: number;
}

export interface LiveOptions {
  readonly quick: boolean;
  /** Searches for each program, of which the best counts. */
  readonly rounds: number;
  readonly withSuricata: boolean;
}

/** Measures and prints. The namespaces are gone afterwards, whatever happens. */
export async function runLive({ quick, rounds, withSuricata }: LiveOptions): Promise<LiveResult> {
  const seconds = quick ? 5 : 30;
  const resolution = quick ? 1.2 : 1.05;
  const load = loadOf(quick ? 60 : 600, 1);
  const warm = loadOf(WARM_MEGABYTES, 2);
  print(
    `\nlive: the highest rate at which at most ${LOSS_MAX * 100} % of the packets are lost in ${seconds} s; one worker, ring of ${RING_BYTES >> 20} MiB`,
  );
  const wire = layWire();
  try {
    const options: TrialOptions = { wire, load, warm, seconds };
    const limit = await measureLimit({ ...options, seconds: Math.min(seconds, 10) }, quick ? 1 : 3);
    print(`  the sender's limit, with a ring that nobody reads: ${rateText(limit)}, ${(limit.loss * 100).toFixed(3)} % lost`);
    const all = [earshot, ...(withSuricata ? [suricata] : [])].map(
      (program): Progress => ({ program, best: undefined, atLimit: false, trials: [] }),
    );
    for (let round = 0; round < rounds; round++) for (const progress of all) await search(progress, limit, resolution, options);
    return printResult(limit, all, load);
  } finally {
    await wire.network.remove();
  }
}

function rateText({ mbps, packetsPerS }: { readonly mbps: number; readonly packetsPerS: number }): string {
  return `${mbps.toFixed(0)} Mbit/s, ${(packetsPerS / 1000).toFixed(0)} thousand packets/s`;
}

function printTrial(name: string, mbps: number | undefined, { sent, heard, loss, found, cpu, others, held }: Trial): void {
  const wanted = mbps === undefined ? 'all it can' : mbps.toFixed(0);
  const lost = `${(loss * 100).toFixed(4)} % lost (${heard.kernelDropped} by the kernel)`;
  const rest = `calls found ${(found * 100).toFixed(2)} %, processor ${(cpu * 100).toFixed(0)} %, others took ${(others * 100).toFixed(0)} % of the machine`;
  print(
    `  ${name.padEnd(16)} ${wanted.padStart(10)} -> ${sent.mbps.toFixed(0).padStart(5)} Mbit/s  ${held ? 'held  ' : 'lost  '} ${lost}, ${rest}`,
  );
}

function printResult(limit: Limit, all: readonly Progress[], load: Load): LiveResult {
  const programs: Record<string, Best> = {};
  print('  program       Mbit/s   packets/s   calls/s   calls found   processor');
  for (const { program, best, atLimit, trials } of all) {
    const mbps = best?.sent.mbps ?? 0;
    const packetsPerS = best === undefined ? 0 : best.sent.packets / best.sent.seconds;
    const callsPerS = best === undefined ? 0 : (load.calls * best.sent.bytes) / load.bytes / best.sent.seconds;
    const found = best?.found ?? 0;
    programs[program.name] = { mbps, packetsPerS, callsPerS, found, cpu: best?.cpu ?? 0, atLimit, trials };
    const sign = atLimit ? '>=' : '';
    const figures = [packetsPerS, callsPerS].map((n, i) => n.toFixed(0).padStart([11, 9][i]));
    print(
      `  ${program.name.padEnd(10)} ${sign.padStart(2)} ${mbps.toFixed(0).padStart(6)} ${figures.join(' ')} ${`${(found * 100).toFixed(2)} %`.padStart(13)} ${`${((best?.cpu ?? 0) * 100).toFixed(0)} %`.padStart(11)}`,
    );
  }
  const { earshot: ours, suricata: theirs } = programs;
  if (ours.atLimit) print(`  earshot reached the limit of the sender: its own rate is at least that`);
  if (theirs === undefined || theirs.mbps === 0) return { limit, programs };
  const ratio = ours.mbps / theirs.mbps;
  const verdict = ratio >= RATIO_MIN ? 'held' : 'MISSED';
  print(`  rate over suricata: ${ours.atLimit ? '>= ' : ''}${ratio.toFixed(1)} of at least ${RATIO_MIN}: ${verdict}`);
  return { limit, programs, ratio };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
