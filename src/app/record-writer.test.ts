import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf, wires } from '../../test/support/conversation.ts';
import { message } from '../../test/support/look-at-calls.ts';
import { runMasked } from '../../test/support/masked-run.ts';
import type { Wire } from '../../test/support/run-pipeline.ts';
import { bytes, packetRegion } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, countOf, counts, resetCounters } from '../base/counters.ts';
import { balances } from '../base/ledger.ts';
import { defaultSettings } from '../base/settings.ts';
import { Packet } from '../capture/packet.ts';
import { callsParked } from '../normalise/duplicates.ts';
import { maskingRule } from '../policy/default-masking.ts';
import { INDEX_WORDS } from '../policy/masked-call.ts';
import { Policy } from '../policy/policy.ts';
import type { PolicySpec } from '../policy/spec.ts';
import type { Format } from '../ship/formats/encoder.ts';
import { formats } from '../ship/formats/format.ts';
import { finishPipeline, processPacket, resetPipeline } from './pipeline.ts';
import { RecordWriter } from './record-writer.ts';

const spec: PolicySpec = {
  pipelines: [
    {
      name: 'all',
      simple: { otherwise: 'include', rules: [] },
      advanced: { otherwise: 'include', rules: [] },
      sampling: { share: 1, key: 'call' },
    },
  ],
  masking: { rules: [maskingRule({ name: 'email', detector: 'email' })], binaryBodies: 'remove' },
  maskingKey: Buffer.alloc(32),
};

/** Five calls on one connection, pipelined: they finish in one go. */
function fiveCalls(): Wire[] {
  const all = (make: (i: number) => Buffer): Buffer => Buffer.concat([0, 1, 2, 3, 4].map(make));
  const turns = [
    { fromServer: false, bytes: all((i) => message(`POST /${i} HTTP/1.1|Host: a`, `to ann${i}@a.example`)) },
    { fromServer: true, bytes: all(() => message('HTTP/1.1 200 OK', 'done')) },
  ];
  return wires(partsOf({ turns, calls: [], end: 'client-fin' }));
}

/** Throws at the calls whose numbers are given, in the middle of writing the record. */
class Faulty extends Policy {
  #n = 0;
  readonly #at: readonly number[];
  readonly #where: 'route' | 'encode';

  constructor(at: readonly number[], where: 'route' | 'encode') {
    super(spec);
    this.#at = at;
    this.#where = where;
  }

  override route(call: number): number {
    this.#n++;
    if (this.#where === 'route' && this.#at.includes(this.#n)) throw new Error('a fault');
    return super.route(call);
  }

  override encode(call: number, to: number): number {
    if (this.#where === 'encode' && this.#at.includes(this.#n)) {
      bytes.write('{"half":"ann@a.example', to);
      throw new Error('a fault');
    }
    return super.encode(call, to);
  }
}

for (const where of ['route', 'encode'] as const) {
  test(`a fault in ${where} loses that call alone: nothing of it leaves, the rest goes on, and the books balance`, () => {
    const { lines, counters } = runMasked(fiveCalls(), new Faulty([2, 5], where), undefined, 2);
    const records = lines.map((line) => JSON.parse(line.toString()));
    assert.deepEqual(
      records.map(({ request }) => [request.path, request.body.text]),
      [
        ['/0', 'to *email*'],
        ['/2', 'to *email*'],
        ['/3', 'to *email*'],
      ],
    );
    assert.deepEqual([counters['calls.lost{bug}'], counters['calls.written'], counters['calls.seen']], [2, 3, 5]);
    assert.doesNotMatch(Buffer.concat(lines).toString(), /ann\d|half/);
  });
}

test('a call that waits for a better copy is masked, and so is one whose copy was lost by a fault', () => {
  // Both ends are mirrored, and the last packets of the response are lost in both.
  const cut = fiveCalls().slice(0, 5);
  const twice = cut.flatMap((wire) => [
    { ...wire, interfaceId: 0 },
    { ...wire, interfaceId: 1 },
  ]);
  for (const faults of [[], [1]]) {
    const { lines, counters } = runMasked(twice, new Faulty(faults, 'encode'), undefined, faults.length);
    assert.doesNotMatch(Buffer.concat(lines).toString(), /ann\d|half/);
    assert.equal(lines.length + (counters['calls.duplicate'] ?? 0) + (counters['calls.lost{bug}'] ?? 0), counters['calls.seen']);
    assert.ok(lines.length > 0);
  }
});

test('calls of gRPC are counted by status: once where there are copies, and whatever filters let through', () => {
  const statuses = ['0', '5', '16', '17', '5', 'x'];
  const type = 'Content-Type: application/grpc-web+proto';
  const ask = message(`POST /shop.Cart/Add HTTP/1.1|Host: a|${type}`, '\0\0\0\0\0');
  const turns = [ask, ...statuses.flatMap((n) => [message(`HTTP/1.1 200 OK|${type}|grpc-status: ${n}`, ''), ask])].map((part, i) => ({
    fromServer: i % 2 === 1,
    bytes: part,
  }));
  const twice = wires(partsOf({ turns, calls: [], end: 'client-fin' })).flatMap((wire) => [
    { ...wire, interfaceId: 0 },
    { ...wire, interfaceId: 1 },
  ]);
  const counted = { '0': 1, '5': 2, '16': 1, other: 1, none: 2 };
  for (const otherwise of ['include', 'exclude'] as const) {
    const [pipeline] = spec.pipelines;
    const policy = new Policy({ ...spec, pipelines: [{ ...pipeline, simple: { otherwise, rules: [] } }] });
    const { counters, lines } = runMasked(twice, policy);
    assert.equal(lines.length, otherwise === 'include' ? statuses.length + 1 : 0);
    for (const [status, n] of Object.entries(counted)) assert.equal(counters[`grpc.calls{${status}}`], n, `${otherwise} ${status}`);
  }
});

test('calls that wait for a better copy keep the table that they were routed by', () => {
  const cut = fiveCalls().slice(0, 5);
  const twice = cut.flatMap((wire) => [
    { ...wire, interfaceId: 0 },
    { ...wire, interfaceId: 1 },
  ]);
  resetCounters();
  const written: { readonly id: string; readonly routing: number; readonly routes: number }[] = [];
  let routes = 0b01;
  const writer = new RecordWriter({
    settings: defaultSettings,
    epoch: 'test',
    route: () => routes,
    routing: 3,
    write: (at, _, records, index, routing) => {
      let from = at;
      for (let i = 0; i < records; i++) {
        const end = from + index[INDEX_WORDS * i];
        written.push({ id: JSON.parse(bytes.toString('utf8', from, end)).id, routing, routes: index[INDEX_WORDS * i + 1] });
        from = end;
      }
    },
  });
  resetPipeline(defaultSettings, (call) => writer.take(call));
  feed(twice);
  finishPipeline();
  const before = written.length;
  assert.ok(callsParked() > 0, 'some wait');
  routes = 0b10;
  writer.reroute(4);
  feed(fiveCalls());
  finishPipeline();
  writer.end('');
  assert.ok(written.length > before);
  for (const one of written) assert.equal(one.routing, one.routes === 0b01 ? 3 : 4, one.id);
  assert.deepEqual([...new Set(written.map(({ routing }) => routing))].sort(), [3, 4]);
});

function feed(packets: readonly Wire[]): void {
  const packet = new Packet();
  for (const { data, timeUs, interfaceId } of packets) {
    packet.at = packetRegion.at;
    packet.end = packet.at + data.length;
    packet.wireBytes = data.length;
    packet.linkType = 1;
    packet.interfaceId = interfaceId ?? 0;
    bytes.set(data, packet.at);
    packetTimeUs[0] = timeUs;
    counts[counter('packets.received')]++;
    processPacket(packet);
  }
}

interface Written {
  readonly text: string;
  readonly lengths: readonly number[];
  readonly routes: readonly number[];
  /** Lines that somebody who looks on saw. */
  readonly seen: readonly string[];
}

/** Five calls, and a gap behind each. */
function withGaps(format: Format | null = null): Written {
  resetCounters();
  const written = { text: '', lengths: [] as number[], routes: [] as number[], seen: [] as string[] };
  const writer = new RecordWriter({
    settings: defaultSettings,
    epoch: 'test',
    worker: 2,
    format,
    write: (at, end, records, index) => {
      written.text += bytes.toString('utf8', at, end);
      for (let i = 0; i < records; i++) {
        written.lengths.push(index[INDEX_WORDS * i]);
        written.routes.push(index[INDEX_WORDS * i + 1]);
      }
    },
    onRecord: (at, end) => written.seen.push(bytes.toString('utf8', at, end)),
  });
  let calls = 0;
  resetPipeline(defaultSettings, (call) => {
    writer.take(call);
    calls++;
    writer.gap({ fromUs: calls, toUs: calls + 1, bodies: 1, headers: 0, packets: calls });
  });
  feed(fiveCalls());
  finishPipeline();
  writer.end('');
  for (const { name, balances: isBalanced } of balances(0, 0)) assert.ok(isBalanced, name);
  return written;
}

test('gap records stand between the calls, for all pipelines, with ids of their own, and nobody sees them as calls', () => {
  const { text, lengths, routes, seen } = withGaps();
  const lines = text.split(/(?<=\n)/);
  const isGap = (line: string): boolean => JSON.parse(line).schema === 'earshot.gap/1';
  assert.deepEqual(lines.map(isGap), [false, true, false, true, false, true, false, true, false, true]);
  assert.deepEqual(
    lines.filter(isGap).map((line) => [JSON.parse(line).id, JSON.parse(line).shed.packets]),
    [1, 2, 3, 4, 5].map((n) => [`${defaultSettings.sensor.id}.test.2.g${n}`, n]),
  );
  assert.deepEqual(
    lines.filter((line) => !isGap(line)).map((line) => JSON.parse(line).id),
    [1, 2, 3, 4, 5].map((n) => `${defaultSettings.sensor.id}.test.2.${n}`),
  );
  assert.deepEqual(
    lengths,
    lines.map((line) => line.length),
  );
  for (let pipeline = 0; pipeline < 31; pipeline++) {
    for (const [i, line] of lines.entries()) if (isGap(line)) assert.ok((routes[i] & (1 << pipeline)) !== 0);
  }
  assert.ok(routes.every((word) => word > 0));
  assert.deepEqual(
    seen,
    lines.filter((line) => !isGap(line)),
  );
  assert.deepEqual([countOf('calls.written'), countOf('records.gap')], [5, 5]);
});

test('a format that has no place for gap records gets the calls alone', () => {
  const { text } = withGaps(formats.ecs());
  const lines = text.trimEnd().split('\n');
  assert.equal(lines.length, 5);
  for (const line of lines) assert.doesNotMatch(line, /earshot[.]gap/);
  assert.deepEqual([countOf('calls.written'), countOf('records.gap')], [5, 0]);
});
