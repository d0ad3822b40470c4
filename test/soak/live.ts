/**
 * The soak of the live sensor: `earshot run` under steady load for a long time, with a constant eye on its memory.
 *
 *   tcpreplay, a third of what the sender can -> wire === eni0 -> earshot run, as shipped, calls to /dev/null
 *
 * It fails when the sensor does not end with 0, when the books do not balance, when a fault of Earshot itself or a call
 * that could not be written was counted, and when memory grows by more than GROWTH_MIB_PER_H_MAX in a run of which half
 * is long enough to say so. Kernel drops and calls found are printed: on a machine that others use they are not its fault.
 */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotReplay, DEVICE, layWire, loadOf, measureLimit, roundsFor, SENDER } from '../../bench/live.ts';
import { replay } from '../../bench/replay.ts';
import { LiveSensor } from '../support/live-sensor.ts';

const SAMPLE_MS = 10_000;
const LIMIT_SECONDS = 5;
const LOAD_SHARE = 1 / 3;
const GROWTH_MIB_PER_H_MAX = 10;
/** Half of a shorter run is over before the heaps have found their size. */
const JUDGED_MINUTES = 20;

interface Sample {
  readonly hours: number;
  readonly mib: number;
}

/** Resident memory of a process, MiB. */
function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Slope of the straight line with the least squares through the samples, and its standard error; MiB an hour. */
function slopeOf(samples: readonly Sample[]): { slope: number; error: number } {
  const n = samples.length;
  const meanHours = samples.reduce((sum, { hours }) => sum + hours, 0) / n;
  const meanMiB = samples.reduce((sum, { mib }) => sum + mib, 0) / n;
  const spread = samples.reduce((sum, { hours }) => sum + (hours - meanHours) ** 2, 0);
  const slope = samples.reduce((sum, { hours, mib }) => sum + (hours - meanHours) * (mib - meanMiB), 0) / spread;
  const residue = samples.reduce((sum, { hours, mib }) => sum + (mib - meanMiB - slope * (hours - meanHours)) ** 2, 0);
  return { slope, error: Math.sqrt(residue / (n - 2) / spread) };
}

/** Runs the soak and prints its result; false when it failed. */
export async function soakLive(minutes: number, mbpsWanted?: number): Promise<boolean> {
  const reason = cannotReplay();
  if (reason !== false) {
    console.log(`the live soak cannot run here: ${reason}`);
    return false;
  }
  const load = loadOf(600, 1);
  const wire = layWire();
  try {
    const mbps = mbpsWanted ?? (await measureLimit({ wire, load, seconds: LIMIT_SECONDS }, 1)).mbps * LOAD_SHARE;
    const sensor = await LiveSensor.start(wire.sensor, wire.network.folder, {
      settings: { capture: { interfaces: [DEVICE] }, output: { file: '/dev/null' } },
    });
    const pid = sensor.child.pid ?? 0;
    const startedMs = performance.now();
    const samples: Sample[] = [];
    const sample = (): void => {
      const one = { hours: (performance.now() - startedMs) / 3_600_000, mib: residentMiB(pid) };
      samples.push(one);
      if (samples.length % 30 === 1) console.log(`  ${(one.hours * 60).toFixed(0).padStart(3)} min ${one.mib.toFixed(1).padStart(7)} MiB`);
    };
    const timer = setInterval(sample, SAMPLE_MS);
    const rounds = roundsFor(load, mbps, minutes * 60);
    console.log(`live soak: ${rounds} times ${load.calls} calls at ${mbps.toFixed(0)} Mbit/s`);
    const sent = await replay(wire.sender, load.capture, { mbps, rounds, seconds: minutes * 60, processor: SENDER });
    clearInterval(timer);
    const quiet = await sensor.untilQuiet();
    // Two reports and a look of the sensor at itself.
    await sleep(2500);
    const { code, log } = await sensor.stop();
    const last = log.find(({ message }) => message === 'stopped') ?? {};
    const of = (name: string): number => Number((last as Record<string, unknown>)[name] ?? Number.NaN);
    const { slope, error } = slopeOf(samples.slice(samples.length >> 1));
    const flat = minutes < JUDGED_MINUTES ? 'not judged, the run is too short' : slope <= GROWTH_MIB_PER_H_MAX ? 'held' : 'MISSED';
    const bugs = quiet.weirds['sensor.bug'] ?? 0;
    const wrong = [
      code !== 0 && `it ended with ${code}`,
      of('balancesOff') !== 0 && `${of('balancesOff')} balances are off`,
      quiet.ledger.some(({ balances }) => !balances) && 'the ledger of the last report does not balance',
      bugs !== 0 && `${bugs} faults of Earshot itself`,
      of('sinkLost') !== 0 && `${of('sinkLost')} calls could not be written`,
      of('workerRestarts') !== 0 && `${of('workerRestarts')} workers died`,
      flat === 'MISSED' && 'memory grows',
    ].filter((text) => text !== false);
    const most = Math.max(...samples.map(({ mib }) => mib));
    const rows: readonly (readonly [string, string])[] = [
      ['sent', `${sent.packets} packets, ${sent.mbps.toFixed(0)} Mbit/s for ${(sent.seconds / 60).toFixed(1)} min`],
      ['read', `${of('packetsRead')} packets`],
      ['kernel drops', `${of('packetsKernelDropped')} (${((of('packetsKernelDropped') / sent.packets) * 100).toFixed(4)} %)`],
      ['shed', `${of('packetsShed')} packets`],
      ['calls', `${of('sinkWritten')} of ${rounds * load.calls} (${((of('sinkWritten') / rounds / load.calls) * 100).toFixed(3)} %)`],
      ['processor', `${((of('cpuMs') / of('upMs')) * 100).toFixed(0)} % of one`],
      ['memory', `${samples.at(-1)?.mib.toFixed(1)} MiB at the end, ${most.toFixed(1)} at most, ring of 64 included`],
      ['memory growth', `${slope.toFixed(1)} MiB/h, standard error ${error.toFixed(1)}, of at most ${GROWTH_MIB_PER_H_MAX}: ${flat}`],
      ['ledger', of('balancesOff') === 0 ? `balances: ${quiet.ledger.map(({ name, total }) => `${name} ${total}`).join(', ')}` : 'OFF'],
      ['end', `exit code ${code}`],
    ];
    for (const [name, text] of rows) console.log(`  ${name.padEnd(14)} ${text}`);
    console.log(wrong.length === 0 ? 'live soak passed' : `live soak FAILED: ${wrong.join(', ')}`);
    return wrong.length === 0;
  } finally {
    await wire.network.remove();
  }
}
