/** A real server (nginx) and real clients (curl, wrk) in namespaces; the server's own log is the truth about the calls. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from '../support/netns.ts';
import { type CallText, callText } from './calls.ts';

const START_LIMIT_MS = 10_000;

export interface Web {
  /** The calls that the server has answered since it was started. */
  readonly served: () => CallText[];
  /** The same, without those that the client gave up before the answer (nginx's 499). */
  readonly stop: () => Promise<void>;
}

let servers = 0;

/**
 * Starts nginx on port 8080 of the address: /files/1k.json, 20k.json and 900k.bin, gzip and chunked under /zipped/, 201
 * for what is posted to /orders, 404 for all else.
 */
export async function startWeb(at: Namespace, folder: string, address: string): Promise<Web> {
  const own = join(folder, `web-${++servers}`);
  const files = join(own, 'files');
  mkdirSync(files, { recursive: true });
  const row = (i: number): string => JSON.stringify({ id: i, name: `article ${i}`, price: i / 8 });
  const json = (rows: number): string => `[${Array.from({ length: rows }, (_, i) => row(i)).join(',')}]`;
  writeFileSync(join(files, '1k.json'), json(22));
  writeFileSync(join(files, '20k.json'), json(450));
  writeFileSync(join(files, '900k.bin'), Buffer.alloc(900_000, 'all work and no play '));
  const log = join(own, 'access.log');
  const host = address.includes(':') ? `[${address}]` : address;
  const configuration = join(own, 'nginx.conf');
  writeFileSync(
    configuration,
    `daemon off; user root; worker_processes 1; pid ${own}/pid; error_log ${own}/error.log;
events { worker_connections 512; }
http {
  log_format truth '$request_method|$uri|$status|$remote_addr|$remote_port|$server_addr|$server_port';
  access_log ${log} truth;
  client_body_temp_path ${own}/body; proxy_temp_path ${own}/proxy; fastcgi_temp_path ${own}/fastcgi;
  uwsgi_temp_path ${own}/uwsgi; scgi_temp_path ${own}/scgi;
  types { application/json json; application/octet-stream bin; }
  keepalive_requests 100000; tcp_nodelay on;
  server {
    listen ${host}:8080;
    location /files/ { alias ${files}/; }
    location /zipped/ { alias ${files}/; gzip on; gzip_types application/json; gzip_min_length 1; }
    location = /orders { default_type application/json; return 201 '{"order":1}'; }
    location / { return 404; }
  }
}
`,
  );
  const child = at.spawn('nginx', ['-c', configuration, '-p', own, '-e', join(own, 'error.log')]);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  for (const endMs = Date.now() + START_LIMIT_MS; !isListening(at); await sleep(20)) {
    if (child.exitCode !== null || Date.now() > endMs) throw new Error(`nginx does not start: ${said}`);
  }
  const served = (): CallText[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [method, path, status, client, clientPort, server, serverPort] = line.split('|');
        return callText(method, path, Number(status), client, Number(clientPort), server, Number(serverPort));
      });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    while (child.exitCode === null && child.signalCode === null) await sleep(10);
  };
  return { served, stop };
}

function isListening(at: Namespace): boolean {
  return at.run('ss', ['-Hltn', 'sport = :8080']).trim() !== '';
}

/** Asks for each path once, over one kept connection. */
export async function curl(from: Namespace, base: string, paths: readonly string[], ...options: readonly string[]): Promise<void> {
  await from.start('curl', [
    '-sS',
    '--noproxy',
    '*',
    '-o',
    '/dev/null',
    ...options,
    ...paths.flatMap((path, i) => (i === 0 ? [base + path] : ['-o', '/dev/null', base + path])),
  ]);
}

/** Asks with so many connections, each `pauseMs` after an answer, for so many seconds. Not all calls of the end are answered. */
export async function wrk(
  from: Namespace,
  folder: string,
  url: string,
  { connections, seconds, pauseMs }: { readonly connections: number; readonly seconds: number; readonly pauseMs: number },
): Promise<void> {
  const script = join(folder, 'pause.lua');
  writeFileSync(script, `function delay() return ${pauseMs} end\n`);
  await from.start('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url]);
}
