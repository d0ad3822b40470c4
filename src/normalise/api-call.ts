/**
 * ApiCall: the versioned public record of one request with its response. `schemas/api-call.schema.json` is
 * generated from this file; normalise/encode.ts writes it as canonical JSON, byte for byte, without making objects.
 *
 * Strings that come from the wire (targets, header names and values, reasons): valid UTF-8 is kept as it is;
 * a string that is not valid UTF-8 is given as Latin-1, so that each byte is one character and none is lost.
 * Absent keys mean "does not apply"; `null` is used only where the schema says so.
 */
import { z } from 'zod';
import { causes, SCHEMA } from './causes.ts';

const timeUs = z.number().int().describe('Packet time, microseconds since 1970-01-01T00:00:00Z.');
const wire = z.string();
const headers = z.array(z.tuple([wire, wire])).describe('Name and value as on the wire, in order, with repeats.');

const headersIncomplete = z
  .literal(true)
  .optional()
  .describe('Fields of HTTP/2 are missing from `headers` or `trailers`, because what they refer to was not captured.');

const body = z
  .strictObject({
    bytes: z
      .number()
      .int()
      .min(0)
      .describe('True length: bytes of the body on the wire after transfer-decoding, holes included where their size is known.'),
    kept: z.number().int().min(0).describe('Bytes that `text` or `base64` stand for, after content-decoding.'),
    text: z.string().optional().describe('The kept bytes when they are valid UTF-8.'),
    base64: z.string().optional().describe('The kept bytes otherwise.'),
    coding: wire.optional().describe('Content-Encoding as sent.'),
    decoded: z.literal(true).optional().describe('The kept bytes were content-decoded.'),
    rendered: z
      .enum(['protobuf', 'json', 'base64'])
      .optional()
      .describe(
        '`text` is JSON made of the messages of gRPC or Protocol Buffers, a line for each: read as what this says. `kept` is its length.',
      ),
    cut: z.literal(true).optional().describe('More followed than was kept.'),
    gapBytes: z.number().int().min(1).optional().describe('Bytes of the body that were never captured.'),
    contentType: wire.optional(),
  })
  .describe('Body of one side. `kept` bytes are given as text or base64; neither key is there when nothing was kept.');

const endpoint = z.strictObject({
  address: z.string().describe('IPv4 dotted, IPv6 as RFC 5952.'),
  port: z.number().int().min(0).max(65535),
});

const layer = z
  .strictObject({
    type: z.enum(['vlan', 'mpls', 'pppoe', 'gre', 'erspan', 'ipip', 'vxlan', 'geneve', 'teredo', 'gtp', 'l2tp', 'nsh', 'other']),
    source: z.string().optional().describe('Outer source address.'),
    destination: z.string().optional().describe('Outer destination address.'),
    vni: z.number().int().optional().describe('VXLAN or GENEVE network identifier.'),
    vlan: z.number().int().optional().describe('VLAN identifier, 12 bit.'),
    key: z.number().int().optional().describe('GRE key, unsigned.'),
    session: z.number().int().optional().describe('ERSPAN or PPPoE session.'),
    label: z.number().int().optional().describe('MPLS label, 20 bit.'),
    teid: z.number().int().optional().describe('GTP-U tunnel endpoint identifier, unsigned.'),
  })
  .describe('One outer layer, outermost first.');

const oneOperation = {
  type: z.enum(['query', 'mutation', 'subscription', 'notification']).optional().describe('Of GraphQL; "notification" of JSON-RPC.'),
  name: wire.optional().describe('Of a GraphQL operation; method of JSON-RPC; action of SOAP, else the first element of its body.'),
  hash: z.string().optional().describe('Of a persisted GraphQL query: hexadecimal digits.'),
};

const operation = z
  .strictObject({
    protocol: z.enum(['graphql', 'json-rpc', 'soap']),
    ...oneOperation,
    batch: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe('Operations of the batch, of which this is the first; of a cut body those that were kept.'),
    others: z.array(z.strictObject(oneOperation)).optional().describe('The next operations of the batch, 7 at most.'),
  })
  .describe('What the call does where one URL serves many operations. What is not known is left out.');

const messages = z
  .strictObject({
    messages: z.number().int().min(0).describe('Messages, whatever is kept of the body.'),
    bytes: z.number().int().min(0).describe('Their bytes, compressed as they were, without the five before each.'),
    compressed: z.number().int().min(1).optional().describe('How many of them were compressed.'),
    encoding: z
      .enum(['gzip', 'deflate', 'snappy', 'zstd', 'br', 'lz4', 'x-snappy-framed', 'other'])
      .optional()
      .describe('grpc-encoding of that side, when it is not identity.'),
    incomplete: z.literal(true).optional().describe('There may be more: bytes were not captured, or a content-coding hides them.'),
  })
  .describe('Of one side.');

const grpc = z
  .strictObject({
    flavour: z.enum(['grpc', 'grpc-web', 'grpc-web-text']),
    service: wire.optional().describe('The last but one segment of the path: "shop.Cart".'),
    method: wire.optional().describe('The last one.'),
    status: z.number().int().min(0).optional().describe('grpc-status, wherever it was sent; not there when it was not seen.'),
    message: wire.optional().describe('grpc-message, its percent-coding undone.'),
    deadlineMs: z.number().int().min(0).optional().describe('grpc-timeout in milliseconds, rounded up.'),
    request: messages.optional(),
    response: messages.optional(),
  })
  .describe('What gRPC says of the call.');

const maskedPlace = z.strictObject({
  rule: z.string().describe('Name of the masking rule.'),
  kind: z.string().describe('Detector by which it was found; "field" for a name, "pattern" for one of the user.'),
  in: z
    .string()
    .describe('request.body, response.header ...: side, and method, host, path, query, header, cookie, body, trailer or reason.'),
  field: z.string().optional().describe('Name of the header, cookie or parameter; path of the member, "items.0.card".'),
  at: z.number().int().min(0).describe('First byte of the masked value in the text of its place, as it stands in the record.'),
  end: z.number().int().min(0).describe('One past its last byte.'),
});

/** What was masked in a record. */
export const maskedSchema = z.strictObject({
  found: z.number().int().min(0).describe('Sensitive values that were found.'),
  reported: z.number().int().min(1).optional().describe('How many of them were only reported, by their rule, and stand as they were.'),
  places: z.array(maskedPlace).optional().describe('The first 256 of them.'),
});

export const apiCallSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  id: z.string().describe('sensor.epoch.worker.sequence; never changes.'),
  complete: z.boolean().describe('Request and response are whole (bodies may still be cut at the keep limit).'),
  causes: z.array(z.enum(causes)).optional().describe('Why the call is not complete.'),
  client: endpoint,
  server: endpoint,
  clientIp: z
    .strictObject({
      address: z.string(),
      source: z.enum(['connection', 'proxy-protocol', 'forwarded', 'x-forwarded-for', 'x-real-ip']),
    })
    .describe('Best knowledge of the original client.'),
  scheme: z.enum(['http', 'https']),
  host: z.string().nullable().describe('Host header or authority of the target, in lower case, port included.'),
  pathTemplate: z.string().nullable().describe('The path with identifiers replaced by their type: /users/{int}.'),
  operation: operation.optional(),
  grpc: grpc.optional(),
  request: z
    .strictObject({
      firstByteUs: timeUs,
      lastByteUs: timeUs,
      method: wire,
      target: wire.describe('Request target as on the wire.'),
      path: wire.describe('Path of the target.'),
      query: wire.optional().describe('What follows the first question mark, without it.'),
      version: z.string().describe('"0.9", "1.0", "1.1", "2", or what the wire said.'),
      headers,
      trailers: headers.optional(),
      headersIncomplete,
      body,
    })
    .nullable()
    .describe('null: the request was not captured.'),
  response: z
    .strictObject({
      firstByteUs: timeUs,
      lastByteUs: timeUs,
      status: z
        .number()
        .int()
        .min(0)
        .max(999)
        .nullable()
        .describe('null: an HTTP/0.9 response, which has none, or one of HTTP/2 whose status was not captured.'),
      reason: wire,
      version: z.string(),
      headers,
      trailers: headers.optional(),
      headersIncomplete,
      body,
    })
    .nullable()
    .describe('null: the response was not captured.'),
  latencyUs: z.number().int().optional().describe('Last byte of the request to first byte of the response.'),
  durationUs: z.number().int().optional().describe('First byte of the request to last byte of the response.'),
  connection: z.strictObject({
    depth: z.number().int().min(1).describe('Place of the call on its connection, from 1.'),
    midstream: z.literal(true).optional().describe('The connection was open before its first packet was seen.'),
    pushed: z.literal(true).optional().describe('HTTP/2: the server made the request up and sent the answer unasked (PUSH_PROMISE).'),
    interface: z.number().int().min(0).describe('Capture interface, counted from 0.'),
    tunnelled: z.enum(['connect', 'socks']).optional().describe('The call came inside a proxied connection.'),
  }),
  encapsulation: z.array(layer),
  weirds: z.array(z.string()).optional().describe('Oddities of this call, by name (docs/weirds.md).'),
  filters: z
    .array(z.strictObject({ pipeline: z.string(), rule: z.string().describe('"" when none fitted and the rest is let through.') }))
    .optional()
    .describe('Pipelines that let the call through, and by which of their rules.'),
  shed: z
    .array(z.enum(['bodies', 'headers']))
    .optional()
    .describe('What was left out of the record because the sensor was overloaded.'),
  masked: maskedSchema.optional().describe('What was masked; not there when the record was not masked at all.'),
});

export type ApiCall = z.infer<typeof apiCallSchema>;
