/**
 * The spool on a real disk, with records of about 1 kB that differ as real ones do. Prints `name value unit` lines.
 *
 *   append      as fast as it goes: what is durable at the end, by the wall clock, with the last sync
 *   drain       what the disk has, read by one sink, none of it in memory
 *   at a rate   50,000 records a second: processor time a record, all threads, beside that of zstd alone
 *
 * With a folder as argument it works there, else in a temporary one of the current folder.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, zstdCompressSync } from 'node:zlib';
import { defaultSettings } from '../../base/settings.ts';
import type { MaskedBatch } from '../../policy/masked-call.ts';
import { Spool } from './spool.ts';

const BATCH_RECORDS = 256;
const BATCHES = 64;
const APPENDED = 1_500_000;
const RATE = 50_000;
const RATE_SECONDS = 5;
const TICKS_PER_SECOND = 40;
/** Never more on its way than the spool may hold. */
const AHEAD_RECORDS = 100_000;

let seed = 7;
function bits(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return seed >>> 0;
}

function hex(digits: number): string {
  let text = '';
  while (text.length < digits) text += bits().toString(16).padStart(8, '0');
  return text.slice(0, digits);
}

function record(i: number): string {
  const user = bits() % 100_000;
  return `${JSON.stringify({
    schema: 'earshot.api-call/1',
    id: `sensor-7.lx2k9a.${i & 3}.${i}`,
    complete: true,
    times: { requestStart: 1_718_000_000_000_000 + i * 41, responseEnd: 1_718_000_000_000_000 + i * 41 + (bits() % 90_000) },
    client: { address: `10.${bits() % 256}.${bits() % 256}.${bits() % 256}`, port: 1024 + (bits() % 60_000) },
    server: { address: '10.20.0.7', port: 8080 },
    scheme: 'http',
    host: 'api.shop.example',
    pathTemplate: '/users/{int}/orders/{uuid}',
    request: {
      method: 'GET',
      target: `/users/${user}/orders/${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}?page=${bits() % 50}`,
      headers: [
        ['Host', 'api.shop.example'],
        ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'],
        ['Accept', 'application/json'],
        ['Authorization', 'Bearer [masked]'],
        ['X-Request-Id', hex(32)],
        ['traceparent', `00-${hex(32)}-${hex(16)}-01`],
      ],
    },
    response: {
      status: bits() % 20 === 0 ? 404 : 200,
      headers: [
        ['Content-Type', 'application/json'],
        ['Content-Length', '240'],
        ['ETag', hex(16)],
      ],
      body: { text: `{"id":${user},"total":${(bits() % 100_000) / 100},"items":[{"sku":"A${bits() % 999}","quantity":${bits() % 9}}]}` },
    },
  })}\n`;
}

function makeBatch(first: number): MaskedBatch {
  const lines = Array.from({ length: BATCH_RECORDS }, (_, i) => Buffer.from(record(first + i)));
  const index = Int32Array.from(lines.flatMap((line) => [line.length, 1]));
  return { bytes: Buffer.concat(lines), index } as unknown as MaskedBatch;
}

const batches = Array.from({ length: BATCHES }, (_, i) => makeBatch(i * BATCH_RECORDS));
const bytesOf = (batch: MaskedBatch): number => batch.bytes.length / BATCH_RECORDS;
const directory = mkdtempSync(join(process.argv[2] ?? process.cwd(), '.spool-bench-'));
const settings = { ...defaultSettings.spool, directory, freeBytesMin: 0 };
const open = (): Promise<Spool> => Spool.open({ directory, settings, pipelines: ['all'], readers: [{ name: 'sink', pipelines: ['all'] }] });

function say(name: string, value: number, unit: string): void {
  console.log(`${name} ${value.toFixed(2)} ${unit}`);
}

function cpuUs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

/** Appends, and waits now and then so that never too much is on its way. */
async function append(spool: Spool, records: number): Promise<void> {
  for (let i = 0; i < records; i += BATCH_RECORDS) {
    spool.append(batches[(i / BATCH_RECORDS) % BATCHES]);
    const { lastSequence, durableSequence } = spool.state();
    if (lastSequence - durableSequence > AHEAD_RECORDS) await spool.durable(lastSequence - AHEAD_RECORDS / 2);
    else if ((i / BATCH_RECORDS) % 16 === 0) await new Promise(setImmediate);
  }
  await spool.durable(spool.state().lastSequence);
}

async function drain(spool: Spool, records: number): Promise<void> {
  const reader = spool.reader('sink');
  for (let read = 0; read < records; ) {
    const frame = await reader.next();
    if (frame === null) return;
    read += frame.count;
    reader.ack(frame.firstSequence + frame.count - 1);
  }
}

/** Processor time a record when batches come at a rate, as from workers: caches are cold by then. */
async function atRate(take: (batch: MaskedBatch) => void): Promise<number> {
  const usage = process.cpuUsage();
  const startedMs = performance.now();
  let sent = 0;
  for (let tick = 1; tick <= RATE_SECONDS * TICKS_PER_SECOND; tick++) {
    for (; sent < (RATE / TICKS_PER_SECOND) * tick; sent += BATCH_RECORDS) take(batches[(sent / BATCH_RECORDS) % BATCHES]);
    await sleep(Math.max(0, startedMs + (tick * 1000) / TICKS_PER_SECOND - performance.now()));
  }
  return cpuUs(usage) / sent;
}

try {
  say('spool.record_bytes', batches.reduce((sum, batch) => sum + bytesOf(batch), 0) / BATCHES, 'bytes');
  let spool = await open();
  await append(spool, APPENDED / 10);
  let usage = process.cpuUsage();
  let startedMs = performance.now();
  await append(spool, APPENDED);
  say('spool.append', (APPENDED / (performance.now() - startedMs)) * 1000, 'records/s');
  say('spool.append_cpu', cpuUs(usage) / APPENDED, 'us/record');
  const { lost, bytes } = spool.state();
  say('spool.lost', lost, 'records');
  say('spool.stored', bytes / (APPENDED * 1.1), 'bytes/record');
  await spool.close(Date.now() + 60_000);

  spool = await open();
  const { queued } = spool.state().readers[0];
  usage = process.cpuUsage();
  startedMs = performance.now();
  await drain(spool, queued);
  say('spool.drain', (queued / (performance.now() - startedMs)) * 1000, 'records/s');
  say('spool.drain_cpu', cpuUs(usage) / queued, 'us/record');
  await spool.close(Date.now() + 60_000);

  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  say('spool.at_rate_zstd_alone_cpu', await atRate((batch) => zstdCompressSync(batch.bytes, { params })), 'us/record');
  spool = await open();
  const appendTo = (batch: MaskedBatch): void => spool.append(batch);
  say('spool.at_rate_append_cpu', await atRate(appendTo), 'us/record');
  const draining = drain(spool, Number.POSITIVE_INFINITY);
  say('spool.at_rate_append_and_drain_cpu', await atRate(appendTo), 'us/record');
  await spool.close(Date.now() + 60_000);
  await draining;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
