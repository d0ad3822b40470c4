/**
 * Which partition a record goes to: the same one that Kafka's own clients choose for that key, so that consumers may
 * join topics of several producers by partition. (Their hash is MurmurHash2, 32 bits, seed 0x9747b28c, without its sign.)
 */
const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const POSITIVE = 0x7fffffff;

export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & POSITIVE) % partitions;
}

/** int32 */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  const whole = length & ~3;
  let h = SEED ^ length;
  for (let at = 0; at < whole; at += 4) {
    let k = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  if (whole < length) {
    if (length - whole > 2) h ^= bytes[whole + 2] << 16;
    if (length - whole > 1) h ^= bytes[whole + 1] << 8;
    h = Math.imul(h ^ bytes[whole], M);
  }
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
