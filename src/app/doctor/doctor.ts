/**
 * `earshot doctor`: walks the path of a packet and names the first step that is broken, with what to do.
 *
 *   inspect what is there  ->  ask the running sensor  ->  try the ways to the sinks  ->  listen, or let it listen (--live)
 *   ->  diagnose  ->  say
 */
import { setTimeout } from 'node:timers/promises';
import { loadSettings, loadText } from '../../base/config.ts';
import { SensorError } from '../../base/errors.ts';
import { defaultSettings, type Settings } from '../../base/settings.ts';
import { ask } from '../control/client.ts';
import { controlPath } from '../control/path.ts';
import { sourcesOf } from '../named-sources.ts';
import { writeText } from '../output.ts';
import type { SensorReport } from '../report.ts';
import { coloursOf, widthOf } from '../terminal.ts';
import type { ConfigurationEvidence, Evidence, Refusal, Traffic } from './evidence.ts';
import { inspectEndpoints, inspectFilter, inspectInterfaces, inspectRights, refusalOf } from './inspect.ts';
import { inspectDelivery } from './inspect-delivery.ts';
import { renderDiagnosis } from './render.ts';
import { trafficBetween } from './sensor-traffic.ts';
import { type Diagnosis, diagnose } from './steps.ts';

export interface DoctorOptions {
  /** Seconds to listen. */
  readonly live?: number;
  readonly json?: boolean;
  readonly config?: string;
  readonly interface?: readonly string[];
  readonly endpoint?: readonly string[];
  /** Path of the control socket. */
  readonly socket?: string;
}

const EXIT_BROKEN = 1;
/** What is known of a sensor that answered before the doctor listened, and not afterwards. */
const GONE = { sensor: null, sensorSilent: 'it ended while the doctor listened', sensorEnded: true };

/** Prints the diagnosis; returns the exit code: 0 nothing is broken, 1 something is. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const diagnosis = diagnose(await gather(options));
  writeText(1, options.json ? `${JSON.stringify(plain(diagnosis), null, 2)}\n` : rendered(diagnosis));
  return diagnosis.ok ? 0 : EXIT_BROKEN;
}

function rendered(diagnosis: Diagnosis): string {
  return renderDiagnosis(diagnosis, coloursOf(process.stdout), widthOf(process.stdout));
}

/** What --json prints. */
function plain({ ok, first, steps, findings }: Diagnosis): object {
  return { ok, first: first?.code ?? null, steps: steps.map(({ step, verdict, evidence }) => ({ step, verdict, evidence })), findings };
}

async function gather(options: DoctorOptions): Promise<Evidence> {
  let { settings, path, refused } = readSettings(options.config);
  const { report: sensor, silent } = await askSensor(options.socket ?? controlPath(settings.control.socket));
  if (options.config === undefined && sensor !== null && sensor.sensor.configuration !== '') {
    ({ settings, path, refused } = readSettings(sensor.sensor.configuration));
  }
  settings = named(settings, options, sensor);
  const { capture } = settings;
  const { rights, memory } = inspectRights(settings);
  const evidence = {
    configuration: configurationOf(path, refused, settings),
    rights,
    memory,
    interfaces: inspectInterfaces(settings),
    endpoints: inspectEndpoints(settings, sensor),
    filter: inspectFilter(settings),
    // Before anybody listens: what is sent here is no traffic of others.
    delivery: await inspectDelivery(settings),
    sensor,
    sensorSilent: silent,
    isLive: options.live !== undefined,
  };
  const seconds = options.live ?? 0;
  if (seconds === 0 || capture.interfaces.length + capture.endpoints.length === 0) return { ...evidence, traffic: null };
  if (sensor !== null && (rights.refused !== null || evidence.endpoints.some((p) => p.heldBySensor))) {
    const { traffic, report } = await letListen(options.socket ?? controlPath(settings.control.socket), sensor, seconds);
    return report === null ? { ...evidence, ...GONE, traffic } : { ...evidence, sensor: report, traffic };
  }
  const usable = whatCanBeHeard(settings, evidence);
  if (usable === null) return { ...evidence, traffic: null };
  const { listen } = await import('./listen.ts');
  const before = await askAgain(options, settings, sensor);
  const beside = capture.interfaces.length === 0 || evidence.filter.lists || capture.filter !== '';
  let traffic: Traffic = listen(usable, seconds, beside);
  const after = await askAgain(options, settings, sensor);
  if (before !== null && after !== null) {
    traffic = { ...traffic, sensorMeanwhile: trafficBetween(before, after).sensorMeanwhile };
  }
  return sensor !== null && after === null ? { ...evidence, ...GONE, traffic } : { ...evidence, sensor: after, traffic };
}

function configurationOf(path: string, refused: Refusal | null, { capture, decode }: Settings): ConfigurationEvidence {
  const { interfaces, endpoints } = capture;
  const { vxlanPorts, genevePorts } = decode;
  return { path, refused, interfaces, endpoints, vxlanPorts, genevePorts };
}

/** The defaults where there is no configuration, or one that cannot be read: the rest can be looked at all the same. */
function readSettings(path: string | undefined): { settings: Settings; path: string; refused: Refusal | null } {
  if (path === undefined) return { settings: defaultSettings, path: '', refused: null };
  try {
    return { settings: loadSettings(path), path, refused: null };
  } catch (error) {
    return { settings: { ...defaultSettings, control: { socket: socketIn(path) } }, path, refused: refusalOf(error) };
  }
}

/** The control socket that a configuration names which is broken elsewhere; "" when that cannot be told. */
function socketIn(path: string): string {
  try {
    return loadText(path, ['control', 'socket']) ?? '';
  } catch {
    return '';
  }
}

/** What the command line names; else what the configuration does; else what the running sensor listens to. */
function named(settings: Settings, options: DoctorOptions, sensor: SensorReport | null): Settings {
  const { capture } = settings;
  let { interfaces, endpoints } = sourcesOf(options, settings);
  if (interfaces.length + endpoints.length === 0 && sensor !== null) {
    interfaces = [...new Set(sensor.interfaces.map(({ pattern }) => pattern))];
    endpoints = sensor.endpoints.map(({ url }) => url);
  }
  return { ...settings, capture: { ...capture, interfaces, endpoints } };
}

/** The settings without what is refused; null when nothing is left. */
function whatCanBeHeard(settings: Settings, { rights, memory, filter, endpoints }: Omit<Evidence, 'traffic'>): Settings | null {
  const { capture } = settings;
  const usable = {
    ...capture,
    interfaces: rights.refused !== null || memory.refused !== null ? [] : capture.interfaces,
    endpoints: endpoints.filter((p) => p.refused === null && !p.heldBySensor).map(({ url }) => url),
    filter: filter.refused === null ? capture.filter : '',
  };
  return usable.interfaces.length + usable.endpoints.length === 0 ? null : { ...settings, capture: usable };
}

async function askSensor(path: string): Promise<{ report: SensorReport | null; silent: string }> {
  try {
    return { report: (await ask(path, { command: 'report' })).report, silent: '' };
  } catch (error) {
    if (!(error instanceof SensorError)) throw error;
    return { report: null, silent: `${error.why} (${path})` };
  }
}

async function askAgain(options: DoctorOptions, settings: Settings, sensor: SensorReport | null): Promise<SensorReport | null> {
  return sensor === null ? null : (await askSensor(options.socket ?? controlPath(settings.control.socket))).report;
}

/** Where the sensor holds what is to be heard: its own counters, before and after. */
async function letListen(
  path: string,
  before: SensorReport,
  seconds: number,
): Promise<{ traffic: Traffic | null; report: SensorReport | null }> {
  await setTimeout(seconds * 1000);
  const { report } = await askSensor(path);
  return { traffic: report === null ? null : trafficBetween(before, report), report };
}
