/**
 * Packet time: every timer of the hot path runs on the time stamps of the packets, never on the wall clock.
 * Microseconds since the epoch in a Float64Array, because a double that lives in a module variable or an
 * object field is boxed again at every store.
 */
export const packetTimeUs: Float64Array = new Float64Array(1);
