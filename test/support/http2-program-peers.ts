/** The programs of nghttp2, and curl, talk over a proxy that writes down the bytes; what they print of each call is read again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import { type ClientLog, numbered, type Recording, serve } from './http2-node-peers.ts';
import type { Field } from './http2-truth.ts';
import { RecordingProxy } from './recording-proxy.ts';

const LIMIT_MS = 20_000;
const TRIES = 200;
const TRY_EVERY_MS = 25;

type Log = { -readonly [K in keyof ClientLog]-?: ClientLog[K] } & { requestHeaders: Field[]; responseHeaders: Field[] };

const NOTHING = Buffer.alloc(0);

function emptyLog(): Log {
  return {
    method: '',
    target: '',
    authority: '',
    requestHeaders: [],
    requestTrailers: [],
    requestBytes: 0,
    requestContent: NOTHING,
    status: null,
    responseHeaders: [],
    responseTrailers: [],
    responseBytes: 0,
    responseContent: NOTHING,
    wasReset: false,
  };
}

function noteRequest(log: Log, [name, value]: Field): void {
  if (name === ':method') log.method = value;
  else if (name === ':path') log.target = value;
  else if (name === ':authority') log.authority = value;
  else if (!name.startsWith(':')) log.requestHeaders.push([name, value]);
}

const fieldIn = (line: string): Field => {
  const at = line.indexOf(': ', 1);
  return at < 0 ? [line.slice(0, line.indexOf(':', 1)), ''] : [line.slice(0, at), line.slice(at + 2)];
};

/** A line of nghttp's log, with those below it that belong to it. */
const ENTRY = /\[ *\d+\.\d{3}\] .*\n(?: {10}.*\n)*/g;

/**
 * What `nghttp -v` prints, as Latin-1: frames in the order in which it sent and received them. What DATA brings stands before the line
 * of its frame, and lines of what is sent may stand within it.
 *
 *   <html>an index</html>[  0.001] recv DATA frame <length=121, flags=0x08, stream_id=13>
 *             ; PADDED
 *
 * `upload` is what it was to send with each request.
 */
export function readNghttp(text: string, upload: Buffer): ClientLog[] {
  const logs = new Map<string, Log>();
  const of = (stream: string): Log => {
    const log = logs.get(stream) ?? emptyLog();
    logs.set(stream, log);
    return log;
  };
  const lines: string[] = [];
  /** By the line that follows. */
  const contents = new Map<number, string>();
  let textAt = 0;
  for (const entry of text.matchAll(ENTRY)) {
    contents.set(lines.length, text.slice(textAt, entry.index));
    lines.push(...entry[0].slice(0, -1).split('\n'));
    textAt = entry.index + entry[0].length;
  }
  let received: Field[] = [];
  let content = '';
  let fieldsOf: ((field: Field) => void) | undefined;
  const upgrade = /HTTP Upgrade request\n(\S+) (\S+) HTTP\/1.1\r?\n([\s\S]*?)\r?\n\r?\n/.exec(text);
  if (upgrade !== null)
    Object.assign(of('1'), { method: upgrade[1], target: upgrade[2], requestHeaders: upgrade[3].split(/\r?\n/).map(fieldIn) });
  for (const [i, line] of lines.entries()) {
    content += contents.get(i) ?? '';
    const brought = content;
    if (/^\[ *[\d.]+\] recv/.test(line)) content = '';
    const frame = /^\[ *[\d.]+\] (send|recv) ([A-Z_]+) frame <length=(\d+), flags=0x(\w+), stream_id=(\d+)>/.exec(line);
    if (frame !== null) {
      fieldsOf = undefined;
      const [, verb, type, , flags, stream] = frame;
      if (stream === '0') continue;
      const log = of(stream);
      if (verb === 'send' && type === 'HEADERS') {
        const isTrailer = log.method !== '';
        fieldsOf = (field) => {
          if (isTrailer) log.requestTrailers = [...log.requestTrailers, field];
          else noteRequest(log, field);
        };
      } else if (verb === 'recv' && type === 'PUSH_PROMISE') {
        const promised = of(/promised_stream_id=(\d+)/.exec(lines.slice(i, i + 3).join())?.[1] ?? '');
        for (const field of received) noteRequest(promised, field);
        received = [];
      } else if (verb === 'recv' && type === 'HEADERS') {
        const status = received.find(([name]) => name === ':status')?.[1];
        const plain = received.filter(([name]) => !name.startsWith(':'));
        received = [];
        if (status === undefined) log.responseTrailers = plain;
        else if (Number(status) >= 200) {
          log.status = Number(status);
          log.responseHeaders = plain;
        }
      } else if (type === 'DATA') {
        const padding = Number.parseInt(flags, 16) & 8 ? Number(/padlen=(\d+)/.exec(lines[i + 1] + lines[i + 2])?.[1] ?? 0) : 0;
        const bytes = Number(frame[3]) - padding;
        if (verb === 'send') {
          log.requestBytes += bytes;
          log.requestContent = upload.subarray(0, log.requestBytes);
        } else {
          log.responseBytes += bytes;
          log.responseContent = Buffer.concat([log.responseContent, Buffer.from(brought, 'latin1')]);
        }
      } else if (type === 'RST_STREAM') log.wasReset = true;
      continue;
    }
    const field = /^\[ *[\d.]+\] recv \(stream_id=\d+(?:, sensitive)?\) (.*)$/.exec(line);
    if (field !== null) received.push(fieldIn(field[1]));
    else if (/^\[/.test(line)) fieldsOf = undefined;
    else if (fieldsOf !== undefined && /^ {10}[^ ;(]/.test(line)) fieldsOf(fieldIn(line.slice(10)));
  }
  return [...logs.values()]
    .filter(({ method, status }) => method !== '' || status !== null)
    .map((log): ClientLog => {
      if (log.method !== 'OPTIONS') return log;
      // What answers the OPTIONS of an upgrade is not printed.
      const { responseContent: _, ...printed } = log;
      return printed;
    });
}

interface Moved {
  readonly uploaded: Buffer;
  readonly downloaded: Buffer;
}

/** What `curl -v` prints on standard error, of one transfer; `json` is its `-w %{json}`. */
export function readCurl(text: string, json: string, { uploaded, downloaded }: Moved): ClientLog {
  const { size_upload: requestBytes, size_download: responseBytes } = JSON.parse(json) as Record<string, number>;
  const log = { ...emptyLog(), requestBytes, responseBytes, requestContent: uploaded, responseContent: downloaded };
  const lines = text.split(/\r?\n/);
  const isUpgraded = lines.some((line) => line.startsWith('* Received 101'));
  let response: Field[] = [];
  for (const line of lines) {
    const sent = /^\* (?:h2h3 |\[HTTP\/2\] \[\d+\] )\[(:?[^:]+): (.*)\]$/.exec(line);
    const status = /^< HTTP\/([\d.]+) (\d+)/.exec(line);
    if (sent !== null) noteRequest(log, [sent[1], sent[2]]);
    else if (isUpgraded && /^> [A-Z]+ \S+ HTTP\/1.1$/.test(line)) [, log.method, log.target] = line.split(' ');
    else if (isUpgraded && line.startsWith('> ') && line.includes(': ')) log.requestHeaders.push(fieldIn(line.slice(2)));
    else if (status !== null) {
      log.status = Number(status[2]);
      response = [];
    } else if (line.startsWith('< ') && line.includes(': ')) {
      response.push(fieldIn(line.slice(2)));
    }
  }
  const { responseTrailers: _, ...known } = log;
  return { ...known, responseHeaders: response };
}

interface Ended {
  readonly out: Buffer;
  readonly err: Buffer;
}

function run(command: string, args: readonly string[], limitMs = LIMIT_MS): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs });
    const parts: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (data: Buffer) => parts[0].push(data));
    child.stderr.on('data', (data: Buffer) => parts[1].push(data));
    child.on('error', reject);
    child.on('close', (code) => {
      const [out, err] = parts.map((all) => Buffer.concat(all));
      if (code === 0) resolve({ out, err });
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${err}`));
    });
  });
}

async function isListening(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

export interface Running {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** A server that is a program; `args` gets its port. */
async function start(command: string, args: (port: number) => readonly string[]): Promise<Running> {
  const [port] = await freePorts(1);
  const child: ChildProcess = spawn(command, args(port), { stdio: 'ignore' });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.on('error', () => undefined);
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  for (let i = 0; i < TRIES; i++) {
    if (await isListening(port)) return { port, close };
    await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
  }
  await close();
  throw new Error(`${command} does not listen`);
}

export async function startNodeServer(settings: http2.Settings = {}): Promise<Running> {
  const server = http2.createServer({ settings });
  server.on('stream', serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** What a server of nghttp2 has. */
export const servedFiles: ReadonlyMap<string, Buffer> = new Map([
  ['index.html', Buffer.from('<html>an index</html>')],
  ['style.css', numbered(3000, 'p { }')],
  ['large.bin', numbered(120_000, 'large')],
  ['question.txt', numbered(25_000, 'question')],
  ['empty.txt', NOTHING],
]);

/** A server of nghttp2, and the folder that it serves. */
export async function startNghttpd(options: readonly string[] = []): Promise<Running & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-nghttpd-'));
  for (const [name, content] of servedFiles) writeFileSync(join(folder, name), content);
  const own = ['--no-tls', '--address=127.0.0.1', '--workers=1', `--htdocs=${folder}`, '--echo-upload'];
  try {
    const server = await start('nghttpd', (port) => [...own, ...options, String(port)]);
    return {
      ...server,
      folder,
      close: async () => {
        await server.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The proxy of nghttp2, which takes upgrades from HTTP/1.1, in front of a server of HTTP/2. */
export async function startNghttpx(behind: number): Promise<Running> {
  return await start('nghttpx', (port) => [
    `--frontend=127.0.0.1,${port};no-tls`,
    `--backend=127.0.0.1,${behind};;proto=h2`,
    '--workers=1',
    '--conf=/dev/null',
    '--single-process',
  ]);
}

/** Lets `talk` speak to a server through the proxy. */
export async function recordWith(name: string, server: Running, talk: (port: number) => Promise<readonly ClientLog[]>): Promise<Recording> {
  const proxy = await RecordingProxy.open(server.port);
  try {
    const calls = await talk(proxy.port);
    await proxy.idle();
    return { name, connections: proxy.connections, calls };
  } finally {
    await proxy.close();
  }
}

const DATA = '--data=';

export async function nghttp(options: readonly string[], urls: readonly string[]): Promise<ClientLog[]> {
  const { out } = await run('nghttp', ['--verbose', ...options, ...urls]);
  const file = options.find((option) => option.startsWith(DATA))?.slice(DATA.length);
  return readNghttp(out.toString('latin1'), file === undefined ? NOTHING : readFileSync(file));
}

export async function curl(options: readonly string[], url: string): Promise<ClientLog> {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-curl-'));
  const output = join(folder, 'output');
  const of = (name: string): string | undefined => (options.includes(name) ? options[options.indexOf(name) + 1] : undefined);
  try {
    const { out, err } = await run('curl', ['--silent', '--verbose', '--output', output, '--write-out', '%{json}', ...options, url]);
    const file = of('--upload-file');
    const uploaded = file === undefined ? Buffer.from(of('--data') ?? '') : readFileSync(file);
    // With --head, curl writes the head there. Without a body, nothing.
    const downloaded = options.includes('--head') || !existsSync(output) ? NOTHING : readFileSync(output);
    return readCurl(err.toString(), out.toString(), { uploaded, downloaded });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface Load {
  readonly requests: number;
  /** By the first digit of the status. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly dataBytes: number;
}

export async function h2load(options: readonly string[], urls: readonly string[]): Promise<Load> {
  const out = (await run('h2load', [...options, ...urls])).out.toString();
  const requests = Number(/requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded/.exec(out)?.[2]);
  const statuses = Object.fromEntries([...out.matchAll(/(\d+) ([2345])xx/g)].map(([, count, digit]) => [digit, Number(count)]));
  const dataBytes = Number(/\((\d+)\) data/.exec(out)?.[1]);
  return { requests, statuses, dataBytes };
}
