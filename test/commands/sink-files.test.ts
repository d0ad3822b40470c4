/** Files of the sinks of a running sensor: a reload with a bad one changes nothing, and delivery goes on with the good one. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendCalls, startDelivering } from '../chaos/delivering-sensor.ts';
import { earshot, refuses } from '../support/command.ts';

const CALLS = 10;

test('a reload is refused as a whole for each file that is bad, and taken when they are good again', { timeout: 120_000 }, async (t) => {
  const { edge, sensor } = await startDelivering(t);
  const config = join(sensor.folder, 'earshot.yaml');
  const reload = (): ReturnType<typeof earshot> => earshot(['reload', '-c', config]);
  const before = readFileSync(config, 'utf8');
  let sent = 0;
  for (const path of [edge.caFile, edge.secretFile]) {
    const kept = `${path}.kept`;
    renameSync(path, kept);
    if (path === edge.caFile) writeFileSync(path, '');
    // Beside it a change that could be taken over.
    writeFileSync(config, JSON.stringify({ ...JSON.parse(before), log: { level: 'debug' } }));
    const refused = await reload();
    refuses(refused, 2, /not reloaded, nothing was changed: .*Cannot use sinks[.]edge/);
    assert.ok(refused.err.includes(path), refused.err);
    await sensor.until('told', ({ health }) => health.faults.some(({ code, what }) => code === 'config-rejected' && what.includes(path)));
    await sendCalls(sensor.port, CALLS, ++sent);
    await sensor.until('delivered with the file of before', ({ ship }) => ship?.sinks[0].written === sent * CALLS);
    rmSync(path, { force: true });
    renameSync(kept, path);
    writeFileSync(config, before);
    assert.match((await reload()).out, /^reloaded /);
    await sensor.until('well', (report) => !report.health.faults.some(({ code }) => code === 'config-rejected'));
  }
  assert.equal(new Set(edge.received()).size, sent * CALLS);
  assert.equal(await sensor.end('SIGTERM'), 0);
});
