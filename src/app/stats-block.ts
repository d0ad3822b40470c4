/**
 * The three-stage block: what was read, what became of it, what went out, pipelines and sinks, and the books. A text for `earshot stats`,
 * flat numbers for the line that is logged every minute.
 *
 *   reader                     pipeline                   sink
 *   read         1,000,000,000 received        60,000,000 received        56,499,990
 *   rate              51,000/s rate               3,050/s written         56,499,000
 *   ...
 */
import type { Balance } from '../base/ledger.ts';
import { deliveryLines, deliveryNumbers } from './delivery-block.ts';
import { grpcLines } from './grpc-report.ts';
import { http2Lines } from './http2-report.ts';
import type { SensorReport } from './report.ts';
import type { Colours } from './terminal.ts';
import { unreadLines } from './tls-report.ts';
import { bitRate, byteAmount, count, countIn, date, longTime, perSecond, share, shortTime } from './units.ts';
import { webSocketLines } from './websocket-report.ts';

const BETWEEN = 3;
const NAME_COLUMNS = 13;
const STAGE_COLUMNS_MAX = 34;
/** Below that, two stages stand beside each other and the third under them. */
const COLUMNS_FOR_THREE = 74;
/** Calls that were reported while they were open, and ends of such calls. */
const REPORTED_OPEN = 'calls.incomplete{still-open}';
const CLOSINGS = 'closings.seen';
/** Under the name of a balance. */
const HANGING = ' '.repeat(12);

export interface BlockStyle {
  readonly columns: number;
  readonly colours: Colours;
  /** All rules of the pipelines, not only those that decided most. */
  readonly rules?: boolean;
}

/** A line of a stage: name, value, and whether the value is a loss that should be seen. */
type Line = readonly [name: string, value: string, isBad?: boolean];

/** Only where there are any. */
function longCalls({ counters }: SensorReport, n: (value: number) => string): Line[] {
  const open = counters[REPORTED_OPEN] ?? 0;
  const closings = counters[CLOSINGS] ?? 0;
  if (open + closings === 0) return [];
  return [
    ['still open', n(open)],
    ['closings', n(closings)],
  ];
}

/** The block, lines of at most `columns` (60 at least), each ended by a line feed. */
export function statsBlock(report: SensorReport, style: BlockStyle): string {
  const { columns, colours } = style;
  const { sensor, workers } = report;
  const { reader, pipeline, sink } = report.stages;
  const abreast = columns >= COLUMNS_FOR_THREE ? 3 : 2;
  const width = Math.min(STAGE_COLUMNS_MAX, Math.floor((columns - (abreast - 1) * BETWEEN) / abreast));
  const room = width - NAME_COLUMNS;
  const n = (value: number): string => countIn(value, room);
  const rate = (value: number): string => (perSecond(value).length + 2 <= room ? `${perSecond(value)}/s` : `${countIn(value, room - 2)}/s`);
  const lost = (name: string, value: number): Line => [name, n(value), value > 0];
  const running = workers.filter(({ state }) => state === 'running').length;
  const fill = Math.max(0, ...workers.map(({ ringFill }) => ringFill));
  const shedding = Math.max(0, ...workers.map((worker) => worker.shedding));
  const lagMs = Math.max(0, ...workers.map((worker) => worker.lagMs));
  const stages: (readonly [string, readonly Line[]])[] = [
    [
      'reader',
      [
        ['read', n(reader.read)],
        ['rate', rate(reader.readPerS)],
        ['bytes', byteAmount(reader.bytes)],
        ['bit rate', bitRate(reader.bytesPerS)],
        lost('kernel drops', reader.kernelDropped),
        lost('shed', reader.shed),
        lost('errors', reader.errors),
        ['not TCP', n(reader.other)],
        ['own', n(reader.own)],
        ['ring', share(fill), fill > 0.8],
        ['lag', shortTime(lagMs * 1000), lagMs > 1000],
      ],
    ],
    [
      'pipeline',
      [
        ['received', n(pipeline.received)],
        ['rate', rate(pipeline.receivedPerS)],
        ['filtered out', n(pipeline.filteredOut)],
        ['duplicate', n(pipeline.duplicate)],
        ['valid', n(pipeline.valid)],
        ['incomplete', n(pipeline.incomplete)],
        lost('gaps', pipeline.gaps),
        ['gap bytes', byteAmount(pipeline.gapBytes)],
        ['connections', n(pipeline.flows)],
        ['in flight', n(pipeline.callsInFlight)],
        ...longCalls(report, n),
        ['workers', running === workers.length ? String(running) : `${running} of ${workers.length}`, running < workers.length],
      ],
    ],
    [
      'sink',
      [
        ['received', n(sink.received)],
        ['written', n(sink.written)],
        ['rate', rate(sink.writtenPerS)],
        ['bytes', byteAmount(sink.bytes)],
        lost('errors', sink.errors),
        lost('lost', sink.lost),
        ['queue', byteAmount(sink.queueBytes)],
        ['lag', shortTime(sink.lagMs * 1000), sink.lagMs > 1000],
      ],
    ],
  ];
  const lines = [
    `${colours.bold(`${sensor.poolId}/${sensor.id}`)}  ${date(sensor.nowAtMs)}  up ${longTime(sensor.nowAtMs - sensor.startedAtMs)}`,
  ];
  for (let from = 0; from < stages.length; from += abreast) {
    const row = stages.slice(from, from + abreast);
    lines.push(row.map(([name]) => colours.bold(name) + ' '.repeat(width + BETWEEN - name.length)).join(''));
    for (let i = 0; i < Math.max(...row.map(([, all]) => all.length)); i++) {
      lines.push(row.map(([, all]) => stageLine(all[i], width, colours)).join(' '.repeat(BETWEEN)));
    }
  }
  if (shedding > 0) lines.push(colours.red(`overload: up to ${share(shedding)} of a worker's connections left out`));
  const protocols = [grpcLines, http2Lines, webSocketLines, unreadLines].flatMap((of) => of(report, style));
  lines.push(...deliveryLines(report, style), ...protocols, colours.bold('ledger'));
  for (const balance of report.ledger) lines.push(...balanceLines(balance, columns, colours));
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function stageLine(line: Line | undefined, width: number, colours: Colours): string {
  if (line === undefined) return ' '.repeat(width);
  const [name, value, isBad] = line;
  const text = value.padStart(width - NAME_COLUMNS);
  return name.padEnd(NAME_COLUMNS) + (isBad ? colours.red(text) : text);
}

/** By how much the parts of a balance are more than its total. */
function excess({ total, parts }: Balance): number {
  return parts.reduce((sum, [, value]) => sum + value, 0) - total;
}

/** "balances: packets received 10 = decoded 8 + dropped 2", wrapped before its plus signs. */
function balanceLines(balance: Balance, columns: number, colours: Colours): string[] {
  const { name, total, parts, balances } = balance;
  const off = excess(balance);
  const verdict = balances ? 'balances:' : `${count(Math.abs(off))} TOO ${off < 0 ? 'FEW' : 'MANY'}:`;
  const items = parts.length === 0 ? ['0'] : parts.map(([part, value]) => `${part} ${count(value)}`);
  const lines: string[] = [];
  let line = `  ${balances ? colours.green(verdict) : colours.red(verdict)} ${name} ${count(total)}`;
  let length = 2 + verdict.length + 1 + name.length + 1 + count(total).length;
  items.forEach((item, i) => {
    const piece = `${i === 0 ? '=' : '+'} ${item}`;
    if (length + 1 + piece.length > columns) {
      lines.push(line);
      line = HANGING + piece;
      length = line.length;
    } else {
      line += ` ${piece}`;
      length += 1 + piece.length;
    }
  });
  return [...lines, line];
}

/** The same as flat numbers: names in camelCase with their unit last, the same in every line. */
export function statsLine(report: SensorReport): Record<string, number> {
  const { reader, pipeline, sink } = report.stages;
  const { sensor, workers } = report;
  const most = (of: (worker: (typeof workers)[number]) => number): number => Math.max(0, ...workers.map(of));
  return {
    upMs: sensor.nowAtMs - sensor.startedAtMs,
    packetsRead: reader.read,
    packetsReadPerS: reader.readPerS,
    bytesRead: reader.bytes,
    bytesReadPerS: reader.bytesPerS,
    packetsKernelDropped: reader.kernelDropped,
    packetsOwn: reader.own,
    packetsShed: reader.shed,
    packetsOther: reader.other,
    packetErrors: reader.errors,
    callsReceived: pipeline.received,
    callsReceivedPerS: pipeline.receivedPerS,
    callsFilteredOut: pipeline.filteredOut,
    callsDuplicate: pipeline.duplicate,
    callsValid: pipeline.valid,
    callsIncomplete: pipeline.incomplete,
    gaps: pipeline.gaps,
    gapBytes: pipeline.gapBytes,
    flows: pipeline.flows,
    callsInFlight: pipeline.callsInFlight,
    callsReportedOpen: report.counters[REPORTED_OPEN] ?? 0,
    closings: report.counters[CLOSINGS] ?? 0,
    sinkReceived: sink.received,
    sinkWritten: sink.written,
    sinkWrittenPerS: sink.writtenPerS,
    sinkBytes: sink.bytes,
    sinkErrors: sink.errors,
    sinkLost: sink.lost,
    sinkQueueBytes: sink.queueBytes,
    sinkLagMs: sink.lagMs,
    ...deliveryNumbers(report),
    workers: workers.length,
    workersRunning: workers.filter(({ state }) => state === 'running').length,
    workerRestarts: workers.reduce((sum, { restarts }) => sum + restarts, 0),
    ringFillMax: most(({ ringFill }) => ringFill),
    sheddingMax: most(({ shedding }) => shedding),
    lagMsMax: most(({ lagMs }) => lagMs),
    memoryBytes: sensor.memoryBytes,
    cpuMs: sensor.cpuMs,
    faults: report.health.faults.length,
    balancesOff: report.ledger.filter(({ balances }) => !balances).length,
  };
}
