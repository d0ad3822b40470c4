/** `earshot spool status`: what lies in the spool and who waits for it, from its files; beside a running sensor too. */

import { LETTERS } from '../ship/dead-letters.ts';
import { type BacklogReader, backlogOf, isSpool, lettersDirectory, type Waiting } from '../ship/spool/backlog.ts';
import { SPOOL_VERSION } from '../ship/spool/note.ts';
import { NOT_CLOSED, type SpoolReport, spoolStatus } from '../ship/spool/offline.ts';
import { writeText } from './output.ts';
import { safeJson } from './safe-json.ts';
import { readersOf, type SpoolOptions, spoolPlace } from './spool-place.ts';
import { type Column, table } from './table.ts';
import { coloursOf, shown, widthOf } from './terminal.ts';
import { byteAmount, count, date, longTime } from './units.ts';

const NAME_COLUMNS = 15;
/** After a crash numbers go on about 2^30 ahead. */
const JUMP_MIN = 2 ** 29;
const TEXT_MAX = 2000;

/** One who reads the spool; `queued` null: which records are for it only the configuration says. */
type Reader = Omit<Waiting, 'queued' | 'queuedBytes'> & { readonly queued: number | null; readonly queuedBytes: number | null };

interface Status {
  readonly directory: string;
  readonly usedBy: number;
  /** As configured; null without a configuration. */
  readonly level: 'memory' | 'os' | 'disk' | null;
  readonly version: number;
  readonly bytes: number;
  readonly bytesMax: number | null;
  readonly segments: number;
  readonly records: number;
  readonly oldestAtMs: number;
  /** Whether all, some or none of the segments are encrypted. */
  readonly encrypted: 'yes' | 'in part' | 'no';
  readonly readers: readonly Reader[];
  readonly deadLetters: number;
  readonly quarantinedFiles: number;
  readonly knownHoles: number;
  readonly knownMissing: number;
  readonly problems: readonly string[];
  /** Whether the numbers of its records are far ahead of how many there ever were. */
  readonly hasJumped: boolean;
}

const EXIT_DAMAGED = 1;

/** Gives 1 when something is damaged or missing, else 0. */
export async function spoolStatusCommand(options: SpoolOptions & { readonly json?: boolean }): Promise<number> {
  const { directory, settings, isConfigured, keys } = await spoolPlace(options);
  const report = await spoolStatus(directory, { keys });
  const known = readersOf(settings);
  const waiting = await backlogOf(directory, known, { keys });
  const others = report.cursors
    .filter(({ name }) => known.every((reader) => reader.name !== name))
    .map(({ name, ackedSequence }): Reader => ({ name, ackedSequence, queued: null, queuedBytes: null, oldestAtMs: 0 }));
  const encrypted = report.segments.filter(({ keyId }) => keyId !== '').length;
  const status: Status = {
    directory,
    usedBy: report.usedBy,
    level: isConfigured ? settings.spool.level : null,
    version: SPOOL_VERSION,
    bytes: report.bytes,
    bytesMax: isConfigured ? settings.spool.bytesMax : null,
    segments: report.segments.length,
    records: report.records,
    oldestAtMs: report.segments.find(({ frames }) => frames > 0)?.oldestAtMs ?? 0,
    encrypted: encrypted === 0 ? 'no' : encrypted === report.segments.length ? 'yes' : 'in part',
    readers: [...waiting, ...others],
    deadLetters: await lettersIn(directory),
    quarantinedFiles: report.quarantinedFiles,
    knownHoles: report.knownHoles,
    knownMissing: report.knownMissing,
    problems: problemsOf(report),
    hasJumped: report.segments.some(({ lastSequence, recordsUpTo }) => lastSequence - recordsUpTo > JUMP_MIN),
  };
  if (options.json) writeText(1, `${safeJson(status)}\n`);
  else writeText(1, textOf(status, Date.now()));
  return status.problems.length === 0 ? 0 : EXIT_DAMAGED;
}

/** What an earlier repair could not bring back. */
export function knownText({ knownHoles, knownMissing }: Pick<SpoolReport, 'knownHoles' | 'knownMissing'>): string {
  return `${count(knownMissing)} records are missing in ${count(knownHoles)} known holes, as a repair found them`;
}

/** What is wrong: that a killed process closed nothing, is not. */
export function problemsOf({ problems }: SpoolReport): string[] {
  return problems.filter((problem) => !problem.endsWith(`: ${NOT_CLOSED}`));
}

async function lettersIn(directory: string): Promise<number> {
  const letters = lettersDirectory(directory);
  if (!(await isSpool(letters))) return 0;
  const reader: BacklogReader = { name: LETTERS, pipelines: [LETTERS] };
  return (await backlogOf(letters, [reader])).reduce((sum, { queued }) => sum + queued, 0);
}

function textOf(status: Status, nowMs: number): string {
  const colours = coloursOf(process.stdout);
  const lines: string[] = [];
  const row = (name: string, text: string): void => void lines.push(`${colours.bold(name.padEnd(NAME_COLUMNS))}${shown(text, TEXT_MAX)}`);
  const age = (atMs: number): string => (atMs === 0 ? '-' : longTime(nowMs - atMs));
  row('spool', status.directory);
  row('used by', status.usedBy < 0 ? 'nobody' : status.usedBy === 0 ? 'a process that does not say who it is' : `process ${status.usedBy}`);
  if (status.level !== null) row('level', status.level);
  row('bytes', `${byteAmount(status.bytes)}${status.bytesMax === null ? '' : ` of ${byteAmount(status.bytesMax)}`}`);
  row('segments', `${count(status.segments)} with ${count(status.records)} records`);
  row('oldest', status.oldestAtMs === 0 ? 'none' : `${date(status.oldestAtMs)} (${age(status.oldestAtMs)})`);
  if (status.hasJumped) row('numbers', 'went on at a round one far ahead, as after a crash: nothing is missing for that');
  row('dead letters', count(status.deadLetters));
  row('encrypted', status.encrypted);
  row('version', `${status.version} of the format`);
  if (status.quarantinedFiles > 0) row('quarantine', `${count(status.quarantinedFiles)} files of damaged parts`);
  if (status.knownHoles > 0) row('known holes', knownText(status));
  const columns: Column<Reader>[] = [
    { title: 'sink', cell: ({ name }) => name, elasticMin: 12 },
    { title: 'acked up to', cell: ({ ackedSequence }) => String(ackedSequence), right: true },
    { title: 'queued', cell: ({ queued }) => (queued === null ? '?' : count(queued)), right: true },
    { title: 'bytes', cell: ({ queuedBytes }) => (queuedBytes === null ? '?' : byteAmount(queuedBytes)), right: true },
    { title: 'age', cell: ({ oldestAtMs }) => age(oldestAtMs), right: true },
  ];
  if (status.readers.length > 0) lines.push('', ...table(columns, status.readers, widthOf(process.stdout), colours.bold));
  if (status.readers.some(({ queued }) => queued === null)) {
    lines.push('', 'What waits for a sink is known only with the configuration that has it: --config FILE.');
  }
  if (status.problems.length > 0) {
    lines.push('', colours.red('Not all is well:'), ...status.problems.map((problem) => `  ${shown(problem, TEXT_MAX)}`));
    lines.push('earshot spool verify reads all of it, earshot spool repair sets aside what is damaged.');
  }
  return `${lines.join('\n')}\n`;
}
