/**
 * Keycloak itself gives the tokens: the sensor delivers under load to an edge that checks each token against Keycloak's keys,
 * over several lives of a token, while its client is switched off, and after it got another secret. Nothing is lost.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/app/control/client.ts';
import type { SensorReport } from '../../src/app/report.ts';
import { CallSource, DeliveringSensor } from '../chaos/delivering-sensor.ts';
import { earshot } from '../support/command.ts';
import { Edge } from '../support/edge.ts';
import { Keycloak } from '../support/keycloak.ts';
import { keycloakRelease } from '../support/keycloak-release.ts';

const LIFE_SECONDS = 3;
const LIVES = 3;
const WAIT_MS = 40_000;
const POLL_MS = 50;

interface Told {
  readonly first: string | null;
  readonly findings: readonly { readonly what: string; readonly evidence: string }[];
  readonly steps: readonly { readonly step: string; readonly verdict: string; readonly evidence: string }[];
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const endMs = Date.now() + WAIT_MS; !isSo(); await sleep(POLL_MS)) assert.ok(Date.now() < endMs, `not yet: ${what}`);
}

function blockedOf({ ship }: SensorReport): string {
  return ship?.sinks[0]?.blocked?.what ?? '';
}

async function doctor(sensor: DeliveringSensor): Promise<Told> {
  const { out, err } = await earshot(['doctor', '--json', '-c', join(sensor.folder, 'earshot.yaml')]);
  assert.equal(err, '');
  return JSON.parse(out) as Told;
}

/** An edge, a Keycloak whose tokens it takes, and a sensor that delivers to it. */
async function begin(t: TestContext): Promise<{ edge: Edge; keycloak: Keycloak; sensor: DeliveringSensor }> {
  let accepts = (_value: string): boolean => false;
  const edge = await Edge.open({ authorization: (value) => accepts(value) });
  t.after(() => edge.close());
  const keycloak = await Keycloak.start({ authority: edge.authority, tokenLifeSeconds: LIFE_SECONDS });
  t.after(() => keycloak.stop());
  accepts = (value) => keycloak.accepts(value);
  const { tokenUrl, clientId, secretFile } = keycloak;
  const sensor = new DeliveringSensor(edge, {
    sink: { auth: { type: 'oauth2', tokenUrl, clientId, clientSecret: { file: secretFile } } },
  });
  t.after(() => sensor.remove());
  return { edge, keycloak, sensor };
}

/** Why Keycloak cannot be used here; false: it can. */
const absent = await keycloakRelease().then(
  () => false,
  ({ message }: Error) => message.replace(/\s+/g, ' ').slice(0, 200),
);

test('tokens of Keycloak', { skip: absent, timeout: 300_000 }, async (t) => {
  const { edge, keycloak, sensor } = await begin(t);
  const refused = (): number => edge.deliveries.filter(({ status }) => status !== 200).length;

  await t.test('the doctor names a client secret that is wrong, and finds nothing when it is right', async () => {
    const right = await doctor(sensor);
    assert.equal(right.first, null, JSON.stringify(right.findings));
    assert.match(right.steps.find(({ step }) => step === 'edge: token')?.evidence ?? '', /^localhost:\d+ gave one for [23] s$/);
    await keycloak.rotateSecret();
    const wrong = await doctor(sensor);
    assert.equal(wrong.first, 'sink-token', JSON.stringify(wrong.findings));
    assert.match(wrong.findings[0].what + wrong.findings[0].evidence, /localhost:\d+ .*its secret is another one.*unauthorized_client/);
    assert.doesNotMatch(JSON.stringify(wrong), /s3cret/);
    keycloak.publishSecret();
  });

  const started = await sensor.start();
  const source = new CallSource(sensor.port);
  t.after(() => source.stop());

  await t.test('one after the other, over several lives of a token, no delivery is refused', async () => {
    const before = keycloak.tokens.size;
    await until('several tokens', () => keycloak.tokens.size > before + LIVES);
    assert.deepEqual([refused(), keycloak.refusals], [0, []]);
    assert.equal(blockedOf(await sensor.report()), '');
  });

  await t.test('the client is switched off: calls wait, and the sensor says why; on again, and told so, it goes on', async () => {
    await keycloak.setEnabled(false);
    const blocked = await sensor.until('blocked', (report) => blockedOf(report) !== '', WAIT_MS);
    assert.match(blockedOf(blocked), /token end-point localhost:\d+ .*(invalid|unauthorized)_client/);
    const had = edge.received().length;
    await sensor.until('waiting', ({ ship }) => (ship?.sinks[0].queued ?? 0) > 500);
    assert.equal(edge.received().length, had, 'nothing is delivered without a token');
    await keycloak.setEnabled(true);
    // By itself it would try again 30 s after it was blocked.
    await ask(sensor.socketPath, { command: 'reload' });
    await sensor.until('open', (report) => blockedOf(report) === '', WAIT_MS);
    await until('more calls', () => edge.received().length > had + 500);
  });

  await t.test('another secret: blocked until it lies in the file, and somebody says so', async () => {
    await keycloak.rotateSecret();
    await sensor.until('blocked', (report) => blockedOf(report) !== '', WAIT_MS);
    keycloak.publishSecret();
    await ask(sensor.socketPath, { command: 'reload' });
    await sensor.until('open', (report) => blockedOf(report) === '', WAIT_MS);
  });

  await t.test('all that was accepted has arrived, each time with a token that was good', async (t) => {
    await source.stop();
    const isEmpty = ({ ship }: SensorReport): boolean => ship?.sinks.every(({ queued, inFlight }) => queued + inFlight === 0) ?? false;
    const ended = await sensor.until('empty', isEmpty, WAIT_MS);
    for (const { name, balances } of ended.ledger) assert.ok(balances, name);
    assert.equal(await sensor.end('SIGTERM'), 0, sensor.stderr);
    const accepted = ended.ship?.spool.accepted ?? 0;
    const received = new Set(edge.received());
    const epoch = started.sensor.startedAtMs.toString(36);
    const ids = Array.from({ length: accepted }, (_none, i) => `earshot.${epoch}.0.${i + 1}`);
    const missing = ids.filter((id) => !received.has(id));
    t.diagnostic(`${accepted} calls accepted, ${missing.length} missing, ${keycloak.tokens.size} tokens, ${refused()} deliveries refused`);
    assert.deepEqual(missing.slice(0, 5), [], `${missing.length} of ${accepted} accepted calls never arrived`);
    assert.ok(accepted > 1000, `under load: ${accepted} calls were accepted`);
    assert.deepEqual(keycloak.refusals, []);
  });
});
