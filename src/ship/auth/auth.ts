/**
 * How a sink proves who it is: the value of Authorization, made anew for each request, so that a secret that was
 * replaced in its file counts from the next one on.
 *
 *   none      no such field
 *   token     Bearer, then the token (RFC 6750)
 *   basic     Basic, then user:password in base64 (RFC 7617)
 *   oauth2    Bearer, then a token from the token end-point (token-source.ts)
 */
import { readSecret, secretReference } from '../../base/secret.ts';
import type { AuthSettings, Secret, TlsSettings } from '../../base/settings.ts';
import { blocked, FailureError } from '../failure.ts';
import { connectionFailure } from '../problems.ts';
import type { ProxySettings } from '../proxy.ts';
import type { Problem } from '../sink.ts';
import { type TokenSourceOptions, tokenSource } from './token-source.ts';

export interface Auth {
  /** What is shown, for sentences: "the token"; "" for nothing. */
  readonly credentials: string;
  /** Value of Authorization; "" for none. Rejects with FailureError. */
  authorization(signal: AbortSignal): Promise<string>;
  /** That value was refused with 401: whether the next one may fare better. */
  refused(authorization: string): boolean;
  /** What a token that was given last is good for; 0: it is not known. */
  lifeMs(): number;
  hasChanged(): boolean;
  reload(): Problem | null;
  close(): Promise<void>;
}

/** Visible ASCII. */
const SENDABLE = /^[\x21-\x7e]+$/;
const nothingToReload = { lifeMs: () => 0, hasChanged: () => false, reload: () => null, close: async () => undefined };

export function authOf(settings: AuthSettings, tls: TlsSettings, proxy: ProxySettings, options: TokenSourceOptions): Auth {
  switch (settings.type) {
    case 'none':
      return { credentials: '', authorization: async () => '', refused: () => false, ...nothingToReload };
    case 'token':
      return fromSecret('the token', settings.token, (token) => {
        if (SENDABLE.test(token)) return `Bearer ${token}`;
        const what = `What lies in ${secretReference(settings.token)} is no token: it has blanks, line ends or other characters that none has`;
        throw new FailureError(blocked('token-invalid', what, 'Put the token alone there, on one line.'));
      });
    case 'basic':
      return fromSecret('user and password', settings.password, (password) => {
        return `Basic ${Buffer.from(`${settings.user}:${password}`).toString('base64')}`;
      });
    case 'oauth2': {
      const source = tokenSource(settings, tls, proxy, options);
      return {
        credentials: 'the token',
        authorization: async (signal) => `Bearer ${await source.token(signal)}`,
        refused(authorization: string): boolean {
          source.refresh(authorization.slice('Bearer '.length));
          return true;
        },
        lifeMs: () => source.lifeMs,
        hasChanged: () => source.hasChanged(),
        reload: () => source.reload(),
        close: async () => await source.close(),
      };
    }
  }
}

function fromSecret(credentials: string, secret: Secret, format: (text: string) => string): Auth {
  const value = (): string => {
    try {
      return format(readSecret(secret));
    } catch (error) {
      throw new FailureError(connectionFailure(error, { place: '', name: '', Name: '' }));
    }
  };
  return {
    credentials,
    authorization: async () => value(),
    // It may have been replaced between reading and refusal.
    refused: (authorization) => value() !== authorization,
    ...nothingToReload,
  };
}
