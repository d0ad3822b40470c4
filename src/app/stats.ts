/** `earshot stats`: the block of the three stages, once or again and again. */
import { SensorError } from '../base/errors.ts';
import { ask, stopped } from './control/client.ts';
import { type ControlOptions, controlPathOf } from './control/path.ts';
import { LiveScreen, pause, untilInterrupted } from './live-screen.ts';
import { writeText } from './output.ts';
import type { SensorReport } from './report.ts';
import { safeJson } from './safe-json.ts';
import { statsBlock } from './stats-block.ts';
import { coloursOf, widthOf } from './terminal.ts';

export interface StatsOptions extends ControlOptions {
  /** Seconds between two blocks; true: one. */
  readonly watch?: number | true;
  readonly json?: boolean;
  /** All rules of the pipelines. */
  readonly rules?: boolean;
}

/** Prints the block; with `watch` until Ctrl-C, or until the sensor stops (sensor-stopped). */
export async function stats(options: StatsOptions): Promise<number> {
  const path = await controlPathOf(options);
  const text = async (): Promise<string> => {
    const { report } = await ask(path, { command: 'report' });
    if (options.json) return jsonOf(report);
    return statsBlock(report, { columns: widthOf(process.stdout), colours: coloursOf(process.stdout), rules: options.rules === true });
  };
  const first = await text();
  if (options.watch === undefined) {
    writeText(1, first);
    return 0;
  }
  const screen = new LiveScreen();
  const draw = (block: string): void => (options.json ? writeText(1, block) : screen.draw(block));
  const interruption = untilInterrupted();
  try {
    draw(first);
    const intervalMs = 1000 * (options.watch === true ? 1 : options.watch);
    while (await pause(intervalMs, interruption.signal)) draw(await text());
  } catch (error) {
    throw error instanceof SensorError && error.code === 'not-running' ? stopped() : error;
  } finally {
    screen.end();
    interruption.release();
  }
  return 0;
}

/** What docs/protocols.md says of each protocol; the other counters are in the stages. */
const PROTOCOL_COUNTER = /^(grpc|http2|websocket|messages)[.]/;

function jsonOf({ sensor, stages, pipelines, delivery, ship, counters, ledger }: SensorReport): string {
  const [time, startedAt] = [sensor.nowAtMs, sensor.startedAtMs].map((ms) => new Date(ms).toISOString());
  const protocols = Object.fromEntries(Object.entries(counters).filter(([name]) => PROTOCOL_COUNTER.test(name)));
  return `${safeJson({ time, startedAt, stages, protocols, pipelines, delivery, ship, ledger })}\n`;
}
