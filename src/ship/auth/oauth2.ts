/**
 * OAuth2 client credentials (RFC 6749, section 4.4): one request to the token end-point.
 *
 *   POST /token                               200 { "access_token": "...", "token_type": "Bearer", "expires_in": 1800 }
 *   Authorization: Basic id:secret            400 { "error": "invalid_scope" }
 *   grant_type=client_credentials&scope=...   401 { "error": "invalid_client" }
 *
 * What went wrong is told apart: nobody answers, or 408, 429, 5xx (later again); the client is refused (blocked); what
 * answers is no token end-point (blocked). Of its words only the error codes of RFC 6749, section 5.2, are shown.
 */
import * as oauth from 'oauth4webapi';
import { isLoopback } from '../../base/listen-address.ts';
import { readSecret } from '../../base/secret.ts';
import type { AuthSettings } from '../../base/settings.ts';
import { blocked, type Failure, FailureError } from '../failure.ts';
import type { Clocks, HttpClient, HttpReply } from '../http-client.ts';
import { isSkewed, SET_CLOCK, skewClause } from '../problem-words.ts';
import { connectionFailure } from '../problems.ts';
import { isWebPage, notAnApi, statusOutcome } from '../status-problems.ts';

export type OAuth2Settings = Extract<AuthSettings, { readonly type: 'oauth2' }>;

export interface Token {
  readonly value: string;
  /** As the end-point says; 0 when it does not. */
  readonly lifeMs: number;
}

const errorWords: Readonly<Record<string, readonly [what: string, next: string]>> = {
  invalid_client: ['does not know this client, or its secret is another one', 'Correct auth.clientId and the client secret.'],
  // Keycloak says this of a wrong secret too.
  unauthorized_client: [
    'does not give this client tokens by client credentials, or its secret is another one',
    'Correct auth.clientId and the client secret; or have the client credentials grant (service account) switched on for this client.',
  ],
  unsupported_grant_type: [
    'gives no tokens by client credentials',
    'Have the client credentials grant switched on there, or use another kind of auth.',
  ],
  invalid_scope: ['does not give this client the scope that is asked for', 'Correct auth.scope, or have it granted to the client.'],
  invalid_target: ['does not give this client tokens for that audience', 'Correct auth.audience, or have it granted to the client.'],
  invalid_request: ['does not understand the request', 'Check auth.tokenUrl, and try the other auth.clientAuthentication (basic or post).'],
};

/** Asks for a token. Rejects with FailureError. */
export async function requestToken(settings: OAuth2Settings, http: HttpClient, clocks: Clocks, signal: AbortSignal): Promise<Token> {
  const url = new URL(settings.tokenUrl);
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
    throw new FailureError(
      blocked(
        'token-url-insecure',
        'auth.tokenUrl is not https: the client secret would cross the network readable',
        'Write it with https://.',
      ),
    );
  }
  let reply: HttpReply | null = null;
  try {
    const secret = readSecret(settings.clientSecret);
    const proof = settings.clientAuthentication === 'post' ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
    const parameters = new URLSearchParams();
    if (settings.scope !== '') parameters.set('scope', settings.scope);
    if (settings.audience !== '') parameters.set('audience', settings.audience);
    const server: oauth.AuthorizationServer = { issuer: url.origin, token_endpoint: url.href };
    const client: oauth.Client = { client_id: settings.clientId };
    const response = await oauth.clientCredentialsGrantRequest(server, client, proof, parameters, {
      signal,
      // Plain HTTP only on this machine, as above.
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: async (target, { headers, body }) => {
        const answer = await http.request({ method: 'POST', url: new URL(target), headers, body: Buffer.from(String(body)), signal });
        if (answer.type !== 'reply') throw new FailureError(answer);
        reply = answer;
        return tokenResponse(answer);
      },
    });
    const failure = reply === null ? null : refusal(reply, url, http, clocks);
    if (failure !== null) throw new FailureError(failure);
    const answer = await oauth.processClientCredentialsResponse(server, client, response, {
      recognizedTokenTypes: { bearer: () => undefined },
    });
    if (!/^[\x21-\x7e]+$/.test(answer.access_token)) throw new FailureError(notAToken(http));
    return { value: answer.access_token, lifeMs: Math.max(0, (answer.expires_in ?? 0) * 1000) };
  } catch (error) {
    if (error instanceof FailureError) throw error;
    throw new FailureError(reply === null ? connectionFailure(error, http.whom, clocks.skew) : notAToken(http));
  }
}

/**
 * What counts of an answer, as RFC 6749, section 5.1, has it. End-points answer 201, leave token_type out, write null for what
 * they do not have, and give members that are of no use here: none of that makes the token a worse one.
 */
function tokenResponse(reply: HttpReply): Response {
  const { status, body } = reply;
  const answer = status === 200 || status === 201 ? parsed(body) : null;
  if (answer === null) return new Response(new Uint8Array(body), { status, headers: { 'content-type': reply.header('content-type') } });
  const { access_token, token_type, expires_in } = answer;
  return Response.json({ access_token, token_type: token_type ?? 'bearer', expires_in: usableSeconds(expires_in) });
}

/** null: it is no object. */
function parsed(body: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const answer: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof answer === 'object' && answer !== null ? (answer as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}

/** undefined: the life of the token is not known. */
function usableSeconds(life: unknown): number | undefined {
  const seconds = typeof life === 'string' && /^\d+(\.\d+)?$/.test(life.trim()) ? Number(life) : life;
  return typeof seconds === 'number' && seconds > 0 && Number.isFinite(seconds * 1000) ? seconds : undefined;
}

/** null: the answer should be a token. */
function refusal(reply: HttpReply, url: URL, http: HttpClient, clocks: Clocks): Failure | null {
  const { status } = reply;
  if (status >= 200 && status < 300) return isWebPage(reply) ? notAnApi(reply, url) : null;
  const isRefusal = status === 400 || status === 401 || status === 403 || status === 422;
  if (!isRefusal) {
    const outcome = statusOutcome(reply, url, http.whom, 'the client', clocks.skew, Date.now());
    return outcome.type === 'retry' || outcome.type === 'blocked' ? outcome : { type: 'blocked', problem: outcome.problem };
  }
  if (isWebPage(reply)) return notAnApi(reply, url);
  const error = /"error"\s*:\s*"([a-z_]{1,60})"/.exec(reply.text())?.[1] ?? '';
  const said = error === '' ? String(status) : `${status} ${error}`;
  if (isSkewed(clocks.skew)) {
    return blocked('clock-skewed', `${http.whom.Name} refuses the client (${said}); ${skewClause(clocks.skew)}`, SET_CLOCK);
  }
  const [what, next] = errorWords[error] ?? ['refuses the client', 'Check auth.clientId, the client secret and auth.tokenUrl.'];
  return blocked('token-refused', `${http.whom.Name} ${what} (${said})`, next);
}

function notAToken(http: HttpClient): Failure {
  return blocked(
    'token-invalid',
    `What ${http.whom.name} answers is no token (RFC 6749, section 5.1)`,
    'Check auth.tokenUrl: it has to be the token end-point itself, as .../protocol/openid-connect/token.',
  );
}
