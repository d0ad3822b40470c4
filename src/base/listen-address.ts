/**
 * Addresses with a port, as text: where to listen (":8080" is every address, "[::1]:8080" one of IPv6), and whom to
 * send to ("graphite.example.com:2003"). An IPv6 address stands in brackets, or nobody could tell where it ends.
 */
import { parseAddress, parsedAddress } from './cidr.ts';

export interface HostPort {
  /** A name or an address, without brackets; "" is every address of the machine. */
  readonly host: string;
  readonly port: number;
}

const NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*[.]?$/;

function parse(text: string): HostPort | null {
  const [, bracketed, plain = '', digits = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65535) return null;
  if (bracketed !== undefined) return bracketed.includes(':') && parseAddress(bracketed) ? { host: bracketed, port } : null;
  // What has only digits and dots is an address, or a mistake in one; it is no name.
  if (/^[0-9.]+$/.test(plain) ? !parseAddress(plain) : plain !== '' && !NAME.test(plain)) return null;
  return { host: plain, port };
}

/** Reads "address:port" to listen on. Port 0 is any that is free. null when the text is none. */
export function parseListenAddress(text: string): HostPort | null {
  return parse(text);
}

/** Reads "host:port" to send to; both are needed. null when the text is none. */
export function parsePeerAddress(text: string): HostPort | null {
  const peer = parse(text);
  return peer === null || peer.host === '' || peer.port === 0 ? null : peer;
}

/** The address as `parseListenAddress` reads it. */
export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** This machine, by a name or an address, also as a URL has it: names below localhost are (RFC 6761, section 6.3). */
export function isLoopback(host: string): boolean {
  if (/(^|\.)localhost\.?$/i.test(host)) return true;
  if (!parseAddress(host.replace(/^\[|\]$/g, ''))) return false;
  const [a, b, c, d] = parsedAddress;
  if (a !== 0 || b !== 0) return false;
  return (c === 0xffff && d >>> 24 === 127) || (c === 0 && d === 1);
}
