/** HTTP/2 between Node's client and server, recorded and read again: what the records say is what both ends logged. */
import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { type Cutter, everyBytes, partsOf, type Turn, wires } from '../../test/support/conversation.ts';
import { type Answer2, type Exchange2, exchange, pairs, recordHttp2 } from '../../test/support/http2-traffic.ts';
import { type Run, runPipeline, settingsWith } from '../../test/support/run-pipeline.ts';

type ApiCall = Run['records'][number];
type End = 'client-fin' | 'open' | 'reset';

function replay(turns: readonly Turn[], cut: Cutter = everyBytes(1400), end: End = 'client-fin', everyPacket = true): Run {
  return runPipeline(wires(partsOf({ turns, calls: [], end }, cut)), { everyPacket });
}

interface Seen {
  readonly path: string;
  readonly method: string;
  readonly headers: [string, string][];
  readonly body: Buffer;
  readonly trailers: [string, string][];
}

interface Talk {
  readonly turns: readonly Turn[];
  /** By path: what the server saw, and what the client got. */
  readonly seen: ReadonlyMap<string, Seen>;
  readonly answers: ReadonlyMap<string, Answer2>;
}

type Options = Parameters<typeof recordHttp2>[2];

/** A server that answers by path: /status/N, /bytes/N, /trailers, /hints, /echo. */
function serveAll(
  seen: Map<string, Seen>,
): (stream: ServerHttp2Stream, headers: Record<string, unknown>, flags: number, raw: string[]) => void {
  return (stream, headers, _flags, raw) => {
    const path = String(headers[':path']);
    const parts: Buffer[] = [];
    let trailers: [string, string][] = [];
    stream.on('trailers', (_t: unknown, _f: number, rawTrailers: string[]) => {
      trailers = pairs(rawTrailers);
    });
    stream.on('data', (data: Buffer) => parts.push(data));
    stream.on('error', () => {});
    stream.on('end', () => {
      const body = Buffer.concat(parts);
      seen.set(path, { path, method: String(headers[':method']), headers: pairs(raw), body, trailers });
      const [, kind, amount] = path.split(/[/?]/);
      if (kind === 'hints') stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' });
      if (kind === 'trailers') {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
        stream.end('answer');
      } else if (kind === 'status') stream.respond({ ':status': Number(amount), server: 'made' }, { endStream: true });
      else if (kind === 'bytes') {
        stream.respond({ ':status': 200, 'content-type': 'text/plain', 'content-length': amount });
        stream.end('x'.repeat(Number(amount)));
      } else {
        stream.respond({ ':status': 200, 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'] });
        stream.end(JSON.stringify({ echo: body.toString('latin1') }));
      }
    });
  };
}

async function talk(exchanges: readonly Exchange2[], together: boolean, options: Options = {}): Promise<Talk> {
  const seen = new Map<string, Seen>();
  const answers = new Map<string, Answer2>();
  const one = async (client: Parameters<typeof exchange>[0], e: Exchange2): Promise<void> => {
    answers.set(String(e.headers[':path']), await exchange(client, e));
  };
  const { turns } = await recordHttp2(
    (server) => server.on('stream', serveAll(seen) as never),
    async (client) => {
      if (together) await Promise.all(exchanges.map((e) => one(client, e)));
      else for (const e of exchanges) await one(client, e);
    },
    options,
  );
  return { turns, seen, answers };
}

/** The record must have all that both ends had; the host is added from `:authority`. */
function sameAsEnds(records: readonly ApiCall[], { seen, answers }: Talk): void {
  assert.deepEqual(records.map((r) => r.request?.target).sort(), [...answers.keys()].sort());
  for (const record of records) {
    const path = String(record.request?.target);
    const request = seen.get(path);
    const answer = answers.get(path);
    assert.ok(request !== undefined && answer !== undefined && record.request !== null && record.response !== null);
    assert.equal(record.complete, true, `${path}: ${record.causes}`);
    assert.equal(record.request.version, '2');
    assert.equal(record.response.version, '2');
    assert.equal(record.request.method, request.method);
    assert.match(String(record.host), /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(record.request.headers, [['host', record.host], ...request.headers]);
    assert.deepEqual(record.request.trailers ?? [], request.trailers);
    assert.equal(record.request.body.bytes, request.body.length);
    if (request.body.length > 0 && request.body.length <= 16384) assert.equal(record.request.body.text, request.body.toString('utf8'));
    assert.equal(record.response.status, answer.status);
    assert.deepEqual(record.response.headers, answer.headers);
    assert.deepEqual(record.response.trailers ?? [], answer.trailers);
    assert.equal(record.response.body.bytes, answer.body.length);
    assert.equal(record.response.body.text ?? '', answer.body.subarray(0, 16384).toString('utf8'));
  }
}

const exchanges: readonly Exchange2[] = [
  { headers: { ':path': '/echo/plain?q=1', accept: 'application/json', cookie: 'sid=abc; theme=dark' } },
  {
    headers: { ':path': '/echo/post', ':method': 'POST', 'content-type': 'application/json', 'x-long': 'v'.repeat(300) },
    body: Buffer.from('{"a":"é"}'),
  },
  { headers: { ':path': '/bytes/60000', 'user-agent': 'test' } },
  { headers: { ':path': '/echo/large', ':method': 'PUT' }, body: Buffer.alloc(40_000, 'y') },
  { headers: { ':path': '/trailers', ':method': 'POST', te: 'trailers' }, body: Buffer.from('ask'), trailers: { 'x-sum': '77' } },
  { headers: { ':path': '/hints' } },
  { headers: { ':path': '/status/204', ':method': 'DELETE' } },
  { headers: { ':path': '/status/404' } },
  { headers: { ':path': '/status/304' } },
];

test('every call of a connection, one after the other', async () => {
  const t = await talk(exchanges, false);
  const run = replay(t.turns);
  sameAsEnds(run.records, t);
  assert.equal(run.counters['payload.other'] ?? 0, 0, 'all bytes were read');
  assert.equal(run.counters['calls.informational'], 1);
  for (const [i, record] of run.records.entries()) assert.equal(record.connection.depth, i + 1);
});

test('calls that share the connection at the same moment, in segments of any length', async () => {
  const t = await talk(exchanges, true);
  for (const length of [333, 16384]) sameAsEnds(replay(t.turns, everyBytes(length), 'open').records, t);
  const small = await talk(exchanges.slice(0, 2).concat(exchanges.slice(4)), true);
  for (const length of [1, 2, 3, 7, 8, 9, 10, 11, 64]) sameAsEnds(replay(small.turns, everyBytes(length), 'open', false).records, small);
});

test('a segment ends at any byte', async () => {
  const t = await talk([exchanges[1], exchanges[4]], true);
  const longest = Math.max(...t.turns.map((turn) => turn.bytes.length));
  for (let at = 1; at < longest; at++) sameAsEnds(replay(t.turns, () => [at], 'client-fin', false).records, t);
});

test('header tables of other sizes, and larger frames, as SETTINGS say', async () => {
  const many = Array.from(
    { length: 30 },
    (_, i): Exchange2 => ({ headers: { ':path': `/echo/${i}`, [`x-name-${i}`]: `value ${i}`, 'x-same': 's'.repeat(90) } }),
  );
  const all = [
    ...many,
    { headers: { ':path': '/bytes/200000' } },
    { headers: { ':path': '/echo/put', ':method': 'PUT' }, body: Buffer.alloc(100_000, 'z') },
  ];
  for (const headerTableSize of [0, 100, 1000, 65536]) {
    const settings = { headerTableSize, maxFrameSize: 65536 };
    const t = await talk(all, false, { server: { settings }, client: { settings } });
    const run = replay(t.turns, everyBytes(1400), 'client-fin', false);
    assert.deepEqual(Object.keys(run.weirds), []);
    sameAsEnds(run.records, t);
  }
});

test('each side has its own times', async () => {
  const t = await talk([exchanges[2]], false);
  const [{ request, response, latencyUs }] = replay(t.turns).records;
  assert.ok(request !== null && response !== null);
  assert.ok(request.firstByteUs <= request.lastByteUs);
  assert.ok(response.firstByteUs > request.lastByteUs);
  assert.ok(response.lastByteUs > response.firstByteUs, 'the body took several packets');
  assert.equal(latencyUs, response.firstByteUs - request.lastByteUs);
});

test('limits of HTTP/1 hold: bytes of a body, of a head, number of fields', async () => {
  const t = await talk([{ headers: { ':path': '/bytes/5000', 'x-one': 'a'.repeat(200), 'x-two': 'b'.repeat(200) } }], false);
  const packets = wires(partsOf({ turns: t.turns, calls: [], end: 'client-fin' }));
  const cut = runPipeline(packets, { settings: settingsWith({ http: { bodyBytes: 100, headBytesMax: 300 } }) }).records[0];
  assert.equal(cut.response?.body.kept, 100);
  assert.equal(cut.response?.body.bytes, 5000);
  assert.deepEqual(cut.causes, ['cut-at-limit']);
  assert.deepEqual(
    cut.request?.headers.map(([name]) => name),
    ['host', 'x-one'],
  );
  const few = runPipeline(packets, { settings: settingsWith({ http: { headersMax: 2 } }) }).records[0];
  assert.deepEqual(
    few.request?.headers.map(([name]) => name),
    ['host', 'x-one'],
  );
  assert.ok(few.weirds?.includes('limit.http.headers'));
});
