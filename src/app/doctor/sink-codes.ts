/** What problems on the way to a sink are as findings: many problems, each with words of its own, are one kind of cause. */
import type { ProbeStep, Problem } from '../../ship/sink.ts';
import type { FindingCode } from './findings.ts';

const codes: Readonly<Record<string, FindingCode>> = {
  'name-unknown': 'sink-name-unknown',
  'name-server-silent': 'sink-name-unknown',
  'clock-skewed': 'clock-skew',
  'certificate-untrusted': 'sink-certificate-untrusted',
  'certificate-expired': 'sink-certificate-expired',
  'certificate-not-yet-valid': 'sink-certificate-expired',
  'certificate-name': 'sink-certificate-name',
  'tls-name-unknown': 'sink-certificate-name',
  'certificate-expires-soon': 'sink-certificate-ends',
  'client-certificate-expires-soon': 'sink-certificate-ends',
  'client-certificate-refused': 'sink-client-certificate',
  'client-certificate-required': 'sink-client-certificate',
  'token-refused': 'sink-token',
  'token-invalid': 'sink-token',
  'credentials-missing': 'sink-credentials',
  'secret-missing': 'sink-credentials',
  forbidden: 'sink-forbidden',
  'path-unknown': 'sink-url',
  'method-refused': 'sink-url',
  redirected: 'sink-url',
  'not-an-api': 'sink-url',
  'not-http': 'sink-url',
  'not-kafka': 'sink-url',
  'tls-missing': 'sink-url',
  'tls-expected': 'sink-tls',
  'status-unexpected': 'sink-url',
  'reply-unclear': 'sink-url',
  'answer-timeout': 'sink-slow',
  'tls-timeout': 'sink-slow',
  'server-error': 'sink-unavailable',
  'behind-it-silent': 'sink-unavailable',
  unavailable: 'sink-unavailable',
  'too-many-requests': 'sink-unavailable',
  'come-again': 'sink-unavailable',
  'busy-with-it': 'sink-unavailable',
  'leader-moving': 'sink-unavailable',
  'replicas-missing': 'sink-unavailable',
  'broker-busy': 'sink-unavailable',
  'broker-storage': 'sink-unavailable',
  'topic-missing': 'sink-topic',
  'topic-invalid': 'sink-topic',
  'topic-acl-missing': 'sink-acl',
  'idempotent-acl-missing': 'sink-acl',
  policy: 'sink-acl',
  'disk-full': 'disk-full',
};

/** What else goes wrong at a step is one thing of that step. */
const codesOfSteps: Readonly<Record<ProbeStep['name'], FindingCode>> = {
  name: 'sink-name-unknown',
  tcp: 'sink-unreachable',
  proxy: 'sink-proxy',
  tls: 'sink-tls',
  token: 'sink-token',
  delivery: 'sink-unreachable',
  brokers: 'sink-unreachable',
  protocol: 'sink-unreachable',
  credentials: 'sink-credentials',
  topic: 'sink-unreachable',
  leaders: 'sink-unreachable',
  rights: 'sink-acl',
  file: 'sink-file',
  space: 'disk-full',
  output: 'sink-failing',
};

/** The finding that a problem at a step of the probe is. */
export function sinkFindingCode(step: ProbeStep['name'], { code }: Problem): FindingCode {
  // Whatever keeps a token from coming, name and certificate of its end-point too, is a matter of the token.
  if (step === 'token') return code === 'clock-skewed' ? 'clock-skew' : code === 'secret-missing' ? 'sink-credentials' : 'sink-token';
  if (code.startsWith('authentication-') || code === 'mechanism-unsupported') return 'sink-credentials';
  if (code.startsWith('proxy-')) return 'sink-proxy';
  if (Object.hasOwn(codes, code)) return codes[code];
  if (code.startsWith('certificate-')) return 'sink-certificate';
  return codesOfSteps[step];
}
