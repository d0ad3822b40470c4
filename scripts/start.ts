/**
 * `npm start`: the main job on a capture that the project makes for itself: a small shop API, mirrored through VXLAN.
 * Shows the summary and the first calls.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coloursOf, shown, widthOf } from '../src/app/terminal.ts';
import type { ApiCall } from '../src/normalise/api-call.ts';
import { makeShop } from '../test/support/shop.ts';

const CALLS_SHOWN = 20;
const file = '.cache/start/shop.pcap';
const launcher = join(import.meta.dirname, '../earshot');
const colours = coloursOf(process.stdout);

/** Runs the launcher as anyone would; hands back what it printed, unless that goes straight to the reader. */
function earshot(args: readonly string[], show: boolean): string {
  const { status, stdout, stderr, error } = spawnSync(launcher, args, {
    stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (error !== undefined || status !== 0) {
    console.error(`./earshot ${args.join(' ')} failed${error ? `: ${error.message}` : ` with exit code ${status}`}. ${stderr ?? ''}`);
    process.exit(status ?? 1);
  }
  return stdout;
}

function ms(us: number | undefined): string {
  return us === undefined ? '-' : `${(us / 1000).toFixed(1)} ms`;
}

/** Columns to fill; a pipe takes lines of any length. */
const columns = process.stdout.isTTY ? widthOf(process.stdout) : 1000;
/** Leaves out what matters least: the client's port and the host; on a very narrow terminal the time too. */
const narrow = columns < 130;
const titles = [
  ...(columns < 90 ? [] : ['time']),
  'client -> server',
  'method',
  narrow ? 'target' : 'host and target',
  'status',
  'latency',
  'sent',
  'got',
];
const WIDE = titles.indexOf('method') + 1;
const STATUS = WIDE + 1;

/** One row of the table. */
function cells(call: ApiCall): string[] {
  const { client, server, request, response } = call;
  const time = new Date((request ?? response ?? { firstByteUs: 0 }).firstByteUs / 1000).toISOString().slice(11, 23);
  return [
    time,
    `${client.address}${narrow ? '' : `:${client.port}`} -> ${server.address}:${server.port}`,
    request?.method ?? '-',
    `${narrow ? '' : (call.host ?? '')}${request?.target ?? '-'}`,
    String(response?.status ?? '-'),
    ms(call.latencyUs),
    String(request?.body.bytes ?? '-'),
    String(response?.body.bytes ?? '-'),
  ].slice(-titles.length);
}

function table(rows: readonly string[][]): string {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const others = widths.reduce((sum, width, i) => (i === WIDE ? sum : sum + width + 2), 0);
  widths[WIDE] = Math.max(10, Math.min(widths[WIDE], columns - others));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i > STATUS ? cell.padStart(widths[i]) : shown(cell, widths[i]).padEnd(widths[i]))).join('  ');
  return [colours.bold(line(titles)), ...rows.map((row) => colourOf(row[STATUS])(line(row)))].join('\n');
}

function colourOf(status: string): (text: string) => string {
  if (status.startsWith('5')) return colours.red;
  return status.startsWith('4') ? colours.yellow : (text) => text;
}

mkdirSync('.cache/start', { recursive: true });
writeFileSync(file, makeShop().pcap);
console.log(`A small shop, as a cloud mirrors it through VXLAN. ${colours.cyan(`./earshot read ${file} --summary`)} says:\n`);
earshot(['read', file, '--summary'], true);

const calls = earshot(['read', file, '--body-bytes', '0'], false).trimEnd().split('\n');
const first = calls
  .map((line) => JSON.parse(line) as ApiCall)
  .sort((a, b) => (a.request?.firstByteUs ?? 0) - (b.request?.firstByteUs ?? 0));
console.log(`\nThe first ${CALLS_SHOWN} of ${calls.length} calls (sent and got: bytes of the bodies):\n`);
console.log(table(first.slice(0, CALLS_SHOWN).map(cells)));
console.log(
  `\nYour own capture:  ${colours.cyan('./earshot read FILE.pcap --summary')}   (without --summary: every call as a line of JSON)`,
);
console.log(`Off the network:   ${colours.cyan("sudo tcpdump -i eth0 -U -w - 'tcp or udp port 4789' | ./earshot read -")}`);
