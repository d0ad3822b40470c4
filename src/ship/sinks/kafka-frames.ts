/**
 * What a broker answers is a row of frames, each with its length in front: int32, then so many bytes. What is no Kafka
 * broker shows by its first ones, and is cut off before anything that large is waited for, or kept:
 *
 *   15 03 03 00 02 ...   a TLS alert: TLS is spoken there           48 54 54 50 "HTTP"   a web server
 */
import type { Socket } from 'node:net';

/** silent: closed before anything was said. */
export type FrameFault = '' | 'tls' | 'foreign' | 'silent';

/** Answers about one topic are small: ten thousand partitions make half a MiB. */
const FRAME_BYTES_MAX = 16 << 20;
const TLS_ALERT = 0x15;
const TLS_MAJOR = 3;

/** Destroys the socket when what comes is too long to be an answer. */
export function guardFrames(socket: Socket, onFault: (fault: FrameFault) => void): void {
  /** Of the frame that is being read; -4 to -1: so many bytes of its length are still to come. */
  let left = -4;
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const step = Math.min(left, chunk.length - at);
        left -= step;
        at += step;
        if (left === 0) left = -4;
        continue;
      }
      length = (length << 8) | chunk[at++];
      if (++left < 0) continue;
      if (length < 0 || length > FRAME_BYTES_MAX) {
        const first = length >>> 24;
        onFault(first === TLS_ALERT && ((length >>> 16) & 0xff) === TLS_MAJOR ? 'tls' : 'foreign');
        socket.destroy();
        return;
      }
      left = length === 0 ? -4 : length;
      length = 0;
    }
  });
}
