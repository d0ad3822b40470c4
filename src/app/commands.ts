/**
 * The commands and their options. Each command's own file is imported only when it runs, so that `--help` and
 * short reads start fast.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SensorError } from '../base/errors.ts';
import { formatNames } from '../ship/formats/encoder.ts';
import { OutputClosed, say, writeText } from './output.ts';
import { version } from './version.ts';

export const EXIT_INPUT = 2;
export const EXIT_OUTPUT = 3;
export const EXIT_BUG = 70;

const exitCodes: Readonly<Record<number, string>> = {
  0: 'done; of a damaged capture all that could be read was read',
  1: `status: the sensor runs, but is not well; doctor: something is broken; spool: something is damaged;
       read --deliver, spool deliver: not all was delivered`,
  2: 'the input, the options or the configuration cannot be used',
  3: 'the output cannot be written',
  69: 'Earshot could not be set up',
  70: 'a fault of Earshot itself',
  130: 'interrupted (Ctrl-C)',
};
/** What they mean where a command says it better. */
const ownExitCodes = new Map<Command, Readonly<Record<number, string>>>();

function exitCodesText(command: Command): string {
  const lines = Object.entries({ ...exitCodes, ...ownExitCodes.get(command) });
  return `\nExit codes:\n${lines.map(([code, text]) => `  ${code.padEnd(5)}${text}`).join('\n')}`;
}

/** The command that the words name, as far as they do: "earshot config check". */
function namedCommand(program: Command, words: readonly string[]): string {
  let command: Command | undefined = program;
  const names = [program.name()];
  for (const word of words) {
    command = command.commands.find((one) => one.name() === word);
    if (command === undefined) break;
    names.push(word);
  }
  return names.join(' ');
}

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

function workerCount(value: string): number {
  if (!/^\d{1,2}$/.test(value) || Number(value) > 64) throw new InvalidArgumentError('Wanted: a number from 0 to 64.');
  return Number(value);
}

/** Options that may be repeated. */
function gather(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function seconds(min: number, max: number): (value: string) => number {
  return (value) => {
    if (!/^\d{1,4}(\.\d{1,3})?$/.test(value) || Number(value) < min || Number(value) > max) {
      throw new InvalidArgumentError(`Wanted: a number of seconds from ${min} to ${max}.`);
    }
    return Number(value);
  };
}

/** Seconds of "10s", "500ms" or "2m"; a number alone is seconds. */
function duration(value: string): number {
  const [, digits, unit = 's'] = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(value) ?? [];
  const time = Number(digits) * (unit === 'ms' ? 0.001 : unit === 'm' ? 60 : 1);
  if (!(time >= 0.1 && time <= 3600)) throw new InvalidArgumentError('Wanted: a time from 100ms to 60m, as 10s.');
  return time;
}

function milliseconds(value: string): number {
  if (!/^\d{1,7}(\.\d{1,3})?$/.test(value) || Number(value) > 3_600_000) {
    throw new InvalidArgumentError('Wanted: a number of milliseconds from 0 to 3600000.');
  }
  return Number(value);
}

function exampleCount(value: string): number {
  if (!/^\d{1,3}$/.test(value) || Number(value) > 100) throw new InvalidArgumentError('Wanted: a number of examples from 0 to 100.');
  return Number(value);
}

function callCount(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('Wanted: a number of calls from 0 to 999999999.');
  return Number(value);
}

function lineCount(value: string): number {
  if (!/^\d{1,4}$/.test(value)) throw new InvalidArgumentError('Wanted: a number of lines from 0 to 9999.');
  return Number(value);
}

function sequence(value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw new InvalidArgumentError('Wanted: the sequence of a record, a whole number.');
  return Number(value);
}

/** Milliseconds since 1970 of a date, or of so long ago: "2026-03-01T10:00Z", "90m", "2h", "3d". */
function moment(value: string): number {
  const [, digits, unit = 's'] = /^(\d{1,6})([smhd])$/.exec(value) ?? [];
  const ago = Number(digits) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? 1) * 1000;
  const atMs = digits === undefined && /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : Date.now() - ago;
  if (!Number.isFinite(atMs)) throw new InvalidArgumentError('Wanted: a date as 2026-03-01T10:00Z, or how long ago, as 90m, 2h or 3d.');
  return atMs;
}

function deliverTimeout(): Option {
  const text = 'how long to wait for the sinks, as 30s or 5m (default: 60s); the rest stays in the spool';
  return new Option('--deliver-timeout <time>', text).argParser(duration);
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
      outputError: (text, write) => write(usageLine(text, namedCommand(program, argv))),
    })
    .addHelpText('afterAll', ({ command }) => exitCodesText(command));
  program
    .command('read')
    .description('Read capture files (pcap, pcapng, also gzip or zstd) or standard input (-) and print the API calls in them.')
    .argument('<file...>', 'capture files, merged by time; - is standard input')
    .addOption(new Option('-f, --format <name>', 'format of the calls').choices(formatNames))
    .option('-o, --output <file>', 'write the calls there instead of standard output, which is -')
    .option('--filter-port <ports>', 'only calls of connections with one of these ports; the report of --summary is of all', ports)
    .option('--body-bytes <n>', 'bytes of each body to keep (default: http.bodyBytes of the configuration, 16384)', byteCount)
    .option('-c, --config <file>', 'configuration (YAML); docs/settings.md lists what it may say')
    .option('-s, --summary', 'print a report; without --format and --output instead of the calls')
    .option('--unmasked', 'headers and bodies as they were on the wire, nothing masked: for local work')
    .option('--unfiltered', 'all calls, also those that the filters leave out')
    .option('--deliver', 'deliver the calls to the sinks of the configuration, through its spool, in place of printing them')
    .addOption(deliverTimeout())
    .action(async (files: string[], options) => {
      const { read } = await import('./read.ts');
      code = await read(files, options);
    });
  program
    .command('run')
    .description('Run the sensor: listen on interfaces and tunnel end-points until it is told to stop.')
    .option('-c, --config <file>', 'configuration (YAML); earshot config print-default shows one')
    .option('-i, --interface <name>', 'interface or pattern (eni*) to listen on; may be repeated', gather)
    .option('-e, --endpoint <url>', 'UDP tunnel end-point, as udp://0.0.0.0:4789?encap=vxlan; may be repeated', gather)
    .option('-w, --workers <n>', 'threads that read packets (default: run.workers; 0: processors minus one)', workerCount)
    .option('-o, --output <file>', 'where a line for each call goes; - is standard output')
    .option('--socket <path>', 'control socket')
    .addOption(new Option('--log-level <level>', 'lines of the log').choices(['trace', 'debug', 'info', 'warn', 'error']))
    .action(async (options) => {
      const { run } = await import('./run.ts');
      code = await run(options);
    });
  program
    .command('doctor')
    .description('Walk the path of a packet up to the sinks and name the first step that is broken, with what to do. No record is sent.')
    .option('--live <time>', 'listen for so long, as 10s or 2m, and judge what came', duration)
    .option('--json', 'steps and findings as JSON')
    .option('-c, --config <file>', 'configuration (YAML); without one that of the running sensor')
    .option('-i, --interface <name>', 'interface or pattern (eni*) to look at; may be repeated', gather)
    .option('-e, --endpoint <url>', 'UDP tunnel end-point, as udp://0.0.0.0:4789?encap=vxlan; may be repeated', gather)
    .option('--socket <path>', 'control socket of the running sensor')
    .action(async (options) => {
      const { doctor } = await import('./doctor/doctor.ts');
      code = await doctor(options);
    });
  const config = program.command('config').description('Check a configuration, or print one with every default, or its JSON Schema.');
  config
    .command('check')
    .description('Say whether a configuration can be used, with every mistake in it, and in what it differs from the defaults.')
    .argument('<file>', 'configuration (YAML or JSON)')
    .action(async (file: string) => (await import('./config-command.ts')).checkConfig(file));
  config
    .command('print-default')
    .description('Print a configuration that says every default, each with its meaning, unit and limits.')
    .action(async () => (await import('./config-command.ts')).printDefault());
  config
    .command('schema')
    .description('Print the JSON Schema of the configuration, for editors.')
    .action(async () => (await import('./config-command.ts')).printSchema());
  program
    .command('policy')
    .description('Try rules out.')
    .command('test')
    .description(
      'Say what filters and masking would do to the calls in captures, or to those that come now (--live): for each rule how many, with masked examples.',
    )
    .argument('[file...]', 'capture files (pcap, pcapng, also gzip or zstd); - is standard input')
    .option('--live <time>', 'in place of captures, listen for so long, as 60s or 5m; Ctrl-C ends it earlier', duration)
    .option('-i, --interface <name>', 'with --live: interface or pattern (eni*) to listen on; may be repeated', gather)
    .option('-e, --endpoint <url>', 'with --live: UDP tunnel end-point, as udp://0.0.0.0:4789?encap=vxlan; may be repeated', gather)
    .option('-f, --filters <file>', 'simple filters (default: those that are shipped)')
    .option('--advanced <file>', 'advanced filters (default: none)')
    .option('--masking <file>', 'masking rules (default: those of the configuration, or that are shipped)')
    .option('--diff <file>', 'other simple filters: say which calls they would decide otherwise')
    .option('--examples <n>', 'examples of each, from 0 to 100 (default: 3)', exampleCount)
    .option('-c, --config <file>', 'configuration (YAML), for what to listen to and how packets are read; its filters are not used')
    .option('--json', 'as JSON')
    .action(async (files: string[], options) => (await import('./policy-test.ts')).policyTest(files, options));
  const spool = program.command('spool').description('Look at the spool, mend it, take records out, or send dead letters again.');
  const ofSpool = (parent: Command, name: string, description: string): Command =>
    parent
      .command(name)
      .description(description)
      .option('-c, --config <file>', 'configuration of the sensor, which says where its spool is and which sinks read it')
      .option('--directory <folder>', 'directory of the spool, whatever the configuration says');
  const looked = ofSpool(spool, 'status', 'Say what lies in the spool, and what waits for each sink; also beside a running sensor.')
    .option('--json', 'as JSON')
    .action(async (options) => {
      code = await (await import('./spool-status.ts')).spoolStatusCommand(options);
    });
  const verify = ofSpool(
    spool,
    'verify',
    'Read every frame and name each one that is damaged, with its file and offset; also beside a running sensor.',
  ).action(async (options) => {
    code = await (await import('./spool-command.ts')).verify(options);
  });
  const noSpool = 'there is no spool that can be read, or the options cannot be used';
  ownExitCodes.set(looked, { 0: 'all is well', 1: 'something is damaged or missing', 2: noSpool });
  ownExitCodes.set(verify, { 0: 'all is whole', 1: 'something is damaged or missing', 2: noSpool });
  const repaired = ofSpool(
    spool,
    'repair',
    'Write damaged segments anew with what is whole, and set the rest aside in quarantine/. No sensor may use the spool.',
  )
    .option('--yes', 'do it')
    .action(async (options) => {
      code = await (await import('./spool-command.ts')).repair(options);
    });
  ownExitCodes.set(repaired, { 0: 'verify finds nothing wrong now', 1: 'a part is left that only --config could tell about', 2: noSpool });
  const exported = ofSpool(
    spool,
    'export',
    'Print the masked records in the spool as lines of JSON, delivered or not. No sensor may use the spool.',
  )
    .option('-o, --output <file>', 'write them there instead of standard output, which is -')
    .option('--sink <name>', 'only what waits for that sink; needs --config')
    .option('--from <sequence>', 'from that record on', sequence)
    .option('--to <sequence>', 'up to that record', sequence)
    .action(async (options) => {
      code = await (await import('./spool-command.ts')).exportSpool(options);
    });
  ownExitCodes.set(exported, { 0: 'all were exported', 1: 'damaged frames were left out', 2: noSpool });
  const delivered = ofSpool(
    spool,
    'deliver',
    'Deliver what waits in the spool to the sinks of the configuration, without a sensor and without reading a capture.',
  )
    .addOption(deliverTimeout())
    .action(async (options) => {
      code = await (await import('./spool-command.ts')).deliver(options);
    });
  ownExitCodes.set(delivered, { 0: 'all was delivered', 1: 'not all was', 2: 'the spool or the configuration cannot be used' });
  ofSpool(spool, 'purge', 'Throw the records away, delivered or not. No sensor may use the spool.')
    .option('--sink <name>', 'only what waits for that sink, which goes on behind it; the others keep theirs; needs --config')
    .option('--yes', 'do it')
    .action(async (options) => (await import('./spool-command.ts')).purge(options));
  const letters = spool
    .command('dead-letters')
    .description(
      'Records that a sink refused for their content: list them, or send them again. Through the running sensor when there is one.',
    );
  const ofLetters = (name: string, description: string): Command =>
    ofSpool(letters, name, description)
      .option('--socket <path>', 'control socket of the running sensor')
      .option('--sink <name>', 'only those of that sink')
      .option('--code <code>', 'only those with that code, as record-refused')
      .option('--since <time>', 'only those since then: a date as 2026-03-01T10:00Z, or how long ago, as 90m, 2h or 3d', moment);
  ofLetters('list', 'Print the dead letters, the oldest first.')
    .option('--json', 'as JSON, a line each')
    .action(async (options) => (await import('./dead-letters-command.ts')).listDeadLetters(options));
  ofLetters(
    'replay',
    'Put dead letters back into the spool, for the sinks that refused them. Without a running sensor it needs --config.',
  ).action(async (options) => (await import('./dead-letters-command.ts')).replayDeadLetters(options));
  const ofSensor = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--socket <path>', 'control socket of the sensor')
      .option('-c, --config <file>', 'configuration of the sensor, which names its control socket');
  const status = ofSensor('status', 'Say whether the running sensor is well, since when, and what every interface, worker and sink does.')
    .option('--json', 'all that is known, as JSON')
    .action(async (options) => {
      code = await (await import('./status.ts')).status(options);
    });
  ownExitCodes.set(status, { 0: 'ready, without faults', 1: 'with faults, or not ready', 2: 'no sensor can be asked' });
  ofSensor('stats', 'Print what the sensor read, made of it and wrote, what was lost on the way, and whether its books balance.')
    .option('--watch [seconds]', 'again and again, until Ctrl-C (default: every second)', seconds(0.1, 3600))
    .option('--rules', 'every rule of the pipelines, not only those that decided most calls')
    .option('--json', 'as JSON, a line each time')
    .action(async (options) => {
      const { stats } = await import('./stats.ts');
      code = await stats(options);
    });
  ofSensor(
    'tail',
    'Print calls as they come, a line each; with --full their masked headers and bodies too. All filters that are given must fit; * is any run of characters.',
  )
    .option('--host <glob>', 'calls to that host, as *.example.com')
    .option('--path <glob>', 'calls of that path, as /orders/*')
    .option('--method <methods>', 'calls with that method, or one of several with commas')
    .option('--status <statuses>', 'calls answered so: 404, 5xx, >=400, none, or one of several with commas')
    .option('--client <cidr>', 'calls from that address or block, as 10.0.0.0/8: of the client behind a proxy, or of the proxy')
    .option('--server <cidr>', 'calls to that address or block')
    .option('--slower <ms>', 'calls whose response began later than that', milliseconds)
    .option('-n, --count <n>', 'end after so many calls', callCount)
    .option('--full', 'under each line the masked headers and bodies, and what was masked by which rule')
    .option('--body-lines <n>', 'the same with so many lines of each body (default: 8)', lineCount)
    .option('--json', 'the whole masked record of each call as JSON, a line each')
    .action(async (options) => {
      const { tail } = await import('./tail.ts');
      code = await tail(options);
    });
  ofSensor('top', 'Show the busiest hosts, endpoints and clients (those behind proxies): calls a second, errors, latency.')
    .addOption(new Option('--by <what>', 'only one of the three').choices(['host', 'endpoint', 'client']))
    .option('--watch <seconds>', 'seconds that rates are taken over (default: 10)', seconds(1, 60))
    .option('--once', 'one view after that time, and the end')
    .option('--json', 'as JSON, a line each time')
    .action(async (options) => {
      const { top } = await import('./top.ts');
      code = await top(options);
    });
  ofSensor('reload', 'Make the sensor read its configuration again: all of it, or nothing when there is a mistake.').action(
    async (options) => {
      const { reload } = await import('./reload.ts');
      code = await reload(options);
    },
  );
  ofSensor('log-level', 'Make the sensor log more or less, until it stops.')
    .addArgument(new Argument('<level>').choices(['trace', 'debug', 'info', 'warn', 'error']))
    .action(async (level, options) => {
      const { logLevel } = await import('./log-level.ts');
      code = await logLevel(level, options);
    });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_INPUT;
    if (error instanceof OutputClosed) return 0;
    if (error instanceof SensorError) {
      say(`earshot: ${error.message} [${error.code}]\n${error.details.map((line) => `  ${line}\n`).join('')}`);
      return error.code === 'output-failed' ? EXIT_OUTPUT : EXIT_INPUT;
    }
    say(`earshot: a fault of Earshot itself, please report it: ${error instanceof Error ? error.stack : String(error)}\n`);
    return EXIT_BUG;
  }
  return code;
}
