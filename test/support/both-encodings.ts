/** Runs packets through the hot path and encodes each call twice: as the line that may be shown, and as the record. */
import assert from 'node:assert/strict';
import type { CallLine } from '../../src/app/call-line.ts';
import { finishPipeline, lastBug, processPacket, resetPipeline } from '../../src/app/pipeline.ts';
import { bytes, outputRegion } from '../../src/base/arena.ts';
import { packetTimeUs } from '../../src/base/clock.ts';
import { defaultSettings, type Settings } from '../../src/base/settings.ts';
import { weirdCount } from '../../src/base/weird.ts';
import { Packet } from '../../src/capture/packet.ts';
import { type ApiCall, apiCallSchema } from '../../src/normalise/api-call.ts';
import { encodeCall, resetEncoder } from '../../src/normalise/encode.ts';
import { encodeLine, resetLineEncoder } from '../../src/normalise/encode-line.ts';
import { placePacket } from './packets.ts';
import type { Wire } from './run-pipeline.ts';

export interface BothEncodings {
  /** The line as it was written, and read back. */
  readonly text: string;
  readonly line: CallLine;
  readonly record: ApiCall;
}

/** The calls in the packets. Record ids count both encodings. */
export function encodeBoth(packets: Iterable<Wire>, settings: Settings = defaultSettings): BothEncodings[] {
  const found: BothEncodings[] = [];
  resetEncoder(settings, 'ep', 3);
  resetLineEncoder();
  resetPipeline(settings, (call) => {
    const at = outputRegion.at;
    const text = bytes.toString('utf8', at, encodeLine(call, at));
    const record = apiCallSchema.parse(JSON.parse(bytes.toString('utf8', at, encodeCall(call, at))));
    found.push({ text, line: JSON.parse(text) as CallLine, record });
  });
  const packet = new Packet();
  for (const { data, timeUs, ...place } of packets) {
    placePacket(packet, data, place);
    packetTimeUs[0] = timeUs;
    processPacket(packet);
  }
  finishPipeline();
  assert.equal(weirdCount('sensor.bug'), 0, String(lastBug));
  return found;
}
