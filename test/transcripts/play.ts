/**
 * Plays a transcript: its bytes become TCP segments of one connection (10.0.0.1:40000 to 10.0.0.2:8080, sequence
 * numbers that wrap on the way), go through the whole pipeline and come back as records.
 */
import { bytes, packetRegion } from '../../src/base/arena.ts';
import type { Settings } from '../../src/base/settings.ts';
import { Packet } from '../../src/capture/packet.ts';
import { kindNames } from '../../src/http/connection.ts';
import { connectionsByKind } from '../../src/http/ending.ts';
import { tlsSince } from '../../src/http/tls-facts.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import type { ClosingRecord } from '../../src/normalise/closing-record.ts';
import { ACK, FIN, FlowFrames, PSH, RST, SYN } from '../support/frames.ts';
import { PipelineRun, START_US } from '../support/run-pipeline.ts';
import type { Step } from './transcript.ts';

/** How the sends become segments. */
export interface Cut {
  /** Send that is cut in two, by its number; -1: none. */
  readonly send: number;
  readonly at: number;
  /** Every byte is a segment of its own. */
  readonly each: boolean;
}
export const WHOLE: Cut = { send: -1, at: 0, each: false };

export interface Outcome {
  readonly calls: readonly ApiCall[];
  readonly closings: readonly ClosingRecord[];
  readonly connections: readonly string[];
  readonly weirds: readonly string[];
  readonly tls: readonly string[];
}

const STEP_US = 1_000;
const CLIENT = { address: Buffer.from([10, 0, 0, 1]), port: 40_000 };
const SERVER = { address: Buffer.from([10, 0, 0, 2]), port: 8_080 };
/** So near to 2^32 that most transcripts wrap. */
const FIRST_SEQUENCE = [0xffff_ff80, 0xffff_fff0];

export function play(steps: readonly Step[], settings: Settings, cut: Cut): Outcome {
  const run = new PipelineRun({ settings, longCalls: true });
  const packet = new Packet();
  packet.linkType = 1;
  const frames = new FlowFrames(CLIENT, SERVER, 1);
  const next = [...FIRST_SEQUENCE];
  let timeUs = START_US;
  const put = (side: number, flags: number, payload: Buffer): void => {
    packet.at = packetRegion.at;
    packet.end = frames.write(bytes, packetRegion.at, {
      fromServer: side === 1,
      flags,
      sequence: next[side],
      acknowledgement: next[1 - side],
      timestamp: 1,
      payload,
    });
    packet.wireBytes = packet.end - packet.at;
    timeUs += STEP_US;
    run.process(packet, timeUs);
    next[side] = (next[side] + payload.length + (flags & (SYN | FIN) ? 1 : 0)) >>> 0;
  };
  const none = Buffer.alloc(0);
  const handshake = (): void => {
    put(0, SYN, none);
    put(1, SYN | ACK, none);
    put(0, ACK, none);
  };
  const close = (side: number): void => {
    put(side, FIN | ACK, none);
    put(1 - side, FIN | ACK, none);
    put(side, ACK, none);
  };
  if (!steps.some((s) => s.kind === 'midstream')) handshake();
  let sends = 0;
  for (const step of steps) {
    switch (step.kind) {
      case 'send': {
        const side = step.fromServer ? 1 : 0;
        const parts = pieces(step.bytes, sends++, cut);
        for (const part of parts) put(side, PSH | ACK, part);
        break;
      }
      case 'lose': {
        const side = step.fromServer ? 1 : 0;
        next[side] = (next[side] + step.count) >>> 0;
        break;
      }
      case 'wait':
        timeUs += step.seconds * 1e6;
        break;
      case 'fin':
        put(step.fromServer ? 1 : 0, FIN | ACK, none);
        break;
      case 'reset':
        put(step.fromServer ? 1 : 0, RST | ACK, none);
        break;
      case 'close':
        close(step.fromServer ? 1 : 0);
        break;
      default:
    }
  }
  const { records, closings, weirds } = run.finish();
  return {
    calls: records,
    closings,
    connections: [...connectionsByKind].flatMap(([key, n]) => Array<string>(n).fill(kindNames[key >> 16])).sort(),
    weirds: Object.keys(weirds),
    tls: [...new Set(tlsSince(0).connections.map(({ serverName, alpn }) => `${serverName} ${alpn[0] ?? ''}`.trimEnd()))].sort(),
  };
}

function pieces(data: Buffer, send: number, cut: Cut): Buffer[] {
  if (cut.each) return [...data].map((byte) => Buffer.from([byte]));
  return send === cut.send ? [data.subarray(0, cut.at), data.subarray(cut.at)] : [data];
}
