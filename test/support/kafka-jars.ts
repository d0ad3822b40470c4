/**
 * Apache Kafka itself, as jars out of Maven's repository: fetched once into .cache/kafka/VERSION, then used from there.
 */
import { join } from 'node:path';
import { dependencies, fetchOnce } from './maven.ts';

export interface KafkaRelease {
  readonly kafka: string;
  readonly log4j: string;
}

/** The newest, and the last one that still speaks the protocol of old clients. */
export const kafka4: KafkaRelease = { kafka: '4.2.0', log4j: '2.25.3' };
export const kafka3: KafkaRelease = { kafka: '3.9.1', log4j: '2.25.3' };

const root = join(import.meta.dirname, '../..');
const FETCH_LIMIT_MS = 300_000;

/** `whole` is false for a jar without what it depends on: kafka-tools brings a web server that nobody needs. */
function dependency(group: string, artifact: string, version: string, whole = true): string {
  const exclusions = whole ? '' : '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>';
  return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>${exclusions}</dependency>`;
}

function project({ kafka, log4j }: KafkaRelease): string {
  const apache = 'org.apache.kafka';
  const logging = 'org.apache.logging.log4j';
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>earshot</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
<dependencies>
${dependency(apache, 'kafka_2.13', kafka)}
${dependency(apache, 'kafka-tools', kafka, false)}
${dependency('net.sourceforge.argparse4j', 'argparse4j', '0.7.0')}
${dependency(logging, 'log4j-slf4j-impl', log4j)}
${dependency(logging, 'log4j-core', log4j)}
${dependency(logging, 'log4j-api', log4j)}
</dependencies></project>
`;
}

/** The class path of a release. */
export async function kafkaClassPath(release: KafkaRelease): Promise<string> {
  const folder = join(root, '.cache/kafka', release.kafka);
  await fetchOnce(folder, project(release), async (work, pom) => {
    const jars = join(work, 'jars');
    await dependencies('copy-dependencies', pom, jars, FETCH_LIMIT_MS);
    return jars;
  });
  return join(folder, '*');
}
