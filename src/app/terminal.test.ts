import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WriteStream } from 'node:tty';
import { coloursOf, shown, widthOf, wrapped } from './terminal.ts';

const pipe = {} as WriteStream;
const terminal = (columns: number): WriteStream => ({ isTTY: true, columns }) as WriteStream;

test('a line fills the terminal within reason, and 100 columns elsewhere', () => {
  assert.deepEqual(
    [20, 80, 120, 400, 0].map((columns) => widthOf(terminal(columns))),
    [60, 80, 120, 140, 100],
  );
  assert.equal(widthOf(pipe), 100);
});

test('colours on a terminal only, and not against the wish of the reader', (t) => {
  const { NO_COLOR, TERM } = process.env;
  t.after(() => Object.assign(process.env, { NO_COLOR: NO_COLOR ?? '', TERM: TERM ?? '' }));
  Object.assign(process.env, { NO_COLOR: '', TERM: 'xterm', CI: process.env.CI ?? '1' });
  assert.notEqual(coloursOf(terminal(80)).red('x'), 'x');
  assert.equal(coloursOf(pipe).red('x'), 'x');
  process.env.NO_COLOR = '1';
  assert.equal(coloursOf(terminal(80)).red('x'), 'x');
  Object.assign(process.env, { NO_COLOR: '', TERM: 'dumb' });
  assert.equal(coloursOf(terminal(80)).red('x'), 'x');
});

test('what came off the network cannot steer a terminal', () => {
  assert.equal(shown('a\x1b[31m\r\n\x00\x9b\u202e\u2028é茶', 40), 'a?[31m??????é茶');
  assert.equal(shown('abcdef', 6), 'abcdef');
  assert.equal(shown('abcdefg', 6), 'abcde…');
});

test('items are wrapped whole, with commas between them', () => {
  assert.deepEqual(wrapped(['GET 10', 'POST 2', 'PUT 1'], 15), ['GET 10, POST 2,', 'PUT 1']);
  assert.deepEqual(wrapped(['longer than the line', 'b'], 8), ['longer than the line,', 'b']);
  assert.deepEqual(wrapped([], 8), []);
});
