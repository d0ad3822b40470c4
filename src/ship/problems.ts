/**
 * Problems of connections, for operators: what Node, undici and our own connector throw, as code, words and next step.
 * Each also says whether trying again may help by itself (`retry`: the network) or somebody has to mend something
 * (`blocked`: TLS, a proxy that refuses). Texts hold no secret, and what the other side wrote only where it is a name.
 * Those of TLS are in tls-problems.ts, those of answers in status-problems.ts.
 */
import { codeOf, SensorError } from '../base/errors.ts';
import { blocked, type Failure, FailureError, retry } from './failure.ts';
import { NO_SKEW, type Skew, type Whom } from './problem-words.ts';
import { tlsProblem } from './tls-problems.ts';

/** A time limit that ran out, and what was waited for. */
export class TooLate extends Error {
  override readonly name = 'TooLate';
  readonly phase: 'connect' | 'proxy' | 'tls' | 'answer' | 'body';
  readonly limitMs: number;

  constructor(phase: TooLate['phase'], limitMs: number) {
    super(`too late: ${phase}`);
    this.phase = phase;
    this.limitMs = limitMs;
  }
}

const AGAIN = 'It is tried again by itself.';

/** Why nothing answered. `whom`: "edge.example.com:443", "the proxy 10.0.0.1:3128". */
export function connectionFailure(error: unknown, whom: Whom, skew: Skew = NO_SKEW): Failure {
  if (error instanceof FailureError) return error.failure;
  if (error instanceof SensorError) return blocked(error.code, `${error.what}: ${error.why}`, error.next);
  if (error instanceof TooLate) return tooLate(error, whom);
  const inner = innermost(error);
  const code = codeOf(inner);
  const tls = tlsProblem(inner, code, whom, skew);
  if (tls !== null) return tls;
  switch (code) {
    case 'ENOTFOUND':
    case 'ENODATA':
      return retry(
        'name-unknown',
        `The name ${hostOf(whom)} is not known to the name servers of this machine`,
        `Correct the URL, or the name servers (try: getent hosts ${hostOf(whom)}). ${AGAIN}`,
      );
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return retry(
        'name-server-silent',
        `The name servers of this machine do not answer for ${hostOf(whom)}`,
        `Look at /etc/resolv.conf and whether its name servers can be reached. ${AGAIN}`,
      );
    case 'ECONNREFUSED':
      return retry(
        'connection-refused',
        `Nobody listens at ${whom.name}: the connection is refused`,
        `Check address and port, and whether the service there runs; a firewall may refuse in its place. ${AGAIN}`,
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return retry(
        'no-route',
        `There is no way to ${whom.name}`,
        `Look at the routes and the firewall of this machine (ip route get ADDRESS), or name a proxy. ${AGAIN}`,
      );
    case 'ETIMEDOUT':
      return retry('connect-timeout', `${whom.Name} does not answer`, silentNext(whom));
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
    case 'UND_ERR_SOCKET':
    case 'UND_ERR_CLOSED':
    case 'UND_ERR_INFO':
    case 'ERR_STREAM_PREMATURE_CLOSE':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return brokenOff(whom);
    case 'EACCES':
    case 'EPERM':
      return retry(
        'not-permitted',
        `This machine does not let the sensor connect to ${whom.name}`,
        `Look at its firewall (nft list ruleset) and at the service's IPAddressDeny and RestrictAddressFamilies. ${AGAIN}`,
      );
    case 'EMFILE':
    case 'ENFILE':
      return retry(
        'too-many-files',
        'The sensor has no file descriptor left for a connection',
        `Raise LimitNOFILE of the service. ${AGAIN}`,
      );
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'HPE_HEADER_OVERFLOW':
      return retry('not-http', `The header of the answer of ${whom.name} is larger than is taken`, `Look at what listens there. ${AGAIN}`);
    default:
      if (/^ERR_HTTP2_/.test(code)) return brokenOff(whom);
      if (/^HPE_/.test(code) || (inner instanceof Error && inner.name === 'HTTPParserError')) {
        return retry(
          'not-http',
          `What ${whom.name} answers is not HTTP`,
          `${httpsNext(whom)}Check the port: another service seems to listen there. ${AGAIN}`,
        );
      }
      return retry(
        'connection-failed',
        `The connection to ${whom.name} failed (${/^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : 'no reason given'})`,
        `Look at the network between this machine and ${hostOf(whom)}. ${AGAIN}`,
      );
  }
}

export function aborted(): Failure {
  return retry('aborted', 'The delivery was broken off by the sensor', 'Nothing has to be done: it is sent again later.');
}

function tooLate({ phase, limitMs }: TooLate, whom: Whom): Failure {
  const within = `within ${seconds(limitMs)} s`;
  switch (phase) {
    case 'connect':
      return retry('connect-timeout', `${whom.Name} does not answer ${within}`, silentNext(whom));
    case 'proxy':
      return retry(
        'proxy-timeout',
        `${whom.Name} does not open the way ${within}`,
        `Ask who runs the proxy whether it may connect there. ${AGAIN}`,
      );
    case 'tls':
      return retry(
        'tls-timeout',
        `${whom.Name} takes the connection, but TLS is not agreed upon ${within}`,
        `Check that TLS is spoken at that port; a firewall that inspects TLS may hold it up. ${AGAIN}`,
      );
    case 'answer':
      return retry(
        'answer-timeout',
        `${whom.Name} does not answer the request ${within}`,
        `Look at how busy it is; larger limit: requestTimeoutMs, less at once: batch.bytesMax. ${AGAIN}`,
      );
    case 'body':
      return retry('answer-timeout', `The answer of ${whom.name} does not come to its end ${within}`, `Look at its log. ${AGAIN}`);
  }
}

function brokenOff(whom: Whom): Failure {
  return retry(
    'broken-off',
    `${whom.Name} broke the connection off before its answer was whole`,
    `${httpsNext(whom)}Look at its log, and at load balancers on the way. ${AGAIN} What it may have taken already is recognised by its id.`,
  );
}

/** What speaks TLS closes, or answers with an alert, when a request comes in the clear. */
function httpsNext({ isPlain }: Whom): string {
  return isPlain === true ? 'Does it speak https? Then the URL begins with https://. ' : '';
}

function silentNext(whom: Whom): string {
  return `Check address and port; a firewall on the way may drop the packets (try: curl -v telnet://${whom.place}). ${AGAIN}`;
}

function seconds(ms: number): string {
  return String(Math.round(ms / 100) / 10);
}

function hostOf(whom: Whom): string {
  return whom.place.replace(/:\d+$/, '');
}

/** undici and net wrap: several addresses tried (AggregateError), a cause below the message. */
export function innermost(error: unknown): unknown {
  let inner = error;
  for (let depth = 0; depth < 5; depth++) {
    const next: unknown =
      inner instanceof AggregateError && inner.errors.length > 0 ? inner.errors[0] : inner instanceof Error ? inner.cause : undefined;
    if (!(next instanceof Error) || (codeOf(next) === '' && codeOf(inner) !== '')) break;
    inner = next;
  }
  return inner;
}
