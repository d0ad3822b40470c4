/**
 * The way to a topic of Kafka, step by step, without a record being written:
 *
 *   brokers (each: name, TCP, TLS) -> protocol (is it Kafka?), or credentials -> topic -> leaders (as advertised) -> rights
 *
 * The right to write is told by the cluster with the topic (KIP-430); one that does not say it is taken at its word only
 * by a delivery.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatHostPort, type HostPort } from '../../base/listen-address.ts';
import { FailureError } from '../failure.ts';
import { failed, passed } from '../probe.ts';
import { probeConnection } from '../probe-connection.ts';
import { NO_SKEW, whomOf } from '../problem-words.ts';
import type { ProbeStep, Problem } from '../sink.ts';
import type { TlsFiles } from '../tls-options.ts';
import type { KafkaClient, TopicDescription } from './kafka-client.ts';
import { KafkaFault } from './kafka-fault.ts';
import { errorOutcome, type KafkaWords, tlsBrokenOff } from './kafka-problems.ts';

export interface KafkaToProbe {
  readonly bootstrap: readonly HostPort[];
  readonly words: KafkaWords;
  readonly tls: TlsFiles | null;
  readonly limitMs: number;
  readonly isIdempotenceWanted: boolean;
  /** Connects when it is asked first. */
  readonly client: () => Promise<KafkaClient>;
  readonly explain: (error: unknown) => Promise<Problem>;
}

/** Bit of AclOperation.WRITE, and what stands where the cluster says nothing. */
const WRITE = 1 << 4;
const NOT_SAID = -2_147_483_648;
const LEADERS_MAX = 20;
const TIMES_MAX = 4;
const AGAIN_MS = 300;
const credentialsCodes = new Set(['authentication-refused', 'authentication-unwanted', 'authentication-wanted', 'mechanism-unsupported']);

/** Never throws. */
export async function probeKafka(o: KafkaToProbe, signal: AbortSignal): Promise<ProbeStep[]> {
  if (o.tls !== null && o.tls.material === null) return [failed('tls', o.tls.problem as Problem)];
  const steps = await probeBrokers(o);
  if (steps.at(-1)?.ok !== true || signal.aborted) return steps;
  let topic: TopicDescription;
  const who = `${o.words.credentials} (${o.words.mechanism})`;
  try {
    topic = await (await o.client()).describe();
    if (o.words.mechanism !== '') steps.push(passed('credentials', `${who} was accepted`));
  } catch (error) {
    const problem = await o.explain(error);
    const name = stepOf(error, problem, o.words);
    if (name === 'topic' && o.words.mechanism !== '') steps.push(passed('credentials', `${who} was accepted`));
    return [...steps, failed(name, problem)];
  }
  const { leaders, operations, leaderPlaces } = topic;
  const without = leaders.filter((leader) => leader < 0).length;
  const partitions = `${leaders.length} partition${leaders.length === 1 ? '' : 's'}`;
  const moving = errorOutcome('LEADER_NOT_AVAILABLE', o.words, '').problem;
  if (without === leaders.length) return [...steps, failed('topic', moving)];
  steps.push(passed('topic', `${o.words.topic} has ${partitions}`, without > 0 ? moving : null));
  const leading = await probeLeaders(o, leaderPlaces);
  if (leading !== null) steps.push(leading);
  if (leading?.ok === false || signal.aborted) return steps;
  steps.push(await probeRights(o, operations));
  return steps;
}

async function probeBrokers(o: KafkaToProbe): Promise<ProbeStep[]> {
  const all = await Promise.all(o.bootstrap.map((address) => probePlace(o, formatHostPort(address))));
  const good = all.filter((steps) => steps.every(({ ok }) => ok));
  // Of several that fail, what TLS says tells more than silence.
  if (good.length === 0) return all.reduce((best, steps) => (steps.length > best.length ? steps : best));
  const away = o.bootstrap.filter((_, i) => !good.includes(all[i])).map(formatHostPort);
  const what = `Of ${all.length} brokers ${away.length} cannot be used: ${away.join(', ')}`;
  const first = all.find((steps) => !good.includes(steps))?.at(-1)?.problem?.next ?? '';
  const problem: Problem | null = away.length === 0 ? null : { code: 'brokers-partly-unreachable', what, next: first };
  const tls = good[0].filter(({ name }) => name === 'tls');
  return [passed('brokers', `${good.length} of ${all.length} answer: ${o.bootstrap.map(formatHostPort).join(', ')}`, problem), ...tls];
}

async function probePlace(o: KafkaToProbe, place: string): Promise<ProbeStep[]> {
  const whom = whomOf(place, 'the broker');
  const steps = await probeConnection({
    url: new URL(`${o.tls === null ? 'http' : 'https'}://${place}`),
    whom,
    proxy: null,
    material: o.tls?.material ?? null,
    http2: false,
    limitMs: o.limitMs,
    skew: NO_SKEW,
  });
  if (steps.at(-1)?.problem?.code !== 'tls-broken-off') return steps;
  return [...steps.slice(0, -1), failed('tls', tlsBrokenOff(whom).problem)];
}

/** Those that the cluster names have to be reached as well; null: they are those that were. */
async function probeLeaders(o: KafkaToProbe, places: readonly string[]): Promise<ProbeStep | null> {
  const known = o.bootstrap.map(formatHostPort);
  const others = places.filter((place) => !known.includes(place)).slice(0, LEADERS_MAX);
  if (others.length === 0) return null;
  const found = await Promise.all(others.map((place) => probePlace(o, place)));
  const away = found.findIndex((steps) => steps.some(({ ok }) => !ok));
  if (away < 0) return passed('leaders', `${others.join(', ')} answer`);
  const why = found[away].at(-1)?.problem?.what ?? '';
  return failed('leaders', {
    code: 'advertised-unreachable',
    what: `The cluster answers at ${known.join(', ')}, but says that a leader of the topic ${o.words.topic} is at ${others[away]}, and that cannot be used: ${why}`,
    next: `Let this machine resolve and reach ${others[away]}, or correct advertised.listeners of that broker.`,
  });
}

async function probeRights({ words, isIdempotenceWanted, client, explain }: KafkaToProbe, operations: number): Promise<ProbeStep> {
  if (operations !== NOT_SAID && (operations & WRITE) === 0) {
    return failed('rights', errorOutcome('TOPIC_AUTHORIZATION_FAILED', words, '').problem);
  }
  for (let time = 1; isIdempotenceWanted; time++) {
    try {
      await (await client()).producerId();
      break;
    } catch (error) {
      const problem = await explain(error);
      // The first one that a broker is asked for may take it a moment.
      if (problem.code !== 'broker-busy' || time >= TIMES_MAX) return failed('rights', problem);
      await sleep(AGAIN_MS);
    }
  }
  const said = operations === NOT_SAID ? 'the cluster does not say whether this user may write' : 'this user may write';
  return passed('rights', `${said}; no record was written`);
}

/** At which step it failed. */
function stepOf(error: unknown, { code }: Problem, { mechanism }: KafkaWords): ProbeStep['name'] {
  if (credentialsCodes.has(code)) return 'credentials';
  if (error instanceof FailureError) return mechanism === '' ? 'protocol' : 'credentials';
  if (!(error instanceof KafkaFault)) return 'protocol';
  return error.stage === 'bootstrap' ? (mechanism === '' ? 'protocol' : 'credentials') : 'topic';
}
