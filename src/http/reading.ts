/**
 * What http/ is reading at the moment: one long-lived object, set for each chunk. Offsets translate to sequence
 * numbers by it: a byte at offset `p` has `sequence + p - at`.
 */
class Reading {
  /** First byte of the chunk or tail that is read. */
  at = 0;
  /** Sequence number of that byte. */
  sequence = 0;
  /** What the segment that carried it acknowledged. */
  acknowledgement = 0;
  /** Row of the connection in the flow table. */
  flow = 0;
  /** Block of the tail that is read; 0 when the bytes lie in a packet, or the tail was put back. */
  tail = 0;
  /** http.headBytesMax. */
  headBytesMax = 65_000;
}

export const reading: Reading = new Reading();
/** When that first byte came, microseconds. */
export const readTime: Float64Array = new Float64Array(1);
