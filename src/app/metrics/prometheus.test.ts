import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sampleReport } from '../report-testing.ts';
import { prometheusText } from './prometheus.ts';
import { collect, type Family, type MetricsInput, metrics, SERIES_MAX } from './table.ts';

const pushes = [{ target: 'graphite', sent: 7, dropped: 2 }];
const input = (report = sampleReport()): MetricsInput => ({ report, pushes, logErrors: 3, logLost: 4 });

/**
 * Reads the text format 0.0.4 strictly: every sample stands under its HELP and TYPE, each name once, no series twice,
 * only the escapes that there are. Returns the value of each series, by the series as it is written.
 */
function parse(text: string): Map<string, number> {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const values = new Map<string, number>();
  const seen = new Set<string>();
  let helped = '';
  let current = '';
  let kind = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)*)$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)$/.exec(line);
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)$/.exec(line);
    if (help !== null) {
      assert.ok(!seen.has(help[1]), `${help[1]} twice`);
      seen.add(help[1]);
      helped = help[1];
    } else if (type !== null) {
      assert.equal(type[1], helped, 'TYPE follows its HELP');
      [, current, kind] = type;
    } else if (sample !== null) {
      const [, name, labels = '', value] = sample;
      assert.equal(name, current, `${line} stands under its TYPE`);
      const names: string[] = [];
      const rest = labels.replace(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(,|$)/gy, (_pair, label: string) => {
        names.push(label);
        return '';
      });
      assert.equal(rest, '', `labels of ${line}`);
      assert.ok(!labels.endsWith(','), line);
      assert.equal(new Set(names).size, names.length, `a label twice in ${line}`);
      const series = `${name}{${labels}}`;
      assert.ok(!values.has(series), `${series} twice`);
      if (kind === 'counter') assert.ok(name.endsWith('_total') && Number(value) >= 0, line);
      else assert.ok(!name.endsWith('_total'), line);
      values.set(series, Number(value.replace('Inf', 'Infinity')));
    } else assert.fail(`no line of the format: ${line}`);
  }
  return values;
}

test('the text is as the format says, and has the numbers of the report', () => {
  const report = sampleReport();
  const values = parse(prometheusText('earshot', collect(input(report))));
  const { reader, pipeline, sink } = report.stages;
  const is = (series: string, value: number): void => assert.equal(values.get(series), value, series);
  is('earshot_up{}', 1);
  is('earshot_ready{}', 1);
  is('earshot_build_info{version="0.1.0",sensor="edge-7",pool="frankfurt"}', 1);
  is('earshot_start_time_seconds{}', report.sensor.startedAtMs / 1000);
  is('earshot_cpu_seconds_total{}', 21_430);
  is('earshot_faults{}', 2);
  is('earshot_fault{code="interface-down"}', 1);
  is('earshot_interface_state{interface="eth2",state="down"}', 1);
  is('earshot_interface_state{interface="eth2",state="up"}', 0);
  is('earshot_interface_packets_total{interface="eth1"}', 801_000_000);
  is('earshot_endpoint_kernel_dropped_total{endpoint="udp://0.0.0.0:4789?encap=vxlan"}', 345);
  is('earshot_worker_state{worker="1",state="running"}', 1);
  is('earshot_worker_ring_fill_ratio{worker="1"}', 0.97);
  is('earshot_worker_lag_seconds{worker="1"}', 0.812);
  // Each kind of loss has its own.
  is('earshot_reader_kernel_dropped_total{}', reader.kernelDropped);
  is('earshot_reader_shed_packets_total{}', reader.shed);
  is('earshot_gaps_total{}', pipeline.gaps);
  is('earshot_gap_bytes_total{}', pipeline.gapBytes);
  is('earshot_sink_lost_calls_total{}', sink.lost);
  is('earshot_calls_duplicate_total{}', pipeline.duplicate);
  is('earshot_calls_incomplete_reason_total{reason="no-response"}', 90_000);
  is('earshot_packets_dropped_total{reason="arp"}', 100_000);
  is('earshot_payload_bytes_total{content="tls"}', 60_000_000_000);
  is('earshot_weird_total{weird="limit.http.body"}', 17);
  // Policy and delivery.
  is('earshot_pipeline_passed_calls_total{pipeline="platform"}', 20_000_000);
  is('earshot_pipeline_filtered_calls_total{pipeline="everything"}', 1_480_000);
  is('earshot_rule_excluded_calls_total{pipeline="everything",rule="health-checks"}', 280_000);
  is('earshot_masked_calls_total{}', 9_800_000);
  is('earshot_masked_values_total{}', 31_400_000);
  is('earshot_reported_values_total{}', 250);
  is('earshot_delivery_running{}', 1);
  is('earshot_delivery_lost_calls_total{}', 500);
  is('earshot_delivery_valid{sink="lake",type="kafka"}', 1);
  is('earshot_delivery_valid{sink="edge",type="uap-edge"}', 0);
  is('earshot_delivery_blocked{sink="edge",type="uap-edge"}', 1);
  is('earshot_delivery_written_calls_total{sink="edge",type="uap-edge"}', 19_800_000);
  is('earshot_delivery_oldest_waiting_seconds{sink="edge",type="uap-edge"}', 205);
  is('earshot_delivery_queued_bytes{sink="lake",type="kafka"}', 1_568_000);
  is('earshot_delivery_dead_letters_total{sink="edge",type="uap-edge"}', 3);
  is('earshot_delivery_expired_calls_total{sink="edge",type="uap-edge"}', 20);
  is('earshot_spool_level{level="memory"}', 1);
  is('earshot_spool_level{level="disk"}', 0);
  is('earshot_spool_degraded{}', 1);
  is('earshot_spool_durable_sequence{}', 56_501_320);
  is('earshot_spool_lost_calls_total{}', 100);
  is('earshot_spool_corrupt_frames_total{}', 2);
  is('earshot_dead_letters{}', 12);
  is('earshot_dead_letters_expired_total{}', 2);
  is('earshot_ledger_balanced{ledger="packets received"}', 1);
  is('earshot_push_intervals_total{target="graphite",outcome="dropped"}', 2);
  is('earshot_log_errors_total{}', 3);
  is('earshot_log_lost_total{}', 4);
  is('earshot_series_left_out{}', 0);
});

test('every metric of the table is there, when there is something to say', () => {
  const text = prometheusText('p', collect(input()));
  for (const { name, kind } of metrics) assert.ok(text.includes(`# TYPE p_${name} ${kind}\n`), name);
});

test('without sinks there is nothing to say of delivery; while its thread is dead only that', () => {
  const report = sampleReport();
  const of = (changed: Partial<typeof report>): Map<string, number> =>
    parse(prometheusText('earshot', collect(input({ ...report, ...changed }))));
  for (const series of of({ delivery: null, ship: null }).keys()) assert.doesNotMatch(series, /_(delivery|spool|dead)_/);
  const dead = of({ delivery: { isRunning: false, restarts: 2, received: 10, lost: 4 }, ship: null });
  assert.deepEqual([dead.get('earshot_delivery_running{}'), dead.get('earshot_delivery_restarts_total{}')], [0, 2]);
  for (const series of dead.keys()) assert.doesNotMatch(series, /sink=|_spool_/);
});

test('whether a sink can deliver is not said before it was tried', () => {
  const report = sampleReport();
  assert.ok(report.ship !== null);
  const [lake] = report.ship.sinks;
  const of = (changed: Partial<typeof lake>): number | undefined =>
    parse(
      prometheusText(
        'e',
        collect(input({ ...report, ship: { ...(report.ship as NonNullable<typeof report.ship>), sinks: [{ ...lake, ...changed }] } })),
      ),
    ).get('e_delivery_valid{sink="lake",type="kafka"}');
  const untried = { written: 0, errors: 0, deadLettered: 0 };
  assert.equal(of(untried), undefined);
  assert.equal(of({ ...untried, written: 1 }), 1);
  assert.equal(of({ ...untried, errors: 1, valid: false }), 0);
});

test('names, units and labels keep the rules', () => {
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length);
  const labels = new Set([
    'version',
    'sensor',
    'pool',
    'code',
    'interface',
    'state',
    'endpoint',
    'reason',
    'content',
    'transport',
    'protocol',
    // Of WebSocket: two senders, at most three kinds for each.
    'sender',
    'kind',
    // Of gRPC: 17 numbers, other, none.
    'status',
    'worker',
    'weird',
    'ledger',
    'target',
    'outcome',
    // At most 31, and RULE_COUNTERS_MAX names of rules in all.
    'pipeline',
    'rule',
    // Names of the configuration.
    'sink',
    // Of a sink, or of a frame of HTTP/2.
    'type',
    'level',
  ]);
  for (const metric of metrics) {
    assert.match(metric.name, /^[a-z][a-z0-9_]*[a-z]$/);
    assert.equal(metric.name.endsWith('_total'), metric.kind === 'counter', metric.name);
    assert.doesNotMatch(metric.name, /_(ms|kb|mb|percent|milliseconds)(_|$)/);
    assert.match(metric.meaning, /^[A-Z1].*[.]$/);
    for (const label of metric.labels) assert.ok(labels.has(label), `${metric.name}: a new label needs a bound: ${label}`);
  }
  for (const { metric, samples } of collect(input()))
    for (const sample of samples) assert.equal(sample.length, metric.labels.length + 1, metric.name);
});

test('whatever a label holds, the text can be read', () => {
  const report = sampleReport();
  const url = 'udp://"a"\\n\n{b=",c"} ü';
  const endpoints = [{ ...report.endpoints[0], url }];
  const values = parse(prometheusText('earshot', collect(input({ ...report, endpoints }))));
  assert.equal(values.get('earshot_endpoint_packets_total{endpoint="udp://\\"a\\"\\\\n\\n{b=\\",c\\"} ü"}'), 187_000_000);
});

test('numbers that are none, or endless, are written as the format says', () => {
  const metric = metrics[0];
  const family: Family = {
    metric: { ...metric, name: 'x', labels: ['state'] },
    samples: [
      [Number.NaN, 'a'],
      [Number.POSITIVE_INFINITY, 'b'],
      [Number.NEGATIVE_INFINITY, 'c'],
      [1e21, 'd'],
      [-0.5, 'e'],
    ],
  };
  assert.deepEqual(
    [...parse(prometheusText('p', [family])).values()],
    [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21, -0.5],
  );
});

test('the number of series is bounded: the rest of a counter is added up, the rest of a gauge is left out', () => {
  const report = sampleReport();
  const interfaces = Array.from({ length: SERIES_MAX + 10 }, (_, i) => ({ ...report.interfaces[0], name: `eni${i}`, packets: 5 }));
  const values = parse(prometheusText('earshot', collect(input({ ...report, interfaces }))));
  const count = (name: string): number => [...values.keys()].filter((series) => series.startsWith(`${name}{`)).length;
  assert.equal(count('earshot_interface_packets_total'), SERIES_MAX + 1);
  assert.equal(values.get('earshot_interface_packets_total{interface="(more)"}'), 50);
  assert.equal(count('earshot_interface_mtu_bytes'), SERIES_MAX);
  // Three counters, the MTU, and four states of each interface.
  assert.equal(values.get('earshot_series_left_out{}'), 4 * 10 + 4 * (SERIES_MAX + 10) - SERIES_MAX);
});

test('an interface that comes twice is one series', () => {
  const report = sampleReport();
  const interfaces = [report.interfaces[0], { ...report.interfaces[0], pattern: 'eth*' }];
  const values = parse(prometheusText('earshot', collect(input({ ...report, interfaces }))));
  assert.equal(values.get('earshot_interface_packets_total{interface="eth1"}'), 2 * 801_000_000);
});

test('the dashboard asks for metrics and labels that there are', () => {
  const text = readFileSync(new URL('../../../dashboards/earshot.json', import.meta.url), 'utf8');
  const dashboard = JSON.parse(text) as {
    panels: { id: number; title: string; type: string; targets?: { expr: string; legendFormat?: string }[] }[];
    uid: string;
  };
  const byName = new Map(metrics.map((metric) => [`earshot_${metric.name}`, metric]));
  const queries = dashboard.panels.flatMap((panel) => panel.targets ?? []);
  assert.ok(queries.length > 40);
  for (const { expr, legendFormat = '' } of queries) {
    const found = [...expr.matchAll(/\b(earshot_[a-z0-9_]+)(?:\{([^}]*)\})?/g)];
    assert.ok(found.length > 0, expr);
    const known = new Set(['instance']);
    for (const [, name, selector = ''] of found) {
      const metric = byName.get(name);
      assert.ok(metric !== undefined, `no such metric: ${name}`);
      for (const label of metric.labels) known.add(label);
      for (const [, label] of selector.matchAll(/([a-z]+)(?:=|!)/g))
        assert.ok(label === 'instance' || metric.labels.includes(label), `${expr}: ${label}`);
      const grows = expr.includes(`rate(${name}`) || expr.includes(`increase(${name}`);
      if (metric.kind === 'gauge') assert.ok(!grows, `the rate of a gauge: ${expr}`);
    }
    for (const [, label] of legendFormat.matchAll(/\{\{([a-z]+)\}\}/g)) assert.ok(known.has(label), `${expr}: no label ${label}`);
  }
  assert.deepEqual(
    dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title),
    ['Is it well', 'Reader', 'Pipeline', 'Sink', 'Spool', 'Sinks', 'Protocols', 'Workers', 'Weirds', 'Metrics and log'],
  );
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  assert.doesNotMatch(text, /https?:\/\//);
});
