/** The diagnosis as text: the walk line by line, then what to do. */
import { type Colours, shown } from '../terminal.ts';
import type { Finding } from './findings.ts';
import type { Verdict } from './judgement.ts';
import type { Diagnosis, StepResult } from './steps.ts';

const verdictWords: Readonly<Record<Verdict, string>> = { ok: 'ok', warn: 'warn', broken: 'BROKEN', skipped: '-' };
const VERDICT_COLUMNS = 8;
const INDENT = '  ';
const ARROW = '-> ';
const TEXT_MAX = 1000;

export function renderDiagnosis({ ok, first, steps, findings }: Diagnosis, colours: Colours, width: number): string {
  const names = Math.max(...gathered(steps).map(({ step }) => step.length)) + 2;
  const lines: string[] = [];
  for (const { step, verdict, evidence } of gathered(steps)) {
    const room = width - names - VERDICT_COLUMNS;
    const [line = '', ...more] = wordsIn(evidence, room);
    const paint = verdict === 'broken' ? colours.red : verdict === 'warn' ? colours.yellow : verdict === 'ok' ? colours.green : colours.dim;
    lines.push(`${step.padEnd(names)}${paint(verdictWords[verdict].padEnd(VERDICT_COLUMNS))}${line}`.trimEnd());
    for (const rest of more) lines.push(' '.repeat(names + VERDICT_COLUMNS) + rest);
  }
  lines.push('');
  if (first === null) lines.push('Nothing is wrong with what was looked at.');
  else {
    lines.push(colours.bold(ok ? 'Nothing is broken. To look at first:' : 'The first thing that is broken:'));
    lines.push(...detailed(first, colours, width));
    if (findings.length > 1) {
      lines.push('', 'Also:');
      for (const other of findings.slice(1)) lines.push(...detailed(other, colours, width));
    }
    lines.push('', 'docs/findings.md explains the codes.');
  }
  return `${lines.join('\n')}\n`;
}

/** Steps that were skipped for one reason, one behind the other, in one line. */
function gathered(steps: readonly StepResult[]): { step: string; verdict: Verdict; evidence: string }[] {
  const lines: { step: string; verdict: Verdict; evidence: string; from: string }[] = [];
  for (const { step, verdict, evidence } of steps) {
    const last = lines.at(-1);
    if (verdict === 'skipped' && last?.verdict === 'skipped' && last.evidence === evidence) last.step = `${last.from} to ${step}`;
    else lines.push({ step, verdict, evidence, from: step });
  }
  return lines;
}

function detailed({ code, severity, what, next, evidence }: Finding, colours: Colours, width: number): string[] {
  const paint = severity === 'broken' ? colours.red : severity === 'warning' ? colours.yellow : colours.dim;
  const room = width - 2 * INDENT.length;
  return [
    `${INDENT}${paint(`${severity}: ${code}`)}`,
    ...wordsIn(withEvidence(what, evidence), room).map((line) => INDENT + INDENT + line),
    ...wordsIn(next, room - ARROW.length).map((line, i) => INDENT + INDENT + (i === 0 ? ARROW : ' '.repeat(ARROW.length)) + line),
  ];
}

/** "The interface eth9 does not exist: there are lo, eth0." */
function withEvidence(what: string, evidence: string): string {
  if (evidence === '') return what;
  return what.endsWith('.') ? `${what.slice(0, -1)}: ${evidence.replace(/[.]$/, '')}.` : `${what} (${evidence})`;
}

/** Lines of at most `width` columns, where words allow it. Names of interfaces and the like may hold anything. */
function wordsIn(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of shown(text, TEXT_MAX).split(' ')) {
    const last = lines.length - 1;
    if (last >= 0 && lines[last].length + 1 + word.length <= width) lines[last] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}
