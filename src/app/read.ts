/**
 * `earshot read`: captures in, calls out, on this thread, as fast as they can be read.
 */
import { closeSync, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import { isatty } from 'node:tty';
import { bytes } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { countOf } from '../base/counters.ts';
import { SensorError } from '../base/errors.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { weirdCount, weirdCounts, weirds } from '../base/weird.ts';
import { openCapture } from '../capture/capture.ts';
import { Packet } from '../capture/packet.ts';
import { Policy } from '../policy/policy.ts';
import { type FormatContext, type FormatName, formats } from '../ship/formats/format.ts';
import { OutputClosed, outputFailed, say, writeBytes, writeText } from './output.ts';
import { finishPipeline, lastBug, processPacket, resetPipeline } from './pipeline.ts';
import { loadPolicy } from './policy-files.ts';
import { Progress } from './progress.ts';
import { RecordWriter } from './record-writer.ts';
import { Summary } from './summary.ts';
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
}

const PROGRESS_PACKETS = 1 << 14;

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
  const capture = openCapture(files, settings);
  const writesCalls = options.summary !== true || options.format !== undefined || options.output !== undefined;
  const name = options.format ?? 'jsonl';
  const format = name === 'jsonl' ? null : formats[name]();
  const context: FormatContext = { settings, version: version(), now: Date.now };
  const fd = !writesCalls ? -1 : options.output === undefined ? 1 : openOutput(options.output, files);
  const progress = new Progress(capture);
  const policy = options.unmasked === true && options.unfiltered === true ? null : new Policy(await loadPolicy(settings, ''));
  const started = process.hrtime.bigint();
  try {
    const packet = new Packet();
    const any = capture.next(packet);
    const writer = new RecordWriter({
      settings,
      epoch: epochOf(any ? packetTimeUs[0] : 0),
      write: (at, end) => {
        if (fd >= 0) writeBytes(fd, bytes, at, end);
      },
      format,
      ports: options.filterPort ?? [],
      ...(policy !== null && options.unfiltered !== true && { route: (call) => policy.route(call) }),
      ...(policy !== null && options.unmasked !== true && { encode: (call, to) => policy.encode(call, to) }),
    });
    capture.beforeWaiting(() => writer.flush());
    const summary = options.summary ? new Summary(packetTimeUs[0]) : null;
    if (summary === null) resetPipeline(settings, (call) => writer.take(call), true);
    else {
      resetPipeline(
        settings,
        (call) => {
          summary.count(call);
          writer.take(call);
        },
        true,
      );
    }
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
    if (summary !== null) {
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      const stream = writesCalls ? process.stderr : process.stdout;
      const text = summary.report(files, seconds, coloursOf(stream), widthOf(stream));
      if (writesCalls) say(text);
      else writeText(1, text);
    } else sayNotes();
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
  }
  return 0;
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

/** Opens the output anew, unless it is one of the captures: opening would empty it. */
function openOutput(path: string, files: readonly string[]): number {
  const output = statOf(path);
  for (const file of files) {
    const input = file === '-' ? fstatSync(0) : statOf(file);
    if (output?.isFile() && input?.ino === output.ino && input.dev === output.dev) {
      throw new SensorError('usage', `Cannot write ${path}`, 'it is one of the captures to read', 'Name another file with --output.');
    }
  }
  try {
    return openSync(path, 'w', 0o600);
  } catch (error) {
    throw outputFailed(path, error);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
