/** The step of the running sensor: what it says of itself. */
import type { SensorReport, WorkerReport } from '../report.ts';
import { sentence } from '../terminal.ts';
import { count, longTime, share } from '../units.ts';
import { judgedHere } from './delivery-steps.ts';
import type { Evidence } from './evidence.ts';
import { asFindingCode, type Finding, finding } from './findings.ts';
import { type Judgement, judged, type Step, several, skipped } from './judgement.ts';

/** Share of one worker of all packets, and packets from which on it says something. */
const UNBALANCED_SHARE = 0.8;
const UNBALANCED_PACKETS = 10_000;
const ENDED_NEXT = 'Look into its log for the reason, and start it again: earshot run.';

export const sensorStep: Step = { name: 'sensor', judge: sensor };

function sensor({ sensor: report, sensorSilent, sensorEnded, traffic, delivery }: Evidence): Judgement {
  const bugs = traffic?.heardBy === 'doctor' ? traffic.observed.bugs : 0;
  const own = bugs === 0 ? null : finding('sensor-bug', 'Packets hit a fault of Earshot itself.', several(bugs, 'packet'));
  if (report === null) {
    const ended = sensorEnded
      ? finding('not-running', 'The sensor ended while the doctor listened.', '', { next: ENDED_NEXT, severity: 'warning' })
      : null;
    const findings = [own, ended].filter((f) => f !== null);
    return findings.length === 0 ? skipped(`none answers: ${sensorSilent}`) : judged(`none answers: ${sensorSilent}`, ...findings);
  }
  const findings = [...report.workers.flatMap(ofWorker), balance(report.workers)].filter((f) => f !== null);
  if (own !== null) findings.push(own);
  for (const { code, what, next } of report.health.faults) {
    const known = asFindingCode(code);
    if (delivery !== null && judgedHere.has(code)) continue;
    if (known !== null && !findings.some((f) => f.code === known))
      findings.push(finding(known, sentence(what), 'says the running sensor', { next }));
  }
  return judged(summary(report), ...findings);
}

function summary({ sensor: self, workers }: SensorReport): string {
  const running = workers.filter((w) => w.state === 'running').length;
  return `pid ${self.pid}, up for ${longTime(self.nowAtMs - self.startedAtMs)}, ${running} of ${several(workers.length, 'worker')} running`;
}

function ofWorker({ worker, state, restarts, packets, shedding, ringFill }: WorkerReport): Finding[] {
  const found: Finding[] = [];
  if (state === 'dead') found.push(finding('worker-dead', `Worker ${worker} died.`, `${several(restarts, 'restart')} so far`));
  else if (state === 'stuck')
    found.push(finding('worker-stuck', `Worker ${worker} gives no sign of life.`, `${count(packets)} packets so far`));
  else if (restarts > 0)
    found.push(finding('worker-restarted', `Worker ${worker} died and was started again.`, several(restarts, 'restart')));
  if (shedding > 0) {
    const evidence = `${share(shedding)} of its connections are dropped, its ring is ${share(ringFill)} full`;
    found.push(finding('shedding', `Worker ${worker} cannot keep up.`, evidence));
  }
  return found;
}

function balance(workers: readonly WorkerReport[]): Finding | null {
  const all = workers.reduce((sum, w) => sum + w.packets, 0);
  const most = Math.max(0, ...workers.map((w) => w.packets));
  if (workers.length < 2 || all < UNBALANCED_PACKETS || most < all * UNBALANCED_SHARE) return null;
  return finding(
    'workers-unbalanced',
    'One worker gets most of the packets.',
    `${share(most / all)} of ${count(all)} on one of ${workers.length}`,
  );
}
