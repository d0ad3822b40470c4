/**
 * Makes the report (app/report.ts) out of what the parts of a sensor know. Plain sums: no part is asked to wait.
 */
import { type Balance, balances } from '../base/ledger.ts';
import type { InterfaceCounts } from '../capture/ring.ts';
import { deliveryBalance } from '../ship/delivery-state.ts';
import type { CallsOutput } from './calls-output.ts';
import type { Heard, Listening } from './listening.ts';
import {
  type DeliveryReport,
  type EndpointReport,
  type Fault,
  type InterfaceReport,
  type PipelineReport,
  RULES_SHOWN_MAX,
  type RuleReport,
  type SensorReport,
  type StagesReport,
  type WorkerReport,
} from './report.ts';
import type { Shipping } from './shipping.ts';
import { sumTls } from './tls-report.ts';
import type { Pulse } from './worker-link.ts';
import type { WorkerLife } from './workers.ts';

/** What a pipeline does with calls that no rule fits (policy/filter/filters.ts). */
const OTHERWISE = 'otherwise';

export interface PipelineParts {
  readonly name: string;
  readonly sinks: readonly string[];
  readonly rules: readonly { readonly name: string; readonly action: 'include' | 'exclude' }[];
}

export type ShippingParts = Pick<
  Shipping,
  'received' | 'lost' | 'withDead' | 'lostInSpool' | 'offered' | 'underWay' | 'report' | 'restarts' | 'isRunning'
>;

export interface ReportParts {
  readonly sensor: SensorReport['sensor'];
  readonly listening: Listening;
  readonly lives: readonly WorkerLife[];
  readonly output: CallsOutput | null;
  readonly shipping: ShippingParts | null;
  /** In the order of their route bits, and the rules of each. */
  readonly pipelines: readonly PipelineParts[];
  readonly faults: readonly Fault[];
  readonly ready: boolean;
  /** All packets have been read: nothing may be unaccounted for. */
  readonly ended: boolean;
}

export function makeReport(parts: ReportParts): SensorReport {
  const { listening, lives } = parts;
  const counters = sums(lives, (life) => [...life.pastCounters, ...(life.pulse?.counters ?? [])]);
  const weirds = sums(lives, (life) => [...life.pastWeirds, ...(life.pulse?.weirds ?? [])]);
  return {
    sensor: parts.sensor,
    health: { ready: parts.ready, faults: parts.faults },
    interfaces: listening.heard.map((heard) => interfaceReport(heard, lives)),
    endpoints: endpointReports(listening, lives),
    workers: lives.map((life) => workerReport(life, listening)),
    stages: stages(counters, parts),
    pipelines: parts.pipelines.map((pipeline) => pipelineReport(counters, pipeline)),
    delivery: deliveryReport(parts.shipping),
    ship: parts.shipping?.report ?? null,
    counters: Object.fromEntries(counters),
    weirds: Object.fromEntries(weirds),
    tls: sumTls(lives.flatMap(({ tls, pastTls }) => (tls === null ? [pastTls] : [pastTls, tls]))),
    ledger: ledger(counters, parts),
  };
}

function sums(lives: readonly WorkerLife[], of: (life: WorkerLife) => Iterable<readonly [string, number]>): Map<string, number> {
  const sum = new Map<string, number>();
  for (const life of lives) for (const [name, n] of of(life)) if (n !== 0) sum.set(name, (sum.get(name) ?? 0) + n);
  return sum;
}

/** Sum over a counter and all its reasons. */
function allOf(counters: ReadonlyMap<string, number>, name: string): number {
  let sum = 0;
  for (const [key, n] of counters) if (key === name || key.startsWith(`${name}{`)) sum += n;
  return sum;
}

/** Increase per second from the pulse before to the last one. */
function rate(life: WorkerLife, of: (pulse: Pulse) => number): number {
  const { pulse, before } = life;
  if (pulse === null || before === null || pulse.atMs <= before.atMs || Date.now() - pulse.atMs > 5000) return 0;
  return Math.max(0, ((of(pulse) - of(before)) * 1000) / (pulse.atMs - before.atMs));
}

function counterOf(pulse: Pulse, name: string): number {
  return pulse.counters.find(([key]) => key === name)?.[1] ?? 0;
}

function rateOf(lives: readonly WorkerLife[], name: string): number {
  return lives.reduce((sum, life) => sum + rate(life, (pulse) => counterOf(pulse, name)), 0);
}

const byIndex = new WeakMap<Pulse, ReadonlyMap<number, InterfaceCounts>>();

/** What came by each interface, made once for a pulse: there may be many interfaces. */
function countsByIndex(pulse: Pulse): ReadonlyMap<number, InterfaceCounts> {
  let map = byIndex.get(pulse);
  if (map === undefined) {
    map = new Map(pulse.interfaces.map((one) => [one.index, one]));
    byIndex.set(pulse, map);
  }
  return map;
}

function interfaceReport(heard: Heard, lives: readonly WorkerLife[]): InterfaceReport {
  const mine = (pulse: Pulse, what: 'packets' | 'bytes'): number =>
    heard.indexes.reduce((sum, index) => sum + (countsByIndex(pulse).get(index)?.[what] ?? 0), 0);
  const total = (what: 'packets' | 'bytes'): number =>
    lives.reduce((sum, { pulse, pastInterfaces }) => {
      const past = heard.indexes.reduce((n, index) => n + (pastInterfaces.get(index)?.[what] ?? 0), 0);
      return sum + past + (pulse === null ? 0 : mine(pulse, what));
    }, 0);
  const { name, pattern, state, mtu, losses } = heard;
  return {
    name,
    pattern,
    state,
    mtu,
    packets: total('packets'),
    bytes: total('bytes'),
    packetsPerS: lives.reduce((sum, life) => sum + rate(life, (pulse) => mine(pulse, 'packets')), 0),
    bytesPerS: lives.reduce((sum, life) => sum + rate(life, (pulse) => mine(pulse, 'bytes')), 0),
    losses,
  };
}

function endpointReports(listening: Listening, lives: readonly WorkerLife[]): EndpointReport[] {
  return listening.endpoints.map((endpoint, i) => {
    const total = (what: 'packets' | 'bytes'): number =>
      lives.reduce((sum, { pulse, pastEndpoints }) => sum + (pastEndpoints[i]?.[what] ?? 0) + (pulse?.endpoints[i]?.[what] ?? 0), 0);
    const perS = (what: 'packets' | 'bytes'): number =>
      lives.reduce((sum, life) => sum + rate(life, (pulse) => pulse.endpoints[i]?.[what] ?? 0), 0);
    return {
      url: endpoint.url,
      packets: total('packets'),
      bytes: total('bytes'),
      packetsPerS: perS('packets'),
      bytesPerS: perS('bytes'),
      kernelDropped: listening.endpointDropsOf(endpoint).reduce((a, b) => a + b, 0),
      receiveBufferBytes: endpoint.receiveBufferBytes,
      receiveBufferBytesWanted: listening.receiveBufferBytesWanted,
    };
  });
}

function pipelineReport(counters: ReadonlyMap<string, number>, { name, sinks, rules }: PipelineParts): PipelineReport {
  const of = (counter: string): number => counters.get(counter) ?? 0;
  const sumOf = (prefix: string): number => [...counters].reduce((sum, [key, n]) => (key.startsWith(prefix) ? sum + n : sum), 0);
  const included = sumOf(`calls.included{${name}/`);
  const excluded = sumOf(`calls.excluded{${name}/`);
  const sampledOut = of(`calls.sampledOut{${name}}`);
  const callsOf = (rule: PipelineParts['rules'][number]): RuleReport => ({
    name: rule.name,
    action: rule.action,
    calls: of(`calls.${rule.action}d{${name}/${rule.name}}`),
  });
  // A counter belongs to the name: rules of both files with the same one share it.
  const distinct = new Map(rules.map((rule) => [`${rule.action} ${rule.name}`, rule]));
  const otherwise = (['include', 'exclude'] as const)
    .filter((action) => !distinct.has(`${action} ${OTHERWISE}`))
    .map((action) => callsOf({ name: OTHERWISE, action }))
    .filter(({ calls }) => calls > 0);
  const listed = [...[...distinct.values()].slice(0, RULES_SHOWN_MAX).map(callsOf), ...otherwise];
  return {
    name,
    sinks,
    passed: included - sampledOut,
    filteredOut: excluded,
    sampledOut,
    rules: listed,
    otherRulesCalls: included + excluded - listed.reduce((sum, { calls }) => sum + calls, 0),
  };
}

function deliveryReport(shipping: ReportParts['shipping']): DeliveryReport | null {
  if (shipping === null) return null;
  const { received, restarts, isRunning } = shipping;
  return { isRunning, restarts, received, lost: lostBeforeSpool(shipping) };
}

function lostBeforeSpool({ lost, withDead, lostInSpool }: ShippingParts): number {
  return lost + withDead + lostInSpool;
}

function workerReport(life: WorkerLife, listening: Listening): WorkerReport {
  const { worker, state, restarts, pulse } = life;
  const endpointDrops = listening.endpoints.reduce((sum, endpoint) => sum + (listening.endpointDropsOf(endpoint)[worker] ?? 0), 0);
  return {
    worker,
    state,
    restarts,
    packets: life.counter('packets.received'),
    packetsPerS: rate(life, (p) => counterOf(p, 'packets.received')),
    callsPerS: rate(life, (p) => counterOf(p, 'calls.seen')),
    kernelDropped: (listening.kernel[worker]?.dropped ?? 0) + endpointDrops,
    ringFill: pulse?.ringFill ?? 0,
    shedding: pulse?.shedding ?? 0,
    cpu: rate(life, (p) => p.cpuMs) / 1000,
    flows: pulse?.flows ?? 0,
    callsInFlight: pulse?.callsInFlight ?? 0,
    lagMs: Math.max(0, pulse?.lagMs ?? 0),
  };
}

/** Packets that were dropped for what they are, not for what is wrong with them. */
const BY_DESIGN = ['udp', 'icmp', 'arp', 'other-ip', 'not-ip', 'fragment', 'quic', 'filter'];

function stages(counters: ReadonlyMap<string, number>, parts: ReportParts): StagesReport {
  const { lives, output, listening } = parts;
  const of = (name: string): number => counters.get(name) ?? 0;
  const sum = (name: string): number => allOf(counters, name);
  const own = of('packets.dropped{own}');
  const shed = of('packets.dropped{shed}');
  const other = BY_DESIGN.reduce((n, reason) => n + of(`packets.dropped{${reason}}`), 0);
  const endpointDrops = listening.endpoints.flatMap((endpoint) => listening.endpointDropsOf(endpoint));
  return {
    reader: {
      read: of('packets.received'),
      readPerS: rateOf(lives, 'packets.received'),
      bytes: of('packets.bytes'),
      bytesPerS: rateOf(lives, 'packets.bytes'),
      kernelDropped: [...listening.kernel.map(({ dropped }) => dropped), ...endpointDrops].reduce((a, b) => a + b, 0),
      own,
      shed,
      other,
      errors: sum('packets.dropped') - own - shed - other,
    },
    pipeline: {
      received: of('calls.seen'),
      receivedPerS: rateOf(lives, 'calls.seen'),
      filteredOut: sum('calls.filtered'),
      duplicate: of('calls.duplicate'),
      valid: of('calls.complete'),
      incomplete: sum('calls.incomplete'),
      gaps: of('gaps.count'),
      gapBytes: of('gaps.bytes'),
      flows: lives.reduce((n, { pulse }) => n + (pulse?.flows ?? 0), 0),
      callsInFlight: lives.reduce((n, { pulse }) => n + (pulse?.callsInFlight ?? 0), 0),
    },
    sink: output === null ? sinksStage(parts) : outputStage(output, lives),
  };
}

function outputStage(output: CallsOutput, lives: readonly WorkerLife[]): StagesReport['sink'] {
  const { received, written, bytes, errors, lost, queueBytes, lagMs } = output;
  // What the workers hand over is what is written, as long as the output takes anything.
  const writtenPerS = output.fault === '' ? rateOf(lives, 'calls.written') : 0;
  return { to: 'output', received, written, writtenPerS, bytes, errors, lost, queueBytes, lagMs };
}

/** The sum over all sinks: a call that goes to two of them counts twice. */
function sinksStage({ shipping, sensor }: ReportParts): StagesReport['sink'] {
  const sinks = shipping?.report?.sinks ?? [];
  const sum = (of: (sink: (typeof sinks)[number]) => number): number => sinks.reduce((n, sink) => n + of(sink), 0);
  const ages = sinks.map(({ oldestWaitingAtMs }) => (oldestWaitingAtMs === 0 ? 0 : sensor.nowAtMs - oldestWaitingAtMs));
  return {
    to: shipping === null ? 'nothing' : 'sinks',
    received: sum(({ received }) => received),
    written: sum(({ written }) => written),
    writtenPerS: sum(({ ratePerS }) => ratePerS),
    bytes: sum(({ bytes }) => bytes),
    errors: sum(({ errors }) => errors),
    lost: (shipping === null ? 0 : lostBeforeSpool(shipping)) + sum(({ expired, corrupt }) => expired + corrupt),
    queueBytes: sum(({ queuedBytes }) => queuedBytes),
    lagMs: Math.max(0, ...ages),
  };
}

/** What was handed to delivery, and of each sink what the spool accepted for it. */
function shippingBalances(shipping: ShippingParts, ended: boolean): Balance[] {
  const { received, lost, withDead, offered, underWay, report } = shipping;
  const spool = report?.spool ?? { offered: 0, accepted: 0, lost: 0, readers: [] };
  const waiting = spool.offered - spool.accepted - spool.lost;
  return [
    {
      name: 'records handed to delivery',
      total: received,
      parts: [
        ['accepted', spool.accepted] as const,
        ['lost', lost + spool.lost] as const,
        ['waiting to be accepted', waiting] as const,
        ['on the way', underWay] as const,
        ['with a dead thread', withDead] as const,
        ['taken over before it died', offered - spool.offered] as const,
      ].filter(([, n]) => n !== 0),
      balances: ended ? underWay === 0 && waiting === 0 : underWay >= 0 && waiting >= 0,
    },
    ...(report?.sinks ?? []).map((sink) => {
      const reader = spool.readers.find(({ name }) => name === sink.name);
      return deliveryBalance(reader?.queuedAtStart ?? 0, reader?.accepted ?? 0, sink);
    }),
  ];
}

function ledger(counters: ReadonlyMap<string, number>, parts: ReportParts): Balance[] {
  const { lives, listening, output, ended } = parts;
  const held = lives.reduce((sum, { pulse }) => sum + (pulse?.heldBytes ?? 0), 0);
  const waiting = lives.reduce((sum, { pulse }) => sum + (pulse?.waitingCalls ?? 0), 0);
  const all = balances(held, waiting, { countOf: (name) => counters.get(name) ?? 0, sumOf: (name) => allOf(counters, name) });
  if (listening.hasRings) {
    const kernel = listening.kernel.reduce((sum, { packets }) => sum + packets, 0);
    const dropped = listening.kernel.reduce((sum, { dropped: n }) => sum + n, 0);
    const read = lives.reduce((sum, { pulse, pastInterfaces }) => {
      const past = [...pastInterfaces.values()].reduce((n, { packets }) => n + packets, 0);
      return sum + past + (pulse?.interfaces ?? []).reduce((n, { packets }) => n + packets, 0);
    }, 0);
    const died = lives.reduce((sum, life) => sum + life.packetsWithDead, 0);
    // While packets flow, what the kernel has counted and no worker yet lies in the rings. At the end it is known.
    const inRings = kernel - dropped - read - died;
    const left = lives.reduce((sum, { pulse }) => sum + (pulse?.waitingPackets ?? 0), 0);
    all.unshift({
      name: 'packets of the kernel',
      total: kernel,
      parts: [
        ['dropped by the kernel', dropped] as const,
        ['read', read] as const,
        ['with a dead worker', died] as const,
        ['in the rings', inRings] as const,
      ].filter(([, n]) => n !== 0),
      balances: ended ? inRings === left : inRings >= 0,
    });
  }
  if (parts.shipping !== null) all.push(...shippingBalances(parts.shipping, ended));
  if (output !== null) {
    const queued = output.received - output.written - output.lost;
    all.push({
      name: 'records handed to the output',
      total: output.received,
      parts: [['written', output.written] as const, ['lost', output.lost] as const, ['queued', queued] as const].filter(([, n]) => n !== 0),
      balances: ended ? queued === 0 : queued >= 0,
    });
  }
  return all;
}
