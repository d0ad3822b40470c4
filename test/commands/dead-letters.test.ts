/**
 * Dead letters of a running sensor: an edge refuses some of the calls, the operator lists them over the control socket,
 * and puts them back when the edge takes them.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LetterHead } from '../../src/ship/dead-letters.ts';
import { sendCalls, startDelivering } from '../chaos/delivering-sensor.ts';
import { earshot } from '../support/command.ts';

const CALLS = 40;
/** Calls of these connections are refused: one of each kind. */
const INVALID = '/orders/3/0';
const TOO_LARGE = '/orders/7/0';

test('refused with 400 and 413, listed, put back and delivered, each once', { timeout: 120_000 }, async (t) => {
  const { edge, sensor } = await startDelivering(t);
  edge.judge = (body) => {
    if (body.includes(TOO_LARGE)) return 413;
    return body.includes(INVALID) ? 400 : undefined;
  };
  const config = join(sensor.folder, 'earshot.yaml');
  const letters = async (...more: string[]): Promise<LetterHead[]> => {
    const { code, out, err } = await earshot(['spool', 'dead-letters', 'list', '--json', '-c', config, ...more]);
    assert.equal(code, 0, err);
    return out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LetterHead);
  };
  const replay = (...more: string[]): ReturnType<typeof earshot> => earshot(['spool', 'dead-letters', 'replay', '-c', config, ...more]);

  await sendCalls(sensor.port, CALLS);
  const refused = await sensor.until('all but two delivered', ({ ship }) => {
    const [sink] = ship?.sinks ?? [];
    return sink !== undefined && sink.written + sink.deadLettered === CALLS && sink.queued + sink.inFlight === 0;
  });
  assert.deepEqual([refused.ship?.sinks[0].written, refused.ship?.sinks[0].deadLettered], [CALLS - 2, 2]);
  assert.equal(new Set(edge.received()).size, CALLS - 2);

  const list = await letters();
  assert.equal(list.length, 2);
  assert.equal(new Set(list.map(({ problem }) => problem.code)).size, 2, 'one was too large, one was refused');
  for (const { sink, problem } of list) {
    assert.equal(sink, 'edge');
    assert.match(problem.what, /413|400/);
    assert.notEqual(problem.next, '');
  }
  const [first, second] = list;
  assert.deepEqual(await letters('--code', first.problem.code), [first]);
  const table = (await earshot(['spool', 'dead-letters', 'list', '-c', config])).out;
  for (const { id, problem } of list) assert.ok(table.includes(problem.code) && table.includes(id), table);

  // Put back while the edge still refuses it: it comes again, with the reason of then.
  assert.match((await replay('--code', first.problem.code)).out, /^1 records were put back into the spool; the sensor delivers them/);
  await sensor.until('refused again', ({ ship }) => ship?.sinks[0].deadLettered === 3);
  assert.deepEqual((await letters()).map(({ id }) => id).sort(), [first.id, second.id].sort());

  edge.judge = () => undefined;
  assert.match((await replay('--sink', 'edge')).out, /^2 records were put back/);
  const done = await sensor.until('delivered', ({ ship }) => ship?.sinks[0].written === CALLS);
  assert.equal(edge.received().length, CALLS, 'each once');
  assert.deepEqual(edge.received().slice(-2).sort(), [first.id, second.id].sort());
  assert.deepEqual(await letters(), []);
  assert.match((await replay()).out, /^No dead letter was put back/);
  for (const { name, total, parts, balances } of done.ledger) assert.ok(balances, `${name}: ${total} = ${JSON.stringify(parts)}`);
  assert.equal(await sensor.end('SIGTERM'), 0);
});
