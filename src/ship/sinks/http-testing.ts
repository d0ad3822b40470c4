/** Settings and batches for tests and benches of what is sent over HTTP. */
import type { HttpSinkSettings, TlsSettings } from '../../base/settings.ts';
import type { Batch } from '../batch.ts';
import type { Outcome, Problem } from '../sink.ts';
import type { SinkContext } from './sink-context.ts';

export const plainTls: TlsSettings = { caFile: '', systemCa: false, certificateFile: '', keyFile: '', serverName: '' };

export function sinkSettings(url: string, caFile: string, changes: Partial<HttpSinkSettings> = {}): HttpSinkSettings {
  return {
    type: 'uap-edge',
    url,
    format: 'uap-edge',
    headers: {},
    auth: { type: 'none' },
    tls: { ...plainTls, caFile },
    proxy: '',
    proxyUser: '',
    proxyPassword: null,
    http2: false,
    compression: 'none',
    requestTimeoutMs: 5000,
    concurrencyMax: 4,
    batch: { recordsMax: 1000, bytesMax: 1 << 20, ageMsMax: 1000 },
    ...changes,
  };
}

/** `count` records whose ids are id-0, id-1 ... */
export function makeBatch(id: string, count = 2, padding = 0): Batch {
  const records = Array.from({ length: count }, (_none, i) => {
    const record = { 'transaction-id': `${id}-${i}`, ...(padding > 0 ? { padding: 'x'.repeat(padding) } : {}) };
    return { sequence: i + 1, id: `${id}-${i}`, key: '', bytes: Buffer.from(`${JSON.stringify(record)}\n`) };
  });
  const whole = Buffer.concat(records.map(({ bytes }) => bytes));
  return { id, records, body: () => whole, mediaType: 'application/x-ndjson', bytes: whole.length, acceptedAtMs: 0 };
}

/** What a sink logged: message and code. */
export interface Logged {
  readonly message: string;
  readonly code: unknown;
}

export function sinkContext(logged: Logged[] = []): SinkContext {
  const note = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => void logged.push({ message, code: fields.code });
  return { sensorId: 'sensor-7', version: '1.2.3', log: { info: note, warn: note } };
}

/** "retry connection-refused", "delivered" */
export function shortly(outcome: Outcome): string {
  return 'problem' in outcome ? `${outcome.type} ${outcome.problem.code}` : outcome.type;
}

export function problemOf(outcome: Outcome): Problem {
  return 'problem' in outcome ? outcome.problem : { code: outcome.type, what: '', next: '' };
}

export const never: AbortSignal = new AbortController().signal;
