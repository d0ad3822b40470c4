/**
 * Runs packets through the whole hot path, from the packet region to parsed records, and checks on the way what must
 * hold for any input: nothing thrown, `sensor.bug` 0, every balance of the ledger, every record as the schema says,
 * memory within its budget, and at the end everything given back.
 */
import assert from 'node:assert/strict';
import { finishPipeline, handOn, lastBug, processPacket, resetPipeline } from '../../src/app/pipeline.ts';
import { RecordWriter } from '../../src/app/record-writer.ts';
import { bytes } from '../../src/base/arena.ts';
import { blockBytesUsed } from '../../src/base/blocks.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { counter, countOf, counts, countsByName } from '../../src/base/counters.ts';
import { type Balance, balances } from '../../src/base/ledger.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { weirdCount, weirdCounts, weirds } from '../../src/base/weird.ts';
import { Packet } from '../../src/capture/packet.ts';
import { fragmentedPacketsUnderway } from '../../src/flow/defragment.ts';
import { flowsInUse } from '../../src/flow/flow-table.ts';
import { payloadBytesHeld } from '../../src/flow/reassemble.ts';
import { payloadBytesUnidentified } from '../../src/http/ending.ts';
import { callsInFlight } from '../../src/http/transaction.ts';
import { type ApiCall, apiCallSchema } from '../../src/normalise/api-call.ts';
import { CLOSING_SCHEMA } from '../../src/normalise/causes.ts';
import { type ClosingRecord, closingRecordSchema } from '../../src/normalise/closing-record.ts';
import { callsParked } from '../../src/normalise/duplicates.ts';
import { INDEX_WORDS } from '../../src/policy/masked-call.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { placePacket } from './packets.ts';

/** One captured packet. */
export interface Wire {
  readonly data: Buffer;
  readonly timeUs: number;
  /** Bytes that it had before the capture cut it; the captured ones when not said. */
  readonly wireBytes?: number;
  /** 1, Ethernet, when not said. */
  readonly linkType?: number;
  readonly interfaceId?: number;
}

export interface RunOptions {
  readonly settings?: Settings;
  /** Check the ledger after every packet and not only at the end. */
  readonly everyPacket?: boolean;
  /** Filters, samples and masks; without one every record is as it was on the wire. */
  readonly policy?: Policy;
  /** The policy filters and samples only. */
  readonly unmasked?: boolean;
  /** Calls that are older than `http.stillOpenMs` are reported while they are open, as by a sensor. */
  readonly longCalls?: boolean;
}

export interface Run {
  readonly records: ApiCall[];
  readonly closings: readonly ClosingRecord[];
  /** For each packet, how many records had been written when it was done. */
  readonly recordsAfter: number[];
  readonly counters: Readonly<Record<string, number>>;
  readonly weirds: Readonly<Record<string, number>>;
  readonly balances: readonly Balance[];
  /** The most bytes in blocks and flows in the table between two packets. */
  readonly blockBytesPeak: number;
  readonly flowsPeak: number;
}

/** Time of the first packet of made conversations, microseconds since 1970. */
export const START_US = 1_750_000_000_000_000;
const RECEIVED = counter('packets.received');
/** A flow that was evicted is in the table until the packet that needed its place is done. */
const FLOWS_SPARE = 1;

const CLOSING = `{"schema":"${CLOSING_SCHEMA}"`;

/** A run under way: packets one by one, then `finish`. */
export class PipelineRun {
  readonly records: ApiCall[] = [];
  readonly closings: ClosingRecord[] = [];
  readonly recordsAfter: number[] = [];
  blockBytesPeak = 0;
  flowsPeak = 0;
  readonly #settings: Settings;
  readonly #everyPacket: boolean;
  readonly #writer: RecordWriter;
  readonly #packet: Packet = new Packet();

  constructor({ settings = defaultSettings, everyPacket = false, policy, unmasked = false, longCalls = false }: RunOptions = {}) {
    this.#settings = settings;
    this.#everyPacket = everyPacket;
    this.#writer = new RecordWriter({
      settings,
      epoch: 'test',
      write: (at, _end, records, index) => this.#findClosings(at, records, index),
      onRecord: (at, end) => this.records.push(JSON.parse(bytes.toString('utf8', at, end))),
      ...(policy !== undefined && { route: (call) => policy.route(call) }),
      ...(policy !== undefined && !unmasked && { encode: (call, to) => policy.encode(call, to) }),
    });
    resetPipeline(
      settings,
      (call) => this.#writer.take(call),
      false,
      longCalls ? { open: (call) => this.#writer.takeOpen(call), close: (call) => this.#writer.takeClosing(call) } : null,
    );
  }

  #findClosings(at: number, records: number, index: Int32Array): void {
    let from = at;
    for (let i = 0; i < records; i++) {
      const line = bytes.toString('utf8', from, from + index[INDEX_WORDS * i]);
      if (line.startsWith(CLOSING)) this.closings.push(JSON.parse(line));
      from += index[INDEX_WORDS * i];
    }
  }

  push(wire: Wire): void {
    placePacket(this.#packet, wire.data, wire);
    this.process(this.#packet, wire.timeUs);
  }

  /** Takes a packet that lies in the packet region already. */
  process(packet: Packet, timeUs: number): void {
    packetTimeUs[0] = timeUs;
    counts[RECEIVED]++;
    this.processCounted(packet);
  }

  /** Takes a packet of a capture source, which has set the packet time and counted it. */
  processCounted(packet: Packet): void {
    processPacket(packet);
    if (this.#everyPacket) handOn();
    this.recordsAfter.push(this.records.length);
    this.#measure();
    if (this.#everyPacket) this.check();
  }

  #measure(): void {
    this.blockBytesPeak = Math.max(this.blockBytesPeak, blockBytesUsed());
    this.flowsPeak = Math.max(this.flowsPeak, flowsInUse());
  }

  /** What holds between any two bursts of packets, once their calls are handed on. */
  check(): Balance[] {
    if (weirdCount('sensor.bug') > 0) {
      throw new Error(`sensor.bug: ${lastBug instanceof Error ? lastBug.stack : lastBug}`, { cause: lastBug });
    }
    const all = balances(payloadBytesHeld() + payloadBytesUnidentified(), callsParked());
    for (const b of all) assert.ok(b.balances, `${b.name} does not balance: ${b.total} is not ${JSON.stringify(b.parts)}`);
    assert.ok(blockBytesUsed() <= this.#settings.memory.blockBytesMax, 'more blocks than memory.blockBytesMax');
    assert.ok(flowsInUse() <= this.#settings.flow.flowsMax + FLOWS_SPARE, 'more flows than flow.flowsMax');
    return all;
  }

  finish(): Run {
    handOn();
    this.check();
    finishPipeline();
    this.#writer.end('');
    const all = this.check();
    assert.equal(flowsInUse(), 0, 'flows left');
    assert.equal(callsInFlight(), 0, 'calls left in flight');
    assert.equal(callsParked(), 0, 'calls left waiting');
    assert.equal(payloadBytesHeld() + payloadBytesUnidentified(), 0, 'bytes left waiting');
    assert.equal(fragmentedPacketsUnderway(), 0, 'fragments left');
    assert.equal(blockBytesUsed(), 0, 'blocks left');
    assert.ok(this.blockBytesPeak <= this.#settings.memory.blockBytesMax, 'more blocks than memory.blockBytesMax');
    assert.ok(this.flowsPeak <= this.#settings.flow.flowsMax + FLOWS_SPARE, 'more flows than flow.flowsMax');
    assert.equal(countOf('calls.written'), this.records.length);
    assert.equal(countOf('records.closing'), this.closings.length);
    for (const record of this.records) checkRecord(record);
    for (const closing of this.closings) checkClosing(closing, this.records);
    return {
      records: this.records,
      closings: this.closings,
      recordsAfter: this.recordsAfter,
      counters: Object.fromEntries(countsByName()),
      weirds: Object.fromEntries(weirds.map((w, i): [string, number] => [w.name, weirdCounts[i]]).filter(([, n]) => n > 0)),
      balances: all,
      blockBytesPeak: this.blockBytesPeak,
      flowsPeak: this.flowsPeak,
    };
  }
}

/** The schema, and that it is the only one of a call that was reported open. */
function checkClosing(closing: ClosingRecord, calls: readonly ApiCall[]): void {
  assert.deepEqual(closingRecordSchema.parse(closing), closing);
  assert.equal(closing.complete, closing.causes === undefined, 'complete, or a cause');
  const [call, ...others] = calls.filter(({ id }) => id === closing.call);
  assert.ok(call?.causes?.includes('still-open'), `${closing.call} was not reported while it was open`);
  assert.equal(others.length, 0);
  assert.deepEqual([closing.client, closing.server], [call.client, call.server]);
}

/** The schema, and what it cannot say. */
function checkRecord(record: ApiCall): void {
  const result = apiCallSchema.safeParse(record);
  if (!result.success) throw new Error(`not as the schema says: ${result.error.message}\n${JSON.stringify(record)}`);
  assert.equal(record.complete, record.causes === undefined, 'complete, or a cause');
  assert.ok(record.request !== null || record.response !== null, 'a call without request and response');
  for (const side of [record.request, record.response]) {
    if (side === null) continue;
    const { body } = side;
    assert.ok((body.gapBytes ?? 0) <= body.bytes, 'a hole larger than its body');
    const kept = body.text !== undefined ? Buffer.byteLength(body.text) : Buffer.from(body.base64 ?? '', 'base64').length;
    assert.equal(kept, body.kept, 'bytes kept');
    // What masking writes may be longer than what it stands for, and so may a rendering.
    if (body.decoded === undefined && body.rendered === undefined && (record.masked?.found ?? 0) === 0) {
      assert.ok(body.kept <= body.bytes - (body.gapBytes ?? 0), 'more kept than there was');
    }
  }
  if (record.masked === undefined) return;
  const { found, places = [] } = record.masked;
  assert.ok(found >= places.length, 'more places than were found');
  for (const place of places) assert.ok(place.at <= place.end, 'a place that ends before it begins');
}

/** Runs all packets through a fresh pipeline. */
export function runPipeline(packets: Iterable<Wire>, options: RunOptions = {}): Run {
  const run = new PipelineRun(options);
  for (const packet of packets) run.push(packet);
  return run.finish();
}

/** A record without what may differ between two captures of one conversation: its id and all times. */
export function essence(record: ApiCall): unknown {
  const { id: _, latencyUs: _l, durationUs: _d, request, response, ...rest } = record;
  return { ...rest, request: timeless(request), response: timeless(response) };
}

function timeless<T extends { firstByteUs: number; lastByteUs: number }>(side: T | null): unknown {
  if (side === null) return null;
  const { firstByteUs: _f, lastByteUs: _l, ...rest } = side;
  return rest;
}

/** Settings with other values in some of the sections. */
export function settingsWith(changes: { readonly [K in keyof Settings]?: Partial<Settings[K]> }): Settings {
  const all: Record<string, unknown> = { ...defaultSettings };
  for (const [section, values] of Object.entries(changes)) all[section] = { ...(all[section] as object), ...values };
  return all as Settings;
}

/** Seed of property tests: EARSHOT_SEED, or always the same. */
export function lawSeed(): number {
  return Number(process.env.EARSHOT_SEED ?? 20250615) | 0;
}
