/**
 * Addresses as text. They travel through the hot path as int32 words in network order: IPv4 in one, IPv6 in four,
 * most significant first. IPv6 text follows RFC 5952: lower case, no leading zeros, the longest run of at least two
 * zero groups (the first of equals) as "::", and addresses in ::ffff:0:0/96 with their IPv4 part dotted.
 */

/** The eight 16-bit groups of the address that was split last. */
export const groups: Int32Array = new Int32Array(8);
/** First group of the run that "::" stands for, and one past its last; both 0 when there is none. */
export const run: Int32Array = new Int32Array(2);

/** "10.0.0.1" of an IPv4 address word. */
export function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** RFC 5952 text of an IPv6 address, most significant word first. */
export function formatIpv6(w0: number, w1: number, w2: number, w3: number): string {
  if ((w0 | w1) === 0 && w2 === 0xffff) return `::ffff:${formatIpv4(w3)}`;
  split(w0, w1, w2, w3);
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === run[0] && run[1] > run[0]) {
      text += '::';
      i = run[1] - 1;
    } else {
      if (i > 0 && i !== run[1]) text += ':';
      text += groups[i].toString(16);
    }
  }
  return text;
}

/** Text of an address of either version (4 or 6); for IPv4 only `w0` counts. */
export function formatAddress(ipVersion: number, w0: number, w1: number, w2: number, w3: number): string {
  return ipVersion === 4 ? formatIpv4(w0) : formatIpv6(w0, w1, w2, w3);
}

/** Fills `groups` and finds the run of zero groups to leave out. */
export function split(w0: number, w1: number, w2: number, w3: number): void {
  groups[0] = w0 >>> 16;
  groups[1] = w0 & 0xffff;
  groups[2] = w1 >>> 16;
  groups[3] = w1 & 0xffff;
  groups[4] = w2 >>> 16;
  groups[5] = w2 & 0xffff;
  groups[6] = w3 >>> 16;
  groups[7] = w3 & 0xffff;
  run[0] = 0;
  run[1] = 0;
  for (let i = 0; i < 8; i++) {
    if (groups[i] !== 0) continue;
    const from = i;
    while (i < 8 && groups[i] === 0) i++;
    const length = i - from;
    if (length > 1 && length > run[1] - run[0]) {
      run[0] = from;
      run[1] = i;
    }
  }
}
