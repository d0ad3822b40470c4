/** All recordings of HTTP/2 between peers that are not ours, in groups that may be missing on a machine. */
import { absent } from '../peers/peers.ts';
import { recordGraphql, recordGrpc } from './http2-library-peers.ts';
import { type Recording, recordNodeShapes } from './http2-node-peers.ts';
import {
  curl,
  h2load,
  type Load,
  nghttp,
  type Running,
  recordWith,
  startNghttpd,
  startNghttpx,
  startNodeServer,
} from './http2-program-peers.ts';

export interface LoadRecording extends Recording {
  readonly load: Load;
}

/** Why the programs cannot be asked; false when they can. */
export const withoutPrograms: string | false = ['nghttp', 'nghttpd', 'nghttpx', 'h2load', 'curl']
  .map((program) => absent(program, '--version'))
  .reduce((reason, next) => reason || next, false);

const urls = (port: number, ...paths: readonly string[]): string[] => paths.map((path) => `http://127.0.0.1:${port}${path}`);

async function withServers<T>(start: readonly (() => Promise<Running>)[], talk: (...servers: Running[]) => Promise<T>): Promise<T> {
  const servers: Running[] = [];
  try {
    for (const one of start) servers.push(await one());
    return await talk(...servers);
  } finally {
    for (const server of servers.reverse()) await server.close();
  }
}

const PATHS = ['/index.html', '/style.css?a=1', '/large.bin', '/not/there', '/empty.txt'] as const;

/** nghttp and curl: with nghttpd, with node:http2, and through nghttpx, which takes upgrades. */
export async function recordPrograms(): Promise<Recording[]> {
  const push = ['--push=/index.html=/style.css,/large.bin', '--trailer=x-sum: 5', '--padding=100', '--error-gzip'];
  return await withServers(
    [() => startNghttpd(push), () => startNghttpd(['--header-table-size=500', '--encoder-header-table-size=300'])],
    async (d, small) => {
      const question = `--data=${(d as { folder?: string }).folder}/question.txt`;
      return await withServers([() => startNghttpx(d.port), () => startNodeServer()], async (x, node) => [
        await recordWith('nghttp and nghttpd: pushes, trailers, padding', d, (port) =>
          nghttp(['-m4', '-Hx-a: b', '--padding=60'], urls(port, ...PATHS)),
        ),
        await recordWith('nghttp and nghttpd: CONTINUATION', d, (port) => nghttp(['-m2', '--continuation'], urls(port, ...PATHS.slice(1)))),
        await recordWith('nghttp and nghttpd: uploads', d, (port) =>
          nghttp(['-m3', '--trailer=x-t: 1', question, '--expect-continue'], urls(port, '/u')),
        ),
        await recordWith('nghttp and nghttpd: small header tables', small, (port) =>
          nghttp(
            [
              '-m6',
              '--header-table-size=200',
              '--header-table-size=1000',
              '--encoder-header-table-size=600',
              '-Hx-a: b',
              '-Hcookie: a=1; b=2; c=3',
            ],
            urls(port, ...PATHS),
          ),
        ),
        await recordWith('nghttp and node: small windows', node, (port) =>
          nghttp(
            ['-m3', '--window-bits=10', '--connection-window-bits=12'],
            urls(port, '/bytes/40000', '/hints/1', '/trailers/2', '/page/3', '/wide/20000', '/reset/1'),
          ),
        ),
        await recordWith('nghttp and nghttpx: upgrade', x, (port) => nghttp(['--upgrade'], urls(port, ...PATHS.slice(1)))),
        await recordWith('nghttp and nghttpx: upgrade with OPTIONS', x, (port) => nghttp(['--upgrade', question], urls(port, '/v', '/w'))),
        await recordWith('curl and nghttpx: upgrade', x, async (port) => [
          await curl(['--http2', '--cookie', 'a=1; b=2'], urls(port, '/style.css?up')[0]),
        ]),
        await recordWith('curl and nghttpd: POST', d, async (port) => [
          await curl(
            ['--http2-prior-knowledge', '--data', 'a=5', '--header', 'X-Empty;', '--user-agent', 'é'],
            urls(port, '/posted?x=1')[0],
          ),
        ]),
        await recordWith('curl and node: HEAD, a long field, an upload', node, async (port) => [
          await curl(['--http2-prior-knowledge', '--head'], urls(port, '/status/304')[0]),
          await curl(['--http2-prior-knowledge', '--header', `x-wide: ${'w'.repeat(1500)}`], urls(port, '/hints/2')[0]),
          await curl(
            ['--http2-prior-knowledge', '--upload-file', `${(d as { folder?: string }).folder}/question.txt`],
            urls(port, '/echo/up')[0],
          ),
        ]),
      ]);
    },
  );
}

/** h2load, which counts and does not say more of single calls. */
export async function recordLoad(): Promise<LoadRecording[]> {
  return await withServers([() => startNghttpd(), () => startNodeServer()], async (d, node) => {
    const one = async (name: string, server: Running, options: readonly string[], paths: readonly string[]): Promise<LoadRecording> => {
      let load: Load | undefined;
      const recording = await recordWith(name, server, async (port) => {
        load = await h2load(options, urls(port, ...paths));
        return [];
      });
      if (load === undefined) throw new Error('h2load said nothing');
      return { ...recording, load };
    };
    return [
      await one('h2load and nghttpd', d, ['-n120', '-c3', '-m20', '-Hx-a: b'], ['/index.html', '/style.css', '/not/there']),
      await one('h2load and node', node, ['-n120', '-c2', '-m60'], ['/echo/1', '/bytes/700', '/trailers/3', '/status/404']),
    ];
  });
}

export interface Group {
  readonly name: string;
  readonly skip: string | false;
  readonly record: (seed: number) => Promise<readonly Recording[]>;
}

export const groups: readonly Group[] = [
  { name: 'node:http2', skip: false, record: recordNodeShapes },
  { name: 'gRPC and GraphQL', skip: false, record: async () => [await recordGrpc(), await recordGraphql()] },
  { name: 'nghttp, h2load and curl', skip: withoutPrograms, record: async () => [...(await recordPrograms()), ...(await recordLoad())] },
];
