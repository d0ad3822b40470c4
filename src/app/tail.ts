/**
 * `earshot tail`: live calls as they come, a line each, with heads and bodies under it on request, or whole records as
 * JSON; all of it masked. It comes off the wire: what could steer a terminal is replaced in text and escaped in JSON.
 */
import { grpcStatusNames, isServerFault } from '../grpc/status-names.ts';
import { type CallFilter, compileCallFilter } from './call-filter.ts';
import type { CallLine } from './call-line.ts';
import { watchCalls } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { untilInterrupted } from './live-screen.ts';
import { say, writeText } from './output.ts';
import { safeJson } from './safe-json.ts';
import { BODY_LINES_DEFAULT, recordLines } from './tail-record.ts';
import { type Colours, coloursOf, shown, widthOf } from './terminal.ts';
import { count, shortTime } from './units.ts';

export interface TailOptions extends ControlOptions {
  /** The whole masked record of each call. */
  readonly json?: boolean;
  /** Heads and bodies under each line. */
  readonly full?: boolean;
  /** Lines of each body; says `full` too. */
  readonly bodyLines?: number;
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly status?: string;
  readonly client?: string;
  readonly server?: string;
  /** Milliseconds. */
  readonly slower?: number;
  /** Calls to show before it ends by itself. */
  readonly count?: number;
}

/** Who has seen nothing for so long is told where to look. */
const QUIET_MS = 10_000;
/** How often at most it says that calls were skipped. */
const SKIPPED_EVERY_MS = 1_000;
const CLIENT_COLUMNS = 15;
const CLIENT_COLUMNS_MAX = 39;
/** A terminal with so many columns has room for IPv6 addresses. */
const WIDE = 110;
const TARGET_MAX = 4096;

/** Prints calls until Ctrl-C, `count` of them, or the end of the sensor (sensor-stopped). */
export async function tail(options: TailOptions): Promise<number> {
  const filter = filterOf(options);
  // What is wrong with it is told without a sensor too.
  compileCallFilter(filter);
  const columns = process.stdout.isTTY ? widthOf(process.stdout) : Number.POSITIVE_INFINITY;
  const colours = coloursOf(process.stdout);
  const lines = new TailLines(columns, colours);
  const isFull = options.full === true || options.bodyLines !== undefined;
  const style = { columns, colours, bodyLines: options.bodyLines ?? BODY_LINES_DEFAULT };
  const textOf = (call: CallLine): string => {
    // A sensor of another version may hand on lines alone.
    if (options.json) return safeJson(call.record ?? call);
    const line = lines.line(call);
    return isFull && call.record !== undefined ? [line, ...recordLines(call.record, style)].join('\n') : line;
  };
  const skipping = new Skipping(Object.keys(filter).length > 0);
  let left = options.count ?? Number.POSITIVE_INFINITY;
  let stop = (): void => {};
  let quiet: NodeJS.Timeout | undefined;
  const take = (calls: readonly CallLine[], skipped: number): void => {
    clearTimeout(quiet);
    const wanted = calls.slice(0, left);
    left -= wanted.length;
    if (wanted.length > 0) writeText(1, `${wanted.map(textOf).join('\n')}\n`);
    skipping.add(skipped);
    if (left === 0) stop();
  };
  const watch = await watchCalls(await controlPathOf(options), filter, take, options.json === true || isFull);
  stop = () => watch.stop();
  if (left === 0) stop();
  const fitting = Object.keys(filter).length > 0 ? ' that fits the filters' : '';
  quiet = setTimeout(() => {
    say(`earshot: no call${fitting} within ${QUIET_MS / 1000} s; earshot status and earshot doctor --live 10s say what comes\n`);
  }, QUIET_MS);
  const interruption = untilInterrupted();
  interruption.signal.addEventListener('abort', stop);
  if (process.stdout.isTTY && !options.json) writeText(1, lines.titles());
  try {
    await watch.ended;
  } finally {
    clearTimeout(quiet);
    skipping.end();
    interruption.release();
  }
  return 0;
}

function filterOf({ host, path, method, status, client, server, slower }: TailOptions): CallFilter {
  return {
    ...(host !== undefined && { host }),
    ...(path !== undefined && { path }),
    ...(method !== undefined && { method }),
    ...(status !== undefined && { status }),
    ...(client !== undefined && { client }),
    ...(server !== undefined && { server }),
    ...(slower !== undefined && { slowerMs: slower }),
  };
}

/** Says on standard error how many calls were skipped, not more often than once a second. */
class Skipping {
  readonly #isFiltered: boolean;
  #skipped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(isFiltered: boolean) {
    this.#isFiltered = isFiltered;
  }

  add(skipped: number): void {
    this.#skipped += skipped;
    if (this.#skipped === 0 || this.#timer !== undefined) return;
    this.#say();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.add(0);
    }, SKIPPED_EVERY_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
    if (this.#skipped > 0) this.#say();
  }

  #say(): void {
    const calls = `${count(this.#skipped)} call${this.#skipped === 1 ? '' : 's'}`;
    const filtered = this.#isFiltered ? '; some of them may fit the filters' : '';
    say(`earshot: skipped ${calls}, more than run.watchCallsPerSecondMax lets each worker hand on${filtered}\n`);
    this.#skipped = 0;
  }
}

/** Calls as aligned lines of at most `columns`: time (UTC), client, method, status, latency, sizes, status of gRPC, and whom for what. */
export class TailLines {
  readonly #columns: number;
  readonly #colours: Colours;
  readonly #clientMax: number;
  #client = CLIENT_COLUMNS;

  constructor(columns: number, colours: Colours) {
    this.#columns = columns;
    this.#colours = colours;
    this.#clientMax = columns >= WIDE ? CLIENT_COLUMNS_MAX : CLIENT_COLUMNS;
  }

  titles(): string {
    const text = this.#join('time (UTC)', 'client', 'method', 'sta', 'after', 'sent', 'got');
    return `${this.#colours.dim(`${text}host and path`)}\n`;
  }

  line(call: CallLine): string {
    const client = shown(call.clientIp ?? call.client, this.#clientMax);
    // Longer addresses make the column wider, for good.
    this.#client = Math.max(this.#client, client.length);
    const latency = call.latencyUs === undefined ? '-' : shortTime(Math.max(0, call.latencyUs)).replace(' ', '');
    const start = this.#join(
      shown(call.time.slice(11, 23), 12),
      client,
      shown(call.method ?? '-', 7),
      call.status === null ? '-' : shown(String(call.status), 3),
      latency,
      size(call.requestBytes),
      size(call.responseBytes),
    );
    const room = Math.max(8, Math.min(TARGET_MAX, this.#columns - start.length));
    const operation = call.operation === undefined ? '' : ` ${call.operation}`;
    const target = call.host === null && call.path === null ? '-' : `${call.host ?? ''}${call.path ?? ''}${operation}`;
    const line = `${start}${shown(`${this.#grpc(call.grpcStatus)}${target}`, room)}`;
    const paint = this.#paint(call);
    return paint === null ? line : paint(line);
  }

  #join(time: string, client: string, method: string, status: string, latency: string, sent: string, got: string): string {
    return `${time.padEnd(12)} ${client.padEnd(this.#client)} ${method.padEnd(6)} ${status.padEnd(3)} ${latency.padStart(6)} ${sent.padStart(4)} ${got.padStart(4)} `;
  }

  /** "grpc 5 NOT_FOUND ", the name where there is room for it. */
  #grpc(status: number | undefined): string {
    if (status === undefined) return '';
    const name = this.#columns >= WIDE ? grpcStatusNames[status] : undefined;
    return `grpc ${status}${name === undefined ? '' : ` ${name}`} `;
  }

  /** Errors stand out, the rest is plain. */
  #paint({ status, grpcStatus = 0 }: CallLine): ((text: string) => string) | null {
    if (status === null) return this.#colours.dim;
    if (status >= 500 || (grpcStatus !== 0 && isServerFault(grpcStatus))) return this.#colours.red;
    return status >= 400 || grpcStatus !== 0 ? this.#colours.yellow : null;
  }
}

/** Bytes in four columns: "0", "999", "1.2k", "34k", "5.6M". */
function size(bytes: number | null): string {
  if (bytes === null) return '-';
  if (bytes < 1000) return String(bytes);
  const power = Math.min(5, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  const text = value < 9.95 ? value.toFixed(1) : String(Math.floor(value));
  return `${text}${'kMGTP'[power - 1]}`;
}
