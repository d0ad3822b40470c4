/**
 * Sinks and pipelines that change while the sensor runs: real packets at an end-point on loopback, real files and edges, and
 * `earshot reload` as an operator gives it. What the sensor wrote to `output.file` says what there was to deliver.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { ask } from '../../src/app/control/client.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import { CallSource, DeliveringSensor, sendCalls } from '../chaos/delivering-sensor.ts';
import { type Ended, earshot, refuses } from '../support/command.ts';
import { Edge } from '../support/edge.ts';

const LIMIT = { timeout: 120_000 };
const CALLS = 40;
const UNDER_LOAD_MS = 400;
const QUIET_MS = 1500;

type Sections = Readonly<Record<string, unknown>>;

interface Running {
  readonly sensor: DeliveringSensor;
  readonly edge: Edge;
  /** The sink that delivers to that edge. */
  readonly edgeSink: (edge: Edge) => object;
  readonly fileSink: (name: string) => object;
  /** Ids in the file of that sink. */
  readonly idsIn: (name: string) => string[];
  /** Whole records, as the workers wrote them. */
  readonly written: () => ApiCall[];
  /** Other sections of the configuration, the rest as it was. */
  readonly configure: (sections: Sections) => void;
  readonly reload: () => Promise<Ended>;
}

function linesOf(path: string): ApiCall[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ApiCall);
}

/** A sensor with these sections; its default sink is named edge. */
async function running(
  t: TestContext,
  sections: (parts: Omit<Running, 'reload' | 'configure'>) => Sections = () => ({}),
): Promise<Running> {
  const edge = await Edge.open();
  const sensor = new DeliveringSensor(edge);
  t.after(async () => {
    await sensor.remove();
    await edge.close();
  });
  const config = join(sensor.folder, 'earshot.yaml');
  const before = JSON.parse(readFileSync(config, 'utf8')) as Sections & { sinks: { edge: object } };
  let settings: Sections = { ...before, output: { file: join(sensor.folder, 'all.jsonl') } };
  const parts = {
    sensor,
    edge,
    edgeSink: (other: Edge): object => ({
      ...before.sinks.edge,
      url: other.url,
      auth: { type: 'oauth2', tokenUrl: other.tokenUrl, clientId: other.clientId, clientSecret: { file: other.secretFile } },
      tls: { caFile: other.caFile, systemCa: false },
    }),
    fileSink: (name: string): object => ({ type: 'file', path: join(sensor.folder, `${name}.jsonl`), batch: { ageMsMax: 20 } }),
    idsIn: (name: string): string[] => linesOf(join(sensor.folder, `${name}.jsonl`)).map(({ id }) => id),
    written: (): ApiCall[] => linesOf(join(sensor.folder, 'all.jsonl')),
  };
  const configure = (changes: Sections): void => {
    settings = { ...settings, ...changes };
    writeFileSync(config, JSON.stringify(settings));
  };
  configure(sections(parts));
  await sensor.start();
  return { ...parts, configure, reload: () => earshot(['reload', '-c', config]) };
}

async function otherEdge(t: TestContext): Promise<Edge> {
  const edge = await Edge.open();
  t.after(() => edge.close());
  return edge;
}

function takes({ code, out, err }: Ended, line: RegExp): void {
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, line);
}

/** Both hold the same, each once or more often; says only what differs. */
function same(got: Iterable<string>, wanted: Iterable<string>, what: string): void {
  const [a, b] = [new Set(got), new Set(wanted)];
  assert.deepEqual([sorted(b.difference(a)), sorted(a.difference(b))], [[], []], `${what}: missing, and too many`);
}

function sorted(ids: Iterable<string>): string[] {
  return [...ids].sort();
}

/** Waits until each of these has so many calls, each counted once. */
async function untilTaken(sensor: DeliveringSensor, calls: number, ...takers: readonly (() => readonly string[])[]): Promise<void> {
  await sensor.until(`${calls} calls delivered`, () => takers.every((ids) => new Set(ids()).size >= calls));
}

/** Waits until nothing more comes: the calls that are written stay the same for a while, and all are delivered. */
async function untilQuiet(sensor: DeliveringSensor): Promise<void> {
  let before = -1;
  let sinceMs = 0;
  await sensor.until('quiet', ({ stages, sensor: { nowAtMs }, delivery, ship }) => {
    const left = (ship?.sinks ?? []).reduce((sum, { queued, inFlight }) => sum + queued + inFlight, 0);
    const now = stages.pipeline.received + (delivery?.received ?? 0) + left;
    if (now !== before || left > 0) sinceMs = nowAtMs;
    before = now;
    return nowAtMs - sinceMs > QUIET_MS;
  });
}

/** Stops it; every equation must hold at the end. */
async function endsBalanced({ sensor }: Running): Promise<void> {
  const { ledger } = await sensor.report();
  assert.deepEqual(
    ledger.filter(({ balances }) => !balances),
    [],
  );
  assert.equal(await sensor.end('SIGTERM'), 0);
  assert.doesNotMatch(sensor.stderr, /does not balance|died/);
}

/** A file of simple filters that lets through what has that path only. */
function onlyPath({ sensor }: Pick<Running, 'sensor'>, name: string, path: string): string {
  const file = join(sensor.folder, `${name}.yaml`);
  writeFileSync(file, `otherwise: exclude\nrules:\n  - { name: ${name}, action: include, paths: '${path}' }\n`);
  return file;
}

test('a sink with another URL keeps its cursor: what waited for the old one goes to the new one', LIMIT, async (t) => {
  const all = await running(t);
  const { sensor, edge, edgeSink, written, configure, reload } = all;
  const other = await otherEdge(t);
  edge.judge = () => 503;
  await sendCalls(sensor.port, CALLS);
  await sensor.until('all wait', ({ ship }) => (ship?.sinks[0].queued ?? 0) + (ship?.sinks[0].inFlight ?? 0) === CALLS);
  configure({ sinks: { edge: edgeSink(other) } });
  takes(await reload(), /^reloaded .*: sinks[.]edge[.]url .* -> /);
  await sendCalls(sensor.port, CALLS, 2);
  await untilTaken(sensor, 2 * CALLS, () => other.received());
  assert.deepEqual(sorted(new Set(other.received())), sorted(written().map(({ id }) => id)));
  assert.equal(written().length, 2 * CALLS);
  await endsBalanced(all);
});

test('sinks come and go under load; each that stays gets every call, and one that returns all from then on', LIMIT, async (t) => {
  const all = await running(t, ({ fileSink }) => ({ sinks: { a: fileSink('a'), b: fileSink('b') } }));
  const { sensor, fileSink, idsIn, written, configure, reload } = all;
  const source = new CallSource(sensor.port);
  t.after(() => source.stop());
  await sensor.until('some written', ({ stages }) => stages.sink.written > 500);
  configure({ sinks: { c: fileSink('c'), a: fileSink('a') } });
  takes(await reload(), /sinks[.]b \{.*\} -> nothing, sinks[.]c nothing -> /);
  const { ship } = await sensor.report();
  assert.deepEqual(
    ship?.sinks.map(({ name }) => name),
    ['c', 'a'],
  );
  const withoutB = idsIn('b').length;
  await sleep(UNDER_LOAD_MS);
  assert.equal(idsIn('b').length, withoutB, 'what is gone gets nothing');
  configure({ sinks: { a: fileSink('a'), b: fileSink('b'), c: fileSink('c') } });
  takes(await reload(), /sinks[.]b nothing -> /);
  const returnedAt = written().length;
  await sleep(UNDER_LOAD_MS);
  await source.stop();
  await untilQuiet(sensor);
  // What is still open on the wire comes with the stop, and stays in the spool.
  const expected = written().map(({ id }) => id);
  assert.ok(expected.length > 1000);
  same(idsIn('a'), expected, 'the one that stayed');
  const b = new Set(idsIn('b'));
  assert.deepEqual(
    expected.slice(returnedAt).filter((id) => !b.has(id)),
    [],
  );
  assert.equal(b.size, idsIn('b').length, 'it goes on where it was: none twice');
  assert.ok(b.size > expected.length - returnedAt);
  // c begins with what the spool still had.
  const c = new Set(idsIn('c'));
  const since = expected.filter((id) => c.has(id));
  assert.equal(since.length, c.size);
  assert.ok(c.size > 0);
  await endsBalanced(all);
});

test('pipelines change places, names and sinks under load: no call goes astray, and none is lost', LIMIT, async (t) => {
  const all = await running(t, (parts) => ({
    sinks: { x: parts.fileSink('x'), y: parts.fileSink('y') },
    pipelines: {
      gets: { filtersSimpleFile: onlyPath(parts, 'even', '/orders/*/0'), sinks: ['x'] },
      rest: { filtersSimpleFile: onlyPath(parts, 'odd', '/orders/*/1'), sinks: ['y'] },
    },
  }));
  const { sensor, idsIn, written, configure, reload } = all;
  const even = onlyPath(all, 'even', '/orders/*/0');
  const odd = onlyPath(all, 'odd', '/orders/*/1');
  const source = new CallSource(sensor.port);
  t.after(() => source.stop());
  await sensor.until('some written', ({ stages }) => stages.sink.written > 300);
  const toX = (name: string): object => ({ [name]: { filtersSimpleFile: even, sinks: ['x'] } });
  const toY = (name: string): object => ({ [name]: { filtersSimpleFile: odd, sinks: ['y'] } });
  for (const pipelines of [
    { ...toY('rest'), ...toX('gets') },
    { ...toX('renamed'), ...toY('rest') },
    { ...toX('renamed'), ...toY('other'), more: { filtersSimpleFile: onlyPath(all, 'none', '/nowhere'), sinks: ['x', 'y'] } },
    { ...toX('gets'), ...toY('rest') },
  ]) {
    configure({ pipelines });
    takes(await reload(), /^reloaded .*pipelines/);
    await sleep(UNDER_LOAD_MS);
  }
  await source.stop();
  await untilQuiet(sensor);
  const idsWith = (end: string): string[] =>
    sorted(
      written()
        .filter(({ request }) => request?.path.endsWith(end))
        .map(({ id }) => id),
    );
  assert.ok(idsWith('/0').length > 200 && idsWith('/1').length > 200);
  same(idsIn('x'), idsWith('/0'), 'x');
  same(idsIn('y'), idsWith('/1'), 'y');
  await endsBalanced(all);
});

test('a sink that cannot work changes nothing, also of what else the file says', LIMIT, async (t) => {
  const all = await running(t);
  const { sensor, edge, edgeSink, fileSink, configure, reload } = all;
  const other = await otherEdge(t);
  configure({
    sinks: {
      edge: edgeSink(other),
      more: { type: 'http', url: other.url, format: 'jsonl', headers: { host: 'elsewhere' } },
      file: fileSink('f'),
    },
    run: { workers: 1, stopTimeoutMs: 5000, shedding: false },
  });
  refuses(await reload(), 2, /not reloaded, nothing was changed: .*the header field "host" cannot be set/);
  await sendCalls(sensor.port, CALLS);
  await untilTaken(sensor, CALLS, () => edge.received());
  assert.deepEqual([new Set(edge.received()).size, other.received().length], [CALLS, 0]);
  configure({
    spool: { directory: join(sensor.folder, 'elsewhere'), freeBytesMin: 0 },
    sinks: { edge: edgeSink(other) },
    run: { workers: 1 },
  });
  refuses(await reload(), 2, /these need a restart: .*spool[.]directory/);
  await endsBalanced(all);
});

test('a pipeline is not taken from a sink that still waits for its calls', LIMIT, async (t) => {
  const all = await running(t, ({ edge, edgeSink, fileSink }) => ({
    sinks: { edge: edgeSink(edge), f: fileSink('f') },
    pipelines: { one: { sinks: ['edge', 'f'] } },
  }));
  const { sensor, edge, idsIn, configure, reload } = all;
  edge.judge = () => 503;
  await sendCalls(sensor.port, CALLS);
  await sensor.until('the other has them', ({ ship }) => ship?.sinks.find(({ name }) => name === 'f')?.written === CALLS);
  configure({ pipelines: { two: { sinks: ['edge', 'f'] } } });
  refuses(
    await reload(),
    2,
    new RegExp(`nothing was changed: .*${CALLS} calls wait for the sink edge, .* Reload again when it has taken them`),
  );
  await sendCalls(sensor.port, CALLS, 2);
  edge.judge = () => undefined;
  takes(await reload(), /pipelines[.]one .* -> nothing, pipelines[.]two/);
  await sendCalls(sensor.port, CALLS, 3);
  await untilTaken(
    sensor,
    3 * CALLS,
    () => edge.received(),
    () => idsIn('f'),
  );
  assert.deepEqual([new Set(edge.received()).size, new Set(idsIn('f')).size], [3 * CALLS, 3 * CALLS]);
  await endsBalanced(all);
});

test('the first sink comes while the sensor runs, and the last one goes', LIMIT, async (t) => {
  const all = await running(t, () => ({ sinks: {} }));
  const { sensor, fileSink, idsIn, written, configure, reload } = all;
  await sendCalls(sensor.port, CALLS);
  await sensor.until('written', ({ stages }) => stages.sink.written === CALLS);
  configure({ sinks: { f: fileSink('f') } });
  takes(await reload(), /sinks[.]f nothing -> /);
  await sendCalls(sensor.port, CALLS, 2);
  await untilTaken(sensor, CALLS, () => idsIn('f'));
  assert.deepEqual(
    sorted(idsIn('f')),
    sorted(
      written()
        .slice(CALLS)
        .map(({ id }) => id),
    ),
  );
  configure({ sinks: {} });
  takes(await reload(), /sinks[.]f \{.*\} -> nothing/);
  await sendCalls(sensor.port, CALLS, 3);
  const { ship } = await sensor.until('written', ({ stages }) => stages.sink.written === 3 * CALLS);
  assert.deepEqual([ship, idsIn('f').length], [null, CALLS]);
  await endsBalanced(all);
});

test('once a reload says that it is done, the next call is judged by the new rules', LIMIT, async (t) => {
  const all = await running(t, ({ fileSink }) => ({ sinks: { f: fileSink('f') } }));
  const { sensor, written, configure } = all;
  const none = onlyPath(all, 'none', '/nowhere');
  for (let round = 1; round <= 8; round++) {
    const takesCalls = round % 2 === 0;
    configure({ pipelines: { one: { sinks: ['f'], ...(takesCalls ? {} : { filtersSimpleFile: none }) } } });
    const { reload } = await ask(sensor.socketPath, { command: 'reload' });
    assert.deepEqual([reload.ok, /the rules have changed/.test(reload.text)], [true, true], reload.text);
    await sendCalls(sensor.port, CALLS, round);
    await sensor.until('all seen', ({ stages }) => stages.pipeline.received === round * CALLS);
    const wanted = Math.floor(round / 2) * CALLS;
    const { stages } = await sensor.until('in the file', ({ stages: { sink } }) => sink.written >= wanted);
    assert.deepEqual([stages.sink.written, written().length], [wanted, wanted], `round ${round}`);
  }
  await endsBalanced(all);
});

test('at level memory sinks change once they have what waits there', LIMIT, async (t) => {
  const all = await running(t, ({ edge, edgeSink }) => ({ spool: { level: 'memory' }, sinks: { edge: edgeSink(edge) } }));
  const { sensor, edge, edgeSink, fileSink, configure, reload } = all;
  edge.judge = () => 503;
  await sendCalls(sensor.port, CALLS);
  await sensor.until('all wait', ({ ship }) => (ship?.sinks[0].queued ?? 0) + (ship?.sinks[0].inFlight ?? 0) === CALLS);
  configure({ sinks: { edge: edgeSink(edge), f: fileSink('f') } });
  refuses(await reload(), 2, new RegExp(`${CALLS} calls wait for the sink edge`));
  edge.judge = () => undefined;
  takes(await reload(), /sinks[.]f nothing -> /);
  await sendCalls(sensor.port, CALLS, 2);
  await untilTaken(sensor, 2 * CALLS, () => edge.received());
  await endsBalanced(all);
});

test('a spool that cannot be opened again: the change is refused, and what was accepted is delivered when it can', LIMIT, async (t) => {
  const all = await running(t, ({ edge, edgeSink }) => ({ sinks: { edge: edgeSink(edge) } }));
  const { sensor, edge, edgeSink, fileSink, written, configure, reload } = all;
  edge.judge = () => 503;
  await sendCalls(sensor.port, CALLS);
  await sensor.until('all wait', ({ ship }) => (ship?.sinks[0].queued ?? 0) + (ship?.sinks[0].inFlight ?? 0) === CALLS);
  // The cursor of a sink that a later version had.
  const cursor = join(sensor.spoolPath, 'cursor-late');
  const sum = crc32('cursor 9 {"name":"late"}').toString(16).padStart(8, '0');
  writeFileSync(cursor, `earshot-spool cursor 9 ${sum} {"name":"late"}\n`);
  configure({ sinks: { edge: edgeSink(edge), f: fileSink('f') } });
  refuses(await reload(), 2, /not reloaded, nothing was changed: .*version 9 of the format/);
  edge.judge = () => undefined;
  rmSync(cursor);
  await untilTaken(sensor, CALLS, () => edge.received());
  same(
    edge.received(),
    written().map(({ id }) => id),
    'the edge',
  );
  const { ship } = await sensor.report();
  assert.deepEqual(
    ship?.sinks.map(({ name }) => name),
    ['edge'],
  );
  assert.equal(await sensor.end('SIGTERM'), 0);
  assert.doesNotMatch(sensor.stderr, /does not balance/);
});

test('a stop in the middle of a change ends as any other, and the next start delivers the rest', LIMIT, async (t) => {
  const all = await running(t, ({ fileSink }) => ({ sinks: { a: fileSink('a') } }));
  const { sensor, fileSink, idsIn, written, configure } = all;
  await sendCalls(sensor.port, CALLS);
  await untilTaken(sensor, CALLS, () => idsIn('a'));
  configure({ sinks: { a: fileSink('a'), b: fileSink('b') } });
  const source = new CallSource(sensor.port);
  t.after(() => source.stop());
  void earshot(['reload', '-c', join(sensor.folder, 'earshot.yaml')]);
  await sleep(UNDER_LOAD_MS);
  assert.equal(await sensor.end('SIGTERM'), 0);
  await source.stop();
  assert.doesNotMatch(sensor.stderr, /does not balance|died/);
  const before = written().map(({ id }) => id);
  await sensor.start();
  await untilTaken(sensor, before.length, () => idsIn('a'));
  same(idsIn('a'), before, 'a');
});
