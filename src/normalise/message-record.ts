/**
 * MessageRecord: the public record of one message of a WebSocket connection, where `websocket.messages` asks for it. Its call is
 * the handshake. `schemas/websocket.schema.json` is generated from this file; normalise/encode-message.ts writes it.
 */
import { z } from 'zod';
import { maskedSchema } from './api-call.ts';
import { MESSAGE_SCHEMA } from './causes.ts';

const timeUs = z.number().int().min(0);
const amount = z.number().int().min(0);
const endpoint = z.strictObject({ address: z.string(), port: z.number().int().min(0).max(65535) });

/** Why a message has no content although it had some. */
export const contentCauses = ['gap', 'limit', 'extension'] as const;

export const messageRecordSchema = z.strictObject({
  schema: z.literal(MESSAGE_SCHEMA),
  id: z.string().describe('sensor.epoch.worker.mN: N counts the message records of the worker from 1. No call has such an id.'),
  call: z.string().describe('Id of the call that is the handshake of the connection.'),
  client: endpoint,
  server: endpoint,
  host: z.string().nullable().describe('Of the handshake, as in its record.'),
  path: z.string().nullable().describe('Of the handshake, as in its record, without the query; null: not known, or longer than 2 KiB.'),
  complete: z.boolean().describe('false: a part of the message was not captured, or its end was not seen.'),
  sender: z.enum(['client', 'server']),
  sequence: z
    .number()
    .int()
    .min(1)
    .describe('Which message of its sender on this connection it is, from 1. Numbers are missing where messages made no record.'),
  opcode: z.enum(['text', 'binary']),
  firstByteUs: timeUs.describe('Packet time of its first byte, microseconds since 1970-01-01T00:00:00Z.'),
  lastByteUs: timeUs,
  bytes: amount.describe('Payload as it was sent, all frames of it that were seen; of a compressed message the compressed bytes.'),
  fragments: z.number().int().min(2).optional().describe('Frames that it was sent in, where there was more than one.'),
  compressed: z.literal(true).optional().describe('Sent with permessage-deflate.'),
  inflatedBytes: amount.optional().describe('Of a compressed message, its length without compression, when it is known.'),
  body: z
    .strictObject({
      kept: amount.describe('Bytes of the content that are kept here, after masking.'),
      text: z.string().optional().describe('The content, when it is UTF-8.'),
      base64: z.string().optional().describe('The content, when it is not.'),
      cut: z.literal(true).optional().describe('It is not the whole content.'),
      unknown: z
        .enum(contentCauses)
        .optional()
        .describe(
          'Why there is none: what the compression refers to lay in a gap, or was not kept because of a limit (its size, the number of windows, overload); or it was sent with an extension that is not known, or whose handshake was not seen whole.',
        ),
    })
    .optional()
    .describe('Only with `websocket.messages: body`.'),
  shed: z
    .tuple([z.literal('bodies')])
    .optional()
    .describe('The content was left out because the worker could not keep up.'),
  masked: maskedSchema.optional(),
});

export type MessageRecord = z.infer<typeof messageRecordSchema>;
