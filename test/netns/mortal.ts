/**
 * The sensor in a process that ends one of its workers when it is told to, as an operating system out of memory might:
 *
 *   node mortal.ts WORKER CONFIG      SIGUSR2: the thread of that worker is ended; SIGTERM: stop
 */
import { openLog } from '../../src/app/log.ts';
import { Sensor } from '../../src/app/sensor.ts';
import { loadSettings } from '../../src/base/config.ts';

const [worker, configuration] = process.argv.slice(2);
const settings = loadSettings(configuration);
const log = openLog(settings.log);
const sensor = new Sensor({ settings, configuration, log });
process.on('SIGUSR2', () => {
  void sensor.workers.lives[Number(worker)].thread?.terminate();
});
process.once('SIGTERM', async () => {
  await sensor.stop();
  await log.close();
});
await sensor.start();
