/**
 * Evidence: all that the doctor looked at, as plain data. The steps (steps.ts) judge it and look at nothing else, so that a
 * judgement can be repeated from the same evidence. Names, numbers and ports only: nothing of what calls carry.
 */
import type { TlsSeen } from '../../http/tls-facts.ts';
import type { ProbeStep } from '../../ship/sink.ts';
import type { SensorReport } from '../report.ts';

export interface Evidence {
  readonly configuration: ConfigurationEvidence;
  readonly rights: RightsEvidence;
  readonly interfaces: InterfacesEvidence;
  readonly endpoints: readonly EndpointEvidence[];
  readonly filter: FilterEvidence;
  readonly memory: MemoryEvidence;
  /** The running sensor; null when none answers. */
  readonly sensor: SensorReport | null;
  /** Why none answers; "" when one does. */
  readonly sensorSilent: string;
  /** One answered, and does no more. */
  readonly sensorEnded?: boolean;
  /** What arrived; null when nobody listened. */
  readonly traffic: Traffic | null;
  /** Somebody was to listen (--live). */
  readonly isLive?: boolean;
  /** Where calls are kept and sent to; null where no sink is configured. */
  readonly delivery: DeliveryEvidence | null;
}

/** A refusal: what happened, why, and what to do. The parts of a SensorError. */
export interface Refusal {
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly next: string;
  readonly details: readonly string[];
}

export interface ConfigurationEvidence {
  /** "" for the defaults. */
  readonly path: string;
  readonly refused: Refusal | null;
  /** Names and patterns of interfaces, and URLs of end-points, that are to be captured. */
  readonly interfaces: readonly string[];
  readonly endpoints: readonly string[];
  readonly vxlanPorts: readonly number[];
  readonly genevePorts: readonly number[];
}

export interface RightsEvidence {
  /** Packet sockets are needed: there are interfaces to capture. */
  readonly needed: boolean;
  /** CAP_NET_RAW is in the effective set; null when /proc does not say. */
  readonly netRaw: boolean | null;
  /** What trying to open a packet socket gave; null when it was opened, or was not tried. */
  readonly refused: Refusal | null;
}

export interface InterfacesEvidence {
  readonly matched: readonly InterfaceEvidence[];
  /** Named without a pattern, and not there. */
  readonly missing: readonly string[];
  /** Patterns that no interface fits at present. */
  readonly unmatched: readonly string[];
  /** All names of this network namespace. */
  readonly present: readonly string[];
}

export interface InterfaceEvidence {
  readonly name: string;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number;
  readonly kind: string;
}

export interface EndpointEvidence {
  readonly url: string;
  readonly port: number;
  /** Why it cannot be opened; null when it can. */
  readonly refused: Refusal | null;
  /** The running sensor holds the port: as it should be. */
  readonly heldBySensor: boolean;
  /** Bytes that the kernel grants, and that are configured; 0 when it was not tried. */
  readonly receiveBufferBytes: number;
  readonly receiveBufferBytesWanted: number;
}

export interface FilterEvidence {
  /** capture.filter; "" for none. */
  readonly expression: string;
  /** capture.only or capture.not say something. */
  readonly lists: boolean;
  readonly refused: Refusal | null;
  /** Kinds of tunnels that the expression does not look through. */
  readonly hidesTunnels: readonly string[];
}

export interface MemoryEvidence {
  /** Bytes of one ring as wanted and as granted; 0 when it was not tried. */
  readonly ringBytesWanted: number;
  readonly ringBytes: number;
  readonly refused: Refusal | null;
}

/** What arrived while somebody listened. */
export interface Traffic {
  /** Who listened. The report of a sensor knows less: what it does not know is null. */
  readonly heardBy: 'doctor' | 'sensor';
  readonly seconds: number;
  /** Interfaces and end-points by name, and what passed the filter there. */
  readonly sources: readonly Amount[];
  /** Packets and drops on the counters of the interfaces meanwhile. */
  readonly interfaceCounters: readonly InterfaceCounters[];
  /** Packets that the kernel dropped because a ring or a buffer was full. */
  readonly kernelDropped: number;
  /** The same for the running sensor meanwhile, when the doctor listened beside it; null when none runs. */
  readonly sensorMeanwhile: { readonly packets: number; readonly kernelDropped: number } | null;
  readonly observed: Observed;
  /**
   * The same wire without the capture filter, and with end-points all interfaces; null when that would show nothing
   * else, or when there is no right to look.
   */
  readonly unfiltered: Unfiltered | null;
}

export interface Amount {
  readonly name: string;
  readonly packets: number;
}

export interface InterfaceCounters {
  readonly name: string;
  readonly packets: number;
  readonly dropped: number;
}

export interface Unfiltered {
  readonly packets: number;
  /** Of these the ones that were looked at. */
  readonly looked: number;
  readonly tcp: number;
  readonly tunnels: readonly Amount[];
  readonly strayTunnels: readonly StrayTunnel[];
}

/** Packets that look like a tunnel, on a port that is not taken for one; of an unfiltered look beside end-points, on any. */
export interface StrayTunnel {
  readonly protocol: 'vxlan' | 'geneve';
  readonly port: number;
  readonly packets: number;
}

/** What the hot path made of the packets. */
export interface Observed {
  readonly packets: number;
  readonly bytes: number;
  /** Packets of TCP, and the others by kind: udp, icmp, arp ... */
  readonly tcp: number;
  /** Packets of TCP that the filter refused at an end-point. */
  readonly refused: number;
  readonly others: Readonly<Record<string, number>>;
  /** Bytes of the longest packet, from the link-layer header on. */
  readonly longestBytes: number | null;
  /** "VXLAN VNI 7" with its packets of TCP; "" for none. */
  readonly tunnels: readonly Amount[] | null;
  readonly strayTunnels: readonly StrayTunnel[];
  readonly cut: {
    /** Segments of TCP that came shorter than they were, and the bytes that they lack; null when that is not known. */
    readonly segments: number;
    readonly bytes: number | null;
  };
  readonly flows: FlowsSeen | null;
  /** Connections by what they carry and by port of the server. */
  readonly connections: readonly ConnectionsSeen[] | null;
  /** Bytes of TCP payload by what they are. */
  readonly payload: { readonly seen: number; readonly http: number; readonly tls: number; readonly other: number };
  /** What hellos said, in TCP and in QUIC. */
  readonly tls: TlsSeen;
  readonly quic: { readonly packets: number; readonly connections: number; readonly http3: number };
  readonly calls: {
    readonly seen: number;
    readonly complete: number;
    readonly withoutResponse: number;
    readonly withoutRequest: number;
  };
  readonly gaps: { readonly count: number; readonly bytes: number };
  /** Clock of this machine minus time of packets, the least that was seen; null when there was no packet. */
  readonly clockOffsetMs: number | null;
  readonly bugs: number;
}

export interface FlowsSeen {
  /** Connections that carried data, with at least a few packets. */
  readonly withData: number;
  /** Of these the ones of which one direction alone was seen. */
  readonly oneWay: number;
  /** Of these the ones whose other direction came in another tunnel. */
  readonly apart: number;
}

export interface ConnectionsSeen {
  /** Of http/connection.ts: "http", "tls", "http2", "other", "empty" ... */
  readonly kind: string;
  readonly port: number;
  readonly connections: number;
}

export interface DeliveryEvidence {
  /** null: the spool keeps its calls in memory. */
  readonly disk: DiskEvidence | null;
  readonly spool: SpoolEvidence;
  readonly sinks: readonly SinkEvidence[];
}

/** The filesystem that the spool lies on. */
export interface DiskEvidence {
  readonly directory: string;
  /** The directory that was looked at: that of the spool, or the nearest above it that is there. */
  readonly looked: string;
  /** Why this user cannot write there; "" when he can. */
  readonly unwritable: string;
  /** null: the filesystem does not say. */
  readonly freeBytes: number | null;
  readonly freeBytesMin: number;
  /** null: the filesystem has no fixed number of them. */
  readonly freeFiles: number | null;
}

export interface SpoolEvidence {
  readonly directory: string;
  readonly level: 'memory' | 'os' | 'disk';
  /** It cannot be read; null when it can, or is not there yet. */
  readonly refused: Refusal | null;
  /** Process that uses it; -1: nobody, 0: one that does not say. */
  readonly usedBy: number;
  readonly records: number;
  readonly bytes: number;
  readonly bytesMax: number;
  /** Damaged or missing parts, a clause each, and files in quarantine. */
  readonly problems: readonly string[];
  readonly quarantinedFiles: number;
  /** Ids of keys that parts of it are encrypted with and that the configuration does not give. */
  readonly missingKeys: readonly string[];
  readonly waiting: readonly { readonly name: string; readonly queued: number; readonly oldestAtMs: number }[];
  /** When this was looked at. */
  readonly atMs: number;
}

export interface SinkEvidence {
  readonly name: string;
  /** Which credentials would cross the network without TLS, and where to. */
  readonly unencrypted: readonly string[];
  /** Its settings cannot be used. */
  readonly refused: Refusal | null;
  /** The way to the receiver, up to the first step that failed. */
  readonly steps: readonly ProbeStep[];
}
