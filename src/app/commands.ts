/**
 * The commands and their options. Each command's own file is imported only when it runs, so that `--help` and
 * short reads start fast.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SensorError } from '../base/errors.ts';
import { formatNames } from '../ship/formats/format.ts';
import { OutputClosed, say, writeText } from './output.ts';
import { version } from './version.ts';

export const EXIT_INPUT = 2;
export const EXIT_OUTPUT = 3;
export const EXIT_BUG = 70;

const EXIT_CODES = `
Exit codes:
  0    done; of a damaged capture all that could be read was read
  2    the input, the options or the configuration cannot be used
  3    the output cannot be written
  69   Earshot could not be set up
  70   a fault of Earshot itself
  130  interrupted (Ctrl-C)`;

function ports(value: string, before: readonly number[] = []): number[] {
  const list = value.split(',').map((p) => (/^\d{1,5}$/.test(p.trim()) ? Number(p) : Number.NaN));
  for (const p of list)
    if (!(p >= 1 && p <= 65535)) throw new InvalidArgumentError('Wanted: a number from 1 to 65535, or several with commas.');
  return [...before, ...list];
}

function byteCount(value: string): number {
  if (!/^\d{1,6}$/.test(value) || Number(value) > 524288) throw new InvalidArgumentError('Wanted: a number of bytes from 0 to 524288.');
  return Number(value);
}

/** One line of what commander says, with where to read on. */
function usageLine(text: string, command: string): string {
  const line = text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ');
  return `earshot: ${line}${/[.?)]$/.test(line) ? '' : '.'} See ${command} --help.\n`;
}

/** Runs the command of `argv` (without node and script). Returns the exit code. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('earshot')
    .description('Passive API-traffic sensor: packets in, API calls out.')
    .version(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => writeText(1, text),
      writeErr: say,
      outputError: (text, write) => write(usageLine(text, argv[0] === 'read' ? 'earshot read' : 'earshot')),
    })
    .addHelpText('afterAll', EXIT_CODES);
  program
    .command('read')
    .description('Read capture files (pcap, pcapng, also gzip or zstd) or standard input (-) and print the API calls in them.')
    .argument('<file...>', 'capture files, merged by time; - is standard input')
    .addOption(new Option('-f, --format <name>', 'format of the calls').choices(formatNames))
    .option('-o, --output <file>', 'write the calls there instead of standard output')
    .option('--filter-port <ports>', 'only calls of connections with one of these ports', ports)
    .option('--body-bytes <n>', 'bytes of each body to keep (default: http.bodyBytes of the configuration, 16384)', byteCount)
    .option('-c, --config <file>', 'configuration (YAML); docs/settings.md lists what it may say')
    .option('-s, --summary', 'print a report; without --format and --output instead of the calls')
    .action(async (files: string[], options) => {
      const { read } = await import('./read.ts');
      code = await read(files, options);
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_INPUT;
    if (error instanceof OutputClosed) return 0;
    if (error instanceof SensorError) {
      say(`earshot: ${error.message}\n${error.details.map((line) => `  ${line}\n`).join('')}`);
      return error.code === 'output-failed' ? EXIT_OUTPUT : EXIT_INPUT;
    }
    say(`earshot: a fault of Earshot itself, please report it: ${error instanceof Error ? error.stack : String(error)}\n`);
    return EXIT_BUG;
  }
  return code;
}
