/**
 * Records out: finished calls become records in the output region of the arena and leave it in large writes.
 *
 *   call -> port filter -> duplicates -> route -> encode -> (format) -> write
 *
 * A call at which routing or encoding throws is left out (`calls.lost{bug}`, `sensor.bug`): what was written of it is written
 * over by the next one, and nothing of it leaves.
 *
 * Beside the records lies their index: two words for each, its length and its routes (policy/masked-call.ts).
 *
 * A call that is open for long is written while it is open (`takeOpen`), and where it went is kept until it is over: then its
 * closing record goes the same way (`takeClosing`).
 *
 * Messages of WebSocket, where they make records, and the closing record of their connection go where the call went that is its
 * handshake (`takeMessage`).
 *
 * Between the calls stand message records (`messages.written`), closing records, and gap records (app/gaps.ts), these for all pipelines. They are counted apart
 * (`records.closing`, `records.gap`) and written in the canonical form only, because the other formats have no place for them.
 * Nobody looks on at these.
 */
import { bytes, outputRegion } from '../base/arena.ts';
import { packetTimeUs } from '../base/clock.ts';
import { counter, counts } from '../base/counters.ts';
import type { Settings } from '../base/settings.ts';
import { PORTS, ROW_SHIFT, rows } from '../flow/flow-table.ts';
import { C_CAUSES, C_FLOW, C_GRPC, C_SOCKET, CALL_SHIFT, calls } from '../http/transaction.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { countGrpc } from '../normalise/call-grpc.ts';
import { DUPLICATE, forget, judge, nextDue, park, resetDuplicates, WAIT } from '../normalise/duplicates.ts';
import { encodeCall, lastSequence, RECORD_BYTES_MAX, resetEncoder } from '../normalise/encode.ts';
import { type Closing, closingOf, encodeClosing, idPrefix } from '../normalise/encode-closing.ts';
import { encodeGap, type Gap, gapPrefix } from '../normalise/encode-gap.ts';
import { encodeMessage, messagePrefix } from '../normalise/encode-message.ts';
import type { Literal } from '../normalise/json.ts';
import { INDEX_WORDS } from '../policy/masked-call.ts';
import type { Format } from '../ship/formats/format.ts';
import { ALL_PIPELINES } from '../ship/routes.ts';
import { finishedMessage } from '../websocket/finished-messages.ts';
import { passMessage, resetOpenMessage } from '../websocket/open-message.ts';
import { onBug } from './pipeline.ts';
import { closingOfSocket, SocketCalls } from './socket-calls.ts';

const B = bytes;
const C = counts;
const K = calls;
const R = rows;
const F = finishedMessage;
const T_WRITTEN = counter('calls.written');
const T_GAP = counter('records.gap');
const T_CLOSING = counter('records.closing');
/** Their call was filtered, a copy, or lost. */
const T_CLOSING_ALONE = counter('closings.dropped{no-record}');
const T_CLOSING_FORMAT = counter('closings.dropped{format}');
const T_MESSAGES = counter('messages.written');
/** Its handshake made no record. */
const T_MESSAGE_ALONE = counter('messages.filtered{call}');
const T_MESSAGE_FORMAT = counter('messages.filtered{format}');
const T_MESSAGE_LOST = counter('messages.lost{bug}');
const T_MESSAGE_SHED = counter('messages.lost{shed}');
const T_CLOSINGS = counter('closings.seen');
const T_FILTERED = counter('calls.filtered{port}');
const T_LOST = counter('calls.lost{bug}');
const OUT_BYTES = counter('output.bytes');
const FLUSH_BYTES = 256 << 10;

const START = outputRegion.at;

export interface RecordWriterOptions {
  readonly settings: Settings;
  /** Middle parts of the record ids. */
  readonly epoch: string;
  readonly worker?: number;
  /** Takes what is ready: bytes of the arena and their index, valid until it returns; how many records they are. */
  readonly write: (at: number, end: number, records: number, index: Int32Array, routing: number) => void;
  /** Number of the table that the routes are by (app/routing.ts); 0 when not said. */
  readonly routing?: number;
  /** Where a call is to go, as bits; 0 for nowhere, which the function has counted. All go to 1 when not said. */
  readonly route?: (call: number) => number;
  /** Writes the record of the call that was routed last at an offset and returns its end; as it was on the wire when not said. */
  readonly encode?: (call: number, to: number) => number;
  /** Writes the record of the message at hand (websocket/finished-messages.ts); as `encode`. Gives the offset back when it leaves it out. */
  readonly encodeMessage?: typeof encodeMessage;
  /** Makes something else of each canonical record. */
  readonly format?: Format | null;
  /** Only calls of connections with one of these ports; all when empty. */
  readonly ports?: readonly number[];
  /** Sees each record before it leaves: [at, end) in the arena. */
  readonly onRecord?: (at: number, end: number) => void;
}

const EVERYWHERE = 1;
const all = (): number => EVERYWHERE;
/** A record has at least so many bytes. */
const RECORD_BYTES_MIN = 128;

/** The record of a call that is still open: its number, and where it went. */
interface Reported {
  readonly sequence: number;
  readonly routes: number;
  readonly routing: number;
}

export class RecordWriter {
  readonly #write: RecordWriterOptions['write'];
  readonly #encode: (call: number, to: number) => number;
  readonly #format: Format | null;
  readonly #ports: Uint8Array | null = null;
  readonly #onRecord: ((at: number, end: number) => void) | undefined;
  readonly #route: (call: number) => number;
  readonly #encodeMessage: typeof encodeMessage;
  readonly #gapPrefix: Literal;
  readonly #messagePrefix: Literal;
  readonly #sockets: SocketCalls;
  readonly #idPrefix: Literal;
  /** By the row of the call. */
  readonly #reported = new Map<number, Reported>();
  /** Calls of gRPC that are still open and no copies, by their rows: they are counted by status when they are over. */
  readonly #openGrpc = new Set<number>();
  readonly #index = new Int32Array(INDEX_WORDS * (FLUSH_BYTES / RECORD_BYTES_MIN + 2));
  #at = START;
  /** Records since the last flush, and of the whole run. */
  #ready = 0;
  #records = 0;
  #gaps = 0;
  #closings = 0;
  #messages = 0;
  /** Behind the record that was encoded last. */
  #end = START;
  /** Of what is written now, and of what is routed now. */
  #routing: number;
  #nextRouting: number;
  /** Tables of records that wait for a better copy. */
  readonly #parkedRoutings = new WeakMap<Buffer, number>();

  constructor(options: RecordWriterOptions) {
    const {
      settings,
      epoch,
      worker = 0,
      write,
      route = all,
      encode = encodeCall,
      format = null,
      ports = [],
      onRecord,
      routing = 0,
      // Where calls are masked, messages never leave as they were.
      encodeMessage: encodeOne = encode === encodeCall ? encodeMessage : (to) => to,
    } = options;
    this.#write = write;
    this.#route = route;
    this.#encode = encode;
    this.#encodeMessage = encodeOne;
    this.#sockets = new SocketCalls(settings.websocket.messages !== 'count' && format === null);
    this.#format = format;
    this.#onRecord = onRecord;
    this.#routing = routing;
    this.#nextRouting = routing;
    if (ports.length > 0) {
      this.#ports = new Uint8Array(65536);
      for (const port of ports) this.#ports[port] = 1;
    }
    this.#gapPrefix = gapPrefix(settings.sensor.id, epoch, worker);
    this.#idPrefix = idPrefix(settings.sensor.id, epoch, worker);
    this.#messagePrefix = messagePrefix(settings.sensor.id, epoch, worker);
    resetEncoder(settings, epoch, worker);
    resetDuplicates(settings);
    resetOpenMessage(settings);
    if (outputRegion.end - START < FLUSH_BYTES + RECORD_BYTES_MAX) throw new Error('output region too small');
  }

  /** Writes what stands before the first record. */
  begin(text: string): void {
    this.#text(text);
  }

  /** Takes a finished call; its row is the caller's again afterwards. */
  take(call: number): void {
    if (!this.#isOnPort(call)) return;
    this.releaseDue();
    // A handshake does not wait for a better copy, because records of its messages follow.
    const k = call << CALL_SHIFT;
    const verdict = judge(call, K[k + C_SOCKET] > 0 && K[k + C_CAUSES] !== 0);
    if (verdict === DUPLICATE) return;
    countGrpc(call);
    const routes = this.#encodeRouted(call);
    if (routes === 0) return;
    if (K[k + C_SOCKET] > 0) this.#sockets.begin(call, this.#at, this.#end, routes, this.#nextRouting);
    if (verdict === WAIT) {
      const record = Buffer.from(B.subarray(this.#at, this.#end));
      this.#parkedRoutings.set(record, this.#nextRouting);
      park(call, record, routes);
      return;
    }
    this.#record(this.#at, this.#end, routes);
  }

  /** Takes a call that is still open; `takeClosing` follows when it is over. */
  takeOpen(call: number): void {
    if (!this.#isOnPort(call)) return;
    this.releaseDue();
    if (judge(call, true) === DUPLICATE) return;
    if (K[(call << CALL_SHIFT) + C_GRPC] !== 0) this.#openGrpc.add(call);
    const routes = this.#encodeRouted(call);
    if (routes === 0) return;
    this.#reported.set(call, { sequence: lastSequence(), routes, routing: this.#nextRouting });
    this.#record(this.#at, this.#end, routes);
  }

  /** A call that was taken while it was open is over. */
  takeClosing(call: number): void {
    if (this.#openGrpc.delete(call)) countGrpc(call);
    const reported = this.#reported.get(call);
    if (reported === undefined) {
      C[T_CLOSING_ALONE]++;
      return;
    }
    this.#reported.delete(call);
    this.closing(closingOf(call, reported.sequence), reported.routes, reported.routing);
  }

  /** Writes a closing record, where the record of its call went; nothing where the format has no place for it. */
  closing(closing: Closing, routes: number, routing: number): void {
    if (this.#format !== null) {
      C[T_CLOSING_FORMAT]++;
      return;
    }
    C[T_CLOSING]++;
    this.#switch(routing);
    this.#put(this.#at, encodeClosing(this.#at, this.#idPrefix, ++this.#closings, closing), routes);
    this.#switch(this.#nextRouting);
  }

  /** Takes over the settings while calls come. */
  setMessages(settings: Pick<Settings, 'websocket'>): void {
    this.#sockets.withMessages = settings.websocket.messages !== 'count' && this.#format === null;
    resetOpenMessage(settings);
  }

  /** Takes the message at hand, which goes where its handshake's call went, or the end of its connection. */
  takeMessage(): void {
    this.releaseDue();
    if (F.ended !== null) {
      this.#endSocket();
      return;
    }
    const handshake = this.#sockets.find(F.serial);
    if (handshake === undefined || handshake.context === null) {
      C[handshake === undefined ? T_MESSAGE_ALONE : T_MESSAGE_FORMAT]++;
      return;
    }
    this.#switch(handshake.routing);
    try {
      const end = this.#encodeMessage(this.#at, this.#messagePrefix, this.#messages + 1, handshake.context);
      if (end === this.#at) C[T_MESSAGE_SHED]++;
      else {
        this.#messages++;
        C[T_MESSAGES]++;
        this.#put(this.#at, end, handshake.routes);
      }
    } catch (error) {
      // The window of its compression may have been left as it was.
      passMessage();
      C[T_MESSAGE_LOST]++;
      onBug(error);
    }
    this.#switch(this.#nextRouting);
  }

  #endSocket(): void {
    C[T_CLOSINGS]++;
    const handshake = this.#sockets.end(F.serial);
    if (handshake === undefined || F.ended === null) C[T_CLOSING_ALONE]++;
    else this.closing(closingOfSocket(handshake.closing, F.ended), handshake.routes, handshake.routing);
  }

  #isOnPort(call: number): boolean {
    if (this.#ports === null) return true;
    const ports = R[(K[(call << CALL_SHIFT) + C_FLOW] << ROW_SHIFT) + PORTS];
    if (this.#ports[ports >>> 16] !== 0 || this.#ports[ports & 0xffff] !== 0) return true;
    C[T_FILTERED]++;
    return false;
  }

  /** Writes the record of a call to `#at`, up to `#end`, unless it goes nowhere; gives its routes. */
  #encodeRouted(call: number): number {
    let routes = 0;
    try {
      routes = this.#route(call);
      if (routes !== 0) this.#end = this.#encode(call, this.#at);
    } catch (error) {
      C[T_LOST]++;
      onBug(error);
      routes = 0;
    }
    if (routes === 0) forget();
    return routes;
  }

  /** Lets go of calls that waited for a better copy and whose time is over. */
  releaseDue(): void {
    this.#due(false);
  }

  #due(all: boolean): void {
    const nowMs = (packetTimeUs[0] / 1000) | 0;
    for (let due = nextDue(nowMs, all); due !== undefined; due = nextDue(nowMs, all)) {
      this.#switch(this.#parkedRoutings.get(due.record) ?? this.#nextRouting);
      due.record.copy(B, this.#at);
      this.#record(this.#at, this.#at + due.record.length, due.routes);
    }
    this.#switch(this.#nextRouting);
  }

  /** Calls are routed by another table from now on; what was routed before keeps its own. */
  reroute(routing: number): void {
    this.#nextRouting = routing;
    this.#switch(routing);
  }

  /** What is written together has one table. */
  #switch(routing: number): void {
    if (routing === this.#routing) return;
    this.flush();
    this.#routing = routing;
  }

  #record(at: number, end: number, routes: number): void {
    C[T_WRITTEN]++;
    if (this.#onRecord !== undefined) this.#show(at, end);
    if (this.#format === null) {
      this.#put(at, end, routes);
      return;
    }
    this.#note(at, end, routes);
    const call = JSON.parse(B.toString('utf8', at, end)) as ApiCall;
    this.#text(this.#format.record(call, this.#records++));
  }

  /** Writes a gap record behind the calls that are written; nothing where the format has no place for it. */
  gap(gap: Gap): void {
    if (this.#format !== null) return;
    C[T_GAP]++;
    this.#put(this.#at, encodeGap(this.#at, this.#gapPrefix, ++this.#gaps, gap), ALL_PIPELINES);
  }

  #note(at: number, end: number, routes: number): void {
    const i = INDEX_WORDS * this.#ready++;
    this.#index[i] = end - at;
    this.#index[i + 1] = routes;
  }

  #put(at: number, end: number, routes: number): void {
    this.#note(at, end, routes);
    this.#at = end;
    if (end - START >= FLUSH_BYTES) this.flush();
  }

  /** A fault of who looks on does not touch the record. */
  #show(at: number, end: number): void {
    try {
      this.#onRecord?.(at, end);
    } catch (error) {
      onBug(error);
    }
  }

  #text(text: string): void {
    this.#at += B.write(text, this.#at, 'utf8');
    if (this.#at - START >= FLUSH_BYTES) this.flush();
  }

  /** Writes what is left: waiting calls, then what stands after the last record. */
  end(text: string): void {
    this.#due(true);
    this.#text(text);
    this.flush();
  }

  /** Writes what there is. */
  flush(): void {
    const end = this.#at;
    if (end === START) return;
    const ready = this.#ready;
    C[OUT_BYTES] += end - START;
    this.#at = START;
    this.#ready = 0;
    this.#write(START, end, ready, this.#index, this.#routing);
  }
}
