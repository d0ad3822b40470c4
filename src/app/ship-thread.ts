/**
 * The ship thread: the spool, the dead letters, and a delivery for each sink.
 *
 *   batches -> spool -> reader of each sink -> Delivery -> Sink
 *                                                 +-> dead letters
 *
 * It has an event loop and all the I/O of delivery, so that neither capture nor the control socket ever waits for it.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { SensorError } from '../base/errors.ts';
import type { LogLevel } from '../base/settings.ts';
import { maskedBatch } from '../policy/masked-call.ts';
import { createSink, formatOf } from '../ship/create-sink.ts';
import { DeadLetters, LETTERS, LETTERS_SHOWN_MAX, type LetterFilter, letterSpool, replayToSinks } from '../ship/dead-letters.ts';
import { Delivery } from '../ship/delivery.ts';
import { RecordEncoder } from '../ship/encode-batch.ts';
import { formats } from '../ship/formats/format.ts';
import { openFraming } from '../ship/framing.ts';
import { routesOf } from '../ship/routes.ts';
import { readSpoolKeys } from '../ship/spool/keys.ts';
import { Spool } from '../ship/spool/spool.ts';
import type { FromShip, ShipReport, ShipStart, ToShip } from './ship-link.ts';
import { UnderWay } from './under-way.ts';

const PULSE_MS = 100;
/** How full the spool may be when whoever fills it can wait. */
const PATIENT_SHARE = 0.75;

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

async function open(): Promise<void> {
  const keys = readSpoolKeys(settings.spool);
  const sinks = Object.entries(settings.sinks);
  const pipelinesTo = (sink: string): string[] => pipelines.filter((pipeline) => pipeline.sinks.includes(sink)).map(({ name }) => name);
  spool = await Spool.open({
    directory,
    settings: settings.spool,
    pipelines: pipelines.map(({ name }) => name),
    readers: sinks.map(([name]) => ({ name, pipelines: pipelinesTo(name) })),
    keys,
    log,
  });
  letters = await Spool.open({ ...letterSpool(directory, settings.spool), keys, log });
  deadLetters = new DeadLetters(letters, letters.reader(LETTERS), spool);
  for (const [name, sinkSettings] of sinks) {
    const own = pipelinesTo(name);
    const bits = pipelines.reduce((all, pipeline, i) => (pipeline.sinks.includes(name) ? all | (1 << i) : all), 0);
    const framing = openFraming(formats[formatOf(sinkSettings)](), { settings, version, now: Date.now, pipelines: own });
    const sink = await createSink(name, sinkSettings, framing, { sensorId: settings.sensor.id, version, log });
    const key = sinkSettings.type === 'kafka' ? sinkSettings.key : 'none';
    deliveries.push(
      new Delivery({
        name,
        type: sinkSettings.type,
        sink,
        source: spool.reader(name),
        encode: new RecordEncoder({ sink: name, framing, routes: routesOf(name, bits), key }),
        batch: sinkSettings.batch,
        deadLetters,
      }),
    );
  }
}

/** Ends when all that was appended is accepted, and nothing has to expire for what comes next. */
async function untilRoom(): Promise<void> {
  try {
    await spool.durable(spool.state().lastSequence);
    while (spool.state().bytes > PATIENT_SHARE * settings.spool.bytesMax) await sleep(PULSE_MS);
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
    cpuMs: (user + system) / 1000,
  };
}

async function reload(): Promise<void> {
  for (const delivery of deliveries) {
    const problem = await delivery.reload();
    if (problem !== null) log.warn(`sink ${delivery.name}: ${problem.what}`, { code: problem.code, next: problem.next });
  }
}

async function answer(type: 'letters' | 'replay', id: number, filter: LetterFilter): Promise<void> {
  try {
    if (type === 'letters') say({ type: 'letters', id, letters: await deadLetters.list(filter, LETTERS_SHOWN_MAX) });
    else say({ type: 'replayed', id, records: await replayToSinks(deadLetters, Object.keys(settings.sinks), filter) });
  } catch (error) {
    say({ type: 'refused', id, reason: error instanceof Error ? error.message : String(error) });
  }
}

/** No new batches come. With `drain` what waits is delivered as long as there is time; the rest stays in the spool. */
async function stop(untilAtMs: number, drain: boolean): Promise<void> {
  clearInterval(pulseTimer);
  await Promise.all(deliveries.map((delivery) => delivery.stop(untilAtMs, drain)));
  await letters.close(untilAtMs);
  await spool.close(untilAtMs);
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
  await open();
} catch (error) {
  // Of an error that is thrown only the message crosses threads.
  if (error instanceof SensorError) say({ type: 'failed', code: error.code, what: error.what, why: error.why, next: error.next });
  throw error;
}
for (const delivery of deliveries) delivery.start();
port.on('message', (message: ToShip) => take(message));
say({ type: 'running', report: report() });
pulseTimer = setInterval(() => say({ type: 'pulse', report: report() }), PULSE_MS);
