/**
 * What a Kafka cluster's answers, and its silence, mean for a delivery: outcome, words and next step.
 *
 *   retry     leaders that move, replicas that are missing, brokers that are down, time limits
 *   blocked   topic, rights, credentials, TLS, versions: somebody has to mend something
 *   refused   the broker does not want these records        too-large   not in one request
 */
import { type Failure, FailureError } from '../failure.ts';
import { NO_SKEW, type Whom, whomOf } from '../problem-words.ts';
import { connectionFailure, innermost } from '../problems.ts';
import type { Outcome } from '../sink.ts';
import { tlsProblem } from '../tls-problems.ts';
import { codeBelow, type KafkaFault } from './kafka-fault.ts';
import { TokenRefused } from './kafka-sasl.ts';

export interface KafkaWords {
  readonly topic: string;
  readonly useTls: boolean;
  /** We have one to show. */
  readonly hasCertificate: boolean;
  /** As Kafka names it; "" for none. */
  readonly mechanism: string;
  /** "the password of earshot" */
  readonly credentials: string;
  readonly compression: string;
  /** Where the configuration says that brokers are. */
  readonly bootstrap: readonly string[];
}

/** What is known when something fails. */
export interface Circumstances {
  /** Addresses that the cluster has advertised. */
  readonly advertised: readonly string[];
  /** Something was delivered with these settings: a connection that ends is no matter of the configuration. */
  readonly hasWorked: boolean;
  /** Asks TLS at that place once more, for the words. */
  readonly look: (whom: Whom) => Promise<Failure | null>;
}

export type NotDelivered = Exclude<Outcome, { readonly type: 'delivered' | 'in-part' }>;
type Kind = NotDelivered['type'];
type Entry = readonly [kind: Kind, code: string, what: (words: KafkaWords, whom: Whom) => string, next: (words: KafkaWords) => string];

const AGAIN = 'It is tried again by itself.';
const TO = '--bootstrap-server BROKER';

const moving: Entry = [
  'retry',
  'leader-moving',
  ({ topic }) => `A partition of the topic ${topic} has no leader at present, or another one than a moment ago`,
  ({ topic }) => `If this stays, look at the brokers: kafka-topics.sh ${TO} --describe --topic ${topic} --unavailable-partitions. ${AGAIN}`,
];
const lacking: Entry = [
  'retry',
  'replicas-missing',
  ({ topic }) => `Too few replicas of the topic ${topic} are in sync: fewer than its min.insync.replicas`,
  ({ topic }) =>
    `Bring the missing brokers back: kafka-topics.sh ${TO} --describe --topic ${topic} --under-min-isr-partitions. It waits, and goes on by itself.`,
];
const tooLarge: Entry = [
  'too-large',
  'too-large',
  ({ topic }) => `The topic ${topic} takes no batch of this size`,
  () => 'It is cut in halves by itself; raise max.message.bytes of the topic, or lower messageBytesMax and batch.bytesMax of the sink.',
];
const busy: Entry = [
  'retry',
  'broker-busy',
  (_words, { Name }) => `${Name} did not get it done in time`,
  () => `Look at its load. ${AGAIN}`,
];
const disk: Entry = [
  'retry',
  'broker-storage',
  (_words, { Name }) => `${Name} cannot write to its disk`,
  () => `Look at its log directories. ${AGAIN}`,
];
const mechanism: Entry = [
  'blocked',
  'mechanism-unsupported',
  ({ mechanism }, { Name }) => `${Name} does not offer ${mechanism} for authentication`,
  () => 'Set sasl.mechanism to one that the listener has (sasl.enabled.mechanisms of the brokers), or use the port of another listener.',
];
const producer: Entry = [
  'retry',
  'producer-forgotten',
  (_words, { Name }) => `${Name} no longer knows the numbers of this producer`,
  () => `It goes on with new ones. ${AGAIN}`,
];

const entries: Readonly<Record<string, Entry>> = {
  UNKNOWN_TOPIC_OR_PARTITION: [
    'blocked',
    'topic-missing',
    ({ topic }) => `There is no topic ${topic} in this cluster, and the sensor makes none`,
    ({ topic }) => `Make it (kafka-topics.sh ${TO} --create --topic ${topic}), or correct the topic of the sink.`,
  ],
  INVALID_TOPIC_EXCEPTION: [
    'blocked',
    'topic-invalid',
    ({ topic }) => `The cluster takes no records for a topic named ${topic}`,
    () => 'Name another topic; those of Kafka itself are not for others.',
  ],
  TOPIC_AUTHORIZATION_FAILED: [
    'blocked',
    'topic-acl-missing',
    ({ topic, credentials }) =>
      `The cluster does not let this user write to the topic ${topic}${credentials === '' ? ' (it was not asked who it is)' : ''}`,
    ({ topic }) => `Give it Write and Describe: kafka-acls.sh ${TO} --add --allow-principal User:NAME --producer --topic ${topic}.`,
  ],
  CLUSTER_AUTHORIZATION_FAILED: [
    'blocked',
    'idempotent-acl-missing',
    () => 'The cluster does not let this user be an idempotent producer',
    () =>
      `Give it IdempotentWrite: kafka-acls.sh ${TO} --add --allow-principal User:NAME --operation IdempotentWrite --cluster; or set idempotent: auto.`,
  ],
  SASL_AUTHENTICATION_FAILED: [
    'blocked',
    'authentication-refused',
    ({ credentials, mechanism }, { Name }) => `${Name} does not accept ${credentials} (${mechanism})`,
    () => 'Correct the credentials of the sink, or have the user set up in the cluster.',
  ],
  UNSUPPORTED_SASL_MECHANISM: mechanism,
  ILLEGAL_SASL_STATE: [
    'blocked',
    'authentication-unwanted',
    (_words, { place }) => `The listener at ${place} asks nobody who he is, and sasl is set`,
    () => 'Use the port of the listener with SASL, or set sasl.mechanism to none.',
  ],
  UNSUPPORTED_VERSION: [
    'blocked',
    'version-unsupported',
    (_words, { Name }) => `${Name} does not speak the versions of the protocol that are needed`,
    () => 'Kafka 2.4 or later is needed.',
  ],
  UNSUPPORTED_COMPRESSION_TYPE: [
    'blocked',
    'compression-unsupported',
    ({ topic, compression }) => `The topic ${topic} does not take ${compression}`,
    () => 'Set another compression for the sink.',
  ],
  POLICY_VIOLATION: [
    'blocked',
    'policy',
    ({ topic }) => `A policy of the cluster forbids this for the topic ${topic}`,
    () => 'Ask who runs the cluster.',
  ],
  INVALID_TIMESTAMP: [
    'blocked',
    'clock-skewed',
    (_words, { name }) => `The clock of this machine is too far from that of ${name}`,
    () => 'Set the clock of this machine (timedatectl set-ntp true); or the topic has a narrow message.timestamp.after.max.ms.',
  ],
  INVALID_RECORD: [
    'refused',
    'record-refused',
    ({ topic }) => `The topic ${topic} does not take these records`,
    () => 'A compacted topic wants a key (key: client or connection); a cluster may check schemas as well.',
  ],
  MESSAGE_TOO_LARGE: tooLarge,
  RECORD_LIST_TOO_LARGE: tooLarge,
  NOT_ENOUGH_REPLICAS: lacking,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: lacking,
  LEADER_NOT_AVAILABLE: moving,
  NOT_LEADER_OR_FOLLOWER: moving,
  FENCED_LEADER_EPOCH: moving,
  UNKNOWN_LEADER_EPOCH: moving,
  BROKER_NOT_AVAILABLE: moving,
  REPLICA_NOT_AVAILABLE: moving,
  UNKNOWN_TOPIC_ID: moving,
  REQUEST_TIMED_OUT: busy,
  COORDINATOR_LOAD_IN_PROGRESS: busy,
  COORDINATOR_NOT_AVAILABLE: busy,
  NOT_COORDINATOR: busy,
  NOT_CONTROLLER: busy,
  THROTTLING_QUOTA_EXCEEDED: busy,
  KAFKA_STORAGE_ERROR: disk,
  LOG_DIR_NOT_FOUND: disk,
  OUT_OF_ORDER_SEQUENCE_NUMBER: producer,
  UNKNOWN_PRODUCER_ID: producer,
  INVALID_PRODUCER_EPOCH: producer,
  INVALID_PRODUCER_ID_MAPPING: producer,
  PRODUCER_FENCED: producer,
  INVALID_TXN_STATE: producer,
};

/** Whether a new id for the producer helps. */
export function isProducerForgotten(error: string): boolean {
  return entries[error] === producer;
}

/** Whether to ask anew who leads, and try again at once. */
export function isMoving(error: string): boolean {
  return (
    entries[error] === moving || error === 'UNKNOWN_TOPIC_OR_PARTITION' || error === 'KAFKA_STORAGE_ERROR' || error === 'NETWORK_EXCEPTION'
  );
}

/** What an error of Kafka's means. `error`: its name. */
export function errorOutcome(error: string, words: KafkaWords, place: string): NotDelivered {
  const whom = whomOf(place, 'the broker');
  const entry = entries[error];
  if (entry === undefined) return outcome('retry', 'broker-error', `${whom.Name} answers ${error}`, `Look at its log. ${AGAIN}`);
  const [kind, code, what, next] = entry;
  return outcome(kind, code, what(words, whom), next(words));
}

export function oversized(bytes: number, bytesMax: number): NotDelivered {
  const what = `A record of ${bytes} bytes is larger than messageBytesMax, ${bytesMax}`;
  return outcome(
    'too-large',
    'too-large',
    what,
    'Raise messageBytesMax of the sink and max.message.bytes of the topic, or keep less of the bodies.',
  );
}

function outcome(type: Kind, code: string, what: string, next: string): NotDelivered {
  const problem = { code, what, next };
  return type === 'retry' ? { type, problem, afterMs: 0 } : { type, problem };
}

/** What it means that a step did not work. */
export async function faultOutcome(fault: KafkaFault, words: KafkaWords, known: Circumstances): Promise<NotDelivered> {
  const told = await brokerFault(fault, words, known);
  if (fault.stage === 'bootstrap' && fault.others.length > 1) {
    // Of several brokers, the one that said something tells more than those that said nothing.
    for (const other of fault.others) {
      const otherTold = await brokerFault(other, words, known);
      if (otherTold.type !== 'retry') return otherTold;
    }
    const all = fault.others.map(({ place, cause }) => `${place} (${codeBelow(cause) || 'no answer'})`).join(', ');
    return outcome('retry', 'brokers-unreachable', `None of the brokers answers: ${all}`, `${told.problem.next}`);
  }
  if (fault.stage !== 'advertised' || told.type !== 'retry' || fault.error !== '' || words.bootstrap.includes(fault.place)) return told;
  const others = known.advertised.filter((place) => place !== fault.place);
  return outcome(
    'retry',
    'advertised-unreachable',
    `The cluster answers at ${words.bootstrap.join(', ')}, but says that a leader of the topic ${words.topic} is at ${fault.place}, and that cannot be reached: ${told.problem.what}`,
    `Let this machine resolve and reach ${fault.place}, or correct advertised.listeners of that broker${others.length > 0 ? ` (the others are said to be at ${others.slice(0, 5).join(', ')})` : ''}. If the broker is down: ${AGAIN}`,
  );
}

async function brokerFault(fault: KafkaFault, words: KafkaWords, { hasWorked, look }: Circumstances): Promise<NotDelivered> {
  const { cause, place, frame, error, stage } = fault;
  const whom = whomOf(place, 'the broker');
  const thrown = below(cause);
  if (thrown instanceof FailureError) return thrown.failure;
  if (thrown instanceof TokenRefused) return errorOutcome('SASL_AUTHENTICATION_FAILED', words, place);
  if (error !== '') return errorOutcome(error, words, place);
  if (frame === 'tls') return tlsExpected(whom);
  if (frame === 'foreign') {
    return outcome('blocked', 'not-kafka', `What answers at ${place} is no Kafka broker`, 'Check the port: another service listens there.');
  }
  const code = codeBelow(cause);
  if (words.useTls && (code === '' || /^(ERR_SSL|ERR_TLS|EPROTO|CERT_|UNABLE_|SELF_|DEPTH_|HOSTNAME|INVALID_|ECONNRESET)/.test(code))) {
    const looked = stage === 'bootstrap' || stage === 'advertised' ? await look(whom) : null;
    const told = looked ?? tlsProblem(innermost(cause), code, whom, NO_SKEW);
    if (told?.problem.code === 'tls-broken-off' && !hasWorked) return tlsBrokenOff(whom);
    // Brokers say "bad certificate" where there is none.
    if (told?.problem.code === 'client-certificate-refused' && !words.hasCertificate) return certificateWanted(whom);
    if (told !== null) return told;
  }
  if (frame === 'silent' && !words.useTls && !hasWorked) return tlsExpected(whom);
  if (code === '' && words.mechanism === '' && !hasWorked && (stage === 'metadata' || stage === 'producer-id') && isClosed(cause)) {
    return outcome(
      'blocked',
      'authentication-wanted',
      `${whom.Name} breaks the connection off as soon as it is asked something: it wants to know who asks`,
      'Set sasl of the sink, or use the port of a listener without SASL.',
    );
  }
  if (isLate(cause)) {
    return outcome(
      'retry',
      stage === 'produce' ? 'answer-timeout' : 'connect-timeout',
      `${whom.Name} does not answer in time`,
      `Check address and port, the firewalls on the way and the load of the broker. ${AGAIN}`,
    );
  }
  // The library only says that it was closed.
  return connectionFailure(
    code === '' && isClosed(cause) ? Object.assign(new Error('closed'), { code: 'ECONNRESET' }) : innermost(cause),
    whom,
  );
}

function tlsExpected(whom: Whom): NotDelivered {
  return outcome(
    'blocked',
    'tls-expected',
    `${whom.Name} does not answer without TLS: its listener speaks TLS`,
    'Set useTls: true, or use the port of the listener without TLS.',
  );
}

function certificateWanted(whom: Whom): NotDelivered {
  return outcome(
    'blocked',
    'client-certificate-required',
    `${whom.Name} wants a client certificate`,
    'Set tls.certificateFile and tls.keyFile to a certificate that it accepts.',
  );
}

/** What answers with nothing to the first bytes of TLS speaks none, as a rule. */
export function tlsBrokenOff(whom: Whom): NotDelivered {
  return outcome(
    'blocked',
    'tls-not-spoken',
    `${whom.Name} breaks the connection off while TLS is being agreed upon`,
    'Use the port of a listener with TLS (security protocol SSL or SASL_SSL), or set useTls: false. A broker that wants client certificates may do so too: tls.certificateFile.',
  );
}

function isLate(error: unknown): boolean {
  return some(error, (one) => one.message.includes('timed out'));
}

function isClosed(error: unknown): boolean {
  return some(error, (one) => one.message.includes('Connection closed'));
}

function some(error: unknown, test: (error: Error) => boolean, depth = 0): boolean {
  if (!(error instanceof Error) || depth > 6) return false;
  const below: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  return test(error) || [...below, error.cause].some((one) => some(one, test, depth + 1));
}

/** What our own code threw inside of the library. */
function below(error: unknown): unknown {
  let found: unknown = null;
  some(error, (one) => {
    if (found === null && (one instanceof FailureError || one instanceof TokenRefused)) found = one;
    if (found === null && one.name === 'SensorError') found = new FailureError(connectionFailure(one, whomOf('')));
    return found !== null;
  });
  return found;
}
