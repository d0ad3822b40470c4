/**
 * Interner: gives each distinct list of int32 words a small number, from 1, in order of first appearance.
 *
 * An open-addressing index over one Int32Array of words; both grow by doubling. The hash is salted, because the words come
 * from the network and must not be able to choose their slots.
 *
 * Limit: `max` lists, and WORDS_PER_LIST words each on average. Behaviour: `intern` returns 0 for a new list.
 */
const WORDS_PER_LIST = 24;
const SALT = (Math.random() * 0x100000000) | 0;

export class Interner {
  private readonly max: number;
  private readonly wordsMax: number;
  /** The lists, one behind the other. */
  private words: Int32Array;
  /** List i lies in [starts[i], starts[i + 1]). */
  private starts: Int32Array;
  /** Number of a list, or 0, by hash. */
  private index: Int32Array;
  private count: number;

  constructor(max: number) {
    this.max = max;
    this.wordsMax = max * WORDS_PER_LIST;
    this.words = new Int32Array(256);
    this.starts = new Int32Array(64);
    this.index = new Int32Array(128);
    this.count = 0;
  }

  /** Lists known so far. */
  get size(): number {
    return this.count;
  }

  /** The number of list[0..length), or 0 when it is new and there is no more room. */
  intern(list: Int32Array, length: number): number {
    const index = this.index;
    const mask = index.length - 1;
    let slot = hashWords(list, length) & mask;
    for (;;) {
      const id = index[slot];
      if (id === 0) break;
      if (this.is(id, list, length)) return id;
      slot = (slot + 1) & mask;
    }
    return this.add(list, length, slot);
  }

  /** Whether list `id` has exactly these words. */
  is(id: number, list: Int32Array, length: number): boolean {
    const words = this.words;
    let at = this.starts[id];
    if (this.starts[id + 1] - at !== length) return false;
    for (let i = 0; i < length; i++) if (words[at++] !== list[i]) return false;
    return true;
  }

  /** Copies list `id` into `into`; returns its length. */
  read(id: number, into: Int32Array): number {
    const from = this.starts[id];
    const length = this.starts[id + 1] - from;
    for (let i = 0; i < length; i++) into[i] = this.words[from + i];
    return length;
  }

  private add(list: Int32Array, length: number, slot: number): number {
    const at = this.starts[this.count + 1];
    if (this.count === this.max || at + length > this.wordsMax) return 0;
    const id = ++this.count;
    if (at + length > this.words.length) this.words = grown(this.words, at + length);
    if (id + 2 > this.starts.length) this.starts = grown(this.starts, id + 2);
    for (let i = 0; i < length; i++) this.words[at + i] = list[i];
    this.starts[id + 1] = at + length;
    this.index[slot] = id;
    if (id * 2 > this.index.length) this.rehash();
    return id;
  }

  private rehash(): void {
    const index = new Int32Array(this.index.length * 2);
    const mask = index.length - 1;
    for (let id = 1; id <= this.count; id++) {
      const from = this.starts[id];
      let slot = hashWords(this.words.subarray(from, this.starts[id + 1]), this.starts[id + 1] - from) & mask;
      while (index[slot] !== 0) slot = (slot + 1) & mask;
      index[slot] = id;
    }
    this.index = index;
  }
}

/** A salted hash of list[0..length), int32. */
export function hashWords(list: Int32Array, length: number): number {
  let h = SALT ^ length;
  for (let i = 0; i < length; i++) {
    h = Math.imul(h ^ list[i], 0x9e3779b1 | 0);
    h ^= h >>> 15;
  }
  h = Math.imul(h, 0x85ebca6b | 0);
  return h ^ (h >>> 13);
}

function grown(from: Int32Array, length: number): Int32Array {
  let size = from.length * 2;
  while (size < length) size *= 2;
  const to = new Int32Array(size);
  to.set(from);
  return to;
}
