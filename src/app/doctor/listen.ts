/**
 * Listening as `run` does, with the same sockets and filters, on this thread, for some seconds.
 *
 * The doctor's own thread has one ring; a sensor has one a worker. Beside a running sensor it hears the same interfaces, but
 * never opens a tunnel end-point that the sensor holds: it would take packets away from it.
 */
import { ringRegion } from '../../base/arena.ts';
import type { Settings } from '../../base/settings.ts';
import { type InterfaceState, listInterfaces, matchInterfaces } from '../../capture/interfaces.ts';
import { LivePackets } from '../live-packets.ts';
import type { InterfaceCounters, Traffic, Unfiltered } from './evidence.ts';
import { Observer } from './observe.ts';
import { UNFILTERED_RING_BYTES, UnfilteredLook } from './unfiltered.ts';

const UNFILTERED_RING_AT = ringRegion.end - UNFILTERED_RING_BYTES;

/** What arrives within `seconds`. `looksBeside`: the wire without the filter is of interest. Throws SensorError. */
export function listen(settings: Settings, seconds: number, looksBeside: boolean): Traffic {
  const observer = new Observer(settings);
  const live = new LivePackets(settings, (packet) => observer.take(packet, Date.now()), UNFILTERED_RING_AT - ringRegion.at);
  try {
    const beside = looksBeside ? openBeside(settings) : null;
    const before = listInterfaces();
    live.begin(seconds, beside);
    while (live.turn());
    const { seconds: heardSeconds, dropped } = live.end();
    const after = listInterfaces();
    const observed = observer.finish();
    const unfiltered: Unfiltered | null = beside?.finish() ?? null;
    return {
      heardBy: 'doctor',
      seconds: heardSeconds,
      sources: live.sources(),
      interfaceCounters: countersBetween(settings, before, after),
      kernelDropped: dropped,
      sensorMeanwhile: null,
      observed,
      unfiltered,
    };
  } finally {
    live.close();
  }
}

/** null where the rights do not allow it: with end-points alone none were needed so far. */
function openBeside(settings: Settings): UnfilteredLook | null {
  try {
    return new UnfilteredLook(settings, UNFILTERED_RING_AT);
  } catch {
    return null;
  }
}

function countersBetween(settings: Settings, before: readonly InterfaceState[], after: readonly InterfaceState[]): InterfaceCounters[] {
  return matchInterfaces(settings.capture.interfaces, after).matched.map(({ interface: now }) => {
    const old = before.find(({ index }) => index === now.index);
    return { name: now.name, packets: now.rxPackets - (old?.rxPackets ?? 0), dropped: now.rxDropped - (old?.rxDropped ?? 0) };
  });
}
