import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { bytes, packetRegion } from '../base/arena.ts';
import { defaultMasking } from './default-masking.ts';
import { resetActions } from './mask/actions.ts';
import { lookUpName } from './mask/names.ts';
import { BODY, COOKIE, HEADER, place } from './mask/place.ts';
import { resetRules } from './mask/rules.ts';

before(() => {
  resetRules(defaultMasking);
  resetActions(defaultMasking, Buffer.alloc(32));
});

/** The rule of what stands under the name. */
function ruleOf(name: string, where = BODY): string {
  place[0] = where;
  const end = packetRegion.at + bytes.write(name, packetRegion.at);
  const rule = lookUpName(packetRegion.at, end);
  return rule === 0 ? '' : defaultMasking.rules[rule - 1].name;
}

test('names of sensitive things, as programs write them', () => {
  const wanted: Readonly<Record<string, string>> = {
    password: 'password userPassword newPassword PASSWORD2 passwordConfirm pwd pin otpCode security_answer',
    secret: 'client_secret aws_secret_access_key private_key credentials X-Amz-Signature',
    token: 'accessToken refresh_token id_token SAMLResponse code_verifier remember_token',
    'csrf-token': '_csrf csrfmiddlewaretoken X-XSRF-TOKEN csrftoken __RequestVerificationToken',
    'access-key': 'api_key X-Api-Key apikey Ocp-Apim-Subscription-Key',
    'session-id': 'JSESSIONID PHPSESSID ASP.NET_SessionId ASPSESSIONIDQQABCD connect.sid sid sessionid session',
    'card-number': 'cardNumber creditCardNumber billingcardnumber cc_number ccnum pan',
    'card-security-code': 'cvv CVV2 cardCvv cvc securityCode',
    'card-expiry': 'expMonth card_exp expiryYear',
    'bank-account': 'iban accountNumber routing_number',
    'identity-number': 'ssn socialSecurityNumber taxId passportNumber',
    'date-of-birth': 'dob dateOfBirth birthday',
    'phone-number': 'phone phoneNumber mobilePhone homephone',
    'email-address': 'email userEmail emailAddress e-mail',
    'postal-address': 'street address1 addressLine1 zip zipCode postalCode',
    authorization: 'Authorization Proxy-Authorization',
  };
  for (const [rule, names] of Object.entries(wanted)) for (const name of names.split(' ')) assert.equal(ruleOf(name), rule, name);
  for (const name of 'laravel_session my_session wordpress_logged_in_abc __cf_bm auth user_sid'.split(' '))
    assert.equal(ruleOf(name, COOKIE), 'session-cookie', name);
});

test('names that only sound like them', () => {
  const names =
    'shipping pageToken next_page_token token_type max_tokens_to_sample tokens_used tokenizer passage compass spinner opinion productId orderId city ' +
    'country company status expires createdAt card cardType sessionCount duration accountId author signature key code state nonce ' +
    'hasPassword phoneModel emailVerified streetView secretName side zipped firstName';
  for (const name of names.split(' ')) assert.equal(ruleOf(name), '', name);
  for (const name of ['sec-ch-ua-mobile', 'user-agent', 'content-type', 'x-request-id', 'traceparent', 'etag', 'date', 'host'])
    assert.equal(ruleOf(name, HEADER), '', name);
});
