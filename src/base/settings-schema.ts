/**
 * What every setting means, and what it may be. The names and defaults are those of base/settings.ts; the
 * configuration file has the same names. A `title` says in words what a value may be, where numbers do not.
 */
import { z } from 'zod';
import { parseCidr } from './cidr.ts';
import { pipelinesSchema, policySchema, sinksSchema, spoolSchema } from './delivery-schema.ts';
import { ENDPOINT_WANTED, parseEndpointUrl } from './endpoint-url.ts';
import { parseListenAddress, parsePeerAddress } from './listen-address.ts';
import { secret } from './secret-schema.ts';
import { defaultSettings as defaults, PIPELINES_MAX, type Settings } from './settings.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY_MS = 86_400_000;
/** Room for the path of a Unix socket, without the zero at its end (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

type WithDefault<T extends z.ZodType> = z.ZodDefault<T>;

const count = (n: number, max = 1e9): WithDefault<z.ZodNumber> => z.number().int().min(0).max(max).default(n);
const between = (min: number, max: number, n: number): WithDefault<z.ZodNumber> => z.number().int().min(min).max(max).default(n);

const ports = (list: number[]): WithDefault<z.ZodArray<z.ZodNumber>> => z.array(z.number().int().min(1).max(65535)).default(list);

/** A text that `test` likes; `wanted` says which that is. */
function text(wanted: string, test: (text: string) => boolean, max = 4096): z.ZodString {
  return z.string().max(max).refine(test, `wanted: ${wanted}`).meta({ title: wanted });
}

const CIDR_WANTED = 'an address or CIDR block, as 10.0.0.0/8';
const cidr: z.ZodString = text(CIDR_WANTED, (given) => parseCidr(given) !== null, 64);

/** A list without repeats, of at most `max` things. The check looks at those that are right, also beside wrong ones. */
function distinct<T extends z.ZodType<string | number>>(item: T, max: number): z.ZodArray<T> {
  return z
    .array(item)
    .max(max)
    .superRefine(
      (list, context) => {
        list.forEach((value, i) => {
          if (list.indexOf(value) < i) context.addIssue({ code: 'custom', path: [i], message: 'wanted: every value once' });
        });
      },
      { when: ({ value }) => Array.isArray(value) },
    );
}

const isPath = (given: string): boolean => !given.includes('\0');

const INTERFACE_WANTED = 'the name of an interface (1 to 15 characters without blanks, / and :), in which * and ? stand for others';
/** What Linux takes as a name; a pattern must leave room for one: only its asterisks may stand for nothing. */
function isInterfacePattern(given: string): boolean {
  return /^[^\s/:\p{C}]+$/u.test(given) && given !== '.' && given !== '..' && Buffer.byteLength(given.replaceAll('*', '')) <= 15;
}

function isOtlpUrl(given: string): boolean {
  const url = URL.parse(given);
  return (
    url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  );
}

const LISTEN_WANTED = 'ADDRESS:PORT, as 127.0.0.1:8080, [::1]:8080 or :8080 (every address), or empty';
const listenAddress: z.ZodString = text(LISTEN_WANTED, (given) => given === '' || parseListenAddress(given) !== null, 300);
const examples = [':8080', '127.0.0.1:8080'];
const peerAddress: z.ZodString = text('HOST:PORT, or empty', (given) => given === '' || parsePeerAddress(given) !== null, 300);

/** The two lists of each filter that looks through tunnels. */
function packetFilter(defaultLists: Settings['capture']['only'], what: string, empty: string) {
  return z
    .strictObject({
      ports: distinct(z.number().int().min(1).max(65535), 128)
        .default(defaultLists.ports)
        .describe(`${what} one of these TCP ports at either end, inside all tunnels. ${empty}`),
      networks: distinct(cidr, 128)
        .default(defaultLists.networks)
        .describe(`${what} an address in one of these blocks at either end, inside all tunnels. ${empty}`),
    })
    .prefault({});
}

export const settingsSchema: z.ZodType<Settings, unknown> = z
  .strictObject({
    sensor: z
      .strictObject({
        id: z
          .string()
          .regex(/^[A-Za-z0-9_-]{1,64}$/)
          .default(defaults.sensor.id)
          .meta({ title: '1 to 64 letters, digits, _ and -', description: 'Name of this sensor; first part of every record id.' }),
        poolId: z.string().max(64).default(defaults.sensor.poolId).describe('Group of sensors that this one belongs to.'),
      })
      .prefault({}),
    capture: z
      .strictObject({
        filesOpenMax: z
          .number()
          .int()
          .min(1)
          .max(12)
          .default(defaults.capture.filesOpenMax)
          .describe('Files that are read at the same time, to be merged by time.'),
        interfaces: distinct(text(INTERFACE_WANTED, isInterfacePattern, 64), 64)
          .default(defaults.capture.interfaces)
          .meta({
            description: 'Interfaces to listen on: names, or patterns in which * stands for any characters and ? for one.',
            examples: [['eth0'], ['eni*', 'eth1']],
          }),
        endpoints: distinct(
          z
            .string()
            .max(256)
            .superRefine((given, context) => {
              const fault = parseEndpointUrl(given);
              if (typeof fault === 'string') context.addIssue({ code: 'custom', message: `${fault}; wanted: ${ENDPOINT_WANTED}` });
            })
            .meta({ title: ENDPOINT_WANTED }),
          16,
        )
          .default(defaults.capture.endpoints)
          .meta({
            description:
              'UDP addresses at which mirrored packets arrive in a tunnel. They need no privilege. Without encap: geneve at port 6081, else vxlan.',
            examples: [['udp://0.0.0.0:4789?encap=vxlan'], ['udp://0.0.0.0:6081?encap=geneve+vxlan']],
          }),
        filter: text('an expression of tcpdump', isPath, 8192)
          .default(defaults.capture.filter)
          .meta({
            description:
              'Only packets that this expression of tcpdump lets through. It looks at the OUTER packet, not through tunnels, and needs libpcap. Empty: all.',
            examples: ['udp port 4789', 'not host 192.0.2.7'],
          }),
        only: packetFilter(
          defaults.capture.only,
          'Only packets with',
          'Where ports and networks are both given, both must fit. Empty: no matter which.',
        ),
        not: packetFilter(defaults.capture.not, 'No packets with', 'Empty: none is left out for that.'),
        promiscuous: z
          .boolean()
          .default(defaults.capture.promiscuous)
          .describe('Take packets that are addressed to others too, as a tap or a SPAN port delivers them.'),
        ringBytes: between(MIB, 240 * MIB, defaults.capture.ringBytes).describe(
          'Memory of the ring into which the kernel writes packets, for EACH worker.',
        ),
        ringBlockTimeoutMs: between(1, 1000, defaults.capture.ringBlockTimeoutMs).describe(
          'How long the kernel waits before it hands on a block of the ring that is not full.',
        ),
        receiveBufferBytes: between(64 * KIB, 512 * MIB, defaults.capture.receiveBufferBytes).describe(
          'Receive buffer of the socket of each end-point, in each worker. The kernel gives less when net.core.rmem_max is lower.',
        ),
      })
      .prefault({}),
    run: z
      .strictObject({
        workers: between(0, 64, defaults.run.workers).describe(
          'Threads that take packets. 0: one less than the machine has processors, at least one.',
        ),
        affinity: distinct(z.number().int().min(0).max(1023), 64)
          .default(defaults.run.affinity)
          .meta({
            description: 'Processors that the workers are bound to, one a worker. Empty: the kernel decides.',
            examples: [[1, 2, 3]],
          }),
        stopTimeoutMs: between(0, 600_000, defaults.run.stopTimeoutMs).describe(
          'Time that SIGTERM leaves for finishing what is under way.',
        ),
        statsIntervalMs: z
          .number()
          .int()
          .min(0)
          .max(DAY_MS)
          .refine((ms) => ms === 0 || ms >= 100, 'wanted: 0 (never), or at least 100')
          .default(defaults.run.statsIntervalMs)
          .describe('How often the block of counters is logged. 0: never.'),
        shedding: z
          .boolean()
          .default(defaults.run.shedding)
          .describe(
            'Whether a worker that cannot keep up leaves out bodies, then headers, then whole flows, chosen by hash and counted, instead of packets at random.',
          ),
        watchCallsPerSecondMax: count(defaults.run.watchCallsPerSecondMax, 100_000).describe(
          'Calls a second that each worker hands to `earshot tail` and `top` while somebody watches. The rest is counted.',
        ),
      })
      .superRefine(
        ({ workers, affinity }, context) => {
          if (workers > 0 && affinity.length > 0 && affinity.length !== workers) {
            context.addIssue({ code: 'custom', path: ['affinity'], message: `wanted: one processor for each of the ${workers} workers` });
          }
        },
        { when: ({ issues }) => issues.length === 0 },
      )
      .prefault({}),
    output: z
      .strictObject({
        file: text('a path, - or empty', isPath)
          .default(defaults.output.file)
          .describe('Where a line of JSON for each call goes: a file, - for standard output. Empty: nowhere.'),
        queueBytesMax: between(MIB, GIB, defaults.output.queueBytesMax).describe(
          'Lines that may wait for a slow disk or reader. What is beyond that is dropped and counted.',
        ),
      })
      .prefault({}),
    control: z
      .strictObject({
        socket: text(
          `a path from the root of at most ${SOCKET_PATH_BYTES_MAX} bytes, or empty`,
          (path) => path === '' || (path.startsWith('/') && isPath(path) && Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX),
        )
          .default(defaults.control.socket)
          .describe(
            'Unix socket by which `earshot status` and its like reach the sensor. Empty: /run/earshot/control.sock for root and the user who owns that folder; else $XDG_RUNTIME_DIR/earshot/control.sock, or /tmp/earshot-UID/control.sock.',
          ),
      })
      .prefault({}),
    health: z
      .strictObject({
        listen: listenAddress
          .default(defaults.health.listen)
          .meta({ description: 'Where load balancers ask by HTTP whether packets can be taken: 200 means yes. Empty: nowhere.', examples }),
      })
      .prefault({}),
    metrics: z
      .strictObject({
        listen: listenAddress
          .default(defaults.metrics.listen)
          .meta({ description: 'Where Prometheus fetches /metrics. Empty: nowhere.', examples }),
        graphite: peerAddress
          .default(defaults.metrics.graphite)
          .meta({ description: 'Graphite server that metrics are pushed to (plain text over TCP). Empty: none.' }),
        statsd: peerAddress
          .default(defaults.metrics.statsd)
          .meta({ description: 'StatsD server that metrics are pushed to (UDP). Empty: none.' }),
        otlp: text(
          'http://HOST[:PORT]/v1/metrics or https://..., without user name, password and query, or empty',
          (given) => given === '' || isOtlpUrl(given),
        )
          .default(defaults.metrics.otlp)
          .meta({
            description: 'OpenTelemetry collector that metrics are pushed to (OTLP over HTTP, JSON). Empty: none.',
            examples: ['https://collector.example.com:4318/v1/metrics'],
          }),
        otlpHeaders: z
          .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/), secret)
          .superRefine(
            (fields, context) => {
              const names = Object.keys(fields).map((name) => name.toLowerCase());
              Object.keys(fields).forEach((name, i) => {
                if (names.indexOf(names[i]) < i) context.addIssue({ code: 'custom', path: [name], message: 'wanted: every field once' });
              });
            },
            { when: ({ issues }) => issues.length === 0 },
          )
          .default(defaults.metrics.otlpHeaders)
          .meta({
            title: 'names of header fields, each with { file: PATH } or { environment: NAME }',
            description: 'Header fields for that collector, with the file or environment variable that holds the value of each.',
            examples: [{ Authorization: { file: '/run/secrets/otlp-authorization' } }],
          }),
        prefix: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/)
          .default(defaults.metrics.prefix)
          .meta({
            title: '1 to 64 letters, digits and underscores, no digit first',
            description: 'First part of the name of every metric.',
          }),
        intervalMs: between(1000, 3_600_000, defaults.metrics.intervalMs).describe(
          'How often metrics are pushed to Graphite, StatsD and the collector.',
        ),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error'])
          .default(defaults.log.level)
          .describe('The least important lines that are logged.'),
        file: text('a path, or empty', isPath)
          .default(defaults.log.file)
          .describe('File of the log; older ones beside it are compressed: NAME.1.gz and so on. Empty: standard error.'),
        rotateBytes: z
          .number()
          .int()
          .min(0)
          .max(4 * GIB)
          .refine((bytes) => bytes === 0 || bytes >= 4 * KIB, 'wanted: 0 (never), or at least 4096')
          .default(defaults.log.rotateBytes)
          .describe('A log file is closed and compressed before it grows beyond this. 0: never for its size.'),
        rotateHours: between(0, 8760, defaults.log.rotateHours).describe(
          'A log file is closed and compressed when it began in an earlier period of this length, counted in UTC: 24 is at midnight. 0: never for its age.',
        ),
        filesMax: between(1, 1000, defaults.log.filesMax).describe('Compressed log files that are kept; the oldest is removed.'),
      })
      .prefault({}),
    decode: z
      .strictObject({
        vni: z
          .enum(['isolate', 'merge'])
          .default(defaults.decode.vni)
          .describe('Whether equal addresses under two VNIs are two flows or one.'),
        depthMax: count(defaults.decode.depthMax, 64).describe('Headers below the transport header that one packet may nest.'),
        pathsMax: count(defaults.decode.pathsMax, 1 << 20).describe('Distinct encapsulation paths that are told apart.'),
        vxlanPorts: ports(defaults.decode.vxlanPorts).describe('UDP destination ports of VXLAN. What comes in at an end-point needs none.'),
        genevePorts: ports(defaults.decode.genevePorts).describe(
          'UDP destination ports of GENEVE. What comes in at an end-point needs none.',
        ),
        checksums: z
          .boolean()
          .default(defaults.decode.checksums)
          .describe('Verify checksums and count bad ones. A bad checksum never drops a packet.'),
      })
      .prefault({}),
    flow: z
      .strictObject({
        flowsMax: count(defaults.flow.flowsMax, 1 << 21).describe('Concurrent TCP connections.'),
        idleTimeoutMs: count(defaults.flow.idleTimeoutMs).describe('A connection without packets for so long is forgotten.'),
        halfOpenTimeoutMs: count(defaults.flow.halfOpenTimeoutMs).describe('The same for one that never carried data.'),
        closedLingerMs: count(defaults.flow.closedLingerMs).describe(
          'How long a closed connection is remembered, so that stragglers start no new one.',
        ),
        holeWaitMs: count(defaults.flow.holeWaitMs).describe('How long bytes behind a hole wait for a retransmission.'),
        ackedHoleWaitMs: count(defaults.flow.ackedHoleWaitMs).describe(
          'The same when the receiver acknowledged the missing bytes: they were lost on the way to the sensor or come late.',
        ),
        heldBytesMax: count(defaults.flow.heldBytesMax).describe('Bytes held behind holes of one connection.'),
        heldBytesTotalMax: count(defaults.flow.heldBytesTotalMax).describe('Bytes held behind holes of all connections.'),
        fragmentedPacketsMax: count(defaults.flow.fragmentedPacketsMax, 65536).describe('Fragmented IP packets under way.'),
        fragmentTimeoutMs: count(defaults.flow.fragmentTimeoutMs).describe('How long a fragmented packet waits for its parts.'),
      })
      .prefault({}),
    http: z
      .strictObject({
        bodyBytes: count(defaults.http.bodyBytes, 512 * KIB).describe('Bytes of each body that are kept, after decoding.'),
        headBytesMax: z.number().int().min(256).max(65_000).default(defaults.http.headBytesMax).describe('Bytes of one head.'),
        headersMax: z.number().int().min(8).max(4096).default(defaults.http.headersMax).describe('Header fields of one head.'),
        callsInFlightMax: count(defaults.http.callsInFlightMax, 1 << 20).describe(
          'Requests that wait for their response, all connections together.',
        ),
        pipelineMax: count(defaults.http.pipelineMax, 65536).describe('Unanswered requests on one connection.'),
        streamsMax: between(1, 65_536, defaults.http.streamsMax).describe('Open streams of one connection of HTTP/2.'),
        headerBlockBytesMax: z
          .number()
          .int()
          .min(16 * KIB)
          .max(MIB)
          .default(defaults.http.headerBlockBytesMax)
          .describe('Bytes of one header block of HTTP/2 as it is sent, in HEADERS and CONTINUATION frames.'),
        stillOpenMs: between(0, 86_400_000, defaults.http.stillOpenMs).describe(
          'A call that is open for longer is reported as it stands, with the cause still-open; a closing record follows at its end. Live, and from standard input. 0: never.',
        ),
        trustedProxies: z
          .array(cidr)
          .default(defaults.http.trustedProxies)
          .describe('CIDRs of proxies whose X-Forwarded-For, Forwarded and X-Real-IP are believed. Empty: every one.'),
      })
      .prefault({}),
    websocket: z
      .strictObject({
        messages: z
          .enum(['count', 'meta', 'body'])
          .default(defaults.websocket.messages)
          .describe(
            'What becomes of the messages of WebSocket connections: they are counted; or each makes a record with its time and size (`meta`), or one with its first bytes too, masked (`body`).',
          ),
        messageBytes: between(1, 64 * KIB, defaults.websocket.messageBytes).describe(
          'Bytes of each message that its record keeps, after inflating.',
        ),
        messagesPerSecondMax: count(defaults.websocket.messagesPerSecondMax, 1e6).describe(
          'Messages that make records in a second, for each worker; others are counted only.',
        ),
        windowsMax: count(defaults.websocket.windowsMax, 16_384).describe(
          'Directions of WebSocket connections whose window of compression is kept (up to 32 KiB each); of others compressed messages have no content, unless each is compressed by itself.',
        ),
      })
      .prefault({}),
    normalise: z
      .strictObject({
        duplicateWindowMs: count(defaults.normalise.duplicateWindowMs).describe(
          'Copies of one call under two tunnels or interfaces within this time are one. 0 switches it off.',
        ),
        duplicatesMax: count(defaults.normalise.duplicatesMax, 1 << 20).describe('Calls remembered for that.'),
        parkedBytesMax: count(defaults.normalise.parkedBytesMax).describe('Bytes of records that wait for a better copy.'),
      })
      .prefault({}),
    policy: policySchema,
    pipelines: pipelinesSchema,
    sinks: sinksSchema,
    spool: spoolSchema,
    memory: z
      .strictObject({
        blockBytesMax: count(defaults.memory.blockBytesMax, 768 * MIB).describe(
          'Memory for cut heads, held segments, fragments and calls in flight.',
        ),
      })
      .prefault({}),
    formats: z
      .strictObject({
        uapEdgeVersion: z.string().max(16).default(defaults.formats.uapEdgeVersion).describe('The version field of the uap-edge format.'),
      })
      .prefault({}),
  })
  .superRefine(
    ({ output, log, pipelines, sinks }, context) => {
      const known = Object.keys(sinks);
      const wanted = `wanted: the name of one of the sinks: ${known.join(', ') || 'there is none'}`;
      for (const [name, pipeline] of Object.entries(pipelines)) {
        pipeline.sinks.forEach((sink, i) => {
          const message = known.includes(sink) ? 'wanted: every sink once' : wanted;
          if (!known.includes(sink) || pipeline.sinks.indexOf(sink) < i) {
            context.addIssue({ code: 'custom', path: ['pipelines', name, 'sinks', i], message });
          }
        });
      }
      if (Object.keys(pipelines).length > PIPELINES_MAX) {
        context.addIssue({ code: 'custom', path: ['pipelines'], message: `wanted: at most ${PIPELINES_MAX} pipelines` });
      }
      const written = new Map(output.file === '' ? [] : [[output.file, 'output.file']]);
      const write = (file: string, name: string, path: string[]): void => {
        const other = written.get(file);
        if (other !== undefined) context.addIssue({ code: 'custom', path, message: `wanted: ${anotherThan(file, other)}` });
        else if (file !== '') written.set(file, name);
      };
      const anotherThan = (file: string, other: string): string =>
        file === '-' ? `one who writes to standard output; ${other} does so already` : `another file than ${other}`;
      write(log.file, 'log.file', ['log', 'file']);
      for (const [name, sink] of Object.entries(sinks)) {
        if (sink.type === 'file') write(sink.path, `sinks.${name}.path`, ['sinks', name, 'path']);
        if (sink.type === 'stdout') write('-', `sinks.${name}`, ['sinks', name, 'type']);
      }
    },
    { when: ({ issues }) => issues.length === 0 },
  );

/** The same as JSON Schema: of a configuration as it is written, where everything may be left out. */
export function settingsJsonSchema(): object {
  return z.toJSONSchema(settingsSchema, { io: 'input' });
}
