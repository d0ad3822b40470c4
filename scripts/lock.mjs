/**
 * Completes package-lock.json after `npm install`: `npm run lock`. With --check it only says whether that is needed.
 * JavaScript, because it must run before the set-up can, on the Node of any age that npm runs on.
 *
 * A registry or a company mirror that does not serve the binaries of every platform lets `npm install` write a lock
 * file without them, which `npm ci` then refuses. Their entries follow from the package that asks for them: version
 * from its optionalDependencies, platform from the name. They have no integrity, as nobody saw their content; Linux
 * with glibc on x64 and arm64, where Earshot runs, must come from the registry with theirs.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const file = 'package-lock.json';
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/** "@x/cli-linux-arm64-musl" says that it is for Linux, arm64, musl. */
function entryOf(name, version, dev) {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined || !/^\d/.test(version))
    throw new Error(`${file} lacks ${name} ${version}: not known for which platform that is`);
  const musl = words.some((word) => word.startsWith('musl'));
  if (os === 'linux' && !musl && (cpu === 'x64' || cpu === 'arm64'))
    throw new Error(`${file} lacks ${name} ${version}, which Earshot's own platforms need`);
  const libc = os === 'linux' ? { libc: [musl ? 'musl' : 'glibc'] } : {};
  return { version, cpu: [cpu], ...(dev ? { dev } : {}), ...libc, optional: true, os: [os] };
}

const lock = JSON.parse(readFileSync(file, 'utf8'));
const { packages } = lock;
const added = [];
for (const [path, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages) continue;
    packages[`node_modules/${name}`] = entryOf(name, version, entry.dev === true);
    added.push(name);
  }
}
if (added.length > 0 && process.argv.includes('--check')) {
  console.error(`${file} lacks ${added.length} packages of other platforms, so npm ci would refuse it: run npm run lock`);
  process.exitCode = 1;
} else if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`${file}: added ${added.length} packages of other platforms`);
}
