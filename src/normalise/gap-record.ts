/**
 * GapRecord: the public record that stands in the stream of calls where a worker left something out because it could not
 * keep up. `schemas/gap.schema.json` is generated from this file; normalise/encode-gap.ts writes it.
 *
 * The sums over all gap records of a worker are its counters: calls.shed{bodies}, calls.shed{headers}, packets.dropped{shed}.
 */
import { z } from 'zod';
import { GAP_SCHEMA } from './causes.ts';

const timeUs = z.number().int().min(0);
const left = z.number().int().min(0);

export const gapRecordSchema = z.strictObject({
  schema: z.literal(GAP_SCHEMA),
  id: z.string().describe('sensor.epoch.worker.gN: N counts the gap records of the worker from 1. No call has such an id.'),
  fromUs: timeUs.describe('Packet time up to which nothing was missing, microseconds since 1970-01-01T00:00:00Z.'),
  toUs: timeUs.describe('Packet time when the record was written.'),
  shed: z
    .strictObject({
      bodies: left.describe('Calls that were written without their bodies.'),
      headers: left.describe('Calls that were written without bodies and headers.'),
      packets: left.describe('Packets of connections that were left out whole, or from some moment on.'),
    })
    .describe('How much was left out in this time; at least one is not 0.'),
});

export type GapRecord = z.infer<typeof gapRecordSchema>;
