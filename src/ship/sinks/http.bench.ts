/**
 * The sink uap-edge against a TLS server on loopback, in a process of its own: calls/s, and CPU a call of this side
 * (its zlib threads included). Bodies are made beforehand: encoding is not the sink's. Prints `name value unit` lines.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority, makeServerCertificate } from '../../../test/support/certificates.ts';
import type { Batch } from '../batch.ts';
import { compress } from '../http-client.ts';
import { createHttpSink } from './http.ts';
import { never, shortly, sinkContext, sinkSettings } from './http-testing.ts';

const RECORDS = 500;
const BATCHES = 16;
const IN_FLIGHT = 4;
const SERVER = '--server';

/** Characters that do not repeat, and so hardly compress. */
function noise(seed: number, length: number): string {
  return createHash('shake256', { outputLength: length }).update(String(seed)).digest('base64').slice(0, length);
}

/** About 1.5 kilobytes, a sixth of it like session ids and signatures, the rest as alike as calls are. */
function record(sequence: number): string {
  const id = (sequence * 2654435761) >>> 0;
  const headers = [
    { name: 'Host', value: 'api.shop.example' },
    { name: 'User-Agent', value: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36' },
    { name: 'Accept', value: 'application/json' },
    { name: 'Cookie', value: `sid=${noise(id, 64)}` },
    { name: 'X-Request-Id', value: `${id.toString(16).padStart(8, '0')}-4b1c-4e9a-9d2f-${(id * 40503).toString(16).slice(-12)}` },
  ];
  const order = {
    id,
    customer: id % 9973,
    items: [{ sku: `A-${id % 4211}`, count: (id % 7) + 1, price: (id % 99_999) / 100 }],
    state: 'paid',
    signature: noise(id + 1, 172),
  };
  return `${JSON.stringify({
    timestamp: String(1_760_000_000 + sequence),
    version: '1.0',
    'transaction-id': `sensor.1.0.${sequence}`,
    request: {
      'client-ip': `10.${id & 255}.${(id >>> 8) & 255}.7`,
      'http-scheme': 'http',
      'http-version': '1.1',
      'http-method': 'GET',
      'uri-query-fragment': `/v1/orders/${id}?expand=items`,
      host: 'api.shop.example',
      connection: {
        'connection-ip': '10.0.0.9',
        'connection-port': 1024 + (id % 60_000),
        'server-ip': '10.0.1.1',
        'server-port': 8080,
        'transaction-depth': 3,
      },
      headers,
      body: '',
    },
    response: { status: 200, headers: headers.slice(2), body: JSON.stringify(order) },
    'txn-meta-data': {
      source_info: { version: '0.1.0', type: 'sensor', pool_id: 'default', instance_id: 'earshot' },
      sdp_info: { skipped: true },
    },
  })}\n`;
}

function batchOf(number: number): Batch {
  const records = Array.from({ length: RECORDS }, (_none, i) => {
    const sequence = number * RECORDS + i;
    return { sequence, id: `sensor.1.0.${sequence}`, key: '', bytes: Buffer.from(record(sequence)) };
  });
  const whole = Buffer.concat(records.map(({ bytes }) => bytes));
  return { id: `batch-${number}`, records, body: () => whole, mediaType: 'application/x-ndjson', bytes: whole.length, acceptedAtMs: 0 };
}

/** The other process: takes what comes and says 200. */
function serve(certificate: string, key: string): void {
  const server = createServer({ cert: certificate, key }, (request, response) => {
    request.on('data', () => undefined).on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
}

async function measure(
  name: string,
  url: string,
  caFile: string,
  compression: 'none' | 'gzip',
  batches: readonly Batch[],
  rounds: number,
): Promise<void> {
  const sink = createHttpSink('bench', sinkSettings(url, caFile, { compression, concurrencyMax: IN_FLIGHT }), sinkContext());
  let next = -IN_FLIGHT;
  let started = 0;
  let cpu = process.cpuUsage();
  const sender = async (): Promise<void> => {
    while (next < rounds * BATCHES) {
      // The first ones make the connections.
      if (next++ === 0) {
        started = performance.now();
        cpu = process.cpuUsage();
      }
      const how = shortly(await sink.send(batches[Math.abs(next) % BATCHES], never));
      if (how !== 'delivered') throw new Error(how);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const calls = rounds * BATCHES * RECORDS;
  await sink.close();
  console.log(`${name}.rate ${Math.round(calls / seconds)} calls/s`);
  console.log(`${name}.cpu ${((user + system) / calls).toFixed(2)} us/call`);
}

if (process.argv[2] === SERVER) serve(process.argv[3], process.argv[4]);
else {
  const authority = makeAuthority('Bench CA');
  const { certificate, key } = makeServerCertificate('good', authority);
  const folder = mkdtempSync(join(tmpdir(), 'earshot-bench-'));
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, authority.certificate);
  const child = fork(import.meta.filename, [SERVER, certificate, key]);
  try {
    const [port] = (await once(child, 'message')) as [number];
    const batches = Array.from({ length: BATCHES }, (_none, i) => batchOf(i));
    console.log(`uap_edge.record ${Math.round(batches[0].bytes / RECORDS)} bytes`);
    console.log(`uap_edge.record_gzip_1 ${Math.round((await compress(batches[0].body())).length / RECORDS)} bytes`);
    const url = `https://localhost:${port}/api-transactions`;
    await measure('uap_edge.plain', url, caFile, 'none', batches, 25);
    await measure('uap_edge.gzip_1', url, caFile, 'gzip', batches, 8);
  } finally {
    child.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}
