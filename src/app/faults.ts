/**
 * Faults: what is wrong with a running sensor at this moment, judged once a second from its report. A fault has the
 * code of a finding (app/doctor/findings.ts), so that documentation and doctor say the same of it.
 *
 * What is counted and happened a moment ago (drops, lost calls) stays a fault for a minute.
 */
import { deliveryFaults } from './delivery-faults.ts';
import { type FindingCode, findingKinds, severities } from './doctor/findings.ts';
import type { Fault, InterfaceReport, SensorReport } from './report.ts';
import { count, longTime, shortTime } from './units.ts';

const RECENT_MS = 60_000;
/** A sensor that has got nothing for so long is not where the packets are. */
const SILENT_MS = 60_000;
const SKEW_MS = 10_000;
/** Single packets among a million are counted, and no reason to wake anybody. */
const DROPPED_SHARE = 1e-5;
/** Less than that is a disk at work. */
const OUTPUT_LAG_MS = 10_000;

/** Of these there is one at most, whatever its text says. */
const unique: ReadonlySet<string> = new Set<FindingCode>(['config-rejected']);

export class Faults {
  /** The worst first. */
  list: readonly Fault[] = [];
  /** Packets can be taken. */
  ready = false;
  /** What each counter was at the looks of the last minute, the oldest first. */
  readonly #seen = new Map<string, { readonly value: number; readonly atMs: number }[]>();
  /** What a fault is known by from one look to the next: numbers in its text may change. */
  readonly #keys = new WeakMap<Fault, string>();
  /** Since when something has been so that is a fault only when it lasts. */
  readonly #sinceMs = new Map<string, number>();
  #unbalancedBefore = false;

  /** Judges anew. Returns what came and what went. */
  judge(report: SensorReport, own: readonly Fault[], outputFault: string, logErrors: number): { raised: Fault[]; ceased: Fault[] } {
    const before = this.list;
    const faults = [...own, ...this.#of(report, outputFault, logErrors)];
    const rank = ({ code }: Fault): number => severities.indexOf(findingKinds[code as FindingCode]?.severity ?? 'broken');
    this.list = faults.sort((a, b) => rank(a) - rank(b));
    // Behind a filter that the kernel refused a socket may be deaf.
    const isFiltered = !own.some(({ code }) => code === 'filter-invalid');
    this.ready = isFiltered && report.workers.some(({ state }) => state === 'running') && hears(report);
    const key = (fault: Fault): string => this.#keys.get(fault) ?? (unique.has(fault.code) ? fault.code : `${fault.code} ${fault.what}`);
    const old = new Set(before.map(key));
    const now = new Set(faults.map(key));
    return { raised: this.list.filter((fault) => !old.has(key(fault))), ceased: before.filter((fault) => !now.has(key(fault))) };
  }

  #of(report: SensorReport, outputFault: string, logErrors: number): Fault[] {
    const { sensor, interfaces, endpoints, workers, stages, weirds, ledger } = report;
    const faults: Fault[] = [];
    const add = (code: FindingCode, what: string, subject = '', next: string = findingKinds[code].next): void => {
      const fault = { code, what, next };
      this.#keys.set(fault, `${code} ${subject}`);
      faults.push(fault);
    };
    const grows = (name: string, value: number): number => this.#growth(name, value, sensor.nowAtMs);
    const upMs = sensor.nowAtMs - sensor.startedAtMs;
    if (stages.reader.read === 0 && upMs >= SILENT_MS && hears({ interfaces, endpoints }))
      add('no-packets', `not one packet has arrived since the start ${longTime(upMs)} ago`);
    for (const one of interfaces) {
      const fault = faultOf(one);
      if (fault !== null) add(fault[0], fault[1], one.name);
    }
    for (const { worker, state, restarts } of workers) {
      if (state === 'dead')
        add('worker-dead', `worker ${worker} died (${restarts} times so far) and is about to be started again`, `${worker}`);
      if (state === 'stuck') add('worker-stuck', `worker ${worker} gives no sign of life`, `${worker}`);
    }
    const dropped = grows('kernel', stages.reader.kernelDropped);
    if (dropped > DROPPED_SHARE * (dropped + grows('read', stages.reader.read)))
      add('kernel-drops', `the kernel dropped ${count(dropped)} packets within the last minute: rings or buffers were full`);
    const shedding = Math.max(0, ...workers.map((worker) => worker.shedding));
    if (shedding > 0) add('shedding', `up to ${Math.ceil(shedding * 100)} % of the flows of a worker are left out: it cannot keep up`);
    if (outputFault !== '') add('output-failing', `calls cannot be written: ${outputFault}`, outputFault);
    const isOutput = stages.sink.to === 'output';
    const lost = grows('lost', isOutput ? stages.sink.lost : 0);
    if (lost > 0 && outputFault === '')
      add('output-failing', `${count(lost)} calls were lost within the last minute: the output is too slow`);
    if (grows('log', logErrors) > 0) add('log-failing', 'log lines cannot be written to their file');
    if (isOutput && outputFault === '' && stages.sink.lagMs >= OUTPUT_LAG_MS)
      add('output-behind', `calls wait ${shortTime(stages.sink.lagMs * 1000)} for the output`);
    deliveryFaults(report, { add, grows, lastsMs: (name, holds) => this.#lastsMs(name, holds, sensor.nowAtMs) });
    const behind = workers.find(({ packets, lagMs, packetsPerS }) => packets > 0 && packetsPerS > 0 && lagMs > SKEW_MS);
    if (behind !== undefined)
      add('clock-skew', `packets of worker ${behind.worker} are ${Math.round(behind.lagMs / 1000)} s behind the clock`);
    const unbalanced = ledger.find(({ balances }) => !balances);
    if (unbalanced !== undefined && this.#unbalancedBefore) add('books-unbalanced', `${unbalanced.name} do not add up`, unbalanced.name);
    this.#unbalancedBefore = unbalanced !== undefined;
    const bugs = weirds['sensor.bug'] ?? 0;
    if (bugs > 0) add('sensor-bug', `${count(bugs)} packets hit a fault of Earshot itself`);
    return faults;
  }

  #lastsMs(name: string, holds: boolean, nowMs: number): number {
    if (!holds) {
      this.#sinceMs.delete(name);
      return 0;
    }
    const sinceMs = Math.min(this.#sinceMs.get(name) ?? nowMs, nowMs);
    this.#sinceMs.set(name, sinceMs);
    return nowMs - sinceMs;
  }

  /** By how much a counter grew within the last minute. What it had at the first look counts as new. */
  #growth(name: string, value: number, nowMs: number): number {
    let seen = this.#seen.get(name);
    // A clock that was set back makes nonsense of the times: the minute begins anew.
    if (seen === undefined || nowMs < seen[seen.length - 1].atMs) {
      seen = [{ value: seen === undefined ? 0 : seen[0].value, atMs: nowMs }];
      this.#seen.set(name, seen);
    }
    seen.push({ value, atMs: nowMs });
    while (seen.length > 1 && nowMs - seen[1].atMs >= RECENT_MS) seen.shift();
    return Math.max(0, value - seen[0].value);
  }
}

/** Something that packets can come through. */
function hears({ interfaces, endpoints }: Pick<SensorReport, 'interfaces' | 'endpoints'>): boolean {
  return endpoints.length > 0 || interfaces.some(({ state }) => state === 'up');
}

function faultOf({ name, pattern, state }: InterfaceReport): [FindingCode, string] | null {
  switch (state) {
    case 'missing':
      if (/[*?]/.test(pattern)) return name === pattern ? ['interface-unmatched', `no interface fits ${pattern}`] : null;
      return ['interface-missing', `the interface ${name} does not exist`];
    case 'down':
      return ['interface-down', `the interface ${name} is switched off`];
    case 'no-carrier':
      return ['interface-no-carrier', `the interface ${name} has no link`];
    default:
      return null;
  }
}
