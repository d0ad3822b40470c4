/** Runs packets through the whole hot path and gives calls, messages of WebSocket and closing records, each checked by its schema. */
import assert from 'node:assert/strict';
import { finishPipeline, handOn, lastBug, processPacket, resetPipeline } from '../../src/app/pipeline.ts';
import { RecordWriter } from '../../src/app/record-writer.ts';
import { bytes } from '../../src/base/arena.ts';
import { blockBytesUsed } from '../../src/base/blocks.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { counter, counts, countsByName } from '../../src/base/counters.ts';
import { balances } from '../../src/base/ledger.ts';
import type { Settings } from '../../src/base/settings.ts';
import { weirdCount, weirdCounts, weirds } from '../../src/base/weird.ts';
import { Packet } from '../../src/capture/packet.ts';
import { payloadBytesHeld } from '../../src/flow/reassemble.ts';
import { payloadBytesUnidentified } from '../../src/http/ending.ts';
import { callsInFlight } from '../../src/http/transaction.ts';
import { type ApiCall, apiCallSchema } from '../../src/normalise/api-call.ts';
import { CLOSING_SCHEMA, MESSAGE_SCHEMA } from '../../src/normalise/causes.ts';
import { type ClosingRecord, closingRecordSchema } from '../../src/normalise/closing-record.ts';
import { callsParked } from '../../src/normalise/duplicates.ts';
import { type MessageRecord, messageRecordSchema } from '../../src/normalise/message-record.ts';
import { INDEX_WORDS } from '../../src/policy/masked-call.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { placePacket } from './packets.ts';
import { settingsWith, type Wire } from './run-pipeline.ts';

const RECEIVED = counter('packets.received');

export interface MessageRun {
  readonly calls: readonly ApiCall[];
  readonly messages: readonly MessageRecord[];
  readonly closings: readonly ClosingRecord[];
  readonly lines: readonly string[];
  /** Routes of each message. */
  readonly routes: readonly number[];
  readonly counters: Readonly<Record<string, number>>;
  readonly weirds: Readonly<Record<string, number>>;
  readonly blockBytesPeak: number;
}

export interface MessageRunOptions {
  readonly websocket?: Partial<Settings['websocket']>;
  readonly settings?: Settings;
  /** Filters and masks; without one everything is as it was on the wire. */
  readonly policy?: Policy;
  /** Hand on after every packet. */
  readonly everyPacket?: boolean;
  /** Before each packet. */
  readonly before?: (i: number) => void;
}

export function runMessages(packets: Iterable<Wire>, options: MessageRunOptions = {}): MessageRun {
  const { policy, everyPacket = false, before } = options;
  const settings = options.settings ?? settingsWith({ websocket: { messages: 'body', ...options.websocket } });
  const lines: string[] = [];
  const allRoutes: number[] = [];
  const writer = new RecordWriter({
    settings,
    epoch: 'test',
    ...(policy !== undefined && {
      route: (call) => policy.route(call),
      encode: (call, to) => policy.encode(call, to),
      encodeMessage: (to, prefix, n, context) => policy.encodeMessage(to, prefix, n, context),
    }),
    write: (at, end, records, index) => {
      let from = at;
      for (let i = 0; i < records; i++) {
        lines.push(bytes.toString('utf8', from, from + index[INDEX_WORDS * i]));
        allRoutes.push(index[INDEX_WORDS * i + 1]);
        from += index[INDEX_WORDS * i];
      }
      assert.equal(from, end, 'the index tells all bytes');
    },
  });
  resetPipeline(
    settings,
    (call) => writer.take(call),
    false,
    null,
    () => writer.takeMessage(),
  );
  const packet = new Packet();
  let blockBytesPeak = 0;
  let i = 0;
  for (const wire of packets) {
    before?.(i++);
    placePacket(packet, wire.data, wire);
    packetTimeUs[0] = wire.timeUs;
    counts[RECEIVED]++;
    processPacket(packet);
    if (everyPacket) handOn();
    blockBytesPeak = Math.max(blockBytesPeak, blockBytesUsed());
  }
  finishPipeline();
  writer.end('');
  if (weirdCount('sensor.bug') > 0) throw lastBug;
  for (const b of balances(payloadBytesHeld() + payloadBytesUnidentified(), callsParked()))
    assert.ok(b.balances, `${b.name} does not balance: ${b.total} is not ${JSON.stringify(b.parts)}`);
  assert.deepEqual([callsInFlight(), blockBytesUsed()], [0, 0], 'everything is given back');
  const records = lines.map((line) => JSON.parse(line) as ApiCall | MessageRecord | ClosingRecord);
  const calls: ApiCall[] = [];
  const messages: MessageRecord[] = [];
  const closings: ClosingRecord[] = [];
  const routes: number[] = [];
  records.forEach((record, n) => {
    if (record.schema === MESSAGE_SCHEMA) {
      messages.push(messageRecordSchema.parse(record));
      routes.push(allRoutes[n]);
      checkContent(record as MessageRecord);
    } else if (record.schema === CLOSING_SCHEMA) closings.push(closingRecordSchema.parse(record));
    else calls.push(apiCallSchema.parse(record));
  });
  return {
    calls,
    messages,
    closings,
    lines,
    routes,
    counters: Object.fromEntries(countsByName()),
    weirds: Object.fromEntries(weirds.map(({ name }, w): [string, number] => [name, weirdCounts[w]]).filter(([, n]) => n > 0)),
    blockBytesPeak,
  };
}

/** What the schema cannot say. */
function checkContent({ body, masked }: MessageRecord): void {
  if (body === undefined) return;
  assert.equal(contentOf({ body }).length, body.kept, 'bytes kept');
  for (const { at, end } of masked?.places ?? []) assert.ok(at <= end && end <= body.kept + 16, 'a place outside of the content');
}

/** The content that a record keeps. */
export function contentOf({ body }: Pick<MessageRecord, 'body'>): Buffer {
  return body?.base64 === undefined ? Buffer.from(body?.text ?? '') : Buffer.from(body.base64, 'base64');
}
