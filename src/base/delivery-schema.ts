/**
 * What the settings of policy, pipelines, sinks and spool mean, and what they may be. Pipelines and sinks are maps by
 * name; a sink's `type` says which settings it has.
 */
import { z } from 'zod';
import { parsePeerAddress } from './listen-address.ts';
import { secret } from './secret-schema.ts';
import { defaultSettings as defaults, type PipelineSettings, type SinkSettings } from './settings.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

const NAME_WANTED = 'a name of 1 to 64 letters, digits, - and _ that begins with a letter or digit';
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const name: z.ZodString = z.string().regex(NAME).meta({ title: NAME_WANTED });

const filePath: z.ZodString = z
  .string()
  .max(4096)
  .refine((given) => !given.includes('\0'))
  .meta({ title: 'path of a file, or empty' });

const whole = (min: number, max: number, n: number): z.ZodDefault<z.ZodNumber> => z.number().int().min(min).max(max).default(n);

function isUrl(given: string, protocols: RegExp): boolean {
  const url = URL.parse(given);
  return url !== null && protocols.test(url.protocol) && url.username === '' && url.password === '' && url.hash === '';
}
const URL_WANTED = 'an http:// or https:// URL without user, password and fragment';
const httpUrl: z.ZodString = z
  .string()
  .max(2048)
  .refine((given) => isUrl(given, /^https?:$/), `wanted: ${URL_WANTED}`)
  .meta({ title: URL_WANTED });
const PROXY_WANTED = 'an http:// or https:// URL without user and password, environment, or empty';
const proxyUrl: z.ZodString = z
  .string()
  .max(2048)
  .refine((given) => given === '' || given === 'environment' || isUrl(given, /^https?:$/), `wanted: ${PROXY_WANTED}`)
  .meta({ title: PROXY_WANTED });

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const headerFields = z
  .record(
    z.string().regex(FIELD_NAME).meta({ title: 'the name of a header field' }),
    z
      .string()
      .max(2048)
      .regex(/^[\t\x20-\x7e]*$/),
  )
  .default({})
  .meta({
    title: 'names of header fields, each with its text',
    description: 'Further header fields by name. {batch}, {records}, {sensor} and {sink} in a value stand for what they say.',
  });

function batchSettings(recordsMax: number, bytesMax: number, ageMsMax: number) {
  return z
    .strictObject({
      recordsMax: whole(1, 100_000, recordsMax).describe('Calls that go at once at most.'),
      bytesMax: whole(16 * KIB, 64 * MIB, bytesMax).describe('Bytes that go at once at most, before compression.'),
      ageMsMax: whole(1, 600_000, ageMsMax).describe('How long the first call waits for others.'),
    })
    .prefault({});
}

const tls = z
  .strictObject({
    caFile: filePath.default('').describe('Certificates (PEM) that are trusted besides those of the system.'),
    systemCa: z.boolean().default(true).describe('Whether the certificates of the system are trusted.'),
    certificateFile: filePath.default('').describe('Own certificate (PEM) with its chain, for mutual TLS.'),
    keyFile: filePath.default('').describe('Its key (PEM).'),
    serverName: z.string().max(253).default('').describe('Name that the certificate of the other side must have. Empty: that of the URL.'),
  })
  .prefault({})
  .refine((given) => (given.certificateFile === '') === (given.keyFile === ''), 'wanted: certificateFile and keyFile together');

const noAuth = z.strictObject({ type: z.literal('none') });
const oauth2 = z.strictObject({
  type: z.literal('oauth2'),
  tokenUrl: httpUrl.describe('Token end-point (RFC 6749, client credentials).'),
  clientId: z.string().min(1).max(1024).describe('Name of the client at the token end-point.'),
  clientSecret: secret.describe('Where its secret is; it is read again for each token.'),
  scope: z.string().max(1024).default('').describe('Scope that is asked for. Empty: none is named.'),
  audience: z.string().max(1024).default('').describe('Audience that is asked for. Empty: none is named.'),
  clientAuthentication: z.enum(['basic', 'post']).default('basic').describe('How the client proves itself at the token end-point.'),
});
const auth = z
  .discriminatedUnion('type', [
    noAuth,
    z.strictObject({
      type: z.literal('token'),
      token: secret.describe('Where the bearer token is; a file is read again when it changed.'),
    }),
    z.strictObject({
      type: z.literal('basic'),
      user: z.string().min(1).max(1024).describe('Name of the user.'),
      password: secret.describe('Where the password is; a file is read again when it changed.'),
    }),
    oauth2,
  ])
  .default({ type: 'none' })
  .describe('How the sensor proves itself: none, token (bearer), basic, oauth2 (client credentials).');

const formatNames = ['jsonl', 'uap-edge', 'zeek-http', 'zeek-json', 'har', 'ecs'] as const;
const format = (n: string) =>
  z
    .enum(formatNames)
    .default(n as 'jsonl')
    .describe('Format of the records (README.md says what each is).');

const httpSettings = {
  url: httpUrl.describe('Where batches are posted to.'),
  headers: headerFields,
  auth,
  tls,
  proxy: proxyUrl.default('').describe('HTTP proxy. environment: what HTTPS_PROXY and NO_PROXY say.'),
  proxyUser: z.string().max(1024).default('').describe('Name of the user at the proxy. Empty: it wants none.'),
  proxyPassword: secret.nullable().default(null).describe('Where the password for the proxy is. Not given: it wants none.'),
  http2: z.boolean().default(true).describe('Whether HTTP/2 is used where the other side offers it.'),
  compression: z.enum(['none', 'gzip']).default('gzip').describe('Content-coding of requests.'),
  requestTimeoutMs: whole(100, 600_000, 30_000).describe('How long one request may take.'),
  concurrencyMax: whole(1, 256, 16).describe('Requests under way at the same time at most; fewer when the other side is slow.'),
  batch: batchSettings(500, MIB, 1000),
};

const TYPE = 'What kind of sink it is.';

const BROKER_WANTED = 'HOST:PORT of a broker';
const kafka = z.strictObject({
  type: z.literal('kafka').describe(TYPE),
  brokers: z
    .array(
      z
        .string()
        .max(300)
        .refine((given) => parsePeerAddress(given) !== null, `wanted: ${BROKER_WANTED}`)
        .meta({ title: BROKER_WANTED }),
    )
    .min(1)
    .max(64)
    .describe('Brokers that are asked first; the others are learned from them.'),
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/)
    .meta({ title: '1 to 249 letters, digits, dots, - and _', description: 'Topic that calls are written to. It must be there.' }),
  format: format('jsonl'),
  clientId: z.string().min(1).max(255).default('earshot').describe('Name by which the brokers know the sensor, in quotas and logs.'),
  useTls: z.boolean().default(true).describe('Whether the brokers are spoken to by TLS.'),
  tls,
  sasl: z
    .discriminatedUnion('mechanism', [
      z.strictObject({ mechanism: z.literal('none') }),
      z.strictObject({
        mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
        user: z.string().min(1).max(1024).describe('Name of the user.'),
        password: secret.describe('Where the password is.'),
      }),
      z.strictObject({
        mechanism: z.literal('oauthbearer'),
        auth: z.discriminatedUnion('type', [oauth2]).describe('Where the token comes from.'),
      }),
      z.strictObject({
        mechanism: z.literal('aws-msk-iam'),
        region: z
          .string()
          .regex(/^[a-z0-9-]{1,32}$/)
          .describe('Region of the cluster, as eu-central-1.'),
      }),
    ])
    .default({ mechanism: 'none' })
    .describe('How the sensor proves itself to the brokers.'),
  key: z
    .enum(['client', 'connection', 'none'])
    .default('client')
    .describe('What decides over the partition: calls of one client, or of one connection, stay together.'),
  headers: headerFields,
  compression: z.enum(['none', 'gzip', 'lz4', 'zstd', 'snappy']).default('lz4').describe('Of what goes to the brokers.'),
  idempotent: z.enum(['auto', 'yes', 'no']).default('auto').describe('auto: where the cluster allows it.'),
  messageBytesMax: whole(KIB, 64 * MIB, 1_000_000).describe('Larger records are dead letters; message.max.bytes of the topic.'),
  requestTimeoutMs: whole(100, 600_000, 30_000).describe('How long one request may take.'),
  concurrencyMax: whole(1, 64, 5).describe('Batches under way at the same time at most.'),
  batch: batchSettings(2000, MIB, 100),
});

const sink = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('uap-edge').describe(TYPE),
    format: z.literal('uap-edge').default('uap-edge').describe('Format of the records.'),
    ...httpSettings,
  }),
  z.strictObject({ type: z.literal('http').describe(TYPE), format: format('jsonl'), ...httpSettings }),
  kafka,
  z.strictObject({
    type: z.literal('file').describe(TYPE),
    path: filePath.min(1).meta({ title: 'path of a file', description: 'File that calls are written to.' }),
    format: format('jsonl'),
    rotateBytes: whole(64 * KIB, 64 * GIB, 256 * MIB).describe('A file that has become so large is closed, and the next one begun.'),
    rotateHours: whole(0, 24 * 365, 24).describe(
      'The same at the end of a period of this length, counted in UTC: 24 is at midnight. 0: never.',
    ),
    filesMax: whole(1, 10_000, 10).describe('Files that are kept, the one that is written included.'),
    batch: batchSettings(5000, 4 * MIB, 200),
  }),
  z.strictObject({ type: z.literal('stdout').describe(TYPE), format: format('jsonl'), batch: batchSettings(5000, MIB, 100) }),
]);

export const sinksSchema: z.ZodType<Record<string, SinkSettings>, unknown> = z.record(name, sink).default({}).meta({
  title: 'a map: a name for each sink, and its settings',
  description: 'Where calls are delivered to, by name (docs/delivery.md).',
});

export const pipelinesSchema: z.ZodType<Record<string, PipelineSettings>, unknown> = z
  .record(
    name,
    z.strictObject({
      filtersSimpleFile: filePath.default('').describe('Simple filters (docs/filters.md). Empty: those that are shipped.'),
      filtersAdvancedFile: filePath.default('').describe('Advanced filters. Empty: none.'),
      sampling: z
        .strictObject({
          share: z.number().min(0).max(1).default(1).describe('Part of the calls that are taken, 0 to 1.'),
          key: z
            .enum(['call', 'client', 'connection', 'session'])
            .default('call')
            .describe('Calls with the same key are taken or left together.'),
        })
        .prefault({}),
      sinks: z.array(name).max(32).default([]).describe('Names of sinks. Empty: all of them.'),
    }),
  )
  .default({})
  .meta({
    title: 'a map: a name for each pipeline, and its settings',
    description: 'Which calls go to which sinks, by name. None: what the shipped filters let through goes to all sinks.',
  });

export const policySchema = z
  .strictObject({
    maskingFile: filePath.default(defaults.policy.maskingFile).describe('Masking rules (docs/masking.md). Empty: those that are shipped.'),
    descriptorFiles: z
      .array(filePath.min(1))
      .max(64)
      .default(defaults.policy.descriptorFiles)
      .describe('Descriptors of Protocol Buffers (FileDescriptorSet), which name the fields of gRPC messages (docs/protocols.md).'),
    maskingKey: secret
      .nullable()
      .default(defaults.policy.maskingKey)
      .describe(
        'Key of the actions hash and format-preserving: 32 bytes in hexadecimal or base64. Not given: one that is made and kept beside the spool.',
      ),
  })
  .prefault({});

export const spoolSchema = z
  .strictObject({
    directory: filePath
      .default(defaults.spool.directory)
      .describe(
        'Where calls wait for delivery. Empty: $STATE_DIRECTORY/spool, else /var/lib/earshot/spool for root, else ~/.local/state/earshot/spool.',
      ),
    level: z
      .enum(['disk', 'os', 'memory'])
      .default(defaults.spool.level)
      .describe('When a call counts as accepted: disk (synced), os (written), memory.'),
    bytesMax: whole(MIB, 64 * TIB, defaults.spool.bytesMax).describe('Bytes on disk; beyond it the oldest go, counted.'),
    ageHoursMax: whole(1, 24 * 365, defaults.spool.ageHoursMax).describe('Older calls go, counted.'),
    freeBytesMin: whole(0, TIB, defaults.spool.freeBytesMin).describe('Bytes that are left free on the filesystem.'),
    segmentBytes: whole(MIB, GIB, defaults.spool.segmentBytes).describe('Bytes of one file of the spool.'),
    syncIntervalMs: whole(1, 10_000, defaults.spool.syncIntervalMs).describe(
      'How long accepted calls wait for a sync at most: what a crash may lose.',
    ),
    syncBytes: whole(64 * KIB, GIB, defaults.spool.syncBytes).describe('Bytes after which a sync does not wait longer.'),
    memoryBytesMax: whole(MIB, 4 * GIB, defaults.spool.memoryBytesMax).describe(
      'Bytes that wait in memory while the disk does not take them.',
    ),
    compression: z.enum(['none', 'zstd']).default(defaults.spool.compression).describe('Of what lies on disk.'),
    encryptionKey: secret
      .nullable()
      .default(defaults.spool.encryptionKey)
      .describe('Key (AES-256-GCM) of what lies on disk: 32 bytes in hexadecimal or base64. Not given: not encrypted.'),
    oldEncryptionKeys: z
      .array(secret)
      .max(16)
      .default(defaults.spool.oldEncryptionKeys)
      .describe('Keys of before, to read what they encrypted.'),
    deadLetterBytesMax: whole(64 * KIB, 64 * GIB, defaults.spool.deadLetterBytesMax).describe(
      'Bytes of calls that a sink refused; beyond it the oldest go, counted.',
    ),
  })
  .prefault({});
