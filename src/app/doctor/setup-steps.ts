/** The steps before the first packet: what is configured, allowed and there. */
import { nearest } from '../../base/nearest.ts';
import { count } from '../units.ts';
import type { Evidence } from './evidence.ts';
import { type Finding, finding } from './findings.ts';
import { type Judgement, judged, named, refused, type Step, skipped } from './judgement.ts';

const MIB = 1 << 20;

export const setupSteps: readonly Step[] = [
  { name: 'configuration', judge: configuration },
  { name: 'rights', judge: rights },
  { name: 'interfaces', judge: interfaces },
  { name: 'end-points', judge: endpoints },
  { name: 'capture filter', judge: filter },
  { name: 'memory', judge: memory },
];

function configuration(e: Evidence): Judgement {
  const { path, refused: refusal, interfaces: names, endpoints: urls } = e.configuration;
  const where = path === '' ? 'defaults' : path;
  if (refusal !== null) return judged(where, refused('config-invalid', refusal));
  if (names.length + urls.length === 0) {
    const what = 'Neither an interface nor a tunnel end-point is named.';
    return judged(where, finding('nothing-to-listen-to', what, present(e.interfaces.present)));
  }
  return judged(`${where}: ${named([...names, ...urls])}`);
}

function rights(e: Evidence): Judgement {
  const { needed, netRaw, refused: refusal } = e.rights;
  if (!needed) return skipped('none are needed: no interface is captured');
  if (refusal === null) return judged('packet sockets can be opened');
  if (e.sensor !== null) return judged(`the running sensor (pid ${e.sensor.sensor.pid}) has them; this process has not`);
  return judged(netRaw === true ? 'CAP_NET_RAW, but not for this network namespace' : 'no CAP_NET_RAW', refused('no-rights', refusal));
}

function interfaces(e: Evidence): Judgement {
  const { matched, missing, unmatched, present: names } = e.interfaces;
  if (matched.length + missing.length + unmatched.length === 0) return skipped('none is to be captured');
  const states = matched.map((i) => `${i.name} ${!i.up ? 'down' : !i.carrier ? 'no carrier' : `up, MTU ${i.mtu}`}`);
  const hearsElsewhere = matched.length > 0 || e.endpoints.length > 0;
  const findings = [
    ...missing.map((name) => {
      const near = nearest(name, names);
      const hint = near === null ? '' : ` Did you mean ${near}?`;
      return finding('interface-missing', `The interface ${name} does not exist.${hint}`, present(names));
    }),
    ...matched
      .filter((i) => !i.up)
      .map(({ name }) => {
        const next = `Switch it on: ip link set ${name} up.`;
        return finding('interface-down', `The interface ${name} is switched off.`, `${name}: down`, { next });
      }),
    ...matched
      .filter((i) => i.up && !i.carrier)
      .map(({ name }) => finding('interface-no-carrier', `The interface ${name} has no link.`, `${name}: up, no carrier`)),
    ...unmatched.map((pattern) =>
      finding('interface-unmatched', `No interface fits ${pattern} at present.`, present(names), {
        severity: hearsElsewhere ? 'warning' : 'broken',
      }),
    ),
    ...(e.sensor?.interfaces ?? [])
      .filter((i) => i.losses > 0)
      .map((i) => finding('interface-flapping', `The interface ${i.name} was gone or down.`, `${count(i.losses)} times since the start`)),
  ];
  return judged(states.length > 0 ? named(states) : 'none', ...findings);
}

function present(names: readonly string[]): string {
  return names.length === 0 ? 'no interface is to be seen' : `there are ${names.join(', ')}`;
}

function endpoints(e: Evidence): Judgement {
  if (e.endpoints.length === 0) return skipped('none is configured');
  const states = e.endpoints.map(
    (p) => `${p.url} ${p.heldBySensor ? 'held by the running sensor' : p.refused === null ? 'free' : 'refused'}`,
  );
  return judged(named(states), ...e.endpoints.map((p) => (p.refused === null ? null : refused('endpoint-refused', p.refused))));
}

function filter(e: Evidence): Judgement {
  const { expression, lists, refused: refusal, hidesTunnels } = e.filter;
  if (expression === '') return judged(lists ? 'capture.only and capture.not, which look through tunnels' : 'none: everything passes');
  if (refusal !== null) return judged('capture.filter cannot be used', refused('filter-invalid', refusal));
  if (hidesTunnels.length === 0) return judged('capture.filter compiles');
  const tunnels = hidesTunnels.join(', ');
  return judged(
    'capture.filter compiles',
    finding('filter-blind', `capture.filter lets nothing pass that comes in ${tunnels}.`, expression),
  );
}

function memory(e: Evidence): Judgement {
  const { ringBytesWanted: wanted, ringBytes: granted, refused: refusal } = e.memory;
  if (refusal !== null) return judged('no ring', refused('ring-failed', refusal));
  const parts: string[] = [];
  const findings: Finding[] = [];
  if (granted > 0) {
    parts.push(`a ring of ${inMib(granted)}`);
    if (granted < Math.floor(wanted / MIB) * MIB) {
      findings.push(
        finding('ring-reduced', `The packet ring has ${inMib(granted)} instead of ${inMib(wanted)}.`, `${granted} bytes of ${wanted}`),
      );
    }
  }
  for (const { url, receiveBufferBytes: has, receiveBufferBytesWanted: asked } of buffers(e)) {
    parts.push(`a receive buffer of ${inMib(has)}`);
    if (has >= asked) continue;
    const what = `The receive buffer of ${url} has ${inMib(has)} instead of ${inMib(asked)}: bursts may be lost.`;
    const next = `Raise the limit of the kernel: sysctl -w net.core.rmem_max=${asked}, and put it into /etc/sysctl.d.`;
    findings.push(finding('receive-buffer-small', what, `${has} bytes of ${asked}`, { next }));
  }
  return parts.length === 0 ? skipped('not tried') : judged(parts.join(', '), ...findings);
}

interface BufferSize {
  readonly url: string;
  readonly receiveBufferBytes: number;
  readonly receiveBufferBytesWanted: number;
}

/** Those that were tried; those of the running sensor where it holds the ports. */
function buffers(e: Evidence): readonly BufferSize[] {
  const tried = e.endpoints.filter((p) => p.receiveBufferBytes > 0);
  return tried.length > 0 ? tried : (e.sensor?.endpoints ?? []);
}

function inMib(bytes: number): string {
  return `${Number((bytes / MIB).toFixed(bytes >= 10 * MIB ? 0 : 1))} MiB`;
}
