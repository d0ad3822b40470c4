/** TLS with brokers: what a connection is made with, and what is wrong with one. */
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { ConnectionPool } from '@platformatic/kafka';
import { Connector } from '../connector.ts';
import { type Failure, FailureError } from '../failure.ts';
import { NO_SKEW, type Whom } from '../problem-words.ts';
import type { TlsMaterial } from '../tls-options.ts';

const LIMIT_MS = 5_000;

type NamedTls = Pick<NonNullable<ConstructorParameters<typeof ConnectionPool>[1]>, 'tls' | 'tlsServerName'>;

/**
 * By which name a broker is asked for in TLS (SNI), and its certificate judged: the configured one, else its own, which the
 * library tells only when it is told to. An address is none (RFC 6066, section 3) and is only compared with the certificate.
 */
export function namedTls({ context, serverName }: TlsMaterial, isOfNames: boolean): NamedTls {
  const tls = { secureContext: context };
  if (serverName === '') return isOfNames ? { tls, tlsServerName: true } : { tls };
  if (isIP(serverName) === 0) return { tls, tlsServerName: serverName };
  return { tls: { ...tls, checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate) } };
}

/** In words: one more connection, made so that the certificate can be looked at. null: nothing is wrong with it. */
export async function tlsFailure(whom: Whom, material: TlsMaterial | null): Promise<Failure | null> {
  if (material === null) return null;
  const connector = new Connector({
    url: new URL(`https://${whom.place}`),
    whom,
    proxy: null,
    tls: () => material,
    http2: false,
    timeoutMs: LIMIT_MS,
    skew: () => NO_SKEW,
  });
  try {
    (await connector.connect()).destroy();
    return null;
  } catch (error) {
    return error instanceof FailureError ? error.failure : null;
  }
}
