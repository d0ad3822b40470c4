/**
 * uap-edge: delivery to Cequence's Unified API Edge: POST https://edge.TENANT/api-transactions with a Bearer token,
 * which comes by OAuth2 client credentials from https://auth.TENANT/auth/realms/REALM/protocol/openid-connect/token and
 * lasts 1,800 s unless the answer says otherwise. The records are those of formats/uap-edge.ts.
 */
import { isLoopback } from '../../base/listen-address.ts';
import type { HttpSinkSettings } from '../../base/settings.ts';
import type { HttpSinkKind } from './http-sink.ts';

export const uapEdgeKind: HttpSinkKind = {
  tokenLifeMs: 1_800_000,
  check({ format }: HttpSinkSettings, url: URL): readonly [why: string, next: string] | null {
    if (format !== 'uap-edge') return [`its format is ${format}`, 'Leave format out, or use type: http.'];
    if (url.protocol !== 'https:' && !isLoopback(url.hostname)) {
      return ['its url is not https: tokens and calls would cross the network readable', 'Write it with https://.'];
    }
    if (url.pathname === '/') return ['its url has no path', 'Add that of the interface: https://edge.TENANT/api-transactions.'];
    return null;
  },
};
