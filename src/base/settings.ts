/**
 * The settings and their defaults, with the unit in the name. One value for a run: a stage copies what it needs when it
 * is reset, and a reload puts another value in its place (base/settings-change.ts says which settings may change so).
 * base/settings-schema.ts says what each means and what it may be; it is loaded only where a configuration is read,
 * because that costs more than a short read.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

/** A secret is never written in the configuration: it names the file or the environment variable that holds it. */
export type Secret = { readonly file: string } | { readonly environment: string };

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** The routes of a record have a bit for each. */
export const PIPELINES_MAX = 31;

/** What a pipeline lets through, and where to. Paths of files; "" for the rules that are shipped. */
export interface PipelineSettings {
  /** filters-simple and filters-advanced: docs/filters.md. */
  readonly filtersSimpleFile: string;
  readonly filtersAdvancedFile: string;
  readonly sampling: {
    /** Part of the calls that are taken, 0 to 1. */
    readonly share: number;
    /** Calls with the same key are taken or left together; `call`: each by itself. */
    readonly key: 'call' | 'client' | 'connection' | 'session';
  };
  /** Names of sinks; empty: all of them. */
  readonly sinks: readonly string[];
}

/** How much goes at once, whichever comes first. */
export interface BatchSettings {
  readonly recordsMax: number;
  /** Before compression. */
  readonly bytesMax: number;
  /** How long the first record waits for others. */
  readonly ageMsMax: number;
}

export interface TlsSettings {
  /** Certificates in PEM that are trusted besides those of the system. */
  readonly caFile: string;
  /** Whether those of the system are trusted. */
  readonly systemCa: boolean;
  /** For mutual TLS, PEM. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Name that the certificate must have; "" for that of the URL. */
  readonly serverName: string;
}

export type AuthSettings =
  | { readonly type: 'none' }
  | { readonly type: 'token'; readonly token: Secret }
  | { readonly type: 'basic'; readonly user: string; readonly password: Secret }
  | {
      readonly type: 'oauth2';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: Secret;
      readonly scope: string;
      readonly audience: string;
      /** How the client proves itself at the token end-point (RFC 6749, 2.3.1). */
      readonly clientAuthentication: 'basic' | 'post';
    };

export interface HttpSinkSettings {
  readonly type: 'http' | 'uap-edge';
  readonly url: string;
  /** One of ship/formats; always uap-edge for that type. */
  readonly format: string;
  /** Further header fields. {batch}, {records}, {sensor} and {sink} stand for what they say. */
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: AuthSettings;
  readonly tls: TlsSettings;
  /** URL of an HTTP proxy; "" for none, "environment" for HTTPS_PROXY and NO_PROXY. */
  readonly proxy: string;
  readonly proxyUser: string;
  readonly proxyPassword: Secret | null;
  readonly http2: boolean;
  readonly compression: 'none' | 'gzip';
  readonly requestTimeoutMs: number;
  readonly concurrencyMax: number;
  readonly batch: BatchSettings;
}

export interface KafkaSinkSettings {
  readonly type: 'kafka';
  /** host:port */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly format: string;
  readonly clientId: string;
  readonly useTls: boolean;
  readonly tls: TlsSettings;
  readonly sasl:
    | { readonly mechanism: 'none' }
    | { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly user: string; readonly password: Secret }
    | { readonly mechanism: 'oauthbearer'; readonly auth: AuthSettings }
    | { readonly mechanism: 'aws-msk-iam'; readonly region: string };
  /** What decides over the partition. */
  readonly key: 'client' | 'connection' | 'none';
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: 'none' | 'gzip' | 'lz4' | 'zstd' | 'snappy';
  /** auto: where the cluster allows it. */
  readonly idempotent: 'auto' | 'yes' | 'no';
  readonly messageBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly concurrencyMax: number;
  readonly batch: BatchSettings;
}

export interface FileSinkSettings {
  readonly type: 'file';
  readonly path: string;
  readonly format: string;
  readonly rotateBytes: number;
  readonly rotateHours: number;
  readonly filesMax: number;
  readonly batch: BatchSettings;
}

export interface StdoutSinkSettings {
  readonly type: 'stdout';
  readonly format: string;
  readonly batch: BatchSettings;
}

export type SinkSettings = HttpSinkSettings | KafkaSinkSettings | FileSinkSettings | StdoutSinkSettings;

export const defaultSettings = {
  sensor: {
    id: 'earshot',
    poolId: 'default',
  },
  capture: {
    filesOpenMax: 12,
    interfaces: [] as string[],
    endpoints: [] as string[],
    filter: '',
    only: {
      ports: [] as number[],
      networks: [] as string[],
    },
    not: {
      ports: [] as number[],
      networks: [] as string[],
    },
    promiscuous: true,
    ringBytes: 64 * MIB,
    ringBlockTimeoutMs: 20,
    receiveBufferBytes: 32 * MIB,
  },
  run: {
    workers: 0,
    affinity: [] as number[],
    stopTimeoutMs: 10_000,
    statsIntervalMs: 60_000,
    shedding: true,
    watchCallsPerSecondMax: 500,
  },
  output: {
    file: '',
    queueBytesMax: 64 * MIB,
  },
  control: {
    socket: '',
  },
  health: {
    listen: '',
  },
  metrics: {
    listen: '',
    graphite: '',
    statsd: '',
    otlp: '',
    otlpHeaders: {} as Record<string, Secret>,
    prefix: 'earshot',
    intervalMs: 10_000,
  },
  log: {
    level: 'info' as LogLevel,
    file: '',
    rotateBytes: 20 * MIB,
    rotateHours: 24,
    filesMax: 10,
  },
  decode: {
    vni: 'isolate' as 'isolate' | 'merge',
    depthMax: 16,
    pathsMax: 65536,
    vxlanPorts: [4789, 8472],
    genevePorts: [6081],
    checksums: false,
  },
  flow: {
    flowsMax: 1 << 20,
    idleTimeoutMs: 300_000,
    halfOpenTimeoutMs: 30_000,
    closedLingerMs: 5_000,
    holeWaitMs: 5_000,
    ackedHoleWaitMs: 200,
    heldBytesMax: 1 * MIB,
    heldBytesTotalMax: 128 * MIB,
    fragmentedPacketsMax: 1024,
    fragmentTimeoutMs: 15_000,
  },
  http: {
    bodyBytes: 16 * KIB,
    headBytesMax: 65_000,
    headersMax: 1024,
    callsInFlightMax: 1 << 18,
    pipelineMax: 256,
    streamsMax: 4096,
    headerBlockBytesMax: 256 * KIB,
    /** 0: never. */
    stillOpenMs: 60_000,
    trustedProxies: [] as string[],
  },
  websocket: {
    messages: 'count' as 'count' | 'meta' | 'body',
    messageBytes: 4 * KIB,
    messagesPerSecondMax: 5_000,
    windowsMax: 2048,
  },
  normalise: {
    duplicateWindowMs: 2_000,
    duplicatesMax: 1 << 16,
    parkedBytesMax: 64 * MIB,
  },
  policy: {
    /** "" for the rules that are shipped. */
    maskingFile: '',
    /** FileDescriptorSets that give fields of Protocol Buffers their names. */
    descriptorFiles: [] as string[],
    /** Key of the actions `hash` and `format-preserving`; null: one that the sensor makes and keeps beside the spool. */
    maskingKey: null as Secret | null,
  },
  /** By name. None: one that takes what the shipped filters let through, to all sinks. */
  pipelines: {} as Record<string, PipelineSettings>,
  /** By name. */
  sinks: {} as Record<string, SinkSettings>,
  spool: {
    /** "": $STATE_DIRECTORY/spool, /var/lib/earshot/spool for root, else ~/.local/state/earshot/spool. */
    directory: '',
    level: 'disk' as 'disk' | 'os' | 'memory',
    bytesMax: 8 * 1024 * MIB,
    ageHoursMax: 72,
    /** Left free on its filesystem. */
    freeBytesMin: 512 * MIB,
    segmentBytes: 64 * MIB,
    syncIntervalMs: 50,
    syncBytes: 4 * MIB,
    /** What waits in memory: all of it at level memory, else what the disk does not take. */
    memoryBytesMax: 64 * MIB,
    compression: 'zstd' as 'none' | 'zstd',
    /** 32 bytes in hexadecimal or base64; null: not encrypted. */
    encryptionKey: null as Secret | null,
    /** Keys of before: what they encrypted can still be read. */
    oldEncryptionKeys: [] as Secret[],
    deadLetterBytesMax: 256 * MIB,
  },
  memory: {
    blockBytesMax: 256 * MIB,
  },
  formats: {
    uapEdgeVersion: '1.0',
  },
};

export type Settings = typeof defaultSettings;
