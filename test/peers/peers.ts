/** Runs Earshot and its peers on a capture and brings what they found into one shape. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { SCHEMA } from '../../src/normalise/causes.ts';

const root = join(import.meta.dirname, '../..');
const LIMIT_MS = 120_000;
const OUTPUT_BYTES_MAX = 256 << 20;

/** One call: "client:port server:port method target status". */
export type Found = string;

/** Header lines ("Name: value") of both sides of a call. */
export interface Headers {
  readonly request: readonly string[];
  readonly response: readonly string[];
}

export interface Findings {
  readonly calls: readonly Found[];
  /** By target, which is another one for every generated call. Empty when the program does not give them. */
  readonly headers: ReadonlyMap<string, Headers>;
}

interface Ends {
  readonly client: string;
  readonly clientPort: number | string;
  readonly server: string;
  readonly serverPort: number | string;
}

export function describeCall(ends: Ends, method: string, target: string, status: number | string | null | undefined): Found {
  const { client, clientPort, server, serverPort } = ends;
  return `${address(client)}:${clientPort} ${address(server)}:${serverPort} ${method} ${target} ${status ?? '-'}`;
}

/** IPv6 in its shortest form (RFC 5952), IPv4 as it is. */
function address(text: string): string {
  return text.includes(':') ? new URL(`http://[${text}]`).hostname : text;
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: LIMIT_MS, maxBuffer: OUTPUT_BYTES_MAX });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ended with exit code ${status}: ${stderr}`);
  return stdout;
}

/** The call without its status. */
export function requestOf(call: Found): string {
  return call.slice(0, call.lastIndexOf(' '));
}

/** Why a peer cannot be asked, in a line; false when it can. */
export function absent(command: string, versionOption: string): string | false {
  return spawnSync(command, [versionOption]).error === undefined ? false : `${command} is not installed here`;
}

export function askEarshot(capture: string): Findings {
  const asked = ['read', capture, '--unmasked', '--unfiltered'];
  const out = run(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'src/main.ts'), ...asked]);
  const calls: Found[] = [];
  const headers = new Map<string, Headers>();
  for (const line of out.split('\n').slice(0, -1)) {
    const { schema, client, server, request, response } = JSON.parse(line) as ApiCall;
    if (schema !== SCHEMA) continue;
    const ends = { client: client.address, clientPort: client.port, server: server.address, serverPort: server.port };
    calls.push(describeCall(ends, request?.method ?? '-', request?.target ?? '-', response?.status));
    if (request === null || response === null) continue;
    const text = (side: { readonly headers: readonly (readonly [string, string])[] }): string[] =>
      side.headers.map(([name, value]) => `${name}: ${value}`);
    headers.set(request.target, { request: text(request), response: text(response) });
  }
  return { calls, headers };
}

const FIELDS = [
  'frame.number',
  'ip.src',
  'ipv6.src',
  'tcp.srcport',
  'ip.dst',
  'ipv6.dst',
  'tcp.dstport',
  'http.request.method',
  'http.request.uri',
  'http.response.code',
  'http.request_in',
  'http.request.line',
  'http.response.line',
] as const;
/** Stands between several values of one field. */
const AGAIN = '\x1f';

/** Ports of the generator on which tshark does not expect HTTP by itself. */
const TSHARK_OPTIONS = ['-n', '-o', 'tcp.reassemble_out_of_order:TRUE', '-d', 'tcp.port==3000,http', '-d', 'tcp.port==8000,http'];

export function askTshark(capture: string): Findings {
  const shape = [
    '-Y',
    'http',
    '-T',
    'fields',
    '-E',
    'occurrence=a',
    '-E',
    `aggregator=${AGAIN}`,
    ...FIELDS.flatMap((field) => ['-e', field]),
  ];
  const requests = new Map<string, { readonly ends: Ends; readonly method: string; readonly target: string; readonly lines: string[] }>();
  const answers = new Map<string, { readonly status: string; readonly lines: string[] }>();
  for (const row of run('tshark', ['-r', capture, ...TSHARK_OPTIONS, ...shape]).split('\n')) {
    if (row === '') continue;
    const cells = row.split('\t').map((cell) => cell.split(AGAIN));
    const [[frame], ip, ipv6, [sourcePort], ipTo, ipv6To, [port], [method], [target], statuses, [requestIn], requestLines, responseLines] =
      cells;
    // The last address is the innermost one; IPv6 is in the generated captures never outside of IPv4.
    const from = (ipv6.at(-1) || ip.at(-1)) ?? '';
    const to = (ipv6To.at(-1) || ipTo.at(-1)) ?? '';
    if (method !== '') {
      const ends = { client: from, clientPort: sourcePort, server: to, serverPort: port };
      requests.set(frame, { ends, method, target, lines: clean(requestLines) });
    } else if (requestIn !== '' && statuses[0] !== '100') answers.set(requestIn, { status: statuses[0], lines: clean(responseLines) });
  }
  const calls: Found[] = [];
  const headers = new Map<string, Headers>();
  for (const [frame, { ends, method, target, lines }] of requests) {
    const answer = answers.get(frame);
    calls.push(describeCall(ends, method, target, answer?.status));
    if (answer !== undefined) headers.set(target, { request: lines, response: answer.lines });
  }
  return { calls, headers };
}

/** As tshark prints a header line: U+FFFD for every byte outside ASCII. */
export function asTsharkPrints(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/\P{ASCII}/gu, (c) => '\ufffd'.repeat(Buffer.byteLength(c))));
}

/** Header lines without the line break that tshark writes as \r\n. */
function clean(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/\\r\\n$/, ''));
}

interface EveHttp {
  readonly event_type: string;
  readonly src_ip: string;
  readonly src_port: number;
  readonly dest_ip: string;
  readonly dest_port: number;
  readonly http: { readonly http_method: string; readonly url: string; readonly status?: number };
}

export function askSuricata(capture: string): Findings {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-suricata-'));
  try {
    const config = join(root, 'bench/suricata.yaml');
    run('suricata', ['-c', config, '-S', '/dev/null', '-r', capture, '-l', folder, '--runmode', 'single', '-k', 'none']);
    const events = readFileSync(join(folder, 'eve.json'), 'utf8').split('\n').slice(0, -1);
    const calls: Found[] = [];
    for (const line of events) {
      const {
        event_type: type,
        src_ip: client,
        src_port: clientPort,
        dest_ip: server,
        dest_port: serverPort,
        http,
      } = JSON.parse(line) as EveHttp;
      if (type === 'http') calls.push(describeCall({ client, clientPort, server, serverPort }, http.http_method, http.url, http.status));
    }
    return { calls, headers: new Map() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
