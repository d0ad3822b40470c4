/**
 * The original client of a call that came through proxies: the best address that headers, the PROXY protocol and
 * the connection give. Not for every call: it makes strings.
 *
 *   Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43, for="[2001:db8:cafe::17]:4711"    (RFC 7239)
 *   X-Forwarded-For: 203.0.113.195, 2001:db8:85a3::8a2e:370:7334, 150.172.238.178:1234
 *   X-Real-IP: 203.0.113.195
 *
 * Each proxy adds the address of its own peer at the right end. So the chain, nearest hop last, is
 *
 *   what the header says, left to right | peer that the PROXY protocol states, if any | peer of the connection
 *
 * Precedence: Forwarded, X-Forwarded-For, X-Real-IP, PROXY protocol, connection. The first that gives an address
 * counts; the headers are not mixed.
 *
 * With `http.trustedProxies` empty every hop is believed, and the leftmost address of the header is the client.
 * Otherwise the nearest hop (the peer of the PROXY protocol, else of the connection) must be a trusted proxy, or no
 * header is believed; from the right, trusted proxies are passed over, and the first address that is none of them is
 * the client. A hop that hides itself ("unknown", "_hidden", no `for`) or is no address ends the walk: what lies left
 * of it was told by somebody unknown; the last address before it counts. Is every address trusted, the leftmost
 * counts. The PROXY protocol is always believed: a server that does not expect it refuses the connection.
 *
 * Left out: X-Forwarded-Proto and other relatives; vendor headers (CF-Connecting-IP, True-Client-IP).
 */
import { type Cidr, isInAny, normaliseAddress, parseAddress, parseCidr } from '../base/cidr.ts';

export interface ClientIp {
  /** IPv4 dotted, IPv6 as RFC 5952, without port. */
  readonly address: string;
  readonly source: 'connection' | 'proxy-protocol' | 'forwarded' | 'x-forwarded-for' | 'x-real-ip';
}

let trusted: readonly Cidr[] = [];

/** Takes `http.trustedProxies`. What is no CIDR was refused by the settings; it is passed over here. */
export function resetClientIp(trustedProxies: readonly string[]): void {
  trusted = trustedProxies.map(parseCidr).filter((block) => block !== null);
}

function isTrusted(address: string): boolean {
  return parseAddress(address) && isInAny(trusted);
}

/** The address of a node (RFC 7239, 6): with or without port, brackets and quotes; null for "unknown", a name, or nonsense. */
function nodeAddress(node: string): string | null {
  let text = node.trim();
  if (text.length > 1 && text.startsWith('"') && text.endsWith('"')) text = text.slice(1, -1);
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    const after = text.slice(close + 1);
    if (close < 0 || (after !== '' && !after.startsWith(':'))) return null;
    return normaliseAddress(text.slice(1, close));
  }
  const colon = text.indexOf(':');
  if (colon >= 0 && colon === text.lastIndexOf(':')) text = text.slice(0, colon);
  return normaliseAddress(text);
}

/** The `for` of each element of a Forwarded value, quotes taken off; '' where an element has none. */
function forwardedNodes(value: string): string[] {
  const nodes: string[] = [];
  let node = '';
  let isEmpty = true;
  let at = 0;
  while (at <= value.length) {
    // One pair, up to a semicolon, a comma or the end; those count only outside of quotes.
    let text = '';
    let equals = -1;
    let quoted = false;
    for (; at < value.length; at++) {
      const c = value[at];
      if (quoted) {
        if (c === '"') quoted = false;
        else if (c === '\\' && at + 1 < value.length) text += value[++at];
        else text += c;
      } else if (c === '"') quoted = true;
      else if (c === ';' || c === ',') break;
      else {
        if (c === '=' && equals < 0) equals = text.length;
        text += c;
      }
    }
    if (text.trim() !== '') isEmpty = false;
    if (equals >= 0 && node === '' && text.slice(0, equals).trim().toLowerCase() === 'for') node = text.slice(equals + 1);
    if (value[at] !== ';') {
      if (!isEmpty) nodes.push(node);
      node = '';
      isEmpty = true;
    }
    at++;
  }
  return nodes;
}

/** Walks a chain of nodes, the nearest hop last; null when it gives no address. */
function walk(nodes: readonly string[]): string | null {
  if (trusted.length === 0) {
    for (const node of nodes) {
      const address = nodeAddress(node);
      if (address !== null) return address;
    }
    return null;
  }
  let last: string | null = null;
  for (let i = nodes.length - 1; i >= 0; i--) {
    const address = nodeAddress(nodes[i]);
    if (address === null) break;
    last = address;
    if (!isTrusted(address)) break;
  }
  return last;
}

/**
 * The client of a call. Header values are joined by commas where a header is repeated; '' stands for an absent one.
 * `proxy` is the peer that the PROXY protocol states, '' for none; `connection` the one that sent the request.
 */
export function clientIpOf(forwarded: string, xForwardedFor: string, xRealIp: string, proxy: string, connection: string): ClientIp {
  if (trusted.length === 0 || isTrusted(proxy === '' ? connection : proxy)) {
    if (forwarded !== '') {
      const address = walk(forwardedNodes(forwarded));
      if (address !== null) return { address, source: 'forwarded' };
    }
    if (xForwardedFor !== '') {
      const address = walk(xForwardedFor.split(','));
      if (address !== null) return { address, source: 'x-forwarded-for' };
    }
    if (xRealIp !== '') {
      const address = walk(xRealIp.split(','));
      if (address !== null) return { address, source: 'x-real-ip' };
    }
  }
  if (proxy !== '') return { address: proxy, source: 'proxy-protocol' };
  return { address: connection, source: 'connection' };
}
