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
    trustedProxies: [] as string[],
  },
  normalise: {
    duplicateWindowMs: 2_000,
    duplicatesMax: 1 << 16,
    parkedBytesMax: 64 * MIB,
  },
  memory: {
    blockBytesMax: 256 * MIB,
  },
  formats: {
    uapEdgeVersion: '1.0',
  },
};

export type Settings = typeof defaultSettings;
