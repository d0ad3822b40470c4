// Globs over bytes: the time is linear in the length of what is compared, whatever the operator and the traffic say.
//
//   in a path    *     any characters but slashes
//                **    any characters
//                /**/  one slash, or any segments between two:   /a/**/b   fits /a/b, /a/x/b, /a/x/y/b
//                /**   at the end also nothing:                  /api/**   fits /api, /api/, /api/x/y
//   in a name    *     any characters; capital letters count as small ones
//
// Nothing else has a meaning: a question mark is a question mark. The usual shapes (a text alone, before or behind one
// asterisk) are compared directly. Others are a small machine whose states are the bits of a few words: state `i` says that
// the first `i` characters of the pattern fit; a state before an asterisk also stays. All states go one step with each byte.
//
//   /a/*/c      0 -/-> 1 -a-> 2 -/-> 3 -/-> 4 -c-> 5
//                                    (stays at all but /)
export type GlobKind = 'path' | 'name';

/** Longest pattern, in bytes: nine words of states. */
export const GLOB_BYTES_MAX = 256;

const SLASH = 47;
const STAR = 42;

// Shapes: what stands behind the head, the text before the first asterisk.
const NOTHING = 0;
const ANYTHING = 1;
const BELOW = 2;
const IN_SEGMENT = 3;
const ANYTHING_THEN = 4;
const IN_SEGMENT_THEN = 5;
const MACHINE = 6;

export class Glob {
  readonly pattern: string;
  readonly #fold: boolean;
  readonly #head: Uint8Array;
  /** Behind the last asterisk, for the shapes that end with text. */
  readonly #tail: Uint8Array;
  readonly #shape: number;
  /** The machine: a class for each byte that the pattern has, and for each class and word the states that it leads on from. */
  readonly #classes: Uint8Array = new Uint8Array(256);
  readonly #steps: Int32Array;
  readonly #stayAlways: Int32Array;
  readonly #stayInSegment: Int32Array;
  /** States whose next character may be left out: the second slash of one that stands for both. */
  readonly #skips: Int32Array;
  readonly #accepts: Int32Array;
  readonly #start: Int32Array;
  readonly #now: Int32Array;

  constructor(pattern: string, kind: GlobKind) {
    this.pattern = pattern;
    this.#fold = kind === 'name';
    const source = Buffer.from(this.#fold ? pattern.toLowerCase() : tidy(pattern), 'utf8');
    const letters: number[] = [];
    const always = new Set<number>();
    const inSegment = new Set<number>();
    const skips = new Set<number>();
    let end = -1;
    for (let i = 0; i < source.length; i++) {
      if (source[i] !== STAR) {
        letters.push(source[i]);
        continue;
      }
      const state = letters.length;
      let last = i;
      while (source[last + 1] === STAR) last++;
      const isWhole = last > i && (state === 0 || letters[state - 1] === SLASH);
      if (this.#fold || last > i) always.add(state);
      else inSegment.add(state);
      if (!this.#fold && isWhole && source[last + 1] === SLASH) skips.add(state);
      if (!this.#fold && isWhole && state > 0 && last + 1 === source.length) end = state - 1;
      i = last;
    }
    const m = letters.length;
    let head = 0;
    while (head < m && head !== end && !always.has(head) && !inSegment.has(head)) head++;
    const stays = always.size + inSegment.size;
    let shape = MACHINE;
    if (stays === 0) shape = NOTHING;
    else if (stays === 1 && skips.size === 0) {
      if (end >= 0) shape = BELOW;
      else if (always.has(m)) shape = ANYTHING;
      else if (inSegment.has(m)) shape = IN_SEGMENT;
      else shape = always.size === 1 ? ANYTHING_THEN : IN_SEGMENT_THEN;
    }
    this.#shape = shape;
    this.#head = Uint8Array.from(letters.slice(0, head));
    this.#tail = Uint8Array.from(shape === ANYTHING_THEN || shape === IN_SEGMENT_THEN ? letters.slice(head) : []);

    // States count from the end of the head.
    const rest = shape === MACHINE ? letters.slice(head) : [];
    const words = (rest.length + 32) >> 5;
    let count = 1;
    for (const c of rest) if (this.#classes[c] === 0) this.#classes[c] = count++;
    if (this.#fold) for (let c = 65; c <= 90; c++) this.#classes[c] = this.#classes[c | 0x20];
    this.#steps = new Int32Array(count * words);
    rest.forEach((c, i) => {
      this.#steps[this.#classes[c] * words + (i >> 5)] |= 1 << (i & 31);
    });
    const bits = (states: Iterable<number>): Int32Array => {
      const set = new Int32Array(words);
      if (shape === MACHINE) for (const state of states) set[(state - head) >> 5] |= 1 << ((state - head) & 31);
      return set;
    };
    this.#stayAlways = bits(always);
    this.#stayInSegment = bits(inSegment);
    this.#skips = bits(skips);
    this.#accepts = bits(end >= 0 ? [m, end] : [m]);
    this.#start = bits(skips.has(head) ? [head, head + 1] : [head]);
    this.#now = new Int32Array(words);
  }

  /** Whether the bytes `[at, end)` of `data` fit. */
  fits(data: Uint8Array, at: number, end: number): boolean {
    const head = this.#head;
    const from = at + head.length;
    if (from > end || !stands(data, at, head, this.#fold)) return false;
    const tail = this.#tail;
    switch (this.#shape) {
      case NOTHING:
        return from === end;
      case ANYTHING:
        return true;
      case BELOW:
        return from === end || data[from] === SLASH;
      case IN_SEGMENT:
        return isInSegment(data, from, end);
      case ANYTHING_THEN:
        return end - from >= tail.length && stands(data, end - tail.length, tail, this.#fold);
      case IN_SEGMENT_THEN:
        return end - from >= tail.length && stands(data, end - tail.length, tail, this.#fold) && isInSegment(data, from, end - tail.length);
      default:
        return this.#now.length === 1 ? this.#runWord(data, from, end) : this.#run(data, from, end);
    }
  }

  /** The machine, when its states are in one word. */
  #runWord(data: Uint8Array, at: number, end: number): boolean {
    const classes = this.#classes;
    const steps = this.#steps;
    const always = this.#stayAlways[0];
    const within = always | this.#stayInSegment[0];
    const skips = this.#skips[0];
    let now = this.#start[0];
    for (let p = at; p < end && now !== 0; p++) {
      const c = data[p];
      const next = (now & steps[classes[c]]) << 1;
      now = next | ((next & skips) << 1) | (now & (c === SLASH ? always : within));
    }
    return (now & this.#accepts[0]) !== 0;
  }

  #run(data: Uint8Array, at: number, end: number): boolean {
    const now = this.#now;
    const words = now.length;
    const steps = this.#steps;
    now.set(this.#start);
    for (let p = at; p < end; p++) {
      const c = data[p];
      const own = this.#classes[c] * words;
      let carry = 0;
      let carrySkip = 0;
      let any = 0;
      for (let w = 0; w < words; w++) {
        const n = now[w];
        const step = n & steps[own + w];
        let next = (step << 1) | carry;
        carry = step >>> 31;
        // Only who comes to it may leave out the slash, not who stays there.
        const skip = next & this.#skips[w];
        next |= (skip << 1) | carrySkip | (n & this.#stayAlways[w]);
        carrySkip = skip >>> 31;
        if (c !== SLASH) next |= n & this.#stayInSegment[w];
        now[w] = next;
        any |= next;
      }
      if (any === 0) return false;
    }
    for (let w = 0; w < words; w++) if ((now[w] & this.#accepts[w]) !== 0) return true;
    return false;
  }
}

/** Runs of whole-segment asterisks say no more than one of them. */
function tidy(pattern: string): string {
  return pattern.replaceAll(/\*{2,}/g, '**').replaceAll(/(?<=^|\/)\*\*(?:\/\*\*)+(?=\/|$)/g, '**');
}

function stands(data: Uint8Array, at: number, text: Uint8Array, fold: boolean): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = data[at + i];
    if (c !== text[i] && !(fold && c >= 65 && c <= 90 && (c | 0x20) === text[i])) return false;
  }
  return true;
}

function isInSegment(data: Uint8Array, at: number, end: number): boolean {
  for (let p = at; p < end; p++) if (data[p] === SLASH) return false;
  return true;
}
