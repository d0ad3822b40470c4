/** For the laws about secrets: runs calls that hold some through the hot path, and looks for them in everything that is made of the records. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
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
import type { MaskedBatch } from '../../src/policy/masked-call.ts';
import { Policy } from '../../src/policy/policy.ts';
import type { MaskingRule, PolicySpec } from '../../src/policy/spec.ts';
import { DeadLetters, letterSpool } from '../../src/ship/dead-letters.ts';
import { formatNames, formats } from '../../src/ship/formats/format.ts';
import { Spool } from '../../src/ship/spool/spool.ts';
import type { PlantedCall } from './canary-calls.ts';
import { canaryDescriptors } from './canary-grpc.ts';
import { PATTERN, type Secret, Watcher } from './canary-secrets.ts';
import { runMasked } from './masked-run.ts';
import type { Wire } from './run-pipeline.ts';
import { sampleContext } from './sample-calls.ts';

export const everything: readonly MaskingRule[] = [
  maskingRule({ name: 'employee', pattern: PATTERN }),
  ...shippedRules.map(({ rule }) => rule),
];
/** For what waits to be written. */
const CLOSE_MS = 30_000;

export function policySpec(rules: readonly MaskingRule[]): PolicySpec {
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
    descriptors: [canaryDescriptors],
  };
}

export interface Traffic {
  readonly calls: readonly PlantedCall[];
  readonly packets: readonly Wire[];
}

export interface Outcome {
  readonly found: string[];
  readonly records: readonly ApiCall[];
  readonly batches: readonly MaskedBatch[];
  readonly watcher: Watcher;
  readonly secrets: number;
}

const planted = (call: PlantedCall, i: number): string =>
  `${call.secrets[i].kind} ${JSON.stringify(call.secrets[i].text.slice(0, 60))} (${call.places[i]})`;

/** Runs the traffic and looks at everything that is made of the records. */
export function run(
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
export function checkRecords(records: readonly ApiCall[], calls: readonly PlantedCall[]): number {
  let documents = 0;
  for (const record of records) {
    const result = apiCallSchema.safeParse(record);
    if (!result.success) throw new Error(`not as the schema says: ${result.error.message}\n${JSON.stringify(record)}`);
    const n = record.request?.headers.find(([name]) => name.toLowerCase() === 'x-call')?.[1];
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

export function shown(found: readonly string[]): string {
  return `${found.length} found:\n${found.slice(0, 20).join('\n')}`;
}

/** Everything that lies on the disk after these batches went through a spool, and some of them into the dead letters. */
export async function onDisk(batches: readonly MaskedBatch[], watcher: Watcher): Promise<{ found: string[]; bytes: number }> {
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

export function tell(t: TestContext, what: string, { records, secrets, found }: Outcome): void {
  t.diagnostic(`${what}: ${records.length} calls, ${secrets} secrets planted, found: ${found.length}`);
}
