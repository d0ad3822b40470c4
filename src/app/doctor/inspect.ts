/** What can be seen at once, without listening: rights, interfaces, ports, filter, memory. Each thing is tried, and undone. */
import { readFileSync } from 'node:fs';
import { SensorError } from '../../base/errors.ts';
import type { Settings } from '../../base/settings.ts';
import { listInterfaces, matchInterfaces } from '../../capture/interfaces.ts';
import { compileExpression, tunnelsHiddenBy } from '../../capture/libpcap.ts';
import { openPacketSocket } from '../../capture/packet-socket.ts';
import { systemCalls } from '../../capture/syscalls.ts';
import { closeEndpoint, openEndpoint, parseEndpoint } from '../../capture/tunnel-endpoint.ts';
import type { SensorReport } from '../report.ts';
import type { EndpointEvidence, FilterEvidence, InterfacesEvidence, MemoryEvidence, Refusal, RightsEvidence } from './evidence.ts';

const CAP_NET_RAW = 13n;
const LINKTYPE_ETHERNET = 1;

/** The parts of a SensorError as plain data. Any other error is a fault of ours and is thrown on. */
export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof SensorError)) throw error;
  const { code, what, why, next, details } = error;
  return { code, what, why, next, details };
}

export function inspectInterfaces(settings: Settings): InterfacesEvidence {
  const list = listInterfaces();
  const patterns = settings.capture.interfaces;
  const { matched, missing } = matchInterfaces(patterns, list);
  const unmatched = patterns.filter((p) => !missing.includes(p) && matchInterfaces([p], list).matched.length === 0);
  return {
    matched: matched.map(({ interface: { name, up, carrier, mtu, kind } }) => ({ name, up, carrier, mtu, kind })),
    missing,
    unmatched,
    present: list.map(({ name }) => name),
  };
}

/** Opens a packet socket with its ring, and closes it: that says what /proc and the limits only promise. */
export function inspectRights(settings: Settings): { rights: RightsEvidence; memory: MemoryEvidence } {
  const needed = settings.capture.interfaces.length > 0;
  const ringBytesWanted = settings.capture.ringBytes;
  const rights: RightsEvidence = { needed, netRaw: netRaw(), refused: null };
  const memory: MemoryEvidence = { ringBytesWanted, ringBytes: 0, refused: null };
  if (!needed) return { rights, memory };
  try {
    const { fd, ringBytes } = openPacketSocket(ringBytesWanted, settings.capture.ringBlockTimeoutMs);
    systemCalls()?.close(fd);
    return { rights, memory: { ...memory, ringBytes } };
  } catch (error) {
    const refused = refusalOf(error);
    return refused.code === 'ring-failed' ? { rights, memory: { ...memory, refused } } : { rights: { ...rights, refused }, memory };
  }
}

/** Whether the effective capabilities (proc(5), CapEff) have CAP_NET_RAW; null when they are not to be read. */
function netRaw(): boolean | null {
  try {
    const [, hex] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
    return hex === undefined ? null : ((BigInt(`0x${hex}`) >> CAP_NET_RAW) & 1n) === 1n;
  } catch {
    return null;
  }
}

/** Opens each end-point and closes it, unless the running sensor has it. */
export function inspectEndpoints(settings: Settings, sensor: SensorReport | null): EndpointEvidence[] {
  const receiveBufferBytesWanted = settings.capture.receiveBufferBytes;
  const held = new Set(sensor?.endpoints.map(({ url }) => portOf(url)));
  return settings.capture.endpoints.map((url): EndpointEvidence => {
    const port = portOf(url);
    const evidence = { url, port, refused: null, heldBySensor: held.has(port), receiveBufferBytes: 0, receiveBufferBytesWanted };
    if (evidence.heldBySensor) return evidence;
    try {
      const { fds, receiveBufferBytes } = openEndpoint(parseEndpoint(url), 1, receiveBufferBytesWanted);
      closeEndpoint(fds);
      return { ...evidence, receiveBufferBytes };
    } catch (error) {
      return { ...evidence, refused: refusalOf(error) };
    }
  });
}

/** 0 when the URL is wrong: opening it says how. */
function portOf(url: string): number {
  try {
    return parseEndpoint(url).port;
  } catch {
    return 0;
  }
}

export function inspectFilter(settings: Settings): FilterEvidence {
  const { filter: expression, only, not } = settings.capture;
  const lists = [only.ports, only.networks, not.ports, not.networks].some((list) => list.length > 0);
  const evidence: FilterEvidence = { expression, lists, refused: null, hidesTunnels: [] };
  if (expression === '') return evidence;
  try {
    return { ...evidence, hidesTunnels: tunnelsHiddenBy(compileExpression(expression, LINKTYPE_ETHERNET)) };
  } catch (error) {
    return { ...evidence, refused: refusalOf(error) };
  }
}
