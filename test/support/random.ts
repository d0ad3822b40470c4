/**
 * Random: a seeded xorshift32 generator, so that a capture, a property or a fuzz case can be made again from
 * its seed alone, on any machine. Not for secrets.
 */
export class Random {
  /** In a typed array, because a field beyond 31 bits would be boxed at every store. */
  private readonly state = new Int32Array(1);

  constructor(seed: number) {
    // Spread the bits: xorshift from a small seed starts with small numbers. Zero would stay zero.
    this.state[0] = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995 || 1;
    for (let i = 0; i < 8; i++) this.bits();
  }

  /** 32 random bits as an int32, never 0. */
  bits(): number {
    let s = this.state[0];
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.state[0] = s;
    return s;
  }

  /** A number in [0, 1). */
  unit(): number {
    return (this.bits() >>> 0) / 4294967296;
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  /** True with that probability. A probability of 0 uses up no random number. */
  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  /** One of `from`, which must not be empty. */
  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.unit() * from.length)];
  }
}

const POOL_CHARACTERS = 1 << 16;

/** Random text over an alphabet: slices of a pool that is made once, because tokens are most of a head. */
export class TextPool {
  private readonly text: string;
  private readonly random: Random;

  constructor(random: Random, alphabet: string) {
    this.random = random;
    let text = '';
    for (let i = 0; i < POOL_CHARACTERS; i++) text += alphabet[random.integer(0, alphabet.length - 1)];
    this.text = text;
  }

  /** `length` characters, at most 4096. */
  take(length: number): string {
    const at = this.random.integer(0, POOL_CHARACTERS - 4096);
    return this.text.slice(at, at + length);
  }
}
