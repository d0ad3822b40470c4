import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeNote, encodeLastNote, encodeNote, lastNoteAt } from './note.ts';

test('a note is a line that a person can read', () => {
  const note = encodeNote('cursor', { name: 'platform', ackedSequence: 4711 });
  assert.match(note.toString(), /^earshot-spool cursor 1 [0-9a-f]{8} \{"name":"platform","ackedSequence":4711\}\n$/);
  assert.deepEqual(decodeNote(note, 0), {
    kind: 'cursor',
    version: 1,
    fields: { name: 'platform', ackedSequence: 4711 },
    end: note.length,
  });
});

test('every truncation and every flipped bit of a note is noticed', () => {
  const note = encodeNote('state', { reservedSequence: 12, text: 'ü' });
  for (let length = 0; length < note.length; length++) assert.equal(decodeNote(Buffer.from(note.subarray(0, length)), 0), null);
  for (let bit = 0; bit < note.length * 8; bit++) {
    const flipped = Buffer.from(note);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(decodeNote(flipped, 0), null, `bit ${bit & 7} of byte ${bit >> 3}`);
  }
});

test('the last note of a file is found from its end', () => {
  const note = encodeLastNote('segment-end', { records: 3 });
  const file = Buffer.concat([Buffer.alloc(1000, 'x'), note]);
  assert.equal(lastNoteAt(file.subarray(-12), file.length), 1000);
  assert.deepEqual(decodeNote(file, 1000)?.fields, { records: 3 });
  assert.equal(lastNoteAt(Buffer.from('#0000000989\n'), 1000), -1, 'longer than the file');
  assert.equal(lastNoteAt(Buffer.from('#9999999999\n'), 1e12), -1, 'longer than any note');
  assert.equal(lastNoteAt(Buffer.from('0000000010\n\n'), 1000), -1);
});
