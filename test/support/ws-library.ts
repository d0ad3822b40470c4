/** What is used of ws, which has no types: frames as it sends and reads them, over any stream. */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

interface SendOptions {
  readonly binary: boolean;
  readonly compress: boolean;
  readonly fin: boolean;
  readonly mask: boolean;
}
export interface Sender {
  send(data: Buffer, options: SendOptions, done: () => void): void;
  close(code: number, data: Buffer, mask: boolean, done: () => void): void;
}
export interface Receiver extends EventEmitter {
  write(data: Buffer): void;
}
interface Deflate {
  accept(offers: readonly object[]): void;
}
interface Library {
  readonly Sender: new (stream: object, extensions: object) => Sender;
  readonly Receiver: new (options: object) => Receiver;
  readonly PerMessageDeflate: new (options: object) => Deflate;
}
export const ws: Library = createRequire(import.meta.url)('ws') as Library;
