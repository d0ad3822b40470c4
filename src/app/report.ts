/**
 * The report: all that is known about a running sensor at one moment, as plain data. `status`, `stats`, the log line of
 * every minute, the metrics and the health port are views of it; the control socket carries it as JSON.
 */
import type { Balance } from '../base/ledger.ts';
import type { TlsSeen } from '../http/tls-facts.ts';
import type { ShipReport } from './ship-link.ts';

export interface SensorReport {
  readonly sensor: {
    readonly id: string;
    readonly poolId: string;
    readonly version: string;
    readonly pid: number;
    /** Milliseconds since 1970, as all that ends in AtMs. */
    readonly startedAtMs: number;
    readonly nowAtMs: number;
    /** Path of the configuration; "" for the defaults. */
    readonly configuration: string;
    readonly configurationReadAtMs: number;
    readonly memoryBytes: number;
    /** Processor time of all threads since the start. */
    readonly cpuMs: number;
  };
  readonly health: {
    /** Packets can be taken: what the health port answers. */
    readonly ready: boolean;
    /** What is not as it should be, in words, the worst first. Empty: all is well. */
    readonly faults: readonly Fault[];
  };
  readonly interfaces: readonly InterfaceReport[];
  readonly endpoints: readonly EndpointReport[];
  readonly workers: readonly WorkerReport[];
  readonly stages: StagesReport;
  readonly pipelines: readonly PipelineReport[];
  /** The thread that delivers; null when no sink is configured. */
  readonly delivery: DeliveryReport | null;
  /** What it says of spool, dead letters and sinks; null when there is none, or while it is being started again. */
  readonly ship: ShipReport | null;
  /** Counters summed over all workers, those of dead ones too: `packets.dropped{arp}` and so on, without zeros. */
  readonly counters: Readonly<Record<string, number>>;
  /** Weirds by name, without zeros. */
  readonly weirds: Readonly<Record<string, number>>;
  /** Servers, fingerprints and protocols of TLS and QUIC, the most frequent of all workers (tls-report.ts). */
  readonly tls: TlsSeen;
  readonly ledger: readonly Balance[];
}

/** What happened to the calls of one pipeline; totals since the start. */
export interface PipelineReport {
  readonly name: string;
  readonly sinks: readonly string[];
  /** Calls that were let through. */
  readonly passed: number;
  readonly filteredOut: number;
  readonly sampledOut: number;
  /** In their order, then what is done otherwise: how many calls each let through or left out. At most RULES_SHOWN_MAX. */
  readonly rules: readonly RuleReport[];
  /** Calls decided by rules that are not listed: beyond that bound, or of files that were replaced. */
  readonly otherRulesCalls: number;
}

/** A report stays far below what a control socket may answer (control/protocol.ts) with that many rules in each pipeline. */
export const RULES_SHOWN_MAX = 128;

export interface RuleReport {
  readonly name: string;
  readonly action: 'include' | 'exclude';
  readonly calls: number;
}

/** Calls on their way into the spool. Totals since the start, over all lives of the thread. */
export interface DeliveryReport {
  readonly isRunning: boolean;
  /** Times that it died and was started again. */
  readonly restarts: number;
  /** Calls handed to it. */
  readonly received: number;
  /** Of these never accepted: they found it too slow or dead, were with it when it died, or had no room in the spool. */
  readonly lost: number;
}

export interface Fault {
  /** Kebab-case, of the table of finding codes in app/doctor/findings.ts. */
  readonly code: string;
  readonly what: string;
  readonly next: string;
}

export interface InterfaceReport {
  readonly name: string;
  /** Name or pattern of the configuration that it fits. */
  readonly pattern: string;
  /** "up", "no-carrier", "down", "missing" (named in the configuration, not there) */
  readonly state: InterfaceState;
  readonly mtu: number;
  readonly packets: number;
  readonly bytes: number;
  readonly packetsPerS: number;
  readonly bytesPerS: number;
  /** Times that it went away or down since the start. */
  readonly losses: number;
}

export type InterfaceState = 'up' | 'no-carrier' | 'down' | 'missing';

export interface EndpointReport {
  /** As configured: udp://0.0.0.0:4789?encap=vxlan */
  readonly url: string;
  readonly packets: number;
  readonly bytes: number;
  readonly packetsPerS: number;
  readonly bytesPerS: number;
  /** Datagrams that found the receive buffer full. */
  readonly kernelDropped: number;
  readonly receiveBufferBytes: number;
  readonly receiveBufferBytesWanted: number;
}

export interface WorkerReport {
  readonly worker: number;
  /** "starting", "running", "stuck" (no sign of life for five seconds), "dead" (about to be started again), "stopped" */
  readonly state: WorkerState;
  /** Times that it died and was started again. */
  readonly restarts: number;
  readonly packets: number;
  readonly packetsPerS: number;
  readonly callsPerS: number;
  readonly kernelDropped: number;
  /** Filled part of its rings, 0 to 1. */
  readonly ringFill: number;
  /** Part of the flows that is being dropped because the worker cannot keep up, 0 to 1. */
  readonly shedding: number;
  /** Part of one processor, 0 to 1. */
  readonly cpu: number;
  readonly flows: number;
  readonly callsInFlight: number;
  /** Packet time behind wall-clock time. */
  readonly lagMs: number;
}

export type WorkerState = 'starting' | 'running' | 'stuck' | 'dead' | 'stopped';

/** The three stages that operators know. Totals since the start; `PerS` over the last interval. */
export interface StagesReport {
  readonly reader: {
    /** Packets read from rings and sockets. */
    readonly read: number;
    readonly readPerS: number;
    readonly bytes: number;
    readonly bytesPerS: number;
    /** By the kernel, because a ring or a receive buffer was full. */
    readonly kernelDropped: number;
    /** The sensor's own connections. */
    readonly own: number;
    /** Packets of flows that were dropped under overload. */
    readonly shed: number;
    /** Packets that are no TCP, by design: UDP, ICMP, ARP and so on. */
    readonly other: number;
    /** Malformed, cut in a header, nested too deep. */
    readonly errors: number;
  };
  readonly pipeline: {
    /** Calls that the parser found. */
    readonly received: number;
    readonly receivedPerS: number;
    readonly filteredOut: number;
    readonly duplicate: number;
    /** Calls with request and response whole. */
    readonly valid: number;
    /** With a cause why they are not. */
    readonly incomplete: number;
    readonly gaps: number;
    readonly gapBytes: number;
    readonly flows: number;
    readonly callsInFlight: number;
  };
  /** The output; without one the sum of all sinks. */
  readonly sink: {
    readonly to: 'output' | 'sinks' | 'nothing';
    readonly received: number;
    readonly written: number;
    readonly writtenPerS: number;
    readonly bytes: number;
    readonly errors: number;
    /** Calls that could not be written and are gone. */
    readonly lost: number;
    readonly queueBytes: number;
    /** Age of the oldest batch that waits. */
    readonly lagMs: number;
  };
}
