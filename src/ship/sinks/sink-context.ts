/** What a sink is told of the sensor, and what it says of it in header fields of the configuration. */
import type { Batch } from '../batch.ts';

/** The part of the sensor's log that a sink needs. */
export interface SinkLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface SinkContext {
  readonly sensorId: string;
  /** Of Earshot. */
  readonly version: string;
  readonly log: SinkLog;
}

/** Fills in {batch}, {records}, {sensor} and {sink} in the values of header fields. */
export function filledHeaders(
  headers: Readonly<Record<string, string>>,
  batch: Batch,
  sink: string,
  { sensorId }: SinkContext,
): (readonly [name: string, value: string])[] {
  const values: Readonly<Record<string, string>> = { batch: batch.id, records: String(batch.records.length), sensor: sensorId, sink };
  return Object.entries(headers).map(([name, template]) => [
    name,
    template.replace(/\{(batch|records|sensor|sink)\}/g, (_all, key: string) => values[key]),
  ]);
}
