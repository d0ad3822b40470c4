/**
 * The sensor: everything that `earshot run` consists of, in the order of starting; it stops in the reverse order.
 *
 *   policy -> sockets -> ship -> output -> control -> health -> metrics -> workers -> ears open
 *
 * The main thread reads no packet. Once a second it looks after the rest: interfaces, workers, kernel counts, faults.
 */
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parseAddress, parsedAddress } from '../base/cidr.ts';
import { loadSettings } from '../base/config.ts';
import { SensorError } from '../base/errors.ts';
import type { LogLevel, Settings } from '../base/settings.ts';
import { changesBetween, describeChanges } from '../base/settings-change.ts';
import { listInterfaces } from '../capture/interfaces.ts';
import { INDEX_WORDS, maskedBatch } from '../policy/masked-call.ts';
import type { PolicySpec } from '../policy/spec.ts';
import type { LetterFilter, LetterHead } from '../ship/dead-letters.ts';
import type { CallFilter } from './call-filter.ts';
import { CallsOutput } from './calls-output.ts';
import { controlPath } from './control/path.ts';
import type { OnCalls, SensorControl } from './control/protocol.ts';
import { type ControlServer, refuseSecond, startControl } from './control/server.ts';
import { findingKinds } from './doctor/findings.ts';
import { Faults } from './faults.ts';
import { giveBackMemory } from './give-back.ts';
import type { OwnSocket } from './guard.ts';
import { startHealth } from './health.ts';
import type { Listener, OwnAddress } from './listener.ts';
import { Listening } from './listening.ts';
import { localAddresses } from './local-addresses.ts';
import type { Log } from './log.ts';
import { type Metrics, startMetrics } from './metrics/metrics.ts';
import { pipelinesOf } from './pipelines.ts';
import { loadPolicy } from './policy-files.ts';
import type { Fault, SensorReport } from './report.ts';
import { makeReport, type PipelineParts } from './report-maker.ts';
import { Shipping, type ShippingStart } from './shipping.ts';
import { refuseSharedFiles, refuseSinkFiles } from './sink-files.ts';
import { refuseEqualRoutes } from './sink-names.ts';
import { noteCounters, sinceNoted } from './standstill.ts';
import { spoolDirectory } from './state-directory.ts';
import { statsLine } from './stats-block.ts';
import { unencrypted } from './unencrypted.ts';
import { version } from './version.ts';
import type { Watch } from './watches.ts';
import type { ToWorker, WorkerStart } from './worker-link.ts';
import { Workers } from './workers.ts';

const LOOK_MS = 1000;
/** What the workers have to take over a reload; one that sleeps looks ten times a second. */
const CONFIRM_MS = 2000;
const OWN_MS = 10_000;
/** What delivery has to come to its end when no sink is left. */
const LAST_SINK_MS = 5000;

export interface SensorOptions {
  readonly settings: Settings;
  /** Path of the configuration; "" for none. */
  readonly configuration: string;
  readonly log: Log;
  /** What the command line sets, again after each reload. */
  readonly override?: (settings: Settings) => Settings;
  /** Called when the reader of standard output has gone for good. */
  readonly onOutputGone?: () => void;
}

function hasSinks({ sinks }: Settings): boolean {
  return Object.keys(sinks).length > 0;
}

/** Where a masking key that the sensor makes is kept: beside the spool. */
function keyDirectory(settings: Settings): string {
  return hasSinks(settings) ? dirname(spoolDirectory(settings)) : '';
}

function shippingStart(settings: Settings, routing: number): ShippingStart {
  const pipelines = pipelinesOf(settings).map(({ name, sinks }) => ({ name, sinks }));
  return { settings, pipelines, routing, directory: spoolDirectory(settings), version: version() };
}

export class Sensor implements SensorControl {
  readonly workers: Workers;
  readonly #options: SensorOptions;
  readonly #log: Log;
  #settings: Settings;
  readonly #listening: Listening;
  /** What workers do with calls; null before it is read. */
  #orders: Omit<Extract<ToWorker, { type: 'policy' }>, 'type'> | null = null;
  #shipping: Shipping | null = null;
  /** Number of the table that workers route by (routing.ts). */
  #routing = 0;
  #output: CallsOutput | null = null;
  #control: ControlServer | null = null;
  #health: Listener | null = null;
  #metrics: Metrics | null = null;
  readonly #faults = new Faults();
  readonly #startedAtMs = Date.now();
  #readAtMs = Date.now();
  #lookTimer: NodeJS.Timeout | undefined;
  #statsDueMs = 0;
  #ownDueMs = 0;
  readonly #ringStates: SharedArrayBuffer[];
  readonly #own = new Map<string, OwnAddress>();
  readonly #watchers = new Map<number, { readonly watch: Watch; readonly onCalls: OnCalls }>();
  #watchId = 0;
  #reloading: Promise<unknown> = Promise.resolve();
  /** Why the last reload was refused; "" when it was not. */
  #rejected = '';
  #stopping = false;
  #ended = false;

  constructor(options: SensorOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#log = options.log;
    const count = options.settings.run.workers || Math.max(1, availableParallelism() - 1);
    this.#ringStates = Array.from({ length: count }, () => new SharedArrayBuffer(64));
    this.#listening = new Listening(options.settings, count);
    this.workers = new Workers(count, (worker, life) => this.#workerStart(worker, life), {
      onRunning: (life, waiting, kernel) => {
        const totals = this.#listening.kernel[life.worker];
        totals.packets += kernel.packets;
        totals.dropped += kernel.dropped;
        if (life.restarts === 0) return;
        const read = [...life.pastInterfaces.values()].reduce((n, { packets }) => n + packets, 0);
        life.packetsWithDead = totals.packets - totals.dropped - read - waiting;
      },
      onBatch: (batch, routing) => {
        this.#output?.add(batch.bytes, batch.index.length / INDEX_WORDS);
        // The output writes later what the ship thread would take away.
        this.#shipping?.add(this.#output === null ? batch : maskedBatch(batch.bytes.slice(), batch.index), routing);
      },
      onLost: (records) => {
        this.#output?.lose(records);
        this.#shipping?.lose(records);
      },
      onWatched: ({ id, calls, skipped }) => this.#watchers.get(id)?.onCalls(calls, skipped),
      onLog: (level, message, fields) => this.#log[level](message, fields),
    });
  }

  /** Starts everything. Throws SensorError; nothing is left open then. */
  async start(): Promise<void> {
    const { settings } = this.#options;
    try {
      refuseSharedFiles(settings);
      refuseSinkFiles(settings);
      refuseEqualRoutes(settings);
      await refuseSecond(controlPath(settings.control.socket));
      const policy = await loadPolicy(settings, keyDirectory(settings));
      this.#listening.open();
      if (hasSinks(settings)) {
        this.#shipping = this.#newShipping(shippingStart(settings, this.#routing));
        await this.#shipping.start();
      }
      if (settings.output.file !== '') this.#output = new CallsOutput(settings.output.file, settings.output.queueBytesMax);
      this.#takePolicy(policy);
      this.#control = await startControl(controlPath(settings.control.socket), this);
      const own = (address: OwnAddress): void => this.#setOwn(address, true);
      const ownClosed = (address: OwnAddress): void => this.#setOwn(address, false);
      const ready = (): { ready: boolean; faults: SensorReport['health']['faults'] } => ({
        ready: this.#faults.ready && !this.#stopping,
        faults: this.#faults.list,
      });
      if (settings.health.listen !== '') this.#health = await startHealth(settings.health.listen, ready, { own, ownClosed });
      this.#metrics = await startMetrics(settings.metrics, () => this.report(), this.#log.child('metrics'), { own, ownClosed });
      await this.workers.start();
      this.#sayStandstill();
      for (const change of this.#listening.follow()) this.#log.info(`interface ${change}`);
      this.#statsDueMs = Date.now() + settings.run.statsIntervalMs;
      this.#look();
      this.#lookTimer = setInterval(() => this.#look(), LOOK_MS);
      const { interfaces, endpoints } = settings.capture;
      for (const text of unencrypted(settings)) this.#log.warn(text);
      giveBackMemory();
      this.#log.info('listening', { version: version(), workers: this.workers.lives.length, interfaces, endpoints });
    } catch (error) {
      await this.workers.kill();
      await this.#closeServers();
      await this.#shipping?.stop(Date.now());
      await this.#output?.close(0);
      this.#listening.close();
      throw error;
    }
  }

  #newShipping(start: ShippingStart): Shipping {
    return new Shipping(start, start.settings.spool.memoryBytesMax, {
      onLog: (level, message, fields) => this.#log[level](message, fields),
      onOwn: (host, port, open) => this.#setOwn({ protocol: 'tcp', host, port }, open),
    });
  }

  #noteCounters(isStop: boolean): void {
    const indexes = this.#listening.heard.flatMap((one) => one.indexes);
    noteCounters(controlPath(this.#settings.control.socket), indexes, isStop);
  }

  /** How much passed between the stop of the sensor before and now. */
  #sayStandstill(): void {
    const standstill = sinceNoted(controlPath(this.#settings.control.socket), listInterfaces());
    if (standstill === null) return;
    const { sinceMs, isExact, unseen } = standstill;
    const message = isExact
      ? 'not listened to since the last stop; the kernel counted meanwhile'
      : 'the sensor before did not stop by itself; so much passed at most since it last noted its counters';
    for (const { name, packets, bytes } of unseen) this.#log.info(message, { interface: name, sinceMs, packets, bytes });
  }

  #workerStart(worker: number, life: number): WorkerStart {
    const { run } = this.#settings;
    const socket = this.#listening.packetSockets[worker];
    if (this.#orders === null) throw new Error('workers start behind the policy');
    return {
      worker,
      epoch: `${this.#startedAtMs.toString(36)}${life === 0 ? '' : `-${life}`}`,
      settings: this.#settings,
      ring: socket ?? null,
      ringState: this.#ringStates[worker],
      underWay: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
      endpoints: this.#listening.endpoints.map(({ url, fds }) => ({ url, fd: fds[worker] })),
      ownSockets: this.#ownSockets(),
      watches: this.#watches(),
      processor: run.affinity.length === 0 ? -1 : run.affinity[worker % run.affinity.length],
      ...this.#orders,
    };
  }

  /** Once a second. */
  #look(): void {
    const nowMs = Date.now();
    try {
      for (const change of this.#listening.follow()) {
        this.#log.warn(`interface ${change}`);
        // With interfaces addresses come.
        this.#ownDueMs = 0;
      }
    } catch (error) {
      if (!(error instanceof SensorError)) throw error;
      this.#log.error(error.message, { code: error.code });
    }
    this.workers.check();
    if (nowMs >= this.#ownDueMs) {
      // Addresses come and go.
      this.#ownDueMs = nowMs + OWN_MS;
      // One that is killed notes no stop.
      this.#noteCounters(false);
      if (this.#own.size > 0) this.workers.tell({ type: 'own', sockets: this.#ownSockets() });
    }
    const report = this.report();
    const own = [...this.#listening.faults(), ...this.#rejection()];
    const { raised, ceased } = this.#faults.judge(report, own, this.#output?.fault ?? '', this.#log.errors);
    for (const fault of raised) {
      // Each refusal was logged when it was given.
      if (fault.code !== 'config-rejected') this.#log.warn(fault.what, { code: fault.code, next: fault.next });
    }
    for (const fault of ceased) this.#log.info('no longer so', { code: fault.code, what: fault.what });
    if (this.#output?.isAbandoned && !this.#stopping) this.#options.onOutputGone?.();
    const { statsIntervalMs } = this.#settings.run;
    if (statsIntervalMs > 0 && nowMs >= this.#statsDueMs) {
      this.#statsDueMs = nowMs + statsIntervalMs;
      this.#log.info('stats', statsLine(report));
    }
  }

  #rejection(): Fault[] {
    return this.#rejected === '' ? [] : [{ code: 'config-rejected', what: this.#rejected, next: findingKinds['config-rejected'].next }];
  }

  report(): SensorReport {
    // Asked after the workers' last pulses: what the kernel has counted since lies in the rings.
    // A worker that starts in the place of a dead one asks for itself: it knows what waits in its ring at that moment.
    this.#listening.count((worker) => this.workers.lives[worker].state !== 'starting');
    const { sensor } = this.#settings;
    const { user, system } = process.cpuUsage();
    return makeReport({
      sensor: {
        id: sensor.id,
        poolId: sensor.poolId,
        version: version(),
        pid: process.pid,
        startedAtMs: this.#startedAtMs,
        nowAtMs: Date.now(),
        configuration: this.#options.configuration,
        configurationReadAtMs: this.#readAtMs,
        memoryBytes: process.memoryUsage.rss(),
        cpuMs: (user + system) / 1000,
      },
      listening: this.#listening,
      lives: this.workers.lives,
      output: this.#output,
      shipping: this.#shipping,
      pipelines: this.#pipelines(),
      faults: this.#faults.list,
      ready: this.#faults.ready && !this.#stopping,
      ended: this.#ended,
    });
  }

  /** Reads the configuration again and takes over what can be changed; all of it or nothing. */
  async reload(): Promise<{ ok: boolean; text: string }> {
    // One after the other.
    const before = this.#reloading;
    const reloading = before.then(() => this.#reload()).then((answer) => this.#confirmed(answer));
    this.#reloading = reloading.catch(() => undefined);
    const answer = await reloading;
    if (answer.ok) this.#log.info(answer.text);
    else this.#log.error(answer.text, { code: 'config-rejected', next: findingKinds['config-rejected'].next });
    this.#rejected = answer.ok ? '' : answer.text;
    return answer;
  }

  async #reload(): Promise<{ ok: boolean; text: string }> {
    const { configuration, override } = this.#options;
    if (this.#stopping) return { ok: false, text: 'not reloaded: the sensor is stopping' };
    try {
      if (configuration === '') {
        this.#output?.reopen();
        this.#shipping?.reload();
        return { ok: true, text: 'the output was opened anew; there is no configuration file to read again' };
      }
      const read = loadSettings(configuration);
      const settings = override === undefined ? read : override(read);
      const { live, restart } = changesBetween(this.#settings, settings);
      if (restart.length > 0) {
        return { ok: false, text: `not reloaded, nothing was changed: these need a restart: ${describeChanges(restart)}` };
      }
      refuseSharedFiles(settings);
      refuseSinkFiles(settings);
      refuseEqualRoutes(settings);
      // The rules lie in files of their own, which may have changed although no setting has.
      const policy = await loadPolicy(settings, keyDirectory(settings));
      this.#output?.reopen();
      const policyChanges = isDeepStrictEqual(policy, this.#orders?.policy) ? '' : 'the rules have changed';
      if (live.length === 0) {
        this.#shipping?.reload();
        this.#takePolicy(policy);
        this.#readAtMs = Date.now();
        return { ok: true, text: `reloaded ${configuration}: ${policyChanges || 'no setting has changed'}` };
      }
      const before = new Set(unencrypted(this.#settings));
      await this.#metrics?.update(settings.metrics);
      try {
        this.#listening.change(settings);
        await this.#changeShipping(settings);
      } catch (error) {
        await this.#metrics?.update(this.#settings.metrics);
        this.#listening.change(this.#settings);
        throw error;
      }
      this.#settings = settings;
      this.#takePolicy(policy);
      this.#readAtMs = Date.now();
      this.#log.setLevel(settings.log.level);
      for (const text of unencrypted(settings)) if (!before.has(text)) this.#log.warn(text);
      this.workers.tell({
        type: 'settings',
        shedding: settings.run.shedding,
        watchCallsPerSecondMax: settings.run.watchCallsPerSecondMax,
        websocket: settings.websocket,
        only: settings.capture.only,
        not: settings.capture.not,
      });
      this.#statsDueMs = Date.now() + settings.run.statsIntervalMs;
      for (const change of this.#listening.follow()) this.#log.info(`interface ${change}`);
      return { ok: true, text: `reloaded ${configuration}: ${describeChanges(live)}${policyChanges && `; ${policyChanges}`}` };
    } catch (error) {
      if (!(error instanceof SensorError)) throw error;
      return { ok: false, text: `not reloaded, nothing was changed: ${[error.message, ...error.details].join(' | ')}` };
    }
  }

  /** It is said to be done when every packet that comes from now on is treated that way. */
  async #confirmed({ ok, text }: { ok: boolean; text: string }): Promise<{ ok: boolean; text: string }> {
    const behind = ok ? await this.workers.confirm(CONFIRM_MS) : [];
    if (behind.length === 0) return { ok, text };
    return { ok, text: `${text}; not yet in worker ${behind.join(', ')}, which did not answer within ${CONFIRM_MS / 1000} s` };
  }

  /** The last step of a reload that may fail. */
  async #changeShipping(settings: Settings): Promise<void> {
    const before = shippingStart(this.#settings, 0);
    const start = shippingStart(settings, this.#routing + 1);
    if (isDeepStrictEqual([before.pipelines, before.settings.sinks], [start.pipelines, start.settings.sinks])) {
      this.#shipping?.reload();
      return;
    }
    const shipping = this.#shipping;
    if (shipping === null) {
      if (hasSinks(settings)) {
        const first = this.#newShipping(start);
        await first.start();
        if (this.#stopping) {
          await first.stop(Date.now());
          throw new SensorError('sensor-stopped', 'Cannot take over the sinks', 'the sensor is stopping', 'Start it with them.');
        }
        this.#shipping = first;
      }
    } else if (hasSinks(settings)) {
      await shipping.change(start);
    } else {
      // What lies in the spool waits there for sinks of these names.
      this.#shipping = null;
      await shipping.stop(Date.now() + LAST_SINK_MS);
    }
    this.#routing = start.routing;
  }

  /** Workers take it over, with the table of the pipelines as they are now; they discard what nobody takes. */
  #takePolicy(policy: PolicySpec): void {
    const orders = { policy, routing: this.#routing, discard: this.#output === null && this.#shipping === null };
    if (isDeepStrictEqual(orders, this.#orders)) return;
    this.#orders = orders;
    this.workers.tell({ type: 'policy', ...orders });
  }

  setLogLevel(level: LogLevel): void {
    this.#log.setLevel(level);
  }

  watch(filter: CallFilter, onCalls: OnCalls, whole: boolean): () => void {
    const id = ++this.#watchId;
    this.#watchers.set(id, { watch: { id, filter, whole }, onCalls });
    this.workers.tell({ type: 'watch', watches: this.#watches() });
    return () => {
      this.#watchers.delete(id);
      this.workers.tell({ type: 'watch', watches: this.#watches() });
    };
  }

  async deadLetters(filter: LetterFilter): Promise<readonly LetterHead[]> {
    return await this.#shippingOrNone().letters(filter);
  }

  async replay(filter: LetterFilter): Promise<number> {
    const shipping = this.#shippingOrNone();
    const records = await shipping.replay(filter);
    this.#log.info('dead letters were put back into the spool', { records, ...filter });
    return records;
  }

  #shippingOrNone(): Shipping {
    if (this.#shipping !== null) return this.#shipping;
    throw new SensorError('usage', 'There are no dead letters', 'this sensor has no sink', 'Name one in sinks of its configuration.');
  }

  /** The pipelines and their rules, for the report. */
  #pipelines(): PipelineParts[] {
    return pipelinesOf(this.#settings).map(({ name, sinks }, i) => {
      const pipeline = this.#orders?.policy.pipelines[i];
      return { name, sinks, rules: [...(pipeline?.simple.rules ?? []), ...(pipeline?.advanced.rules ?? [])] };
    });
  }

  #watches(): Watch[] {
    return [...this.#watchers.values()].map((watcher) => watcher.watch);
  }

  #setOwn(address: OwnAddress, open: boolean): void {
    if (address.protocol !== 'tcp') return;
    const key = `${address.host} ${address.port}`;
    if (open) this.#own.set(key, address);
    else this.#own.delete(key);
    this.workers.tell({ type: 'own', sockets: this.#ownSockets() });
  }

  /** The sensor's own addresses; one that listens on all stands for each of the machine's. */
  #ownSockets(): OwnSocket[] {
    const sockets: OwnSocket[] = [];
    for (const { host, port } of this.#own.values()) {
      const all = host === '0.0.0.0' || host === '::';
      const hosts = all ? localAddresses() : [host];
      for (const one of hosts) {
        if (!parseAddress(one.replace(/%.*/, ''))) continue;
        const [a, b, c, d] = parsedAddress;
        sockets.push({ address: a === 0 && b === 0 && c === 0xffff ? [d, 0, 0, 0] : [a, b, c, d], port });
      }
    }
    return sockets;
  }

  /** Stops: no new packets, all that wait are read, the output is written, within `run.stopTimeoutMs`. */
  async stop(): Promise<SensorReport> {
    const untilAtMs = Date.now() + this.#settings.run.stopTimeoutMs;
    clearInterval(this.#lookTimer);
    this.#stopping = true;
    this.#log.info('stopping: no new packets are taken, those in the rings are read');
    this.#listening.deafen();
    this.#noteCounters(true);
    const inTime = await this.workers.stop(untilAtMs);
    await Promise.all([
      this.#output?.close(Math.max(untilAtMs, Date.now() + 1000)),
      this.#shipping?.stop(Math.max(untilAtMs, Date.now() + 1000)),
    ]);
    this.#ended = inTime;
    const report = this.report();
    await this.#closeServers();
    this.#listening.close();
    const flowsOpen = this.workers.lives.reduce((sum, life) => sum + life.flowsOpen, 0);
    const packetsLeft = this.workers.lives.reduce((sum, { pulse }) => sum + (pulse?.waitingPackets ?? 0), 0);
    if (!inTime || packetsLeft > 0) {
      const { stopTimeoutMs } = this.#settings.run;
      this.#log.warn('not all packets were read: the time to stop was over, or a worker was dead', { stopTimeoutMs, packetsLeft });
    }
    this.#log.info('stopped', { flowsOpen, ...statsLine(report) });
    for (const { name, total, parts, balances } of report.ledger) {
      if (!balances) this.#log.error('the ledger does not balance', { name, total, parts: Object.fromEntries(parts) });
    }
    return report;
  }

  async #closeServers(): Promise<void> {
    // A reload under way would open again what is closed here.
    await this.#reloading;
    await this.#metrics?.close();
    await this.#health?.close();
    await this.#control?.close();
  }
}
