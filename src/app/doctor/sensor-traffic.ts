/**
 * What a running sensor heard between two of its reports, as the doctor's evidence. A report knows bytes and calls, not
 * single connections and tunnels: those are null.
 */
import { verdictNames } from '../../decode/segment.ts';
import type { SensorReport } from '../report.ts';
import { tlsBetween } from '../tls-report.ts';
import type { Amount, Traffic } from './evidence.ts';

/** What is on the counters of the second report and was not on the first. */
export function trafficBetween(first: SensorReport, second: SensorReport): Traffic {
  const grown = (of: (report: SensorReport) => number): number => Math.max(0, of(second) - of(first));
  const counter = (name: string): number => grown((report) => report.counters[name] ?? 0);
  const packets = grown((report) => report.stages.reader.read);
  const others = verdictNames.map((name): [string, number] => [name, counter(`packets.dropped{${name}}`)]).filter(([, n]) => n > 0);
  return {
    heardBy: 'sensor',
    seconds: (second.sensor.nowAtMs - first.sensor.nowAtMs) / 1000,
    sources: [...sources(first, second)],
    interfaceCounters: [],
    kernelDropped: grown((report) => report.stages.reader.kernelDropped),
    sensorMeanwhile: { packets, kernelDropped: grown((report) => report.stages.reader.kernelDropped) },
    unfiltered: null,
    observed: {
      packets,
      bytes: grown((report) => report.stages.reader.bytes),
      tcp: counter('packets.decoded'),
      refused: counter('packets.dropped{filter}'),
      others: Object.fromEntries(others),
      longestBytes: null,
      tunnels: null,
      strayTunnels: [],
      cut: { segments: grown((report) => report.weirds['flow.tcp.cut_segment'] ?? 0), bytes: null },
      flows: null,
      connections: null,
      payload: {
        seen: counter('payload.seen'),
        http: counter('payload.http'),
        tls: counter('payload.tls'),
        other: counter('payload.other'),
      },
      tls: tlsBetween(first.tls, second.tls),
      quic: { packets: counter('packets.dropped{quic}'), connections: counter('quic.connections'), http3: counter('quic.http3') },
      calls: {
        seen: counter('calls.seen'),
        complete: counter('calls.complete'),
        withoutResponse: counter('calls.incomplete{no-response}'),
        withoutRequest: counter('calls.incomplete{no-request}'),
      },
      gaps: { count: counter('gaps.count'), bytes: counter('gaps.bytes') },
      clockOffsetMs: null,
      bugs: grown((report) => report.weirds['sensor.bug'] ?? 0),
    },
  };
}

function* sources(first: SensorReport, second: SensorReport): Iterable<Amount> {
  for (const { name, packets } of second.interfaces) {
    yield { name, packets: Math.max(0, packets - (first.interfaces.find((one) => one.name === name)?.packets ?? 0)) };
  }
  for (const { url, packets } of second.endpoints) {
    yield { name: url, packets: Math.max(0, packets - (first.endpoints.find((one) => one.url === url)?.packets ?? 0)) };
  }
}
