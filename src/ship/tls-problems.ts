/** Problems of TLS, for operators: certificates that are not trusted or not valid, names, versions, mutual TLS. */
import { blocked, type Failure, retry } from './failure.ts';
import { day, isSkewed, SET_CLOCK, type Skew, shown, skewClause, type Whom } from './problem-words.ts';

/** The parts of a certificate that are shown. */
export interface CertificateFacts {
  /** "CN=Example Root, O=Example" */
  readonly subject: string;
  /** Of the last certificate of the chain that the server sent. */
  readonly topIssuer: string;
  /** Names that it is good for. */
  readonly names: readonly string[];
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** The server's certificate was looked at and not taken. */
export class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused';
  /** OpenSSL's, as CERT_HAS_EXPIRED, or Node's ERR_TLS_CERT_ALTNAME_INVALID. */
  readonly code: string;
  readonly facts: CertificateFacts;
  /** Name that the certificate should have. */
  readonly wanted: string;

  constructor(code: string, facts: CertificateFacts, wanted: string) {
    super(code);
    this.code = code;
    this.facts = facts;
    this.wanted = wanted;
  }
}

const untrusted = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
]);

const NAMES_SHOWN_MAX = 5;

/** null: the error is none of TLS. */
export function tlsProblem(error: unknown, code: string, whom: Whom, skew: Skew, nowMs: number = Date.now()): Failure | null {
  if (error instanceof CertificateRefused) return certificateProblem(error, whom, skew, nowMs);
  if (code === 'ECONNRESET' && error instanceof Error && /before secure TLS connection/.test(error.message)) {
    return retry(
      'tls-broken-off',
      `${whom.Name} broke the connection off while TLS was being agreed upon`,
      'Check that TLS is spoken at that port and whether a firewall inspects TLS on the way; some servers do so when a client certificate is missing. It is tried again by itself.',
    );
  }
  if (!/^(ERR_SSL_|EPROTO|ERR_TLS_)/.test(code)) return null;
  const reason = `${code} ${error instanceof Error ? error.message : ''}`.toUpperCase().replace(/[ -]/g, '_');
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL|INVALID_SESSION_ID/.test(reason)) {
    return blocked(
      'tls-not-spoken',
      `What answers at ${whom.name} does not speak TLS`,
      'Check the port, or whether the URL should begin with http://; a proxy in between may answer in its place.',
    );
  }
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_PROTOCOLS/.test(reason)) {
    return blocked(
      'tls-version',
      `${whom.Name} speaks no version of TLS that is still safe (1.2 or 1.3)`,
      'Have TLS 1.2 or 1.3 switched on there; older ones are not spoken.',
    );
  }
  if (/CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE|PEER_DID_NOT_RETURN/.test(reason)) {
    const certain = reason.includes('CERTIFICATE_REQUIRED');
    return blocked(
      certain ? 'client-certificate-required' : 'tls-handshake-refused',
      certain
        ? `${whom.Name} wants a client certificate`
        : `${whom.Name} refuses the TLS handshake: it wants a client certificate, or has no cipher in common with this sensor`,
      'Set tls.certificateFile and tls.keyFile to a certificate that it accepts.',
    );
  }
  const alert =
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|CERTIFICATE_UNKNOWN|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED|DECRYPT_ERROR|CERT_UNKNOWN)/.exec(
      reason,
    );
  if (alert !== null) {
    return blocked(
      'client-certificate-refused',
      `${whom.Name} does not take the client certificate (${alert[1].toLowerCase().replaceAll('_', ' ')})`,
      'Put one that it trusts and that is not expired into tls.certificateFile with its key in tls.keyFile: openssl x509 -noout -issuer -dates -in FILE.',
    );
  }
  if (/UNRECOGNIZED_NAME/.test(reason)) {
    return blocked(
      'tls-name-unknown',
      `${whom.Name} does not know the name that it is asked for`,
      'Correct the host in the URL, or tls.serverName.',
    );
  }
  return blocked(
    'tls-failed',
    `TLS with ${whom.name} failed (${shown(code)})`,
    `See what it offers: openssl s_client -connect ${whom.place}.`,
  );
}

function certificateProblem({ code, facts, wanted }: CertificateRefused, whom: Whom, skew: Skew, nowMs: number): Failure {
  const clock = isSkewed(skew) ? `; ${skewClause(skew)}` : '';
  if (code === 'CERT_HAS_EXPIRED') {
    return blocked(
      'certificate-expired',
      `A certificate of ${whom.name} expired: that of ${shown(facts.subject)} is good until ${day(facts.validToMs)}, and this machine's clock says ${day(nowMs)}${clock}`,
      clock === '' ? 'Have the certificate renewed there, or set the clock of this machine if that date is wrong.' : SET_CLOCK,
    );
  }
  if (code === 'CERT_NOT_YET_VALID') {
    return blocked(
      'certificate-not-yet-valid',
      `The certificate of ${whom.name} is good from ${day(facts.validFromMs)} only, and this machine's clock says ${day(nowMs)}${clock}`,
      `If that is not the date: ${SET_CLOCK} Otherwise the certificate was made for later.`,
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    const names = facts.names.slice(0, NAMES_SHOWN_MAX).map(shown).join(', ') || 'none';
    const more = facts.names.length > NAMES_SHOWN_MAX ? ` and ${facts.names.length - NAMES_SHOWN_MAX} more` : '';
    return blocked(
      'certificate-name',
      `The certificate of ${whom.name} is not for ${shown(wanted)}; the names in it: ${names}${more}`,
      'Write the URL with one of those names, set tls.serverName to it, or have a certificate made for this one.',
    );
  }
  if (code === 'CERT_REVOKED') {
    return blocked('certificate-revoked', `The certificate of ${whom.name} was revoked`, 'Have it replaced there.');
  }
  if (untrusted.has(code)) {
    const selfSigned = code === 'DEPTH_ZERO_SELF_SIGNED_CERT';
    return blocked(
      'certificate-untrusted',
      selfSigned
        ? `The certificate of ${whom.name} (${shown(facts.subject)}) is signed by itself and not trusted here`
        : `The certificate of ${whom.name} is signed by ${shown(facts.topIssuer)}, which is not trusted here`,
      'Is that your own CA? Put its certificate into tls.caFile. Is it the name of a firewall or proxy? Then TLS is being intercepted: have this sensor exempted, or trust that CA in tls.caFile. Otherwise the server may leave out intermediate certificates.',
    );
  }
  return blocked(
    'certificate-refused',
    `The certificate of ${whom.name} (${shown(facts.subject)}) is not good (${shown(code)})`,
    `Look at it: openssl s_client -showcerts -connect ${whom.place}.`,
  );
}
