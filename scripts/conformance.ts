/**
 * Scores `earshot read` against the corpus of captures: npm run conformance [-- CORPUS_DIR SIDE [OPTION...]]
 *
 * The corpus brings its own comparer (compare.py), which runs the launcher once a capture, as a user would. Left out
 * are captures of link types that Earshot does not read. Options go on to the comparer (--only GLOB ...).
 * Exit code 0: every bar is met; 1: not; 3: it cannot run here, the last line says why.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SCHEMA } from '../src/normalise/causes.ts';
import { runChild } from './child.ts';

const MACRO_RECALL_MIN = 0.985;
const EXIT_SKIPPED = 3;
const LIMIT_MS = 30 * 60_000;

/** Keys of the comparer, and where an API call has them. */
const map = [
  'method=request.method',
  'uri=request.target',
  'host=host',
  'status=response.status',
  'version=request.version|response.version',
  'src=client.address',
  'sport=client.port',
  'dst=server.address',
  'dport=server.port',
].join(',');

const excludedTags = ['802.11', 'nflog', 'arcnet'];

function skip(reason: string): never {
  console.log(reason);
  process.exit(EXIT_SKIPPED);
}

const args = process.argv.slice(2);
const firstOption = args.findIndex((arg) => arg.startsWith('-'));
const places = firstOption < 0 ? args : args.slice(0, firstOption);
const options = firstOption < 0 ? [] : args.slice(firstOption);
const corpus = resolve(places[0] ?? '../shared/corpus');
const side = places[1] ?? 'given';

const comparer = join(corpus, 'compare.py');
if (!existsSync(comparer)) skip(`there is no corpus at ${places[0] ?? '../shared/corpus'}`);
if ((await runChild('python3', ['--version'], { limitMs: 10_000 })).code !== 0) skip('python3 is not installed');

const folder = mkdtempSync(join(tmpdir(), 'earshot-conformance-'));
try {
  const reportFile = join(folder, 'report.json');
  const ended = await runChild(
    'python3',
    [
      comparer,
      corpus,
      side,
      './earshot read {pcap} --format jsonl --unmasked --unfiltered',
      ...['--map', map],
      // Ends of WebSocket connections have records of their own.
      ...['--where', `schema=${SCHEMA}`],
      ...excludedTags.flatMap((tag) => ['--exclude-tag', tag]),
      ...['--jobs', '2', '--timeout', '30', '--min-recall', '0.99', '--min-precision', '0.99'],
      ...['--quiet', '--show', '3', '--report', reportFile],
      ...options,
    ],
    { limitMs: LIMIT_MS, live: true },
  );
  process.exitCode = ended.code === 0 ? 0 : 1;
  if (ended.timedOut) console.log(`FAIL: the comparer was ended after ${LIMIT_MS / 60_000} minutes`);
  if (existsSync(reportFile)) {
    const { macro_recall: macroRecall } = JSON.parse(readFileSync(reportFile, 'utf8')) as { macro_recall: number };
    const enough = macroRecall >= MACRO_RECALL_MIN;
    console.log(`${enough ? 'PASS' : 'FAIL'}: mean recall per capture ${macroRecall.toFixed(4)} (need ${MACRO_RECALL_MIN.toFixed(4)})`);
    if (!enough) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
