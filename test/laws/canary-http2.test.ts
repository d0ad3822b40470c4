/**
 * The canary law over HTTP/2, and of operations that one URL serves: the same secrets in calls whose heads are compressed, mixed with
 * those of other streams, known in part only because the connection was joined late or lost a packet; and in GraphQL, JSON-RPC, SOAP.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, random } from '../../src/policy/mask/detect-testing.ts';
import { formatNames } from '../../src/ship/formats/format.ts';
import { type PlantedCall, placesOfSecrets, plantedCall } from '../support/canary-calls.ts';
import { overHttp2 } from '../support/canary-http2.ts';
import { placesOfOperations, plantedOperation } from '../support/canary-operations.ts';
import { checkRecords, everything, onDisk, run, shown, type Traffic, tell } from '../support/canary-run.ts';
import { kindsOfSecrets, type Secret } from '../support/canary-secrets.ts';
import { cutAnywhere, evenly, secretsFrom } from '../support/canary-traffic.ts';
import type { Turn } from '../support/conversation.ts';
import { lawSeed, settingsWith, type Wire } from '../support/run-pipeline.ts';

type Plant = (n: number, secrets: readonly Secret[], next: Random) => PlantedCall;

interface Asked {
  readonly calls: number;
  readonly seed: number;
  readonly plants: readonly Plant[];
  /** Over HTTP/1, one call after the other. */
  readonly isHttp1?: boolean;
  readonly wanted?: (s: Secret) => boolean;
  /** What of a connection's packets is captured. */
  readonly see?: (packets: Wire[], next: Random) => Wire[];
}

/** Connections of up to thirty calls, cut into segments anywhere. */
function makeTraffic({ calls: count, seed, plants, isHttp1 = false, wanted = () => true, see = (all) => all }: Asked): Traffic {
  const next = random(seed);
  const calls: PlantedCall[] = [];
  const packets: Wire[] = [];
  const nextSecret = secretsFrom(next, wanted);
  for (let connection = 0; calls.length < count; connection++) {
    const some = Array.from({ length: 1 + next(30) }, (_, i) =>
      plants[next(plants.length)](calls.length + i, Array.from({ length: 1 + next(3) }, nextSecret), next),
    );
    calls.push(...some);
    const turns = isHttp1
      ? some.flatMap(({ request, response }): Turn[] => [
          { fromServer: false, bytes: request },
          { fromServer: true, bytes: response },
        ])
      : overHttp2(some, next);
    packets.push(...see(cutAnywhere(turns, connection, 3, next), next));
  }
  return { calls, packets: evenly(packets, 100) };
}

test('over HTTP/2 no planted secret leaves: records, formats, tail, metrics, spool, dead letters', async (t) => {
  const traffic = makeTraffic({ calls: 1500, seed: lawSeed() + 20, plants: [plantedCall, plantedCall, plantedOperation] });
  const outcome = run(traffic, everything);
  tell(t, `HTTP/2, ${kindsOfSecrets} kinds in ${placesOfSecrets} places`, outcome);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
  assert.equal(outcome.records.length, traffic.calls.length);
  assert.deepEqual(
    outcome.records.filter(({ request, complete }) => request?.version !== '2' || !complete),
    [],
    'each is known as a whole',
  );
  const documents = checkRecords(outcome.records, traffic.calls);
  assert.ok(documents > 200, `${documents} bodies of JSON`);
  const disk = await onDisk(outcome.batches, outcome.watcher);
  t.diagnostic(`${disk.bytes} bytes of spool, found: ${disk.found.length}`);
  assert.ok(disk.bytes > 500_000);
  assert.deepEqual(disk.found, [], shown(disk.found));
});

test('connections of HTTP/2 that are joined late leave no part of a secret', (t) => {
  const late = (packets: Wire[], next: Random): Wire[] => packets.slice(3 + next(packets.length >> 1));
  const traffic = makeTraffic({ calls: 1200, seed: lawSeed() + 21, plants: [plantedCall, plantedOperation], see: late });
  const outcome = run(traffic, everything);
  tell(t, 'HTTP/2, joined late', outcome);
  const unknown = outcome.records.filter(({ request, response }) => request?.headersIncomplete || response?.headersIncomplete);
  t.diagnostic(`${unknown.length} calls with fields that are not known`);
  assert.ok(unknown.length > 100, `${unknown.length}`);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
});

test('lost packets of HTTP/2 leave no part of a secret', (t) => {
  const lossy = (packets: Wire[], next: Random): Wire[] => {
    for (let i = next(4); i > 0; i--) packets.splice(3 + next(packets.length - 3), 1);
    return packets;
  };
  const traffic = makeTraffic({ calls: 1200, seed: lawSeed() + 22, plants: [plantedCall, plantedOperation], see: lossy });
  const outcome = run(traffic, everything);
  tell(t, 'HTTP/2, up to three packets of a connection lost', outcome);
  assert.ok(outcome.records.filter(({ complete }) => !complete).length > 100);
  assert.deepEqual(outcome.found, [], shown(outcome.found));
});

test('over HTTP/2, heads and bodies that are cut keep no part of a secret', (t) => {
  for (const [name, settings] of [
    ['bodies of 150 bytes', settingsWith({ http: { bodyBytes: 150 } })],
    ['heads of 220 bytes', settingsWith({ http: { headBytesMax: 220 } })],
    ['six fields of a head', settingsWith({ http: { headersMax: 6 } })],
  ] as const) {
    const traffic = makeTraffic({ calls: 400, seed: lawSeed() + 23, plants: [plantedCall, plantedOperation] });
    const outcome = run(traffic, everything, settings);
    tell(t, `HTTP/2, ${name}`, outcome);
    assert.deepEqual(outcome.found, [], shown(outcome.found));
  }
});

for (const isHttp1 of [true, false]) {
  test(`operations over ${isHttp1 ? 'HTTP/1' : 'HTTP/2'}: batches, multipart, names, errors`, async (t) => {
    const traffic = makeTraffic({ calls: 1000, seed: lawSeed() + 24, plants: [plantedOperation], isHttp1 });
    const outcome = run(traffic, everything);
    tell(t, `${kindsOfSecrets} kinds in ${placesOfOperations} places of operations`, outcome);
    assert.deepEqual(outcome.found, [], shown(outcome.found));
    const protocols = new Map<string, number>();
    for (const { operation } of outcome.records) {
      if (operation !== undefined) protocols.set(operation.protocol, (protocols.get(operation.protocol) ?? 0) + 1);
    }
    t.diagnostic([...protocols].map(([protocol, n]) => `${protocol}: ${n}`).join(', '));
    for (const protocol of ['graphql', 'json-rpc', 'soap']) assert.ok((protocols.get(protocol) ?? 0) > 50, protocol);
    assert.ok(outcome.records.filter(({ operation }) => (operation?.batch ?? 0) > 1).length > 100, 'batches');
    checkRecords(outcome.records, traffic.calls);
    const disk = await onDisk(outcome.batches, outcome.watcher);
    assert.deepEqual(disk.found, [], shown(disk.found));
  });
}

test('over HTTP/2 a rule that is off is noticed: its secrets are found everywhere', (t) => {
  for (const [kind, off] of [
    ['email', ['email', 'email-address']],
    ['session-id', ['session-id']],
  ] as const) {
    const traffic = makeTraffic({ calls: 60, seed: lawSeed() + 25, plants: [plantedCall], wanted: (s) => s.kind === kind });
    const outcome = run(
      traffic,
      everything.filter(({ name }) => !(off as readonly string[]).includes(name)),
    );
    tell(t, `HTTP/2, without ${off.join(' and ')}`, outcome);
    const wheres = new Set(outcome.found.map((text) => text.slice(0, text.indexOf(':'))));
    for (const name of ['record', 'tail', ...formatNames]) assert.ok(wheres.has(name), `${kind} is found in ${name}`);
  }
});
