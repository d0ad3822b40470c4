/** Random HTTP/2: frames that mean something, some that do not, and some that are damaged. */
import { HpackEncoder } from './hpack-encoder.ts';
import {
  continuation,
  dataFrame,
  frame,
  goaway,
  type HeadersOptions,
  headerBlock,
  headers,
  PREFACE,
  pushPromise,
  reset,
  settingsFrame,
} from './http2-frames.ts';
import type { Random } from './random.ts';

function someBytes(random: Random, most: number): Buffer {
  const out = Buffer.alloc(random.integer(0, most));
  for (let i = 0; i < out.length; i++) out[i] = random.bits() >>> 24;
  return out;
}

function someFields(random: Random, isServer: boolean): [string, string][] {
  const all: [string, string][] = [];
  if (random.chance(0.9)) {
    if (isServer) all.push([':status', random.pick(['200', '404', '100', '103', '204', 'odd', ''])]);
    else {
      all.push(
        [':method', random.pick(['GET', 'POST', 'HEAD', 'CONNECT', ''])],
        [':path', random.pick(['/', '/a?b=c', `/${'x'.repeat(random.integer(0, 500))}`])],
      );
      if (random.chance(0.8)) all.push([':authority', 'fuzz.example']);
      if (random.chance(0.1)) all.push([':protocol', 'websocket']);
    }
  }
  for (let i = random.integer(0, 5); i > 0; i--) {
    all.push([
      random.pick(['host', 'content-length', 'x-a', 'content-encoding', ':path', '', 'x-forwarded-for']),
      random.pick(['', '5', 'gzip', '1.2.3.4', 'v'.repeat(random.integer(0, 3000))]),
    ]);
  }
  return all;
}

/** A header block as encoders write it: Huffman code, both tables. Now and then a bit of it is wrong. */
function packedBlock(random: Random, isServer: boolean, encoder: HpackEncoder): Buffer {
  const block = Buffer.from(encoder.encode(someFields(random, isServer)));
  if (block.length > 0 && random.chance(0.2)) block[random.integer(0, block.length - 1)] ^= 1 << random.integer(0, 7);
  return block;
}

function someFrame(random: Random, isServer: boolean, encoder: HpackEncoder): Buffer {
  const stream = random.pick([0, 1, 1, 3, 3, 5, 7, 2, 4, 99, 0x7fffffff]);
  const text = 'd'.repeat(random.pick([0, 1, 10, 300, 5000]));
  switch (random.integer(0, 14)) {
    case 0:
    case 1:
    case 2: {
      const o: HeadersOptions = {
        end: random.chance(0.4),
        priority: random.chance(0.2),
        insert: random.chance(0.3),
        ...(random.chance(0.2) && { pad: random.integer(0, 255) }),
        ...(random.chance(0.3) && { refer: random.integer(0, 70) }),
      };
      return headers(stream, someFields(random, isServer), o);
    }
    case 3:
    case 4:
      return dataFrame(stream, text, random.chance(0.4), random.chance(0.2) ? random.integer(0, 255) : undefined);
    case 5:
      return continuation(stream, someFields(random, isServer), random.integer(20, 200), random.chance(0.5));
    case 6:
      return reset(stream, random.integer(0, 13));
    case 7:
      return settingsFrame([[random.integer(0, 7), random.pick([0, 1, 4096, 16384, 1 << 20, 0xffffffff])]], random.chance(0.3));
    case 8:
      return goaway(random.pick([0, 1, 3, 0x7fffffff]), 0);
    case 9:
      return pushPromise(stream, random.pick([2, 4, 6, 1]), someFields(random, false));
    case 10:
      return frame(random.integer(0, 12), random.integer(0, 255), stream, someBytes(random, 40));
    case 11:
      return frame(random.pick([1, 9]), random.integer(0, 255), stream, headerBlock(someFields(random, isServer)));
    case 12:
    case 13:
      return frame(1, random.chance(0.5) ? 5 : 4, stream, packedBlock(random, isServer, encoder));
    default:
      return someBytes(random, 60);
  }
}

/** What one side sends in one go. `isFirst`: the first of that side. */
export function someFrames(random: Random, isServer: boolean, isFirst: boolean): Buffer {
  const frames: Buffer[] = [];
  if (isFirst && random.chance(0.95)) frames.push(...(isServer ? [settingsFrame()] : [PREFACE, settingsFrame()]));
  const encoder = new HpackEncoder(random.chance(0.5) ? 'every' : 'careful');
  for (let i = random.integer(1, 6); i > 0; i--) frames.push(someFrame(random, isServer, encoder));
  const all = Buffer.concat(frames);
  if (random.chance(0.15))
    for (let i = random.integer(1, 4); i > 0; i--) all[random.integer(0, all.length - 1)] ^= 1 << random.integer(0, 7);
  return all;
}
