/**
 * LiveSensor: `./earshot run` in a namespace, as an operator starts it: with a configuration file, asked over its control
 * socket, stopped by a signal. What it wrote is read from its output file and its log.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CallLine, lineOf } from '../../src/app/call-line.ts';
import { ask } from '../../src/app/control/client.ts';
import type { SensorReport } from '../../src/app/report.ts';
import type { Settings } from '../../src/base/settings.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { CLOSING_SCHEMA, GAP_SCHEMA, SCHEMA } from '../../src/normalise/causes.ts';
import type { ClosingRecord } from '../../src/normalise/closing-record.ts';
import type { GapRecord } from '../../src/normalise/gap-record.ts';
import type { Namespace } from './netns.ts';

const root = join(import.meta.dirname, '../..');
const POLL_MS = 25;
const READY_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 30_000;
const TAIL_CHARS = 4_000;

/** Some of the settings. */
export type SomeSettings = { readonly [Group in keyof Settings]?: Partial<Settings[Group]> };

export interface LiveOptions {
  readonly settings?: SomeSettings;
  /** What starts the program, in place of nothing: `setpriv` and its options. */
  readonly as?: readonly string[];
  /** Further arguments of `earshot run`. */
  readonly args?: readonly string[];
  /** Interfaces, end-points and workers must be up before the test goes on; false when the sensor is to fail. */
  readonly wait?: boolean;
  /** The program in place of `./earshot run --config FILE`; gets the path of the configuration as its last argument. */
  readonly program?: readonly string[];
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: readonly LogLine[];
  readonly stderr: string;
  readonly calls: readonly CallLine[];
  /** The same as whole records. */
  readonly records: readonly ApiCall[];
  readonly gaps: readonly GapRecord[];
  readonly closings: readonly ClosingRecord[];
  /** Milliseconds from the signal to the end. */
  readonly stopMs: number;
}

let sensors = 0;

export class LiveSensor {
  readonly folder: string;
  readonly configPath: string;
  readonly outputPath: string;
  readonly socketPath: string;
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #settings: SomeSettings;
  #stderr = '';
  /** The newest report. */
  last: SensorReport | undefined;

  /** Starts a sensor with its files in `folder`, and waits until it takes packets. */
  static async start(namespace: Namespace, folder: string, options: LiveOptions = {}): Promise<LiveSensor> {
    const sensor = new LiveSensor(namespace, folder, options);
    if (options.wait !== false) await sensor.until('ready', ({ health }) => health.ready, READY_LIMIT_MS);
    return sensor;
  }

  private constructor(namespace: Namespace, folder: string, { settings = {}, as = [], args = [], program }: LiveOptions) {
    const name = join(folder, `sensor-${++sensors}`);
    this.folder = folder;
    this.configPath = `${name}.yaml`;
    this.outputPath = settings.output?.file ?? `${name}.calls`;
    this.socketPath = `${name}.sock`;
    this.#settings = {};
    this.configure(settings);
    const [first, ...rest] = [...as, ...(program ?? [join(root, 'earshot'), 'run', ...args, '--config']), this.configPath];
    this.child = namespace.spawn(first, rest);
    this.child.stdout?.resume();
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#closed = once(this.child, 'close');
    this.#closed.catch(() => {});
  }

  /** Writes the configuration anew: the settings of before, changed by these. JSON is YAML. */
  configure(changes: SomeSettings): void {
    const before = this.#settings as Record<string, object>;
    const merged: Record<string, object> = { ...before };
    for (const [group, values] of Object.entries(changes)) merged[group] = { ...before[group], ...values };
    merged.output = { file: this.outputPath, ...merged.output };
    merged.control = { socket: this.socketPath, ...merged.control };
    this.#settings = merged as SomeSettings;
    writeFileSync(this.configPath, JSON.stringify(merged, null, 2));
  }

  async report(): Promise<SensorReport> {
    this.last = (await ask(this.socketPath, { command: 'report' })).report;
    return this.last;
  }

  /** Asks until the report is as `test` wants it; fails with the newest one after `limitMs`. */
  async until(what: string, test: (report: SensorReport) => boolean, limitMs = 15_000): Promise<SensorReport> {
    for (const endMs = Date.now() + limitMs; ; await sleep(POLL_MS)) {
      if (this.hasEnded) assert.fail(`the sensor ended before it was ${what}:\n${this.tail()}`);
      try {
        const report = await this.report();
        if (test(report)) return report;
      } catch (error) {
        if (Date.now() > endMs) throw error;
      }
      if (Date.now() > endMs) assert.fail(`after ${limitMs} ms not yet ${what}:\n${JSON.stringify(this.last)}\n${this.tail()}`);
    }
  }

  /** Waits until so many calls are written; goes on without a word when they do not come: the test will say what is missing. */
  async untilWritten(calls: number, limitMs = 10_000): Promise<void> {
    for (const endMs = Date.now() + limitMs; Date.now() < endMs && !this.hasEnded; await sleep(POLL_MS)) {
      if ((await this.report()).stages.sink.written >= calls) return;
    }
  }

  /** Waits until no more packets come in: the counters of two reports, a second of the sensor's own time apart, are the same. */
  async untilQuiet(limitMs = 15_000): Promise<SensorReport> {
    let before = -1;
    let sinceMs = 0;
    return await this.until(
      'quiet',
      ({ stages, sensor }) => {
        const now = stages.reader.read + stages.reader.kernelDropped;
        if (now !== before) sinceMs = sensor.nowAtMs;
        before = now;
        return sensor.nowAtMs - sinceMs > 1_500;
      },
      limitMs,
    );
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Lines of the log so far; lines that are no JSON are errors of the command line. */
  log(): LogLine[] {
    const text = this.#settings.log?.file ? readFileSync(this.#settings.log.file, 'utf8') : this.#stderr;
    return text
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Waits for a line of the log. */
  async untilLogged(message: RegExp, limitMs = 10_000): Promise<LogLine> {
    for (const endMs = Date.now() + limitMs; ; await sleep(POLL_MS)) {
      const found = this.log().find((line) => message.test(line.message));
      if (found !== undefined) return found;
      if (this.hasEnded || Date.now() > endMs) assert.fail(`no line of the log says ${message}:\n${this.tail()}`);
    }
  }

  /** What is in the output file: calls, gap records and closing records. */
  output(): Pick<Ended, 'records' | 'gaps' | 'closings'> {
    if (!existsSync(this.outputPath)) return { records: [], gaps: [], closings: [] };
    const lines = readFileSync(this.outputPath, 'utf8').split('\n');
    assert.equal(lines.pop(), '', 'the output ends with a whole line');
    const all = lines.map((line) => JSON.parse(line) as ApiCall | GapRecord | ClosingRecord);
    return {
      records: all.filter((one) => one.schema === SCHEMA),
      gaps: all.filter((one) => one.schema === GAP_SCHEMA),
      closings: all.filter((one) => one.schema === CLOSING_SCHEMA),
    };
  }

  /** The calls in the output file. */
  calls(): CallLine[] {
    return this.output().records.map(lineOf);
  }

  signal(name: NodeJS.Signals): void {
    assert.ok(!this.hasEnded, `the sensor ended before ${name}:\n${this.tail()}`);
    this.child.kill(name);
  }

  /** Waits for its end; its log and its calls are read. */
  async ended(limitMs = STOP_LIMIT_MS): Promise<Ended> {
    const startedMs = Date.now();
    const exit = await this.exit(limitMs);
    const output = this.output();
    return { ...exit, log: this.log(), ...output, calls: output.records.map(lineOf), stopMs: Date.now() - startedMs };
  }

  /** Waits for its end. */
  async exit(limitMs = STOP_LIMIT_MS): Promise<Pick<Ended, 'code' | 'signal' | 'stderr'>> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    await this.#closed;
    clearTimeout(timer);
    const { exitCode: code, signalCode: signal } = this.child;
    assert.notEqual(signal, 'SIGKILL', `the sensor did not end within ${limitMs} ms:\n${this.tail()}`);
    return { code, signal, stderr: this.#stderr };
  }

  /** Stops it and waits for its end. */
  async stop(): Promise<Ended> {
    this.signal('SIGTERM');
    return await this.ended();
  }

  private tail(): string {
    return this.#stderr.slice(-TAIL_CHARS);
  }
}
