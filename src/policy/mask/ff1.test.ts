import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFf1, FF1_NUMERALS_MAX } from './ff1.ts';

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
const numeralsOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => alphabet.indexOf(c));
const textOf = (numerals: Uint8Array): string => Array.from(numerals, (n) => alphabet[n]).join('');

const K128 = '2B7E151628AED2A6ABF7158809CF4F3C';
const K192 = `${K128}EF4359D8D580AA4F`;
const K256 = `${K192}7F036D6F04FC6A94`;
const T10 = '39383736353433323130';
const T11 = '3737373770717273373737';

// NIST, "Block Cipher Modes of Operation: Format-Preserving Encryption", the samples for FF1.
for (const [sample, key, radix, tweak, plain, encrypted] of [
  [1, K128, 10, '', '0123456789', '2433477484'],
  [2, K128, 10, T10, '0123456789', '6124200773'],
  [3, K128, 36, T11, '0123456789abcdefghi', 'a9tv40mll9kdu509eum'],
  [4, K192, 10, '', '0123456789', '2830668132'],
  [5, K192, 10, T10, '0123456789', '2496655549'],
  [6, K192, 36, T11, '0123456789abcdefghi', 'xbj3kv35jrawxv32ysr'],
  [7, K256, 10, '', '0123456789', '6657667009'],
  [8, K256, 10, T10, '0123456789', '1001623463'],
  [9, K256, 36, T11, '0123456789abcdefghi', 'xs8a0azh2avyalyzuwd'],
] as const) {
  test(`FF1 sample ${sample} of SP 800-38G`, () => {
    const ff1 = createFf1(Buffer.from(key, 'hex'));
    const numerals = numeralsOf(plain);
    ff1.encrypt(numerals, numerals.length, radix, Buffer.from(tweak, 'hex'));
    assert.equal(textOf(numerals), encrypted);
    ff1.decrypt(numerals, numerals.length, radix, Buffer.from(tweak, 'hex'));
    assert.equal(textOf(numerals), plain);
  });
}

/** Algorithm 7 of SP 800-38G word for word, with big numbers and whole buffers. */
function encryptPlainly(key: Uint8Array, x: readonly number[], radix: number, tweak: Uint8Array): number[] {
  const aes = (block: Uint8Array): Buffer => {
    const cipher = createCipheriv(`aes-${8 * key.length}-ecb`, key, null).setAutoPadding(false);
    return Buffer.concat([cipher.update(block), cipher.final()]);
  };
  const num = (digits: readonly number[]): bigint => digits.reduce((sum, digit) => sum * BigInt(radix) + BigInt(digit), 0n);
  const bigEndian = (value: bigint, length: number): Buffer => Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
  const n = x.length;
  const u = Math.floor(n / 2);
  const v = n - u;
  let a = x.slice(0, u);
  let b = x.slice(u);
  const size = Math.ceil(Math.ceil(v * Math.log2(radix)) / 8);
  const d = 4 * Math.ceil(size / 4) + 4;
  const p = Buffer.concat([
    Buffer.from([1, 2, 1]),
    bigEndian(BigInt(radix), 3),
    Buffer.from([10, u % 256]),
    bigEndian(BigInt(n), 4),
    bigEndian(BigInt(tweak.length), 4),
  ]);
  for (let i = 0; i < 10; i++) {
    const zeros = Buffer.alloc((((-tweak.length - size - 1) % 16) + 16) % 16);
    const q = Buffer.concat([p, tweak, zeros, Buffer.from([i]), bigEndian(num(b), size)]);
    let r: Buffer = Buffer.alloc(16);
    for (let at = 0; at < q.length; at += 16) r = aes(r.map((byte, j) => byte ^ q[at + j]));
    const blocks = [r];
    for (let j = 1; j < Math.ceil(d / 16); j++) {
      const counter = bigEndian(BigInt(j), 16);
      blocks.push(aes(r.map((byte, k) => byte ^ counter[k])));
    }
    const y = BigInt(`0x${Buffer.concat(blocks).subarray(0, d).toString('hex')}`);
    const m = i % 2 === 0 ? u : v;
    let c = (num(a) + y) % BigInt(radix) ** BigInt(m);
    const digits: number[] = [];
    for (let j = 0; j < m; j++) {
      digits.unshift(Number(c % BigInt(radix)));
      c /= BigInt(radix);
    }
    a = b;
    b = digits;
  }
  return [...a, ...b];
}

test('any length, radix and tweak: as the algorithm is written, and back', () => {
  const key = Buffer.from(K256, 'hex');
  const ff1 = createFf1(key);
  fc.assert(
    fc.property(
      fc.constantFrom(2, 10, 26, 36, 62),
      fc.oneof(fc.integer({ min: 2, max: 60 }), fc.constant(FF1_NUMERALS_MAX)),
      fc.uint8Array({ maxLength: 70 }),
      fc.array(fc.nat(1000), { minLength: FF1_NUMERALS_MAX, maxLength: FF1_NUMERALS_MAX }),
      (radix, n, tweak, random) => {
        const plain = random.slice(0, n).map((value) => value % radix);
        const numerals = Uint8Array.from(plain);
        ff1.encrypt(numerals, n, radix, tweak);
        assert.deepEqual([...numerals], encryptPlainly(key, plain, radix, tweak));
        ff1.decrypt(numerals, n, radix, tweak);
        assert.deepEqual([...numerals], plain);
      },
    ),
    { numRuns: 150 },
  );
});

test('another tweak gives another string', () => {
  const ff1 = createFf1(Buffer.from(K256, 'hex'));
  const [one, two] = ['card', 'phone'].map((tweak) => {
    const numerals = numeralsOf('4111111111111111');
    ff1.encrypt(numerals, 16, 10, Buffer.from(tweak));
    return textOf(numerals);
  });
  assert.notEqual(one, two);
  assert.match(one, /^\d{16}$/);
});
