/**
 * Writes the pages and schemas that are made from tables of the code: `npm run docs`. With --check it writes
 * nothing and fails when a file on disk is not what the code says.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { findingKinds, severities } from '../src/app/doctor/findings.ts';
import { metrics, SERIES_MAX } from '../src/app/metrics/table.ts';
import { errorCodes } from '../src/base/errors.ts';
import { settingsJsonSchema } from '../src/base/settings-schema.ts';
import { memberSettings, type Setting, settingsTable } from '../src/base/settings-table.ts';
import { weirds } from '../src/base/weird.ts';
import { apiCallSchema } from '../src/normalise/api-call.ts';
import { CLOSING_SCHEMA, GAP_SCHEMA, MESSAGE_SCHEMA, SCHEMA } from '../src/normalise/causes.ts';
import { closingRecordSchema } from '../src/normalise/closing-record.ts';
import { gapRecordSchema } from '../src/normalise/gap-record.ts';
import { messageRecordSchema } from '../src/normalise/message-record.ts';
import { advancedFiltersJsonSchema, simpleFiltersJsonSchema } from '../src/policy/filter-files.ts';
import { maskingJsonSchema } from '../src/policy/masking-file.ts';
import { defaultMaskingYaml } from '../src/policy/masking-yaml.ts';

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`;
}

function table(head: string[], rows: string[][]): string {
  return row(...head) + row(...head.map(() => '---')) + rows.map((cells) => row(...cells)).join('');
}

function page(title: string, source: string, introduction: string): string {
  return `# ${title}\n\n<!-- Made by \`npm run docs\` from ${source}. Edit that file, not this one. -->\n\n${introduction}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** A limit stands with the stage that it limits. */
function stageOf(name: string): string {
  return name.replace(/^limit[.]/, '').replace(/[.].*/, '');
}

function weirdsPage(): string {
  let text = page(
    'Weirds',
    'src/base/weird.ts',
    'Odd traffic is data, not an exception: each oddity has a name, is counted, and never stops the sensor. A name is\n' +
      '`<stage>.<protocol>.<condition>`. A name that begins with `limit.` says that a configured limit was reached, and its\n' +
      'meaning ends with what happens then, in brackets. The summary of `earshot read` lists those that were raised; a call\n' +
      'names its own in `weirds`. The last column has the name of the same thing in Zeek.',
  );
  for (const [stage, own] of Map.groupBy(weirds, (w) => stageOf(w.name))) {
    text += `\n## ${stage}\n\n`;
    text += table(
      ['name', 'meaning', 'what to do', 'Zeek'],
      own.map((w) => [code(w.name), w.meaning, w.next, w.zeek === undefined ? '' : code(w.zeek)]),
    );
  }
  return text;
}

function errorsPage(): string {
  return (
    page(
      'Errors',
      'src/base/errors.ts',
      'A command that cannot do what it was asked says in one line what happened, why, and what to do next. Each such error\nhas one of these codes. It stands in brackets at the end of that line, as `[file-missing]`, and in the field\n`code` of a line of the log. A line about a command or an option that is unknown has none. Findings of the doctor and\nfaults of a running sensor have codes of their own: [findings.md](findings.md).',
    ) +
    '\n' +
    table(
      ['code', 'meaning'],
      Object.entries(errorCodes).map(([name, meaning]) => [code(name), meaning]),
    )
  );
}

function findingsPage(): string {
  let text = page(
    'Findings',
    'src/app/doctor/findings.ts',
    '`earshot doctor` walks the path of a packet and names the first step that is broken. With `--live 10s` it also listens\n' +
      'for so long, as `earshot run` would, and judges what came. Behind the calls it goes on to the disk, the spool and each\n' +
      'sink: name, TCP, proxy, TLS, token, and a delivery without records; each step within 5 s, all sinks at once. The spool\n' +
      'is only read, no record is sent, and a running sensor goes on beside it. `earshot status` and the health port use the\n' +
      'same codes. A finding may be milder than it stands here when only a small part is affected.',
  );
  const meanings = {
    broken: 'Calls are lost, or nothing is seen, until somebody acts.',
    warning: 'Something is lost, or will be.',
    note: 'Good to know.',
  };
  for (const severity of severities) {
    text += `\n## ${severity}\n\n${meanings[severity]}\n\n`;
    const own = Object.entries(findingKinds).filter(([, kind]) => kind.severity === severity);
    text += table(
      ['code', 'meaning', 'what to do'],
      own.map(([name, kind]) => [code(name), kind.meaning, kind.next]),
    );
  }
  return text;
}

function settingsPage(): string {
  let text = page(
    'Settings',
    'src/base/settings-schema.ts',
    'Every setting has a default, so a configuration names only what differs. The configuration file is YAML with these\n' +
      'names (`--config FILE`); an unknown name or a value outside its limits is an error that says where it stands.\n' +
      '[configuration.md](configuration.md) shows how to write one; `earshot config print-default` writes one with all of them.\n' +
      'A change takes effect with `earshot reload` or SIGHUP where the last column but one says "at once".',
  );
  for (const [section, settings] of Map.groupBy(settingsTable(), ({ name }) => name.split('.')[0])) {
    text += `\n## ${section}\n\n`;
    text += table(['setting', 'default', 'unit', 'allowed', 'a change', 'meaning'], settings.map(settingCells));
    for (const members of memberSettings().filter(({ name }) => name === `${section}.NAME`)) {
      text += members.type === '' ? `\nEach of them (NAME is what you call it):\n\n` : `\n### ${section} of type ${members.type}\n\n`;
      text += table(['setting', 'default', 'unit', 'allowed', 'a change', 'meaning'], members.settings.map(settingCells));
    }
  }
  return text;
}

function settingCells({ name, default: value, unit, allowed, isLive, isRequired, condition, meaning }: Setting): string[] {
  const when = condition === '' ? '' : `With ${condition}. `;
  const standard = isRequired ? 'must be given' : code(JSON.stringify(value));
  return [code(name), standard, unit, allowed, isLive ? 'at once' : 'restart', `${when}${meaning}`];
}

/** Settings that bound something without a weird of their own: what happens there, and what counts it. */
const boundsWithoutWeird: Readonly<Record<string, readonly [happens: string, counted: string]>> = {
  'capture.ringBytes': ['The kernel drops packets until there is room; before that, flows are shed. [drop]', '`earshot stats`'],
  'capture.receiveBufferBytes': ['The kernel drops datagrams until there is room. [drop]', '`earshot stats`'],
  'run.stopTimeoutMs': ['What is still under way is given up, and the sensor ends.', 'the last lines of the log'],
  'run.watchCallsPerSecondMax': [
    'Further calls of that second are not shown; they are written as always.',
    '`earshot tail`, `earshot top`',
  ],
  'output.queueBytesMax': ['Lines are dropped until there is room. [drop]', '`earshot stats`'],
  'log.rotateBytes': ['The file is closed, compressed, and a new one begun.', ''],
  'log.rotateHours': ['The same.', ''],
  'log.filesMax': ['The oldest file is removed. [drop-oldest]', ''],
  'http.stillOpenMs': [
    'The call is reported as it stands, its kept bodies are given back, and a closing record follows at its end.',
    'cause `still-open`, `earshot stats`',
  ],
  'flow.idleTimeoutMs': ['The connection is closed; calls under way are reported with cause `idle-timeout`.', 'calls by cause'],
  'flow.halfOpenTimeoutMs': ['The connection is forgotten. It carried no data, so nothing is lost.', ''],
  'flow.closedLingerMs': ['The row is free again; what still comes starts a connection of its own.', '`flow.tcp.midstream`'],
  'flow.holeWaitMs': ['The hole becomes a gap, and what waits behind it is handed on.', '`flow.tcp.gap`'],
  'flow.ackedHoleWaitMs': ['The same.', '`flow.tcp.gap`'],
  'flow.fragmentTimeoutMs': ['The fragments are dropped.', '`flow.fragment.timeout`'],
  'http.bodyBytes': ['The rest of the body is counted and not kept: `bytes` is the true length, `cut` is set. [cut-body]', 'each record'],
  'websocket.messageBytes': ['The rest of the message is counted and not kept: `cut` is set. [cut-body]', 'each record of a message'],
  'spool.bytesMax': ['The oldest segments go, also what a sink has not taken yet. [drop-oldest]', '`earshot_delivery_expired_calls_total`'],
  'spool.ageHoursMax': [
    'The same, once a whole segment has been older for a minute. [drop-oldest]',
    '`earshot_delivery_expired_calls_total`',
  ],
  'spool.freeBytesMin': [
    'Nothing more is written while the filesystem has less free: calls wait in memory, and the level is `memory`.',
    '`earshot_spool_level`',
  ],
  'spool.segmentBytes': ['The file is closed and the next one begun; none is larger than an eighth of `spool.bytesMax`.', ''],
  'spool.syncIntervalMs': ['What was written is synced, and counts as accepted then.', ''],
  'spool.syncBytes': ['The same.', ''],
  'spool.memoryBytesMax': [
    'What all sinks are done with makes room, then what one of them has taken already; otherwise further calls are lost. [refuse-new]',
    '`earshot_spool_lost_calls_total`',
  ],
  'spool.deadLetterBytesMax': ['The oldest dead letters go. [drop-oldest]', '`earshot_dead_letters_expired_total`'],
  'normalise.duplicateWindowMs': ['A copy that comes later is a call of its own.', ''],
};

/** Numbers that are no limits. */
const boundsNothing: readonly string[] = ['capture.ringBlockTimeoutMs', 'run.workers', 'run.statsIntervalMs', 'metrics.intervalMs'];

/** Bounds that are constants of the code: what, how much, what happens there. */
const fixedBounds: readonly (readonly [what: string, bound: string, happens: string])[] = [
  ['a packet or block of a capture file', '256 MiB', 'reading the file stops: `capture.pcap.bad_length`, `capture.pcapng.bad_block`'],
  [
    'a packet that is looked at',
    '16 MiB, divided by the files that are read at the same time',
    'it is skipped: `capture.packet.too_long` [drop]',
  ],
  ['interfaces of all captures', '65,536', '`limit.capture.interfaces` [refuse-new]'],
  ['an IP packet in fragments', '65,535 bytes', 'the fragment beyond that is dropped: `flow.fragment.too_large` [drop]'],
  ['disjoint parts of one such packet', '4,096', 'the packet is given up: `limit.flow.fragments` [drop]'],
  ['fragments inside fragments', '8', 'the rest is dropped, counted as `packets.dropped{fragment}`'],
  ['held pieces of all connections', '262,143', 'the piece is dropped: `payload.discarded{no-room}` [drop]'],
  ['a sequence number beside its stream', '1 GiB', 'the segment is ignored: `flow.tcp.outside_window`'],
  ['an acknowledgement beyond the data', '64 MiB', 'it is ignored: `flow.tcp.ack_impossible`'],
  ['a reset beyond the data', '1 MiB', 'it is ignored: `flow.tcp.bad_rst`'],
  ['one block of the arena', '1 MiB', '`limit.memory.block_bytes`'],
  ['trailers of one message', '16 KiB', 'the call gets the cause `cut-at-limit`'],
  ['content-codings over each other', '4', 'the body is kept as it is: `http.coding.too_deep`'],
  [
    'output of one decoding step',
    'the bytes to be kept',
    'decoding stops there; what br and zstd need more is bounded: `http.coding.bomb`',
  ],
  [
    'a hello of TLS',
    '64 KiB, 64 records; in QUIC 16 KiB',
    'what its first record says is told, without fingerprint: `limit.http.client_hello` [cut-head]',
  ],
  ['cipher suites, extensions and signature algorithms of a fingerprint (JA4)', '512 each', 'there is no fingerprint'],
  ['CONTINUATION frames of a header block of HTTP/2', '64', 'its first fields are reported: `limit.http.header_block` [cut-head]'],
  ['calls of a connection of HTTP/2 that the client reset and that wait for their answer', '16, 1 s each', 'the oldest is reported'],
  [
    'entries of a header table of HTTP/2 (HPACK) that are remembered',
    '64 KiB for each direction of a connection',
    'older ones are unknown where a header block refers to them, and the call says so',
  ],
  [
    'servers, addresses, protocols and fingerprints of TLS and QUIC',
    '4,096 each; 32 each in `earshot stats`',
    'others are counted together: `limit.http.tls_servers` [refuse-new]',
  ],
  ['connections of TLS and QUIC whose facts are kept one by one', '1,024', 'the oldest are forgotten [drop-oldest]'],
  ['clients of QUIC whose hello is put together', '256', 'the oldest is given up [drop-oldest]'],
  ['first packets of QUIC clients that are decrypted', '200 a second', 'others are counted only: `limit.http.quic_reads` [refuse-new]'],
  ['pairs of ends that are known to speak QUIC', '8,192', 'packets of older ones count as UDP until the next long header [drop-oldest]'],
  ['hosts, methods, statuses, ports and tunnels in a summary', '20,000 each', 'later ones are added up as `(more)`'],
  ['connections of the health port and of the metrics port', '256 each', 'later ones are closed at once [refuse-new]'],
  ['connections of the control socket', '32', 'later ones are told so, and closed [refuse-new]'],
  ['a request to the control socket', '64 KiB, 10 s', 'it is refused, or the connection is closed'],
  [
    'calls that wait for `earshot tail` or `top` to read them',
    '256 KiB each; 15 MiB where it asks for whole records (`tail --full`, `--body-lines`, `--json`)',
    'further ones are left out, and it says how many [drop]',
  ],
  ['interfaces of a pattern that are gone', '32', 'of older ones `earshot status` shows nothing more [drop-oldest]'],
  [
    'lives of one interface (it was removed and made again)',
    '64',
    'packets of older ones are no longer told as its own; the ledger has them [drop-oldest]',
  ],
  [
    'interfaces that a worker tells apart from its start on',
    '1,024',
    'packets of later ones are read and counted as those of one interface without a name, which no list shows [refuse-new]',
  ],
  ['calls a second that a worker compares with the filters of `tail` and `top`', '10,000', 'further ones are told as left out [drop]'],
  ['calls under way from a worker to the main thread', '`output.queueBytesMax`', 'further ones are lost, as those of a full queue [drop]'],
  ['rules of a filter file; values of one of their conditions', '200 each', 'the file is refused'],
  ['a pattern of a filter', '256 bytes', 'the file is refused'],
  ['an expression of a filter', '8,192 characters, 64 parts within each other', 'the file is refused'],
  ['rules of a masking file', '200', 'the file is refused'],
  ['a pattern of a masking rule', '1,000 characters', 'the file is refused'],
  ['masked values of one source', '4,096', '`limit.policy.edits`'],
  ['pipelines; sinks of one pipeline', '31; 32', 'the configuration is refused'],
  ['a record in the spool', '64 MiB', 'it is lost, counted as `earshot_spool_lost_calls_total` [drop]'],
  [
    'frames of the spool that are kept in memory for the sinks',
    '32 MiB',
    'sinks that are further behind read them from the disk [drop-oldest]',
  ],
  ['damaged parts of the spool that are set aside', '64 MiB', 'further ones are only counted'],
  ['calls that a sink has taken and not acked', '262,144', 'it takes no more until the oldest of them is done with'],
  [
    'single calls in a row that a sink refuses, or that are too large for it',
    '16',
    'all is held, and one call at a time is tried (`content-refused`, `too-large-always`)',
  ],
  [
    'failures of a batch; of a single call, while others are taken',
    '8; 32',
    'the batch is sent in halves; the call is a dead letter (`never-taken`)',
  ],
  ['pauses before a batch is sent again; before a blocked sink is tried', '60 s; 5 min', 'it is tried again after that, without end'],
  ['what a `Retry-After` asks for', '1 h', 'it is tried again after that'],
  ['what is read of the answer of a sink', '64 KiB', 'the rest is not read'],
  ['a file of certificates, a file with a secret', '16 MiB, 64 KiB', 'the file is refused'],
  ['names of filter rules with a counter of their own', '2,048', 'calls of further ones are counted as `PIPELINE/(more)`'],
  ['series of one metric', '256', 'the rest of a counter is added up as `(more)`: `earshot_series_left_out`'],
  ['log lines that wait for the disk', '4 MiB', 'what comes on top goes to standard error: `earshot_log_errors_total`'],
  ['log lines that wait for a full pipe on standard error', '256 KiB', 'what comes on top is dropped: `earshot_log_lost_total` [drop]'],
];

/** "65,536 bytes" */
function amountOf({ default: amount, unit }: Setting): string {
  return `${Number(amount).toLocaleString('en')}${unit === 'count' || unit === '' ? '' : ` ${unit}`}`;
}

function limitsPage(): string {
  const settings = settingsTable();
  const named = new Set<string>();
  const limits = weirds.filter((w) => w.name.startsWith('limit.'));
  const rows = limits.map((w) => {
    const own = settings.filter(({ name, isNumber }) => isNumber && w.meaning.includes(name));
    for (const { name } of own) named.add(name);
    const [, what, behaviour] = /^(.*) \[([a-z-]+)\]$/.exec(w.meaning) ?? ['', w.meaning, ''];
    return [own.map(({ name }) => code(name)).join(', ') || 'fixed', own.map(amountOf).join(', '), code(w.name), what, code(behaviour)];
  });
  const numbers = settings.filter(({ name, isNumber }) => isNumber && !named.has(name));
  const others = numbers.filter(({ name }) => boundsWithoutWeird[name] !== undefined);
  const missing = numbers.map(({ name }) => name).filter((name) => boundsWithoutWeird[name] === undefined && !boundsNothing.includes(name));
  const extra = [...Object.keys(boundsWithoutWeird), ...boundsNothing].filter((name) => !settings.some((s) => s.name === name));
  if (missing.length + extra.length > 0) throw new Error(`bounds of settings: missing ${missing.join(', ')}; too many ${extra.join(', ')}`);
  let text = page(
    'Limits',
    'scripts/docs.ts, src/base/weird.ts and src/base/settings.ts',
    'Everything has a limit, so that no traffic can make Earshot grow without end. Reaching one is counted and never stops\n' +
      'the sensor. The summary of `earshot read` shows the counters; [settings.md](settings.md) says what a setting may be.',
  );
  text += '\n## Limits that are counted by name\n\n';
  text += table(['setting', 'default', 'counter (weird)', 'when', 'behaviour'], rows);
  text += '\n| behaviour | what happens |\n| --- | --- |\n';
  for (const [name, happens] of behaviours) text += row(code(name), happens);
  text += '\n## Other settings that bound something\n\n';
  text += table(
    ['setting', 'default', 'what it bounds', 'what happens there', 'seen in'],
    others.map((s) => [code(s.name), amountOf(s), s.meaning, ...boundsWithoutWeird[s.name]]),
  );
  text += '\n## Bounds that cannot be set\n\n';
  text += table(
    ['what', 'bound', 'what happens there'],
    fixedBounds.map((bound) => [...bound]),
  );
  return text;
}

const behaviours: readonly (readonly [string, string])[] = [
  ['drop', 'The packet is left out, and counted with its reason.'],
  ['drop-oldest', 'What is oldest makes room, and is reported as it stands.'],
  ['refuse-new', 'What is known goes on; what is new is left out or named "other".'],
  ['declare-gap', 'The hole is given up and becomes a gap; the stream goes on behind it.'],
  ['cut-body', 'Less of a body is kept; its length is counted all the same.'],
  ['cut-head', 'The first part of the head is reported, and the call names the limit among its weirds.'],
  ['stop-flow', 'The connection is left alone from there on; its bytes are counted.'],
];

function schemaFile(title: string, schema: object): string {
  const { $schema, ...rest } = schema as { $schema?: string };
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`;
}

function metricsPage(): string {
  return (
    page(
      'Metrics',
      'src/app/metrics/table.ts',
      'What a running sensor says about itself in numbers. The names are the same everywhere; `metrics.prefix` (here\n`earshot`) stands before each. Counters begin at 0 with the sensor. Times are seconds, sizes bytes, shares 0 to 1.',
    ) +
    '\n' +
    table(
      ['place', 'setting', 'what is sent'],
      [
        ['Prometheus', '`metrics.listen`', 'text format 0.0.4 on `GET /metrics`'],
        ['Graphite', '`metrics.graphite`', '`earshot.SENSOR.METRIC.LABEL.VALUE value seconds`, over TCP'],
        ['StatsD', '`metrics.statsd`', '`earshot.SENSOR.METRIC.LABEL.VALUE:value`, then `|g`, or `|c` with what was added, over UDP'],
        ['OpenTelemetry', '`metrics.otlp`, `metrics.otlpHeaders`', 'OTLP over HTTP in JSON: cumulative sums and gauges'],
      ],
    ) +
    '\nIn the names for Graphite and StatsD, `SENSOR` is `sensor.id`, and every character of a label but letters, digits,\n' +
    '`_` and `-` becomes `_`. Every `metrics.intervalMs` a report is pushed to each place. A place that is slow or cannot be\n' +
    'reached holds nobody up: that interval is dropped and counted (`earshot_push_intervals_total`), the log says so once,\n' +
    'and the next interval is tried anew. OTLP sends totals, so a dropped interval loses nothing there. A collector behind\n' +
    'TLS is checked against the certificate authorities of Node, and those that `NODE_EXTRA_CA_CERTS` names.\n\n' +
    `Labels are bounded. Of each metric at most ${SERIES_MAX} series are shown: the rest of a counter is added up under\n` +
    '`(more)`, the rest of a gauge is left out, and `earshot_series_left_out` counts both.\n\n' +
    'Each kind of loss has a metric of its own, because each has another cause: `earshot_reader_kernel_dropped_total` (a\n' +
    'ring was full), `earshot_reader_shed_packets_total` (a worker could not keep up), `earshot_gaps_total` (bytes that\n' +
    'never came), `earshot_sink_lost_calls_total` (calls that could not be written).\n\n' +
    '`dashboards/earshot.json` is a dashboard for Grafana: import it and choose a Prometheus data source. It uses the prefix\n' +
    '`earshot`.\n\n' +
    table(
      ['metric', 'kind', 'labels', 'meaning'],
      metrics.map(({ name, kind, labels, meaning }) => [code(`earshot_${name}`), kind, labels.map(code).join(', '), meaning]),
    )
  );
}

const files: Readonly<Record<string, () => string>> = {
  'docs/weirds.md': weirdsPage,
  'docs/errors.md': errorsPage,
  'docs/findings.md': findingsPage,
  'docs/settings.md': settingsPage,
  'docs/limits.md': limitsPage,
  'docs/metrics.md': metricsPage,
  'schemas/api-call.schema.json': () => schemaFile(SCHEMA, z.toJSONSchema(apiCallSchema)),
  'schemas/closing.schema.json': () => schemaFile(CLOSING_SCHEMA, z.toJSONSchema(closingRecordSchema)),
  'schemas/gap.schema.json': () => schemaFile(GAP_SCHEMA, z.toJSONSchema(gapRecordSchema)),
  'schemas/websocket.schema.json': () => schemaFile(MESSAGE_SCHEMA, z.toJSONSchema(messageRecordSchema)),
  'schemas/settings.schema.json': () => schemaFile('Settings of Earshot', settingsJsonSchema()),
  'schemas/filters-simple.schema.json': () => schemaFile('Simple filters of Earshot', simpleFiltersJsonSchema()),
  'schemas/filters-advanced.schema.json': () => schemaFile('Advanced filters of Earshot', advancedFiltersJsonSchema()),
  'schemas/masking.schema.json': () => schemaFile('Masking file of Earshot', maskingJsonSchema()),
  'config/masking.yaml': defaultMaskingYaml,
};

const check = process.argv.includes('--check');
const stale: string[] = [];
for (const [file, make] of Object.entries(files)) {
  const wanted = make();
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) continue;
  stale.push(file);
  if (check) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
  console.log(`written: ${file}`);
}
if (check && stale.length > 0) {
  console.error(`Not what the code says: ${stale.join(', ')}. Run npm run docs and commit the result.`);
  process.exitCode = 1;
}
