/**
 * `earshot read`: captures in, calls out, on this thread, as fast as they can be read.
 */
import { closeSync, fstatSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isatty } from 'node:tty';
import { bytes } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countOf, countsByName } from '../base/counters.ts';
import { SensorError } from '../base/errors.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { weirdCount, weirdCounts, weirds } from '../base/weird.ts';
import { openCapture } from '../capture/capture.ts';
import { Packet } from '../capture/packet.ts';
import type { Policy } from '../policy/policy.ts';
import { type FormatContext, type FormatName, formats } from '../ship/formats/format.ts';
import { OutputClosed, openOutput, say, writeBytes, writeText } from './output.ts';
import { finishPipeline, handOn, type LongCalls, lastBug, processPacket, resetPipeline } from './pipeline.ts';
import { Progress } from './progress.ts';
import type { ReadDelivery } from './read-delivery.ts';
import { RecordWriter } from './record-writer.ts';
import { spoolDirectory } from './state-directory.ts';
import { coloursOf, widthOf } from './terminal.ts';
import { version } from './version.ts';

export interface ReadOptions {
  readonly format?: FormatName;
  readonly output?: string;
  readonly filterPort?: readonly number[];
  readonly bodyBytes?: number;
  readonly config?: string;
  readonly summary?: boolean;
  /** Headers and bodies as they were on the wire. */
  readonly unmasked?: boolean;
  /** All calls, whatever the filters say. */
  readonly unfiltered?: boolean;
  /** To the sinks of the configuration. */
  readonly deliver?: boolean;
  /** Seconds. */
  readonly deliverTimeout?: number;
}

const PROGRESS_PACKETS = 1 << 14;
const EXIT_UNDELIVERED = 1;
/** By the group or by everybody. */
const OTHERS_READ = 0o044;
const EXCLUDED = 'calls.excluded{';

/** Reads the files; returns the exit code. Throws SensorError for what the operator has to mend. */
export async function read(files: readonly string[], options: ReadOptions): Promise<number> {
  const settings = await settingsOf(options);
  if (files.includes('-') && isatty(0)) {
    throw new SensorError(
      'usage',
      'Cannot read standard input',
      'it is a terminal',
      'Pipe a capture into it: tcpdump -U -w - | earshot read -',
    );
  }
  if (options.deliver === true) checkDelivery(settings, options);
  const capture = openCapture(files, settings);
  const writesCalls =
    options.format !== undefined || options.output !== undefined || (options.summary !== true && options.deliver !== true);
  const name = options.format ?? 'jsonl';
  const format = name === 'jsonl' ? null : formats[name]();
  const context: FormatContext = { settings, version: version(), now: Date.now };
  const fd = !writesCalls ? -1 : options.output === undefined ? 1 : openBeside(options.output, files);
  const progress = new Progress(capture);
  const policy =
    // Descriptors are a matter of the policy, and name fields in what is unmasked too.
    options.unmasked === true && options.unfiltered === true && options.summary !== true && settings.policy.descriptorFiles.length === 0
      ? null
      : await policyOf(settings, options);
  const delivery = options.deliver === true ? await startDelivery(settings, options) : null;
  const started = process.hrtime.bigint();
  try {
    const packet = new Packet();
    const any = capture.next(packet);
    const summary = options.summary ? new (await import('./summary.ts')).Summary(packetTimeUs[0]) : null;
    const writer = new RecordWriter({
      settings,
      epoch: epochOf(any ? packetTimeUs[0] : 0),
      write: (at, end, records, index) => {
        if (fd >= 0) writeBytes(fd, bytes, at, end);
        delivery?.add(at, end, records, index);
      },
      format,
      ports: options.filterPort ?? [],
      ...(summary !== null && options.unmasked !== true && { onRecord: (at, end) => summary.countOperation(at, end) }),
      ...(policy !== null && options.unfiltered !== true && { route: (call) => policy.route(call) }),
      ...(policy !== null &&
        options.unmasked !== true && {
          encode: (call, to) => policy.encode(call, to),
          encodeMessage: (to, prefix, n, context) => policy.encodeMessage(to, prefix, n, context),
        }),
    });
    capture.beforeWaiting(() => {
      handOn();
      writer.flush();
    });
    const take = (call: number): void => {
      summary?.count(call);
      writer.take(call);
    };
    // A file tells at once how a call ended; what comes in through a pipe may be live.
    const long: LongCalls = {
      open: (call) => {
        summary?.count(call);
        writer.takeOpen(call);
      },
      close: (call) => writer.takeClosing(call),
    };
    resetPipeline(settings, take, true, files.includes('-') ? long : null, () => writer.takeMessage());
    if (options.unmasked === true && fd > 2) warnReadable(fd, options.output ?? '');
    if (writesCalls && options.unmasked === true) say('earshot: what follows is unmasked: headers and bodies as they were on the wire.\n');
    if (format !== null) writer.begin(format.begin(context));
    if (any) {
      let n = 0;
      do {
        processPacket(packet);
        if ((++n & (PROGRESS_PACKETS - 1)) === 0) progress.update(n);
      } while (capture.next(packet));
    }
    finishPipeline();
    writer.end(format === null ? '' : format.end());
    progress.end();
    await delivery?.finish(true);
    if (summary !== null) {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      const stream = writesCalls ? process.stderr : process.stdout;
      const text = summary.report(files, seconds, coloursOf(stream), widthOf(stream));
      if (writesCalls) say(text);
      else writeText(1, text);
    } else sayNotes();
    if (writesCalls) sayFiltered();
    if (weirdCount('sensor.bug') > 0) {
      say(
        `earshot: sensor.bug: ${weirdCount('sensor.bug')} packets hit a fault of Earshot itself; the last: ${lastBug instanceof Error ? lastBug.stack : lastBug}\n`,
      );
    }
  } catch (error) {
    progress.end();
    if (!(error instanceof OutputClosed)) throw error;
  } finally {
    capture.close();
    if (fd > 2) closeSync(fd);
    await delivery?.close();
  }
  return delivery === null || delivery.isComplete ? 0 : EXIT_UNDELIVERED;
}

async function startDelivery(settings: Settings, { deliverTimeout }: ReadOptions): Promise<ReadDelivery> {
  const { DELIVER_S, ReadDelivery } = await import('./read-delivery.ts');
  return await ReadDelivery.start(settings, (deliverTimeout ?? DELIVER_S) * 1000);
}

/** Loaded when it is needed: a third of all modules belong to it. */
async function policyOf(settings: Settings, { deliver }: ReadOptions): Promise<Policy> {
  const [{ loadPolicy }, { Policy }] = await Promise.all([import('./policy-files.ts'), import('../policy/policy.ts')]);
  // What is masked with a key must be the same in the next run too, when it leaves.
  return new Policy(await loadPolicy(settings, deliver === true ? dirname(spoolDirectory(settings)) : ''));
}

/** Throws a SensorError (usage) for options that do not go with a delivery. */
function checkDelivery(settings: Settings, options: ReadOptions): void {
  const refuse = (why: string, next: string): never => {
    throw new SensorError('usage', 'Cannot deliver', why, next);
  };
  if (options.unmasked === true) refuse('only what is masked may leave, and --unmasked was given', 'Leave out --unmasked.');
  if (options.unfiltered === true) refuse('the filters say what may leave, and --unfiltered was given', 'Leave out --unfiltered.');
  if (options.format !== undefined) refuse('each sink has a format of its own, and --format was given', 'Leave out --format.');
  if (Object.keys(settings.sinks).length > 0) return;
  const without = options.config === undefined;
  refuse(
    without ? 'no configuration says where to' : `${options.config} has no sinks`,
    without ? 'Name one that has sinks, with --config.' : 'Say in sinks where the calls go.',
  );
}

/** Middle part of the record ids of a read: the first packet's time, so that reading again gives the same ids. */
function epochOf(timeUs: number): string {
  return Math.floor(timeUs).toString(36);
}

async function settingsOf(options: ReadOptions): Promise<Settings> {
  const settings = options.config === undefined ? defaultSettings : (await import('../base/config.ts')).loadSettings(options.config);
  return options.bodyBytes === undefined ? settings : { ...settings, http: { ...settings.http, bodyBytes: options.bodyBytes } };
}

/** What the records do not tell: what of the files themselves could not be read, or that there was no call at all. */
function sayNotes(): void {
  if (countOf('calls.seen') === 0) say('earshot: no API call was found; --summary says what is there instead.\n');
  weirds.forEach(({ name, meaning, next }, i) => {
    const tells = /^(limit[.])?capture[.]/.test(name) && !next.startsWith('Nothing');
    if (tells && weirdCounts[i] > 0) say(`earshot: ${name}: ${meaning} ${next}\n`);
  });
}

/** Nothing was written because the filters left everything out: an empty output would look like an empty capture. */
function sayFiltered(): void {
  const filtered = countOf('calls.filtered{filters}');
  if (filtered === 0 || countOf('calls.written') > 0) return;
  const rules = countsByName().flatMap(([name, n]) => (name.startsWith(EXCLUDED) ? [`${name.slice(EXCLUDED.length, -1)} ${n}`] : []));
  say(`earshot: no call was written: the filters left out ${filtered} (by pipeline/rule: ${rules.join(', ')}); --unfiltered shows them.\n`);
}

/** Opens the output anew, unless it is one of the captures: opening would empty it. */
function openBeside(path: string, files: readonly string[]): number {
  const output = path === '-' ? undefined : statOf(path);
  for (const file of files) {
    const input = file === '-' ? fstatSync(0) : statOf(file);
    if (output?.isFile() && input?.ino === output.ino && input.dev === output.dev) {
      throw new SensorError('usage', `Cannot write ${path}`, 'it is one of the captures to read', 'Name another file with --output.');
    }
  }
  return openOutput(path);
}

/** A file that was there keeps its mode. */
function warnReadable(fd: number, path: string): void {
  const stat = fstatSync(fd);
  if (stat.isFile() && (stat.mode & OTHERS_READ) !== 0)
    say(`earshot: warning: others may read ${path}, which was there before: chmod 600 ${path}.\n`);
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
