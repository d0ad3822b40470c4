/**
 * The metrics: one table of names, kinds, meanings, and where each comes from in the report. /metrics, Graphite,
 * StatsD and OTLP are views of it, docs/metrics.md is generated from it, and the dashboard is checked against it.
 *
 * Names have no prefix here (`metrics.prefix` of the configuration stands before each, with "_"), base units at the
 * end, and `_total` behind what only grows. Every kind of loss has a name of its own, because each has another cause:
 * what the kernel dropped, what was shed, what never came (gaps), what could not be written.
 *
 * Labels are bounded: names of workers, interfaces, end-points, reasons, rules, sinks, weirds and states. Of each metric at most
 * SERIES_MAX are shown; the rest of a counter is added up under "(more)", the rest of a gauge is left out, and
 * `series_left_out` counts both.
 */
import { type DeliveryState, isTried } from '../../ship/delivery-state.ts';
import { expiredOf } from '../delivery-faults.ts';
import type { InterfaceState, PipelineReport, SensorReport, WorkerState } from '../report.ts';
import type { ShipReport } from '../ship-link.ts';

export type MetricKind = 'counter' | 'gauge';

export interface Metric {
  readonly name: string;
  readonly kind: MetricKind;
  readonly meaning: string;
  readonly labels: readonly string[];
  readonly read: (input: MetricsInput) => readonly Sample[];
}

/** A value and its labels, in the order of `Metric.labels`. */
export type Sample = readonly [value: number, ...labels: string[]];

/** What the metrics are made from. */
export interface MetricsInput {
  readonly report: SensorReport;
  readonly pushes: readonly PushReport[];
  /** Log lines that went to standard error in place of the file. */
  readonly logErrors: number;
  /** Log lines that came nowhere. */
  readonly logLost: number;
}

/** How one place fares that metrics are pushed to. */
export interface PushReport {
  /** "graphite", "statsd", "otlp" */
  readonly target: string;
  /** Intervals whose metrics were handed over. */
  readonly sent: number;
  /** Intervals whose metrics were not. */
  readonly dropped: number;
}

/** A metric with its samples, no two of them with equal labels. */
export interface Family {
  readonly metric: Metric;
  readonly samples: readonly Sample[];
}

export const SERIES_MAX = 256;
const MORE = '(more)';
const LEFT_OUT = 'series_left_out';

const interfaceStates: readonly InterfaceState[] = ['up', 'no-carrier', 'down', 'missing'];
const spoolLevels = ['memory', 'os', 'disk'] as const;
const workerStates: readonly WorkerState[] = ['starting', 'running', 'stuck', 'dead', 'stopped'];

type Read = Metric['read'];

const one =
  (value: (report: SensorReport) => number): Read =>
  ({ report }) => [[value(report)]];
const perInterface =
  (value: (i: SensorReport['interfaces'][number]) => number): Read =>
  ({ report }) =>
    report.interfaces.map((i): Sample => [value(i), i.name]);
const perEndpoint =
  (value: (e: SensorReport['endpoints'][number]) => number): Read =>
  ({ report }) =>
    report.endpoints.map((e): Sample => [value(e), e.url]);
const perWorker =
  (value: (w: SensorReport['workers'][number]) => number): Read =>
  ({ report }) =>
    report.workers.map((w): Sample => [value(w), String(w.worker)]);
/** Of the counters `name{reason}`, one for each reason. */
const perReason =
  (name: string): Read =>
  ({ report }) =>
    Object.entries(report.counters).flatMap(([counter, value]): Sample[] =>
      counter.startsWith(`${name}{`) ? [[value, counter.slice(name.length + 1, -1)]] : [],
    );
/** Of the counters `name{pipeline/rule}`, one for each rule. */
const perRule =
  (name: string): Read =>
  (input) =>
    perReason(name)(input).map(([value, label]): Sample => {
      const slash = label.indexOf('/');
      return [value, label.slice(0, slash), label.slice(slash + 1)];
    });
const flag = (condition: boolean): number => (condition ? 1 : 0);
const perPipeline =
  (value: (p: PipelineReport) => number): Read =>
  ({ report }) =>
    report.pipelines.map((p): Sample => [value(p), p.name]);
const perSink =
  (value: (s: DeliveryState, nowAtMs: number) => number): Read =>
  ({ report }) =>
    (report.ship?.sinks ?? []).map((s): Sample => [value(s, report.sensor.nowAtMs), s.name, s.type]);
/** Nothing without sinks. */
const ofDelivery =
  (value: (d: NonNullable<SensorReport['delivery']>) => number): Read =>
  ({ report: { delivery } }) =>
    delivery === null ? [] : [[value(delivery)]];
const ofShip =
  (value: (s: ShipReport) => number): Read =>
  ({ report: { ship } }) =>
    ship === null ? [] : [[value(ship)]];

const counter = (name: string, meaning: string, read: Read, ...labels: string[]): Metric => ({
  name,
  kind: 'counter',
  meaning,
  labels,
  read,
});
const gauge = (name: string, meaning: string, read: Read, ...labels: string[]): Metric => ({ name, kind: 'gauge', meaning, labels, read });

/** Every metric, in the order in which they are shown. */
export const metrics: readonly Metric[] = [
  // the sensor
  gauge('up', 'Always 1: the sensor answers.', () => [[1]]),
  gauge(
    'build_info',
    'Always 1; its labels say which sensor this is.',
    ({ report: { sensor } }) => [[1, sensor.version, sensor.id, sensor.poolId]],
    'version',
    'sensor',
    'pool',
  ),
  gauge(
    'ready',
    'Whether packets can be taken: what the health port answers.',
    one((r) => flag(r.health.ready)),
  ),
  gauge(
    'faults',
    'Things that are not as they should be.',
    one((r) => r.health.faults.length),
  ),
  gauge(
    'fault',
    '1 for each kind of fault that there is now.',
    ({ report }) => [...new Set(report.health.faults.map((f) => f.code))].map((code): Sample => [1, code]),
    'code',
  ),
  gauge(
    'start_time_seconds',
    'When the sensor started, since 1970.',
    one((r) => r.sensor.startedAtMs / 1000),
  ),
  gauge(
    'configuration_read_time_seconds',
    'When the configuration in force was read, since 1970.',
    one((r) => r.sensor.configurationReadAtMs / 1000),
  ),
  gauge(
    'memory_bytes',
    'Memory of the process that is resident.',
    one((r) => r.sensor.memoryBytes),
  ),
  counter(
    'cpu_seconds_total',
    'Processor time of all threads.',
    one((r) => r.sensor.cpuMs / 1000),
  ),
  // interfaces
  gauge(
    'interface_state',
    'State of an interface: 1 for the one that it is in, 0 for the others.',
    ({ report }) => report.interfaces.flatMap((i) => interfaceStates.map((state): Sample => [flag(i.state === state), i.name, state])),
    'interface',
    'state',
  ),
  counter(
    'interface_packets_total',
    'Packets read from an interface.',
    perInterface((i) => i.packets),
    'interface',
  ),
  counter(
    'interface_bytes_total',
    'Bytes of these packets.',
    perInterface((i) => i.bytes),
    'interface',
  ),
  counter(
    'interface_losses_total',
    'Times that an interface went away or down.',
    perInterface((i) => i.losses),
    'interface',
  ),
  gauge(
    'interface_mtu_bytes',
    'Largest packet of an interface.',
    perInterface((i) => i.mtu),
    'interface',
  ),
  // tunnel end-points
  counter(
    'endpoint_packets_total',
    'Datagrams read from a tunnel end-point.',
    perEndpoint((e) => e.packets),
    'endpoint',
  ),
  counter(
    'endpoint_bytes_total',
    'Bytes of these datagrams.',
    perEndpoint((e) => e.bytes),
    'endpoint',
  ),
  counter(
    'endpoint_kernel_dropped_total',
    'Datagrams that found the receive buffer of an end-point full.',
    perEndpoint((e) => e.kernelDropped),
    'endpoint',
  ),
  gauge(
    'endpoint_receive_buffer_bytes',
    'Receive buffer that the kernel gave.',
    perEndpoint((e) => e.receiveBufferBytes),
    'endpoint',
  ),
  gauge(
    'endpoint_receive_buffer_wanted_bytes',
    'Receive buffer that was asked for.',
    perEndpoint((e) => e.receiveBufferBytesWanted),
    'endpoint',
  ),
  // reader
  counter(
    'reader_packets_total',
    'Packets read from rings and sockets.',
    one((r) => r.stages.reader.read),
  ),
  counter(
    'reader_bytes_total',
    'Bytes of these packets.',
    one((r) => r.stages.reader.bytes),
  ),
  counter(
    'reader_kernel_dropped_total',
    'Packets that the kernel dropped because a ring or a receive buffer was full. They are not among those read.',
    one((r) => r.stages.reader.kernelDropped),
  ),
  counter(
    'reader_shed_packets_total',
    'Packets of flows that were left out because a worker could not keep up.',
    one((r) => r.stages.reader.shed),
  ),
  counter(
    'reader_own_packets_total',
    "Packets of the sensor's own connections, which it leaves out.",
    one((r) => r.stages.reader.own),
  ),
  counter(
    'reader_other_packets_total',
    'Packets that are no TCP, by design: UDP, ICMP, ARP and so on.',
    one((r) => r.stages.reader.other),
  ),
  counter(
    'reader_error_packets_total',
    'Packets that are malformed, cut in a header, or nested too deep.',
    one((r) => r.stages.reader.errors),
  ),
  counter('packets_dropped_total', 'Packets that were read and not decoded, by reason.', perReason('packets.dropped'), 'reason'),
  // pipeline
  counter(
    'payload_bytes_total',
    'Captured bytes of TCP payload, by what they were.',
    ({ report: { counters } }) =>
      ['http', 'tls', 'other', 'retransmitted'].map((content): Sample => [counters[`payload.${content}`] ?? 0, content]),
    'content',
  ),
  counter(
    'payload_discarded_bytes_total',
    'Captured bytes of TCP payload that were not used, by reason.',
    perReason('payload.discarded'),
    'reason',
  ),
  counter(
    'grpc_calls_total',
    'Calls of gRPC that are over and no copies, by grpc-status: 0 to 16, other, or none where it was not seen.',
    perReason('grpc.calls'),
    'status',
  ),
  counter('http2_frames_total', 'Frames of HTTP/2, by type.', perReason('http2.frames'), 'type'),
  counter(
    'http2_late_frames_total',
    'Frames of HTTP/2 of streams that were over.',
    one((r) => r.counters['http2.frames_late'] ?? 0),
  ),
  counter(
    'http2_resets_total',
    'Streams of HTTP/2 that one side reset.',
    one((r) => r.counters['http2.resets'] ?? 0),
  ),
  counter(
    'http2_promises_total',
    'Streams of HTTP/2 that a server promised to push.',
    one((r) => r.counters['http2.promised'] ?? 0),
  ),
  counter(
    'http2_skipped_bytes_total',
    'Bytes of HTTP/2 that were passed over in search of a frame.',
    one((r) => r.counters['http2.skipped_bytes'] ?? 0),
  ),
  counter(
    'websocket_connections_total',
    'Connections of WebSocket whose handshake was seen.',
    one((r) => r.counters['websocket.connections'] ?? 0),
  ),
  counter('websocket_messages_total', 'Messages of WebSocket, by sender and kind.', perReason('websocket.messages'), 'kind'),
  counter('websocket_message_bytes_total', 'Payload bytes of these on the wire.', perReason('websocket.bytes'), 'kind'),
  counter(
    'websocket_compressed_total',
    'Of these messages, those with permessage-deflate, by sender.',
    perReason('websocket.compressed'),
    'sender',
  ),
  counter(
    'websocket_incomplete_total',
    'Messages of WebSocket of which a part was not seen, by sender.',
    perReason('websocket.incomplete'),
    'sender',
  ),
  counter('websocket_control_total', 'Control frames of WebSocket, by sender and kind.', perReason('websocket.control'), 'kind'),
  counter('websocket_closes_total', 'Connections of WebSocket that ended, by close code.', perReason('websocket.closes'), 'code'),
  counter(
    'websocket_unread_bytes_total',
    'Bytes of WebSocket that were not read, behind a hole or a frame that breaks the rules.',
    one((r) => r.counters['websocket.unread_bytes'] ?? 0),
  ),
  counter(
    'websocket_records_total',
    'Records of messages of WebSocket (websocket.messages: meta or body).',
    one((r) => r.counters['messages.written'] ?? 0),
  ),
  counter(
    'websocket_records_filtered_total',
    'Messages that made none because their handshake made none, or the format of the output has no place for them.',
    perReason('messages.filtered'),
    'reason',
  ),
  counter('websocket_records_lost_total', 'Messages that made none because of a limit or overload.', perReason('messages.lost'), 'reason'),
  counter('tls_hellos_total', 'Connections of which the ClientHello was seen, by transport.', perReason('tls.hellos'), 'transport'),
  counter(
    'tls_ech_total',
    'Of these, connections whose client encrypted the name of the server.',
    one((r) => r.counters['tls.ech'] ?? 0),
  ),
  counter('tls_spoken_total', 'Connections by the version of TLS that the server chose.', perReason('tls.spoken'), 'version'),
  counter(
    'quic_packets_total',
    'Packets of QUIC, which cannot be read.',
    one((r) => r.counters['packets.dropped{quic}'] ?? 0),
  ),
  counter(
    'quic_connections_total',
    'Connections of QUIC, by what their client asked for: http3, or other where that is not known.',
    ({ report: { counters } }) => {
      const http3 = counters['quic.http3'] ?? 0;
      const connections = counters['quic.connections'] ?? 0;
      return connections === 0 ? [] : [[http3, 'http3'] as Sample, [Math.max(0, connections - http3), 'other'] as Sample];
    },
    'protocol',
  ),
  counter(
    'quic_unread_total',
    'First packets of QUIC clients that could not be decrypted, or were too many.',
    one((r) => r.counters['quic.unread'] ?? 0),
  ),
  counter(
    'calls_received_total',
    'API calls that were found.',
    one((r) => r.stages.pipeline.received),
  ),
  counter(
    'calls_valid_total',
    'Of these, calls with request and response whole.',
    one((r) => r.stages.pipeline.valid),
  ),
  counter(
    'calls_incomplete_total',
    'Of these, calls of which a part is missing.',
    one((r) => r.stages.pipeline.incomplete),
  ),
  counter('calls_incomplete_reason_total', 'The same by what is missing.', perReason('calls.incomplete'), 'reason'),
  counter(
    'closing_records_total',
    'Ends of calls that had been reported while they were still open, and of WebSocket connections.',
    one((r) => r.counters['records.closing'] ?? 0),
  ),
  counter(
    'calls_duplicate_total',
    'Copies of calls that came by another tunnel or interface, and are not handed on.',
    one((r) => r.stages.pipeline.duplicate),
  ),
  counter(
    'calls_filtered_total',
    'Calls that a filter left out.',
    one((r) => r.stages.pipeline.filteredOut),
  ),
  counter('rule_included_calls_total', 'Calls that a rule of a pipeline let through.', perRule('calls.included'), 'pipeline', 'rule'),
  counter('rule_excluded_calls_total', 'Calls that a rule of a pipeline kept out of it.', perRule('calls.excluded'), 'pipeline', 'rule'),
  counter('sampled_out_calls_total', 'Calls that sampling left out of a pipeline.', perReason('calls.sampledOut'), 'pipeline'),
  counter(
    'pipeline_passed_calls_total',
    'Calls that a pipeline let through to its sinks.',
    perPipeline((p) => p.passed),
    'pipeline',
  ),
  counter(
    'pipeline_filtered_calls_total',
    'Calls that the rules of a pipeline kept out of it.',
    perPipeline((p) => p.filteredOut),
    'pipeline',
  ),
  counter(
    'masked_calls_total',
    'Calls in which sensitive values were found.',
    one((r) => r.counters['calls.masked'] ?? 0),
  ),
  counter(
    'masked_values_total',
    'Sensitive values that were masked.',
    one((r) => r.counters['values.masked'] ?? 0),
  ),
  counter(
    'reported_values_total',
    'Sensitive values that were reported and left as they are, by their rule.',
    one((r) => r.counters['values.reported'] ?? 0),
  ),
  counter(
    'gaps_total',
    'Holes in streams: bytes that the ends exchanged and the sensor never got.',
    one((r) => r.stages.pipeline.gaps),
  ),
  counter(
    'gap_bytes_total',
    'Bytes in these holes.',
    one((r) => r.stages.pipeline.gapBytes),
  ),
  gauge(
    'flows',
    'TCP connections that are being followed.',
    one((r) => r.stages.pipeline.flows),
  ),
  gauge(
    'calls_in_flight',
    'Requests that wait for their response.',
    one((r) => r.stages.pipeline.callsInFlight),
  ),
  // sink: the output, or the sum of all sinks
  counter(
    'sink_received_calls_total',
    'Calls handed to the output; without one, taken by all sinks.',
    one((r) => r.stages.sink.received),
  ),
  counter(
    'sink_written_calls_total',
    'Calls written.',
    one((r) => r.stages.sink.written),
  ),
  counter(
    'sink_written_bytes_total',
    'Bytes written.',
    one((r) => r.stages.sink.bytes),
  ),
  counter(
    'sink_errors_total',
    'Writes that failed.',
    one((r) => r.stages.sink.errors),
  ),
  counter(
    'sink_lost_calls_total',
    'Calls that could not be written and are gone.',
    one((r) => r.stages.sink.lost),
  ),
  gauge(
    'sink_queue_bytes',
    'Bytes that wait to be written.',
    one((r) => r.stages.sink.queueBytes),
  ),
  gauge(
    'sink_lag_seconds',
    'Age of the oldest batch that waits.',
    one((r) => r.stages.sink.lagMs / 1000),
  ),
  // delivery, and each sink of it
  gauge(
    'delivery_running',
    'Whether the delivery thread runs: 1, or 0 while it is being started again.',
    ofDelivery((d) => flag(d.isRunning)),
  ),
  counter(
    'delivery_restarts_total',
    'Times that the delivery thread died and was started again.',
    ofDelivery((d) => d.restarts),
  ),
  counter(
    'delivery_handed_calls_total',
    'Records handed to delivery: calls, closing records, gap records (what overload left out), and what was put back from the dead letters. All of delivery counts so.',
    ofDelivery((d) => d.received),
  ),
  counter(
    'delivery_lost_calls_total',
    'Of these, records that were lost before the spool accepted them.',
    ofDelivery((d) => d.lost),
  ),
  counter(
    'delivery_cpu_seconds_total',
    'Processor time of the delivery thread.',
    ofShip((s) => s.cpuMs / 1000),
  ),
  gauge(
    'delivery_valid',
    'Whether the last attempt got through to a sink and it is not blocked: 1 or 0. Absent before the first.',
    ({ report }) => (report.ship?.sinks ?? []).filter(isTried).map((s): Sample => [flag(s.valid), s.name, s.type]),
    'sink',
    'type',
  ),
  gauge(
    'delivery_blocked',
    '1 while somebody has to mend something before a sink takes anything.',
    perSink((s) => flag(s.blocked !== null)),
    'sink',
    'type',
  ),
  counter(
    'delivery_taken_calls_total',
    'Records (calls, closing records, gap records) taken from the spool for a sink.',
    perSink((s) => s.received),
    'sink',
    'type',
  ),
  counter(
    'delivery_written_calls_total',
    'Records that the receiver has for good.',
    perSink((s) => s.written),
    'sink',
    'type',
  ),
  counter(
    'delivery_written_bytes_total',
    'Bytes of these records in the format of the sink.',
    perSink((s) => s.bytes),
    'sink',
    'type',
  ),
  counter(
    'delivery_errors_total',
    'Attempts that did not deliver all of a batch.',
    perSink((s) => s.errors),
    'sink',
    'type',
  ),
  counter(
    'delivery_retries_total',
    'Attempts that were not the first of their batch.',
    perSink((s) => s.retries),
    'sink',
    'type',
  ),
  counter(
    'delivery_dead_letters_total',
    'Records that a sink refused for their content and that were put aside.',
    perSink((s) => s.deadLettered),
    'sink',
    'type',
  ),
  counter(
    'delivery_skipped_records_total',
    'Gap records (calls were left out because of overload) and closing records (ends of calls that were reported while open) for which the format of a sink has no place.',
    perSink((s) => s.skipped),
    'sink',
    'type',
  ),
  counter(
    'delivery_expired_calls_total',
    'Records for a sink that went unsent because the spool reached its quota or age.',
    perSink((s) => s.expired),
    'sink',
    'type',
  ),
  counter(
    'delivery_corrupt_calls_total',
    'Records for a sink that lay in damaged frames of the spool.',
    perSink((s) => s.corrupt),
    'sink',
    'type',
  ),
  gauge(
    'delivery_in_flight_calls',
    'Records of a sink that are gathered, under way, or about to be sent again.',
    perSink((s) => s.inFlight),
    'sink',
    'type',
  ),
  gauge(
    'delivery_in_flight_bytes',
    'Bytes of these records.',
    perSink((s) => s.inFlightBytes),
    'sink',
    'type',
  ),
  gauge(
    'delivery_queued_calls',
    'Records that wait in the spool for a sink.',
    perSink((s) => s.queued),
    'sink',
    'type',
  ),
  gauge(
    'delivery_queued_bytes',
    'Bytes in the spool that a sink does not have yet, those in flight included.',
    perSink((s) => s.queuedBytes),
    'sink',
    'type',
  ),
  gauge(
    'delivery_oldest_waiting_seconds',
    'Age of the oldest record that a sink does not have yet.',
    perSink((s, nowAtMs) => (s.oldestWaitingAtMs === 0 ? 0 : Math.max(0, nowAtMs - s.oldestWaitingAtMs) / 1000)),
    'sink',
    'type',
  ),
  gauge(
    'delivery_concurrency',
    'Batches that may be under way to a sink at once, as it takes them now.',
    perSink((s) => s.concurrency),
    'sink',
    'type',
  ),
  gauge(
    'delivery_batches_under_way',
    'Batches that are under way to a sink.',
    perSink((s) => s.underWay),
    'sink',
    'type',
  ),
  gauge(
    'delivery_batch_limit_bytes',
    'What a batch may have now: less than configured when the receiver took less.',
    perSink((s) => s.batchBytesMax),
    'sink',
    'type',
  ),
  // spool
  gauge(
    'spool_level',
    'What the spool promises now: 1 for its level, 0 for the others.',
    ({ report: { ship } }) => (ship === null ? [] : spoolLevels.map((level): Sample => [flag(ship.spool.level === level), level])),
    'level',
  ),
  gauge(
    'spool_degraded',
    'Whether that is less than configured: 1 or 0.',
    ofShip(({ spool }) => flag(spool.level !== spool.wantedLevel)),
  ),
  counter(
    'spool_accepted_calls_total',
    'Records (calls, closing records, gap records) that the spool accepted.',
    ofShip(({ spool }) => spool.accepted),
  ),
  counter(
    'spool_lost_calls_total',
    'Records that the spool was offered and had no room for.',
    ofShip(({ spool }) => spool.lost),
  ),
  gauge(
    'spool_durable_sequence',
    'Sequence up to which no crash can take records back.',
    ofShip(({ spool }) => spool.durableSequence),
  ),
  gauge(
    'spool_bytes',
    'Bytes of the spool on the disk.',
    ofShip(({ spool }) => spool.bytes),
  ),
  gauge(
    'spool_quota_bytes',
    'How many it may have.',
    ofShip(({ spool }) => spool.bytesMax),
  ),
  gauge(
    'spool_free_bytes',
    'Free space of its filesystem.',
    ofShip(({ spool }) => spool.freeBytes),
  ),
  gauge(
    'spool_segments',
    'Files of the spool.',
    ofShip(({ spool }) => spool.segments),
  ),
  counter(
    'spool_corrupt_frames_total',
    'Frames of the spool that were found damaged and set aside.',
    ofShip(({ spool }) => spool.corruptFrames),
  ),
  counter(
    'spool_corrupt_calls_total',
    'Records in these frames, as far as known.',
    ofShip(({ spool }) => spool.corruptRecords),
  ),
  // dead letters
  gauge(
    'dead_letters',
    'Dead letters that are kept.',
    ofShip(({ deadLetters }) => deadLetters.readers.reduce((sum, { queued }) => sum + queued, 0)),
  ),
  gauge(
    'dead_letter_bytes',
    'Their bytes on the disk.',
    ofShip(({ deadLetters }) => deadLetters.bytes),
  ),
  gauge(
    'dead_letter_quota_bytes',
    'How many they may have.',
    ofShip(({ deadLetters }) => deadLetters.bytesMax),
  ),
  counter(
    'dead_letters_expired_total',
    'Dead letters that went because their quota was reached.',
    ofShip(({ deadLetters }) => expiredOf(deadLetters)),
  ),
  // workers
  gauge(
    'worker_state',
    'State of a worker: 1 for the one that it is in, 0 for the others.',
    ({ report }) => report.workers.flatMap((w) => workerStates.map((state): Sample => [flag(w.state === state), String(w.worker), state])),
    'worker',
    'state',
  ),
  counter(
    'worker_restarts_total',
    'Times that a worker died and was started again.',
    perWorker((w) => w.restarts),
    'worker',
  ),
  counter(
    'worker_packets_total',
    'Packets that a worker read.',
    perWorker((w) => w.packets),
    'worker',
  ),
  counter(
    'worker_kernel_dropped_total',
    "Packets that the kernel dropped because a worker's ring or receive buffer was full.",
    perWorker((w) => w.kernelDropped),
    'worker',
  ),
  gauge(
    'worker_ring_fill_ratio',
    'Filled part of the rings of a worker, 0 to 1.',
    perWorker((w) => w.ringFill),
    'worker',
  ),
  gauge(
    'worker_shedding_ratio',
    'Part of the flows that is left out because a worker cannot keep up, 0 to 1.',
    perWorker((w) => w.shedding),
    'worker',
  ),
  gauge(
    'worker_cpu_ratio',
    'Part of one processor that a worker uses, 0 to 1.',
    perWorker((w) => w.cpu),
    'worker',
  ),
  gauge(
    'worker_flows',
    'TCP connections that a worker follows.',
    perWorker((w) => w.flows),
    'worker',
  ),
  gauge(
    'worker_calls_in_flight',
    'Requests of a worker that wait for their response.',
    perWorker((w) => w.callsInFlight),
    'worker',
  ),
  gauge(
    'worker_lag_seconds',
    'How far packet time is behind the clock.',
    perWorker((w) => w.lagMs / 1000),
    'worker',
  ),
  // oddities and books
  counter(
    'weird_total',
    'Oddities of the traffic, by name (docs/weirds.md).',
    ({ report }) => Object.entries(report.weirds).map(([name, n]): Sample => [n, name]),
    'weird',
  ),
  gauge(
    'ledger_balanced',
    'Whether an equation of the books holds: 1, or 0 for a fault of Earshot itself.',
    ({ report }) => report.ledger.map((l): Sample => [flag(l.balances), l.name]),
    'ledger',
  ),
  // the metrics and the log themselves
  counter(
    'push_intervals_total',
    'Intervals whose metrics were pushed, or dropped because the other side could not be reached.',
    ({ pushes }) =>
      pushes.flatMap((p): Sample[] => [
        [p.sent, p.target, 'sent'],
        [p.dropped, p.target, 'dropped'],
      ]),
    'target',
    'outcome',
  ),
  counter('log_errors_total', 'Log lines that went to standard error because the log file could not be written.', ({ logErrors }) => [
    [logErrors],
  ]),
  counter('log_lost_total', 'Log lines that came nowhere, because standard error took none.', ({ logLost }) => [[logLost]]),
  gauge(LEFT_OUT, `Series that are not shown because their metric has more than ${SERIES_MAX}.`, () => []),
];

const leftOutMetric = metrics.find((metric) => metric.name === LEFT_OUT) as Metric;

/** Every metric that has samples now, bounded, each set of labels once. */
export function collect(input: MetricsInput): Family[] {
  const families: Family[] = [];
  let leftOut = 0;
  for (const metric of metrics) {
    const byLabels = new Map<string, Sample>();
    for (const sample of metric.read(input)) {
      const [value, ...labels] = sample;
      const key = JSON.stringify(labels);
      const before = byLabels.get(key);
      // The same interface by two patterns, the same end-point twice: one series.
      if (before !== undefined) byLabels.set(key, metric.kind === 'counter' ? [before[0] + value, ...labels] : sample);
      else if (byLabels.size < SERIES_MAX) byLabels.set(key, sample);
      else {
        leftOut++;
        if (metric.kind === 'counter') more(byLabels, metric, value);
      }
    }
    if (byLabels.size > 0) families.push({ metric, samples: [...byLabels.values()] });
  }
  families.push({ metric: leftOutMetric, samples: [[leftOut]] });
  return families;
}

function more(byLabels: Map<string, Sample>, metric: Metric, value: number): void {
  const labels = metric.labels.map(() => MORE);
  const key = JSON.stringify(labels);
  byLabels.set(key, [(byLabels.get(key)?.[0] ?? 0) + value, ...labels]);
}
