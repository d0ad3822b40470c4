/**
 * `earshot policy test`: what rules would do to the calls in captures, or to those that come now. They go through the same
 * pipeline as in `read` and `run`; nothing is written but counts, and examples that are masked.
 */
import { bytes } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { SensorError } from '../base/errors.ts';
import { defaultSettings, type PipelineSettings, type Settings } from '../base/settings.ts';
import { openCapture } from '../capture/capture.ts';
import { Packet } from '../capture/packet.ts';
import { INDEX_WORDS } from '../policy/masked-call.ts';
import type { LiveAmount } from './live-packets.ts';
import { untilInterrupted } from './live-screen.ts';
import { sourcesOf } from './named-sources.ts';
import { say, writeText } from './output.ts';
import { finishPipeline, processPacket, resetPipeline } from './pipeline.ts';
import { loadPolicy } from './policy-files.ts';
import { PolicyTrial, type TrialResult } from './policy-trial.ts';
import { Progress } from './progress.ts';
import { RecordWriter } from './record-writer.ts';
import { safeJson } from './safe-json.ts';
import { type Column, table } from './table.ts';
import { type Colours, coloursOf, shown, widthOf } from './terminal.ts';
import { count, share } from './units.ts';

const PROGRESS_PACKETS = 1 << 14;
const EXAMPLES = 3;

export interface PolicyTestOptions {
  /** File of simple filters; the shipped ones without it. */
  readonly filters?: string;
  readonly advanced?: string;
  readonly masking?: string;
  /** Another file of simple filters. */
  readonly diff?: string;
  readonly examples?: number;
  readonly config?: string;
  readonly json?: boolean;
  /** Seconds to listen, in place of captures. */
  readonly live?: number;
  readonly interface?: readonly string[];
  readonly endpoint?: readonly string[];
}

/** What came live; null: captures were read. */
type Heard = LiveAmount | null;

export async function policyTest(files: readonly string[], options: PolicyTestOptions): Promise<void> {
  refuseMixed(files, options);
  const settings = await settingsOf(options);
  const trial = new PolicyTrial(await loadPolicy(settings, ''), options.examples ?? EXAMPLES);
  let heard: Heard = null;
  if (options.live === undefined) readInto(trial, files, settings);
  else heard = await listenInto(trial, settings, options.live);
  const result = trial.result();
  if (options.json) writeText(1, `${safeJson(heard === null ? result : { ...result, live: heard })}\n`);
  else writeText(1, textOf(result, heard, coloursOf(process.stdout), widthOf(process.stdout)));
}

function refuseMixed(files: readonly string[], { live, interface: interfaces, endpoint }: PolicyTestOptions): void {
  const what = 'Cannot test the rules';
  if (live !== undefined && files.length > 0) {
    throw new SensorError('usage', what, 'a capture and --live were both given', 'Name captures, or listen with --live.');
  }
  if (live !== undefined) return;
  if (interfaces !== undefined || endpoint !== undefined) {
    throw new SensorError('usage', what, '-i and -e are for --live', 'Say how long to listen, as --live 60s.');
  }
  if (files.length === 0) {
    throw new SensorError(
      'usage',
      'There is nothing to test the rules on',
      'neither a capture nor --live was given',
      'Name a capture, or listen for a while: --live 60s -i eth0.',
    );
  }
}

/** Those of the configuration, with the rules on trial in the place of its own. */
async function settingsOf(options: PolicyTestOptions): Promise<Settings> {
  const settings = options.config === undefined ? defaultSettings : (await import('../base/config.ts')).loadSettings(options.config);
  const pipeline = (simple: string): PipelineSettings => ({
    filtersSimpleFile: simple,
    filtersAdvancedFile: options.advanced ?? '',
    sampling: { share: 1, key: 'call' },
    sinks: [],
  });
  return {
    ...settings,
    capture: { ...settings.capture, ...sourcesOf(options, settings) },
    pipelines: {
      trial: pipeline(options.filters ?? ''),
      ...(options.diff !== undefined && { other: pipeline(options.diff) }),
    },
    policy: { ...settings.policy, maskingFile: options.masking ?? settings.policy.maskingFile },
  };
}

/** Calls of the pipeline become records that the trial sees. */
function writerInto(trial: PolicyTrial, settings: Settings, startUs: number): RecordWriter {
  return new RecordWriter({
    settings,
    epoch: Math.floor(startUs).toString(36),
    route: (call) => trial.route(call),
    encode: (call, to) => trial.encode(call, to),
    write: (at, _, records, index) => {
      let from = at;
      for (let i = 0; i < records; i++) {
        const end = from + index[INDEX_WORDS * i];
        trial.see(bytes.toString('utf8', from, end), index[INDEX_WORDS * i + 1]);
        from = end;
      }
    },
  });
}

function readInto(trial: PolicyTrial, files: readonly string[], settings: Settings): void {
  const capture = openCapture(files, settings);
  const progress = new Progress(capture);
  try {
    const packet = new Packet();
    const any = capture.next(packet);
    const writer = writerInto(trial, settings, any ? packetTimeUs[0] : 0);
    resetPipeline(settings, (call) => writer.take(call), true);
    for (let n = 1, more = any; more; n++) {
      processPacket(packet);
      if ((n & (PROGRESS_PACKETS - 1)) === 0) progress.update(n);
      more = capture.next(packet);
    }
    finishPipeline();
    writer.end('');
  } finally {
    progress.end();
    capture.close();
  }
}

/** Listens for so long, or until Ctrl-C: what came until then counts. Throws SensorError: no-calls, and what listening may meet. */
async function listenInto(trial: PolicyTrial, settings: Settings, seconds: number): Promise<LiveAmount> {
  const { interfaces, endpoints } = settings.capture;
  if (interfaces.length + endpoints.length === 0) {
    throw new SensorError(
      'nothing-to-listen-to',
      'Cannot listen',
      'neither the command line nor a configuration names an interface or a tunnel end-point',
      'Name one: --live 60s -i eth0, or the configuration of the sensor with -c.',
    );
  }
  const { hearPackets } = await import('./live-packets.ts');
  const writer = writerInto(trial, settings, Date.now() * 1000);
  resetPipeline(settings, (call) => writer.take(call));
  const interruption = untilInterrupted();
  let heard: LiveAmount;
  try {
    if (process.stderr.isTTY) say(`earshot: listening for ${seconds} s; Ctrl-C ends it earlier, and shows what came until then\n`);
    heard = await hearPackets(settings, seconds, interruption.signal, () => {
      writer.releaseDue();
      writer.flush();
    });
  } finally {
    interruption.release();
  }
  finishPipeline();
  writer.end('');
  if (trial.calls === 0) throw noCalls(settings, heard);
  return heard;
}

function noCalls({ capture }: Settings, { seconds, packets, silent }: LiveAmount): SensorError {
  const sources = [...capture.interfaces, ...capture.endpoints].join(', ');
  const time = `${seconds.toFixed(1)} s`;
  const missing = silent.length === 0 ? '' : `; not up: ${silent.join(', ')}`;
  const named = [...capture.interfaces.map((name) => ` -i ${name}`), ...capture.endpoints.map((url) => ` -e ${url}`)].join('');
  return new SensorError(
    'no-calls',
    'Cannot say what the rules would do: no calls were seen',
    packets === 0
      ? `no packet came from ${sources} within ${time}${missing}`
      : `${count(packets)} packets came from ${sources} within ${time}, and no call of HTTP was in them${missing}`,
    `Listen longer, or see where the calls stay: earshot doctor --live 10s${named}.`,
  );
}

function textOf(result: TrialResult, heard: Heard, colours: Colours, width: number): string {
  const lines: string[] = [];
  const { calls, letThrough } = result;
  if (heard !== null) {
    const dropped = heard.dropped === 0 ? '' : `, ${count(heard.dropped)} more were dropped by the kernel`;
    lines.push(`Listened for ${heard.seconds.toFixed(1)} s: ${count(heard.packets)} packets${dropped}.`);
  }
  lines.push(`${count(calls)} calls: ${count(letThrough)} let through, ${count(calls - letThrough)} left out.`, '');
  interface Row {
    readonly calls: number;
    readonly examples: readonly string[];
  }
  const examples = (one: Row): string[] => one.examples.map((example) => `  ${shown(example, width - 2)}`);
  // Each row of a table with its examples below it.
  const section = <R extends Row>(columns: readonly Column<R>[], rows: readonly R[]): void => {
    const [title, ...body] = table(columns, rows, width, colours.bold);
    lines.push(title);
    for (const [i, line] of body.entries()) lines.push(line, ...examples(rows[i]).map((text) => colours.dim(text)));
    lines.push('');
  };
  section(
    [
      { title: 'filter', cell: ({ rule }) => rule },
      { title: 'file', cell: ({ file }) => file },
      { title: 'action', cell: ({ action }) => action },
      { title: 'calls', cell: (rule) => count(rule.calls), right: true },
      { title: 'share', cell: (rule) => share(calls === 0 ? 0 : rule.calls / calls), right: true },
    ],
    result.rules.filter((rule) => rule.rule !== 'otherwise' || rule.calls > 0),
  );
  const found = result.masking.filter(({ values }) => values > 0);
  if (found.length === 0) lines.push('Nothing would be masked.', '');
  else
    section(
      [
        { title: 'masking', cell: ({ rule }) => rule },
        { title: 'values', cell: ({ values }) => count(values), right: true },
        { title: 'calls', cell: (rule) => count(rule.calls), right: true },
      ],
      found,
    );
  if (result.valuesMore > 0) lines.push(`${count(result.valuesMore)} further values in calls with more than 256.`, '');
  const silent = result.masking.length - found.length;
  if (found.length > 0 && silent > 0) lines.push(`${count(silent)} other masking rules found nothing.`, '');
  if (result.changes?.length === 0) lines.push('The other filters decide the same for every call.', '');
  else if (result.changes !== null) {
    section(
      [
        { title: 'from', cell: ({ from }) => from },
        { title: 'to', cell: ({ to }) => to },
        { title: 'then', cell: ({ now }) => now },
        { title: 'calls', cell: (change) => count(change.calls), right: true },
      ],
      result.changes,
    );
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
