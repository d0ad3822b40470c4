/**
 * What the main thread and a worker say to each other. Plain data only; buffers are transferred.
 */
import type { ErrorCode } from '../base/errors.ts';
import type { Settings } from '../base/settings.ts';
import type { KernelCounts } from '../capture/packet-socket.ts';
import type { InterfaceCounts } from '../capture/ring.ts';
import type { TlsSeen } from '../http/tls-facts.ts';
import type { PolicySpec } from '../policy/spec.ts';
import type { OwnSocket, PacketList } from './guard.ts';
import type { Watch, Watched } from './watches.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly worker: number;
  /** Middle part of record ids: tells this life of the worker from those before. */
  readonly epoch: string;
  readonly settings: Settings;
  /** Its packet socket; null when it reads end-points only. */
  readonly ring: { readonly fd: number; readonly ringBytes: number } | null;
  /** As in capture/ring.ts: how far the ring has been read. Shared, so that a new worker goes on where a dead one ended. */
  readonly ringState: SharedArrayBuffer;
  /** One word: bytes of batches that are under way to the main thread (app/under-way.ts). */
  readonly underWay: SharedArrayBuffer;
  /** One socket of each end-point. */
  readonly endpoints: readonly { readonly fd: number; readonly url: string }[];
  readonly ownSockets: readonly OwnSocket[];
  readonly watches: readonly Watch[];
  /** Processor to run on; -1 for any. */
  readonly processor: number;
  readonly policy: PolicySpec;
  /** Number of the table that its routes are by (routing.ts). */
  readonly routing: number;
  /** Nobody takes the calls: they are counted and not handed over. */
  readonly discard: boolean;
}

export type ToWorker =
  | {
      readonly type: 'settings';
      readonly shedding: boolean;
      readonly watchCallsPerSecondMax: number;
      readonly websocket: Settings['websocket'];
      readonly only: PacketList;
      readonly not: PacketList;
    }
  /** As in WorkerStart. */
  | { readonly type: 'policy'; readonly policy: PolicySpec; readonly routing: number; readonly discard: boolean }
  | { readonly type: 'own'; readonly sockets: readonly OwnSocket[] }
  | { readonly type: 'watch'; readonly watches: readonly Watch[] }
  /** Answers with `confirmed` of the same id: what it was told before holds for all packets that it reads from now on. */
  | { readonly type: 'confirm'; readonly id: number }
  /** Read what is there, close everything, say `stopped`. */
  | { readonly type: 'stop'; readonly untilAtMs: number };

export type FromWorker =
  | { readonly type: 'running'; readonly waitingPackets: number; readonly kernel: KernelCounts }
  | { readonly type: 'pulse'; readonly pulse: Pulse }
  /** Masked records and their index (policy/masked-call.ts). */
  | { readonly type: 'batch'; readonly bytes: ArrayBuffer; readonly index: Int32Array<ArrayBuffer>; readonly routing: number }
  /** Records of batches that were not sent: the main thread is held up. */
  | { readonly type: 'lost'; readonly records: number }
  | { readonly type: 'watched'; readonly watched: Watched }
  | { readonly type: 'confirmed'; readonly id: number }
  /** Once a second when there was more of it. */
  | { readonly type: 'tls'; readonly seen: TlsSeen }
  /** It runs wherever the system lets it run. */
  | { readonly type: 'unbound'; readonly processor: number; readonly reason: string }
  /** It cannot begin, and ends. */
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly what: string; readonly why: string; readonly next: string }
  | { readonly type: 'stopped'; readonly pulse: Pulse; readonly flowsOpen: number };

/** State of a worker; once a second, after batches, and the last when it stops. */
export interface Pulse {
  readonly atMs: number;
  readonly counters: readonly (readonly [string, number])[];
  readonly weirds: readonly (readonly [string, number])[];
  readonly interfaces: readonly InterfaceCounts[];
  /** In the order of WorkerStart.endpoints. */
  readonly endpoints: readonly { readonly packets: number; readonly bytes: number }[];
  /** Packets in its ring. */
  readonly waitingPackets: number;
  readonly heldBytes: number;
  readonly waitingCalls: number;
  readonly flows: number;
  readonly callsInFlight: number;
  readonly ringFill: number;
  /** Part of the flows that is dropped, 0 to 1. */
  readonly shedding: number;
  readonly cpuMs: number;
  /** How far packet time was behind the clock when packets were read last; 0 while none come. */
  readonly lagMs: number;
  /** Text of the last fault of Earshot itself; "" for none. */
  readonly bug: string;
}
