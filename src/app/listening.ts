/**
 * Listening: the sockets of a running sensor, which the main thread owns and the workers read. Opens packet sockets and
 * end-points, follows interfaces that come and go, keeps the filters up to date, and counts what the kernel dropped.
 *
 * A socket stays the same over all changes: what it hears is a matter of its filter, which is replaced in one step.
 */
import { errnoReason, SensorError } from '../base/errors.ts';
import type { Settings } from '../base/settings.ts';
import { balanceProgram } from '../capture/balance-program.ts';
import { attachFilter, attachReuseport } from '../capture/bpf.ts';
import { type InterfaceState, listInterfaces, matchInterfaces } from '../capture/interfaces.ts';
import { compileExpression, tunnelsHiddenBy } from '../capture/libpcap.ts';
import {
  BLOCK_BYTES,
  DEAF,
  joinFanout,
  listenPromiscuously,
  openPacketSocket,
  type PacketSocket,
  takeKernelCounts,
} from '../capture/packet-socket.ts';
import { socketFilter } from '../capture/socket-filter.ts';
import { errnoName, systemCalls } from '../capture/syscalls.ts';
import {
  closeEndpoint,
  endpointDrops,
  type OpenEndpoint,
  openEndpoint,
  parseEndpoint,
  receiveBufferWarning,
} from '../capture/tunnel-endpoint.ts';
import type { Fault, InterfaceState as StateName } from './report.ts';

const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;
const GONE_MAX = 32;
/** Lives of one interface whose packets are told as its own. */
const INDEXES_MAX = 64;
/** In the place of the interfaces that the filters let pass: they have to be given anew. */
const UNKNOWN = '-';

/** An interface that is, or was, listened on. */
export interface Heard {
  readonly name: string;
  readonly pattern: string;
  readonly state: StateName;
  readonly mtu: number;
  /** All numbers that the kernel has given it since the start. */
  readonly indexes: readonly number[];
  readonly losses: number;
}

export interface HeardEndpoint extends OpenEndpoint {
  readonly url: string;
}

/** What the kernel counted for a worker since the start. */
export interface KernelTotals {
  packets: number;
  dropped: number;
}

export class Listening {
  packetSockets: PacketSocket[] = [];
  endpoints: HeardEndpoint[] = [];
  heard: Heard[] = [];
  kernel: KernelTotals[] = [];
  readonly #workers: number;
  #settings: Settings;
  #expressions = NO_EXPRESSIONS;
  /** What the filters let pass now, to see whether they must change. */
  #heardIndexes = '';
  #filterFault = '';
  readonly #promiscuous = new Set<number>();
  #deaf = false;
  /** Of end-points that are deaf now. */
  readonly #endpointDrops = new Map<string, readonly number[]>();

  constructor(settings: Settings, workers: number) {
    this.#settings = settings;
    this.#workers = workers;
  }

  /** Opens everything, deaf. Throws SensorError; nothing stays open then. */
  open(): void {
    const { capture, decode } = this.#settings;
    if (capture.interfaces.length === 0 && capture.endpoints.length === 0) {
      throw new SensorError(
        'nothing-to-listen-to',
        'Cannot run',
        'the configuration names neither an interface nor a tunnel end-point',
        'Name one: earshot run -i eth0, or capture.interfaces or capture.endpoints in the configuration.',
      );
    }
    try {
      this.#expressions = compile(capture.filter);
      const { vxlanPorts, genevePorts } = decode;
      if (capture.interfaces.length > 0) {
        for (let i = 0; i < this.#workers; i++) this.packetSockets.push(openPacketSocket(capture.ringBytes, capture.ringBlockTimeoutMs));
        if (this.#workers > 1) {
          const program = balanceProgram({ start: 'packet', workers: this.#workers, vxlanPorts, genevePorts });
          joinFanout(
            this.packetSockets.map(({ fd }) => fd),
            program,
          );
        }
      }
      for (const url of capture.endpoints) {
        const endpoint = parseEndpoint(url);
        const opened = openEndpoint(endpoint, this.#workers, capture.receiveBufferBytes);
        this.endpoints.push({ url, ...opened });
        if (this.#workers > 1) {
          const { encapsulation } = endpoint;
          const program = balanceProgram({ start: 'datagram', workers: this.#workers, vxlanPorts, genevePorts, encapsulation });
          const result = attachReuseport(opened.fds[0], program);
          if (result < 0) throw cannotSpread(url, result);
        }
      }
      this.kernel = Array.from({ length: this.#workers }, () => ({ packets: 0, dropped: 0 }));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Looks which interfaces there are and listens on those that are wanted. Returns what changed, in words. */
  follow(): string[] {
    if (this.packetSockets.length === 0) return [];
    const list = listInterfaces();
    const { matched, missing } = matchInterfaces(this.#settings.capture.interfaces, list);
    const changes: string[] = [];
    const before = new Map(this.heard.map((one) => [one.name, one]));
    const after: Heard[] = matched.map(({ interface: found, pattern }) => {
      const old = before.get(found.name);
      before.delete(found.name);
      const state = stateOf(found);
      if (old === undefined) changes.push(`${found.name} is ${wordsOf(state)}`);
      else if (!old.indexes.includes(found.index)) changes.push(`${found.name} is a new interface of that name, ${wordsOf(state)}`);
      else if (old.state !== state) changes.push(`${found.name} is ${wordsOf(state)} now`);
      const indexes = old?.indexes.includes(found.index) ? old.indexes : [...(old?.indexes ?? []), found.index].slice(-INDEXES_MAX);
      return {
        name: found.name,
        pattern,
        state,
        mtu: found.mtu,
        indexes,
        losses: (old?.losses ?? 0) + (old?.state === 'up' && state !== 'up' ? 1 : 0),
      };
    });
    const wanted = new Set(this.#settings.capture.interfaces);
    const gone = [...before.values()].filter(({ pattern }) => wanted.has(pattern));
    // Interfaces of pods come and go for ever: of those that a pattern fitted only the last ones are remembered. They
    // stand here with the last one first.
    const fitted = gone.filter(({ name, pattern }) => name !== pattern);
    const forgotten = new Set(fitted.slice(GONE_MAX));
    for (const old of gone) {
      if (forgotten.has(old)) continue;
      if (old.state !== 'missing') changes.push(`${old.name} is gone`);
      after.push({ ...old, state: 'missing', losses: old.losses + (old.state === 'up' ? 1 : 0) });
    }
    for (const name of missing) {
      if (after.some((one) => one.name === name)) continue;
      changes.push(`${name} does not exist`);
      after.push({ name, pattern: name, state: 'missing', mtu: 0, indexes: [], losses: 0 });
    }
    this.heard = after;
    this.#listenTo(matched.map(({ interface: found }) => found));
    return changes;
  }

  #listenTo(found: readonly InterfaceState[]): void {
    if (this.#deaf) return;
    const indexes = found.map(({ index }) => index);
    // With the device goes the mode; it may come back under the same number, from another namespace.
    for (const index of this.#promiscuous) if (!indexes.includes(index)) this.#promiscuous.delete(index);
    if (this.#settings.capture.promiscuous) {
      for (const { index, loopback } of found) {
        if (loopback || this.#promiscuous.has(index)) continue;
        if (listenPromiscuously(this.packetSockets[0].fd, index) === 0) this.#promiscuous.add(index);
      }
    }
    const text = indexes.join();
    if (text === this.#heardIndexes) return;
    this.#filterFault = this.#filter(found);
    // What failed is tried again the next time, also when the interfaces are those of before again: a part of the sockets
    // may have the new filter.
    this.#heardIndexes = this.#filterFault === '' ? text : UNKNOWN;
  }

  /** Gives all sockets the filter for these interfaces; why that is not possible, as a clause, or "". */
  #filter(found: readonly InterfaceState[]): string {
    let program: Buffer;
    try {
      program = found.length === 0 ? DEAF : this.#frameFilter(found);
    } catch (error) {
      if (error instanceof SensorError) return error.why;
      throw error;
    }
    for (const { fd } of this.packetSockets) {
      const result = attachFilter(fd, program);
      if (result < 0) return errnoReason(errnoName(result));
    }
    return '';
  }

  #frameFilter(found: readonly InterfaceState[]): Buffer {
    const interfaces = found.map(({ index }) => index);
    const loopback = found.find((one) => one.loopback)?.index ?? null;
    const { capture, decode } = this.#settings;
    const { vxlanPorts, genevePorts } = decode;
    const { only, not } = capture;
    const { expression, rawExpression } = this.#expressions;
    return socketFilter({ start: 'frame', interfaces, loopback, only, not, expression, rawExpression, vxlanPorts, genevePorts });
  }

  /** Takes over other settings of capture.*. Throws SensorError and changes nothing when they cannot be. */
  change(settings: Settings): void {
    const before = { settings: this.#settings, expressions: this.#expressions };
    this.#settings = settings;
    try {
      if (settings.capture.filter !== before.settings.capture.filter) this.#expressions = compile(settings.capture.filter);
      const { interfaces } = settings.capture;
      if (this.hasRings !== interfaces.length > 0) {
        throw new SensorError('config-invalid', 'Cannot take over capture.interfaces', 'it was empty, or is now', 'Start the sensor anew.');
      }
      if (this.hasRings) this.#frameFilter(matchInterfaces(interfaces, listInterfaces()).matched.map((one) => one.interface));
    } catch (error) {
      this.#settings = before.settings;
      this.#expressions = before.expressions;
      throw error;
    }
    this.#heardIndexes = UNKNOWN;
  }

  get hasRings(): boolean {
    return this.packetSockets.length > 0;
  }

  get receiveBufferBytesWanted(): number {
    return this.#settings.capture.receiveBufferBytes;
  }

  /** Asks the kernel for its counts and adds them up; of all workers, or of some. */
  count(isAsked: (worker: number) => boolean = () => true): void {
    this.packetSockets.forEach(({ fd }, worker) => {
      if (!isAsked(worker)) return;
      const { packets, dropped } = takeKernelCounts(fd);
      this.kernel[worker].packets += packets;
      this.kernel[worker].dropped += dropped;
    });
  }

  /** Datagrams that found the receive buffer of an end-point full, by worker. */
  endpointDropsOf(endpoint: HeardEndpoint): readonly number[] {
    const kept = this.#endpointDrops.get(endpoint.url);
    if (kept !== undefined) return kept;
    return endpoint.fds.map((fd) => endpointDrops(fd));
  }

  /** What is not as configured, in words. */
  faults(): Fault[] {
    const faults: Fault[] = [];
    const ring = this.packetSockets[0];
    const { ringBytes, receiveBufferBytes } = this.#settings.capture;
    const smallest = Math.min(...this.packetSockets.map((one) => one.ringBytes));
    if (ring !== undefined && smallest < Math.floor(ringBytes / BLOCK_BYTES) * BLOCK_BYTES) {
      faults.push({
        code: 'ring-reduced',
        what: `a packet ring has ${smallest >> 20} MiB instead of ${Math.floor(ringBytes / (1 << 20))}, because memory was short`,
        next: 'Choose a smaller capture.ringBytes or fewer run.workers, or give the machine more memory.',
      });
    }
    for (const { url, receiveBufferBytes: granted } of this.endpoints) {
      const warning = receiveBufferWarning(parseEndpoint(url), granted, receiveBufferBytes);
      if (warning !== null) faults.push({ code: 'receive-buffer-small', ...warning });
    }
    if (this.#filterFault !== '') {
      faults.push({
        code: 'filter-invalid',
        what: `the kernel does not take the capture filter (${this.#filterFault}): the one before stays, packets of new interfaces are not seen`,
        next: 'Name fewer ports and networks in capture.only and capture.not, or raise net.core.optmem_max.',
      });
    }
    const { hidden } = this.#expressions;
    if (hidden.length > 0) {
      faults.push({
        code: 'filter-blind',
        what: `capture.filter lets nothing pass that comes in ${hidden.join(', ')}: it looks at the outer packet only`,
        next: 'If the traffic comes through a tunnel, use capture.only and capture.not, which look inside.',
      });
    }
    return faults;
  }

  /** Nothing more comes in; what the rings hold stays there. */
  deafen(): void {
    this.#deaf = true;
    // A deaf UDP socket counts what it refuses as dropped.
    for (const endpoint of this.endpoints) this.#endpointDrops.set(endpoint.url, this.endpointDropsOf(endpoint));
    for (const { fd } of this.packetSockets) attachFilter(fd, DEAF);
    for (const { fds } of this.endpoints) for (const fd of fds) attachFilter(fd, DEAF);
  }

  close(): void {
    const calls = systemCalls();
    for (const { fd } of this.packetSockets) calls?.close(fd);
    for (const { fds } of this.endpoints) closeEndpoint(fds);
    this.packetSockets = [];
    this.endpoints = [];
  }
}

function cannotSpread(url: string, result: number): SensorError {
  return new SensorError(
    'endpoint-refused',
    `Cannot spread ${url} over workers`,
    errnoReason(errnoName(result)),
    'Set run.workers to 1; Linux 4.18 and later can do more.',
  );
}

/** capture.filter as programs for the two kinds of devices, and the tunnels that it lets nothing pass of. */
interface Expressions {
  readonly expression: Buffer | null;
  readonly rawExpression: Buffer | null;
  readonly hidden: readonly string[];
}
const NO_EXPRESSIONS: Expressions = { expression: null, rawExpression: null, hidden: [] };

/** Throws SensorError: filter-invalid, libpcap-missing. */
function compile(filter: string): Expressions {
  if (filter === '') return NO_EXPRESSIONS;
  const expression = compileExpression(filter, LINKTYPE_ETHERNET);
  return { expression, rawExpression: compileRaw(filter), hidden: tunnelsHiddenBy(expression) };
}

/** An expression about Ethernet addresses means nothing on a device without them: there all passes. */
function compileRaw(filter: string): Buffer | null {
  try {
    return compileExpression(filter, LINKTYPE_RAW);
  } catch {
    return null;
  }
}

function stateOf({ up, carrier }: InterfaceState): StateName {
  if (!up) return 'down';
  return carrier ? 'up' : 'no-carrier';
}

function wordsOf(state: StateName): string {
  if (state === 'up') return 'up';
  return state === 'down' ? 'switched off' : 'without a link';
}
