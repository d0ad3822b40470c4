/** What a ClientHello says, as strings for http/tls-facts.ts: once a connection, off the path of packets. */
import { counter, counts } from '../base/counters.ts';
import { alpnNames, hello, offeredVersion, serverName } from './client-hello.ts';
import { ja4 } from './ja4.ts';
import { noteTls, type TlsConnection } from './tls-facts.ts';

const C = counts;
const HELLOS = { tcp: counter('tls.hellos{tcp}'), quic: counter('tls.hellos{quic}') };
const WITH_ECH = counter('tls.ech');
/** Names of ALPN that are told. */
const ALPN_MAX = 16;

/** Versions that have a name. */
export const tlsVersions: Readonly<Record<number, string>> = { 772: '1.3', 771: '1.2', 770: '1.1', 769: '1.0', 768: 'ssl3' };

/** Counts and notes the hello that was read last, and the connection that it came on. */
export function noteHello(on: Omit<TlsConnection, 'serverName' | 'alpn' | 'version' | 'ja4' | 'hasEch'>): void {
  C[HELLOS[on.transport]]++;
  if (hello.hasEch) C[WITH_ECH]++;
  const version = offeredVersion();
  noteTls({
    ...on,
    serverName: serverName(),
    alpn: alpnNames(ALPN_MAX),
    version: tlsVersions[version] ?? `0x${version.toString(16).padStart(4, '0')}`,
    ja4: ja4(on.transport === 'tcp' ? 't' : 'q'),
    hasEch: hello.hasEch,
  });
}
