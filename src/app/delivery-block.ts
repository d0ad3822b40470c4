/**
 * The lower half of `earshot stats`: pipelines and their rules, sinks, spool and dead letters.
 *
 *   pipeline      passed  filtered out  sampled out  to
 *   everything  56.5 M ...
 *   sink edge (uap-edge)   valid: false   blocked for 3 min 10 s
 *     received 19,800,503   written 19,800,000   rate 0/s   ...
 */
import { type DeliveryState, isTried } from '../ship/delivery-state.ts';
import type { SpoolState } from '../ship/spool/state.ts';
import { expiredOf } from './delivery-faults.ts';
import type { PipelineReport, RuleReport, SensorReport } from './report.ts';
import { type Column, table } from './table.ts';
import { type Colours, shown, wrapWords } from './terminal.ts';
import { byteAmount, count, countIn, longTime, perSecond, shortTime } from './units.ts';

/** Rules that are shown when not all are asked for: those that decided most calls. */
const RULES_FIRST = 5;
const NAME_MAX = 24;
const TEXT_MAX = 1000;
const COUNT_COLUMNS = 14;
const BETWEEN = '   ';

export interface DeliveryStyle {
  readonly columns: number;
  readonly colours: Colours;
  /** All rules, not only the first few. */
  readonly rules?: boolean;
}

/** A name, its value, and whether the value is a loss that should be seen. */
type Item = readonly [text: string, isBad?: boolean];

/** Lines of at most `columns`. */
export function deliveryLines(report: SensorReport, style: DeliveryStyle): string[] {
  const { delivery, ship, pipelines } = report;
  const lines = [...pipelineLines(pipelines, style), ...maskedLine(report, style)];
  if (delivery === null) return lines;
  if (ship !== null) {
    for (const sink of ship.sinks) lines.push(...sinkLines(sink, report.sensor.nowAtMs, style));
    lines.push(...spoolLines('spool', ship.spool, style), ...letterLines(ship.deadLetters, style));
  }
  if (delivery.restarts > 0 || !delivery.isRunning || delivery.lost > 0) lines.push(...threadLines(delivery, style));
  return lines;
}

function pipelineLines(pipelines: readonly PipelineReport[], { columns, colours, rules: isAll = false }: DeliveryStyle): string[] {
  if (pipelines.length === 0) return [];
  const number = (title: string, of: (row: PipelineReport) => number): Column<PipelineReport> => ({
    title,
    right: true,
    cell: (row) => countIn(of(row), COUNT_COLUMNS),
  });
  const lines = table(
    [
      { title: 'pipeline', cell: ({ name }) => shown(name, NAME_MAX) },
      number('passed', ({ passed }) => passed),
      number('filtered out', ({ filteredOut }) => filteredOut),
      number('sampled out', ({ sampledOut }) => sampledOut),
      { title: '-> sinks', cell: ({ sinks }) => sinks.join(', ') || '-', elasticMin: 8 },
    ],
    pipelines,
    columns,
    colours.bold,
  );
  const rules = pipelines.flatMap(({ name, rules: own }) =>
    own.filter(({ calls }) => isAll || calls > 0).map((rule) => ({ ...rule, name, rule: rule.name })),
  );
  const others = pipelines.reduce((sum, { otherRulesCalls }) => sum + otherRulesCalls, 0);
  const kept = isAll ? rules : rules.toSorted((a, b) => b.calls - a.calls).slice(0, RULES_FIRST);
  if (kept.length > 0) lines.push(...table(ruleColumns(), kept, columns, colours.bold));
  if (isAll && others > 0) lines.push(colours.dim(shown(`${count(others)} calls were decided by rules that are not listed`, columns)));
  if (kept.length < rules.length)
    lines.push(colours.dim(shown(`${rules.length - kept.length} more rules have decided calls: earshot stats --rules`, columns)));
  return lines;
}

function ruleColumns(): Column<RuleReport & { readonly rule: string }>[] {
  return [
    { title: 'rule', cell: ({ rule }) => rule, elasticMin: 12 },
    { title: 'pipeline', cell: ({ name }) => shown(name, NAME_MAX) },
    { title: 'does', cell: ({ action }) => action },
    { title: 'calls', right: true, cell: ({ calls }) => countIn(calls, COUNT_COLUMNS) },
  ];
}

function maskedLine({ counters }: SensorReport, style: DeliveryStyle): string[] {
  const of = (name: string): number => counters[name] ?? 0;
  return block(
    'masked',
    [
      [`${count(of('values.masked'))} values`],
      [`in ${count(of('calls.masked'))} calls`],
      [`${count(of('values.reported'))} only reported`],
    ],
    style,
  );
}

function sinkLines(sink: DeliveryState, nowMs: number, style: DeliveryStyle): string[] {
  const { colours, columns } = style;
  const { name, type, valid, blocked, lastProblem, oldestWaitingAtMs } = sink;
  const loss = (what: string, n: number): Item => [`${what} ${count(n)}`, n > 0];
  const verdict = isTried(sink) ? `valid: ${valid}` : 'valid: - (not tried yet)';
  const since = blocked === null ? '' : `   blocked for ${longTime(nowMs - blocked.atMs)}`;
  const title = shown(`sink ${name} (${type})`, columns - verdict.length - since.length - BETWEEN.length);
  const paint = !isTried(sink) ? colours.dim : valid ? colours.green : colours.red;
  const lines = [`${colours.bold(title)}${BETWEEN}${paint(verdict)}${colours.red(since)}`];
  lines.push(
    ...flow(
      [
        [`received ${count(sink.received)}`],
        [`written ${count(sink.written)}`],
        [`rate ${perSecond(sink.ratePerS)}/s`],
        [`bytes ${byteAmount(sink.bytes)}`],
        loss('errors', sink.errors),
        [`retries ${count(sink.retries)}`],
        loss('dead letters', sink.deadLettered),
        ...(sink.skipped > 0 ? [[`records skipped ${count(sink.skipped)}`] as const] : []),
        loss('expired', sink.expired),
        loss('corrupt', sink.corrupt),
        [`in flight ${count(sink.inFlight)}`],
        [`queued ${count(sink.queued)}`],
        [`bytes queued ${byteAmount(sink.queuedBytes)}`],
        [`oldest waiting ${oldestWaitingAtMs === 0 ? '-' : shortTime(Math.max(0, nowMs - oldestWaitingAtMs) * 1000)}`],
      ],
      style,
    ),
  );
  const problem = blocked ?? lastProblem;
  if (problem === null) return lines;
  const when = blocked === null ? `last problem ${longTime(nowMs - problem.atMs)} ago: ` : '';
  lines.push(...paragraph(`${when}${problem.what}`, columns, 2));
  if (!valid) lines.push(...paragraph(problem.next, columns, 4));
  return lines;
}

function spoolLines(what: string, spool: SpoolState, style: DeliveryStyle): string[] {
  const { level, wantedLevel, fault } = spool;
  const lines = block(
    what,
    [
      [level === wantedLevel ? `level ${level}` : `level ${level}, wanted ${wantedLevel}`, level !== wantedLevel],
      [`${byteAmount(spool.bytes)} of ${byteAmount(spool.bytesMax)}`],
      [`free ${byteAmount(spool.freeBytes)}`],
      [`accepted ${count(spool.accepted)}`],
      [`durable up to ${count(spool.durableSequence)}`],
      [`lost ${count(spool.lost)}`, spool.lost > 0],
      [`expired ${count(expiredOf(spool))}`, expiredOf(spool) > 0],
      [`corrupt ${count(spool.corruptRecords)} in ${count(spool.corruptFrames)} frames`, spool.corruptFrames > 0],
    ],
    style,
  );
  return fault === '' ? lines : [...lines, ...paragraph(fault, style.columns, 2)];
}

function letterLines(letters: SpoolState, style: DeliveryStyle): string[] {
  const kept = letters.readers.reduce((sum, { queued }) => sum + queued, 0);
  const lines = block(
    'dead letters',
    [
      [`kept ${count(kept)}`, kept > 0],
      [`${byteAmount(letters.bytes)} of ${byteAmount(letters.bytesMax)}`],
      [`expired ${count(expiredOf(letters))}`, expiredOf(letters) > 0],
    ],
    style,
  );
  return letters.fault === '' ? lines : [...lines, ...paragraph(letters.fault, style.columns, 2)];
}

function threadLines({ isRunning, restarts, lost }: NonNullable<SensorReport['delivery']>, style: DeliveryStyle): string[] {
  return block(
    'delivery',
    [
      [isRunning ? 'running' : 'dead, being started again', !isRunning],
      [`restarts ${count(restarts)}`, restarts > 0],
      [`lost before the spool ${count(lost)}`, lost > 0],
    ],
    style,
  );
}

/** A name in bold and items behind it, the further lines under it. */
function block(name: string, items: readonly Item[], style: DeliveryStyle): string[] {
  const [first = '', ...rest] = flow(items, style, name.length + BETWEEN.length);
  return [`${style.colours.bold(name)}${BETWEEN}${first.trimStart()}`, ...rest];
}

/** Items beside each other, as many as fit; `taken` columns of the first line are somebody else's. */
function flow(items: readonly Item[], { columns, colours }: DeliveryStyle, taken = 0): string[] {
  const lines: string[] = [];
  let line = taken > 0 ? '' : '  ';
  let length = Math.max(2, taken);
  let isFirst = true;
  for (const [text, isBad = false] of items) {
    const cut = shown(text, columns - 2);
    if (!isFirst && length + BETWEEN.length + cut.length > columns) {
      lines.push(line);
      line = '  ';
      length = 2;
      isFirst = true;
    }
    line += `${isFirst ? '' : BETWEEN}${isBad ? colours.red(cut) : cut}`;
    length += (isFirst ? 0 : BETWEEN.length) + cut.length;
    isFirst = false;
  }
  return [...lines, line];
}

function paragraph(text: string, columns: number, indent: number): string[] {
  return wrapWords(shown(text, TEXT_MAX).replace(/([^.!?])$/, '$1.'), columns - indent).map(
    (line) => ' '.repeat(indent) + shown(line, columns - indent),
  );
}

/** The same as flat numbers, the same names in every line; of sinks the sums. */
export function deliveryNumbers({ sensor, pipelines, delivery, ship, counters }: SensorReport): Record<string, number> {
  const sinks = ship?.sinks ?? [];
  const sum = (of: (sink: DeliveryState) => number): number => sinks.reduce((n, sink) => n + of(sink), 0);
  const spool = ship?.spool;
  const waitingMs = sinks.map(({ oldestWaitingAtMs }) => (oldestWaitingAtMs === 0 ? 0 : sensor.nowAtMs - oldestWaitingAtMs));
  return {
    callsPassed: pipelines.reduce((n, { passed }) => n + passed, 0),
    callsSampledOut: pipelines.reduce((n, { sampledOut }) => n + sampledOut, 0),
    callsMasked: counters['calls.masked'] ?? 0,
    valuesMasked: counters['values.masked'] ?? 0,
    deliveryReceived: delivery?.received ?? 0,
    deliveryLost: delivery?.lost ?? 0,
    deliveryRestarts: delivery?.restarts ?? 0,
    sinks: sinks.length,
    sinksValid: sinks.filter((sink) => sink.valid && isTried(sink)).length,
    sinksBlocked: sinks.filter(({ blocked }) => blocked !== null).length,
    deliveryWritten: sum(({ written }) => written),
    deliveryWrittenPerS: sum(({ ratePerS }) => ratePerS),
    deliveryErrors: sum(({ errors }) => errors),
    deliveryRetries: sum(({ retries }) => retries),
    deadLetters: sum(({ deadLettered }) => deadLettered),
    deliveryExpired: sum(({ expired }) => expired),
    deliveryQueued: sum(({ queued, inFlight }) => queued + inFlight),
    deliveryQueuedBytes: sum(({ queuedBytes }) => queuedBytes),
    oldestWaitingMs: Math.max(0, ...waitingMs),
    spoolBytes: spool?.bytes ?? 0,
    spoolFreeBytes: spool?.freeBytes ?? 0,
    spoolAccepted: spool?.accepted ?? 0,
    spoolDurableSequence: spool?.durableSequence ?? 0,
    spoolLost: spool?.lost ?? 0,
    spoolCorrupt: spool?.corruptRecords ?? 0,
  };
}
