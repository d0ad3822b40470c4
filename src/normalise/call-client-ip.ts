/** The original client of a call (client-ip.ts), from the fields of its request and the PROXY protocol. It makes strings. */
import { formatAddress } from '../base/address.ts';
import { bytes, words } from '../base/arena.ts';
import { PROXY_SOURCE, PROXY_VERSION } from '../http/proxy-protocol.ts';
import * as t from '../http/transaction.ts';
import { type ClientIp, clientIpOf } from './client-ip.ts';

const B = bytes;
const W = words;
const K = t.calls;

/** Of the call whose words begin at `k`; `connection` is the address that the request came from. */
export function clientIpOfCall(k: number, connection: string): ClientIp {
  const s = k + t.REQUEST;
  const block = K[s + t.S_HEAD];
  const table = t.fieldTable(block, K[s + t.S_HEAD_BYTES]);
  let forwarded = '';
  let forwardedFor = '';
  let realIp = '';
  const fields = K[k + t.C_FLAGS] & t.HAS_CLIENT_IP ? K[s + t.S_FIELDS] : 0;
  for (let i = 0; i < fields; i++) {
    const length = t.nameEnd(block, table, i) - t.nameAt(block, table, i);
    if (length !== 9 && length !== 15) continue;
    const name = B.toString('latin1', t.nameAt(block, table, i), t.nameEnd(block, table, i)).toLowerCase();
    const value = B.toString('latin1', t.valueAt(block, table, i), t.valueEnd(block, table, i));
    if (name === 'forwarded') forwarded = forwarded === '' ? value : `${forwarded}, ${value}`;
    else if (name === 'x-forwarded-for') forwardedFor = forwardedFor === '' ? value : `${forwardedFor}, ${value}`;
    else if (name === 'x-real-ip') realIp = realIp === '' ? value : `${realIp}, ${value}`;
  }
  const w = K[k + t.C_PROXY] >> 2;
  const p = w + PROXY_SOURCE;
  const proxy = w === 0 ? '' : formatAddress(W[w + PROXY_VERSION], W[p], W[p + 1], W[p + 2], W[p + 3]);
  return clientIpOf(forwarded, forwardedFor, realIp, proxy, connection);
}
