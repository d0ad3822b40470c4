/**
 * Keycloak itself, out of Maven's repository: fetched once into .cache/keycloak/VERSION, then used from there. What its own
 * `build` makes of the settings that hold for good (a database in memory) is kept with it: a start takes half as long.
 */
import { join } from 'node:path';
import { dependencies, fetchOnce, run } from './maven.ts';

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

/** The folder of the release. */
export async function keycloakRelease(): Promise<string> {
  const folder = join(root, '.cache/keycloak', KEYCLOAK);
  await fetchOnce(folder, project, async (work, pom) => {
    await dependencies('unpack-dependencies', pom, join(work, 'unpacked'), FETCH_LIMIT_MS);
    const unpacked = join(work, 'unpacked', `keycloak-${KEYCLOAK}`);
    await run('java', [...keycloakCommand(unpacked, unpacked), 'build', '--db=dev-mem'], FETCH_LIMIT_MS);
    return unpacked;
  });
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
