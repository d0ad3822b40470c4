/**
 * A connection made step by step, to see how far it gets, and closed again:
 *
 *   name -> tcp -> tls
 *   name of the proxy -> proxy (TCP, CONNECT) -> tls
 *
 * Of TLS it says who signed the certificate. A firewall that looks into TLS signs it anew: its name is then the one that
 * stands there, in the place of a public CA.
 */
import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { getCACertificates, type TLSSocket } from 'node:tls';
import { Connector, chainOf, named } from './connector.ts';
import { failed, passed } from './probe.ts';
import { day, duration, type Skew, shown, type Whom } from './problem-words.ts';
import { connectionFailure } from './problems.ts';
import type { HttpProxy } from './proxy.ts';
import type { ProbeStep, Problem } from './sink.ts';
import type { TlsMaterial } from './tls-options.ts';

export interface ConnectionToProbe {
  readonly url: URL;
  readonly whom: Whom;
  readonly proxy: HttpProxy | null;
  /** null where TLS is not spoken. */
  readonly material: TlsMaterial | null;
  readonly http2: boolean;
  /** Of the name, and of all that follows. */
  readonly limitMs: number;
  readonly skew: Skew;
}

const ADDRESSES_SHOWN_MAX = 4;
/** A certificate that ends sooner is spoken of. */
const EXPIRY_WARNING_MS = 14 * 86_400_000;

/** Never throws. The last step is the one that failed, if one did. */
export async function probeConnection({ url, whom, proxy, material, http2, limitMs, skew }: ConnectionToProbe): Promise<ProbeStep[]> {
  const steps = [await probeName(proxy?.url ?? url, proxy?.whom ?? whom, limitMs)];
  if (!steps[0].ok) return steps;
  const connector = new Connector({ url, whom, proxy, tls: () => material, http2, timeoutMs: limitMs, skew: () => skew });
  let next: ProbeStep['name'] = proxy === null ? 'tcp' : 'proxy';
  try {
    const socket = await connector.connect({
      onTcp({ remoteAddress = '', remotePort = 0 }) {
        const place = `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
        if (proxy !== null && url.protocol === 'https:') return;
        steps.push(passed(next, proxy === null ? place : `${proxy.whom.place} at ${place}`));
        next = 'tls';
      },
      onTunnel() {
        steps.push(passed('proxy', `${proxy?.whom.place} opened the way to ${whom.place}`));
        next = 'tls';
      },
      onTls: (secured) => void steps.push(tlsStep(secured, whom, material?.clientExpiryMs ?? null)),
    });
    socket.on('error', () => undefined).destroy();
  } catch (error) {
    steps.push(failed(next, connectionFailure(error, whom, skew).problem));
  }
  return steps;
}

/** Which addresses the name of a URL has. */
async function probeName(url: URL, whom: Whom, limitMs: number): Promise<ProbeStep> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return passed('name', `${host} is an address`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' })), limitMs);
  });
  try {
    const found = (await Promise.race([lookup(host, { all: true }), late])).map(({ address }) => address);
    const more = found.length - ADDRESSES_SHOWN_MAX;
    return passed('name', `${host} is ${found.slice(0, ADDRESSES_SHOWN_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`);
  } catch (error) {
    return failed('name', connectionFailure(error, whom).problem);
  } finally {
    clearTimeout(timer);
  }
}

function tlsStep(socket: TLSSocket, whom: Whom, clientExpiryMs: number | null): ProbeStep {
  const chain = chainOf(socket.getPeerCertificate(true));
  const own = chain[0];
  const root = chain.at(-1);
  const endMs = Date.parse(own?.valid_to ?? '');
  const kind = isPublic(root?.fingerprint256 ?? '') ? 'a public CA' : 'no public CA: your own, or one that inspects TLS on the way';
  const parts = [
    socket.getProtocol() ?? 'TLS',
    `the certificate of ${shown(named(own?.subject))} is signed by ${shown(named(root?.issuer))} (${kind})`,
    `good until ${day(endMs)}`,
  ];
  if (clientExpiryMs !== null) parts.push(`ours until ${day(clientExpiryMs)}`);
  return passed('tls', parts.join(', '), clientExpiry(clientExpiryMs) ?? serverExpiry(endMs, whom));
}

function serverExpiry(endMs: number, whom: Whom): Problem | null {
  const leftMs = endMs - Date.now();
  if (!(leftMs < EXPIRY_WARNING_MS)) return null;
  const what = `The certificate of ${whom.name} ends in ${duration(leftMs)}, at ${day(endMs)}`;
  return { code: 'certificate-expires-soon', what, next: 'Have it renewed there: nothing is delivered afterwards.' };
}

function clientExpiry(endMs: number | null): Problem | null {
  const leftMs = (endMs ?? Number.POSITIVE_INFINITY) - Date.now();
  if (leftMs >= EXPIRY_WARNING_MS) return null;
  const code = 'client-certificate-expires-soon';
  const what =
    leftMs <= 0
      ? `The client certificate of this sensor has ended, at ${day(endMs ?? 0)}`
      : `The client certificate of this sensor ends in ${duration(leftMs)}, at ${day(endMs ?? 0)}`;
  return { code, what, next: 'Put a new one into tls.certificateFile with its key in tls.keyFile; it is taken over by itself.' };
}

let publicRoots: ReadonlySet<string> | undefined;

/** Whether it is one of the roots that come with Node, which are Mozilla's. */
function isPublic(fingerprint: string): boolean {
  publicRoots ??= new Set(getCACertificates('bundled').map((pem) => new X509Certificate(pem).fingerprint256));
  return publicRoots.has(fingerprint);
}
