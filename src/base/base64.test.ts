import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, packetRegion } from './arena.ts';
import { base64Rest, undoBase64, undoPiece } from './base64.ts';

const FROM = packetRegion.at;
const TO = FROM + 4096;
const put = (text: string): number => FROM + bytes.write(text, FROM, 'latin1');
const undone = (text: string): string | null => {
  const end = undoBase64(FROM, put(text), TO);
  return end < 0 ? null : bytes.toString('latin1', TO, end);
};

test('both alphabets, with and without padding, over lines, and parts with padding of their own', () => {
  for (let length = 0; length < 70; length++) {
    const content = Buffer.from(Array.from({ length }, (_, i) => (i * 151 + length * 7) & 255));
    const text = content.toString('latin1');
    for (const form of ['base64', 'base64url'] as const) assert.equal(undone(content.toString(form)), text);
    assert.equal(undone(content.toString('base64').replace(/.{20}/g, '$&\r\n ')), text);
    assert.equal(
      undone(content.toString('base64').repeat(2)),
      length % 3 === 0 || content.toString('base64').endsWith('=') ? text + text : null,
    );
  }
});

test('what is something else is none, or is passed over', () => {
  assert.equal(undone('YW5u!'), null);
  base64Rest.fill(0);
  assert.equal(bytes.toString('latin1', TO, undoPiece(FROM, put('Y!W5u'), TO, true)), 'ann');
});

test('pieces cut anywhere say the same as the whole', () => {
  const text = `${Buffer.from('abcdefg').toString('base64')}${Buffer.from('hijklmno').toString('base64')}`;
  for (let cut = 0; cut <= text.length; cut++) {
    base64Rest.fill(0);
    const end = put(text);
    const middle = undoPiece(FROM, FROM + cut, TO, true);
    assert.equal(bytes.toString('latin1', TO, undoPiece(FROM + cut, end, middle, true)), 'abcdefghijklmno');
  }
});
