import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, packetRegion } from '../../base/arena.ts';
import { addEdit, applyEdits, beginEdits, cutEdits, EDITS_MAX, hasEdits, notesOf, resetEdits } from './edits.ts';
import { resetField } from './field.ts';
import { maskedPart } from './layout.ts';

const AT = packetRegion.at + 4096;
const MARK = packetRegion.at + 64;

/** Puts the source, then lets `edit` add edits by offsets in it; the masked text. */
function edited(source: string, edit: (add: (at: number, end: number, mark: string) => void) => void): string {
  const length = bytes.write(source, AT, 'latin1');
  resetEdits();
  resetField();
  beginEdits();
  let marks = MARK;
  edit((at, end, mark) => {
    const to = marks + bytes.write(mark, marks, 'latin1');
    addEdit(AT + at, AT + end, 1, marks, to);
    marks = MARK + ((to - MARK) & 1023);
  });
  return bytes.toString('latin1', maskedPart.at, applyEdits(AT, AT + length, maskedPart.at, maskedPart.end));
}

test('edits are applied from left to right, and their places are those in the copy', () => {
  const text = edited('abcdef', (add) => {
    add(0, 1, '<1>');
    add(3, 5, '');
    add(6, 6, '!');
  });
  assert.equal(text, '<1>bcf!');
  const { rows, count, found } = notesOf();
  assert.deepEqual([count, found], [3, 3]);
  assert.deepEqual(
    [...rows.subarray(0, 18)].filter((_, i) => i % 6 >= 4),
    [0, 3, 5, 5, 6, 7],
  );
});

test('a copy that finds no room is none', () => {
  edited('abcdef', (add) => add(0, 1, 'x'));
  assert.equal(applyEdits(AT, AT + 6, maskedPart.at, maskedPart.at + 5), -1);
});

test('at the limit everything from there on is one edit', () => {
  const source = 's'.repeat(EDITS_MAX + 100);
  const text = edited(source, (add) => {
    for (let i = 0; i < source.length; i++) add(i, i + 1, '.');
  });
  assert.equal(text, `${'.'.repeat(EDITS_MAX)}*unreadable*`);
  assert.equal(notesOf().found, EDITS_MAX + 1);
});

test('a walker that begins again behind the limit stays closed from its first edit on', () => {
  const source = `ab${'s'.repeat(EDITS_MAX + 100)}`;
  const text = edited(source, (add) => {
    for (let i = 2; i < source.length; i++) add(i, i + 1, '.');
    cutEdits(0);
    assert.ok(hasEdits());
    add(1, 2, '.');
  });
  assert.equal(text, 'a*unreadable*');
});
