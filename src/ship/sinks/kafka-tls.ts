/** What TLS has to say about a broker, in words: one more connection, made so that the certificate can be looked at. */
import { Connector } from '../connector.ts';
import { type Failure, FailureError } from '../failure.ts';
import { NO_SKEW, type Whom } from '../problem-words.ts';
import type { TlsMaterial } from '../tls-options.ts';

const LIMIT_MS = 5_000;

/** null: nothing is wrong with it. */
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
