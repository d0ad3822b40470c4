/**
 * Networks for tests, out of network namespaces of the kernel: veth pairs, bridges, the kernel's own vxlan device, tc as
 * the mirror, nft for loss. Everything is named `earshot-<pid>-...` and removed again, also when the test failed or
 * the process is told to stop; what a killed process left behind is removed by the next one.
 *
 * IPv6 is off in the namespaces unless asked for: without its neighbour discovery, every packet is one of the test.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const COMMAND_LIMIT_MS = 20_000;
/** As `Network.namespace` makes them, and nobody else. */
const NAME = /^earshot-(\d+)-n\d+-\d+-/;
/** As `Network` makes it. */
const FOLDER = /^earshot-netns-(\d+)-/;

/** Why network namespaces cannot be used here; false when they can. As the `skip` of a test. */
export function cannotUseNamespaces(...programs: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const missing = ['ip', 'tc', 'nft', 'sysctl', ...programs].filter((program) => !isOnPath(program));
  if (missing.length > 0) return `not installed here: ${missing.join(', ')}`;
  const name = `earshot-${process.pid}-try`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (made.status !== 0) return `no network namespace can be made here: ${made.stderr.trim()}`;
  spawnSync('ip', ['netns', 'del', name]);
  return false;
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a command to its end; its output, or an error that says what it printed. */
export function command(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', input, timeout: COMMAND_LIMIT_MS });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`.trim()}`);
  return stdout;
}

const networks = new Set<Network>();
let networksMade = 0;
process.once('exit', () => {
  for (const network of networks) network.removeNow();
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code));
}

export interface LinkEnd {
  readonly in: Namespace;
  readonly name: string;
  /** With its prefix length: 10.0.0.1/24 */
  readonly address?: string;
  readonly mtu?: number;
  /** As 02:00:00:00:00:01; the kernel chooses one when not said. */
  readonly mac?: string;
}

export interface VxlanOptions {
  readonly name: string;
  readonly vni: number;
  /** Where the UDP packets go from and to. */
  readonly local: string;
  readonly remote: string;
  /** The device, made over the network of the namespace, is used in this other one. */
  readonly usedIn?: Namespace;
  readonly address?: string;
  readonly mtu?: number;
  readonly mac?: string;
}

/** The namespaces of one test, and all that runs in them. */
export class Network {
  /** For the files of the test; removed with the network. */
  readonly folder: string = mkdtempSync(join(tmpdir(), `earshot-netns-${process.pid}-`));
  readonly #namespaces: Namespace[] = [];
  readonly #mounts: string[] = [];
  readonly #number: number = ++networksMade;
  #next = 0;

  constructor() {
    removeLeftovers();
    networks.add(this);
  }

  namespace(label: string, { ipv6 = false }: { readonly ipv6?: boolean } = {}): Namespace {
    const name = `earshot-${process.pid}-n${this.#number}-${++this.#next}-${label}`;
    command('ip', ['netns', 'add', name]);
    const namespace = new Namespace(name);
    this.#namespaces.push(namespace);
    namespace.sysctl({ 'net.ipv6.conf.all.disable_ipv6': ipv6 ? 0 : 1, 'net.ipv6.conf.default.disable_ipv6': ipv6 ? 0 : 1 });
    namespace.ip('link set lo up');
    return namespace;
  }

  /** A cable between two namespaces, both ends up. */
  veth(a: LinkEnd, b: LinkEnd): void {
    command('ip', ['link', 'add', a.name, 'netns', a.in.name, 'type', 'veth', 'peer', 'name', b.name, 'netns', b.in.name]);
    for (const end of [a, b]) end.in.setUp(end);
  }

  /**
   * A namespace whose sensor hears what is sent into `wire`: the two ends of one cable, without addresses, wide enough
   * for tunnels around full packets.
   */
  listener(device = 'eni0'): { readonly sensor: Namespace; readonly wire: Namespace } {
    const sensor = this.namespace('sensor');
    const wire = this.namespace('wire');
    this.veth({ in: wire, name: 'wire', mtu: 9001 }, { in: sensor, name: device, mtu: 9001 });
    return { sensor, wire };
  }

  /** A folder on a disk of its own that is full after so many bytes. */
  smallDisk(bytes: number): string {
    const path = join(this.folder, `disk-${this.#mounts.length}`);
    mkdirSync(path);
    command('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, `earshot-${process.pid}`, path]);
    this.#mounts.push(path);
    return path;
  }

  resizeDisk(path: string, bytes: number): void {
    command('mount', ['-o', `remount,size=${bytes}`, path]);
  }

  /** Ends what runs in the namespaces and removes them with the folder. */
  async remove(): Promise<void> {
    const running = this.#namespaces.flatMap((namespace) => namespace.endAll());
    for (let i = 0; i < 100 && running.some((child) => child.exitCode === null && child.signalCode === null); i++) await sleep(20);
    this.removeNow();
  }

  removeNow(): void {
    if (!networks.delete(this)) return;
    for (const namespace of this.#namespaces) {
      namespace.endAll();
      removeNamespace(namespace.name);
    }
    for (const path of this.#mounts) spawnSync('umount', ['-l', path]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ends all processes of the namespace and removes its name; the kernel takes away its devices. */
function removeNamespace(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of (stdout ?? '').split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself in between.
    }
  }
  spawnSync('ip', ['netns', 'del', name]);
}

/** Removes the namespaces, folders and disks of processes that no longer exist. */
function removeLeftovers(): void {
  for (const line of command('ip', ['netns', 'list']).split('\n')) {
    const pid = Number(NAME.exec(line)?.[1] ?? 0);
    if (pid !== 0 && !isAlive(pid)) removeNamespace(line.split(' ')[0]);
  }
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(FOLDER.exec(name)?.[1] ?? 0);
    if (pid === 0 || isAlive(pid)) continue;
    const folder = join(tmpdir(), name);
    for (const inner of readdirSync(folder)) if (inner.startsWith('disk-')) spawnSync('umount', ['-l', join(folder, inner)]);
    rmSync(folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

export class Namespace {
  readonly name: string;
  readonly #children: ChildProcess[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Runs `ip` here: `ip('link set eth0 down')`. */
  ip(words: string): string {
    return command('ip', ['-n', this.name, ...words.split(' ')]);
  }

  /** Runs `tc` here. */
  tc(words: string): string {
    return command('tc', ['-n', this.name, ...words.split(' ')]);
  }

  /** Runs a command here to its end. */
  run(program: string, args: readonly string[], input = ''): string {
    return command('ip', ['netns', 'exec', this.name, program, ...args], input);
  }

  /** Starts a program here; it is ended with the network at the latest. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.#children.push(child);
    return child;
  }

  /** Runs a program here to its end without blocking; rejects when it fails or takes longer than `limitMs`. */
  async start(program: string, args: readonly string[], limitMs = 60_000): Promise<string> {
    const child = this.spawn(program, args);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    clearTimeout(timer);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code ?? child.signalCode}: ${output}${errors}`);
    return output;
  }

  sysctl(values: Readonly<Record<string, number>>): void {
    const lines = Object.entries(values).map(([name, value]) => `${name}=${value}`);
    this.run('sysctl', ['-q', '-w', ...lines]);
  }

  /** Address, MTU and MAC of a device that exists, and switches it on. */
  setUp({ name, address, mtu, mac }: Omit<LinkEnd, 'in'>): void {
    if (mac !== undefined) this.ip(`link set ${name} address ${mac}`);
    if (mtu !== undefined) this.ip(`link set ${name} mtu ${mtu}`);
    if (address !== undefined) this.ip(`addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`);
    this.ip(`link set ${name} up`);
  }

  /** A bridge that hands every frame to all its ports: it learns nothing, as mirrored frames come from both ends at once. */
  bridge(name: string, ports: readonly string[]): void {
    this.ip(`link add ${name} type bridge forward_delay 0`);
    for (const port of ports) this.ip(`link set ${port} master ${name}`);
    for (const port of ports) this.ip(`link set ${port} type bridge_slave learning off`);
    this.ip(`link set ${name} up`);
  }

  /** The kernel's own VXLAN end-point, port 4789. */
  vxlan({ name, vni, local, remote, usedIn = this, ...end }: VxlanOptions): void {
    this.ip(`link add ${name} type vxlan id ${vni} local ${local} remote ${remote} dstport 4789 nolearning`);
    if (usedIn !== this) this.ip(`link set ${name} netns ${usedIn.name}`);
    usedIn.setUp({ name, ...end });
  }

  /** Every packet that comes in or goes out at `from` is also sent out at `to`. */
  mirror(from: string, to: string): void {
    this.tc(`qdisc add dev ${from} clsact`);
    for (const direction of ['ingress', 'egress'])
      this.tc(`filter add dev ${from} ${direction} protocol all prio 1 u32 match u32 0 0 action mirred egress mirror dev ${to}`);
  }

  /** Drops that share of the packets which arrive at `device`, before a bridge takes them; in thousandths. */
  lose(device: string, perMille: number): void {
    const rule = `numgen random mod 1000 < ${perMille} counter drop`;
    const chain = `type filter hook ingress device "${device}" priority 0; policy accept;`;
    this.run('nft', ['-f', '-'], `table netdev loss {\n  chain at {\n    ${chain}\n    ${rule}\n  }\n}\n`);
  }

  /** Packets that `lose` has dropped. */
  lost(): number {
    return Number(/counter packets (\d+)/.exec(this.run('nft', ['list', 'table', 'netdev', 'loss']))?.[1] ?? 0);
  }

  /** Packets that arrived at the device, and those that the kernel dropped there. */
  received(device: string): { readonly packets: number; readonly dropped: number } {
    const [link] = JSON.parse(this.ip(`-j -s link show dev ${device}`)) as { stats64: { rx: { packets: number; dropped: number } } }[];
    return link.stats64.rx;
  }

  /** Tells everything that was started here to end at once. */
  endAll(): readonly ChildProcess[] {
    for (const child of this.#children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    return this.#children;
  }
}
