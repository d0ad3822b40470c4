/**
 * `earshot run`: the service. Reads the configuration, starts the sensor, and obeys signals:
 *
 *   SIGTERM, SIGINT   stop: read what is in the rings, write it, end. The second one ends at once.
 *   SIGHUP            read the configuration again
 */
import { loadSettings } from '../base/config.ts';
import { SensorError } from '../base/errors.ts';
import { defaultSettings, type LogLevel, type Settings } from '../base/settings.ts';
import { type Log, openLog } from './log.ts';
import { sourcesOf } from './named-sources.ts';
import { Sensor } from './sensor.ts';

/** What an operating system says of a process that a signal ended. */
const EXIT_KILLED = 128;
const SAME_SIGNAL_MS = 300;
const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;

export interface RunOptions {
  readonly config?: string;
  readonly interface?: readonly string[];
  readonly endpoint?: readonly string[];
  readonly workers?: number;
  readonly output?: string;
  readonly socket?: string;
  readonly logLevel?: LogLevel;
}

/** What the command line says goes over what the file says. */
function overridden(settings: Settings, options: RunOptions): Settings {
  const { capture, run, output, control, log } = settings;
  return {
    ...settings,
    capture: { ...capture, ...sourcesOf(options, settings) },
    run: { ...run, workers: options.workers ?? run.workers },
    output: { ...output, file: options.output ?? output.file },
    control: { ...control, socket: options.socket ?? control.socket },
    log: { ...log, level: options.logLevel ?? log.level },
  };
}

/** Runs until it is told to stop; returns the exit code. Throws SensorError for what the operator has to mend. */
export async function run(options: RunOptions): Promise<number> {
  const override = (settings: Settings): Settings => overridden(settings, options);
  const settings = override(options.config === undefined ? defaultSettings : loadSettings(options.config));
  const log = openLog(settings.log);
  // As of any command in a pipe: who nobody reads has nothing more to do.
  const onOutputGone = (): void => {
    log.warn('the reader of standard output has gone away; stopping');
    process.kill(process.pid, 'SIGTERM');
  };
  const sensor = new Sensor({ settings, configuration: options.config ?? '', log, override, onOutputGone });
  let code = 0;
  try {
    const started = sensor.start();
    const stopped = obey(sensor, log, started);
    // A start that never comes to its end is ended by the second signal.
    await Promise.race([started, stopped]);
    code = await stopped;
  } catch (error) {
    if (error instanceof SensorError && settings.log.file !== '') log.error(error.message, { code: error.code });
    throw error;
  } finally {
    await log.close();
  }
  // What is still open, an output that takes nothing for example, must not keep the process.
  if (code > EXIT_KILLED) process.exit(code);
  return code;
}

/** Resolves with the exit code once a signal has stopped the sensor. It is stopped when it has started, not before. */
function obey(sensor: Sensor, log: Log, started: Promise<void>): Promise<number> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    let stoppingSinceMs = 0;
    const stop = (signal: 'SIGTERM' | 'SIGINT'): void => {
      if (stopping) {
        // Many who send a signal send it to the process and to its group: that is one request.
        if (performance.now() - stoppingSinceMs < SAME_SIGNAL_MS) return;
        log.warn('stopped at once by a second signal; what was not read and written is lost', { signal });
        sensor.workers.kill().then(() => resolve(EXIT_KILLED + signalNumbers[signal]), reject);
        return;
      }
      stopping = true;
      stoppingSinceMs = performance.now();
      log.info(`${signal} received`);
      started.then(() => sensor.stop()).then(() => resolve(0), reject);
    };
    process.on('SIGTERM', () => stop('SIGTERM'));
    process.on('SIGINT', () => stop('SIGINT'));
    process.on('SIGHUP', () => {
      if (stopping) return;
      started
        .then(() => sensor.reload())
        .catch((error: unknown) => log.error('a reload hit a fault of Earshot itself', { reason: String(error) }));
    });
  });
}
