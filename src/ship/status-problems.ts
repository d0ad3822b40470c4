/**
 * What an answer means for a delivery, by its status (RFC 9110, section 15):
 *
 *   2xx                                            delivered
 *   408 409 421 423 424 425 429 and every 5xx      retry; Retry-After is honoured
 *   413                                            too-large: less at once; of a single record, refused
 *   400 422                                        refused: it is the content
 *   401                                            blocked, after the one fresh token that the caller tried
 *   3xx and every other 4xx                        blocked: a matter of set-up, the same for every record
 *
 * Only 400 and 422 blame the content: what is refused ends record by record in the dead-letter log, so a status that
 * may as well mean a wrong URL, a missing right or a wrong header holds everything back instead.
 */
import { blocked, type Failure, retry } from './failure.ts';
import { isSkewed, SET_CLOCK, type Skew, shown, shownUrl, skewClause, type Whom } from './problem-words.ts';
import type { Outcome, Problem } from './sink.ts';

export interface Answer {
  readonly status: number;
  /** First value of a header field, by its name in lower case; "" when it is missing. */
  header(name: string): string;
  /** The first part of the body. */
  text(): string;
}

export type NotDelivered = Exclude<Outcome, { readonly type: 'delivered' | 'in-part' }>;

const RETRY_AFTER_MS_MAX = 24 * 3_600_000;
const AGAIN = 'It is tried again by itself.';

/** Outcome of an answer that is not 2xx. `credentials`: what was shown, in words; "" for nothing. */
export function statusOutcome(answer: Answer, url: URL, whom: Whom, credentials: string, skew: Skew, nowMs: number): NotDelivered {
  const { status } = answer;
  if (status >= 500) return serverTrouble(answer, whom, nowMs);
  if (status >= 300 && status < 400) return redirected(answer, url, whom);
  switch (status) {
    case 400:
    case 422: {
      const misplaced = status === 400 ? misplacedRequest(answer.text(), whom) : null;
      if (misplaced !== null) return misplaced;
      const problem = {
        code: 'content-refused',
        what: `${whom.Name} refuses the content (${namedStatus(status)})${saying(answer)}`,
        next: 'Check that the sink has the format that is expected there; single records that are refused are in the dead-letter log.',
      };
      return { type: 'refused', problem };
    }
    case 401:
      return unauthorised(answer, whom, credentials, skew);
    case 403:
      return blocked(
        'forbidden',
        `${whom.Name} does not allow this delivery (${namedStatus(status)})`,
        credentials === ''
          ? 'Set auth of the sink; if none is wanted there, a firewall in front of it may refuse the address of this machine.'
          : `Give ${credentials} the right to deliver there; a firewall in front of it may also refuse the address of this machine.`,
      );
    case 404:
    case 410:
      return blocked(
        'path-unknown',
        `There is nothing at ${shownUrl(url.href, url)} (${namedStatus(status)})`,
        'Correct the path of the URL: the host answers, the path is not there.',
      );
    case 405:
      return blocked(
        'method-refused',
        `${shownUrl(url.href, url)} takes no POST (${namedStatus(status)})`,
        'Correct the path of the URL: that one is there for something else.',
      );
    case 407:
      return proxyRefused(whom);
    case 408:
    case 425:
    case 421:
      return retry('come-again', `${whom.Name} asks to send it again (${namedStatus(status)})`, AGAIN, retryAfterMs(answer, nowMs));
    case 409:
    case 423:
    case 424:
      return retry(
        'busy-with-it',
        `${whom.Name} is still busy with this batch or with what it belongs to (${namedStatus(status)})`,
        AGAIN,
        retryAfterMs(answer, nowMs),
      );
    case 413:
      return {
        type: 'too-large',
        problem: {
          code: 'too-large',
          what: `${whom.Name} takes no batch of this size (${namedStatus(status)})`,
          next: 'It is cut in halves by itself; lower batch.bytesMax, so that this is not needed.',
        },
      };
    case 415:
      return blocked(
        'media-type-refused',
        `${whom.Name} does not take this kind of content (${namedStatus(status)})`,
        'Set another format, compression: none, or the Content-Type that it wants in headers.',
      );
    case 429:
      return retry(
        'too-many-requests',
        `${whom.Name} takes less at present (${namedStatus(status)})`,
        'It is sent more slowly by itself; ask for a larger quota if this stays.',
        retryAfterMs(answer, nowMs),
      );
    case 431:
      return blocked(
        'header-refused',
        `${whom.Name} does not take header fields of this size (${namedStatus(status)})`,
        'Shorten the headers of the sink; a token may be too long as well.',
      );
    default:
      return blocked(
        'status-unexpected',
        `${whom.Name} answers ${namedStatus(status)}${saying(answer)}`,
        'Ask who runs it what that means there, then correct the URL, the headers or the credentials of the sink.',
      );
  }
}

/** A page for people in place of an API: a captive portal, a login page, a web server's own page. */
export function isWebPage(answer: Answer): boolean {
  const type = answer.header('content-type').toLowerCase();
  if (type !== '' && !/^(text\/html|application\/xhtml)/.test(type)) return false;
  const text = answer.text().trimStart();
  return type === '' ? /^<(!doctype\s+html|html)/i.test(text) : text.startsWith('<');
}

export function notAnApi(answer: Answer, url: URL): Failure {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(answer.text())?.[1]?.trim().replace(/\s+/g, ' ') ?? '';
  return blocked(
    'not-an-api',
    `${shownUrl(url.href, url)} answers with a web page${title === '' ? '' : ` ("${shown(title)}")`} in place of an API`,
    'Correct the URL; or a login page, captive portal or proxy answers in its place: have this sensor let through. Nothing is taken for delivered.',
  );
}

/** 429 and 503 and others: seconds or a date (RFC 9110, section 10.2.3), as milliseconds from now; 0 when it is missing or wrong. */
export function retryAfterMs(answer: Answer, nowMs: number): number {
  const text = answer.header('retry-after').trim();
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text) * 1000, RETRY_AFTER_MS_MAX);
  const atMs = /[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs)) return 0;
  // By the clock of the one that said it, when it tells it.
  const theirMs = Date.parse(answer.header('date'));
  return Math.min(Math.max(atMs - (Number.isNaN(theirMs) ? nowMs : theirMs), 0), RETRY_AFTER_MS_MAX);
}

export function proxyRefused(proxy: Whom): Failure {
  return blocked(
    'proxy-authentication',
    `${proxy.Name} wants a user and a password, or other ones (407)`,
    'Set proxyUser and proxyPassword of the sink.',
  );
}

function serverTrouble(answer: Answer, whom: Whom, nowMs: number): Failure {
  const afterMs = retryAfterMs(answer, nowMs);
  switch (answer.status) {
    case 502:
    case 504:
      return retry(
        'behind-it-silent',
        `${whom.Name} does not reach the service behind it (${namedStatus(answer.status)})`,
        `Look at that service. ${AGAIN}`,
        afterMs,
      );
    case 503:
      return retry('unavailable', `${whom.Name} is not available at present (${namedStatus(503)})`, `Look at its state. ${AGAIN}`, afterMs);
    case 511:
      return retry(
        'not-an-api',
        `The network wants a login before it lets anything through (${namedStatus(511)})`,
        `Have this sensor let through. ${AGAIN}`,
        afterMs,
      );
    default:
      return retry(
        'server-error',
        `${whom.Name} fails (${namedStatus(answer.status)})${saying(answer)}`,
        `Look at its log. ${AGAIN}`,
        afterMs,
      );
  }
}

function redirected(answer: Answer, url: URL, whom: Whom): Failure {
  const location = answer.header('location');
  const target = location === '' ? 'without saying where' : `to ${shownUrl(location, url)}`;
  return blocked(
    'redirected',
    `The URL redirects ${target} (${answer.status} from ${whom.name}); redirects are not followed`,
    'Write the final URL into the configuration; if that place is a login page, the request lacks its credentials or is caught by a portal.',
  );
}

function unauthorised(answer: Answer, whom: Whom, credentials: string, skew: Skew): Failure {
  // RFC 6750, section 3.1: one of a few words; the description may hold anything and is not shown.
  const error = /\berror="?([a-z_]{1,40})"?/.exec(answer.header('www-authenticate'))?.[1];
  const said = error === undefined ? namedStatus(401) : `${namedStatus(401)}, ${error}`;
  if (credentials === '') {
    return blocked('credentials-missing', `${whom.Name} wants credentials (${said})`, 'Set auth of the sink.');
  }
  if (isSkewed(skew)) return blocked('clock-skewed', `${whom.Name} refuses ${credentials} (${said}); ${skewClause(skew)}`, SET_CLOCK);
  return blocked(
    'token-refused',
    `${whom.Name} refuses ${credentials} (${said})`,
    'Check that these credentials are meant for this URL: tenant, audience, scope; renew them if they were withdrawn.',
  );
}

/** Two that concern the connection and come as 400 from web servers: taking them for content would empty the queue. */
function misplacedRequest(text: string, whom: Whom): Failure | null {
  if (/plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|speaking plain HTTP to an SSL-enabled/i.test(text)) {
    return blocked('tls-missing', `${whom.Name} wants TLS, and the URL says http`, 'Write the URL with https://.');
  }
  if (/No required SSL certificate was sent|SSL certificate error/i.test(text)) {
    return blocked(
      'client-certificate-required',
      `${whom.Name} wants a client certificate, or another one`,
      'Set tls.certificateFile and tls.keyFile to a certificate that it accepts.',
    );
  }
  return null;
}

const names: Readonly<Record<number, string>> = {
  207: 'Multi-Status',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  425: 'Too Early',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  511: 'Network Authentication Required',
};

export function namedStatus(status: number): string {
  return status in names ? `${status} ${names[status]}` : String(status);
}

/** The machine's word for it, where the answer has one: never its free text, which may repeat what was sent. */
function saying(answer: Answer): string {
  if (!/json/i.test(answer.header('content-type'))) return '';
  const word = /"(?:error|code|type|title)"\s*:\s*"([A-Za-z0-9_.:/-]{1,60})"/.exec(answer.text())?.[1];
  return word === undefined ? '' : `: ${word}`;
}

/** For one record of a reply that says how it went with each. */
export function itemProblem(status: number, isRefused: boolean, whom: Whom): Problem {
  return isRefused
    ? {
        code: 'record-refused',
        what: `${whom.Name} refuses a record (${namedStatus(status)})`,
        next: 'Look at it in the dead-letter log, and at the format of the sink.',
      }
    : { code: 'record-not-taken', what: `${whom.Name} did not take a record (${namedStatus(status)})`, next: AGAIN };
}
