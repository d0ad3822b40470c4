/**
 * HPACK against nghttp2, which is inside of node:http2: what its encoder makes of random fields on real connections, with tables of
 * random sizes that change, is decoded by us, block by block, and the fields are those that the other end got.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { resetBlocks } from '../../src/base/blocks.ts';
import { HeaderTable, SIZE_UNKNOWN } from '../../src/http2/header-table.ts';
import { fieldsOf, numbers } from '../../src/http2/hpack-testing.ts';
import { lawSeed } from '../support/run-pipeline.ts';

const BLOCKS = 100_000;
const STREAMS_A_CONNECTION = 1000;
const STREAMS_AT_ONCE = 100;
const HEADERS = 1;
const CONTINUATION = 9;
const END_HEADERS = 4;
const PREFACE_BYTES = 24;

type Field = readonly [string, string];

const names = 'accept accept-encoding authorization content-type user-agent x-request-id x-b3-traceid cookie etag via range'.split(' ');
const values = ['', '0', 'gzip', '*/*', 'application/json', 'application/grpc', 'Bearer abc', 'trailers', 'é'];

/** Fields as they come: some always the same, some new, some long; names that a message may have more than once. */
function someFields(below: (below: number) => number): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {};
  for (let i = below(7); i > 0; i--) {
    const name = below(5) === 0 ? `x-${below(30).toString(36)}` : names[below(names.length)];
    const kind = below(10);
    if (kind < 4) all[name] = values[below(values.length)];
    else if (kind < 7) all[name] = `value ${below(20)}`;
    else if (kind < 9) all[name] = `${below(2 ** 24).toString(36)}${'-token'.repeat(below(20))}`;
    else all[`x-list-${below(3)}`] = Array.from({ length: 1 + below(4) }, () => String(below(50)));
  }
  if (below(300) === 0) all['x-long'] = 'l'.repeat(16_000 + below(4000));
  return all;
}

/** Raw names and values as fields. */
const pairs = (raw: readonly string[]): Field[] => Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i], raw[2 * i + 1]]);

/** Header blocks, by stream, of the bytes of one direction. */
function blocksOf(bytes: Buffer, from: number): { readonly stream: number; readonly block: Buffer }[] {
  const blocks: { stream: number; block: Buffer }[] = [];
  let parts: Buffer[] = [];
  for (let at = from; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    const [type, flags] = [bytes[at + 3], bytes[at + 4]];
    if (type === HEADERS || type === CONTINUATION) {
      const payload = bytes.subarray(at + 9, end);
      // Padding and priority are not asked for here.
      assert.equal(flags & 0x28, 0);
      parts.push(payload);
      if (flags & END_HEADERS) {
        blocks.push({ stream: bytes.readUInt32BE(at + 5), block: Buffer.concat(parts) });
        parts = [];
      }
    }
    at = end;
  }
  return blocks;
}

interface Talk {
  readonly bytes: readonly [Buffer, Buffer];
  /** What the receiving ends got, by stream. */
  readonly got: readonly [Map<number, Field[]>, Map<number, Field[]>];
}

/** A connection of many streams, with what passes over it. */
async function talk(below: (below: number) => number): Promise<Talk> {
  const sizes = [0, 60, 200, 1000, 4096, 4096, 16_384, 65_536];
  const size = (): number => sizes[below(sizes.length)];
  const got = [new Map<number, Field[]>(), new Map<number, Field[]>()] as const;
  const parts: [Buffer[], Buffer[]] = [[], []];
  const options = (): { settings: http2.Settings; maxSessionMemory: number } => ({
    settings: { headerTableSize: size(), maxHeaderListSize: 1 << 20 },
    maxSessionMemory: 100,
  });
  const server = http2.createServer({ ...options(), maxDeflateDynamicTableSize: [4096, 65_536, 500][below(3)] });
  server.on('stream', (stream: http2.ServerHttp2Stream, _headers, _flags, raw: string[]) => {
    got[0].set(stream.id ?? 0, pairs(raw));
    stream.on('error', () => undefined);
    stream.respond({ ':status': [200, 200, 204, 404, 201][below(5)], ...someFields(below) }, { endStream: true });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay = createServer((inward: Socket) => {
    const outward = connect((server.address() as AddressInfo).port, '127.0.0.1');
    for (const [from, to, kept] of [
      [inward, outward, parts[0]],
      [outward, inward, parts[1]],
    ] as const) {
      from.on('data', (data: Buffer) => {
        kept.push(data);
        to.write(data);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => undefined);
    }
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const client = http2.connect(`http://127.0.0.1:${(relay.address() as AddressInfo).port}`, {
    ...options(),
    maxDeflateDynamicTableSize: [4096, 65_536, 500][below(3)],
  });
  try {
    await once(client, 'remoteSettings');
    for (let done = 0; done < STREAMS_A_CONNECTION; done += STREAMS_AT_ONCE) {
      // Both ends allow another size, while streams are under way.
      if (below(2) === 0) client.settings({ headerTableSize: size() });
      await Promise.all(
        Array.from({ length: STREAMS_AT_ONCE }, () => {
          const stream = client.request({
            ':path': `/orders/${below(500)}`,
            ':method': ['GET', 'HEAD', 'DELETE'][below(3)],
            ...someFields(below),
          });
          stream.on('response', (_answer, _flags, raw?: string[]) => got[1].set(stream.id ?? 0, pairs(raw ?? [])));
          stream.resume();
          return once(stream, 'close');
        }),
      );
    }
  } finally {
    client.destroy();
    await new Promise((resolve) => relay.close(resolve));
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
  return { bytes: [Buffer.concat(parts[0]), Buffer.concat(parts[1])], got };
}

/** Node joins what stands in several cookie fields. */
const inLatin1 = (fields: readonly Field[]): Field[] =>
  fields.map(([name, value]) => [name, Buffer.from(value, 'latin1').toString('latin1')]);

test('what nghttp2 encodes on real connections: 100,000 header blocks', async (t) => {
  resetBlocks(64 << 20);
  const below = numbers(lawSeed());
  let blocks = 0;
  let fields = 0;
  while (blocks < BLOCKS) {
    const { bytes, got } = await talk(below);
    for (const direction of [0, 1] as const) {
      const table = new HeaderTable(false);
      table.resize(SIZE_UNKNOWN);
      let read = 0;
      for (const { stream, block } of blocksOf(bytes[direction], direction === 0 ? PREFACE_BYTES : 0)) {
        const wanted = inLatin1(got[direction].get(stream) ?? []);
        const seen = fieldsOf(table, block);
        const differs = seen.length !== wanted.length || seen.some(([name, value], i) => name !== wanted[i][0] || value !== wanted[i][1]);
        if (differs) assert.deepEqual(seen, wanted);
        read++;
        fields += seen.length;
      }
      assert.equal(read, STREAMS_A_CONNECTION);
      table.release();
      blocks += read;
    }
  }
  t.diagnostic(`${blocks} header blocks, ${fields} fields`);
});
