/**
 * The canary law: a secret that is planted anywhere in a call is found nowhere behind the policy: not in the record, not in
 * any format, not in what `tail` shows, not in metrics and log lines, not in the files of the spool, not in dead letters.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { lineOf, withRecord } from '../../src/app/call-line.ts';
import { prometheusText } from '../../src/app/metrics/prometheus.ts';
import { collect } from '../../src/app/metrics/table.ts';
import { sampleReport } from '../../src/app/report-testing.ts';
import { safeJson } from '../../src/app/safe-json.ts';
import { Summary } from '../../src/app/summary.ts';
import { TailLines } from '../../src/app/tail.ts';
import { coloursOf } from '../../src/app/terminal.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { type ApiCall, apiCallSchema } from '../../src/normalise/api-call.ts';
import { maskingRule, shippedRules } from '../../src/policy/default-masking.ts';
import { type Random, random } from '../../src/policy/mask/detect-testing.ts';
import { innocentKinds } from '../../src/policy/mask/innocent-testing.ts';
import type { MaskedBatch } from '../../src/policy/masked-call.ts';
import { Policy } from '../../src/policy/policy.ts';
import type { MaskingRule, PolicySpec } from '../../src/policy/spec.ts';
import { DeadLetters, letterSpool } from '../../src/ship/dead-letters.ts';
import { formatNames, formats } from '../../src/ship/formats/format.ts';
import { Spool } from '../../src/ship/spool/spool.ts';
import { type PlantedCall, placesOfSecrets, plantedCall } from '../support/canary-calls.ts';
import { kindsOfSecrets, PATTERN, type Secret, secret, Watcher } from '../support/canary-secrets.ts';
import { partsOf, type Turn, wires } from '../support/conversation.ts';
import { runMasked } from '../support/masked-run.ts';
import { lawSeed, settingsWith, type Wire } from '../support/run-pipeline.ts';
import { sampleContext } from '../support/sample-calls.ts';

const everything: readonly MaskingRule[] = [maskingRule({ name: 'employee', pattern: PATTERN }), ...shippedRules.map(({ rule }) => rule)];
/** For what waits to be written. */
const CLOSE_MS = 30_000;

function policySpec(rules: readonly MaskingRule[]): PolicySpec {
  return {
    pipelines: [
      {
        name: 'all',
        simple: { otherwise: 'include', rules: [] },
        advanced: { otherwise: 'include', rules: [] },
        sampling: { share: 1, key: 'call' },
      },
    ],
    masking: { rules, binaryBodies: 'remove' },
    maskingKey: Buffer.alloc(32, 7),
  };
}

interface Traffic {
  readonly calls: readonly PlantedCall[];
  readonly packets: readonly Wire[];
}

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
  let n = 0;
  const nextSecret = (): Secret => {
    for (;;) {
      const s = make(n++, next);
      if (wanted(s)) return s;
    }
  };
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
    const place = { clientPort: 1024 + (connection % 60000), server: `10.2.${(connection >> 8) & 255}.${connection & 255}` };
    const cut = (length: number): number[] => Array.from({ length: next(4) }, () => next(length)).sort((a, b) => a - b);
    const these = wires(partsOf({ turns, calls: [], end: 'client-fin' }, cut), place, 100);
    // Never one of the handshake.
    if (next(100) < lossy) these.splice(3 + next(these.length - 3), 1);
    packets.push(...these);
  }
  return { calls, packets: packets.map((packet, i) => ({ ...packet, timeUs: packets[0].timeUs + 100 * i })) };
}

interface Outcome {
  readonly found: string[];
  readonly records: readonly ApiCall[];
  readonly batches: readonly MaskedBatch[];
  readonly watcher: Watcher;
  readonly secrets: number;
}

const planted = (call: PlantedCall, i: number): string =>
  `${call.secrets[i].kind} ${JSON.stringify(call.secrets[i].text.slice(0, 60))} (${call.places[i]})`;

/** Runs the traffic and looks at everything that is made of the records. */
function run(
  traffic: Traffic,
  rules: readonly MaskingRule[],
  settings: Settings = defaultSettings,
  needles = (s: Secret) => s.needles,
): Outcome {
  const watcher = new Watcher();
  let secrets = 0;
  for (const call of traffic.calls) {
    secrets += call.secrets.length;
    call.secrets.forEach((s, i) => {
      for (const needle of needles(s)) watcher.watch(needle, planted(call, i));
    });
  }
  const summary = new Summary(0);
  const { lines, batches, counters, weirds } = runMasked(traffic.packets, new Policy(policySpec(rules)), settings, 0, (call) =>
    summary.count(call),
  );
  const found: string[] = [];
  found.push(...watcher.search(summary.report(['a.pcap'], 1, coloursOf(process.stdout), 200), 'summary'));
  const records = lines.map((line) => {
    found.push(...watcher.search(line, 'record'));
    return JSON.parse(line.toString()) as ApiCall;
  });
  for (const name of formatNames) {
    const format = formats[name]();
    found.push(...watcher.search(format.begin(sampleContext), name));
    records.forEach((record, i) => {
      found.push(...watcher.search(format.record(record, i), name));
    });
    found.push(...watcher.search(format.end(), name));
  }
  const tail = new TailLines(Number.POSITIVE_INFINITY, coloursOf(process.stdout));
  for (const record of records) found.push(...watcher.search(tail.line(lineOf(record)) + safeJson(withRecord(record)), 'tail'));
  const report = { ...sampleReport(), counters, weirds };
  found.push(...watcher.search(prometheusText('earshot', collect({ report, pushes: [], logErrors: 0, logLost: 0 })), 'metrics'));
  found.push(...watcher.search(JSON.stringify(report), 'report'));
  return { found, records, batches, watcher, secrets };
}

/** What a reader of the records relies on, masked or not. */
function checkRecords(records: readonly ApiCall[], calls: readonly PlantedCall[]): number {
  let documents = 0;
  for (const record of records) {
    const result = apiCallSchema.safeParse(record);
    if (!result.success) throw new Error(`not as the schema says: ${result.error.message}\n${JSON.stringify(record)}`);
    const n = record.request?.headers.find(([name]) => name === 'X-Call')?.[1];
    const call = calls[Number(n)];
    for (const [i, side] of [record.request, record.response].entries()) {
      if (side === null) continue;
      const { body } = side;
      const kept = body.text !== undefined ? Buffer.byteLength(body.text) : Buffer.from(body.base64 ?? '', 'base64').length;
      assert.equal(kept, body.kept, 'bytes kept');
      if (n === undefined || call?.isJson[i] !== true || body.cut === true || !record.complete) continue;
      assert.doesNotThrow(() => JSON.parse(body.text ?? ''), `JSON stays JSON: ${JSON.stringify(record)}`);
      documents++;
    }
  }
  return documents;
}

function shown(found: readonly string[]): string {
  return `${found.length} found:\n${found.slice(0, 20).join('\n')}`;
}

/** Everything that lies on the disk after these batches went through a spool, and some of them into the dead letters. */
async function onDisk(batches: readonly MaskedBatch[], watcher: Watcher): Promise<{ found: string[]; bytes: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'earshot-canary-'));
  const found: string[] = [];
  const say = (message: string): void => {
    found.push(...watcher.search(message, 'log of the spool'));
  };
  let bytes = 0;
  try {
    const settings = { ...defaultSettings.spool, level: 'disk' as const, compression: 'none' as const, freeBytesMin: 0 };
    const spool = await Spool.open({
      directory,
      settings,
      pipelines: ['all'],
      readers: [{ name: 'sink', pipelines: ['all'] }],
      log: { info: say, warn: say, error: say },
    });
    const letters = await Spool.open(letterSpool(directory, settings));
    for (const batch of batches) spool.append(batch);
    await spool.durable(spool.state().lastSequence);
    const dead = new DeadLetters(letters, letters.reader('letters'), spool);
    const problem = { code: 'record-refused', what: 'The receiver refuses the record', next: 'Look at it.' };
    for (const batch of batches.slice(0, 5)) {
      const end = Buffer.from(batch.bytes).indexOf(10) + 1;
      await dead.add([{ sink: 'sink', atMs: 0, problem, sequence: 1, line: batch.bytes.subarray(0, end) }]);
    }
    found.push(...watcher.search(JSON.stringify(await dead.list({}, 100)), 'list of dead letters'));
    await letters.close(Date.now() + CLOSE_MS);
    await spool.close(Date.now() + CLOSE_MS);
    for (const name of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue;
      const content = readFileSync(join(name.parentPath, name.name));
      bytes += content.length;
      found.push(...watcher.search(content, name.name));
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  return { found, bytes };
}

function tell(t: TestContext, what: string, { records, secrets, found }: Outcome): void {
  t.diagnostic(`${what}: ${records.length} calls, ${secrets} secrets planted, found: ${found.length}`);
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
