/**
 * Apache Kafka itself, as jars out of Maven's repository: fetched once into .cache/kafka/VERSION, then used from there.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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

/** The class path of a release. Two that ask at the same moment both fetch; the one that is done first wins. */
export async function kafkaClassPath(release: KafkaRelease): Promise<string> {
  const folder = join(root, '.cache/kafka', release.kafka);
  if (!existsSync(folder)) {
    mkdirSync(dirname(folder), { recursive: true });
    const work = mkdtempSync(`${folder}-`);
    try {
      writeFileSync(join(work, 'pom.xml'), project(release));
      await maven(join(work, 'pom.xml'), join(work, 'jars'));
      try {
        renameSync(join(work, 'jars'), folder);
      } catch (error) {
        if (!existsSync(folder)) throw error;
      }
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return join(folder, '*');
}

function maven(pom: string, jars: string): Promise<void> {
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${jars}`, '-DincludeScope=runtime'];
  const child = spawn('mvn', ['-q', '-B', '-f', pom, ...goal], { stdio: ['ignore', 'pipe', 'pipe'], timeout: FETCH_LIMIT_MS });
  let said = '';
  const keep = (text: Buffer): void => {
    said = (said + text.toString('utf8')).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`Maven cannot fetch Kafka (exit code ${code}):\n${said}`))));
  });
}
