/** Parts of a record that several formats need. */
import type { ApiCall } from '../../normalise/api-call.ts';

type Side = NonNullable<ApiCall['request']> | NonNullable<ApiCall['response']>;
export type Headers = Side['headers'];
export type Body = Side['body'];

/** Value of the last header of that name (given in lower case); undefined when there is none. */
export function headerOf(headers: Headers, name: string): string | undefined {
  for (let i = headers.length - 1; i >= 0; i--) {
    const [key, value] = headers[i];
    if (key.length === name.length && key.toLowerCase() === name) return value;
  }
  return undefined;
}

/** Packet time of the call: first byte of the request, else of the response; microseconds. */
export function timeOf(call: ApiCall): number {
  return call.request?.firstByteUs ?? call.response?.firstByteUs ?? 0;
}

/** RFC 3339 in UTC with microseconds. */
export function rfc3339(us: number): string {
  const seconds = Math.floor(us / 1_000_000);
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}.${String(us - seconds * 1_000_000).padStart(6, '0')}Z`;
}

/** Seconds since the epoch with six decimals; times before it are given as 0. */
export function epochSeconds(us: number): string {
  const seconds = Math.max(0, Math.floor(us / 1_000_000));
  return `${seconds}.${String(Math.max(0, us - seconds * 1_000_000)).padStart(6, '0')}`;
}

/** The whole URL as far as it is known: scheme, authority, path and query. */
export function urlOf(call: ApiCall): string {
  const { request } = call;
  if (request === null) return '';
  const server = call.server.address.includes(':') ? `[${call.server.address}]` : call.server.address;
  const authority = call.host ?? `${server}:${call.server.port}`;
  const path = request.path.startsWith('/') || request.path === '' ? request.path : `/${request.path}`;
  return `${call.scheme}://${authority}${path}${request.query === undefined ? '' : `?${request.query}`}`;
}

/** Host and port of an authority; the port is undefined when it names none. */
export function splitAuthority(authority: string): { readonly host: string; readonly port: number | undefined } {
  const match = /^(.*):([0-9]{1,5})$/.exec(authority);
  // An IPv6 address without brackets has colons of its own.
  if (match === null || (match[1].includes(':') && !match[1].endsWith(']'))) return { host: authority, port: undefined };
  return { host: match[1], port: Number(match[2]) };
}
