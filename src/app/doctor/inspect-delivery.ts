/**
 * What can be seen of delivery: the disk, the spool from its files, and each sink by a probe of its own. Nothing of the
 * spool is opened for writing, no record is sent; a running sensor goes on beside it.
 */
import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, reasonOf, SensorError } from '../../base/errors.ts';
import type { Settings, SinkSettings } from '../../base/settings.ts';
import { createSink, formatOf } from '../../ship/create-sink.ts';
import { formats } from '../../ship/formats/format.ts';
import { openFraming } from '../../ship/framing.ts';
import { nodeFiles } from '../../ship/node-files.ts';
import type { Sink } from '../../ship/sink.ts';
import { backlogOf } from '../../ship/spool/backlog.ts';
import { holdsSpool } from '../../ship/spool/find-spool.ts';
import { noKeys, readSpoolKeys, type SpoolKeys } from '../../ship/spool/keys.ts';
import { spoolStatus } from '../../ship/spool/offline.ts';
import { pipelinesOf } from '../pipelines.ts';
import { readersOf } from '../spool-place.ts';
import { problemsOf } from '../spool-status.ts';
import { spoolDirectory } from '../state-directory.ts';
import { unencryptedOf } from '../unencrypted.ts';
import { version } from '../version.ts';
import type { DeliveryEvidence, DiskEvidence, SinkEvidence, SpoolEvidence } from './evidence.ts';
import { refusalOf } from './inspect.ts';

/** Of each step of a probe, and of a probe as a whole. */
const STEP_MS_MAX = 5_000;
const PROBE_MS_MAX = 20_000;
const silent = { info: () => undefined, warn: () => undefined };

/** null: no sink is configured. */
export async function inspectDelivery(settings: Settings): Promise<DeliveryEvidence | null> {
  if (Object.keys(settings.sinks).length === 0) return null;
  const directory = spoolDirectory(settings);
  const isOnDisk = settings.spool.level !== 'memory';
  const [disk, spool, ...sinks] = await Promise.all([
    isOnDisk ? inspectDisk(directory, settings.spool.freeBytesMin) : null,
    inspectSpool(directory, settings),
    ...Object.entries(settings.sinks).map(([name, sink]) => inspectSink(name, sink, settings)),
  ]);
  return { disk, spool, sinks };
}

async function inspectDisk(directory: string, freeBytesMin: number): Promise<DiskEvidence> {
  let looked = directory;
  let unwritable = '';
  for (;;) {
    try {
      await access(looked, constants.W_OK | constants.X_OK);
      break;
    } catch (error) {
      // It is made at the start, with its parents.
      if (codeOf(error) === 'ENOENT' && dirname(looked) !== looked) looked = dirname(looked);
      else {
        unwritable = reasonOf(error);
        break;
      }
    }
  }
  const evidence = { directory, looked, unwritable, freeBytesMin };
  try {
    const { bavail, bsize, files, ffree } = await statfs(looked);
    return { ...evidence, freeBytes: bavail * bsize, freeFiles: files > 0 ? ffree : null };
  } catch {
    return { ...evidence, freeBytes: null, freeFiles: null };
  }
}

async function inspectSpool(directory: string, settings: Settings): Promise<SpoolEvidence> {
  const { level, bytesMax } = settings.spool;
  const atMs = Date.now();
  const empty = { records: 0, bytes: 0, usedBy: -1, problems: [], quarantinedFiles: 0, missingKeys: [], waiting: [] };
  const evidence: SpoolEvidence = { directory, level, bytesMax, refused: null, atMs, ...empty };
  if (level === 'memory') return evidence;
  let keys: SpoolKeys = noKeys;
  try {
    keys = readSpoolKeys(settings.spool);
    if (!(await isBegun(directory))) return evidence;
    const report = await spoolStatus(directory, { keys });
    const { records, bytes, usedBy, quarantinedFiles, segments } = report;
    const missingKeys = [...new Set(segments.map(({ keyId }) => keyId))].filter((id) => id !== '' && !keys.byId.has(id));
    const waiting = await backlogOf(directory, readersOf(settings), { keys });
    return { ...evidence, records, bytes, usedBy, quarantinedFiles, missingKeys, problems: problemsOf(report), waiting };
  } catch (error) {
    if (error instanceof SensorError) return { ...evidence, refused: refusalOf(error) };
    const next = 'Let this user read the spool, or run earshot doctor as the user of the sensor.';
    const refused = { code: 'spool-unwritable', what: `Cannot read the spool ${directory}`, why: reasonOf(error), next, details: [] };
    return { ...evidence, refused };
  }
}

/** Whether there is a spool. A directory that cannot be read may have one. */
async function isBegun(directory: string): Promise<boolean> {
  try {
    return await holdsSpool(nodeFiles, directory);
  } catch (error) {
    return codeOf(error) !== 'ENOENT';
  }
}

/** Makes the sink as the sensor does, walks its way, and closes it. */
async function inspectSink(name: string, configured: SinkSettings, settings: Settings): Promise<SinkEvidence> {
  const sinkSettings = 'requestTimeoutMs' in configured ? inShort(configured) : configured;
  const open = unencryptedOf(name, configured);
  const pipelines = pipelinesOf(settings).filter(({ sinks }) => sinks.includes(name));
  let sink: Sink | null = null;
  try {
    const context = { settings, version: version(), now: Date.now, pipelines: pipelines.map((pipeline) => pipeline.name) };
    const framing = openFraming(formats[formatOf(sinkSettings)](), context);
    sink = await createSink(name, sinkSettings, framing, { sensorId: settings.sensor.id, version: version(), log: silent });
    return { name, unencrypted: open, refused: null, steps: await sink.probe(AbortSignal.timeout(PROBE_MS_MAX)) };
  } catch (error) {
    return { name, unencrypted: open, refused: refusalOf(error), steps: [] };
  } finally {
    await sink?.close();
  }
}

/** An operator waits for it. */
function inShort<T extends { readonly requestTimeoutMs: number }>(settings: T): T {
  return { ...settings, requestTimeoutMs: Math.min(settings.requestTimeoutMs, STEP_MS_MAX) };
}
