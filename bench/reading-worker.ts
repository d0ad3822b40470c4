/**
 * One thread of the workers bench: reads one capture from end to end, as a worker of the sensor does with its ring, and
 * writes whole records to /dev/null.
 *
 *   'ready' when everything is loaded  <-  'go'  ->  { calls }
 */
import { openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { writeBytes } from '../src/app/output.ts';
import { finishPipeline, processPacket, resetPipeline } from '../src/app/pipeline.ts';
import { RecordWriter } from '../src/app/record-writer.ts';
import { bytes } from '../src/base/arena.ts';
import { countOf } from '../src/base/counters.ts';
import { defaultSettings } from '../src/base/settings.ts';
import { openCapture } from '../src/capture/capture.ts';
import { Packet } from '../src/capture/packet.ts';
import { KEPT_BYTES_MAX } from '../test/support/truth.ts';

const { capture: path, worker } = workerData as { capture: string; worker: number };
const settings = { ...defaultSettings, http: { ...defaultSettings.http, bodyBytes: KEPT_BYTES_MAX } };
const fd = openSync('/dev/null', 'w');

function read(): number {
  const writer = new RecordWriter({ settings, epoch: 'bench', worker, write: (at, end) => writeBytes(fd, bytes, at, end) });
  resetPipeline(settings, (call) => writer.take(call));
  const capture = openCapture([path], settings);
  const packet = new Packet();
  while (capture.next(packet)) processPacket(packet);
  finishPipeline();
  writer.end('');
  capture.close();
  return countOf('calls.written');
}

parentPort?.once('message', () => parentPort?.postMessage({ calls: read() }));
parentPort?.postMessage('ready');
