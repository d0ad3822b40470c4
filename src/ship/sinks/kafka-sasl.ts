/**
 * How the sensor proves itself to a Kafka broker (SASL, RFC 4422). Secrets are read anew for each connection, so that
 * one that was replaced counts from the next connection on; brokers that limit the life of a connection ask again.
 *
 *   plain            user and password (RFC 4616)
 *   scram-sha-*      proof of the password (RFC 5802, RFC 7677)
 *   oauthbearer      a token (RFC 7628), from a file or a token end-point
 *   aws-msk-iam      a token that is signed here, with credentials of AWS (aws-msk-token.ts)
 */
import type { Connection, SASLMechanismValue, SASLOptions } from '@platformatic/kafka';
import { readSecret } from '../../base/secret.ts';
import type { KafkaSinkSettings } from '../../base/settings.ts';
import { type TokenSource, tokenSource } from '../auth/token-source.ts';
import { NO_PROXY } from '../proxy.ts';
import type { Problem } from '../sink.ts';
import { mskToken } from './aws-msk-token.ts';

type Library = typeof import('@platformatic/kafka');
type AuthenticateApi = Library['saslAuthenticateV1']['api'];
type Answer = { readonly authBytes: Buffer; readonly sessionLifetimeMs: bigint };
type Exchange = (bytes: Buffer) => Promise<Answer>;

export interface Sasl {
  /** As Kafka names it: "SCRAM-SHA-512". */
  readonly mechanism: SASLMechanismValue;
  /** What is shown, for sentences: "the password of earshot". */
  readonly credentials: string;
  options(kafka: Library): SASLOptions;
  /** Whether certificates of the token end-point have changed on disk. */
  hasChanged(): boolean;
  /** Takes them over. */
  reload(): Problem | null;
  close(): Promise<void>;
}

/** The broker did not take a token: what it said, as one word ("invalid_token"). */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  readonly status: string;

  constructor(status: string) {
    super(`token refused: ${status}`);
    this.status = status;
  }
}

/** Within the time that a connection has to be made. */
const TOKEN_TIMEOUT_MS = 8_000;
const SEPARATOR = '\x01';
/** Of SCRAM: Kafka has 4096 to 16384. A broker that wants billions would keep a thread busy for hours. */
const ITERATIONS_MAX = 1_000_000;
const NOTHING_KEPT = { hasChanged: () => false, reload: () => null, close: async () => undefined };

/** null: none is used. */
export function saslOf(settings: KafkaSinkSettings): Sasl | null {
  const { sasl } = settings;
  switch (sasl.mechanism) {
    case 'none':
      return null;
    case 'plain':
      return make('PLAIN', `the password of ${sasl.user}`, async (exchange) => {
        return await exchange(Buffer.from(`\0${sasl.user}\0${readSecret(sasl.password)}`));
      });
    case 'scram-sha-256':
    case 'scram-sha-512':
      return scram(sasl.mechanism === 'scram-sha-256' ? 'SHA-256' : 'SHA-512', sasl.user, () => readSecret(sasl.password));
    case 'oauthbearer': {
      const source: TokenSource = tokenSource(sasl.auth, settings.tls, NO_PROXY, { requestTimeoutMs: TOKEN_TIMEOUT_MS });
      return make(
        'OAUTHBEARER',
        'the token',
        async (exchange) => {
          const token = await source.token(AbortSignal.timeout(TOKEN_TIMEOUT_MS));
          try {
            return await bearer(exchange, token);
          } catch (error) {
            source.refresh(token);
            throw error;
          }
        },
        { hasChanged: () => source.hasChanged(), reload: () => source.reload(), close: () => source.close() },
      );
    }
    case 'aws-msk-iam':
      return make('OAUTHBEARER', 'the credentials of AWS', async (exchange) => {
        return await bearer(exchange, await mskToken(sasl.region, AbortSignal.timeout(TOKEN_TIMEOUT_MS)));
      });
  }
}

/** RFC 7628, section 3.1; a refusal is a first answer with words, then the error (section 3.2.3). */
async function bearer(exchange: Exchange, token: string): Promise<Answer> {
  const answer = await exchange(Buffer.from(`n,,${SEPARATOR}auth=Bearer ${token}${SEPARATOR}${SEPARATOR}`));
  if (answer.authBytes.length === 0) return answer;
  const status = /"status"\s*:\s*"([a-z_]{1,60})"/.exec(answer.authBytes.toString('latin1'))?.[1] ?? '';
  await exchange(Buffer.from(SEPARATOR)).catch(() => undefined);
  throw new TokenRefused(status);
}

function make(
  mechanism: SASLMechanismValue,
  credentials: string,
  run: (exchange: Exchange) => Promise<Answer>,
  kept: Pick<Sasl, 'hasChanged' | 'reload' | 'close'> = NOTHING_KEPT,
): Sasl {
  return {
    mechanism,
    credentials,
    ...kept,
    options: () => ({
      mechanism,
      authenticate: (_mechanism, connection, api, _user, _password, _token, callback) => {
        const exchange: Exchange = (bytes) =>
          new Promise((resolve, reject) => {
            api(connection, bytes, (error, answer) => {
              if (error || answer === undefined) reject(error ?? new Error('no answer'));
              else resolve(answer);
            });
          });
        settle(run(exchange), connection, callback);
      },
    }),
  };
}

function scram(algorithm: 'SHA-256' | 'SHA-512', user: string, password: () => string): Sasl {
  const mechanism = `SCRAM-${algorithm}` as const;
  return {
    mechanism,
    credentials: `the password of ${user}`,
    ...NOTHING_KEPT,
    options: ({ saslScramSha }) => ({
      mechanism,
      authenticate: (_mechanism, connection, api, _user, _password, _token, callback) => {
        const proof = new Promise<Answer>((resolve, reject) => {
          // What the library makes of an answer may throw; within a socket's event that would end the process.
          const careful = (to: Connection, bytes: Buffer, next: (error: Error | null, answer?: Answer) => void): void =>
            api(to, bytes, (error, answer) => {
              try {
                if (Number(/,i=(\d{1,20})/.exec(answer?.authBytes.toString('latin1') ?? '')?.[1] ?? 0) > ITERATIONS_MAX) {
                  throw new Error('too many iterations');
                }
                next(error, answer);
              } catch (cause) {
                reject(cause);
              }
            });
          const done = (error: Error | null, answer?: Answer): void => {
            if (error || answer === undefined) reject(error ?? new Error('no answer'));
            else resolve(answer);
          };
          const { authenticate, defaultCrypto } = saslScramSha;
          authenticate(careful as unknown as AuthenticateApi, connection, algorithm, user, password, defaultCrypto, done);
        });
        settle(proof, connection, callback);
      },
    }),
  };
}

function settle(answer: Promise<Answer>, connection: Connection, callback: (error: Error | null, answer?: never) => void): void {
  answer
    .then(
      (good) => callback(null, good as never),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    )
    .catch(() => connection.socket.destroy());
}
