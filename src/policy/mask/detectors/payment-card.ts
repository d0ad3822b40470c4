/**
 * Payment cards (ISO/IEC 7812): a prefix that an issuer uses, a length that goes with it, and the check digit.
 *
 *   4111111111111111    4111 1111 1111 1111    3782-822463-10005
 *
 *   Visa         4                                  16, 19      American Express   34, 37                14, typed 4-6-5
 *   Mastercard   51-55, 2221-2720                   16          Diners             300-305, 3095, 36, 38, 39   14, 16, 19
 *   Discover     6011, 622126-622925, 644-649, 65   16, 19      JCB                3528-3589             16 to 19
 *   UnionPay     62, 81                             16 to 19    Mir                2200-2204             16 to 19
 *   Maestro      5018 5020 5038 5612 5893 6304 6390 6759 6761 6762 6763, 16 to 19, and in those also 12, 14, 15
 *   RuPay        508, 6069-6085, 65, 8172-8201     16
 *
 * Left out: Visa with 13 digits, which is no longer issued, and Maestro with 13, which looks like an EAN.
 */
import { digits, digitsUpTo, luhn, separators } from './digits.ts';

const D = digits;
const N = digitsUpTo;
const S = separators;
const BLANK = 32;
const HYPHEN = 45;

/** Whether the first n of the collected digits are the number of a card. */
export function isCard(n: number): boolean {
  return n >= 12 && n <= 19 && lengthFits(n) && luhn(0, n);
}

function lengthFits(n: number): boolean {
  const two = D[0] * 10 + D[1];
  const four = two * 100 + D[2] * 10 + D[3];
  const long = n >= 16;
  switch (D[0]) {
    case 2:
      return (four >= 2221 && four <= 2720 && n === 16) || (four >= 2200 && four <= 2204 && long);
    case 3:
      if (two === 34 || two === 37) return n === 15;
      if (four >= 3528 && four <= 3589) return long;
      return (
        (two === 36 || two === 38 || two === 39 || (four >= 3000 && four <= 3059) || four === 3095) && (n === 14 || n === 16 || n === 19)
      );
    case 4:
      return n === 16 || n === 19;
    case 5:
      if (two >= 51 && two <= 55) return n === 16;
      return isMaestro(four) ? n !== 13 : four >= 5080 && four <= 5089 && n === 16;
    case 6: {
      if (two === 62) return long;
      if (two === 65 || (four >= 6440 && four <= 6499) || four === 6011) return n === 16 || n === 19;
      return isMaestro(four) ? n !== 13 : four >= 6069 && four <= 6085 && n === 16;
    }
    case 8:
      return (two === 81 && long) || ((four === 8200 || four === 8201) && n === 16);
    default:
      return false;
  }
}

function isMaestro(four: number): boolean {
  switch (four) {
    case 5018:
    case 5020:
    case 5038:
    case 5612:
    case 5893:
    case 6304:
    case 6390:
    case 6759:
    case 6761:
    case 6762:
    case 6763:
      return true;
    default:
      return false;
  }
}

/** Whether groups 0 to i, whose sizes `layout` has as hexadecimal digits, are a card as people write it. */
export function isGroupedCard(i: number, layout: number): boolean {
  const separator = S[0];
  if (separator !== BLANK && separator !== HYPHEN) return false;
  switch (layout) {
    case 0x4444:
    case 0x44443:
    case 0x44442:
    case 0x44441:
    case 0x4443:
    case 0x4442:
    case 0x465:
    case 0x464:
    case 0x88:
    case 0x6d:
    case 0x4c:
      break;
    default:
      return false;
  }
  for (let j = 1; j < i; j++) if (S[j] !== separator) return false;
  // Dates and codes joined by hyphens go on; a list of numbers with blanks may begin with a card.
  return !(separator === HYPHEN && S[i] === HYPHEN) && isCard(N[i]);
}
