/** Puts segments of one connection through reassembly, for the tests of this folder, and says what comes out as text. */
import { bytes, packetRegion } from '../base/arena.ts';
import { resetBlocks } from '../base/blocks.ts';
import { packetTimeUs } from '../base/clock.ts';
import { resetCounters } from '../base/counters.ts';
import { defaultSettings, type Settings } from '../base/settings.ts';
import { resetWeirds, weirdCounts, weirds } from '../base/weird.ts';
import { Segment } from '../decode/segment.ts';
import { Chunk, CLOSE, DATA, END, GAP } from './chunk.ts';
import { accept, expire, finish, MORE, NONE, nextChunk, resetReassembly } from './reassemble.ts';

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;
export const URG = 32;

export const START_US = 1_700_000_000_000_000;
const causeNames = ['', 'closed', 'reset', 'idle', 'evicted', 'capture-end', 'reused'];

export interface PutOptions {
  /** Payload bytes that the segment had on the wire, when fewer were captured. */
  readonly wire?: number;
  readonly urgentPointer?: number;
  /** Ports and scope, when they differ from the usual. */
  readonly ports?: readonly [number, number];
  readonly scopeId?: number;
  readonly scopeGroup?: number;
}

const CLIENT = 0x0a000001;
const SERVER = 0x0a000002;

/** Settings of the flow section that differ from the defaults. */
export function flowSettings(flow: Partial<Settings['flow']> = {}): Settings {
  return { ...defaultSettings, flow: { ...defaultSettings.flow, ...flow } };
}

/**
 * A run of reassembly. `put` gives what the segment released: "> text" and "< text" for data of the originator and
 * the responder, "> gap 10", "< end", "close reset".
 */
export class Run {
  readonly #segment: Segment = new Segment();
  readonly #chunk: Chunk = new Chunk();

  constructor(flow: Partial<Settings['flow']> = {}, blockBytesMax = defaultSettings.memory.blockBytesMax) {
    resetCounters();
    resetWeirds();
    resetBlocks(blockBytesMax);
    resetReassembly(flowSettings(flow));
    packetTimeUs[0] = START_US;
  }

  /** One segment of side 0 (10.0.0.1:40000) or 1 (10.0.0.2:80). */
  put(side: number, flags: number, sequence: number, acknowledgement: number, text = '', o: PutOptions = {}): string[] {
    const out: string[] = [];
    packetTimeUs[0] += 1000;
    if (expire()) this.#drain(out);
    const s = this.#segment;
    const [clientPort, serverPort] = o.ports ?? [40_000, 80];
    s.ipVersion = 4;
    s.src0 = side === 0 ? CLIENT : SERVER;
    s.dst0 = side === 0 ? SERVER : CLIENT;
    s.ports = side === 0 ? (clientPort << 16) | serverPort : (serverPort << 16) | clientPort;
    s.sequence = sequence | 0;
    s.acknowledgement = acknowledgement | 0;
    s.flags = flags;
    s.urgentPointer = o.urgentPointer ?? 0;
    s.payloadAt = packetRegion.at + 54;
    s.payloadEnd = s.payloadAt + bytes.write(text, s.payloadAt, 'latin1');
    s.payloadWireBytes = o.wire ?? text.length;
    s.scopeId = o.scopeId ?? 0;
    s.scopeGroup = o.scopeGroup ?? 0;
    const answer = accept(s, this.#chunk);
    if (answer === MORE) this.#drain(out);
    else if (answer !== NONE) out.push(this.#say());
    return out;
  }

  /** SYN, SYN-ACK, ACK with first sequence numbers 100 (data from 101) and 500 (data from 501). */
  handshake(o: PutOptions = {}): void {
    this.put(0, SYN, 100, 0, '', o);
    this.put(1, SYN | ACK, 500, 101, '', o);
    this.put(0, ACK, 101, 501, '', o);
  }

  /** Lets time pass; timers fire when a packet, of another connection here, tells the time. */
  wait(ms: number): string[] {
    packetTimeUs[0] += ms * 1000;
    const out: string[] = [];
    if (expire()) this.#drain(out);
    return out;
  }

  finish(): string[] {
    const out: string[] = [];
    finish();
    this.#drain(out);
    return out;
  }

  #drain(out: string[]): void {
    while (nextChunk(this.#chunk)) out.push(this.#say());
  }

  #say(): string {
    const c = this.#chunk;
    const side = c.direction === 0 ? '>' : '<';
    switch (c.kind) {
      case DATA:
        return `${side} ${bytes.toString('latin1', c.at, c.end)}`;
      case GAP:
        return `${side} gap ${c.gapBytes}`;
      case END:
        return `${side} end`;
      case CLOSE:
        return `close ${causeNames[c.cause]}`;
      default:
        return `chunk of kind ${c.kind}`;
    }
  }
}

/** Names of the weirds that were raised, in the order of the table. */
export function raised(): string[] {
  return weirds.filter((_, i) => weirdCounts[i] > 0).map((w) => w.name);
}
