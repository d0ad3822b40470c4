/**
 * The Huffman code of HPACK (RFC 7541, 5.2 and appendix B), decoded eight bits at a step.
 *
 *   bits    |00000 000|01 00010 1|   codes of 5 to 30 bits, the most frequent bytes first; the last byte is filled up
 *   string   '0'   '1'    '2'   ^    with ones, which are the first bits of the end-of-string symbol (EOS)
 *
 * The code is canonical: codes of one length follow each other in the order of their symbols, and the first of a length
 * follows from the last of the length before. So the lengths are all that has to be known.
 *
 * A state is an inner node of the code's tree, of which there are 256: what was read of a code that is not over yet. For
 * each state and next byte there is one word:
 *
 *   sign: no such code   | 25..24 symbols that end in this byte (0 to 2) | 23..16 next state | 15..8 second | 7..0 first
 *
 * Bounds: the output is at most 8/5 of the input, and never goes beyond `toEnd` by more than two bytes.
 */
import { bytes } from '../base/arena.ts';
import { BAD_HUFFMAN, TOO_MANY_BYTES } from './hpack-error.ts';

const B = bytes;
const EOS = 256;
const LENGTH_MAX = 30;
const NO_CODE = -1;

/** Bits of the code of each byte, and of EOS. */
const codeLengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10,
  12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7,
  7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22,
  23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22,
  23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20,
  24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/** The code of each symbol, its last bit lowest. */
export const huffmanCodes: Int32Array = new Int32Array(EOS + 1);
/** Bits of each code. */
export const huffmanLengths: Uint8Array = Uint8Array.from(codeLengths);
/** For each inner node the next by a 0 and by a 1: another inner node, or a symbol below zero (-1 is symbol 0). */
const tree = new Int16Array(2 * 256);
/** The words drawn above, by `state << 8 | byte`. */
const steps = new Int32Array(256 << 8);
const S = steps;
/** The same for half a byte, by `state << 4 | half`: no more than one symbol ends in it. */
const halfSteps = new Int32Array(256 << 4);
/** 1 for the states in which a string may end: nothing, or at most seven ones of a code. */
const mayEnd = new Uint8Array(256);

/** Makes the tables, at the first call: it takes some milliseconds, which who never sees HTTP/2 need not spend. */
export function prepareHuffman(): void {
  if (mayEnd[0] === 1) return;
  let code = 0;
  for (let length = 1; length <= LENGTH_MAX; length++, code <<= 1) {
    for (let symbol = 0; symbol <= EOS; symbol++) if (codeLengths[symbol] === length) huffmanCodes[symbol] = code++;
  }
  // A whole code has used up all numbers of its last length.
  if (code !== 1 << (LENGTH_MAX + 1)) throw new Error('huffman: not a whole code');
  plantTree();
  for (let node = 0, ones = 0; ones < 8; ones++, node = tree[2 * node + 1]) mayEnd[node] = 1;
  for (let i = 0; i < halfSteps.length; i++) halfSteps[i] = halfStep(i >> 4, i & 15);
  for (let i = 0; i < halfSteps.length; i++) joinHalves(halfSteps[i], i << 4);
}

function plantTree(): void {
  let nodes = 1;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let bit = huffmanLengths[symbol] - 1; bit > 0; bit--) {
      const branch = 2 * node + ((huffmanCodes[symbol] >> bit) & 1);
      if (tree[branch] === 0) tree[branch] = nodes++;
      node = tree[branch];
    }
    tree[2 * node + (huffmanCodes[symbol] & 1)] = -1 - symbol;
  }
}

function halfStep(state: number, half: number): number {
  let node = state;
  let symbol = 0;
  let found = 0;
  for (let bit = 3; bit >= 0; bit--) {
    node = tree[2 * node + ((half >> bit) & 1)];
    if (node >= 0) continue;
    if (node === -1 - EOS) return NO_CODE;
    symbol = -1 - node;
    found = 1;
    node = 0;
  }
  return (found << 24) | (node << 16) | symbol;
}

/** The words of a state for the sixteen bytes that begin with one half, whose own word is `first`. */
function joinHalves(first: number, at: number): void {
  if (first < 0) {
    steps.fill(NO_CODE, at, at + 16);
    return;
  }
  const found = first >> 24;
  const next = (first >> 12) & 0xff0;
  for (let half = 0; half < 16; half++) {
    const word = halfSteps[next | half];
    steps[at | half] = word < 0 ? NO_CODE : (word & 0x7fff0000) + (found << 24) + ((first & 0xff) | ((word & 0xff) << (8 * found)));
  }
}

/** Decodes `[at, end)` to `to`, at most up to `toEnd`. Returns the offset after the string, or a negative error. */
export function decodeHuffman(at: number, end: number, to: number, toEnd: number): number {
  let state = 0;
  let o = to;
  for (let p = at; p < end; p++) {
    const step = S[state | B[p]];
    if (step < 0) return BAD_HUFFMAN;
    B[o] = step;
    B[o + 1] = step >> 8;
    o += step >> 24;
    if (o > toEnd) return TOO_MANY_BYTES;
    state = (step >> 8) & 0xff00;
  }
  return mayEnd[state >> 8] === 1 ? o : BAD_HUFFMAN;
}
