/**
 * The HTTP proxy on the way out: which one (setting or environment), and the way through it:
 *
 *   to https   CONNECT edge.example.com:443 HTTP/1.1      (RFC 9110, section 9.3.6), TLS inside
 *              Host: edge.example.com:443
 *              Proxy-Authorization: Basic ...             (RFC 7617)
 *   to http    POST http://collector.example.com/in       the whole URL as target (RFC 9112, section 3.2.2)
 */
import { BlockList, isIP, type Socket } from 'node:net';
import { readSecret } from '../base/secret.ts';
import type { Secret } from '../base/settings.ts';
import { blocked, FailureError, retry } from './failure.ts';
import { placeOf, shown, type Whom, whomOf } from './problem-words.ts';
import { proxyRefused } from './status-problems.ts';

export interface ProxySettings {
  /** URL of the proxy; "" for none; "environment": HTTPS_PROXY, HTTP_PROXY, NO_PROXY in either case. */
  readonly url: string;
  readonly user: string;
  readonly password: Secret | null;
}

export const NO_PROXY: ProxySettings = { url: '', user: '', password: null };

export interface HttpProxy {
  readonly url: URL;
  readonly whom: Whom;
  /** Value of Proxy-Authorization; "" for none. The password is read each time. */
  authorization(): string;
}

const HEAD_BYTES_MAX = 16 << 10;

/** The proxy for a URL; null: straight. Throws FailureError when what is set is no URL of a proxy. */
export function proxyFor(target: URL, settings: ProxySettings, environment: NodeJS.ProcessEnv = process.env): HttpProxy | null {
  let text = settings.url;
  if (text === 'environment') {
    const name = target.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
    text = environment[name] || environment[name.toUpperCase()] || environment.all_proxy || environment.ALL_PROXY || '';
    if (isExcepted(target, environment.no_proxy || environment.NO_PROXY || '')) return null;
  }
  if (text === '') return null;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw new FailureError(
      blocked(
        'proxy-url-invalid',
        settings.url === 'environment' ? 'The proxy that the environment names is none that is spoken' : 'The URL of the proxy is wrong',
        'Write it as http://HOST:PORT or https://HOST:PORT.',
      ),
    );
  }
  const whom = whomOf(placeOf(url), 'the proxy');
  const user = settings.user || decoded(url.username);
  const passwordInUrl = decoded(url.password);
  url.username = '';
  url.password = '';
  return {
    url,
    whom,
    authorization(): string {
      if (user === '') return '';
      const password = settings.password === null ? passwordInUrl : readSecret(settings.password);
      return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** NO_PROXY: names with all below them, addresses, networks, each with a port or without; "*" for all. */
function isExcepted(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  const family = isIP(host);
  for (const entry of list.toLowerCase().split(/[\s,]+/)) {
    if (entry === '') continue;
    if (entry === '*') return true;
    const network = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(entry);
    if (network !== null) {
      if (family !== 0 && isInNetwork(host, family, network[1], Number(network[2]))) return true;
      continue;
    }
    const [, bracketed, plain = '', wantedPort = ''] = /^(?:\[([^\]]*)\]|([^:]*|[^:]*:[^:]*:.*))(?::(\d+))?$/.exec(entry) ?? [];
    const name = (bracketed ?? plain).replace(/^\*?\./, '');
    if (name === '' || (wantedPort !== '' && wantedPort !== port)) continue;
    if (host === name || (family === 0 && host.endsWith(`.${name}`))) return true;
  }
  return false;
}

function isInNetwork(host: string, family: number, address: string, bits: number): boolean {
  if (isIP(address) !== family || bits > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const networks = new BlockList();
  networks.addSubnet(address, bits, type);
  return networks.check(host, type);
}

/** Asks the proxy, over a connection to it, for a way to `place`. The socket is then as if it were connected there. */
export async function openTunnel(socket: Socket, proxy: HttpProxy, place: string): Promise<void> {
  const authorization = proxy.authorization();
  const credentials = authorization === '' ? '' : `Proxy-Authorization: ${authorization}\r\n`;
  socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${credentials}\r\n`);
  const status = await readStatus(socket, proxy.whom);
  if (status >= 200 && status < 300) return;
  throw new FailureError(tunnelFailure(status, proxy.whom, place));
}

function tunnelFailure(status: number, proxy: Whom, place: string): ConstructorParameters<typeof FailureError>[0] {
  if (status === 407) return proxyRefused(proxy);
  if (status >= 500 || status === 408 || status === 429) {
    return retry(
      'proxy-cannot-reach',
      `${proxy.Name} cannot reach ${place} (${status})`,
      'Check host and port of the URL, and whether the proxy knows the name. It is tried again by itself.',
    );
  }
  return blocked(
    'proxy-forbids',
    `${proxy.Name} does not let the sensor connect to ${place} (${status})`,
    `Ask who runs the proxy to allow CONNECT to ${place}, or reach it without: NO_PROXY, proxy: "".`,
  );
}

/** Status of the answer to CONNECT. What comes behind its head is of the tunnel; TLS servers do not speak first. */
function readStatus(socket: Socket, whom: Whom): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = '';
    const done = (): void => {
      socket.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd);
      socket.pause();
    };
    const fail = (error: Error): void => {
      done();
      reject(error);
    };
    const onError = (error: Error): void => fail(error);
    const onEnd = (): void => fail(Object.assign(new Error('ended'), { code: 'ECONNRESET' }));
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length <= HEAD_BYTES_MAX) return;
      const status = end < 0 ? undefined : /^HTTP\/1\.[01] (\d{3})(?= |\r)/.exec(head)?.[1];
      if (status === undefined) {
        const what = `${whom.Name} answers with something else than HTTP (${shown(head.slice(0, 20))})`;
        fail(new FailureError(blocked('proxy-not-http', what, 'Check the port of the proxy: it has to be an HTTP proxy.')));
        return;
      }
      done();
      resolve(Number(status));
    };
    socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
  });
}
