/**
 * http: any end-point that takes a list of JSON documents or lines by POST. Header fields are the configuration's, with
 * {batch}, {records}, {sensor} and {sink} in their values.
 *
 *   POST /in HTTP/1.1
 *   Content-Type: application/x-ndjson        that of the format
 *   Idempotency-Key: 7f3a...                  id of the batch, the same when it is sent again
 *   Content-Encoding: gzip                    with compression: gzip
 *   Authorization: Bearer ...                 by auth
 *
 * What the statuses mean is in status-problems.ts, replies for single records in http-reply.ts.
 */
import type { HttpSinkSettings } from '../../base/settings.ts';
import { type EmptyBatchFraming, HttpSink, type HttpSinkKind } from './http-sink.ts';
import type { SinkContext } from './sink-context.ts';
import { uapEdgeKind } from './uap-edge.ts';

const httpKind: HttpSinkKind = { check: () => null, tokenLifeMs: 300_000 };

/** Throws SensorError (config-invalid) for a URL or headers that cannot be; unusable certificates only block. */
export function createHttpSink(name: string, settings: HttpSinkSettings, context: SinkContext, framing?: EmptyBatchFraming): HttpSink {
  return new HttpSink(name, settings, context, settings.type === 'uap-edge' ? uapEdgeKind : httpKind, framing);
}
