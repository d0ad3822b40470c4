/** Comparing bytes of the arena with texts that are known beforehand. `fold`: capital letters of ASCII count as small ones, and `text` is small. */
import { bytes } from '../../base/arena.ts';

const B = bytes;

export function textBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

/** Whether `text` stands at `at`; the caller has made sure that so many bytes are there. */
function standsAt(at: number, text: Uint8Array, fold: boolean): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = B[at + i];
    if (c !== text[i] && !(fold && c >= 65 && c <= 90 && (c | 0x20) === text[i])) return false;
  }
  return true;
}

export function bytesAre(at: number, end: number, text: Uint8Array, fold: boolean): boolean {
  return end - at === text.length && standsAt(at, text, fold);
}

export function bytesBegin(at: number, end: number, text: Uint8Array, fold: boolean): boolean {
  return end - at >= text.length && standsAt(at, text, fold);
}

export function bytesEnd(at: number, end: number, text: Uint8Array, fold: boolean): boolean {
  return end - at >= text.length && standsAt(end - text.length, text, fold);
}

/** Of a set of texts, those that may fit by their length: asked for at every call, so no strings are made. */
export class TextSet {
  readonly #byLength: Uint8Array[][] = [];
  readonly #fold: boolean;

  constructor(texts: readonly string[], fold: boolean) {
    this.#fold = fold;
    for (const text of texts) {
      const own = textBytes(fold ? text.toLowerCase() : text);
      while (this.#byLength.length <= own.length) this.#byLength.push([]);
      this.#byLength[own.length].push(own);
    }
  }

  has(at: number, end: number): boolean {
    const length = end - at;
    if (length >= this.#byLength.length) return false;
    const own = this.#byLength[length];
    for (let i = 0; i < own.length; i++) if (standsAt(at, own[i], this.#fold)) return true;
    return false;
  }
}
