/**
 * ClosingRecord: the public record that follows when a call ends that had been reported while it was still open, or a
 * WebSocket connection, whose call is its handshake. It refers to the record of the call and holds no content.
 * `schemas/closing.schema.json` is generated from this file; normalise/encode-closing.ts writes it.
 */
import { z } from 'zod';
import { CLOSING_SCHEMA, causes } from './causes.ts';

const timeUs = z.number().int().min(0);
const amount = z.number().int().min(0);
const endpoint = z.strictObject({ address: z.string(), port: z.number().int().min(0).max(65535) });
const side = {
  firstByteUs: timeUs.describe('Packet time of the first byte of the message.'),
  lastByteUs: timeUs,
  bytes: amount.describe('Bytes of the body in all, those that were never captured included.'),
  gapBytes: amount.optional().describe('Of these, bytes that were never captured.'),
};

const webSocketSide = z.strictObject({
  text: amount.describe('Messages of text.'),
  binary: amount,
  controls: amount.describe('Ping, pong and Close frames.'),
  bytes: amount.describe('Bytes of the messages as they were sent: compressed ones count compressed.'),
});

export const closingRecordSchema = z.strictObject({
  schema: z.literal(CLOSING_SCHEMA),
  id: z.string().describe('sensor.epoch.worker.cN: N counts the closing records of the worker from 1. No call has such an id.'),
  call: z.string().describe('Id of the call that is over.'),
  complete: z.boolean().describe('The call ended by itself, and nothing of it was missed.'),
  causes: z.array(z.enum(causes)).optional().describe('Why it is not complete: causes of the call and of its end.'),
  client: endpoint,
  server: endpoint,
  timeUs: timeUs.describe('Packet time when it was known to be over, microseconds since 1970-01-01T00:00:00Z.'),
  durationUs: amount.describe('First byte to last byte of the call.'),
  request: z.strictObject(side).nullable().describe('null: the request was not captured.'),
  response: z
    .strictObject({ ...side, status: z.number().int().min(0).max(999).nullable().describe('null: not known.') })
    .nullable()
    .describe('null: no response came, or it was not captured.'),
  grpc: z
    .strictObject({
      status: amount.nullable().describe('grpc-status; null: not seen.'),
      requestMessages: amount,
      responseMessages: amount,
    })
    .optional()
    .describe('The messages of a call of gRPC.'),
  websocket: z
    .strictObject({
      code: amount.nullable().describe('Code of the first Close frame; null: none came, or it had none.'),
      client: webSocketSide,
      server: webSocketSide,
    })
    .optional()
    .describe('The messages of a WebSocket connection.'),
});

export type ClosingRecord = z.infer<typeof closingRecordSchema>;
