/**
 * Parser: what the formats of capture files (pcap.ts, pcapng.ts) have in common. A parser walks over a window of
 * the arena that somebody else fills: no I/O, no throw, nothing kept but a few numbers.
 *
 *      slot                                                        slot + capacity
 *      +-----------+--------------------------+-------------------+
 *      | passed    | at    unread         end | free              |
 *      +-----------+--------------------------+-------------------+
 */
import type { Packet } from './packet.ts';

/** A packet was found: the Packet and the time were filled in. */
export const PACKET = 1;
/** `need` bytes from `at` on (or, when `skip` is not 0, the bytes to be skipped) must come first. */
export const MORE = 2;
/** A packet was passed because its link type is not supported. */
export const SKIPPED = 3;
/** The rest of the file cannot be read; the weird was raised. */
export const STOP = 4;

export type Step = typeof PACKET | typeof MORE | typeof SKIPPED | typeof STOP;

/** No sane packet or block is longer: 256 MiB. */
export const LENGTH_MAX: number = 256 << 20;

export interface Parser {
  /** First unread byte. */
  at: number;
  /** One past the last byte that is there. */
  end: number;
  /** After MORE: bytes that the next record has at least, counted from `at`; at most the capacity. */
  need: number;
  /** After MORE: bytes beyond `end` that belong to a record that is passed over. */
  skip: number;
  /** Looks at the next record; fills `packet` and `time[0]` (microseconds since the epoch). */
  parse(packet: Packet, time: Float64Array): Step;
}

export interface CaptureInterface {
  /** Name of the interface where the file has one (pcapng), else empty. */
  readonly name: string;
  /** LINKTYPE_ value. */
  readonly linkType: number;
  /** Path of its file as given; "-" is standard input. */
  readonly file: string;
}
