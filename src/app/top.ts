/** `earshot top`: which hosts, endpoints and clients are busy right now. */
import { CallWindow, type Dimension, dimensions, type KeyRates, type KeyTable, type Rates, type View } from './call-window.ts';
import { watchCalls } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { LiveScreen, pause, untilInterrupted } from './live-screen.ts';
import { writeText } from './output.ts';
import { safeJson } from './safe-json.ts';
import { type Column, table } from './table.ts';
import { type Colours, coloursOf, widthOf } from './terminal.ts';
import { bitRate, count, perSecond, share, shortTime } from './units.ts';

export interface TopOptions extends ControlOptions {
  /** Left out: all three. */
  readonly by?: Dimension;
  /** Seconds over which rates are taken; 10 when left out. */
  readonly watch?: number;
  readonly json?: boolean;
  /** One view, after that time, and the end. */
  readonly once?: boolean;
}

const WINDOW_S = 10;
const REDRAW_MS = 1_000;
const JSON_ROWS = 100;
const PIPE_ROWS = 10;
const ROWS_MIN = 3;
/** Blank line, titles and the line of all others. */
const TABLE_LINES = 3;

const titles: Readonly<Record<Dimension, string>> = { host: 'host', endpoint: 'endpoint', client: 'client' };

/** Shows the busiest until Ctrl-C or the end of the sensor (sensor-stopped): every second on a terminal, else one view a window. */
export async function top(options: TopOptions): Promise<number> {
  const by = options.by === undefined ? dimensions : [options.by];
  const windowMs = 1000 * (options.watch ?? WINDOW_S);
  const path = await controlPathOf(options);
  const screen = new LiveScreen();
  const isRedrawn = screen.isInPlace && !options.json && !options.once;
  // Redrawn, it slides; else each view has what came since the one before, no call twice and none left out.
  const newWindow = (): CallWindow => new CallWindow(isRedrawn ? windowMs : Number.POSITIVE_INFINITY, performance.now());
  let window = newWindow();
  const watch = await watchCalls(path, {}, (calls, skipped) => window.add(calls, skipped, performance.now()));
  const interruption = untilInterrupted();
  const show = (): void => {
    const now = performance.now();
    const rows = isRedrawn ? Math.max(ROWS_MIN, Math.floor((screen.rows - 2) / by.length) - TABLE_LINES) : PIPE_ROWS;
    const view = window.view(now, by, options.json ? JSON_ROWS : rows);
    if (!isRedrawn) window = newWindow();
    if (options.json) writeText(1, `${safeJson(jsonOf(view))}\n`);
    else {
      const text = topText(view, coloursOf(process.stdout), widthOf(process.stdout));
      if (options.once) writeText(1, text);
      else screen.draw(text);
    }
  };
  try {
    if (isRedrawn) show();
    while (await pause(isRedrawn ? Math.min(REDRAW_MS, windowMs) : windowMs, interruption.signal, watch.ended)) {
      show();
      if (options.once) break;
    }
  } finally {
    watch.stop();
    screen.end();
    interruption.release();
  }
  return 0;
}

function jsonOf({ seconds, calls, skipped, total, by }: View): object {
  return { time: new Date().toISOString(), seconds, calls, skipped, total, by };
}

/** The page: a line for all, then a table for each dimension. */
export function topText(view: View, colours: Colours, width: number): string {
  const { seconds, calls, skipped, total, by } = view;
  const ofGrpc = total.grpcErrors > 0 ? `, ${share(total.grpcErrors)} gRPC errors` : '';
  const errors = `${share(total.clientErrors)} 4xx, ${share(total.serverErrors)} 5xx${ofGrpc}`;
  const lines = [colours.bold(`${perSecond(total.callsPerS)} calls/s over ${count(seconds)} s, ${errors}, ${bitRate(total.bytesPerS)}`)];
  if (skipped > 0) {
    lines.push(colours.yellow(`a sample: ${count(calls)} of ${count(calls + skipped)} calls were looked at; rates are scaled up`));
  }
  if (calls + skipped === 0) {
    lines.push('no call within that time; earshot status and earshot doctor --live 10s say what comes');
    return `${lines.join('\n')}\n`;
  }
  for (const dimension of dimensions) {
    const keyTable = by[dimension];
    if (keyTable !== undefined) lines.push('', ...tableLines(dimension, keyTable, total.grpcErrors > 0, colours, width));
  }
  return `${lines.join('\n')}\n`;
}

/** Errors of gRPC have a column where there are any. */
function tableLines(dimension: Dimension, { rows, more }: KeyTable, withGrpc: boolean, colours: Colours, width: number): string[] {
  const latency = (us: number | null): string => (us === null ? '-' : shortTime(Math.max(0, us)));
  const part = (title: string, of: (row: Rates) => number, paint: (text: string) => string): Column<KeyRates> => ({
    title,
    right: true,
    cell: (row) => share(of(row)),
    paint: (text, row) => (of(row) > 0 ? paint(text) : text),
  });
  const columns: Column<KeyRates>[] = [
    { title: 'calls/s', right: true, cell: (row) => perSecond(row.callsPerS).padStart(7) },
    part('4xx', (row) => row.clientErrors, colours.yellow),
    part('5xx', (row) => row.serverErrors, colours.red),
    ...(withGrpc ? [part('gRPC', (row) => row.grpcErrors, colours.red)] : []),
    { title: 'p50', right: true, cell: (row) => latency(row.p50Us).padStart(7) },
    { title: 'p95', right: true, cell: (row) => latency(row.p95Us).padStart(7) },
    { title: 'bodies', right: true, cell: (row) => bitRate(row.bytesPerS).padStart(11), spare: 1 },
    { title: titles[dimension], cell: (row) => row.key, elasticMin: dimension === 'endpoint' ? 40 : 24 },
  ];
  const keys = more === null || more.keys < 0 ? 'many more' : `${count(more.keys)} more`;
  return table(columns, more === null ? rows : [...rows, { ...more, key: `(${keys})` }], width, colours.bold);
}
