/**
 * Crash: the whole sensor is killed at random moments under load, and started again. What it had published as accepted
 * before (spool.accepted: on disk) must arrive at the edge, whatever else happens; what arrives twice has the same id.
 * EARSHOT_KILLS says how often; the soak does it more often than the gate.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SensorReport } from '../../src/app/report.ts';
import { Edge } from '../support/edge.ts';
import { CallSource, DeliveringSensor } from './delivering-sensor.ts';

const KILLS = Number(process.env.EARSHOT_KILLS ?? 30);
const LIFE_MS: readonly [number, number] = [100, 900];
const POLL_MS = 15;
const DRAIN_MS = 60_000;

/** One life of the sensor: the middle part of its record ids, and what it last said is on disk. */
interface Life {
  readonly epoch: string;
  readonly accepted: number;
}

function assertBalanced({ ledger }: SensorReport): void {
  for (const { name, total, parts, balances } of ledger) assert.ok(balances, `${name}: ${total} = ${JSON.stringify(parts)}`);
}

test(`killed ${KILLS} times under load: everything that was published as accepted arrives`, {
  timeout: KILLS * 10_000 + 60_000,
}, async (t) => {
  const edge = await Edge.open();
  const sensor = new DeliveringSensor(edge);
  const source = new CallSource(sensor.port);
  t.after(async () => {
    await source.stop();
    await sensor.remove();
    await edge.close();
  });
  const lives: Life[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    let last = await sensor.start();
    const endMs = Date.now() + LIFE_MS[0] + Math.random() * (LIFE_MS[1] - LIFE_MS[0]);
    // A dead receiver now and then: then more than a moment lies in the spool.
    if (kill % 5 === 2) await edge.stop();
    for (; Date.now() < endMs; await sleep(POLL_MS)) last = await sensor.report();
    assert.equal(last.ship?.spool.lost, 0, 'the spool took all that it was given');
    assert.equal(await sensor.end('SIGKILL'), 'SIGKILL', sensor.stderr);
    if (kill % 5 === 2) await edge.start();
    lives.push({ epoch: last.sensor.startedAtMs.toString(36), accepted: last.ship?.spool.accepted ?? 0 });
  }
  await source.stop();
  await sensor.start();
  const ended = await sensor.until(
    'empty',
    ({ ship }) => ship?.sinks.every(({ queued, inFlight }) => queued + inFlight === 0) ?? false,
    DRAIN_MS,
  );
  assertBalanced(ended);
  assert.equal(ended.ship?.spool.corruptRecords, 0);
  assert.equal(await sensor.end('SIGTERM'), 0);
  const received = new Set(edge.received());
  const missing = lives.flatMap(({ epoch, accepted }) =>
    Array.from({ length: accepted }, (_none, i) => `earshot.${epoch}.0.${i + 1}`).filter((id) => !received.has(id)),
  );
  const accepted = lives.reduce((sum, life) => sum + life.accepted, 0);
  const twice = edge.received().length - received.size;
  t.diagnostic(
    `${KILLS} kills, ${accepted} calls published as accepted, ${received.size} received, ${twice} of them twice, ${missing.length} missing`,
  );
  assert.deepEqual(missing.slice(0, 5), [], `${missing.length} of ${accepted} accepted calls never arrived`);
  assert.ok(accepted > KILLS * 10, `under load: ${accepted} calls were accepted`);
});
