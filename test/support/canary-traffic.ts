/** For the laws about secrets: what all traffic that carries planted secrets is made of. */
import type { Random } from '../../src/policy/mask/detect-testing.ts';
import { type Secret, secret } from './canary-secrets.ts';
import { partsOf, type Turn, wires } from './conversation.ts';
import type { Wire } from './run-pipeline.ts';

/** One secret after the other, of those that are wanted. */
export function secretsFrom(
  next: Random,
  wanted: (s: Secret) => boolean,
  make: (i: number, next: Random) => Secret = secret,
): () => Secret {
  let n = 0;
  return () => {
    for (;;) {
      const s = make(n++, next);
      if (wanted(s)) return s;
    }
  };
}

/** Packets of connection number `connection` to servers in 10.`network`.0.0/16, each turn cut into up to four segments anywhere. */
export function cutAnywhere(turns: readonly Turn[], connection: number, network: number, next: Random): Wire[] {
  const place = { clientPort: 1024 + (connection % 60_000), server: `10.${network}.${(connection >> 8) & 255}.${connection & 255}` };
  const cut = (length: number): number[] => Array.from({ length: next(4) }, () => next(length)).sort((a, b) => a - b);
  return wires(partsOf({ turns, calls: [], end: 'client-fin' }, cut), place, 100);
}

/** The same packets, one each `stepUs` microseconds. */
export function evenly(packets: readonly Wire[], stepUs: number): Wire[] {
  return packets.map((packet, i) => ({ ...packet, timeUs: packets[0].timeUs + stepUs * i }));
}
