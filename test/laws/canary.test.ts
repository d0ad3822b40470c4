/**
 * The canary law: a secret that is planted anywhere in a call is found nowhere behind the policy: not in the record, not in
 * any format, not in what `tail` shows, not in metrics and log lines, not in the files of the spool, not in dead letters.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSettings } from '../../src/base/settings.ts';
import { shippedRules } from '../../src/policy/default-masking.ts';
import { type Random, random } from '../../src/policy/mask/detect-testing.ts';
import { innocentKinds } from '../../src/policy/mask/innocent-testing.ts';
import type { MaskingRule } from '../../src/policy/spec.ts';
import { formatNames } from '../../src/ship/formats/format.ts';
import { type PlantedCall, placesOfSecrets, plantedCall } from '../support/canary-calls.ts';
import { checkRecords, everything, onDisk, run, shown, type Traffic, tell } from '../support/canary-run.ts';
import { kindsOfSecrets, type Secret, secret } from '../support/canary-secrets.ts';
import { cutAnywhere, evenly, secretsFrom } from '../support/canary-traffic.ts';
import type { Turn } from '../support/conversation.ts';
import { lawSeed, settingsWith, type Wire } from '../support/run-pipeline.ts';

interface TrafficOptions {
  readonly calls: number;
  readonly seed: number;
  /** Of each hundred connections so many lose a packet. */
  readonly lossy?: number;
  readonly wanted?: (s: Secret) => boolean;
  readonly make?: (i: number, next: Random) => Secret;
}

/** Connections of up to four calls, some of them pipelined, cut into segments anywhere. */
function makeTraffic({ calls: count, seed, lossy = 0, wanted = () => true, make = secret }: TrafficOptions): Traffic {
  const next = random(seed);
  const calls: PlantedCall[] = [];
  const packets: Wire[] = [];
  const nextSecret = secretsFrom(next, wanted, make);
  for (let connection = 0; calls.length < count; connection++) {
    const isPipelined = next(5) === 0;
    const some = Array.from({ length: 1 + next(4) }, (_, i) =>
      plantedCall(calls.length + i, Array.from({ length: 1 + next(3) }, nextSecret), next),
    );
    calls.push(...some);
    const asked = some.map(({ request }): Turn => ({ fromServer: false, bytes: request }));
    const answered = some.map(({ response }): Turn => ({ fromServer: true, bytes: response }));
    const turns = isPipelined
      ? [
          { fromServer: false, bytes: Buffer.concat(some.map(({ request }) => request)) },
          { fromServer: true, bytes: Buffer.concat(some.map(({ response }) => response)) },
        ]
      : asked.flatMap((turn, i) => [turn, answered[i]]);
    const these = cutAnywhere(turns, connection, 2, next);
    // Never one of the handshake.
    if (next(100) < lossy) these.splice(3 + next(these.length - 3), 1);
    packets.push(...these);
  }
  return { calls, packets: evenly(packets, 100) };
}

test('no planted secret leaves: records, formats, tail, metrics, spool, dead letters', async (t) => {
  const traffic = makeTraffic({ calls: 3500, seed: lawSeed() });
  const outcome = run(traffic, everything);
  tell(t, `${kindsOfSecrets} kinds in ${placesOfSecrets} places`, outcome);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
  assert.equal(outcome.records.length, traffic.calls.length);
  const documents = checkRecords(outcome.records, traffic.calls);
  assert.ok(documents > 500, `${documents} bodies of JSON`);
  const disk = await onDisk(outcome.batches, outcome.watcher);
  t.diagnostic(`${disk.bytes} bytes of spool, found: ${disk.found.length}`);
  assert.ok(disk.bytes > 1_000_000);
  assert.deepEqual(disk.found, [], shown(disk.found));
});

for (const bodyBytes of [90, 170, 300]) {
  test(`bodies that are cut after ${bodyBytes} bytes keep no part of a secret`, (t) => {
    const traffic = makeTraffic({ calls: 500, seed: lawSeed() + bodyBytes });
    const outcome = run(traffic, everything, settingsWith({ http: { bodyBytes } }));
    tell(t, `bodies of ${bodyBytes} bytes`, outcome);
    assert.ok(outcome.records.filter(({ request, response }) => request?.body.cut || response?.body.cut).length > 20);
    assert.deepEqual(outcome.found, [], shown(outcome.found));
    checkRecords(outcome.records, traffic.calls);
  });
}

test('heads that are cut keep no part of a secret', (t) => {
  const traffic = makeTraffic({ calls: 400, seed: lawSeed() + 5 });
  const outcome = run(traffic, everything, settingsWith({ http: { headBytesMax: 220 } }));
  tell(t, 'heads of 220 bytes', outcome);
  assert.ok(outcome.records.filter(({ weirds }) => weirds?.includes('limit.http.head_bytes')).length > 10);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
  checkRecords(outcome.records, traffic.calls);
});

test('lost packets leave no part of a secret', (t) => {
  const traffic = makeTraffic({ calls: 1200, seed: lawSeed() + 6, lossy: 90 });
  const outcome = run(traffic, everything);
  tell(t, 'a packet lost in nine of ten connections', outcome);
  assert.ok(outcome.records.filter(({ complete }) => !complete).length > 200);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
  checkRecords(outcome.records, traffic.calls);
});

test('actions that keep a part keep no more than that part', (t) => {
  const rules = everything.map((rule): MaskingRule => {
    if (rule.name === 'payment-card') return { ...rule, action: 'keep-last-4' };
    if (rule.name === 'iban') return { ...rule, action: 'hash' };
    if (rule.name === 'email') return { ...rule, action: 'remove' };
    return rule.name === 'national-id' ? { ...rule, action: 'format-preserving' } : rule;
  });
  const traffic = makeTraffic({ calls: 400, seed: lawSeed() + 7 });
  const outcome = run(traffic, rules, defaultSettings, (s) => (s.kind === 'payment-card' ? [s.text.slice(0, -4)] : s.needles));
  tell(t, 'keep-last-4, hash, remove, format-preserving', outcome);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
  checkRecords(outcome.records, traffic.calls);
});

test('a rule that is off is noticed: its secrets are found everywhere', async (t) => {
  for (const [kind, off] of [
    ['email', ['email', 'email-address']],
    ['pattern', ['employee']],
    ['session-id', ['session-id']],
    ['payment-card', ['payment-card']],
  ] as const) {
    const traffic = makeTraffic({ calls: 60, seed: lawSeed() + 8, wanted: (s) => s.kind === kind });
    const outcome = run(
      traffic,
      everything.filter(({ name }) => !(off as readonly string[]).includes(name)),
    );
    tell(t, `without ${off.join(' and ')}`, outcome);
    const wheres = new Set(outcome.found.map((text) => text.slice(0, text.indexOf(':'))));
    for (const name of ['record', 'tail', ...formatNames]) assert.ok(wheres.has(name), `${kind} is found in ${name}`);
    const disk = await onDisk(outcome.batches, outcome.watcher);
    assert.ok(disk.found.length > 0, `${kind} is found in the spool`);
  }
});

test('innocent values in all places: fewer than 1 % are masked', (t) => {
  const next = random(lawSeed() + 9);
  const kinds = Object.values(innocentKinds);
  const innocent = (i: number): Secret => ({
    kind: 'innocent',
    text: kinds[i % kinds.length](next),
    needles: [],
    name: '',
    isWhole: false,
    isCookie: false,
  });
  const traffic = makeTraffic({ calls: 1000, seed: lawSeed() + 10, make: innocent });
  // By their content: addresses of IP are not masked as shipped, and look like versions.
  const rules = shippedRules.filter(({ enabled }) => enabled).map(({ rule }) => rule);
  const { records, secrets } = run(traffic, rules);
  const found = records.flatMap(({ masked }) => masked?.places ?? []);
  const examples = [...new Set(found.map(({ rule, in: where, field }) => `${rule} in ${where} ${field ?? ''}`))];
  t.diagnostic(
    `${found.length} of ${secrets} innocent values masked, ${((100 * found.length) / secrets).toFixed(2)} %: ${examples.join(', ')}`,
  );
  assert.ok(found.length / secrets < 0.01, examples.join(', '));
});
