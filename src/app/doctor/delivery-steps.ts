/** The steps behind the calls: the disk, the spool, and the way to each sink. */
import type { DeliveryState } from '../../ship/delivery-state.ts';
import { onceOnly } from '../../ship/problem-words.ts';
import type { ProbeStep } from '../../ship/sink.ts';
import { expiredOf } from '../delivery-faults.ts';
import { byteAmount, count, longTime } from '../units.ts';
import type { DiskEvidence, Evidence, SinkEvidence } from './evidence.ts';
import { type Finding, type FindingCode, finding } from './findings.ts';
import { type Judgement, judged, named, refused, type Step, several, skipped } from './judgement.ts';
import { sinkFindingCode } from './sink-codes.ts';

export const DISK = 'disk';
const NO_SINKS = 'no sink is configured';
/** Files that the spool makes in the next while. */
const FREE_FILES_MIN = 100;
/** More than any pause between two tries. */
const BEHIND_MS = 60_000;

/** What a running sensor says of its delivery, and these steps judge with all that is known beside it. */
export const judgedHere: ReadonlySet<string> = new Set<FindingCode>(['sink-blocked', 'sink-failing', 'sink-behind', 'spool-degraded']);

const stepNames: Readonly<Record<ProbeStep['name'], string>> = {
  name: 'name',
  tcp: 'TCP',
  proxy: 'proxy',
  tls: 'TLS',
  token: 'token',
  delivery: 'test delivery',
  brokers: 'brokers',
  protocol: 'Kafka',
  credentials: 'credentials',
  topic: 'topic',
  leaders: 'leaders',
  rights: 'rights',
  file: 'file',
  space: 'space',
  output: 'output',
};

export function deliverySteps(e: Evidence): Step[] {
  const steps: Step[] = [
    { name: DISK, judge: disk },
    { name: 'spool', judge: spool },
  ];
  const sinks = e.delivery?.sinks ?? [];
  if (sinks.length === 0) return [...steps, { name: 'sinks', judge: () => skipped(NO_SINKS) }];
  return [...steps, ...sinks.flatMap((sink) => sinkSteps(sink, e))];
}

function disk({ delivery }: Evidence): Judgement {
  if (delivery === null) return skipped(NO_SINKS);
  const { disk: found } = delivery;
  if (found === null) return skipped('the spool is kept in memory: spool.level');
  const { directory, looked, unwritable, freeBytes, freeBytesMin, freeFiles } = found;
  if (unwritable !== '') {
    const what = `The spool ${directory} cannot be written: ${unwritable}.`;
    return judged(directory, finding('spool-unwritable', what, looked === directory ? '' : `looked at ${looked}`));
  }
  const free = freeBytes === null ? 'its filesystem does not say how much is free' : `${byteAmount(freeBytes)} are free`;
  const evidence = `${directory}: ${free}, at least ${byteAmount(freeBytesMin)} are to stay free (spool.freeBytesMin)`;
  const findings: Finding[] = [];
  if (freeBytes !== null && isShort(found)) {
    const what = `Less than spool.freeBytesMin is free on the filesystem of ${directory}: calls wait in memory, and a crash would lose them.`;
    const next = `Free some space there, name a directory on another filesystem, or lower spool.freeBytesMin.`;
    findings.push(finding('disk-full', what, `${byteAmount(freeBytes)} free, ${byteAmount(freeBytesMin)} wanted`, { next }));
  }
  if (freeFiles !== null && freeFiles < FREE_FILES_MIN) {
    const what = `The filesystem of ${directory} has no room for more files: its inodes are used up.`;
    findings.push(
      finding('disk-full', what, `${count(freeFiles)} inodes free`, { next: 'Remove files there: df -i shows how many there are.' }),
    );
  }
  return judged(evidence, ...findings);
}

/** Less is free than is to stay free: nothing is written there. */
function isShort(disk: DiskEvidence | null): boolean {
  return disk !== null && disk.freeBytes !== null && disk.freeBytes < disk.freeBytesMin;
}

function spool(e: Evidence): Judgement {
  const { delivery, sensor } = e;
  if (delivery === null) return skipped(NO_SINKS);
  const { directory, level, refused: refusal, usedBy, problems, missingKeys, quarantinedFiles, waiting, atMs, ...own } = delivery.spool;
  const findings: Finding[] = [];
  const pid = sensor?.sensor.pid ?? -1;
  if (refusal !== null) findings.push(refused(refusal.code === 'secret-missing' ? 'spool-key' : 'spool-unwritable', refusal));
  if (usedBy >= 0 && usedBy !== pid) {
    const who = usedBy > 0 ? `Process ${usedBy}` : 'A process that does not say who it is';
    const what = `${who} uses the spool ${directory}${pid < 0 ? ', and no sensor answers' : ''}.`;
    const own = pid < 0 ? 'Is it the sensor? Name its control socket with --socket. Else stop it' : 'Stop it';
    findings.push(
      finding('spool-locked', what, pid < 0 ? '' : `the running sensor is process ${pid}`, {
        next: `${own}, or name another directory in spool.directory.`,
      }),
    );
  }
  if (missingKeys.length > 0) {
    const what = `A part of the spool is encrypted with a key that is not given: ${named(missingKeys)}.`;
    findings.push(finding('spool-key', what, ''));
  }
  if (problems.length > 0) findings.push(finding('spool-corrupt', 'The spool is damaged, or a part of it is missing.', named(problems)));
  const live = sensor?.ship?.spool ?? null;
  const isDiskTold = disk(e).findings.length > 0;
  if (live !== null && live.level !== live.wantedLevel && !isDiskTold) {
    const what = `The spool keeps level ${live.level} where ${live.wantedLevel} is wanted.`;
    findings.push(finding('spool-degraded', what, live.fault));
  }
  const expired = live === null ? 0 : expiredOf(live);
  if (expired > 0) {
    const what = `${several(expired, 'call')} went unsent since the start: the spool reached its quota or age.`;
    findings.push(finding('spool-expired', what, '', { severity: 'warning' }));
  }
  const kept = `${count(own.records)} records, ${byteAmount(own.bytes)} of ${byteAmount(own.bytesMax)}`;
  const behind = waiting
    .filter(({ queued }) => queued > 0)
    .map(({ name, queued, oldestAtMs }) => `${count(queued)} wait for ${name}, the oldest for ${longTime(Math.max(0, atMs - oldestAtMs))}`);
  const aside = quarantinedFiles > 0 ? [`${count(quarantinedFiles)} damaged parts in quarantine`] : [];
  const now = live?.level ?? (level !== 'memory' && isShort(delivery.disk) ? 'memory' : level);
  const evidence = [
    now === level ? `level ${level}` : `level ${now} where ${level} is wanted`,
    ...(level === 'memory' ? [] : [kept]),
    ...aside,
    ...behind,
  ];
  return judged(evidence.join(', '), ...findings);
}

function sinkSteps(sink: SinkEvidence, e: Evidence): Step[] {
  const live = e.sensor?.ship?.sinks.find(({ name }) => name === sink.name) ?? null;
  const broken = sink.refused !== null || sink.steps.some(({ ok }) => !ok);
  const steps = sink.steps.map(
    (step): Step => ({
      name: `${sink.name}: ${stepNames[step.name]}`,
      judge: () => judged(step.ok ? step.detail : shortly(step), findingOf(sink.name, step, live)),
    }),
  );
  if (sink.unencrypted.length > 0) {
    const what = `${sink.unencrypted.join('; ')}.`;
    steps.unshift({ name: `${sink.name}: encryption`, judge: () => judged('none', finding('sink-unencrypted', what, '')) });
  }
  if (sink.refused !== null) {
    const refusal = sink.refused;
    steps.push({ name: `${sink.name}: settings`, judge: () => judged('cannot be used', refused('config-invalid', refusal)) });
  }
  if (live !== null) steps.push({ name: `${sink.name}: sensor`, judge: () => delivering(live, broken, e.sensor?.sensor.nowAtMs ?? 0) });
  return steps;
}

/** What the running sensor has met on the same way. */
function delivering(live: DeliveryState, isBroken: boolean, nowMs: number): Judgement {
  const { name, blocked, valid, lastProblem, written, queued, inFlight, oldestWaitingAtMs } = live;
  const waits = oldestWaitingAtMs === 0 ? 0 : nowMs - oldestWaitingAtMs;
  const behind = waits > 0 ? `, ${count(queued + inFlight)} wait, the oldest for ${longTime(waits)}` : '';
  const evidence = `${count(written)} delivered by the running sensor${behind}`;
  // The step that fails says it already.
  if (isBroken) return judged(evidence);
  if (blocked !== null) {
    const what = `The running sensor is refused by sink ${name}: ${blocked.what}.`;
    const next = 'A probe got through just now: earshot reload tries again at once.';
    return judged(evidence, finding('sink-blocked', what, `since ${longTime(nowMs - blocked.atMs)}`, { next, severity: 'warning' }));
  }
  if (!valid && lastProblem !== null) {
    return judged(
      evidence,
      finding('sink-failing', `The last attempt did not get through to sink ${name}: ${lastProblem.what}.`, '', { next: lastProblem.next }),
    );
  }
  return judged(evidence, waits > BEHIND_MS ? finding('sink-behind', `Sink ${name} is ${longTime(waits)} behind.`, '') : null);
}

/** What the finding says in full: "certificate expired". */
function shortly({ problem }: ProbeStep): string {
  return problem?.code.replaceAll('-', ' ') ?? 'failed';
}

function findingOf(sink: string, { name, ok, problem }: ProbeStep, live: DeliveryState | null): Finding | null {
  if (problem === null) return null;
  const agrees = live?.blocked?.code === problem.code || live?.lastProblem?.code === problem.code;
  const what = `Sink ${sink}: ${problem.what}.`;
  const next = agrees ? problem.next : onceOnly(problem.next);
  return finding(sinkFindingCode(name, problem), what, agrees ? 'says the running sensor too' : '', {
    ...(next === '' ? {} : { next }),
    severity: ok ? 'warning' : 'broken',
  });
}
