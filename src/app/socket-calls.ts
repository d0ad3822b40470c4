/**
 * The calls that are handshakes of WebSocket connections that are open: where their records went, and what the records of
 * messages and the closing record say of them. Bounds: one for each connection that websocket/ follows.
 */
import { bytes } from '../base/arena.ts';
import * as t from '../http/transaction.ts';
import type { ApiCall } from '../normalise/api-call.ts';
import { lastSequence } from '../normalise/encode.ts';
import { type Closing, closingOf } from '../normalise/encode-closing.ts';
import { contextOf } from '../normalise/encode-message.ts';
import type { Literal } from '../normalise/json.ts';
import type { EndedSocket } from '../websocket/finished-messages.ts';

const K = t.calls;
/** Codes that no Close frame carries (RFC 6455, 7.4.1): it had none, or none came. */
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const CODE_MIN = 1000;

export interface SocketCall {
  readonly routes: number;
  readonly routing: number;
  /** As it stood when the handshake was over. */
  readonly closing: Closing;
  /** null: messages make no records. */
  readonly context: Literal | null;
}

export class SocketCalls {
  /** Whether messages of the next connections make records. */
  withMessages: boolean;
  readonly #calls = new Map<number, SocketCall>();

  constructor(withMessages: boolean) {
    this.withMessages = withMessages;
  }

  /** `[at, end)` is the record of the handshake, the last that was encoded. */
  begin(call: number, at: number, end: number, routes: number, routing: number): void {
    const context = this.withMessages ? contextOf(JSON.parse(bytes.toString('utf8', at, end)) as ApiCall) : null;
    this.#calls.set(K[(call << t.CALL_SHIFT) + t.C_SOCKET], { routes, routing, closing: closingOf(call, lastSequence()), context });
  }

  find(serial: number): SocketCall | undefined {
    return this.#calls.get(serial);
  }

  /** The connection is over. */
  end(serial: number): SocketCall | undefined {
    const call = this.#calls.get(serial);
    this.#calls.delete(serial);
    return call;
  }
}

/** The closing record of a connection whose handshake's was to be `closing`. */
export function closingOfSocket(closing: Closing, ended: EndedSocket): Closing {
  const { code, timeUs, lastUs, client, server } = ended;
  const { request, response } = closing;
  const firstUs = (request ?? response)?.firstByteUs ?? 0;
  const last = Math.max(lastUs, request?.lastByteUs ?? 0, response?.lastByteUs ?? 0);
  const isCode = code >= CODE_MIN && code !== NO_STATUS && code !== ABNORMAL;
  return {
    ...closing,
    causes: closing.causes | causesOf(ended),
    timeUs,
    durationUs: Math.max(0, last - firstUs),
    websocket: { code: isCode ? code : null, client, server },
  };
}

/** Why it is not complete; a Close frame is the end that it should have. */
function causesOf({ code, cause, isLost, isBroken }: EndedSocket): number {
  const hasClosed = code >= CODE_MIN && code !== ABNORMAL;
  const end = hasClosed ? 0 : cause === 0 ? t.CAUSE_CLOSED : cause;
  return end | (isLost ? t.CAUSE_GAP : 0) | (isBroken ? t.CAUSE_MALFORMED : 0);
}
