/** WebSocket connections for tests: handshakes and frames made by hand, and the packets that carry them. */
import { type Conversation, type End, everyBytes, partsOf, type Turn, wires } from './conversation.ts';
import type { Wire } from './run-pipeline.ts';

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export interface FramePlan {
  readonly opcode?: number;
  readonly fin?: boolean;
  /** The three reserved bits, 4 for RSV1. */
  readonly reserved?: number;
  readonly payload?: Buffer | string;
  /** Bytes of the length field: 1, 3 or 9 with the marker; as few as it takes when not said. */
  readonly lengthBytes?: 1 | 3 | 9;
  /** What the length field says in place of the truth. */
  readonly claims?: bigint;
  /** Whether it is masked when its sender would not do that, and the other way round. */
  readonly wrongMask?: boolean;
}

const KEY = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** One frame of the client (masked) or the server. */
export function frame(fromServer: boolean, plan: FramePlan = {}): Buffer {
  const payload = Buffer.from(plan.payload ?? '');
  const length = plan.claims ?? BigInt(payload.length);
  const lengthBytes = plan.lengthBytes ?? (length < 126n ? 1 : length < 65_536n ? 3 : 9);
  const masked = fromServer === (plan.wrongMask ?? false);
  const head = Buffer.alloc(1 + lengthBytes);
  head[0] = (plan.fin === false ? 0 : 0x80) | ((plan.reserved ?? 0) << 4) | (plan.opcode ?? TEXT);
  head[1] = (masked ? 0x80 : 0) | (lengthBytes === 1 ? Number(length) : lengthBytes === 3 ? 126 : 127);
  if (lengthBytes === 3) head.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 9) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  return Buffer.concat([head, KEY, Buffer.from(payload.map((byte, i) => byte ^ KEY[i & 3]))]);
}

export function closePayload(code: number, reason = ''): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(code);
  return Buffer.concat([out, Buffer.from(reason)]);
}

/** Request and response; `extensions` as the server answers them. */
export function handshake(extensions?: string): [Turn, Turn] {
  const request = 'GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n';
  const agreed = extensions === undefined ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`;
  const response = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${agreed}\r\n`;
  return [
    { fromServer: false, bytes: Buffer.from(request) },
    { fromServer: true, bytes: Buffer.from(response) },
  ];
}

export function fromClient(...frames: readonly FramePlan[]): Turn {
  return { fromServer: false, bytes: Buffer.concat(frames.map((plan) => frame(false, plan))) };
}

export function fromServer(...frames: readonly FramePlan[]): Turn {
  return { fromServer: true, bytes: Buffer.concat(frames.map((plan) => frame(true, plan))) };
}

/** The packets of one connection, in segments of at most `segmentBytes`. */
export function packetsOf(turns: readonly Turn[], segmentBytes = 1400, end: End = 'client-fin', clientPort = 40_000): Wire[] {
  const conversation: Conversation = { turns, calls: [], end };
  return wires(partsOf(conversation, everyBytes(segmentBytes)), { clientPort });
}
