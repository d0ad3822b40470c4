/**
 * The ship thread: the spool, the dead letters, and a delivery for each sink.
 *
 *   batches -> spool -> reader of each sink -> Delivery -> Sink
 *                                                 +-> dead letters
 *
 * It has an event loop and all the I/O of delivery, so that neither capture nor the control socket ever waits for it.
 */
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { SensorError } from '../base/errors.ts';
import type { LogLevel, SinkSettings } from '../base/settings.ts';
import { maskedBatch } from '../policy/masked-call.ts';
import { createSink, formatOf } from '../ship/create-sink.ts';
import { DeadLetters, LETTERS, LETTERS_SHOWN_MAX, type LetterFilter, letterSpool, replayToSinks } from '../ship/dead-letters.ts';
import { Delivery } from '../ship/delivery.ts';
import { RecordEncoder } from '../ship/encode-batch.ts';
import { formats } from '../ship/formats/format.ts';
import { type Framing, openFraming } from '../ship/framing.ts';
import { routesOf } from '../ship/routes.ts';
import type { Sink } from '../ship/sink.ts';
import { readSpoolKeys, type SpoolKeys } from '../ship/spool/keys.ts';
import { Spool } from '../ship/spool/spool.ts';
import type { FromShip, ShipReport, ShipStart, ToShip } from './ship-link.ts';
import { UnderWay } from './under-way.ts';

const PULSE_MS = 100;
const SETTLE_LOOK_MS = 10;
/** How full the spool may be when whoever fills it can wait; in memory, half of it may be under way already. */
const PATIENT_SHARE = { disk: 0.75, memory: 0.25 };
/** The spool gets this time to close, however long the deliveries take, and before that a part of theirs. */
const CLOSE_MS = 2000;
const CLOSE_SHARE = 0.25;

const start = workerData as ShipStart;
const { settings, pipelines, directory, version } = start;
const port = parentPort;
if (port === null) throw new Error('ship-thread.ts runs as a worker thread');
const say = (message: FromShip): void => port.postMessage(message);

const logAt =
  (level: LogLevel) =>
  (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
    say({ type: 'log', level, message, fields });
const log = { info: logAt('info'), warn: logAt('warn'), error: logAt('error') };

// What the sensor sends itself must not be listened to; every connection of this thread is one of its own. Its first packets
// may be read before the workers know of it.
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket };
  socket.once('connect', () => {
    const { localAddress, localPort } = socket;
    if (localAddress === undefined || localPort === undefined) return;
    say({ type: 'own', host: localAddress, port: localPort, open: true });
    socket.once('close', () => say({ type: 'own', host: localAddress, port: localPort, open: false }));
  });
});

const underWay = new UnderWay(start.underWay, 0);
let spool: Spool;
let letters: Spool;
let deadLetters: DeadLetters;
const deliveries: Delivery[] = [];
let pulseTimer: NodeJS.Timeout | undefined;

interface MadeSink {
  readonly name: string;
  readonly settings: SinkSettings;
  readonly framing: Framing;
  readonly sink: Sink;
}

const pipelinesTo = (sink: string): string[] => pipelines.filter((pipeline) => pipeline.sinks.includes(sink)).map(({ name }) => name);

/** They open nothing yet. */
async function makeSinks(): Promise<MadeSink[]> {
  const made: MadeSink[] = [];
  for (const [name, own] of Object.entries(settings.sinks)) {
    const framing = openFraming(formats[formatOf(own)](), { settings, version, now: Date.now, pipelines: pipelinesTo(name) });
    const sink = await createSink(name, own, framing, { sensorId: settings.sensor.id, version, log });
    made.push({ name, settings: own, framing, sink });
  }
  return made;
}

async function open(sinks: readonly MadeSink[], keys: SpoolKeys): Promise<void> {
  spool = await Spool.open({
    directory,
    settings: settings.spool,
    pipelines: pipelines.map(({ name }) => name),
    readers: sinks.map(({ name }) => ({ name, pipelines: pipelinesTo(name) })),
    keys,
    log,
  });
  letters = await Spool.open({ ...letterSpool(directory, settings.spool), keys, log });
  deadLetters = new DeadLetters(letters, letters.reader(LETTERS), spool);
  for (const { name, settings: own, framing, sink } of sinks) {
    const bits = pipelines.reduce((all, pipeline, i) => (pipeline.sinks.includes(name) ? all | (1 << i) : all), 0);
    const key = own.type === 'kafka' ? own.key : 'none';
    deliveries.push(
      new Delivery({
        name,
        type: own.type,
        sink,
        source: spool.reader(name),
        encode: new RecordEncoder({ sink: name, framing, routes: routesOf(name, bits), key }),
        batch: own.batch,
        deadLetters,
      }),
    );
  }
}

/** Why what came is not all on the disk, or not with these sinks; "" when it is. */
async function whyUnsettled(sinks: readonly string[], untilAtMs: number): Promise<{ why: string; next: string }> {
  let isDurable = false;
  spool.durable(spool.state().lastSequence).then(
    () => {
      isDurable = true;
    },
    () => {},
  );
  const losers = deliveries.filter(({ name }) => sinks.includes(name));
  // What was mended meanwhile is not waited for.
  for (const delivery of losers) delivery.unblock();
  for (;;) {
    await sleep(SETTLE_LOOK_MS);
    const isOver = Date.now() >= untilAtMs;
    if (!isDurable) {
      if (!isOver) continue;
      const next = 'See what earshot status says of the spool, and reload again when it writes.';
      return { why: 'the spool does not get to the disk what it has taken over', next };
    }
    const behind = losers.map((delivery) => delivery.state()).find(({ queued, inFlight }) => queued + inFlight > 0);
    if (behind === undefined) break;
    if (!isOver && behind.blocked === null) continue;
    const left = behind.queued + behind.inFlight;
    return {
      why: `${left} calls wait for the sink ${behind.name}, which it would not get any more`,
      next: 'Reload again when it has taken them, or restart: that takes the change over at once, and delivers them all the same.',
    };
  }
  const inMemory = settings.spool.level === 'memory' ? letters.state().readers.reduce((sum, { queued }) => sum + queued, 0) : 0;
  if (inMemory === 0) return { why: '', next: '' };
  return { why: `${inMemory} dead letters lie in memory only`, next: 'Look at them with earshot spool dead-letters, and restart.' };
}

/** Ends when all that was appended is accepted, and nothing has to expire for what comes next. */
async function untilRoom(): Promise<void> {
  try {
    await spool.durable(spool.state().lastSequence);
    const share = settings.spool.level === 'memory' ? PATIENT_SHARE.memory : PATIENT_SHARE.disk;
    for (;;) {
      const { bytes, bytesMax } = spool.state();
      if (bytes <= share * bytesMax) break;
      await sleep(PULSE_MS);
    }
  } catch {
    // The spool was closed.
  }
}

function report(): ShipReport {
  const { user, system } = process.threadCpuUsage();
  return {
    atMs: Date.now(),
    spool: spool.state(),
    deadLetters: letters.state(),
    sinks: deliveries.map((delivery) => delivery.state()),
    putBack: deadLetters.putBack,
    cpuMs: (user + system) / 1000,
  };
}

async function reload(): Promise<void> {
  for (const delivery of deliveries) {
    const problem = await delivery.reload();
    if (problem !== null) log.warn(`sink ${delivery.name}: ${problem.what}`, { code: problem.code, next: problem.next });
  }
}

async function settle(id: number, sinks: readonly string[], untilAtMs: number): Promise<void> {
  say({ type: 'settled', id, ...(await whyUnsettled(sinks, untilAtMs)) });
}

async function answer(type: 'letters' | 'replay', id: number, filter: LetterFilter): Promise<void> {
  try {
    if (type === 'letters') say({ type: 'letters', id, letters: await deadLetters.list(filter, LETTERS_SHOWN_MAX) });
    else say({ type: 'replayed', id, records: await replayToSinks(deadLetters, Object.keys(settings.sinks), filter) });
  } catch (error) {
    say({ type: 'refused', id, reason: error instanceof Error ? error.message : String(error) });
  }
}

/**
 * No new batches come. With `drain` what waits is delivered as long as there is time; the rest stays in the spool, which
 * has time to close also after a sink that hangs.
 */
async function stop(untilAtMs: number, drain: boolean): Promise<void> {
  clearInterval(pulseTimer);
  const leftMs = Math.max(0, untilAtMs - Date.now());
  const deliverUntilMs = untilAtMs - Math.min(CLOSE_MS, leftMs * CLOSE_SHARE);
  await Promise.all(deliveries.map((delivery) => delivery.stop(deliverUntilMs, drain)));
  const closeUntilMs = Math.max(untilAtMs, Date.now() + CLOSE_MS);
  await Promise.all([letters.close(closeUntilMs), spool.close(closeUntilMs)]);
  say({ type: 'stopped', report: report() });
  port?.close();
}

function take(message: ToShip): void {
  switch (message.type) {
    case 'batch': {
      const { byteLength } = message.bytes;
      if (start.isPatient !== true) underWay.take(byteLength);
      // Masked by the worker that it comes from; on the way between threads only the type was lost.
      spool.append(maskedBatch(new Uint8Array(message.bytes), message.index));
      if (start.isPatient === true) void untilRoom().then(() => underWay.take(byteLength));
      break;
    }
    case 'reload':
      void reload();
      break;
    case 'settle':
      void settle(message.id, message.sinks, message.untilAtMs);
      break;
    case 'letters':
    case 'replay':
      void answer(message.type, message.id, message.filter);
      break;
    case 'report':
      say({ type: 'pulse', report: report() });
      break;
    case 'stop':
      void stop(message.untilAtMs, message.drain);
  }
}

try {
  const keys = readSpoolKeys(settings.spool);
  const sinks = await makeSinks();
  if (start.isHeld === true) {
    const told = once(port, 'message');
    say({ type: 'ready' });
    // The first thing that it is told is `open`.
    await told;
  }
  await open(sinks, keys);
} catch (error) {
  // Of an error that is thrown only the message crosses threads.
  if (error instanceof SensorError) say({ type: 'failed', code: error.code, what: error.what, why: error.why, next: error.next });
  throw error;
}
for (const delivery of deliveries) delivery.start();
port.on('message', (message: ToShip) => take(message));
say({ type: 'running', report: report() });
pulseTimer = setInterval(() => say({ type: 'pulse', report: report() }), PULSE_MS);
