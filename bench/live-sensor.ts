/**
 * The sensor as the live bench runs it: all of `earshot run`, default filters and masking included, but with its last
 * report on standard output.
 *
 *   node bench/live-sensor.ts CONFIG      runs until SIGTERM; then prints its last report as one line of JSON
 */
import { openLog } from '../src/app/log.ts';
import { Sensor } from '../src/app/sensor.ts';
import { loadSettings } from '../src/base/config.ts';

const configuration = process.argv[2];
const settings = loadSettings(configuration);
const log = openLog(settings.log);
const sensor = new Sensor({ settings, configuration, log });
process.once('SIGTERM', async () => {
  const report = await sensor.stop();
  process.stdout.write(`${JSON.stringify(report)}\n`);
  await log.close();
});
await sensor.start();
