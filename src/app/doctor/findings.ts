/**
 * Findings: all that can be wrong with a sensor or with what it is given to hear, by code. `earshot doctor` names them,
 * `status` and the health of the report (app/report.ts) use the same codes; docs/findings.md is generated from this table.
 *
 * broken: calls are lost or nothing is seen until somebody acts. warning: something is lost, or will be.
 * note: good to know.
 */
export type Severity = 'broken' | 'warning' | 'note';

export const severities: readonly Severity[] = ['broken', 'warning', 'note'];

interface Kind {
  readonly severity: Severity;
  readonly meaning: string;
  /** What to do about it, as an imperative sentence. */
  readonly next: string;
}

const MIRROR_BOTH = 'Mirror both directions of the same connections (ingress and egress) to this sensor.';
const MORE_ROOM = 'Raise capture.ringBytes or run.workers, or capture less with capture.only and capture.not.';

const table = {
  // configuration and system
  'config-invalid': {
    severity: 'broken',
    meaning: 'The configuration cannot be read, or does not fit its schema.',
    next: 'Correct the lines that are named; earshot config check reads it again.',
  },
  'nothing-to-listen-to': {
    severity: 'broken',
    meaning: 'Neither an interface nor a tunnel end-point is configured.',
    next: 'Name one: capture.interfaces: [eth0], or capture.endpoints: ["udp://0.0.0.0:4789?encap=vxlan"].',
  },
  'system-unsupported': {
    severity: 'broken',
    meaning: 'The system has no packet sockets or no system calls that Earshot can use.',
    next: 'Run it on 64-bit Linux with the GNU C library, or read captures: earshot read FILE.',
  },
  'no-rights': {
    severity: 'broken',
    meaning: 'The process may not listen on interfaces: it lacks CAP_NET_RAW.',
    next: 'Run it as root, as a service with AmbientCapabilities=CAP_NET_RAW, or in a container with --cap-add=NET_RAW; a UDP end-point (capture.endpoints) needs no rights.',
  },
  // interfaces and end-points
  'interface-missing': {
    severity: 'broken',
    meaning: 'An interface that the configuration names does not exist in this network namespace.',
    next: 'Correct the name in capture.interfaces, or give the sensor the network namespace that has it (in a container: --network host).',
  },
  'interface-unmatched': {
    severity: 'warning',
    meaning: 'No interface fits a pattern of the configuration at present; one that comes later is taken.',
    next: 'Correct the pattern in capture.interfaces, or wait for the interface.',
  },
  'interface-down': {
    severity: 'broken',
    meaning: 'An interface is switched off: it receives nothing.',
    next: 'Switch it on: ip link set NAME up, with its name.',
  },
  'interface-no-carrier': {
    severity: 'broken',
    meaning: 'An interface is on but has no link: the cable, the switch port or the other end of the veth is off.',
    next: 'Look at the cable and the port of the switch, or at the other end of a veth or bridge.',
  },
  'interface-flapping': {
    severity: 'warning',
    meaning: 'An interface went away or down since the sensor started; what passed meanwhile was not seen.',
    next: 'Look for the reason in the log of the kernel (dmesg) and of the orchestrator.',
  },
  'interface-drops': {
    severity: 'warning',
    meaning: 'The network card or its driver dropped packets before the capture saw them.',
    next: 'Enlarge the receive ring of the card (ethtool -g, ethtool -G), or spread its queues over more processors.',
  },
  'port-held': {
    severity: 'broken',
    meaning: 'The UDP port of a tunnel end-point is held by another program, or by a VXLAN or GENEVE device of the kernel.',
    next: 'Stop the holder or choose another port. When it is a device of the kernel, capture on that device instead.',
  },
  'endpoint-invalid': {
    severity: 'broken',
    meaning: 'The URL of a tunnel end-point is wrong.',
    next: 'Correct it in capture.endpoints: udp://0.0.0.0:4789?encap=vxlan.',
  },
  'endpoint-refused': {
    severity: 'broken',
    meaning: 'The kernel refuses to open a tunnel end-point.',
    next: 'Correct its address in capture.endpoints: it must be one of this machine, or 0.0.0.0. Ports below 1024 need rights.',
  },
  // filter and memory
  'filter-invalid': {
    severity: 'broken',
    meaning: 'The capture filter cannot be compiled.',
    next: 'Correct capture.filter; it has the syntax of tcpdump (man pcap-filter).',
  },
  'libpcap-missing': {
    severity: 'broken',
    meaning: 'The setting capture.filter needs libpcap, which is not installed.',
    next: 'Install it (libpcap0.8 on Debian, libpcap on RHEL), or use capture.only and capture.not, which need nothing.',
  },
  'filter-blind': {
    severity: 'warning',
    meaning: 'The capture filter looks at the outer packet only: what it names inside a tunnel never fits.',
    next: 'Use capture.only and capture.not, which look through tunnels, or let the filter pass the tunnel: "udp port 4789 or (...)".',
  },
  'filter-hides-all': {
    severity: 'broken',
    meaning: 'TCP arrives, but the capture filter lets none of it pass.',
    next: 'Remove capture.filter. Name ports and networks with capture.only and capture.not instead: these look through tunnels.',
  },
  'ring-failed': {
    severity: 'broken',
    meaning: 'The kernel does not give the memory of the packet ring.',
    next: 'Choose a smaller capture.ringBytes or fewer run.workers, or give the machine more memory.',
  },
  'ring-reduced': {
    severity: 'warning',
    meaning: 'The packet ring is smaller than configured, because memory was short.',
    next: 'Choose a smaller capture.ringBytes or fewer run.workers, or give the machine more memory.',
  },
  'receive-buffer-small': {
    severity: 'warning',
    meaning: 'The receive buffer of a tunnel end-point is smaller than configured: the kernel has a lower limit.',
    next: 'Raise the limit of the kernel: sysctl -w net.core.rmem_max=BYTES, with the bytes of capture.receiveBufferBytes.',
  },
  // what arrives
  'no-packets': {
    severity: 'broken',
    meaning: 'Nothing arrives, or nothing but the chatter that is on every network (ARP, neighbour discovery).',
    next: 'Look at the mirror. AWS: is the mirror session active and its filter open, does the security group of the target allow UDP 4789, does the health check of the load balancer succeed? Elsewhere: is this the port of the tap or SPAN session?',
  },
  'endpoint-blocked': {
    severity: 'broken',
    meaning: 'Packets for a tunnel end-point come to an interface and do not reach its socket.',
    next: 'Look for a firewall on this machine (nft list ruleset, iptables -L -v) and let the UDP port in; look whether the packets are addressed to this machine.',
  },
  'tunnel-port-unknown': {
    severity: 'broken',
    meaning: 'Packets that look like VXLAN or GENEVE come to a UDP port that Earshot does not take for one.',
    next: 'Add the port to decode.vxlanPorts (or decode.genevePorts), or send the mirror to the usual one.',
  },
  'no-tcp': {
    severity: 'broken',
    meaning: 'Packets arrive, but no TCP is among them or inside their tunnels.',
    next: 'Look at what the mirror takes: its filter may leave out TCP, or the tunnel is one that Earshot does not read.',
  },
  'packets-cut': {
    severity: 'broken',
    meaning: 'Packets arrive shorter than they were: the mirror, its MTU or a snap length cut them. Bodies and heads have holes.',
    next: 'Raise the MTU on the way to the sensor to 9001, and the packet length of the mirror session; or lower the MTU of the mirrored machines by the 50 to 100 bytes of the tunnel.',
  },
  'one-direction': {
    severity: 'broken',
    meaning: 'Of most connections only one direction is seen: requests without responses, or the reverse.',
    next: MIRROR_BOTH,
  },
  'directions-apart': {
    severity: 'broken',
    meaning: 'The two directions of connections come in different tunnels (VNI, key), so that they count as different connections.',
    next: 'Set decode.vni to merge, or send both directions through one mirror session.',
  },
  'tls-only': {
    severity: 'broken',
    meaning: 'The connections carry TLS, which cannot be read, and none carries HTTP.',
    next: 'Mirror the traffic behind the point that ends TLS (load balancer, ingress, sidecar).',
  },
  'tls-some': {
    severity: 'note',
    meaning: 'A part of the connections carries TLS, which cannot be read.',
    next: 'If these matter, mirror them behind the point that ends TLS (load balancer, ingress, sidecar).',
  },
  'quic-unread': {
    severity: 'note',
    meaning: 'There is QUIC, which carries HTTP/3 as a rule. It is always encrypted: it is counted, and not read.',
    next: 'If these calls matter, mirror them behind the point that ends QUIC (load balancer, ingress), or have clients fall back to TCP there.',
  },
  'no-data': {
    severity: 'broken',
    meaning: 'TCP connections are seen, but not one byte of data in them.',
    next: 'Look at what the mirror takes: it may copy handshakes only, or connections that are idle. Listen for longer: --live 60s.',
  },
  'no-http': {
    severity: 'broken',
    meaning: 'TCP connections carry data, but no HTTP was found in them.',
    next: 'Mirror the machines or ports that serve the API; HTTP is found on any port, but encrypted or other protocols are not read.',
  },
  'kernel-drops': {
    severity: 'broken',
    meaning: 'The kernel dropped packets, because a ring or a receive buffer was full: the sensor did not keep up.',
    next: MORE_ROOM,
  },
  'loss-before-sensor': {
    severity: 'broken',
    meaning: 'Ends acknowledge data that never reached the sensor: packets are lost on the way to it, not by it.',
    next: 'Look at the mirror: bandwidth of its session and target (AWS drops mirrored packets first), oversubscribed SPAN ports, drops of the switch.',
  },
  'clock-skew': {
    severity: 'warning',
    meaning: 'The time of packets and the clock of this machine differ.',
    next: 'Let the clock be set by NTP or chrony; when the machine was suspended or the clock was set just now, look again.',
  },
  // disk and spool
  'disk-full': {
    severity: 'broken',
    meaning: 'A filesystem on which calls are kept or written has too little room, or no room for another file.',
    next: 'Free some space there, name a directory on another filesystem, or lower spool.freeBytesMin.',
  },
  'spool-unwritable': {
    severity: 'broken',
    meaning: 'The directory of the spool cannot be written or read.',
    next: 'Give the user of the sensor that directory (chown), or name another one in spool.directory.',
  },
  'spool-locked': {
    severity: 'broken',
    meaning: 'Another process than the running sensor uses the directory of the spool: no two can.',
    next: 'Stop that process, or name another directory in spool.directory.',
  },
  'spool-newer': {
    severity: 'broken',
    meaning: 'The spool was written by a later version of Earshot.',
    next: 'Run the version that wrote it, or name another directory in spool.directory.',
  },
  'spool-key': {
    severity: 'broken',
    meaning: 'The key of the spool is missing or is no key, or a part of the spool is encrypted with one that is not given.',
    next: 'Give the key in spool.encryptionKey, and those of before in spool.oldEncryptionKeys.',
  },
  // the way to each sink
  'sink-name-unknown': {
    severity: 'broken',
    meaning: 'The name of a sink, of its proxy or of a broker cannot be resolved.',
    next: 'Correct the name, or the name servers of this machine (getent hosts NAME).',
  },
  'sink-unreachable': {
    severity: 'broken',
    meaning: 'Nobody answers where a sink should be: refused, no route, or silence.',
    next: 'Check address and port, whether the service there runs, and the firewalls on the way.',
  },
  'sink-proxy': {
    severity: 'broken',
    meaning: 'The proxy on the way to a sink cannot be reached, wants a user and a password, or does not open the way.',
    next: 'Correct proxy, proxyUser and proxyPassword of the sink, or have the way allowed there.',
  },
  'sink-tls': {
    severity: 'broken',
    meaning: 'TLS with a sink does not come about, or the files that it needs here cannot be used.',
    next: 'Check port and scheme of the URL and the files of tls.',
  },
  'sink-certificate-untrusted': {
    severity: 'broken',
    meaning: 'The certificate of a sink is signed by somebody who is not trusted here: your own CA, or one that inspects TLS on the way.',
    next: 'Put the certificate of your own CA into tls.caFile, or have this sensor exempted from the inspection.',
  },
  'sink-certificate-expired': {
    severity: 'broken',
    meaning: 'A certificate of a sink is not valid any more, or not yet.',
    next: 'Have it renewed there; look at the clock of this machine as well.',
  },
  'sink-certificate-name': {
    severity: 'broken',
    meaning: 'The certificate of a sink is for another name than the one that it is called by.',
    next: 'Write the URL with a name that the certificate has, or set tls.serverName to it.',
  },
  'sink-certificate': {
    severity: 'broken',
    meaning: 'The certificate of a sink is not good for another reason: it was revoked, or is of a wrong kind.',
    next: 'Have it replaced there.',
  },
  'sink-client-certificate': {
    severity: 'broken',
    meaning: 'A sink wants a client certificate, or does not take that of this sensor.',
    next: 'Set tls.certificateFile and tls.keyFile to a certificate that it accepts.',
  },
  'sink-certificate-ends': {
    severity: 'warning',
    meaning: 'The certificate of a sink, or that of this sensor, ends within 14 days, or has ended.',
    next: 'Have it renewed in time: nothing is delivered afterwards.',
  },
  'sink-token': {
    severity: 'broken',
    meaning: 'There is no token for a sink: the token end-point cannot be reached or refuses; or the sink refuses the token.',
    next: 'Correct auth of the sink: tokenUrl, clientId, clientSecret, scope.',
  },
  'sink-credentials': {
    severity: 'broken',
    meaning: 'A sink wants credentials, or does not accept those that it is shown.',
    next: 'Correct auth or sasl of the sink.',
  },
  'sink-forbidden': {
    severity: 'broken',
    meaning: 'A sink knows who asks, and does not allow it to deliver (403).',
    next: 'Have the right to deliver granted; a firewall in front of the sink may refuse too.',
  },
  'sink-url': {
    severity: 'broken',
    meaning: 'What answers at the URL of a sink is not what calls can be delivered to: nothing there (404), a redirect, a web page.',
    next: 'Correct the URL of the sink.',
  },
  'sink-slow': {
    severity: 'broken',
    meaning: 'A sink takes the connection and does not answer in time.',
    next: 'Look at how busy it is.',
  },
  'sink-unavailable': {
    severity: 'broken',
    meaning: 'A sink answers, and cannot take anything at present (429, 5xx; Kafka: no leader, too few replicas).',
    next: 'Look at its state and its log.',
  },
  'sink-topic': {
    severity: 'broken',
    meaning: 'The topic of a Kafka sink does not exist, or takes no records.',
    next: 'Make the topic, or correct the name.',
  },
  'sink-acl': {
    severity: 'broken',
    meaning: 'The cluster does not let the user of a Kafka sink write to its topic.',
    next: 'Give the user Write and Describe on the topic: kafka-acls.sh --add --producer.',
  },
  'sink-file': {
    severity: 'broken',
    meaning: 'The file of a sink cannot be written: its folder is missing, or the rights are.',
    next: 'Make the folder, and let the user of the sensor write there.',
  },
  'sink-unencrypted': {
    severity: 'warning',
    meaning: 'Credentials of a sink go over the network without TLS: anybody on the way can read and use them. This machine is no network.',
    next: 'Use https:// in url and tokenUrl of the sink, and useTls: true for Kafka.',
  },
  // the running sensor
  'not-running': {
    severity: 'note',
    meaning: 'No sensor answers on the control socket.',
    next: 'Start it: earshot run. If one runs, name its configuration with --config: the path of the socket is control.socket.',
  },
  'worker-dead': {
    severity: 'broken',
    meaning: 'A worker died and is not running again yet; its share of the connections is not seen.',
    next: 'Look into the log for the reason, and report it.',
  },
  'worker-restarted': {
    severity: 'warning',
    meaning: 'A worker died and was started again; the connections that it had open were lost.',
    next: 'Look into the log for the reason, and report it.',
  },
  'worker-stuck': {
    severity: 'broken',
    meaning: 'A worker gives no sign of life.',
    next: 'Look whether the machine is short of processors or memory; if not, restart the sensor and report it with the log.',
  },
  'workers-unbalanced': {
    severity: 'warning',
    meaning: 'One worker gets most of the packets: one very large connection, or a tunnel that hides the inner addresses.',
    next: 'Nothing for one large connection. Otherwise look at the tunnels above: what is nested deeper is spread by outer addresses.',
  },
  shedding: {
    severity: 'broken',
    meaning: 'The sensor cannot keep up: until it can, it leaves out bodies, then headers, then whole connections, by hash.',
    next: 'Raise run.workers, give the machine more processors, or capture less with capture.only and capture.not.',
  },
  'output-failing': {
    severity: 'broken',
    meaning: 'Calls cannot be written to the output.',
    next: 'Free some space, or let the sensor write the file. One that was removed or moved away is let go by earshot reload.',
  },
  'output-behind': {
    severity: 'warning',
    meaning: 'Calls wait for the output: it is slower than they come.',
    next: 'Write to a faster disk, or capture less with capture.only and capture.not.',
  },
  'sink-blocked': {
    severity: 'broken',
    meaning: 'A sink refuses deliveries, and trying again does not help. Calls wait for it in the spool until somebody acts.',
    next: 'Mend what the message names; then earshot reload tries again at once, else it is tried every few minutes.',
  },
  'sink-failing': {
    severity: 'warning',
    meaning: 'Nothing has got through to a sink for more than a minute. It is tried again without end; calls wait in the spool.',
    next: 'Look whether the receiver runs and whether the network leads to it.',
  },
  'sink-behind': {
    severity: 'warning',
    meaning: 'A sink takes calls more slowly than they come: the oldest has waited for more than a minute.',
    next: 'Give the receiver more room, raise concurrencyMax and batch of the sink, or let fewer calls to it (filters, sampling).',
  },
  'spool-degraded': {
    severity: 'warning',
    meaning:
      'The spool promises less than configured: the disk takes nothing, and calls are kept in memory, which a crash would lose; or files of it were removed while the sensor ran.',
    next: 'Free space on the disk of spool.directory, or see to the fault that is named; the spool returns to its level by itself.',
  },
  'spool-lost': {
    severity: 'broken',
    meaning:
      'Calls were lost before the spool accepted them: neither disk nor memory had room, or the delivery thread was too slow or dead.',
    next: 'Free space on the disk of spool.directory, raise spool.memoryBytesMax, or let fewer calls through (filters, sampling).',
  },
  'spool-expired': {
    severity: 'broken',
    meaning: 'The spool reached its quota or age, and the oldest calls went although a sink did not have them yet.',
    next: 'Mend the sink that is behind, or raise spool.bytesMax or spool.ageHoursMax.',
  },
  'spool-corrupt': {
    severity: 'warning',
    meaning: 'Frames of the spool are damaged on the disk. They are set aside; all others are delivered.',
    next: 'Look at the disk (dmesg, smartctl); earshot spool verify says which frames, earshot spool repair saves what can be read.',
  },
  'dead-letters': {
    severity: 'warning',
    meaning: 'A sink refused calls for their content. They are put aside with the reason and can be sent again.',
    next: 'Look at the reasons with earshot spool dead-letters list; once mended, earshot spool dead-letters replay.',
  },
  'delivery-dead': {
    severity: 'broken',
    meaning: 'The thread that delivers died and is not running again yet. What it had accepted lies in the spool; what comes now is lost.',
    next: 'Look into the log for the reason, and report it.',
  },
  'log-failing': {
    severity: 'warning',
    meaning: 'The log file cannot be written; the sensor goes on without it.',
    next: 'Free some space, or correct log.file.',
  },
  'metrics-failing': {
    severity: 'warning',
    meaning: 'Metrics cannot be pushed, or their port cannot be opened.',
    next: 'Look at the address in metrics, and whether the receiver answers.',
  },
  'config-rejected': {
    severity: 'warning',
    meaning: 'The configuration was to be read again and has errors; the sensor goes on with the one before.',
    next: 'Run earshot config check, correct the lines that it names, and reload.',
  },
  'books-unbalanced': {
    severity: 'warning',
    meaning: 'The counters of the sensor do not add up: a fault of Earshot.',
    next: 'Please report it with the output of earshot stats --json.',
  },
  'sensor-bug': {
    severity: 'broken',
    meaning: 'A fault of Earshot itself (sensor.bug): packets were left out.',
    next: 'Please report it with the line of the log.',
  },
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof table;

/** Every code with its severity, meaning and what to do, in the order of the walk. */
export const findingKinds: Readonly<Record<FindingCode, Kind>> = table;

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** What was found, as a sentence. */
  readonly what: string;
  readonly next: string;
  /** The numbers or names behind it. */
  readonly evidence: string;
}

/** A finding; what to do and how bad it is are those of the table unless said. */
export function finding(
  code: FindingCode,
  what: string,
  evidence: string,
  own: { readonly next?: string; readonly severity?: Severity } = {},
): Finding {
  const kind = table[code];
  return { code, severity: own.severity ?? kind.severity, what, next: own.next ?? kind.next, evidence };
}

/** The code when the table has it: what other parts of the program report may be newer than the table. */
export function asFindingCode(code: string): FindingCode | null {
  return Object.hasOwn(table, code) ? (code as FindingCode) : null;
}
