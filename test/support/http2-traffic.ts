/**
 * Real HTTP/2: a client and a server of Node talk through a relay that writes down every chunk of both directions, so that
 * tests can put the bytes into packets and compare what the sensor says with what both ends logged.
 */
import http2 from 'node:http2';
import net from 'node:net';
import type { Turn } from './conversation.ts';

export interface Http2Recording {
  /** What each side sent, in the order in which the relay saw it; neighbours of one side are joined. */
  readonly turns: Turn[];
}

function listen(server: net.Server | http2.Http2Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port)));
}

/** Starts a server with `serve`, lets `ask` use a client, and returns what went over the wire once all is closed. */
export async function recordHttp2(
  serve: (server: http2.Http2Server) => void,
  ask: (client: http2.ClientHttp2Session) => Promise<void>,
  options: { readonly server?: http2.ServerOptions; readonly client?: http2.ClientSessionOptions } = {},
): Promise<Http2Recording> {
  const turns: Turn[] = [];
  const note = (fromServer: boolean, data: Buffer): void => {
    const last = turns.at(-1);
    if (last !== undefined && last.fromServer === fromServer)
      turns[turns.length - 1] = { fromServer, bytes: Buffer.concat([last.bytes, data]) };
    else turns.push({ fromServer, bytes: data });
  };
  const server = http2.createServer(options.server ?? {});
  serve(server);
  const port = await listen(server);
  const relay = net.createServer((inward) => {
    const outward = net.connect(port, '127.0.0.1');
    const ends = (from: net.Socket, to: net.Socket, fromServer: boolean): void => {
      from.on('data', (data) => {
        note(fromServer, data);
        to.write(data);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    };
    ends(inward, outward, false);
    ends(outward, inward, true);
  });
  const relayPort = await listen(relay);
  const client = http2.connect(`http://127.0.0.1:${relayPort}`, options.client ?? {});
  client.on('error', () => {});
  try {
    await ask(client);
  } finally {
    await new Promise<void>((resolve) => client.close(() => resolve()));
    await new Promise((resolve) => relay.close(resolve));
    await new Promise((resolve) => server.close(resolve));
  }
  return { turns };
}

export interface Exchange2 {
  readonly headers: http2.OutgoingHttpHeaders;
  readonly body?: Buffer;
  readonly trailers?: http2.OutgoingHttpHeaders;
}

export interface Answer2 {
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Buffer;
  readonly trailers: [string, string][];
}

/** Names and values one after the other, as Node gives them raw, without pseudo-headers. */
export function pairs(raw: readonly string[]): [string, string][] {
  const all: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) if (!raw[i].startsWith(':')) all.push([raw[i], raw[i + 1]]);
  return all;
}

/** One request and its answer. */
export function exchange(client: http2.ClientHttp2Session, { headers, body, trailers }: Exchange2): Promise<Answer2> {
  return new Promise((resolve, reject) => {
    const stream = client.request(headers, {
      endStream: body === undefined && trailers === undefined,
      waitForTrailers: trailers !== undefined,
    });
    let status = 0;
    let fields: [string, string][] = [];
    let last: [string, string][] = [];
    const parts: Buffer[] = [];
    stream.on('response', (answer, _flags, raw?: string[]) => {
      status = Number(answer[':status']);
      fields = pairs(raw ?? []);
    });
    stream.on('trailers', (_trailers, _flags, raw?: string[]) => {
      last = pairs(raw ?? []);
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
    stream.on('data', (data: Buffer) => parts.push(data));
    stream.on('error', reject);
    stream.on('close', () => resolve({ status, headers: fields, body: Buffer.concat(parts), trailers: last }));
    if (body !== undefined || trailers !== undefined) stream.end(body);
  });
}
