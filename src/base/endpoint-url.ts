/**
 * The URL of a tunnel end-point, as the configuration names it:
 *
 *   udp://0.0.0.0:4789?encap=vxlan
 *   udp://[::]:6081?encap=geneve+vxlan
 *
 * Only what the text says is checked here; whether the address is one of this machine shows when it is opened.
 */
import { normaliseAddress, parseAddress, parsedAddress } from './cidr.ts';

const encapsulations = ['vxlan', 'geneve', 'geneve+vxlan'] as const;

/** What a datagram begins with; "geneve+vxlan": GENEVE, and VXLAN inside. */
export type EndpointEncapsulation = (typeof encapsulations)[number];

export interface EndpointUrl {
  /** IPv4 or, without brackets, IPv6, in its one spelling. */
  readonly address: string;
  readonly port: number;
  readonly encapsulation: EndpointEncapsulation;
}

/** What `parseEndpointUrl` wants, in words. */
export const ENDPOINT_WANTED: string = 'udp://ADDRESS:PORT?encap=vxlan, geneve or geneve+vxlan, as udp://0.0.0.0:4789?encap=vxlan';

export const VXLAN_PORT = 4789;
export const GENEVE_PORT = 6081;

/** Reads such a URL. Without `encap` port 6081 means GENEVE, any other VXLAN. A string says what is wrong, as a clause. */
export function parseEndpointUrl(text: string): EndpointUrl | string {
  if (!/^udp:\/\//i.test(text)) return 'it does not begin with udp://';
  const [, authority = '', query = ''] = /^([^/?#]*)\/?(?:[?](.*))?$/.exec(text.slice('udp://'.length)) ?? [];
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(authority) ?? [];
  if (digits === undefined) return 'behind udp:// it has no ADDRESS:PORT (IPv6 in brackets)';
  const fault = faultOf(bracketed ?? plain, bracketed !== undefined);
  if (fault !== null) return fault;
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65535) return `port "${digits}" is not from 1 to 65535`;
  const address = normaliseAddress(bracketed ?? plain) ?? '';
  if (query === '') return { address, port, encapsulation: port === GENEVE_PORT ? 'geneve' : 'vxlan' };
  const [, given] = /^encap=([^&]*)$/.exec(query) ?? [];
  if (given === undefined) return `"?${query}" is not understood: only encap can be said there`;
  const encapsulation = encapsulations.find((name) => name === given.replace(/%2b/i, '+'));
  return encapsulation === undefined ? `"${given}" is no encapsulation` : { address, port, encapsulation };
}

/** Why nobody can listen at an address; null when somebody may. */
function faultOf(address: string, inBrackets: boolean): string | null {
  if (address === '') return 'the address is missing: 0.0.0.0 is every one of IPv4';
  if (!parseAddress(address) || inBrackets !== address.includes(':')) {
    return `"${address}" is no address of ${inBrackets ? 'IPv6' : 'IPv4'} (names and zones are not taken)`;
  }
  const isIpv4 = parsedAddress[0] === 0 && parsedAddress[1] === 0 && parsedAddress[2] === 0xffff;
  if (isIpv4 && inBrackets) return `[${address}] is an address of IPv4: write ${normaliseAddress(address)}`;
  const isMulticast = isIpv4 ? parsedAddress[3] >>> 28 === 0xe : parsedAddress[0] >>> 24 === 0xff;
  return isMulticast ? `${address} is a multicast address` : null;
}
