/** What must hold after every run of a live sensor, and a second pair of eyes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SensorReport } from '../../src/app/report.ts';
import type { ApiCall } from '../../src/normalise/api-call.ts';
import type { Ended, LogLine } from '../support/live-sensor.ts';
import type { Namespace } from '../support/netns.ts';
import { readPcap } from '../support/read-pcap.ts';
import { type CallText, callText } from './calls.ts';

export interface CleanOptions {
  /** Packets may have been dropped by the kernel, and shed. */
  readonly drops?: boolean;
  /** Lines of level error that belong to the test. */
  readonly errors?: RegExp;
}

/** The sensor ended by itself with its books in balance, without a fault of its own and without drops. Gives the line with the final counts. */
export function assertClean(ended: Ended, { drops = false, errors }: CleanOptions = {}): LogLine {
  assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr.slice(-2000));
  const stopped = ended.log.findLast(({ message }) => message === 'stopped');
  assert.ok(stopped !== undefined, `no line with the final counts:\n${ended.stderr.slice(-2000)}`);
  assert.deepEqual(
    ended.log.filter(({ level, message }) => level === 'error' && errors?.test(message) !== true),
    [],
  );
  assert.equal(stopped.balancesOff, 0, JSON.stringify(stopped));
  if (!drops) assert.deepEqual([stopped.packetsKernelDropped, stopped.packetsShed], [0, 0], 'packets dropped by the kernel, and shed');
  return stopped;
}

/** The report of a sensor that runs: books in balance, no fault of Earshot itself. */
export function assertSound(report: SensorReport): void {
  for (const { name, balances, total, parts } of report.ledger) assert.ok(balances, `${name}: ${total} is not ${JSON.stringify(parts)}`);
  assert.equal(report.weirds['sensor.bug'] ?? 0, 0);
}

/** Workers that got packets. */
export function busyWorkers({ workers }: SensorReport): number {
  return workers.filter(({ packets }) => packets > 0).length;
}

export interface Witness {
  /** Ends it; the calls that `earshot read` finds in what it saw, the length of its longest packet, and how many it lost. */
  readonly testify: () => Promise<{ readonly calls: CallText[]; readonly longestBytes: number; readonly dropped: number }>;
}

/** tcpdump beside the sensor, on the same interface. */
export async function startWitness(at: Namespace, folder: string, device: string): Promise<Witness> {
  const file = join(folder, 'witness.pcap');
  const child = at.spawn('tcpdump', ['-i', device, '-w', file, '-s', '0', '-Z', 'root', '-B', '65536', '--immediate-mode']);
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('listening on')) resolve();
    });
    child.once('close', () => reject(new Error(`tcpdump: ${said}`)));
  });
  return {
    testify: async () => {
      child.kill('SIGINT');
      await once(child, 'close');
      const program = join(import.meta.dirname, '../../earshot');
      const { stdout, stderr, status } = spawnSync(program, ['read', file, '--unmasked', '--unfiltered'], {
        encoding: 'utf8',
        maxBuffer: 1 << 30,
      });
      assert.equal(status, 0, stderr);
      const calls = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as ApiCall)
        .map(({ request, response, client, server }) => {
          const path = request === null ? null : request.path;
          return callText(
            request?.method ?? null,
            path,
            response?.status ?? null,
            client.address,
            client.port,
            server.address,
            server.port,
          );
        });
      const longestBytes = readPcap(readFileSync(file)).reduce((most, { wireBytes }) => Math.max(most, wireBytes), 0);
      const dropped = Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1] ?? Number.NaN);
      return { calls, longestBytes, dropped };
    },
  };
}
