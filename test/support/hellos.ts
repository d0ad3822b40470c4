/**
 * ClientHellos: made from a description, and real ones, written by real clients to a socket of this machine.
 *
 * `message` gives the handshake message, `records` puts it into records of TLS.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import tls from 'node:tls';

const LIMIT_MS = 20_000;

const sized = (width: 1 | 2 | 3, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(width);
  size.writeUIntBE(body.length, 0, width);
  return Buffer.concat([size, body]);
};
const words = (...values: number[]): Buffer => Buffer.from(values.flatMap((n) => [n >> 8, n & 255]));

export const extension = (type: number, body: Buffer = Buffer.alloc(0)): Buffer => Buffer.concat([words(type), sized(2, body)]);
export const serverName = (name: string): Buffer => extension(0, sized(2, Buffer.from([0]), sized(2, Buffer.from(name, 'latin1'))));
export const alpn = (...names: (string | Buffer)[]): Buffer => extension(16, sized(2, ...names.map((name) => sized(1, Buffer.from(name)))));
export const versions = (...values: number[]): Buffer => extension(43, sized(1, words(...values)));
export const signatures = (...values: number[]): Buffer => extension(13, sized(2, words(...values)));

export interface Hello {
  readonly version?: number;
  readonly session?: number;
  readonly suites?: readonly number[];
  /** null: not even their length. */
  readonly extensions?: readonly Buffer[] | null;
}

/** The handshake message. */
export function message({ version = 0x0303, session = 32, suites = [0x1301, 0x1302], extensions = [] }: Hello): Buffer {
  const body = [
    words(version),
    Buffer.alloc(32, 7),
    sized(1, Buffer.alloc(session, 9)),
    sized(2, words(...suites)),
    sized(1, Buffer.from([0])),
    ...(extensions === null ? [] : [sized(2, ...extensions)]),
  ];
  return Buffer.concat([Buffer.from([1]), sized(3, ...body)]);
}

/** A message in records, each with at most that many bytes of it. */
export function records(handshake: Buffer, bytesEach = 16_384): Buffer {
  const all: Buffer[] = [];
  for (let at = 0; at < handshake.length; at += bytesEach) {
    all.push(Buffer.concat([Buffer.from([22, 3, 1]), sized(2, handshake.subarray(at, at + bytesEach))]));
  }
  return Buffer.concat(all);
}

/** A client of which the public description of JA4 tells all lists and the fingerprint. */
export const described = {
  ja4: 't13d1516h2_8daaf6152771_e5627efa2ab1',
  hello: {
    suites: [
      0x4a4a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    ],
    extensions: [
      extension(0x8a8a),
      extension(0x001b, Buffer.from([2, 0, 2])),
      serverName('www.example.com'),
      extension(0x0033, sized(2, words(0x001d), sized(2, Buffer.alloc(32, 5)))),
      alpn('h2', 'http/1.1'),
      extension(0x4469, sized(2, sized(1, Buffer.from('h2')))),
      extension(0x0017),
      extension(0x002d, Buffer.from([1, 1])),
      signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
      extension(0x0005, Buffer.from([1, 0, 0, 0, 0])),
      extension(0x0023),
      extension(0x0012),
      versions(0x2a2a, 0x0304, 0x0303),
      extension(0xff01, Buffer.from([0])),
      extension(0x000b, Buffer.from([1, 0])),
      extension(0x000a, sized(2, words(0x9a9a, 0x001d, 0x0017, 0x0018))),
      extension(0x1a1a, Buffer.from([0])),
      extension(0x0015, Buffer.alloc(100)),
    ],
  },
} as const satisfies { ja4: string; hello: Hello };

/** What a client writes first, up to the end of its ClientHello. */
async function heard(start: (port: number) => () => void): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const stop = start(address !== null && typeof address === 'object' ? address.port : 0);
  try {
    const signal = AbortSignal.timeout(LIMIT_MS);
    const [socket] = (await once(server, 'connection', { signal })) as [Socket];
    socket.on('error', () => {});
    let bytes = Buffer.alloc(0);
    while (bytes.length < 5 || bytes.length < 5 + bytes.readUInt16BE(3)) {
      const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
      bytes = Buffer.concat([bytes, chunk]);
    }
    socket.destroy();
    return bytes.subarray(0, 5 + bytes.readUInt16BE(3));
  } finally {
    stop();
    server.close();
  }
}

/** The hello of Node's own client. */
export function ofNode(options: tls.ConnectionOptions): Promise<Buffer> {
  return heard((port) => {
    const socket = tls.connect({ ...options, host: '127.0.0.1', port });
    socket.on('error', () => {});
    return () => socket.destroy();
  });
}

/** The hello of a program that connects to the port that stands for PORT in its arguments. */
export function ofProgram(command: string, args: readonly string[]): Promise<Buffer> {
  return heard((port) => {
    const child = spawn(
      command,
      args.map((arg) => arg.replace('PORT', String(port))),
      { stdio: 'ignore' },
    );
    child.on('error', () => {});
    return () => child.kill();
  });
}

/** Why a program cannot be asked; false when it can. */
export function withoutProgram(command: string, versionOption: string): string | false {
  return spawnSync(command, [versionOption]).error === undefined ? false : `${command} is not installed here`;
}
