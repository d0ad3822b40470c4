/**
 * The masking rules that are shipped: what is sensitive wherever it stands, by its content, and what is sensitive by the
 * name that it stands under. In this order: the first rule that fits decides.
 */
import type { ActionName, DetectorName, MaskingRule, MaskingSpec, PlaceName } from './spec.ts';

export interface ShippedRule {
  readonly rule: MaskingRule;
  readonly enabled: boolean;
  /** For the page and the commented file. */
  readonly meaning: string;
}

const empty: MaskingRule = {
  name: '',
  detector: '',
  pattern: '',
  validator: '',
  fields: [],
  notFields: [],
  places: [],
  action: 'replace',
  replacement: '',
};

/** A rule with what is given, and what stands for nothing elsewhere. */
export function maskingRule(given: Partial<MaskingRule>): MaskingRule {
  return { ...empty, ...given };
}

function detector(name: DetectorName, meaning: string, more: Partial<MaskingRule> = {}): ShippedRule {
  return { rule: maskingRule({ name, detector: name, ...more }), enabled: true, meaning };
}

/** Names as words: "card-number cvv". Those behind "not" are exceptions. */
function byName(
  name: string,
  meaning: string,
  words: string,
  more: { not?: string; places?: PlaceName[]; as?: string; action?: ActionName } = {},
): ShippedRule {
  const rule = maskingRule({
    name,
    fields: words.split(/\s+/),
    notFields: more.not?.split(/\s+/) ?? [],
    places: more.places ?? [],
    action: more.action ?? 'replace',
    replacement: more.as === undefined ? '' : `*${more.as}*`,
  });
  return { rule, enabled: true, meaning };
}

export const shippedRules: readonly ShippedRule[] = [
  detector('private-key', 'Private keys in PEM.'),
  detector('jwt', 'JSON Web Tokens: claims that say something about somebody, and the signature.', { action: 'jwt-claims' }),
  detector('bearer-token', 'Tokens behind "Bearer".'),
  detector('basic-credentials', 'User and password behind "Basic", and in URLs.'),
  detector('api-key', 'Keys of well-known providers, by their form.'),
  detector('secret-in-text', 'Passwords and secrets named in running text, as "password: abc".'),
  detector('payment-card', 'Numbers of payment cards, by issuer and check digit.'),
  detector('iban', 'International bank account numbers, by country and check digits.'),
  detector('email', 'E-mail addresses.'),
  detector('phone', 'Phone numbers in international form, or plainly written as one.'),
  detector('national-id', 'National identity numbers, by their form and check digits.'),
  {
    ...detector('ip-address', 'IP addresses. Off: operators need those of clients, and the record has them anyway.'),
    enabled: false,
  },

  byName(
    'authorization',
    'Credentials in headers: the scheme stays, and of a token the claims that are about itself.',
    'authorization proxy-authorization x-auth authentication-info x-amz-security-token x-goog-iap-jwt-assertion',
    { action: 'jwt-claims' },
  ),
  byName(
    'password',
    'Passwords, PINs, one-time codes, answers to security questions.',
    'password passwd passphrase passcode passwort pwd =pass =pass1 =pass2 db-pass smtp-pass user-pass =pw db-pw =pin =pins pin-code ' +
      'pin-number new-pin old-pin current-pin confirm-pin user-pin otp one-time-password one-time-code totp mfa-code two-factor-code 2fa-code verification-code recovery-code backup-code security-answer secret-answer',
    { not: 'has-password password-hint password-reset-url' },
  ),
  byName(
    'secret',
    'Secrets, private and secret keys, signatures of URLs.',
    'secret secrets private-key secret-key signing-key encryption-key credential credentials amz-signature goog-signature =sig ' +
      'connection-string',
    { not: 'secret-name secret-arn secret-version' },
  ),
  byName(
    'csrf-token',
    'Tokens against request forgery.',
    'csrf xsrf csrf-token xsrf-token csrf-middleware-token authenticity-token request-verification-token',
  ),
  byName(
    'token',
    'Tokens of all kinds, and codes that are exchanged for them.',
    'token access-tokens refresh-tokens jwt assertion saml-response saml-request relay-state authorization-code auth-code code-verifier ' +
      'device-code user-code magic-link',
    {
      not:
        'token-endpoint token-url token-name token-limit page-token next-token previous-token continuation-token cursor-token ratelimit ' +
        'rate-limit',
    },
  ),
  byName(
    'access-key',
    'API keys by the name that they stand under.',
    'api-key api-keys rapidapi-key app-key application-key subscription-key access-key access-key-id auth-key functions-key license-key consumer-key ' +
      'account-key storage-key',
    { as: 'api-key' },
  ),
  byName(
    'session-id',
    'Identifiers of sessions: who has one is the user.',
    'session-id session-key session-token =session =sid connect-sid j-session-id php-sess-id asp-session-id =cfid sess-id',
  ),
  byName(
    'session-cookie',
    'Cookies that are made to recognise somebody who signed in.',
    'session sess sid auth remember login logged-in sso identity keycloak ticket cf-bm cf-clearance aspxauth bigip incap-ses',
    { places: ['cookie'] },
  ),
  byName(
    'card-number',
    'Numbers of payment cards by name, also those that are no valid ones.',
    'card-number card-no card-num credit-card debit-card cc-number cc-num =pan primary-account-number track1 track2 track-data magstripe',
    { not: 'credit-card-brand card-number-last4', as: 'payment-card' },
  ),
  byName(
    'card-security-code',
    'Check codes of payment cards: these must not be kept at all (PCI DSS 3.3).',
    'cvv cvv2 cvc cvc2 =csc card-verification card-code card-security-code security-code card-pin',
  ),
  byName(
    'card-expiry',
    'When a payment card expires.',
    'card-expiry card-exp card-expiration card-expires cc-exp exp-month exp-year expiry-month expiry-year expiration-month ' +
      'expiration-year =exp-date',
  ),
  byName('card-holder', 'The name on a payment card.', 'card-holder card-holder-name name-on-card cc-name'),
  byName(
    'bank-account',
    'Bank accounts by name.',
    'iban bban bank-account account-number account-no acct-number acct-no routing-number sort-code =bsb clabe',
  ),
  byName(
    'identity-number',
    'Numbers of persons that a state gave, and of their papers, by name.',
    'ssn social-security national-id national-insurance =nino tax-id tax-number =tin itin =sin passport-number passport-no =passport =passports ' +
      'driver-license drivers-license driver-licence driving-licence driving-license licence-number license-number identity-number ' +
      'identity-card id-card id-number personal-number personnummer personal-id aadhaar aadhar =cpf =dni =nif =nie =bsn =pesel curp ' +
      'steuer-id codice-fiscale nhs-number medicare-number insurance-number',
    { as: 'national-id' },
  ),
  byName('date-of-birth', 'Dates of birth.', 'date-of-birth dob birth-date birthday birth-day born-on'),
  byName(
    'phone-number',
    'Phone numbers by name, also in national form.',
    'phone telephone =tel =tels mobile-number mobile-no cell-number cell-phone fax msisdn',
    { not: 'phone-model phone-country phone-os', as: 'phone' },
  ),
  byName('email-address', 'E-mail addresses by name, also those that are no valid ones.', 'email emails email-address =mail', {
    not: 'email-template email-subject email-sent email-domain email-notifications',
    as: 'email',
  }),
  byName(
    'postal-address',
    'Street and postal code. Town and country stay.',
    'street street-address address-line addr-line postal-address home-address mailing-address =address1 =address2 postal-code post-code ' +
      'zip-code =zip =zips house-number',
    { not: 'street-view' },
  ),
  {
    ...byName(
      'person-name',
      'Names of persons. Off: names of products and places stand under the same names.',
      'first-name last-name full-name given-name family-name surname middle-name maiden-name display-name',
    ),
    enabled: false,
  },
];

export const defaultMasking: MaskingSpec = {
  rules: shippedRules.filter(({ enabled }) => enabled).map(({ rule }) => rule),
  binaryBodies: 'remove',
};
