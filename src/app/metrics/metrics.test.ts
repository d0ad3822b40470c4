import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { defaultSettings, type Settings } from '../../base/settings.ts';
import type { OwnAddress } from '../listener.ts';
import type { Log, LogFields } from '../log.ts';
import type { SensorReport } from '../report.ts';
import { sampleReport } from '../report-testing.ts';
import { type Metrics, startMetrics } from './metrics.ts';
import { DATAGRAM_BYTES_MAX } from './statsd.ts';
import { metrics as table } from './table.ts';

/** A log that remembers. */
class Lines implements Log {
  readonly lines: string[] = [];
  readonly level = 'info';
  readonly errors = 0;
  readonly lost = 0;
  trace(message: string, fields: LogFields = {}): void {
    this.lines.push(`${message} ${JSON.stringify(fields)}`);
  }
  readonly debug = this.trace;
  readonly info = this.trace;
  readonly warn = this.trace;
  readonly error = this.trace;
  child(): Log {
    return this;
  }
  setLevel(): void {}
  async close(): Promise<void> {}
}

interface Started {
  readonly metrics: Metrics;
  readonly log: Lines;
  /** What is open now. */
  readonly own: OwnAddress[];
  readonly settings: Settings['metrics'];
}

const INTERVAL_MS = 60;

async function start(t: TestContext, given: Partial<Settings['metrics']>, report: () => SensorReport = sampleReport): Promise<Started> {
  const log = new Lines();
  const own: OwnAddress[] = [];
  const settings = { ...defaultSettings.metrics, intervalMs: INTERVAL_MS, ...given };
  const metrics = await startMetrics(settings, report, log, {
    own: (address) => own.push(address),
    ownClosed: (address) => own.splice(own.indexOf(address), 1),
  });
  t.after(() => metrics.close());
  return { metrics, log, own, settings };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.fail(`never: ${what}`);
}

/** A Graphite server: what came, and the connections. */
async function graphite(t: TestContext, port = 0): Promise<{ server: TcpServer; port: number; text: () => string; sockets: Socket[] }> {
  let text = '';
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port, text: () => text, sockets };
}

async function statsd(t: TestContext): Promise<{ socket: UdpSocket; port: number; datagrams: string[] }> {
  const datagrams: string[] = [];
  const socket = createSocket('udp4').on('message', (bytes) => datagrams.push(bytes.toString()));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return { socket, port: socket.address().port, datagrams };
}

async function collector(
  t: TestContext,
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void,
): Promise<{ server: Server; url: string }> {
  const server = createHttpServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => answer(request, body, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/metrics` };
}

test('/metrics: status, type, text; other paths are not there', async (t) => {
  const { metrics, own } = await start(t, { listen: '127.0.0.1:0' });
  const reply = await fetch(`http://${metrics.address}/metrics`);
  assert.equal(reply.status, 200);
  assert.equal(reply.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(await reply.text(), /^# HELP earshot_up .*\n# TYPE earshot_up gauge\nearshot_up 1\n/);
  assert.equal((await fetch(`http://${metrics.address}/`)).status, 404);
  assert.deepEqual(own, [{ host: '127.0.0.1', port: Number(metrics.address.split(':')[1]), protocol: 'tcp' }]);
  await metrics.close();
  assert.deepEqual(own, []);
});

test('a report that fails is a status of 500 and a line, no more', async (t) => {
  let broken = true;
  const { metrics, log } = await start(t, { listen: '127.0.0.1:0' }, () => {
    if (broken) throw new Error('a bug');
    return sampleReport();
  });
  assert.equal((await fetch(`http://${metrics.address}/metrics`)).status, 500);
  assert.equal(log.lines.length, 1);
  broken = false;
  assert.equal((await fetch(`http://${metrics.address}/metrics`)).status, 200);
});

test('Graphite: lines of path, value and seconds', async (t) => {
  const server = await graphite(t);
  const { metrics, own } = await start(t, { graphite: `127.0.0.1:${server.port}`, prefix: 'net' });
  await until('lines', () => /series_left_out .*\n/.test(server.text()));
  const { sensor } = sampleReport();
  const seconds = Math.floor(sensor.nowAtMs / 1000);
  for (const line of server.text().split('\n').slice(0, -1))
    assert.match(line, /^net\.edge-7\.[a-z0-9_]+(\.[a-z]+\.[A-Za-z0-9_-]+)* -?[0-9.e+-]+ [0-9]{10}$/);
  assert.ok(server.text().includes(`net.edge-7.reader_packets_total 1000000000 ${seconds}\n`));
  assert.ok(server.text().includes(`net.edge-7.weird_total.weird.flow_tcp_cut_segment 2310 ${seconds}\n`));
  assert.ok(server.text().includes(`net.edge-7.endpoint_packets_total.endpoint.udp___0_0_0_0_4789_encap_vxlan 187000000 ${seconds}\n`));
  assert.equal(own.length, 1);
  assert.equal(own[0].port, server.sockets[0].remotePort);
  assert.equal(own[0].protocol, 'tcp');
  await metrics.close();
  await until('closed', () => own.length === 0);
});

test('Graphite that is not there, then is, then breaks off: dropped intervals are counted, and it goes on by itself', async (t) => {
  const first = await graphite(t);
  first.server.close();
  await once(first.server, 'close');
  const { metrics, log, own } = await start(t, { graphite: `127.0.0.1:${first.port}` });
  await until('dropped', () => metrics.pushes[0].dropped >= 2);
  assert.equal(metrics.pushes[0].sent, 0);
  assert.equal(log.lines.length, 1);
  assert.match(log.lines[0], /cannot be pushed to graphite.*nobody listens there/);
  const server = await graphite(t, first.port);
  await until('sent', () => metrics.pushes[0].sent >= 2 && server.text() !== '');
  assert.match(log.lines[1], /are pushed to graphite again/);
  server.sockets[0].resetAndDestroy();
  await until('a second connection', () => server.sockets.length === 2);
  await until('own', () => own.length === 1 && own[0].port === server.sockets[1].remotePort);
});

test('Graphite that reads nothing: intervals are dropped and nothing piles up', async (t) => {
  const sockets: Socket[] = [];
  // Paused: the buffers of both ends fill up.
  const server = createServer({ pauseOnConnect: true }, (socket) => sockets.push(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const report = sampleReport();
  // Long lines, to fill them soon.
  const counters = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`packets.dropped{${`r${i}-`.padEnd(80, 'x')}}`, i]));
  const big = { ...report, counters, weirds: Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`w${i}-`.padEnd(80, 'x'), i + 1])) };
  const { metrics, log } = await start(t, { graphite: `127.0.0.1:${(server.address() as AddressInfo).port}`, intervalMs: 5 }, () => big);
  await until('dropped', () => metrics.pushes[0].dropped > 0);
  assert.match(log.lines.join('\n'), /not yet taken|in time/);
});

test('StatsD: gauges, and what was added to counters, in datagrams that pass every network', async (t) => {
  const server = await statsd(t);
  let step = 0;
  const report = (): SensorReport => {
    const r = sampleReport();
    const reader = { ...r.stages.reader, read: r.stages.reader.read + step * 100 };
    // Its counters began anew.
    const workers = r.workers.map((w) => (step > 0 && w.worker === 1 ? { ...w, packets: 30, lagMs: -500 } : w));
    return { ...r, stages: { ...r.stages, reader }, workers };
  };
  const { metrics, own } = await start(t, { statsd: `127.0.0.1:${server.port}` }, report);
  await until('first', () => server.datagrams.some((d) => d.includes('series_left_out')));
  const lines = (): string[] => server.datagrams.flatMap((d) => d.split('\n'));
  for (const line of lines()) assert.match(line, /^earshot\.edge-7\.[a-z0-9_]+(\.[a-z]+\.[A-Za-z0-9_-]+)*:-?[0-9.]+\|[gc]$/);
  // What was counted before is not sent again.
  assert.deepEqual(
    lines().filter((line) => line.includes('reader_packets_total')),
    [],
  );
  assert.ok(lines().includes('earshot.edge-7.flows:24300|g'));
  step = 1;
  await until('added', () => lines().some((line) => line.includes('reader_packets_total')));
  assert.ok(lines().includes('earshot.edge-7.reader_packets_total:100|c'));
  await until('begun anew', () => lines().includes('earshot.edge-7.worker_packets_total.worker.1:30|c'));
  // Below zero would be a difference: it is set to zero first.
  const at = lines().indexOf('earshot.edge-7.worker_lag_seconds.worker.1:-0.5|g');
  assert.equal(lines()[at - 1], 'earshot.edge-7.worker_lag_seconds.worker.1:0|g');
  step = 3;
  await until('added again', () => lines().includes('earshot.edge-7.reader_packets_total:200|c'));
  assert.equal(lines().filter((line) => line.includes('reader_packets_total')).length, 2);
  assert.ok(server.datagrams.length > 2);
  for (const datagram of server.datagrams) assert.ok(Buffer.byteLength(datagram) <= DATAGRAM_BYTES_MAX);
  assert.deepEqual(
    own.map(({ host, protocol }) => [host, protocol]),
    [['127.0.0.1', 'udp']],
  );
  // What was added since is pushed at the end.
  step = 10;
  await metrics.close();
  await until('the last', () => lines().includes('earshot.edge-7.reader_packets_total:700|c'));
  assert.deepEqual(own, []);
});

test('StatsD that is not there is noticed where the system says so', async (t) => {
  const gone = await statsd(t);
  const { port } = gone;
  const other = createSocket('udp4');
  other.bind(0, '127.0.0.1');
  await once(other, 'listening');
  const free = other.address().port;
  other.close();
  await once(other, 'close');
  assert.notEqual(port, free);
  const { metrics, log } = await start(t, { statsd: `127.0.0.1:${free}` });
  await until('refused', () => metrics.pushes[0].dropped > 0);
  assert.match(log.lines[0], /cannot be pushed to statsd.*nobody listens there/);
});

test('OTLP: one request with sums and gauges, and the secrets of the header', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'earshot-otlp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'token');
  writeFileSync(file, 'Bearer s3cret\n', { mode: 0o600 });
  const seen: { headers: IncomingMessage['headers']; body: string; port: number }[] = [];
  const { url } = await collector(t, (request, body, response) => {
    seen.push({ headers: request.headers, body, port: request.socket.remotePort ?? 0 });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}');
  });
  const { metrics, own, log } = await start(t, { otlp: url, otlpHeaders: { Authorization: { file } } });
  await until('two requests', () => seen.length >= 2 && metrics.pushes[0].sent >= 2);
  const [{ headers, body }] = seen;
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers.authorization, 'Bearer s3cret');
  // Both came by one connection, which is told as own.
  assert.equal(seen[0].port, seen[1].port);
  assert.deepEqual(own, [{ host: '127.0.0.1', port: seen[0].port, protocol: 'tcp' }]);
  const request = JSON.parse(body) as {
    resourceMetrics: {
      resource: { attributes: { key: string; value: { stringValue: string } }[] };
      scopeMetrics: { scope: { name: string }; metrics: Record<string, unknown>[] }[];
    }[];
  };
  assert.equal(request.resourceMetrics.length, 1);
  const [{ resource, scopeMetrics }] = request.resourceMetrics;
  assert.deepEqual(
    resource.attributes.map(({ key, value }) => [key, value.stringValue]),
    [
      ['service.name', 'earshot'],
      ['service.version', '0.1.0'],
      ['service.instance.id', 'edge-7'],
      ['service.namespace', 'frankfurt'],
    ],
  );
  const all = scopeMetrics[0].metrics;
  assert.deepEqual(
    new Set(all.map(({ name }) => name)),
    new Set(
      table
        .filter(({ name }) => name !== 'push_intervals_total')
        .map(({ name }) => `earshot_${name}`)
        .concat('earshot_push_intervals_total'),
    ),
  );
  const { startedAtMs, nowAtMs } = sampleReport().sensor;
  assert.deepEqual(
    all.find(({ name }) => name === 'earshot_reader_bytes_total'),
    {
      name: 'earshot_reader_bytes_total',
      description: 'Bytes of these packets.',
      unit: 'By',
      sum: {
        aggregationTemporality: 2,
        isMonotonic: true,
        dataPoints: [
          { attributes: [], startTimeUnixNano: `${startedAtMs}000000`, timeUnixNano: `${nowAtMs}000000`, asInt: '700000000000' },
        ],
      },
    },
  );
  assert.deepEqual(
    all.find(({ name }) => name === 'earshot_worker_ring_fill_ratio'),
    {
      name: 'earshot_worker_ring_fill_ratio',
      description: 'Filled part of the rings of a worker, 0 to 1.',
      unit: '1',
      gauge: {
        dataPoints: [
          { attributes: [{ key: 'worker', value: { stringValue: '0' } }], timeUnixNano: `${nowAtMs}000000`, asDouble: 0.042 },
          { attributes: [{ key: 'worker', value: { stringValue: '1' } }], timeUnixNano: `${nowAtMs}000000`, asDouble: 0.97 },
        ],
      },
    },
  );
  // A renewed token is taken up; one that is gone is a reason, and the secret is in no line.
  writeFileSync(file, 'Bearer n3wer\n');
  await until('the new token', () => seen.at(-1)?.headers.authorization === 'Bearer n3wer');
  rmSync(file);
  await until('dropped', () => metrics.pushes[0].dropped > 0);
  assert.match(log.lines[0], /cannot be pushed to otlp.*Cannot read the secret in file .*token/);
  assert.doesNotMatch(log.lines.join('\n'), /s3cret|n3wer/);
});

test('OTLP that refuses, redirects, rejects, breaks off or never answers: dropped, counted, tried again', async (t) => {
  let mode = 'ok';
  let answered = 0;
  const { url } = await collector(t, (request, _body, response) => {
    answered++;
    if (mode === 'ok') response.end('{}');
    else if (mode === 'busy') response.writeHead(503, { 'retry-after': '3600' }).end('busy');
    else if (mode === 'moved') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    else if (mode === 'rejects') response.end('{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}');
    else if (mode === 'breaks') request.socket.resetAndDestroy();
    // "hangs": no answer at all.
  });
  const { metrics, log, own } = await start(t, { otlp: url });
  const states: [string, RegExp][] = [
    ['busy', /status 503/],
    ['moved', /status 302/],
    ['rejects', /rejects 3 of the values/],
    ['breaks', /broke the connection off/],
    ['hangs', /does not answer in time|not yet taken/],
  ];
  for (const [state, why] of states) {
    mode = 'ok';
    const { sent } = metrics.pushes[0];
    await until('sent', () => metrics.pushes[0].sent > sent);
    log.lines.length = 0;
    const { dropped } = metrics.pushes[0];
    mode = state;
    await until(state, () => metrics.pushes[0].dropped >= dropped + 2);
    assert.equal(log.lines.length, 1, state);
    assert.match(log.lines[0], why);
    assert.ok(own.length <= 1);
  }
  assert.ok(answered > 10);
  mode = 'hangs';
  await metrics.close();
  await until('closed', () => own.length === 0);
});

test('new settings take effect at once; those that cannot be used change nothing', async (t) => {
  const server = await graphite(t);
  const { metrics, own, settings } = await start(t, { listen: '127.0.0.1:0', graphite: `127.0.0.1:${server.port}` });
  const before = metrics.address;
  const port = Number(before.split(':')[1]);
  await until('pushed', () => metrics.pushes[0].sent > 0);

  // The same port on all addresses: the old listener stands in the way of the new one.
  await metrics.update({ ...settings, listen: `:${port}`, prefix: 'other' });
  assert.match(metrics.address, new RegExp(`:${port}$`));
  assert.notEqual(metrics.address, before);
  assert.match(await (await fetch(`http://${before}/metrics`)).text(), /^# HELP other_up /);
  await until('the new prefix', () => server.text().includes('\nother.edge-7.up 1 '));

  // A port that is taken: the old one stays.
  await assert.rejects(metrics.update({ ...settings, listen: `127.0.0.1:${server.port}` }), { code: 'listen-failed' });
  assert.match(await (await fetch(`http://${before}/metrics`)).text(), /^# HELP other_up /);
  assert.equal(metrics.pushes.length, 1);

  await metrics.update({ ...settings, listen: '', graphite: '' });
  assert.equal(metrics.address, '');
  assert.deepEqual(metrics.pushes, []);
  await assert.rejects(fetch(`http://${before}/metrics`));
  await until('all closed', () => own.length === 0);
});
