import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, outputRegion, packetRegion } from '../base/arena.ts';
import { BAD_HUFFMAN, TOO_MANY_BYTES } from './hpack-error.ts';
import { hex, numbers, pack } from './hpack-testing.ts';
import { decodeHuffman, prepareHuffman } from './huffman.ts';

const AT = packetRegion.at + 64;
const TO = outputRegion.at + 64;
const ROOM = 4096;
prepareHuffman();

/** The decoded string or the error; fails when what surrounds the input makes a difference, or a byte beside the room changes. */
function decode(coded: Uint8Array, room = ROOM): string | number {
  bytes.set(coded, AT);
  const results = [0x00, 0xff].map((around) => {
    bytes.fill(around, AT - 8, AT);
    bytes.fill(around, AT + coded.length, AT + coded.length + 8);
    bytes.fill(0xa5, TO - 8, TO);
    bytes.fill(0xa5, TO + room + 2, TO + room + 64);
    const end = decodeHuffman(AT, AT + coded.length, TO, TO + room);
    for (let i = TO - 8; i < TO; i++) assert.equal(bytes[i], 0xa5, 'wrote before its room');
    for (let i = TO + room + 2; i < TO + room + 64; i++) assert.equal(bytes[i], 0xa5, 'wrote beyond its room');
    return end < 0 ? end : bytes.toString('latin1', TO, end);
  });
  assert.equal(results[0], results[1]);
  return results[0];
}

const coded = (text: string): Buffer => Buffer.from(pack(text));

test('strings of RFC 7541, C.4 and C.6', () => {
  assert.equal(decode(hex('f1e3c2e5f23a6ba0ab90f4ff')), 'www.example.com');
  assert.equal(decode(hex('a8eb10649cbf')), 'no-cache');
  assert.equal(decode(hex('d07abe941054d444a8200595040b8166e082a62d1bff')), 'Mon, 21 Oct 2013 20:13:21 GMT');
  assert.equal(decode(hex('')), '');
});

test('every byte, after every byte', () => {
  for (let first = 0; first < 256; first++) {
    let text = '';
    for (let second = 0; second < 256; second++) text += String.fromCharCode(first, second);
    for (let i = 0; i < text.length; i += 128) assert.equal(decode(coded(text.slice(i, i + 128))), text.slice(i, i + 128));
  }
});

test('padding: up to seven ones and nothing else (RFC 7541, 5.2)', () => {
  // 'a' is 00011, '&' is 11111000, '*' 11111001.
  assert.equal(decode(hex('1f')), 'a');
  for (const wrong of ['18', '1e', '1b']) assert.equal(decode(hex(wrong)), BAD_HUFFMAN, wrong);
  assert.equal(decode(hex('f8')), '&');
  assert.equal(decode(hex('f8ff')), BAD_HUFFMAN, 'eight ones');
  assert.equal(decode(hex('1fff')), BAD_HUFFMAN, 'eleven ones');
  assert.equal(decode(hex('ff')), BAD_HUFFMAN, 'eight ones and no string');
});

test('the end-of-string symbol is an error wherever it stands', () => {
  assert.equal(decode(hex('fffffffc')), BAD_HUFFMAN);
  assert.equal(decode(hex('ffffffff')), BAD_HUFFMAN);
  assert.equal(decode(hex('1fffffffffff')), BAD_HUFFMAN);
});

test('a string may fill its room, and no byte more', () => {
  const text = 'The quick brown fox 0123456789 {}';
  assert.equal(decode(coded(text), text.length), text);
  for (let room = 0; room < text.length; room++) assert.equal(decode(coded(text), room), TOO_MANY_BYTES);
});

test('random bytes are a string that codes to the same bytes, or an error', () => {
  const below = numbers(11);
  let strings = 0;
  for (let round = 0; round < 20_000; round++) {
    const input = Buffer.from(Array.from({ length: below(6) }, () => below(256)));
    const text = decode(input);
    if (typeof text === 'number') continue;
    strings++;
    assert.deepEqual(coded(text), input);
  }
  assert.ok(strings > 1000, `${strings} strings`);
});
