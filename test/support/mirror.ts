/**
 * Mirror: what happens to a packet between the network and the capture file: it is copied, wrapped, lost, late
 * or there twice. Packet time runs here: 1 to 5 microseconds a packet, never backwards.
 */
import { type FlowFrames, FRAME_BYTES_MAX, RST, type TcpSegment, VXLAN_BYTES, writeVxlan } from './frames.ts';
import type { PcapWriter } from './pcap-writer.ts';
import type { Random } from './random.ts';

export interface MirrorOptions {
  /** Share of the packets that never reach the file. */
  readonly lossRate: number;
  /** Share of the packets that are overtaken by later ones of their connection. */
  readonly reorderRate: number;
  /** Share of the packets that come twice. */
  readonly duplicateRate: number;
}

/** A packet that waits while others overtake it. */
interface Late {
  readonly frame: Buffer;
  readonly dueUs: number;
  /** Packets of the connection that still overtake it; 0: it was let through. */
  overtakers: number;
}

/** A connection as the mirrors see it. */
export interface Tap {
  readonly frames: FlowFrames;
  /** One a mirror; empty: one mirror without a tunnel. */
  readonly vnis: readonly number[];
  /** UDP source port of its tunnel packets: one a flow, as senders do for load balancing. */
  readonly tunnelPort: number;
  readonly late: Late[];
}

const START_US = 1_750_000_000_000_000;
const OVERTAKERS_MAX = 3;
/** A packet is never later than this: what comes later is lost as far as a sensor is concerned. */
const LATE_US_MAX = 100_000;

export class Mirror {
  /** Time of the newest packet, microseconds since 1970. */
  nowUs: number = START_US;
  lost = 0;
  overtaken = 0;
  duplicated = 0;
  private readonly options: MirrorOptions;
  private readonly random: Random;
  private readonly pcap: PcapWriter;
  private readonly frame: Buffer = Buffer.alloc(VXLAN_BYTES + FRAME_BYTES_MAX);
  /** All late packets in the order of their `dueUs`. */
  private waiting: Late[] = [];

  constructor(options: MirrorOptions, random: Random, pcap: PcapWriter) {
    this.options = options;
    this.random = random;
    this.pcap = pcap;
  }

  /** Takes a packet from the network. Returns which mirrors delivered it at least once: bit 0 the first, bit 1 the second. */
  pass(tap: Tap, segment: TcpSegment): number {
    const { lossRate, reorderRate, duplicateRate } = this.options;
    const random = this.random;
    const end = tap.frames.write(this.frame, VXLAN_BYTES, segment);
    const olderLate = tap.late.length;
    let delivered = 0;
    for (let i = 0; i === 0 || i < tap.vnis.length; i++) {
      const at = tap.vnis.length === 0 ? VXLAN_BYTES : 0;
      if (at === 0) writeVxlan(this.frame, 0, tap.vnis[i], tap.tunnelPort, end - VXLAN_BYTES);
      const twice = random.chance(duplicateRate);
      if (twice) this.duplicated++;
      for (let copies = twice ? 2 : 1; copies > 0; copies--) {
        this.nowUs += random.integer(1, 5);
        if (random.chance(lossRate)) {
          this.lost++;
          continue;
        }
        delivered |= 1 << i;
        // A reset ends the connection for a sensor too, so nothing is let past it.
        if ((segment.flags & RST) === 0 && random.chance(reorderRate)) this.delay(tap, this.frame.subarray(at, end));
        else this.deliver(this.frame, at, end);
      }
    }
    if (olderLate > 0) this.overtake(tap, olderLate);
    while (this.waiting.length > 0 && (this.waiting[0].overtakers === 0 || this.waiting[0].dueUs <= this.nowUs))
      this.letThrough(this.waiting.shift() as Late);
    return delivered;
  }

  /** Lets all late packets of a connection through. */
  release(tap: Tap): void {
    for (const late of tap.late) this.letThrough(late);
    tap.late.length = 0;
  }

  private delay(tap: Tap, frame: Buffer): void {
    const late = { frame: Buffer.from(frame), dueUs: this.nowUs + LATE_US_MAX, overtakers: this.random.integer(1, OVERTAKERS_MAX) };
    tap.late.push(late);
    this.waiting.push(late);
    this.overtaken++;
  }

  /** One more packet has overtaken the first `count` late ones of the connection. */
  private overtake(tap: Tap, count: number): void {
    for (let i = 0; i < count; i++) {
      const late = tap.late[i];
      if (late.overtakers === 1) this.letThrough(late);
      else if (late.overtakers > 1) late.overtakers--;
    }
    for (let i = tap.late.length - 1; i >= 0; i--) if (tap.late[i].overtakers === 0) tap.late.splice(i, 1);
  }

  private letThrough(late: Late): void {
    if (late.overtakers === 0) return;
    late.overtakers = 0;
    this.nowUs++;
    this.deliver(late.frame, 0, late.frame.length);
  }

  private deliver(frame: Buffer, at: number, end: number): void {
    const pcap = this.pcap;
    const to = pcap.reserve(end - at);
    frame.copy(pcap.bytes, to, at, end);
    pcap.commit(end - at, this.nowUs);
  }
}
