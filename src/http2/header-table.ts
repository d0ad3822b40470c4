/**
 * The dynamic table of HPACK (RFC 7541, 2.3.2 and 4), seen by a third party: one direction of one connection.
 *
 *   index   62      63      64                        entries are numbered from the newest to the oldest
 *         +-------+-------+-------+ - - - - - - -+
 *         | newest| known | known |   unknown    |    joined late, or a block was lost: what was inserted before that
 *         +-------+-------+-------+ - - - - - - -+
 *
 *   block   ring of entries, two words each         | names and values, oldest first            |
 *           +------------------------+--------------+--------+------------+----------+----------+
 *           | start (runs on)        | name << 16 | value bytes | gone   | live       | free     |
 *           +------------------------+--------------+--------+------------+----------+----------+
 *
 * The bytes of an entry are written once behind the newest. When the block is full, the live ones move to its front, or
 * to a block twice as large. So an entry that was evicted stays readable for the fields of its header block.
 *
 * Why a wrong idea of the size never gives a wrong header. An index counts insertions back from the newest, and every
 * insertion since the table began to know is seen, or the table forgets all. Sizes only say how far back entries still
 * exist. With a size that is too large we keep entries that the peers have evicted, and no encoder refers to those. With one
 * that is too small we have evicted too early, and the entry is unknown. That also holds for an entry that is larger
 * than the table, which is not inserted and empties it (4.4): whoever is wrong about that is wrong only about entries that
 * are then the oldest ones, not about the place of those that follow. So where the size in effect is not known (joined
 * late, lost blocks) it is taken to be the default, or the last known one if that is larger, until the encoder sets it. An entry
 * whose name is unknown counts with what is known of it, which is too little: it and the older ones are kept too long.
 *
 * Bounds: entries of at most TABLE_BYTES_MAX (as 4.1 counts them) are kept, whatever the size in effect; older ones are
 * unknown. The block is reserved with the first entry and takes at most twice that. Where memory is spent, the oldest
 * entries are unknown.
 */
import { bytes, words } from '../base/arena.ts';
import { release, reserve } from '../base/blocks.ts';
import { fieldList, keepFields } from './field-list.ts';
import { prepareHuffman } from './huffman.ts';

const B = bytes;
const W = words;
const F = fieldList;

/** SETTINGS_HEADER_TABLE_SIZE before any SETTINGS frame (RFC 9113, 6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;
export const TABLE_BYTES_MAX: number = 64 << 10;
/** For `resize`: what the decoding peer allows is not known. */
export const SIZE_UNKNOWN = -1;

const ENTRY_OVERHEAD_BYTES = 32;
const FIRST_BLOCK_BYTES = 2048;
/** An eighth of a block is its ring: a block of n bytes has n / 64 entries. */
const RING_SHIFT = 3;
const ENTRIES_SHIFT = 6;
/** In place of the length of a name that is unknown; no name that fits is so long. */
const UNKNOWN_NAME = 0xffff;
/** Copies up to this length are quicker in a loop. */
const SHORT_COPY_BYTES = 24;

export class HeaderTable {
  #isLate: boolean;
  /** Entries known. */
  #count = 0;
  /** Number of the newest entry; runs on, its low bits are the place in the ring. */
  #newest = 0;
  #mask = 0;
  /** Word of the ring's first entry. */
  #ring = 0;
  /** What makes an offset of a start: starts run on over every move of the bytes. */
  #base = 0;
  /** The start of the next entry. */
  #top = 0;
  #block = 0;
  #blockBytes = 0;
  /** Size of the known entries. */
  #bytes = 0;
  /** The size in effect. */
  #size = DEFAULT_TABLE_BYTES;
  #isSizeKnown: boolean;
  /** The smaller of it and TABLE_BYTES_MAX. */
  #limit = DEFAULT_TABLE_BYTES;
  #sizeMax: number;

  /** `isLate`: header blocks came before the first one that will be decoded. */
  constructor(isLate: boolean) {
    prepareHuffman();
    this.#isLate = isLate;
    this.#isSizeKnown = !isLate;
    this.#sizeMax = isLate ? SIZE_UNKNOWN : DEFAULT_TABLE_BYTES;
  }

  /** Whether there may be entries that are not known. All of them are older than the known ones. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** How many entries are known. */
  get count(): number {
    return this.#count;
  }

  /** Size of the known entries, as RFC 7541, 4.1 counts it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Word of entry `i`, 0 the newest; 0 when it is not known. */
  entry(i: number): number {
    return i < this.#count ? this.#ring + (((this.#newest - i) & this.#mask) << 1) : 0;
  }

  /** Where the bytes of an entry begin: first its name, then its value. */
  start(entry: number): number {
    return (this.#base + W[entry]) | 0;
  }

  /** Bytes of the name, or -1 when it is unknown. */
  nameBytes(entry: number): number {
    const length = W[entry + 1] >>> 16;
    return length === UNKNOWN_NAME ? -1 : length;
  }

  valueBytes(entry: number): number {
    return W[entry + 1] & 0xffff;
  }

  /**
   * SETTINGS_HEADER_TABLE_SIZE of the decoding peer: what the encoder may set from now on. A larger value holds from
   * its SETTINGS frame on, a smaller one from the acknowledgement on. It changes nothing but that: the encoder says in
   * a header block when it follows. SIZE_UNKNOWN when such a frame may have been missed: then the encoder may set any.
   */
  resize(sizeMax: number): void {
    this.#sizeMax = sizeMax;
  }

  /** The encoder's size update (6.3). False when it is more than it may be; should a SETTINGS frame have been missed, the next may. */
  setSize(size: number): boolean {
    if (this.#sizeMax >= 0 && size > this.#sizeMax) {
      this.#sizeMax = SIZE_UNKNOWN;
      return false;
    }
    this.#size = size;
    this.#isSizeKnown = true;
    this.#limit = size < TABLE_BYTES_MAX ? size : TABLE_BYTES_MAX;
    this.#evict(this.#limit);
    if (size === 0) this.#isLate = false;
    return true;
  }

  /** A header block was lost or could not be read: nothing that was inserted so far is known any more. */
  poison(): void {
    this.#forget();
    // The lost block may have set another size.
    this.#isSizeKnown = false;
    if (this.#size < DEFAULT_TABLE_BYTES) this.#size = DEFAULT_TABLE_BYTES;
    this.#limit = this.#size < TABLE_BYTES_MAX ? this.#size : TABLE_BYTES_MAX;
  }

  /** Inserts field `i` of the list as the newest entry (4.4). Fields of the list stay valid, but their offsets may change. */
  insert(i: number): void {
    const f = i << 2;
    const isNamed = F[f] >= 0;
    const nameBytes = isNamed ? F[f + 1] - F[f] : 0;
    const valueBytes = F[f + 3] - F[f + 2];
    const length = nameBytes + valueBytes;
    const size = length + ENTRY_OVERHEAD_BYTES;
    if (size > this.#limit) {
      this.#count = 0;
      this.#bytes = 0;
      this.#evicted();
      return;
    }
    if (this.#bytes + size > this.#limit) this.#evict(this.#limit - size);
    const isFull = this.#count > this.#mask || ((this.#base + this.#top) | 0) + length > this.#block + this.#blockBytes;
    if ((isFull || this.#block === 0) && !this.#makeRoom(i, length)) {
      this.#forget();
      return;
    }
    const to = (this.#base + this.#top) | 0;
    if (isNamed) copy(F[f], F[f + 1], to);
    copy(F[f + 2], F[f + 3], to + nameBytes);
    this.#newest = (this.#newest + 1) | 0;
    const entry = this.#ring + ((this.#newest & this.#mask) << 1);
    W[entry] = this.#top;
    W[entry + 1] = ((isNamed ? nameBytes : UNKNOWN_NAME) << 16) | valueBytes;
    this.#top = (this.#top + length) | 0;
    this.#count++;
    this.#bytes += size;
  }

  /** Gives the block back. Nothing is known after that. */
  release(): void {
    release(this.#block);
    this.#block = 0;
    this.#blockBytes = 0;
    this.#forget();
  }

  #forget(): void {
    this.#count = 0;
    this.#bytes = 0;
    this.#isLate = true;
  }

  #sizeOf(entry: number): number {
    const nameBytes = W[entry + 1] >>> 16;
    return (nameBytes === UNKNOWN_NAME ? 0 : nameBytes) + (W[entry + 1] & 0xffff) + ENTRY_OVERHEAD_BYTES;
  }

  #oldest(): number {
    return this.#ring + (((this.#newest - this.#count + 1) & this.#mask) << 1);
  }

  #dropOldest(): void {
    this.#bytes -= this.#sizeOf(this.#oldest());
    this.#count--;
  }

  /** Evicts the oldest entries until what is left takes at most `most`. */
  #evict(most: number): void {
    if (this.#bytes <= most) return;
    while (this.#bytes > most) this.#dropOldest();
    this.#evicted();
  }

  /** A known entry had to go. At the size in effect all unknown ones went before it; below that it is now unknown itself. */
  #evicted(): void {
    this.#isLate = !this.#isSizeKnown || this.#size > this.#limit;
  }

  /** Bytes of the known entries, which stand together in front of the next one. */
  #live(): number {
    return this.#count === 0 ? 0 : (this.#top - W[this.#oldest()]) | 0;
  }

  /**
   * Moves the live bytes so that `length` more fit behind them. What fields of the list up to number `i` have in the block
   * is copied before. False when there is no memory.
   */
  #makeRoom(i: number, length: number): boolean {
    if (this.#block !== 0) keepFields(i + 1, this.#block, this.#block + this.#blockBytes);
    // Not too full, or the live bytes would have to move again soon.
    const wanted = this.#live() + length;
    let want = this.#block === 0 ? FIRST_BLOCK_BYTES : this.#blockBytes;
    while (this.#count >= want >> ENTRIES_SHIFT || wanted > (textBytes(want) >> 2) * 3) want <<= 1;
    const old = this.#block;
    const larger = want > this.#blockBytes ? reserve(want) : 0;
    if (larger !== 0) this.#moveRing(larger, want);
    else if (!this.#shrink(length)) return false;
    const live = this.#live();
    const liveAt = (this.#base + this.#top - live) | 0;
    const textAt = this.#block + this.#blockBytes - textBytes(this.#blockBytes);
    B.copyWithin(textAt, liveAt, liveAt + live);
    this.#base = (textAt - (this.#top - live)) | 0;
    if (this.#block !== old) release(old);
    return true;
  }

  /** There was no memory for a larger block: drops the oldest entries until `length` bytes fit into this one, and some to come. */
  #shrink(length: number): boolean {
    const room = textBytes(this.#blockBytes) - length;
    if (room < 0 || this.#block === 0) return false;
    while (this.#count > this.#mask || this.#live() > room - (room >> 2)) {
      this.#dropOldest();
      this.#isLate = true;
    }
    return true;
  }

  #moveRing(block: number, blockBytes: number): void {
    const ring = block >> 2;
    const mask = (blockBytes >> ENTRIES_SHIFT) - 1;
    for (let i = 0; i < this.#count; i++) {
      const from = this.#ring + (((this.#newest - i) & this.#mask) << 1);
      const to = ring + (((this.#newest - i) & mask) << 1);
      W[to] = W[from];
      W[to + 1] = W[from + 1];
    }
    this.#block = block;
    this.#ring = ring;
    this.#mask = mask;
    this.#blockBytes = blockBytes;
  }
}

/** What a block has behind its ring. */
function textBytes(blockBytes: number): number {
  return blockBytes - (blockBytes >> RING_SHIFT);
}

function copy(at: number, end: number, to: number): void {
  if (end - at > SHORT_COPY_BYTES) B.copyWithin(to, at, end);
  else for (let p = at, o = to; p < end; p++, o++) B[o] = B[p];
}
