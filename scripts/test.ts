/**
 * The gate. `npm test` runs every suite of the table below, `npm run ok` the quick ones, `npm test -- unit layers`
 * those named. A failing suite shows what it printed and the others go on. The closing line adds up single tests of
 * node:test and one for each other suite. Exit code 0 only when something ran and nothing failed.
 *
 * A suite that cannot run here says why in one line; with EARSHOT_TEST_REQUIRE=all that is a failure.
 */
import { accessSync, constants, existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runChild } from './child.ts';
import { indent, runNodeTests } from './node-tests.ts';

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Shown when something failed. */
  readonly output: string;
  /** Shown always: why something was skipped. */
  readonly reasons: readonly string[];
}

interface Suite {
  readonly name: string;
  readonly what: string;
  /** Part of `npm run ok`. */
  readonly quick: boolean;
  readonly run: () => Promise<Outcome>;
}

const MINUTE_MS = 60_000;
/** A program that ends with this code says on its last line why it cannot run here. */
const EXIT_SKIPPED = 3;

/** Of the Debian packages iproute2, procps, nftables, nginx-light, curl, wrk, tcpreplay, tcpdump, util-linux. */
const netnsPrograms = ['ip', 'tc', 'ss', 'sysctl', 'nft', 'nginx', 'curl', 'wrk', 'tcpreplay', 'tcpdump', 'setpriv'];

const suites: readonly Suite[] = [
  { name: 'format', what: 'formatting and lint', quick: true, run: tool('biome', 'check', '--error-on-warnings') },
  { name: 'types', what: 'TypeScript, strict', quick: true, run: tool('tsc', '-p', '.') },
  { name: 'layers', what: 'every import points towards the wire', quick: true, run: layers },
  { name: 'dead-code', what: 'files, exports and packages that nothing uses', quick: true, run: tool('knip') },
  { name: 'docs', what: 'generated pages are up to date', quick: true, run: script('scripts/docs.ts', '--check') },
  { name: 'unit', what: 'tests beside the code', quick: true, run: tests(['src/**/*.test.ts']) },
  {
    name: 'laws',
    what: 'laws, transcripts, the whole program',
    quick: false,
    run: tests(
      ['test/**/*.test.ts'],
      ['test/peers/**', 'test/netns/**', 'test/kafka/**', 'test/keycloak/**', 'test/chaos/**', 'test/http2/**'],
    ),
  },
  { name: 'http2', what: 'HTTP/2 with peers, joined anywhere, with losses', quick: false, run: tests(['test/http2/*.test.ts']) },
  { name: 'fuzz', what: 'a minute of fuzzing, and the canary', quick: false, run: script('test/fuzz/run.ts', '--seconds', '60') },
  { name: 'conformance', what: 'the corpus of captures', quick: false, run: script('scripts/conformance.ts') },
  {
    name: 'netns',
    what: 'the live sensor in network namespaces',
    quick: false,
    run: asRoot(needing(netnsPrograms, tests(['test/netns/*.test.ts']))),
  },
  { name: 'chaos', what: 'the delivering sensor is killed under load', quick: false, run: tests(['test/chaos/*.test.ts']) },
  {
    name: 'kafka',
    what: 'the Kafka sink with Apache Kafka itself',
    quick: false,
    run: needing(['java', 'mvn', 'kcat', 'setpriv'], tests(['test/kafka/*.test.ts'])),
  },
  {
    name: 'keycloak',
    what: 'tokens of Keycloak itself',
    quick: false,
    run: needing(['java', 'mvn', 'setpriv'], tests(['test/keycloak/*.test.ts'])),
  },
  { name: 'peers', what: 'second opinions', quick: false, run: needing(['tshark', 'suricata'], tests(['test/peers/*.test.ts'])) },
];

function tool(command: string, ...args: string[]): () => Promise<Outcome> {
  return async () => {
    const ended = await runChild(command, args, { limitMs: 15 * MINUTE_MS });
    if (ended.code === EXIT_SKIPPED) return skipped(ended.output.trim().split('\n').at(-1) ?? '');
    return ended.code === 0 ? { passed: 1, failed: 0, skipped: 0, output: '', reasons: [] } : failed(ended.output);
  };
}

function script(file: string, ...args: string[]): () => Promise<Outcome> {
  return async () => (existsSync(file) ? await tool(process.execPath, file, ...args)() : failed(`${file} is missing`));
}

async function layers(): Promise<Outcome> {
  const folders = ['src', 'test', 'bench', 'scripts'].filter((folder) => existsSync(folder));
  return await tool('depcruise', '--config', '.dependency-cruiser.mjs', ...folders)();
}

function tests(include: string[], exclude: string[] = []): () => Promise<Outcome> {
  return async () => {
    const files = globSync(include, { exclude }).sort();
    if (files.length === 0) return failed(`no file fits ${include.join(' ')}`);
    const { skips, ...counted } = await runNodeTests(files, 20 * MINUTE_MS);
    return { ...counted, reasons: skips };
  };
}

function needing(programs: readonly string[], run: () => Promise<Outcome>): () => Promise<Outcome> {
  return async () => {
    const missing = programs.filter((program) => !isOnPath(program));
    return missing.length === 0 ? await run() : skipped(`not installed here: ${missing.join(', ')}`);
  };
}

/** Network namespaces and packet sockets. */
function asRoot(run: () => Promise<Outcome>): () => Promise<Outcome> {
  return async () => (process.getuid?.() === 0 ? await run() : skipped('it makes network namespaces, for which it has to be root'));
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function failed(output: string): Outcome {
  return { passed: 0, failed: 1, skipped: 0, output, reasons: [] };
}

function skipped(reason: string): Outcome {
  return { passed: 0, failed: 0, skipped: 1, output: '', reasons: [reason] };
}

/** Where everything is required, what was skipped has failed. */
function strict(outcome: Outcome): Outcome {
  return { ...outcome, failed: outcome.failed + outcome.skipped, skipped: 0 };
}

function verdict(outcome: Outcome): string {
  if (outcome.failed > 0) return 'FAILED';
  return outcome.passed > 0 ? 'passed' : 'skipped';
}

function choose(args: readonly string[]): readonly Suite[] {
  const unknown = args.filter((arg) => arg !== '--quick' && !suites.some((suite) => suite.name === arg));
  if (unknown.length > 0) {
    console.error(`Cannot run ${unknown.join(', ')}: there is no such suite. Suites:`);
    for (const { name, what, quick } of suites) console.error(`  ${name.padEnd(12)} ${what}${quick ? ' (also in npm run ok)' : ''}`);
    process.exit(2);
  }
  const named = suites.filter((suite) => args.includes(suite.name));
  if (named.length > 0) return named;
  return args.includes('--quick') ? suites.filter((suite) => suite.quick) : suites;
}

const requireAll = process.env.EARSHOT_TEST_REQUIRE === 'all';
const total = { passed: 0, failed: 0, skipped: 0 };
for (const suite of choose(process.argv.slice(2))) {
  const startedMs = performance.now();
  const own = await suite.run();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const outcome = requireAll ? strict(own) : own;
  const several = own.passed + own.failed + own.skipped > 1 ? `   ${own.passed} passed, ${own.failed} failed, ${own.skipped} skipped` : '';
  console.log(`${suite.name.padEnd(12)} ${verdict(outcome).padEnd(8)} ${seconds.padStart(6)} s${several}`);
  for (const reason of own.reasons) console.log(indent(`skipped${requireAll ? ', but all is required' : ''}: ${reason}`, '    '));
  if (own.failed > 0) console.log(indent(own.output.trimEnd(), '    '));
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.skipped += outcome.skipped;
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
