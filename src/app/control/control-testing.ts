/** For tests: what a control socket needs of a sensor, with calls that the test hands on. */
import type { LogLevel } from '../../base/settings.ts';
import { type CallFilter, compileCallFilter } from '../call-filter.ts';
import type { CallLine } from '../call-line.ts';
import type { SensorReport } from '../report.ts';
import { sampleReport } from '../report-testing.ts';
import type { OnCalls, SensorControl } from './protocol.ts';

export class TestSensor implements SensorControl {
  readonly #watchers = new Map<OnCalls, (call: CallLine) => boolean>();
  current: SensorReport = sampleReport();
  /** What `reload` answers. */
  reloaded: { ok: boolean; text: string } = { ok: true, text: 'capture.ringBytes: 67108864 -> 134217728; 1 setting changed' };
  level: LogLevel = 'info';
  /** Reports asked for. */
  reports = 0;

  get watchers(): number {
    return this.#watchers.size;
  }

  report(): SensorReport {
    this.reports++;
    return this.current;
  }

  reload(): Promise<{ ok: boolean; text: string }> {
    return Promise.resolve(this.reloaded);
  }

  setLogLevel(level: LogLevel): void {
    this.level = level;
  }

  watch(filter: CallFilter, onCalls: OnCalls): () => void {
    this.#watchers.set(onCalls, compileCallFilter(filter));
    return () => this.#watchers.delete(onCalls);
  }

  emit(calls: readonly CallLine[], skipped = 0): void {
    for (const [onCalls, fits] of this.#watchers) onCalls(calls.filter(fits), skipped);
  }
}

let sequence = 0;

/** A call to a shop; every one has an id of its own. */
export function sampleCall(changes: Partial<CallLine> = {}): CallLine {
  return {
    id: `edge-7.test.0.${++sequence}`,
    time: '2026-03-01T10:00:00.123456Z',
    client: '10.0.0.9',
    clientPort: 40_001,
    server: '10.0.1.2',
    serverPort: 8080,
    tunnel: 'vxlan 5',
    method: 'GET',
    host: 'shop.example',
    path: '/orders/17',
    template: '/orders/{int}',
    status: 200,
    requestBytes: 0,
    responseBytes: 1_234,
    latencyUs: 12_345,
    complete: true,
    ...changes,
  };
}
