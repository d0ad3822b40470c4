/**
 * What every setting means, and what it may be. The names and defaults are those of base/settings.ts; the
 * configuration file has the same names.
 */
import { z } from 'zod';
import { parseCidr } from './cidr.ts';
import { defaultSettings as defaults, type Settings } from './settings.ts';

const count = (n: number, max = 1e9): z.ZodDefault<z.ZodNumber> => z.number().int().min(0).max(max).default(n);
const KIB = 1024;
const MIB = 1024 * KIB;

const ports = (list: number[]): z.ZodDefault<z.ZodArray<z.ZodNumber>> => z.array(z.number().int().min(1).max(65535)).default(list);

export const settingsSchema: z.ZodType<Settings, unknown> = z.strictObject({
  sensor: z
    .strictObject({
      id: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/)
        .default(defaults.sensor.id)
        .describe('Name of this sensor; first part of every record id.'),
      poolId: z.string().max(64).default(defaults.sensor.poolId).describe('Group of sensors that this one belongs to.'),
    })
    .prefault({}),
  capture: z
    .strictObject({
      filesOpenMax: z
        .number()
        .int()
        .min(1)
        .max(12)
        .default(defaults.capture.filesOpenMax)
        .describe('Files that are read at the same time, to be merged by time.'),
    })
    .prefault({}),
  decode: z
    .strictObject({
      vni: z
        .enum(['isolate', 'merge'])
        .default(defaults.decode.vni)
        .describe('Whether equal addresses under two VNIs are two flows or one.'),
      depthMax: count(defaults.decode.depthMax, 64).describe('Headers below the transport header that one packet may nest.'),
      pathsMax: count(defaults.decode.pathsMax, 1 << 20).describe('Distinct encapsulation paths that are told apart.'),
      vxlanPorts: ports(defaults.decode.vxlanPorts).describe('UDP destination ports of VXLAN.'),
      genevePorts: ports(defaults.decode.genevePorts).describe('UDP destination ports of GENEVE.'),
      checksums: z
        .boolean()
        .default(defaults.decode.checksums)
        .describe('Verify checksums and count bad ones. A bad checksum never drops a packet.'),
    })
    .prefault({}),
  flow: z
    .strictObject({
      flowsMax: count(defaults.flow.flowsMax, 1 << 21).describe('Concurrent TCP connections.'),
      idleTimeoutMs: count(defaults.flow.idleTimeoutMs).describe('A connection without packets for so long is forgotten.'),
      halfOpenTimeoutMs: count(defaults.flow.halfOpenTimeoutMs).describe('The same for one that never carried data.'),
      closedLingerMs: count(defaults.flow.closedLingerMs).describe(
        'How long a closed connection is remembered, so that stragglers start no new one.',
      ),
      holeWaitMs: count(defaults.flow.holeWaitMs).describe('How long bytes behind a hole wait for a retransmission.'),
      ackedHoleWaitMs: count(defaults.flow.ackedHoleWaitMs).describe(
        'The same when the receiver acknowledged the missing bytes: they were lost on the way to the sensor or come late.',
      ),
      heldBytesMax: count(defaults.flow.heldBytesMax).describe('Bytes held behind holes of one connection.'),
      heldBytesTotalMax: count(defaults.flow.heldBytesTotalMax).describe('Bytes held behind holes of all connections.'),
      fragmentedPacketsMax: count(defaults.flow.fragmentedPacketsMax, 65536).describe('Fragmented IP packets under way.'),
      fragmentTimeoutMs: count(defaults.flow.fragmentTimeoutMs).describe('How long a fragmented packet waits for its parts.'),
    })
    .prefault({}),
  http: z
    .strictObject({
      bodyBytes: count(defaults.http.bodyBytes, 512 * KIB).describe('Bytes of each body that are kept, after decoding.'),
      headBytesMax: z.number().int().min(256).max(65_000).default(defaults.http.headBytesMax).describe('Bytes of one head.'),
      headersMax: z.number().int().min(8).max(4096).default(defaults.http.headersMax).describe('Header fields of one head.'),
      callsInFlightMax: count(defaults.http.callsInFlightMax, 1 << 20).describe(
        'Requests that wait for their response, all connections together.',
      ),
      pipelineMax: count(defaults.http.pipelineMax, 65536).describe('Unanswered requests on one connection.'),
      trustedProxies: z
        .array(z.string().refine((text) => parseCidr(text) !== null, 'wanted: an address or CIDR block, as 10.0.0.0/8'))
        .default(defaults.http.trustedProxies)
        .describe('CIDRs of proxies whose X-Forwarded-For, Forwarded and X-Real-IP are believed. Empty: every one.'),
    })
    .prefault({}),
  normalise: z
    .strictObject({
      duplicateWindowMs: count(defaults.normalise.duplicateWindowMs).describe(
        'Copies of one call under two tunnels or interfaces within this time are one. 0 switches it off.',
      ),
      duplicatesMax: count(defaults.normalise.duplicatesMax, 1 << 20).describe('Calls remembered for that.'),
      parkedBytesMax: count(defaults.normalise.parkedBytesMax).describe('Bytes of records that wait for a better copy.'),
    })
    .prefault({}),
  memory: z
    .strictObject({
      blockBytesMax: count(defaults.memory.blockBytesMax, 768 * MIB).describe(
        'Memory for cut heads, held segments, fragments and calls in flight.',
      ),
    })
    .prefault({}),
  formats: z
    .strictObject({
      uapEdgeVersion: z.string().max(16).default(defaults.formats.uapEdgeVersion).describe('The version field of the uap-edge format.'),
    })
    .prefault({}),
});
