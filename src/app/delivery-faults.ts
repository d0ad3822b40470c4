/**
 * Faults of delivery: what keeps calls from the sinks, and what was lost on the way. A sink that fails for a moment is
 * none: deliveries are tried again, and what waits lies in the spool.
 */
import type { DeliveryState } from '../ship/delivery-state.ts';
import type { SpoolState } from '../ship/spool/state.ts';
import type { FindingCode } from './doctor/findings.ts';
import type { SensorReport } from './report.ts';
import { count, longTime } from './units.ts';

/** Retries have had their chance. */
const FAILING_MS = 60_000;
/** More than any pause between two tries. */
const BEHIND_MS = 60_000;

/** What faults are made with, by the one that keeps the looks of the last minute (app/faults.ts). */
export interface FaultMaker {
  /** `subject` tells two of the same code apart; `next` stands in the place of the table's. */
  readonly add: (code: FindingCode, what: string, subject: string, next?: string) => void;
  /** By how much a counter grew within the last minute. */
  readonly grows: (name: string, value: number) => number;
  /** For how long something has been so, without a break; 0 when it is not. */
  readonly lastsMs: (name: string, holds: boolean) => number;
}

export function deliveryFaults({ sensor, delivery, ship }: SensorReport, maker: FaultMaker): void {
  if (delivery === null) return;
  const { add, grows } = maker;
  const lost = grows('delivery lost', delivery.lost);
  if (lost > 0) add('spool-lost', `${count(lost)} calls were lost within the last minute before the spool had accepted them`, '');
  if (!delivery.isRunning)
    add('delivery-dead', `the delivery thread died (${delivery.restarts} times so far) and is about to be started again`, '');
  if (ship === null) return;
  const { spool, deadLetters, sinks } = ship;
  for (const sink of sinks) sinkFaults(sink, sensor.nowAtMs, maker);
  spoolFaults('the spool', spool, maker);
  spoolFaults('the spool of dead letters', deadLetters, maker);
  const expiredLetters = grows('expired letters', expiredOf(deadLetters));
  if (expiredLetters > 0)
    add(
      'spool-expired',
      `${count(expiredLetters)} dead letters went within the last minute: spool.deadLetterBytesMax is reached`,
      'letters',
    );
}

function sinkFaults({ name, valid, blocked, lastProblem, queued, ...sink }: DeliveryState, nowMs: number, maker: FaultMaker): void {
  const { add, grows, lastsMs } = maker;
  const failingMs = lastsMs(`failing ${name}`, !valid && blocked === null);
  const waitingMs = sink.oldestWaitingAtMs === 0 ? 0 : nowMs - sink.oldestWaitingAtMs;
  if (blocked !== null) add('sink-blocked', `sink ${name} is blocked: ${clause(blocked.what)}`, `${name} ${blocked.code}`, blocked.next);
  else if (failingMs > FAILING_MS)
    add(
      'sink-failing',
      `nothing gets through to sink ${name}: ${clause(lastProblem?.what ?? 'no reason is known')}`,
      name,
      lastProblem?.next,
    );
  // While attempts fail, the receiver is not slow but away.
  else if (valid && waitingMs > BEHIND_MS)
    add('sink-behind', `sink ${name} is ${longTime(waitingMs)} behind: ${count(queued + sink.inFlight)} calls wait for it`, name);
  const letters = grows(`letters ${name}`, sink.deadLettered);
  if (letters > 0)
    add('dead-letters', `${count(letters)} calls that sink ${name} refuses were put aside as dead letters within the last minute`, name);
  const expired = grows(`expired ${name}`, sink.expired);
  if (expired > 0)
    add(
      'spool-expired',
      `${count(expired)} calls for sink ${name} went unsent within the last minute: the spool reached its quota or age`,
      name,
    );
}

function spoolFaults(what: string, { level, wantedLevel, fault, corruptFrames }: SpoolState, { add, grows }: FaultMaker): void {
  if (level !== wantedLevel)
    add(
      'spool-degraded',
      `${what} keeps level ${level} where ${wantedLevel} is wanted: ${fault === '' ? 'no reason is known' : clause(fault)}`,
      what,
    );
  const damaged = grows(`corrupt ${what}`, corruptFrames);
  if (damaged > 0) add('spool-corrupt', `${count(damaged)} frames of ${what} were found damaged within the last minute`, what);
}

export function expiredOf({ readers }: SpoolState): number {
  return readers.reduce((sum, { expiredByQuota, expiredByAge }) => sum + expiredByQuota + expiredByAge, 0);
}

/** A sentence, to stand behind a colon. */
function clause(text: string): string {
  return text.replace(/[.]$/, '');
}
