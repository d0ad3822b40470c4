/**
 * The metrics of the service: /metrics for Prometheus, and pushes to Graphite, StatsD and OTLP, as the settings say.
 * All are made from the report when they are asked for or due; nothing of this is on the path of a packet.
 */
import { parseListenAddress, parsePeerAddress } from '../../base/listen-address.ts';
import type { Settings } from '../../base/settings.ts';
import { type Listener, nobody, type OwnSockets, startListener, TEXT } from '../listener.ts';
import type { Log } from '../log.ts';
import type { SensorReport } from '../report.ts';
import { Graphite } from './graphite.ts';
import { Otlp } from './otlp.ts';
import { PROMETHEUS_TYPE, prometheusText } from './prometheus.ts';
import { Pusher, type Snapshot, type Target } from './push.ts';
import { StatsD } from './statsd.ts';
import { collect, type PushReport } from './table.ts';

export interface Metrics {
  /** Where /metrics is: "127.0.0.1:9090"; "" for nowhere. */
  readonly address: string;
  readonly pushes: readonly PushReport[];
  /** New settings, at once. Throws SensorError (listen-failed) and keeps the old ones when they cannot be used. */
  update(settings: Settings['metrics']): Promise<void>;
  /** Pushes a last time and closes everything. */
  close(): Promise<void>;
}

/** Throws SensorError (listen-failed). */
export async function startMetrics(
  settings: Settings['metrics'],
  report: () => SensorReport,
  log: Log,
  sockets: OwnSockets = nobody,
): Promise<Metrics> {
  const service = new Service(report, log, sockets);
  await service.update(settings);
  return service;
}

class Service implements Metrics {
  readonly #report: () => SensorReport;
  readonly #log: Log;
  readonly #sockets: OwnSockets;
  #settings: Settings['metrics'] | undefined;
  #listener: Listener | undefined;
  #pushers: Pusher[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(report: () => SensorReport, log: Log, sockets: OwnSockets) {
    this.#report = report;
    this.#log = log;
    this.#sockets = sockets;
  }

  get address(): string {
    return this.#listener?.address ?? '';
  }

  get pushes(): readonly PushReport[] {
    return this.#pushers.map((pusher) => pusher.report);
  }

  async update(settings: Settings['metrics']): Promise<void> {
    const before = this.#settings;
    if (before === undefined || before.listen !== settings.listen) await this.#listen(settings.listen);
    this.#settings = settings;
    if (before === undefined || pushed(before) !== pushed(settings)) {
      await this.#stopPushing(before);
      this.#startPushing(settings);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#stopPushing(this.#settings), this.#listener?.close()]);
    this.#listener = undefined;
    this.#settings = undefined;
  }

  async #listen(listen: string): Promise<void> {
    const before = this.#listener;
    // The same port on another address: the old one stands in the way of the new.
    const inTheWay = before !== undefined && before.port === parseListenAddress(listen)?.port;
    if (inTheWay) {
      await before.close();
      this.#listener = undefined;
    }
    try {
      const next = listen === '' ? undefined : await this.#open(listen);
      await this.#listener?.close();
      this.#listener = next;
    } catch (error) {
      if (inTheWay) this.#listener = await this.#open(before.address);
      throw error;
    }
  }

  #open(listen: string): Promise<Listener> {
    return startListener(
      listen,
      'the metrics port',
      (path) => {
        if (path !== '/metrics') return null;
        const snapshot = this.#snapshot();
        if (snapshot === null) return { status: 500, type: TEXT, body: 'the report could not be made; see the log\n' };
        return { status: 200, type: PROMETHEUS_TYPE, body: prometheusText(snapshot.prefix, snapshot.families) };
      },
      this.#sockets,
    );
  }

  #startPushing(settings: Settings['metrics']): void {
    const targets: Target[] = [];
    const graphite = parsePeerAddress(settings.graphite);
    const statsd = parsePeerAddress(settings.statsd);
    const first = statsd === null ? null : this.#snapshot();
    if (graphite !== null) targets.push(new Graphite(graphite, this.#sockets));
    if (statsd !== null) targets.push(new StatsD(statsd, this.#sockets, first));
    if (settings.otlp !== '') targets.push(new Otlp(settings.otlp, settings.otlpHeaders, this.#sockets));
    this.#pushers = targets.map((target) => new Pusher(target, settings.intervalMs, this.#log));
    if (targets.length === 0) return;
    this.#timer = setInterval(() => {
      const snapshot = this.#snapshot();
      if (snapshot !== null) for (const pusher of this.#pushers) pusher.push(snapshot);
    }, settings.intervalMs);
    this.#timer.unref();
  }

  async #stopPushing(settings: Settings['metrics'] | undefined): Promise<void> {
    clearInterval(this.#timer);
    if (settings === undefined || this.#pushers.length === 0) return;
    const snapshot = this.#snapshot(settings.prefix);
    const pushers = this.#pushers;
    this.#pushers = [];
    await Promise.all(pushers.map((pusher) => pusher.close(snapshot)));
  }

  /** null when there is no report, which is a fault of ours and must not end the service. */
  #snapshot(prefix: string = this.#settings?.prefix ?? ''): Snapshot | null {
    try {
      const report = this.#report();
      const { id, poolId, version, startedAtMs, nowAtMs } = report.sensor;
      const families = collect({ report, pushes: this.pushes, logErrors: this.#log.errors, logLost: this.#log.lost });
      return { prefix, sensorId: id, poolId, version, startedAtMs, atMs: nowAtMs, families };
    } catch (error) {
      this.#log.error('the report for the metrics could not be made; please report this', { error });
      return null;
    }
  }
}

/** What of the settings concerns pushing, as text that can be compared. */
function pushed({ listen: _, ...rest }: Settings['metrics']): string {
  return JSON.stringify(rest);
}
