/**
 * The addresses of this machine, in this network namespace. The list that Node gives leaves out interfaces that have no
 * link at the moment; packets may come from them all the same a moment later. Needs no privilege.
 *
 *   /proc/self/net/fib_trie    |-- 10.0.0.9            an address, and under it what it is for
 *                                 /32 host LOCAL
 *   /proc/self/net/if_inet6    20010db8000000000000000000000009 02 40 00 80     eth0
 */
import { readFileSync } from 'node:fs';

/** IPv4 dotted, IPv6 as eight groups, in no order. */
export function localAddresses(): string[] {
  return [...new Set([...ipv4Of(read('/proc/self/net/fib_trie')), ...ipv6Of(read('/proc/self/net/if_inet6'))])];
}

/** Nothing where the kernel has no such protocol. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Of the text of fib_trie. */
export function ipv4Of(trie: string): string[] {
  const found: string[] = [];
  let address = '';
  for (const line of trie.split('\n')) {
    const leaf = /^ *\|-- ([0-9.]+)$/.exec(line);
    if (leaf !== null) address = leaf[1];
    else if (/^ *\/32 host LOCAL$/.test(line)) found.push(address);
  }
  return found;
}

/** Of the text of if_inet6. */
export function ipv6Of(list: string): string[] {
  const found: string[] = [];
  for (const line of list.split('\n')) {
    const digits = /^[0-9a-f]{32}(?= )/.exec(line)?.[0];
    if (digits !== undefined) found.push((digits.match(/.{4}/g) ?? []).join(':'));
  }
  return found;
}
