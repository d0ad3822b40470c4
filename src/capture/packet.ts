/**
 * Packet: what capture/ hands on. One long-lived object, filled in place for each packet; the bytes lie in
 * the arena from `at` to `end` and are valid until the next packet is asked for. Its time is in
 * base/clock.ts (`packetTimeUs[0]`).
 */
export class Packet {
  /** First captured byte (of the link-layer header). */
  at = 0;
  /** One past the last captured byte. */
  end = 0;
  /** Bytes that the packet had on the wire; at least `end - at`. */
  wireBytes = 0;
  /** Link type (LINKTYPE_ value of the pcap registry): 1 Ethernet, 101 raw IP ... */
  linkType = 0;
  /** Capture interface, counted from 0 over all files; the names are in the source. */
  interfaceId = 0;
}
