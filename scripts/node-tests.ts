/**
 * Runs test files with node:test, two processes at a time, and counts what they ran: every test without subtests is
 * one; a test that only holds others is none, unless it failed by itself; a file that runs no test is a failure,
 * because it looks like a test and checks nothing.
 */
import { relative } from 'node:path';
import { run } from 'node:test';

export interface Counted {
  passed: number;
  failed: number;
  skipped: number;
  /** What there is to read about failures, empty without any. */
  output: string;
  /** A line for each skipped test. */
  skips: string[];
}

interface TestEnd {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: { readonly type?: string | undefined; readonly error?: Error & { failureType?: string } };
}

const TEST_LIMIT_MS = 300_000;
const PRINTED_CHARS_MAX = 8_000;

export async function runNodeTests(files: readonly string[], limitMs: number): Promise<Counted> {
  const counted: Counted = { passed: 0, failed: 0, skipped: 0, output: '', skips: [] };
  const printed = new Map<string, string>();
  const failures = new Map<string, string[]>();
  /** By file and nesting: tests ended since the last test that can hold them. */
  const held = new Map<string, number>();

  const nameOf = (file: string | undefined): string => (file === undefined ? '(no file)' : relative(process.cwd(), file));
  const print = (data: { file?: string | undefined; message: string }): void => {
    const file = nameOf(data.file);
    printed.set(file, ((printed.get(file) ?? '') + data.message).slice(-PRINTED_CHARS_MAX));
  };
  const fail = (file: string, text: string): void => {
    counted.failed++;
    failures.set(file, [...(failures.get(file) ?? []), text]);
  };

  const end = (data: TestEnd, passed: boolean): void => {
    const file = nameOf(data.file);
    const inner = `${file}\n${data.nesting + 1}`;
    const own = `${file}\n${data.nesting}`;
    const holdsOthers = data.details.type === 'suite' || (held.get(inner) ?? 0) > 0;
    held.set(inner, 0);
    held.set(own, (held.get(own) ?? 0) + 1);
    const isFile = data.nesting === 0 && nameOf(data.name) === file;
    if (!passed) {
      const error = data.details.error;
      if (error?.failureType === 'subtestsFailed') return;
      fail(file, isFile ? `the file itself: ${error?.message ?? 'failed'}` : `${data.name}\n${describe(error)}`);
    } else if (isFile) {
      fail(file, 'the file runs no test');
    } else if (isSet(data.skip) || (isSet(data.todo) && !holdsOthers)) {
      counted.skipped++;
      counted.skips.push(`${file}: ${data.name}${typeof data.skip === 'string' && data.skip !== '' ? ` (${data.skip})` : ''}`);
    } else if (!holdsOthers) {
      counted.passed++;
    }
  };

  const limit = AbortSignal.timeout(limitMs);
  const stream = run({ files: [...files], concurrency: 2, timeout: TEST_LIMIT_MS, signal: limit });
  stream.on('test:stdout', print);
  stream.on('test:stderr', print);
  stream.on('test:pass', (data) => end(data, true));
  stream.on('test:fail', (data) => end(data, false));
  await new Promise<void>((resolve, reject) => stream.resume().once('end', resolve).once('error', reject));
  if (limit.aborted) fail('(time limit)', `not done after ${limitMs / 1000} s`);

  for (const [file, texts] of failures) {
    counted.output += `${file}\n`;
    for (const text of texts) counted.output += `${indent(text, '  ')}\n`;
    const said = printed.get(file)?.trim();
    if (said) counted.output += `${indent(`what it printed:\n${said}`, '  ')}\n`;
  }
  return counted;
}

function isSet(value: string | boolean | undefined): boolean {
  return value !== undefined && value !== false;
}

/** The message, and of the stack only the lines of this project. */
function describe(error: (Error & { failureType?: string }) | undefined): string {
  if (error === undefined) return 'failed';
  const cause = error.cause instanceof Error ? error.cause : error;
  const stack = (cause.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !line.includes('node:') && !line.includes('node_modules'));
  return `${cause.message}\n${stack.slice(0, 6).join('\n')}`.trimEnd();
}

export function indent(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by);
}
