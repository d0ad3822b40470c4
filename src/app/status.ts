/** `earshot status`: is the sensor well, since when, and what every interface, worker and sink does. */
import { type DeliveryState, isTried } from '../ship/delivery-state.ts';
import { ask } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { writeText } from './output.ts';
import type { EndpointReport, InterfaceReport, SensorReport, WorkerReport } from './report.ts';
import { safeJson } from './safe-json.ts';
import { type Column, table } from './table.ts';
import { type Colours, coloursOf, sentence, shown, widthOf, wrapWords } from './terminal.ts';
import { bitRate, byteAmount, count, countIn, date, longTime, perSecond, share, shortTime } from './units.ts';

export interface StatusOptions extends ControlOptions {
  readonly json?: boolean;
}

const EXIT_FAULTS = 1;
const NAME_COLUMNS = 15;
const TEXT_MAX = 2000;

/** Prints the status; gives 0 when the sensor is ready and without faults, else 1. */
export async function status(options: StatusOptions): Promise<number> {
  const { report } = await ask(await controlPathOf(options), { command: 'report' });
  if (options.json) writeText(1, `${safeJson(report)}\n`);
  else writeText(1, statusText(report, coloursOf(process.stdout), widthOf(process.stdout)));
  return isWell(report) ? 0 : EXIT_FAULTS;
}

function isWell({ health }: SensorReport): boolean {
  return health.ready && health.faults.length === 0;
}

/** The whole page; lines have at most `width` columns where words and tables allow it. */
export function statusText(report: SensorReport, colours: Colours, width: number): string {
  const { sensor, health } = report;
  const lines: string[] = [];
  const row = (name: string, text: string): void => {
    wrapWords(shown(text, TEXT_MAX), width - NAME_COLUMNS).forEach((line, i) => {
      lines.push(`${i === 0 ? colours.bold(name.padEnd(NAME_COLUMNS)) : ' '.repeat(NAME_COLUMNS)}${line}`);
    });
  };
  const upMs = Math.max(1, sensor.nowAtMs - sensor.startedAtMs);
  lines.push(headline(report, colours));
  row('sensor', `${sensor.poolId}/${sensor.id}, Earshot ${sensor.version}, process ${sensor.pid}`);
  row('since', `${date(sensor.startedAtMs)} (${longTime(upMs)})`);
  row(
    'configuration',
    sensor.configuration === '' ? 'none, all defaults' : `${sensor.configuration}, read ${date(sensor.configurationReadAtMs)}`,
  );
  row('memory', byteAmount(sensor.memoryBytes));
  row('processor', `${share(sensor.cpuMs / upMs)} of one since the start`);
  row('calls', callsText(report));
  if (report.delivery !== null) row('spool', spoolText(report));
  for (const { code, what, next } of health.faults) {
    lines.push('', colours.red(shown(code, width)));
    for (const text of [sentence(what), next]) lines.push(...wrapWords(shown(text, TEXT_MAX), width - 2).map((line) => `  ${line}`));
  }
  const section = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void => {
    if (rows.length > 0) lines.push('', ...table(columns, rows, width, colours.bold));
  };
  section(interfaceColumns(colours), report.interfaces);
  section(endpointColumns(colours), report.endpoints);
  section(workerColumns(colours), report.workers);
  section(sinkColumns(colours, sensor.nowAtMs), report.ship?.sinks ?? []);
  return `${lines.join('\n')}\n`;
}

function headline(report: SensorReport, colours: Colours): string {
  const { ready, faults } = report.health;
  if (isWell(report)) return colours.green('The sensor is well.');
  const several = faults.length === 1 ? 'a fault' : `${faults.length} faults`;
  if (!ready) return colours.red(`The sensor takes no packets${faults.length === 0 ? '' : `; it has ${several}`}.`);
  return colours.yellow(`The sensor runs, but has ${several}.`);
}

/** No calls is what operators come with: then it says where to look on. */
function callsText({ stages }: SensorReport): string {
  const { reader, pipeline } = stages;
  if (pipeline.received > 0) return `${count(pipeline.received)} so far, ${perSecond(pipeline.receivedPerS)}/s now`;
  const packets = reader.read === 0 ? 'no packet has arrived' : `none found in ${count(reader.read)} packets`;
  return `${packets}; earshot doctor --live 10s says why`;
}

function spoolText({ delivery, ship }: SensorReport): string {
  if (ship === null) return `not there: the delivery thread is being started again (restart ${delivery?.restarts ?? 0})`;
  const { level, wantedLevel, bytes, bytesMax, freeBytes, durableSequence, lastSequence } = ship.spool;
  const wanted = level === wantedLevel ? '' : ` where ${wantedLevel} is wanted`;
  const letters = ship.deadLetters.readers.reduce((sum, { queued }) => sum + queued, 0);
  const lost = delivery?.lost ?? 0;
  return [
    `level ${level}${wanted}`,
    `${byteAmount(bytes)} of ${byteAmount(bytesMax)}`,
    `${byteAmount(freeBytes)} free`,
    // The number itself tells a person nothing: after a crash it goes on at a round one far ahead.
    durableSequence >= lastSequence ? 'all durable' : `${count(lastSequence - durableSequence)} not durable yet`,
    ...(lost === 0 ? [] : [`${count(lost)} lost before it`]),
    ...(letters === 0 ? [] : [`${count(letters)} dead letters`]),
  ].join(', ');
}

type Paint = (text: string) => string;

/** Red when it is more than nothing. */
function loss<Row>(title: string, of: (row: Row) => number, { red }: Colours, more: Partial<Column<Row>> = {}): Column<Row> {
  return { title, right: true, cell: (row) => countIn(of(row), 9), paint: (text, row) => (of(row) > 0 ? red(text) : text), ...more };
}

function interfaceColumns(colours: Colours): Column<InterfaceReport>[] {
  const paints: Record<InterfaceReport['state'], Paint> = {
    up: colours.green,
    'no-carrier': colours.yellow,
    down: colours.red,
    missing: colours.red,
  };
  return [
    { title: 'interface', cell: (row) => row.name, elasticMin: 15 },
    { title: 'state', cell: (row) => row.state, paint: (text, row) => paints[row.state]?.(text) ?? text },
    { title: 'MTU', right: true, cell: (row) => (row.mtu === 0 ? '-' : String(row.mtu)), spare: 1 },
    { title: 'packets/s', right: true, cell: (row) => perSecond(row.packetsPerS) },
    { title: 'rate', right: true, cell: (row) => bitRate(row.bytesPerS) },
    { title: 'packets', right: true, cell: (row) => countIn(row.packets, 11), spare: 2 },
    { title: 'bytes', right: true, cell: (row) => byteAmount(row.bytes), spare: 3 },
    loss('losses', (row) => row.losses, colours),
    { title: 'named as', cell: (row) => row.pattern, spare: 4 },
  ];
}

function endpointColumns(colours: Colours): Column<EndpointReport>[] {
  const isSmall = (row: EndpointReport): boolean => row.receiveBufferBytes < row.receiveBufferBytesWanted;
  return [
    { title: 'end-point', cell: (row) => row.url, elasticMin: 32 },
    { title: 'packets/s', right: true, cell: (row) => perSecond(row.packetsPerS) },
    { title: 'rate', right: true, cell: (row) => bitRate(row.bytesPerS) },
    { title: 'packets', right: true, cell: (row) => countIn(row.packets, 11), spare: 2 },
    { title: 'bytes', right: true, cell: (row) => byteAmount(row.bytes), spare: 3 },
    loss('dropped', (row) => row.kernelDropped, colours),
    {
      title: 'buffer',
      right: true,
      cell: (row) => byteAmount(row.receiveBufferBytes),
      paint: (text, row) => (isSmall(row) ? colours.yellow(text) : text),
    },
    { title: 'wanted', right: true, cell: (row) => byteAmount(row.receiveBufferBytesWanted), spare: 1 },
  ];
}

function workerColumns(colours: Colours): Column<WorkerReport>[] {
  const paints: Record<WorkerReport['state'], Paint> = {
    running: colours.green,
    starting: colours.yellow,
    stuck: colours.red,
    dead: colours.red,
    stopped: colours.dim,
  };
  return [
    { title: 'worker', right: true, cell: (row) => String(row.worker) },
    { title: 'state', cell: (row) => row.state, paint: (text, row) => paints[row.state]?.(text) ?? text },
    { title: 'packets/s', right: true, cell: (row) => perSecond(row.packetsPerS), spare: 2 },
    { title: 'calls/s', right: true, cell: (row) => perSecond(row.callsPerS) },
    loss('drops', (row) => row.kernelDropped, colours),
    loss('left out', (row) => row.shedding, colours, { cell: (row) => share(row.shedding) }),
    {
      title: 'ring',
      right: true,
      cell: (row) => share(row.ringFill),
      paint: (text, row) => (row.ringFill > 0.8 ? colours.yellow(text) : text),
    },
    { title: 'CPU', right: true, cell: (row) => share(row.cpu), spare: 1 },
    { title: 'lag', right: true, cell: (row) => shortTime(Math.max(0, row.lagMs) * 1000) },
    loss('restarts', (row) => row.restarts, colours, { spare: 3 }),
    { title: 'flows', right: true, cell: (row) => count(row.flows), spare: 4 },
    { title: 'in flight', right: true, cell: (row) => count(row.callsInFlight), spare: 5 },
    { title: 'packets', right: true, cell: (row) => countIn(row.packets, 11), spare: 6 },
  ];
}

function sinkColumns(colours: Colours, nowMs: number): Column<DeliveryState>[] {
  const problemOf = ({ valid, blocked, lastProblem }: DeliveryState): string => blocked?.code ?? (valid ? '-' : lastProblem?.code) ?? '-';
  return [
    { title: 'sink', cell: (row) => row.name, elasticMin: 12 },
    { title: 'type', cell: (row) => row.type, spare: 5 },
    {
      title: 'valid',
      cell: (row) => (isTried(row) ? String(row.valid) : '-'),
      paint: (text, row) => (!isTried(row) ? text : row.valid ? colours.green(text) : colours.red(text)),
    },
    { title: 'written', right: true, cell: (row) => countIn(row.written, 9), spare: 3 },
    { title: 'calls/s', right: true, cell: (row) => perSecond(row.ratePerS) },
    loss('errors', (row) => row.errors, colours, { spare: 1 }),
    loss('letters', (row) => row.deadLettered, colours, { spare: 2 }),
    { title: 'queued', right: true, cell: (row) => countIn(row.queued + row.inFlight, 9) },
    { title: 'bytes', right: true, cell: (row) => byteAmount(row.queuedBytes), spare: 4 },
    {
      title: 'oldest',
      right: true,
      cell: (row) => (row.oldestWaitingAtMs === 0 ? '-' : shortTime(Math.max(0, nowMs - row.oldestWaitingAtMs) * 1000)),
    },
    { title: 'problem', cell: problemOf, paint: (text, row) => (row.valid ? text : colours.red(text)) },
  ];
}
