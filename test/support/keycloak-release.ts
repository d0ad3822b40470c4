/**
 * Keycloak itself, out of Maven's repository: fetched once into .cache/keycloak/VERSION, then used from there. What its own
 * `build` makes of the settings that hold for good (a database in memory) is kept with it: a start takes half as long.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const KEYCLOAK = '26.0.0';
/** Loads this: a jar that names all others. */
const MAIN_CLASS = 'io.quarkus.bootstrap.runner.QuarkusEntryPoint';
const HEAP = ['-Xmx256m', '-XX:MaxMetaspaceSize=256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
const FETCH_LIMIT_MS = 600_000;

const root = join(import.meta.dirname, '../..');

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>earshot</groupId><artifactId>keycloak-for-tests</artifactId><version>1</version>
<dependencies><dependency><groupId>org.keycloak</groupId><artifactId>keycloak-quarkus-dist</artifactId><version>${KEYCLOAK}</version>
<type>zip</type><exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency></dependencies>
</project>
`;

/** The folder of the release. Two that ask at the same moment both fetch; the one that is done first wins. */
export async function keycloakRelease(): Promise<string> {
  const folder = join(root, '.cache/keycloak', KEYCLOAK);
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  try {
    writeFileSync(join(work, 'pom.xml'), project);
    const goal = ['dependency:unpack-dependencies', `-DoutputDirectory=${join(work, 'unpacked')}`, '-DincludeScope=runtime'];
    await run('mvn', ['-q', '-B', '-f', join(work, 'pom.xml'), ...goal]);
    const unpacked = join(work, 'unpacked', `keycloak-${KEYCLOAK}`);
    await run('java', [...keycloakCommand(unpacked, unpacked), 'build', '--db=dev-mem']);
    try {
      renameSync(unpacked, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/** What java is told to run the release with `home` for its data: as its own kc.sh does, with less memory. */
export function keycloakCommand(release: string, home: string): string[] {
  return [
    ...HEAP,
    '-Dfile.encoding=UTF-8',
    '-Djava.util.logging.manager=org.jboss.logmanager.LogManager',
    '-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory',
    '-Dpicocli.disable.closures=true',
    `-Dkc.home.dir=${home}`,
    `-Djboss.server.config.dir=${join(home, 'conf')}`,
    ...['-cp', join(release, 'lib/quarkus-run.jar'), MAIN_CLASS],
  ];
}

function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const late = setTimeout(() => child.kill('SIGKILL'), FETCH_LIMIT_MS);
  let said = '';
  const keep = (text: Buffer): void => {
    said = (said + text.toString('utf8')).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve, reject) => {
    const end = (why: string): void => {
      clearTimeout(late);
      if (why === '') resolve();
      else reject(new Error(`Keycloak cannot be had: ${why}`));
    };
    child.once('error', ({ message }) => end(message));
    child.once('close', (code) => end(code === 0 ? '' : `${program} ended with ${code}:\n${said}`));
  });
}
