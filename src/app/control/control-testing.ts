/** For tests: what a control socket needs of a sensor, with calls that the test hands on. */
import type { LogLevel } from '../../base/settings.ts';
import type { ApiCall } from '../../normalise/api-call.ts';
import type { LetterFilter, LetterHead } from '../../ship/dead-letters.ts';
import { type CallFilter, compileCallFilter } from '../call-filter.ts';
import type { CallLine } from '../call-line.ts';
import type { SensorReport } from '../report.ts';
import { sampleReport } from '../report-testing.ts';
import type { OnCalls, SensorControl } from './protocol.ts';

export class TestSensor implements SensorControl {
  readonly #watchers = new Map<OnCalls, { readonly fits: (call: CallLine) => boolean; readonly whole: boolean }>();
  current: SensorReport = sampleReport();
  /** What `reload` answers. */
  reloaded: { ok: boolean; text: string } = { ok: true, text: 'capture.ringBytes: 67108864 -> 134217728; 1 setting changed' };
  level: LogLevel = 'info';
  letters: readonly LetterHead[] = [];
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

  watch(filter: CallFilter, onCalls: OnCalls, whole: boolean): () => void {
    this.#watchers.set(onCalls, { fits: compileCallFilter(filter), whole });
    return () => this.#watchers.delete(onCalls);
  }

  deadLetters({ sink }: LetterFilter): Promise<readonly LetterHead[]> {
    return Promise.resolve(this.letters.filter((letter) => sink === undefined || sink === letter.sink));
  }

  async replay(filter: LetterFilter): Promise<number> {
    const replayed = await this.deadLetters(filter);
    this.letters = this.letters.filter((letter) => !replayed.includes(letter));
    return replayed.length;
  }

  emit(calls: readonly CallLine[], skipped = 0): void {
    for (const [onCalls, { fits, whole }] of this.#watchers) {
      const fitting = calls.filter(fits);
      onCalls(whole ? fitting : fitting.map(({ record: _, ...line }) => line), skipped);
    }
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

/** The masked record of a login that was refused. */
export function sampleRecord(): ApiCall {
  const text = '{"user":"anna",\n"password":"***","pin":"***"}';
  const inBody = { rule: 'password', kind: 'field', in: 'request.body' };
  return {
    schema: 'earshot.api-call/1',
    id: `edge-7.test.0.${++sequence}`,
    complete: true,
    client: { address: '10.0.0.9', port: 40_001 },
    server: { address: '10.0.1.2', port: 8080 },
    clientIp: { address: '10.0.0.9', source: 'connection' },
    scheme: 'http',
    host: 'shop.example',
    pathTemplate: '/login',
    request: {
      firstByteUs: 1_772_359_200_123_456,
      lastByteUs: 1_772_359_200_123_456,
      method: 'POST',
      target: '/login?next=%2F',
      path: '/login',
      query: 'next=%2F',
      version: '1.1',
      headers: [
        ['Host', 'shop.example'],
        ['Authorization', 'Bearer ***'],
        ['Content-Type', 'application/json'],
      ],
      body: { bytes: 61, kept: text.length, text, contentType: 'application/json' },
    },
    response: {
      firstByteUs: 1_772_359_200_135_801,
      lastByteUs: 1_772_359_200_135_801,
      status: 401,
      reason: 'Unauthorized',
      version: '1.1',
      headers: [['Content-Type', 'application/octet-stream']],
      body: { bytes: 1_234, kept: 1_234, base64: 'AAEC' },
    },
    latencyUs: 12_345,
    connection: { depth: 1, interface: 0 },
    encapsulation: [],
    filters: [{ pipeline: 'default', rule: 'otherwise' }],
    masked: {
      found: 3,
      places: [
        { rule: 'bearer', kind: 'bearer', in: 'request.header', field: 'Authorization', at: 7, end: 10 },
        { ...inBody, field: 'password', at: 29, end: 32 },
        { ...inBody, field: 'pin', at: 41, end: 44 },
      ],
    },
  };
}
