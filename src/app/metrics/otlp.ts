/**
 * OTLP over HTTP with JSON: one ExportMetricsServiceRequest an interval.
 *
 *   { resourceMetrics: [ { resource, scopeMetrics: [ { scope, metrics: [
 *     { name, description, unit, sum:   { aggregationTemporality: 2, isMonotonic: true, dataPoints } },
 *     { name, description, unit, gauge: { dataPoints } } ] } ] } ] }
 *
 * Counters are cumulative sums since the start of the sensor, so an interval that was dropped loses nothing. In JSON,
 * integers of 64 bits are strings and enumerations numbers. Redirects are not followed. The values of the header
 * fields are secrets: they are read anew for each request, so that a renewed token is taken up, and are never logged.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { readSecret } from '../../base/secret.ts';
import type { Secret } from '../../base/settings.ts';
import type { OwnAddress, OwnSockets } from '../listener.ts';
import { type Snapshot, type Target, tooSlow } from './push.ts';

const CUMULATIVE = 2;
const REPLY_BYTES_MAX = 64 << 10;

type Attribute = { readonly key: string; readonly value: { readonly stringValue: string } };

function attribute(key: string, value: string): Attribute {
  return { key, value: { stringValue: value } };
}

function nanoseconds(ms: number): string {
  return `${BigInt(Math.round(ms * 1000)) * 1000n}`;
}

/** UCUM unit that the name ends with. */
function unitOf(name: string): string {
  const base = name.replace(/_total$/, '');
  if (base.endsWith('_seconds')) return 's';
  if (base.endsWith('_bytes')) return 'By';
  return '1';
}

/** The request as JSON. */
export function otlpJson(snapshot: Snapshot): string {
  const startTimeUnixNano = nanoseconds(snapshot.startedAtMs);
  const timeUnixNano = nanoseconds(snapshot.atMs);
  const metrics = snapshot.families.map(({ metric, samples }) => {
    const dataPoints = samples
      .filter(([value]) => Number.isFinite(value))
      .map(([value, ...labels]) => ({
        attributes: labels.map((label, i) => attribute(metric.labels[i], label)),
        ...(metric.kind === 'counter' ? { startTimeUnixNano } : {}),
        timeUnixNano,
        ...(Number.isSafeInteger(value) ? { asInt: String(value) } : { asDouble: value }),
      }));
    return {
      name: `${snapshot.prefix}_${metric.name}`,
      description: metric.meaning,
      unit: unitOf(metric.name),
      ...(metric.kind === 'counter'
        ? { sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints } }
        : { gauge: { dataPoints } }),
    };
  });
  const resource = {
    attributes: [
      attribute('service.name', 'earshot'),
      attribute('service.version', snapshot.version),
      attribute('service.instance.id', snapshot.sensorId),
      attribute('service.namespace', snapshot.poolId),
    ],
  };
  const scopeMetrics = [{ scope: { name: 'earshot', version: snapshot.version }, metrics }];
  return JSON.stringify({ resourceMetrics: [{ resource, scopeMetrics }] });
}

export class Otlp implements Target {
  readonly name = 'otlp';
  readonly place: string;
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, Secret>>;
  readonly #sockets: OwnSockets;
  readonly #agent: HttpAgent;
  readonly #known = new WeakSet<Socket>();

  constructor(url: string, headers: Readonly<Record<string, Secret>>, sockets: OwnSockets) {
    this.#url = new URL(url);
    if (this.#url.pathname === '/') this.#url.pathname = '/v1/metrics';
    this.#headers = headers;
    this.#sockets = sockets;
    this.#agent = new (this.#url.protocol === 'https:' ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: 1 });
    // A query may hold a key.
    this.place = `${this.#url.origin}${this.#url.pathname}`;
  }

  send(snapshot: Snapshot, timeoutMs: number): Promise<void> {
    const body = Buffer.from(otlpJson(snapshot));
    const headers: Record<string, string | number> = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    return new Promise((done, fail) => {
      for (const [name, secret] of Object.entries(this.#headers)) headers[name] = readSecret(secret);
      const make = this.#url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = make(this.#url, { method: 'POST', headers, agent: this.#agent }, (response) => {
        let reply = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          if (reply.length < REPLY_BYTES_MAX) reply += text;
        });
        response.on('error', fail);
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status < 200 || status > 299) fail(new Error(`it answers with status ${status}`));
          else {
            const rejected = rejectedPoints(reply);
            if (rejected > 0) fail(new Error(`it rejects ${rejected} of the values`));
            else done();
          }
        });
      });
      // The whole exchange has a time, not each pause in it.
      const timer = setTimeout(() => request.destroy(tooSlow()), timeoutMs);
      request.on('close', () => clearTimeout(timer));
      request.on('socket', (socket) => this.#note(socket));
      request.on('error', fail);
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The agent uses a socket again: it is the sensor's own until it closes. */
  #note(socket: Socket): void {
    if (this.#known.has(socket)) return;
    this.#known.add(socket);
    let own: OwnAddress | undefined;
    const connected = (): void => {
      own = { host: socket.localAddress ?? '', port: socket.localPort ?? 0, protocol: 'tcp' };
      this.#sockets.own(own);
    };
    if (socket.connecting) socket.once('connect', connected);
    else connected();
    socket.once('close', () => {
      if (own !== undefined) this.#sockets.ownClosed(own);
    });
  }
}

/** `partialSuccess.rejectedDataPoints` of a reply; 0 where it has none. */
function rejectedPoints(reply: string): number {
  try {
    const { partialSuccess } = JSON.parse(reply) as { partialSuccess?: { rejectedDataPoints?: string | number } };
    return Number(partialSuccess?.rejectedDataPoints ?? 0) || 0;
  } catch {
    return 0;
  }
}
