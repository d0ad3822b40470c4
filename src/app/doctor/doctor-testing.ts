/** For tests of the doctor: evidence of a machine on which all is well, with the traffic that was really observed. */
import { packetTimeUs } from '../../base/clock.ts';
import { defaultSettings, type Settings } from '../../base/settings.ts';
import { Packet } from '../../capture/packet.ts';
import type { Evidence, Observed, Traffic } from './evidence.ts';
import { Observer } from './observe.ts';

export interface SomePacket {
  readonly data: Buffer;
  /** Bytes that it had before the capture cut it; the captured ones when not said. */
  readonly wireBytes?: number;
}

const START_MS = 1_750_000_000_000;

/** Packets, a tenth of a millisecond apart, through the hot path. The clock is `aheadMs` ahead of packet time. */
export function observe(
  packets: readonly SomePacket[],
  place: (packet: Packet, data: Buffer, o: { wireBytes: number }) => void,
  { settings = defaultSettings, aheadMs = 5 }: { readonly settings?: Settings; readonly aheadMs?: number } = {},
): Observed {
  const observer = new Observer(settings);
  const packet = new Packet();
  packets.forEach(({ data, wireBytes = data.length }, i) => {
    place(packet, data, { wireBytes });
    const timeMs = START_MS + i / 10;
    packetTimeUs[0] = timeMs * 1000;
    observer.take(packet, timeMs + aheadMs);
  });
  return observer.finish();
}

/** What a doctor that listened for ten seconds on eth0 knows. */
export function trafficOf(observed: Observed, changes: Partial<Traffic> = {}): Traffic {
  return {
    heardBy: 'doctor',
    seconds: 10,
    sources: [{ name: 'eth0', packets: observed.packets }],
    interfaceCounters: [{ name: 'eth0', packets: observed.packets, dropped: 0 }],
    kernelDropped: 0,
    sensorMeanwhile: null,
    observed,
    unfiltered: null,
    ...changes,
  };
}

/** All is well; `changes` say what is not. */
export function evidence(traffic: Traffic | null, changes: Partial<Evidence> = {}): Evidence {
  return {
    configuration: {
      path: 'earshot.yaml',
      refused: null,
      interfaces: ['eth0'],
      endpoints: [],
      vxlanPorts: [4789, 8472],
      genevePorts: [6081],
    },
    rights: { needed: true, netRaw: true, refused: null },
    interfaces: {
      matched: [{ name: 'eth0', up: true, carrier: true, mtu: 9001, kind: '' }],
      missing: [],
      unmatched: [],
      present: ['lo', 'eth0', 'eth1'],
    },
    endpoints: [],
    filter: { expression: '', lists: false, refused: null, hidesTunnels: [] },
    memory: { ringBytesWanted: 64 << 20, ringBytes: 64 << 20, refused: null },
    sensor: null,
    sensorSilent: 'there is no such socket',
    traffic,
    delivery: null,
    ...changes,
  };
}
